//! `flaneur still`: sheets, interpolations, pairs, imported z and studies of z, as pictures.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};

use super::DeviceChoice;
pub use super::generate::seeds_of;
use super::generate::{Generate, StyleMix};
use crate::control::classes;
use crate::files;
use crate::latent::study::{self, Study};
use crate::latent::{self, Z, space, text};
use crate::model::Model;
use crate::net::draw::Ready;
use crate::picture::animation::write_gif;
use crate::picture::sheet::sheet;
use crate::picture::{Picture, heat};
use crate::report::{Progress, Stop, say};

/// The model and where it runs, as every still takes them.
#[derive(Args)]
pub struct Source {
    /// Name or folder of the model
    #[arg(long)]
    model: String,
    /// Where to compute
    #[arg(long, value_enum, default_value_t = DeviceChoice::Auto)]
    device: DeviceChoice,
    /// Write over files of the same names
    #[arg(long)]
    overwrite: bool,
    /// Classes, by name or number: each NAME, or NAME=AMOUNT; all are divided by their sum [default: the first]
    #[arg(long, value_name = "NAME[=AMOUNT],…")]
    class: Option<String>,
}

/// What `flaneur still` can make.
#[derive(Subcommand)]
pub enum Still {
    /// A sheet of pictures of successive seeds
    Sheet {
        /// The model, and where it runs.
        #[command(flatten)]
        source: Source,
        /// Rows of the sheet
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
        rows: u16,
        /// Pictures in a row
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
        cols: u16,
        /// Seed of the first picture
        #[arg(long, default_value_t = 0)]
        seed: u32,
        /// PNG to write
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Pictures of seeds, one file each, as NVIDIA's generate.py names them
    Generate(Generate),
    /// Rows of seeds with layers of other seeds, as NVIDIA's style_mixing.py does it
    StyleMix(StyleMix),
    /// A walk between two points, both ends included
    Interpolate(Interpolate),
    /// Pairs of random points: pictures, heat maps and texts of z
    Pairs {
        /// The model, and where it runs.
        #[command(flatten)]
        source: Source,
        /// Pairs to make
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        count: u32,
        /// Pictures of a pair; more than 2 are interpolated between its ends
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=100_000))]
        frames: u32,
        /// Seed of the first point; the others follow
        #[arg(long, default_value_t = 0)]
        seed: u32,
        /// Folder for the files
        #[arg(long)]
        out: PathBuf,
    },
    /// Pictures of z from a file: numpy's array(...), columns, CSV, JSON, .npy or .npz
    From {
        /// File with one or more z
        file: PathBuf,
        /// The model, and where it runs.
        #[command(flatten)]
        source: Source,
        /// Folder for the pictures
        #[arg(long)]
        out: PathBuf,
    },
    /// Hand-made z with annotated heat maps beside their pictures
    Study {
        /// Which z are made
        #[arg(value_enum)]
        study: StudyChoice,
        /// The model, and where it runs.
        #[command(flatten)]
        source: Source,
        /// Folder for the frames
        #[arg(long)]
        out: PathBuf,
        /// Looping GIF of the frames, 20 hundredths of a second each
        #[arg(long)]
        gif: Option<PathBuf>,
    },
}

/// What `flaneur still interpolate` takes.
#[derive(Args)]
pub struct Interpolate {
    #[command(flatten)]
    source: Source,
    /// A seed, or a file with z; FILE:2 takes its third row
    #[arg(long)]
    from: String,
    /// A seed, or a file with z; FILE:2 takes its third row
    #[arg(long)]
    to: String,
    /// Pictures in all
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    frames: u32,
    /// Straight, or along the great circle
    #[arg(long, value_enum, default_value_t = Mode::Linear)]
    mode: Mode,
    /// Folder for the pictures
    #[arg(long)]
    out: PathBuf,
    /// All pictures in a row, as one PNG
    #[arg(long)]
    strip: Option<PathBuf>,
    /// Looping GIF there and back
    #[arg(long)]
    gif: Option<PathBuf>,
    /// The pictures as a zip
    #[arg(long)]
    zip: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    Linear,
    Slerp,
}

/// The studies of z that there are.
#[derive(Clone, Copy, ValueEnum)]
pub enum StudyChoice {
    /// One row of ten at 3, the rest 0
    Rows,
    /// One quadrant at 1, 2, 3, the rest 0
    Quadrants,
    /// All at -3, -2, … 3
    Constants,
}

