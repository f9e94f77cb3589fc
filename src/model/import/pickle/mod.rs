//! Pickles, read without Python: as a graph of values, in which a call is a note of what was asked.
//!
//! The machine fills a heap of values that share without copies; `meaning` says what a value stands for, by a closed
//! table of the calls that arrays, dictionaries and modules are made of. Fed by `torch` and `numpy`, for whole files and
//! for pickles inside of pickles. Absent: importing, calling, and containers around pickles.

mod machine;
mod meaning;
mod text;
mod value;

pub use machine::read;
pub use meaning::{Dtype, Meaning, Ndarray, TENSORFLOW, Tensor};
pub use value::{Heap, Id, NONE, Value};

#[cfg(test)]
mod tests;
#[cfg(test)]
pub mod writer;
