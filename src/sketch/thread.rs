//! A sketch on a thread of its own, so that nothing it does holds up whoever shows its poses.
//!
//! Fed with a frame at a time, by value; gives a pose, what the sketch asked for, and what it complains about. The
//! owner waits as long as it likes and no longer: a thread that stays silent is abandoned ([`super::held`]) and never
//! asked again. The stack is large, since comparing or dropping deeply nested values recurses. Absent: which version of
//! a sketch runs, and for how long anybody is patient (`show::walk`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::complaint::Complaint;
use super::env::{Env, Measure};
use super::held::{Held, Life};
use super::host::{Handed, Host, Keeps, Tried};
use super::state::MOST_VALUES;
use super::{Language, Program, saved};
use crate::clock::Tick;
use crate::control::Lent;
use crate::latent::Z;
use crate::latent::pose::Pose;
use crate::latent::space::Space;
use crate::latest::{Latest, lock};
use crate::worker::caught;

/// Pause between two copies of the state.
const COPY_EVERY: Duration = Duration::from_millis(250);
/// Most values of a state that is copied without being asked.
const COPIED: usize = 2000;

/// Stored points by name.
pub type Points = BTreeMap<String, Arc<Vec<Z>>>;

/// What the critic thinks, as the sketch may know it.
#[derive(Clone, Debug, Default)]
pub struct Critic {
    /// Of the picture that is shown, smoothed.
    pub score: f64,
    /// The direction in z in which the score rises, of length 1; empty before it is known.
    pub direction: Arc<Z>,
}

/// Something that is otherwise from the next frame on.
#[derive(Clone, Debug)]
pub enum News {
    /// Another model: its latents are of this space.
    Space(Space),
    /// Points that were stored or read.
    Points(Points),
    /// Arc lengths of a way, 0..1, as they were measured on its pictures.
    Measured(u64, Vec<f64>),
    /// Draws of `random()` so far.
    Drawn(u32),
}

/// A program that takes over, with its state if that is to be another than its own.
#[derive(Clone)]
pub struct Adopt {
    /// The program.
    pub program: Program,
    /// What becomes of the state.
    pub keeps: Keeps,
    /// Another state than its own, as JSON.
    pub state: Option<Arc<Json>>,
}

/// One frame to be walked.
pub struct Ask {
    /// Comes back with the answer.
    pub number: u64,
    /// The time of the frame.
    pub tick: Tick,
    /// What hands have moved, as of this frame.
    pub lent: Lent,
    /// What the critic thinks.
    pub critic: Critic,
    /// What is otherwise from this frame on.
    pub news: Vec<News>,
    /// A program that takes over with this frame.
    pub adopt: Option<Adopt>,
    /// Walks go over to newly measured ways within a second; a film does at once.
    pub gliding: bool,
}

/// What the running sketch has asked for, in that order.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The same lists until one of them changes.
    pub names: Arc<Names>,
    /// Default 0..1, and what 0 and 1 mean, for each knob.
    pub values: Vec<(f64, [f64; 2])>,
}

/// Names of what a sketch has asked for.
#[derive(Debug, Default)]
pub struct Names {
    /// Those of `c.knob` and `c.value`.
    pub knobs: Vec<String>,
    /// Those of `c.hit`.
    pub triggers: Vec<String>,
}

/// What a frame gave.
pub struct Answer {
    /// The number that it was asked with.
    pub number: u64,
    /// What the frame shows.
    pub pose: Arc<Pose>,
    /// Why the pose is an older one, or what had to be changed about it.
    pub complaint: Option<Box<Complaint>>,
    /// Why the program that should have taken over did not.
    pub refused: Option<Box<Complaint>>,
    /// The knobs and triggers that the sketch asks for.
    pub asked: Asked,
    /// Ways to be measured.
    pub wanted: Vec<Measure>,
    /// Whether the sketch wants to know the critic's score, and its direction.
    pub wants: [bool; 2],
    /// Whether it named a class, and the model has none.
    pub classless: bool,
    /// Whether it did something to a texture's noise, and the model is no texture.
    pub untextured: bool,
    /// Something was done to w, and the model has no mapping to it.
    pub unmapped: bool,
    /// Draws of `random()` so far.
    pub drawn: u32,
    /// Time of the processor that it took.
    pub cpu: Duration,
}

/// The state of the sketch that runs.
#[derive(Clone, Debug, Default)]
pub enum Standing {
    /// No sketch runs.
    #[default]
    Nothing,
    /// As JSON.
    Saved(Arc<Json>),
    /// It holds what has no text: a generator, a function; or too much.
    Uncopied,
}

/// A sketch to be compiled and tried.
pub struct Attempt {
    /// The sketch's file.
    pub path: PathBuf,
    /// Its text; none reads the file.
    pub text: Option<String>,
    /// The state of the program before.
    pub state: Standing,
    /// The time of the trial frame.
    pub tick: Tick,
    /// What hands have moved.
    pub lent: Lent,
    /// What the critic thinks.
    pub critic: Critic,
    /// The space that its latents are of.
    pub space: Space,
    /// Points that `load` finds.
    pub points: Points,
}

