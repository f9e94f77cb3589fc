//! What is done to the maps of a layer while a picture is drawn: moved, turned, eroded, muted (network bending,
//! Broad et al. 2021, arXiv 2005.12420).
//!
//! On plain numbers `[h, w, wide]`, of which `channels` are maps; `net::styled` calls it for the layers that are bent, and
//! for no other.

use rayon::prelude::*;

use crate::latent::style::Bend;
use crate::latent::walk::hash;

/// Farthest that is eroded or dilated, in pixels.
const FARTHEST: f64 = 8.0;

/// Height, width, maps, and numbers of a pixel.
#[derive(Clone, Copy)]
pub struct Size {
    pub h: usize,
    pub w: usize,
    pub channels: usize,
    pub wide: usize,
}

/// Whether a map takes part.
fn chosen(bend: &Bend, channel: usize) -> bool {
    bend.spared <= 0.0 || hash([channel as i64, bend.layer as i64], bend.seed as u32) >= bend.spared
}

/// Changes the maps that are chosen.
pub fn bend(values: &mut [f32], size: Size, bend: &Bend) {
    let Size { h, w, channels, wide } = size;
    if bend.is_usual() || h * w == 0 {
        return;
    }
    let picked: Vec<usize> = (0..channels).filter(|channel| chosen(bend, *channel)).collect();
    let from = &*values;
    let made: Vec<(usize, Vec<f32>)> = picked
        .par_iter()
        .map(|channel| {
            let map: Vec<f32> = (0..h * w).map(|pixel| from[pixel * wide + channel]).collect();
            (*channel, bent(map, [h, w], bend))
        })
        .collect();
    for (channel, map) in made {
        values.iter_mut().skip(channel).step_by(wide).zip(map).for_each(|(to, v)| *to = v);
    }
}

/// One map.
fn bent(mut map: Vec<f32>, size: [usize; 2], bend: &Bend) -> Vec<f32> {
    let Bend { x, y, turn, zoom, erode, threshold, gain, .. } = *bend;
    if [x, y, turn, zoom].iter().any(|v| *v != 0.0) {
        map = moved(&map, size, [x, y], turn, zoom);
    }
    if erode != 0.0 {
        map = eroded(&map, size, erode);
    }
    if threshold > 0.0 {
        let least = map.iter().fold(0.0, |most: f32, v| most.max(v.abs())) * threshold as f32;
        map.iter_mut().filter(|v| v.abs() < least).for_each(|v| *v = 0.0);
    }
    if gain != 0.0 {
        map.iter_mut().for_each(|v| *v *= 1.0 + gain as f32);
    }
    map
}

/// Turned and zoomed about its middle, where what lies beyond an edge is the edge, then moved, where edges join.
fn moved(map: &[f32], [h, w]: [usize; 2], [x, y]: [f64; 2], turn: f64, zoom: f64) -> Vec<f32> {
    let (sin, cos) = (turn.rem_euclid(1.0) * std::f64::consts::TAU).sin_cos();
    let factor = 1.0 / (1.0 + zoom).max(0.01);
    let (tall, long) = (h as f64, w as f64);
    let plain = turn == 0.0 && zoom == 0.0;
    let middle = [(tall - 1.0) / 2.0, (long - 1.0) / 2.0];
    let read = |y: f64, x: f64| {
        let part = |at: f64, most: usize| {
            let low = at.floor();
            let (near, far) = match plain {
                // Edges join.
                true => ((low as usize) % most, (low as usize + 1) % most),
                false => {
                    let last = (most - 1) as f64;
                    (low.clamp(0.0, last) as usize, (low + 1.0).clamp(0.0, last) as usize)
                }
            };
            (near, far, (at - low) as f32)
        };
        let (y0, y1, ty) = part(y, h);
        let (x0, x1, tx) = part(x, w);
        let row = |y: usize| map[y * w + x0] * (1.0 - tx) + map[y * w + x1] * tx;
        row(y0) * (1.0 - ty) + row(y1) * ty
    };
    let mut out = Vec::with_capacity(h * w);
    for py in 0..h {
        for px in 0..w {
            let at = [(py as f64 - y * tall).rem_euclid(tall), (px as f64 - x * long).rem_euclid(long)];
            out.push(match plain {
                true => read(at[0], at[1]),
                false => {
                    let [dy, dx] = [at[0] - middle[0], at[1] - middle[1]];
                    let (sy, sx) = (cos * dy - sin * dx, sin * dy + cos * dx);
                    read(middle[0] + sy * factor, middle[1] + sx * factor)
                }
            });
        }
    }
    out
}

