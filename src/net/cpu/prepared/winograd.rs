//! The same four convolutions with fewer multiplications: Winograd's minimal filtering.
//!
//! The map is cut into tiles of A × A pixels that overlap by t − 1; in the transformed domain a tile
//! of M × M outputs costs A² products instead of M² t² (Lavin & Gray 2015, section 4.1; the
//! matrices are in [`super::matrices`]). The products of one point of the transform, over all tiles
//! and channels, are a small matrix product through [`multiply`].
//! The weights become A² / t² times as many, so it pays where the map is large enough to use each
//! of them several times; [`super::way`] decides.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::direct::pack_taps;
use super::matrices::Matrices;
use super::{Layer, lengthen};
use crate::net::cpu::layout::{Plane, Row, WIDE, blocks, channels, with_scratch, zeros};
use crate::net::cpu::microkernel::{leaky, multiply, next};
use crate::net::geometry::Geometry;

/// Tiles whose products a task holds at a time.
const TILES: usize = 64;

/// The transformed weights of one stage for `F(M × M, T × T)`.
pub struct Winograd<const M: usize, const T: usize, const A: usize> {
    blocks_in: usize,
    blocks_out: usize,
    /// `[block out, point, phase, block in, channel in]`.
    weights: Vec<Row>,
    bias: Vec<Row>,
    negative_slope: f32,
}

/// How many tiles cover a plane: lines of them, and in each.
fn tiles(plane: &Plane, m: usize) -> (usize, usize) {
    (plane.h.div_ceil(m), plane.w.div_ceil(m))
}

impl<const M: usize, const T: usize, const A: usize> Winograd<M, T, A> {
    const POINTS: usize = A * A;

    /// Room for the weights of a stage whose window has T taps.
    pub fn new(g: &Geometry, negative_slope: f32) -> Self {
        let (blocks_in, blocks_out) = (blocks(g.o), blocks(g.c));
        let weights = zeros(blocks_out * Self::POINTS * 4 * blocks_in * WIDE);
        Self { blocks_in, blocks_out, weights, bias: Vec::new(), negative_slope }
    }

    /// Packs and transforms weights.
    pub fn load(&mut self, layer: &Layer<&[f32]>, g: &Geometry) {
        let blocks_in = self.blocks_in;
        let step = 4 * blocks_in * WIDE;
        self.weights.par_chunks_mut(Self::POINTS * step).enumerate().for_each(|(block_out, part)| {
            with_scratch(T * T * WIDE, |taps| {
                for i in 0..4 * blocks_in {
                    taps.fill(Row::ZERO);
                    pack_taps(layer, g, (block_out, i / blocks_in, i % blocks_in), 0..T * T, taps);
                    Arch::new().dispatch(Filters::<M, T, A> { taps, points: &mut part[i * WIDE..], step });
                }
            });
        });
        self.bias = channels(&layer.shift);
    }

    /// Makes the next map from `input`, whose planes are [`Plane::windowed`] for this window and M;
    /// `factors` holds the transformed input meanwhile.
    pub fn run(&self, n: usize, input: &[Row], from: &Plane, factors: &mut Vec<Row>, output: &mut [Row], to: &Plane) {
        let (down, across) = tiles(from, M);
        let band = (TILES / across).clamp(1, down);
        // [block in, picture, band, point, tile]
        let each = down * across * Self::POINTS;
        lengthen(factors, self.blocks_in * n * each);
        factors.par_chunks_mut(each).zip(input[..self.blocks_in * n * from.len()].par_chunks(from.len())).for_each(
            |(factors, plane)| {
                let bands = factors.par_chunks_mut(band * across * Self::POINTS).enumerate();
                bands.for_each(|(i, factors)| {
                    Arch::new().dispatch(Inputs::<M, T, A> { plane, from, first: i * band, across, factors });
                });
            },
        );
        let factors = &*factors;
        output[..self.blocks_out * n * to.len()].par_chunks_mut(to.len()).enumerate().for_each(|(i, plane)| {
            let (block, picture) = (i / n, i % n);
            let parts = plane[to.inside()].par_chunks_mut(band * M * 2 * to.wide).enumerate();
            parts.for_each(|(i, part)| {
                let lines = (down - i * band).min(band);
                let at = picture * each + i * band * across * Self::POINTS;
                let task = Task { winograd: self, factors: &factors[at..], stride: n * each, block, lines, across };
                with_scratch(Self::POINTS * 4 * lines * across, |products| {
                    Arch::new().dispatch(Products { task: &task, products });
                    Arch::new().dispatch(Outputs { task: &task, products, from, to, part });
                });
            });
        });
    }
}

