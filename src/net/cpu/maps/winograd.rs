//! A 3 × 3 convolution through Winograd's `F(4, 3)` (Lavin & Gray 2015): a quarter of the products.
//!
//! Where the transformed kernel fits the cache, a task takes some tiles through all three steps. Where it is larger,
//! all tiles (up to [`TOGETHER`]) are transformed first, and each point of the transform is one matrix product, so that
//! the kernel is read once. Where several layers read the same maps, their tiles stay transformed ([`Kept`]).

use faer::Accum;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{Finish, From, LANES, Map, padded};
use crate::net::cpu::conv::{gemm, rows, with_scratch};
use crate::net::cpu::prepared::matrices::Matrices;
use crate::net::cpu::prepared::winograd::sandwich;
use crate::net::cpu::pyramid::product::{Product, multiply};

/// Pixels of a tile, and of what it is made from, in each direction.
const M: usize = 4;
const A: usize = 6;
const POINTS: usize = A * A;
/// Tiles that are multiplied at a time: those of a small kernel, and of one that comes from farther away.
const TILES: [usize; 2] = [16, 32];
/// Numbers of a kernel that stays beside the tiles.
const NEAR: usize = 150_000;
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
    /// Of `[3, 3, inputs, outputs]`, where the inputs are those of maps with so many channels each.
    pub fn new(kernel: &[f32], inputs: &[usize], outputs: usize) -> Self {
        let (channels, out) = (inputs.iter().sum::<usize>(), padded(outputs));
        let wide = inputs.iter().map(|own| padded(*own)).sum::<usize>();
        // Where in the maps a channel stands.
        let mut places = Vec::with_capacity(channels);
        let mut first = 0;
        for own in inputs {
            places.extend(first..first + own);
            first += padded(*own);
        }
        let mut points = vec![0.0; POINTS * wide * out];
        let g = &Matrices::<M, 3, A>::MADE.g;
        points.par_chunks_mut(wide * out).enumerate().for_each(|(point, to)| {
            let (i, j) = (point / A, point % A);
            for (tap, values) in kernel.chunks_exact(channels * outputs).enumerate() {
                let factor = g[i][tap / 3] * g[j][tap % 3];
                if factor == 0.0 {
                    continue;
                }
                for (place, from) in places.iter().zip(values.chunks_exact(outputs)) {
                    let to = &mut to[place * out..(place + 1) * out];
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

    /// The layer; `out` has its shape.
    pub fn run<F: Finish>(&self, from: &From, out: &mut Map, finish: &F, room: &mut Vec<f32>, more: &mut Vec<f32>) {
        match self.points.len() <= SMALL {
            true => self.by_tasks(from, out, finish),
            false => self.by_points(from, out, finish, room, more),
        }
    }

    /// Some tiles at a time, all three steps.
    pub fn by_tasks<F: Finish>(&self, from: &From, out: &mut Map, finish: &F) {
        let ([h, w], wide) = (from.size(), out.wide);
        let across = w.div_ceil(M);
        let many = TILES[usize::from(self.points.len() > NEAR)];
        // As many lines of tiles as make up such a group, while there are enough for several threads.
        let lines = (many / across).clamp(1, h.div_ceil(M).div_ceil(8));
        // A few numbers between tiles and between points, so that they do not fall on the same lines of the cache.
        let stride = self.inputs + LANES;
        let [point_in, point_out] = [many * stride + LANES, many * wide + LANES];
        let [factors, products] = [POINTS * point_in, POINTS * point_out];
        out.values.par_chunks_mut(lines * M * w * wide).enumerate().for_each(|(task, part)| {
            let tiles = part.len().div_ceil(M * w * wide) * across;
            with_scratch(factors + products, |scratch| {
                let (factors, products) = scratch.split_at_mut(factors);
                for first in (0..tiles).step_by(many) {
                    let count = many.min(tiles - first);
                    let place = |tile: usize| [task * lines + (first + tile) / across, (first + tile) % across];
                    for tile in 0..count {
                        let to = &mut factors[tile * stride..];
                        Arch::new().dispatch(Input { from, place: place(tile), step: point_in, block: LANES, to });
                    }
                    for point in 0..POINTS {
                        let steps = [(&factors[point * point_in..], self.point(point))];
                        let sums = &mut products[point * point_out..][..count * wide];
                        multiply(&Product { steps: &steps, stride, k: self.inputs, bias: None }, 1.0, sums);
                    }
                    for tile in 0..count {
                        let (from, place) = (&products[tile * wide..], place(tile));
                        let part = (task * lines * M, &mut *part);
                        Arch::new().dispatch(Output { finish, from, step: point_out, place, w, wide, part });
                    }
                }
            });
        });
    }

    /// From maps whose tiles stay transformed: those of each map that `from` reads, in the same order. What is not
    /// transformed yet is done now; `out` may be none of them.
    pub fn by_kept<F: Finish>(&self, from: &From, kept: &mut [Kept], out: &mut Map, finish: &F) {
        let ([h, w], wide) = (from.size(), out.wide);
        let groups = Groups::of([h, w]);
        let blocks: Vec<usize> = from.maps.iter().map(|map| map.wide / LANES).collect();
        for (kept, blocks) in kept.iter_mut().zip(&blocks) {
            kept.values.resize(groups.count() * groups.each(*blocks), 0.0);
        }
        // The newest map is transformed by the task that needs it next.
        let newest = kept.iter().rposition(|kept| !kept.ready);
        for (at, map) in from.maps.iter().enumerate() {
            if !kept[at].ready && Some(at) != newest {
                let own = From { maps: &[map], ..*from };
                let each = groups.each(blocks[at]);
                let parts = kept[at].values.par_chunks_mut(each).enumerate();
                parts.for_each(|(group, to)| groups.transform(&own, group, to));
            }
        }
        let mut fresh = newest.map(|at| std::mem::take(&mut kept[at].values)).unwrap_or_default();
        let (kept_now, step) = (&*kept, groups.step());
        let products = POINTS * (groups.tiles() * wide + LANES);
        let line = groups.lines * M * w * wide;
        let work = |group: usize, part: &mut [f32], fresh: &mut [f32]| {
            if let Some(at) = newest {
                groups.transform(&From { maps: &[from.maps[at]], ..*from }, group, fresh);
            }
            let fresh = &*fresh;
            let tiles = part.len().div_ceil(M * w * wide) * groups.across;
            with_scratch(products, |products| {
                let each = groups.tiles() * wide + LANES;
                let mut steps: Vec<(&[f32], &[f32])> = Vec::with_capacity(self.inputs / LANES);
                for point in 0..POINTS {
                    steps.clear();
                    let kernel = self.point(point).chunks_exact(LANES * self.outputs);
                    let parts = blocks.iter().enumerate().flat_map(|(at, count)| {
                        let values = match Some(at) == newest {
                            true => fresh,
                            false => &kept_now[at].values[group * groups.each(*count)..][..groups.each(*count)],
                        };
                        (0..*count).map(move |block| &values[(block * POINTS + point) * step..])
                    });
                    steps.extend(parts.zip(kernel));
                    let sums = &mut products[point * each..][..tiles * wide];
                    multiply(&Product { steps: &steps, stride: LANES, k: LANES, bias: None }, 1.0, sums);
                }
                for tile in 0..tiles {
                    let place = [group * groups.lines + tile / groups.across, tile % groups.across];
                    let (from, part) = (&products[tile * wide..], (group * groups.lines * M, &mut *part));
                    Arch::new().dispatch(Output { finish, from, step: each, place, w, wide, part });
                }
            });
        };
        let parts = out.values.par_chunks_mut(line).enumerate();
        match newest {
            Some(at) => {
                let fresh = fresh.par_chunks_mut(groups.each(blocks[at]));
                parts.zip(fresh).for_each(|((group, part), fresh)| work(group, part, fresh));
            }
            None => parts.for_each(|(group, part)| work(group, part, &mut [])),
        }
        if let Some(at) = newest {
            kept[at].values = fresh;
        }
        kept.iter_mut().for_each(|kept| kept.ready = true);
    }

    /// Point by point.
    pub fn by_points<F: Finish>(
        &self,
        from: &From,
        out: &mut Map,
        finish: &F,
        room: &mut Vec<f32>,
        more: &mut Vec<f32>,
    ) {
        let ([h, w], wide) = (from.size(), out.wide);
        let across = w.div_ceil(M);
        let down = h.div_ceil(M);
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
                    Arch::new().dispatch(Input { from, place, step: across * self.inputs, block: LANES, to });
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
                    let part = ((first + at) * M, &mut *part);
                    Arch::new().dispatch(Output { finish, from, step: count * wide, place, w, wide, part });
                }
            });
        }
    }
}

