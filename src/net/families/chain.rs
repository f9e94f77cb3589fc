//! Any generator that is a list of layers, as files that people have describe them.
//!
//! What has no family of its own is this: the layers stand in the card one by one. A critic may be missing; then it
//! is played and not trained.

use serde::{Deserialize, Serialize};

use super::{Family, is_no};
use crate::net::layers::{ArchError, Chain, Init, Layer, Shape};

/// A layer and its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// Name under which its arrays are found; empty for a layer without arrays.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The layer.
    #[serde(flatten)]
    pub layer: Layer,
}

/// Layers one by one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layers {
    /// Height, width, channels of a picture.
    pub input_dim: [usize; 3],
    /// Dimensions of z.
    pub z_dim: usize,
    /// Classes, one number each behind z; 0 is none.
    #[serde(default)]
    pub classes: usize,
    /// Whether the discriminator sees the classes as well: one plane of 0 or 1 each behind the channels of a picture
    /// (Mirza & Osindero 2014, arXiv 1411.1784).
    #[serde(default, skip_serializing_if = "is_no")]
    pub conditional: bool,
    /// From z, and classes behind it, to a picture.
    pub generator: Vec<Named>,
    /// From a picture to one number; empty if nothing judges it.
    #[serde(default)]
    pub critic: Vec<Named>,
    /// What the arrays hold before a training.
    #[serde(default)]
    pub init: Init,
}

impl Layers {
    fn chain(&self, input: Shape, layers: &[Named]) -> Chain {
        let layers = layers.iter().map(|Named { name, layer }| (name.clone(), *layer)).collect();
        Chain { input, layers, init: self.init }
    }
}

impl Family for Layers {
    fn name(&self) -> &'static str {
        "chain"
    }

    fn z_dim(&self) -> usize {
        self.z_dim
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn conditional(&self) -> bool {
        self.conditional
    }

    fn picture(&self) -> [usize; 3] {
        self.input_dim
    }

    fn generator(&self) -> Chain {
        self.chain(Shape::Flat(self.z_dim + self.classes), &self.generator)
    }

    fn critic(&self) -> Option<Chain> {
        (!self.critic.is_empty()).then(|| self.chain(self.judged(), &self.critic))
    }

    fn check(&self) -> Result<(), ArchError> {
        let numbers = self.input_dim.iter().chain([&self.z_dim]);
        if numbers.clone().any(|n| !(1..=65_536).contains(n)) || self.classes > 65_536 {
            return Err(ArchError("every size must lie in 1..=65536".into()));
        }
        let mut names: Vec<&str> = Vec::new();
        for list in [&self.generator, &self.critic] {
            names.clear();
            names.extend(list.iter().map(|named| named.name.as_str()).filter(|name| !name.is_empty()));
            names.sort_unstable();
            if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(ArchError(format!("two layers are called \"{}\"; give each its own name", twice[0])));
            }
        }
        Ok(())
    }
}

impl From<Chain> for Vec<Named> {
    fn from(chain: Chain) -> Self {
        chain.layers.into_iter().map(|(name, layer)| Named { name, layer }).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::net::arch::Arch;

    #[test]
    fn layers_are_read_from_a_card_and_written_to_it() {
        let text = r#"
            family = "chain"
            input_dim = [4, 4, 1]
            z_dim = 3

            [[generator]]
            name = "dense"
            kind = "dense"
            units = 8

            [[generator]]
            kind = "activation"
            curve = { leaky_relu = 0.3 }

            [[generator]]
            kind = "reshape"
            shape = [2, 2, 2]

            [[generator]]
            name = "conv"
            kind = "conv_transpose_2d"
            filters = 1
            kernel = 3
            stride = 2
            padding = "same"

            [[generator]]
            kind = "activation"
            curve = "tanh"
        "#;
        let arch: Arch = toml::from_str(text).unwrap();
        arch.check().unwrap();
        assert_eq!(arch.generator().plans().len(), 4);
        let again: Arch = toml::from_str(&toml::to_string(&arch).unwrap()).unwrap();
        assert_eq!(arch, again);
        let wrong = |from: &str, to: &str| match toml::from_str::<Arch>(&text.replace(from, to)) {
            Ok(arch) => arch.check().unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(wrong("units = 8", "units = 9").contains("9 values are no map of 2x2x2"));
        assert!(wrong("kernel = 3", "kernel = 0").contains("layer 3 (conv)"));
        assert!(wrong("[4, 4, 1]", "[5, 4, 1]").contains("4x4"));
        assert!(wrong("name = \"conv\"", "name = \"dense\"").contains("two layers"));
        assert!(wrong("kind = \"dense\"", "kind = \"dance\"").contains("dance"));
    }
}
