//! One epoch of WGAN-GP: some critic updates, then one generator update.
//!
//! Losses after Gulrajani et al. 2017 (arXiv 1704.00028) with the original's sampling and signs.
//! Called by `trainer::run`; knows no files and no clock. Every random number of an epoch comes from
//! (seed, epoch, update), so a resumed run needs no generator state.

use burn::tensor::{Device, Tensor, TensorData};

use super::optimiser::Moments;
use crate::net::arch::Arch;
use crate::net::chain::{self, Masks, Value};
use crate::net::cpu::critic_objective::{self, Buffers, Objective, Stack};
use crate::net::critic;
use crate::net::draw::Ready;
use crate::net::layers::{Chain, Layer};
use crate::net::ops;
use crate::net::params::{Params, Plan, floats};
use crate::net::recipe::Recipe;
use crate::random::RandomState;

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
}

/// The numbers of one epoch; those of the critic are of its last update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Losses {
    /// Its index.
    pub epoch: u64,
    /// Critic updates that it had.
    pub critic_steps: u32,
    /// `real + fake + weight · penalty`.
    pub total: f32,
    /// `−mean D(real)`.
    pub real: f32,
    /// `mean D(fake)`.
    pub fake: f32,
    /// `mean((1 − ‖∇D(x̂)‖)²)`, without its weight.
    pub penalty: f32,
    /// `−mean D(G(z))` of the generator's update.
    pub generator: f32,
}

impl Losses {
    /// Whether every number is finite.
    pub fn finite(&self) -> bool {
        [self.total, self.real, self.fake, self.penalty, self.generator].iter().all(|v| v.is_finite())
    }

    /// The original's log line.
    pub fn line(&self) -> String {
        format!(
            "{} ({}, 1) [D loss: ({:.1})(R {:.1}, F {:.1}, G {:.1})] [G loss: {:.1}]",
            self.epoch, self.critic_steps, self.total, self.real, self.fake, self.penalty, self.generator
        )
    }
}

/// Pictures to learn from, as bytes in `[n, h, w, c]`.
#[derive(Clone)]
pub struct Data {
    /// `[n, h, w, c]`, 8 bits a channel.
    pub bytes: Vec<u8>,
    /// Bytes of one picture.
    pub each: usize,
}

impl Data {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.each
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What batches are drawn from: one dataset, or two of them and the share of the second, 0..1.
#[derive(Clone, Copy)]
pub struct Mixture<'a> {
    /// The dataset.
    pub first: &'a Data,
    /// The second one, and its share, 0..1.
    pub second: Option<(&'a Data, f64)>,
}

impl<'a> From<&'a Data> for Mixture<'a> {
    fn from(first: &'a Data) -> Self {
        Self { first, second: None }
    }
}

