//! Pictures that are decoded as they are asked for: a queue, some threads, and what is kept.
//!
//! Fed by [`super::Store`], from any thread. The first pictures that are decoded stay until the cache is full, because
//! a training goes through all of them in a new order each time: there it is the rule by which the most are found
//! again. All others wait in a short list until they are read. Whoever reads decodes along instead of only waiting. No
//! lock is held while a file is read or decoded.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::DatasetError;
use super::super::listing::{Bad, Listing};
use super::super::read::{Fit, pixels};
use super::super::zipped::Fault;
use super::{Options, Usage};
use crate::worker::{Ending, Worker, caught};

/// Threads that decode at most: the training has the processor too.
const MOST_THREADS: usize = 4;
/// Stack of such a thread.
const STACK: usize = 4 << 20;
/// The part of the cache that pictures wait in until they are read, and how many these can be.
const WAITING: u64 = 8;
const LEAST_WAITING: usize = 8;
const MOST_WAITING: usize = 512;
/// Pictures that are read before one that still waits counts as forgotten: more than a trainer is ahead.
const PATIENCE: u64 = 4096;
/// How often a file is tried that the system does not give, and the pause between.
const TRIES: usize = 3;
const PAUSE: Duration = Duration::from_millis(50);

/// Pictures on demand, with the threads that decode them.
pub(super) struct OnDemand {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
}

struct Shared {
    path: PathBuf,
    listing: Listing,
    /// The class of each file; empty if there are none.
    classes: Vec<Option<u16>>,
    size: [usize; 3],
    fit: Fit,
    /// Bytes of a picture.
    each: u64,
    /// Pictures that can be kept, and that can wait.
    most_kept: usize,
    most_waiting: usize,
    state: Mutex<State>,
    /// Something was put into the queue.
    queued: Condvar,
    /// Somebody has done a file.
    done: Condvar,
}

/// In a block of exactly its size, which allocators round up the least.
type Picture = Arc<Box<[u8]>>;

/// A picture that waits until it is read.
struct Waiting {
    file: usize,
    picture: Picture,
    /// How many had been read when it was decoded.
    since: u64,
}

#[derive(Default)]
struct State {
    kept: HashMap<usize, Picture>,
    /// Decoded and not read yet, oldest first.
    waiting: VecDeque<Waiting>,
    /// Pictures that were read so far.
    taken: u64,
    /// To be decoded.
    queue: VecDeque<usize>,
    /// Being decoded now.
    busy: Vec<usize>,
    /// Which files turned out to be unreadable.
    unreadable: Vec<bool>,
    bad: Vec<Bad>,
    peak: usize,
    decoded: u64,
    closing: bool,
}

impl State {
    fn knows(&self, file: usize) -> bool {
        self.kept.contains_key(&file)
            || self.waiting.iter().any(|waiting| waiting.file == file)
            || self.busy.contains(&file)
            || self.queue.contains(&file)
    }

    /// A picture that is decoded: one that waited does so no longer.
    fn take(&mut self, file: usize) -> Option<Picture> {
        let picture = match self.kept.get(&file) {
            Some(picture) => picture.clone(),
            None => {
                let at = self.waiting.iter().position(|waiting| waiting.file == file)?;
                self.waiting.remove(at)?.picture
            }
        };
        self.taken += 1;
        Some(picture)
    }

    fn free(&mut self, file: usize) {
        self.busy.retain(|busy| *busy != file);
    }

    fn held(&self) -> usize {
        self.kept.len() + self.waiting.len() + self.busy.len()
    }
}

impl OnDemand {
    /// Starts the threads. Where the system gives none, whoever reads decodes.
    pub fn start(path: &Path, listing: Listing, classes: Vec<Option<u16>>, options: &Options) -> Self {
        let each = options.size.iter().product::<usize>().max(1) as u64;
        let pictures = |bytes: u64| usize::try_from(bytes / each).unwrap_or(usize::MAX);
        let most_waiting = pictures(options.cache / WAITING).clamp(LEAST_WAITING, MOST_WAITING);
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            state: Mutex::new(State { unreadable: vec![false; listing.len()], ..State::default() }),
            listing,
            classes,
            size: options.size,
            fit: options.fit,
            each,
            // Each thread, and whoever reads, holds one more.
            most_kept: pictures(options.cache).saturating_sub(most_waiting + threads + 1),
            most_waiting,
            queued: Condvar::new(),
            done: Condvar::new(),
        });
        let start = |number: usize| {
            let theirs = shared.clone();
            Worker::start(&format!("decode-{number}"), STACK, move |ending| theirs.work(&ending)).ok()
        };
        let workers = (1..=threads).filter_map(start).collect();
        Self { shared, workers }
    }

    /// The part of what can wait that is begun before it is needed; the other is for what is needed now.
    pub fn most_ahead(&self) -> usize {
        self.shared.most_waiting / 2
    }

    /// Has these files decoded, without waiting for that.
    pub fn ahead(&self, files: &[usize]) {
        let mut state = self.shared.lock();
        for file in files {
            let Some(file) = self.shared.instead(&state, *file).filter(|file| !state.knows(*file)) else { continue };
            while state.queue.len() + state.busy.len() + state.waiting.len() >= self.most_ahead() {
                // What was asked for long ago is wanted no longer, and gives way.
                match state.waiting.front() {
                    Some(oldest) if state.taken - oldest.since > PATIENCE => state.waiting.pop_front(),
                    _ => return,
                };
            }
            state.queue.push_back(file);
            self.shared.queued.notify_one();
        }
    }

    /// Hands the pictures of these files on, in their order, each with what was given beside it.
    pub fn read(&self, files: &[(usize, bool)], mut put: impl FnMut(&[u8], bool)) -> Result<(), DatasetError> {
        for portion in files.chunks((self.shared.most_waiting / 2).max(1)) {
            self.shared.ask(portion.iter().map(|(file, _)| *file));
            for (file, flipped) in portion {
                let picture = self.shared.one(*file)?;
                put(&picture, *flipped);
            }
        }
        Ok(())
    }

    /// The file whose picture comes in place of this one: itself, unless it turned out to be unreadable.
    pub fn stands_for(&self, file: usize) -> usize {
        self.shared.instead(&self.shared.lock(), file).unwrap_or(file)
    }

    /// The files that turned out to be unreadable, without the first `known`.
    pub fn bad_after(&self, known: usize) -> Vec<Bad> {
        self.shared.lock().bad.get(known..).unwrap_or_default().to_vec()
    }

    /// What is in memory.
    pub fn usage(&self) -> Usage {
        let state = self.shared.lock();
        let bytes = |pictures: usize| pictures as u64 * self.shared.each;
        Usage { bytes: bytes(state.held()), peak: bytes(state.peak), decoded: state.decoded }
    }
}

