//! Classes of pictures: from a `dataset.json` as NVIDIA's dataset_tool writes it, else from the names of sub-folders.
//!
//! Fed with the names of a listing, read by [`super::read`] and [`super::store`]. What is wrong in a `dataset.json` is
//! named and gives no labels; the pictures are read all the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;

use super::listing::{Bad, Listing};

/// The file that names classes.
const FILE: &str = "dataset.json";
/// It may have so many bytes: those of a million pictures.
const MOST_BYTES: u64 = 64 << 20;
/// Classes at most.
const MOST_CLASSES: usize = 10_000;
/// Folders whose names have so many digits, or more, and nothing else, only spread the files, as dataset_tool's do.
const STORAGE_DIGITS: usize = 5;
/// Folders that tell what pictures are for, and not what is on them.
const SPLITS: [&str; 8] = ["train", "training", "test", "testing", "val", "valid", "validation", "dev"];

/// The classes of pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Labels {
    /// Names of the classes; empty if there are none.
    pub names: Vec<String>,
    /// The class of each file of the listing, if it has one; empty if there are no classes.
    pub of: Vec<Option<u16>>,
}

/// What is read of a `dataset.json`.
#[derive(Deserialize)]
struct Written {
    labels: Option<Vec<(String, u64)>>,
    classes: Option<Vec<String>>,
}

impl Labels {
    /// The classes of what is listed. What is wrong is put into the list of what could not be read.
    pub fn of(listing: &mut Listing) -> Self {
        let names: Vec<String> = (0..listing.len()).map(|at| listing.name(at).replace('\\', "/")).collect();
        let inside = wrapper(&names);
        for folder in [0, inside] {
            let file = format!("{}{FILE}", names.first().map_or("", |name| &name[..folder]));
            let Some(read) = listing.text(&file, MOST_BYTES) else { continue };
            match read
                .and_then(|bytes| written(&bytes))
                .and_then(|found| found.map_or(Ok(None), |w| w.of(&names, folder).map(Some)))
            {
                Ok(Some(labels)) => return labels,
                // Labels of null: dataset_tool says that there are none.
                Ok(None) => return Self::default(),
                Err(why) => {
                    listing.bad.push(Bad::new(&file, format!("{why}; the pictures are read without labels")));
                    return Self::default();
                }
            }
        }
        Self::of_folders(&names, inside)
    }

    /// By the folders behind the first `inside` bytes of all names, if they tell something.
    fn of_folders(names: &[String], inside: usize) -> Self {
        let folders: Option<Vec<&str>> =
            names.iter().map(|name| name[inside..].split_once('/').map(|(folder, _)| folder)).collect();
        let Some(folders) = folders else { return Self::default() };
        let mut classes: Vec<&str> = folders.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let digits = |name: &&str| name.bytes().all(|b| b.is_ascii_digit());
        let numbers = classes.iter().all(digits);
        let storage = numbers && classes.iter().all(|name| name.len() >= STORAGE_DIGITS);
        let splits = classes.iter().all(|name| SPLITS.contains(&name.to_lowercase().as_str()));
        if !(2..=MOST_CLASSES).contains(&classes.len()) || storage || splits {
            return Self::default();
        }
        if numbers {
            // 10 comes after 9.
            classes.sort_by_key(|name| (name.trim_start_matches('0').len(), name.trim_start_matches('0').to_owned()));
        }
        let places: HashMap<&str, u16> = classes.iter().enumerate().map(|(at, name)| (*name, at as u16)).collect();
        let of = folders.iter().map(|folder| places.get(folder).copied()).collect();
        Self { names: classes.into_iter().map(str::to_owned).collect(), of }
    }

    /// Keeps the labels of these files only, in this order.
    pub fn keep(&mut self, which: &[usize]) {
        if !self.of.is_empty() {
            self.of = which.iter().map(|at| self.of[*at]).collect();
        }
    }

    /// Makes these the labels of networks that see classes: every file has one, and every class has a file. With
    /// `names` they become numbers of those: by name, or by their place where one side has only numbers for names.
    ///
    /// # Errors
    /// If that cannot be, with what to do.
    pub fn adopt(&mut self, names: Option<&[String]>) -> Result<(), String> {
        if self.names.is_empty() {
            return Err("the pictures have no classes; put those of each class into a folder of its own, or write a \
                        dataset.json with labels"
                .into());
        }
        let without = self.of.iter().filter(|label| label.is_none()).count();
        if without > 0 {
            let all = self.of.len();
            return Err(format!("{without} of {all} pictures have no class; give each one, or leave them out"));
        }
        if let Some(names) = names {
            self.renumber(names)?;
        }
        let empty = self.counts(0..self.of.len()).into_iter().find(|(_, count)| *count == 0);
        match empty {
            Some((name, _)) => Err(format!("there is no picture of the class {name}; add some")),
            None => Ok(()),
        }
    }

