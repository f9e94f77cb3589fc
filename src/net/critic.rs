//! The critic: picture → score, and the exact gradient of its score in the picture.
//!
//! [`input_gradient`] writes that gradient as a first-order expression of the *tracked* weights, so
//! that burn's autodiff, which has no second order, can differentiate a penalty on it. For
//! piecewise-linear activations without norms the expression is a walk back through the layers
//! with constant slopes; otherwise the forward pass itself is tracked and every derivative is
//! written with its tensors (see `src/ARCHITECTURE.md`).

use burn::tensor::Tensor;

use super::arch::Arch;
use super::chain::{self, Masks, Value};
use super::geometry::Geometry;
use super::layers::{Activation, Chain, Layer, Shape, conv_geometry, transposed_geometry};
use super::ops;
use super::params::{Params, Statistics};

/// Scores `[n]` of pictures `[n, h, w, c]` in −1..1, differentiable in both; norms by the statistics of this batch.
/// The chain ends in one number.
pub fn score(chain: &Chain, params: &Params, pictures: Tensor<4>, masks: &Masks) -> Tensor<1> {
    scores(chain::train(chain, params, Value::Map(pictures), masks).output)
}

/// The same with norms by their moving statistics.
pub fn calm_score(chain: &Chain, params: &Params, pictures: Tensor<4>) -> Tensor<1> {
    scores(chain::evaluate(chain, params, Value::Map(pictures), &Vec::new()))
}

/// The chain without its last layer that has a kernel and what is behind it; none if nothing with a kernel is left.
pub fn without_last(chain: &Chain) -> Option<Chain> {
    let kernel = |(_, layer): &(String, Layer)| {
        matches!(layer, Layer::Dense { .. } | Layer::Conv2d { .. } | Layer::ConvTranspose2d { .. })
    };
    let last = chain.layers.iter().rposition(kernel)?;
    let layers = chain.layers[..last].to_vec();
    layers.iter().any(kernel).then_some(Chain { layers, ..chain.clone() })
}

/// What comes out of a chain, `[n, features]`, with norms by their moving statistics.
pub fn features(chain: &Chain, params: &Params, pictures: Tensor<4>) -> Tensor<2> {
    chain::evaluate(chain, params, Value::Map(pictures), &Vec::new()).flat()
}

/// Pictures `[n, h, w, c]` as a conditional critic sees them: behind their channels a plane for each class, which holds
/// its weight of `classes` `[n, k]`. Differentiable in both.
pub fn with_planes(pictures: Tensor<4>, classes: Tensor<2>) -> Tensor<4> {
    let ([n, h, w, _], [_, k]) = (pictures.dims(), classes.dims());
    let planes = classes.reshape([n, 1, 1, k]).repeat_dim(1, h).repeat_dim(2, w);
    let planes = if pictures.is_autodiff() && !planes.is_autodiff() { planes.autodiff() } else { planes };
    Tensor::cat(vec![pictures, planes], 3)
}

/// Pictures as the critic of these networks sees them, drawn from `input` `[n, z_dim + classes]`: a conditional one
/// sees the classes too.
pub fn seen(arch: &Arch, pictures: Tensor<4>, input: &Tensor<2>) -> Tensor<4> {
    match arch.planes() {
        0 => pictures,
        planes => with_planes(pictures, input.clone().narrow(1, arch.z_dim(), planes)),
    }
}

fn scores(output: Value) -> Tensor<1> {
    let flat = output.flat();
    let n = flat.dims()[0];
    flat.reshape([n])
}

/// What one batch says about the moving statistics of the critic's norms; empty without norms.
pub fn statistics(chain: &Chain, params: &Params, pictures: Tensor<4>, masks: &Masks) -> Vec<Statistics> {
    if !chain.layers.iter().any(|(_, layer)| matches!(layer, Layer::BatchNorm { .. })) {
        return Vec::new();
    }
    let masks: Masks = masks.iter().map(|m| m.clone().inner()).collect();
    chain::train(chain, &params.inner(), Value::Map(pictures.inner()), &masks).statistics
}

/// Whether slopes do not depend on the weights, but for where they change.
pub fn is_piecewise_linear(chain: &Chain) -> bool {
    chain.layers.iter().all(|(_, layer)| match layer {
        Layer::Activation { curve } => curve.negative_slope().is_some(),
        Layer::BatchNorm { .. } | Layer::InstanceNorm { .. } => false,
        _ => true,
    })
}

/// What a layer leaves behind for the walk back.
enum Trace {
    Dense(String),
    Conv(String, Geometry),
    ConvTranspose(String, Geometry),
    /// From this shape to another.
    Reshape(Shape),
    Upsample,
    /// Rows and columns that were added.
    ZeroPad([usize; 2]),
    /// The share of each pixel `[n, h, w, c]` that went on.
    Pool(Box<Tensor<4>>),
    /// Output of an activation.
    Curve(Activation, Value),
    /// Normalised values `[rows, h · w, c]`, 1/σ, and the axis over which there is one mean for each channel.
    Norm {
        layer: String,
        /// The two of them.
        values: Box<[Tensor<3>; 2]>,
        picture: bool,
    },
    Mask(Tensor<2>),
}

