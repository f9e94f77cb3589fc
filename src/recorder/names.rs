//! Names of recordings, takes and stills: with the time in them, so that no two are the same.
//!
//! A name is reserved when it is chosen, by making the file; what is there already is never written over unless a
//! person asks for that.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::RecorderError;
use super::codec::Codec;
use crate::files;

/// The name that a recording and its take have in common.
pub const TAKE: &str = "take";
/// A recording and a take that begin within this have the same time in their names.
const SAME_MOMENT: Duration = Duration::from_secs(5);

/// The local time, as it stands in names: `20261129-190412`.
fn now() -> String {
    jiff::ZonedDateTime::now().strftime("%Y%m%d-%H%M%S").to_string()
}

/// A name with the time in it, such as `folder/take-20261129-190412.mkv`. Nobody has it yet: [`files::create_free`]
/// or [`files::write_free`] make the file, under the next free name where two ask in one second.
pub fn stamped(folder: &Path, name: &str, ending: &str) -> PathBuf {
    static LAST: Mutex<Option<(Instant, String)>> = Mutex::new(None);
    let stamp = match name {
        TAKE => shared(&mut LAST.lock().unwrap_or_else(PoisonError::into_inner), Instant::now(), now),
        _ => now(),
    };
    folder.join(format!("{name}-{stamp}.{ending}"))
}

/// The stamp of the moment: the last one, if that was just now.
fn shared(last: &mut Option<(Instant, String)>, at: Instant, now: impl Fn() -> String) -> String {
    match last {
        Some((before, stamp)) if at.duration_since(*before) < SAME_MOMENT => stamp.clone(),
        _ => {
            let stamp = now();
            *last = Some((at, stamp.clone()));
            stamp
        }
    }
}

/// A file for a live recording: of that name, or of the next free one unless it may be written over. It is there,
/// empty, so that nobody else records into it.
///
/// # Errors
/// If no film ends so, or no file can be made there.
pub fn reserve(path: &Path, overwrite: bool) -> Result<PathBuf, RecorderError> {
    Codec::check(path)?;
    if path.extension().is_none() {
        return folder(path, overwrite);
    }
    if overwrite {
        return Ok(path.to_owned());
    }
    let made =
        files::create_free(path).map_err(|e| RecorderError::Open { path: path.into(), why: e.cause.to_string() });
    made.map(|(_, path)| path)
}

/// The name of a film: the one that was asked for, or the next free one. Of a folder of pictures that may be written
/// over the numbered ones are removed, so that none of them stay among the new ones.
///
/// # Errors
/// If no film ends so, it is a folder, or old pictures cannot be removed.
pub fn film(path: &Path, overwrite: bool) -> Result<PathBuf, RecorderError> {
    Codec::check(path)?;
    if path.extension().is_some() {
        return match overwrite || !path.exists() {
            true => Ok(path.to_owned()),
            false => Ok(files::candidates(path).find(|name| !name.exists()).unwrap_or_else(|| path.to_owned())),
        };
    }
    folder(path, overwrite)
}

/// A folder for pictures: with its numbered pictures removed where it may be written over, else the next free one.
fn folder(path: &Path, overwrite: bool) -> Result<PathBuf, RecorderError> {
    if !overwrite {
        return Ok(free_folder(path));
    }
    for picture in numbered_pictures(path) {
        let removed = std::fs::remove_file(&picture);
        removed.map_err(|e| RecorderError::Open { path: picture, why: format!("it cannot be removed: {e}") })?;
    }
    Ok(path.to_owned())
}

/// A folder for pictures: that one, unless pictures are in it; then the next that has none.
pub(super) fn free_folder(path: &Path) -> PathBuf {
    let free = |folder: &PathBuf| !folder.exists() || (folder.is_dir() && !has_pictures(folder));
    files::candidates(path).find(free).unwrap_or_else(|| path.to_owned())
}

fn pngs(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|e| e == "png"))
}

fn has_pictures(folder: &Path) -> bool {
    pngs(folder).next().is_some()
}

/// The pictures of a film in a folder: `000000.png`, …
fn numbered_pictures(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let number = |stem: &str| stem.len() >= 6 && stem.chars().all(|c| c.is_ascii_digit());
    pngs(folder).filter(move |path| path.file_stem().and_then(|stem| stem.to_str()).is_some_and(number))
}

/// The first numbered name that is not taken, `folder/NAME-0001.ending`: for pictures that stay in their order.
pub fn numbered(folder: &Path, name: &str, ending: &str) -> PathBuf {
    let numbered = |n: u32| folder.join(format!("{name}-{n:04}.{ending}"));
    (1..10_000).map(numbered).find(|path| !path.exists()).unwrap_or_else(|| numbered(10_000))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_recording_and_its_take_share_their_moment() {
        let (mut last, begin, count) = (None, Instant::now(), Cell::new(0));
        let mut at = |secs: f64| {
            shared(&mut last, begin + Duration::from_secs_f64(secs), || {
                count.set(count.get() + 1);
                count.get().to_string()
            })
        };
        assert_eq!([at(0.0), at(0.4), at(4.9), at(5.1), at(60.0)], ["1", "1", "1", "2", "3"]);
    }

    #[test]
    fn a_name_has_the_time_in_it() {
        let path = stamped(Path::new("recordings"), "still", "png");
        let name = path.file_name().unwrap().to_str().unwrap();
        let shape: String = name.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "still-00000000-000000.png");
    }

    #[test]
    fn nothing_is_written_over_unless_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let path = here.join("r.mkv");
        let names: Vec<PathBuf> = (0..2).map(|_| reserve(&path, false).unwrap()).collect();
        assert_eq!(names, [path.clone(), here.join("r-2.mkv")]);
        assert_eq!(reserve(&path, true).unwrap(), path);
        assert_eq!(film(&path, false).unwrap(), here.join("r-3.mkv"));
        assert!(!here.join("r-3.mkv").exists());
        assert_eq!(film(&path, true).unwrap(), path);
        for wrong in [reserve(&here.join("r.avi"), false), film(&here.join("r.avi"), true)] {
            assert!(wrong.unwrap_err().to_string().contains("use .mp4"));
        }
        assert!(!here.join("r.avi").exists());
    }

    #[test]
    fn old_pictures_make_way_or_another_folder_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let frames = folder.path().join("frames");
        assert_eq!(film(&frames, false).unwrap(), frames);
        std::fs::create_dir(&frames).unwrap();
        assert_eq!(film(&frames, false).unwrap(), frames);
        for name in ["000000.png", "000001.png", "mine.png", "000002.txt"] {
            std::fs::write(frames.join(name), name).unwrap();
        }
        assert_eq!(film(&frames, false).unwrap(), folder.path().join("frames-2"));
        assert_eq!(film(&frames, true).unwrap(), frames);
        let mut left: Vec<_> = std::fs::read_dir(&frames).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["000002.txt", "mine.png"]);
    }
}
