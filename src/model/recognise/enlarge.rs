//! Networks that make pictures larger by the names of their arrays: ESRGAN's in the three ways that people write them,
//! Real-ESRGAN's small one, and both from ncnn by the order of their layers.

use super::{Hints, Network, listed, turned};
use crate::model::import::bag::{Array, Bag, ReadError};
use crate::net::arch::Arch;
use crate::net::enlarge::{CHANNELS, Layout, SIDE, Slope, Step};
use crate::net::families::compact::{Compact, Curve};
use crate::net::families::rrdb::Rrdb;

/// Blocks and layers that are looked for at most.
const MOST: usize = 64;
/// Convolutions of a block.
const EACH: usize = 15;
/// Slopes below zero: of an RRDB, and of a small network without slopes that were learnt.
const RRDB_SLOPE: f32 = 0.2;
const LEAKY: f32 = 0.1;
/// Convolutions that are in no block and make nothing larger: first, trunk, high and last.
const OTHERS: usize = 4;

/// How files call the arrays of an RRDB.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Dialect {
    /// ESRGAN's own since 2019.
    New,
    /// ESRGAN's first, which most files of its community have.
    Old,
    /// BasicSR's and Real-ESRGAN's.
    Basic,
}

const DIALECTS: [(Dialect, &str, &str); 3] = [
    (Dialect::New, "RRDB_trunk.0.RDB1.conv1.weight", "xinntao/ESRGAN"),
    (Dialect::Basic, "body.0.rdb1.conv1.weight", "Real-ESRGAN and BasicSR"),
    (Dialect::Old, "model.1.sub.0.RDB1.conv1.0.weight", "the first files of ESRGAN"),
];

impl Dialect {
    /// What a file calls our layer.
    fn layer(self, name: &str, own: &Rrdb) -> String {
        let last = 3 * own.doublings;
        if let Some((block, inner)) = name.strip_prefix("block").and_then(|rest| rest.split_once('.')) {
            let block = block.parse::<usize>().unwrap_or(1) - 1;
            let inner = inner.replace("dense", "");
            return match self {
                Self::New => format!("RRDB_trunk.{block}.RDB{inner}"),
                Self::Basic => format!("body.{block}.rdb{inner}"),
                Self::Old => format!("model.1.sub.{block}.RDB{inner}.0"),
            };
        }
        let up = name.strip_prefix("up");
        match (self, name) {
            (Self::New | Self::Basic, "first") => "conv_first".into(),
            (Self::New | Self::Basic, "last") => "conv_last".into(),
            (Self::New, "trunk") => "trunk_conv".into(),
            (Self::Basic, "trunk") => "conv_body".into(),
            (Self::New, "high") => "HRconv".into(),
            (Self::Basic, "high") => "conv_hr".into(),
            (Self::New, _) => format!("upconv{}", up.unwrap_or_default()),
            (Self::Basic, _) => format!("conv_up{}", up.unwrap_or_default()),
            (Self::Old, "first") => "model.0".into(),
            (Self::Old, "trunk") => format!("model.1.sub.{}", own.blocks),
            (Self::Old, "high") => format!("model.{}", last + 2),
            (Self::Old, "last") => format!("model.{}", last + 4),
            (Self::Old, _) => format!("model.{}", 3 * up.and_then(|up| up.parse::<usize>().ok()).unwrap_or(1)),
        }
    }
}

/// Whether a file holds one.
pub fn is_one(bag: &Bag) -> bool {
    ncnn(bag).is_some() || DIALECTS.iter().any(|(_, mark, _)| prefix(bag, mark).is_some()) || small(bag).is_some()
}

/// The network of a file.
///
/// # Errors
/// If an array is missing, of another shape, or none of such a network's.
pub fn network(bag: &Bag, hints: &Hints) -> Result<Network, ReadError> {
    if let Some(layers) = ncnn(bag) {
        return of_ncnn(bag, layers, hints);
    }
    if let Some(prefix) = small(bag) {
        return of_compact(bag, prefix, hints);
    }
    let found = DIALECTS.iter().find_map(|(dialect, mark, says)| prefix(bag, mark).map(|own| (dialect, own, says)));
    let Some((dialect, prefix, says)) = found else {
        return Err(ReadError(format!("no network that makes pictures larger: it holds {}", listed(bag))));
    };
    of_rrdb(bag, *dialect, prefix, says, hints)
}

