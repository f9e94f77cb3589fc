//! A StyleGAN2 drawn by tensors: on cards, and on the CPU where pictures have gradients or residual blocks.
//!
//! What follows from the weights is made once ([`Made`]): kernels of doubling layers with their filter, as one transposed
//! convolution of six taps, and the squares that demodulate. On a card they are reordered for its products
//! ([`crate::net::gpu`]). Used by [`super::Styled`], the critic and the projection.

#[cfg(feature = "gpu")]
use std::collections::HashMap;

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData, activation};

use crate::latent::style::Bend;
use crate::net::bends::{Size, bend};
use crate::net::cpu::conv::Act;
use crate::net::families::stylegan2::{Block, Form, GAIN, Layer, SLOPE, StyleGan2};
use crate::net::geometry::Padding;
#[cfg(feature = "gpu")]
use crate::net::gpu::layer::{self, Product, Then, lays};
#[cfg(feature = "gpu")]
use crate::net::gpu::transposed::{MOST, Windowed};
use crate::net::layers::{conv_geometry, transposed_geometry};
use crate::net::ops;
use crate::net::params::{Param, Params, floats};

const EPS: f64 = 1e-8;
/// The filter of a doubling, which is separable.
pub(super) const FILTER: [f32; 4] = [0.125, 0.375, 0.375, 0.125];
/// Blocks at the end that half precision is for, as in the original.
const HALVED: usize = 4;

/// What pictures are made of.
pub struct Given<'a> {
    /// w for each layer `[n, w_dim]`, as many as [`StyleGan2::styles`].
    pub w: &'a [Tensor<2>],
    /// What is added to each convolution `[n or 1, h, w]`; none where there is no noise.
    pub noise: &'a [Option<Tensor<3>>],
    /// What is done to the maps of each picture; empty where there is nothing.
    pub bends: &'a [Vec<Bend>],
}

impl Given<'_> {
    /// The maps behind a convolution.
    fn bent(&self, number: usize, x: Tensor<4>) -> Tensor<4> {
        if !self.bends.iter().flatten().any(|bend| bend.layer == number) {
            return x;
        }
        let ([n, h, w, channels], device) = (x.dims(), x.device());
        let size = Size { h, w, channels, wide: channels };
        let precision = if x.dtype() == DType::F16 { FloatDType::F16 } else { FloatDType::F32 };
        let mut values = floats(x.cast(FloatDType::F32));
        for (values, bends) in values.chunks_exact_mut(h * w * channels).zip(self.bends) {
            bends.iter().filter(|bend| bend.layer == number).for_each(|own| bend(values, size, own));
        }
        let made: Tensor<4> = Tensor::from_data(TensorData::new(values, [n, h, w, channels]), &device);
        made.cast(precision)
    }
}

/// The arrays with what follows from them: kernels of doubling layers, and the squares that demodulate.
pub struct Made {
    own: StyleGan2,
    params: Params,
    /// Layers that are drawn in half precision.
    halves: Vec<String>,
    /// Kernels in the order of a card's product, by their layers.
    #[cfg(feature = "gpu")]
    cards: HashMap<String, OnCard>,
    /// Pictures that may be drawn together.
    pub together: usize,
}

/// A kernel as a card multiplies it: a doubling layer, or one that keeps its size with a bias that is none.
#[cfg(feature = "gpu")]
enum OnCard {
    Up(Windowed),
    Same(Tensor<2>, Tensor<1>),
}

impl Made {
    /// Prepares arrays.
    pub fn new(own: &StyleGan2, params: &Params) -> Self {
        let device = params.list.first().map(|p| p.value.device()).unwrap_or_default();
        let mut params = params.clone();
        let mut more = Vec::new();
        for layer in own.blocks().iter().flat_map(|block| &block.layers) {
            let [c, o] = layer.channels;
            let kernel: Tensor<4> = params.get(&layer.name, "kernel");
            let squares = kernel.clone().powi_scalar(2).sum_dim(0).sum_dim(1);
            more.push(param(&format!("{}.squares", layer.name), &[c, o], squares.reshape([c * o])));
            if layer.up {
                let six = filtered(kernel, &device);
                more.push(param(&format!("{}.six", layer.name), &[6, 6, o, c], six.reshape([36 * c * o])));
            }
        }
        // Pictures are doubled, and what goes past a residual block.
        let doubled = match own.form {
            Form::Skip => vec![own.picture_channels],
            Form::Resnet => own.channels.iter().skip(1).copied().collect(),
            Form::Orig => Vec::new(),
        };
        for c in doubled {
            let name = format!("double{c}.kernel");
            if !more.iter().any(|known| known.name == name) {
                more.push(param(&name, &[4, 4, c, c], doubling(c, &device)));
            }
        }
        params.list.extend(more);
        Self::of(own, params)
    }

