//! A convolution of few channels and its kernel's gradient, without unfolding: what a window sees of a line is
//! one run of numbers.
//!
//! In NHWC a window of k columns and c channels reads, of each line, k · c numbers that stand side by
//! side; from pixel to pixel they move by a fixed step. So the convolution is, for a few pixels and 32
//! channels that go out, a sum over lines and runs which stays in registers, and the weights, packed
//! 32 channels wide once a call, go by. With many channels a GEMM is as fast; with few it spends its
//! time on unfolding. For the gradient, sums for part of a run stay in registers while a strip's pixels go by.
//! The functions are those of [`super::conv`], which calls them; nothing here depends on the number of
//! threads.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::super::geometry::Geometry;
use super::conv::{Act, After, with_scratch};
use super::layout::{Row, WIDE, blocks, channels};
use super::microkernel::{many, next};

/// Pixels that a task makes at least: so often are weights used while they are near.
const PIXELS: usize = 128;
/// Parts that a gradient is summed in.
const PARTS: usize = 8;
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
    negative_slope: f32,
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
        while at < self.count {
            at += match next::<S>(self.count - at) {
                8 => self.group::<S, 8>(s, at),
                6 => self.group::<S, 6>(s, at),
                4 => self.group::<S, 4>(s, at),
                _ => self.group::<S, 1>(s, at),
            };
        }
    }
}

impl Line<'_> {
    /// `M` pixels from `at` on; gives `M`.
    #[inline(always)]
    fn group<S: Simd, const M: usize>(&mut self, s: S, at: usize) -> usize {
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
            put(&mut self.to.out[(at + m) * self.to.step..], row, self.to.wide);
        }
        M
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
        let (zero, negative_slope) = (s.splat_f32s(0.0), s.splat_f32s(self.to.negative_slope));
        for (sum, row) in sums.iter().zip(made) {
            for (n, sum) in sum.iter().enumerate() {
                let v = s.select_f32s(s.greater_than_f32s(*sum, zero), *sum, s.mul_f32s(*sum, negative_slope));
                S::as_mut_simd_f32s(&mut row.0[col + n * S::F32_LANES..][..S::F32_LANES]).0[0] = v;
            }
        }
    }
}

/// The first `wide` values of a row. A copy of a known length is a store or two, of any other length a call.
#[inline(always)]
fn put(to: &mut [f32], row: &Row, wide: usize) {
    match wide {
        WIDE => to[..WIDE].copy_from_slice(&row.0),
        16 => to[..16].copy_from_slice(&row.0[..16]),
        _ => to[..wide].copy_from_slice(&row.0[..wide]),
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

/// Lines of `across` pixels that a task makes, where each needs `floats` floats of input.
fn lines_of(across: usize, down: usize, floats: usize) -> usize {
    PIXELS.div_ceil(across).min((NEAR / floats.max(1)).max(1)).min(down)
}

/// Whether a convolution is made here.
pub fn fits(g: &Geometry) -> bool {
    g.c < WIDE
}

/// See [`super::conv::conv_to`].
pub fn conv(out: &mut [f32], x: &[f32], weights: &[f32], g: &Geometry, after: After) {
    let (oh, ow, run) = (g.oh(), g.ow(), g.k * g.c);
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
    // What the sums get at once, and what is still to come.
    let (bias, negative_slope, after) = match after {
        After::Act(bias, None) => (bias.to_vec(), 1.0, None),
        After::Act(bias, Some(Act::Leaky(negative_slope))) => (bias.to_vec(), negative_slope, None),
        after => (vec![0.0; g.o], 1.0, Some(after)),
    };
    let bias = channels(&bias);
    let runs = Runs { lines: g.k, line: border.wide * g.c, run, step: g.stride * g.c };
    let lines = lines_of(ow, oh, g.stride * border.wide * g.c);
    let pictures = out.par_chunks_mut(oh * ow * g.o).zip(x.par_chunks(g.h * g.w * g.c));
    pictures.enumerate().for_each(|(picture, (out, x))| {
        out.par_chunks_mut(lines * ow * g.o).enumerate().for_each(|(i, out)| {
            let count = out.len() / (ow * g.o);
            let (from, tall) = ((i * lines * g.stride) as isize - top as isize, (count - 1) * g.stride + g.k);
            with_scratch(tall * runs.line, |framed| {
                frame(x, (g.w, g.c), from, &border, framed);
                for (block, (weights, bias)) in packed.chunks_exact(g.k * run).zip(&bias).enumerate() {
                    let wide = WIDE.min(g.o - block * WIDE);
                    for (y, out) in out.chunks_exact_mut(ow * g.o).enumerate() {
                        let x = &framed[y * g.stride * runs.line..];
                        let to = To { out: &mut out[block * WIDE..], step: g.o, wide, bias, negative_slope };
                        Arch::new().dispatch(Line { x, runs, count: ow, weights, to });
                    }
                }
            });
            if let Some(after) = after {
                after.apply(out, (picture * oh + i * lines) * ow * g.o);
            }
        });
    });
}

/// See [`super::conv::conv_w`].
pub fn conv_w(x: &[f32], dy: &[f32], g: &Geometry) -> Vec<f32> {
    let (oh, ow, run) = (g.oh(), g.ow(), g.k * g.c);
    let (top, left) = (g.pad(g.h).0, g.pad(g.w).0);
    let border = Border { left, wide: ((ow - 1) * g.stride + g.k).max(left + g.w) };
    let runs = Runs { lines: g.k, line: border.wide * g.c, run, step: g.stride * g.c };
    let lines = lines_of(ow, oh, g.stride * border.wide * g.c);
    let strips: Vec<(usize, usize)> = (0..dy.len() / (oh * ow * g.o))
        .flat_map(|picture| (0..oh).step_by(lines).map(move |line| (picture, line)))
        .collect();
    // [block, tap, channel in]
    let sums: Vec<Vec<Row>> = strips
        .par_chunks(strips.len().div_ceil(PARTS).max(1))
        .map(|strips| {
            let mut sums = vec![Row::ZERO; blocks(g.o) * g.k * run];
            for (picture, line) in strips {
                let count = lines.min(oh - line);
                let (from, tall) = ((line * g.stride) as isize - top as isize, (count - 1) * g.stride + g.k);
                let x = &x[picture * g.h * g.w * g.c..][..g.h * g.w * g.c];
                let dy = &dy[(picture * oh + line) * ow * g.o..][..count * ow * g.o];
                with_scratch(tall * runs.line, |framed| {
                    frame(x, (g.w, g.c), from, &border, framed);
                    for (block, sums) in sums.chunks_exact_mut(g.k * run).enumerate() {
                        let wide = WIDE.min(g.o - block * WIDE);
                        let down = g.stride * runs.line;
                        let mut sum = |dy: &[f32], each| {
                            let sums = &mut *sums;
                            Arch::new().dispatch(Gradient { x: framed, runs, down, across: ow, dy, each, wide, sums });
                        };
                        if wide.is_multiple_of(16) {
                            sum(&dy[block * WIDE..], g.o);
                            continue;
                        }
                        with_scratch(count * ow * WIDE, |rows| {
                            for (row, pixel) in rows.chunks_exact_mut(WIDE).zip(dy.chunks_exact(g.o)) {
                                row[..wide].copy_from_slice(&pixel[block * WIDE..][..wide]);
                                row[wide..].fill(0.0);
                            }
                            sum(rows, WIDE);
                        });
                    }
                });
            }
            sums
        })
        .collect();
    let mut out = vec![0.0; g.k * run * g.o];
    for sums in &sums {
        for (at, row) in sums.iter().enumerate() {
            let (block, tap) = (at / (g.k * run), at % (g.k * run));
            let part = &mut out[tap * g.o + block * WIDE..(tap * g.o + g.o).min(tap * g.o + (block + 1) * WIDE)];
            part.iter_mut().zip(row.0).for_each(|(sum, v)| *sum += v);
        }
    }
    out
}

/// What a strip adds to a kernel's gradient, for one block of channels that go out.
struct Gradient<'a> {
    x: &'a [f32],
    runs: Runs,
    /// From line to line of the output, in `x`, and its pixels.
    down: usize,
    across: usize,
    /// Whole vectors of each pixel's channels; pixels are `each` apart.
    dy: &'a [f32],
    each: usize,
    /// Channels of the block.
    wide: usize,
    /// `[line, number in the run]`.
    sums: &'a mut [Row],
}

impl WithSimd for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, s: S) {
        let many = many::<S>();
        for line in 0..self.runs.lines {
            let mut at = 0;
            while at < self.runs.run {
                at += match self.runs.run - at {
                    12.. if many => self.group::<S, 12>(s, line, at),
                    9 if many => self.group::<S, 9>(s, line, at),
                    // Nine are five and four.
                    5 | 9 if !many => self.group::<S, 5>(s, line, at),
                    6 | 7 | 10.. if !many => self.group::<S, 6>(s, line, at),
                    6.. if many => self.group::<S, 6>(s, line, at),
                    4.. => self.group::<S, 4>(s, line, at),
                    _ => self.group::<S, 1>(s, line, at),
                };
            }
        }
    }
}

