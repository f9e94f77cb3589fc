//! What a training changes, and one epoch of WGAN-GP: some critic updates, then one generator update.
//!
//! Losses after Gulrajani et al. 2017 (arXiv 1704.00028) with the original's sampling and signs; those of other GANs are
//! in `trainer::cross_entropy`, those of textures in `trainer::texture`, those of networks that make pictures larger in `trainer::enlarge`. Called by `trainer::run`; knows no files and no clock. Every random number of an update
//! comes from (seed, use, step, update), so a resumed run needs no generator state.

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::batches::{Batch, Between, Mixture, Order};
use super::enlarge::Beside;
use super::losses::{Kind, Losses};
use super::optimiser::Moments;
use super::texture::Sight;
use crate::dataset::DatasetError;
use crate::dataset::store::Store;
use crate::net::arch::Arch;
use crate::net::chain::{self, Masks, Value};
use crate::net::cpu::critic_objective::{self, Buffers, Objective, Stack};
use crate::net::critic;
use crate::net::draw::Ready;
use crate::net::layers::{Chain, Layer};
use crate::net::ops;
use crate::net::params::{Params, Plan, Statistics, floats};
use crate::net::recipe::{Epoch, Recipe};
use crate::random::RandomState;
use crate::worker;

/// Everything that training changes.
pub struct State {
    /// The networks.
    pub arch: Arch,
    /// How they are trained.
    pub recipe: Recipe,
    /// The seed of every random number.
    pub seed: u32,
    /// Epochs done; also the index of the next one.
    pub epoch: u64,
    /// Generator updates done: with WGAN-GP the same.
    pub step: u64,
    /// What was done of an epoch that has not ended.
    pub pass: Pass,
    /// Batches taken from the data so far.
    pub batches: u64,
    /// The generator's weights.
    pub generator: Params,
    /// The critic's weights.
    pub critic: Params,
    /// Moving average of the generator and its decay, if wanted.
    pub average: Option<(Params, f64)>,
    /// The average was learnt elsewhere, so it has no first weights to leave behind quickly.
    pub average_settled: bool,
    /// The generator's optimiser.
    pub generator_moments: Moments,
    /// The critic's optimiser.
    pub critic_moments: Moments,
    /// No part of what is learnt.
    pub buffers: Buffers,
    /// Likewise.
    pub order: Order,
    /// What a texture is compared by; likewise.
    pub sight: Option<Sight>,
    /// What a network that makes pictures larger is measured by; likewise.
    pub beside: Option<Beside>,
}

/// What an update, or an epoch of updates, came to.
pub struct Turn {
    /// The numbers of the last update.
    pub losses: Losses,
    /// Those of the epoch, if it has ended.
    pub ended: Option<Losses>,
}

/// What was done of an epoch that is a pass over the data: part of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pass {
    /// How far it came in the order of the pictures.
    pub place: u64,
    /// Pictures that the sums are of.
    pub pictures: u64,
    /// Updates of the critic.
    pub critic_steps: u32,
    /// Sums of the losses over the pictures.
    pub sums: [f64; 5],
    /// Seconds of work.
    pub seconds: f64,
}

/// The streams of random numbers: what [`RandomState::with_key`] tells apart.
#[repr(u32)]
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Generator = 1,
    Critic,
    Shuffle,
    CriticStep,
    GeneratorStep,
    Mix,
    Sample,
}

impl State {
    /// Fresh networks.
    pub fn new(arch: &Arch, recipe: &Recipe, seed: u32, ema: Option<f64>, device: &Device) -> Self {
        let init = |plans: &[Plan], role: Stream| {
            Params::init(plans, &mut RandomState::with_key(&[seed, role as u32]), device)
        };
        let generator = init(&arch.generator_plans(), Stream::Generator);
        let critic = init(&arch.critic_plans(), Stream::Critic);
        Self {
            average: ema.map(|decay| (generator.clone(), decay)),
            average_settled: false,
            generator_moments: Moments::new(recipe, recipe.generator_learning_rate, &generator, device),
            critic_moments: Moments::new(recipe, recipe.critic_learning_rate, &critic, device),
            buffers: Buffers::default(),
            order: Order::default(),
            sight: None,
            beside: None,
            arch: arch.clone(),
            recipe: recipe.clone(),
            seed,
            epoch: 0,
            step: 0,
            pass: Pass::default(),
            batches: 0,
            generator,
            critic,
        }
    }

