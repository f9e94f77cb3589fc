//! Where a displayed frame's time goes: tells the show "frame", "upload", "draw" and "present", and that a frame of the
//! output was handed to the display.
//!
//! Begins and ends each frame; the render world notes what it has handed over. While the driver holds this thread, no
//! frame begins: a watchdog sees that the show hears nothing.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use bevy::prelude::{App, First, IntoScheduleConfigs, Last, NonSendMut, Res, ResMut, Resource};
use bevy::render::view::ExtractedWindows;
use bevy::render::{Render, RenderApp, RenderSystems};

use super::live::Live;
use crate::latest::lock;

/// When the last frame was handed to the display, and whether the output was in it.
#[derive(Resource, Clone, Default)]
pub(super) struct Presented(Arc<Mutex<(Option<Instant>, bool)>>);

impl Presented {
    /// Whether the frame before this one showed the output.
    pub(super) fn lately(&self) -> bool {
        lock(&self.0).1
    }
}

#[derive(Resource, Default)]
struct Pace {
    began: Option<Instant>,
    drawn: Option<Instant>,
}

pub(super) fn install(app: &mut App) {
    let presented = Presented::default();
    if let Some(render) = app.get_sub_app_mut(RenderApp) {
        render.insert_resource(presented.clone());
        render.add_systems(Render, note.in_set(RenderSystems::Cleanup));
    }
    app.insert_resource(presented).init_resource::<Pace>();
    app.add_systems(First, begin).add_systems(Last, end.after(super::shot::finish));
}

/// A picture that was presented is gone from its window, and its view is still there.
fn note(presented: Res<Presented>, windows: Res<ExtractedWindows>) {
    let output = windows.primary.and_then(|window| windows.get(&window));
    let shown = output.is_some_and(|w| w.swap_chain_texture.is_none() && w.swap_chain_texture_view.is_some());
    *lock(&presented.0) = (Some(Instant::now()), shown);
}

fn begin(mut pace: ResMut<Pace>, presented: Res<Presented>, mut live: NonSendMut<Live>) {
    let now = Instant::now();
    let (at, shown) = *lock(&presented.0);
    if let (Some(drawn), Some(at)) = (pace.drawn, at)
        && at > drawn
    {
        live.show.spent("present", at - drawn);
        if shown {
            live.show.presented();
        }
    }
    if let Some(began) = pace.began.replace(now) {
        live.show.spent("frame", now - began);
    }
}

fn end(mut pace: ResMut<Pace>, mut live: NonSendMut<Live>) {
    let now = Instant::now();
    let (since, uploading) = (now - live.handed, live.uploading);
    live.show.spent("upload", uploading);
    live.show.spent("draw", since.saturating_sub(uploading));
    pace.drawn = Some(now);
}
