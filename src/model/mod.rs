//! Model folders: `model.toml`, `weights.safetensors`, `critic.safetensors`, `sheet.png`, `training/`.
//!
//! Written by `trainer`, read by everyone who draws. A folder is checked whole before anything is
//! built from it, and loading never executes code.

pub mod arrays;
pub mod critic;
pub mod directions;
pub mod enlarge;
pub mod features;
pub mod filter;
pub mod import;
pub mod recognise;
pub mod score;
pub mod texture;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::files::{self, FileError};
use crate::home;
use crate::net::arch::{self, Arch, ArchError};
use crate::net::draw::Ready;
use crate::net::params::Params;
use crate::net::recipe::Recipe;
use arrays::{Incoming, Outgoing};
use score::Score;

/// Where models are looked for by name, in each of the home's folders.
pub const FOLDER: &str = "models";

/// What is wrong with a model folder.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// There is no such folder, or no card in it; and what to do.
    #[error("there is no model {0}; {1}")]
    Missing(String, String),
    /// The card is there and this file of weights is not.
    #[error("{path} is missing; copy the model folder again, or train it again", path = .0.display())]
    NoWeights(PathBuf),
    /// A file of weights is not what the card describes.
    #[error("{path}: {why}; copy the model folder again, or train it again", path = path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// `model.toml` cannot be taken.
    #[error("{path}: {why}", path = path.display())]
    Card {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// `model.toml` describes no network that can be built.
    #[error("{path}: {cause}", path = path.display())]
    Arch {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        cause: ArchError,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// `model.toml`: what a model is and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Layout of this file: 2, or 1 for a WGAN-GP whose training stood among its settings.
    pub format: u32,
    /// Name of the model, for people.
    pub name: String,
    /// Name of the architecture, or "custom".
    pub arch_name: String,
    /// Dimensions of z; the same as the architecture's.
    pub z_dim: usize,
    /// Epochs (generator updates) done.
    pub step: u64,
    /// Seed of the training's random numbers.
    pub seed: u32,
    /// The data as it was given.
    pub data: String,
    /// How many pictures it held.
    pub data_count: usize,
    /// SHA-256 of the pictures, in hexadecimal.
    pub data_fingerprint: String,
    /// Licence of the weights; empty if nobody said.
    #[serde(default)]
    pub licence: String,
    /// Names of the classes, of which there is one number each behind z.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// What was recognised and assumed when it was imported, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Version of flaneur that wrote the weights.
    pub flaneur: String,
    /// Version of burn that wrote the weights.
    pub burn: String,
    /// The architecture of both networks.
    pub arch: Arch,
    /// How they were trained.
    #[serde(default)]
    pub recipe: Recipe,
    /// How near its pictures are to its data, if that was measured; it goes when the weights change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
}

/// Layout of a card that is written.
pub const FORMAT: u32 = 2;

/// Version of burn, as pinned in Cargo.toml.
pub const BURN_VERSION: &str = "0.22.1";

impl Card {
    /// Reads and checks `model.toml` in `folder`.
    ///
    /// # Errors
    /// If it is not there, with the models there are; if it cannot be read or describes no network.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("model.toml");
        if !path.is_file() {
            let hint = what_to_do(folder);
            return Err(ModelError::Missing(folder.display().to_string(), hint));
        }
        let text = files::read_text(&path)?;
        let mut card = Self::parse(&text).map_err(|why| ModelError::Card { path: path.clone(), why })?;
        if !(1..=FORMAT).contains(&card.format) {
            let why = format!("format {} is not known to this version; use a newer flaneur", card.format);
            return Err(ModelError::Card { path, why });
        }
        card.format = FORMAT;
        let z_dim = card.arch.z_dim();
        if card.z_dim != z_dim {
            let why = format!("z_dim is {}, and {z_dim} under [arch]; give the weights' own twice", card.z_dim);
            return Err(ModelError::Card { path, why });
        }
        if card.classes.len() != card.arch.classes() {
            let (names, classes) = (card.classes.len(), card.arch.classes());
            let why = format!("it names {names} classes, and has {classes} under [arch]; give each a name");
            return Err(ModelError::Card { path, why });
        }
        let checked = card.arch.check().and_then(|()| card.recipe.check());
        checked.map_err(|cause| ModelError::Arch { path, cause })?;
        Ok(card)
    }

    /// From the text of a file.
    fn parse(text: &str) -> Result<Self, String> {
        let mut table: toml::Table = toml::from_str(text).map_err(|e| e.to_string())?;
        if table.get("format").and_then(toml::Value::as_integer) != Some(1) {
            // An error in it names its line.
            return toml::from_str(text).map_err(|e| e.to_string());
        }
        arch::modernise(&mut table);
        table.try_into().map_err(|e: toml::de::Error| e.to_string())
    }

    /// Writes `model.toml` in `folder`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), ModelError> {
        let path = folder.join("model.toml");
        let text = toml::to_string(self).map_err(|e| ModelError::Card { path: path.clone(), why: e.to_string() })?;
        Ok(files::write(&path, text.as_bytes())?)
    }
}

