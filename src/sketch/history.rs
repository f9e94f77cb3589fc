//! Every version of a sketch that ran, kept: an edit is never lost. And the marks of the sketches that run.
//!
//! One folder, `sketches/.history`, one file a version, named by time, sketch and fingerprint. The newest
//! [`MOST`] of each sketch stay. Where the sketch's own folder cannot be written it is that of the home.
//! A mark is a file that names a running sketch and its process, taken away when the show closes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::Program;
use crate::files::{self, FileError};
use crate::home;

/// Versions kept of one sketch.
const MOST: usize = 500;
/// Name of the folder.
const FOLDER: &str = ".history";

/// One version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// When it began to run, in seconds since 1970.
    pub secs: u64,
    /// The sketch's name without folder and ending.
    pub sketch: String,
    /// Fingerprint of all its sources.
    pub fingerprint: String,
    /// The file that keeps it.
    pub path: PathBuf,
}

impl Version {
    fn parse(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(".rn")?;
        let (secs, rest) = name.split_once('-')?;
        let (sketch, fingerprint) = rest.rsplit_once('-')?;
        Some(Self {
            secs: secs.parse().ok()?,
            sketch: sketch.into(),
            fingerprint: fingerprint.into(),
            path: path.into(),
        })
    }
}

/// The folder of the versions of the sketches beside `sketch`, where it can be written.
pub fn folder(sketch: &Path) -> PathBuf {
    home::beside(&beside(sketch), "sketches")
}

fn beside(sketch: &Path) -> PathBuf {
    sketch.parent().unwrap_or(Path::new("")).join(FOLDER)
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

/// All versions of one sketch, the oldest first.
pub fn versions(sketch: &Path) -> Vec<Version> {
    let name = stem(sketch);
    let folders = BTreeSet::from([beside(sketch), folder(sketch)]);
    let entries = folders.iter().flat_map(|folder| home::entries(folder));
    let mut found: Vec<Version> =
        entries.filter_map(|path| Version::parse(&path)).filter(|v| v.sketch == name).collect();
    found.sort();
    found
}

/// Keeps the version that begins to run, unless it is the newest one already. Only the main source is kept.
///
/// # Errors
/// If the file cannot be written.
pub fn keep(program: &Program) -> Result<(), FileError> {
    let known = versions(&program.path);
    if known.last().is_some_and(|v| v.fingerprint == program.fingerprint) {
        return Ok(());
    }
    add(&program.path, program.text().as_bytes(), &program.fingerprint, &known)
}

/// Writes a version that is newer than those known, and gives up the oldest where there are too many.
fn add(sketch: &Path, text: &[u8], fingerprint: &str, known: &[Version]) -> Result<(), FileError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    // Two versions within a second stay in their order.
    let secs = known.last().map_or(now, |last| now.max(last.secs + 1));
    let name = format!("{secs}-{}-{fingerprint}.rn", stem(sketch));
    files::write(&folder(sketch).join(name), text)?;
    if known.len() >= MOST {
        for old in &known[..known.len() + 1 - MOST] {
            // One that cannot be removed is in nobody's way.
            let _ = std::fs::remove_file(&old.path);
        }
    }
    Ok(())
}

/// What [`restore`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The file that was written.
    pub path: PathBuf,
    /// The number of the version (from 1) that what was there before has now, if it had been kept nowhere yet.
    pub kept: Option<usize>,
}

