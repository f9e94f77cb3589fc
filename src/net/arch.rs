//! The 21 settings of a WGAN-GP, under the names its field knows, and the architectures that have a
//! name here.
//!
//! Read from and written to TOML; every network is built from an `Arch` and nothing else.
//! No weights live here.

use serde::{Deserialize, Serialize};

use super::kernels::{Act, Geometry};

/// Activations that may follow a hidden layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Slope 0.2 below zero.
    LeakyRelu,
    /// `max(x, 0)`.
    Relu,
    /// The identity.
    Linear,
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// x above zero, `eˣ − 1` below.
    Elu,
}

impl Activation {
    /// The slope below zero of a piecewise-linear activation.
    pub fn negative_slope(self) -> Option<f32> {
        match self {
            Self::LeakyRelu => Some(0.2),
            Self::Relu => Some(0.0),
            Self::Linear => Some(1.0),
            Self::Tanh | Self::Sigmoid | Self::Elu => None,
        }
    }
}

/// Optimisers, by the words the original knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimiser {
    /// Adam with β1 0.5, β2 0.999.
    Adam,
    /// RMSprop with Keras' defaults (ρ 0.9).
    Rmsprop,
    /// What the original falls back to: Adam with β1 0.9, β2 0.999.
    AdamDefault,
}

/// Everything that defines the two networks and their training, as in the original's constructor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arch {
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
    /// Step size of the critic's optimiser.
    pub critic_learning_rate: f64,
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
    /// Step size of the generator's optimiser.
    pub generator_learning_rate: f64,
    /// The optimiser of both networks.
    pub optimiser: Optimiser,
    /// Weight of the gradient penalty in the critic's loss; 10 in the paper.
    pub grad_weight: f64,
    /// Dimensions of z.
    pub z_dim: usize,
    /// Pictures of one update.
    pub batch_size: usize,
}

/// Values of one picture in any layer, and weights of any layer, at most: 1 and 4 GiB.
const MAP: u128 = 1 << 28;
const WEIGHTS: u128 = 1 << 30;

/// What is wrong with an architecture, in one sentence.
#[derive(Debug, thiserror::Error)]
#[error("architecture: {0}")]
pub struct ArchError(String);

/// Names that [`Arch::named`] knows, with what each is.
pub const NAMES: [(&str, &str); 4] = [
    ("small", "what the shipped model uses: quarter-width generator, light critic that sees the whole picture"),
    ("quarter", "seed with a quarter of the filters"),
    ("seed", "the original network, kernels 3 and 6 (18.79 M parameters in the generator)"),
    ("seed-k10", "the original network, kernels 5 and 10 (46.08 M parameters in the generator)"),
];

