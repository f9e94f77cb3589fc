//! `flaneur play`: a show, in windows or without.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;

use super::given::InPlace;
use super::supervise::{end_with_parent, supervise};
use super::{DeviceChoice, Size};
use crate::drawn;
use crate::picture::canvas::Canvas;
use crate::recorder::Codec;
use crate::report::{Board, Stop, begin_log, tell};
use crate::show::{Options, Show};
use crate::worker::SUPERVISED;

/// What `flaneur play` takes.
#[derive(Args)]
pub struct Play {
    /// A preset or a sketch, by name or path [default: the preset "default"]
    target: Option<String>,
    /// A drawing sketch, by name or path: what it draws, a new picture each beat
    #[arg(long, value_name = "SKETCH", conflicts_with = "target")]
    data: Option<String>,
    /// A model, by name or path
    #[arg(long)]
    model: Option<String>,
    /// Size of the output window
    #[arg(long, value_name = "WxH")]
    size: Option<Size>,
    /// Start full screen
    #[arg(long)]
    fullscreen: bool,
    /// The display to go to: its name, a part of it, or its number, counted from 0, from left to right
    #[arg(long, value_name = "NAME")]
    display: Option<String>,
    /// For a room without a player: full screen, without the desk
    #[arg(long, conflicts_with = "headless")]
    kiosk: bool,
    /// Most frames a second; 0 is as fast as it goes
    #[arg(long, value_name = "N")]
    fps: Option<f64>,
    /// Record from the first frame on
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Log every move of every hand from the first frame on; flaneur film --take films it again
    #[arg(long, value_name = "FILE")]
    take: Option<PathBuf>,
    /// End after so many frames
    #[arg(long, value_name = "N")]
    frames: Option<u64>,
    /// Write recording, take and screenshots over files of the same names, which otherwise get the next free ones
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    in_place: InPlace,
    /// Write the output window as a PNG at the end
    #[arg(long, value_name = "FILE")]
    screenshot: Option<PathBuf>,
    /// Write the desk as a PNG at the end
    #[arg(long, value_name = "FILE")]
    desk_screenshot: Option<PathBuf>,
    /// Where the generator runs
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
    /// Start with the built-in sketch
    #[arg(long)]
    safe: bool,
    /// Without windows: needs no display and no graphics adapter
    #[arg(long)]
    headless: bool,
    /// Without the desk window
    #[arg(long)]
    no_desk: bool,
    /// Print frame times every so many seconds, and at the end
    #[arg(long, value_name = "SECS")]
    stats: Option<f64>,
    /// Write what happens into this file, too; it becomes FILE.1 and so on when it is long
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Begin where the last show of the same preset or sketch ended
    #[arg(long)]
    resume: bool,
    /// Look after the show from a process of its own, and start it again where it was when it ends otherwise than in order
    #[arg(long)]
    supervise: bool,
}

impl Play {
    /// Plays the show until it is finished or its window is closed.
    ///
    /// # Errors
    /// If an option is out of its range, the show cannot be opened, or it ended otherwise than in order.
    pub fn run(self) -> anyhow::Result<()> {
        if self.stats.is_some_and(|every| !every.is_finite() || every <= 0.0) {
            bail!("--stats takes seconds, more than 0");
        }
        if self.fps.is_some_and(|fps| !(0.0..=1000.0).contains(&fps)) {
            bail!("--fps takes 0 to 1000");
        }
        if self.frames == Some(0) {
            bail!("--frames takes 1 or more");
        }
        if self.supervise && std::env::var_os(SUPERVISED).is_none() {
            return supervise();
        }
        end_with_parent();
        begin_log(self.log.as_deref()).with_context(|| match &self.log {
            Some(path) => format!("the log {} cannot be written", path.display()),
            None => "the log cannot begin".into(),
        })?;
        if let Some(path) = &self.record {
            Codec::check(path)?;
        }
        let board = Board::echoing();
        let stop = Stop::of_show()?;
        let target = match &self.data {
            Some(name) => Some(drawn::find(name).map_err(anyhow::Error::msg)?.display().to_string()),
            None => self.target.clone(),
        };
        let options = Options {
            target,
            model: self.model.clone(),
            given: self.in_place.given()?,
            device: self.device.wanted(),
            safe: self.safe,
            frames: self.frames,
            fps: self.fps,
            record: self.record.clone(),
            take: self.take.clone(),
            overwrite: self.overwrite,
            stats: self.stats,
            resume: self.resume,
            ..Options::default()
        };
        if !self.headless {
            self.check_window()?;
        }
        let mut show = Show::open(options, &board, &stop)?;
        tell(format_args!("device: {}", show.desk().device));
        show.watch().context("no thread for the watchdog")?;
        if self.headless { self.headless(&mut show) } else { self.windows(show) }
    }

    /// The loop without a window.
    fn headless(&self, show: &mut Show) -> anyhow::Result<()> {
        let fps = self.fps.unwrap_or(if show.preset().fps > 0.0 { show.preset().fps } else { 60.0 });
        let pause = if fps > 0.0 { Duration::from_secs_f64(1.0 / fps) } else { Duration::ZERO };
        let mut due = Instant::now();
        let mut last = None;
        while !show.finished() {
            last = Some(show.frame());
            due += pause;
            match due.checked_duration_since(Instant::now()) {
                Some(left) => std::thread::sleep(left),
                // What is late is not made up for by a burst.
                None => due = Instant::now(),
            }
        }
        if let (Some(path), Some(scene)) = (&self.screenshot, &last) {
            let size = self.size.map_or(show.preset().size.map(|v| v as usize), |size| size.0);
            let (path, picture) = (super::free(path, self.overwrite), Canvas::default().draw(scene, size, true));
            picture.write_png(&path).context("the screenshot")?;
            tell(format_args!("wrote {}", path.display()));
        }
        show.close();
        match show.failed() {
            Some(why) => bail!("{why}"),
            None => Ok(()),
        }
    }

    /// Whether there can be a window, before the model is loaded.
    #[cfg(feature = "stage")]
    fn check_window(&self) -> anyhow::Result<()> {
        Ok(crate::stage::check()?)
    }

    #[cfg(feature = "stage")]
    fn windows(&self, show: Show) -> anyhow::Result<()> {
        let preset = show.preset();
        let fps = self.fps.or((preset.fps > 0.0).then_some(preset.fps));
        let options = crate::stage::Options {
            size: self.size.map_or(preset.size, |size| size.0.map(|v| v as u32)),
            fullscreen: self.fullscreen,
            kiosk: self.kiosk,
            display: self.display.clone(),
            fps,
            screenshot: self.screenshot.as_deref().map(|path| super::free(path, self.overwrite)),
            desk: !self.no_desk,
            desk_screenshot: self.desk_screenshot.as_deref().map(|path| super::free(path, self.overwrite)),
        };
        Ok(crate::stage::run(show, options)?)
    }

    #[cfg(not(feature = "stage"))]
    fn check_window(&self) -> anyhow::Result<()> {
        bail!("this program was built without windows; use --headless, or build it with the feature \"stage\"")
    }

    #[cfg(not(feature = "stage"))]
    fn windows(&self, _: Show) -> anyhow::Result<()> {
        self.check_window()
    }
}
