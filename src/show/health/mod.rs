//! How a show is: where a frame's time goes, what came late, and who still answers.
//!
//! Fed by the frame and the windows; read by the desk, the addresses, `--stats`, `GET /health` and the [`watchdog`].
//! May take: nothing. Time is handed in. What others may ask at any moment, also while the loop stands still, is in
//! [`Vitals`]: numbers without a lock that anybody holds for long.

mod figures;
mod timing;
pub mod watchdog;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::view::Part;
use crate::latest::lock;
use crate::report::{Board, Weight};
use crate::worker::{Beat, memory_mb};
use figures::Figures;
use timing::Timing;

/// A loop that has given no frame for so long is not healthy.
const STILL: Duration = Duration::from_secs(2);
/// The same of a generator's thread that has work.
const SILENT: Duration = Duration::from_secs(20);

/// Figures of the last second, for those who ask.
#[derive(Default)]
pub struct Stat {
    /// Milliseconds of a frame, the median.
    pub p50: f64,
    /// Milliseconds of a frame, the slowest of a hundred.
    pub p99: f64,
    /// Frames a second.
    pub fps: f64,
    /// Frames so far.
    pub frames: u64,
    /// The worst fault on the board.
    pub board: String,
    at: f64,
}

/// What the loop tells once a second of its parts.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Seconds since the start.
    pub secs: f64,
    /// The running sketch; empty if none runs.
    pub sketch: String,
    /// What is wrong with the sketch, in words.
    pub complaint: Option<String>,
    /// Sketches that were given up and are still at work.
    pub silent: usize,
    /// Name of the model at work.
    pub model: String,
    /// Name of the device that draws.
    pub device: String,
    /// How long ago the generator's thread last came round, while it has work.
    pub generator: Option<Duration>,
    /// How the training does, in a word.
    pub trainer: &'static str,
    /// File, seconds, dropped and repeated frames of a recording.
    pub recording: Option<(PathBuf, f64, u64, u64)>,
    /// Where recordings go.
    pub folder: PathBuf,
    /// Whether pictures are knowingly not asked for.
    pub held: bool,
}

/// What other threads may ask of a show at any moment.
#[derive(Default)]
pub struct Vitals {
    /// Each frame of the loop.
    pub frame: Beat,
    /// Each frame that a window has presented.
    pub presented: Beat,
    frames: AtomicU64,
    late: AtomicU64,
    /// The longest frame of the last minute, in microseconds.
    longest_us: AtomicU64,
    /// The loop is over in order: nobody need worry.
    closing: AtomicBool,
    told: Mutex<Told>,
}

impl Vitals {
    /// The show ends in order from now on.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Whether it does.
    pub fn closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Frames so far.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Seconds since the last frame began; 0 before the first.
    pub fn age_secs(&self) -> f64 {
        self.frame.age().map_or(0.0, |age| age.as_secs_f64())
    }

    /// What the loop told last.
    pub fn told(&self) -> Told {
        lock(&self.told).clone()
    }

    /// Whether pictures come: the loop goes on, windows present, and the generator answers or is knowingly held.
    pub fn well(&self) -> bool {
        let fresh = |beat: &Beat, most: Duration| beat.age().is_none_or(|age| age < most);
        let loop_goes = self.frame.age().is_some_and(|age| age < STILL);
        loop_goes && fresh(&self.presented, 5 * STILL) && self.generator_answers()
    }

    fn generator_answers(&self) -> bool {
        let told = lock(&self.told);
        told.held || told.generator.is_none_or(|age| age < SILENT)
    }

    /// For `GET /health`: whether all is well, and one JSON object.
    pub fn report(&self) -> (bool, String) {
        let told = self.told();
        let well = self.well();
        let rounded = |age: Duration| (age.as_secs_f64() * 1e3).round() / 1e3;
        let secs = |beat: &Beat| beat.age().map(rounded);
        let recorder = told.recording.map(|(path, secs, dropped, repeated)| {
            json!({"file": path, "secs": secs, "dropped": dropped, "repeated": repeated})
        });
        let report = json!({
            "healthy": well,
            "secs": told.secs,
            "frame": {
                "count": self.frames(),
                "age_secs": secs(&self.frame),
                "late": self.late.load(Ordering::Relaxed),
                "longest_ms": self.longest_us.load(Ordering::Relaxed) as f64 / 1e3,
            },
            "presented_age_secs": secs(&self.presented),
            "generator": {"model": told.model, "device": told.device, "age_secs": told.generator.map(rounded), "held": told.held},
            "sketch": {"name": told.sketch, "complaint": told.complaint, "given_up": told.silent},
            "trainer": told.trainer,
            "recorder": recorder,
            "disk_free_mb": free_mb(&told.folder),
            "memory_mb": memory_mb().round(),
            "threads": threads(),
        });
        (well, report.to_string())
    }
}

