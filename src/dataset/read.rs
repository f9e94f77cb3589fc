//! Reads any folder or zip of pictures, recursively, in the order of their names.
//!
//! Given to `trainer` as one block of bytes; a bad file is skipped and named, never fatal. [`drawn`] gives
//! lines in the same form without a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbaImage};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::DatasetError;
use super::decode::{Alpha, Decoded, decode, decode_as};
use super::labels::Labels;
use super::lines::colour;
pub use super::listing::Bad;
use super::listing::Listing;
use super::write::Drawing;

/// How a picture of another size is brought to the size asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Fit {
    /// Both sides scaled on their own, nearest pixel, as the original does.
    #[default]
    Stretch,
    /// The middle square (of the target's shape) is cut out, then scaled smoothly.
    Crop,
    /// Scaled smoothly to fit inside, on black; on nothing where there is transparency.
    Pad,
    /// The same on this colour (RGB).
    PadOn([u8; 3]),
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Stretch => f.write_str("stretch"),
            Self::Crop => f.write_str("crop"),
            Self::Pad => f.write_str("pad"),
            Self::PadOn([255, 255, 255]) => f.write_str("pad:white"),
            Self::PadOn([r, g, b]) => write!(f, "pad:#{r:02x}{g:02x}{b:02x}"),
        }
    }
}

impl FromStr for Fit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "stretch" => Self::Stretch,
            "crop" => Self::Crop,
            "pad" | "pad:black" => Self::Pad,
            "pad:white" => Self::PadOn([255; 3]),
            _ => match text.strip_prefix("pad:").map(colour) {
                Some(Ok([0, 0, 0])) => Self::Pad,
                Some(Ok(colour)) => Self::PadOn(colour),
                _ => {
                    return Err(format!(
                        "\"{text}\" is no way to fit pictures; write stretch, crop, pad, pad:white or pad:#e0b807"
                    ));
                }
            },
        })
    }
}

impl From<Fit> for String {
    fn from(fit: Fit) -> Self {
        fit.to_string()
    }
}

impl TryFrom<String> for Fit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
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
    /// Classes by name, and how many readable pictures each has; empty if there are none.
    pub classes: Vec<(String, usize)>,
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
    let labels = Labels::of(&mut listing);
    let good = looked.iter().enumerate().filter(|(_, result)| result.is_ok());
    let classes = labels.counts(good.map(|(at, _)| at));
    let Listing { bad, others, hidden, .. } = listing;
    let mut census = Census { sizes: Vec::new(), bad, others, hidden, clear: 0, classes };
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

/// What a look at some pictures found.
#[derive(Clone, Debug, Default)]
pub struct Glance {
    /// Pictures that are listed, readable or not.
    pub listed: usize,
    /// Width and height (upright) of those that were looked at, each size once.
    pub sizes: BTreeSet<(u32, u32)>,
    /// How many of them have colours: a pixel whose channels are more than 24 apart, which is beyond what JPEG makes of
    /// grey.
    pub coloured: usize,
}

/// Looks at `count` pictures at most, which lie evenly among all.
///
/// # Errors
/// If there is neither a folder nor a zip.
pub fn glance(path: &Path, count: usize) -> Result<Glance, DatasetError> {
    let mut listing = Listing::of(path)?;
    let listed = listing.len();
    let count = count.min(listed);
    let which: Vec<usize> = (0..count).map(|at| at * listed / count).collect();
    let mut glance = Glance { listed, ..Glance::default() };
    let look = |file: &[u8]| {
        let picture = decode(file)?.picture.into_rgb8();
        let apart = |p: &image::Rgb<u8>| p.0.iter().max() > p.0.iter().min().map(|v| v.saturating_add(24)).as_ref();
        Ok((picture.dimensions(), picture.pixels().any(apart)))
    };
    listing.each_of(&which, look, |_, seen| {
        if let Ok((size, coloured)) = seen {
            glance.sizes.insert(size);
            glance.coloured += usize::from(coloured);
        }
    });
    Ok(glance)
}

/// Reads all pictures at `size`: `[height, width, channels]` (1: grey, 3: RGB, 4: RGBA).
///
/// # Errors
/// When fewer than `least` can be read.
pub fn read(path: &Path, size: [usize; 3], fit: Fit, least: usize) -> Result<Pictures, DatasetError> {
    let mut listing = Listing::of(path)?;
    let each = size.iter().product::<usize>();
    let every: Vec<usize> = (0..listing.len()).collect();
    let (mut bytes, mut count, mut bad) = (Vec::with_capacity(every.len() * each), 0, Vec::new());
    listing.each_of(
        &every,
        |file| pixels(file, size, fit),
        |_, result| match result {
            Ok(picture) => {
                bytes.extend(picture);
                count += 1;
            }
            Err(why) => bad.push(why),
        },
    );
    let bad = [listing.bad, bad].concat();
    if count < least {
        return Err(DatasetError::TooFew { path: path.into(), count, bad: bad.len(), least });
    }
    Ok(Pictures { fingerprint: fingerprint(size, &bytes), bytes, count, bad })
}

