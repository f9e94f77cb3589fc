//! Pictures in, files out: an ffmpeg child fed raw frames, or a numbered sequence of PNGs.
//!
//! A thread of its own makes each picture (composing is part of the work it takes from the frame path) and
//! writes it. A film waits for the thread, a live recording never does: what finds the queue full is dropped,
//! and the gap is filled by repeating the picture before, so that the file keeps its rate. An encoder that
//! dies takes only the file with it.

mod codec;
mod encoder;
pub mod names;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub use codec::Codec;
pub use encoder::ffmpeg_version;

use crate::files;
use crate::latest::lock;
use crate::picture::Picture;
use crate::report::Board;
use crate::worker::{Worker, caught};
use encoder::Sink;

/// What is recorded, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A file whose ending names the container, or (without an ending) a folder for PNGs.
    pub path: PathBuf,
    /// Width and height in pixels.
    pub size: [usize; 2],
    /// Frames a second.
    pub fps: f64,
    /// Quality of the encoder, 0 (lossless or best) to 51 or 63; each codec has its default.
    pub crf: Option<u8>,
    /// The codec; none for the usual one of the container.
    pub codec: Option<Codec>,
    /// A live recording: the file can be played at every moment.
    pub live: bool,
}

/// What went wrong.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RecorderError {
    /// The recording cannot begin.
    #[error("{path}: {why}", path = path.display())]
    Open {
        /// Where it was to go.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The encoder or the disk gave up in the middle.
    #[error("the recording of {path} ended: {why}", path = path.display())]
    Ended {
        /// The file.
        path: PathBuf,
        /// What they said.
        why: String,
    },
}

/// How a recording stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Pictures in the file, those that were repeated too.
    pub written: u64,
    /// Pictures that found the queue full.
    pub dropped: u64,
    /// Pictures written twice to keep the rate.
    pub repeated: u64,
}

/// Makes one picture, on the recorder's thread.
pub type Make = Box<dyn FnOnce() -> Picture + Send>;

#[derive(Default)]
struct State {
    tally: Tally,
    failed: Option<String>,
    /// Since when the encoder has been at a picture, or at the end of its file.
    at_work: Option<Instant>,
    /// The encoder's process.
    encoder: Option<u32>,
    /// The file's name, once it is whole.
    named: Option<PathBuf>,
}

/// A recording that runs.
pub struct Recorder {
    sender: Option<SyncSender<(u64, Make)>>,
    state: Arc<Mutex<State>>,
    worker: Option<Worker>,
    /// Where the file will be; it may differ from what was asked for (PNGs without ffmpeg).
    pub path: PathBuf,
    /// What was asked for.
    pub settings: Settings,
}

/// Pictures of a live recording that wait for the encoder.
const QUEUE_LIVE: usize = 8;
/// Bytes of a film's pictures that may wait, and the fewest and most pictures. Pictures come several at a time, and
/// many small ones are drawn before the encoder has come up.
const QUEUE_FILM: usize = 32 << 20;
const QUEUE_FILM_COUNTS: (usize, usize) = (32, 256);

impl Recorder {
    /// Opens the file and starts the thread.
    ///
    /// # Errors
    /// If the file cannot be written or its ending is not known.
    pub fn start(settings: Settings, board: &Board) -> Result<Self, RecorderError> {
        let opened = Sink::open(&settings, board);
        if opened.is_err() && settings.live {
            // The name was reserved for it.
            files::remove_if_empty(&settings.path);
        }
        let mut sink = opened?;
        let path = sink.path().to_owned();
        let (fewest, most) = QUEUE_FILM_COUNTS;
        let each = (settings.size[0] * settings.size[1] * 3).max(1);
        let room = if settings.live { QUEUE_LIVE } else { (QUEUE_FILM / each).clamp(fewest, most) };
        let (sender, receiver) = sync_channel(room);
        let state = Arc::new(Mutex::new(State { encoder: sink.process(), ..State::default() }));
        let (theirs, board, name) = (state.clone(), board.clone(), path.clone());
        let live = settings.live;
        let worker = Worker::start("recorder", 8 << 20, move |_| {
            let ended = write(&receiver, &mut sink, &theirs).and_then(|()| {
                lock(&theirs).at_work = Some(Instant::now());
                sink.finish()
            });
            lock(&theirs).named = Some(sink.path().to_owned());
            if let Err(why) = ended {
                // A film's caller is given the reason; a live show has only its board.
                if live {
                    board.fault("recorder", format!("the recording of {} ended: {why}", name.display()));
                }
                lock(&theirs).failed = Some(why);
            }
        });
        let worker =
            worker.map_err(|e| RecorderError::Open { path: path.clone(), why: format!("no thread for it: {e}") })?;
        Ok(Self { sender: Some(sender), state, worker: Some(worker), path, settings })
    }

