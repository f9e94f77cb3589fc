//! Files that `flaneur export` wrote: they say what their network is.

use serde::{Deserialize, Serialize};

use super::super::import::bag::{Bag, ReadError};
use super::{Network, turned};
use crate::net::arch::Arch;
use crate::net::params::Plan;
use crate::net::recipe::Recipe;

/// What stands beside the arrays, in TOML.
#[derive(Serialize, Deserialize)]
pub struct Note {
    /// Names of the classes.
    #[serde(default)]
    pub classes: Vec<String>,
    /// The networks.
    pub arch: Arch,
    /// How they are trained.
    #[serde(default)]
    pub recipe: Recipe,
}

/// The name that PyTorch's tutorial gives an array of a DCGAN's generator, and how its axes lie there: `axes[i]` is our
/// axis that stands at place i. None where it has no such array.
pub fn torch_name(plan: &Plan) -> Option<(String, &'static [usize])> {
    let (layer, part) = plan.name.rsplit_once('.')?;
    let number = |text: &str| text.strip_prefix("conv_")?.parse::<usize>().ok();
    match (layer.strip_suffix("_norm"), part) {
        // [k, k, out, in] → [in, out, k, k]
        (None, "kernel") => Some((format!("main.{}.weight", 3 * number(layer)?), &[3, 2, 0, 1])),
        (Some(layer), part) => {
            let part = match part {
                "gamma" => "weight",
                "beta" => "bias",
                "moving_mean" => "running_mean",
                _ => "running_var",
            };
            Some((format!("main.{}.{part}", 3 * number(layer)? + 1), &[0]))
        }
        _ => None,
    }
}

/// The network that a file of ours says it is.
///
/// # Errors
/// If it says nothing that can be read.
pub(super) fn network(bag: &Bag, text: &str) -> Result<Network, ReadError> {
    let Note { classes, arch, recipe } = toml::from_str(text)
        .map_err(|e| ReadError(format!("what it says of its network cannot be read: {}", e.message())))?;
    let checked = arch.check().and_then(|()| recipe.check());
    checked.map_err(|why| ReadError(format!("what it says of its network does not hold together: {why}")))?;
    if !classes.is_empty() && classes.len() != arch.classes() {
        let (names, has) = (classes.len(), arch.classes());
        return Err(ReadError(format!("it names {names} classes where its network has {has}: export it again")));
    }
    let mut arrays = Vec::new();
    for plan in arch.generator_plans() {
        let by_torch = torch_name(&plan).and_then(|(name, axes)| Some((bag.get(&name)?, axes)));
        let values = match (bag.get(&plan.name), by_torch) {
            (Some(own), _) => own.values.clone(),
            (None, Some((array, axes))) if array.shape.len() == axes.len() => {
                // The way back: the place of each of our axes.
                let back: Vec<usize> =
                    (0..axes.len()).filter_map(|axis| axes.iter().position(|at| *at == axis)).collect();
                turned(&array.values, &array.shape, &back)
            }
            // That it is missing is said where all are looked at.
            _ => continue,
        };
        arrays.push((plan.name, values));
    }
    let recognised = vec![format!("a network that flaneur exported, of the family {}", arch.family().name())];
    Ok(Network { arch, recipe, classes, arrays, critic: Vec::new(), recognised, assumed: Vec::new() })
}
