//! The output: pictures as they come, fades over them, and the recording of what is seen.
//!
//! Owns the generator's end and the model at work. Once a frame it is given the pose, takes the pictures that have
//! come, and makes the scene that windows, recordings and the page show. May take: a stated wait for the pictures of
//! this very frame, where frames come in time. May touch: no disk, no door; faults of the generator and the recorder
//! are on the board already.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::fades::{Fades, Moment};
use super::opening::Opening;
use super::recording::Recording;
use crate::generator::{Drawn, Generator, GeneratorError, Loaded, Task};
use crate::latent::pose::Pose;
use crate::latest::{Latest, lock};
use crate::picture::Picture;
use crate::picture::flash::FlashLimiter;
use crate::picture::scene::{Filter, Fit, Scene};
use crate::preset::{Flash, Preset};
use crate::worker::Chores;

/// How long the first frame waits for its picture.
const FIRST_PICTURE: Duration = Duration::from_secs(2);

/// When pictures come, for cross-blending.
#[derive(Default)]
struct Arrival {
    before: Option<Arc<Vec<Picture>>>,
    at: f64,
    /// Seconds between two, smoothed.
    interval: f64,
    /// Seconds between two frames, smoothed.
    frame: f64,
}

/// How a scene lies in its window.
#[derive(Clone, Copy)]
struct Manner {
    fit: Fit,
    filter: Filter,
    cross_blend: bool,
}

impl Manner {
    fn of(preset: &Preset) -> Self {
        Self { fit: preset.fit, filter: preset.filter, cross_blend: preset.cross_blend }
    }
}

/// The output of a show.
pub struct Output {
    generator: Generator,
    model: Loaded,
    /// The model before the one at work, and how much of the one at work is seen.
    before: Option<Loaded>,
    mix: f64,
    arrival: Arrival,
    version: u64,
    manner: Manner,
    fades: Fades,
    limiter: FlashLimiter,
    opening: Opening,
    recording: Recording,
    /// The scene on display: for stills, and shared with whoever draws the page's picture.
    displayed: Option<Scene>,
    shown: Arc<Mutex<Option<Scene>>>,
}

impl Output {
    /// With a generator that has drawn.
    pub fn new(mut generator: Generator, model: Loaded, preset: &Preset) -> Self {
        generator.set_filters(&preset.then);
        Self {
            generator,
            model,
            before: None,
            mix: 1.0,
            arrival: Arrival::default(),
            version: 0,
            manner: Manner::of(preset),
            fades: fades(preset),
            limiter: FlashLimiter::new(preset.record.size),
            opening: Opening::new(&preset.hours),
            recording: Recording::default(),
            displayed: None,
            shown: Arc::default(),
        }
    }

    /// Another preset: how scenes lie, and how long fades take.
    pub fn take_preset(&mut self, preset: &Preset) {
        self.generator.set_filters(&preset.then);
        self.manner = Manner::of(preset);
        self.fades.set_secs(preset.fade_secs);
        self.fades.set_limits(preset.flash == Flash::Limit);
        self.opening.set(&preset.hours);
    }

    /// The model at work.
    pub fn model(&self) -> &Loaded {
        &self.model
    }

    /// The model before it.
    pub fn model_before(&self) -> Option<&Loaded> {
        self.before.as_ref()
    }

    /// How much of the model at work is seen, 0..1.
    pub fn mix(&self) -> f64 {
        self.mix
    }

    /// Sets that.
    pub fn set_mix(&mut self, share: f64) {
        self.mix = share.clamp(0.0, 1.0);
        self.generator.set_mix(self.mix);
    }

    /// The generator, for what is asked of it beside pictures: ways to be measured, the critic, learnt weights.
    pub fn generator(&mut self) -> &mut Generator {
        &mut self.generator
    }

    /// Asks for another model.
    pub fn load(&self, name: &str) {
        self.generator.load(name);
    }

    /// Asks for another model from elsewhere than the frame path.
    pub fn loader(&self) -> Latest<String> {
        self.generator.loader()
    }

    /// How long ago the generator's thread last came round; none while it has nothing to do.
    pub fn generator_age(&self) -> Option<Duration> {
        let beat = self.generator.beat();
        (beat.task != Task::Waiting).then_some(beat.age)
    }

    /// The device's name.
    pub fn device(&self) -> String {
        self.generator.device()
    }

    /// Another model is at work; gives the one before.
    pub fn take_model(&mut self, loaded: Loaded) -> Loaded {
        self.generator.forget();
        let before = std::mem::replace(&mut self.model, loaded);
        if before.name != self.model.name {
            self.before = Some(before.clone());
        }
        before
    }

    /// Fades, freeze and hush.
    pub fn fades(&self) -> &Fades {
        &self.fades
    }

    /// The same, for hands.
    pub fn fades_mut(&mut self) -> &mut Fades {
        &mut self.fades
    }

    /// Freezes what is shown, or lets go of it. A performance that is played again has it drawn first.
    ///
    /// # Errors
    /// If the picture of a performance does not come.
    pub fn set_frozen(&mut self, frozen: bool, pose: Option<&Arc<Pose>>) -> Result<(), GeneratorError> {
        let mut waited = Ok(());
        if let Some(pose) = pose {
            self.generator.ask(pose);
            waited = self.generator.wait();
        }
        let shown: Option<Moment> = self.generator.shown().map(|drawn| (drawn.pose.clone(), drawn.pictures.clone()));
        self.fades.set_frozen(frozen, shown);
        waited
    }