/// A program that was compiled and showed a frame.
#[derive(Debug)]
pub struct Proven {
    /// The program.
    pub program: Program,
    /// What the trial gave.
    pub tried: Tried,
    /// The knobs and triggers that it asked for.
    pub asked: Asked,
    /// Ways that it wants measured.
    pub wanted: Vec<Measure>,
}

/// What a thread gives back.
pub enum Said {
    /// A frame was walked.
    Answer(Box<Answer>),
    /// A sketch was tried, or cannot run.
    Tried(Result<Box<Proven>, Box<Complaint>>),
    /// The state that was asked for.
    State(Standing),
}

enum Job {
    Frame(Box<Ask>),
    Try(Box<Attempt>),
    State,
    End,
}

/// The owner's end of a thread.
pub struct SketchThread {
    jobs: Latest<Job>,
    said: Latest<Said>,
    /// What the thread copied last of its sketch's state.
    standing: Arc<Mutex<Standing>>,
    since: Option<Instant>,
    held: Held,
}

impl SketchThread {
    /// Starts one, for a model of this space.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(space: impl Into<Space>) -> std::io::Result<Self> {
        let space = space.into();
        let (jobs, said, standing) = (Latest::default(), Latest::default(), Arc::<Mutex<Standing>>::default());
        let theirs = (Latest::clone(&jobs), Latest::clone(&said), standing.clone());
        let held = Held::start("sketch", move |life| run(space, &theirs.0, &theirs.1, &theirs.2, life))?;
        Ok(Self { jobs, said, standing, since: None, held })
    }

    fn give(&mut self, job: Job) {
        self.since = Some(Instant::now());
        self.jobs.put(job);
    }

    /// Asks for a frame. The thread must not be at work.
    pub fn ask(&mut self, ask: Ask) {
        self.give(Job::Frame(Box::new(ask)));
    }

    /// Has a sketch compiled and tried. The thread must not be at work.
    pub fn attempt(&mut self, attempt: Attempt) {
        self.give(Job::Try(Box::new(attempt)));
    }

    /// What it says next, waiting for it at most `patience`.
    pub fn wait(&mut self, patience: Duration) -> Option<Said> {
        let said = self.said.wait(patience);
        if said.is_some() {
            self.since = None;
        }
        said
    }

    /// Since when it is at work; none if it waits for something to do.
    pub fn working(&self) -> Option<Duration> {
        self.since.map(|since| since.elapsed())
    }

    /// Whether it has ended by itself, which it never should.
    pub fn ended(&self) -> bool {
        self.held.ended()
    }

    /// Source number and byte offset of the body that was entered last.
    pub fn place(&self) -> (usize, usize) {
        self.held.place()
    }

    /// The state of its sketch, at most a quarter of a second old.
    pub fn standing(&self) -> Standing {
        lock(&self.standing).clone()
    }

    /// The state as it is now, which takes a moment; none if it is at work, or takes longer than `patience`.
    pub fn standing_now(&mut self, patience: Duration) -> Option<Standing> {
        if self.since.is_some() {
            return None;
        }
        self.give(Job::State);
        match self.wait(patience)? {
            Said::State(standing) => Some(standing),
            _ => None,
        }
    }

    /// Lets go of a thread that stays silent; `silent` counts those that are still at work.
    pub fn abandon(mut self, silent: &Arc<AtomicUsize>) {
        self.held.abandon(silent);
    }
}

impl Drop for SketchThread {
    fn drop(&mut self) {
        self.jobs.put(Job::End);
    }
}

/// The thread.
fn run(space: Space, jobs: &Latest<Job>, said: &Latest<Said>, kept: &Mutex<Standing>, life: &Life) {
    let mut host = Language::new(Env::new(space)).map(Host::new).map_err(|error| error.to_string());
    let mut names = (u64::MAX, Arc::default());
    let mut copied: Option<Instant> = None;
    loop {
        let Some(job) = jobs.wait(Duration::from_secs(1)) else {
            if life.is_abandoned() {
                break;
            }
            continue;
        };
        let out = match (&mut host, job) {
            (_, Job::End) => break,
            (Ok(host), Job::Frame(ask)) => Said::Answer(Box::new(frame(host, *ask, &mut names))),
            (Ok(host), Job::Try(attempt)) => Said::Tried(attempted(host, *attempt)),
            (Ok(host), Job::State) => Said::State(standing(host, MOST_VALUES)),
            (Err(why), job) => unable(why, job),
        };
        said.put(out);
        if life.is_abandoned() {
            break;
        }
        // Behind the answer, while nobody waits.
        if let Ok(host) = &mut host {
            host.look();
            if copied.is_none_or(|at| at.elapsed() >= COPY_EVERY) {
                copied = Some(Instant::now());
                *lock(kept) = standing(host, COPIED);
            }
        }
    }
    drop(caught(|| drop(host)));
}

