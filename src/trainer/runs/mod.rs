//! Trainings beside each other: what `flaneur compare` reads of model folders, draws and lists.
//!
//! `course` reads a `history.csv` by the names in its first line, whatever losses they are, and thins it; `settings`
//! is what `model.toml` and `training/state.toml` say; `table` lists both. Here runs are found, told apart and laid over
//! each other as plots. Used by `cli::compare`, on its thread. Nothing is computed with networks, and nothing is written.

pub mod course;
pub mod settings;
pub mod table;
mod thinned;

use std::path::{Path, PathBuf};

use self::course::{Course, How, X};
use self::settings::Settings;
use crate::files::FileError;
use crate::model;
use crate::picture::plot::{Curve, Panel, Stack};

/// What is wrong with a run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no such folder; and what to do.
    #[error("there is no run {0}; {1}")]
    Missing(String, String),
    /// The model is there, and its losses are not; and what to do.
    #[error("{path} has no training/history.csv: it was not trained here; {1}", path = crate::files::shown(.0))]
    NoHistory(PathBuf, String),
    /// The first line of the losses names no columns.
    #[error("{path}, line 1: {why}; the first line names the columns, as epoch,critic_steps,total,seconds", path = crate::files::shown(path))]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A training: its losses and its settings.
pub struct Run {
    /// The folder's name; its path where another run has the same name.
    pub name: String,
    /// The model folder.
    pub folder: PathBuf,
    /// Its losses.
    pub course: Course,
    /// How it was trained, and on what.
    pub settings: Settings,
    /// What a person should know about it, in sentences.
    pub remarks: Vec<String>,
}

/// The losses in a model folder.
fn history(folder: &Path) -> PathBuf {
    folder.join("training").join("history.csv")
}

/// The folder of a run given by a model's name, or by the path of the model folder or of its `training`.
fn find(name: &str) -> Result<PathBuf, RunError> {
    let named = model::folder(name);
    let here = PathBuf::from(name);
    let inside = here.file_name().is_some_and(|last| last == "training").then(|| here.parent()).flatten();
    let candidates = [Some(named.as_path()), Some(here.as_path()), inside];
    if let Some(folder) = candidates.into_iter().flatten().find(|folder| history(folder).is_file()) {
        return Ok(folder.to_owned());
    }
    let known: Vec<String> =
        model::known_models().into_iter().filter(|name| history(&model::folder(name)).is_file()).collect();
    let hint = match known.is_empty() {
        true => "train one with flaneur train, or give the path of a model folder".to_owned(),
        false => format!("known here: {}; or give the path of a model folder", known.join(", ")),
    };
    match named.is_dir() || here.is_dir() {
        true => Err(RunError::NoHistory(if named.is_dir() { named } else { here }, hint)),
        false => Err(RunError::Missing(crate::hints::plain(name), hint)),
    }
}

/// Reads the runs of these names and paths, each once.
///
/// # Errors
/// If one is not there, or its losses cannot be read.
pub fn read(names: &[String], how: &How) -> Result<Vec<Run>, RunError> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for name in names {
        let folder = find(name)?;
        let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if folders.iter().all(|other| whole(other) != whole(&folder)) {
            folders.push(folder);
        }
    }
    let last = |folder: &Path| match folder.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        // "." and ".." have no name of their own.
        None => folder
            .canonicalize()
            .ok()
            .and_then(|f| Some(f.file_name()?.to_string_lossy().into_owned()))
            .unwrap_or_default(),
    };
    let short: Vec<String> = folders.iter().map(|folder| last(folder)).collect();
    let mut runs = Vec::with_capacity(folders.len());
    for (folder, name) in folders.into_iter().zip(&short) {
        let (settings, mut remarks) = settings::read(&folder);
        let course = Course::read(&history(&folder), how, settings::shown(&settings))?;
        remarks.extend(course.remarks.iter().cloned());
        let alone = !name.is_empty() && short.iter().filter(|other| *other == name).count() == 1;
        let name = if alone { crate::hints::plain(name) } else { crate::files::shown(&folder) };
        runs.push(Run { name, folder, course, settings, remarks });
    }
    Ok(runs)
}

