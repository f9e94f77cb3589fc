//! `flaneur play --supervise`: a process that looks after the show, and starts it again when it ends otherwise than in
//! order.
//!
//! For an installation without systemd, and for a stage. The show is a child process; its last state is in a file that
//! this process names, so that the next child begins where the one before was. What ends in order ends all.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::report::{Stop, tell};
use crate::show::takes::last;
use crate::worker::SUPERVISED;

/// Pauses before a start after a crash: the first, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(60)];
/// A show that has played for so long begins with the first pause again.
const WELL: Duration = Duration::from_secs(60);
/// How long a show that was asked to end may take.
const GRACE: Duration = Duration::from_secs(5);
/// Between two looks at the child.
const LOOK: Duration = Duration::from_millis(20);

/// How long to wait before the next start, from one crash to the next.
struct Pauses(Duration);

impl Pauses {
    /// The pause after a show that played for so long.
    fn after(&mut self, played: Duration) -> Duration {
        if played >= WELL {
            self.0 = PAUSES[0];
        }
        let pause = self.0;
        self.0 = (self.0 * 3).min(PAUSES[1]);
        pause
    }
}

/// Plays as this process was asked to, in a child, until that ends in order.
///
/// # Errors
/// If the program cannot be started at all.
pub fn supervise() -> anyhow::Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let stop = Stop::of_show()?;
    // As of a show that nobody looks after, so that it is found the next evening.
    let state = last::path_of(&last::folder(), std::process::id());
    let state = std::env::var_os(last::VARIABLE).map_or(state, PathBuf::from);
    let state = std::path::absolute(&state).unwrap_or(state);
    let (mut pauses, mut again, mut killed) = (Pauses(PAUSES[0]), false, false);
    loop {
        let began = Instant::now();
        let mut command = Command::new(program());
        // What was recorded before a crash is not written over.
        let kept = |argument: &&OsString| !again || *argument != "--overwrite";
        command
            .args(arguments.iter().filter(kept))
            .env(last::VARIABLE, &state)
            .env(SUPERVISED, std::process::id().to_string());
        if again && !arguments.iter().any(|argument| argument == "--resume") {
            command.arg("--resume");
        }
        if killed {
            command.env(last::ENDED, last::KILLED);
        }
        let mut child = command.spawn().context("the show cannot be started")?;
        let status = watch(&mut child, &stop)?;
        if stop.raised() || ends(status) {
            std::process::exit(if stop.raised() { 0 } else { status.code().unwrap_or(1) });
        }
        (again, killed) = (true, is_killed(status));
        let pause = pauses.after(began.elapsed());
        let secs = pause.as_secs_f64();
        tell(format_args!("the show ended ({status}); it is started again in {secs:.1} s"));
        let waiting = Instant::now();
        while waiting.elapsed() < pause && !stop.raised() {
            std::thread::sleep(LOOK);
        }
        if stop.raised() {
            return Ok(());
        }
    }
}

/// Whether somebody else killed it, or the system did for want of memory.
fn is_killed(status: ExitStatus) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        status.signal() == Some(signal_hook::consts::SIGKILL)
    }
    #[cfg(not(unix))]
    {
        let _ = status;
        false
    }
}

/// Whether a show that ended so is not started again: it ended in order, or its arguments are wrong.
fn ends(status: ExitStatus) -> bool {
    matches!(status.code(), Some(0 | 2))
}

/// This program, also where its file was replaced meanwhile.
pub fn program() -> OsString {
    let own = std::path::Path::new("/proc/self/exe");
    match own.exists() {
        true => own.into(),
        false => std::env::current_exe().map_or_else(|_| "flaneur".into(), Into::into),
    }
}

/// Waits for the child to end, and passes on the request to stop.
fn watch(child: &mut Child, stop: &Stop) -> anyhow::Result<ExitStatus> {
    let mut asked: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        match asked {
            None if stop.raised() => {
                terminate(child);
                asked = Some(Instant::now());
            }
            Some(at) if at.elapsed() > GRACE => child.kill()?,
            _ => {}
        }
        std::thread::sleep(LOOK);
    }
}

fn terminate(child: &mut Child) {
    #[cfg(unix)]
    if let Some(number) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // It may have ended just now.
        let _ = rustix::process::kill_process(number, rustix::process::Signal::TERM);
    }
    #[cfg(not(unix))]
    let _ = child.kill();
}

/// A show that somebody looks after ends with whoever does.
pub fn end_with_parent() {
    #[cfg(target_os = "linux")]
    if std::env::var_os(SUPERVISED).is_some() {
        // Where that cannot be asked for, the show plays on alone.
        let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_begin_again_after_a_while() {
        let mut pauses = Pauses(PAUSES[0]);
        let secs = Duration::from_secs;
        let short: Vec<Duration> = (0..8).map(|_| pauses.after(secs(1))).collect();
        assert!(short.windows(2).all(|pair| pair[0] <= pair[1]) && short[0] == PAUSES[0] && short[7] == PAUSES[1]);
        assert_eq!(pauses.after(secs(100)), PAUSES[0]);
    }
}
