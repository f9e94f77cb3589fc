//! Threads with a name, an owner who joins them, a heartbeat, and panics that become sentences.

use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(target_os = "linux")]
use std::sync::atomic::AtomicU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// When a thread, or a loop, last showed that it goes on. Clones share it.
#[derive(Clone, Default)]
pub struct Beat(Arc<AtomicU64>);

impl Beat {
    /// It goes on.
    pub fn now(&self) {
        // 0 is never.
        self.0.store(BEGAN.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
    }

    /// How long ago it last went on; none if it never did.
    pub fn age(&self) -> Option<Duration> {
        let at = self.0.load(Ordering::Relaxed).checked_sub(1)?;
        Some(BEGAN.elapsed().saturating_sub(Duration::from_millis(at)))
    }
}

/// The threads that run, by name, for whoever wants to know how they are.
static BEATS: Mutex<Vec<(String, Weak<AtomicU64>)>> = Mutex::new(Vec::new());

fn register(name: &str) -> Beat {
    let beat = Beat::default();
    beat.now();
    let mut beats = BEATS.lock().unwrap_or_else(PoisonError::into_inner);
    beats.retain(|(_, beat)| beat.strong_count() > 0);
    beats.push((name.to_owned(), Arc::downgrade(&beat.0)));
    beat
}

/// Name and last beat of every worker that runs.
pub fn beats() -> Vec<(String, Option<Duration>)> {
    let beats = BEATS.lock().unwrap_or_else(PoisonError::into_inner);
    let running = beats.iter().filter_map(|(name, beat)| Some((name.clone(), Beat(beat.upgrade()?))));
    running.map(|(name, beat)| (name, beat.age())).collect()
}

/// Whether the owner has asked a worker to end.
#[derive(Clone, Default)]
pub struct Ending {
    raised: Arc<AtomicBool>,
    beat: Beat,
}

impl Ending {
    /// Whether the owner has asked for it. To ask here is also the worker's heartbeat.
    pub fn requested(&self) -> bool {
        self.beat.now();
        self.raised.load(Ordering::Relaxed)
    }
}

/// A running thread; dropping it asks it to end and waits for that.
pub struct Worker {
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts `work` on a thread of that name with `stack` bytes; it should look at its [`Ending`] often.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(name: &str, stack: usize, work: impl FnOnce(Ending) + Send + 'static) -> std::io::Result<Self> {
        let ending = Ending { raised: Arc::default(), beat: register(name) };
        let theirs = ending.clone();
        let thread = std::thread::Builder::new().name(name.into()).stack_size(stack).spawn(move || work(theirs))?;
        Ok(Self { ending: ending.raised, thread: Some(thread) })
    }

    /// Asks it to end, without waiting.
    pub fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Lets go of it without waiting: it may never end.
    pub fn leave(mut self) {
        self.end();
        self.thread = None;
    }

    /// Asks it to end and waits for that, but no longer than `patience`; then it is left behind. Gives whether it ended.
    pub fn end_within(self, patience: Duration) -> bool {
        self.end();
        let start = Instant::now();
        while !self.ended() && start.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        let ended = self.ended();
        if !ended {
            self.leave();
        }
        ended
    }

    /// Whether it has ended.
    pub fn ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
        if let Some(thread) = self.thread.take() {
            // Its panic, if there was one, has been printed by the hook; there is nobody to hand it to.
            let _ = thread.join();
        }
    }
}

/// Work that must not wait on the frame path (writing files, starting programs), done in order elsewhere.
pub struct Chores {
    sender: Option<SyncSender<Box<dyn FnOnce() + Send>>>,
    worker: Option<Worker>,
}

/// Chores that may wait.
const MOST_CHORES: usize = 64;

impl Chores {
    /// Starts the thread, named `chores`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel::<Box<dyn FnOnce() + Send>>(MOST_CHORES);
        let worker = Worker::start("chores", 8 << 20, move |_| {
            while let Ok(chore) = receiver.recv() {
                // A chore reports for itself; one that panics must not take the others with it.
                let _ = caught(chore);
            }
        })?;
        Ok(Self { sender: Some(sender), worker: Some(worker) })
    }

    /// Hands a chore over; false if too many wait.
    pub fn give(&self, chore: impl FnOnce() + Send + 'static) -> bool {
        self.sender.as_ref().is_some_and(|sender| sender.try_send(Box::new(chore)).is_ok())
    }
}