    /// Another learning rate for the generator from its next update on.
    pub fn set_generator_rate(&mut self, rate: f64) {
        (self.recipe.generator_learning_rate, self.generator_moments.rate) = (rate, rate);
    }

    /// The same for the critic.
    pub fn set_critic_rate(&mut self, rate: f64) {
        (self.recipe.critic_learning_rate, self.critic_moments.rate) = (rate, rate);
    }

    /// Another decay of the moving average; the first one begins the average.
    pub fn set_average(&mut self, decay: f64) {
        match &mut self.average {
            Some((_, now)) => *now = decay,
            None => self.average = Some((self.generator.clone(), decay)),
        }
    }

    /// The generator that samples are made with: the average if there is one.
    pub fn shown(&self) -> &Params {
        self.average.as_ref().map_or(&self.generator, |(params, _)| params)
    }

    /// Whether every weight is a number of at most this size (reads them all: waits for the device).
    pub fn is_finite(&self, most: f32) -> bool {
        let average = self.average.iter().map(|(params, _)| params);
        let mut arrays = [&self.generator, &self.critic].into_iter().chain(average).flat_map(|params| &params.list);
        arrays.all(|param| param.values().iter().all(|v| v.abs() <= most))
    }

    /// Goes on from other weights with fresh optimisers. Without a moving average of its own it goes on from
    /// theirs, which is what they were seen as; a critic that is missing stays as it is.
    pub fn replace(&mut self, generator: Params, average: Option<Params>, critic: Option<Params>, device: &Device) {
        match &mut self.average {
            Some((own, _)) => {
                *own = average.unwrap_or_else(|| generator.clone());
                self.generator = generator;
            }
            None => self.generator = average.unwrap_or(generator),
        }
        if let Some(critic) = critic {
            self.critic = critic;
        }
        let fresh = |rate, params: &Params| Moments::new(&self.recipe, rate, params, device);
        self.generator_moments = fresh(self.generator_moments.rate, &self.generator);
        self.critic_moments = fresh(self.critic_moments.rate, &self.critic);
    }

    /// Goes back to all that an earlier state had learnt, under the settings of this one.
    pub fn restore(&mut self, earlier: Self) {
        let rates = (self.generator_moments.rate, self.critic_moments.rate);
        let learnt = earlier.average.map(|(params, _)| params);
        let decay = self.average.take().map(|(_, decay)| decay);
        let average = decay.map(|decay| (learnt.unwrap_or_else(|| earlier.generator.clone()), decay));
        let (arch, recipe) = (self.arch.clone(), self.recipe.clone());
        let (sight, beside) = (self.sight.take(), self.beside.take());
        *self = Self { arch, recipe, seed: self.seed, average, sight, beside, ..earlier };
        (self.generator_moments.rate, self.critic_moments.rate) = rates;
    }

    /// Is at a step whose weights came without a record: in the epoch that is known, or else that it lies in with so many
    /// pictures.
    pub(super) fn go_to_step(&mut self, step: u64, known: Option<(u64, u64)>, pictures: usize) {
        (self.step, self.epoch, self.pass) = (step, step, Pass::default());
        if let Some((epoch, place)) = known {
            (self.epoch, self.pass.place) = (epoch, place);
        } else if let Some(own) = self.recipe.cross_entropy.as_ref().filter(|own| own.epoch == Epoch::Pass) {
            let size = self.recipe.batch_size.min(pictures);
            let batches = own.batches(pictures, size);
            (self.epoch, self.pass.place) = (step / batches, step % batches * size as u64);
        }
    }

