//! How much of a checkerboard pictures have: what transposed convolutions leave behind, measured.
//!
//! Two measures, for pictures that a model made beside drawings: how far neighbouring pixels alternate, and whether the
//! spectrum of lines and columns has a peak at a period of 2, 4 or 8 pixels, where drawings have none.
//! Fed with bytes by `cli::score`; knows neither networks nor files.

use std::f64::consts::TAU;

use rayon::prelude::*;

/// Of [`Checkerboard::beside`]: what lies above is seen.
pub const VISIBLE: f64 = 1.5;
/// Periods at which a peak is looked for, in pixels: those of the last three doublings.
pub const PERIODS: [usize; 3] = [2, 4, 8];
/// Power that counts as none, in squared levels.
const NOTHING: f64 = 1e-6;

/// What was measured of some pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkerboard {
    /// Mean of `|a − b − c + d|` over all blocks `a b / c d` of 2 × 2 pixels, in levels 0..510, one number a channel.
    pub blocks: Vec<f64>,
    /// For each of [`PERIODS`]: the mean power of lines and columns there, as a multiple of what it is beside it. About 1
    /// without a pattern; 0 where the pictures are too small or show nothing.
    pub peaks: [f64; 3],
}

impl Checkerboard {
    /// Measures pictures `[n, h, w, channels]`.
    pub fn of(bytes: &[u8], [h, w, channels]: [usize; 3]) -> Self {
        let len = h * w * channels;
        if len == 0 || bytes.len() < len {
            return Self { blocks: vec![0.0; channels], peaks: [0.0; 3] };
        }
        let across = Wave::all(w);
        let down = Wave::all(h);
        let seen: Vec<(Vec<f64>, Powers)> = bytes
            .par_chunks_exact(len)
            .map(|picture| {
                let mut powers = Powers::default();
                for channel in 0..channels {
                    for y in 0..h {
                        powers.add(&across, (0..w).map(|x| picture[(y * w + x) * channels + channel]));
                    }
                    for x in 0..w {
                        powers.add(&down, (0..h).map(|y| picture[(y * w + x) * channels + channel]));
                    }
                }
                ((0..channels).map(|channel| blocks(picture, [h, w, channels], channel)).collect(), powers)
            })
            .collect();
        let count = seen.len() as f64;
        let blocks = (0..channels).map(|c| seen.iter().map(|(blocks, _)| blocks[c]).sum::<f64>() / count).collect();
        let sum =
            |part: fn(&Powers) -> &[f64; 3], i: usize| seen.iter().map(|(_, powers)| part(powers)[i]).sum::<f64>();
        let peaks = std::array::from_fn(|i| {
            let (at, beside) = (sum(|p| &p.at, i), sum(|p| &p.beside, i));
            if at.max(beside) / count < NOTHING { 0.0 } else { at / beside.max(count * NOTHING) }
        });
        Self { blocks, peaks }
    }

    /// How much more neighbouring pixels alternate than in `drawings`, in the channel where it is most; above
    /// [`VISIBLE`] it is seen. None where a channel of the drawings has nothing to compare with.
    pub fn beside(&self, drawings: &Self) -> Option<f64> {
        let both = self.blocks.iter().zip(&drawings.blocks);
        both.map(|(own, theirs)| (*theirs > 0.0).then(|| own / theirs))
            .try_fold(0.0, |most, ratio| Some(ratio?.max(most)))
    }
}

/// Mean of `|Σ (−1)^(x+y) · pixel|` over all blocks of 2 × 2.
fn blocks(picture: &[u8], [h, w, channels]: [usize; 3], channel: usize) -> f64 {
    let at = |y: usize, x: usize| i32::from(picture[(y * w + x) * channels + channel]);
    let (rows, columns) = (h.saturating_sub(1), w.saturating_sub(1));
    let all = (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x)));
    let sum: i64 = all.map(|(y, x)| i64::from((at(y, x) - at(y, x + 1) - at(y + 1, x) + at(y + 1, x + 1)).abs())).sum();
    sum as f64 / (rows * columns).max(1) as f64
}

/// A wave under a Hann window, for lines of one length.
struct Wave {
    /// Cosine and sine at each pixel.
    values: Vec<[f64; 2]>,
}

impl Wave {
    fn new(length: usize, frequency: f64) -> Self {
        let window = |i: usize| 0.5 - 0.5 * (TAU * (i as f64 + 0.5) / length as f64).cos();
        let value = |i: usize| {
            let (sin, cos) = (TAU * frequency * i as f64).sin_cos();
            [window(i) * cos, window(i) * sin]
        };
        Self { values: (0..length).map(value).collect() }
    }

    /// For each period the wave itself and those beside it, as far away as the window does not blur; none where a line
    /// is too short to tell them apart.
    fn all(length: usize) -> Vec<Option<[Self; 3]>> {
        let wave = |period: usize| {
            let (at, bin) = (1.0 / period as f64, 1.0 / length as f64);
            // Above a period of 2 the spectrum is the same again.
            let offsets = if period == 2 { [0.0, -3.0, -4.0] } else { [0.0, -3.0, 3.0] };
            (length >= 8 * period).then(|| offsets.map(|offset| Self::new(length, at + offset * bin)))
        };
        PERIODS.map(wave).into()
    }

