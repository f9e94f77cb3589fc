//! `flaneur texture`: textures from one picture (Gatys, Ecker & Bethge 2015).

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Size;
use super::painting::{MOST_SIDE, Painting, Usual, limited, picture, sides, weight};
pub use super::texture_draw::Draw;
use crate::synthesis::optimise::Method;
use crate::synthesis::run::{Field, Job, Style, Weighing, levels};

/// What `flaneur texture` does.
#[derive(Subcommand)]
pub enum Texture {
    /// Make a new picture with the texture of another one
    From(Box<From>),
    /// Draw with a texture network: a picture, a way between two noises, or a picture in its style
    Draw(Box<Draw>),
}

/// What `flaneur texture from` takes.
#[derive(Args)]
pub struct From {
    /// The picture with the texture
    picture: PathBuf,
    /// Layers, weights and search as somebody has them
    #[arg(long, value_enum, default_value_t)]
    recipe: Recipe,
    /// Width and height
    #[arg(long, value_name = "WxH", default_value = "256x256")]
    size: Size,
    /// Longest side at which the exemplar is looked at, at most 2048; 0 is its own
    #[arg(long, value_name = "PIXELS", default_value_t = 256)]
    exemplar: usize,
    /// Sizes from coarse to fine, each half of the next
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=6))]
    levels: u8,
    /// Begin with this picture instead of noise
    #[arg(long, value_name = "PICTURE")]
    start: Option<PathBuf>,
    /// Left and right join, and top and bottom
    #[arg(long)]
    tile: bool,
    /// Weight of the exemplar's colours, 0 is none
    #[arg(long, default_value_t = 0.0)]
    histogram: f64,
    /// Weight of the exemplar's spectrum, 0 is none
    #[arg(long, default_value_t = 0.0)]
    spectrum: f64,
    /// A sheet of what each layer is for: the exemplar, by the first layer alone, by the first two and so on, and without
    /// the first ones, down to the last alone
    #[arg(long, conflicts_with = "film")]
    study: bool,
    #[command(flatten)]
    painting: Painting,
}

/// Named choices.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Recipe {
    /// conv1_1 to conv5_1, weights 1000/c², L-BFGS (leongatys/PytorchNeuralStyleTransfer)
    #[default]
    Gatys,
    /// conv1_1, pool2, pool3, pool4, conv5_1, weights 1/c⁴, means between the blocks, Adam with clipped gradients
    Course,
}

const GATYS: Usual = Usual {
    average: false,
    layers: &["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"],
    steps: 100,
    method: Method::Lbfgs { history: 20 },
};
const COURSE: Usual = Usual {
    average: true,
    layers: &["conv1_1", "pool2", "pool3", "pool4", "conv5_1"],
    steps: 2000,
    method: Method::Adam { rate: 0.02, beta1: 0.9, beta2: 0.999, eps: 1e-8, clip: Some(1.0) },
};

impl Texture {
    /// Runs it.
    ///
    /// # Errors
    /// If a picture or weights cannot be read, or nothing can be written.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::From(from) => from.run(),
            Self::Draw(draw) => draw.run(),
        }
    }
}

impl From {
    fn run(self) -> anyhow::Result<()> {
        let (usual, weighing) = match self.recipe {
            Recipe::Gatys => (&GATYS, Weighing::Gatys),
            Recipe::Course => (&COURSE, Weighing::Course),
        };
        let size = sides(self.size)?;
        let exemplar = picture(&self.picture)?;
        let most = if self.exemplar == 0 { MOST_SIDE } else { self.exemplar.clamp(16, MOST_SIDE) };
        let exemplar = limited(exemplar, most);
        let [histogram, spectrum] = [weight("--histogram", self.histogram)?, weight("--spectrum", self.spectrum)?];
        let begun = self.start.as_ref().map(|path| picture(path)).transpose()?;
        let prepared = self.painting.prepare(usual)?;
        // The random filters have no weights that are anybody's.
        let weighing = if prepared.net.is_vgg() { weighing } else { Weighing::Even };
        let all = levels(size, usize::from(self.levels), prepared.steps);
        let job = |layers: &[String]| Job {
            net: &prepared.net,
            layers: layers.to_vec(),
            named: prepared.named,
            weighing,
            styles: vec![Style { picture: exemplar.clone(), mask: None, weight: 1.0 }],
            content: None,
            variation: 0.0,
            histogram,
            spectrum,
            tile: self.tile,
            method: prepared.method,
            levels: all.clone(),
        };
        let first = all.first().map_or(size, |(size, _)| *size);
        let start = begun.map_or_else(|| Field::noise(first, prepared.seed), |field| field.resized(first));
        if !self.study {
            return self.painting.paint(&job(&prepared.layers), start, &prepared, |made| made);
        }
        // From the first layer on, one more each time; then without the first ones, down to the last alone.
        let all = &prepared.layers;
        let sets = (1..=all.len()).map(|count| &all[..count]).chain((1..all.len()).map(|from| &all[from..]));
        let sets: Vec<&[String]> = sets.collect();
        let jobs: Vec<Job> = sets.iter().map(|layers| job(layers)).collect();
        let mut names = vec!["the exemplar".to_owned()];
        names.extend(sets.iter().map(|layers| layers.join("+")));
        self.painting.study(&jobs, &start, &prepared, exemplar.resized(size).picture(), &names)
    }
}
