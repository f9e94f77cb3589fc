//! Reads any folder or zip of pictures, recursively, in the order of their names.
//!
//! Given to `trainer` as one block of bytes; a bad file is skipped and named, never fatal. [`drawn`] gives
//! lines in the same form without a file.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageReader};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::DatasetError;
use super::write::Drawing;
use crate::files;

/// Endings of files that are looked into.
const ENDINGS: [&str; 6] = ["jpg", "jpeg", "png", "bmp", "gif", "webp"];
/// A picture file larger than this is not read.
const MOST_BYTES: u64 = 256 << 20;
/// Pixels on a side that are decoded at most, so that a forged header cannot ask for all memory.
const MOST_PIXELS: u32 = 16_384;

/// How a picture of another size is brought to the size asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Fit {
    /// Both sides scaled on their own, nearest pixel, as the original does.
    #[default]
    Stretch,
    /// The middle square (of the target's shape) is cut out, then scaled smoothly.
    Crop,
    /// Scaled smoothly to fit inside, on black.
    Pad,
}

/// A file that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    pub name: String,
    pub why: String,
}

/// What a look at every file of a dataset found.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Width, height and how many pictures have them, most frequent first.
    pub sizes: Vec<((u32, u32), usize)>,
    pub bad: Vec<Bad>,
    /// Files with other endings, not looked into.
    pub others: usize,
}

impl Census {
    /// Readable pictures.
    pub fn count(&self) -> usize {
        self.sizes.iter().map(|(_, n)| n).sum()
    }
}

/// Pictures brought to one size.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// `[n, h, w, c]`.
    pub bytes: Vec<u8>,
    pub count: usize,
    pub bad: Vec<Bad>,
    /// SHA-256 of size and bytes, in hexadecimal: the same for the same pictures in the same order.
    pub fingerprint: String,
}

/// Where one picture file lies.
enum Source {
    File(PathBuf),
    Packed(Vec<u8>),
}

/// Names and places of all picture files, sorted by name, the bad ones so far, and how many others.
struct Listing {
    files: Vec<(String, Source)>,
    bad: Vec<Bad>,
    others: usize,
}

fn is_picture(name: &str) -> bool {
    let ending = Path::new(name).extension().map(|e| e.to_string_lossy().to_lowercase());
    ending.is_some_and(|e| ENDINGS.contains(&e.as_str()))
}

fn list(path: &Path) -> Result<Listing, DatasetError> {
    let mut listing = Listing { files: Vec::new(), bad: Vec::new(), others: 0 };
    let meta = fs::metadata(path).map_err(|_| DatasetError::Missing(path.into()))?;
    if meta.is_dir() {
        list_folder(path, path, &mut listing)?;
    } else {
        list_zip(path, &mut listing)?;
    }
    listing.files.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(listing)
}

fn list_folder(top: &Path, folder: &Path, listing: &mut Listing) -> Result<(), DatasetError> {
    for entry in files::at(folder, fs::read_dir(folder))? {
        let path = files::at(folder, entry)?.path();
        let name = path.strip_prefix(top).unwrap_or(&path).to_string_lossy().into_owned();
        // A link is followed to a file but not to a folder, so that no circle can be walked.
        if path.is_dir() {
            if !path.is_symlink() {
                list_folder(top, &path, listing)?;
            }
        } else if is_picture(&name) {
            listing.files.push((name, Source::File(path)));
        } else {
            listing.others += 1;
        }
    }
    Ok(())
}

fn list_zip(path: &Path, listing: &mut Listing) -> Result<(), DatasetError> {
    let file = files::at(path, fs::File::open(path))?;
    let not_zip = |e: zip::result::ZipError| DatasetError::NotData { path: path.into(), why: e.to_string() };
    let mut zip = zip::ZipArchive::new(std::io::BufReader::new(file)).map_err(not_zip)?;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(not_zip)?;
        let name = entry.name().map_err(not_zip)?.into_owned();
        if entry.is_dir() {
            continue;
        }
        if !is_picture(&name) {
            listing.others += 1;
            continue;
        }
        let mut bytes = Vec::new();
        match entry.by_ref().take(MOST_BYTES + 1).read_to_end(&mut bytes) {
            Ok(_) => listing.files.push((name, Source::Packed(bytes))),
            Err(e) => listing.bad.push(Bad { name, why: e.to_string() }),
        }
    }
    Ok(())
}

