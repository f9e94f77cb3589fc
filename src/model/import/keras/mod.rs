//! Files that Keras writes: `.h5` of Keras 1, 2 and 3 with and without a configuration, `.weights.h5`, `.keras`.
//!
//! Fed a path by the import; gives a `Bag` whose arrays are called `<layer>.<array>` in the order of layers, and from
//! that bag the list of layers in the order of execution, with the names of Keras 3 whichever version wrote the file.
//! Absent: optimisers, custom layers' own code, SavedModel folders, what a list of layers means.

mod config;
mod graph;
mod kernels;
mod layers;
mod legacy;
mod names;
mod settings;
mod store;
#[doc(hidden)]
pub mod write;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value as Json;
use zip::ZipArchive;

use super::bag::{Array, Bag, MOST_ARRAYS, ReadError};
use super::hdf5::{Hdf5, Kind, MAGIC, Node};
pub use layers::{Layer, layers};

/// Bytes of a configuration at most.
const MOST_TEXT: usize = 4 << 20;

/// Reads a file that Keras has saved.
///
/// # Errors
/// It cannot be opened, is no file of Keras, is damaged, or uses a form that is not read; the sentence says what to do.
pub fn read(path: &Path) -> Result<Bag, ReadError> {
    let file = File::open(path).map_err(|error| ReadError(format!("the file cannot be opened: {error}")))?;
    read_from(BufReader::new(file))
}

/// Reads what Keras has saved from anything that can be read at any place.
///
/// # Errors
/// As `read`.
pub fn read_from<R: Read + Seek>(mut file: R) -> Result<Bag, ReadError> {
    let mut first = [0; 4];
    let length = file.seek(SeekFrom::End(0)).map_err(broken)?;
    if length == 0 {
        return Err(ReadError("the file is empty; copy or download it again".into()));
    }
    file.rewind().map_err(broken)?;
    if length >= 4 {
        file.read_exact(&mut first).map_err(broken)?;
    }
    match &first {
        b"PK\x03\x04" => archive(file, length),
        _ => weights(file, 0, length, Json::Null),
    }
}

fn broken(error: std::io::Error) -> ReadError {
    ReadError(format!("the file cannot be read: {error}"))
}

/// A `.keras` file: a zip of the configuration and a file of weights.
fn archive<R: Read + Seek>(file: R, length: u64) -> Result<Bag, ReadError> {
    let bad = |error: zip::result::ZipError| {
        ReadError(format!("the zip is damaged or cut short ({error}); copy or download the file again"))
    };
    let mut zip = ZipArchive::new(file).map_err(bad)?;
    let Some(mut config) = text(&mut zip, "config.json")? else {
        return Err(ReadError(
            "the zip holds no config.json, so it is no .keras file; give a file that Keras has saved".into(),
        ));
    };
    let metadata = text(&mut zip, "metadata.json")?.unwrap_or_default();
    if let (Some(config), Some(version)) = (config.as_object_mut(), metadata.get("keras_version")) {
        config.insert("keras_version".into(), version.clone());
    }
    let Ok(entry) = zip.by_name("model.weights.h5") else {
        return Err(ReadError(
            "the .keras file holds no model.weights.h5; load the model in Keras and save it again in one piece".into(),
        ));
    };
    let (size, packed) = (entry.size(), entry.compressed_size());
    if entry.compression() == zip::CompressionMethod::Stored {
        let start = entry.data_start();
        drop(entry);
        let start = start.filter(|start| start.checked_add(size).is_some_and(|end| end <= length));
        let start = start.ok_or_else(|| ReadError("the zip is damaged; copy or download the file again".into()))?;
        return weights(zip.into_inner(), start, size, config);
    }
    // Weights hardly shrink. An entry that grows much more is a trap.
    let most = packed.min(length).saturating_mul(8).saturating_add(8 << 20);
    let mut bytes = Vec::new();
    entry.take(most + 1).read_to_end(&mut bytes).map_err(broken)?;
    if bytes.len() as u64 > most {
        return Err(ReadError(
            "model.weights.h5 grows to many times its size; load the model in Keras and save it again".into(),
        ));
    }
    let size = bytes.len() as u64;
    weights(Cursor::new(bytes), 0, size, config)
}

/// An entry of a zip as JSON; `None` if there is none.
fn text<R: Read + Seek>(zip: &mut ZipArchive<R>, name: &str) -> Result<Option<Json>, ReadError> {
    let Ok(entry) = zip.by_name(name) else { return Ok(None) };
    let mut bytes = Vec::new();
    entry.take(MOST_TEXT as u64 + 1).read_to_end(&mut bytes).map_err(broken)?;
    json(&bytes, name).map(Some)
}

