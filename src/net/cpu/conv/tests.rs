//! Tests of the kernels against sums in their plainest form.

use super::*;
use crate::net::geometry::Padding;

/// Values in −0.5..0.5, the same for a seed everywhere.
pub fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as f32 / u32::MAX as f32 - 0.5
        })
        .collect()
}

/// The definition, term by term.
fn conv_slow(x: &[f32], weights: &[f32], g: &Geometry) -> Vec<f32> {
    let (oh, ow) = (g.oh(), g.ow());
    let n = x.len() / (g.h * g.w * g.c);
    let (py, px) = (g.pad(g.h).0, g.pad(g.w).0);
    let mut out = vec![0.0; n * oh * ow * g.o];
    for at in 0..n * oh * ow {
        let (n, y, xx) = (at / (oh * ow), at / ow % oh, at % ow);
        for ky in 0..g.k {
            for kx in 0..g.k {
                let (sy, sx) = ((y * g.stride + ky).wrapping_sub(py), (xx * g.stride + kx).wrapping_sub(px));
                if sy >= g.h || sx >= g.w {
                    continue;
                }
                for c in 0..g.c {
                    for o in 0..g.o {
                        out[at * g.o + o] +=
                            x[((n * g.h + sy) * g.w + sx) * g.c + c] * weights[((ky * g.k + kx) * g.c + c) * g.o + o];
                    }
                }
            }
        }
    }
    out
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn check(n: usize, h: usize, w: usize, c: usize, o: usize, k: usize, stride: usize) {
    agree(n, Geometry::same([h, w, c], o, k, stride));
}

fn agree(n: usize, g: Geometry) {
    let Geometry { h, w, c, o, k, .. } = g;
    let x = noise(n * h * w * c, 1);
    let weights = noise(k * k * c * o, 2);
    let y = noise(n * g.oh() * g.ow() * o, 3);
    let zero_o = vec![0.0; o];
    let zero_c = vec![0.0; c];
    let out = conv(&x, &weights, &zero_o, &g, None);
    for (fast, slow) in out.iter().zip(conv_slow(&x, &weights, &g)) {
        assert!((fast - slow).abs() < 1e-3, "{g:?}: {fast} {slow}");
    }
    let inner = dot(&out, &y);
    let bound = 1e-3 * (1.0 + inner.abs());
    let back = conv_t(&y, &weights, &zero_c, &g, None);
    assert!((dot(&back, &x) - inner).abs() < bound, "{g:?}: adjoint in x");
    let mut scattered = vec![f32::NAN; back.len()];
    conv_t_scatter(&mut scattered, &y, &weights, &g, After::Act(&zero_c, None));
    for (a, b) in back.iter().zip(&scattered) {
        assert!((a - b).abs() < 1e-3, "{g:?}: window and scatter differ");
    }
    // In memory that holds no number, and with slopes behind it.
    let behind = |of: &[f32], made: &mut dyn FnMut(&mut [f32], After)| {
        let y = noise(of.len(), 4);
        let (mut found, mut expected) = (vec![f32::NAN; of.len()], of.to_vec());
        made(&mut found, After::LeakyReluGrad { y: &y, negative_slope: 0.25 });
        pointwise::leaky_grad(&y, &mut expected, 0.25);
        for (a, b) in found.iter().zip(&expected) {
            assert!((a - b).abs() < 1e-4, "{g:?}: slopes: {a} {b}");
        }
    };
    behind(&out, &mut |to, after| conv_to(to, &x, weights[..].into(), &g, after));
    behind(&back, &mut |to, after| conv_t_to(to, &y, weights[..].into(), &g, after));
    let dw = conv_w(&x, &y, &g);
    assert!((dot(&dw, &weights) - inner).abs() < bound, "{g:?}: adjoint in the weights");
    // One weight at a time is too slow; some will do.
    for at in (0..weights.len()).step_by(weights.len() / 7 + 1) {
        let mut one = vec![0.0; weights.len()];
        one[at] = 1.0;
        let slow = dot(&conv_slow(&x, &one, &g), &y);
        assert!((f64::from(dw[at]) - slow).abs() < 1e-3, "{g:?}: weight {at}: {} {slow}", dw[at]);
    }
}

#[test]
fn every_kernel_and_stride_agrees_with_the_definition() {
    for k in [1, 2, 3, 4, 5, 6, 10] {
        for stride in [1, 2] {
            check(2, 8, 8, 3, 5, k, stride);
            check(1, 16, 16, 4, 3, k, stride);
        }
    }
    check(3, 9, 7, 2, 4, 3, 2);
    check(2, 5, 11, 2, 4, 6, 2);
    check(17, 32, 32, 3, 8, 5, 2);
}

#[test]
fn many_channels_agree_with_the_definition() {
    for (k, stride) in [(1, 1), (1, 2), (3, 1), (3, 2), (4, 2), (5, 2), (6, 2), (10, 2)] {
        check(3, 8, 8, 33, 40, k, stride);
    }
    check(1, 9, 13, 64, 32, 5, 2);
    // The ways of `pairs`, in one task and in several, and the nearest that is not theirs.
    check(9, 16, 16, 128, 256, 3, 2);
    check(3, 8, 8, 128, 256, 3, 2);
    check(1, 4, 4, 128, 256, 3, 2);
    check(3, 20, 16, 130, 257, 3, 2);
    // Several blocks of channels from few.
    check(2, 12, 8, 3, 70, 3, 2);
    check(2, 12, 12, 3, 70, 6, 2);
    check(2, 18, 16, 128, 256, 3, 2);
    check(2, 7, 25, 32, 33, 6, 2);
    check(1, 40, 36, 32, 32, 5, 1);
    check(9, 16, 16, 32, 32, 5, 2);
}

#[test]
fn pixels_of_padding_agree_with_the_definition() {
    for (wide, k, stride, pixels) in [
        (8, 4, 2, 1),
        (64, 4, 2, 1),
        (7, 4, 2, 1),
        (4, 4, 1, 0),
        (7, 3, 2, 0),
        (9, 3, 2, 1),
        (8, 3, 1, 1),
        (9, 5, 2, 2),
    ] {
        for (c, o) in [(3, 5), (40, 33)] {
            agree(2, Geometry { padding: Padding::Pixels(pixels), ..Geometry::same([wide, wide, c], o, k, stride) });
        }
    }
    // One pixel, as of the first layer of a DCGAN.
    agree(3, Geometry { padding: Padding::Pixels(0), ..Geometry::same([4, 4, 64], 100, 4, 1) });
}
