//! The thread that owns a training's process: starts it, hears it, ends it, and starts it again where it crashed.
//!
//! Made by `trainer::child`, which is what a show sees; it looks at the process every few milliseconds and waits for
//! nothing else. No lock is held while the board is told or the process is asked.

use std::process::{Child as Process, ExitStatus};
use std::sync::mpsc::TrySendError;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::checkpoint;
use super::child::{MOST_EVENTS, Requested, Running, Shared};
use super::launch::{Launch, go_on, is_stopped, kill_group};
use super::memory::MemoryFolder;
use super::pipes::Pipes;
use super::protocol::{Command, Event, Reason};
use crate::latest::lock;
use crate::report::Board;
use crate::worker::Ending;

/// Between two looks at the child.
const LOOK: Duration = Duration::from_millis(20);
/// How long a child that was asked to stop may take to end its epoch and save itself; then its input ends, then it is
/// killed, and then it is left: a process that waits for a dead share cannot be ended by anybody.
const GRACES: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(9), Duration::from_secs(10)];
/// The same where the show closes, which takes no longer than three seconds.
const CLOSING: [Duration; 3] = [Duration::from_millis(1000), Duration::from_millis(2200), Duration::from_millis(2500)];
/// Pauses before a start after a crash: the first, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// A child that has run for so long begins with the first pause again.
const WELL: Duration = Duration::from_secs(60);
/// Between two looks whether somebody has stopped it, and between two words about lines that are none.
const SLOWLY: Duration = Duration::from_secs(1);
/// A child that has said nothing for so long after its start is told of.
const SILENT: Duration = Duration::from_secs(60);

/// Lines of the child that were not understood, and when that was told last.
struct BadLines {
    count: u64,
    told: Instant,
}

/// The thread's own part.
pub(super) struct Supervisor {
    launch: Launch,
    shared: Arc<Mutex<Shared>>,
    board: Board,
    crashes: u32,
    /// There has been a checkpoint: a start without it would begin another training in its place.
    seen: bool,
    lines: BadLines,
}

/// What a look at the child needs to know from look to look.
struct Watch {
    pid: u32,
    begun: Instant,
    /// When it was asked to stop.
    asked: Option<Instant>,
    looked: Instant,
    /// Somebody has stopped the process.
    stopped: bool,
    heard: bool,
    last: Option<Event>,
}

impl Supervisor {
    /// One that has started nothing yet.
    pub fn new(launch: Launch, shared: Arc<Mutex<Shared>>, board: Board) -> Self {
        let seen = checkpoint::exists(&launch.folder.join("training"));
        let now = Instant::now();
        let lines = BadLines { count: 0, told: now.checked_sub(SLOWLY).unwrap_or(now) };
        Self { launch, shared, board, crashes: 0, seen, lines }
    }

