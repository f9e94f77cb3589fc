//! The list of runs, as aligned text and as JSON: epochs, hours, last losses, and the settings that differ.
//!
//! Made for `cli::compare` of what `runs` has read; prints nothing itself.

use serde_json::{Map, Value, json};

use super::{Run, losses, settings};
use crate::files;
use crate::hints::plain;

/// A number with about five digits.
fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "nan".into();
    }
    if size > 0.0 && !(1e-4..1e7).contains(&size) {
        return format!("{value:.3e}");
    }
    let before = if size < 1.0 { 0 } else { size.log10() as usize };
    format!("{value:.*}", 4_usize.saturating_sub(before))
}

/// Rows of cells below each other: the first column to the left, the others to the right.
fn aligned(rows: &[Vec<String>], right: bool) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |i: usize| rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|i| width(i).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (i, (cell, width)) in row.iter().zip(&widths).enumerate() {
            line += &match right && i > 0 {
                true => format!("{cell:>width$}  "),
                false => format!("{cell:<width$}  "),
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// A setting as a person reads it.
fn setting(key: &str, value: Option<&toml::Value>) -> String {
    match value {
        None => "-".into(),
        // The first digits tell datasets apart.
        Some(toml::Value::String(text)) if key == "data_fingerprint" => {
            plain(&text.chars().take(12).collect::<String>())
        }
        Some(toml::Value::String(text)) => plain(text),
        Some(value) => plain(&value.to_string()),
    }
}

/// The tables, to be printed as they are.
pub fn text(runs: &[Run]) -> String {
    let names = losses(runs);
    let head = ["run", "epochs", "hours"].into_iter().chain(names.iter().copied()).map(str::to_owned).collect();
    let mut rows: Vec<Vec<String>> = vec![head];
    for run in runs {
        let course = &run.course;
        let hours = course.seconds.map_or("-".into(), |seconds| number(seconds / 3600.0));
        let last = |name: &&str| match course.losses.iter().position(|loss| loss == name) {
            Some(at) if course.last_rows > 0 => number(course.last[at]),
            _ => "-".into(),
        };
        let mut row = vec![run.name.clone(), course.epochs.to_string(), hours];
        row.extend(names.iter().map(last));
        rows.push(row);
    }
    let mut text = aligned(&rows, true);
    text += "losses: the mean of the last 1 % of a run's epochs, at least of one\n";
    if runs.len() < 2 {
        return text;
    }
    let all: Vec<&settings::Settings> = runs.iter().map(|run| &run.settings).collect();
    let differing = settings::differing(&all);
    if differing.is_empty() {
        return text + "\nno setting differs\n";
    }
    let head = std::iter::once("settings that differ".to_owned()).chain(runs.iter().map(|run| run.name.clone()));
    let mut rows: Vec<Vec<String>> = vec![head.collect()];
    for (key, values) in differing {
        let cells = values.into_iter().map(|value| setting(key, value));
        rows.push(std::iter::once(plain(key)).chain(cells).collect());
    }
    text + "\n" + &aligned(&rows, false)
}

/// The same as JSON: `runs`, and in `settings` the values in the order of the runs. What is not known or not finite
/// is `null`.
pub fn json(runs: &[Run]) -> Value {
    let run = |run: &Run| {
        let course = &run.course;
        let last: Map<String, Value> =
            course.losses.iter().cloned().zip(course.last.iter().map(|v| json!(v))).collect();
        json!({
            "name": run.name,
            "folder": files::shown(&run.folder),
            "epochs": course.epochs,
            "hours": course.seconds.map(|seconds| seconds / 3600.0),
            "last": last,
            "last_epochs": course.last_rows,
            "mean_epochs": course.window,
            "remarks": run.remarks,
        })
    };
    let all: Vec<&settings::Settings> = runs.iter().map(|run| &run.settings).collect();
    let rows = settings::differing(&all).into_iter();
    let rows: Vec<Value> = rows.map(|(key, values)| json!({ "setting": key, "values": values })).collect();
    json!({ "runs": runs.iter().map(run).collect::<Vec<_>>(), "settings": rows })
}
