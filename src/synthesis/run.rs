//! A picture on its way: what is sought of it, and the search from coarse to fine.
//!
//! Pictures are [`Field`]s of 0..1. Fed by `cli`, which is told each step and says whether to go on.

use std::collections::BTreeSet;

use burn::tensor::{Device, Tensor, TensorData};
use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Rgb};
use rustfft::num_complex::Complex;

use super::SynthesisError;
use super::optimise::{Method, Search, Valued};
use super::pixels::{self, Size};
use crate::model::features::FeatureNet;
use crate::net::gram::{gram, mean_square, products};
use crate::net::params::floats;
use crate::picture::Picture;
use crate::random::RandomState;

/// A picture as numbers: `[h, w, 3]`, 0 to 1 where it can be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Height and width.
    pub size: Size,
    /// Red, green, blue of each pixel.
    pub values: Vec<f32>,
}

impl Field {
    /// The numbers of a picture.
    pub fn of(picture: &Picture) -> Self {
        let values = picture.pixels.iter().map(|v| f32::from(*v) / 255.0).collect();
        Self { size: [picture.height, picture.width], values }
    }

    /// The picture of the numbers; what lies outside of 0..1 is cut.
    pub fn picture(&self) -> Picture {
        let [height, width] = self.size;
        let byte = |v: &f32| (v.clamp(0.0, 1.0) * 255.0).round() as u8;
        Picture { width, height, pixels: self.values.iter().map(byte).collect() }
    }

    /// In another size, by Catmull and Rom's cubic.
    pub fn resized(&self, size: Size) -> Self {
        if size == self.size {
            return self.clone();
        }
        let [h, w] = [self.size, size].map(|[h, w]| [w as u32, h as u32]);
        let Some(image) = ImageBuffer::<Rgb<f32>, Vec<f32>>::from_raw(h[0], h[1], self.values.clone()) else {
            return self.clone();
        };
        Self { size, values: resize(&image, w[0], w[1], FilterType::CatmullRom).into_raw() }
    }

    /// Noise around the middle grey: normal with deviation 0.1, nothing beyond two deviations (the course's start).
    pub fn noise(size: Size, seed: u32) -> Self {
        let mut random = RandomState::new(seed);
        let mut one = || loop {
            let v = random.normal();
            if v.abs() <= 2.0 {
                return (0.5 + 0.1 * v) as f32;
            }
        };
        Self { size, values: (0..size[0] * size[1] * 3).map(|_| one()).collect() }
    }

    fn tensor(&self, device: &Device) -> Tensor<4> {
        let [h, w] = self.size;
        Tensor::from_data(TensorData::new(self.values.clone(), [1, h, w, 3]), device)
    }
}

/// How much each layer counts, by its channels c.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weighing {
    /// 1000 / c² (leongatys/PytorchNeuralStyleTransfer).
    Gatys,
    /// 3 / (layers · c⁴): the course's script, whose sum is divided by c⁴ once more.
    Course,
    /// 1 / layers (the lesson's).
    Even,
}

impl Weighing {
    fn of(self, channels: usize, layers: usize) -> f64 {
        let (c, layers) = (channels as f64, layers.max(1) as f64);
        match self {
            Self::Gatys => 1000.0 / (c * c),
            Self::Course => 3.0 / (layers * c.powi(4)),
            Self::Even => 1.0 / layers,
        }
    }
}

/// A texture or a style that is sought.
pub struct Style {
    /// Where it is seen.
    pub picture: Field,
    /// Where it is sought: one number of 0..1 for each pixel of `size`; none is everywhere.
    pub mask: Option<(Vec<f32>, Size)>,
    /// Weight.
    pub weight: f64,
}

/// A content that is sought.
pub struct Content {
    /// Where it is seen.
    pub picture: Field,
    /// By which layer.
    pub layer: String,
    /// Weight.
    pub weight: f64,
    /// Half of the sum of squares (the lesson's), else their mean (Gatys').
    pub summed: bool,
}

