//! What long work tells the person who waits.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::{say, tell};

/// Progress of one piece of long work.
pub struct Progress {
    bar: ProgressBar,
    what: String,
    total: u64,
    shown: Mutex<Instant>,
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
        Self { bar, what: what.into(), total, shown: Mutex::new(Instant::now()) }
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
            tell(format_args!("{} of {} {}", self.bar.position(), self.total, self.what));
        }
    }

    /// Prints a result line on stdout without tearing the bar.
    pub fn print(&self, line: &str) {
        self.bar.suspend(|| say(line));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
