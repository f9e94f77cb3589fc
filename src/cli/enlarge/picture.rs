//! One picture, larger: its colours, its transparency, and its file.
//!
//! A picture is written line by line while it is made, so that only a line of tiles is in memory; where it is made in
//! several passes, brought to another size or written as a JPEG, all of it is.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use image::{DynamicImage, RgbImage, imageops};

use super::{Format, QUALITY};
use crate::dataset::album;
use crate::files;
use crate::model::enlarge::{Ended, Enlarge, Tiles};
use crate::picture::Picture;
use crate::report::{Progress, Stop};

/// Bytes of a picture that is made in memory, at most.
const MOST: usize = 2 << 30;

/// What is done to each picture.
pub struct Job<'a> {
    /// The network.
    pub net: &'a Enlarge,
    /// How often it is used.
    pub passes: u32,
    /// How many times larger pictures become in the end.
    pub wanted: usize,
    /// How pictures are cut; otherwise large ones only.
    pub tiles: Option<Tiles>,
    /// Pixels of its neighbours that a tile sees.
    pub overlap: usize,
}

/// A picture that was written.
pub struct Made {
    /// Where.
    pub path: PathBuf,
    /// Height and width.
    pub size: [usize; 2],
}

/// A picture that was read.
pub struct Opened {
    colours: Picture,
    /// How opaque each pixel is, as a grey picture.
    opaque: Option<Picture>,
    grey: bool,
    /// What is lost of it, in a sentence.
    pub remark: Option<String>,
}

impl Opened {
    /// From a file's bytes.
    ///
    /// # Errors
    /// Why it cannot be decoded.
    pub fn of(bytes: &[u8]) -> Result<Self, String> {
        let image = album::decoded(bytes)?;
        let (colour, deep) = (image.color(), image.color().bytes_per_pixel() > image.color().channel_count());
        let (width, height) = (image.width() as usize, image.height() as usize);
        if width == 0 || height == 0 {
            return Err("it has no pixels".into());
        }
        let opaque = colour.has_alpha().then(|| {
            let pixels: Vec<u8> = image.to_rgba8().pixels().flat_map(|pixel| [pixel.0[3]; 3]).collect();
            Picture { width, height, pixels }
        });
        let opaque = opaque.filter(|picture| picture.pixels.iter().any(|v| *v < 255));
        let pixels = DynamicImage::into_rgb8(image).into_raw();
        let remark = deep.then(|| "it has 16 bits a channel, of which the upper 8 are taken".to_owned());
        Ok(Self { colours: Picture { width, height, pixels }, opaque, grey: !colour.has_color(), remark })
    }

    /// Whether parts of it are transparent.
    pub fn is_clear(&self) -> bool {
        self.opaque.is_some()
    }

    /// Height and width.
    pub fn size(&self) -> [usize; 2] {
        [self.colours.height, self.colours.width]
    }
}

/// Whether there is a whole picture of that height and width.
pub fn is_there(path: &Path, [h, w]: [usize; 2]) -> bool {
    image::image_dimensions(path).is_ok_and(|found| found == (w as u32, h as u32))
}

fn failed(why: impl ToString) -> Ended {
    Ended::Failed(why.to_string())
}

