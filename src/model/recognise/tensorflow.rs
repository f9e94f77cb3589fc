//! StyleGAN2 of TensorFlow (stylegan2 and stylegan2-ada of NVlabs): its arrays under the names of the PyTorch era.
//!
//! A file holds the generator, the discriminator and the moving average, each with its variables by path
//! (`import::torch` walks them). Kernels are turned, those of doubling layers are mirrored, and the offset of a style is
//! less 1 there. Which network they make is `stylegan2`'s affair.

use super::turned;
use crate::model::import::bag::{Array, Bag, ReadError};
use crate::model::import::source::wrong;

/// Where the three networks of a file lie: the moving average first, then the generator.
const ROOTS: [&str; 3] = ["2.", "", "0."];
/// Where the discriminator lies.
const JUDGE: &str = "1.";

/// Whether a file's arrays are called so.
fn root(bag: &Bag) -> Option<&'static str> {
    let has = |root: &str| bag.get(&format!("{root}synthesis/4x4/Const/const")).is_some();
    ROOTS.into_iter().find(|root| has(root))
}

/// Whether it is a file of TensorFlow.
pub fn is_one(bag: &Bag) -> bool {
    root(bag).is_some()
}

/// How an array becomes one of PyTorch.
#[derive(Clone, Copy)]
enum Way {
    /// As it is.
    Same,
    /// Less its first axes of length 1, so that this many stay.
    Last(usize),
    /// `[in, out]` to `[out, in]`.
    Dense,
    /// `[h, w, in, out]` to `[out, in, h, w]`.
    Kernel,
    /// The same, mirrored.
    Mirrored,
    /// 1 more.
    Above,
}

fn made(array: &Array, way: Way) -> Result<(Vec<usize>, Vec<f32>), ReadError> {
    let shape = &array.shape;
    let odd = || wrong(format!("its {} has the shape {shape:?}, which is no StyleGAN2's", array.name));
    Ok(match (way, shape.as_slice()) {
        (Way::Same, _) => (shape.clone(), array.values.clone()),
        (Way::Above, _) => (shape.clone(), array.values.iter().map(|v| v + 1.0).collect()),
        (Way::Last(count), _) if shape.len() >= count && shape[..shape.len() - count].iter().all(|side| *side == 1) => {
            (shape[shape.len() - count..].to_vec(), array.values.clone())
        }
        (Way::Dense, [i, o]) => (vec![*o, *i], turned(&array.values, shape, &[1, 0])),
        (Way::Kernel, [h, w, i, o]) => (vec![*o, *i, *h, *w], turned(&array.values, shape, &[3, 2, 0, 1])),
        (Way::Mirrored, [h, w, i, o]) => {
            let mut values = turned(&array.values, shape, &[3, 2, 0, 1]);
            values.chunks_exact_mut((h * w).max(1)).for_each(<[f32]>::reverse);
            (vec![*o, *i, *h, *w], values)
        }
        _ => return odd(),
    })
}

/// A variable's name in PyTorch, and how it gets there; none for those that are not needed.
fn of_generator(name: &str) -> Option<(String, Way)> {
    if name == "dlatent_avg" {
        return Some(("mapping.w_avg".into(), Way::Same));
    }
    if let Some(rest) = name.strip_prefix("mapping/") {
        let (layer, part) = rest.rsplit_once('/')?;
        let layer = match layer.strip_prefix("Dense") {
            Some(number) => format!("fc{}", number.parse::<usize>().ok()?),
            None => (layer == "LabelEmbed").then(|| "embed".to_owned())?,
        };
        let way = if part == "weight" { Way::Dense } else { Way::Same };
        return Some((format!("mapping.{layer}.{part}"), way));
    }
    let rest = name.strip_prefix("synthesis/")?;
    if let Some(number) = rest.strip_prefix("noise") {
        let at: usize = number.parse().ok().filter(|at| *at < 64)?;
        let layer = match at {
            0 => "b4.conv1".to_owned(),
            at => format!("b{}.conv{}", 8usize << ((at - 1) / 2), (at - 1) % 2),
        };
        return Some((format!("synthesis.{layer}.noise_const"), Way::Last(2)));
    }
    let mut parts = rest.split('/');
    let (side, layer, part) = (parts.next()?.split_once('x')?.0, parts.next()?, parts.next()?);
    let layer = match layer {
        "Const" => return Some((format!("synthesis.b{side}.const"), Way::Last(3))),
        "Conv" | "Conv1" => "conv1",
        "Conv0_up" => "conv0",
        "ToRGB" => "torgb",
        "Skip" => "skip",
        _ => return None,
    };
    let mirrored = matches!(layer, "conv0" | "skip");
    let (part, way) = match part {
        "weight" if mirrored => ("weight", Way::Mirrored),
        "weight" => ("weight", Way::Kernel),
        "bias" => ("bias", Way::Same),
        "noise_strength" => ("noise_strength", Way::Same),
        "mod_weight" => ("affine.weight", Way::Dense),
        "mod_bias" => ("affine.bias", Way::Above),
        _ => return None,
    };
    Some((format!("synthesis.b{side}.{layer}.{part}"), way))
}

