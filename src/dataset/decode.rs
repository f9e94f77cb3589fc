//! A picture file's bytes as a picture: upright, whole, and without what lies under transparent parts.
//!
//! Fed by [`super::read`] and [`super::store`], on all threads; knows no files.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

/// Pixels on a side that are decoded at most, so that a forged header cannot ask for all memory.
const MOST_PIXELS: u32 = 16_384;
/// What transparent parts are composed on: black, the ground of the lines.
const GROUND: u8 = 0;

/// What becomes of transparency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpha {
    /// Transparent parts are composed on the ground: what colour lies hidden in them was never meant to be seen.
    Ground,
    /// It stays, for networks that learn it.
    Keep,
}

/// A decoded picture.
pub(super) struct Decoded {
    pub picture: DynamicImage,
    /// Whether parts of it were transparent.
    pub clear: bool,
}

/// The format of a picture by its first bytes.
///
/// # Errors
/// A sentence, if it is none that is read.
pub(super) fn format_of(bytes: &[u8]) -> Result<ImageFormat, String> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, WebP};
    match image::guess_format(bytes) {
        Ok(format @ (Jpeg | Png | Bmp | Gif | WebP)) => Ok(format),
        Ok(other) => Err(format!("it is a {other:?} inside, which is not read; convert it to PNG or JPEG")),
        Err(_) => Err("it is no picture inside".into()),
    }
}

/// Decodes a picture, without what lies under transparent parts.
///
/// # Errors
/// Why it cannot be decoded, or that it is cut short.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, String> {
    decode_as(bytes, Alpha::Ground)
}

/// The same, with transparency as asked for.
pub(super) fn decode_as(bytes: &[u8], alpha: Alpha) -> Result<Decoded, String> {
    if bytes.is_empty() {
        return Err("the file is empty".into());
    }
    let format = format_of(bytes)?;
    if cut_short(bytes, format) {
        return Err(CUT.into());
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MOST_PIXELS);
    limits.max_image_height = Some(MOST_PIXELS);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(in_words)?;
    limits.reserve(decoder.total_bytes()).map_err(|e| e.to_string())?;
    // Cameras turn no pixels; they write down how the picture is to be turned.
    let turned = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(in_words)?;
    picture.apply_orientation(turned);
    Ok(match alpha {
        Alpha::Ground => on_ground(picture),
        Alpha::Keep => Decoded { picture, clear: false },
    })
}

/// What is said of a file whose end is missing.
const CUT: &str = "it is cut short; copy it again";

fn in_words(error: ImageError) -> String {
    match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => CUT.into(),
        error => error.to_string(),
    }
}

/// Composes transparent parts on the ground.
fn on_ground(picture: DynamicImage) -> Decoded {
    if !picture.color().has_alpha() {
        return Decoded { picture, clear: false };
    }
    let rgba = picture.to_rgba8();
    if rgba.pixels().all(|pixel| pixel.0[3] == 255) {
        return Decoded { picture, clear: false };
    }
    let mut rgb = image::RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [r, g, b, alpha] = from.0.map(u32::from);
        let ground = (255 - alpha) * u32::from(GROUND);
        to.0 = [r, g, b].map(|v| ((v * alpha + ground + 127) / 255) as u8);
    }
    Decoded { picture: rgb.into(), clear: true }
}

/// Whether the end of a file is missing, where the decoder would fill up what it does not find.
fn cut_short(bytes: &[u8], format: ImageFormat) -> bool {
    match format {
        ImageFormat::Jpeg => !ends_jpeg(bytes),
        ImageFormat::WebP => bytes.get(4..8).is_none_or(|b| {
            let size = u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            (bytes.len() as u64) < u64::from(size) + 8
        }),
        _ => false,
    }
}

