//! A film: the loop with a clock that counts frames, each frame waiting for its picture.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::Show;
use super::canvas::Canvas;
use super::scene::Scene;
use crate::generator::GeneratorError;
use crate::latent::pose::Pose;
use crate::latest::lock;
use crate::recorder::{Codec, Recorder, RecorderError, Settings};
use crate::report::Progress;

/// Frames whose pictures are one batch.
const BATCH: u64 = 4;

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
            let until = (done + BATCH).min(frames);
            for scene in self.film_frames(done..until, fps)? {
                let canvas = canvas.clone();
                recorder.put(done, Box::new(move || lock(&canvas).draw(&scene, size, !raw)))?;
                done += 1;
                progress.step();
            }
        }
        progress.finish();
        let path = recorder.path.clone();
        recorder.finish()?;
        Ok(Filmed { path, frames: done, interrupted: done < frames })
    }

    /// The scenes of some frames, their pictures drawn in one batch: a network draws four at once faster
    /// than one after the other.
    fn film_frames(&mut self, frames: std::ops::Range<u64>, fps: f64) -> Result<Vec<Scene>, FilmError> {
        let mut all = Pose::default();
        let mut walked = Vec::new();
        for frame in frames {
            self.film_walk(frame as f64 / fps);
            let places: Vec<usize> = self.pose.latents.iter().map(|z| place(&mut all.latents, z)).collect();
            walked.push((self.pose.clone(), places));
            self.frames += 1;
        }
        self.pose = Arc::new(all);
        self.ask();
        self.generator.wait()?;
        let scene = self.scene();
        let own = |(pose, places): (Arc<Pose>, Vec<usize>)| {
            let pictures = places.iter().filter_map(|at| scene.pictures.get(*at).cloned()).collect();
            Scene { pose, pictures: Arc::new(pictures), before: None, ..scene.clone() }
        };
        Ok(walked.into_iter().map(own).collect())
    }

    /// The walk's step of one frame at a time of its own.
    fn film_walk(&mut self, real: f64) {
        let tick = self.begin(real);
        // Ways that the frame before (or the sketch's trial) has named are measured before they are walked.
        self.collect_ways();
        while self.generator.measuring() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        self.collect_ways();
        self.walk(tick);
    }
}

/// Where a latent stands in a batch; it is added if it is not there.
fn place(batch: &mut Vec<Vec<f32>>, z: &[f32]) -> usize {
    batch.iter().position(|known| known == z).unwrap_or_else(|| {
        batch.push(z.to_vec());
        batch.len() - 1
    })
}
