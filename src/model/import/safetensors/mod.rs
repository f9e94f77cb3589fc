//! Files of safetensors: a header in JSON, then the arrays' bytes.
//!
//! Fed by `import::read`; gives a `Bag` in the order of the bytes. The header is read and checked by the safetensors
//! crate, the arrays one by one from the file. `__metadata__` goes to `Bag::config` under that name. Absent: numbers of
//! less than a byte and of eight bits with a point.

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde_json::json;

use super::bag::{Array, Bag, MOST_ARRAYS, ReadError};
use super::number::{Budget, Format, Kind, View};
use super::source::{CUT, Source, wrong};

/// Bytes that a header may have: far above that of [`MOST_ARRAYS`] arrays.
const MOST_HEADER: u64 = 8 << 20;

/// Whether a file begins as these do: a length that is no nonsense, and a JSON object.
///
/// # Errors
/// If it cannot be read.
pub fn is_one(source: &Source) -> Result<bool, ReadError> {
    let head = source.peek(0, 9)?;
    let Some((len, [b'{'])) = head.split_first_chunk::<8>() else { return Ok(false) };
    // A file that was cut within its header is one all the same.
    Ok(u64::from_le_bytes(*len) < 100 << 20)
}

/// Reads one.
///
/// # Errors
/// If it is damaged, or holds types that are not read.
pub fn read(source: &Source) -> Result<Bag, ReadError> {
    let len = source.read(0, 8)?.first_chunk::<8>().map_or(0, |len| u64::from_le_bytes(*len));
    if len > MOST_HEADER {
        return wrong("the header of its arrays is larger than 8 MB: fetch the file again");
    }
    let header = source.read(8, len)?;
    let header: Metadata = serde_json::from_slice(&header)
        .map_err(|e| ReadError(format!("its header is damaged ({}): fetch it again", shortened(&e.to_string()))))?;
    let begin = 8 + len;
    match begin.checked_add(header.data_len() as u64) {
        Some(end) if end > source.len() => return wrong(CUT),
        Some(end) if end == source.len() => {}
        _ => return wrong("it has more bytes than its header says: fetch it again"),
    }
    let names = header.offset_keys();
    if names.len() > MOST_ARRAYS {
        return wrong(format!("it holds more than {MOST_ARRAYS} arrays: save the network alone"));
    }
    let mut bag = Bag { format: "safetensors".into(), ..Bag::default() };
    let mut budget = Budget::new(source.len());
    for name in names {
        let Some(info) = header.info(&name) else { continue };
        let shown = shortened(&name);
        let Some(kind) = kind_of(info.dtype) else {
            return wrong(format!("\"{shown}\" is of type {}, which is not read: save it as F32", info.dtype));
        };
        let (from, to) = info.data_offsets;
        let bytes = source.part(begin + from as u64, to.saturating_sub(from) as u64)?;
        let Some(view) = View::dense(info.shape.clone(), false) else {
            return wrong(format!("\"{shown}\" has an impossible shape: fetch the file again"));
        };
        let values = view
            .read(&bytes, Format { kind, big: false }, &mut budget)
            .map_err(|e| ReadError(format!("\"{shown}\" cannot be read: {}", e.0)))?;
        bag.arrays.push(Array { name, shape: view.shape, values, whole: kind.whole() });
    }
    if bag.arrays.is_empty() {
        return wrong("it holds no arrays: save a network into it");
    }
    if let Some(notes) = header.metadata() {
        bag.config = json!({ "__metadata__": notes });
    }
    Ok(bag)
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::BOOL => Kind::Bool,
        Dtype::U8 => Kind::U8,
        Dtype::I8 => Kind::I8,
        Dtype::I16 => Kind::I16,
        Dtype::U16 => Kind::U16,
        Dtype::F16 => Kind::F16,
        Dtype::BF16 => Kind::Bf16,
        Dtype::I32 => Kind::I32,
        Dtype::U32 => Kind::U32,
        Dtype::F32 => Kind::F32,
        Dtype::F64 => Kind::F64,
        Dtype::I64 => Kind::I64,
        Dtype::U64 => Kind::U64,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
