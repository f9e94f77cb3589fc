//! Whether a generator still makes different pictures: how far apart those of a few fixed z are, and the watch over it.
//!
//! Measured by `trainer::run` where samples are due and after every pass; said, and kept beside the losses. A generator
//! whose pictures become alike has collapsed to a few modes (Goodfellow 2016, arXiv 1701.00160, section 5.1).

/// Pictures that are compared.
pub const COUNT: usize = 16;
/// Pictures of the data that are.
pub const DATA: usize = 256;
/// Below this share of the data's diversity the pictures are alike.
const ALIKE: f32 = 0.25;
/// They were different once they had this share of it.
const DIFFERENT: f32 = 0.5;
/// Measurements after which pictures that never were different are said to be alike.
const PATIENCE: u32 = 20;

/// The root of the mean squared difference between two of the pictures, over all pairs, pixels and channels, in 0..1.
/// Each picture is `each` bytes; 0 of fewer than two.
pub fn diversity(bytes: &[u8], each: usize) -> f32 {
    let count = bytes.len() / each.max(1);
    if count < 2 {
        return 0.0;
    }
    // The mean over pairs is twice the variance without its bias.
    let mut sum = 0.0;
    for at in 0..each {
        let values = bytes.iter().skip(at).step_by(each).map(|v| f64::from(*v) / 255.0);
        let (total, squares) = values.fold((0.0, 0.0), |(total, squares), v| (total + v, squares + v * v));
        sum += squares - total * total / count as f64;
    }
    (2.0 * sum.max(0.0) / ((count - 1) * each) as f64).sqrt() as f32
}

/// What it has seen.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// That of the data, once measured.
    data: Option<f32>,
    seen: u32,
    different: bool,
    said: bool,
}

impl Watch {
    /// Learns anew: other data, other weights.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// That of the data, once it was measured.
    pub fn data(&self) -> Option<f32> {
        self.data
    }

    /// Takes what was measured of the data.
    pub fn set_data(&mut self, diversity: f32) -> f32 {
        *self.data.insert(diversity)
    }

    /// Takes a measurement beside that of the data; says once what to do where pictures have become alike.
    pub fn look(&mut self, diversity: f32, data: f32) -> Option<String> {
        self.seen += 1;
        if diversity > DIFFERENT * data {
            (self.different, self.said) = (true, false);
        }
        let alike = diversity < ALIKE * data && (self.different || self.seen >= PATIENCE);
        if !alike || std::mem::replace(&mut self.said, true) {
            return None;
        }
        Some(format!(
            "the pictures of {COUNT} fixed z have become alike (diversity {diversity:.3}, that of the data is \
             {data:.3}): mode collapse; lower the rates, rest the critic (skip_below), or go back to an earlier state"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_distance_between_pictures() {
        assert_eq!(diversity(&[0, 0, 255, 255], 2), 1.0);
        assert_eq!((diversity(&[7; 30], 3), diversity(&[1, 2], 2), diversity(&[], 0)), (0.0, 0.0, 0.0));
        // Over pairs: √((1 + 1 + 0) / 3) of one pixel.
        assert!((diversity(&[0, 255, 255], 1) - (2.0f32 / 3.0).sqrt()).abs() < 1e-6);
    }

    #[test]
    fn a_collapse_is_said_once_and_an_untrained_network_is_none() {
        let mut watch = Watch::default();
        assert_eq!((watch.data(), watch.set_data(0.4), watch.data()), (None, 0.4, Some(0.4)));
        assert_eq!([0.01, 0.02, 0.3].map(|d| watch.look(d, 0.4)), [None, None, None]);
        assert!(watch.look(0.05, 0.4).unwrap().contains("mode collapse"));
        assert_eq!((watch.look(0.05, 0.4), watch.look(0.3, 0.4)), (None, None));
        assert!(watch.look(0.05, 0.4).is_some());
        watch.reset();
        let said: Vec<bool> = (0..30).map(|_| watch.look(0.0, 0.4).is_some()).collect();
        assert_eq!(said.iter().position(|said| *said), Some(PATIENCE as usize - 1));
    }
}
