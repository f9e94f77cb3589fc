//! A texture network's forward with fixed statistics: the CPU's fast path for [`crate::net::families::texture`].
//!
//! Maps are `[h, w, c]` with c rounded up to [`LANES`], without a border: edges join, so a window that reaches over one
//! reads from the other. The norms are in the weights, those behind a doubling and beside a joint too, because around the
//! edges there is nothing to be added. The doubled map and the noise beside it are never written down: the transform of
//! the next convolution reads both. Wide kernels of 3 × 3 go through Winograd's `F(4, 3)`, a quarter of the products; the
//! 1 × 1 behind the second one, and the last one with the bytes, are done while its pixels are warm.
//! No sum depends on the number of threads.

mod pack;
pub(super) mod product;

use std::sync::{Mutex, PoisonError};

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use self::pack::{Direct, Matrix, Winograd, padded, scaled};
use self::product::{Product, multiply};
use super::conv::with_scratch;
use super::prepared::matrices::Matrices;
use super::prepared::winograd::sandwich;

/// Channels are rounded up to so many.
const LANES: usize = 16;
/// Numbers that the inner loop takes at a time.
const CHUNK: usize = 8;
/// Tiles of 4 × 4 pixels whose products are held at a time.
const TILES: usize = 16;
/// Pixels of a tile, and of what it is made from, in each direction.
const M: usize = 4;
const A: usize = 6;

/// A convolution with what follows it: `max(x, slope · x)` of `scale · (kernel ∗ in) + shift`.
pub struct Conv {
    /// `[k, k, in, out]`.
    pub kernel: Vec<f32>,
    /// One number for each channel that goes out.
    pub scale: Vec<f32>,
    /// Likewise.
    pub shift: Vec<f32>,
}

/// `scale · x + shift` of each channel.
pub struct Affine {
    /// Factors.
    pub scale: Vec<f32>,
    /// What is added.
    pub shift: Vec<f32>,
}

/// One scale of the network.
pub struct Scale {
    /// The block that the noise goes through: 3 × 3, 3 × 3 and perhaps 1 × 1.
    pub noise: Vec<Conv>,
    /// The norm of the doubled map before it, the norm of the noise's side and the block behind the joint; none on the
    /// coarsest.
    pub joined: Option<(Affine, Option<Affine>, Vec<Conv>)>,
}

/// The network in plain numbers.
pub struct Plain {
    /// The coarsest first.
    pub scales: Vec<Scale>,
    /// The 1 × 1 that makes three channels, whose slope is 1.
    pub last: Conv,
    /// Slope below zero of all others.
    pub slope: f32,
    /// Channels of what goes in at each scale.
    pub inputs: usize,
}

/// The layers of one scale, packed.
struct Packed {
    first: Direct,
    second: Direct,
    third: Option<Matrix>,
    joined: Option<Joined>,
}

struct Joined {
    first: Winograd,
    second: Winograd,
    third: Option<Matrix>,
    /// Channels of the map that is doubled.
    above: usize,
}

/// A map of some channels, `[h, w, wide]`.
#[derive(Default)]
struct Map {
    h: usize,
    w: usize,
    wide: usize,
    values: Vec<f32>,
}

impl Map {
    /// Another size; numbers that were there may stay.
    fn shape(&mut self, h: usize, w: usize, wide: usize) {
        (self.h, self.w, self.wide) = (h, w, wide);
        self.values.resize(h * w * wide, 0.0);
    }
}

/// Maps that a forward leaves to the next.
#[derive(Default)]
struct Buffers {
    bordered: Vec<f32>,
    between: Vec<f32>,
    noise: Map,
    /// What comes out of a scale, in turns, and of its first convolution.
    out: [Map; 2],
    half: Map,
}

/// A texture network, packed.
pub struct Pyramid {
    scales: Vec<Packed>,
    last: Matrix,
    slope: f32,
    inputs: usize,
    buffers: Mutex<Buffers>,
}

impl Pyramid {
    /// Packs.
    pub fn new(plain: &Plain) -> Self {
        let third = |block: &[Conv]| block.get(2).map(|conv| Matrix::new(&scaled(conv), conv.scale.len(), &conv.shift));
        let scale = |scale: &Scale| {
            let first = Direct::new(&scale.noise[0], plain.inputs);
            let second = Direct::new(&scale.noise[1], padded(scale.noise[0].scale.len()));
            let joined = scale.joined.as_ref().map(|(up, side, block)| {
                let (kernel, bias) = behind(&block[0], up, side.as_ref());
                let second = Winograd::new(&scaled(&block[1]), &block[1].shift);
                let above = up.scale.len();
                Joined { first: Winograd::new(&kernel, &bias), second, third: third(block), above }
            });
            Packed { first, second, third: third(&scale.noise), joined }
        };
        let last = Matrix::new(&scaled(&plain.last), plain.last.scale.len(), &plain.last.shift);
        let scales = plain.scales.iter().map(scale).collect();
        Self { scales, last, slope: plain.slope, inputs: plain.inputs, buffers: Mutex::default() }
    }

