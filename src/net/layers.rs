//! A network as data: a list of named layers, from which its arrays, its shapes and its checks follow.
//!
//! Made by [`super::families`], run by [`super::chain`], lowered by [`super::steps`]. Knows no values and no device.

use serde::{Deserialize, Serialize};

use super::geometry::{Geometry, Padding};
use super::params::{Plan, Start};
use super::shapes::after;

/// A curve that is applied to every value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0) + slope · min(x, 0)`.
    LeakyRelu(f32),
    /// `max(x, 0)`.
    Relu,
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// x above zero, `eˣ − 1` below.
    Elu,
    /// `1.0507 · (x above zero, 1.6733 · (eˣ − 1) below)` (Klambauer et al. 2017).
    Selu,
}

impl Activation {
    /// The slope below zero of a piecewise-linear activation.
    pub fn negative_slope(self) -> Option<f32> {
        match self {
            Self::LeakyRelu(slope) => Some(slope),
            Self::Relu => Some(0.0),
            Self::Tanh | Self::Sigmoid | Self::Elu | Self::Selu => None,
        }
    }
}

/// One layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// `x · kernel + bias`: features to `units` features. Kernel `[features, units]`.
    Dense {
        /// Features that go out.
        units: usize,
        /// Whether a bias is added.
        #[serde(default = "yes", skip_serializing_if = "is_yes")]
        bias: bool,
    },
    /// Features as a map `[h, w, c]`.
    Reshape {
        /// Height, width, channels.
        shape: [usize; 3],
    },
    /// A map as features, in the order h, w, c.
    Flatten,
    /// A convolution. Kernel `[k, k, c, filters]`.
    #[serde(rename = "conv_2d")]
    Conv2d {
        /// Channels that go out.
        filters: usize,
        /// Side of the square kernel.
        kernel: usize,
        /// Pixels from one window to the next.
        stride: usize,
        /// Zeros beyond the edges.
        #[serde(default)]
        padding: Padding,
        /// Whether a bias is added.
        #[serde(default = "yes", skip_serializing_if = "is_yes")]
        bias: bool,
    },
    /// A transposed convolution. Kernel `[k, k, filters, c]`.
    #[serde(rename = "conv_transpose_2d")]
    ConvTranspose2d {
        /// Channels that go out.
        filters: usize,
        /// Side of the square kernel.
        kernel: usize,
        /// Factor by which it grows.
        stride: usize,
        /// Zeros beyond the edges, taken away from what goes out.
        #[serde(default)]
        padding: Padding,
        /// Pixels that are added after the last row and column, as PyTorch does.
        #[serde(default, skip_serializing_if = "is_none")]
        output_padding: usize,
        /// Whether a bias is added.
        #[serde(default = "yes", skip_serializing_if = "is_yes")]
        bias: bool,
    },
    /// Each pixel becomes 2 × 2 of it.
    #[serde(rename = "upsample_2d")]
    Upsample2d,
    /// Zeros beyond the last row and the last column.
    #[serde(rename = "zero_pad_2d")]
    ZeroPad2d {
        /// Rows and columns of them.
        after: [usize; 2],
    },
    /// 2 × 2 pixels become one: their mean, or the largest of each channel. An odd last row or column is left out.
    #[serde(rename = "pool_2d")]
    Pool2d {
        /// Whether it is the mean.
        average: bool,
    },
    /// Batch normalisation over all axes but the last.
    BatchNorm {
        /// Added to a variance before its root.
        eps: f32,
        /// Share of the moving statistics that stays with each batch, 0..1 (Keras' momentum; PyTorch's is 1 − this).
        momentum: f32,
        /// Whether moving variances follow `n / (n − 1)` of the batch's, as PyTorch's do.
        #[serde(default, skip_serializing_if = "is_no")]
        unbiased: bool,
        /// Whether there are factors and offsets that are learnt.
        #[serde(default = "yes", skip_serializing_if = "is_yes")]
        affine: bool,
    },
    /// Normalisation of each channel of each picture by itself.
    InstanceNorm {
        /// Added to a variance before its root.
        eps: f32,
        /// Whether there are factors and offsets that are learnt.
        #[serde(default = "yes", skip_serializing_if = "is_yes")]
        affine: bool,
    },
    /// A curve.
    Activation {
        /// Which.
        curve: Activation,
    },
    /// Values that are left out while it is trained.
    Dropout {
        /// Share that is left out, 0..1.
        rate: f32,
    },
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

