//! The log of a take: every move of every hand, so that the performance can be played again.
//!
//! One JSON value a line: how everything stood when it began, then for each frame the moves before it, the
//! versions and models that took over, and the frame's time. Written by a thread of its own while the show plays,
//! so that it holds everything up to a crash; played again by `film`, frame by frame at the times it had.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::snapshot::{Morph, Snapshot};
use crate::clock::Tick;
use crate::control::Controls;
use crate::control::hand::Hand;
use crate::files;
use crate::generator::Loaded;
use crate::preset::Preset;
use crate::report::Board;
use crate::show::addresses::Act;
use crate::show::fades::Fades;
use crate::show::lesson::logged::{Learnt, Standing};
use crate::show::walk::Steps;
use crate::sketch::Program;
use crate::worker::Worker;

/// Layout of the file; 1 wrote each switch as two acts, and knew no frames without an answer.
pub const VERSION: u32 = 2;
/// Lines that wait for the disk: a minute of frames.
const MOST_WAITING: usize = 4096;

/// A sketch as it ran.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Script {
    /// The file that it was read from.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Fingerprint of all its sources.
    pub fingerprint: String,
}

impl Script {
    /// Of a program.
    pub fn of(program: &Program) -> Self {
        let (path, text) = (program.path.clone(), program.text().to_owned());
        Self { path, text, fingerprint: program.fingerprint.clone() }
    }
}

/// A model as it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Weights {
    /// Name of the model.
    pub name: String,
    /// Fingerprint of its weights.
    pub fingerprint: String,
}

impl Weights {
    /// Of a model at work.
    pub fn of(loaded: &Loaded) -> Self {
        Self { name: loaded.name.clone(), fingerprint: loaded.fingerprint.clone() }
    }
}

/// How everything stood when the log began.
#[derive(Clone, Serialize, Deserialize)]
pub struct Start {
    /// Layout of the file: [`VERSION`], or 1 in older ones.
    pub take: u32,
    /// Frames a second that the show was to have.
    pub fps: f64,
    /// The preset, with the model at work.
    pub preset: Preset,
    /// The model at work.
    pub weights: Weights,
    /// The model before it, for a blend.
    pub before: Option<Weights>,
    /// How much of the model at work is seen, 0..1.
    pub mix: f64,
    /// The learnt state that was shown or glided to.
    #[serde(default)]
    pub learnt: Option<Standing>,
    /// The walk to a snapshot that was under way.
    pub morph: Option<Morph>,
    /// The sketch at work.
    pub script: Script,
    /// The sketch's own state; none if it could not be written down, or had just begun.
    pub state: Option<serde_json::Value>,
    /// Draws of `random()` without a seed so far.
    pub drawn: u32,
    /// Everything hands had done.
    pub controls: Controls,
    /// Blackout, freeze and hush.
    #[serde(rename = "lights")]
    pub fades: Fades,
    /// The snapshots, by name.
    pub snapshots: BTreeMap<String, Snapshot>,
    /// The time of the frame before.
    pub tick: Time,
    /// Whether the walk was held.
    #[serde(default)]
    pub held: bool,
}

/// Real and walk seconds, the walk's since the frame before, beats, beats a minute.
pub type Time = [f64; 5];

/// A frame's time.
pub fn time(tick: Tick, real: f64) -> Time {
    [real, tick.secs, tick.dt, tick.beat, tick.bpm]
}

/// One line after the first.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// A frame ends.
    T(Time),
    /// The sketch was not asked in this frame, or did not answer in it.
    Steps(Steps),
    /// What was done, by whom, at which real second.
    Act(Act, Hand, f64),
    /// A version is to take over with this frame.
    Script(Script),
    /// A model has taken over.
    Weights(Weights),
    /// A preset has taken over.
    Preset(Box<Preset>),
    /// A glide to a learnt state begins.
    Learnt(Learnt),
    /// The critic's score, and its gradient with respect to z.
    #[serde(alias = "opinion")]
    Critic(f32, Vec<f32>),
}

