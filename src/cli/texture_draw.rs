//! `flaneur texture draw`: pictures of texture networks, ways between their noises, and pictures in their styles.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use super::painting::{MOST_SIDE, check_folder, check_output, limited, picture, sides, weight, write};
use super::{DeviceChoice, Size, free};
use crate::files;
use crate::latent::noise_law::{self, Law};
use crate::model::filter::Filter;
use crate::model::import::bag::ReadError;
use crate::model::texture::{Planes, TextureModel};
use crate::model::{self, Card};
use crate::net::arch::Arch;
use crate::net::device::Chosen;
use crate::net::families::style::Style;
use crate::picture::Picture;
use crate::picture::sheet::sheet;
use crate::recorder::{Codec, Recorder, Settings, names};
use crate::report::{Board, Progress, Stop, say, tell};

/// What `flaneur texture draw` takes.
#[derive(Args)]
pub struct Draw {
    /// A texture by its model's name, or a file: Ulyanov's (.t7), or Gutierrez' Pyramid2D (.pytorch, .pth)
    source: String,
    /// Where to write: a picture (.png), or with --to a film (.mp4, .gif, a folder for PNGs)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Width and height, multiples of 32 (16 for networks for styles) [default: 256x256, or the picture's]
    #[arg(long, value_name = "WxH")]
    size: Option<Size>,
    /// Seed of the noise
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Go to the noise of this seed
    #[arg(long, value_name = "SEED")]
    to: Option<u32>,
    /// Frames of the way
    #[arg(long, default_value_t = 60, requires = "to", value_parser = clap::value_parser!(u64).range(2..=100_000))]
    frames: u64,
    /// Frames a second
    #[arg(long, default_value_t = 30.0, requires = "to")]
    fps: f64,
    /// And back, so that the film loops
    #[arg(long, requires = "to")]
    back: bool,
    /// How two noises are blended
    #[arg(long, value_enum, default_value_t, requires = "to")]
    law: LawChoice,
    /// The picture that a network for styles paints
    #[arg(long, value_name = "PICTURE")]
    picture: Option<PathBuf>,
    /// How much noise a network for styles gets; 1 is what it was trained with
    #[arg(long)]
    noise: Option<f64>,
    /// A sheet of what each size of structure does: all of them, each alone, all without the two coarsest, and how far
    /// that is from all, eight times as bright
    #[arg(long, conflicts_with = "to")]
    sizes: bool,
    /// Write over a file of that name
    #[arg(long)]
    overwrite: bool,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum LawChoice {
    /// Normal scores with weights cos and sin
    #[default]
    Scores,
    /// The lab's: the sum through its distribution function
    Redresse,
    /// The ranks of the sum
    Rank,
    /// The plain sum, which fades in the middle
    Plain,
}

impl Draw {
    /// Draws.
    ///
    /// # Errors
    /// If the network cannot be read, a size does not fit, or nothing can be written.
    pub fn run(self) -> anyhow::Result<()> {
        match self.to {
            None => check_output(&self.output).context("a film needs --to, the seed that it goes to")?,
            Some(_) => {
                Codec::check(&self.output)?;
                check_folder(&self.output)?;
            }
        }
        if !(self.fps.is_finite() && (1.0..=1000.0).contains(&self.fps)) {
            bail!("--fps takes 1 to 1000");
        }
        let chosen = self.device.choose()?;
        if let Some(filter) = self.residual(&chosen)? {
            return self.paint(&filter);
        }
        let name = files::printable(&self.source);
        let (model, own) = TextureModel::named(&self.source, &chosen.device).with_context(|| name.clone())?;
        tell(format_args!("{name}: {}", model.says));
        let painted = match (&self.picture, model.paints()) {
            (Some(path), true) => Some(limited(picture(path)?, MOST_SIDE)),
            (None, false) => None,
            (None, true) => bail!("{name} paints a picture in its style: name one with --picture"),
            (Some(_), false) => bail!("{name} draws a texture and takes no --picture"),
        };
        let size = match (self.size, &painted) {
            (Some(size), _) => sides(size)?,
            (None, None) => own.unwrap_or([256, 256]),
            // The nearest size that the network can draw.
            (None, Some(field)) => {
                let step = model.step();
                field.size.map(|side| ((side + step / 2) / step * step).clamp(step, MOST_SIDE))
            }
        };
        model.check(size)?;
        let painted = painted.map(|field| field.resized(size).values);
        let strength = weight("--noise", self.noise.unwrap_or(1.0))? as f32;
        if self.noise.is_some() && !model.paints() {
            bail!("--noise is for networks for styles: {name} draws a texture of noise alone");
        }
        let drawn = |mut planes: Planes| {
            planes.iter_mut().flatten().for_each(|v| *v *= strength);
            model.draw(size, &planes, painted.as_deref())
        };
        let from = model.noise(size, self.seed)?;
        if self.sizes {
            let path = free(&self.output, self.overwrite);
            write(&study(&from, drawn)?, &path)?;
            say(format_args!(
                "wrote {}: all sizes, each alone from the coarsest, without the two coarsest, the difference",
                files::shown(&path)
            ));
            return Ok(());
        }
        let Some(to) = self.to else {
            let path = free(&self.output, self.overwrite);
            write(&drawn(from)?, &path)?;
            say(format_args!("wrote {} ({}x{})", files::shown(&path), size[1], size[0]));
            return Ok(());
        };
        let to = model.noise(size, to)?;
        let law = match self.law {
            LawChoice::Scores => Law::Scores,
            LawChoice::Redresse => Law::Redresse,
            LawChoice::Rank => Law::Rank,
            LawChoice::Plain => Law::Plain,
        };
        let [height, width] = size;
        let settings = Settings {
            path: names::film(&self.output, self.overwrite)?,
            size: [width, height],
            fps: self.fps,
            crf: None,
            codec: None,
            live: false,
        };
        let recorder = Recorder::start(settings, &Board::echoing())?;
        let (progress, stop) = (Progress::new("frames", self.frames), Stop::on_signals()?);
        for frame in 0..self.frames {
            if stop.raised() {
                break;
            }
            // A film that loops has its first frame again behind its last.
            let share = match self.back {
                true => 1.0 - (2.0 * frame as f64 / self.frames as f64 - 1.0).abs(),
                false => frame as f64 / (self.frames - 1) as f64,
            };
            let planes = from.iter().zip(&to).map(|(a, b)| noise_law::blend(a, b, share, law)).collect();
            let picture = drawn(planes)?;
            recorder.put(frame, Box::new(move || picture))?;
            progress.step();
        }
        progress.finish();
        let (tally, path) = recorder.finish_as()?;
        say(format_args!("wrote {} ({} frames)", files::shown(&path), tally.written));
        Ok(())
    }
}

impl Draw {
    /// The model as a filter, where it is one of Johnson's.
    fn residual(&self, chosen: &Chosen) -> anyhow::Result<Option<Filter>> {
        let folder = model::folder(&self.source);
        let is_one =
            folder.join("model.toml").is_file() && matches!(Card::read(&folder)?.arch, Arch::Style(Style::Residual(_)));
        Ok(if is_one { Some(Filter::read(&self.source, &chosen.device)?) } else { None })
    }

