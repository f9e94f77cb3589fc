//! `flaneur dataset draw`: the pictures of a drawing sketch, in a folder or a zip.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::{Amount, Ending};
use crate::dataset::DatasetError;
use crate::dataset::write::Sink;
use crate::drawn::{self, Drawings, Ended};
use crate::files::shown;
use crate::report::{Progress, Stop, say};

/// What `flaneur dataset draw` takes.
#[derive(Args)]
pub struct Draw {
    /// Name of a sketch in sketches/data, or a path that ends in .rn
    sketch: String,
    /// Folder to make, or file if the name ends in .zip
    #[arg(short, long = "out", value_name = "FOLDER|ZIP")]
    out: PathBuf,
    #[command(flatten)]
    amount: Amount,
    /// File format
    #[arg(long, value_enum, default_value_t = Ending::Png)]
    format: Ending,
    /// Write over a dataset that is there
    #[arg(long)]
    overwrite: bool,
}

/// Threads to draw with, where nobody says how many.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Draw {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let path = drawn::find(&self.sketch).map_err(|why| anyhow!(why))?;
        let Amount { count, seed, size, workers } = self.amount;
        let size = size as usize;
        let drawings = Drawings::open(&path, seed, [size, size])?;
        // What fails at once fails before anything is written.
        drawings.draw(0)?;
        let mut sink = Sink::begin(&self.out, self.overwrite).map_err(|error| match error {
            DatasetError::Exists(path) => {
                anyhow!("{} is there already; give another name, or --overwrite to write over it", shown(&path))
            }
            other => other.into(),
        })?;
        let stem = path.file_stem().map_or("picture".into(), |stem| stem.to_string_lossy().into_owned());
        let format = self.format.format();
        let name = |index: u64| format!("{stem}-{:06}.{}", index + 1, format.ending());
        let workers = workers.map_or_else(cores, usize::from);
        let progress = Progress::new("pictures", count);
        let done = drawings.each(
            0..count,
            workers,
            &Stop::on_signals()?,
            |index, picture| format.encode(&name(index), &picture),
            |index, bytes| {
                sink.put(&name(index), &bytes)?;
                progress.step();
                Ok(())
            },
        );
        progress.finish();
        match done {
            Ok(()) => sink.finish()?,
            Err(Ended::Stopped) => return Err(DatasetError::Stopped.into()),
            Err(Ended::Other(error)) => return Err(error.into()),
            Err(Ended::Sketch(index, complaint)) => {
                let number = index + 1;
                return Err(anyhow!("{complaint}\n (in picture {number}, where i is {index}; nothing was written)"));
            }
        }
        say(format_args!("{} pictures of {size}x{size} in {}", count, shown(&self.out)));
        Ok(())
    }
}