/// What to do where a folder is no model's: import a file of weights, give the folder of one, or take a known name.
fn what_to_do(folder: &Path) -> String {
    let above = folder.parent().filter(|above| above.join("model.toml").is_file());
    let ending = folder.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    if let Some(above) = above {
        return format!("give its folder: {}", above.display());
    }
    if WEIGHTS_OF_OTHERS.contains(&ending.as_str()) {
        return "a file of weights becomes a model by flaneur import FILE --name NAME, if its network is one of those that \
                are known (docs/import.md)"
            .to_owned();
    }
    let known = known_models();
    match known.is_empty() {
        true => "train one with flaneur train, or give the path of a model folder".to_owned(),
        false => format!("known here: {}; or give the path of a model folder", known.join(", ")),
    }
}

/// Endings of files in which others keep weights.
const WEIGHTS_OF_OTHERS: [&str; 10] = ["pth", "pt", "tar", "ckpt", "pkl", "h5", "hdf5", "keras", "npz", "safetensors"];

/// Names of the models there are.
pub fn known_models() -> Vec<String> {
    let found = home::folders(FOLDER).into_iter().flat_map(|folder| home::entries(&folder));
    let named = found.filter(|path| path.join("model.toml").is_file());
    let mut names: Vec<String> =
        named.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
    names.sort();
    names.dedup();
    names
}

/// Names of those that make pictures by themselves, so that a hand can choose them; one whose card is broken is among
/// them, and says so when it is chosen.
pub fn played_models() -> Vec<String> {
    let filter = |name: &String| Card::read(&folder(name)).is_ok_and(|card| card.arch.is_filter());
    known_models().into_iter().filter(|name| !filter(name)).collect()
}

/// A name without the size behind it, and that size as height and width: textures are drawn at any, as in
/// `weave@512x256`.
pub fn sized(name: &str) -> (&str, Option<[usize; 2]>) {
    let sides = |text: &str| {
        let (w, h) = text.split_once('x')?;
        Some([h.parse().ok()?, w.parse().ok()?])
    };
    match name.rsplit_once('@') {
        Some((own, size)) if sides(size).is_some() => (own, sides(size)),
        _ => (name, None),
    }
}

/// The card of the model of that name or path, at the size that is behind it.
///
/// # Errors
/// As [`Card::read`], and if the model has no such size.
pub fn card(name: &str) -> Result<Card, ModelError> {
    let folder = folder(name);
    let mut card = Card::read(&folder)?;
    if let (_, Some(size)) = sized(name) {
        let sized = card.arch.sized(size);
        card.arch = sized.map_err(|cause| ModelError::Arch { path: PathBuf::from(name), cause })?;
    }
    Ok(card)
}

