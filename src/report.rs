//! What long work tells the person who waits: a bar on a terminal, plain lines elsewhere; and the
//! wish to stop.
//!
//! Used by `dataset`, `trainer` and `cli`. Bars go to stderr, results to stdout.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A wish to stop, raised by SIGINT, SIGTERM or a hand.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// One that follows this process's signals. A second signal ends the process at once.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Self::default();
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, 130, stop.0.clone())?;
            signal_hook::flag::register(signal, stop.0.clone())?;
        }
        Ok(stop)
    }

    /// Raises it.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was raised.
    pub fn raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Progress of one piece of long work.
pub struct Progress {
    bar: ProgressBar,
    what: String,
    total: u64,
    shown: std::sync::Mutex<Instant>,
}

/// Pause between plain lines where stderr is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

impl Progress {
    /// `total` steps of `what` ("pictures", "epochs").
    pub fn new(what: &str, total: u64) -> Self {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new(total) } else { ProgressBar::hidden() };
        bar.set_length(total);
        if let Ok(style) =
            ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} {msg} · {per_sec:.2} · {eta_precise} left")
        {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        Self { bar, what: what.into(), total, shown: std::sync::Mutex::new(Instant::now()) }
    }

    /// Counts work done before this run, without counting it into the speed.
    pub fn skip(&self, steps: u64) {
        self.bar.set_position(steps);
        self.bar.reset_eta();
    }

    /// One step further.
    pub fn step(&self) {
        self.bar.inc(1);
        if self.bar.is_hidden()
            && let Ok(mut shown) = self.shown.try_lock()
            && shown.elapsed() >= LINE_EVERY
        {
            *shown = Instant::now();
            eprintln!("{} of {} {}", self.bar.position(), self.total, self.what);
        }
    }

    /// Prints a result line on stdout without tearing the bar.
    pub fn print(&self, line: &str) {
        self.bar.suspend(|| {
            let mut out = std::io::stdout().lock();
            // A closed pipe must not stop work that saves its results elsewhere.
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        });
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
