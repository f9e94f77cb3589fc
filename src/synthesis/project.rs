//! The point of W whose picture is nearest to a given one (Karras et al. 2020, appendix D, as stylegan2-ada-pytorch does
//! it): w and the planes of noise are sought together.
//!
//! Fed by `cli` with a network and a picture; gives w, and the pictures on the way. Absent: files, arguments.

use burn::tensor::{Device, Tensor, TensorData};

use super::SynthesisError;
use super::optimise::{Method, Search};
use super::run::Field;
use crate::latent;
use crate::latent::style::Mapping as _;
use crate::model::features::FeatureNet;
use crate::net::families::stylegan2::StyleGan2;
use crate::net::mapping::Mapping;
use crate::net::params::{Params, floats};
use crate::net::styled::tensors::{Given, Made};
use crate::random::RandomState;

/// w whose mean and deviation are measured, and the seed of the original.
const SAMPLES: usize = 10_000;
const SEED: u32 = 123;
/// Length of Adam's steps, at first.
const RATE: f64 = 0.1;
/// Share of all steps in which it grows, and in which it falls.
const UP: f64 = 0.05;
const DOWN: f64 = 0.25;
/// How far w is shaken at first, in deviations, and the share of steps after which it is not.
const SHAKE: f64 = 0.05;
const SHAKEN: f64 = 0.75;
/// Weight of the planes' regularity.
const REGULARITY: f64 = 1e5;
/// Pictures are compared at this side at most.
const COMPARED: usize = 256;

/// What is sought.
pub struct Job<'a> {
    /// The network.
    pub own: &'a StyleGan2,
    /// Its weights.
    pub params: &'a Params,
    /// What compares.
    pub net: &'a FeatureNet,
    /// Layers of it.
    pub layers: Vec<String>,
    /// The picture, as large as the network's.
    pub target: Field,
    /// A blend of classes `[classes]`.
    pub class: Vec<f64>,
    /// Steps.
    pub steps: usize,
    /// Seed of the shaking.
    pub seed: u32,
}

/// A step that is done.
pub struct Step<'a> {
    /// Which, from 1.
    pub done: usize,
    /// The distance of the pictures, before it.
    pub distance: f64,
    /// The picture `[h, w, 3]` of 0..1, before it.
    pub picture: &'a [f32],
}

/// What was found.
pub struct Found {
    /// `[dim]`.
    pub w: Vec<f32>,
    /// The distance of the first picture and of the last one.
    pub distances: [f64; 2],
    /// Whether it was told to stop.
    pub stopped: bool,
}

/// A layer's features, brought to length 1 in each pixel, as they are compared.
fn compared(net: &FeatureNet, picture: Tensor<4>, layers: &[String]) -> Result<Vec<Tensor<4>>, SynthesisError> {
    let [_, h, w, _] = picture.dims();
    // Whole squares: the largest that fits both sides.
    let factor = (1..=(h.max(w) / COMPARED).max(1)).rev().find(|f| h % f + w % f == 0).unwrap_or(1);
    let picture = match factor {
        1 => picture,
        // Means of squares.
        f => {
            let [n, h, w, c] = picture.dims();
            let lines = picture.reshape([n * h / f, f, w * c]).mean_dim(1);
            lines.reshape([n * h / f * (w / f), f, c]).mean_dim(1).reshape([n, h / f, w / f, c])
        }
    };
    let seen = net.taps(picture, layers)?;
    Ok(seen
        .into_iter()
        .map(|x| {
            let length = (x.clone().powi_scalar(2).sum_dim(3) + 1e-10).sqrt();
            x / length
        })
        .collect())
}

/// Shifted by one pixel along an axis, edges joined.
fn shifted(plane: Tensor<3>, axis: usize) -> Tensor<3> {
    let side = plane.dims()[axis];
    Tensor::cat(vec![plane.clone().narrow(axis, side - 1, 1), plane.narrow(axis, 0, side - 1)], axis)
}

/// How far a plane is from having neighbours that know nothing of each other, on all scales down to 8.
fn regularity(mut plane: Tensor<3>) -> Tensor<1> {
    let mut sum: Option<Tensor<1>> = None;
    loop {
        for axis in [2, 1] {
            let term = (plane.clone() * shifted(plane.clone(), axis)).mean().powi_scalar(2);
            sum = Some(match sum {
                Some(sum) => sum + term,
                None => term,
            });
        }
        let [n, h, w] = plane.dims();
        if h.min(w) <= 8 || h % 2 + w % 2 > 0 {
            break;
        }
        plane = plane
            .reshape([n * h / 2, 2, w])
            .mean_dim(1)
            .reshape([n * h / 2 * (w / 2), 2, 1])
            .mean_dim(1)
            .reshape([n, h / 2, w / 2]);
    }
    sum.unwrap_or_else(|| plane.mean())
}