/// `∂ Σ score / ∂ pictures` `[n, h, w, c]`, differentiable in `params` (which must be tracked).
pub fn input_gradient(chain: &Chain, params: &Params, pictures: Tensor<4>, masks: &Masks) -> Tensor<4> {
    let n = pictures.dims()[0];
    // On the side of the arrays, tracked or not.
    let device = params.list.first().map_or_else(|| pictures.device(), |param| param.value.device());
    let traces = if is_piecewise_linear(chain) {
        let masks: Masks = masks.iter().map(|m| m.clone().inner()).collect();
        forward(chain, &params.inner(), pictures.inner(), &masks)
    } else {
        forward(chain, params, pictures, masks)
    };
    let mut d = Value::Flat(Tensor::ones([n, chain.output().len()], &device));
    for trace in traces.into_iter().rev() {
        d = back(params, trace, d);
    }
    d.shaped(chain.input.map())
}

/// The forward pass with what the way back needs.
fn forward(chain: &Chain, params: &Params, pictures: Tensor<4>, masks: &Masks) -> Vec<Trace> {
    let (mut x, mut traces, mut masks) = (Value::Map(pictures), Vec::new(), masks.iter());
    for (name, layer, input) in chain.walk() {
        let owned = name.to_owned();
        let plainly = |x: Value| chain::plain(params, name, layer, input, x, None);
        match *layer {
            Layer::Dense { .. } => {
                x = plainly(x);
                traces.push(Trace::Dense(owned));
            }
            Layer::Conv2d { filters, kernel, stride, padding, .. } => {
                x = plainly(x);
                traces.push(Trace::Conv(owned, conv_geometry(input.map(), filters, kernel, stride, padding)));
            }
            Layer::ConvTranspose2d { filters, kernel, stride, padding, output_padding, .. } => {
                x = plainly(x);
                let g = transposed_geometry(input.map(), filters, kernel, stride, padding, output_padding);
                traces.push(Trace::ConvTranspose(owned, g));
            }
            Layer::Reshape { .. } | Layer::Flatten => {
                x = plainly(x);
                traces.push(Trace::Reshape(input));
            }
            Layer::Upsample2d => {
                x = plainly(x);
                traces.push(Trace::Upsample);
            }
            Layer::ZeroPad2d { after } => {
                x = plainly(x);
                traces.push(Trace::ZeroPad(after));
            }
            Layer::Pool2d { average } => {
                let before = x.clone().map();
                x = plainly(x);
                // What of each pixel went on: a quarter, or all of the largest.
                let share = match average {
                    true => before.zeros_like() + 0.25,
                    false => before.clone().equal(spread(x.clone().map(), input.map())).float(),
                };
                traces.push(Trace::Pool(Box::new(share)));
            }
            Layer::BatchNorm { eps, .. } | Layer::InstanceNorm { eps, .. } => {
                let picture = matches!(layer, Layer::InstanceNorm { .. });
                let [h, w, c] = input.map();
                let rows: Tensor<3> = x.flat().reshape([-1, (h * w) as i64, c as i64]);
                let (hat, rstd) = standardise(rows, eps, picture);
                let [gamma, beta] = chain::affine(params, name, c, &hat.device());
                let made = hat.clone() * gamma.reshape([1, 1, c]) + beta.reshape([1, 1, c]);
                let n = made.dims()[0];
                x = Value::Flat(made.reshape([n, h * w * c])).as_shape(input);
                traces.push(Trace::Norm { layer: owned, values: Box::new([hat, rstd]), picture });
            }
            Layer::Activation { curve } => {
                x = x.curved(curve);
                traces.push(Trace::Curve(curve, x.clone()));
            }
            Layer::Dropout { .. } => {
                if let Some(mask) = masks.next() {
                    x = x.masked(mask.clone());
                    traces.push(Trace::Mask(mask.clone()));
                }
            }
        }
    }
    traces
}