/// What is sought, and how.
pub struct Job<'a> {
    /// What compares.
    pub net: &'a FeatureNet,
    /// Its layers that styles are compared by.
    pub layers: Vec<String>,
    /// Whether a person named them; else those that need larger pictures are left out at small sizes.
    pub named: bool,
    /// How those count.
    pub weighing: Weighing,
    /// Textures and styles.
    pub styles: Vec<Style>,
    /// The content, if one is sought.
    pub content: Option<Content>,
    /// Weights of terms of the pixels.
    pub variation: f64,
    /// The first style's colours.
    pub histogram: f64,
    /// The first style's spectrum.
    pub spectrum: f64,
    /// Left and right join, and top and bottom.
    pub tile: bool,
    /// How it is searched.
    pub method: Method,
    /// Sizes from coarse to fine, with their steps. Styles are as much smaller as the size is than the last one.
    pub levels: Vec<(Size, usize)>,
}

/// A step that is done.
pub struct Step<'a> {
    /// Which size, from 0.
    pub level: usize,
    /// Steps of all sizes so far, and in all.
    pub done: usize,
    /// In all.
    pub of: usize,
    /// What is left to be gained, before the step.
    pub loss: f64,
    /// The picture now.
    pub values: &'a [f32],
    /// Its size.
    pub size: Size,
}

/// What was made.
#[derive(Debug)]
pub struct Made {
    /// The picture.
    pub field: Field,
    /// The losses, one a step.
    pub losses: Vec<f64>,
    /// Whether it was told to stop.
    pub stopped: bool,
}

/// A style at one size.
struct Wanted {
    grams: Vec<Tensor<2>>,
    /// Masks at the size of each layer, whose squares add up to 1.
    masks: Option<Vec<Tensor<4>>>,
    weight: f64,
}

/// What is sought at one size.
struct Goal<'a> {
    job: &'a Job<'a>,
    size: Size,
    /// Layers that styles are compared by at this size, and all that are looked at.
    layers: Vec<String>,
    taps: Vec<String>,
    styles: Vec<Wanted>,
    content: Option<Tensor<4>>,
    sorted: Option<[Vec<f32>; 3]>,
    spectra: Option<[Vec<Complex<f32>>; 3]>,
    device: Device,
}

impl Job<'_> {
    /// Searches from `start`; `told` hears of each step and says whether to go on.
    ///
    /// # Errors
    /// If a layer is not there, a picture too small, or the loss no number any more.
    pub fn run(
        &self,
        start: Field,
        device: &Device,
        told: &mut dyn FnMut(Step) -> bool,
    ) -> Result<Made, SynthesisError> {
        let of = self.levels.iter().map(|(_, steps)| steps).sum();
        let (mut field, mut losses) = (start, Vec::new());
        for (level, (size, steps)) in self.levels.iter().enumerate() {
            field = field.resized(*size);
            let goal = Goal::new(self, *size, device)?;
            let mut search = Search::new(self.method);
            let mut function = |x: &[f32]| goal.value(x);
            for at in 0..*steps {
                let (loss, more) = search.step(&mut field.values, &mut function)?;
                if !loss.is_finite() {
                    let advice = match self.method {
                        Method::Adam { .. } => "take a smaller --rate",
                        Method::Lbfgs { .. } => "take smaller weights",
                    };
                    return Err(SynthesisError(format!("the loss is no number any more: {advice}")));
                }
                losses.push(loss);
                let step = Step { level, done: losses.len(), of, loss, values: &field.values, size: *size };
                if !told(step) {
                    return Ok(Made { field, losses, stopped: true });
                }
                if !more && at > 0 {
                    break;
                }
            }
        }
        Ok(Made { field, losses, stopped: false })
    }
}