impl Job<'_> {
    /// Makes a picture larger and writes it; of one that is `alone` its tiles are shown.
    pub fn write(&self, opened: &Opened, path: &Path, format: Format, stop: &Stop, alone: bool) -> Result<Made, Ended> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            files::make_folder(folder).map_err(failed)?;
        }
        let [h, w] = opened.size();
        let size = [h * self.wanted, w * self.wanted];
        let simple = self.passes == 1 && self.wanted == self.net.scale() && format == Format::Png;
        if simple && !(self.tiles.is_none() && self.net.fits(opened.size())) {
            // A link is followed, as everywhere.
            let path = &files::resolved(path).map_err(failed)?;
            let part = files::temporary(path);
            let written = self.stream(opened, &part, size, stop, alone);
            if let Err(ended) = written {
                let _ = fs::remove_file(&part);
                return Err(ended);
            }
            fs::rename(&part, path).map_err(|e| failed(format!("{}: {e}", path.display())))?;
        } else {
            files::write(path, &self.bytes(opened, format, stop)?).map_err(failed)?;
        }
        Ok(Made { path: path.to_owned(), size })
    }

    /// Line by line into a PNG.
    fn stream(&self, opened: &Opened, part: &Path, [h, w]: [usize; 2], stop: &Stop, alone: bool) -> Result<(), Ended> {
        let file = fs::File::create(part).map_err(|e| failed(format!("{}: {e}", part.display())))?;
        let mut encoder = png::Encoder::new(BufWriter::new(file), side(w)?, side(h)?);
        encoder.set_color(match (opened.grey, opened.opaque.is_some()) {
            (true, false) => png::ColorType::Grayscale,
            (true, true) => png::ColorType::GrayscaleAlpha,
            (false, false) => png::ColorType::Rgb,
            (false, true) => png::ColorType::Rgba,
        });
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header().map_err(failed)?;
        let mut stream = writer.stream_writer().map_err(failed)?;
        let mut pictures = vec![&opened.colours];
        pictures.extend(&opened.opaque);
        let tiles = self.tiles.unwrap_or_else(|| self.net.usual_tiles(self.overlap));
        let progress = alone.then(|| {
            let count = |side: usize| side.div_ceil(tiles.side).max(1);
            Progress::new("tiles", (count(opened.colours.height) * count(opened.colours.width)) as u64)
        });
        let shown = std::cell::Cell::new(0);
        let goes_on = |[done, _]: [usize; 2]| {
            if let Some(progress) = &progress {
                (shown.get()..done).for_each(|_| progress.step());
            }
            shown.set(done.max(shown.get()));
            !stop.raised()
        };
        let made = self.net.lines(&pictures, tiles, &goes_on, &mut |lines| {
            let opaque = lines.get(1).map_or(&[][..], |lines| lines);
            stream.write_all(&pixels(&lines[0], opaque, opened.grey)).map_err(|e| e.to_string())
        });
        if let Some(progress) = &progress {
            progress.finish();
        }
        made?;
        stream.finish().map_err(failed)?;
        writer.finish().map_err(failed)
    }

    /// A picture's file in memory.
    pub fn bytes(&self, opened: &Opened, format: Format, stop: &Stop) -> Result<Vec<u8>, Ended> {
        let [h, w] = opened.size();
        let most = self.net.scale().pow(self.passes).max(self.wanted);
        if h.saturating_mul(w).saturating_mul(3 * most * most) > MOST {
            return Err(failed(format!("it would be {}x{}, too large to be made in one piece", w * most, h * most)));
        }
        let size = [h * self.wanted, w * self.wanted];
        let colours = self.larger(&opened.colours, size, stop)?;
        let path = Path::new("the picture");
        match (format, &opened.opaque) {
            (Format::Jpg, _) => {
                let [h, w] = size;
                colours
                    .jpeg(QUALITY)
                    .ok_or_else(|| failed(format!("{w}x{h} is too large for a JPEG: give --format png")))
            }
            (Format::Png, None) if !opened.grey => colours.png(path).map_err(failed),
            (Format::Png, opaque) => {
                let opaque = opaque.as_ref().map(|picture| self.larger(picture, size, stop)).transpose()?;
                let empty = Vec::new();
                let pixels = pixels(&colours.pixels, opaque.as_ref().map_or(&empty, |own| &own.pixels), opened.grey);
                let kind = match (opened.grey, opaque.is_some()) {
                    (true, false) => image::ColorType::L8,
                    (true, true) => image::ColorType::La8,
                    (false, _) => image::ColorType::Rgba8,
                };
                let mut out = std::io::Cursor::new(Vec::new());
                let format = image::ImageFormat::Png;
                image::write_buffer_with_format(&mut out, &pixels, side(size[1])?, side(size[0])?, kind, format)
                    .map_err(failed)?;
                Ok(out.into_inner())
            }
        }
    }

    /// A picture of this height and width, by as many passes as it takes.
    pub fn larger(&self, picture: &Picture, [h, w]: [usize; 2], stop: &Stop) -> Result<Picture, Ended> {
        let mut made: Option<Picture> = None;
        for _ in 0..self.passes {
            let from = made.as_ref().unwrap_or(picture);
            let tiles =
                self.tiles.or((!self.net.fits([from.height, from.width])).then(|| self.net.usual_tiles(self.overlap)));
            made = Some(match tiles {
                Some(tiles) => self.net.tiled(from, tiles, &|_| !stop.raised())?,
                None => self.net.whole(from, &|| !stop.raised())?,
            });
        }
        let made = made.unwrap_or_else(|| picture.clone());
        if [made.height, made.width] == [h, w] {
            return Ok(made);
        }
        let image = RgbImage::from_raw(side(made.width)?, side(made.height)?, made.pixels);
        let image = image.ok_or_else(|| failed("a picture has no pixels"))?;
        let image = imageops::resize(&image, side(w)?, side(h)?, imageops::FilterType::CatmullRom);
        Ok(Picture { width: w, height: h, pixels: image.into_raw() })
    }
}

fn side(pixels: usize) -> Result<u32, Ended> {
    u32::try_from(pixels).map_err(|_| failed("it would be larger than a file can say"))
}

/// Colours and how opaque they are as the pixels of a file; of a grey picture the mean of its colours.
fn pixels(colours: &[u8], opaque: &[u8], grey: bool) -> Vec<u8> {
    if !grey && opaque.is_empty() {
        return colours.to_vec();
    }
    let mut out = Vec::with_capacity(colours.len() / 3 * 4);
    for (at, colour) in colours.chunks_exact(3).enumerate() {
        match grey {
            true => out.push((colour.iter().map(|v| u16::from(*v)).sum::<u16>() / 3) as u8),
            false => out.extend_from_slice(colour),
        }
        if let Some(v) = opaque.get(3 * at + 1) {
            out.push(*v);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_of_a_file_are_as_many_as_it_has_channels() {
        let colours = [10, 20, 30, 40, 50, 60];
        let opaque = [7, 7, 7, 9, 9, 9];
        assert_eq!(pixels(&colours, &[], false), colours);
        assert_eq!(pixels(&colours, &opaque, false), [10, 20, 30, 7, 40, 50, 60, 9]);
        assert_eq!(pixels(&colours, &opaque, true), [20, 7, 50, 9]);
        assert_eq!(pixels(&colours, &[], true), [20, 50]);
    }
}