/// `matrix · x`; the matrix is known when this is compiled, so its zeros cost nothing.
#[inline(always)]
fn apply<S: Simd, const I: usize, const O: usize>(
    s: S,
    matrix: &[[f32; I]; O],
    x: impl Fn(usize) -> S::f32s,
) -> [S::f32s; O] {
    let mut out = [s.splat_f32s(0.0); O];
    for (sum, line) in out.iter_mut().zip(matrix) {
        for (i, factor) in line.iter().enumerate() {
            if *factor != 0.0 {
                *sum = s.mul_add_e_f32s(s.splat_f32s(*factor), x(i), *sum);
            }
        }
    }
    out
}

/// `matrix · x · matrixᵀ` for lane group `lane` of rows: x\[i\]\[j\] is `read(i, j)`.
#[inline(always)]
pub fn sandwich<S: Simd, const I: usize, const O: usize>(
    s: S,
    matrix: &[[f32; I]; O],
    read: impl Fn(usize, usize) -> S::f32s,
    mut write: impl FnMut(usize, usize, S::f32s),
) {
    let mut half = [[s.splat_f32s(0.0); I]; O];
    for j in 0..I {
        for (line, v) in half.iter_mut().zip(apply(s, matrix, |i| read(i, j))) {
            line[j] = v;
        }
    }
    for (i, line) in half.iter().enumerate() {
        for (j, v) in apply(s, matrix, |j| line[j]).into_iter().enumerate() {
            write(i, j, v);
        }
    }
}

#[inline(always)]
fn load<S: Simd>(row: &Row, lane: usize) -> S::f32s {
    S::as_simd_f32s(&row.0).0[lane]
}

#[inline(always)]
fn store<S: Simd>(row: &mut Row, lane: usize, v: S::f32s) {
    S::as_mut_simd_f32s(&mut row.0).0[lane] = v;
}

/// `G g Gᵀ` of the taps `[T · T, 32 in]` into every `step`-th group of 32 rows.
struct Filters<'a, const M: usize, const T: usize, const A: usize> {
    taps: &'a [Row],
    points: &'a mut [Row],
    step: usize,
}

impl<const M: usize, const T: usize, const A: usize> WithSimd for Filters<'_, M, T, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        for k in 0..WIDE {
            for lane in 0..WIDE / S::F32_LANES {
                let read = |i, j| load::<S>(&self.taps[(i * T + j) * WIDE + k], lane);
                let write = |i, j, v| store::<S>(&mut self.points[(i * A + j) * self.step + k], lane, v);
                sandwich(s, &Matrices::<M, T, A>::MADE.g, read, write);
            }
        }
    }
}

/// `Bᵀ d B` of each tile of some lines of tiles: `[point, tile]`.
struct Inputs<'a, const M: usize, const T: usize, const A: usize> {
    plane: &'a [Row],
    from: &'a Plane,
    /// The first line of tiles.
    first: usize,
    across: usize,
    factors: &'a mut [Row],
}