impl<'a> Goal<'a> {
    fn new(job: &'a Job<'a>, size: Size, device: &Device) -> Result<Self, SynthesisError> {
        let last = job.levels.last().map_or(size, |(size, _)| *size);
        let share = size[0] as f64 / last[0] as f64;
        let smaller = |field: &Field| {
            let side = |v: usize| ((v as f64 * share).round() as usize).max(1);
            field.resized(field.size.map(side))
        };
        let sizes: Vec<Size> =
            std::iter::once(size).chain(job.styles.iter().map(|style| smaller(&style.picture).size)).collect();
        let fits = |layer: &String| sizes.iter().all(|size| job.net.check(*size, std::slice::from_ref(layer)).is_ok());
        let mut layers = job.layers.clone();
        if !job.named && layers.iter().any(fits) {
            layers.retain(fits);
        }
        let mut taps = layers.clone();
        if let Some(content) = &job.content
            && !taps.contains(&content.layer)
        {
            taps.push(content.layer.clone());
        }
        let mut styles = Vec::new();
        for style in &job.styles {
            let seen = job.net.taps(smaller(&style.picture).tensor(device), &layers)?;
            let grams = seen.into_iter().map(gram).collect();
            let masks = match &style.mask {
                None => None,
                Some((mask, of)) => {
                    // Layers see a picture of this size.
                    let grey = Field { size: *of, values: mask.iter().flat_map(|v| [*v; 3]).collect() };
                    let probe = job.net.taps(Field::noise(size, 0).tensor(device), &layers)?;
                    Some(probe.iter().map(|layer| mask_of(&grey, layer.dims(), device)).collect::<Result<_, _>>()?)
                }
            };
            styles.push(Wanted { grams, masks, weight: style.weight });
        }
        let content = match &job.content {
            None => None,
            Some(content) => {
                let seen =
                    job.net.taps(content.picture.resized(size).tensor(device), std::slice::from_ref(&content.layer))?;
                seen.into_iter().next()
            }
        };
        job.net.check(size, &taps)?;
        let exemplar = job.styles.first().map(|style| smaller(&style.picture));
        let sorted = exemplar.as_ref().filter(|_| job.histogram > 0.0).map(|e| pixels::sorted(&e.values));
        let spectra = exemplar.filter(|_| job.spectrum > 0.0).map(|e| pixels::spectra(&e.resized(size).values, size));
        Ok(Self { job, size, layers, taps, styles, content, sorted, spectra, device: device.clone() })
    }

    /// The loss of a picture and its gradient.
    fn value(&self, x: &[f32]) -> Result<Valued, SynthesisError> {
        let [h, w] = self.size;
        let field: Tensor<4> = Tensor::from_data(TensorData::new(x.to_vec(), [1, h, w, 3]), &self.device);
        let field = field.autodiff().require_grad();
        let seen = if self.job.tile { wrapped(field.clone()) } else { field.clone() };
        let features = self.job.net.taps(seen, &self.taps)?;
        let mut loss: Option<Tensor<1>> = None;
        let mut add = |term: Tensor<1>| loss = Some(loss.take().map_or(term.clone(), |loss| loss + term));
        let layers = self.layers.len();
        for style in &self.styles {
            for (at, (features, wanted)) in features.iter().zip(&style.grams).enumerate() {
                let (channels, weight) = (features.dims()[3], style.weight);
                let own = match &style.masks {
                    None => gram(features.clone()),
                    Some(masks) => products(features.clone() * masks[at].clone().autodiff()),
                };
                let far = mean_square(own, wanted.clone().autodiff());
                add(far * (weight * self.job.weighing.of(channels, layers)));
            }
        }
        if let (Some(wanted), Some(content)) = (&self.content, &self.job.content)
            && let Some(at) = self.taps.iter().position(|tap| *tap == content.layer)
        {
            let wanted = wanted.clone().autodiff();
            let far = match content.summed {
                true => (features[at].clone() - wanted).powi_scalar(2).sum() * 0.5,
                false => mean_square(features[at].clone(), wanted),
            };
            add(far * content.weight);
        }
        let (mut value, mut gradient) = (0.0, vec![0.0; x.len()]);
        if let Some(loss) = loss {
            value = floats(loss.clone().inner()).first().map_or(f64::NAN, |v| f64::from(*v));
            let mut gradients = loss.backward();
            let found = field.grad_remove(&mut gradients).map(floats).unwrap_or_default();
            gradient = if found.len() == x.len() { found } else { gradient };
        }
        let job = self.job;
        if job.variation > 0.0 {
            value += pixels::variation(x, self.size, job.variation, &mut gradient);
        }
        if let Some(sorted) = &self.sorted {
            value += pixels::histogram(x, sorted, job.histogram, &mut gradient);
        }
        if let Some(spectra) = &self.spectra {
            value += pixels::spectrum(x, self.size, spectra, job.spectrum, &mut gradient);
        }
        Ok((value, gradient))
    }
}

