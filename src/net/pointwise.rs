//! The CPU's passes over single values and channels: activations, sums, batch normalisation.
//!
//! Plain functions on f32 slices beside [`super::kernels`]; `net::ops` feeds them, nobody else.
//! Sums are cut into pieces that do not depend on the number of threads.

use rayon::prelude::*;

/// tanh as the odd rational function of degree 13/6 that Eigen uses; within 4e-7 of the true value.
///
/// It has no branch and no call, so the compiler makes it a vector loop, which `f32::tanh` is not; a
/// loop has the machine's vectors only where this is part of it.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let x = x.clamp(-7.905_311, 7.905_311);
    let q = x * x;
    let top = [6.372_619_3e-4, 1.485_722_4e-5, 5.122_297e-8, -8.604_672e-11, 2.000_188e-13, -2.760_768_5e-16];
    let p = top.iter().rev().fold(0.0, |sum, a| (sum + a) * q) + 4.893_524_6e-3;
    let d = ((1.198_258_4e-6 * q + 1.185_347e-4) * q + 2.268_434_6e-3) * q + 4.893_525e-3;
    x * p / d
}

/// `dy · act'(y)` for a leaky activation whose *output* is y (slope > 0 or y = 0 where it is 0).
pub fn leaky_grad(y: &[f32], dy: &[f32], slope: f32) -> Vec<f32> {
    let mut out = vec![0.0; dy.len()];
    let pieces = out.par_chunks_mut(1 << 16).zip(y.par_chunks(1 << 16)).zip(dy.par_chunks(1 << 16));
    pieces.for_each(|((out, y), dy)| {
        for ((o, y), d) in out.iter_mut().zip(y).zip(dy) {
            *o = if *y > 0.0 { *d } else { d * slope };
        }
    });
    out
}

/// `dy · (1 − y²)`, the gradient before a tanh whose output is y.
pub fn tanh_grad(y: &[f32], dy: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; dy.len()];
    let pieces = out.par_chunks_mut(1 << 16).zip(y.par_chunks(1 << 16)).zip(dy.par_chunks(1 << 16));
    pieces.for_each(|((out, y), dy)| {
        for ((o, y), d) in out.iter_mut().zip(y).zip(dy) {
            *o = d * (1.0 - y * y);
        }
    });
    out
}

/// Mean and biased variance of each channel of `[rows, channels]`.
pub fn moments(x: &[f32], channels: usize) -> (Vec<f32>, Vec<f32>) {
    let count = (x.len() / channels) as f32;
    let mut mean = channel_sum(x, channels);
    mean.iter_mut().for_each(|m| *m /= count);
    let mut var = channel_fold(x, channels, |sum, pixel| {
        for ((s, v), m) in sum.iter_mut().zip(pixel).zip(&mean) {
            *s += (v - m) * (v - m);
        }
    });
    var.iter_mut().for_each(|v| *v /= count);
    (mean, var)
}

/// `leaky(gamma · (x − mean) / sqrt(var + eps) + beta)` with the batch's own statistics; also the
/// mean and `1 / sqrt(var + eps)`.
pub fn norm(x: &[f32], gamma: &[f32], beta: &[f32], eps: f32, slope: f32) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let channels = gamma.len();
    let (mean, var) = moments(x, channels);
    let rstd: Vec<f32> = var.iter().map(|v| 1.0 / (v + eps).sqrt()).collect();
    let scale: Vec<f32> = gamma.iter().zip(&rstd).map(|(g, r)| g * r).collect();
    let shift: Vec<f32> = beta.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
    let mut out = vec![0.0; x.len()];
    let share = share_of(x.len(), channels);
    out.par_chunks_mut(share).zip(x.par_chunks(share)).for_each(|(out, x)| {
        for (out, x) in out.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            for (((o, v), s), t) in out.iter_mut().zip(x).zip(&scale).zip(&shift) {
                let y = v * s + t;
                *o = if y > 0.0 { y } else { y * slope };
            }
        }
    });
    (out, mean, rstd)
}

/// Gradients of [`norm`] before its activation, in x, gamma and beta (Ioffe & Szegedy 2015, section 3):
/// `dx = gamma · rstd · (dz − mean(dz) − x̂ · mean(dz · x̂))`.
pub fn norm_grad(x: &[f32], dz: &[f32], gamma: &[f32], mean: &[f32], rstd: &[f32]) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let channels = gamma.len();
    let share = share_of(x.len(), channels);
    let parts: Vec<(Vec<f32>, Vec<f32>)> = x
        .par_chunks(share)
        .zip(dz.par_chunks(share))
        .map(|(x, dz)| {
            let mut sums = (vec![0.0; channels], vec![0.0; channels]);
            for (x, dz) in x.chunks_exact(channels).zip(dz.chunks_exact(channels)) {
                for c in 0..channels {
                    sums.0[c] += dz[c] * (x[c] - mean[c]) * rstd[c];
                    sums.1[c] += dz[c];
                }
            }
            sums
        })
        .collect();
    let (mut dgamma, mut dbeta) = (vec![0.0; channels], vec![0.0; channels]);
    for (g, b) in parts {
        dgamma.iter_mut().zip(g).for_each(|(t, p)| *t += p);
        dbeta.iter_mut().zip(b).for_each(|(t, p)| *t += p);
    }
    let count = (x.len() / channels) as f32;
    let mut dx = vec![0.0; x.len()];
    dx.par_chunks_mut(share).zip(x.par_chunks(share)).zip(dz.par_chunks(share)).for_each(|((dx, x), dz)| {
        let cells = dx.chunks_exact_mut(channels).zip(x.chunks_exact(channels)).zip(dz.chunks_exact(channels));
        for ((dx, x), dz) in cells {
            for c in 0..channels {
                let hat = (x[c] - mean[c]) * rstd[c];
                dx[c] = gamma[c] * rstd[c] * (dz[c] - dbeta[c] / count - hat * dgamma[c] / count);
            }
        }
    });
    (dx, dgamma, dbeta)
}

/// Length of the pieces that sums over rows are cut into: whole rows, the same on every machine.
fn share_of(len: usize, channels: usize) -> usize {
    (len / channels).div_ceil(64).max(16) * channels
}

/// Sums over all but the channels: `[rows, channels]` → `[channels]`.
pub fn channel_sum(data: &[f32], channels: usize) -> Vec<f32> {
    channel_fold(data, channels, |sum, pixel| sum.iter_mut().zip(pixel).for_each(|(s, v)| *s += v))
}

/// Adds up what `add` makes of each row, in an order that does not depend on the number of threads.
fn channel_fold(data: &[f32], channels: usize, add: impl Fn(&mut [f32], &[f32]) + Sync) -> Vec<f32> {
    let parts: Vec<Vec<f32>> = data
        .par_chunks(share_of(data.len(), channels))
        .map(|part| {
            let mut sum = vec![0.0; channels];
            part.chunks_exact(channels).for_each(|pixel| add(&mut sum, pixel));
            sum
        })
        .collect();
    let mut total = vec![0.0; channels];
    for part in parts {
        total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tanh_is_close_to_the_true_one() {
        for i in -10_000..10_000 {
            let x = i as f32 * 1e-3;
            assert!((tanh(x) - x.tanh()).abs() < 4e-7, "{x}");
        }
    }

    #[test]
    fn sums_and_slopes() {
        assert_eq!(channel_sum(&[1.0, 2.0, 3.0, 4.0], 2), vec![4.0, 6.0]);
        assert_eq!(leaky_grad(&[1.0, -1.0], &[2.0, 2.0], 0.25), vec![2.0, 0.5]);
    }
}
