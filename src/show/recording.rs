//! The live recording of a show: constant rate, composed and encoded elsewhere, never in the way.

use std::sync::{Arc, Mutex};

use crate::latest::{Latest, lock};
use crate::picture::canvas::Canvas;
use crate::picture::scene::Scene;
use crate::preset::Record;
use crate::recorder::names::{TAKE, reserve, stamped};
use crate::recorder::{Recorder, RecorderError, Settings, Tally};
use crate::report::Board;
use crate::worker::Chores;

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
    /// A recorder that was opened elsewhere.
    opened: Latest<Result<Recorder, RecorderError>>,
    opening: bool,
}

impl Recording {
    /// Begins with a recorder that is open already.
    pub fn begin(&mut self, recorder: Recorder, real: f64) {
        self.running = Some(Running { recorder, canvas: Arc::default(), since: real, due: 0 });
    }

    /// Starts or ends a recording in the preset's folder.
    pub fn toggle(&mut self, record: &Record, chores: &Chores, board: &Board) {
        if self.running.is_some() {
            return self.end(chores, board);
        }
        if std::mem::replace(&mut self.opening, true) {
            return;
        }
        let (record, opened, said) = (record.clone(), self.opened.clone(), board.clone());
        let given = chores.give(move || {
            let started = reserve(&stamped(&record.place(), TAKE, "mkv"), false).and_then(|path| {
                let size = record.size.map(|v| v as usize);
                let settings = Settings { path, size, fps: record.fps, crf: None, codec: None, live: true };
                Recorder::start(settings, &said)
            });
            opened.put(started);
        });
        if !given {
            self.opening = false;
            board.fault("recorder", "the disk is busy; try again");
        }
    }

    /// Offers the frame as often as the rate wants it.
    pub fn frame(&mut self, real: f64, scene: &Scene, board: &Board) {
        match self.opened.take() {
            Some(Ok(recorder)) => {
                board.notice("recorder", format!("recording {}", recorder.path.display()));
                self.opening = false;
                self.begin(recorder, real);
            }
            Some(Err(error)) => {
                self.opening = false;
                board.fault("recorder", error.to_string());
            }
            None => {}
        }
        let Some(running) = &mut self.running else { return };
        if running.recorder.failed() {
            // The recorder has reported why.
            self.running = None;
            return;
        }
        let Running { recorder, canvas, since, due } = running;
        let index = ((real - *since) * recorder.settings.fps + 1e-6).floor().max(0.0) as u64;
        if index >= *due {
            *due = index + 1;
            let (scene, canvas, size) = (scene.clone(), canvas.clone(), recorder.settings.size);
            recorder.offer(index, Box::new(move || lock(&canvas).draw(&scene, size, true)));
        }
    }

    /// Ends the recording; the file is finished elsewhere.
    pub fn end(&mut self, chores: &Chores, board: &Board) {
        let Some(Running { recorder, .. }) = self.running.take() else { return };
        let board = board.clone();
        let path = recorder.path.clone();
        chores.give(move || {
            // What went wrong has been reported by the recorder's thread.
            if let Ok(Tally { written, dropped, repeated }) = recorder.finish() {
                let counts = format!("{written} frames, {dropped} dropped, {repeated} repeated");
                board.notice("recorder", format!("wrote {} ({counts})", path.display()));
            }
        });
    }

    /// File, seconds, dropped and repeated frames.
    pub fn state(&self, real: f64) -> Option<(std::path::PathBuf, f64, u64, u64)> {
        let running = self.running.as_ref()?;
        let Tally { dropped, repeated, .. } = running.recorder.tally();
        Some((running.recorder.path.clone(), real - running.since, dropped, repeated))
    }
}