    /// The same with the last blocks in half precision (f16), as the original draws them on a card: kernels are divided
    /// by their largest number and the root of how many are summed, which their `scale` gives back.
    pub fn halved(own: &StyleGan2, params: &Params) -> Self {
        let mut made = Self::new(own, params);
        let blocks = own.blocks();
        let mut more = Vec::new();
        for layer in blocks.iter().rev().take(HALVED).flat_map(|block| &block.layers) {
            let (name, [c, o]) = (&layer.name, layer.channels);
            let (part, taps) = if layer.up { ("six", 36) } else { ("kernel", 9) };
            let kernel: Tensor<4> = made.params.get(name, part);
            let scale = kernel.clone().abs().max() * ((taps * c) as f64).sqrt() + EPS;
            let shape = kernel.dims();
            let half = (kernel / scale.clone().reshape([1, 1, 1, 1])).cast(FloatDType::F16);
            more.push(param(&format!("{name}.half"), &shape, half.reshape([taps * c * o])));
            more.push(param(&format!("{name}.scale"), &[1], scale));
            made.halves.push(name.clone());
        }
        made.params.list.extend(more);
        made
    }

    fn halves(&self, layer: &Layer) -> bool {
        self.halves.contains(&layer.name)
    }

    /// The kernel of a layer in the precision of a map.
    fn kernel(&self, name: &str, part: &str, x: &Tensor<4>) -> Tensor<4> {
        self.params.get(name, if x.dtype() == DType::F16 { "half" } else { part })
    }

    /// The same on the side of graphs, without gradients of their own.
    pub fn tracked(&self) -> Self {
        let list = self.params.list.iter().map(|p| Param { value: p.value.clone().autodiff(), ..p.clone() });
        Self::of(&self.own, Params { list: list.collect() })
    }

    fn of(own: &StyleGan2, params: Params) -> Self {
        Self {
            own: own.clone(),
            params,
            halves: Vec::new(),
            #[cfg(feature = "gpu")]
            cards: HashMap::new(),
            together: usize::MAX,
        }
    }

    /// The same with kernels reordered for a card's products, whose sums are of single precision whatever its maps are.
    #[cfg(feature = "gpu")]
    pub fn on_card(mut self) -> Self {
        for layer in self.own.blocks().iter().flat_map(|block| &block.layers) {
            let (half, [c, o], [h, w]) = (self.halves(layer), layer.channels, layer.size);
            let part = if half {
                "half"
            } else if layer.up {
                "six"
            } else {
                "kernel"
            };
            let kernel: Tensor<4> = self.params.get(&layer.name, part);
            let none: Tensor<1> = Tensor::zeros([o], &kernel.device());
            let none = if half { none.cast(FloatDType::F16) } else { none };
            let found = match layer.up {
                true => {
                    let geometry = transposed_geometry([h / 2, w / 2, c], o, 6, 2, Padding::Pixels(2), 0);
                    let windowed = Windowed::new(&kernel, &none, geometry);
                    windowed.map(|windowed| (windowed.together, OnCard::Up(windowed)))
                }
                false => {
                    let laid = if lays(c, kernel.dtype()) { 9 * c } else { c };
                    let bytes = h * w * laid.max(o) * size_of::<f32>();
                    let same = OnCard::Same(kernel.reshape([9 * c, o]), none);
                    (bytes <= MOST).then_some((MOST / bytes.max(1), same))
                }
            };
            if let Some((together, found)) = found {
                self.together = self.together.min(together.max(1));
                self.cards.insert(layer.name.clone(), found);
            }
        }
        self
    }

