//! `flaneur dataset`: draw the lines or what a sketch draws, or look at any dataset.

mod draw;
mod sheet;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use crate::dataset::lines::{Law, PALETTE, Rules, colour};
use crate::dataset::read;
use crate::dataset::write::{Drawing, Format};
use crate::files::shown;
use crate::hints::plain;
use crate::report::{Progress, Stop, say};

/// What `flaneur dataset` can do.
#[derive(Subcommand)]
pub enum Dataset {
    /// Draw pictures of coloured lines, as in "Trois lignes dans un espace latent"
    Lines(Lines),
    /// Draw pictures with a drawing sketch: a script with pub fn draw(r, i)
    Draw(draw::Draw),
    /// Write a contact sheet: pictures of a dataset, or of a drawing sketch, in rows
    Sheet(sheet::Sheet),
    /// Read every picture of a folder or zip and report counts, sizes and bad files
    Check {
        /// A folder (looked through recursively) or a zip
        data: PathBuf,
    },
}

/// How many pictures are drawn, which and how large, and by how many threads.
#[derive(Args)]
struct Amount {
    /// Pictures to draw
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    count: u64,
    /// The same seed draws the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Side of the square pictures in pixels; what is drawn scales with it
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(8..=8192))]
    size: u32,
    /// Threads; all cores if not given
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
}

/// What `flaneur dataset lines` takes.
#[derive(Args)]
pub struct Lines {
    /// Folder to make, or file if the name ends in .zip; must not exist
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    amount: Amount,
    /// File format
    #[arg(long, value_enum, default_value_t = Ending::Jpg)]
    format: Ending,
    /// Colours to choose from, as rrggbb,rrggbb,…
    #[arg(long, value_delimiter = ',', value_parser = colour)]
    palette: Option<Vec<[u8; 3]>>,
    /// Vertical lines in a picture, painted first
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=64))]
    verticals: u16,
    /// Horizontal lines in a picture
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=64))]
    horizontals: u16,
    /// Laws of the lines' places, verticals first: uniform or gaussian:MEAN:DEVIATION, in pixels of
    /// a 128-pixel picture. Lines without one are uniform, but the last of two or more horizontals
    /// is gaussian:48:1.2
    #[arg(long, value_delimiter = ',')]
    law: Vec<Law>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Ending {
    /// Quality 0.9, chroma 4:2:0
    Jpg,
    /// Lossless
    Png,
}

impl Ending {
    fn format(self) -> Format {
        match self {
            Self::Jpg => Format::Jpg,
            Self::Png => Format::Png,
        }
    }
}

impl Dataset {
    /// Does what was asked for.
    ///
    /// # Errors
    /// If the dataset cannot be drawn or read.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Lines(lines) => lines.run(),
            Self::Draw(draw) => draw.run(),
            Self::Sheet(sheet) => sheet.run(),
            Self::Check { data } => check(&data),
        }
    }
}

impl Lines {
    fn run(self) -> anyhow::Result<()> {
        let lines = usize::from(self.verticals + self.horizontals);
        if lines == 0 {
            anyhow::bail!("a picture needs at least one line; raise --verticals or --horizontals");
        }
        if self.law.len() > lines {
            anyhow::bail!("{} laws were given for {lines} lines; give at most one a line", self.law.len());
        }
        let Amount { count, seed, size, workers } = self.amount;
        if let Some(workers) = workers {
            rayon::ThreadPoolBuilder::new().num_threads(workers.into()).build_global()?;
        }
        let palette = self.palette.unwrap_or_else(|| PALETTE.to_vec());
        let rules = Rules::new(size as usize, palette, self.verticals.into(), self.horizontals.into(), self.law);
        let drawing = Drawing { rules, count, seed, format: self.format.format() };
        let progress = Progress::new("pictures", count);
        let written = drawing.write(&self.out, &progress, &Stop::on_signals()?);
        progress.finish();
        written?;
        say(format_args!("{count} pictures of {size}x{size} in {}", self.out.display()));
        Ok(())
    }
}

/// Sizes that are listed.
const MOST_SIZES: usize = 12;

fn check(data: &Path) -> anyhow::Result<()> {
    let census = read::census(data, &|| ())?;
    say(format_args!("{} pictures in {}", census.count(), shown(data)));
    for ((width, height), count) in census.sizes.iter().take(MOST_SIZES) {
        say(format_args!("  {count} of {width}x{height}"));
    }
    if let Some(further) = census.sizes.get(MOST_SIZES..).filter(|further| !further.is_empty()) {
        let count: usize = further.iter().map(|(_, n)| n).sum();
        say(format_args!("  {count} of {} other sizes", further.len()));
    }
    if !census.classes.is_empty() {
        say(format_args!("  classes: {}", classes(&census.classes)));
    }
    if census.clear > 0 {
        say(format_args!("  {} of them have transparent parts, which are composed on black", census.clear));
    }
    if !census.others.is_empty() {
        let count: usize = census.others.values().sum();
        let endings = counted(&census.others, |ending| match ending {
            "" => "without an ending".into(),
            ending => format!(".{ending}"),
        });
        say(format_args!("  {count} other files, not looked into ({endings})"));
    }
    if !census.hidden.is_empty() {
        let count: usize = census.hidden.values().sum();
        say(format_args!("  {count} hidden parts, left out ({})", counted(&census.hidden, str::to_owned)));
    }
    for bad in &census.bad {
        say(format_args!("  unreadable: {}: {}", bad.name, bad.why));
    }
    if census.count() == 0 {
        anyhow::bail!(
            "{} holds no readable picture; add jpg, png, bmp, gif or webp files, or draw some with flaneur dataset lines",
            shown(data)
        );
    }
    Ok(())
}

/// "cat (120), dog (98)": the first ones, in their order.
fn classes(classes: &[(String, usize)]) -> String {
    /// Classes that are listed.
    const MOST: usize = 20;
    let mut shown: Vec<String> =
        classes.iter().take(MOST).map(|(name, count)| format!("{} ({count})", plain(name))).collect();
    if let Some(further @ 1..) = classes.len().checked_sub(MOST) {
        shown.push(format!("and {further} more"));
    }
    shown.join(", ")
}

/// "3 .txt, 1 .heic": the most frequent ones.
fn counted(counts: &BTreeMap<String, usize>, name: impl Fn(&str) -> String) -> String {
    /// Names that are listed.
    const MOST: usize = 6;
    let mut sorted: Vec<(&String, &usize)> = counts.iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let mut shown: Vec<String> =
        sorted.iter().take(MOST).map(|(text, count)| format!("{count} {}", name(text))).collect();
    if sorted.len() > MOST {
        shown.push("…".into());
    }
    shown.join(", ")
}