/// Reads the first `most` pictures that can be read, in the order of their names, at `size`: `[n, h, w, c]`, and what
/// could not be read among them.
///
/// # Errors
/// If there is neither a folder nor a zip.
pub fn first(path: &Path, size: [usize; 3], fit: Fit, most: usize) -> Result<(Vec<u8>, Vec<Bad>), DatasetError> {
    let mut listing = Listing::of(path)?;
    let each = size.iter().product::<usize>().max(1);
    let (mut bytes, mut bad) = (Vec::new(), Vec::new());
    for from in (0..listing.len()).step_by(most.max(1)) {
        let missing = most - bytes.len() / each;
        if missing == 0 {
            break;
        }
        let some: Vec<usize> = (from..(from + most.max(1)).min(listing.len())).collect();
        listing.each_of(
            &some,
            |file| pixels(file, size, fit),
            |_, result| match result {
                Ok(picture) if bytes.len() / each < most => bytes.extend(picture),
                Ok(_) => {}
                Err(why) => bad.push(why),
            },
        );
    }
    Ok((bytes, bad))
}

/// Draws all lines pictures of `drawing` at `size`, as they would come from its files: a JPEG's colour
/// fringes are part of the data.
///
/// # Errors
/// When a picture cannot be encoded.
pub fn drawn(drawing: &Drawing, size: [usize; 3]) -> Result<Pictures, DatasetError> {
    let one = |index| {
        let failed = |why| DatasetError::Encode { name: drawing.name(index), why };
        pixels(&drawing.encode(index)?, size, Fit::Stretch).map_err(failed)
    };
    let all: Vec<Vec<u8>> = (0..drawing.count).into_par_iter().map(one).collect::<Result<_, DatasetError>>()?;
    let (count, bytes) = (all.len(), all.concat());
    Ok(Pictures { fingerprint: fingerprint(size, &bytes), bytes, count, bad: Vec::new() })
}

/// A picture's RGB bytes as those of a picture of this size, `[height, width, channels]`, which it has: in grey with 1
/// channel, opaque with 4.
pub fn of_rgb(bytes: Vec<u8>, [h, w, c]: [usize; 3]) -> Vec<u8> {
    let Some(picture) = image::RgbImage::from_raw(w as u32, h as u32, bytes) else { return vec![0; h * w * c] };
    match c {
        1 => DynamicImage::from(picture).into_luma8().into_raw(),
        4 => DynamicImage::from(picture).into_rgba8().into_raw(),
        _ => picture.into_raw(),
    }
}

/// The bytes of a picture file as those of a picture at `[height, width, channels]`.
pub(super) fn pixels(file: &[u8], [h, w, c]: [usize; 3], fit: Fit) -> Result<Vec<u8>, String> {
    let alpha = if c == 4 { Alpha::Keep } else { Alpha::Ground };
    let picture = decode_as(file, alpha)?.picture;
    let (w, h) = (w as u32, h as u32);
    Ok(match c {
        1 => resize(picture, w, h, fit).into_luma8().into_raw(),
        4 => resize_clear(picture.into_rgba8(), w, h, fit).into_raw(),
        _ => resize(picture, w, h, fit).into_rgb8().into_raw(),
    })
}

/// SHA-256 of size and bytes, in hexadecimal.
pub(super) fn fingerprint(size: [usize; 3], bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    for side in size {
        hash.update((side as u64).to_le_bytes());
    }
    hash.update(bytes);
    hexadecimal(hash)
}

/// A finished hash as text.
pub(super) fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

fn resize(picture: DynamicImage, w: u32, h: u32, fit: Fit) -> DynamicImage {
    if (picture.width(), picture.height()) == (w, h) {
        return picture;
    }
    match fit {
        Fit::Stretch => picture.resize_exact(w, h, FilterType::Nearest),
        Fit::Crop => picture.resize_to_fill(w, h, FilterType::Triangle),
        Fit::Pad | Fit::PadOn(_) => {
            let inner = picture.resize(w, h, FilterType::Triangle).into_rgb8();
            let ground = if let Fit::PadOn(colour) = fit { colour } else { [0; 3] };
            let mut out = image::RgbImage::from_pixel(w, h, image::Rgb(ground));
            let (x, y) = ((w - inner.width()) / 2, (h - inner.height()) / 2);
            imageops::overlay(&mut out, &inner, x.into(), y.into());
            out.into()
        }
    }
}

