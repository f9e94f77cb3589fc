//! Texture networks: a pyramid of noises, each scale joined to the one above it twice as large
//! (Ulyanov, Lebedev, Vedaldi & Lempitsky 2016, arXiv 1603.03417), as Ulyanov's `texture_nets_v1` and Gutierrez'
//! `Pyramid2D` have it.
//!
//! What goes in is a list of maps, the coarsest first, each twice as large as the one before: 3 channels of even noise
//! of 0..1, or for a stylisation the picture's 3 and 3 of noise. What comes out is as large as the finest: blue, green,
//! red of 0..255 less [`MEANS`]. Convolutions go around the edges, so pictures join with themselves.
//! These networks are trained with the statistics of each picture ([`Pyramid::draw`]). A model that is played has them
//! measured once ([`Pyramid::measured`]) and fixed ([`Pyramid::calm`]): what changes in one place then changes nothing
//! elsewhere, and the norms go into the weights.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::Family;
use crate::latent::texture as noise;
use crate::net::chain::{self, upsample};
use crate::net::cpu::conv::Act;
use crate::net::cpu::pyramid::{Affine, Conv, Plain, Scale};
use crate::net::geometry::Padding;
use crate::net::layers::{ArchError, Chain, Init, Shape, conv_geometry};
use crate::net::ops;
use crate::net::params::{Param, Params, Plan, Start, floats};

/// What is subtracted from blue, green, red of 0..255 (the means of Caffe's VGG).
pub const MEANS: [f32; 3] = [103.939, 116.779, 123.68];
/// Channels of noise at each scale.
pub const CHANNELS: usize = 3;
/// Longest side of a picture that is drawn at once.
pub const MOST_SIDE: usize = 2048;
/// Pixels of a picture in a show: more would take gigabytes of memory.
const MOST_PIXELS: usize = 2 << 20;
/// Channels that each scale adds.
const STEP: usize = 8;
/// Slope below zero.
const SLOPE: f32 = 0.01;
const EPS: f32 = 1e-5;

/// A texture network as a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Texture {
    /// Height and width of its pictures where nobody asks for others.
    pub size: [usize; 2],
    /// Scales.
    pub scales: usize,
    /// Whether a block ends with a convolution of 1 × 1.
    pub third: bool,
    /// Whether there is a norm on the side of the noise before it is joined (Ulyanov's).
    pub sides: bool,
    /// By what its output is divided to be 0..1.
    pub divisor: f32,
}

impl Default for Texture {
    /// Gutierrez', for pictures of 128 × 128.
    fn default() -> Self {
        let Pyramid { scales, third, sides, .. } = Pyramid::GUTIERREZ;
        Self { size: [128; 2], scales, third, sides, divisor: 255.0 }
    }
}

impl Texture {
    /// The network.
    pub fn pyramid(&self) -> Pyramid {
        Pyramid { scales: self.scales, inputs: CHANNELS, third: self.third, sides: self.sides }
    }

    /// The arrays: the network's, and the fixed statistics of its norms.
    pub fn plans(&self) -> Vec<Plan> {
        self.pyramid().calm_plans()
    }

    /// Pictures `[n, h, w, 3]` of 0..1 in red, green, blue, not cut, from what the network gives.
    pub fn shown(&self, made: Tensor<4>) -> Tensor<4> {
        let [b, g, r] = MEANS;
        let channel = |at: usize, mean: f32| (made.clone().narrow(3, at, 1) + mean) * (1.0 / self.divisor);
        Tensor::cat(vec![channel(2, r), channel(1, g), channel(0, b)], 3)
    }
}

impl Family for Texture {
    fn name(&self) -> &'static str {
        "texture"
    }

    fn z_dim(&self) -> usize {
        self.scales * noise::SCORES
    }

    fn manner(&self) -> usize {
        noise::numbers(self.scales)
    }

    fn picture(&self) -> [usize; 3] {
        [self.size[0], self.size[1], 3]
    }

    /// It is a pyramid and no chain: see [`Self::pyramid`].
    fn generator(&self) -> Chain {
        Chain::new(Shape::Flat(self.z_dim()), Init::default())
    }

    fn critic(&self) -> Option<Chain> {
        None
    }

    fn texture(&self) -> Option<&Texture> {
        Some(self)
    }

    fn check(&self) -> Result<(), ArchError> {
        if !(1..=noise::MOST_SCALES).contains(&self.scales) {
            return Err(ArchError(format!("scales must lie in 1..={}, not {}", noise::MOST_SCALES, self.scales)));
        }
        if !(self.divisor.is_finite() && self.divisor > 0.0) {
            return Err(ArchError("divisor must be a number above 0, such as 255".into()));
        }
        if self.size.iter().any(|side| *side > MOST_SIDE) {
            return Err(ArchError(format!("its pictures have sides of {MOST_SIDE} pixels at most")));
        }
        let [h, w] = self.size;
        if h * w > MOST_PIXELS {
            return Err(ArchError(format!("its pictures have at most {MOST_PIXELS} pixels, and {w}x{h} has more")));
        }
        self.pyramid().sizes(self.size).map(drop)
    }
}

