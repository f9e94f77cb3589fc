//! How much a picture looks like the lines: an automated measure, the same for drawn and generated
//! ones.
//!
//! Fed with RGB bytes; knows neither networks nor files.

use rayon::prelude::*;

use super::lines::{PALETTE, Rules};

/// A pixel is lit if its brightest channel is this much above the picture's ground (the median).
const ABOVE_GROUND: i32 = 40;
/// Share of a column or row that must be lit.
const EXTENT: f64 = 0.85;
/// Euclidean distance in RGB within which a lit pixel has a colour of the palette: just under half the
/// smallest distance between two of them (156, yellow and red), so that a pixel is near one at most.
pub const NEAR: f64 = 75.0;
/// Pixels of a bin in which places are counted.
const BIN: usize = 4;

/// What one picture shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Middles of the full-height vertical lines, in pixels.
    pub verticals: Vec<f64>,
    /// Middles of the full-width horizontal lines, in pixels.
    pub horizontals: Vec<f64>,
    /// Lit pixels: brighter than the ground.
    pub lit: usize,
    /// Lit pixels near a colour of the palette.
    pub near: usize,
}

/// Looks at one square picture, `side · side · 3` bytes.
pub fn look(pixels: &[u8], side: usize) -> Seen {
    let bright: Vec<i32> = pixels.chunks_exact(3).map(|p| i32::from(*p.iter().max().unwrap_or(&0))).collect();
    let mut sorted = bright.clone();
    let (_, ground, _) = sorted.select_nth_unstable(bright.len() / 2);
    let lit: Vec<bool> = bright.iter().map(|b| *b > *ground + ABOVE_GROUND).collect();
    let full = |count: usize| count as f64 > EXTENT * side as f64;
    let columns: Vec<bool> = (0..side).map(|x| full((0..side).filter(|y| lit[y * side + x]).count())).collect();
    let rows: Vec<bool> = (0..side).map(|y| full((0..side).filter(|x| lit[y * side + x]).count())).collect();
    let colours = pixels.chunks_exact(3).zip(&lit).filter(|(_, lit)| **lit);
    Seen {
        verticals: runs(&columns),
        horizontals: runs(&rows),
        lit: lit.iter().filter(|l| **l).count(),
        near: colours.filter(|(p, _)| PALETTE.iter().any(|c| distance(p, c) <= NEAR)).count(),
    }
}

fn distance(a: &[u8], b: &[u8; 3]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    squares.sum::<f64>().sqrt()
}

/// Middles of the runs of `true`: neighbouring full columns are one line.
fn runs(full: &[bool]) -> Vec<f64> {
    let mut middles = Vec::new();
    let mut start = None;
    for (i, lit) in full.iter().chain([&false]).enumerate() {
        match (lit, start) {
            (true, None) => start = Some(i),
            (false, Some(from)) => {
                middles.push((from + i - 1) as f64 / 2.0);
                start = None;
            }
            _ => {}
        }
    }
    middles
}

/// The measure over many pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Pictures that were measured.
    pub count: usize,
    /// Share of pictures with at least one full vertical and one full horizontal.
    pub both: f64,
    /// Mean number of full verticals in a picture.
    pub verticals: f64,
    /// Mean number of full horizontals in a picture.
    pub horizontals: f64,
    /// Share of lit pixels within [`NEAR`] of a colour of the palette.
    pub near: f64,
    /// Share of the places a line can have (10…117, in bins of 4 pixels) that verticals reach; a bin counts if it holds
    /// at least a quarter of what an even spread would put there.
    pub vertical_cover: f64,
    /// The same of horizontals.
    pub horizontal_cover: f64,
    /// Mean of the verticals' places, in pixels.
    pub vertical_mean: f64,
    /// Standard deviation of the verticals' places, in pixels.
    pub vertical_deviation: f64,
}

/// Measures a batch of square RGB pictures, `[n, side, side, 3]`.
pub fn score(bytes: &[u8], side: usize) -> Score {
    let seen: Vec<Seen> = bytes.par_chunks_exact(side * side * 3).map(|p| look(p, side)).collect();
    let count = seen.len();
    let share = |part: usize, of: usize| if of == 0 { 0.0 } else { part as f64 / of as f64 };
    let verticals: Vec<f64> = seen.iter().flat_map(|s| &s.verticals).copied().collect();
    let horizontals: Vec<f64> = seen.iter().flat_map(|s| &s.horizontals).copied().collect();
    let mean = verticals.iter().sum::<f64>() / verticals.len().max(1) as f64;
    let variance = verticals.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / verticals.len().max(1) as f64;
    Score {
        count,
        both: share(seen.iter().filter(|s| !s.verticals.is_empty() && !s.horizontals.is_empty()).count(), count),
        verticals: share(verticals.len(), count),
        horizontals: share(horizontals.len(), count),
        near: share(seen.iter().map(|s| s.near).sum(), seen.iter().map(|s| s.lit).sum()),
        vertical_cover: cover(&verticals, side),
        horizontal_cover: cover(&horizontals, side),
        // Adding zero makes the -0 of an empty sum a 0.
        vertical_mean: mean + 0.0,
        vertical_deviation: variance.sqrt() + 0.0,
    }
}

fn cover(places: &[f64], side: usize) -> f64 {
    let scale = side as f64 / Rules::default().size as f64;
    let (from, to) = (10.0 * scale, 118.0 * scale);
    let bins = ((to - from) / (BIN as f64 * scale)) as usize;
    let mut counts = vec![0usize; bins];
    for place in places {
        let bin = ((place - from) / (to - from) * bins as f64).floor();
        if bin >= 0.0 && (bin as usize) < bins {
            counts[bin as usize] += 1;
        }
    }
    let least = (places.len() as f64 / bins as f64 / 4.0).max(1.0);
    counts.iter().filter(|n| **n as f64 >= least).count() as f64 / bins as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_lines_are_all_seen() {
        let rules = Rules::default();
        let bytes: Vec<u8> = (0..2000).flat_map(|i| rules.paint(&rules.draw(1, i))).collect();
        let score = score(&bytes, 128);
        assert_eq!((score.count, score.both, score.verticals), (2000, 1.0, 1.0));
        assert!((1.8..=2.0).contains(&score.horizontals), "some horizontals touch: {}", score.horizontals);
        assert_eq!((score.near, score.vertical_cover), (1.0, 1.0));
        assert!((score.vertical_mean - 63.5).abs() < 2.0 && (score.vertical_deviation - 31.2).abs() < 1.5);
    }

    #[test]
    fn what_is_no_line_is_not_seen() {
        let grey = vec![128; 128 * 128 * 3];
        assert_eq!(look(&grey, 128), Seen::default());
        let mut half = vec![0; 128 * 128 * 3];
        half[..64 * 128 * 3].chunks_exact_mut(128 * 3).for_each(|row| row[30..45].fill(255));
        let seen = look(&half, 128);
        assert_eq!((seen.verticals.len(), seen.horizontals.len(), seen.lit), (0, 0, 64 * 5));
        assert_eq!(cover(&[20.0; 100], 128), 1.0 / 27.0);
    }
}
