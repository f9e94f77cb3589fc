//! The walk: the sketch's thread, the clock, the morph, and the pose of this frame.
//!
//! Once a frame the show asks for a pose and collects it a moment later. Live it waits for a share of the frame and
//! then shows the last good pose; a sketch that stays silent for [`SILENT`] is given up, and the version before runs on
//! a fresh thread. A film waits, with [`PATIENCE`]. May take: that share of the frame. May touch: nothing but its
//! threads; what sketches ask for (knobs, ways to be measured, the critic) it passes on.

mod frame;
mod haste;
mod steered;
mod trials;
mod versions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::takes::snapshot::Morph;
use crate::clock::{Clock, Tick};
use crate::control::Controls;
use crate::latent::pose::Pose;
use crate::latent::space::Space;
use crate::sketch::thread::{Adopt, Answer, Asked, Critic, News, Points, Proven, SketchThread, Standing};
use crate::sketch::{Complaint, MEASURED, Measure, Program, arc_lengths};
use haste::Haste;
use trials::Trials;

/// Share of a frame that a live show waits for its sketch.
pub const SHARE: f64 = 0.4;
/// A sketch that has been silent for so long is said to be late.
const LATE: Duration = Duration::from_millis(100);
/// One that has been silent for so long is given up.
pub const SILENT: Duration = Duration::from_secs(2);
/// The same in a film.
pub const PATIENCE: Duration = Duration::from_secs(8);
/// Time of the processor that a frame of a sketch may take, and for how many frames on end before it is said.
const MOST_CPU: Duration = Duration::from_millis(5);
const SLOW_FRAMES: u32 = 3;
/// Seconds after which a version counts as one that runs well.
const WELL_SECS: f64 = 10.0;
/// For how long a pose of the model before is shown with that, where the sketch gives none for the one at work.
const HELD_SECS: f64 = 0.25;
/// How long a fault stays after it was last seen, in seconds.
const FAULT_SECS: f64 = 3.0;
/// Ways whose measurements are kept.
const MOST_MEASURED: usize = 1024;

/// The sketch of last resort: it is part of the program, so that there always is one.
pub const SAFE: &str =
    "// A slow ring through six seeds.\npub fn walk(me, t, c) { ring([1, 2, 3, 4, 5, 6], t.phase(48)) }\n";

/// What a frame's walk did beside giving a pose; for the log of a performance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Steps {
    /// The answer of an earlier frame came before this one was asked for.
    pub early: bool,
    /// The sketch was asked for this frame.
    pub asked: bool,
    /// It answered by the end of it.
    pub answered: bool,
}

impl Steps {
    /// Asked and answered, as it should be.
    pub const USUAL: Self = Self { early: false, asked: true, answered: true };
}

/// What happened to a sketch that others should know.
pub enum Event {
    /// A version is to take over with this frame.
    Begins(Program),
    /// It took over.
    Took {
        /// The version that runs now.
        program: Program,
        /// Worth saying: that the state begins anew, and why.
        note: Option<String>,
    },
    /// A version is not taken, or did not come back and one that ran before is on its way.
    Refused(Box<Complaint>),
    /// It names classes, and the model at work has none; said once of a model.
    Classless,
    /// It does something to the noise of a texture, and the model at work is none; said once of a model.
    Untextured,
    /// Pictures take too long, or no longer: so many blocks of the network are left out now.
    Hurries(usize),
    /// It does something to w, and the model at work has no mapping; said once of a model.
    Unmapped,
}

