//! The lines: pictures drawn by the rules of "Trois lignes dans un espace latent".
//!
//! One picture is a pure function of (rules, seed, index); `dataset::write` draws many at once.

use std::str::FromStr;

use crate::random::RandomState;

/// White, yellow, red, blue.
pub const PALETTE: [[u8; 3]; 4] = [[255, 255, 255], [224, 184, 7], [185, 33, 19], [54, 79, 179]];

/// How the place of a line is drawn, in pixels of a 128-pixel picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// Real uniform between the margins, truncated: 10…117.
    Uniform,
    /// Normal with this mean and deviation, truncated towards zero.
    Gaussian {
        /// The middle, in pixels of a 128-pixel picture.
        mean: f64,
        /// The standard deviation, in pixels of a 128-pixel picture.
        deviation: f64,
    },
}

/// The place of the original's second horizontal.
pub const ALMOST_STILL: Law = Law::Gaussian { mean: 48.0, deviation: 1.2 };

impl FromStr for Law {
    type Err = String;

    /// `uniform`, or `gaussian:MEAN:DEVIATION` in pixels of a 128-pixel picture.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("a law is uniform or gaussian:MEAN:DEVIATION (gaussian:48:1.2), not \"{text}\"");
        let mut parts = text.split(':');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("uniform"), None, ..) => Ok(Self::Uniform),
            (Some("gaussian"), Some(mean), Some(deviation), None) => {
                let number = |t: &str| t.parse::<f64>().ok().filter(|v| v.is_finite()).ok_or_else(wrong);
                Ok(Self::Gaussian { mean: number(mean)?, deviation: number(deviation)? })
            }
            _ => Err(wrong()),
        }
    }
}

/// A colour as `rrggbb`, with or without a `#`.
///
/// # Errors
/// A sentence for who wrote it.
pub fn colour(text: &str) -> Result<[u8; 3], String> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let value = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 6 && digits.is_ascii());
    let [_, r, g, b] = value.ok_or_else(|| format!("\"{text}\" is not a colour; write it as e0b807"))?.to_be_bytes();
    Ok([r, g, b])
}

/// What a lines picture is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Side of the square picture in pixels; every measure scales with it.
    pub size: usize,
    /// The colours that a line can have, as RGB bytes.
    pub palette: Vec<[u8; 3]>,
    /// Vertical lines of a picture.
    pub verticals: usize,
    /// Horizontal lines of a picture.
    pub horizontals: usize,
    /// One law a line, verticals first.
    pub laws: Vec<Law>,
}

impl Default for Rules {
    fn default() -> Self {
        Self::new(128, PALETTE.to_vec(), 1, 2, Vec::new())
    }
}

/// The lines of one picture in painting order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Whether it goes from top to bottom, or else from left to right.
    pub vertical: bool,
    /// x of a vertical, y of a horizontal, in pixels; may lie outside the picture.
    pub at: i64,
    /// Its colour, as RGB bytes.
    pub colour: [u8; 3],
}

impl Rules {
    /// Rules with `laws` for the first lines; the others are uniform, but the last of two or more
    /// horizontals is [`ALMOST_STILL`].
    pub fn new(size: usize, palette: Vec<[u8; 3]>, verticals: usize, horizontals: usize, laws: Vec<Law>) -> Self {
        let lines = verticals + horizontals;
        let mut all = laws;
        for i in all.len()..lines {
            all.push(if i + 1 == lines && horizontals >= 2 { ALMOST_STILL } else { Law::Uniform });
        }
        all.truncate(lines);
        Self { size, palette, verticals, horizontals, laws: all }
    }

    /// Pixels of a 128-pixel picture in pixels of this one.
    fn scale(&self) -> f64 {
        self.size as f64 / 128.0
    }

    /// Stroke width in pixels: 5 at size 128.
    pub fn stroke(&self) -> i64 {
        ((5.0 * self.scale()).round() as i64).max(1)
    }

    /// Draws the places and colours of one picture: place, colour, place, colour, …
    pub fn draw(&self, seed: u32, index: u64) -> Vec<Line> {
        let mut random = RandomState::with_key(&[seed, index as u32, (index >> 32) as u32]);
        let (margin, size) = (10.0 * self.scale(), self.size as f64);
        let lines = self.laws.iter().enumerate().map(|(i, law)| {
            let at = match law {
                Law::Uniform => margin + random.uniform() * (size - 2.0 * margin),
                Law::Gaussian { mean, deviation } => (deviation * random.normal() + mean) * self.scale(),
            };
            let colour = self.palette[random.below(self.palette.len())];
            Line { vertical: i < self.verticals, at: at.trunc() as i64, colour }
        });
        lines.collect()
    }

    /// Paints lines on black, later ones over earlier ones: `size · size · 3` bytes.
    pub fn paint(&self, lines: &[Line]) -> Vec<u8> {
        let size = self.size as i64;
        let mut pixels = vec![0; self.size * self.size * 3];
        for line in lines {
            let from = line.at - self.stroke() / 2;
            for across in from.max(0)..(from + self.stroke()).min(size) {
                for along in 0..size {
                    let (x, y) = if line.vertical { (across, along) } else { (along, across) };
                    let at = ((y * size + x) * 3) as usize;
                    pixels[at..at + 3].copy_from_slice(&line.colour);
                }
            }
        }
        pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_colours_follow_the_laws() {
        let rules = Rules::default();
        let mut seen = [0; 128];
        let (mut sum, mut still) = (0, 0);
        for index in 0..20_000 {
            let lines = rules.draw(5, index);
            assert_eq!(lines.iter().map(|l| l.vertical).collect::<Vec<_>>(), [true, false, false]);
            for line in &lines[..2] {
                assert!((10..=117).contains(&line.at));
                seen[line.at as usize] += 1;
            }
            sum += lines[2].at;
            still += u32::from((44..=52).contains(&lines[2].at));
        }
        assert!(seen[10..=117].iter().all(|n| (250..500).contains(n)), "uniform on 10…117: {seen:?}");
        assert!(still > 19_950);
        let mean = sum as f64 / 20_000.0;
        assert!((mean - 47.5).abs() < 0.05, "truncation lowers the mean to about 47.5, here {mean}");
    }

    #[test]
    fn a_stroke_covers_five_pixels_and_the_later_line_lies_on_top() {
        let rules = Rules::default();
        let line = |vertical, at, colour| Line { vertical, at, colour: PALETTE[colour] };
        let pixels = rules.paint(&[line(true, 10, 1), line(false, 47, 2)]);
        let at = |x: usize, y: usize| &pixels[(y * 128 + x) * 3..][..3];
        let lit = |y: usize| (0..128).filter(|x| at(*x, y) != [0, 0, 0]).collect::<Vec<_>>();
        assert_eq!(lit(0), [8, 9, 10, 11, 12]);
        assert_eq!(lit(45).len(), 128);
        assert_eq!(
            (at(10, 44), at(10, 45), at(10, 49), at(10, 50)),
            (&PALETTE[1][..], &PALETTE[2][..], &PALETTE[2][..], &PALETTE[1][..])
        );
    }

    #[test]
    fn a_law_is_read_or_refused() {
        assert_eq!("gaussian:48:1.2".parse(), Ok(ALMOST_STILL));
        assert_eq!("uniform".parse(), Ok(Law::Uniform));
        for wrong in ["", "gauss", "gaussian:1", "gaussian:1:nan", "uniform:3"] {
            assert!(wrong.parse::<Law>().unwrap_err().contains("gaussian:MEAN"));
        }
    }
}