impl Arch {
    /// The architecture of that name, or `None`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "seed" => Some(Self::lines(1, 3, 6)),
            "seed-k10" => Some(Self::lines(1, 5, 10)),
            "quarter" => Some(Self::lines(4, 3, 6)),
            // Six strided layers bring every pixel before one unit, so that the critic can count lines;
            // its first layers are thin because they cost the most.
            "small" => Some(Self {
                critic_conv_filters: vec![16, 32, 64, 128, 256, 256],
                critic_conv_kernel_size: vec![3; 6],
                critic_conv_strides: vec![2; 6],
                ..Self::lines(4, 3, 6)
            }),
            _ => None,
        }
    }

    /// Whether the critic's slopes do not depend on its weights, but for where they change.
    pub fn critic_is_piecewise_linear(&self) -> bool {
        self.critic_activation.negative_slope().is_some() && self.critic_batch_norm_momentum.is_none()
    }

    /// The network of the three lines with its widths divided.
    fn lines(divide: usize, critic_kernel: usize, generator_kernel: usize) -> Self {
        Self {
            input_dim: [128, 128, 3],
            critic_conv_filters: [128, 256, 512, 1024].map(|f| f / divide).to_vec(),
            critic_conv_kernel_size: vec![critic_kernel; 4],
            critic_conv_strides: vec![2; 4],
            critic_batch_norm_momentum: None,
            critic_activation: Activation::LeakyRelu,
            critic_dropout_rate: None,
            critic_learning_rate: 2e-4,
            generator_initial_dense_layer_size: [8, 8, 512 / divide],
            generator_upsample: vec![1; 4],
            generator_conv_filters: vec![512 / divide, 256 / divide, 128 / divide, 3],
            generator_conv_kernel_size: vec![generator_kernel; 4],
            generator_conv_strides: vec![2; 4],
            generator_batch_norm_momentum: Some(0.9),
            generator_activation: Activation::LeakyRelu,
            generator_dropout_rate: None,
            generator_learning_rate: 2e-4,
            optimiser: Optimiser::Adam,
            grad_weight: 10.0,
            z_dim: 100,
            batch_size: 16,
        }
    }

    /// Checks that the layers fit together and lead from z to a picture of `input_dim`.
    ///
    /// # Errors
    /// At the first thing that does not fit, in a sentence.
    pub fn check(&self) -> Result<(), ArchError> {
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
        let counts = [self.z_dim, self.batch_size];
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
        for (name, rate) in [
            ("critic_learning_rate", self.critic_learning_rate),
            ("generator_learning_rate", self.generator_learning_rate),
            ("grad_weight", self.grad_weight),
        ] {
            if !rate.is_finite() || rate < 0.0 {
                return err(format!("{name} must be a finite number of 0 or more"));
            }
        }
        self.check_sizes()?;
        let [h, w, c] = self.input_dim;
        let [gh, gw, _] = self.generator_initial_dense_layer_size;
        let grow: usize = self.stages().iter().map(|s| s.grow).product();
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

    /// Checks that no layer is larger than a machine can hold, before anything is computed from its sizes.
    fn check_sizes(&self) -> Result<(), ArchError> {
        let [mut h, mut w, mut c] = self.generator_initial_dense_layer_size.map(|n| n as u128);
        let limit = |what: String, size: u128, most: u128| match size <= most {
            true => Ok(()),
            false => Err(ArchError(format!("{what} has {size} values, at most {most} are taken; make it smaller"))),
        };
        limit("the generator's dense layer".into(), h * w * c, MAP)?;
        limit("the generator's dense layer's kernel".into(), self.z_dim as u128 * h * w * c, WEIGHTS)?;
        for (i, filters) in self.generator_conv_filters.iter().enumerate() {
            let (k, filters) = (self.generator_conv_kernel_size[i] as u128, *filters as u128);
            let grow = if self.generator_upsample[i] == 2 { 2 } else { self.generator_conv_strides[i] as u128 };
            (h, w) = (h * grow, w * grow);
            limit(format!("the map behind the generator's layer {i}"), h * w * filters, MAP)?;
            limit(format!("the kernel of the generator's layer {i}"), k * k * c * filters, WEIGHTS)?;
            c = filters;
        }
        let [h, w, mut c] = self.input_dim.map(|n| n as u128);
        limit("a picture".into(), h * w * c, MAP)?;
        for (i, filters) in self.critic_conv_filters.iter().enumerate() {
            let (k, filters) = (self.critic_conv_kernel_size[i] as u128, *filters as u128);
            limit(format!("the kernel of the critic's layer {i}"), k * k * c * filters, WEIGHTS)?;
            c = filters;
        }
        Ok(())
    }

    /// Whether weights of the one are weights of the other: the same layers and activations, however
    /// they are trained.
    pub fn same_networks(&self, other: &Self) -> bool {
        let trained_alike = Self {
            critic_dropout_rate: other.critic_dropout_rate,
            critic_learning_rate: other.critic_learning_rate,
            generator_dropout_rate: other.generator_dropout_rate,
            generator_learning_rate: other.generator_learning_rate,
            optimiser: other.optimiser,
            grad_weight: other.grad_weight,
            batch_size: other.batch_size,
            ..self.clone()
        };
        trained_alike == *other
    }

    /// The generator's stages, first to last.
    pub fn stages(&self) -> Vec<Stage> {
        let [mut h, mut w, mut channels] = self.generator_initial_dense_layer_size;
        (0..self.generator_conv_filters.len())
            .map(|i| {
                let (filters, k) = (self.generator_conv_filters[i], self.generator_conv_kernel_size[i]);
                let doubled = self.generator_upsample[i] == 2;
                let grow = if doubled { 2 } else { self.generator_conv_strides[i] };
                (h, w) = (h * grow, w * grow);
                let geometry = match doubled {
                    true => Geometry { h, w, c: channels, o: filters, k, stride: 1 },
                    false => Geometry { h, w, c: filters, o: channels, k, stride: grow },
                };
                channels = filters;
                Stage { geometry, doubled, grow, filters }
            })
            .collect()
    }

    /// The critic's convolutions, first to last.
    pub fn critic_layers(&self) -> Vec<Geometry> {
        let [mut h, mut w, mut c] = self.input_dim;
        (0..self.critic_conv_filters.len())
            .map(|i| {
                let (o, k, stride) =
                    (self.critic_conv_filters[i], self.critic_conv_kernel_size[i], self.critic_conv_strides[i]);
                let g = Geometry { h, w, c, o, k, stride };
                (h, w, c) = (g.oh(), g.ow(), o);
                g
            })
            .collect()
    }

    /// Features that the critic's dense layer reads: height · width · channels of its last map.
    pub fn critic_features(&self) -> usize {
        self.critic_layers().last().map_or(0, |g| g.oh() * g.ow() * g.o)
    }

    /// Features of the generator's dense layer.
    pub fn dense_features(&self) -> usize {
        self.generator_initial_dense_layer_size.iter().product()
    }
}

