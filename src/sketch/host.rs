//! The running sketch: tried before it is taken, limited in every frame, its last good pose kept.
//!
//! On whatever thread calls it; in a show that is [`super::thread`]'s. A frame has a budget of steps (see
//! [`super::meter`]) and a memory limit, a panic in a native verb is caught; after any of these the sketch runs again
//! in the next frame, while the last pose stays.

use std::path::Path;
use std::sync::Arc;

use rune::runtime::{Object, Vec as List, VmError, budget};
use rune::{Value, Vm};

use super::chance::Random;
use super::complaint::Complaint;
use super::instrument::OWN_DRAW;
use super::meter::{self, BUDGET, MEMORY, OVER_BUDGET, TOO_DEEP};
use super::values::{Drawing, Hand, Latent, Time};
use super::{Language, Program, SketchKind, doubt, reworded, saved, state};
use crate::clock::Tick;
use crate::latent::pose::{MOST_DRAWN, MOST_MARKS, Pose};
use crate::latent::space::Space;
use crate::worker::caught;

/// Frames between two looks at the size of a state that is large; a small one is looked at in every frame.
const LOOK_EVERY: u64 = 16;
/// The seed of the pictures that a drawing sketch shows; that of a dataset if nothing else is said.
const SHOWN_SEED: u32 = 1;
/// Values of a small state.
const SMALL: usize = 500;

struct Running {
    program: Program,
    vm: Vm,
    me: Value,
    /// Its state was kept though it could not be tried: if the first frame fails, the state begins anew.
    unproven: bool,
    size: usize,
    /// The picture that a drawing sketch drew last.
    picture: Option<u64>,
}

/// What becomes of the state when a program that was tried takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// It is kept.
    State,
    /// It is kept though it could not be copied, so that the trial began with a fresh one.
    Unproven,
    /// It begins anew.
    Nothing,
}

/// A program that showed a frame.
#[derive(Debug)]
pub struct Tried {
    /// What the frame showed.
    pub pose: Arc<Pose>,
    /// What becomes of the state when it takes over.
    pub keeps: Keeps,
    /// Worth saying: that the state begins anew, and why, or what is probably not meant.
    pub note: Option<String>,
}

/// The state of the program before, for a trial.
pub enum Handed {
    /// There is none.
    Nothing,
    /// A copy.
    Copy(Value),
    /// One that cannot be copied: a generator, a function.
    Uncopied,
}

/// Where the sketch runs.
pub struct Host {
    /// The language that its sketches were compiled with.
    pub language: Language,
    running: Option<Running>,
    last: Arc<Pose>,
    tried: Arc<Pose>,
    frames: u64,
    /// What was found out behind the last frame.
    found: Option<Box<Complaint>>,
}

/// One frame's result.
pub struct Walked {
    /// What the frame shows.
    pub pose: Arc<Pose>,
    /// Why the pose is an older one, or what had to be changed about it.
    pub complaint: Option<Box<Complaint>>,
}

impl Host {
    /// An empty host; until a sketch is taken it shows the middle of the space.
    pub fn new(language: Language) -> Self {
        let middle = Pose::of(vec![0.0; language.env.dim()]);
        let last = Arc::new(middle);
        Self { language, running: None, tried: last.clone(), last, frames: 0, found: None }
    }

    /// The program that runs.
    pub fn program(&self) -> Option<&Program> {
        self.running.as_ref().map(|r| &r.program)
    }

    /// What the running sketch's trial frame showed.
    pub fn trial_pose(&self) -> &Pose {
        &self.tried
    }

    /// The running sketch's state as JSON, if it has at most `most` values and all of them have a text.
    pub fn save(&self, most: usize) -> Option<serde_json::Value> {
        saved::save(&self.running.as_ref()?.me, most)
    }

    /// Gives the running sketch a state that was saved; false where that is none.
    pub fn load(&mut self, state: &serde_json::Value) -> bool {
        let (Some(running), Some(me)) = (&mut self.running, saved::load(state, 0)) else { return false };
        running.me = me;
        true
    }

    /// Tries a program for one frame on a copy of the state, and takes it if that went well. The state is
    /// kept, with the fields that a new `setup` has in addition; where the new program cannot work with it,
    /// it begins anew, and that is said.
    ///
    /// # Errors
    /// With what went wrong in the trial; the program before goes on.
    pub fn take(&mut self, program: Program, tick: Tick) -> Result<Option<String>, Box<Complaint>> {
        let (drawn, controls) = {
            let inside = self.language.env.lock();
            (inside.drawn, inside.controls.clone())
        };
        let handed = match self.running.as_ref().map(|r| state::copy(&r.me)) {
            None => Handed::Nothing,
            Some(Some(copy)) => Handed::Copy(copy),
            Some(None) => Handed::Uncopied,
        };
        let result = self.attempt(&program, handed, tick).and_then(|tried| {
            self.adopt(program, tried.keeps)?;
            self.tried = tried.pose;
            Ok(tried.note)
        });
        let mut inside = self.language.env.lock();
        inside.drawn = drawn;
        if result.is_err() {
            inside.controls = controls;
        }
        result
    }