    /// One epoch of WGAN-GP, or one update of each network by another recipe: `critic_steps` critic updates, each with a
    /// fresh batch, and one of the generator.
    ///
    /// # Errors
    /// If the pictures cannot be read.
    pub fn epoch(&mut self, data: &Store, critic_steps: u32, device: &Device) -> Result<Losses, DatasetError> {
        let mut between = Between { updates: &mut |_| true, lost: &mut |_| false };
        Ok(self.turn(data.into(), critic_steps, device, &mut between)?.losses)
    }

    /// The same from a mixture. Where somebody says so after an update, the generator's turn comes at once.
    ///
    /// # Errors
    /// If the pictures cannot be read, and nobody wants to wait for them: the generator is as it was.
    pub fn turn(
        &mut self,
        data: Mixture,
        critic_steps: u32,
        device: &Device,
        between: &mut Between,
    ) -> Result<Turn, DatasetError> {
        worker::spread();
        if let Some(own) = self.recipe.cross_entropy.clone() {
            let turn = self.cross_entropy(&own, data, between, device)?;
            (between.updates)(self);
            return Ok(turn);
        }
        if let Some(own) = self.recipe.texture.clone() {
            return self.texture(&own, data, between, device);
        }
        if let Some(own) = self.recipe.enlarge.clone() {
            return self.enlarge(&own, data, between, device);
        }
        // All critic updates draw from the same weights, which pays for packing them; with dropout the
        // pictures are made another way.
        let fakes = Ready::new(&self.arch, &self.generator, drops(&self.arch.generator()).next().is_none());
        let (mut last, mut done) = ([0.0; 4], 0);
        while done < critic_steps {
            let batch = self.next_batch(data, between, device)?;
            last = self.critic_update(batch, &fakes, done, device);
            done += 1;
            if !(between.updates)(self) {
                break;
            }
        }
        // Who still holds the weights would have them copied.
        drop(fakes);
        let generator = self.generator_update(device);
        (between.updates)(self);
        let [total, real, fake, penalty] = last;
        let values = [total, real, fake, penalty, generator];
        let losses = Losses { epoch: self.epoch, critic_steps: done, kind: Kind::Wasserstein, values, diversity: None };
        self.epoch += 1;
        Ok(Turn { losses, ended: Some(losses) })
    }

    /// One critic update on the next batch, with fakes of the generator as it is now; gives total, real,
    /// fake and penalty. An epoch does the same several times.
    ///
    /// # Errors
    /// If the pictures cannot be read.
    pub fn critic_step(&mut self, data: &Store, device: &Device) -> Result<[f32; 4], DatasetError> {
        let fakes = Ready::new(&self.arch, &self.generator, false);
        let mut between = Between { updates: &mut |_| true, lost: &mut |_| false };
        let batch = self.next_batch(data.into(), &mut between, device)?;
        Ok(self.critic_update(batch, &fakes, 0, device))
    }

    pub(super) fn random(&self, role: Stream, update: u32) -> RandomState {
        RandomState::with_key(&[self.seed, role as u32, self.step as u32, (self.step >> 32) as u32, update])
    }

    /// Inputs of the generator `[count, input_len]`: z, and behind it one class each, by chance.
    pub(super) fn noise(&self, count: usize, random: &mut RandomState, device: &Device) -> Tensor<2> {
        self.inputs(count, &[], random, device)
    }

    /// The same with these classes as far as they go.
    pub(super) fn inputs(&self, count: usize, of: &[usize], random: &mut RandomState, device: &Device) -> Tensor<2> {
        let (dim, classes) = (self.arch.z_dim(), self.arch.classes());
        let mut values: Vec<f32> = random.normals(count * dim).iter().map(|v| *v as f32).collect();
        if classes > 0 {
            let mut all = Vec::with_capacity(count * (dim + classes));
            for (at, z) in values.chunks(dim).enumerate() {
                let class = of.get(at).copied().unwrap_or_else(|| random.below(classes));
                all.extend_from_slice(z);
                all.extend((0..classes).map(|at| if at == class { 1.0 } else { 0.0 }));
            }
            values = all;
        }
        Tensor::from_data(TensorData::new(values, [count, dim + classes]), device)
    }