    /// Opening hours: the frame at `real` seconds, `dt` after the last.
    pub fn open_at(&mut self, real: f64, dt: f64) {
        self.opening.frame(real, dt, crate::clock::minute_of_week);
    }

    /// Whether it is closed for the night: no pictures are needed.
    pub fn closed(&self) -> bool {
        self.opening.closed()
    }

    /// A frame begins, `dt` real seconds after the last; `fade` is the hand on the fader, 0..1.
    pub fn begin(&mut self, dt: f64, fade: f64) {
        self.fades.set_fade(fade);
        self.fades.frame(dt);
        self.arrival.frame += (dt - self.arrival.frame) * 0.1;
    }

    /// The pose into the generator's slot.
    pub fn ask(&mut self, pose: &Arc<Pose>) {
        self.generator.ask(pose);
    }

    /// How long this frame, which began at `began`, may wait for its own picture: where frames come in time and
    /// a picture takes less than half of one, a hand is seen a frame earlier so. What is late never waits; only the
    /// first frame does, which would be black without a picture.
    pub fn patience(&self, first: bool, began: Instant, frame: Option<Duration>) -> Duration {
        if first && !self.closed() {
            return FIRST_PICTURE;
        }
        let Some(frame) = frame else { return Duration::ZERO };
        let took = self.generator.shown().map_or(frame, |drawn| drawn.took);
        if self.arrival.frame > 1.1 * frame.as_secs_f64() || took > frame / 2 {
            return Duration::ZERO;
        }
        (took * 2).min(frame.mul_f64(0.6)).saturating_sub(began.elapsed())
    }

    /// Looks for new pictures, waiting for this frame's at most `patience`; gives what they took, if there are any.
    pub fn draw(&mut self, patience: Duration, real: f64) -> Option<Duration> {
        let before = self.generator.shown().map(|drawn| drawn.pictures.clone());
        if !self.generator.look_for(patience) {
            return None;
        }
        self.version += 1;
        let interval = (real - self.arrival.at).min(1.0);
        self.arrival.interval += (interval - self.arrival.interval) * 0.25;
        (self.arrival.at, self.arrival.before) = (real, before);
        self.generator.shown().map(|drawn| drawn.took)
    }

    /// Sets of pictures shown so far.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What the newest pictures took.
    pub fn took(&self) -> Option<Duration> {
        self.generator.shown().map(|drawn| drawn.took)
    }

    /// The newest pictures, as the generator gave them.
    pub fn pictures(&self) -> Option<Arc<Vec<Picture>>> {
        self.generator.shown().map(|drawn| drawn.pictures.clone())
    }

    /// What is to be displayed at `real` seconds.
    pub fn scene(&self, real: f64) -> Scene {
        let mut scene = self.unlit(real);
        self.fades.shine(&mut scene);
        scene.light *= self.opening.light() as f32;
        scene
    }

    /// The same, without what lies over it.
    pub fn unlit(&self, real: f64) -> Scene {
        let (pose, pictures) = match self.generator.shown() {
            Some(Drawn { pose, pictures, .. }) => (pose.clone(), pictures.clone()),
            None => (Arc::new(Pose::default()), Arc::default()),
        };
        let Arrival { before, at, interval, frame } = &self.arrival;
        let slow = self.manner.cross_blend && *interval > 1.5 * frame;
        let left = 1.0 - (real - at) / interval.max(1e-6);
        let before = before.clone().filter(|_| slow && left > 0.0).map(|before| (before, left.min(1.0) as f32));
        let Manner { fit, filter, .. } = self.manner;
        Scene { pose, pictures, before, version: self.version, light: 1.0, fit, filter }
    }

    /// What may be displayed in place of a scene, where flashes are limited.
    pub fn limit(&mut self, scene: Scene, limits: bool, real: f64) -> Scene {
        if limits { self.limiter.limit(&scene, real) } else { scene }
    }

    /// Whether flashes are being lowered.
    pub fn lowers(&self) -> bool {
        self.fades.limits() && self.limiter.working()
    }

    /// The size of the output in pixels: that of its window, or of recordings where there is none.
    pub fn set_size(&mut self, size: [u32; 2]) {
        self.limiter.set_output(size);
    }

    /// The scene that is displayed: into the recording, and for the page's picture if there is a page.
    pub fn keep(&mut self, scene: &Scene, real: f64, page: bool) {
        self.recording.frame(real, scene);
        if page {
            *lock(&self.shown) = Some(scene.clone());
        }
        self.displayed = Some(scene.clone());
    }

    /// The scene on display.
    pub fn displayed(&self, real: f64) -> Scene {
        self.displayed.clone().unwrap_or_else(|| self.scene(real))
    }

    /// The scene on display, shared with whoever draws the page's picture.
    pub fn shown(&self) -> Arc<Mutex<Option<Scene>>> {
        self.shown.clone()
    }

    /// The recording.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// The same, for hands.
    pub fn recording_mut(&mut self) -> &mut Recording {
        &mut self.recording
    }

    /// Starts or ends a recording in the preset's folder.
    pub fn set_recording(&mut self, on: bool, preset: &Preset, chores: &Chores) {
        match on {
            true => self.recording.open(&preset.record, chores),
            false => self.recording.end(),
        }
    }
}

/// Fades as a preset has them.
fn fades(preset: &Preset) -> Fades {
    let mut fades = Fades::new(preset.fade_secs);
    fades.set_limits(preset.flash == Flash::Limit);
    fades
}