    fn power(&self, line: &[f64]) -> f64 {
        let sums = line.iter().zip(&self.values);
        let [cos, sin] = sums.fold([0.0; 2], |[a, b], (v, [cos, sin])| [a + v * cos, b + v * sin]);
        (cos * cos + sin * sin) / line.len() as f64
    }
}

/// Sums of powers at each of [`PERIODS`], and beside them.
#[derive(Clone, Default)]
struct Powers {
    at: [f64; 3],
    beside: [f64; 3],
}

impl Powers {
    fn add(&mut self, waves: &[Option<[Wave; 3]>], line: impl Iterator<Item = u8>) {
        let line: Vec<f64> = line.map(f64::from).collect();
        let mean = line.iter().sum::<f64>() / line.len() as f64;
        let line: Vec<f64> = line.iter().map(|v| v - mean).collect();
        // Most lines of a drawing are ground.
        if line.iter().all(|v| *v == 0.0) {
            return;
        }
        for (i, waves) in waves.iter().enumerate() {
            let Some([at, one, other]) = waves else { continue };
            self.at[i] += at.power(&line);
            self.beside[i] += (one.power(&line) + other.power(&line)) / 2.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::lines::Rules;

    const SIDE: usize = 128;

    fn drawings(count: u64) -> Vec<u8> {
        let rules = Rules::default();
        (0..count).flat_map(|i| rules.paint(&rules.draw(1, i))).collect()
    }

    /// Adds a pattern to every lit pixel.
    fn patterned(pattern: impl Fn(usize, usize) -> i32) -> Vec<u8> {
        let mut bytes = drawings(40);
        for (i, v) in bytes.iter_mut().enumerate() {
            let (y, x) = (i / 3 / SIDE % SIDE, i / 3 % SIDE);
            if *v > 0 {
                *v = (i32::from(*v) / 2 + 60 + pattern(y, x)).clamp(0, 255) as u8;
            }
        }
        bytes
    }

    fn of(bytes: &[u8]) -> Checkerboard {
        Checkerboard::of(bytes, [SIDE, SIDE, 3])
    }

    #[test]
    fn an_even_picture_has_none_and_a_full_checkerboard_all() {
        let grey = Checkerboard::of(&[77; 64 * 32], [64, 32, 1]);
        assert_eq!(grey, Checkerboard { blocks: vec![0.0], peaks: [0.0; 3] });
        let board: Vec<u8> = (0..64 * 32).map(|i| if (i / 32 + i % 32) % 2 == 0 { 110 } else { 100 }).collect();
        let board = Checkerboard::of(&board, [64, 32, 1]);
        assert_eq!(board.blocks, [20.0]);
        assert!(board.peaks[0] > 1000.0, "{board:?}");
        // Stripes do not alternate both ways, but have a period.
        let stripes: Vec<u8> = (0..64 * 32).map(|i| if i % 2 == 0 { 110 } else { 100 }).collect();
        let stripes = Checkerboard::of(&stripes, [64, 32, 1]);
        assert_eq!(stripes.blocks, [0.0]);
        assert!(stripes.peaks[0] > 1000.0, "{stripes:?}");
    }

    #[test]
    fn drawings_have_no_peak_and_what_is_added_is_found() {
        let plain = of(&patterned(|_, _| 0));
        assert_eq!(plain.beside(&plain), Some(1.0));
        assert!(plain.peaks.iter().all(|peak| (0.5..1.6).contains(peak)), "{plain:?}");
        // Lines are some pixels wide, so that of a wide pattern less is there to be seen.
        for (at, (period, least)) in PERIODS.into_iter().zip([2.0, 2.0, 1.3]).enumerate() {
            let half = period / 2;
            let board = of(&patterned(|y, x| if (y / half + x / half) % 2 == 0 { 20 } else { -20 }));
            assert!(board.peaks[at] > least * plain.peaks[at], "{period}: {board:?} {plain:?}");
            let seen = board.beside(&plain).unwrap();
            assert!(seen > VISIBLE || period > 2, "{period}: {seen}");
        }
    }

    #[test]
    fn what_is_too_small_or_missing_is_no_pattern() {
        let none = Checkerboard { blocks: vec![0.0; 3], peaks: [0.0; 3] };
        assert_eq!(Checkerboard::of(&[], [SIDE, SIDE, 3]), none);
        assert_eq!(Checkerboard::of(&[9, 9, 9], [1, 1, 3]), none);
        assert_eq!(Checkerboard::of(&[], [0, 0, 3]), none);
        assert_eq!(none.beside(&none), None);
        // Sides that are no multiple of a period.
        let odd: Vec<u8> = (0..37 * 41).map(|i| if (i / 41 + i % 41) % 2 == 0 { 110 } else { 100 }).collect();
        let odd = Checkerboard::of(&odd, [37, 41, 1]);
        assert_eq!(odd.blocks, [20.0]);
        assert!(odd.peaks[0] > 100.0, "{odd:?}");
    }
}
