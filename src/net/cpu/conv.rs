//! The CPU's convolutions: plain functions on f32 slices, in NHWC, most with one GEMM under them.
//!
//! `net::ops` feeds them from burn-flex tensors, `net::cpu::prepared` falls back to them. What has few channels, three
//! taps at stride 2 or a large kernel goes to [`super::few_channels`], [`super::winograd_stride2`] or [`super::kernel_gradient`].
//! A convolution is trilinear in (input, weights, output), so three kernels are closed under
//! differentiation: [`conv`] gives the output, [`conv_t`] is its adjoint in the input (and so the
//! transposed convolution), [`conv_w`] its adjoint in the weights.
//! Work is split over rayon in pieces that do not depend on the number of threads, so that a sum
//! has the same order on every machine. Deliberately absent: any unfolding of a whole batch; each
//! piece unfolds a few hundred rows at most, which stay in the cache.

use std::cell::RefCell;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use pulp::Arch;
use rayon::prelude::*;

use super::super::geometry::Geometry;
use super::pointwise::{self, tanh, zeros};
use super::{few_channels, kernel_gradient, winograd_stride2};

/// What follows the bias in the same pass over the output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    /// `max(x, 0) + slope · min(x, 0)`; 0 is ReLU.
    Leaky(f32),
    /// The hyperbolic tangent.
    Tanh,
}

/// What is done to sums before they are the output.
#[derive(Clone, Copy, Debug)]
pub enum After<'a> {
    /// The bias (length = channels) is added and the activation applied, if there is one.
    Act(&'a [f32], Option<Act>),
    /// They are gradients, or tangents, and are multiplied by the slope that a leaky activation had where its
    /// output, of the same shape as theirs, was `y`. See [`pointwise::leaky_grad`].
    LeakyReluGrad {
        /// The activation's output.
        y: &'a [f32],
        /// Its slope below zero.
        negative_slope: f32,
    },
}

impl<'a> After<'a> {
    /// Applies itself to a part of the output that begins at number `from`, in whole pixels.
    pub(super) fn apply(&self, part: &mut [f32], from: usize) {
        match *self {
            Self::Act(bias, act) => finish(part, bias, act),
            Self::LeakyReluGrad { y, negative_slope } => Arch::new().dispatch(
                #[inline(always)]
                || pointwise::leaky(&y[from..from + part.len()], part, negative_slope),
            ),
        }
    }
}

/// A kernel `[k, k, c, o]`.
#[derive(Clone, Copy)]
pub struct Weights<'a> {
    /// The numbers, in row-major order.
    pub values: &'a [f32],
    /// What [`winograd_stride2::factors`] makes of them, for who uses them more than once.
    pub factors: Option<&'a [f32]>,
}

impl<'a> From<&'a [f32]> for Weights<'a> {
    fn from(values: &'a [f32]) -> Self {
        Self { values, factors: None }
    }
}

/// Rows that one unfolded piece holds at least, so that the packing of the weights inside the GEMM
/// is spread over enough of them.
const PIECE_ROWS: usize = 512;
/// Pieces of the batch in [`conv_w`]; fixed, so that the sum does not depend on the machine.
const WEIGHT_PIECES: usize = 4;

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Lends a buffer of `len` floats with arbitrary contents, kept by the thread for the next call.
pub fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SCRATCH.with(|kept| kept.borrow_mut().pop()).unwrap_or_default();
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    let result = work(&mut buffer[..len]);
    SCRATCH.with(|kept| kept.borrow_mut().push(buffer));
    result
}

pub(super) fn rows(data: &[f32], rows: usize, cols: usize) -> MatRef<'_, f32> {
    MatRef::from_row_major_slice(data, rows, cols)
}

/// `out[m, n] (+)= a[m, k] · b[k, n]`, all row-major, on the calling thread.
pub(super) fn gemm(out: &mut [f32], accum: Accum, a: MatRef<'_, f32>, b: MatRef<'_, f32>) {
    let out = MatMut::from_row_major_slice_mut(out, a.nrows(), b.ncols());
    matmul(out, accum, a, b, 1.0, Par::Seq);
}

/// Adds the bias (length = channels) and applies the activation, if there is one, in place.
pub fn finish(out: &mut [f32], bias: &[f32], act: Option<Act>) {
    if act.is_none() && bias.iter().all(|b| *b == 0.0) {
        return;
    }
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let pixels = out.chunks_exact_mut(bias.len());
            match act {
                None => pixels.for_each(|pixel| pixel.iter_mut().zip(bias).for_each(|(v, b)| *v += b)),
                Some(Act::Leaky(negative_slope)) => pixels.for_each(|pixel| {
                    for (v, b) in pixel.iter_mut().zip(bias) {
                        let x = *v + b;
                        *v = if x > 0.0 { x } else { x * negative_slope };
                    }
                }),
                Some(Act::Tanh) => {
                    pixels.for_each(|pixel| pixel.iter_mut().zip(bias).for_each(|(v, b)| *v = tanh(*v + b)))
                }
            }
        },
    );
}