/// What is done at each norm: its name, what goes in, and the slope below zero behind it.
type Norm<'a> = &'a mut dyn FnMut(&str, Tensor<4>, f32) -> Tensor<4>;

/// One such network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pyramid {
    /// Scales: 6 for textures, 5 for stylisations.
    pub scales: usize,
    /// Channels that go in at each scale: 3, or 6 with a picture.
    pub inputs: usize,
    /// Whether a block ends with a convolution of 1 × 1.
    pub third: bool,
    /// Whether there is a norm on the side of the noise before it is joined (Ulyanov's).
    pub sides: bool,
}

impl Pyramid {
    /// Gutierrez' Pyramid2D: 116 835 numbers.
    pub const GUTIERREZ: Self = Self { scales: 6, inputs: 3, third: true, sides: false };

    /// Blocks in the order of the network: name, channels in and out.
    pub fn blocks(&self) -> Vec<(String, [usize; 2])> {
        (1..=self.scales)
            .flat_map(|k| {
                let noise = (format!("noise{k}"), [self.inputs, STEP]);
                let joined = (format!("joined{k}"), [STEP * k, STEP * k]);
                std::iter::once(noise).chain((k > 1).then_some(joined))
            })
            .collect()
    }

    /// The arrays.
    pub fn plans(&self) -> Vec<Plan> {
        let mut plans = Vec::new();
        for (name, [c, o]) in self.blocks() {
            for at in 1..=if self.third { 3 } else { 2 } {
                let (k, c) = (if at == 3 { 1 } else { 3 }, if at == 1 { c } else { o });
                plans.extend(conv_plans(&format!("{name}.conv{at}"), k, [c, o]));
                plans.extend(norm_plans(&format!("{name}.norm{at}"), o));
            }
        }
        for k in 2..=self.scales {
            plans.extend(norm_plans(&format!("up{k}"), STEP * (k - 1)));
            if self.sides {
                plans.extend(norm_plans(&format!("side{k}"), STEP));
            }
        }
        plans.extend(conv_plans("last", 1, [STEP * self.scales, 3]));
        plans
    }

    /// The norms, each with its channels.
    pub fn norms(&self) -> Vec<(String, usize)> {
        let gamma = |plan: &Plan| Some((plan.name.strip_suffix(".gamma")?.to_owned(), plan.len()));
        self.plans().iter().filter_map(gamma).collect()
    }

    /// The same arrays, and behind them mean and variance of each norm for [`Self::calm`].
    pub fn calm_plans(&self) -> Vec<Plan> {
        let mut plans = self.plans();
        for (name, channels) in self.norms() {
            for (part, start) in [("moving_mean", Start::Zeros), ("moving_variance", Start::Ones)] {
                plans.push(Plan { name: format!("{name}.{part}"), shape: vec![channels], start, trained: false });
            }
        }
        plans
    }

    /// The sizes of what goes in, the coarsest first, for a picture of this height and width.
    ///
    /// # Errors
    /// If that is no multiple of the coarsest step.
    pub fn sizes(&self, [h, w]: [usize; 2]) -> Result<Vec<[usize; 2]>, ArchError> {
        let step = 1 << (self.scales - 1);
        if h < step || w < step || h % step > 0 || w % step > 0 {
            return Err(ArchError(format!("its pictures are multiples of {step} pixels each way, and {w}x{h} is not")));
        }
        Ok((0..self.scales).rev().map(|k| [h >> k, w >> k]).collect())
    }

