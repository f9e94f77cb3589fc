//! A training beside the show: what it has learnt glides into the picture, hands steer it, the show stays on time.
//!
//! The show's end of three threads: the trainer's child process (`trainer::child`), the check of what it publishes
//! (`generator::learnt`), and the critic's eye (`generator::eye`). Once a frame [`Show::learn`] takes what they have
//! brought and never waits for one of them. Nothing is shown that was not checked; a training that fails in whatever
//! way leaves the picture as it is and a line on the board.

mod acts;
mod errand;
mod eye;
pub mod governor;
pub mod history;
pub mod logged;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::Show;
use super::scene::Lesson;
use crate::clock::BAR;
use crate::control::Dial;
use crate::generator::learnt::{Checker, Claim, Refusal, State};
use crate::generator::{Loaded, fingerprint};
use crate::latest::Latest;
use crate::model::{self, Card};
use crate::net::arch::Arch;
use crate::picture::Picture;
use crate::preset::Trainer;
use crate::trainer::child::{Child, Running};
use crate::trainer::protocol::{Command, Event, Lines, Settings, Step};
use crate::trainer::published;
pub use acts::Training;
pub(super) use errand::ahead;
pub use eye::Eye;
use governor::{Frame, Governor, Wish};

/// Losses that the desk draws.
const MOST_LOSSES: usize = 512;
/// The show plays for so long before a training starts by itself, so that its own time is known.
const ALONE_SECS: f64 = 2.0;
/// Between two looks for what else may have changed on disk: a shared folder, dropped pictures.
const LOOK_SECS: f64 = 2.0;
/// How long what a training publishes may be of before a rewind.
const REWIND_SECS: f64 = 60.0;

/// What the show knows of its training.
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

impl Default for Learning {
    fn default() -> Self {
        Self {
            child: None,
            leaving: Vec::new(),
            checker: None,
            folder: PathBuf::new(),
            of: String::new(),
            autostarted: false,
            target: None,
            before: None,
            claimed: String::new(),
            glide: None,
            secs: None,
            shown: 0,
            refused: 0,
            settings: Settings::default(),
            paused: false,
            held: false,
            step: None,
            data: String::new(),
            second: String::new(),
            losses: VecDeque::new(),
            published: 0,
            message: String::new(),
            wanted: false,
            words: Default::default(),
            rewound: None,
            lines: Lines::default(),
            governor: Governor::default(),
            late: 0,
            governed: 0.0,
            drawn: 0,
            looked: 0.0,
            found: Latest::default(),
            steps: Vec::new(),
            written: None,
            sheet: None,
            looked_at: None,
            data_marks: [None; 2],
            fed: 0,
            eye: Eye::default(),
        }
    }
}

