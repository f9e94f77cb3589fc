//! The noise that a texture network draws from, made of the numbers of a latent ([`crate::latent::texture`]).
//!
//! Each scale has [`SCORES`] fixed planes of normal numbers, which lie on a canvas of [`CANVAS`] pixels each way; what a
//! picture sees of them is kept and moved along. Sums have one order, and the numbers come from a hash of their place, so
//! that the same latent gives the same bytes everywhere. Knows no network and no tensor.

use std::sync::OnceLock;

use rayon::prelude::*;

use crate::latent::noise_law::{self, Law};
use crate::latent::texture::{CANVAS, Numbers, Patch, SCORES, numbers};

/// Channels of a plane.
const CHANNELS: usize = 3;
/// Fractional digits of a score that is kept in 16 bits.
const STEP: f32 = 4096.0;
/// Normal scores by the 16 bits of a hash.
static NORMALS: OnceLock<Vec<i16>> = OnceLock::new();
/// Φ from −[`END`] to [`END`] in steps of 1 / [`FINE`].
static EVEN: OnceLock<Vec<f32>> = OnceLock::new();
const END: f32 = 6.0;
const FINE: f32 = 512.0;

fn normals() -> &'static [i16] {
    NORMALS.get_or_init(|| {
        let score = |i: u32| noise_law::score((f64::from(i) + 0.5) / 65_536.0);
        (0..65_536).map(|i| (score(i) * f64::from(STEP)).round() as i16).collect()
    })
}

fn evens() -> &'static [f32] {
    EVEN.get_or_init(|| {
        let count = (2.0 * END * FINE) as i32;
        (0..=count + 1).map(|i| noise_law::even(f64::from(i) / f64::from(FINE) - f64::from(END)) as f32).collect()
    })
}

/// Makes normal scores even, 0..1, in place.
fn make_even(scores: &mut [f32]) {
    let table = evens();
    for v in scores {
        let at = (v.clamp(-END, END) + END) * FINE;
        let (low, share) = (at as usize, at.fract());
        *v = table[low] + (table[low + 1] - table[low]) * share;
    }
}

/// Mixes the bits of a place of the canvas (Stafford's thirteenth variant of the finaliser of MurmurHash3).
fn hash(key: u64) -> u64 {
    let mut h = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    h ^ (h >> 31)
}

/// What tells the planes of a latent from those of patches.
const OF_Z: u64 = 1 << 40;

/// Normal numbers of four planes at a place of a scale.
fn four(stream: u64, scale: usize, x: i64, y: i64, channel: usize) -> [i16; 4] {
    let side = (CANVAS as i64) >> scale;
    let place = (x.rem_euclid(side) as u64) << 24 | (y.rem_euclid(side) as u64) << 4 | channel as u64;
    let bits = hash(hash(stream << 4 | scale as u64) ^ place);
    let table = normals();
    std::array::from_fn(|i| table[(bits >> (16 * i)) as u16 as usize])
}

/// Fixed planes of normal numbers of one scale, as far as the window and one pixel more see of the canvas.
struct Basis {
    scale: usize,
    /// Of the window.
    h: usize,
    w: usize,
    origin: Option<[i64; 2]>,
    /// `[SCORES][h + 1, w + 1, CHANNELS]`.
    planes: Vec<Vec<i16>>,
}

impl Basis {
    fn new(scale: usize, [h, w]: [usize; 2]) -> Self {
        let len = (h + 1) * (w + 1) * CHANNELS;
        Self { scale, h, w, origin: None, planes: vec![vec![0; len]; SCORES] }
    }

