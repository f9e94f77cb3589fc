//! The request to stop, raised by a signal or a hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

/// A request to stop, raised by SIGINT, SIGTERM or a hand.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// One that follows this process's signals: Ctrl-C, SIGTERM, and the end of its terminal (SIGHUP), unless that is
    /// ignored, as under nohup. A second Ctrl-C or SIGTERM ends the process at once.
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
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, 130, stop.0.clone())?;
            signal_hook::flag::register(signal, stop.0.clone())?;
        }
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
