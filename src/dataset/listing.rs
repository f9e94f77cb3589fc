//! What lies in a folder or a zip of pictures: which files, in the order of their names, and what is left out.
//!
//! Read by [`super::read`]. One part that cannot be read is named and the rest is read. Hidden and thumbnail parts are
//! left out and counted. A zip is unpacked entry by entry, a few at a time, within limits ([`super::zipped`]). Files are
//! read all at once, a few hundred at a time, or one by one as they are asked for.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::DatasetError;
use super::zipped::{Fault, Look, Zip, head, not_too_large};
use crate::files;
use crate::hints::plain;
use crate::home::leftover;

/// Endings of files that are looked into.
const ENDINGS: [&str; 9] = ["jpg", "jpeg", "jpe", "jfif", "png", "bmp", "dib", "gif", "webp"];
/// Pictures that are decoded before they are handed on, and bytes of a zip that are unpacked before that.
const CHUNK_BYTES: usize = 64 << 20;
const CHUNK_COUNT: usize = 256;
/// Files that are tried to see whether a folder is still there.
const TRIED: usize = 16;

/// A file that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// Its name in the folder or zip, without what would act on a terminal.
    pub name: String,
    /// Why it could not be read.
    pub why: String,
}

impl Bad {
    pub(super) fn new(name: &str, why: impl AsRef<str>) -> Self {
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
    top: PathBuf,
    files: Vec<(String, Place)>,
    pub bad: Vec<Bad>,
    /// Files that are not looked into, by their ending.
    pub others: BTreeMap<String, usize>,
    /// Hidden and thumbnail parts by their name: a folder counts as one.
    pub hidden: BTreeMap<String, usize>,
    zip: Option<Zip>,
}

/// What a file's name ends with, in small letters.
fn ending(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Whether a file is called like a picture.
fn is_picture(path: &Path) -> bool {
    ENDINGS.contains(&ending(path).as_str())
}

impl Listing {
    /// Lists a folder or a zip, or one picture.
    ///
    /// # Errors
    /// If there is neither.
    pub fn of(path: &Path) -> Result<Self, DatasetError> {
        let mut listing = Self { top: path.into(), ..Self::default() };
        let meta = fs::metadata(path).map_err(|_| DatasetError::Missing(path.into()))?;
        if meta.is_dir() {
            let entries = files::at(path, fs::read_dir(path))?;
            listing.add_folder(path, entries);
        } else if is_picture(path) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            listing.files.push((name, Place::File(path.into())));
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
        if is_picture(Path::new(&name)) {
            self.files.push((name, place));
        } else {
            *self.others.entry(plain(&ending(Path::new(&name)))).or_default() += 1;
        }
    }

    fn hide(&mut self, name: &str) {
        *self.hidden.entry(plain(name)).or_default() += 1;
    }

    fn add_zip(&mut self, path: &Path) -> Result<(), DatasetError> {
        let zip = Zip::open(path)?;
        // A hidden folder is in the names of all its entries, and counts once.
        let mut hidden = std::collections::BTreeSet::new();
        for index in 0..zip.len() {
            let Some(name) = zip.name(index) else {
                self.bad.push(Bad::new(&format!("entry {}", index + 1), "its name cannot be read"));
                continue;
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
        self.zip = Some(zip);
        Ok(())
    }

    /// Reads every file and does `work` on its bytes, on all threads; gives the results in the order of the names.
    pub fn each<T: Send>(&mut self, work: impl Fn(&[u8]) -> Result<T, String> + Sync) -> Vec<Result<T, Bad>> {
        let mut all = Vec::with_capacity(self.len());
        let every: Vec<usize> = (0..self.len()).collect();
        self.each_of(&every, work, |_, result| all.push(result));
        all
    }

    /// The same with some of the files; hands every result on with its file, in the order of `which`, without keeping
    /// more than a few hundred of them.
    pub fn each_of<T: Send>(
        &mut self,
        which: &[usize],
        work: impl Fn(&[u8]) -> Result<T, String> + Sync,
        mut take: impl FnMut(usize, Result<T, Bad>),
    ) {
        let done = |name: &String, bytes: Result<Vec<u8>, String>| {
            bytes.and_then(|bytes| work(&bytes)).map_err(|why| Bad::new(name, why))
        };
        let mut from = 0;
        while from < which.len() {
            let chunk: Vec<Result<T, Bad>> = match &mut self.zip {
                None => {
                    let chunk = &which[from..which.len().min(from + CHUNK_COUNT)];
                    let read = |at: &usize| match &self.files[*at] {
                        (name, Place::File(path)) => done(name, read_file(path).map_err(Fault::why)),
                        (name, Place::Entry(_)) => done(name, Err("its zip is not open".into())),
                    };
                    chunk.par_iter().map(read).collect()
                }
                Some(zip) => {
                    let (mut chunk, mut size) = (Vec::new(), 0);
                    while let Some((name, Place::Entry(index))) =
                        which.get(from + chunk.len()).map(|at| &self.files[*at])
                        && chunk.len() < CHUNK_COUNT
                        && size < CHUNK_BYTES
                    {
                        let bytes = zip.unpack(*index);
                        size += bytes.as_ref().map_or(0, Vec::len);
                        chunk.push((name, bytes));
                    }
                    chunk.into_par_iter().map(|(name, bytes)| done(name, bytes)).collect()
                }
            };
            let count = chunk.len();
            which[from..].iter().zip(chunk).for_each(|(at, result)| take(*at, result));
            from += count.max(1);
        }
    }

    /// Takes a quick look at some of the files, on all threads: at what they begin with, without decoding them.
    pub fn look(&mut self, which: &[usize]) -> Vec<Result<Look, Bad>> {
        let look = |at: &usize| {
            let (name, place) = &self.files[*at];
            let look = match (place, &self.zip) {
                (Place::File(path), _) => look_at(path).map_err(Fault::why),
                (Place::Entry(index), Some(zip)) => zip.look(*index),
                (Place::Entry(_), None) => Err("its zip is not open".into()),
            };
            look.map_err(|why| Bad::new(name, why))
        };
        let mut looks: Vec<Result<Look, Bad>> = which.par_iter().map(look).collect();
        if let Some(zip) = &mut self.zip {
            for (at, look) in which.iter().zip(&mut looks) {
                if let Ok(said) = look
                    && let Err(why) = zip.reserve(*said)
                {
                    *look = Err(Bad::new(&self.files[*at].0, why));
                }
            }
        }
        looks
    }

    /// What all files say of themselves, without being opened; nothing where one cannot be asked.
    pub fn said(&self) -> Vec<Look> {
        let said = |(_, place): &(String, Place)| match (place, &self.zip) {
            (Place::File(path), _) => fs::metadata(path).ok().map(|meta| Look { size: meta.len(), check: 0 }),
            (Place::Entry(index), zip) => zip.as_ref().and_then(|zip| zip.said(*index)),
        };
        self.files.par_iter().map(|file| said(file).unwrap_or(Look { size: 0, check: 0 })).collect()
    }

    /// The bytes of one file that was looked at. From any thread, as often as wanted.
    pub fn read(&self, at: usize) -> Result<Vec<u8>, Fault> {
        match (&self.files[at].1, &self.zip) {
            (Place::File(path), _) => read_file(path),
            (Place::Entry(index), Some(zip)) => zip.unpack_again(*index),
            (Place::Entry(_), None) => Err(Fault::Content("its zip is not open".into())),
        }
    }

    /// Whether the folder's files, or the zip, can still be read: some of them are tried, which lie far apart.
    pub fn is_there(&self) -> bool {
        let step = self.files.len().div_ceil(TRIED).max(1);
        let opens = |(_, place): &(String, Place)| match (place, &self.zip) {
            (Place::File(path), _) => !matches!(look_at(path), Err(Fault::Away(_))),
            (Place::Entry(_), zip) => zip.as_ref().is_some_and(Zip::is_there),
        };
        self.files.iter().step_by(step).any(opens)
    }

    /// The name of a file in the folder or zip.
    pub fn name(&self, at: usize) -> &str {
        &self.files[at].0
    }

    /// Where a file lies, if it is in no zip.
    pub fn file_at(&self, at: usize) -> Option<&Path> {
        match &self.files[at].1 {
            Place::File(path) => Some(path),
            Place::Entry(_) => None,
        }
    }

    /// Keeps these files only, in this order, which is that of their names.
    pub fn keep(&mut self, which: &[usize]) {
        let mut wanted = which.iter().copied().peekable();
        let mut at = 0;
        self.files.retain(|_| {
            at += 1;
            wanted.next_if_eq(&(at - 1)).is_some()
        });
        self.files.shrink_to_fit();
    }

    /// A file that is no picture by its name, if it is there; of one with more than `most` bytes one byte more.
    ///
    /// # Errors
    /// A sentence, if it is there and cannot be read.
    pub fn text(&self, name: &str, most: u64) -> Option<Result<Vec<u8>, String>> {
        if let Some(zip) = &self.zip {
            return zip.find(name).map(|index| zip.text(index, most + 1));
        }
        let path = self.top.join(name);
        let meta = fs::metadata(&path).ok()?;
        let read = || {
            let mut bytes = Vec::new();
            fs::File::open(&path)?.take(most + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match meta.is_file() {
            true => Some(read().map_err(|e: std::io::Error| e.to_string())),
            false => Some(Err("it is no file".into())),
        }
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

/// Opens a picture file; gives its size too.
fn open_file(path: &Path) -> Result<(fs::File, u64), Fault> {
    let meta = fs::metadata(path).map_err(Fault::of)?;
    if !meta.is_file() {
        // A pipe would be waited for without end.
        return Err(Fault::Content("it is no file".into()));
    }
    not_too_large(meta.len())?;
    Ok((fs::File::open(path).map_err(Fault::of)?, meta.len()))
}

fn read_file(path: &Path) -> Result<Vec<u8>, Fault> {
    let (mut file, size) = open_file(path)?;
    let mut bytes = Vec::with_capacity(size as usize);
    file.read_to_end(&mut bytes).map_err(Fault::of)?;
    Ok(bytes)
}

fn look_at(path: &Path) -> Result<Look, Fault> {
    let (mut file, size) = open_file(path)?;
    match head(&mut file)?.is_empty() {
        true => Err(Fault::Content("the file is empty".into())),
        false => Ok(Look { size, check: 0 }),
    }
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
