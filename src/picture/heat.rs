//! z as a picture: the plain grey one of the notebooks, the annotated one of the z studies, and the cells of a heat map
//! in a frame.
//!
//! [`Cells`] is read by [`super::canvas`], by the window and by the desk, so that all of them draw the same map.

use super::Picture;
use super::text::{Anchor, Face};

/// Share of a cell's width and height that its letters are high, and the pixels below which they are specks.
const LETTERS: [f32; 2] = [0.27, 0.31];
const SMALLEST_LETTERS: f32 = 4.5;

/// The heat map of a frame, laid out in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cells {
    /// Left, top, width and height of the whole map.
    area: [f32; 4],
    columns: usize,
    rows: usize,
    /// What black and white stand for.
    range: [f32; 2],
    /// Height of the letters in pixels; none where there is no room for numbers.
    pub letters: Option<f32>,
}

/// One cell of a heat map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Left, top, right and bottom in whole pixels: neighbours meet.
    pub edges: [f32; 4],
    /// Its grey, 0..1.
    pub grey: f32,
    /// The grey of its number, 0..1: dark on light cells and light on dark ones.
    pub ink: f32,
}

impl Cells {
    /// A map of `count` values in `area` (left, top, width, height).
    pub fn new(area: [f32; 4], count: usize, columns: usize, range: [f32; 2]) -> Self {
        let columns = columns.max(1);
        let rows = count.div_ceil(columns).max(1);
        let letters = (area[2] / columns as f32 * LETTERS[0]).min(area[3] / rows as f32 * LETTERS[1]);
        Self { area, columns, rows, range, letters: (letters >= SMALLEST_LETTERS).then_some(letters) }
    }

    /// The cell of the value number `at`.
    pub fn cell(&self, at: usize, value: f32) -> Cell {
        let [left, top, width, height] = self.area;
        let across = |column: usize| (left + width * column as f32 / self.columns as f32).round();
        let down = |row: usize| (top + height * row as f32 / self.rows as f32).round();
        let (column, row) = (at % self.columns, at / self.columns);
        let span = self.range[1] - self.range[0];
        let grey = if span.abs() > f32::EPSILON { ((value - self.range[0]) / span).clamp(0.0, 1.0) } else { 0.5 };
        let edges = [across(column), down(row), across(column + 1), down(row + 1)];
        Cell { edges, grey, ink: if grey > 0.5 { 0.0 } else { 1.0 } }
    }
}

impl Cell {
    /// Where the middle of its number lies.
    pub fn middle(&self) -> [f32; 2] {
        let [left, top, right, bottom] = self.edges;
        [(left + right) / 2.0, (top + bottom) / 2.0]
    }
}

/// A value as a cell writes it.
pub fn number(value: f32) -> String {
    let text = format!("{value:.1}");
    if text == "-0.0" { "0.0".into() } else { text }
}

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
    fn cells_meet_and_their_numbers_can_be_read() {
        let cells = Cells::new([3.0, 5.0, 100.0, 50.0], 7, 3, [-2.0, 2.0]);
        for at in 0..7 {
            let cell = cells.cell(at, at as f32 - 3.0);
            if at % 3 < 2 {
                assert_eq!(cell.edges[2], cells.cell(at + 1, 0.0).edges[0]);
            }
            assert_eq!(cell.edges[3], cells.cell(at + 3, 0.0).edges[1]);
            assert_eq!(cell.ink, if cell.grey > 0.5 { 0.0 } else { 1.0 });
        }
        assert_eq!(cells.cell(0, 0.0).edges, [3.0, 5.0, 36.0, 22.0]);
        assert_eq!([-9.0, 0.0, 9.0].map(|v| cells.cell(0, v).grey), [0.0, 0.5, 1.0]);
        assert!(cells.letters.is_some_and(|high| (5.0..6.0).contains(&high)));
        // A range turned round is a negative; one without a span is grey.
        assert_eq!(Cells::new([0.0; 4], 1, 1, [2.0, -2.0]).cell(0, 2.0).grey, 0.0);
        assert_eq!(Cells::new([0.0; 4], 0, 0, [1.0, 1.0]).cell(0, 2.0).grey, 0.5);
        assert_eq!(Cells::new([0.0, 0.0, 30.0, 30.0], 9, 3, [0.0, 1.0]).letters, None);
        assert_eq!((number(-0.04), number(1.25), number(-3.0)), ("0.0".into(), "1.2".into(), "-3.0".into()));
    }

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