/// Files to write once everything is computed, so that an error leaves nothing half done.
#[derive(Default)]
pub(super) struct Output {
    overwrite: bool,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Output {
    pub(super) fn new(source: &Source) -> Self {
        Self { overwrite: source.overwrite, files: Vec::new() }
    }

    /// Refuses a name that is taken, before work is spent on it.
    pub(super) fn claim(&self, path: &Path) -> anyhow::Result<()> {
        if path.exists() && !self.overwrite {
            bail!("{} is there already; give another place, or --overwrite", path.display());
        }
        Ok(())
    }

    fn add(&mut self, path: PathBuf, bytes: Vec<u8>) {
        self.files.push((path, bytes));
    }

    pub(super) fn picture(&mut self, path: PathBuf, picture: &Picture) -> anyhow::Result<()> {
        let bytes = picture.png(&path)?;
        self.add(path, bytes);
        Ok(())
    }

    pub(super) fn write(self, what: &str) -> anyhow::Result<()> {
        for (path, bytes) in &self.files {
            files::write(path, bytes)?;
        }
        say(what);
        Ok(())
    }
}

/// A model that draws one picture at a time, so that a z always gives the same bytes, whatever is
/// drawn beside it.
pub(super) struct Pen {
    pub(super) ready: Ready,
    /// The classes of every picture; empty for the first one.
    blend: Vec<f32>,
    stop: Stop,
}

/// The blend of the classes that `--class` names.
fn blend_of(text: &str, model: &str, names: &[String]) -> anyhow::Result<Vec<f32>> {
    if names.is_empty() {
        bail!("{model} has no classes; leave out --class");
    }
    let mut blend = vec![0.0; names.len()];
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, amount) = match part.rsplit_once('=') {
            // A name may have such a sign in it.
            Some((name, amount)) if !names.iter().any(|name| name == part) => {
                let number = amount.trim().parse::<f64>().ok().filter(|v| (0.0..=1e6).contains(v));
                (name.trim(), number.with_context(|| format!("--class {part}: \"{amount}\" is no amount from 0 on"))?)
            }
            _ => (part, 1.0),
        };
        blend[classes::find(names, name).map_err(|why| anyhow::anyhow!("--class: {why}"))?] += amount;
    }
    match space::whole(&blend) {
        nothing if nothing.is_empty() => bail!("--class {text} is nothing of any class; give one an amount above 0"),
        whole => Ok(whole.iter().map(|v| *v as f32).collect()),
    }
}

impl Pen {
    pub(super) fn new(source: &Source) -> anyhow::Result<Self> {
        let chosen = source.device.choose()?;
        let model = Model::read(&source.model, &chosen.device)?;
        let blend = match &source.class {
            Some(text) => blend_of(text, &source.model, &model.card.classes)?,
            None => Vec::new(),
        };
        Ok(Self { ready: model.ready(chosen.half), blend, stop: Stop::on_signals()? })
    }

    pub(super) fn dim(&self) -> usize {
        self.ready.arch().z_dim()
    }

    /// The classes of every picture, one number each: those that were named, or the first.
    pub(super) fn classes(&self) -> Vec<f32> {
        match self.blend.is_empty() {
            true => (0..self.ready.arch().classes()).map(|at| f32::from(u8::from(at == 0))).collect(),
            false => self.blend.clone(),
        }
    }

    fn draw(&self, points: &[Z]) -> anyhow::Result<Vec<Picture>> {
        let row = |z: &Z| z.iter().map(|v| *v as f32).chain(self.blend.iter().copied()).collect();
        self.draw_rows(&points.iter().map(row).collect::<Vec<Vec<f32>>>())
    }

    /// Pictures of z with what is behind it.
    pub(super) fn draw_rows(&self, rows: &[Vec<f32>]) -> anyhow::Result<Vec<Picture>> {
        let mut pictures = Vec::with_capacity(rows.len());
        self.draw_each(rows, |_, picture| {
            pictures.push(picture);
            Ok(())
        })?;
        Ok(pictures)
    }

    /// The same, each handed on with its number as it is drawn.
    pub(super) fn draw_each(
        &self,
        rows: &[Vec<f32>],
        mut take: impl FnMut(usize, Picture) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let progress = Progress::new("pictures", rows.len() as u64);
        for (at, row) in rows.iter().enumerate() {
            if self.stop.raised() {
                progress.finish();
                bail!("stopped after {at} of {} pictures", rows.len());
            }
            for picture in Picture::batch(self.ready.bytes(std::slice::from_ref(row)), self.ready.arch().picture()) {
                take(at, picture)?;
            }
            progress.step();
        }
        progress.finish();
        Ok(())
    }
}

fn read_points(file: &Path, dim: usize) -> anyhow::Result<Vec<Z>> {
    let bytes = files::read(file)?;
    text::read(&bytes, dim).with_context(|| file.display().to_string())
}

