//! `flaneur style`: one picture in the style of another (Gatys, Ecker & Bethge 2016).

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};

use super::painting::{Painting, Usual, limited, picture, weight};
use crate::random::RandomState;
use crate::synthesis::colour;
use crate::synthesis::optimise::Method;
use crate::synthesis::run::{Content, Field, Job, Style as Wanted, Weighing, levels};

/// What `flaneur style` takes.
#[derive(Args)]
pub struct Style {
    /// The picture with the content
    content: PathBuf,
    /// The picture with the style, and a second one where there are masks
    #[arg(required = true, num_args = 1..=2)]
    style: Vec<PathBuf>,
    /// Layers, weights, start and search as somebody has them
    #[arg(long, value_enum, default_value_t)]
    recipe: Recipe,
    /// Longest side of the picture
    #[arg(long, value_name = "PIXELS", default_value_t = 512, value_parser = clap::value_parser!(u64).range(32..=2048))]
    size: u64,
    /// Sizes from coarse to fine: 2 makes it at half the size first
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    levels: u8,
    /// Weight of the content [default: the recipe's]
    #[arg(long)]
    content_weight: Option<f64>,
    /// Weight of the style [default: the recipe's]
    #[arg(long)]
    style_weight: Option<f64>,
    /// Weight of the differences between neighbours [default: the recipe's]
    #[arg(long)]
    variation: Option<f64>,
    /// The layer that contents are compared by [default: the recipe's, scale1 of random filters]
    #[arg(long, value_name = "NAME")]
    content_layer: Option<String>,
    /// What it begins with [default: the recipe's]
    #[arg(long, value_enum)]
    start: Option<Start>,
    /// Keep the content's colours
    #[arg(long, value_enum, default_value_t)]
    colours: Colours,
    /// Where the second style is, white on black; the first one is elsewhere
    #[arg(long, value_name = "PICTURE")]
    mask: Option<PathBuf>,
    #[command(flatten)]
    painting: Painting,
}

