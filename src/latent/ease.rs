//! Easing: functions of 0..1 that begin at 0 and end at 1, as animators name them (Penner 2001). Reckoned with
//! `libm`: drawing sketches give the same bytes on every machine.

use std::f64::consts::{PI, TAU};

/// Cubic smoothstep.
pub fn smooth(x: f64) -> f64 {
    x * x * (3.0 - 2.0 * x)
}

/// Slow start; `power` 2 is quadratic.
pub fn ease_in(x: f64, power: f64) -> f64 {
    libm::pow(x, power)
}

/// Slow end.
pub fn ease_out(x: f64, power: f64) -> f64 {
    1.0 - libm::pow(1.0 - x, power)
}

/// Slow at both ends.
pub fn ease_in_out(x: f64, power: f64) -> f64 {
    if x < 0.5 { 0.5 * libm::pow(2.0 * x, power) } else { 1.0 - 0.5 * libm::pow(2.0 - 2.0 * x, power) }
}

/// A ball that falls and bounces.
pub fn bounce(x: f64) -> f64 {
    const N: f64 = 7.5625;
    const D: f64 = 2.75;
    let arc = |x: f64, from: f64, floor: f64| N * (x - from / D).powi(2) + floor;
    match x * D {
        d if d < 1.0 => arc(x, 0.0, 0.0),
        d if d < 2.0 => arc(x, 1.5, 0.75),
        d if d < 2.5 => arc(x, 2.25, 0.9375),
        _ => arc(x, 2.625, 0.984375),
    }
}

/// A spring that overshoots and settles.
pub fn elastic(x: f64) -> f64 {
    match x {
        x if x <= 0.0 => 0.0,
        x if x >= 1.0 => 1.0,
        x => libm::pow(2.0, -10.0 * x) * libm::sin((10.0 * x - 0.75) * TAU / 3.0) + 1.0,
    }
}

/// Overshoots once.
pub fn back(x: f64) -> f64 {
    const C: f64 = 1.70158;
    1.0 + (C + 1.0) * (x - 1.0).powi(3) + C * (x - 1.0).powi(2)
}

/// Half a cosine.
pub fn sine(x: f64) -> f64 {
    0.5 - 0.5 * libm::cos(PI * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_begin_at_nothing_and_end_at_one() {
        let powered: [fn(f64, f64) -> f64; 3] = [ease_in, ease_out, ease_in_out];
        let plain: [fn(f64) -> f64; 5] = [smooth, bounce, elastic, back, sine];
        let all = plain.map(|f| (f(0.0), f(1.0))).into_iter().chain(powered.map(|f| (f(0.0, 3.0), f(1.0, 3.0))));
        for (start, end) in all {
            assert!(start.abs() < 1e-9 && (end - 1.0).abs() < 1e-9, "{start} {end}");
        }
    }
}
