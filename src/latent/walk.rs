//! Walks through points of a latent space: paths, rings, circles, loops of noise.
//!
//! Pure functions of a phase or a time. `phase` is 0..1; a path takes its ends at 0 and 1, everything that
//! closes has period 1. Points have one length, the dimension; a list of none gives the zero vector.

use std::f64::consts::TAU;

use super::Z;
use crate::random::RandomState;

/// The Euclidean length.
pub fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Weights of four neighbours in a Catmull-Rom spline at 0..1 between the middle two.
fn catmull_rom(t: f64) -> [f64; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [-0.5 * t3 + t2 - 0.5 * t, 1.5 * t3 - 2.5 * t2 + 1.0, -1.5 * t3 + 2.0 * t2 + 0.5 * t, 0.5 * t3 - 0.5 * t2]
}

/// A spline through four points, its length led along the spline of their lengths.
///
/// Between two seeds a plain spline sinks to 0.71 of their length, where the generator has seen little and
/// pictures turn grey. The correction is at most ×2, so that a walk through the origin still passes it.
fn spline(points: [&[f64]; 4], t: f64) -> Z {
    let weights = catmull_rom(t);
    let mut z: Z = vec![0.0; points[1].len()];
    let mut length = 0.0;
    for (point, weight) in points.iter().zip(weights) {
        length += norm(point) * weight;
        for (z, v) in z.iter_mut().zip(*point) {
            *z += v * weight;
        }
    }
    let found = norm(&z);
    let factor = if length > 0.0 { length / found.max(0.5 * length) } else { 1.0 };
    z.iter_mut().for_each(|v| *v *= factor);
    z
}

/// Smoothly through the points; at phase 0 the first, at 1 the last.
pub fn path(points: &[Z], phase: f64) -> Z {
    let last = points.len().saturating_sub(1);
    if last == 0 {
        return points.first().cloned().unwrap_or_default();
    }
    let (at, _, share) = neighbours(points.len(), false, phase);
    let near = |i: usize| points[i.clamp(0, last)].as_slice();
    spline([near(at.saturating_sub(1)), near(at), near(at + 1), near(at + 2)], share)
}

/// Smoothly through the points and back to the first; period 1.
pub fn ring(points: &[Z], phase: f64) -> Z {
    let count = points.len();
    if count < 2 {
        return points.first().cloned().unwrap_or_default();
    }
    let (at, _, share) = neighbours(count, true, phase);
    let near = |i: usize| points[i % count].as_slice();
    spline([near(at + count - 1), near(at), near(at + 1), near(at + 2)], share)
}

/// Smoothly through points of W, where lengths mean nothing: the plain spline of a path, or of a ring where it is `closed`.
pub fn through(points: &[Z], closed: bool, phase: f64) -> Z {
    let count = points.len();
    if count < 2 {
        return points.first().cloned().unwrap_or_default();
    }
    let (at, _, share) = neighbours(count, closed, phase);
    let near = |by: usize| match closed {
        true => &points[(at + count + by - 1) % count],
        false => &points[(at + by).saturating_sub(1).min(count - 1)],
    };
    let mut out = vec![0.0; points[0].len()];
    for (by, weight) in catmull_rom(share).into_iter().enumerate() {
        out.iter_mut().zip(near(by)).for_each(|(out, v)| *out += v * weight);
    }
    out
}

/// Which two points of `count` a path, or where it is `closed` a ring, is between at a phase, and its share 0..1 of the
/// way from the first to the second.
pub fn neighbours(count: usize, closed: bool, phase: f64) -> (usize, usize, f64) {
    let spans = if closed { count } else { count.saturating_sub(1) };
    if count < 2 {
        return (0, 0, 0.0);
    }
    let along = if closed { phase.rem_euclid(1.0) } else { phase.clamp(0.0, 1.0) } * spans as f64;
    let at = (along as usize).min(spans - 1);
    (at, (at + 1) % count, along - at as f64)
}

/// The great circle through a and b, a at phase 0, towards b; its length stays between theirs.
pub fn circle(a: &[f64], b: &[f64], phase: f64) -> Z {
    let aa: f64 = a.iter().map(|v| v * v).sum();
    let ab: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    let along = if aa > 0.0 { ab / aa } else { 0.0 };
    let across: Z = a.iter().zip(b).map(|(a, b)| b - a * along).collect();
    let length = norm(&across);
    let grow = if length > 1e-9 { norm(b) / length } else { 0.0 };
    let (sin, cos) = (phase.rem_euclid(1.0) * TAU).sin_cos();
    a.iter().zip(&across).map(|(a, c)| a * cos + c * grow * sin).collect()
}

/// z moved on a circle around itself, `radius` in units of z, in a plane drawn from `seed`.
pub fn orbit(z: &[f64], radius: f64, phase: f64, seed: u32) -> Z {
    let dim = z.len();
    let mut random = RandomState::new(seed);
    let (u, v) = (random.normals(dim), random.normals(dim));
    let (nu, nv) = (norm(&u).max(1e-12), norm(&v).max(1e-12));
    // The root of the dimension makes one unit one standard deviation of every dimension together.
    let size = radius * (dim as f64).sqrt();
    let (sin, cos) = (phase.rem_euclid(1.0) * TAU).sin_cos();
    (0..dim).map(|i| z[i] + size * (u[i] / nu * cos + v[i] / nv * sin)).collect()
}

/// Waves a dimension of noise is made of.
const WAVES: usize = 6;

