//! One step of a GAN with cross-entropy: the discriminator learns to tell, the generator to be taken for real.
//!
//! Source: Goodfellow et al. 2014 (arXiv 1406.2661) with the loss of its section 3 that does not saturate; what differs
//! between the report's options and the lesson's notebooks is `net::recipe::CrossEntropy`. Called by `trainer::step`.

use burn::tensor::{Device, Tensor};

use super::batches::{Batch, Between, Mixture};
use super::losses::{Kind, Losses};
use super::step::{State, Stream, Turn, lifted, scalar};
use crate::dataset::DatasetError;
use crate::net::chain::{self, Masks, Trained, Value};
use crate::net::critic;
use crate::net::layers::{Chain, Layer};
use crate::net::params::{Params, Statistics};
use crate::net::recipe::{CrossEntropy, Epoch, Order};
use crate::random::RandomState;

/// A forward of the generator that it can be updated by.
struct Drawn {
    params: Params,
    /// As the discriminator sees them.
    pictures: Tensor<4>,
    statistics: Vec<Statistics>,
}

/// What the discriminator said of a batch.
struct Judged {
    /// Its mean loss; differentiable if it was asked with tracked arrays.
    loss: Tensor<1>,
    /// The mean of what it said, 0..1.
    said: f32,
}

impl State {
    /// One step on the next batch.
    pub(super) fn cross_entropy(
        &mut self,
        own: &CrossEntropy,
        data: Mixture,
        between: &mut Between,
        device: &Device,
    ) -> Result<Turn, DatasetError> {
        let mut random = self.random(Stream::CriticStep, 0);
        let Batch { pictures: real, classes } = self.part(own, data, between, device)?;
        let n = real.dims()[0];
        let z = self.inputs(n, &classes, &mut random, device);
        let shared = !own.calm_fakes && !own.fresh_z;
        let mut drawn = shared.then(|| self.drawn(own, z.clone(), &mut random, device));
        let fake = match &drawn {
            Some(drawn) => drawn.pictures.clone().inner(),
            None => critic::seen(&self.arch, self.pictures(z.clone(), own.calm_fakes), &z),
        };
        let mut told = None;
        if own.order == Order::GeneratorFirst {
            let drawn = drawn.take().unwrap_or_else(|| self.drawn(own, z.clone(), &mut random, device));
            told = Some(self.persuade(own, drawn, &mut random, device));
        }
        let [d_loss, d_real, d_fake, updates] = self.tell_apart(own, real, fake, &mut random, device);
        let [g_loss, g_real] = told.unwrap_or_else(|| {
            let drawn = drawn.unwrap_or_else(|| {
                let z = match own.fresh_z {
                    true => self.noise(own.generator_count(n), &mut random, device),
                    false => z,
                };
                self.drawn(own, z, &mut random, device)
            });
            self.persuade(own, drawn, &mut random, device)
        });
        let values = [d_loss, g_loss, d_real, d_fake, g_real];
        Ok(self.counted(own, values, n, updates as u32, data.first.len()))
    }

