//! The texture network in a file of Torch7 or PyTorch: its settings, and its arrays under our names.
//!
//! Fed with what the readers give. Ulyanov's files keep all numbers in one storage, and the norms behind a doubling are
//! declared 8 wide there though more channels go through: the original read beyond them, into the numbers that follow,
//! and so does this (found by running: anything else gives broken textures). Absent: other networks of Torch7.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use super::{Network, turned};
use crate::model::import;
use crate::model::import::bag::{Array, Bag, ReadError};
use crate::model::import::source::{Source, wrong};
use crate::model::import::torch7::Node;
use crate::net::arch::Arch;
use crate::net::families::texture::{self, CHANNELS, Pyramid};
use crate::net::params::Params;
use crate::net::recipe::Recipe;
use crate::random::RandomState;

/// Side of the pictures of an imported texture where nobody asks for others, by how many of them its statistics are
/// measured, and the seed of their noise.
const SIDE: usize = 256;
const MEASURED: usize = 4;
const SEED: u32 = 20_260_101;

/// A texture network that was recognised.
#[derive(Debug)]
pub struct Texture {
    /// What it is.
    pub pyramid: Pyramid,
    /// Its arrays by our names.
    pub arrays: Vec<(String, Vec<f32>)>,
    /// By what its output is divided to be 0..1: 256 as Ulyanov shows it, 255 else.
    pub divisor: f32,
    /// What was seen, in a sentence.
    pub recognised: String,
}

/// Modules that are looked at, at most: a file of a few bytes can name one of them again and again.
const MOST_MODULES: usize = 10_000;
/// Channels, and sides of a kernel, at most.
const MOST_SIDE: f64 = 4096.0;

/// Modules of a sequence; those of a sequence within it in its place, paddings around the edges left out.
fn flat(node: &Node) -> Vec<&Node> {
    let mut found = Vec::new();
    let mut left = vec![node.get("modules").map(Node::list).unwrap_or_default().into_iter()];
    let mut seen = 0;
    while let Some(last) = left.last_mut() {
        seen += 1;
        match last.next() {
            _ if seen > MOST_MODULES => return Vec::new(),
            None => drop(left.pop()),
            Some(module) if module.class() == "nn.Sequential" => {
                left.push(module.get("modules").map(Node::list).unwrap_or_default().into_iter());
            }
            Some(module) if module.class() == "nn.SpatialCircularPadding" => {}
            Some(module) => found.push(module),
        }
    }
    found
}

struct Found {
    arrays: Vec<(String, Vec<f32>)>,
    inputs: usize,
    third: bool,
    sides: bool,
}

/// The network of a file, if that is one of Torch7.
///
/// # Errors
/// If it cannot be read, or is another network.
pub fn of_torch7(path: &Path) -> Result<Option<Texture>, ReadError> {
    let source = Source::open(path)?;
    match import::torch7::is_one(&source.peek(0, 64)?) {
        true => Ok(Some(torch7(&import::torch7::read(&source)?)?)),
        false => Ok(None),
    }
}

/// Recognises the network of a file of Torch7.
///
/// # Errors
/// If it is another one.
pub fn torch7(root: &Node) -> Result<Texture, ReadError> {
    let mut found = Found { arrays: Vec::new(), inputs: 0, third: false, sides: false };
    let items = flat(root);
    let Some((last, items)) = items.split_last() else { return other(root) };
    let scales = found.scale(items, root)?;
    found.conv(last, "last", root)?;
    if ![3, 6].contains(&found.inputs) {
        let inputs = found.inputs;
        return wrong(format!(
            "its texture network takes {inputs} channels at each scale: 3 (noise) or 6 (a picture and noise) can be drawn"
        ));
    }
    let pyramid = Pyramid { scales, inputs: found.inputs, third: found.third, sides: found.sides };
    let texture = Texture {
        pyramid,
        arrays: found.arrays,
        divisor: 256.0,
        recognised: format!(
            "a texture network of Torch7 with {scales} scales and {} channels that go in at each",
            found.inputs
        ),
    };
    checked(texture)
}

fn other<T>(root: &Node) -> Result<T, ReadError> {
    wrong(format!(
        "it is a {} of Torch7 that is no texture network: convert it to PyTorch, save a state dict and import that",
        if root.class().is_empty() { "value" } else { root.class() }
    ))
}

