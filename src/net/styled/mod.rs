//! StyleGAN2 at work: latents → pictures.
//!
//! A row is z with its classes and the numbers of a [`Style`] behind them. Its w comes from there or from the mapping,
//! goes towards the mean and along directions, and becomes factors for each layer; planes of noise are those of the model
//! or of seeds. On the CPU [`super::cpu::synthesis`] draws, elsewhere burn's operations. Owned by [`super::draw::Ready`].

pub mod tensors;

use std::sync::{Arc, Mutex};

use burn::tensor::{Device, Tensor, TensorData};
use pulp::Arch;
use rayon::prelude::*;

use self::tensors::{Given, Made};
use super::bends::{self, Size};
use super::cpu::synthesis::{self, Synthesis, doubled};
use super::families::Family;
use super::families::stylegan2::{Layer, StyleGan2};
use super::mapping::Mapping;
use super::ops;
use super::params::{Params, floats};
use crate::latent::style::{Bend, MOST_DIRECTIONS, Mapping as _, Style, Turn};
use crate::latent::{self, space};
use crate::latest::lock;
use crate::random::RandomState;

/// Pixels of pictures that are drawn together at most, where a card draws.
const TOGETHER: usize = 1 << 19;
/// Seeds of noise whose planes are kept.
const MOST_SEEDS: usize = 4;
/// Tells planes of noise from other numbers of a seed.
const PLANES: u32 = 0x706c_616e;
const EPS: f32 = 1e-8;

/// A direction of W.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction {
    /// What it is called.
    pub name: String,
    /// `[dim]`, or one for each layer `[layers · dim]`.
    pub vector: Vec<f32>,
}

/// What makes factors of a w.
struct Affine {
    /// `[dim, channels]`.
    kernel: Vec<f32>,
    bias: Vec<f32>,
    /// `[channels, out]`, the squares that demodulate; none for a picture.
    squares: Vec<f32>,
    /// Which w.
    w: usize,
    /// The convolution's number, if it is one.
    layer: Option<usize>,
}

/// The planes of a convolution: their size, how strong they are, and the model's own.
struct Plane {
    pixels: usize,
    strength: f32,
    own: Vec<f32>,
}

/// A StyleGAN2 with its weights.
pub struct Styled {
    own: StyleGan2,
    device: Device,
    /// Whether it is prepared for many pictures.
    packed: bool,
    mapping: Arc<Mapping>,
    directions: Vec<Direction>,
    affines: Vec<Affine>,
    planes: Vec<Plane>,
    way: Way,
    seeds: Mutex<Vec<(u32, Planes)>>,
    /// What was added last, and of which noise.
    last: Mutex<Option<(Noise, Planes)>>,
}

/// Strength, seed and loop of noise.
type Noise = (f64, Option<f64>, Option<Turn>);

/// Planes of one seed, one for each convolution.
type Planes = Arc<Vec<Vec<f32>>>;

enum Way {
    Packed(Box<Synthesis>),
    Tensors(Box<Made>),
    Halved(Box<Made>),
}

/// What one picture is made of.
struct Picture {
    /// `[layers · dim]`.
    w: Vec<f32>,
    style: Style,
}

/// Which networks the CPU's own way draws is said by [`StyleGan2::plain`].
fn way(own: &StyleGan2, params: &Params, device: &Device, packed: bool) -> Way {
    let plain = (packed && ops::ours(device)).then(|| own.plain(params)).flatten();
    match plain {
        Some(plain) => Way::Packed(Box::new(Synthesis::new(&plain))),
        None => Way::Tensors(Box::new(prepared(Made::new(own, params), device, packed))),
    }
}

/// In the order of a card's product, where that is the device.
fn prepared(made: Made, device: &Device, packed: bool) -> Made {
    #[cfg(feature = "gpu")]
    if packed && !ops::ours(device) {
        return made.on_card();
    }
    let _ = (device, packed);
    made
}

