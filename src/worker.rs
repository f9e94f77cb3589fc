//! Threads with a name, an owner who joins them, and panics that become sentences.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The owner's wish that a worker end.
#[derive(Clone, Default)]
pub struct Ending(Arc<AtomicBool>);

impl Ending {
    /// Whether the owner wishes it.
    pub fn wished(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A running thread; dropping it asks it to end and waits for that.
pub struct Worker {
    ending: Ending,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts `work` on a thread of that name with `stack` bytes; it should look at its [`Ending`] often.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(name: &str, stack: usize, work: impl FnOnce(Ending) + Send + 'static) -> std::io::Result<Self> {
        let ending = Ending::default();
        let theirs = ending.clone();
        let thread = std::thread::Builder::new().name(name.into()).stack_size(stack).spawn(move || work(theirs))?;
        Ok(Self { ending, thread: Some(thread) })
    }

    /// Asks it to end, without waiting.
    pub fn end(&self) {
        self.ending.0.store(true, Ordering::Relaxed);
    }

    /// Lets go of it without waiting: it may never end.
    pub fn leave(mut self) {
        self.end();
        self.thread = None;
    }

    /// Asks it to end and waits for that, but no longer than `patience`; then it is left behind. Gives whether it ended.
    pub fn end_within(self, patience: Duration) -> bool {
        self.end();
        let start = Instant::now();
        while !self.ended() && start.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        let ended = self.ended();
        if !ended {
            self.leave();
        }
        ended
    }

    /// Whether it has ended.
    pub fn ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
        if let Some(thread) = self.thread.take() {
            // Its panic, if there was one, has been printed by the hook; there is nobody to hand it to.
            let _ = thread.join();
        }
    }
}

/// Work that must not wait on the frame path (writing files, starting programs), done in order elsewhere.
pub struct Chores {
    sender: Option<SyncSender<Box<dyn FnOnce() + Send>>>,
    worker: Option<Worker>,
}

/// Chores that may wait.
const MOST_CHORES: usize = 64;

impl Chores {
    /// Starts the thread, named `chores`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel::<Box<dyn FnOnce() + Send>>(MOST_CHORES);
        let worker = Worker::start("chores", 8 << 20, move |_| {
            while let Ok(chore) = receiver.recv() {
                // A chore reports for itself; one that panics must not take the others with it.
                let _ = caught(chore);
            }
        })?;
        Ok(Self { sender: Some(sender), worker: Some(worker) })
    }

    /// Hands a chore over; false if too many wait.
    pub fn give(&self, chore: impl FnOnce() + Send + 'static) -> bool {
        self.sender.as_ref().is_some_and(|sender| sender.try_send(Box::new(chore)).is_ok())
    }
}

impl Drop for Chores {
    /// Finishes what was given.
    fn drop(&mut self) {
        self.sender = None;
        self.worker = None;
    }
}

/// Whether faults are rehearsed: with `FLANEUR_REHEARSE` set, sketches have `rehearse_panic()`, and the
/// generator fails on a z whose first dimension is 99 or more; where that is −99 or less its device does not answer,
/// until two of them were given up.
pub fn rehearsing() -> bool {
    std::env::var_os("FLANEUR_REHEARSE").is_some()
}

/// Makes this thread one of those that share out work, for a program whose one thread does nothing else:
/// it then works along where it would only have waited to be woken. Comes before any such work; later it does
/// nothing.
///
/// # Errors
/// If the other threads cannot be started.
pub fn work_along() -> std::io::Result<()> {
    match rayon::ThreadPoolBuilder::new().use_current_thread().build_global() {
        // A pool that is there already is as good.
        Err(why) if std::error::Error::source(&why).is_some() => Err(std::io::Error::other(why)),
        _ => Ok(()),
    }
}

/// Runs `work`; a panic becomes its message.
///
/// # Errors
/// The panic's message.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(caught(|| 3), Ok(3));
        assert_eq!(caught(|| -> u8 { panic!("no {}", 7) }), Err("no 7".into()));
    }

    #[test]
    fn the_owner_joins() {
        let done = Arc::new(AtomicBool::new(false));
        let theirs = done.clone();
        let worker = Worker::start("test", 1 << 20, move |ending| {
            while !ending.wished() {
                std::thread::yield_now();
            }
            theirs.store(true, Ordering::Relaxed);
        });
        drop(worker.unwrap());
        assert!(done.load(Ordering::Relaxed));
    }

    #[test]
    fn a_worker_that_does_not_end_is_left_behind() {
        let go_on = Arc::new(AtomicBool::new(false));
        let theirs = go_on.clone();
        let deaf = Worker::start("test", 1 << 20, move |_| {
            while !theirs.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
        });
        assert!(!deaf.unwrap().end_within(Duration::from_millis(10)));
        go_on.store(true, Ordering::Relaxed);
        let willing = Worker::start("test", 1 << 20, |_| ()).unwrap();
        assert!(willing.end_within(Duration::from_secs(60)));
    }
}
