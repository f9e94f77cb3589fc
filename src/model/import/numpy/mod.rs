//! Files of numpy: `.npy` with an array or with a pickled dictionary of arrays, and `.npz`, the zip of several.
//!
//! Fed by `import::read`; gives a `Bag`. An array alone is called `arr_0`, as numpy calls one without a name.
//! Absent: texts, dates, complex numbers and arrays of several fields.

mod header;

use serde_json::json;

use header::Content;

use super::archive::Archive;
use super::bag::{Array, Bag, ReadError};
use super::number::Budget;
use super::pickle;
use super::source::{Source, wrong};
use super::torch::{Storages, Stores, collect};
use super::write::NOTE;

/// Bytes of the text beside arrays at most.
const MOST_NOTE: u64 = 1 << 20;

/// Reads a `.npy`.
///
/// # Errors
/// If it is damaged, or holds no numbers.
pub fn read(source: &Source) -> Result<Bag, ReadError> {
    let mut bag = Bag { format: "numpy .npy".into(), ..Bag::default() };
    take(source, "", &mut Budget::new(source.len()), &mut bag)?;
    match (bag.arrays.is_empty(), bag.remarks.first()) {
        (false, _) => Ok(bag),
        (true, Some(remark)) => wrong(format!("it holds no arrays of numbers: {remark}")),
        (true, None) => wrong("it holds no arrays of numbers: save them with `numpy.savez`"),
    }
}

/// Whether an entry of a zip is an array.
pub fn is_array(name: &str) -> bool {
    name.ends_with(".npy")
}

/// Reads a `.npz`.
///
/// # Errors
/// If it is damaged, or holds no numbers.
pub fn read_npz(mut zip: Archive) -> Result<Bag, ReadError> {
    let mut bag = Bag { format: "numpy .npz".into(), ..Bag::default() };
    let mut budget = Budget::new(zip.bytes);
    let names: Vec<_> = zip.entries.iter().map(|entry| entry.name.clone()).enumerate().collect();
    for (index, name) in names {
        let Some(name) = name.strip_suffix(".npy") else { continue };
        let source = zip.source(index)?;
        let name: String = name.replace('/', ".").chars().take(512).collect();
        take(&source, &name, &mut budget, &mut bag).map_err(|e| match e.0.starts_with('"') {
            true => e,
            false => ReadError(format!("\"{name}\" in it cannot be read: {}", e.0)),
        })?;
    }
    if bag.arrays.is_empty() {
        return wrong("its zip holds no arrays of numbers: save them with `numpy.savez`");
    }
    if let Some(at) = zip.find(NOTE) {
        let source = zip.source(at)?;
        budget.work(source.len())?;
        let text = source.read(0, source.len().min(MOST_NOTE))?;
        bag.config = json!({ "__metadata__": { "flaneur": String::from_utf8_lossy(&text) } });
    }
    Ok(bag)
}

/// Takes what one `.npy` holds, under that name.
fn take(source: &Source, name: &str, budget: &mut Budget, bag: &mut Bag) -> Result<(), ReadError> {
    let (content, at) = header::read(source)?;
    budget.work(at)?;
    let shown = if name.is_empty() { "arr_0" } else { name };
    match content {
        Content::Numbers(format, view) => {
            let values = view.read(&source.part(at, source.len() - at)?, format, budget)?;
            let whole = format.kind.whole();
            bag.arrays.push(Array { name: shown.to_owned(), shape: view.shape, values, whole });
        }
        Content::Objects => {
            budget.work(source.len())?;
            let (heap, _) = pickle::read(source, at)?;
            let prefix = if name.is_empty() { String::new() } else { format!("{name}.") };
            let inner = collect(&heap, &mut Storages::new(Stores::Alone), budget, &prefix)?;
            bag.arrays.extend(inner.arrays);
            bag.remarks.extend(inner.remarks);
            if name.is_empty() {
                bag.config = inner.config;
            }
        }
        Content::Other(code) if bag.remarks.len() < 20 => {
            bag.remarks.push(format!("\"{shown}\" holds no plain numbers (type {code}) and is left out."));
        }
        Content::Other(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;