/// The file of a log.
pub enum Wanted {
    /// One that is there, empty.
    Made(File, PathBuf),
    /// One that is to be made, under the next free name if it is there.
    Named(PathBuf),
}

impl Wanted {
    /// Its name, as far as is known.
    pub fn path(&self) -> &Path {
        match self {
            Self::Made(_, path) | Self::Named(path) => path,
        }
    }
}

/// The log while it is written.
pub struct Log {
    wanted: PathBuf,
    /// Where it is written: another name than was wanted, if that was taken.
    path: Arc<OnceLock<PathBuf>>,
    /// Real seconds when it began.
    since: f64,
    sender: Option<SyncSender<Line>>,
    lost: bool,
    failed: Arc<AtomicBool>,
    /// None once it was let go of.
    worker: Option<Worker>,
}

impl Log {
    /// Begins a log; a thread makes the file and writes it. That it cannot is said on the board.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn begin(wanted: Wanted, since: f64, start: Start, board: &Board) -> std::io::Result<Self> {
        let (name, made) = match wanted {
            Wanted::Made(file, path) => (path, Some(file)),
            Wanted::Named(path) => (path, None),
        };
        let path = Arc::new(OnceLock::new());
        let (sender, receiver) = sync_channel::<Line>(MOST_WAITING);
        let failed = Arc::new(AtomicBool::new(false));
        let (board, theirs, wanted, named) = (board.clone(), failed.clone(), name.clone(), path.clone());
        let worker = Worker::start("take", 1 << 20, move |ending| {
            let write = || -> std::io::Result<()> {
                let file = match made {
                    Some(file) => file,
                    None => {
                        let (file, path) = files::create_free(&wanted).map_err(|e| e.cause)?;
                        board.notice("take", format!("logging {}", path.display()));
                        drop(named.set(path));
                        file
                    }
                };
                let mut out = BufWriter::new(file);
                writeln!(out, "{}", serde_json::to_string(&start)?)?;
                loop {
                    match receiver.recv_timeout(Duration::from_millis(500)) {
                        Ok(line) => writeln!(out, "{}", serde_json::to_string(&line)?)?,
                        Err(RecvTimeoutError::Timeout) => out.flush()?,
                        Err(RecvTimeoutError::Disconnected) => return out.flush(),
                    }
                    let _ = ending.requested();
                }
            };
            if let Err(e) = write() {
                theirs.store(true, Ordering::Relaxed);
                let path = named.get().unwrap_or(&wanted).display();
                board.fault("take", format!("the take {path} ended: {e}; what is in it can be filmed"));
            }
        })?;
        Ok(Self { wanted: name, path, since, sender: Some(sender), lost: false, failed, worker: Some(worker) })
    }

    /// Where it is written.
    pub fn path(&self) -> &Path {
        self.path.get().unwrap_or(&self.wanted)
    }

    /// Real seconds when it began.
    pub fn since(&self) -> f64 {
        self.since
    }

    /// One more line; what finds the disk too slow is said once.
    pub fn line(&mut self, line: Line, board: &Board) {
        let Some(sender) = &self.sender else { return };
        let full = matches!(sender.try_send(line), Err(TrySendError::Full(_)));
        if full && !self.lost && !self.failed.load(Ordering::Relaxed) {
            self.lost = true;
            board.fault("take", format!("the disk does not keep up; {} is no longer exact", self.path().display()));
        }
    }

    /// No more lines come: its thread writes what waits, and ends.
    pub fn close(&mut self) {
        self.sender = None;
    }

    /// Whether its thread has ended.
    pub fn over(&self) -> bool {
        self.worker.as_ref().is_none_or(Worker::ended)
    }

    /// Lets go of it without waiting for what is not written.
    pub fn leave(mut self) {
        self.close();
        self.worker.take().into_iter().for_each(Worker::leave);
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}
