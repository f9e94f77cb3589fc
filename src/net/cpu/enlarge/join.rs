//! The ends of a network that makes pictures larger: bytes into the first map, the last map into a picture.

use rayon::prelude::*;

use crate::net::cpu::maps::Map;
use crate::net::enlarge::{CHANNELS, Layout};

/// Largest value of a picture.
const BRIGHTEST: f32 = 255.0;

/// A picture `[h, w, 3]` as the first map; squares become channels in PyTorch's order.
pub fn taken(picture: &[u8], [h, w]: [usize; 2], layout: &Layout, map: &mut Map) {
    let side = layout.unshuffled;
    map.shape([h / side, w / side], CHANNELS * side * side);
    let (wide, long) = (map.wide, map.w);
    let factor = layout.brightest / BRIGHTEST;
    map.values.par_chunks_mut(long * wide).enumerate().for_each(|(y, line)| {
        for (x, to) in line.chunks_exact_mut(wide).enumerate() {
            to.fill(0.0);
            for (dy, dx) in (0..side).flat_map(|dy| (0..side).map(move |dx| (dy, dx))) {
                let at = ((y * side + dy) * w + x * side + dx) * CHANNELS;
                for c in 0..CHANNELS {
                    to[(c * side + dy) * side + dx] = f32::from(picture[at + c]) * factor;
                }
            }
        }
    });
}

/// What the last map becomes.
pub struct Joined<'a> {
    /// The network.
    pub layout: &'a Layout,
    /// The picture, where it is added.
    pub added: Option<&'a [u8]>,
    /// Its height and width.
    pub size: [usize; 2],
}

/// The last map as a picture about 0..255.
pub fn given(map: &Map, joined: &Joined, out: &mut Vec<f32>) {
    let Joined { layout, added, size: [_, w] } = joined;
    let (side, scale) = (layout.shuffled, layout.scale());
    let factor = BRIGHTEST / layout.brightest;
    let long = map.w * side * CHANNELS;
    out.resize(map.h * side * long, 0.0);
    out.par_chunks_mut(side * long).enumerate().for_each(|(row, lines)| {
        let pixels = map.values[row * map.w * map.wide..].chunks_exact(map.wide).take(map.w);
        for (x, pixel) in pixels.enumerate() {
            for dy in 0..side {
                let to = &mut lines[dy * long + x * side * CHANNELS..][..side * CHANNELS];
                for (dx, to) in to.chunks_exact_mut(CHANNELS).enumerate() {
                    for (c, to) in to.iter_mut().enumerate() {
                        *to = pixel[(c * side + dy) * side + dx] * factor;
                    }
                }
            }
        }
        let Some(picture) = added else { return };
        for (dy, line) in lines.chunks_exact_mut(long).enumerate() {
            let from = &picture[(row * side + dy) / scale * w * CHANNELS..];
            for (x, to) in line.chunks_exact_mut(CHANNELS).enumerate() {
                let at = x / scale * CHANNELS;
                to.iter_mut().zip(&from[at..at + CHANNELS]).for_each(|(to, v)| *to += f32::from(*v));
            }
        }
    });
}
