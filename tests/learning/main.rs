//! A training beside a show: what is learnt reaches the picture, hands steer it from outside, and whatever goes wrong
//! with the training the picture never stops. One program, so that it is linked once.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod outside;
mod stage;
mod weights;
