//! Networks in dictionaries of arrays, as PyTorch saves them: recognised by shapes, in the file's order.
//!
//! A transposed convolution's kernel is `[in, out, k, k]`, a convolution's `[out, in, k, k]`, a dense layer's
//! `[out, in]`; a norm has one number a channel. Whether a list of them is a chain, and of which kind, follows from
//! what fits to what was before. Strides, padding and curves are not in a dictionary: they are DCGAN's, or assumed.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::super::import::bag::{Array, Bag, ReadError};
use super::super::import::torch::{Group, groups};
use super::{Hints, Network, listed, turned};
use crate::net::arch::Arch;
use crate::net::families::chain::{Layers, Named};
use crate::net::families::dcgan::Dcgan;
use crate::net::families::mlp::Mlp;
use crate::net::geometry::Padding;
use crate::net::layers::{Activation, Init, Layer};

/// Words in the name of a dictionary that say that it is the one to be drawn with, best first.
const GENERATORS: [&str; 8] = ["g_ema", "ema", "netg", "generator", "gen", "g", "state_dict", "model"];

/// A layer with a kernel, and the norm behind it.
struct Unit<'a> {
    kind: Kind,
    kernel: &'a Array,
    bias: Option<&'a Array>,
    norm: Option<Norm<'a>>,
    /// What whole modules say of it and of its norm.
    says: [&'a Json; 2],
    /// Channels or features that come in and go out, and the side of the kernel.
    inputs: usize,
    outputs: usize,
    side: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Transposed,
    Conv,
    Dense,
}

/// A batch norm's arrays.
struct Norm<'a> {
    gamma: Option<&'a Array>,
    beta: Option<&'a Array>,
    mean: &'a Array,
    variance: &'a Array,
}

/// Arrays of one module: those whose names begin alike up to the last dot.
struct Module<'a> {
    name: String,
    parts: Vec<(String, &'a Array)>,
}

impl<'a> Module<'a> {
    fn get(&self, part: &str) -> Option<&'a Array> {
        self.parts.iter().find(|(name, _)| name == part).map(|(_, array)| *array)
    }
}

/// Recognises a generator in a bag's dictionaries.
///
/// # Errors
/// If there is none.
pub(super) fn network(bag: &Bag, hints: &Hints) -> Result<Network, ReadError> {
    let mut groups = groups(bag);
    groups.sort_by_key(|group| rank(&group.prefix));
    let mut refused: Option<String> = None;
    for group in &groups {
        let modules = modules(bag, group);
        match units(bag, &group.prefix, &modules).and_then(|units| of_units(&units, hints)) {
            Ok(mut network) => {
                if !group.prefix.is_empty() {
                    network.recognised.insert(0, format!("the dictionary \"{}\"", group.prefix));
                }
                return Ok(network);
            }
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    let styled = |array: &Array| array.name.contains("synthesis.b4.") || array.name.contains(".modulation.");
    let why = match bag.arrays.iter().any(styled) {
        true => "it is a StyleGAN2 of another kind than NVIDIA's and rosinality's".into(),
        false => refused.unwrap_or_else(|| "it holds no arrays".into()),
    };
    Err(ReadError(format!("no generator that can be played: {why}. It holds {}", listed(bag))))
}

fn rank(prefix: &str) -> usize {
    let last = prefix.rsplit('.').next().unwrap_or_default().to_lowercase();
    let named = GENERATORS.iter().position(|word| match word.len() {
        1 => last == *word,
        _ => last.contains(word),
    });
    named.unwrap_or(GENERATORS.len())
}

fn modules<'a>(bag: &'a Bag, group: &Group) -> Vec<Module<'a>> {
    let mut modules: Vec<Module> = Vec::new();
    let mut places = HashMap::new();
    for (place, name) in &group.arrays {
        let (module, part) = name.rsplit_once('.').unwrap_or(("", name));
        let Some(array) = bag.arrays.get(*place) else { continue };
        let part = (part.to_owned(), array);
        match places.get(module).and_then(|place: &usize| modules.get_mut(*place)) {
            Some(known) => known.parts.push(part),
            None => {
                places.insert(module, modules.len());
                modules.push(Module { name: module.to_owned(), parts: vec![part] });
            }
        }
    }
    modules
}