fn of_judge(name: &str) -> Option<(String, Way)> {
    let mut parts = name.split('/');
    let (first, layer) = (parts.next()?, parts.next()?);
    let dense = |part: &str| if part == "weight" { Way::Dense } else { Way::Same };
    let Some((side, _)) = first.split_once('x') else {
        let place = match first {
            "Output" => "b4.out".to_owned(),
            "LabelEmbed" => "mapping.embed".to_owned(),
            _ => format!("mapping.fc{}", first.strip_prefix("Mapping")?.parse::<usize>().ok()?),
        };
        return Some((format!("{place}.{layer}"), dense(layer)));
    };
    let part = parts.next()?;
    let place = match layer {
        "FromRGB" => "fromrgb",
        "Conv0" => "conv0",
        "Conv1_down" => "conv1",
        "Skip" => "skip",
        "Conv" => "conv",
        "Dense0" => return Some((format!("b{side}.fc.{part}"), dense(part))),
        _ => return None,
    };
    Some((format!("b{side}.{place}.{part}"), if part == "weight" { Way::Kernel } else { Way::Same }))
}

/// The arrays under the names of PyTorch.
///
/// # Errors
/// If it is a StyleGAN1, or an array has a shape that cannot be.
pub fn renamed(bag: &Bag) -> Result<Bag, ReadError> {
    let root = root(bag).unwrap_or_default();
    let of_style1 = |array: &Array| array.name.contains("/StyleMod/") || array.name.contains("Noise/weight");
    if bag.arrays.iter().any(of_style1) {
        return wrong("it is a StyleGAN of 2018 (StyleGAN1), another network: only StyleGAN2 is played here");
    }
    let mut arrays = Vec::new();
    for array in &bag.arrays {
        let found = match (array.name.strip_prefix(JUDGE), array.name.strip_prefix(root)) {
            (Some(own), _) if !root.is_empty() => of_judge(own).map(|(name, way)| (format!("D.{name}"), way)),
            (_, Some(own)) => of_generator(own),
            _ => None,
        };
        let Some((name, way)) = found else { continue };
        let (shape, values) = match made(array, way) {
            Ok(made) => made,
            // Without its judge a generator still plays.
            Err(_) if name.starts_with("D.") => continue,
            Err(why) => return Err(why),
        };
        arrays.push(Array { name, shape, values, whole: array.whole });
    }
    Ok(Bag { arrays, ..bag.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_names_of_pytorch() {
        let name = |text: &str| of_generator(text).map(|(name, _)| name);
        for (from, to) in [
            ("dlatent_avg", "mapping.w_avg"),
            ("mapping/Dense7/weight", "mapping.fc7.weight"),
            ("mapping/LabelEmbed/bias", "mapping.embed.bias"),
            ("synthesis/4x4/Const/const", "synthesis.b4.const"),
            ("synthesis/4x4/Conv/mod_bias", "synthesis.b4.conv1.affine.bias"),
            ("synthesis/64x64/Conv0_up/weight", "synthesis.b64.conv0.weight"),
            ("synthesis/64x64/ToRGB/mod_weight", "synthesis.b64.torgb.affine.weight"),
            ("synthesis/noise0", "synthesis.b4.conv1.noise_const"),
            ("synthesis/noise1", "synthesis.b8.conv0.noise_const"),
            ("synthesis/noise4", "synthesis.b16.conv1.noise_const"),
        ] {
            assert_eq!(name(from).as_deref(), Some(to));
        }
        for other in ["lod", "synthesis/noise99", "mapping/Dense/weight", "synthesis/4x4/Conv/other", "x"] {
            assert_eq!(name(other), None, "{other}");
        }
        let judge = |text: &str| of_judge(text).map(|(name, _)| name);
        assert_eq!(judge("8x8/Conv1_down/weight").as_deref(), Some("b8.conv1.weight"));
        assert_eq!(judge("4x4/Dense0/bias").as_deref(), Some("b4.fc.bias"));
        assert_eq!(judge("Output/weight").as_deref(), Some("b4.out.weight"));
        assert_eq!(judge("Mapping3/weight").as_deref(), Some("mapping.fc3.weight"));
        let kernel =
            Array { name: "k".into(), shape: vec![1, 2, 1, 2], values: vec![1.0, 2.0, 3.0, 4.0], whole: false };
        assert_eq!(made(&kernel, Way::Kernel).unwrap(), (vec![2, 1, 1, 2], vec![1.0, 3.0, 2.0, 4.0]));
        assert_eq!(made(&kernel, Way::Mirrored).unwrap().1, [3.0, 1.0, 4.0, 2.0]);
        assert!(made(&kernel, Way::Dense).is_err());
    }
}