impl Drop for Chores {
    /// Finishes what was given.
    fn drop(&mut self) {
        self.sender = None;
        self.worker = None;
    }
}

/// Whether faults are rehearsed: with `FLANEUR_REHEARSE` set, sketches have `rehearse_panic()` and
/// `rehearse_abort()`, the generator fails on a z whose first dimension is 99 or more, and where that is −99 or less its
/// device does not answer, until two of them were given up. With `freeze` or `freeze:SECS` in it the loop of a show stops
/// for good after so many seconds (5).
pub fn rehearsing() -> bool {
    std::env::var_os("FLANEUR_REHEARSE").is_some()
}

/// The second in which the loop of a show is to stop for good, if that is rehearsed.
pub fn rehearsed_freeze() -> Option<f64> {
    let word = std::env::var("FLANEUR_REHEARSE").ok()?;
    let word = word.split(',').find_map(|word| word.trim().strip_prefix("freeze"))?.to_owned();
    Some(word.strip_prefix(':').and_then(|secs| secs.parse().ok()).unwrap_or(5.0))
}

/// Set where a process of ours looks after this one.
pub const SUPERVISED: &str = "FLANEUR_SUPERVISED";

/// Whether somebody starts this process again when it ends: a process of ours, or systemd.
pub fn supervised() -> bool {
    [SUPERVISED, "NOTIFY_SOCKET", "INVOCATION_ID"].iter().any(|name| std::env::var_os(name).is_some())
}

/// Resident memory of this process in megabytes; 0 where the system does not tell.
pub fn memory_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<f64>().ok()).map_or(0.0, |kb| kb / 1024.0)
}

/// What every thread of this process is doing, a line each: its name, whether it runs, sleeps or waits for the system
/// (R, S, D), in which call of the system, and the time of the processor that it took. Empty where the system does not
/// tell.
pub fn threads() -> Vec<String> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let stat = read("stat");
        // The name in brackets may hold anything; what follows the last bracket does not.
        let Some((head, rest)) = stat.rsplit_once(')') else { continue };
        let name = head.split_once('(').map_or("", |(_, name)| name);
        let rest: Vec<&str> = rest.split_whitespace().collect();
        let field = |at: usize| rest.get(at).copied().unwrap_or("?");
        let ticks = |at: usize| field(at).parse::<f64>().unwrap_or(0.0);
        let wait = read("wchan");
        let wait = if wait.is_empty() || wait == "0" { "no call" } else { wait.as_str() };
        // In hundredths of a second wherever Linux runs us.
        let secs = (ticks(11) + ticks(12)) / 100.0;
        lines.push(format!("{name}: {} in {wait}, {secs:.2} s of the processor", field(0)));
    }
    lines
}

/// Makes this thread one of those that share out work, for a program whose one thread does nothing else:
/// it then works along where it would only have waited to be woken. Comes before any such work; later it does
/// nothing.
///
/// # Errors
/// If the other threads cannot be started.
pub fn work_along() -> std::io::Result<()> {
    match rayon::ThreadPoolBuilder::new().use_current_thread().build_global() {
        // A pool that is there already is as good.
        Err(why) if std::error::Error::source(&why).is_some() => Err(std::io::Error::other(why)),
        _ => Ok(()),
    }
}

