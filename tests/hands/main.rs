//! Hands from outside: OSC, OSCQuery, the page in a browser, MIDI through JACK, takes. One program, so that it is
//! linked once.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

mod classes;
#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "jack")]
mod midi;
mod osc;
mod page;
mod query;
mod styles;
mod take;
