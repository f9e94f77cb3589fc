//! A folder of plain floats: `manifest.json` names a file and a shape for each variable (deeplearn.js' checkpoints).
//!
//! Values are little-endian f32 in row-major order, and nothing else is in their files.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use serde_json::Value as Json;

use super::bag::{Array, Bag, MOST_ARRAYS, ReadError};
use super::source::wrong;
use crate::files;

/// Name of the list.
pub const NAME: &str = "manifest.json";
/// Bytes of the list at most.
const MOST: u64 = 1 << 20;

/// Whether a path is such a list, or a folder that holds one; gives the list.
pub fn of(path: &Path) -> Option<std::path::PathBuf> {
    let inside = path.join(NAME);
    if path.is_dir() && inside.is_file() {
        return Some(inside);
    }
    (path.file_name()? == NAME && path.is_file()).then(|| path.to_owned())
}

/// Reads the variables of a list.
///
/// # Errors
/// If the list is no such list, or a file is missing or has another length than its shape says.
pub fn read(list: &Path) -> Result<Bag, ReadError> {
    let unreadable = |why: std::io::Error| ReadError(format!("it cannot be read ({why})"));
    if std::fs::metadata(list).map_err(unreadable)?.len() > MOST {
        return wrong("its manifest.json is too long for a list of variables");
    }
    let text = files::read_text(list).map_err(|why| ReadError(why.to_string()))?;
    let all: Json = serde_json::from_str(&text).map_err(|why| ReadError(format!("its list is no JSON ({why})")))?;
    let entries = all.as_object().filter(|entries| !entries.is_empty() && entries.len() <= MOST_ARRAYS);
    let Some(entries) = entries else { return wrong("its manifest.json names no variables") };
    let folder = list.parent().unwrap_or_else(|| Path::new("."));
    let mut bag = Bag { format: "deeplearn.js checkpoint".into(), ..Bag::default() };
    let mut seen = BTreeSet::new();
    for (name, entry) in entries {
        let shape: Option<Vec<usize>> = entry
            .get("shape")
            .and_then(Json::as_array)
            .and_then(|sides| sides.iter().map(|side| usize::try_from(side.as_u64()?).ok()).collect());
        let file = entry.get("filename").and_then(Json::as_str);
        let (Some(shape), Some(file)) = (shape, file) else {
            return wrong(format!("its variable {} has no filename and shape", files::printable(name)));
        };
        // A name, and no way out of the folder.
        if Path::new(file).components().count() != 1 || file == ".." {
            return wrong(format!("its variable {} lies outside of the folder", files::printable(name)));
        }
        let count = shape.iter().try_fold(1usize, |all, side| all.checked_mul(*side));
        let path = folder.join(file);
        // A plain file, and no way to another; each is some variable's alone.
        let meta = std::fs::symlink_metadata(&path).ok().filter(|meta| meta.is_file() && !seen.contains(file));
        let len = meta.map_or(0, |meta| meta.len());
        seen.insert(file.to_owned());
        if len == 0 || count.and_then(|count| count.checked_mul(4)).map(|bytes| bytes as u64) != Some(len) {
            return wrong(format!(
                "its variable {} has {len} bytes, and its shape {shape:?} wants others: fetch the folder again",
                files::printable(name)
            ));
        }
        let mut bytes = Vec::with_capacity(len as usize);
        let open = std::fs::File::open(&path).map_err(unreadable)?;
        open.take(len).read_to_end(&mut bytes).map_err(unreadable)?;
        let values = bytes.as_chunks::<4>().0.iter().map(|v| f32::from_le_bytes(*v)).collect();
        bag.arrays.push(Array { name: name.clone(), shape, values, whole: false });
    }
    Ok(bag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_and_lies_refused() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        let list = folder.path().join(NAME);
        write("a", &[0, 0, 128, 63, 0, 0, 0, 64]);
        write(NAME, br#"{"Variable": {"filename": "a", "shape": [2, 1]}}"#);
        assert_eq!(of(folder.path()), Some(list.clone()));
        let bag = read(&list).unwrap();
        assert_eq!((bag.arrays[0].shape.as_slice(), bag.arrays[0].values.as_slice()), (&[2, 1][..], &[1.0, 2.0][..]));
        for (text, words) in [
            (&br#"{"Variable": {"filename": "a", "shape": [3]}}"#[..], "wants others"),
            (br#"{"Variable": {"filename": "../a", "shape": [2]}}"#, "outside"),
            (br#"{"Variable": {"filename": "b", "shape": [99999999999, 99999999999]}}"#, "wants others"),
            (br#"{"Variable": {"shape": [2]}}"#, "no filename"),
            (br#"{"Variable": {"filename": "a", "shape": [2, -1]}}"#, "no filename"),
            (br#"{"V": {"filename": "a", "shape": [2]}, "W": {"filename": "a", "shape": [2]}}"#, "wants others"),
            (br#"[1]"#, "no variables"),
            (br#"{"#, "no JSON"),
        ] {
            write(NAME, text);
            let why = read(&list).unwrap_err().0;
            assert!(why.contains(words), "{why}");
        }
    }
}
