//! Networks for styles by the names of their arrays: Johnson's as PyTorch's examples keep it, Engstrom's as deeplearn.js
//! has it, and Ulyanov's first kind.

use super::pyramid::Texture;
use super::{Network, turned};
use crate::model::import::bag::{Array, Bag, ReadError};
use crate::net::arch::Arch;
use crate::net::families::style::{Edge, Painting, Residual, Style, Up};
use crate::net::params::Plan;
use crate::net::recipe::Recipe;

/// Blocks that are looked for at most.
const MOST_BLOCKS: usize = 32;

fn bare(name: &str) -> &str {
    name.strip_prefix("module.").unwrap_or(name)
}

fn found<'a>(bag: &'a Bag, name: &str) -> Option<&'a Array> {
    bag.arrays.iter().find(|array| bare(&array.name) == name)
}

/// Whether a file holds Johnson's network or Engstrom's.
pub fn is_one(bag: &Bag) -> bool {
    found(bag, "conv1.conv2d.weight").is_some() && found(bag, "res1.conv1.conv2d.weight").is_some() || is_engstrom(bag)
}

fn is_engstrom(bag: &Bag) -> bool {
    let first = found(bag, "Variable").is_some_and(|array| array.shape == [9, 9, 3, 32]);
    first && found(bag, "Variable_47").is_some() && found(bag, "Variable_48").is_none_or(|array| array.shape.len() < 4)
}

/// The network of a file.
///
/// # Errors
/// If an array is missing.
pub fn network(bag: &Bag) -> Result<Network, ReadError> {
    let engstrom = is_engstrom(bag);
    let (own, says) = match engstrom {
        true => {
            let own = Residual { edge: Edge::Zero, up: Up::Transposed, curved: true, eps: 1e-3, ..Residual::default() };
            (own, "a network for a style, as Engstrom trains it (deeplearn.js)")
        }
        false => {
            let blocks = (1..=MOST_BLOCKS).take_while(|b| found(bag, &format!("res{b}.conv1.conv2d.weight")).is_some());
            let width = |name: &str| found(bag, name).and_then(|array| array.shape.first().copied()).unwrap_or(0);
            let channels = ["conv1", "conv2", "conv3"].map(|name| width(&format!("{name}.conv2d.weight")));
            let own = Residual { blocks: blocks.count(), channels, ..Residual::default() };
            (own, "a network for a style, as PyTorch's examples train it (Johnson's with instance norm)")
        }
    };
    let plans = own.plans();
    let mut arrays = Vec::new();
    for plan in &plans {
        let values = if engstrom { of_engstrom(bag, plan, own.blocks) } else { of_torch(bag, plan) };
        arrays.push((plan.name.clone(), values?));
    }
    Ok(named(Style::Residual(own), arrays, says.into()))
}

/// The filter that Ulyanov's network of Torch7 is.
pub fn of_pyramid(found: Texture) -> Network {
    let Texture { pyramid, arrays, divisor, recognised } = found;
    let painting = Painting { scales: pyramid.scales, third: pyramid.third, sides: pyramid.sides, divisor };
    named(Style::Pyramid(painting), arrays, format!("{recognised}: it paints a picture in a style"))
}

fn named(style: Style, arrays: Vec<(String, Vec<f32>)>, says: String) -> Network {
    Network {
        arch: Arch::Style(style),
        recipe: Recipe::default(),
        classes: Vec::new(),
        arrays,
        critic: Vec::new(),
        recognised: vec![says],
        assumed: Vec::new(),
    }
}