/// The modules as a chain in the file's order.
fn units<'a>(bag: &'a Bag, prefix: &str, modules: &[Module<'a>]) -> Result<Vec<Unit<'a>>, String> {
    // What comes first may be either; the layer behind it tells.
    let first = modules.iter().find_map(|module| module.get("weight").filter(|w| w.shape.len() == 4));
    let mut why = String::new();
    for transposed in [true, false] {
        match chain(bag, prefix, modules, transposed) {
            Ok(units) => return Ok(units),
            Err(error) => why = if why.is_empty() { error } else { why },
        }
        if first.is_none() {
            break;
        }
    }
    Err(why)
}

fn chain<'a>(
    bag: &'a Bag,
    prefix: &str,
    modules: &[Module<'a>],
    transposed_first: bool,
) -> Result<Vec<Unit<'a>>, String> {
    let mut units: Vec<Unit> = Vec::new();
    let says = |module: &Module| {
        let path = match (prefix.is_empty(), module.name.is_empty()) {
            (true, _) => module.name.clone(),
            (false, true) => prefix.to_owned(),
            (false, false) => format!("{prefix}.{}", module.name),
        };
        bag.config.get("modules").and_then(|modules| modules.get(&path)).unwrap_or(&Json::Null)
    };
    for module in modules {
        let Some(weight) = module.get("weight") else {
            if module.parts.iter().all(|(_, array)| array.whole) {
                continue;
            }
            // A norm that learns nothing has its statistics alone.
            if let (Some(mean), Some(variance)) = (module.get("running_mean"), module.get("running_var")) {
                norm(&mut units, module, mean, variance, says(module))?;
                continue;
            }
            let part = module.parts.first().map_or("", |(name, _)| name);
            return Err(format!("{}.{part} belongs to no layer that is known", module.name));
        };
        let before = units.last().map(|unit| unit.outputs);
        let (kind, inputs, outputs, side) = match weight.shape[..] {
            [a, b, k, other] if k == other && k > 0 => match before {
                None if transposed_first => (Kind::Transposed, a, b, k),
                None => (Kind::Conv, b, a, k),
                Some(before) if before == a && (transposed_first || before != b) => (Kind::Transposed, a, b, k),
                Some(before) if before == b => (Kind::Conv, b, a, k),
                Some(before) => {
                    let shape = &weight.shape;
                    return Err(format!("{} {shape:?} does not follow a layer of {before} channels", module.name));
                }
            },
            [outputs, inputs] => match before {
                Some(before) if before != inputs => {
                    return Err(format!("{} takes {inputs} features and not {before}", module.name));
                }
                _ => (Kind::Dense, inputs, outputs, 1),
            },
            [_] => {
                let (Some(mean), Some(variance)) = (module.get("running_mean"), module.get("running_var")) else {
                    return Err(format!("{} is a norm without moving statistics, or no norm", module.name));
                };
                norm(&mut units, module, mean, variance, says(module))?;
                continue;
            }
            _ => return Err(format!("{} {:?} is no layer that is known", module.name, weight.shape)),
        };
        let (bias, says) = (module.get("bias"), [says(module), &Json::Null]);
        units.push(Unit { kind, kernel: weight, bias, norm: None, says, inputs, outputs, side });
    }
    match units.is_empty() {
        true => Err("there are no layers".into()),
        false => Ok(units),
    }
}

fn norm<'a>(
    units: &mut [Unit<'a>],
    module: &Module<'a>,
    mean: &'a Array,
    variance: &'a Array,
    says: &'a Json,
) -> Result<(), String> {
    let Some(unit) = units.last_mut().filter(|unit| unit.norm.is_none()) else {
        return Err(format!("{} is a norm that stands behind no layer", module.name));
    };
    if mean.values.len() != unit.outputs || variance.values.len() != unit.outputs {
        return Err(format!("{} has not as many channels as the layer before it", module.name));
    }
    unit.norm = Some(Norm { gamma: module.get("weight"), beta: module.get("bias"), mean, variance });
    unit.says[1] = says;
    Ok(())
}

fn of_units(units: &[Unit], hints: &Hints) -> Result<Network, String> {
    let (Some(first), Some(last)) = (units.first(), units.last()) else { return Err("there are no layers".into()) };
    match () {
        () if last.outputs == 1 && last.kind != Kind::Transposed => {
            Err("it is a discriminator: it judges pictures and draws none".into())
        }
        () if units.len() < 2 => Err("a single layer is no generator".into()),
        () if units.iter().all(|unit| unit.kind == Kind::Dense) => dense(units, first, last, hints),
        () if units.iter().all(|unit| unit.kind == Kind::Transposed) => transposed(units, first, last, hints),
        () => Err("its layers are of several kinds, of which a dictionary does not say how they follow".into()),
    }
}

