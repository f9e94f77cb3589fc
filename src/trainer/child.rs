//! A training as a child process: started, driven, looked after, ended. The show's end of `trainer::protocol`.
//!
//! One thread, `trainer`, owns the process and its pipes; three more read and write those, so that a child which
//! does neither can hold up nobody. Commands wait in a [`Waiting`], events in a short queue: both are bounded
//! whatever comes. A child that ends by itself is started again with growing pauses, from its checkpoint; one whose
//! owner dies sees the end of its input and goes too (`trainer::commands`). Nothing of what it does can fail here:
//! faults are lines on the board.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command as Program, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::checkpoint;
use super::commands::{self, read_line};
use super::protocol::{Command, Event, Reason, Settings, Source};
use super::waiting::Waiting;
use crate::latest::lock;
use crate::report::Board;
use crate::worker::{Ending, Worker};

/// Between two looks at the child.
const LOOK: Duration = Duration::from_millis(20);
/// How long a child that was asked to stop may take to end its epoch and save itself; then its input ends, and
/// then it is killed.
const GRACES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(7)];
/// Pauses before a start after a crash: the first, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// A child that has run for so long begins with the first pause again.
const WELL: Duration = Duration::from_secs(60);
/// Events that wait for the show.
const MOST_EVENTS: usize = 256;
/// Last words of a child that are kept.
const MOST_WORDS: usize = 4;

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Errand {
    pub program: PathBuf,
    /// Arguments of a first sitting, and of one that goes on from the checkpoint in `folder`.
    pub fresh: Vec<OsString>,
    pub again: Vec<OsString>,
    /// The model folder it writes.
    pub folder: PathBuf,
    /// Threads it may use; 0 for as many as it likes.
    pub threads: usize,
    /// Megabytes it may use, for the sentence when it has used them; 0 is no limit.
    pub memory_mb: u64,
}

impl Errand {
    /// Where the data stand among the arguments.
    pub const DATA: usize = 1;
}

/// How the child does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Running {
    #[default]
    Off,
    Starting,
    On,
    /// It crashed and will be started again, for this time.
    Waiting(u32),
    /// It has ended, and is not started again by itself.
    Ended,
}

/// What is set again whenever a child starts: the hands' wishes outlive it.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    pub settings: Settings,
    pub data: Option<Source>,
    pub second: Option<Source>,
    pub paused: bool,
}

#[derive(Default)]
struct Shared {
    waiting: Waiting,
    wishes: Wishes,
    events: VecDeque<Event>,
    /// Events that were dropped because nobody took them.
    lost: u64,
    running: Running,
    pid: Option<u32>,
}

/// The owner's end; dropping it stops the child and waits for that, some seconds at most.
pub struct Child {
    shared: Arc<Mutex<Shared>>,
    worker: Worker,
}

impl Child {
    /// Starts the thread that starts the child.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(errand: Errand, wishes: Wishes, board: &Board) -> std::io::Result<Self> {
        let shared = Arc::new(Mutex::new(Shared { wishes, running: Running::Starting, ..Shared::default() }));
        let (theirs, board) = (shared.clone(), board.clone());
        let worker = Worker::start("trainer", 1 << 20, move |ending| {
            Keeper { errand, shared: theirs, board, crashes: 0 }.keep(&ending);
        })?;
        Ok(Self { shared, worker })
    }

    /// Gives it a command; of each kind the newest waits.
    pub fn send(&self, command: Command) {
        let mut shared = lock(&self.shared);
        match &command {
            Command::Set(settings) => {
                let older = std::mem::replace(&mut shared.wishes.settings, settings.clone());
                shared.wishes.settings.fill(older);
            }
            Command::Run | Command::Pause => shared.wishes.paused = command == Command::Pause,
            Command::Data(source) => shared.wishes.data = Some(source.clone()),
            Command::Data2(source) => shared.wishes.second = Some(source.clone()),
            _ => {}
        }
        shared.waiting.push(command);
    }

    /// What is to be set and has not been handed over yet.
    pub fn unsent(&self) -> Option<Settings> {
        lock(&self.shared).waiting.settings().cloned()
    }

    /// What has happened since the last look.
    pub fn events(&self) -> Vec<Event> {
        lock(&self.shared).events.drain(..).collect()
    }

    /// How it does.
    pub fn running(&self) -> Running {
        lock(&self.shared).running
    }

    /// Its process, while there is one.
    pub fn pid(&self) -> Option<u32> {
        lock(&self.shared).pid
    }

    /// What hands have wished so far.
    pub fn wishes(&self) -> Wishes {
        lock(&self.shared).wishes.clone()
    }

    /// Asks it to stop, without waiting for that.
    pub fn end(&self) {
        self.worker.end();
    }

    /// Whether it has stopped.
    pub fn ended(&self) -> bool {
        self.worker.ended()
    }
}

