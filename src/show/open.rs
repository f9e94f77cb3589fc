//! Opening a show: from names on the command line to engines that run.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::film::Reel;
use super::hands::Hands;
use super::health::Health;
use super::lesson::{self, Lesson};
use super::library::{self, Library};
use super::output::Output;
use super::parts::parts;
use super::takes::last::{self, Last};
use super::takes::log::{Script, Start};
use super::takes::{Takes, snapshot};
use super::walk::{SAFE, Walk};
use super::{Parts, Show};
use crate::control::automation::Automation;
use crate::control::{Controls, Dial};
use crate::files;
use crate::generator::{Generator, GeneratorError, Loaded};
use crate::net::device::Wanted;
use crate::preset::{self, Filter, Fit, Preset, PresetError, Target};
use crate::recorder::{Recorder, RecorderError, Settings, names};
use crate::report::{Board, Stop};
use crate::sketch::{Complaint, history, source};
use crate::worker::rehearsed_freeze;

/// Seconds between two states that are kept, and after something was done.
const KEEP_SECS: f64 = 3.0;
const CHANGED_SECS: f64 = 0.5;

/// Values of a preset that were given on the command line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given {
    /// Beats a minute.
    pub bpm: Option<f64>,
    /// How the frame sits in a window of another shape.
    pub fit: Option<Fit>,
    /// How pictures become larger.
    pub filter: Option<Filter>,
}

impl Given {
    /// Puts them in place of the preset's.
    fn put(self, preset: &mut Preset) {
        preset.bpm = self.bpm.unwrap_or(preset.bpm);
        preset.fit = self.fit.unwrap_or(preset.fit);
        preset.filter = self.filter.unwrap_or(preset.filter);
    }
}

/// What a show is opened with; what is not given comes from the preset.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A preset or a sketch, by name or path.
    pub target: Option<String>,
    /// A preset as it stood, in place of a target.
    pub preset: Option<Preset>,
    /// A model, by name or path, in place of the preset's.
    pub model: Option<String>,
    /// What else is given in place of the preset's.
    pub given: Given,
    /// Filters behind those of the preset.
    pub then: Vec<String>,
    /// Where the generator draws.
    pub device: Wanted,
    /// Start with the built-in sketch; the one that was asked for can be loaded later.
    pub safe: bool,
    /// A show of so many frames.
    pub frames: Option<u64>,
    /// Most frames a second; 0 is as fast as it goes.
    pub fps: Option<f64>,
    /// Moves of knobs from a file.
    pub automation: Option<Automation>,
    /// A recording from the first frame on.
    pub record: Option<PathBuf>,
    /// A log of the performance from the first frame on.
    pub take: Option<PathBuf>,
    /// Write the recording and the take over files of the same names; otherwise they get the next free names.
    pub overwrite: bool,
    /// Print figures every so many seconds, and at the end.
    pub stats: Option<f64>,
    /// The trainer's program, if it is another than this one.
    pub trainer: Option<PathBuf>,
    /// Begin where the last show of this target ended.
    pub resume: bool,
    /// Without a watch on the files, without snapshots, strict about the sketch: a film.
    pub film: bool,
}

/// When the last state is kept, and where.
#[derive(Default)]
pub struct Keeping {
    /// None for a film, which leaves no state.
    path: Option<PathBuf>,
    target: String,
    /// Sketch and model as the preset of that has them.
    asked: [String; 2],
    kept: Option<f64>,
    /// What ran well before this process began.
    good: Option<Script>,
    /// The show ends, and whether in order.
    ended: Option<bool>,
}

impl Keeping {
    /// Keeps states of a show of `target` in a file; its preset asked for this sketch and this model.
    pub fn begin(&mut self, path: PathBuf, target: String, asked: [String; 2]) {
        (self.path, self.target, self.asked) = (Some(path), target, asked);
    }

    /// Whether it is to be kept now: every few seconds, and sooner after something was `changed`.
    pub fn due(&mut self, real: f64, changed: bool) -> bool {
        let pause = if changed { CHANGED_SECS } else { KEEP_SECS };
        let due = self.ended.is_some() || self.kept.is_none_or(|at| real - at >= pause);
        if due {
            self.kept = Some(real);
        }
        due && self.path.is_some()
    }

