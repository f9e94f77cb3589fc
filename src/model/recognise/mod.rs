//! Which network a file's arrays are: a family of ours with its settings, and the arrays under our names.
//!
//! Fed with what the readers give; read by `cli::import`, which writes the model folder. What was seen and what was
//! only assumed is told in sentences, so that people can say otherwise. Absent: reading and writing files.

mod arrays;
mod enlarge;
mod keras;
pub mod own;
pub mod pyramid;
mod style;
mod stylegan2;
mod tensorflow;
mod torch;
pub mod vgg;

use super::import::bag::{Array, Bag, ReadError};
use crate::net::arch::Arch;
use crate::net::families::texture::CHANNELS;
use crate::net::layers::{Activation, Chain, Layer};
use crate::net::recipe::Recipe;

/// Arrays that are named in a refusal, and letters of a name at most.
const NAMED: usize = 6;
const LETTERS: usize = 80;

/// What people say of a file beside its name.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// The family that it is to be.
    pub family: Option<String>,
    /// Names of the classes whose numbers stand behind z.
    pub classes: Vec<String>,
    /// Whether pictures come out in 0..1 instead of −1..1.
    pub zero_to_one: Option<bool>,
}

/// A network that was recognised.
#[derive(Debug)]
pub struct Network {
    /// What it is.
    pub arch: Arch,
    /// How it is trained, if the file says so.
    pub recipe: Recipe,
    /// Names of its classes.
    pub classes: Vec<String>,
    /// Its arrays by our names, in our layout.
    pub arrays: Vec<(String, Vec<f32>)>,
    /// Those of what judges its pictures, if it came along.
    pub critic: Vec<(String, Vec<f32>)>,
    /// What was seen, in sentences.
    pub recognised: Vec<String>,
    /// What the file does not say and was taken so, in sentences with how to say otherwise.
    pub assumed: Vec<String>,
}

impl Network {
    /// A generator alone, of a file that does not say how it was trained; sentences are what was seen, and what was
    /// taken so.
    fn generator(arch: Arch, arrays: Vec<(String, Vec<f32>)>, sentences: [Vec<String>; 2], hints: &Hints) -> Self {
        let [recognised, assumed] = sentences;
        let (recipe, classes) = (Recipe::default(), hints.classes.clone());
        Self { arch, recipe, classes, arrays, critic: Vec::new(), recognised, assumed }
    }
}

/// Recognises the generator in a file.
///
/// # Errors
/// If there is none that can be played; the sentence names what was found instead.
pub fn network(bag: &Bag, hints: &Hints) -> Result<Network, ReadError> {
    let described = bag.format.starts_with("Keras") && bag.config.get("class_name").is_some();
    let said = bag.config.pointer("/__metadata__/flaneur").and_then(|text| text.as_str());
    let found = match () {
        () if let Some(text) = said => own::network(bag, text)?,
        () if described => keras::network(bag, hints)?,
        () if tensorflow::is_one(bag) => stylegan2::network(&tensorflow::renamed(bag)?)?,
        () if stylegan2::is_one(bag) => stylegan2::network(bag)?,
        () if let Some(why) = stylegan2::relative(bag) => return Err(ReadError(why.into())),
        () if enlarge::is_one(bag) => enlarge::network(bag, hints)?,
        () if style::is_one(bag) => style::network(bag)?,
        () if pyramid::is_one(bag) => pyramid::network(pyramid::torch(bag)?)?,
        () if arrays::are_keras(bag) => arrays::network(bag, hints)?,
        () => torch::network(bag, hints)?,
    };
    check(found, bag, hints)
}

/// Makes a model of a texture network of Torch7.
///
/// # Errors
/// As [`network`].
pub fn texture(found: pyramid::Texture, bag: &Bag, hints: &Hints) -> Result<Network, ReadError> {
    let network = if found.pyramid.inputs == CHANNELS { pyramid::network(found)? } else { style::of_pyramid(found) };
    check(network, bag, hints)
}

