//! Packed weights of a stage, whole or in 16 bits.
//!
//! A network with more weights than the caches hold reads them from memory for every picture, and on a machine with
//! few cores that takes longer than the multiplications. There each weight is kept as a whole number of 16 bits times
//! a scale, one for each channel that goes out, and made a float again in the nearest cache, just before it is used.
//! The largest error of a weight is 1/65534 of its channel's largest. Sums, biases and maps stay f32.
//! Which networks do so depends on their size alone ([`short`]), so the same model gives the same pictures everywhere.

use pulp::Simd;
use rayon::prelude::*;

use crate::net::cpu::layout::{Row, WIDE, zeros};

/// Weights of a network from which on they are kept in 16 bits: 32 MiB of floats.
const LONG: usize = 8 << 20;
/// The largest number of 16 bits, and what is added so that none is below zero.
const LARGEST: f32 = i16::MAX as f32;
const MIDDLE: f32 = 32768.0;
/// The bits of 2²³, whose last 16 are those of a whole number that is added to it.
const ONES: f32 = 8_388_608.0;

/// Whether a network with so many weights keeps them in 16 bits.
pub const fn short(weights: usize) -> bool {
    weights > LONG
}

/// Channels in the lower and in the upper bits of a [`Short`].
const HALF: usize = WIDE / 2;

/// 32 weights of 16 bits, in one line of the cache: number i has channel i in its lower bits and channel 16 + i in its
/// upper ones, so that each half becomes vectors of channels that stand side by side.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Short([u32; HALF]);

/// Rows of weights in groups; all rows of a group go out to the same 32 channels.
pub struct Weights {
    /// Rows of a group.
    group: usize,
    kept: Kept,
}

enum Kept {
    Whole(Vec<Row>),
    /// The weights, and the scale of each group.
    Short(Vec<Short>, Vec<Row>),
}

impl Weights {
    /// Room for some groups of rows.
    pub fn new(groups: usize, group: usize, short: bool) -> Self {
        let kept = if short {
            Kept::Short(vec![Short([0; HALF]); groups * group], vec![Row::ZERO; groups])
        } else {
            Kept::Whole(zeros(groups * group))
        };
        Self { group, kept }
    }

    /// Has each group written by `pack`, which is given its number and rows that hold zeros, or what it wrote before.
    pub fn load(&mut self, pack: impl Fn(usize, &mut [Row]) + Sync) {
        match &mut self.kept {
            Kept::Whole(rows) => {
                rows.par_chunks_mut(self.group).enumerate().for_each(|(i, rows)| pack(i, rows));
            }
            Kept::Short(shorts, scales) => {
                let group = self.group;
                shorts.par_chunks_mut(group).zip(scales).enumerate().for_each_init(
                    || vec![Row::ZERO; group],
                    |rows, (i, (shorts, scale))| {
                        pack(i, rows);
                        *scale = shorten(rows, shorts);
                    },
                );
            }
        }
    }

    /// Rows that a call of [`Self::rows`] for `len` rows needs beside.
    pub fn beside(&self, len: usize) -> usize {
        match self.kept {
            Kept::Whole(_) => 0,
            Kept::Short(..) => len,
        }
    }

    /// `len` rows from `at` on, all of one group; `beside` has room for as many as [`Self::beside`] says.
    #[inline(always)]
    pub fn rows<'a, S: Simd>(&'a self, s: S, at: usize, len: usize, beside: &'a mut [Row]) -> &'a [Row] {
        match &self.kept {
            Kept::Whole(rows) => &rows[at..at + len],
            Kept::Short(shorts, scales) => {
                let beside = &mut beside[..len];
                lengthen(s, &shorts[at..at + len], &scales[at / self.group], beside);
                beside
            }
        }
    }
}

