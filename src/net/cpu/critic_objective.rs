//! The loss of WGAN-GP's critic and its gradient in all weights, written out for the CPU.
//!
//! Called by `trainer::step` for critics that are piecewise linear; others, and other devices, go through
//! `net::critic` and burn's autodiff, which this is tested against. Owns buffers, knows no optimiser.
//!
//! Three batches go through the critic as one: real pictures, drawn ones, and those between. On the way
//! back the first two carry ∓1/n and the last carries 1, so that what arrives at its pictures is the input
//! gradient ∇D whose length is punished. With v = ∂penalty/∂∇D held fixed, the penalty's gradient in the
//! kernels is that of `⟨v, ∇D⟩`, which is linear in each kernel where activations are piecewise linear. So v
//! walks forward through the layers with the slopes that were left there, the tangent of the scores along
//! v, and what it is before a layer takes the place of what that layer read: one gradient of a kernel then
//! serves all three batches.

use rayon::prelude::*;

use crate::net::chain::Masks;
use crate::net::geometry::Geometry;
use crate::net::layers::{Chain, Layer};
use crate::net::steps::{Kind, steps};

use super::conv::{self, Act, After, Weights};
use super::pointwise;
use super::winograd_stride2;
use crate::net::ops::{self, Held};
use crate::net::params::{Params, floats};

/// A critic whose loss can be written out: convolutions with biases and one slope below zero, perhaps dropout behind
/// each, and a dense layer to one number.
pub struct Stack {
    /// Names of the convolutions, and of the dense layer at the end.
    names: Vec<String>,
    layers: Vec<Geometry>,
    negative_slope: f32,
    /// Channels behind those of the pictures: the penalty is on the gradient in the pictures alone.
    planes: usize,
}

impl Stack {
    /// With so many planes of classes behind the channels of the pictures.
    pub fn with_planes(self, planes: usize) -> Self {
        Self { planes, ..self }
    }

    /// From a critic's layers; none if there is anything else among them.
    pub fn of(chain: &Chain) -> Option<Self> {
        let biased = chain.layers.iter().all(|(_, layer)| match layer {
            Layer::Conv2d { bias, .. } | Layer::Dense { bias, .. } => *bias,
            _ => true,
        });
        let (mut names, mut layers, mut slopes) = (Vec::new(), Vec::new(), Vec::new());
        let steps = steps(chain);
        let (last, before) = steps.split_last()?;
        if !biased || last.kind != Kind::Dense || last.output.len() != 1 || last.then.is_some() || last.norm.is_some() {
            return None;
        }
        let mut dropped = 0;
        for step in before {
            match step.kind {
                Kind::Conv(g) if step.norm.is_none() => {
                    slopes.push(step.then.map_or(Some(1.0), |then| then.negative_slope())?);
                    names.push(step.name.clone());
                    layers.push(g);
                }
                // One behind each convolution, or none at all.
                Kind::Dropout if dropped + 1 == layers.len() => dropped += 1,
                Kind::Shape => {}
                _ => return None,
            }
        }
        if dropped > 0 && dropped < layers.len() {
            return None;
        }
        names.push(last.name.clone());
        let negative_slope = *slopes.first()?;
        slopes.iter().all(|slope| *slope == negative_slope).then_some(Self { names, layers, negative_slope, planes: 0 })
    }
}

/// The terms of the loss, and its gradient in the trained arrays in the order of their list.
pub struct Objective {
    /// `−mean D(real)`.
    pub real: f32,
    /// `mean D(fake)`.
    pub fake: f32,
    /// `mean((1 − ‖∇D(x̂)‖)²)`, without its weight.
    pub penalty: f32,
    /// The gradient, one array for each trained one.
    pub gradients: Vec<Vec<f32>>,
}

/// Real and drawn pictures `[n, h, w, c]` in −1..1, and for each pair the share of the real one in the
/// picture between them.
pub struct Batch<'a> {
    /// Real pictures, `[n, h, w, c]`.
    pub real: &'a [f32],
    /// Drawn pictures, `[n, h, w, c]`.
    pub fake: &'a [f32],
    /// Share of the real picture, 0..1, `[n]`.
    pub alpha: &'a [f32],
}

impl Batch<'_> {
    /// All three batches, one after the other.
    fn joined(&self, buffers: &mut Buffers) -> Vec<f32> {
        let len = self.real.len();
        let each = len / self.alpha.len();
        let mut all = buffers.take(3 * len);
        let (pairs, between) = all.split_at_mut(2 * len);
        let (real, fake) = pairs.split_at_mut(len);
        let pictures = real.par_chunks_mut(each).zip(fake.par_chunks_mut(each)).zip(between.par_chunks_mut(each));
        let given = self.real.par_chunks(each).zip(self.fake.par_chunks(each)).zip(self.alpha);
        pictures.zip(given).for_each(|(((real, fake), between), ((r, f), alpha))| {
            real.copy_from_slice(r);
            fake.copy_from_slice(f);
            for ((x, r), f) in between.iter_mut().zip(r).zip(f) {
                *x = r * alpha + f * (1.0 - alpha);
            }
        });
        all
    }
}