/// The network holds together, and has the arrays that it needs.
fn check(mut found: Network, bag: &Bag, hints: &Hints) -> Result<Network, ReadError> {
    found.arch.check().map_err(|why| ReadError(format!("its layers do not make a generator: {why}")))?;
    if let Some(family) = &hints.family
        && found.arch.family().name() != family
    {
        let is = found.arch.family().name();
        return Err(ReadError(format!("its arrays are those of the family {is}, not {family}; leave out --as")));
    }
    if hints.zero_to_one == Some(true) && !bag.format.starts_with("Keras") && !found.arch.is_filter() {
        halve_last(&mut found);
    }
    let [h, w, c] = found.arch.picture();
    if ![1, 3].contains(&c) {
        return Err(ReadError(format!(
            "it makes maps of {w}x{h} with {c} channels, which are no pictures: 1 (grey) or 3 (colour) can be played"
        )));
    }
    for plan in found.arch.generator_plans() {
        match found.arrays.iter().find(|(name, _)| *name == plan.name) {
            Some((_, values)) if values.len() == plan.len() => {}
            Some((_, values)) => {
                let (has, wants) = (values.len(), plan.len());
                return Err(ReadError(format!("its array {} has {has} values where {wants} are wanted", plan.name)));
            }
            None => return Err(ReadError(format!("its array {} is missing", plan.name))),
        }
    }
    if found.arrays.iter().any(|(_, values)| values.iter().any(|v| !v.is_finite())) {
        return Err(ReadError("it holds values that are not finite: it was saved after its training diverged".into()));
    }
    if found.arch.is_filter() {
        return Ok(found);
    }
    found.recognised.push(format!("{w}x{h} pictures of {c} channels from {} numbers", found.arch.z_dim()));
    Ok(found)
}

/// Halves kernel and bias of a layer.
fn halve(layer: &str, arrays: &mut [(String, Vec<f32>)]) {
    let names = [format!("{layer}.kernel"), format!("{layer}.bias")];
    for (_, values) in arrays.iter_mut().filter(|(name, _)| names.contains(name)) {
        values.iter_mut().for_each(|v| *v *= 0.5);
    }
}

/// The first arrays of a file, for a refusal, and how many more there are.
fn listed(bag: &Bag) -> String {
    let shown = |array: &Array| {
        let name: String = array.name.chars().take(LETTERS).collect();
        let cut = if name.len() < array.name.len() { "…" } else { "" };
        format!("{name}{cut} {:?}", array.shape)
    };
    let names: Vec<String> = bag.arrays.iter().take(NAMED).map(shown).collect();
    let rest = match bag.arrays.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{rest}", names.join(", "))
}

/// Pictures that come out of a sigmoid in 0..1, drawn by the tanh that a dictionary is taken to end in: of half of what
/// the last layer gives.
fn halve_last(found: &mut Network) {
    let plans = found.arch.generator_plans();
    let Some(last) = plans.iter().rfind(|plan| plan.name.ends_with(".kernel")) else { return };
    halve(last.name.trim_end_matches(".kernel"), &mut found.arrays);
    found.recognised.push("it ends in a sigmoid, for which a tanh of half of it stands here: the same pictures".into());
}

/// A chain whose end is a sigmoid as one that ends in tanh, which gives the same pictures in −1..1, because
/// `2 · sigmoid(x) − 1 = tanh(x / 2)`: the last layer's kernel and bias are halved.
fn end_in_tanh(chain: &mut Chain, arrays: &mut [(String, Vec<f32>)]) -> bool {
    let at = chain.layers.iter().rposition(|(_, layer)| matches!(layer, Layer::Activation { .. }));
    let Some(at) = at.filter(|at| chain.layers[*at].1 == Layer::Activation { curve: Activation::Sigmoid }) else {
        return false;
    };
    let Some((before, _)) = at.checked_sub(1).map(|before| &chain.layers[before]) else { return false };
    if before.is_empty() || !arrays.iter().any(|(name, _)| *name == format!("{before}.kernel")) {
        return false;
    }
    halve(before, arrays);
    chain.layers[at].1 = Layer::Activation { curve: Activation::Tanh };
    true
}

/// The values of an array of this shape with its axes in another order.
///
/// `axes[i]` is the axis of the file's array that becomes axis i of ours.
pub fn turned(values: &[f32], shape: &[usize], axes: &[usize]) -> Vec<f32> {
    let strides: Vec<usize> = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect();
    let sizes: Vec<usize> = axes.iter().map(|axis| shape[*axis]).collect();
    let mut at = vec![0; axes.len()];
    let mut out = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        let from: usize = at.iter().zip(axes).map(|(i, axis)| i * strides[*axis]).sum();
        out.push(values[from]);
        for axis in (0..at.len()).rev() {
            at[axis] += 1;
            if at[axis] < sizes[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests;
