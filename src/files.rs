//! Files that are whole or not there: written under a temporary name, flushed, renamed into place.
//!
//! Every module that writes uses this one; it knows no formats. A link is followed: what it leads to is written, and
//! it stays a link. A name that is taken is never written over unless the caller says so ([`write`] does).

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

mod parts;

pub use parts::{is_gone, signature, sweep, temporary};

/// A failed read or write, with the file's name.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause}", path = shown(path))]
pub struct FileError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub cause: io::Error,
}

/// Names the file in an i/o error.
///
/// # Errors
/// The error that was handed in.
pub fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, FileError> {
    result.map_err(|cause| FileError { path: path.into(), cause })
}

/// A path for a message: control characters escaped, so that a name cannot act on a terminal.
pub fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// A text that came out of a file, for a message: control characters escaped.
pub fn printable(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        match c.is_control() {
            true => shown.extend(c.escape_debug()),
            false => shown.push(c),
        }
    }
    shown
}

/// Reads a whole file.
///
/// # Errors
/// If it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    at(path, fs::read(path))
}

/// Bytes that are read at a time where a file is not read whole.
const PIECE: usize = 1 << 20;

/// Reads a file piece by piece, in order.
///
/// # Errors
/// If it cannot be read to its end.
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
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let opened = fs::File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (size, file) = at(path, opened)?;
        Ok(Self { path: path.into(), file, size })
    }

    /// Hands `len` bytes from `begins` on to `take`, in pieces of 1 MiB and what is left.
    ///
    /// # Errors
    /// If they cannot be read, or the file has become shorter.
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
///
/// # Errors
/// If it cannot be read, or is no UTF-8.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    at(path, fs::read_to_string(path))
}

/// Makes a folder and those above it.
///
/// # Errors
/// If that cannot be done.
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    at(path, fs::create_dir_all(path))
}

fn make_folder_of(path: &Path) -> Result<(), FileError> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => make_folder(folder),
        None => Ok(()),
    }
}

/// Links that are followed one after the other at most.
const MOST_LINKS: usize = 40;

/// Where a path leads if it is a link, or a link to a link; itself if it is none. What it leads to need not be there.
///
/// # Errors
/// If links lead in a circle.
pub fn resolved(path: &Path) -> Result<PathBuf, FileError> {
    let mut to = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&to) {
            // An absolute target takes the place of the whole path.
            Ok(target) => to = to.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(to),
        }
    }
    at(path, Err(io::Error::other("it is a link that leads to itself")))
}

/// Writes a new file with everything on the disk, or leaves nothing.
fn write_part(part: &Path, content: &[u8]) -> io::Result<()> {
    let written = fs::File::create(part).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    if written.is_err() {
        // The part is of no use; that it cannot be removed would not change the error.
        let _ = fs::remove_file(part);
    }
    written
}

/// Writes a file so that readers see the old one or the whole new one; makes its folder. A link stays one: what it
/// leads to is replaced. Who may read the file stays as it was.
///
/// # Errors
/// If it cannot be written; what was there is there still.
pub fn write(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let target = resolved(path)?;
    make_folder_of(&target)?;
    let part = temporary(&target);
    at(path, write_part(&part, content))?;
    if let Ok(before) = fs::metadata(&target) {
        // On a file system without permissions there is nothing to keep.
        let _ = fs::set_permissions(&part, before.permissions());
    }
    let done = fs::rename(&part, &target);
    if done.is_err() {
        let _ = fs::remove_file(&part);
    }
    at(path, done)
}

/// The names to try for a new file: its own, then `NAME-2.ending`, `NAME-3.ending` and so on.
pub fn candidates(path: &Path) -> impl Iterator<Item = PathBuf> + '_ {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let ending = path.extension().map_or(String::new(), |e| format!(".{}", e.to_string_lossy()));
    let further = (2..MOST_NAMES).map(move |n| path.with_file_name(format!("{stem}-{n}{ending}")));
    std::iter::once(path.to_owned()).chain(further)
}

/// Names that are tried for one new file.
const MOST_NAMES: u32 = 10_000;

/// The first of the candidates for which `take` succeeds; one that is there already is passed by.
fn first_free<T>(path: &Path, mut take: impl FnMut(&Path) -> io::Result<T>) -> Result<(T, PathBuf), FileError> {
    for name in candidates(path) {
        match take(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return at(&name, result).map(|taken| (taken, name.clone())),
        }
    }
    at(path, Err(io::Error::other("all names of this form are taken; give another one")))
}

/// Makes a new file of that name, or of the next free one, so that nobody else gets the name: gives the file, which
/// is empty, and the name that it got.
///
/// # Errors
/// If no file can be made there.
pub fn create_free(path: &Path) -> Result<(fs::File, PathBuf), FileError> {
    make_folder_of(path)?;
    first_free(path, |name| fs::File::create_new(name))
}

