//! The tempo from outside: one MIDI clock leads, and goes stale if it falls silent.
//!
//! Fed with the transport of every port; the first that ticks leads until it has been silent for two seconds.

use crate::midi::{Pll, Transport};

/// Who leads, and where.
#[derive(Default)]
pub struct MidiClock {
    pll: Pll,
    leader: Option<String>,
    running: bool,
    /// Where it stands while it is stopped.
    stopped: f64,
    /// When a start came that no tick has followed yet.
    started: Option<f64>,
    /// The walk has to go to where the leader is, once that is known.
    jump: bool,
}

/// How long a start waits for its first tick, in seconds.
const START_SECS: f64 = 2.0;

impl MidiClock {
    /// One step of a port's transport at `real` seconds, while the walk is at `beat`; gives the beat that the
    /// walk has to go to, if it has to.
    pub fn hear(&mut self, port: &str, transport: Transport, real: f64, beat: f64) -> Option<f64> {
        let fresh = self.leader.is_some() && !self.pll.stale(real);
        if fresh && self.leader.as_deref() != Some(port) {
            return None;
        }
        match transport {
            Transport::Tick => {
                if !fresh {
                    self.leader = Some(port.to_owned());
                    // A clock that was started before it was heard of runs on from where the walk is.
                    if self.pll.stale(real) && !self.running {
                        self.pll.seek(beat);
                        self.running = true;
                    }
                }
                self.pll.tick(real);
                self.started = None;
                None
            }
            Transport::Start => self.go(port, 0.0, real),
            Transport::Continue => {
                let at = self.stopped;
                self.go(port, at, real)
            }
            Transport::Stop => {
                self.stopped = self.pll.beat(real).unwrap_or(beat);
                self.running = false;
                None
            }
            Transport::Position(sixteenths) => {
                self.stopped = f64::from(sixteenths) / 4.0;
                if self.running {
                    self.pll.seek(self.stopped);
                    self.jump = true;
                }
                Some(self.stopped)
            }
        }
    }

    fn go(&mut self, port: &str, beat: f64, real: f64) -> Option<f64> {
        self.leader = Some(port.to_owned());
        (self.running, self.jump, self.started) = (true, true, Some(real));
        self.stopped = beat;
        self.pll.seek(beat);
        Some(beat)
    }

    /// The leader's beat and tempo at `real` seconds; nothing if nobody leads.
    pub fn now(&mut self, real: f64) -> Option<(f64, f64)> {
        if self.pll.stale(real) {
            // Many sequencers send no clock until they start.
            if self.started.is_some_and(|at| real - at < START_SECS) {
                return None;
            }
            self.started = None;
            if self.leader.take().is_some() {
                self.running = false;
            }
            return None;
        }
        let bpm = self.pll.bpm()?;
        let beat = if self.running { self.pll.beat(real).unwrap_or(self.stopped) } else { self.stopped };
        Some((beat, bpm))
    }

    /// Whether the walk has to go to where the leader is; once for each start.
    pub fn jumped(&mut self) -> bool {
        std::mem::take(&mut self.jump)
    }

    /// The port that leads.
    pub fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_may_be_silent_until_it_starts() {
        let mut clock = MidiClock::default();
        clock.hear("box", Transport::Start, 10.0, 7.0);
        assert_eq!(clock.now(10.016), None);
        for tick in 0..13 {
            clock.hear("box", Transport::Tick, 10.02 + f64::from(tick) * 0.5 / 24.0, 7.03);
        }
        let (beat, _) = clock.now(10.02 + 0.25).unwrap();
        assert!((beat - 0.5).abs() < 0.01 && clock.jumped() && !clock.jumped(), "{beat}");
    }

    #[test]
    fn a_clock_leads_stops_goes_on_and_goes_stale() {
        let mut clock = MidiClock::default();
        let mut real = 0.0;
        let mut ticks = |clock: &mut MidiClock, count: u32| {
            for _ in 0..count {
                clock.hear("box", Transport::Tick, real, 0.0);
                real += 0.5 / 24.0;
            }
            real
        };
        assert_eq!(clock.hear("box", Transport::Start, 0.0, 7.0), Some(0.0));
        let now = ticks(&mut clock, 49);
        let (beat, bpm) = clock.now(now - 0.5 / 24.0).unwrap();
        assert!((beat - 2.0).abs() < 0.02 && (bpm - 120.0).abs() < 0.5, "{beat} {bpm}");
        assert_eq!(clock.hear("other", Transport::Start, now, 0.0), None);
        clock.hear("box", Transport::Stop, now - 0.5 / 24.0, 0.0);
        let later = ticks(&mut clock, 24);
        assert!((clock.now(later).unwrap().0 - beat).abs() < 0.01);
        assert_eq!(clock.hear("box", Transport::Position(16), later, 0.0), Some(4.0));
        assert_eq!(clock.hear("box", Transport::Continue, later, 0.0), Some(4.0));
        let end = ticks(&mut clock, 25);
        assert!((clock.now(end - 0.5 / 24.0).unwrap().0 - 5.0).abs() < 0.02);
        assert_eq!((clock.now(end + 3.0), clock.leader()), (None, None));
    }
}
