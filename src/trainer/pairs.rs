//! What a network that makes pictures larger learns from: parts of large pictures, and small ones made of them.
//!
//! A part is turned, flipped and gets its colours in another order; some are made of two that fade into each other. The
//! small one is the large one made smaller (bicubic with its kernel as wide as the step, as MATLAB's `imresize`; now and
//! then by a triangle or a Gaussian, which is softer). On most of them lie faults of other pictures: what their middle of
//! 3 × 3 pixels takes away, after the noise injection of Ji et al. 2020 ("Real-World Super-Resolution via Kernel
//! Estimation and Noise Injection"); and what is bright gets stripes along and across, as strong as those pictures are
//! uneven where they are bright. Plain numbers; everything follows from the random numbers that are handed in.

use image::{ImageBuffer, Rgb, imageops};

use crate::net::enlarge::CHANNELS;
use crate::picture::Picture;
use crate::random::RandomState;

/// Share of parts that are made of two.
const FADED: f64 = 0.3;
/// Share of small pictures with faults, and how strong these are at most.
const FAULTY: f64 = 0.7;
const STRONGEST: f64 = 1.5;
/// From this value on, of 0..1, something is bright.
const BRIGHT: f32 = 0.25;

/// A small picture and the large one that it should become, `[h, w, 3]` each, of 0..1.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The small one.
    pub small: Vec<f32>,
    /// The large one.
    pub large: Vec<f32>,
}

/// Faults of pictures: what is to be added to a clean one.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Each with its height and width.
    list: Vec<([usize; 2], Vec<f32>)>,
    /// How uneven they are where they are bright: the deviation from the middle of the neighbours, as a share of it.
    uneven: f64,
}

impl Faults {
    /// Those of pictures; ones that are smaller than `least` pixels are left out.
    pub fn of(pictures: &[Picture], least: usize) -> Self {
        let large = pictures.iter().filter(|picture| picture.width.min(picture.height) >= least);
        let (mut squares, mut count) = (0.0, 0_u64);
        let found = |picture: &Picture| {
            let values = differences(picture);
            for (v, own) in values.iter().zip(&picture.pixels) {
                let middle = f32::from(*own) / 255.0 - v;
                if middle >= BRIGHT {
                    squares += f64::from(v / middle).powi(2);
                    count += 1;
                }
            }
            ([picture.height, picture.width], values)
        };
        let list = large.map(found).collect();
        Self { list, uneven: (squares / count.max(1) as f64).sqrt() }
    }

    /// Stripes along and across: what is bright becomes as uneven as it is in the pictures, more or less so.
    fn stripe(&self, small: &mut [f32], side: usize, random: &mut RandomState) {
        let strength = self.uneven * 2.0 * random.uniform();
        let stripes = |random: &mut RandomState| -> Vec<f32> {
            let own = if random.below(3) == 0 { 0.0 } else { strength };
            (0..side).map(|_| (own * random.normal()) as f32).collect()
        };
        let (down, across) = (stripes(random), stripes(random));
        for (at, pixel) in small.chunks_exact_mut(CHANNELS).enumerate() {
            let factor = 1.0 + down[at / side] + across[at % side];
            pixel.iter_mut().for_each(|v| *v = (*v * factor).clamp(0.0, 1.0));
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds a part of one, `side` pixels each way, turned as it happens.
    fn add(&self, small: &mut [f32], side: usize, strength: f32, random: &mut RandomState) {
        let Some(([h, w], values)) = self.list.get(random.below(self.list.len().max(1))) else { return };
        let (top, left) = (random.below(h - side + 1), random.below(w - side + 1));
        let turned = random.below(2) == 1;
        for (at, pixel) in small.chunks_exact_mut(CHANNELS).enumerate() {
            let (y, x) = if turned { (at % side, at / side) } else { (at / side, at % side) };
            let from = &values[((top + y) * w + left + x) * CHANNELS..][..CHANNELS];
            pixel.iter_mut().zip(from).for_each(|(to, v)| *to = (*to + v * strength).clamp(0.0, 1.0));
        }
    }
}

/// A picture less its middle of 3 × 3 pixels, `[h, w, 3]` in −1..1.
fn differences(picture: &Picture) -> Vec<f32> {
    let (h, w) = (picture.height, picture.width);
    let mut out = Vec::with_capacity(picture.pixels.len());
    for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
        for c in 0..CHANNELS {
            let mut around = [0; 9];
            for (at, value) in around.iter_mut().enumerate() {
                let near = |place: usize, step: usize, side: usize| (place + step).saturating_sub(1).min(side - 1);
                *value = picture.at(near(x, at % 3, w), near(y, at / 3, h))[c];
            }
            let own = around[4];
            around.sort_unstable();
            out.push((f32::from(own) - f32::from(around[4])) / 255.0);
        }
    }
    out
}

/// Parts of large pictures, cut and changed as it happens.
pub struct Cutter<'a> {
    /// Height and width of the large pictures.
    pub size: [usize; 2],
    /// Side of a large part.
    pub side: usize,
    /// How many times smaller the small ones are.
    pub scale: usize,
    /// What lies on them.
    pub faults: &'a Faults,
}

