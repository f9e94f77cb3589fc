//! DCGAN: transposed convolutions from one pixel to a picture, and the same way back.
//!
//! Source: Radford, Metz & Chintala 2015 (arXiv 1511.06434) in the form of PyTorch's tutorial: kernels of 4, no
//! biases, every layer's width half of the one before. With classes their weights stand behind z, as one-hots do.

use serde::{Deserialize, Serialize};

use super::{Family, is_no};
use crate::net::geometry::Padding;
use crate::net::layers::{Activation, ArchError, Chain, Init, Layer, Shape};

/// Added to a variance before its root, as PyTorch does.
const EPS: f32 = 1e-5;
/// Share of the moving statistics that stays: PyTorch's momentum of 0.1.
const MOMENTUM: f32 = 0.9;

/// The settings of a DCGAN.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dcgan {
    /// Side of a picture: 8, 16, 32, 64, 128, …
    pub size: usize,
    /// Channels of a picture.
    pub channels: usize,
    /// Dimensions of z.
    pub z_dim: usize,
    /// Classes, one number each behind z; 0 is none.
    #[serde(default)]
    pub classes: usize,
    /// Whether the discriminator sees the classes as well: one plane of 0 or 1 each behind the channels of a picture
    /// (Mirza & Osindero 2014, arXiv 1411.1784).
    #[serde(default, skip_serializing_if = "is_no")]
    pub conditional: bool,
    /// Channels of the generator's last hidden layer and of the discriminator's first.
    pub features: usize,
    /// Share of the generator's values that dropout leaves out behind its first layer, 0..1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_dropout: Option<f32>,
}

impl Default for Dcgan {
    /// 64 × 64 in colour.
    fn default() -> Self {
        Self {
            size: 64,
            channels: 3,
            z_dim: 100,
            classes: 0,
            conditional: false,
            features: 64,
            generator_dropout: None,
        }
    }
}

impl Dcgan {
    /// Layers of either network.
    fn depth(&self) -> usize {
        self.size.max(4).ilog2() as usize - 1
    }

    /// Channels behind each of the generator's layers but the last, from 4 × 4 on.
    fn widths(&self) -> Vec<usize> {
        (0..self.depth().saturating_sub(1)).rev().map(|level| self.features << level.min(30)).collect()
    }
}

impl Family for Dcgan {
    fn name(&self) -> &'static str {
        "dcgan"
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
        [self.size, self.size, self.channels]
    }

    fn generator(&self) -> Chain {
        let inputs = self.z_dim + self.classes;
        let mut chain = Chain::new(Shape::Flat(inputs), Init::Dcgan);
        chain.then(Layer::Reshape { shape: [1, 1, inputs] });
        let mut widths = self.widths();
        widths.push(self.channels);
        let last = widths.len() - 1;
        for (i, filters) in widths.into_iter().enumerate() {
            let (stride, padding) = if i == 0 { (1, Padding::Pixels(0)) } else { (2, Padding::Pixels(1)) };
            let conv = Layer::ConvTranspose2d { filters, kernel: 4, stride, padding, output_padding: 0, bias: false };
            chain.push(format!("conv_{i}"), conv);
            if i == last {
                chain.then(Layer::Activation { curve: Activation::Tanh });
                continue;
            }
            chain.push(format!("conv_{i}_norm"), norm());
            chain.then(Layer::Activation { curve: Activation::Relu });
            if let (0, Some(rate)) = (i, self.generator_dropout) {
                chain.then(Layer::Dropout { rate });
            }
        }
        chain
    }

    /// The sigmoid is left to the loss.
    fn critic(&self) -> Option<Chain> {
        let mut chain = Chain::new(self.judged(), Init::Dcgan);
        let (mut widths, padding) = (self.widths(), Padding::Pixels(1));
        widths.reverse();
        for (i, filters) in widths.iter().enumerate() {
            let conv = Layer::Conv2d { filters: *filters, kernel: 4, stride: 2, padding, bias: false };
            chain.push(format!("conv_{i}"), conv);
            if i > 0 {
                chain.push(format!("conv_{i}_norm"), norm());
            }
            chain.then(Layer::Activation { curve: Activation::LeakyRelu(0.2) });
        }
        let last = Layer::Conv2d { filters: 1, kernel: 4, stride: 1, padding: Padding::Pixels(0), bias: false };
        chain.push(format!("conv_{}", widths.len()), last);
        chain.then(Layer::Flatten);
        Some(chain)
    }

    fn check(&self) -> Result<(), ArchError> {
        if !self.size.is_power_of_two() || !(8..=1024).contains(&self.size) {
            let size = self.size;
            return Err(ArchError(format!("a DCGAN's size is 8, 16, 32, … up to 1024, not {size}")));
        }
        let numbers = [self.channels, self.z_dim, self.features];
        if numbers.iter().any(|n| !(1..=65_536).contains(n)) || self.classes > 65_536 {
            return Err(ArchError("channels, z_dim and features must lie in 1..=65536".into()));
        }
        Ok(())
    }
}

fn norm() -> Layer {
    Layer::BatchNorm { eps: EPS, momentum: MOMENTUM, unbiased: true, affine: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(chain: &Chain) -> usize {
        chain.plans().iter().map(|plan| plan.len()).sum()
    }

    /// Widths and numbers of PyTorch's tutorial, and of one with 100 + 8 inputs at 128 × 128.
    #[test]
    fn layers_are_those_of_the_tutorial() {
        let small = Dcgan::default();
        small.check().unwrap();
        assert_eq!(small.widths(), [512, 256, 128, 64]);
        let generator = small.generator();
        assert_eq!(generator.output(), Shape::Map([64, 64, 3]));
        // Weights, and four numbers for each of 960 channels.
        assert_eq!(count(&generator), 3_574_784 + 4 * 960);
        assert_eq!(small.critic().unwrap().output(), Shape::Flat(1));
        let large = Dcgan { size: 128, classes: 8, ..Dcgan::default() };
        assert_eq!(large.widths(), [1024, 512, 256, 128, 64]);
        assert_eq!(large.generator().output(), Shape::Map([128, 128, 3]));
        assert_eq!(count(&large.generator()), 12_913_664 + 4 * 1984);
        assert_eq!(large.critic().unwrap().output(), Shape::Flat(1));
        assert!(Dcgan { size: 48, ..small }.check().is_err());
    }
}
