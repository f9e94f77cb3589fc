//! Convolutions of three taps and stride 2 with fewer multiplications: two outputs from five products.
//!
//! Along one axis, inputs x₀..x₄ and taps g₀, g₁, g₂ make y₀ = x₀g₀ + x₁g₁ + x₂g₂ and
//! y₁ = x₂g₀ + x₃g₁ + x₄g₂: six products. The even inputs see two taps at stride 1, for which Winograd's
//! F(2, 2) needs three products (Winograd 1980), and two remain for the odd ones:
//!
//! (x₀ − x₂)g₀, x₂(g₀ + g₂), (x₄ − x₂)g₂, x₁g₁, x₃g₁; y₀ is the sum of the 1st, 2nd and 4th, y₁ of the
//! 2nd, 3rd and 5th.
//!
//! Along both axes a tile of 2 × 2 outputs takes 25 products instead of 36. All factors are ±1, so little
//! is lost in accuracy. The map is bilinear, so its two derivatives take 25 as well. The functions are those
//! of [`super::conv`], which calls them where [`fits`]; sums do not depend on the number of threads.

use faer::Accum;
use pulp::Arch;
use rayon::prelude::*;

use super::super::geometry::Geometry;
use super::conv::{After, Weights, gemm, rows, with_scratch};
use super::pointwise::zeros;

/// Terms of a product along one axis: where it stands, and whether it is subtracted.
type Terms = &'static [(usize, bool)];

/// From five inputs to the products' first factors.
const INPUTS: [Terms; 5] =
    [&[(0, false), (2, true)], &[(2, false)], &[(4, false), (2, true)], &[(1, false)], &[(3, false)]];
/// From two outputs' gradients to the products' gradients; read the other way, from products to outputs.
const OUTPUTS: [Terms; 5] = [&[(0, false)], &[(0, false), (1, false)], &[(1, false)], &[(0, false)], &[(1, false)]];
/// From three taps to the second factors.
const TAPS: [Terms; 4] = [&[(0, false)], &[(0, false), (2, false)], &[(2, false)], &[(1, false)]];
/// The products that share a second factor.
const SHARE: [&[usize]; 4] = [&[0], &[1], &[2], &[3, 4]];
/// Second factors along both axes.
const FACTORS: usize = 16;
/// Tiles that a task takes at a time.
const TILES: usize = 128;

/// Whether a convolution, or a transposed one, is made here: thin maps would spend their time on adding.
pub fn fits(g: &Geometry) -> bool {
    covers(g) && g.c >= 128 && g.o >= 256 && g.ow() >= 8
}

/// Whether the gradient of a kernel is: a large map would be read too often.
pub fn fits_weights(g: &Geometry) -> bool {
    covers(g) && g.c >= 128 && g.o >= 256 && g.ow() <= 16
}

/// Whether the sides are whole tiles.
fn covers(g: &Geometry) -> bool {
    let whole = g.h.is_multiple_of(4) && g.w.is_multiple_of(4) && 2 * g.oh() == g.h && 2 * g.ow() == g.w;
    g.k == 3 && g.stride == 2 && whole && g.pad(g.h).0 == 0
}

/// Terms along both axes, `(y, x, subtracted)`.
fn both(y: Terms, x: Terms) -> impl Iterator<Item = (usize, usize, bool)> {
    y.iter().flat_map(move |(y, minus)| x.iter().map(move |(x, other)| (*y, *x, minus != other)))
}

/// The products that share factor `f`, as pairs of rows and columns.
fn products(f: usize) -> impl Iterator<Item = (usize, usize)> {
    SHARE[f / 4].iter().flat_map(move |y| SHARE[f % 4].iter().map(move |x| (*y, *x)))
}

/// `to += from` or `to −= from`.
#[inline(always)]
fn add(to: &mut [f32], from: &[f32], minus: bool) {
    if minus {
        to.iter_mut().zip(from).for_each(|(to, v)| *to -= v);
    } else {
        to.iter_mut().zip(from).for_each(|(to, v)| *to += v);
    }
}

/// A map `[lines, w, channels]` cut into tiles of `side` × `side` pixels, some of which look beyond it.
#[derive(Clone, Copy)]
struct Tiling {
    /// Height of one picture, and width.
    h: usize,
    w: usize,
    channels: usize,
    side: usize,
}

impl Tiling {
    fn across(&self) -> usize {
        self.w / self.side
    }