impl Cutter<'_> {
    /// A pair from one large picture and another, `[h, w, 3]` bytes.
    pub fn pair(&self, one: &[u8], other: &[u8], random: &mut RandomState) -> Pair {
        let mut large = self.part(one, random);
        if random.uniform() < FADED {
            let second = self.part(other, random);
            let (along, middle) = (random.below(2) == 1, random.uniform() * self.side as f64);
            let reach = (0.05 + 0.5 * random.uniform()) * self.side as f64;
            for (at, pixel) in large.chunks_exact_mut(CHANNELS).enumerate() {
                let place = if along { at / self.side } else { at % self.side };
                let share = ((place as f64 - middle) / reach + 0.5).clamp(0.0, 1.0) as f32;
                let from = &second[at * CHANNELS..][..CHANNELS];
                pixel.iter_mut().zip(from).for_each(|(to, v)| *to += (v - *to) * share);
            }
        }
        let soft = random.uniform();
        let filter = match soft {
            ..0.6 => imageops::FilterType::CatmullRom,
            ..0.8 => imageops::FilterType::Triangle,
            _ => imageops::FilterType::Gaussian,
        };
        let mut small = smaller(&large, [self.side; 2], self.scale, filter);
        if random.uniform() < FAULTY {
            let strength = (random.uniform() * STRONGEST) as f32;
            self.faults.stripe(&mut small, self.side / self.scale, random);
            self.faults.add(&mut small, self.side / self.scale, strength, random);
        }
        Pair { small, large }
    }

    /// A pair of the middle of a picture, with faults or without, that is always the same.
    pub fn fixed(&self, picture: &[u8], faulty: bool, random: &mut RandomState) -> Pair {
        let [h, w] = self.size;
        let large = self.cut(picture, [(h - self.side) / 2, (w - self.side) / 2]);
        let mut small = smaller(&large, [self.side; 2], self.scale, imageops::FilterType::CatmullRom);
        if faulty {
            self.faults.stripe(&mut small, self.side / self.scale, random);
            self.faults.add(&mut small, self.side / self.scale, 1.0, random);
        }
        Pair { small, large }
    }

    fn cut(&self, picture: &[u8], [top, left]: [usize; 2]) -> Vec<f32> {
        let w = self.size[1];
        let line = |y: usize| &picture[((top + y) * w + left) * CHANNELS..][..self.side * CHANNELS];
        (0..self.side).flat_map(|y| line(y).iter().map(|v| f32::from(*v) / 255.0)).collect()
    }

    /// A part of a picture, turned, flipped, and with its colours in another order and brightness.
    fn part(&self, picture: &[u8], random: &mut RandomState) -> Vec<f32> {
        let [h, w] = self.size;
        let part = self.cut(picture, [random.below(h - self.side + 1), random.below(w - self.side + 1)]);
        let [turned, upside, mirrored] = [(); 3].map(|()| random.below(2) == 1);
        let order = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]][random.below(6)];
        let light = if random.below(3) == 0 { 0.3 + 0.7 * random.uniform() as f32 } else { 1.0 };
        let side = self.side;
        let mut out = Vec::with_capacity(part.len());
        for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
            let (y, x) = if turned { (x, y) } else { (y, x) };
            let y = if upside { side - 1 - y } else { y };
            let x = if mirrored { side - 1 - x } else { x };
            out.extend(order.map(|c| part[(y * side + x) * CHANNELS + c] * light));
        }
        out
    }
}