/// Gives each of the threads that share out work a processor of its own, if after a rest they were found on the same one.
///
/// A system that does not look for a free processor when it wakes a thread (seen in a virtual machine whose two
/// processors share no known cache) leaves both threads of a pool on one of them for up to 60 ms, which is longer than
/// a picture takes. Other systems are left alone, and so is a pool of more than four threads.
/// Comes at the beginning of a draw or of a turn of a training, on any thread.
pub fn spread() {
    #[cfg(target_os = "linux")]
    {
        /// Without a call for so long, they have slept.
        const REST: Duration = Duration::from_millis(5);
        /// What they are given to fall asleep in between, as they may between two stages.
        const BETWEEN: Duration = Duration::from_micros(100);
        /// How often they are looked at, and found on one processor before each gets its own.
        const LOOKS: u32 = 64;
        const TOGETHER: u32 = 3;
        static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
        static LAST: AtomicU64 = AtomicU64::new(0);
        static LOOKED: AtomicU32 = AtomicU32::new(0);
        static FOUND: AtomicU32 = AtomicU32::new(0);
        if !(2..=4).contains(&rayon::current_num_threads()) || LOOKED.load(Ordering::Relaxed) >= LOOKS {
            return;
        }
        let now = BEGUN.elapsed();
        let before = LAST.swap(now.as_micros() as u64, Ordering::Relaxed);
        if now.saturating_sub(Duration::from_micros(before)) < REST {
            return;
        }
        LOOKED.fetch_add(1, Ordering::Relaxed);
        let together = || {
            let mut places = rayon::broadcast(|_| rustix::thread::sched_getcpu());
            places.sort_unstable();
            places.windows(2).any(|pair| pair[0] == pair[1])
        };
        let found = together() || {
            std::thread::sleep(BETWEEN);
            together()
        };
        if found && FOUND.fetch_add(1, Ordering::Relaxed) + 1 == TOGETHER {
            LOOKED.store(LOOKS, Ordering::Relaxed);
            rayon::broadcast(|context| stay(context.index(), context.num_threads()));
        }
    }
}

/// Keeps this thread, the one with that number of `threads`, on a processor of its own, where there are enough of them.
/// One with a name (see [`work_along`]) stays free: threads that it starts would have its processor, too.
#[cfg(target_os = "linux")]
fn stay(number: usize, threads: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(all) = sched_getaffinity(None) else { return };
    if std::thread::current().name().is_some() {
        return;
    }
    let own = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).nth(number);
    if let Some(own) = own.filter(|_| all.count() as usize >= threads) {
        let mut one = CpuSet::new();
        one.set(own);
        // Where this is not allowed, the thread goes where the system puts it.
        let _ = sched_setaffinity(None, &one);
    }
}

/// Runs `work`; a panic becomes its message.
///
/// # Errors
/// The panic's message.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(caught(|| 3), Ok(3));
        assert_eq!(caught(|| -> u8 { panic!("no {}", 7) }), Err("no 7".into()));
    }

    #[test]
    fn workers_have_a_heartbeat() {
        let worker = Worker::start("beat of a test", 1 << 20, |ending| {
            while !ending.requested() {
                std::thread::yield_now();
            }
        });
        let of = |name: &str| beats().into_iter().find(|(known, _)| known == name);
        assert!(of("beat of a test").unwrap().1.unwrap() < Duration::from_secs(10));
        drop(worker.unwrap());
        assert!(of("beat of a test").is_none() && Beat::default().age().is_none());
        #[cfg(target_os = "linux")]
        assert!(threads().iter().any(|line| line.contains(": R in ") || line.contains(": S in ")));
    }

    #[test]
    fn the_owner_joins() {
        let done = Arc::new(AtomicBool::new(false));
        let theirs = done.clone();
        let worker = Worker::start("test", 1 << 20, move |ending| {
            while !ending.requested() {
                std::thread::yield_now();
            }
            theirs.store(true, Ordering::Relaxed);
        });
        drop(worker.unwrap());
        assert!(done.load(Ordering::Relaxed));
    }

    #[test]
    fn a_worker_that_does_not_end_is_left_behind() {
        let go_on = Arc::new(AtomicBool::new(false));
        let theirs = go_on.clone();
        let deaf = Worker::start("test", 1 << 20, move |_| {
            while !theirs.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
        });
        assert!(!deaf.unwrap().end_within(Duration::from_millis(10)));
        go_on.store(true, Ordering::Relaxed);
        let willing = Worker::start("test", 1 << 20, |_| ()).unwrap();
        assert!(willing.end_within(Duration::from_secs(60)));
    }
}
