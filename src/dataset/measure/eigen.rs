//! Eigenvalues and eigenvectors of symmetric matrices, by Jacobi's rotations.
//!
//! Chosen for its accuracy: small eigenvalues of a badly conditioned covariance come out as well as large ones, and the
//! vectors are orthogonal to rounding. A matrix of 128 takes about a tenth of a second. Used by [`super::frechet`].

/// Rounds over all pairs at most; six to ten are usual.
const ROUNDS: usize = 60;

/// Eigenvalues, in no order, and the vector of each.
#[derive(Clone, Debug)]
pub struct Eigen {
    /// The eigenvalues.
    pub values: Vec<f64>,
    /// `[n, n]`: row i is the unit vector of value i.
    pub vectors: Vec<f64>,
}

/// Of a symmetric matrix `[n, n]` of finite numbers, of which the upper triangle is read.
///
/// # Panics
/// If the matrix does not have n · n numbers.
pub fn symmetric(matrix: &[f64], n: usize) -> Eigen {
    assert_eq!(matrix.len(), n * n, "a matrix of {n} x {n}");
    let mut a: Vec<f64> = (0..n * n).map(|at| matrix[(at / n).min(at % n) * n + (at / n).max(at % n)]).collect();
    let mut vectors: Vec<f64> = (0..n * n).map(|at| if at / n == at % n { 1.0 } else { 0.0 }).collect();
    // Far below what rounding has put into the matrix: where values are zero there would be no end otherwise.
    let noise = 1e-20 * a.iter().map(|v| v * v).sum::<f64>().sqrt();
    for _ in 0..ROUNDS {
        let mut turned = false;
        for p in 0..n {
            for q in p + 1..n {
                let (app, aqq, apq) = (a[p * n + p], a[q * n + q], a[p * n + q]);
                // Nothing that a rotation would change: relative to both, so that small eigenvalues are exact, too.
                if apq.abs() <= noise.max(f64::EPSILON * (app.abs() * aqq.abs()).sqrt()) {
                    continue;
                }
                turned = true;
                let theta = (aqq - app) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                turn(&mut a, n, p, q, c, s);
                a[p * n + p] = app - t * apq;
                a[q * n + q] = aqq + t * apq;
                a[p * n + q] = 0.0;
                a[q * n + p] = 0.0;
                for k in 0..n {
                    let (x, y) = (vectors[p * n + k], vectors[q * n + k]);
                    vectors[p * n + k] = c * x - s * y;
                    vectors[q * n + k] = s * x + c * y;
                }
            }
        }
        if !turned {
            break;
        }
    }
    Eigen { values: (0..n).map(|at| a[at * n + at]).collect(), vectors }
}

/// Rows and columns p and q, but for where they cross.
fn turn(a: &mut [f64], n: usize, p: usize, q: usize, c: f64, s: f64) {
    for k in 0..n {
        if k != p && k != q {
            let (x, y) = (a[p * n + k], a[q * n + k]);
            let (x, y) = (c * x - s * y, s * x + c * y);
            a[p * n + k] = x;
            a[q * n + k] = y;
            a[k * n + p] = x;
            a[k * n + q] = y;
        }
    }
}

impl Eigen {
    /// `Σ f(λ) v vᵀ`, `[n, n]`: the root of a matrix with a root for `f`.
    pub fn with(&self, f: impl Fn(f64) -> f64) -> Vec<f64> {
        let n = self.values.len();
        let mut out = vec![0.0; n * n];
        for (value, vector) in self.values.iter().zip(self.vectors.chunks_exact(n.max(1))) {
            let value = f(*value);
            for (row, x) in out.chunks_exact_mut(n).zip(vector) {
                row.iter_mut().zip(vector).for_each(|(out, y)| *out += value * x * y);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::RandomState;

    fn sorted(matrix: &[f64], n: usize) -> Vec<f64> {
        let mut values = symmetric(matrix, n).values;
        values.sort_by(f64::total_cmp);
        values
    }

    fn near(values: &[f64], expected: &[f64]) {
        assert_eq!(values.len(), expected.len());
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() <= 1e-12 * expected.abs().max(1e-3), "{values:?} {expected:?}");
        }
    }

    #[test]
    fn known_matrices() {
        near(&sorted(&[], 0), &[]);
        near(&sorted(&[-3.0], 1), &[-3.0]);
        near(&sorted(&[2.0, 1.0, 1.0, 2.0], 2), &[1.0, 3.0]);
        near(&sorted(&[0.0; 9], 3), &[0.0; 3]);
        // Equal eigenvalues, and one that is zero: all ones.
        near(&sorted(&[1.0; 9], 3), &[0.0, 0.0, 3.0]);
        // A chain of springs: 2 − 2 cos(kπ / (n + 1)).
        let n = 20usize;
        let chain: Vec<f64> = (0..n * n)
            .map(|at| match (at / n).abs_diff(at % n) {
                0 => 2.0,
                1 => -1.0,
                _ => 0.0,
            })
            .collect();
        let expected: Vec<f64> =
            (1..=n).map(|k| 2.0 - 2.0 * (k as f64 * std::f64::consts::PI / (n + 1) as f64).cos()).collect();
        near(&sorted(&chain, n), &expected);
    }

    #[test]
    fn a_badly_conditioned_matrix_is_put_together_again() {
        let n = 24;
        let mut random = RandomState::new(3);
        let any: Vec<f64> = random.normals(n * n);
        // The vectors of any symmetric matrix, with values over 20 powers of ten.
        let whole: Vec<f64> = (0..n * n).map(|at| any[at] + any[at % n * n + at / n]).collect();
        let wanted: Vec<f64> = (0..n).map(|at| 10f64.powf(10.0 - at as f64 * 20.0 / (n - 1) as f64)).collect();
        let eigen = Eigen { values: wanted.clone(), ..symmetric(&whole, n) };
        let matrix = eigen.with(|v| v);
        let again = symmetric(&matrix, n);
        let back = again.with(|v| v);
        let largest = wanted[0];
        assert!(matrix.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-13 * largest));
        for (i, x) in again.vectors.chunks_exact(n).enumerate() {
            for (j, y) in again.vectors.chunks_exact(n).enumerate() {
                let dot: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
                assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }
}
