//! A show: builds the engines a preset names, and runs the one loop: listen, reload, walk, ask, draw, tell.
//!
//! On the thread of whoever calls [`Show::frame`] (a window, a loop without one) or [`film`]. Live time comes
//! from the system's clock, a film's from its frame number; everything else is the same. Nothing here touches
//! the disk or fails while a live show runs, or waits for longer than a frame in time can; faults go to the board.

pub mod addresses;

pub mod film;
pub mod view;

mod acts;
mod desk;
mod figures;
mod hands;
pub mod learning;
mod lights;
mod open;
mod pulse;
mod recording;
mod reload;
mod snapshot;
pub mod take;
mod timing;
mod told;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::clock::{Clock, Tick};
use crate::control::Dial;
use crate::control::automation::Automation;
use crate::generator::{Drawn, Generator, Loaded};
use crate::latent::pose::Pose;
use crate::latest::{Latest, lock};
use crate::picture::Picture;
use crate::picture::scene::Scene;
use crate::preset::{Preset, Swap};
use crate::report::{Board, Stop};
use crate::sketch::host::Host;
use crate::sketch::{Complaint, Program, lengths};
use crate::worker::Chores;
use figures::Figures;
use hands::Hands;
use learning::Learning;
use learning::history::Course;
use lights::Lights;
pub use open::{OpenError, Options};
use recording::Recording;
use reload::Reload;
use snapshot::{Morph, Snapshot};
use take::{Log, Take};
use timing::Timing;
use told::Stat;

/// How long a fault of the sketch stays on the board after it was last seen, in seconds.
const FAULT_SECS: f64 = 3.0;

/// How long the first frame waits for its picture.
const FIRST_PICTURE: Duration = Duration::from_secs(2);

/// Beats that the dial for the phase pushes the walk at its end.
const PUSH_BEATS: f64 = 16.0;

/// A show that runs.
pub struct Show {
    preset: Preset,
    /// The preset's name, if it is one.
    preset_name: String,
    board: Board,
    clock: Clock,
    host: Host,
    generator: Generator,
    model: Loaded,
    learning: Learning,
    /// The trainer's program, if it is another than this one.
    trainer: Option<PathBuf>,
    /// A film of a training.
    course: Option<Course>,
    reload: Option<Reload>,
    /// A compiled version that waits for its beat.
    waiting: Option<Program>,
    complaint: Option<(Box<Complaint>, f64)>,
    /// What went wrong with a version that is not taken: it stays until another one is.
    refused: Option<Box<Complaint>>,
    lights: Lights,
    snapshots: BTreeMap<String, Snapshot>,
    /// The snapshot that was recalled last.
    recalled: String,
    /// Counts up when the lists of names change.
    lists: u64,
    /// The model before the one at work.
    model_before: Option<Loaded>,
    /// How much of the model at work is seen.
    mix: f64,
    morph: Option<Morph>,
    automation: Option<Automation>,
    recording: Recording,
    timing: Timing,
    start: Instant,
    real: f64,
    frames: u64,
    last_frame: Option<Instant>,
    figures: Figures,
    /// Frames after which a live show ends by itself.
    most_frames: Option<u64>,
    /// Time a frame should take, if the show has a rate.
    target: Option<Duration>,
    pose: Arc<Pose>,
    version: u64,
    arrival: Arrival,
    hands: Hands,
    stat: Stat,
    /// The scene on display, for the page's picture.
    shown_scene: Arc<Mutex<Option<Scene>>>,
    /// The log of this performance.
    take: Option<Log>,
    /// A performance that is played again, and whether one is.
    playing: Option<Take>,
    again: bool,
    stop: Stop,
    closed: bool,
    names: desk::Names,
    names_at: Option<f64>,
    listed: Latest<desk::Names>,
    // Last, so that it ends after everything that may still give it chores.
    chores: Chores,
}

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

impl Show {
    /// One live frame, at the system's time.
    pub fn frame(&mut self) -> Scene {
        let now = Instant::now();
        if let Some(last) = self.last_frame.replace(now) {
            self.timing.frame(now - last, self.target);
        }
        let real = now.duration_since(self.start).as_secs_f64();
        let tick = self.begin(real);
        let walked = Instant::now();
        self.reload(tick);
        self.learn();
        self.walk(tick);
        self.timing.spent("walk", walked.elapsed());
        self.ask();
        self.draw(self.patience(now));
        let scene = self.scene();
        self.record(&scene);
        self.log_frame();
        self.frames += 1;
        self.tell();
        self.tell_figures();
        if self.preset.query.page {
            *lock(&self.shown_scene) = Some(scene.clone());
        }
        scene
    }

    /// Messages, knobs, lights, time.
    fn begin(&mut self, real: f64) -> Tick {
        self.real = real;
        let listening = Instant::now();
        self.listen();
        self.timing.spent("listen", listening.elapsed());
        let dt = (real - self.clock.real()).max(0.0);
        if let Some(automation) = &mut self.automation {
            automation.apply(real, &mut self.host.language.env.lock().controls);
        }
        self.turn_all(dt);
        let lead = self.hands.pulse.now(real);
        if let Some((beat, _)) = lead
            && self.hands.pulse.jumped()
        {
            self.clock.seek(beat);
        }
        self.clock.follow(lead);
        let tick = self.clock.frame(real, self.frames == 0);
        self.arrival.frame += (tick.real_dt - self.arrival.frame) * 0.1;
        tick
    }

