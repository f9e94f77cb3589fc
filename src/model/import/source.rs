//! Where a reader's bytes are: a file, or bytes in memory, or a part of either.
//!
//! Made by `read`, and by readers for what lies inside of other files; read by all of them. A part never reaches
//! beyond what is there, and nothing is allocated before that is known. Absent: what the bytes mean.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use super::bag::ReadError;

/// What is said of a file that ends too early.
pub const CUT: &str = "the file ends too early, as if a copy or a download had been cut: fetch it again";

/// A [`ReadError`] with that sentence.
///
/// # Errors
/// Always.
pub fn wrong<T>(sentence: impl Into<String>) -> Result<T, ReadError> {
    Err(ReadError(sentence.into()))
}

enum Inner {
    File(RefCell<File>),
    Memory(Vec<u8>),
}

/// A range of bytes. Clones share what is below.
#[derive(Clone)]
pub struct Source {
    inner: Rc<Inner>,
    start: u64,
    len: u64,
}

impl Source {
    /// A whole file.
    ///
    /// # Errors
    /// If it cannot be opened, or is no file.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let failed = |e| ReadError(format!("it cannot be opened ({e})"));
        // Looked at before it is opened: that of a pipe waits for whoever writes into it.
        let about = fs::metadata(path).map_err(failed)?;
        match (about.is_dir(), about.is_file()) {
            (true, _) => return wrong("it is a folder: name the file of weights in it"),
            (false, false) => return wrong("it is a pipe or a device and no file: save it as a file, and name that"),
            (false, true) => {}
        }
        let file = File::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        Ok(Self { inner: Rc::new(Inner::File(RefCell::new(file))), start: 0, len: about.len() })
    }

    /// Bytes in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { len: bytes.len() as u64, inner: Rc::new(Inner::Memory(bytes)), start: 0 }
    }

    /// How many bytes there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A part of it.
    ///
    /// # Errors
    /// If it does not reach that far.
    pub fn part(&self, at: u64, len: u64) -> Result<Self, ReadError> {
        match at.checked_add(len) {
            Some(end) if end <= self.len => Ok(Self { inner: self.inner.clone(), start: self.start + at, len }),
            _ => wrong(CUT),
        }
    }

    /// Some bytes of it.
    ///
    /// # Errors
    /// If it does not reach that far, or cannot be read.
    pub fn read(&self, at: u64, len: u64) -> Result<Vec<u8>, ReadError> {
        let part = self.part(at, len)?;
        let Ok(len) = usize::try_from(len) else { return wrong("the file is too large for this machine") };
        let mut bytes = vec![0; len];
        part.fill(0, &mut bytes)?;
        Ok(bytes)
    }

    /// As many bytes as there are from there on, at most `len`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn peek(&self, at: u64, len: u64) -> Result<Vec<u8>, ReadError> {
        self.read(at.min(self.len), len.min(self.len.saturating_sub(at)))
    }

    /// Fills bytes from there on.
    ///
    /// # Errors
    /// If it does not reach that far, or cannot be read.
    pub fn fill(&self, at: u64, bytes: &mut [u8]) -> Result<(), ReadError> {
        let part = self.part(at, bytes.len() as u64)?;
        match &*self.inner {
            Inner::Memory(all) => {
                let start = part.start as usize;
                match all.get(start..start + bytes.len()) {
                    Some(found) => bytes.copy_from_slice(found),
                    None => return wrong(CUT),
                }
            }
            Inner::File(file) => {
                let mut file = file.borrow_mut();
                let read = file.seek(SeekFrom::Start(part.start)).and_then(|_| file.read_exact(bytes));
                read.map_err(|e| match e.kind() {
                    io::ErrorKind::UnexpectedEof => ReadError(CUT.into()),
                    _ => ReadError(format!("it cannot be read ({e})")),
                })?;
            }
        }
        Ok(())
    }
}

/// A source that is read from its beginning on, byte by byte or in strides.
pub struct Tape {
    source: Source,
    at: u64,
    buffer: Vec<u8>,
    /// How many bytes of the buffer are behind.
    used: usize,
}

/// Bytes that a tape reads ahead.
const AHEAD: u64 = 16 * 1024;

impl Tape {
    /// A tape at that place.
    pub fn new(source: &Source, at: u64) -> Self {
        Self { source: source.clone(), at, buffer: Vec::new(), used: 0 }
    }

    /// Where it stands.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// How many bytes are left.
    pub fn left(&self) -> u64 {
        self.source.len().saturating_sub(self.at)
    }

    /// The next byte.
    ///
    /// # Errors
    /// At the end.
    pub fn byte(&mut self) -> Result<u8, ReadError> {
        if self.used == self.buffer.len() {
            self.buffer = self.source.peek(self.at, AHEAD)?;
            self.used = 0;
        }
        let Some(byte) = self.buffer.get(self.used) else { return wrong(CUT) };
        self.used += 1;
        self.at += 1;
        Ok(*byte)
    }

    /// The next bytes, as many as the array has.
    ///
    /// # Errors
    /// At the end.
    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Ok(bytes)
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// If there are not as many.
    pub fn take(&mut self, len: u64) -> Result<Vec<u8>, ReadError> {
        if len <= 64 {
            return (0..len).map(|_| self.byte()).collect();
        }
        let bytes = self.source.read(self.at, len)?;
        self.skip(len)?;
        Ok(bytes)
    }

    /// Goes on behind the next `len` bytes.
    ///
    /// # Errors
    /// If there are not as many.
    pub fn skip(&mut self, len: u64) -> Result<(), ReadError> {
        if len > self.left() {
            return wrong(CUT);
        }
        self.at += len;
        let ahead = (self.buffer.len() - self.used) as u64;
        match len < ahead {
            true => self.used += len as usize,
            false => {
                self.buffer.clear();
                self.used = 0;
            }
        }
        Ok(())
    }

    /// The bytes up to the next line feed, which is taken but not given.
    ///
    /// # Errors
    /// At the end.
    pub fn line(&mut self) -> Result<Vec<u8>, ReadError> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(line),
                byte => line.push(byte),
            }
        }
    }
}

/// A source as the zip crate reads it.
pub struct Stream {
    source: Source,
    at: u64,
}

impl Stream {
    /// A stream from the beginning on.
    pub fn new(source: &Source) -> Self {
        Self { source: source.clone(), at: 0 }
    }
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.source.len().saturating_sub(self.at);
        let count = left.min(out.len() as u64) as usize;
        let Some(out) = out.get_mut(..count) else { return Ok(0) };
        self.source.fill(self.at, out).map_err(io::Error::other)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Stream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
