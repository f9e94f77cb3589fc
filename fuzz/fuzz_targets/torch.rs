//! Bytes as a file of PyTorch or a pickle, or as a zip of them.
#![no_main]
#![allow(dead_code)]

#[path = "../../src/model/import/mod.rs"]
mod import;
mod whole;

use import::source::Source;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let source = Source::from_bytes(data.to_vec());
    if data.starts_with(b"PK") {
        if let Ok(import::Found::Bag(bag)) = import::read_source(&source) {
            whole::check(&bag, data.len());
        }
    } else if let Ok(bag) = import::torch::read(&source) {
        whole::check(&bag, data.len());
    }
});
