//! From a preset to a command line: what the trainer's child is started with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Around, Lesson};
use crate::generator::Loaded;
use crate::model;
use crate::preset::{Preset, Train, Trainer};
use crate::report::{Board, Stop};
use crate::trainer::child::{Child, Errand, Running, Wishes};
use crate::trainer::protocol::Settings;

/// Seconds that a trainer without a show may take to save itself.
const GRACE_SECS: &str = "1.0";
/// Longest wait for the first weights of a training from nothing.
const FIRST: Duration = Duration::from_secs(120);
/// Epochs between two checkpoints.
const PRINT_EVERY: &str = "50";

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
        let errand = errand(program, &train, &folder, &shown.folder);
        let mut wishes = match self.child.take() {
            // What hands wished of the one before is wished of the next. It has ended.
            Some(before) => Wishes { paused: false, ..before.wishes() },
            None => wishes(&train),
        };
        // The governor's own share outlives a child, too.
        wishes.settings.rest = Some(self.governor.rest());
        if self.folder != folder {
            self.steps.clear();
            self.losses.clear();
            (self.sheet, self.rewound, self.step) = (None, None, None);
        }
        self.look_soon();
        self.folder = folder;
        self.of.clone_from(&shown.name);
        self.start_checker(shown);
        match Child::start(errand, wishes, &self.board) {
            Ok(child) => self.child = Some(child),
            Err(error) => self.board.fault("trainer", format!("no thread for it: {error}")),
        }
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
    let errand = errand(program(trainer)?, train, &folder, &folder);
    let child = Child::start(errand, wishes(train), board).map_err(|e| format!("no thread for the trainer: {e}"))?;
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
        None => std::env::current_exe().map_err(|e| format!("the trainer's program is not known: {e}")),
    }
}

/// What is set beyond the command line.
fn wishes(train: &Train) -> Wishes {
    let rate = (train.rate > 0.0).then_some(train.rate);
    let mix = (train.data_mix > 0.0).then_some(train.data_mix);
    let settings = Settings {
        rest: (train.rest > 0.0).then_some(train.rest),
        generator_rate: rate,
        critic_rate: rate,
        mix,
        ..Settings::default()
    };
    let second = (!train.data2.is_empty()).then(|| train.source(&train.data2));
    let drawn = train.data == "lines" && train.lines != Default::default();
    Wishes { settings, second, data: drawn.then(|| train.source("lines")), paused: false }
}

fn errand(program: PathBuf, train: &Train, folder: &Path, shown: &Path) -> Errand {
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
        ("--print-every", PRINT_EVERY.into()),
        ("--epochs", train.epochs.to_string()),
        ("--critic-steps", train.critic_steps.to_string()),
        ("--publish-every", train.publish_every.to_string()),
        ("--keep", train.keep.to_string()),
        ("--nice", train.nice.to_string()),
        ("--grace", GRACE_SECS.into()),
        ("--device", train.device.clone()),
    ];
    args.extend(words.into_iter().flat_map(|(key, value)| [key.into(), OsString::from(value)]));
    args.push("--commands".into());
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
    if train.batch > 0 {
        fresh.extend(["--batch".into(), OsString::from(train.batch.to_string())]);
    }
    Errand { program, fresh, again, folder: folder.to_owned(), threads, memory_mb: train.memory_mb }
}