/// A seed, a file, or a file with `:ROW` behind it.
fn point(text: &str, dim: usize) -> anyhow::Result<Z> {
    if let Ok(seed) = text.parse::<u32>() {
        return Ok(latent::seed(seed, dim));
    }
    let row_of =
        |t: &str| t.rsplit_once(':').and_then(|(file, row)| Some((file.to_owned(), row.parse::<usize>().ok()?)));
    let (file, row) = match row_of(text) {
        Some((file, row)) if !Path::new(text).exists() => (file, row),
        _ => (text.to_owned(), 0),
    };
    if !Path::new(&file).exists() {
        bail!("\"{text}\" is neither a seed (0 to {}) nor a file", u32::MAX);
    }
    let mut rows = read_points(Path::new(&file), dim)?;
    if row >= rows.len() {
        bail!("{file} holds {} z; rows are counted from 0", rows.len());
    }
    Ok(rows.swap_remove(row))
}

/// `image_00.png`, with more digits where 100 pictures or more need them.
fn number(index: usize, count: usize) -> String {
    let digits = count.saturating_sub(1).max(1).to_string().len().max(2);
    format!("{index:0digits$}")
}

impl Still {
    /// Draws and writes the pictures.
    ///
    /// # Errors
    /// If the model or z cannot be read, a name is taken, or a file cannot be written.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Sheet { source, rows, cols, seed, output } => {
                make_sheet(&source, rows.into(), cols.into(), seed, output)
            }
            Self::Generate(generate) => generate.run(),
            Self::StyleMix(mix) => mix.run(),
            Self::Interpolate(interpolate) => interpolate.run(),
            Self::Pairs { source, count, frames, seed, out } => pairs(&source, count, frames, seed, &out),
            Self::From { file, source, out } => from(&file, &source, &out),
            Self::Study { study, source, out, gif } => make_study(study, &source, &out, gif.as_deref()),
        }
    }
}

fn make_sheet(source: &Source, rows: u32, columns: u32, seed: u32, output: PathBuf) -> anyhow::Result<()> {
    let mut out = Output::new(source);
    out.claim(&output)?;
    let last = seed.checked_add(rows * columns - 1).context("--seed is too near the last seed for so many pictures")?;
    let pen = Pen::new(source)?;
    let points: Vec<Z> = (seed..=last).map(|s| latent::seed(s, pen.dim())).collect();
    let said = format!("seeds {seed} to {last} in {}", output.display());
    out.picture(output, &sheet(&pen.draw(&points)?, columns as usize))?;
    out.write(&said)
}

impl Interpolate {
    fn run(self) -> anyhow::Result<()> {
        let mut out = Output::new(&self.source);
        let count = self.frames as usize;
        let names: Vec<PathBuf> =
            (0..count).map(|i| self.out.join(format!("image_{}.png", number(i, count)))).collect();
        let wanted = [&self.strip, &self.gif, &self.zip].into_iter().flatten();
        wanted.chain(&names).try_for_each(|path| out.claim(path))?;
        let pen = Pen::new(&self.source)?;
        let (a, b) = (point(&self.from, pen.dim())?, point(&self.to, pen.dim())?);
        let walk = match self.mode {
            Mode::Linear => latent::lerp,
            Mode::Slerp => latent::slerp,
        };
        let points: Vec<Z> = latent::ratios(count).iter().map(|t| walk(&a, &b, *t)).collect();
        let pictures = pen.draw(&points)?;
        for (name, picture) in names.iter().zip(&pictures) {
            out.picture(name.clone(), picture)?;
        }
        if let Some(path) = &self.zip {
            let packed = zip(&out.files).with_context(|| path.display().to_string())?;
            out.add(path.clone(), packed);
        }
        if let Some(path) = &self.strip {
            out.picture(path.clone(), &sheet(&pictures, count))?;
        }
        if let Some(path) = &self.gif {
            let back = pictures.iter().rev().skip(1).take(count.saturating_sub(2));
            let there_and_back: Vec<Picture> = pictures.iter().chain(back).cloned().collect();
            write_gif(&there_and_back, Duration::from_millis(60), path)?;
        }
        out.write(&format!("{count} pictures in {}", self.out.display()))
    }
}

