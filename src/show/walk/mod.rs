//! The walk: the sketch's thread, the clock, the morph, and the pose of this frame.
//!
//! Once a frame the show asks for a pose and collects it a moment later. Live it waits for a share of the frame and
//! then shows the last good pose; a sketch that stays silent for [`SILENT`] is given up, and the version before runs on
//! a fresh thread. A film waits, with [`PATIENCE`]. May take: that share of the frame. May touch: nothing but its
//! threads; what sketches ask for (knobs, ways to be measured, the critic) it passes on.

mod trials;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::takes::snapshot::Morph;
use crate::clock::{Clock, Tick};
use crate::control::Controls;
use crate::latent::pose::Pose;
use crate::preset::Swap;
use crate::sketch::host::Keeps;
use crate::sketch::thread::{
    Adopt, Answer, Ask, Asked, Attempt, Critic, News, Points, Proven, Said, SketchThread, Standing,
};
use crate::sketch::{Complaint, MEASURED, Measure, Program, arc_lengths};
use trials::{Purpose, Trials, silent_at};

/// Share of a frame that a live show waits for its sketch.
pub const SHARE: f64 = 0.4;
/// A sketch that has been silent for so long is said to be late.
const LATE: Duration = Duration::from_millis(100);
/// One that has been silent for so long is given up.
pub const SILENT: Duration = Duration::from_secs(2);
/// The same in a film.
pub const PATIENCE: Duration = Duration::from_secs(8);
/// Seconds after which a version counts as one that runs well.
const WELL_SECS: f64 = 10.0;
/// How long a fault stays after it was last seen, in seconds.
const FAULT_SECS: f64 = 3.0;
/// Ways whose measurements are kept.
const MOST_MEASURED: usize = 1024;

/// The sketch of last resort: it is part of the program, so that there always is one.
pub const SAFE: &str =
    "// A slow ring through six seeds.\npub fn walk(me, t, c) { ring([1, 2, 3, 4, 5, 6], t.phase(48)) }\n";

/// What a frame's walk did beside giving a pose; for the log of a performance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Steps {
    /// The answer of an earlier frame came before this one was asked for.
    pub early: bool,
    /// The sketch was asked for this frame.
    pub asked: bool,
    /// It answered by the end of it.
    pub answered: bool,
}

impl Steps {
    /// Asked and answered, as it should be.
    pub const USUAL: Self = Self { early: false, asked: true, answered: true };
}

/// What happened to a sketch that others should know.
pub enum Event {
    /// A version is to take over with this frame.
    Begins(Program),
    /// It took over.
    Took { program: Program, note: Option<String> },
    /// A version is not taken, or did not come back and one that ran before is on its way.
    Refused(Box<Complaint>),
}

/// The walk of a show.
pub struct Walk {
    clock: Clock,
    thread: Option<SketchThread>,
    trials: Trials,
    /// Waits for every answer: a film.
    exact: bool,
    running: Option<Program>,
    /// When it took over, in real seconds; and the last one that ran well.
    took: f64,
    good: Option<Program>,
    /// A version that waits for its beat.
    due: Option<Box<Proven>>,
    adopt: Option<(Adopt, Option<String>)>,
    /// What the thread is taking over with the frame that it is at.
    taking: Option<(Program, Option<String>)>,
    /// An answer that is not shown yet.
    held: Option<Box<Answer>>,
    /// The state of the version that was given up.
    left_state: Option<Arc<serde_json::Value>>,
    /// How long a frame lasts.
    frame: Duration,
    number: u64,
    /// Seconds of frames for which the sketch was not asked: of the walk, and real ones.
    missed: (f64, f64),
    steps: Steps,
    /// The sketch's last good pose, and the one that is shown.
    given: Arc<Pose>,
    pose: Arc<Pose>,
    tried: Arc<Pose>,
    morph: Option<Morph>,
    asked: Asked,
    points: Points,
    news: Vec<News>,
    wanted: Vec<Measure>,
    measured: BTreeMap<u64, Vec<f64>>,
    wants: [bool; 2],
    drawn: u32,
    critic: Critic,
    dim: usize,
    complaint: Option<(Box<Complaint>, f64)>,
    refused: Option<Box<Complaint>>,
    /// The sketch was silent too long, too often.
    lost: bool,
    events: Vec<Event>,
}

