//! Stored points: the texts of z in `presets/points` of the home's folders, by their names.
//!
//! Read when a show opens and when such a file changes, on the thread that watches files; what cannot be read is
//! named and left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Z, text};
use crate::files;
use crate::home;

/// The points there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    /// Rows of z by the name of their file, without its ending.
    pub rows: BTreeMap<String, Vec<Z>>,
    /// What is left out, a sentence each.
    pub wrong: Vec<String>,
}

/// Reads all points from the folders of that kind: each file as z of the first of these dimensions that it can be read
/// with. What is wrong with one that has none is said of the first. A w for each layer has so many numbers as `layered`
/// says: a `.npz` is read as that first, everything else last.
pub fn read_all(kind: &Path, dims: &[usize], layered: Option<usize>) -> Points {
    read_folders(&home::folders(kind), dims, layered)
}

/// Reads the points of several folders; of two files of one name in two folders the first one counts.
fn read_folders(folders: &[PathBuf], dims: &[usize], layered: Option<usize>) -> Points {
    let mut points = Points::default();
    for folder in folders {
        let mut here: BTreeMap<String, PathBuf> = BTreeMap::new();
        for path in home::entries(folder).into_iter().filter(|path| path.is_file()) {
            let Some(name) = path.file_stem().and_then(|n| n.to_str()).map(str::to_owned) else { continue };
            if points.rows.contains_key(&name) {
                continue;
            }
            if let Some(first) = here.get(&name) {
                points.wrong.push(format!(
                    "{} is left out: {} has the same name and is used; rename one of them",
                    files::shown(&path),
                    files::shown(first)
                ));
                continue;
            }
            here.insert(name, path);
        }
        for (name, path) in here {
            let read = files::read(&path).map_err(|e| e.cause.to_string());
            let packed = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npz"));
            let [first, last] = if packed { [layered, None] } else { [None, layered] };
            let rows = |bytes: Vec<u8>| {
                let dims = first.iter().chain(dims).chain(&last);
                let mut tried = dims.map(|dim| text::read(&bytes, *dim).map_err(|e| e.to_string()));
                let first = tried.next().unwrap_or_else(|| Ok(Vec::new()));
                first.or_else(|why| tried.find_map(Result::ok).ok_or(why))
            };
            match read.and_then(rows) {
                Ok(rows) => drop(points.rows.insert(name, rows)),
                Err(why) => points.wrong.push(format!("{} is left out: {why}", files::shown(&path))),
            }
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_are_no_points_and_two_of_one_name_are_said() {
        let folder = tempfile::tempdir().unwrap();
        let (home, shared) = (folder.path().join("home"), folder.path().join("shared"));
        for (place, name, text) in [
            (&home, "walk.csv", "1,2"),
            (&home, "walk.txt", "3,4"),
            (&home, "walk.txt~", "5,6"),
            (&home, ".#walk.txt", "5,6"),
            (&home, "#walk.txt#", "5,6"),
            (&home, "ring.txt.bak", "5,6"),
            (&home, "ring.txt.swp", "5,6"),
            (&home, "wrong.txt", "1,2,three"),
            (&home, ".hidden.txt", "5,6"),
            (&shared, "walk.txt", "7,8"),
            (&shared, "other.txt", "9,10"),
        ] {
            std::fs::create_dir_all(place).unwrap();
            std::fs::write(place.join(name), text).unwrap();
        }
        std::fs::create_dir(home.join("folder.txt")).unwrap();
        let points = read_folders(&[home, shared], &[2], None);
        let expected = [("other", vec![vec![9.0, 10.0]]), ("walk", vec![vec![1.0, 2.0]])];
        assert_eq!(points.rows, expected.map(|(name, rows)| (name.to_owned(), rows)).into());
        assert_eq!(points.wrong.len(), 2, "{:?}", points.wrong);
        assert!(points.wrong[0].contains("walk.txt is left out") && points.wrong[0].contains("walk.csv has the same"));
        assert!(points.wrong[1].contains("wrong.txt is left out: line 1: \"three\""), "{:?}", points.wrong);
    }

    #[test]
    fn points_of_the_models_before_stay() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("two.txt", "1,2\n3,4"), ("three.txt", "1,2,3"), ("five.txt", "1,2,3,4,5")] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let read = |dims: &[usize]| read_folders(&[folder.path().to_owned()], dims, None);
        assert_eq!((read(&[2]).rows.len(), read(&[2]).wrong.len()), (1, 2));
        let points = read(&[3, 2]);
        assert_eq!((points.rows["two"].len(), points.rows["three"][0].len(), points.rows.len()), (2, 3, 2));
        assert!(points.wrong.len() == 1 && points.wrong[0].contains("this model takes 3"), "{:?}", points.wrong);
    }
}