/// The walk of a show.
pub struct Walk {
    clock: Clock,
    thread: Option<SketchThread>,
    trials: Trials,
    /// Waits for every answer: a film.
    exact: bool,
    running: Option<Program>,
    /// When it took over, in real seconds; and the last one that ran well.
    took: f64,
    good: Option<Program>,
    /// A version that waits for its beat.
    due: Option<Box<Proven>>,
    adopt: Option<(Adopt, Option<String>)>,
    /// What the thread is taking over with the frame that it is at.
    taking: Option<(Program, Option<String>)>,
    /// An answer that is not shown yet.
    held: Option<Box<Answer>>,
    /// The state of the version that was given up.
    left_state: Option<Arc<serde_json::Value>>,
    /// Frames on end that took too much of the processor.
    slow: u32,
    slowest: Duration,
    number: u64,
    /// Seconds of frames for which the sketch was not asked: of the walk, and real ones.
    missed: (f64, f64),
    steps: Steps,
    /// The sketch's last good pose, and the one that is shown.
    given: Arc<Pose>,
    pose: Arc<Pose>,
    tried: Arc<Pose>,
    morph: Option<Morph>,
    asked: Asked,
    points: Points,
    news: Vec<News>,
    wanted: Vec<Measure>,
    measured: BTreeMap<u64, Vec<f64>>,
    wants: [bool; 2],
    drawn: u32,
    critic: Critic,
    space: Space,
    /// The models before it that poses may still be of; and when the one at work came, in real seconds.
    spaces: Vec<Space>,
    changed: f64,
    /// It was said that the model has no classes, which the sketch names; and that it is no texture.
    classless: bool,
    untextured: bool,
    /// The same of a mapping.
    unmapped: bool,
    haste: Haste,
    complaint: Option<(Box<Complaint>, f64)>,
    refused: Option<Box<Complaint>>,
    /// The sketch was silent too long, too often.
    lost: bool,
    events: Vec<Event>,
}

impl Walk {
    /// For a model with latents of this space, with beats at `bpm` a minute; `exact` waits for every answer.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new(space: impl Into<Space>, bpm: f64, exact: bool) -> std::io::Result<Self> {
        let space = space.into();
        let mut trials = Trials::new(space.clone(), if exact { PATIENCE } else { SILENT })?;
        let middle = Arc::new(Pose { model: space.model, ..Pose::of(vec![0.0; space.dim]) });
        Ok(Self {
            clock: Clock::new(bpm),
            thread: Some(trials.thread()?),
            trials,
            exact,
            running: None,
            took: 0.0,
            good: None,
            due: None,
            adopt: None,
            taking: None,
            held: None,
            left_state: None,
            slow: 0,
            slowest: Duration::ZERO,
            number: 0,
            missed: (0.0, 0.0),
            steps: Steps::default(),
            given: middle.clone(),
            pose: middle.clone(),
            tried: middle,
            morph: None,
            asked: Asked::default(),
            points: Points::new(),
            news: Vec::new(),
            wanted: Vec::new(),
            measured: BTreeMap::new(),
            wants: [false; 2],
            drawn: 0,
            critic: Critic::default(),
            space,
            spaces: Vec::new(),
            changed: 0.0,
            classless: false,
            untextured: false,
            unmapped: false,
            haste: Haste::default(),
            complaint: None,
            refused: None,
            lost: false,
            events: Vec::new(),
        })
    }
}

/// Time.
impl Walk {
    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The clock, for hands.
    pub fn clock_mut(&mut self) -> &mut Clock {
        &mut self.clock
    }

    /// The next frame of the clock, `real` seconds after the start.
    pub fn tick(&mut self, real: f64, first: bool) -> Tick {
        self.clock.frame(real, first)
    }

    /// Goes through a stored z and on to the sketch's own.
    pub fn set_morph(&mut self, morph: Option<Morph>) {
        self.morph = morph;
    }

    /// The morph that goes on.
    pub fn morph(&self) -> Option<&Morph> {
        self.morph.as_ref()
    }
}

/// The state, and what the sketch may know.
impl Walk {
    /// The running sketch's state as it is now, waiting for it at most `patience`.
    pub fn standing_now(&mut self, patience: Duration) -> Standing {
        self.poll();
        match &mut self.thread {
            Some(thread) => thread.standing_now(patience).unwrap_or_default(),
            None => Standing::Nothing,
        }
    }