/// The streams of random numbers: what [`RandomState::with_key`] tells apart.
#[repr(u32)]
#[derive(Clone, Copy)]
enum Stream {
    Generator = 1,
    Critic,
    Shuffle,
    CriticStep,
    GeneratorStep,
    Mix,
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
            generator_moments: Moments::new(recipe.optimiser, recipe.generator_learning_rate, &generator, device),
            critic_moments: Moments::new(recipe.optimiser, recipe.critic_learning_rate, &critic, device),
            buffers: Buffers::default(),
            arch: arch.clone(),
            recipe: recipe.clone(),
            seed,
            epoch: 0,
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
        let fresh = |rate, params: &Params| Moments::new(self.recipe.optimiser, rate, params, device);
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
        *self = Self { arch, recipe, seed: self.seed, average, ..earlier };
        (self.generator_moments.rate, self.critic_moments.rate) = rates;
    }

    /// One epoch: `critic_steps` critic updates, each with a fresh batch, and one of the generator.
    pub fn epoch(&mut self, data: &Data, critic_steps: u32, device: &Device) -> Losses {
        self.epoch_of(data.into(), critic_steps, device, &mut |_| true)
    }

    /// The same from a mixture. `between` is called after every update; where it says false, the generator's
    /// turn comes at once.
    pub fn epoch_of(
        &mut self,
        data: Mixture,
        critic_steps: u32,
        device: &Device,
        between: &mut dyn FnMut(&mut Self) -> bool,
    ) -> Losses {
        // All critic updates draw from the same weights, which pays for packing them; with dropout the
        // pictures are made another way.
        let fakes = Ready::new(&self.arch, &self.generator, drops(&self.arch.generator()).next().is_none());
        let (mut last, mut done) = ([0.0; 4], 0);
        while done < critic_steps {
            let batch = self.next_batch(data, device);
            last = self.critic_update(batch, &fakes, done, device);
            done += 1;
            if !between(self) {
                break;
            }
        }
        // Who still holds the weights would have them copied.
        drop(fakes);
        let generator = self.generator_update(device);
        between(self);
        let [total, real, fake, penalty] = last;
        let losses = Losses { epoch: self.epoch, critic_steps: done, total, real, fake, penalty, generator };
        self.epoch += 1;
        losses
    }

    /// One critic update on the next batch, with fakes of the generator as it is now; gives total, real,
    /// fake and penalty. An epoch does the same several times.
    pub fn critic_step(&mut self, data: &Data, device: &Device) -> [f32; 4] {
        let fakes = Ready::new(&self.arch, &self.generator, false);
        let batch = self.next_batch(data.into(), device);
        self.critic_update(batch, &fakes, 0, device)
    }

    /// The next batch of a pass in random order; what is left at the end of a pass is not used. Of a mixture,
    /// each picture gives its place to a random one of the second dataset with that one's share.
    fn next_batch(&mut self, Mixture { first: data, second }: Mixture, device: &Device) -> Tensor<4> {
        let size = self.recipe.batch_size;
        let mut random = RandomState::with_key(&[self.seed, Stream::Mix as u32, self.batches as u32]);
        let per_pass = (data.len() / size).max(1) as u64;
        let (pass, index) = (self.batches / per_pass, (self.batches % per_pass) as usize);
        self.batches += 1;
        // A permutation of ten thousand is drawn in a fraction of a millisecond: no state to keep.
        let order = RandomState::with_key(&[self.seed, Stream::Shuffle as u32, pass as u32]).permutation(data.len());
        let [h, w, c] = self.arch.picture();
        let mut values = Vec::with_capacity(size * data.each);
        for at in order.iter().cycle().skip(index * size).take(size) {
            let (data, at) = match second {
                Some((other, share)) if random.uniform() < share => (other, random.below(other.len())),
                _ => (data, *at),
            };
            let picture = &data.bytes[at * data.each..(at + 1) * data.each];
            values.extend(picture.iter().map(|v| (f32::from(*v) - 127.5) / 127.5));
        }
        Tensor::from_data(TensorData::new(values, [size, h, w, c]), device)
    }

    fn random(&self, role: Stream, update: u32) -> RandomState {
        RandomState::with_key(&[self.seed, role as u32, self.epoch as u32, (self.epoch >> 32) as u32, update])
    }

    fn noise(&self, random: &mut RandomState, device: &Device) -> Tensor<2> {
        let shape = [self.recipe.batch_size, self.arch.input_len()];
        let values: Vec<f32> = random.normals(shape[0] * shape[1]).iter().map(|v| *v as f32).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// A mask for each layer of a chain that drops.
    fn masks(&self, chain: &Chain, random: &mut RandomState, device: &Device) -> Masks {
        drops(chain).map(|(values, rate)| mask([self.recipe.batch_size, values], rate, random, device)).collect()
    }

    /// The critic's layers; a training has one.
    fn judge(&self) -> Chain {
        self.arch.critic().unwrap_or_else(|| self.arch.generator())
    }

    /// Returns total, real, fake and penalty.
    fn critic_update(&mut self, real: Tensor<4>, fakes: &Ready, update: u32, device: &Device) -> [f32; 4] {
        let mut random = self.random(Stream::CriticStep, update);
        let z = self.noise(&mut random, device);
        let fake = fakes.pictures(z, &self.masks(&self.arch.generator(), &mut random, device));
        let judge = self.judge();
        let alpha: Vec<f32> = (0..self.recipe.batch_size).map(|_| random.uniform() as f32).collect();
        let masks = [(); 3].map(|()| self.masks(&judge, &mut random, device));
        match Stack::of(&judge).filter(|_| ops::ours(device)) {
            Some(stack) => self.critic_written_out(&stack, real, fake, alpha, &masks, device),
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
        self.critic_moments.update(&mut self.critic, gradients.into_iter().map(tensor).collect());
        [real + fake + penalty * grad_weight as f32, real, fake, penalty]
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
        let gradient = critic::input_gradient(judge, &tracked, lifted(between), &masks[2]);
        let penalty = (ops::row_norms(gradient).neg() + 1.0).powi_scalar(2).mean();
        let total = real_term.clone() + fake_term.clone() + penalty.clone() * self.recipe.grad_weight;
        let mut gradients = total.backward();
        self.critic_moments.update(&mut self.critic, tracked.gradients(&mut gradients));
        self.critic.follow(statistics);
        [total, real_term, fake_term, penalty].map(scalar)
    }

    /// One update of the generator; gives its loss.
    pub fn generator_update(&mut self, device: &Device) -> f32 {
        let mut random = self.random(Stream::GeneratorStep, 0);
        let z = self.noise(&mut random, device).autodiff();
        let (generator, judge) = (self.arch.generator(), self.judge());
        let tracked_masks = |masks: Masks| -> Masks { masks.into_iter().map(Tensor::autodiff).collect() };
        let drop = tracked_masks(self.masks(&generator, &mut random, device));
        let masks = tracked_masks(self.masks(&judge, &mut random, device));
        let tracked = self.generator.tracked();
        let trained = chain::train(&generator, &tracked, Value::Flat(z), &drop);
        // The critic only passes the gradient on: its arrays are constants here.
        let mut critic = self.critic.clone();
        critic.list.iter_mut().for_each(|p| p.value = p.value.clone().autodiff());
        let loss = critic::score(&judge, &critic, trained.output.map(), &masks).mean().neg();
        let mut gradients = loss.backward();
        self.generator_moments.update(&mut self.generator, tracked.gradients(&mut gradients));
        self.generator.follow(trained.statistics);
        if let Some((average, decay)) = &mut self.average {
            // A young average follows faster, or it would show the first weights for a thousand epochs.
            let young = if self.average_settled { 1.0 } else { (1.0 + self.epoch as f64) / (10.0 + self.epoch as f64) };
            *average = average.blend(&self.generator, (1.0 - decay.min(young)) as f32);
        }
        scalar(loss)
    }
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
fn scalar(value: Tensor<1>) -> f32 {
    floats(value.inner()).first().copied().unwrap_or(f32::NAN)
}
