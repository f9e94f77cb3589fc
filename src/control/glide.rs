//! A value on its way: where it is, where a hand wants it, and how long it takes to get there.
//!
//! Everything a hand can turn is one of these. The way is exponential in real time, so that it is the same at
//! any frame rate; a time of 0 arrives in the next frame.

use serde::{Deserialize, Serialize};

/// Default time constant in seconds: no step of a 7-bit control is seen, no lag is felt.
pub const SMOOTH_SECS: f64 = 0.03;
/// Nearer than this it has arrived.
const NEAR: f64 = 1e-6;

/// One value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Glide {
    goal: f64,
    current: f64,
    secs: f64,
}

impl Glide {
    /// At rest.
    pub const fn at(value: f64) -> Self {
        Self { goal: value, current: value, secs: SMOOTH_SECS }
    }

    /// Goes towards `goal` with a time constant of `secs`.
    pub fn go(&mut self, goal: f64, secs: f64) {
        (self.goal, self.secs) = (goal, secs);
    }

    /// Is there at once.
    pub fn jump(&mut self, value: f64) {
        (self.goal, self.current) = (value, value);
    }

    /// The next frame, `dt` real seconds after the last.
    pub fn frame(&mut self, dt: f64) {
        if self.current == self.goal {
            return;
        }
        let share = if self.secs > 0.0 { 1.0 - (-dt.max(0.0) / self.secs).exp() } else { 1.0 };
        self.current += (self.goal - self.current) * share;
        if (self.goal - self.current).abs() < NEAR {
            self.current = self.goal;
        }
    }

    /// Where it is.
    pub fn current(&self) -> f64 {
        self.current
    }

    /// Where it goes.
    pub fn goal(&self) -> f64 {
        self.goal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_does_not_depend_on_the_frame_rate() {
        let after = |frames: u32| {
            let mut glide = Glide::at(0.0);
            glide.go(1.0, 0.03);
            (0..frames).for_each(|_| glide.frame(0.06 / f64::from(frames)));
            glide.current()
        };
        assert!((after(1) - after(30)).abs() < 1e-9 && after(1) > 0.8);
        let mut glide = Glide::at(0.0);
        glide.go(1.0, 0.0);
        glide.frame(0.0);
        assert_eq!(glide.current(), 1.0);
    }
}
