//! What the generator's owner and its thread hand to each other: slots for the newest, short queues, a sign of
//! life.
//!
//! A thread that is abandoned keeps its own slots, so that whatever it still does reaches nobody; only what is asked of
//! any thread (another model, exactness) goes over to the next one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::critic::CriticScore;
use super::learnt::State;
use super::{Drawn, Loaded, Measured};
use crate::latent::pose::Pose;
use crate::latest::{Latest, lock};
use crate::picture::Picture;

/// Which blend of weights is to be shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Blend {
    /// How much of the model's weights, 0..1, against the model before it.
    pub(super) mix: f64,
    /// How much of what was learnt, 0..1, against the model as it was read.
    pub(super) learnt: f64,
    /// The number of the last glide, and how far it has come, 0..1.
    pub(super) glide: u64,
    pub(super) share: f64,
}

impl Blend {
    /// The model as it is.
    pub(super) const WHOLE: Self = Self { mix: 1.0, learnt: 1.0, glide: 0, share: 1.0 };
}

/// The beginning of a glide from what is shown to a state.
pub(crate) struct Glide {
    pub(super) number: u64,
    /// How far the glide before it had come.
    pub(super) left_at: f64,
    pub(super) to: Arc<State>,
}

/// What is asked for.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(super) pose: Arc<Pose>,
    pub(super) version: u64,
    pub(super) blend: Blend,
    /// How much is seen of the filters, 0..1.
    pub(super) then: f64,
}

/// A z that the critic is to score.
pub(crate) struct CriticAsk {
    pub(super) z: Vec<f32>,
    pub(super) gradient: bool,
}

/// Pictures along a way to be compared.
pub(crate) struct Measuring {
    pub(super) key: u64,
    pub(super) samples: Vec<Vec<f32>>,
    /// The number of the model that is to draw them.
    pub(super) model: u64,
    /// Samples that were drawn so far, the picture of the last one, and the changes between them.
    pub(super) drawn: usize,
    pub(super) last: Option<Picture>,
    pub(super) changes: Vec<f64>,
}

impl Measuring {
    pub(super) fn new(key: u64, samples: Vec<Vec<f32>>, model: u64) -> Self {
        Self { key, samples, model, drawn: 0, last: None, changes: Vec::new() }
    }
}

/// What the generator's thread is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Task {
    /// It opens a device.
    #[default]
    Starting,
    /// It reads a model and tries it.
    Loading,
    /// It draws pictures that were asked for.
    Drawing,
    /// It draws or scores pictures that nobody sees: ways that are measured, the critic.
    Measuring,
    /// It waits a moment before it builds a broken network again.
    Pausing,
    /// It has nothing to do.
    Waiting,
}

/// When the thread last came round or finished something, and what it is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// How long ago that was.
    pub age: Duration,
    /// [`Task::Waiting`] is knowingly idle, everything else busy.
    pub task: Task,
}

/// The thread's sign of life.
#[derive(Clone, Default)]
pub(crate) struct Liveness(Arc<Mutex<Option<Sign>>>);

#[derive(Clone, Copy)]
struct Sign {
    at: Instant,
    task: Task,
    limit: Duration,
}

impl Liveness {
    /// The thread begins `task`, which takes at most `limit`.
    pub(super) fn begin(&self, task: Task, limit: Duration) {
        self.began(task, limit, Instant::now());
    }

    /// The same, of a task that was begun before.
    pub(super) fn began(&self, task: Task, limit: Duration, at: Instant) {
        *lock(&self.0) = Some(Sign { at, task, limit });
    }

    /// A step of a longer task is done.
    pub(super) fn step(&self) {
        if let Some(sign) = &mut *lock(&self.0) {
            sign.at = Instant::now();
        }
    }

    pub(super) fn beat(&self, now: Instant) -> Heartbeat {
        let sign = *lock(&self.0);
        sign.map_or(Heartbeat { age: Duration::ZERO, task: Task::Starting }, |sign| Heartbeat {
            age: now.saturating_duration_since(sign.at),
            task: sign.task,
        })
    }

    /// For how long it has been silent, where that is longer than its task may take.
    pub(super) fn silent(&self, now: Instant) -> Option<Duration> {
        let sign = (*lock(&self.0))?;
        let silent = now.saturating_duration_since(sign.at);
        (sign.task != Task::Waiting && silent > sign.limit).then_some(silent)
    }
}

/// The models and learnt states that are shown, for a thread that has to begin where another one ended.
#[derive(Clone, Default)]
pub(crate) struct Shown {
    pub(super) model: String,
    /// Its number: how many were shown before it.
    pub(super) number: u64,
    /// The model that is being read.
    pub(super) loading: Option<String>,
    /// The model before it, for a blend of both.
    pub(super) before: Option<String>,
    /// The last two states that were glided to.
    pub(super) states: VecDeque<Arc<State>>,
}