    /// The same as it was within the last quarter of a second.
    pub fn standing(&self) -> Standing {
        self.thread.as_ref().map_or(Standing::Nothing, SketchThread::standing)
    }

    /// Begins the program that takes over next with this state.
    pub fn set_state(&mut self, state: serde_json::Value) {
        if let Some((adopt, _)) = &mut self.adopt {
            adopt.state = Some(Arc::new(state));
        }
    }

    /// Draws of `random()` so far.
    pub fn drawn(&self) -> u32 {
        self.drawn
    }

    /// Sets them.
    pub fn set_drawn(&mut self, drawn: u32) {
        self.drawn = drawn;
        self.news.push(News::Drawn(drawn));
    }

    /// The newest picture took so many seconds. A film waits for its pictures.
    pub fn hurry(&mut self, took: f64, real: f64) {
        let Some(w) = self.space.w.as_ref().filter(|_| !self.exact) else { return };
        // A quarter of the sides at least: 64 of 256, 256 of 1024.
        let most = (w.0.layers() / 2).saturating_sub(2).min(2);
        if self.haste.follow(took, most, real) {
            self.events.push(Event::Hurries(self.haste.fewer()));
        }
    }

    /// Another model at `real` seconds: what was measured on the old weights is dropped.
    pub fn set_space(&mut self, space: Space, real: f64) {
        self.spaces.retain(|known| known.model >= self.given.model);
        self.spaces.push(std::mem::replace(&mut self.space, space.clone()));
        (self.changed, self.classless, self.untextured, self.unmapped) = (real, false, false, false);
        self.haste = Haste::default();
        self.trials.set_space(space.clone());
        self.measured.clear();
        self.wanted.clear();
        self.critic.direction = Arc::default();
        self.news.push(News::Space(space));
    }

    /// The space of the model at work.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Points for `load`, beside those that are there.
    pub fn add_points(&mut self, points: Points) {
        self.points.extend(points.clone());
        self.news.push(News::Points(points));
    }

    /// What the critic thinks.
    pub fn critic(&self) -> &Critic {
        &self.critic
    }

    /// Sets it.
    pub fn set_critic(&mut self, critic: Critic) {
        self.critic = critic;
    }

    /// Whether the sketch wants to know the critic's score, and its direction.
    pub fn wants(&self) -> [bool; 2] {
        self.wants
    }

    fn want(&mut self, ways: Vec<Measure>) {
        for way in ways {
            match self.measured.get(&way.key) {
                Some(lengths) => self.news.push(News::Measured(way.key, lengths.clone())),
                None => self.wanted.push(way),
            }
        }
    }

    /// Ways that the sketch wants to walk evenly and that are not measured yet: their keys, and what a generator takes
    /// for their samples. Those without classes of their own have the show's.
    pub fn wanted(&mut self, controls: &Controls) -> Vec<(u64, Vec<Vec<f32>>)> {
        let (dim, blend) = (self.space.dim, controls.blend(&self.space.classes));
        let input = |z: &Vec<f64>| {
            let behind = if z.len() == dim { blend.as_slice() } else { &[] };
            z.iter().chain(behind).map(|v| *v as f32).collect()
        };
        let inputs = |way: Measure| (way.key, way.samples.iter().map(input).collect());
        std::mem::take(&mut self.wanted).into_iter().map(inputs).collect()
    }

    /// A way was measured: the change from each of its pictures to the next.
    pub fn set_measured(&mut self, key: u64, changes: &[f64]) {
        if changes.len() + 1 == MEASURED {
            if self.measured.len() >= MOST_MEASURED {
                self.measured.clear();
            }
            let lengths = arc_lengths(changes);
            self.measured.insert(key, lengths.clone());
            self.news.push(News::Measured(key, lengths));
        }
    }
}
