//! `flaneur still generate` and `style-mix`: pictures of seeds as NVIDIA's scripts name and write them.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use super::still::{Output, Pen, Source};
use crate::files;
use crate::latent;
use crate::latent::style::{Mapping as _, Style};
use crate::latent::text;
use crate::picture::Picture;
use crate::picture::sheet::sheet;

/// Pictures that a grid of styles may have.
const MOST_PAIRS: usize = 1000;
/// Seeds that a list may name.
const MOST_SEEDS: usize = 100_000;

/// What `flaneur still generate` takes.
#[derive(Args)]
pub struct Generate {
    #[command(flatten)]
    source: Source,
    /// Seeds, as 0-35,44
    #[arg(long, required_unless_present = "projected_w")]
    seeds: Option<String>,
    /// How far w is from its mean; 1 as it is
    #[arg(long, visible_alias = "trunc", default_value_t = 1.0)]
    psi: f64,
    /// So many layers follow psi, from the coarsest [default: all]
    #[arg(long)]
    cutoff: Option<usize>,
    /// Which noise is added
    #[arg(long, value_enum, default_value_t)]
    noise_mode: NoiseMode,
    /// Pictures of w from a .npz or .npy of a projection, instead of seeds
    #[arg(long, value_name = "FILE", conflicts_with = "seeds")]
    projected_w: Option<PathBuf>,
    /// Folder for the pictures
    #[arg(long, alias = "out")]
    outdir: PathBuf,
    /// All pictures in one, so many in a row
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(1..=100))]
    sheet: Option<u16>,
}

/// What `flaneur still style-mix` takes.
#[derive(Args)]
pub struct StyleMix {
    #[command(flatten)]
    source: Source,
    /// Seeds of the rows, as 85,100,75
    #[arg(long)]
    rows: String,
    /// Seeds of the columns
    #[arg(long)]
    cols: String,
    /// Layers that rows take from columns, as 0-6
    #[arg(long, default_value = "0-6")]
    styles: String,
    /// How far w is from its mean; 1 as it is
    #[arg(long, visible_alias = "trunc", default_value_t = 1.0)]
    psi: f64,
    /// Which noise is added
    #[arg(long, value_enum, default_value_t)]
    noise_mode: NoiseMode,
    /// Folder for the pictures
    #[arg(long, alias = "out")]
    outdir: PathBuf,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum NoiseMode {
    /// The model's own
    #[default]
    Const,
    /// Another one for each picture
    Random,
    /// None
    None,
}

impl NoiseMode {
    fn of(self, seed: u32) -> Style {
        match self {
            Self::Const => Style::default(),
            Self::Random => Style { noise: Some(f64::from(seed % (1 << 24))), ..Style::default() },
            Self::None => Style { strength: 0.0, ..Style::default() },
        }
    }
}

/// The numbers of a list such as `0-35,44`.
///
/// # Errors
/// If it is none, or names too many.
pub fn seeds_of(list: &str) -> anyhow::Result<Vec<u32>> {
    let mut out = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let number = |text: &str| text.trim().parse::<u32>().ok();
        let ends = match part.split_once('-') {
            Some((from, to)) => number(from).zip(number(to)),
            None => number(part).map(|at| (at, at)),
        };
        let (from, to) =
            ends.with_context(|| format!("\"{part}\" is no number and no range; give a list as 0-35,44"))?;
        if from > to || (to - from) as usize >= MOST_SEEDS || out.len() + (to - from) as usize >= MOST_SEEDS {
            bail!("\"{part}\": a range goes up, and a list has at most {MOST_SEEDS} numbers");
        }
        out.extend(from..=to);
    }
    if out.is_empty() {
        bail!("\"{list}\" names nothing; give a list as 0-35,44");
    }
    Ok(out)
}

/// The row of a seed: z, classes and a style; of a model without a mapping psi is a factor of z.
fn row(pen: &Pen, seed: u32, psi: f64, style: Style) -> Vec<f32> {
    let z = latent::seed(seed, pen.dim());
    let mapped = pen.ready.mapping().is_some();
    let factor = if mapped { 1.0 } else { psi };
    let z: Vec<f32> = z.iter().map(|v| (v * factor) as f32).collect();
    let numbers = if mapped { Style { psi, ..style }.numbers() } else { Vec::new() };
    [z, pen.classes(), numbers].concat()
}