/// The gradient before a layer, from the one behind it.
fn back(params: &Params, trace: Trace, d: Value) -> Value {
    match trace {
        Trace::Dense(layer) => Value::Flat(d.flat().matmul(params.get::<2>(&layer, "kernel").transpose())),
        Trace::Conv(layer, g) => {
            let d = d.shaped([g.oh(), g.ow(), g.o]);
            let none = Tensor::zeros([g.c], &d.device());
            Value::Map(ops::conv_t(d, params.get(&layer, "kernel"), none, g, None))
        }
        Trace::ConvTranspose(layer, g) => {
            let d = d.shaped([g.h, g.w, g.c]);
            let none = Tensor::zeros([g.o], &d.device());
            Value::Map(ops::conv(d, params.get(&layer, "kernel"), none, g, None))
        }
        Trace::Reshape(shape) => d.as_shape(shape),
        Trace::ZeroPad([rows, columns]) => {
            let d = d.map();
            let [_, h, w, _] = d.dims();
            Value::Map(d.narrow(1, 0, h - rows).narrow(2, 0, w - columns))
        }
        Trace::Upsample => {
            let d = d.map();
            let [n, h, w, c] = d.dims();
            let lines = d.reshape([n, h / 2, 2, w, c]).sum_dim(2).reshape([n, h / 2, w / 2, 2, c]);
            Value::Map(lines.sum_dim(3).reshape([n, h / 2, w / 2, c]))
        }
        Trace::Pool(share) => {
            let [_, h, w, c] = share.dims();
            let d = spread(d.map(), [h, w, c]);
            let share = if d.is_autodiff() && !share.is_autodiff() { share.autodiff() } else { *share };
            Value::Map(d * share)
        }
        Trace::Curve(curve, out) => slope(curve, out, d),
        Trace::Norm { layer, values, picture } => {
            let [hat, rstd] = *values;
            let [n, pixels, c] = hat.dims();
            let shape = match &d {
                Value::Flat(_) => Shape::Flat(pixels * c),
                Value::Map(map) => Shape::Map([map.dims()[1], map.dims()[2], c]),
            };
            let [gamma, _] = chain::affine(params, &layer, c, &hat.device());
            let d_hat = d.flat().reshape([n, pixels, c]) * gamma.reshape([1, 1, c]);
            let along = mean(d_hat.clone() * hat.clone(), picture);
            let made = (d_hat.clone() - mean(d_hat, picture) - hat * along) * rstd;
            Value::Flat(made.reshape([n, pixels * c])).as_shape(shape)
        }
        Trace::Mask(mask) => {
            let mask = lifted(mask, &d);
            d.masked(mask)
        }
    }
}

/// Each pixel as 2 × 2 of it, with zeros behind where a map of this shape is odd.
fn spread(x: Tensor<4>, [h, w, _]: [usize; 3]) -> Tensor<4> {
    chain::zero_pad(chain::upsample(x), [h % 2, w % 2])
}

/// A gradient times the slope of an activation, told by its output.
fn slope(curve: Activation, out: Value, d: Value) -> Value {
    match (d, out) {
        (Value::Map(d), out) => {
            let out = out.map();
            Value::Map(match curve.negative_slope() {
                // A constant slope, so the output can be brought in without its graph.
                Some(slope) if d.is_autodiff() => ops::leaky_relu_grad(out.inner().autodiff(), d, slope),
                Some(slope) => ops::leaky_relu_grad(out.inner(), d, slope),
                None => d * curved(curve, out),
            })
        }
        (Value::Flat(d), out) => {
            let out = out.flat();
            let [n, features] = d.dims();
            let map = |x: Tensor<2>| Value::Map(x.reshape([n, 1, 1, features]));
            Value::Flat(slope(curve, map(out), map(d)).flat())
        }
    }
}

/// The slope of a curve where its output is `out`.
fn curved(curve: Activation, out: Tensor<4>) -> Tensor<4> {
    match curve {
        Activation::Tanh => out.powi_scalar(2).neg() + 1.0,
        Activation::Sigmoid => out.clone() * (out.neg() + 1.0),
        // elu with α = 1: its slope is 1 above zero and out + 1 below.
        Activation::Elu => out.clamp_max(0.0) + 1.0,
        // 1.0507 above zero, out + 1.0507 · 1.6733 below.
        Activation::Selu => {
            let above = out.clone().greater_elem(0.0).float();
            above.clone() * 1.050_700_987 + (out + 1.758_099_341) * (above.neg() + 1.0)
        }
        // These have a slope of their own.
        Activation::LeakyRelu(_) | Activation::Relu => out * 0.0 + 1.0,
    }
}

/// Values on the autodiff side if `like` is there.
fn lifted(mask: Tensor<2>, like: &Value) -> Tensor<2> {
    let tracked = match like {
        Value::Flat(x) => x.is_autodiff(),
        Value::Map(x) => x.is_autodiff(),
    };
    if tracked && !mask.is_autodiff() { mask.autodiff() } else { mask }
}

/// `(x − mean) / sqrt(var + eps)` and `1 / sqrt(var + eps)` of rows `[n, pixels, c]`, over pictures and pixels or over
/// the pixels of each picture.
fn standardise(x: Tensor<3>, eps: f32, picture: bool) -> (Tensor<3>, Tensor<3>) {
    let centred = x.clone() - mean(x, picture);
    let rstd = (mean(centred.clone().powi_scalar(2), picture) + eps).sqrt().recip();
    (centred * rstd.clone(), rstd)
}

/// `[n, pixels, c]` → `[1, 1, c]`, or `[n, 1, c]` of each picture.
fn mean(x: Tensor<3>, picture: bool) -> Tensor<3> {
    if picture { x.mean_dim(1) } else { x.mean_dim(0).mean_dim(1) }
}
