//! What the generator's thread does beside the pictures that are asked for: ways are measured, the critic scores.
//!
//! On the thread ([`super::thread`]), which says when; a live show gives it a fixed share of the time at most.

use std::time::{Duration, Instant};

use super::critic::{self, CriticScore};
use super::engine::Engine;
use super::slots::{CriticAsk, Measuring, Slots, Task};
use crate::latest::lock;
use crate::picture::Picture;
use crate::worker::{Ending, caught};

/// Work beside the pictures: when it was done last, and how long it took.
#[derive(Default)]
pub(super) struct Background(Option<(Instant, Duration)>);

/// For how many times as long as the critic's last score took there is none, and the same of a sample of a way that is
/// measured, while pictures are asked for faster than they come.
pub(super) const SCORING: u32 = 9;
pub(super) const MEASURING: u32 = 4;
/// Samples that are drawn at once for a film, which waits for all of them.
pub(super) const MEASURED_TOGETHER: usize = 8;

impl Background {
    /// Whether pictures have had `times` as long as the last piece took.
    pub(super) fn due(&self, times: u32) -> bool {
        self.0.is_none_or(|(at, took)| at.elapsed() >= took * times)
    }

    pub(super) fn spend(&mut self, work: impl FnOnce()) {
        let start = Instant::now();
        work();
        self.0 = Some((Instant::now(), start.elapsed()));
    }

    /// Has the critic score what is waiting.
    pub(super) fn score(&mut self, slots: &Slots, engine: &Engine, patience: Duration) {
        let Some(CriticAsk { z, gradient }) = slots.critic_asks.take() else { return };
        slots.liveness.begin(Task::Measuring, patience);
        self.spend(|| {
            let found = engine.critic.as_ref().and_then(|params| {
                caught(|| critic::score(&engine.arch, &engine.weights(), params, &z, gradient)).ok().flatten()
            });
            // Without a critic nobody waits for one.
            slots.critic_scores.put(found.unwrap_or(CriticScore { score: 0.0, gradient: Vec::new() }));
        });
    }
}

/// The next samples of the way that is being measured, at most so many. One of a model before this one is of no use any
/// more, one of the next waits for it.
pub(super) fn measure(slots: &Slots, engine: &Engine, most: usize, ending: &Ending) {
    lock(&slots.measure).retain(|way| way.model >= engine.number);
    if lock(&slots.measure).front().is_some_and(|way| way.model > engine.number) {
        return;
    }
    let samples: Vec<Vec<f32>> = match lock(&slots.measure).front() {
        Some(way) => way.samples.iter().skip(way.drawn).take(most).cloned().collect(),
        None => return,
    };
    // Those that fail leave their way unmeasured; the fault will show in the frame that asks for it.
    let pictures = caught(|| engine.draw(&samples)).unwrap_or_default();
    let mut waiting = lock(&slots.measure);
    let Some(current) = waiting.front_mut().filter(|_| !ending.requested()) else { return };
    current.drawn += samples.len();
    for picture in pictures {
        if let Some(before) = &current.last {
            current.changes.push(change(before, &picture));
        }
        current.last = Some(picture);
    }
    if current.drawn >= current.samples.len()
        && let Some(Measuring { key, changes, .. }) = waiting.pop_front()
    {
        lock(&slots.measured).push((key, changes));
    }
}

/// How much two pictures differ: the root of the mean square, 0..255.
fn change(a: &Picture, b: &Picture) -> f64 {
    let sum: f64 = a.pixels.iter().zip(&b.pixels).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    (sum / a.pixels.len().max(1) as f64).sqrt()
}
