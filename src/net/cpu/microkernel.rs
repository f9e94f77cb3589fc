//! The inner loops: a few pixels times 32 · 32 weights, kept in registers.
//!
//! Written for pulp's portable vectors: with AVX-512 eight pixels and 32 channels fill half the
//! registers, which is enough sums under way to hide the latency of the multiply-add; machines with
//! fewer registers take six pixels and 16 channels. A sum is always over the taps and channels in the same order.

use pulp::Simd;

use super::layout::{Row, WIDE};

/// Whether this machine has registers for the sums of eight pixels and two vectors of channels; others have for six.
pub const fn many<S: Simd>() -> bool {
    S::REGISTER_COUNT >= 32
}

/// How many of `left` pixels [`multiply`] takes next on this machine: 8, 6, 4 or 1.
#[inline(always)]
pub const fn next<S: Simd>(left: usize) -> usize {
    match left {
        8.. if many::<S>() => 8,
        // Eight are two times four; six would leave two.
        6 | 7 | 10.. if !many::<S>() => 6,
        4.. => 4,
        _ => 1,
    }
}

/// `c[i] = start + Σ_step Σ_k a_step[i][k] · b_step[k]` for `M` pixels, where `start` is zero or what
/// `c` was; gives `M`. `steps` are pairs of (`M` rows of input, 32 rows of weights, one an input channel).
#[inline(always)]
pub fn multiply<'a, S: Simd, const M: usize>(
    s: S,
    from_zero: bool,
    c: &mut [Row],
    steps: impl Iterator<Item = (&'a [Row], &'a [Row; WIDE])> + Clone,
) -> usize {
    let pair = 2 * S::F32_LANES;
    let c = &mut c[..M];
    for col in (0..WIDE).step_by(pair) {
        let mut sums = [[s.splat_f32s(0.0); 2]; M];
        if !from_zero {
            for (sum, row) in sums.iter_mut().zip(c.iter()) {
                let (v, _) = S::as_simd_f32s(&row.0[col..col + pair]);
                *sum = [v[0], v[1]];
            }
        }
        for (a, b) in steps.clone() {
            let a = &a[..M];
            for k in 0..WIDE {
                let (b, _) = S::as_simd_f32s(&b[k].0[col..col + pair]);
                for (sum, a) in sums.iter_mut().zip(a) {
                    let x = s.splat_f32s(a.0[k]);
                    sum[0] = s.mul_add_e_f32s(x, b[0], sum[0]);
                    sum[1] = s.mul_add_e_f32s(x, b[1], sum[1]);
                }
            }
        }
        for (sum, row) in sums.iter().zip(c.iter_mut()) {
            let (v, _) = S::as_mut_simd_f32s(&mut row.0[col..col + pair]);
            v[0] = sum[0];
            v[1] = sum[1];
        }
    }
    M
}

/// The leaky activation of a row in place; what is not a number stays none.
#[inline(always)]
pub fn leaky<S: Simd>(s: S, row: &mut Row, negative_slope: f32) {
    let (zero, negative_slope) = (s.splat_f32s(0.0), s.splat_f32s(negative_slope));
    for v in S::as_mut_simd_f32s(&mut row.0).0 {
        *v = s.select_f32s(s.greater_than_f32s(*v, zero), *v, s.mul_f32s(*v, negative_slope));
    }
}

/// `sums[c][o] += Σ_line Σ_i x_line[i · STEP][c] · y_line[i][o]` for 32 channels on both sides.
#[inline(always)]
pub fn outer<'a, S: Simd, const STEP: usize>(
    s: S,
    sums: &mut [Row],
    lines: impl Iterator<Item = (&'a [Row], &'a [Row])> + Clone,
) {
    let mut from = 0;
    while from < WIDE {
        let rows = &mut sums[from..];
        from += match next::<S>(WIDE - from) {
            8 => outer_of::<S, 8, STEP>(s, from, rows, lines.clone()),
            6 => outer_of::<S, 6, STEP>(s, from, rows, lines.clone()),
            4 => outer_of::<S, 4, STEP>(s, from, rows, lines.clone()),
            _ => outer_of::<S, 1, STEP>(s, from, rows, lines.clone()),
        };
    }
}

/// [`outer`] for `M` channels of x from `from` on; gives `M`.
#[inline(always)]
fn outer_of<'a, S: Simd, const M: usize, const STEP: usize>(
    s: S,
    from: usize,
    rows: &mut [Row],
    lines: impl Iterator<Item = (&'a [Row], &'a [Row])> + Clone,
) -> usize {
    let pair = 2 * S::F32_LANES;
    let rows = &mut rows[..M];
    for col in (0..WIDE).step_by(pair) {
        let mut sums = [[s.splat_f32s(0.0); 2]; M];
        for (sum, row) in sums.iter_mut().zip(rows.iter()) {
            let (v, _) = S::as_simd_f32s(&row.0[col..col + pair]);
            *sum = [v[0], v[1]];
        }
        for (x, y) in lines.clone() {
            for (x, y) in x.iter().step_by(STEP).zip(y) {
                let (b, _) = S::as_simd_f32s(&y.0[col..col + pair]);
                for (sum, x) in sums.iter_mut().zip(&x.0[from..from + M]) {
                    let x = s.splat_f32s(*x);
                    sum[0] = s.mul_add_e_f32s(x, b[0], sum[0]);
                    sum[1] = s.mul_add_e_f32s(x, b[1], sum[1]);
                }
            }
        }
        for (sum, row) in sums.iter().zip(rows.iter_mut()) {
            let (v, _) = S::as_mut_simd_f32s(&mut row.0[col..col + pair]);
            v[0] = sum[0];
            v[1] = sum[1];
        }
    }
    M
}
