//! Networks that paint a picture in a style, in one forward: filters behind a generator.
//!
//! [`Residual`] is Johnson, Alahi & Fei-Fei's (2016, arXiv 1603.08155) with the norm of each picture by itself (Ulyanov,
//! Vedaldi & Lempitsky 2016, arXiv 1607.08022), as PyTorch's example and Engstrom's have it; [`Pyramid`] is Ulyanov's of
//! the first kind, whose noise here is the same in every frame.
//! Pictures are `[1, h, w, 3]` of 0..255 in red, green, blue.

use burn::tensor::{Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::Family;
use super::texture::Pyramid;
use crate::net::chain::upsample;
use crate::net::cpu::conv::Act;
use crate::net::geometry::Padding;
use crate::net::layers::{ArchError, Chain, Init, Shape, conv_geometry, transposed_geometry};
use crate::net::ops;
use crate::net::params::{Params, Plan, Start};

/// One such network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Style {
    /// Johnson's.
    Residual(Residual),
    /// Ulyanov's.
    Pyramid(Painting),
}

/// What lies beyond the edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// The picture in a mirror.
    #[default]
    Reflect,
    /// Nothing, as TensorFlow pads.
    Zero,
}

/// What makes maps larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Up {
    /// Nearest ×2, and a convolution.
    #[default]
    Nearest,
    /// Transposed convolutions.
    Transposed,
}

/// Johnson's network. With no settings it is the one of PyTorch's examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Residual {
    /// Channels of the three first layers.
    pub channels: [usize; 3],
    /// Blocks in the middle.
    pub blocks: usize,
    /// What lies beyond the edges.
    pub edge: Edge,
    /// What makes maps larger.
    pub up: Up,
    /// Norm behind the last layer too, and `150 tanh(x) + 127.5` (Engstrom's); else what comes out is 0..255.
    pub curved: bool,
    /// Added to the variances.
    pub eps: f32,
}

impl Default for Residual {
    fn default() -> Self {
        Self { channels: [32, 64, 128], blocks: 5, edge: Edge::Reflect, up: Up::Nearest, curved: false, eps: 1e-5 }
    }
}

/// Ulyanov's network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Painting {
    /// Scales.
    pub scales: usize,
    /// Whether a block ends with a convolution of 1 × 1.
    pub third: bool,
    /// Whether there is a norm on the side of what goes in before it is joined.
    pub sides: bool,
    /// By what its output is divided to be 0..1.
    pub divisor: f32,
}

impl Painting {
    /// The network.
    pub fn pyramid(&self) -> Pyramid {
        Pyramid { scales: self.scales, inputs: 6, third: self.third, sides: self.sides }
    }
}

/// Layers, channels and sizes that a file may name at most.
const MOST_BLOCKS: usize = 32;
const MOST_CHANNELS: usize = 1024;

impl Residual {
    /// Its convolutions: name, side of the kernel, channels in and out; transposed ones have theirs turned.
    fn layers(&self) -> Vec<(String, usize, [usize; 2])> {
        let [a, b, c] = self.channels;
        let mut all = vec![("down1".into(), 9, [3, a]), ("down2".into(), 3, [a, b]), ("down3".into(), 3, [b, c])];
        for block in 1..=self.blocks {
            all.extend([1, 2].map(|at| (format!("block{block}.conv{at}"), 3, [c, c])));
        }
        all.extend([("up1".into(), 3, [c, b]), ("up2".into(), 3, [b, a]), ("last".into(), 9, [a, 3])]);
        all
    }

    /// Whether a layer is transposed.
    fn turned(&self, name: &str) -> bool {
        self.up == Up::Transposed && name.starts_with("up")
    }

    /// The arrays.
    pub fn plans(&self) -> Vec<Plan> {
        let mut plans = Vec::new();
        for (name, k, [c, o]) in self.layers() {
            let mut plan = |part: &str, shape: Vec<usize>, start| {
                plans.push(Plan { name: format!("{name}.{part}"), shape, start, trained: true });
            };
            let start = Start::Uniform(1.0 / ((k * k * c) as f64).sqrt());
            plan("kernel", if self.turned(&name) { vec![k, k, o, c] } else { vec![k, k, c, o] }, start);
            plan("bias", vec![o], Start::Zeros);
            if self.curved || name != "last" {
                plan("gamma", vec![o], Start::Ones);
                plan("beta", vec![o], Start::Zeros);
            }
        }
        plans
    }

    /// Paints a picture `[1, h, w, 3]`, whose sides are multiples of 4.
    pub fn paint(&self, params: &Params, picture: Tensor<4>) -> Tensor<4> {
        let mut x = self.layer(params, "down1", picture, 1, Some(0.0));
        x = self.layer(params, "down2", x, 2, Some(0.0));
        x = self.layer(params, "down3", x, 2, Some(0.0));
        for block in 1..=self.blocks {
            let made = self.layer(params, &format!("block{block}.conv1"), x.clone(), 1, Some(0.0));
            x = self.layer(params, &format!("block{block}.conv2"), made, 1, Some(1.0)) + x;
        }
        for name in ["up1", "up2"] {
            x = match self.up {
                Up::Nearest => self.layer(params, name, upsample(x), 1, Some(0.0)),
                Up::Transposed => self.layer(params, name, x, 2, Some(0.0)),
            };
        }
        let x = self.layer(params, "last", x, 1, self.curved.then_some(1.0));
        if self.curved { x.tanh() * 150.0 + 127.5 } else { x }
    }

