//! The bytes of an HDF5 file and the numbers in them: ranges that lie in the file, within a budget.
//!
//! Fed by `Hdf5::open`; every other file of this folder reads through it. Nothing is taken from memory before the
//! range it stands for is known to lie in the file.

use std::io::{Read, Seek, SeekFrom};

use super::super::bag::ReadError;
use super::damaged;

/// Bytes of records (headers, trees, names) that one file may make us read at most, whatever its size.
const MOST_RECORDS: u64 = 128 << 20;
/// Bytes beyond the file's own that values may take.
const SPARE_VALUES: u64 = 8 << 20;

/// Widths of offsets and lengths in this file, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub offset: usize,
    pub length: usize,
}

/// A window of a file, and how much may still be read of it.
pub(super) struct Source<R> {
    file: R,
    start: u64,
    len: u64,
    /// Where addresses count from, within the window.
    pub base: u64,
    pub sizes: Sizes,
    records: u64,
    values: u64,
    /// The furthest address of a record since this was last set to zero.
    pub furthest: u64,
    /// The last collection of the global heap that was read: its address, and its objects by number.
    pub heap: Option<(u64, super::attribute::Collection)>,
}

impl<R: Read + Seek> Source<R> {
    pub fn new(file: R, start: u64, len: u64) -> Self {
        Source {
            file,
            start,
            len,
            base: 0,
            sizes: Sizes { offset: 8, length: 8 },
            records: len.saturating_mul(4).saturating_add(1 << 20).min(MOST_RECORDS),
            values: len.saturating_mul(8).saturating_add(SPARE_VALUES),
            furthest: 0,
            heap: None,
        }
    }

    /// Bytes from the base to the end of the file.
    pub fn reach(&self) -> u64 {
        self.len.saturating_sub(self.base)
    }

    /// Takes from the budget of records.
    pub fn charge(&mut self, bytes: usize) -> Result<(), ReadError> {
        // Each record costs something even if it is empty, so that a circle of empty ones ends soon.
        let bytes = (bytes as u64).saturating_add(64);
        self.records = self
            .records
            .checked_sub(bytes)
            .ok_or_else(|| damaged("its records name each other in circles, or are more than the file can hold"))?;
        Ok(())
    }

    /// Takes from the budget of values: `bytes` of memory.
    pub fn charge_values(&mut self, bytes: u64) -> Result<(), ReadError> {
        self.values = self
            .values
            .checked_sub(bytes)
            .ok_or_else(|| damaged("its arrays claim many times more numbers than the file holds"))?;
        Ok(())
    }

    /// Goes to an address after making sure that `count` bytes follow it.
    pub fn seek(&mut self, address: u64, count: u64) -> Result<(), ReadError> {
        let end = address.checked_add(count).ok_or_else(|| damaged("an address lies beyond its end"))?;
        if end > self.reach() {
            return Err(damaged("an address lies beyond its end"));
        }
        // No overflow: the sum lies within the window.
        self.file.seek(SeekFrom::Start(self.start + self.base + address)).map_err(broken)?;
        Ok(())
    }

    /// The bytes of a record.
    pub fn record(&mut self, address: u64, count: usize) -> Result<Vec<u8>, ReadError> {
        self.seek(address, count as u64)?;
        self.charge(count)?;
        self.furthest = self.furthest.max(address);
        let mut bytes = vec![0; count];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The next bytes after `seek`.
    pub fn fill(&mut self, bytes: &mut [u8]) -> Result<(), ReadError> {
        self.file.read_exact(bytes).map_err(broken)
    }
}

fn broken(error: std::io::Error) -> ReadError {
    ReadError(format!("the file cannot be read: {error}"))
}

/// Numbers one after another, little-endian.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    sizes: Sizes,
}

impl<'a> Fields<'a> {
    pub fn new(bytes: &'a [u8], sizes: Sizes) -> Self {
        Fields { bytes, at: 0, sizes }
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end)).ok_or_else(|| damaged("a record is too short"))?;
        self.at += count;
        Ok(taken)
    }

    pub fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub fn skip(&mut self, count: usize) -> Result<(), ReadError> {
        self.take(count).map(|_| ())
    }

    /// Goes to the next multiple of eight bytes.
    pub fn align(&mut self) -> Result<(), ReadError> {
        self.skip(self.at.wrapping_neg() & 7)
    }

    /// A number of up to eight bytes.
    pub fn number(&mut self, width: usize) -> Result<u64, ReadError> {
        let mut whole = [0; 8];
        let bytes = self.take(width)?;
        whole.get_mut(..width).ok_or_else(|| damaged("a number is too wide"))?.copy_from_slice(bytes);
        Ok(u64::from_le_bytes(whole))
    }

    pub fn u8(&mut self) -> Result<u8, ReadError> {
        Ok(self.number(1)? as u8)
    }

    pub fn u16(&mut self) -> Result<u16, ReadError> {
        Ok(self.number(2)? as u16)
    }

    pub fn u32(&mut self) -> Result<u32, ReadError> {
        Ok(self.number(4)? as u32)
    }

    /// A length or a count, as wide as this file's lengths are.
    pub fn length(&mut self) -> Result<u64, ReadError> {
        self.number(self.sizes.length)
    }

    /// An address; `None` where the file says that there is none.
    pub fn offset(&mut self) -> Result<Option<u64>, ReadError> {
        let value = self.number(self.sizes.offset)?;
        Ok((value != u64::MAX >> (64 - 8 * self.sizes.offset)).then_some(value))
    }

    /// An address that must be there.
    pub fn address(&mut self) -> Result<u64, ReadError> {
        self.offset()?.ok_or_else(|| damaged("an address is missing"))
    }

    /// The four letters that some records begin with.
    pub fn signature(&mut self, letters: &[u8; 4]) -> Result<(), ReadError> {
        if self.take(4)? == letters {
            return Ok(());
        }
        Err(damaged(&format!("a record {} is not where it should be", String::from_utf8_lossy(letters))))
    }
}

/// A count from the file as a length in memory.
pub(super) fn small(count: u64) -> Result<usize, ReadError> {
    usize::try_from(count).map_err(|_| damaged("a count is too large"))
}
