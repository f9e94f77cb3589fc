//! A zip of pictures: its entries, unpacked one by one within limits.
//!
//! Read by [`super::listing`], on all threads. The file is opened once and stays open; whoever unpacks has a place in it
//! of his own, so that nobody waits for another. One that is renamed away is still read.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use zip::ZipArchive;
use zip::result::ZipError;

use super::DatasetError;
use super::decode::format_of;
use crate::files;

/// A picture file larger than this is not read.
const MOST_BYTES: u64 = 256 << 20;
/// A zip may unpack to this, or to [`MOST_TIMES`] its own size if that is more.
const MOST_UNPACKED: u64 = 1 << 30;
const MOST_TIMES: u64 = 50;
/// Bytes at the beginning of a file that tell whether it is a picture.
const HEAD: u64 = 64;
/// Bytes that are read at once where fewer are asked for.
const PIECE: usize = 4 << 10;

/// Why a picture could not be had.
pub(super) enum Fault {
    /// What is in the file.
    Content(String),
    /// The system did not give it: it may be there again later.
    Away(String),
}

impl Fault {
    /// An error of the system, or what was met inside of the file.
    pub fn of(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(_) => Self::Away(error.to_string()),
            None => Self::Content(read_in_words(error)),
        }
    }

    /// Why, in words.
    pub fn why(self) -> String {
        match self {
            Self::Content(why) | Self::Away(why) => why,
        }
    }
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self::Content(why)
    }
}

/// What a quick look at a file told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Its bytes, unpacked, as it says.
    pub size: u64,
    /// The check sum that a zip has of it; 0 in a folder.
    pub check: u32,
}

/// Refuses a file that is too large.
pub(super) fn not_too_large(size: u64) -> Result<(), String> {
    match size > MOST_BYTES {
        true => Err(format!("it holds {} MB; at most {} MB are read", size >> 20, MOST_BYTES >> 20)),
        false => Ok(()),
    }
}

/// Reads the first bytes of a file, and refuses what is no picture by them: it is not read any further.
pub(super) fn head(from: &mut dyn Read) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    from.take(HEAD).read_to_end(&mut bytes).map_err(Fault::of)?;
    if !bytes.is_empty() {
        format_of(&bytes)?;
    }
    Ok(bytes)
}

/// An open zip.
pub(super) struct Zip {
    path: PathBuf,
    archive: ZipArchive<Bytes>,
    /// Bytes that may still be unpacked.
    left: u64,
}

impl Zip {
    /// Opens it and reads what it holds.
    ///
    /// # Errors
    /// If it cannot be opened, or is none.
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        let bytes = files::at(path, Bytes::open(path))?;
        let size = bytes.size;
        let not_zip = |e: ZipError| DatasetError::NotData { path: path.into(), why: e.to_string() };
        let archive = ZipArchive::new(bytes).map_err(not_zip)?;
        Ok(Self { path: path.into(), archive, left: MOST_UNPACKED.max(size.saturating_mul(MOST_TIMES)) })
    }

    /// Its entries.
    pub fn len(&self) -> usize {
        self.archive.len()
    }

    /// The name of an entry; none if it cannot be read.
    pub fn name(&self, index: usize) -> Option<String> {
        Some(self.archive.name_for_index(index)?.ok()?.into_owned())
    }

    /// The entry of that name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.archive.index_for_name(name)
    }

    /// The bytes of one entry, taken from what may be unpacked at all.
    pub fn unpack(&mut self, index: usize) -> Result<Vec<u8>, String> {
        let limit = self.left.min(MOST_BYTES);
        let mut entry = self.archive.by_index(index).map_err(|e| in_words(&e))?;
        not_too_large(entry.size())?;
        let mut bytes = head(&mut entry).map_err(Fault::why)?;
        // What it says of its size may be wrong.
        entry.by_ref().take(limit + 1).read_to_end(&mut bytes).map_err(read_in_words)?;
        let unpacked = bytes.len() as u64;
        self.left = self.left.saturating_sub(unpacked);
        match unpacked > limit {
            false => Ok(bytes),
            true if limit < MOST_BYTES => Err(far_more(&self.path)),
            true => Err(not_too_large(unpacked).err().unwrap_or_default()),
        }
    }

    /// What a quick look at an entry tells: what it says of itself, and that it begins as a picture does.
    pub fn look(&self, index: usize) -> Result<Look, String> {
        let mut archive = self.archive.clone();
        let mut entry = archive.by_index(index).map_err(|e| in_words(&e))?;
        not_too_large(entry.size())?;
        if head(&mut entry).map_err(Fault::why)?.is_empty() {
            return Err("the file is empty".into());
        }
        Ok(Look { size: entry.size(), check: entry.crc32() })
    }

    /// What an entry says of itself, without being unpacked.
    pub fn said(&self, index: usize) -> Option<Look> {
        let mut archive = self.archive.clone();
        let entry = archive.by_index_raw(index).ok()?;
        Some(Look { size: entry.size(), check: entry.crc32() })
    }

    /// Counts an entry that will be unpacked again and again; refuses it where all of them would be far too much.
    pub fn reserve(&mut self, look: Look) -> Result<(), String> {
        match self.left.checked_sub(look.size) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(far_more(&self.path)),
        }
    }

    /// The bytes of one entry, which are as many as it says. From any thread.
    pub fn unpack_again(&self, index: usize) -> Result<Vec<u8>, Fault> {
        self.unpack_whole(index).map_err(|fault| match fault {
            Fault::Content(_) if !self.is_there() => Fault::Away("the zip was changed while it was read".into()),
            fault => fault,
        })
    }

    fn unpack_whole(&self, index: usize) -> Result<Vec<u8>, Fault> {
        let mut archive = self.archive.clone();
        let mut entry = archive.by_index(index).map_err(|e| match e {
            ZipError::Io(error) => Fault::of(error),
            error => Fault::Content(in_words(&error)),
        })?;
        let said = entry.size().min(MOST_BYTES);
        let mut bytes = Vec::with_capacity(said as usize);
        entry.by_ref().take(said + 1).read_to_end(&mut bytes).map_err(Fault::of)?;
        match bytes.len() as u64 > said {
            true => Err(Fault::Content("it unpacks to more than it says; pack it again".into())),
            false => Ok(bytes),
        }
    }

    /// The first `most` bytes of an entry that is no picture.
    pub fn text(&self, index: usize, most: u64) -> Result<Vec<u8>, String> {
        let mut archive = self.archive.clone();
        let entry = archive.by_index(index).map_err(|e| in_words(&e))?;
        let mut bytes = Vec::new();
        entry.take(most).read_to_end(&mut bytes).map_err(read_in_words)?;
        Ok(bytes)
    }

    /// Whether its file can still be read and is as it was.
    pub fn is_there(&self) -> bool {
        let bytes = self.archive.clone().into_inner();
        let same = stamp(&bytes.file).is_ok_and(|now| now == (bytes.size, bytes.modified));
        same && bytes.file.read_some(&mut [0], 0).is_ok_and(|count| count == 1)
    }
}

