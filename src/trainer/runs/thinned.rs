//! A course of losses in pieces, and its moving mean, made row by row in bounded memory.
//!
//! Filled by `course` while it reads. A piece has the lowest and the highest value of its rows, so that no peak is lost.

use std::collections::VecDeque;

use super::super::pieces::{self, Pieces};

/// Pieces in which x grows to e times itself, where it is drawn by powers of ten.
const PER_E: f64 = 150.0;

/// Neighbouring epochs.
struct Piece {
    /// The row it begins with, or what stands for x by powers of ten.
    place: i64,
    /// From the first to the last.
    x: (f64, f64),
    /// Lowest and highest of each loss; the wrong way round where there is none.
    ends: Vec<[f32; 2]>,
}

impl pieces::Piece for Piece {
    fn place(&self) -> i64 {
        self.place
    }

    fn join(&mut self, next: Self) {
        self.x.1 = next.x.1;
        for (ends, [low, high]) in self.ends.iter_mut().zip(next.ends) {
            *ends = [ends[0].min(low), ends[1].max(high)];
        }
    }
}

/// A course in pieces.
pub(super) struct Thinned {
    log: bool,
    pieces: Pieces<Piece>,
    /// Rows that were added.
    rows: i64,
}

impl Thinned {
    /// The first x and the last, if there are any.
    pub(super) fn range(&self) -> Option<(f64, f64)> {
        Some((self.pieces.list.first()?.x.0, self.pieces.list.last()?.x.1))
    }

    /// Pieces there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.pieces.list.len()
    }

    /// An empty course; `log`: x is drawn by powers of ten.
    pub(super) fn new(log: bool) -> Self {
        Self { log, pieces: Pieces::default(), rows: 0 }
    }

    /// Adds a row.
    pub(super) fn push(&mut self, x: f64, values: impl Iterator<Item = f32>) {
        let place = match self.log {
            true => (x.max(1e-9).ln() * PER_E).floor() as i64,
            false => self.rows,
        };
        self.rows += 1;
        let ends = values.map(|value| match value.is_finite() {
            true => [value, value],
            false => [f32::INFINITY, f32::NEG_INFINITY],
        });
        self.pieces.push(Piece { place, x: (x, x), ends: ends.collect() });
    }

    /// The points of a loss, in order of x.
    pub(super) fn points(&self, loss: usize) -> Vec<(f64, f64)> {
        let mut points = Vec::with_capacity(self.pieces.list.len() * 2);
        for piece in &self.pieces.list {
            let (x, [low, high]) = ((piece.x.0 + piece.x.1) / 2.0, piece.ends[loss]);
            if low <= high {
                points.push((x, f64::from(low)));
            }
            if low < high {
                points.push((x, f64::from(high)));
            }
        }
        points
    }
}

/// A moving mean: of so many rows before each row, itself, and so many behind it. At the beginning as many on both
/// sides as there are before it, so that a curve by powers of ten begins where the losses do; fewer behind at the end.
pub(super) struct Mean {
    before: usize,
    behind: usize,
    rows: VecDeque<(f64, Vec<f32>)>,
    sums: Vec<(f64, u32)>,
    /// Rows that came, and that were given a mean.
    seen: usize,
    given: usize,
    /// Rows that left since sums were made anew: a difference of large numbers is not exact.
    left: usize,
}

impl Mean {
    /// Of so many rows in all, at least one.
    pub(super) fn new(window: u64, losses: usize) -> Self {
        let (before, behind) = (window as usize / 2, (window as usize - 1) / 2);
        Self { before, behind, rows: VecDeque::new(), sums: vec![(0.0, 0); losses], seen: 0, given: 0, left: 0 }
    }

    /// Adds a row.
    pub(super) fn push(&mut self, x: f64, values: &[f32], out: &mut Thinned) {
        let mut row = if self.rows.len() > self.before + self.behind { self.leave() } else { Vec::new() };
        row.clear();
        row.extend_from_slice(values);
        add(&mut self.sums, &row);
        self.rows.push_back((x, row));
        let at = self.seen;
        self.seen += 1;
        match at < 2 * self.behind {
            true if at.is_multiple_of(2) => self.give(at / 2, out),
            true => {}
            false => self.give(self.behind, out),
        }
    }

    /// The rows at the end, behind which there are fewer.
    pub(super) fn end(&mut self, out: &mut Thinned) {
        for behind in (0..self.seen - self.given).rev() {
            while self.rows.len() > self.before + behind + 1 {
                self.leave();
            }
            self.give(behind, out);
        }
    }

    fn give(&mut self, behind: usize, out: &mut Thinned) {
        if let Some((x, _)) = self.rows.get(self.rows.len() - 1 - behind) {
            out.push(*x, self.sums.iter().map(|sum| mean(sum) as f32));
        }
        self.given += 1;
    }

    fn leave(&mut self) -> Vec<f32> {
        let Some((_, row)) = self.rows.pop_front() else { return Vec::new() };
        for ((sum, count), value) in self.sums.iter_mut().zip(&row).filter(|(_, value)| value.is_finite()) {
            (*sum, *count) = (*sum - f64::from(*value), *count - 1);
        }
        self.left += 1;
        if self.left > self.before + self.behind {
            self.left = 0;
            self.sums.fill((0.0, 0));
            self.rows.iter().for_each(|(_, row)| add(&mut self.sums, row));
        }
        row
    }
}

/// Adds a row to the sum and the count of each loss; what is not finite is none.
pub(super) fn add(sums: &mut [(f64, u32)], row: &[f32]) {
    for ((sum, count), value) in sums.iter_mut().zip(row).filter(|(_, value)| value.is_finite()) {
        (*sum, *count) = (*sum + f64::from(*value), *count + 1);
    }
}

/// The mean of a sum; NaN of nothing.
pub(super) fn mean((sum, count): &(f64, u32)) -> f64 {
    if *count > 0 { sum / f64::from(*count) } else { f64::NAN }
}
