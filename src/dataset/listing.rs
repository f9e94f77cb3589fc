//! What lies in a folder or a zip of pictures: which files, in the order of their names, and what is left out.
//!
//! Read by [`super::read`]. One part that cannot be read is named and the rest is read. Hidden and thumbnail parts are
//! left out and counted. A zip is unpacked entry by entry, a few at a time, within limits.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use zip::ZipArchive;
use zip::result::ZipError;

use super::DatasetError;
use crate::files;
use crate::hints::plain;
use crate::home::leftover;

/// Endings of files that are looked into.
const ENDINGS: [&str; 9] = ["jpg", "jpeg", "jpe", "jfif", "png", "bmp", "dib", "gif", "webp"];
/// A picture file larger than this is not read.
const MOST_BYTES: u64 = 256 << 20;
/// A zip may unpack to this, or to [`MOST_TIMES`] its own size if that is more.
const MOST_UNPACKED: u64 = 1 << 30;
const MOST_TIMES: u64 = 50;
/// Bytes and entries of a zip that are unpacked before they are decoded.
const CHUNK_BYTES: usize = 64 << 20;
const CHUNK_COUNT: usize = 256;

/// A file that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Its name in the folder or zip, without what would act on a terminal.
    pub name: String,
    /// Why it could not be read.
    pub why: String,
}

impl Bad {
    fn new(name: &str, why: impl AsRef<str>) -> Self {
        Self { name: plain(name), why: plain(why.as_ref()) }
    }
}

/// Where one picture file lies: in a folder, or at this index of the zip.
enum Place {
    File(PathBuf),
    Entry(usize),
}

/// What was found.
#[derive(Default)]
pub(super) struct Listing {
    files: Vec<(String, Place)>,
    pub bad: Vec<Bad>,
    /// Files that are not looked into, by their ending.
    pub others: BTreeMap<String, usize>,
    /// Hidden and thumbnail parts by their name: a folder counts as one.
    pub hidden: BTreeMap<String, usize>,
    zip: Option<Zip>,
}

type Archive = ZipArchive<BufReader<fs::File>>;

/// An open zip.
struct Zip {
    path: PathBuf,
    archive: Archive,
    /// Bytes that may still be unpacked.
    left: u64,
}

impl Listing {
    /// Lists a folder or a zip.
    ///
    /// # Errors
    /// If there is neither.
    pub fn of(path: &Path) -> Result<Self, DatasetError> {
        let mut listing = Self::default();
        let meta = fs::metadata(path).map_err(|_| DatasetError::Missing(path.into()))?;
        if meta.is_dir() {
            let entries = files::at(path, fs::read_dir(path))?;
            listing.add_folder(path, entries);
        } else {
            listing.add_zip(path)?;
        }
        listing.files.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(listing)
    }

