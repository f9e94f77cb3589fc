//! The last state of a show: everything that it takes to come back after a crash, a power cut, or a night.
//!
//! Kept every few seconds and on change, by a chore, in a file of each process; read by the next start with `--resume`,
//! and after a crash for one thing also without: a version of a sketch that had run for less than a minute is not begun
//! again.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::log::{Script, Start};
use crate::files;
use crate::home;
use crate::preset;

/// Layout of the file.
const VERSION: u32 = 1;
/// A version that had run for less when the process ended is not begun again, in seconds.
pub const DOUBT_SECS: f64 = 60.0;
/// Files of ended shows that stay.
const MOST_KEPT: usize = 8;
/// Names the file of a show that is looked after by another process, which hands it to the next one.
pub const VARIABLE: &str = "FLANEUR_STATE";
/// Set to [`KILLED`] by whoever looks after shows where the one before was killed from outside.
pub const ENDED: &str = "FLANEUR_ENDED";
/// See [`ENDED`].
pub const KILLED: &str = "killed";

/// How a show was when it was last seen.
#[derive(Clone, Serialize, Deserialize)]
pub struct Last {
    version: u32,
    pid: u32,
    /// What it was started with: a preset or a sketch.
    pub target: String,
    /// Sketch and model as that preset had them.
    #[serde(default)]
    pub asked: Option<[String; 2]>,
    /// Seconds since 1970.
    pub at: u64,
    /// It ended in order.
    pub ended: bool,
    /// The run of the machine: another one after a power cut.
    #[serde(default)]
    boot: String,
    /// The last version of a sketch that ran well.
    pub good: Option<Script>,
    /// For how many seconds the version at work has run.
    pub ran_secs: f64,
    /// How everything stood.
    pub start: Start,
}

impl Last {
    /// Of this process, now.
    pub fn new(target: &str, good: Option<Script>, ran_secs: f64, start: Start) -> Self {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (target, pid) = (target.to_owned(), std::process::id());
        Self { version: VERSION, pid, target, asked: None, at, ended: false, boot: boot(), good, ran_secs, start }
    }

    /// Writes it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string(self).map_err(|e| e.to_string())?;
        files::write(path, text.as_bytes()).map_err(|e| e.to_string())
    }

    fn read(path: &Path) -> Option<Self> {
        let last: Self = serde_json::from_slice(&files::read(path).ok()?).ok()?;
        (last.version == VERSION).then_some(last)
    }

    /// Whether a version had run for too short a time when the process ended. That somebody killed it, or a power cut,
    /// is no fault of it.
    pub fn doubtful(&self) -> bool {
        let killed = std::env::var_os(ENDED).is_some_and(|how| how == KILLED);
        !self.ended && !killed && self.ran_secs < DOUBT_SECS && self.boot == boot()
    }

    /// The version to begin with: the one at work, or the one before it if that had run for too short a time when the
    /// process ended; and whether that is so.
    pub fn script(&self) -> (Option<Script>, bool) {
        let doubtful = self.doubtful();
        match &self.good {
            Some(good) if doubtful && good.text != self.start.script.text => (Some(good.clone()), true),
            // The first version of all: nothing is known to run.
            None if doubtful => (None, true),
            _ => (Some(self.start.script.clone()), false),
        }
    }
}

/// What tells one run of the machine from another; empty where the system does not tell.
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Where states of shows are kept.
pub fn folder() -> PathBuf {
    home::place(Path::new(preset::PRESETS).join("state"))
}

/// The file of a process in a folder of states.
pub fn path_of(folder: &Path, process: u32) -> PathBuf {
    folder.join(format!("show-{process}.json"))
}

/// The file of this process in a folder, or the one that whoever looks after it names.
pub fn own_path(folder: &Path) -> PathBuf {
    match std::env::var_os(VARIABLE) {
        Some(path) => path.into(),
        None => path_of(folder, std::process::id()),
    }
}

/// The newest state of a show that has ended and was started with `target`; of any with none. States beyond the newest
/// few are removed.
pub fn find(folder: &Path, target: Option<&str>) -> Option<Last> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from).and_then(|path| Last::read(&path));
    if named.is_some() {
        return named;
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let states = entries.filter(|path| path.extension().is_some_and(|e| e == "json"));
    let mut found: Vec<(Last, PathBuf)> = states.filter_map(|path| Some((Last::read(&path)?, path))).collect();
    found.retain(|(last, _)| !runs(last.pid));
    found.sort_by_key(|(last, _)| std::cmp::Reverse(last.at));
    for (_, path) in found.iter().skip(MOST_KEPT) {
        // One that cannot be removed is in nobody's way.
        let _ = std::fs::remove_file(path);
    }
    found.into_iter().map(|(last, _)| last).find(|last| target.is_none_or(|target| last.target == target))
}

/// Whether a process of that number is there.
fn runs(pid: u32) -> bool {
    if pid == std::process::id() {
        return false;
    }
    #[cfg(unix)]
    {
        let number = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        let answer = number.map(rustix::process::test_kill_process);
        // One of somebody else's is there, too.
        answer.is_some_and(|answer| answer != Err(rustix::io::Errno::SRCH))
    }
    #[cfg(not(unix))]
    false
}