impl Found {
    /// The modules of a scale and of those below it; gives its number.
    fn scale(&mut self, items: &[&Node], root: &Node) -> Result<usize, ReadError> {
        let Some(first) = items.first() else { return other(root) };
        if !first.class().ends_with("Concat") {
            let more = self.block(items, "noise1", root)?;
            return if more.is_empty() { Ok(1) } else { other(root) };
        }
        let branches = first.get("modules").map(Node::list).unwrap_or_default();
        let [below, noise] = branches.as_slice() else { return other(root) };
        let below = flat(below);
        // Behind the doubling stands the norm of the joint.
        let Some(up) = below.iter().position(|m| m.class() == "nn.SpatialUpSamplingNearest") else {
            return other(root);
        };
        let k = self.scale(&below[..up], root)? + 1;
        let Some(norm) = below.get(up + 1) else { return other(root) };
        self.norm(norm, &format!("up{k}"), 8 * (k - 1), root)?;
        let more = self.block(&flat(noise), &format!("noise{k}"), root)?;
        if let Some(norm) = more.first() {
            self.sides = true;
            self.norm(norm, &format!("side{k}"), 8, root)?;
        }
        let more = self.block(&items[1..], &format!("joined{k}"), root)?;
        if more.is_empty() { Ok(k) } else { other(root) }
    }

    /// Convolutions, each with its norm; gives the norms that stand behind no convolution.
    fn block<'a>(&mut self, items: &[&'a Node], name: &str, root: &Node) -> Result<Vec<&'a Node>, ReadError> {
        let (mut count, mut channels, mut more) = (0, 0, Vec::new());
        let mut open = false;
        for item in items {
            match item.class() {
                "nn.SpatialConvolution" | "nn.SpatialConvolutionMM" | "cudnn.SpatialConvolution" => {
                    count += 1;
                    channels = item.number("nOutputPlane").unwrap_or(0.0) as usize;
                    if name == "noise1" && count == 1 {
                        self.inputs = item.number("nInputPlane").unwrap_or(0.0) as usize;
                    }
                    self.conv(item, &format!("{name}.conv{count}"), root)?;
                    open = true;
                }
                "nn.SpatialBatchNormalization" if open => {
                    self.norm(item, &format!("{name}.norm{count}"), channels, root)?;
                    open = false;
                }
                "nn.SpatialBatchNormalization" => more.push(*item),
                "nn.LeakyReLU" | "nn.SpatialAveragePooling" | "nn.GenNoise" | "nn.NoiseFill" | "nn.Identity" => {}
                _ => return other(root),
            }
        }
        self.third |= count == 3;
        if count == 2 || count == 3 { Ok(more) } else { other(root) }
    }

    fn conv(&mut self, node: &Node, name: &str, root: &Node) -> Result<(), ReadError> {
        let sides = [node.number("kW"), node.number("nInputPlane"), node.number("nOutputPlane")];
        let whole = |side: f64| (1.0..=MOST_SIDE).contains(&side).then_some(side as usize);
        let [Some(k), Some(c), Some(o)] = sides.map(|side| side.and_then(whole)) else { return other(root) };
        let values = |part: &str| node.tensor(part).and_then(|tensor| tensor.values(None));
        let (Some(weight), Some(bias)) = (values("weight"), values("bias")) else { return other(root) };
        if weight.len() != k * k * c * o || bias.len() != o || weight.is_empty() {
            return other(root);
        }
        self.arrays.push((format!("{name}.kernel"), turned(&weight, &[o, c, k * k], &[2, 1, 0])));
        self.arrays.push((format!("{name}.bias"), bias));
        Ok(())
    }

    /// A norm of so many channels, whatever its own width is.
    fn norm(&mut self, node: &Node, name: &str, channels: usize, root: &Node) -> Result<(), ReadError> {
        let values = |part: &str| node.tensor(part).and_then(|tensor| tensor.values(Some(channels)));
        let (Some(gamma), Some(beta)) = (values("weight"), values("bias")) else { return other(root) };
        self.arrays.push((format!("{name}.gamma"), gamma));
        self.arrays.push((format!("{name}.beta"), beta));
        Ok(())
    }
}

/// Recognises Gutierrez' Pyramid2D in a file of PyTorch (`cb1_1.conv1.weight`).
///
/// # Errors
/// If it is another network.
pub fn torch(bag: &Bag) -> Result<Texture, ReadError> {
    let pyramid = Pyramid::GUTIERREZ;
    let mut arrays = Vec::new();
    let get = |name: String| -> Result<&Array, ReadError> {
        bag.arrays
            .iter()
            .find(|a| a.name.strip_prefix("module.").unwrap_or(&a.name) == name)
            .ok_or_else(|| ReadError(format!("it is no texture network: it has no {name}")))
    };
    for plan in pyramid.plans() {
        let (layer, part) = plan.name.rsplit_once('.').unwrap_or((&plan.name, ""));
        let theirs = theirs(layer);
        let word = if matches!(part, "kernel" | "gamma") { "weight" } else { "bias" };
        let array = get(format!("{theirs}.{word}"))?;
        let values = match plan.shape.as_slice() {
            [k, _, c, o] if array.values.len() == plan.len() => turned(&array.values, &[*o, *c, k * k], &[2, 1, 0]),
            _ => array.values.clone(),
        };
        arrays.push((plan.name.clone(), values));
    }
    checked(Texture { pyramid, arrays, divisor: 255.0, recognised: "Pyramid2D of Gutierrez, in PyTorch".into() })
}