/// Whether classes stand behind z, and how many numbers are left for it.
fn inputs(first: &Unit, hints: &Hints, assumed: &mut Vec<String>) -> Result<[usize; 2], String> {
    let classes = hints.classes.len();
    if classes >= first.inputs {
        return Err(format!("it takes {} numbers, which are too few for {classes} classes and z", first.inputs));
    }
    if classes == 0 && first.inputs != 100 && !first.inputs.is_power_of_two() {
        assumed.push(format!("all {} inputs are z; if some are classes, name them: --classes a,b,c", first.inputs));
    }
    Ok([first.inputs - classes, classes])
}

/// Transposed convolutions from one pixel: a DCGAN, or a chain like one.
fn transposed(units: &[Unit], first: &Unit, last: &Unit, hints: &Hints) -> Result<Network, String> {
    let mut assumed = Vec::new();
    let [z_dim, classes] = inputs(first, hints, &mut assumed)?;
    let mut recognised = vec![format!("{} transposed convolutions, as of a DCGAN", units.len())];
    let number = |unit: &Unit, key: &str| -> Option<usize> {
        let value = unit.says[0].get(key)?;
        value.as_u64().or_else(|| value.get(0)?.as_u64()).map(|n| n as usize)
    };
    let told = units.iter().all(|unit| number(unit, "stride").is_some());
    let whole = units.iter().all(|unit| unit.side == 4);
    if !told && !whole {
        return Err("its kernels are not of 4, and a dictionary does not say strides and padding; save the whole \
                    module (torch.save(model, FILE))"
            .into());
    }
    if !told {
        assumed.push("strides and padding are DCGAN's: 1 and 0, then 2 and 1".into());
    }
    let hidden = &units[..units.len() - 1];
    let size = 4usize << (units.len() - 1).min(20);
    let halving = hidden.windows(2).all(|pair| pair[0].outputs == 2 * pair[1].outputs);
    let norms = hidden.iter().all(|unit| unit.norm.is_some()) && last.norm.is_none();
    let bare = units.iter().all(|unit| unit.bias.is_none());
    let standard = |(i, unit): (usize, &Unit)| {
        let expected = if i == 0 { [1, 0] } else { [2, 1] };
        !told || [number(unit, "stride"), number(unit, "padding")] == expected.map(Some)
    };
    let usual = whole && halving && norms && bare && units.iter().enumerate().all(standard) && units.len() > 1;
    if !usual {
        assumed.push("a ReLU stands behind each hidden layer, tanh behind the last".into());
    } else {
        assumed.push("ReLU and tanh are DCGAN's".into());
    }
    let (features, channels) = (hidden.last().map_or(1, |unit| unit.outputs), last.outputs);
    let arch = if usual {
        Arch::Dcgan(Dcgan { size, channels, z_dim, classes, conditional: false, features, generator_dropout: None })
    } else {
        recognised.push("widths that are no DCGAN's: its layers stand in the card one by one".into());
        let mut layers = vec![Named { name: String::new(), layer: Layer::Reshape { shape: [1, 1, first.inputs] } }];
        let mut map = [1, 1];
        for (i, unit) in units.iter().enumerate() {
            let (stride, pixels) = if i == 0 { (1, 0) } else { (2, 1) };
            let stride = number(unit, "stride").unwrap_or(stride);
            let pixels = number(unit, "padding").unwrap_or(pixels);
            let output_padding = number(unit, "output_padding").unwrap_or(0);
            let (filters, kernel, bias) = (unit.outputs, unit.side, unit.bias.is_some());
            let padding = Padding::Pixels(pixels);
            let layer = Layer::ConvTranspose2d { filters, kernel, stride, padding, output_padding, bias };
            map = map.map(|side| ((side - 1) * stride + kernel + output_padding).saturating_sub(2 * pixels).max(1));
            layers.push(Named { name: format!("conv_{i}"), layer });
            if let Some(norm) = &unit.norm {
                let eps = unit.says[1].get("eps").and_then(Json::as_f64).unwrap_or(1e-5) as f32;
                let affine = norm.gamma.is_some();
                let layer = Layer::BatchNorm { eps, momentum: 0.9, unbiased: true, affine };
                layers.push(Named { name: format!("conv_{i}_norm"), layer });
            }
            let curve = if i + 1 == units.len() { Activation::Tanh } else { Activation::Relu };
            layers.push(Named { name: String::new(), layer: Layer::Activation { curve } });
        }
        let input_dim = [map[0], map[1], channels];
        Arch::Chain(Layers {
            input_dim,
            z_dim,
            classes,
            conditional: false,
            generator: layers,
            critic: Vec::new(),
            init: Init::Keras,
        })
    };
    let mut arrays = Vec::new();
    for (i, unit) in units.iter().enumerate() {
        // [in, out, k, k] → [k, k, out, in]
        let kernel = turned(&unit.kernel.values, &unit.kernel.shape, &[2, 3, 1, 0]);
        arrays.push((format!("conv_{i}.kernel"), kernel));
        arrays.extend(unit.bias.map(|bias| (format!("conv_{i}.bias"), bias.values.clone())));
        arrays.extend(norm_arrays(&format!("conv_{i}_norm"), unit));
    }
    if classes > 0 {
        recognised.push(format!("{classes} classes behind z: {}", hints.classes.join(", ")));
    }
    Ok(Network::generator(arch, arrays, [recognised, assumed], hints))
}

