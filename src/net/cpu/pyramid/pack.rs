//! Weights in the order in which they are read: matrices, kernels line by line, and kernels through Winograd's transform.

use super::{A, CHUNK, Conv, LANES, M};
use crate::net::cpu::prepared::matrices::Matrices;

pub fn padded(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// A matrix of weights `[k, out]`, out padded, and what is added.
pub struct Matrix {
    /// Rows, a multiple of [`CHUNK`].
    pub k: usize,
    pub out: usize,
    pub values: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Matrix {
    /// Of rows `[k, out]`, with `k` rounded up.
    pub fn new(rows: &[f32], out: usize, bias: &[f32]) -> Self {
        let (from, wide) = (rows.len() / out, padded(out));
        let k = from.next_multiple_of(CHUNK);
        let mut values = vec![0.0; k * wide];
        for (to, row) in values.chunks_exact_mut(wide).zip(rows.chunks_exact(out)) {
            to[..out].copy_from_slice(row);
        }
        let mut all = vec![0.0; wide];
        all[..out].copy_from_slice(bias);
        Self { k, out: wide, values, bias: all }
    }
}

/// Kernel with the scale behind it.
pub fn scaled(conv: &Conv) -> Vec<f32> {
    let out = conv.scale.len();
    let lines = conv.kernel.chunks_exact(out);
    lines.flat_map(|line| line.iter().zip(&conv.scale).map(|(v, s)| v * s)).collect()
}

/// A 3 × 3 convolution of few channels, summed as it stands: one matrix for each line of taps.
pub struct Direct {
    /// Channels of what goes in, as they lie in memory.
    pub inputs: usize,
    /// `[3 · inputs, out]` of the three lines.
    pub lines: [Matrix; 3],
}

impl Direct {
    /// From a map whose pixels have `inputs` numbers, of which the kernel's own are the first.
    pub fn new(conv: &Conv, inputs: usize) -> Self {
        let (kernel, out) = (scaled(conv), conv.scale.len());
        let own = kernel.len() / (9 * out);
        let lines = std::array::from_fn(|line| {
            let mut rows = vec![0.0; 3 * inputs * out];
            for tap in 0..3 {
                let from = &kernel[(line * 3 + tap) * own * out..][..own * out];
                rows[tap * inputs * out..][..own * out].copy_from_slice(from);
            }
            Matrix::new(&rows, out, &conv.shift)
        });
        Self { inputs, lines }
    }
}

/// A 3 × 3 convolution of many channels, transformed.
pub struct Winograd {
    pub k: usize,
    pub out: usize,
    /// `[A · A, k, out]`.
    pub points: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Winograd {
    pub fn new(kernel: &[f32], bias: &[f32]) -> Self {
        let out = bias.len();
        let (k, wide) = (kernel.len() / (9 * out), padded(out));
        let g = &Matrices::<M, 3, A>::MADE.g;
        let mut points = vec![0.0; A * A * k * wide];
        for c in 0..k {
            for o in 0..out {
                let tap = |i: usize, j: usize| kernel[((i * 3 + j) * k + c) * out + o];
                for (p, q) in (0..A).flat_map(|p| (0..A).map(move |q| (p, q))) {
                    let line = |i: usize| (0..3).map(|j| g[q][j] * tap(i, j)).sum::<f32>();
                    points[((p * A + q) * k + c) * wide + o] = (0..3).map(|i| g[p][i] * line(i)).sum();
                }
            }
        }
        let mut all = vec![0.0; wide];
        all[..out].copy_from_slice(bias);
        Self { k, out: wide, points, bias: all }
    }
}