impl Shown {
    /// Another model is at work, or the same one as it was read again; gives its number.
    pub(super) fn take_model(&mut self, name: &str) -> u64 {
        self.loading = None;
        self.number += u64::from(!self.model.is_empty());
        if self.model != name {
            let before = std::mem::replace(&mut self.model, name.to_owned());
            self.before = Some(before).filter(|name| !name.is_empty());
            self.states.clear();
        }
        self.number
    }

    pub(super) fn take_state(&mut self, state: Arc<State>) {
        self.states.push_back(state);
        if self.states.len() > 2 {
            self.states.pop_front();
        }
    }
}

/// What the two sides share.
#[derive(Clone, Default)]
pub(crate) struct Slots {
    pub(super) asks: Latest<Ask>,
    pub(super) drawn: Latest<Drawn>,
    pub(super) load: Latest<String>,
    pub(super) loaded: Latest<Loaded>,
    pub(super) measure: Arc<Mutex<VecDeque<Measuring>>>,
    pub(super) measured: Arc<Mutex<Vec<Measured>>>,
    pub(super) glides: Arc<Mutex<VecDeque<Glide>>>,
    pub(super) critic_asks: Latest<CriticAsk>,
    pub(super) critic_scores: Latest<CriticScore>,
    /// The number of a model that poses without latents were made for.
    pub(super) wanted: Arc<AtomicU64>,
    /// A film: every blend is exact, and a score comes before the next picture.
    pub(super) exact: Arc<AtomicBool>,
    pub(super) device: Arc<Mutex<String>>,
    /// Names of the filters behind the network.
    pub(super) filters: Arc<Mutex<Vec<String>>>,
    /// Why there is no first model.
    pub(super) failed: Arc<Mutex<Option<String>>>,
    pub(super) liveness: Liveness,
    pub(super) shown: Arc<Mutex<Shown>>,
    /// When devices failed or went silent.
    pub(super) losses: Arc<Mutex<DeviceLosses>>,
}

impl Slots {
    /// Slots for the next thread. What waits to be measured goes over, from its beginning, and so does a model that was
    /// being read.
    pub(super) fn next(&self) -> Self {
        let mut shown = lock(&self.shown).clone();
        if let Some(name) = shown.loading.take() {
            self.load.put_back(name);
        }
        let ways = std::mem::take(&mut *lock(&self.measure));
        let ways = ways.into_iter().map(|way| Measuring::new(way.key, way.samples, way.model)).collect();
        Self {
            load: self.load.clone(),
            exact: self.exact.clone(),
            device: self.device.clone(),
            filters: self.filters.clone(),
            losses: self.losses.clone(),
            measure: Arc::new(Mutex::new(ways)),
            shown: Arc::new(Mutex::new(shown)),
            ..Self::default()
        }
    }
}

/// Times at which a device failed, and how often a card was opened anew.
#[derive(Default)]
pub(crate) struct DeviceLosses {
    times: VecDeque<Instant>,
    fresh: usize,
}

/// DeviceLosses further apart than this have nothing to do with each other.
pub(super) const TOGETHER: Duration = Duration::from_secs(600);

impl DeviceLosses {
    /// One more; gives how many there were lately.
    pub(super) fn one_more(&mut self, now: Instant) -> usize {
        self.times.push_back(now);
        while self.times.front().is_some_and(|at| now.saturating_duration_since(*at) > TOGETHER) {
            self.times.pop_front();
        }
        self.times.len()
    }

    /// A card is opened anew; gives for which time.
    pub(super) fn one_more_fresh(&mut self) -> usize {
        self.fresh += 1;
        self.fresh
    }

    /// How many there were when the last one was added.
    pub(super) fn count(&self) -> usize {
        self.times.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_silent_only_while_it_works() {
        let liveness = Liveness::default();
        let (now, limit) = (Instant::now(), Duration::from_secs(5));
        assert_eq!(liveness.silent(now + limit * 9), None);
        liveness.began(Task::Drawing, limit, now);
        assert_eq!(liveness.silent(now + limit), None);
        assert_eq!(liveness.silent(now + limit * 2), Some(limit * 2));
        assert_eq!(liveness.beat(now + limit), Heartbeat { age: limit, task: Task::Drawing });
        liveness.began(Task::Waiting, limit, now);
        assert_eq!(liveness.silent(now + limit * 9), None);
    }

    #[test]
    fn losses_that_are_far_apart_do_not_add_up() {
        let (mut losses, now) = (DeviceLosses::default(), Instant::now());
        assert_eq!((losses.one_more(now), losses.one_more(now + TOGETHER / 2)), (1, 2));
        assert_eq!(losses.one_more(now + TOGETHER * 3), 1);
    }

    #[test]
    fn what_is_shown_is_remembered_for_the_next_thread() {
        let mut shown = Shown::default();
        assert_eq!(shown.take_model("a"), 0);
        assert_eq!((shown.model.as_str(), shown.before.as_deref()), ("a", None));
        assert_eq!((shown.take_model("a"), shown.take_model("b")), (1, 2));
        assert_eq!((shown.model.as_str(), shown.before.as_deref()), ("b", Some("a")));
    }
}
