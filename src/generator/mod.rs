//! The generator's thread: the newest pose in, its pictures and what they took out.
//!
//! One thread owns the device and every call to the networks. Asked by the show, read by it; equal latents
//! are not drawn twice; several latents are one batch. A fault keeps the last pictures, rebuilds the network
//! with growing pauses, and is reported; a thread that does not answer is abandoned ([`recovery`]). A model is
//! exchanged whole, between two forwards, after a check, and once a pose has been made for it; what a training has learnt ([`learnt`]) is glided to, by
//! blends of weights. No call here waits for the thread but [`Generator::start`] and those of films.

mod backend;
mod background;
pub mod critic;
mod engine;
mod filters;
pub mod learnt;
mod recovery;
mod slots;
#[cfg(test)]
mod tests;
mod thread;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::files::{self, FileError};
use crate::latent::pose::Pose;
use crate::latent::space::Space;
use crate::latest::{Latest, lock};
use crate::net::arch::Arch;
use crate::net::device::{self, Wanted};
use crate::picture::Picture;
use crate::report::Board;
use backend::{Attempt, Backend};
use critic::CriticScore;
use learnt::State;
pub use recovery::MOST_ABANDONED;
use recovery::Supervisor;
use slots::{Ask, Blend, CriticAsk, Glide, Measuring, Slots};
pub use slots::{Heartbeat, Task};
use thread::Start;

/// What was drawn.
#[derive(Clone)]
pub struct Drawn {
    /// The pose that was asked for.
    pub pose: Arc<Pose>,
    /// One a latent of the pose.
    pub pictures: Arc<Vec<Picture>>,
    /// Of the ask.
    pub version: u64,
    /// What the forward took.
    pub took: Duration,
}

/// The model at work.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// As it was asked for: a name or a path.
    pub name: String,
    /// Where its files are.
    pub folder: PathBuf,
    /// The space that its latents are of.
    pub space: Space,
    /// Height and width of a picture.
    pub size: [usize; 2],
    /// Fingerprint of the weights' file.
    pub fingerprint: String,
    /// Its networks.
    pub arch: Arch,
    /// Whether there is a critic beside the generator.
    pub critic: bool,
    /// What of it is left out, in sentences.
    pub notes: Vec<String>,
}

/// A way that was measured: its key, and the change from each sample's picture to the next (the root of the mean
/// square, 0..255).
pub type Measured = (u64, Vec<f64>);

/// Ways that may wait to be measured.
const MOST_MEASURES: usize = 16;

/// What of a pose makes its pictures.
#[derive(Default)]
struct Drew {
    latents: Vec<Vec<f32>>,
    classes: Vec<Vec<f32>>,
    manners: Vec<Vec<f32>>,
    /// The model that they are for.
    model: u64,
}

/// The owner's end of the thread.
pub struct Generator {
    slots: Slots,
    version: u64,
    /// What was asked for last.
    latents: Drew,
    shown: Option<Drawn>,
    blend: Blend,
    asked: Blend,
    /// How much of the filters is to be seen, and was asked for last.
    then: [f64; 2],
    // Last, so that what the thread is given is gone before it is waited for.
    supervisor: Supervisor,
}

/// The generator cannot start, or a film's picture does not come.
#[derive(Debug, thiserror::Error)]
pub enum GeneratorError {
    /// The device or the model cannot be used.
    #[error("{0}")]
    Model(String),
    /// The system gives no thread.
    #[error("the generator's thread cannot be started: {0}")]
    Thread(std::io::Error),
    /// Nothing came, though the thread goes on.
    #[error("the generator gave no picture within {0} s")]
    Slow(u64),
    /// The thread hangs.
    #[error("{device} has not answered for {secs} s; --device cpu draws without it")]
    Silent {
        /// Its name.
        device: String,
        /// Seconds since it last answered.
        secs: u64,
    },
    /// The thread is gone.
    #[error("the generator's thread has ended")]
    Ended,
}

/// Longest wait for a first model, and for one picture of a film: a large network on a slow processor.
const PATIENCE: Duration = Duration::from_secs(300);
/// The same for a first model whose kernels may have to be tried on a card.
const PATIENCE_TRYING: Duration = Duration::from_secs(1800);
/// How often those who wait look whether the thread still answers.
const LOOK: Duration = Duration::from_millis(50);

impl Generator {
    /// Starts the thread, waits until the model is loaded and has drawn once. Where any device will do and a card does
    /// not answer, the CPU draws.
    ///
    /// # Errors
    /// If the device or the model cannot be used, with what to do.
    pub fn start(model: &str, device: Wanted, board: &Board) -> Result<(Self, Loaded), GeneratorError> {
        Self::start_on(Backend::of(device), model, device == Wanted::Auto, board)
    }

