//! What the verbs know beside their arguments: the model's dimension, the hand, stored points, caches.
//!
//! One environment per host, shared with its native verbs and used by the host's thread alone: what the show knows
//! comes to it by value (see [`super::thread`]). It is never locked across a call into a script.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::control::Controls;
use crate::latent::manner::Manner;
use crate::latent::space::{self, Space};
use crate::latent::style::Mapped;
use crate::latent::walk::Noise;
use crate::latent::{self, Z};
use crate::latest::lock;

/// Most seeds and noise fields kept.
const MOST_CACHED: usize = 1024;
/// Points of a way at which the change of the picture is measured.
pub const MEASURED: usize = 65;

/// A way whose pictures should be measured, so that a walk along it can be even.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// Stands for the way: the same points have the same key.
    pub key: u64,
    /// `[MEASURED]` latents along the way: z, with classes behind it where they have some of their own.
    pub samples: Vec<Z>,
}

/// What the critic thinks of the pictures, and whether this frame's script asked.
#[derive(Clone, Debug, Default)]
pub struct Eyed {
    pub score: f64,
    /// The direction in z in which the score rises, of length 1; empty before it is known.
    pub direction: Arc<Z>,
    pub wants_score: bool,
    pub wants_direction: bool,
}

/// The inside of an [`Env`].
pub struct Inside {
    pub space: Space,
    /// The show's blend of classes, for latents that have none.
    pub blend: Vec<f64>,
    /// A class was named, and the model has none.
    pub classless: bool,
    /// Something was done to a texture's noise, and the model is no texture.
    pub untextured: bool,
    /// Something was done to w, and the model has no mapping to it.
    pub unmapped: bool,
    pub controls: Controls,
    /// Points that `load` finds, by name.
    pub points: BTreeMap<String, Arc<Vec<Z>>>,
    /// Draws of `random()` without a seed so far.
    pub drawn: u32,
    /// Measured ways. Arc lengths `[MEASURED]`, 0..1, empty while one is being measured; and how far the
    /// walk has gone over to them, 0..1.
    pub even: HashMap<u64, (Vec<f64>, f64)>,
    /// Ways to be measured.
    pub wanted: Vec<Measure>,
    pub eye: Eyed,
    /// A drawing sketch runs: what it draws is a picture of a data set, without a network.
    pub drawing: bool,
    seeds: HashMap<u32, Z>,
    noises: HashMap<u32, Noise>,
}

/// The environment; clones share it.
#[derive(Clone)]
pub struct Env(Arc<Mutex<Inside>>);

impl Env {
    /// For a model of this space; a number is the dimensions of one without classes.
    pub fn new(space: impl Into<Space>) -> Self {
        Self(Arc::new(Mutex::new(Inside {
            space: space.into(),
            blend: Vec::new(),
            classless: false,
            untextured: false,
            unmapped: false,
            controls: Controls::default(),
            points: BTreeMap::new(),
            drawn: 0,
            even: HashMap::new(),
            wanted: Vec::new(),
            eye: Eyed::default(),
            drawing: false,
            seeds: HashMap::new(),
            noises: HashMap::new(),
        })))
    }

