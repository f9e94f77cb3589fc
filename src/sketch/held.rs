//! A thread that runs a sketch, as its owner holds it: with a large stack, and let go of where it stays silent.
//!
//! Started by [`super::thread`] for walks and by [`super::drawer`] for pictures of a dataset; they say what it does.
//! Nothing can end a loop inside of native code: a thread that was abandoned runs on at the lowest priority and ends
//! when its call comes back.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::meter::{self, Whereabouts};

/// Stacks to ask for, in bytes: memory is taken only as far as it is used.
const STACKS: [usize; 3] = [1 << 30, 256 << 20, 32 << 20];
/// How long a thread that is at work may take to end, when its owner goes.
const GRACE: Duration = Duration::from_millis(100);

/// What owner and thread share about its life.
#[derive(Default)]
pub(super) struct Life {
    abandoned: AtomicBool,
    /// Abandoned threads of the same show or dataset that are still at work.
    silent: OnceLock<Arc<AtomicUsize>>,
    /// The system's number of the thread, where it has one.
    number: OnceLock<i32>,
    place: OnceLock<Whereabouts>,
}

impl Life {
    /// Whether its owner has let go of it.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::SeqCst)
    }

    fn begin(&self, stack: usize) {
        #[cfg(target_os = "linux")]
        let _ = self.number.set(rustix::thread::gettid().as_raw_nonzero().get());
        let _ = self.place.set(meter::settle(stack));
    }

    fn end(&self) {
        if let Some(silent) = self.silent.get() {
            silent.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// The owner's hold of the thread. When it is dropped the thread is waited for a moment, and left behind if it is still
/// at work; who drops it has asked the thread to end.
pub(super) struct Held {
    life: Arc<Life>,
    thread: Option<JoinHandle<()>>,
}

impl Held {
    /// Starts a thread of this name, with the largest stack that the system gives.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(name: &str, work: impl FnOnce(&Life) + Clone + Send + 'static) -> std::io::Result<Self> {
        let life = Arc::new(Life::default());
        let mut refused = None;
        for stack in STACKS {
            let (theirs, work) = (life.clone(), work.clone());
            let run = move || {
                theirs.begin(stack);
                work(&theirs);
                theirs.end();
            };
            match std::thread::Builder::new().name(name.into()).stack_size(stack).spawn(run) {
                Ok(thread) => return Ok(Self { life, thread: Some(thread) }),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.unwrap_or_else(|| std::io::Error::other("no thread")))
    }

    /// Whether it has ended, or was let go of.
    pub fn ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Source number and byte offset of the body that was entered last.
    pub fn place(&self) -> (usize, usize) {
        self.life.place.get().map_or((0, 0), Whereabouts::now)
    }

    /// Lets go of a thread that stays silent; `silent` counts those that are still at work.
    pub fn abandon(&mut self, silent: &Arc<AtomicUsize>) {
        if self.ended() {
            return;
        }
        silent.fetch_add(1, Ordering::SeqCst);
        let _ = self.life.silent.set(silent.clone());
        self.life.abandoned.store(true, Ordering::SeqCst);
        #[cfg(target_os = "linux")]
        if let Some(number) = self.life.number.get().copied().and_then(rustix::process::Pid::from_raw) {
            // It stands back behind everything that has work to do. That may be refused, and does no harm then.
            let _ = rustix::process::setpriority_process(Some(number), 19);
        }
        // Not joined: it may never come back.
        self.thread = None;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let start = Instant::now();
        while !thread.is_finished() && start.elapsed() < GRACE {
            std::thread::sleep(Duration::from_millis(1));
        }
        // One that is still at work runs on until the process ends, or its call comes back.
        self.life.abandoned.store(true, Ordering::SeqCst);
        if thread.is_finished() {
            // Its panic, if there was one, has been printed by the hook.
            let _ = thread.join();
        }
    }
}
