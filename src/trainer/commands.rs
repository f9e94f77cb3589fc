//! Commands that arrive on stdin, one JSON object a line, read on a thread of their own.
//!
//! `trainer::steer` takes what waits between two epochs, [`Pace`] looks in between two updates. What waits is
//! bounded (`trainer::waiting`), and so is a line. The end of the input means that whoever drove is gone,
//! however it died; that is how a training never outlives a show.
//! The thread is not joined: nothing wakes a read of stdin, so it ends with the process.

use std::io::{self, BufRead, ErrorKind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::protocol::Command;
use super::waiting::Waiting;
use crate::latest::lock;
use crate::report::Stop;

/// Bytes of a line at most.
const MOST_BYTES: usize = 64 << 10;
/// How long a training without an owner may take to save itself, if nobody says.
pub const GRACE_SECS: f64 = 30.0;
/// Longest sleep between two looks at what arrived.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Inbox {
    waiting: Waiting,
    ended: bool,
}

/// What has arrived and was not yet taken; clones share it.
#[derive(Clone, Default)]
pub struct Orders(Arc<(Mutex<Inbox>, Condvar)>);

impl Orders {
    /// Starts to read this process's stdin; once it has ended the process may take `grace` to save itself.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn from_stdin(grace: Duration) -> io::Result<Self> {
        let orders = Self::default();
        let theirs = orders.clone();
        let read = move || {
            theirs.read(io::stdin().lock());
            // A training that hangs has nobody left who could end it; what it wrote is whole.
            std::thread::sleep(grace);
            std::process::exit(1);
        };
        std::thread::Builder::new().name("commands".into()).spawn(read)?;
        Ok(orders)
    }

    /// Reads to the end, and says that it came. An input that fails has ended, too.
    fn read(&self, mut input: impl BufRead) {
        let mut bytes = Vec::new();
        while let Ok(read) = read_line(&mut input, &mut bytes) {
            let mut inbox = lock(&self.0.0);
            let waiting = &mut inbox.waiting;
            match (read, std::str::from_utf8(&bytes)) {
                (Read::End, _) => break,
                (Read::TooLong, _) => waiting.complain(format!("a line of more than {MOST_BYTES} bytes; not taken")),
                (Read::Line, Ok(line)) => waiting.hear(line),
                (Read::Line, Err(e)) => waiting.complain(format!("not a line of text ({e})")),
            }
            self.0.1.notify_one();
        }
        lock(&self.0.0).ended = true;
        self.0.1.notify_one();
    }

    /// Takes all that waits.
    pub fn take(&self) -> Waiting {
        std::mem::take(&mut lock(&self.0.0).waiting)
    }

    /// Whether the input has ended.
    pub fn owner_gone(&self) -> bool {
        lock(&self.0.0).ended
    }

    /// Waits until something arrives, at most `patience`.
    pub fn wait(&self, patience: Duration) {
        let nothing = |inbox: &mut Inbox| inbox.waiting.commands.is_empty() && !inbox.ended;
        let waited = self.0.1.wait_timeout_while(lock(&self.0.0), patience, nothing);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// The learning rates that were asked for last, generator's and critic's, as far as they still wait.
    pub fn rates(&self) -> [Option<f64>; 2] {
        lock(&self.0.0).waiting.rates()
    }

    /// The share of rest that was asked for last, if that still waits.
    fn rest(&self) -> Option<f64> {
        lock(&self.0.0).waiting.rest()
    }

    /// Whether something waits that a rest should not hold up.
    fn calling(&self) -> bool {
        let inbox = lock(&self.0.0);
        inbox.ended || inbox.waiting.commands.iter().any(|command| !matches!(command, Command::Set(_)))
    }
}

/// What [`read_line`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    Line,
    TooLong,
    End,
}

