//! Where the storages of tensors are: in the zip around a pickle, behind it in a stream, or in streams inside of it.
//!
//! Made by `torch::read`, asked by the walk for each tensor. Absent: how a tensor lies in its storage (`number::View`).

use std::collections::HashMap;

use super::super::archive::Archive;
use super::super::bag::ReadError;
use super::super::number::{Budget, Format, Kind, View};
use super::super::pickle::{self, Heap, Id, Tensor, Value};
use super::super::source::{Source, wrong};
use super::legacy::{self, Legacy, Place, StorageId};

/// Where storages are.
pub enum Stores {
    /// In a zip, under that folder; whether the byte of the highest value comes first.
    Zip(Box<Archive>, String, bool),
    /// Behind the pickle.
    Stream(Source, HashMap<String, Place>, bool),
    /// Nowhere: the pickle is alone.
    Alone,
}

/// Storages, with what was looked up before.
pub struct Storages {
    stores: Stores,
    /// Places of storages in the streams that the pickle holds, by the value that holds them.
    inner: HashMap<Id, (Place, bool)>,
    /// The last bytes that had to be decoded.
    decoded: Option<(Id, Source)>,
}

struct Storage {
    source: Source,
    format: Option<Format>,
    offset: u64,
}

impl Storages {
    /// Storages of that place.
    pub fn new(stores: Stores) -> Self {
        Self { stores, inner: HashMap::new(), decoded: None }
    }

    /// The shape, the values and the kind of a tensor.
    ///
    /// # Errors
    /// If its storage is missing or too short, or its kind is not known.
    pub fn read(
        &mut self,
        heap: &Heap,
        tensor: &Tensor,
        budget: &mut Budget,
    ) -> Result<(Vec<usize>, Vec<f32>, Kind), ReadError> {
        let storage = self.storage(heap, tensor.storage, budget)?;
        let format = match (heap.class_name(tensor.dtype), storage.format) {
            (Some(dtype), format) => match Kind::of_torch(&dtype) {
                Some(kind) => Format { kind, big: format.is_some_and(|format| format.big) },
                None => return wrong(format!("it has the type {dtype}, which is not read: save it as float32")),
            },
            (None, Some(format)) => format,
            (None, None) => return wrong("its type is not said: save it with a newer PyTorch"),
        };
        let counts = |id| -> Option<Vec<u64>> {
            let ids = match heap.get(id) {
                Value::Object(size) => heap.members(heap.member(size.args, 0)),
                _ => heap.members(id),
            };
            ids?.iter().map(|id| heap.count(*id)).collect()
        };
        let (Some(size), Some(strides), Some(offset)) =
            (counts(tensor.size), counts(tensor.stride), heap.count(tensor.offset))
        else {
            return wrong("its shape cannot be read: fetch the file again");
        };
        let Some(shape) = size.iter().map(|axis| usize::try_from(*axis).ok()).collect::<Option<Vec<_>>>() else {
            return wrong("its shape is impossible: fetch the file again");
        };
        let Some(offset) = offset.checked_add(storage.offset) else {
            return wrong("its place is impossible: fetch the file again");
        };
        let view = View { offset, shape, strides };
        let values = view.read(&storage.source, format, budget)?;
        Ok((view.shape, values, format.kind))
    }

    fn storage(&mut self, heap: &Heap, id: Id, budget: &mut Budget) -> Result<Storage, ReadError> {
        match heap.get(id) {
            Value::Persistent(key) => self.outer(heap, *key),
            Value::Object(object) => {
                let name = heap.class_name(object.class).unwrap_or_default();
                match name.as_str() {
                    "torch.storage._load_from_bytes" => self.inner(heap, heap.member(object.args, 0), budget),
                    _ => wrong(format!("its storage is a call of {name}, which is not read: save the state dict")),
                }
            }
            _ => wrong("it has no storage: fetch the file again"),
        }
    }

    fn outer(&mut self, heap: &Heap, key: Id) -> Result<Storage, ReadError> {
        let Some(id) = StorageId::of(heap, key) else {
            let class = heap.class_name(heap.member(key, 1)).unwrap_or_else(|| "no class".into());
            return wrong(format!("its storage is of {class}, which is not read: save it as float32"));
        };
        match &mut self.stores {
            Stores::Zip(zip, root, big) => {
                let Some(index) = zip.find(&format!("{root}data/{}", id.key)) else {
                    return wrong(format!("its storage {} is missing in the zip: fetch the file again", id.key));
                };
                let format = id.kind.map(|kind| Format { kind, big: *big });
                Ok(Storage { source: zip.source(index)?, format, offset: id.offset })
            }
            Stores::Stream(source, storages, big) => {
                let Some(place) = storages.get(&id.key) else {
                    return wrong(format!("its storage {} is missing: fetch the file again", id.key));
                };
                let format = place.kind.map(|kind| Format { kind, big: *big });
                Ok(Storage { source: source.part(place.at, place.len)?, format, offset: id.offset })
            }
            Stores::Alone => wrong("its storages are not in the file: save it with `torch.save`"),
        }
    }

    /// A whole stream of PyTorch that is bytes in the pickle.
    fn inner(&mut self, heap: &Heap, id: Id, budget: &mut Budget) -> Result<Storage, ReadError> {
        let source = match &self.decoded {
            Some((last, source)) if *last == id => source.clone(),
            _ => {
                budget.work(heap.data_work(id))?;
                let Some(source) = heap.data(id)? else {
                    return wrong("its storage is no bytes: fetch the file again");
                };
                self.decoded = (heap.data_work(id) > 0).then(|| (id, source.clone()));
                source
            }
        };
        let (place, big) = match self.inner.get(&id) {
            Some(found) => *found,
            None => {
                let found = only_storage(&source)?;
                self.inner.insert(id, found);
                found
            }
        };
        let format = place.kind.map(|kind| Format { kind, big });
        Ok(Storage { source: source.part(place.at, place.len)?, format, offset: 0 })
    }
}

/// The name of a tensor's type, if it is one that is not read: complex, quantised, eight bits with a point.
pub fn strange(heap: &Heap, tensor: &Tensor) -> Option<String> {
    let named = match (heap.class_name(tensor.dtype), heap.get(tensor.storage)) {
        (Some(dtype), _) => dtype,
        (None, Value::Persistent(key)) if StorageId::of(heap, *key).is_none() => {
            heap.class_name(heap.member(*key, 1)).filter(|class| class.ends_with("Storage"))?
        }
        _ => return None,
    };
    Kind::of_torch(&named).is_none().then_some(named)
}

/// The storage that a stream is about.
fn only_storage(source: &Source) -> Result<(Place, bool), ReadError> {
    let (magic, at) = pickle::read(source, 0)?;
    if !legacy::is_magic(&magic) {
        return wrong("its storage is no stream of PyTorch: fetch the file again");
    }
    let Legacy { heap, storages, big } = legacy::read(source, at)?;
    let id = match heap.get(heap.root) {
        Value::Persistent(key) => StorageId::of(&heap, *key),
        _ => None,
    };
    match id.and_then(|id| storages.get(&id.key).copied()) {
        Some(place) => Ok((place, big)),
        None => wrong("its storage holds something else: fetch the file again"),
    }
}
