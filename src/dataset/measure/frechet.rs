//! The Fréchet distance of two Gaussians (Dowson & Landau 1982), as Heusel et al. 2017 use it on features of pictures:
//! `|μ₁ − μ₂|² + Tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½)`.
//!
//! `Σ₁ Σ₂` is not symmetric, `Σ₁^½ Σ₂ Σ₁^½` is and has the same eigenvalues, so that the trace of the root is a sum of
//! roots of real numbers. Where there are fewer rows than features a covariance has eigenvalues of zero, and rounding
//! puts them to either side of it: what is below counts as zero. All in f64; used by [`super::compare`].

use super::Rows;
use super::eigen::symmetric;

/// Mean and covariance of rows.
#[derive(Clone, Debug)]
pub struct Gaussian {
    mean: Vec<f64>,
    /// `[n, n]`.
    covariance: Vec<f64>,
}

impl Gaussian {
    /// Of rows of features; the covariance is that of a sample (divided by the count less one).
    pub fn of(rows: &Rows) -> Self {
        let (n, count) = (rows.dim(), rows.count().max(1) as f64);
        // From the first row on, so that rows that are all the same have a variance of exactly zero.
        let first: Vec<f64> =
            rows.iter().next().map_or_else(|| vec![0.0; n], |row| row.iter().map(|v| (*v).into()).collect());
        let mut sums = vec![0.0; n];
        for row in rows.iter() {
            sums.iter_mut().zip(row.iter().zip(&first)).for_each(|(sum, (v, first))| *sum += f64::from(*v) - first);
        }
        let mean: Vec<f64> = first.iter().zip(sums).map(|(first, sum)| first + sum / count).collect();
        let mut covariance = vec![0.0; n * n];
        let mut away = vec![0.0; n];
        for row in rows.iter() {
            away.iter_mut().zip(row.iter().zip(&mean)).for_each(|(away, (v, mean))| *away = f64::from(*v) - mean);
            for (sums, x) in covariance.chunks_exact_mut(n.max(1)).zip(&away) {
                sums.iter_mut().zip(&away).for_each(|(sum, y)| *sum += x * y);
            }
        }
        covariance.iter_mut().for_each(|sum| *sum /= (count - 1.0).max(1.0));
        Self { mean, covariance }
    }

    /// With this mean `[n]` and covariance `[n, n]`.
    ///
    /// # Panics
    /// If they do not fit together.
    pub fn new(mean: Vec<f64>, covariance: Vec<f64>) -> Self {
        assert_eq!(covariance.len(), mean.len() * mean.len());
        Self { mean, covariance }
    }

    /// The trace of the covariance: the mean square of the distance to the mean.
    pub fn variance(&self) -> f64 {
        let n = self.mean.len();
        (0..n).map(|at| self.covariance[at * n + at]).sum()
    }

    /// The root of the covariance, `[n, n]`.
    pub fn root(&self) -> Vec<f64> {
        symmetric(&self.covariance, self.mean.len()).with(|value| value.max(0.0).sqrt())
    }

    /// The squared Fréchet distance, given this one's [`root`](Self::root).
    ///
    /// # Panics
    /// If the other one has another number of features.
    pub fn distance(&self, root: &[f64], other: &Self) -> f64 {
        let n = self.mean.len();
        assert_eq!(n, other.mean.len());
        let way: f64 = self.mean.iter().zip(&other.mean).map(|(a, b)| (a - b).powi(2)).sum();
        let product = times(root, &times(&other.covariance, root, n), n);
        let roots: f64 = symmetric(&product, n).values.iter().map(|value| value.max(0.0).sqrt()).sum();
        (way + self.variance() + other.variance() - 2.0 * roots).max(0.0)
    }
}

/// The product of two matrices `[n, n]`.
fn times(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for (out, a) in out.chunks_exact_mut(n.max(1)).zip(a.chunks_exact(n.max(1))) {
        for (a, b) in a.iter().zip(b.chunks_exact(n)) {
            out.iter_mut().zip(b).for_each(|(out, b)| *out += a * b);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::RandomState;

    fn distance(a: &Gaussian, b: &Gaussian) -> f64 {
        let (there, back) = (a.distance(&a.root(), b), b.distance(&b.root(), a));
        assert!((there - back).abs() <= 1e-7 * there.max(1e-3), "{there} {back}");
        there
    }

    fn diagonal(values: &[f64]) -> Vec<f64> {
        let n = values.len();
        (0..n * n).map(|at| if at / n == at % n { values[at / n] } else { 0.0 }).collect()
    }

    #[test]
    fn known_gaussians() {
        // In one dimension: (μ₁ − μ₂)² + (σ₁ − σ₂)².
        let one = |mean: f64, deviation: f64| Gaussian::new(vec![mean], vec![deviation * deviation]);
        assert!((distance(&one(1.0, 2.0), &one(4.0, 6.0)) - 25.0).abs() < 1e-12);
        assert!((distance(&one(1.0, 2.0), &one(1.0, 0.0)) - 4.0).abs() < 1e-12);
        // Covariances with the same vectors: the sum over the roots of their values.
        let a = Gaussian::new(vec![0.0; 3], diagonal(&[1.0, 4.0, 9.0]));
        let b = Gaussian::new(vec![1.0, 0.0, 2.0], diagonal(&[4.0, 4.0, 1.0]));
        assert!((distance(&a, &b) - (5.0 + 1.0 + 0.0 + 4.0)).abs() < 1e-12);
        // Vectors that are not the same: (Σ₁ Σ₂)^½ of these has the trace √(tr + 2 √det) = √(5 + 2 · √(3 · 2)).
        let a = Gaussian::new(vec![0.0; 2], vec![2.0, 1.0, 1.0, 2.0]);
        let b = Gaussian::new(vec![0.0; 2], diagonal(&[2.0, 1.0]));
        let product = [4.0, 1.0, 2.0, 2.0];
        let (trace, det): (f64, f64) = (product[0] + product[3], product[0] * product[3] - product[1] * product[2]);
        let expected = 4.0 + 3.0 - 2.0 * (trace + 2.0 * det.sqrt()).sqrt();
        assert!((distance(&a, &b) - expected).abs() < 1e-12, "{expected}");
    }

    #[test]
    fn covariances_without_full_rank_are_measured() {
        // 60 rows of 100 features, over eight powers of ten.
        let mut random = RandomState::new(5);
        let mut rows = |away: f64| {
            let values = (0..60 * 100).map(|at| (random.normal() * 10f64.powi(at % 8) + away) as f32).collect();
            Gaussian::of(&Rows::of(100, values))
        };
        let (a, b) = (rows(0.0), rows(1.0));
        assert!(distance(&a, &a) <= 1e-6 * a.variance(), "{}", distance(&a, &a));
        assert!(distance(&a, &b) > 0.1 * a.variance());
        let still = Gaussian::of(&Rows::of(100, vec![0.1; 100 * 60]));
        assert!(still.variance() == 0.0 && distance(&still, &still) == 0.0);
    }
}