    /// The inside, for a moment.
    pub fn lock(&self) -> MutexGuard<'_, Inside> {
        lock(&self.0)
    }

    /// Dimensions of the model.
    pub fn dim(&self) -> usize {
        self.lock().space.dim
    }

    /// Dimensions and classes of the model.
    pub fn lens(&self) -> (usize, usize) {
        let inside = self.lock();
        (inside.space.dim, inside.space.classes.len())
    }

    /// w of a z and its classes; empty where the model has no mapping.
    pub fn mapped(&self, z: &[f64], class: &[f64]) -> Z {
        let (w, blend) = {
            let inside = self.lock();
            (inside.space.w.clone(), inside.blend.clone())
        };
        let own = space::whole(class);
        w.map_or_else(Z::new, |w| w.0.w(z, if own.is_empty() { &blend } else { &own }))
    }

    /// The mean of all w; empty where the model has no mapping.
    pub fn mean_w(&self) -> Z {
        self.lock().space.w.as_ref().map_or_else(Z::new, |w| w.0.mean().to_vec())
    }

    /// Dimensions of w; 0 where the model has no mapping.
    pub fn w_dim(&self) -> usize {
        self.lock().space.w.as_ref().map_or(0, Mapped::dim)
    }

    /// How a latent is drawn, for the model at work: what another kind of model knows goes, and a w that another mapping
    /// made, so that its z is mapped anew.
    pub fn bring(&self, manner: &mut Manner) {
        if manner.is_usual() {
            return;
        }
        let inside = self.lock();
        let space = &inside.space;
        if space.scales().is_none() {
            manner.texture = Default::default();
        }
        let style = &mut manner.style;
        let Some(w) = &space.w else {
            *style = Default::default();
            return;
        };
        if style.of.is_some_and(|model| model != space.model) || !(style.w.is_empty() || w.fits(style.w.len())) {
            (style.w, style.of) = (Vec::new(), None);
        }
    }

    /// Another model: what was made for the old dimension or measured on the old weights is dropped.
    pub fn set_space(&self, space: Space) {
        let mut inside = self.lock();
        if inside.space.dim != space.dim {
            inside.seeds.clear();
            inside.noises.clear();
        }
        inside.space = space;
        inside.even.clear();
        inside.wanted.clear();
        inside.eye.direction = Arc::default();
    }

    /// The latent of a seed.
    pub fn seed(&self, seed: u32) -> Z {
        let mut inside = self.lock();
        let dim = inside.space.dim;
        if inside.seeds.len() >= MOST_CACHED {
            inside.seeds.clear();
        }
        inside.seeds.entry(seed).or_insert_with(|| latent::seed(seed, dim)).clone()
    }

    /// A field of noise at work.
    pub fn noise<T>(&self, seed: u32, work: impl FnOnce(&Noise) -> T) -> T {
        let mut inside = self.lock();
        let dim = inside.space.dim;
        // A field is a hundred times larger than a point.
        if inside.noises.len() >= MOST_CACHED / 64 {
            inside.noises.clear();
        }
        work(inside.noises.entry(seed).or_insert_with(|| Noise::new(seed, dim)))
    }

    /// The next frame: walks go over to newly measured ways within a second. A film (`gliding` off) does so
    /// at once.
    pub fn glide(&self, real_dt: f64, gliding: bool) {
        for (lengths, share) in self.lock().even.values_mut() {
            if !lengths.is_empty() {
                *share = if gliding { (*share + real_dt).min(1.0) } else { 1.0 };
            }
        }
    }

    /// The phase of a way that is walked evenly at `phase`, or `phase` itself while it is being measured.
    pub fn even(&self, points: &[Z], closed: bool, phase: f64, walk: impl Fn(f64) -> Z) -> f64 {
        let key = key(points, closed);
        let mut inside = self.lock();
        match inside.even.get(&key) {
            Some((lengths, share)) if lengths.len() == MEASURED => phase + (inverse(lengths, phase) - phase) * share,
            Some(_) => phase,
            None => {
                if inside.even.len() >= MOST_CACHED {
                    inside.even.clear();
                }
                inside.even.insert(key, (Vec::new(), 0.0));
                let samples = (0..MEASURED).map(|i| walk(i as f64 / (MEASURED - 1) as f64)).collect();
                if inside.wanted.len() < 16 {
                    inside.wanted.push(Measure { key, samples });
                }
                phase
            }
        }
    }
}

/// Which way it is: FNV-1a over its numbers.
fn key(points: &[Z], closed: bool) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ u64::from(closed);
    points.iter().flatten().fold(start, |h, v| (h ^ v.to_bits()).wrapping_mul(0x0100_0000_01b3))
}

/// The phase at which the arc length, rising 0..1 over equal steps of phase, reaches `share`.
fn inverse(lengths: &[f64], share: f64) -> f64 {
    let last = lengths.len() - 1;
    let share = share.clamp(0.0, 1.0);
    let above = lengths.partition_point(|l| *l < share).clamp(1, last);
    let (low, high) = (lengths[above - 1], lengths[above]);
    let between = if high > low { ((share - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 };
    ((above - 1) as f64 + between) / last as f64
}

/// Arc lengths 0..1 from the changes between neighbouring pictures; a way without change is even already.
pub fn arc_lengths(changes: &[f64]) -> Vec<f64> {
    let total: f64 = changes.iter().sum();
    let count = changes.len();
    let mut sum = 0.0;
    let mut out = vec![0.0];
    for (i, change) in changes.iter().enumerate() {
        sum += change;
        out.push(if total > 0.0 { sum / total } else { (i + 1) as f64 / count as f64 });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_walk_spends_its_time_where_pictures_change() {
        // All change is in the last quarter.
        let changes: Vec<f64> = (0..MEASURED - 1).map(|i| if i >= 48 { 1.0 } else { 0.0 }).collect();
        let table = arc_lengths(&changes);
        assert!((inverse(&table, 0.5) - 0.875).abs() < 1e-9);
        assert_eq!((inverse(&table, 1.0), inverse(&arc_lengths(&[0.0; 64]), 0.25)), (1.0, 0.25));
    }

    #[test]
    fn a_way_is_measured_once() {
        let env = Env::new(2);
        let points = [vec![0.0, 1.0], vec![1.0, 0.0]];
        for _ in 0..3 {
            assert_eq!(env.even(&points, false, 0.3, |_| vec![0.0; 2]), 0.3);
        }
        assert_eq!(env.lock().wanted.len(), 1);
    }
}
