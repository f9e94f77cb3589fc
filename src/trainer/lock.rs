//! The lock of a model folder: one training writes it, and only while it is the folder that the training began in.
//!
//! Taken by `cli::train`, asked by `trainer::saving` before anything is written. The system holds the lock on a file
//! and lets it go when the process ends, however it ends. The file says who holds it; that line is also how a share
//! that comes back, or another one mounted in its place, is told from the folder of this training.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::disk;
use crate::files::{self, FileError, at};

const FILE: &str = "training/.lock";

/// Why a model folder is not written.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another training has it.
    #[error(
        "{who} trains into {folder} already; stop that training, or give this one another model (--model, or model \
         under [train])",
        folder = folder.display()
    )]
    Held {
        /// The model folder.
        folder: PathBuf,
        /// Whose lock it is.
        who: String,
    },
    /// It is not where it was.
    #[error(
        "{folder} is not there any more: a share that is away, or a folder that was moved; once it is back, what was \
         learnt is written there",
        folder = .0.display()
    )]
    Gone(PathBuf),
    /// The lock cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The lock; it ends with its value, or with the process.
#[derive(Debug)]
pub struct ModelLock {
    folder: PathBuf,
    /// Locked, where the file system can.
    file: File,
    /// What the file says: process, host, and when.
    line: String,
}

impl ModelLock {
    /// Takes the lock of a model folder, which is made if it is not there, and removes what dead trainings left half
    /// written in it.
    ///
    /// # Errors
    /// If another process has it, or the folder cannot be written.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let line = format!("{} {} {since}\n", std::process::id(), host());
        let lock = Self { folder: folder.into(), file: open(folder, &line)?, line };
        for part in ["", "training", "history"] {
            disk::sweep(&folder.join(part));
        }
        Ok(lock)
    }

    /// Whether the folder is still the one that this training has to itself.
    ///
    /// # Errors
    /// If the folder is gone, or another process has it now.
    pub fn check(&mut self) -> Result<(), LockError> {
        let path = self.folder.join(FILE);
        match fs::read_to_string(&path) {
            Ok(line) if line == self.line => Ok(()),
            Ok(line) => Err(LockError::Held { folder: self.folder.clone(), who: who(&line) }),
            // Somebody has tidied up: the folder itself is there.
            Err(error) if error.kind() == ErrorKind::NotFound && self.folder.join("model.toml").is_file() => {
                self.file = open(&self.folder, &self.line)?;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Err(LockError::Gone(self.folder.clone())),
            // Where a lock keeps others from reading, it keeps them from taking it, too.
            Err(_) if cfg!(windows) && path.exists() => Ok(()),
            Err(cause) => Err(LockError::File(FileError { path, cause })),
        }
    }
}

impl Drop for ModelLock {
    fn drop(&mut self) {
        // Whoever waits for the lock looks whether the file it got is still the one of that name.
        if fs::read_to_string(self.folder.join(FILE)).is_ok_and(|line| line == self.line) {
            let _ = fs::remove_file(self.folder.join(FILE));
        }
    }
}

/// Opens and locks the file, and writes `line` into it.
fn open(folder: &Path, line: &str) -> Result<File, LockError> {
    let path = folder.join(FILE);
    files::make_folder(&folder.join("training"))?;
    loop {
        let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = at(&path, opened)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let line = fs::read_to_string(&path).unwrap_or_default();
                return Err(LockError::Held { folder: folder.into(), who: who(&line) });
            }
            // A file system without locks: the line is all there is.
            Err(TryLockError::Error(_)) => {}
        }
        if !same(&file, &path) {
            // It was removed by its owner between opening and locking.
            continue;
        }
        at(&path, file.set_len(0).and_then(|()| file.write_all(line.as_bytes())))?;
        return Ok(file);
    }
}

/// Whether the open file still has that name.
fn same(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let of = |about: io::Result<fs::Metadata>| about.map(|about| (about.dev(), about.ino())).ok();
        of(file.metadata()) == of(fs::metadata(path))
    }
    #[cfg(not(unix))]
    {
        let _: (io::Result<fs::Metadata>, bool) = (file.metadata(), path.exists());
        true
    }
}

/// Whom the line of a lock names.
fn who(line: &str) -> String {
    let mut words = line.split_whitespace();
    match (words.next().and_then(|word| word.parse::<u32>().ok()), words.next()) {
        (Some(pid), Some(at)) if at != host() => format!("process {pid} on {at}"),
        (Some(pid), _) => format!("process {pid}"),
        _ => "another process".into(),
    }
}

/// This machine's name, without spaces.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    let name: String = name.unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
    if name.is_empty() { "here".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_training_has_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().join("m");
        let mut first = ModelLock::take(&here).unwrap();
        fs::write(here.join("training/.state.toml.9-9.part"), "half").unwrap();
        let why = ModelLock::take(&here).unwrap_err().to_string();
        assert!(why.contains(&format!("process {} trains into", std::process::id())), "{why}");
        assert!(here.join("training/.state.toml.9-9.part").exists(), "a part of a living training stays");
        first.check().unwrap();
        drop(first);
        assert!(!here.join(FILE).exists());
        // What a crash leaves is a file that nobody has locked.
        fs::write(here.join(FILE), "4242 elsewhere 1\n").unwrap();
        let mut next = ModelLock::take(&here).unwrap();
        assert!(!here.join("training/.state.toml.9-9.part").exists());
        next.check().unwrap();
    }

    #[test]
    fn a_folder_that_is_away_or_another_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let (here, away) = (folder.path().join("m"), folder.path().join("away"));
        let mut lock = ModelLock::take(&here).unwrap();
        fs::write(here.join("model.toml"), "").unwrap();
        fs::rename(&here, &away).unwrap();
        assert!(matches!(lock.check(), Err(LockError::Gone(_))));
        // An empty place where a share was mounted.
        fs::create_dir(&here).unwrap();
        assert!(matches!(lock.check(), Err(LockError::Gone(_))));
        fs::remove_dir(&here).unwrap();
        fs::rename(&away, &here).unwrap();
        lock.check().unwrap();
        // Tidied up by hand.
        fs::remove_file(here.join(FILE)).unwrap();
        lock.check().unwrap();
        assert!(matches!(ModelLock::take(&here), Err(LockError::Held { .. })));
        // The folder of another training in its place.
        fs::write(here.join(FILE), "4242 elsewhere 1\n").unwrap();
        assert!(lock.check().unwrap_err().to_string().starts_with("process 4242 on elsewhere"));
        drop(lock);
        assert!(here.join(FILE).exists(), "another's file stays");
    }
}