    /// The pictures `[n, h, w, channels]` of the first `blocks` blocks; −1..1, not cut.
    pub fn draw(&self, blocks: usize, given: &Given) -> Tensor<4> {
        let (own, params) = (&self.own, &self.params);
        let n = given.w[0].dims()[0];
        let mut x = params.get::<3>("b4", "const").unsqueeze::<4>().repeat_dim(0, n);
        let mut picture: Option<Tensor<4>> = None;
        let mut number = 0;
        for block in own.blocks().iter().take(blocks.max(1)) {
            let resnet = own.form == Form::Resnet && block.layers[0].up;
            let before = resnet.then(|| self.skip(block, x.clone().cast(FloatDType::F32)));
            let last = block.layers.len() - 1;
            for (at, layer) in block.layers.iter().enumerate() {
                // Both branches of a residual block weigh the same.
                let gain = if resnet && at == last { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
                x = self.layer(layer, x, &given.w[layer.w], given.noise.get(number).cloned().flatten(), gain);
                x = given.bent(number, x);
                number += 1;
            }
            if let Some(before) = before {
                x = x.cast(FloatDType::F32) + before;
            }
            if let Some(at) = block.picture {
                let style = affine(params, &format!("{}.torgb", block.name), given.w[at].clone());
                let seen = scaled(x.clone().cast(FloatDType::F32), style);
                let mut added = self.conv(&format!("{}.torgb", block.name), seen, 1);
                let bias = params.get::<1>(&format!("{}.torgb", block.name), "bias");
                added = self.clamped(added + bias.reshape([1, 1, 1, own.picture_channels]), 1.0);
                picture = Some(match picture {
                    Some(picture) => self.doubled(picture) + added,
                    None => added,
                });
            }
        }
        picture.unwrap_or(x)
    }

    fn layer(&self, layer: &Layer, x: Tensor<4>, w: &Tensor<2>, noise: Option<Tensor<3>>, gain: f64) -> Tensor<4> {
        let (params, name) = (&self.params, &layer.name);
        let [_, o] = layer.channels;
        let mut style = affine(params, name, w.clone());
        let squares = params.get::<2>(name, "squares");
        let mut factor = (style.clone().powi_scalar(2).matmul(squares) + EPS).sqrt().recip();
        let half = self.halves(layer);
        if half {
            // Nothing may leave the range: styles are at most 1, and kernels as their scale says.
            let largest = style.clone().abs().max_dim(1) + EPS;
            style = style / largest.clone();
            factor = factor * largest * params.get::<1>(name, "scale").reshape([1, 1]);
        }
        let x = x.cast(if half { FloatDType::F16 } else { FloatDType::F32 });
        let x = scaled(x, style);
        let x = if layer.up { self.conv_up(name, x) } else { self.conv(name, x, 3) };
        let mut x = scaled(x, factor);
        if let Some(noise) = noise {
            let [n, h, wide] = noise.dims();
            x = x.clone() + alike(noise.reshape([n, h, wide, 1]), &x);
        }
        let bias = alike(params.get::<1>(name, "bias").reshape([1, 1, 1, o]), &x);
        let x = x + bias;
        self.clamped(activation::leaky_relu(x, f64::from(SLOPE)) * (GAIN * gain), gain)
    }

    fn clamped(&self, x: Tensor<4>, gain: f64) -> Tensor<4> {
        match self.own.clamp {
            Some(most) => x.clamp(-f64::from(most) * gain, f64::from(most) * gain),
            None => x,
        }
    }

    fn conv(&self, name: &str, x: Tensor<4>, k: usize) -> Tensor<4> {
        #[cfg(feature = "gpu")]
        if let Some(OnCard::Same(weights, none)) = self.cards.get(name) {
            return layer::layer(x, weights, none, Product::Same { t: 3 }, Then::LeakyRelu(1.0));
        }
        let [_, h, w, c] = x.dims();
        let kernel = self.kernel(name, "kernel", &x);
        let o = kernel.dims()[3];
        let none = nothing(o, &x);
        ops::conv(x, kernel, none, conv_geometry([h, w, c], o, k, 1, Padding::Pixels(k / 2)), None::<Act>)
    }

    pub(super) fn conv_up(&self, name: &str, x: Tensor<4>) -> Tensor<4> {
        #[cfg(feature = "gpu")]
        if let Some(OnCard::Up(windowed)) = self.cards.get(name) {
            return windowed.run(x, Then::LeakyRelu(1.0));
        }
        let [_, h, w, c] = x.dims();
        let kernel = self.kernel(name, "six", &x);
        let o = kernel.dims()[2];
        let none = nothing(o, &x);
        ops::conv_t(x, kernel, none, transposed_geometry([h, w, c], o, 6, 2, Padding::Pixels(2), 0), None::<Act>)
    }

    /// Twice as large, by the filter.
    fn doubled(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, h, w, c] = x.dims();
        let kernel: Tensor<4> = self.params.get(&format!("double{c}"), "kernel");
        let none = nothing(c, &x);
        ops::conv_t(x, kernel, none, transposed_geometry([h, w, c], c, 4, 2, Padding::Pixels(1), 0), None::<Act>)
    }

