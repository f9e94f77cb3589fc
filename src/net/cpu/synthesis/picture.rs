//! The picture of a block: a 1 × 1 convolution of few channels, added to the doubled picture of the block before.

use pulp::Arch;
use rayon::prelude::*;

use super::Map;

/// Channels of a picture at most.
const MOST: usize = 4;

/// `[h, w, channels]` of a map with a style, kernel `[in, channels]` and bias; `before` is half as large.
pub fn made(
    map: &Map,
    style: &[f32],
    kernel: &[f32],
    bias: &[f32],
    clamp: f32,
    before: Option<&[f32]>,
    out: &mut Vec<f32>,
) {
    let (channels, w, h) = (bias.len(), map.w, map.h);
    // `[channel, wide]`, the style in it.
    let mut lines = vec![0.0; MOST * map.wide];
    for (c, style) in style.iter().enumerate() {
        for o in 0..channels {
            lines[o * map.wide + c] = kernel[c * channels + o] * style;
        }
    }
    out.resize(h * w * channels, 0.0);
    out[..h * w * channels].par_chunks_mut(w * channels).enumerate().for_each(|(y, to)| {
        let from = &map.values[y * w * map.wide..(y + 1) * w * map.wide];
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (to, pixel) in to.chunks_exact_mut(channels).zip(from.chunks_exact(map.wide)) {
                    for ((to, line), bias) in to.iter_mut().zip(lines.chunks_exact(map.wide)).zip(bias) {
                        let mut sums = [0.0_f32; 16];
                        for (a, b) in pixel.chunks_exact(16).zip(line.chunks_exact(16)) {
                            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                                *sum += a * b;
                            }
                        }
                        *to = (sums.iter().sum::<f32>() + bias).clamp(-clamp, clamp);
                    }
                }
            },
        );
        if let Some(before) = before {
            doubled(before, [h / 2, w / 2], channels, y, to);
        }
    });
}

/// A picture `[h, w, channels]` twice as large.
pub fn twice(from: &[f32], [h, w]: [usize; 2], channels: usize) -> Vec<f32> {
    let mut out = vec![0.0; 4 * h * w * channels];
    let lines = out.par_chunks_mut(2 * w * channels).enumerate();
    lines.for_each(|(y, to)| doubled(from, [h, w], channels, y, to));
    out
}

/// Adds line `y` of a picture `[h, w, channels]` twice as large, through the filter.
fn doubled(from: &[f32], [h, w]: [usize; 2], channels: usize, y: usize, to: &mut [f32]) {
    // Pixel 2i is made of i and i − 1, pixel 2i + 1 of i and i + 1; the nearer one counts three times.
    let neighbour = |at: usize, most: usize| {
        let other = if at.is_multiple_of(2) { (at / 2).checked_sub(1) } else { Some(at / 2 + 1) };
        other.filter(|other| *other < most)
    };
    let row = |y: usize| &from[y * w * channels..(y + 1) * w * channels];
    let mut line = row(y / 2).iter().map(|v| v * 0.75).collect::<Vec<f32>>();
    if let Some(other) = neighbour(y, h) {
        line.iter_mut().zip(row(other)).for_each(|(v, other)| *v += other * 0.25);
    }
    for (x, to) in to.chunks_exact_mut(channels).enumerate() {
        for (c, to) in to.iter_mut().enumerate() {
            let far = neighbour(x, w).map_or(0.0, |x| line[x * channels + c]);
            *to += line[x / 2 * channels + c] * 0.75 + far * 0.25;
        }
    }
}
