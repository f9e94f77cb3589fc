//! The generator's thread: the newest pose in, its pictures and what they took out.
//!
//! One thread owns the device and every call to the networks. Asked by the show, read by it; equal latents
//! are not drawn twice; several latents are one batch. A fault keeps the last pictures, rebuilds the network
//! with growing pauses, and is reported. A model is exchanged whole, between two forwards, after a check; what a
//! training has learnt ([`learnt`]) is glided to, by blends of weights.

mod engine;
pub mod eye;
pub mod learnt;
mod thread;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::files::{self, FileError};
use crate::latent::pose::Pose;
use crate::latest::{Latest, lock};
use crate::net::arch::Arch;
use crate::net::device::{self, Wanted};
use crate::picture::Picture;
use crate::report::Board;
use crate::worker::Worker;
use eye::Opinion;
use learnt::State;

/// Which blend of weights is to be seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Blend {
    /// How much of the model's weights, 0..1, against the model before it.
    mix: f64,
    /// How much of what was learnt, 0..1, against the model as it was read.
    learnt: f64,
    /// The number of the last glide, and how far it has come, 0..1.
    glide: u64,
    share: f64,
}

impl Blend {
    /// The model as it is.
    const WHOLE: Self = Self { mix: 1.0, learnt: 1.0, glide: 0, share: 1.0 };
}

/// The beginning of a glide from what is seen to a state.
pub(crate) struct Glide {
    number: u64,
    /// How far the glide before it had come.
    left_at: f64,
    to: Arc<State>,
}

/// What is asked for.
#[derive(Clone)]
pub(crate) struct Ask {
    pose: Arc<Pose>,
    version: u64,
    blend: Blend,
}

/// A z that the critic is to look at.
pub(crate) struct Look {
    z: Vec<f32>,
    gradient: bool,
}

/// What was drawn.
#[derive(Clone)]
pub struct Drawn {
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
    pub folder: PathBuf,
    pub z_dim: usize,
    /// Height and width of a picture.
    pub size: [usize; 2],
    /// Fingerprint of the weights' file.
    pub fingerprint: String,
    pub arch: Arch,
    /// Whether there is a critic beside the generator.
    pub critic: bool,
}

/// Pictures along a way to be compared.
pub(crate) struct Measuring {
    key: u64,
    samples: VecDeque<Vec<f32>>,
    last: Option<Picture>,
    changes: Vec<f64>,
}

/// A way that was measured: its key, and the change from each sample's picture to the next.
pub type Measured = (u64, Vec<f64>);

/// What the two sides share.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    asks: Latest<Ask>,
    drawn: Latest<Drawn>,
    load: Latest<String>,
    loaded: Latest<Loaded>,
    measure: Arc<Mutex<VecDeque<Measuring>>>,
    measured: Arc<Mutex<Vec<Measured>>>,
    glides: Arc<Mutex<VecDeque<Glide>>>,
    looks: Latest<Look>,
    opinions: Latest<Opinion>,
    /// A film: every blend is exact, and an opinion comes before the next picture.
    exact: Arc<AtomicBool>,
    device: Arc<Mutex<String>>,
    failed: Arc<Mutex<Option<String>>>,
}

/// Ways that may wait to be measured.
const MOST_MEASURES: usize = 16;

/// The owner's end of the thread.
pub struct Generator {
    shared: Shared,
    version: u64,
    latents: Vec<Vec<f32>>,
    shown: Option<Drawn>,
    blend: Blend,
    asked: Blend,
    _worker: Worker,
}

/// The generator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GeneratorError {
    #[error("{0}")]
    Model(String),
    #[error("the generator's thread cannot be started: {0}")]
    Thread(std::io::Error),
    #[error("the generator gave no picture within {0} s")]
    Slow(u64),
}

/// Longest wait for a first model, and for one picture of a film: a large network on a slow processor.
const PATIENCE: Duration = Duration::from_secs(300);
/// The same for a first model whose kernels may have to be tried on a card.
const PATIENCE_TRYING: Duration = Duration::from_secs(1800);

impl Generator {
    /// Starts the thread, waits until the model is loaded and has drawn once.
    ///
    /// # Errors
    /// If the device or the model cannot be used, with what to do.
    pub fn start(model: &str, device: Wanted, board: &Board) -> Result<(Self, Loaded), GeneratorError> {
        let shared = Shared::default();
        shared.load.put(model.to_owned());
        let theirs = shared.clone();
        let board = board.clone();
        let worker = Worker::start("generator", 16 << 20, move |ending| thread::run(theirs, device, &board, &ending))
            .map_err(GeneratorError::Thread)?;
        let start = Instant::now();
        let patience = if device::trials().is_some() { PATIENCE_TRYING } else { PATIENCE };
        loop {
            if let Some(loaded) = shared.loaded.wait(Duration::from_millis(20)) {
                let (latents, blend) = (Vec::new(), Blend::WHOLE);
                let generator = Self { shared, version: 0, latents, shown: None, blend, asked: blend, _worker: worker };
                return Ok((generator, loaded));
            }
            if let Some(failed) = lock(&shared.failed).take() {
                return Err(GeneratorError::Model(failed));
            }
            if start.elapsed() > patience || worker.ended() {
                return Err(GeneratorError::Slow(start.elapsed().as_secs()));
            }
        }
    }

