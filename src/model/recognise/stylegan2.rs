//! StyleGAN2 by the names of its arrays: NVIDIA's (PyTorch era) and rosinality's, whose names are other words for the same.
//!
//! Gains of the equalised layers go into the arrays here. Settings follow from shapes, as forks change the channels of
//! blocks; what shapes do not say (the clamp) is in the file's configuration, or is said to be assumed.

use burn::tensor::Device;

use super::{Network, turned};
use crate::latent::style::Mapping as _;
use crate::model::import::bag::{Array, Bag, ReadError};
use crate::model::import::source::wrong;
use crate::net::arch::Arch;
use crate::net::families::Family;
use crate::net::families::judge::Judge;
use crate::net::families::stylegan2::{Form, StyleGan2};
use crate::net::mapping::Mapping;
use crate::net::params::{Params, Plan};
use crate::net::recipe::Recipe;
use crate::random::RandomState;

/// Networks of a file that are looked for, the moving average first.
const ROOTS: [&str; 5] = ["G_ema.", "", "G.", "g_ema.", "g."];
/// Learning rate's factor of the mapping, by which its arrays are multiplied.
const MAPPING: f32 = 0.01;
/// z that the mean of w is of, where a file has none.
const AVERAGED: usize = 4096;
/// Blocks at most.
const MOST_BLOCKS: usize = 10;

/// Where in a file the generator lies; none if it is no StyleGAN2.
fn root(bag: &Bag) -> Option<&'static str> {
    ROOTS.into_iter().find(|root| bag.get(&format!("{root}synthesis.b4.const")).is_some())
}

/// Whether a file holds one.
pub fn is_one(bag: &Bag) -> bool {
    root(bag).is_some() || rosinality(bag).is_some()
}

/// What a relative of it is, which is another network.
pub fn relative(bag: &Bag) -> Option<&'static str> {
    let has = |end: &str| bag.arrays.iter().any(|array| array.name.ends_with(end));
    if has("synthesis.input.freqs") || has("synthesis.input.transform") {
        return Some(
            "it is a StyleGAN3, another network: only StyleGAN2 is played here (its files of the same repository, too)",
        );
    }
    if has("G.blocks.0.to_style1.weight") {
        return Some(
            "it is a StyleGAN2 of lucidrains, whose layers are others: only NVIDIA's and rosinality's are played here",
        );
    }
    let progressive = has("style_mod.lin.weight") || has("epi1.style_mod.lin.weight");
    progressive.then_some("it is a StyleGAN of 2018 (StyleGAN1), another network: only StyleGAN2 is played here")
}

/// Where rosinality's names lie.
fn rosinality(bag: &Bag) -> Option<&'static str> {
    let has = |root: &str, name: &str| bag.get(&format!("{root}{name}")).is_some();
    ROOTS.into_iter().find(|root| has(root, "input.input") && has(root, "style.1.weight"))
}

/// The arrays of rosinality's file under NVIDIA's names.
fn renamed(bag: &Bag, root: &str) -> Bag {
    let block = |number: &str, each: usize| -> Option<(usize, usize)> {
        let at: usize = number.parse().ok()?;
        (at < 2 * MOST_BLOCKS).then(|| (8 << (at / each), at % each))
    };
    let layer = |name: &str| -> Option<(String, String)> {
        let mut parts = name.splitn(2, '.');
        let (first, rest) = (parts.next()?, parts.next()?);
        Some(match first {
            "conv1" => ("b4.conv1".into(), rest.into()),
            "to_rgb1" => ("b4.torgb".into(), rest.into()),
            "convs" | "to_rgbs" => {
                let (number, rest) = rest.split_once('.')?;
                let (side, conv) = block(number, if first == "convs" { 2 } else { 1 })?;
                let part = if first == "convs" { format!("conv{conv}") } else { "torgb".into() };
                (format!("b{side}.{part}"), rest.into())
            }
            _ => return None,
        })
    };
    let new_name = |name: &str| -> Option<String> {
        if let Some(rest) = name.strip_prefix("style.") {
            let (number, part) = rest.split_once('.')?;
            return Some(format!("mapping.fc{}.{part}", number.parse::<usize>().ok()?.checked_sub(1)?));
        }
        if let Some(number) = name.strip_prefix("noises.noise_") {
            let at: usize = number.parse().ok()?;
            let place = at.checked_sub(1).and_then(|at| block(&at.to_string(), 2));
            return Some(match place {
                None => "synthesis.b4.conv1.noise_const".into(),
                Some((side, conv)) => format!("synthesis.b{side}.conv{conv}.noise_const"),
            });
        }
        match name {
            "input.input" => return Some("synthesis.b4.const".into()),
            "latent_avg" => return Some("mapping.w_avg".into()),
            _ => {}
        }
        let (layer, part) = layer(name)?;
        let part = match part.as_str() {
            "conv.weight" => "weight",
            "conv.modulation.weight" => "affine.weight",
            "conv.modulation.bias" => "affine.bias",
            "noise.weight" => "noise_strength",
            "activate.bias" | "bias" => "bias",
            _ => return None,
        };
        Some(format!("synthesis.{layer}.{part}"))
    };
    let arrays = bag.arrays.iter().filter_map(|array| {
        // What was read of the whole file may lie outside of this network.
        let own = array.name.strip_prefix(root).or_else(|| (array.name == "latent_avg").then_some("latent_avg"))?;
        let name = new_name(own)?;
        let wanted = match () {
            () if name.ends_with("noise_const") => 2,
            () if name.ends_with("affine.weight") || name.starts_with("mapping.fc") && name.ends_with("weight") => 2,
            () if name.ends_with(".weight") => 4,
            () if name.ends_with(".const") => 3,
            () => 1,
        };
        // Sizes of 1 that stand before or behind.
        let mut shape = array.shape.clone();
        while shape.len() > wanted && shape.first() == Some(&1) {
            shape.remove(0);
        }
        while shape.len() > wanted && shape.last() == Some(&1) {
            shape.pop();
        }
        Some(Array { name, shape, values: array.values.clone(), whole: array.whole })
    });
    Bag { arrays: arrays.collect(), ..bag.clone() }
}

