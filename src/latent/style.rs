//! The latent of a StyleGAN2 beside its z: w in place of z, noise, directions, and what is done to single maps.
//!
//! A network with a mapping has two spaces: z, which seeds are of, and W, which z is mapped to and in which straight
//! ways look even. [`Style::w`] holds a point of W, or one for each layer; a latent without one is mapped from its z.
//! [`Style`] also says how far w goes towards the mean of all (psi), which planes of noise are added and how strongly,
//! how far w moves along the model's directions, and what happens to the maps of single layers ([`Bend`]).
//! A network takes it as numbers behind z, all 0 where it is as usual. Made by `sketch` and `show`, read by
//! `net::styled`. Absent: networks; [`Mapping`] is how one lends its mapping.

use std::fmt::Debug;
use std::sync::Arc;

/// Directions that a model may have.
pub const MOST_DIRECTIONS: usize = 16;
/// Layers whose maps are bent at a time.
pub const MOST_BENDS: usize = 4;
/// Largest seed of noise: whole numbers up to it are exact in single precision.
pub const LARGEST_SEED: f64 = 16_777_215.0;
/// Numbers before those of directions.
const FIRST: usize = 8;
/// Numbers of a bend.
const BEND: usize = 12;
/// Layers that can take a share of another style.
pub const MOST_SHARES: usize = 32;
/// Farthest that a number of w may be from 0: far outside of what a mapping gives.
const FARTHEST: f32 = 1e3;
/// Where the other style and the shares stand, and behind them w.
const SHARES: usize = FIRST + MOST_DIRECTIONS + MOST_BENDS * BEND;
/// Numbers of a [`Style`] without w.
pub const HEAD: usize = SHARES + 1 + MOST_SHARES;

/// What a network with a mapping lends: z → w, and what is known of W.
pub trait Mapping: Debug + Send + Sync {
    /// w `[dim]` of z with its blend of classes (empty is the first class), before psi.
    fn w(&self, z: &[f64], class: &[f64]) -> Vec<f64>;

    /// The mean of w `[dim]`.
    fn mean(&self) -> &[f64];

    /// How many w a picture takes, one for each layer.
    fn layers(&self) -> usize;

    /// Names of the directions, in the order of their numbers.
    fn directions(&self) -> &[String];
}

/// A loop that planes of noise run along: `√(1 − r²) · base + r · (cos φ · A + sin φ · B)`, so that their law stays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn {
    /// How much of the noise turns, 0..1.
    pub radius: f64,
    /// 0..1, once around.
    pub phase: f64,
    /// Seed of the two planes A and B.
    pub seed: f64,
}

/// What is done to the maps of one layer, in the order of the fields; 0 everywhere changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bend {
    /// Which layer, from 0: the convolutions in their order.
    pub layer: usize,
    /// How many of its maps are left out, 0..1; those that take part are chosen by `seed`.
    pub spared: f64,
    /// Chooses maps.
    pub seed: f64,
    /// Moved to the right, in shares of the width; what leaves comes in at the other side.
    pub x: f64,
    /// Down, in shares of the height.
    pub y: f64,
    /// Turned, in turns: 1 is all around.
    pub turn: f64,
    /// Larger by this: 1 is twice as large, −0.5 half.
    pub zoom: f64,
    /// Eroded (above 0) or dilated (below), in pixels of the map, −8..8.
    pub erode: f64,
    /// Values whose size is below this share of the map's largest become 0: 0..1.
    pub threshold: f64,
    /// Factor, less 1: −1 mutes.
    pub gain: f64,
}

impl Bend {
    /// Whether it changes nothing.
    pub fn is_usual(&self) -> bool {
        let Self { x, y, turn, zoom, erode, threshold, gain, spared, .. } = *self;
        spared >= 1.0 || [x, y, turn, zoom, erode, threshold, gain].iter().all(|v| *v == 0.0)
    }

    fn values(&self) -> [f64; 9] {
        let Self { spared, seed, x, y, turn, zoom, erode, threshold, gain, .. } = *self;
        [spared, seed, x, y, turn, zoom, erode, threshold, gain]
    }

    fn of(layer: usize, [spared, seed, x, y, turn, zoom, erode, threshold, gain]: [f64; 9]) -> Self {
        Self { layer, spared, seed, x, y, turn, zoom, erode, threshold, gain }
    }