fn is_no(value: &bool) -> bool {
    !*value
}

fn is_none(value: &usize) -> bool {
    *value == 0
}

/// What goes into a layer, of one picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// So many features.
    Flat(usize),
    /// A map `[h, w, c]`.
    Map([usize; 3]),
}

impl Shape {
    /// Values in it.
    pub fn len(self) -> usize {
        match self {
            Self::Flat(features) => features,
            Self::Map(shape) => shape.iter().product(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Height, width and channels; features are one pixel.
    pub fn map(self) -> [usize; 3] {
        match self {
            Self::Flat(features) => [1, 1, features],
            Self::Map(shape) => shape,
        }
    }

    /// Length of its last axis: what a norm and a bias have one number for each of.
    pub fn channels(self) -> usize {
        match self {
            Self::Flat(features) => features,
            Self::Map([_, _, channels]) => channels,
        }
    }
}

/// What is wrong with an architecture, in one sentence.
#[derive(Debug, thiserror::Error)]
#[error("architecture: {0}")]
pub struct ArchError(pub String);

/// What arrays hold before a training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Every kernel N(0, 0.02²), biases 0 and norms 1, as the three lines' originals.
    Normal,
    /// The same with factors of norms N(1, 0.02²): Radford et al. 2015, as PyTorch's tutorial has it.
    Dcgan,
    /// Kernels and biases uniform within 1 / √fan-in: PyTorch's own.
    Torch,
    /// Kernels uniform within √(6 / (fan-in + fan-out)), biases 0: Keras' own (Glorot & Bengio 2010).
    #[default]
    Keras,
}

/// Layers at most.
const LAYERS: usize = 1000;

/// Named layers one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// What goes in.
    pub input: Shape,
    /// The layers and their names, under which their arrays are found.
    pub layers: Vec<(String, Layer)>,
    /// What the arrays hold before a training.
    pub init: Init,
}

impl Chain {
    /// No layers yet.
    pub fn new(input: Shape, init: Init) -> Self {
        Self { input, layers: Vec::new(), init }
    }

    /// Adds a layer that has arrays.
    pub fn push(&mut self, name: impl Into<String>, layer: Layer) {
        self.layers.push((name.into(), layer));
    }

    /// Adds a layer without arrays.
    pub fn then(&mut self, layer: Layer) {
        self.push("", layer);
    }

    /// What comes out of each layer.
    ///
    /// # Errors
    /// At the first layer that does not fit to the one before, in a sentence that names it.
    pub fn shapes(&self) -> Result<Vec<Shape>, ArchError> {
        if self.layers.len() > LAYERS {
            return Err(ArchError(format!("it has {} layers, at most {LAYERS} are taken", self.layers.len())));
        }
        let mut shape = self.input;
        let next = |(at, (name, layer)): (usize, &(String, Layer))| {
            let after = after(layer, shape).map_err(|why| {
                let called = if name.is_empty() { String::new() } else { format!(" ({name})") };
                ArchError(format!("layer {at}{called}: {why}"))
            })?;
            shape = after;
            Ok(after)
        };
        self.layers.iter().enumerate().map(next).collect()
    }

    /// What comes out of the last layer; the input where nothing fits.
    pub fn output(&self) -> Shape {
        self.shapes().ok().and_then(|shapes| shapes.last().copied()).unwrap_or(self.input)
    }

    /// Each layer with its name and what goes into it. Of a chain that was checked, all of them.
    pub fn walk(&self) -> impl Iterator<Item = (&str, &Layer, Shape)> {
        let outputs = self.shapes().unwrap_or_default();
        let inputs = std::iter::once(self.input).chain(outputs);
        self.layers.iter().zip(inputs).map(|((name, layer), input)| (name.as_str(), layer, input))
    }

    /// The arrays, in the order of the layers.
    pub fn plans(&self) -> Vec<Plan> {
        self.walk().flat_map(|(name, layer, input)| self.plans_of(name, layer, input)).collect()
    }

