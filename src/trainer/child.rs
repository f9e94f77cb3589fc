//! A training as a child process: started, driven, looked after, ended. The show's end of `trainer::protocol`.
//!
//! One thread, `trainer` (`trainer::supervisor`), owns the process; `trainer::pipes` has three more for its pipes.
//! Commands wait in [`PendingCommands`], events in a short queue: both are bounded whatever comes, and no lock is held
//! while anything else is waited for. A child that ends by itself is started again with growing pauses, from its
//! checkpoint; one whose owner dies sees the end of its input and goes too (`trainer::commands`).
//! Nothing of what it does can fail here: faults are lines on the board.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

pub use super::launch::{Launch, own_program};
use super::pending::PendingCommands;
use super::protocol::{Command, Event, Source};
use super::settings::Settings;
use super::supervisor::Supervisor;
use crate::latest::lock;
use crate::report::Board;
use crate::worker::Worker;

/// How long an owner that closes waits until the child has saved itself, was killed, or is left.
const PATIENCE: Duration = Duration::from_millis(2700);
/// Events that wait for the show.
pub(super) const MOST_EVENTS: usize = 256;

/// How the child does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Running {
    /// It was never started.
    #[default]
    Off,
    /// It has not said yet that it trains.
    Starting,
    /// It trains, or waits where it was told to.
    On,
    /// It crashed and will be started again, for this time.
    Waiting(u32),
    /// It has ended, and is not started again by itself.
    Ended,
}

/// What is sent again whenever a child starts: what was requested of one holds for the next.
#[derive(Clone, Debug, Default)]
pub struct Requested {
    /// Every setting that was sent.
    pub settings: Settings,
    /// The pictures, where they are others than the command line names.
    pub data: Option<Source>,
    /// The second dataset.
    pub second: Option<Source>,
    /// Whether it is to wait.
    pub paused: bool,
}

/// What the owner and the thread share.
#[derive(Default)]
pub(super) struct Shared {
    /// Commands that the child has not taken yet.
    pub pending: PendingCommands,
    /// What the next child is sent.
    pub requested: Requested,
    /// Events that the owner has not taken yet.
    pub events: VecDeque<Event>,
    /// How the child does.
    pub running: Running,
    /// Its process.
    pub pid: Option<u32>,
    /// A hand wants it to run now, so that a pause before the next start ends.
    pub hurry: bool,
    /// The owner closes: what is not saved soon is lost.
    pub closing: bool,
}

/// The owner's end; dropping it stops the child and waits for that, some seconds at most.
pub struct Child {
    shared: Arc<Mutex<Shared>>,
    worker: Option<Worker>,
    /// When its owner closed.
    closed: OnceLock<Instant>,
}

impl Child {
    /// Starts the thread that starts the child.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(launch: Launch, requested: Requested, board: &Board) -> std::io::Result<Self> {
        let shared = Arc::new(Mutex::new(Shared { requested, running: Running::Starting, ..Shared::default() }));
        let (theirs, board) = (shared.clone(), board.clone());
        let worker = Worker::start("trainer", 1 << 20, move |ending| {
            Supervisor::new(launch, theirs, board).supervise(&ending);
        })?;
        Ok(Self { shared, worker: Some(worker), closed: OnceLock::new() })
    }

    /// Gives it a command; of each kind the newest waits.
    pub fn send(&self, command: Command) {
        let mut shared = lock(&self.shared);
        match &command {
            Command::Set(settings) => {
                let older = std::mem::replace(&mut shared.requested.settings, settings.clone());
                shared.requested.settings.fill(&older);
            }
            Command::Run | Command::Pause => {
                shared.requested.paused = command == Command::Pause;
                shared.hurry = command == Command::Run;
            }
            Command::Data(source) => shared.requested.data = Some(source.clone()),
            Command::Data2(source) => shared.requested.second = Some(source.clone()),
            _ => {}
        }
        shared.pending.push(command);
    }

    /// What is to be set and has not been handed over yet.
    pub fn unsent(&self) -> Option<Settings> {
        lock(&self.shared).pending.settings().cloned()
    }

    /// What has happened since the last look.
    pub fn events(&self) -> Vec<Event> {
        lock(&self.shared).events.drain(..).collect()
    }

    /// How it does.
    pub fn running(&self) -> Running {
        lock(&self.shared).running
    }

    /// Its process, while there is one.
    pub fn pid(&self) -> Option<u32> {
        lock(&self.shared).pid
    }

    /// What was requested of it so far.
    pub fn requested(&self) -> Requested {
        lock(&self.shared).requested.clone()
    }

    /// Asks it to stop, without waiting for that.
    pub fn end(&self) {
        self.worker.iter().for_each(Worker::end);
    }

    /// The same for an owner that closes: a child that does not save itself within two seconds is killed, and goes on
    /// from its checkpoint the next time.
    pub fn close(&self) {
        self.closed.get_or_init(Instant::now);
        lock(&self.shared).closing = true;
        self.end();
    }

    /// Whether it has stopped.
    pub fn ended(&self) -> bool {
        self.worker.as_ref().is_none_or(Worker::ended)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.close();
        let until = *self.closed.get_or_init(Instant::now) + PATIENCE;
        while !self.ended() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        if !self.ended() {
            // The thread waits for a system that does not answer. It is abandoned: joining it would be waiting, too.
            self.worker.take().into_iter().for_each(std::mem::forget);
        }
    }
}
