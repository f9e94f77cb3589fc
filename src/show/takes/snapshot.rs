//! Snapshots: a moment of a show to come back to. z, knobs, sketch, model and the walk's time.
//!
//! By name, in `presets/snapshots/NAME.toml`, 1 to 9 on the keys; read when the show opens, written when one is
//! stored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files;
use crate::home;
use crate::latent::space::{self, Space};
use crate::latent::{self, ease, manner};
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
    /// How it was drawn beside its z, as numbers (`latent::manner`); absent where it was as usual.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manner: Vec<f32>,
    /// Where hands had moved knobs, 0..1, by name.
    #[serde(default)]
    pub knobs: BTreeMap<String, f64>,
    /// The classes of that latent, by name; none where the model has none.
    #[serde(default, skip_serializing_if = "Blend::is_empty")]
    pub blend: Blend,
    /// Where the dials of classes stood that were not at 0; absent where the model had no classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<BTreeMap<String, f64>>,
}

/// How much of each class, by its name.
pub type Blend = BTreeMap<String, f32>;

/// A blend `[classes]` by its names; without those that take no part.
pub fn named(blend: &[f32], names: &[String]) -> Blend {
    names.iter().cloned().zip(blend.iter().copied()).filter(|(_, share)| *share != 0.0).collect()
}

/// The blend of these classes `[classes]`; empty where it knows none of them.
fn of_classes(blend: &Blend, names: &[String]) -> Vec<f64> {
    let shares: Vec<f64> = names.iter().map(|name| blend.get(name).map_or(0.0, |share| f64::from(*share))).collect();
    space::whole(&shares)
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
    #[serde(default)]
    from_blend: Blend,
    #[serde(default)]
    via_blend: Blend,
    #[serde(default)]
    from_manner: Vec<f32>,
    #[serde(default)]
    via_manner: Vec<f32>,
    start: f64,
    secs: f64,
}

impl Morph {
    /// From `from` to `via` in `secs` real seconds, beginning at `start`; then to the walk in as many.
    pub fn new(from: Vec<f32>, via: Vec<f32>, start: f64, secs: f64) -> Self {
        let (from_blend, via_blend, from_manner, via_manner) = Default::default();
        Self { from, via, from_blend, via_blend, from_manner, via_manner, start, secs: secs.max(1e-3) }
    }

    /// The same with the classes of both.
    pub fn with_classes(self, from_blend: Blend, via_blend: Blend) -> Self {
        Self { from_blend, via_blend, ..self }
    }

    /// The same with the manners of both.
    pub fn with_manners(self, from_manner: Vec<f32>, via_manner: Vec<f32>) -> Self {
        Self { from_manner, via_manner, ..self }
    }

    /// Bends the manner of that latent. One that is of another space, or no numbers, is as usual here.
    pub fn bend_manner(&self, manner: &mut Vec<f32>, space: &Space, real: f64) {
        let Some((first, t)) = self.along(real) else { return };
        let fits = |own: &[f32]| space.takes(own.len()) && own.iter().all(|v| v.is_finite());
        let [from, via] = [&self.from_manner, &self.via_manner].map(|own| if fits(own) { own.as_slice() } else { &[] });
        *manner = match first {
            true => manner::between(from, via, space.dim, t),
            false => manner::between(via, manner, space.dim, t),
        };
    }

    /// Bends the latent of the frame at `real`; false when the morph is over. Points of another model come over.
    pub fn bend(&self, z: &mut Vec<f32>, real: f64) -> bool {
        let Some((first, t)) = self.along(real) else { return false };
        let wide = |v: &[f32]| space::adapted(&v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>(), z.len());
        let bent = match first {
            true => latent::slerp(&wide(&self.from), &wide(&self.via), t),
            false => latent::slerp(&wide(&self.via), &wide(z), t),
        };
        *z = bent.iter().map(|v| *v as f32).collect();
        true
    }

    /// Bends the classes of that latent, which are called so. A point without any of them has those of the walk.
    pub fn bend_class(&self, class: &mut [f32], names: &[String], real: f64) {
        let Some((first, t)) = self.along(real) else { return };
        let walk: Vec<f64> = class.iter().map(|v| f64::from(*v)).collect();
        let [from, via] = [&self.from_blend, &self.via_blend].map(|blend| match of_classes(blend, names) {
            none if none.is_empty() => walk.clone(),
            own => own,
        });
        let ends = if first { [from, via] } else { [via, walk] };
        let bent = space::blended(&ends, &[1.0 - t, t]);
        class.iter_mut().zip(bent).for_each(|(class, bent)| *class = bent as f32);
    }

    /// Whether it is on its first half at `real`, and how far along that, 0..1; none when it is over.
    fn along(&self, real: f64) -> Option<(bool, f64)> {
        let along = (real - self.start) / self.secs;
        (along < 2.0).then(|| (along < 1.0, ease::smooth(along.rem_euclid(1.0))))
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

    #[test]
    fn a_morph_takes_classes_and_points_of_other_models_along() {
        let names = ["amber".to_owned(), "blue".to_owned()];
        let (from, via) = (named(&[0.0, 1.0], &names), named(&[1.0, 0.0], &["green".to_owned()]));
        let morph = Morph::new(vec![1.0, 0.0], vec![0.0; 5], 0.0, 1.0).with_classes(from, via);
        let at = |real: f64| {
            let (mut z, mut class) = (vec![0.5; 3], vec![1.0, 0.0]);
            let goes_on = morph.bend(&mut z, real);
            morph.bend_class(&mut class, &names, real);
            (goes_on, z, class)
        };
        let (goes_on, z, class) = at(0.0);
        assert_eq!((goes_on, &z[..2], class), (true, &[1.0, 0.0][..], vec![0.0, 1.0]));
        // The snapshot's model had other classes.
        assert_eq!(at(0.5).2, [0.5, 0.5]);
        assert_eq!((at(0.2).1[2], at(2.0)), (at(0.2).1[2], (false, vec![0.5; 3], vec![1.0, 0.0])));
    }
}