    /// On the way from one to another of the same layer.
    fn blended(a: &Self, b: &Self, share: f64) -> Self {
        let (from, to) = (a.values(), b.values());
        let mut way: [f64; 9] = std::array::from_fn(|i| from[i] + (to[i] - from[i]) * share);
        way[1] = if share < 0.5 { a.seed } else { b.seed };
        Self::of(a.layer, way)
    }
}

/// How a StyleGAN2 draws beside its z.
#[derive(Clone, Debug, PartialEq)]
pub struct Style {
    /// A point of W `[dim]`, one for each layer `[layers · dim]`, or none: it is mapped from z.
    pub w: Vec<f64>,
    /// How far w is from the mean of all: 1 as it is, 0 the mean.
    pub psi: f64,
    /// So many layers, from the coarsest, follow psi; 0 is all of them.
    pub cutoff: usize,
    /// How strong the noise is: 1 as it was trained.
    pub strength: f64,
    /// Seed of the planes of noise; none is those of the model.
    pub noise: Option<f64>,
    /// A loop that they run along.
    pub turn: Option<Turn>,
    /// So many blocks are left out at the end: a picture of half the size for each, doubled, which is drawn faster.
    pub fewer: usize,
    /// How far w moves along each direction, behind psi.
    pub directions: [f64; MOST_DIRECTIONS],
    /// At most [`MOST_BENDS`].
    pub bends: Vec<Bend>,
    /// How much of another style each layer takes, 0..1.
    pub shares: [f64; MOST_SHARES],
    /// Seed of that style.
    pub other: f64,
    /// Which model of a show mapped [`Self::w`]; none where it came from elsewhere. It is no number of a network.
    pub of: Option<u64>,
}

impl Default for Style {
    fn default() -> Self {
        let directions = [0.0; MOST_DIRECTIONS];
        Self {
            w: Vec::new(),
            psi: 1.0,
            cutoff: 0,
            strength: 1.0,
            noise: None,
            turn: None,
            fewer: 0,
            directions,
            bends: Vec::new(),
            shares: [0.0; MOST_SHARES],
            other: 0.0,
            of: None,
        }
    }
}

impl Style {
    /// Whether all is as usual, and z is mapped.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// Adds a bend: another one of its layer and its maps goes, and of too many the first.
    pub fn bend(&mut self, bend: Bend) {
        self.bends.retain(|own| (own.layer, own.seed, own.spared) != (bend.layer, bend.seed, bend.spared));
        if !bend.is_usual() {
            self.bends.push(bend);
        }
        if self.bends.len() > MOST_BENDS {
            self.bends.remove(0);
        }
    }

    /// w for each layer, where it has w of its own: `[layers · dim]`.
    pub fn spread(&mut self, layers: usize, dim: usize) {
        if self.w.len() == dim && layers > 0 {
            self.w = self.w.repeat(layers);
        }
    }

    /// At a share of the way from one to another. Points of W go straight, and numbers too; seeds are those of the nearer
    /// one, a phase goes the short way. Of a point with w and one without, the nearer one's.
    pub fn blended(a: &Self, b: &Self, share: f64) -> Self {
        let way = |from: f64, to: f64| from + (to - from) * share;
        let nearer = if share < 0.5 { a } else { b };
        let w = match (a.w.len(), b.w.len()) {
            (0, _) | (_, 0) => nearer.w.clone(),
            // One for all layers goes with one for each; others are of two spaces.
            (x, y) if x.max(y) % x.min(y) != 0 => nearer.w.clone(),
            (x, y) => {
                let at = |list: &[f64], i: usize| list[i % list.len()];
                (0..x.max(y)).map(|i| way(at(&a.w, i), at(&b.w, i))).collect()
            }
        };
        let turn = match (a.turn, b.turn) {
            (Some(from), Some(to)) => {
                let apart = (to.phase - from.phase + 0.5).rem_euclid(1.0) - 0.5;
                let phase = (from.phase + apart * share).rem_euclid(1.0);
                let seed = if share < 0.5 { from.seed } else { to.seed };
                Some(Turn { radius: way(from.radius, to.radius), phase, seed })
            }
            (Some(from), None) => Some(Turn { radius: way(from.radius, 0.0), ..from }),
            (None, Some(to)) => Some(Turn { radius: way(0.0, to.radius), ..to }),
            (None, None) => None,
        };
        Self {
            w,
            psi: way(a.psi, b.psi),
            cutoff: nearer.cutoff,
            strength: way(a.strength, b.strength),
            noise: nearer.noise,
            turn,
            fewer: nearer.fewer,
            directions: std::array::from_fn(|i| way(a.directions[i], b.directions[i])),
            bends: Self::bends_between(a, b, share),
            shares: std::array::from_fn(|i| way(a.shares[i], b.shares[i])),
            other: nearer.other,
            of: a.of.or(b.of),
        }
    }

