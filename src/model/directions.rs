//! Directions of W that change one thing in a picture: found without labels, kept in the model's folder.
//!
//! Two ways: the closed form (Shen & Zhou 2021, arXiv 2007.06600), eigenvectors of what the layers make of w, and
//! principal components of many w (Härkönen et al. 2020, arXiv 2004.02546). Their unit is the deviation of w along them,
//! so that ±3 is as far as seeds go. `directions.toml` holds them with names that people may change.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::dataset::measure::eigen::symmetric;
use crate::files;
use crate::latent;
use crate::latent::style::{MOST_DIRECTIONS, Mapping as _};
use crate::net::families::stylegan2::StyleGan2;
use crate::net::mapping::Mapping;
use crate::net::params::{Params, floats};
use crate::net::styled::Direction;

/// Name of the file in a model's folder.
pub const FILE: &str = "directions.toml";
/// w that are looked at, of seeds from 0.
pub const SAMPLES: usize = 10_000;
/// Bytes of a file at most: sixteen directions of 20 layers and 512 numbers as text.
const MOST_BYTES: u64 = 64 << 20;

/// How directions are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Eigenvectors of the layers' styles.
    ClosedForm,
    /// Principal components of w.
    Components,
}

/// A direction as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// What it is called in sketches and addresses.
    pub name: String,
    /// How it was found.
    #[serde(default)]
    pub made: String,
    /// Layers that it moves, from and up to (not with) a number; all of them where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<[usize; 2]>,
    /// `[dim]`.
    pub vector: Vec<f32>,
}

/// The file.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    #[serde(default)]
    direction: Vec<Kept>,
}

/// Where a model's directions stand.
pub fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Those of a model's folder; none where there is no file.
///
/// # Errors
/// If it cannot be read, in a sentence.
pub fn read(folder: &Path) -> Result<Vec<Kept>, String> {
    let path = path(folder);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let shown = files::shown(&path);
    let size = std::fs::metadata(&path).map_or(0, |file| file.len());
    if size > MOST_BYTES {
        return Err(format!("{shown} is too large to be directions; find them anew with flaneur directions"));
    }
    let text = files::read_text(&path).map_err(|e| e.to_string())?;
    let listed: Listed = toml::from_str(&text).map_err(|e| format!("{shown}: {e}"))?;
    check(&listed.direction).map_err(|why| format!("{shown}: {why}"))?;
    Ok(listed.direction)
}

/// Whether they can be called so.
fn check(list: &[Kept]) -> Result<(), String> {
    if list.len() > MOST_DIRECTIONS {
        return Err(format!("{} directions, and a model has at most {MOST_DIRECTIONS}", list.len()));
    }
    for (at, one) in list.iter().enumerate() {
        let bad = |c: char| matches!(c, '/' | '*' | '?' | '[' | '{' | '#' | ',' | '=') || c.is_control();
        if one.name.is_empty() || one.name.chars().count() > 40 || one.name.contains(bad) {
            return Err(format!("\"{}\" cannot be the name of a direction", files::printable(&one.name)));
        }
        if list[..at].iter().any(|other| other.name == one.name) {
            return Err(format!("two directions are called \"{}\"", one.name));
        }
        if one.vector.iter().any(|v| !v.is_finite()) {
            return Err(format!("the direction \"{}\" has numbers that are none", one.name));
        }
    }
    Ok(())
}

/// Writes them.
///
/// # Errors
/// If one cannot be called so, or the file cannot be written.
pub fn write(folder: &Path, list: &[Kept]) -> Result<(), String> {
    check(list)?;
    let mut text =
        String::from("# Directions of W. Change their names as you like; sketches and addresses know them by these.\n");
    for one in list {
        let numbers: Vec<String> = one.vector.iter().map(f32::to_string).collect();
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        text += &format!("\n[[direction]]\nname = {}\nmade = {}\n", quoted(&one.name), quoted(&one.made));
        if let Some([from, to]) = one.layers {
            text += &format!("layers = [{from}, {to}]\n");
        }
        text += &format!("vector = [{}]\n", numbers.join(", "));
    }
    files::write(&path(folder), text.as_bytes()).map_err(|e| e.to_string())
}

