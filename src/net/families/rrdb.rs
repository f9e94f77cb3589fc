//! ESRGAN's network, which makes a picture larger: residual blocks of dense blocks.
//!
//! Source: Wang et al. 2018 (arXiv 1809.00219), as xinntao/ESRGAN and Real-ESRGAN have it; with [`Up::Transposed`],
//! an activation behind the first layer and pictures of 0..255 it is E2_ESRGAN's, which TensorFlow Hub offers.

use serde::{Deserialize, Serialize};

use super::{Family, is_no};
use crate::net::enlarge::{CHANNELS, Layout, Slope, Step, Up as Larger};
use crate::net::layers::{ArchError, Chain, Init, Shape};

/// Slope below zero.
const SLOPE: f32 = 0.2;
/// Share of what a block adds.
const SHARE: f32 = 0.2;
/// Dense blocks in a block, and convolutions in a dense block.
const DENSE: usize = 3;
const CONVS: usize = 5;

/// Settings that a file may name at most.
const MOST_BLOCKS: usize = 64;
const MOST_WIDTH: usize = 512;

/// What makes maps larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Up {
    /// Nearest ×2, and a convolution.
    #[default]
    Nearest,
    /// Transposed convolutions of stride 2.
    Transposed,
}

/// The network. With no settings it is the paper's, ×4.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rrdb {
    /// Blocks, of three dense blocks each.
    pub blocks: usize,
    /// Channels of the maps.
    pub width: usize,
    /// Channels that a convolution of a dense block adds.
    pub growth: usize,
    /// Doublings behind the blocks.
    pub doublings: usize,
    /// Squares of this side become channels of one pixel first: 2 makes it ×2 with two doublings, 4 makes it ×1.
    pub unshuffled: usize,
    /// What makes maps larger.
    pub up: Up,
    /// Whether there is an activation behind the first layer.
    #[serde(skip_serializing_if = "is_no")]
    pub active_first: bool,
    /// Whether pictures are 0..255 for it, and not 0..1.
    #[serde(skip_serializing_if = "is_no")]
    pub bytes: bool,
}

impl Default for Rrdb {
    fn default() -> Self {
        Self {
            blocks: 23,
            width: 64,
            growth: 32,
            doublings: 2,
            unshuffled: 1,
            up: Up::Nearest,
            active_first: false,
            bytes: false,
        }
    }
}

impl Rrdb {
    /// Its convolutions. Map 1 is the first layer's, 2 to 5 are those of a dense block, behind them come four that
    /// hold what blocks made: the one that a block begins with, and two on the way to the next.
    pub fn layout(&self) -> Layout {
        const FIRST: usize = 1;
        const INNER: usize = 2;
        const OUTER: usize = INNER + CONVS - 1;
        const RING: usize = 4;
        let (width, growth) = (self.width, self.growth);
        let inputs = CHANNELS * self.unshuffled * self.unshuffled;
        let leaky = Slope::Leaky(SLOPE);
        let mut first = Step::new("first", vec![(0, inputs)], FIRST, width);
        if self.active_first {
            first.slope = leaky;
        }
        let mut steps = vec![first];
        let (mut at, mut next) = (FIRST, 0);
        for block in 1..=self.blocks {
            let begin = at;
            for dense in 1..=DENSE {
                let mut from = vec![(at, width)];
                for conv in 1..CONVS {
                    let to = INNER + conv - 1;
                    let name = format!("block{block}.dense{dense}.conv{conv}");
                    steps.push(Step { slope: leaky, ..Step::new(name, from.clone(), to, growth) });
                    from.push((to, growth));
                }
                let to = OUTER + next;
                next = (next + 1) % RING;
                let name = format!("block{block}.dense{dense}.conv{CONVS}");
                let (gain, plus) = match dense {
                    DENSE => (SHARE * SHARE, vec![(at, SHARE), (begin, 1.0)]),
                    _ => (SHARE, vec![(at, 1.0)]),
                };
                steps.push(Step { gain, plus, ..Step::new(name, from, to, width) });
                at = to;
            }
        }
        let to = OUTER + next;
        steps.push(Step { plus: vec![(FIRST, 1.0)], ..Step::new("trunk", vec![(at, width)], to, width) });
        at = to;
        let larger = if self.up == Up::Nearest { Larger::Nearest } else { Larger::Transposed };
        for up in 1..=self.doublings {
            let to = if at == INNER { INNER + 1 } else { INNER };
            steps.push(Step { slope: leaky, up: larger, ..Step::new(format!("up{up}"), vec![(at, width)], to, width) });
            at = to;
        }
        let to = if at == INNER { INNER + 1 } else { INNER };
        steps.push(Step { slope: leaky, ..Step::new("high", vec![(at, width)], to, width) });
        steps.push(Step::new("last", vec![(to, width)], OUTER, CHANNELS));
        let brightest = if self.bytes { 255.0 } else { 1.0 };
        Layout { unshuffled: self.unshuffled, steps, shuffled: 1, added: false, brightest, start: 0.1 }
    }
}

impl Family for Rrdb {
    fn name(&self) -> &'static str {
        "rrdb"
    }

    fn z_dim(&self) -> usize {
        0
    }

    fn picture(&self) -> [usize; 3] {
        [256, 256, CHANNELS]
    }

    /// It makes nothing of z: see [`Layout::run`].
    fn generator(&self) -> Chain {
        Chain::new(Shape::Flat(0), Init::default())
    }

    fn critic(&self) -> Option<Chain> {
        None
    }

    fn enlarger(&self) -> Option<Layout> {
        Some(self.layout())
    }

    fn check(&self) -> Result<(), ArchError> {
        let fits = |v: usize, most: usize| (1..=most).contains(&v);
        if !(fits(self.blocks, MOST_BLOCKS) && fits(self.width, MOST_WIDTH) && fits(self.growth, MOST_WIDTH)) {
            return Err(ArchError(format!(
                "an rrdb has 1..={MOST_BLOCKS} blocks, and 1..={MOST_WIDTH} channels of width and growth"
            )));
        }
        if self.doublings > 3 || ![1, 2, 4].contains(&self.unshuffled) || self.unshuffled > 1 << self.doublings {
            return Err(ArchError(
                "an rrdb has at most 3 doublings, and unshuffled is 1, 2 or 4, which they make good".into(),
            ));
        }
        Ok(())
    }
}
