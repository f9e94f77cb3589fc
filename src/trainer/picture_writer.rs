//! Pictures that a training need not wait for, on a thread of their own: plots of the losses and what else is measured
//! (`converge.svg`, `.png` and others) and the model's `sheet.png`.
//!
//! Given by `trainer::saving`; of those of a kind that wait the newest is written. The thread, `pictures`, begins with
//! the first of them and is joined by its owner, after it has written what waits. It draws nothing with a network and
//! makes no folder: one that was taken away stays away.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::curve::LossCurve;
use super::disk;
use super::history::HistoryError;
use crate::latest::Latest;
use crate::picture::Picture;
use crate::worker::{Worker, caught};

/// How soon the thread notices a sheet, and that its owner goes.
const LOOK: Duration = Duration::from_millis(50);

/// What the owner and the thread share.
#[derive(Clone, Default)]
struct Shared {
    plots: Latest<(PathBuf, LossCurve)>,
    sheets: Latest<(PathBuf, Picture)>,
    failed: Latest<String>,
    bytes: Arc<AtomicU64>,
}

/// The thread's owner.
#[derive(Default)]
pub struct PictureWriter {
    shared: Shared,
    worker: Option<Worker>,
}

impl PictureWriter {
    /// Has the course of the losses drawn into `folder`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn plot(&mut self, folder: PathBuf, curve: LossCurve) -> std::io::Result<()> {
        self.shared.plots.put((folder, curve));
        self.start()
    }

    /// Has the sheet of a model written, if the model's folder still holds its training then.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn sheet(&mut self, path: PathBuf, sheet: Picture) -> std::io::Result<()> {
        self.shared.sheets.put((path, sheet));
        self.start()
    }

    fn start(&mut self) -> std::io::Result<()> {
        if self.worker.is_none() {
            let shared = self.shared.clone();
            self.worker = Some(Worker::start("pictures", 4 << 20, move |ending| {
                // Asked first: what was given before the request is still written.
                while !shared.write(ending.requested()) {}
            })?);
        }
        Ok(())
    }

    /// Why the last one was not written, told once.
    pub fn failure(&self) -> Option<String> {
        self.shared.failed.take()
    }

    /// Bytes that were written since this was asked last.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.swap(0, Ordering::Relaxed)
    }
}

impl Shared {
    /// Writes what waits; true if nothing does and nothing will.
    fn write(&self, ends: bool) -> bool {
        let plot = self.plots.wait(LOOK);
        let sheet = self.sheets.take();
        let nothing = plot.is_none() && sheet.is_none();
        if let Some((folder, curve)) = plot {
            self.note("the plot of the losses", caught(|| draw(&folder, &curve)));
        }
        // An empty folder where the model's was is a share that is away.
        if let Some((path, sheet)) = sheet.filter(|(path, _)| path.with_file_name("training").is_dir()) {
            let written = caught(|| put_picture(&path, &sheet));
            self.note("the sheet", written);
        }
        nothing && ends
    }

    fn note(&self, what: &str, written: Result<Result<u64, HistoryError>, String>) {
        match written {
            Ok(Ok(bytes)) => drop(self.bytes.fetch_add(bytes, Ordering::Relaxed)),
            Ok(Err(why)) => drop(self.failed.put(format!("{what} was not written: {why}"))),
            Err(panic) => drop(self.failed.put(format!("{what} was not written: {panic}"))),
        }
    }
}

/// Draws the plots now; gives their bytes.
///
/// # Errors
/// If a file cannot be written.
pub fn draw(folder: &Path, curve: &LossCurve) -> Result<u64, HistoryError> {
    let mut bytes = 0;
    for (file, plot) in curve.plots() {
        let svg = plot.svg();
        disk::put(&folder.join(format!("{file}.svg")), svg.as_bytes())?;
        bytes += svg.len() as u64 + put_picture(&folder.join(format!("{file}.png")), &plot.picture())?;
    }
    Ok(bytes)
}

fn put_picture(path: &Path, picture: &Picture) -> Result<u64, HistoryError> {
    let content = picture.png(path)?;
    disk::put(path, &content)?;
    Ok(content.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_written_before_the_thread_is_joined() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = PictureWriter::default();
        std::fs::create_dir(folder.path().join("training")).unwrap();
        writer.sheet(folder.path().join("sheet.png"), Picture::filled(8, 8, [1; 3])).unwrap();
        writer.plot(folder.path().into(), LossCurve::default()).unwrap();
        writer.sheet(folder.path().join("sheet.png"), Picture::filled(4, 4, [2; 3])).unwrap();
        let shared = writer.shared.clone();
        drop(writer);
        let sheet = Picture::read(&folder.path().join("sheet.png")).unwrap();
        assert_eq!((sheet.width, sheet.at(0, 0)), (4, [2; 3]));
        let bytes: u64 = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().metadata().unwrap())
            .filter(|about| about.is_file())
            .map(|about| about.len())
            .sum();
        assert!(shared.bytes.load(Ordering::Relaxed) >= bytes && folder.path().join("converge.svg").is_file());
    }

    #[test]
    fn what_cannot_be_written_is_told_once_and_makes_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let away = folder.path().join("away");
        let mut writer = PictureWriter::default();
        writer.plot(away.clone(), LossCurve::default()).unwrap();
        let failed = writer.shared.failed.clone();
        drop(writer);
        let why = failed.take().unwrap();
        assert!(why.starts_with("the plot of the losses was not written: ") && why.contains("away"), "{why}");
        assert!(!away.exists());
    }
}
