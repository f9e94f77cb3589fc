//! The inner loop: sums of products over runs of numbers, a few pixels and vectors of channels kept in registers.

use pulp::{Arch, Simd, WithSimd};

use super::CHUNK;
use crate::net::cpu::microkernel::many;

/// Sums of products: pixel i of the output is `bias + Σ a[i · stride + κ] · b[κ]` over κ < k and all steps (a, b).
pub struct Product<'a> {
    /// Inputs and weights.
    pub steps: &'a [(&'a [f32], &'a [f32])],
    /// From pixel to pixel of an input.
    pub stride: usize,
    /// Numbers of a sum, a multiple of [`CHUNK`].
    pub k: usize,
    /// What sums begin with.
    pub bias: Option<&'a [f32]>,
}

/// Makes `out`, `[pixels, wide]`, and applies the slope below zero.
pub fn multiply(product: &Product, slope: f32, out: &mut [f32]) {
    let wide = product.steps[0].1.len() / product.k;
    Arch::new().dispatch(Multiply { product, wide, slope, out });
}

struct Multiply<'a> {
    product: &'a Product<'a>,
    wide: usize,
    slope: f32,
    out: &'a mut [f32],
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { product, wide, slope, out } = self;
        let pixels = out.len() / wide;
        let mut at = 0;
        while at < pixels {
            let rows = match pixels - at {
                8.. if many::<S>() => columns::<S, 8>(s, product, at, wide, slope, out),
                4.. => columns::<S, 4>(s, product, at, wide, slope, out),
                _ => columns::<S, 1>(s, product, at, wide, slope, out),
            };
            at += rows;
        }
    }
}

/// `R` pixels from `at` on, all columns; gives `R`.
#[inline(always)]
fn columns<S: Simd, const R: usize>(
    s: S,
    product: &Product,
    at: usize,
    wide: usize,
    slope: f32,
    out: &mut [f32],
) -> usize {
    let vectors = wide / S::F32_LANES;
    let mut vector = 0;
    while vector < vectors {
        vector += match vectors - vector {
            3 if many::<S>() => sums::<S, R, 3>(s, product, at, wide, vector, slope, out),
            2.. => sums::<S, R, 2>(s, product, at, wide, vector, slope, out),
            _ => sums::<S, R, 1>(s, product, at, wide, vector, slope, out),
        };
    }
    R
}

/// `R` pixels times `V` vectors of columns, kept in registers; gives `V`.
#[inline(always)]
fn sums<S: Simd, const R: usize, const V: usize>(
    s: S,
    product: &Product,
    at: usize,
    wide: usize,
    vector: usize,
    slope: f32,
    out: &mut [f32],
) -> usize {
    let (lanes, column) = (S::F32_LANES, vector * S::F32_LANES);
    let mut sums = [[s.splat_f32s(0.0); V]; R];
    if let Some(bias) = product.bias {
        let bias = S::as_simd_f32s(&bias[column..column + V * lanes]).0;
        for sum in &mut sums {
            for (sum, bias) in sum.iter_mut().zip(bias) {
                *sum = *bias;
            }
        }
    }
    for (a, b) in product.steps {
        let lines: [&[[f32; CHUNK]]; R] = std::array::from_fn(|i| {
            let from = (at + i) * product.stride;
            a[from..from + product.k].as_chunks().0
        });
        for (chunk, b) in b.chunks_exact(CHUNK * wide).enumerate() {
            let values: [&[f32; CHUNK]; R] = std::array::from_fn(|i| &lines[i][chunk]);
            for k in 0..CHUNK {
                let b = S::as_simd_f32s(&b[k * wide + column..k * wide + column + V * lanes]).0;
                for (sum, values) in sums.iter_mut().zip(&values) {
                    let x = s.splat_f32s(values[k]);
                    for (sum, b) in sum.iter_mut().zip(b) {
                        *sum = s.mul_add_e_f32s(x, *b, *sum);
                    }
                }
            }
        }
    }
    let (zero, factor) = (s.splat_f32s(0.0), s.splat_f32s(slope));
    for (i, sum) in sums.iter().enumerate() {
        let from = (at + i) * wide + column;
        let to = S::as_mut_simd_f32s(&mut out[from..from + V * lanes]).0;
        for (to, v) in to.iter_mut().zip(sum) {
            let lower = s.mul_f32s(*v, factor);
            *to = if slope == 1.0 { *v } else { s.select_f32s(s.greater_than_f32s(*v, zero), *v, lower) };
        }
    }
    V
}