/// What stands before that name in a file; of several the moving average, and then the shortest.
fn prefix<'a>(bag: &'a Bag, mark: &str) -> Option<&'a str> {
    let before = |array: &'a Array| {
        let prefix = array.name.strip_suffix(mark)?;
        (prefix.is_empty() || prefix.ends_with('.')).then_some(prefix)
    };
    bag.arrays.iter().filter_map(before).min_by_key(|prefix| (!prefix.contains("ema"), prefix.len()))
}

fn wrong<T>(why: String) -> Result<T, ReadError> {
    Err(ReadError(why))
}

/// What a network multiplies pictures by, and how it is called.
fn sentences(says: String, layout: &Layout, prefix: &str) -> [Vec<String>; 2] {
    let mut recognised = vec![says, format!("it makes pictures {} times larger", layout.scale())];
    if !prefix.is_empty() {
        recognised.insert(0, format!("the dictionary \"{}\"", prefix.trim_end_matches('.')));
    }
    [recognised, Vec::new()]
}

fn of_rrdb(bag: &Bag, dialect: Dialect, prefix: &str, says: &str, hints: &Hints) -> Result<Network, ReadError> {
    let get = |name: String| bag.get(&format!("{prefix}{name}.weight"));
    let mut own = Rrdb { blocks: 0, doublings: 0, ..Rrdb::default() };
    let first = get(dialect.layer("first", &own));
    let Some([width, inputs, SIDE, SIDE]) = first.map(|array| &*array.shape) else {
        return wrong("its first layer is missing, or no convolution of 3 x 3".into());
    };
    own.width = *width;
    own.unshuffled = match inputs / CHANNELS {
        1 => 1,
        4 => 2,
        16 => 4,
        _ => {
            return wrong(format!(
                "its first layer takes {inputs} channels; pictures of 3 (12, 48) can be made larger"
            ));
        }
    };
    let inner = |block: usize| dialect.layer(&format!("block{block}.dense1.conv1"), &own);
    let blocks = (1..=MOST + 1).take_while(|block| get(inner(*block)).is_some()).count();
    own.growth = get(inner(1)).and_then(|array| array.shape.first().copied()).unwrap_or(0);
    own.blocks = blocks;
    own.doublings = match dialect {
        Dialect::Old => {
            let last = (1..=MOST).rev().find(|at| get(format!("model.{at}")).is_some()).unwrap_or(0);
            last.saturating_sub(OTHERS) / 3
        }
        _ => (1..=3).take_while(|up| get(dialect.layer(&format!("up{up}"), &own)).is_some()).count(),
    };
    let arch = checked(Arch::Rrdb(own.clone()))?;
    let layout = own.layout();
    let names = |step: &Step| format!("{prefix}{}", dialect.layer(&step.name, &own));
    let arrays = arrays(bag, &layout, names, |step| format!("{}.weight", names(step)))?;
    nothing_else(bag, prefix, &layout, names)?;
    let says = format!(
        "ESRGAN's network (RRDB) of {blocks} blocks, {} channels and {} more a layer, as {says} write it",
        own.width, own.growth
    );
    Ok(Network::generator(arch, arrays, sentences(says, &layout, prefix), hints))
}

/// The arch, if it can be built.
fn checked(arch: Arch) -> Result<Arch, ReadError> {
    arch.check().map_err(|why| ReadError(format!("it is no network that can be built: {why}")))?;
    Ok(arch)
}

