//! Networks as plain functions of tensors.
//!
//! `families` says what networks there are: each is data, a list of `layers`, named by an `arch` and trained by a
//! `recipe`. `params` holds arrays by name; `chain` runs them layer by layer, `critic` judges and gives exact gradients,
//! and `draw` is how pictures are made: by the `steps` of a chain, through whichever way takes them.
//! `ops` holds the operations that all are made of; they run through the kernels of `cpu`, or `burn_ops` elsewhere,
//! which also is what the others are tested against. `cpu` and `gpu` hold kernels of our own, `geometry` the sizes of
//! convolutions, `gram` what textures are compared by, `noise` what they are drawn from, `mapping`, `styled` and `bends`
//! what a StyleGAN2 is beside its layers, `doubled` what a doubling and a kernel are together, `pending` pictures on
//! their way from a device, and `device` chooses where.
//! Fed by `model` (weights) and `trainer` (batches); knows nothing of files, time or the stage.

pub mod arch;
mod bends;
pub mod burn_ops;
pub mod chain;
pub mod cpu;
pub mod critic;
pub mod device;
pub mod doubled;
pub mod draw;
pub mod enlarge;
pub mod families;
pub mod geometry;
#[cfg(feature = "gpu")]
mod gpu;
pub mod gram;
pub mod layers;
pub mod mapping;
pub mod noise;
pub mod ops;
pub mod params;
pub mod pending;
pub mod recipe;
mod shapes;
pub mod steps;
pub mod styled;
mod textures;