/// One stage of a generator.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// Of the convolution (`doubled`) or of the one it transposes.
    pub geometry: Geometry,
    /// Nearest ×2 and a convolution instead of a transposed convolution.
    pub doubled: bool,
    /// Factor between the sides of what comes in and what goes out.
    pub grow: usize,
    /// Channels that go out.
    pub filters: usize,
}

/// The activation as one that the fused operations know, if it is one.
pub fn fused(activation: Activation) -> Option<Act> {
    activation.negative_slope().map(Act::Leaky)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_architecture_holds_together() {
        for (name, _) in NAMES {
            let arch = Arch::named(name).unwrap();
            arch.check().unwrap();
            let text = toml::to_string(&arch).unwrap();
            assert_eq!(toml::from_str::<Arch>(&text).unwrap(), arch);
        }
        assert_eq!(Arch::named("seed").unwrap().critic_features(), 8 * 8 * 1024);
    }

    #[test]
    fn networks_are_the_same_however_they_are_trained() {
        let small = Arch::named("small").unwrap();
        let calmer = Arch { generator_learning_rate: 1e-5, batch_size: 4, grad_weight: 1.0, ..small.clone() };
        assert!(small.same_networks(&calmer) && !small.same_networks(&Arch::named("quarter").unwrap()));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let check = |change: fn(&mut Arch), word: &str| {
            let mut arch = Arch::named("small").unwrap();
            change(&mut arch);
            let text = arch.check().unwrap_err().to_string();
            assert!(text.contains(word), "{text}");
        };
        check(|a| a.critic_conv_strides = vec![2], "critic_conv_strides");
        check(|a| a.generator_upsample[0] = 3, "generator_upsample");
        check(|a| a.input_dim = [64, 64, 3], "64x64");
        check(|a| a.generator_conv_kernel_size[1] = 0, "1..=65536");
        check(|a| a.critic_dropout_rate = Some(1.0), "critic_dropout_rate");
        check(|a| a.grad_weight = f64::NAN, "grad_weight");
        check(|a| a.generator_conv_strides = vec![65_536; 4], "the generator's layer 0");
        check(|a| a.generator_conv_kernel_size[2] = 60_000, "the kernel of the generator's layer 2");
        check(|a| a.critic_conv_kernel_size[0] = 60_000, "the kernel of the critic's layer 0");
    }
}
