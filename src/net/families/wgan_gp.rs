//! WGAN-GP, as the three lines are drawn by it: a dense layer and transposed convolutions, and a critic of
//! convolutions without norms.
//!
//! Source: Gulrajani et al. 2017 (arXiv 1704.00028) in the settings of Foster's *Generative Deep Learning*; names of
//! settings and their order are the original's. TensorFlow's SAME padding, Keras' eps.

use serde::{Deserialize, Serialize};

use super::{Family, is_no};
use crate::net::geometry::Padding;
use crate::net::layers::{self, ArchError, Chain, Init, Layer, Shape};
use crate::net::shapes::{MAP, WEIGHTS};

/// Added to a variance before its root, as Keras does.
const EPS: f32 = 1e-3;

/// Activations that may follow a hidden layer, by the words the original knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Slope 0.2 below zero.
    LeakyRelu,
    /// `max(x, 0)`.
    Relu,
    /// None.
    Linear,
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// x above zero, `eˣ − 1` below.
    Elu,
}

impl Activation {
    /// The curve, if there is one.
    pub fn curve(self) -> Option<layers::Activation> {
        Some(match self {
            Self::LeakyRelu => layers::Activation::LeakyRelu(0.2),
            Self::Relu => layers::Activation::Relu,
            Self::Tanh => layers::Activation::Tanh,
            Self::Sigmoid => layers::Activation::Sigmoid,
            Self::Elu => layers::Activation::Elu,
            Self::Linear => return None,
        })
    }
}

/// The settings of both networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WganGp {
    /// Height, width, channels of a picture.
    pub input_dim: [usize; 3],
    /// Filters of the critic's layers, one entry a layer.
    pub critic_conv_filters: Vec<usize>,
    /// Side of their square kernels, one entry a layer.
    pub critic_conv_kernel_size: Vec<usize>,
    /// Their strides, one entry a layer.
    pub critic_conv_strides: Vec<usize>,
    /// Decay of the moving statistics; absent means no batch norm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critic_batch_norm_momentum: Option<f32>,
    /// What follows each of the critic's convolutions.
    pub critic_activation: Activation,
    /// Share of values that dropout leaves out in the critic, 0..1; absent means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critic_dropout_rate: Option<f32>,
    /// Height, width, channels of the map behind the dense layer.
    pub generator_initial_dense_layer_size: [usize; 3],
    /// 2: nearest ×2 and a convolution; 1: a transposed convolution. One entry a stage.
    pub generator_upsample: Vec<usize>,
    /// Filters of the generator's stages, one entry a stage; the last is the channels of a picture.
    pub generator_conv_filters: Vec<usize>,
    /// Side of their square kernels, one entry a stage.
    pub generator_conv_kernel_size: Vec<usize>,
    /// Their strides, one entry a stage.
    pub generator_conv_strides: Vec<usize>,
    /// Decay of the moving statistics; absent means no batch norm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_batch_norm_momentum: Option<f32>,
    /// What follows the dense layer and each stage but the last, which ends in tanh.
    pub generator_activation: Activation,
    /// Share of values that dropout leaves out in the generator, 0..1; absent means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_dropout_rate: Option<f32>,
    /// Dimensions of z.
    pub z_dim: usize,
    /// Classes, one number each behind z; 0 is none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub classes: usize,
    /// Whether the critic sees the classes as well: one plane of 0 or 1 each behind the channels of a picture
    /// (Mirza & Osindero 2014, arXiv 1411.1784).
    #[serde(default, skip_serializing_if = "is_no")]
    pub conditional: bool,
}

impl WganGp {
    /// The networks of the three lines with their widths divided.
    pub fn lines(divide: usize, critic_kernel: usize, generator_kernel: usize) -> Self {
        Self {
            input_dim: [128, 128, 3],
            critic_conv_filters: [128, 256, 512, 1024].map(|f| f / divide).to_vec(),
            critic_conv_kernel_size: vec![critic_kernel; 4],
            critic_conv_strides: vec![2; 4],
            critic_batch_norm_momentum: None,
            critic_activation: Activation::LeakyRelu,
            critic_dropout_rate: None,
            generator_initial_dense_layer_size: [8, 8, 512 / divide],
            generator_upsample: vec![1; 4],
            generator_conv_filters: vec![512 / divide, 256 / divide, 128 / divide, 3],
            generator_conv_kernel_size: vec![generator_kernel; 4],
            generator_conv_strides: vec![2; 4],
            generator_batch_norm_momentum: Some(0.9),
            generator_activation: Activation::LeakyRelu,
            generator_dropout_rate: None,
            z_dim: 100,
            classes: 0,
            conditional: false,
        }
    }

    /// What the shipped model is: a quarter of the widths, and a critic whose six strided layers bring every pixel
    /// before one unit, so that it can count lines; its first layers are thin because they cost the most.
    pub fn small() -> Self {
        Self {
            critic_conv_filters: vec![16, 32, 64, 128, 256, 256],
            critic_conv_kernel_size: vec![3; 6],
            critic_conv_strides: vec![2; 6],
            ..Self::lines(4, 3, 6)
        }
    }