/// As a network takes them: those of other dimensions are left out.
pub fn vectors(list: &[Kept], own: &StyleGan2) -> Vec<Direction> {
    let of = |one: &Kept| {
        let vector = match one.layers {
            None => one.vector.clone(),
            Some([from, to]) => {
                let zeros = vec![0.0; one.vector.len()];
                let layer = |at: usize| if (from..to).contains(&at) { &one.vector } else { &zeros };
                (0..own.styles()).flat_map(|at| layer(at).iter().copied()).collect()
            }
        };
        Direction { name: one.name.clone(), vector }
    };
    list.iter().filter(|one| one.vector.len() == own.w_dim).map(of).collect()
}

/// Finds so many directions. Those of the closed form are of the layers from and up to (not with) a number; `step` is
/// called for each thousand w, and says whether to go on.
///
/// # Errors
/// If there is nothing to find, or it was stopped.
pub fn find(
    own: &StyleGan2,
    params: &Params,
    by: By,
    layers: Option<[usize; 2]>,
    count: usize,
    step: &mut impl FnMut() -> bool,
) -> Result<Vec<Kept>, String> {
    let dim = own.w_dim;
    let [from, to] = layers.unwrap_or([0, own.styles()]);
    if from >= to || to > own.styles() {
        return Err(format!("layers are from 0 to {}, the first one below the second", own.styles()));
    }
    let covariance = covariance(own, params, step)?;
    let matrix = match by {
        By::Components => covariance.clone(),
        By::ClosedForm => {
            let mut sum = vec![0.0; dim * dim];
            let blocks = own.blocks();
            for layer in blocks.iter().flat_map(|block| &block.layers).filter(|layer| (from..to).contains(&layer.w)) {
                let kernel = floats(params.get::<2>(&format!("{}.affine", layer.name), "kernel"));
                add_products(&mut sum, &kernel, dim);
            }
            if sum.iter().all(|v| *v == 0.0) {
                return Err("there is no convolution in these layers; give some more".into());
            }
            sum
        }
    };
    let found = symmetric(&matrix, dim);
    let mut order: Vec<usize> = (0..dim).collect();
    order.sort_by(|a, b| found.values[*b].total_cmp(&found.values[*a]));
    let total: f64 = found.values.iter().map(|v| v.max(0.0)).sum();
    let (word, word_name) = match by {
        By::ClosedForm => ("closed form, eigenvector", "form"),
        By::Components => ("principal component", "component"),
    };
    let one = |(rank, at): (usize, &usize)| {
        let vector = &found.vectors[at * dim..(at + 1) * dim];
        // The deviation of w along it is its unit.
        let along: f64 =
            vector.chunks_exact(1).enumerate().map(|(i, v)| v[0] * dot(&covariance[i * dim..], vector)).sum();
        let unit = along.max(0.0).sqrt();
        let unit = if unit > 1e-6 { unit } else { 1.0 };
        // Of two signs the one whose largest number is positive.
        let largest = vector.iter().copied().fold(0.0, |most: f64, v| if v.abs() > most.abs() { v } else { most });
        let sign = if largest < 0.0 { -1.0 } else { 1.0 };
        let share = 100.0 * found.values[*at].max(0.0) / total.max(f64::MIN_POSITIVE);
        Kept {
            name: format!("{word_name}{rank}"),
            made: format!("{word} {rank}, {share:.1} % of all"),
            layers: layers.filter(|_| [from, to] != [0, own.styles()]),
            vector: vector.iter().map(|v| (v * unit * sign) as f32).collect(),
        }
    };
    Ok(order.iter().take(count.min(dim)).enumerate().map(one).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Adds `K Kᵀ` of a kernel `[dim, channels]`.
fn add_products(sum: &mut [f64], kernel: &[f32], dim: usize) {
    let channels = kernel.len() / dim;
    let rows: Vec<Vec<f64>> =
        kernel.chunks_exact(channels).map(|row| row.iter().map(|v| f64::from(*v)).collect()).collect();
    for (row, sums) in rows.iter().zip(sum.chunks_exact_mut(dim)) {
        sums.iter_mut().zip(&rows).for_each(|(sum, other)| *sum += dot(row, other));
    }
}

/// The covariance of w of many seeds `[dim, dim]`, all classes alike.
fn covariance(own: &StyleGan2, params: &Params, step: &mut impl FnMut() -> bool) -> Result<Vec<f64>, String> {
    let mapping = Mapping::new(own, params, Vec::new());
    let (dim, blend) = (own.w_dim, vec![1.0 / own.classes.max(1) as f64; own.classes]);
    let mut all: Vec<Vec<f64>> = Vec::with_capacity(SAMPLES);
    for seed in 0..SAMPLES {
        if seed % 1000 == 0 && !step() {
            return Err("stopped; nothing was written".into());
        }
        all.push(mapping.w(&latent::seed(seed as u32, own.z_dim), &blend));
    }
    let mut mean = vec![0.0; dim];
    all.iter().for_each(|w| mean.iter_mut().zip(w).for_each(|(mean, v)| *mean += v / SAMPLES as f64));
    let mut sum = vec![0.0; dim * dim];
    for w in &mut all {
        w.iter_mut().zip(&mean).for_each(|(v, mean)| *v -= mean);
        for (x, row) in w.iter().zip(sum.chunks_exact_mut(dim)) {
            row.iter_mut().zip(w.iter()).for_each(|(sum, v)| *sum += x * v);
        }
    }
    sum.iter_mut().for_each(|v| *v /= SAMPLES as f64);
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::RandomState;
    use burn::tensor::Device;

    /// A network whose layers all look along one direction.
    fn known(way: &[f32]) -> (StyleGan2, Params) {
        let own = StyleGan2 { z_dim: 8, w_dim: 8, channels: vec![6, 5, 4], ..StyleGan2::default() };
        let plans = own.plans();
        let params = Params::init(&plans, &mut RandomState::new(1), &Device::flex());
        let values: Vec<Vec<f32>> = plans
            .iter()
            .zip(&params.list)
            .map(|(plan, own)| {
                let mut values = floats(own.value.clone());
                if plan.name.ends_with("affine.kernel") {
                    let channels = plan.shape[1];
                    for (at, v) in values.iter_mut().enumerate() {
                        *v = *v * 0.05 + way[at / channels] * if at % channels % 2 == 0 { 1.0 } else { -1.0 };
                    }
                }
                values
            })
            .collect();
        (own, Params::of(&plans, &values, &Device::flex()))
    }

    #[test]
    fn a_dominant_direction_is_found() {
        let way = [0.5, -0.5, 0.1, 0.6, 0.0, 0.3, -0.1, 0.2];
        let (own, params) = known(&way);
        let found = find(&own, &params, By::ClosedForm, None, 3, &mut || true).unwrap();
        let unit = |v: &[f32]| v.iter().map(|v| v * v).sum::<f32>().sqrt();
        let along: f32 = way.iter().zip(&found[0].vector).map(|(a, b)| a * b).sum();
        let cosine = along / unit(&way) / unit(&found[0].vector);
        assert!(cosine.abs() > 0.99, "{cosine}");
        assert_eq!((found.len(), found[0].name.as_str(), found[0].layers), (3, "form0", None));
        // Components are orthogonal, and the first is the longest.
        let found = find(&own, &params, By::Components, Some([0, 2]), 2, &mut || true).unwrap();
        assert_eq!(found[0].layers, Some([0, 2]));
        assert!(unit(&found[0].vector) >= unit(&found[1].vector));
        assert!(find(&own, &params, By::ClosedForm, Some([3, 3]), 2, &mut || true).is_err());
        assert!(find(&own, &params, By::ClosedForm, None, 2, &mut || false).is_err());
    }

    #[test]
    fn what_is_kept_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), Ok(Vec::new()));
        let kept = |name: &str| Kept {
            name: name.into(),
            made: "by \"hand\"".into(),
            layers: Some([0, 2]),
            vector: vec![0.1, -2.5e-7],
        };
        let list = [kept("smile"), kept("older")];
        write(folder.path(), &list).unwrap();
        assert_eq!(read(folder.path()).unwrap(), list);
        for wrong in [vec![kept("a"), kept("a")], vec![kept("")], vec![kept("a/b")]] {
            assert!(write(folder.path(), &wrong).is_err());
        }
        std::fs::write(path(folder.path()), "[[direction]]\nname = 3").unwrap();
        assert!(read(folder.path()).unwrap_err().contains(FILE));
        let own = StyleGan2 { w_dim: 2, channels: vec![4, 4], ..StyleGan2::default() };
        let vectors = vectors(&list, &own);
        assert_eq!((vectors[0].vector.len(), vectors[0].vector[3], vectors[0].vector[4]), (8, -2.5e-7, 0.0));
    }
}