struct Names<'a> {
    bag: &'a Bag,
    root: &'static str,
}

impl<'a> Names<'a> {
    fn find(&self, name: &str) -> Option<&'a Array> {
        self.bag.get(&format!("{}{name}", self.root))
    }

    fn get(&self, name: &str) -> Result<&'a Array, ReadError> {
        self.find(name).ok_or_else(|| ReadError(format!("it is a StyleGAN2 that lacks {name}: fetch it again")))
    }
}

/// The network of a file.
///
/// # Errors
/// If an array is missing, or has a shape that does not fit.
pub fn network(bag: &Bag) -> Result<Network, ReadError> {
    let (bag, root, words) = match (root(bag), rosinality(bag)) {
        (Some(root), _) => (bag.clone(), root, "NVIDIA's names"),
        (None, Some(root)) => (renamed(bag, root), "", "rosinality's names"),
        (None, None) => return wrong("it is no StyleGAN2"),
    };
    let names = Names { bag: &bag, root };
    let mut own = settings(&names)?;
    let mut assumed = Vec::new();
    let (judge, critic) = match judge(&names, &own) {
        Ok(Some((judge, critic))) => (Some(judge), critic),
        Ok(None) => (None, Vec::new()),
        Err(why) => {
            assumed.push(format!("its discriminator is left out: {}", why.0));
            (None, Vec::new())
        }
    };
    own.judge = judge;
    let mut arrays = Vec::new();
    for plan in own.plans() {
        let values = array(&names, &plan)?;
        if values.len() != plan.len() {
            return wrong(format!("its {} has {} numbers, and {} are needed", plan.name, values.len(), plan.len()));
        }
        arrays.push((plan.name, values));
    }
    let [h, w] = own.first.map(|side| side << (own.channels.len() - 1));
    let which = if root.is_empty() { words.to_owned() } else { format!("{words}, {}", root.trim_end_matches('.')) };
    let (layers, channels) = (own.mapping, &own.channels);
    let mut recognised =
        vec![format!("StyleGAN2 ({which}): {w}x{h}, {layers} layers of mapping, channels {channels:?}")];
    if names.find("mapping.w_avg").is_none() {
        set_average(&own, &mut arrays);
        assumed.push(format!("the mean of w is not in the file: it is that of {AVERAGED} z (seed 0)"));
    }
    if names.find("synthesis.b4.conv1.noise_const").is_none() {
        assumed.push("the noise is not in the file: there is none".into());
    }
    if own.judge.is_some() {
        recognised.push("its discriminator is kept as the model's critic".into());
    }
    let classes = (0..own.classes).map(|class| class.to_string()).collect();
    let arch = Arch::StyleGan2(own);
    Ok(Network { arch, recipe: Recipe::default(), classes, arrays, critic, recognised, assumed })
}

