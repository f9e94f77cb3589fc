//! GANs of dense layers alone, for small pictures: the first that a student meets.
//!
//! Source: Goodfellow et al. 2014 (arXiv 1406.2661), in the form of the lesson's PyTorch notebook: widths that double,
//! batch norms and leaky slopes between them, tanh at the end.

use serde::{Deserialize, Serialize};

use super::{Family, is_no};
use crate::net::layers::{Activation, ArchError, Chain, Init, Layer, Shape};

/// The settings of a GAN of dense layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mlp {
    /// Height, width, channels of a picture.
    pub input_dim: [usize; 3],
    /// Dimensions of z.
    pub z_dim: usize,
    /// Classes, one number each behind z; 0 is none.
    #[serde(default)]
    pub classes: usize,
    /// Whether the discriminator sees the classes as well: one plane of 0 or 1 each behind the channels of a picture
    /// (Mirza & Osindero 2014, arXiv 1411.1784).
    #[serde(default, skip_serializing_if = "is_no")]
    pub conditional: bool,
    /// Features behind each of the generator's hidden layers.
    pub generator_units: Vec<usize>,
    /// Share of the moving statistics that stays; absent means no batch norm in the generator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_batch_norm_momentum: Option<f32>,
    /// Features behind each of the discriminator's hidden layers.
    pub critic_units: Vec<usize>,
    /// Slope below zero of the activation behind hidden layers; 0 is ReLU.
    pub negative_slope: f32,
}

impl Default for Mlp {
    /// The lesson's, for MNIST.
    fn default() -> Self {
        Self {
            input_dim: [28, 28, 1],
            z_dim: 100,
            classes: 0,
            conditional: false,
            generator_units: vec![256, 512, 1024],
            generator_batch_norm_momentum: Some(0.8),
            critic_units: vec![512, 256],
            negative_slope: 0.2,
        }
    }
}

impl Mlp {
    fn curve(&self) -> Layer {
        let curve = match self.negative_slope {
            0.0 => Activation::Relu,
            slope => Activation::LeakyRelu(slope),
        };
        Layer::Activation { curve }
    }
}

impl Family for Mlp {
    fn name(&self) -> &'static str {
        "mlp"
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

    fn generator(&self) -> Chain {
        let mut chain = Chain::new(Shape::Flat(self.z_dim + self.classes), Init::Torch);
        for (i, units) in self.generator_units.iter().enumerate() {
            chain.push(format!("dense_{i}"), Layer::Dense { units: *units, bias: true });
            if let Some(momentum) = self.generator_batch_norm_momentum {
                let norm = Layer::BatchNorm { eps: 1e-5, momentum, unbiased: true, affine: true };
                chain.push(format!("dense_{i}_norm"), norm);
            }
            chain.then(self.curve());
        }
        let units = self.input_dim.iter().product();
        chain.push(format!("dense_{}", self.generator_units.len()), Layer::Dense { units, bias: true });
        chain.then(Layer::Activation { curve: Activation::Tanh });
        chain.then(Layer::Reshape { shape: self.input_dim });
        chain
    }

    /// The sigmoid is left to the loss.
    fn critic(&self) -> Option<Chain> {
        let mut chain = Chain::new(self.judged(), Init::Torch);
        chain.then(Layer::Flatten);
        for (i, units) in self.critic_units.iter().enumerate() {
            chain.push(format!("dense_{i}"), Layer::Dense { units: *units, bias: true });
            chain.then(self.curve());
        }
        chain.push(format!("dense_{}", self.critic_units.len()), Layer::Dense { units: 1, bias: true });
        Some(chain)
    }

    fn check(&self) -> Result<(), ArchError> {
        let numbers = self.input_dim.iter().chain([&self.z_dim]).chain(&self.generator_units).chain(&self.critic_units);
        if numbers.clone().any(|n| !(1..=65_536).contains(n)) || self.classes > 65_536 {
            return Err(ArchError("every size and number of units must lie in 1..=65536".into()));
        }
        match self.negative_slope.is_finite() {
            true => Ok(()),
            false => Err(ArchError("negative_slope must be a finite number".into())),
        }
    }
}