    /// Everything that glides goes on, `dt` real seconds.
    fn turn_all(&mut self, dt: f64) {
        let mut inside = self.host.language.env.lock();
        inside.controls.frame(dt);
        let (speed, phase) = (inside.controls.dial(Dial::Speed), inside.controls.dial(Dial::Phase));
        self.lights.set_fade(inside.controls.dial(Dial::Fade));
        drop(inside);
        if speed != self.clock.speed() {
            self.clock.set_speed(speed);
        }
        self.clock.set_push(phase * PUSH_BEATS);
        self.lights.frame(dt);
    }

    /// Takes what was changed on disk.
    fn reload(&mut self, tick: Tick) {
        let Some(reload) = &mut self.reload else { return };
        if let Some((name, preset)) = reload.preset() {
            self.preset_name = name;
            self.take_preset(preset);
        }
        if let Some(mappings) = self.reload.as_ref().and_then(Reload::mappings) {
            self.take_mappings(&mappings);
        }
        let Some(reload) = &mut self.reload else { return };
        match reload.sketch() {
            Some(Ok(program)) => {
                let same =
                    self.host.program().is_some_and(|p| p.fingerprint == program.fingerprint && p.path == program.path);
                if same {
                    // Back to what runs: what was refused in between is of no interest any more.
                    self.waiting = None;
                    self.refused = None;
                } else {
                    self.waiting = Some(program);
                }
            }
            Some(Err(complaint)) => self.refuse(complaint),
            None => {}
        }
        if reload_model(&mut self.reload) {
            self.model_changed();
        }
        let before = tick.beat - tick.dt * tick.bpm / 60.0;
        let crossed = |beats: f64| (tick.beat / beats).floor() != (before / beats).floor();
        let due = match self.preset.swap {
            Swap::Now => true,
            Swap::Beat => crossed(1.0),
            Swap::Bar => crossed(crate::clock::BAR),
        };
        if due && let Some(program) = self.waiting.take() {
            self.swap(program, tick);
        }
    }

    fn refuse(&mut self, complaint: Box<Complaint>) {
        self.board.fault("sketch", complaint.to_string());
        self.refused = Some(complaint);
    }

    /// Tries a program and takes it.
    fn swap(&mut self, program: Program, tick: Tick) {
        let kept = program.clone();
        match self.host.take(program, tick) {
            Ok(note) => {
                self.log_script(&kept);
                self.refused = None;
                self.complaint = None;
                self.board.clear("sketch");
                if let Some(note) = note {
                    self.board.notice("sketch", note);
                }
                if let Some(reload) = &self.reload {
                    reload.ran(kept, &self.chores, &self.board);
                }
            }
            Err(complaint) => self.refuse(complaint),
        }
    }

    /// The sketch's pose, bent by a morph.
    fn walk(&mut self, tick: Tick) {
        self.host.language.env.glide(tick.real_dt, self.reload.is_some());
        let walked = self.host.walk(tick);
        self.pose = walked.pose;
        if let Some(complaint) = walked.complaint {
            if self.refused.is_none() {
                self.board.fault("sketch", complaint.to_string());
            }
            self.complaint = Some((complaint, self.real));
        } else if self.complaint.as_ref().is_some_and(|(_, at)| self.real - at > FAULT_SECS) {
            self.complaint = None;
            if self.refused.is_none() {
                self.board.clear("sketch");
            }
        }
        if let Some(morph) = &self.morph {
            let mut pose = (*self.pose).clone();
            let on = pose.latents.first_mut().is_some_and(|z| morph.bend(z, self.real));
            self.pose = Arc::new(pose);
            if !on {
                self.morph = None;
            }
        }
        self.collect_ways();
    }

    /// Has ways measured that the sketch wants to walk evenly, and takes what was measured.
    fn collect_ways(&mut self) {
        let mut inside = self.host.language.env.lock();
        for wanted in inside.wanted.drain(..) {
            let samples = wanted.samples.iter().map(|z| z.iter().map(|v| *v as f32).collect()).collect();
            self.generator.measure(wanted.key, samples);
        }
        for (key, changes) in self.generator.measured() {
            if changes.len() + 1 == crate::sketch::MEASURED {
                inside.even.insert(key, (lengths(&changes), 0.0));
            }
        }
    }

    /// The pose into the generator's slot; another model at work.
    fn ask(&mut self) {
        if let Some(loaded) = self.generator.loaded() {
            self.log_weights(&loaded);
            self.take_model(loaded);
        }
        self.blend_learnt();
        self.generator.ask(&self.pose);
    }

    fn take_model(&mut self, loaded: Loaded) {
        self.host.language.env.set_dim(loaded.z_dim);
        self.generator.forget();
        if let Some(reload) = &mut self.reload {
            reload.watch_model(&loaded.folder);
        }
        self.lists += 1;
        let before = std::mem::replace(&mut self.model, loaded);
        self.forget_learnt(&before);
        if before.name != self.model.name {
            self.model_before = Some(before);
        }
    }

