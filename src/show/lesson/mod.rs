//! A training beside the show: what it has learnt glides into the picture, hands steer it, the show stays on time.
//!
//! The show's end of three threads: the trainer's child process (`trainer::child`), the check of what it publishes
//! (`generator::learnt`), and the critic (`generator::critic`). Once a frame [`Lesson::frame`] takes what they have
//! brought, and says to the output what to blend. May take: nothing; it never waits for one of them. Nothing is shown
//! that was not checked; a training that fails in whatever way leaves the picture as it is and a line on the board.

mod acts;
mod critic;
mod disk;
pub mod governor;
pub mod history;
mod launch;
pub mod logged;
mod view;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::output::Output;
use super::takes::Takes;
use super::walk::Walk;
use crate::control::{Controls, Dial};
use crate::generator::Loaded;
use crate::generator::learnt::{Candidate, Checker, Refusal, State};
use crate::latest::Latest;
use crate::picture::Picture;
use crate::preset::{Train, Trainer};
use crate::report::Board;
use crate::trainer::child::{Child, Running};
use crate::trainer::protocol::{Command, Event, Lines, Step};
use crate::trainer::published;
use crate::trainer::settings::Settings;
pub use acts::Training;
use disk::Found;
use governor::{Frame, Governor, Request};
pub use launch::ahead;

/// Losses that the desk draws.
const MOST_LOSSES: usize = 512;
/// The show plays for so long before a training starts by itself, so that its own time is known.
const ALONE_SECS: f64 = 2.0;
/// A share of rest that is worth a word.
const MOSTLY: f64 = 0.5;
/// How long what a training publishes may be of before a rewind.
const REWIND_SECS: f64 = 60.0;

/// What a lesson needs of the show around it.
pub struct Around<'a> {
    /// The preset's part about training.
    pub train: &'a Train,
    /// The output: the generator that glides between states.
    pub output: &'a mut Output,
    /// What the show leaves on disk: glides go into the log of a take.
    pub takes: &'a mut Takes,
    /// The walk: its clock, and the sketch that is told of the critic.
    pub walk: &'a mut Walk,
    /// Everything hands have done.
    pub controls: &'a Controls,
    /// Real seconds since the start.
    pub real: f64,
}

/// What the show knows of its training.
#[derive(Default)]
pub struct Lesson {
    board: Board,
    /// The trainer's program, if it is another than this one.
    program: Option<PathBuf>,
    /// The least rest, the data and so on as the preset had them last.
    train: Train,
    child: Option<Child>,
    /// Children that were let go and still save themselves.
    leaving: Vec<Child>,
    checker: Option<Checker>,
    /// The folder that is trained into or watched, and the shown model that it belongs to.
    folder: PathBuf,
    of: String,
    autostarted: bool,
    /// The state that is glided to or stands, and the fingerprint that is being checked.
    target: Option<Arc<State>>,
    /// The one before it.
    before: Option<Arc<State>>,
    checking: String,
    /// A film of a training is made.
    course: bool,
    /// When the glide began and how long it takes, in real seconds.
    glide: Option<(f64, f64)>,
    /// The performer's own length of a glide, in place of the preset's.
    secs: Option<f64>,
    /// States that have reached the picture.
    shown: u64,
    refused: u64,
    /// As the trainer told last, and what was set since.
    settings: Settings,
    paused: bool,
    /// A hand has paused it; the governor's quiet ends without it.
    held: bool,
    step: Option<Step>,
    data: String,
    second: String,
    losses: VecDeque<[f32; 2]>,
    published: u64,
    message: String,
    /// A start that waits for a trainer before it to end.
    wanted: bool,
    /// The data and the second data as a hand or the preset named them last.
    words: [String; 2],
    /// Gone back to, and when: what is published until the trainer has followed is not shown.
    rewound: Option<(u64, f64)>,
    lines: Lines,
    governor: Governor,
    late: u64,
    /// The frame that was governed last, in real seconds.
    governed: f64,
    /// Pictures drawn so far, to know a new one.
    drawn: u64,
    looked: f64,
    /// What was found on disk elsewhere than on the frame path.
    found: Latest<Found>,
    steps: Vec<u64>,
    /// When the weights that were looked at last were written.
    written: Option<SystemTime>,
    sheet: Option<(u64, Arc<Picture>)>,
    /// Some of the pictures that are learnt from, and when the file was written.
    real: Option<(SystemTime, Arc<Picture>)>,
    /// The state whose sheet somebody wants to see, and since when.
    looked_at: Option<(u64, f64)>,
    /// For the data and the second data: the folder's mark, and whether it has just changed.
    data_marks: [Option<(u64, bool)>; 2],
    fed: u64,
    critic: critic::View,
}

