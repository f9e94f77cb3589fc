//! What training may cost the show: how long it rests, and how many milliseconds of a frame it takes.
//!
//! Fed with every frame, pure. More late frames than the show has by itself, or longer ones, make the trainer rest
//! longer at once; without them it rests shorter again slowly.
//! The cost is a difference: what a picture takes while it trains, less what one takes while it does not; so now and
//! then it is asked to be quiet for a second.

use std::collections::VecDeque;

/// Frames by which it judges: one to two seconds.
const WINDOW: usize = 100;
/// Least seconds between two changes.
const PAUSE_SECS: f64 = 0.5;
/// Seconds without a late frame after which it rests less.
const CALM_SECS: f64 = 4.0;
/// Share of late frames that is too much, beyond half as many again as the show has by itself.
const TOO_MUCH: f64 = 0.015;
const MORE: f64 = 1.5;
/// Frames that are so much longer than by itself are too long, also where all are late.
const LONGER: f64 = 1.2;
/// The most that it rests.
const MOST: f64 = 0.9;
/// Between two quiet seconds, and how long one is.
const QUIET_EVERY_SECS: f64 = 120.0;
const QUIET_SECS: f64 = 1.0;
/// The pause between two while it rests as long as it can.
const DOUBT_SECS: f64 = 20.0;
/// It does not wait longer than this for the trainer to be quiet: an epoch of a large network.
const PATIENCE_SECS: f64 = 30.0;

/// What the trainer should do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Request {
    /// Rest this share of the time.
    Rest(f64),
    /// Be quiet, so that it can be heard what a frame takes without it.
    Quiet,
    /// Go on.
    Go,
}

/// Why it rests longer than it has to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pressed {
    /// So many frames of the last so many came late.
    Late(usize, usize),
    /// Frames take so many milliseconds, and so many without a training.
    Longer(f64, f64),
}

impl std::fmt::Display for Pressed {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Late(late, of) => write!(f, "{late} of the last {of} frames came late"),
            Self::Longer(ms, alone) => write!(f, "frames take {ms:.0} ms, and {alone:.0} without it"),
        }
    }
}

/// One frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Real seconds of the show.
    pub at: f64,
    /// Whether it came late.
    pub late: bool,
    /// How long it took in all, in milliseconds.
    pub frame_ms: f64,
    /// What its picture took, in milliseconds; none if there was no new one.
    pub took_ms: Option<f64>,
    /// Whether the trainer works, as far as it has told.
    pub works: bool,
}

/// The governor of one show.
#[derive(Debug, Default)]
pub struct Governor {
    late: VecDeque<bool>,
    /// Frames with a training, and without one; and the share of those that was late.
    frames: Takes,
    alone: Takes,
    late_alone: f64,
    /// Share that it rests, and the least.
    rest: f64,
    least: f64,
    /// Why it rested longer last.
    why: Option<Pressed>,
    changed: f64,
    last_late: f64,
    /// What pictures take with and without a training beside them.
    busy: Takes,
    quiet: Takes,
    /// When the quiet was asked for, and since when it is quiet.
    asked: Option<f64>,
    since: Option<f64>,
    next: f64,
}

/// Milliseconds of the last pictures.
#[derive(Debug, Default)]
struct Takes(VecDeque<f64>);

impl Takes {
    fn push(&mut self, ms: f64) {
        if self.0.len() == 2 * WINDOW {
            self.0.pop_front();
        }
        self.0.push_back(ms);
    }

    /// The mean of the last [`WINDOW`].
    fn latest(&self) -> Option<f64> {
        let count = self.0.len().min(WINDOW);
        (count >= 20).then(|| self.0.iter().rev().take(count).sum::<f64>() / count as f64)
    }

    /// Their mean: what is taken away is taken from every frame, not only from the middle one.
    fn mean(&self) -> Option<f64> {
        (self.0.len() >= 20).then(|| self.0.iter().sum::<f64>() / self.0.len() as f64)
    }
}

impl Governor {
    /// One whose trainer rests at least this share of the time.
    pub fn new(least: f64) -> Self {
        let least = least.clamp(0.0, MOST);
        Self { rest: least, least, next: QUIET_EVERY_SECS, ..Self::default() }
    }

    /// The share that it rests now.
    pub fn rest(&self) -> f64 {
        self.rest
    }

    /// Why it rests longer than it has to, if it does.
    pub fn pressed(&self) -> Option<Pressed> {
        self.why.filter(|_| self.rest > self.least)
    }

    /// A hand wants it to rest at least this share.
    pub fn set_least(&mut self, least: f64) -> f64 {
        self.least = least.clamp(0.0, MOST);
        self.rest = self.least.max(if self.rest > self.least { self.rest } else { 0.0 });
        self.rest
    }

    /// Milliseconds that training adds to a picture; none before both kinds of frames were seen.
    pub fn cost_ms(&self) -> Option<f64> {
        Some((self.busy.mean()? - self.quiet.mean()?).max(0.0))
    }

    /// Whether it is being quiet for the measurement.
    pub fn listening(&self) -> bool {
        self.asked.is_some()
    }

    /// Takes in a frame; says what should change.
    pub fn frame(&mut self, frame: Frame) -> Option<Request> {
        if let Some(ms) = frame.took_ms {
            match frame.works {
                true => self.busy.push(ms),
                false => self.quiet.push(ms),
            }
        }
        if frame.works {
            self.frames.push(frame.frame_ms);
            if self.late.len() == WINDOW {
                self.late.pop_front();
            }
            self.late.push_back(frame.late);
        } else {
            self.alone.push(frame.frame_ms);
            self.late_alone += (f64::from(u8::from(frame.late)) - self.late_alone) * 3.0 / WINDOW as f64;
        }
        self.listen(frame).or_else(|| self.govern(frame))
    }

