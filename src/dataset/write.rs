//! Writes a dataset to a folder or a zip: whole or not at all. Draws that of the lines, in parallel, in order.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use zip::write::SimpleFileOptions;

use super::DatasetError;
use super::lines::Rules;
use crate::files;
use crate::picture::Picture;
use crate::report::{Progress, Stop};

/// File format of the pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Quality 0.9, chroma 4:2:0, as the original's: the colour fringes are part of the data.
    Jpg,
    /// RGB, 8 bits a channel, nothing lost.
    Png,
}

impl Format {
    /// The ending of its files' names.
    pub fn ending(self) -> &'static str {
        if self == Self::Jpg { "jpg" } else { "png" }
    }

    /// A picture as a file's bytes; `name` is only told where it fails.
    ///
    /// # Errors
    /// When it is too large for its format.
    pub fn encode(self, name: &str, picture: &Picture) -> Result<Vec<u8>, DatasetError> {
        let failed = |e: String| DatasetError::Encode { name: name.into(), why: e };
        let mut out = Vec::new();
        match self {
            Self::Jpg => {
                let side = |v| u16::try_from(v).map_err(|_| failed("a jpg is at most 65535 pixels wide".into()));
                let (width, height) = (side(picture.width)?, side(picture.height)?);
                let mut encoder = jpeg_encoder::Encoder::new(&mut out, 90);
                encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
                let encoded = encoder.encode(&picture.pixels, width, height, jpeg_encoder::ColorType::Rgb);
                encoded.map_err(|e| failed(e.to_string()))?;
            }
            Self::Png => {
                out = picture.png(Path::new(name)).map_err(|e| failed(e.to_string()))?;
            }
        }
        Ok(out)
    }
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
        format!("lines-{:06}.{}", index + 1, self.format.ending())
    }

    /// One picture as a file's bytes.
    ///
    /// # Errors
    /// When it is too large for its format.
    pub fn encode(&self, index: u64) -> Result<Vec<u8>, DatasetError> {
        let size = self.rules.size;
        let pixels = self.rules.paint(&self.rules.draw(self.seed, index));
        self.format.encode(&self.name(index), &Picture { width: size, height: size, pixels })
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
        let options = stored();
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

/// A dataset that is being written, picture by picture, under a temporary name. What is dropped before it is whole
/// leaves nothing behind.
pub struct Sink {
    out: PathBuf,
    part: PathBuf,
    zip: Option<zip::ZipWriter<fs::File>>,
    overwrite: bool,
    whole: bool,
}

impl Sink {
    /// Begins one: a zip if the name ends so, and a folder otherwise.
    ///
    /// # Errors
    /// When `out` is there already and may not be written over, is no dataset, or nothing can be written there.
    pub fn begin(out: &Path, overwrite: bool) -> Result<Self, DatasetError> {
        if out.exists() {
            if !overwrite {
                return Err(DatasetError::Exists(out.into()));
            }
            replaceable(out)?;
        }
        if let Some(folder) = out.parent().filter(|f| !f.as_os_str().is_empty()) {
            files::make_folder(folder)?;
        }
        let part = files::temporary(out);
        let zipped = out.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip"));
        let zip = match zipped {
            true => Some(zip::ZipWriter::new(files::at(&part, fs::File::create(&part))?)),
            false => {
                files::make_folder(&part)?;
                None
            }
        };
        Ok(Self { out: out.into(), part, zip, overwrite, whole: false })
    }

    /// Adds a picture's file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), DatasetError> {
        let Some(zip) = &mut self.zip else {
            let path = self.part.join(name);
            return Ok(files::at(&path, fs::write(&path, bytes))?);
        };
        let failed = |e: std::io::Error| files::FileError { path: self.part.clone(), cause: e };
        zip.start_file(name, stored()).map_err(|e| failed(e.into()))?;
        Ok(zip.write_all(bytes).map_err(failed)?)
    }

    /// Gives it its name. What is to be written over goes only now.
    ///
    /// # Errors
    /// If it cannot be written, or the name was taken meanwhile.
    pub fn finish(mut self) -> Result<(), DatasetError> {
        if let Some(zip) = self.zip.take() {
            zip.finish().map_err(|e| files::FileError { path: self.part.clone(), cause: e.into() })?;
        }
        let (part, out) = (self.part.clone(), self.out.clone());
        if out.is_dir() && self.overwrite {
            let old = files::temporary(&out);
            files::at(&out, fs::rename(&out, &old))?;
            if let Err(error) = files::at(&out, fs::rename(&part, &out)) {
                // The old one comes back; the first error is the one to tell.
                let _ = fs::rename(&old, &out);
                return Err(error.into());
            }
            files::at(&old, fs::remove_dir_all(&old))?;
        } else if out.exists() && !self.overwrite {
            return Err(DatasetError::Exists(out));
        } else {
            files::at(&out, fs::rename(&part, &out))?;
        }
        self.whole = true;
        Ok(())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if !self.whole {
            self.zip = None;
            // Half a dataset is of no use, and whoever dropped it has an error to tell already.
            let _ = if self.part.is_dir() { fs::remove_dir_all(&self.part) } else { fs::remove_file(&self.part) };
        }
    }
}

/// Whether a folder or file may be written over: only what holds nothing but numbered pictures, or is a zip.
fn replaceable(out: &Path) -> Result<(), DatasetError> {
    let refuse = || DatasetError::NotReplaced(out.into());
    if !out.is_dir() {
        let zip = out.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip"));
        return if zip { Ok(()) } else { Err(refuse()) };
    }
    if out.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip")) || out.is_symlink() {
        return Err(refuse());
    }
    for entry in files::at(out, fs::read_dir(out))? {
        let entry = files::at(out, entry)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let numbered = name.rsplit_once('.').is_some_and(|(stem, ending)| {
            let digits = stem.chars().rev().take_while(char::is_ascii_digit).count();
            matches!(ending, "jpg" | "png") && digits >= 6
        });
        if !numbered || !entry.path().is_file() {
            return Err(refuse());
        }
    }
    Ok(())
}

/// Pictures are packed already; a fixed date keeps the same seed the same bytes.
fn stored() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
}
