//! PyTorch's older stream: three pickles about itself, one of the contents, one of keys, then the storages' bytes.
//!
//! Read for whole files, and for the streams of one storage that NVIDIA's pickles are full of. Absent: walking.

use std::collections::HashMap;

use super::super::bag::ReadError;
use super::super::number::Kind;
use super::super::pickle::{self, Heap, Id, NONE, Value};
use super::super::source::{Source, Tape, wrong};

/// The number that such a stream begins with, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Where the bytes of one storage are, and what they are; `None` for bytes without a type.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Where it begins.
    pub at: u64,
    /// How many bytes it has.
    pub len: u64,
    /// What it holds.
    pub kind: Option<Kind>,
}

/// A stream.
pub struct Legacy {
    /// Its contents.
    pub heap: Heap,
    /// Storages by their keys.
    pub storages: HashMap<String, Place>,
    /// Whether its numbers have the byte of the highest value first.
    pub big: bool,
}

/// Whether a pickle's contents is the number that a stream begins with.
pub fn is_magic(heap: &Heap) -> bool {
    matches!(heap.get(heap.root), Value::Big(bytes) if **bytes == MAGIC)
}

/// Reads a stream whose first pickle, the magic, ends at that place.
///
/// # Errors
/// If it is damaged, or of another version.
pub fn read(source: &Source, at: u64) -> Result<Legacy, ReadError> {
    let (version, at) = pickle::read(source, at)?;
    if version.int(version.root) != Some(1001) {
        return wrong("its stream of PyTorch has a version that is not 1001: save it with a newer PyTorch");
    }
    let (system, at) = pickle::read(source, at)?;
    let little = system.entry(system.root, "little_endian");
    let big = little.is_some_and(|little| system.int(little) == Some(0));
    let (heap, at) = pickle::read(source, at)?;
    let (keys, at) = pickle::read(source, at)?;
    let mut kinds = HashMap::new();
    for value in heap.all() {
        if let Value::Persistent(id) = value
            && let Some(storage) = StorageId::of(&heap, *id)
        {
            kinds.insert(storage.key, storage.kind);
        }
    }
    let mut storages = HashMap::new();
    let mut tape = Tape::new(source, at);
    for key in keys.members(keys.root).unwrap_or_default() {
        let Some(key) = key_of(&keys, *key) else { return wrong("its storages have no names: fetch the file again") };
        let Some(kind) = kinds.get(&key).copied() else {
            return wrong("it lists storages that no tensor names: fetch the file again");
        };
        let Ok(count) = u64::try_from(i64::from_le_bytes(tape.bytes()?)) else {
            return wrong("a storage of it has a length below zero: fetch the file again");
        };
        let Some(len) = count.checked_mul(kind.map_or(1, Kind::size)) else {
            return wrong("a storage of it has an impossible length: fetch the file again");
        };
        storages.insert(key, Place { at: tape.at(), len, kind });
        tape.skip(len)?;
    }
    Ok(Legacy { heap, storages, big })
}

/// A key is a text, or (before PyTorch 0.2) a number.
fn key_of(heap: &Heap, id: Id) -> Option<String> {
    heap.text(id).map(|text| text.into_owned()).or_else(|| heap.int(id).map(|int| int.to_string()))
}

/// What a persistent id says of a storage: `('storage', type, key, place, count, view)`.
pub struct StorageId {
    /// Its key.
    pub key: String,
    /// What it holds; `None` for bytes without a type.
    pub kind: Option<Kind>,
    /// Where the view of it begins, counted in numbers.
    pub offset: u64,
}

impl StorageId {
    /// Reads it; `None` if it is something else.
    pub fn of(heap: &Heap, id: Id) -> Option<Self> {
        if heap.text(heap.member(id, 0)).as_deref() != Some("storage") {
            return None;
        }
        let class = heap.class_name(heap.member(id, 1))?;
        let kind = Kind::of_torch(&class);
        if kind.is_none() && !class.ends_with("UntypedStorage") {
            return None;
        }
        let view = heap.member(id, 5);
        let offset = if view == NONE { 0 } else { heap.count(heap.member(view, 1))? };
        Some(Self { key: key_of(heap, heap.member(id, 2))?, kind, offset })
    }
}