    /// Keeps a child running until that is no longer wanted, or no use.
    pub fn supervise(&mut self, ending: &Ending) {
        while !ending.requested() {
            let start = Instant::now();
            let ended = self.run_once(ending);
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

    /// Waits before the next start, unless a hand wants it now.
    fn pause(&self, pause: Duration, ending: &Ending) {
        let start = Instant::now();
        lock(&self.shared).hurry = false;
        while start.elapsed() < pause && !ending.requested() && !lock(&self.shared).hurry {
            std::thread::sleep(LOOK);
        }
    }

    /// One life of the child: why it is to be started again, or none if it has ended in order.
    fn run_once(&mut self, ending: &Ending) -> Result<Option<String>, String> {
        let resumes = checkpoint::exists(&self.launch.folder.join("training"));
        if self.seen && !resumes {
            let folder = self.launch.folder.display();
            return Ok(Some(format!("{folder} has no checkpoint any more (is a share away?)")));
        }
        self.seen |= resumes;
        let requested = lock(&self.shared).requested.data.clone();
        let mut child = self.launch.spawn(resumes, requested).map_err(|e| {
            format!("the trainer {} cannot be started: {e}; the picture stays", self.launch.program.display())
        })?;
        let pipes = Pipes::of(child.stdin.take(), child.stdout.take(), child.stderr.take());
        let Ok(mut pipes) = pipes else {
            let _ = child.kill();
            let _ = child.wait();
            return Err("no threads for the trainer's pipes".into());
        };
        lock(&self.shared).pid = Some(child.id());
        self.send_requested();
        let now = Instant::now();
        let (pid, asked, stopped, heard, last) = (child.id(), None, false, false, None);
        let mut watch = Watch { pid, begun: now, asked, looked: now, stopped, heard, last };
        let status = loop {
            self.receive(&pipes, &mut watch);
            self.hand_over(&pipes);
            match child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Err(_) => break None,
                Ok(None) => {}
            }
            if !self.look_after(&mut child, &mut pipes, &mut watch, ending) {
                break None;
            }
            std::thread::sleep(LOOK);
        };
        pipes.lines = None;
        let mut words = pipes.join(|event| self.take(event, &mut watch));
        // What it started and left running holds its pipes.
        kill_group(pid);
        MemoryFolder::sweep();
        if let Some(Event::Stopped { text, .. }) = &watch.last {
            words.push(text.clone());
        }
        lock(&self.shared).pid = None;
        match watch.last {
            _ if ending.requested() => Ok(None),
            Some(Event::Stopped { reason: Reason::Asked | Reason::Finished, .. }) => Ok(None),
            Some(Event::Stopped { reason: Reason::Unavailable, text, .. }) => Ok(Some(text)),
            // What was explained and would come again at once: a wrong option, a divergence.
            Some(Event::Stopped { reason: Reason::Diverged | Reason::Error, text, .. }) if self.explained(&text) => {
                Err(format!("the training has ended: {text}; the picture stays"))
            }
            _ => Ok(Some(self.reason(status, &words))),
        }
    }

    /// Ends it where that is wanted, and says what it does not say itself. False where nothing can end it.
    fn look_after(&self, child: &mut Process, pipes: &mut Pipes, watch: &mut Watch, ending: &Ending) -> bool {
        if ending.requested() && watch.asked.is_none() {
            watch.asked = Some(Instant::now());
            lock(&self.shared).pending.push(Command::Stop);
            // One that somebody has stopped can only save itself once it goes on.
            go_on(watch.pid);
        }
        let waited = watch.asked.map_or(Duration::ZERO, |asked| asked.elapsed());
        let graces = if lock(&self.shared).closing { CLOSING } else { GRACES };
        if waited > graces[0] {
            // The end of its input is the same request, in case it does not hear.
            pipes.lines = None;
        }
        if waited > graces[1] {
            kill_group(watch.pid);
            let _ = child.kill();
        }
        if waited > graces[2] {
            self.board.fault("trainer", format!("process {} cannot be ended; it is left", watch.pid));
            return false;
        }
        if watch.looked.elapsed() > SLOWLY {
            watch.looked = Instant::now();
            self.look_at(watch);
        }
        true
    }

    /// Says when the process was stopped by somebody, and when it says nothing from the beginning.
    fn look_at(&self, watch: &mut Watch) {
        let pid = watch.pid;
        let stopped = is_stopped(pid);
        if stopped != watch.stopped {
            watch.stopped = stopped;
            match stopped {
                true => self.board.notice(
                    "trainer",
                    format!("process {pid} was stopped (SIGSTOP); kill -CONT {pid} lets it go on; the picture stays"),
                ),
                false => self.board.clear("trainer"),
            }
        }
        if !watch.heard && !stopped && watch.begun.elapsed() > SILENT {
            let secs = SILENT.as_secs();
            self.board.notice("trainer", format!("process {pid} has said nothing since its start {secs} s ago"));
        }
    }

    /// Takes what the child says.
    fn receive(&mut self, pipes: &Pipes, watch: &mut Watch) {
        // A flood must not keep it from looking after the child.
        for heard in pipes.heard.try_iter().take(MOST_EVENTS) {
            self.take(heard, watch);
        }
    }

    fn take(&mut self, heard: Result<Event, String>, watch: &mut Watch) {
        let event = match heard {
            Ok(event) => event,
            Err(why) => return self.bad_line(&why),
        };
        if !std::mem::replace(&mut watch.heard, true) || matches!(event, Event::Started { .. }) {
            self.board.clear("trainer");
        }
        if let Event::Checkpoint { .. } = event {
            self.seen = true;
        }
        let mut shared = lock(&self.shared);
        match &event {
            Event::Started { .. } => shared.running = Running::On,
            Event::Stopped { .. } => watch.last = Some(event.clone()),
            _ => {}
        }
        // Of epochs that nobody has looked at the newest is enough.
        if let (Event::Step(_), Some(Event::Step(_))) = (&event, shared.events.back()) {
            shared.events.pop_back();
        }
        if shared.events.len() == MOST_EVENTS {
            shared.events.pop_front();
        }
        shared.events.push_back(event);
    }

    /// Says that lines were not understood, once in a while.
    fn bad_line(&mut self, why: &str) {
        self.lines.count += 1;
        if self.lines.told.elapsed() >= SLOWLY {
            self.lines.told = Instant::now();
            let count = self.lines.count;
            let text = if count == 1 { "a line was".to_owned() } else { format!("{count} lines were") };
            self.board.notice("trainer's words", format!("{text} not understood: {why}"));
        }
    }

    /// Hands over what waits, as far as the child takes it.
    fn hand_over(&self, pipes: &Pipes) {
        let Some(lines) = &pipes.lines else { return };
        let mut shared = lock(&self.shared);
        while let Some(command) = shared.pending.commands.first() {
            match lines.try_send(command.line()) {
                Ok(()) => drop(shared.pending.commands.remove(0)),
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return,
            }
        }
    }

    /// What was requested before this child lived.
    fn send_requested(&self) {
        let mut shared = lock(&self.shared);
        let Requested { settings, data, second, paused } = shared.requested.clone();
        let mut push = |command| {
            // What waits is newer.
            if !shared.pending.commands.iter().any(|waiting| waiting.same_kind(&command)) {
                shared.pending.push(command);
            }
        };
        if !settings.is_empty() {
            push(Command::Set(settings));
        }
        // Lines are on its command line.
        if let Some(data) = data.filter(|data| data.lines.is_none()) {
            push(Command::Data(data));
        }
        if let Some(second) = second {
            push(Command::Data2(second));
        }
        if paused {
            push(Command::Pause);
        }
    }

    /// Whether an error of the child is one that a new start cannot mend.
    fn explained(&self, text: &str) -> bool {
        let passing = ["os error 11", "os error 12", "memory"];
        !passing.iter().any(|words| text.contains(words))
    }

    fn reason(&self, status: Option<ExitStatus>, words: &[String]) -> String {
        // No room for a thread's stack (11) is no room either.
        let signs = ["memory allocation of", "out of memory", "os error 11", "os error 12"];
        let memory = words.iter().any(|words| signs.iter().any(|sign| words.contains(sign)));
        let how = match status {
            _ if memory && self.launch.memory_mb > 0 => {
                let most = self.launch.memory_mb;
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
}
