//! A take: the log of every move of every hand, and the performance played again from it.
//!
//! One JSON value a line: how everything stood when it began, then for each frame the moves before it, the
//! versions and models that took over, and the frame's time. Written by a thread of its own while the show plays,
//! so that it holds everything up to a crash; played again by `film`, frame by frame at the times it had.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Show;
use super::learning::logged::{Learnt, Standing};
use super::lights::Lights;
use super::snapshot::{Morph, Snapshot};
use crate::clock::Tick;
use crate::control::hand::Hand;
use crate::control::{Controls, Dial};
use crate::files::{self, FileError};
use crate::generator::Loaded;
use crate::generator::critic::CriticScore;
use crate::latent::pose::Pose;
use crate::preset::Preset;
use crate::report::Board;
use crate::show::addresses::Act;
use crate::sketch::{Complaint, Program};
use crate::worker::Worker;

/// Layout of the file.
const VERSION: u32 = 1;
/// Lines that wait for the disk: a minute of frames.
const MOST_WAITING: usize = 4096;
/// Farther apart than this share of their length two latents are a cut, which is not drawn out.
const CUT: f64 = 0.3;

/// A sketch as it ran.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Script {
    path: PathBuf,
    text: String,
    fingerprint: String,
}

impl Script {
    fn of(program: &Program) -> Self {
        let (path, text) = (program.path.clone(), program.text().to_owned());
        Self { path, text, fingerprint: program.fingerprint.clone() }
    }
}

/// A model as it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Weights {
    name: String,
    fingerprint: String,
}

impl Weights {
    fn of(loaded: &Loaded) -> Self {
        Self { name: loaded.name.clone(), fingerprint: loaded.fingerprint.clone() }
    }
}

/// How everything stood when the log began.
#[derive(Clone, Serialize, Deserialize)]
pub struct Start {
    take: u32,
    /// Frames a second that the show was to have.
    pub fps: f64,
    pub preset: Preset,
    weights: Weights,
    /// The model before it, for a blend.
    before: Option<Weights>,
    mix: f64,
    #[serde(default)]
    learnt: Option<Standing>,
    morph: Option<Morph>,
    script: Script,
    /// The sketch's own state; none if it could not be written down, or had just begun.
    state: Option<serde_json::Value>,
    drawn: u32,
    controls: Controls,
    lights: Lights,
    snapshots: BTreeMap<String, Snapshot>,
    tick: Time,
}

/// Real and walk seconds, the walk's since the frame before, beats, beats a minute.
type Time = [f64; 5];

/// One line after the first.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// A frame ends.
    T(Time),
    /// What was done, by whom, at which real second.
    Act(Act, Hand, f64),
    Script(Script),
    Weights(Weights),
    Preset(Box<Preset>),
    /// A glide to a learnt state begins.
    Learnt(Learnt),
    /// What the critic thought, and the way in which it would rather have z.
    Opinion(f32, Vec<f32>),
}

/// The log while it is written.
pub(super) struct Log {
    pub path: PathBuf,
    pub since: f64,
    sender: Option<SyncSender<String>>,
    lost: bool,
    failed: Arc<AtomicBool>,
    _worker: Worker,
}

impl Log {
    fn start(path: &Path, since: f64, start: &Start, board: &Board) -> Result<Self, String> {
        let begin = || -> std::io::Result<File> {
            if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder)?;
            }
            File::create_new(path)
        };
        let file = begin().map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => format!("{} is there already; name another file", path.display()),
            _ => format!("the take {} cannot be written: {e}", path.display()),
        })?;
        let head = serde_json::to_string(start).map_err(|e| e.to_string())?;
        let (sender, receiver) = sync_channel::<String>(MOST_WAITING);
        let failed = Arc::new(AtomicBool::new(false));
        let (board, theirs, name) = (board.clone(), failed.clone(), path.to_owned());
        let worker = Worker::start("take", 1 << 20, move |_| {
            let mut out = BufWriter::new(file);
            let mut write = || -> std::io::Result<()> {
                writeln!(out, "{head}")?;
                loop {
                    match receiver.recv_timeout(Duration::from_millis(500)) {
                        Ok(line) => writeln!(out, "{line}")?,
                        Err(RecvTimeoutError::Timeout) => out.flush()?,
                        Err(RecvTimeoutError::Disconnected) => return out.flush(),
                    }
                }
            };
            if let Err(e) = write() {
                theirs.store(true, Ordering::Relaxed);
                board.fault("take", format!("the take {} ended: {e}; what is in it can be filmed", name.display()));
            }
        });
        let worker = worker.map_err(|e| format!("no thread for the take: {e}"))?;
        Ok(Self { path: path.into(), since, sender: Some(sender), lost: false, failed, _worker: worker })
    }

    fn line(&mut self, line: &Line, board: &Board) {
        let Ok(text) = serde_json::to_string(line) else { return };
        let sent = self.sender.as_ref().is_some_and(|sender| sender.try_send(text).is_ok());
        if !sent && !self.lost && !self.failed.load(Ordering::Relaxed) {
            self.lost = true;
            board.fault("take", format!("the disk does not keep up; {} is no longer exact", self.path.display()));
        }
    }
}