    /// Where pixel (y, x) of a tile begins, unless it lies beyond its picture.
    fn at(&self, tile: usize, y: usize, x: usize) -> Option<usize> {
        let (line, column) = (tile / self.across(), tile % self.across());
        let beyond = |at: usize, by: usize, side: usize| at % side + by >= side;
        if beyond(line * self.side, y, self.h) || column * self.side + x >= self.w {
            return None;
        }
        Some(((line * self.side + y) * self.w + column * self.side + x) * self.channels)
    }

    /// One product's factors, `[tile, channel]`: sums of pixels of the tiles from `first` on.
    fn gather(&self, map: &[f32], first: usize, (y, x): (Terms, Terms), out: &mut [f32]) {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (tile, out) in (first..).zip(out.chunks_exact_mut(self.channels)) {
                    let mut filled = false;
                    for (y, x, minus) in both(y, x) {
                        let Some(at) = self.at(tile, y, x) else { continue };
                        let pixel = &map[at..at + self.channels];
                        match (filled, minus) {
                            (true, _) => add(out, pixel, minus),
                            (false, false) => out.copy_from_slice(pixel),
                            (false, true) => out.iter_mut().zip(pixel).for_each(|(out, v)| *out = -v),
                        }
                        filled = true;
                    }
                    if !filled {
                        out.fill(0.0);
                    }
                }
            },
        );
    }

    /// The reverse: adds `[tile, channel]` to the pixels of the tiles of `map`, which begins with the first.
    fn scatter(&self, factors: &[f32], (y, x): (Terms, Terms), map: &mut [f32]) {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (tile, factor) in factors.chunks_exact(self.channels).enumerate() {
                    for (y, x, minus) in both(y, x) {
                        if let Some(at) = self.at(tile, y, x) {
                            add(&mut map[at..at + self.channels], factor, minus);
                        }
                    }
                }
            },
        );
    }
}

/// The wide and the narrow side of a convolution in tiles that belong together.
fn tilings(g: &Geometry) -> (Tiling, Tiling) {
    let wide = Tiling { h: g.h, w: g.w, channels: g.c, side: 4 };
    (wide, Tiling { h: g.oh(), w: g.ow(), channels: g.o, side: 2 })
}

/// Length of what [`factors`] gives.
pub fn factors_len(g: &Geometry) -> usize {
    FACTORS * g.c * g.o
}

/// The second factors of all products, `[factor, c, o]`.
pub fn factors(weights: &[f32], g: &Geometry, out: &mut [f32]) {
    let each = g.c * g.o;
    // Some lines of a factor at a time.
    let part = each.div_ceil(8);
    out.par_chunks_mut(each).enumerate().for_each(|(f, out)| {
        out.par_chunks_mut(part).enumerate().for_each(|(i, out)| {
            let tap = |(y, x, _)| &weights[(y * 3 + x) * each + i * part..][..out.len()];
            let terms: Vec<&[f32]> = both(TAPS[f / 4], TAPS[f % 4]).map(tap).collect();
            Arch::new().dispatch(
                #[inline(always)]
                || {
                    out.copy_from_slice(terms[0]);
                    terms[1..].iter().for_each(|term| add(out, term, false));
                },
            );
        });
    });
}

/// Runs `work` on the second factors, made now if they were not before.
fn with_factors(weights: Weights, g: &Geometry, work: impl FnOnce(&[f32])) {
    match weights.factors {
        Some(factors) => work(factors),
        None => with_scratch(factors_len(g), |made| {
            factors(weights.values, g, made);
            work(made);
        }),
    }
}

/// See [`super::conv::conv_to`].
pub fn conv(out: &mut [f32], x: &[f32], weights: Weights, g: &Geometry, after: After) {
    let (wide, narrow) = tilings(g);
    let n = x.len() / (g.h * g.w * g.c);
    // Two tasks at least.
    let lines = TILES.div_ceil(narrow.across()).min((n * g.oh() / 2).div_ceil(2)).max(1);
    with_factors(weights, g, |seconds| {
        out.par_chunks_mut(lines * 2 * g.ow() * g.o).enumerate().for_each(|(i, out)| {
            out.fill(0.0);
            let tiles = out.len() / (4 * g.o);
            for f in 0..FACTORS {
                let count = products(f).count() * tiles;
                with_scratch(count * g.c, |firsts| {
                    for ((y, x_), part) in products(f).zip(firsts.chunks_exact_mut(tiles * g.c)) {
                        wide.gather(x, i * lines * wide.across(), (INPUTS[y], INPUTS[x_]), part);
                    }
                    with_scratch(count * g.o, |made| {
                        let second = &seconds[f * g.c * g.o..(f + 1) * g.c * g.o];
                        gemm(made, Accum::Replace, rows(firsts, count, g.c), rows(second, g.c, g.o));
                        for ((y, x), made) in products(f).zip(made.chunks_exact(tiles * g.o)) {
                            // The first tile of this part is the first of the pixels that it gets.
                            narrow.scatter(made, (OUTPUTS[y], OUTPUTS[x]), out);
                        }
                    });
                });
            }
            after.apply(out, i * lines * 2 * g.ow() * g.o);
        });
    });
}

