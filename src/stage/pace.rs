//! Where a displayed frame's time goes: tells the show "frame", "upload", "draw" and "present".
//!
//! Begins and ends each frame; the render world notes when it has handed the picture to the display.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bevy::prelude::{App, First, IntoScheduleConfigs, Last, NonSendMut, Res, ResMut, Resource};
use bevy::render::{Render, RenderApp, RenderSystems};

use super::live::Live;

/// When the last frame was handed to the display.
#[derive(Resource, Clone, Default)]
struct Presented(Arc<Mutex<Option<Instant>>>);

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

fn note(presented: Res<Presented>) {
    *presented.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
}

fn begin(mut pace: ResMut<Pace>, presented: Res<Presented>, mut live: NonSendMut<Live>) {
    let now = Instant::now();
    let shown = *presented.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let (Some(drawn), Some(shown)) = (pace.drawn, shown)
        && shown > drawn
    {
        live.show.spent("present", shown - drawn);
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
