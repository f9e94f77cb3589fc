//! How a show is: where a frame's time goes, what came late, and who still answers.
//!
//! Fed by the frame and the windows; read by the desk, the addresses, `--stats`. May take: nothing. Time is handed in.

use std::time::{Duration, Instant};

use super::figures::Figures;
use super::timing::Timing;
use super::view::Part;
use crate::report::{Board, Weight};

/// Figures of the last second, for those who ask.
#[derive(Default)]
pub struct Stat {
    /// Milliseconds of a frame, the median and the slowest of a hundred.
    pub p50: f64,
    pub p99: f64,
    /// Frames a second.
    pub fps: f64,
    /// The worst fault on the board.
    pub board: String,
    at: f64,
    frames: u64,
}

/// How a show is.
pub struct Health {
    timing: Timing,
    figures: Figures,
    stat: Stat,
    /// Time a frame should take, if the show has a rate.
    frame: Option<Duration>,
    last: Option<Instant>,
}

impl Health {
    /// Of a show of so many frames a second (0 for no rate), whose figures are printed every so many seconds.
    pub fn new(fps: f64, every_secs: Option<f64>) -> Self {
        let frame = (fps > 0.0).then(|| Duration::from_secs_f64(1.0 / fps));
        let (timing, figures) = (Timing::default(), Figures::new(every_secs));
        Self { timing, figures, stat: Stat::default(), frame, last: None }
    }

    /// Time a frame should take.
    pub fn frame_time(&self) -> Option<Duration> {
        self.frame
    }

    /// A frame begins at `now`.
    pub fn begin(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            self.timing.frame(now - last, self.frame);
        }
    }

    /// One part of the frame took so long.
    pub fn spent(&mut self, part: &'static str, time: Duration) {
        self.timing.spent(part, time);
    }

    /// Looks at the figures once a second.
    pub fn look(&mut self, frames: u64, real: f64, board: &Board) {
        let passed = real - self.stat.at;
        if passed < 1.0 && self.stat.at > 0.0 {
            return;
        }
        let parts = self.timing.parts();
        let frame = parts.iter().find(|part| part.name == "frame");
        let round = |ms: f32| f64::from((ms * 100.0).round() / 100.0);
        let (p50, p99) = frame.map_or((0.0, 0.0), |part| (round(part.p50_ms), round(part.p99_ms)));
        let fps = ((frames - self.stat.frames) as f64 / passed.max(1e-3) * 10.0).round() / 10.0;
        let worst = board.lines().into_iter().find(|line| line.weight == Weight::Fault);
        let board = worst.map_or(String::new(), |line| format!("{}: {}", line.origin, line.text));
        self.stat = Stat { p50, p99, fps, board, at: real.max(1e-9), frames };
    }

    /// Figures of the last second.
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// Medians and 99th percentiles of the parts of a frame.
    pub fn parts(&self) -> Vec<Part> {
        self.timing.parts()
    }

    /// Frames that came late.
    pub fn late(&self) -> u64 {
        self.timing.late()
    }

    /// The part that was the slowest in most of them.
    pub fn cause(&self) -> &'static str {
        self.timing.cause()
    }

    /// Prints the figures if it is time, or `last`.
    pub fn print(&mut self, last: bool, secs: f64, frames: u64, pictures: u64) {
        self.figures.print(last, secs, frames, pictures, &self.timing);
    }
}
