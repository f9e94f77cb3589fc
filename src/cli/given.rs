//! Options of `play` and `film` that stand in place of a preset's values.

use anyhow::bail;
use clap::{Args, ValueEnum};

use crate::picture::scene::{Filter, Fit};
use crate::show::Given;

/// What of a preset can be given on the command line.
#[derive(Args)]
pub struct InPlace {
    /// Beats a minute, in place of the preset's
    #[arg(long, value_name = "N")]
    bpm: Option<f64>,
    /// How the frame sits in a size of another shape, in place of the preset's
    #[arg(long, value_enum)]
    fit: Option<FitChoice>,
    /// How pictures become larger, in place of the preset's
    #[arg(long, value_enum)]
    filter: Option<FilterChoice>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FitChoice {
    /// All of it, with bars
    Fit,
    /// No bars, cut off
    Fill,
    /// Repeated
    Tile,
    /// Repeated, every second one mirrored
    Mirror,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FilterChoice {
    /// Blocks
    Nearest,
    /// Soft, and a little blurred
    Linear,
    /// Soft without blur
    Cubic,
    /// The sharpest
    Lanczos,
}

impl InPlace {
    /// The values, checked.
    ///
    /// # Errors
    /// If one is out of its range.
    pub fn given(&self) -> anyhow::Result<Given> {
        if self.bpm.is_some_and(|bpm| !(20.0..=400.0).contains(&bpm)) {
            bail!("--bpm takes 20 to 400");
        }
        let fit = self.fit.map(|fit| match fit {
            FitChoice::Fit => Fit::Fit,
            FitChoice::Fill => Fit::Fill,
            FitChoice::Tile => Fit::Tile,
            FitChoice::Mirror => Fit::Mirror,
        });
        let filter = self.filter.map(|filter| match filter {
            FilterChoice::Nearest => Filter::Nearest,
            FilterChoice::Linear => Filter::Linear,
            FilterChoice::Cubic => Filter::Cubic,
            FilterChoice::Lanczos => Filter::Lanczos,
        });
        Ok(Given { bpm: self.bpm, fit, filter })
    }
}