/// Transformed tiles of a map: for each group of tiles `[block of 16 channels, point, tile, channel]`.
#[derive(Default)]
pub struct Kept {
    values: Vec<f32>,
    ready: bool,
}

impl Kept {
    /// The map has changed.
    pub fn forget(&mut self) {
        self.ready = false;
    }
}

/// Tiles of a map in groups: some lines of tiles each.
struct Groups {
    /// Lines of tiles of the map.
    down: usize,
    /// Tiles in each.
    across: usize,
    /// Lines of a group.
    lines: usize,
}

impl Groups {
    fn of([h, w]: [usize; 2]) -> Self {
        let (down, across) = (h.div_ceil(M), w.div_ceil(M));
        Self { down, across, lines: (TILES[1] / across).clamp(1, down.div_ceil(8)) }
    }

    fn count(&self) -> usize {
        self.down.div_ceil(self.lines)
    }

    /// Tiles of a group.
    fn tiles(&self) -> usize {
        self.lines * self.across
    }

    /// Numbers from point to point; some more than there are, so that they do not fall on the same lines of the cache.
    fn step(&self) -> usize {
        (self.tiles() | 1) * LANES
    }

    /// Numbers of a group.
    fn each(&self, blocks: usize) -> usize {
        blocks * POINTS * self.step()
    }

