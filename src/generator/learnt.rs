//! Learnt weights before they are seen: read, checked and tried on a thread of their own.
//!
//! The show names a file of a training (a [`Candidate`]); what is whole, of the same networks, finite and draws pictures
//! like those it has drawn so far comes back as a [`State`], everything else as a sentence. The thread, `weights`,
//! has the processor as its device and a pause between two pictures, so that it costs the frame next to nothing.
//! It never changes what is shown: the generator's thread glides to a state when the show says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use burn::tensor::Device;

use super::fingerprint;
use crate::files;
use crate::latent;
use crate::latest::Latest;
use crate::model::arrays::Incoming;
use crate::net::arch::Arch;
use crate::net::draw::Ready;
use crate::net::params::Params;
use crate::picture::Picture;
use crate::worker::{Ending, Worker, caught};

/// Pictures that a state has to draw: seeds 0 to 8, as on the sheets of a training.
const TRIED: u32 = 9;
/// Between two of them, so that the show's own pictures come first.
const PAUSE: Duration = Duration::from_millis(15);
/// How often a file that is being replaced is read again.
const ATTEMPTS: u32 = 4;
/// How long the owner waits at the end for the thread.
const END_PATIENCE: Duration = Duration::from_millis(900);
/// Why what is under way is left.
const ENDING: &str = "the show ends";

/// Weights to be checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The model that is shown, and that they are to be shown in place of.
    pub model: String,
    /// A file like `weights.safetensors`.
    pub weights: PathBuf,
    /// The critic's file beside it, if there is one.
    pub critic: Option<PathBuf>,
    /// The step of the training that wrote it.
    pub step: u64,
    /// What the file should be; it is looked for again while it is another.
    pub fingerprint: Option<String>,
    /// Taken as it is if only it is whole: a state that was shown before, gone back to on purpose.
    pub known: bool,
}

/// Checked weights, ready to be glided to.
#[derive(Debug)]
pub struct State {
    /// The model that it was checked against.
    pub model: String,
    /// The step of the training that wrote it.
    pub step: u64,
    /// The file it was read from.
    pub weights: PathBuf,
    /// Of that file ([`super::fingerprint`]).
    pub fingerprint: String,
    /// One array for each of the generator's plans.
    pub(super) generator: Vec<Vec<f32>>,
    /// One for each of the critic's; empty without a critic.
    pub(super) critic: Vec<Vec<f32>>,
    /// What its pictures are like.
    pub stats: PictureStats,
}

impl State {
    /// Whether a critic came with it.
    pub fn has_critic(&self) -> bool {
        !self.critic.is_empty()
    }
}

/// Why weights are not shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The step of the training that wrote them.
    pub step: u64,
    /// A sentence for the board.
    pub why: String,
    /// The weights are whole and of the right networks, but their pictures are flat, all the same, or noise.
    pub collapsed: bool,
}

/// What pictures of nine fixed z are like, in levels of 0..255.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PictureStats {
    /// Deviation of the pixels inside of a picture, the mean over pictures: 0 is flat.
    pub contrast: f32,
    /// Deviation of a pixel between pictures, the mean over pixels: 0 is always the same picture.
    pub variety: f32,
    /// Difference of neighbouring pixels, the mean: noise and checkerboards are high.
    pub roughness: f32,
}

/// Pictures' figures that are remembered.
const REMEMBERED: usize = 16;

impl PictureStats {
    /// Of pictures of one size.
    pub fn of(pictures: &[Picture]) -> Self {
        let count = pictures.len().max(1) as f32;
        let mut stats = Self::default();
        for picture in pictures {
            let row = picture.width * 3;
            let values: Vec<f32> = picture.pixels.iter().map(|v| f32::from(*v)).collect();
            stats.contrast += deviation(&values) / count;
            let steps = values.chunks_exact(row.max(1)).flat_map(|row| row.iter().zip(&row[3.min(row.len())..]));
            let (sum, steps) = steps.fold((0.0, 0.0), |(sum, n), (a, b)| (sum + (a - b).abs(), n + 1.0));
            stats.roughness += sum / f32::max(steps, 1.0) / count;
        }
        let pixels = pictures.iter().map(|p| p.pixels.len()).min().unwrap_or(0);
        let mut values = vec![0.0; pictures.len()];
        for at in 0..pixels {
            values.iter_mut().zip(pictures).for_each(|(value, picture)| *value = f32::from(picture.pixels[at]));
            stats.variety += deviation(&values) / pixels as f32;
        }
        stats
    }

