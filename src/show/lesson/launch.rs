//! From a preset to a command line: what the trainer's child is started with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Around, Lesson};
use crate::clock::BAR;
use crate::generator::Loaded;
use crate::model;
use crate::preset::{Preset, Train, Trainer};
use crate::report::{Board, Stop};
use crate::trainer::child::{Child, Launch, Requested, Running, own_program};
use crate::trainer::settings::Settings;

/// Seconds that a trainer without a show may take to save itself.
const GRACE_SECS: &str = "1.0";
/// Longest wait for the first weights of a training from nothing.
const FIRST: Duration = Duration::from_secs(120);
/// States are shown no more often than this, in seconds, however short the glides are.
const LEAST_PUBLISH_SECS: f64 = 0.25;

impl Lesson {
    /// The folder that is trained into beside a model.
    pub(super) fn train_folder(&self, model: &Loaded) -> PathBuf {
        if !self.train.model.is_empty() {
            return model::folder(&self.train.model);
        }
        model::live_folder(&model.folder)
    }

    /// Starts the training, or lets it go on.
    pub(super) fn start_training(&mut self, around: &Around) {
        if self.on() {
            return;
        }
        // One that saves itself still writes the folder.
        self.wanted = !self.leaving.is_empty();
        if self.wanted {
            return;
        }
        let train = around.train.clone();
        if train.trainer != Trainer::Child {
            let how = "this preset has no trainer of its own; [train] trainer = \"child\" gives it one";
            return self.board.notice("training", how);
        }
        let shown = around.output.model();
        let folder = self.train_folder(shown);
        let program = match program(self.program.as_ref()) {
            Ok(program) => program,
            Err(error) => return self.board.fault("trainer", error),
        };
        let glide_secs = self.morph_secs(around.walk.clock().bpm());
        let launch = launch(program, &train, &folder, &shown.folder);
        let mut requested = match self.child.take() {
            // What was requested of the one before is requested of the next. It has ended.
            Some(before) => Requested { paused: false, ..before.requested() },
            None => requested(&train, glide_secs),
        };
        // The governor's own share outlives a child, too.
        requested.settings.rest = Some(self.governor.rest());
        requested.settings.publish_secs = publish_secs(&train, glide_secs);
        if self.folder != folder {
            self.steps.clear();
            self.losses.clear();
            (self.sheet, self.real, self.rewound, self.step) = (None, None, None, None);
        }
        self.look_soon();
        self.folder = folder;
        self.of.clone_from(&shown.name);
        self.start_checker(shown);
        match Child::start(launch, requested, &self.board) {
            Ok(child) => self.child = Some(child),
            Err(error) => self.board.fault("trainer", format!("no thread for it: {error}")),
        }
    }

    /// The show closes: trainers save themselves meanwhile, and are waited for when the lesson is dropped.
    pub fn close(&mut self) {
        self.end();
        self.leaving.iter().for_each(Child::close);
    }

    /// Ends the training in order; the show goes on.
    pub fn end(&mut self) {
        if let Some(child) = self.child.take() {
            child.end();
            self.leaving.push(child);
        }
    }
}

/// A training that begins from nothing and is itself what is shown: it has to publish once before the show opens.
///
/// # Errors
/// If it does not.
pub fn ahead(preset: &Preset, trainer: Option<&PathBuf>, board: &Board, stop: &Stop) -> Result<Option<Child>, String> {
    let train = &preset.train;
    let folder = model::folder(&preset.model);
    let own = train.model == preset.model && train.trainer == Trainer::Child && !train.arch.is_empty();
    if !own || !train.autostart || folder.join("model.toml").is_file() {
        return Ok(None);
    }
    let launch = launch(program(trainer)?, train, &folder, &folder);
    let glide_secs = train.morph_bars * BAR * 60.0 / preset.bpm;
    let child = Child::start(launch, requested(train, glide_secs), board)
        .map_err(|e| format!("no thread for the trainer: {e}"))?;
    board.notice("training", "waits for the first weights of a training from nothing");
    let start = Instant::now();
    while !folder.join("model.toml").is_file() {
        if child.ended() || child.running() == Running::Ended || stop.raised() || start.elapsed() > FIRST {
            let why = board.of("trainer").map_or_else(|| "it published nothing".into(), |line| line.text);
            return Err(format!("the training from nothing did not begin: {why}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(Some(child))
}

fn program(given: Option<&PathBuf>) -> Result<PathBuf, String> {
    match given {
        Some(program) => Ok(program.clone()),
        None => own_program(),
    }
}

/// Seconds between two states that are shown, at least: as long as the glide to one takes, unless the preset says.
pub(super) fn publish_secs(train: &Train, glide_secs: f64) -> Option<f64> {
    train.publish_secs.or(Some(glide_secs.max(LEAST_PUBLISH_SECS)))
}

/// What a preset wants of its training beyond the command line.
fn requested(train: &Train, glide_secs: f64) -> Requested {
    let second = (!train.data2.is_empty()).then(|| train.source(&train.data2));
    let drawn = train.data == "lines" && train.lines != Default::default();
    let data = drawn.then(|| train.source("lines"));
    let settings = Settings { publish_secs: publish_secs(train, glide_secs), ..train.settings() };
    Requested { settings, second, data, paused: false }
}

fn launch(program: PathBuf, train: &Train, folder: &Path, shown: &Path) -> Launch {
    let on_cpu = train.device != "gpu";
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let threads = match train.threads {
        0 if on_cpu => cores.saturating_sub(1).max(1),
        threads => threads,
    };
    let mut args: Vec<OsString> = ["train", &train.data, "--model"].map(OsString::from).into();
    // As a path, so that it is the same folder whatever its name is.
    args.push(std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()).into());
    let words = [
        ("--report", "json".to_owned()),
        ("--epochs", train.epochs.to_string()),
        ("--keep", train.keep.to_string()),
        ("--nice", train.nice.to_string()),
        ("--grace", GRACE_SECS.into()),
        ("--device", train.device.clone()),
    ];
    args.extend(words.into_iter().flat_map(|(key, value)| [key.into(), OsString::from(value)]));
    args.extend(["--commands".into(), "--in-memory".into()]);
    if train.memory_mb > 0 {
        args.extend(["--memory".into(), OsString::from(train.memory_mb.to_string())]);
    }
    if train.rewind_on_divergence {
        args.push("--rewind-on-divergence".into());
    }
    let (mut fresh, mut again) = (args.clone(), args);
    again.push("--resume".into());
    if train.arch.is_empty() {
        let from = if train.from.is_empty() { shown.to_owned() } else { model::folder(&train.from) };
        let from = std::path::absolute(&from).unwrap_or(from);
        fresh.extend(["--from".into(), from.into_os_string()]);
    } else {
        fresh.extend(["--arch".into(), OsString::from(&train.arch)]);
    }
    if !train.features.is_empty() {
        [&mut fresh, &mut again]
            .into_iter()
            .for_each(|args| args.extend(["--features".into(), (&train.features).into()]));
    }
    // All else that can be set is sent as a command; how many pictures there have to be is asked before.
    if let Some(batch) = train.settings().batch {
        fresh.extend(["--batch".into(), OsString::from(batch.to_string())]);
    }
    Launch { program, fresh, again, folder: folder.to_owned(), threads, memory_mb: train.memory_mb }
}
