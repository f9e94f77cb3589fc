//! Opening hours: how much light the time of day leaves to the output.
//!
//! Told the time of the week now and then; glides from one light to the other. May take: nothing.

use crate::preset::hours::{Change, Hours, light};

/// Seconds between two looks at the time of day.
const LOOK_SECS: f64 = 1.0;

/// The light of the hour.
#[derive(Debug)]
pub struct Opening {
    week: Vec<Change>,
    fade_secs: f64,
    light: f64,
    goal: f64,
    looked: Option<f64>,
}

impl Opening {
    /// By these hours; none of them is always open. What is wrong with hours a preset says when it is read.
    pub fn new(hours: &Hours) -> Self {
        let (week, fade_secs) = (hours.week().unwrap_or_default(), hours.fade_secs);
        Self { week, fade_secs, light: 1.0, goal: 1.0, looked: None }
    }

    /// Other hours; the light glides from where it is.
    pub fn set(&mut self, hours: &Hours) {
        let light = self.light;
        *self = Self { light, ..Self::new(hours) };
    }

    /// The next frame at `real` seconds, `dt` after the last; `minute` tells the minute of the week, Monday 0:00 is 0.
    pub fn frame(&mut self, real: f64, dt: f64, minute: impl FnOnce() -> u32) {
        if self.week.is_empty() {
            (self.light, self.goal) = (1.0, 1.0);
            return;
        }
        let first = self.looked.is_none();
        if self.looked.is_none_or(|at| real - at >= LOOK_SECS) {
            self.looked = Some(real);
            self.goal = light(&self.week, minute());
        }
        let step = if self.fade_secs > 0.0 { dt / self.fade_secs } else { 1.0 };
        // A show that begins in the night begins dark.
        self.light = if first { self.goal } else { self.light + (self.goal - self.light).clamp(-step, step) };
    }

    /// Light of the output, 0..1.
    pub fn light(&self) -> f64 {
        self.light
    }

    /// Whether nothing is to be seen, so that no pictures need be drawn.
    pub fn closed(&self) -> bool {
        self.light <= 0.0 && self.goal <= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_light_follows_the_hours_with_a_fade() {
        let hours = Hours { daily: "10:00-18:00".into(), fade_secs: 10.0, ..Hours::default() };
        let mut opening = Opening::new(&hours);
        let mut real = 0.0;
        let mut light = |opening: &mut Opening, secs: f64, hour: u32| {
            let frames = (secs * 10.0) as u32;
            for _ in 0..frames {
                real += 0.1;
                opening.frame(real, 0.1, || hour * 60);
            }
            opening.light()
        };
        assert_eq!((light(&mut opening, 1.0, 9), opening.closed()), (0.0, true));
        let half = light(&mut opening, 6.0, 10);
        assert!((0.4..=0.7).contains(&half) && !opening.closed(), "{half}");
        assert_eq!(light(&mut opening, 20.0, 12), 1.0);
        assert_eq!((light(&mut opening, 30.0, 18), opening.closed()), (0.0, true));
        opening.set(&Hours::default());
        assert_eq!(light(&mut opening, 0.1, 3), 1.0);
    }
}
