//! StyleGAN2 (Karras et al. 2020, arXiv 1912.04958) as NVlabs/stylegan2-ada-pytorch has it.
//!
//! z, and behind it a blend of classes, goes through a mapping to w; each layer of the synthesis is scaled by what an
//! affine map makes of its own w. A kernel that is scaled for each picture is the same as scaling the map before it and
//! the map behind it, so one kernel serves a whole batch. Doubling and convolution, with the filter [1, 3, 3, 1] behind
//! them, are one transposed convolution of six taps.
//! Gains of the equalised layers are in the arrays: whoever reads a file multiplies them in.

use burn::tensor::{Device, Tensor, TensorData, activation};
use serde::{Deserialize, Serialize};

use super::Family;
use crate::latent::space;
use crate::net::cpu::conv::Act;
use crate::net::geometry::Padding;
use crate::net::layers::{ArchError, Chain, Init, Shape, conv_geometry, transposed_geometry};
use crate::net::ops;
use crate::net::params::{Param, Params, Plan, Start};

/// How pictures come of maps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Each block adds its own picture to the doubled one before.
    #[default]
    Skip,
    /// Each block adds its doubled input; one picture at the end.
    Resnet,
    /// One picture at the end.
    Orig,
}

/// The settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StyleGan2 {
    /// Dimensions of z.
    pub z_dim: usize,
    /// Dimensions of w.
    pub w_dim: usize,
    /// Classes.
    #[serde(skip_serializing_if = "is_zero")]
    pub classes: usize,
    /// Layers of the mapping.
    pub mapping: usize,
    /// Height and width of the first map.
    pub first: [usize; 2],
    /// Channels of each block; each is twice as large as the one before.
    pub channels: Vec<usize>,
    /// How pictures come of maps.
    pub form: Form,
    /// Channels of a picture.
    pub picture_channels: usize,
    /// Values of maps are kept within ± this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clamp: Option<f32>,
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}

impl Default for StyleGan2 {
    /// `auto` at 256 × 256.
    fn default() -> Self {
        Self {
            z_dim: 512,
            w_dim: 512,
            classes: 0,
            mapping: 2,
            first: [4, 4],
            channels: vec![512, 512, 512, 512, 256, 128, 64],
            form: Form::Skip,
            picture_channels: 3,
            clamp: None,
        }
    }
}

/// Slope below zero, and what follows it.
const SLOPE: f32 = 0.2;
const GAIN: f64 = std::f64::consts::SQRT_2;
const EPS: f64 = 1e-8;
/// The filter of a doubling, which is separable.
const FILTER: [f32; 4] = [0.125, 0.375, 0.375, 0.125];
/// Layers and channels that a file may name at most.
const MOST_LAYERS: usize = 32;
const MOST_BLOCKS: usize = 10;
const MOST_CHANNELS: usize = 2048;
/// Pixels of a picture at most: 2048 × 2048.
const MOST_PIXELS: usize = 4 << 20;

/// One layer of the synthesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its name, as `b8.conv0`.
    pub name: String,
    /// Channels in and out.
    pub channels: [usize; 2],
    /// Height and width of what comes out.
    pub size: [usize; 2],
    /// Whether it doubles.
    pub up: bool,
    /// Its w.
    pub w: usize,
}

/// One block: what it doubles, its layers, and what makes its picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// `b8`.
    pub name: String,
    /// Convolutions.
    pub layers: Vec<Layer>,
    /// 1 × 1 to the picture's channels, if it makes one: its w.
    pub picture: Option<usize>,
}

impl StyleGan2 {
    /// The blocks.
    pub fn blocks(&self) -> Vec<Block> {
        let (mut w, last) = (0, self.channels.len().saturating_sub(1));
        let mut blocks = Vec::new();
        for (at, out) in self.channels.iter().copied().enumerate() {
            let name = format!("b{}", 4 << at);
            let size = self.first.map(|side| side << at);
            let layer = |conv: &str, inputs: usize, up: bool, w: usize| Layer {
                name: format!("{name}.{conv}"),
                channels: [inputs, out],
                size,
                up,
                w,
            };
            let layers = match at {
                0 => vec![layer("conv1", out, false, w)],
                _ => vec![layer("conv0", self.channels[at - 1], true, w), layer("conv1", out, false, w + 1)],
            };
            w += layers.len();
            let picture = (self.form == Form::Skip || at == last).then_some(w);
            blocks.push(Block { name, layers, picture });
        }
        blocks
    }

