//! What is asked of the pixels themselves: smoothness, the exemplar's colours, its spectrum.
//!
//! Pictures are `[h, w, 3]` of 0..1. Each term gives a value and adds its gradient, which is worked out by hand: where a
//! term has a nearest picture that would fulfil it, the value is half of the mean square of the way there, and the
//! gradient is that way.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// A picture's size: height and width.
pub type Size = [usize; 2];

/// Weight times the sum of `|dx| + |dy|` over all channels.
pub fn variation(x: &[f32], [h, w]: Size, weight: f64, gradient: &mut [f32]) -> f64 {
    let mut sum = 0.0;
    let mut pair = |a: usize, b: usize| {
        let d = x[b] - x[a];
        sum += f64::from(d.abs());
        let slope = if d == 0.0 { 0.0 } else { d.signum() * weight as f32 };
        gradient[a] -= slope;
        gradient[b] += slope;
    };
    for row in 0..h {
        for at in 0..w * 3 {
            let here = row * w * 3 + at;
            if at + 3 < w * 3 {
                pair(here, here + 3);
            }
            if row + 1 < h {
                pair(here, here + w * 3);
            }
        }
    }
    weight * sum
}

/// Half of weight times the mean square of the way to `goal`.
fn towards(x: &[f32], goal: &[f32], weight: f64, gradient: &mut [f32]) -> f64 {
    let (mut sum, share) = (0.0, (weight / x.len().max(1) as f64) as f32);
    for ((v, t), g) in x.iter().zip(goal).zip(gradient) {
        let d = v - t;
        sum += f64::from(d * d);
        *g += share * d;
    }
    weight * sum / (2.0 * x.len().max(1) as f64)
}

/// The values of each channel of an exemplar in order, for [`histogram`].
pub fn sorted(exemplar: &[f32]) -> [Vec<f32>; 3] {
    std::array::from_fn(|c| {
        let mut values: Vec<f32> = exemplar.iter().skip(c).step_by(3).copied().collect();
        values.sort_by(f32::total_cmp);
        values
    })
}

/// The way to the picture whose channels have the exemplar's values, in the order that they have now.
pub fn histogram(x: &[f32], sorted: &[Vec<f32>; 3], weight: f64, gradient: &mut [f32]) -> f64 {
    let mut goal = vec![0.0; x.len()];
    for (c, wanted) in sorted.iter().enumerate() {
        let mut order: Vec<usize> = (c..x.len()).step_by(3).collect();
        order.sort_by(|a, b| x[*a].total_cmp(&x[*b]));
        let last = wanted.len().saturating_sub(1) as f64;
        let count = order.len().max(2) as f64;
        for (rank, at) in order.into_iter().enumerate() {
            let place = rank as f64 / (count - 1.0) * last;
            let (low, share) = (place.floor() as usize, place.fract() as f32);
            let high = (low + 1).min(wanted.len() - 1);
            goal[at] = wanted[low] + (wanted[high] - wanted[low]) * share;
        }
    }
    towards(x, &goal, weight, gradient)
}

/// The spectrum of a picture, one list of `[h · w]` for each channel, for [`spectrum`].
pub fn spectra(x: &[f32], size: Size) -> [Vec<Complex<f32>>; 3] {
    std::array::from_fn(|c| {
        let mut values: Vec<Complex<f32>> = x.iter().skip(c).step_by(3).map(|v| Complex::new(*v, 0.0)).collect();
        fourier(&mut values, size, false);
        values
    })
}

/// The way to the nearest picture that has the exemplar's spectrum: all channels turned by one phase at each frequency,
/// so that their colours stay together (Liu, Gousseau & Xia 2016, arXiv 1605.01141, equation 5).
pub fn spectrum(x: &[f32], size: Size, wanted: &[Vec<Complex<f32>>; 3], weight: f64, gradient: &mut [f32]) -> f64 {
    let own = spectra(x, size);
    let mut goal = vec![0.0; x.len()];
    let turns: Vec<Complex<f32>> = (0..size[0] * size[1])
        .map(|at| {
            let along: Complex<f32> = (0..3).map(|c| own[c][at] * wanted[c][at].conj()).sum();
            let length = along.norm();
            if length > 0.0 { along / length } else { Complex::new(1.0, 0.0) }
        })
        .collect();
    let scale = 1.0 / (size[0] * size[1]) as f32;
    for (c, wanted) in wanted.iter().enumerate() {
        let mut values: Vec<Complex<f32>> = wanted.iter().zip(&turns).map(|(w, t)| w * t).collect();
        fourier(&mut values, size, true);
        goal.iter_mut().skip(c).step_by(3).zip(values).for_each(|(goal, v)| *goal = v.re * scale);
    }
    towards(x, &goal, weight, gradient)
}

