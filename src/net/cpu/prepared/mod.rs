//! The generator's forward for many pictures from the same weights: the CPU's fast path.
//!
//! [`Prepared::new`] folds the norms into the weights and packs those in the order in which they are
//! read; [`Prepared::draw`] then makes pictures without packing, unfolding or large allocations.
//! Every stage has chosen its way from a count of what it would cost; stages without a shared
//! window run through [`super::conv`], which also are the reference of the tests.
//! Fed by [`crate::net::generator`] with plain slices; nothing here knows burn, and no sum depends on the
//! number of threads.

mod dense;
mod direct;
mod few;
pub(super) mod matrices;
mod plain;
mod way;
mod weights;
pub(super) mod winograd;

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use self::dense::Dense;
use self::way::Way;
use super::layout::{Plane, Row, WIDE, blocks};
use super::pointwise::tanh;
use crate::net::geometry::Geometry;
use crate::net::layers::Activation;
use crate::worker;

/// Pictures that go through the stages together, and how many such parts go beside each other, so that a thread
/// which is done with its share of a stage need not wait for the rest; more would only need more memory.
const TOGETHER: usize = 4;
const BESIDE: usize = 2;

/// A layer's weights, and the norm behind it: what goes out is `scale · (kernel ∗ in) + shift`.
pub struct Layer<K = Vec<f32>> {
    /// `[z_dim, features]` of the dense layer, `[k, k, filters, in]` of a transposed convolution,
    /// `[k, k, in, filters]` of one behind a doubling.
    pub kernel: K,
    /// What a sum is multiplied by, one number each feature or filter.
    pub scale: Vec<f32>,
    /// What is added behind that, one number each feature or filter.
    pub shift: Vec<f32>,
}

impl<K: Deref<Target = [f32]>> Layer<K> {
    /// The same for a reader; scale and shift are small.
    fn view(&self) -> Layer<&[f32]> {
        Layer { kernel: &self.kernel, scale: self.scale.clone(), shift: self.shift.clone() }
    }
}

/// What a picture is made of: a float in −1..1, or a byte.
pub trait Pixel: Copy + Default + Send + Sync {
    /// From a value in −1..1.
    fn of(value: f32) -> Self;
}

impl Pixel for f32 {
    #[inline(always)]
    fn of(value: f32) -> Self {
        value
    }
}

impl Pixel for u8 {
    /// `clip(127.5 · (x + 1))` rounded down, like matplotlib's.
    #[inline(always)]
    fn of(value: f32) -> Self {
        // By way of i32 the conversion is a vector loop.
        ((value + 1.0) * 127.5).clamp(0.0, 255.0) as i32 as u8
    }
}

/// One stage behind the first map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// Of the convolution, or of the one it transposes.
    pub geometry: Geometry,
    /// Whether it is a transposed convolution.
    pub transposed: bool,
    /// Nearest ×2 before it.
    pub doubled: bool,
    /// The activation behind it; the last stage's is tanh.
    pub then: Option<Activation>,
}

impl Stage {
    /// Height, width and channels of what goes out.
    pub fn output(&self) -> [usize; 3] {
        let g = &self.geometry;
        if self.transposed { [g.h, g.w, g.c] } else { [g.oh(), g.ow(), g.o] }
    }
}

/// A generator that can be prepared: a dense layer, and stages behind the map that it makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// Values of a latent.
    pub z_dim: usize,
    /// Height, width and channels of the first map.
    pub first: [usize; 3],
    /// The activation behind the dense layer.
    pub then: Option<Activation>,
    /// The stages; the last one makes the picture.
    pub stages: Vec<Stage>,
}

impl Outline {
    /// Weights without biases.
    fn weights(&self) -> usize {
        let stage = |stage: &Stage| stage.geometry.k * stage.geometry.k * stage.geometry.c * stage.geometry.o;
        self.z_dim * self.first.iter().product::<usize>() + self.stages.iter().map(stage).sum::<usize>()
    }
}

/// One stage and the planes it reads.
struct Step {
    way: Way,
    geometry: Geometry,
    from: Plane,
    channels: usize,
    /// The activation of what goes into it, where the layer before could not do it.
    curve: Option<Activation>,
}

/// An activation that no stage can do itself.
fn curve(then: Option<Activation>) -> Option<Activation> {
    then.filter(|then| then.negative_slope().is_none())
}

/// A generator's weights, packed for drawing.
pub struct Prepared {
    z_dim: usize,
    dense: Dense,
    steps: Vec<Step>,
    /// Height, width and channels of a picture.
    picture: [usize; 3],
    /// One for each part that was drawn at the same time.
    works: Mutex<Vec<Work>>,
}

/// The buffers of a forward, kept for the next one.
#[derive(Default)]
struct Work {
    /// What each stage reads; the borders stay zero.
    maps: Vec<Vec<Row>>,
    /// Transformed maps.
    factors: Vec<Row>,
}

/// Makes a buffer at least `len` rows long; what is new is zero.
fn lengthen(rows: &mut Vec<Row>, len: usize) {
    if rows.len() < len {
        rows.resize(len, Row::ZERO);
    }
}

impl Prepared {
    /// Sides of what each stage reads, and its way.
    pub fn ways(&self) -> Vec<String> {
        let name = |step: &Step| format!("{}×{} {}", step.geometry.oh(), step.geometry.ow(), step.way.name());
        self.steps.iter().map(name).collect()
    }

