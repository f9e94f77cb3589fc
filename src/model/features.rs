//! What a network sees in a picture: VGG with weights of others, or random filters, which need none.
//!
//! Pictures are tensors `[1, h, w, 3]` of 0..1 in red, green, blue; how a network wants them is its own affair. Random
//! filters are one layer on several scales with filters of several sizes, after Ustyuzhaninov, Brendel, Gatys & Bethge
//! 2016 (arXiv 1606.00021), who found that this is nearly enough for many textures.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use super::import;
use super::import::bag::ReadError;
use super::recognise::vgg::{self, Features};
use crate::net::chain;
use crate::net::cpu::conv::Act;
use crate::net::families::vgg::Vgg;
use crate::net::geometry::Padding;
use crate::net::layers::{ArchError, conv_geometry};
use crate::net::ops;
use crate::net::params::Params;
use crate::random::RandomState;

/// Seed of the random filters: the same ones in every run.
pub const SEED: u32 = 20_160_601;
/// What the random filters are called where a file could be named.
pub const RANDOM: &str = "random";
/// Sides of the random filters, and how many there are of each on each scale.
const SIDES: [usize; 4] = [3, 5, 7, 11];
const FILTERS: usize = 32;
/// Scales, each half as large as the one before.
const SCALES: usize = 5;

/// A network of features on a device.
pub struct FeatureNet {
    kind: Kind,
    params: Params,
    /// The same arrays on the side of graphs, without gradients of their own.
    tracked: Params,
    scale: [f32; 3],
    shift: [f32; 3],
    /// What it is, in a sentence.
    pub says: String,
}

enum Kind {
    Vgg(Vgg),
    Random,
}

impl FeatureNet {
    /// Those of a name: "random", or a file of VGG's weights, with means or largest values between its blocks.
    ///
    /// # Errors
    /// If the file cannot be read, or holds no VGG.
    pub fn read(name: &str, average: bool, device: &Device) -> Result<Self, ReadError> {
        if name == RANDOM {
            return Ok(Self::random(device));
        }
        let found = vgg::features(&import::read(Path::new(name))?)?;
        Ok(Self::vgg(found, average, device))
    }

    /// VGG with weights that were read, with means or largest values between its blocks.
    pub fn vgg(found: Features, average: bool, device: &Device) -> Self {
        let vgg = Vgg { depth: found.depth, average };
        let params = vgg.convolutions().zip(found.arrays).flat_map(|((name, [c, o]), [kernel, bias])| {
            [(format!("{name}.kernel"), vec![3, 3, c, o], kernel), (format!("{name}.bias"), vec![o], bias)]
        });
        let pools = if average { "means" } else { "largest values" };
        let says = format!("{}; {pools} between its blocks", found.recognised);
        Self::new(Kind::Vgg(vgg), params, found.scale, found.shift, says, device)
    }

    /// Random filters, the same ones in every run.
    pub fn random(device: &Device) -> Self {
        let mut random = RandomState::new(SEED);
        let mut arrays = Vec::new();
        for scale in 0..SCALES {
            for k in SIDES {
                let mut kernel: Vec<f32> = (0..k * k * 3 * FILTERS).map(|_| random.normal() as f32).collect();
                // All but the first four see differences alone; those four see colour and light, too.
                for filter in 4..FILTERS {
                    let own = |values: &[f32]| values.iter().skip(filter).step_by(FILTERS).sum::<f32>();
                    let mean = own(&kernel) / (k * k * 3) as f32;
                    kernel.iter_mut().skip(filter).step_by(FILTERS).for_each(|v| *v -= mean);
                }
                let norm = 1.0 / ((k * k * 3) as f32).sqrt();
                kernel.iter_mut().for_each(|v| *v *= norm);
                arrays.push((format!("scale{scale}.side{k}.kernel"), vec![k, k, 3, FILTERS], kernel));
            }
        }
        let says = format!(
            "random filters: {FILTERS} of each of the sides {SIDES:?} on {SCALES} scales, seed {SEED}; no weights are needed"
        );
        Self::new(Kind::Random, arrays.into_iter(), [4.0; 3], [-2.0; 3], says, device)
    }

    fn new(
        kind: Kind,
        arrays: impl Iterator<Item = (String, Vec<usize>, Vec<f32>)>,
        scale: [f32; 3],
        shift: [f32; 3],
        says: String,
        device: &Device,
    ) -> Self {
        let param = |(name, shape, values): (String, Vec<usize>, Vec<f32>)| {
            let len = values.len();
            let value = Tensor::from_data(TensorData::new(values, [len]), device);
            crate::net::params::Param { name, shape, value, trained: false }
        };
        let params = Params { list: arrays.map(param).collect() };
        let tracked = params.tracked();
        Self { kind, params, tracked, scale, shift, says }
    }