impl Walk {
    /// For a model of `dim` dimensions, with beats at `bpm` a minute; `exact` waits for every answer. `frame` is how
    /// long a frame lasts.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new(dim: usize, bpm: f64, frame: Duration, exact: bool) -> std::io::Result<Self> {
        let mut trials = Trials::new(dim, if exact { PATIENCE } else { SILENT })?;
        let middle = Arc::new(Pose::of(vec![0.0; dim]));
        Ok(Self {
            clock: Clock::new(bpm),
            thread: Some(trials.thread()?),
            trials,
            exact,
            running: None,
            took: 0.0,
            good: None,
            due: None,
            adopt: None,
            taking: None,
            held: None,
            left_state: None,
            frame,
            number: 0,
            missed: (0.0, 0.0),
            steps: Steps::default(),
            given: middle.clone(),
            pose: middle.clone(),
            tried: middle,
            morph: None,
            asked: Asked::default(),
            points: Points::new(),
            news: Vec::new(),
            wanted: Vec::new(),
            measured: BTreeMap::new(),
            wants: [false; 2],
            drawn: 0,
            critic: Critic::default(),
            dim,
            complaint: None,
            refused: None,
            lost: false,
            events: Vec::new(),
        })
    }
}

/// Time.
impl Walk {
    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The clock, for hands.
    pub fn clock_mut(&mut self) -> &mut Clock {
        &mut self.clock
    }

    /// The next frame of the clock, `real` seconds after the start.
    pub fn tick(&mut self, real: f64, first: bool) -> Tick {
        self.clock.frame(real, first)
    }

    /// Goes through a stored z and on to the sketch's own.
    pub fn set_morph(&mut self, morph: Option<Morph>) {
        self.morph = morph;
    }

    /// The morph that goes on.
    pub fn morph(&self) -> Option<&Morph> {
        self.morph.as_ref()
    }
}

/// Versions.
impl Walk {
    fn attempt(&self, path: &Path, text: String, state: Standing, controls: &Controls) -> Attempt {
        Attempt {
            path: path.into(),
            text: Some(text),
            state,
            tick: self.clock.now(),
            lent: controls.lend(),
            critic: self.critic.clone(),
            dim: self.dim,
            points: self.points.clone(),
        }
    }

    /// A text was saved, or another sketch chosen: it is tried, and takes over if it goes well.
    pub fn offer(&mut self, path: &Path, text: String, controls: &Controls) {
        self.due = None;
        let state = self.thread.as_ref().map_or(Standing::Nothing, SketchThread::standing);
        let attempt = self.attempt(path, text, state, controls);
        if let Err(complaint) = self.trials.begin(Purpose::Edit, attempt) {
            self.refuse(complaint);
        }
    }

    /// A text could not be read, say: the version before goes on.
    pub fn refuse(&mut self, complaint: Box<Complaint>) {
        self.refused = Some(complaint.clone());
        self.events.push(Event::Refused(complaint));
    }

