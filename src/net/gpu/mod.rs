//! Kernels of our own for graphics cards: the layers of a generator as matrix products.
//!
//! `transposed` reorders a stage's weights, `layer` launches what `kernels` holds. They may go when burn's transposed
//! convolution fills a card with one picture's pixels.

mod kernels;
pub mod layer;
pub mod transposed;