/// Puts a version back as the sketch. What is there now is kept as a version first, also if it never ran. A sketch
/// that cannot be written gets a namesake in the home, which is found before it.
///
/// # Errors
/// If a file cannot be read or written.
pub fn restore(sketch: &Path, version: &Version) -> Result<Restored, FileError> {
    let text = files::read(&version.path)?;
    let writable = files::resolved(sketch)?.parent().is_some_and(home::writable);
    let path = match sketch.file_name() {
        Some(name) if !writable => home::place("sketches").join(name),
        _ => sketch.to_owned(),
    };
    let mut kept = None;
    match files::read(sketch) {
        Ok(now) => {
            let known = versions(sketch);
            if !known.iter().any(|v| files::read(&v.path).is_ok_and(|text| text == now)) {
                let fingerprint: String = Sha256::digest(&now).iter().take(8).map(|b| format!("{b:02x}")).collect();
                add(sketch, &now, &fingerprint, &known)?;
                kept = Some(versions(sketch).len());
            }
        }
        Err(error) if error.cause.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    files::write(&path, &text)?;
    Ok(Restored { path, kept })
}

/// Marks that this process has made.
static MARKS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
/// How the name of a mark begins; the process follows.
const MARK: &str = "running-";

/// The file that names the running sketch of this process; it is left behind only by a crash.
pub fn mark(sketch: &Path) -> PathBuf {
    folder(sketch).join(format!("{MARK}{}", files::signature()))
}

/// Marks a sketch as the one that runs in this process.
///
/// # Errors
/// If the mark cannot be written.
pub fn set_mark(sketch: &Path) -> Result<(), FileError> {
    let mark = mark(sketch);
    MARKS.lock().unwrap_or_else(PoisonError::into_inner).insert(mark.clone());
    files::write(&mark, sketch.to_string_lossy().as_bytes())
}

/// Takes the mark of this process away: the show closes in order.
pub fn clear_mark(sketch: &Path) {
    let mark = mark(sketch);
    // One that is not there, or stays, is a line too many on the next board and nothing else.
    let _ = std::fs::remove_file(&mark);
    MARKS.lock().unwrap_or_else(PoisonError::into_inner).remove(&mark);
}

/// The sketches beside this one that ran in shows which ended without closing; their marks are taken away.
pub fn crashed(sketch: &Path) -> Vec<String> {
    let folder = folder(sketch);
    // What was written when they ended is of no use any longer.
    for folder in [&folder, sketch.parent().unwrap_or(Path::new(""))] {
        files::sweep(folder);
    }
    let own = files::signature();
    let mut found = Vec::new();
    for path in home::entries(&folder) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let gone = match name.strip_prefix(MARK) {
            // This process has the number of one before it: so it is in a container.
            Some(of) if of == own => !MARKS.lock().unwrap_or_else(PoisonError::into_inner).contains(&path),
            Some(of) => files::is_gone(of),
            // Marks were all of one name once.
            None => name == "running",
        };
        if gone {
            found.push(files::read_text(&path).unwrap_or_default());
            let _ = std::fs::remove_file(&path);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::{Env, Language};
    use super::*;

    fn text(n: u32) -> String {
        format!("pub fn walk(me, t, c) {{ seed({n}) }}")
    }

    /// A sketch of which versions 1 and 2 ran.
    fn played() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my-walk.rn");
        let language = Language::new(Env::new(4)).unwrap();
        for n in [1, 2] {
            let program = language.compile(&path, &text(n)).unwrap();
            keep(&program).unwrap();
            keep(&program).unwrap();
        }
        (folder, path)
    }

    #[test]
    fn versions_come_back() {
        let (_folder, path) = played();
        let found = versions(&path);
        assert_eq!((found.len(), found[0].sketch.as_str()), (2, "my-walk"));
        assert_eq!(restore(&path, &found[0]).unwrap(), Restored { path: path.clone(), kept: None });
        assert!(files::read_text(&path).unwrap().contains("seed(1)"));
    }

    #[test]
    fn what_never_ran_is_kept_when_a_version_comes_back() {
        let (_folder, path) = played();
        let found = versions(&path);
        // Neither of these is UTF-8, or a sketch.
        for (n, edit) in [(3, &b"an edit that never ran"[..]), (4, &[0xff, 0xfe, 0x00])] {
            std::fs::write(&path, edit).unwrap();
            assert_eq!(restore(&path, &found[1]).unwrap().kept, Some(n));
            assert_eq!(files::read(&versions(&path)[n - 1].path).unwrap(), edit);
            assert_eq!(files::read_text(&path).unwrap(), text(2));
        }
        // What was kept before is not kept twice.
        assert_eq!(restore(&path, &found[0]).unwrap().kept, None);
        assert_eq!(versions(&path).len(), 4);
    }

    #[test]
    #[cfg(unix)]
    fn a_linked_sketch_stays_a_link_when_a_version_comes_back() {
        let (folder, path) = played();
        let elsewhere = folder.path().join("elsewhere.rn");
        std::fs::write(&elsewhere, "mine").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert_eq!(restore(&path, &versions(&path)[0]).unwrap().kept, Some(3));
        assert!(path.is_symlink());
        assert_eq!(files::read_text(&elsewhere).unwrap(), text(1));
    }

    #[test]
    #[cfg(unix)]
    fn only_the_marks_of_ended_shows_tell_of_a_crash() {
        let (folder, path) = played();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let (_, machine) = files::signature().split_once('-').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let marks = folder.path().join(FOLDER);
        let other = path.with_file_name("other.rn");
        let write =
            |signature: String, text: &str| std::fs::write(marks.join(format!("{MARK}{signature}")), text).unwrap();
        write(format!("{}-{machine}", child.id()), "crashed.rn");
        // Another show, which still runs: the first process of all.
        write(format!("1-{machine}"), "running.rn");
        set_mark(&other).unwrap();
        assert_eq!(crashed(&path), ["crashed.rn"]);
        assert!(crashed(&path).is_empty());
        assert!(mark(&other).is_file());
        clear_mark(&other);
        assert!(!mark(&other).exists());
        // In a container the next process has the number of the one before.
        write(files::signature(), "before.rn");
        assert_eq!(crashed(&path), ["before.rn"]);
    }
}