/// Reads one line without its end into `line`, never more than [`MOST_BYTES`] of it.
pub(super) fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Read> {
    line.clear();
    let (mut any, mut long) = (false, false);
    loop {
        let buffer = match input.fill_buf() {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        let end = buffer.iter().position(|b| *b == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        any |= !buffer.is_empty();
        long |= line.len() + part.len() > MOST_BYTES;
        match long {
            true => line.clear(),
            false => line.extend_from_slice(part),
        }
        let (used, last) = (part.len() + usize::from(end.is_some()), end.is_some() || buffer.is_empty());
        input.consume(used);
        if last {
            return Ok(if !any {
                Read::End
            } else if long {
                Read::TooLong
            } else {
                Read::Line
            });
        }
    }
}

/// The rests of one epoch, and what it took.
pub struct Pace<'a> {
    orders: Option<&'a Orders>,
    stop: &'a Stop,
    share: f64,
    since: Instant,
    pub worked: Duration,
    pub rested: Duration,
}

impl<'a> Pace<'a> {
    /// Begins now; `share` of the time is to be rest.
    pub fn new(orders: Option<&'a Orders>, stop: &'a Stop, share: f64) -> Self {
        Self { orders, stop, share, since: Instant::now(), worked: Duration::ZERO, rested: Duration::ZERO }
    }

    /// After an update: rests in proportion to its time, unless something waits. False if the owner is gone, so
    /// that the epoch should end soon.
    pub fn rest(&mut self) -> bool {
        let worked = self.since.elapsed();
        let (begin, mut rested) = (Instant::now(), Duration::ZERO);
        while let Some(left) = self.rest_of(worked).checked_sub(rested)
            && !left.is_zero()
            && !self.stop.raised()
            && !self.orders.is_some_and(Orders::calling)
        {
            std::thread::sleep(left.min(LOOK));
            rested = begin.elapsed();
        }
        self.worked += worked;
        self.rested += rested;
        self.since = Instant::now();
        !self.orders.is_some_and(Orders::owner_gone)
    }

    /// The rest that belongs to so much work.
    fn rest_of(&mut self, worked: Duration) -> Duration {
        if let Some(share) = self.orders.and_then(Orders::rest) {
            self.share = share;
        }
        worked.mul_f64(self.share / (1.0 - self.share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_the_last_needs_no_end() {
        let long = "x".repeat(MOST_BYTES + 1);
        let text = format!("one\n\n{long}\ntwo\n{}\nlast", &long[1..]);
        let mut input = io::BufReader::with_capacity(1000, text.as_bytes());
        let mut found = Vec::new();
        let mut line = Vec::new();
        loop {
            let read = read_line(&mut input, &mut line).unwrap();
            found.push((line.len(), read));
            if found[found.len() - 1].1 == Read::End {
                break;
            }
        }
        let expected = [
            (3, Read::Line),
            (0, Read::Line),
            (0, Read::TooLong),
            (3, Read::Line),
            (MOST_BYTES, Read::Line),
            (4, Read::Line),
            (0, Read::End),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_end_of_the_input_is_the_end_of_the_owner() {
        let orders = Orders::default();
        orders.read(&b"{\"command\":\"publish\"}\n\xff\n{\"command\":\"set\",\"rest\":0.5}"[..]);
        assert!(orders.owner_gone() && orders.calling());
        assert_eq!(orders.rest(), Some(0.5));
        let waiting = orders.take();
        assert_eq!((waiting.commands.len(), waiting.complaints.len()), (2, 1));
        assert!(orders.owner_gone() && orders.take().commands.is_empty());
    }

    #[test]
    fn a_rest_is_in_proportion_and_gives_way() {
        let (orders, stop) = (Orders::default(), Stop::default());
        let mut pace = Pace::new(Some(&orders), &stop, 0.75);
        assert_eq!(pace.rest_of(Duration::from_millis(10)), Duration::from_millis(30));
        orders.read(&b"{\"command\":\"set\",\"rest\":0.5}\n{\"command\":\"pause\"}\n"[..]);
        assert_eq!(pace.rest_of(Duration::from_millis(10)), Duration::from_millis(10));
        assert!(!pace.rest() && pace.rested < Duration::from_secs(1));
    }
}
