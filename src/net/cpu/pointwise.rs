//! The CPU's passes over single values and channels: activations, sums, batch normalisation.
//!
//! Plain functions on f32 slices beside [`super::conv`]; `net::ops` feeds them, nobody else.
//! Sums are cut into pieces that do not depend on the number of threads.

use pulp::Arch;
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

/// Values that a thread takes at a time.
const PIECE: usize = 1 << 16;

/// `len` zeros. A recycled buffer has to be overwritten and a new one fetched page by page, so both cores do it.
pub fn zeros(len: usize) -> Vec<f32> {
    const PAGE: usize = 1 << 10;
    if len < PIECE {
        return vec![0.0; len];
    }
    let pages: Vec<[f32; PAGE]> =
        (0..len.div_ceil(PAGE)).into_par_iter().with_min_len(PIECE / PAGE / 2).map(|_| [0.0; PAGE]).collect();
    let mut values = pages.into_flattened();
    values.truncate(len);
    values
}

/// `dy · act'(y)` in the place of dy, for a leaky activation whose *output* is y (slope > 0 or y = 0 where it is 0).
pub fn leaky_grad(y: &[f32], dy: &mut [f32], negative_slope: f32) {
    dy.par_chunks_mut(PIECE).zip(y.par_chunks(PIECE)).for_each(|(dy, y)| {
        Arch::new().dispatch(
            #[inline(always)]
            || leaky(y, dy, negative_slope),
        );
    });
}

/// [`leaky_grad`] on the calling thread, with the vectors of the machine where this is part of a loop that has them.
#[inline(always)]
pub fn leaky(y: &[f32], dy: &mut [f32], negative_slope: f32) {
    for (d, y) in dy.iter_mut().zip(y) {
        *d = if *y > 0.0 { *d } else { *d * negative_slope };
    }
}

/// `dy · (1 − y²)` in the place of dy, the gradient before a tanh whose output is y.
pub fn tanh_grad(y: &[f32], dy: &mut [f32]) {
    dy.par_chunks_mut(PIECE).zip(y.par_chunks(PIECE)).for_each(|(dy, y)| {
        Arch::new().dispatch(
            #[inline(always)]
            || dy.iter_mut().zip(y).for_each(|(d, y)| *d *= 1.0 - y * y),
        );
    });
}

/// L2 norms of rows of `each` values.
pub fn row_norms(x: &[f32], each: usize) -> Vec<f32> {
    let squares = |part: &[f32]| part.iter().map(|v| v * v).sum::<f32>();
    // Short sums first, which lose less; their order is the same everywhere.
    x.par_chunks(each).map(|row| row.chunks(256).map(squares).sum::<f32>().sqrt()).collect()
}

/// The gradient of [`row_norms`], `x · (dy / y)`; where y is 0 it is 0.
pub fn row_norms_grad(x: &[f32], y: &[f32], dy: &[f32]) -> Vec<f32> {
    let mut out = zeros(x.len());
    let each = x.len() / y.len();
    out.par_chunks_mut(each).zip(x.par_chunks(each)).zip(y.par_iter().zip(dy)).for_each(|((out, x), (y, dy))| {
        let share = if *y > 0.0 { dy / y } else { 0.0 };
        out.iter_mut().zip(x).for_each(|(out, x)| *out = x * share);
    });
    out
}

/// One step of an optimiser that keeps averages of gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Decay of the first moments; absent where the gradient itself is what is divided by the second.
    pub beta1: Option<f32>,
    /// Decay of the second moments.
    pub beta2: f32,
    /// Of this step, corrections for its count included.
    pub rate: f32,
    /// Beside the root; inside of it where there are no first moments.
    pub eps: f32,
    /// Share of the weights that is added to their gradients; 0 adds nothing.
    pub decay: f32,
}

