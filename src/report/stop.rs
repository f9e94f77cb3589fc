//! The request to stop, raised by a signal or a hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::exit;

/// A signal that comes so soon after the first is the same request: a terminal sends Ctrl-C to all of a group, and
/// whoever looks after a show passes it on.
const SAME: Duration = Duration::from_secs(1);
/// Exit status after a second request.
const AT_ONCE: i32 = 130;

/// A request to stop, raised by SIGINT, SIGTERM or a hand.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// One that follows this process's signals: Ctrl-C, SIGTERM, and the end of its terminal (SIGHUP), unless that is
    /// ignored, as under nohup. Another Ctrl-C or SIGTERM, a second later or more, ends the process at once.
    ///
    /// # Errors
    /// If the system refuses it.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Self::of_hands()?;
        #[cfg(unix)]
        if !hangup_is_ignored() {
            signal_hook::flag::register(signal_hook::consts::SIGHUP, stop.0.clone())?;
        }
        Ok(stop)
    }

    /// The same for a show, which goes on when its terminal ends.
    ///
    /// # Errors
    /// If the system refuses it.
    pub fn of_show() -> std::io::Result<Self> {
        let stop = Self::of_hands()?;
        #[cfg(unix)]
        if !hangup_is_ignored() {
            // Heard, and nothing follows from it.
            signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::default())?;
        }
        Ok(stop)
    }

    fn of_hands() -> std::io::Result<Self> {
        let stop = Self::default();
        let theirs = stop.clone();
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        // It lives as long as the process, and ends it where nothing else does.
        std::thread::Builder::new().name("signals".into()).stack_size(64 << 10).spawn(move || {
            let mut first: Option<Instant> = None;
            for _ in signals.forever() {
                if first.get_or_insert_with(Instant::now).elapsed() >= SAME {
                    exit(AT_ONCE);
                }
                theirs.raise();
            }
        })?;
        Ok(stop)
    }

    /// Raises it.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was raised.
    pub fn raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether whoever started this process had it ignore SIGHUP, as nohup does; false where the system does not tell.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal_hook::consts::SIGHUP - 1) & 1 == 1
}
