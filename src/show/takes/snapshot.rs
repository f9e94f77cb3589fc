//! Snapshots: a moment of a show to come back to. z, knobs, sketch, model and the walk's time.
//!
//! By name, in `presets/snapshots/NAME.toml`, 1 to 9 on the keys; read when the show opens, written when one is
//! stored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files;
use crate::home;
use crate::preset::PRESETS;
use crate::report::Board;

/// One moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Layout of this file; 1.
    pub version: u32,
    /// Path of the sketch that ran.
    pub sketch: String,
    /// Name of the model.
    pub model: String,
    /// Seconds of the walk.
    pub secs: f64,
    /// Beats of the walk.
    pub beat: f64,
    /// The first latent of the frame.
    pub z: Vec<f32>,
    /// Where hands had moved knobs, 0..1, by name.
    #[serde(default)]
    pub knobs: BTreeMap<String, f64>,
}

/// Most snapshots of a show.
pub const MOST: usize = 256;

/// Whether a name can be one of a snapshot, and so of a file.
///
/// # Errors
/// A sentence, if it cannot.
pub fn check(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    match !name.is_empty() && name.len() <= 64 && name.chars().all(plain) {
        true => Ok(()),
        false => Err(format!("\"{name}\" is no name for a snapshot; use letters, digits, - and _")),
    }
}

fn kind() -> PathBuf {
    Path::new(PRESETS).join("snapshots")
}

/// Reads all; one that cannot be read is reported and left out.
pub fn read_all(board: &Board) -> BTreeMap<String, Snapshot> {
    let mut found = BTreeMap::new();
    files::sweep(&home::place(kind()));
    let mut names = home::names(kind(), "toml");
    names.retain(|name| check(name).is_ok());
    for name in names.into_iter().take(MOST) {
        let Some(path) = home::find(kind(), format!("{name}.toml")) else { continue };
        let read = files::read_text(&path).map_err(|e| e.to_string());
        let snapshot = read.and_then(|text| toml::from_str::<Snapshot>(&text).map_err(|e| e.message().to_owned()));
        let checked = snapshot.and_then(|s| match s.version == 1 && s.z.iter().all(|v| v.is_finite()) {
            true => Ok(s),
            false => Err("its version is not 1, or z holds what is no number".into()),
        });
        match checked {
            Ok(snapshot) => drop(found.insert(name, snapshot)),
            Err(why) => board.fault("snapshots", format!("{} is left out: {why}", path.display())),
        }
    }
    found
}

impl Snapshot {
    /// Its z as sketches have it.
    pub fn wide(&self) -> Vec<f64> {
        self.z.iter().map(|v| f64::from(*v)).collect()
    }
}

/// Writes a snapshot; false, with a report, if it cannot.
pub fn write(name: &str, snapshot: &Snapshot, board: &Board) -> bool {
    let path = home::place(kind()).join(format!("{name}.toml"));
    let text = toml::to_string(snapshot).map_err(|e| e.to_string());
    let written = text.and_then(|text| files::write(&path, text.as_bytes()).map_err(|e| e.to_string()));
    if let Err(why) = &written {
        board.fault("snapshots", format!("snapshot {name} is kept until the show ends, but not written: {why}"));
    }
    written.is_ok()
}

/// A walk from what was shown through a snapshot's z and on to the sketch's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Morph {
    from: Vec<f32>,
    via: Vec<f32>,
    start: f64,
    secs: f64,
}

impl Morph {
    /// From `from` to `via` in `secs` real seconds, beginning at `start`; then to the walk in as many.
    pub fn new(from: Vec<f32>, via: Vec<f32>, start: f64, secs: f64) -> Self {
        Self { from, via, start, secs: secs.max(1e-3) }
    }

    /// Bends the latent of the frame at `real`; false when the morph is over.
    pub fn bend(&self, z: &mut Vec<f32>, real: f64) -> bool {
        let along = (real - self.start) / self.secs;
        if along >= 2.0 || z.len() != self.via.len() || z.len() != self.from.len() {
            return along < 2.0;
        }
        let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
        let t = crate::latent::ease::smooth(along.rem_euclid(1.0));
        let bent = match along < 1.0 {
            true => crate::latent::slerp(&wide(&self.from), &wide(&self.via), t),
            false => crate::latent::slerp(&wide(&self.via), &wide(z), t),
        };
        *z = bent.iter().map(|v| *v as f32).collect();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_morph_goes_through_the_snapshot_and_ends_on_the_walk() {
        let morph = Morph::new(vec![1.0, 0.0], vec![0.0, 1.0], 10.0, 2.0);
        let at = |real: f64| {
            let mut z = vec![-1.0, 0.5];
            (morph.bend(&mut z, real), z)
        };
        assert_eq!(at(10.0), (true, vec![1.0, 0.0]));
        let (_, middle) = at(12.0);
        assert!((middle[1] - 1.0).abs() < 1e-6);
        assert_eq!(at(14.0), (false, vec![-1.0, 0.5]));
    }
}