impl Drop for Log {
    /// Ends the thread, which then writes what waits.
    fn drop(&mut self) {
        self.sender = None;
    }
}

fn time(tick: Tick, real: f64) -> Time {
    [real, tick.secs, tick.dt, tick.beat, tick.bpm]
}

impl Show {
    /// Begins the log of a take.
    ///
    /// # Errors
    /// If the file is there already or cannot be written.
    pub fn log(&mut self, path: &Path) -> Result<(), String> {
        let Some(program) = self.host.program() else { return Err("no sketch runs".into()) };
        let inside = self.host.language.env.lock();
        let (controls, drawn) = (inside.controls.clone(), inside.drawn);
        drop(inside);
        let state = if self.frames == 0 { None } else { self.host.save() };
        if self.frames > 0 && state.is_none() {
            self.board.notice("take", "the sketch's state cannot be written down; the film begins with a fresh one");
        }
        if self.lights.state().1 {
            self.board.notice("take", "it begins in a freeze, whose picture the film will not have");
        }
        let preset = Preset { model: self.model.name.clone(), ..self.preset.clone() };
        let start = Start {
            take: VERSION,
            fps: self.target.map_or(60.0, |target| 1.0 / target.as_secs_f64()),
            preset,
            weights: Weights::of(&self.model),
            before: self.model_before.as_ref().map(Weights::of),
            mix: self.mix,
            learnt: self.standing(path),
            morph: self.morph.clone(),
            script: Script::of(program),
            state,
            drawn,
            controls,
            lights: self.lights.clone(),
            snapshots: self.snapshots.clone(),
            tick: time(self.clock.now(), self.clock.real()),
        };
        self.take = Some(Log::start(path, self.real, &start, &self.board)?);
        Ok(())
    }

    /// Begins or ends a take in the preset's folder.
    pub(super) fn toggle_take(&mut self) {
        if let Some(log) = self.take.take() {
            let (board, path) = (self.board.clone(), log.path.clone());
            self.chores.give(move || {
                drop(log);
                board.notice("take", format!("wrote {}; flaneur film --take {0} films it", path.display()));
            });
            return;
        }
        let path = crate::recorder::free_name(&self.preset.record.folder, "take", "jsonl");
        match self.log(&path) {
            Ok(()) => self.board.notice("take", format!("logging {}", path.display())),
            Err(why) => self.board.fault("take", why),
        }
    }

    pub(super) fn line(&mut self, line: &Line) {
        if let Some(log) = &mut self.take {
            log.line(line, &self.board);
        }
    }

    /// A hand has done something.
    pub(super) fn log_act(&mut self, act: &Act, hand: &Hand) {
        if self.take.is_some() {
            self.line(&Line::Act(act.clone(), hand.clone(), self.real));
        }
    }

    /// A version has taken over.
    pub(super) fn log_script(&mut self, program: &Program) {
        if self.take.is_some() {
            self.line(&Line::Script(Script::of(program)));
        }
    }

    /// A model has taken over.
    pub(super) fn log_weights(&mut self, loaded: &Loaded) {
        if self.take.is_some() {
            self.line(&Line::Weights(Weights::of(loaded)));
        }
    }

    /// A preset has taken over.
    pub(super) fn log_preset(&mut self, preset: &Preset) {
        if self.take.is_some() {
            self.line(&Line::Preset(Box::new(preset.clone())));
        }
    }

    /// A frame has ended.
    pub(super) fn log_frame(&mut self) {
        if self.take.is_some() {
            self.line(&Line::T(time(self.clock.now(), self.clock.real())));
        }
    }
}

/// What is wrong with a take.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    #[error("the sketch of the take does not run here: {0}")]
    Sketch(String),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{path} is not a take: {why}", path = path.display())]
    Wrong { path: PathBuf, why: String },
    #[error(
        "the take was played with other weights of {name} ({was}, here {is}); put them back, or give --model to take these"
    )]
    Weights { name: String, was: String, is: String },
}

/// A take that is played again.
pub struct Take {
    pub start: Start,
    frames: VecDeque<(Vec<Line>, Time)>,
    first: f64,
    /// Weights change within it, so that no two frames are one batch.
    pub(super) learns: bool,
    /// Frames walked so far.
    walked: u64,
    before: Option<(Arc<Pose>, Lights, f64)>,
    now: Option<(Arc<Pose>, Lights, f64)>,
}

