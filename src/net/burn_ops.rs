//! The operations of [`super::ops`] written in burn's own: the path of every device but the CPU,
//! and the reference that the CPU's kernels are tested against.

use burn::tensor::activation;
use burn::tensor::module::{conv_transpose2d, conv2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Tensor, s};

use super::cpu::conv::Act;
use super::cpu::pointwise::AdamStep;
use super::geometry::Geometry;

fn apply(x: Tensor<4>, act: Option<Act>) -> Tensor<4> {
    match act {
        None => x,
        Some(Act::Leaky(negative_slope)) => leaky(x, negative_slope),
        Some(Act::Tanh) => x.tanh(),
    }
}

fn leaky<const D: usize>(x: Tensor<D>, negative_slope: f32) -> Tensor<D> {
    if negative_slope == 1.0 { x } else { activation::leaky_relu(x, f64::from(negative_slope)) }
}

/// `[n, h, w, c]` → `[n, c, h, w]`.
fn channels_first(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 3, 1, 2])
}

fn channels_last(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 2, 3, 1])
}

/// See [`super::ops::conv`].
pub fn conv(x: Tensor<4>, w: Tensor<4>, b: Tensor<1>, g: Geometry, act: Option<Act>) -> Tensor<4> {
    let options = ConvOptions::new_with_padding([g.stride, g.stride], [g.pad(g.h), g.pad(g.w)], [1, 1], 1);
    // [k, k, c, o] → [o, c, k, k]
    let y = conv2d(channels_first(x), w.permute([3, 2, 0, 1]), Some(b), options);
    apply(channels_last(y), act)
}

/// See [`super::ops::conv_t`]: the full transposed result, cropped as the padding asks.
pub fn conv_t(y: Tensor<4>, w: Tensor<4>, b: Tensor<1>, g: Geometry, act: Option<Act>) -> Tensor<4> {
    let n = y.dims()[0];
    let (top, left) = (g.pad(g.h).0, g.pad(g.w).0);
    // A kernel shorter than its stride leaves rows that nothing reaches.
    let missing = |narrow: usize, from: usize, wide: usize| (from + wide).saturating_sub((narrow - 1) * g.stride + g.k);
    let out = [missing(g.oh(), top, g.h), missing(g.ow(), left, g.w)];
    let options = ConvTransposeOptions::new([g.stride, g.stride], [0, 0], out, [1, 1], 1);
    // [k, k, c, o] → [o, c, k, k]: o is the side that comes in
    let x = conv_transpose2d(channels_first(y), w.permute([3, 2, 0, 1]), None, options);
    let x = x.slice(s![0..n, 0..g.c, top..top + g.h, left..left + g.w]);
    apply(channels_last(x) + b.reshape([1, 1, 1, g.c]), act)
}

/// See [`super::ops::leaky_relu_grad`].
pub fn leaky_relu_grad(y: Tensor<4>, dy: Tensor<4>, negative_slope: f32) -> Tensor<4> {
    let mask = y.detach().greater_elem(0.0).float();
    dy * (mask * (1.0 - negative_slope) + negative_slope)
}

/// Mean and biased variance over all axes but the last.
pub fn moments<const D: usize>(x: Tensor<D>) -> [Tensor<1>; 2] {
    let dims = x.dims();
    let channels = dims[D - 1];
    let flat: Tensor<2> = x.reshape([dims.iter().product::<usize>() / channels, channels]);
    let mean = flat.clone().mean_dim(0);
    let var = (flat - mean.clone()).powi_scalar(2).mean_dim(0);
    [mean.reshape([channels]), var.reshape([channels])]
}

/// See [`super::ops::batch_norm`].
pub fn batch_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    eps: f32,
    negative_slope: f32,
) -> Tensor<D> {
    let dims = x.dims();
    let channels = dims[D - 1];
    let flat: Tensor<2> = x.reshape([dims.iter().product::<usize>() / channels, channels]);
    let centred = flat.clone() - flat.mean_dim(0);
    let var = centred.clone().powi_scalar(2).mean_dim(0);
    let scaled = centred / (var + eps).sqrt() * gamma.reshape([1, channels]) + beta.reshape([1, channels]);
    leaky(scaled, negative_slope).reshape(dims)
}

/// See [`super::ops::row_norms`].
pub fn row_norms<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let dims = x.dims();
    let flat: Tensor<2> = x.reshape([dims[0], dims.iter().product::<usize>() / dims[0]]);
    let squares: Tensor<1> = flat.powi_scalar(2).sum_dim(1).reshape([dims[0]]);
    // The root has no gradient at 0; there the norm counts as constant.
    let none = squares.clone().lower_equal_elem(0.0);
    squares.mask_fill(none.clone(), 1.0).sqrt().mask_fill(none, 0.0)
}

/// See [`super::ops::adam_step`].
pub fn adam_step([w, g, m, v]: [Tensor<1>; 4], d: AdamStep) -> [Tensor<1>; 3] {
    let g = if d.decay > 0.0 { g + w.clone() * d.decay } else { g };
    let v = v * d.beta2 + g.clone().powi_scalar(2) * (1.0 - d.beta2);
    let (m, step) = match d.beta1 {
        Some(beta1) => {
            let m = m * beta1 + g * (1.0 - beta1);
            (m.clone(), m / (v.clone().sqrt() + d.eps))
        }
        None => (m, g / (v.clone() + d.eps).sqrt()),
    };
    [w - step * d.rate, m, v]
}
