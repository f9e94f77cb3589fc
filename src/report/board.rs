//! The report board of a running show: one line per origin, as the desk shows it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::lines::Level;
use super::tell_event;

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
    /// How much it matters.
    pub weight: Weight,
    /// Who says it: "sketch", "generator", "recorder", a controller's name.
    pub origin: String,
    /// What happened, and what to do about it.
    pub text: String,
}

/// A line with what is known of its origin.
struct Entry {
    line: Line,
    /// When it was put, counted up.
    number: u64,
    echo: Echo,
}

/// How often an origin has been printed lately.
struct Echo {
    /// Lines that it may still print at once; one more each second.
    left: f64,
    at: Instant,
    /// Lines that were not printed since the last one that was.
    held: u64,
    /// The newest line is one of them.
    unsaid: bool,
}

impl Echo {
    /// Whether a line may be printed now, and how many were held back before it.
    fn may(&mut self, now: Instant) -> Option<u64> {
        self.left = (self.left + (now - self.at).as_secs_f64()).min(BURST);
        self.at = now;
        if self.left < 1.0 {
            self.unsaid = true;
            return None;
        }
        (self.left, self.unsaid) = (self.left - 1.0, false);
        Some(std::mem::take(&mut self.held))
    }

    /// The text of a line, if it may be printed now.
    fn text(&mut self, line: &Line, now: Instant) -> Option<String> {
        match self.may(now)? {
            0 | 1 => Some(line.text.clone()),
            times => Some(format!("{} ({times} times)", line.text)),
        }
    }
}

#[derive(Default)]
struct Said {
    lines: BTreeMap<String, Entry>,
    /// What was printed lately of origins that have no line now.
    quiet: BTreeMap<String, Echo>,
    count: u64,
    echo: bool,
}

/// The report board: one line per origin, replaced by the next of that origin, cleared by success.
#[derive(Clone, Default)]
pub struct Board(Arc<Mutex<Said>>);

/// Most origins on the board; beyond that the oldest notice gives way, or else the oldest fault.
const MOST_LINES: usize = 64;
/// Lines that one origin may print at once; then it is one a second.
const BURST: f64 = 5.0;

impl Board {
    /// One that also prints new lines on stderr, of each origin about one a second.
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
        let line = Line { weight, origin: origin.to_owned(), text };
        let Some(printed) = self.said().take(line, Instant::now()) else { return };
        // Printed without the lock: whoever reads may be slow.
        let level = if weight == Weight::Fault { Level::Error } else { Level::Info };
        tell_event(level, origin, &printed);
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
        self.said().remove(origin);
    }

    /// Nothing is broken there; what is worth knowing stays.
    pub fn clear_fault(&self, origin: &str) {
        let mut said = self.said();
        if said.lines.get(origin).is_some_and(|entry| entry.line.weight == Weight::Fault) {
            said.remove(origin);
        }
    }

    /// The line of one origin.
    pub fn of(&self, origin: &str) -> Option<Line> {
        self.said().lines.get(origin).map(|entry| entry.line.clone())
    }

    /// All lines, faults first.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines: Vec<Line> = self.said().lines.values().map(|entry| entry.line.clone()).collect();
        lines.sort_by_key(|line| line.weight);
        lines
    }
}

impl Said {
    /// Takes a line; gives the text to be printed, if it is to be.
    fn take(&mut self, line: Line, now: Instant) -> Option<String> {
        let echo = self.echo;
        if let Some(entry) = self.lines.get_mut(&line.origin).filter(|entry| entry.line == line) {
            // It had to wait for its turn.
            return if echo && entry.echo.unsaid { entry.echo.text(&line, now) } else { None };
        }
        if !self.lines.contains_key(&line.origin) && self.lines.len() >= MOST_LINES {
            let oldest = |fault: bool| {
                let of_weight = |(_, entry): &(&String, &Entry)| (entry.line.weight == Weight::Fault) == fault;
                let found = self.lines.iter().filter(of_weight).min_by_key(|(_, entry)| entry.number);
                found.map(|(origin, _)| origin.clone())
            };
            let gives_way = oldest(false).or_else(|| oldest(true))?;
            self.remove(&gives_way);
        }
        self.count += 1;
        let before = self.lines.remove(&line.origin).map(|entry| entry.echo).or(self.quiet.remove(&line.origin));
        let mut echo = before.unwrap_or(Echo { left: BURST, at: now, held: 0, unsaid: false });
        echo.held += 1;
        let text = if self.echo { echo.text(&line, now) } else { None };
        self.lines.insert(line.origin.clone(), Entry { line, number: self.count, echo });
        text
    }

    fn remove(&mut self, origin: &str) {
        if let Some(entry) = self.lines.remove(origin) {
            if self.quiet.len() >= MOST_LINES {
                self.quiet.clear();
            }
            self.quiet.insert(origin.to_owned(), entry.echo);
        }
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
        board.clear_fault("midi");
        assert_eq!(board.lines().len(), 1);
    }

    #[test]
    fn the_oldest_notice_gives_way_to_what_is_new() {
        let board = Board::default();
        board.fault("first", "broken");
        (0..100).for_each(|i| board.notice(&format!("port {i}"), "here"));
        board.fault("last", "broken");
        let lines = board.lines();
        assert_eq!(lines.len(), MOST_LINES);
        assert!(lines[0].origin == "first" && lines[1].origin == "last" && board.of("port 99").is_some());
        (0..100).for_each(|i| board.fault(&format!("fault {i}"), "broken"));
        assert!(board.lines().len() == MOST_LINES && board.of("fault 99").is_some());
    }

    #[test]
    fn an_origin_prints_a_few_lines_and_then_one_a_second() {
        let mut said = Said { echo: true, ..Said::default() };
        let start = Instant::now();
        let line = |i: u32| Line { weight: Weight::Fault, origin: "sketch".into(), text: format!("it is {i} now") };
        let printed: Vec<String> = (0..600)
            .filter_map(|i| {
                if i % 7 == 0 {
                    said.remove("sketch");
                }
                said.take(line(i), start + std::time::Duration::from_millis(u64::from(i) * 16))
            })
            .collect();
        assert!((12..=15).contains(&printed.len()), "{printed:?}");
        assert!(printed[0] == "it is 0 now" && printed.last().unwrap().ends_with("times)"), "{printed:?}");
        // The last line of all comes when it may, though nothing is said any longer.
        let late = start + std::time::Duration::from_secs(20);
        assert!(said.take(line(700), start).is_none());
        assert!(said.take(line(700), late).is_some() && said.take(line(700), late).is_none());
    }
}