    fn listen(&mut self, frame: Frame) -> Option<Request> {
        let Some(asked) = self.asked else {
            // Where rest does not help, the show may have become heavier by itself: that is asked sooner.
            let due = if self.rest >= MOST { self.next - QUIET_EVERY_SECS + DOUBT_SECS } else { self.next };
            if !frame.works || frame.at < due {
                return None;
            }
            self.asked = Some(frame.at);
            return Some(Request::Quiet);
        };
        if self.since.is_none() && !frame.works {
            self.since = Some(frame.at);
        }
        let heard = self.since.is_some_and(|since| frame.at - since >= QUIET_SECS);
        if heard || frame.at - asked > PATIENCE_SECS {
            (self.asked, self.since) = (None, None);
            self.next = frame.at + QUIET_EVERY_SECS;
            return Some(Request::Go);
        }
        None
    }

    fn govern(&mut self, frame: Frame) -> Option<Request> {
        if !frame.works || frame.at - self.changed < PAUSE_SECS {
            return None;
        }
        // A single late frame among few says nothing.
        let (late, of) = (self.late.iter().filter(|late| **late).count(), self.late.len());
        let too_late = of >= WINDOW / 2 && late as f64 / of as f64 > MORE * self.late_alone + TOO_MUCH;
        let pressed = match (self.frames.latest(), self.alone.latest()) {
            _ if too_late => Some(Pressed::Late(late, of)),
            (Some(ms), Some(alone)) if ms > LONGER * alone => Some(Pressed::Longer(ms, alone)),
            _ => None,
        };
        if pressed.is_some() {
            (self.last_late, self.why) = (frame.at, pressed);
        }
        let wanted = if pressed.is_some() {
            (self.rest + 0.15).clamp(0.3, MOST)
        } else if frame.at - self.last_late > CALM_SECS && frame.at - self.changed > CALM_SECS / 2.0 {
            (self.rest - 0.05).max(self.least)
        } else {
            self.rest
        };
        if wanted == self.rest {
            return None;
        }
        if wanted > self.rest {
            // What was late before it rests longer says nothing about how it will be then.
            self.late.clear();
            self.frames.0.clear();
        }
        (self.rest, self.changed) = (wanted, frame.at);
        Some(Request::Rest(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(governor: &mut Governor, from: f64, secs: f64, late: impl Fn(usize) -> bool, ms: f64) -> Vec<Request> {
        let frames = (secs * 60.0) as usize;
        let (frame_ms, took_ms, works) = (16.7, Some(ms), true);
        let each = |i: usize| Frame { at: from + i as f64 / 60.0, late: late(i), frame_ms, took_ms, works };
        (0..frames).filter_map(|i| governor.frame(each(i))).collect()
    }

    #[test]
    fn late_frames_make_it_rest_and_punctual_ones_let_it_work() {
        let mut governor = Governor::new(0.1);
        let requests = run(&mut governor, 0.0, 10.0, |i| i % 10 == 0, 5.0);
        assert!(matches!(requests[0], Request::Rest(rest) if rest >= 0.3));
        assert_eq!(governor.rest(), MOST);
        assert!(governor.pressed().unwrap().to_string().contains("frames came late"), "{governor:?}");
        run(&mut governor, 10.0, 60.0, |_| false, 5.0);
        assert!((governor.rest() - 0.1).abs() < 1e-9, "{}", governor.rest());
        assert_eq!(governor.pressed(), None);
        // One late frame in a while is no reason.
        assert_eq!(run(&mut governor, 70.0, 5.0, |i| i == 30, 5.0), []);
    }

    #[test]
    fn what_is_late_by_itself_is_not_the_trainers_fault() {
        let mut governor = Governor::new(0.0);
        let frame = |i: u32, frame_ms: f64, works: bool| Frame {
            at: f64::from(i) / 20.0,
            late: true,
            frame_ms,
            took_ms: None,
            works,
        };
        assert!((0..400).all(|i| governor.frame(frame(i, 50.0, false)).is_none()));
        assert!((400..800).all(|i| governor.frame(frame(i, 52.0, true)).is_none()));
        assert!((800..900).any(|i| governor.frame(frame(i, 70.0, true)).is_some()));
        assert!(matches!(governor.pressed(), Some(Pressed::Longer(_, 50.0))), "{governor:?}");
    }

    #[test]
    fn the_cost_is_what_pictures_take_more() {
        let mut governor = Governor::new(0.0);
        assert_eq!(governor.cost_ms(), None);
        for i in 0..120 {
            let (at, frame_ms) = (f64::from(i) / 60.0, 16.7);
            governor.frame(Frame { at, late: false, frame_ms, took_ms: Some(4.0), works: false });
        }
        let requests = run(&mut governor, 2.0, QUIET_EVERY_SECS, |_| false, 6.5);
        assert!((governor.cost_ms().unwrap() - 2.5).abs() < 1e-9);
        assert_eq!(requests, [Request::Quiet]);
        let quiet = |i: u32| {
            let (at, frame_ms) = (123.0 + f64::from(i) / 60.0, 16.7);
            Frame { at, late: false, frame_ms, took_ms: Some(5.0), works: false }
        };
        let requests: Vec<Request> = (0..240).filter_map(|i| governor.frame(quiet(i))).collect();
        assert_eq!(requests, [Request::Go]);
        assert!((governor.cost_ms().unwrap() - 1.5).abs() < 1e-9);
    }
}
