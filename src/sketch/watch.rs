//! Watching files: sketches, presets and models that change under a running show.
//!
//! notify's callback only notes which files; a thread of ours waits for a moment of quiet (editors rename and write
//! twice), does the slow part away from the frame path, and talks to notify. Folders are watched by role and without
//! what is below them: another folder for a role lets go of the one before. A folder that was moved away and made
//! anew (git checkout, Syncthing) is watched again, and after an overflow of the system's queue all is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use notify::event::AccessKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::latest::lock;
use crate::report::Board;
use crate::worker::Worker;

/// How long nothing must happen before files count as written.
const QUIET: Duration = Duration::from_millis(30);
/// Longest wait for quiet: a file that is written without end is read nevertheless.
const PATIENCE: Duration = Duration::from_millis(400);
/// Between two looks at whether the owner wants to end, or other folders.
const LOOK: Duration = Duration::from_millis(50);
/// Between two looks at whether the folders are still those that are watched.
const CHECK: Duration = Duration::from_millis(500);
/// Files of a folder that stand for all of it, when it was replaced.
const MOST_FILES: usize = 4096;

/// What the work on changed files is given.
pub type Changed = BTreeSet<PathBuf>;

/// Folders, or files in them, by what they are for.
type Wanted = Arc<Mutex<BTreeMap<&'static str, Vec<PathBuf>>>>;

/// A watch over some folders; dropping it ends it.
pub struct Watch {
    wanted: Wanted,
    sender: SyncSender<PathBuf>,
    _worker: Worker,
}

impl Watch {
    /// Watches nothing yet; `work` runs on a thread named `watch`, once for each burst of changes.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(board: &Board, mut work: impl FnMut(&Changed) + Send + 'static) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(1024);
        let (wanted, board, sends) = (Wanted::default(), board.clone(), sender.clone());
        let theirs = wanted.clone();
        let worker = Worker::start("watch", 8 << 20, move |ending| {
            let mut folders = Folders::new(board, sends);
            while !ending.requested() {
                let mut changed = folders.follow(&theirs);
                if changed.is_empty() {
                    changed = burst(&receiver);
                    // What was asked for meanwhile is watched before anybody reads: no change falls in between.
                    changed.extend(folders.follow(&theirs));
                }
                if !changed.is_empty() {
                    work(&changed);
                }
            }
        })?;
        Ok(Self { wanted, sender, _worker: worker })
    }

    /// Watches a folder for a role, or the folder that a file is in, in place of what was watched for it. Of a file
    /// that is a link, and of links in a folder, the folders of what they lead to are watched as well.
    pub fn on(&self, role: &'static str, path: &Path) {
        self.on_all(role, vec![path.to_owned()]);
    }

    /// The same with several folders or files.
    pub fn on_all(&self, role: &'static str, paths: Vec<PathBuf>) {
        lock(&self.wanted).insert(role, paths);
    }

    /// Has `work` called as if that file had changed.
    pub fn poke(&self, path: &Path) {
        // A full queue leads to a look at the files anyway.
        let _ = self.sender.try_send(path.into());
    }
}

/// What to do where files cannot be watched.
const HINT: &str = "changes on disk are not seen; reload with Ctrl-S";

/// Which folder stands at a path: another one has another number.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64, Option<SystemTime>);

impl Identity {
    fn of(folder: &Path) -> Option<Self> {
        let about = std::fs::metadata(folder).ok().filter(std::fs::Metadata::is_dir)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Some(Self(about.dev(), about.ino(), None))
        }
        #[cfg(not(unix))]
        Some(Self(0, 0, about.created().ok()))
    }
}

/// notify, and what it watches.
struct Folders {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeMap<PathBuf, Identity>,
    /// What was wanted at the last look.
    wanted: Vec<PathBuf>,
    overflow: Arc<AtomicBool>,
    checked: Option<Instant>,
    refused: BTreeSet<PathBuf>,
    board: Board,
}