fn zip(list: &[(PathBuf, Vec<u8>)]) -> anyhow::Result<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    for (path, bytes) in list {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        zip.start_file(name, options)?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

fn pairs(source: &Source, count: u32, frames: u32, seed: u32, folder: &Path) -> anyhow::Result<()> {
    let mut out = Output::new(source);
    let frames = frames as usize;
    seed.checked_add(2 * count - 1).context("--seed is too near the last seed for so many pairs")?;
    let name = |kind: &str, j: u32, i: usize| folder.join(format!("{kind}_{j}_{}.png", number(i, frames)));
    let list = |j: u32| folder.join(format!("vec_{j}.txt"));
    for j in 0..count {
        out.claim(&list(j))?;
        (0..frames).try_for_each(|i| out.claim(&name("image", j, i)).and_then(|()| out.claim(&name("vec", j, i))))?;
    }
    let pen = Pen::new(source)?;
    let (_, columns) = study::grid(pen.dim());
    for j in 0..count {
        let (a, b) = (latent::seed(seed + 2 * j, pen.dim()), latent::seed(seed + 2 * j + 1, pen.dim()));
        let points: Vec<Z> = latent::ratios(frames).iter().map(|t| latent::lerp(&a, &b, *t)).collect();
        for (i, (picture, z)) in pen.draw(&points)?.iter().zip(&points).enumerate() {
            out.picture(name("image", j, i), picture)?;
            out.picture(name("vec", j, i), &heat::plain(z, columns))?;
        }
        out.add(list(j), text::write(&points).into_bytes());
    }
    out.write(&format!("{count} pairs in {}", folder.display()))
}

fn from(file: &Path, source: &Source, folder: &Path) -> anyhow::Result<()> {
    let mut out = Output::new(source);
    let pen = Pen::new(source)?;
    let points = read_points(file, pen.dim())?;
    let name = |i: usize| folder.join(format!("image_{}.png", number(i, points.len())));
    (0..points.len()).try_for_each(|i| out.claim(&name(i)))?;
    for (i, picture) in pen.draw(&points)?.iter().enumerate() {
        out.picture(name(i), picture)?;
    }
    out.write(&format!("{} pictures in {}", points.len(), folder.display()))
}

/// What black and white mean in the studies' heat maps.
const STUDY_RANGE: (f64, f64) = (-3.0, 3.0);

fn make_study(study: StudyChoice, source: &Source, folder: &Path, gif: Option<&Path>) -> anyhow::Result<()> {
    let mut out = Output::new(source);
    let study = match study {
        StudyChoice::Rows => Study::Rows,
        StudyChoice::Quadrants => Study::Quadrants,
        StudyChoice::Constants => Study::Constants,
    };
    let pen = Pen::new(source)?;
    let frames = study::frames(study, pen.dim());
    let name = |i: usize| folder.join(format!("study_{}.png", number(i, frames.len())));
    (0..frames.len()).map(name).chain(gif.map(Into::into)).try_for_each(|path: PathBuf| out.claim(&path))?;
    let points: Vec<Z> = frames.iter().map(|(_, z)| z.clone()).collect();
    let (_, columns) = study::grid(pen.dim());
    let drawn = pen.draw(&points)?;
    let pages: Vec<Picture> = frames
        .iter()
        .zip(&drawn)
        .map(|((title, z), picture)| heat::study(z, columns, STUDY_RANGE, picture, title))
        .collect();
    for (i, page) in pages.iter().enumerate() {
        out.picture(name(i), page)?;
    }
    if let Some(gif) = gif {
        write_gif(&pages, Duration::from_millis(200), gif)?;
    }
    out.write(&format!("{} frames in {}", pages.len(), folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_named_with_amounts() {
        let names: Vec<String> = ["amber", "dark brown", "a=b"].map(str::to_owned).to_vec();
        let blend = |text: &str| blend_of(text, "eyes", &names).map_err(|e| e.to_string());
        for (text, expected) in [
            ("amber", [1.0, 0.0, 0.0]),
            ("dark brown=3, amber", [0.25, 0.75, 0.0]),
            ("dark_brown=0.5", [0.0, 1.0, 0.0]),
            ("a=b", [0.0, 0.0, 1.0]),
            ("a=b=1,0=1,", [0.5, 0.0, 0.5]),
        ] {
            assert_eq!(blend(text).as_deref(), Ok(&expected[..]), "{text}");
        }
        for (text, why) in [
            ("ambre", "did you mean amber?"),
            ("amber=x", "\"x\" is no amount"),
            ("amber=-1", "is no amount"),
            ("amber=NaN", "is no amount"),
            ("amber=0", "above 0"),
            ("", "above 0"),
        ] {
            assert!(blend(text).unwrap_err().contains(why), "{text}: {:?}", blend(text));
        }
        assert!(blend_of("amber", "eyes", &[]).unwrap_err().to_string().contains("eyes has no classes"));
    }
}
