//! The end of a run: screenshots of the windows as they are, then the show is closed and the loop left.
//!
//! Reads the windows back from the GPU; writes PNG files through `picture`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bevy::app::AppExit;
use bevy::prelude::{Commands, Entity, Image, MessageWriter, NonSendMut, On, Query, Res, ResMut, Resource, With};
use bevy::render::view::screenshot::{Screenshot, ScreenshotCaptured};

use super::desk::{DeskState, DeskWindow};
use super::live::Live;
use super::output::OutputWindow;
use super::{Options, StageError};
use crate::picture::Picture;

/// Seconds until a window that shows nothing is given up.
const PATIENCE_SECS: u64 = 20;

/// What went wrong at the end, for the caller of `run`.
pub(super) type Outcome = Arc<Mutex<Result<(), StageError>>>;

/// The screenshots that are still to be taken.
#[derive(Resource)]
pub(super) struct Ending {
    output: Option<PathBuf>,
    desk: Option<PathBuf>,
    /// When the show was over, when the desk had settled, and whether the screenshots were asked for.
    over: Option<Instant>,
    since: Option<Instant>,
    asked: bool,
    pending: Arc<AtomicUsize>,
    outcome: Outcome,
}

impl Ending {
    pub(super) fn new(options: &Options, outcome: Outcome) -> Self {
        Self {
            output: options.screenshot.clone(),
            desk: options.desk_screenshot.clone(),
            over: None,
            since: None,
            asked: false,
            pending: Arc::default(),
            outcome,
        }
    }

    /// Whether the run is over and only waits for its screenshots.
    pub(super) fn begun(&self) -> bool {
        self.since.is_some()
    }
}

/// Ends the run when the show is finished or its window was closed.
pub(super) fn finish(
    mut live: NonSendMut<Live>,
    mut ending: ResMut<Ending>,
    output: Query<Entity, With<OutputWindow>>,
    desk: Query<Entity, With<DeskWindow>>,
    state: Res<DeskState>,
    mut commands: Commands,
    mut exit: MessageWriter<AppExit>,
) {
    live.over |= live.show.finished();
    if !live.over {
        return;
    }
    let over = *ending.over.get_or_insert_with(Instant::now);
    let patient = over.elapsed() < Duration::from_secs(PATIENCE_SECS);
    if ending.desk.is_some() && !desk.is_empty() && !state.settled() && patient {
        return;
    }
    let Some(since) = ending.since else {
        // From the next frame on the desk is painted in every one: only then can it be read back.
        ending.since = Some(Instant::now());
        return;
    };
    if !std::mem::replace(&mut ending.asked, true) {
        for (window, path) in [(output.iter().next(), ending.output.take()), (desk.iter().next(), ending.desk.take())] {
            if let (Some(window), Some(path)) = (window, path) {
                take(&mut commands, window, path, &ending);
            }
        }
        return;
    }
    let late = since.elapsed() > Duration::from_secs(PATIENCE_SECS);
    if late || ending.pending.load(Ordering::Acquire) == 0 {
        if late {
            put(&ending.outcome, Err(StageError::NoShot(PATIENCE_SECS)));
        }
        live.close();
        exit.write(AppExit::Success);
    }
}

fn take(commands: &mut Commands, window: Entity, path: PathBuf, ending: &Ending) {
    let (pending, outcome) = (ending.pending.clone(), ending.outcome.clone());
    pending.fetch_add(1, Ordering::AcqRel);
    commands.spawn(Screenshot::window(window)).observe(move |captured: On<ScreenshotCaptured>| {
        let written = match rgb(&captured.image) {
            Some(picture) => picture.write_png(&path).map_err(StageError::from),
            None => Err(StageError::Broken("the window's pixels have a format that is no picture".into())),
        };
        put(&outcome, written);
        pending.fetch_sub(1, Ordering::AcqRel);
    });
}

/// Keeps the first thing that went wrong.
fn put(outcome: &Outcome, result: Result<(), StageError>) {
    let mut kept = outcome.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.is_ok() {
        *kept = result;
    }
}

fn rgb(image: &Image) -> Option<Picture> {
    let rgb = image.clone().try_into_dynamic().ok()?.to_rgb8();
    Some(Picture { width: rgb.width() as usize, height: rgb.height() as usize, pixels: rgb.into_raw() })
}
