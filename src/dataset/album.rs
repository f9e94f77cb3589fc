//! The pictures of a file, a folder or a zip, one after the other, as they are: of any size, with their transparency.
//!
//! For commands that change pictures (`cli::enlarge`); a dataset of one size is `read`. A part that cannot be read is
//! named, and the others are read.

use std::fs;
use std::path::{Component, Path, PathBuf};

use image::DynamicImage;

use super::DatasetError;
use super::decode::{Alpha, decode_as};
use super::listing::{Bad, Listing};

/// Where the pictures are.
pub struct Album {
    listing: Listing,
}

impl Album {
    /// Lists a picture, a folder with those below it, or a zip, in the order of their names.
    ///
    /// # Errors
    /// If it is none of them.
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        Ok(Self { listing: Listing::of(path)? })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.listing.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What could not be looked into.
    pub fn bad(&self) -> &[Bad] {
        &self.listing.bad
    }

    /// Where a picture lies below the folder, or in the zip: a relative path that leads nowhere else.
    pub fn place(&self, at: usize) -> PathBuf {
        let name = self.listing.name(at).replace('\\', "/");
        let parts = Path::new(&name).components().filter(|part| matches!(part, Component::Normal(_)));
        parts.collect()
    }

    /// Whether a picture is the file at a path.
    pub fn is_at(&self, at: usize, path: &Path) -> bool {
        let same =
            |own: &Path| fs::canonicalize(own).is_ok_and(|own| fs::canonicalize(path).is_ok_and(|path| own == path));
        self.listing.file_at(at).is_some_and(same)
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn bytes(&mut self, at: usize) -> Result<Vec<u8>, Bad> {
        let mut found = Err(Bad { name: String::new(), why: String::new() });
        self.listing.each_of(&[at], |bytes| Ok(bytes.to_vec()), |_, result| found = result);
        found
    }
}

/// A picture from a file's bytes: upright, with its own depth and transparency.
///
/// # Errors
/// Why it cannot be decoded, or that it is cut short.
pub fn decoded(bytes: &[u8]) -> Result<DynamicImage, String> {
    Ok(decode_as(bytes, Alpha::Keep)?.picture)
}
