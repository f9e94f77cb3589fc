//! A film: the loop with a clock that counts frames, each frame waiting for its picture.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::Show;
use super::canvas::Canvas;
use crate::generator::GeneratorError;
use crate::latest::lock;
use crate::recorder::{Codec, Recorder, RecorderError, Settings};
use crate::report::Progress;

/// What is filmed.
#[derive(Clone, Debug)]
pub struct Film {
    pub path: PathBuf,
    pub frames: u64,
    pub fps: f64,
    /// Width and height in pixels.
    pub size: [usize; 2],
    /// Only the generator's pictures, without marks.
    pub raw: bool,
    pub crf: Option<u8>,
    pub codec: Option<Codec>,
}

/// Why a film stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum FilmError {
    #[error(transparent)]
    Generator(#[from] GeneratorError),
    #[error(transparent)]
    Recorder(#[from] RecorderError),
}

/// What became of a film.
#[derive(Debug)]
pub struct Filmed {
    /// Where it is; a folder of PNGs where there is no ffmpeg.
    pub path: PathBuf,
    pub frames: u64,
    /// Whether it was interrupted; then the file holds what was filmed until then.
    pub interrupted: bool,
}

impl Show {
    /// Films from the first frame on. The same show gives the same bytes on the same device.
    ///
    /// # Errors
    /// If the generator or the encoder fails; a fault of the sketch keeps its last pose and is printed.
    pub fn film(&mut self, film: &Film) -> Result<Filmed, FilmError> {
        let Film { path, frames, fps, size, raw, crf, codec } = film.clone();
        let settings = Settings { path, size, fps, crf, codec, live: false };
        let recorder = Recorder::start(settings, &self.board)?;
        let canvas: Arc<Mutex<Canvas>> = Arc::default();
        let progress = Progress::new("frames", frames);
        let mut done = 0;
        while done < frames && !self.stop.raised() {
            self.film_frame(done as f64 / fps)?;
            let (scene, canvas) = (self.scene(), canvas.clone());
            recorder.put(done, Box::new(move || lock(&canvas).draw(&scene, size, !raw)))?;
            done += 1;
            progress.step();
        }
        progress.finish();
        let path = recorder.path.clone();
        recorder.finish()?;
        Ok(Filmed { path, frames: done, interrupted: done < frames })
    }

    /// One frame at a time of its own, its picture waited for.
    fn film_frame(&mut self, real: f64) -> Result<(), FilmError> {
        let tick = self.begin(real);
        // Ways that the frame before (or the sketch's trial) has named are measured before they are walked.
        self.collect_ways();
        while self.generator.measuring() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        self.collect_ways();
        self.walk(tick);
        self.ask();
        self.generator.wait()?;
        self.frames += 1;
        Ok(())
    }
}
