//! Where a frame's time goes: the last seconds of each part, and the frames that came late.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::show::view::Part;

/// Frames remembered.
const KEPT: usize = 600;
/// Seconds whose longest frames are remembered.
const LONG_SECS: usize = 60;

#[derive(Default)]
struct Ring {
    values: Vec<f32>,
    next: usize,
}

impl Ring {
    fn push(&mut self, ms: f32) {
        if self.values.len() < KEPT {
            self.values.push(ms);
        } else {
            self.values[self.next] = ms;
        }
        self.next = (self.next + 1) % KEPT;
    }

    fn quantile(sorted: &[f32], q: f64) -> f32 {
        sorted.get(((sorted.len() as f64 - 1.0) * q).round() as usize).copied().unwrap_or(0.0)
    }
}

/// The clockwork's figures.
pub struct Timing {
    parts: BTreeMap<&'static str, Ring>,
    /// The parts of the frame that is going on.
    current: Vec<(&'static str, f32)>,
    late: u64,
    /// The longest frame of each of the last seconds, in milliseconds, and the second it was written in.
    longest: [(u64, f32); LONG_SECS],
    causes: BTreeMap<&'static str, u64>,
}

/// The order in which parts are listed.
const ORDER: [&str; 9] = ["frame", "listen", "walk", "generate", "wait", "upload", "draw", "desk", "present"];

impl Default for Timing {
    fn default() -> Self {
        let longest = [(0, 0.0); LONG_SECS];
        Self { parts: BTreeMap::new(), current: Vec::new(), late: 0, longest, causes: BTreeMap::new() }
    }
}

impl Timing {
    /// One part took so long.
    pub fn spent(&mut self, part: &'static str, time: Duration) {
        let ms = time.as_secs_f32() * 1e3;
        self.parts.entry(part).or_default().push(ms);
        if self.current.len() < 32 {
            self.current.push((part, ms));
        }
    }

    /// The longest frame of the minute before second `now`, in milliseconds.
    pub fn longest_ms(&self, now: u64) -> f32 {
        let of_minute = |(second, _): &&(u64, f32)| now.saturating_sub(*second) < LONG_SECS as u64;
        self.longest.iter().filter(of_minute).map(|(_, ms)| *ms).fold(0.0, f32::max)
    }

    /// A frame has ended in second `now` after `interval`: it may be the longest of that second.
    fn note(&mut self, interval: Duration, now: u64) {
        let ms = interval.as_secs_f32() * 1e3;
        let place = &mut self.longest[now as usize % LONG_SECS];
        *place = if place.0 == now { (now, place.1.max(ms)) } else { (now, ms) };
    }

    /// A frame has ended in second `now` after `interval`; it is late if that is more than half a frame over `target`.
    pub fn frame(&mut self, interval: Duration, target: Option<Duration>, now: u64) {
        self.note(interval, now);
        self.parts.entry("frame").or_default().push(interval.as_secs_f32() * 1e3);
        if target.is_some_and(|target| interval > target.mul_f64(1.5)) {
            self.late += 1;
            let slowest = self.current.iter().max_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((part, _)) = slowest {
                *self.causes.entry(part).or_default() += 1;
            }
        }
        self.current.clear();
    }

    /// Frames that came late.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// The part that was the slowest in most late frames.
    pub fn cause(&self) -> &'static str {
        self.causes.iter().max_by_key(|(_, count)| **count).map_or("", |(part, _)| part)
    }

    /// Medians and 99th percentiles.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts: Vec<Part> = self
            .parts
            .iter()
            .map(|(name, ring)| {
                let mut sorted = ring.values.clone();
                sorted.sort_by(f32::total_cmp);
                Part { name, p50_ms: Ring::quantile(&sorted, 0.5), p99_ms: Ring::quantile(&sorted, 0.99) }
            })
            .collect();
        parts.sort_by_key(|part| ORDER.iter().position(|name| *name == part.name).unwrap_or(ORDER.len()));
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_frames_are_counted_with_their_cause() {
        let mut timing = Timing::default();
        let ms = Duration::from_millis;
        for frame in 0..100 {
            timing.spent("walk", ms(1));
            timing.spent("draw", ms(if frame == 50 { 40 } else { 2 }));
            timing.frame(ms(if frame == 50 { 45 } else { 16 }), Some(ms(16)), frame / 10);
        }
        assert_eq!((timing.late(), timing.cause()), (1, "draw"));
        let longest = [9, 64, 65, 200].map(|second| timing.longest_ms(second));
        assert_eq!(longest, [45.0, 45.0, 16.0, 0.0]);
        let parts = timing.parts();
        assert_eq!((parts[0].name, parts[0].p50_ms), ("frame", 16.0));
    }
}
