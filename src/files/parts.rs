//! Temporary names with their writer in them, so that what a dead process left can be known and taken away.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Characters of a file's name that its temporary name takes over: a file system has a limit.
const MOST_CHARS: usize = 60;
/// When what another machine left in a shared folder counts as left for good.
const FORGOTTEN: Duration = Duration::from_secs(7 * 24 * 3600);

/// Who writes: this process and this machine, as `PID-MACHINE`.
pub fn signature() -> String {
    format!("{}-{:08x}", std::process::id(), machine())
}

/// A number for this machine, by its name: a process number says nothing on another one.
fn machine() -> u32 {
    static MACHINE: OnceLock<u32> = OnceLock::new();
    *MACHINE.get_or_init(|| {
        // FNV-1a.
        host_name().iter().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
    })
}

#[cfg(unix)]
fn host_name() -> Vec<u8> {
    rustix::system::uname().nodename().to_bytes().to_vec()
}

#[cfg(not(unix))]
fn host_name() -> Vec<u8> {
    std::env::var_os("COMPUTERNAME").unwrap_or_default().to_string_lossy().into_owned().into_bytes()
}

/// Whether the process of a signature (`PID-MACHINE`, or `PID` alone) has ended; false where that cannot be known.
pub fn is_gone(signature: &str) -> bool {
    let (pid, host) = signature.split_once('-').map_or((signature, None), |(pid, host)| (pid, Some(host)));
    let here = host.is_none_or(|host| u32::from_str_radix(host, 16) == Ok(machine()));
    here && pid.parse::<i32>().is_ok_and(ended)
}

#[cfg(unix)]
fn ended(pid: i32) -> bool {
    use rustix::process::{Pid, test_kill_process};
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
fn ended(_: i32) -> bool {
    false
}

/// A name beside `path` that no other writer uses.
pub fn temporary(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name: String = path.file_name().unwrap_or_default().to_string_lossy().chars().take(MOST_CHARS).collect();
    path.with_file_name(format!(".{name}.{}-{count}.part", signature()))
}

/// The writer's signature in a temporary name (`.NAME.PID-MACHINE-COUNT.part`, perhaps with an ending of its own
/// behind it); none for any other name. Older versions had no machine in it.
fn writer(name: &str) -> Option<String> {
    let inside = name.strip_prefix('.')?;
    let (before, behind) = inside.rsplit_once(".part")?;
    let plain = behind.is_empty() || behind.strip_prefix('.').is_some_and(|ending| !ending.contains('.'));
    let (_, tag) = before.rsplit_once('.').filter(|_| plain)?;
    let fields: Vec<&str> = tag.split('-').collect();
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    match fields[..] {
        [pid, count] if digits(pid) && digits(count) => Some(pid.to_owned()),
        [pid, host, count] if digits(pid) && digits(count) && u32::from_str_radix(host, 16).is_ok() => {
            Some(format!("{pid}-{host}"))
        }
        _ => None,
    }
}

/// Takes away what processes that have ended left half written in a folder; gives how many. What another machine
/// left goes after a week. A folder that cannot be read has nothing to take away.
pub fn sweep(folder: &Path) -> usize {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut swept = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Some(writer) = writer(&entry.file_name().to_string_lossy()) else { continue };
        let Ok(meta) = entry.metadata() else { continue };
        if is_gone(&writer) || is_forgotten(&writer, &meta) {
            let removed = if meta.is_dir() { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
            swept += usize::from(removed.is_ok());
        }
    }
    swept
}

/// Whether what another machine's process writes was not touched for so long that nobody goes on with it.
fn is_forgotten(writer: &str, meta: &fs::Metadata) -> bool {
    let elsewhere = writer.split_once('-').is_some_and(|(_, host)| u32::from_str_radix(host, 16) != Ok(machine()));
    let age = |written: SystemTime| SystemTime::now().duration_since(written).map_err(io::Error::other);
    elsewhere && meta.modified().and_then(age).is_ok_and(|age| age > FORGOTTEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of a process that has ended.
    #[cfg(unix)]
    fn dead() -> u32 {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        child.id()
    }

    #[test]
    #[cfg(unix)]
    fn only_what_the_dead_left_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let (dead, host) = (dead(), machine());
        let gone = [
            format!(".film.mp4.{dead}-{host:08x}-0.part.mp4"),
            format!(".weights.safetensors.{dead}-{host:08x}-12.part"),
            format!(".preset.toml.{dead}-3.part"),
        ];
        let kept = [
            temporary(&here.join("film.mp4")).file_name().unwrap().to_string_lossy().into_owned(),
            format!(".film.mp4.{dead}-{:08x}-0.part.mp4", host ^ 1),
            format!("film.{dead}-0.part"),
            format!(".film.{dead}.part"),
            format!(".film.{dead}-0.partly"),
            format!(".film.{dead}-0.part.mp4.txt"),
            "film.mp4".into(),
            ".part".into(),
        ];
        for name in gone.iter().chain(&kept) {
            fs::write(here.join(name), "x").unwrap();
        }
        // A dataset is drawn into a folder of such a name.
        let drawn = format!(".d.{dead}-{host:08x}-1.part");
        fs::create_dir_all(here.join(&drawn)).unwrap();
        fs::write(here.join(&drawn).join("a.jpg"), "x").unwrap();
        assert_eq!(sweep(here), 4);
        let mut left: Vec<String> =
            fs::read_dir(here).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        left.sort();
        let mut expected = kept.to_vec();
        expected.sort();
        assert_eq!(left, expected);
        assert_eq!(sweep(&here.join("none")), 0);
        assert!(!is_gone(&signature()) && is_gone(&format!("{dead}-{host:08x}")) && !is_gone("rubbish"));
    }

    #[test]
    fn a_temporary_name_is_short_enough_and_known_again() {
        let path = Path::new("folder").join("é".repeat(120));
        let part = temporary(&path);
        let name = part.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.len() < 250 && part.parent() == Some(Path::new("folder")));
        assert_eq!(writer(&name), Some(signature()));
        assert_ne!(temporary(&path), part);
    }
}
