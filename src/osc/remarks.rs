//! What the doors have to say of what came: rejections and holds, as lines for the monitor.
//!
//! Written by the inbox, read by the frame. Bounded whatever arrives: the same line comes once a second, all together
//! at most so many a second, and the rest is counted. Time is handed in.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Lines a second.
const MOST_LINES: usize = 32;
/// Different lines that are remembered, to count repetitions.
const MOST_KNOWN: usize = 64;
/// Lines that wait for a frame; the oldest goes first.
const MOST_WAITING: usize = 128;
/// Over this long lines are counted.
const SPAN: Duration = Duration::from_secs(1);

/// One line that was said lately.
struct Known {
    since: Instant,
    again: u64,
}

/// Lines that wait for the monitor.
#[derive(Default)]
pub(super) struct Remarks {
    waiting: VecDeque<String>,
    known: BTreeMap<String, Known>,
    /// Since when, and how many lines were said.
    span: Option<(Instant, usize)>,
    /// Lines that were too many.
    more: u64,
}

impl Remarks {
    /// A line, unless it was said within the last second or too much was.
    pub fn say(&mut self, line: String, now: Instant) {
        if let Some(known) = self.known.get_mut(&line)
            && now.saturating_duration_since(known.since) < SPAN
        {
            known.again += 1;
            return;
        }
        self.settle(now);
        let said = self.span.map_or(0, |(_, said)| said);
        if said >= MOST_LINES || self.known.len() >= MOST_KNOWN {
            self.more += 1;
            return;
        }
        self.span = Some((self.span.map_or(now, |(since, _)| since), said + 1));
        let again = self.known.remove(&line).map_or(0, |known| known.again);
        self.push(repeated(&line, again));
        self.known.insert(line, Known { since: now, again: 0 });
    }

    /// The lines that wait.
    pub fn take(&mut self, now: Instant) -> Vec<String> {
        self.settle(now);
        self.waiting.drain(..).collect()
    }

    fn push(&mut self, line: String) {
        if self.waiting.len() >= MOST_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(line);
    }

    /// Says what has been counted for a second.
    fn settle(&mut self, now: Instant) {
        let over = |since: Instant| now.saturating_duration_since(since) >= SPAN;
        if self.span.is_none_or(|(since, _)| !over(since)) {
            return;
        }
        self.span = None;
        let mut lines = Vec::new();
        self.known.retain(|line, known| {
            if over(known.since) && known.again > 0 {
                lines.push(repeated(line, known.again));
            }
            !over(known.since)
        });
        if self.more > 0 {
            lines.push(format!("refused {} more, for reasons like these", std::mem::take(&mut self.more)));
        }
        lines.into_iter().for_each(|line| self.push(line));
        // What is counted on is told after another second.
        if !self.known.is_empty() {
            self.span = Some((now, 0));
        }
    }
}

/// A line that came more often than it was said.
fn repeated(line: &str, again: u64) -> String {
    if again == 0 { line.to_owned() } else { format!("{line} ({again} times more)") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_once_a_second_and_counted() {
        let (mut remarks, start) = (Remarks::default(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        for ms in 0..600 {
            remarks.say("a".into(), at(ms));
        }
        remarks.say("b".into(), at(600));
        assert_eq!(remarks.take(at(700)), ["a", "b"]);
        assert!(remarks.take(at(900)).is_empty());
        assert_eq!(remarks.take(at(1100)), ["a (599 times more)"]);
        remarks.say("a".into(), at(1200));
        assert_eq!(remarks.take(at(1200)), ["a"]);
        assert!(remarks.take(at(9000)).is_empty() && remarks.known.is_empty());
    }

    #[test]
    fn many_lines_are_counted_and_memory_is_bounded() {
        let (mut remarks, start) = (Remarks::default(), Instant::now());
        let mut said = 0;
        for i in 0..100_000_u64 {
            let now = start + Duration::from_micros(i * 100);
            remarks.say(format!("line {i}"), now);
            assert!(remarks.known.len() <= MOST_KNOWN && remarks.waiting.len() <= MOST_WAITING);
            if i % 160 == 0 {
                said += remarks.take(now).len();
            }
        }
        // Ten seconds.
        assert!((100..=10 * (MOST_LINES + 2)).contains(&said), "{said}");
    }
}
