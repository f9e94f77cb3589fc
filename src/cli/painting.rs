//! What `flaneur texture from` and `flaneur style` have in common: the network that compares, how it is searched, the
//! progress, and the picture and the film that are written.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use super::{DeviceChoice, Size, free};
use crate::files;
use crate::model::features::FeatureNet;
use crate::net::device::Chosen;
use crate::picture::Picture;
use crate::picture::sheet::sheet;
use crate::recorder::{Codec, Recorder, Settings, names};
use crate::report::{Board, Progress, Stop, say, tell};
use crate::synthesis::optimise::Method;
use crate::synthesis::run::{Field, Job, Made, named};

/// Longest side of a picture that is made.
pub const MOST_SIDE: usize = 2048;
/// Frames a second of a film of the search.
const FPS: f64 = 25.0;

/// Arguments that both commands take.
#[derive(Args)]
pub struct Painting {
    /// Where to write the picture: PNG, or JPEG by its ending
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Weights of VGG-16 or VGG-19 (.pth, .h5, .npy, .safetensors, .onnx); "random" takes random filters, which need no
    /// file
    #[arg(long, value_name = "FILE", default_value = "random")]
    features: String,
    /// What stands between VGG's blocks [default: the recipe's]
    #[arg(long, value_enum)]
    pool: Option<Pool>,
    /// Layers that textures and styles are compared by, with commas: conv1_1,pool2 of VGG, scale0,scale3 of random
    /// filters [default: the recipe's]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    layers: Vec<String>,
    /// Steps of the search at each size [default: the recipe's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    steps: Option<u64>,
    /// How it is searched [default: the recipe's]
    #[arg(long, value_enum)]
    method: Option<MethodChoice>,
    /// Length of Adam's steps, in the range of a pixel
    #[arg(long)]
    rate: Option<f64>,
    /// Seed of the noise to begin with
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// A film of the search: mp4, gif or webm by its ending, or a folder for PNGs
    #[arg(long, value_name = "FILE")]
    film: Option<PathBuf>,
    /// Steps between two frames of the film
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Write over files of these names
    #[arg(long)]
    overwrite: bool,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Pool {
    /// The mean of 2 × 2
    Average,
    /// The largest of 2 × 2
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MethodChoice {
    /// L-BFGS with a search along each line
    Lbfgs,
    /// Adam
    Adam,
}

/// What a recipe takes where nothing is said.
pub struct Usual {
    /// Whether VGG's blocks are followed by means.
    pub average: bool,
    /// Layers of VGG.
    pub layers: &'static [&'static str],
    /// Steps at each size.
    pub steps: u64,
    /// How it is searched.
    pub method: Method,
}

/// Everything that is there before the first step.
pub struct Prepared {
    /// What compares.
    pub net: FeatureNet,
    /// By which layers.
    pub layers: Vec<String>,
    /// Whether a person named them.
    pub named: bool,
    /// Steps at each size.
    pub steps: usize,
    /// How it is searched.
    pub method: Method,
    /// Where it is computed.
    pub chosen: Chosen,
    /// Where the picture is written.
    pub output: PathBuf,
    /// Seed of the noise.
    pub seed: u32,
}

impl Painting {
    /// Reads the weights and checks what was given.
    ///
    /// # Errors
    /// If there are none, or something does not fit.
    pub fn prepare(&self, usual: &Usual) -> anyhow::Result<Prepared> {
        check_output(&self.output)?;
        if let Some(film) = &self.film {
            Codec::check(film)?;
            check_folder(film)?;
        }
        if let Some(rate) = self.rate.filter(|rate| !(*rate > 0.0 && rate.is_finite())) {
            bail!("--rate takes a number above 0, not {rate}");
        }
        let chosen = self.device.choose()?;
        let average = self.pool.map_or(usual.average, |pool| pool == Pool::Average);
        let read = FeatureNet::read(&self.features, average, &chosen.device);
        let net = read.with_context(|| format!("--features {}", self.features))?;
        tell(format_args!("features: {}", net.says));
        let layers = match (self.layers.is_empty(), net.is_vgg()) {
            (false, _) => named(&self.layers),
            (true, true) => usual.layers.iter().map(|name| (*name).to_owned()).collect(),
            (true, false) => net.usual(),
        };
        let mut method = match (self.method, usual.method) {
            (Some(MethodChoice::Lbfgs), Method::Adam { .. }) => Method::Lbfgs { history: 20 },
            (Some(MethodChoice::Adam), Method::Lbfgs { .. }) => Method::adam(0.02),
            (_, method) => method,
        };
        match (&mut method, self.rate) {
            (Method::Adam { rate, .. }, Some(wanted)) => *rate = wanted,
            (Method::Lbfgs { .. }, Some(_)) => bail!("--rate is for --method adam: L-BFGS finds its own lengths"),
            (_, None) => {}
        }
        let steps = self.steps.unwrap_or(usual.steps) as usize;
        let output = free(&self.output, self.overwrite);
        let named = !self.layers.is_empty();
        Ok(Prepared { net, layers, named, steps, method, chosen, output, seed: self.seed })
    }

