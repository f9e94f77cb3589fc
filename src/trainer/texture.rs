//! One step of a texture network: it learns that a network sees in its pictures what it sees in the data.
//!
//! Source: Ulyanov, Lebedev, Vedaldi & Lempitsky 2016 (arXiv 1603.03417) as Gutierrez trains Pyramid2D: features' products
//! (`net::gram`) are compared, and the gradient of each layer is divided by its own L1 norm before it flows on. One
//! picture is drawn at a time, because norms see each by itself. Called by `trainer::step`.

use burn::tensor::{Device, Tensor, TensorData};

use super::batches::{Between, Mixture};
use super::losses::{Kind, Losses};
use super::run::TrainError;
use super::step::{State, Stream, Turn};
use crate::dataset::DatasetError;
use crate::dataset::store::Store;
use crate::model::features::FeatureNet;
use crate::net::families::texture::{CHANNELS, Texture};
use crate::net::gram::gram;
use crate::net::params::floats;
use crate::net::recipe::TextureLoss;
use crate::random::RandomState;

/// Pictures of the data that are looked at, at most.
const MOST_SEEN: usize = 16;
/// Pictures that the fixed statistics are measured by after each step.
const MEASURED: usize = 3;

/// What compares, and what it saw in the data: no part of what is learnt.
pub struct Sight {
    net: FeatureNet,
    layers: Vec<String>,
    /// Which data the targets are of.
    of: String,
    targets: Vec<Tensor<2>>,
}

impl Sight {
    /// Opens what a recipe names, and checks that pictures of this size can be compared by it.
    ///
    /// # Errors
    /// If the weights cannot be read, or a layer is not there.
    pub fn open(own: &TextureLoss, texture: &Texture, device: &Device) -> Result<Self, TrainError> {
        let wrong = |why: String| TrainError::Command(format!("the features of {}: {why}", own.features));
        let net = FeatureNet::read(&own.features, false, device).map_err(|e| wrong(e.0))?;
        // Pictures that are too small for the last layers go without them.
        let fits = |layer: &String| net.check(texture.size, std::slice::from_ref(layer)).is_ok();
        let layers = match own.layers.is_empty() {
            true => net.usual().into_iter().filter(fits).collect(),
            false => own.layers.clone(),
        };
        net.check(texture.size, &layers).map_err(|e| wrong(e.0))?;
        if layers.is_empty() {
            return Err(wrong("pictures of this size are too small for all of its layers".into()));
        }
        Ok(Self { net, layers, of: String::new(), targets: Vec::new() })
    }

    /// What it is, in a sentence.
    pub fn says(&self) -> &str {
        &self.net.says
    }

    /// What the layers make of a picture; there are as many as names, which were checked.
    fn seen(&self, picture: Tensor<4>) -> Vec<Tensor<4>> {
        self.net.taps(picture, &self.layers).unwrap_or_default()
    }

    /// The mean of what is seen in pictures of some data.
    fn targets_of(&self, data: &Store, between: &mut Between, device: &Device) -> Result<Vec<Tensor<2>>, DatasetError> {
        let [h, w, c] = data.size();
        let apart = data.len().div_ceil(MOST_SEEN).max(1);
        let chosen: Vec<usize> = (0..data.len()).step_by(apart).collect();
        let mut bytes = Vec::new();
        while let Err(error) = data.read(&chosen, &mut bytes) {
            if !(between.lost)(&error) {
                return Err(error);
            }
        }
        let mut sums: Vec<Tensor<2>> = Vec::new();
        for picture in bytes.chunks_exact(h * w * c) {
            let values: Vec<f32> = picture.iter().map(|v| f32::from(*v) / 255.0).collect();
            let seen = self.seen(Tensor::from_data(TensorData::new(values, [1, h, w, c]), device));
            let found = seen.into_iter().map(|features| gram(features) / chosen.len() as f64);
            sums = match sums.is_empty() {
                true => found.collect(),
                false => sums.into_iter().zip(found).map(|(a, b)| a + b).collect(),
            };
        }
        Ok(sums)
    }

    /// Looks at the data, if it is another than before.
    fn look(&mut self, data: Mixture, between: &mut Between, device: &Device) -> Result<(), DatasetError> {
        let second = data.second.map(|(other, share)| (other, share, other.fingerprint()));
        let of = format!("{} {:?}", data.first.fingerprint(), second.as_ref().map(|(_, share, of)| (share, of)));
        if self.of != of {
            let mut targets = self.targets_of(data.first, between, device)?;
            if let Some((other, share, _)) = second {
                let theirs = self.targets_of(other, between, device)?;
                targets = targets.into_iter().zip(theirs).map(|(a, b)| a * (1.0 - share) + b * share).collect();
            }
            (self.targets, self.of) = (targets, of);
        }
        Ok(())
    }