/// A smooth random field over the plane for every dimension: random Fourier features of a Gaussian kernel
/// (Rahimi and Recht 2007), so that any one point of it is close to standard normal.
#[derive(Clone)]
pub struct Noise {
    /// `[dim · WAVES]` of (x frequency, y frequency, phase).
    waves: Vec<[f64; 3]>,
}

impl Noise {
    /// The field of that seed.
    pub fn new(seed: u32, dim: usize) -> Self {
        let mut random = RandomState::with_key(&[seed, 0x6e6f_6973]);
        let waves = (0..dim * WAVES).map(|_| [random.normal(), random.normal(), random.uniform() * TAU]).collect();
        Self { waves }
    }

    /// Every dimension's value at (x, y); features there are about one unit wide.
    pub fn at(&self, x: f64, y: f64) -> Z {
        let size = (2.0 / WAVES as f64).sqrt();
        self.waves
            .chunks_exact(WAVES)
            .map(|w| w.iter().map(|[a, b, p]| (a * x + b * y + p).cos()).sum::<f64>() * size)
            .collect()
    }

    /// A closed loop: once around a circle of `radius` in the field. Period 1, exactly.
    pub fn around(&self, phase: f64, radius: f64) -> Z {
        let (sin, cos) = (phase.rem_euclid(1.0) * TAU).sin_cos();
        self.at(radius * cos, radius * sin)
    }
}

/// One smooth random number in about −1..1 at (x, y): value noise on a lattice, eased with Perlin's quintic
/// (Perlin 2002).
pub fn noise(x: f64, y: f64, seed: u32) -> f64 {
    let (fx, fy) = (x.floor(), y.floor());
    let ease = |t: f64| t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
    let (u, v) = (ease(x - fx), ease(y - fy));
    let corner = |dx: i64, dy: i64| hash([(fx as i64).wrapping_add(dx), (fy as i64).wrapping_add(dy)], seed);
    let row = |dy| corner(0, dy) * (1.0 - u) + corner(1, dy) * u;
    (row(0) * (1.0 - v) + row(1) * v) * 2.0 - 1.0
}

/// A number in 0..1 that depends on nothing but its arguments (splitmix64, Steele et al. 2014).
pub fn hash(at: [i64; 2], seed: u32) -> f64 {
    let mut h = u64::from(seed);
    for v in at {
        h = h.wrapping_add(v as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
        h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        h ^= h >> 31;
    }
    (h >> 11) as f64 / 9_007_199_254_740_992.0
}

#[cfg(test)]
mod tests {
    use super::super::seed;
    use super::*;

    fn near(a: &[f64], b: &[f64]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9)
    }

    fn seeds(count: u32) -> Vec<Z> {
        (0..count).map(|s| seed(s, 100)).collect()
    }

    #[test]
    fn paths_and_rings_pass_through_their_points() {
        let points = seeds(5);
        for (i, point) in points.iter().enumerate() {
            assert!(near(&path(&points, i as f64 / 4.0), point));
            assert!(near(&ring(&points, i as f64 / 5.0), point));
        }
        assert!(near(&ring(&points, 1.0), &points[0]) && near(&ring(&points, -0.2), &points[4]));
        assert!(near(&path(&points[..1], 0.3), &points[0]) && path(&[], 0.5).is_empty());
    }

    #[test]
    fn a_walk_keeps_its_length_and_makes_no_jump() {
        let points = seeds(8);
        let lengths: Vec<f64> = points.iter().map(|p| norm(p)).collect();
        let (low, high) =
            (lengths.iter().copied().fold(f64::MAX, f64::min), lengths.iter().copied().fold(0.0, f64::max));
        let steps = 4000;
        let step = |i: i32| ring(&points, f64::from(i) / f64::from(steps));
        for i in 0..steps {
            let (a, b) = (step(i), step(i + 1));
            assert!(norm(&a) > 0.9 * low && norm(&a) < 1.1 * high);
            let moved: Z = a.iter().zip(&b).map(|(a, b)| b - a).collect();
            assert!(norm(&moved) < 0.1, "{i}: {}", norm(&moved));
        }
    }

    #[test]
    fn a_path_through_the_origin_is_allowed() {
        let ends = [vec![-2.0; 4], vec![2.0; 4]];
        assert!(near(&path(&ends, 0.5), &[0.0; 4]));
    }

    #[test]
    fn what_closes_closes_exactly() {
        let (a, b) = (seed(1, 64), seed(2, 64));
        let noise = Noise::new(3, 64);
        assert!(near(&circle(&a, &b, 0.0), &a) && near(&circle(&a, &b, 1.0), &a));
        assert_eq!(noise.around(0.0, 2.0), noise.around(1.0, 2.0));
        assert_eq!(orbit(&a, 0.5, 0.0, 1), orbit(&a, 0.5, 1.0, 1));
        assert!((norm(&orbit(&vec![0.0; 64], 0.5, 0.3, 1)) / 8.0 - 0.5).abs() < 0.1);
    }

    #[test]
    fn noise_is_close_to_standard_normal() {
        let field = Noise::new(1, 400);
        let values: Vec<f64> = (0..50).flat_map(|i| field.at(f64::from(i) * 3.1, 0.0)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.1 && (var - 1.0).abs() < 0.1, "{mean} {var}");
    }

    #[test]
    fn one_number_of_noise_is_smooth_and_bounded() {
        for i in 0..2000 {
            let x = f64::from(i) * 0.01 - 7.0;
            let (a, b) = (noise(x, 0.3, 1), noise(x + 0.01, 0.3, 1));
            assert!(a.abs() <= 1.0 && (a - b).abs() < 0.1);
        }
    }
}
