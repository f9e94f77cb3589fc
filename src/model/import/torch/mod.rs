//! Files of PyTorch, and pickles of arrays: zips (since 1.6), streams (before), and pickles alone, as NVIDIA's are.
//!
//! Fed by `import::read`, which looked at the first bytes; gives a `Bag` in the file's order, with what whole modules
//! say of themselves (`config`, see `walk`) and which dictionaries there are ([`groups`]). Nothing is run: a pickle is
//! read as data. Absent: TorchScript, and archives of PyTorch < 0.1.10.

mod attributes;
mod groups;
mod legacy;
mod stores;
mod walk;

pub use groups::{Group, groups};
pub use stores::{Storages, Stores};
pub use walk::collect;

use super::archive::Archive;
use super::bag::{Bag, ReadError};
use super::number::Budget;
use super::pickle;
use super::source::{Source, wrong};

/// Reads a pickle or a stream of PyTorch: a file that begins with a pickle.
///
/// # Errors
/// If it is damaged, or holds no arrays.
pub fn read(source: &Source) -> Result<Bag, ReadError> {
    let mut budget = Budget::new(source.len());
    let (first, end) = pickle::read(source, 0)?;
    if legacy::is_magic(&first) {
        let stream = legacy::read(source, end)?;
        let mut storages = Storages::new(Stores::Stream(source.clone(), stream.storages, stream.big));
        let bag = collect(&stream.heap, &mut storages, &mut budget, "")?;
        return Ok(Bag { format: "torch legacy".into(), ..bag });
    }
    let bag = collect(&first, &mut Storages::new(Stores::Alone), &mut budget, "")?;
    Ok(Bag { format: "pickle".into(), ..bag })
}

/// The folder in a zip that holds PyTorch's `data.pkl`, with its slash.
pub fn root_of(zip: &Archive) -> Option<String> {
    let mut names = zip.entries.iter().map(|entry| entry.name.as_str());
    names.find_map(|name| {
        let root = name.strip_suffix("data.pkl")?;
        (root.is_empty() || (root.ends_with('/') && root.matches('/').count() == 1)).then(|| root.to_owned())
    })
}

/// Reads a zip of PyTorch whose files lie in that folder.
///
/// # Errors
/// If it is damaged, holds no arrays, or is a program (TorchScript).
pub fn read_zip(mut zip: Archive, root: &str) -> Result<Bag, ReadError> {
    let code = format!("{root}code/");
    if zip.entries.iter().any(|entry| entry.name.starts_with(&code)) {
        return wrong(
            "it is a TorchScript archive, a program with its weights: save them alone, \
             `torch.save(torch.jit.load(FILE).state_dict(), NEW)`",
        );
    }
    let Some(index) = zip.find(&format!("{root}data.pkl")) else { return wrong("its zip has no data.pkl") };
    let pickled = zip.source(index)?;
    let big = match zip.find(&format!("{root}byteorder")) {
        Some(index) => zip.source(index)?.peek(0, 16)?.starts_with(b"big"),
        None => false,
    };
    let mut budget = Budget::new(zip.bytes);
    let (heap, _) = pickle::read(&pickled, 0)?;
    let mut storages = Storages::new(Stores::Zip(Box::new(zip), root.to_owned(), big));
    let bag = collect(&heap, &mut storages, &mut budget, "")?;
    Ok(Bag { format: "torch zip".into(), ..bag })
}

#[cfg(test)]
mod tests;