    /// Why this is not like what was seen so far; none if it is. What is still learning changes much, so only
    /// what a broken network does is out of range: flat, always the same, or rough as noise.
    fn unusual(self, seen: &[Self]) -> Option<String> {
        let middle = |of: fn(&Self) -> f32| {
            let mut values: Vec<f32> = seen.iter().map(of).collect();
            values.sort_by(f32::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(0.0)
        };
        let (contrast, variety, roughness) = (middle(|l| l.contrast), middle(|l| l.variety), middle(|l| l.roughness));
        if contrast > 8.0 && self.contrast < 0.2 * contrast {
            return Some(format!("its pictures are flat (contrast {:.1}, so far {contrast:.1})", self.contrast));
        }
        if variety > 4.0 && self.variety < 0.05 * variety {
            return Some(format!("its pictures are all the same (variety {:.2}, so far {variety:.1})", self.variety));
        }
        if !seen.is_empty() && self.roughness > 40.0 && self.roughness > 3.0 * roughness {
            return Some(format!("its pictures are noise (roughness {:.1}, so far {roughness:.1})", self.roughness));
        }
        None
    }
}

fn deviation(values: &[f32]) -> f32 {
    let count = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / count;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count).sqrt()
}

/// What the thread learns of the model that is shown.
struct Shown {
    arch: Arch,
    model: PathBuf,
}

/// The thread that checks.
pub struct Checker {
    candidates: Latest<Candidate>,
    shown: Latest<Shown>,
    found: Latest<Result<Arc<State>, Refusal>>,
    forget: Arc<AtomicBool>,
    worker: Option<Worker>,
}

impl Checker {
    /// Starts the thread; `model` is the folder of the model that is shown, of networks `arch`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(arch: Arch, model: &Path) -> std::io::Result<Self> {
        let (candidates, shown, found) = (Latest::<Candidate>::default(), Latest::default(), Latest::default());
        shown.put(Shown { arch, model: model.into() });
        let (wanted, models, out) = (candidates.clone(), shown.clone(), found.clone());
        let forget: Arc<AtomicBool> = Arc::default();
        let anew = forget.clone();
        let worker = Worker::start("weights", 16 << 20, move |ending| {
            let mut trial: Option<Trial> = None;
            while !ending.requested() {
                if let Some(shown) = models.take() {
                    trial = Some(Trial::new(shown, &ending));
                }
                let Some(candidate) = wanted.wait(Duration::from_millis(50)) else { continue };
                let Some(trial) = &mut trial else { continue };
                if anew.swap(false, Ordering::Relaxed) {
                    trial.seen.clear();
                }
                let step = candidate.step;
                let refused = |why: String| Refusal { step, why, collapsed: false };
                let result = caught(|| trial.check(&candidate));
                out.put(result.unwrap_or_else(|panic| Err(refused(format!("it failed while it was tried: {panic}")))));
            }
        })?;
        Ok(Self { candidates, shown, found, forget, worker: Some(worker) })
    }

    /// Another model is shown.
    pub fn show(&self, arch: Arch, model: &Path) {
        self.shown.put(Shown { arch, model: model.into() });
    }

    /// Forgets what pictures were like: other data are learnt now.
    pub fn forget(&self) {
        self.forget.store(true, Ordering::Relaxed);
    }

    /// Has weights checked; of those that wait the newest are.
    pub fn check(&self, candidate: Candidate) {
        self.candidates.put(candidate);
    }

    /// What was found since the last look.
    pub fn found(&self) -> Option<Result<Arc<State>, Refusal>> {
        self.found.take()
    }

    /// Checks now, on the calling thread: a film waits for it.
    ///
    /// # Errors
    /// Why the weights cannot be shown.
    pub fn now(arch: &Arch, candidate: &Candidate) -> Result<Arc<State>, Refusal> {
        let shown = Shown { arch: arch.clone(), model: PathBuf::new() };
        Trial { shown, seen: Vec::new(), device: Device::flex(), ending: Ending::default() }.check(candidate)
    }
}

impl Drop for Checker {
    /// A share that is away can hold a read up for ever; such a thread is left behind.
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.end_within(END_PATIENCE);
        }
    }
}

/// The thread's own memory.
struct Trial {
    shown: Shown,
    /// The figures of what was fit to be seen, the newest last.
    seen: Vec<PictureStats>,
    device: Device,
    /// Nobody waits for what is under way any more.
    ending: Ending,
}

impl Trial {
    /// Learns what the model's own pictures are like.
    fn new(shown: Shown, ending: &Ending) -> Self {
        let mut trial = Self { shown, seen: Vec::new(), device: Device::flex(), ending: ending.clone() };
        let weights = trial.shown.model.join(crate::model::WEIGHTS);
        let candidate =
            Candidate { model: String::new(), weights, critic: None, step: 0, fingerprint: None, known: true };
        // A model that cannot be read is not shown either.
        let _ = caught(|| trial.check(&candidate));
        trial
    }

