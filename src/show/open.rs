//! Opening a show: from names on the command line to engines that run.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::film::Reel;
use super::hands::Hands;
use super::health::Health;
use super::lesson::{self, Lesson};
use super::library::{self, Library};
use super::output::Output;
use super::takes::{Takes, mark, snapshot};
use super::walk::{SAFE, Walk};
use super::{Parts, Show, parts};
use crate::control::automation::Automation;
use crate::control::{Controls, Dial};
use crate::generator::{Generator, GeneratorError};
use crate::net::device::Wanted;
use crate::preset::{self, Preset, PresetError, Target};
use crate::recorder::{Recorder, RecorderError, Settings};
use crate::report::{Board, Stop};
use crate::sketch::{Complaint, source};

/// What a show is opened with; what is not given comes from the preset.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A preset or a sketch, by name or path.
    pub target: Option<String>,
    /// A preset as it stood, in place of a target.
    pub preset: Option<Preset>,
    pub model: Option<String>,
    pub device: Wanted,
    /// Start with the built-in sketch; the one that was asked for can be loaded later.
    pub safe: bool,
    /// A show of so many frames.
    pub frames: Option<u64>,
    /// Most frames a second; 0 is as fast as it goes.
    pub fps: Option<f64>,
    pub automation: Option<Automation>,
    /// A recording from the first frame on.
    pub record: Option<PathBuf>,
    /// A log of the performance from the first frame on.
    pub take: Option<PathBuf>,
    /// Print figures every so many seconds, and at the end.
    pub stats: Option<f64>,
    /// The trainer's program, if it is another than this one.
    pub trainer: Option<PathBuf>,
    /// Without a watch on the files, without snapshots, strict about the sketch: a film.
    pub film: bool,
}

/// Why a show cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{0}")]
    Target(String),
    #[error(transparent)]
    Preset(#[from] PresetError),
    #[error(transparent)]
    Generator(#[from] GeneratorError),
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    #[error("{0}")]
    Sketch(Box<Complaint>),
    #[error("{0}")]
    Take(String),
    #[error("{0}")]
    Training(String),
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
    pub fn open(options: Options, board: &Board, stop: &Stop) -> Result<Self, OpenError> {
        let (mut preset, preset_path) = preset_of(&options)?;
        if let Some(model) = &options.model {
            preset.model.clone_from(model);
        }
        let film = options.film;
        let child = match film {
            true => None,
            false => lesson::ahead(&preset, options.trainer.as_ref(), board, stop).map_err(OpenError::Training)?,
        };
        let (generator, model) = Generator::start(&preset.model, options.device, board)?;
        let sketch = preset::sketch_path(&preset.sketch);
        let library = match film {
            true => Library::default(),
            false => {
                let (folder, dim) = (model.folder.as_path(), model.z_dim);
                Library::open(&sketch, preset_path.as_deref(), (folder, dim), &preset.midi.mappings, board)?
            }
        };
        let snapshots = if film { Default::default() } else { snapshot::read_all(board) };
        let takes = Takes::open(snapshots, board)?;
        // Where no rate is asked for, frames are late by the rate that most screens have.
        let fps = options.fps.unwrap_or(if preset.fps > 0.0 { preset.fps } else { 60.0 });
        let health = Health::new(fps, options.stats);
        let frame = health.frame_time().unwrap_or(Duration::from_millis(16));
        let mut walk = Walk::new(model.z_dim, preset.bpm, frame, film)?;
        walk.clock_mut().set_speed(preset.speed);
        walk.add_points(library::points(model.z_dim, board));
        walk.add_points(takes.points());
        let name = preset_path.as_ref().and_then(|p| p.file_stem()).map(|s| s.to_string_lossy().into_owned());
        let mut show = Self {
            controls: controls_of(&preset, film),
            output: Output::new(generator, model, &preset),
            hands: Hands::new(board),
            lesson: Lesson::default(),
            film: Reel::new(film),
            preset_name: name.unwrap_or_default(),
            board: board.clone(),
            stop: stop.clone(),
            start: Instant::now(),
            real: 0.0,
            frames: 0,
            most_frames: options.frames,
            closed: false,
            automation: options.automation,
            preset,
            library,
            health,
            walk,
            takes,
        };
        show.output.recording_mut().set_board(board);
        show.first_sketch(&sketch, options.safe)?;
        if let Some(path) = options.record {
            let record = &show.preset.record;
            let size = record.size.map(|v| v as usize);
            let settings = Settings { path, size, fps: record.fps, crf: None, codec: None, live: true };
            show.output.recording_mut().begin(Recorder::start(settings, board)?, 0.0);
        }
        show.start = Instant::now();
        if film {
            show.output.generator().be_exact();
        } else {
            show.lesson.open(&show.preset.train, options.trainer, show.output.model(), child, board);
            show.hands.open(&show.preset, &show.output.shown(), show.start);
            let mappings = library::mappings(&show.preset.midi.mappings, board);
            show.hands.take_mappings(&mappings, &parts!(show));
        }
        if let Some(path) = options.take {
            show.log(&path).map_err(OpenError::Take)?;
        }
        Ok(show)
    }

    fn first_sketch(&mut self, path: &Path, safe: bool) -> Result<(), OpenError> {
        let live = self.film.live();
        let mark = mark(path);
        if live && mark.is_file() {
            let was = std::fs::read_to_string(&mark).unwrap_or_default();
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
        let built_in = self.walk.take_now(Path::new("built-in.rn"), SAFE.into(), &self.controls);
        built_in.map(drop).map_err(OpenError::Sketch)
    }
}

/// Hands as a preset has them at the start.
fn controls_of(preset: &Preset, film: bool) -> Controls {
    let mut controls = Controls::default();
    for (name, value) in &preset.knobs {
        controls.set(name, *value);
    }
    if film {
        controls.set_smoothing(0.0);
    }
    controls.set_dial(Dial::Speed, preset.speed, Some(0.0));
    controls
}
