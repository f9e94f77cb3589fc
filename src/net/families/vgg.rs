//! VGG-16 and VGG-19 without their dense layers, as networks of features for textures and styles
//! (Simonyan & Zisserman 2014, arXiv 1409.1556, columns D and E).
//!
//! A chain whose layers are called as in the literature: `conv3_2` is the second convolution of the third block, and
//! what is tapped there is its value behind the rectifier (`relu3_2` elsewhere); `pool3` stands behind the block.

use crate::net::geometry::Padding;
use crate::net::layers::{Activation, ArchError, Chain, Init, Layer, Shape};

/// Channels of the five blocks.
pub const WIDTHS: [usize; 5] = [64, 128, 256, 512, 512];

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vgg {
    /// Layers with weights, the dense ones counted: 16 or 19.
    pub depth: usize,
    /// Whether blocks are followed by means (Gatys et al. 2015 find them better for textures), else by the largest.
    pub average: bool,
}

impl Vgg {
    /// Convolutions of each block.
    pub fn blocks(self) -> [usize; 5] {
        if self.depth == 19 { [2, 2, 4, 4, 4] } else { [2, 2, 3, 3, 3] }
    }

    /// The convolutions in their order: name, channels in and out.
    pub fn convolutions(self) -> impl Iterator<Item = (String, [usize; 2])> {
        let mut channels = 3;
        self.blocks().into_iter().enumerate().flat_map(move |(block, count)| {
            let out = WIDTHS[block];
            let all: Vec<_> = (0..count)
                .map(|at| (format!("conv{}_{}", block + 1, at + 1), [std::mem::replace(&mut channels, out), out]))
                .collect();
            all
        })
    }

    /// The layers up to the last of `taps`, for pictures `[h, w, 3]`.
    ///
    /// # Errors
    /// If a tap is the name of no layer, or the pictures are too small for it.
    pub fn chain(self, [h, w]: [usize; 2], taps: &[String]) -> Result<Chain, ArchError> {
        let mut chain = Chain::new(Shape::Map([h, w, 3]), Init::Normal);
        let mut missing: Vec<&String> = taps.iter().collect();
        for (block, count) in self.blocks().into_iter().enumerate() {
            for at in 1..=count {
                let name = format!("conv{}_{at}", block + 1);
                let (filters, padding) = (WIDTHS[block], Padding::Pixels(1));
                chain.push(name.as_str(), Layer::Conv2d { filters, kernel: 3, stride: 1, padding, bias: true });
                chain.then(Layer::Activation { curve: Activation::Relu });
                missing.retain(|tap| **tap != name);
                if missing.is_empty() {
                    return checked(chain, [h, w]);
                }
            }
            let name = format!("pool{}", block + 1);
            chain.push(name.as_str(), Layer::Pool2d { average: self.average });
            missing.retain(|tap| **tap != name);
            if missing.is_empty() {
                return checked(chain, [h, w]);
            }
        }
        let names: Vec<&str> = missing.iter().map(|tap| tap.as_str()).collect();
        Err(ArchError(format!(
            "VGG-{} has no layer {}; it has conv1_1 to conv5_{} and pool1 to pool5",
            self.depth,
            names.join(", "),
            self.blocks()[4]
        )))
    }
}

fn checked(chain: Chain, [h, w]: [usize; 2]) -> Result<Chain, ArchError> {
    match chain.shapes() {
        Ok(_) => Ok(chain),
        Err(why) => Err(ArchError(format!("a picture of {w}x{h} is too small for these layers of VGG ({})", why.0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_those_of_the_paper() {
        let names = |depth| Vgg { depth, average: true }.convolutions().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!((names(16).len(), names(19).len()), (13, 16));
        assert_eq!((names(16)[12].as_str(), names(19)[15].as_str()), ("conv5_3", "conv5_4"));
        let taps = ["conv1_1".to_owned(), "pool2".to_owned()];
        let vgg = Vgg { depth: 19, average: false };
        let chain = vgg.chain([65, 64], &taps).unwrap();
        assert_eq!(chain.output(), Shape::Map([16, 16, 128]));
        // 2 · (conv, relu, conv, relu, pool).
        assert_eq!((chain.layers.len(), chain.plans().len()), (10, 8));
        assert!(vgg.chain([64, 64], &["conv6_1".into()]).unwrap_err().0.contains("conv5_4"));
        assert!(vgg.chain([10, 10], &["conv5_1".into()]).unwrap_err().0.contains("too small"));
    }
}
