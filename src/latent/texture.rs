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

impl Patch {
    /// On the way from one to another: one that is there on one side alone comes or goes, one of the same seed moves, and
    /// of two others it is the nearer one.
    fn blended(a: Option<Self>, b: Option<Self>, share: f64) -> Option<Self> {
        let of = |patch: Self, part: f64| Some(Self { share: patch.share * part, ..patch }).filter(|p| p.share > 0.0);
        match (a, b) {
            (Some(a), None) => of(a, 1.0 - share),
            (None, Some(b)) => of(b, share),
            (Some(a), Some(b)) if a.seed == b.seed => {
                let way = |from: f64, to: f64| from + (to - from) * share;
                Some(Self {
                    share: way(a.share, b.share),
                    seed: a.seed,
                    x: way(a.x, b.x),
                    y: way(a.y, b.y),
                    side: way(a.side, b.side),
                    soft: way(a.soft, b.soft),
                })
            }
            (a, b) => {
                if share < 0.5 {
                    a
                } else {
                    b
                }
            }
        }
    }
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
        Self {
            slides: slides.collect(),
            patch: Patch::blended(a.patch, b.patch, share),
            between: nearer.between.clone(),
        }
    }

    /// A blend of several with weights, or of all alike without: slides by their weights, patches and laws of the heaviest.
    pub fn mixed(list: &[Self], weights: &[f64]) -> Self {
        let weight = |at: usize| if weights.is_empty() { 1.0 } else { weights.get(at).copied().unwrap_or(0.0) };
        let sum: f64 = (0..list.len()).map(weight).sum();
        let heaviest = (0..list.len()).max_by(|a, b| weight(*a).total_cmp(&weight(*b)).then(b.cmp(a)));
        let Some(heaviest) = heaviest.map(|at| &list[at]).filter(|_| !list.iter().all(Self::is_usual)) else {
            return Self::default();
        };
        if sum.abs() < 1e-9 {
            return heaviest.clone();
        }
        let count = list.iter().map(|own| own.slides.len()).max().unwrap_or(0);
        let slide = |scale: usize| {
            let mut out = Slide { x: 0.0, y: 0.0, amount: 0.0 };
            for (at, own) in list.iter().enumerate() {
                let (part, own) = (weight(at) / sum, own.slides.get(scale).copied().unwrap_or_default());
                out =
                    Slide { x: out.x + own.x * part, y: out.y + own.y * part, amount: out.amount + own.amount * part };
            }
            out
        };
        Self { slides: (0..count).map(slide).collect(), ..heaviest.clone() }
    }

    /// Whether all is as usual.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// As numbers, `[numbers(scales)]`, from which [`Self::of`] makes it again.
    pub fn flat(&self, scales: usize) -> Vec<f64> {
        let mut out = Vec::with_capacity(numbers(scales));
        for scale in 0..scales {
            let Slide { x, y, amount } = self.slides.get(scale).copied().unwrap_or_default();
            out.extend([x, y, amount - 1.0]);
        }
        let Patch { share, seed, x, y, side, soft } = self.patch.unwrap_or_default();
        out.extend([share, seed, x, y, side, soft]);
        if let Some(Between { law, share, z }) = &self.between {
            out.extend([f64::from(law_number(*law)), *share]);
            out.extend(z.iter().copied().chain(std::iter::repeat(0.0)).take(scales * SCORES));
        }
        out.resize(numbers(scales), 0.0);
        out
    }

    /// From such numbers; as usual where they are too few.
    pub fn of(flat: &[f64], scales: usize) -> Self {
        if flat.len() < numbers(scales) {
            return Self::default();
        }
        let (slides, rest) = flat.split_at(3 * scales);
        let slides: Vec<Slide> =
            slides.chunks_exact(3).map(|s| Slide { x: s[0], y: s[1], amount: s[2] + 1.0 }).collect();
        let [share, seed, x, y, side, soft] = std::array::from_fn(|i| rest[i]);
        let patch = Patch { share, seed, x, y, side, soft };
        let between = law_of(rest[PATCH] as f32).map(|law| {
            let z = rest[PATCH + BETWEEN..numbers(scales) - 3 * scales].to_vec();
            Between { law, share: rest[PATCH + 1], z }
        });
        let usual = slides.iter().all(|slide| *slide == Slide::default());
        Self {
            slides: if usual { Vec::new() } else { slides },
            patch: (patch != Patch::default()).then_some(patch),
            between,
        }
    }

    /// As a network takes them behind a z of so many scales; empty where all is as usual.
    pub fn numbers(&self, scales: usize) -> Vec<f32> {
        if self.is_usual() {
            return Vec::new();
        }
        let mut flat = self.flat(scales);
        for slide in flat[..3 * scales].chunks_exact_mut(3) {
            // Far away single precision would know no fractions of pixels.
            slide[..2].iter_mut().for_each(|v| *v = v.rem_euclid(CANVAS));
        }
        flat.iter().map(|v| *v as f32).collect()
    }
}

