//! Long rows as short ones that keep their distances, by a fixed sparse random matrix (Kane & Nelson 2014, "Sparser
//! Johnson-Lindenstrauss transforms"): each number goes to eight of the sums, with a random sign.
//!
//! Used by [`super::filters`] and `model::critic`. The matrix depends on the seed and the length alone.

use super::DIM;
use crate::random::RandomState;

/// Sums that each number goes to.
const TO: usize = 8;
/// Numbers that have their own place each; rows as short as that stay as they are.
const BLOCK: usize = DIM / TO;

/// From rows of one length to rows of [`DIM`] numbers, or as they are where they are not longer.
#[derive(Clone, Debug)]
pub struct Projection {
    from: usize,
    /// Where each number goes, and with which sign; empty if rows stay as they are.
    places: Vec<[(u8, f32); TO]>,
}

impl Projection {
    /// Of rows of `from` numbers.
    pub fn new(from: usize, seed: u32) -> Self {
        if from <= DIM {
            return Self { from, places: Vec::new() };
        }
        let mut random = RandomState::with_key(&[seed, from as u32]);
        let weight = 1.0 / (TO as f32).sqrt();
        // One sum of each eighth, so that no two of a number's are the same.
        let mut place = |block: usize| {
            let sum = block * BLOCK + random.below(BLOCK);
            (sum as u8, if random.below(2) == 0 { weight } else { -weight })
        };
        Self { from, places: (0..from).map(|_| std::array::from_fn(&mut place)).collect() }
    }

    /// Numbers in a row that comes out.
    pub fn dim(&self) -> usize {
        self.from.min(DIM)
    }

    /// One row.
    pub fn row(&self, row: &[f32]) -> Vec<f32> {
        if self.places.is_empty() {
            return row.to_vec();
        }
        let mut out = vec![0.0; DIM];
        for (value, places) in row.iter().zip(&self.places) {
            places.iter().for_each(|(place, weight)| out[usize::from(*place)] += weight * value);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_stay_about_the_same() {
        let projection = Projection::new(3000, 1);
        let mut random = RandomState::new(2);
        let mut ratios = Vec::new();
        for _ in 0..50 {
            let row: Vec<f32> = random.normals(3000).iter().map(|v| *v as f32).collect();
            let length = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            ratios.push(length(&projection.row(&row)) / length(&row));
        }
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        assert!((mean - 1.0).abs() < 0.05 && ratios.iter().all(|r| (0.75..1.25).contains(r)), "{ratios:?}");
    }

    #[test]
    fn short_rows_stay() {
        let projection = Projection::new(3, 1);
        assert_eq!((projection.dim(), projection.row(&[1.0, 2.0, 3.0])), (3, vec![1.0, 2.0, 3.0]));
        assert_eq!(Projection::new(DIM + 1, 1).row(&[1.0; DIM + 1]).len(), DIM);
    }
}
