//! Inside of the generator's thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::{Ask, Drawn, Loaded, Measuring, Shared};
use crate::files;
use crate::latest::lock;
use crate::model::{self, Model};
use crate::net::arch::Arch;
use crate::net::device::{self, Chosen, Wanted};
use crate::net::generator::Ready;
use crate::net::params::Params;
use crate::picture::Picture;
use crate::report::Board;
use crate::worker::{Ending, caught, rehearsing};

/// Longest sleep between two looks at orders.
const LOOK: Duration = Duration::from_millis(10);
/// Longest pause before a broken network is built again.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Batch sizes drawn once before a model is shown: kernels are compiled and tuned on their first use.
const WARM: [usize; 3] = [1, 2, 4];

/// The network at work.
struct Engine {
    ready: Ready,
    arch: Arch,
    /// Its own weights, and those of the model before it where both have the same arrays.
    own: Params,
    before: Option<Params>,
    /// How much of its own weights is seen, 0..1.
    mix: f64,
    name: String,
    shape: [usize; 3],
    z_dim: usize,
}

impl Engine {
    /// The weights that are seen.
    fn seen(&self) -> Params {
        match &self.before {
            Some(before) if self.mix < 1.0 => before.blend(&self.own, self.mix as f32),
            _ => self.own.clone(),
        }
    }

    /// Shows another blend.
    fn set_mix(&mut self, mix: f64) {
        self.mix = mix;
        if self.before.is_some() {
            self.ready = Ready::new(&self.arch, &self.seen(), true);
        }
    }

    /// Comes after another network, so that a blend of both can be shown.
    fn follow(&mut self, before: &Self) {
        if before.arch.same_networks(&self.arch) {
            // A model that is read again, or built again after a fault, still follows the one before it.
            self.before = if before.name == self.name { before.before.clone() } else { Some(before.seen()) };
        }
        self.set_mix(before.mix);
    }

    fn draw(&self, latents: &[Vec<f32>]) -> Vec<Picture> {
        let fitting: Vec<Vec<f32>>;
        // A pose made for the model before.
        let latents = if latents.iter().all(|z| z.len() == self.z_dim) {
            latents
        } else {
            fitting = latents
                .iter()
                .map(|z| {
                    let mut z = z.clone();
                    z.resize(self.z_dim, 0.0);
                    z
                })
                .collect();
            &fitting
        };
        Picture::batch(&self.ready.bytes(latents), self.shape)
    }
}

/// Reads and tries a model; it is not at work yet.
fn load(name: &str, chosen: &Chosen) -> Result<(Engine, Loaded), String> {
    let built = caught(|| {
        let model = Model::read(name, &chosen.device).map_err(|e| e.to_string())?;
        let ready = model.ready();
        let shape = model.card.arch.input_dim;
        let (arch, own) = (model.card.arch.clone(), model.generator);
        let z_dim = model.card.z_dim;
        let engine = Engine { ready, arch, own, before: None, mix: 1.0, name: name.to_owned(), shape, z_dim };
        for count in WARM {
            engine.draw(&vec![vec![0.0; engine.z_dim]; count]);
        }
        let folder = model::folder(name);
        let bytes = files::read(&folder.join("weights.safetensors")).map_err(|e| e.to_string())?;
        let fingerprint = Sha256::digest(&bytes).iter().take(8).map(|b| format!("{b:02x}")).collect();
        let size = [shape[0], shape[1]];
        let loaded = Loaded { name: name.to_owned(), folder, z_dim: engine.z_dim, size, fingerprint };
        Ok((engine, loaded))
    });
    built.unwrap_or_else(|panic| Err(format!("the network failed while it was tried: {panic}")))
}

