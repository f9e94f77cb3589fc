//! Inside of the generator's thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::learnt::State;
use super::{Ask, Blend, Drawn, Glide, Loaded, Look, Measuring, Shared, eye};
use crate::files;
use crate::latest::lock;
use crate::model::arrays::Incoming;
use crate::model::{self, Model};
use crate::net::arch::Arch;
use crate::net::critic;
use crate::net::device::{self, Chosen, Wanted};
use crate::net::generator::{self, Ready};
use crate::net::params::Params;
use crate::net::pending::Pending;
use crate::picture::Picture;
use crate::report::Board;
use crate::worker::{Ending, caught, rehearsing};

/// Longest sleep between two looks at orders.
const LOOK: Duration = Duration::from_millis(10);
/// The same while pictures are on their way from a device.
const SHORT_LOOK: Duration = Duration::from_micros(200);
/// Longest pause before a broken network is built again.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Batch sizes drawn once before a model is shown: kernels are compiled and tuned on their first use.
const WARM: [usize; 3] = [1, 2, 4];

/// The network at work.
struct Engine {
    ready: Ready,
    arch: Arch,
    /// Its weights as they were read, and those of the model before it where both have the same arrays.
    own: Params,
    before: Option<Params>,
    /// The ends of the last glide between learnt states, both its own weights until there is one.
    from: Params,
    to: Params,
    /// What is seen.
    blend: Blend,
    /// What the last blend took, and when it was made.
    blending: (Duration, Instant),
    /// The critic's weights.
    critic: Option<Params>,
    name: String,
    shape: [usize; 3],
    z_dim: usize,
}

/// A blend during a glide costs at most this share of the time.
const BLENDING: u32 = 4;

impl Engine {
    /// Where a glide is at `share`.
    fn learnt(&self, share: f64) -> Params {
        match share {
            share if share >= 1.0 => self.to.clone(),
            share if share <= 0.0 => self.from.clone(),
            share => self.from.blend(&self.to, share as f32),
        }
    }

    /// The weights that are seen. At the ends nothing is computed, so that they are the bytes of the files.
    fn seen(&self) -> Params {
        let learnt = match self.blend.learnt {
            share if share >= 1.0 => self.learnt(self.blend.share),
            share if share <= 0.0 => self.own.clone(),
            share => self.own.blend(&self.learnt(self.blend.share), share as f32),
        };
        match &self.before {
            Some(before) if self.blend.mix < 1.0 => before.blend(&learnt, self.blend.mix as f32),
            _ => learnt,
        }
    }

    /// Shows another blend.
    fn show(&mut self, blend: Blend) {
        let start = Instant::now();
        self.blend = blend;
        self.ready.renew(&self.seen());
        self.blending = (start.elapsed(), Instant::now());
    }

    /// Whether another blend is due. The steps of a glide wait until they are cheap; hands and ends do not.
    fn due(&self, wanted: Blend, exact: bool) -> bool {
        let only_share = Blend { share: self.blend.share, ..wanted } == self.blend;
        let (took, at) = self.blending;
        wanted != self.blend && (exact || !only_share || wanted.share >= 1.0 || at.elapsed() >= took * BLENDING)
    }

    /// Begins the glides that wait, up to the one that is wanted. The queue is not held meanwhile.
    fn follow_glides(&mut self, shared: &Shared, wanted: u64) {
        loop {
            let next = lock(&shared.glides).pop_front_if(|glide| glide.number <= wanted);
            let Some(Glide { number, left_at, to }) = next else { return };
            if to.model == self.name {
                self.from = self.learnt(left_at);
                self.take_state(&to);
            }
            self.blend = Blend { glide: number, share: 0.0, ..self.blend };
        }
    }

    fn take_state(&mut self, state: &State) {
        let device = self.own.list.first().map(|p| p.value.device()).unwrap_or_default();
        // The show checks that states are of this model's networks; one that came late is of no use.
        let fits = |plans: &[crate::net::params::Plan], arrays: &[Vec<f32>]| {
            plans.len() == arrays.len() && plans.iter().zip(arrays).all(|(plan, values)| plan.len() == values.len())
        };
        let plans = generator::plans(&self.arch);
        if fits(&plans, &state.generator) {
            self.to = Params::of(&plans, &state.generator, &device);
        }
        let plans = critic::plans(&self.arch);
        if fits(&plans, &state.critic) {
            self.critic = Some(Params::of(&plans, &state.critic, &device));
        }
    }

    /// Comes after another network, so that a blend of both can be shown.
    fn follow(&mut self, before: &Self) {
        let again = before.name == self.name && before.arch.same_networks(&self.arch);
        if again {
            // A model that is read again, or built again after a fault, goes on where it was.
            self.before.clone_from(&before.before);
            (self.from, self.to) = (before.from.clone(), before.to.clone());
            self.critic = before.critic.clone().or(self.critic.take());
            return self.show(before.blend);
        }
        if before.arch.same_networks(&self.arch) {
            self.before = Some(before.seen());
        }
        self.show(Blend { share: 1.0, ..before.blend });
    }

