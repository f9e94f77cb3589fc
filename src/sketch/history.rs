//! Every version of a sketch that ran, kept: an edit is never lost.
//!
//! One folder, `sketches/.history`, one file a version, named by time, sketch and fingerprint. The newest
//! [`MOST`] of each sketch stay.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Program;
use crate::files::{self, FileError};

/// Versions kept of one sketch.
const MOST: usize = 500;

/// One version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// When it began to run, in seconds since 1970.
    pub secs: u64,
    /// The sketch's name without folder and ending.
    pub sketch: String,
    pub fingerprint: String,
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

/// The folder of the versions of the sketches beside `sketch`.
pub fn folder(sketch: &Path) -> PathBuf {
    sketch.parent().unwrap_or(Path::new("")).join(".history")
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

/// All versions of one sketch, the oldest first.
pub fn versions(sketch: &Path) -> Vec<Version> {
    let name = stem(sketch);
    let entries = std::fs::read_dir(folder(sketch)).into_iter().flatten().flatten();
    let mut found: Vec<Version> =
        entries.filter_map(|e| Version::parse(&e.path())).filter(|v| v.sketch == name).collect();
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
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    // Two versions within a second stay in their order.
    let secs = known.last().map_or(now, |last| now.max(last.secs + 1));
    let name = format!("{secs}-{}-{}.rn", stem(&program.path), program.fingerprint);
    files::write(&folder(&program.path).join(name), program.text().as_bytes())?;
    if known.len() >= MOST {
        for old in &known[..known.len() + 1 - MOST] {
            // One that cannot be removed is in nobody's way.
            let _ = std::fs::remove_file(&old.path);
        }
    }
    Ok(())
}

/// Puts a version back as the sketch; the one there now is kept as a version first.
///
/// # Errors
/// If a file cannot be read or written.
pub fn restore(sketch: &Path, version: &Version) -> Result<(), FileError> {
    let text = files::read(&version.path)?;
    files::write(sketch, &text)
}

#[cfg(test)]
mod tests {
    use super::super::{Env, Language};
    use super::*;

    #[test]
    fn versions_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("my-walk.rn");
        let language = Language::new(Env::new(4)).unwrap();
        for text in ["pub fn walk(me, t, c) { seed(1) }", "pub fn walk(me, t, c) { seed(2) }"] {
            let program = language.compile(&path, text).unwrap();
            keep(&program).unwrap();
            keep(&program).unwrap();
        }
        let found = versions(&path);
        assert_eq!((found.len(), found[0].sketch.as_str()), (2, "my-walk"));
        restore(&path, &found[0]).unwrap();
        assert!(files::read_text(&path).unwrap().contains("seed(1)"));
    }
}