    /// A convolution; with a slope the norm of this picture and that slope below zero.
    fn layer(&self, params: &Params, name: &str, x: Tensor<4>, stride: usize, slope: Option<f32>) -> Tensor<4> {
        let kernel: Tensor<4> = params.get(name, "kernel");
        let k = kernel.dims()[0];
        let bias = params.get(name, "bias");
        let none = None::<Act>;
        let made = if self.turned(name) {
            let [_, h, w, c] = x.dims();
            let filters = kernel.dims()[2];
            ops::conv_t(x, kernel, bias, transposed_geometry([h, w, c], filters, k, stride, Padding::Same, 0), none)
        } else {
            let (x, padding) = match self.edge {
                Edge::Reflect => (mirrored(x, k / 2), Padding::Pixels(0)),
                Edge::Zero => (x, Padding::Same),
            };
            let [_, h, w, c] = x.dims();
            let filters = kernel.dims()[3];
            ops::conv(x, kernel, bias, conv_geometry([h, w, c], filters, k, stride, padding), none)
        };
        match slope {
            Some(slope) => ops::batch_norm(made, params.get(name, "gamma"), params.get(name, "beta"), self.eps, slope),
            None => made,
        }
    }
}

/// With so many pixels of the mirrored picture at each edge, which itself is not doubled.
fn mirrored(x: Tensor<4>, pad: usize) -> Tensor<4> {
    [1, 2].into_iter().fold(x, |x, dim| {
        let side = x.dims()[dim] as i64;
        let place = |at: i64| {
            if at < 0 {
                -at
            } else if at >= side {
                2 * (side - 1) - at
            } else {
                at
            }
        };
        let places: Vec<i64> = (-(pad as i64)..side + pad as i64).map(|at| place(at).clamp(0, side - 1)).collect();
        let count = places.len();
        let places: Tensor<1, Int> = Tensor::from_data(TensorData::new(places, [count]), &x.device());
        x.select(dim, places)
    })
}

impl Style {
    /// The arrays.
    pub fn plans(&self) -> Vec<Plan> {
        match self {
            Self::Residual(own) => own.plans(),
            Self::Pyramid(own) => own.pyramid().plans(),
        }
    }

    /// What the sides of a picture have to be multiples of.
    pub fn step(&self) -> usize {
        match self {
            Self::Residual(_) => 4,
            Self::Pyramid(own) => 1 << (own.scales.max(1) - 1),
        }
    }
}

impl Family for Style {
    fn name(&self) -> &'static str {
        "style"
    }

    fn z_dim(&self) -> usize {
        0
    }

    fn picture(&self) -> [usize; 3] {
        [256, 256, 3]
    }

    /// It makes nothing of z: see [`Residual::paint`].
    fn generator(&self) -> Chain {
        Chain::new(Shape::Flat(0), Init::default())
    }

    fn critic(&self) -> Option<Chain> {
        None
    }

    fn style(&self) -> Option<&Style> {
        Some(self)
    }

    fn check(&self) -> Result<(), ArchError> {
        match self {
            Self::Residual(own) => {
                if own.blocks > MOST_BLOCKS || own.channels.iter().any(|c| !(1..=MOST_CHANNELS).contains(c)) {
                    return Err(ArchError(format!(
                        "a style has at most {MOST_BLOCKS} blocks and 1..={MOST_CHANNELS} channels"
                    )));
                }
                if !(own.eps.is_finite() && own.eps > 0.0) {
                    return Err(ArchError("eps must be a number above 0".into()));
                }
                Ok(())
            }
            Self::Pyramid(own) => {
                if !((1..=8).contains(&own.scales) && own.divisor.is_finite() && own.divisor > 0.0) {
                    return Err(ArchError("a style has 1..=8 scales, and a divisor above 0".into()));
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::net::params::floats;
    use crate::random::RandomState;

    #[test]
    fn a_mirror_does_not_double_the_edge() {
        let values: Vec<f32> = (0..9).map(|v| v as f32).collect();
        let x = Tensor::from_data(TensorData::new(values, [1, 3, 3, 1]), &Device::flex());
        let made = mirrored(x, 1);
        assert_eq!(made.dims(), [1, 5, 5, 1]);
        assert_eq!(floats(made)[..10], [4.0, 3.0, 4.0, 5.0, 4.0, 1.0, 0.0, 1.0, 2.0, 1.0]);
    }

    #[test]
    fn both_kinds_of_johnsons_keep_the_size() {
        let device = Device::flex();
        let small = Residual { channels: [8, 8, 16], blocks: 1, ..Residual::default() };
        let engstrom = Residual { edge: Edge::Zero, up: Up::Transposed, curved: true, eps: 1e-3, ..small.clone() };
        for own in [small, engstrom] {
            let params = Params::init(&own.plans(), &mut RandomState::new(2), &device);
            let values = (0..12 * 20 * 3).map(|v| (v % 251) as f32).collect();
            let picture: Tensor<4> = Tensor::from_data(TensorData::new(values, [1, 12, 20, 3]), &device);
            let made = own.paint(&params, picture);
            assert_eq!(made.dims(), [1, 12, 20, 3]);
            let made = floats(made);
            assert!(made.iter().all(|v| v.is_finite()) && made.iter().any(|v| (v - made[0]).abs() > 1e-3));
        }
        let style = Style::Residual(Residual::default());
        assert_eq!(toml::from_str::<Style>(&toml::to_string(&style).unwrap()).unwrap(), style);
    }
}
