//! Lines that are written by threads of their own: the log of a show, and its figures.
//!
//! A terminal that was stopped with Ctrl-S, a pager, or a full disk takes nothing from whoever has something to say:
//! lines wait in a bounded queue, and what finds it full is counted. Used by [`super::tell`] and [`super::say_later`]
//! once [`begin_log`] was called; each sink has a queue and a thread, so that none holds up the others.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::ZonedDateTime;

/// Lines that wait for one sink.
const MOST_WAITING: usize = 1024;
/// Bytes of a log's file before the next one begins, and how many older ones are kept.
const ROTATE_BYTES: u64 = 4 << 20;
const ROTATE_KEPT: u32 = 4;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something broke.
    Error,
    /// Worth knowing.
    Info,
}

/// One queue with its thread.
struct Sink {
    sender: SyncSender<String>,
    /// Lines given and lines written.
    given: u64,
    written: Arc<AtomicU64>,
    dropped: u64,
}

impl Sink {
    fn start(name: &str, mut write: impl FnMut(&str) + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = sync_channel::<String>(MOST_WAITING);
        let written = Arc::new(AtomicU64::new(0));
        let theirs = written.clone();
        // Not joined: it may hang in a write until the process ends.
        std::thread::Builder::new().name(name.into()).stack_size(256 << 10).spawn(move || {
            while let Ok(line) = receiver.recv() {
                write(&line);
                theirs.fetch_add(1, Ordering::SeqCst);
            }
        })?;
        Ok(Self { sender, given: 0, written, dropped: 0 })
    }

    fn put(&mut self, line: &str) {
        if self.dropped > 0 {
            let text = format!("{} lines were left out: nobody read them", self.dropped);
            if self.sender.try_send(text).is_err() {
                self.dropped += 1;
                return;
            }
            (self.dropped, self.given) = (0, self.given + 1);
        }
        match self.sender.try_send(line.to_owned()) {
            Ok(()) => self.given += 1,
            Err(_) => self.dropped += 1,
        }
    }

    fn done(&self) -> bool {
        self.written.load(Ordering::SeqCst) >= self.given
    }
}

/// All sinks.
#[derive(Default)]
struct Sinks {
    errors: Option<Sink>,
    results: Option<Sink>,
    file: Option<Sink>,
}

static SINKS: Mutex<Sinks> = Mutex::new(Sinks { errors: None, results: None, file: None });

fn sinks() -> std::sync::MutexGuard<'static, Sinks> {
    SINKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on what is said beside results is written by threads, each line with its time and level, on stderr and,
/// if there is one, at the end of a file. A file that grows beyond 4 MiB becomes `FILE.1`, and so on to `FILE.4`.
///
/// # Errors
/// If the file cannot be opened, or the system gives no thread.
pub fn begin_log(file: Option<&Path>) -> io::Result<()> {
    let file = match file {
        Some(path) => {
            let mut log = LogFile::open(path)?;
            Some(Sink::start("log-file", move |line| log.write(line))?)
        }
        None => None,
    };
    let errors = Sink::start("log", |line| {
        // Who reads may be gone; the show is not over for that.
        let _ = writeln!(io::stderr().lock(), "{line}");
    })?;
    let results = Sink::start("log-figures", |line| {
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    })?;
    *sinks() = Sinks { errors: Some(errors), results: Some(results), file };
    Ok(())
}

