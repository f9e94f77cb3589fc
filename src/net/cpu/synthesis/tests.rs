//! Each way of a layer against the layer written out.

use super::*;

fn numbers(count: usize, seed: f32) -> Vec<f32> {
    (0..count).map(|at| ((at as f32 + seed) * 0.7713).sin()).collect()
}

fn map(h: usize, w: usize, channels: usize) -> Map {
    let mut map = Map::default();
    map.shape([h, w], channels);
    let values = numbers(h * w * channels, 3.0);
    for (to, from) in map.values.chunks_exact_mut(map.wide).zip(values.chunks_exact(channels)) {
        to[..channels].copy_from_slice(from);
    }
    map
}

/// What a layer is, written out.
fn naive(map: &Map, style: &[f32], kernel: &[f32], o: usize, up: bool, after: &After) -> Vec<f32> {
    let (h, w, c) = (map.h, map.w, map.channels);
    let read = |y: isize, x: isize, i: usize| match (0..h as isize).contains(&y) && (0..w as isize).contains(&x) {
        true => map.values[(y as usize * w + x as usize) * map.wide + i] * style[i],
        false => 0.0,
    };
    let (tall, long) = if up { (2 * h, 2 * w) } else { (h, w) };
    // Zeros between pixels, through the transposed kernel.
    let large = |y: isize, x: isize, out: usize| -> f32 {
        let mut sum = 0.0;
        for (ky, kx) in (0..3isize).flat_map(|ky| (0..3isize).map(move |kx| (ky, kx))) {
            let (sy, sx) = (y - ky, x - kx);
            if sy.rem_euclid(2) == 0 && sx.rem_euclid(2) == 0 {
                for i in 0..c {
                    sum += read(sy / 2, sx / 2, i) * kernel[((ky * 3 + kx) as usize * c + i) * o + out];
                }
            }
        }
        sum
    };
    let filter = [0.25, 0.75, 0.75, 0.25];
    let mut made = Vec::new();
    for (y, x, out) in (0..tall).flat_map(|y| (0..long).flat_map(move |x| (0..o).map(move |out| (y, x, out)))) {
        let (y, x) = (y as isize, x as isize);
        let mut sum = 0.0;
        if up {
            for (fy, fx) in (0..4).flat_map(|fy| (0..4).map(move |fx| (fy, fx))) {
                let (sy, sx) = (y + fy as isize - 1, x + fx as isize - 1);
                if (0..=2 * h as isize).contains(&sy) && (0..=2 * w as isize).contains(&sx) {
                    sum += filter[fy] * filter[fx] * large(sy, sx, out);
                }
            }
        } else {
            for (ky, kx) in (0..3isize).flat_map(|ky| (0..3isize).map(move |kx| (ky, kx))) {
                for i in 0..c {
                    sum += read(y + ky - 1, x + kx - 1, i) * kernel[((ky * 3 + kx) as usize * c + i) * o + out];
                }
            }
        }
        let v = sum * after.factor[out] + after.bias[out] + after.noise(y as usize * long + x as usize);
        let v = if v > 0.0 { v * after.gain } else { v * after.gain * after.slope };
        made.push(v.clamp(-after.clamp, after.clamp));
    }
    made
}

fn check(h: usize, w: usize, c: usize, o: usize, up: bool, run: impl Fn(&[f32], &Map, &[f32], &mut Map, &After)) {
    let (map, kernel) = (map(h, w, c), numbers(9 * c * o, 5.0));
    let style = lengthened(&numbers(c, 1.0));
    let (factor, bias) = (lengthened(&numbers(o, 2.0)), lengthened(&numbers(o, 4.0)));
    let [tall, long] = if up { [2 * h, 2 * w] } else { [h, w] };
    let noise = numbers(tall * long, 6.0);
    for (noise, clamp) in [(&noise[..], 1.5), (&[][..], f32::INFINITY)] {
        let after = After { factor: &factor, bias: &bias, noise, slope: 0.2, gain: 1.4, clamp };
        let mut out = Map::default();
        out.shape([tall, long], o);
        run(&kernel, &map, &style, &mut out, &after);
        let expected = naive(&map, &style, &kernel, o, up, &after);
        for (pixel, expected) in out.values.chunks_exact(out.wide).zip(expected.chunks_exact(o)) {
            for (a, b) in pixel.iter().zip(expected) {
                assert!((a - b).abs() < 2e-4, "{h}x{w} {c} to {o}: {a} {b}");
            }
        }
    }
}

#[test]
fn each_way_is_the_layer_written_out() {
    for (h, w, c, o) in [(4, 4, 5, 7), (3, 5, 16, 70), (1, 1, 2, 2)] {
        check(h, w, c, o, false, |kernel, map, style, out, after| {
            Direct::new(kernel, c, o).run(map, style, out, after, &mut Vec::new());
        });
    }
    for (h, w, c, o) in [(16, 16, 5, 7), (18, 23, 17, 16), (5, 70, 3, 3)] {
        check(h, w, c, o, false, |kernel, map, style, out, after| {
            let from = From { maps: &[map], style, doubled: false };
            Winograd::new(kernel, &[c], o).by_tasks(&from, out, after);
        });
        check(h, w, c, o, false, |kernel, map, style, out, after| {
            let from = From { maps: &[map], style, doubled: false };
            Winograd::new(kernel, &[c], o).by_points(&from, out, after, &mut Vec::new(), &mut Vec::new());
        });
    }
    for (h, w, c, o) in [(4, 4, 5, 7), (4, 6, 17, 33), (37, 3, 4, 40), (1, 1, 2, 2), (33, 9, 3, 3), (5, 2, 3, 3)] {
        check(h, w, c, o, true, |kernel, map, style, out, after| {
            Doubling::new(kernel, c, o).run(map, style, out, after, &mut Vec::new(), &mut Vec::new());
        });
    }
}

#[test]
fn a_doubled_picture_is_filtered() {
    // One pixel of 1 in the middle: the outer product of 1/4, 3/4, 3/4, 1/4.
    let mut picture = vec![0.0; 9];
    picture[4] = 1.0;
    let large = doubled(&picture, [3, 3], 1);
    assert_eq!((large.len(), large[2 * 6 + 2], large[6 + 1], large[6 + 2]), (36, 0.5625, 0.0625, 0.1875));
    assert!((large.iter().sum::<f32>() - 4.0).abs() < 1e-6);
}