/// The least of a square around each pixel, or the largest; between whole widths a blend of both.
fn eroded(map: &[f32], size: [usize; 2], by: f64) -> Vec<f32> {
    let far = by.abs().min(FARTHEST);
    let (low, share) = (far.floor() as usize, (far - far.floor()) as f32);
    let sign = if by > 0.0 { 1.0 } else { -1.0 };
    let least = |radius: usize| -> Vec<f32> {
        let [h, w] = size;
        let line = |from: &[f32], count: usize, step: usize, at: usize, i: usize| {
            let around = i.saturating_sub(radius)..(i + radius + 1).min(count);
            around.map(|i| from[at + i * step] * sign).fold(f32::INFINITY, f32::min) * sign
        };
        let across: Vec<f32> = (0..h * w).map(|p| line(map, w, 1, p / w * w, p % w)).collect();
        (0..h * w).map(|p| line(&across, h, w, p % w, p / w)).collect()
    };
    let mut out = least(low);
    if share > 0.0 {
        out.iter_mut().zip(least(low + 1)).for_each(|(v, next)| *v += (next - *v) * share);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { h: 4, w: 6, channels: 3, wide: 4 };

    fn map() -> Vec<f32> {
        (0..4 * 6 * 4).map(|v| ((v * 7 % 31) as f32) - 9.0).collect()
    }

    fn after(change: Bend) -> Vec<f32> {
        let mut values = map();
        bend(&mut values, SIZE, &change);
        values
    }

    #[test]
    fn what_changes_nothing_changes_no_bit() {
        assert_eq!(after(Bend::default()), map());
        assert_eq!(after(Bend { x: 1.0, y: -1.0, ..Bend::default() }), map());
        assert_eq!(after(Bend { spared: 1.0, gain: -1.0, ..Bend::default() }), map());
    }

    #[test]
    fn each_bend_does_what_it_is_called() {
        let (from, at) = (map(), |y: usize, x: usize, c: usize| (y * 6 + x) * 4 + c);
        let moved = after(Bend { x: 2.0 / 6.0, y: 0.25, ..Bend::default() });
        assert!((moved[at(1, 2, 1)] - from[at(0, 0, 1)]).abs() < 1e-4);
        // Numbers beyond the maps stay.
        assert_eq!(moved[at(1, 2, 3)], from[at(1, 2, 3)]);
        let turned = after(Bend { turn: 0.5, ..Bend::default() });
        assert!((turned[at(0, 0, 0)] - from[at(3, 5, 0)]).abs() < 1e-4, "{turned:?}");
        let muted = after(Bend { gain: -1.0, ..Bend::default() });
        assert!((0..24).all(|p| muted[p * 4..p * 4 + 3].iter().all(|v| *v == 0.0)));
        let eroded = after(Bend { erode: 1.0, ..Bend::default() });
        let least = [at(0, 0, 0), at(0, 1, 0), at(1, 0, 0), at(1, 1, 0)].map(|i| from[i]).into_iter().reduce(f32::min);
        assert_eq!(Some(eroded[at(0, 0, 0)]), least);
        let dilated = after(Bend { erode: -1.0, ..Bend::default() });
        assert!(dilated.iter().zip(&eroded).all(|(a, b)| a >= b));
        let half = after(Bend { erode: 0.5, ..Bend::default() });
        assert!((half[0] - (from[0] + eroded[0]) / 2.0).abs() < 1e-5);
        let cut = after(Bend { threshold: 0.9, ..Bend::default() });
        assert!(cut.iter().step_by(4).filter(|v| **v != 0.0).count() < 8);
        let some = after(Bend { spared: 0.5, seed: 5.0, gain: 1.0, ..Bend::default() });
        assert_eq!(some, after(Bend { spared: 0.5, seed: 5.0, gain: 1.0, ..Bend::default() }));
        assert!(after(Bend { zoom: 1.0, ..Bend::default() }) != from);
    }

    #[test]
    fn numbers_that_are_none_do_no_harm() {
        for v in [f64::NAN, f64::INFINITY, -1e30, 1e30] {
            let wild = Bend { x: v, y: v, turn: v, zoom: v, erode: v, threshold: v, ..Bend::default() };
            assert_eq!(after(wild).len(), map().len());
        }
    }
}