fn far_more(path: &Path) -> String {
    format!("{} unpacks to far more than its size; what follows is left out; unpack it by hand", files::shown(path))
}

/// Why an entry cannot be unpacked, and what to do.
fn in_words(error: &ZipError) -> String {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            "it is encrypted; pack it again without a password".into()
        }
        ZipError::CompressionMethodNotSupported(_) => {
            "its compression is none that is read; pack it again with deflate (zip's usual one)".into()
        }
        error => error.to_string(),
    }
}

/// The same for what is met while an entry is read.
fn read_in_words(error: io::Error) -> String {
    let inside = error.get_ref().and_then(|inner| inner.downcast_ref::<ZipError>());
    inside.map_or_else(|| error.to_string(), in_words)
}

/// An open file with a place of one's own in it: clones share the file and not the place.
#[derive(Clone)]
struct Bytes {
    file: Arc<File>,
    size: u64,
    modified: Option<SystemTime>,
    at: u64,
    /// What was read last, and where it begins.
    piece: Vec<u8>,
    begins: u64,
}

/// Reading at a place, which moves nothing that others share.
trait ReadSome {
    fn read_some(&self, to: &mut [u8], at: u64) -> io::Result<usize>;
}

impl ReadSome for File {
    #[cfg(unix)]
    fn read_some(&self, to: &mut [u8], at: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, to, at)
    }

    #[cfg(windows)]
    fn read_some(&self, to: &mut [u8], at: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(self, to, at)
    }
}

impl Bytes {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let (size, modified) = stamp(&file)?;
        Ok(Self { file: Arc::new(file), size, modified, at: 0, piece: Vec::new(), begins: 0 })
    }
}

/// Size of a file, and when it was written, where the system tells.
fn stamp(file: &File) -> io::Result<(u64, Option<SystemTime>)> {
    let meta = file.metadata()?;
    Ok((meta.len(), meta.modified().ok()))
}

impl Read for Bytes {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let inside = self.at.checked_sub(self.begins).and_then(|at| self.piece.get(at as usize..));
        let count = match inside.filter(|rest| !rest.is_empty()) {
            Some(rest) => {
                let count = rest.len().min(to.len());
                to[..count].copy_from_slice(&rest[..count]);
                count
            }
            None if to.len() >= PIECE => self.file.read_some(to, self.at)?,
            None => {
                self.piece.resize(PIECE, 0);
                // What was there is gone whether or not this can be read.
                self.begins = self.at;
                let got = self.file.read_some(&mut self.piece, self.at);
                self.piece.truncate(*got.as_ref().unwrap_or(&0));
                let count = got?.min(to.len());
                to[..count].copy_from_slice(&self.piece[..count]);
                count
            }
        };
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Bytes {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a place before the file"))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_at_any_place_by_many() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        let content: Vec<u8> = (0..30_000_u32).map(|i| ((i * i) >> 3) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let mut one = Bytes::open(&path).unwrap();
        // Places before, inside, at the edge and behind of what was read last.
        for (at, len) in [(5, 7), (6, 3), (4090, 20), (3, 9000), (29_990, 10), (29_990, 50), (40_000, 5), (0, 30_000)] {
            let mut other = one.clone();
            for bytes in [&mut one, &mut other] {
                bytes.seek(SeekFrom::Start(at as u64)).unwrap();
                let mut got = Vec::new();
                bytes.take(len as u64).read_to_end(&mut got).unwrap();
                assert!(got == content[at.min(30_000)..(at + len).min(30_000)], "{len} bytes at {at}");
            }
        }
        assert_eq!(one.seek(SeekFrom::End(-10)).unwrap(), 29_990);
        assert_eq!(one.seek(SeekFrom::Current(-90)).unwrap(), 29_900);
        assert!(one.seek(SeekFrom::End(-30_001)).is_err() && one.seek(SeekFrom::Current(-29_901)).is_err());
    }
}