    /// Tries a program for one frame, from a copy of the state before if there is one, else from a fresh one. The
    /// program that runs is not touched.
    ///
    /// # Errors
    /// With what went wrong.
    pub fn attempt(&mut self, program: &Program, handed: Handed, tick: Tick) -> Result<Tried, Box<Complaint>> {
        // A trial frame draws knobs of its own; the old sketch's are not the new one's.
        self.language.env.lock().controls.forget_asked();
        let fresh = || self.fresh(program);
        let trial = |me: Value| -> Result<Arc<Pose>, Box<Complaint>> {
            let mut vm = Vm::new(self.language.runtime.clone(), program.unit.clone());
            if program.has_on_load {
                call(&mut vm, program, "on_load", (me.clone(),))?;
            }
            let out = self.shown(&mut vm, program, me, tick)?;
            self.pose(program, &out).map(|(pose, _)| Arc::new(pose))
        };
        let begin = fresh()?;
        let whole = |pose, keeps| Ok(Tried { pose, keeps, note: doubt(program.text()) });
        match handed {
            Handed::Nothing => whole(trial(begin)?, Keeps::Nothing),
            // What cannot be copied (a generator) is tried from a fresh start.
            Handed::Uncopied => whole(trial(begin)?, Keeps::Unproven),
            // A state of another kind than the new sketch's is of no use to it.
            Handed::Copy(old) if old.type_hash() != begin.type_hash() => whole(trial(begin)?, Keeps::Nothing),
            Handed::Copy(old) => {
                state::fill_up(&old, &begin);
                match trial(old) {
                    Ok(pose) => whole(pose, Keeps::State),
                    Err(complaint) => match fresh().and_then(trial) {
                        Ok(pose) => {
                            let note = format!("the state begins anew; with the old one: {}", complaint.what);
                            Ok(Tried { pose, keeps: Keeps::Nothing, note: Some(note) })
                        }
                        Err(_) => Err(complaint),
                    },
                }
            }
        }
    }

    /// Runs a program from now on that was tried.
    ///
    /// # Errors
    /// With what went wrong in its `setup` or `on_load`; the program before goes on.
    pub fn adopt(&mut self, program: Program, keeps: Keeps) -> Result<(), Box<Complaint>> {
        let begin = self.fresh(&program)?;
        let old = self.running.as_ref().map(|r| &r.me).filter(|me| me.type_hash() == begin.type_hash());
        let me = match old.filter(|_| keeps != Keeps::Nothing) {
            Some(old) => {
                state::fill_up(old, &begin);
                old.clone()
            }
            None => begin,
        };
        let mut vm = Vm::new(self.language.runtime.clone(), program.unit.clone());
        if program.has_on_load {
            call(&mut vm, &program, "on_load", (me.clone(),))?;
        }
        self.running = Some(Running { program, vm, me, unproven: keeps == Keeps::Unproven, size: 0, picture: None });
        Ok(())
    }

    /// A state from the start.
    fn fresh(&self, program: &Program) -> Result<Value, Box<Complaint>> {
        let mut vm = Vm::new(self.language.runtime.clone(), program.unit.clone());
        match program.has_setup {
            true => call(&mut vm, program, "setup", ()),
            false => Ok(Value::new(Object::new()).unwrap_or_else(|_| Value::from(()))),
        }
    }

    /// Another model: what was shown last stays, in its space.
    pub fn set_space(&mut self, space: Space) {
        self.language.env.set_space(space.clone());
        let mut last = (*self.last).clone();
        last.bring_to(&space);
        self.last = Arc::new(last);
    }

    /// One frame of the walk, and a look at the state behind it.
    pub fn walk(&mut self, tick: Tick) -> Walked {
        let mut walked = self.step(tick);
        self.look();
        if let Some(found) = self.found.take() {
            walked.complaint = Some(found);
        }
        walked
    }

