//! `flaneur texture draw`: pictures of texture networks, ways between their noises, and pictures in their styles.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use super::painting::{MOST_SIDE, check_folder, check_output, limited, picture, sides, weight, write};
use super::{DeviceChoice, Size, free};
use crate::files;
use crate::latent::noise_law::{self, Law};
use crate::model::texture::{Planes, TextureModel};
use crate::recorder::{Codec, Recorder, Settings, names};
use crate::report::{Board, Progress, Stop, say, tell};

/// What `flaneur texture draw` takes.
#[derive(Args)]
pub struct Draw {
    /// A texture network: Ulyanov's (.t7), or Gutierrez' Pyramid2D (.pytorch, .pth)
    model: PathBuf,
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
        let name = self.model.display();
        let model = TextureModel::read(&self.model, &chosen.device).with_context(|| format!("{name}"))?;
        tell(format_args!("{name}: {}", model.says));
        let painted = match (&self.picture, model.paints()) {
            (Some(path), true) => Some(limited(picture(path)?, MOST_SIDE)),
            (None, false) => None,
            (None, true) => bail!("{name} paints a picture in its style: name one with --picture"),
            (Some(_), false) => bail!("{name} draws a texture and takes no --picture"),
        };
        let size = match (self.size, &painted) {
            (Some(size), _) => sides(size)?,
            (None, None) => [256, 256],
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