/// Copies the patches of rows `first..first+count` (counted over the batch) into `cols`,
/// `[count · across, k · k · c]`.
///
/// `src` is `[n, h, w, c]`; patch (y, x) begins at `(y · stride − pad, x · stride − pad)`; what lies
/// outside is zero.
#[allow(clippy::too_many_arguments)]
fn unfold(
    src: &[f32],
    (h, w, c): (usize, usize, usize),
    (down, across): (usize, usize),
    k: usize,
    stride: usize,
    (pad_y, pad_x): (usize, usize),
    first: usize,
    count: usize,
    cols: &mut [f32],
) {
    let patch = k * k * c;
    for (row, line) in cols.chunks_exact_mut(across * patch).take(count).enumerate() {
        let (n, y) = ((first + row) / down, (first + row) % down);
        let picture = &src[n * h * w * c..(n + 1) * h * w * c];
        for (x, cell) in line.chunks_exact_mut(patch).enumerate() {
            let x0 = (x * stride) as isize - pad_x as isize;
            let skip = (-x0).max(0) as usize;
            let end = (w as isize - x0).clamp(0, k as isize) as usize;
            for (ky, segment) in cell.chunks_exact_mut(k * c).enumerate() {
                let sy = (y * stride + ky) as isize - pad_y as isize;
                if sy < 0 || sy >= h as isize || skip >= end {
                    segment.fill(0.0);
                    continue;
                }
                let from = (sy as usize * w + (x0 + skip as isize) as usize) * c;
                segment[..skip * c].fill(0.0);
                segment[skip * c..end * c].copy_from_slice(&picture[from..from + (end - skip) * c]);
                segment[end * c..].fill(0.0);
            }
        }
    }
}

/// Rows of the narrow side that one piece takes: enough for [`PIECE_ROWS`] patches, and at least two
/// pieces in all.
fn piece(rows_in_all: usize, across: usize) -> usize {
    PIECE_ROWS.div_ceil(across).min(rows_in_all.div_ceil(2)).max(1)
}

/// `act(conv(x, weights) + bias)`: `[n, h, w, c]` → `[n, oh, ow, o]`.
pub fn conv(x: &[f32], weights: &[f32], bias: &[f32], g: &Geometry, act: Option<Act>) -> Vec<f32> {
    let mut out = zeros(x.len() / (g.h * g.w * g.c) * g.oh() * g.ow() * g.o);
    conv_to(&mut out, x, weights.into(), g, After::Act(bias, act));
    out
}

/// The same with anything after it, to memory that may hold anything.
pub fn conv_to(out: &mut [f32], x: &[f32], weights: Weights, g: &Geometry, after: After) {
    if few_channels::fits(g) {
        return few_channels::conv(out, x, weights.values, g, after);
    }
    if winograd_stride2::fits(g) {
        return winograd_stride2::conv(out, x, weights, g, after);
    }
    let weights = weights.values;
    let (oh, ow) = (g.oh(), g.ow());
    let n = x.len() / (g.h * g.w * g.c);
    let pad = (g.pad(g.h).0, g.pad(g.w).0);
    let step = piece(n * oh, ow);
    out.par_chunks_mut(step * ow * g.o).enumerate().for_each(|(i, part)| {
        let count = part.len() / (ow * g.o);
        with_scratch(count * ow * g.patch(), |cols| {
            unfold(x, (g.h, g.w, g.c), (oh, ow), g.k, g.stride, pad, i * step, count, cols);
            gemm(part, Accum::Replace, rows(cols, count * ow, g.patch()), rows(weights, g.patch(), g.o));
        });
        after.apply(part, i * step * ow * g.o);
    });
}

/// `act(conv_t(y, weights) + bias)`: `[n, oh, ow, o]` → `[n, h, w, c]`, the adjoint of [`conv`] in x.
pub fn conv_t(y: &[f32], weights: &[f32], bias: &[f32], g: &Geometry, act: Option<Act>) -> Vec<f32> {
    let mut out = zeros(y.len() / (g.oh() * g.ow() * g.o) * g.h * g.w * g.c);
    conv_t_to(&mut out, y, weights.into(), g, After::Act(bias, act));
    out
}

/// The same with anything after it, to memory that may hold anything.
pub fn conv_t_to(out: &mut [f32], y: &[f32], weights: Weights, g: &Geometry, after: After) {
    match g.window() {
        _ if winograd_stride2::fits(g) => winograd_stride2::conv_t(out, y, weights, g, after),
        Some(_) if g.fills_window() => conv_window(out, y, &window_weights(weights.values, g), g, after),
        _ => conv_t_scatter(out, y, weights.values, g, after),
    }
}