    /// One frame of the walk, without the look at the state: [`Self::look`] comes when nobody waits.
    pub fn step(&mut self, tick: Tick) -> Walked {
        let Some(mut running) = self.running.take() else {
            return Walked { pose: self.last.clone(), complaint: self.found.take() };
        };
        if running.picture.is_some_and(|picture| picture == number(tick)) {
            let pose = self.last.clone();
            self.running = Some(running);
            return Walked { pose, complaint: self.found.take() };
        }
        let Running { program, vm, me, unproven, picture, .. } = &mut running;
        let mut out = self.shown(vm, program, me.clone(), tick);
        if out.is_err() && *unproven {
            *vm = Vm::new(self.language.runtime.clone(), program.unit.clone());
            *me = begin(vm, program);
            out = self.shown(vm, program, me.clone(), tick);
        }
        *unproven = false;
        // What failed is not tried sixty times a second: a drawing sketch's next picture comes with the next beat.
        *picture = (program.kind == SketchKind::Drawing).then(|| number(tick));
        let posed = out.and_then(|out| self.pose(program, &out));
        self.frames += 1;
        let complaint = match posed {
            Ok((pose, said)) => {
                if *self.last != pose {
                    self.last = Arc::new(pose);
                }
                said.map(|what| Box::new(Complaint::whole(&program.path, what, None)))
            }
            Err(complaint) => {
                // Whatever the fault left on its stack, the next frame does not see it.
                *vm = Vm::new(self.language.runtime.clone(), program.unit.clone());
                Some(complaint)
            }
        };
        self.running = Some(running);
        Walked { pose: self.last.clone(), complaint: self.found.take().or(complaint) }
    }

    /// Calls a program for a frame: a walk with its state, a drawing sketch for the picture of this beat.
    fn shown(&self, vm: &mut Vm, program: &Program, me: Value, tick: Tick) -> Result<Value, Box<Complaint>> {
        let drawing = program.kind == SketchKind::Drawing;
        self.language.env.lock().drawing = drawing;
        if !drawing {
            return call(vm, program, "walk", (me, Time::from(tick), Hand {}));
        }
        let index = number(tick);
        let random = Value::new(Random::of_picture(SHOWN_SEED, index));
        let random = random.map_err(|e| Box::new(Complaint::whole(&program.path, e.to_string(), None)))?;
        call(vm, program, "draw", (random, index as i64))
    }

    /// Measures the state; one that only grows begins anew, which the next frame says.
    pub fn look(&mut self) {
        let Some(Running { program, vm, me, size, .. }) = &mut self.running else { return };
        if *size < SMALL || self.frames.is_multiple_of(LOOK_EVERY) {
            *size = state::size(me);
        }
        if *size > state::MOST_VALUES {
            *size = 0;
            *me = begin(vm, program);
            let what = format!("its state had grown to more than {} values and begins anew", state::MOST_VALUES);
            let hint = "keep only what the next frame needs";
            self.found = Some(Box::new(Complaint::whole(&program.path, what, Some(hint.into()))));
        }
    }

    /// What `walk` returned as a pose that can be shown.
    fn pose(&self, program: &Program, out: &Value) -> Result<(Pose, Option<String>), Box<Complaint>> {
        let list = || -> Option<Pose> {
            let list = out.borrow_ref::<List>().ok()?;
            let latents: Option<Vec<_>> =
                list.iter().map(|v| v.borrow_ref::<Latent>().ok().map(|l| l.narrow())).collect();
            let latents = latents?;
            let count = latents.len();
            (count > 0).then(|| Pose::grid(latents, count, 0.0))
        };
        let mut pose = if let Ok(latent) = out.borrow_ref::<Latent>() {
            Pose::grid(vec![latent.narrow()], 1, 0.0)
        } else if let Ok(drawing) = out.borrow_ref::<Drawing>() {
            drawing.pose.clone()
        } else if let Some(pose) = list() {
            pose
        } else {
            if program.kind == SketchKind::Drawing {
                return Err(not_drawn(program, out));
            }
            let text = program.text();
            let at = text.find("fn walk").unwrap_or(0);
            let what = format!("walk gave {}, and it has to give a latent or a drawing", plain(out));
            let hint = "its last line, without a semicolon, is what it gives: pub fn walk(me, t, c) { seed(7) }";
            return Err(Box::new(Complaint::at(&program.path, text, at..at, what, Some(hint.into()))));
        };
        let most = if program.kind == SketchKind::Drawing { MOST_DRAWN } else { MOST_MARKS };
        let said = pose.settle_within(&self.language.env.lock().space, most);
        Ok((pose, said))
    }
}

/// The number of the picture that a drawing sketch shows: a new one each beat.
fn number(tick: Tick) -> u64 {
    tick.beat.max(0.0) as u64
}

/// What is said of a drawing sketch that gave something else.
pub(super) fn not_drawn(program: &Program, out: &Value) -> Box<Complaint> {
    let text = program.text();
    let at = text.find("fn draw").unwrap_or(0);
    let what = format!("draw gave {}, and it has to give a drawing", plain(out));
    let hint = "its last line, without a semicolon, is what it gives, as in: canvas(\"paper\").disc()";
    Box::new(Complaint::at(&program.path, text, at..at, what, Some(hint.into())))
}

