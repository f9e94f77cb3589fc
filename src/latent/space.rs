//! The space that latents are of: dimensions of z and classes of a model; and how a latent comes over from another one.
//!
//! A latent is z, and beside it a blend of classes if it has one of its own: a number for each class, 0..1, together 1.
//! Made by `generator` of a model at work, read by `sketch`, `show` and `cli`. Absent: where the blend of a latent that
//! has none comes from (`control::classes`).

use std::sync::Arc;

use super::style::Mapped;
use super::{Z, texture};
use crate::random::RandomState;

/// The latent space of a model at work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space {
    /// Dimensions of z.
    pub dim: usize,
    /// Names of the classes; none where the model has no classes.
    pub classes: Arc<Vec<String>>,
    /// Which of the models of a show it is, from 0.
    pub model: u64,
    /// Numbers that say how a picture is drawn beside its z: those of a texture, or of a StyleGAN2 without a w of its own;
    /// 0 where there are none.
    pub manner: usize,
    /// W, where the model has a mapping.
    pub w: Option<Mapped>,
}

impl From<usize> for Space {
    /// Of a model without classes.
    fn from(dim: usize) -> Self {
        Self { dim, ..Self::default() }
    }
}

impl Space {
    /// How many scales a texture has, where the model is one.
    pub fn scales(&self) -> Option<usize> {
        let scales = self.dim / texture::SCORES;
        (self.manner > 0 && self.manner == texture::numbers(scales)).then_some(scales)
    }

    /// Numbers of a w for each layer, where the model has a mapping.
    pub fn layered(&self) -> Option<usize> {
        self.w.as_ref().map(|w| w.0.layers() * w.dim())
    }

    /// Whether so many numbers are a manner of this model.
    pub fn takes(&self, manner: usize) -> bool {
        let more = |w: &Mapped| manner.checked_sub(self.manner).is_some_and(|more| w.fits(more));
        manner == self.manner || self.w.as_ref().is_some_and(more)
    }

    /// One class alone `[classes]`.
    pub fn one(&self, class: usize) -> Vec<f64> {
        (0..self.classes.len()).map(|at| f64::from(u8::from(at == class))).collect()
    }
}

/// Tells the numbers behind a z from those of its seed.
const BEHIND: u32 = 0x6265_6869;

/// A z of `dim` numbers from one of any length. A longer one gives its leading numbers. A shorter one goes on with
/// standard normals of a seed that its own numbers make, so that the same z is the same point each time, and as typical
/// of the new space as it was of its own.
pub fn adapted(z: &[f64], dim: usize) -> Z {
    let mut all: Z = z.iter().copied().take(dim).collect();
    if all.len() < dim {
        // FNV-1a over single precision: what a sketch holds and what is drawn go on alike.
        let hash = z.iter().fold(0xcbf2_9ce4_8422_2325, |h: u64, v| {
            (h ^ u64::from((*v as f32).to_bits())).wrapping_mul(0x0100_0000_01b3)
        });
        let mut random = RandomState::with_key(&[hash as u32, (hash >> 32) as u32, BEHIND]);
        all.extend(random.normals(dim - all.len()));
    }
    all
}

/// The same of numbers as a network takes them.
pub fn adapt(z: &mut Vec<f32>, dim: usize) {
    if z.len() != dim {
        let wide: Z = z.iter().map(|v| f64::from(*v)).collect();
        *z = adapted(&wide, dim).iter().map(|v| *v as f32).collect();
    }
}

/// A blend whose numbers are 0..1 and together 1, from any numbers; none where nothing is left of them. One whose sum
/// is negative belongs to a latent that was turned round, and has its classes.
pub fn whole(blend: &[f64]) -> Vec<f64> {
    let sum: f64 = blend.iter().filter(|v| v.is_finite()).sum();
    let sign = if sum < 0.0 { -1.0 } else { 1.0 };
    let mut parts: Vec<f64> = blend.iter().map(|v| if v.is_finite() { (v * sign).max(0.0) } else { 0.0 }).collect();
    let sum: f64 = parts.iter().sum();
    if sum < 1e-9 {
        return Vec::new();
    }
    parts.iter_mut().for_each(|v| *v /= sum);
    parts
}

/// Blends with weights.
pub fn blended(blends: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; blends.first().map_or(0, Vec::len)];
    for (blend, weight) in blends.iter().zip(weights) {
        out.iter_mut().zip(blend).for_each(|(out, v)| *out += v * weight);
    }
    whole(&out)
}

/// Gives a blend to those that have none: that of the one before, or else of the first that has one.
pub fn filled(blends: &mut [Vec<f64>]) {
    let Some(mut last) = blends.iter().find(|blend| !blend.is_empty()).cloned() else { return };
    for blend in blends {
        if blend.is_empty() {
            blend.clone_from(&last);
        } else {
            last.clone_from(blend);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::seed;
    use super::*;

    #[test]
    fn a_z_of_another_length_is_continued_and_never_filled() {
        let z = seed(3, 100);
        let longer = adapted(&z, 400);
        assert_eq!((&longer[..100], adapted(&z, 400) == longer), (&z[..], true));
        let behind = &longer[100..];
        let mean = behind.iter().sum::<f64>() / 300.0;
        let variance = behind.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 300.0;
        assert!(mean.abs() < 0.2 && (variance - 1.0).abs() < 0.3, "{mean} {variance}");
        // Others go on otherwise, and in single precision alike.
        assert_ne!(adapted(&seed(4, 100), 400)[100..], *behind);
        let mut narrow: Vec<f32> = z.iter().map(|v| *v as f32).collect();
        adapt(&mut narrow, 400);
        assert!(narrow.iter().zip(&longer).all(|(a, b)| *a == *b as f32));
        assert_eq!(adapted(&z, 4), z[..4]);
        assert_eq!((adapted(&[], 2).len(), adapted(&z, 100)), (2, z));
    }

    #[test]
    fn blends_add_up_to_one() {
        assert_eq!(whole(&[0.5, 0.5, 1.0]), [0.25, 0.25, 0.5]);
        assert_eq!(whole(&[-2.0, 0.0]), [1.0, 0.0]);
        assert_eq!(whole(&[3.0, -1.0, f64::NAN]), [1.0, 0.0, 0.0]);
        assert_eq!(whole(&[1.0, -1.0]), [1.0, 0.0]);
        assert!(whole(&[0.0, 0.0]).is_empty() && whole(&[]).is_empty());
        assert_eq!(blended(&[vec![1.0, 0.0], vec![0.0, 1.0]], &[0.3, 0.7]), [0.3, 0.7]);
        let mut list = [vec![], vec![1.0], vec![], vec![2.0], vec![]];
        filled(&mut list);
        assert_eq!(list, [vec![1.0], vec![1.0], vec![1.0], vec![2.0], vec![2.0]]);
    }
}