/// The same with transparency. Where pixels are mixed each counts as much as it can be seen, so that the colours of
/// what cannot be seen do not come out at the edges.
fn resize_clear(mut picture: RgbaImage, w: u32, h: u32, fit: Fit) -> RgbaImage {
    if (picture.width(), picture.height()) == (w, h) {
        return picture;
    }
    if fit == Fit::Stretch {
        return imageops::resize(&picture, w, h, FilterType::Nearest);
    }
    for pixel in picture.pixels_mut() {
        let alpha = u32::from(pixel.0[3]);
        pixel.0[..3].iter_mut().for_each(|v| *v = ((u32::from(*v) * alpha + 127) / 255) as u8);
    }
    let picture = DynamicImage::from(picture);
    let mut out = match fit {
        Fit::Pad | Fit::PadOn(_) => {
            let inner = picture.resize(w, h, FilterType::Triangle).into_rgba8();
            let ground = if let Fit::PadOn([r, g, b]) = fit { [r, g, b, 255] } else { [0; 4] };
            let mut out = RgbaImage::from_pixel(w, h, image::Rgba(ground));
            let (x, y) = ((w - inner.width()) / 2, (h - inner.height()) / 2);
            imageops::replace(&mut out, &inner, x.into(), y.into());
            out
        }
        Fit::Crop | Fit::Stretch => picture.resize_to_fill(w, h, FilterType::Triangle).into_rgba8(),
    };
    for pixel in out.pixels_mut() {
        let alpha = u32::from(pixel.0[3]).max(1);
        pixel.0[..3].iter_mut().for_each(|v| *v = ((u32::from(*v) * 255 + alpha / 2) / alpha).min(255) as u8);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn ways_to_fit_are_written_as_they_are_read() {
        for text in ["stretch", "crop", "pad", "pad:white", "pad:#e0b807"] {
            assert_eq!(text.parse::<Fit>().unwrap().to_string(), text);
        }
        for (text, fit) in [("pad:black", Fit::Pad), ("pad:000000", Fit::Pad), ("pad:FFFFFF", Fit::PadOn([255; 3]))] {
            assert_eq!(text.parse(), Ok(fit));
        }
        for text in ["", "Pad", "pad:", "pad:red", "crop:white", "pad:#12345"] {
            assert!(text.parse::<Fit>().unwrap_err().contains("is no way to fit"), "{text}");
        }
        let mut file = Cursor::new(Vec::new());
        let picture = DynamicImage::from(image::RgbImage::from_pixel(8, 4, image::Rgb([10, 20, 30])));
        picture.write_to(&mut file, image::ImageFormat::Png).unwrap();
        let white = Fit::PadOn([255; 3]);
        let rows = |fit, c| -> Vec<Vec<u8>> {
            let pixels = pixels(file.get_ref(), [8, 8, c], fit).unwrap();
            pixels.chunks_exact(8 * c).map(|row| row[..c].to_vec()).collect()
        };
        let [edge, middle] = [[255; 3].to_vec(), vec![10, 20, 30]];
        assert_eq!(
            rows(white, 3),
            [[edge.clone(), edge.clone()], [middle.clone(), middle.clone()]]
                .concat()
                .into_iter()
                .chain([middle.clone(), middle.clone(), edge.clone(), edge.clone()])
                .collect::<Vec<_>>()
        );
        assert_eq!((rows(Fit::Pad, 3)[0][0], rows(white, 1)[0][0], rows(Fit::Pad, 1)[7][0]), (0, 255, 0));
        assert_eq!((&rows(white, 4)[0][..], &rows(Fit::Pad, 4)[0][..]), (&[255; 4][..], &[0; 4][..]));
    }

    #[test]
    fn transparency_is_kept_where_it_is_asked_for() {
        let pixel = |x: u32, _| image::Rgba(if x < 8 { [200, 100, 50, 255] } else { [0, 255, 0, 0] });
        let picture = DynamicImage::from(RgbaImage::from_fn(16, 16, pixel));
        let mut file = Cursor::new(Vec::new());
        picture.write_to(&mut file, image::ImageFormat::Png).unwrap();
        let at = |size, fit| pixels(file.get_ref(), size, fit).unwrap();
        assert!(at([16, 16, 4], Fit::Stretch) == picture.to_rgba8().into_raw());
        assert_eq!(at([4, 4, 4], Fit::Stretch)[..4], [200, 100, 50, 255]);
        // No green of what cannot be seen, whatever is mixed.
        for (size, fit) in
            [([5, 5, 4], Fit::Crop), ([7, 3, 4], Fit::Crop), ([5, 9, 4], Fit::Pad), ([40, 40, 4], Fit::Pad)]
        {
            let pixels = at(size, fit);
            assert_eq!(pixels.len(), size.iter().product::<usize>());
            for pixel in pixels.chunks_exact(4).filter(|pixel| pixel[3] > 20) {
                assert!(pixel[1].abs_diff(100) <= 8 && pixel[0].abs_diff(200) <= 8, "{pixel:?} at {size:?}");
            }
        }
        assert_eq!(at([5, 9, 4], Fit::Pad)[3], 0, "clear above and below");
        // Grey has no transparency: it lies on black.
        assert_eq!(at([16, 16, 1], Fit::Stretch)[15], 0);
        assert_eq!(at([16, 16, 1], Fit::Stretch).len(), 256);
        // A picture without transparency is opaque.
        let mut file = Cursor::new(Vec::new());
        DynamicImage::new_luma8(4, 4).write_to(&mut file, image::ImageFormat::Png).unwrap();
        assert_eq!(pixels(file.get_ref(), [4, 4, 4], Fit::Stretch).unwrap()[..4], [0, 0, 0, 255]);
    }
}