/// The transform of rows and then of columns, in place; back without its factor.
fn fourier(values: &mut [Complex<f32>], [h, w]: Size, back: bool) {
    let mut planner = FftPlanner::new();
    let mut plan = |len| if back { planner.plan_fft_inverse(len) } else { planner.plan_fft_forward(len) };
    let (rows, columns) = (plan(w), plan(h));
    rows.process(values);
    let mut column = vec![Complex::new(0.0, 0.0); h];
    for x in 0..w {
        column.iter_mut().zip(values.iter().skip(x).step_by(w)).for_each(|(to, from)| *to = *from);
        columns.process(&mut column);
        values.iter_mut().skip(x).step_by(w).zip(&column).for_each(|(to, from)| *to = *from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize, seed: f32) -> Vec<f32> {
        (0..len).map(|v| ((v as f32 * 12.9 + seed).sin() * 43758.5).fract().abs()).collect()
    }

    /// Finite differences of a term beside its gradient.
    fn check(term: impl Fn(&[f32], &mut [f32]) -> f64, x: &[f32], tolerance: f64) {
        let mut gradient = vec![0.0; x.len()];
        term(x, &mut gradient);
        for at in [0, 7, x.len() - 1] {
            let value = |by: f32| {
                let mut x = x.to_vec();
                x[at] += by;
                term(&x, &mut vec![0.0; x.len()])
            };
            let expected = (value(1e-3) - value(-1e-3)) / 2e-3;
            assert!((f64::from(gradient[at]) - expected).abs() < tolerance, "{at}: {} {expected}", gradient[at]);
        }
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let x = noise(5 * 6 * 3, 0.1);
        check(|x, g| variation(x, [5, 6], 0.5, g), &x, 1e-2);
    }

    #[test]
    fn what_is_as_it_should_be_is_left_alone() {
        let x = noise(8 * 8 * 3, 0.7);
        let mut gradient = vec![0.0; x.len()];
        assert!(histogram(&x, &sorted(&x), 1.0, &mut gradient) < 1e-12);
        // A picture has its own spectrum, and so has one that was moved around its edges.
        let spectra = spectra(&x, [8, 8]);
        assert!(spectrum(&x, [8, 8], &spectra, 1.0, &mut gradient) < 1e-9);
        let mut moved = x.clone();
        moved.rotate_left(3 * 8 * 3);
        assert!(spectrum(&moved, [8, 8], &spectra, 1.0, &mut gradient) < 1e-9);
        assert!(gradient.iter().all(|g| g.abs() < 1e-4));
    }

    #[test]
    fn the_way_leads_to_the_exemplars_colours_and_spectrum() {
        let (x, other) = (noise(8 * 8 * 3, 0.2), noise(8 * 8 * 3, 0.9).iter().map(|v| v * v).collect::<Vec<f32>>());
        let stepped = |gradient: &[f32], weight: f64| {
            let share = x.len() as f32 / weight as f32;
            x.iter().zip(gradient).map(|(x, g)| x - g * share).collect::<Vec<f32>>()
        };
        let mut gradient = vec![0.0; x.len()];
        histogram(&x, &sorted(&other), 2.0, &mut gradient);
        let there = sorted(&stepped(&gradient, 2.0));
        assert!(there[1].iter().zip(&sorted(&other)[1]).all(|(a, b)| (a - b).abs() < 1e-4));
        let mut gradient = vec![0.0; x.len()];
        let wanted = spectra(&other, [8, 8]);
        let before = spectrum(&x, [8, 8], &wanted, 2.0, &mut gradient);
        let there = stepped(&gradient, 2.0);
        assert!(spectrum(&there, [8, 8], &wanted, 2.0, &mut vec![0.0; x.len()]) < before * 1e-3);
    }
}
