//! The line of figures that `play --stats` prints now and then and at the end, for people and for tools.

use std::io::Write;
use std::time::Instant;

use super::Show;

/// Whether figures are wanted, and when they were told last.
pub(super) struct Figures {
    every_secs: Option<f64>,
    told: Instant,
}

impl Figures {
    pub(super) fn new(every_secs: Option<f64>) -> Self {
        Self { every_secs, told: Instant::now() }
    }
}

impl Show {
    /// Prints the figures if it is time.
    pub(super) fn tell_figures(&mut self) {
        if self.figures.every_secs.is_some_and(|every| self.figures.told.elapsed().as_secs_f64() >= every) {
            self.figures.told = Instant::now();
            self.print_figures();
        }
    }

    /// The last line, if figures are wanted.
    pub(super) fn end_figures(&self) {
        if self.figures.every_secs.is_some() {
            self.print_figures();
        }
    }

    fn print_figures(&self) {
        let (parts, late, cause) = self.figures();
        let parts: Vec<String> =
            parts.iter().map(|p| format!("{} {:.2}/{:.2} ms", p.name, p.p50_ms, p.p99_ms)).collect();
        let cause = if cause.is_empty() { String::new() } else { format!(" ({cause})") };
        // Who reads them may be gone; the show is not over for that.
        let _ = writeln!(
            std::io::stdout(),
            "{:.1} s · {} frames · {} pictures · {late} late{cause} · p50/p99: {} · memory {:.1} MB",
            self.secs(),
            self.frames(),
            self.pictures(),
            parts.join(", "),
            memory_mb()
        );
    }
}

/// Resident memory of this process in megabytes; 0 where the system does not tell.
fn memory_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<f64>().ok()).map_or(0.0, |kb| kb / 1024.0)
}
