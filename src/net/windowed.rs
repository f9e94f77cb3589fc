//! A stride-2 transposed convolution for devices without kernels of our own: one matrix product.
//!
//! Where all four phases of the output look through one odd window (see [`Geometry::window`]), the layer is
//! a convolution at stride 1 to four times the channels and a pixel shuffle. Its products are one matrix
//! product, which is what GPUs are best at, where burn's own transposed convolution adds up tap by tap; taps
//! are laid side by side before it, or added up behind it. Used by [`super::generator`]; it agrees with
//! [`super::plain`] to rounding.

use burn::tensor::{FloatDType, Tensor, s};

use super::kernels::Geometry;

/// Bytes that the largest array between may take: what every adapter can bind at once.
const MOST: usize = 100 << 20;

/// The weights of one stage, reordered once.
pub struct Windowed {
    geometry: Geometry,
    /// Taps of the window, in each direction.
    t: usize,
    weights: Weights,
    /// `[1, 4 · c]`.
    bias: Tensor<2>,
}

/// Whichever makes the smaller array between.
enum Weights {
    /// `[t · t · o, 4 · c]`: the taps are laid out, then multiplied.
    Laid(Tensor<2>),
    /// `[o, t · t · 4 · c]`: pixels are multiplied, then the taps' products added up.
    Added(Tensor<2>),
}

/// Bytes of the largest array between for one picture, its border included.
fn one(g: &Geometry, t: usize) -> usize {
    (g.oh() + t - 1) * (g.ow() + t - 1) * t * t * g.o.min(4 * g.c) * size_of::<f32>()
}

impl Windowed {
    /// From a kernel `[k, k, c, o]` and a bias `[c]`, if the stage has a window and is not too large.
    ///
    /// Output pixel 2i + r takes input pixel i + d with kernel row r + 2 (t − 1 − d), d counted from the window's
    /// first row: so kernel rows are pairs, the last pair first.
    pub fn new(kernel: &Tensor<4>, bias: &Tensor<1>, g: Geometry) -> Option<Self> {
        let t = g.window()?;
        if one(&g, t) > MOST {
            return None;
        }
        // [tap row, phase row, tap column, phase column, c, o]
        let pairs = kernel.clone().reshape([t, 2, t, 2, g.c, g.o]).flip([0, 2]);
        let weights = match g.o <= 4 * g.c {
            true => Weights::Laid(pairs.permute([0, 2, 5, 1, 3, 4]).reshape([t * t * g.o, 4 * g.c])),
            false => Weights::Added(pairs.permute([5, 0, 2, 1, 3, 4]).reshape([g.o, t * t * 4 * g.c])),
        };
        let bias = bias.clone().reshape([1, g.c]).repeat_dim(1, 4);
        Some(Self { geometry: g, t, weights, bias })
    }

    /// `then(conv_t(y) + bias)`: y `[n, oh, ow, o]` → `[n, 2 oh, 2 ow, c]`; `then` sees rows of 4 · c.
    pub fn run(&self, y: Tensor<4>, then: &dyn Fn(Tensor<2>) -> Tensor<2>) -> Tensor<4> {
        let g = &self.geometry;
        let [n, h, w, _] = y.dims();
        let together = (MOST / one(g, self.t)).max(1);
        let part = |from: usize| {
            let part = y.clone().narrow(0, from, together.min(n - from));
            let rows = match &self.weights {
                Weights::Laid(weights) => self.laid(part, weights),
                Weights::Added(weights) => self.added(part, weights),
            };
            then(rows + self.bias.clone())
        };
        let mut parts: Vec<Tensor<2>> = (0..n).step_by(together).map(part).collect();
        let phases = if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(parts, 0) };
        phases.reshape([n, h, w, 2, 2, g.c]).permute([0, 1, 3, 2, 4, 5]).reshape([n, 2 * h, 2 * w, g.c])
    }

    fn laid(&self, y: Tensor<4>, weights: &Tensor<2>) -> Tensor<2> {
        let ([n, h, w, o], t) = (y.dims(), self.t);
        let framed = self.framed(y);
        let taps = (0..t * t).map(|tap| {
            let (y, x) = (tap / t, tap % t);
            framed.clone().slice(s![0..n, y..y + h, x..x + w, 0..o])
        });
        Tensor::cat(taps.collect(), 3).reshape([n * h * w, t * t * o]).matmul(weights.clone())
    }

    fn added(&self, y: Tensor<4>, weights: &Tensor<2>) -> Tensor<2> {
        let ([n, h, w, o], t, each) = (y.dims(), self.t, 4 * self.geometry.c);
        let precision = y.dtype();
        let products = y.reshape([n * h * w, o]).matmul(weights.clone()).reshape([n, h, w, t * t * each]);
        // A sum of many in half precision would lose more than all the rest.
        let framed = self.framed(products.cast(FloatDType::F32));
        let tap = |tap: usize| {
            let (y, x) = (tap / t, tap % t);
            framed.clone().slice(s![0..n, y..y + h, x..x + w, tap * each..(tap + 1) * each])
        };
        let sum = (1..t * t).map(tap).fold(tap(0), |sum, next| sum + next);
        sum.reshape([n * h * w, each]).cast(FloatDType::from(precision))
    }

    /// Inside of a border of zeros, half a window wide.
    fn framed(&self, y: Tensor<4>) -> Tensor<4> {
        let ([n, h, w, o], pad, like) = (y.dims(), (self.t - 1) / 2, (&y.device(), y.dtype()));
        let columns = Tensor::zeros([n, h, pad, o], like);
        let wide = Tensor::cat(vec![columns.clone(), y, columns], 2);
        let lines = Tensor::zeros([n, pad, w + 2 * pad, o], like);
        Tensor::cat(vec![lines.clone(), wide, lines], 1)
    }
}
