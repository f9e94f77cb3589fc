//! Pictures for a running training, as a command names them: a folder, a zip, or lines and a drawing sketch's pictures,
//! which are drawn in memory.
//!
//! Read by `trainer::steer` between two epochs, and what takes long on a thread of its own ([`super::redraw`]); the
//! pictures before stay until these are whole.

use std::convert::Infallible;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::protocol::{Lines, Source};
use super::run::TrainError;
use crate::dataset::DatasetError;
use crate::dataset::lines::{PALETTE, Rules, colour};
use crate::dataset::read::{self, Fit};
use crate::dataset::store::{self, Classes, Options, Store};
use crate::dataset::write::{Drawing, Format};
use crate::drawn::{self, Drawings, Ended};
use crate::net::arch::Arch;
use crate::picture::Picture;
use crate::report::Stop;

/// Pictures of a drawing sketch, if no subset is asked for; and for a texture.
const DRAWN: usize = 2000;
const DRAWN_FOR_TEXTURE: usize = 16;

/// Pictures, and what a model's card says of them.
pub struct Pictures {
    /// The pictures.
    pub data: Store,
    /// Where they are from.
    pub name: String,
    /// How many there are.
    pub count: usize,
    /// What tells them from others.
    pub fingerprint: String,
}

/// How pictures are read: everything of a dataset's options but their size and number.
#[derive(Clone, Debug)]
pub struct Reading {
    /// How pictures of another size are fitted.
    pub fit: Fit,
    /// Whether each is there a second time, flipped left to right.
    pub mirror: bool,
    /// How many are chosen, by the training's seed; all of them if not given.
    pub subset: Option<usize>,
    /// The training's seed.
    pub seed: u32,
    /// Bytes of decoded pictures that are kept in memory.
    pub cache: u64,
    /// What the classes of pictures have to be.
    pub classes: Classes,
}

/// What of it a checkpoint keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// How pictures of another size are fitted.
    pub fit: Fit,
    /// Whether each is there a second time, flipped left to right.
    #[serde(default)]
    pub mirror: bool,
    /// How many are chosen; all of them if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<usize>,
}

impl Reading {
    /// What a checkpoint keeps of it.
    pub fn kept(&self) -> Kept {
        Kept { fit: self.fit, mirror: self.mirror, subset: self.subset }
    }
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            fit: Fit::default(),
            mirror: false,
            subset: None,
            seed: 0,
            cache: store::CACHE,
            classes: Classes::AsFound,
        }
    }
}

/// Reads or draws what `source` names, for the networks of `arch`.
///
/// # Errors
/// When it names nothing, or what it names cannot be learnt from.
pub fn open(source: &Source, arch: &Arch, batch: usize, reading: &Reading) -> Result<Pictures, TrainError> {
    open_unless(source, arch, batch, reading, &Stop::default())
}

/// The same; a request to stop ends the drawing of a sketch.
///
/// # Errors
/// As [`open`], and if it was stopped.
pub fn open_unless(
    source: &Source,
    arch: &Arch,
    batch: usize,
    reading: &Reading,
    stop: &Stop,
) -> Result<Pictures, TrainError> {
    let drawn = matches!(&source.path, Some(path) if drawn::is_named_by(path)) || source.lines.is_some();
    if drawn && matches!(reading.classes, Classes::Needed | Classes::Of(_)) {
        let text = "pictures that are drawn have no classes; give a folder or zip of pictures";
        return Err(TrainError::Command(text.into()));
    }
    // A texture is learnt from one picture.
    let batch = if arch.texture().is_some() { 1 } else { batch };
    let (data, name) = match (&source.path, &source.lines) {
        (Some(path), None) if drawn::is_named_by(path) => sketched(path, arch, batch, reading, stop)?,
        (Some(path), None) => {
            let Reading { fit, mirror, subset, seed, cache, classes } = reading.clone();
            let options = Options { size: arch.picture(), fit, least: batch, mirror, subset, seed, cache, classes };
            (Store::open(Path::new(path), &options)?, short(path))
        }
        (None, Some(lines)) => {
            let drawing = drawing(lines, arch).map_err(TrainError::Command)?;
            let drawn = read::drawn(&drawing, arch.picture())?;
            (Store::of_bytes(drawn.bytes, arch.picture()), name(lines))
        }
        _ => return Err(TrainError::Command("data takes a path or lines, one of the two".into())),
    };
    let (count, fingerprint) = (data.len(), data.fingerprint());
    Ok(Pictures { data, name, count, fingerprint })
}

