//! Follows the luminance and the red of every point of a frame and finds their opposing changes.
//!
//! Fed by [`super::FlashLimiter`] with the points of a frame ([`super::survey`]) and its time. A change counts once it
//! is as large as a flash's, measured from the last extreme: fades count like steps, and smaller changes on the way do
//! not hide a larger one. Frames can be judged without being counted, which is how the limiter tries how far it may go.

use super::colour::{Light, general_edge, general_threshold};
use super::counter::{Counter, DOWN, UP};
use super::slew::ALL;
use crate::picture::Picture;

/// The luminance of one point since its last change.
#[derive(Clone)]
struct Luminance {
    /// The last change; none yet.
    way: i8,
    low: f32,
    high: f32,
}

impl Luminance {
    /// The change that a point makes which goes from one luminance to another.
    fn change(&self, from: f32, to: f32, scale: f32) -> i8 {
        let rises = to > from && to - self.low >= general_threshold(self.low, scale);
        let falls = to < from && self.high - to >= general_threshold(to, scale);
        match self.way {
            UP if falls => DOWN,
            DOWN if rises => UP,
            0 if falls => DOWN,
            0 if rises => UP,
            _ => 0,
        }
    }

    /// How far it may go towards `to` without a change, as a share of the way.
    fn room(&self, from: f32, to: f32, scale: f32) -> f32 {
        let edge = match to > from {
            true => self.low + general_threshold(self.low, scale),
            false => general_edge(self.high, scale),
        };
        ((edge - from) / (to - from)).clamp(0.0, 1.0)
    }

    fn follow(&mut self, luminance: f32, change: i8) {
        if change != 0 {
            *self = Self { way: change, low: luminance, high: luminance };
        } else {
            self.low = self.low.min(luminance);
            self.high = self.high.max(luminance);
        }
    }
}

/// The red of one point since its last change.
#[derive(Clone)]
struct Red {
    way: i8,
    /// The reddest and the least red colour since then.
    most: [u8; 3],
    least: [u8; 3],
}

impl Red {
    /// The change that a point makes which goes from one colour to another.
    fn change(&self, light: Light, from: [u8; 3], to: [u8; 3], scale: f32) -> i8 {
        // Of two colours the one that is no saturated red is the less red one, whatever its R − G − B.
        let pair = |red: [u8; 3], other: [u8; 3]| {
            light.saturated_red(red)
                && (!light.saturated_red(other) || light.less_red(other, red))
                && light.red_change(red, other, scale)
        };
        match self.way {
            UP | 0 if !light.less_red(from, to) && pair(self.most, to) => DOWN,
            DOWN | 0 if !light.less_red(to, from) && pair(to, self.least) => UP,
            _ => 0,
        }
    }

    fn follow(&mut self, light: Light, colour: [u8; 3], change: i8) {
        if change != 0 {
            *self = Self { way: change, most: colour, least: colour };
            return;
        }
        if light.less_red(colour, self.least) {
            self.least = colour;
        }
        // Only a saturated red can be left.
        let red = light.saturated_red(colour);
        if red && (!light.saturated_red(self.most) || light.less_red(self.most, colour)) {
            self.most = colour;
        }
    }
}

/// Counts the flashes of a sequence of frames.
#[derive(Clone)]
pub struct Meter {
    light: Light,
    field: [usize; 2],
    /// The points of the last frame that was counted; empty before the first.
    points: Vec<u8>,
    luminance: Vec<Luminance>,
    red: Vec<Red>,
    general_flashes: Counter,
    red_flashes: Counter,
    /// What changes with the frame that was judged last.
    changes: [Vec<i8>; 2],
}