    /// The first sketch, or one of a performance that is played again: waits until it was tried.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn take_now(
        &mut self,
        path: &Path,
        text: String,
        controls: &Controls,
    ) -> Result<Option<String>, Box<Complaint>> {
        let state = self.standing_now(PATIENCE);
        let attempt = self.attempt(path, text, state, controls);
        self.trials.begin(Purpose::Edit, attempt)?;
        loop {
            let Some((_, result)) = self.trials.look(Duration::from_millis(5)) else { continue };
            let proven = result?;
            let note = proven.tried.note.clone();
            self.tried = proven.tried.pose.clone();
            self.take_over(proven, None, 0.0);
            if let Some((adopt, _)) = &self.adopt {
                // Nothing else runs that could go on if its setup failed now.
                self.running = Some(adopt.program.clone());
            }
            return Ok(note);
        }
    }

    /// Whether the version that was offered last is still on trial, or waits for its beat.
    pub fn undecided(&self) -> bool {
        self.trials.busy() || self.due.is_some() || self.adopt.is_some()
    }

    /// Looks at the trials, and has what went well take over when it is due.
    pub fn look(&mut self, tick: Tick, swap: Swap, controls: &Controls, real: f64) {
        while let Some((purpose, result)) = self.trials.look(Duration::ZERO) {
            match (purpose, result) {
                (Purpose::Edit, Ok(proven)) => {
                    let runs = self.running.as_ref();
                    let same =
                        |p: &Program| p.fingerprint == proven.program.fingerprint && p.path == proven.program.path;
                    if runs.is_some_and(same) {
                        // Back to what runs: what was refused in between is of no interest any more.
                        self.refused = None;
                    } else {
                        self.due = Some(proven);
                    }
                }
                (Purpose::Edit, Err(complaint)) => self.refuse(complaint),
                (Purpose::Return, Ok(proven)) => {
                    let state = self.left_state.take().filter(|_| proven.tried.keeps == Keeps::State);
                    self.take_over(proven, state, real);
                }
                (Purpose::Return, Err(_)) => {
                    self.go_back(Path::new("built-in.rn"), SAFE.into(), Standing::Nothing, controls)
                }
            }
        }
        let before = tick.beat - tick.dt * tick.bpm / 60.0;
        let crossed = |beats: f64| (tick.beat / beats).floor() != (before / beats).floor();
        let now = match swap {
            Swap::Now => true,
            Swap::Beat => crossed(1.0),
            Swap::Bar => crossed(crate::clock::BAR),
        };
        if now && let Some(proven) = self.due.take() {
            self.take_over(proven, None, real);
        }
    }

    /// A version that was tried runs from the next frame on.
    fn take_over(&mut self, proven: Box<Proven>, state: Option<Arc<serde_json::Value>>, real: f64) {
        let Proven { program, tried, wanted, .. } = *proven;
        if let Some(before) = &self.running
            && (self.good.is_none() || real - self.took >= WELL_SECS)
        {
            self.good = Some(before.clone());
        }
        self.want(wanted);
        self.adopt = Some((Adopt { program, keeps: tried.keeps, state }, tried.note));
    }

    /// The program that runs, or takes over with the next frame where none runs.
    pub fn program(&self) -> Option<&Program> {
        self.running.as_ref()
    }

    /// Seconds that it has run without a fault that is still there; 0 if it has one.
    pub fn well_secs(&self, real: f64) -> f64 {
        if self.complaint.is_some() || self.running.is_none() { 0.0 } else { real - self.took }
    }

    /// What is wrong: with a version that is not taken, or with the one that runs.
    pub fn complaint(&self) -> Option<&Complaint> {
        self.refused.as_deref().or(self.complaint.as_ref().map(|(complaint, _)| &**complaint))
    }

    /// What has happened since the last call.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What the first frame of the version that was tried last showed.
    pub fn trial_pose(&self) -> &Pose {
        &self.tried
    }

    /// Whether sketches have stayed silent too often: only a new process helps.
    pub fn lost(&self) -> bool {
        self.lost
    }

    /// Threads that were given up and are still at work.
    pub fn silent(&self) -> usize {
        self.trials.silent()
    }

    /// How long the sketch's thread has been at work; none while it waits for a frame.
    pub fn working(&self) -> Option<Duration> {
        self.thread.as_ref().and_then(SketchThread::working)
    }
}

/// The state, and what the sketch may know.
impl Walk {
    /// The running sketch's state as it is now, waiting for it at most `patience`.
    pub fn standing_now(&mut self, patience: Duration) -> Standing {
        self.poll();
        match &mut self.thread {
            Some(thread) => thread.standing_now(patience).unwrap_or_default(),
            None => Standing::Nothing,
        }
    }

