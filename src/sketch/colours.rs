//! Colours by numbers, by names and digits, and palettes.
//!
//! Used by the sketch's verbs. All of it is reckoned with `libm`, so that a colour has the same bytes on every machine.

use rune::Any;

use crate::latent::pose::Colour;

/// Colours in an order.
#[derive(Any, Clone, Debug, PartialEq)]
#[rune(item = ::flaneur)]
pub struct Palette {
    /// At least one.
    pub colours: Vec<Colour>,
}

impl Palette {
    /// The colour of a number; it begins anew behind the last one.
    pub fn at(&self, i: i64) -> Colour {
        self.colours[i.rem_euclid(self.colours.len() as i64) as usize]
    }

    /// A colour between the first at 0 and the last at 1, blended from neighbours.
    pub fn blend(&self, t: f64) -> Colour {
        let last = self.colours.len() - 1;
        let along = t.clamp(0.0, 1.0) * last as f64;
        let low = (along.floor() as usize).min(last);
        let (a, b) = (self.colours[low], self.colours[(low + 1).min(last)]);
        let share = (along - low as f64) as f32;
        std::array::from_fn(|i| a[i] + (b[i] - a[i]) * share)
    }
}

/// A colour from hue (turns from red), saturation and value, 0..1.
pub fn hsv(hue: f64, saturation: f64, value: f64) -> Colour {
    let channel = |n: f64| {
        let k = (n + hue * 6.0).rem_euclid(6.0);
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    };
    [channel(5.0) as f32, channel(3.0) as f32, channel(1.0) as f32, 1.0]
}

/// A colour from lightness 0..1, chroma 0..0.4 and hue in turns, as eyes count them (OKLCH, Ottosson 2020). What no
/// screen can show becomes greyer until one can.
pub fn oklch(lightness: f64, chroma: f64, hue: f64) -> Colour {
    let angle = hue * std::f64::consts::TAU;
    let (cos, sin) = (libm::cos(angle), libm::sin(angle));
    let of = |chroma: f64| oklab(lightness, chroma * cos, chroma * sin);
    let fits = |rgb: &[f64; 3]| rgb.iter().all(|v| (-1e-4..=1.0001).contains(v));
    let (mut low, mut high) = (0.0, chroma);
    let mut rgb = of(chroma);
    if !fits(&rgb) {
        for _ in 0..12 {
            let middle = (low + high) / 2.0;
            if fits(&of(middle)) { low = middle } else { high = middle }
        }
        rgb = of(low);
    }
    let [r, g, b] = rgb.map(|v| gamma(v.clamp(0.0, 1.0)) as f32);
    [r, g, b, 1.0]
}

/// Linear red, green and blue of an OKLab colour.
fn oklab(l: f64, a: f64, b: f64) -> [f64; 3] {
    let cube = |v: f64| v * v * v;
    let long = cube(l + 0.396_337_777_4 * a + 0.215_803_757_3 * b);
    let middle = cube(l - 0.105_561_345_8 * a - 0.063_854_172_8 * b);
    let short = cube(l - 0.089_484_177_5 * a - 1.291_485_548 * b);
    [
        4.076_741_662_1 * long - 3.307_711_591_3 * middle + 0.230_969_929_2 * short,
        -1.268_438_004_6 * long + 2.609_757_401_1 * middle - 0.341_319_396_5 * short,
        -0.004_196_086_3 * long - 0.703_418_614_7 * middle + 1.707_614_701 * short,
    ]
}

/// sRGB's curve.
fn gamma(v: f64) -> f64 {
    if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * libm::pow(v, 1.0 / 2.4) - 0.055 }
}

