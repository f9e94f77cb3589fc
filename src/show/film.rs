//! A film: the loop with a clock that counts frames, each frame waiting for its picture.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::fades::Fades;
use super::lesson::Around;
use super::lesson::history::Course;
use super::parts::around;
use super::takes::log::{Line, Script, Start, Time, Wanted, Weights};
use super::takes::replay::{Take, TakeError};
use super::walk::Steps;
use super::{Show, acts};
use crate::clock::Tick;
use crate::files;
use crate::generator::GeneratorError;
use crate::generator::critic::CriticScore;
use crate::latent::pose::Pose;
use crate::latest::lock;
use crate::picture::canvas::Canvas;
use crate::picture::scene::Scene;
use crate::recorder::{Codec, Recorder, RecorderError, Settings};
use crate::report::{Progress, Weight};
use crate::sketch::Complaint;

/// Longest wait for another model.
const PATIENCE: Duration = Duration::from_secs(120);
/// Frames whose pictures are one batch; more of small ones, whose batches end often: at each end a thread may wait.
const BATCH: u64 = 8;
const BATCH_SMALL: u64 = 16;
/// Pixels of a small picture.
const SMALL: usize = 256 * 256;

/// Frames that were walked: the pose of each, where its latents stand among those of all, and what lies over it.
type Batch = Vec<(Arc<Pose>, Vec<usize>, Fades)>;

/// What is filmed.
#[derive(Clone, Debug)]
pub struct Film {
    /// The file whose ending names the container, or a folder for PNGs.
    pub path: PathBuf,
    /// Frames of the film.
    pub frames: u64,
    /// Frames a second.
    pub fps: f64,
    /// Width and height in pixels.
    pub size: [usize; 2],
    /// Only the generator's pictures, without marks.
    pub raw: bool,
    /// Quality of the encoder, 0 (lossless or best) to 51 or 63; each codec has its default.
    pub crf: Option<u8>,
    /// The codec; none for the usual one of the container.
    pub codec: Option<Codec>,
}

/// Why a film stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum FilmError {
    /// The generator gave no picture.
    #[error(transparent)]
    Generator(#[from] GeneratorError),
    /// The film cannot be written.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// The sketch gave no pose.
    #[error("{0}")]
    Sketch(Box<Complaint>),
}

/// What became of a film.
#[derive(Debug)]
pub struct Filmed {
    /// Where it is; a folder of PNGs where there is no ffmpeg.
    pub path: PathBuf,
    /// Frames in it.
    pub frames: u64,
    /// Whether it was interrupted; then the file holds what was filmed until then.
    pub interrupted: bool,
    /// Frames in which something was wrong with the sketch.
    pub faults: u64,
}

/// What is filmed beside a sketch: a performance, or a training.
#[derive(Default)]
pub struct Reel {
    film: bool,
    /// A performance that is played again, and whether one is.
    playing: Option<Take>,
    again: bool,
    /// A film of a training.
    course: Option<Course>,
}

impl Reel {
    /// Of a film, or of a live show.
    pub fn new(film: bool) -> Self {
        Self { film, ..Self::default() }
    }

    /// Whether the show is live.
    pub fn live(&self) -> bool {
        !self.film
    }

    /// Whether a performance is played again.
    pub fn again(&self) -> bool {
        self.again
    }

    /// Whether weights change from frame to frame, so that no two are one batch.
    fn learns(&self) -> bool {
        self.course.is_some() || self.playing.as_ref().is_some_and(Take::learns)
    }
}