    /// The same as it was within the last quarter of a second.
    pub fn standing(&self) -> Standing {
        self.thread.as_ref().map_or(Standing::Nothing, SketchThread::standing)
    }

    /// Begins the program that takes over next with this state.
    pub fn set_state(&mut self, state: serde_json::Value) {
        if let Some((adopt, _)) = &mut self.adopt {
            adopt.state = Some(Arc::new(state));
        }
    }

    /// Draws of `random()` so far.
    pub fn drawn(&self) -> u32 {
        self.drawn
    }

    /// Sets them.
    pub fn set_drawn(&mut self, drawn: u32) {
        self.drawn = drawn;
        self.news.push(News::Drawn(drawn));
    }

    /// Another model: what was measured on the old weights is dropped.
    pub fn set_dim(&mut self, dim: usize) {
        self.dim = dim;
        self.trials.set_dim(dim);
        self.measured.clear();
        self.wanted.clear();
        self.critic.direction = Arc::default();
        self.news.push(News::Dim(dim));
    }

    /// Points for `load`, beside those that are there.
    pub fn add_points(&mut self, points: Points) {
        self.points.extend(points.clone());
        self.news.push(News::Points(points));
    }

    /// What the critic thinks.
    pub fn critic(&self) -> &Critic {
        &self.critic
    }

    /// Sets it.
    pub fn set_critic(&mut self, critic: Critic) {
        self.critic = critic;
    }

    /// Whether the sketch wants to know the critic's score, and its direction.
    pub fn wants(&self) -> [bool; 2] {
        self.wants
    }

    fn want(&mut self, ways: Vec<Measure>) {
        for way in ways {
            match self.measured.get(&way.key) {
                Some(lengths) => self.news.push(News::Measured(way.key, lengths.clone())),
                None => self.wanted.push(way),
            }
        }
    }

    /// Ways that the sketch wants to walk evenly and that are not measured yet.
    pub fn wanted(&mut self) -> Vec<Measure> {
        std::mem::take(&mut self.wanted)
    }

    /// A way was measured: the change from each of its pictures to the next.
    pub fn set_measured(&mut self, key: u64, changes: &[f64]) {
        if changes.len() + 1 == MEASURED {
            if self.measured.len() >= MOST_MEASURED {
                self.measured.clear();
            }
            let lengths = arc_lengths(changes);
            self.measured.insert(key, lengths.clone());
            self.news.push(News::Measured(key, lengths));
        }
    }
}

/// A frame.
impl Walk {
    /// The pose that is shown.
    pub fn pose(&self) -> &Arc<Pose> {
        &self.pose
    }

    /// Shows another pose: one that was walked before, or between two.
    pub fn set_pose(&mut self, pose: Arc<Pose>) {
        self.pose = pose;
    }

    /// What this frame did.
    pub fn steps(&self) -> Steps {
        self.steps
    }

    /// An answer that came since the last look; whether there was one.
    fn poll(&mut self) -> bool {
        if self.held.is_none()
            && let Some(Said::Answer(answer)) = self.thread.as_mut().and_then(|thread| thread.wait(Duration::ZERO))
        {
            self.held = Some(answer);
        }
        self.held.is_some()
    }

    /// Asks for the frame, if the sketch is done with the one before.
    pub fn ask(&mut self, tick: Tick, controls: &mut Controls, real: f64) {
        self.steps = Steps::default();
        if self.poll() {
            self.steps.early = true;
            self.apply(controls, real);
        }
        let Some(thread) = &mut self.thread else { return self.miss(tick) };
        if thread.working().is_some() {
            return self.miss(tick);
        }
        self.send(tick, controls);
    }

    fn miss(&mut self, tick: Tick) {
        self.missed = (self.missed.0 + tick.dt, self.missed.1 + tick.real_dt);
    }

