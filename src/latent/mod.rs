//! Latent vectors: made from seeds, walked between, read and written as text.
//!
//! Pure functions of numbers; fed by `cli` and by sketches, read by `generator`.
//! Values are f64 as numpy has them, and become f32 only when a network takes them.

pub mod ease;
pub mod field;
pub mod manner;
pub mod noise_law;
pub mod path;
pub mod pose;
pub mod space;
pub mod stored;
pub mod study;
pub mod style;
pub mod text;
pub mod texture;
pub mod walk;

use crate::random::RandomState;

/// One point of a latent space: `[dim]` numbers, standard normal where a seed made them.
pub type Z = Vec<f64>;

/// `RandomState(seed).randn(1, dim)`, as in numpy and the tools built on it.
pub fn seed(seed: u32, dim: usize) -> Z {
    RandomState::new(seed).normals(dim)
}

/// `a + (b − a) · t` per dimension. The norm of the middle of two seeds is about 0.71 of theirs.
pub fn lerp(a: &[f64], b: &[f64], t: f64) -> Z {
    a.iter().zip(b).map(|(a, b)| a * (1.0 - t) + b * t).collect()
}

/// Along the great circle through a and b, the norm going evenly from one's to the other's
/// (Shoemake 1985, with the norms of White 2016, arXiv 1609.04468).
///
/// Where there is no great circle (a zero vector, or opposite ones) it is [`lerp`].
pub fn slerp(a: &[f64], b: &[f64], t: f64) -> Z {
    let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
    let (na, nb) = (norm(a), norm(b));
    let cosine = a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / (na * nb);
    let angle = cosine.clamp(-1.0, 1.0).acos();
    let sine = angle.sin();
    if !sine.is_finite() || sine.abs() < 1e-9 {
        return lerp(a, b, t);
    }
    let (wa, wb) = (((1.0 - t) * angle).sin() / sine, (t * angle).sin() / sine);
    let length = na * (1.0 - t) + nb * t;
    a.iter().zip(b).map(|(a, b)| (a / na * wa + b / nb * wb) * length).collect()
}

/// `count` values from 0 to 1 with both ends, as numpy's `linspace(0, 1, count)`; one value is 0.
pub fn ratios(count: usize) -> Vec<f64> {
    (0..count).map(|i| if count > 1 { i as f64 / (count - 1) as f64 } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norm(v: &[f64]) -> f64 {
        v.iter().map(|v| v * v).sum::<f64>().sqrt()
    }

    #[test]
    fn walks_begin_and_end_where_they_are_told() {
        let (a, b) = (seed(1, 100), seed(2, 100));
        for walk in [lerp, slerp] {
            for (t, end) in [(0.0, &a), (1.0, &b)] {
                assert!(walk(&a, &b, t).iter().zip(end).all(|(x, y)| (x - y).abs() < 1e-12));
            }
        }
        let middle = slerp(&a, &b, 0.5);
        assert!((norm(&middle) - (norm(&a) + norm(&b)) / 2.0).abs() < 1e-9);
        assert!(norm(&lerp(&a, &b, 0.5)) < 0.85 * norm(&a));
    }

    #[test]
    fn a_walk_without_a_great_circle_is_straight() {
        let (zero, b) = (vec![0.0; 3], vec![1.0, 2.0, 3.0]);
        assert_eq!(slerp(&zero, &b, 0.5), lerp(&zero, &b, 0.5));
        assert_eq!(slerp(&b, &b, 0.5), b);
    }

    #[test]
    fn ratios_hold_both_ends() {
        assert_eq!(ratios(5), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!((ratios(1), ratios(0).len()), (vec![0.0], 0));
    }
}