/// Names of all losses, in the order in which they are met.
pub fn losses(runs: &[Run]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in runs.iter().flat_map(|run| &run.course.losses) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

/// Colours of runs: easy to tell apart on white, also for those who see no red or no green.
const COLOURS: [[u8; 3]; 10] = [
    [31, 119, 180],
    [214, 39, 40],
    [44, 160, 44],
    [255, 127, 14],
    [120, 80, 180],
    [0, 0, 0],
    [23, 180, 200],
    [220, 100, 180],
    [140, 86, 75],
    [160, 160, 20],
];

/// The colour of the run of that number. Beyond the table hues are turned by the golden angle.
fn colour(index: usize) -> [u8; 3] {
    if let Some(colour) = COLOURS.get(index) {
        return *colour;
    }
    let hue = index as f64 * 137.507_764 / 60.0;
    let channel = |shift: f64| {
        let at = (hue + shift).rem_euclid(6.0);
        let level = (at.min(4.0 - at)).clamp(0.0, 1.0);
        (40.0 + 150.0 * level) as u8
    };
    [channel(2.0), channel(0.0), channel(4.0)]
}

/// The unit of an axis of time: how many seconds, and its name.
fn unit(seconds: f64) -> (f64, &'static str) {
    match seconds {
        s if s < 600.0 => (1.0, "seconds"),
        s if s < 4.0 * 3600.0 => (60.0, "minutes"),
        _ => (3600.0, "hours"),
    }
}

/// The curves of all runs over each other, a frame for each loss. `None` if there is nothing to draw.
pub fn stack(runs: &[Run], how: &How) -> Option<Stack> {
    let end = runs.iter().filter_map(|run| run.course.ends()).fold(0.0, f64::max);
    let (per, label) = match how.x {
        X::Epochs => (1.0, "epochs"),
        X::Pictures => (1.0, "pictures seen"),
        X::Seconds => unit(end),
    };
    let panels: Vec<Panel> = losses(runs).into_iter().filter_map(|loss| panel(runs, loss, how.log, per)).collect();
    let legend = runs.iter().enumerate().map(|(i, run)| (run.name.clone(), colour(i))).collect();
    let x_label = if how.log { format!("{label}, logarithmic") } else { label.to_owned() };
    (!panels.is_empty()).then(|| Stack { title: title(runs), x_label, log_x: how.log, legend, panels })
}

/// The curves of one loss; x is divided by `per`. `None` where it has no value.
fn panel(runs: &[Run], loss: &str, log: bool, per: f64) -> Option<Panel> {
    let (mut faint, mut curves) = (Vec::new(), Vec::new());
    let mut y_range: Option<(f64, f64)> = None;
    let mut x_range = (f64::INFINITY, 0.0_f64);
    for (i, run) in runs.iter().enumerate() {
        let Some(at) = run.course.losses.iter().position(|name| name == loss) else { continue };
        let curve = |points: Vec<(f64, f64)>| {
            let points = points.into_iter().map(|(x, y)| (x / per, y)).collect();
            Curve { name: run.name.clone(), colour: colour(i), points }
        };
        let all = run.course.points(at);
        y_range = joined(y_range, settled(&all));
        let begins = run.course.begins().filter(|x| *x > 0.0).unwrap_or(f64::INFINITY);
        x_range = (x_range.0.min(begins / per), x_range.1.max(run.course.ends().unwrap_or(0.0) / per));
        match run.course.smoothed(at) {
            Some(smooth) => {
                faint.push(curve(all));
                curves.push(curve(smooth));
            }
            None => curves.push(curve(all)),
        }
    }
    let (low, high) = y_range?;
    let room = ((high - low) * 0.08).max(high.abs().max(low.abs()) * 1e-3).max(1e-6);
    if !log {
        x_range.0 = 0.0;
    }
    Some(Panel { label: loss.to_owned(), faint, curves, y_range: (low - room, high + room), x_range })
}

/// What stands above the plots.
fn title(runs: &[Run]) -> String {
    let what = match runs {
        [run] => format!("losses of {}", run.name),
        _ => format!("losses of {} trainings", runs.len()),
    };
    let windows = runs.iter().map(|run| run.course.window).filter(|window| *window > 1);
    let (low, high) = windows.fold((u64::MAX, 0), |(low, high), w| (low.min(w), high.max(w)));
    match (low, high) {
        (_, 0) => what,
        (low, high) if low == high => format!("{what}; strong lines: means of {high} epochs"),
        (low, high) => format!("{what}; strong lines: means of {low} to {high} epochs"),
    }
}

/// Between which values a curve lies, without its hundredth that is furthest out. Its first tenth counts where that
/// does not flatten the rest, as thousands at the beginning do.
fn settled(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let range = |points: &[(f64, f64)]| {
        let mut values: Vec<f64> = points.iter().map(|p| p.1).filter(|y| y.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values.get((values.len().saturating_sub(1) as f64 * share).round() as usize).copied();
        Some((at(0.005)?, at(0.995)?))
    };
    let (all, rest) = (range(points)?, range(&points[points.len() / 10..]));
    rest.filter(|(low, high)| all.1 - all.0 > 3.0 * (high - low) && high > low).or(Some(all))
}

fn joined(one: Option<(f64, f64)>, other: Option<(f64, f64)>) -> Option<(f64, f64)> {
    match (one, other) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (one, other) => one.or(other),
    }
}

/// Runs that are too short to be seen beside a longer one with the same losses, and what helps.
pub fn unseen(runs: &[Run], how: &How) -> Option<String> {
    let end = |run: &Run| run.course.ends().unwrap_or(0.0);
    let shares = |one: &Run, other: &Run| one.course.losses.iter().any(|loss| other.course.losses.contains(loss));
    let short = |run: &&Run| runs.iter().any(|other| end(run) < end(other) / 100.0 && shares(run, other));
    let names: Vec<&str> = runs.iter().filter(short).map(|run| run.name.as_str()).collect();
    let verb = if names.len() == 1 { "ends" } else { "end" };
    (!how.log && !names.is_empty())
        .then(|| format!("{} {verb} within the first hundredth of the width; --log shows more of it", names.join(", ")))
}

#[cfg(test)]
mod tests;
