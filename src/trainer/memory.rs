//! A folder in memory for states that are only looked at, so that the disk sees only those that are kept.
//!
//! Made by `cli::train` for a training beside a show, filled by `trainer::saving`; the show reads the files as any
//! others. It is this user's alone, holds a few states, and goes with the training; what a killed one left is removed by
//! `trainer::supervisor` and by the next one. Where the system has no such folder (only Linux has, `/dev/shm`) there is none, and that is no error.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::published::{Encoded, files_in};
use crate::files::FileError;

/// States that lie in it: the newest, and some before it, which may still be read; as many as have room, in bytes.
const MOST: std::ops::RangeInclusive<usize> = 2..=8;
const ROOM: u64 = 64 << 20;
/// A state larger than this is none for memory, in bytes.
const MOST_BYTES: u64 = 512 << 20;
/// Where such folders are looked for.
const PLACES: [&str; 1] = ["/dev/shm"];
const NAME: &str = "flaneur-states-";
const LOCK: &str = "lock";

/// The folder; dropping it removes it.
pub struct MemoryFolder {
    path: PathBuf,
    /// Held while the folder is used.
    _lock: File,
    steps: VecDeque<u64>,
}

impl MemoryFolder {
    /// Makes one, if there is a place for it.
    pub fn new() -> Option<Self> {
        let place = place()?;
        sweep(place);
        Self::below(place)
    }

    /// Removes what trainings have left that are gone.
    pub fn sweep() {
        place().into_iter().for_each(sweep);
    }

    fn below(place: &Path) -> Option<Self> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let name = |count: u32| place.join(format!("{NAME}{}-{count}", std::process::id()));
        let path = (0..1000).map(name).find(|path| builder.create(path).is_ok())?;
        match File::create(path.join(LOCK)).and_then(|lock| lock.try_lock().map(|()| lock).map_err(Into::into)) {
            Ok(lock) => Some(Self { path, _lock: lock, steps: VecDeque::new() }),
            Err(_) => {
                let _ = fs::remove_dir_all(&path);
                None
            }
        }
    }

    /// Whether a state of so many bytes is one for memory.
    pub fn takes(bytes: u64) -> bool {
        bytes <= MOST_BYTES
    }

    /// Puts a state into it; gives its weights' file and its sheet.
    ///
    /// # Errors
    /// If there is no room.
    pub fn put(&mut self, step: u64, state: &Encoded) -> Result<[PathBuf; 2], FileError> {
        self.steps.retain(|kept| *kept != step);
        let most = ((ROOM / state.len().max(1)) as usize).clamp(*MOST.start(), *MOST.end());
        while self.steps.len() >= most {
            let old = self.steps.pop_front();
            old.into_iter().flat_map(|old| files_in(&self.path, old)).for_each(|path| drop(fs::remove_file(path)));
        }
        let [weights, _, sheet] = state.put(&self.path)?;
        self.steps.push_back(step);
        Ok([weights, sheet])
    }
}

impl Drop for MemoryFolder {
    fn drop(&mut self) {
        // What stays is removed by the next one.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Where such folders are, on a system that has a place for them.
fn place() -> Option<&'static Path> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    PLACES.iter().map(Path::new).find(|place| in_memory(place, &mounts))
}

/// Whether a folder is in memory, by the system's list of mounts.
fn in_memory(place: &Path, mounts: &str) -> bool {
    let of = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (mount, kind) = (words.next()?, words.next()?);
        place.starts_with(mount).then_some((mount.len(), kind))
    });
    // Of mounts over each other the last one is seen.
    of.max_by_key(|(depth, _)| *depth).is_some_and(|(_, kind)| kind == "tmpfs" || kind == "ramfs")
}

/// Removes what trainings left that are gone: nobody holds the lock, and no process has the number.
fn sweep(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(NAME)?.split('-').next()?.parse::<u32>().ok());
        let Some(pid) = pid.filter(|pid| !Path::new(&format!("/proc/{pid}")).exists()) else { continue };
        let lock = File::open(entry.path().join(LOCK));
        if pid > 0 && lock.map_or(true, |lock| lock.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_system_calls_memory_is_memory() {
        let mounts = "/dev/vda / ext4 rw 0 0\ndevtmpfs /dev devtmpfs rw 0 0\ntmpfs /dev/shm tmpfs rw,size=1 0 0\n";
        let is = |place: &str, mounts: &str| in_memory(Path::new(place), mounts);
        assert!(is("/dev/shm", mounts) && is("/dev/shm/deeper", mounts));
        assert!(!is("/dev", mounts) && !is("/tmp", mounts) && !is("/dev/shmall", mounts) && !is("/dev/shm", ""));
        assert!(!is("/dev/shm", &format!("{mounts}/dev/vdb /dev/shm ext4 rw 0 0\n")));
    }

    #[test]
    fn what_the_dead_left_is_swept_and_the_living_keep_theirs() {
        let place = tempfile::tempdir().unwrap();
        let count = || fs::read_dir(place.path()).unwrap().count();
        let (one, two) = (MemoryFolder::below(place.path()).unwrap(), MemoryFolder::below(place.path()).unwrap());
        // No process has a number beyond the system's largest.
        for name in ["flaneur-states-99999999-0", "flaneur-states-99999998-7", "others"] {
            fs::create_dir(place.path().join(name)).unwrap();
            fs::write(place.path().join(name).join("5.safetensors"), "x").unwrap();
        }
        assert_eq!(count(), 5);
        sweep(place.path());
        assert_eq!(count(), 3);
        assert_ne!(one.path, two.path);
        drop((one, two));
        assert_eq!(count(), 1);
    }
}
