//! Watching files: sketches, presets and models that change under a running show.
//!
//! notify's callback only raises a flag and notes which files; a thread of ours waits for a moment of quiet
//! (editors rename and write twice) and then does the slow part, away from the frame path.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use notify::event::AccessKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::report::Board;
use crate::worker::Worker;

/// How long nothing must happen before files count as written.
const QUIET: Duration = Duration::from_millis(30);
/// Longest wait for quiet: a file that is written without end is read nevertheless.
const PATIENCE: Duration = Duration::from_millis(400);
/// Between two looks at whether the owner wants to end.
const LOOK: Duration = Duration::from_millis(100);

/// A watch over some folders; dropping it ends it.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    sender: SyncSender<PathBuf>,
    board: Board,
    _worker: Worker,
}

/// What the work on changed files is given.
pub type Changed = BTreeSet<PathBuf>;

impl Watch {
    /// Watches `folders` (and what is in them); `work` runs on a thread named `watch`, once for each burst of
    /// changes. Folders that cannot be watched are reported and left out.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        folders: &[PathBuf],
        board: &Board,
        mut work: impl FnMut(&Changed) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(1024);
        let mut watcher = watcher(board, sender.clone());
        for folder in folders {
            look_at(&mut watcher, folder, board);
        }
        // The compiler recurses on what it reads: it gets room to do so.
        let worker = Worker::start("watch", 256 << 20, move |ending| {
            while !ending.wished() {
                let changed = burst(&receiver);
                if !changed.is_empty() {
                    work(&changed);
                }
            }
        })?;
        Ok(Self { watcher, sender, board: board.clone(), _worker: worker })
    }

    /// Watches one more folder.
    pub fn also(&mut self, folder: &Path) {
        look_at(&mut self.watcher, folder, &self.board);
    }

    /// Has `work` called as if that file had changed.
    pub fn poke(&self, path: &Path) {
        // A full queue leads to a look at the files anyway.
        let _ = self.sender.try_send(path.into());
    }
}

/// What to do where files cannot be watched.
const HINT: &str = "changes on disk are not seen; reload with Ctrl-S";

fn watcher(board: &Board, sender: SyncSender<PathBuf>) -> Option<RecommendedWatcher> {
    let callback = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        // Reading a file is no change to it.
        if matches!(event.kind, EventKind::Access(AccessKind::Open(_) | AccessKind::Read)) {
            return;
        }
        for path in event.paths {
            // A full queue holds a burst already; what is in it leads to a look at the files.
            let _ = sender.try_send(path);
        }
    };
    let made = notify::recommended_watcher(callback);
    made.map_err(|error| board.fault("watch", format!("files cannot be watched ({error}): {HINT}"))).ok()
}

fn look_at(watcher: &mut Option<RecommendedWatcher>, folder: &Path, board: &Board) {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Some(watcher) = watcher else { return };
    if let Err(error) = watcher.watch(folder, RecursiveMode::Recursive) {
        board.fault("watch", format!("{} cannot be watched ({error}): {HINT}", folder.display()));
    }
}

/// The files of one burst of changes; empty if none came for a while.
fn burst(receiver: &Receiver<PathBuf>) -> Changed {
    let mut changed = Changed::new();
    match receiver.recv_timeout(LOOK) {
        Ok(path) => changed.insert(path),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return changed,
    };
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        match receiver.recv_timeout(QUIET) {
            Ok(path) => changed.insert(path),
            Err(_) => break,
        };
    }
    changed
}