/// Whether a file of PyTorch holds one.
pub fn is_one(bag: &Bag) -> bool {
    bag.arrays.iter().any(|array| array.name.trim_start_matches("module.").starts_with("cb1_1.conv1."))
}

/// The model of a texture network, with statistics that are measured on pictures of its own: the file's are of one picture
/// at a time, and what is played has fixed ones.
///
/// # Errors
/// If it is a network for styles, which paints a picture.
pub fn network(found: Texture) -> Result<Network, ReadError> {
    let Texture { pyramid, arrays, divisor, recognised } = found;
    if pyramid.inputs != CHANNELS {
        return wrong("it paints a picture in a style and draws no texture");
    }
    let Pyramid { scales, third, sides, .. } = pyramid;
    let texture = texture::Texture { size: [SIDE; 2], scales, third, sides, divisor };
    let device = Device::flex();
    let values: Vec<Vec<f32>> = arrays.into_iter().map(|(_, values)| values).collect();
    let params = Params::of(&pyramid.plans(), &values, &device);
    let mut random = RandomState::new(SEED);
    let plane = |[h, w]: [usize; 2]| {
        let values: Vec<f32> = (0..MEASURED * h * w * CHANNELS).map(|_| random.uniform() as f32).collect();
        Tensor::from_data(TensorData::new(values, [MEASURED, h, w, CHANNELS]), &device)
    };
    let sizes = pyramid.sizes(texture.size).map_err(|why| ReadError(why.0))?;
    let measured = pyramid.measured(&params, sizes.into_iter().map(plane).collect());
    let statistics =
        format!("statistics of {MEASURED} pictures of {SIDE}x{SIDE} are fixed; the file's own are not used");
    Ok(Network {
        arrays: measured.list.iter().map(|param| (param.name.clone(), param.values())).collect(),
        arch: Arch::Texture(texture),
        recipe: Recipe::named("texture").unwrap_or_default(),
        classes: Vec::new(),
        critic: Vec::new(),
        recognised: vec![recognised],
        assumed: vec![statistics],
    })
}

/// What Gutierrez calls a layer: our third block of noise is his `cb3_1`, the doubling behind the second scale `up2`.
fn theirs(layer: &str) -> String {
    let (block, part) = layer.split_once('.').unwrap_or((layer, ""));
    let part = part.replace("norm", "bn");
    if let Some(k) = block.strip_prefix("noise") {
        return format!("cb{k}_1.{part}");
    }
    if let Some(k) = block.strip_prefix("joined") {
        return format!("cb{k}_2.{part}");
    }
    if let Some(k) = block.strip_prefix("up").and_then(|k| k.parse::<usize>().ok()) {
        return format!("up{}.bn", k - 1);
    }
    "last_conv".into()
}

/// All arrays are there, with as many numbers as they need.
fn checked(mut texture: Texture) -> Result<Texture, ReadError> {
    let plans = texture.pyramid.plans();
    let mut ordered = Vec::new();
    for plan in &plans {
        let found = texture.arrays.iter().position(|(name, _)| *name == plan.name);
        match found.map(|at| texture.arrays.swap_remove(at)) {
            Some((name, values)) if values.len() == plan.len() => ordered.push((name, values)),
            Some((name, values)) => {
                return wrong(format!("its {name} has {} numbers, and {} are needed", values.len(), plan.len()));
            }
            None => return wrong(format!("its texture network has no {}: fetch the whole file", plan.name)),
        }
    }
    if ordered.iter().any(|(_, values)| values.iter().any(|v| !v.is_finite())) {
        return wrong("its texture network has values that are no numbers: fetch it again");
    }
    texture.arrays = ordered;
    Ok(texture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gutierrez_names_are_known() {
        let mut bag = Bag::default();
        for plan in Pyramid::GUTIERREZ.plans() {
            let (layer, part) = plan.name.rsplit_once('.').unwrap();
            let word = if matches!(part, "kernel" | "gamma") { "weight" } else { "bias" };
            let name = format!("{}.{word}", theirs(layer));
            bag.arrays.push(Array { name, shape: plan.shape.clone(), values: vec![0.5; plan.len()], whole: false });
        }
        assert!(bag.get("cb6_2.bn3.weight").is_some() && bag.get("up5.bn.bias").is_some());
        assert_eq!(torch(&bag).unwrap().arrays.len(), Pyramid::GUTIERREZ.plans().len());
        bag.arrays.pop();
        assert!(torch(&bag).unwrap_err().0.contains("last_conv.bias"));
        assert!(torch(&Bag::default()).unwrap_err().0.contains("no texture network"));
    }

    #[test]
    fn other_programs_of_torch7_are_refused() {
        assert!(torch7(&Node::Nil).unwrap_err().0.contains("no texture network"));
    }
}