    /// Packs weights, from the dense layer to the last stage.
    pub fn new<K: Deref<Target = [f32]>>(outline: &Outline, layers: impl IntoIterator<Item = Layer<K>>) -> Self {
        let [mut h, mut w, mut channels] = outline.first;
        let slope = outline.then.and_then(Activation::negative_slope).unwrap_or(1.0);
        let short = weights::short(outline.weights());
        let dense = Dense::new(outline.z_dim, h * w, channels, slope, short);
        let mut steps = Vec::with_capacity(outline.stages.len());
        let mut before = outline.then;
        for (i, stage) in outline.stages.iter().enumerate() {
            let way = Way::new(stage, i + 1 == outline.stages.len(), short);
            let (from, curve) = (way.plane(h, w), curve(before));
            steps.push(Step { from, way, geometry: stage.geometry, channels, curve });
            [h, w, channels] = stage.output();
            before = stage.then;
        }
        let picture = [h, w, channels];
        let mut made = Self { z_dim: outline.z_dim, dense, steps, picture, works: Mutex::default() };
        made.load(layers);
        made
    }

    /// Packs other weights of the same architecture in the place of these.
    pub fn load<K: Deref<Target = [f32]>>(&mut self, layers: impl IntoIterator<Item = Layer<K>>) {
        let mut layers = layers.into_iter();
        if let Some(layer) = layers.next() {
            self.dense.load(&layer.view());
        }
        for (step, layer) in self.steps.iter_mut().zip(layers) {
            step.way.load(&layer.view(), &step.geometry);
        }
    }

    /// Values in a picture.
    pub fn picture_len(&self) -> usize {
        self.picture.iter().product()
    }

    /// Pictures `[n, h, w, c]` for `z` `[n, z_dim]`.
    pub fn draw<P: Pixel>(&self, z: &[f32]) -> Vec<P> {
        // From a thread of the pool, or every stage would wake one and be waited for.
        rayon::scope(|_| {
            worker::spread();
            self.draw_all(z)
        })
    }

    /// [`Self::draw`] on a thread of the pool.
    fn draw_all<P: Pixel>(&self, z: &[f32]) -> Vec<P> {
        let mut out = vec![P::default(); z.len() / self.z_dim * self.picture_len()];
        let (pixels, values) = (TOGETHER * self.picture_len(), TOGETHER * self.z_dim);
        for (out, z) in out.chunks_mut(BESIDE * pixels).zip(z.chunks(BESIDE * values)) {
            out.par_chunks_mut(pixels).zip(z.par_chunks(values)).for_each(|(out, z)| {
                let kept = self.works().pop();
                let mut work = kept.unwrap_or_default();
                self.draw_some(z, &mut work, out);
                self.works().push(work);
            });
        }
        out
    }

    /// Buffers that are not in use; only ever pushed and popped.
    fn works(&self) -> MutexGuard<'_, Vec<Work>> {
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// [`Self::draw`] for a few pictures.
    fn draw_some<P: Pixel>(&self, z: &[f32], work: &mut Work, out: &mut [P]) {
        let n = z.len() / self.z_dim;
        let [h, w, channels] = self.picture;
        let bare = Plane::bare(h, w);
        // What each stage reads, and at the end the picture, which most last stages skip.
        let planes: Vec<(Plane, usize)> =
            self.steps.iter().map(|step| (step.from, step.channels)).chain([(bare, channels)]).collect();
        work.maps.resize_with(planes.len(), Vec::new);
        for (i, (to, channels)) in planes.iter().enumerate() {
            let last = i == self.steps.len();
            let (done, rest) = work.maps.split_at_mut(i);
            let (output, before) = (&mut rest[0], i.checked_sub(1).map(|i| (&self.steps[i], &done[i])));
            if let (true, Some((step, input))) = (last, before)
                && step.way.finish(n, input, &step.from, out)
            {
                return;
            }
            lengthen(output, blocks(*channels) * n * to.len());
            match before {
                Some((step, input)) => step.way.run(n, input, &step.from, &mut work.factors, output, to),
                None => self.dense.run(n, z, output, to),
            }
            if let Some(activation) = self.steps.get(i).and_then(|step| step.curve) {
                activate(activation, &mut output[..blocks(*channels) * n * to.len()], to);
            }
        }
        picture(&work.maps[self.steps.len()], n, channels, &bare, out);
    }
}

/// Applies an activation to the pixels of all planes.
fn activate(activation: Activation, rows: &mut [Row], plane: &Plane) {
    let apply = |v: f32| match activation {
        Activation::Tanh => tanh(v),
        Activation::Sigmoid => 1.0 / (1.0 + (-v).exp()),
        Activation::Elu => v.max(0.0) + v.min(0.0).exp_m1(),
        Activation::Selu => 1.050_701 * (v.max(0.0) + 1.673_263_2 * v.min(0.0).exp_m1()),
        // These have a slope, which the stages know.
        Activation::LeakyRelu(_) | Activation::Relu => v,
    };
    rows.par_chunks_mut(plane.len()).for_each(|rows| {
        for line in rows[plane.inside()].chunks_exact_mut(plane.wide) {
            for row in &mut line[plane.left..plane.left + plane.w] {
                row.0 = row.0.map(apply);
            }
        }
    });
}

/// Pictures `[n, h, w, channels]` from planes, through tanh.
fn picture<P: Pixel>(rows: &[Row], n: usize, channels: usize, plane: &Plane, out: &mut [P]) {
    let line = plane.w * channels;
    out.par_chunks_mut(line).enumerate().for_each(|(i, out)| {
        let (picture, y) = (i / plane.h, i % plane.h);
        for (x, pixel) in out.chunks_exact_mut(channels).enumerate() {
            for (c, p) in pixel.iter_mut().enumerate() {
                let row = &rows[(c / WIDE * n + picture) * plane.len() + plane.at(y, x)];
                *p = P::of(tanh(row.0[c % WIDE]));
            }
        }
    });
}

#[cfg(test)]
mod tests;