/// Named choices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Recipe {
    /// VGG-19's conv4_2 and conv1_1 to conv5_1, L-BFGS from the content (leongatys/PytorchNeuralStyleTransfer)
    #[default]
    Gatys,
    /// The lesson's first: the content alone, from noise
    LessonContent,
    /// The lesson's second: twice the content and the style, from noise
    LessonNoise,
    /// The lesson's third: the content, 150 times the style and 30 times the variation, from the content with noise
    Lesson,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Start {
    /// The content
    Content,
    /// Noise
    Noise,
    /// The content with noise over it
    Mixed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Colours {
    /// The style's
    #[default]
    Style,
    /// The content's: the style changes the light alone
    Light,
    /// The content's: the style gets their mean and covariance before
    Matched,
}

/// What a recipe is made of.
struct Parts {
    usual: Usual,
    weighing: Weighing,
    content: &'static str,
    summed: bool,
    /// Of content, style and variation.
    weights: [f64; 3],
    start: Start,
}

/// The lesson's Adam.
const LESSON: Method = Method::Adam { rate: 2e-3, beta1: 0.99, beta2: 0.999, eps: 0.1, clip: None };

impl Recipe {
    fn parts(self) -> Parts {
        let lesson = |weights, start| Parts {
            usual: Usual {
                average: false,
                layers: &["conv1_1", "conv2_1", "conv3_1", "conv4_1"],
                steps: 1000,
                method: LESSON,
            },
            weighing: Weighing::Even,
            content: "conv4_2",
            summed: true,
            weights,
            start,
        };
        match self {
            Self::Gatys => Parts {
                usual: Usual {
                    average: false,
                    layers: &["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"],
                    steps: 300,
                    method: Method::Lbfgs { history: 20 },
                },
                weighing: Weighing::Gatys,
                content: "conv4_2",
                summed: false,
                weights: [1.0, 1.0, 0.0],
                start: Start::Content,
            },
            Self::LessonContent => lesson([1.0, 0.0, 0.0], Start::Noise),
            Self::LessonNoise => lesson([2.0, 1.0, 0.0], Start::Noise),
            Self::Lesson => lesson([1.0, 150.0, 30.0], Start::Mixed),
        }
    }
}

impl Style {
    /// Runs it.
    ///
    /// # Errors
    /// If a picture or weights cannot be read, or nothing can be written.
    pub fn run(self) -> anyhow::Result<()> {
        if self.style.len() == 2 && self.mask.is_none() {
            bail!("two styles need --mask PICTURE: white where the second one is");
        }
        if self.style.len() == 1 && self.mask.is_some() {
            bail!("--mask is for two styles: name a second picture");
        }
        let parts = self.recipe.parts();
        let content_weight = weight("--content-weight", self.content_weight.unwrap_or(parts.weights[0]))?;
        let style_weight = weight("--style-weight", self.style_weight.unwrap_or(parts.weights[1]))?;
        let variation = weight("--variation", self.variation.unwrap_or(parts.weights[2]))?;
        if content_weight + style_weight + variation == 0.0 {
            bail!("all weights are 0: nothing is sought; give --content-weight or --style-weight");
        }
        let most = self.size as usize;
        let content = picture(&self.content)?;
        // As large as asked for, also where the picture is smaller.
        let [h, w] = content.size;
        let side = |v: usize| (v * most / h.max(w)).max(16);
        let content = content.resized([side(h), side(w)]);
        let mut styles = Vec::new();
        for path in &self.style {
            let style = limited(picture(path)?, most);
            styles.push(match self.colours {
                Colours::Style => style,
                Colours::Light => Field { values: colour::light_like(&style.values, &content.values), ..style },
                Colours::Matched => Field { values: colour::matched(&style.values, &content.values), ..style },
            });
        }
        let mask = self.mask.as_ref().map(|path| picture(path)).transpose()?;
        let prepared = self.painting.prepare(&parts.usual)?;
        let vgg = prepared.net.is_vgg();
        let (layer, weighing) = if vgg { (parts.content, parts.weighing) } else { ("scale1", Weighing::Even) };
        // The random filters' features are of another size than VGG's.
        let style_weight = if vgg { style_weight } else { style_weight * RANDOM_STYLE };
        let grey = |field: &Field, turned: bool| {
            let light = colour::light(&field.values);
            let values = light.chunks_exact(3).map(|p| if turned { 1.0 - p[0] } else { p[0] }).collect();
            (values, field.size)
        };
        let count = styles.len();
        let wanted = styles.into_iter().enumerate().map(|(at, picture)| {
            let mask = mask.as_ref().filter(|_| count == 2).map(|mask| grey(mask, at == 0));
            Wanted { picture, mask, weight: style_weight }
        });
        let seen = match self.colours {
            Colours::Light => Field { values: colour::light(&content.values), ..content.clone() },
            _ => content.clone(),
        };
        let all = levels(content.size, usize::from(self.levels), prepared.steps);
        let job = Job {
            net: &prepared.net,
            layers: prepared.layers.clone(),
            named: prepared.named,
            weighing,
            styles: wanted.filter(|_| style_weight > 0.0).collect(),
            content: (content_weight > 0.0).then(|| Content {
                picture: seen.clone(),
                layer: self.content_layer.clone().unwrap_or_else(|| layer.to_owned()),
                weight: content_weight,
                summed: parts.summed && vgg,
            }),
            variation,
            histogram: 0.0,
            spectrum: 0.0,
            tile: false,
            method: prepared.method,
            levels: all.clone(),
        };
        let first = all.first().map_or(content.size, |(size, _)| *size);
        let start = match self.start.unwrap_or(parts.start) {
            Start::Content => seen.resized(first),
            Start::Noise => uniform(first, prepared.seed),
            Start::Mixed => mixed(&seen.resized(first), prepared.seed),
        };
        let light = self.colours == Colours::Light;
        self.painting.paint(&job, start, &prepared, |made| match light {
            true => Field { values: colour::coloured(&made.values, &content.resized(made.size).values), ..made },
            false => made,
        })
    }
}

/// The style's weight beside the content's for random filters.
const RANDOM_STYLE: f64 = 10.0;

/// Even noise of 0..1.
fn uniform(size: [usize; 2], seed: u32) -> Field {
    let mut random = RandomState::new(seed);
    Field { size, values: (0..size[0] * size[1] * 3).map(|_| random.uniform() as f32).collect() }
}

/// A picture with normal noise of mean −0.3 and deviation 0.3 over it, cut to 0..1 (the lesson's).
fn mixed(field: &Field, seed: u32) -> Field {
    let mut random = RandomState::new(seed);
    let one = |v: &f32| (v + (random.normal() * 0.3 - 0.3) as f32).clamp(0.0, 1.0);
    Field { size: field.size, values: field.values.iter().map(one).collect() }
}
