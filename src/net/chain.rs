//! A chain of layers run with tensors, layer by layer: to train, with the statistics of each batch, and to be
//! differentiated.
//!
//! The straight way that every device has; [`super::draw`] is the one that draws many pictures. A layer and the curve
//! behind it are one operation where [`super::ops`] has one.

use burn::tensor::{Device, Tensor, activation};

use super::cpu::conv::Act;
use super::doubled;
use super::layers::{Activation, Chain, Layer, Shape, conv_geometry, transposed_geometry};
use super::ops;
use super::params::{Params, Statistics};

/// Dropout masks, one for each layer that drops: `[n, values]`, already divided by the share kept. Without them
/// nothing is left out.
pub type Masks = Vec<Tensor<2>>;

/// What goes from layer to layer.
#[derive(Clone)]
pub enum Value {
    /// Features `[n, features]`.
    Flat(Tensor<2>),
    /// Maps `[n, h, w, c]`.
    Map(Tensor<4>),
}

impl Value {
    /// As features.
    pub fn flat(self) -> Tensor<2> {
        match self {
            Self::Flat(x) => x,
            Self::Map(x) => {
                let [n, h, w, c] = x.dims();
                x.reshape([n, h * w * c])
            }
        }
    }

    /// As a map; features become pixels of one column.
    pub fn map(self) -> Tensor<4> {
        match self {
            Self::Map(x) => x,
            Self::Flat(x) => {
                let [n, features] = x.dims();
                x.reshape([n, 1, 1, features])
            }
        }
    }

    /// As a map of this shape.
    pub fn shaped(self, [h, w, c]: [usize; 3]) -> Tensor<4> {
        let x = self.flat();
        let [n, _] = x.dims();
        x.reshape([n, h, w, c])
    }

    /// As `shape` says.
    pub fn as_shape(self, shape: Shape) -> Self {
        match shape {
            Shape::Flat(_) => Self::Flat(self.flat()),
            Shape::Map(shape) => Self::Map(self.shaped(shape)),
        }
    }

    /// Through an activation.
    pub fn curved(self, curve: Activation) -> Self {
        match self {
            Self::Flat(x) => Self::Flat(activate(x, curve)),
            Self::Map(x) => Self::Map(activate(x, curve)),
        }
    }

    /// Times a mask `[n, values]`.
    pub fn masked(self, mask: Tensor<2>) -> Self {
        match self {
            Self::Flat(x) => Self::Flat(x * mask),
            Self::Map(x) => {
                let dims = x.dims();
                Self::Map(x * mask.reshape(dims))
            }
        }
    }
}

/// What a batch went through.
pub struct Trained {
    /// What came out, differentiable in what went in and in the arrays.
    pub output: Value,
    /// What the batch says about moving statistics.
    pub statistics: Vec<Statistics>,
}

/// An activation as one that the fused operations know, if it is one.
pub fn fused(curve: Activation) -> Option<Act> {
    match curve {
        Activation::Tanh => Some(Act::Tanh),
        curve => curve.negative_slope().map(Act::Leaky),
    }
}

/// Applies an activation.
pub fn activate<const D: usize>(x: Tensor<D>, curve: Activation) -> Tensor<D> {
    match curve {
        Activation::LeakyRelu(slope) => activation::leaky_relu(x, f64::from(slope)),
        Activation::Relu => activation::relu(x),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => activation::sigmoid(x),
        Activation::Elu => activation::elu(x, 1.0),
        Activation::Selu => activation::elu(x, SELU[1]) * SELU[0],
    }
}

/// Factor and alpha of SELU (Klambauer et al. 2017, section 2).
const SELU: [f64; 2] = [1.050_700_987_355_480_5, 1.673_263_242_354_377_2];

/// Nearest ×2: `[n, h, w, c]` → `[n, 2h, 2w, c]`.
pub fn upsample(x: Tensor<4>) -> Tensor<4> {
    let [n, h, w, c] = x.dims();
    let lines = x.reshape([n, h, 1, w, c]).repeat_dim(2, 2).reshape([n, 2 * h, w, 1, c]);
    lines.repeat_dim(3, 2).reshape([n, 2 * h, 2 * w, c])
}

/// So many rows and columns of zeros behind the last ones.
pub fn zero_pad(x: Tensor<4>, [rows, columns]: [usize; 2]) -> Tensor<4> {
    let zeros = |x: &Tensor<4>, dim: usize, count: usize| {
        let mut shape = x.dims();
        shape[dim] = count;
        let zeros: Tensor<4> = Tensor::zeros(shape, &x.device());
        if x.is_autodiff() && !zeros.is_autodiff() { zeros.autodiff() } else { zeros }
    };
    [(1, rows), (2, columns)].into_iter().filter(|(_, count)| *count > 0).fold(x, |x, (dim, count)| {
        let zeros = zeros(&x, dim, count);
        Tensor::cat(vec![x, zeros], dim)
    })
}