    /// How many w a picture takes.
    pub fn styles(&self) -> usize {
        2 * self.channels.len()
    }

    /// The arrays.
    pub fn plans(&self) -> Vec<Plan> {
        let mut plans = Vec::new();
        let mut plan = |name: String, shape: Vec<usize>, start| {
            plans.push(Plan { name, shape, start, trained: true });
        };
        let normal = |fan: usize| Start::Normal { mean: 0.0, deviation: 1.0 / (fan.max(1) as f64).sqrt() };
        let w = self.w_dim;
        if self.classes > 0 {
            plan("mapping.embed.kernel".into(), vec![self.classes, w], normal(self.classes));
            plan("mapping.embed.bias".into(), vec![w], Start::Zeros);
        }
        for at in 0..self.mapping {
            let inputs = if at == 0 { self.z_dim + if self.classes > 0 { w } else { 0 } } else { w };
            plan(format!("mapping.fc{at}.kernel"), vec![inputs, w], normal(inputs));
            plan(format!("mapping.fc{at}.bias"), vec![w], Start::Zeros);
        }
        plan("mapping.average".into(), vec![w], Start::Zeros);
        let [h, wide] = self.first;
        let ones = Start::Normal { mean: 0.0, deviation: 1.0 };
        plan("b4.const".into(), vec![h, wide, self.channels.first().copied().unwrap_or(0)], ones);
        for block in self.blocks() {
            for Layer { name, channels: [c, o], size: [h, wide], .. } in &block.layers {
                plan(format!("{name}.kernel"), vec![3, 3, *c, *o], normal(9 * c));
                plan(format!("{name}.bias"), vec![*o], Start::Zeros);
                plan(format!("{name}.strength"), vec![1], Start::Zeros);
                plan(format!("{name}.noise"), vec![*h, *wide], ones);
                plan(format!("{name}.affine.kernel"), vec![w, *c], normal(w));
                plan(format!("{name}.affine.bias"), vec![*c], Start::Ones);
            }
            let (name, first) = (&block.name, &block.layers[0]);
            let out = first.channels[1];
            if self.form == Form::Resnet && first.up {
                plan(format!("{name}.skip.kernel"), vec![1, 1, first.channels[0], out], normal(first.channels[0]));
            }
            if block.picture.is_some() {
                plan(format!("{name}.torgb.kernel"), vec![1, 1, out, self.picture_channels], normal(out));
                plan(format!("{name}.torgb.bias"), vec![self.picture_channels], Start::Zeros);
                plan(format!("{name}.torgb.affine.kernel"), vec![w, out], normal(w));
                plan(format!("{name}.torgb.affine.bias"), vec![out], Start::Ones);
            }
        }
        plans
    }

    /// w `[n, w_dim]` of z with the classes behind it `[n, z_dim + classes]`.
    pub fn map(&self, params: &Params, z: Tensor<2>) -> Tensor<2> {
        let [n, _] = z.dims();
        let mut x = normalised(z.clone().narrow(1, 0, self.z_dim));
        if self.classes > 0 {
            let classes = z.narrow(1, self.z_dim, self.classes);
            let embedded = dense(params, "mapping.embed", classes);
            x = Tensor::cat(vec![x, normalised(embedded)], 1);
        }
        for at in 0..self.mapping {
            x = curved(dense(params, &format!("mapping.fc{at}"), x));
        }
        x.reshape([n, self.w_dim])
    }

    /// w towards the mean of all, by a `psi` of each `[n, 1]`: 1 leaves it, 0 is the mean.
    pub fn truncated(&self, params: &Params, w: Tensor<2>, psi: Tensor<2>) -> Tensor<2> {
        let average = params.get::<1>("mapping", "average").reshape([1, self.w_dim]);
        (w - average.clone()) * psi + average
    }

