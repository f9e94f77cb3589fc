//! Which way a stage goes, from a count of what it would cost one picture.
//!
//! Two things take time: multiplications, and weights that come from outside the nearest caches.
//! A transform trades the one for the other, so small maps, whose weights serve few pixels, want
//! fewer weights, and large maps fewer multiplications. The choice depends on sizes only, never on a
//! measurement, so that the same model gives the same pictures everywhere.

use super::direct::Direct;
use super::few::Few;
use super::plain::Plain;
use super::winograd::Winograd;
use super::{Layer, Pixel, Stage};
use crate::net::cpu::conv::Act;
use crate::net::cpu::layout::{Plane, Row};
use crate::net::geometry::Geometry;
use crate::net::layers::Activation;

/// Multiplications that one packed weight costs by being read: from memory (74 GMAC/s against
/// 13 GB/s, measured for one core of a server with AVX-512), and from a cache.
const READ: (usize, usize) = (24, 8);
/// Weights of a stage that may stay in a cache from one picture to the next.
const KEPT: usize = 2 << 20;

/// How a stage is done.
pub enum Way {
    Direct(Direct),
    Two3(Winograd<2, 3, 4>),
    Four3(Winograd<4, 3, 6>),
    Two5(Winograd<2, 5, 6>),
    Four5(Winograd<4, 5, 8>),
    Few(Few),
    Plain(Plain),
}

/// Multiplications, and weights read, for one picture through tiles of `m`; 1 is tap by tap.
fn cost(g: &Geometry, m: usize) -> usize {
    // Tap by tap only those are multiplied that there are; a transform makes products of all of the window.
    let weights = match (m, g.window()) {
        (2.., Some(t)) => 4 * g.c * g.o * (m + t - 1).pow(2),
        _ => g.k * g.k * g.c * g.o,
    };
    let read = if weights > KEPT { READ.0 } else { READ.1 };
    weights * (g.oh().div_ceil(m) * g.ow().div_ceil(m) + read)
}

impl Way {
    /// Chooses; the `last` stage goes through tanh, others through the leaky activation that they have.
    /// What goes tap by tap may keep its weights `short`.
    pub fn new(stage: &Stage, last: bool, short: bool) -> Self {
        let g = &stage.geometry;
        let slope = stage.then.and_then(Activation::negative_slope).filter(|_| !last);
        let window = if stage.transposed && !stage.doubled { g.window() } else { None };
        let Some(t) = window else {
            return Self::Plain(Plain::new(stage, if last { Some(Act::Tanh) } else { slope.map(Act::Leaky) }));
        };
        if last && Few::fits(g) {
            return Self::Few(Few::new(g));
        }
        let slope = slope.unwrap_or(1.0);
        match (t, [1, 2, 4].into_iter().min_by_key(|m| cost(g, *m))) {
            (3, Some(2)) => Self::Two3(Winograd::new(g, slope)),
            (3, Some(4)) => Self::Four3(Winograd::new(g, slope)),
            (5, Some(2)) => Self::Two5(Winograd::new(g, slope)),
            (5, Some(4)) => Self::Four5(Winograd::new(g, slope)),
            _ => Self::Direct(Direct::new(g, slope, short)),
        }
    }

    /// What it is, for people: F(m×m, t×t) is Winograd's way with tiles of m.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Direct(_) => "tap by tap",
            Self::Two3(_) => "F(2×2, 3×3)",
            Self::Four3(_) => "F(4×4, 3×3)",
            Self::Two5(_) => "F(2×2, 5×5)",
            Self::Four5(_) => "F(4×4, 5×5)",
            Self::Few(_) => "straight to bytes",
            Self::Plain(_) => "unfolded",
        }
    }

    /// Packs the weights of its stage.
    pub fn load(&mut self, layer: &Layer<&[f32]>, g: &Geometry) {
        match self {
            Self::Direct(direct) => direct.load(layer, g),
            Self::Two3(winograd) => winograd.load(layer, g),
            Self::Four3(winograd) => winograd.load(layer, g),
            Self::Two5(winograd) => winograd.load(layer, g),
            Self::Four5(winograd) => winograd.load(layer, g),
            Self::Few(few) => few.load(layer, g),
            Self::Plain(plain) => plain.load(layer),
        }
    }

    /// The planes it reads, for a map of these sides.
    pub fn plane(&self, h: usize, w: usize) -> Plane {
        match self {
            Self::Direct(direct) => Plane::windowed(h, w, direct.taps(), 1),
            Self::Two3(_) => Plane::windowed(h, w, 3, 2),
            Self::Four3(_) => Plane::windowed(h, w, 3, 4),
            Self::Two5(_) => Plane::windowed(h, w, 5, 2),
            Self::Four5(_) => Plane::windowed(h, w, 5, 4),
            Self::Few(few) => Plane::windowed(h, w, few.taps(), 1),
            Self::Plain(_) => Plane::bare(h, w),
        }
    }

    /// Makes the next map of `n` pictures.
    pub fn run(&self, n: usize, input: &[Row], from: &Plane, factors: &mut Vec<Row>, output: &mut [Row], to: &Plane) {
        match self {
            Self::Direct(direct) => direct.run(n, input, from, output, to),
            Self::Two3(winograd) => winograd.run(n, input, from, factors, output, to),
            Self::Four3(winograd) => winograd.run(n, input, from, factors, output, to),
            Self::Two5(winograd) => winograd.run(n, input, from, factors, output, to),
            Self::Four5(winograd) => winograd.run(n, input, from, factors, output, to),
            Self::Plain(plain) => plain.run(n, input, from, output, to),
            // Only a last stage is one, and that has finished.
            Self::Few(_) => (),
        }
    }

    /// Makes the pictures at once, if it can.
    pub fn finish<P: Pixel>(&self, n: usize, input: &[Row], from: &Plane, out: &mut [P]) -> bool {
        match self {
            Self::Few(few) => few.run(n, input, from, out),
            Self::Plain(plain) => plain.finish(n, input, from, out),
            _ => return false,
        }
        true
    }
}