/// Gives the mean of w of many z to arrays that have none.
fn set_average(own: &StyleGan2, arrays: &mut [(String, Vec<f32>)]) {
    let device = Device::flex();
    let values: Vec<Vec<f32>> = arrays.iter().map(|(_, values)| values.clone()).collect();
    let params = Params::of(&own.plans(), &values, &device);
    let mapping = Mapping::new(own, &params, Vec::new());
    let blend = vec![1.0 / own.classes.max(1) as f64; own.classes];
    let mut random = RandomState::new(0);
    let mut mean = vec![0.0; own.w_dim];
    for _ in 0..AVERAGED {
        let w = mapping.w(&random.normals(own.z_dim), &blend);
        mean.iter_mut().zip(w).for_each(|(mean, w)| *mean += w / AVERAGED as f64);
    }
    let mean: Vec<f32> = mean.iter().map(|v| *v as f32).collect();
    if let Some((_, average)) = arrays.iter_mut().find(|(name, _)| name == "mapping.average") {
        *average = mean;
    }
}

/// What the shapes say.
fn settings(names: &Names) -> Result<StyleGan2, ReadError> {
    let sides = |array: &Array, count: usize| match array.shape.len() == count {
        true => Ok(array.shape.clone()),
        false => wrong(format!("its {} has the shape {:?}, which is no StyleGAN2's", array.name, array.shape)),
    };
    let first = sides(names.get("synthesis.b4.const")?, 3)?;
    let mut channels = Vec::new();
    for at in 0..MOST_BLOCKS {
        let Some(kernel) = names.find(&format!("synthesis.b{}.conv1.weight", 4 << at)) else { break };
        channels.push(sides(kernel, 4)?[0]);
    }
    let Some(last) = channels.len().checked_sub(1) else { return wrong("it is a StyleGAN2 without blocks") };
    let mapping = (0..).take_while(|at| names.find(&format!("mapping.fc{at}.weight")).is_some()).take(64).count();
    let fc = sides(names.get("mapping.fc0.weight")?, 2)?;
    let embed = names.find("mapping.embed.weight").map(|array| sides(array, 2)).transpose()?;
    let (w_dim, classes) = (fc[0], embed.as_ref().map_or(0, |embed| embed[1]));
    let z_dim = fc[1].saturating_sub(if classes > 0 { w_dim } else { 0 });
    let form = match () {
        () if last > 0 && names.find("synthesis.b8.skip.weight").is_some() => Form::Resnet,
        () if last > 0 && names.find("synthesis.b4.torgb.weight").is_none() => Form::Orig,
        () => Form::Skip,
    };
    let picture = sides(names.get(&format!("synthesis.b{}.torgb.weight", 4usize << last))?, 4)?;
    let own = StyleGan2 {
        z_dim,
        w_dim,
        classes,
        mapping,
        first: [first[1], first[2]],
        channels,
        form,
        picture_channels: picture[0],
        clamp: clamp(names.bag),
        judge: None,
    };
    own.check().map_err(|why| ReadError(why.0))?;
    Ok(own)
}

/// Numbers of arrays by our names.
type Arrays = Vec<(String, Vec<f32>)>;

/// The discriminator beside a generator of NVIDIA's names, if there is one.
fn judge(names: &Names, own: &StyleGan2) -> Result<Option<(Judge, Arrays)>, ReadError> {
    let names = Names { bag: names.bag, root: "D." };
    if names.find("b4.fc.weight").is_none() {
        return Ok(None);
    }
    let blocks = own.channels.len();
    let mut channels = Vec::new();
    for at in (1..blocks).rev() {
        let conv1 = names.get(&format!("b{}.conv1.weight", 4usize << at))?;
        let [o, c, _, _] = conv1.shape[..] else { return wrong(format!("its {} is no kernel", conv1.name)) };
        if channels.is_empty() {
            channels.push(c);
        }
        channels.push(o);
    }
    let finest = 4usize << (blocks - 1);
    if blocks > 2 && names.find(&format!("b{}.fromrgb.weight", finest / 2)).is_some() {
        return wrong("it looks at pictures of several sizes (architecture skip), which is not played here");
    }
    let layers = (0..64).take_while(|at| names.find(&format!("mapping.fc{at}.weight")).is_some()).count();
    let embed = names.find("mapping.embed.weight");
    let judge = Judge {
        channels,
        residual: names.find(&format!("b{finest}.skip.weight")).is_some(),
        group: number(&names.bag.config, "mbstd_group_size").map_or(4, |v| (v as usize).clamp(1, 1024)),
        classes: embed.and_then(|array| array.shape.first().map(|dim| [layers, *dim])),
    };
    judge.check(blocks).map_err(|why| ReadError(why.0))?;
    let mut arrays = Vec::new();
    for plan in judge.plans(own.picture_channels, own.first, own.classes) {
        let (layer, part) = plan.name.rsplit_once('.').unwrap_or((&plan.name, ""));
        let array = names.get(&format!("{layer}.{}", if part == "kernel" { "weight" } else { part }))?;
        let rate = if layer.starts_with("mapping.fc") { MAPPING } else { 1.0 };
        let times = |values: &[f32], factor: f32| values.iter().map(|v| v * factor).collect::<Vec<f32>>();
        let values = match array.shape.as_slice() {
            [o, i, k, l] => {
                let gain = 1.0 / ((i * k * l) as f32).sqrt();
                times(&turned(&array.values, &[*o, *i, k * l], &[2, 1, 0]), gain)
            }
            [o, i] => times(&turned(&array.values, &[*o, *i], &[1, 0]), rate / (*i as f32).sqrt()),
            _ => times(&array.values, rate),
        };
        if values.len() != plan.len() {
            return wrong(format!("its {} has {} numbers, and {} are needed", array.name, values.len(), plan.len()));
        }
        arrays.push((plan.name, values));
    }
    Ok(Some((judge, arrays)))
}