impl Drop for OnDemand {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.queued.notify_all();
        self.workers.clear();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's work: decodes what is in the queue.
    fn work(&self, ending: &Ending) {
        let mut state = self.lock();
        loop {
            if state.closing || ending.requested() {
                return;
            }
            let Some(file) = state.queue.pop_front() else {
                state = self.queued.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.busy.push(file);
            drop(state);
            // What the system does not give is tried by whoever needs it, who can say so.
            let _ = self.decode(file);
            state = self.lock();
        }
    }

    /// Puts files that are needed now to the front of the queue.
    fn ask(&self, files: impl DoubleEndedIterator<Item = usize>) {
        let mut state = self.lock();
        for file in files.rev() {
            let Some(file) = self.instead(&state, file) else { continue };
            state.queue.retain(|queued| *queued != file);
            if !state.knows(file) {
                state.queue.push_front(file);
            }
        }
        // What nobody read in the end is left out first.
        state.queue.truncate(self.most_waiting);
        drop(state);
        self.queued.notify_all();
    }

    /// The picture of a file, or of the one in its place.
    fn one(&self, file: usize) -> Result<Picture, DatasetError> {
        let mut tries = 0;
        let mut state = self.lock();
        loop {
            let Some(file) = self.instead(&state, file) else {
                let (path, bad) = (self.path.clone(), state.bad.len());
                return Err(DatasetError::TooFew { path, count: 0, bad, least: 1 });
            };
            if let Some(picture) = state.take(file) {
                return Ok(picture);
            }
            if state.busy.contains(&file) {
                state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.queue.retain(|queued| *queued != file);
            state.busy.push(file);
            drop(state);
            if let Err(why) = self.decode(file) {
                tries += 1;
                if tries > 1 && self.listing.is_there() {
                    // It is this file alone.
                    self.set_unreadable(file, &why);
                    tries = 0;
                } else if tries == TRIES {
                    return Err(DatasetError::Away { path: self.path.clone(), why });
                } else {
                    std::thread::sleep(PAUSE);
                }
            }
            state = self.lock();
        }
    }

    /// Decodes a file that was marked as busy, and keeps its picture or that it is unreadable.
    ///
    /// # Errors
    /// Why the system does not give it.
    fn decode(&self, file: usize) -> Result<(), String> {
        let work = || pixels(&self.listing.read(file)?, self.size, self.fit).map_err(Fault::Content);
        let decoded = caught(work).unwrap_or_else(|panic| Err(Fault::Content(format!("its decoder failed: {panic}"))));
        let done = match decoded {
            Ok(picture) => {
                self.put(file, Arc::new(picture.into_boxed_slice()));
                Ok(())
            }
            Err(Fault::Content(why)) => {
                self.set_unreadable(file, &why);
                Ok(())
            }
            Err(Fault::Away(why)) => {
                self.lock().free(file);
                Err(why)
            }
        };
        self.done.notify_all();
        done
    }

    fn put(&self, file: usize, picture: Picture) {
        let mut state = self.lock();
        // This one is still among the busy ones.
        state.peak = state.peak.max(state.held());
        state.free(file);
        if state.kept.len() < self.most_kept {
            state.kept.insert(file, picture);
        } else {
            if state.waiting.len() >= self.most_waiting {
                state.waiting.pop_front();
            }
            let since = state.taken;
            state.waiting.push_back(Waiting { file, picture, since });
        }
        state.decoded += 1;
    }

    fn set_unreadable(&self, file: usize, why: &str) {
        let mut state = self.lock();
        state.free(file);
        if !state.unreadable[file] {
            state.unreadable[file] = true;
            state.bad.push(Bad::new(self.listing.name(file), why));
        }
    }

    /// The file whose picture is taken for this one: itself, or the next of its class that is not known to be
    /// unreadable, or the next of any. It does not depend on when which file was found to be unreadable.
    fn instead(&self, state: &State, file: usize) -> Option<usize> {
        if !state.unreadable[file] {
            return Some(file);
        }
        let count = state.unreadable.len();
        let next = || (file + 1..count).chain(0..file).filter(|file| !state.unreadable[*file]);
        let class = self.classes.get(file);
        next().find(|other| self.classes.get(*other) == class).or_else(|| next().next())
    }
}
