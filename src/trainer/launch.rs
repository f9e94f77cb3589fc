//! How a training's process is started, and the signals that reach it.
//!
//! Filled in by `show::lesson` from a preset, used by `trainer::supervisor` on its thread. Unsafe ways to reach a
//! process are not needed: the child leads a group of its own, and the group gets the signals.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};

use super::protocol::Source;

/// How a training is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program that trains.
    pub program: PathBuf,
    /// Arguments of a first sitting.
    pub fresh: Vec<OsString>,
    /// Arguments of a sitting that goes on from the checkpoint in `folder`.
    pub again: Vec<OsString>,
    /// The model folder it writes.
    pub folder: PathBuf,
    /// Threads it may use; 0 for as many as it likes.
    pub threads: usize,
    /// Megabytes it may use, for the sentence when it has used them; 0 is no limit.
    pub memory_mb: u64,
}

impl Launch {
    /// Where the data stand among the arguments.
    pub const DATA: usize = 1;

    /// Starts the process, which goes on from the checkpoint or begins; `requested` is the data that it begins with
    /// in place of the arguments' own.
    pub(super) fn spawn(&self, resumes: bool, requested: Option<Source>) -> io::Result<Child> {
        let mut program = Program::new(&self.program);
        let args = if resumes { &self.again } else { &self.fresh };
        // It begins with what a hand has chosen since, which the preset's folder may no longer hold.
        let (data, lines) = match requested {
            // A name that was mistyped is no reason to end.
            Some(Source { path: Some(path), .. }) if Path::new(&path).exists() => (Some(OsString::from(path)), None),
            Some(Source { lines: Some(lines), .. }) => (Some("lines".into()), serde_json::to_string(&lines).ok()),
            _ => (None, None),
        };
        program.args(args.iter().enumerate().map(|(at, arg)| match &data {
            Some(data) if at == Self::DATA => data,
            _ => arg,
        }));
        if let Some(lines) = lines {
            program.args(["--lines", &lines]);
        }
        if self.threads > 0 {
            program.env("RAYON_NUM_THREADS", self.threads.to_string());
        }
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            // In a group of its own: Ctrl-C ends the show, and the show ends the training in order.
            program.process_group(0);
            // What lists of processes show, wherever its file is.
            program.arg0("flaneur");
        }
        program.spawn()
    }
}

/// The program that runs here, to be started again as a trainer: also where its file has been replaced since.
///
/// # Errors
/// If the system does not say, or the file is gone on a system that starts programs by name only.
pub fn own_program() -> Result<PathBuf, String> {
    let itself = Path::new("/proc/self/exe");
    if cfg!(target_os = "linux") && itself.exists() {
        return Ok(itself.into());
    }
    let program = std::env::current_exe().map_err(|e| format!("the trainer's program is not known: {e}"))?;
    match program.is_file() {
        true => Ok(program),
        false => Err(format!(
            "{} was moved or removed while the show plays; start the show again to train",
            program.display()
        )),
    }
}

/// Ends a child with all that it has started.
pub(super) fn kill_group(pid: u32) {
    #[cfg(unix)]
    signal_group(pid, rustix::process::Signal::KILL);
    #[cfg(not(unix))]
    let _ = pid;
}

/// Lets a child go on that was stopped.
pub(super) fn go_on(pid: u32) {
    #[cfg(unix)]
    signal_group(pid, rustix::process::Signal::CONT);
    #[cfg(not(unix))]
    let _ = pid;
}

#[cfg(unix)]
fn signal_group(pid: u32, signal: rustix::process::Signal) {
    let group = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    // A group that is gone needs no signal.
    let _ = group.map(|group| rustix::process::kill_process_group(group, signal));
}

/// Whether a process was stopped, by its entry in the system's list.
pub(super) fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['T', 't']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(script: &str) -> Launch {
        let (program, args) = (PathBuf::from("/bin/sh"), ["-c", script].map(OsString::from).to_vec());
        let folder = PathBuf::new();
        Launch { program, fresh: args.clone(), again: args, folder, threads: 0, memory_mb: 0 }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_stopped_process_is_seen_and_a_group_ends_whole() {
        let mut child = launch("sleep 60 & echo $!; wait").spawn(false, None).unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
        let (pid, below): (u32, u32) = (child.id(), line.trim().parse().unwrap());
        let until = |is: &dyn Fn() -> bool| {
            (0..400).any(|_| {
                is() || {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                    false
                }
            })
        };
        assert!(!is_stopped(pid));
        signal_group(pid, rustix::process::Signal::STOP);
        assert!(until(&|| is_stopped(pid)));
        go_on(pid);
        assert!(until(&|| !is_stopped(pid)));
        kill_group(pid);
        assert!(!child.wait().unwrap().success());
        let stat = || std::fs::read_to_string(format!("/proc/{below}/stat")).unwrap_or_default();
        assert!(until(&|| stat().is_empty() || stat().contains(") Z ")), "{}", stat());
    }

    #[test]
    fn the_program_is_found_and_starts() {
        let program = own_program().unwrap();
        // This is the tests' own program, which lists its tests.
        let args = vec![OsString::from("--list"), OsString::from("the_program_is_found")];
        let launch = Launch { program, fresh: args.clone(), again: args, ..launch("") };
        let out = launch.spawn(false, None).unwrap().wait_with_output().unwrap();
        assert!(String::from_utf8_lossy(&out.stdout).contains("the_program_is_found_and_starts"), "{out:?}");
    }
}
