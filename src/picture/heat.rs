//! z as a picture: the plain grey one of the notebooks, and the annotated one of the z studies.

use super::Picture;
use super::text::{Anchor, Face};

/// Pixels of a cell in the plain map: 10×10 cells make 220×220, as the notebooks' 218.
const CELL: usize = 22;

/// `values` row by row in grey, the lowest black and the highest white. The scale is relative to this
/// vector alone; a constant vector is mid grey.
pub fn plain(values: &[f64], columns: usize) -> Picture {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    map(values, columns, CELL, |v| if high > low { (v - low) / (high - low) } else { 0.5 })
}

fn map(values: &[f64], columns: usize, cell: usize, share: impl Fn(f64) -> f64) -> Picture {
    let columns = columns.max(1);
    let mut out = Picture::filled(columns * cell, values.len().div_ceil(columns) * cell, [0; 3]);
    for (i, value) in values.iter().enumerate() {
        out.fill(i % columns * cell, i / columns * cell, cell, cell, grey(share(*value)));
    }
    out
}

fn grey(share: f64) -> [u8; 3] {
    [(share.clamp(0.0, 1.0) * 255.0).round() as u8; 3]
}

const PAPER: [u8; 3] = [244; 3];
const INK: [u8; 3] = [30; 3];
const BIG_CELL: usize = 27;
const MARGIN: usize = 24;
const HEIGHT: usize = 332;

/// A frame of a z study: a heat map with numbers, axes and a colour bar on the left, the picture on
/// the right, the title above. `range` is what black and white mean; z of 100 makes 716×332.
pub fn study(values: &[f64], columns: usize, range: (f64, f64), picture: &Picture, title: &str) -> Picture {
    let (low, high) = range;
    let share = |v: f64| if high > low { (v - low) / (high - low) } else { 0.5 };
    let rows = values.len().div_ceil(columns.max(1));
    let factor = ((HEIGHT - 2 * MARGIN) / picture.height.max(1)).max(1);
    let shown = picture.enlarged(factor);
    let bar_at = MARGIN + columns * BIG_CELL + 22;
    let picture_at = bar_at + 106;
    let height = HEIGHT.max(rows * BIG_CELL + 2 * MARGIN + 8).max(shown.height + 2 * MARGIN);
    let mut out = Picture::filled(picture_at + shown.width + 28, height, PAPER);
    let top = (height - rows * BIG_CELL) / 2 + 6;
    out.fill(MARGIN - 1, top - 1, columns * BIG_CELL + 2, rows * BIG_CELL + 2, INK);
    out.paste(&map(values, columns, BIG_CELL, share), MARGIN, top);
    for (i, value) in values.iter().enumerate() {
        let (x, y) = (MARGIN + i % columns * BIG_CELL + BIG_CELL / 2, top + i / columns * BIG_CELL + BIG_CELL / 2);
        let ink = if share(*value) > 0.5 { INK } else { PAPER };
        out.write(&short(*value), x as i32, y as i32, Face::Small, Anchor::Middle, ink);
    }
    for column in 0..columns {
        let x = MARGIN + column * BIG_CELL + BIG_CELL / 2;
        out.write(&column.to_string(), x as i32, top as i32 - 7, Face::Small, Anchor::Middle, INK);
    }
    for row in 0..rows {
        let y = top + row * BIG_CELL + BIG_CELL / 2;
        out.write(&row.to_string(), MARGIN as i32 - 4, y as i32, Face::Small, Anchor::Right, INK);
    }
    let tall = rows * BIG_CELL;
    out.fill(bar_at - 1, top - 1, 16, tall + 2, INK);
    for y in 0..tall {
        out.fill(bar_at, top + y, 14, 1, grey(1.0 - y as f64 / (tall - 1).max(1) as f64));
    }
    for tick in 0..=6 {
        let value = high - (high - low) * f64::from(tick) / 6.0;
        let y = top + tall * tick as usize / 6;
        out.fill(bar_at + 14, y.min(top + tall - 1), 4, 1, INK);
        out.write(&short(value), bar_at as i32 + 21, y as i32, Face::Small, Anchor::Left, INK);
    }
    out.paste(&shown, picture_at, (height - shown.height) / 2 + 6);
    out.write(title, MARGIN as i32, 11, Face::Medium, Anchor::Left, INK);
    out
}

/// A value in at most four characters where it can be.
fn short(value: f64) -> String {
    let text = if value.abs() < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") };
    match text.as_str() {
        "-0.0" => "0".into(),
        _ => text.strip_suffix(".0").map(Into::into).unwrap_or(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_map_goes_from_black_to_white() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let map = plain(&values, 10);
        assert_eq!((map.width, map.height, map.at(0, 0), map.at(219, 219)), (220, 220, [0; 3], [255; 3]));
        assert_eq!(plain(&[1.0; 4], 2).at(0, 0), [128; 3]);
    }

    #[test]
    fn a_study_has_the_published_size_and_holds_its_picture() {
        let picture = Picture::filled(128, 128, [224, 184, 7]);
        let frame = study(&[3.0; 100], 10, (-3.0, 3.0), &picture, "all = 3");
        assert!((700..=730).contains(&frame.width) && frame.height == 332, "{}x{}", frame.width, frame.height);
        assert_eq!(frame.at(frame.width - 100, 170), [224, 184, 7]);
        assert_eq!(
            (short(-0.04), short(2.0), short(-12.3), short(0.25)),
            ("0".into(), "2".into(), "-12".into(), "0.2".into())
        );
    }
}
