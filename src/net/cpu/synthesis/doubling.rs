//! A layer that doubles: a transposed convolution of three taps at stride 2, and the filter [1, 3, 3, 1] behind it.
//!
//! Each pixel times the whole kernel is one matrix product, nine numbers for each channel that comes out; neighbours
//! overlap in a map of (2h + 1) × (2w + 1), over which the filter goes line by line. A block of channels and a segment of
//! lines is one task, whose lines roll through a few that stay in the cache.

use faer::Accum;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::direct::{Block, columns};
use super::{After, Map, padded, scale};
use crate::net::cpu::conv::{gemm, rows, with_scratch};

/// Channels of a block.
const BLOCK: usize = 32;
/// Lines of a segment.
const SEGMENT: usize = 32;
/// Lines whose products are made at a time.
const LINES: usize = 4;
/// The filter in one direction, with the factor of a doubling.
const NEAR: f32 = 0.75;
const FAR: f32 = 0.25;

/// A kernel in blocks of channels.
pub struct Doubling {
    /// Each `[wide in, 9, columns]`.
    blocks: Vec<Block>,
}

impl Doubling {
    /// Of `[3, 3, inputs, outputs]`.
    pub fn new(kernel: &[f32], inputs: usize, outputs: usize) -> Self {
        let wide = padded(outputs);
        let of = |from: usize| {
            let count = BLOCK.min(wide - from);
            let taps: Vec<Vec<f32>> =
                kernel.chunks_exact(inputs * outputs).map(|tap| columns(tap, outputs, from, count)).collect();
            let line = |i: usize| taps.iter().flat_map(move |tap| tap[i * count..(i + 1) * count].iter().copied());
            let mut values: Vec<f32> = (0..inputs).flat_map(line).collect();
            values.resize(padded(inputs) * 9 * count, 0.0);
            (count, values)
        };
        Self { blocks: (0..wide).step_by(BLOCK).map(of).collect() }
    }

    /// The layer.
    pub fn run(
        &self,
        map: &Map,
        style: &[f32],
        out: &mut Map,
        after: &After,
        scaled: &mut Vec<f32>,
        room: &mut Vec<f32>,
    ) {
        let (h, w) = (map.h, map.w);
        scale(&map.values, style, scaled);
        let from = &scaled[..h * w * map.wide];
        let pixels = 4 * h * w;
        room.resize(pixels * out.wide, 0.0);
        // Blocks lie behind each other, each a map of its own.
        let mut tasks: Vec<(&Block, usize, &mut [f32])> = Vec::new();
        let mut rest = &mut room[..];
        for block in &self.blocks {
            let (part, behind) = rest.split_at_mut(pixels * block.0);
            let lines = part.chunks_mut(SEGMENT * 4 * w * block.0);
            tasks.extend(lines.enumerate().map(|(at, lines)| (block, at * SEGMENT, lines)));
            rest = behind;
        }
        tasks.into_par_iter().for_each(|((count, kernel), first, lines)| {
            let segment = Segment { from, h, w, inputs: map.wide, first, count: *count, kernel };
            segment.run(lines);
        });
        let (mut parts, mut rest) = (Vec::new(), &room[..]);
        for (count, _) in &self.blocks {
            let (part, behind) = rest.split_at(pixels * count);
            parts.push((*count, part));
            rest = behind;
        }
        super::direct::merge(&parts, out, after);
    }
}

/// Some lines of the output of some channels.
struct Segment<'a> {
    from: &'a [f32],
    h: usize,
    w: usize,
    inputs: usize,
    first: usize,
    count: usize,
    kernel: &'a [f32],
}

