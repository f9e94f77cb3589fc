//! What was learnt, in a mapping file: one more entry, with everything that a person wrote kept as it is.
//!
//! Fed by `flaneur learn` and the desk, through [`super::learn`]; never on the frame path.

use std::path::{Path, PathBuf};

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::mapping::{Entry, MAPPINGS, Mapping, MappingError};
use crate::files::{self, FileError};
use crate::home;

/// The file that learning writes to, in the folder of the mapping files.
pub const LEARNED: &str = "learned.toml";
/// What stands above mappings that were learnt.
const FRESH: &str =
    "# Written by learning (L on the desk, or flaneur learn). Change it as you like; comments stay.\nversion = 1\n";

/// A mapping file that is to be written to: what stands in it, and where it is written.
#[derive(Clone, Debug)]
pub struct Learned {
    /// Where it is written: a link is followed.
    pub path: PathBuf,
    text: String,
}

impl Learned {
    /// Reads `file`, or the home's own file for what is learnt, or begins one. What stands in a file that cannot be
    /// written is taken over into the one that can.
    ///
    /// # Errors
    /// If it is there and cannot be read or is wrong: what would not be read afterwards is not written to.
    pub fn open(file: Option<&Path>) -> Result<Self, MappingError> {
        let path = file.map_or_else(|| home::place(MAPPINGS).join(LEARNED), Path::to_owned);
        let read = file.map(Path::to_owned).or_else(|| home::find(MAPPINGS, LEARNED)).filter(|path| path.is_file());
        let text = match &read {
            Some(read) => files::read_text(read)?,
            None => FRESH.to_owned(),
        };
        Mapping::parse(&text).map_err(|why| MappingError::Wrong { path: read.unwrap_or_else(|| path.clone()), why })?;
        Ok(Self { path, text })
    }

    /// Writes the file with one more entry.
    ///
    /// # Errors
    /// If it cannot be written; what was there is there still.
    pub fn add(&self, entry: &Entry) -> Result<(), MappingError> {
        let text = with(&self.text, entry).map_err(|why| MappingError::Wrong { path: self.path.clone(), why })?;
        files::write(&self.path, text.as_bytes()).map_err(|e: FileError| e.into())
    }
}

/// The text of a mapping file with one more entry; everything that stood in it stays as it was, comments too.
/// An entry for the same control of the same device is replaced.
///
/// # Errors
/// If the text is not TOML.
pub fn with(text: &str, entry: &Entry) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| e.message().to_owned())?;
    if !document.contains_key("version") {
        document.insert("version", value(1));
    }
    let written = toml::to_string(entry).map_err(|e| e.to_string())?;
    let fresh: DocumentMut = written.parse().map_err(|e: toml_edit::TomlError| e.message().to_owned())?;
    let mut table = Table::new();
    let usual = [("curve", "linear"), ("encoding", "twos")];
    for (key, item) in fresh.iter() {
        let plain = usual.iter().any(|(k, v)| *k == key && item.as_str() == Some(v)) || item.as_bool() == Some(false);
        if !plain {
            table.insert(key, item.clone());
        }
    }
    let maps = document.entry("map").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    let Some(maps) = maps.as_array_of_tables_mut() else {
        return Err("\"map\" is not a list of [[map]]".into());
    };
    let shown = |t: &Table, key: &str| t.get(key).and_then(Item::as_value).map(|v| v.to_string().trim().to_owned());
    // A control change is one control, however it was understood before.
    let kind =
        |t: &Table| t.get("kind").and_then(Item::as_str).map(|k| if k == "relative" { "cc" } else { k }.to_owned());
    let same = |old: &Table| {
        let keys = ["device", "channel", "number", "key"];
        kind(old) == kind(&table) && keys.iter().all(|key| shown(old, key) == shown(&table, key))
    };
    let at = maps.iter().position(same);
    match at.and_then(|at| maps.get_mut(at)) {
        Some(old) => {
            let gone: Vec<String> = old.iter().map(|(k, _)| k.to_owned()).filter(|k| !table.contains_key(k)).collect();
            gone.iter().for_each(|key| drop(old.remove(key)));
            table.iter().for_each(|(key, item)| old[key] = item.clone());
        }
        None => maps.push(table),
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::hand::{Moved, What};
    use super::super::mapping::Kind;
    use super::*;

    #[test]
    fn learning_keeps_what_a_person_wrote() {
        let moved = Moved { what: What::Cc, channel: 1, number: 16, value: 3 };
        let entry = Entry::heard("nano", Kind::Cc, &moved, "/flaneur/knob/a");
        let once = with("# mine\nversion = 1 # one\n", &entry).unwrap();
        assert!(once.contains("# mine") && once.contains("# one"), "{once}");
        let edited = once.replace("target = \"/flaneur/knob/a\"", "target = \"/flaneur/knob/a\" # the first");
        let other = Moved { number: 17, ..moved };
        let twice = with(&edited, &Entry::heard("nano", Kind::Cc, &other, "z[0]")).unwrap();
        assert!(twice.contains("# the first"));
        let again = with(&twice, &Entry { target: "z[9]".into(), ..entry }).unwrap();
        let mapping = Mapping::parse(&again).unwrap();
        let targets: Vec<&str> = mapping.map.iter().map(|e| e.target.as_str()).collect();
        assert_eq!(targets, ["z[9]", "z[0]"]);
    }

    #[test]
    #[cfg(unix)]
    fn a_linked_file_is_written_beside_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("mine.toml"), folder.path().join("learned.toml"));
        std::fs::write(&target, "# mine\nversion = 1\n").unwrap();
        std::os::unix::fs::symlink("mine.toml", &link).unwrap();
        let moved = Moved { what: What::Cc, channel: 1, number: 16, value: 3 };
        let learned = Learned::open(Some(&link)).unwrap();
        learned.add(&Entry::heard("nano", Kind::Cc, &moved, "z[0]")).unwrap();
        assert!(link.is_symlink());
        let text = std::fs::read_to_string(&target).unwrap();
        assert!(text.starts_with("# mine") && text.contains("z[0]"), "{text}");
        std::fs::write(&target, "version = 2\n").unwrap();
        assert!(Learned::open(Some(&link)).unwrap_err().to_string().contains("learned.toml: version 2"));
    }
}