fn affines(own: &StyleGan2, params: &Params) -> Vec<Affine> {
    let numbers = |name: &str| {
        let kernel = floats(params.get::<2>(&format!("{name}.affine"), "kernel"));
        (kernel, floats(params.get::<1>(&format!("{name}.affine"), "bias")))
    };
    let (mut out, mut number) = (Vec::new(), 0);
    for block in own.blocks() {
        for Layer { name, channels: [c, o], w, .. } in &block.layers {
            let (kernel, bias) = numbers(name);
            let taps = floats(params.get::<4>(name, "kernel"));
            let mut squares = vec![0.0; c * o];
            for tap in taps.chunks_exact(c * o) {
                squares.iter_mut().zip(tap).for_each(|(sum, v)| *sum += v * v);
            }
            out.push(Affine { kernel, bias, squares, w: *w, layer: Some(number) });
            number += 1;
        }
        if let Some(w) = block.picture {
            let (kernel, bias) = numbers(&format!("{}.torgb", block.name));
            out.push(Affine { kernel, bias, squares: Vec::new(), w, layer: None });
        }
    }
    out
}

fn planes(own: &StyleGan2, params: &Params) -> Vec<Plane> {
    let blocks = own.blocks();
    let layers = blocks.iter().flat_map(|block| &block.layers);
    layers
        .map(|layer| {
            let strength = floats(params.get::<1>(&layer.name, "strength"))[0];
            let own = floats(params.get::<2>(&layer.name, "noise"));
            Plane { pixels: layer.size[0] * layer.size[1], strength, own }
        })
        .collect()
}

impl Affine {
    /// Factors of what goes in, and of what comes out.
    fn factors(&self, w: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let mut style = self.bias.clone();
        let outputs = self.squares.len() / style.len().max(1);
        let mut factor = vec![0.0; outputs];
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (w, row) in w.iter().zip(self.kernel.chunks_exact(style.len())) {
                    style.iter_mut().zip(row).for_each(|(s, v)| *s += w * v);
                }
                if outputs > 0 {
                    for (s, row) in style.iter().zip(self.squares.chunks_exact(outputs)) {
                        factor.iter_mut().zip(row).for_each(|(sum, v)| *sum += s * s * v);
                    }
                    factor.iter_mut().for_each(|v| *v = 1.0 / (*v + EPS).sqrt());
                }
            },
        );
        (style, factor)
    }
}

impl Styled {
    /// Drawn in half precision where a card can.
    pub fn halved(own: &StyleGan2, params: &Params) -> Self {
        let own = Self::new(own, params, false);
        let made = prepared(Made::halved(&own.own, params), &own.device, true);
        Self { way: Way::Halved(Box::new(made)), ..own }
    }