/// Seconds since the last heartbeat of each thread, by name.
fn threads() -> Json {
    let beats = crate::worker::beats().into_iter();
    Json::Object(
        beats.map(|(name, age)| (name, json!(age.map(|age| (age.as_secs_f64() * 10.0).round() / 10.0)))).collect(),
    )
}

/// Megabytes that are free where a folder is, or would be made; none where the system does not tell.
pub fn free_mb(folder: &std::path::Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let there = folder.ancestors().find(|path| path.exists()).filter(|path| !path.as_os_str().is_empty());
        let about = rustix::fs::statvfs(there.unwrap_or(std::path::Path::new("."))).ok()?;
        Some(about.f_bavail.saturating_mul(about.f_frsize) >> 20)
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        None
    }
}

/// How a show is.
pub struct Health {
    timing: Timing,
    figures: Figures,
    stat: Stat,
    /// Time a frame should take, if the show has a rate.
    frame: Option<Duration>,
    began: Instant,
    last: Option<Instant>,
    vitals: Arc<Vitals>,
    watchdog: Option<watchdog::Watchdog>,
}

impl Health {
    /// Of a show of so many frames a second (0 for no rate), whose figures are printed every so many seconds.
    pub fn new(fps: f64, every_secs: Option<f64>) -> Self {
        let frame = (fps > 0.0).then(|| Duration::from_secs_f64(1.0 / fps));
        let (timing, figures, vitals) = (Timing::default(), Figures::new(every_secs), Arc::default());
        Self {
            timing,
            figures,
            stat: Stat::default(),
            frame,
            began: Instant::now(),
            last: None,
            vitals,
            watchdog: None,
        }
    }

    /// Has a thread that watches the loop, and ends the process when no frame comes; see [`watchdog`].
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn watch(&mut self) -> std::io::Result<()> {
        self.watchdog = Some(watchdog::Watchdog::start(self.vitals.clone())?);
        Ok(())
    }

    /// What other threads may ask.
    pub fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    /// Time a frame should take.
    pub fn frame_time(&self) -> Option<Duration> {
        self.frame
    }

    /// A frame begins at `now`.
    pub fn begin(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            let second = (now - self.began).as_secs();
            self.timing.frame(now - last, self.frame, second);
            self.vitals.longest_us.store((self.timing.longest_ms(second) * 1e3) as u64, Ordering::Relaxed);
        }
        self.vitals.frame.now();
        self.vitals.frames.fetch_add(1, Ordering::Relaxed);
        self.vitals.late.store(self.timing.late(), Ordering::Relaxed);
    }

    /// A window has presented a frame.
    pub fn presented(&self) {
        self.vitals.presented.now();
    }

    /// One part of the frame took so long.
    pub fn spent(&mut self, part: &'static str, time: Duration) {
        self.timing.spent(part, time);
    }

    /// Looks at the figures once a second; `told` says how the parts are.
    pub fn look(&mut self, frames: u64, real: f64, board: &Board, told: impl FnOnce() -> Told) {
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
        *lock(&self.vitals.told) = told();
    }

    /// Frames that were begun.
    pub fn frames(&self) -> u64 {
        self.vitals.frames()
    }

    /// Seconds since the last frame began.
    pub fn age_secs(&self) -> f64 {
        self.vitals.age_secs()
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

    /// The show ends in order: nobody need worry that no more frames come.
    pub fn close(&self) {
        self.vitals.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_stands_still_is_not_healthy() {
        let mut health = Health::new(60.0, None);
        let vitals = health.vitals().clone();
        assert!(!vitals.well());
        health.begin(Instant::now());
        let board = Board::default();
        board.fault("sketch", "broken");
        health.look(1, 0.02, &board, || Told { sketch: "ring".into(), trainer: "off", ..Told::default() });
        let (well, text) = vitals.report();
        let report: Json = serde_json::from_str(&text).unwrap();
        assert!(well && report["healthy"] == json!(true) && report["frame"]["count"] == json!(1));
        assert!(report["sketch"]["name"] == json!("ring") && report["disk_free_mb"].is_u64() == cfg!(unix));
        assert_eq!(health.stat().board, "sketch: broken");
    }
}