fn json(bytes: &[u8], what: &str) -> Result<Json, ReadError> {
    if bytes.len() > MOST_TEXT {
        return Err(ReadError(format!(
            "{what} is longer than {} MB, which no network that is a chain needs; save the part that is to be played",
            MOST_TEXT >> 20
        )));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| ReadError(format!("{what} is no JSON ({error}); save the model again in Keras")))
}

/// An HDF5 file of weights, `size` bytes from `start`, with its configuration or null.
fn weights<R: Read + Seek>(mut file: R, start: u64, size: u64, mut config: Json) -> Result<Bag, ReadError> {
    let zipped = !config.is_null();
    let mut first = [0; 8];
    if size >= 8 {
        file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut first)).map_err(broken)?;
    }
    if first != MAGIC && size < 512 {
        return Err(ReadError(
            "the file is neither HDF5 nor a zip, as Keras writes; give a .h5, .weights.h5 or .keras file".into(),
        ));
    }
    let mut hdf5 = Hdf5::open(file, start, size)?;
    let root = hdf5.take_root();
    let full = root.find("model_weights");
    let said = |name: &str| {
        let inner = full.and_then(|full| full.attribute(name));
        root.attribute(name).or(inner).and_then(|value| value.text()).map(str::to_string)
    };
    if let (Json::Null, Some(text)) = (&config, said("model_config")) {
        config = json(text.as_bytes(), "model_config")?;
    }
    if let Some(config) = config.as_object_mut() {
        for name in ["keras_version", "backend"] {
            if let Some(text) = said(name) {
                config.entry(name).or_insert(text.into());
            }
        }
    }
    let parts = config::parts(&config)?;
    let mut taker = Taker { hdf5, bag: Bag { config, ..Bag::default() } };
    let store = full.unwrap_or(&root);
    let version = taker.bag.config.get("keras_version").and_then(Json::as_str).map(str::to_string);
    if names::list(store, "layer_names").is_some() {
        let version = version.or(said("keras_version")).unwrap_or_else(|| "1".into());
        legacy::read(&mut taker, store, &parts)?;
        let which = if parts.is_some() { "" } else { ", weights without a configuration" };
        taker.bag.format = format!("Keras {version} .h5{which}");
        if root.find("optimizer_weights").is_some() {
            taker.bag.remarks.push("The state of the optimiser was left out.".into());
        }
        let backend = said("backend");
        kernels::modernise(&mut taker.bag, &version, backend.as_deref(), &parts);
    } else if store::is_one(store) {
        store::read(&mut taker, store, &parts)?;
        let version = version.unwrap_or_else(|| "3".into());
        taker.bag.format = if zipped { format!("Keras {version} .keras") } else { "Keras 3 .weights.h5".into() };
    } else {
        let found: Vec<&str> = store.nodes().iter().take(8).map(|(name, _)| name.as_str()).collect();
        let found = if found.is_empty() { "nothing".into() } else { found.join(", ") };
        return Err(ReadError(format!(
            "the HDF5 file was not written by Keras: no layer_names, no vars (it holds {found}); give a file that model.save or model.save_weights wrote"
        )));
    }
    if taker.bag.arrays.is_empty() {
        taker.bag.remarks.push("The file holds no arrays.".into());
    }
    Ok(taker.bag)
}

/// A bag that is being filled from a file.
struct Taker<R> {
    hdf5: Hdf5<R>,
    bag: Bag,
}

impl<R: Read + Seek> Taker<R> {
    /// Reads an array under a name; a name that was given before gets a number.
    fn take(&mut self, name: String, node: &Node, seen: &mut names::Seen) -> Result<(), ReadError> {
        names::short(&name)?;
        let about = |error: &ReadError| ReadError(format!("{name}: {error}"));
        let dataset = match &node.kind {
            Kind::Array(Ok(dataset)) => dataset,
            Kind::Array(Err(error)) => return Err(about(error)),
            Kind::Group(_) => return Err(ReadError(format!("{name} is a group where an array should be"))),
        };
        if self.bag.arrays.len() >= MOST_ARRAYS {
            return Err(ReadError(format!("the file holds more than {MOST_ARRAYS} arrays; this is no network")));
        }
        let values = self.hdf5.values(dataset).map_err(|error| about(&error))?;
        let name = seen.once(name);
        self.bag.arrays.push(Array { name, shape: dataset.shape.clone(), values, whole: dataset.whole() });
        Ok(())
    }
}
