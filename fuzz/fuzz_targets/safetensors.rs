//! Bytes as a file of safetensors.
#![no_main]
#![allow(dead_code)]

#[path = "../../src/model/import/mod.rs"]
mod import;
mod whole;

use import::source::Source;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(bag) = import::safetensors::read(&Source::from_bytes(data.to_vec())) {
        whole::check(&bag, data.len());
    }
});
