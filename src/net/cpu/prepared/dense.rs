//! The first layer: z to the first map. Its weights are read once a picture, which is all it costs.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::Layer;
use super::weights::Weights;
use crate::net::cpu::layout::{self, Plane, Row, WIDE, blocks, with_scratch};
use crate::net::cpu::microkernel::leaky;

/// Weights and bias of the dense layer, packed.
pub struct Dense {
    z_dim: usize,
    channels: usize,
    /// `[block, pixel, z]`.
    weights: Weights,
    /// `[block, pixel]`.
    bias: Vec<Row>,
    negative_slope: f32,
}

impl Dense {
    /// Room for the weights of a layer that makes a map of `pixels`, in 16 bits if they are to be `short`.
    pub fn new(z_dim: usize, pixels: usize, channels: usize, negative_slope: f32, short: bool) -> Self {
        let weights = Weights::new(blocks(channels) * pixels, z_dim, short);
        Self { z_dim, channels, weights, bias: Vec::new(), negative_slope }
    }

    /// Packs a kernel `[z_dim, pixel, channel]`.
    pub fn load(&mut self, layer: &Layer<&[f32]>) {
        let (channels, features) = (self.channels, layer.shift.len());
        let pixels = features / channels;
        self.weights.load(|i, rows| {
            let (block, pixel) = (i / pixels * WIDE, i % pixels);
            let part = pixel * channels + block..pixel * channels + channels.min(block + WIDE);
            let scale = &layer.scale[part.clone()];
            for (row, line) in rows.iter_mut().zip(layer.kernel.chunks_exact(features)) {
                for ((v, w), scale) in row.0.iter_mut().zip(&line[part.clone()]).zip(scale) {
                    *v = w * scale;
                }
            }
        });
        let rows: Vec<Vec<Row>> = layer.shift.chunks_exact(channels).map(layout::channels).collect();
        self.bias = (0..blocks(channels)).flat_map(|block| rows.iter().map(move |rows| rows[block])).collect();
    }

    /// Makes the first map of `n` pictures from `z` `[n, z_dim]`.
    pub fn run(&self, n: usize, z: &[f32], output: &mut [Row], to: &Plane) {
        let each = to.h * to.w;
        let blocks = blocks(self.channels);
        let planes = output[..blocks * n * to.len()].par_chunks_mut(n * to.len());
        planes.zip(self.bias.par_chunks(each)).enumerate().for_each(|(block, (planes, bias))| {
            with_scratch(self.weights.beside(self.z_dim), |beside| {
                Arch::new().dispatch(Task { dense: self, z, first: block * each, bias, beside, planes, to });
            });
        });
    }
}

/// One block of channels of all pictures.
struct Task<'a> {
    dense: &'a Dense,
    z: &'a [f32],
    /// The group of weights of the first pixel.
    first: usize,
    bias: &'a [Row],
    /// Where weights of 16 bits become floats.
    beside: &'a mut [Row],
    planes: &'a mut [Row],
    to: &'a Plane,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { dense, z, first, bias, beside, planes, to } = self;
        let z_dim = dense.z_dim;
        for (pixel, bias) in bias.iter().enumerate() {
            let at = to.at(pixel / to.w, pixel % to.w);
            let weights = dense.weights.rows(s, (first + pixel) * z_dim, z_dim, beside);
            for (z, plane) in z.chunks_exact(z_dim).zip(planes.chunks_exact_mut(to.len())) {
                let mut row = pixel_of(s, z, weights, bias);
                leaky(s, &mut row, dense.negative_slope);
                plane[at] = row;
            }
        }
    }
}

/// `bias + Σ_i z[i] · weights[i]`.
#[inline(always)]
fn pixel_of<S: Simd>(s: S, z: &[f32], weights: &[Row], bias: &Row) -> Row {
    let pair = 2 * S::F32_LANES;
    let mut row = *bias;
    for col in (0..WIDE).step_by(pair) {
        let (out, _) = S::as_mut_simd_f32s(&mut row.0[col..col + pair]);
        let mut sums = [out[0], out[1]];
        for (z, weights) in z.iter().zip(weights) {
            let (w, _) = S::as_simd_f32s(&weights.0[col..col + pair]);
            let z = s.splat_f32s(*z);
            sums = [s.mul_add_e_f32s(z, w[0], sums[0]), s.mul_add_e_f32s(z, w[1], sums[1])];
        }
        out[0] = sums[0];
        out[1] = sums[1];
    }
    row
}
