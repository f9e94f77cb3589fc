//! A 3 × 3 convolution of a small map: its windows as rows of one matrix, the kernel in blocks of columns.

use faer::Accum;
use pulp::Arch;
use rayon::prelude::*;

use super::{After, Map, padded};
use crate::net::cpu::conv::{gemm, rows};

/// Channels of a block.
const BLOCK: usize = 64;

/// So many columns of a kernel.
pub type Block = (usize, Vec<f32>);

/// A kernel in blocks.
pub struct Direct {
    /// Each `[9 · wide in, columns]`.
    blocks: Vec<Block>,
}

/// Columns `[from, from + count)` of rows of `out` numbers, zeros where there are none.
pub fn columns(values: &[f32], out: usize, from: usize, count: usize) -> Vec<f32> {
    let line = |row: &[f32]| (from..from + count).map(|at| row.get(at).copied().unwrap_or(0.0)).collect::<Vec<f32>>();
    values.chunks_exact(out).flat_map(line).collect()
}

impl Direct {
    /// Of `[3, 3, inputs, outputs]`.
    pub fn new(kernel: &[f32], inputs: usize, outputs: usize) -> Self {
        let wide = padded(outputs);
        let lines: Vec<f32> = kernel
            .chunks_exact(inputs * outputs)
            .flat_map(|tap| {
                let mut tap = tap.to_vec();
                tap.resize(padded(inputs) * outputs, 0.0);
                tap
            })
            .collect();
        let of = |from: usize| {
            let count = BLOCK.min(wide - from);
            (count, columns(&lines, outputs, from, count))
        };
        Self { blocks: (0..wide).step_by(BLOCK).map(of).collect() }
    }

    /// The layer.
    pub fn run(&self, map: &Map, style: &[f32], out: &mut Map, after: &After, room: &mut Vec<f32>) {
        let (h, w, wide) = (map.h, map.w, map.wide);
        let pixels = h * w;
        let windows = pixels * 9 * wide;
        room.resize(windows + pixels * out.wide, 0.0);
        let (from, sums) = room.split_at_mut(windows);
        from.par_chunks_mut(9 * wide).enumerate().for_each(|(pixel, to)| {
            let (y, x) = (pixel / w, pixel % w);
            for (tap, to) in to.chunks_exact_mut(wide).enumerate() {
                let (sy, sx) = ((y + tap / 3).wrapping_sub(1), (x + tap % 3).wrapping_sub(1));
                if sy >= h || sx >= w {
                    to.fill(0.0);
                    continue;
                }
                let line = &map.values[(sy * w + sx) * wide..][..wide];
                to.iter_mut().zip(line).zip(style).for_each(|((to, v), s)| *to = v * s);
            }
        });
        let from = &*from;
        let mut parts: Vec<(&Block, &mut [f32])> = Vec::new();
        let mut rest = &mut sums[..];
        for block in &self.blocks {
            let (part, behind) = rest.split_at_mut(pixels * block.0);
            parts.push((block, part));
            rest = behind;
        }
        parts.par_iter_mut().for_each(|((count, kernel), sums)| {
            gemm(sums, Accum::Replace, rows(from, pixels, 9 * wide), rows(kernel, 9 * wide, *count));
        });
        merge(&parts.iter().map(|((count, _), sums)| (*count, &**sums)).collect::<Vec<_>>(), out, after);
    }
}

/// Blocks of columns `[pixels, count]` become a map, with what follows the sums.
pub fn merge(parts: &[(usize, &[f32])], out: &mut Map, after: &After) {
    let (wide, w) = (out.wide, out.w);
    out.values.par_chunks_mut(w * wide).enumerate().for_each(|(y, line)| {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                let mut column = 0;
                for (count, sums) in parts {
                    let sums = &sums[y * w * count..(y + 1) * w * count];
                    for (to, from) in line.chunks_exact_mut(wide).zip(sums.chunks_exact(*count)) {
                        to[column..column + count].copy_from_slice(from);
                    }
                    column += count;
                }
            },
        );
        after.apply(y * w, wide, line);
    });
}