/// Buffers that one step leaves to the next: memory that comes and goes takes longer than what is done in it.
///
/// With batches of 16 `small` keeps 66 MB here and `seed` 440 MB, what a step needs at once, and for `seed` 44 MB of
/// factors of its kernels.
#[derive(Default)]
pub struct Buffers(Vec<Vec<f32>>);

impl Buffers {
    /// A buffer of `len` floats that may hold anything: the smallest that is large enough, or a new one.
    fn take(&mut self, len: usize) -> Vec<f32> {
        let fitting = self.0.iter().enumerate().filter(|(_, kept)| kept.capacity() >= len);
        match fitting.min_by_key(|(_, kept)| kept.capacity()).map(|(at, _)| at) {
            Some(at) => {
                let mut buffer = self.0.swap_remove(at);
                buffer.resize(len, 0.0);
                buffer
            }
            None => pointwise::zeros(len),
        }
    }
}

/// The loss of the critic `params` and its gradient; `masks` as in [`crate::net::critic::score`], one list for each
/// of the three batches.
///
/// Source: Gulrajani et al. 2017 (arXiv 1704.00028), with the original's signs.
pub fn objective(
    critic: &Stack,
    grad_weight: f64,
    params: &Params,
    batch: &Batch,
    masks: &[Masks; 3],
    buffers: &mut Buffers,
) -> Objective {
    let n = batch.alpha.len();
    let layers = &critic.layers;
    let masks = (0..masks[0].len())
        .map(|layer| masks.iter().flat_map(|masks| floats(masks[layer].clone().inner())).collect())
        .collect();
    let held = |layer: &String, part| {
        params.param(layer, part).map_or_else(|| Held::of(Vec::new()), |param| ops::held(&param.value))
    };
    let weights: Vec<Held> =
        critic.names.iter().flat_map(|layer| ["kernel", "bias"].map(|part| held(layer, part))).collect();
    let factors = layers.iter().enumerate().map(|(i, g)| {
        winograd_stride2::fits(g).then(|| {
            let mut made = buffers.take(winograd_stride2::factors_len(g));
            winograd_stride2::factors(&weights[2 * i], g, &mut made);
            made
        })
    });
    let factors = factors.collect();
    let negative_slope = critic.negative_slope;
    let mut walk = Walk { layers, negative_slope, masks, weights, factors, buffers };
    let pictures = batch.joined(walk.buffers);
    let mut maps = walk.forward(pictures);
    let count = layers.len();
    let scores = dots(&maps[count], &walk.weights[2 * count]);
    let bias = walk.weights[2 * count + 1][0];
    let mean = |scores: &[f32]| scores.iter().sum::<f32>() / n as f32 + bias;
    let (real, fake) = (-mean(&scores[..n]), mean(&scores[n..2 * n]));

    // The loss's gradient in each score; the scores between are followed for their own sake.
    let one = 1.0 / n as f32;
    let worth: Vec<f32> = [-one, one, 1.0].iter().flat_map(|v| vec![*v; n]).collect();
    let (slopes, mut tangent) = walk.back(&maps, &worth);
    let each = tangent.len() / n;
    if critic.planes > 0 {
        // A class cannot be changed a little, so nothing is asked of the slope along it.
        let channels = layers.first().map_or(1, |g| g.c);
        let planes = channels.saturating_sub(critic.planes)..channels;
        let still =
            |picture: &mut [f32]| picture.chunks_mut(channels).for_each(|pixel| pixel[planes.clone()].fill(0.0));
        tangent.par_chunks_mut(each).for_each(still);
    }
    let norms = pointwise::row_norms(&tangent, each);
    let penalty = norms.iter().map(|norm| (1.0 - norm).powi(2)).sum::<f32>() / n as f32;
    // From ∇D to v, the penalty's gradient in it; a length of 0 has none.
    let weight = 2.0 * one * grad_weight as f32;
    tangent.par_chunks_mut(each).zip(&norms).for_each(|(tangent, l)| {
        let factor = if *l > 0.0 { weight * (l - 1.0) / l } else { 0.0 };
        tangent.iter_mut().for_each(|v| *v *= factor);
    });

    let mut gradients = Vec::with_capacity(walk.weights.len());
    for (i, (g, slopes)) in layers.iter().zip(&slopes).enumerate() {
        let next = walk.through(i, &tangent, &maps[i + 1]);
        replace_last(&mut maps[i], &tangent);
        walk.buffers.0.push(std::mem::replace(&mut tangent, next));
        gradients.push(conv::conv_w(&maps[i], slopes, g));
        gradients.push(pointwise::channel_sum(&slopes[..slopes.len() / 3 * 2], g.o));
    }
    replace_last(&mut maps[count], &tangent);
    gradients.push(combined(&maps[count], &worth));
    // Real and drawn pictures cancel; a sum of rounded numbers would be noise that Adam makes steps of.
    gradients.push(vec![0.0]);
    let factors = walk.factors.into_iter().flatten();
    buffers.0.extend(maps.into_iter().chain(slopes).chain(factors).chain([tangent]));
    Objective { real, fake, penalty, gradients }
}

