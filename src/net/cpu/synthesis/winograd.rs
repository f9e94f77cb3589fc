//! A 3 × 3 convolution through Winograd's `F(4, 3)` (Lavin & Gray 2015): a quarter of the products.
//!
//! Where the transformed kernel fits the cache, a task takes some tiles through all three steps. Where it is larger,
//! all tiles (up to [`TOGETHER`]) are transformed first, and each point of the transform is one matrix product, so that
//! the kernel is read once.

use faer::Accum;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{After, Map, padded};
use crate::net::cpu::conv::{gemm, rows, with_scratch};
use crate::net::cpu::prepared::matrices::Matrices;
use crate::net::cpu::prepared::winograd::sandwich;
use crate::net::cpu::pyramid::product::{Product, multiply};

/// Pixels of a tile, and of what it is made from, in each direction.
const M: usize = 4;
const A: usize = 6;
const POINTS: usize = A * A;
/// Tiles that a task takes at a time.
const TILES: usize = 16;
/// Tiles that share a reading of a large kernel.
const TOGETHER: usize = 256;
/// Numbers of a kernel that stays in the cache.
const SMALL: usize = 700_000;

/// A kernel, transformed.
pub struct Winograd {
    /// `[point, wide in, wide out]`.
    points: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

impl Winograd {
    /// Of `[3, 3, inputs, outputs]`.
    pub fn new(kernel: &[f32], inputs: usize, outputs: usize) -> Self {
        let (wide, out) = (padded(inputs), padded(outputs));
        let mut points = vec![0.0; POINTS * wide * out];
        let g = &Matrices::<M, 3, A>::MADE.g;
        points.par_chunks_mut(wide * out).enumerate().for_each(|(point, to)| {
            let (i, j) = (point / A, point % A);
            for (tap, values) in kernel.chunks_exact(inputs * outputs).enumerate() {
                let factor = g[i][tap / 3] * g[j][tap % 3];
                if factor == 0.0 {
                    continue;
                }
                for (to, from) in to.chunks_exact_mut(out).zip(values.chunks_exact(outputs)) {
                    to.iter_mut().zip(from).for_each(|(to, v)| *to += factor * v);
                }
            }
        });
        Self { points, inputs: wide, outputs: out }
    }

    fn point(&self, point: usize) -> &[f32] {
        let each = self.inputs * self.outputs;
        &self.points[point * each..(point + 1) * each]
    }

    /// The layer.
    pub fn run(
        &self,
        map: &Map,
        style: &[f32],
        out: &mut Map,
        after: &After,
        room: &mut Vec<f32>,
        more: &mut Vec<f32>,
    ) {
        match self.points.len() <= SMALL {
            true => self.by_tasks(map, style, out, after),
            false => self.by_points(map, style, out, after, room, more),
        }
    }

    /// Line of tiles by line of tiles, all three steps.
    pub(super) fn by_tasks(&self, map: &Map, style: &[f32], out: &mut Map, after: &After) {
        let (w, wide) = (map.w, out.wide);
        let across = w.div_ceil(M);
        // A few numbers between the tiles, so that they do not fall on the same lines of the cache.
        let stride = self.inputs + super::LANES;
        let [factors, products] = [POINTS * TILES * stride, POINTS * TILES * wide];
        out.values.par_chunks_mut(M * w * wide).enumerate().for_each(|(down, part)| {
            with_scratch(factors + products, |scratch| {
                let (factors, products) = scratch.split_at_mut(factors);
                for first in (0..across).step_by(TILES) {
                    let count = TILES.min(across - first);
                    for tile in 0..count {
                        let place = [down, first + tile];
                        let to = &mut factors[tile * stride..];
                        Arch::new().dispatch(Input { map, style, place, step: TILES * stride, to });
                    }
                    for point in 0..POINTS {
                        let steps = [(&factors[point * TILES * stride..], self.point(point))];
                        let sums = &mut products[point * TILES * wide..][..count * wide];
                        multiply(&Product { steps: &steps, stride, k: self.inputs, bias: None }, 1.0, sums);
                    }
                    for tile in 0..count {
                        let from = &products[tile * wide..];
                        let place = [down, first + tile];
                        Arch::new().dispatch(Output { after, from, step: TILES * wide, place, w, wide, part });
                    }
                }
            });
        });
    }