    /// The pictures `[n, h, w, channels]` of w for each layer, `[n, w_dim]`, as many as [`Self::styles`]; −1..1, not cut.
    pub fn picture_of(&self, made: &Made, w: &[Tensor<2>], noise: f64) -> Tensor<4> {
        let params = &made.params;
        let n = w[0].dims()[0];
        let mut x = params.get::<3>("b4", "const").unsqueeze::<4>().repeat_dim(0, n);
        let mut picture: Option<Tensor<4>> = None;
        for block in self.blocks() {
            let resnet = self.form == Form::Resnet && block.layers[0].up;
            let before = resnet.then(|| made.skip(&block, x.clone()));
            let last = block.layers.len() - 1;
            for (at, layer) in block.layers.iter().enumerate() {
                // Both branches of a residual block weigh the same.
                let gain = if resnet && at == last { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
                x = self.layer(made, layer, x, &w[layer.w], noise, gain);
            }
            if let Some(before) = before {
                x = x + before;
            }
            if let Some(at) = block.picture {
                let style = affine(params, &format!("{}.torgb", block.name), w[at].clone());
                let mut own = made.conv(&format!("{}.torgb", block.name), scaled(x.clone(), style), 1);
                let bias = params.get::<1>(&format!("{}.torgb", block.name), "bias");
                own = self.clamped(own + bias.reshape([1, 1, 1, self.picture_channels]), 1.0);
                picture = Some(match picture {
                    Some(picture) => made.doubled(picture) + own,
                    None => own,
                });
            }
        }
        picture.unwrap_or(x)
    }

    fn layer(&self, made: &Made, layer: &Layer, x: Tensor<4>, w: &Tensor<2>, noise: f64, gain: f64) -> Tensor<4> {
        let (params, name) = (&made.params, &layer.name);
        let [_, o] = layer.channels;
        let style = affine(params, name, w.clone());
        let squares = params.get::<2>(name, "squares");
        let factor = (style.clone().powi_scalar(2).matmul(squares) + EPS).sqrt().recip();
        let x = scaled(x, style);
        let x = if layer.up { made.conv_up(name, x) } else { made.conv(name, x, 3) };
        let mut x = scaled(x, factor);
        if noise != 0.0 {
            let [h, wide] = layer.size;
            let plane: Tensor<2> = params.get(name, "noise");
            let strength: Tensor<1> = params.get(name, "strength");
            x = x + plane.reshape([1, h, wide, 1]) * (strength * noise).reshape([1, 1, 1, 1]);
        }
        let x = x + params.get::<1>(name, "bias").reshape([1, 1, 1, o]);
        self.clamped(activation::leaky_relu(x, f64::from(SLOPE)) * (GAIN * gain), gain)
    }

    fn clamped(&self, x: Tensor<4>, gain: f64) -> Tensor<4> {
        match self.clamp {
            Some(most) => x.clamp(-f64::from(most) * gain, f64::from(most) * gain),
            None => x,
        }
    }
}

/// The arrays with what follows from them: kernels of doubling layers, and the squares that demodulate.
pub struct Made {
    params: Params,
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
        Self { params }
    }

    /// The arrays.
    pub fn params(&self) -> &Params {
        &self.params
    }

    fn conv(&self, name: &str, x: Tensor<4>, k: usize) -> Tensor<4> {
        let [_, h, w, c] = x.dims();
        let kernel: Tensor<4> = self.params.get(name, "kernel");
        let o = kernel.dims()[3];
        let none: Tensor<1> = Tensor::zeros([o], &x.device());
        ops::conv(x, kernel, none, conv_geometry([h, w, c], o, k, 1, Padding::Pixels(k / 2)), None::<Act>)
    }

    fn conv_up(&self, name: &str, x: Tensor<4>) -> Tensor<4> {
        let [_, h, w, c] = x.dims();
        let kernel: Tensor<4> = self.params.get(name, "six");
        let o = kernel.dims()[2];
        let none: Tensor<1> = Tensor::zeros([o], &x.device());
        ops::conv_t(x, kernel, none, transposed_geometry([h, w, c], o, 6, 2, Padding::Pixels(2), 0), None::<Act>)
    }