    /// With these arrays; `packed`: prepared for many pictures where the CPU draws.
    pub fn new(own: &StyleGan2, params: &Params, packed: bool) -> Self {
        let device = params.list.first().map(|p| p.value.device()).unwrap_or_default();
        Self {
            mapping: Arc::new(Mapping::new(own, params, Vec::new())),
            directions: Vec::new(),
            affines: affines(own, params),
            planes: planes(own, params),
            way: way(own, params, &device, packed),
            own: own.clone(),
            device,
            packed,
            seeds: Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// Other arrays of the same network.
    pub fn renew(&mut self, params: &Params) {
        let half = matches!(self.way, Way::Halved(_));
        self.mapping = Arc::new(Mapping::new(&self.own, params, self.names()));
        (self.affines, self.planes) = (affines(&self.own, params), planes(&self.own, params));
        *lock(&self.last) = None;
        self.way = match half {
            true => Way::Halved(Box::new(prepared(Made::halved(&self.own, params), &self.device, true))),
            false => way(&self.own, params, &self.device, self.packed),
        };
    }

    fn names(&self) -> Vec<String> {
        self.directions.iter().map(|own| own.name.clone()).collect()
    }

    /// Gives it directions: those that are not of this W, or more than [`MOST_DIRECTIONS`], are left out.
    pub fn set_directions(&mut self, mut directions: Vec<Direction>, params: &Params) {
        let (dim, all) = (self.own.w_dim, self.own.w_dim * self.own.styles());
        directions.retain(|own| own.vector.len() == dim || own.vector.len() == all);
        directions.truncate(MOST_DIRECTIONS);
        self.directions = directions;
        self.mapping = Arc::new(Mapping::new(&self.own, params, self.names()));
    }

    /// Its mapping.
    pub fn mapping(&self) -> Arc<Mapping> {
        self.mapping.clone()
    }

    /// Which way it takes, for people.
    pub fn way(&self) -> String {
        match &self.way {
            Way::Packed(packed) => format!("StyleGAN2, packed weights: {}", packed.ways()),
            Way::Halved(_) => "StyleGAN2 layer by layer, the last blocks in half precision".into(),
            Way::Tensors(_) => "StyleGAN2 layer by layer, maps scaled in place of kernels".into(),
        }
    }

    /// w of a row for each layer, behind psi and directions: `[layers · dim]`.
    pub fn w(&self, row: &[f32]) -> Vec<f32> {
        self.read(row).w
    }

    /// What a row means.
    fn read(&self, row: &[f32]) -> Picture {
        let StyleGan2 { z_dim, classes, w_dim, .. } = self.own;
        let layers = self.own.styles();
        let (z, behind) = row.split_at(z_dim.min(row.len()));
        let (class, flat) = behind.split_at(classes.min(behind.len()));
        let mut style = Style::of_numbers(flat);
        if style.w.len() != w_dim && style.w.len() != layers * w_dim {
            let mut z = z.to_vec();
            space::adapt(&mut z, z_dim);
            let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
            style.w = self.mapping.w(&wide(&z), &wide(class));
        }
        style.spread(layers, w_dim);
        if style.shares.iter().any(|share| *share != 0.0) {
            let other = latent::seed(style.other.clamp(0.0, f64::from(u32::MAX)) as u32, z_dim);
            let wide: Vec<f64> = class.iter().map(|v| f64::from(*v)).collect();
            let other = self.mapping.w(&other, &wide);
            for (w, share) in style.w.chunks_exact_mut(w_dim).zip(style.shares) {
                w.iter_mut().zip(&other).for_each(|(w, other)| *w += (other - *w) * share);
            }
        }
        let mean = self.mapping.mean();
        let mut w = std::mem::take(&mut style.w);
        for (layer, w) in w.chunks_exact_mut(w_dim).enumerate() {
            if style.psi != 1.0 && (style.cutoff == 0 || layer < style.cutoff) {
                w.iter_mut().zip(mean).for_each(|(w, mean)| *w = mean + (*w - mean) * style.psi);
            }
            for (direction, amount) in self.directions.iter().zip(style.directions) {
                let from = if direction.vector.len() == w_dim { 0 } else { layer * w_dim };
                let part = &direction.vector[from..from + w_dim];
                if amount != 0.0 {
                    w.iter_mut().zip(part).for_each(|(w, v)| *w += amount * f64::from(*v));
                }
            }
        }
        Picture { w: w.iter().map(|v| *v as f32).collect(), style }
    }

    /// Planes of standard normal numbers of a seed, one for each convolution.
    fn of_seed(&self, seed: f64) -> Planes {
        let seed = seed.clamp(0.0, f64::from(u32::MAX)) as u32;
        let mut seeds = lock(&self.seeds);
        if let Some((_, known)) = seeds.iter().find(|(own, _)| *own == seed) {
            return known.clone();
        }
        let made: Vec<Vec<f32>> = self
            .planes
            .par_iter()
            .enumerate()
            .map(|(layer, plane)| {
                let mut random = RandomState::with_key(&[seed, layer as u32, PLANES]);
                random.normals(plane.pixels).iter().map(|v| *v as f32).collect()
            })
            .collect();
        let made = Arc::new(made);
        if seeds.len() >= MOST_SEEDS {
            seeds.remove(0);
        }
        seeds.push((seed, made.clone()));
        made
    }

    /// What is added to each convolution; empty where nothing is.
    fn noise(&self, style: &Style) -> Planes {
        let key = (style.strength, style.noise, style.turn);
        if let Some((_, known)) = lock(&self.last).as_ref().filter(|(last, _)| *last == key) {
            return known.clone();
        }
        let made = Arc::new(self.made_noise(style));
        *lock(&self.last) = Some((key, made.clone()));
        made
    }

    fn made_noise(&self, style: &Style) -> Vec<Vec<f32>> {
        let base = style.noise.map(|seed| self.of_seed(seed));
        // The two planes of a loop are those of neighbouring keys.
        let turn = style.turn.map(|turn| {
            let (sin, cos) = (turn.phase.rem_euclid(1.0) * std::f64::consts::TAU).sin_cos();
            let radius = turn.radius.clamp(0.0, 1.0);
            let rest = (1.0 - radius * radius).sqrt() as f32;
            let weights = [rest, (radius * cos) as f32, (radius * sin) as f32];
            (self.of_seed(turn.seed * 2.0 + 1e6), self.of_seed(turn.seed * 2.0 + 1e6 + 1.0), weights)
        });
        let plane = |(at, own): (usize, &Plane)| {
            let factor = own.strength * style.strength as f32;
            if factor == 0.0 {
                return Vec::new();
            }
            let still = base.as_ref().map_or(&own.own, |base| &base[at]);
            match &turn {
                None => still.iter().map(|v| v * factor).collect(),
                Some((a, b, [rest, cos, sin])) => {
                    let both = a[at].iter().zip(&b[at]);
                    still.iter().zip(both).map(|(v, (a, b))| (v * rest + a * cos + b * sin) * factor).collect()
                }
            }
        };
        self.planes.par_iter().enumerate().map(plane).collect()
    }

    /// How many blocks are drawn, and how often their picture is doubled then.
    fn blocks(&self, style: &Style) -> (usize, usize) {
        let all = self.own.channels.len();
        let skipped = if self.own.has_pictures() { style.fewer.min(all.saturating_sub(2)) } else { 0 };
        (all - skipped, skipped)
    }

    /// Runs `work` on each picture `[h, w, channels]` about −1..1, not cut.
    fn each(&self, rows: &[Vec<f32>], mut work: impl FnMut(&[f32])) {
        let pictures: Vec<Picture> = rows.iter().map(|row| self.read(row)).collect();
        match &self.way {
            Way::Packed(packed) => pictures.iter().for_each(|picture| self.packed(packed, picture, &mut work)),
            Way::Tensors(made) | Way::Halved(made) => {
                // Large maps of many pictures would take gigabytes.
                let ([h, w], c) = (self.own.size(), self.own.picture_channels);
                for part in pictures.chunks((TOGETHER / (h * w)).clamp(1, made.together)) {
                    // What is drawn together has as many blocks.
                    for part in part.chunk_by(|a, b| a.style.fewer == b.style.fewer) {
                        floats(self.tensors(made, part)).chunks_exact(h * w * c).for_each(&mut work);
                    }
                }
            }
        }
    }

    fn packed(&self, packed: &Synthesis, Picture { w, style }: &Picture, work: &mut impl FnMut(&[f32])) {
        let (dim, noise) = (self.own.w_dim, self.noise(style));
        let (blocks, skipped) = self.blocks(style);
        let styled: Vec<synthesis::Styled> = self
            .affines
            .par_iter()
            .map(|affine| {
                let (style, factor) = affine.factors(&w[affine.w * dim..(affine.w + 1) * dim]);
                let noise = affine.layer.map_or(&[][..], |at| &noise[at]);
                synthesis::Styled { style, factor, noise }
            })
            .collect();
        let bend = |number: usize, map: &mut synthesis::Map| {
            for bend in style.bends.iter().filter(|bend| bend.layer == number) {
                let size = Size { h: map.h, w: map.w, channels: map.channels, wide: map.wide };
                bends::bend(&mut map.values[..map.h * map.w * map.wide], size, bend);
            }
        };
        packed.draw(blocks, &styled, bend, |picture| match skipped {
            0 => work(picture),
            _ => work(&self.enlarged(picture.to_vec(), skipped)),
        });
    }

    /// Doubled so often as the network would do it.
    fn enlarged(&self, mut picture: Vec<f32>, times: usize) -> Vec<f32> {
        let ([h, w], c) = (self.own.size(), self.own.picture_channels);
        for left in (1..=times).rev() {
            picture = doubled(&picture, [h >> left, w >> left], c);
        }
        picture
    }

    fn tensors(&self, made: &Made, pictures: &[Picture]) -> Tensor<4> {
        let (n, dim) = (pictures.len(), self.own.w_dim);
        let w: Vec<Tensor<2>> = (0..self.own.styles())
            .map(|layer| {
                let rows = pictures.iter().flat_map(|own| &own.w[layer * dim..(layer + 1) * dim]);
                Tensor::from_data(TensorData::new(rows.copied().collect(), [n, dim]), &self.device)
            })
            .collect();
        let planes: Vec<Planes> = pictures.iter().map(|own| self.noise(&own.style)).collect();
        let blocks = self.own.blocks();
        let layers = blocks.iter().flat_map(|block| &block.layers).enumerate();
        let noise: Vec<Option<Tensor<3>>> = layers
            .map(|(at, Layer { size: [h, w], .. })| {
                if planes.iter().all(|planes| planes[at].is_empty()) {
                    return None;
                }
                let all = planes.iter().flat_map(|planes| {
                    let missing = h * w - planes[at].len();
                    planes[at].iter().copied().chain(std::iter::repeat_n(0.0, missing))
                });
                Some(Tensor::from_data(TensorData::new(all.collect(), [n, *h, *w]), &self.device))
            })
            .collect();
        let bends: Vec<Vec<Bend>> = pictures.iter().map(|own| own.style.bends.clone()).collect();
        let (blocks, skipped) = self.blocks(&pictures[0].style);
        let drawn = made.draw(blocks, &Given { w: &w, noise: &noise, bends: &bends });
        if skipped == 0 {
            return drawn;
        }
        let [_, h, wide, c] = drawn.dims();
        let all = floats(drawn);
        let large = all.chunks_exact(h * wide * c).flat_map(|one| self.enlarged(one.to_vec(), skipped));
        let shape = [n, h << skipped, wide << skipped, c];
        Tensor::from_data(TensorData::new(large.collect(), shape), &self.device)
    }

    /// The numbers of a picture that are shown: opacity is laid over black.
    fn shown(&self, picture: &[f32], mut put: impl FnMut(f32)) {
        let channels = self.own.picture_channels;
        if channels % 2 == 1 {
            return picture.iter().for_each(|v| put(*v));
        }
        for pixel in picture.chunks_exact(channels) {
            let opacity = ((pixel[channels - 1] + 1.0) / 2.0).clamp(0.0, 1.0);
            pixel[..channels - 1].iter().for_each(|v| put((v + 1.0) * opacity - 1.0));
        }
    }

    /// Pictures `[n, h, w, channels]` about −1..1, not cut, of rows of z, classes and a style.
    pub fn pictures(&self, rows: &[Vec<f32>]) -> Tensor<4> {
        let [h, w, c] = self.own.picture();
        let mut all = Vec::with_capacity(rows.len() * h * w * c);
        self.each(rows, |picture| self.shown(picture, |v| all.push(v)));
        Tensor::from_data(TensorData::new(all, [rows.len(), h, w, c]), &self.device)
    }

    /// The same with all channels of the network.
    pub fn raw(&self, rows: &[Vec<f32>]) -> Tensor<4> {
        let ([h, w], c) = (self.own.size(), self.own.picture_channels);
        let mut all = Vec::with_capacity(rows.len() * h * w * c);
        self.each(rows, |picture| all.extend_from_slice(picture));
        Tensor::from_data(TensorData::new(all, [rows.len(), h, w, c]), &self.device)
    }

    /// Bytes of pictures: `clip(127.5 x + 128)` rounded down, as the original writes them.
    pub fn bytes(&self, rows: &[Vec<f32>]) -> Vec<u8> {
        let [h, w, c] = self.own.picture();
        let mut all = Vec::with_capacity(rows.len() * h * w * c);
        let byte = |v: f32| (v * 127.5 + 128.0).clamp(0.0, 255.0) as u8;
        self.each(rows, |picture| self.shown(picture, |v| all.push(byte(v))));
        all
    }
}

#[cfg(test)]
mod tests;