/// The arrays of a network in our layout: `name` is what a file calls a layer, `slope` the array of its slopes.
fn arrays(
    bag: &Bag,
    layout: &Layout,
    name: impl Fn(&Step) -> String,
    slope: impl Fn(&Step) -> String,
) -> Result<Vec<(String, Vec<f32>)>, ReadError> {
    let get = |name: String, shape: &[usize]| match bag.get(&name) {
        Some(array) if array.shape == shape => Ok(array),
        // PReLU of one number for all channels.
        Some(array) if shape.len() == 1 && array.shape == [1] => Ok(array),
        Some(array) => wrong(format!("its array {name} is {:?} where {shape:?} is wanted", array.shape)),
        None => wrong(format!("its array {name} is missing")),
    };
    let mut arrays = Vec::new();
    for step in &layout.steps {
        let (c, o) = (step.inputs(), step.outputs);
        let kernel = get(format!("{}.weight", name(step)), &[o, c, SIDE, SIDE])?;
        arrays.push((format!("{}.kernel", step.name), turned(&kernel.values, &[o, c, SIDE * SIDE], &[2, 1, 0])));
        arrays.push((format!("{}.bias", step.name), get(format!("{}.bias", name(step)), &[o])?.values.clone()));
        if step.slope == Slope::Learnt {
            let mut values = get(slope(step), &[o])?.values.clone();
            if values.len() == 1 {
                values = vec![values[0]; o];
            }
            arrays.push((format!("{}.slope", step.name), values));
        }
    }
    Ok(arrays)
}

/// A file may not have convolutions that such a network has not: its pictures would be others.
fn nothing_else(bag: &Bag, prefix: &str, layout: &Layout, name: impl Fn(&Step) -> String) -> Result<(), ReadError> {
    let known: Vec<String> = layout.steps.iter().map(|step| format!("{}.weight", name(step))).collect();
    let other = bag.arrays.iter().find(|array| {
        let inside = array.name.starts_with(prefix) && array.name.ends_with(".weight");
        inside && array.shape.len() == 4 && !known.contains(&array.name)
    });
    match other {
        Some(array) => wrong(format!(
            "it is like ESRGAN but has an array {} {:?}, which ESRGAN has not: it is a network of another kind",
            array.name.chars().take(80).collect::<String>(),
            array.shape
        )),
        None => Ok(()),
    }
}

/// What stands before the names of a small network's arrays.
fn small(bag: &Bag) -> Option<&str> {
    let first = bag.arrays.iter().find(|array| {
        let [_, CHANNELS, SIDE, SIDE] = *array.shape else { return false };
        array.name == "body.0.weight" || array.name.ends_with(".body.0.weight")
    })?;
    let prefix = prefix(bag, "body.0.weight").filter(|_| !first.values.is_empty())?;
    // Its convolutions stand at each second place.
    bag.get(&format!("{prefix}body.2.weight")).filter(|array| array.shape.len() == 4)?;
    Some(prefix)
}

fn of_compact(bag: &Bag, prefix: &str, hints: &Hints) -> Result<Network, ReadError> {
    let get = |at: usize| bag.get(&format!("{prefix}body.{at}.weight"));
    let convs = (0..=MOST + 2).take_while(|at| get(2 * at).is_some_and(|array| array.shape.len() == 4)).count();
    let curve = if get(1).is_some() { Curve::Prelu } else { Curve::Relu };
    let shape = |at: usize| get(2 * at).map_or(&[][..], |array| &array.shape);
    let own = compact(shape(0), shape(convs.saturating_sub(1)), convs, curve)?;
    let arch = checked(Arch::Compact(own.clone()))?;
    let layout = own.layout();
    let at = |step: &Step| step.name.trim_start_matches("conv").parse::<usize>().unwrap_or(0);
    let name = |step: &Step| format!("{prefix}body.{}", 2 * at(step));
    let arrays = arrays(bag, &layout, name, |step| format!("{prefix}body.{}.weight", 2 * at(step) + 1))?;
    nothing_else(bag, prefix, &layout, name)?;
    let [recognised, mut assumed] = sentences(says(&own), &layout, prefix);
    if curve == Curve::Relu {
        assumed.push("values below zero become 0, because it holds no slopes".into());
    }
    Ok(Network::generator(arch, arrays, [recognised, assumed], hints))
}

