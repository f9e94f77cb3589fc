//! Adam and RMSprop in Keras' form and Adam in PyTorch's, on the flat arrays of a network.
//!
//! Owned by `trainer::step`; its moments are part of a checkpoint.

use burn::tensor::{Device, Tensor};

use crate::net::cpu::pointwise::AdamStep;
use crate::net::ops;
use crate::net::params::Params;
use crate::net::recipe::{Optimiser, Recipe};

/// Keras' default epsilon.
const EPS: f64 = 1e-7;
/// PyTorch's.
const TORCH_EPS: f64 = 1e-8;

/// One network's optimiser: first and second moments of every trained array.
pub struct Moments {
    kind: Optimiser,
    weight_decay: f64,
    rate_decay: f64,
    /// Learning rate.
    pub rate: f64,
    /// Updates done.
    pub count: u64,
    /// First moments, in the order of the trained arrays.
    pub first: Vec<Tensor<1>>,
    /// Second moments, likewise.
    pub second: Vec<Tensor<1>>,
}

impl Moments {
    /// All zero, for the arrays of `params`; the rate is that of one of the recipe's two networks.
    pub fn new(recipe: &Recipe, rate: f64, params: &Params, device: &Device) -> Self {
        let zeros =
            || params.list.iter().filter(|p| p.trained).map(|p| Tensor::zeros(p.value.dims(), device)).collect();
        Self {
            kind: recipe.optimiser,
            weight_decay: recipe.weight_decay,
            rate_decay: recipe.rate_decay,
            rate,
            count: 0,
            first: zeros(),
            second: zeros(),
        }
    }

    /// One update of `params` (plain values) by the gradients of its trained arrays in their order; an array
    /// without one stays as it is. Where nobody else holds an array, it is changed in place.
    ///
    /// Adam (Kingma & Ba 2015, the form at the end of its section 2, which Keras uses):
    /// `rate · sqrt(1 − β2^t) / (1 − β1^t) · m / (sqrt(v) + eps)`. PyTorch's is the same with
    /// `eps · sqrt(1 − β2^t)`, since it corrects the root first.
    pub fn update(&mut self, params: &mut Params, gradients: Vec<Option<Tensor<1>>>) {
        let rate = self.rate / (1.0 + self.rate_decay * self.count as f64);
        self.count += 1;
        let (beta1, beta2) = match self.kind {
            Optimiser::Adam | Optimiser::AdamTorch => (0.5, 0.999),
            Optimiser::AdamDefault => (0.9, 0.999),
            Optimiser::Rmsprop => (0.0, 0.9),
        };
        let t = self.count as f64;
        let root = (1.0 - f64::powf(beta2, t)).sqrt();
        let rate = match self.kind {
            Optimiser::Rmsprop => rate,
            _ => rate * root / (1.0 - f64::powf(beta1, t)),
        };
        let eps = if self.kind == Optimiser::AdamTorch { TORCH_EPS * root } else { EPS };
        let beta1 = (self.kind != Optimiser::Rmsprop).then_some(beta1 as f32);
        let decay = self.weight_decay as f32;
        let step = AdamStep { beta1, beta2: beta2 as f32, rate: rate as f32, eps: eps as f32, decay };
        let trained = params.list.iter_mut().filter(|p| p.trained).zip(gradients);
        for (((param, gradient), m), v) in trained.zip(&mut self.first).zip(&mut self.second) {
            let Some(gradient) = gradient else { continue };
            let taken = [&mut param.value, m, v].map(|kept| std::mem::replace(kept, gradient.clone()));
            let [w, first, second] = taken;
            [param.value, *m, *v] = ops::adam_step([w, gradient, first, second], step);
        }
    }
}
