//! Training: WGAN-GP as the original runs it, and GANs with cross-entropy as the report and the lesson run them.
//!
//! `step` is the mathematics of one epoch of WGAN-GP, `cross_entropy` of one step of the others, `texture` of one that has no critic, `enlarge` of one that
//! makes pictures larger (from `pairs`); `batches` are what they
//! learn from, `losses` what comes of it, by name; `optimiser` moves the weights, `run` is the loop around them.
//! `diversity` watches whether pictures become alike, `epoch_pictures` writes the report's samples.
//! `settings` is the table of what can be set while it runs.
//! `schedule` says when something is written, `saving` writes it: `checkpoint` and `history` (with `curve` and
//! `picture_writer`) for a resumed run, `published` for others, `memory` for who only looks; `disk` and `lock` guard the files.
//! A training that is driven (by a show, a script) gets `commands` in the words of `protocol`, which gather in
//! `pending`, and runs them in `steer`; `guard` keeps bad weights from others, `source` reads other data.
//! `runs` reads finished and running trainings for who compares them.
//! `child` is the other end: a training as a process that a show starts, looks after and ends, (`launch`, `supervisor`, `pipes`).
//! Driven by `cli::train`; gives model folders. Runs on the thread that calls it, on one device.

pub mod batches;
pub mod checkpoint;
pub mod child;
pub mod commands;
mod cross_entropy;
pub mod curve;
pub mod disk;
pub mod diversity;
pub mod enlarge;
mod epoch_pictures;
pub mod guard;
pub mod history;
pub mod launch;
pub mod lock;
pub mod losses;
pub mod memory;
pub mod optimiser;
pub mod pairs;
pub mod pending;
pub mod picture_writer;
mod pieces;
mod pipes;
pub mod protocol;
pub mod published;
mod redraw;
pub mod run;
pub mod runs;
pub mod saving;
pub mod schedule;
pub mod settings;
pub mod source;
pub mod steer;
pub mod step;
mod supervisor;
pub mod texture;
