//! What a show leaves on disk beside films: logs of takes, snapshots, stills, versions of sketches, its last state.
//!
//! Everything is written by other threads: `chores` for what is small, `take` for the log. May take: nothing; a chore
//! that finds too many before it is said and left out. "Stored" is said when it is.

pub mod disk;
pub mod last;
pub mod log;
pub mod replay;
pub mod snapshot;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::picture::canvas::Canvas;
use crate::picture::scene::Scene;
use crate::preset::Record;
use crate::recorder::names;
use crate::report::{Board, tell};
use crate::sketch::thread::Points;
use crate::sketch::{Program, history};
use crate::worker::Chores;
use disk::{Disk, Turn};
use last::Last;
use log::{Line, Log, Start, Wanted};
use snapshot::Snapshot;

/// What a show leaves on disk.
pub struct Takes {
    log: Option<Log>,
    /// Logs that are ending.
    ending: Vec<Log>,
    snapshots: BTreeMap<String, Snapshot>,
    /// The snapshot that was recalled last.
    recalled: String,
    /// Counts up when the list of snapshots changes.
    lists: u64,
    disk: Disk,
    board: Board,
    /// A performance that is played again leaves nothing behind but the film.
    silent: bool,
    // Last, so that it ends after everything that may still give it chores.
    chores: Chores,
}

impl Takes {
    /// With the snapshots that are there; recordings go where `record` says.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn open(snapshots: BTreeMap<String, Snapshot>, record: &Record, board: &Board) -> std::io::Result<Self> {
        Ok(Self {
            log: None,
            ending: Vec::new(),
            snapshots,
            recalled: String::new(),
            lists: 0,
            disk: Disk::new(record),
            board: board.clone(),
            silent: false,
            chores: Chores::start()?,
        })
    }

    /// Leaves nothing behind from now on.
    pub fn be_silent(&mut self) {
        self.silent = true;
    }

    /// Small work away from the frame path.
    pub fn chores(&self) -> &Chores {
        &self.chores
    }

    /// Counts up when the list of snapshots changes.
    pub fn lists(&self) -> u64 {
        self.lists
    }
}

/// The disk, and the last state.
impl Takes {
    /// Whether the disk has no room for recordings and takes.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Another preset's folder and floor.
    pub fn set_disk(&mut self, record: &Record) {
        self.disk = Disk::new(record);
    }

    /// Looks at the disk now and then; says what has turned.
    pub fn look_at_disk(&mut self, real: f64) -> Option<Turn> {
        self.disk.look(real, &self.chores)
    }

    /// Has the last state of the show written.
    pub fn keep_last(&self, last: Last, path: PathBuf) {
        let board = self.board.clone();
        self.chores.give(move || match last.write(&path) {
            Ok(()) => board.clear("state"),
            Err(why) => board.fault("state", format!("the state of the show is not kept: {why}")),
        });
    }
}

/// The log of a take.
impl Takes {
    /// Whether a take is logged.
    pub fn logging(&self) -> bool {
        self.log.is_some()
    }

    /// Its file and seconds.
    pub fn log_state(&self, real: f64) -> Option<(PathBuf, f64)> {
        self.log.as_ref().map(|log| (log.path().to_owned(), real - log.since()))
    }

    /// The path of the log.
    pub fn log_path(&self) -> Option<&Path> {
        self.log.as_ref().map(Log::path)
    }

    /// Begins one.
    ///
    /// # Errors
    /// If the system gives no thread for it.
    pub fn begin_log(&mut self, wanted: Wanted, real: f64, start: Start) -> Result<(), String> {
        let log = Log::begin(wanted, real, start, &self.board).map_err(|e| format!("no thread for the take: {e}"))?;
        self.log = Some(log);
        Ok(())
    }

    /// Ends it; its thread writes what waits.
    pub fn end_log(&mut self) {
        if let Some(mut log) = self.log.take() {
            log.close();
            self.ending.push(log);
        }
    }

    /// Says which logs have been written.
    pub fn look(&mut self) {
        self.ending.retain(|log| {
            if log.over() {
                let path = log.path().display();
                self.board.notice("take", format!("wrote {path}; flaneur film --take {path} films it"));
            }
            !log.over()
        });
    }

