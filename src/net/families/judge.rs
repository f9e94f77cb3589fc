//! The discriminator of StyleGAN2 (Karras et al. 2020) as NVlabs/stylegan2-ada-pytorch has it: pictures → scores.
//!
//! A chain of blocks that halve, the deviation of a batch as one more channel, two dense layers; with classes the last
//! one is compared with a mapping of them. Kept beside a generator as its critic; nothing trains it here.
//! Gains of the equalised layers are in the arrays.

use burn::tensor::{Device, Tensor, activation};
use serde::{Deserialize, Serialize};

use crate::net::cpu::conv::Act;
use crate::net::geometry::Padding;
use crate::net::layers::{ArchError, conv_geometry};
use crate::net::ops;
use crate::net::params::{Params, Plan, Start};

const SLOPE: f64 = 0.2;
const EPS: f64 = 1e-8;
/// The filter before a halving, in one direction.
const FILTER: [f32; 4] = [0.125, 0.375, 0.375, 0.125];

/// The settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judge {
    /// Channels behind the first 1 × 1 and behind each block that halves, the finest first.
    pub channels: Vec<usize>,
    /// Whether blocks have a second branch.
    pub residual: bool,
    /// Pictures whose deviation is taken together.
    pub group: usize,
    /// Layers of the mapping of classes, and its dimensions; none where it knows no classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<[usize; 2]>,
}

impl Judge {
    /// Checks the numbers of layers and channels.
    ///
    /// # Errors
    /// If one cannot be meant.
    pub fn check(&self, blocks: usize) -> Result<(), ArchError> {
        let sound = blocks > 1
            && self.channels.len() == blocks
            && self.channels.iter().all(|c| (1..=4096).contains(c))
            && (1..=1024).contains(&self.group)
            && self.classes.is_none_or(|[layers, dim]| layers <= 32 && (1..=1 << 16).contains(&dim));
        match sound {
            true => Ok(()),
            false => Err(ArchError("the judge's channels, group or classes are not those of a StyleGAN2".into())),
        }
    }

    /// The arrays, for pictures of so many channels whose smallest map is `first`, and so many classes.
    pub fn plans(&self, picture_channels: usize, first: [usize; 2], classes: usize) -> Vec<Plan> {
        let mut plans = Vec::new();
        let mut plan = |name: String, shape: Vec<usize>, fan: usize| {
            let start = match fan {
                0 => Start::Zeros,
                fan => Start::Normal { mean: 0.0, deviation: 1.0 / (fan as f64).sqrt() },
            };
            plans.push(Plan { name, shape, start, trained: true });
        };
        let count = self.channels.len();
        for (at, pair) in self.channels.windows(2).enumerate() {
            let (name, c, o) = (format!("b{}", 4 << (count - 1 - at)), pair[0], pair[1]);
            if at == 0 {
                plan(format!("{name}.fromrgb.kernel"), vec![1, 1, picture_channels, c], picture_channels);
                plan(format!("{name}.fromrgb.bias"), vec![c], 0);
            }
            plan(format!("{name}.conv0.kernel"), vec![3, 3, c, c], 9 * c);
            plan(format!("{name}.conv0.bias"), vec![c], 0);
            plan(format!("{name}.conv1.kernel"), vec![3, 3, c, o], 9 * c);
            plan(format!("{name}.conv1.bias"), vec![o], 0);
            if self.residual {
                plan(format!("{name}.skip.kernel"), vec![1, 1, c, o], c);
            }
        }
        let c = self.channels.last().copied().unwrap_or(1);
        let inputs = c * first[0] * first[1];
        plan("b4.conv.kernel".into(), vec![3, 3, c + 1, c], 9 * (c + 1));
        plan("b4.conv.bias".into(), vec![c], 0);
        plan("b4.fc.kernel".into(), vec![inputs, c], inputs);
        plan("b4.fc.bias".into(), vec![c], 0);
        let outputs = self.classes.map_or(1, |[_, dim]| dim);
        plan("b4.out.kernel".into(), vec![c, outputs], c);
        plan("b4.out.bias".into(), vec![outputs], 0);
        if let Some([layers, dim]) = self.classes {
            plan("mapping.embed.kernel".into(), vec![classes, dim], classes);
            plan("mapping.embed.bias".into(), vec![dim], 0);
            for at in 0..layers {
                plan(format!("mapping.fc{at}.kernel"), vec![dim, dim], dim);
                plan(format!("mapping.fc{at}.bias"), vec![dim], 0);
            }
        }
        plans
    }