/// Filming.
impl Show {
    /// Films from the first frame on. The same show gives the same bytes on the same device.
    ///
    /// # Errors
    /// If the generator or the encoder fails, or the sketch does not come back; another fault of the sketch keeps its
    /// last pose and is counted.
    pub fn film(&mut self, film: &Film) -> Result<Filmed, FilmError> {
        let Film { path, frames, fps, size, raw, crf, codec } = film.clone();
        let settings = Settings { path, size, fps, crf, codec, live: false };
        let recorder = Recorder::start(settings, &self.board)?;
        let canvas: Arc<Mutex<Canvas>> = Arc::default();
        let progress = Progress::new("frames", frames);
        let (mut walked, mut done, mut faults) = (0, 0, 0);
        let mut drawing: Option<Batch> = None;
        loop {
            // A batch is drawn with one blend of weights. A take may ask for pictures of its own or change the model
            // while it is walked on, a course changes weights: there nothing else is being drawn meanwhile.
            let learns = self.film.learns();
            let mut drawn = match learns || self.film.playing.is_some() {
                true => self.film_drawn(drawing.take())?,
                false => Vec::new(),
            };
            let next = if walked < frames && !self.stop.raised() {
                let from = walked;
                let [height, width] = self.output.model().size;
                let many = match () {
                    // How much is seen of a filter may be another in each frame.
                    () if !self.preset.then.is_empty() => 1,
                    () if height * width <= SMALL => BATCH_SMALL,
                    () => BATCH,
                };
                walked = (from + if learns { 1 } else { many }).min(frames);
                Some(self.film_batch(from..walked, fps, &mut faults)?)
            } else {
                None
            };
            drawn.extend(self.film_drawn(drawing.take())?);
            drawing = next.map(|(pose, batch)| {
                self.walk.set_pose(pose);
                self.ask();
                batch
            });
            if drawn.is_empty() && drawing.is_none() {
                break;
            }
            for (scene, limits) in drawn {
                let scene = self.output.limit(scene, limits, done as f64 / fps);
                let canvas = canvas.clone();
                recorder.put(done, Box::new(move || lock(&canvas).draw(&scene, size, !raw)))?;
                done += 1;
                progress.step();
            }
        }
        progress.finish();
        if let Some(text) = self.unknown_knob() {
            self.board.notice("knobs", text);
        }
        let (_, path) = recorder.finish_as()?;
        Ok(Filmed { path, frames: done, interrupted: done < frames, faults })
    }

    /// What is moved by a file and is no knob or trigger of the sketch, in a sentence.
    fn unknown_knob(&self) -> Option<String> {
        let moves = self.automation.as_ref()?;
        let knobs: Vec<String> = self.controls.asked().into_iter().map(|knob| knob.name).collect();
        let triggers = self.controls.triggers();
        let ((name, meant), kind, asked) = match moves.stranger(&knobs) {
            Some(found) => (found, "knob", &knobs[..]),
            None => (moves.strange_trigger(triggers)?, "trigger", triggers),
        };
        let meant = meant.map_or(".".to_owned(), |known| format!("; did you mean {known}?"));
        let asked = if asked.is_empty() { "none".to_owned() } else { asked.join(", ") };
        Some(format!("the sketch has no {kind} \"{name}\", so moving it did nothing{meant} It has: {asked}"))
    }

    /// Walks some frames; gives what is to be drawn for all of them at once, each latent only once: a network draws
    /// several together faster than one after the other.
    fn film_batch(
        &mut self,
        frames: std::ops::Range<u64>,
        fps: f64,
        faults: &mut u64,
    ) -> Result<(Arc<Pose>, Batch), FilmError> {
        let mut all = Pose::default();
        let mut batch = Batch::new();
        for frame in frames {
            let fades = self.film_walk(frame as f64 / fps)?;
            *faults += u64::from(self.walk.complaint().is_some());
            let pose = self.walk.pose().clone();
            // Frames of two models are not in one batch: a take that goes on to another has one frame in each.
            all.model = pose.model;
            let places = (0..pose.latents.len()).map(|at| all.place_of(pose.point(at))).collect();
            batch.push((pose, places, fades));
            self.frames += 1;
        }
        Ok((Arc::new(all), batch))
    }

    /// The scenes of a batch that was asked for, when its pictures are there, and whether their flashes are limited.
    fn film_drawn(&mut self, batch: Option<Batch>) -> Result<Vec<(Scene, bool)>, FilmError> {
        let Some(batch) = batch else { return Ok(Vec::new()) };
        self.output.generator().wait()?;
        let scene = self.output.unlit(self.real);
        let own = |(pose, places, fades): (Arc<Pose>, Vec<usize>, Fades)| {
            let pictures = places.iter().filter_map(|at| scene.pictures.get(*at).cloned()).collect();
            let mut scene = Scene { pose, pictures: Arc::new(pictures), before: None, ..scene.clone() };
            fades.shine(&mut scene);
            (scene, fades.limits())
        };
        Ok(batch.into_iter().map(own).collect())
    }

