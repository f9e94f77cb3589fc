//! The gradient of a large kernel: tap by tap, without unfolding.
//!
//! The same function as [`super::conv::conv_w`], which hands over what [`fits`]. Both sides come
//! into planes once a call (see [`super::layout`]); then the sums of 8 channels of one side with 32 of
//! the other stay in registers while pixels go by ([`super::microkernel`]), where a GEMM would fetch and
//! store a whole large kernel for every few hundred pixels. Every sum is made by one task in one
//! order, so nothing depends on the number of threads.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::super::geometry::Geometry;
use super::layout::{Plane, Row, WIDE, blocks, scatter, zeros};
use super::microkernel::outer;

/// Pixels of dy that a task takes at a time; they stay in a near cache with what they see.
const PIXELS: usize = 128;

/// Whether a gradient is made here: other strides have no loop, thin maps would mostly multiply
/// zeros, tiny ones leave no loop at all, and for small kernels a GEMM is as fast.
pub fn fits(g: &Geometry) -> bool {
    g.stride <= 2 && g.c >= WIDE && g.o >= WIDE && g.ow() >= 4 && g.k >= 5
}

/// Planes of `[n, h, w, c]`.
fn planes(values: &[f32], channels: usize, plane: &Plane) -> Vec<Row> {
    let n = values.len() / (plane.h * plane.w * channels);
    let mut rows = zeros(blocks(channels) * n * plane.len());
    scatter(values, channels, plane, &mut rows);
    rows
}

/// The plane that the convolution's window moves through.
fn padded(g: &Geometry) -> Plane {
    let side = |s: usize, narrow: usize, pad: usize| ((narrow - 1) * g.stride + g.k).max(pad + s);
    let (top, left) = (g.pad(g.h).0, g.pad(g.w).0);
    Plane { h: g.h, w: g.w, top, left, tall: side(g.h, g.oh(), top), wide: side(g.w, g.ow(), left) }
}

/// See [`super::conv::conv_w`].
///
/// For 32 channels of each side, all taps are summed over all pixels by one task, so there are no
/// partial sums to add up.
pub fn conv_w(x: &[f32], dy: &[f32], g: &Geometry) -> Vec<f32> {
    let plane = padded(g);
    let narrow = Plane::bare(g.oh(), g.ow());
    let (x, dy) = (planes(x, g.c, &plane), planes(dy, g.o, &narrow));
    let (blocks_c, blocks_o) = (blocks(g.c), blocks(g.o));
    let n = dy.len() / (blocks_o * narrow.len());
    // Few tasks are cut once more, by the kernel's lines.
    let lines = if blocks_c * blocks_o < 8 { 1 } else { g.k };
    let mut sums = zeros(blocks_c * blocks_o * g.k * g.k * WIDE);
    sums.par_chunks_mut(lines * g.k * WIDE).enumerate().for_each(|(i, sums)| {
        let (pair, line) = (i * lines / g.k, i * lines % g.k);
        let x = &x[pair / blocks_o * n * plane.len()..][line * plane.wide..];
        let dy = &dy[pair % blocks_o * n * narrow.len()..][..n * narrow.len()];
        Arch::new().dispatch(Sum { g, plane: &plane, x, dy, sums });
    });
    let mut out = vec![0.0; g.k * g.k * g.c * g.o];
    out.par_chunks_mut(g.c * g.o).enumerate().for_each(|(tap, out)| {
        for (c, line) in out.chunks_exact_mut(g.o).enumerate() {
            for (block, part) in line.chunks_mut(WIDE).enumerate() {
                let pair = c / WIDE * blocks_o + block;
                let row = &sums[(pair * g.k * g.k + tap) * WIDE + c % WIDE];
                part.copy_from_slice(&row.0[..part.len()]);
            }
        }
    });
    out
}

/// The gradients of some lines of taps, `[line, tap, channel of x]` rows of 32 channels of dy.
struct Sum<'a> {
    g: &'a Geometry,
    plane: &'a Plane,
    /// From the first of these lines on.
    x: &'a [Row],
    dy: &'a [Row],
    sums: &'a mut [Row],
}

impl WithSimd for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { g, plane, x, dy, sums } = self;
        let (oh, ow) = (g.oh(), g.ow());
        let together = (PIXELS / ow).clamp(1, oh);
        for (picture, dy) in dy.chunks_exact(oh * ow).enumerate() {
            for (band, dy) in dy.chunks(together * ow).enumerate() {
                let at = picture * plane.len() + band * together * g.stride * plane.wide;
                for (tap, sums) in sums.chunks_exact_mut(WIDE).enumerate() {
                    let x = &x[at + tap / g.k * plane.wide + tap % g.k..];
                    let (wide, stride) = (plane.wide * g.stride, g.stride);
                    let lines = dy.chunks_exact(ow).enumerate().map(|(y, dy)| (&x[y * wide..], dy));
                    match stride {
                        1 => outer::<S, 1>(s, sums, lines),
                        _ => outer::<S, 2>(s, sums, lines),
                    }
                }
            }
        }
    }
}