    /// [`Self::small`] with its widths, for the same pictures without a checkerboard; it draws in no more time.
    ///
    /// Nearest ×2 and a 3 × 3 kernel make an even area of an even area, whatever the weights are, where a transposed
    /// convolution has to learn that (Odena et al. 2016). What the critic tells the generator goes back through its
    /// strided layers: a kernel of 3 at stride 2 gives one pixel of two twice as many terms, one of 4 all of them as many
    /// (Sugawara et al. 2018).
    pub fn smooth() -> Self {
        Self {
            critic_conv_kernel_size: vec![4; 6],
            generator_upsample: vec![2; 4],
            generator_conv_kernel_size: vec![3; 4],
            generator_conv_strides: vec![1; 4],
            ..Self::small()
        }
    }

    /// Norm and activation behind a hidden layer of the generator.
    fn behind(&self, chain: &mut Chain, name: &str) {
        if let Some(momentum) = self.generator_batch_norm_momentum {
            chain.push(format!("{name}_norm"), norm(momentum));
        }
        if let Some(curve) = self.generator_activation.curve() {
            chain.then(Layer::Activation { curve });
        }
    }

    /// Checks that no layer is larger than a machine can hold, before anything is computed from its sizes.
    fn check_sizes(&self) -> Result<(), ArchError> {
        let [mut h, mut w, mut c] = self.generator_initial_dense_layer_size.map(|n| n as u128);
        let limit = |what: String, size: u128, most: u128| match size <= most {
            true => Ok(()),
            false => Err(ArchError(format!("{what} has {size} values, at most {most} are taken; make it smaller"))),
        };
        limit("the generator's dense layer".into(), h * w * c, MAP)?;
        limit("the generator's dense layer's kernel".into(), (self.z_dim + self.classes) as u128 * h * w * c, WEIGHTS)?;
        for (i, filters) in self.generator_conv_filters.iter().enumerate() {
            let (k, filters) = (self.generator_conv_kernel_size[i] as u128, *filters as u128);
            let grow = if self.generator_upsample[i] == 2 { 2 } else { self.generator_conv_strides[i] as u128 };
            (h, w) = (h * grow, w * grow);
            limit(format!("the map behind the generator's layer {i}"), h * w * filters, MAP)?;
            limit(format!("the kernel of the generator's layer {i}"), k * k * c * filters, WEIGHTS)?;
            c = filters;
        }
        let [h, w, mut c] = self.judged().map().map(|n| n as u128);
        limit("a picture".into(), h * w * c, MAP)?;
        for (i, filters) in self.critic_conv_filters.iter().enumerate() {
            let (k, filters) = (self.critic_conv_kernel_size[i] as u128, *filters as u128);
            limit(format!("the kernel of the critic's layer {i}"), k * k * c * filters, WEIGHTS)?;
            c = filters;
        }
        Ok(())
    }
}

