//! Opening a show: from names on the command line to engines that run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::figures::Figures;
use super::hands::Hands;
use super::lights::Lights;
use super::recording::Recording;
use super::reload::{self, Reload};
use super::snapshot;
use super::told::Stat;
use super::{Arrival, Show, learning};
use crate::clock::Clock;
use crate::control::Dial;
use crate::control::automation::Automation;
use crate::files;
use crate::generator::{Generator, GeneratorError};
use crate::latent::pose::Pose;
use crate::net::device::Wanted;
use crate::preset::{self, Preset, PresetError, Target};
use crate::recorder::{self, Recorder, RecorderError, Settings};
use crate::report::{Board, Stop};
use crate::sketch::host::Host;
use crate::sketch::{Complaint, Env, Language, LanguageError, history};
use crate::worker::Chores;

/// The sketch of last resort: it is part of the program, so that there always is one.
const SAFE: &str =
    "// A slow ring through six seeds.\npub fn walk(me, t, c) { ring([1, 2, 3, 4, 5, 6], t.phase(48)) }\n";

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
    /// Write the recording and the take over files of the same names; otherwise they get the next free names.
    pub overwrite: bool,
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
    Language(#[from] LanguageError),
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

/// Removes a file, if it is there.
fn remove(path: &Path) -> Result<(), files::FileError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => files::at(path, Err(error)),
        _ => Ok(()),
    }
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
        let child = match options.film {
            true => None,
            false => learning::ahead(&preset, options.trainer.as_ref(), board, stop).map_err(OpenError::Training)?,
        };
        let (generator, model) = Generator::start(&preset.model, options.device, board)?;
        let env = Env::new(model.z_dim);
        let language = Language::new(env.clone())?;
        let mut snapshots = std::collections::BTreeMap::new();
        {
            let mut points = reload::points(model.z_dim, board);
            if !options.film {
                snapshots = snapshot::read_all(board);
            }
            for (name, snapshot) in &snapshots {
                let snapshot: &snapshot::Snapshot = snapshot;
                let z = vec![snapshot.z.iter().map(|v| f64::from(*v)).collect()];
                if points.insert(name.clone(), z).is_some() {
                    let what = "a text in presets/points and a snapshot have this name, and load gives the snapshot";
                    board.notice("points", format!("{name}: {what}; rename one of them"));
                }
            }
            let mut inside = env.lock();
            inside.points = points;
            for (name, value) in &preset.knobs {
                inside.controls.set(name, *value);
            }
            if options.film {
                inside.controls.set_smoothing(0.0);
            }
            inside.controls.set_dial(Dial::Speed, preset.speed, Some(0.0));
        }
        let sketch = preset::sketch_path(&preset.sketch);
        let reload = match options.film {
            true => None,
            false => Some(Reload::start(
                &sketch,
                preset_path.as_deref(),
                &model.folder,
                &preset.midi.mappings,
                &language,
                board,
            )?),
        };
        let (bpm, speed, fade_secs) = (preset.bpm, preset.speed, preset.fade_secs);
        let preset_name = preset_path.as_ref().and_then(|p| p.file_stem()).map(|s| s.to_string_lossy().into_owned());
        let preset_name = preset_name.unwrap_or_default();
        // Where no rate is asked for, frames are late by the rate that most screens have.
        let fps = options.fps.unwrap_or(if preset.fps > 0.0 { preset.fps } else { 60.0 });
        let mut show = Self {
            clock: Clock::new(bpm),
            host: Host::new(language),
            generator,
            model,
            learning: learning::Learning::default(),
            trainer: options.trainer,
            course: None,
            reload,
            waiting: None,
            complaint: None,
            refused: None,
            lights: Lights::new(fade_secs),
            snapshots,
            morph: None,
            automation: options.automation,
            recording: Recording::default(),
            timing: super::timing::Timing::default(),
            start: Instant::now(),
            real: 0.0,
            frames: 0,
            last_frame: None,
            figures: Figures::new(options.stats),
            most_frames: options.frames,
            target: (fps > 0.0).then(|| Duration::from_secs_f64(1.0 / fps)),
            pose: Arc::new(Pose::default()),
            version: 0,
            arrival: Arrival::default(),
            stop: stop.clone(),
            closed: false,
            hands: Hands::default(),
            stat: Stat::default(),
            shown_scene: Arc::default(),
            take: None,
            playing: None,
            again: false,
            preset_name,
            recalled: String::new(),
            lists: 0,
            model_before: None,
            mix: 1.0,
            names: super::desk::Names::default(),
            names_at: None,
            listed: crate::latest::Latest::default(),
            board: board.clone(),
            preset,
            chores: Chores::start()?,
        };
        show.clock.set_speed(speed);
        show.first_sketch(&sketch, options.safe, options.film)?;
        show.start = Instant::now();
        match options.film {
            true => show.generator.be_exact(),
            false => {
                show.open_learning(child);
                show.open_doors();
            }
        }
        // Last, when nothing else can go wrong: these make files.
        if let Some(path) = options.take {
            if options.overwrite {
                remove(&path).map_err(|e| OpenError::Take(format!("the take cannot be written: {e}")))?;
            }
            show.log(&path).map_err(OpenError::Take)?;
        }
        if let Some(wanted) = options.record {
            let path = recorder::names::reserve(&wanted, options.overwrite)?;
            if path != wanted {
                board
                    .notice("recorder", format!("{} is there already; recording {}", wanted.display(), path.display()));
            }
            let record = &show.preset.record;
            let size = record.size.map(|v| v as usize);
            let settings = Settings { path, size, fps: record.fps, crf: None, codec: None, live: true };
            show.recording.begin(Recorder::start(settings, board)?, 0.0);
        }
        Ok(show)
    }

    fn first_sketch(&mut self, path: &Path, safe: bool, film: bool) -> Result<(), OpenError> {
        let tick = self.clock.now();
        let crashed = if film { Vec::new() } else { history::crashed(path) };
        if let Some(was) = crashed.last() {
            let how = if safe { "the built-in sketch runs instead" } else { "--safe starts without it" };
            self.board.notice("crash", format!("the last show ended without closing while {was} ran; {how}"));
        }
        let language = self.host.language.clone();
        let refused = match safe {
            true => None,
            false => match self.take_first(language.read(path), tick) {
                Ok(()) => return Ok(()),
                Err(complaint) => Some(complaint),
            },
        };
        if let Some(complaint) = refused {
            if film {
                return Err(OpenError::Sketch(complaint));
            }
            self.refuse(complaint);
        }
        let program = language.compile(Path::new("built-in.rn"), SAFE);
        let program = program.map_err(OpenError::Sketch)?;
        self.host.take(program, tick).map_err(OpenError::Sketch)?;
        Ok(())
    }

    fn take_first(
        &mut self,
        read: Result<crate::sketch::Program, Box<Complaint>>,
        tick: crate::clock::Tick,
    ) -> Result<(), Box<Complaint>> {
        let program = read?;
        let kept = program.clone();
        if let Some(note) = self.host.take(program, tick)? {
            self.board.notice("sketch", note);
        }
        if let Some(reload) = &self.reload {
            reload.ran(kept, &self.chores, &self.board);
        }
        Ok(())
    }
}