    /// Adds a step to its epoch.
    fn counted(&mut self, own: &CrossEntropy, values: [f32; 5], n: usize, updates: u32, data: usize) -> Turn {
        let losses =
            Losses { epoch: self.epoch, critic_steps: updates, kind: Kind::CrossEntropy, values, diversity: None };
        let pass = &mut self.pass;
        pass.sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value) * n as f64);
        pass.place += n as u64;
        pass.pictures += n as u64;
        pass.critic_steps += updates;
        let size = self.recipe.batch_size.min(data);
        if own.epoch == Epoch::Pass && !own.is_over(pass.place, data, size) {
            return Turn { losses, ended: None };
        }
        let ended = Losses {
            critic_steps: pass.critic_steps,
            values: pass.sums.map(|sum| (sum / pass.pictures as f64) as f32),
            ..losses
        };
        self.pass = Default::default();
        self.epoch += 1;
        Turn { losses, ended: Some(ended) }
    }

    /// Draws pictures by which the generator can be updated.
    fn drawn(&self, own: &CrossEntropy, z: Tensor<2>, random: &mut RandomState, device: &Device) -> Drawn {
        let chain = self.arch.generator();
        let masks = lifted(self.masks(&chain, z.dims()[0], random, device));
        let params = self.generator.tracked();
        let input = z.autodiff();
        let z = Value::Flat(input.clone());
        let Trained { output, statistics } = match own.calm_generator_from.is_some_and(|from| self.epoch >= from) {
            true => Trained { output: chain::evaluate(&chain, &params, z, &masks), statistics: Vec::new() },
            false => chain::train(&chain, &params, z, &masks),
        };
        Drawn { params, pictures: critic::seen(&self.arch, output.map(), &input), statistics }
    }

    /// Draws pictures that nothing is updated by: with the moving statistics, or with those of the batch.
    pub(super) fn pictures(&self, z: Tensor<2>, calm: bool) -> Tensor<4> {
        let (chain, z, none) = (self.arch.generator(), Value::Flat(z), Masks::new());
        match calm {
            true => chain::evaluate(&chain, &self.generator, z, &none).map(),
            false => chain::train(&chain, &self.generator, z, &none).output.map(),
        }
    }

    /// An update of the discriminator, unless it is far ahead; gives its loss, what it said of real and of fake
    /// pictures before, and how many updates it had.
    fn tell_apart(
        &mut self,
        own: &CrossEntropy,
        real: Tensor<4>,
        fake: Tensor<4>,
        random: &mut RandomState,
        device: &Device,
    ) -> [f32; 4] {
        let judge = self.judge();
        let part = if own.halved { 0.5 } else { 1.0 };
        if own.order == Order::RealThenFake {
            let real = self.by_itself(&judge, real, own.real_label, random, device);
            let fake = self.by_itself(&judge, fake, own.fake_label, random, device);
            return [part * (real[0] + fake[0]), real[1], fake[1], real[2] + fake[2]];
        }
        let frozen = self.is_frozen(own);
        let params = if frozen { self.critic.clone() } else { self.critic.tracked() };
        let [real, fake] = self.both(&judge, &params, [real, fake], own, random, device);
        let loss = (real.loss + fake.loss) * part;
        let number = scalar(loss.clone());
        let updates = !frozen && !self.skips(number);
        if updates {
            let mut gradients = loss.backward();
            self.critic_moments.update(&mut self.critic, params.gradients(&mut gradients));
        }
        [number, real.said, fake.said, f32::from(u8::from(updates))]
    }

    /// Whether the discriminator's loss in this epoch lies too far below the generator's for an update. The first batch
    /// of an epoch has no means yet.
    fn is_frozen(&self, own: &CrossEntropy) -> bool {
        let [critic, generator, ..] = self.pass.sums;
        self.pass.pictures > 0 && own.freeze_below.is_some_and(|share| critic < share * generator)
    }

    /// What the discriminator says of real and of fake pictures; norms see each batch by itself.
    fn both(
        &mut self,
        judge: &Chain,
        params: &Params,
        [real, fake]: [Tensor<4>; 2],
        own: &CrossEntropy,
        random: &mut RandomState,
        device: &Device,
    ) -> [Judged; 2] {
        let labels = [own.real_label, own.fake_label];
        if judge.layers.iter().any(|(_, layer)| matches!(layer, Layer::BatchNorm { .. })) {
            let [a, b] = labels;
            let real = self.judged(judge, params, real, a, random, device);
            return [real, self.judged(judge, params, fake, b, random, device)];
        }
        // One batch of both reads the weights once.
        let (n, all) = (real.dims()[0], real.dims()[0] + fake.dims()[0]);
        let pictures = Tensor::cat(vec![real, fake], 0);
        let (scores, _) = self.scores(judge, params, pictures, true, random, device);
        let [a, b] = [scores.clone().narrow(0, 0, n), scores.narrow(0, n, all - n)];
        [judged(a, labels[0]), judged(b, labels[1])]
    }

    /// An update of the discriminator by pictures of one kind; gives loss, what it said, and the number of updates.
    fn by_itself(
        &mut self,
        judge: &Chain,
        pictures: Tensor<4>,
        label: f64,
        random: &mut RandomState,
        device: &Device,
    ) -> [f32; 3] {
        let params = self.critic.tracked();
        let Judged { loss, said } = self.judged(judge, &params, pictures, label, random, device);
        let number = scalar(loss.clone());
        let updates = !self.skips(number);
        if updates {
            let mut gradients = loss.backward();
            self.critic_moments.update(&mut self.critic, params.gradients(&mut gradients));
        }
        [number, said, f32::from(u8::from(updates))]
    }

    /// What the discriminator says of pictures as it is trained; its moving statistics follow.
    fn judged(
        &mut self,
        judge: &Chain,
        params: &Params,
        pictures: Tensor<4>,
        label: f64,
        random: &mut RandomState,
        device: &Device,
    ) -> Judged {
        let (scores, statistics) = self.scores(judge, params, pictures, true, random, device);
        self.critic.follow(statistics);
        judged(scores, label)
    }

    /// Scores `[n]`, on the side of the arrays: tracked or not.
    fn scores(
        &self,
        judge: &Chain,
        params: &Params,
        pictures: Tensor<4>,
        train: bool,
        random: &mut RandomState,
        device: &Device,
    ) -> (Tensor<1>, Vec<Statistics>) {
        let n = pictures.dims()[0];
        let masks = self.masks(judge, n, random, device);
        let tracked = params.list.first().is_some_and(|param| param.value.is_autodiff());
        let (pictures, masks) = match (tracked, pictures.is_autodiff()) {
            (true, true) => (pictures, lifted(masks)),
            (true, false) => (pictures.autodiff(), lifted(masks)),
            (false, _) => (pictures, masks),
        };
        let Trained { output, statistics } = match train {
            true => chain::train(judge, params, Value::Map(pictures), &masks),
            false => {
                let output = chain::evaluate(judge, params, Value::Map(pictures), &masks);
                Trained { output, statistics: Vec::new() }
            }
        };
        (output.flat().reshape([n]), statistics)
    }

    /// An update of the generator; gives its loss and what the discriminator said of its pictures.
    fn persuade(&mut self, own: &CrossEntropy, drawn: Drawn, random: &mut RandomState, device: &Device) -> [f32; 2] {
        let (judge, critic) = (self.judge(), self.constant_critic());
        let (scores, statistics) = self.scores(&judge, &critic, drawn.pictures, !own.calm_judge, random, device);
        self.critic.follow(statistics);
        let Judged { loss, said } = judged(scores, own.real_label);
        let number = scalar(loss.clone());
        let mut gradients = loss.backward();
        self.generator_updated(drawn.params.gradients(&mut gradients), drawn.statistics);
        [number, said]
    }
}

