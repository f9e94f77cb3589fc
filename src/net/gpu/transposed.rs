//! A stride-2 transposed convolution for graphics cards: one matrix product, with kernels of ours around it.
//!
//! Where all four phases of the output look through one odd window (see [`Geometry::window`]), the layer is
//! a convolution at stride 1 to four times the channels and a pixel shuffle. Its products are one matrix
//! product, which is what GPUs are best at, where burn's own transposed convolution adds up tap by tap; taps
//! are laid side by side before it, or added up behind it ([`super::layer`]). Used by [`crate::net::generator`];
//! it agrees with [`crate::net::burn_ops`] to rounding.

use burn::backend::DType;
use burn::tensor::{Int, Tensor, s};

use super::layer::{self, Product, Then};
use crate::net::geometry::Geometry;

/// Bytes that an array may take: what every adapter can bind at once.
pub const MOST: usize = 100 << 20;
/// Channels that fit in a number of [`Windowed::pixels`].
const PACKED: usize = 4;

/// The weights of one stage, reordered once.
pub struct Windowed {
    geometry: Geometry,
    /// Taps of the window, in each direction.
    t: usize,
    /// Pictures that can be drawn together.
    pub together: usize,
    /// Whichever makes the fewer products, or the smaller windows.
    product: Product,
    weights: Tensor<2>,
    /// `[c]`.
    bias: Tensor<1>,
}

/// Bytes of the largest array for one picture: of its windows where they are laid out, its products, and its maps.
fn one(g: &Geometry, product: Product, precision: DType) -> usize {
    let each = match product {
        Product::Laid { t } if layer::lays(g.o, precision) => (t * t * g.o).max(4 * g.c),
        Product::Added { t } => t * t * 4 * g.c,
        _ => 4 * g.c,
    };
    g.oh() * g.ow() * each.max(g.o) * size_of::<f32>()
}

impl Windowed {
    /// From a kernel `[k, k, c, o]` and a bias `[c]`, if the stage has a window and is not too large.
    ///
    /// Output pixel 2i + r takes input pixel i + d with kernel row r + 2 (t − 1 − d), d counted from the window's
    /// first row: so kernel rows are pairs, the last pair first. A kernel that leaves taps of the window out is set
    /// among zeros.
    pub fn new(kernel: &Tensor<4>, bias: &Tensor<1>, g: Geometry) -> Option<Self> {
        let t = g.window()?;
        let product = if g.o <= 4 * g.c { Product::Laid { t } } else { Product::Added { t } };
        let one = one(&g, product, kernel.dtype());
        if one > MOST {
            return None;
        }
        let kernel = match g.fills_window() {
            true => kernel.clone(),
            false => {
                let from = t - 1 - g.pad(g.h).0;
                let zeros = Tensor::zeros([2 * t, 2 * t, g.c, g.o], (&kernel.device(), kernel.dtype()));
                let to = from..from + g.k;
                zeros.slice_assign(s![to.clone(), to, 0..g.c, 0..g.o], kernel.clone())
            }
        };
        // [tap row, phase row, tap column, phase column, c, o]
        let pairs = kernel.reshape([t, 2, t, 2, g.c, g.o]).flip([0, 2]);
        let weights = match product {
            Product::Added { .. } => pairs.permute([5, 0, 2, 1, 3, 4]).reshape([g.o, t * t * 4 * g.c]),
            _ => pairs.permute([0, 2, 5, 1, 3, 4]).reshape([t * t * g.o, 4 * g.c]),
        };
        Some(Self { geometry: g, t, together: MOST / one, product, weights, bias: bias.clone() })
    }

    /// `then(conv_t(y) + bias)`, of [`Self::together`] pictures at most: y `[n, oh, ow, o]` → `[n, 2 oh, 2 ow, c]`.
    pub fn run(&self, y: Tensor<4>, then: Then) -> Tensor<4> {
        layer::layer(y, &self.weights, &self.bias, self.product, then)
    }

    /// Whether [`Self::pixels`] can be had of it.
    pub fn packs(&self) -> bool {
        self.product == Product::Added { t: self.t } && self.geometry.c <= PACKED
    }

    /// A last stage's `tanh(conv_t(y) + bias)` as bytes, a pixel in each number, the first channel lowest:
    /// `[n, 2 oh, 2 ow]`.
    pub fn pixels(&self, y: Tensor<4>) -> Tensor<3, Int> {
        layer::pixels(y, &self.weights, &self.bias, self.t)
    }
}