/// 2 × 2 pixels become one, by their mean or the largest: `[n, h, w, c]` → `[n, h / 2, w / 2, c]`.
pub fn pool(x: Tensor<4>, average: bool) -> Tensor<4> {
    let [n, h, w, c] = x.dims();
    let (h, w) = (h / 2, w / 2);
    let x = x.narrow(1, 0, 2 * h).narrow(2, 0, 2 * w);
    let (rows, columns) = ([n, h, 2, 2 * w * c], [n, h, w, 2, c]);
    if average {
        let rows = x.reshape(rows).sum_dim(2).reshape(columns);
        return rows.sum_dim(3).reshape([n, h, w, c]) * 0.25;
    }
    x.reshape(rows).max_dim(2).reshape(columns).max_dim(3).reshape([n, h, w, c])
}

/// The bias of a layer, or zeros where it has none.
pub fn bias(params: &Params, layer: &str, channels: usize, device: &Device) -> Tensor<1> {
    params.find(layer, "bias").unwrap_or_else(|| Tensor::zeros([channels], device))
}

/// Factors and offsets of a norm, or ones and zeros where it learns none.
pub fn affine(params: &Params, layer: &str, channels: usize, device: &Device) -> [Tensor<1>; 2] {
    [
        params.find(layer, "gamma").unwrap_or_else(|| Tensor::ones([channels], device)),
        params.find(layer, "beta").unwrap_or_else(|| Tensor::zeros([channels], device)),
    ]
}

/// Runs `x` through the chain as it is trained: norms by the statistics of this batch.
pub fn train(chain: &Chain, params: &Params, x: Value, masks: &Masks) -> Trained {
    run(chain, params, x, masks, true, &mut |_, _| true)
}

/// The same with norms by their moving statistics, as it draws and as PyTorch's `eval()` has it.
pub fn evaluate(chain: &Chain, params: &Params, x: Value, masks: &Masks) -> Value {
    run(chain, params, x, masks, false, &mut |_, _| true).output
}

/// What comes out of the layers of these names, each with the curve behind it, in the order of `taps`; nothing is done
/// behind the last of them. A name that no layer has is left out.
pub fn tapped(chain: &Chain, params: &Params, x: Tensor<4>, taps: &[String]) -> Vec<Tensor<4>> {
    let mut found: Vec<Option<Tensor<4>>> = vec![None; taps.len()];
    run(chain, params, Value::Map(x), &Vec::new(), false, &mut |name, value| {
        for (_, found) in taps.iter().zip(&mut found).filter(|(tap, _)| *tap == name) {
            *found = Some(value.clone().map());
        }
        found.iter().any(Option::is_none)
    });
    found.into_iter().flatten().collect()
}

/// Runs the layers until `seen`, which is told each with what came out of it and of the curve behind it, says no.
fn run(
    chain: &Chain,
    params: &Params,
    x: Value,
    masks: &Masks,
    batch: bool,
    seen: &mut dyn FnMut(&str, &Value) -> bool,
) -> Trained {
    let layers: Vec<(&str, &Layer, Shape)> = chain.walk().collect();
    let mut masks = masks.iter();
    let mut statistics = Vec::new();
    let (mut x, mut at) = (x.as_shape(chain.input), 0);
    let curve_at = |at: usize| match layers.get(at) {
        Some((_, Layer::Activation { curve }, _)) => Some(*curve),
        _ => None,
    };
    while let Some((name, layer, input)) = layers.get(at) {
        // Elsewhere burn's own operations are run as they stand.
        if let (Some((g, behind)), Value::Map(map)) = (doubled::first(&layers[at..]), &x)
            && ops::ours(&map.device())
        {
            let (name, act) = (layers[at + 1].0, curve_at(at + 2).and_then(fused));
            let (kernel, bias) = (behind.combined(params.get(name, "kernel")), bias(params, name, g.c, &map.device()));
            x = Value::Map(ops::conv_t(map.clone(), kernel, bias, g, act));
            at += if act.is_some() { 3 } else { 2 };
            continue;
        }
        let next = curve_at(at + 1);
        let (made, took) = one(params, name, layer, *input, x, next, batch, &mut statistics);
        x = match layer {
            Layer::Dropout { .. } => match masks.next() {
                Some(mask) => made.masked(mask.clone()),
                None => made,
            },
            _ => made,
        };
        at += if took { 2 } else { 1 };
        if !seen(name, &x) {
            break;
        }
    }
    Trained { output: x, statistics }
}

