//! Looping GIFs of pictures, written one after the other: what is kept in memory does not grow with their number.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, RgbaImage};

use super::{Picture, PictureError};
use crate::files;

/// Writes a GIF that shows each picture for `each` and loops for ever; whole or not at all.
///
/// # Errors
/// If it cannot be written, or a picture cannot be encoded.
pub fn write_gif<'a>(
    pictures: impl IntoIterator<Item = &'a Picture>,
    each: Duration,
    path: &Path,
) -> Result<(), PictureError> {
    let target = files::resolved(path)?;
    if let Some(folder) = target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        files::make_folder(folder)?;
    }
    let part = files::temporary(&target);
    let written = encode(pictures, each, path, &part);
    let named = written.and_then(|()| Ok(files::at(path, std::fs::rename(&part, &target))?));
    if named.is_err() {
        // Half a GIF is of no use; the first error is the one to tell.
        let _ = std::fs::remove_file(&part);
    }
    named
}

fn encode<'a>(
    pictures: impl IntoIterator<Item = &'a Picture>,
    each: Duration,
    path: &Path,
    part: &Path,
) -> Result<(), PictureError> {
    let wrong = |why: String| PictureError::Encode { path: path.into(), why };
    let mut out = BufWriter::new(files::at(path, std::fs::File::create(part))?);
    {
        let mut encoder = GifEncoder::new_with_speed(&mut out, 10);
        encoder.set_repeat(Repeat::Infinite).map_err(|e| wrong(e.to_string()))?;
        for picture in pictures {
            let rgba = picture.pixels.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
            let image = RgbaImage::from_raw(picture.width as u32, picture.height as u32, rgba)
                .ok_or_else(|| wrong("a picture's size does not match its pixels".into()))?;
            let frame = Frame::from_parts(image, 0, 0, Delay::from_saturating_duration(each));
            encoder.encode_frame(frame).map_err(|e| wrong(e.to_string()))?;
        }
    }
    files::at(path, out.flush().and_then(|()| out.get_ref().sync_all()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::AnimationDecoder;

    #[test]
    fn a_gif_holds_its_frames() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/a.gif");
        let pictures = [Picture::filled(8, 6, [255, 0, 0]), Picture::filled(8, 6, [0, 0, 255])];
        write_gif(&pictures, Duration::from_millis(200), &path).unwrap();
        let bytes = std::io::Cursor::new(std::fs::read(path).unwrap());
        let frames = image::codecs::gif::GifDecoder::new(bytes).unwrap().into_frames().collect_frames().unwrap();
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[1].buffer().get_pixel(3, 3).0, [0, 0, 255, 255]);
        assert_eq!(std::fs::read_dir(folder.path().join("deep")).unwrap().count(), 1);
    }
}