    /// The walk's step of one frame at a time of its own; gives what lies over it.
    fn film_walk(&mut self, real: f64) -> Result<Fades, FilmError> {
        if let Some(fades) = self.play_on(real)? {
            return Ok(fades);
        }
        let tick = self.listen(real);
        if let Some(course) = &mut self.film.course {
            course.follow(real, &mut self.output, &mut self.lesson, &self.board);
        }
        self.walk_measured(tick, Steps::USUAL)?;
        self.lesson.look_on(&mut around!(self));
        Ok(self.output.fades().clone())
    }

    /// A walk that waits for the ways which the frame before (or the sketch's trial) has named to be measured.
    fn walk_measured(&mut self, tick: Tick, steps: Steps) -> Result<(), FilmError> {
        self.after_walk();
        // Where a device does not answer the wait for its pictures is the one that ends the film.
        if let Err(error) = self.output.generator().wait_measured() {
            self.board.fault("generator", error.to_string());
        }
        self.after_walk();
        let walked = match steps {
            Steps::USUAL => {
                self.walk.ask(tick, &mut self.controls, self.real);
                self.walk.collect(Duration::ZERO, &mut self.controls, self.real)
            }
            steps => self.walk.again(steps, tick, &mut self.controls, self.real),
        };
        self.after_walk();
        walked.map_err(FilmError::Sketch)
    }

    /// Makes the film one of the model's training, over `secs` seconds; gives how many states it goes through.
    ///
    /// # Errors
    /// If the model has no history of at least two states, with how one comes about.
    pub fn show_history(&mut self, secs: f64) -> Result<usize, String> {
        let course = Course::of(self.output.model(), secs)?;
        let count = course.len();
        self.film.course = Some(course);
        Ok(count)
    }