/// The thread's own part.
struct Keeper {
    errand: Errand,
    shared: Arc<Mutex<Shared>>,
    board: Board,
    crashes: u32,
}

/// The threads on the pipes of one child.
struct Pipes {
    lines: Option<SyncSender<String>>,
    heard: Receiver<Result<Event, String>>,
    words: Arc<Mutex<VecDeque<String>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Keeper {
    fn keep(&mut self, ending: &Ending) {
        while !ending.wished() {
            let start = Instant::now();
            let ended = self.sitting(ending);
            if start.elapsed() > WELL {
                self.crashes = 0;
            }
            match ended {
                Ok(Some(why)) => {
                    self.crashes += 1;
                    let pause = (PAUSES[0] * (1 << (self.crashes - 1).min(6))).min(PAUSES[1]);
                    let text = format!("{why}; the picture stays; attempt {} in {} s", self.crashes, pause.as_secs());
                    self.board.fault("trainer", text);
                    self.set(Running::Waiting(self.crashes));
                    self.pause(pause, ending);
                }
                Ok(None) => break,
                Err(why) => {
                    self.board.fault("trainer", why);
                    break;
                }
            }
        }
        self.set(Running::Ended);
    }

    fn set(&self, running: Running) {
        let mut shared = lock(&self.shared);
        shared.running = running;
        if running != Running::On {
            shared.pid = None;
        }
    }

    fn pause(&self, pause: Duration, ending: &Ending) {
        let start = Instant::now();
        while start.elapsed() < pause && !ending.wished() {
            std::thread::sleep(LOOK);
        }
    }

    /// One life of the child: why it is to be started again, or none if it has ended in order.
    fn sitting(&mut self, ending: &Ending) -> Result<Option<String>, String> {
        let mut child = self.spawn().map_err(|e| {
            format!("the trainer {} cannot be started: {e}; the picture stays", self.errand.program.display())
        })?;
        let pipes = Pipes::of(child.stdin.take(), child.stdout.take(), child.stderr.take());
        let Ok(mut pipes) = pipes else {
            let _ = child.kill();
            let _ = child.wait();
            return Err("no threads for the trainer's pipes".into());
        };
        lock(&self.shared).pid = Some(child.id());
        self.greet();
        let mut asked: Option<Instant> = None;
        let mut last = None;
        let status = loop {
            self.hear(&pipes, &mut last);
            self.tell(&pipes);
            if ending.wished() && asked.is_none() {
                asked = Some(Instant::now());
                lock(&self.shared).waiting.push(Command::Stop);
            }
            // The end of its input is the same wish, in case it does not hear.
            if asked.is_some_and(|at| at.elapsed() > GRACES[0]) {
                pipes.lines = None;
            }
            if asked.is_some_and(|at| at.elapsed() > GRACES[1]) {
                let _ = child.kill();
            }
            match child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) => std::thread::sleep(LOOK),
                Err(_) => break None,
            }
        };
        pipes.lines = None;
        let mut words = pipes.join(|event| self.take(event, &mut last));
        if let Some(Event::Stopped { text, .. }) = &last {
            words.push(text.clone());
        }
        lock(&self.shared).pid = None;
        match last {
            _ if ending.wished() => Ok(None),
            Some(Event::Stopped { reason: Reason::Asked | Reason::Finished, .. }) => Ok(None),
            // What was explained and would come again at once: wrong data, a wrong option, a divergence.
            Some(Event::Stopped { reason: Reason::Diverged | Reason::Error, text, .. }) if self.explained(&text) => {
                Err(format!("the training has ended: {text}; the picture stays"))
            }
            _ => Ok(Some(self.reason(status, &words))),
        }
    }

    /// Whether an error of the child is one that a new start cannot mend.
    fn explained(&self, text: &str) -> bool {
        let passing = ["No space", "os error 28", "os error 11", "os error 12", "memory"];
        !passing.iter().any(|words| text.contains(words))
    }

    fn reason(&self, status: Option<ExitStatus>, words: &[String]) -> String {
        // No room for a thread's stack (11) is no room either.
        let signs = ["memory allocation of", "out of memory", "os error 11", "os error 12"];
        let memory = words.iter().any(|words| signs.iter().any(|sign| words.contains(sign)));
        let how = match status {
            _ if memory && self.errand.memory_mb > 0 => {
                let most = self.errand.memory_mb;
                return format!(
                    "the trainer needs more than its limit of {most} MB; raise memory_mb, or take smaller batches"
                );
            }
            Some(status) => status.to_string(),
            None => "lost".into(),
        };
        let said = words.last().map_or(String::new(), |w| format!(" ({w})"));
        format!("the trainer ended by itself, {how}{said}")
    }

    fn spawn(&self) -> std::io::Result<std::process::Child> {
        let resumes = checkpoint::exists(&self.errand.folder.join("training"));
        let mut program = Program::new(&self.errand.program);
        let args = if resumes { &self.errand.again } else { &self.errand.fresh };
        let wished = lock(&self.shared).wishes.data.clone();
        // It begins with what a hand has chosen since, which the preset's folder may no longer hold.
        let data = match wished {
            // A name that was mistyped is no reason to end.
            Some(Source { path: Some(path), .. }) if Path::new(&path).exists() => Some(OsString::from(path)),
            Some(Source { lines: Some(_), .. }) => Some("lines".into()),
            _ => None,
        };
        program.args(args.iter().enumerate().map(|(at, arg)| match &data {
            Some(data) if at == Errand::DATA => data,
            _ => arg,
        }));
        if self.errand.threads > 0 {
            program.env("RAYON_NUM_THREADS", self.errand.threads.to_string());
        }
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // In a group of its own: Ctrl-C ends the show, and the show ends the training in order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut program, 0);
        program.spawn()
    }

    /// What was wished before this child lived.
    fn greet(&self) {
        let mut shared = lock(&self.shared);
        let Wishes { settings, data, second, paused } = shared.wishes.clone();
        let mut push = |command| {
            // What waits is newer.
            if !shared.waiting.commands.iter().any(|waiting| waiting.same_kind(&command)) {
                shared.waiting.push(command);
            }
        };
        if settings != Settings::default() {
            push(Command::Set(settings));
        }
        if let Some(data) = data {
            push(Command::Data(data));
        }
        if let Some(second) = second {
            push(Command::Data2(second));
        }
        if paused {
            push(Command::Pause);
        }
    }

    /// Takes what the child says.
    fn hear(&mut self, pipes: &Pipes, last: &mut Option<Event>) {
        // A flood must not keep it from looking after the child.
        for heard in pipes.heard.try_iter().take(MOST_EVENTS) {
            self.take(heard, last);
        }
    }

    fn take(&mut self, heard: Result<Event, String>, last: &mut Option<Event>) {
        let event = match heard {
            Ok(event) => event,
            Err(why) => return self.board.notice("trainer's words", format!("a line was not understood: {why}")),
        };
        let mut shared = lock(&self.shared);
        match &event {
            Event::Started { .. } => {
                shared.running = Running::On;
                self.board.clear("trainer");
            }
            Event::Stopped { .. } => *last = Some(event.clone()),
            _ => {}
        }
        // Of epochs that nobody has looked at the newest is enough.
        if let (Event::Step(_), Some(Event::Step(_))) = (&event, shared.events.back()) {
            shared.events.pop_back();
        }
        if shared.events.len() == MOST_EVENTS {
            shared.events.pop_front();
            shared.lost += 1;
        }
        shared.events.push_back(event);
    }

    /// Hands over what waits, as far as the child takes it.
    fn tell(&self, pipes: &Pipes) {
        let Some(lines) = &pipes.lines else { return };
        let mut shared = lock(&self.shared);
        while let Some(command) = shared.waiting.commands.first() {
            match lines.try_send(command.line()) {
                Ok(()) => drop(shared.waiting.commands.remove(0)),
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return,
            }
        }
    }
}

impl Pipes {
    fn of(
        stdin: Option<ChildStdin>,
        stdout: Option<ChildStdout>,
        stderr: Option<ChildStderr>,
    ) -> std::io::Result<Self> {
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

    /// Takes what was said to the end, and the last words; the child has ended, so its pipes have.
    fn join(self, mut take: impl FnMut(Result<Event, String>)) -> Vec<String> {
        while let Ok(heard) = self.heard.recv_timeout(GRACES[0]) {
            take(heard);
        }
        for thread in self.threads {
            // They hold no more than a pipe; one that panicked has said so.
            let _ = thread.join();
        }
        lock(&self.words).drain(..).collect()
    }
}

/// Reads to the end, line by line, never more of one than a command may have.
fn each_line(from: impl Read, mut take: impl FnMut(Result<String, String>) -> bool) {
    let (mut input, mut bytes) = (BufReader::new(from), Vec::new());
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
