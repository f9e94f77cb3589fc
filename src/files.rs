//! Files that are whole or not there: written under a temporary name, flushed, renamed into place.
//!
//! Every module that writes uses this one; it knows no formats.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A failed read or write, with the file's name.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause}", path = path.display())]
pub struct FileError {
    pub path: PathBuf,
    pub cause: io::Error,
}

/// Names the file in an i/o error.
pub fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, FileError> {
    result.map_err(|cause| FileError { path: path.into(), cause })
}

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    at(path, fs::read(path))
}

/// Bytes that are read at a time where a file is not read whole.
const PIECE: usize = 1 << 20;

/// Reads a file piece by piece, in order.
pub fn read_pieces(path: &Path, mut take: impl FnMut(&[u8])) -> Result<(), FileError> {
    let mut piece = vec![0; PIECE];
    let mut file = at(path, fs::File::open(path))?;
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => take(&piece[..count]),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return at(path, Err(cause)),
        }
    }
}

/// An open file, of which only the parts that are asked for are read.
///
/// What a memory map is for, without its danger: a file that becomes shorter meanwhile is an error here, not the end
/// of the program. One that is renamed away is still read.
pub struct Parts {
    path: PathBuf,
    file: fs::File,
    /// Bytes when it was opened.
    pub size: u64,
}

impl Parts {
    /// Opens the file.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let opened = fs::File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (size, file) = at(path, opened)?;
        Ok(Self { path: path.into(), file, size })
    }

    /// Hands `len` bytes from `begins` on to `take`, in pieces of 1 MiB and what is left.
    pub fn read(&self, begins: u64, len: usize, mut take: impl FnMut(&[u8])) -> Result<(), FileError> {
        let mut piece = vec![0; PIECE.min(len)];
        at(&self.path, (&self.file).seek(SeekFrom::Start(begins)))?;
        for from in (0..len).step_by(PIECE) {
            let piece = &mut piece[..PIECE.min(len - from)];
            let read = (&self.file).read_exact(piece).map_err(|e| match e.kind() {
                io::ErrorKind::UnexpectedEof => io::Error::other("it became shorter while it was read"),
                _ => e,
            });
            at(&self.path, read)?;
            take(piece);
        }
        Ok(())
    }
}

/// Reads a whole text file.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    at(path, fs::read_to_string(path))
}

/// Makes a folder and those above it.
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    at(path, fs::create_dir_all(path))
}

/// A name beside `path` that no other writer uses.
pub fn temporary(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{}-{count}.part", std::process::id()))
}

/// Writes a file so that readers see the old one or the whole new one; makes its folder.
pub fn write(path: &Path, content: &[u8]) -> Result<(), FileError> {
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        make_folder(folder)?;
    }
    let part = temporary(path);
    let written = fs::File::create(&part).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let done = written.and_then(|()| fs::rename(&part, path));
    if done.is_err() {
        // The part is of no use; that it cannot be removed would not change the error.
        let _ = fs::remove_file(&part);
    }
    at(path, done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_no_part_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file.txt");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(read_text(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(read(&folder.path().join("none")).unwrap_err().to_string().contains("none"));
    }

    #[test]
    fn pieces_are_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        let content: Vec<u8> = (0..(5 << 19)).map(|i| (i % 251) as u8).collect();
        write(&path, &content).unwrap();
        let mut pieces = Vec::new();
        read_pieces(&path, |piece| pieces.push(piece.to_vec())).unwrap();
        assert!(pieces.len() > 1 && pieces.concat() == content);
        assert!(read_pieces(&folder.path().join("none"), |_| ()).unwrap_err().to_string().contains("none"));
    }
}
