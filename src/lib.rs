#![doc = include_str!("ARCHITECTURE.md")]
#![deny(missing_docs, clippy::missing_errors_doc)]
#![forbid(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod control;
pub mod dataset;
pub mod drawn;
pub mod files;
pub mod generator;
pub mod hints;
pub mod home;
pub mod latent;
pub mod latest;
pub mod memory;
pub mod midi;
pub mod model;
pub mod net;
pub mod osc;
pub mod picture;
pub mod preset;
pub mod random;
pub mod recorder;
pub mod report;
pub mod show;
pub mod sketch;
#[cfg(feature = "stage")]
pub mod stage;
pub mod synthesis;
pub mod trainer;
pub mod worker;
