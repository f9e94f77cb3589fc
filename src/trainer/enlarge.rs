//! One step of a network that makes pictures larger: it learns from pairs of small and large pictures.
//!
//! Source: Wang et al. 2018 (arXiv 1809.00219). First the mean difference; then what a network sees (`model::features`), the
//! relativistic average judge of Jolicoeur-Martineau 2018 (arXiv 1807.00734), and a share of the difference. Called by
//! `trainer::step`; the pairs are `trainer::pairs`'. The last pictures of the data are never learnt from: signal to noise,
//! distance and samples are of them.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use super::batches::{Between, Mixture};
use super::losses::{Kind, Losses};
use super::pairs::{Cutter, Faults, Pair};
use super::run::TrainError;
use super::step::{State, Stream, Turn, scalar};
use crate::dataset::DatasetError;
use crate::dataset::album::{Album, decoded};
use crate::dataset::store::Store;
use crate::latent;
use crate::model::features::FeatureNet;
use crate::model::{self, Model};
use crate::net::critic;
use crate::net::enlarge::{CHANNELS, Layout};
use crate::net::families::compact::JUDGED;
use crate::net::params::floats;
use crate::net::recipe::EnlargeLoss;
use crate::picture::Picture;
use crate::random::RandomState;

/// Pictures that are not learnt from, at most; of few pictures one in four.
const HELD: usize = 12;
/// Pictures whose faults are taken at most, and the side of the middle of each that is looked at.
const FAULTY: usize = 64;
const FAULTY_SIDE: usize = 512;
/// Least value of a mean square, for decibels: 60 of them.
const SMALLEST: f32 = 1e-6;

/// What a training is measured by, and the faults that it puts on pictures: no part of what is learnt.
pub struct Beside {
    net: FeatureNet,
    layers: Vec<String>,
    faults: Faults,
    held: Vec<Pair>,
    /// Which data those are of.
    of: String,
    /// Signal to noise and distance as they were measured last.
    measured: [f32; 2],
}

/// Pictures that are not learnt from.
fn held(count: usize) -> usize {
    (count / 4).min(HELD)
}

/// Pictures of a folder, a zip or a file; or of a model: of its first seeds, and the samples of its training, if they are
/// there.
fn faulty(name: &str, device: &Device) -> Result<Vec<Picture>, String> {
    if name.is_empty() {
        return Ok(Vec::new());
    }
    let path = Path::new(name);
    if !path.exists() || path.join("model.toml").is_file() {
        let model = Model::read(name, device).map_err(|e| e.to_string())?;
        let z = |seed: usize| latent::seed(seed as u32, model.card.z_dim).iter().map(|v| *v as f32).collect();
        let rows: Vec<Vec<f32>> = (0..FAULTY).map(z).collect();
        let ready = model.ready(false);
        let bytes: Vec<u8> = rows.chunks(16).flat_map(|rows| ready.bytes(rows)).collect();
        let mut pictures = Picture::batch(bytes, model.card.arch.picture());
        if let Ok(kept) = Album::open(&model::folder(name).join("training")) {
            pictures.extend(read_pictures(kept, |name| name.starts_with("sample"))?);
        }
        return Ok(pictures);
    }
    read_pictures(Album::open(path).map_err(|e| e.to_string())?, |_| true)
}

/// Pictures of an album whose files are called as it is wanted, as many as are taken.
fn read_pictures(mut album: Album, wanted: impl Fn(&str) -> bool) -> Result<Vec<Picture>, String> {
    let called = |at: &usize| album.place(*at).file_name().is_some_and(|name| wanted(&name.to_string_lossy()));
    let chosen: Vec<usize> = (0..album.len()).filter(called).take(FAULTY).collect();
    let mut pictures = Vec::new();
    for at in chosen {
        let bytes = album.bytes(at).map_err(|bad| format!("{}: {}", bad.name, bad.why))?;
        let image = decoded(&bytes).map_err(|why| format!("{}: {why}", album.place(at).display()))?;
        let [w, h] = [image.width(), image.height()].map(|side| side.min(FAULTY_SIDE as u32));
        let image = image.crop_imm((image.width() - w) / 2, (image.height() - h) / 2, w, h).into_rgb8();
        let (width, height) = (image.width() as usize, image.height() as usize);
        pictures.push(Picture { width, height, pixels: image.into_raw() });
    }
    Ok(pictures)
}