/// The general transposed convolution: one GEMM gives every product, then they are added in place.
fn conv_t_scatter(out: &mut [f32], y: &[f32], weights: &[f32], g: &Geometry, after: After) {
    let (oh, ow, patch) = (g.oh(), g.ow(), g.patch());
    let n = y.len() / (oh * ow * g.o);
    let (pad_y, pad_x) = (g.pad(g.h).0, g.pad(g.w).0);
    // Small maps go several pictures to a piece; a lone picture is cut in two bands, each of which
    // computes the few rows both need.
    let per_piece = (PIECE_ROWS / (oh * ow)).clamp(1, n.div_ceil(2).max(1));
    let bands = if n == 1 && g.h >= 16 { 2 } else { 1 };
    let band = g.h.div_ceil(bands);
    let step = if bands == 2 { band } else { per_piece * g.h } * g.w * g.c;
    out.par_chunks_mut(step).enumerate().for_each(|(i, part)| {
        part.fill(0.0);
        let (first, top, tall) =
            if bands == 2 { (0, i * band, part.len() / (g.w * g.c)) } else { (i * per_piece, 0, g.h) };
        let pictures = part.len() / (tall * g.w * g.c);
        let y_from = (top + pad_y + 1).saturating_sub(g.k).div_ceil(g.stride);
        let y_to = ((top + tall - 1 + pad_y) / g.stride + 1).min(oh);
        let lines = (y_to - y_from) * ow;
        with_scratch(pictures * lines * patch, |cols| {
            let from = (first * oh + y_from) * ow * g.o;
            let len = pictures * lines * g.o;
            gemm(
                cols,
                Accum::Replace,
                rows(&y[from..from + len], pictures * lines, g.o),
                rows(weights, patch, g.o).transpose(),
            );
            Arch::new().dispatch(
                #[inline(always)]
                || {
                    for (picture, cols) in part.chunks_exact_mut(tall * g.w * g.c).zip(cols.chunks_exact(lines * patch))
                    {
                        for (at, cell) in cols.chunks_exact(patch).enumerate() {
                            let (oy, ox) = (y_from + at / ow, at % ow);
                            let x0 = (ox * g.stride) as isize - pad_x as isize;
                            let skip = (-x0).max(0) as usize;
                            let end = (g.w as isize - x0).clamp(0, g.k as isize) as usize;
                            for (ky, segment) in cell.chunks_exact(g.k * g.c).enumerate() {
                                let sy = (oy * g.stride + ky) as isize - pad_y as isize - top as isize;
                                if sy < 0 || sy >= tall as isize || skip >= end {
                                    continue;
                                }
                                let to = (sy as usize * g.w + (x0 + skip as isize) as usize) * g.c;
                                let segment = &segment[skip * g.c..end * g.c];
                                for (sum, v) in picture[to..to + segment.len()].iter_mut().zip(segment) {
                                    *sum += v;
                                }
                            }
                        }
                    }
                },
            );
        });
        after.apply(part, i * step);
    });
}

/// Reorders `[k, k, c, o]` for a convolution through the shared window: `[t, t, o, 2, 2, c]` with t = k / 2.
fn window_weights(weights: &[f32], g: &Geometry) -> Vec<f32> {
    let t = g.k / 2;
    let mut out = vec![0.0; weights.len()];
    out.par_chunks_mut(g.o * 4 * g.c).enumerate().for_each(|(tap, part)| {
        let (dy, dx) = (tap / t, tap % t);
        for phase in 0..4 {
            let (Some(ky), Some(kx)) = (g.kernel_row(phase / 2, dy, t), g.kernel_row(phase % 2, dx, t)) else {
                continue;
            };
            let from = &weights[(ky * g.k + kx) * g.c * g.o..][..g.c * g.o];
            for (c, line) in from.chunks_exact(g.o).enumerate() {
                for (o, v) in line.iter().enumerate() {
                    part[(o * 4 + phase) * g.c + c] = *v;
                }
            }
        }
    });
    out
}