    /// What the last layer gives, `[h, w, 3]`, handed on line by line to `pixel`, whose numbers come out in their order.
    /// `planes` are `[h / 2^k, w / 2^k, inputs]`, the coarsest first.
    pub fn draw<T: Copy + Default + Send>(
        &self,
        [h, w]: [usize; 2],
        planes: &[Vec<f32>],
        pixel: impl Fn([f32; 3]) -> [T; 3] + Sync,
    ) -> Vec<T> {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let Buffers { bordered, between, noise, out: [above, out], half } = &mut *buffers;
        let mut made = vec![T::default(); h * w * 3];
        let count = self.scales.len();
        for (at, (packed, plane)) in self.scales.iter().zip(planes).enumerate() {
            let [h, w] = [h, w].map(|side| side >> (count - 1 - at));
            self.side(packed, plane, [h, w], bordered, between, noise);
            let Some(joined) = &packed.joined else {
                std::mem::swap(noise, above);
                if count == 1 {
                    self.finish(above, &mut made, &pixel);
                }
                continue;
            };
            half.shape(h, w, joined.first.out);
            let sources = Sources { doubled: Some((above, joined.above)), plain: noise };
            self.winograd(&joined.first, &sources, &mut half.values, w * joined.first.out, None, &|rows, line| {
                line.copy_from_slice(rows);
            });
            let sources = Sources { doubled: None, plain: half };
            let third = joined.third.as_ref();
            let wide = third.map_or(joined.second.out, |third| third.out);
            if at + 1 == count {
                let last = &self.last;
                let each = |rows: &[f32], line: &mut [T]| {
                    with_scratch(line.len() / 3 * last.out, |sums| {
                        let steps = [(rows, &last.values[..])];
                        multiply(
                            &Product { steps: &steps, stride: wide, k: last.k, bias: Some(&last.bias) },
                            1.0,
                            sums,
                        );
                        for (to, sum) in line.chunks_exact_mut(3).zip(sums.chunks_exact(last.out)) {
                            to.copy_from_slice(&pixel([sum[0], sum[1], sum[2]]));
                        }
                    });
                };
                self.winograd(&joined.second, &sources, &mut made, w * 3, third, &each);
            } else {
                out.shape(h, w, wide);
                self.winograd(&joined.second, &sources, &mut out.values, w * wide, third, &|rows, line| {
                    line.copy_from_slice(rows);
                });
                std::mem::swap(out, above);
            }
        }
        made
    }

    /// The last layer by itself, where there is one scale.
    fn finish<T: Copy>(&self, map: &Map, made: &mut [T], pixel: &impl Fn([f32; 3]) -> [T; 3]) {
        let mut sums = vec![0.0; made.len() / 3 * self.last.out];
        let steps = [(&map.values[..], &self.last.values[..])];
        multiply(
            &Product { steps: &steps, stride: map.wide, k: self.last.k, bias: Some(&self.last.bias) },
            1.0,
            &mut sums,
        );
        for (to, sum) in made.chunks_exact_mut(3).zip(sums.chunks_exact(self.last.out)) {
            to.copy_from_slice(&pixel([sum[0], sum[1], sum[2]]));
        }
    }

    /// The block of the noise.
    fn side(
        &self,
        packed: &Packed,
        plane: &[f32],
        [h, w]: [usize; 2],
        bordered: &mut Vec<f32>,
        between: &mut Vec<f32>,
        out: &mut Map,
    ) {
        // Lines with what lies at the other side before and behind them; those above the first and below the last too.
        let inputs = self.inputs;
        let line = (w + 2) * inputs;
        bordered.resize((h + 2) * line + LANES * CHUNK, 0.0);
        bordered[..(h + 2) * line].par_chunks_mut(line).enumerate().with_min_len(16).for_each(|(y, to)| {
            let from = &plane[(y + h - 1) % h * w * inputs..][..w * inputs];
            to[inputs..line - inputs].copy_from_slice(from);
            join(to, inputs);
        });
        let wide = packed.first.lines[0].out;
        let (long, bands) = ((w + 2) * wide, (4096 / (w * wide)).max(1));
        between.resize((h + 2) * long + LANES * CHUNK, 0.0);
        between[long..(h + 1) * long].par_chunks_mut(long).enumerate().with_min_len(bands).for_each(|(y, to)| {
            self.direct(&packed.first, &bordered[y * line..], line, &mut to[wide..long - wide]);
            join(to, wide);
        });
        between.copy_within(long..2 * long, (h + 1) * long);
        between.copy_within(h * long..(h + 1) * long, 0);
        let second = packed.second.lines[0].out;
        let third = packed.third.as_ref();
        out.shape(h, w, third.map_or(second, |third| third.out));
        out.values.par_chunks_mut(w * out.wide).enumerate().with_min_len(bands).for_each(|(y, to)| match third {
            None => self.direct(&packed.second, &between[y * long..], long, to),
            Some(third) => with_scratch(w * second, |sums| {
                self.direct(&packed.second, &between[y * long..], long, sums);
                self.onto(third, sums, second, to);
            }),
        });
    }