    /// Begins to draw; [`Self::take`] takes what it gives.
    fn begin(&self, latents: &[Vec<f32>]) -> Pending {
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
        self.ready.begin(latents)
    }

    /// The pictures of `count` latents. Panics if the device gave something else, as one that is gone does.
    fn take(&self, pending: Pending, count: usize) -> Vec<Picture> {
        let pictures = Picture::batch(&pending.wait(), self.shape);
        assert!(pictures.len() == count, "the device gave {} pictures instead of {count}", pictures.len());
        pictures
    }

    fn draw(&self, latents: &[Vec<f32>]) -> Vec<Picture> {
        self.take(self.begin(latents), latents.len())
    }

    /// Begins what is asked for; gives it back with the reason where that fails.
    fn start(&self, ask: Ask, rehearsing: bool) -> Result<OnTheWay, (Ask, String)> {
        let start = Instant::now();
        let begun = caught(|| {
            let far = |z: &Vec<f32>| z.first().is_some_and(|v| *v >= 99.0);
            assert!(!rehearsing || !ask.pose.latents.iter().any(far), "a rehearsed fault");
            self.begin(&ask.pose.latents)
        });
        match begun {
            Ok(pending) => Ok(OnTheWay { ask, pending, start }),
            Err(panic) => Err((ask, panic)),
        }
    }

    /// Waits for what was begun.
    fn finish(&self, OnTheWay { ask, pending, start }: OnTheWay) -> Result<Drawn, String> {
        let pictures = Arc::new(caught(|| self.take(pending, ask.pose.latents.len()))?);
        Ok(Drawn { pose: ask.pose, pictures, version: ask.version, took: start.elapsed() })
    }
}

/// Pictures that are being drawn.
struct OnTheWay {
    ask: Ask,
    pending: Pending,
    start: Instant,
}

