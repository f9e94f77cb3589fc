//! The latent of a texture: noise on several scales, made of few numbers.
//!
//! A texture network draws from planes of even noise, hundreds of thousands of numbers. A latent says which noise: z has
//! [`SCORES`] numbers for each scale, the finest first, and the plane of a scale is the sum of as many fixed planes of
//! normal numbers with these as weights, brought back to the law of one plane and made even by Φ. So whatever is done to
//! z (walks, arithmetic, hands), the network sees noise of the law that it was trained with, and a z that returns gives
//! the same planes. Behind z stands the [`Manner`]: how far each scale has slid, how strong it is, a patch of other
//! noise, and a blend by another law.
//! Made by `sketch` and `show`; `net::noise` makes the planes of it. Absent: networks.

use super::noise_law::Law;

/// Numbers of z for each scale.
pub const SCORES: usize = 16;
/// Scales at most.
pub const MOST_SCALES: usize = 8;
/// After so many pixels what slides comes back.
pub const CANVAS: f64 = 65_536.0;
/// Numbers of a patch, and of a blend before its z.
const PATCH: usize = 6;
const BETWEEN: usize = 2;

/// How many numbers a [`Manner`] has for so many scales.
pub const fn numbers(scales: usize) -> usize {
    3 * scales + PATCH + BETWEEN + scales * SCORES
}

/// What one scale does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slide {
    /// How far it has slid to the right and down, in pixels of the picture.
    pub x: f64,
    /// Down.
    pub y: f64,
    /// 1 is the noise that the network knows, 0 none: structures of this size are what they are everywhere.
    pub amount: f64,
}

impl Default for Slide {
    fn default() -> Self {
        Self { x: 0.0, y: 0.0, amount: 1.0 }
    }
}

/// A square of other noise that lies on the picture, and that is carried along where it moves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Patch {
    /// How much of it there is: 0..1.
    pub share: f64,
    /// Seed of its noise: a whole number of at most 2^24.
    pub seed: f64,
    /// Its left upper corner, in shares of the picture.
    pub x: f64,
    /// Down.
    pub y: f64,
    /// Its side, in shares of the picture's height.
    pub side: f64,
    /// Width of its soft edge, in shares of its side: 0..1.
    pub soft: f64,
}

/// A blend with another latent that is made by a law of one's choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Between {
    /// By which law.
    pub law: Law,
    /// How far it is on the way: 0..1.
    pub share: f64,
    /// The other z.
    pub z: Vec<f64>,
}

/// How a texture is drawn beside its z.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manner {
    /// What each scale does, the finest first; those that are not there are as usual.
    pub slides: Vec<Slide>,
    /// A patch of other noise.
    pub patch: Option<Patch>,
    /// A blend with another z.
    pub between: Option<Between>,
}

impl Manner {
    /// One scale's, to be changed.
    pub fn slide(&mut self, scale: usize) -> &mut Slide {
        let scale = scale.min(MOST_SCALES - 1);
        if self.slides.len() <= scale {
            self.slides.resize(scale + 1, Slide::default());
        }
        &mut self.slides[scale]
    }

    /// At a share of the way from one to another: slides go along, patches and laws are those of the nearer one.
    pub fn blended(a: &Self, b: &Self, share: f64) -> Self {
        let count = a.slides.len().max(b.slides.len());
        let at = |list: &[Slide], scale: usize| list.get(scale).copied().unwrap_or_default();
        let between = |a: f64, b: f64| a + (b - a) * share;
        let slides = (0..count).map(|scale| {
            let (a, b) = (at(&a.slides, scale), at(&b.slides, scale));
            Slide { x: between(a.x, b.x), y: between(a.y, b.y), amount: between(a.amount, b.amount) }
        });
        let nearer = if share < 0.5 { a } else { b };
        Self { slides: slides.collect(), patch: nearer.patch, between: nearer.between.clone() }
    }

    /// As numbers behind a z of so many scales, `[numbers(scales)]`.
    pub fn numbers(&self, scales: usize) -> Vec<f32> {
        let mut out = Vec::with_capacity(numbers(scales));
        for scale in 0..scales {
            let Slide { x, y, amount } = self.slides.get(scale).copied().unwrap_or_default();
            out.extend([x.rem_euclid(CANVAS) as f32, y.rem_euclid(CANVAS) as f32, (amount - 1.0) as f32]);
        }
        let Patch { share, seed, x, y, side, soft } = self.patch.unwrap_or_default();
        out.extend([share, seed, x, y, side, soft].map(|v| v as f32));
        match &self.between {
            Some(Between { law, share, z }) => {
                out.extend([(law_number(*law)) as f32, *share as f32]);
                out.extend(z.iter().map(|v| *v as f32).chain(std::iter::repeat(0.0)).take(scales * SCORES));
            }
            None => out.resize(numbers(scales), 0.0),
        }
        out
    }
}

/// 0 is no blend.
fn law_number(law: Law) -> u8 {
    match law {
        Law::Plain => 1,
        Law::Redresse => 2,
        Law::Rank => 3,
        Law::Scores => 4,
    }
}

fn law_of(number: f32) -> Option<Law> {
    [Law::Plain, Law::Redresse, Law::Rank, Law::Scores].into_iter().find(|law| f32::from(law_number(*law)) == number)
}

/// The numbers of a manner as a network takes them.
pub struct Numbers<'a> {
    /// x, y and how much the amount is above 1, of each scale.
    pub slides: &'a [f32],
    /// A patch; its share is 0 where there is none.
    pub patch: Patch,
    /// Law, share and z of a blend.
    pub between: Option<(Law, f64, &'a [f32])>,
}

impl<'a> Numbers<'a> {
    /// Of numbers behind a z of so many scales; none if they are too few.
    pub fn of(numbers: &'a [f32], scales: usize) -> Option<Self> {
        let (slides, rest) = numbers.split_at_checked(3 * scales)?;
        let (patch, rest) = rest.split_at_checked(PATCH)?;
        let (between, z) = rest.split_at_checked(BETWEEN)?;
        let [share, seed, x, y, side, soft] = std::array::from_fn(|i| f64::from(patch[i]));
        let law = law_of(between[0]).filter(|_| z.len() == scales * SCORES);
        let between = law.map(|law| (law, f64::from(between[1]).clamp(0.0, 1.0), z));
        Some(Self { slides, patch: Patch { share, seed, x, y, side, soft }, between })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manner_is_numbers_of_which_0_is_as_usual() {
        let mut manner = Manner::default();
        assert!(manner.numbers(3).iter().all(|v| *v == 0.0));
        (manner.slide(2).amount, manner.slide(0).x) = (0.0, -1.5);
        let patch = Patch { share: 1.0, seed: 9.0, x: 0.25, y: 0.0, side: 0.5, soft: 0.0 };
        let between = Between { law: Law::Rank, share: 0.25, z: vec![2.0; 3 * SCORES] };
        (manner.patch, manner.between) = (Some(patch), Some(between));
        let flat = manner.numbers(3);
        assert_eq!(flat.len(), numbers(3));
        let read = Numbers::of(&flat, 3).unwrap();
        assert_eq!((read.slides[0], read.slides[8], read.patch), (65_534.5, -1.0, patch));
        assert_eq!(read.between.map(|(law, share, z)| (law, share, z[47])), Some((Law::Rank, 0.25, 2.0)));
        let half = Manner::blended(&Manner::default(), &manner, 0.5);
        assert_eq!((half.slides[2].amount, half.patch), (0.5, Some(patch)));
    }
}
