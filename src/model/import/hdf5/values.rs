//! The values of an array as `f32`.
//!
//! Asked for by `Hdf5::values`, one array after another; bytes pass through a small buffer, so that an array is held
//! once. Arrays in chunks are read by `chunks`.

use std::io::{Read, Seek};

use super::super::bag::ReadError;
use super::datatype::{Element, count};
use super::layout::Layout;
use super::source::Source;
use super::tree::Dataset;
use super::{chunks, damaged, unread};

/// Bytes that are decoded at once: a multiple of every usual element's size.
const BUFFER: usize = 1 << 16;

/// Reads all values.
pub(super) fn read<R: Read + Seek>(source: &mut Source<R>, dataset: &Dataset) -> Result<Vec<f32>, ReadError> {
    if !matches!(dataset.element, Element::Int { .. } | Element::Float { .. }) {
        let what = match dataset.element {
            Element::Other(what, _) => what,
            _ => "texts",
        };
        return Err(unread(&format!("an array holds no numbers but {what}")));
    }
    let count = count(&dataset.shape)?;
    source.charge_values((count as u64).saturating_mul(4))?;
    let size = count.checked_mul(dataset.element.size()).ok_or_else(|| damaged("an array is too large"))?;
    match &dataset.layout {
        _ if count == 0 => Ok(Vec::new()),
        Layout::Compact(bytes) => {
            let bytes = bytes.get(..size).ok_or_else(|| damaged("an array is longer than its bytes"))?;
            let mut values = Vec::with_capacity(count);
            dataset.element.numbers(bytes, &mut values);
            Ok(values)
        }
        Layout::Whole(None) => Ok(vec![0.0; count]),
        Layout::Whole(Some(address)) => {
            source.seek(*address, size as u64)?;
            let mut values = Vec::with_capacity(count);
            let mut buffer = vec![0; size.min(BUFFER)];
            let mut left = size;
            while left > 0 {
                let now = left.min(buffer.len());
                let part = buffer.get_mut(..now).unwrap_or_default();
                source.fill(part)?;
                if !part.len().is_multiple_of(dataset.element.size()) || part.is_empty() {
                    // Elements of 3, 5, 6 or 7 bytes do not fill the buffer; nobody keeps weights in them.
                    return Err(unread("an array holds whole numbers of an unusual width"));
                }
                dataset.element.numbers(part, &mut values);
                left -= now;
            }
            Ok(values)
        }
        Layout::Chunks { tree, shape } => chunks::read(source, dataset, *tree, shape, count),
    }
}