    /// Ends the log and waits until what waits is written, at most `patience`.
    pub fn finish(&mut self, patience: Duration) {
        self.end_log();
        let start = Instant::now();
        while !self.ending.is_empty() && start.elapsed() < patience {
            self.look();
            std::thread::sleep(Duration::from_millis(1));
        }
        // A disk that hangs holds up nobody.
        std::mem::take(&mut self.ending).into_iter().for_each(Log::leave);
    }

    /// One more line, if a take is logged.
    pub fn line(&mut self, line: impl FnOnce() -> Line) {
        if let Some(log) = &mut self.log {
            log.line(line(), &self.board);
        }
    }
}

/// Snapshots.
impl Takes {
    /// Whether there is one of that name.
    pub fn has_snapshot(&self, name: &str) -> bool {
        self.snapshots.contains_key(name)
    }

    /// All names.
    pub fn snapshot_names(&self) -> Vec<String> {
        self.snapshots.keys().cloned().collect()
    }

    /// All of them.
    pub fn snapshots(&self) -> &BTreeMap<String, Snapshot> {
        &self.snapshots
    }

    /// Others in their place: those of a performance that is played again.
    pub fn set_snapshots(&mut self, snapshots: BTreeMap<String, Snapshot>) {
        self.snapshots = snapshots;
        self.lists += 1;
    }

    /// Their z as points for `load`.
    pub fn points(&self) -> Points {
        self.snapshots.iter().map(|(name, snapshot)| (name.clone(), Arc::new(vec![snapshot.wide()]))).collect()
    }

    /// The same of one.
    pub fn points_of(&self, name: &str) -> Points {
        let one = self.snapshots.get(name).map(|snapshot| (name.to_owned(), Arc::new(vec![snapshot.wide()])));
        one.into_iter().collect()
    }

    /// Keeps a snapshot, and has it written.
    ///
    /// # Errors
    /// Why it is not kept.
    pub fn store(&mut self, name: &str, snapshot: Snapshot) -> Result<(), String> {
        snapshot::check(name)?;
        if self.snapshots.len() >= snapshot::MOST && !self.snapshots.contains_key(name) {
            return Err(format!("there are {} already; store over one", snapshot::MOST));
        }
        self.snapshots.insert(name.to_owned(), snapshot.clone());
        self.lists += 1;
        if self.silent {
            return Ok(());
        }
        let (board, file) = (self.board.clone(), name.to_owned());
        let given = self.chores.give(move || {
            if snapshot::write(&file, &snapshot, &board) {
                board.notice("snapshots", format!("stored {file}"));
            }
        });
        match given {
            true => Ok(()),
            false => Err(format!("snapshot {name} is kept until the show ends, but not written: the disk is busy")),
        }
    }

    /// A snapshot, to go to.
    pub fn recall(&mut self, name: &str) -> Option<Snapshot> {
        let snapshot = self.snapshots.get(name).cloned()?;
        name.clone_into(&mut self.recalled);
        Some(snapshot)
    }

    /// The one that was recalled last.
    pub fn recalled(&self) -> &str {
        &self.recalled
    }
}

/// Stills and versions.
impl Takes {
    /// Writes a scene as a PNG into the folder of recordings.
    pub fn still(&self, scene: Scene, record: &Record) {
        let [w, h] = record.size;
        let (record, board) = (record.clone(), self.board.clone());
        let given = self.chores.give(move || {
            let path = names::stamped(&record.place(), "still", "png");
            let picture = Canvas::default().draw(&scene, [w as usize, h as usize], true);
            match picture.write_new_png(&path) {
                Ok(path) => board.notice("still", format!("wrote {}", path.display())),
                Err(error) => board.fault("still", error.to_string()),
            }
        });
        if !given {
            self.board.fault("still", "the disk is busy; try again");
        }
    }

    /// A version runs: that is said, it is kept in the history, and marked as the one that runs.
    pub fn ran(&self, program: Program) {
        tell(format_args!("{} runs", program.path.display()));
        let board = self.board.clone();
        self.chores.give(move || {
            if let Err(error) = history::keep(&program) {
                board.fault("history", format!("this version is not kept: {error}"));
            }
            // Only for the next start after a crash; a show that cannot leave the mark is no worse.
            let _ = history::set_mark(&program.path);
        });
    }

    /// The show ends in order: takes the mark of its sketch away.
    pub fn unmark(&self, sketch: &Path) {
        let path = sketch.to_owned();
        self.chores.give(move || history::clear_mark(&path));
    }
}
