//! A convolution of few channels, without unfolding: what a window sees of a line is one run of numbers.
//!
//! In NHWC a window of k columns and c channels reads, of each line, k · c numbers that stand side by
//! side; from pixel to pixel they move by a fixed step. So the convolution is, for a few pixels and 32
//! channels that go out, a sum over lines and runs which stays in registers, and the weights, packed
//! 32 channels wide once a call, go by. With many channels a GEMM is as fast; with few it spends its
//! time on unfolding. The function is that of [`super::kernels`], which calls it; nothing here depends
//! on the number of threads.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::kernels::{Act, Geometry, finish, with_scratch};
use super::micro::most;
use super::pointwise::zeros;
use super::rows::{Row, WIDE, blocks, channels};

/// Pixels that a task makes at least: so often are weights used while they are near.
const PIXELS: usize = 128;
/// Floats that the lines of a task may take.
const NEAR: usize = 1 << 17;

/// What one output pixel reads: `lines` runs of `run` floats, `line` apart; the next pixel reads the
/// same `step` further on.
#[derive(Clone, Copy, Debug)]
struct Runs {
    lines: usize,
    line: usize,
    run: usize,
    step: usize,
}

/// Where pixels go: they are `step` apart, and the channels of this block begin at the first.
struct To<'a> {
    out: &'a mut [f32],
    step: usize,
    /// Channels of the block.
    wide: usize,
    bias: &'a Row,
    /// Slope of the activation below zero.
    slope: f32,
}

/// `count` pixels of one line for one block of channels.
struct Line<'a> {
    x: &'a [f32],
    runs: Runs,
    count: usize,
    weights: &'a [Row],
    to: To<'a>,
}

impl WithSimd for Line<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, s: S) {
        let mut at = 0;
        while at + 8 <= self.count && most::<S>() == 8 {
            self.group::<S, 8>(s, at);
            at += 8;
        }
        while at + 4 <= self.count {
            self.group::<S, 4>(s, at);
            at += 4;
        }
        while at < self.count {
            self.group::<S, 1>(s, at);
            at += 1;
        }
    }
}

impl Line<'_> {
    /// `M` pixels from `at` on.
    #[inline(always)]
    fn group<S: Simd, const M: usize>(&mut self, s: S, at: usize) {
        let mut made = [Row::ZERO; M];
        let mut col = 0;
        while col < self.to.wide {
            if self.to.wide - col > S::F32_LANES {
                self.sum::<S, M, 2>(s, at, col, &mut made);
                col += 2 * S::F32_LANES;
            } else {
                self.sum::<S, M, 1>(s, at, col, &mut made);
                col += S::F32_LANES;
            }
        }
        for (m, row) in made.iter().enumerate() {
            self.to.out[(at + m) * self.to.step..][..self.to.wide].copy_from_slice(&row.0[..self.to.wide]);
        }
    }

    /// The sums of `N` vectors of channels from `col` on.
    #[inline(always)]
    fn sum<S: Simd, const M: usize, const N: usize>(&self, s: S, at: usize, col: usize, made: &mut [Row; M]) {
        let Runs { lines, line, run, step } = self.runs;
        let vectors = |row: &Row| -> [S::f32s; N] {
            std::array::from_fn(|n| S::as_simd_f32s(&row.0[col + n * S::F32_LANES..][..S::F32_LANES]).0[0])
        };
        let mut sums = [vectors(self.to.bias); M];
        for l in 0..lines {
            let weights = &self.weights[l * run..][..run];
            let x: [&[f32]; M] = std::array::from_fn(|m| &self.x[l * line + (at + m) * step..][..run]);
            let parts: [(&[[f32; 8]], &[f32]); M] = x.map(|x| x.as_chunks::<8>());
            let (chunks, rest) = weights.as_chunks::<8>();
            for (i, weights) in chunks.iter().enumerate() {
                let x: [&[f32; 8]; M] = std::array::from_fn(|m| &parts[m].0[i]);
                for (j, row) in weights.iter().enumerate() {
                    let b = vectors(row);
                    for (sum, x) in sums.iter_mut().zip(&x) {
                        let x = s.splat_f32s(x[j]);
                        for (sum, b) in sum.iter_mut().zip(&b) {
                            *sum = s.mul_add_e_f32s(x, *b, *sum);
                        }
                    }
                }
            }
            for (j, row) in rest.iter().enumerate() {
                let b = vectors(row);
                for (sum, part) in sums.iter_mut().zip(&parts) {
                    let x = s.splat_f32s(part.1[j]);
                    for (sum, b) in sum.iter_mut().zip(&b) {
                        *sum = s.mul_add_e_f32s(x, *b, *sum);
                    }
                }
            }
        }
        let (zero, slope) = (s.splat_f32s(0.0), s.splat_f32s(self.to.slope));
        for (sum, row) in sums.iter().zip(made) {
            for (n, sum) in sum.iter().enumerate() {
                let v = s.select_f32s(s.greater_than_f32s(*sum, zero), *sum, s.mul_f32s(*sum, slope));
                S::as_mut_simd_f32s(&mut row.0[col + n * S::F32_LANES..][..S::F32_LANES]).0[0] = v;
            }
        }
    }
}