impl Generate {
    /// Draws and writes.
    ///
    /// # Errors
    /// If something cannot be read or written.
    pub fn run(self) -> anyhow::Result<()> {
        let mut out = Output::new(&self.source);
        let seeds = self.seeds.as_deref().map(seeds_of).transpose()?;
        let name = |at: usize| match &seeds {
            Some(seeds) => self.outdir.join(format!("seed{:04}.png", seeds[at])),
            None => self.outdir.join(format!("proj{at:02}.png")),
        };
        let page = self.sheet.map(|columns| (self.outdir.join("sheet.png"), usize::from(columns)));
        if let Some(seeds) = &seeds {
            (0..seeds.len()).map(name).try_for_each(|path| out.claim(&path))?;
        }
        page.iter().try_for_each(|(path, _)| out.claim(path))?;
        let pen = Pen::new(&self.source)?;
        if !self.psi.is_finite() {
            bail!("--psi takes a number");
        }
        let cutoff = self.cutoff.unwrap_or(0);
        let rows: Vec<Vec<f32>> = match (&seeds, &self.projected_w) {
            (Some(seeds), _) => {
                let one = |seed: &u32| row(&pen, *seed, self.psi, Style { cutoff, ..self.noise_mode.of(*seed) });
                seeds.iter().map(one).collect()
            }
            (None, Some(file)) => projected(&pen, file)?
                .into_iter()
                .enumerate()
                .map(|(at, w)| {
                    let z = vec![0.0; pen.dim()];
                    let numbers = Style { w, ..self.noise_mode.of(at as u32) }.numbers();
                    [z, pen.classes(), numbers].concat()
                })
                .collect(),
            (None, None) => bail!("give --seeds"),
        };
        if seeds.is_none() {
            (0..rows.len()).map(name).try_for_each(|path| out.claim(&path))?;
        }
        let mut kept = Vec::new();
        pen.draw_each(&rows, |at, picture| {
            let path = name(at);
            files::write(&path, &picture.png(&path)?)?;
            if page.is_some() {
                kept.push(picture);
            }
            Ok(())
        })?;
        if let Some((path, columns)) = page {
            out.picture(path, &sheet(&kept, columns))?;
        }
        out.write(&format!("{} pictures in {}", rows.len(), self.outdir.display()))
    }
}

/// Each w of a file, one for each layer.
fn projected(pen: &Pen, file: &Path) -> anyhow::Result<Vec<Vec<f64>>> {
    let mapping = pen.ready.mapping().context("this model has no W")?;
    let (dim, layers) = (mapping.mean().len(), mapping.layers());
    let bytes = files::read(file)?;
    let all = text::read(&bytes, dim * layers).or_else(|_| text::read(&bytes, dim));
    all.with_context(|| format!("{}: it holds no w of this model ({layers} x {dim})", file.display()))
}

impl StyleMix {
    /// Draws and writes.
    ///
    /// # Errors
    /// If something cannot be read or written.
    pub fn run(self) -> anyhow::Result<()> {
        let mut out = Output::new(&self.source);
        let (rows, columns) = (seeds_of(&self.rows)?, seeds_of(&self.cols)?);
        if rows.len() * columns.len() > MOST_PAIRS {
            bail!("{} rows and {} columns: at most {MOST_PAIRS} pairs fit into one grid", rows.len(), columns.len());
        }
        let pair = |row: u32, column: u32| self.outdir.join(format!("{row}-{column}.png"));
        let grid = self.outdir.join("grid.png");
        out.claim(&grid)?;
        let sources = rows.iter().chain(&columns).map(|seed| (*seed, *seed));
        let pairs = rows.iter().flat_map(|row| columns.iter().map(move |column| (*row, *column)));
        let mut wanted: Vec<(u32, u32)> = Vec::new();
        for own in sources.chain(pairs) {
            if !wanted.contains(&own) {
                out.claim(&pair(own.0, own.1))?;
                wanted.push(own);
            }
        }
        let pen = Pen::new(&self.source)?;
        let mapping = pen.ready.mapping().context("style-mix is for models with a mapping, such as StyleGAN2")?;
        let (dim, layers) = (mapping.mean().len(), mapping.layers());
        let styles: Vec<usize> = seeds_of(&self.styles)?.into_iter().map(|at| at as usize).collect();
        if let Some(beyond) = styles.iter().find(|at| **at >= layers) {
            bail!("--styles: there is no layer {beyond}; the model has 0 to {}", layers - 1);
        }
        let class: Vec<f64> = pen.classes().iter().map(|v| f64::from(*v)).collect();
        let w = |seed: u32| {
            let z: Vec<f64> = latent::seed(seed, pen.dim()).iter().map(|v| f64::from(*v as f32)).collect();
            mapping.w(&z, &class).repeat(layers)
        };
        let of = |(row, column): &(u32, u32)| {
            let mut own = w(*row);
            if row != column {
                let other = w(*column);
                for at in &styles {
                    own[at * dim..(at + 1) * dim].copy_from_slice(&other[at * dim..(at + 1) * dim]);
                }
            }
            let style = Style { w: own, psi: self.psi, ..self.noise_mode.of(*row) };
            [vec![0.0; pen.dim()], pen.classes(), style.numbers()].concat()
        };
        let pictures = pen.draw_rows(&wanted.iter().map(of).collect::<Vec<_>>())?;
        for (own, picture) in wanted.iter().zip(&pictures) {
            out.picture(pair(own.0, own.1), picture)?;
        }
        let picture = |own: (u32, u32)| wanted.iter().position(|known| *known == own).map(|at| pictures[at].clone());
        let black = Picture { pixels: vec![0; pictures[0].pixels.len()], ..pictures[0].clone() };
        let mut all = vec![black];
        all.extend(columns.iter().filter_map(|seed| picture((*seed, *seed))));
        for row in &rows {
            all.extend(picture((*row, *row)));
            all.extend(columns.iter().filter_map(|column| picture((*row, *column))));
        }
        out.picture(grid, &sheet(&all, columns.len() + 1))?;
        out.write(&format!("{} pictures and grid.png in {}", wanted.len(), self.outdir.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_seeds_are_read() {
        assert_eq!(seeds_of("0-3,44, 7").unwrap(), [0, 1, 2, 3, 44, 7]);
        for wrong in ["", "a", "3-1", "1-", "-1", "0-4000000000"] {
            assert!(seeds_of(wrong).is_err(), "{wrong}");
        }
    }
}