    /// The input of a residual block in its channels, twice as large.
    fn skip(&self, block: &Block, x: Tensor<4>) -> Tensor<4> {
        let made = self.conv(&format!("{}.skip", block.name), x, 1);
        self.doubled(made) * std::f64::consts::FRAC_1_SQRT_2
    }
}

/// A bias that is none, on the side of graphs where the map is.
fn nothing(channels: usize, x: &Tensor<4>) -> Tensor<1> {
    let graph = x.is_autodiff();
    let device = if graph { x.device().inner() } else { x.device() };
    let none: Tensor<1> = Tensor::zeros([channels], &device);
    let none = if x.dtype() == DType::F16 { none.cast(FloatDType::F16) } else { none };
    if graph { none.autodiff() } else { none }
}

fn param(name: &str, shape: &[usize], value: Tensor<1>) -> Param {
    Param { name: name.into(), shape: shape.to_vec(), value, trained: false }
}

/// The kernel `[3, 3, c, o]` with the filter of a doubling behind it, as one of a transposed convolution `[6, 6, o, c]`.
fn filtered(kernel: Tensor<4>, device: &Device) -> Tensor<4> {
    let [_, _, c, o] = kernel.dims();
    let turned = kernel.permute([0, 1, 3, 2]);
    let mut rows: Tensor<4> = Tensor::zeros([6, 6, o, c], device);
    for (y, fy) in FILTER.iter().enumerate() {
        for (x, fx) in FILTER.iter().enumerate() {
            // Zeros were put between pixels, so all is four times as strong.
            let part = turned.clone() * (4.0 * fy * fx);
            let place = [y..y + 3, x..x + 3, 0..o, 0..c];
            let sum = rows.clone().slice(place.clone()) + part;
            rows = rows.slice_assign(place, sum);
        }
    }
    rows
}

/// The kernel that doubles each channel by itself.
fn doubling(channels: usize, device: &Device) -> Tensor<1> {
    let mut values = vec![0.0; 16 * channels * channels];
    for (at, plane) in values.chunks_exact_mut(channels * channels).enumerate() {
        for c in 0..channels {
            plane[c * channels + c] = 4.0 * FILTER[at / 4] * FILTER[at % 4];
        }
    }
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), device)
}

fn dense(params: &Params, name: &str, x: Tensor<2>) -> Tensor<2> {
    let bias: Tensor<1> = params.get(name, "bias");
    let units = bias.dims()[0];
    x.matmul(params.get(name, "kernel")) + bias.reshape([1, units])
}

/// What a layer makes of its w: a factor for each channel `[n, c]`.
fn affine(params: &Params, name: &str, w: Tensor<2>) -> Tensor<2> {
    dense(params, &format!("{name}.affine"), w)
}

fn scaled(x: Tensor<4>, factors: Tensor<2>) -> Tensor<4> {
    let [n, c] = factors.dims();
    let factors = alike(factors.reshape([n, 1, 1, c]), &x);
    x * factors
}

/// In the precision of another.
fn alike(x: Tensor<4>, other: &Tensor<4>) -> Tensor<4> {
    match other.dtype() {
        DType::F16 => x.cast(FloatDType::F16),
        _ => x,
    }
}