    /// Starts on a backend; `any` device will do.
    fn start_on(backend: Backend, model: &str, any: bool, board: &Board) -> Result<(Self, Loaded), GeneratorError> {
        let first = |attempt| Start { attempt, model: model.to_owned(), before: None, blend: None };
        let begin = |attempt| {
            let slots = Slots::default();
            let supervisor = Supervisor::start(&slots, backend.clone(), first(attempt), board)?;
            let (latents, blend) = (Default::default(), Blend::WHOLE);
            let then = [1.0; 2];
            Ok(Self { slots, version: 0, latents, shown: None, blend, asked: blend, then, supervisor })
        };
        let mut generator: Self = begin(Attempt::First)?;
        match generator.first_model() {
            Err(GeneratorError::Silent { device, secs }) if any => {
                board.fault("device", format!("{device} has not answered for {secs} s: the CPU draws"));
                generator = begin(Attempt::Cpu)?;
                generator.first_model().map(|loaded| (generator, loaded))
            }
            other => other.map(|loaded| (generator, loaded)),
        }
    }

    /// Waits for the first model.
    fn first_model(&self) -> Result<Loaded, GeneratorError> {
        let start = Instant::now();
        let patience = if device::trials().is_some() { PATIENCE_TRYING } else { PATIENCE };
        loop {
            let ended = self.supervisor.ended();
            if let Some(loaded) = self.slots.loaded.wait(LOOK) {
                return Ok(loaded);
            }
            if let Some(failed) = lock(&self.slots.failed).take() {
                return Err(GeneratorError::Model(failed));
            }
            if let Some(silence) = self.silence(Instant::now()) {
                return Err(silence);
            }
            if ended {
                return Err(GeneratorError::Ended);
            }
            if start.elapsed() > patience {
                return Err(GeneratorError::Slow(patience.as_secs()));
            }
        }
    }

    /// The device's name.
    pub fn device(&self) -> String {
        let name = lock(&self.slots.device).clone();
        if name.is_empty() { "the device".into() } else { name }
    }

    /// Asks for a pose's pictures; one with the same latents costs nothing. Where the thread does not answer any more
    /// another one is begun.
    pub fn ask(&mut self, pose: &Arc<Pose>) {
        self.recover(Instant::now());
        let Drew { latents, classes, manners, model } = &self.latents;
        let same =
            pose.latents == *latents && pose.classes == *classes && pose.manners == *manners && pose.model == *model;
        if self.version > 0 && same && self.asked == self.blend && self.then[0] == self.then[1] {
            // The same pictures with other marks.
            if let Some(shown) = &mut self.shown
                && shown.version == self.version
            {
                shown.pose = pose.clone();
            }
            return;
        }
        self.version += 1;
        let (latents, classes, manners) = (pose.latents.clone(), pose.classes.clone(), pose.manners.clone());
        self.latents = Drew { latents, classes, manners, model: pose.model };
        if pose.latents.is_empty() {
            self.slots.wanted.fetch_max(pose.model, Ordering::Relaxed);
            let (pictures, took) = (Arc::new(Vec::new()), Duration::ZERO);
            self.slots.drawn.put(Drawn { pose: pose.clone(), pictures, version: self.version, took });
            return;
        }
        (self.asked, self.then[1]) = (self.blend, self.then[0]);
        let (version, blend, then) = (self.version, self.blend, self.then[0]);
        self.slots.asks.put(Ask { pose: pose.clone(), version, blend, then });
    }

    /// The next ask is drawn even if its latents are the same: the weights are others.
    pub fn forget(&mut self) {
        self.latents = Default::default();
        self.version += 1;
    }

    /// Takes what was drawn since the last look, if anything was; [`Self::shown`] then holds it.
    pub fn look(&mut self) -> bool {
        self.recover(Instant::now());
        match self.slots.drawn.take() {
            Some(drawn) => {
                self.shown = Some(drawn);
                true
            }
            None => false,
        }
    }

    /// The same, waiting at most `patience` for the pictures of the last ask.
    pub fn look_for(&mut self, patience: Duration) -> bool {
        let start = Instant::now();
        let mut new = self.look();
        while self.shown.as_ref().is_none_or(|shown| shown.version < self.version) {
            let left = patience.saturating_sub(start.elapsed());
            match self.slots.drawn.wait(left) {
                Some(drawn) => (self.shown, new) = (Some(drawn), true),
                None => return new,
            }
        }
        new
    }

    /// The newest pictures.
    pub fn shown(&self) -> Option<&Drawn> {
        self.shown.as_ref()
    }

