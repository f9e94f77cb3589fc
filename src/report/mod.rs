//! All that is printed, and what long work tells the person who waits: a bar on a terminal, plain lines elsewhere;
//! the board of a running show and its log; and the request to stop.
//!
//! Used by everyone above; nobody else prints (`tests/floors.rs`). Bars and the board's lines go to stderr, results
//! to stdout. A show prints nothing itself: [`begin_log`] gives that to threads.

mod board;
mod lines;
mod progress;
mod stop;

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

pub use board::{Board, Line, Weight};
pub use lines::{begin_log, flush_log};
pub use progress::Progress;
pub use stop::Stop;

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

/// The same, by a thread where a log was begun: whoever reads may be slow.
pub fn say_later(line: impl Display) {
    let line = line.to_string();
    if !lines::result(&line) {
        say(line);
    }
}

/// Says a line beside the result: on stderr, where that can be done, or into the log. A log that ends must not end the
/// show.
pub fn tell(line: impl Display) {
    let line = line.to_string();
    if !lines::event(lines::Level::Info, "", &line) {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
}

/// An event with who says it, likewise.
fn tell_event(level: lines::Level, origin: &str, text: &str) {
    if !lines::event(level, origin, text) {
        let _ = writeln!(std::io::stderr().lock(), "{origin}: {text}");
    }
}

/// Why something that had to be printed was not: a full disk, for one.
pub fn unsaid() -> Option<String> {
    UNSAID.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