/// Moves weights by a gradient, and the moments m and v with them, all in place:
/// `v = β2 v + (1 − β2) g²`, `m = β1 m + (1 − β1) g`, `w −= rate · m / (√v + ε)`; without first moments
/// `w −= rate · g / √(v + ε)`. With a decay, g is the gradient plus that share of w.
pub fn adam_step(w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], d: &AdamStep) {
    let pieces = w.par_chunks_mut(PIECE).zip(g.par_chunks(PIECE)).zip(m.par_chunks_mut(PIECE));
    pieces.zip(v.par_chunks_mut(PIECE)).for_each(|(((w, g), m), v)| {
        // Roots and quotients are exact at any width: the same weights on every processor.
        Arch::new().dispatch(
            #[inline(always)]
            || {
                let values = w.iter_mut().zip(g).zip(m.iter_mut()).zip(v.iter_mut());
                match d.beta1 {
                    Some(beta1) if d.decay > 0.0 => values.for_each(|(((w, g), m), v)| {
                        let g = g + *w * d.decay;
                        *v = *v * d.beta2 + g * g * (1.0 - d.beta2);
                        *m = *m * beta1 + g * (1.0 - beta1);
                        *w -= *m / (v.sqrt() + d.eps) * d.rate;
                    }),
                    Some(beta1) => values.for_each(|(((w, g), m), v)| {
                        *v = *v * d.beta2 + g * g * (1.0 - d.beta2);
                        *m = *m * beta1 + g * (1.0 - beta1);
                        *w -= *m / (v.sqrt() + d.eps) * d.rate;
                    }),
                    None => values.for_each(|(((w, g), _), v)| {
                        let g = g + *w * d.decay;
                        *v = *v * d.beta2 + g * g * (1.0 - d.beta2);
                        *w -= g / (*v + d.eps).sqrt() * d.rate;
                    }),
                }
            },
        );
    });
}

/// Mean and biased variance of each channel of `[rows, channels]`.
pub fn moments(x: &[f32], channels: usize) -> (Vec<f32>, Vec<f32>) {
    let count = (x.len() / channels) as f32;
    let mut mean = channel_sum(x, channels);
    mean.iter_mut().for_each(|m| *m /= count);
    let mut var = channel_fold(
        x,
        channels,
        #[inline(always)]
        |sum, pixel| {
            for ((s, v), m) in sum.iter_mut().zip(pixel).zip(&mean) {
                *s += (v - m) * (v - m);
            }
        },
    );
    var.iter_mut().for_each(|v| *v /= count);
    (mean, var)
}

/// `leaky(gamma · (x − mean) / sqrt(var + eps) + beta)` with these moments of the batch; also `1 / sqrt(var + eps)`.
pub fn batch_norm(
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    [mean, var]: [&[f32]; 2],
    eps: f32,
    negative_slope: f32,
) -> (Vec<f32>, Vec<f32>) {
    let channels = gamma.len();
    let rstd: Vec<f32> = var.iter().map(|v| 1.0 / (v + eps).sqrt()).collect();
    let scale: Vec<f32> = gamma.iter().zip(&rstd).map(|(g, r)| g * r).collect();
    let shift: Vec<f32> = beta.iter().zip(mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
    let mut out = zeros(x.len());
    let share = share_of(x.len(), channels);
    out.par_chunks_mut(share).zip(x.par_chunks(share)).for_each(|(out, x)| {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (out, x) in out.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                    for (((o, v), s), t) in out.iter_mut().zip(x).zip(&scale).zip(&shift) {
                        let y = v * s + t;
                        *o = if y > 0.0 { y } else { y * negative_slope };
                    }
                }
            },
        );
    });
    (out, rstd)
}

