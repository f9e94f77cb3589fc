//! Nearest neighbours: precision and recall (Kynkäänniemi et al. 2019, "Improved precision and recall metric for
//! assessing generative models", with their k of 3), and how alike the pictures of one set are.
//!
//! Every row is the middle of a ball that reaches to its third neighbour in its own set; a picture of the other set
//! lies among this one's if it is in one of the balls. Every pair is measured, so time grows with the square of the
//! count; nothing is kept but three numbers a row. Used by [`super::compare`].

use rayon::prelude::*;

use super::Rows;

/// The neighbour that a ball reaches to.
pub const K: usize = 3;

/// What the rows of a set are to each other.
#[derive(Clone, Debug, Default)]
pub struct Near {
    /// Squared distance of each row to its nearest neighbour.
    pub first: Vec<f32>,
    /// The same to the [`K`]th.
    pub kth: Vec<f32>,
    /// Mean distance of two rows.
    pub mean: f64,
}

impl Near {
    /// Of a set.
    pub fn of(rows: &Rows) -> Self {
        let count = rows.count();
        let one = |at: usize| {
            let (mut nearest, mut sum) = ([f32::INFINITY; K], 0.0);
            for (other, row) in rows.iter().enumerate() {
                if other != at {
                    let squared = squared(rows.row(at), row);
                    sum += f64::from(squared).sqrt();
                    let place = nearest.iter().position(|n| squared < *n).unwrap_or(K);
                    if place < K {
                        nearest[place..].rotate_right(1);
                        nearest[place] = squared;
                    }
                }
            }
            (nearest, sum)
        };
        let all: Vec<([f32; K], f64)> = (0..count).into_par_iter().map(one).collect();
        let pairs = (count * count.saturating_sub(1)).max(1) as f64;
        Self {
            first: all.iter().map(|(nearest, _)| nearest[0]).collect(),
            kth: all.iter().map(|(nearest, _)| nearest[K - 1]).collect(),
            mean: all.iter().map(|(_, sum)| sum).sum::<f64>() / pairs,
        }
    }

    /// The squared distance to the nearest neighbour that 99 of 100 rows exceed.
    pub fn least(&self) -> f32 {
        let mut sorted = self.first.clone();
        sorted.sort_by(f32::total_cmp);
        sorted.get(sorted.len().div_ceil(100).saturating_sub(1)).copied().unwrap_or(0.0)
    }

    /// The share of rows whose nearest neighbour is as near as that or nearer.
    pub fn nearer(&self, least: f32) -> f64 {
        self.first.iter().filter(|first| **first <= least).count() as f64 / self.first.len().max(1) as f64
    }
}

/// The share of `rows` that lie in one of the balls of another set, 0..1.
pub fn among(rows: &Rows, others: &Rows, balls: &Near) -> f64 {
    let inside = |at: &usize| {
        let mut both = others.iter().zip(&balls.kth);
        both.any(|(other, reach)| squared(rows.row(*at), other) <= *reach)
    };
    (0..rows.count()).into_par_iter().filter(inside).count() as f64 / rows.count().max(1) as f64
}

/// The squared distance of two rows; eight sums, so that a processor adds eight at once, in the same order everywhere.
fn squared(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            let d = a[lane] - b[lane];
            sums[lane] += d * d;
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b)).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_on_a_line() {
        let rows = Rows::of(1, vec![0.0, 1.0, 3.0, 7.0, 15.0]);
        let near = Near::of(&rows);
        assert_eq!(near.first, [1.0, 1.0, 4.0, 16.0, 64.0]);
        assert_eq!(near.kth, [49.0, 36.0, 16.0, 49.0, 196.0]);
        let mean = (1.0 + 3.0 + 7.0 + 15.0 + 2.0 + 6.0 + 14.0 + 4.0 + 12.0 + 8.0) / 10.0;
        assert!((near.mean - mean).abs() < 1e-12);
        // −8 is 8 from 0, whose ball ends at 7; 29 is 14 from 15, exactly on the edge of its ball.
        assert_eq!(among(&Rows::of(1, vec![-8.0, -7.0, 29.0, 30.0]), &rows, &near), 0.5);
        assert_eq!(among(&Rows::new(1), &rows, &near), 0.0);
        assert_eq!((near.least(), near.nearer(4.0)), (1.0, 0.6));
    }

    #[test]
    fn long_rows_are_measured_whole() {
        let row = |at: usize| (0..19).map(move |i| if i == at { 3.0 } else { 1.0 });
        let rows = Rows::of(19, (0..19).flat_map(row).collect());
        assert!(Near::of(&rows).first.iter().all(|squared| (squared - 8.0).abs() < 1e-6));
    }
}