/// Reads and tries a model; it is not at work yet.
fn load(name: &str, chosen: &Chosen) -> Result<(Engine, Loaded), String> {
    let built = caught(|| {
        let model = Model::read(name, &chosen.device).map_err(|e| e.to_string())?;
        let ready = model.ready();
        let shape = model.card.arch.input_dim;
        let (arch, own) = (model.card.arch.clone(), model.generator);
        let z_dim = model.card.z_dim;
        let folder = model::folder(name);
        let critic = Incoming::read(&folder.join(model::CRITIC))
            .and_then(|file| file.params("critic", &critic::plans(&arch), &chosen.device))
            .ok();
        let loaded_arch = arch.clone();
        let engine = Engine {
            ready,
            arch,
            from: own.clone(),
            to: own.clone(),
            own,
            before: None,
            blend: Blend::WHOLE,
            blending: (Duration::ZERO, Instant::now()),
            critic,
            name: name.to_owned(),
            shape,
            z_dim,
        };
        for count in WARM {
            engine.draw(&vec![vec![0.0; engine.z_dim]; count]);
        }
        let bytes = files::read(&folder.join(model::WEIGHTS)).map_err(|e| e.to_string())?;
        let (size, fingerprint) = ([shape[0], shape[1]], super::fingerprint(&bytes));
        let (arch, critic) = (loaded_arch, engine.critic.is_some());
        let loaded = Loaded { name: name.to_owned(), folder, z_dim: engine.z_dim, size, fingerprint, arch, critic };
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
    let mut gaze = Gaze::default();
    let rehearsing = rehearsing();
    // What a device is still at when the next is begun.
    let mut on_the_way: Option<OnTheWay> = None;
    while !ending.wished() {
        let measuring = lock(&shared.measure).front().is_some();
        let next = match shared.load.take() {
            // What is on its way comes from the model before.
            Some(name) => {
                if let (Some(way), Some(engine)) = (on_the_way.take(), &engine) {
                    let ask = way.ask.clone();
                    match engine.finish(way) {
                        Ok(drawn) => drop(shared.drawn.put(drawn)),
                        Err(_) => shared.asks.put_back(ask),
                    }
                }
                match load(&name, &chosen) {
                    Ok((mut new, loaded)) => {
                        if let Some(before) = &engine
                            && let Err(panic) = caught(|| new.follow(before))
                        {
                            board.notice("mix", format!("no blend with the model before: {panic}"));
                        }
                        engine = Some(new);
                        board.clear("model");
                        shared.loaded.put(loaded);
                    }
                    Err(why) if engine.is_none() => return fail(&shared, why),
                    Err(why) => board.fault("model", format!("{name} is not taken, the one before goes on: {why}")),
                }
                None
            }
            None => shared.asks.wait(match (measuring, &on_the_way) {
                (true, _) => Duration::ZERO,
                (false, Some(_)) => SHORT_LOOK,
                (false, None) => LOOK,
            }),
        };
        let Some(at_work) = &mut engine else { continue };
        let idle = next.is_none() && on_the_way.is_none();
        if let Some(ask) = &next {
            blend(at_work, &shared, ask.blend, board);
        }
        match turn(at_work, &shared, &mut on_the_way, next, rehearsing) {
            Ok(drawn) => {
                if drawn && std::mem::take(&mut faults) > 0 {
                    board.clear("generator");
                }
            }
            Err((ask, panic)) => {
                faults += 1;
                board.fault("generator", format!("{panic}; the last picture stays, attempt {faults} to rebuild"));
                pause(faults, ending);
                match load(&at_work.name.clone(), &chosen) {
                    Ok((mut new, _)) => {
                        // What cannot be blended is shown as it was read.
                        let _ = caught(|| new.follow(at_work));
                        engine = Some(new);
                    }
                    Err(why) => board.fault("generator", format!("attempt {faults} to rebuild failed: {why}")),
                }
                // What was asked for is still wanted, unless something newer is.
                shared.asks.put_back(ask);
                continue;
            }
        }
        if measuring {
            measure_one(&shared, at_work);
        }
        gaze.look(&shared, at_work);
        // Nothing is drawn, and glides go on coming.
        if idle && let Err(panic) = caught(|| at_work.follow_glides(&shared, u64::MAX)) {
            board.fault("generator", format!("learnt weights could not be taken: {panic}"));
        }
    }
}

/// Begins what is asked for, before it waits for what is on the way; what is there already is handed over. Says
/// whether pictures were; of a fault it gives the newest ask that has none.
fn turn(
    engine: &Engine,
    shared: &Shared,
    on_the_way: &mut Option<OnTheWay>,
    next: Option<Ask>,
    rehearsing: bool,
) -> Result<bool, (Ask, String)> {
    let mut drawn = false;
    let mut hand_over = |mut way: OnTheWay, before: &mut Option<Instant>| {
        let ask = way.ask.clone();
        // A device does one after the other: waiting for the one before is not this one's time.
        way.start = before.map_or(way.start, |before| before.max(way.start));
        let pictures = engine.finish(way).map_err(|panic| (ask, panic))?;
        *before = Some(Instant::now());
        shared.drawn.put(pictures);
        drawn = true;
        Ok(())
    };
    let mut before = None;
    if let Some(ask) = next {
        let older = on_the_way.take();
        let newest = ask.clone();
        *on_the_way = Some(engine.start(ask, rehearsing)?);
        if let Some(older) = older {
            // Where this one fails, the newer one is what is wanted again.
            hand_over(older, &mut before).map_err(|(_, panic)| {
                *on_the_way = None;
                (newest, panic)
            })?;
        }
        if let (Some(way), Some(before)) = (on_the_way.as_mut(), before) {
            way.start = before.max(way.start);
        }
    }
    let there = match on_the_way {
        Some(way) => caught(|| way.pending.look()).unwrap_or(true),
        None => false,
    };
    if there && let Some(way) = on_the_way.take() {
        hand_over(way, &mut before)?;
    }
    Ok(drawn)
}

/// Shows another blend of weights, if another one is asked for.
fn blend(engine: &mut Engine, shared: &Shared, wanted: Blend, board: &Board) {
    let exact = shared.exact.load(Ordering::Relaxed);
    let done = caught(|| {
        engine.follow_glides(shared, wanted.glide);
        // An ask from before the last glide has its beginning.
        let old = wanted.glide < engine.blend.glide;
        let wanted = if old { Blend { glide: engine.blend.glide, share: 0.0, ..wanted } } else { wanted };
        if engine.due(wanted, exact) {
            engine.show(wanted);
        }
    });
    match done {
        Ok(()) if engine.before.is_none() && wanted.mix < 1.0 => {
            board.notice("mix", "there is no other model of this architecture to blend with; load one first");
        }
        Ok(()) => board.clear("mix"),
        Err(panic) => board.fault("mix", format!("the weights cannot be blended: {panic}")),
    }
}

/// When the critic looked last, and how long it took.
#[derive(Default)]
struct Gaze(Option<(Instant, Duration)>);

/// The critic's looks cost at most one part in so many of the time.
const GAZING: u32 = 9;

impl Gaze {
    /// Has the critic look at what is waiting, if that is cheap enough now.
    fn look(&mut self, shared: &Shared, engine: &Engine) {
        let due = self.0.is_none_or(|(at, took)| at.elapsed() >= took * GAZING);
        if !due && !shared.exact.load(Ordering::Relaxed) {
            return;
        }
        let Some(Look { mut z, gradient }) = shared.looks.take() else { return };
        z.resize(engine.z_dim, 0.0);
        let start = Instant::now();
        let found = engine.critic.as_ref().and_then(|critic| {
            caught(|| eye::opinion(&engine.arch, &engine.seen(), critic, &z, gradient)).ok().flatten()
        });
        // Without a critic nobody waits for one.
        shared.opinions.put(found.unwrap_or(eye::Opinion { score: 0.0, gradient: Vec::new() }));
        self.0 = Some((Instant::now(), start.elapsed()));
    }
}

fn fail(shared: &Shared, why: String) {
    *lock(&shared.failed) = Some(why);
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