/// A mask at the size of a layer, with squares that add up to 1 (Gatys et al. 2017, arXiv 1611.07865, equation 5).
fn mask_of(mask: &Field, [_, h, w, _]: [usize; 4], device: &Device) -> Result<Tensor<4>, SynthesisError> {
    let values: Vec<f32> = mask.resized([h, w]).values.iter().step_by(3).map(|v| v.clamp(0.0, 1.0)).collect();
    let sum: f32 = values.iter().map(|v| v * v).sum();
    if sum < 1e-6 {
        return Err(SynthesisError("a mask is black all over: its style would be seen nowhere".into()));
    }
    let values: Vec<f32> = values.iter().map(|v| v / sum.sqrt()).collect();
    Ok(Tensor::from_data(TensorData::new(values, [1, h, w, 1]), device))
}

/// A picture with a border of what lies at its other side, an eighth of it or 32 pixels.
fn wrapped(x: Tensor<4>) -> Tensor<4> {
    [1, 2].into_iter().fold(x, |x, dim| {
        let side = x.dims()[dim];
        let border = (side / 8).clamp(1, 32).min(side);
        let (before, after) = (x.clone().narrow(dim, side - border, border), x.clone().narrow(dim, 0, border));
        Tensor::cat(vec![before, x, after], dim)
    })
}

/// Sizes from coarse to fine that end with `size`: halved while both sides stay at 64 or more, at most `levels`, each
/// with `steps`.
pub fn levels(size: Size, levels: usize, steps: usize) -> Vec<(Size, usize)> {
    let mut all = vec![(size, steps)];
    let mut at = size;
    while all.len() < levels && at[0].min(at[1]) >= 128 {
        at = at.map(|side| side / 2);
        all.push((at, steps));
    }
    all.reverse();
    all
}

/// Layers by name, each once, in the order in which they are named.
pub fn named(words: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    words.iter().filter(|word| seen.insert((*word).clone())).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripes(size: Size) -> Field {
        let pixel = |at: usize| if ((at % size[1]) / 4).is_multiple_of(2) { [0.9, 0.2, 0.1] } else { [0.1, 0.2, 0.8] };
        Field { size, values: (0..size[0] * size[1]).flat_map(pixel).collect() }
    }

    fn job<'a>(net: &'a FeatureNet, method: Method, tile: bool) -> Job<'a> {
        Job {
            net,
            layers: vec!["scale0".into(), "scale1".into(), "scale4".into()],
            named: false,
            weighing: Weighing::Even,
            styles: vec![Style { picture: stripes([48, 48]), mask: None, weight: 1.0 }],
            content: None,
            variation: 0.0,
            histogram: 0.0,
            spectrum: 0.0,
            tile,
            method,
            levels: vec![([32, 32], 12)],
        }
    }

    #[test]
    fn losses_fall_and_the_colours_become_the_exemplars() {
        let device = Device::flex();
        let net = FeatureNet::random(&device);
        for (method, tile, share) in [(Method::Lbfgs { history: 10 }, false, 0.3), (Method::adam(0.05), true, 0.6)] {
            let mut told = 0;
            let made = job(&net, method, tile)
                .run(Field::noise([32, 32], 1), &device, &mut |step| {
                    told += 1;
                    assert_eq!((step.done, step.of, step.size), (told, 12, [32, 32]));
                    true
                })
                .unwrap();
            let (first, last) = (made.losses[0], *made.losses.last().unwrap());
            assert!(last < first * share, "{:?}", made.losses);
            assert_eq!((made.field.values.len(), made.stopped), (32 * 32 * 3, false));
        }
    }

    #[test]
    fn who_says_stop_gets_the_picture_so_far() {
        let device = Device::flex();
        let net = FeatureNet::random(&device);
        let made =
            job(&net, Method::adam(0.05), false).run(Field::noise([32, 32], 1), &device, &mut |step| step.done < 3);
        let made = made.unwrap();
        assert_eq!((made.losses.len(), made.stopped), (3, true));
    }

    #[test]
    fn levels_end_with_the_size() {
        assert_eq!(levels([256, 512], 3, 10), [([64, 128], 10), ([128, 256], 10), ([256, 512], 10)]);
        assert_eq!(levels([100, 100], 3, 5), [([100, 100], 5)]);
        let noise = Field::noise([10, 7], 3);
        assert!(noise.values.iter().all(|v| (0.3..=0.7).contains(v)));
        assert_eq!(noise.resized([5, 3]).values.len(), 45);
        assert_eq!(Field::of(&noise.picture()).size, [10, 7]);
    }
}