    /// Moves the window so that it begins at (x, y); what it saw before is kept.
    fn go_to(&mut self, origin: [i64; 2]) {
        if self.origin == Some(origin) {
            return;
        }
        let (before, [x0, y0]) = (self.origin.replace(origin), origin);
        let (scale, tall, wide) = (self.scale, self.h + 1, self.w + 1);
        // How far the window goes; as far as itself where nothing of what it saw stays.
        let way = |to: i64, from: i64, side: usize| (to - from).clamp(-(side as i64), side as i64);
        let [dx, dy] = before.map_or([wide as i64, tall as i64], |[bx, by]| [way(x0, bx, wide), way(y0, by, tall)]);
        // Columns and rows that were seen before.
        let inside = |side: usize, by: i64| (-by).max(0) as usize..(side as i64 - by.max(0)) as usize;
        let (columns, rows) = (inside(wide, dx), inside(tall, dy));
        let kept = if columns.is_empty() { 0..0 } else { rows };
        self.planes.par_chunks_mut(4).enumerate().for_each(|(group, planes)| {
            let long = wide * CHANNELS;
            let move_row = |plane: &mut [i16], y: usize| {
                let from = (y as i64 + dy) as usize * long + (columns.start as i64 + dx) as usize * CHANNELS;
                plane.copy_within(from..from + columns.len() * CHANNELS, y * long + columns.start * CHANNELS);
            };
            for plane in &mut *planes {
                // In the order in which no row is written before it is read.
                match dy < 0 {
                    true => kept.clone().rev().for_each(|y| move_row(plane, y)),
                    false => kept.clone().for_each(|y| move_row(plane, y)),
                }
            }
            for y in 0..tall {
                let known = if kept.contains(&y) { columns.clone() } else { 0..0 };
                for x in (0..known.start).chain(known.end..wide) {
                    for channel in 0..CHANNELS {
                        let values = four(OF_Z + group as u64, scale, x0 + x as i64, y0 + y as i64, channel);
                        let at = (y * wide + x) * CHANNELS + channel;
                        planes.iter_mut().zip(values).for_each(|(plane, v)| plane[at] = v);
                    }
                }
            }
        });
    }

    /// Normal scores of a window that begins at (x, y) of the canvas, `[h, w, CHANNELS]`; between pixels those around
    /// are summed, with the variance of one.
    fn scores(&mut self, weights: &[f32], [x, y]: [f64; 2], out: &mut Vec<f32>) {
        self.go_to([x.floor() as i64, y.floor() as i64]);
        let weights = unit(weights);
        let factor = 1.0 / STEP;
        let (w, wide) = (self.w, self.w + 1);
        let taps = taps(x - x.floor(), y - y.floor());
        out.clear();
        out.resize(self.h * w * CHANNELS, 0.0);
        let planes = &self.planes;
        // Whole lines, so that a sum has one order everywhere.
        let lines = (4096 / (w * CHANNELS)).max(1);
        out.par_chunks_mut(lines * w * CHANNELS).enumerate().for_each(|(band, part)| {
            let first = band * lines;
            pulp::Arch::new().dispatch(
                #[inline(always)]
                || {
                    for (plane, weight) in planes.iter().zip(&weights) {
                        for ([dx, dy], tap) in taps.iter().filter(|(_, tap)| *tap != 0.0) {
                            let weight = weight * factor * tap;
                            for (y, line) in part.chunks_exact_mut(w * CHANNELS).enumerate() {
                                let at = ((first + y + dy) * wide + dx) * CHANNELS;
                                let from = &plane[at..at + line.len()];
                                line.iter_mut().zip(from).for_each(|(sum, v)| *sum += weight * f32::from(*v));
                            }
                        }
                    }
                },
            );
        });
    }
}

/// The four pixels around a place with their weights, whose squares add up to 1.
fn taps(x: f64, y: f64) -> [([usize; 2], f32); 4] {
    let weights = [(1.0 - x) * (1.0 - y), x * (1.0 - y), (1.0 - x) * y, x * y];
    let length = weights.iter().map(|v| v * v).sum::<f64>().sqrt();
    let places = [[0, 0], [1, 0], [0, 1], [1, 1]];
    std::array::from_fn(|i| (places[i], (weights[i] / length) as f32))
}

/// Makes planes of noise for pictures of one size.
pub struct Noise {
    size: [usize; 2],
    bases: Vec<Basis>,
    /// What was made last, the coarsest first.
    planes: Vec<Vec<f32>>,
}