/// Between the numbers of two manners behind z of so many scales, at a share of the way: what slides goes the short way
/// around the canvas; a patch of another seed, or another law, is that of the nearer one.
pub fn between(a: &[f32], b: &[f32], scales: usize, share: f64) -> Vec<f32> {
    let whole = |flat: &[f32]| if flat.is_empty() { vec![0.0; numbers(scales)] } else { flat.to_vec() };
    let (a, b) = (whole(a), whole(b));
    let mut out = if share < 0.5 { a.clone() } else { b.clone() };
    if a.len() != b.len() || a.len() != numbers(scales) {
        return out;
    }
    let patch = 3 * scales;
    let law = patch + PATCH;
    // Patches by their own rule.
    let of = |flat: &[f32]| {
        let [share, seed, x, y, side, soft] = std::array::from_fn(|i| f64::from(flat[patch + i]));
        Some(Patch { share, seed, x, y, side, soft }).filter(|p| p.share > 0.0)
    };
    let Patch { share: much, seed, x, y, side, soft } = Patch::blended(of(&a), of(&b), share).unwrap_or_default();
    out[patch..law].copy_from_slice(&[much, seed, x, y, side, soft].map(|v| v as f32));
    let alike = |at: usize| match at {
        at if at < patch => true,
        at if at < law => false,
        at => a[law] == b[law] && at != law,
    };
    for at in (0..a.len()).filter(|at| alike(*at)) {
        let (from, mut way) = (f64::from(a[at]), f64::from(b[at]) - f64::from(a[at]));
        let slides = at < patch && at % 3 != 2;
        if slides {
            way = (way + CANVAS / 2.0).rem_euclid(CANVAS) - CANVAS / 2.0;
        }
        let v = from + way * share;
        out[at] = if slides { v.rem_euclid(CANVAS) } else { v } as f32;
    }
    out
}

/// Adds what hands do to the numbers of a manner behind a z of so many scales, the finest first; empty ones become whole.
pub fn moved(manner: &mut Vec<f32>, hands: &[Slide], scales: usize) {
    if hands.iter().all(|slide| *slide == Slide::default()) {
        return;
    }
    manner.resize(numbers(scales), 0.0);
    for (own, slide) in manner.chunks_exact_mut(3).zip(hands).take(scales) {
        own[0] = (f64::from(own[0]) + slide.x).rem_euclid(CANVAS) as f32;
        own[1] = (f64::from(own[1]) + slide.y).rem_euclid(CANVAS) as f32;
        own[2] = ((f64::from(own[2]) + 1.0) * slide.amount - 1.0) as f32;
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
        assert!(manner.flat(3).iter().all(|v| *v == 0.0) && manner.numbers(3).is_empty());
        (manner.slide(2).amount, manner.slide(0).x) = (0.0, -1.5);
        let patch = Patch { share: 1.0, seed: 9.0, x: 0.25, y: 0.0, side: 0.5, soft: 0.0 };
        let between = Between { law: Law::Rank, share: 0.25, z: vec![2.0; 3 * SCORES] };
        (manner.patch, manner.between) = (Some(patch), Some(between));
        let flat = manner.numbers(3);
        assert_eq!(flat.len(), numbers(3));
        let read = Numbers::of(&flat, 3).unwrap();
        assert_eq!((read.slides[0], read.slides[8], read.patch), (65_534.5, -1.0, patch));
        assert_eq!(read.between.map(|(law, share, z)| (law, share, z[47])), Some((Law::Rank, 0.25, 2.0)));
        assert_eq!(Manner::of(&manner.flat(3), 3).flat(3), manner.flat(3));
        assert!(Manner::of(&Manner::default().flat(3), 3).is_usual());
        let half = Manner::blended(&Manner::default(), &manner, 0.5);
        assert_eq!((half.slides[2].amount, half.patch), (0.5, Some(Patch { share: 0.5, ..patch })));
    }

    #[test]
    fn between_two_manners_what_slides_goes_the_short_way() {
        let at = |x: f64, seed: f64| {
            let mut manner = Manner {
                patch: Some(Patch { share: 1.0, seed, side: x / 100.0, ..Patch::default() }),
                ..Manner::default()
            };
            manner.slide(1).x = x;
            manner.numbers(2)
        };
        let half = between(&at(-1.0, 4.0), &at(2.0, 4.0), 2, 0.5);
        assert!((half[3] - 0.5).abs() < 1e-3 && (half[6 + 4] - 0.005).abs() < 1e-3 && half[6 + 1] == 4.0, "{half:?}");
        assert_eq!(between(&at(0.0, 4.0), &at(0.0, 9.0), 2, 0.7)[6 + 1], 9.0);
        let mut manner = Vec::new();
        moved(&mut manner, &[Slide::default()], 2);
        assert!(manner.is_empty());
        moved(&mut manner, &[Slide { x: -1.0, y: 0.0, amount: 0.5 }], 2);
        assert_eq!((manner.len(), manner[0], manner[2]), (numbers(2), 65_535.0, -0.5));
    }
}