    /// The picture `[n, h, w, 3]` of maps `[n, h / 2^k, w / 2^k, inputs]`, the coarsest first, with norms by the
    /// statistics of what is drawn.
    pub fn draw(&self, params: &Params, inputs: Vec<Tensor<4>>) -> Tensor<4> {
        self.through(params, inputs, &mut |name, x, slope| {
            ops::batch_norm(x, params.get(name, "gamma"), params.get(name, "beta"), EPS, slope)
        })
    }

    /// The same with the statistics that are among the arrays.
    pub fn calm(&self, params: &Params, inputs: Vec<Tensor<4>>) -> Tensor<4> {
        let device = params.list.first().map(|p| p.value.device()).unwrap_or_default();
        self.through(params, inputs, &mut |name, x, slope| {
            let c = x.dims()[3];
            let [scale, shift] = chain::scale_and_shift(params, name, EPS, Tensor::zeros([c], &device));
            let x = x * scale.reshape([1, 1, 1, c]) + shift.reshape([1, 1, 1, c]);
            if slope == 1.0 { x } else { burn::tensor::activation::leaky_relu(x, f64::from(slope)) }
        })
    }

    /// The arrays with statistics as these maps give them.
    pub fn measured(&self, params: &Params, inputs: Vec<Tensor<4>>) -> Params {
        let mut found = Vec::new();
        self.through(params, inputs, &mut |name, x, slope| {
            let (gamma, beta) = (params.get(name, "gamma"), params.get(name, "beta"));
            let (made, moments) = ops::batch_norm_and_moments(x, gamma, beta, EPS, slope);
            found.push((name.to_owned(), moments));
            made
        });
        let arrays = params.list.iter().filter(|param| !param.name.contains(".moving_")).cloned();
        let statistics = self.norms().into_iter().flat_map(|(name, channels)| {
            let at = found.iter().position(|(found, _)| *found == name).unwrap_or(0);
            let [mean, variance] = found[at].1.clone();
            [("moving_mean", mean), ("moving_variance", variance)].map(|(part, value)| Param {
                name: format!("{name}.{part}"),
                shape: vec![channels],
                value,
                trained: false,
            })
        });
        Params { list: arrays.chain(statistics).collect() }
    }

    /// The network in plain numbers for the CPU's own kernels, with fixed statistics.
    pub fn plain(&self, params: &Params) -> Plain {
        let device = params.list.first().map(|p| p.value.device()).unwrap_or_default();
        let affine = |name: &str, bias: Tensor<1>| chain::scale_and_shift(params, name, EPS, bias).map(floats);
        let block = |name: &str| {
            let conv = |at: usize| {
                let layer = format!("{name}.conv{at}");
                let [scale, shift] = affine(&format!("{name}.norm{at}"), params.get(&layer, "bias"));
                Conv { kernel: floats(params.get::<4>(&layer, "kernel")), scale, shift }
            };
            (1..=if self.third { 3 } else { 2 }).map(conv).collect()
        };
        let norm = |name: String, channels: usize| {
            let [scale, shift] = affine(&name, Tensor::zeros([channels], &device));
            Affine { scale, shift }
        };
        let scale = |k: usize| Scale {
            noise: block(&format!("noise{k}")),
            joined: (k > 1).then(|| {
                let side = self.sides.then(|| norm(format!("side{k}"), STEP));
                (norm(format!("up{k}"), STEP * (k - 1)), side, block(&format!("joined{k}")))
            }),
        };
        let last = Conv {
            kernel: floats(params.get::<4>("last", "kernel")),
            scale: vec![1.0; CHANNELS],
            shift: floats(params.get::<1>("last", "bias")),
        };
        Plain { scales: (1..=self.scales).map(scale).collect(), last, slope: SLOPE, inputs: self.inputs }
    }

    fn through(&self, params: &Params, inputs: Vec<Tensor<4>>, norm: Norm) -> Tensor<4> {
        let mut y: Option<Tensor<4>> = None;
        for (at, noise) in inputs.into_iter().enumerate() {
            let k = at + 1;
            let mut n = self.block(params, &format!("noise{k}"), noise, norm);
            y = Some(match y {
                None => n,
                Some(y) => {
                    let y = norm(&format!("up{k}"), upsample(y), 1.0);
                    if self.sides {
                        n = norm(&format!("side{k}"), n, 1.0);
                    }
                    self.block(params, &format!("joined{k}"), Tensor::cat(vec![y, n], 3), norm)
                }
            });
        }
        let y = y.unwrap_or_else(|| Tensor::zeros([1, 1, 1, STEP], &Default::default()));
        conv(params, "last", y, 1)
    }

