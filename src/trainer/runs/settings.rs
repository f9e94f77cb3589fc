//! The settings of a training, as one list of keys with dots.
//!
//! Read for `runs` from `model.toml` and `training/state.toml` as tables, whatever family and recipe they are of. What
//! changes while a training runs (its step, its seconds) is no setting.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use crate::files;
use crate::net::arch;

/// Values by keys such as `recipe.batch_size`.
pub type Settings = BTreeMap<String, Value>;

/// Keys of the two files that are settings, with what is below them.
const KEYS: [&str; 9] =
    ["arch_name", "arch", "recipe", "seed", "ema", "data", "data_count", "data_fingerprint", "classes"];

/// The settings in a model folder, and what is wrong with its files. What both files say is taken from the first.
pub fn read(folder: &Path) -> (Settings, Vec<String>) {
    let (mut settings, mut remarks) = (Settings::new(), Vec::new());
    let paths = [folder.join("model.toml"), folder.join("training").join("state.toml")];
    for path in paths.iter().filter(|path| path.is_file()) {
        let text = files::read_text(path).map_err(|e| e.to_string());
        let table = text.and_then(|text| {
            let unread = |e: toml::de::Error| format!("{}: {}", files::shown(path), crate::hints::explained(&text, &e));
            toml::from_str::<Table>(&text).map_err(unread)
        });
        match table {
            Ok(mut table) => {
                arch::modernise(&mut table);
                for (key, value) in table.into_iter().filter(|(key, _)| KEYS.contains(&key.as_str())) {
                    flatten(key, value, &mut settings);
                }
            }
            Err(why) => remarks.push(format!("{why}; its settings are not compared")),
        }
    }
    if settings.is_empty() && remarks.is_empty() {
        let why = "neither model.toml nor training/state.toml is there; its settings are not known";
        remarks.push(format!("{}: {why}", files::shown(folder)));
    }
    (settings, remarks)
}

/// How many pictures of the data the critic is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shown {
    /// By each of its updates.
    Update(f64),
    /// In each epoch.
    Epoch(f64),
}

/// How many it is shown, if that is known: with cross-entropy those of a pass or a step, whether it is updated or not.
pub fn shown(settings: &Settings) -> Option<Shown> {
    let whole = |key: &str| settings.get(key).and_then(Value::as_integer).filter(|size| *size > 0).map(|n| n as f64);
    let own = |key: &str| settings.get(&format!("recipe.cross_entropy.{key}"));
    match own("real_label").and(own("epoch")).and_then(Value::as_str) {
        None => whole("recipe.batch_size").map(Shown::Update),
        Some("pass") => whole("data_count").map(Shown::Epoch),
        Some(_) => whole("recipe.batch_size").map(Shown::Epoch),
    }
}

fn flatten(key: String, value: Value, out: &mut Settings) {
    match value {
        Value::Table(table) => {
            table.into_iter().for_each(|(inner, value)| flatten(format!("{key}.{inner}"), value, out));
        }
        value => {
            out.entry(key).or_insert(value);
        }
    }
}

/// Keys in which some differ, each with its values; `None` for those who have no such key.
pub fn differing<'a>(all: &[&'a Settings]) -> Vec<(&'a str, Vec<Option<&'a Value>>)> {
    let mut keys: Vec<&str> = all.iter().flat_map(|settings| settings.keys().map(String::as_str)).collect();
    keys.sort_unstable();
    keys.dedup();
    let values = |key: &str| -> Vec<Option<&'a Value>> { all.iter().map(|settings| settings.get(key)).collect() };
    let rows = keys.into_iter().map(|key| (key, values(key)));
    rows.filter(|(_, values)| values.windows(2).any(|pair| pair[0] != pair[1])).collect()
}
