//! Training: WGAN-GP as the original runs it.
//!
//! `step` is the mathematics of one epoch, `optimiser` moves the weights, `checkpoint` and `history`
//! keep what a resumed run needs, `run` is the loop around them.
//! Driven by `cli::train`; gives model folders. Runs on the thread that calls it, on one device.

pub mod checkpoint;
pub mod history;
pub mod optimiser;
pub mod run;
pub mod step;