    /// One line of a direct convolution; `from` begins one line above it and one pixel before.
    fn direct(&self, direct: &Direct, from: &[f32], line: usize, to: &mut [f32]) {
        let [a, b, c] = &direct.lines;
        let steps = [(from, &a.values[..]), (&from[line..], &b.values[..]), (&from[2 * line..], &c.values[..])];
        let product = Product { steps: &steps, stride: direct.inputs, k: a.k, bias: Some(&a.bias) };
        multiply(&product, self.slope, to);
    }

    /// Pixels through a 1 × 1 convolution.
    fn onto(&self, matrix: &Matrix, from: &[f32], stride: usize, to: &mut [f32]) {
        let steps = [(from, &matrix.values[..])];
        multiply(&Product { steps: &steps, stride, k: matrix.k, bias: Some(&matrix.bias) }, self.slope, to);
    }

    /// A convolution through the transform, and the 1 × 1 behind it, if there is one. `each` is given parts of lines as
    /// they are done, and where they go: a line of `out` has `line` numbers.
    fn winograd<T: Send>(
        &self,
        layer: &Winograd,
        sources: &Sources,
        out: &mut [T],
        line: usize,
        third: Option<&Matrix>,
        each: &(impl Fn(&[f32], &mut [T]) + Sync),
    ) {
        let (h, w) = (sources.plain.h, sources.plain.w);
        let across = w.div_ceil(M);
        let (stride, wide) = (layer.k + LANES, layer.out);
        let numbers = line / w;
        let room = [A * A * TILES * stride + LANES, A * A * TILES * wide, M * TILES * M * wide];
        let after = third.map_or(0, |third| M * TILES * third.out);
        out[..h * line].par_chunks_mut(M * line).enumerate().for_each(|(down, part)| {
            with_scratch(room.iter().sum::<usize>() + after, |scratch| {
                let (factors, rest) = scratch.split_at_mut(room[0]);
                let (products, rest) = rest.split_at_mut(room[1]);
                let (pixels, after) = rest.split_at_mut(room[2]);
                for first in (0..across).step_by(TILES) {
                    let count = TILES.min(across - first);
                    let task = Task { layer, sources, slope: self.slope, down, first, count, stride };
                    Arch::new().dispatch(Inputs { task, factors: &mut *factors });
                    for point in 0..A * A {
                        let steps = [(
                            &factors[point * TILES * stride..],
                            &layer.points[point * layer.k * wide..(point + 1) * layer.k * wide],
                        )];
                        let sums = &mut products[point * TILES * wide..][..count * wide];
                        multiply(&Product { steps: &steps, stride, k: layer.k, bias: None }, 1.0, sums);
                    }
                    Arch::new().dispatch(Outputs { task, products: &*products, pixels: &mut *pixels });
                    let (from, to) = (first * M, ((first + count) * M).min(w));
                    for (y, part) in part.chunks_exact_mut(line).enumerate() {
                        let rows = &pixels[y * TILES * M * wide..][..(to - from) * wide];
                        let part = &mut part[from * numbers..to * numbers];
                        match third {
                            None => each(rows, part),
                            Some(third) => {
                                let after = &mut after[..(to - from) * third.out];
                                self.onto(third, rows, wide, after);
                                each(after, part);
                            }
                        }
                    }
                }
            });
        });
    }
}

/// The first convolution behind a joint, with the norms before it: `[3, 3, in, out]` and what is added.
fn behind(conv: &Conv, up: &Affine, side: Option<&Affine>) -> (Vec<f32>, Vec<f32>) {
    let (mut kernel, mut bias) = (scaled(conv), conv.shift.clone());
    let out = conv.scale.len();
    let inputs = kernel.len() / (9 * out);
    let above = up.scale.len();
    for (row, line) in kernel.chunks_exact_mut(out).enumerate() {
        let c = row % inputs;
        let [scale, shift] = match (c < above, side) {
            (true, _) => [up.scale[c], up.shift[c]],
            (false, Some(side)) => [side.scale[c - above], side.shift[c - above]],
            (false, None) => [1.0, 0.0],
        };
        for (v, bias) in line.iter_mut().zip(&mut bias) {
            *bias += *v * shift;
            *v *= scale;
        }
    }
    (kernel, bias)
}

