//! Files of weights that people have, read into arrays by name.
//!
//! Fed by `flaneur import` with a path; gives a [`Bag`] to whoever recognises networks. The first bytes say what a file
//! is, never its name. A reader executes nothing, allocates nothing because a file says so, and says in one sentence
//! what is wrong. Absent: what the arrays mean, and model folders.

pub mod bag;

mod archive;
mod hdf5;
pub mod keras;
mod known;
mod manifest;
mod ncnn;
mod number;
pub mod numpy;
mod onnx;
mod pickle;
pub mod safetensors;
pub mod source;
pub mod torch;
pub mod torch7;
pub mod write;

use std::path::Path;

use archive::Archive;
use bag::{Bag, ReadError};
use source::{Source, wrong};

/// Bytes that are looked at to know a format.
const HEAD: u64 = 1024;

/// Reads a file of weights, whatever its format.
///
/// # Errors
/// If it is damaged, of a format that is not read, or holds no arrays.
pub fn read(path: &Path) -> Result<Bag, ReadError> {
    if let Some(list) = manifest::of(path) {
        return manifest::read(&list);
    }
    if path.is_dir() {
        return wrong(folder(path));
    }
    if let Some(pair) = ncnn::pair(path) {
        return ncnn::read(&pair);
    }
    let source = Source::open(path)?;
    match read_source(&source)? {
        Found::Bag(bag) => Ok(bag),
        Found::Keras => keras::read(path),
    }
}

/// What a file was found to be.
pub enum Found {
    /// Arrays.
    Bag(Bag),
    /// A file of Keras, which has a reader of its own.
    Keras,
}

/// Reads bytes of weights, but for those of Keras.
///
/// # Errors
/// As [`read`].
pub fn read_source(source: &Source) -> Result<Found, ReadError> {
    let head = source.peek(0, HEAD)?;
    let bag = match head.as_slice() {
        [] => wrong("it is empty: fetch it again"),
        [0x89, b'H', b'D', b'F', b'\r', b'\n', 0x1a, b'\n', ..] => return Ok(Found::Keras),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => return read_zip(source),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => numpy::read(source),
        [0x80, 0..=5, ..] => torch::read(source),
        _ if onnx::is_one(&head) => onnx::read(source),
        _ if safetensors::is_one(source)? => safetensors::read(source),
        _ => match known::sentence(source, &head) {
            Some(sentence) => wrong(sentence),
            None if is_old_pickle(&head) => torch::read(source),
            None => wrong(
                "its format is not known: import a file of PyTorch (.pt, .pth), Keras (.h5, .keras), numpy (.npz, \
                 .npy) or safetensors",
            ),
        },
    };
    bag.map(Found::Bag)
}

/// Pickles of protocols 0 and 1 have no magic: a list, a dictionary, a class or a mark comes first.
fn is_old_pickle(head: &[u8]) -> bool {
    match head {
        [b'(', b'd' | b'l' | b't' | b'i' | b'c' | b'(' | b'S' | b'V' | b'X' | b'U' | b'o', ..] => true,
        [b'}' | b']', b'q' | b'.' | b'(' | b']' | b'}' | b'p', ..] => true,
        [b'c', rest @ ..] => {
            let lines: Vec<_> = rest.splitn(3, |byte| *byte == b'\n').collect();
            let name = |line: &&[u8]| line.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(byte));
            lines.len() == 3 && lines.iter().take(2).all(name)
        }
        _ => false,
    }
}

fn read_zip(source: &Source) -> Result<Found, ReadError> {
    let zip = Archive::open(source)?;
    if let Some(root) = torch::root_of(&zip) {
        return torch::read_zip(zip, &root).map(Found::Bag);
    }
    if zip.find("model.weights.h5").is_some() && zip.find("config.json").is_some() {
        return Ok(Found::Keras);
    }
    if zip.entries.iter().any(|entry| numpy::is_array(&entry.name)) {
        return numpy::read_npz(zip).map(Found::Bag);
    }
    let names: Vec<_> =
        zip.entries.iter().take(3).map(|entry| entry.name.chars().take(60).collect::<String>()).collect();
    match names.is_empty() {
        true => wrong("its zip is empty: fetch it again"),
        false => wrong(format!(
            "its zip holds {} and no arrays: unpack it and import the file of weights in it",
            names.join(", ")
        )),
    }
}

/// The place of Keras' reader: `keras::read(path)`.
fn folder(path: &Path) -> &'static str {
    match path.join("saved_model.pb").exists() {
        true => "it is a SavedModel of TensorFlow: load it in Keras and save it with `model.save('model.keras')`",
        false => "it is a folder: name the file of weights in it",
    }
}

#[cfg(test)]
mod tests;