impl Gradient<'_> {
    /// `M` numbers of a run from `at` on; gives `M`.
    #[inline(always)]
    fn group<S: Simd, const M: usize>(&mut self, s: S, line: usize, at: usize) -> usize {
        let mut col = 0;
        while col < self.wide {
            if self.wide - col > S::F32_LANES {
                self.sum::<S, M, 2>(s, line, at, col);
                col += 2 * S::F32_LANES;
            } else {
                self.sum::<S, M, 1>(s, line, at, col);
                col += S::F32_LANES;
            }
        }
        M
    }

    /// Their sums for `N` vectors of channels from `col` on.
    #[inline(always)]
    fn sum<S: Simd, const M: usize, const N: usize>(&mut self, s: S, line: usize, at: usize, col: usize) {
        let rows = &mut self.sums[line * self.runs.run + at..][..M];
        let vectors = |row: &Row| -> [S::f32s; N] {
            std::array::from_fn(|n| S::as_simd_f32s(&row.0[col + n * S::F32_LANES..][..S::F32_LANES]).0[0])
        };
        let mut sums: [[S::f32s; N]; M] = std::array::from_fn(|m| vectors(&rows[m]));
        for (y, dy) in self.dy.chunks(self.across * self.each).enumerate() {
            let x = &self.x[y * self.down + line * self.runs.line + at..];
            for (i, dy) in dy.chunks(self.each).enumerate() {
                let b: [S::f32s; N] =
                    std::array::from_fn(|n| S::as_simd_f32s(&dy[col + n * S::F32_LANES..][..S::F32_LANES]).0[0]);
                let x = &x[i * self.runs.step..][..M];
                for (sum, x) in sums.iter_mut().zip(x) {
                    let x = s.splat_f32s(*x);
                    for (sum, b) in sum.iter_mut().zip(&b) {
                        *sum = s.mul_add_e_f32s(x, *b, *sum);
                    }
                }
            }
        }
        for (sum, row) in sums.iter().zip(rows) {
            for (n, sum) in sum.iter().enumerate() {
                S::as_mut_simd_f32s(&mut row.0[col + n * S::F32_LANES..][..S::F32_LANES]).0[0] = *sum;
            }
        }
    }
}