    /// Twice as large, by the filter.
    fn doubled(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, h, w, c] = x.dims();
        let kernel: Tensor<4> = self.params.get(&format!("double{c}"), "kernel");
        let none: Tensor<1> = Tensor::zeros([c], &x.device());
        ops::conv_t(x, kernel, none, transposed_geometry([h, w, c], c, 4, 2, Padding::Pixels(1), 0), None::<Act>)
    }

    /// The input of a residual block in its channels, twice as large.
    fn skip(&self, block: &Block, x: Tensor<4>) -> Tensor<4> {
        let made = self.conv(&format!("{}.skip", block.name), x, 1);
        self.doubled(made) * std::f64::consts::FRAC_1_SQRT_2
    }
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

/// To length √features.
fn normalised(x: Tensor<2>) -> Tensor<2> {
    let mean = x.clone().powi_scalar(2).mean_dim(1);
    x / (mean + EPS).sqrt()
}

fn dense(params: &Params, name: &str, x: Tensor<2>) -> Tensor<2> {
    let bias: Tensor<1> = params.get(name, "bias");
    let units = bias.dims()[0];
    x.matmul(params.get(name, "kernel")) + bias.reshape([1, units])
}

fn curved(x: Tensor<2>) -> Tensor<2> {
    activation::leaky_relu(x, f64::from(SLOPE)) * GAIN
}

/// What a layer makes of its w: a factor for each channel `[n, c]`.
fn affine(params: &Params, name: &str, w: Tensor<2>) -> Tensor<2> {
    dense(params, &format!("{name}.affine"), w)
}

fn scaled(x: Tensor<4>, factors: Tensor<2>) -> Tensor<4> {
    let [n, c] = factors.dims();
    x * factors.reshape([n, 1, 1, c])
}