    fn block(&self, params: &Params, name: &str, x: Tensor<4>, norm: Norm) -> Tensor<4> {
        let twice = [1, 2].into_iter().fold(x, |x, at| {
            let x = conv(params, &format!("{name}.conv{at}"), wrapped(x), 3);
            norm(&format!("{name}.norm{at}"), x, SLOPE)
        });
        match self.third {
            true => norm(&format!("{name}.norm3"), conv(params, &format!("{name}.conv3"), twice, 1), SLOPE),
            false => twice,
        }
    }
}

fn conv_plans(name: &str, k: usize, [c, o]: [usize; 2]) -> [Plan; 2] {
    // As Torch begins: even within 1 / √fan-in.
    let start = Start::Uniform(1.0 / ((k * k * c) as f64).sqrt());
    let plan = |part: &str, shape| Plan { name: format!("{name}.{part}"), shape, start, trained: true };
    [plan("kernel", vec![k, k, c, o]), plan("bias", vec![o])]
}

fn norm_plans(name: &str, channels: usize) -> [Plan; 2] {
    let plan = |part: &str, start| Plan { name: format!("{name}.{part}"), shape: vec![channels], start, trained: true };
    [plan("gamma", Start::Ones), plan("beta", Start::Zeros)]
}

/// A convolution without a border.
fn conv(params: &Params, name: &str, x: Tensor<4>, k: usize) -> Tensor<4> {
    let [_, h, w, c] = x.dims();
    let kernel = params.get::<4>(name, "kernel");
    let filters = kernel.dims()[3];
    let g = conv_geometry([h, w, c], filters, k, 1, Padding::Pixels(0));
    ops::conv(x, kernel, params.get(name, "bias"), g, None::<Act>)
}

/// With a border of one pixel of what lies at the other side: rows first, then columns.
fn wrapped(x: Tensor<4>) -> Tensor<4> {
    [1, 2].into_iter().fold(x, |x, dim| {
        let side = x.dims()[dim];
        let (last, first) = (x.clone().narrow(dim, side - 1, 1), x.clone().narrow(dim, 0, 1));
        Tensor::cat(vec![last, x, first], dim)
    })
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::net::params::floats;
    use crate::random::RandomState;

    fn count(pyramid: &Pyramid) -> usize {
        pyramid.plans().iter().map(Plan::len).sum()
    }

    #[test]
    fn counts_are_those_of_the_originals() {
        assert_eq!(count(&Pyramid::GUTIERREZ), 116_835);
        // Norms on the side of the noise besides: the file has 80 numbers fewer for a reason of its own.
        let ulyanov = Pyramid { sides: true, ..Pyramid::GUTIERREZ };
        assert_eq!(count(&ulyanov), 116_835 + 5 * 16);
    }

    #[test]
    fn what_is_moved_around_the_edges_gives_the_picture_moved() {
        let pyramid = Pyramid { scales: 3, ..Pyramid::GUTIERREZ };
        let device = Device::flex();
        let mut random = RandomState::new(4);
        let params = Params::init(&pyramid.plans(), &mut random, &device);
        let sizes = pyramid.sizes([16, 24]).unwrap();
        assert_eq!(sizes, [[4, 6], [8, 12], [16, 24]]);
        let maps: Vec<Vec<f32>> =
            sizes.iter().map(|[h, w]| (0..h * w * 3).map(|_| random.uniform() as f32).collect()).collect();
        let draw = |shift: usize| {
            let inputs = maps.iter().zip(&sizes).enumerate().map(|(at, (values, [h, w]))| {
                let mut values = values.clone();
                // One pixel of the coarsest is four of the finest.
                values.rotate_right((shift << at) * w * 3);
                Tensor::from_data(TensorData::new(values, [1, *h, *w, 3]), &device)
            });
            floats(pyramid.draw(&params, inputs.collect()))
        };
        let (mut still, moved) = (draw(0), draw(1));
        still.rotate_right(4 * 24 * 3);
        assert_eq!(still.len(), 16 * 24 * 3);
        assert!(still.iter().zip(&moved).all(|(a, b)| (a - b).abs() < 1e-3));
        assert!(pyramid.sizes([18, 24]).unwrap_err().0.contains("multiples of 4"));
    }
}