/// Lines of a picture inside of a border of zeros.
struct Border {
    /// Pixels before each line.
    left: usize,
    /// Pixels in a line, border included.
    wide: usize,
}

/// Copies lines `from..` of one picture `[h, w, c]` between zeros; lines outside of it are zero.
fn frame(picture: &[f32], (w, c): (usize, usize), from: isize, border: &Border, lines: &mut [f32]) {
    let h = (picture.len() / (w * c)) as isize;
    for (y, line) in (from..).zip(lines.chunks_exact_mut(border.wide * c)) {
        if y < 0 || y >= h {
            line.fill(0.0);
            continue;
        }
        let (before, rest) = line.split_at_mut(border.left * c);
        let (pixels, after) = rest.split_at_mut(w * c);
        before.fill(0.0);
        pixels.copy_from_slice(&picture[y as usize * w * c..][..w * c]);
        after.fill(0.0);
    }
}

/// The slope that the sums get at once, and whether tanh is still to come.
fn slope_of(act: Act) -> (f32, bool) {
    match act {
        Act::Leaky(slope) => (slope, false),
        Act::Tanh => (1.0, true),
    }
}

/// Lines of `across` pixels that a task makes, where each needs `floats` floats of input.
fn lines_of(across: usize, down: usize, floats: usize) -> usize {
    PIXELS.div_ceil(across).min((NEAR / floats.max(1)).max(1)).min(down)
}

/// Whether a convolution is made here.
pub fn fits(g: &Geometry) -> bool {
    g.c < WIDE
}

/// See [`super::kernels::conv`].
pub fn conv(x: &[f32], weights: &[f32], bias: &[f32], g: &Geometry, act: Act) -> Vec<f32> {
    let (oh, ow, run) = (g.oh(), g.ow(), g.k * g.c);
    let n = x.len() / (g.h * g.w * g.c);
    let (top, left) = (g.pad(g.h).0, g.pad(g.w).0);
    let border = Border { left, wide: ((ow - 1) * g.stride + g.k).max(left + g.w) };
    // [block, tap, channel in]
    let mut packed = vec![Row::ZERO; blocks(g.o) * g.k * run];
    packed.par_chunks_mut(g.k * run).enumerate().for_each(|(block, rows)| {
        for (row, line) in rows.iter_mut().zip(weights.chunks_exact(g.o)) {
            let part = &line[block * WIDE..g.o.min((block + 1) * WIDE)];
            row.0[..part.len()].copy_from_slice(part);
        }
    });
    let (bias, (slope, tanh)) = (channels(bias), slope_of(act));
    let runs = Runs { lines: g.k, line: border.wide * g.c, run, step: g.stride * g.c };
    let mut out = zeros(n * oh * ow * g.o);
    let lines = lines_of(ow, oh, g.stride * border.wide * g.c);
    out.par_chunks_mut(oh * ow * g.o).zip(x.par_chunks(g.h * g.w * g.c)).for_each(|(out, x)| {
        out.par_chunks_mut(lines * ow * g.o).enumerate().for_each(|(i, out)| {
            let count = out.len() / (ow * g.o);
            let (from, tall) = ((i * lines * g.stride) as isize - top as isize, (count - 1) * g.stride + g.k);
            with_scratch(tall * runs.line, |framed| {
                frame(x, (g.w, g.c), from, &border, framed);
                for (block, (weights, bias)) in packed.chunks_exact(g.k * run).zip(&bias).enumerate() {
                    let wide = WIDE.min(g.o - block * WIDE);
                    for (y, out) in out.chunks_exact_mut(ow * g.o).enumerate() {
                        let x = &framed[y * g.stride * runs.line..];
                        let to = To { out: &mut out[block * WIDE..], step: g.o, wide, bias, slope };
                        Arch::new().dispatch(Line { x, runs, count: ow, weights, to });
                    }
                }
            });
            if tanh {
                finish(out, &[0.0], act);
            }
        });
    });
    out
}
