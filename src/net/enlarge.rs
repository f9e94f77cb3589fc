//! Networks that make a picture larger, as a list of convolutions: what each reads, and what follows its sums.
//!
//! The families (`families::rrdb`, `families::compact`) write the list. It is run here by burn's operations, which
//! trains it too, and on the CPU by [`super::cpu::enlarge`]. Absent: files, tiles, and bytes.

use burn::tensor::Tensor;

use super::chain::upsample;
use super::cpu::conv::Act;
use super::geometry::Padding;
use super::layers::{conv_geometry, transposed_geometry};
use super::ops;
use super::params::{Params, Plan, Start};

/// Channels of a picture.
pub const CHANNELS: usize = 3;
/// Side of every kernel.
pub const SIDE: usize = 3;

/// What becomes of a value below zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slope {
    /// Nothing.
    Linear,
    /// It is multiplied by this.
    Leaky(f32),
    /// It is multiplied by a number that was learnt for its channel (PReLU), the array `slope`.
    Learnt,
}

/// How a layer makes its map larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Up {
    /// Not at all.
    No,
    /// Each pixel stands four times before the convolution.
    Nearest,
    /// The convolution is transposed and of stride 2, `SAME` as TensorFlow has it.
    Transposed,
}

/// A convolution of 3 × 3 with zeros beyond the edges: `to = gain · curve(conv(from) + bias) + Σ factor · other`.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Name of its arrays `kernel` `[3, 3, in, out]` (of a transposed one `[3, 3, out, in]`), `bias` `[out]` and, where
    /// it is learnt, `slope` `[out]`.
    pub name: String,
    /// The maps that it reads, one behind the other, and the channels of each. Map 0 is the picture.
    pub from: Vec<(usize, usize)>,
    /// The map that it makes; none of those that it reads.
    pub to: usize,
    /// Channels that come out.
    pub outputs: usize,
    /// How it makes its map larger.
    pub up: Up,
    /// What follows.
    pub slope: Slope,
    /// Factor behind that.
    pub gain: f32,
    /// Maps that are added, each with its factor.
    pub plus: Vec<(usize, f32)>,
}

impl Step {
    /// One that reads a map and does nothing else.
    pub fn new(name: impl Into<String>, from: Vec<(usize, usize)>, to: usize, outputs: usize) -> Self {
        let name = name.into();
        Self { name, from, to, outputs, up: Up::No, slope: Slope::Linear, gain: 1.0, plus: Vec::new() }
    }

    /// Channels that go in.
    pub fn inputs(&self) -> usize {
        self.from.iter().map(|(_, channels)| channels).sum()
    }
}

/// A network.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Squares of the picture of this side become channels of one pixel before the first layer; 1 is as it is.
    pub unshuffled: usize,
    /// The convolutions, in order.
    pub steps: Vec<Step>,
    /// Channels of the last map become squares of this side; 1 is as it is.
    pub shuffled: usize,
    /// Whether the picture with each pixel repeated is added at the end.
    pub added: bool,
    /// What the brightest value of a picture is for the network: 1, or 255.
    pub brightest: f32,
    /// Factor of the kernels that a training begins with: 0.1 in the paper, whose blocks add to what goes through; 1
    /// where every layer is on the only way.
    pub start: f64,
}

impl Layout {
    /// How many times larger pictures become in each direction.
    pub fn scale(&self) -> usize {
        let doubled = self.steps.iter().filter(|step| step.up != Up::No).count();
        (self.shuffled << doubled) / self.unshuffled
    }

    /// The arrays; kernels start normal by what goes in (He et al. 2015), times [`Self::start`], and what is added to the
    /// picture starts small.
    pub fn plans(&self) -> Vec<Plan> {
        let mut plans = Vec::new();
        for (at, step) in self.steps.iter().enumerate() {
            let (c, o) = (step.inputs(), step.outputs);
            let last = self.added && at + 1 == self.steps.len();
            let mut plan = |part: &str, shape: Vec<usize>, start| {
                plans.push(Plan { name: format!("{}.{part}", step.name), shape, start, trained: true });
            };
            let deviation = (2.0 / (SIDE * SIDE * c) as f64).sqrt() * if last { 0.1 } else { self.start };
            let shape = if step.up == Up::Transposed { vec![SIDE, SIDE, o, c] } else { vec![SIDE, SIDE, c, o] };
            plan("kernel", shape, Start::Normal { mean: 0.0, deviation });
            plan("bias", vec![o], Start::Zeros);
            if step.slope == Slope::Learnt {
                plan("slope", vec![o], Start::Normal { mean: 0.25, deviation: 0.0 });
            }
        }
        plans
    }