    /// A mask for each layer of a chain that drops, for so many pictures.
    pub(super) fn masks(&self, chain: &Chain, count: usize, random: &mut RandomState, device: &Device) -> Masks {
        drops(chain).map(|(values, rate)| mask([count, values], rate, random, device)).collect()
    }

    /// The critic's layers; a training has one.
    pub(super) fn judge(&self) -> Chain {
        self.arch.critic().unwrap_or_else(|| self.arch.generator())
    }

    /// Returns total, real, fake and penalty.
    fn critic_update(&mut self, real: Batch, fakes: &Ready, update: u32, device: &Device) -> [f32; 4] {
        let mut random = self.random(Stream::CriticStep, update);
        let n = self.recipe.batch_size;
        let Batch { pictures: real, classes } = real;
        // A pair of the same class, so that it is that of the picture between them too.
        let z = self.inputs(n, &classes, &mut random, device);
        let fake = fakes.pictures(z.clone(), &self.masks(&self.arch.generator(), n, &mut random, device));
        let fake = critic::seen(&self.arch, fake, &z);
        let judge = self.judge();
        let alpha: Vec<f32> = (0..n).map(|_| random.uniform() as f32).collect();
        let masks = [(); 3].map(|()| self.masks(&judge, n, &mut random, device));
        match Stack::of(&judge).filter(|_| ops::ours(device)) {
            Some(stack) => {
                self.critic_written_out(&stack.with_planes(self.arch.planes()), real, fake, alpha, &masks, device)
            }
            None => self.critic_tracked(&judge, real, fake, alpha, masks, device),
        }
    }

    fn critic_written_out(
        &mut self,
        stack: &Stack,
        real: Tensor<4>,
        fake: Tensor<4>,
        alpha: Vec<f32>,
        masks: &[Masks; 3],
        device: &Device,
    ) -> [f32; 4] {
        let (real, fake, grad_weight) = (floats(real), floats(fake), self.recipe.grad_weight);
        let batch = critic_objective::Batch { real: &real, fake: &fake, alpha: &alpha };
        let Objective { real, fake, penalty, gradients } =
            critic_objective::objective(stack, grad_weight, &self.critic, &batch, masks, &mut self.buffers);
        let tensor = |values: Vec<f32>| {
            let len = values.len();
            Some(Tensor::from_data(TensorData::new(values, [len]), device))
        };
        let total = real + fake + penalty * grad_weight as f32;
        if !self.skips(total) {
            self.critic_moments.update(&mut self.critic, gradients.into_iter().map(tensor).collect());
        }
        [total, real, fake, penalty]
    }

    /// The same by autodiff, for any critic on any device.
    fn critic_tracked(
        &mut self,
        judge: &Chain,
        real: Tensor<4>,
        fake: Tensor<4>,
        alpha: Vec<f32>,
        masks: [Masks; 3],
        device: &Device,
    ) -> [f32; 4] {
        let n = self.recipe.batch_size;
        let alpha: Tensor<4> = Tensor::<1>::from_data(TensorData::new(alpha, [n]), device).reshape([n, 1, 1, 1]);
        let between = real.clone() * alpha.clone() + fake.clone() * (alpha.neg() + 1.0);
        let lifted = |x: Tensor<4>| x.autodiff();
        let masks: [Masks; 3] = masks.map(|m| m.into_iter().map(Tensor::autodiff).collect());

        let tracked = self.critic.tracked();
        let normed = judge.layers.iter().any(|(_, layer)| matches!(layer, Layer::BatchNorm { .. }));
        let statistics = critic::statistics(judge, &self.critic, real.clone(), &masks[0]);
        let (real_scores, fake_scores) = if normed {
            // What one batch says about its statistics is not to depend on the other.
            (
                critic::score(judge, &tracked, lifted(real), &masks[0]),
                critic::score(judge, &tracked, lifted(fake), &masks[1]),
            )
        } else {
            // One batch of both reads the weights once.
            let both = masks[0].iter().zip(&masks[1]).map(|(a, b)| Tensor::cat(vec![a.clone(), b.clone()], 0));
            let pictures = Tensor::cat(vec![real, fake], 0);
            let scores = critic::score(judge, &tracked, lifted(pictures), &both.collect());
            (scores.clone().narrow(0, 0, n), scores.narrow(0, n, n))
        };
        let (real_term, fake_term) = (real_scores.mean().neg(), fake_scores.mean());
        // In the picture alone: a class cannot be changed a little.
        let [.., channels] = self.arch.picture();
        let gradient = critic::input_gradient(judge, &tracked, lifted(between), &masks[2]).narrow(3, 0, channels);
        let penalty = (ops::row_norms(gradient).neg() + 1.0).powi_scalar(2).mean();
        let total = real_term.clone() + fake_term.clone() + penalty.clone() * self.recipe.grad_weight;
        let numbers = [total.clone(), real_term, fake_term, penalty].map(scalar);
        if !self.skips(numbers[0]) {
            let mut gradients = total.backward();
            self.critic_moments.update(&mut self.critic, tracked.gradients(&mut gradients));
        }
        self.critic.follow(statistics);
        numbers
    }