impl Meter {
    /// For frames of a grid of points, and fields of `field` points anywhere in it.
    pub fn new(grid: [usize; 2], field: [usize; 2]) -> Self {
        let count = grid[0] * grid[1];
        Self {
            light: Light::new(),
            field,
            points: Vec::new(),
            luminance: Vec::new(),
            red: Vec::new(),
            general_flashes: Counter::new(grid, field),
            red_flashes: Counter::new(grid, field),
            changes: [vec![0; count], vec![0; count]],
        }
    }

    /// Other fields.
    pub fn set_field(&mut self, field: [usize; 2]) {
        if std::mem::replace(&mut self.field, field) != field {
            self.general_flashes.set_field(field);
            self.red_flashes.set_field(field);
        }
    }

    /// Whether a frame at `secs` would be a flash too many. Differences count from `scale` times the definitions' on.
    /// Nothing is counted yet.
    pub fn judge(&mut self, frame: &Picture, secs: f64, scale: f32) -> bool {
        let [general, red] = &mut self.changes;
        if self.points.is_empty() {
            general.fill(0);
            red.fill(0);
            return false;
        }
        let pairs = frame.pixels.as_chunks::<3>().0.iter().zip(self.points.as_chunks::<3>().0);
        for (at, (colour, before)) in pairs.enumerate() {
            (general[at], red[at]) = match colour == before {
                true => (0, 0),
                false => (
                    self.luminance[at].change(self.light.luminance(*before), self.light.luminance(*colour), scale),
                    self.red[at].change(self.light, *before, *colour, scale),
                ),
            };
        }
        let general = self.general_flashes.judge(general, secs);
        self.red_flashes.judge(red, secs) || general
    }

    /// How much of its step towards `next` each point may go, of [`ALL`], so that none makes a change too many: now, or
    /// if it went on as far as `ahead`.
    pub fn shares(&self, next: &Picture, ahead: &Picture, secs: f64, scale: f32) -> Vec<u16> {
        let colours = |frame: &Picture| frame.pixels.as_chunks::<3>().0.to_vec();
        let (next, ahead) = (colours(next), colours(ahead));
        let share = |(at, from): (usize, &[u8; 3])| {
            if *from == ahead[at] {
                return ALL;
            }
            let mut share = ALL;
            if self.general_flashes.full(at, secs) {
                let [from, next, ahead] = [*from, next[at], ahead[at]].map(|colour| self.light.luminance(colour));
                let luminance = &self.luminance[at];
                if luminance.change(from, next, scale) != 0 {
                    return 0;
                }
                if luminance.change(from, ahead, scale) != 0 {
                    share = (luminance.room(from, ahead, scale) * f32::from(ALL)) as u16;
                }
            }
            if self.red_flashes.full(at, secs) {
                let red = |to| self.red[at].change(self.light, *from, to, scale) != 0;
                if red(next[at]) {
                    return 0;
                }
                if red(ahead[at]) {
                    share = share.min(ALL / 4);
                }
            }
            share
        };
        self.points.as_chunks::<3>().0.iter().enumerate().map(share).collect()
    }

    /// Counts the frame that was judged last.
    pub fn count(&mut self, frame: &Picture, secs: f64) {
        let colours = frame.pixels.as_chunks::<3>().0;
        if self.points.is_empty() {
            let luminance = |colour: &[u8; 3]| self.light.luminance(*colour);
            self.luminance = colours.iter().map(luminance).map(|l| Luminance { way: 0, low: l, high: l }).collect();
            self.red = colours.iter().map(|colour| Red { way: 0, most: *colour, least: *colour }).collect();
            self.points.clone_from(&frame.pixels);
            return;
        }
        let [general, red] = &self.changes;
        for (at, (colour, before)) in colours.iter().zip(self.points.as_chunks::<3>().0).enumerate() {
            if colour != before {
                self.luminance[at].follow(self.light.luminance(*colour), general[at]);
                self.red[at].follow(self.light, *colour, red[at]);
            }
        }
        self.general_flashes.count(general, secs);
        self.red_flashes.count(red, secs);
        self.points.clone_from(&frame.pixels);
    }
}
