//! Files of a training that need not outlive a power cut, second names of files, and what dead trainings left behind.
//!
//! Used by `published`, `history` and `picture_writer`; knows no formats. Weights and checkpoints go through `files::write`,
//! which waits until they are on the disk.

use std::fs;
use std::io;
use std::path::Path;

use crate::files::{self, FileError, at, temporary};

/// Writes a file so that readers see the old one or the whole new one, without waiting for the disk. Its folder is
/// there, or was taken away: it is not made.
///
/// # Errors
/// If it cannot be written.
pub fn put(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let part = temporary(path);
    let done = fs::write(&part, content).and_then(|()| fs::rename(&part, path));
    if done.is_err() {
        // The part is of no use; that it cannot be removed would not change the error.
        let _ = fs::remove_file(&part);
    }
    at(path, done)
}

/// Gives the file `from` the second name `to`, in place of whatever has that name; gives the bytes that this wrote.
/// Where the file system knows no second names it is a copy.
///
/// # Errors
/// If it cannot be written.
pub fn link(from: &Path, to: &Path, content: &[u8]) -> Result<u64, FileError> {
    let part = temporary(to);
    let linked = fs::hard_link(from, &part).and_then(|()| fs::rename(&part, to));
    // Where both names are the same file already, a rename does nothing and leaves the part.
    let _ = fs::remove_file(&part);
    match linked {
        Ok(()) => Ok(0),
        Err(_) => files::write(to, content).map(|()| content.len() as u64),
    }
}

/// What was written last: bytes, and the seconds since then.
pub type Written = (u64, f64);

/// Bytes of a file, and the seconds since it was written; 0 where the clock was put back.
pub fn written(path: &Path) -> Option<Written> {
    let about = fs::metadata(path).ok()?;
    let age = about.modified().ok()?.elapsed().map_or(0.0, |age| age.as_secs_f64());
    Some((about.len(), age))
}

/// Whether a file holds exactly this.
pub fn holds(path: &Path, content: &[u8]) -> bool {
    fs::metadata(path).is_ok_and(|about| about.len() == content.len() as u64)
        && fs::read(path).is_ok_and(|found| found == content)
}

/// Removes the parts of files that a training left half written in `folder`; gives how many. Only for whoever holds
/// the lock of the model: then nobody else writes there.
pub fn sweep(folder: &Path) -> usize {
    let part = |name: &str| name.starts_with('.') && name.ends_with(".part");
    let left = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(part);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().filter(left);
    entries.filter(|entry| fs::remove_file(entry.path()).is_ok()).count()
}

/// Whether an error may pass by itself: a full disk, a failing one, a share that is away. A name that no system takes
/// does not.
pub fn may_pass(error: &FileError) -> bool {
    !matches!(
        error.cause.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::InvalidFilename
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_name_costs_nothing_and_replaces_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two, name] = ["1", "2", "name"].map(|name| folder.path().join(name));
        for (path, content) in [(&one, b"one"), (&two, b"two")] {
            put(path, content).unwrap();
            assert_eq!(link(path, &name, content).unwrap(), 0);
            assert!(holds(&name, content));
        }
        // Once more, where both are one file.
        assert_eq!(link(&two, &name, b"two").unwrap(), 0);
        assert!(holds(&one, b"one") && !holds(&one, b"two") && !holds(&one, b"ones"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        // From nothing, which is what a system without second names comes to.
        assert_eq!(link(&folder.path().join("none"), &name, b"copy").unwrap(), 4);
        assert!(holds(&name, b"copy"));
    }

    #[test]
    fn parts_are_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".5.safetensors.4242-1.part", ".history.csv.1-2.part", ".lock", "x.part", "5.safetensors"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        assert_eq!(sweep(folder.path()), 2);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert_eq!(sweep(&folder.path().join("none")), 0);
    }
}