impl Noise {
    /// For so many scales and pictures of this height and width, which are multiples of the coarsest step.
    pub fn new(scales: usize, size: [usize; 2]) -> Self {
        let bases = (0..scales).map(|scale| Basis::new(scale, size.map(|side| side >> scale))).collect();
        Self { size, bases, planes: vec![Vec::new(); scales] }
    }

    /// The planes of a latent: z and the numbers of its manner, `[scales · SCORES + numbers(scales)]`. The coarsest
    /// first, as networks take them, each `[h / 2^k, w / 2^k, CHANNELS]` of 0..1. Numbers that are missing are 0.
    pub fn planes(&mut self, latent: &[f32]) -> &[Vec<f32>] {
        let scales = self.bases.len();
        let mut all = latent.to_vec();
        all.resize(scales * SCORES + numbers(scales), 0.0);
        let (z, manner) = all.split_at(scales * SCORES);
        let Some(manner) = Numbers::of(manner, scales) else { return &[] };
        let size = self.size;
        for (scale, (basis, plane)) in self.bases.iter_mut().zip(self.planes.iter_mut().rev()).enumerate() {
            let [x, y, more] = std::array::from_fn(|i| manner.slides[3 * scale + i]);
            let step = f64::from(1u32 << scale);
            let origin = [-f64::from(x) / step, -f64::from(y) / step];
            let of = |z: &[f32]| z[scale * SCORES..(scale + 1) * SCORES].to_vec();
            let weights = match manner.between {
                // Normal scores are a way through z itself.
                Some((Law::Scores, share, other)) => {
                    let (sin, cos) = libm::sincos(share * std::f64::consts::FRAC_PI_2);
                    blended(&of(z), cos as f32, &of(other), sin as f32)
                }
                _ => of(z),
            };
            basis.scores(&weights, origin, plane);
            lay(&manner.patch, plane, scale, size);
            even(plane);
            if let Some((law, share, other)) = manner.between.filter(|(law, ..)| *law != Law::Scores) {
                let mut there = Vec::new();
                basis.scores(&of(other), origin, &mut there);
                lay(&manner.patch, &mut there, scale, size);
                even(&mut there);
                *plane = noise_law::blend(plane, &there, share, law);
            }
            if more != 0.0 {
                plane.iter_mut().for_each(|v| *v = 0.5 + (*v - 0.5) * (1.0 + more));
            }
        }
        &self.planes
    }
}

/// Weights of a plane between two.
fn blended(a: &[f32], of_a: f32, b: &[f32], of_b: f32) -> Vec<f32> {
    unit(a).iter().zip(unit(b)).map(|(a, b)| a * of_a + b * of_b).collect()
}

/// Weights of length 1, however small they are; where all are 0, the first plane alone.
fn unit(weights: &[f32]) -> Vec<f32> {
    let largest = weights.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    if !(largest > 0.0 && largest.is_finite()) {
        return (0..weights.len()).map(|at| f32::from(u8::from(at == 0))).collect();
    }
    let weights: Vec<f32> = weights.iter().map(|v| v / largest).collect();
    let length = weights.iter().map(|v| v * v).sum::<f32>().sqrt();
    weights.iter().map(|v| v / length).collect()
}

fn even(plane: &mut [f32]) {
    plane.par_chunks_mut(1 << 14).for_each(make_even);
}

/// Where a patch lies on a map of one scale, in its pixels.
struct Square {
    left: f64,
    top: f64,
    side: f64,
    /// Width of its soft edge.
    edge: f64,
    h: f64,
    w: f64,
}

impl Square {
    fn of(patch: &Patch, scale: usize, size: [usize; 2]) -> Self {
        let [h, w] = size.map(|side| side as f64 / f64::from(1u32 << scale));
        let side = (patch.side * h).min(w).min(h);
        let edge = (patch.soft.clamp(0.0, 1.0) * side / 2.0).max(1e-6);
        Self { left: patch.x * w, top: patch.y * h, side, edge, h, w }
    }