impl<const M: usize, const T: usize, const A: usize> WithSimd for Inputs<'_, M, T, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let count = self.factors.len() / (A * A);
        for tile in 0..count {
            let at = (self.first + tile / self.across) * M * self.from.wide + tile % self.across * M;
            for lane in 0..WIDE / S::F32_LANES {
                let read = |i, j| load::<S>(&self.plane[at + i * self.from.wide + j], lane);
                let write = |i, j, v| store::<S>(&mut self.factors[(i * A + j) * count + tile], lane, v);
                sandwich(s, &Matrices::<M, T, A>::MADE.bt, read, write);
            }
        }
    }
}

/// Some lines of tiles of one picture for one block of channels.
struct Task<'a, const M: usize, const T: usize, const A: usize> {
    winograd: &'a Winograd<M, T, A>,
    /// `[point, tile]` of the first block in; the next is `stride` further on.
    factors: &'a [Row],
    stride: usize,
    block: usize,
    lines: usize,
    across: usize,
}

/// The products of all points, `[point, phase, tile]`.
struct Products<'a, const M: usize, const T: usize, const A: usize> {
    task: &'a Task<'a, M, T, A>,
    products: &'a mut [Row],
}

impl<const M: usize, const T: usize, const A: usize> WithSimd for Products<'_, M, T, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Task { winograd, factors, stride, block, lines, across } = *self.task;
        let (count, blocks_in) = (lines * across, winograd.blocks_in);
        for (i, sums) in self.products.chunks_exact_mut(count).enumerate() {
            let at = (block * A * A * 4 + i) * blocks_in * WIDE;
            let (weights, _) = winograd.weights[at..at + blocks_in * WIDE].as_chunks::<WIDE>();
            let factors = &factors[i / 4 * count..];
            let mut tile = 0;
            while tile < count {
                let (some, sums, factors) = (next::<S>(count - tile), &mut sums[tile..], &factors[tile..]);
                let steps = weights.iter().enumerate().map(|(block, b)| (&factors[block * stride..], b));
                tile += match some {
                    8 => multiply::<S, 8>(s, true, sums, steps),
                    6 => multiply::<S, 6>(s, true, sums, steps),
                    4 => multiply::<S, 4>(s, true, sums, steps),
                    _ => multiply::<S, 1>(s, true, sums, steps),
                };
            }
        }
    }
}

/// `Aᵀ m A` of each tile and phase, with bias and activation, into the next plane.
struct Outputs<'a, const M: usize, const T: usize, const A: usize> {
    task: &'a Task<'a, M, T, A>,
    products: &'a [Row],
    from: &'a Plane,
    to: &'a Plane,
    part: &'a mut [Row],
}

impl<const M: usize, const T: usize, const A: usize> WithSimd for Outputs<'_, M, T, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Task { winograd, block, lines, across, .. } = *self.task;
        let (count, to) = (lines * across, self.to);
        let tall = self.part.len() / to.wide;
        let mut made = [[Row::ZERO; M]; M];
        for i in 0..4 * count {
            let (phase, tile) = (i / count, i % count);
            let (top, left) = (tile / across * M, tile % across * M);
            for lane in 0..WIDE / S::F32_LANES {
                let bias = load::<S>(&winograd.bias[block], lane);
                let read = |i, j| load::<S>(&self.products[((i * A + j) * 4 + phase) * count + tile], lane);
                let write = |i: usize, j: usize, v| store::<S>(&mut made[i][j], lane, s.add_f32s(v, bias));
                sandwich(s, &Matrices::<M, T, A>::MADE.at, read, write);
            }
            for (y, line) in made.iter_mut().enumerate() {
                let oy = 2 * (top + y) + phase / 2;
                for (x, row) in line.iter_mut().enumerate().take(self.from.w - left) {
                    if oy < tall {
                        leaky(s, row, winograd.negative_slope);
                        self.part[oy * to.wide + to.left + 2 * (left + x) + phase % 2] = *row;
                    }
                }
            }
        }
    }
}