impl Lesson {
    /// How the training does, in a word.
    pub fn word(&self) -> &'static str {
        match self.child.as_ref().map(Child::running) {
            None if self.folder.as_os_str().is_empty() => "off",
            None => "watching",
            Some(Running::Off | Running::Ended) => "ended",
            Some(Running::Starting) => "starting",
            Some(Running::Waiting(_)) => "crashed",
            Some(Running::On) if self.paused && !self.governor.listening() => "paused",
            Some(Running::On) => "running",
        }
    }

    /// Whether the disk has room for what a training writes: without it the training is paused.
    pub fn set_room(&mut self, room: bool) {
        if self.on() && !self.held {
            self.send(if room { Command::Run } else { Command::Pause });
            let text = if room { "goes on: the disk has room again" } else { "paused: the disk has no room" };
            self.board.notice("training", text);
        }
    }

    /// Whether the trainer works right now, as far as it has told.
    fn works(&self) -> bool {
        self.child.as_ref().is_some_and(|child| matches!(child.running(), Running::On | Running::Starting))
            && !self.paused
    }

    /// Whether a training runs or is paused.
    pub fn on(&self) -> bool {
        self.child.as_ref().is_some_and(|child| !matches!(child.running(), Running::Ended))
    }

    /// The trainer's process.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::pid)
    }

    /// Milliseconds that training adds to a picture.
    pub fn cost_ms(&self) -> f64 {
        self.governor.cost_ms().unwrap_or(0.0)
    }

    /// The step of the state that is shown or glided to; none while only the model's own weights are.
    pub fn at(&self) -> Option<u64> {
        self.target.as_ref().map(|state| state.step)
    }

    /// Gives the trainer a command; without one nothing happens. What is set stands from now on, though the trainer
    /// may take until the end of its epoch to say so.
    fn send(&mut self, command: Command) -> bool {
        let Some(child) = &self.child else { return false };
        if let Command::Set(settings) = &command {
            let older = std::mem::replace(&mut self.settings, settings.clone());
            self.settings.fill(&older);
        }
        child.send(command);
        true
    }

    /// The next look at the disk is at once: what changes from now on is news.
    fn look_soon(&mut self) {
        self.looked = f64::NEG_INFINITY;
    }

    /// How far the glide is, 0..1.
    pub fn share(&self, real: f64) -> f64 {
        match self.glide {
            Some((at, secs)) if secs > 0.0 => ((real - at) / secs).clamp(0.0, 1.0),
            _ => 1.0,
        }
    }
}

impl Lesson {
    /// Opens what learning takes, once the show is built, with a training that may have begun before it.
    pub fn open(
        &mut self,
        train: &Train,
        program: Option<PathBuf>,
        model: &Loaded,
        child: Option<Child>,
        board: &Board,
    ) {
        (self.board, self.program, self.train) = (board.clone(), program, train.clone());
        self.lines = train.lines.clone();
        self.words = [train.data.clone(), train.data2.clone()];
        self.governor = Governor::new(train.rest.unwrap_or(0.0));
        self.critic.always = train.critic;
        if train.trainer == Trainer::Watch || child.is_some() {
            self.folder = self.train_folder(model);
            self.of.clone_from(&model.name);
            self.start_checker(model);
        }
        self.autostarted = child.is_some();
        self.child = child;
    }

    /// Has a thread that checks what is learnt. It reads the shown model for itself, so shows without a training have
    /// none.
    fn start_checker(&mut self, model: &Loaded) {
        if self.checker.is_some() {
            return;
        }
        match Checker::start(model.arch.clone(), &model.folder) {
            Ok(checker) => self.checker = Some(checker),
            Err(error) => self.board.fault("learning", format!("nothing learnt can be shown: no thread: {error}")),
        }
    }

