//! Reads any folder or zip of pictures, recursively, in the order of their names.
//!
//! Given to `trainer` as one block of bytes; a bad file is skipped and named, never fatal. [`drawn`] gives
//! lines in the same form without a file.

use std::collections::BTreeMap;
use std::path::Path;

use image::DynamicImage;
use image::imageops::{self, FilterType};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::DatasetError;
use super::decode::{Decoded, decode};
pub use super::listing::Bad;
use super::listing::Listing;
use super::write::Drawing;

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

/// What a look at every file of a dataset found.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Width, height (upright) and how many pictures have them, most frequent first.
    pub sizes: Vec<((u32, u32), usize)>,
    /// Files that could not be read.
    pub bad: Vec<Bad>,
    /// Files with other endings, not looked into, by ending.
    pub others: BTreeMap<String, usize>,
    /// Hidden and thumbnail parts that are left out, by name; a folder counts as one.
    pub hidden: BTreeMap<String, usize>,
    /// Pictures with transparent parts, which are composed on black.
    pub clear: usize,
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
    /// How many pictures there are: n.
    pub count: usize,
    /// Files that could not be read.
    pub bad: Vec<Bad>,
    /// SHA-256 of size and bytes, in hexadecimal: the same for the same pictures in the same order.
    pub fingerprint: String,
}

/// Looks at every file. With `progress`, tells it of each.
///
/// # Errors
/// If there is neither a folder nor a zip.
pub fn census(path: &Path, tell: &(dyn Fn() + Sync)) -> Result<Census, DatasetError> {
    let mut listing = Listing::of(path)?;
    let looked = listing.each(|bytes| {
        let decoded = decode(bytes);
        tell();
        decoded.map(|Decoded { picture, clear }| ((picture.width(), picture.height()), clear))
    });
    let Listing { bad, others, hidden, .. } = listing;
    let mut census = Census { sizes: Vec::new(), bad, others, hidden, clear: 0 };
    let mut sizes = BTreeMap::new();
    for result in looked {
        match result {
            Ok((size, clear)) => {
                *sizes.entry(size).or_insert(0) += 1;
                census.clear += usize::from(clear);
            }
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
    let mut listing = Listing::of(path)?;
    let each = size.iter().product::<usize>();
    let decoded = listing.each(|bytes| Ok(pixels(decode(bytes)?.picture, size, fit)));
    let mut pictures = Pictures {
        bytes: Vec::with_capacity(listing.len() * each),
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
        let decoded = decode(&drawing.encode(index)?).map_err(failed)?;
        Ok(pixels(decoded.picture, size, Fit::Stretch))
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