    /// How far a picture is from the data in each layer, as shares of what was seen there; and the gradient in the picture,
    /// where each layer counts as much as any other.
    fn compare(&self, picture: Tensor<4>) -> (Vec<f32>, Option<Tensor<4>>) {
        let leaf = picture.autodiff().require_grad();
        let mut errors = Vec::new();
        let mut sought: Option<Tensor<1>> = None;
        for (features, target) in self.seen(leaf.clone()).into_iter().zip(&self.targets) {
            let plain = features.clone().inner();
            let [n, h, w, c] = plain.dims();
            let difference = gram(plain.clone()) - target.clone();
            let error = difference.clone().powi_scalar(2).sum() / (target.clone().powi_scalar(2).sum() + 1e-12);
            errors.push(number(error));
            let rows: Tensor<2> = plain.reshape([n * h * w, c]);
            let gradient = rows.matmul(difference);
            let gradient = gradient.clone() / (gradient.abs().sum() + 1e-20).reshape([1, 1]);
            let term = (features * gradient.reshape([n, h, w, c]).autodiff()).sum();
            sought = Some(match sought {
                Some(sum) => sum + term,
                None => term,
            });
        }
        let gradient = sought.and_then(|sought| leaf.grad_remove(&mut sought.backward()));
        (errors, gradient)
    }
}

/// One number of a device.
fn number(value: Tensor<1>) -> f32 {
    floats(value).first().copied().unwrap_or(f32::NAN)
}

impl TextureLoss {
    /// What the learning rate is multiplied by at a step.
    fn factor(&self, step: u64, rate: f64) -> f64 {
        if self.decay_every == 0 || rate <= 0.0 {
            return 1.0;
        }
        let mut factor = 1.0;
        for _ in 0..(step / self.decay_every).min(10_000) {
            if rate * factor <= self.least_rate {
                break;
            }
            factor *= self.decay;
        }
        factor
    }
}

impl State {
    /// One step: some pictures one after the other, and one update by the sum of their gradients. Where somebody wants
    /// something meanwhile it is an update by fewer.
    pub(super) fn texture(
        &mut self,
        own: &TextureLoss,
        data: Mixture,
        between: &mut Between,
        device: &Device,
    ) -> Result<Turn, DatasetError> {
        let Some(texture) = self.arch.texture().cloned() else { return Ok(self.nothing_learnt()) };
        let sight = self.sight.take().map_or_else(|| Sight::open(own, &texture, device), Ok);
        let mut sight = match sight {
            Ok(sight) => sight,
            Err(_) => return Err(DatasetError::Missing((&own.features).into())),
        };
        let looked = sight.look(data, between, device);
        if let Err(error) = looked {
            self.sight = Some(sight);
            return Err(error);
        }
        let mut sums: Vec<Option<Tensor<1>>> = Vec::new();
        let (mut errors, mut apart, mut done) = (vec![0.0; sight.layers.len()], 0.0, 0);
        let mut before: Option<Tensor<4>> = None;
        while done < self.recipe.batch_size as u32 {
            let mut random = self.random(Stream::GeneratorStep, done);
            let inputs = noise(&texture, 1, &mut random, device).into_iter().map(Tensor::autodiff).collect();
            let tracked = self.generator.tracked();
            let drawn = texture.shown(texture.pyramid().draw(&tracked, inputs));
            let picture = drawn.clone().inner();
            let (found, gradient) = sight.compare(picture.clone());
            errors.iter_mut().zip(&found).for_each(|(sum, v)| *sum += v);
            let mut gradient = gradient.unwrap_or_else(|| picture.zeros_like());
            if let Some(before) = before.filter(|_| own.variety > 0.0) {
                // −ln of the distance to the picture before, whose gradient counts as that of a layer does.
                let difference = picture.clone() - before;
                let square = difference.clone().powi_scalar(2).mean();
                apart += number(square).sqrt();
                let whole = difference.clone().abs().sum().reshape([1, 1, 1, 1]) + 1e-20;
                let unit = gradient.clone().abs().sum().reshape([1, 1, 1, 1]);
                gradient = gradient - difference / whole * unit * own.variety;
            }
            before = Some(picture);
            let mut gradients = (drawn * gradient.autodiff()).sum().backward();
            let gradients = tracked.gradients(&mut gradients);
            sums = match sums.is_empty() {
                true => gradients,
                false => sums.into_iter().zip(gradients).map(|(a, b)| a.zip(b).map(|(a, b)| a + b)).collect(),
            };
            done += 1;
            if !(between.updates)(self) {
                break;
            }
        }
        self.sight = Some(sight);
        let mean = |v: f32| v / done as f32;
        let errors: Vec<f32> = errors.into_iter().map(mean).collect();
        let rate = self.generator_moments.rate;
        self.generator_moments.rate = rate * own.factor(self.step, rate);
        self.generator_updated(sums, Vec::new());
        self.generator_moments.rate = rate;
        let mut random = self.random(Stream::Sample, 0);
        let inputs = noise(&texture, MEASURED, &mut random, device);
        self.generator = texture.pyramid().measured(&self.generator, inputs);
        if let Some((average, _)) = &mut self.average {
            let inputs = noise(&texture, MEASURED, &mut random, device);
            *average = texture.pyramid().measured(average, inputs);
        }
        let loss = errors.iter().sum::<f32>() / errors.len().max(1) as f32;
        let at = |place: usize| errors.get(place).or(errors.last()).copied().unwrap_or(0.0);
        let values = [loss, mean(apart), at(0), at(errors.len() / 2), at(errors.len().saturating_sub(1))];
        let losses = Losses { epoch: self.epoch, critic_steps: 0, kind: Kind::Texture, values, diversity: None };
        self.epoch += 1;
        Ok(Turn { losses, ended: Some(losses) })
    }

