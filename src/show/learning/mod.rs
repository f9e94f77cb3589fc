//! A training beside the show: what it has learnt glides into the picture, hands steer it, the show stays on time.
//!
//! The show's end of three threads: the trainer's child process (`trainer::child`), the check of what it publishes
//! (`generator::learnt`), and the critic (`generator::critic`). Once a frame [`Show::learn`] takes what they have
//! brought and never waits for one of them. Nothing is shown that was not checked; a training that fails in whatever
//! way leaves the picture as it is and a line on the board.

mod acts;
mod disk;
mod errand;
mod eye;
pub mod governor;
pub mod history;
pub mod logged;
mod view;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::Show;
use crate::control::Dial;
use crate::generator::Loaded;
use crate::generator::learnt::{Candidate, Checker, Refusal, State};
use crate::latest::Latest;
use crate::model;
use crate::picture::Picture;
use crate::preset::Trainer;
use crate::trainer::child::{Child, Running};
use crate::trainer::protocol::{Command, Event, Lines, Settings, Step};
use crate::trainer::published;
pub use acts::Training;
use disk::Found;
pub(super) use errand::ahead;
pub use eye::Eye;
use governor::{Frame, Governor, Wish};

/// Losses that the desk draws.
const MOST_LOSSES: usize = 512;
/// The show plays for so long before a training starts by itself, so that its own time is known.
const ALONE_SECS: f64 = 2.0;
/// How long what a training publishes may be of before a rewind.
const REWIND_SECS: f64 = 60.0;

/// What the show knows of its training.
#[derive(Default)]
pub(super) struct Learning {
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
    claimed: String,
    /// When the glide began and how long it takes, in real seconds.
    glide: Option<(f64, f64)>,
    /// The performer's own length of a glide, in place of the preset's.
    pub secs: Option<f64>,
    /// States that have reached the picture.
    pub shown: u64,
    refused: u64,
    /// As the trainer told last, and what was set since.
    pub settings: Settings,
    pub paused: bool,
    /// A hand has paused it; the governor's quiet ends without it.
    held: bool,
    pub step: Option<Step>,
    pub data: String,
    pub second: String,
    losses: VecDeque<[f32; 2]>,
    pub published: u64,
    pub message: String,
    /// A start that waits for a trainer before it to end.
    wanted: bool,
    /// The data and the second data as a hand or the preset named them last.
    words: [String; 2],
    /// Gone back to, and when: what is published until the trainer has followed is not shown.
    rewound: Option<(u64, f64)>,
    pub lines: Lines,
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
    /// The state whose sheet somebody wants to see, and since when.
    looked_at: Option<(u64, f64)>,
    /// For the data and the second data: the folder's mark, and whether it has just changed.
    data_marks: [Option<(u64, bool)>; 2],
    fed: u64,
    pub eye: Eye,
}

impl Learning {
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
            self.settings.fill(older);
        }
        child.send(command);
        true
    }

    /// The next look at the disk is at once: what changes from now on is news.
    fn look_soon(&mut self) {
        self.looked = f64::NEG_INFINITY;
    }

    /// How far the glide is, 0..1.
    fn share(&self, real: f64) -> f64 {
        match self.glide {
            Some((at, secs)) if secs > 0.0 => ((real - at) / secs).clamp(0.0, 1.0),
            _ => 1.0,
        }
    }
}

impl Show {
    /// Opens what learning takes, once the show is built, with a training that may have begun before it.
    pub(super) fn open_learning(&mut self, child: Option<Child>) {
        let train = self.preset.train.clone();
        self.learning.lines = train.lines.clone();
        self.learning.words = [train.data.clone(), train.data2.clone()];
        self.learning.governor = Governor::new(train.rest);
        self.learning.eye.always = train.critic;
        if train.trainer == Trainer::Watch || child.is_some() {
            self.learning.folder = self.train_folder();
            self.learning.of.clone_from(&self.model.name);
            self.start_checker();
        }
        self.learning.autostarted = child.is_some();
        self.learning.child = child;
    }