impl Family for StyleGan2 {
    fn name(&self) -> &'static str {
        "stylegan2"
    }

    fn z_dim(&self) -> usize {
        self.z_dim
    }

    fn classes(&self) -> usize {
        self.classes
    }

    /// psi, less 1.
    fn manner(&self) -> usize {
        space::PSI
    }

    fn picture(&self) -> [usize; 3] {
        let last = self.channels.len().saturating_sub(1).min(MOST_BLOCKS);
        let [h, w] = self.first.map(|side| side << last);
        [h, w, self.picture_channels]
    }

    /// It is a mapping and a synthesis and no chain: see [`Self::picture_of`].
    fn generator(&self) -> Chain {
        Chain::new(Shape::Flat(self.z_dim + self.classes), Init::default())
    }

    fn critic(&self) -> Option<Chain> {
        None
    }

    fn styled(&self) -> Option<&StyleGan2> {
        Some(self)
    }

    fn check(&self) -> Result<(), ArchError> {
        let within = |name: &str, v: usize, most: usize| match (1..=most).contains(&v) {
            true => Ok(()),
            false => Err(ArchError(format!("{name} must lie in 1..={most}, not {v}"))),
        };
        within("z_dim", self.z_dim, 1 << 16)?;
        within("w_dim", self.w_dim, 1 << 16)?;
        within("mapping", self.mapping, MOST_LAYERS)?;
        within("the number of blocks", self.channels.len(), MOST_BLOCKS)?;
        within("picture_channels", self.picture_channels, 4)?;
        for side in self.first {
            within("first", side, 64)?;
        }
        for channels in &self.channels {
            within("channels", *channels, MOST_CHANNELS)?;
        }
        let [h, w, _] = self.picture();
        if h * w > MOST_PIXELS {
            return Err(ArchError(format!("its pictures have at most {MOST_PIXELS} pixels, and {w}x{h} has more")));
        }
        match self.clamp.is_none_or(|most| most.is_finite() && most > 0.0) {
            true => Ok(()),
            false => Err(ArchError("clamp must be a number above 0".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::params::floats;
    use crate::random::RandomState;

    fn small() -> StyleGan2 {
        StyleGan2 { z_dim: 6, w_dim: 5, classes: 2, channels: vec![4, 3, 2], first: [4, 6], ..StyleGan2::default() }
    }

    /// `[h, w, c]` with zeros between pixels, through a transposed convolution and the filter, as the original has it.
    fn naive(x: &[f32], [h, w, c]: [usize; 3], kernel: &[f32], o: usize) -> Vec<f32> {
        let (tall, wide) = (2 * h + 1, 2 * w + 1);
        let mut large = vec![0.0; tall * wide * o];
        for (y, x_at, i, out) in
            (0..h).flat_map(|y| (0..w).flat_map(move |x| (0..c).flat_map(move |i| (0..o).map(move |o| (y, x, i, o)))))
        {
            for (ky, kx) in (0..3).flat_map(|ky| (0..3).map(move |kx| (ky, kx))) {
                large[((2 * y + ky) * wide + 2 * x_at + kx) * o + out] +=
                    x[(y * w + x_at) * c + i] * kernel[((ky * 3 + kx) * c + i) * o + out];
            }
        }
        let mut made = vec![0.0; 4 * h * w * o];
        for (y, x_at, out) in (0..2 * h).flat_map(|y| (0..2 * w).flat_map(move |x| (0..o).map(move |o| (y, x, o)))) {
            for (fy, fx) in (0..4).flat_map(|fy| (0..4).map(move |fx| (fy, fx))) {
                // A border of one pixel of zeros.
                let (sy, sx) = (y + fy, x_at + fx);
                if (1..=tall).contains(&sy) && (1..=wide).contains(&sx) {
                    made[(y * 2 * w + x_at) * o + out] +=
                        4.0 * FILTER[fy] * FILTER[fx] * large[((sy - 1) * wide + sx - 1) * o + out];
                }
            }
        }
        made
    }

    #[test]
    fn a_doubling_layer_is_one_transposed_convolution() {
        let (own, device) = (small(), Device::flex());
        let params = Params::init(&own.plans(), &mut RandomState::new(3), &device);
        let made = Made::new(&own, &params);
        let layer = &own.blocks()[1].layers[0];
        assert_eq!((layer.name.as_str(), layer.channels, layer.size, layer.up), ("b8.conv0", [4, 3], [8, 12], true));
        let x: Vec<f32> = (0..4 * 6 * 4).map(|v| (v as f32 * 0.7).sin()).collect();
        let tensor = Tensor::from_data(TensorData::new(x.clone(), [1, 4, 6, 4]), &device);
        let fast = floats(made.conv_up(&layer.name, tensor));
        let slow = naive(&x, [4, 6, 4], &floats(params.get::<4>(&layer.name, "kernel")), 3);
        assert_eq!(fast.len(), slow.len());
        for (a, b) in fast.iter().zip(&slow) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }

    #[test]
    fn each_form_draws_and_counts_its_w() {
        let device = Device::flex();
        for form in [Form::Skip, Form::Resnet, Form::Orig] {
            let own = StyleGan2 { form, clamp: Some(256.0), ..small() };
            own.check().unwrap();
            assert_eq!((own.styles(), own.picture()), (6, [16, 24, 3]));
            let used: Vec<usize> =
                own.blocks().iter().flat_map(|b| b.layers.iter().map(|l| l.w).chain(b.picture)).collect();
            assert_eq!(used.iter().max(), Some(&5), "{form:?}");
            let params = Params::init(&own.plans(), &mut RandomState::new(3), &device);
            let made = Made::new(&own, &params);
            let z = |seed: u32, class: usize| {
                let mut z: Vec<f32> = RandomState::new(seed).normals(6).iter().map(|v| *v as f32).collect();
                z.extend([0, 1].map(|at| f32::from(u8::from(at == class))));
                Tensor::from_data(TensorData::new(z, [1, 8]), &device)
            };
            let draw = |z| {
                let w = own.map(made.params(), z);
                floats(own.picture_of(&made, &vec![w; 6], 1.0))
            };
            let (one, other, class) = (draw(z(1, 0)), draw(z(2, 0)), draw(z(1, 1)));
            assert_eq!(one.len(), 16 * 24 * 3);
            assert!(one.iter().all(|v| v.is_finite()) && one != other && one != class, "{form:?}");
            // At 0 all are the mean.
            let mean =
                |seed| own.truncated(made.params(), own.map(made.params(), z(seed, 0)), Tensor::zeros([1, 1], &device));
            assert_eq!(floats(mean(1)), floats(mean(2)));
        }
    }
}