impl Beside {
    /// Opens what a recipe names.
    ///
    /// # Errors
    /// If weights or pictures cannot be read, or have no faults of a size that is wanted.
    pub fn open(own: &EnlargeLoss, layout: &Layout, device: &Device) -> Result<Self, TrainError> {
        let wrong = |what: &str, why: String| TrainError::Command(format!("{what}: {why}"));
        let net = FeatureNet::read(&own.features, false, device).map_err(|e| wrong(&own.features, e.0))?;
        // Fine forms: what is seen on the first scales, or, of VGG, in the middle of it.
        let layers = if net.is_vgg() { vec!["conv3_1".into()] } else { vec!["scale0".into(), "scale1".into()] };
        let pictures = faulty(&own.faults, device).map_err(|why| wrong(&own.faults, why))?;
        let faults = Faults::of(&pictures, JUDGED / layout.scale());
        if faults.is_empty() && !own.faults.is_empty() {
            let least = JUDGED / layout.scale();
            return Err(wrong(&own.faults, format!("there is no picture of at least {least} pixels each way")));
        }
        Ok(Self { net, layers, faults, held: Vec::new(), of: String::new(), measured: [0.0; 2] })
    }

    /// What it is, in a sentence.
    pub fn says(&self) -> &str {
        &self.net.says
    }

    /// How far what is seen in two batches is apart: the mean over the layers of the mean absolute difference.
    fn apart(&self, one: Tensor<4>, other: Tensor<4>) -> Tensor<1> {
        let taps = |pictures: Tensor<4>| self.net.taps(pictures, &self.layers).unwrap_or_default();
        let other = taps(if other.is_autodiff() { other.inner() } else { other });
        let mut sum: Option<Tensor<1>> = None;
        for (a, b) in taps(one).into_iter().zip(other) {
            let b = if a.is_autodiff() { b.autodiff() } else { b };
            let part = (a - b).abs().mean() / self.layers.len() as f64;
            sum = Some(match sum {
                Some(sum) => sum + part,
                None => part,
            });
        }
        sum.unwrap_or_else(|| Tensor::zeros([1], &Device::default()))
    }

    /// Cuts the pictures that are not learnt from, if the data are others than before; whether they are.
    fn look(&mut self, data: &Store, cutter: [usize; 2]) -> Result<bool, DatasetError> {
        let of = data.fingerprint();
        if self.of == of {
            return Ok(false);
        }
        let [h, w, _] = data.size();
        let (count, [side, scale]) = (data.len(), cutter);
        let last: Vec<usize> = (count - held(count).max(1)..count).collect();
        let mut bytes = Vec::new();
        data.read(&last, &mut bytes)?;
        let cutter = Cutter { size: [h, w], side, scale, faults: &self.faults };
        let mut random = RandomState::new(1);
        let pictures = bytes.chunks_exact(h * w * CHANNELS).enumerate();
        self.held = pictures.map(|(at, picture)| cutter.fixed(picture, at % 2 == 1, &mut random)).collect();
        self.of = of;
        Ok(true)
    }
}

/// Pairs as two batches.
fn batches(pairs: &[Pair], side: usize, scale: usize, device: &Device) -> [Tensor<4>; 2] {
    let of = |side: usize, part: &dyn Fn(&Pair) -> &Vec<f32>| {
        let values: Vec<f32> = pairs.iter().flat_map(|pair| part(pair).iter().copied()).collect();
        Tensor::from_data(TensorData::new(values, [pairs.len(), side, side, CHANNELS]), device)
    };
    [of(side / scale, &|pair| &pair.small), of(side, &|pair| &pair.large)]
}

/// `ln(1 + eˣ)`, which no score overflows.
fn softplus(x: Tensor<1>) -> Tensor<1> {
    x.clone().clamp_min(0.0) + x.abs().neg().exp().add_scalar(1.0).log()
}

/// The relativistic average loss of scores: that `one` lies above the mean of `other`, and `other` below that of `one`.
fn relativistic(one: Tensor<1>, other: Tensor<1>) -> Tensor<1> {
    let above = |a: Tensor<1>, b: Tensor<1>| a - b.mean();
    (softplus(above(one.clone(), other.clone()).neg()).mean() + softplus(above(other, one)).mean()) * 0.5
}

impl State {
    /// The list of convolutions, the side of large parts, and how many times smaller the small ones are.
    fn enlarging(&self) -> (Layout, usize, usize) {
        let layout = self.arch.enlarger().unwrap_or_else(|| Layout {
            unshuffled: 1,
            steps: Vec::new(),
            shuffled: 1,
            added: true,
            brightest: 1.0,
            start: 1.0,
        });
        let scale = layout.scale();
        (layout, JUDGED / scale * scale, scale)
    }

