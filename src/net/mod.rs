//! Networks as plain functions of tensors.
//!
//! `arch` says what a network is, `params` holds its arrays, `generator` and `critic` run it, `objective`
//! is the CPU's way to a critic's loss and its gradient. `ops` holds the operations they are made of,
//! `kernels` with `pointwise`, and `plain`, are the two ways those run, `prepared` is the CPU's way to draw
//! and `windowed` a GPU's, with the layers of `cards` and the kernels of `shaders`, `pending` holds pictures on
//! their way from a device, and `device` chooses where.
//! Under `kernels` stand the ways that pay for some sizes: `strips` (few channels), `pairs` (three taps at
//! stride 2) and `taps` (the gradient of a large kernel), on the memory layout of `rows` with the inner
//! loops of `micro`.
//! Fed by `model` (weights) and `trainer` (batches); knows nothing of files, time or the stage.

pub mod arch;
#[cfg(feature = "gpu")]
mod cards;
pub mod critic;
pub mod device;
pub mod generator;
pub mod kernels;
mod micro;
pub mod objective;
pub mod ops;
mod pairs;
pub mod params;
pub mod pending;
pub mod plain;
pub mod pointwise;
pub mod prepared;
mod rows;
#[cfg(feature = "gpu")]
mod shaders;
mod strips;
mod taps;
#[cfg(feature = "gpu")]
mod windowed;