impl CrossEntropy {
    /// Pictures of the generator's update, beside so many real ones.
    fn generator_count(&self, real: usize) -> usize {
        if self.generator_batch > 0 { self.generator_batch } else { real }
    }
}

/// Loss and mean of what is said by scores `[n]` under one label.
fn judged(scores: Tensor<1>, label: f64) -> Judged {
    let said = sigmoid_mean(scores.clone());
    Judged { loss: cross_entropy(scores, label), said }
}

/// The mean of `−t ln σ(x) − (1 − t) ln(1 − σ(x)) = max(x, 0) − t x + ln(1 + e^−|x|)`, which no score overflows.
fn cross_entropy(scores: Tensor<1>, label: f64) -> Tensor<1> {
    let soft = scores.clone().abs().neg().exp().add_scalar(1.0).log();
    (scores.clone().clamp_min(0.0) - scores * label + soft).mean()
}

/// The mean of `σ(x)`.
fn sigmoid_mean(scores: Tensor<1>) -> f32 {
    let plain = if scores.is_autodiff() { scores.inner() } else { scores };
    let values = crate::net::params::floats(plain);
    let said = values.iter().map(|x| 1.0 / (1.0 + f64::from(-x).exp()));
    (said.sum::<f64>() / values.len().max(1) as f64) as f32
}
