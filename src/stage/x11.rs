//! What is asked of an X server on a connection of our own: to wind its screen saver's clock back, and to tell when
//! displays come and go.
//!
//! Used by `desktop` on its own thread. winit asks for displays that change, but on a connection on which such events
//! are not understood, and keeps the list of its start; it reads the list anew when the resources change, and takes the
//! word of any window for that. So the output window is given an empty property of that name.

use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::randr::{ConnectionExt as _, NotifyMask};
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, PropMode, ScreenSaver};
use x11rb::rust_connection::RustConnection;

/// A connection to the X server that the windows are on.
pub(super) struct Server {
    connection: RustConnection,
    /// Whether it tells of displays.
    tells: bool,
}

impl Server {
    /// None where there is no X server, or a Wayland one comes before it.
    pub(super) fn open() -> Option<Self> {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if set("WAYLAND_DISPLAY") || set("WAYLAND_SOCKET") || !set("DISPLAY") {
            return None;
        }
        let (connection, screen) = x11rb::connect(None).ok()?;
        let root = connection.setup().roots.get(screen)?.root;
        let mask = NotifyMask::SCREEN_CHANGE | NotifyMask::CRTC_CHANGE | NotifyMask::OUTPUT_CHANGE;
        let version = connection.randr_query_version(1, 3).ok().and_then(|version| version.reply().ok());
        let asked = connection.randr_select_input(root, mask).ok().map(|asked| asked.check().is_ok());
        Some(Self { connection, tells: version.is_some() && asked == Some(true) })
    }

    /// Winds the clocks of the screen saver and of power saving back; whether it could be asked.
    pub(super) fn wind(&self) -> bool {
        self.connection.force_screen_saver(ScreenSaver::RESET).is_ok_and(|asked| asked.check().is_ok())
    }

    /// Whether displays came or went since the last look.
    pub(super) fn changed(&self) -> bool {
        let mut changed = false;
        while self.tells
            && let Ok(Some(event)) = self.connection.poll_for_event()
        {
            changed |= matches!(event, Event::RandrNotify(_) | Event::RandrScreenChangeNotify(_));
        }
        changed
    }

    /// Has the list of displays read anew by whoever owns `window`.
    pub(super) fn refresh(&self, window: u32) {
        // A window that is gone meanwhile needs no list.
        let kind = AtomEnum::STRING;
        let _ = self
            .connection
            .change_property(PropMode::REPLACE, window, AtomEnum::RESOURCE_MANAGER, kind, 8, 0, &[])
            .map(|asked| asked.check());
    }
}