/// An array in PyTorch's layout, as ours.
fn of_torch(bag: &Bag, plan: &Plan) -> Result<Vec<f32>, ReadError> {
    let (layer, part) = plan.name.rsplit_once('.').unwrap_or((&plan.name, ""));
    let (conv, norm) = match layer.split_once('.') {
        Some((block, conv)) => {
            let block = block.replace("block", "res");
            (format!("{block}.{conv}.conv2d"), format!("{block}.{}", conv.replace("conv", "in")))
        }
        None => {
            let (name, norm) = match layer {
                "down1" => ("conv1", "in1"),
                "down2" => ("conv2", "in2"),
                "down3" => ("conv3", "in3"),
                "up1" => ("deconv1", "in4"),
                "up2" => ("deconv2", "in5"),
                _ => ("deconv3", ""),
            };
            (format!("{name}.conv2d"), norm.to_owned())
        }
    };
    // Older files call the norm's arrays otherwise.
    let names = match part {
        "kernel" => vec![format!("{conv}.weight")],
        "bias" => vec![format!("{conv}.bias")],
        "gamma" => vec![format!("{norm}.weight"), format!("{norm}.scale")],
        _ => vec![format!("{norm}.bias"), format!("{norm}.shift")],
    };
    let array = names.iter().find_map(|name| found(bag, name));
    let array = array.ok_or_else(|| ReadError(format!("it is a network for a style that lacks {}", names[0])))?;
    Ok(match (part, plan.shape.as_slice()) {
        ("kernel", [k, _, c, o]) if array.values.len() == plan.len() => {
            turned(&array.values, &[*o, *c, k * k], &[2, 1, 0])
        }
        _ => array.values.clone(),
    })
}

/// An array of Engstrom's: each layer has its kernel, what is added and the factors, one after the other.
fn of_engstrom(bag: &Bag, plan: &Plan, blocks: usize) -> Result<Vec<f32>, ReadError> {
    let (layer, part) = plan.name.rsplit_once('.').unwrap_or((&plan.name, ""));
    if part == "bias" {
        return Ok(vec![0.0; plan.len()]);
    }
    let place = match layer.split_once('.') {
        Some((block, conv)) => {
            let block: usize = block.trim_start_matches("block").parse().unwrap_or(1);
            3 + 2 * (block - 1) + usize::from(conv == "conv2")
        }
        None => match layer {
            "down1" => 0,
            "down2" => 1,
            "down3" => 2,
            "up1" => 3 + 2 * blocks,
            "up2" => 4 + 2 * blocks,
            _ => 5 + 2 * blocks,
        },
    };
    let number = 3 * place + ["kernel", "beta", "gamma"].iter().position(|own| *own == part).unwrap_or(0);
    let name = if number == 0 { "Variable".to_owned() } else { format!("Variable_{number}") };
    let array = found(bag, &name).ok_or_else(|| ReadError(format!("it is a network for a style that lacks {name}")))?;
    Ok(array.values.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pytorchs_names_are_known() {
        let own = Residual::default();
        let mut bag = Bag::default();
        let mut put = |name: &str, shape: Vec<usize>| {
            let values = vec![0.5; shape.iter().product()];
            bag.arrays.push(Array { name: name.into(), shape, values, whole: false });
        };
        for (layer, norm, shape) in [
            ("conv1", "in1", [32, 3, 9, 9]),
            ("conv2", "in2", [64, 32, 3, 3]),
            ("conv3", "in3", [128, 64, 3, 3]),
            ("deconv1", "in4", [64, 128, 3, 3]),
            ("deconv2", "in5", [32, 64, 3, 3]),
            ("deconv3", "", [3, 32, 9, 9]),
        ] {
            put(&format!("{layer}.conv2d.weight"), shape.to_vec());
            put(&format!("{layer}.conv2d.bias"), vec![shape[0]]);
            if !norm.is_empty() {
                put(&format!("{norm}.scale"), vec![shape[0]]);
                put(&format!("{norm}.shift"), vec![shape[0]]);
            }
        }
        for block in 1..=5 {
            for at in 1..=2 {
                put(&format!("res{block}.conv{at}.conv2d.weight"), vec![128, 128, 3, 3]);
                put(&format!("res{block}.conv{at}.conv2d.bias"), vec![128]);
                put(&format!("res{block}.in{at}.weight"), vec![128]);
                put(&format!("res{block}.in{at}.bias"), vec![128]);
            }
        }
        assert!(is_one(&bag));
        let network = network(&bag).unwrap();
        assert_eq!(network.arch, Arch::Style(Style::Residual(own.clone())));
        for (plan, (name, values)) in own.plans().iter().zip(&network.arrays) {
            assert_eq!((&plan.name, plan.len()), (name, values.len()));
        }
        bag.arrays.pop();
        assert!(super::network(&bag).unwrap_err().0.contains("res5.in2"));
    }
}