    /// Offers picture number `index` of a live recording; never waits.
    pub fn offer(&self, index: u64, make: Make) {
        let Some(sender) = &self.sender else { return };
        if let Err(TrySendError::Full(_)) = sender.try_send((index, make)) {
            lock(&self.state).tally.dropped += 1;
        }
    }

    /// Hands over picture number `index` of a film, waiting for room.
    ///
    /// # Errors
    /// If the recording has ended.
    pub fn put(&self, index: u64, make: Make) -> Result<(), RecorderError> {
        let sent = self.sender.as_ref().is_some_and(|sender| sender.send((index, make)).is_ok());
        if sent { Ok(()) } else { Err(self.ended()) }
    }

    fn ended(&self) -> RecorderError {
        let why = lock(&self.state).failed.clone().unwrap_or_else(|| "its thread is gone".into());
        RecorderError::Ended { path: self.path.clone(), why }
    }

    /// How it stands.
    pub fn tally(&self) -> Tally {
        lock(&self.state).tally.clone()
    }

    /// Whether the encoder is gone.
    pub fn failed(&self) -> bool {
        lock(&self.state).failed.is_some()
    }

    /// How long the encoder has been at one picture, or at the end of its file.
    pub fn stuck(&self) -> Duration {
        lock(&self.state).at_work.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// No more pictures come: its thread ends the file.
    pub fn close(&mut self) {
        self.sender = None;
    }

    /// Whether its thread has ended.
    pub fn over(&self) -> bool {
        self.worker.as_ref().is_none_or(Worker::ended)
    }

    /// How a recording that is over went.
    ///
    /// # Errors
    /// If the encoder had ended, or could not finish the file.
    pub fn result(&self) -> Result<Tally, RecorderError> {
        if self.failed() { Err(self.ended()) } else { Ok(self.tally()) }
    }

    /// Ends the encoder at once, whatever it is doing: one that was stopped, too. What it wrote stays.
    pub fn kill(&self) {
        #[cfg(unix)]
        if let Some(number) = lock(&self.state).encoder.and_then(|n| rustix::process::Pid::from_raw(n as i32)) {
            // One that has ended meanwhile is not reaped before the recorder's thread looks, so it is no other's.
            let _ = rustix::process::kill_process(number, rustix::process::Signal::KILL);
        }
    }

    /// Goes without waiting for its thread: the process is about to end.
    pub fn leave(mut self) {
        self.sender = None;
        if let Some(worker) = self.worker.take() {
            worker.leave();
        }
    }

    /// Closes the file and waits until it is whole.
    ///
    /// # Errors
    /// If the encoder had ended, or cannot finish the file.
    pub fn finish(self) -> Result<Tally, RecorderError> {
        self.finish_as().map(|(tally, _)| tally)
    }

    /// The same, with the name that the file has: another one than at first where that was taken meanwhile.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn finish_as(mut self) -> Result<(Tally, PathBuf), RecorderError> {
        self.sender = None;
        self.worker = None;
        let tally = self.result()?;
        let named = lock(&self.state).named.take();
        Ok((tally, named.unwrap_or_else(|| self.path.clone())))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // The thread ends when the queue does, and the worker joins it.
        self.sender = None;
    }
}

/// Writes pictures until the queue ends; a missing index is filled by the picture before.
fn write(receiver: &Receiver<(u64, Make)>, sink: &mut Sink, state: &Mutex<State>) -> Result<(), String> {
    let mut next = 0;
    let mut last: Option<Picture> = None;
    loop {
        let (index, make) = match receiver.recv_timeout(Duration::from_millis(500)) {
            Ok(frame) => frame,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            // An encoder that died should be noticed even when nothing comes.
            Err(RecvTimeoutError::Timeout) => {
                sink.look()?;
                continue;
            }
        };
        lock(state).at_work = Some(Instant::now());
        let picture = caught(make).map_err(|panic| format!("a picture could not be drawn: {panic}"))?;
        while next < index {
            sink.write(last.as_ref().unwrap_or(&picture))?;
            let tally = &mut lock(state).tally;
            tally.written += 1;
            tally.repeated += 1;
            next += 1;
        }
        if index >= next {
            sink.write(&picture)?;
            lock(state).tally.written += 1;
            next = index + 1;
        }
        last = Some(picture);
        lock(state).at_work = None;
    }
}
