//! The flash limiter against a second reading of the definitions.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

mod checker;
mod strobes;
mod walks;