    /// Bends of one layer and the same maps go over into each other, others come and go.
    fn bends_between(a: &Self, b: &Self, share: f64) -> Vec<Bend> {
        let key = |bend: &Bend| (bend.layer, bend.seed.to_bits());
        let still = |bend: &Bend| Bend::of(bend.layer, [bend.spared, bend.seed, 0., 0., 0., 0., 0., 0., 0.]);
        let find = |list: &[Bend], bend: &Bend| list.iter().find(|own| key(own) == key(bend)).copied();
        let mut out: Vec<Bend> = Vec::new();
        for bend in &a.bends {
            let to = find(&b.bends, bend).unwrap_or_else(|| still(bend));
            out.push(Bend::blended(bend, &to, share));
        }
        for bend in b.bends.iter().filter(|bend| find(&a.bends, bend).is_none()) {
            out.push(Bend::blended(&still(bend), bend, share));
        }
        out.retain(|bend| !bend.is_usual());
        out.truncate(MOST_BENDS);
        out
    }

    /// A blend of several with weights, or of all alike without: w and numbers by their weights, the rest of the heaviest.
    pub fn mixed(list: &[Self], weights: &[f64]) -> Self {
        if list.iter().all(Self::is_usual) {
            return Self::default();
        }
        let weight = |at: usize| if weights.is_empty() { 1.0 } else { weights.get(at).copied().unwrap_or(0.0) };
        let sum: f64 = (0..list.len()).map(weight).sum();
        let heaviest = (0..list.len()).max_by(|a, b| weight(*a).total_cmp(&weight(*b)).then(b.cmp(a))).unwrap_or(0);
        let mut out = list[heaviest].clone();
        if sum.abs() < 1e-9 {
            return out;
        }
        let total = |of: &dyn Fn(&Self) -> f64| {
            list.iter().enumerate().map(|(at, own)| of(own) * weight(at)).sum::<f64>() / sum
        };
        (out.psi, out.strength) = (total(&|own| own.psi), total(&|own| own.strength));
        out.directions = std::array::from_fn(|i| total(&|own| own.directions[i]));
        let longest = list.iter().map(|own| own.w.len()).max().unwrap_or(0);
        if longest > 0 && list.iter().all(|own| !own.w.is_empty() && longest % own.w.len() == 0) {
            out.w = (0..longest).map(|i| total(&|own| own.w[i % own.w.len()])).collect();
        }
        out
    }

    /// As numbers, [`HEAD`] and w behind them, from which [`Self::of`] makes it again; none where it is as usual.
    pub fn flat(&self) -> Vec<f64> {
        if self.is_usual() {
            return Vec::new();
        }
        let Self { w, psi, cutoff, strength, noise, turn, fewer, directions, bends, shares, other, .. } = self;
        let mut out = Vec::with_capacity(HEAD + w.len());
        let turn = turn.unwrap_or(Turn { radius: 0.0, phase: 0.0, seed: 0.0 });
        let seed = noise.map_or(0.0, |seed| seed + 1.0);
        let fewer = *fewer as f64;
        out.extend([psi - 1.0, *cutoff as f64, strength - 1.0, seed, turn.radius, turn.phase, turn.seed, fewer]);
        out.extend(directions);
        for bend in bends.iter().take(MOST_BENDS) {
            out.push(bend.layer as f64 + 1.0);
            out.extend(bend.values());
            out.extend([0.0; BEND - 10]);
        }
        out.resize(SHARES, 0.0);
        out.push(*other);
        out.extend(shares);
        out.extend(w);
        out
    }