    /// Scores `[n]` of pictures `[n, h, w, c]` of −1..1 with a blend of classes `[n, classes]`; higher is more like the
    /// data.
    pub fn scores(&self, params: &Params, pictures: Tensor<4>, classes: Option<Tensor<2>>) -> Tensor<1> {
        let count = self.channels.len();
        let half = if self.residual { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
        let mut x = pictures;
        for at in 0..count.saturating_sub(1) {
            let name = format!("b{}", 4 << (count - 1 - at));
            if at == 0 {
                x = curved(conv(params, &format!("{name}.fromrgb"), x, 1), 1.0);
            }
            let before = self.residual.then(|| {
                let kernel: Tensor<4> = params.get(&format!("{name}.skip"), "kernel");
                convolved(x.clone(), behind_filter(kernel), None, 2, 1) * half
            });
            x = curved(conv(params, &format!("{name}.conv0"), x, 3), 1.0);
            let kernel: Tensor<4> = params.get(&format!("{name}.conv1"), "kernel");
            let bias = params.get(&format!("{name}.conv1"), "bias");
            x = curved(convolved(x, behind_filter(kernel), Some(bias), 2, 2), half);
            if let Some(before) = before {
                x = x + before;
            }
        }
        x = self.with_deviation(x);
        x = curved(conv(params, "b4.conv", x, 3), 1.0);
        let [n, h, w, c] = x.dims();
        // The original counts pixels within channels.
        let flat = x.permute([0, 3, 1, 2]).reshape([n, c * h * w]);
        let flat = activation::leaky_relu(dense(params, "b4.fc", flat), SLOPE) * std::f64::consts::SQRT_2;
        let made = dense(params, "b4.out", flat);
        match (self.classes, classes) {
            (Some([layers, dim]), Some(classes)) => {
                let mut y = normalised(dense(params, "mapping.embed", classes));
                for at in 0..layers {
                    let next = dense(params, &format!("mapping.fc{at}"), y);
                    y = activation::leaky_relu(next, SLOPE) * std::f64::consts::SQRT_2;
                }
                (made * y).sum_dim(1).reshape([n]) / (dim as f64).sqrt()
            }
            _ => made.narrow(1, 0, 1).reshape([n]),
        }
    }

    /// One more channel: how much the pictures of a group differ.
    fn with_deviation(&self, x: Tensor<4>) -> Tensor<4> {
        let [n, h, w, c] = x.dims();
        let group = (1..=self.group.min(n)).rev().find(|group| n % group == 0).unwrap_or(1);
        let others = n / group;
        let y = x.clone().reshape([group, others, h * w * c]);
        let y = y.clone() - y.mean_dim(0);
        let y = (y.powi_scalar(2).mean_dim(0) + EPS).sqrt().mean_dim(2).reshape([1, others]);
        let y = y.repeat_dim(0, group).reshape([n, 1, 1, 1]).repeat_dim(1, h).repeat_dim(2, w);
        Tensor::cat(vec![x, y], 3)
    }
}

/// A kernel `[k, k, c, o]` with the filter of a halving before it: `[k + 3, k + 3, c, o]`.
fn behind_filter(kernel: Tensor<4>) -> Tensor<4> {
    let [k, _, c, o] = kernel.dims();
    let graph = kernel.is_autodiff();
    let device: Device = if graph { kernel.device().inner() } else { kernel.device() };
    let zeros: Tensor<4> = Tensor::zeros([k + 3, k + 3, c, o], &device);
    let mut made = if graph { zeros.autodiff() } else { zeros };
    for (y, fy) in FILTER.iter().enumerate() {
        for (x, fx) in FILTER.iter().enumerate() {
            let place = [y..y + k, x..x + k, 0..c, 0..o];
            let sum = made.clone().slice(place.clone()) + kernel.clone() * (fy * fx);
            made = made.slice_assign(place, sum);
        }
    }
    made
}

fn convolved(x: Tensor<4>, kernel: Tensor<4>, bias: Option<Tensor<1>>, stride: usize, pad: usize) -> Tensor<4> {
    let ([_, h, w, c], [k, _, _, o]) = (x.dims(), kernel.dims());
    let bias = bias.unwrap_or_else(|| {
        let graph = x.is_autodiff();
        let none = Tensor::zeros([o], &if graph { x.device().inner() } else { x.device() });
        if graph { none.autodiff() } else { none }
    });
    ops::conv(x, kernel, bias, conv_geometry([h, w, c], o, k, stride, Padding::Pixels(pad)), None::<Act>)
}

fn conv(params: &Params, name: &str, x: Tensor<4>, k: usize) -> Tensor<4> {
    convolved(x, params.get(name, "kernel"), Some(params.get(name, "bias")), 1, k / 2)
}

fn curved(x: Tensor<4>, gain: f64) -> Tensor<4> {
    activation::leaky_relu(x, SLOPE) * (std::f64::consts::SQRT_2 * gain)
}

fn dense(params: &Params, name: &str, x: Tensor<2>) -> Tensor<2> {
    let bias: Tensor<1> = params.get(name, "bias");
    let units = bias.dims()[0];
    x.matmul(params.get(name, "kernel")) + bias.reshape([1, units])
}

fn normalised(x: Tensor<2>) -> Tensor<2> {
    let mean = x.clone().powi_scalar(2).mean_dim(1);
    x / (mean + EPS).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::params::floats;
    use crate::random::RandomState;
    use burn::tensor::TensorData;

    #[test]
    fn each_form_scores_and_knows_classes() {
        let device = Device::flex();
        for (residual, classes) in [(true, None), (false, None), (true, Some([2, 6]))] {
            let judge = Judge { channels: vec![5, 6, 7], residual, group: 4, classes };
            judge.check(3).unwrap();
            assert!(judge.check(4).is_err());
            let params = Params::init(&judge.plans(3, [4, 6], 2), &mut RandomState::new(1), &device);
            let values: Vec<f32> = (0..3 * 16 * 24 * 3).map(|at| (at as f32 * 0.37).sin()).collect();
            let pictures: Tensor<4> = Tensor::from_data(TensorData::new(values, [3, 16, 24, 3]), &device);
            let blend = |first: f32| {
                let rows = [first, 1.0 - first].repeat(3);
                Some(Tensor::from_data(TensorData::new(rows, [3, 2]), &device))
            };
            let scores = floats(judge.scores(&params, pictures.clone(), blend(1.0)));
            assert!(scores.len() == 3 && scores.iter().all(|v| v.is_finite()) && scores[0] != scores[1]);
            let others = floats(judge.scores(&params, pictures, blend(0.0)));
            assert_eq!(scores != others, classes.is_some());
        }
    }
}