    /// Searches, shows how far it is, and writes the picture, also one that was stopped.
    ///
    /// # Errors
    /// If something is not there, or cannot be written.
    pub fn paint(
        &self,
        job: &Job,
        start: Field,
        prepared: &Prepared,
        finish: impl Fn(Field) -> Field,
    ) -> anyhow::Result<()> {
        let total = job.levels.iter().map(|(_, steps)| *steps as u64).sum();
        let (stop, progress) = (Stop::on_signals()?, Progress::new("steps", total));
        let last = job.levels.last().map_or([0, 0], |(size, _)| *size);
        let film = match &self.film {
            None => None,
            Some(path) => {
                let path = names::film(path, self.overwrite)?;
                let size = [last[1], last[0]].map(|side| side / 2 * 2);
                let settings = Settings { path, size, fps: FPS, crf: None, codec: None, live: false };
                Some((Recorder::start(settings, &Board::echoing())?, size))
            }
        };
        let (mut frames, mut failed) = (0, None);
        let mut put = |values: &[f32], size: [usize; 2]| {
            let Some((recorder, [width, height])) = &film else { return };
            let field = Field { size, values: values.to_vec() };
            let (width, height) = (*width, *height);
            let made = recorder.put(frames, Box::new(move || field.resized([height, width]).picture()));
            frames += 1;
            failed = failed.take().or(made.err());
        };
        let mut shown = (0, f64::NAN);
        let made: Made = job.run(start, &prepared.chosen.device, &mut |step| {
            progress.step();
            let every = (step.of / 20).max(1);
            if step.done == 1 || step.done.is_multiple_of(every) {
                let [h, w] = step.size;
                progress.print(&format!("step {} of {}: loss {:.6e} at {w}x{h}", step.done, step.of, step.loss));
            }
            if (step.done as u64).is_multiple_of(self.every) || step.done == 1 {
                put(step.values, step.size);
            }
            shown = (step.done, step.loss);
            !stop.raised()
        })?;
        progress.finish();
        if made.stopped {
            tell(format_args!("stopped at step {}: the picture so far is written", shown.0));
        }
        let picture = finish(made.field).picture();
        write(&picture, &prepared.output)?;
        let losses = (made.losses.first().copied().unwrap_or(f64::NAN), shown.1);
        say(format_args!(
            "wrote {} ({}x{}, {} steps, loss {:.4e} to {:.4e})",
            files::shown(&prepared.output),
            picture.width,
            picture.height,
            shown.0,
            losses.0,
            losses.1
        ));
        if let Some(why) = failed {
            return Err(why.into());
        }
        if let Some((recorder, _)) = film {
            let (tally, path) = recorder.finish_as()?;
            say(format_args!("wrote {} ({} frames)", files::shown(&path), tally.written));
        }
        Ok(())
    }
}

impl Painting {
    /// Searches for the pictures of several jobs from one start, and writes all as a sheet behind a first one; `names`
    /// are said in their order.
    ///
    /// # Errors
    /// As [`Self::paint`]. A request to stop leaves the sheet as far as it has come.
    pub fn study(
        &self,
        jobs: &[Job],
        start: &Field,
        prepared: &Prepared,
        first: Picture,
        names: &[String],
    ) -> anyhow::Result<()> {
        let steps = |job: &Job| job.levels.iter().map(|(_, steps)| *steps as u64).sum::<u64>();
        let (stop, progress) = (Stop::on_signals()?, Progress::new("steps", jobs.iter().map(steps).sum()));
        let mut pictures = vec![first];
        for job in jobs {
            let made = job.run(start.clone(), &prepared.chosen.device, &mut |_| {
                progress.step();
                !stop.raised()
            })?;
            if made.stopped {
                break;
            }
            pictures.push(made.field.picture());
        }
        progress.finish();
        let columns = names.len().div_ceil(2);
        write(&sheet(&pictures, columns), &prepared.output)?;
        names.iter().take(pictures.len()).enumerate().for_each(|(at, name)| say(format_args!("{}. {name}", at + 1)));
        say(format_args!("wrote {} ({} pictures, {columns} in a row)", files::shown(&prepared.output), pictures.len()));
        Ok(())
    }
}

/// A picture can be written there.
///
/// # Errors
/// If its name ends otherwise, or its folder is not there.
pub fn check_output(path: &Path) -> anyhow::Result<()> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    if !matches!(ending.as_deref(), Some("png" | "jpg" | "jpeg")) {
        bail!("{} has to end with .png or .jpg", path.display());
    }
    check_folder(path)
}

