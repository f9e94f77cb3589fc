//! One file a family of networks: what its settings are, and the layers that follow from them.
//!
//! A family reads like the paper it comes from, names its arrays, and says what judges its pictures. A new one is a
//! file here that is a [`Family`], and a variant of [`super::arch::Arch`]; the layers do the rest.

pub mod chain;
pub mod compact;
pub mod dcgan;
pub mod judge;
pub mod lesson;
pub mod mlp;
pub mod rrdb;
pub mod style;
pub mod stylegan2;
pub mod texture;
pub mod vgg;
pub mod wgan_gp;

use super::enlarge::Layout;
use super::layers::{ArchError, Chain, Shape};

/// What every family says of its networks.
pub trait Family {
    /// What people call it.
    fn name(&self) -> &'static str;

    /// Dimensions of z.
    fn z_dim(&self) -> usize;

    /// Classes, of which there is one number each behind z; 0 is none.
    fn classes(&self) -> usize {
        0
    }

    /// Whether what judges the pictures sees the classes too.
    fn conditional(&self) -> bool {
        false
    }

    /// Numbers behind z and the classes that say how a picture is drawn; all 0 is as usual.
    fn manner(&self) -> usize {
        0
    }

    /// Height, width and channels of a picture.
    fn picture(&self) -> [usize; 3];

    /// From z, and the classes behind it, to a picture.
    fn generator(&self) -> Chain;

    /// From a picture to one number, if anything judges it; where it is conditional, from a picture with a plane for
    /// each class behind its channels.
    fn critic(&self) -> Option<Chain>;

    /// The texture network that it is, whose pictures come from a pyramid and not from a chain.
    fn texture(&self) -> Option<&texture::Texture> {
        None
    }

    /// The network for styles that it is, which paints a picture and makes none of z.
    fn style(&self) -> Option<&style::Style> {
        None
    }

    /// The StyleGAN2 that it is, whose pictures come from a mapping and a synthesis.
    fn styled(&self) -> Option<&stylegan2::StyleGan2> {
        None
    }

    /// The network that it is, if it makes pictures larger and makes none of z.
    fn enlarger(&self) -> Option<Layout> {
        None
    }

    /// Checks the settings by themselves; whether the layers fit together is found by [`super::arch::Arch::check`].
    ///
    /// # Errors
    /// At the first that cannot be meant, in a sentence.
    fn check(&self) -> Result<(), ArchError>;

    /// What goes into the network that judges.
    fn judged(&self) -> Shape {
        let [h, w, c] = self.picture();
        Shape::Map([h, w, c + if self.conditional() { self.classes() } else { 0 }])
    }
}

/// Whether a setting is as it is where nothing is said.
fn is_no(value: &bool) -> bool {
    !*value
}
