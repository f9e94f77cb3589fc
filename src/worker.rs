//! Threads with a name, an owner who joins them, and panics that become sentences.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

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
}