    /// Takes what the training has brought, and governs it; `late` counts the show's late frames.
    pub fn frame(&mut self, around: &mut Around, late: u64) {
        if around.train.autostart && !self.autostarted && around.real > ALONE_SECS {
            self.autostarted = true;
            self.start_training(around);
        }
        self.leaving.retain(|child| !child.ended());
        if self.wanted && self.leaving.is_empty() {
            self.start_training(around);
        }
        let events = self.child.as_ref().map(Child::events).unwrap_or_default();
        for event in events {
            self.hear(event, around);
        }
        self.take_checked(around);
        self.look_at_disk(around);
        self.govern(around, late);
    }

    fn hear(&mut self, event: Event, around: &mut Around) {
        match event {
            Event::Started { step, data, pictures, device, .. } => {
                self.rewound = None;
                self.data = data;
                self.say(format!("training from step {step} on {pictures} pictures, on {device}"));
            }
            Event::Step(step) => {
                if self.losses.len() == MOST_LOSSES {
                    self.losses.pop_front();
                }
                self.losses.push_back([step.losses.critic(), step.losses.generator()]);
                self.step = Some(step);
            }
            Event::Published { path, step, fingerprint, state, .. } => {
                self.published += 1;
                self.take_published(path, step, fingerprint, state, around);
            }
            Event::State { paused, settings, data, data2, .. } => {
                self.paused = paused;
                self.settings = settings;
                if let Some(mut unsent) = self.child.as_ref().and_then(Child::unsent) {
                    // What was set since is on its way.
                    unsent.fill(&self.settings);
                    self.settings = unsent;
                }
                let second = data2.unwrap_or_default();
                if !self.data.is_empty() && data != self.data {
                    self.say(format!("learns from {data} now"));
                } else if second != self.second && !second.is_empty() {
                    self.say(format!("mixes in {second} now"));
                }
                (self.data, self.second) = (data, second);
            }
            Event::Warning { text } => {
                // Perhaps of a rewind that was not done.
                self.rewound = None;
                self.say(text);
            }
            Event::Stopped { text, .. } => {
                self.paused = false;
                self.say(text);
            }
            Event::Sample { path, .. } => self.board.notice("training", format!("wrote {path}")),
            Event::Checkpoint { .. } => {}
        }
    }

    /// The last thing worth knowing.
    fn say(&mut self, text: String) {
        self.message.clone_from(&text);
        self.board.notice("training", text);
    }

    fn take_published(&mut self, path: String, step: u64, fingerprint: String, state: Option<String>, around: &Around) {
        if state.is_some() && !self.steps.contains(&step) {
            self.steps.push(step);
            self.steps.sort_unstable();
        }
        let weights = PathBuf::from(state.as_ref().unwrap_or(&path));
        let [critic, _] = published::beside(&weights);
        let rewound = self.rewound.take_if(|(to, at)| *to == step || around.real - *at > REWIND_SECS);
        if self.rewound.is_some() || rewound.is_some_and(|(to, _)| to == step) {
            // From before the rewind, or the very state that is glided to already.
            return;
        }
        let shown = around.output.model();
        if self.unseen(shown) {
            return;
        }
        let (model, fingerprint) = (shown.name.clone(), Some(fingerprint));
        self.check(Candidate { model, weights, critic: Some(critic), step, fingerprint, known: false }, shown);
    }

    /// Whether a hand has gone to another model than the one that is trained: then that is what it wants to see.
    fn unseen(&self, shown: &Loaded) -> bool {
        let unseen = self.of != shown.name;
        if unseen {
            let of = &self.of;
            self.board.notice("learning", format!("the training goes on unseen; /flaneur/model/load {of} shows it"));
        }
        unseen
    }

    /// Has weights checked, unless they stand already or are being checked.
    fn check(&mut self, candidate: Candidate, shown: &Loaded) {
        self.start_checker(shown);
        if let Some(fingerprint) = &candidate.fingerprint {
            let stands = self.target.as_ref().is_some_and(|state| state.fingerprint == *fingerprint);
            if self.checking == *fingerprint || (stands && !candidate.known) {
                return;
            }
            self.checking.clone_from(fingerprint);
        }
        if let Some(checker) = &self.checker {
            checker.check(candidate);
        }
    }

