//! The command line: one file per subcommand, and the exit codes.

pub mod dataset;
pub mod score;
pub mod still;
pub mod train;

use clap::{Parser, Subcommand, ValueEnum};

use crate::net::device::{self, Chosen, Wanted};

/// Walk through the latent space of a generative network.
#[derive(Parser)]
#[command(name = "flaneur", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Draw a dataset, or look at one
    #[command(subcommand)]
    Dataset(dataset::Dataset),
    /// Pictures of a model: sheets, interpolations, pairs, imported z, studies
    #[command(subcommand)]
    Still(still::Still),
    /// Measure a model's pictures against its dataset
    #[command(subcommand)]
    Score(score::Measure),
    /// Train a WGAN-GP on a folder or zip of pictures
    Train(train::Train),
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
}

impl DeviceChoice {
    /// Chooses, and prints what was chosen on stderr.
    fn choose(self) -> anyhow::Result<Chosen> {
        let wanted = match self {
            Self::Auto => Wanted::Auto,
            Self::Cpu => Wanted::Cpu,
            Self::Gpu => Wanted::Gpu,
        };
        let chosen = device::choose(wanted)?;
        eprintln!("device: {}", chosen.name);
        Ok(chosen)
    }
}

/// Runs the command; the error is for `main` to print.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Dataset(dataset) => dataset.run(),
        Command::Still(still) => still.run(),
        Command::Score(measure) => measure.run(),
        Command::Train(train) => train.run(),
    }
}