fn decode(source: &Source) -> Result<DynamicImage, String> {
    let read;
    let bytes = match source {
        Source::Packed(bytes) => bytes,
        Source::File(path) => {
            let size = fs::metadata(path).map_err(|e| e.to_string())?.len();
            if size > MOST_BYTES {
                return Err(format!("{size} bytes; at most {MOST_BYTES} are read"));
            }
            read = fs::read(path).map_err(|e| e.to_string())?;
            &read
        }
    };
    if bytes.is_empty() {
        return Err("the file is empty".into());
    }
    let mut reader = ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MOST_PIXELS);
    limits.max_image_height = Some(MOST_PIXELS);
    reader.limits(limits);
    reader.decode().map_err(|e| e.to_string())
}

/// Looks at every file. With `progress`, tells it of each.
pub fn census(path: &Path, tell: &(dyn Fn() + Sync)) -> Result<Census, DatasetError> {
    let listing = list(path)?;
    let looked: Vec<Result<(u32, u32), Bad>> = listing
        .files
        .par_iter()
        .map(|(name, source)| {
            let size = decode(source).map(|p| (p.width(), p.height()));
            tell();
            size.map_err(|why| Bad { name: name.clone(), why })
        })
        .collect();
    let mut census = Census { sizes: Vec::new(), bad: listing.bad, others: listing.others };
    let mut sizes = std::collections::BTreeMap::new();
    for result in looked {
        match result {
            Ok(size) => *sizes.entry(size).or_insert(0) += 1,
            Err(bad) => census.bad.push(bad),
        }
    }
    census.sizes = sizes.into_iter().collect();
    census.sizes.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    Ok(census)
}

/// Reads all pictures at `size`: `[height, width, channels]` (3: RGB, 1: grey).
///
/// # Errors
/// When fewer than `least` can be read.
pub fn read(path: &Path, size: [usize; 3], fit: Fit, least: usize) -> Result<Pictures, DatasetError> {
    let listing = list(path)?;
    let found = listing.files.len();
    let decoded: Vec<Result<Vec<u8>, Bad>> = listing
        .files
        .par_iter()
        .map(|(name, source)| {
            let picture = decode(source).map_err(|why| Bad { name: name.clone(), why })?;
            Ok(pixels(picture, size, fit))
        })
        .collect();
    let mut pictures = Pictures {
        bytes: Vec::with_capacity(found * size.iter().product::<usize>()),
        count: 0,
        bad: listing.bad,
        fingerprint: String::new(),
    };
    for result in decoded {
        match result {
            Ok(bytes) => {
                pictures.bytes.extend(bytes);
                pictures.count += 1;
            }
            Err(bad) => pictures.bad.push(bad),
        }
    }
    if pictures.count < least {
        return Err(DatasetError::TooFew { path: path.into(), count: pictures.count, bad: pictures.bad.len(), least });
    }
    pictures.fingerprint = fingerprint(size, &pictures.bytes);
    Ok(pictures)
}

/// Draws all lines pictures of `drawing` at `size`, as they would come from its files: a JPEG's colour
/// fringes are part of the data.
///
/// # Errors
/// When a picture cannot be encoded.
pub fn drawn(drawing: &Drawing, size: [usize; 3]) -> Result<Pictures, DatasetError> {
    let one = |index| {
        let failed = |why| DatasetError::Encode { name: drawing.name(index), why };
        let picture = decode(&Source::Packed(drawing.encode(index)?)).map_err(failed)?;
        Ok(pixels(picture, size, Fit::Stretch))
    };
    let all: Vec<Vec<u8>> = (0..drawing.count).into_par_iter().map(one).collect::<Result<_, DatasetError>>()?;
    let (count, bytes) = (all.len(), all.concat());
    Ok(Pictures { fingerprint: fingerprint(size, &bytes), bytes, count, bad: Vec::new() })
}

/// A picture's bytes at `[height, width, channels]`.
fn pixels(picture: DynamicImage, [h, w, c]: [usize; 3], fit: Fit) -> Vec<u8> {
    let picture = resize(picture, w as u32, h as u32, fit);
    if c == 1 { picture.into_luma8().into_raw() } else { picture.into_rgb8().into_raw() }
}

fn fingerprint(size: [usize; 3], bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    for side in size {
        hash.update((side as u64).to_le_bytes());
    }
    hash.update(bytes);
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

fn resize(picture: DynamicImage, w: u32, h: u32, fit: Fit) -> DynamicImage {
    if (picture.width(), picture.height()) == (w, h) {
        return picture;
    }
    match fit {
        Fit::Stretch => picture.resize_exact(w, h, FilterType::Nearest),
        Fit::Crop => picture.resize_to_fill(w, h, FilterType::Triangle),
        Fit::Pad => {
            let inner = picture.resize(w, h, FilterType::Triangle).into_rgb8();
            let mut out = image::RgbImage::new(w, h);
            let (x, y) = ((w - inner.width()) / 2, (h - inner.height()) / 2);
            imageops::overlay(&mut out, &inner, x.into(), y.into());
            out.into()
        }
    }
}
