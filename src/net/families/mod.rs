//! One file a family of networks: what its settings are, and the layers that follow from them.
//!
//! A family reads like the paper it comes from, names its arrays, and says what judges its pictures. A new one is a
//! file here and a variant of [`super::arch::Arch`]; the layers do the rest.

pub mod chain;
pub mod dcgan;
pub mod mlp;
pub mod wgan_gp;
