//! The last stage: the four phases of a picture's few channels fit in half a row.
//!
//! All phases of a pixel are made at once, so the window is read once and the weights stay in the
//! nearest cache; tanh and the conversion to bytes follow while the values are in registers.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::direct::pack_taps;
use super::{Layer, Pixel};
use crate::net::cpu::layout::{Plane, Row, WIDE, blocks};
use crate::net::cpu::microkernel::many;
use crate::net::cpu::pointwise::tanh;
use crate::net::geometry::Geometry;

/// Phases times channels that fit.
const HALF: usize = WIDE / 2;
/// Lines of the input that a task takes.
const LINES: usize = 8;

/// The weights of a stage that makes at most four channels.
pub struct Few {
    t: usize,
    channels: usize,
    /// `[block in, tap, channel in / 2]`: a row has the weights of two input channels, `[2, phase, channel]`.
    weights: Vec<Row>,
    bias: [f32; HALF],
}

impl Few {
    /// Whether a stage's phases fit.
    pub fn fits(g: &Geometry) -> bool {
        4 * g.c <= HALF
    }

    /// Room for the weights of a stage with a window.
    pub fn new(g: &Geometry) -> Self {
        let t = g.window().unwrap_or(1);
        Self { t, channels: g.c, weights: vec![Row::ZERO; blocks(g.o) * t * t * HALF], bias: [0.0; HALF] }
    }

    /// Packs weights.
    pub fn load(&mut self, layer: &Layer<&[f32]>, g: &Geometry) {
        let each = self.t * self.t;
        let mut taps = vec![Row::ZERO; each * WIDE];
        for (block, part) in self.weights.chunks_exact_mut(each * HALF).enumerate() {
            for phase in 0..4 {
                taps.fill(Row::ZERO);
                pack_taps(layer, g, (0, phase, block), 0..each, &mut taps);
                for (k, row) in taps.iter().enumerate() {
                    let to = k % 2 * HALF + phase * g.c;
                    part[k / 2].0[to..to + g.c].copy_from_slice(&row.0[..g.c]);
                }
            }
        }
        for (i, bias) in self.bias[..4 * g.c].iter_mut().enumerate() {
            *bias = layer.shift[i % g.c];
        }
    }

    /// Taps of the window, in each direction.
    pub fn taps(&self) -> usize {
        self.t
    }

    /// Makes pictures `[n, 2h, 2w, channels]` from planes that are [`Plane::windowed`] for this window.
    pub fn run<P: Pixel>(&self, n: usize, input: &[Row], from: &Plane, out: &mut [P]) {
        let line = 4 * from.w * self.channels;
        out.par_chunks_mut(from.h * line).enumerate().for_each(|(picture, out)| {
            out.par_chunks_mut(LINES * line).enumerate().for_each(|(band, out)| {
                let (input, stride) = (&input[picture * from.len()..], n * from.len());
                Arch::new().dispatch(Task { few: self, input, stride, from, first: band * LINES, out });
            });
        });
    }
}

/// Some lines of one picture.
struct Task<'a, P> {
    few: &'a Few,
    /// The picture's plane of the first block; that of the next is `stride` further on.
    input: &'a [Row],
    stride: usize,
    from: &'a Plane,
    first: usize,
    out: &'a mut [P],
}

impl<P: Pixel> WithSimd for Task<'_, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let line = 2 * self.from.w * self.few.channels;
        for (y, pair) in self.out.chunks_exact_mut(2 * line).enumerate() {
            let (upper, lower) = pair.split_at_mut(line);
            let input = &self.input[(self.first + y) * self.from.wide..];
            let mut cells = Cells { few: self.few, input, stride: self.stride, wide: self.from.wide, upper, lower };
            let mut x = 0;
            while x < self.from.w {
                // Half a row is one vector of the machines with many registers, or two.
                x += match self.from.w - x {
                    16.. if many::<S>() => cells.make::<S, 16, 1>(s, x),
                    8.. if many::<S>() => cells.make::<S, 8, 1>(s, x),
                    6 | 7 | 10.. if 2 * S::F32_LANES <= HALF => cells.make::<S, 6, 2>(s, x),
                    4.. if 2 * S::F32_LANES <= HALF => cells.make::<S, 4, 2>(s, x),
                    _ => cells.make::<S, 1, 1>(s, x),
                };
            }
        }
    }
}

/// One line of the input and the two that come of it.
struct Cells<'a, P> {
    few: &'a Few,
    /// From the window's first line on.
    input: &'a [Row],
    stride: usize,
    wide: usize,
    upper: &'a mut [P],
    lower: &'a mut [P],
}

impl<P: Pixel> Cells<'_, P> {
    /// Makes `M` cells of 2 × 2 pixels from column `x` on, `N` vectors at a time; gives `M`.
    #[inline(always)]
    fn make<S: Simd, const M: usize, const N: usize>(&mut self, s: S, x: usize) -> usize {
        let (t, pair) = (self.few.t, 2 * self.few.channels);
        let mut values = [[0.0; HALF]; M];
        // A vector wider than half a row is none of the instruction sets here.
        let lanes = S::F32_LANES.min(HALF);
        for col in (0..HALF).step_by(N * lanes) {
            let vectors = |row: &[f32]| -> [S::f32s; N] {
                std::array::from_fn(|n| S::as_simd_f32s(&row[col + n * lanes..][..lanes]).0[0])
            };
            let mut sums = [vectors(&self.few.bias); M];
            let (taps, _) = self.few.weights.as_chunks::<HALF>();
            for (i, taps) in taps.iter().enumerate() {
                let (block, tap) = (i / (t * t), i % (t * t));
                let window = &self.input[block * self.stride + tap / t * self.wide + tap % t + x..][..M];
                for k in 0..WIDE {
                    let b = vectors(&taps[k / 2].0[k % 2 * HALF..][..HALF]);
                    for (sum, a) in sums.iter_mut().zip(window) {
                        let a = s.splat_f32s(a.0[k]);
                        for (sum, b) in sum.iter_mut().zip(&b) {
                            *sum = s.mul_add_e_f32s(a, *b, *sum);
                        }
                    }
                }
            }
            for (sum, values) in sums.iter().zip(&mut values) {
                for (n, sum) in sum.iter().enumerate() {
                    S::as_mut_simd_f32s(&mut values[col + n * lanes..][..lanes]).0[0] = *sum;
                }
            }
        }
        // A loop over all of them at once becomes vectors, one over each pixel's would not.
        let mut cells = [[P::default(); HALF]; M];
        for (p, v) in cells.as_flattened_mut().iter_mut().zip(values.as_flattened()) {
            *p = P::of(tanh(*v));
        }
        for (i, cell) in cells.iter().enumerate() {
            self.upper[(x + i) * pair..][..pair].copy_from_slice(&cell[..pair]);
            self.lower[(x + i) * pair..][..pair].copy_from_slice(&cell[pair..2 * pair]);
        }
        M
    }
}
