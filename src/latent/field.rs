//! Latents over a plane: seeds on a lattice, and the two-dimensional map of the original's web page.

use super::Z;
use super::walk::norm;

/// Which four seeds are near (x, y), and how much of each: the lattice of seeds that StyleGAN's visualizer
/// walks over. The weights' squares add up to 1, so that a blend of independent seeds keeps their variance.
///
/// The seed at column x and row y is `(x + 100 · y) mod 2³²`, so the lattice repeats, and a walk over it has no end.
pub fn plane(x: f64, y: f64) -> [(u32, f64); 4] {
    let around = |v: f64| if v.is_finite() { v.rem_euclid(4_294_967_296.0) } else { 0.0 };
    let (x, y) = (around(x), around(y));
    let (cx, cy) = (x.floor(), y.floor());
    let ease = |t: f64| t * t * (3.0 - 2.0 * t);
    let (u, v) = (ease(x - cx), ease(y - cy));
    let seed = |dx: i64, dy: i64| (cx as i64 + dx + 100 * (cy as i64 + dy)).rem_euclid(1 << 32) as u32;
    let weights = [(1.0 - u) * (1.0 - v), u * (1.0 - v), (1.0 - u) * v, u * v];
    let size = weights.iter().map(|w| w * w).sum::<f64>().sqrt();
    let seeds = [seed(0, 0), seed(1, 0), seed(0, 1), seed(1, 1)];
    std::array::from_fn(|i| (seeds[i], weights[i] / size))
}

/// Side of the map in the units of [`EPSILON`].
const SIDE: f64 = 127.0;
/// Width of the radial bases, exp(−ε·d²): the value of the original's page.
const EPSILON: f64 = 2e-5;
/// Values of the map are clamped to ± this, as in the original.
const MOST: f64 = 2.5;

/// The map at (x, y) in 0..1: radial bases around each point, solved so that each point is met exactly. The
/// points stand on a square grid, four of them in the corners, row by row from the top left.
pub fn map2d(points: &[Z], x: f64, y: f64) -> Z {
    let count = points.len();
    let Some(first) = points.first() else { return Vec::new() };
    let columns = (1..=count).find(|c| c * c >= count).unwrap_or(1);
    let rows = count.div_ceil(columns);
    // Neighbours are a side apart, whatever the count, so that the system stays well conditioned.
    let spot = |i: usize| ((i % columns) as f64 * SIDE, (i / columns) as f64 * SIDE);
    let (x, y) = (x.clamp(0.0, 1.0) * (columns - 1) as f64 * SIDE, y.clamp(0.0, 1.0) * (rows - 1) as f64 * SIDE);
    let basis = |(ax, ay): (f64, f64), (bx, by): (f64, f64)| (-EPSILON * ((ax - bx).powi(2) + (ay - by).powi(2))).exp();
    let matrix = (0..count).map(|i| (0..count).map(|j| basis(spot(i), spot(j))).collect()).collect();
    let weights = solve(matrix, (0..count).map(|i| basis((x, y), spot(i))).collect());
    let mut z = vec![0.0; first.len()];
    for (point, weight) in points.iter().zip(weights) {
        for (z, v) in z.iter_mut().zip(point) {
            *z += v * weight;
        }
    }
    z.iter_mut().for_each(|v| *v = v.clamp(-MOST, MOST));
    z
}

/// Gauss with pivots; `a` is symmetric positive definite here, so it has a solution.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|i, j| a[*i][k].abs().total_cmp(&a[*j][k].abs())).unwrap_or(k);
        a.swap(k, pivot);
        b.swap(k, pivot);
        if a[k][k].abs() < 1e-300 {
            continue;
        }
        for i in k + 1..n {
            let factor = a[i][k] / a[k][k];
            let (above, below) = a.split_at_mut(i);
            below[0][k..].iter_mut().zip(&above[k][k..]).for_each(|(v, p)| *v -= p * factor);
            b[i] -= b[k] * factor;
        }
    }
    for k in (0..n).rev() {
        let rest: f64 = (k + 1..n).map(|j| a[k][j] * b[j]).sum();
        b[k] = if a[k][k].abs() < 1e-300 { 0.0 } else { (b[k] - rest) / a[k][k] };
    }
    b
}

/// The sum of points with weights, each weight a share of their sum; its length led to the same mix of their
/// lengths, at most doubled (see [`super::walk::path`]).
pub fn mix(points: &[Z], weights: &[f64]) -> Z {
    let Some(first) = points.first() else { return Vec::new() };
    let weight = |i: usize| weights.get(i).copied().unwrap_or(if weights.is_empty() { 1.0 } else { 0.0 });
    let total: f64 = (0..points.len()).map(weight).sum();
    let total = if total.abs() < 1e-12 { 1.0 } else { total };
    let mut z = vec![0.0; first.len()];
    let mut length = 0.0;
    for (i, point) in points.iter().enumerate() {
        let share = weight(i) / total;
        length += norm(point) * share;
        z.iter_mut().zip(point).for_each(|(z, v)| *z += v * share);
    }
    let factor = if length > 0.0 { length / norm(&z).max(0.5 * length) } else { 1.0 };
    z.iter_mut().for_each(|v| *v *= factor);
    z
}

#[cfg(test)]
mod tests {
    use super::super::seed;
    use super::*;

    #[test]
    fn a_walk_over_the_plane_has_no_end() {
        // Where the lattice begins again, and months away.
        for x in [4_294_967_296.0, 5e6, -1e6, 1e11] {
            let (before, after) = (plane(x - 1e-4, 0.5), plane(x + 1e-4, 0.5));
            let of =
                |found: [(u32, f64); 4], seed: u32| found.iter().find(|(s, _)| *s == seed).map_or(0.0, |(_, w)| *w);
            assert!(after.iter().all(|(seed, weight)| (of(before, *seed) - weight).abs() < 1e-3), "{x}");
            assert!(before != after, "{x}");
        }
        assert_eq!(plane(f64::NAN, 0.0)[0].0, 0);
    }

    #[test]
    fn the_map_has_its_points_in_the_corners() {
        for count in [1, 2, 4, 5, 9] {
            let points: Vec<Z> = (0..count).map(|s| seed(s, 20)).collect();
            let columns = (1..=count).find(|c| c * c >= count).unwrap();
            let rows = count.div_ceil(columns);
            for (i, point) in points.iter().enumerate() {
                let share = |at: u32, of: u32| if of > 1 { f64::from(at) / f64::from(of - 1) } else { 0.0 };
                let (x, y) = (share(i as u32 % columns, columns), share(i as u32 / columns, rows));
                let found = map2d(&points, x, y);
                assert!(found.iter().zip(point).all(|(a, b)| (a - b.clamp(-MOST, MOST)).abs() < 1e-6), "{count} {i}");
            }
        }
        assert!(map2d(&[], 0.5, 0.5).is_empty());
    }

    #[test]
    fn the_plane_holds_whole_seeds_at_whole_places() {
        let found = plane(3.0, -2.0);
        assert_eq!(found[0], ((3i64 - 200).rem_euclid(1 << 32) as u32, 1.0));
        let middle = plane(0.5, 0.5);
        assert!((middle.iter().map(|(_, w)| w * w).sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_mix_keeps_its_length() {
        let points = [seed(1, 100), seed(2, 100)];
        assert!((norm(&mix(&points, &[1.0, 1.0])) - (norm(&points[0]) + norm(&points[1])) / 2.0).abs() < 1e-9);
        assert_eq!(mix(&points, &[0.0, 2.0]), points[1]);
    }
}