    fn renumber(&mut self, names: &[String]) -> Result<(), String> {
        let place = |name: &String| names.iter().position(|known| known == name).map(|at| at as u16);
        let numbers = |names: &[String]| names.iter().enumerate().all(|(at, name)| *name == at.to_string());
        if let Some(places) = self.names.iter().map(place).collect::<Option<Vec<u16>>>() {
            for label in self.of.iter_mut().flatten() {
                *label = places[usize::from(*label)];
            }
            self.names = names.to_vec();
        } else if self.names.len() == names.len() && (numbers(names) || numbers(&self.names)) {
            if !numbers(names) {
                self.names = names.to_vec();
            }
        } else {
            return Err(format!(
                "its classes are {}, and those of the network are {}; name the folders as the network's classes",
                listed(&self.names),
                listed(names)
            ));
        }
        Ok(())
    }

    /// How many of these files each class has, in the order of the classes.
    pub fn counts(&self, which: impl Iterator<Item = usize>) -> Vec<(String, usize)> {
        let mut counts = vec![0; self.names.len()];
        for class in which.filter_map(|at| self.of.get(at).copied().flatten()) {
            counts[usize::from(class)] += 1;
        }
        self.names.iter().cloned().zip(counts).collect()
    }
}

/// Names in a sentence, the first ones of many.
fn listed(names: &[String]) -> String {
    const MOST: usize = 12;
    let first = names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > MOST { format!("{first}, … ({} of them)", names.len()) } else { first }
}

/// Reads a `dataset.json`; none if it has no labels.
fn written(bytes: &[u8]) -> Result<Option<Written>, String> {
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("it has more than {} MB", MOST_BYTES >> 20));
    }
    let form = "labels are written as {\"labels\": [[\"00000/img00000000.png\", 3], …]}, with a class from 0 a picture";
    let written: Written = serde_json::from_slice(bytes).map_err(|why| format!("{why}; {form}"))?;
    Ok(written.labels.is_some().then_some(written))
}

impl Written {
    /// The labels of files with these names, which are written without their first `inside` bytes.
    fn of(self, names: &[String], inside: usize) -> Result<Labels, String> {
        let mut classes = BTreeMap::new();
        for (name, class) in self.labels.unwrap_or_default() {
            if class >= MOST_CLASSES as u64 {
                return Err(format!("{name} has class {class}; the highest one that is read is {}", MOST_CLASSES - 1));
            }
            classes.insert(name.replace('\\', "/"), class as u16);
        }
        let Some(last) = classes.values().max() else { return Ok(Labels::default()) };
        let count = usize::from(*last) + 1;
        let known = self.classes.unwrap_or_else(|| (0..count).map(|class| class.to_string()).collect());
        if !(count..=MOST_CLASSES).contains(&known.len()) {
            return Err(format!("it names {} classes, and class {last} is used", known.len()));
        }
        let of: Vec<Option<u16>> = names.iter().map(|name| classes.get(&name[inside..]).copied()).collect();
        if !names.is_empty() && of.iter().all(Option::is_none) {
            return Err("it names none of the pictures".into());
        }
        Ok(Labels { names: known, of })
    }
}

