//! How networks are trained: losses, optimiser, rates and batches, apart from what the networks are.
//!
//! Read from and written to TOML beside an [`super::arch::Arch`]; followed by `trainer`. Those that have a name are in
//! [`named`].

pub mod named;

use serde::{Deserialize, Serialize};

use super::layers::ArchError;

/// Optimisers, by the words the original knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimiser {
    /// Adam with β1 0.5, β2 0.999, in Keras' form.
    Adam,
    /// RMSprop with Keras' defaults (ρ 0.9).
    Rmsprop,
    /// What the original falls back to: Adam with β1 0.9, β2 0.999.
    AdamDefault,
    /// Adam with β1 0.5, β2 0.999, as PyTorch has it (ε 1e-8, beside the corrected root).
    AdamTorch,
}

/// Everything that a training needs to know beside its networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// Step size of the critic's optimiser.
    pub critic_learning_rate: f64,
    /// Step size of the generator's optimiser.
    pub generator_learning_rate: f64,
    /// The optimiser of both networks.
    pub optimiser: Optimiser,
    /// Weight of the gradient penalty in WGAN-GP's loss of the critic; 10 in the paper.
    pub grad_weight: f64,
    /// Real pictures of one update.
    pub batch_size: usize,
    /// This share of the weights is added to their gradients (L2 in the gradient, as `weight_decay` of PyTorch's Adam).
    #[serde(skip_serializing_if = "is_zero")]
    pub weight_decay: f64,
    /// Rates are divided by `1 + rate_decay · steps`, as `decay` of Keras' older optimisers.
    #[serde(skip_serializing_if = "is_zero")]
    pub rate_decay: f64,
    /// The critic is not updated by a batch on which its loss lies below this; absent: it always is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_below: Option<f64>,
    /// The losses of a GAN with cross-entropy, in place of WGAN-GP's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_entropy: Option<CrossEntropy>,
    /// The loss of a texture network, in place of a critic's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub texture: Option<TextureLoss>,
    /// The losses of a network that makes pictures larger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enlarge: Option<EnlargeLoss>,
}

/// What a network that makes pictures larger learns by (Wang et al. 2018, arXiv 1809.00219, in their two phases): first
/// the mean difference to the large picture, then what a network sees in both, a relativistic judge, and a share of the
/// difference. An epoch is one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnlargeLoss {
    /// Steps of a whole training.
    pub epochs: u64,
    /// Steps between two checkpoints with samples.
    pub print_every: u64,
    /// Steps of the first phase.
    pub plain_epochs: u64,
    /// The rate is halved after so many steps each; 0 is never.
    pub halve_every: u64,
    /// What sees: a file of VGG's weights, or "random" for filters that need none.
    pub features: String,
    /// In the second phase, weight of what is seen,
    pub seen: f64,
    /// of the judge,
    pub judged: f64,
    /// and of the difference.
    pub difference: f64,
    /// Pictures whose faults are put on small ones: a folder, zip or picture, or the name of a model; empty is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub faults: String,
}

impl Default for EnlargeLoss {
    fn default() -> Self {
        Self {
            epochs: 8000,
            print_every: 500,
            plain_epochs: 6000,
            halve_every: 3000,
            features: "random".into(),
            seen: 1.0,
            judged: 5e-3,
            difference: 1e-2,
            faults: String::new(),
        }
    }
}

/// What a texture network learns by: what a network sees in its pictures and in the data (Ulyanov et al. 2016, as
/// Gutierrez trains Pyramid2D). An epoch is one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextureLoss {
    /// What sees: a file of VGG's weights, or "random" for filters that need none.
    pub features: String,
    /// By which layers; empty: by those that are usual for what sees.
    pub layers: Vec<String>,
    /// Steps of a whole training.
    pub epochs: u64,
    /// Steps between two checkpoints with samples.
    pub print_every: u64,
    /// The rate is multiplied by this
    pub decay: f64,
    /// after so many steps each; 0 is never.
    pub decay_every: u64,
    /// It is not lowered any more from here on.
    pub least_rate: f64,
    /// How much pictures are driven apart, beside what one layer counts; 0 is not at all.
    #[serde(skip_serializing_if = "is_zero")]
    pub variety: f64,
}

impl Default for TextureLoss {
    /// Gutierrez'.
    fn default() -> Self {
        Self {
            features: "random".into(),
            layers: Vec::new(),
            epochs: 3000,
            print_every: 100,
            decay: 0.8,
            decay_every: 300,
            least_rate: 0.001,
            variety: 0.0,
        }
    }
}