    /// One step.
    pub(super) fn enlarge(
        &mut self,
        own: &EnlargeLoss,
        data: Mixture,
        between: &mut Between,
        device: &Device,
    ) -> Result<Turn, DatasetError> {
        let (layout, side, scale) = self.enlarging();
        let data = data.first;
        let mut beside = match self.beside.take() {
            Some(beside) => beside,
            None => {
                let opened = Beside::open(own, &layout, device);
                opened.map_err(|_| DatasetError::Missing((&own.features).into()))?
            }
        };
        let looked = beside.look(data, [side, scale]);
        let pairs = looked.and_then(|new| Ok((new, self.pairs(&beside, data, [side, scale], between)?)));
        let (new, pairs) = match pairs {
            Ok(pairs) => pairs,
            Err(error) => {
                self.beside = Some(beside);
                return Err(error);
            }
        };
        let [small, large] = batches(&pairs, side, scale, device);
        let tracked = self.generator.tracked();
        let made = layout.run(&tracked, small.autodiff());
        let constant = large.clone().autodiff();
        let difference = (made.clone() - constant.clone()).abs().mean();
        let mut values = [0.0, 0.0, scalar(difference.clone()), 0.0, 0.0];
        let second = self.epoch >= own.plain_epochs;
        let loss = match second {
            false => difference,
            true => {
                values[0] = self.judge_updated(large.clone(), made.clone().inner());
                let judge = self.judge();
                let critic = self.constant_critic();
                let score = |pictures| critic::score(&judge, &critic, pictures, &Vec::new());
                let judged = relativistic(score(made.clone()), score(constant));
                values[1] = scalar(judged.clone());
                let seen = beside.apart(made, large);
                seen * own.seen + judged * own.judged + difference * own.difference
            }
        };
        let mut gradients = loss.backward();
        let rate = self.generator_moments.rate;
        let halvings = self.step.checked_div(own.halve_every).unwrap_or(0);
        self.generator_moments.rate = rate * 0.5_f64.powi(halvings.min(60) as i32);
        self.generator_updated(tracked.gradients(&mut gradients), Vec::new());
        self.generator_moments.rate = rate;
        if new || self.epoch.is_multiple_of(own.print_every.max(1)) {
            beside.measured = self.measured(&beside, [side, scale], device);
        }
        [values[3], values[4]] = beside.measured;
        self.beside = Some(beside);
        (between.updates)(self);
        let critic_steps = u32::from(second);
        let losses = Losses { epoch: self.epoch, critic_steps, kind: Kind::Enlarge, values, diversity: None };
        self.epoch += 1;
        Ok(Turn { losses, ended: Some(losses) })
    }

    /// Pairs of one step, by chance from all pictures but the last.
    fn pairs(
        &self,
        beside: &Beside,
        data: &Store,
        [side, scale]: [usize; 2],
        between: &mut Between,
    ) -> Result<Vec<Pair>, DatasetError> {
        let [h, w, _] = data.size();
        let count = self.recipe.batch_size;
        let mut random = self.random(Stream::GeneratorStep, 0);
        let all = (data.len() - held(data.len())).max(1);
        let chosen: Vec<usize> = (0..count).map(|_| random.below(all)).collect();
        let mut bytes = Vec::new();
        while let Err(error) = data.read(&chosen, &mut bytes) {
            if !(between.lost)(&error) {
                return Err(error);
            }
        }
        let cutter = Cutter { size: [h, w], side, scale, faults: &beside.faults };
        let pictures: Vec<&[u8]> = bytes.chunks_exact(h * w * CHANNELS).collect();
        let pair = |at: usize| {
            let mut random = self.random(Stream::Mix, at as u32);
            cutter.pair(pictures[at], pictures[(at + 1) % pictures.len()], &mut random)
        };
        Ok((0..pictures.len()).into_par_iter().map(pair).collect())
    }

    /// One update of what judges; gives its loss.
    fn judge_updated(&mut self, real: Tensor<4>, fake: Tensor<4>) -> f32 {
        let (judge, tracked) = (self.judge(), self.critic.tracked());
        let score = |pictures: Tensor<4>| critic::score(&judge, &tracked, pictures.autodiff(), &Vec::new());
        let loss = relativistic(score(real), score(fake));
        let number = scalar(loss.clone());
        if !self.skips(number) {
            let mut gradients = loss.backward();
            self.critic_moments.update(&mut self.critic, tracked.gradients(&mut gradients));
        }
        number
    }

    /// Signal to noise in decibels, and distance, of pictures that are not learnt from.
    fn measured(&self, beside: &Beside, [side, scale]: [usize; 2], device: &Device) -> [f32; 2] {
        let [small, large] = batches(&beside.held, side, scale, device);
        let (layout, ..) = self.enlarging();
        let made = layout.run(self.shown(), small).clamp(0.0, 1.0);
        let squares: Tensor<2> =
            (made.clone() - large.clone()).powi_scalar(2).reshape([beside.held.len(), side * side * CHANNELS]);
        let each: Vec<f32> = floats(squares.mean_dim(1));
        let noise = each.iter().map(|v| -10.0 * v.max(SMALLEST).log10()).sum::<f32>() / each.len().max(1) as f32;
        [noise, scalar_plain(beside.apart(made, large))]
    }