/// The first number of this name in a file's configuration.
fn number(config: &serde_json::Value, name: &str) -> Option<f64> {
    match config {
        serde_json::Value::Object(all) => match all.get(name).and_then(serde_json::Value::as_f64) {
            Some(found) => Some(found),
            None => all.values().find_map(|inner| number(inner, name)),
        },
        serde_json::Value::Array(all) => all.iter().find_map(|inner| number(inner, name)),
        _ => None,
    }
}

/// What the file says that values are kept within.
fn clamp(bag: &Bag) -> Option<f32> {
    number(&bag.config, "conv_clamp").map(|v| v as f32).filter(|v| *v > 0.0)
}

/// An array under our name, with its gain.
fn array(names: &Names, plan: &Plan) -> Result<Vec<f32>, ReadError> {
    let (layer, part) = plan.name.rsplit_once('.').unwrap_or((&plan.name, ""));
    let times = |values: &[f32], factor: f32| values.iter().map(|v| v * factor).collect::<Vec<f32>>();
    if let Some(place) = layer.strip_prefix("mapping") {
        let place = place.trim_start_matches('.');
        if part == "average" {
            // Files without one are played without truncation.
            return Ok(names.find("mapping.w_avg").map_or(vec![0.0; plan.len()], |array| array.values.clone()));
        }
        let rate = if place == "embed" { 1.0 } else { MAPPING };
        let array = names.get(&format!("mapping.{place}.{}", if part == "kernel" { "weight" } else { "bias" }))?;
        return Ok(match (part, array.shape.as_slice()) {
            ("kernel", [o, i]) => times(&turned(&array.values, &[*o, *i], &[1, 0]), rate / (*i as f32).sqrt()),
            _ => times(&array.values, rate),
        });
    }
    if plan.name == "b4.const" {
        let array = names.get("synthesis.b4.const")?;
        let [c, h, w] = array.shape[..] else { return wrong("its constant is no map") };
        return Ok(turned(&array.values, &[c, h, w], &[1, 2, 0]));
    }
    let picture = layer.contains("torgb");
    let word = match part {
        "kernel" => "weight",
        "strength" => "noise_strength",
        "noise" => "noise_const",
        _ => "bias",
    };
    let name = format!("synthesis.{layer}.{word}");
    let array = match names.find(&name) {
        Some(array) => array,
        None if part == "noise" => return Ok(vec![0.0; plan.len()]),
        None => names.get(&name)?,
    };
    Ok(match (part, array.shape.as_slice()) {
        ("kernel", [o, i]) => {
            // An affine map; a picture's has the gain of its 1 × 1 as well.
            let gain = if picture { 1.0 / (*o as f32).sqrt() } else { 1.0 };
            times(&turned(&array.values, &[*o, *i], &[1, 0]), gain / (*i as f32).sqrt())
        }
        ("bias", [o]) if layer.ends_with("torgb.affine") => times(&array.values, 1.0 / (*o as f32).sqrt()),
        ("kernel", [o, i, k, l]) => {
            let gain = if layer.ends_with("skip") { 1.0 / (*i as f32).sqrt() } else { 1.0 };
            times(&turned(&array.values, &[*o, *i, k * l], &[2, 1, 0]), gain)
        }
        _ => array.values.clone(),
    })
}
