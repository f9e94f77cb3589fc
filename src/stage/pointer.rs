//! The pointer over the work: hidden in full screen, three seconds after it was moved last.
//!
//! Reads the mouse over the output window; the desk's pointer is its own.

use bevy::input::mouse::{MouseButtonInput, MouseWheel};
use bevy::prelude::{Entity, Local, MessageReader, NonSend, Query, Window, With};
use bevy::window::{CursorMoved, CursorOptions, WindowMode};

use super::live::Live;
use super::output::OutputWindow;

/// Seconds after which it is hidden.
const SECS: f64 = 3.0;

/// Whether the pointer is to be seen at `now`; `moved` is when it was moved last, none if it never was.
fn visible(full: bool, now: f64, moved: Option<f64>) -> bool {
    !full || moved.is_some_and(|moved| now - moved < SECS)
}

/// Shows and hides it.
pub(super) fn hide(
    mut moves: MessageReader<CursorMoved>,
    mut buttons: MessageReader<MouseButtonInput>,
    mut wheels: MessageReader<MouseWheel>,
    mut moved: Local<Option<f64>>,
    live: NonSend<Live>,
    mut windows: Query<(Entity, &Window, &mut CursorOptions), With<OutputWindow>>,
) {
    let Ok((entity, window, mut cursor)) = windows.single_mut() else { return };
    // Window systems tell of a pointer that lies there when a window opens: that is no move.
    let moves = moves.read().filter(|moved| moved.window == entity && moved.delta.is_some_and(|d| d.length() > 0.0));
    let used = moves.count()
        + buttons.read().filter(|button| button.window == entity).count()
        + wheels.read().filter(|wheel| wheel.window == entity).count();
    let now = live.show.secs();
    if used > 0 {
        *moved = Some(now);
    }
    let visible = visible(window.mode != WindowMode::Windowed, now, *moved);
    if cursor.visible != visible {
        cursor.visible = visible;
    }
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn it_is_seen_for_three_seconds_and_always_in_a_window() {
        assert!(visible(false, 100.0, None));
        assert!(!visible(true, 0.0, None));
        assert!(visible(true, 10.0, Some(7.5)) && !visible(true, 10.5, Some(7.5)));
    }
}
