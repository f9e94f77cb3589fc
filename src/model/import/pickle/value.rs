//! What a pickle holds: values in one arena, which name each other by their place.
//!
//! Filled by the machine, read by `meaning`. Sharing is free, and cycles are possible: whoever walks counts its steps.
//! Long texts and bytes stay where they are and are ranges of their source.

use std::borrow::Cow;

use super::super::bag::ReadError;
use super::super::source::{Source, wrong};

/// The place of a value in its [`Heap`].
pub type Id = u32;

/// Where `None` is in every heap; `True`, `False` and `()` follow.
pub const NONE: Id = 0;
/// Where `True` is.
pub const TRUE: Id = 1;
/// Where `False` is.
pub const FALSE: Id = 2;
/// Where `()` is.
pub const EMPTY: Id = 3;

/// Bytes that lie in the heap, or in the source.
#[derive(Debug, PartialEq)]
pub enum Blob {
    /// Short ones, or decoded ones.
    Own(Box<[u8]>),
    /// A range of the source: where, and how many.
    Range(u64, u64),
}

/// One value.
#[derive(Debug, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// A truth.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A larger one, little-endian in two's complement.
    Big(Box<[u8]>),
    /// A float.
    Float(f64),
    /// A text in UTF-8.
    Text(Blob),
    /// Bytes, and the texts of Python 2.
    Bytes(Blob),
    /// A list or a set.
    List(Vec<Id>),
    /// A tuple.
    Tuple(Box<[Id]>),
    /// A dictionary in its order.
    Dict(Vec<(Id, Id)>),
    /// The name of something in Python: a class or a function, by the texts of its module and its own name.
    Global(Id, Id),
    /// What a call or a class would have made.
    Object(Object),
    /// What lies outside of the pickle, by its key.
    Persistent(Id),
}

/// Something that Python would have made by a call. Nothing is called.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Object {
    /// What would have been called: mostly a global.
    pub class: Id,
    /// With which arguments: mostly a tuple.
    pub args: Id,
    /// What it was built from after that; `NONE` without.
    pub state: Id,
    /// The dictionary of entries that were set in it; `NONE` without.
    pub entries: Id,
    /// The list of items that were appended to it; `NONE` without.
    pub items: Id,
}

/// All values of a pickle.
pub struct Heap {
    values: Vec<Value>,
    source: Source,
    /// The place of the outermost value.
    pub root: Id,
}

/// Values that a pickle may have beside its arrays.
pub const MOST_VALUES: usize = 1_500_000;
/// Bytes that a name may have.
const MOST_LETTERS: usize = 1000;

impl Heap {
    /// An empty one whose ranges are of that source.
    pub fn new(source: &Source) -> Self {
        let values = vec![Value::None, Value::Bool(true), Value::Bool(false), Value::Tuple(Box::default())];
        Self { values, source: source.clone(), root: NONE }
    }

    /// Adds a value.
    ///
    /// # Errors
    /// If there are too many.
    pub fn add(&mut self, value: Value) -> Result<Id, ReadError> {
        if self.values.len() >= MOST_VALUES {
            return wrong("its pickle has more than a million values beside its arrays: save the state dict alone");
        }
        self.values.push(value);
        Ok(self.values.len() as Id - 1)
    }

    /// The value at a place.
    pub fn get(&self, id: Id) -> &Value {
        self.values.get(id as usize).unwrap_or(&Value::None)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: Id) -> Option<&mut Value> {
        self.values.get_mut(id as usize)
    }

    /// All values.
    pub fn all(&self) -> &[Value] {
        &self.values
    }

    /// A text, if it is one that is not long (a name, not a source).
    pub fn text(&self, id: Id) -> Option<Cow<'_, str>> {
        match self.get(id) {
            Value::Text(Blob::Own(bytes)) | Value::Bytes(Blob::Own(bytes)) if bytes.len() <= MOST_LETTERS => {
                Some(String::from_utf8_lossy(bytes))
            }
            _ => None,
        }
    }

    /// An integer.
    pub fn int(&self, id: Id) -> Option<i64> {
        match self.get(id) {
            Value::Int(int) => Some(*int),
            Value::Bool(truth) => Some((*truth).into()),
            _ => None,
        }
    }

    /// An integer that counts something.
    pub fn count(&self, id: Id) -> Option<u64> {
        self.int(id).and_then(|int| u64::try_from(int).ok())
    }

    /// The members of a tuple or a list.
    pub fn members(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(ids) => Some(ids),
            Value::List(ids) => Some(ids),
            _ => None,
        }
    }

    /// The member of a tuple or a list at that place; `NONE` where it has none.
    pub fn member(&self, id: Id, at: usize) -> Id {
        self.members(id).and_then(|ids| ids.get(at)).copied().unwrap_or(NONE)
    }

    /// The value under a name in a dictionary (the last one, as in Python).
    pub fn entry(&self, id: Id, name: &str) -> Option<Id> {
        let Value::Dict(pairs) = self.get(id) else { return None };
        let named = |key: &Id| matches!(self.get(*key), Value::Text(Blob::Own(b)) | Value::Bytes(Blob::Own(b)) if **b == *name.as_bytes());
        pairs.iter().rev().find(|(key, _)| named(key)).map(|(_, value)| *value)
    }

    /// How many entries are looked through to say what a value stands for.
    pub fn weight(&self, id: Id) -> usize {
        let entries = |id| match self.get(id) {
            Value::Dict(pairs) => pairs.len(),
            _ => 0,
        };
        match self.get(id) {
            Value::Object(object) => {
                entries(object.state) + entries(self.member(object.state, 0)) + entries(self.member(object.args, 0))
            }
            _ => entries(id),
        }
    }

    /// Bytes as a source of their own.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn bytes(&self, id: Id) -> Result<Option<Source>, ReadError> {
        match self.get(id) {
            Value::Bytes(Blob::Own(bytes)) => Ok(Some(Source::from_bytes(bytes.to_vec()))),
            Value::Bytes(Blob::Range(at, len)) => self.source.part(*at, *len).map(Some),
            _ => Ok(None),
        }
    }

    /// A text's UTF-8 as bytes of Latin-1: how protocols 0 to 2 keep bytes. `None` if it is no such text.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn latin1(&self, id: Id) -> Result<Option<Source>, ReadError> {
        let text = match self.get(id) {
            Value::Text(Blob::Own(bytes)) => bytes.to_vec(),
            Value::Text(Blob::Range(at, len)) => self.source.read(*at, *len)?,
            _ => return Ok(None),
        };
        let Ok(text) = String::from_utf8(text) else { return Ok(None) };
        let mut bytes = Vec::with_capacity(text.len());
        for letter in text.chars() {
            match u8::try_from(u32::from(letter)) {
                Ok(byte) => bytes.push(byte),
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(Source::from_bytes(bytes)))
    }

    /// How long a text or bytes are, before anything is read.
    pub fn length(&self, id: Id) -> u64 {
        match self.get(id) {
            Value::Text(Blob::Own(bytes)) | Value::Bytes(Blob::Own(bytes)) => bytes.len() as u64,
            Value::Text(Blob::Range(_, len)) | Value::Bytes(Blob::Range(_, len)) => *len,
            _ => 0,
        }
    }
}
