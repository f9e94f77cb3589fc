//! Pictures in memory: RGB bytes with a size, sheets of them, heat maps, plots, files.
//!
//! Fed by whoever has pixels; knows no networks and no datasets.

pub mod animation;
pub mod canvas;
pub mod flash;
pub mod heat;
pub mod layout;
pub mod paths;
pub mod plot;
pub mod scene;
pub mod sheet;
pub mod text;

use std::io::Cursor;
use std::path::Path;

use crate::files::{self, FileError};

/// An RGB picture, 8 bits a channel, rows from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `[height, width, 3]`.
    pub pixels: Vec<u8>,
}

/// What can go wrong with a picture file.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The picture does not fit into the format.
    #[error("{path}: {why}", path = path.display())]
    Encode {
        /// The file that it was for.
        path: std::path::PathBuf,
        /// What the format says.
        why: String,
    },
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Picture {
    /// One colour all over.
    pub fn filled(width: usize, height: usize, colour: [u8; 3]) -> Self {
        Self { width, height, pixels: colour.repeat(width * height) }
    }

    /// Cuts a batch `[n, height, width, channels]` of bytes (3: RGB, 4: RGBA, 1: grey) into pictures. A lone RGB picture
    /// keeps its memory.
    pub fn batch(bytes: Vec<u8>, [height, width, channels]: [usize; 3]) -> Vec<Self> {
        let each = height * width * channels;
        if channels == 3 && bytes.len() == each {
            return vec![Self { width, height, pixels: bytes }];
        }
        let pictures = bytes.chunks_exact(each);
        pictures
            .map(|p| Self {
                width,
                height,
                pixels: if channels == 3 {
                    p.to_vec()
                } else {
                    // Grey, or RGB with opacity, which is left out.
                    p.chunks_exact(channels)
                        .flat_map(|v| if v.len() > 2 { [v[0], v[1], v[2]] } else { [v[0]; 3] })
                        .collect()
                },
            })
            .collect()
    }

    /// The colour at (x, y).
    pub fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }

    /// Sets the colour at (x, y); outside is ignored.
    pub fn set(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        if x < self.width && y < self.height {
            let at = (y * self.width + x) * 3;
            self.pixels[at..at + 3].copy_from_slice(&colour);
        }
    }

    /// Fills a rectangle, clipped to the picture.
    pub fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: [u8; 3]) {
        for row in y..(y + height).min(self.height) {
            for column in x..(x + width).min(self.width) {
                self.set(column, row, colour);
            }
        }
    }

    /// Copies `other` with its top left corner at (x, y), clipped.
    pub fn paste(&mut self, other: &Self, x: usize, y: usize) {
        let width = other.width.min(self.width.saturating_sub(x));
        for row in 0..other.height.min(self.height.saturating_sub(y)) {
            let to = ((y + row) * self.width + x) * 3;
            let from = row * other.width * 3;
            self.pixels[to..to + width * 3].copy_from_slice(&other.pixels[from..from + width * 3]);
        }
    }

    /// Every pixel as a square of `factor` pixels.
    pub fn enlarged(&self, factor: usize) -> Self {
        let mut out = Self::filled(self.width * factor, self.height * factor, [0; 3]);
        for y in 0..out.height {
            for x in 0..out.width {
                out.set(x, y, self.at(x / factor, y / factor));
            }
        }
        out
    }

    /// So many times larger, each pixel a mean of the four around it by their distances.
    pub fn smoothly_enlarged(&self, factor: usize) -> Self {
        let (width, height) = (self.width * factor, self.height * factor);
        // Between which two pixels, and how much of the second in 256ths.
        let places = |count: usize, side: usize| -> Vec<(usize, usize, u32)> {
            let place = |at: usize| {
                let middle = ((at * 2 + 1) * 256 / (2 * factor)) as i64 - 128;
                let middle = middle.clamp(0, 256 * (side as i64 - 1)) as usize;
                (middle / 256, (middle / 256 + 1).min(side - 1), (middle % 256) as u32)
            };
            (0..count).map(place).collect()
        };
        let (rows, columns) = (places(height, self.height), places(width, self.width));
        let mut pixels = Vec::with_capacity(width * height * 3);
        for (up, down, v) in rows {
            let [up, down] = [up, down].map(|y| &self.pixels[y * self.width * 3..(y + 1) * self.width * 3]);
            for (left, right, u) in &columns {
                for c in 0..3 {
                    let of =
                        |line: &[u8]| u32::from(line[left * 3 + c]) * (256 - u) + u32::from(line[right * 3 + c]) * u;
                    pixels.push(((of(up) * (256 - v) + of(down) * v + (1 << 15)) >> 16) as u8);
                }
            }
        }
        Self { width, height, pixels }
    }

    /// The picture as a PNG file's bytes.
    ///
    /// # Errors
    /// If it is too large for a PNG; `path` is only named in the error.
    pub fn png(&self, path: &Path) -> Result<Vec<u8>, PictureError> {
        let mut out = Vec::new();
        image::write_buffer_with_format(
            &mut Cursor::new(&mut out),
            &self.pixels,
            self.width as u32,
            self.height as u32,
            image::ColorType::Rgb8,
            image::ImageFormat::Png,
        )
        .map_err(|e| PictureError::Encode { path: path.into(), why: e.to_string() })?;
        Ok(out)
    }

    /// The picture as a JPEG file's bytes, of a quality of 1 to 100; none for what a JPEG cannot hold.
    pub fn jpeg(&self, quality: u8) -> Option<Vec<u8>> {
        let (width, height) = (u16::try_from(self.width).ok()?, u16::try_from(self.height).ok()?);
        let mut out = Vec::new();
        let encoder = jpeg_encoder::Encoder::new(&mut out, quality);
        encoder.encode(&self.pixels, width, height, jpeg_encoder::ColorType::Rgb).ok()?;
        Some(out)
    }

    /// A picture from a file, as RGB; none if it is no picture.
    pub fn read(path: &Path) -> Option<Self> {
        let picture = image::ImageReader::open(path).ok()?.with_guessed_format().ok()?.decode().ok()?.into_rgb8();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        Some(Self { width, height, pixels: picture.into_raw() })
    }

    /// Writes a PNG file under that name, or the next free one; gives the name.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_new_png(&self, path: &Path) -> Result<std::path::PathBuf, PictureError> {
        Ok(files::write_free(path, &self.png(path)?)?)
    }

    /// Writes a PNG file, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_png(&self, path: &Path) -> Result<(), PictureError> {
        Ok(files::write(path, &self.png(path)?)?)
    }
}
