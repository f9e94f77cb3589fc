//! Where the generator's thread gets its devices and networks from.
//!
//! Three functions that a test can replace by ones whose device never answers. On the thread, each may take long.

use std::sync::Arc;
use std::time::Duration;

use super::engine::{self, Engine};
use super::slots::Liveness;
use super::{Loaded, PATIENCE, PATIENCE_TRYING};
use crate::net::device::{self, Chosen, Wanted};
use crate::worker::rehearsing;

/// Which device is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The one that was asked for.
    First,
    /// It again, opened anew for the nth time.
    Fresh(usize),
    /// The CPU, which is always there.
    Cpu,
}

/// How long a thread may be silent before it is abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// While a device is opened, a model read and tried.
    pub(super) load: Duration,
    /// While pictures are drawn. A card that is slow by itself may take eight times as long as it did so far.
    pub(super) draw: Duration,
}

impl Limits {
    /// Of a graphics card.
    pub(super) const CARD: Self = Self { load: Duration::from_secs(120), draw: Duration::from_secs(15) };
    /// Of the CPU, which may be slow but does answer.
    pub(super) const CPU: Self = Self { load: PATIENCE, draw: PATIENCE };
    /// Where a card that hangs is rehearsed.
    const REHEARSED: Self = Self { load: Duration::from_secs(120), draw: Duration::from_secs(2) };

    fn of(chosen: &Chosen) -> Self {
        match () {
            () if rehearsing() => Self::REHEARSED,
            () if !chosen.card => Self::CPU,
            () if device::trials().is_some() => Self { load: PATIENCE_TRYING, ..Self::CARD },
            () => Self::CARD,
        }
    }
}

type Choose = dyn Fn(Attempt) -> Result<Chosen, String> + Send + Sync;
type Load = dyn Fn(&str, &Chosen, &Liveness) -> Result<(Engine, Loaded), String> + Send + Sync;
type LimitsOf = dyn Fn(&Chosen) -> Limits + Send + Sync;

/// Devices and networks.
#[derive(Clone)]
pub(super) struct Backend {
    /// Opens a device.
    pub(super) choose: Arc<Choose>,
    /// Reads a model and tries it on a device.
    pub(super) load: Arc<Load>,
    pub(super) limits: Arc<LimitsOf>,
}

impl Backend {
    /// The machine's own.
    pub(super) fn of(wanted: Wanted) -> Self {
        let choose = move |attempt| match attempt {
            Attempt::First => device::choose(wanted),
            Attempt::Fresh(nth) => device::choose_fresh(wanted, nth),
            Attempt::Cpu => device::choose(Wanted::Cpu),
        };
        Self {
            choose: Arc::new(move |attempt| choose(attempt).map_err(|error| error.to_string())),
            load: Arc::new(engine::load),
            limits: Arc::new(Limits::of),
        }
    }
}