/// The thread, until its owner wishes it to end.
pub(super) fn run(shared: Shared, wanted: Wanted, board: &Board, ending: &Ending) {
    let chosen = match caught(|| device::choose(wanted)) {
        Ok(Ok(chosen)) => chosen,
        Ok(Err(error)) => return fail(&shared, error.to_string()),
        Err(panic) => return fail(&shared, format!("the device cannot be used: {panic}; try --device cpu")),
    };
    lock(&shared.device).clone_from(&chosen.name);
    let mut engine: Option<Engine> = None;
    let mut faults = 0u32;
    let rehearsing = rehearsing();
    while !ending.wished() {
        if let Some(name) = shared.load.take() {
            match load(&name, &chosen) {
                Ok((mut new, loaded)) => {
                    if let Some(before) = &engine {
                        new.follow(before);
                    }
                    engine = Some(new);
                    board.clear("model");
                    shared.loaded.put(loaded);
                }
                Err(why) if engine.is_none() => return fail(&shared, why),
                Err(why) => board.fault("model", format!("{name} is not taken, the one before goes on: {why}")),
            }
        }
        let measuring = lock(&shared.measure).front().is_some();
        let Some(ask) = shared.asks.wait(if measuring { Duration::ZERO } else { LOOK }) else {
            if let Some(engine) = &engine {
                measure_one(&shared, engine);
            }
            continue;
        };
        let Some(at_work) = &mut engine else { continue };
        blend(at_work, ask.mix, board);
        let at_work = &*at_work;
        match draw(at_work, &ask, rehearsing) {
            Ok(drawn) => {
                if faults > 0 {
                    board.clear("generator");
                    faults = 0;
                }
                shared.drawn.put(drawn);
                if measuring {
                    measure_one(&shared, at_work);
                }
            }
            Err(panic) => {
                faults += 1;
                board.fault("generator", format!("{panic}; the last picture stays, attempt {faults} to rebuild"));
                pause(faults, ending);
                match load(&at_work.name.clone(), &chosen) {
                    Ok((mut new, _)) => {
                        new.follow(at_work);
                        engine = Some(new);
                    }
                    Err(why) => board.fault("generator", format!("attempt {faults} to rebuild failed: {why}")),
                }
                // What was asked for is still wanted, unless something newer is.
                if let Some(newer) = shared.asks.put(ask) {
                    shared.asks.put(newer);
                }
            }
        }
    }
}

/// Shows another blend of weights, if another one is asked for.
fn blend(engine: &mut Engine, mix: f64, board: &Board) {
    if engine.mix == mix {
        return;
    }
    match caught(|| engine.set_mix(mix)) {
        Ok(()) if engine.before.is_none() && mix < 1.0 => {
            board.notice("mix", "there is no other model of this architecture to blend with; load one first");
        }
        Ok(()) => board.clear("mix"),
        Err(panic) => board.fault("mix", format!("the weights cannot be blended: {panic}")),
    }
}

fn fail(shared: &Shared, why: String) {
    *lock(&shared.failed) = Some(why);
}

fn draw(engine: &Engine, ask: &Ask, rehearsing: bool) -> Result<Drawn, String> {
    let start = Instant::now();
    let pictures = caught(|| {
        let far = |z: &Vec<f32>| z.first().is_some_and(|v| *v >= 99.0);
        assert!(!rehearsing || !ask.pose.latents.iter().any(far), "a rehearsed fault");
        engine.draw(&ask.pose.latents)
    });
    let pictures = Arc::new(pictures?);
    Ok(Drawn { pose: ask.pose.clone(), pictures, version: ask.version, took: start.elapsed() })
}

/// 0.1 s, doubled with each fault in a row.
fn pause(faults: u32, ending: &Ending) {
    let pause = Duration::from_millis(100 << faults.clamp(1, 10)).min(LONGEST_PAUSE);
    let start = Instant::now();
    while start.elapsed() < pause && !ending.wished() {
        std::thread::sleep(LOOK);
    }
}

/// One more sample of the way that is being measured.
fn measure_one(shared: &Shared, engine: &Engine) {
    let Some(sample) = lock(&shared.measure).front_mut().and_then(|m| m.samples.pop_front()) else { return };
    // One that fails leaves its way unmeasured; the fault will show in the frame that asks for it.
    let picture = caught(|| engine.draw(&[sample])).ok().and_then(|mut pictures| pictures.pop());
    let mut waiting = lock(&shared.measure);
    let Some(current) = waiting.front_mut() else { return };
    if let (Some(before), Some(now)) = (&current.last, &picture) {
        current.changes.push(change(before, now));
    }
    current.last = picture;
    if current.samples.is_empty()
        && let Some(Measuring { key, changes, .. }) = waiting.pop_front()
    {
        lock(&shared.measured).push((key, changes));
    }
}

/// How much two pictures differ: the root of the mean square, 0..255.
fn change(a: &Picture, b: &Picture) -> f64 {
    let sum: f64 = a.pixels.iter().zip(&b.pixels).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    (sum / a.pixels.len().max(1) as f64).sqrt()
}