    /// Has a thread that checks what is learnt. It reads the shown model for itself, so shows without a training have
    /// none.
    fn start_checker(&mut self) {
        if self.learning.checker.is_some() {
            return;
        }
        match Checker::start(self.model.arch.clone(), &self.model.folder) {
            Ok(checker) => self.learning.checker = Some(checker),
            Err(error) => self.board.fault("learning", format!("nothing learnt can be shown: no thread: {error}")),
        }
    }

    /// Takes what the training has brought, and governs it.
    pub(super) fn learn(&mut self) {
        let train = &self.preset.train;
        if train.autostart && !self.learning.autostarted && self.real > ALONE_SECS {
            self.learning.autostarted = true;
            self.start_training();
        }
        self.learning.leaving.retain(|child| !child.ended());
        if self.learning.wanted && self.learning.leaving.is_empty() {
            self.start_training();
        }
        self.hear_trainer();
        self.take_checked();
        self.look_at_disk();
        self.govern();
        self.gaze();
    }

    fn hear_trainer(&mut self) {
        let events = self.learning.child.as_ref().map(Child::events).unwrap_or_default();
        for event in events {
            self.hear(event);
        }
    }

    fn hear(&mut self, event: Event) {
        let learning = &mut self.learning;
        match event {
            Event::Started { step, data, pictures, device, .. } => {
                learning.rewound = None;
                learning.data = data;
                let text = format!("training from step {step} on {pictures} pictures, on {device}");
                learning.message.clone_from(&text);
                self.board.notice("training", text);
            }
            Event::Step(step) => {
                if learning.losses.len() == MOST_LOSSES {
                    learning.losses.pop_front();
                }
                learning.losses.push_back([step.total, step.generator]);
                learning.step = Some(step);
            }
            Event::Published { path, step, fingerprint, state, .. } => {
                learning.published += 1;
                if state.is_some() && !learning.steps.contains(&step) {
                    learning.steps.push(step);
                    learning.steps.sort_unstable();
                }
                let weights = PathBuf::from(state.as_ref().unwrap_or(&path));
                let critic = match &state {
                    Some(_) => published::state_files(&learning.folder, step)[1].clone(),
                    None => learning.folder.join(model::CRITIC),
                };
                let rewound = learning.rewound.take_if(|(to, at)| *to == step || self.real - *at > REWIND_SECS);
                if learning.rewound.is_some() || rewound.is_some_and(|(to, _)| to == step) {
                    // From before the rewind, or the very state that is glided to already.
                    return;
                }
                if self.unseen() {
                    return;
                }
                let (model, fingerprint) = (self.model.name.clone(), Some(fingerprint));
                self.claim(Candidate { model, weights, critic: Some(critic), step, fingerprint, known: false });
            }
            Event::State { paused, settings, data, data2, .. } => {
                learning.paused = paused;
                learning.settings = settings;
                if let Some(mut wished) = learning.child.as_ref().and_then(Child::unsent) {
                    // What was set since is on its way.
                    wished.fill(std::mem::take(&mut learning.settings));
                    learning.settings = wished;
                }
                learning.data = data;
                learning.second = data2.unwrap_or_default();
            }
            Event::Warning { text } => {
                // Perhaps of a rewind that was not done.
                learning.rewound = None;
                learning.message.clone_from(&text);
                self.board.notice("training", text);
            }
            Event::Stopped { text, .. } => {
                learning.message.clone_from(&text);
                learning.paused = false;
                self.board.notice("training", text);
            }
            Event::Sample { path, .. } => self.board.notice("training", format!("wrote {path}")),
            Event::Checkpoint { .. } => {}
        }
    }

    /// Whether a hand has gone to another model than the one that is trained: then that is what it wants to see.
    fn unseen(&self) -> bool {
        let unseen = self.learning.of != self.model.name;
        if unseen {
            let of = &self.learning.of;
            self.board.notice("learning", format!("the training goes on unseen; /flaneur/model/load {of} shows it"));
        }
        unseen
    }