/// Writes what lies at the other side before and behind a line.
fn join(line: &mut [f32], pixel: usize) {
    let len = line.len();
    line.copy_within(len - 2 * pixel..len - pixel, 0);
    line.copy_within(pixel..2 * pixel, len - pixel);
}

/// Where a transform reads from: a map that is doubled, with so many channels, and beside it another.
struct Sources<'a> {
    doubled: Option<(&'a Map, usize)>,
    plain: &'a Map,
}

/// Some tiles of a line of tiles.
#[derive(Clone, Copy)]
struct Task<'a> {
    layer: &'a Winograd,
    sources: &'a Sources<'a>,
    slope: f32,
    /// Which line of tiles, the first tile in it, and how many.
    down: usize,
    first: usize,
    count: usize,
    /// Numbers of a tile's factors.
    stride: usize,
}

/// `Bᵀ d B` of each tile: `[point, tile, channel]`.
struct Inputs<'a> {
    task: Task<'a>,
    factors: &'a mut [f32],
}

impl WithSimd for Inputs<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { task, factors } = self;
        let Sources { doubled, plain } = task.sources;
        let (h, w, stride) = (plain.h, plain.w, task.stride);
        let rows: [usize; A] = std::array::from_fn(|i| (task.down * M + h - 1 + i) % h);
        for tile in 0..task.count {
            let columns: [usize; A] = std::array::from_fn(|j| ((task.first + tile) * M + w - 1 + j) % w);
            if let Some((map, channels)) = doubled {
                let [rows, columns] = [rows, columns].map(|list| list.map(|v| v / 2));
                transform(s, map, &rows, &columns, *channels, &mut factors[tile * stride..], stride);
            }
            // What was written beyond the doubled map's channels is written over.
            let behind = doubled.map_or(0, |(_, channels)| channels);
            let channels = task.layer.k - behind;
            transform(s, plain, &rows, &columns, channels, &mut factors[tile * stride + behind..], stride);
        }
    }
}

/// One tile of a map, all its channels.
#[inline(always)]
fn transform<S: Simd>(
    s: S,
    map: &Map,
    rows: &[usize; A],
    columns: &[usize; A],
    channels: usize,
    factors: &mut [f32],
    stride: usize,
) {
    let wide = map.wide;
    for lane in (0..channels).step_by(S::F32_LANES) {
        let read = |i: usize, j: usize| {
            let at = (rows[i] * map.w + columns[j]) * wide + lane;
            S::as_simd_f32s(&map.values[at..at + S::F32_LANES]).0[0]
        };
        let write = |i: usize, j: usize, v| {
            let at = (i * A + j) * TILES * stride + lane;
            S::as_mut_simd_f32s(&mut factors[at..at + S::F32_LANES]).0[0] = v;
        };
        sandwich(s, &Matrices::<M, 3, A>::MADE.bt, read, write);
    }
}

/// `Aᵀ m A` of each tile with bias and slope: `[M, pixel, channel]`.
struct Outputs<'a> {
    task: Task<'a>,
    products: &'a [f32],
    pixels: &'a mut [f32],
}

impl WithSimd for Outputs<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { task, products, pixels } = self;
        let wide = task.layer.out;
        let (zero, slope) = (s.splat_f32s(0.0), s.splat_f32s(task.slope));
        for tile in 0..task.count {
            for lane in (0..wide).step_by(S::F32_LANES) {
                let bias = S::as_simd_f32s(&task.layer.bias[lane..lane + S::F32_LANES]).0[0];
                let read = |i: usize, j: usize| {
                    let at = ((i * A + j) * TILES + tile) * wide + lane;
                    S::as_simd_f32s(&products[at..at + S::F32_LANES]).0[0]
                };
                let write = |i: usize, j: usize, v| {
                    let v = s.add_f32s(v, bias);
                    let v = s.select_f32s(s.greater_than_f32s(v, zero), v, s.mul_f32s(v, slope));
                    let at = (i * TILES * M + tile * M + j) * wide + lane;
                    S::as_mut_simd_f32s(&mut pixels[at..at + S::F32_LANES]).0[0] = v;
                };
                sandwich(s, &Matrices::<M, 3, A>::MADE.at, read, write);
            }
        }
    }
}
