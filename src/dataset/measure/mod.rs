//! How near one set of pictures is to another, by rows of features: Fréchet distance, precision and recall, collapse.
//!
//! Features come from a fixed bank of random filters ([`filters`]), which needs no download, or from a model's own
//! critic (`model::critic`); long rows become shorter ones by [`projection`]. Fed and read by `cli::score`, on its
//! thread; rayon works below it. Knows no networks and no files.

pub mod eigen;
pub mod filters;
pub mod frechet;
pub mod neighbours;
pub mod projection;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use frechet::Gaussian;
use neighbours::Near;

/// Numbers in a row of features behind [`projection::Projection`]: few enough that two hundred rows and more determine
/// their covariance, enough to tell pictures apart.
pub const DIM: usize = 128;
/// Rows that a set needs at least.
pub const LEAST: usize = 50;

/// Rows of features, one a picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    dim: usize,
    values: Vec<f32>,
}

/// Why two sets cannot be compared.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum MeasureError {
    /// A set has too few rows.
    #[error("{0} pictures are too few to compare; at least {LEAST} of each kind are needed")]
    TooFew(usize),
    /// A feature is infinite or no number.
    #[error("the features of some pictures are not finite numbers")]
    NotFinite,
    /// Rows of the sets have other lengths.
    #[error("rows of {0} and of {1} features cannot be compared")]
    Lengths(usize, usize),
    /// The data do not vary.
    #[error("all of the data's pictures are the same to these features; a distance has no measure there")]
    AllSame,
}

impl Rows {
    /// No rows of `dim` numbers yet.
    pub fn new(dim: usize) -> Self {
        Self { dim, values: Vec::new() }
    }

    /// Rows `[n, dim]` one after the other; what is no whole row at the end is left out.
    pub fn of(dim: usize, mut values: Vec<f32>) -> Self {
        values.truncate(values.len() / dim.max(1) * dim);
        Self { dim, values }
    }

    /// Adds rows `[n, dim]`.
    ///
    /// # Panics
    /// If they are no whole rows.
    pub fn add(&mut self, rows: &[f32]) {
        assert!(rows.len().is_multiple_of(self.dim.max(1)), "{} numbers are no rows of {}", rows.len(), self.dim);
        self.values.extend_from_slice(rows);
    }

    /// Numbers in a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many rows there are.
    pub fn count(&self) -> usize {
        self.values.len() / self.dim.max(1)
    }

    /// One of them.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, at: usize) -> &[f32] {
        &self.values[at * self.dim..(at + 1) * self.dim]
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.dim.max(1))
    }

    fn check(&self) -> Result<(), MeasureError> {
        match () {
            () if self.count() < LEAST => Err(MeasureError::TooFew(self.count())),
            () if !self.values.iter().all(|v| v.is_finite()) => Err(MeasureError::NotFinite),
            () => Ok(()),
        }
    }
}

/// What a set of pictures is to the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measures {
    /// The squared Fréchet distance of the two Gaussians ([`frechet`]), in squared units of the features; 0 is the same.
    pub frechet: f64,
    /// The same, divided by the variance of the data's features (the trace of their covariance): without a unit.
    pub relative: f64,
    /// Share of the set's pictures that lie among the data's, 0..1 ([`neighbours`]).
    pub precision: f64,
    /// Share of the data's pictures that lie among the set's, 0..1.
    pub recall: f64,
    /// Mean distance between two pictures of the set, divided by that of the data: 1 is as varied, 0 all the same.
    pub spread: f64,
    /// Share of the set's pictures that have another one nearer to them than 99 of 100 of the data's have: about 0.01
    /// where pictures are as different as the data's, 1 where all are the same.
    pub twins: f64,
}

/// The measures of a model, and of other pictures of the data: the best that any model can be expected to reach.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// Of the model's pictures.
    pub model: Measures,
    /// Of the data's other half.
    pub floor: Measures,
}

/// Compares a model's pictures, and other pictures of the data, with pictures of the data.
///
/// # Errors
/// If there are too few rows, some are not finite, or the data do not vary.
pub fn compare(real: &Rows, other: &Rows, made: &Rows) -> Result<Compared, MeasureError> {
    for rows in [real, other, made] {
        rows.check()?;
        if rows.dim() != real.dim() {
            return Err(MeasureError::Lengths(real.dim(), rows.dim()));
        }
    }
    let (gaussian, near) = (Gaussian::of(real), Near::of(real));
    if gaussian.variance() <= 0.0 || near.mean <= 0.0 {
        return Err(MeasureError::AllSame);
    }
    let root = gaussian.root();
    let least = near.least();
    let measures = |rows: &Rows| {
        let (own, theirs) = (Near::of(rows), Gaussian::of(rows));
        let frechet = gaussian.distance(&root, &theirs);
        Measures {
            frechet,
            relative: frechet / gaussian.variance(),
            precision: neighbours::among(rows, real, &near),
            recall: neighbours::among(real, rows, &own),
            spread: own.mean / near.mean,
            twins: own.nearer(least),
        }
    };
    Ok(Compared { model: measures(made), floor: measures(other) })
}
