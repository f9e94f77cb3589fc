//! What is asked of the desktop while a show has windows: that the screen does not go dark and the machine not to sleep,
//! and on X11 to tell when displays come and go.
//!
//! On a thread of its own, named `desktop`: asks the screen saver over the session bus, systemd through its
//! `systemd-inhibit`, and an X server directly. All of it ends with the show, also with a show that is killed: bus and X
//! server see their connections go, and the child its input.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bevy::prelude::Resource;

use crate::report::Board;
use crate::worker::{Ending, Worker};

/// Who asks, and why.
const PROGRAM: &str = "Flâneur";
const WHY: &str = "a show plays";
/// Between two looks at whether the show is over, and at displays.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two windings of X11's clock: screen savers begin after a minute at the earliest.
const WIND: Duration = Duration::from_secs(30);
/// Longest that a child may take to say that it cannot, or to end.
const PATIENCE: Duration = Duration::from_secs(1);
const STACK: usize = 512 << 10;

/// The number of the output window on X11, 0 for none.
#[derive(Resource, Clone, Default)]
pub(super) struct WindowNumber(Arc<AtomicU32>);

impl WindowNumber {
    /// Notes the window that is there now.
    pub(super) fn note(&self, number: u32) {
        self.0.store(number, Ordering::Relaxed);
    }
}

/// Starts the thread. It says on the board what could not be asked.
///
/// # Errors
/// If the system gives no thread.
pub(super) fn start(board: &Board, window: &WindowNumber) -> std::io::Result<Worker> {
    let (board, window) = (board.clone(), window.clone());
    Worker::start("desktop", STACK, move |ending| look_after(&board, &window, &ending))
}

#[cfg(all(unix, not(target_os = "macos")))]
fn look_after(board: &Board, window: &WindowNumber, ending: &Ending) {
    let x11 = super::x11::Server::open();
    let winds = x11.as_ref().is_some_and(super::x11::Server::wind);
    let saver = super::session_bus::keep_awake(PROGRAM, WHY);
    let system = holder(&mut systemd(), ending);
    if let Some(text) = refusal(saver.as_ref().err().map(ToString::to_string), system.is_some(), winds) {
        board.notice("screen saver", text);
    }
    let mut wound = Instant::now();
    while !ending.requested() {
        std::thread::sleep(PAUSE);
        let Some(x11) = &x11 else { continue };
        if x11.changed() {
            match window.0.load(Ordering::Relaxed) {
                0 => {}
                number => x11.refresh(number),
            }
        }
        if wound.elapsed() >= WIND {
            wound = Instant::now();
            x11.wind();
        }
    }
    if let Some(mut child) = system {
        // It ends when its input does.
        drop(child.stdin.take());
        ended(&mut child);
    }
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn look_after(board: &Board, _: &WindowNumber, _: &Ending) {
    board.notice("screen saver", "this system is not asked to stay awake: turn the screen saver and sleep off by hand");
}

/// What the player has to know: nothing where screen and machine stay awake.
fn refusal(saver: Option<String>, system: bool, winds: bool) -> Option<String> {
    let saver = saver.filter(|_| !winds)?;
    let rest = if system { "systemd keeps the machine awake" } else { "systemd-inhibit is not here or refuses" };
    Some(format!("the screen may go dark: {saver}, and {rest}; turn the screen saver off in the system's settings"))
}

/// Holds systemd's lock until its input ends.
fn systemd() -> Command {
    let mut command = Command::new("systemd-inhibit");
    command.args(["--what=idle:sleep", "--mode=block"]);
    command.args([format!("--who={PROGRAM}"), format!("--why={WHY}")]).arg("cat");
    command
}

/// Starts a child that holds something as long as its input is open; none if it ends at once.
fn holder(command: &mut Command, ending: &Ending) -> Option<Child> {
    #[cfg(unix)]
    // Ctrl-C is the show's.
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    let since = Instant::now();
    while since.elapsed() < PATIENCE && !ending.requested() {
        if !matches!(child.try_wait(), Ok(None)) {
            return None;
        }
        std::thread::sleep(PAUSE / 4);
    }
    Some(child)
}

/// Waits for a child that is to end, not for long; whether it ended by itself.
fn ended(child: &mut Child) -> bool {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(PAUSE / 10),
            other => return other.is_ok(),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_holder_lives_as_long_as_its_input_and_one_that_cannot_is_none() {
        let ending = Ending::default();
        assert!(holder(&mut Command::new("false"), &ending).is_none());
        assert!(holder(&mut Command::new("no-such-program-anywhere"), &ending).is_none());
        let mut child = holder(&mut Command::new("cat"), &ending).unwrap();
        drop(child.stdin.take());
        assert!(ended(&mut child));
    }

    #[test]
    fn only_a_screen_that_may_go_dark_is_said() {
        let no = || Some("there is no session bus".to_owned());
        assert_eq!(refusal(None, false, false), None);
        assert_eq!(refusal(no(), false, true), None);
        assert!(refusal(no(), true, false).is_some_and(|text| text.contains("keeps the machine awake")));
        assert!(
            refusal(no(), false, false).is_some_and(|text| text.contains("no session bus") && text.contains("off"))
        );
    }
}
