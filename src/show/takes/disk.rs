//! The disk floor: recordings, takes and samples stop while the disk still has room for everything else.
//!
//! Looked at by a chore every few seconds; never on the frame path.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::latest::lock;
use crate::preset::Record;
use crate::show::health::free_mb;
use crate::worker::Chores;

/// Seconds between two looks.
const LOOK_SECS: f64 = 5.0;
/// What was stopped goes on only when so much more than the floor is free.
const AGAIN: f64 = 1.2;
/// Nobody has looked yet, or the system does not tell.
const UNKNOWN: u64 = u64::MAX;

/// What happened to the room on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is below the floor now.
    Low,
    /// There is room again.
    Room,
}

/// The room on the disk.
#[derive(Debug)]
pub struct Disk {
    record: Record,
    /// Where recordings go, as was found at the last look.
    place: Arc<Mutex<PathBuf>>,
    floor_mb: u64,
    free_mb: Arc<AtomicU64>,
    looked: Option<f64>,
    low: bool,
}

impl Disk {
    /// The disk that recordings go to. Their folder is looked for when room is.
    pub fn new(record: &Record) -> Self {
        let free_mb = Arc::new(AtomicU64::new(UNKNOWN));
        let place = Arc::new(Mutex::new(record.folder.clone()));
        Self { record: record.clone(), place, floor_mb: record.floor_mb, free_mb, looked: None, low: false }
    }

    /// Where recordings go.
    pub fn place(&self) -> PathBuf {
        lock(&self.place).clone()
    }

    /// Whether less than the floor is free.
    pub fn low(&self) -> bool {
        self.low
    }

    /// Megabytes that are free, as far as is known.
    pub fn free_mb(&self) -> Option<u64> {
        Some(self.free_mb.load(Ordering::Relaxed)).filter(|mb| *mb != UNKNOWN)
    }

    /// The floor in megabytes.
    pub fn floor_mb(&self) -> u64 {
        self.floor_mb
    }

    /// Has a look taken if it is time; says what has turned since the last call.
    pub fn look(&mut self, real: f64, chores: &Chores) -> Option<Turn> {
        if self.looked.is_none_or(|at| real - at >= LOOK_SECS) {
            self.looked = Some(real);
            let (record, place, out) = (self.record.clone(), self.place.clone(), self.free_mb.clone());
            chores.give(move || {
                let found = record.place();
                out.store(free_mb(&found).unwrap_or(UNKNOWN), Ordering::Relaxed);
                *lock(&place) = found;
            });
        }
        self.turn()
    }

    fn turn(&mut self) -> Option<Turn> {
        let (free, floor) = (self.free_mb()?, self.floor_mb);
        if floor == 0 {
            return None;
        }
        if !self.low && free < floor {
            self.low = true;
            return Some(Turn::Low);
        }
        if self.low && free as f64 >= floor as f64 * AGAIN {
            self.low = false;
            return Some(Turn::Room);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_turns_once_each_way() {
        let mut disk = Disk::new(&Record { floor_mb: 1000, ..Record::default() });
        assert_eq!((disk.turn(), disk.low()), (None, false));
        let mut at = |free: u64| {
            disk.free_mb.store(free, Ordering::Relaxed);
            (disk.turn(), disk.turn(), disk.low())
        };
        assert_eq!(at(2000), (None, None, false));
        assert_eq!(at(999), (Some(Turn::Low), None, true));
        assert_eq!(at(1100), (None, None, true));
        assert_eq!(at(1200), (Some(Turn::Room), None, false));
    }
}
