//! The convolutions of VGG-16 or VGG-19 in a file of weights, and how its pictures are prepared.
//!
//! Fed with what the readers give; read by whoever compares features. The names say where the weights are from, and with
//! that what they expect: three conventions with numbers of their own. Absent: dense layers, which nobody here needs.

use super::turned;
use crate::model::import::bag::{Array, Bag, ReadError};
use crate::net::families::texture::MEANS;
use crate::net::families::vgg::Vgg;

/// A network of features with its arrays.
#[derive(Debug)]
pub struct Features {
    /// Layers with weights: 16 or 19.
    pub depth: usize,
    /// Kernel `[3, 3, in, out]` and bias of each convolution, in the order of the network; the first for red, green,
    /// blue.
    pub arrays: Vec<[Vec<f32>; 2]>,
    /// A picture of 0..1 in red, green, blue is multiplied by these,
    pub scale: [f32; 3],
    /// and these are added.
    pub shift: [f32; 3],
    /// What was seen, in a sentence.
    pub recognised: String,
}

/// Means and deviations of red, green, blue of 0..1 (torchvision's).
const TORCH: [[f32; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

/// How arrays are called, and what pictures have to be.
enum Convention {
    /// `conv1_1` or `block1_conv1`: blue, green, red, less a mean.
    Caffe,
    /// `features.0`: red, green, blue by mean and deviation.
    Torchvision,
}

/// Recognises the convolutions of a VGG.
///
/// # Errors
/// If they are not there, or not all of them; the sentence says what is missing.
pub fn features(bag: &Bag) -> Result<Features, ReadError> {
    let torch = bag.arrays.iter().any(|a| a.name.contains("features.0.") && a.shape.len() == 4);
    let convention = if torch { Convention::Torchvision } else { Convention::Caffe };
    if torch && bag.arrays.iter().any(|a| a.name.contains("running_mean")) {
        return Err(ReadError("its VGG has batch norms, which textures are not made with: take vgg16 or vgg19".into()));
    }
    let deep = Vgg { depth: 19, average: true };
    let depth = if find(bag, &convention, "conv3_4", deep).is_some() { 19 } else { 16 };
    let vgg = Vgg { depth, average: true };
    let mut arrays = Vec::new();
    for (name, [channels, filters]) in vgg.convolutions() {
        let Some([kernel, bias]) = find(bag, &convention, &name, vgg) else {
            let first = bag.arrays.first().map_or("nothing", |a| a.name.as_str());
            return Err(ReadError(match arrays.is_empty() {
                true => format!(
                    "it has no convolutions of a VGG: they are called conv1_1, block1_conv1 or features.0, and this \
                     file begins with {first}"
                ),
                false => format!("its VGG ends before {name}: fetch the file with all convolutions"),
            }));
        };
        let expected = [3, 3, channels, filters];
        let values = match kernel.shape.as_slice() {
            shape if shape == expected => kernel.values.clone(),
            shape if shape == [filters, channels, 3, 3] => {
                turned(&kernel.values, &[filters, channels, 3, 3], &[2, 3, 1, 0])
            }
            other => return Err(ReadError(format!("its {name} is {other:?}, and of a VGG it is {expected:?}"))),
        };
        if bias.values.len() != filters {
            return Err(ReadError(format!("the bias of its {name} has {} numbers, not {filters}", bias.values.len())));
        }
        if values.iter().chain(&bias.values).any(|v| !v.is_finite()) {
            return Err(ReadError(format!("its {name} has values that are no numbers: fetch it again")));
        }
        arrays.push([values, bias.values.clone()]);
    }
    let (scale, shift, prepared) = match convention {
        Convention::Caffe => {
            if let Some([kernel, _]) = arrays.first_mut() {
                swap_colours(kernel);
            }
            let [b, g, r] = MEANS;
            ([255.0; 3], [-r, -g, -b], "blue, green, red of 0..255 less their means")
        }
        Convention::Torchvision => {
            let [mean, deviation] = TORCH;
            let scale = deviation.map(|d| 1.0 / d);
            let shift = std::array::from_fn(|c| -mean[c] * scale[c]);
            (scale, shift, "red, green, blue of 0..1 by mean and deviation")
        }
    };
    let recognised = format!("VGG-{depth} ({}); pictures are {prepared}", bag.format);
    Ok(Features { depth, arrays, scale, shift, recognised })
}

/// Kernel and bias of a convolution.
fn find<'a>(bag: &'a Bag, convention: &Convention, name: &str, vgg: Vgg) -> Option<[&'a Array; 2]> {
    let ours: Vec<&Array> = match convention {
        Convention::Torchvision => {
            let word = format!("features.{}.", index(vgg, name)?);
            bag.arrays.iter().filter(|a| a.name.starts_with(&word) || a.name.contains(&format!(".{word}"))).collect()
        }
        Convention::Caffe => {
            let (block, at) = name.strip_prefix("conv")?.split_once('_')?;
            let keras = format!("block{block}_conv{at}");
            let named = |a: &&Array| {
                a.name
                    .split(['.', ':'])
                    .any(|part| part == name || part == keras || part.starts_with(&format!("{keras}_")))
            };
            bag.arrays.iter().filter(named).collect()
        }
    };
    let kernel = ours.iter().find(|a| a.shape.len() == 4)?;
    let bias = ours.iter().find(|a| a.shape.len() == 1)?;
    Some([kernel, bias])
}

/// The place of a convolution in torchvision's list, where curves and pools are counted too.
fn index(vgg: Vgg, name: &str) -> Option<usize> {
    let mut at = 0;
    for (block, count) in vgg.blocks().into_iter().enumerate() {
        for conv in 1..=count {
            if name == format!("conv{}_{conv}", block + 1) {
                return Some(at);
            }
            at += 2;
        }
        at += 1;
    }
    None
}

/// The first kernel `[3, 3, 3, out]` for red, green, blue instead of blue, green, red.
fn swap_colours(kernel: &mut [f32]) {
    let filters = kernel.len() / 27;
    for window in kernel.chunks_exact_mut(3 * filters) {
        let (blue, rest) = window.split_at_mut(filters);
        blue.swap_with_slice(&mut rest[filters..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arrays of a VGG of zeros, but for marks: `[bag of names]`.
    fn bag(names: impl Fn(&str) -> [String; 2], turned: bool) -> Bag {
        let mut bag = Bag { format: "test".into(), ..Bag::default() };
        for (name, [channels, filters]) in (Vgg { depth: 16, average: true }).convolutions().take(13) {
            let shape = if turned { vec![filters, channels, 3, 3] } else { vec![3, 3, channels, filters] };
            let [kernel, bias] = names(&name);
            let mut values = vec![0.0; 9 * channels * filters];
            // Of the first window the last channel of the first filter.
            values[if turned { 9 * (channels - 1) } else { (channels - 1) * filters }] = 1.0;
            bag.arrays.push(Array { name: kernel, shape, values, whole: false });
            bag.arrays.push(Array { name: bias, shape: vec![filters], values: vec![0.5; filters], whole: false });
        }
        bag
    }

    #[test]
    fn conventions_are_known_by_names() {
        let keras = |name: &str| {
            let name = name.replace("conv", "block").replace('_', "_conv");
            [format!("{name}.kernel"), format!("{name}.bias")]
        };
        let vgg = Vgg { depth: 16, average: true };
        let torch =
            |name: &str| ["weight", "bias"].map(|part| format!("features.{}.{part}", index(vgg, name).unwrap()));
        let caffe = |name: &str| ["weight", "bias"].map(|part| format!("{name}.{part}"));
        let found = features(&bag(keras, false)).unwrap();
        assert_eq!((found.depth, found.arrays.len(), found.scale[0]), (16, 13, 255.0));
        // Red stood last there and stands first here.
        assert_eq!((found.arrays[0][0][0], found.arrays[0][0][2 * 64]), (1.0, 0.0));
        assert_eq!(found.arrays[1][0][63 * 64], 1.0);
        let turned = features(&bag(caffe, true)).unwrap();
        assert_eq!(turned.arrays, found.arrays);
        let other = features(&bag(torch, true)).unwrap();
        assert_eq!(other.arrays[0][0][2 * 64], 1.0);
        assert!((other.scale[0] * 0.485 + other.shift[0]).abs() < 1e-6);
    }

    #[test]
    fn what_is_missing_is_named() {
        let caffe = |name: &str| ["weight", "bias"].map(|part| format!("{name}.{part}"));
        let mut cut = bag(caffe, true);
        cut.arrays.truncate(9);
        assert!(features(&cut).unwrap_err().0.contains("conv3_1"), "{:?}", features(&cut).map(|f| f.depth));
        assert!(features(&Bag::default()).unwrap_err().0.contains("block1_conv1"));
        let mut normed = bag(|name| [format!("features.0.{name}.weight"), format!("features.0.{name}.bias")], true);
        normed.arrays.push(Array {
            name: "features.1.running_mean".into(),
            shape: vec![64],
            values: vec![],
            whole: false,
        });
        assert!(features(&normed).unwrap_err().0.contains("batch norms"));
    }
}
