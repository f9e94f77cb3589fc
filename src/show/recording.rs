//! The live recording of a show: constant rate, composed and encoded elsewhere, never in the way.
//!
//! Opened by a chore, ended by its own thread: an encoder that stalls holds up nobody. One that takes no picture for
//! [`STALLED`] is ended, and what it wrote until then can be played.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::latest::{Latest, lock};
use crate::picture::canvas::Canvas;
use crate::picture::scene::Scene;
use crate::preset::Record;
use crate::recorder::names::{TAKE, reserve, stamped};
use crate::recorder::{Recorder, RecorderError, Settings, Tally};
use crate::report::Board;
use crate::worker::Chores;

/// How long an encoder may take over one picture, and over the end of its file.
const STALLED: Duration = Duration::from_secs(10);

struct Running {
    recorder: Recorder,
    canvas: Arc<Mutex<Canvas>>,
    /// Real time of the first picture, and how many are due so far.
    since: f64,
    due: u64,
}

/// Whether, and what, is being recorded.
#[derive(Default)]
pub struct Recording {
    running: Option<Running>,
    /// Recordings that are ending, and since when.
    ending: Vec<(Recorder, Instant)>,
    /// A recorder that was opened elsewhere.
    opened: Latest<Result<Recorder, RecorderError>>,
    opening: bool,
    board: Board,
}

impl Recording {
    /// Tells this board.
    pub fn set_board(&mut self, board: &Board) {
        self.board = board.clone();
    }

    /// Begins with a recorder that is open already.
    pub fn begin(&mut self, recorder: Recorder, real: f64) {
        self.running = Some(Running { recorder, canvas: Arc::default(), since: real, due: 0 });
    }

    /// Whether a recording runs or is being opened.
    pub fn on(&self) -> bool {
        self.running.is_some() || self.opening
    }

    /// Starts a recording in the preset's folder.
    pub fn open(&mut self, record: &Record, chores: &Chores) {
        if self.on() {
            return;
        }
        let (record, opened, said) = (record.clone(), self.opened.clone(), self.board.clone());
        self.opening = chores.give(move || {
            let started = reserve(&stamped(&record.place(), TAKE, "mkv"), false).and_then(|path| {
                let size = record.size.map(|v| v as usize);
                let settings = Settings { path, size, fps: record.fps, crf: None, codec: None, live: true };
                Recorder::start(settings, &said)
            });
            opened.put(started);
        });
        if !self.opening {
            self.board.fault("recorder", "the disk is busy; try again");
        }
    }

    /// Offers the frame as often as the rate wants it.
    pub fn frame(&mut self, real: f64, scene: &Scene) {
        match self.opened.take() {
            Some(Ok(recorder)) => {
                self.board.notice("recorder", format!("recording {}", recorder.path.display()));
                self.opening = false;
                self.begin(recorder, real);
            }
            Some(Err(error)) => {
                self.opening = false;
                self.board.fault("recorder", error.to_string());
            }
            None => {}
        }
        self.look();
        let Some(running) = &mut self.running else { return };
        let Running { recorder, canvas, since, due } = running;
        let index = ((real - *since) * recorder.settings.fps + 1e-6).floor().max(0.0) as u64;
        if index >= *due {
            *due = index + 1;
            let (scene, canvas, size) = (scene.clone(), canvas.clone(), recorder.settings.size);
            recorder.offer(index, Box::new(move || lock(&canvas).draw(&scene, size, true)));
        }
    }

    /// Looks at the encoder of the running recording, and at those that are ending.
    fn look(&mut self) {
        if let Some(Running { recorder, .. }) = &self.running {
            if recorder.failed() {
                // The recorder has reported why.
                self.running = None;
            } else if recorder.stuck() > STALLED {
                let secs = STALLED.as_secs();
                let text = format!("the encoder has taken no picture for {secs} s, so the recording ends");
                self.board.fault("recorder", format!("{text}; {} can be played", recorder.path.display()));
                recorder.kill();
                self.end();
            }
        }
        self.ending.retain_mut(|(recorder, since)| {
            if since.elapsed() > STALLED {
                recorder.kill();
            }
            if !recorder.over() {
                return true;
            }
            // What went wrong has been reported by the recorder's thread.
            if let Ok(Tally { written, dropped, repeated }) = recorder.result() {
                let counts = format!("{written} frames, {dropped} dropped, {repeated} repeated");
                self.board.notice("recorder", format!("wrote {} ({counts})", recorder.path.display()));
            }
            false
        });
    }

    /// Ends the recording; the file is finished elsewhere.
    pub fn end(&mut self) {
        if let Some(Running { mut recorder, .. }) = self.running.take() {
            recorder.close();
            self.ending.push((recorder, Instant::now()));
        }
    }

    /// Ends the recording and waits until its file is whole, at most `patience`; then the encoder is ended.
    pub fn finish(&mut self, patience: Duration) {
        self.end();
        let start = Instant::now();
        loop {
            self.look();
            if self.ending.is_empty() {
                return;
            }
            if start.elapsed() > patience {
                self.ending.iter().for_each(|(recorder, _)| recorder.kill());
                if start.elapsed() > patience + Duration::from_secs(1) {
                    return std::mem::take(&mut self.ending).into_iter().for_each(|(recorder, _)| recorder.leave());
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// File, seconds, dropped and repeated frames.
    pub fn state(&self, real: f64) -> Option<(PathBuf, f64, u64, u64)> {
        let running = self.running.as_ref()?;
        let Tally { dropped, repeated, .. } = running.recorder.tally();
        Some((running.recorder.path.clone(), real - running.since, dropped, repeated))
    }
}