/// The colours that have a name: those of the three lines first.
const COLOURS: [(&str, u32); 14] = [
    ("black", 0x00_0000),
    ("white", 0xff_ffff),
    ("grey", 0x80_8080),
    ("red", 0xff_0000),
    ("green", 0x00_ff00),
    ("blue", 0x00_00ff),
    ("yellow", 0xff_ff00),
    ("cyan", 0x00_ffff),
    ("magenta", 0xff_00ff),
    ("orange", 0xff_8800),
    ("pink", 0xff_88bb),
    ("violet", 0x88_44ff),
    ("paper", 0xf4_f4f4),
    ("ink", 0x1e_1e1e),
];

/// A colour by its name or its digits: `#rgb`, `#rgba`, `#rrggbb`, `#rrggbbaa`.
pub fn named(text: &str) -> Option<Colour> {
    let digits = match text.strip_prefix('#') {
        Some(hex) if hex.chars().all(|c| c.is_ascii_hexdigit()) => match hex.len() {
            // One digit stands for two alike.
            3 | 4 => hex.chars().flat_map(|c| [c, c]).collect(),
            _ => hex.to_owned(),
        },
        Some(_) => return None,
        None => {
            let name = if text == "gray" { "grey" } else { text };
            format!("{:06x}", COLOURS.iter().find(|(known, _)| *known == name)?.1)
        }
    };
    let part = |at: usize| Some(f32::from(u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?) / 255.0);
    match digits.len() {
        6 => Some([part(0)?, part(2)?, part(4)?, 1.0]),
        8 => Some([part(0)?, part(2)?, part(4)?, part(6)?]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(colour: Colour) -> [u8; 3] {
        [0, 1, 2].map(|i| (colour[i] * 255.0).round() as u8)
    }

    #[test]
    fn known_colours_come_out() {
        assert_eq!(bytes(hsv(0.0, 1.0, 1.0)), [255, 0, 0]);
        assert_eq!(bytes(hsv(1.0 / 3.0, 1.0, 0.5)), [0, 128, 0]);
        assert_eq!(bytes(hsv(0.6, 0.0, 1.0)), [255; 3]);
        // sRGB's red has these numbers.
        let red = bytes(oklch(0.627_96, 0.257_68, 29.2339 / 360.0));
        assert!(red[0] >= 254 && red[1] <= 2 && red[2] <= 2, "{red:?}");
        assert_eq!((bytes(oklch(1.0, 0.0, 0.3)), bytes(oklch(0.0, 0.4, 0.1))), ([255; 3], [0; 3]));
        // More chroma than there is: the hue stays.
        let [r, g, b] = bytes(oklch(0.5, 0.4, 0.4));
        assert!(g > r && g > b, "{r} {g} {b}");
    }

    #[test]
    fn a_palette_goes_round_and_blends() {
        let palette = Palette { colours: vec![[0.0, 0.0, 0.0, 1.0], [1.0, 0.5, 0.0, 1.0]] };
        assert_eq!((palette.at(-1), palette.at(2)), (palette.colours[1], palette.colours[0]));
        assert_eq!((palette.blend(0.5)[0], palette.blend(7.0), palette.blend(-1.0)[0]), (0.5, palette.colours[1], 0.0));
    }

    #[test]
    fn colours_have_names_and_digits() {
        let orange = [1.0, 136.0 / 255.0, 0.0, 1.0];
        for text in ["#ff8800", "#f80", "#FF8800FF", "#f80f", "orange"] {
            assert_eq!(named(text), Some(orange), "{text}");
        }
        assert_eq!(named("#ff880080"), Some([1.0, 136.0 / 255.0, 0.0, 128.0 / 255.0]));
        assert_eq!(named("gray"), named("grey"));
        for text in ["", "#", "gold", "#ff", "#ff880", "#gg8800", "#ff88001", "ff8800", "#\u{e9}\u{e9}\u{e9}", "Red"] {
            assert_eq!(named(text), None, "{text}");
        }
        // The message about a colour lists all of them.
        assert!(COLOURS.iter().all(|(name, _)| super::super::COLOURS.contains(name)));
    }
}