/// [`conv_t`] for kernels with a shared window, from weights already reordered by
/// [`window_weights`]: a stride-1 convolution to 4·c channels, stored through a pixel shuffle.
fn conv_window(out: &mut [f32], y: &[f32], weights: &[f32], g: &Geometry, after: After) {
    let (oh, ow, t) = (g.oh(), g.ow(), g.k / 2);
    let n = y.len() / (oh * ow * g.o);
    if n * oh * ow <= PIECE_ROWS {
        conv_window_few(y, weights, g, n, out);
        return after.apply(out, 0);
    }
    let step = piece(n * oh, ow);
    let patch = t * t * g.o;
    out.par_chunks_mut(step * 2 * g.w * g.c).enumerate().for_each(|(i, part)| {
        let count = part.len() / (2 * g.w * g.c);
        with_scratch(count * ow * patch, |cols| {
            unfold(y, (oh, ow, g.o), (oh, ow), t, 1, ((t - 1) / 2, (t - 1) / 2), i * step, count, cols);
            with_scratch(count * ow * 4 * g.c, |phases| {
                gemm(phases, Accum::Replace, rows(cols, count * ow, patch), rows(weights, patch, 4 * g.c));
                let line = 2 * g.c;
                for (row, from) in part.chunks_exact_mut(2 * g.w * g.c).zip(phases.chunks_exact(ow * 4 * g.c)) {
                    let (upper, lower) = row.split_at_mut(g.w * g.c);
                    let targets = upper.chunks_exact_mut(line).zip(lower.chunks_exact_mut(line));
                    for ((up, low), cell) in targets.zip(from.chunks_exact(2 * line)) {
                        up.copy_from_slice(&cell[..line]);
                        low.copy_from_slice(&cell[line..]);
                    }
                }
            });
        });
        after.apply(part, i * step * 2 * g.w * g.c);
    });
}

/// [`conv_window`] for few rows, where reading the weights is what takes time: each half of the
/// phases, which is every other output line, reads its half of them.
fn conv_window_few(y: &[f32], weights: &[f32], g: &Geometry, n: usize, out: &mut [f32]) {
    let (oh, ow, t) = (g.oh(), g.ow(), g.k / 2);
    let (lines, patch, half) = (n * oh * ow, t * t * g.o, 2 * g.c);
    with_scratch(lines * patch, |cols| {
        let pad = ((t - 1) / 2, (t - 1) / 2);
        unfold(y, (oh, ow, g.o), (oh, ow), t, 1, pad, 0, n * oh, cols);
        let (mut upper, mut lower): (Vec<_>, Vec<_>) =
            out.chunks_exact_mut(2 * g.w * g.c).map(|pair| pair.split_at_mut(g.w * g.c)).unzip();
        let cols = rows(cols, lines, patch);
        let fill = |targets: &mut [&mut [f32]], from: usize| {
            with_scratch(lines * half, |phases| {
                let weights = MatRef::from_row_major_slice_with_stride(&weights[from..], patch, half, 4 * g.c);
                gemm(phases, Accum::Replace, cols, weights);
                for (line, values) in targets.iter_mut().zip(phases.chunks_exact(ow * half)) {
                    line.copy_from_slice(values);
                }
            });
        };
        rayon::join(|| fill(&mut upper, 0), || fill(&mut lower, half));
    });
}

/// Gradient of the weights: `Σ unfold(x)ᵀ · dy`, `[k, k, c, o]`.
pub fn conv_w(x: &[f32], dy: &[f32], g: &Geometry) -> Vec<f32> {
    if few_channels::fits(g) {
        return few_channels::conv_w(x, dy, g);
    }
    if kernel_gradient::fits(g) {
        return kernel_gradient::conv_w(x, dy, g);
    }
    if winograd_stride2::fits_weights(g) {
        return winograd_stride2::conv_w(x, dy, g);
    }
    let (oh, ow, patch) = (g.oh(), g.ow(), g.patch());
    let n = x.len() / (g.h * g.w * g.c);
    let pad = (g.pad(g.h).0, g.pad(g.w).0);
    let lines = n * oh;
    let share = lines.div_ceil(WEIGHT_PIECES);
    let mut sums: Vec<Vec<f32>> = (0..lines.div_ceil(share))
        .into_par_iter()
        .map(|part| {
            let mut sum = vec![0.0; patch * g.o];
            let (from, to) = (part * share, ((part + 1) * share).min(lines));
            let step = piece(usize::MAX / 2, ow);
            for first in (from..to).step_by(step) {
                let count = step.min(to - first);
                with_scratch(count * ow * patch, |cols| {
                    unfold(x, (g.h, g.w, g.c), (oh, ow), g.k, g.stride, pad, first, count, cols);
                    let dy = &dy[first * ow * g.o..(first + count) * ow * g.o];
                    let cols = rows(cols, count * ow, patch);
                    gemm(&mut sum, Accum::Add, cols.transpose(), rows(dy, count * ow, g.o));
                });
            }
            sum
        })
        .collect();
    let mut total = sums.swap_remove(0);
    // swap_remove moved the last to the front; any fixed order will do.
    for sum in &sums {
        total.par_chunks_mut(1 << 16).zip(sum.par_chunks(1 << 16)).for_each(|(t, s)| {
            Arch::new().dispatch(
                #[inline(always)]
                || t.iter_mut().zip(s).for_each(|(t, s)| *t += s),
            );
        });
    }
    total
}

#[cfg(test)]
pub(super) mod tests;