/// Makes floats of weights of 16 bits.
#[inline(always)]
fn lengthen<S: Simd>(s: S, shorts: &[Short], scale: &Row, rows: &mut [Row]) {
    // A vector wider than half a row is none of the instruction sets here.
    let lanes = S::F32_LANES.min(HALF);
    let (low, high) = (s.splat_u32s(0xffff), s.splat_u32s(16));
    let (ones, none) = (s.splat_u32s(ONES.to_bits()), s.splat_f32s(ONES + MIDDLE));
    for col in (0..HALF).step_by(lanes) {
        let scales = [col, HALF + col].map(|col| S::as_simd_f32s(&scale.0[col..col + lanes]).0[0]);
        for (row, short) in rows.iter_mut().zip(shorts) {
            let both = S::as_simd_u32s(&short.0[col..col + lanes]).0[0];
            let halves = [s.and_u32s(both, low), s.wrapping_dyn_shr_u32s(both, high)];
            for (i, half) in halves.into_iter().enumerate() {
                let v = s.sub_f32s(s.transmute_f32s_u32s(s.or_u32s(half, ones)), none);
                let to = i * HALF + col;
                S::as_mut_simd_f32s(&mut row.0[to..to + lanes]).0[0] = s.mul_f32s(v, scales[i]);
            }
        }
    }
}

/// Writes rows in 16 bits; gives what they are multiplied by. What is no number stays none, by its scale.
fn shorten(rows: &[Row], shorts: &mut [Short]) -> Row {
    let mut largest = [0.0f32; WIDE];
    for row in rows {
        for (largest, v) in largest.iter_mut().zip(&row.0) {
            let v = v.abs();
            *largest = if v > *largest || v.is_nan() { v } else { *largest };
        }
    }
    let inverse = largest.map(|v| if v > 0.0 { LARGEST / v } else { 0.0 });
    for (row, short) in rows.iter().zip(shorts) {
        let bits = |i: usize| (row.0[i] * inverse[i] + MIDDLE).round() as u32;
        short.0 = std::array::from_fn(|i| bits(i) | bits(HALF + i) << 16);
    }
    Row(largest.map(|v| v / LARGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::cpu::conv::tests::noise;

    /// Three groups of five rows, of very different sizes; a channel of zeros.
    fn loaded(short: bool) -> Weights {
        let mut weights = Weights::new(3, 5, short);
        weights.load(|i, rows| {
            let values = noise(5 * WIDE, i as u32);
            for (row, values) in rows.iter_mut().zip(values.chunks_exact(WIDE)) {
                row.0.copy_from_slice(values);
                row.0 = row.0.map(|v| v * 10.0f32.powi(i as i32 * 4 - 4));
                row.0[7] = 0.0;
            }
        });
        weights
    }

    fn read(weights: &Weights, at: usize, len: usize) -> Vec<f32> {
        let mut beside = vec![Row::ZERO; weights.beside(len)];
        weights.rows(pulp::Scalar, at, len, &mut beside).iter().flat_map(|row| row.0).collect()
    }

    #[test]
    fn short_weights_are_near_whole_ones() {
        let (whole, short) = (loaded(false), loaded(true));
        for group in 0..3 {
            let (a, b) = (read(&whole, group * 5, 5), read(&short, group * 5, 5));
            for channel in 0..WIDE {
                let of = |v: &[f32]| v.iter().skip(channel).step_by(WIDE).copied().collect::<Vec<_>>();
                let (a, b) = (of(&a), of(&b));
                let largest = a.iter().fold(0.0f32, |most, v| most.max(v.abs()));
                for (a, b) in a.iter().zip(&b) {
                    assert!((a - b).abs() <= largest / 65_000.0, "group {group}, channel {channel}: {a} {b}");
                }
            }
        }
        assert_eq!(read(&short, 6, 3), read(&short, 5, 5)[WIDE..4 * WIDE]);
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let mut weights = Weights::new(1, 2, true);
        weights.load(|_, rows| {
            rows[1].0[3] = f32::NAN;
            rows[0].0[4] = 1.0;
        });
        let rows = read(&weights, 0, 2);
        assert!(rows[WIDE + 3].is_nan() && rows[4] == 1.0);
    }
}