    /// Multiplications for one pixel of a picture.
    pub fn products(&self) -> f64 {
        let (mut all, mut pixels) = (0.0, 1.0 / (self.unshuffled * self.unshuffled) as f64);
        for step in &self.steps {
            if step.up == Up::Nearest {
                pixels *= 4.0;
            }
            all += pixels * (SIDE * SIDE * step.inputs() * step.outputs) as f64;
            if step.up == Up::Transposed {
                pixels *= 4.0;
            }
        }
        all
    }

    /// Pictures `[n, h, w, 3]` of 0..1 as `[n, scale · h, scale · w, 3]` about 0..1, not cut. Sides are multiples of
    /// [`Self::unshuffled`].
    pub fn run(&self, params: &Params, picture: Tensor<4>) -> Tensor<4> {
        let first = unshuffled(picture.clone(), self.unshuffled) * self.brightest;
        let mut maps: Vec<Option<Tensor<4>>> = vec![Some(first)];
        let mut last = 0;
        for step in &self.steps {
            let parts: Vec<Tensor<4>> = step.from.iter().filter_map(|(map, _)| maps[*map].clone()).collect();
            let x = if parts.len() == 1 { parts[0].clone() } else { Tensor::cat(parts, 3) };
            let mut made = layer(step, params, x);
            if step.gain != 1.0 {
                made = made * step.gain;
            }
            for (map, factor) in &step.plus {
                let Some(other) = maps[*map].clone() else { continue };
                made = made + if *factor == 1.0 { other } else { other * *factor };
            }
            if maps.len() <= step.to {
                maps.resize(step.to + 1, None);
            }
            maps[step.to] = Some(made);
            last = step.to;
        }
        let made = maps.swap_remove(last).unwrap_or(picture.clone());
        let made = shuffled(made, self.shuffled);
        let made = if self.brightest == 1.0 { made } else { made / self.brightest };
        if self.added { made + repeated(picture, self.scale()) } else { made }
    }
}

/// Sums, and the slope.
fn layer(step: &Step, params: &Params, x: Tensor<4>) -> Tensor<4> {
    let kernel: Tensor<4> = params.get(&step.name, "kernel");
    let bias = params.get(&step.name, "bias");
    let act = match step.slope {
        Slope::Leaky(slope) => Some(Act::Leaky(slope)),
        Slope::Linear | Slope::Learnt => None,
    };
    let x = if step.up == Up::Nearest { upsample(x) } else { x };
    let [_, h, w, c] = x.dims();
    let made = match step.up {
        Up::Transposed => {
            let geometry = transposed_geometry([h, w, c], step.outputs, SIDE, 2, Padding::Same, 0);
            ops::conv_t(x, kernel, bias, geometry, act)
        }
        _ => ops::conv(x, kernel, bias, conv_geometry([h, w, c], step.outputs, SIDE, 1, Padding::Same), act),
    };
    match step.slope {
        Slope::Learnt => {
            let slope: Tensor<1> = params.get(&step.name, "slope");
            let lower = made.clone().clamp_max(0.0) * slope.reshape([1, 1, 1, step.outputs]);
            made.clamp_min(0.0) + lower
        }
        _ => made,
    }
}

/// Squares of pixels as channels, in PyTorch's order (colour, line, column).
fn unshuffled(x: Tensor<4>, side: usize) -> Tensor<4> {
    if side == 1 {
        return x;
    }
    let [n, h, w, c] = x.dims();
    let parts: Tensor<6> = x.reshape([n, h / side, side, w / side, side, c]);
    parts.permute([0, 1, 3, 5, 2, 4]).reshape([n, h / side, w / side, c * side * side])
}

/// Channels as squares of pixels, in PyTorch's order.
fn shuffled(x: Tensor<4>, side: usize) -> Tensor<4> {
    if side == 1 {
        return x;
    }
    let [n, h, w, c] = x.dims();
    let c = c / (side * side);
    let parts: Tensor<6> = x.reshape([n, h, w, c, side, side]);
    parts.permute([0, 1, 4, 2, 5, 3]).reshape([n, h * side, w * side, c])
}

/// Each pixel `side · side` times.
fn repeated(x: Tensor<4>, side: usize) -> Tensor<4> {
    let [n, h, w, c] = x.dims();
    let parts: Tensor<6> = x.reshape([n, h, 1, w, 1, c]);
    parts.expand([n, h, side, w, side, c]).reshape([n, h * side, w * side, c])
}
