//! `flaneur soak`: plays a show for hours, as hands, files and faults would, and tells what that costs.
//!
//! The show is a process of its own, in a folder of its own with copies of sketches and a model, and is steered from
//! outside as anybody would: OSC, files, `GET /health`. What is done, and when, follows from the seed. Each minute is a
//! row of a table; at the end stand slopes, and what lies above the stated bounds makes the command fail.
//! [`place`] makes the folder, [`player`] starts and asks the show, [`hands`] and [`faults`] act, [`measure`] counts.
//! Absent: any knowledge of the show's inside.

mod faults;
mod hands;
mod measure;
mod place;
mod player;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;

use crate::random::RandomState;
use crate::report::{Stop, say, tell};
use faults::Faults;
use hands::Hands;
use measure::{Bounds, Measure, Row};
use place::Place;
use player::Player;

/// Between two looks of this program: hands move so often.
const STEP: Duration = Duration::from_millis(33);
/// Seconds of a row.
const ROW_SECS: f64 = 60.0;
/// How long a show may take to end when it is asked to.
const ENDING: Duration = Duration::from_secs(3);

/// Play a show for hours with hands, reloads and faults, and measure what that costs
#[derive(Args)]
pub struct Soak {
    /// How long
    #[arg(long, value_name = "H", default_value_t = 1.0, allow_negative_numbers = true)]
    hours: f64,
    /// What is done, and when, follows from this number
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u32,
    /// Also what must not happen: broken sketches, floods, lost files, stopped processes
    #[arg(long)]
    faults: bool,
    /// Train beside the show
    #[arg(long)]
    train: bool,
    /// With output and desk in windows
    #[arg(long)]
    windows: bool,
    /// A model, by name or path
    #[arg(long, default_value = "three-lines")]
    model: String,
    /// Frames a second
    #[arg(long, value_name = "N", default_value_t = 60.0)]
    fps: f64,
    /// Longest frame that is let pass
    #[arg(long, value_name = "MS", default_value_t = 250.0)]
    longest: f64,
    /// Leave the folder with the show's log behind, wherever that is
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

/// What hands and faults may use.
struct Stage {
    place: Place,
    player: Player,
    random: RandomState,
    /// The sketch whose turn it is.
    sketch: usize,
    /// The sketch at work is a broken one, on purpose.
    broken: bool,
    /// Switches that were just put on.
    on: Vec<&'static str>,
}

impl Stage {
    /// Says what could not be done; the soak goes on.
    fn tell(&self, done: anyhow::Result<()>) {
        if let Err(error) = done {
            tell(format_args!("soak: {error:#}"));
        }
    }
}

impl Soak {
    /// Plays, measures, and tells.
    ///
    /// # Errors
    /// If a show cannot be started, or something lies above its bound.
    pub fn run(self) -> anyhow::Result<()> {
        if !self.hours.is_finite() || self.hours <= 0.0 || self.hours > 10_000.0 {
            bail!("--hours takes more than 0, up to 10000");
        }
        if !(1.0..=1000.0).contains(&self.fps) {
            bail!("--fps takes 1 to 1000");
        }
        let stop = Stop::on_signals()?;
        let place = Place::make(self.keep.clone(), &self.model, self.train, self.fps)?;
        let player = Player::start(&place, self.windows, &stop).context("the show")?;
        let random = RandomState::new(self.seed);
        let mut stage = Stage { place, player, random, sketch: 0, broken: false, on: Vec::new() };
        let secs = self.hours * 3600.0;
        tell(format_args!("plays for {:.2} hours; Ctrl-C ends it earlier, with the table so far", self.hours));
        let (rows, restarts) = self.play(&mut stage, secs, &stop)?;
        let ended = stage.player.end(ENDING);
        let bounds = Bounds { longest_ms: self.longest, ..Bounds::default() };
        for line in measure::summary(&rows) {
            say(line);
        }
        let mut over = bounds.over(&rows, restarts);
        match ended {
            Some(took) => say(format!("The show ended {:.2} s after SIGTERM.", took.as_secs_f64())),
            None => over.push(format!("the show did not end within {} s of SIGTERM", ENDING.as_secs())),
        }
        if over.is_empty() {
            say(format!("All within the bounds: {bounds}."));
            stage.place.remove();
            return Ok(());
        }
        stage.place.leave();
        bail!("above the bounds: {}; the show's log is {}", over.join("; "), stage.place.log().display());
    }

    /// Acts and measures until the time is over; gives the rows, and how often the show ended by itself.
    fn play(&self, stage: &mut Stage, secs: f64, stop: &Stop) -> anyhow::Result<(Vec<Row>, u32)> {
        let start = Instant::now();
        let mut measure = Measure::new(stage.player.id());
        let (mut hands, mut faults) = (Hands::default(), Faults::new(self.faults));
        let (mut rows, mut restarts): (Vec<Row>, u32) = (Vec::new(), 0);
        let mut second = 0;
        say(measure::HEAD);
        loop {
            let now = start.elapsed().as_secs_f64();
            let over = now >= secs || stop.raised();
            if !stage.player.runs() {
                restarts += 1;
                tell(format_args!("the show ended by itself after {now:.0} s; it is started again"));
                stage.player = Player::start(&stage.place, self.windows, stop).context("the show")?;
                measure.follow(stage.player.id());
            }
            hands.act(stage, now);
            faults.act(stage, now);
            if now as u64 > second || over {
                second = now as u64;
                measure.look(now, stage.player.health());
            }
            // A short rest of a minute is no row of its own.
            let rest = over && (rows.is_empty() || now - ROW_SECS * rows.len() as f64 >= ROW_SECS / 2.0);
            if now >= ROW_SECS * (rows.len() + 1) as f64 || rest {
                let row = measure.row(now, faults.done());
                say(&row);
                rows.push(row);
            }
            if over {
                faults.undo_all(stage);
                return Ok((rows, restarts));
            }
            std::thread::sleep(STEP);
        }
    }
}
