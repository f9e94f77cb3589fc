//! Draws a lines dataset to a folder or a zip: in parallel, in order, whole or not at all.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use rayon::prelude::*;
use zip::write::SimpleFileOptions;

use super::DatasetError;
use super::lines::Rules;
use crate::files;
use crate::report::{Progress, Stop};

/// File format of the pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Quality 0.9, chroma 4:2:0, as the original's: the colour fringes are part of the data.
    Jpg,
    /// RGB, 8 bits a channel, nothing lost.
    Png,
}

/// How a dataset is drawn.
#[derive(Clone, Debug)]
pub struct Drawing {
    /// What is on the pictures.
    pub rules: Rules,
    /// How many pictures.
    pub count: u64,
    /// Seed of all of them: each picture follows from it and its index.
    pub seed: u32,
    /// File format of the pictures.
    pub format: Format,
}

/// Pictures encoded between two looks at the request to stop.
const CHUNK: u64 = 256;

impl Drawing {
    /// `lines-000001.jpg` for index 0.
    pub fn name(&self, index: u64) -> String {
        let ending = if self.format == Format::Jpg { "jpg" } else { "png" };
        format!("lines-{:06}.{ending}", index + 1)
    }

    /// One picture as a file's bytes.
    ///
    /// # Errors
    /// When it is too large for its format.
    pub fn encode(&self, index: u64) -> Result<Vec<u8>, DatasetError> {
        let pixels = self.rules.paint(&self.rules.draw(self.seed, index));
        let size = self.rules.size;
        let failed = |e: String| DatasetError::Encode { name: self.name(index), why: e };
        let mut out = Vec::new();
        match self.format {
            Format::Jpg => {
                let side = u16::try_from(size).map_err(|_| failed("a jpg is at most 65535 pixels wide".into()))?;
                let mut encoder = jpeg_encoder::Encoder::new(&mut out, 90);
                encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
                encoder.encode(&pixels, side, side, jpeg_encoder::ColorType::Rgb).map_err(|e| failed(e.to_string()))?;
            }
            Format::Png => {
                let side = size as u32;
                image::write_buffer_with_format(
                    &mut Cursor::new(&mut out),
                    &pixels,
                    side,
                    side,
                    image::ColorType::Rgb8,
                    image::ImageFormat::Png,
                )
                .map_err(|e| failed(e.to_string()))?;
            }
        }
        Ok(out)
    }

    /// Draws all of it to `out`, a zip if the name ends so and a folder otherwise. Nothing is left
    /// behind when it stops early.
    ///
    /// # Errors
    /// When `out` is there already, cannot be written, or the request to stop was raised.
    pub fn write(&self, out: &Path, progress: &Progress, stop: &Stop) -> Result<(), DatasetError> {
        if out.exists() {
            return Err(DatasetError::Exists(out.into()));
        }
        if let Some(folder) = out.parent().filter(|f| !f.as_os_str().is_empty()) {
            files::make_folder(folder)?;
        }
        let part = files::temporary(out);
        let zipped = out.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip"));
        let done = if zipped { self.to_zip(&part, progress, stop) } else { self.to_folder(&part, progress, stop) };
        let done = done.and_then(|()| Ok(files::at(out, fs::rename(&part, out))?));
        if done.is_err() {
            // Half a dataset is of no use; the first error is the one to tell.
            let _ = if part.is_dir() { fs::remove_dir_all(&part) } else { fs::remove_file(&part) };
        }
        done
    }

    fn chunks(&self) -> impl Iterator<Item = std::ops::Range<u64>> {
        let count = self.count;
        (0..count).step_by(CHUNK as usize).map(move |from| from..(from + CHUNK).min(count))
    }

    fn to_folder(&self, part: &Path, progress: &Progress, stop: &Stop) -> Result<(), DatasetError> {
        files::make_folder(part)?;
        for chunk in self.chunks() {
            chunk.into_par_iter().try_for_each(|index| -> Result<(), DatasetError> {
                let path = part.join(self.name(index));
                files::at(&path, fs::write(&path, self.encode(index)?))?;
                progress.step();
                Ok(())
            })?;
            if stop.raised() {
                return Err(DatasetError::Stopped);
            }
        }
        Ok(())
    }

    fn to_zip(&self, part: &Path, progress: &Progress, stop: &Stop) -> Result<(), DatasetError> {
        let mut zip = zip::ZipWriter::new(files::at(part, fs::File::create(part))?);
        // Pictures are packed already; a fixed date keeps the same seed the same bytes.
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default());
        let failed = |e: std::io::Error| files::FileError { path: part.into(), cause: e };
        for chunk in self.chunks() {
            let pictures: Vec<Vec<u8>> =
                chunk.clone().into_par_iter().map(|index| self.encode(index)).collect::<Result<_, _>>()?;
            for (index, picture) in chunk.zip(pictures) {
                zip.start_file(self.name(index), options).map_err(|e| failed(e.into()))?;
                zip.write_all(&picture).map_err(failed)?;
                progress.step();
            }
            if stop.raised() {
                return Err(DatasetError::Stopped);
            }
        }
        zip.finish().map_err(|e| failed(e.into()))?;
        Ok(())
    }
}