    /// Small pictures that it does not learn from, each enlarged pixel by pixel and beside that what it makes of it.
    pub(super) fn enlarged_samples(&self, data: &Store, count: usize, device: &Device) -> Vec<Picture> {
        let (layout, side, scale) = self.enlarging();
        let held: Vec<Pair> = match &self.beside {
            Some(beside) if !beside.held.is_empty() => beside.held.clone(),
            _ => {
                let [h, w, _] = data.size();
                let first: Vec<usize> = (0..data.len().min(HELD)).collect();
                let mut bytes = Vec::new();
                if data.read(&first, &mut bytes).is_err() {
                    return vec![Picture::filled(2 * side, side, [0; 3]); count];
                }
                let cutter = Cutter { size: [h, w], side, scale, faults: &Faults::default() };
                let pictures = bytes.chunks_exact(h * w * CHANNELS);
                pictures.map(|picture| cutter.fixed(picture, false, &mut RandomState::new(1))).collect()
            }
        };
        let picture = |values: Vec<f32>, side: usize| {
            let pixels = values.iter().map(|v| (v * 255.0 + 0.5).clamp(0.0, 255.0) as u8).collect();
            Picture { width: side, height: side, pixels }
        };
        let sample = |pair: &Pair| {
            let [small, _] = batches(std::slice::from_ref(pair), side, scale, device);
            let made = picture(floats(layout.run(self.shown(), small)), side);
            let mut both = Picture::filled(2 * side, side, [0; 3]);
            both.paste(&picture(pair.small.clone(), side / scale).enlarged(scale), 0, 0);
            both.paste(&made, side, 0);
            both
        };
        let made: Vec<Picture> = held.iter().take(count).map(sample).collect();
        made.iter().cycle().take(count).cloned().collect()
    }
}

/// Reads one number of a device.
fn scalar_plain(value: Tensor<1>) -> f32 {
    floats(value).first().copied().unwrap_or(f32::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::lines::{PALETTE, Rules};
    use crate::net::arch::Arch;
    use crate::net::families::compact::Compact;
    use crate::net::recipe::Recipe;

    #[test]
    fn a_few_steps_of_both_phases_make_it_better() {
        let device = Device::flex();
        let arch = Arch::Compact(Compact { width: 16, layers: 1, size: [128; 2], ..Compact::live() });
        let own = EnlargeLoss { plain_epochs: 12, print_every: 1, ..EnlargeLoss::default() };
        let recipe = Recipe {
            batch_size: 4,
            generator_learning_rate: 2e-3,
            enlarge: Some(own),
            ..Recipe::named("enlarge").unwrap()
        };
        let rules = Rules::new(128, PALETTE.to_vec(), 1, 2, Vec::new());
        let bytes: Vec<u8> = (0..8).flat_map(|at| rules.paint(&rules.draw(1, at))).collect();
        let data = Store::of_bytes(bytes, [128, 128, 3]);
        let mut state = State::new(&arch, &recipe, 3, None, &device);
        let losses: Vec<Losses> = (0..15).map(|_| state.epoch(&data, 1, &device).unwrap()).collect();
        let psnr = |at: usize| losses[at].get("psnr").unwrap();
        assert!(psnr(11) > psnr(0) + 0.3, "{losses:?}");
        assert_eq!((losses[11].critic_steps, losses[12].critic_steps), (0, 1));
        assert!(losses[14].get("judge").unwrap() > 0.0 && losses.iter().all(Losses::finite));
        let samples = state.enlarged_samples(&data, 3, &device);
        assert_eq!(samples.iter().map(|p| [p.width, p.height]).collect::<Vec<_>>(), vec![[256, 128]; 3]);
    }

    #[test]
    fn a_judge_that_knows_costs_little_and_one_that_is_fooled_much() {
        let device = Device::flex();
        let of = |values: [f32; 3]| Tensor::from_data(TensorData::new(values.to_vec(), [3]), &device);
        let loss = |a, b| scalar_plain(relativistic(of(a), of(b)));
        assert!((loss([0.0; 3], [0.0; 3]) - 2.0_f32.ln()).abs() < 1e-6);
        assert!(loss([9.0; 3], [-9.0; 3]) < 1e-6 && loss([-9.0; 3], [9.0; 3]) > 17.0);
    }
}
