//! The stage: a clean output window with nothing but the work, and the desk beside it.
//!
//! Fed by [`Show::frame`] once a displayed frame on the main thread; hands keys, mouse and the desk back as
//! [`Act`](crate::show::addresses::Act)s. A Bevy app of our own; a pass with our own shader draws pictures and marks,
//! since nannou's `Draw` leaves an asset behind with each frame, also with an empty one. The only module that knows
//! windows. No networks, no files but screenshots; a fault in drawing is logged and the next frame drawn.

mod app;
mod desk;
mod desktop;
mod displays;
mod keys;
mod letters;
mod live;
mod lost;
mod output;
mod pace;
mod painter;
mod pipelines;
mod pointer;
mod probe;
mod quads;
#[cfg(all(unix, not(target_os = "macos")))]
mod session_bus;
mod shot;
mod textures;
#[cfg(all(unix, not(target_os = "macos")))]
mod x11;

use std::path::PathBuf;

use crate::latest::lock;
use crate::picture::PictureError;
use crate::show::Show;

/// What the windows are like.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Width and height of the output window's inside, in points.
    pub size: [u32; 2],
    /// Whether the output window fills its display.
    pub fullscreen: bool,
    /// For a room without a player: full screen, and no desk until somebody asks for it.
    pub kiosk: bool,
    /// The display to open on, by its name, a part of it, or its number from 0, from left to right; none leaves it to
    /// the preset, and that to the window system.
    pub display: Option<String>,
    /// Most frames a second; none follows the display.
    pub fps: Option<f64>,
    /// A PNG of the output window, taken at the end of the run.
    pub screenshot: Option<PathBuf>,
    /// Whether the desk is open at the start.
    pub desk: bool,
    /// A PNG of the desk, taken at the end of the run; opens the desk.
    pub desk_screenshot: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            size: [1024, 1024],
            fullscreen: false,
            kiosk: false,
            display: None,
            fps: None,
            screenshot: None,
            desk: true,
            desk_screenshot: None,
        }
    }
}

/// Why there is no stage.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// There is no graphics adapter that can draw, not even one in software.
    #[error(
        "no graphics adapter: install mesa-vulkan-drivers (a software one is enough), or use \
         `flaneur play --headless` or `flaneur film`, which need none"
    )]
    NoAdapter,
    /// Neither Wayland nor X11 answers.
    #[error(
        "no display answers (neither WAYLAND_DISPLAY nor DISPLAY): start from a desktop or under \
         `xvfb-run -a`, or use `flaneur play --headless` or `flaneur film`, which need none"
    )]
    NoDisplay,
    /// The window system or the driver gave up in a way that nobody can go on from.
    #[error("the windows broke: {0}")]
    Broken(String),
    /// The window presented no frame in so many seconds.
    #[error("the screenshot was not taken: the window showed nothing within {0} s")]
    NoShot(u64),
    /// The show cannot go on and is to be started again.
    #[error("{0}")]
    Failed(String),
    /// The screenshot's file cannot be written.
    #[error(transparent)]
    Picture(#[from] PictureError),
}

/// Whether windows can be opened here.
///
/// # Errors
/// Where there is no display or no graphics adapter.
pub fn check() -> Result<(), StageError> {
    probe::display()?;
    probe::adapter().map(|_| ())
}

/// Shows `show` until it is finished or its window is closed.
///
/// # Errors
/// Where there is no display or no graphics adapter, before any window opens; a screenshot that could not be
/// written, and a show that ended by itself, after all else is done.
pub fn run(show: Show, options: Options) -> Result<(), StageError> {
    let live = live::Live::new(show);
    probe::display()?;
    let adapter = probe::adapter()?;
    let failed = live.failed();
    app::run(live, options, adapter)?;
    match lock(&failed).take() {
        Some(why) => Err(StageError::Failed(why)),
        None => Ok(()),
    }
}
