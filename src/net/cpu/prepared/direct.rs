//! A stride-2 transposed convolution as four convolutions through one window, tap by tap.
//!
//! The weights lie in the order in which they are read: for each 32 channels that go out, for each
//! of the four phases, for each 32 channels that come in, tap by tap. A task makes the four phases
//! of some lines for 32 channels, so it writes a piece of the next plane that is its own, with bias
//! and activation already done. Its sums stay in the nearest cache while the weights go by once.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::Layer;
use super::weights::Weights;
use crate::net::cpu::layout::{Plane, Row, WIDE, blocks, channels, with_scratch};
use crate::net::cpu::microkernel::{leaky, multiply, next};
use crate::net::geometry::Geometry;

/// Pixels whose sums a task holds at a time, 32 KiB of them.
const PIXELS: usize = 256;

/// The taps of the window that one phase looks through: the first row and column, and how many.
#[derive(Clone, Copy, Default)]
struct Seen {
    row: usize,
    column: usize,
    rows: usize,
    columns: usize,
    /// Taps of the phases before this one.
    before: usize,
}

impl Seen {
    fn taps(self) -> usize {
        self.rows * self.columns
    }

    /// Those of a phase, in the window's own numbers.
    fn each(self, t: usize) -> impl Iterator<Item = usize> {
        (0..self.taps()).map(move |tap| (self.row + tap / self.columns) * t + self.column + tap % self.columns)
    }
}

/// What the four phases see through the window of a stage.
fn phases(g: &Geometry, t: usize) -> [Seen; 4] {
    let along = |phase: usize| {
        let seen = |tap: &usize| g.kernel_row(phase, *tap, t).is_some();
        (0..t).find(|tap| seen(tap)).map_or((0, 0), |first| (first, (0..t).filter(seen).count()))
    };
    let mut before = 0;
    std::array::from_fn(|phase| {
        let ((row, rows), (column, columns)) = (along(phase / 2), along(phase % 2));
        let seen = Seen { row, column, rows, columns, before };
        before += seen.taps();
        seen
    })
}

/// The weights of one stage, packed.
pub struct Direct {
    /// Taps of the window, in each direction.
    t: usize,
    phases: [Seen; 4],
    blocks_in: usize,
    blocks_out: usize,
    /// `[block out, phase, block in, tap, channel in]`.
    weights: Weights,
    /// `[block out]`.
    bias: Vec<Row>,
    negative_slope: f32,
}

/// From which block in to which block out, and of which phase: block out, phase, block in.
type Which = (usize, usize, usize);

/// The given taps of one phase's window from one block in to one block out, `[taps, 32 in]` rows of 32 out, from a
/// kernel `[k, k, out, in]`. A tap that the phase does not have is left as it is.
pub fn pack_taps(
    layer: &Layer<&[f32]>,
    g: &Geometry,
    (block_out, phase, block_in): Which,
    taps: impl Iterator<Item = usize>,
    rows: &mut [Row],
) {
    let t = g.window().unwrap_or(1);
    let from = block_in * WIDE;
    let ins = WIDE.min(g.o - from);
    let scales = layer.scale[block_out * WIDE..].iter().take(WIDE);
    for (tap, rows) in taps.zip(rows.chunks_exact_mut(WIDE)) {
        let at = (g.kernel_row(phase / 2, tap / t, t), g.kernel_row(phase % 2, tap % t, t));
        let (Some(ky), Some(kx)) = at else { continue };
        let lines = &layer.kernel[((ky * g.k + kx) * g.c + block_out * WIDE) * g.o..];
        for (n, (line, scale)) in lines.chunks_exact(g.o).zip(scales.clone()).enumerate() {
            for (row, v) in rows.iter_mut().zip(&line[from..from + ins]) {
                row.0[n] = v * scale;
            }
        }
    }
}

