//! Arrays in chunks: found by a B-tree, unpacked (deflate, shuffle, checksum), put in their places.
//!
//! Followed by `values`. People get such files by saving with compression. A chunk is held packed and unpacked while
//! it is put in its place; how large it may become is known before it is unpacked.

use std::io::{Read, Seek};

use flate2::read::ZlibDecoder;

use super::super::bag::ReadError;
use super::damaged;
use super::datatype::count;
use super::group::node;
use super::layout::Filter;
use super::source::{Fields, Source};
use super::tree::Dataset;

/// Reads an array of `count` values in chunks of `shape`.
pub(super) fn read<R: Read + Seek>(
    source: &mut Source<R>,
    dataset: &Dataset,
    tree: Option<u64>,
    shape: &[usize],
    count: usize,
) -> Result<Vec<f32>, ReadError> {
    if shape.len() != dataset.shape.len() {
        return Err(damaged("chunks have other axes than their array"));
    }
    let mut values = vec![0.0; count];
    let mut open: Vec<(u64, Option<u8>)> = tree.map(|tree| (tree, None)).into_iter().collect();
    while let Some((address, level)) = open.pop() {
        // A key: bytes of the packed chunk, filters that were skipped, its corner and a zero.
        let node = node(source, address, 1, level, 8 + 8 * (shape.len() + 1))?;
        for (key, child) in node.keys.iter().zip(node.children) {
            if node.level > 0 {
                open.push((child, Some(node.level - 1)));
                continue;
            }
            let mut fields = Fields::new(key, source.sizes);
            let (packed, skipped) = (fields.u32()?, fields.u32()?);
            let corner = shape.iter().map(|_| fields.number(8)).collect::<Result<Vec<_>, _>>()?;
            let chunk = unpack(source, dataset, shape, child, packed, skipped)?;
            place(&mut values, &dataset.shape, &chunk, shape, &corner);
        }
    }
    Ok(values)
}

/// The values of one chunk.
fn unpack<R: Read + Seek>(
    source: &mut Source<R>,
    dataset: &Dataset,
    shape: &[usize],
    address: u64,
    packed: u32,
    skipped: u32,
) -> Result<Vec<f32>, ReadError> {
    let count = count(shape)?;
    let size = count.checked_mul(dataset.element.size()).ok_or_else(|| damaged("a chunk is too large"))?;
    // Twice: as bytes and as values.
    source.charge_values((size as u64).saturating_mul(2).saturating_add(u64::from(packed)))?;
    source.seek(address, u64::from(packed))?;
    let mut bytes = vec![0; packed as usize];
    source.fill(&mut bytes)?;
    for (place, filter) in dataset.filters.iter().enumerate().rev() {
        if skipped.checked_shr(place as u32).is_some_and(|bits| bits & 1 == 1) {
            continue;
        }
        bytes = match filter {
            Filter::Checksum => {
                bytes.truncate(bytes.len().saturating_sub(4));
                bytes
            }
            Filter::Deflate => {
                // A checksum may follow inside.
                let most = size as u64 + 4;
                let mut plain = Vec::with_capacity(size);
                let unpacked = ZlibDecoder::new(bytes.as_slice()).take(most).read_to_end(&mut plain);
                unpacked.map_err(|_| damaged("a compressed chunk cannot be unpacked"))?;
                plain
            }
            Filter::Shuffle(width) => unshuffle(&bytes, *width),
        };
    }
    let bytes = bytes.get(..size).ok_or_else(|| damaged("a chunk is shorter than it should be"))?;
    let mut values = Vec::with_capacity(count);
    dataset.element.numbers(bytes, &mut values);
    Ok(values)
}

/// Undoes the sorting of bytes by their place in an element; what is no whole element stays behind.
pub(super) fn unshuffle(bytes: &[u8], width: usize) -> Vec<u8> {
    let count = bytes.len() / width;
    if width < 2 || count == 0 {
        return bytes.to_vec();
    }
    let mut plain = vec![0; bytes.len()];
    for (place, part) in bytes.chunks_exact(count).take(width).enumerate() {
        for (to, from) in plain.iter_mut().skip(place).step_by(width).zip(part) {
            *to = *from;
        }
    }
    let whole = count * width;
    if let (Some(to), Some(from)) = (plain.get_mut(whole..), bytes.get(whole..)) {
        to.copy_from_slice(from);
    }
    plain
}

/// Copies a chunk's rows to where they belong; what hangs over the array's edge is room that was never used.
fn place(values: &mut [f32], array: &[usize], chunk: &[f32], shape: &[usize], corner: &[u64]) {
    let (Some(&row), Some(&wide), Some(&left)) = (shape.last(), array.last(), corner.last()) else { return };
    let Some(left) = usize::try_from(left).ok().filter(|&left| left < wide) else { return };
    let take = row.min(wide - left);
    'rows: for (number, part) in chunk.chunks_exact(row).enumerate() {
        // Where the row lies in the chunk, axis by axis from the last but one.
        let (mut rest, mut at, mut stride) = (number, left, wide);
        for axis in (0..shape.len().saturating_sub(1)).rev() {
            let (Some(&side), Some(&length), Some(&from)) = (shape.get(axis), array.get(axis), corner.get(axis)) else {
                return;
            };
            let place = from.saturating_add((rest % side) as u64);
            rest /= side;
            let Some(place) = usize::try_from(place).ok().filter(|&place| place < length) else { continue 'rows };
            at += place * stride;
            stride *= length;
        }
        if let (Some(to), Some(from)) = (values.get_mut(at..at + take), part.get(..take)) {
            to.copy_from_slice(from);
        }
    }
}