fn says(own: &Compact) -> String {
    format!("Real-ESRGAN's small network (SRVGG) of {} layers between two and {} channels", own.layers, own.width)
}

/// A small network by the kernels of its first and last layer.
fn compact(first: &[usize], last: &[usize], convs: usize, curve: Curve) -> Result<Compact, ReadError> {
    let (Some(width), Some(outputs)) = (first.first(), last.first()) else {
        return wrong("its layers are no convolutions of 3 x 3".into());
    };
    let scale = (1..=8).find(|scale| CHANNELS * scale * scale == *outputs);
    let Some(scale) = scale.filter(|_| convs >= 2) else {
        return wrong(format!(
            "its last layer gives {outputs} channels, which are no picture of 3: it is a network of another kind"
        ));
    };
    Ok(Compact { width: *width, layers: convs - 2, scale, curve, ..Compact::default() })
}

/// The layers of a file of ncnn.
fn ncnn(bag: &Bag) -> Option<&Vec<serde_json::Value>> {
    bag.config.get("ncnn").and_then(|list| list.as_array())
}

/// From ncnn: the order of layers says what each is.
fn of_ncnn(bag: &Bag, layers: &[serde_json::Value], hints: &Hints) -> Result<Network, ReadError> {
    let kind = |layer: &serde_json::Value| layer["type"].as_str().unwrap_or_default().to_owned();
    let name = |layer: &serde_json::Value| layer["name"].as_str().unwrap_or_default().to_owned();
    let number = |layer: &serde_json::Value, key: &str| layer["values"][key].as_f64().unwrap_or(0.0);
    let of = |wanted: &str| layers.iter().filter(|layer| kind(layer) == wanted).collect::<Vec<_>>();
    let other = layers.iter().find(|layer| {
        bag.get(&format!("{}.weight", name(layer))).is_some() && !["Convolution", "PReLU"].contains(&&*kind(layer))
    });
    if let Some(layer) = other {
        return wrong(format!("it is a network of ncnn with a layer {}: only ESRGAN's two are known", kind(layer)));
    }
    let convs = of("Convolution");
    let shape = |at: usize| {
        let array = convs.get(at).and_then(|layer| bag.get(&format!("{}.weight", name(layer))));
        array.map_or(&[][..], |array| &array.shape)
    };
    let last = convs.len().saturating_sub(1);
    let names: Vec<String> = convs.iter().map(|layer| name(layer)).collect();
    let (larger, smaller): (Vec<_>, Vec<_>) = of("Interp").into_iter().partition(|layer| number(layer, "1") >= 1.0);
    let mut remarks = Vec::new();
    if let Some(factor) = smaller.first().map(|layer| number(layer, "1")) {
        remarks.push(format!(
            "its last layer makes pictures smaller again ({factor}), which is left out; flaneur enlarge --scale does that"
        ));
    }
    if let Some(shuffle) = of("PixelShuffle").first() {
        let slopes: Vec<String> = of("PReLU").into_iter().map(name).collect();
        let curve = match (slopes.is_empty(), slope(layers)?) {
            (false, None) => Curve::Prelu,
            (true, Some(0.0)) => Curve::Relu,
            (true, Some(LEAKY)) => Curve::Leaky,
            (_, found) => return wrong(other_curve(found)),
        };
        let own = compact(shape(0), shape(last), convs.len(), curve)?;
        if number(shuffle, "0") != own.scale as f64 || (curve == Curve::Prelu && slopes.len() + 1 != convs.len()) {
            return wrong("it is a network of ncnn that is like Real-ESRGAN's small one, but of another kind".into());
        }
        let arch = checked(Arch::Compact(own.clone()))?;
        let layout = own.layout();
        let at = |step: &Step| layout.steps.iter().position(|other| other.name == step.name).unwrap_or(0);
        let slope = |step: &Step| slopes.get(at(step)).map_or(String::new(), |name| format!("{name}.weight"));
        let arrays = arrays(bag, &layout, |step| names[at(step)].clone(), slope)?;
        let sentences = sentences(says(&own), &layout, "");
        let network = Network::generator(arch, arrays, sentences, hints);
        return Ok(remarked(network, remarks));
    }
    if larger.iter().any(|layer| number(layer, "1") != 2.0 || number(layer, "2") != 2.0) {
        return wrong("it is a network of ncnn that is like ESRGAN's, but makes its maps larger in another way".into());
    }
    match slope(layers)? {
        Some(found) if (found - RRDB_SLOPE).abs() < 1e-6 => {}
        found => return wrong(other_curve(found)),
    }
    let doublings = larger.len();
    let blocks = convs.len().checked_sub(OTHERS + doublings).filter(|inner| *inner > 0 && inner % EACH == 0);
    let (Some(inner), [width, inputs, SIDE, SIDE]) = (blocks, shape(0)) else {
        return wrong(format!(
            "it is a network of ncnn with {} convolutions, which are no ESRGAN's: only ESRGAN's two are known",
            convs.len()
        ));
    };
    let growth = shape(1).first().copied().unwrap_or(0);
    let unshuffled = [1, 2, 4].into_iter().find(|side| CHANNELS * side * side == *inputs).unwrap_or(1);
    let own = Rrdb { blocks: inner / EACH, width: *width, growth, doublings, unshuffled, ..Rrdb::default() };
    let arch = checked(Arch::Rrdb(own.clone()))?;
    let layout = own.layout();
    let at = |step: &Step| layout.steps.iter().position(|other| other.name == step.name).unwrap_or(0);
    let arrays = arrays(bag, &layout, |step| names[at(step)].clone(), |_| String::new())?;
    let says = format!("ESRGAN's network (RRDB) of {} blocks, {width} channels and {growth} more a layer", own.blocks);
    Ok(remarked(Network::generator(arch, arrays, sentences(says, &layout, ""), hints), remarks))
}