/// To mean 0 and mean square 1.
fn standard(plane: &mut [f32]) {
    let count = plane.len().max(1) as f64;
    let mean = plane.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
    let square = plane.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
    let factor = 1.0 / (square + 1e-12).sqrt();
    plane.iter_mut().for_each(|v| *v = ((f64::from(*v) - mean) * factor) as f32);
}

/// How long a step is: rising at first, falling at the end by a cosine.
fn rate(share: f64) -> f64 {
    let down = ((1.0 - share) / DOWN).min(1.0);
    let down = 0.5 - 0.5 * (down * std::f64::consts::PI).cos();
    RATE * down * (share / UP).min(1.0)
}

impl Job<'_> {
    /// Searches; `told` hears of each step and says whether to go on.
    ///
    /// # Errors
    /// If a layer is not there for pictures of this size, or numbers are lost on the way.
    pub fn run(&self, device: &Device, told: &mut impl FnMut(&Step) -> bool) -> Result<Found, SynthesisError> {
        let (own, dim) = (self.own, self.own.w_dim);
        let mapping = Mapping::new(own, self.params, Vec::new());
        let (mean, deviation) = self.measured(&mapping);
        let made = Made::new(own, self.params).tracked();
        let blocks = own.blocks();
        let layers: Vec<_> = blocks.iter().flat_map(|block| &block.layers).collect();
        let strengths: Vec<Tensor<3>> = layers
            .iter()
            .map(|layer| self.params.get::<1>(&layer.name, "strength").reshape([1, 1, 1]).autodiff())
            .collect();
        let [h, w] = self.target.size;
        let target = Tensor::from_data(TensorData::new(self.target.values.clone(), [1, h, w, 3]), device);
        let wanted: Vec<Tensor<4>> =
            compared(self.net, target, &self.layers)?.into_iter().map(|x| x.autodiff()).collect();
        let mut random = RandomState::new(self.seed);
        // w, and behind it the planes of noise.
        let sizes: Vec<usize> = layers.iter().map(|layer| layer.size[0] * layer.size[1]).collect();
        let mut x: Vec<f32> = mean.clone();
        for count in &sizes {
            let mut plane: Vec<f32> = random.normals(*count).iter().map(|v| *v as f32).collect();
            standard(&mut plane);
            x.extend(plane);
        }
        let mut search = Search::new(Method::adam(RATE));
        let (mut distances, mut stopped) = ([f64::NAN; 2], false);
        for done in 0..self.steps {
            let share = done as f64 / self.steps as f64;
            let shake = deviation * SHAKE * (1.0 - share / SHAKEN).max(0.0).powi(2);
            let shaken: Vec<f32> = random.normals(dim).iter().map(|v| (v * shake) as f32).collect();
            let mut picture = Vec::new();
            let mut distance = f64::NAN;
            search.set_rate(rate(share));
            let mut function = |x: &[f32]| -> Result<(f64, Vec<f32>), SynthesisError> {
                let point: Tensor<2> = Tensor::from_data(TensorData::new(x[..dim].to_vec(), [1, dim]), device);
                let point = point.autodiff().require_grad();
                let moved: Tensor<2> = Tensor::from_data(TensorData::new(shaken.clone(), [1, dim]), device);
                let all = vec![point.clone() + moved.autodiff(); own.styles()];
                let mut at = dim;
                let mut planes: Vec<Tensor<3>> = Vec::new();
                for (layer, count) in layers.iter().zip(&sizes) {
                    let [h, w] = layer.size;
                    let plane = Tensor::from_data(TensorData::new(x[at..at + count].to_vec(), [1, h, w]), device);
                    planes.push(plane.autodiff().require_grad());
                    at += count;
                }
                let noise: Vec<Option<Tensor<3>>> = planes
                    .iter()
                    .zip(&strengths)
                    .map(|(plane, strength)| Some(plane.clone() * strength.clone()))
                    .collect();
                let drawn = made.draw(blocks.len(), &Given { w: &all, noise: &noise, bends: &[] });
                let shown = colours(drawn, own.picture_channels) * 0.5 + 0.5;
                picture = floats(shown.clone().inner());
                let seen = compared(self.net, shown, &self.layers)?;
                let mut far: Option<Tensor<1>> = None;
                for (own, wanted) in seen.into_iter().zip(&wanted) {
                    let [_, h, w, _] = own.dims();
                    let term = (own - wanted.clone()).powi_scalar(2).sum() / (h * w) as f64;
                    far = Some(match far {
                        Some(far) => far + term,
                        None => term,
                    });
                }
                let Some(far) = far else { return Err(SynthesisError("there is nothing to compare by".into())) };
                distance = floats(far.clone().inner()).first().map_or(f64::NAN, |v| f64::from(*v));
                let mut loss = far;
                for plane in &planes {
                    loss = loss + regularity(plane.clone()) * REGULARITY;
                }
                let value = floats(loss.clone().inner()).first().map_or(f64::NAN, |v| f64::from(*v));
                if !value.is_finite() {
                    return Err(SynthesisError(
                        "the distance is no number any more: the network's pictures have none".into(),
                    ));
                }
                let mut gradients = loss.backward();
                let mut gradient = vec![0.0; dim];
                if let Some(found) = point.grad_remove(&mut gradients) {
                    gradient = floats(found);
                }
                for (plane, count) in planes.iter().zip(&sizes) {
                    let found = plane.grad_remove(&mut gradients).map(floats);
                    gradient.extend(found.unwrap_or_else(|| vec![0.0; *count]));
                }
                Ok((value, gradient))
            };
            search.step(&mut x, &mut function)?;
            let mut at = dim;
            for count in &sizes {
                standard(&mut x[at..at + count]);
                at += count;
            }
            distances = [if done == 0 { distance } else { distances[0] }, distance];
            if !told(&Step { done: done + 1, distance, picture: &picture }) {
                stopped = done + 1 < self.steps;
                break;
            }
        }
        x.truncate(dim);
        Ok(Found { w: x, distances, stopped })
    }

    /// The mean of many w, and how far they are from it.
    fn measured(&self, mapping: &Mapping) -> (Vec<f32>, f64) {
        let mut random = RandomState::new(SEED);
        let dim = self.own.w_dim;
        let all: Vec<Vec<f64>> =
            (0..SAMPLES).map(|_| mapping.w(&random.normals(self.own.z_dim), &self.class)).collect();
        let mut mean = vec![0.0; dim];
        all.iter().for_each(|w| mean.iter_mut().zip(w).for_each(|(mean, v)| *mean += v / SAMPLES as f64));
        let apart: f64 = all.iter().map(|w| w.iter().zip(&mean).map(|(v, mean)| (v - mean).powi(2)).sum::<f64>()).sum();
        (mean.iter().map(|v| *v as f32).collect(), (apart / SAMPLES as f64).sqrt())
    }

    /// The point of a seed, to try it out.
    pub fn w_of(own: &StyleGan2, params: &Params, seed: u32) -> Vec<f64> {
        Mapping::new(own, params, Vec::new()).w(&latent::seed(seed, own.z_dim), &[])
    }
}