    /// Waits for the pictures of the last ask: the step of a film.
    ///
    /// # Errors
    /// If none comes within minutes, or the device does not answer.
    pub fn wait(&mut self) -> Result<(), GeneratorError> {
        let start = Instant::now();
        while self.shown.as_ref().is_none_or(|shown| shown.version < self.version) {
            if let Some(drawn) = self.slots.drawn.wait(LOOK) {
                self.shown = Some(drawn);
            }
            self.still_answers(start)?;
        }
        Ok(())
    }

    /// Asks for another model; [`Self::loaded`] tells when it is at work.
    pub fn load(&self, model: &str) {
        self.slots.load.put(model.to_owned());
    }

    /// Asks for a model from elsewhere than the frame path.
    pub(crate) fn loader(&self) -> Latest<String> {
        self.slots.load.clone()
    }

    /// Asks for a blend of weights: 1 is the model at work, 0 the one before it.
    pub fn set_mix(&mut self, share: f64) {
        self.blend.mix = share;
    }

    /// Asks for filters behind the network, by the names of their models.
    pub fn set_filters(&mut self, names: &[String]) {
        let mut wanted = lock(&self.slots.filters);
        if *wanted != names {
            names.clone_into(&mut wanted);
            drop(wanted);
            self.forget();
        }
    }

    /// Asks for how much of them is seen, 0..1.
    pub fn set_then(&mut self, share: f64) {
        self.then[0] = share.clamp(0.0, 1.0);
    }

    /// Asks for a blend of what was learnt: 1 is the state glided to, 0 the model as it was read.
    pub fn set_learnt(&mut self, share: f64) {
        self.blend.learnt = share;
    }

    /// Begins a glide to a state from where the weights are now. Glides follow each other in order; none is left
    /// out, so that the same shares give the same weights.
    pub fn glide(&mut self, to: Arc<State>) {
        lock(&self.slots.shown).take_state(to.clone());
        let left_at = self.blend.share;
        self.blend.glide += 1;
        self.blend.share = 0.0;
        lock(&self.slots.glides).push_back(Glide { number: self.blend.glide, left_at, to });
    }

    /// How far the last glide has come, 0..1.
    pub fn set_share(&mut self, share: f64) {
        self.blend.share = share;
    }

    /// Draws every blend exactly from now on, whatever it costs: a film.
    pub fn be_exact(&self) {
        self.slots.exact.store(true, Ordering::Relaxed);
    }

    /// Asks for the critic's score of z, and for its gradient.
    pub fn ask_critic(&self, z: &[f32], gradient: bool) {
        self.slots.critic_asks.put(CriticAsk { z: z.to_vec(), gradient });
    }

    /// The critic's score since the last look; a film waits for it, as long as the device answers.
    pub fn critic_score(&self) -> Option<CriticScore> {
        if !self.slots.exact.load(Ordering::Relaxed) {
            return self.slots.critic_scores.take();
        }
        let start = Instant::now();
        loop {
            let score = self.slots.critic_scores.wait(LOOK);
            if score.is_some() || self.still_answers(start).is_err() {
                return score;
            }
        }
    }

    /// A model that was loaded since the last look.
    pub fn loaded(&self) -> Option<Loaded> {
        self.slots.loaded.take()
    }

    /// Asks for the changes between the pictures of samples along a way, of the model of that number.
    pub fn measure(&self, key: u64, samples: Vec<Vec<f32>>, model: u64) {
        let mut waiting = lock(&self.slots.measure);
        if waiting.len() < MOST_MEASURES {
            waiting.push_back(Measuring::new(key, samples, model));
        }
    }

    /// Ways measured since the last look.
    pub fn measured(&self) -> Vec<Measured> {
        std::mem::take(&mut *lock(&self.slots.measured))
    }

    /// Whether ways wait to be measured.
    pub fn measuring(&self) -> bool {
        !lock(&self.slots.measure).is_empty()
    }

    /// Waits until all ways are measured: a film.
    ///
    /// # Errors
    /// If that takes minutes, or the device does not answer.
    pub fn wait_measured(&self) -> Result<(), GeneratorError> {
        let start = Instant::now();
        while self.measuring() {
            self.still_answers(start)?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

/// The first eight bytes of a file's SHA-256 in hexadecimal.
pub fn fingerprint(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// The same of a file, read piece by piece: a large one would only fill memory.
///
/// # Errors
/// If it cannot be read.
pub fn fingerprint_of(path: &Path) -> Result<String, FileError> {
    let mut digest = Sha256::new();
    files::read_pieces(path, |piece| digest.update(piece))?;
    Ok(hexadecimal(&digest.finalize()))
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().take(8).map(|b| format!("{b:02x}")).collect()
}