    /// Whether it is VGG.
    pub fn is_vgg(&self) -> bool {
        matches!(self.kind, Kind::Vgg(_))
    }

    /// The layers that textures are compared by where none are named.
    pub fn usual(&self) -> Vec<String> {
        match self.kind {
            Kind::Vgg(_) => (1..=5).map(|block| format!("conv{block}_1")).collect(),
            Kind::Random => (0..SCALES).map(|scale| format!("scale{scale}")).collect(),
        }
    }

    /// Checks that layers are there for pictures of this height and width.
    ///
    /// # Errors
    /// If one is not, or the pictures are too small for it.
    pub fn check(&self, [h, w]: [usize; 2], taps: &[String]) -> Result<(), ArchError> {
        match self.kind {
            Kind::Vgg(vgg) => drop(vgg.chain([h, w], taps)?),
            Kind::Random => {
                let place = |tap: &String| tap.strip_prefix("scale").and_then(|n| n.parse::<usize>().ok());
                for tap in taps {
                    let Some(scale) = place(tap).filter(|scale| *scale < SCALES) else {
                        let last = SCALES - 1;
                        return Err(ArchError(format!(
                            "random filters have no layer {tap}; they have scale0 to scale{last}"
                        )));
                    };
                    if h.min(w) >> scale < 4 {
                        return Err(ArchError(format!(
                            "a picture of {w}x{h} is too small for {tap}: take a larger one"
                        )));
                    }
                }
            }
        }
        Ok(())
    }

    /// What the layers make of a picture `[1, h, w, 3]`, in the order of their names; differentiable if the picture is.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn taps(&self, picture: Tensor<4>, taps: &[String]) -> Result<Vec<Tensor<4>>, ArchError> {
        let [_, h, w, _] = picture.dims();
        self.check([h, w], taps)?;
        let graph = picture.is_autodiff();
        let params = if graph { &self.tracked } else { &self.params };
        let constant = |values: [f32; 3]| {
            let made: Tensor<4> = Tensor::from_data(TensorData::new(values.to_vec(), [1, 1, 1, 3]), &self.device());
            if graph { made.autodiff() } else { made }
        };
        let x = picture * constant(self.scale) + constant(self.shift);
        Ok(match self.kind {
            Kind::Vgg(vgg) => chain::tapped(&vgg.chain([h, w], taps)?, params, x, taps),
            Kind::Random => {
                let last =
                    taps.iter().filter_map(|tap| tap.trim_start_matches("scale").parse().ok()).max().unwrap_or(0);
                let mut scales = vec![x];
                for _ in 0..last {
                    let next = scales.last().map(|x: &Tensor<4>| chain::pool(x.clone(), true));
                    scales.extend(next);
                }
                let made = |tap: &String| {
                    let scale: usize = tap.trim_start_matches("scale").parse().unwrap_or(0);
                    let parts = SIDES.map(|k| filtered(scales[scale].clone(), params, scale, k));
                    Tensor::cat(parts.to_vec(), 3)
                };
                taps.iter().map(made).collect()
            }
        })
    }

    fn device(&self) -> Device {
        self.params.list.first().map(|param| param.value.device()).unwrap_or_default()
    }
}

/// One size of filters on one scale, behind a rectifier.
fn filtered(x: Tensor<4>, params: &Params, scale: usize, k: usize) -> Tensor<4> {
    let [_, h, w, c] = x.dims();
    let g = conv_geometry([h, w, c], FILTERS, k, 1, Padding::Pixels(k / 2));
    let kernel = params.get(&format!("scale{scale}.side{k}"), "kernel");
    let none: Tensor<1> = Tensor::zeros([FILTERS], &x.device().inner());
    let none = if x.is_autodiff() { none.autodiff() } else { none };
    ops::conv(x, kernel, none, g, Some(Act::Leaky(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::params::floats;

    fn picture(h: usize, w: usize) -> Tensor<4> {
        let values: Vec<f32> = (0..h * w * 3).map(|v| (v as f32 * 0.37).sin() * 0.5 + 0.5).collect();
        Tensor::from_data(TensorData::new(values, [1, h, w, 3]), &Device::flex())
    }

    #[test]
    fn random_filters_are_the_same_ones_again() {
        let see = || {
            let net = FeatureNet::random(&Device::flex());
            net.taps(picture(32, 48), &["scale0".into(), "scale2".into()]).unwrap()
        };
        let (one, two) = (see(), see());
        assert_eq!((one[0].dims(), one[1].dims()), ([1, 32, 48, 128], [1, 8, 12, 128]));
        assert_eq!(floats(one[1].clone()), floats(two[1].clone()));
        let net = FeatureNet::random(&Device::flex());
        assert!(net.check([32, 32], &["scale4".into()]).unwrap_err().0.contains("too small"));
        assert!(net.check([64, 64], &["conv1_1".into()]).unwrap_err().0.contains("scale0 to scale4"));
    }
}