    /// Transforms the tiles of a group of one map.
    fn transform(&self, from: &From, group: usize, to: &mut [f32]) {
        let last = (self.down - group * self.lines).min(self.lines) * self.across;
        for tile in 0..last {
            let place = [group * self.lines + tile / self.across, tile % self.across];
            let to = &mut to[tile * LANES..];
            Arch::new().dispatch(Input { from, place, step: self.step(), block: POINTS * self.step(), to });
        }
    }
}

/// `Bᵀ d B` of a tile times its factors; point p goes to `to[p · step]`, 16 channels after the other `block` apart.
struct Input<'a> {
    from: &'a From<'a>,
    /// Which tile: down, and across.
    place: [usize; 2],
    step: usize,
    block: usize,
    to: &'a mut [f32],
}

impl WithSimd for Input<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { from, place: [down, across], step, block, to } = self;
        let ([h, w], shift) = (from.size(), usize::from(from.doubled));
        // Where a line or a column of the tile begins; none beyond the map.
        let rows: [Option<usize>; A] = std::array::from_fn(|i| {
            (down * M + i).checked_sub(1).filter(|y| *y < h).map(|y| (y >> shift) * (w >> shift))
        });
        let columns: [Option<usize>; A] =
            std::array::from_fn(|j| (across * M + j).checked_sub(1).filter(|x| *x < w).map(|x| x >> shift));
        let zero = s.splat_f32s(0.0);
        let mut first = 0;
        for map in from.maps {
            for lane in (0..map.wide).step_by(S::F32_LANES) {
                let read = |i: usize, j: usize| match (rows[i], columns[j]) {
                    (Some(row), Some(column)) => {
                        let at = (row + column) * map.wide + lane;
                        S::as_simd_f32s(&map.values[at..at + S::F32_LANES]).0[0]
                    }
                    _ => zero,
                };
                let mut write = |i: usize, j: usize, v| {
                    let channel = first + lane;
                    let at = (i * A + j) * step + channel / LANES * block + channel % LANES;
                    S::as_mut_simd_f32s(&mut to[at..at + S::F32_LANES]).0[0] = v;
                };
                match from.style.is_empty() {
                    true => sandwich(s, &Matrices::<M, 3, A>::MADE.bt, read, write),
                    false => {
                        let factor = S::as_simd_f32s(&from.style[first + lane..first + lane + S::F32_LANES]).0[0];
                        let scaled = |i, j| s.mul_f32s(read(i, j), factor);
                        sandwich(s, &Matrices::<M, 3, A>::MADE.bt, scaled, &mut write);
                    }
                }
            }
            first += map.wide;
        }
    }
}

/// `Aᵀ m A` of a tile and what follows. Point p stands at `from[p · step]`, `part` are lines of the map and the number of
/// the first.
struct Output<'a, F> {
    finish: &'a F,
    from: &'a [f32],
    step: usize,
    place: [usize; 2],
    w: usize,
    wide: usize,
    part: (usize, &'a mut [f32]),
}

impl<F: Finish> WithSimd for Output<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { finish, from, step, place: [down, across], w, wide, part: (begin, part) } = self;
        let first = down * M - begin;
        let (lines, columns) = (part.len() / (w * wide) - first, M.min(w - across * M));
        for lane in (0..wide).step_by(S::F32_LANES) {
            let read = |i: usize, j: usize| {
                let at = (i * A + j) * step + lane;
                S::as_simd_f32s(&from[at..at + S::F32_LANES]).0[0]
            };
            let write = |i: usize, j: usize, v| {
                if i >= lines || j >= columns {
                    return;
                }
                let pixel = (first + i) * w + across * M + j;
                let at = pixel * wide + lane;
                let made = finish.value(s, v, begin * w + pixel, lane);
                S::as_mut_simd_f32s(&mut part[at..at + S::F32_LANES]).0[0] = made;
            };
            sandwich(s, &Matrices::<M, 3, A>::MADE.at, read, write);
        }
    }
}
