//! What becomes of a generator whose thread does not answer: it is abandoned and another one begins.
//!
//! On the owner's thread, with every look at the generator; nothing here waits. A card that hangs takes the thread that
//! waits for it along, because its driver waits without a limit: the thread cannot be ended, only left. The next one
//! opens the card anew, and the one after that draws on the CPU.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::backend::{Attempt, Backend};
use super::slots::{Heartbeat, Slots, TOGETHER};
use super::thread::{self, Start};
use super::{Generator, GeneratorError, PATIENCE};
use crate::latest::lock;
use crate::report::Board;
use crate::worker::Worker;

/// Threads that are abandoned at most; then the last picture stays.
pub const MOST_ABANDONED: usize = 3;
/// A thread that ends by itself is begun again no sooner than this.
const PAUSE: Duration = Duration::from_secs(2);
/// How long the owner waits at its own end for a thread to end.
const END_PATIENCE: Duration = Duration::from_millis(700);

/// The thread and what it takes to begin another one.
pub(super) struct Supervisor {
    worker: Option<Worker>,
    backend: Backend,
    board: Board,
    abandoned: usize,
    begun: Instant,
    /// Said that no more threads are begun.
    gave_up: bool,
}

impl Supervisor {
    /// Begins the first thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start(slots: &Slots, backend: Backend, start: Start, board: &Board) -> Result<Self, GeneratorError> {
        let worker = begin(slots, &backend, start, board).map_err(GeneratorError::Thread)?;
        Ok(Self {
            worker: Some(worker),
            backend,
            board: board.clone(),
            abandoned: 0,
            begun: Instant::now(),
            gave_up: false,
        })
    }

    /// Whether the thread has ended by itself.
    pub(super) fn ended(&self) -> bool {
        self.worker.as_ref().is_none_or(Worker::ended)
    }

    /// Leaves the thread behind, and begins another one in its place.
    fn replace(&mut self, slots: &Slots, start: Start) -> Result<(), std::io::Error> {
        if let Some(worker) = self.worker.take() {
            match worker.ended() {
                true => drop(worker),
                false => {
                    self.abandoned += 1;
                    worker.leave();
                }
            }
        }
        self.begun = Instant::now();
        self.worker = Some(begin(slots, &self.backend, start, &self.board)?);
        Ok(())
    }
}

impl Drop for Supervisor {
    /// A thread that does not end soon is left behind.
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.end_within(END_PATIENCE);
        }
    }
}

fn begin(slots: &Slots, backend: &Backend, start: Start, board: &Board) -> std::io::Result<Worker> {
    let (slots, backend, board) = (slots.clone(), backend.clone(), board.clone());
    Worker::start("generator", 16 << 20, move |ending| thread::run(slots, backend, &start, &board, &ending))
}

impl Generator {
    /// When the thread last came round or finished something, and what it is at. A picture that is being drawn counts
    /// from when it was begun.
    pub fn beat(&self) -> Heartbeat {
        self.slots.liveness.beat(Instant::now())
    }

    /// Threads that were abandoned so far.
    pub fn abandoned(&self) -> usize {
        self.supervisor.abandoned
    }

    /// What is to be said where the thread does not answer; none while it does.
    pub(super) fn silence(&self, now: Instant) -> Option<GeneratorError> {
        let silent = self.slots.liveness.silent(now)?;
        Some(GeneratorError::Silent { device: self.device(), secs: silent.as_secs() })
    }

    /// An error where what is waited for since `start` will not come.
    pub(super) fn still_answers(&self, start: Instant) -> Result<(), GeneratorError> {
        match self.silence(Instant::now()) {
            Some(silence) => Err(silence),
            None if self.supervisor.ended() => Err(GeneratorError::Ended),
            None if start.elapsed() > PATIENCE => Err(GeneratorError::Slow(PATIENCE.as_secs())),
            None => Ok(()),
        }
    }

    /// Begins another thread where this one does not answer or has ended by itself. A film never does: its pictures
    /// come from one device.
    pub(super) fn recover(&mut self, now: Instant) {
        if self.slots.exact.load(Ordering::Relaxed) {
            return;
        }
        let why = match self.slots.liveness.silent(now) {
            Some(silent) => format!("{} has not answered for {} s", self.device(), silent.as_secs()),
            None if self.supervisor.ended() && now > self.supervisor.begun + PAUSE => GeneratorError::Ended.to_string(),
            None => return,
        };
        if self.supervisor.abandoned >= MOST_ABANDONED {
            if !std::mem::replace(&mut self.supervisor.gave_up, true) {
                let text = format!("{why}, the {MOST_ABANDONED} threads before it neither; start the program again");
                self.supervisor.board.fault("generator", text);
            }
            return;
        }
        let mut losses = lock(&self.slots.losses);
        let attempt = match losses.one_more(now) {
            1 => Attempt::Fresh(losses.one_more_fresh()),
            _ => Attempt::Cpu,
        };
        drop(losses);
        let next = match attempt {
            Attempt::Cpu => {
                format!("the second time within {} minutes: the CPU draws from now on", TOGETHER.as_secs() / 60)
            }
            _ => "the device is opened anew".into(),
        };
        let shown = lock(&self.slots.shown).clone();
        let blend = self.blend;
        let start =
            Start { attempt, before: shown.before.filter(|_| blend.mix < 1.0), model: shown.model, blend: Some(blend) };
        self.slots = self.slots.next();
        let text = match self.supervisor.replace(&self.slots, start) {
            Ok(()) => format!("{why}: another thread begins, {next}; the last picture stays meanwhile"),
            Err(error) => format!("{why}, and no other thread can be started: {error}"),
        };
        self.supervisor.board.fault("generator", text);
        // What was asked for is asked for again.
        self.forget();
    }
}
