//! The line of figures that `play --stats` prints now and then and at the end, for people and for tools.

use std::time::Instant;

use super::timing::Timing;
use crate::report::say_later;
use crate::worker::memory_mb;

/// Whether figures are wanted, and when they were told last.
pub(super) struct Figures {
    every_secs: Option<f64>,
    told: Instant,
}

impl Figures {
    pub(super) fn new(every_secs: Option<f64>) -> Self {
        Self { every_secs, told: Instant::now() }
    }

    /// Prints the figures if they are wanted and it is time, or if it is the `last` time.
    pub(super) fn print(&mut self, last: bool, secs: f64, frames: u64, pictures: u64, timing: &Timing) {
        if !self.every_secs.is_some_and(|every| last || self.told.elapsed().as_secs_f64() >= every) {
            return;
        }
        self.told = Instant::now();
        let parts = timing.parts();
        let parts: Vec<String> =
            parts.iter().map(|p| format!("{} {:.2}/{:.2} ms", p.name, p.p50_ms, p.p99_ms)).collect();
        let cause = if timing.cause().is_empty() { String::new() } else { format!(" ({})", timing.cause()) };
        say_later(format!(
            "{secs:.1} s · {frames} frames · {pictures} pictures · {} late{cause} · p50/p99: {} · memory {:.1} MB",
            timing.late(),
            parts.join(", "),
            memory_mb()
        ));
    }
}