/// The folder of a model given by name (`models/NAME`) or by path (anything with a separator), with or without a
/// [size](sized) behind it. One that is nowhere yet is where it would be written.
pub fn folder(name: &str) -> PathBuf {
    let (name, _) = sized(name);
    let path = Path::new(name);
    if path.components().count() > 1 || path.is_absolute() {
        return home::at(path);
    }
    let found = home::folders(FOLDER).into_iter().map(|folder| folder.join(name));
    let whole = found.into_iter().find(|folder| folder.join("model.toml").is_file());
    whole.or_else(|| home::find(FOLDER, name)).unwrap_or_else(|| home::place(FOLDER).join(name))
}

/// The folder that a training beside a model writes to: the model's with `-live`, where that can be written.
pub fn live_folder(model: &Path) -> PathBuf {
    let mut name = model.file_name().unwrap_or_default().to_owned();
    name.push("-live");
    home::beside(&model.with_file_name(name), FOLDER)
}

/// Name of the generator's weights in a model folder.
pub const WEIGHTS: &str = "weights.safetensors";
/// Name of the critic's weights in a model folder.
pub const CRITIC: &str = "critic.safetensors";

/// Writes a file like `weights.safetensors`: the generator and, if there is one, its moving average.
///
/// # Errors
/// If it cannot be written.
pub fn write_weights(path: &Path, generator: &Params, average: Option<&Params>, half: bool) -> Result<(), ModelError> {
    let mut out = Outgoing::default();
    out.add_params("generator", generator, half);
    if let Some(average) = average {
        out.add_params("average", average, half);
    }
    out.write(path)
}

/// Writes a file like `critic.safetensors`: what a later training goes on with, and a score for pictures.
///
/// # Errors
/// If it cannot be written.
pub fn write_critic(path: &Path, critic: &Params, half: bool) -> Result<(), ModelError> {
    let mut out = Outgoing::default();
    out.add_params("critic", critic, half);
    out.write(path)
}

/// A model read from its folder.
pub struct Model {
    /// What the model is.
    pub card: Card,
    /// The moving average if the file has one, else the generator itself.
    pub generator: Params,
    /// Directions of W that stand in the folder.
    pub directions: Vec<directions::Kept>,
    /// What is wrong beside the weights, and is left out, in sentences.
    pub notes: Vec<String>,
}

impl Model {
    /// Reads the model of that name or path.
    ///
    /// # Errors
    /// If it is not there, or its card and its weights are not those of one network.
    pub fn read(name: &str, device: &Device) -> Result<Self, ModelError> {
        let (folder, card) = (folder(name), card(name)?);
        if card.arch.is_filter() {
            let why = "it paints pictures and makes none: then = [\"NAME\"] in a preset puts it behind a model";
            return Err(ModelError::Card { path: folder.join("model.toml"), why: why.into() });
        }
        let file = Incoming::open(&folder.join(WEIGHTS))?;
        let prefix = if file.has("average.") { "average" } else { "generator" };
        let generator = match (card.arch.styled(), sized(name).1) {
            // Read as it is, and cut or continued to the size that is wanted.
            (Some(to), Some(_)) => {
                let whole = Card::read(&folder)?.arch;
                let params = file.params(prefix, &whole.generator_plans(), device)?;
                whole.styled().map_or_else(|| params.clone(), |own| own.fitted(&params, to))
            }
            _ => file.params(prefix, &card.arch.generator_plans(), device)?,
        };
        // People change their names by hand, and a slip of theirs takes no model away.
        let (directions, notes) = match card.arch.styled().map(|_| directions::read(&folder)) {
            None => (Vec::new(), Vec::new()),
            Some(Ok(directions)) => (directions, Vec::new()),
            Some(Err(why)) => (Vec::new(), vec![format!("{why}; its directions are left out")]),
        };
        Ok(Self { card, generator, directions, notes })
    }

    /// The generator prepared for drawing on its device; `half`: in half precision.
    pub fn ready(&self, half: bool) -> Ready {
        let mut ready = match half {
            true => Ready::halved(&self.card.arch, &self.generator),
            false => Ready::new(&self.card.arch, &self.generator, true),
        };
        if let Some(own) = self.card.arch.styled() {
            ready.set_directions(directions::vectors(&self.directions, own), &self.generator);
        }
        ready
    }
}