    /// How far a pixel lies from its corner, to the right and down, and how much it lies within: 0..1.
    fn at(&self, pixel: usize) -> ([f64; 2], f64) {
        let columns = self.w as usize;
        // The picture's edges join, and so does the patch.
        let dx = ((pixel % columns) as f64 - self.left).rem_euclid(self.w);
        let dy = ((pixel / columns) as f64 - self.top).rem_euclid(self.h);
        let inside = |d: f64| (d + 0.5).min(self.side - d - 0.5);
        ([dx, dy], (inside(dx).min(inside(dy)) / self.edge).clamp(0.0, 1.0))
    }
}

/// How much of a picture's pixels a patch covers, `[h, w]` of 0..1: nothing outside of it.
pub fn covered(patch: &Patch, size: [usize; 2]) -> Vec<f32> {
    let square = Square::of(patch, 0, size);
    (0..size[0] * size[1]).map(|pixel| square.at(pixel).1 as f32).collect()
}

/// Lays a patch over the scores of a plane: cosine and sine of how much there is of it keep the law, at its edges too.
/// Its own noise begins at its corner, so it is carried along, between pixels too.
fn lay(patch: &Patch, plane: &mut [f32], scale: usize, size: [usize; 2]) {
    if !(patch.share > 0.0 && patch.side > 0.0) {
        return;
    }
    let square = Square::of(patch, scale, size);
    let stream = patch.seed.clamp(0.0, 16_777_216.0) as u64;
    for (at, pixel) in plane.chunks_exact_mut(CHANNELS).enumerate() {
        let ([dx, dy], within) = square.at(at);
        let within = within * patch.share.min(1.0);
        if within <= 0.0 {
            continue;
        }
        let (sin, cos) = libm::sincos(within * std::f64::consts::FRAC_PI_2);
        let taps = taps(dx.fract(), dy.fract());
        for (channel, v) in pixel.iter_mut().enumerate() {
            let own = |[tx, ty]: [usize; 2]| {
                let (x, y) = (dx as i64 + tx as i64, dy as i64 + ty as i64);
                f32::from(four(stream, scale, x, y, channel)[0]) / STEP
            };
            let other: f32 = taps.iter().map(|(place, weight)| own(*place) * weight).sum();
            *v = cos as f32 * *v + sin as f32 * other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::texture::{Between, Manner, Slide};
    use crate::random::RandomState;

    const SCALES: usize = 3;

    fn z(seed: u32) -> Vec<f32> {
        RandomState::new(seed).normals(SCALES * SCORES).iter().map(|v| *v as f32).collect()
    }

    fn with(z: &[f32], manner: &Manner) -> Vec<f32> {
        [z, &manner.numbers(SCALES)].concat()
    }

    fn law(plane: &[f32]) -> [f64; 2] {
        let mean = plane.iter().map(|v| f64::from(*v)).sum::<f64>() / plane.len() as f64;
        [mean, plane.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / plane.len() as f64]
    }

    fn assert_even(plane: &[f32], within: f64) {
        let [mean, variance] = law(plane);
        assert!((mean - 0.5).abs() < 0.01 && (variance * 12.0 - 1.0).abs() < within, "{mean} {variance}");
        assert!(plane.iter().all(|v| (0.0..=1.0).contains(v)));
    }

    #[test]
    fn whatever_z_is_the_noise_is_even_and_of_one_law() {
        let mut noise = Noise::new(SCALES, [128, 192]);
        let (a, b) = (z(1), z(2));
        let sum: Vec<f32> = a.iter().zip(&b).map(|(a, b)| 0.5 * a + 0.5 * b).collect();
        for z in [&a, &sum, &vec![3.0; SCALES * SCORES]] {
            let planes = noise.planes(z).to_vec();
            assert_eq!(planes.iter().map(Vec::len).collect::<Vec<_>>(), [32 * 48 * 3, 64 * 96 * 3, 128 * 192 * 3]);
            assert_even(&planes[2], 0.02);
        }
        let once = noise.planes(&a).to_vec();
        assert_eq!(noise.planes(&a), once);
        // Half a pixel between two is of the same law.
        let mut manner = Manner::default();
        (manner.slide(0).x, manner.slide(0).y) = (0.5, 0.25);
        assert_even(&noise.planes(&with(&a, &manner))[2], 0.02);
        manner.patch = Some(Patch { share: 1.0, seed: 4.0, x: 0.3, y: 0.2, side: 0.6, soft: 0.5 });
        assert_even(&noise.planes(&with(&a, &manner))[2], 0.02);
        for law in [Law::Redresse, Law::Rank, Law::Scores] {
            let z = b.iter().map(|v| f64::from(*v)).collect();
            let manner = Manner { between: Some(Between { law, share: 0.5, z }), ..Manner::default() };
            // `redresse` supposes that the two do not hang together, which two latents do a little.
            assert_even(&noise.planes(&with(&a, &manner))[2], if law == Law::Redresse { 0.1 } else { 0.02 });
        }
    }

    #[test]
    fn what_slides_by_whole_pixels_is_the_same_noise() {
        let mut noise = Noise::new(SCALES, [16, 32]);
        let z = z(3);
        let still = noise.planes(&z).to_vec();
        let mut manner = Manner::default();
        (0..SCALES).for_each(|scale| manner.slide(scale).x = 4.0);
        // There, away and back again: what was seen is kept, and is the same.
        noise.planes(&with(
            &z,
            &Manner { slides: vec![Slide { x: 400.0, ..Slide::default() }; 3], ..Manner::default() },
        ));
        let moved = noise.planes(&with(&z, &manner)).to_vec();
        for (plane, shift) in [1, 2, 4].into_iter().enumerate() {
            let wide = 32 >> (2 - plane);
            for (a, b) in still[plane].chunks_exact(wide * 3).zip(moved[plane].chunks_exact(wide * 3)) {
                assert_eq!(a[..(wide - shift) * 3], b[shift * 3..]);
                assert_ne!(a, b);
            }
        }
        // Wherever a window comes from, it sees the same.
        let far = |x: f64, y: f64| Manner { slides: vec![Slide { x, y, ..Slide::default() }; 3], ..Manner::default() };
        for (x, y) in [(3.0, -5.0), (-9.0, 2.0), (-9.0, 40.0), (1.0, 1.0), (0.0, 0.0)] {
            let there = with(&z, &far(x, y));
            assert_eq!(noise.planes(&there).to_vec(), Noise::new(SCALES, [16, 32]).planes(&there), "{x} {y}");
        }
        // Once around the canvas.
        let around =
            |turns: f64| Manner { slides: vec![Slide { x: turns * CANVAS, ..Slide::default() }], ..Manner::default() };
        assert_eq!(noise.planes(&with(&z, &around(1.0))), still);
    }

    #[test]
    fn a_patch_is_carried_along_and_changes_nothing_elsewhere() {
        let mut noise = Noise::new(SCALES, [64, 64]);
        let z = z(5);
        let ground = noise.planes(&z).to_vec();
        let at = |x: f64| Manner {
            patch: Some(Patch { share: 1.0, seed: 9.0, x, y: 0.0, side: 0.25, soft: 0.0 }),
            ..Manner::default()
        };
        let [one, two] = [0.0, 0.5].map(|x| noise.planes(&with(&z, &at(x))).to_vec());
        for (plane, ground) in [&one[2], &two[2]].into_iter().zip([&ground[2]; 2]) {
            let changed = plane.iter().zip(ground).filter(|(a, b)| a != b).count();
            assert_eq!(changed, 16 * 16 * 3);
        }
        for y in 0..16 {
            let line = |plane: &[f32], x: usize| plane[(y * 64 + x) * 3..(y * 64 + x + 16) * 3].to_vec();
            assert_eq!(line(&one[2], 0), line(&two[2], 32));
        }
    }

    #[test]
    fn an_amount_of_none_is_the_middle() {
        let mut noise = Noise::new(SCALES, [32, 32]);
        let mut manner = Manner::default();
        manner.slide(2).amount = 0.0;
        let planes = noise.planes(&with(&z(1), &manner)).to_vec();
        assert!(planes[0].iter().all(|v| *v == 0.5) && planes[1].iter().any(|v| (v - 0.5).abs() > 0.3));
        assert_eq!(noise.planes(&[f32::MAX; 4]).len(), SCALES);
    }
}