    /// Point by point.
    pub(super) fn by_points(
        &self,
        map: &Map,
        style: &[f32],
        out: &mut Map,
        after: &After,
        room: &mut Vec<f32>,
        more: &mut Vec<f32>,
    ) {
        let (w, wide) = (map.w, out.wide);
        let across = w.div_ceil(M);
        let down = map.h.div_ceil(M);
        let lines = (TOGETHER / across).clamp(1, down);
        let line = M * w * wide;
        for (first, part) in (0..down).step_by(lines).zip(out.values.chunks_mut(lines * line)) {
            let count = lines.min(down - first) * across;
            // `[line of tiles, point, tile, channel]`: each line is one task's.
            let each = POINTS * across * self.inputs;
            room.resize(lines * each, 0.0);
            room[..count / across * each].par_chunks_mut(each).enumerate().for_each(|(at, to)| {
                for tile in 0..across {
                    let to = &mut to[tile * self.inputs..];
                    let place = [first + at, tile];
                    Arch::new().dispatch(Input { map, style, place, step: across * self.inputs, to });
                }
            });
            more.resize(POINTS * lines * across * wide, 0.0);
            let room = &*room;
            more[..POINTS * count * wide].par_chunks_mut(count * wide).enumerate().for_each(|(point, to)| {
                with_scratch(count * self.inputs, |gathered| {
                    for (at, to) in gathered.chunks_exact_mut(across * self.inputs).enumerate() {
                        let from = at * each + point * across * self.inputs;
                        to.copy_from_slice(&room[from..from + to.len()]);
                    }
                    let kernel = rows(self.point(point), self.inputs, self.outputs);
                    gemm(to, Accum::Replace, rows(gathered, count, self.inputs), kernel);
                });
            });
            let products = &*more;
            part.par_chunks_mut(line).enumerate().for_each(|(at, part)| {
                for tile in 0..across {
                    let from = &products[(at * across + tile) * wide..];
                    let place = [first + at, tile];
                    Arch::new().dispatch(Output { after, from, step: count * wide, place, w, wide, part });
                }
            });
        }
    }
}

/// `Bᵀ d B` of a tile times its style; point p goes to `to[p · step]`.
struct Input<'a> {
    map: &'a Map,
    style: &'a [f32],
    /// Which tile: down, and across.
    place: [usize; 2],
    step: usize,
    to: &'a mut [f32],
}

impl WithSimd for Input<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { map, style, place: [down, across], step, to } = self;
        // Where a line or a column of the tile begins; none beyond the map.
        let rows: [Option<usize>; A] =
            std::array::from_fn(|i| (down * M + i).checked_sub(1).filter(|y| *y < map.h).map(|y| y * map.w));
        let columns: [Option<usize>; A] =
            std::array::from_fn(|j| (across * M + j).checked_sub(1).filter(|x| *x < map.w));
        let zero = s.splat_f32s(0.0);
        for lane in (0..map.wide).step_by(S::F32_LANES) {
            let factor = S::as_simd_f32s(&style[lane..lane + S::F32_LANES]).0[0];
            let read = |i: usize, j: usize| match (rows[i], columns[j]) {
                (Some(row), Some(column)) => {
                    let at = (row + column) * map.wide + lane;
                    s.mul_f32s(S::as_simd_f32s(&map.values[at..at + S::F32_LANES]).0[0], factor)
                }
                _ => zero,
            };
            let write = |i: usize, j: usize, v| {
                let at = (i * A + j) * step + lane;
                S::as_mut_simd_f32s(&mut to[at..at + S::F32_LANES]).0[0] = v;
            };
            sandwich(s, &Matrices::<M, 3, A>::MADE.bt, read, write);
        }
    }
}

/// `Aᵀ m A` of a tile and what follows: `part` is its line of tiles, point p stands at `from[p · step]`.
struct Output<'a> {
    after: &'a After<'a>,
    from: &'a [f32],
    step: usize,
    place: [usize; 2],
    w: usize,
    wide: usize,
    part: &'a mut [f32],
}

impl WithSimd for Output<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { after, from, step, place: [down, across], w, wide, part } = self;
        let (lines, columns) = (part.len() / (w * wide), M.min(w - across * M));
        for lane in (0..wide).step_by(S::F32_LANES) {
            let factor = S::as_simd_f32s(&after.factor[lane..lane + S::F32_LANES]).0[0];
            let bias = S::as_simd_f32s(&after.bias[lane..lane + S::F32_LANES]).0[0];
            let read = |i: usize, j: usize| {
                let at = (i * A + j) * step + lane;
                S::as_simd_f32s(&from[at..at + S::F32_LANES]).0[0]
            };
            let write = |i: usize, j: usize, v| {
                if i >= lines || j >= columns {
                    return;
                }
                let pixel = i * w + across * M + j;
                let noise = s.splat_f32s(after.noise(down * M * w + pixel));
                let at = pixel * wide + lane;
                S::as_mut_simd_f32s(&mut part[at..at + S::F32_LANES]).0[0] = after.value(s, v, factor, bias, noise);
            };
            sandwich(s, &Matrices::<M, 3, A>::MADE.at, read, write);
        }
    }
}