/// The folder of a file is there.
///
/// # Errors
/// If it is not.
pub fn check_folder(path: &Path) -> anyhow::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        Some(folder) => bail!("there is no folder {}: make it first", folder.display()),
        None => Ok(()),
    }
}

/// A weight: a number of 0 or more.
///
/// # Errors
/// If it is none.
pub fn weight(name: &str, given: f64) -> anyhow::Result<f64> {
    match given >= 0.0 && given.is_finite() {
        true => Ok(given),
        false => bail!("{name} takes a number of 0 or more, not {given}"),
    }
}

/// Writes a picture by the ending of its name.
///
/// # Errors
/// If it cannot be written.
pub fn write(picture: &Picture, path: &Path) -> anyhow::Result<()> {
    let png = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"));
    let bytes = match png {
        true => picture.png(path)?,
        false => picture.jpeg(95).with_context(|| format!("{} cannot be a JPEG", path.display()))?,
    };
    files::write(path, &bytes)?;
    Ok(())
}

/// Reads a picture.
///
/// # Errors
/// If it is none, or smaller than anything can be seen in.
pub fn picture(path: &Path) -> anyhow::Result<Field> {
    if !path.is_file() {
        bail!("there is no file {}: name a picture", path.display());
    }
    let Some(picture) = Picture::read(path) else {
        bail!("{} is no picture that can be read: PNG, JPEG, GIF, BMP and WebP can", path.display());
    };
    let field = Field::of(&picture);
    let [h, w] = field.size;
    if h.min(w) < 16 {
        bail!("{} is only {w}x{h}: 16 pixels each way are the least", path.display());
    }
    Ok(field)
}

/// A picture whose longer side is at most so many pixels.
pub fn limited(field: Field, most: usize) -> Field {
    let [h, w] = field.size;
    let longer = h.max(w);
    if longer <= most {
        return field;
    }
    let side = |v: usize| (v * most / longer).max(1);
    field.resized([side(h), side(w)])
}

/// Height and width of a size that was given.
///
/// # Errors
/// If it is too large or too small.
pub fn sides(Size([w, h]): Size) -> anyhow::Result<[usize; 2]> {
    if w.max(h) > MOST_SIDE || w.min(h) < 32 {
        bail!("--size takes 32 to {MOST_SIDE} pixels each way, not {w}x{h}");
    }
    Ok([h, w])
}
