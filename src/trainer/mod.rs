//! Training: WGAN-GP as the original runs it.
//!
//! `step` is the mathematics of one epoch, `optimiser` moves the weights, `checkpoint` and `history`
//! keep what a resumed run needs, `run` is the loop around them.
//! A training that is driven (by a show, a script) hears `commands` in the words of `protocol`, which gather in `waiting`,
//! and obeys them in `steer`; `published` is what others see of it, `guard` keeps bad weights from them, `source` reads other data.
//! `child` is the other end: a training as a process that a show starts, looks after and ends.
//! Driven by `cli::train`; gives model folders. Runs on the thread that calls it, on one device.

pub mod checkpoint;
pub mod child;
pub mod commands;
pub mod guard;
pub mod history;
pub mod optimiser;
pub mod protocol;
pub mod published;
pub mod run;
pub mod source;
pub mod steer;
pub mod step;
pub mod waiting;