/// A picture `[h, w, 3]` of 0..1 so many times smaller.
fn smaller(picture: &[f32], [h, w]: [usize; 2], scale: usize, filter: imageops::FilterType) -> Vec<f32> {
    let image: Option<ImageBuffer<Rgb<f32>, Vec<f32>>> = ImageBuffer::from_raw(w as u32, h as u32, picture.to_vec());
    let small = image.map(|image| imageops::resize(&image, (w / scale) as u32, (h / scale) as u32, filter));
    small.map(|small| small.into_raw().into_iter().map(|v| v.clamp(0.0, 1.0)).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(side: usize) -> Vec<u8> {
        (0..side * side * 3).map(|at| ((at / 24 * 71) % 256) as u8).collect()
    }

    #[test]
    fn pairs_belong_together() {
        let spotted = Picture { width: 16, height: 16, pixels: picture(16) };
        let (faults, none) = (Faults::of(&[spotted], 8), Faults::default());
        let mut random = RandomState::new(5);
        for faults in [&faults, &none] {
            let cutter = Cutter { size: [64; 2], side: 32, scale: 4, faults };
            let (one, other) = (picture(64), vec![90; 64 * 64 * 3]);
            for _ in 0..20 {
                let Pair { small, large } = cutter.pair(&one, &other, &mut random);
                assert_eq!((small.len(), large.len()), (8 * 8 * 3, 32 * 32 * 3));
                // The mean of both is nearly the same.
                let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
                assert!(!faults.is_empty() || (mean(&small) - mean(&large)).abs() < 0.05);
            }
            let [a, b] = [(); 2].map(|()| cutter.fixed(&one, true, &mut RandomState::new(1)));
            assert_eq!(a, b);
        }
    }

    #[test]
    fn even_pictures_have_no_faults_and_lone_pixels_are_some() {
        let mut even = Picture::filled(9, 9, [40, 50, 60]);
        assert!(differences(&even).iter().all(|v| *v == 0.0));
        even.set(4, 4, [140, 50, 60]);
        let found = differences(&even);
        assert_eq!(found.iter().filter(|v| **v != 0.0).count(), 1);
        assert!((found[(4 * 9 + 4) * 3] - 100.0 / 255.0).abs() < 1e-6);
        assert!(Faults::of(&[even.clone()], 10).is_empty());
        // One pixel of 81, 100/255 off a middle that is too dark to count.
        assert_eq!(Faults::of(&[even], 9).uneven, 0.0);
        let mut bright = Picture::filled(9, 9, [200; 3]);
        bright.set(4, 4, [100; 3]);
        assert!((Faults::of(&[bright], 9).uneven - 0.5 / 9.0).abs() < 1e-6);
    }

    #[test]
    fn a_smaller_picture_has_the_means_of_the_large_one() {
        let large = vec![0.25; 16 * 16 * 3];
        let small = smaller(&large, [16; 2], 4, imageops::FilterType::CatmullRom);
        assert!(small.len() == 4 * 4 * 3 && small.iter().all(|v| (v - 0.25).abs() < 1e-5));
    }
}
