//! A small network that makes a picture larger: convolutions at the picture's own size, and channels that become
//! pixels at the end, added to the picture.
//!
//! Source: SRVGGNetCompact of Wang et al. 2021 (arXiv 2107.10833, Real-ESRGAN).

use serde::{Deserialize, Serialize};

use super::Family;
use crate::net::enlarge::{CHANNELS, Layout, Slope, Step};
use crate::net::geometry::Padding;
use crate::net::layers::{Activation, ArchError, Chain, Init, Layer, Shape};

/// Settings that a file may name at most.
const MOST_LAYERS: usize = 64;
const MOST_WIDTH: usize = 512;
const MOST_SCALE: usize = 8;
const MOST_SIDE: usize = 4096;
/// Side of the large pictures that are judged while it learns.
pub const JUDGED: usize = 128;
/// Filters of what judges them, each layer at half the size.
const FILTERS: [usize; 5] = [16, 32, 64, 64, 64];

/// What becomes of values below zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Curve {
    /// A factor that was learnt for each channel.
    #[default]
    Prelu,
    /// Nothing.
    Relu,
    /// A tenth of them.
    Leaky,
}

/// The network. With no settings it is Real-ESRGAN's for drawn films, ×4.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Compact {
    /// Channels of the maps.
    pub width: usize,
    /// Convolutions between the first and the last.
    pub layers: usize,
    /// How many times larger pictures become.
    pub scale: usize,
    /// What becomes of values below zero.
    pub curve: Curve,
    /// Height and width of the pictures that it learns from, of which parts are taken.
    pub size: [usize; 2],
}

impl Default for Compact {
    fn default() -> Self {
        Self { width: 64, layers: 16, scale: 4, curve: Curve::Prelu, size: [512; 2] }
    }
}

impl Compact {
    /// The one that is trained here: of a size that is live on two cores.
    pub fn live() -> Self {
        Self { width: 32, layers: 6, curve: Curve::Leaky, ..Self::default() }
    }

    /// Its convolutions; two maps by turns.
    pub fn layout(&self) -> Layout {
        let slope = match self.curve {
            Curve::Prelu => Slope::Learnt,
            Curve::Relu => Slope::Leaky(0.0),
            Curve::Leaky => Slope::Leaky(0.1),
        };
        let map = |layer: usize| if layer == 0 { 0 } else { 1 + layer % 2 };
        let width = |layer: usize| if layer == 0 { CHANNELS } else { self.width };
        let step = |layer: usize, outputs: usize| {
            Step::new(format!("conv{layer}"), vec![(map(layer), width(layer))], map(layer + 1), outputs)
        };
        let mut steps: Vec<Step> = (0..=self.layers).map(|layer| Step { slope, ..step(layer, self.width) }).collect();
        steps.push(step(self.layers + 1, CHANNELS * self.scale * self.scale));
        Layout { unshuffled: 1, steps, shuffled: self.scale, added: true, brightest: 1.0, start: 1.0 }
    }
}

impl Family for Compact {
    fn name(&self) -> &'static str {
        "compact"
    }

    fn z_dim(&self) -> usize {
        0
    }

    /// Those that it learns from: it makes pictures of any size larger.
    fn picture(&self) -> [usize; 3] {
        let [h, w] = self.size;
        [h, w, CHANNELS]
    }

    /// It makes nothing of z: see [`Layout::run`].
    fn generator(&self) -> Chain {
        Chain::new(Shape::Flat(0), Init::default())
    }

    /// What judges parts of large pictures while it learns.
    fn critic(&self) -> Option<Chain> {
        let mut chain = Chain::new(Shape::Map([JUDGED, JUDGED, CHANNELS]), Init::Dcgan);
        let conv = |filters: usize| Layer::Conv2d { filters, kernel: 4, stride: 2, padding: Padding::Same, bias: true };
        for (at, filters) in FILTERS.into_iter().enumerate() {
            chain.push(format!("judge{at}"), conv(filters));
            chain.then(Layer::Activation { curve: Activation::LeakyRelu(0.2) });
        }
        chain.then(Layer::Flatten);
        chain.push("judge".to_owned(), Layer::Dense { units: 1, bias: true });
        Some(chain)
    }

    fn enlarger(&self) -> Option<Layout> {
        Some(self.layout())
    }

    fn check(&self) -> Result<(), ArchError> {
        let fits = |v: usize, most: usize| (1..=most).contains(&v);
        if self.size.iter().any(|side| !(1..=MOST_SIDE).contains(side)) {
            return Err(ArchError(format!("a compact learns from pictures of at most {MOST_SIDE} pixels each way")));
        }
        match self.layers <= MOST_LAYERS && fits(self.width, MOST_WIDTH) && fits(self.scale, MOST_SCALE) {
            true => Ok(()),
            false => Err(ArchError(format!(
                "a compact has at most {MOST_LAYERS} layers, 1..={MOST_WIDTH} channels and a scale of 1..={MOST_SCALE}"
            ))),
        }
    }
}