    /// Pictures that were found.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    fn add_folder(&mut self, top: &Path, entries: fs::ReadDir) {
        for entry in entries {
            let path = match entry {
                Ok(entry) => entry.path(),
                Err(error) => {
                    self.bad.push(Bad::new(&top.to_string_lossy(), format!("an entry cannot be read: {error}")));
                    continue;
                }
            };
            let name = path.strip_prefix(top).unwrap_or(&path).to_string_lossy().into_owned();
            let last = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let folder = path.is_dir();
            if leftover(&last) {
                self.hide(&last);
            } else if folder && path.is_symlink() {
                // Not followed, so that no circle can be walked.
                self.bad.push(Bad::new(&name, "it is a link to a folder, which is not followed"));
            } else if folder {
                match fs::read_dir(&path) {
                    Ok(entries) => self.add_folder(top, entries),
                    Err(error) => self.bad.push(Bad::new(&name, format!("the folder cannot be read: {error}"))),
                }
            } else {
                self.add(name, Place::File(path));
            }
        }
    }

    fn add(&mut self, name: String, place: Place) {
        let ending = Path::new(&name).extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        if ENDINGS.contains(&ending.as_str()) {
            self.files.push((name, place));
        } else {
            *self.others.entry(plain(&ending)).or_default() += 1;
        }
    }

    fn hide(&mut self, name: &str) {
        *self.hidden.entry(plain(name)).or_default() += 1;
    }

    fn add_zip(&mut self, path: &Path) -> Result<(), DatasetError> {
        let file = files::at(path, fs::File::open(path))?;
        let size = files::at(path, file.metadata())?.len();
        let not_zip = |e: ZipError| DatasetError::NotData { path: path.into(), why: e.to_string() };
        let archive = ZipArchive::new(BufReader::new(file)).map_err(not_zip)?;
        // A hidden folder is in the names of all its entries, and counts once.
        let mut hidden = std::collections::BTreeSet::new();
        for index in 0..archive.len() {
            let name = match archive.name_for_index(index) {
                Some(Ok(name)) => name.into_owned(),
                _ => {
                    self.bad.push(Bad::new(&format!("entry {}", index + 1), "its name cannot be read"));
                    continue;
                }
            };
            if let Some(part) = hidden_part(&name) {
                hidden.insert(part.to_owned());
            } else if !name.ends_with(['/', '\\']) {
                self.add(name, Place::Entry(index));
            }
        }
        for part in hidden {
            self.hide(part.rsplit(['/', '\\']).next().unwrap_or_default());
        }
        let left = MOST_UNPACKED.max(size.saturating_mul(MOST_TIMES));
        self.zip = Some(Zip { path: path.into(), archive, left });
        Ok(())
    }

    /// Reads every file and does `work` on its bytes, on all threads; gives the results in the order of the names.
    pub fn each<T: Send>(&mut self, work: impl Fn(&[u8]) -> Result<T, String> + Sync) -> Vec<Result<T, Bad>> {
        let done = |name: &String, bytes: Result<Vec<u8>, String>| {
            bytes.and_then(|bytes| work(&bytes)).map_err(|why| Bad::new(name, why))
        };
        let Some(zip) = &mut self.zip else {
            let read = |(name, place): &(String, Place)| match place {
                Place::File(path) => done(name, read_file(path)),
                Place::Entry(_) => done(name, Err("its zip is not open".into())),
            };
            return self.files.par_iter().map(read).collect();
        };
        let (mut all, mut from) = (Vec::with_capacity(self.files.len()), 0);
        while from < self.files.len() {
            let (mut chunk, mut size) = (Vec::new(), 0);
            while let Some((name, Place::Entry(index))) = self.files.get(from + chunk.len())
                && chunk.len() < CHUNK_COUNT
                && size < CHUNK_BYTES
            {
                let bytes = zip.unpack(*index);
                size += bytes.as_ref().map_or(0, Vec::len);
                chunk.push((name, bytes));
            }
            from += chunk.len().max(1);
            all.par_extend(chunk.into_par_iter().map(|(name, bytes)| done(name, bytes)));
        }
        all
    }
}

/// The name up to its first hidden component, if there is one.
fn hidden_part(name: &str) -> Option<&str> {
    let mut from = 0;
    for part in name.split(['/', '\\']) {
        let to = from + part.len();
        if part != "." && part != ".." && leftover(part) {
            return Some(&name[..to]);
        }
        from = to + 1;
    }
    None
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let meta = fs::metadata(path).map_err(|e| e.to_string())?;
    if !meta.is_file() {
        // A pipe would be waited for without end.
        return Err("it is no file".into());
    }
    if meta.len() > MOST_BYTES {
        return Err(too_large(meta.len()));
    }
    fs::read(path).map_err(|e| e.to_string())
}

fn too_large(size: u64) -> String {
    format!("it holds {} MB; at most {} MB are read", size >> 20, MOST_BYTES >> 20)
}

impl Zip {
    /// The bytes of one entry.
    fn unpack(&mut self, index: usize) -> Result<Vec<u8>, String> {
        let limit = self.left.min(MOST_BYTES);
        let mut entry = self.archive.by_index(index).map_err(|e| in_words(&e))?;
        let size = entry.size();
        if size > MOST_BYTES {
            return Err(too_large(size));
        }
        // What is no picture is known by its first bytes, and not unpacked any further.
        let mut bytes = Vec::new();
        entry.by_ref().take(64).read_to_end(&mut bytes).map_err(read_in_words)?;
        if !bytes.is_empty() {
            super::decode::format_of(&bytes)?;
        }
        // What it says of its size may be wrong.
        entry.by_ref().take(limit + 1).read_to_end(&mut bytes).map_err(read_in_words)?;
        let unpacked = bytes.len() as u64;
        if unpacked > limit {
            let why = match limit < MOST_BYTES {
                true => format!(
                    "{} unpacks to far more than its size; what follows is left out; unpack it by hand",
                    self.path.display()
                ),
                false => too_large(unpacked),
            };
            self.left = self.left.saturating_sub(unpacked);
            return Err(why);
        }
        self.left -= unpacked;
        Ok(bytes)
    }
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
fn read_in_words(error: std::io::Error) -> String {
    let inside = error.get_ref().and_then(|inner| inner.downcast_ref::<ZipError>());
    inside.map_or_else(|| error.to_string(), in_words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_parts_of_a_zip_are_found() {
        for (name, part) in [
            ("__MACOSX/photos/._001.jpg", Some("__MACOSX")),
            ("photos/.DS_Store", Some("photos/.DS_Store")),
            ("photos\\@eaDir\\a.jpg", Some("photos\\@eaDir")),
            ("./photos/a.jpg", None),
            ("a.jpg", None),
        ] {
            assert_eq!(hidden_part(name), part, "{name}");
        }
    }
}