/// Whether the picture of a JPEG file comes to its end: its segments are followed, since a thumbnail in one of them
/// has an end of its own.
fn ends_jpeg(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        let Some(gap) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| *b == 0xff)) else { return false };
        at += gap + 1;
        match bytes.get(at) {
            None => return false,
            // The end of the picture.
            Some(0xd9) => return true,
            // A byte of the picture, a fill byte, a restart: no segment begins.
            Some(0x00 | 0xff | 0x01 | 0xd0..=0xd8) => at += usize::from(bytes[at] != 0xff),
            Some(_) => {
                let Some(&[high, low]) = bytes.get(at + 1..at + 3) else { return false };
                at += 1 + usize::from(u16::from_be_bytes([high, low]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> DynamicImage {
        let pixel = |x: u32, y: u32| image::Rgb([(x * 7) as u8, (y * 11) as u8, (x * y) as u8]);
        image::RgbImage::from_fn(64, 32, pixel).into()
    }

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        picture().write_to(&mut out, format).unwrap();
        out.into_inner()
    }

    #[test]
    fn a_picture_that_is_cut_is_no_picture() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::WebP] {
            let whole = encoded(format);
            assert!(decode(&whole).is_ok(), "{format:?}");
            for percent in [2, 10, 30, 55, 80, 95] {
                let cut = &whole[..whole.len() * percent / 100];
                assert!(decode(cut).is_err(), "{percent} % of a {format:?}");
            }
        }
        assert_eq!(decode(b"").err().unwrap(), "the file is empty");
        assert_eq!(decode(b"no picture").err().unwrap(), "it is no picture inside");
        assert!(decode(b"II*\0........").err().unwrap().contains("Tiff"));
    }

    /// A segment in front of the picture, as EXIF is.
    fn with_segment(jpeg: &[u8], content: &[u8]) -> Vec<u8> {
        let length = (content.len() as u16 + 2).to_be_bytes();
        [&jpeg[..2], &[0xff, 0xe1], &length, content, &jpeg[2..]].concat()
    }

    #[test]
    fn the_end_of_a_thumbnail_is_none_of_the_picture() {
        let jpeg = encoded(ImageFormat::Jpeg);
        let whole = with_segment(&jpeg, &[b"Exif\0\0", &jpeg[..]].concat());
        assert!(ends_jpeg(&whole) && decode(&whole).is_ok());
        assert!(!ends_jpeg(&whole[..whole.len() - 100]));
        // What follows the end, as in pictures of several parts, is none of it.
        assert!(ends_jpeg(&[&jpeg[..], b"more"].concat()));
    }

    #[test]
    fn a_photo_is_turned_upright() {
        let exif = |orientation: u8| {
            let entry = [0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0];
            [&b"Exif\0\0MM\0*\0\0\0\x08"[..], &entry].concat()
        };
        let jpeg = encoded(ImageFormat::Jpeg);
        let plain = decode(&jpeg).unwrap().picture;
        for (orientation, expected) in
            [(1, plain.clone()), (3, plain.rotate180()), (6, plain.rotate90()), (8, plain.rotate270())]
        {
            let turned = decode(&with_segment(&jpeg, &exif(orientation))).unwrap().picture;
            assert!(turned.to_rgb8() == expected.to_rgb8(), "{orientation}");
        }
    }

    #[test]
    fn transparent_parts_are_composed_on_black() {
        let png = |pixel: [u8; 4]| {
            let mut out = Cursor::new(Vec::new());
            DynamicImage::from(image::RgbaImage::from_pixel(4, 4, image::Rgba(pixel)))
                .write_to(&mut out, ImageFormat::Png)
                .unwrap();
            decode(&out.into_inner()).unwrap()
        };
        for (pixel, seen, clear) in [
            ([255, 0, 0, 0], [0, 0, 0], true),
            ([0, 255, 0, 0], [0, 0, 0], true),
            ([200, 100, 50, 128], [100, 50, 25], true),
            ([200, 100, 50, 255], [200, 100, 50], false),
        ] {
            let Decoded { picture, clear: was } = png(pixel);
            assert_eq!((picture.to_rgb8().get_pixel(2, 2).0, was), (seen, clear), "{pixel:?}");
        }
    }
}
