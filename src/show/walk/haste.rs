//! The governor of a slow machine: where pictures of a StyleGAN2 take too long, blocks of the network are left out.
//!
//! Each block that is left out halves the picture, which is doubled again, and makes it several times faster. Fed by the
//! show with what pictures took; asked by the walk. A hand at `/flaneur/fewer` has the last word, and films draw all.

/// Seconds that a picture may take.
const SLOW: f64 = 0.1;
/// Below this share of it one more block would do.
const EASY: f64 = 0.18;
/// Seconds after which something is changed, to less and to more.
const LESS: f64 = 1.0;
const MORE: f64 = 6.0;

/// How many blocks are left out, and since when pictures have been slow, or quick.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Haste {
    fewer: usize,
    slow: Option<f64>,
    easy: Option<f64>,
}

impl Haste {
    /// Blocks that are left out.
    pub fn fewer(self) -> usize {
        self.fewer
    }

    /// A picture took so many seconds at `real`; whether that changed anything. At most `most` blocks are left out.
    pub fn follow(&mut self, took: f64, most: usize, real: f64) -> bool {
        let since = |slot: &mut Option<f64>, on: bool| match on {
            true => real - *slot.get_or_insert(real),
            false => {
                *slot = None;
                0.0
            }
        };
        let slow = since(&mut self.slow, took > SLOW && self.fewer < most);
        let easy = since(&mut self.easy, took < SLOW * EASY && self.fewer > 0);
        let before = self.fewer;
        if slow >= LESS {
            self.fewer += 1;
        } else if easy >= MORE {
            self.fewer -= 1;
        }
        let changed = self.fewer != before;
        if changed {
            (self.slow, self.easy) = (None, None);
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_pictures_get_smaller_and_quick_ones_larger_again() {
        let mut haste = Haste::default();
        let mut run = |took: f64, from: f64, secs: f64| {
            (0..=(secs * 10.0) as u32).filter(|i| haste.follow(took, 2, from + f64::from(*i) / 10.0)).count()
        };
        assert_eq!(run(0.5, 0.0, 0.5), 0);
        assert_eq!(run(0.05, 0.6, 5.0), 0);
        assert_eq!(run(0.5, 6.0, 10.0), 2);
        assert_eq!(run(0.05, 20.0, 60.0), 0);
        assert_eq!(run(0.01, 90.0, 7.0), 1);
        assert_eq!(haste.fewer(), 1);
    }
}
