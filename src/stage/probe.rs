//! Looks for a display and a graphics adapter before the windows are built: winit and Bevy panic without them.
//!
//! Opens nothing that stays open.

use std::path::Path;

use nannou::wgpu::{Backends, DeviceType, Instance};

use super::StageError;

/// How the stage will be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Adapter {
    /// By the processor (llvmpipe, SwiftShader): every pixel counts, and nothing waits for the display.
    pub(super) software: bool,
    /// Where it was found; the others are not asked again.
    pub(super) backends: Backends,
}

/// The kind of adapter that Bevy will choose.
pub(super) fn adapter() -> Result<Adapter, StageError> {
    let choices = match Backends::from_env() {
        Some(chosen) => vec![chosen],
        None => vec![Backends::PRIMARY, Backends::SECONDARY],
    };
    let instance = Instance::default();
    for backends in choices {
        let found = bevy::tasks::block_on(instance.enumerate_adapters(backends));
        let kinds = || found.iter().map(|adapter| adapter.get_info().device_type);
        let software = kinds().all(|kind| kind == DeviceType::Cpu);
        // OpenGL in software has nothing to show a window with.
        let rasteriser = software && backends == Backends::SECONDARY;
        if !(found.is_empty() || rasteriser) {
            return Ok(Adapter { software, backends });
        }
    }
    Err(StageError::NoAdapter)
}

/// Whether a display server answers. Other systems than Linux and its kin always have one.
pub(super) fn display() -> Result<(), StageError> {
    let var = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    if !cfg!(all(unix, not(target_os = "macos"))) || var("WAYLAND_SOCKET").is_some() {
        return Ok(());
    }
    let wayland = var("WAYLAND_DISPLAY").is_some_and(|name| {
        let folder = var("XDG_RUNTIME_DIR").unwrap_or_default();
        answers(&Path::new(&folder).join(name))
    });
    if wayland || var("DISPLAY").is_some_and(|name| x11(&name)) { Ok(()) } else { Err(StageError::NoDisplay) }
}

/// Whether the X server called `name` (":0", ":0.0", "host:10") answers.
fn x11(name: &str) -> bool {
    let Some((host, rest)) = name.rsplit_once(':') else { return false };
    let Ok(number) = rest.split('.').next().unwrap_or_default().parse::<u16>() else { return false };
    // Another host's, or one behind ssh, is left to winit.
    !(host.is_empty() || host == "unix") || answers(Path::new(&format!("/tmp/.X11-unix/X{number}"))) || hidden(number)
}

#[cfg(unix)]
fn answers(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

#[cfg(not(unix))]
fn answers(_: &Path) -> bool {
    true
}

/// A server that listens in Linux's abstract namespace only.
#[cfg(target_os = "linux")]
fn hidden(number: u16) -> bool {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixStream};
    SocketAddr::from_abstract_name(format!("/tmp/.X11-unix/X{number}"))
        .is_ok_and(|address| UnixStream::connect_addr(&address).is_ok())
}

#[cfg(not(target_os = "linux"))]
fn hidden(_: u16) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_none_do_not_answer() {
        for name in ["", "0", ":", ":x", ":64999"] {
            assert!(!x11(name), "{name}");
        }
        assert!(x11("far:10.0"));
    }
}