/// Slope below zero of a layer of ncnn's, if it has one: of a curve by itself, or of one within a convolution. All of a
/// network are the same here, and convolutions have no strides and no holes.
fn slope(layers: &[serde_json::Value]) -> Result<Option<f32>, ReadError> {
    let mut found: Option<f32> = None;
    for layer in layers {
        let number = |key: &str| layer["values"][key].as_f64();
        let own = match layer["type"].as_str().unwrap_or_default() {
            "ReLU" => Some(number("0").unwrap_or(0.0) as f32),
            "Convolution" => {
                let even = |key: &str| number(key).is_none_or(|v| v == 1.0);
                if !(even("2") && even("3") && number("4") == Some(1.0)) {
                    return wrong("its convolutions have strides, holes or edges that ESRGAN's have not".into());
                }
                match number("9").unwrap_or(0.0) as i64 {
                    0 => None,
                    1 => Some(0.0),
                    2 => Some(number("10").unwrap_or(0.0) as f32),
                    _ => return wrong(other_curve(None)),
                }
            }
            "TanH" | "Sigmoid" | "Clip" | "Swish" | "HardSwish" | "HardSigmoid" | "Softmax" => {
                return wrong(other_curve(None));
            }
            _ => None,
        };
        match (own, found) {
            (Some(own), Some(found)) if (own - found).abs() > 1e-6 => return wrong(other_curve(Some(own))),
            (Some(own), _) => found = Some(own),
            (None, _) => {}
        }
    }
    Ok(found)
}

fn other_curve(slope: Option<f32>) -> String {
    let which = slope.map_or("another curve".to_owned(), |slope| format!("a slope of {slope}"));
    format!("it is a network of ncnn with {which} behind its layers, which neither of ESRGAN's networks has")
}