/// Bytes of the folders that all names lie in: whoever packs a folder has its name before all others.
fn wrapper(names: &[String]) -> usize {
    let Some(first) = names.first() else { return 0 };
    let mut inside = 0;
    while let Some(len) = first[inside..].find('/') {
        let folder = &first[..inside + len + 1];
        if !names.iter().all(|name| name.starts_with(folder)) {
            break;
        }
        inside = folder.len();
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn of_folders(names: &[&str]) -> (Vec<String>, Vec<u16>) {
        let names = owned(names);
        let labels = Labels::of_folders(&names, wrapper(&names));
        (labels.names, labels.of.into_iter().flatten().collect())
    }

    #[test]
    fn folders_are_classes_where_they_tell_something() {
        for names in
            [&["cat/1.jpg", "dog/1.jpg", "dog/a/2.jpg"], &["pets/cat/1.jpg", "pets/dog/1.jpg", "pets/dog/2.jpg"]]
        {
            assert_eq!(of_folders(names), (owned(&["cat", "dog"]), vec![0, 1, 1]));
        }
        // Digits of MNIST are classes, and lie in the order of numbers.
        assert_eq!(of_folders(&["0/a.png", "10/a.png", "9/a.png"]), (owned(&["0", "9", "10"]), vec![0, 2, 1]));
        for none in [
            &["00000/img00000000.png", "00001/img00001000.png"][..],
            &["train/1.jpg", "Test/1.jpg"],
            &["cat/1.jpg", "2.jpg"],
            &["cat/1.jpg", "cat/2.jpg"],
            &["1.jpg", "2.jpg"],
            &[],
        ] {
            assert_eq!(of_folders(none), (vec![], vec![]), "{none:?}");
        }
    }

    fn of_json(text: &str, names: &[&str]) -> Result<Option<Labels>, String> {
        written(text.as_bytes())?.map(|written| written.of(&owned(names), 0)).transpose()
    }

    #[test]
    fn a_dataset_json_is_read_or_named() {
        let names = ["00000/a.png", "00000/b.png", "00001/c.png"];
        let read = |text: &str| of_json(text, &names).unwrap().unwrap();
        let labels = read(r#"{"labels": [["00001/c.png", 2], ["00000\\a.png", 0]], "more": {"x": [1]}}"#);
        assert_eq!((labels.names, labels.of), (owned(&["0", "1", "2"]), vec![Some(0), None, Some(2)]));
        let labels = read(r#"{"labels": [["00000/a.png", 1]], "classes": ["cat", "dog", "eel"]}"#);
        assert_eq!(labels.names, owned(&["cat", "dog", "eel"]));
        assert_eq!(labels.counts(0..3), [("cat".into(), 0), ("dog".into(), 1), ("eel".into(), 0)]);
        for none in [r#"{"labels": null}"#, "{}"] {
            assert!(of_json(none, &names).unwrap().is_none(), "{none}");
        }
        let deep = "[".repeat(10_000);
        for (text, words) in [
            (r#"{"labels": [["x.png", 1]]}"#, "none of the pictures"),
            (r#"{"labels": [["00000/a.png", 10000]]}"#, "the highest one"),
            (r#"{"labels": [["00000/a.png", 1]], "classes": ["cat"]}"#, "names 1 classes, and class 1"),
            (r#"{"labels": [["00000/a.png", -1]]}"#, "labels are written as"),
            (r#"{"labels": [["00000/a.png", 0.5]]}"#, "labels are written as"),
            (r#"{"labels": [["00000/a.png", [0, 1]]]}"#, "labels are written as"),
            ("", "labels are written as"),
            ("[1]", "labels are written as"),
            (&deep, "labels are written as"),
        ] {
            let why = of_json(text, &names).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn labels_become_those_of_a_network_or_say_why_not() {
        let labels = |names: &[&str], of: &[Option<u16>]| Labels { names: owned(names), of: of.to_vec() };
        let two = || labels(&["blue", "red"], &[Some(0), Some(1), Some(1)]);
        let adopted = |mut found: Labels, names: &[&str]| found.adopt(Some(&owned(names))).map(|()| found);
        assert_eq!(adopted(two(), &["red", "blue"]), Ok(labels(&["red", "blue"], &[Some(1), Some(0), Some(0)])));
        // Where one side has only numbers for names, by their place.
        assert_eq!(adopted(two(), &["0", "1"]), Ok(two()));
        assert_eq!(
            adopted(labels(&["0", "1"], &[Some(0), Some(1)]), &["a", "b"]),
            Ok(labels(&["a", "b"], &[Some(0), Some(1)]))
        );
        assert_eq!(two().adopt(None), Ok(()));
        for (found, names, words) in [
            (two(), &["red", "green"][..], "its classes are blue, red, and those of the network are red, green"),
            (two(), &["red", "blue", "green"], "no picture of the class green"),
            (two(), &["0", "1", "2"], "name the folders"),
            (Labels::default(), &["red"], "the pictures have no classes"),
            (labels(&["blue", "red"], &[Some(0), None]), &["blue", "red"], "1 of 2 pictures have no class"),
            (labels(&["blue", "red"], &[Some(0), Some(0)]), &["blue", "red"], "no picture of the class red"),
        ] {
            let why = adopted(found, names).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
        let many: Vec<String> = (0..2000).map(|number| format!("class {number}")).collect();
        assert!(two().adopt(Some(&many)).unwrap_err().len() < 400);
    }
}