    /// The device's name.
    pub fn device(&self) -> String {
        lock(&self.shared.device).clone()
    }

    /// Asks for a pose's pictures; one with the same latents costs nothing.
    pub fn ask(&mut self, pose: &Arc<Pose>) {
        if self.version > 0 && pose.latents == self.latents && self.asked == self.blend {
            // The same pictures with other marks.
            if let Some(shown) = &mut self.shown
                && shown.version == self.version
            {
                shown.pose = pose.clone();
            }
            return;
        }
        self.version += 1;
        self.latents.clone_from(&pose.latents);
        if pose.latents.is_empty() {
            let (pictures, took) = (Arc::new(Vec::new()), Duration::ZERO);
            self.shared.drawn.put(Drawn { pose: pose.clone(), pictures, version: self.version, took });
            return;
        }
        self.asked = self.blend;
        self.shared.asks.put(Ask { pose: pose.clone(), version: self.version, blend: self.blend });
    }

    /// The next ask is drawn even if its latents are the same: the weights are others.
    pub fn forget(&mut self) {
        self.latents.clear();
        self.version += 1;
    }

    /// Takes what was drawn since the last look, if anything was; [`Self::shown`] then holds it.
    pub fn look(&mut self) -> bool {
        match self.shared.drawn.take() {
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
            match self.shared.drawn.wait(left) {
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
    /// If none comes within minutes.
    pub fn wait(&mut self) -> Result<(), GeneratorError> {
        let start = Instant::now();
        while self.shown.as_ref().is_none_or(|shown| shown.version < self.version) {
            if let Some(drawn) = self.shared.drawn.wait(Duration::from_millis(200)) {
                self.shown = Some(drawn);
            }
            if start.elapsed() > PATIENCE {
                return Err(GeneratorError::Slow(PATIENCE.as_secs()));
            }
        }
        Ok(())
    }

    /// Asks for another model; [`Self::loaded`] tells when it is at work.
    pub fn load(&self, model: &str) {
        self.shared.load.put(model.to_owned());
    }

    /// Asks for a model from elsewhere than the frame path.
    pub(crate) fn loader(&self) -> Latest<String> {
        self.shared.load.clone()
    }

    /// Asks for a blend of weights: 1 is the model at work, 0 the one before it.
    pub fn set_mix(&mut self, share: f64) {
        self.blend.mix = share;
    }

    /// Asks for a blend of what was learnt: 1 is the state glided to, 0 the model as it was read.
    pub fn set_learnt(&mut self, share: f64) {
        self.blend.learnt = share;
    }

    /// Begins a glide to a state from where the weights are now. Glides follow each other in order; none is left
    /// out, so that the same shares give the same weights.
    pub fn glide(&mut self, to: Arc<State>) {
        let left_at = self.blend.share;
        self.blend.glide += 1;
        self.blend.share = 0.0;
        lock(&self.shared.glides).push_back(Glide { number: self.blend.glide, left_at, to });
    }

    /// How far the last glide has come, 0..1.
    pub fn set_share(&mut self, share: f64) {
        self.blend.share = share;
    }

    /// Draws every blend exactly from now on, whatever it costs: a film.
    pub fn be_exact(&self) {
        self.shared.exact.store(true, Ordering::Relaxed);
    }

    /// Asks what the critic thinks of z, and which way it would rather have it.
    pub fn watch(&self, z: &[f32], gradient: bool) {
        self.shared.looks.put(Look { z: z.to_vec(), gradient });
    }

    /// What the critic thought since the last look; a film waits for it.
    pub fn opinion(&self) -> Option<Opinion> {
        match self.shared.exact.load(Ordering::Relaxed) {
            true => self.shared.opinions.wait(PATIENCE),
            false => self.shared.opinions.take(),
        }
    }

    /// A model that was loaded since the last look.
    pub fn loaded(&self) -> Option<Loaded> {
        self.shared.loaded.take()
    }

    /// Asks for the changes between the pictures of samples along a way.
    pub fn measure(&self, key: u64, samples: Vec<Vec<f32>>) {
        let mut waiting = lock(&self.shared.measure);
        if waiting.len() < MOST_MEASURES {
            waiting.push_back(Measuring { key, samples: samples.into(), last: None, changes: Vec::new() });
        }
    }

    /// Ways measured since the last look.
    pub fn measured(&self) -> Vec<Measured> {
        std::mem::take(&mut *lock(&self.shared.measured))
    }

    /// Whether ways wait to be measured.
    pub fn measuring(&self) -> bool {
        !lock(&self.shared.measure).is_empty()
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
