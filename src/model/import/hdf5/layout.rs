//! Where the values of an array lie, and how they were packed: the layout and filter messages.
//!
//! Read by `tree`; followed by `values` and `chunks`.

use super::super::bag::ReadError;
use super::source::{Fields, Sizes, small};
use super::{damaged, unread};

/// Where values lie.
#[derive(Clone, Debug)]
pub(super) enum Layout {
    /// In the header itself.
    Compact(Vec<u8>),
    /// In one piece; nowhere if they were never written.
    Whole(Option<u64>),
    /// In chunks of this shape, found by a B-tree; nowhere if none was ever written.
    Chunks { tree: Option<u64>, shape: Vec<usize> },
}

/// A step that chunks went through when they were written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Filter {
    Deflate,
    /// Bytes of elements of this size lie sorted by their place.
    Shuffle(usize),
    /// A checksum of four bytes behind the data.
    Checksum,
}

impl Layout {
    pub fn read(body: &[u8], sizes: Sizes) -> Result<Self, ReadError> {
        let mut fields = Fields::new(body, sizes);
        let version = fields.u8()?;
        let (rank, class) = match version {
            1 | 2 => (usize::from(fields.u8()?), fields.u8()?),
            3 | 4 => (0, fields.u8()?),
            _ => return Err(damaged("the layout of an array is of an unknown version")),
        };
        if version < 3 {
            return Self::old(&mut fields, rank, class);
        }
        match (class, version) {
            (0, _) => {
                let size = usize::from(fields.u16()?);
                Ok(Layout::Compact(fields.take(size)?.to_vec()))
            }
            (1, _) => Ok(Layout::Whole(fields.offset()?)),
            (2, 3) => {
                let rank = usize::from(fields.u8()?);
                let tree = fields.offset()?;
                Ok(Layout::Chunks { tree, shape: Self::axes(&mut fields, rank)? })
            }
            (2, _) => Err(unread("an array is kept in chunks of HDF5's newer form (libver=\"latest\")")),
            _ => Err(unread("an array is spread over other files")),
        }
    }

    /// Versions 1 and 2, of HDF5 before 1.6.3.
    fn old(fields: &mut Fields, rank: usize, class: u8) -> Result<Self, ReadError> {
        fields.skip(5)?;
        let address = if class == 0 { None } else { fields.offset()? };
        match class {
            0 => {
                fields.skip(rank.saturating_mul(4))?;
                let size = fields.u32()? as usize;
                Ok(Layout::Compact(fields.take(size)?.to_vec()))
            }
            1 => Ok(Layout::Whole(address)),
            2 => Ok(Layout::Chunks { tree: address, shape: Self::axes(fields, rank)? }),
            _ => Err(damaged("the layout of an array is unknown")),
        }
    }

    /// The shape of a chunk; the last of `rank` numbers is the size of an element.
    fn axes(fields: &mut Fields, rank: usize) -> Result<Vec<usize>, ReadError> {
        let axes = rank.checked_sub(1).filter(|axes| (1..=32).contains(axes));
        let axes = axes.ok_or_else(|| damaged("a chunk has no axes, or too many"))?;
        let shape = (0..axes).map(|_| small(u64::from(fields.u32()?))).collect::<Result<Vec<_>, _>>()?;
        if shape.contains(&0) {
            return Err(damaged("a chunk is empty"));
        }
        Ok(shape)
    }
}

/// Reads a filter message.
pub(super) fn filters(body: &[u8], sizes: Sizes) -> Result<Vec<Filter>, ReadError> {
    let mut fields = Fields::new(body, sizes);
    let (version, count) = (fields.u8()?, fields.u8()?);
    fields.skip(if version == 1 { 6 } else { 0 })?;
    let mut found = Vec::new();
    for _ in 0..count {
        let number = fields.u16()?;
        let name = if version == 1 || number >= 256 { usize::from(fields.u16()?) } else { 0 };
        let _optional = fields.u16()?;
        let count = usize::from(fields.u16()?);
        let name = String::from_utf8_lossy(fields.take(name)?).trim_end_matches('\0').to_string();
        if version == 1 {
            fields.align()?;
        }
        let first = if count > 0 { Some(fields.u32()?) } else { None };
        fields.skip(4 * count.saturating_sub(1))?;
        if version == 1 && count % 2 == 1 {
            fields.skip(4.min(fields.left()))?;
        }
        found.push(match number {
            1 => Filter::Deflate,
            2 => Filter::Shuffle(first.unwrap_or(1).max(1) as usize),
            3 => Filter::Checksum,
            _ => {
                let name = if name.is_empty() { format!("number {number}") } else { name };
                return Err(unread(&format!("an array is compressed with a filter that is not read ({name})")));
            }
        });
    }
    Ok(found)
}