impl Direct {
    /// Room for the weights of a stage with a window (see [`Geometry::window`]), in 16 bits if they are to be `short`.
    pub fn new(g: &Geometry, negative_slope: f32, short: bool) -> Self {
        let (t, blocks_in, blocks_out) = (g.window().unwrap_or(1), blocks(g.o), blocks(g.c));
        let weights = Weights::new(blocks_out, blocks_in * g.k * g.k * WIDE, short);
        Self { t, phases: phases(g, t), blocks_in, blocks_out, weights, bias: Vec::new(), negative_slope }
    }

    /// Where the taps of a phase begin, from one block to another.
    fn at(&self, block_out: usize, phase: usize, block_in: usize) -> usize {
        let all: usize = self.phases.iter().map(|seen| seen.taps()).sum();
        let seen = self.phases[phase];
        (block_out * all + seen.before) * self.blocks_in * WIDE + block_in * seen.taps() * WIDE
    }

    /// Packs weights.
    pub fn load(&mut self, layer: &Layer<&[f32]>, g: &Geometry) {
        let (blocks_in, t, phases) = (self.blocks_in, self.t, self.phases);
        self.weights.load(|block_out, mut rest| {
            for (phase, seen) in phases.iter().enumerate() {
                for block_in in 0..blocks_in {
                    let (rows, left) = rest.split_at_mut(seen.taps() * WIDE);
                    pack_taps(layer, g, (block_out, phase, block_in), seen.each(t), rows);
                    rest = left;
                }
            }
        });
        self.bias = channels(&layer.shift);
    }

    /// Taps of the window, in each direction.
    pub fn taps(&self) -> usize {
        self.t
    }

    /// Rows that a task needs beside its sums, for the weights of one phase and block.
    fn beside(&self) -> usize {
        let taps = self.phases.iter().map(|seen| seen.taps()).max();
        self.weights.beside(taps.unwrap_or(0) * WIDE)
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
                let pixels = part.len() / (2 * to.wide) * from.w;
                with_scratch(pixels + self.beside(), |scratch| {
                    let (sums, beside) = scratch.split_at_mut(pixels);
                    let first = band * lines;
                    Arch::new().dispatch(Task {
                        direct: self,
                        input,
                        stride,
                        from,
                        first,
                        block,
                        sums,
                        beside,
                        to,
                        part,
                    });
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
    /// Where weights of 16 bits become floats.
    beside: &'a mut [Row],
    to: &'a Plane,
    part: &'a mut [Row],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { direct, input, stride, from, first, block, sums, beside, to, part } = self;
        for phase in 0..4 {
            sums.fill(direct.bias[block]);
            for block_in in 0..direct.blocks_in {
                let (seen, at) = (direct.phases[phase], direct.at(block, phase, block_in));
                let (taps, _) = direct.weights.rows(s, at, seen.taps() * WIDE, beside).as_chunks::<WIDE>();
                let plane = &input[block_in * stride..block_in * stride + from.len()];
                for (y, sums) in sums.chunks_exact_mut(from.w).enumerate() {
                    let corner = (first + y + seen.row) * from.wide + seen.column;
                    line(s, sums, &plane[corner..], from.wide, seen.columns, taps);
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

/// Adds what the window sees on one line of the picture: `plane` begins at the first of its taps, of which `columns`
/// stand side by side.
#[inline(always)]
fn line<S: Simd>(s: S, sums: &mut [Row], plane: &[Row], wide: usize, columns: usize, taps: &[[Row; WIDE]]) {
    let mut x = 0;
    while x < sums.len() {
        let (count, sums, plane) = (next::<S>(sums.len() - x), &mut sums[x..], &plane[x..]);
        let steps = taps.iter().enumerate().map(|(tap, b)| (&plane[tap / columns * wide + tap % columns..], b));
        x += match count {
            8 => multiply::<S, 8>(s, false, sums, steps),
            6 => multiply::<S, 6>(s, false, sums, steps),
            4 => multiply::<S, 4>(s, false, sums, steps),
            _ => multiply::<S, 1>(s, false, sums, steps),
        };
    }
}
