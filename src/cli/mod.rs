//! The command line: one file per subcommand, and the exit codes.

pub mod addresses;
pub mod check;
pub mod compare;
pub mod dataset;
pub mod directions;
pub mod doctor;
pub mod enlarge;
pub mod export;
pub mod film;
pub mod gallery;
mod generate;
mod given;
pub mod history;
pub mod import;
pub mod learn;
pub mod monitor;
pub mod new;
mod painting;
pub mod play;
pub mod project;
pub mod score;
mod settings;
pub mod soak;
pub mod still;
pub mod style;
pub mod supervise;
pub mod texture;
mod texture_draw;
pub mod train;
pub mod verbs;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

use crate::files;
use crate::home;
use crate::net::device::{self, Chosen, Wanted};
use crate::report::{tell, unsaid};

/// Walk through the latent space of a generative network.
#[derive(Parser)]
#[command(name = "flaneur", version, about, max_term_width = 100)]
pub struct Cli {
    /// Where sketches, presets and models are looked for and things are written [default: FLANEUR_HOME, else this
    /// folder if it has some, else the user's data folder]
    #[arg(long, global = true, value_name = "FOLDER")]
    home: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play: walk through a model, live, following a sketch
    Play(play::Play),
    /// Film a walk, without a window
    Film(film::FilmOf),
    /// List what a sketch can say
    Verbs(verbs::Verbs),
    /// List everything a show can be steered by
    Addresses(addresses::Addresses),
    /// Watch what comes into a show, and what it does
    Monitor(monitor::Monitor),
    /// Touch a control and choose what it is for
    Learn(learn::Learn),
    /// Try sketches, presets, mappings and models
    Check(check::Check),
    /// Make a first sketch, drawing sketch or preset
    #[command(subcommand)]
    New(new::New),
    /// The versions of a sketch that ran
    History(history::History),
    /// What this machine has, and what to install
    Doctor(doctor::Doctor),
    /// Play a show for hours with hands, reloads and faults, and measure what that costs
    Soak(soak::Soak),
    /// A systemd unit for a show that plays unattended, made for this machine
    Gallery(gallery::Gallery),
    /// Draw a dataset, or look at one
    #[command(subcommand)]
    Dataset(dataset::Dataset),
    /// Pictures of a model: sheets, interpolations, pairs, imported z, studies
    #[command(subcommand)]
    Still(still::Still),
    /// Find directions of W that change one thing in a picture
    Directions(directions::Directions),
    /// Find the point of W whose picture is nearest to a given one
    Project(Box<project::Project>),
    /// Textures from one picture
    #[command(subcommand)]
    Texture(texture::Texture),
    /// Paint one picture in the style of another
    Style(Box<style::Style>),
    /// Make pictures, folders, zips and films larger, by a network
    Enlarge(enlarge::EnlargeOf),
    /// Measure a model's pictures against its dataset: any folder or zip of pictures, or the lines
    Score(Box<score::Score>),
    /// Train a GAN on a folder or zip of pictures, or on a drawing sketch
    Train(Box<train::Train>),
    /// Lay the losses of several trainings over each other, and list the settings that differ
    Compare(compare::Compare),
    /// Make a model of a file of weights: PyTorch, Keras, numpy, ONNX or safetensors
    Import(import::Import),
    /// Write a model's generator as safetensors or .npz, for other programs
    Export(export::Export),
}

/// `--device` as every command that computes takes it.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum DeviceChoice {
    /// A real GPU if there is one, otherwise the CPU
    #[default]
    Auto,
    /// The processor
    Cpu,
    /// The graphics card
    Gpu,
    /// The graphics card, drawing in half precision; doctor says whether it can and what that gives
    GpuHalf,
}

/// A size given as `WxH`, 2 to 8192 each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub [usize; 2]);

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |word: &str| word.trim().parse::<usize>().ok().filter(|v| (2..=8192).contains(v));
        let sides = text.split_once(['x', 'X', '×']).and_then(|(w, h)| Some([side(w)?, side(h)?]));
        sides.map(Self).ok_or_else(|| format!("\"{text}\" is not a size; give WxH, as 1280x720, 2 to 8192 each"))
    }
}

impl DeviceChoice {
    fn wanted(self) -> Wanted {
        match self {
            Self::Auto => Wanted::Auto,
            Self::Cpu => Wanted::Cpu,
            Self::Gpu => Wanted::Gpu,
            Self::GpuHalf => Wanted::GpuHalf,
        }
    }

    /// Chooses, and prints what was chosen on stderr.
    fn choose(self) -> anyhow::Result<Chosen> {
        let chosen = device::choose(self.wanted())?;
        tell(format_args!("device: {}", chosen.name));
        Ok(chosen)
    }
}

/// The name for a picture that is written at the end: the one that was asked for, or the next free one, which is said.
fn free(wanted: &Path, overwrite: bool) -> PathBuf {
    if overwrite || !wanted.exists() {
        return wanted.to_owned();
    }
    let path = files::candidates(wanted).find(|name| !name.exists()).unwrap_or_else(|| wanted.to_owned());
    is_there(wanted, &path);
    path
}

/// Says that a name is taken, and which one is used instead.
fn is_there(wanted: &Path, used: &Path) {
    let (wanted, used) = (wanted.display(), used.display());
    tell(format_args!("{wanted} is there already; writing {used} (--overwrite writes over it)"));
}

/// Runs the command; the error is for `main` to print.
///
/// # Errors
/// What went wrong, in a sentence.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    if let Some(folder) = &cli.home {
        home::choose(folder)?;
    }
    obey(cli.command)?;
    match unsaid() {
        Some(why) => anyhow::bail!("done, but not all of it could be printed: {why}"),
        None => Ok(()),
    }
}

fn obey(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Play(play) => play.run(),
        Command::Film(film) => film.run(),
        Command::Verbs(verbs) => verbs.run(),
        Command::Addresses(addresses) => {
            addresses.run();
            Ok(())
        }
        Command::Monitor(monitor) => monitor.run(),
        Command::Learn(learn) => learn.run(),
        Command::Check(check) => check.run(),
        Command::New(new) => new.run(),
        Command::History(history) => history.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Soak(soak) => soak.run(),
        Command::Gallery(gallery) => gallery.run(),
        Command::Dataset(dataset) => dataset.run(),
        Command::Still(still) => still.run(),
        Command::Directions(directions) => directions.run(),
        Command::Project(project) => project.run(),
        Command::Texture(texture) => texture.run(),
        Command::Style(style) => style.run(),
        Command::Enlarge(enlarge) => enlarge.run(),
        Command::Score(score) => score.run(),
        Command::Train(train) => train.run(),
        Command::Compare(compare) => compare.run(),
        Command::Import(import) => import.run(),
        Command::Export(export) => export.run(),
    }
}
