//! Recipes that have a name, and the networks that each is usually for.
//!
//! `dcgan1` to `dcgan4-mod` are the seven sets of options of the report on shoes (DCGAN and StyleGAN2-ADA compared);
//! `lesson-…` are the GANs of lesson 10 of AI-For-Beginners in their PyTorch and TensorFlow forms; `wgan-gp` is that of
//! the three lines.

use super::{CrossEntropy, EnlargeLoss, Epoch, Line, Optimiser, Order, Recipe, TextureLoss};

/// A recipe and its name.
pub struct Named {
    /// What `--recipe` knows it by.
    pub name: &'static str,
    /// Name of the architecture that it is for, where none is given.
    pub arch: &'static str,
    /// What it is, in one sentence.
    pub says: &'static str,
}

/// All recipes that have a name.
pub const RECIPES: [Named; 15] = [
    Named { name: "wgan-gp", arch: "small", says: "that of the three lines: an epoch is one update of the generator" },
    Named { name: "dcgan1", arch: "dcgan-64", says: "the report's first: pictures given as 0..1, 50 epochs" },
    Named { name: "dcgan1-ba", arch: "dcgan-64", says: "dcgan1 with batches of 94" },
    Named { name: "dcgan1-lr", arch: "dcgan-64", says: "dcgan1 with ten times the learning rate" },
    Named { name: "dcgan2", arch: "dcgan-64", says: "pictures given as -1..1, 100 epochs" },
    Named { name: "dcgan3", arch: "dcgan-64", says: "dcgan2 with real pictures labelled 0.9: the one that was kept" },
    Named { name: "dcgan4", arch: "dcgan-64", says: "dcgan3; the discriminator rests where it is far ahead" },
    Named { name: "dcgan4-mod", arch: "dcgan-64", says: "dcgan4 with fake pictures labelled 0.3" },
    Named { name: "lesson-torch", arch: "mlp-mnist", says: "the lesson's GAN of dense layers, in PyTorch" },
    Named { name: "lesson-torch-dcgan", arch: "lesson-torch-dcgan", says: "the lesson's DCGAN for 28x28, in PyTorch" },
    Named { name: "lesson-tf", arch: "lesson-tf", says: "the lesson's GAN of dense layers, in TensorFlow" },
    Named { name: "lesson-tf-dcgan", arch: "lesson-tf-dcgan", says: "the lesson's DCGAN for 28x28, in TensorFlow" },
    Named { name: "texture", arch: "texture", says: "Gutierrez': ten pictures a step, 3000 steps" },
    Named { name: "texture-quick", arch: "texture", says: "four pictures a step, 1200 steps, rates that fall sooner" },
    Named { name: "enlarge", arch: "enlarge", says: "ESRGAN's two phases, 16 parts of pictures a step, 8000 steps" },
];

impl Recipe {
    /// The recipe of that name, or `None`.
    pub fn named(name: &str) -> Option<Self> {
        let two = || Self::cross(CrossEntropy::default());
        let one = || Self::cross(CrossEntropy { epochs: 50, normalised: false, ..CrossEntropy::default() });
        let smooth = || CrossEntropy { real_label: 0.9, ..CrossEntropy::default() };
        let four = || CrossEntropy { freeze_below: Some(0.7), ..smooth() };
        Some(match name {
            "wgan-gp" => Self::default(),
            "dcgan1" => one(),
            "dcgan1-ba" => Self { batch_size: 94, ..one() },
            "dcgan1-lr" => Self { critic_learning_rate: 2e-3, generator_learning_rate: 2e-3, ..one() },
            "dcgan2" => two(),
            "dcgan3" => Self::cross(smooth()),
            "dcgan4" => Self::cross(four()),
            "dcgan4-mod" => Self::cross(CrossEntropy { fake_label: 0.3, ..four() }),
            "lesson-torch" => lesson_torch(CrossEntropy {
                epochs: 100,
                print_every: 10,
                order: Order::GeneratorFirst,
                halved: true,
                ..lesson_torch_losses()
            }),
            "lesson-torch-dcgan" => lesson_torch(CrossEntropy {
                epochs: 50,
                print_every: 5,
                order: Order::GeneratorFirst,
                halved: true,
                // The plot behind the first epoch leaves the generator in `eval()`.
                calm_generator_from: Some(1),
                ..lesson_torch_losses()
            }),
            "lesson-tf" => Self {
                critic_learning_rate: 2e-4,
                generator_learning_rate: 2e-4,
                rate_decay: 8e-9,
                // 16 real and 16 fake pictures are one batch; the generator learns from 32 new z.
                batch_size: 16,
                ..lesson_tf(CrossEntropy {
                    epochs: 3000,
                    print_every: 500,
                    fresh_z: true,
                    generator_batch: 32,
                    ..lesson_tf_losses()
                })
            },
            "lesson-tf-dcgan" => Self {
                critic_learning_rate: 1e-4,
                generator_learning_rate: 1e-4,
                batch_size: 32,
                ..lesson_tf(CrossEntropy {
                    epochs: 1000,
                    print_every: 100,
                    order: Order::RealThenFake,
                    ..lesson_tf_losses()
                })
            },
            "texture" => texture(10, TextureLoss::default()),
            "texture-quick" => texture(4, TextureLoss { epochs: 1200, decay_every: 80, ..TextureLoss::default() }),
            "enlarge" => Self {
                generator_learning_rate: 5e-4,
                critic_learning_rate: 1e-4,
                optimiser: Optimiser::AdamDefault,
                batch_size: 16,
                enlarge: Some(EnlargeLoss::default()),
                ..Self::default()
            },
            _ => return None,
        })
    }