/// A GAN whose discriminator says "real" or "fake" (Goodfellow et al. 2014, with the loss of its section 3 for the
/// generator that does not saturate): `−t ln σ(x) − (1 − t) ln(1 − σ(x))` of scores x and labels t.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrossEntropy {
    /// What an epoch is.
    pub epoch: Epoch,
    /// Epochs of a whole training.
    pub epochs: u64,
    /// Epochs between two checkpoints with samples.
    pub print_every: u64,
    /// The line that is printed for an epoch.
    pub line: Line,
    /// What the discriminator should say of real pictures, and what the generator wants to hear; below 1 it is
    /// one-sided smoothing.
    pub real_label: f64,
    /// What the discriminator should say of fake pictures.
    pub fake_label: f64,
    /// Real pictures are given as −1..1, as the generator makes them, or else as 0..1.
    pub normalised: bool,
    /// The discriminator's loss is the mean of its two parts, not their sum.
    pub halved: bool,
    /// The discriminator is not updated while the mean of its loss in this epoch lies below this share of the
    /// generator's; absent: it always is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freeze_below: Option<f64>,
    /// In which order the networks are updated.
    pub order: Order,
    /// Fakes of the discriminator are drawn with the moving statistics (`predict` of Keras).
    pub calm_fakes: bool,
    /// The discriminator judges for the generator with the moving statistics (its layers are not trainable in Keras).
    pub calm_judge: bool,
    /// The generator is trained with frozen moving statistics from this epoch on, as in a notebook that never goes
    /// back to `train()`; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calm_generator_from: Option<u64>,
    /// The generator is trained on other z than the fakes of the discriminator.
    pub fresh_z: bool,
    /// Pictures of the generator's update; 0: as many as real ones.
    pub generator_batch: usize,
    /// A batch is a slice of neighbouring pictures from a random place, not a part of a random order.
    pub slices: bool,
    /// What is left at the end of a pass, less than a batch, is not used.
    pub drop_last: bool,
    /// Samples are drawn as they are in training, by the statistics of their batch, and calm ones beside them.
    pub restless_samples: bool,
}

/// What an epoch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Epoch {
    /// A pass over all pictures.
    Pass,
    /// One update of each network.
    Step,
}

/// The order of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// One update of the discriminator by real and fake pictures, then the generator.
    DiscriminatorFirst,
    /// The generator, then the discriminator.
    GeneratorFirst,
    /// An update of the discriminator by real pictures, one by fake ones, then the generator.
    RealThenFake,
}

/// Lines that say what an epoch came to, each in the form of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// `=> EPOCH 3 | Time: 46s | D_loss: 0.9164 | …`: the report on shoes.
    Report,
    /// The lesson's PyTorch notebook.
    LessonTorch,
    /// The lesson's TensorFlow notebook, only where samples are made.
    LessonTf,
}

impl Default for CrossEntropy {
    /// The report's second set of options: what the others differ from.
    fn default() -> Self {
        Self {
            epoch: Epoch::Pass,
            epochs: 100,
            print_every: 1,
            line: Line::Report,
            real_label: 1.0,
            fake_label: 0.0,
            normalised: true,
            halved: false,
            freeze_below: None,
            order: Order::DiscriminatorFirst,
            calm_fakes: false,
            calm_judge: false,
            calm_generator_from: None,
            fresh_z: false,
            generator_batch: 0,
            slices: false,
            drop_last: false,
            restless_samples: true,
        }
    }
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
            weight_decay: 0.0,
            rate_decay: 0.0,
            skip_below: None,
            cross_entropy: None,
            texture: None,
            enlarge: None,
        }
    }
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// Settings of a recipe that stood beside those of the networks in the first format of model cards.
pub(super) const KEYS: [&str; 5] =
    ["critic_learning_rate", "generator_learning_rate", "optimiser", "grad_weight", "batch_size"];

/// A recipe from the text of a file: its settings, under `[recipe]` or as they are.
///
/// # Errors
/// If it is none, with what is wrong.
pub fn read(text: &str) -> Result<Recipe, String> {
    let table: toml::Table = toml::from_str(text).map_err(|e| e.to_string())?;
    match table.contains_key("recipe") {
        true => {
            #[derive(Deserialize)]
            struct Inner {
                recipe: Recipe,
            }
            toml::from_str::<Inner>(text).map(|inner| inner.recipe).map_err(|e| e.to_string())
        }
        false => toml::from_str(text).map_err(|e| e.to_string()),
    }
}