/// See [`super::conv::conv_t_to`].
pub fn conv_t(out: &mut [f32], y: &[f32], weights: Weights, g: &Geometry, after: After) {
    let (wide, narrow) = tilings(g);
    let n = y.len() / (g.oh() * g.ow() * g.o);
    let each = narrow.across() * g.oh() / 2;
    // Tiles of one picture overlap, so a task has whole ones; two tasks at least.
    let pictures = TILES.div_ceil(each).min(n.div_ceil(2)).max(1);
    with_factors(weights, g, |seconds| {
        out.par_chunks_mut(pictures * g.h * g.w * g.c).enumerate().for_each(|(i, out)| {
            out.fill(0.0);
            let tiles = out.len() / (g.h * g.w * g.c) * each;
            for f in 0..FACTORS {
                let count = products(f).count() * tiles;
                with_scratch(count * g.o, |firsts| {
                    for ((py, px), part) in products(f).zip(firsts.chunks_exact_mut(tiles * g.o)) {
                        narrow.gather(y, i * pictures * each, (OUTPUTS[py], OUTPUTS[px]), part);
                    }
                    with_scratch(count * g.c, |made| {
                        let second = &seconds[f * g.c * g.o..(f + 1) * g.c * g.o];
                        gemm(made, Accum::Replace, rows(firsts, count, g.o), rows(second, g.c, g.o).transpose());
                        for ((y, x), made) in products(f).zip(made.chunks_exact(tiles * g.c)) {
                            wide.scatter(made, (INPUTS[y], INPUTS[x]), out);
                        }
                    });
                });
            }
            after.apply(out, i * pictures * g.h * g.w * g.c);
        });
    });
}

/// See [`super::conv::conv_w`].
pub fn conv_w(x: &[f32], dy: &[f32], g: &Geometry) -> Vec<f32> {
    let (wide, narrow) = tilings(g);
    let each = g.c * g.o;
    let tiles = dy.len() / (4 * g.o);
    let mut out = zeros(9 * each);
    with_scratch(FACTORS * each, |sums| {
        sums.par_chunks_mut(each).enumerate().for_each(|(f, sum)| {
            let share = products(f).count();
            for first in (0..tiles).step_by(TILES) {
                let count = TILES.min(tiles - first);
                with_scratch(share * count * g.c, |firsts| {
                    for ((y, x_), part) in products(f).zip(firsts.chunks_exact_mut(count * g.c)) {
                        wide.gather(x, first, (INPUTS[y], INPUTS[x_]), part);
                    }
                    with_scratch(share * count * g.o, |seconds| {
                        for ((y, x), part) in products(f).zip(seconds.chunks_exact_mut(count * g.o)) {
                            narrow.gather(dy, first, (OUTPUTS[y], OUTPUTS[x]), part);
                        }
                        let accum = if first == 0 { Accum::Replace } else { Accum::Add };
                        gemm(
                            sum,
                            accum,
                            rows(firsts, share * count, g.c).transpose(),
                            rows(seconds, share * count, g.o),
                        );
                    });
                });
            }
        });
        let sums = &*sums;
        let part = each.div_ceil(4);
        out.par_chunks_mut(each).enumerate().for_each(|(tap, out)| {
            let has = |terms: Terms, tap: usize| terms.iter().any(|(at, _)| *at == tap);
            let of: Vec<usize> =
                (0..FACTORS).filter(|f| has(TAPS[f / 4], tap / 3) && has(TAPS[f % 4], tap % 3)).collect();
            out.par_chunks_mut(part).enumerate().for_each(|(i, out)| {
                for f in &of {
                    add(out, &sums[f * each + i * part..][..out.len()], false);
                }
            });
        });
    });
    out
}
