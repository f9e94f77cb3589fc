//! Kernels of ours for graphics cards, in CubeCL: what stands around the matrix product of a layer.
//!
//! Sizes are constants of a kernel, of which there is one for each stage, so that dividing by them is cheap. Arrays
//! lie in rows without gaps. Launched by [`super::cards`], which says what the arrays are.

use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Lays the window of every pixel in a row; what is outside of the map is 0.
#[cube(launch)]
pub fn lay_kernel<E: Numeric, N: Size>(
    x: &Tensor<Vector<E, N>>,
    out: &mut Tensor<Vector<E, N>>,
    #[comptime] h: usize,
    #[comptime] w: usize,
    #[comptime] t: usize,
    #[comptime] channels: usize,
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let channel = ABSOLUTE_POS % channels;
    let tap = (ABSOLUTE_POS / channels) % (t * t);
    let pixel = ABSOLUTE_POS / (channels * t * t);
    // A row and a column more than they are, so that nothing is below 0.
    let row = (pixel / w) % h + tap / t;
    let column = pixel % w + tap % t;
    let pad = comptime!((t - 1) / 2);
    let mut value = Vector::<E, N>::new(E::from_int(0));
    if row >= pad && row < h + pad && column >= pad && column < w + pad {
        value = x[((pixel / (w * h) * h + row - pad) * w + column - pad) * channels + channel];
    }
    out[ABSOLUTE_POS] = value;
}

/// Bias and activation; with `shuffle` rows of 2 × 2 pixels go to their places in a map twice as large.
#[cube(launch)]
pub fn finish_kernel<B: Numeric, E: Numeric, N: Size>(
    products: &Tensor<Vector<f32, N>>,
    bias: &Tensor<Vector<B, N>>,
    out: &mut Tensor<Vector<E, N>>,
    slope: f32,
    #[comptime] h: usize,
    #[comptime] w: usize,
    #[comptime] channels: usize,
    #[comptime] shuffle: bool,
    #[comptime] tanh: bool,
    #[define(B, E)] _elements: [ElemType; 2],
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let channel = ABSOLUTE_POS % channels;
    let mut at = ABSOLUTE_POS;
    if comptime!(shuffle) {
        let pixel = ABSOLUTE_POS / channels;
        let column = pixel % (2 * w);
        let line = pixel / (2 * w);
        let row = line % (2 * h);
        let from = (line / (2 * h) * h + row / 2) * w + column / 2;
        at = (from * 4 + row % 2 * 2 + column % 2) * channels + channel;
    }
    let sum = products[at] + Vector::<f32, N>::cast_from(bias[channel]);
    let mut value = max(sum, sum * Vector::<f32, N>::new(slope));
    if comptime!(tanh) {
        value = sum.tanh();
    }
    out[ABSOLUTE_POS] = Vector::<E, N>::cast_from(value);
}

/// The sum of what the t × t pixels around give to one channel of an output pixel.
#[cube]
fn gathered(
    products: &Tensor<f32>,
    pixel: usize,
    channel: usize,
    #[comptime] h: usize,
    #[comptime] w: usize,
    #[comptime] t: usize,
    #[comptime] channels: usize,
) -> f32 {
    let column = pixel % (2 * w);
    let line = pixel / (2 * w);
    let row = line % (2 * h);
    let first = line / (2 * h) * h;
    let phase = row % 2 * 2 + column % 2;
    let pad = comptime!((t - 1) / 2);
    let mut sum = f32::new(0.0);
    for tap in 0..comptime!(t * t) {
        let y = row / 2 + tap / t;
        let x = column / 2 + tap % t;
        if y >= pad && y < h + pad && x >= pad && x < w + pad {
            let from = (first + y - pad) * w + x - pad;
            sum += products[((from * (t * t) + tap) * 4 + phase) * channels + channel];
        }
    }
    sum
}

/// Adds up what pixels gave to each other; then bias and activation.
#[cube(launch)]
pub fn add_kernel<B: Numeric, E: Numeric>(
    products: &Tensor<f32>,
    bias: &Tensor<B>,
    out: &mut Tensor<E>,
    slope: f32,
    #[comptime] h: usize,
    #[comptime] w: usize,
    #[comptime] t: usize,
    #[comptime] channels: usize,
    #[comptime] tanh: bool,
    #[define(B, E)] _elements: [ElemType; 2],
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let channel = ABSOLUTE_POS % channels;
    let pixel = ABSOLUTE_POS / channels;
    let sum = gathered(products, pixel, channel, h, w, t, channels) + f32::cast_from(bias[channel]);
    let mut value = max(sum, sum * slope);
    if comptime!(tanh) {
        value = sum.tanh();
    }
    out[ABSOLUTE_POS] = E::cast_from(value);
}

/// The same for a last layer: tanh, levels of a byte, and all channels of a pixel in one number, the first lowest.
#[cube(launch)]
pub fn pixels_kernel<B: Numeric>(
    products: &Tensor<f32>,
    bias: &Tensor<B>,
    out: &mut Tensor<u32>,
    #[comptime] h: usize,
    #[comptime] w: usize,
    #[comptime] t: usize,
    #[comptime] channels: usize,
    #[define(B)] _element: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let mut word = 0u32.runtime();
    #[unroll]
    for channel in 0..channels {
        let sum = gathered(products, ABSOLUTE_POS, channel, h, w, t, channels) + f32::cast_from(bias[channel]);
        let level = (sum.tanh() + 1.0) * 127.5;
        word |= u32::cast_from(clamp(level, 0.0, 255.0)) << (8 * channel as u32);
    }
    out[ABSOLUTE_POS] = word;
}
