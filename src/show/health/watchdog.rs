//! The watchdog: a thread that sees when no frame comes any longer, says what every thread was doing, and ends the
//! process for its supervisor. It also keeps systemd informed (`Type=notify`, `WatchdogSec`).
//!
//! Reads [`Vitals`]; touches nothing of the show. It counts looks of its own instead of seconds, so that a process that
//! was stopped (SIGSTOP, a closed lid) is not taken for one that hangs.

use std::sync::Arc;
use std::time::Duration;

use super::Vitals;
use crate::report::{flush_log, tell};
use crate::worker::{Worker, beats, threads};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// Looks without a new frame after which the process ends: 10 s.
const MOST_STILL: u32 = 40;
/// Looks between two words to systemd.
const SPEAK: u32 = 4;

/// What the watchdog makes of the loop.
#[derive(Debug, Default)]
struct Looks {
    frames: u64,
    still: u32,
    count: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// No frame came for too long.
    Hangs,
}

impl Looks {
    /// One more look, when so many frames have come so far. Before the first one nothing is wrong: models are read.
    fn look(&mut self, frames: u64) -> Verdict {
        self.count = self.count.wrapping_add(1);
        if frames == 0 || frames != self.frames {
            (self.frames, self.still) = (frames, 0);
            return Verdict::Fine;
        }
        self.still += 1;
        if self.still >= MOST_STILL { Verdict::Hangs } else { Verdict::Fine }
    }
}

/// The thread.
pub struct Watchdog {
    _worker: Worker,
}

impl Watchdog {
    /// Starts it.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(vitals: Arc<Vitals>) -> std::io::Result<Self> {
        let worker = Worker::start("watchdog", 1 << 20, move |ending| {
            let (mut looks, mut systemd) = (Looks::default(), Systemd::default());
            while !ending.requested() {
                std::thread::sleep(LOOK);
                if vitals.closing() {
                    systemd.stopping();
                    continue;
                }
                if looks.look(vitals.frames()) == Verdict::Hangs {
                    end(&vitals);
                }
                if looks.count.is_multiple_of(SPEAK) {
                    systemd.speak(&vitals);
                }
            }
        })?;
        Ok(Self { _worker: worker })
    }
}

/// Says what every thread was doing, and ends the process at once.
fn end(vitals: &Vitals) {
    let secs = f64::from(MOST_STILL) * LOOK.as_secs_f64();
    tell(format_args!("no frame came for {secs} s, so the show ends here for whoever looks after it; its threads:"));
    threads().iter().for_each(|line| tell(format_args!(" {line}")));
    for (name, age) in beats() {
        let age = age.map_or(0.0, |age| age.as_secs_f64());
        tell(format_args!(" {name} last went on {age:.1} s ago"));
    }
    tell(format_args!(" {}", vitals.report().1));
    flush_log(Duration::from_secs(1));
    // Nothing that a thread hangs in may hold this up: no destructors, no handlers.
    #[cfg(unix)]
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort();
}

/// What systemd is told; nothing where it does not ask.
#[derive(Default)]
struct Systemd {
    ready: bool,
    stopped: bool,
    status: String,
}

impl Systemd {
    fn speak(&mut self, vitals: &Vitals) {
        use sd_notify::NotifyState;
        if vitals.frames() == 0 {
            return;
        }
        let told = vitals.told();
        let status = format!("{} through {} on {}, frame {}", told.sketch, told.model, told.device, vitals.frames());
        let mut states = Vec::new();
        if !std::mem::replace(&mut self.ready, true) {
            states.push(NotifyState::Ready);
        }
        // Only while pictures come: else systemd's own watchdog is to act.
        if vitals.well() {
            states.push(NotifyState::Watchdog);
        }
        if status != self.status {
            self.status = status;
        }
        states.push(NotifyState::Status(&self.status));
        // Nobody may be listening.
        let _ = sd_notify::notify(&states);
    }

    fn stopping(&mut self) {
        if !std::mem::replace(&mut self.stopped, true) {
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_acts_when_no_frame_comes_and_not_before_the_first() {
        let mut looks = Looks::default();
        assert!((0..1000).all(|_| looks.look(0) == Verdict::Fine));
        assert!((1..1000).all(|frame| looks.look(frame) == Verdict::Fine));
        assert!((1..MOST_STILL).all(|_| looks.look(999) == Verdict::Fine));
        assert_eq!(looks.look(999), Verdict::Hangs);
        assert_eq!(looks.look(1000), Verdict::Fine);
    }
}