/// A layer that is neither norm nor curve, and the curve behind it where the operation can do that.
pub fn plain(params: &Params, name: &str, layer: &Layer, input: Shape, x: Value, act: Option<Act>) -> Value {
    match *layer {
        Layer::Dense { units, .. } => {
            let x = x.flat();
            let bias = bias(params, name, units, &x.device()).reshape([1, units]);
            Value::Flat(x.matmul(params.get::<2>(name, "kernel")) + bias)
        }
        Layer::Conv2d { filters, kernel, stride, padding, .. } => {
            let x = x.map();
            let bias = bias(params, name, filters, &x.device());
            let g = conv_geometry(input.map(), filters, kernel, stride, padding);
            Value::Map(ops::conv(x, params.get(name, "kernel"), bias, g, act))
        }
        Layer::ConvTranspose2d { filters, kernel, stride, padding, output_padding, .. } => {
            let x = x.map();
            let bias = bias(params, name, filters, &x.device());
            let g = transposed_geometry(input.map(), filters, kernel, stride, padding, output_padding);
            Value::Map(ops::conv_t(x, params.get(name, "kernel"), bias, g, act))
        }
        Layer::Reshape { shape } => Value::Map(x.shaped(shape)),
        Layer::Flatten => Value::Flat(x.flat()),
        Layer::Upsample2d => Value::Map(upsample(x.map())),
        Layer::ZeroPad2d { after } => Value::Map(zero_pad(x.map(), after)),
        Layer::Pool2d { average } => Value::Map(pool(x.map(), average)),
        Layer::BatchNorm { .. } | Layer::InstanceNorm { .. } | Layer::Activation { .. } | Layer::Dropout { .. } => x,
    }
}

/// One layer, and whether it took the curve behind it.
#[allow(clippy::too_many_arguments)]
fn one(
    params: &Params,
    name: &str,
    layer: &Layer,
    input: Shape,
    x: Value,
    next: Option<Activation>,
    batch: bool,
    statistics: &mut Vec<Statistics>,
) -> (Value, bool) {
    match *layer {
        Layer::Conv2d { .. } | Layer::ConvTranspose2d { .. } => {
            let act = next.and_then(fused);
            (plain(params, name, layer, input, x, act), act.is_some())
        }
        Layer::BatchNorm { eps, momentum, unbiased, .. } => {
            let norm = Norm { name, channels: input.channels(), eps, momentum, unbiased };
            let slope = next.and_then(Activation::negative_slope);
            let made = match (x, batch) {
                (Value::Flat(x), true) => Value::Flat(norm.of_batch(params, x, slope, statistics)),
                (Value::Map(x), true) => Value::Map(norm.of_batch(params, x, slope, statistics)),
                (Value::Flat(x), false) => Value::Flat(norm.moving(params, x)),
                (Value::Map(x), false) => Value::Map(norm.moving(params, x)),
            };
            (made, batch && slope.is_some())
        }
        Layer::InstanceNorm { eps, .. } => {
            let x = x.map();
            let [gamma, beta] = affine(params, name, input.channels(), &x.device());
            (Value::Map(instance_norm(x, gamma, beta, eps)), false)
        }
        Layer::Activation { curve } => (x.curved(curve), false),
        _ => (plain(params, name, layer, input, x, None), false),
    }
}

/// A batch norm.
struct Norm<'a> {
    name: &'a str,
    channels: usize,
    eps: f32,
    momentum: f32,
    unbiased: bool,
}

impl Norm<'_> {
    /// By the statistics of the batch, which are kept; then a leaky activation, if there is one.
    fn of_batch<const D: usize>(
        &self,
        params: &Params,
        x: Tensor<D>,
        slope: Option<f32>,
        statistics: &mut Vec<Statistics>,
    ) -> Tensor<D> {
        let [gamma, beta] = affine(params, self.name, self.channels, &x.device());
        let dims = x.dims();
        let (made, [mean, variance]) = ops::batch_norm_and_moments(x, gamma, beta, self.eps, slope.unwrap_or(1.0));
        let count = (dims.iter().product::<usize>() / self.channels.max(1)) as f64;
        let variance = if self.unbiased && count > 1.0 { variance * (count / (count - 1.0)) } else { variance };
        statistics.push(Statistics { layer: self.name.to_owned(), mean, variance, momentum: self.momentum });
        made
    }

    /// By the moving statistics.
    fn moving<const D: usize>(&self, params: &Params, x: Tensor<D>) -> Tensor<D> {
        let none = Tensor::zeros([self.channels], &x.device());
        let [scale, shift] = scale_and_shift(params, self.name, self.eps, none);
        let mut shape = [1; D];
        shape[D - 1] = self.channels;
        x * scale.reshape(shape) + shift.reshape(shape)
    }
}

/// What a batch norm behind a layer with this bias does by its moving statistics: products times the first plus the
/// second, `[c]`.
pub fn scale_and_shift(params: &Params, name: &str, eps: f32, bias: Tensor<1>) -> [Tensor<1>; 2] {
    let [gamma, beta] = affine(params, name, bias.dims()[0], &bias.device());
    let scale = gamma / (params.get::<1>(name, "moving_variance") + eps).sqrt();
    let shift = (bias - params.get::<1>(name, "moving_mean")) * scale.clone() + beta;
    [scale, shift]
}

/// Each channel of each picture to mean 0 and variance 1, then `gamma · x + beta`.
pub fn instance_norm(x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>, eps: f32) -> Tensor<4> {
    let channels = x.dims()[3];
    let centred = x.clone() - x.mean_dim(1).mean_dim(2);
    let variance = centred.clone().powi_scalar(2).mean_dim(1).mean_dim(2);
    let shape = [1, 1, 1, channels];
    centred / (variance + eps).sqrt() * gamma.reshape(shape) + beta.reshape(shape)
}
