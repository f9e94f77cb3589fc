//! `flaneur dataset sheet`: a contact sheet of a dataset, or of what a drawing sketch draws.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use clap::Args;

use crate::dataset::read::{self, Fit};
use crate::drawn::{self, Drawings, Ended};
use crate::files::shown;
use crate::picture::Picture;
use crate::picture::sheet::sheet;
use crate::report::{Stop, say, tell};

/// What `flaneur dataset sheet` takes.
#[derive(Args)]
pub struct Sheet {
    /// A folder or zip of pictures, or a drawing sketch: its name, or a path that ends in .rn
    #[arg(value_name = "DATA|SKETCH")]
    data: String,
    /// File to write, as PNG
    #[arg(short, long = "out", value_name = "FILE")]
    out: PathBuf,
    /// Pictures on it
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    count: u16,
    /// Pictures in a row; about as many as there are rows if not given
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    columns: Option<u16>,
    /// Side of each picture in pixels
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(8..=1024))]
    size: u32,
    /// Seed of a drawing sketch
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Write over a file that is there
    #[arg(long)]
    overwrite: bool,
}

impl Sheet {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if self.out.extension().is_none_or(|e| !e.eq_ignore_ascii_case("png")) {
            bail!("a sheet is a PNG; give a name that ends in .png, as in {}.png", shown(&self.out));
        }
        let pictures = match self.of_files() {
            true => self.read()?,
            false => self.draw()?,
        };
        let columns = self.columns.map_or_else(|| pictures.len().isqrt().max(1), usize::from);
        let out = super::super::free(&self.out, self.overwrite);
        let picture = sheet(&pictures, columns);
        match self.overwrite {
            true => picture.write_png(&out)?,
            false => drop(picture.write_new_png(&out)?),
        }
        say(format_args!("{} pictures of {size}x{size} in {}", pictures.len(), shown(&out), size = self.size));
        Ok(())
    }

    /// Whether it is a dataset of files; otherwise it is the name of a sketch.
    fn of_files(&self) -> bool {
        let path = Path::new(&self.data);
        let ending = |e: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(e));
        !ending("rn") && (path.exists() || ending("zip"))
    }

    /// The first pictures of a folder or zip.
    fn read(&self) -> anyhow::Result<Vec<Picture>> {
        let size = self.size as usize;
        let (bytes, bad) = read::first(Path::new(&self.data), [size, size, 3], Fit::Pad, self.count.into())?;
        for bad in bad {
            tell(format_args!("unreadable: {}: {}", bad.name, bad.why));
        }
        if bytes.is_empty() {
            bail!("{} holds no readable picture", self.data);
        }
        Ok(Picture::batch(bytes, [size, size, 3]))
    }

    fn draw(&self) -> anyhow::Result<Vec<Picture>> {
        let path = drawn::find(&self.data)
            .map_err(|why| anyhow!("{} is neither a dataset nor a drawing sketch: {why}", self.data))?;
        let size = self.size as usize;
        let drawings = Drawings::open(&path, self.seed, [size, size])?;
        let mut pictures = Vec::new();
        let done = drawings.each(
            0..u64::from(self.count),
            super::draw::cores(),
            &Stop::on_signals()?,
            |_, picture| Ok(picture),
            |_, picture| {
                pictures.push(picture);
                Ok::<_, std::convert::Infallible>(())
            },
        );
        match done {
            Ok(()) => Ok(pictures),
            Err(Ended::Stopped) => bail!("stopped; no sheet was written"),
            Err(Ended::Sketch(index, complaint)) => {
                Err(anyhow!("{complaint}\n (in picture {}, where i is {index})", index + 1))
            }
            Err(Ended::Other(never)) => match never {},
        }
    }
}
