//! The generator's thread: orders, what is asked for, faults and their rebuilding; the network is [`super::engine`]'s.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::engine::{Engine, OnTheWay, load};
use super::{Ask, Blend, Look, Measuring, Shared, eye};
use crate::latest::lock;
use crate::net::device::{self, Wanted};
use crate::net::ops;
use crate::picture::Picture;
use crate::report::Board;
use crate::worker::{Ending, caught, rehearsing};

/// Longest sleep between two looks at orders.
const LOOK: Duration = Duration::from_millis(10);
/// The same while pictures are on their way from a device.
const SHORT_LOOK: Duration = Duration::from_micros(200);
/// Longest pause before a broken network is built again.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The thread, until its owner wishes it to end.
pub(super) fn run(shared: Shared, wanted: Wanted, board: &Board, ending: &Ending) {
    let chosen = match caught(|| device::choose(wanted)) {
        Ok(Ok(chosen)) => chosen,
        Ok(Err(error)) => return fail(&shared, error.to_string()),
        Err(panic) => return fail(&shared, format!("the device cannot be used: {panic}; try --device cpu")),
    };
    lock(&shared.device).clone_from(&chosen.name);
    if let Some((kept, false)) = device::trials().filter(|_| !ops::ours(&chosen.device)) {
        let kept = kept.display();
        board
            .notice("kernels", format!("the first start tries them on this card, which takes minutes; kept in {kept}"));
    }
    let mut engine: Option<Engine> = None;
    let mut faults = 0u32;
    let (mut gaze, mut measures) = (Beside::default(), Beside::default());
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
                        board.clear("kernels");
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
        let asked = next.is_some();
        let idle = !asked && on_the_way.is_none();
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
        let exact = shared.exact.load(Ordering::Relaxed);
        if measuring && (!asked || exact || measures.due(MEASURING)) {
            measures.spend(|| measure(&shared, at_work, if exact { MEASURED_TOGETHER } else { 1 }));
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

/// Work beside the pictures: when it was done last, and how long it took.
#[derive(Default)]
struct Beside(Option<(Instant, Duration)>);

/// For how many times as long as the last look of the critic took there is none, and the same of a sample of a way
/// that is measured, while pictures are asked for faster than they come.
const GAZING: u32 = 9;
const MEASURING: u32 = 4;
/// Samples that are drawn at once for a film, which waits for all of them.
const MEASURED_TOGETHER: usize = 8;

impl Beside {
    /// Whether pictures have had `times` as long as the last piece took.
    fn due(&self, times: u32) -> bool {
        self.0.is_none_or(|(at, took)| at.elapsed() >= took * times)
    }

    fn spend(&mut self, work: impl FnOnce()) {
        let start = Instant::now();
        work();
        self.0 = Some((Instant::now(), start.elapsed()));
    }

    /// Has the critic look at what is waiting, if that is cheap enough now.
    fn look(&mut self, shared: &Shared, engine: &Engine) {
        if !self.due(GAZING) && !shared.exact.load(Ordering::Relaxed) {
            return;
        }
        let Some(Look { mut z, gradient }) = shared.looks.take() else { return };
        z.resize(engine.z_dim, 0.0);
        self.spend(|| {
            let found = engine.critic.as_ref().and_then(|critic| {
                caught(|| eye::opinion(&engine.arch, &engine.seen(), critic, &z, gradient)).ok().flatten()
            });
            // Without a critic nobody waits for one.
            shared.opinions.put(found.unwrap_or(eye::Opinion { score: 0.0, gradient: Vec::new() }));
        });
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

/// The next samples of the way that is being measured, at most so many.
fn measure(shared: &Shared, engine: &Engine, most: usize) {
    let samples: Vec<Vec<f32>> = match lock(&shared.measure).front_mut() {
        Some(way) => way.samples.drain(..most.min(way.samples.len())).collect(),
        None => return,
    };
    // Those that fail leave their way unmeasured; the fault will show in the frame that asks for it.
    let pictures = caught(|| engine.draw(&samples)).unwrap_or_default();
    let mut waiting = lock(&shared.measure);
    let Some(current) = waiting.front_mut() else { return };
    for picture in pictures {
        if let Some(before) = &current.last {
            current.changes.push(change(before, &picture));
        }
        current.last = Some(picture);
    }
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
