//! Attributes: texts and numbers that are kept with a group or an array, and the global heap that long texts lie in.
//!
//! Read by `tree`. What is neither text nor a number is named, so that nobody stumbles over an attribute of no interest.

use std::collections::HashMap;
use std::io::{Read, Seek};

use super::super::bag::ReadError;
use super::datatype::{Element, count, shape};
use super::source::{Fields, Source, small};
use super::{damaged, unread};

/// What an attribute says; one value for a scalar.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Texts.
    Texts(Vec<String>),
    /// Numbers; also an empty list, whatever it would hold.
    Numbers(Vec<f32>),
    /// Something that is not read: what it is.
    Other(String),
}

impl Value {
    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Texts(texts) => texts.first().map(String::as_str),
            _ => None,
        }
    }
}

/// A collection of the global heap: its bytes, and where objects lie in them.
pub(super) struct Collection {
    bytes: Vec<u8>,
    objects: HashMap<u64, (usize, usize)>,
}

/// Reads an attribute message: name and value.
pub(super) fn read<R: Read + Seek>(source: &mut Source<R>, body: &[u8]) -> Result<(String, Value), ReadError> {
    let mut fields = Fields::new(body, source.sizes);
    let (version, flags) = (fields.u8()?, fields.u8()?);
    let (name, element, space) = (usize::from(fields.u16()?), usize::from(fields.u16()?), usize::from(fields.u16()?));
    // The letters' encoding.
    match version {
        1 | 2 => {}
        3 => fields.skip(1)?,
        _ => return Err(damaged("an attribute is of an unknown version")),
    }
    let mut part = |size: usize| -> Result<&[u8], ReadError> {
        let bytes = fields.take(size)?;
        if version == 1 {
            fields.align()?;
        }
        Ok(bytes)
    };
    let name = text(part(name)?);
    let (element, space) = (part(element)?, part(space)?);
    if version > 1 && flags & 3 != 0 {
        return Ok((name, Value::Other("a type that is named elsewhere".into())));
    }
    let element = Element::read(element, source.sizes)?;
    let count = match shape(space, source.sizes)? {
        Some(shape) => count(&shape)?,
        None => 0,
    };
    let size = count.checked_mul(element.size()).ok_or_else(|| damaged("an attribute is too large"))?;
    let value = value(source, &element, count, fields.take(size)?)?;
    Ok((name, value))
}

fn value<R: Read + Seek>(
    source: &mut Source<R>,
    element: &Element,
    count: usize,
    bytes: &[u8],
) -> Result<Value, ReadError> {
    if count == 0 || element.size() == 0 {
        return Ok(Value::Numbers(Vec::new()));
    }
    source.charge(bytes.len())?;
    match element {
        Element::Text(size) => Ok(Value::Texts(bytes.chunks_exact(*size).map(text).collect())),
        Element::Far(size) => {
            let texts = bytes.chunks_exact(*size).map(|place| far(source, place)).collect::<Result<_, _>>()?;
            Ok(Value::Texts(texts))
        }
        Element::Int { .. } | Element::Float { .. } => {
            let mut numbers = Vec::with_capacity(count);
            element.numbers(bytes, &mut numbers);
            Ok(Value::Numbers(numbers))
        }
        Element::Other(what, _) => Ok(Value::Other((*what).into())),
    }
}

/// A text of the global heap: its length, the address of its collection, its number there.
fn far<R: Read + Seek>(source: &mut Source<R>, place: &[u8]) -> Result<String, ReadError> {
    let mut fields = Fields::new(place, source.sizes);
    let length = fields.u32()? as usize;
    let address = fields.offset()?;
    let number = u64::from(fields.u32()?);
    let Some(address) = address.filter(|&address| address != 0 && length > 0) else {
        return Ok(String::new());
    };
    source.charge(length)?;
    let collection = match source.heap.take() {
        Some((at, collection)) if at == address => collection,
        _ => collection(source, address)?,
    };
    let found = match collection.objects.get(&number) {
        Some(&(at, size)) if length <= size => collection.bytes.get(at..at + length),
        _ => None,
    };
    let found = found.map(text).ok_or_else(|| damaged("a text is not where it should be"));
    source.heap = Some((address, collection));
    found
}

fn collection<R: Read + Seek>(source: &mut Source<R>, address: u64) -> Result<Collection, ReadError> {
    let head = source.record(address, 8 + source.sizes.length)?;
    let mut fields = Fields::new(&head, source.sizes);
    fields.signature(b"GCOL")?;
    fields.skip(4)?;
    let size = small(fields.length()?)?;
    let bytes = source.record(address, size)?;
    let mut objects = HashMap::new();
    let mut fields = Fields::new(&bytes, source.sizes);
    fields.skip(head.len())?;
    let head = 8 + source.sizes.length;
    while fields.left() >= head {
        let number = u64::from(fields.u16()?);
        fields.skip(6)?;
        let length = small(fields.length()?)?;
        // Number 0 is the room that is left.
        if number == 0 {
            break;
        }
        let at = bytes.len() - fields.left();
        fields.skip(length)?;
        objects.insert(number, (at, length));
        fields.skip((length.wrapping_neg() & 7).min(fields.left()))?;
    }
    Ok(Collection { bytes, objects })
}

/// Text up to its first zero, as UTF-8.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// Whether attributes lie in a heap of the newer form, which is not read.
pub(super) fn dense<R: Read + Seek>(source: &Source<R>, body: &[u8]) -> Result<(), ReadError> {
    let mut fields = Fields::new(body, source.sizes);
    let (_, flags) = (fields.u8()?, fields.u8()?);
    fields.skip(if flags & 1 != 0 { 2 } else { 0 })?;
    match fields.offset()? {
        None => Ok(()),
        Some(_) => Err(unread("the file keeps attributes in HDF5's newer form (libver=\"latest\"), which is not read")),
    }
}
