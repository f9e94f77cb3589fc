//! Randomness in a sketch's hand: one stream of numbers from a seed.
//!
//! Given to a drawing sketch as `r`, seeded from the seed of the data set and the picture's number alone, so that it
//! does not matter who draws which picture; `randomness(seed)` makes one anywhere. The stream is numpy's (see
//! [`crate::random`]); the logarithm of normal numbers is the same on every machine.

use rune::Any;

use crate::random::RandomState;

/// A stream of random numbers.
#[derive(Any)]
#[rune(item = ::flaneur)]
pub struct Random {
    state: RandomState,
    spare: Option<f64>,
}

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u32) -> Self {
        Self { state: RandomState::new(seed), spare: None }
    }

    /// The stream of picture `index` of a data set.
    pub fn of_picture(seed: u32, index: u64) -> Self {
        Self { state: RandomState::with_key(&[seed, index as u32, (index >> 32) as u32]), spare: None }
    }

    /// Uniform on [0, 1).
    pub fn share(&mut self) -> f64 {
        self.state.uniform()
    }

    /// A whole number uniform on `0..below`.
    pub fn below(&mut self, below: usize) -> usize {
        self.state.below(below)
    }

    /// `0..len` in random order.
    pub fn order(&mut self, len: usize) -> Vec<usize> {
        self.state.permutation(len)
    }

    /// Standard normal (Marsaglia's polar method).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (2.0 * self.share() - 1.0, 2.0 * self.share() - 1.0);
            let r2 = x * x + y * y;
            if r2 < 1.0 && r2 != 0.0 {
                let f = (-2.0 * libm::log(r2) / r2).sqrt();
                self.spare = Some(f * x);
                return f * y;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_program() {
        let (mut ours, mut theirs) = (Random::of_picture(5, 9), RandomState::with_key(&[5, 9, 0]));
        for _ in 0..1000 {
            assert_eq!(ours.share(), theirs.uniform());
            assert!((ours.normal() - theirs.normal()).abs() < 1e-12);
        }
        assert_ne!(Random::of_picture(5, 9).share(), Random::of_picture(5, 10).share());
        assert_ne!(Random::of_picture(5, 1 << 32).share(), Random::of_picture(5, 0).share());
    }
}