/// Gives a file that is whole its name, or the next free one where something has that name; gives the name.
///
/// # Errors
/// If it cannot be renamed; it is where it was then.
pub fn rename_free(part: &Path, path: &Path) -> Result<PathBuf, FileError> {
    let named = first_free(path, |name| match fs::hard_link(part, name) {
        // Where there are no hard links an empty file keeps the name until the rename.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !is_missing(&error) => {
            fs::File::create_new(name)?;
            fs::rename(part, name)
        }
        linked => linked,
    });
    let ((), name) = named?;
    // Gone already after a rename; otherwise its second name is not needed any longer.
    let _ = fs::remove_file(part);
    Ok(name)
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// Writes a new file, whole, under that name or the next free one; gives the name. Makes its folder.
///
/// # Errors
/// If it cannot be written; nothing is left then.
pub fn write_free(path: &Path, content: &[u8]) -> Result<PathBuf, FileError> {
    make_folder_of(path)?;
    let part = temporary(path);
    at(path, write_part(&part, content))?;
    let named = rename_free(&part, path);
    if named.is_err() {
        let _ = fs::remove_file(&part);
    }
    named
}

/// Takes away a name that was only reserved: a file with nothing in it.
pub fn remove_if_empty(path: &Path) {
    if fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == 0) {
        // An empty file that stays is in nobody's way.
        let _ = fs::remove_file(path);
    }
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

    #[test]
    #[cfg(unix)]
    fn a_link_is_written_through_and_stays_a_link() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        fs::create_dir_all(here.join("elsewhere")).unwrap();
        fs::create_dir_all(here.join("sketches")).unwrap();
        let target = here.join("elsewhere/walk.rn");
        fs::write(&target, "one").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
        // A relative link to an absolute one.
        symlink(&target, here.join("elsewhere/link.rn")).unwrap();
        let link = here.join("sketches/walk.rn");
        symlink("../elsewhere/link.rn", &link).unwrap();
        write(&link, b"two").unwrap();
        assert!(link.is_symlink() && here.join("elsewhere/link.rn").is_symlink() && !target.is_symlink());
        assert_eq!(read_text(&target).unwrap(), "two");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(here.join("sketches")).unwrap().count(), 1, "no part beside the link");
        // One that leads nowhere makes what it leads to; a circle is an error.
        let dangling = here.join("sketches/new.rn");
        symlink("../elsewhere/new.rn", &dangling).unwrap();
        write(&dangling, b"three").unwrap();
        assert_eq!(read_text(&here.join("elsewhere/new.rn")).unwrap(), "three");
        symlink("circle.rn", here.join("sketches/circle.rn")).unwrap();
        let error = write(&here.join("sketches/circle.rn"), b"").unwrap_err().to_string();
        assert!(error.contains("leads to itself"), "{error}");
    }

    #[test]
    fn a_name_that_is_taken_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let path = here.join("deep/take.jsonl");
        let names: Vec<PathBuf> = (0..3).map(|_| create_free(&path).unwrap().1).collect();
        assert_eq!(names, ["take", "take-2", "take-3"].map(|name| here.join(format!("deep/{name}.jsonl"))));
        assert_eq!(write_free(&path, b"four").unwrap(), here.join("deep/take-4.jsonl"));
        assert_eq!(read_text(&here.join("deep/take-4.jsonl")).unwrap(), "four");
        let part = temporary(&here.join("film.mp4"));
        for name in ["film.mp4", "film-2.mp4"] {
            fs::write(&part, name).unwrap();
            assert_eq!(rename_free(&part, &here.join("film.mp4")).unwrap(), here.join(name));
            assert_eq!(read_text(&here.join(name)).unwrap(), name);
        }
        assert!(!part.exists());
        assert!(rename_free(&part, &here.join("none.mp4")).is_err());
        assert_eq!(candidates(Path::new("a/frames")).nth(1).unwrap(), Path::new("a/frames-2"));
        assert_eq!(fs::read_dir(here.join("deep")).unwrap().count(), 4);
        remove_if_empty(&names[0]);
        remove_if_empty(&here.join("film.mp4"));
        assert!(!names[0].exists() && here.join("film.mp4").exists());
    }

    #[test]
    fn a_name_cannot_act_on_a_terminal() {
        let error = read(Path::new("no\u{1b}[2J\nsuch")).unwrap_err().to_string();
        assert!(error.starts_with("no\\u{1b}[2J\\nsuch: "), "{error:?}");
        assert_eq!(shown(Path::new("été \"a\".rn")), "été \"a\".rn");
    }
}