impl Folders {
    fn new(board: Board, sender: SyncSender<PathBuf>) -> Self {
        let overflow = Arc::new(AtomicBool::new(false));
        let theirs = overflow.clone();
        let callback = move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return theirs.store(true, Ordering::Relaxed) };
            if event.need_rescan() {
                theirs.store(true, Ordering::Relaxed);
            }
            // Reading a file is no change to it.
            if matches!(event.kind, EventKind::Access(AccessKind::Open(_) | AccessKind::Read)) {
                return;
            }
            for path in event.paths {
                // A full queue holds a burst already; what is in it leads to a look at the files.
                if sender.try_send(path).is_err() {
                    theirs.store(true, Ordering::Relaxed);
                }
            }
        };
        let made = notify::recommended_watcher(callback);
        let watcher =
            made.map_err(|error| board.fault("watch", format!("files cannot be watched ({error}): {HINT}"))).ok();
        Self {
            watcher,
            watched: BTreeMap::new(),
            wanted: Vec::new(),
            overflow,
            checked: None,
            refused: BTreeSet::new(),
            board,
        }
    }

    /// Watches what is wanted now, and lets go of the rest. Gives the files of folders that were replaced, or of all
    /// after an overflow.
    fn follow(&mut self, wanted: &Wanted) -> Changed {
        let paths: Vec<PathBuf> = lock(wanted).values().flatten().cloned().collect();
        let due = self.checked.is_none_or(|at| at.elapsed() >= CHECK);
        let overflow = self.overflow.swap(false, Ordering::Relaxed);
        let mut changed = Changed::new();
        if paths == self.wanted && !due && !overflow {
            return changed;
        }
        let folders: BTreeSet<PathBuf> = paths.iter().flat_map(|path| folders_of(path)).collect();
        let known: BTreeSet<PathBuf> = self.watched.keys().chain(&self.refused).cloned().collect();
        self.wanted = paths;
        self.checked = Some(Instant::now());
        for folder in known.difference(&folders) {
            self.let_go(folder);
        }
        for folder in &folders {
            let now = Identity::of(folder);
            let before = self.watched.get(folder).copied();
            if now != before {
                let back = before.is_none() && self.refused.contains(folder);
                self.let_go(folder);
                self.watch(folder, now);
                // One that is new to us has been read by whoever wants it watched.
                if before.is_some() || (back && now.is_some()) {
                    changed.extend(files_of(folder));
                }
            } else if overflow {
                changed.extend(files_of(folder));
            }
        }
        changed
    }

    fn let_go(&mut self, folder: &Path) {
        self.refused.remove(folder);
        if self.watched.remove(folder).is_some()
            && let Some(watcher) = &mut self.watcher
        {
            // One that is gone is watched no longer anyway.
            let _ = watcher.unwatch(folder);
        }
    }

    fn watch(&mut self, folder: &Path, identity: Option<Identity>) {
        let Some(watcher) = &mut self.watcher else { return };
        // One that is not there is looked for again, silently: points and mappings need not be.
        let Some(identity) = identity else {
            self.refused.insert(folder.to_owned());
            return;
        };
        match watcher.watch(folder, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.watched.insert(folder.to_owned(), identity);
                self.board.clear("watch");
            }
            Err(error) => {
                self.refused.insert(folder.to_owned());
                self.board.fault("watch", format!("{} cannot be watched ({error}): {HINT}", folder.display()));
            }
        }
    }
}

/// The folders to watch for a path.
fn folders_of(path: &Path) -> Vec<PathBuf> {
    let plain = |folder: &Path| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() };
    if path.extension().is_none() || path.is_dir() {
        let links = files_of(path).filter_map(|path| led_to(&path));
        return std::iter::once(plain(path)).chain(links.filter_map(|to| to.parent().map(plain))).collect();
    }
    let own = path.parent().map(plain);
    own.into_iter().chain(led_to(path).and_then(|to| to.parent().map(plain))).collect()
}

/// What a link leads to; none for what is no link, or leads nowhere.
pub fn led_to(path: &Path) -> Option<PathBuf> {
    let linked = std::fs::symlink_metadata(path).is_ok_and(|about| about.is_symlink());
    if linked { std::fs::canonicalize(path).ok() } else { None }
}

fn files_of(folder: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).take(MOST_FILES)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latest::Latest;

    fn check(seen: &Latest<Changed>, name: &str) {
        let start = Instant::now();
        loop {
            let found = seen.wait(Duration::from_secs(1)).unwrap_or_default();
            if found.iter().any(|path| path.ends_with(name)) {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{name} was not seen");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_a_link_leads_to_is_watched() {
        let home = tempfile::tempdir().unwrap();
        let (links, texts) = (home.path().join("links"), home.path().join("texts"));
        std::fs::create_dir(&links).unwrap();
        std::fs::create_dir(&texts).unwrap();
        std::fs::write(texts.join("real.rn"), "1").unwrap();
        std::os::unix::fs::symlink(texts.join("real.rn"), links.join("a.rn")).unwrap();
        let seen: Latest<Changed> = Latest::default();
        let theirs = seen.clone();
        let watch = Watch::start(&Board::default(), move |changed| drop(theirs.put(changed.clone()))).unwrap();
        watch.on("sketch", &links.join("a.rn"));
        watch.poke(Path::new("begin"));
        check(&seen, "begin");
        std::fs::write(texts.join("real.rn"), "2").unwrap();
        check(&seen, "real.rn");
    }

    #[test]
    fn a_folder_that_was_replaced_is_watched_again_and_others_are_let_go_of() {
        let home = tempfile::tempdir().unwrap();
        let (a, b) = (home.path().join("a"), home.path().join("b"));
        std::fs::create_dir(&a).unwrap();
        std::fs::create_dir_all(b.join("deep")).unwrap();
        std::fs::write(a.join("one.rn"), "1").unwrap();
        let seen: Latest<Changed> = Latest::default();
        let theirs = seen.clone();
        let watch = Watch::start(&Board::default(), move |changed| drop(theirs.put(changed.clone()))).unwrap();
        watch.on("sketch", &a);
        watch.poke(Path::new("begin"));
        check(&seen, "begin");
        std::fs::rename(&a, home.path().join("old")).unwrap();
        std::fs::create_dir(&a).unwrap();
        std::fs::write(a.join("two.rn"), "2").unwrap();
        check(&seen, "two.rn");
        std::fs::write(a.join("three.rn"), "3").unwrap();
        check(&seen, "three.rn");
        // Another folder for the role; what is below it is not watched.
        watch.on("sketch", &b);
        watch.poke(Path::new("again"));
        check(&seen, "again");
        std::fs::write(a.join("four.rn"), "4").unwrap();
        std::fs::write(b.join("deep/five.rn"), "5").unwrap();
        std::fs::write(b.join("six.rn"), "6").unwrap();
        let found = seen.wait(Duration::from_secs(20)).unwrap();
        assert!(found.iter().any(|path| path.ends_with("six.rn")), "{found:?}");
        assert!(!found.iter().any(|path| path.ends_with("four.rn") || path.ends_with("five.rn")), "{found:?}");
    }
}