    fn take_checked(&mut self, around: &mut Around) {
        let Some(found) = self.checker.as_ref().and_then(Checker::found) else { return };
        self.checking.clear();
        match found {
            // Of a model that a hand has left since.
            Ok(state) if state.model != around.output.model().name => {}
            Ok(state) => self.glide_to(state, None, around),
            Err(Refusal { step, why, collapsed }) => {
                self.refused += 1;
                self.rewound.take_if(|(to, _)| *to == step);
                self.board.fault("learning", format!("step {step} is not shown: {why}; the picture stays"));
                // Only to what was seen to be good, and not over a hand's own rewind.
                let good = self.at().filter(|_| self.rewound.is_none());
                let known = good.and_then(|good| self.steps.iter().rev().find(|s| **s <= good).copied());
                if let Some(step) = known.filter(|_| collapsed && around.train.rewind_on_divergence)
                    && self.send(Command::Rewind { step })
                {
                    self.board.notice("training", format!("goes back to step {step}"));
                }
            }
        }
    }

    /// Begins the glide to a state that is fit to be seen.
    pub fn glide_to(&mut self, state: Arc<State>, secs: Option<f64>, around: &mut Around) {
        if self.target.as_ref().is_some_and(|target| target.fingerprint == state.fingerprint) {
            return;
        }
        let secs = secs.unwrap_or_else(|| self.morph_secs(around.walk.clock().bpm()));
        // Where the glide before it is left stands as of this very frame.
        self.blend(around.output, around.controls, around.real);
        self.log_learnt(&state, secs, around.takes);
        self.board.clear("learning");
        around.output.generator().glide(state.clone());
        self.shown += 1;
        self.before = self.target.replace(state);
        self.glide = Some((around.real, secs));
    }

    /// Says where the glide and the hand on the blend are as of this frame: before the generator is asked.
    pub fn blend(&self, output: &mut Output, controls: &Controls, real: f64) {
        output.generator().set_learnt(controls.dial(Dial::Learnt));
        if !self.course {
            output.generator().set_share(self.share(real));
        }
    }

    /// The film of a training sets the shares of its glides by itself.
    pub fn follow_course(&mut self) {
        (self.course, self.glide) = (true, None);
    }

    /// Another model is at work in place of `before`: what was learnt belongs to that.
    pub fn forget(&mut self, before: &Loaded, output: &mut Output, walk: &mut Walk) {
        let now = output.model();
        if before.name == now.name && before.arch.same_networks(&now.arch) {
            return;
        }
        (self.target, self.before, self.glide) = (None, None, None);
        self.checking.clear();
        self.critic = self.critic.anew();
        if let Some(checker) = &self.checker {
            checker.show(now.arch.clone(), &now.folder);
        }
        walk.set_critic(Default::default());
        output.generator().set_share(1.0);
    }

    fn govern(&mut self, around: &Around, late: u64) {
        let took = around.output.took().map(|took| took.as_secs_f64() * 1e3);
        let new = std::mem::replace(&mut self.drawn, around.output.version()) != around.output.version();
        let late = std::mem::replace(&mut self.late, late) != late;
        let frame_ms = (around.real - std::mem::replace(&mut self.governed, around.real)) * 1e3;
        let (took_ms, works) = (took.filter(|_| new), self.works());
        let before = self.governor.rest();
        let Some(request) = self.governor.frame(Frame { at: around.real, late, frame_ms, took_ms, works }) else {
            return;
        };
        // Said once, as it begins to rest for most of the time.
        if let (Request::Rest(share), Some(why)) = (request, self.governor.pressed())
            && before < MOSTLY
            && share >= MOSTLY
        {
            self.say(format!("training rests {:.0} % of the time: {why}", share * 100.0));
        }
        self.send(match request {
            Request::Rest(share) => Command::Set(Settings { rest: Some(share), ..Settings::default() }),
            Request::Quiet => Command::Pause,
            Request::Go if self.held => return,
            Request::Go => Command::Run,
        });
    }
}
