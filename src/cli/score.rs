//! `flaneur score`: how much a model's pictures look like its dataset: any dataset ([`data`]), or the lines.

mod data;
mod table;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::DeviceChoice;
use crate::dataset::checkerboard::{Checkerboard, PERIODS, VISIBLE};
use crate::dataset::lines::Rules;
use crate::dataset::score::{self, NEAR, Score as Seen};
use crate::dataset::write::{Drawing, Format};
use crate::latent;
use crate::model::Model;
use crate::report::{Progress, Stop, say};

/// What `flaneur score` takes: data and a model, or a measure by its name.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Score {
    #[command(subcommand)]
    measure: Option<Measure>,
    #[command(flatten)]
    data: data::Data,
}

impl Score {
    /// Measures and prints.
    ///
    /// # Errors
    /// If the model or the data cannot be read, or do not fit together.
    pub fn run(self) -> anyhow::Result<()> {
        match self.measure {
            Some(measure) => measure.run(),
            None => self.data.run(),
        }
    }
}

/// What `flaneur score` can measure of pictures that it knows.
#[derive(Subcommand)]
pub enum Measure {
    /// Lines: whole verticals and horizontals, colours, spread of places
    Lines(Lines),
}

/// What `flaneur score lines` takes.
#[derive(Args)]
pub struct Lines {
    /// Name or folder of the model
    #[arg(long)]
    model: String,
    /// Pictures to generate, and to draw for comparison
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// Seed of the first picture; the others follow
    #[arg(long, default_value_t = 1_000_000)]
    seed: u32,
    /// Where to compute
    #[arg(long, value_enum, default_value_t = DeviceChoice::Auto)]
    device: DeviceChoice,
}

/// What a model should reach.
const AIMS: (f64, f64, f64) = (0.90, 0.60, 0.70);
/// Pictures generated at once.
const BATCH: u32 = 16;

impl Measure {
    /// Measures and prints.
    ///
    /// # Errors
    /// If the model cannot be read, or is not of lines.
    pub fn run(self) -> anyhow::Result<()> {
        let Self::Lines(lines) = self;
        lines.run()
    }
}

impl Lines {
    fn run(self) -> anyhow::Result<()> {
        let chosen = self.device.choose()?;
        let model = Model::read(&self.model, &chosen.device)?;
        let arch = &model.card.arch;
        let [side, width, channels] = arch.picture();
        if side != width || channels != 3 {
            bail!("lines are measured on square RGB pictures; this model makes {width}x{side} of {channels} channels");
        }
        let last = self.seed.checked_add(self.count - 1).context("--seed and --count go beyond the last seed")?;
        let ready = model.ready(chosen.half);
        let progress = Progress::new("pictures", self.count.into());
        let stop = Stop::on_signals()?;
        let mut bytes = Vec::with_capacity(self.count as usize * side * side * 3);
        for from in (self.seed..=last).step_by(BATCH as usize) {
            let to = last.min(from + (BATCH - 1));
            let z: Vec<Vec<f32>> =
                (from..=to).map(|s| latent::seed(s, arch.z_dim()).iter().map(|v| *v as f32).collect()).collect();
            bytes.extend(ready.bytes(&z));
            z.iter().for_each(|_| progress.step());
            if stop.raised() {
                progress.finish();
                bail!("stopped after {} pictures; nothing was measured", bytes.len() / (side * side * 3));
            }
        }
        progress.finish();
        let rules = Rules { size: side, ..Rules::default() };
        let drawing = Drawing { rules, count: self.count.into(), seed: 1, format: Format::Jpg };
        let mut drawn = Vec::with_capacity(bytes.len());
        for index in 0..drawing.count {
            drawn.extend(image::load_from_memory(&drawing.encode(index)?)?.into_rgb8().into_raw());
        }
        print(&self.model, &score::score(&bytes, side), &score::score(&drawn, side));
        let [own, theirs] = [&bytes, &drawn].map(|bytes| Checkerboard::of(bytes, [side, side, 3]));
        print_checkerboard(&own, &theirs);
        Ok(())
    }
}

fn print(name: &str, model: &Seen, data: &Seen) {
    say(format_args!("{:<52} {:>12} {:>12} {:>8}", format!("{} pictures each", model.count), name, "dataset", "aim"));
    let row = |what: &str, value: fn(&Seen) -> f64, percent: bool, aim: Option<f64>| {
        let show = |v: f64| if percent { format!("{:.1} %", v * 100.0) } else { format!("{v:.2}") };
        let aim = aim.map_or(String::new(), |aim| {
            let missing = aim - value(model);
            if missing > 0.0 {
                format!("{} missed by {}", show(aim), show(missing))
            } else {
                format!("{} met", show(aim))
            }
        });
        say(format_args!("{what:<52} {:>12} {:>12}  {aim}", show(value(model)), show(value(data))));
    };
    row("with a full vertical and a full horizontal", |s| s.both, true, Some(AIMS.0));
    row("full verticals in a picture, mean", |s| s.verticals, false, None);
    row("full horizontals in a picture, mean", |s| s.horizontals, false, None);
    row(&format!("lit pixels within {NEAR} (RGB) of the palette"), |s| s.near, true, Some(AIMS.1));
    row("places that verticals reach, of 10..117", |s| s.vertical_cover, true, Some(AIMS.2));
    row("places that horizontals reach, of 10..117", |s| s.horizontal_cover, true, None);
    row("place of verticals, mean (pixels)", |s| s.vertical_mean, false, None);
    row("place of verticals, standard deviation (pixels)", |s| s.vertical_deviation, false, None);
}

/// What there is of a checkerboard.
fn print_checkerboard(model: &Checkerboard, data: &Checkerboard) {
    let beside = |of: &Checkerboard| of.beside(data).map_or("none".into(), |ratio| format!("{ratio:.2}"));
    let what = format!("checkerboard, as a multiple of the dataset's; above {VISIBLE} is seen");
    say(format_args!("{what:<52} {:>12} {:>12}", beside(model), beside(data)));
    for (i, period) in PERIODS.into_iter().enumerate() {
        let what = format!("spectrum at a period of {period} pixels, beside it 1");
        say(format_args!("{what:<52} {:>12.2} {:>12.2}", model.peaks[i], data.peaks[i]));
    }
}
