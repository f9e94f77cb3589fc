//! Keeps the screen from blanking and the machine from sleeping while a show plays on a window.
//!
//! On a thread of its own, named `awake`: asks the desktop's screen saver over the session bus, asks systemd through its
//! `systemd-inhibit`, and on X11 without either winds the screen saver's clock back with `xset`. All of it ends with
//! the show, also with a show that is killed: the bus sees the connection go, and the children their input.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::report::Board;
use crate::worker::{Ending, Worker};

/// Who asks, and why.
const PROGRAM: &str = "Flâneur";
const WHY: &str = "a show plays";
/// Between two looks at whether the show is over.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two windings of X11's clock: screen savers begin after a minute at the earliest.
const WIND: Duration = Duration::from_secs(30);
/// Longest that a child may take to say that it cannot.
const PATIENCE: Duration = Duration::from_secs(2);
const STACK: usize = 512 << 10;

/// Starts the thread. It says on the board what could not be asked.
///
/// # Errors
/// If the system gives no thread.
pub(super) fn start(board: &Board) -> std::io::Result<Worker> {
    let board = board.clone();
    Worker::start("awake", STACK, move |ending| stay_awake(&board, &ending))
}

#[cfg(unix)]
fn stay_awake(board: &Board, ending: &Ending) {
    let saver = super::session_bus::keep_awake(PROGRAM, WHY);
    let system = holder(&mut systemd(), ending);
    let x11 = set("DISPLAY") && !set("WAYLAND_DISPLAY");
    let mut winds = x11 && winds(&mut xset(), ending);
    if let Some(text) = refusal(saver.as_ref().err().map(ToString::to_string), system.is_some(), winds) {
        board.notice("screen saver", text);
    }
    let mut wound = Instant::now();
    while !ending.wished() {
        std::thread::sleep(PAUSE);
        if winds && wound.elapsed() >= WIND {
            wound = Instant::now();
            winds = self::winds(&mut xset(), ending);
        }
    }
    if let Some(mut child) = system {
        // It ends when its input does.
        drop(child.stdin.take());
        let _ = waited(&mut child, &Ending::default());
    }
}

#[cfg(not(unix))]
fn stay_awake(board: &Board, _: &Ending) {
    board.notice("screen saver", "this system is not asked to stay awake: turn the screen saver and sleep off by hand");
}

/// What the player has to know: nothing where screen and machine stay awake.
fn refusal(saver: Option<String>, system: bool, winds: bool) -> Option<String> {
    let saver = saver.filter(|_| !winds)?;
    let rest = if system { "systemd keeps the machine awake" } else { "systemd-inhibit is not here or refuses" };
    Some(format!("the screen may go dark: {saver}, and {rest}; turn the screen saver off in the system's settings"))
}

fn set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// Holds systemd's lock until its input ends.
fn systemd() -> Command {
    let mut command = Command::new("systemd-inhibit");
    command.args(["--what=idle:sleep", "--mode=block"]);
    command.args([format!("--who={PROGRAM}"), format!("--why={WHY}")]).arg("cat");
    command
}

/// Winds back the clocks of X11's screen saver and of its power saving.
fn xset() -> Command {
    let mut command = Command::new("xset");
    command.args(["s", "reset"]);
    command
}

/// Starts a child that holds something as long as its input is open; none if it ends at once.
fn holder(command: &mut Command, ending: &Ending) -> Option<Child> {
    let mut child = spawned(command, Stdio::piped())?;
    let since = Instant::now();
    while since.elapsed() < PATIENCE / 2 && !ending.wished() {
        if !matches!(child.try_wait(), Ok(None)) {
            return None;
        }
        std::thread::sleep(PAUSE / 4);
    }
    Some(child)
}

/// Whether a child that winds the clock could do it.
fn winds(command: &mut Command, ending: &Ending) -> bool {
    spawned(command, Stdio::null()).is_some_and(|mut child| waited(&mut child, ending))
}

fn spawned(command: &mut Command, input: Stdio) -> Option<Child> {
    #[cfg(unix)]
    // Ctrl-C is the show's.
    std::os::unix::process::CommandExt::process_group(command, 0);
    command.stdin(input).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
}

/// Waits for a child, not for long; whether it ended well.
fn waited(child: &mut Child, ending: &Ending) -> bool {
    let since = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if since.elapsed() < PATIENCE && !ending.wished() => std::thread::sleep(PAUSE / 10),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
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
        assert!(waited(&mut child, &ending));
        assert!(winds(&mut Command::new("true"), &ending) && !winds(&mut Command::new("false"), &ending));
    }

    #[test]
    fn only_a_screen_that_may_go_dark_is_said() {
        let no = || Some("there is no session bus".to_owned());
        assert_eq!(refusal(None, false, false), None);
        assert_eq!(refusal(no(), false, true), None);
        assert!(refusal(no(), true, false).is_some_and(|text| text.contains("keeps the machine awake")));
        assert!(refusal(no(), false, false).is_some_and(|text| text.contains("no session bus") && text.contains("off")));
    }
}