fn norm_arrays(name: &str, unit: &Unit) -> Vec<(String, Vec<f32>)> {
    let Some(norm) = &unit.norm else { return Vec::new() };
    let learnt = [("gamma", norm.gamma), ("beta", norm.beta)];
    let kept = [("moving_mean", Some(norm.mean)), ("moving_variance", Some(norm.variance))];
    let all = learnt.into_iter().chain(kept);
    all.filter_map(|(part, array)| Some((format!("{name}.{part}"), array?.values.clone()))).collect()
}

/// Dense layers alone, to a square picture.
fn dense(units: &[Unit], first: &Unit, last: &Unit, hints: &Hints) -> Result<Network, String> {
    let mut assumed = Vec::new();
    let [z_dim, classes] = inputs(first, hints, &mut assumed)?;
    let square = |channels: usize| {
        let side = ((last.outputs / channels) as f64).sqrt().round() as usize;
        (side >= 4 && side * side * channels == last.outputs).then_some([side, side, channels])
    };
    let input_dim = square(1).or_else(|| square(3));
    let input_dim =
        input_dim.ok_or_else(|| format!("its {} outputs are no square picture in grey or colour", last.outputs))?;
    let hidden = &units[..units.len() - 1];
    let norms = hidden.iter().filter(|unit| unit.norm.is_some()).count();
    let negative_slope = if norms > 0 { 0.2 } else { 0.0 };
    if last.norm.is_some() || units.iter().any(|unit| unit.bias.is_none()) || norms > 0 && norms < hidden.len() {
        return Err("its dense layers have norms and biases in another order than those of a GAN's".into());
    }
    assumed.push(match norms {
        0 => "a ReLU stands behind each hidden layer, tanh behind the last".into(),
        _ => "a leaky ReLU of 0.2 stands behind each norm, tanh behind the last layer".into(),
    });
    let recognised = vec![format!("{} dense layers, as of a GAN for small pictures", units.len())];
    let generator_units = hidden.iter().map(|unit| unit.outputs).collect();
    let generator_batch_norm_momentum = (norms > 0).then_some(0.9);
    let arch = Arch::Mlp(Mlp {
        input_dim,
        z_dim,
        classes,
        generator_units,
        generator_batch_norm_momentum,
        negative_slope,
        ..Mlp::default()
    });
    let mut arrays = Vec::new();
    let [h, w, c] = input_dim;
    for (i, unit) in units.iter().enumerate() {
        let mut kernel = turned(&unit.kernel.values, &unit.kernel.shape, &[1, 0]);
        let mut bias = unit.bias.map(|bias| bias.values.clone()).unwrap_or_default();
        if i + 1 == units.len() && c > 1 {
            // Its features are channels first: [in, c, h, w] → [in, h, w, c].
            kernel = turned(&kernel, &[unit.inputs, c, h, w], &[0, 2, 3, 1]);
            bias = turned(&bias, &[c, h, w], &[1, 2, 0]);
        }
        arrays.push((format!("dense_{i}.kernel"), kernel));
        arrays.push((format!("dense_{i}.bias"), bias));
        arrays.extend(norm_arrays(&format!("dense_{i}_norm"), unit));
    }
    Ok(Network::generator(arch, arrays, [recognised, assumed], hints))
}