    /// From such numbers; as usual where they are too few.
    pub fn of(flat: &[f64]) -> Self {
        let Some((head, w)) = flat.split_at_checked(HEAD) else { return Self::default() };
        let count = |v: f64| if v.is_finite() { v.clamp(0.0, 1e6) as usize } else { 0 };
        let (first, rest) = head.split_at(FIRST);
        let (directions, rest) = rest.split_at(MOST_DIRECTIONS);
        let (bends, shares) = rest.split_at(MOST_BENDS * BEND);
        let bend = |numbers: &[f64]| {
            let layer = count(numbers[0]).checked_sub(1)?;
            Some(Bend::of(layer, std::array::from_fn(|i| numbers[1 + i])))
        };
        Self {
            w: w.to_vec(),
            psi: first[0] + 1.0,
            cutoff: count(first[1]),
            strength: first[2] + 1.0,
            noise: (first[3] >= 1.0).then(|| first[3] - 1.0),
            turn: (first[4] != 0.0).then(|| Turn { radius: first[4], phase: first[5], seed: first[6] }),
            fewer: count(first[7]),
            directions: std::array::from_fn(|i| directions[i]),
            bends: bends.chunks_exact(BEND).filter_map(bend).collect(),
            shares: std::array::from_fn(|i| shares[1 + i]),
            other: shares[0],
            of: None,
        }
    }

    /// As a network takes it behind z.
    pub fn numbers(&self) -> Vec<f32> {
        self.flat().iter().map(|v| *v as f32).collect()
    }

    /// From what a network takes.
    pub fn of_numbers(numbers: &[f32]) -> Self {
        Self::of(&numbers.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>())
    }
}

/// Between two of those numbers, at a share of the way.
pub fn between(a: &[f32], b: &[f32], share: f64) -> Vec<f32> {
    Style::blended(&Style::of_numbers(a), &Style::of_numbers(b), share).numbers()
}

/// Adds what hands do to the numbers of a manner: factors, numbers and bends join those of a latent.
pub fn moved(manner: &mut Vec<f32>, hands: &Style) {
    if hands.is_usual() {
        return;
    }
    let mut own = Style::of_numbers(manner);
    own.psi *= hands.psi;
    own.strength *= hands.strength;
    own.cutoff = if hands.cutoff > 0 { hands.cutoff } else { own.cutoff };
    own.noise = hands.noise.or(own.noise);
    own.turn = hands.turn.or(own.turn);
    own.fewer = own.fewer.max(hands.fewer);
    own.directions.iter_mut().zip(hands.directions).for_each(|(own, more)| *own += more);
    hands.bends.iter().for_each(|bend| own.bend(*bend));
    if hands.shares.iter().any(|share| *share != 0.0) {
        (own.shares, own.other) = (hands.shares, hands.other);
    }
    *manner = own.numbers();
}

/// The numbers with blocks left out no longer: how fast a machine is does not belong to a point.
pub fn whole(mut numbers: Vec<f32>) -> Vec<f32> {
    if let Some(fewer) = numbers.get_mut(FIRST - 1) {
        *fewer = 0.0;
    }
    numbers
}

/// Keeps w within what can be drawn; whether anything was beyond it.
pub fn settle(numbers: &mut [f32]) -> bool {
    let mut beyond = false;
    for v in numbers.iter_mut().skip(HEAD) {
        beyond |= v.abs() > FARTHEST;
        *v = v.clamp(-FARTHEST, FARTHEST);
    }
    beyond
}

/// A name as it stands in an address.
fn slugged(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    name.chars().map(plain).collect()
}

/// W of a model at work, as `Space` holds it.
#[derive(Clone, Debug)]
pub struct Mapped(pub Arc<dyn Mapping>);

impl PartialEq for Mapped {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Mapped {
    /// Dimensions of w.
    pub fn dim(&self) -> usize {
        self.0.mean().len()
    }

    /// Whether so many numbers are a w, or one for each layer.
    pub fn fits(&self, count: usize) -> bool {
        count == self.dim() || count == self.0.layers() * self.dim()
    }

    /// The number of a direction by its name or its number; none where there is no such.
    pub fn direction(&self, name: &str) -> Option<usize> {
        let names = self.0.directions();
        let by_name = names.iter().position(|own| own == name || slugged(own) == name);
        by_name.or_else(|| name.parse().ok().filter(|at| *at < names.len()))
    }

