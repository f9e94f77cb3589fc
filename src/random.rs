//! One source of random numbers for the whole program: numpy's `RandomState`.
//!
//! Everyone asks here; a seed therefore means the same in a dataset, in training and on stage, and
//! the same as in the tools people come from. MT19937 with 53-bit doubles and the polar method of
//! Marsaglia, as numpy's legacy generator draws them.

use rand_mt::Mt;

/// numpy's legacy generator.
pub struct RandomState {
    twister: Mt,
    spare: Option<f64>,
}

impl RandomState {
    /// `numpy.random.RandomState(seed)`.
    pub fn new(seed: u32) -> Self {
        Self { twister: Mt::new(seed), spare: None }
    }

    /// `numpy.random.RandomState(key)` for an array of integers: streams that do not meet.
    pub fn with_key(key: &[u32]) -> Self {
        Self { twister: Mt::new_with_key(key.iter().copied()), spare: None }
    }

    /// Uniform on [0, 1), `random_sample()`.
    pub fn uniform(&mut self) -> f64 {
        let high = f64::from(self.twister.next_u32() >> 5);
        let low = f64::from(self.twister.next_u32() >> 6);
        (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0
    }

    /// Standard normal, `randn()`.
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let r2 = x * x + y * y;
            if r2 < 1.0 && r2 != 0.0 {
                let f = (-2.0 * r2.ln() / r2).sqrt();
                self.spare = Some(f * x);
                return f * y;
            }
        }
    }

    /// An integer uniform on `0..below` (0 for `below` 0).
    pub fn below(&mut self, below: usize) -> usize {
        (self.uniform() * below as f64) as usize
    }

    /// `0..len` in random order (Fisher-Yates).
    pub fn permutation(&mut self, len: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..len).collect();
        for i in (1..len).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }

    /// `count` standard normals.
    pub fn normals(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.normal()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values printed by numpy 2: `RandomState(0).randn(4)`, `RandomState(7).randn(3)`,
    /// `RandomState(4294967295).random_sample(2)`, `RandomState([1, 2, 3]).randn(2)`.
    #[test]
    fn a_seed_means_what_it_means_in_numpy() {
        let close = |a: Vec<f64>, b: &[f64]| a.iter().zip(b).for_each(|(a, b)| assert_eq!(a.to_bits(), b.to_bits()));
        close(RandomState::new(0).normals(4), &NUMPY_0);
        close(RandomState::new(7).normals(3), &NUMPY_7);
        let mut last = RandomState::new(u32::MAX);
        close(vec![last.uniform(), last.uniform()], &NUMPY_LAST);
        close(RandomState::with_key(&[1, 2, 3]).normals(2), &NUMPY_KEY);
    }

    const NUMPY_0: [f64; 4] = [1.764052345967664, 0.4001572083672233, 0.9787379841057392, 2.240893199201458];
    const NUMPY_7: [f64; 3] = [1.690525703800356, -0.4659373705408328, 0.0328201636785844];
    const NUMPY_LAST: [f64; 2] = [0.0976320289940138, 0.9123828453026218];
    const NUMPY_KEY: [f64; 2] = [0.8985824482099501, 0.25528876596298244];

    #[test]
    fn a_permutation_holds_everything_once() {
        let mut order = RandomState::new(1).permutation(100);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
