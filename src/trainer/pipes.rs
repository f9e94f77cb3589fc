//! The pipes of a training that is a child: three threads, so that a child which neither reads nor ends holds up nobody.
//!
//! Made and joined by `trainer::child`, on its thread. Lines are bounded, and so is what is read in a second: a child
//! that writes without end is read no faster than any training writes, and waits. A thread whose pipe never ends
//! (something else holds it, a system that does not answer) is abandoned: it owns nothing but its end of the pipe.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read, Write};
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::commands::{self, read_line};
use super::protocol::Event;
use crate::latest::lock;

/// Last words of a child that are kept.
const MOST_WORDS: usize = 4;
/// Bytes that are read of a pipe in a second: many times what a training writes.
const BYTES_A_SECOND: usize = 4 << 20;
/// How long the pipes of a child that has ended may take to end, too.
const PATIENCE: Duration = Duration::from_secs(1);

/// The threads on the pipes of one child.
pub(super) struct Pipes {
    /// Lines for it; none once its input is to end.
    pub lines: Option<SyncSender<String>>,
    /// What it says, line by line.
    pub heard: Receiver<Result<Event, String>>,
    words: Arc<Mutex<VecDeque<String>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Pipes {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn of(stdin: Option<ChildStdin>, stdout: Option<ChildStdout>, stderr: Option<ChildStderr>) -> io::Result<Self> {
        let (lines, waiting) = sync_channel::<String>(1);
        let (said, heard) = sync_channel(64);
        let words: Arc<Mutex<VecDeque<String>>> = Arc::default();
        let kept = words.clone();
        let named = |name: &str| std::thread::Builder::new().name(name.into()).stack_size(1 << 20);
        let mut threads = Vec::new();
        if let Some(mut stdin) = stdin {
            threads.push(named("trainer-in").spawn(move || {
                while let Ok(line) = waiting.recv() {
                    if writeln!(stdin, "{line}").and_then(|()| stdin.flush()).is_err() {
                        return;
                    }
                }
            })?);
        }
        if let Some(stdout) = stdout {
            threads.push(named("trainer-out").spawn(move || {
                each_line(stdout, |line| said.send(line.and_then(|line| Event::parse(&line))).is_ok());
            })?);
        }
        if let Some(stderr) = stderr {
            threads.push(named("trainer-err").spawn(move || {
                each_line(stderr, |line| {
                    let mut words = lock(&kept);
                    if let Ok(line) = line
                        && !line.trim().is_empty()
                    {
                        words.push_back(line.chars().take(200).collect());
                    }
                    while words.len() > MOST_WORDS {
                        words.pop_front();
                    }
                    true
                });
            })?);
        }
        Ok(Self { lines: Some(lines), heard, words, threads })
    }

    /// Takes what was said to the end, and the last words; the child has ended, and its pipes end with it or are left.
    pub fn join(self, mut take: impl FnMut(Result<Event, String>)) -> Vec<String> {
        let Self { lines, heard, words, threads } = self;
        drop(lines);
        let until = Instant::now() + PATIENCE;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match heard.recv_timeout(left) {
                Ok(heard) => take(heard),
                Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => break,
            }
        }
        // Nobody is waited for who still sends.
        drop(heard);
        while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        for thread in threads.into_iter().filter(JoinHandle::is_finished) {
            // One that panicked has said so.
            let _ = thread.join();
        }
        lock(&words).drain(..).collect()
    }
}

/// Reads to the end, line by line, never more of one than a command may have.
fn each_line(from: impl Read, mut take: impl FnMut(Result<String, String>) -> bool) {
    let (mut input, mut bytes) = (BufReader::new(Slow::new(from, BYTES_A_SECOND)), Vec::new());
    while let Ok(read) = read_line(&mut input, &mut bytes) {
        let go_on = match read {
            commands::Read::End => return,
            commands::Read::TooLong => take(Err("it is too long".into())),
            commands::Read::Line => take(Ok(String::from_utf8_lossy(&bytes).into_owned())),
        };
        if !go_on {
            return;
        }
    }
}

/// A reader that gives so many bytes in a second at most.
struct Slow<R> {
    from: R,
    most: usize,
    read: usize,
    since: Instant,
}

impl<R> Slow<R> {
    fn new(from: R, most: usize) -> Self {
        Self { from, most, read: 0, since: Instant::now() }
    }
}

impl<R: Read> Read for Slow<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let second = Duration::from_secs(1);
        if self.read >= self.most {
            std::thread::sleep(second.saturating_sub(self.since.elapsed()));
        }
        if self.since.elapsed() >= second {
            (self.read, self.since) = (0, Instant::now());
        }
        let count = self.from.read(bytes)?;
        self.read += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_without_end_is_read_slowly() {
        let start = Instant::now();
        let mut slow = Slow::new(io::repeat(b'x'), 1000);
        let mut bytes = [0; 500];
        for _ in 0..3 {
            slow.read_exact(&mut bytes).unwrap();
        }
        assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    }

    #[test]
    fn rubbish_is_an_error_a_line() {
        let mut said = Vec::new();
        let text = [b"{\"v\":1}\n\xff\xfe\n".to_vec(), vec![b'y'; 200_000], b"\nlast".to_vec()].concat();
        each_line(&text[..], |line| {
            said.push(line.and_then(|line| Event::parse(&line)).is_err());
            true
        });
        assert_eq!(said, [true; 4]);
    }
}
