//! Adam and RMSprop in Keras' form, on the flat arrays of a network.
//!
//! Owned by `trainer::step`; its moments are part of a checkpoint.

use burn::tensor::{Device, Tensor};

use crate::net::cpu::pointwise::AdamStep;
use crate::net::ops;
use crate::net::params::Params;
use crate::net::recipe::Optimiser;

/// Keras' default epsilon.
const EPS: f32 = 1e-7;

/// One network's optimiser: first and second moments of every trained array.
pub struct Moments {
    kind: Optimiser,
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
    /// All zero, for the arrays of `params`.
    pub fn new(kind: Optimiser, rate: f64, params: &Params, device: &Device) -> Self {
        let zeros =
            || params.list.iter().filter(|p| p.trained).map(|p| Tensor::zeros(p.value.dims(), device)).collect();
        Self { kind, rate, count: 0, first: zeros(), second: zeros() }
    }

    /// One update of `params` (plain values) by the gradients of its trained arrays in their order; an array
    /// without one stays as it is. Where nobody else holds an array, it is changed in place.
    ///
    /// Adam (Kingma & Ba 2015, the form at the end of its section 2, which Keras uses):
    /// `rate · sqrt(1 − β2^t) / (1 − β1^t) · m / (sqrt(v) + eps)`.
    pub fn update(&mut self, params: &mut Params, gradients: Vec<Option<Tensor<1>>>) {
        self.count += 1;
        let (beta1, beta2) = match self.kind {
            Optimiser::Adam => (0.5, 0.999),
            Optimiser::AdamDefault => (0.9, 0.999),
            Optimiser::Rmsprop => (0.0, 0.9),
        };
        let t = self.count as f64;
        let rate = match self.kind {
            Optimiser::Rmsprop => self.rate,
            _ => self.rate * (1.0 - f64::powf(beta2, t)).sqrt() / (1.0 - f64::powf(beta1, t)),
        };
        let beta1 = (self.kind != Optimiser::Rmsprop).then_some(beta1 as f32);
        let step = AdamStep { beta1, beta2: beta2 as f32, rate: rate as f32, eps: EPS };
        let trained = params.list.iter_mut().filter(|p| p.trained).zip(gradients);
        for (((param, gradient), m), v) in trained.zip(&mut self.first).zip(&mut self.second) {
            let Some(gradient) = gradient else { continue };
            let taken = [&mut param.value, m, v].map(|kept| std::mem::replace(kept, gradient.clone()));
            let [w, first, second] = taken;
            [param.value, *m, *v] = ops::adam_step([w, gradient, first, second], step);
        }
    }
}