    fn check(&mut self, candidate: &Candidate) -> Result<Arc<State>, Refusal> {
        let refused = |why: String| Refusal { step: candidate.step, why, collapsed: false };
        let (file, fingerprint) = whole(candidate).map_err(refused)?;
        let arch = &self.shown.arch;
        let prefix = if file.has("average.") { "average" } else { "generator" };
        let plans = arch.generator_plans();
        let mut arrays = Vec::new();
        for plan in &plans {
            if self.ending.requested() {
                return Err(refused(ENDING.into()));
            }
            let values = file.values(&format!("{prefix}.{}", plan.name), &plan.shape);
            let values = values.map_err(|e| refused(format!("other weights than the model's: {e}")))?;
            if plan.name.ends_with("moving_variance") && values.iter().any(|v| *v < 0.0) {
                return Err(refused(format!("{} is negative", plan.name)));
            }
            arrays.push(values);
        }
        let critic = match &candidate.critic {
            Some(path) if path.is_file() => critic_of(path, arch),
            _ => Vec::new(),
        };
        let params = Params::of(&plans, &arrays, &self.device);
        let pictures = self.pictures(&params);
        if self.ending.requested() {
            return Err(refused(ENDING.into()));
        }
        let stats = PictureStats::of(&pictures);
        if !candidate.known
            && let Some(why) = stats.unusual(&self.seen)
        {
            return Err(Refusal { step: candidate.step, why, collapsed: true });
        }
        if self.seen.len() == REMEMBERED {
            self.seen.remove(0);
        }
        self.seen.push(stats);
        let (model, weights) = (candidate.model.clone(), candidate.weights.clone());
        Ok(Arc::new(State { model, step: candidate.step, weights, fingerprint, generator: arrays, critic, stats }))
    }

    fn pictures(&self, params: &Params) -> Vec<Picture> {
        let arch = &self.shown.arch;
        let ready = Ready::new(arch, params, true);
        let one = |seed: u32| {
            std::thread::sleep(PAUSE);
            let z = latent::seed(seed, arch.z_dim()).iter().map(|v| *v as f32).collect();
            Picture::batch(ready.bytes(&[z]), arch.picture())
        };
        (0..TRIED).take_while(|_| !self.ending.requested()).flat_map(one).collect()
    }
}

/// Reads the file, again where it is being replaced; gives it with its fingerprint.
fn whole(candidate: &Candidate) -> Result<(Incoming, String), String> {
    let mut why = String::new();
    for attempt in 0..ATTEMPTS {
        std::thread::sleep(Duration::from_millis(50) * attempt);
        match files::read(&candidate.weights) {
            Ok(bytes) => {
                let is = fingerprint(&bytes);
                match &candidate.fingerprint {
                    Some(should) if *should != is => {
                        why = format!("{} is not what was published ({is}, not {should})", candidate.weights.display());
                    }
                    _ => match Incoming::of(&candidate.weights, bytes) {
                        Ok(file) => return Ok((file, is)),
                        Err(error) => why = error.to_string(),
                    },
                }
            }
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

/// The critic's arrays; none if it is another kind of critic: then nothing is scored.
fn critic_of(path: &Path, arch: &Arch) -> Vec<Vec<f32>> {
    let Ok(file) = Incoming::open(path) else { return Vec::new() };
    let values = |plan: &crate::net::params::Plan| file.values(&format!("critic.{}", plan.name), &plan.shape).ok();
    arch.critic_plans().iter().map(values).collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(contrast: f32, variety: f32, roughness: f32) -> PictureStats {
        PictureStats { contrast, variety, roughness }
    }

    #[test]
    fn what_a_broken_network_draws_is_out_of_range() {
        let seen = [stats(50.0, 30.0, 8.0), stats(48.0, 28.0, 9.0)];
        let says = |s: PictureStats, word: &str| {
            let why = s.unusual(&seen);
            assert_eq!(why.is_some(), !word.is_empty(), "{s:?}: {why:?}");
            assert!(why.unwrap_or_default().contains(word));
        };
        says(stats(2.0, 1.0, 0.1), "flat");
        says(stats(50.0, 0.1, 8.0), "the same");
        says(stats(90.0, 80.0, 90.0), "noise");
        says(stats(70.0, 10.0, 20.0), "");
        // A beginning is nearly flat, and whatever it becomes is new.
        assert_eq!(stats(60.0, 30.0, 30.0).unusual(&[stats(1.0, 0.2, 0.4)]), None);
    }

    #[test]
    fn figures_are_what_they_say() {
        let flat = Picture { width: 4, height: 4, pixels: vec![9; 48] };
        let stats = PictureStats::of(&[flat.clone(), flat]);
        assert_eq!(stats, PictureStats::default());
        let stripes: Vec<u8> = (0..48).map(|i| if i / 3 % 2 == 0 { 0 } else { 200 }).collect();
        let stats = PictureStats::of(&[Picture { width: 4, height: 4, pixels: stripes }]);
        assert_eq!((stats.contrast, stats.roughness, stats.variety), (100.0, 200.0, 0.0));
    }
}
