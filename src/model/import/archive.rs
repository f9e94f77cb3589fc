//! Zips of arrays: names in their order, and the bytes of an entry as a source.
//!
//! Read by `torch` and `numpy`. A stored entry is a part of the file and costs nothing; a deflated one is unpacked into
//! memory, not beyond what it declares, and all of them together not far beyond the file. Absent: what entries mean.

use std::collections::HashMap;
use std::io::Read;

use zip::{CompressionMethod, ZipArchive};

use super::bag::{MOST_ARRAYS, ReadError};
use super::source::{Source, Stream, wrong};

/// An entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name with its folders.
    pub name: String,
    stored: bool,
    size: u64,
}

/// An open zip.
pub struct Archive {
    zip: ZipArchive<Stream>,
    source: Source,
    /// Its entries in the order of its directory.
    pub entries: Vec<Entry>,
    places: HashMap<String, usize>,
    /// Bytes that its arrays can be backed by: the file's, and those that come out of compressed entries.
    pub bytes: u64,
    /// The deflated entry that was asked for last.
    last: Option<(usize, Source)>,
    /// How much may still be unpacked.
    left: u64,
}

/// How many times a zip may grow when it is unpacked.
const MOST_GROWTH: u64 = 8;

impl Archive {
    /// Opens a zip.
    ///
    /// # Errors
    /// If it is damaged, encrypted, or unpacks to far more than the file.
    pub fn open(source: &Source) -> Result<Self, ReadError> {
        let zip = ZipArchive::new(Stream::new(source)).map_err(damaged)?;
        if zip.len() > MOST_ARRAYS + 1000 {
            return wrong(format!("its zip has {} entries, more than {MOST_ARRAYS} arrays need", zip.len()));
        }
        let (mut entries, mut places, mut unpacked) = (Vec::new(), HashMap::new(), 0u64);
        for index in 0..zip.len() {
            let entry = zip.by_index_data(index).map_err(damaged)?;
            let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
            let (stored, size) = (entry.compression() == CompressionMethod::Stored, entry.size());
            if entry.encrypted() {
                return wrong("its zip is encrypted: unpack it with its password first");
            }
            if !stored {
                unpacked = unpacked.saturating_add(size);
            }
            places.entry(name.clone()).or_insert(index);
            entries.push(Entry { name, stored, size });
        }
        if unpacked > source.len().saturating_mul(MOST_GROWTH).saturating_add(16 << 20) {
            let mb = unpacked >> 20;
            return wrong(format!(
                "its zip unpacks to {mb} MB, far more than weights do: write it without compression"
            ));
        }
        let (bytes, left) = (source.len().saturating_add(unpacked), unpacked.saturating_mul(4));
        Ok(Self { zip, source: source.clone(), entries, places, bytes, last: None, left })
    }

    /// The place of the entry of that name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The bytes of an entry.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn source(&mut self, index: usize) -> Result<Source, ReadError> {
        let Some(entry) = self.entries.get(index) else { return wrong("its zip lacks an entry") };
        if let Some((last, source)) = &self.last
            && *last == index
        {
            return Ok(source.clone());
        }
        if entry.stored {
            let file = self.zip.by_index_raw(index).map_err(damaged)?;
            let Some(at) = file.data_start() else { return wrong("its zip is damaged: fetch it again") };
            return self.source.part(at, file.compressed_size());
        }
        let Some(left) = self.left.checked_sub(entry.size) else {
            return wrong("its zip's entries are read too often: write it without compression");
        };
        self.left = left;
        self.last = None;
        let mut bytes = Vec::new();
        let file = self.zip.by_index(index).map_err(damaged)?;
        let read = file.take(entry.size.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|e| ReadError(format!("\"{}\" in its zip is damaged ({e}): fetch it again", entry.name)))?;
        if bytes.len() as u64 != entry.size {
            return wrong(format!("\"{}\" in its zip is not as long as it says: fetch it again", entry.name));
        }
        let source = Source::from_bytes(bytes);
        self.last = Some((index, source.clone()));
        Ok(source)
    }
}

fn damaged(error: zip::result::ZipError) -> ReadError {
    ReadError(format!("its zip is damaged ({error}): fetch it again"))
}