impl Family for WganGp {
    fn name(&self) -> &'static str {
        "wgan_gp"
    }

    fn z_dim(&self) -> usize {
        self.z_dim
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn conditional(&self) -> bool {
        self.conditional
    }

    fn picture(&self) -> [usize; 3] {
        self.input_dim
    }

    /// dense → norm → activation → (dropout) → stages of (transposed) convolution, the last through tanh.
    fn generator(&self) -> Chain {
        let mut chain = Chain::new(Shape::Flat(self.z_dim + self.classes), Init::Normal);
        let shape = self.generator_initial_dense_layer_size;
        chain.push("dense", Layer::Dense { units: shape.iter().product(), bias: true });
        self.behind(&mut chain, "dense");
        if let Some(rate) = self.generator_dropout_rate {
            chain.then(Layer::Dropout { rate });
        }
        chain.then(Layer::Reshape { shape });
        let last = self.generator_conv_filters.len().saturating_sub(1);
        for (i, filters) in self.generator_conv_filters.iter().copied().enumerate() {
            let (name, kernel) = (format!("conv_{i}"), self.generator_conv_kernel_size[i]);
            let (stride, padding, bias) = (self.generator_conv_strides[i], Padding::Same, true);
            if self.generator_upsample[i] == 2 {
                chain.then(Layer::Upsample2d);
                chain.push(&*name, Layer::Conv2d { filters, kernel, stride: 1, padding, bias });
            } else {
                let output_padding = 0;
                chain.push(&*name, Layer::ConvTranspose2d { filters, kernel, stride, padding, output_padding, bias });
            }
            match i == last {
                true => chain.then(Layer::Activation { curve: layers::Activation::Tanh }),
                false => self.behind(&mut chain, &name),
            }
        }
        chain
    }

    /// Convolutions, each with its activation (and norm and dropout, if wanted; never a norm behind the first), and a
    /// dense layer to one number.
    fn critic(&self) -> Option<Chain> {
        let mut chain = Chain::new(self.judged(), Init::Normal);
        for (i, filters) in self.critic_conv_filters.iter().copied().enumerate() {
            let (kernel, stride) = (self.critic_conv_kernel_size[i], self.critic_conv_strides[i]);
            let conv = Layer::Conv2d { filters, kernel, stride, padding: Padding::Same, bias: true };
            chain.push(format!("conv_{i}"), conv);
            if let (1.., Some(momentum)) = (i, self.critic_batch_norm_momentum) {
                chain.push(format!("conv_{i}_norm"), norm(momentum));
            }
            if let Some(curve) = self.critic_activation.curve() {
                chain.then(Layer::Activation { curve });
            }
            if let Some(rate) = self.critic_dropout_rate {
                chain.then(Layer::Dropout { rate });
            }
        }
        chain.then(Layer::Flatten);
        chain.push("dense", Layer::Dense { units: 1, bias: true });
        Some(chain)
    }

    fn check(&self) -> Result<(), ArchError> {
        let err = |text: String| Err(ArchError(text));
        let critic = self.critic_conv_filters.len();
        let generator = self.generator_conv_filters.len();
        for (name, len, expected) in [
            ("critic_conv_kernel_size", self.critic_conv_kernel_size.len(), critic),
            ("critic_conv_strides", self.critic_conv_strides.len(), critic),
            ("generator_conv_kernel_size", self.generator_conv_kernel_size.len(), generator),
            ("generator_conv_strides", self.generator_conv_strides.len(), generator),
            ("generator_upsample", self.generator_upsample.len(), generator),
        ] {
            if len != expected {
                return err(format!("{name} has {len} entries where the filters have {expected}; give one a layer"));
            }
        }
        if critic == 0 || generator == 0 {
            return err("a network needs at least one layer; give its filters".into());
        }
        let numbers = [&self.critic_conv_filters, &self.critic_conv_kernel_size, &self.critic_conv_strides];
        let numbers = numbers.into_iter().chain([
            &self.generator_conv_filters,
            &self.generator_conv_kernel_size,
            &self.generator_conv_strides,
        ]);
        let sizes = [&self.input_dim[..], &self.generator_initial_dense_layer_size[..]];
        let counts = [self.z_dim, self.classes.max(1)];
        if numbers.map(|n| &n[..]).chain(sizes).flatten().chain(&counts).any(|n| *n == 0 || *n > 65_536) {
            return err("every size, filter, kernel and stride must lie in 1..=65536".into());
        }
        if self.generator_upsample.iter().any(|u| !(1..=2).contains(u)) {
            return err(
                "generator_upsample takes 1 (transposed convolution) or 2 (nearest ×2, then convolution)".into()
            );
        }
        for (name, rate) in [("critic", self.critic_dropout_rate), ("generator", self.generator_dropout_rate)] {
            if rate.is_some_and(|r| !(0.0..1.0).contains(&r)) {
                return err(format!("{name}_dropout_rate must lie in 0..1"));
            }
        }
        for (name, momentum) in
            [("critic", self.critic_batch_norm_momentum), ("generator", self.generator_batch_norm_momentum)]
        {
            if momentum.is_some_and(|m| !(0.0..=1.0).contains(&m)) {
                return err(format!("{name}_batch_norm_momentum must lie in 0..=1"));
            }
        }
        self.check_sizes()?;
        let [h, w, c] = self.input_dim;
        let [gh, gw, _] = self.generator_initial_dense_layer_size;
        let growth = |i| if self.generator_upsample[i] == 2 { 2 } else { self.generator_conv_strides[i] };
        let grow: usize = (0..generator).map(growth).product();
        let (last, out) = (self.generator_conv_filters[generator - 1], (gh * grow, gw * grow));
        if out != (h, w) || last != c {
            return err(format!(
                "the generator makes {}x{} pictures of {last} channels, input_dim asks for {w}x{h} of {c}; \
                 change generator_initial_dense_layer_size, strides or the last filter",
                out.1, out.0
            ));
        }
        Ok(())
    }
}

fn is_none(value: &usize) -> bool {
    *value == 0
}

fn norm(momentum: f32) -> Layer {
    Layer::BatchNorm { eps: EPS, momentum, unbiased: false, affine: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_named() {
        let check = |change: fn(&mut WganGp), word: &str| {
            let mut arch = WganGp::small();
            change(&mut arch);
            let text = arch.check().unwrap_err().to_string();
            assert!(text.contains(word), "{text}");
        };
        check(|a| a.critic_conv_strides = vec![2], "critic_conv_strides");
        check(|a| a.generator_upsample[0] = 3, "generator_upsample");
        check(|a| a.input_dim = [64, 64, 3], "64x64");
        check(|a| a.generator_conv_kernel_size[1] = 0, "1..=65536");
        check(|a| a.critic_dropout_rate = Some(1.0), "critic_dropout_rate");
        check(|a| a.generator_conv_strides = vec![65_536; 4], "the generator's layer 0");
        check(|a| a.generator_conv_kernel_size[2] = 60_000, "the kernel of the generator's layer 2");
        check(|a| a.critic_conv_kernel_size[0] = 60_000, "the kernel of the critic's layer 0");
    }
}