/// Three channels: grey ones are repeated, opacity goes.
fn colours(picture: Tensor<4>, channels: usize) -> Tensor<4> {
    match channels {
        1 | 2 => {
            let grey = picture.narrow(3, 0, 1);
            Tensor::cat(vec![grey.clone(), grey.clone(), grey], 3)
        }
        3 => picture,
        _ => picture.narrow(3, 0, 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::style::Style;
    use crate::net::styled::Styled;

    #[test]
    fn a_picture_that_the_network_made_is_found_again() {
        let device = Device::flex();
        let own = StyleGan2 { z_dim: 8, w_dim: 8, channels: vec![16, 12, 8, 8], ..StyleGan2::default() };
        let params = Params::init(&own.plans(), &mut RandomState::new(2), &device);
        let w = Job::w_of(&own, &params, 5);
        let styled = Styled::new(&own, &params, true);
        let row = [vec![0.0; 8], Style { w, ..Style::default() }.numbers()].concat();
        let values = floats(styled.pictures(&[row])).iter().map(|v| (v * 0.5 + 0.5).clamp(0.0, 1.0)).collect();
        let net = FeatureNet::random(&device);
        let layers = vec!["scale0".to_owned(), "scale1".to_owned()];
        let target = Field { size: [32, 32], values };
        let job = Job { own: &own, params: &params, net: &net, layers, target, class: vec![], steps: 40, seed: 303 };
        let mut told = 0;
        let found = job.run(&device, &mut |step| {
            told += 1;
            assert_eq!(step.picture.len(), 32 * 32 * 3);
            true
        });
        let found = found.unwrap();
        assert_eq!((told, found.w.len(), found.stopped), (40, 8, false));
        assert!(found.distances[1] < 0.25 * found.distances[0], "{:?}", found.distances);
    }

    #[test]
    fn pictures_of_any_shape_are_compared() {
        let net = FeatureNet::random(&Device::flex());
        for [h, w] in [[512, 768], [256, 512], [32, 48], [512, 1280]] {
            let picture: Tensor<4> = Tensor::zeros([1, h, w, 3], &Device::flex());
            assert_eq!(compared(&net, picture, &["scale0".to_owned()]).unwrap().len(), 1);
        }
    }

    #[test]
    fn steps_rise_and_fall() {
        assert!(rate(0.0) == 0.0 && (rate(0.5) - RATE).abs() < 1e-12 && rate(0.99) < 0.01 * RATE);
    }
}