/// A critic laid out for walking through it.
struct Walk<'a> {
    layers: &'a [Geometry],
    negative_slope: f32,
    /// Dropout of all three batches, one a layer, or none.
    masks: Vec<Vec<f32>>,
    /// Kernel and bias of each layer, then of the dense one.
    weights: Vec<Held>,
    /// Of each kernel that has them; it is used three times.
    factors: Vec<Option<Vec<f32>>>,
    buffers: &'a mut Buffers,
}

impl Walk<'_> {
    /// The kernel of layer `i`.
    fn kernel(&self, i: usize) -> Weights<'_> {
        Weights { values: &self.weights[2 * i], factors: self.factors[i].as_deref() }
    }

    /// What every layer reads, the dense one included: the pictures and what comes out of every layer.
    fn forward(&mut self, pictures: Vec<f32>) -> Vec<Vec<f32>> {
        let mut maps = vec![pictures];
        for (i, g) in self.layers.iter().enumerate() {
            let n = maps[i].len() / (g.h * g.w * g.c);
            let mut map = self.buffers.take(n * g.oh() * g.ow() * g.o);
            let after = After::Act(&self.weights[2 * i + 1], Some(Act::Leaky(self.negative_slope)));
            conv::conv_to(&mut map, &maps[i], self.kernel(i), g, after);
            self.drop(i, &mut map, 0);
            maps.push(map);
        }
        maps
    }

    /// From what each score is worth to the gradients before every activation, and that at the pictures of the
    /// last batch.
    fn back(&mut self, maps: &[Vec<f32>], worth: &[f32]) -> (Vec<Vec<f32>>, Vec<f32>) {
        let dense: &[f32] = &self.weights[2 * self.layers.len()];
        let mut d = self.buffers.take(worth.len() * dense.len());
        d.par_chunks_mut(dense.len()).zip(worth).for_each(|(row, worth)| {
            row.iter_mut().zip(dense).for_each(|(v, weight)| *v = worth * weight);
        });
        // An activation's slope is applied to what comes back through the layer behind it.
        pointwise::leaky_grad(&maps[self.layers.len()], &mut d, self.negative_slope);
        let mut slopes = Vec::new();
        for (i, g) in self.layers.iter().enumerate().rev() {
            self.drop(i, &mut d, 0);
            let none = vec![0.0; g.c];
            // Nobody asks what the first two batches' pictures would have to be.
            let (from, after) = match i {
                0 => (d.len() / 3 * 2, After::Act(&none, None)),
                _ => (0, After::LeakyReluGrad { y: &maps[i], negative_slope: self.negative_slope }),
            };
            let n = d[from..].len() / (g.oh() * g.ow() * g.o);
            let mut before = self.buffers.take(n * g.h * g.w * g.c);
            conv::conv_t_to(&mut before, &d[from..], self.kernel(i), g, after);
            slopes.push(std::mem::replace(&mut d, before));
        }
        slopes.reverse();
        (slopes, d)
    }

    /// Takes the tangent of the last batch through layer `i`, which made `map`.
    fn through(&mut self, i: usize, tangent: &[f32], map: &[f32]) -> Vec<f32> {
        let mut next = self.buffers.take(map.len() / 3);
        let from = map.len() - next.len();
        let after = After::LeakyReluGrad { y: &map[from..], negative_slope: self.negative_slope };
        conv::conv_to(&mut next, tangent, self.kernel(i), &self.layers[i], after);
        self.drop(i, &mut next, from);
        next
    }

    /// Applies the dropout of layer `i` to values that begin with number `from`. A value that was dropped has
    /// lost its slope as well, and needs none.
    fn drop(&self, i: usize, values: &mut [f32], from: usize) {
        if let Some(mask) = self.masks.get(i) {
            values.iter_mut().zip(&mask[from..]).for_each(|(v, mask)| *v *= mask);
        }
    }
}

/// Puts the tangent in the place of the last batch.
fn replace_last(input: &mut [f32], tangent: &[f32]) {
    let from = input.len() - tangent.len();
    let part = tangent.len().div_ceil(64).max(1);
    input[from..].par_chunks_mut(part).zip(tangent.par_chunks(part)).for_each(|(to, from)| to.copy_from_slice(from));
}

/// The products of rows with one vector.
fn dots(rows: &[f32], vector: &[f32]) -> Vec<f32> {
    // Short sums first, which lose less; their order is the same everywhere.
    let dot = |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    rows.par_chunks(vector.len()).map(|row| row.chunks(256).zip(vector.chunks(256)).map(dot).sum()).collect()
}

/// The sum of rows, each times its share.
fn combined(rows: &[f32], shares: &[f32]) -> Vec<f32> {
    let wide = rows.len() / shares.len();
    let mut sum = vec![0.0; wide];
    let part = wide.div_ceil(8);
    sum.par_chunks_mut(part).enumerate().for_each(|(i, sum)| {
        for (row, share) in rows.chunks_exact(wide).zip(shares) {
            sum.iter_mut().zip(&row[i * part..]).for_each(|(sum, v)| *sum += v * share);
        }
    });
    sum
}
