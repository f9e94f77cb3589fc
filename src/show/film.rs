//! A film: the loop with a clock that counts frames, each frame waiting for its picture.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Show;
use super::lights::Lights;
use crate::clock::Tick;
use crate::generator::GeneratorError;
use crate::latent::pose::Pose;
use crate::latest::lock;
use crate::picture::canvas::Canvas;
use crate::picture::scene::Scene;
use crate::recorder::{Codec, Recorder, RecorderError, Settings};
use crate::report::{Progress, Weight};

/// Longest wait for another model.
const PATIENCE: Duration = Duration::from_secs(120);
/// Frames whose pictures are one batch; more of small ones, whose batches end often: at each end a thread may wait.
const BATCH: u64 = 8;
const BATCH_SMALL: u64 = 16;
/// Pixels of a small picture.
const SMALL: usize = 256 * 256;

/// Frames that were walked: the pose of each, where its latents stand among those of all, and the lights over it.
type Batch = Vec<(Arc<Pose>, Vec<usize>, Lights)>;

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
        let (mut walked, mut done) = (0, 0);
        let mut drawing: Option<Batch> = None;
        loop {
            // A batch is drawn with one blend of weights. A take may ask for pictures of its own or change the model
            // while it is walked on, a course changes weights: there nothing else is being drawn meanwhile.
            let learns = self.course.is_some() || self.playing.as_ref().is_some_and(|take| take.learns);
            let mut drawn = match learns || self.playing.is_some() {
                true => self.film_drawn(drawing.take())?,
                false => Vec::new(),
            };
            let next = (walked < frames && !self.stop.raised()).then(|| {
                let from = walked;
                let [height, width] = self.model.size;
                let many = if height * width <= SMALL { BATCH_SMALL } else { BATCH };
                walked = (from + if learns { 1 } else { many }).min(frames);
                self.film_batch(from..walked, fps)
            });
            drawn.extend(self.film_drawn(drawing.take())?);
            drawing = next.map(|(pose, batch)| {
                self.pose = pose;
                self.ask();
                batch
            });
            if drawn.is_empty() && drawing.is_none() {
                break;
            }
            for scene in drawn {
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

    /// Walks some frames; gives what is to be drawn for all of them at once, each latent only once: a network draws
    /// several together faster than one after the other.
    fn film_batch(&mut self, frames: std::ops::Range<u64>, fps: f64) -> (Arc<Pose>, Batch) {
        let mut all = Pose::default();
        let mut batch = Batch::new();
        for frame in frames {
            let lights = self.film_walk(frame as f64 / fps);
            let places = self.pose.latents.iter().map(|z| all.place_of(z.clone())).collect();
            batch.push((self.pose.clone(), places, lights));
            self.frames += 1;
        }
        (Arc::new(all), batch)
    }

    /// The scenes of a batch that was asked for, when its pictures are there.
    fn film_drawn(&mut self, batch: Option<Batch>) -> Result<Vec<Scene>, FilmError> {
        let Some(batch) = batch else { return Ok(Vec::new()) };
        self.generator.wait()?;
        let scene = self.unlit();
        let own = |(pose, places, lights): (Arc<Pose>, Vec<usize>, Lights)| {
            let pictures = places.iter().filter_map(|at| scene.pictures.get(*at).cloned()).collect();
            let mut scene = Scene { pose, pictures: Arc::new(pictures), before: None, ..scene.clone() };
            lights.shine(&mut scene);
            scene
        };
        Ok(batch.into_iter().map(own).collect())
    }

    /// The walk's step of one frame at a time of its own; gives the lights over it.
    fn film_walk(&mut self, real: f64) -> Lights {
        if let Some(lights) = self.play_on(real) {
            return lights;
        }
        let tick = self.begin(real);
        self.follow_course(real);
        self.walk_measured(tick);
        self.gaze();
        self.lights.clone()
    }

    /// A walk that waits for the ways which the frame before (or the sketch's trial) has named to be measured.
    pub(super) fn walk_measured(&mut self, tick: Tick) {
        self.collect_ways();
        // Where a device does not answer the wait for its pictures is the one that ends the film.
        if let Err(error) = self.generator.wait_measured() {
            self.board.fault("generator", error.to_string());
        }
        self.collect_ways();
        self.walk(tick);
    }

    /// Another model, at once: a film waits for it.
    pub(super) fn load_now(&mut self, name: &str, fingerprint: &str) {
        self.generator.load(name);
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(loaded) = self.generator.loaded() {
                if loaded.fingerprint != fingerprint {
                    self.board.notice("take", format!("the weights of {name} are others than they were"));
                }
                return self.take_model(loaded);
            }
            if self.board.of("model").is_some_and(|line| line.weight == Weight::Fault) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
}