    /// How long this frame, which began at `now`, may wait for its own picture: where frames come in time and
    /// a picture takes less than half of one, a hand is seen a frame earlier so. What is late never waits; only the
    /// first frame does, which would be black without a picture.
    fn patience(&self, now: Instant) -> Duration {
        if self.frames == 0 {
            return FIRST_PICTURE;
        }
        let Some(target) = self.target else { return Duration::ZERO };
        let took = self.generator.shown().map_or(target, |drawn| drawn.took);
        if self.arrival.frame > 1.1 * target.as_secs_f64() || took > target / 2 {
            return Duration::ZERO;
        }
        (took * 2).min(target.mul_f64(0.6)).saturating_sub(now.elapsed())
    }

    /// Looks for new pictures, waiting for this frame's at most `patience`.
    fn draw(&mut self, patience: Duration) {
        let before = self.generator.shown().map(|drawn| drawn.pictures.clone());
        let waiting = Instant::now();
        let new = self.generator.look_for(patience);
        self.timing.spent("wait", waiting.elapsed());
        if new {
            self.version += 1;
            let interval = (self.real - self.arrival.at).min(1.0);
            self.arrival.interval += (interval - self.arrival.interval) * 0.25;
            self.arrival.at = self.real;
            self.arrival.before = before;
            if let Some(drawn) = self.generator.shown() {
                self.timing.spent("generate", drawn.took);
            }
        }
    }

    /// What is to be displayed now.
    fn scene(&self) -> Scene {
        let mut scene = self.unlit();
        self.lights.shine(&mut scene);
        scene
    }

    /// The same, without what lies over it.
    fn unlit(&self) -> Scene {
        let drawn = self.generator.shown();
        let (pose, pictures) = match drawn {
            Some(Drawn { pose, pictures, .. }) => (pose.clone(), pictures.clone()),
            None => (Arc::new(Pose::default()), Arc::default()),
        };
        let Arrival { before, at, interval, frame } = &self.arrival;
        let slow = self.preset.cross_blend && *interval > 1.5 * frame;
        let left = 1.0 - (self.real - at) / interval.max(1e-6);
        let before = before.clone().filter(|_| slow && left > 0.0).map(|before| (before, left.min(1.0) as f32));
        let (fit, filter) = (self.preset.fit, self.preset.filter);
        Scene { pose, pictures, before, version: self.version, light: 1.0, fit, filter }
    }

    /// A part of the frame that the window takes care of took so long. The whole frame is measured here.
    pub fn spent(&mut self, part: &'static str, time: Duration) {
        if part != "frame" {
            self.timing.spent(part, time);
        }
    }

    /// A frame of the output was handed to the display: what a watchdog waits for where there is a window.
    pub fn presented(&mut self) {}

    /// Whether the show is over: asked to stop, or all its frames shown.
    pub fn finished(&self) -> bool {
        self.stop.raised() || self.most_frames.is_some_and(|most| self.frames >= most)
    }

    /// Seconds since the start.
    pub fn secs(&self) -> f64 {
        self.real
    }

    /// Frames so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Width and height of the generator's pictures.
    pub fn picture_size(&self) -> [usize; 2] {
        [self.model.size[1], self.model.size[0]]
    }

    /// Width over height of the frame as the sketch has it at the start.
    pub fn aspect(&mut self) -> f32 {
        let [w, h] = self.picture_size();
        self.host.trial_pose().aspect * w as f32 / h as f32
    }

    /// Where OSC is listened to.
    pub fn osc_address(&self) -> Option<std::net::SocketAddr> {
        self.hands.osc.as_ref().map(|osc| osc.address)
    }

    /// Where OSCQuery is served.
    pub fn query_address(&self) -> Option<std::net::SocketAddr> {
        self.hands.server.as_ref().map(crate::osc::query::Server::address)
    }

    /// The board.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The preset as it is now.
    pub fn preset(&self) -> &Preset {
        &self.preset
    }

    /// Median and 99th percentile of each part, and the frames that came late, with the part to blame.
    pub fn figures(&self) -> (Vec<view::Part>, u64, &'static str) {
        (self.timing.parts(), self.timing.late, self.timing.cause())
    }

    /// Pictures shown so far.
    pub fn pictures(&self) -> u64 {
        self.version
    }

    /// Ends a live show: the recording is finished, the mark of a running sketch taken away.
    pub fn close(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            self.take = None;
            self.end_training();
            self.end_figures();
            self.recording.end(&self.chores, &self.board);
            if let Some(reload) = self.reload.take() {
                reload.close(&self.chores);
            }
        }
    }

    fn record(&mut self, scene: &Scene) {
        self.recording.frame(self.real, scene, &self.board);
    }
}

impl Drop for Show {
    /// A show that is left in order, also by an error, was no crash.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.close();
        }
    }
}

/// Whether the model's files changed.
fn reload_model(reload: &mut Option<Reload>) -> bool {
    reload.as_mut().is_some_and(Reload::model)
}