/// Waits until everything is written, at most `patience`.
pub fn flush_log(patience: Duration) {
    let start = Instant::now();
    let done = |sinks: &Sinks| [&sinks.errors, &sinks.results, &sinks.file].into_iter().flatten().all(Sink::done);
    while !done(&sinks()) && start.elapsed() < patience {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// One event into the log; false if none was begun.
pub(super) fn event(level: Level, origin: &str, text: &str) -> bool {
    let mut sinks = sinks();
    if sinks.errors.is_none() {
        return false;
    }
    let line = line_of(&ZonedDateTime::now(), level, origin, text);
    let Sinks { errors, file, .. } = &mut *sinks;
    [errors, file].into_iter().flatten().for_each(|sink| sink.put(&line));
    true
}

/// One line of results, written later; false if no log was begun.
pub(super) fn result(line: &str) -> bool {
    sinks().results.as_mut().map(|sink| sink.put(line)).is_some()
}

/// An event on one line: local time, level, who says it, and what; line ends become ` | `.
fn line_of(at: &ZonedDateTime, level: Level, origin: &str, text: &str) -> String {
    let level = match level {
        Level::Error => "error",
        Level::Info => "info ",
    };
    let mut said = String::with_capacity(text.len());
    for (i, part) in text.lines().map(str::trim_end).filter(|part| !part.trim().is_empty()).enumerate() {
        said.push_str(if i > 0 { " | " } else { "" });
        said.extend(part.trim_start().chars().map(|c| if c.is_control() { ' ' } else { c }));
    }
    let origin = if origin.is_empty() { String::new() } else { format!("{origin}: ") };
    format!("{} {level} {origin}{said}", at.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z"))
}

/// A file that is renamed away when it is long.
struct LogFile {
    path: PathBuf,
    file: Option<File>,
    bytes: u64,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.into(), file: Some(file), bytes })
    }

    fn numbered(&self, n: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{n}"));
        PathBuf::from(name)
    }

    fn write(&mut self, line: &str) {
        if self.bytes > ROTATE_BYTES {
            self.file = None;
            // What cannot be renamed is written on.
            for n in (1..ROTATE_KEPT).rev() {
                let _ = std::fs::rename(self.numbered(n), self.numbered(n + 1));
            }
            let _ = std::fs::rename(&self.path, self.numbered(1));
        }
        if self.file.is_none()
            && let Ok(opened) = Self::open(&self.path)
        {
            *self = opened;
        }
        if let Some(file) = &mut self.file {
            // A disk that is full takes the line and nothing else.
            match writeln!(file, "{line}") {
                Ok(()) => self.bytes += line.len() as u64 + 1,
                Err(_) => self.file = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_with_its_time() {
        let at = "2026-02-28T23:59:59.007+01:00[+01:00]".parse().unwrap();
        let line = line_of(&at, Level::Error, "sketch", "a.rn:1:2: no\n 1 | x\n   | ^\n\n yes\u{7}");
        assert_eq!(line, "2026-02-28T23:59:59.007+01:00 error sketch: a.rn:1:2: no | 1 | x | | ^ | yes ");
    }

    #[test]
    fn a_log_rotates() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/show.log");
        let mut log = LogFile::open(&path).unwrap();
        for i in 0..7 {
            log.write(&format!("line {i}"));
            log.bytes = ROTATE_BYTES + 1;
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join("deep").join(name)).unwrap();
        assert_eq!((read("show.log").as_str(), read("show.log.1").as_str()), ("line 6\n", "line 5\n"));
        assert_eq!(std::fs::read_dir(folder.path().join("deep")).unwrap().count(), 1 + ROTATE_KEPT as usize);
    }

    #[test]
    fn a_sink_that_hangs_takes_nothing_from_whoever_speaks() {
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let (hangs, hanging) = std::sync::mpsc::channel::<()>();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let theirs = seen.clone();
        let mut sink = Sink::start("test", move |line| {
            let _ = hangs.send(());
            let _ = held.recv();
            theirs.lock().unwrap().push(line.to_owned());
        })
        .unwrap();
        // A thread that begins late would make room in between.
        sink.put("first");
        hanging.recv().unwrap();
        let start = Instant::now();
        (0..3000).for_each(|i| sink.put(&format!("{i}")));
        assert!(start.elapsed() < Duration::from_secs(1) && !sink.done() && sink.dropped > 1900);
        drop(hold);
        while !sink.done() {
            std::thread::yield_now();
        }
        sink.put("last");
        while !sink.done() {
            std::thread::yield_now();
        }
        let seen = seen.lock().unwrap();
        assert!(seen[seen.len() - 2].contains("lines were left out") && seen[seen.len() - 1] == "last");
    }
}
