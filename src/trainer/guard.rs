//! Whether losses are still those of a training: in the range that the last few hundred epochs have shown.
//!
//! Asked by `trainer::run` after every epoch of a training that is watched; what it doubts is not published.
//! Critics wander and jump, so the range is wide: it is meant for what grows without end.

use std::collections::VecDeque;

use super::losses::Losses;

/// Epochs that are remembered.
const WINDOW: usize = 256;
/// Epochs that make a range.
const WARM: usize = 64;
/// Epochs in a row out of range that are no accident any more.
const PATIENCE: u32 = 3;
/// Deviations from the median that are in range.
const REACH: f32 = 50.0;

/// What the losses of an epoch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As so far.
    InRange,
    /// Out of range, perhaps by accident.
    Outlier,
    /// Out of range too often to be an accident, or no numbers.
    Diverged,
}

/// The range that the losses have shown.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Losses of the last epochs in range.
    seen: VecDeque<[f32; 3]>,
    /// Epochs out of range, in a row.
    outliers: u32,
}

impl Guard {
    /// Checks an epoch, and learns from it if it is in range.
    pub fn check(&mut self, losses: &Losses) -> Verdict {
        let penalty = losses.get("penalty").unwrap_or(0.0);
        let values = [losses.critic(), penalty, losses.generator()];
        if self.knows() && (0..3).any(|which| self.far(which, values[which])) {
            self.outliers += 1;
            return if self.outliers < PATIENCE { Verdict::Outlier } else { Verdict::Diverged };
        }
        self.outliers = 0;
        if self.seen.len() == WINDOW {
            self.seen.pop_front();
        }
        self.seen.push_back(values);
        Verdict::InRange
    }

    /// Whether it has seen enough to know a range.
    pub fn knows(&self) -> bool {
        self.seen.len() >= WARM
    }

    /// Whether the last epoch was out of range.
    pub fn doubts(&self) -> bool {
        self.outliers > 0
    }

    /// Learns anew: other data, other weights.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    fn far(&self, which: usize, value: f32) -> bool {
        let middle = median(self.seen.iter().map(|values| values[which]));
        let deviation = median(self.seen.iter().map(|values| (values[which] - middle).abs()));
        (value - middle).abs() > REACH * deviation.max(0.25 * middle.abs()).max(1.0)
    }
}

fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::losses::Kind;
    use super::*;

    fn losses(total: f32) -> Losses {
        let values = [total, 0.0, 0.0, 1.0, 5.0];
        Losses { epoch: 0, critic_steps: 5, kind: Kind::Wasserstein, values, diversity: None }
    }

    /// The shape of the original's curve: thousands at first, a long fall, then a plateau that wanders.
    #[test]
    fn the_course_of_a_training_is_fine() {
        let mut guard = Guard::default();
        for epoch in 0..2000 {
            let fall = -2000.0 * (-(epoch as f32) / 60.0).exp();
            let wander = 40.0 * (epoch as f32 * 0.7).sin() * (epoch as f32 * 0.013).cos();
            assert_eq!(guard.check(&losses(fall - 60.0 + wander)), Verdict::InRange, "epoch {epoch}");
        }
    }

    #[test]
    fn what_grows_without_end_is_noticed_before_it_is_no_number() {
        let mut guard = Guard::default();
        let mut total = -60.0;
        let found = (0..1000).find(|_| {
            total *= 1.1;
            guard.check(&losses(total)) == Verdict::Diverged
        });
        assert!(found.is_some() && total.is_finite(), "{total}");
    }

    #[test]
    fn one_outlier_is_no_divergence() {
        let mut guard = Guard::default();
        (0..100).for_each(|_| assert_eq!(guard.check(&losses(-60.0)), Verdict::InRange));
        assert_eq!(guard.check(&losses(1e6)), Verdict::Outlier);
        assert!(guard.doubts());
        assert_eq!(guard.check(&losses(-60.0)), Verdict::InRange);
        assert!(!guard.doubts());
        let all: Vec<_> = (0..3).map(|_| guard.check(&losses(1e6))).collect();
        assert_eq!(all, [Verdict::Outlier, Verdict::Outlier, Verdict::Diverged]);
        guard.reset();
        assert_eq!(guard.check(&losses(1e6)), Verdict::InRange);
    }
}
