//! A stride-2 transposed convolution as four convolutions through one window, tap by tap.
//!
//! The weights lie in the order in which they are read: for each 32 channels that go out, for each
//! of the four phases, for each 32 channels that come in, tap by tap. A task makes the four phases
//! of some lines for 32 channels, so it writes a piece of the next plane that is its own, with bias
//! and activation already done. Its sums stay in the nearest cache while the weights go by once.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::Layer;
use crate::net::kernels::Geometry;
use crate::net::micro::{leaky, multiply, next};
use crate::net::rows::{Plane, Row, WIDE, blocks, channels, with_scratch, zeros};

/// Pixels whose sums a task holds at a time, 32 KiB of them.
const PIXELS: usize = 256;

/// The weights of one stage, packed.
pub struct Direct {
    /// Taps of the window, in each direction.
    t: usize,
    blocks_in: usize,
    blocks_out: usize,
    /// `[block out, phase, block in, tap, channel in]`.
    weights: Vec<Row>,
    /// `[block out]`.
    bias: Vec<Row>,
    negative_slope: f32,
}

/// The taps of one phase from one block in to one block out, `[t · t, 32 in]` rows of 32 out, from a
/// kernel `[k, k, out, in]`.
///
/// Output pixel 2i + r takes input pixel i + d with kernel row r + (t − 1) − 2d, d counted from the
/// window's middle; here d runs from its first row.
pub fn pack_taps(
    layer: &Layer<&[f32]>,
    g: &Geometry,
    block_out: usize,
    phase: usize,
    block_in: usize,
    rows: &mut [Row],
) {
    let t = g.k / 2;
    let from = block_in * WIDE;
    let ins = WIDE.min(g.o - from);
    let scales = layer.scale[block_out * WIDE..].iter().take(WIDE);
    for (tap, rows) in rows.chunks_exact_mut(WIDE).enumerate() {
        let ky = phase / 2 + 2 * (t - 1) - 2 * (tap / t);
        let kx = phase % 2 + 2 * (t - 1) - 2 * (tap % t);
        let lines = &layer.kernel[((ky * g.k + kx) * g.c + block_out * WIDE) * g.o..];
        for (n, (line, scale)) in lines.chunks_exact(g.o).zip(scales.clone()).enumerate() {
            for (row, v) in rows.iter_mut().zip(&line[from..from + ins]) {
                row.0[n] = v * scale;
            }
        }
    }
}

impl Direct {
    /// Room for the weights of a stage with a window (see [`Geometry::window`]).
    pub fn new(g: &Geometry, negative_slope: f32) -> Self {
        let (t, blocks_in, blocks_out) = (g.k / 2, blocks(g.o), blocks(g.c));
        let weights = zeros(blocks_out * 4 * blocks_in * t * t * WIDE);
        Self { t, blocks_in, blocks_out, weights, bias: Vec::new(), negative_slope }
    }

    /// Packs weights.
    pub fn load(&mut self, layer: &Layer<&[f32]>, g: &Geometry) {
        let blocks_in = self.blocks_in;
        self.weights.par_chunks_mut(self.t * self.t * WIDE).enumerate().for_each(|(i, rows)| {
            pack_taps(layer, g, i / blocks_in / 4, i / blocks_in % 4, i % blocks_in, rows);
        });
        self.bias = channels(&layer.shift);
    }

    /// Taps of the window, in each direction.
    pub fn taps(&self) -> usize {
        self.t
    }

    /// Makes the next map from `input`, whose planes are [`Plane::windowed`] for this window.
    pub fn run(&self, n: usize, input: &[Row], from: &Plane, output: &mut [Row], to: &Plane) {
        let tasks = self.blocks_out * n * from.h * from.w / PIXELS;
        // Few tasks are made smaller, so that a core that was disturbed does not keep the other waiting.
        let pixels = if tasks < 8 { PIXELS / 4 } else { PIXELS };
        let lines = (pixels / from.w).clamp(1, from.h);
        output[..self.blocks_out * n * to.len()].par_chunks_mut(to.len()).enumerate().for_each(|(i, plane)| {
            let (block, picture) = (i / n, i % n);
            plane[to.inside()].par_chunks_mut(lines * 2 * to.wide).enumerate().for_each(|(band, part)| {
                let (input, stride) = (&input[picture * from.len()..], n * from.len());
                with_scratch(part.len() / (2 * to.wide) * from.w, |sums| {
                    let first = band * lines;
                    Arch::new().dispatch(Task { direct: self, input, stride, from, first, block, sums, to, part });
                });
            });
        });
    }
}

/// Some lines of one picture for one block of channels.
struct Task<'a> {
    direct: &'a Direct,
    /// The picture's plane of the first block; that of the next is `stride` further on.
    input: &'a [Row],
    stride: usize,
    from: &'a Plane,
    /// The first line, counted in the input.
    first: usize,
    block: usize,
    /// Of one phase, `[line, pixel]`.
    sums: &'a mut [Row],
    to: &'a Plane,
    part: &'a mut [Row],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { direct, input, stride, from, first, block, sums, to, part } = self;
        for phase in 0..4 {
            sums.fill(direct.bias[block]);
            for block_in in 0..direct.blocks_in {
                let taps = direct.t * direct.t;
                let at = ((block * 4 + phase) * direct.blocks_in + block_in) * taps * WIDE;
                let (taps, _) = direct.weights[at..at + taps * WIDE].as_chunks::<WIDE>();
                let plane = &input[block_in * stride..block_in * stride + from.len()];
                for (y, sums) in sums.chunks_exact_mut(from.w).enumerate() {
                    line(s, sums, &plane[(first + y) * from.wide..], from.wide, direct.t, taps);
                }
            }
            for (y, sums) in sums.chunks_exact_mut(from.w).enumerate() {
                let line = &mut part[(2 * y + phase / 2) * to.wide + to.left..][..2 * from.w];
                for (sum, pair) in sums.iter_mut().zip(line.chunks_exact_mut(2)) {
                    leaky(s, sum, direct.negative_slope);
                    pair[phase % 2] = *sum;
                }
            }
        }
    }
}

/// Adds what the window sees on one line of the picture: `plane` begins at the window's first line.
#[inline(always)]
fn line<S: Simd>(s: S, sums: &mut [Row], plane: &[Row], wide: usize, t: usize, taps: &[[Row; WIDE]]) {
    let mut x = 0;
    while x < sums.len() {
        let (count, sums, plane) = (next::<S>(sums.len() - x), &mut sums[x..], &plane[x..]);
        let steps = taps.iter().enumerate().map(|(tap, b)| (&plane[tap / t * wide + tap % t..], b));
        x += match count {
            8 => multiply::<S, 8>(s, false, sums, steps),
            6 => multiply::<S, 6>(s, false, sums, steps),
            4 => multiply::<S, 4>(s, false, sums, steps),
            _ => multiply::<S, 1>(s, false, sums, steps),
        };
    }
}