    /// Paints a picture by a filter.
    fn paint(&self, filter: &Filter) -> anyhow::Result<()> {
        let name = files::printable(&self.source);
        let Some(path) = &self.picture else { bail!("{name} paints a picture in its style: name one with --picture") };
        if self.to.is_some() || self.sizes || self.noise.is_some() {
            bail!("{name} has no noise: it takes --picture, --size and --output");
        }
        let field = limited(picture(path)?, MOST_SIDE);
        let size = match self.size {
            Some(size) => sides(size)?,
            None => field.size.map(|side| (side / 4 * 4).max(8)),
        };
        let painted = filter.paint(&field.resized(size).picture(), 1.0, &|| true).map_err(anyhow::Error::msg)?;
        let path = free(&self.output, self.overwrite);
        write(&painted, &path)?;
        say(format_args!("wrote {} ({}x{})", files::shown(&path), size[1], size[0]));
        Ok(())
    }
}

/// What each size of structure does: all, each alone, all without the two coarsest, and the difference of that from all.
fn study(all: &Planes, drawn: impl Fn(Planes) -> Result<Picture, ReadError>) -> anyhow::Result<Picture> {
    let only = |kept: &dyn Fn(usize) -> bool| {
        let plane = |(at, plane): (usize, &Vec<f32>)| if kept(at) { plane.clone() } else { vec![0.0; plane.len()] };
        drawn(all.iter().enumerate().map(plane).collect())
    };
    let mut pictures = vec![only(&|_| true)?];
    for alone in 0..all.len() {
        pictures.push(only(&|at| at == alone)?);
    }
    let without = only(&|at| at > 1)?;
    let pairs = without.pixels.iter().zip(&pictures[0].pixels);
    let pixels = pairs.map(|(a, b)| a.abs_diff(*b).saturating_mul(8)).collect();
    let difference = Picture { pixels, ..without.clone() };
    pictures.extend([without, difference]);
    Ok(sheet(&pictures, pictures.len().div_ceil(2)))
}