impl Take {
    /// Reads a whole log. One whose end is cut off, as by a crash, is played as far as it goes.
    ///
    /// # Errors
    /// If it is no log of a take, with the line.
    pub fn read(path: &Path) -> Result<Self, TakeError> {
        let wrong =
            |line: usize, why: String| TakeError::Wrong { path: path.into(), why: format!("line {line}: {why}") };
        let mut lines = BufReader::new(files::at(path, File::open(path))?).lines();
        let head = files::at(path, lines.next().unwrap_or_else(|| Ok(String::new())))?;
        let start: Start = serde_json::from_str(&head).map_err(|e| wrong(1, e.to_string()))?;
        if start.take != VERSION {
            return Err(wrong(1, format!("version {} is not known to this program", start.take)));
        }
        let (mut frames, mut moves) = (VecDeque::<(Vec<Line>, Time)>::new(), Vec::new());
        let mut broken: Option<TakeError> = None;
        for (at, line) in lines.enumerate() {
            if let Some(error) = broken {
                return Err(error);
            }
            match serde_json::from_str(&files::at(path, line)?) {
                Ok(Line::T(time)) if time.iter().all(|v| v.is_finite()) => {
                    frames.push_back((std::mem::take(&mut moves), time))
                }
                Ok(Line::T(_)) => broken = Some(wrong(at + 2, "a time that is no number".into())),
                Ok(other) => moves.push(other),
                // Only the last line may be cut off.
                Err(e) => broken = Some(wrong(at + 2, e.to_string())),
            }
        }
        let Some(first) = frames.front().map(|(_, time)| time[0]) else {
            return Err(wrong(2, "it holds no frame".into()));
        };
        let of_weights = |line: &Line| {
            matches!(line, Line::Weights(_) | Line::Learnt(_) | Line::Act(Act::Mix(_) | Act::Dial(Dial::Learnt, _), ..))
        };
        let learns = start.learnt.is_some() || frames.iter().any(|(moves, _)| moves.iter().any(of_weights));
        Ok(Self { start, frames, first, learns, walked: 0, before: None, now: None })
    }

    /// Its length in seconds.
    pub fn secs(&self) -> f64 {
        self.frames.back().map_or(0.0, |(_, time)| time[0] - self.first)
    }
}

impl Show {
    /// Sets everything up as it stood when the take began. The show was opened with its preset and model.
    ///
    /// # Errors
    /// If the weights are others than then (unless `any` will do), or its sketch does not run.
    pub fn begin_take(&mut self, take: Take, any: bool) -> Result<(), TakeError> {
        let Start { weights, script, .. } = &take.start;
        if !any && weights.fingerprint != self.model.fingerprint {
            let (name, was, is) = (weights.name.clone(), weights.fingerprint.clone(), self.model.fingerprint.clone());
            return Err(TakeError::Weights { name, was, is });
        }
        let Start { controls, lights, snapshots, state, drawn, mix, morph, tick, before, learnt, .. } =
            take.start.clone();
        let (script, weights) = (script.clone(), weights.clone());
        if let Some(before) = before.filter(|_| mix < 1.0) {
            self.load_now(&before.name, &before.fingerprint);
            self.load_now(&self.preset.model.clone(), &weights.fingerprint);
        }
        self.lights = lights;
        self.snapshots = snapshots;
        self.mix = mix;
        self.generator.set_mix(mix);
        self.morph = morph;
        let [real, secs, dt, beat, bpm] = tick;
        self.clock.replay(Tick { frame: 0, secs, dt, real_dt: 0.0, beat, bpm }, real);
        let mut inside = self.host.language.env.lock();
        for (name, snapshot) in &self.snapshots {
            let z = snapshot.z.iter().map(|v| f64::from(*v)).collect();
            inside.points.insert(name.clone(), vec![z]);
        }
        drop(inside);
        self.put_on(&script).map_err(|complaint| TakeError::Sketch(complaint.to_string()))?;
        let mut inside = self.host.language.env.lock();
        (inside.controls, inside.drawn) = (controls, drawn);
        drop(inside);
        if let Some(state) = &state {
            self.host.load(state);
        }
        self.playing = Some(take);
        self.again = true;
        if let Some(learnt) = learnt {
            self.stand(learnt);
        }
        Ok(())
    }

    /// A version of the log takes over.
    fn put_on(&mut self, script: &Script) -> Result<(), Box<Complaint>> {
        let program = self.host.language.clone().compile(&script.path, &script.text)?;
        if program.fingerprint != script.fingerprint {
            let path = script.path.display();
            self.board.notice("take", format!("what {path} imports has changed since; the film may differ"));
        }
        self.host.take(program, self.clock.now()).map(drop)
    }