impl Segment<'_> {
    fn run(&self, out: &mut [f32]) {
        let (w, count) = (self.w, self.count);
        let line = 2 * w * count;
        let (each, wide) = (w * 9 * count, (2 * w + 1) * count);
        let lines = out.len() / line / 2;
        with_scratch((LINES + 1) * each + wide + 4 * line, |scratch| {
            let (products, rest) = scratch.split_at_mut((LINES + 1) * each);
            let (large, filtered) = rest.split_at_mut(wide);
            // Products of line y are in slot y − base + 1, and those of the line before in slot 0.
            let mut base = usize::MAX;
            // Lines of the large map, first above the first that is written: −1, 0, 1, 2 of the pixel's own.
            let top = 2 * self.first as isize - 1;
            let bottom = 2 * (self.first + lines) as isize + 1;
            for at in top..=bottom {
                let slot = at.rem_euclid(4) as usize;
                let to = &mut filtered[slot * line..(slot + 1) * line];
                if at < 0 || at > 2 * self.h as isize {
                    to.fill(0.0);
                } else {
                    let y = at as usize / 2;
                    self.ready(y, &mut base, products);
                    let of = |y: usize| &products[(y + 1 - base) * each..(y + 2 - base) * each];
                    let pair: [Option<(&[f32], usize)>; 2] = match at % 2 {
                        0 => {
                            let own = (y < self.h).then(|| (of(y), 0));
                            [own, y.checked_sub(1).map(|above| (of(above), 2))]
                        }
                        _ => [Some((of(y), 1)), None],
                    };
                    Arch::new().dispatch(Overlap { pair, w, count, large: &mut *large });
                    Arch::new().dispatch(Filter { large: &*large, count, to });
                }
                // Line Y takes lines Y − 1 to Y + 2.
                let done = at - 2;
                if done >= 2 * self.first as isize {
                    let row = (done - 2 * self.first as isize) as usize;
                    let from: [&[f32]; 4] = std::array::from_fn(|i| {
                        let slot = (done - 1 + i as isize).rem_euclid(4) as usize;
                        &filtered[slot * line..(slot + 1) * line]
                    });
                    let to = &mut out[row * line..(row + 1) * line];
                    Arch::new().dispatch(
                        #[inline(always)]
                        || {
                            for (i, to) in to.iter_mut().enumerate() {
                                *to = FAR * (from[0][i] + from[3][i]) + NEAR * (from[1][i] + from[2][i]);
                            }
                        },
                    );
                }
            }
        });
    }

    /// Has the products of line y, and of the one above it.
    fn ready(&self, y: usize, base: &mut usize, products: &mut [f32]) {
        let each = self.w * 9 * self.count;
        if *base != usize::MAX && y < *base + LINES {
            return;
        }
        let y = y.min(self.h);
        if *base == usize::MAX {
            if let Some(above) = y.checked_sub(1) {
                self.product(above, 1, &mut products[..each]);
            }
        } else {
            // The last one of those before.
            products.copy_within(LINES * each..(LINES + 1) * each, 0);
        }
        *base = y;
        let count = LINES.min(self.h - y);
        if count > 0 {
            self.product(y, count, &mut products[each..(1 + count) * each]);
        }
    }

    fn product(&self, y: usize, lines: usize, to: &mut [f32]) {
        let from = &self.from[y * self.w * self.inputs..(y + lines) * self.w * self.inputs];
        gemm(
            to,
            Accum::Replace,
            rows(from, lines * self.w, self.inputs),
            rows(self.kernel, self.inputs, 9 * self.count),
        );
    }
}

/// One line of the large map from the products of one line or two, each with its line of taps.
struct Overlap<'a> {
    pair: [Option<(&'a [f32], usize)>; 2],
    w: usize,
    count: usize,
    large: &'a mut [f32],
}

impl WithSimd for Overlap<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { pair, w, count, large } = self;
        let zero = s.splat_f32s(0.0);
        for lane in (0..count).step_by(S::F32_LANES) {
            let read = |x: usize, tap: usize| {
                let mut sum = zero;
                for (products, line) in pair.iter().flatten() {
                    let at = (x * 9 + line * 3 + tap) * count + lane;
                    sum = s.add_f32s(sum, S::as_simd_f32s(&products[at..at + S::F32_LANES]).0[0]);
                }
                sum
            };
            let mut before = zero;
            for x in 0..w {
                let [a, b, c] = [read(x, 0), read(x, 1), read(x, 2)];
                let at = 2 * x * count + lane;
                S::as_mut_simd_f32s(&mut large[at..at + S::F32_LANES]).0[0] = s.add_f32s(before, a);
                let at = at + count;
                S::as_mut_simd_f32s(&mut large[at..at + S::F32_LANES]).0[0] = b;
                before = c;
            }
            let at = 2 * w * count + lane;
            S::as_mut_simd_f32s(&mut large[at..at + S::F32_LANES]).0[0] = before;
        }
    }
}

/// One line of it, filtered across.
struct Filter<'a> {
    large: &'a [f32],
    count: usize,
    to: &'a mut [f32],
}

impl WithSimd for Filter<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { large, count, to } = self;
        let (near, far) = (s.splat_f32s(NEAR), s.splat_f32s(FAR));
        let pixels = to.len() / count;
        for lane in (0..count).step_by(S::F32_LANES) {
            let read = |x: usize| {
                let at = x * count + lane;
                S::as_simd_f32s(&large[at..at + S::F32_LANES]).0[0]
            };
            let (mut a, mut b, mut c) = (s.splat_f32s(0.0), read(0), read(1));
            for x in 0..pixels {
                let d = if x + 2 <= pixels { read(x + 2) } else { s.splat_f32s(0.0) };
                let v = s.mul_add_e_f32s(far, s.add_f32s(a, d), s.mul_f32s(near, s.add_f32s(b, c)));
                let at = x * count + lane;
                S::as_mut_simd_f32s(&mut to[at..at + S::F32_LANES]).0[0] = v;
                (a, b, c) = (b, c, d);
            }
        }
    }
}
