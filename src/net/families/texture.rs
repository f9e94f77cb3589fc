//! Texture networks: a pyramid of noises, each scale joined to the one above it twice as large
//! (Ulyanov, Lebedev, Vedaldi & Lempitsky 2016, arXiv 1603.03417), as Ulyanov's `texture_nets_v1` and Gutierrez'
//! `Pyramid2D` have it.
//!
//! What goes in is a list of maps, the coarsest first, each twice as large as the one before: 3 channels of even noise
//! of 0..1, or for a stylisation the picture's 3 and 3 of noise. What comes out is as large as the finest: blue, green,
//! red of 0..255 less [`MEANS`]. Convolutions go around the edges, so pictures join with themselves; norms take the
//! statistics of the picture that is drawn, as these networks were trained.

use burn::tensor::Tensor;

use crate::net::chain::upsample;
use crate::net::cpu::conv::Act;
use crate::net::geometry::Padding;
use crate::net::layers::{ArchError, conv_geometry};
use crate::net::ops;
use crate::net::params::{Params, Plan, Start};

/// What is subtracted from blue, green, red of 0..255 (the means of Caffe's VGG).
pub const MEANS: [f32; 3] = [103.939, 116.779, 123.68];
/// Channels that each scale adds.
const STEP: usize = 8;
/// Slope below zero.
const SLOPE: f32 = 0.01;
const EPS: f32 = 1e-5;

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

    /// The picture `[n, h, w, 3]` of maps `[n, h / 2^k, w / 2^k, inputs]`, the coarsest first.
    pub fn draw(&self, params: &Params, inputs: Vec<Tensor<4>>) -> Tensor<4> {
        let mut y: Option<Tensor<4>> = None;
        for (at, noise) in inputs.into_iter().enumerate() {
            let k = at + 1;
            let mut n = self.block(params, &format!("noise{k}"), noise);
            y = Some(match y {
                None => n,
                Some(y) => {
                    let y = norm(params, &format!("up{k}"), upsample(y), 1.0);
                    if self.sides {
                        n = norm(params, &format!("side{k}"), n, 1.0);
                    }
                    self.block(params, &format!("joined{k}"), Tensor::cat(vec![y, n], 3))
                }
            });
        }
        let y = y.unwrap_or_else(|| Tensor::zeros([1, 1, 1, STEP], &Default::default()));
        conv(params, "last", y, 1)
    }

    fn block(&self, params: &Params, name: &str, x: Tensor<4>) -> Tensor<4> {
        let twice = [1, 2].into_iter().fold(x, |x, at| {
            let x = conv(params, &format!("{name}.conv{at}"), wrapped(x), 3);
            norm(params, &format!("{name}.norm{at}"), x, SLOPE)
        });
        match self.third {
            true => norm(params, &format!("{name}.norm3"), conv(params, &format!("{name}.conv3"), twice, 1), SLOPE),
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

/// By the statistics of what is drawn, then the slope.
fn norm(params: &Params, name: &str, x: Tensor<4>, slope: f32) -> Tensor<4> {
    ops::batch_norm(x, params.get(name, "gamma"), params.get(name, "beta"), EPS, slope)
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
