//! Commands that arrive on stdin, one JSON object a line, read on a thread of their own.
//!
//! `trainer::steer` takes what waits between two epochs, [`Throttle`] looks in between two updates. What waits is
//! bounded (`trainer::pending`), and so is a line. The end of the input means that whoever drove is gone,
//! however it died; that is how a training never outlives a show.
//! The thread is not joined: nothing wakes a read of stdin, so it ends with the process.

use std::io::{self, BufRead, ErrorKind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::pending::PendingCommands;
use super::protocol::Command;
use crate::latest::lock;
use crate::report::Stop;

/// Bytes of a line at most.
const MOST_BYTES: usize = 64 << 10;
/// How long a training without an owner may take to save itself, if nobody says.
pub const GRACE_SECS: f64 = 30.0;
/// The same for one that was told to stop before: its owner lives, and ends what takes too long.
const STOPPING: Duration = Duration::from_secs(4);
/// Longest sleep between two looks at what arrived.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Inbox {
    pending: PendingCommands,
    /// It was told to stop.
    stops: bool,
    ended: bool,
}

/// What has arrived and was not yet taken; clones share it.
#[derive(Clone, Default)]
pub struct CommandQueue(Arc<(Mutex<Inbox>, Condvar)>);

impl CommandQueue {
    /// Starts to read this process's stdin; once it has ended the process may take `grace` to save itself.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn from_stdin(grace: Duration) -> io::Result<Self> {
        let queue = Self::default();
        let theirs = queue.clone();
        let read = move || {
            theirs.read(io::stdin().lock());
            // A training that hangs has nobody left who could end it; what it wrote is whole.
            std::thread::sleep(if lock(&theirs.0.0).stops { grace.max(STOPPING) } else { grace });
            std::process::exit(1);
        };
        std::thread::Builder::new().name("commands".into()).spawn(read)?;
        Ok(queue)
    }

    /// Reads to the end, and says that it came. An input that fails has ended, too.
    fn read(&self, mut input: impl BufRead) {
        let mut bytes = Vec::new();
        while let Ok(read) = read_line(&mut input, &mut bytes) {
            let mut inbox = lock(&self.0.0);
            let pending = &mut inbox.pending;
            match (read, std::str::from_utf8(&bytes)) {
                (Read::End, _) => break,
                (Read::TooLong, _) => pending.refuse(format!("a line of more than {MOST_BYTES} bytes; not taken")),
                (Read::Line, Ok(line)) => pending.parse_line(line),
                (Read::Line, Err(e)) => pending.refuse(format!("not a line of text ({e})")),
            }
            inbox.stops |= inbox.pending.commands.contains(&Command::Stop);
            self.0.1.notify_one();
        }
        lock(&self.0.0).ended = true;
        self.0.1.notify_one();
    }

    /// Takes all that waits.
    pub fn take(&self) -> PendingCommands {
        std::mem::take(&mut lock(&self.0.0).pending)
    }

    /// Whether the input has ended.
    pub fn owner_gone(&self) -> bool {
        lock(&self.0.0).ended
    }

    /// Waits until something arrives, at most `patience`.
    pub fn wait(&self, patience: Duration) {
        let nothing = |inbox: &mut Inbox| inbox.pending.commands.is_empty() && !inbox.ended;
        let waited = self.0.1.wait_timeout_while(lock(&self.0.0), patience, nothing);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// The learning rates that were asked for last, generator's and critic's, as far as they still wait.
    pub fn rates(&self) -> [Option<f64>; 2] {
        lock(&self.0.0).pending.rates()
    }

    /// The share of rest that was asked for last, if that still waits.
    fn rest(&self) -> Option<f64> {
        lock(&self.0.0).pending.rest()
    }

    /// Whether a command of this kind waits.
    pub fn holds(&self, command: &Command) -> bool {
        lock(&self.0.0).pending.commands.iter().any(|waiting| waiting.same_kind(command))
    }

    /// Whether the training is to end: nobody drives it any more, or it was told to.
    fn ends(&self) -> bool {
        self.owner_gone() || self.holds(&Command::Stop)
    }

    /// Whether something waits that a rest should not hold up.
    pub(super) fn is_urgent(&self) -> bool {
        let inbox = lock(&self.0.0);
        inbox.ended || inbox.pending.commands.iter().any(|command| !matches!(command, Command::Set(_)))
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
pub struct Throttle<'a> {
    commands: Option<&'a CommandQueue>,
    stop: &'a Stop,
    share: f64,
    since: Instant,
    /// Time at work.
    pub worked: Duration,
    /// Time at rest.
    pub rested: Duration,
}

impl<'a> Throttle<'a> {
    /// Begins now; `share` of the time is to be rest.
    pub fn new(commands: Option<&'a CommandQueue>, stop: &'a Stop, share: f64) -> Self {
        Self { commands, stop, share, since: Instant::now(), worked: Duration::ZERO, rested: Duration::ZERO }
    }

    /// After an update: rests in proportion to its time, unless something waits. False if the training is to end, so
    /// that the epoch should end soon.
    pub fn rest(&mut self) -> bool {
        let worked = self.since.elapsed();
        let (begin, mut rested) = (Instant::now(), Duration::ZERO);
        while let Some(left) = self.rest_of(worked).checked_sub(rested)
            && !left.is_zero()
            && !self.stop.raised()
            && !self.commands.is_some_and(CommandQueue::is_urgent)
        {
            std::thread::sleep(left.min(LOOK));
            rested = begin.elapsed();
        }
        self.worked += worked;
        self.rested += rested;
        self.since = Instant::now();
        !self.commands.is_some_and(CommandQueue::ends)
    }

    /// The rest that belongs to so much work.
    fn rest_of(&mut self, worked: Duration) -> Duration {
        if let Some(share) = self.commands.and_then(CommandQueue::rest) {
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
        let queue = CommandQueue::default();
        queue.read(&b"{\"command\":\"publish\"}\n\xff\n{\"command\":\"set\",\"rest\":0.5}"[..]);
        assert!(queue.owner_gone() && queue.is_urgent());
        assert_eq!(queue.rest(), Some(0.5));
        let pending = queue.take();
        assert_eq!((pending.commands.len(), pending.errors.len()), (2, 1));
        assert!(queue.owner_gone() && queue.take().commands.is_empty());
    }

    #[test]
    fn a_rest_is_in_proportion_and_gives_way() {
        let (queue, stop) = (CommandQueue::default(), Stop::default());
        let mut throttle = Throttle::new(Some(&queue), &stop, 0.75);
        assert_eq!(throttle.rest_of(Duration::from_millis(10)), Duration::from_millis(30));
        queue.read(&b"{\"command\":\"set\",\"rest\":0.5}\n{\"command\":\"pause\"}\n"[..]);
        assert_eq!(throttle.rest_of(Duration::from_millis(10)), Duration::from_millis(10));
        assert!(!throttle.rest() && throttle.rested < Duration::from_secs(1));
    }
}
