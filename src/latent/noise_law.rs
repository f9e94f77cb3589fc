//! Even noise that is blended and stays even: the law of a sum of two is mended, so that a texture network sees on the
//! way what it has seen at the ends.
//!
//! Numbers of 0..1. `(1 − λ)A + λB` of two even noises is a trapezoid around one half, whose variance is half of theirs
//! in the middle: textures fade there. Its distribution function makes it even again (the lab's `redresse`); the modern
//! way blends normal scores, whose variance can be kept exactly.

use libm::{erf, exp, sqrt};

/// The distribution function of `(1 − λ)U + λU'` at t, for two even numbers of 0..1: even again, in the same order.
/// λ below 0.01 leaves t as it is.
pub fn redresse(t: f64, lambda: f64) -> f64 {
    let lambda = lambda.min(1.0 - lambda);
    if lambda < 0.01 {
        return t;
    }
    if t > 0.5 {
        return 1.0 - redresse(1.0 - t, lambda);
    }
    let t = t.max(0.0);
    match t <= lambda {
        true => t * t / (2.0 * lambda * (1.0 - lambda)),
        false => lambda / (2.0 * (1.0 - lambda)) + (t - lambda) / (1.0 - lambda),
    }
}

/// How two noises are blended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// The plain sum, which fades in the middle.
    Plain,
    /// [`redresse`] of the sum.
    Redresse,
    /// Each number becomes its rank among all: exactly even over the plane.
    Rank,
    /// Normal scores with weights cos and sin, whose variance stays.
    Scores,
}

/// The blend of two planes of 0..1 at `share` of the way.
pub fn blend(a: &[f32], b: &[f32], share: f64, law: Law) -> Vec<f32> {
    let share = share.clamp(0.0, 1.0);
    let sum = |(a, b): (&f32, &f32)| (1.0 - share) * f64::from(*a) + share * f64::from(*b);
    let pairs = || a.iter().zip(b);
    match law {
        Law::Plain => pairs().map(|p| sum(p) as f32).collect(),
        Law::Redresse => pairs().map(|p| redresse(sum(p), share) as f32).collect(),
        Law::Rank => ranks(&pairs().map(sum).collect::<Vec<f64>>()),
        Law::Scores => {
            let (sin, cos) = libm::sincos(share * std::f64::consts::FRAC_PI_2);
            pairs().map(|(a, b)| even(cos * score(f64::from(*a)) + sin * score(f64::from(*b))) as f32).collect()
        }
    }
}

/// Ranks divided by their count, the middle of each step.
fn ranks(values: &[f64]) -> Vec<f32> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut out = vec![0.0; values.len()];
    let count = values.len().max(1) as f64;
    order.into_iter().enumerate().for_each(|(rank, at)| out[at] = ((rank as f64 + 0.5) / count) as f32);
    out
}

/// The even number of a normal score: Φ.
pub fn even(score: f64) -> f64 {
    0.5 * (1.0 + erf(score / std::f64::consts::SQRT_2))
}

/// The normal score of an even number: Φ⁻¹, by Acklam's approximation and one step of Halley's method (error below 1e-12).
pub fn score(even_number: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e1,
        2.209460984245205e2,
        -2.759285104469687e2,
        1.38357751867269e2,
        -3.066479806614716e1,
        2.506628277459239,
    ];
    const B: [f64; 5] =
        [-5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1];
    const C: [f64; 6] = [
        -7.784894002430293e-3,
        -3.223964580411365e-1,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const D: [f64; 4] = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416];
    let p = even_number.clamp(1e-9, 1.0 - 1e-9);
    let horner = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |q: f64| horner(&C, q) / (horner(&D, q) * q + 1.0);
    let x = if p < 0.02425 {
        tail(sqrt(-2.0 * libm::log(p)))
    } else if p > 1.0 - 0.02425 {
        -tail(sqrt(-2.0 * libm::log(1.0 - p)))
    } else {
        let (q, r) = (p - 0.5, (p - 0.5) * (p - 0.5));
        horner(&A, r) * q / (horner(&B, r) * r + 1.0)
    };
    let e = even(x) - p;
    let u = e * sqrt(2.0 * std::f64::consts::PI) * exp(x * x / 2.0);
    x - u / (1.0 + x * u / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::RandomState;

    #[test]
    fn redresse_is_the_distribution_function() {
        for (t, lambda, expected) in [(0.2, 0.3, 0.0952), (0.4, 0.3, 0.3571), (0.5, 0.3, 0.5), (0.3, 0.5, 0.18)] {
            assert!((redresse(t, lambda) - expected).abs() < 5e-5, "{t} {lambda}: {}", redresse(t, lambda));
        }
        assert!((redresse(0.7, 0.7) - (1.0 - redresse(0.3, 0.3))).abs() < 1e-12);
        assert_eq!(redresse(0.37, 0.005), 0.37);
        assert_eq!((redresse(0.0, 0.4), redresse(1.0, 0.4)), (0.0, 1.0));
    }

    #[test]
    fn the_variance_of_the_middle_is_that_of_the_ends() {
        let mut random = RandomState::new(7);
        let mut plane = || (0..40_000).map(|_| random.uniform() as f32).collect::<Vec<f32>>();
        let (a, b) = (plane(), plane());
        let variance = |values: &[f32]| {
            let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
            values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / values.len() as f64
        };
        for share in [0.1, 0.37, 0.5, 0.8] {
            for law in [Law::Redresse, Law::Rank, Law::Scores] {
                let found = variance(&blend(&a, &b, share, law));
                assert!((found * 12.0 - 1.0).abs() < 0.02, "{law:?} {share}: {found}");
            }
        }
        assert!((variance(&blend(&a, &b, 0.5, Law::Plain)) * 24.0 - 1.0).abs() < 0.02);
        for law in [Law::Plain, Law::Redresse, Law::Scores] {
            let ends = [(0.0, &a), (1.0, &b)]
                .map(|(share, end)| blend(&a, &b, share, law).iter().zip(end).all(|(x, y)| (x - y).abs() < 1e-6));
            assert_eq!(ends, [true, true], "{law:?}");
        }
    }

    #[test]
    fn scores_and_even_numbers_are_each_others_ways_back() {
        for p in [1e-6, 0.01, 0.2, 0.5, 0.77, 0.99, 1.0 - 1e-6] {
            assert!((even(score(p)) - p).abs() < 1e-12, "{p}");
        }
        assert!((score(0.975) - 1.959_963_984_540_054).abs() < 1e-9);
    }
}