    fn plans_of(&self, name: &str, layer: &Layer, input: Shape) -> Vec<Plan> {
        let plan = |part: &str, shape: Vec<usize>, start, trained| Plan {
            name: format!("{name}.{part}"),
            shape,
            start,
            trained,
        };
        let kernel = |shape: Vec<usize>, fans: [usize; 2], bias: Option<usize>| {
            let starts = self.init.kernel(fans);
            let bias = bias.map(|channels| plan("bias", vec![channels], starts[1], true));
            std::iter::once(plan("kernel", shape, starts[0], true)).chain(bias).collect()
        };
        let norm = |affine: bool| {
            let channels = vec![input.channels()];
            let learnt =
                [plan("gamma", channels.clone(), self.init.gamma(), true), plan("beta", channels, Start::Zeros, true)];
            learnt.into_iter().take(if affine { 2 } else { 0 }).collect::<Vec<_>>()
        };
        match *layer {
            Layer::Dense { units, bias } => {
                kernel(vec![input.len(), units], [input.len(), units], bias.then_some(units))
            }
            Layer::Conv2d { filters, kernel: k, bias, .. } => {
                let c = input.channels();
                kernel(vec![k, k, c, filters], [k * k * c, k * k * filters], bias.then_some(filters))
            }
            Layer::ConvTranspose2d { filters, kernel: k, bias, .. } => {
                let c = input.channels();
                // As both count it: of the convolution that it transposes.
                kernel(vec![k, k, filters, c], [k * k * filters, k * k * c], bias.then_some(filters))
            }
            Layer::BatchNorm { affine, .. } => {
                let channels = vec![input.channels()];
                let mut plans = norm(affine);
                plans.push(plan("moving_mean", channels.clone(), Start::Zeros, false));
                plans.push(plan("moving_variance", channels, Start::Ones, false));
                plans
            }
            Layer::InstanceNorm { affine, .. } => norm(affine),
            Layer::Reshape { .. }
            | Layer::Flatten
            | Layer::Upsample2d
            | Layer::ZeroPad2d { .. }
            | Layer::Pool2d { .. }
            | Layer::Activation { .. }
            | Layer::Dropout { .. } => Vec::new(),
        }
    }

    /// Whether weights of the one are weights of the other: the same but for what is left out in a training.
    pub fn same_network(&self, other: &Self) -> bool {
        let kept = |chain: &Self| -> Vec<(String, Layer)> {
            let stays = |(_, layer): &&(String, Layer)| !matches!(layer, Layer::Dropout { .. });
            chain.layers.iter().filter(stays).cloned().collect()
        };
        self.input == other.input && kept(self) == kept(other)
    }
}

impl Init {
    /// How a kernel and its bias begin, by the numbers of values that a sum takes and gives to.
    fn kernel(self, [fan_in, fan_out]: [usize; 2]) -> [Start; 2] {
        match self {
            Self::Normal | Self::Dcgan => [Start::Normal { mean: 0.0, deviation: 0.02 }, Start::Zeros],
            Self::Torch => [Start::Uniform(1.0 / (fan_in.max(1) as f64).sqrt()); 2],
            Self::Keras => [Start::Uniform((6.0 / (fan_in + fan_out).max(1) as f64).sqrt()), Start::Zeros],
        }
    }

    fn gamma(self) -> Start {
        match self {
            Self::Dcgan => Start::Normal { mean: 1.0, deviation: 0.02 },
            Self::Normal | Self::Torch | Self::Keras => Start::Ones,
        }
    }
}

/// What a convolution looks like whose input is a map `[h, w, c]`.
pub fn conv_geometry(input: [usize; 3], filters: usize, k: usize, stride: usize, padding: Padding) -> Geometry {
    Geometry { padding, ..Geometry::same(input, filters, k, stride) }
}

/// What a transposed convolution looks like whose input is a map `[h, w, c]`.
pub fn transposed_geometry(
    [h, w, c]: [usize; 3],
    filters: usize,
    k: usize,
    stride: usize,
    padding: Padding,
    output_padding: usize,
) -> Geometry {
    let wide = |narrow: usize| match padding {
        Padding::Same => narrow * stride,
        Padding::Pixels(pixels) => ((narrow - 1) * stride + k + output_padding).saturating_sub(2 * pixels),
    };
    Geometry { padding, ..Geometry::same([wide(h), wide(w), filters], c, k, stride) }
}
