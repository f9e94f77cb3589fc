//! A slot for the newest value between two threads: writing replaces, reading never blocks unless asked to.
//!
//! The edge of poses, pictures and compiled sketches. No queue stands behind it, so nothing can pile up.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

struct Slot<T> {
    value: Mutex<Option<T>>,
    filled: Condvar,
}

/// One end of the slot; clones share it.
pub struct Latest<T>(Arc<Slot<T>>);

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self(Arc::new(Slot { value: Mutex::new(None), filled: Condvar::new() }))
    }
}

/// The guard, also where another thread panicked while it held the lock: the value was only ever moved.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Latest<T> {
    /// Puts a value in place of whatever waits there; gives that back.
    pub fn put(&self, value: T) -> Option<T> {
        let before = lock(&self.0.value).replace(value);
        self.0.filled.notify_one();
        before
    }

    /// Gives a value back, unless there is a newer one.
    pub fn put_back(&self, value: T) {
        lock(&self.0.value).get_or_insert(value);
        self.0.filled.notify_one();
    }

    /// Takes the value if there is one.
    pub fn take(&self) -> Option<T> {
        lock(&self.0.value).take()
    }

    /// Whether there is one.
    pub fn is_some(&self) -> bool {
        lock(&self.0.value).is_some()
    }

    /// Takes the value, waiting for it at most `patience`.
    pub fn wait(&self, patience: Duration) -> Option<T> {
        let guard = lock(&self.0.value);
        let waited = self.0.filled.wait_timeout_while(guard, patience, |value| value.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_wins_and_is_read_once() {
        let slot = Latest::default();
        assert_eq!((slot.put(1), slot.put(2)), (None, Some(1)));
        slot.put_back(0);
        assert_eq!((slot.take(), slot.take()), (Some(2), None));
    }

    #[test]
    fn a_waiting_reader_is_woken() {
        let slot: Latest<u8> = Latest::default();
        let writer = slot.clone();
        let thread = std::thread::spawn(move || writer.put(7));
        assert_eq!(slot.wait(Duration::from_secs(60)), Some(7));
        thread.join().unwrap();
        assert_eq!(slot.wait(Duration::ZERO), None);
    }
}