    /// Another model, at once: a film waits for it.
    fn load_now(&mut self, name: &str, fingerprint: &str) {
        self.output.load(name);
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(loaded) = self.output.generator().loaded() {
                if loaded.fingerprint != fingerprint {
                    self.board.notice("take", format!("the weights of {name} are others than they were"));
                }
                return self.take_model(loaded);
            }
            if self.board.of("model").is_some_and(|line| line.weight == Weight::Fault) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A performance played again.
impl Show {
    /// Begins the log of a take, in the file of that name or of the next free one, which is said.
    ///
    /// # Errors
    /// If no file can be made there, or no sketch runs.
    pub fn log(&mut self, wanted: &Path) -> Result<(), String> {
        let (file, path) = files::create_free(wanted).map_err(|e| format!("the take cannot be written: {e}"))?;
        if path != wanted {
            let text = format!("{} is there already; logging {}", wanted.display(), path.display());
            self.board.notice("take", text);
        }
        acts::begin_log(self, Wanted::Made(file, path))
    }

    /// Sets everything up as it stood when the take began. The show was opened with its preset and model.
    ///
    /// # Errors
    /// If the weights are others than then (unless `any` will do), or its sketch does not run.
    pub fn begin_take(&mut self, take: Take, any: bool) -> Result<(), TakeError> {
        let Start { weights, script, .. } = &take.start;
        let here = &self.output.model().fingerprint;
        if !any && weights.fingerprint != *here {
            let (name, was, is) = (weights.name.clone(), weights.fingerprint.clone(), here.clone());
            return Err(TakeError::Weights { name, was, is });
        }
        let Start { controls, fades, snapshots, state, drawn, mix, morph, tick, before, learnt, .. } =
            take.start.clone();
        let (script, weights) = (script.clone(), weights.clone());
        if let Some(before) = before.filter(|_| mix < 1.0) {
            self.load_now(&before.name, &before.fingerprint);
            self.load_now(&self.preset.model.clone(), &weights.fingerprint);
        }
        *self.output.fades_mut() = fades;
        self.output.set_mix(mix);
        self.takes.set_snapshots(snapshots);
        self.takes.be_silent();
        self.walk.add_points(self.takes.points());
        self.walk.set_morph(morph);
        let [real, secs, dt, beat, bpm] = tick;
        self.walk.clock_mut().replay(Tick { frame: 0, secs, dt, real_dt: 0.0, beat, bpm }, real);
        self.put_on(&script).map_err(|complaint| TakeError::Sketch(complaint.to_string()))?;
        self.controls = controls;
        self.walk.set_drawn(drawn);
        if let Some(state) = state {
            self.walk.set_state(state);
        }
        self.film.playing = Some(take);
        self.film.again = true;
        if let Some(learnt) = learnt {
            self.lesson.stand(learnt, &mut around!(self));
        }
        Ok(())
    }

    /// A version of the log takes over.
    fn put_on(&mut self, script: &Script) -> Result<(), Box<Complaint>> {
        self.walk.take_now(&script.path, script.text.clone(), &self.controls)?;
        if self.walk.program().is_some_and(|program| program.fingerprint != script.fingerprint) {
            let path = script.path.display();
            self.board.notice("take", format!("what {path} imports has changed since; the film may differ"));
        }
        Ok(())
    }

    /// Walks the take on to `secs` after its beginning and lays the pose of that moment ready: the one that was
    /// walked then, or between two frames one between theirs. Gives what lay over that moment.
    fn play_on(&mut self, secs: f64) -> Result<Option<Fades>, FilmError> {
        let Some(mut take) = self.film.playing.take() else { return Ok(None) };
        let due = take.due(secs);
        // What was drawn for the film since is a batch of several frames.
        if let Some((pose, ..)) = take.last() {
            self.walk.set_pose(pose.clone());
        }
        while let Some((moves, time, frame)) = take.next(due) {
            self.replay(moves, time, frame)?;
            take.walked((self.walk.pose().clone(), self.output.fades().clone(), time[0]));
        }
        let shown = take.at(due);
        self.film.playing = Some(take);
        Ok(shown.map(|(pose, fades)| {
            self.walk.set_pose(pose);
            fades
        }))
    }

    /// The first latent of the frame that was walked last.
    pub fn walked_z(&self) -> Vec<f32> {
        let walked = self.film.playing.as_ref().and_then(Take::last);
        walked.and_then(|(pose, ..)| pose.latents.first().cloned()).unwrap_or_default()
    }

    /// One frame as it was.
    fn replay(&mut self, moves: Vec<Line>, [real, secs, dt, beat, bpm]: Time, frame: u64) -> Result<(), FilmError> {
        let real_dt = (real - self.walk.clock().real()).max(0.0);
        let mut later = Vec::new();
        for line in moves {
            match line {
                Line::Act(act, hand, at) => {
                    self.real = at;
                    self.act_by(act, &hand);
                }
                other => later.push(other),
            }
        }
        self.real = real;
        let tick = Tick { frame, secs, dt, real_dt, beat, bpm };
        self.walk.clock_mut().replay(tick, real);
        self.turn(real_dt);
        let (mut weights, mut steps) = (None, Steps::USUAL);
        for line in later {
            match line {
                // One that does not run leaves the one before, as it did on stage.
                Line::Script(script) => {
                    if let Err(complaint) = self.put_on(&script) {
                        self.walk.refuse(complaint);
                    }
                }
                Line::Preset(preset) => acts::take_preset(self, *preset),
                Line::Weights(found) => weights = Some(found),
                Line::Learnt(learnt) => self.lesson.glide_again(learnt, &mut around!(self)),
                Line::Critic(score, gradient) => {
                    self.lesson.take_critic(&CriticScore { score, gradient }, &mut around!(self));
                }
                Line::Steps(had) => steps = had,
                Line::Act(..) | Line::T(_) => {}
            }
        }
        self.walk_measured(tick, steps)?;
        if let Some(Weights { name, fingerprint }) = weights {
            self.load_now(&name, &fingerprint);
        }
        Ok(())
    }
}
