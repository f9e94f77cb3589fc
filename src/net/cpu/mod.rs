//! Kernels of our own for the CPU, on plain slices.
//!
//! `conv` holds the three convolutions and hands over what others do better: `few_channels`, `winograd_stride2` (three
//! taps at stride 2) and `kernel_gradient` (that of a large kernel). They stand on the memory `layout` of rows of 32
//! channels with the inner loops of `microkernel`; `pointwise` has what is done value by value. `prepared` draws many
//! pictures from the same weights, `pyramid` those of texture networks; `maps` holds the maps of one picture, from which
//! `synthesis` draws those of StyleGAN2 and `enlarge` makes larger ones, and `critic_objective` is WGAN-GP's loss written out.
//! Each may go when burn's own operation is as fast on two cores: `benches/speed` and `benches/peers` tell.

pub mod conv;
pub mod critic_objective;
pub mod enlarge;
mod few_channels;
mod kernel_gradient;
mod layout;
pub mod maps;
mod microkernel;
pub mod pointwise;
pub mod prepared;
pub mod pyramid;
pub mod synthesis;
mod winograd_stride2;