pub(super) fn plain(out: &Value) -> String {
    let text = out.type_info().to_string();
    match text.as_str() {
        "::std::tuple::Tuple" | "()" => "nothing".into(),
        other => other.rsplit("::").next().unwrap_or(other).to_owned(),
    }
}

/// A state from the start: what `setup` gives, or an empty object.
fn begin(vm: &mut Vm, program: &Program) -> Value {
    let made = if program.has_setup { call(vm, program, "setup", ()).ok() } else { None };
    made.or_else(|| Value::new(Object::new()).ok()).unwrap_or_else(|| Value::from(()))
}

/// Calls a function of the program within the limits.
pub(super) fn call(
    vm: &mut Vm,
    program: &Program,
    name: &'static str,
    args: impl rune::runtime::GuardedArgs,
) -> Result<Value, Box<Complaint>> {
    let (compiled, steps) = match program.kind {
        SketchKind::Drawing if name == "draw" => (OWN_DRAW, meter::PICTURE_BUDGET),
        SketchKind::Drawing => (name, meter::PICTURE_BUDGET),
        SketchKind::Walk => (name, BUDGET),
    };
    let limited = || budget::with(meter::instructions(steps), || vm.call([compiled], args)).call();
    let result = caught(|| meter::with(steps, limited));
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(complaint(vm, program, name, &error)),
        Err(panic) => {
            let what = format!("a verb failed inside ({panic}); this is a fault of the program, not of the sketch");
            Err(place(vm.last_ip(), program, name, what, None))
        }
    }
}

fn complaint(vm: &Vm, program: &Program, name: &str, error: &VmError) -> Box<Complaint> {
    let what = error.to_string();
    let unit = if program.kind == SketchKind::Drawing { "picture" } else { "frame" };
    let ip = error.first_location().map_or_else(|| vm.last_ip(), |location| location.ip);
    if what.contains("alted") || what.contains(OVER_BUDGET) {
        let what = format!("{name} took more than {} steps in one {unit}", meter::budget());
        let hint = match program.kind {
            SketchKind::Walk => "is there a loop without an end? work that is long can be spread over frames in me",
            SketchKind::Drawing => "is there a loop without an end?",
        };
        let hint = hint.to_owned();
        return last_body(program)
            .unwrap_or_else(|| place(ip, program, name, String::new(), None))
            .with(what, Some(hint));
    }
    if what.contains(TOO_DEEP) {
        let hint = "does a function call itself without an end?".to_owned();
        let found = last_body(program).unwrap_or_else(|| place(ip, program, name, String::new(), None));
        return found.with(format!("{name}: {TOO_DEEP}"), Some(hint));
    }
    if what.contains("llocat") || what.contains("emory") {
        let what = format!("{name} took more than {} MB in one {unit}", MEMORY >> 20);
        return place(ip, program, name, what, Some("does a list or a text grow in a loop?".into()));
    }
    let what = what.strip_prefix("Panicked: ").unwrap_or(&what).to_owned();
    let mut found = place(ip, program, name, what, None);
    if let Some((text, range)) = span(ip, program) {
        (found.what, found.hint) = reworded(found.what.clone(), &text, &range);
    }
    found
}

/// The beginning of the body in which a function ended that a verb had called back.
fn last_body(program: &Program) -> Option<Box<Complaint>> {
    let (source, offset) = meter::inside()?;
    let (path, text) = program.sources.get(source)?;
    let at = offset.checked_sub(1).filter(|at| *at < text.len())?;
    Some(Box::new(Complaint::at(path, text, at..at + 1, String::new(), None)))
}

/// The source and the byte range an instruction comes from.
fn span(ip: usize, program: &Program) -> Option<(String, std::ops::Range<usize>)> {
    let inst = program.unit.debug_info()?.instruction_at(ip)?;
    let source = inst.source_id.into_index();
    let ((_, text), compiled) = (program.sources.get(source)?, program.compiled.get(source)?);
    let range = inst.span.range();
    Some((text.clone(), compiled.original(range.start)..compiled.original(range.end)))
}

fn place(ip: usize, program: &Program, name: &str, what: String, hint: Option<String>) -> Box<Complaint> {
    let index = program.unit.debug_info().and_then(|d| d.instruction_at(ip)).map(|i| i.source_id.into_index());
    let path: &Path = index.and_then(|i| program.sources.get(i)).map_or(&program.path, |(path, _)| path);
    Box::new(match span(ip, program) {
        Some((text, range)) => Complaint::at(path, &text, range, what, hint),
        None => {
            let at = program.text().find(&format!("fn {name}")).unwrap_or(0);
            Complaint::at(&program.path, program.text(), at..at, what, hint)
        }
    })
}
