//! StyleGAN2 (Karras et al. 2020, arXiv 1912.04958) as NVlabs/stylegan2-ada-pytorch has it.
//!
//! z, and behind it a blend of classes, goes through a mapping to w ([`crate::net::mapping`]); each layer of the synthesis is scaled by what an
//! affine map makes of its own w. A kernel that is scaled for each picture is the same as scaling the map before it and
//! the map behind it, so one kernel serves a whole batch. Doubling and convolution, with the filter [1, 3, 3, 1] behind
//! them, are one transposed convolution of six taps.
//! Gains of the equalised layers are in the arrays: whoever reads a file multiplies them in.

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::Family;
use super::judge::Judge;
use crate::latent::style;
use crate::net::cpu::synthesis;
use crate::net::layers::{ArchError, Chain, Init, Shape};
use crate::net::params::{Param, Params, Plan, Start, floats};

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
    /// What judged its pictures, where it came along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<Judge>,
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
            judge: None,
        }
    }
}

/// Slope below zero, and what follows it.
pub const SLOPE: f32 = 0.2;
/// That factor.
pub const GAIN: f64 = std::f64::consts::SQRT_2;
/// Layers and channels that a file may name at most.
const MOST_LAYERS: usize = 32;
const MOST_BLOCKS: usize = 10;
const MOST_CHANNELS: usize = 2048;
/// Sides of the first map at most.
const MOST_FIRST: usize = 64;
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

    /// Height and width of a picture.
    pub fn size(&self) -> [usize; 2] {
        let last = self.channels.len().saturating_sub(1).min(MOST_BLOCKS);
        self.first.map(|side| side << last)
    }

    /// Products of all convolutions of a picture.
    pub fn products(&self) -> usize {
        let blocks = self.blocks();
        let each = |layer: &Layer| {
            let pixels = layer.size[0] * layer.size[1] / if layer.up { 4 } else { 1 };
            9 * pixels * layer.channels[0] * layer.channels[1]
        };
        blocks.iter().flat_map(|block| &block.layers).map(each).sum()
    }

    /// The arrays of what judges its pictures; none where it did not come along.
    pub fn judge_plans(&self) -> Vec<Plan> {
        let plans = |judge: &Judge| judge.plans(self.picture_channels, self.first, self.classes);
        self.judge.as_ref().map_or_else(Vec::new, plans)
    }

    /// Arrays for another first map: its edges are cut, or go on as in a mirror, and so do the planes of noise.
    pub fn fitted(&self, params: &Params, to: &Self) -> Params {
        let mirrored = |at: isize, count: usize| {
            let count = count as isize;
            let at = at.rem_euclid(2 * count);
            (if at < count { at } else { 2 * count - 1 - at }) as usize
        };
        let list = params.list.iter().zip(to.plans()).map(|(param, plan)| {
            if param.shape == plan.shape {
                return param.clone();
            }
            let ([h, w], [tall, wide]) = ([param.shape[0], param.shape[1]], [plan.shape[0], plan.shape[1]]);
            let each = param.shape[2..].iter().product::<usize>();
            let from = param.values();
            let edge = |own: usize, new: usize| (own as isize - new as isize).div_euclid(2);
            let mut values = Vec::with_capacity(tall * wide * each);
            for y in 0..tall as isize {
                let y = mirrored(y + edge(h, tall), h);
                for x in 0..wide as isize {
                    let x = mirrored(x + edge(w, wide), w);
                    values.extend_from_slice(&from[(y * w + x) * each..(y * w + x + 1) * each]);
                }
            }
            let len = values.len();
            let value = Tensor::from_data(TensorData::new(values, [len]), &param.value.device());
            Param { shape: plan.shape, value, ..param.clone() }
        });
        Params { list: list.collect() }
    }

    /// The same network for pictures of another height and width.
    ///
    /// # Errors
    /// If a side is no multiple of what one number of the first map becomes.
    pub fn sized(&self, size: [usize; 2]) -> Result<Self, ArchError> {
        let step = 1 << self.channels.len().saturating_sub(1).min(MOST_BLOCKS);
        if size.iter().any(|side| *side == 0 || side % step != 0) {
            let [h, w] = size;
            return Err(ArchError(format!("its pictures have sides that are multiples of {step}, not {w}x{h}")));
        }
        if size.iter().any(|side| *side > MOST_FIRST * step) {
            let ([h, w], most) = (size, MOST_FIRST * step);
            return Err(ArchError(format!("its pictures have at most {most} pixels each way, not {w}x{h}")));
        }
        let sized = Self { first: size.map(|side| side / step), judge: None, ..self.clone() };
        sized.check().map(|()| sized)
    }

    /// Whether each block makes a picture, so that the last ones may be left out.
    pub fn has_pictures(&self) -> bool {
        self.form == Form::Skip
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

    /// The noise of the model for each convolution `[1, h, w]`, as strong as it was trained.
    pub fn planes(&self, params: &Params) -> Vec<Tensor<3>> {
        let blocks = self.blocks();
        let layers = blocks.iter().flat_map(|block| &block.layers);
        layers
            .map(|layer| {
                let [h, w] = layer.size;
                let strength: Tensor<1> = params.get(&layer.name, "strength");
                params.get::<2>(&layer.name, "noise").reshape([1, h, w]) * strength.reshape([1, 1, 1])
            })
            .collect()
    }

    /// In plain numbers, for the CPU's own way; none for residual blocks, which it does not draw.
    pub fn plain(&self, params: &Params) -> Option<synthesis::Plain> {
        if self.form == Form::Resnet {
            return None;
        }
        let one = |name: &str, part: &str| floats(params.get::<1>(name, part));
        let four = |name: &str| floats(params.get::<4>(name, "kernel"));
        let blocks = self.blocks().into_iter().map(|block| {
            let rgb = format!("{}.torgb", block.name);
            let layers = block.layers.iter().map(|layer| synthesis::Layer {
                kernel: four(&layer.name),
                bias: one(&layer.name, "bias"),
                up: layer.up,
            });
            let picture = block.picture.map(|_| (four(&rgb), one(&rgb, "bias")));
            synthesis::Block { layers: layers.collect(), picture }
        });
        Some(synthesis::Plain {
            first: floats(params.get::<3>("b4", "const")),
            size: self.first,
            blocks: blocks.collect(),
            channels: self.picture_channels,
            slope: SLOPE,
            gain: GAIN as f32,
            clamp: self.clamp,
        })
    }
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

    /// What a style has without a w of its own.
    fn manner(&self) -> usize {
        style::HEAD
    }

    fn picture(&self) -> [usize; 3] {
        let [h, w] = self.size();
        // Opacity is laid over black.
        [h, w, if self.picture_channels < 3 { 1 } else { 3 }]
    }

    /// It is a mapping and a synthesis and no chain: see `net::styled`.
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
            within("first", side, MOST_FIRST)?;
        }
        for channels in &self.channels {
            within("channels", *channels, MOST_CHANNELS)?;
        }
        let [h, w] = self.size();
        if let Some(judge) = &self.judge {
            judge.check(self.channels.len())?;
        }
        if h * w > MOST_PIXELS {
            return Err(ArchError(format!("its pictures have at most {MOST_PIXELS} pixels, and {w}x{h} has more")));
        }
        match self.clamp.is_none_or(|most| most.is_finite() && most > 0.0) {
            true => Ok(()),
            false => Err(ArchError("clamp must be a number above 0".into())),
        }
    }
}
