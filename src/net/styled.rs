//! StyleGAN2 at work: latents → pictures, by burn's operations with the kernels of `net::ops` on the CPU.
//!
//! What follows from the weights (kernels of doubling layers, squares that demodulate) is made once. Owned by
//! [`super::draw::Ready`].

use burn::tensor::Tensor;

use super::families::Family;
use super::families::stylegan2::{Made, StyleGan2};
use super::params::{Params, floats};

/// Pixels of pictures that are drawn together at most.
const TOGETHER: usize = 1 << 19;

/// A StyleGAN2 with its weights.
pub struct Styled {
    own: StyleGan2,
    made: Made,
}

impl Styled {
    /// With these arrays.
    pub fn new(own: &StyleGan2, params: &Params) -> Self {
        Self { own: own.clone(), made: Made::new(own, params) }
    }

    /// Other arrays of the same network.
    pub fn renew(&mut self, params: &Params) {
        self.made = Made::new(&self.own, params);
    }

    /// Which way it takes, for people.
    pub fn way(&self) -> String {
        "StyleGAN2 layer by layer, maps scaled in place of kernels".into()
    }

    /// Pictures `[n, h, w, c]` about −1..1, not cut, of z, classes and psi less 1 `[n, z_dim + classes + 1]`, with the
    /// noise of the file.
    pub fn pictures(&self, z: Tensor<2>) -> Tensor<4> {
        let before = self.own.z_dim + self.own.classes;
        let psi = z.clone().narrow(1, before, 1) + 1.0;
        let w = self.own.map(self.made.params(), z.narrow(1, 0, before));
        let w = self.own.truncated(self.made.params(), w, psi);
        let styles = vec![w; self.own.styles()];
        self.own.picture_of(&self.made, &styles, 1.0)
    }

    /// Bytes of pictures: `clip(127.5 x + 128)` rounded down, as the original writes them.
    pub fn bytes(&self, z: Tensor<2>) -> Vec<u8> {
        let byte = |v: f32| (v * 127.5 + 128.0).clamp(0.0, 255.0) as u8;
        // Large maps of many pictures would take gigabytes.
        let [h, w, _] = self.own.picture();
        let (count, together) = (z.dims()[0], (TOGETHER / (h * w)).max(1));
        let part = |from: usize| z.clone().narrow(0, from, together.min(count - from));
        (0..count).step_by(together).flat_map(|from| floats(self.pictures(part(from)))).map(byte).collect()
    }
}
