//! What a file of weights holds, whatever its format: arrays by name in the file's order, and what it says of itself.
//!
//! Made by the readers beside it, read by whoever recognises networks in it. A file is data: nothing in it is run, and
//! nothing is taken from memory because a number in it says so. Absent: what the arrays mean.

use serde_json::Value as Json;

/// Arrays that a file may hold at most.
pub const MOST_ARRAYS: usize = 100_000;

/// One array.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The name in the file, its parts joined with dots: `main.0.weight`, `dense/kernel` as `dense.kernel`.
    pub name: String,
    /// Its shape; empty for a single number.
    pub shape: Vec<usize>,
    /// Its values in row-major order, as many as the shape says.
    pub values: Vec<f32>,
    /// Whether the file holds whole numbers (a count of batches, an index).
    pub whole: bool,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Bag {
    /// The arrays in the order of the file.
    pub arrays: Vec<Array>,
    /// What the file says of its network: Keras' `model_config`, the attributes of pickled modules; else null.
    pub config: Json,
    /// The format in words: "torch zip", "torch legacy", "Keras 3 .keras".
    pub format: String,
    /// What was found beside the arrays that were taken, in sentences for people: other dictionaries of the same file,
    /// optimiser states that were left out.
    pub remarks: Vec<String>,
}

impl Bag {
    /// The array of that name.
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.arrays.iter().find(|array| array.name == name)
    }
}

/// Why a file cannot be read, in one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(pub String);