/// Gradients of [`batch_norm`] before its activation, in x, gamma and beta (Ioffe & Szegedy 2015, section 3):
/// `dx = gamma · rstd · (dz − mean(dz) − x̂ · mean(dz · x̂))`.
pub fn batch_norm_grad(
    x: &[f32],
    dz: &[f32],
    gamma: &[f32],
    mean: &[f32],
    rstd: &[f32],
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let channels = gamma.len();
    let share = share_of(x.len(), channels);
    let parts: Vec<(Vec<f32>, Vec<f32>)> = x
        .par_chunks(share)
        .zip(dz.par_chunks(share))
        .map(|(x, dz)| {
            let mut sums = (vec![0.0; channels], vec![0.0; channels]);
            Arch::new().dispatch(
                #[inline(always)]
                || {
                    for (x, dz) in x.chunks_exact(channels).zip(dz.chunks_exact(channels)) {
                        let cells = sums.0.iter_mut().zip(&mut sums.1).zip(x).zip(dz).zip(mean.iter().zip(rstd));
                        for ((((dgamma, dbeta), x), dz), (mean, rstd)) in cells {
                            *dgamma += dz * (x - mean) * rstd;
                            *dbeta += dz;
                        }
                    }
                },
            );
            sums
        })
        .collect();
    let (mut dgamma, mut dbeta) = (vec![0.0; channels], vec![0.0; channels]);
    for (g, b) in parts {
        dgamma.iter_mut().zip(g).for_each(|(t, p)| *t += p);
        dbeta.iter_mut().zip(b).for_each(|(t, p)| *t += p);
    }
    // What is the same for all pixels of a channel: dx = of_dz · dz + of_x · (x − mean) + shift.
    let count = (x.len() / channels) as f32;
    let of_dz: Vec<f32> = gamma.iter().zip(rstd).map(|(g, r)| g * r).collect();
    let of_x: Vec<f32> = (0..channels).map(|c| -of_dz[c] * rstd[c] * dgamma[c] / count).collect();
    let shift: Vec<f32> = (0..channels).map(|c| -of_dz[c] * dbeta[c] / count).collect();
    let mut dx = zeros(x.len());
    dx.par_chunks_mut(share).zip(x.par_chunks(share)).zip(dz.par_chunks(share)).for_each(|((dx, x), dz)| {
        let pixels = dx.chunks_exact_mut(channels).zip(x.chunks_exact(channels)).zip(dz.chunks_exact(channels));
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for ((dx, x), dz) in pixels {
                    let channels = of_dz.iter().zip(&of_x).zip(shift.iter().zip(mean));
                    for (((dx, x), dz), ((of_dz, of_x), (shift, mean))) in dx.iter_mut().zip(x).zip(dz).zip(channels) {
                        *dx = of_dz * dz + of_x * (x - mean) + shift;
                    }
                }
            },
        );
    });
    (dx, dgamma, dbeta)
}

/// Length of the pieces that sums over rows are cut into: whole rows, the same on every machine.
fn share_of(len: usize, channels: usize) -> usize {
    (len / channels).div_ceil(64).max(16) * channels
}

/// Sums over all but the channels: `[rows, channels]` → `[channels]`.
pub fn channel_sum(data: &[f32], channels: usize) -> Vec<f32> {
    channel_fold(
        data,
        channels,
        #[inline(always)]
        |sum, pixel| sum.iter_mut().zip(pixel).for_each(|(s, v)| *s += v),
    )
}

/// Adds up what `add` makes of each row, in an order that does not depend on the number of threads.
fn channel_fold(data: &[f32], channels: usize, add: impl Fn(&mut [f32], &[f32]) + Sync) -> Vec<f32> {
    let parts: Vec<Vec<f32>> = data
        .par_chunks(share_of(data.len(), channels))
        .map(|part| {
            let mut sum = vec![0.0; channels];
            Arch::new().dispatch(
                #[inline(always)]
                || part.chunks_exact(channels).for_each(|pixel| add(&mut sum, pixel)),
            );
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
        let mut d = [2.0, 2.0];
        leaky_grad(&[1.0, -1.0], &mut d, 0.25);
        assert_eq!(d, [2.0, 0.5]);
        tanh_grad(&[0.5, 0.0], &mut d);
        assert_eq!(d, [1.5, 0.5]);
    }

    #[test]
    fn row_norms_and_their_gradient() {
        let x = [3.0, 4.0, 0.0, 0.0];
        let y = row_norms(&x, 2);
        assert_eq!(y, [5.0, 0.0]);
        assert_eq!(row_norms_grad(&x, &y, &[10.0, 1.0]), [6.0, 8.0, 0.0, 0.0]);
    }
}