    /// Has weights checked, unless they stand already or are being checked.
    fn claim(&mut self, claim: Candidate) {
        self.start_checker();
        let learning = &mut self.learning;
        if let Some(fingerprint) = &claim.fingerprint {
            let stands = learning.target.as_ref().is_some_and(|state| state.fingerprint == *fingerprint);
            if learning.claimed == *fingerprint || (stands && !claim.known) {
                return;
            }
            learning.claimed.clone_from(fingerprint);
        }
        if let Some(checker) = &learning.checker {
            checker.check(claim);
        }
    }

    fn take_checked(&mut self) {
        let Some(found) = self.learning.checker.as_ref().and_then(Checker::found) else { return };
        self.learning.claimed.clear();
        match found {
            // Of a model that a hand has left since.
            Ok(state) if state.model != self.model.name => {}
            Ok(state) => self.glide_to(state, None),
            Err(Refusal { step, why, collapsed }) => {
                self.learning.refused += 1;
                self.learning.rewound.take_if(|(to, _)| *to == step);
                self.board.fault("learning", format!("step {step} is not shown: {why}; the picture stays"));
                // Only to what was seen to be good, and not over a hand's own rewind.
                let good = self.learning.at().filter(|_| self.learning.rewound.is_none());
                let known = good.and_then(|good| self.learning.steps.iter().rev().find(|s| **s <= good).copied());
                if let Some(step) = known.filter(|_| collapsed && self.preset.train.rewind_on_divergence)
                    && self.learning.send(Command::Rewind { step })
                {
                    self.board.notice("training", format!("goes back to step {step}"));
                }
            }
        }
    }

    /// Begins the glide to a state that is fit to be seen.
    pub(super) fn glide_to(&mut self, state: Arc<State>, secs: Option<f64>) {
        if self.learning.target.as_ref().is_some_and(|target| target.fingerprint == state.fingerprint) {
            return;
        }
        let secs = secs.unwrap_or_else(|| self.morph_secs());
        // Where the glide before it is left stands as of this very frame.
        self.blend_learnt();
        self.log_learnt(&state, secs);
        self.board.clear("learning");
        self.generator.glide(state.clone());
        self.learning.shown += 1;
        self.learning.before = self.learning.target.replace(state);
        self.learning.glide = Some((self.real, secs));
    }

    /// Where the glide and the hand on the blend are as of this frame: before the generator is asked.
    pub(super) fn blend_learnt(&mut self) {
        let learnt = self.host.language.env.lock().controls.dial(Dial::Learnt);
        self.generator.set_learnt(learnt);
        if self.course.is_none() {
            self.generator.set_share(self.learning.share(self.real));
        }
    }

    /// Another model is at work: what was learnt belongs to the one before.
    pub(super) fn forget_learnt(&mut self, before: &Loaded) {
        if before.name == self.model.name && before.arch.same_networks(&self.model.arch) {
            return;
        }
        (self.learning.target, self.learning.before) = (None, None);
        self.learning.glide = None;
        self.learning.claimed.clear();
        self.learning.eye = self.learning.eye.anew();
        self.host.language.env.lock().eye.score = 0.0;
        self.generator.set_share(1.0);
        if let Some(checker) = &self.learning.checker {
            checker.show(self.model.arch.clone(), &self.model.folder);
        }
    }

    fn govern(&mut self) {
        let took = self.generator.shown().map(|drawn| drawn.took.as_secs_f64() * 1e3);
        let new = std::mem::replace(&mut self.learning.drawn, self.version) != self.version;
        let late = std::mem::replace(&mut self.learning.late, self.timing.late) != self.timing.late;
        let frame_ms = (self.real - std::mem::replace(&mut self.learning.governed, self.real)) * 1e3;
        let (took_ms, works) = (took.filter(|_| new), self.learning.works());
        let frame = Frame { at: self.real, late, frame_ms, took_ms, works };
        let Some(wish) = self.learning.governor.frame(frame) else { return };
        self.learning.send(match wish {
            Wish::Rest(share) => Command::Set(Settings { rest: Some(share), ..Settings::default() }),
            Wish::Quiet => Command::Pause,
            Wish::Go if self.learning.held => return,
            Wish::Go => Command::Run,
        });
    }
}
