//! Colours as the definitions of flashes measure them: relative luminance, saturated red, chromaticity.
//!
//! Fed with bytes of sRGB by [`super::meter`]; pure. WCAG 2.2 (relative luminance, general flash and red flash
//! thresholds), ITU-R BT.1702 (screens of 200 cd/m², so that its 20 cd/m² are a tenth of white).

use std::sync::LazyLock;

/// Least difference of two opposing luminances, as a share of white.
const GENERAL: f32 = 0.1;
/// Above a luminance of 0.8 BT.1702 asks for a Michelson contrast of 1/17, which is a difference of an eighth of the
/// darker one. WCAG counts nothing there.
const BRIGHT_SHARE: f32 = 1.0 / 8.0;
/// Least distance of two colours in the CIE 1976 UCS diagram, one of them a saturated red (WCAG 2.2, ISO 9241-391).
const RED_DISTANCE: f32 = 0.2;
/// Least difference of R − G − B (20 of 320), one of the colours a saturated red (WCAG 2.0).
const RED_VALUE: f32 = 20.0 / 320.0;
/// Red light below this is black, whatever its share: noise in the dark has no colour.
const DARK: f32 = 0.003;
/// Where white lies in the CIE 1976 UCS diagram (D65); black counts as white without light.
const WHITE: [f32; 2] = [0.1978, 0.4683];

static LINEAR: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|level| {
        let v = level as f32 / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    })
});

/// sRGB bytes to linear light, 0..1.
#[derive(Clone, Copy)]
pub struct Light(&'static [f32; 256]);

impl Light {
    /// The table, made once.
    pub fn new() -> Self {
        Self(&LINEAR)
    }

    fn linear(self, colour: [u8; 3]) -> [f32; 3] {
        colour.map(|level| self.0[usize::from(level)])
    }

    /// Relative luminance, 0..1.
    pub fn luminance(self, colour: [u8; 3]) -> f32 {
        let [r, g, b] = self.linear(colour);
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// Whether it is a saturated red: R / (R + G + B) is at least 0.8.
    pub fn saturated_red(self, colour: [u8; 3]) -> bool {
        let [r, g, b] = self.linear(colour);
        r > DARK && r >= 4.0 * (g + b)
    }

    /// R − G − B, at least 0.
    pub fn red_value(self, colour: [u8; 3]) -> f32 {
        let [r, g, b] = self.linear(colour);
        (r - g - b).max(0.0)
    }

    /// u' and v' of the CIE 1976 UCS diagram.
    pub fn chromaticity(self, colour: [u8; 3]) -> [f32; 2] {
        let [r, g, b] = self.linear(colour);
        let x = 0.4124 * r + 0.3576 * g + 0.1805 * b;
        let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let z = 0.0193 * r + 0.1192 * g + 0.9505 * b;
        let sum = x + 15.0 * y + 3.0 * z;
        if sum < 1e-6 { WHITE } else { [4.0 * x / sum, 9.0 * y / sum] }
    }

    /// Whether the change between a saturated red and another colour is one of a red flash.
    pub fn red_change(self, red: [u8; 3], other: [u8; 3], scale: f32) -> bool {
        if (self.red_value(red) - self.red_value(other)).abs() > RED_VALUE * scale {
            return true;
        }
        let ([u, v], [u2, v2]) = (self.chromaticity(red), self.chromaticity(other));
        (u - u2).hypot(v - v2) > RED_DISTANCE * scale
    }

    /// Whether `a` is less red than `b`: less of R − G − B, or of two that have none a smaller share of red.
    pub fn less_red(self, a: [u8; 3], b: [u8; 3]) -> bool {
        let (value_a, value_b) = (self.red_value(a), self.red_value(b));
        if value_a != value_b {
            return value_a < value_b;
        }
        let ([ra, ga, ba], [rb, gb, bb]) = (self.linear(a), self.linear(b));
        ra * (rb + gb + bb) < rb * (ra + ga + ba)
    }
}

/// The least difference that makes two opposing luminances a flash, where the darker is `dark`; all differences times
/// `scale`.
pub fn general_threshold(dark: f32, scale: f32) -> f32 {
    scale * GENERAL.max(dark * BRIGHT_SHARE)
}

/// The luminance below `bright` that makes a flash with it: what lies under it by [`general_threshold`] of itself.
pub fn general_edge(bright: f32, scale: f32) -> f32 {
    (bright - scale * GENERAL).min(bright / (1.0 + scale * BRIGHT_SHARE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_the_values_of_the_standards() {
        let light = Light::new();
        let near = |a: f32, b: f32| assert!((a - b).abs() < 2e-3, "{a} {b}");
        near(light.luminance([255; 3]), 1.0);
        near(light.luminance([188; 3]), 0.503);
        near(light.luminance([255, 0, 0]), 0.2126);
        // The primaries of sRGB and its white, CIE 15.
        for (colour, [u, v]) in [
            ([255, 0, 0], [0.4507, 0.5229]),
            ([0, 255, 0], [0.125, 0.5625]),
            ([0, 0, 255], [0.1754, 0.1579]),
            ([255; 3], WHITE),
            ([0; 3], WHITE),
        ] {
            near(light.chromaticity(colour)[0], u);
            near(light.chromaticity(colour)[1], v);
        }
        near(general_threshold(0.0, 1.0), 0.1);
        // Michelson: (180 - 160) / (180 + 160) is 1/17.
        near(general_threshold(0.8, 1.0), 0.1);
        near(general_threshold(0.88, 1.0), 0.11);
        for bright in [0.3, 0.9, 0.95, 1.0] {
            let edge = general_edge(bright, 0.8);
            near(bright - edge, general_threshold(edge, 0.8));
        }
    }

    #[test]
    fn red_is_red() {
        let light = Light::new();
        assert!(light.saturated_red([255, 0, 0]) && light.saturated_red([200, 60, 60]));
        assert!(
            !light.saturated_red([255, 140, 0]) && !light.saturated_red([255; 3]) && !light.saturated_red([5, 0, 0])
        );
        assert!(light.red_change([255, 0, 0], [0, 0, 255], 1.0) && light.red_change([255, 0, 0], [255; 3], 1.0));
        assert!(light.red_change([120, 0, 0], [0; 3], 1.0) && light.red_change([30, 0, 0], [0, 40, 0], 1.0));
        assert!(!light.red_change([255, 0, 0], [250, 10, 0], 1.0));
        assert!(light.less_red([0, 0, 90], [0, 90, 90]) == light.less_red([0, 90, 90], [0, 0, 90]));
        assert!(light.less_red([0, 90, 90], [90, 90, 90]) && light.less_red([90; 3], [255, 0, 0]));
    }
}