fn remarked(mut network: Network, remarks: Vec<String>) -> Network {
    network.recognised.extend(remarks);
    network
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bag in that dialect, of numbers by place.
    fn bag(own: &Rrdb, dialect: Dialect, prefix: &str) -> Bag {
        let mut bag = Bag::default();
        for (number, step) in own.layout().steps.iter().enumerate() {
            let (c, o) = (step.inputs(), step.outputs);
            for (part, shape) in [("weight", vec![o, c, SIDE, SIDE]), ("bias", vec![o])] {
                let count: usize = shape.iter().product();
                let values = (0..count).map(|at| ((at * 31 + number * 7) % 101) as f32 * 0.01).collect();
                let name = format!("{prefix}{}.{part}", dialect.layer(&step.name, own));
                bag.arrays.push(Array { name, shape, values, whole: false });
            }
        }
        bag
    }

    #[test]
    fn the_three_dialects_are_one_network() {
        let own = Rrdb { blocks: 2, width: 8, growth: 4, ..Rrdb::default() };
        let hints = Hints::default();
        let expected = network(&bag(&own, Dialect::New, ""), &hints).unwrap();
        assert_eq!(expected.arch, Arch::Rrdb(own.clone()));
        for (dialect, _, _) in DIALECTS {
            for prefix in ["", "module.", "params.", "params_ema.", "params_ema.module."] {
                let bag = bag(&own, dialect, prefix);
                assert!(is_one(&bag));
                let found = network(&bag, &hints).unwrap();
                assert_eq!((&found.arch, &found.arrays), (&expected.arch, &expected.arrays), "{dialect:?} {prefix}");
            }
        }
        for (doublings, unshuffled) in [(0, 1), (1, 1), (3, 1), (2, 2), (2, 4)] {
            let own = Rrdb { doublings, unshuffled, ..own.clone() };
            assert_eq!(network(&bag(&own, Dialect::Old, ""), &hints).unwrap().arch, Arch::Rrdb(own));
        }
    }

    #[test]
    fn the_average_is_taken_and_others_are_refused() {
        let own = Rrdb { blocks: 1, width: 8, growth: 4, ..Rrdb::default() };
        let mut both = bag(&own, Dialect::Basic, "params.");
        both.arrays.iter_mut().for_each(|array| array.values.fill(9.0));
        both.arrays.extend(bag(&own, Dialect::Basic, "params_ema.").arrays);
        let found = network(&both, &Hints::default()).unwrap();
        assert!(found.arrays.iter().all(|(_, values)| values.iter().all(|v| *v < 2.0)));
        let mut plus = bag(&own, Dialect::Old, "");
        let name = "model.1.sub.0.RDB1.conv1x1.weight".to_owned();
        plus.arrays.push(Array { name, shape: vec![4, 8, 1, 1], values: vec![0.0; 32], whole: false });
        assert!(network(&plus, &Hints::default()).unwrap_err().0.contains("conv1x1"));
        let mut cut = bag(&own, Dialect::New, "");
        cut.arrays.retain(|array| array.name != "HRconv.bias");
        assert!(network(&cut, &Hints::default()).unwrap_err().0.contains("HRconv.bias is missing"));
    }

    #[test]
    fn the_small_one_is_known_with_slopes_and_without() {
        for (curve, prefix) in [(Curve::Prelu, "params."), (Curve::Relu, "")] {
            let own = Compact { width: 8, layers: 3, scale: 2, curve, ..Compact::default() };
            let mut bag = Bag::default();
            for (at, step) in own.layout().steps.iter().enumerate() {
                let (c, o) = (step.inputs(), step.outputs);
                let mut put = |name: String, shape: Vec<usize>| {
                    let values = vec![0.5; shape.iter().product()];
                    bag.arrays.push(Array { name, shape, values, whole: false });
                };
                put(format!("{prefix}body.{}.weight", 2 * at), vec![o, c, SIDE, SIDE]);
                put(format!("{prefix}body.{}.bias", 2 * at), vec![o]);
                if step.slope == Slope::Learnt {
                    put(format!("{prefix}body.{}.weight", 2 * at + 1), vec![o]);
                }
            }
            assert_eq!(network(&bag, &Hints::default()).unwrap().arch, Arch::Compact(own));
        }
    }
}
