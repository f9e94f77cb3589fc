//! All that is printed, and what long work tells the person who waits: a bar on a terminal, plain lines elsewhere;
//! the board of a running show; and the wish to stop.
//!
//! Used by everyone above; nobody else prints (`tests/floors.rs`). Bars and the board's lines go to stderr, results
//! to stdout.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// Why a result could not be printed, if one could not.
static UNSAID: Mutex<Option<String>> = Mutex::new(None);

/// Prints on stdout as it stands; false if that cannot be done. Unlike `print!` it never panics: who reads may be
/// gone (`flaneur doctor | head -1`), which takes nothing from the work; other failures are for [`unsaid`].
pub fn print(text: impl Display) -> bool {
    let mut out = std::io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => true,
        Err(error) => {
            if error.kind() != ErrorKind::BrokenPipe {
                let mut unsaid = UNSAID.lock().unwrap_or_else(PoisonError::into_inner);
                unsaid.get_or_insert_with(|| error.to_string());
            }
            false
        }
    }
}

/// The same with an end of line, whether or not somebody reads: a result.
pub fn say(line: impl Display) {
    print(format_args!("{line}\n"));
}

/// Prints a line on stderr, where that can be done: what happens beside the result. A log that ends must not end
/// the show.
pub fn tell(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Why something that had to be printed was not: a full disk, for one.
pub fn unsaid() -> Option<String> {
    UNSAID.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

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

/// How much a report matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Something broke; the last good one goes on.
    Fault,
    /// Worth knowing.
    Notice,
}

/// One line of the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub weight: Weight,
    /// Who says it: "sketch", "generator", "recorder", a controller's name.
    pub origin: String,
    /// What happened, and what to do about it.
    pub text: String,
}

#[derive(Default)]
struct Said {
    lines: BTreeMap<String, Line>,
    echo: bool,
}

/// The report board: one line per origin, replaced by the next of that origin, cleared by success.
#[derive(Clone, Default)]
pub struct Board(Arc<Mutex<Said>>);

/// Most origins on the board; more are left out.
const MOST_LINES: usize = 64;

impl Board {
    /// One that also prints each new line on stderr.
    pub fn echoing() -> Self {
        let board = Self::default();
        board.said().echo = true;
        board
    }

    /// The lines, also where another thread panicked while it held them: they are only ever replaced whole.
    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, weight: Weight, origin: &str, text: String) {
        let mut said = self.said();
        let line = Line { weight, origin: origin.to_owned(), text };
        if said.lines.get(origin) == Some(&line) || (said.lines.len() >= MOST_LINES && !said.lines.contains_key(origin))
        {
            return;
        }
        if said.echo {
            tell(format_args!("{origin}: {}", line.text));
        }
        said.lines.insert(origin.to_owned(), line);
    }

    /// Something broke.
    pub fn fault(&self, origin: &str, text: impl Into<String>) {
        self.put(Weight::Fault, origin, text.into());
    }

    /// Something worth knowing.
    pub fn notice(&self, origin: &str, text: impl Into<String>) {
        self.put(Weight::Notice, origin, text.into());
    }

    /// All is well with that origin.
    pub fn clear(&self, origin: &str) {
        self.said().lines.remove(origin);
    }

    /// The line of one origin.
    pub fn of(&self, origin: &str) -> Option<Line> {
        self.said().lines.get(origin).cloned()
    }

    /// All lines, faults first.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = self.said().lines.values().cloned().collect();
        lines.sort_by_key(|line| line.weight);
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_board_holds_one_line_an_origin() {
        let board = Board::default();
        board.notice("midi", "gone");
        board.fault("sketch", "one");
        board.fault("sketch", "two");
        let lines = board.lines();
        assert_eq!(lines.iter().map(|l| l.text.as_str()).collect::<Vec<_>>(), ["two", "gone"]);
        board.clear("sketch");
        assert_eq!(board.lines().len(), 1);
    }
}