/// What a look at the disk found.
#[derive(Default)]
struct Found {
    /// States in the history.
    steps: Vec<u64>,
    /// The sheet of the newest one that was wanted.
    sheet: Option<(u64, Arc<Picture>)>,
    /// Numbers that change with the pictures in the folders of both data; none where there is no such folder, or
    /// where nobody looked.
    data: Option<[Option<u64>; 2]>,
    /// Weights of a watched folder: which, their fingerprint and step.
    weights: Option<(PathBuf, String, u64)>,
    /// When those of the training's folder were written.
    written: Option<SystemTime>,
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
        self.start_checker();
        if train.trainer == Trainer::Watch || child.is_some() {
            self.learning.folder = self.train_folder();
            self.learning.of.clone_from(&self.model.name);
        }
        self.learning.autostarted = child.is_some();
        self.learning.child = child;
    }

    fn start_checker(&mut self) {
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
                self.claim(Claim { model, weights, critic: Some(critic), step, fingerprint, known: false });
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
    fn claim(&mut self, claim: Claim) {
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
            Err(Refusal { step, why, astray }) => {
                self.learning.refused += 1;
                self.learning.rewound.take_if(|(to, _)| *to == step);
                self.board.fault("learning", format!("step {step} is not shown: {why}; the picture stays"));
                // Only to what was seen to be good, and not over a hand's own rewind.
                let good = self.learning.at().filter(|_| self.learning.rewound.is_none());
                let known = good.and_then(|good| self.learning.steps.iter().rev().find(|s| **s <= good).copied());
                if let Some(step) = known.filter(|_| astray && self.preset.train.rewind_on_divergence)
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

    /// The files of the model that is shown have changed: others train it. New weights of the same networks are
    /// glided to, everything else is read anew.
    pub(super) fn model_changed(&mut self) {
        let (folder, arch, found) = (self.model.folder.clone(), self.model.arch.clone(), self.learning.found.clone());
        if self.learning.folder == folder {
            // The training's own folder; its events or the look at the disk say so.
            return;
        }
        let (name, load) = (self.model.name.clone(), self.generator.loader());
        self.chores.give(move || match Card::read(&folder) {
            Ok(card) if card.arch.same_networks(&arch) => {
                if let Some(weights) = weights_of(&folder) {
                    found.put(Found { weights: Some(weights), ..Found::default() });
                }
            }
            // What is wrong with it is said by whoever loads it.
            _ => drop(load.put(name)),
        });
    }

    /// Now and then, and elsewhere: which states there are, whether the data have changed, what a watched folder has.
    fn look_at_disk(&mut self) {
        if let Some(found) = self.learning.found.take() {
            self.take_found(found);
        }
        let looked_at = self.learning.looked_at.filter(|(_, at)| self.real - at < LOOK_SECS).map(|(step, _)| step);
        let wants = looked_at.or(self.learning.at());
        let wants = wants.filter(|step| self.learning.sheet.as_ref().is_none_or(|(shown, _)| shown != step));
        let pause = if wants.is_some() && looked_at.is_some() { LOOK_SECS / 20.0 } else { LOOK_SECS };
        if self.learning.folder.as_os_str().is_empty() || self.real - self.learning.looked < pause {
            return;
        }
        self.learning.looked = self.real;
        let (folder, out) = (self.learning.folder.clone(), self.learning.found.clone());
        let watched = self.learning.child.is_none();
        let known = self.learning.written;
        let words = self.learning.words.clone();
        let fed = self.fed_folder();
        self.chores.give(move || {
            let sheet = wants.and_then(|step| {
                let picture = Picture::read(&published::state_files(&folder, step)[2])?;
                Some((step, Arc::new(picture)))
            });
            // Only what was written anew is read.
            let written = written_at(&folder);
            let weights = if watched && written != known { weights_of(&folder) } else { None };
            let data = words.map(|word| if word == "fed" { mark_of(&fed) } else { mark_of(Path::new(&word)) });
            let steps = published::steps(&folder);
            out.put(Found { steps, sheet, data: Some(data), weights, written });
        });
    }

    fn take_found(&mut self, found: Found) {
        if let Some((folder, fingerprint, step)) = found.weights {
            let of_model = folder == self.model.folder;
            // The model's own weights, as they were read, are news only after others of its folder.
            let others = self.learning.target.as_ref().is_some_and(|state| state.weights.starts_with(&folder));
            if !of_model && folder != self.learning.folder {
                // Of a model that a hand has left since.
            } else if of_model && fingerprint == self.model.fingerprint && !others {
                // What was refused since then has been put right.
                self.board.clear("learning");
            } else if folder != self.learning.folder || !self.unseen() {
                let (weights, critic) = (folder.join(model::WEIGHTS), Some(folder.join(model::CRITIC)));
                let (model, fingerprint) = (self.model.name.clone(), Some(fingerprint));
                self.claim(Claim { model, weights, critic, step, fingerprint, known: false });
            }
        }
        let learning = &mut self.learning;
        learning.written = found.written.or(learning.written);
        if !found.steps.is_empty() {
            learning.steps = found.steps;
        }
        if found.sheet.is_some() {
            learning.sheet = found.sheet;
        }
        for (which, mark) in found.data.into_iter().flatten().enumerate() {
            self.take_mark(which, mark);
        }
    }

    /// Pictures that were dropped into a data folder, or taken out, are learnt from once it has been quiet for a look.
    fn take_mark(&mut self, which: usize, mark: Option<u64>) {
        let before = self.learning.data_marks[which];
        let (now, due) = match (mark, before) {
            (None, _) => (None, false),
            (Some(mark), None) => (Some((mark, false)), false),
            (Some(mark), Some((before, changed))) if before == mark => (Some((mark, false)), changed),
            (Some(mark), Some(_)) => (Some((mark, true)), false),
        };
        self.learning.data_marks[which] = now;
        if due {
            let source = self.source(&self.learning.words[which].clone());
            self.learning.send(if which == 0 { Command::Data(source) } else { Command::Data2(source) });
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

    /// Seconds of a glide to a new state.
    pub(super) fn morph_secs(&self) -> f64 {
        self.learning.secs.unwrap_or(self.preset.train.morph_bars * BAR * 60.0 / self.clock.bpm())
    }

    /// What the desk shows of it.
    pub(super) fn lesson(&self) -> Lesson {
        let learning = &self.learning;
        let inside = self.host.language.env.lock();
        let mix = inside.controls.dial_goal(Dial::Learnt);
        drop(inside);
        let by = self.hands.sources.iter().filter(|(path, _)| path.starts_with("/flaneur/train/"));
        Lesson {
            state: learning.word(),
            step: learning.step.as_ref().map_or(0, |step| step.step),
            shown: learning.at(),
            share: learning.share(self.real),
            mix,
            rate: learning.settings.generator_rate.unwrap_or(0.0),
            data_mix: learning.settings.mix.unwrap_or(0.0),
            data: learning.data.clone(),
            second: learning.second.clone(),
            ms: learning.step.as_ref().map_or(0.0, |step| step.ms),
            rest: learning.governor.rest(),
            cost_ms: learning.governor.cost_ms(),
            losses: learning.losses.iter().copied().collect(),
            steps: learning.steps.clone(),
            sheet: learning.sheet.clone(),
            critic: self.learning.eye.score(),
            message: learning.message.clone(),
            morph_secs: self.morph_secs(),
            by: by.map(|(path, who)| (path.clone(), who.clone())).collect(),
        }
    }

    /// The trainer's process, while there is one: for whoever tests what happens when it is killed.
    pub fn trainer_pid(&self) -> Option<u32> {
        self.learning.pid()
    }

    /// States of a training that have reached the picture, and those that were not let through.
    pub fn learnt(&self) -> [u64; 2] {
        [self.learning.shown, self.learning.refused]
    }

    /// How far the glide to the newest state has come, 0..1; 1 is there.
    pub fn learnt_share(&self) -> f64 {
        self.learning.share(self.real)
    }

    /// Networks that are shown.
    pub fn arch(&self) -> &Arch {
        &self.model.arch
    }
}

/// Fingerprint and step of the weights in a model folder; none while it is being written.
fn weights_of(folder: &Path) -> Option<(PathBuf, String, u64)> {
    let bytes = crate::files::read(&folder.join(model::WEIGHTS)).ok()?;
    let step = Card::read(folder).map_or(0, |card| card.step);
    Some((folder.to_owned(), fingerprint(&bytes), step))
}

/// When the weights of a folder were written.
fn written_at(folder: &Path) -> Option<SystemTime> {
    std::fs::metadata(folder.join(model::WEIGHTS)).ok()?.modified().ok()
}

/// A number that changes with the files in a folder: their names, sizes and times.
fn mark_of(folder: &Path) -> Option<u64> {
    if !folder.is_dir() {
        return None;
    }
    let mut mark = 0u64;
    let mut add = |text: &str| mark = mark.wrapping_add(text.bytes().fold(0xcbf2_9ce4_8422_2325, fold));
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let Ok(about) = entry.metadata() else { continue };
        add(&format!("{:?} {} {:?}", entry.file_name(), about.len(), about.modified().ok()));
    }
    Some(mark)
}

/// One step of FNV-1a.
fn fold(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}