/// Pictures of a drawing sketch, and what they are called.
fn sketched(
    word: &str,
    arch: &Arch,
    batch: usize,
    reading: &Reading,
    stop: &Stop,
) -> Result<(Store, String), TrainError> {
    let path = drawn::find(word).map_err(TrainError::Command)?;
    let ([h, w, channels], seed) = (arch.picture(), if reading.seed == 0 { 1 } else { reading.seed });
    let drawings = Drawings::open(&path, seed, [w, h]).map_err(|what| TrainError::Command(what.to_string()))?;
    if reading.mirror {
        let text = "pictures that are drawn are not mirrored; leave --mirror out, or flip some of them in the sketch";
        return Err(TrainError::Command(text.into()));
    }
    let count = match reading.subset {
        Some(asked) if asked < batch => return Err(DatasetError::Subset { asked, least: batch }.into()),
        asked => asked.unwrap_or(if arch.texture().is_some() { DRAWN_FOR_TEXTURE } else { DRAWN.max(batch) }),
    };
    let needed = (count as u64).saturating_mul((h * w * channels) as u64);
    if needed > reading.cache {
        return Err(TrainError::Command(format!(
            "{count} pictures of {} take {} MB of memory, and --cache leaves {}; take fewer with --subset, or write them to \
             a zip with flaneur dataset draw",
            path.display(),
            needed >> 20,
            reading.cache >> 20
        )));
    }
    let mut bytes = Vec::with_capacity(needed as usize);
    // One worker leaves a core to whatever else goes on.
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).clamp(1, 4));
    let make = |_, picture: Picture| Ok(read::of_rgb(picture.pixels, [h, w, channels]));
    let take = |_, picture: Vec<u8>| {
        bytes.extend(picture);
        Ok(())
    };
    drawings.each(0..count as u64, workers, stop, make, take).map_err(|ended: Ended<Infallible>| match ended {
        Ended::Sketch(i, complaint) => TrainError::Command(format!("{complaint}\n (in picture {i})")),
        Ended::Stopped => TrainError::Command("the drawing of the pictures was stopped".into()),
        Ended::Other(never) => match never {},
    })?;
    let version = drawings.fingerprint().get(..6).unwrap_or_default().to_owned();
    Ok((Store::of_bytes(bytes, arch.picture()), format!("{count} pictures of {}, version {version}", short(word))))
}

/// The last part of a path, which is what a card names.
pub fn short(path: &str) -> String {
    Path::new(path).file_name().map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
}

fn name(lines: &Lines) -> String {
    let Lines { verticals, horizontals, count, seed, .. } = lines;
    format!("{count} lines pictures, {verticals} verticals, {horizontals} horizontals, seed {seed}")
}

fn drawing(lines: &Lines, arch: &Arch) -> Result<Drawing, String> {
    let all = usize::from(lines.verticals) + usize::from(lines.horizontals);
    if !(1..=64).contains(&all) {
        return Err(format!("a picture takes 1 to 64 lines, not {all}"));
    }
    if !(1..=Lines::MOST).contains(&lines.count) {
        return Err(format!("count takes 1 to {} pictures, not {}", Lines::MOST, lines.count));
    }
    let laws = lines.laws.iter().take(all).map(|law| law.parse()).collect::<Result<Vec<_>, String>>()?;
    let palette = match lines.palette.is_empty() {
        true => PALETTE.to_vec(),
        false => lines.palette.iter().map(|text| colour(text)).collect::<Result<Vec<_>, String>>()?,
    };
    // A picture is a square; one of another shape is stretched like any other.
    let [h, w, _] = arch.picture();
    let size = h.max(w);
    let rules = Rules::new(size, palette, lines.verticals.into(), lines.horizontals.into(), laws);
    Ok(Drawing { rules, count: lines.count, seed: lines.seed, format: Format::Jpg })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::families::wgan_gp::WganGp;

    #[test]
    fn lines_are_drawn_at_the_size_of_the_network_or_refused() {
        let arch = Arch::WganGp(WganGp { input_dim: [16, 24, 1], ..WganGp::small() });
        let open = |lines: Lines| open(&Source { path: None, lines: Some(lines) }, &arch, 4, &Reading::default());
        let some = |seed| Lines { count: 5, seed, palette: vec!["#ff8000".into()], ..Lines::default() };
        let (one, two) = (open(some(1)).unwrap(), open(some(2)).unwrap());
        assert_eq!((one.count, one.data.len(), one.data.each()), (5, 5, 16 * 24));
        assert_ne!(one.fingerprint, two.fingerprint);
        assert!(one.name.contains("seed 1"), "{}", one.name);
        let refused = |lines, words: &str| {
            let text = open(lines).err().unwrap().to_string();
            assert!(text.contains(words), "{text}");
        };
        refused(Lines { count: 0, ..some(1) }, "count takes 1");
        refused(Lines { horizontals: 0, verticals: 0, ..some(1) }, "1 to 64 lines");
        refused(Lines { palette: vec!["red".into()], ..some(1) }, "not a colour");
        refused(Lines { laws: vec!["often".into()], ..some(1) }, "a law is");
    }
}