    fn send(&mut self, tick: Tick, controls: &mut Controls) {
        let Some(thread) = &mut self.thread else { return };
        controls.fall();
        let (dt, real_dt) = std::mem::take(&mut self.missed);
        let tick = Tick { dt: tick.dt + dt, real_dt: tick.real_dt + real_dt, ..tick };
        self.number += 1;
        let adopt = self.adopt.take();
        if let Some((adopt, note)) = &adopt {
            self.events.push(Event::Begins(adopt.program.clone()));
            self.taking = Some((adopt.program.clone(), note.clone()));
        }
        thread.ask(Ask {
            number: self.number,
            tick,
            lent: controls.lend(),
            critic: self.critic.clone(),
            news: std::mem::take(&mut self.news),
            adopt: adopt.map(|(adopt, _)| adopt),
            gliding: !self.exact,
        });
        self.steps.asked = true;
    }

    /// Takes the answer, waiting for it at most `patience`, and makes the pose that is shown.
    ///
    /// # Errors
    /// In a film, if the sketch does not come back.
    pub fn collect(&mut self, patience: Duration, controls: &mut Controls, real: f64) -> Result<(), Box<Complaint>> {
        let patience = if self.exact { PATIENCE } else { patience };
        let mut silent = Ok(());
        if let Some(thread) = self.thread.as_mut().filter(|thread| thread.working().is_some()) {
            match thread.wait(patience) {
                Some(Said::Answer(answer)) => {
                    self.held = Some(answer);
                    self.steps.answered = true;
                    self.apply(controls, real);
                }
                Some(Said::Tried(Err(complaint))) => self.complaint = Some((complaint, real)),
                Some(_) => {}
                None => silent = self.wait_on(controls, real),
            }
        }
        self.forgive(real);
        self.show(controls, real);
        silent
    }

    /// One frame of a performance that is played again, with the steps that it had then.
    ///
    /// # Errors
    /// If the sketch does not come back.
    pub fn again(
        &mut self,
        steps: Steps,
        tick: Tick,
        controls: &mut Controls,
        real: f64,
    ) -> Result<(), Box<Complaint>> {
        if steps.early {
            self.apply(controls, real);
        }
        let mut silent = Ok(());
        if steps.asked {
            self.send(tick, controls);
            match self.thread.as_mut().and_then(|thread| thread.wait(PATIENCE)) {
                Some(Said::Answer(answer)) => self.held = Some(answer),
                _ => silent = self.wait_on(controls, real),
            }
        } else {
            self.miss(tick);
        }
        if steps.answered {
            self.apply(controls, real);
        }
        self.steps = steps;
        self.forgive(real);
        self.show(controls, real);
        silent
    }

    /// Takes the answer that is there.
    fn apply(&mut self, controls: &mut Controls, real: f64) {
        let Some(answer) = self.held.take() else { return };
        let Answer { pose, complaint, refused, asked, wanted, wants, drawn, cpu, .. } = *answer;
        if let Some((program, note)) = self.taking.take() {
            match refused {
                Some(complaint) => self.refuse(complaint),
                None => {
                    (self.refused, self.complaint, self.took) = (None, None, real);
                    self.running = Some(program.clone());
                    self.events.push(Event::Took { program, note });
                }
            }
        }
        (self.given, self.wants, self.drawn) = (pose, wants, drawn);
        self.want(wanted);
        if !Arc::ptr_eq(&asked.names, &self.asked.names) {
            controls.forget_asked();
        }
        for (name, (default, range)) in asked.names.iter().zip(&asked.values) {
            controls.asked_for(name, *default, *range);
        }
        self.asked = asked;
        let slow = || self.too_slow(cpu).map(Box::new);
        if let Some(complaint) = complaint.or_else(slow) {
            self.complaint = Some((complaint, real));
        }
    }

    /// What is said of a frame that took longer than it lasts.
    fn too_slow(&self, took: Duration) -> Option<Complaint> {
        let program = self.running.as_ref().filter(|_| !self.exact && took > self.frame)?;
        let [took, frame] = [took, self.frame].map(|time| time.as_secs_f64() * 1e3);
        let what = format!("a frame of it took {took:.0} ms, and one lasts {frame:.0}; its last pose stays meanwhile");
        Some(Complaint::whole(&program.path, what, Some("spread the work over frames, in me".into())))
    }

