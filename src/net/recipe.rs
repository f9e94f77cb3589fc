//! How networks are trained: losses, optimiser, rates and batches, apart from what the networks are.
//!
//! Read from and written to TOML beside an [`super::arch::Arch`]; followed by `trainer`.

use serde::{Deserialize, Serialize};

use super::layers::ArchError;

/// Optimisers, by the words the original knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimiser {
    /// Adam with β1 0.5, β2 0.999.
    Adam,
    /// RMSprop with Keras' defaults (ρ 0.9).
    Rmsprop,
    /// What the original falls back to: Adam with β1 0.9, β2 0.999.
    AdamDefault,
}

/// Everything that a training needs to know beside its networks: WGAN-GP's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// Step size of the critic's optimiser.
    pub critic_learning_rate: f64,
    /// Step size of the generator's optimiser.
    pub generator_learning_rate: f64,
    /// The optimiser of both networks.
    pub optimiser: Optimiser,
    /// Weight of the gradient penalty in the critic's loss; 10 in the paper.
    pub grad_weight: f64,
    /// Pictures of one update.
    pub batch_size: usize,
}

impl Default for Recipe {
    /// That of the three lines.
    fn default() -> Self {
        Self {
            critic_learning_rate: 2e-4,
            generator_learning_rate: 2e-4,
            optimiser: Optimiser::Adam,
            grad_weight: 10.0,
            batch_size: 16,
        }
    }
}

/// Settings of a recipe that stood beside those of the networks in the first format of model cards.
pub(super) const KEYS: [&str; 5] =
    ["critic_learning_rate", "generator_learning_rate", "optimiser", "grad_weight", "batch_size"];

impl Recipe {
    /// Checks that every number can be meant.
    ///
    /// # Errors
    /// At the first that cannot, in a sentence.
    pub fn check(&self) -> Result<(), ArchError> {
        for (name, rate) in [
            ("critic_learning_rate", self.critic_learning_rate),
            ("generator_learning_rate", self.generator_learning_rate),
            ("grad_weight", self.grad_weight),
        ] {
            if !rate.is_finite() || rate < 0.0 {
                return Err(ArchError(format!("{name} must be a finite number of 0 or more")));
            }
        }
        match (1..=65_536).contains(&self.batch_size) {
            true => Ok(()),
            false => Err(ArchError("batch_size must lie in 1..=65536".into())),
        }
    }
}