    /// Walks the take on to `secs` after its beginning and lays the pose of that moment ready: the one that was
    /// walked then, or between two frames one between theirs. Gives the lights of that moment.
    pub(super) fn play_on(&mut self, secs: f64) -> Option<Lights> {
        let mut take = self.playing.take()?;
        let due = take.first + secs;
        // What was drawn for the film since is a batch of several frames.
        if let Some((pose, ..)) = &take.now {
            self.pose = pose.clone();
        }
        while take.now.as_ref().is_none_or(|(.., at)| *at < due) {
            let Some((moves, time)) = take.frames.pop_front() else { break };
            self.replay(moves, time, take.walked);
            take.walked += 1;
            take.before = take.now.take();
            take.now = Some((self.pose.clone(), self.lights.clone(), time[0]));
        }
        let (pose, lights, at) = take.now.clone()?;
        let mut shown = (pose, lights);
        if let Some((before, lights, since)) = &take.before
            && due < at
        {
            let share = ((due - since) / (at - since)).clamp(0.0, 1.0);
            shown = match between(before, &shown.0, share) {
                Some(pose) => (Arc::new(pose), if share < 0.5 { lights.clone() } else { shown.1 }),
                None if share < 1.0 => (before.clone(), lights.clone()),
                None => shown,
            };
        }
        self.pose = shown.0;
        self.playing = Some(take);
        Some(shown.1)
    }

    /// The first latent of the frame that was walked last.
    pub fn walked_z(&self) -> Vec<f32> {
        let walked = self.playing.as_ref().and_then(|take| take.now.as_ref());
        walked.and_then(|(pose, ..)| pose.latents.first().cloned()).unwrap_or_default()
    }

    /// One frame as it was.
    fn replay(&mut self, moves: Vec<Line>, [real, secs, dt, beat, bpm]: Time, frame: u64) {
        let real_dt = (real - self.clock.real()).max(0.0);
        let mut later = Vec::new();
        for line in moves {
            match line {
                Line::Act(act, hand, at) => {
                    self.real = at;
                    self.act_by(act, &hand);
                }
                other => later.push(other),
            }
        }
        self.real = real;
        let tick = Tick { frame, secs, dt, real_dt, beat, bpm };
        self.clock.replay(tick, real);
        self.turn_all(real_dt);
        let mut weights = None;
        for line in later {
            match line {
                // One that does not run leaves the one before, as it did on stage.
                Line::Script(script) => {
                    if let Err(complaint) = self.put_on(&script) {
                        self.refuse(complaint);
                    }
                }
                Line::Preset(preset) => self.take_preset(*preset),
                Line::Weights(found) => weights = Some(found),
                Line::Learnt(learnt) => self.glide_again(learnt),
                Line::Opinion(score, gradient) => self.take_opinion(&CriticScore { score, gradient }),
                Line::Act(..) | Line::T(_) => {}
            }
        }
        self.walk_measured(tick);
        if let Some(Weights { name, fingerprint }) = weights {
            self.load_now(&name, &fingerprint);
        }
    }
}

/// A pose between two of the same make; none across a cut.
fn between(a: &Pose, b: &Pose, share: f64) -> Option<Pose> {
    let alike = a.latents.len() == b.latents.len() && a.marks.len() == b.marks.len() && a.aspect == b.aspect;
    let near = |a: &Vec<f32>, b: &Vec<f32>| {
        let (mut apart, mut long) = (0.0, 0.0);
        for (a, b) in a.iter().zip(b) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            apart += (a - b).powi(2);
            long += a.powi(2).max(b.powi(2));
        }
        a.len() == b.len() && apart <= long * CUT * CUT
    };
    if !alike || !a.latents.iter().zip(&b.latents).all(|(a, b)| near(a, b)) {
        return None;
    }
    let mut pose = if share < 0.5 { a.clone() } else { b.clone() };
    for ((z, a), b) in pose.latents.iter_mut().zip(&a.latents).zip(&b.latents) {
        for ((z, a), b) in z.iter_mut().zip(a).zip(b) {
            *z = (f64::from(*a) + (f64::from(*b) - f64::from(*a)) * share) as f32;
        }
    }
    Some(pose)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_two_frames_and_not_across_a_cut() {
        let (a, b, c) = (Pose::of(vec![1.0, 0.0]), Pose::of(vec![1.0, 0.2]), Pose::of(vec![-1.0, 0.0]));
        assert_eq!(between(&a, &b, 0.5).unwrap().latents[0], [1.0, 0.1]);
        assert!(between(&a, &c, 0.5).is_none());
    }
}