    /// The sketch is still at work.
    fn wait_on(&mut self, controls: &Controls, real: f64) -> Result<(), Box<Complaint>> {
        let Some(thread) = &self.thread else { return Ok(()) };
        let (path, text) = self.at_work();
        if thread.ended() {
            let what = "its thread ended; this is a fault of the program, not of the sketch".to_owned();
            self.give_up(Box::new(Complaint::whole(&path, what, None)), &text, controls);
            return Ok(());
        }
        let working = thread.working().unwrap_or_default();
        let complaint = |after| silent_at(thread, &path, &text, after);
        if self.exact {
            return Err(complaint(PATIENCE));
        }
        if working > SILENT {
            let complaint = complaint(SILENT);
            self.give_up(complaint, &text, controls);
        } else if working > LATE && self.complaint.is_none() {
            self.complaint = Some((complaint(LATE), real));
        }
        Ok(())
    }

    /// Path and text of the version that is at work.
    fn at_work(&self) -> (PathBuf, String) {
        let program = self.taking.as_ref().map(|(program, _)| program).or(self.running.as_ref());
        program.map(|p| (p.path.clone(), p.text().to_owned())).unwrap_or_default()
    }

    /// Gives the sketch up: it is not run again until it changes, and the last one that ran well takes its place.
    fn give_up(&mut self, complaint: Box<Complaint>, text: &str, controls: &Controls) {
        self.trials.remember(text);
        if !self.trials.room() {
            // It may still come back. Until then its last pose stays.
            if !std::mem::replace(&mut self.lost, true) {
                self.events.push(Event::Refused(complaint));
            }
            return;
        }
        let Some(thread) = self.thread.take() else { return };
        let state = thread.standing();
        self.trials.abandon(thread);
        self.thread = self.trials.thread().ok();
        (self.taking, self.adopt, self.due, self.held) = (None, None, None, None);
        self.complaint = None;
        self.refused = Some(complaint.clone());
        self.events.push(Event::Refused(complaint));
        // What the new thread has to know.
        self.news = vec![News::Dim(self.dim), News::Points(self.points.clone()), News::Drawn(self.drawn)];
        let known = self.measured.iter().map(|(key, lengths)| News::Measured(*key, lengths.clone()));
        self.news.extend(known);
        let before = self.good.take().filter(|good| good.text() != text);
        self.running = None;
        match before {
            Some(good) => self.go_back(&good.path.clone(), good.text().to_owned(), state, controls),
            None => self.go_back(Path::new("built-in.rn"), SAFE.into(), Standing::Nothing, controls),
        }
    }

    fn go_back(&mut self, path: &Path, text: String, state: Standing, controls: &Controls) {
        self.left_state = match &state {
            Standing::Saved(state) => Some(state.clone()),
            _ => None,
        };
        let attempt = self.attempt(path, text, state, controls);
        if let Err(complaint) = self.trials.begin(Purpose::Return, attempt) {
            self.refuse(complaint);
        }
    }

    /// A fault that has not been seen for a while is over.
    fn forgive(&mut self, real: f64) {
        if self.complaint.as_ref().is_some_and(|(_, at)| real - at > FAULT_SECS) {
            self.complaint = None;
        }
    }

    /// The sketch's pose with what hands want, bent by a morph.
    fn show(&mut self, controls: &Controls, real: f64) {
        let fits = self.given.latents.iter().all(|z| z.len() == self.dim);
        if fits && self.morph.is_none() && !controls.bends() {
            self.pose = self.given.clone();
            return;
        }
        let mut pose = (*self.given).clone();
        pose.latents.iter_mut().for_each(|z| controls.bend(z));
        // What had to be changed was said of the sketch's own pose.
        let _ = pose.settle(self.dim);
        if let Some(morph) = &self.morph
            && !pose.latents.first_mut().is_some_and(|z| morph.bend(z, real))
        {
            self.morph = None;
        }
        self.pose = Arc::new(pose);
    }
}