impl Recipe {
    /// Epochs of a whole training, where nobody says: the original's 1201 generator updates, or the recipe's own.
    pub fn epochs(&self) -> u64 {
        let own = self.cross_entropy.as_ref().map(|own| own.epochs);
        let own = own.or(self.texture.as_ref().map(|own| own.epochs));
        own.or(self.enlarge.as_ref().map(|own| own.epochs)).unwrap_or(1201)
    }

    /// Epochs between two checkpoints with samples, where nobody says.
    pub fn print_every(&self) -> u64 {
        let own = self.cross_entropy.as_ref().map(|own| own.print_every);
        let own = own.or(self.texture.as_ref().map(|own| own.print_every));
        own.or(self.enlarge.as_ref().map(|own| own.print_every)).unwrap_or(100)
    }

    /// Checks that every number can be meant.
    ///
    /// # Errors
    /// At the first that cannot, in a sentence.
    pub fn check(&self) -> Result<(), ArchError> {
        for (name, rate) in [
            ("critic_learning_rate", self.critic_learning_rate),
            ("generator_learning_rate", self.generator_learning_rate),
            ("grad_weight", self.grad_weight),
            ("weight_decay", self.weight_decay),
            ("rate_decay", self.rate_decay),
        ] {
            if !rate.is_finite() || rate < 0.0 {
                return Err(ArchError(format!("{name} must be a finite number of 0 or more")));
            }
        }
        if self.skip_below.is_some_and(|below| !below.is_finite()) {
            return Err(ArchError("skip_below must be a finite number".into()));
        }
        if let Some(own) = &self.cross_entropy {
            own.check()?;
        }
        if let Some(own) = &self.texture {
            own.check()?;
            if self.cross_entropy.is_some() {
                return Err(ArchError("a recipe has either cross_entropy or texture".into()));
            }
        }
        if let Some(own) = &self.enlarge {
            own.check()?;
            if self.cross_entropy.is_some() || self.texture.is_some() {
                return Err(ArchError("a recipe has one of cross_entropy, texture and enlarge".into()));
            }
        }
        match (1..=65_536).contains(&self.batch_size) {
            true => Ok(()),
            false => Err(ArchError("batch_size must lie in 1..=65536".into())),
        }
    }
}

impl TextureLoss {
    fn check(&self) -> Result<(), ArchError> {
        let rates = [("decay", self.decay), ("least_rate", self.least_rate), ("variety", self.variety)];
        if let Some((name, _)) = rates.into_iter().find(|(_, v)| !v.is_finite() || *v < 0.0) {
            return Err(ArchError(format!("{name} must be a finite number of 0 or more")));
        }
        match self.print_every {
            0 => Err(ArchError("print_every must be 1 or more".into())),
            _ => Ok(()),
        }
    }
}

impl EnlargeLoss {
    fn check(&self) -> Result<(), ArchError> {
        let weights = [("seen", self.seen), ("judged", self.judged), ("difference", self.difference)];
        if let Some((name, _)) = weights.into_iter().find(|(_, v)| !v.is_finite() || *v < 0.0) {
            return Err(ArchError(format!("{name} must be a finite number of 0 or more")));
        }
        match self.print_every {
            0 => Err(ArchError("print_every must be 1 or more".into())),
            _ => Ok(()),
        }
    }
}

impl CrossEntropy {
    fn check(&self) -> Result<(), ArchError> {
        for (name, label) in [("real_label", self.real_label), ("fake_label", self.fake_label)] {
            if !(0.0..=1.0).contains(&label) {
                return Err(ArchError(format!("{name} must lie in 0..=1, not {label}")));
            }
        }
        if self.freeze_below.is_some_and(|share| !share.is_finite() || share < 0.0) {
            return Err(ArchError("freeze_below must be a finite number of 0 or more".into()));
        }
        if self.freeze_below.is_some() && self.order == Order::RealThenFake {
            return Err(ArchError(
                "freeze_below goes with one update of the discriminator, not with real_then_fake".into(),
            ));
        }
        if self.generator_batch > 65_536 {
            return Err(ArchError("generator_batch must lie in 0..=65536".into()));
        }
        match self.print_every {
            0 => Err(ArchError("print_every must be 1 or more".into())),
            _ => Ok(()),
        }
    }
}