    /// A recipe of the report, but for what its losses are.
    fn cross(own: CrossEntropy) -> Self {
        Self {
            optimiser: Optimiser::AdamTorch,
            batch_size: 64,
            weight_decay: 1e-4,
            cross_entropy: Some(own),
            ..Self::default()
        }
    }

    /// The name of the recipe that an architecture is trained by, where nobody says.
    pub fn usual(arch: &str) -> &'static str {
        match arch {
            "dcgan-64" | "dcgan-128" => "dcgan3",
            "mlp-mnist" => "lesson-torch",
            other => RECIPES.iter().find(|named| named.arch == other).map_or("wgan-gp", |named| named.name),
        }
    }
}

fn texture(batch_size: usize, own: TextureLoss) -> Recipe {
    Recipe {
        generator_learning_rate: 0.1,
        optimiser: Optimiser::AdamDefault,
        batch_size,
        texture: Some(own),
        ..Recipe::default()
    }
}

fn lesson_torch(own: CrossEntropy) -> Recipe {
    Recipe { batch_size: 256, weight_decay: 8e-9, ..Recipe::cross(own) }
}

fn lesson_torch_losses() -> CrossEntropy {
    CrossEntropy { line: Line::LessonTorch, drop_last: true, restless_samples: false, ..CrossEntropy::default() }
}

fn lesson_tf(own: CrossEntropy) -> Recipe {
    Recipe { optimiser: Optimiser::AdamDefault, weight_decay: 0.0, ..Recipe::cross(own) }
}

/// `predict` draws the fakes, and what is not trainable judges with its moving statistics.
fn lesson_tf_losses() -> CrossEntropy {
    CrossEntropy {
        epoch: Epoch::Step,
        line: Line::LessonTf,
        halved: true,
        calm_fakes: true,
        calm_judge: true,
        slices: true,
        restless_samples: false,
        ..CrossEntropy::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::arch::Arch;

    #[test]
    fn every_named_recipe_holds_together_and_has_its_networks() {
        for named in &RECIPES {
            let recipe = Recipe::named(named.name).unwrap();
            recipe.check().unwrap();
            assert_eq!(toml::from_str::<Recipe>(&toml::to_string(&recipe).unwrap()).unwrap(), recipe);
            let arch = Arch::named(named.arch).unwrap();
            assert_eq!(arch.critic().is_some(), recipe.texture.is_none(), "{}", named.name);
        }
        assert_eq!(Recipe::named("wgan"), None);
        assert_eq!((Recipe::usual("dcgan-128"), Recipe::usual("seed-k10")), ("dcgan3", "wgan-gp"));
        assert_eq!((Recipe::usual("lesson-tf-dcgan"), Recipe::usual("mlp-mnist")), ("lesson-tf-dcgan", "lesson-torch"));
    }

    /// The report's table of options.
    #[test]
    fn the_sets_of_options_are_the_reports() {
        let table = [
            ("dcgan1", 50, 64, 2e-4, false, 1.0, 0.0, None),
            ("dcgan1-ba", 50, 94, 2e-4, false, 1.0, 0.0, None),
            ("dcgan1-lr", 50, 64, 2e-3, false, 1.0, 0.0, None),
            ("dcgan2", 100, 64, 2e-4, true, 1.0, 0.0, None),
            ("dcgan3", 100, 64, 2e-4, true, 0.9, 0.0, None),
            ("dcgan4", 100, 64, 2e-4, true, 0.9, 0.0, Some(0.7)),
            ("dcgan4-mod", 100, 64, 2e-4, true, 0.9, 0.3, Some(0.7)),
        ];
        for (name, epochs, batch, rate, normalised, real, fake, freezing) in table {
            let recipe = Recipe::named(name).unwrap();
            let own = recipe.cross_entropy.clone().unwrap();
            let rates = [recipe.critic_learning_rate, recipe.generator_learning_rate];
            assert_eq!((own.epochs, recipe.batch_size, rates), (epochs, batch, [rate; 2]), "{name}");
            assert_eq!(
                (own.normalised, own.real_label, own.fake_label, own.freeze_below),
                (normalised, real, fake, freezing)
            );
            assert!(!own.halved && own.restless_samples && !own.drop_last && recipe.weight_decay == 1e-4);
        }
    }
}