    /// The show ends.
    pub fn end(&mut self, in_order: bool) {
        self.ended = Some(in_order);
    }

    /// The state to be written, and where.
    pub fn make(&self, good: Option<Script>, ran_secs: f64, start: Start) -> (Last, PathBuf) {
        let good = good.or_else(|| self.good.clone());
        let mut last = Last::new(&self.target, good, ran_secs, start);
        last.ended = self.ended == Some(true);
        last.asked = Some(self.asked.clone());
        (last, self.path.clone().unwrap_or_default())
    }
}

/// Why a show cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such preset or sketch; with the names there are.
    #[error("{0}")]
    Target(String),
    /// The preset is wrong.
    #[error(transparent)]
    Preset(#[from] PresetError),
    /// The model or the device is not there, or does not draw.
    #[error(transparent)]
    Generator(#[from] GeneratorError),
    /// The recording cannot begin.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// The sketch does not run, and this show is strict about it.
    #[error("{0}")]
    Sketch(Box<Complaint>),
    /// The log of the take cannot begin.
    #[error("{0}")]
    Take(String),
    /// The training whose model is to be shown did not publish it.
    #[error("{0}")]
    Training(String),
    /// The system gives no thread.
    #[error("no thread can be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// The preset that was asked for, and its file; a sketch alone makes a preset of its own.
fn preset_of(options: &Options) -> Result<(Preset, Option<PathBuf>), OpenError> {
    if let Some(preset) = &options.preset {
        return Ok((preset.clone(), None));
    }
    let target = match &options.target {
        Some(name) => preset::find(name).map_err(OpenError::Target)?,
        None => match preset::find("default") {
            Ok(target) => target,
            Err(_) => return Ok((Preset::default(), None)),
        },
    };
    Ok(match target {
        Target::Preset(path) => (Preset::read(&path)?, Some(path)),
        Target::Sketch(path) => (Preset { sketch: path.to_string_lossy().into_owned(), ..Preset::default() }, None),
    })
}

impl Show {
    /// Opens a show: the model is loaded and has drawn, the sketch is compiled and has been tried.
    ///
    /// # Errors
    /// If the preset, the model or the device cannot be used. A sketch that fails is an error only for a
    /// film; a live show starts with the built-in one and says so.
    pub fn open(mut options: Options, board: &Board, stop: &Stop) -> Result<Self, OpenError> {
        let film = options.film;
        let folder = last::folder();
        // A show without a name has nothing to come back to.
        let named = !film && options.preset.is_none();
        let found = if named { last::find(&folder, options.target.as_deref()) } else { None };
        if let (Some(last), None) = (found.as_ref().filter(|_| options.resume), &options.target) {
            options.target = Some(last.target.clone()).filter(|target| !target.is_empty());
        }
        let (mut preset, preset_path) = preset_of(&options)?;
        let own = |last: &Last| last.target == options.target.as_deref().unwrap_or_default();
        options.resume |= preset.resume && found.as_ref().is_some_and(own);
        let found = found.filter(|last| options.resume || (own(last) && last.doubtful()));
        let resumed = found.as_ref().filter(|_| options.resume);
        let asked = [preset.sketch.clone(), preset.model.clone()];
        let as_before = |at: usize| resumed.is_some_and(|last| last.asked.as_ref().is_none_or(|a| a[at] == asked[at]));
        let sketch_stays = as_before(0);
        if let Some(last) = resumed.filter(|_| as_before(1)) {
            preset.model.clone_from(&last.start.preset.model);
        }
        if let Some(model) = &options.model {
            preset.model.clone_from(model);
        }
        options.given.put(&mut preset);
        preset.then.extend_from_slice(&options.then);
        let child = match film {
            true => None,
            false => lesson::ahead(&preset, options.trainer.as_ref(), board, stop).map_err(OpenError::Training)?,
        };
        let (generator, model) = Generator::start(&preset.model, options.device, board)?;
        let sketch = preset::sketch_path(&preset.sketch);
        let library = match film {
            true => Library::default(),
            false => {
                let sketch = resumed.filter(|_| sketch_stays).map_or(&sketch, |last| &last.start.script.path);
                let place = (model.folder.as_path(), &model.space);
                Library::open(sketch, preset_path.as_deref(), place, &preset.midi.mappings, board)?
            }
        };
        let mut show = Self::of_parts(&options, preset, generator, model, library, board, stop)?;
        let name = preset_path.as_ref().and_then(|p| p.file_stem()).map(|s| s.to_string_lossy().into_owned());
        show.preset_name = name.unwrap_or_default();
        if named {
            show.last.begin(last::own_path(&folder), options.target.clone().unwrap_or_default(), asked);
        }
        match found {
            Some(last) if !options.safe => show.come_back(last, options.resume, &sketch, sketch_stays)?,
            _ => show.first_sketch(&sketch, options.safe)?,
        }
        show.start = Instant::now();
        if film {
            show.output.generator().be_exact();
        } else {
            show.lesson.open(&show.preset.train, options.trainer, show.output.model(), child, board);
            show.hands.open(&show.preset, &show.output.shown(), show.health.vitals(), show.start);
            let mappings = library::mappings(&show.preset.midi.mappings, board);
            show.hands.take_mappings(&mappings, &parts!(show));
        }
        // Last, when nothing else can go wrong: these make files.
        if let Some(path) = options.take {
            if options.overwrite {
                remove(&path).map_err(|e| OpenError::Take(format!("the take cannot be written: {e}")))?;
            }
            show.log(&path).map_err(OpenError::Take)?;
        }
        if let Some(wanted) = options.record {
            let path = names::reserve(&wanted, options.overwrite)?;
            if path != wanted {
                let text = format!("{} is there already; recording {}", wanted.display(), path.display());
                board.notice("recorder", text);
            }
            let record = &show.preset.record;
            let size = record.size.map(|v| v as usize);
            let settings = Settings { path, size, fps: record.fps, crf: None, codec: None, live: true };
            show.output.recording_mut().begin(Recorder::start(settings, board)?, 0.0);
        }
        Ok(show)
    }

    fn of_parts(
        options: &Options,
        preset: Preset,
        generator: Generator,
        model: Loaded,
        library: Library,
        board: &Board,
        stop: &Stop,
    ) -> Result<Self, OpenError> {
        let film = options.film;
        let snapshots = if film { Default::default() } else { snapshot::read_all(board) };
        let takes = Takes::open(snapshots, &preset.record, board)?;
        // Where no rate is asked for, frames are late by the rate that most screens have.
        let fps = options.fps.unwrap_or(if preset.fps > 0.0 { preset.fps } else { 60.0 });
        let health = Health::new(fps, options.stats);
        model.notes.iter().for_each(|note| board.notice("parts", note.clone()));
        let mut walk = Walk::new(model.space.clone(), preset.bpm, film)?;
        walk.clock_mut().set_speed(preset.speed);
        let (stored, taken) = (library::points(&[model.space.dim], model.space.layered(), board), takes.points());
        for name in taken.keys().filter(|name| stored.contains_key(*name)) {
            let what = "a text in presets/points and a snapshot have this name, and load gives the snapshot";
            board.notice("points", format!("{name}: {what}; rename one of them"));
        }
        walk.add_points(stored);
        walk.add_points(taken);
        let mut output = Output::new(generator, model, &preset);
        output.recording_mut().set_board(board);
        Ok(Self {
            controls: controls_of(&preset, film),
            hands: Hands::new(board),
            lesson: Lesson::default(),
            film: Reel::new(film),
            last: Keeping::default(),
            changed: false,
            failed: None,
            freeze: rehearsed_freeze().filter(|_| !film),
            preset_name: String::new(),
            board: board.clone(),
            stop: stop.clone(),
            start: Instant::now(),
            real: 0.0,
            frames: 0,
            most_frames: options.frames,
            closed: false,
            automation: options.automation.clone(),
            preset,
            library,
            health,
            output,
            walk,
            takes,
        })
    }

    fn first_sketch(&mut self, path: &Path, safe: bool) -> Result<(), OpenError> {
        let live = self.film.live();
        let crashed = if live { history::crashed(path) } else { Vec::new() };
        if let Some(was) = crashed.last() {
            let how = if safe { "the built-in sketch runs instead" } else { "--safe starts without it" };
            self.board.notice("crash", format!("the last show ended without closing while {was} ran; {how}"));
        }
        let refused = match safe {
            true => None,
            false => match source(path).and_then(|text| self.walk.take_now(path, text, &self.controls)) {
                Ok(note) => {
                    note.into_iter().for_each(|note| self.board.notice("sketch", note));
                    return Ok(());
                }
                Err(complaint) => Some(complaint),
            },
        };
        if let Some(complaint) = refused {
            if !live {
                return Err(OpenError::Sketch(complaint));
            }
            self.board.fault("sketch", complaint.to_string());
            self.walk.refuse(complaint);
        }
        self.built_in()
    }

    /// The sketch of last resort.
    fn built_in(&mut self) -> Result<(), OpenError> {
        let built_in = self.walk.take_now(Path::new("built-in.rn"), SAFE.into(), &self.controls);
        built_in.map(drop).map_err(OpenError::Sketch)
    }

    /// Begins where a show before this one ended; `all` of it, or only with the version of the sketch that is known to
    /// run. The sketch `stays` unless the preset names another one since.
    fn come_back(&mut self, last: Last, all: bool, sketch: &Path, stays: bool) -> Result<(), OpenError> {
        let (script, doubtful) = last.script();
        self.last.good.clone_from(&last.good);
        let Start { script: at_work, state, drawn, controls, fades, mix, tick, held, .. } = last.start;
        // The built-in sketch is in no doubt.
        if doubtful && at_work.text != SAFE {
            self.walk.distrust(&at_work.text);
            let path = at_work.path.display();
            let with = if script.is_some() { "the version before" } else { "the built-in sketch" };
            let text = format!("the last show ended within a minute of a new version of {path}, so {with} runs");
            self.board.notice("crash", format!("{text}; that version is not run again until it changes"));
        }
        if all {
            *self.output.fades_mut() = fades;
            self.output.set_mix(mix);
            self.controls = controls;
            let [_, secs, _, beat, bpm] = tick;
            let clock = self.walk.clock_mut();
            clock.set_tempo(bpm);
            clock.set_time(secs, beat);
            clock.hold(held);
        }
        // Without its state a sketch that was edited since is the file's, unless the file is what is in doubt.
        let edited = source(sketch).is_ok_and(|text| text != at_work.text && !all);
        if edited || (all && !stays) {
            return self.first_sketch(sketch, false);
        }
        let Some(script) = script else { return self.built_in() };
        if self.walk.take_now(&script.path, script.text, &self.controls).is_err() {
            return self.first_sketch(sketch, false);
        }
        if all {
            self.walk.set_drawn(drawn);
            if let Some(state) = state.filter(|_| !doubtful) {
                self.walk.set_state(state);
            }
            self.board.notice("resumed", format!("goes on where the show before it was, {secs}", secs = ago(last.at)));
        }
        Ok(())
    }
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> Result<(), files::FileError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => files::at(path, Err(error)),
        _ => Ok(()),
    }
}

/// How long ago a second since 1970 was, in words.
fn ago(at: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match now.saturating_sub(at) {
        secs @ 0..=119 => format!("{secs} s ago"),
        secs @ 120..=7199 => format!("{} minutes ago", secs / 60),
        secs => format!("{} hours ago", secs / 3600),
    }
}

/// Hands as a preset has them at the start.
fn controls_of(preset: &Preset, film: bool) -> Controls {
    let mut controls = Controls::default();
    for (name, value) in &preset.knobs {
        controls.set(name, *value);
    }
    for (name, value) in &preset.classes {
        controls.set_class(name, *value, Some(0.0));
    }
    controls.glide(0.0);
    if film {
        controls.set_smoothing(0.0);
    }
    controls.set_dial(Dial::Speed, preset.speed, Some(0.0));
    controls
}