    /// Networks that are no texture have nothing to learn by such a recipe, which is refused before.
    fn nothing_learnt(&mut self) -> Turn {
        let losses =
            Losses { epoch: self.epoch, critic_steps: 0, kind: Kind::Texture, values: [0.0; 5], diversity: None };
        self.epoch += 1;
        Turn { losses, ended: Some(losses) }
    }
}

/// Even noise for so many pictures, the coarsest scale first.
fn noise(texture: &Texture, count: usize, random: &mut RandomState, device: &Device) -> Vec<Tensor<4>> {
    let sizes = texture.pyramid().sizes(texture.size).unwrap_or_default();
    let plane = |[h, w]: [usize; 2]| {
        let values: Vec<f32> = (0..count * h * w * CHANNELS).map(|_| random.uniform() as f32).collect();
        Tensor::from_data(TensorData::new(values, [count, h, w, CHANNELS]), device)
    };
    sizes.into_iter().map(plane).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::arch::Arch;
    use crate::net::params::floats;
    use crate::net::recipe::Recipe;

    fn stripes(side: usize) -> Vec<u8> {
        (0..side * side).flat_map(|at| if at % side % 8 < 4 { [230, 40, 20] } else { [20, 60, 200] }).collect()
    }

    #[test]
    fn the_gradient_is_that_of_the_errors_where_one_layer_counts() {
        let (device, texture) = (Device::flex(), Texture { size: [32; 2], ..Texture::default() });
        let own = TextureLoss { layers: vec!["scale1".into()], ..TextureLoss::default() };
        let mut sight = Sight::open(&own, &texture, &device).unwrap();
        let data = Store::of_bytes(stripes(32), [32, 32, 3]);
        let mut between = Between { updates: &mut |_| true, lost: &mut |_| false };
        sight.look((&data).into(), &mut between, &device).unwrap();
        let values: Vec<f32> = (0..32 * 32 * 3).map(|at| 0.5 + 0.4 * (at as f32 * 0.7).sin()).collect();
        let picture = |values: &[f32]| Tensor::from_data(TensorData::new(values.to_vec(), [1, 32, 32, 3]), &device);
        let (_, gradient) = sight.compare(picture(&values));
        let gradient = floats(gradient.unwrap());
        // It points where the error grows: a step along it is worth its length.
        let moved = |by: f32| {
            let values: Vec<f32> = values.iter().zip(&gradient).map(|(v, g)| v + by * g).collect();
            sight.compare(picture(&values)).0[0]
        };
        let squares: f32 = gradient.iter().map(|g| g * g).sum();
        let step = 1e-3 / squares.sqrt();
        let along = (moved(step) - moved(-step)) / (2.0 * step * squares.sqrt());
        // Across it, in one pixel: the ratio is that of the gradient there.
        let at = (0..gradient.len()).max_by(|a, b| gradient[*a].abs().total_cmp(&gradient[*b].abs())).unwrap();
        let pixel = |by: f32| {
            let mut values = values.clone();
            values[at] += by;
            sight.compare(picture(&values)).0[0]
        };
        let across = (pixel(2e-3) - pixel(-2e-3)) / 4e-3;
        let expected = along * gradient[at] / squares.sqrt();
        assert!((across / expected - 1.0).abs() < 0.1, "{across} {expected}");
    }

    #[test]
    fn a_few_steps_bring_the_colours_of_the_data() {
        let device = Device::flex();
        let arch = Arch::Texture(Texture { size: [32; 2], ..Texture::default() });
        let own = TextureLoss { layers: vec!["scale0".into(), "scale2".into()], ..TextureLoss::default() };
        let recipe = Recipe { batch_size: 1, texture: Some(own), ..Recipe::named("texture").unwrap() };
        let mut state = State::new(&arch, &recipe, 3, None, &device);
        let data = Store::of_bytes(stripes(32), [32, 32, 3]);
        let losses: Vec<f32> = (0..25).map(|_| state.epoch(&data, 1, &device).unwrap().get("loss").unwrap()).collect();
        assert!(losses[24] < 0.7 * losses[0], "{losses:?}");
        assert_eq!((state.step, state.epoch), (25, 25));
        // Fixed statistics are those of what it draws.
        let moving = state.generator.param("noise1.norm1", "moving_mean").unwrap();
        assert!(moving.values().iter().any(|v| v.abs() > 1e-3));
    }
}
