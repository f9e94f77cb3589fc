//! Colours of one picture for another: by light alone, or by mean and covariance (Gatys, Bethge, Hertzmann & Shechtman
//! 2016, arXiv 1606.05897, sections 3.1 and 3.2).
//!
//! Pictures are `[h, w, 3]` of 0..1 in red, green, blue.

/// Light and two colour differences of a pixel (YIQ of NTSC), and back.
const TO_YIQ: [[f64; 3]; 3] =
    [[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]];
const FROM_YIQ: [[f64; 3]; 3] = [[1.0, 0.9563, 0.6210], [1.0, -0.2721, -0.6474], [1.0, -1.1070, 1.7046]];

fn times(m: &[[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|row| (0..3).map(|k| m[row][k] * v[k]).sum())
}

fn pixels(x: &[f32]) -> impl Iterator<Item = [f64; 3]> + '_ {
    x.chunks_exact(3).map(|p| [p[0], p[1], p[2]].map(f64::from))
}

fn flat(pixels: impl Iterator<Item = [f64; 3]>) -> Vec<f32> {
    pixels.flat_map(|p| p.map(|v| v as f32)).collect()
}

/// The light of a picture in all three channels.
pub fn light(x: &[f32]) -> Vec<f32> {
    flat(pixels(x).map(|p| [times(&TO_YIQ, p)[0]; 3]))
}

/// The light of a style as bright and as varied as that of the content: `σc / σs · (L − μs) + μc`.
pub fn light_like(style: &[f32], content: &[f32]) -> Vec<f32> {
    let [own, other] = [style, content].map(|x| moments(&light(x)));
    let factor = (other.1[0][0] / own.1[0][0].max(1e-12)).sqrt();
    flat(pixels(&light(style)).map(|p| [(p[0] - own.0[0]) * factor + other.0[0]; 3]))
}

/// The light of one picture with the colours of another of the same size.
pub fn coloured(light_of: &[f32], colours_of: &[f32]) -> Vec<f32> {
    let both = pixels(light_of).zip(pixels(colours_of));
    flat(both.map(|(light, colours)| {
        let [_, i, q] = times(&TO_YIQ, colours);
        times(&FROM_YIQ, [times(&TO_YIQ, light)[0], i, q])
    }))
}

/// The style's pixels moved so that their mean and covariance are those of the content:
/// `Σc^½ Σs^−½ (p − μs) + μc`.
pub fn matched(style: &[f32], content: &[f32]) -> Vec<f32> {
    let (own, from) = moments(style);
    let (goal, to) = moments(content);
    let there = root(&to, 0.5);
    let away = root(&from, -0.5);
    let map: [[f64; 3]; 3] =
        std::array::from_fn(|row| std::array::from_fn(|col| (0..3).map(|k| there[row][k] * away[k][col]).sum()));
    flat(pixels(style).map(|p| {
        let moved = times(&map, std::array::from_fn(|c| p[c] - own[c]));
        std::array::from_fn(|c| (moved[c] + goal[c]).clamp(0.0, 1.0))
    }))
}

/// Mean and covariance of the pixels.
fn moments(x: &[f32]) -> ([f64; 3], [[f64; 3]; 3]) {
    let count = (x.len() / 3).max(1) as f64;
    let mut mean = [0.0; 3];
    pixels(x).for_each(|p| (0..3).for_each(|c| mean[c] += p[c] / count));
    let mut covariance = [[0.0; 3]; 3];
    for p in pixels(x) {
        for row in 0..3 {
            for col in 0..3 {
                covariance[row][col] += (p[row] - mean[row]) * (p[col] - mean[col]) / count;
            }
        }
    }
    (mean, covariance)
}

/// A power of a symmetric matrix, by its eigenvectors (Jacobi's rotations); of eigenvalues near 0 a small one is taken.
fn root(matrix: &[[f64; 3]; 3], power: f64) -> [[f64; 3]; 3] {
    let mut a = *matrix;
    let mut v = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for _ in 0..30 {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if a[p][q].abs() < 1e-18 {
                continue;
            }
            let angle = 0.5 * (2.0 * a[p][q]).atan2(a[q][q] - a[p][p]);
            let (s, c) = angle.sin_cos();
            // Columns of both, then rows of the matrix.
            for row in a.iter_mut().chain(&mut v) {
                let (x, y) = (row[p], row[q]);
                (row[p], row[q]) = (c * x - s * y, s * x + c * y);
            }
            let (x, y) = (a[p], a[q]);
            a[p] = std::array::from_fn(|k| c * x[k] - s * y[k]);
            a[q] = std::array::from_fn(|k| s * x[k] + c * y[k]);
        }
    }
    std::array::from_fn(|row| {
        std::array::from_fn(|col| (0..3).map(|k| v[row][k] * a[k][k].max(1e-6).powf(power) * v[col][k]).sum())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: f32, mix: [f32; 3]) -> Vec<f32> {
        let value = |at: usize| ((at as f32 * 78.2 + seed).sin() * 43758.5).fract().abs();
        let pixel = |at| {
            let [a, b, c] = [value(at), value(at + 5000), value(at + 9000)];
            [0.3 + 0.3 * a * mix[0] + 0.1 * b, 0.3 + 0.2 * a + 0.2 * b * mix[1], 0.2 + 0.3 * c * mix[2] + 0.1 * a]
        };
        (0..900).flat_map(pixel).collect()
    }

    #[test]
    fn mean_and_covariance_become_those_of_the_content() {
        let (style, content) = (noise(0.3, [1.0, 0.5, 0.2]), noise(2.1, [0.4, 1.0, 0.9]));
        let ((mean, covariance), (goal, wanted)) = (moments(&matched(&style, &content)), moments(&content));
        for row in 0..3 {
            assert!((mean[row] - goal[row]).abs() < 2e-3);
            for col in 0..3 {
                assert!((covariance[row][col] - wanted[row][col]).abs() < 1e-3, "{covariance:?} {wanted:?}");
            }
        }
    }

    #[test]
    fn light_and_colours_can_be_taken_apart_and_put_together() {
        let x = noise(0.9, [1.0, 1.0, 1.0]);
        assert!(coloured(&light(&x), &x).iter().zip(&x).all(|(a, b)| (a - b).abs() < 2e-3));
        let style = noise(1.7, [0.2, 0.9, 0.5]);
        let (like, own) = (moments(&light_like(&style, &x)), moments(&light(&x)));
        assert!((like.0[0] - own.0[0]).abs() < 1e-4 && (like.1[0][0] - own.1[0][0]).abs() < 1e-4);
    }

    #[test]
    fn one_colour_is_no_division_by_nothing() {
        let plain = vec![0.5; 300];
        let found = matched(&plain, &noise(0.1, [1.0; 3]));
        assert!(found.iter().all(|v| v.is_finite()));
        assert!(light_like(&plain, &plain).iter().all(|v| v.is_finite()));
    }
}