fn standing(host: &Host, most: usize) -> Standing {
    match (host.program(), host.save(most)) {
        (None, _) => Standing::Nothing,
        (Some(_), Some(state)) => Standing::Saved(Arc::new(state)),
        (Some(_), None) => Standing::Uncopied,
    }
}

/// The answer of a thread that has no language: a mistake in the verbs' tables.
fn unable(why: &str, job: Job) -> Said {
    let path = match &job {
        Job::Try(attempt) => attempt.path.clone(),
        _ => PathBuf::new(),
    };
    match job {
        Job::State => Said::State(Standing::Nothing),
        _ => Said::Tried(Err(Box::new(Complaint::whole(&path, why.to_owned(), None)))),
    }
}

fn frame(host: &mut Host, ask: Ask, names: &mut (u64, Arc<Names>)) -> Answer {
    let start = cpu_time();
    let Ask { number, tick, lent, critic, news, adopt, gliding } = ask;
    let env = host.language.env.clone();
    for one in news {
        match one {
            News::Space(space) => host.set_space(space),
            News::Points(points) => env.lock().points.extend(points),
            News::Measured(key, lengths) => drop(env.lock().even.insert(key, (lengths, 0.0))),
            News::Drawn(drawn) => env.lock().drawn = drawn,
        }
    }
    receive(&env, lent, critic);
    let refused = adopt.and_then(|adopt| taken_over(host, adopt).err());
    env.glide(tick.real_dt, gliding);
    let walked = host.step(tick);
    let mut inside = env.lock();
    let wants = [std::mem::take(&mut inside.eye.wants_score), std::mem::take(&mut inside.eye.wants_direction)];
    let (wanted, drawn) = (std::mem::take(&mut inside.wanted), inside.drawn);
    let classless = std::mem::take(&mut inside.classless);
    let untextured = std::mem::take(&mut inside.untextured);
    let unmapped = std::mem::take(&mut inside.unmapped);
    let asked = asked(&inside.controls, names);
    drop(inside);
    let cpu = cpu_time().saturating_sub(start);
    let (pose, complaint) = (walked.pose, walked.complaint);
    Answer { number, pose, complaint, refused, asked, wanted, wants, classless, untextured, unmapped, drawn, cpu }
}

/// Time of the processor that this thread has taken so far: what others take on a busy machine is not the sketch's.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn receive(env: &Env, mut lent: Lent, critic: Critic) {
    let mut inside = env.lock();
    inside.blend = std::mem::take(&mut lent.blend);
    inside.controls.receive(lent);
    inside.eye.score = critic.score;
    inside.eye.direction = critic.direction;
}

/// A program takes over: draws of `random()` in its setup do not count.
fn taken_over(host: &mut Host, adopt: Adopt) -> Result<(), Box<Complaint>> {
    let Adopt { program, keeps, state } = adopt;
    let (drawn, controls) = {
        let mut inside = host.language.env.lock();
        let before = inside.controls.clone();
        inside.controls.forget_asked();
        (inside.drawn, before)
    };
    let adopted = host.adopt(program, keeps);
    let mut inside = host.language.env.lock();
    inside.drawn = drawn;
    if adopted.is_err() {
        inside.controls = controls;
    }
    drop(inside);
    if let Some(state) = state {
        host.load(&state);
    }
    adopted
}

/// What the sketch asked for; `names` are those of the frame before, with the number of their list.
fn asked(controls: &crate::control::Controls, names: &mut (u64, Arc<Names>)) -> Asked {
    if names.0 != controls.listed {
        let knobs = controls.asked().into_iter().map(|knob| knob.name).collect();
        *names = (controls.listed, Arc::new(Names { knobs, triggers: controls.triggers().to_vec() }));
    }
    let values = names.1.knobs.iter().filter_map(|name| controls.state(name)).map(|knob| (knob.default, knob.range));
    Asked { names: names.1.clone(), values: values.collect() }
}

fn attempted(host: &mut Host, attempt: Attempt) -> Result<Box<Proven>, Box<Complaint>> {
    let Attempt { path, text, state, tick, lent, critic, space, points } = attempt;
    let env = host.language.env.clone();
    host.set_space(space);
    env.lock().points = points;
    receive(&env, lent, critic);
    let program = match text {
        Some(text) => host.language.compile(&path, &text)?,
        None => host.language.read(&path)?,
    };
    let handed = match state {
        Standing::Nothing => Handed::Nothing,
        Standing::Saved(state) => saved::load(&state, 0).map_or(Handed::Uncopied, Handed::Copy),
        Standing::Uncopied => Handed::Uncopied,
    };
    let tried = host.attempt(&program, handed, tick)?;
    let mut inside = env.lock();
    let asked = asked(&inside.controls, &mut (u64::MAX, Arc::default()));
    let wanted = std::mem::take(&mut inside.wanted);
    Ok(Box::new(Proven { program, tried, asked, wanted }))
}

#[cfg(test)]
mod tests;