    /// Whether the critic is so far ahead that it is not updated by a batch.
    pub(super) fn skips(&self, loss: f32) -> bool {
        self.recipe.skip_below.is_some_and(|below| f64::from(loss) < below)
    }

    /// One update of the generator; gives its loss.
    pub fn generator_update(&mut self, device: &Device) -> f32 {
        let mut random = self.random(Stream::GeneratorStep, 0);
        let n = self.recipe.batch_size;
        let z = self.noise(n, &mut random, device).autodiff();
        let (generator, judge) = (self.arch.generator(), self.judge());
        let drop = lifted(self.masks(&generator, n, &mut random, device));
        let masks = lifted(self.masks(&judge, n, &mut random, device));
        let tracked = self.generator.tracked();
        let trained = chain::train(&generator, &tracked, Value::Flat(z.clone()), &drop);
        let seen = critic::seen(&self.arch, trained.output.map(), &z);
        let loss = critic::score(&judge, &self.constant_critic(), seen, &masks).mean().neg();
        let mut gradients = loss.backward();
        self.generator_updated(tracked.gradients(&mut gradients), trained.statistics);
        scalar(loss)
    }

    /// The critic where it only passes a gradient on: its arrays are constants.
    pub(super) fn constant_critic(&self) -> Params {
        let mut critic = self.critic.clone();
        critic.list.iter_mut().for_each(|p| p.value = p.value.clone().autodiff());
        critic
    }

    /// Moves the generator by its gradients, and what follows it; one step is done.
    pub(super) fn generator_updated(&mut self, gradients: Vec<Option<Tensor<1>>>, statistics: Vec<Statistics>) {
        self.generator_moments.update(&mut self.generator, gradients);
        self.generator.follow(statistics);
        if let Some((average, decay)) = &mut self.average {
            // A young average follows faster, or it would show the first weights for a thousand epochs.
            let young = if self.average_settled { 1.0 } else { (1.0 + self.step as f64) / (10.0 + self.step as f64) };
            *average = average.blend(&self.generator, (1.0 - decay.min(young)) as f32);
        }
        self.step += 1;
    }
}

/// Masks on the side of a graph.
pub(super) fn lifted(masks: Masks) -> Masks {
    masks.into_iter().map(Tensor::autodiff).collect()
}

/// Values and rate of each layer that drops.
fn drops(chain: &Chain) -> impl Iterator<Item = (usize, f32)> {
    chain.walk().filter_map(|(_, layer, input)| match layer {
        Layer::Dropout { rate } => Some((input.len(), *rate)),
        _ => None,
    })
}

/// A dropout mask: 0 with probability `rate`, else `1 / (1 − rate)`.
fn mask<const D: usize>(shape: [usize; D], rate: f32, random: &mut RandomState, device: &Device) -> Tensor<D> {
    let keep = 1.0 / (1.0 - rate);
    let values: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|_| if random.uniform() < f64::from(rate) { 0.0 } else { keep })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Reads one number (waits for the device).
pub(super) fn scalar(value: Tensor<1>) -> f32 {
    floats(value.inner()).first().copied().unwrap_or(f32::NAN)
}