    /// Why there is no such direction.
    pub fn no_direction(&self, name: &str) -> String {
        let names = self.0.directions();
        match names.is_empty() {
            true => {
                format!("there is no direction \"{name}\": the model has none; flaneur directions MODEL finds some")
            }
            false => format!("there is no direction \"{name}\"; there are {}", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Style {
        let mut style = Style { w: vec![1.0, 2.0], psi: 0.7, cutoff: 3, strength: 0.0, ..Style::default() };
        style.noise = Some(12.0);
        style.turn = Some(Turn { radius: 0.5, phase: 0.25, seed: 7.0 });
        style.directions[2] = -1.5;
        (style.shares[3], style.other) = (0.5, 8.0);
        style.bend(Bend { layer: 4, spared: 0.5, seed: 9.0, x: 0.25, gain: -1.0, ..Bend::default() });
        style
    }

    #[test]
    fn a_style_is_numbers_of_which_0_is_as_usual() {
        let style = full();
        assert!(Style::default().flat().is_empty() && Style::of(&[0.0; HEAD]).is_usual());
        assert_eq!((style.flat().len(), Style::of(&style.flat())), (HEAD + 2, style.clone()));
        assert_eq!(Style::of_numbers(&style.numbers()).bends, style.bends);
        assert!(Style::of(&[1.0; 3]).is_usual());
    }

    #[test]
    fn between_two_styles_numbers_go_straight_and_seeds_jump() {
        let (a, b) = (Style { w: vec![0.0], ..Style::default() }, full());
        let half = Style::blended(&a, &b, 0.25);
        assert_eq!((half.w, half.psi, half.noise), (vec![0.25, 0.5], 0.925, None));
        assert_eq!((half.bends[0].gain, half.bends[0].spared, half.turn.map(|t| t.radius)), (-0.25, 0.5, Some(0.125)));
        let turned = |phase| Style { turn: Some(Turn { radius: 1.0, phase, seed: 0.0 }), ..Style::default() };
        let phase = Style::blended(&turned(0.9), &turned(0.1), 0.75).turn.unwrap().phase;
        assert!((phase - 0.05).abs() < 1e-9, "{phase}");
        assert_eq!(Style::blended(&a, &b, 1.0), b);
        let mixed = Style::mixed(&[a, b], &[1.0, 3.0]);
        assert_eq!((mixed.w, mixed.cutoff, mixed.directions[2]), (vec![0.75, 1.5], 3, -1.125));
    }

    #[test]
    fn hands_join_what_a_latent_is_and_what_is_too_far_comes_back() {
        let mut numbers = full().numbers();
        moved(&mut numbers, &Style { psi: 0.5, noise: Some(3.0), fewer: 2, ..Style::default() });
        let made = Style::of_numbers(&numbers);
        assert!((made.psi - 0.35).abs() < 1e-6 && made.noise == Some(3.0) && made.fewer == 2);
        assert_eq!((made.shares[3], Style::of_numbers(&whole(numbers)).fewer), (0.5, 0));
        let mut far = Style { w: vec![1e20, -2.0], ..Style::default() }.numbers();
        assert!(settle(&mut far) && !settle(&mut far));
        assert_eq!(far[HEAD..], [1e3, -2.0]);
        // Two spaces have nothing in between.
        let of = |w: Vec<f64>| Style { w, ..Style::default() };
        assert_eq!(Style::blended(&of(vec![1.0; 4]), &of(vec![2.0; 3]), 0.4).w, [1.0; 4]);
    }

    #[test]
    fn bends_are_few_and_each_once() {
        let mut style = Style::default();
        for layer in 0..6 {
            style.bend(Bend { layer, gain: 1.0, ..Bend::default() });
        }
        style.bend(Bend { layer: 5, gain: 2.0, ..Bend::default() });
        style.bend(Bend { layer: 4, ..Bend::default() });
        let layers: Vec<(usize, f64)> = style.bends.iter().map(|bend| (bend.layer, bend.gain)).collect();
        assert_eq!(layers, [(2, 1.0), (3, 1.0), (5, 2.0)]);
    }
}
