//! The plot of the losses, drawn on a thread of its own: `converge.svg` and `converge.png`.
//!
//! Given the course so far by `trainer::saving` with each checkpoint; of those that wait the newest is drawn. The
//! thread, `plot`, begins with the first of them and is joined by its owner, after it has drawn what waits.
//! It reads no losses and no files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::curve::LossCurve;
use super::history::HistoryError;
use crate::latest::Latest;
use crate::worker::{Worker, caught};

/// How soon the thread notices that its owner goes.
const LOOK: Duration = Duration::from_millis(50);

/// The thread's owner.
#[derive(Default)]
pub struct Plotter {
    wanted: Latest<(PathBuf, LossCurve)>,
    failed: Latest<String>,
    worker: Option<Worker>,
}

impl Plotter {
    /// Has the course drawn into `folder`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn draw(&mut self, folder: PathBuf, curve: LossCurve) -> std::io::Result<()> {
        self.wanted.put((folder, curve));
        if self.worker.is_none() {
            let (wanted, failed) = (self.wanted.clone(), self.failed.clone());
            self.worker = Some(Worker::start("plot", 4 << 20, move |ending| {
                loop {
                    match wanted.wait(LOOK) {
                        Some((folder, curve)) => {
                            let drawn = caught(|| draw(&folder, &curve).map_err(|error| error.to_string()));
                            if let Ok(Err(why)) | Err(why) = drawn {
                                failed.put(format!("the plot of the losses was not written: {why}"));
                            }
                        }
                        None if ending.wished() => return,
                        None => {}
                    }
                }
            })?);
        }
        Ok(())
    }

    /// Why the last one was not drawn, told once.
    pub fn failure(&self) -> Option<String> {
        self.failed.take()
    }
}

/// Draws it now.
///
/// # Errors
/// If a file cannot be written.
pub fn draw(folder: &Path, curve: &LossCurve) -> Result<(), HistoryError> {
    let plot = curve.plot();
    super::disk::put(&folder.join("converge.svg"), plot.svg().as_bytes())?;
    let path = folder.join("converge.png");
    let bytes = plot.picture().png(&path)?;
    super::disk::put(&path, &bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_drawn_before_the_thread_is_joined() {
        let folder = tempfile::tempdir().unwrap();
        let mut plotter = Plotter::default();
        plotter.draw(folder.path().into(), LossCurve::default()).unwrap();
        drop(plotter);
        assert!(folder.path().join("converge.svg").is_file() && folder.path().join("converge.png").is_file());
    }

    #[test]
    fn a_plot_that_cannot_be_written_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "in the way").unwrap();
        let mut plotter = Plotter::default();
        plotter.draw(file, LossCurve::default()).unwrap();
        let failed = plotter.failed.clone();
        drop(plotter);
        let why = failed.take().unwrap();
        assert!(why.starts_with("the plot of the losses was not written: ") && why.contains("file"), "{why}");
    }
}
