//! What a texture is by its features: the products of channels with each other, averaged over places.
//!
//! Tensors in, tensors out; differentiable. Knows no networks.

use burn::tensor::Tensor;

/// `Fᵀ F` over the places of features `[n, h, w, c]`, divided by their number: `[c, c]`
/// (leongatys/PytorchNeuralStyleTransfer, and the course's script).
pub fn gram(features: Tensor<4>) -> Tensor<2> {
    let [n, h, w, _] = features.dims();
    products(features) / (n * h * w) as f64
}

/// The same without a division, for features that have one of their own.
pub fn products(features: Tensor<4>) -> Tensor<2> {
    let [n, h, w, c] = features.dims();
    let rows: Tensor<2> = features.reshape([n * h * w, c]);
    rows.clone().transpose().matmul(rows)
}

/// Mean of the squares of a difference: a number.
pub fn mean_square<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<1> {
    (a - b).powi_scalar(2).mean()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::net::params::floats;

    fn features(values: &[f32], tracked: bool) -> Tensor<4> {
        let made: Tensor<4> = Tensor::from_data(TensorData::new(values.to_vec(), [1, 2, 2, 3]), &Device::flex());
        if tracked { made.autodiff().require_grad() } else { made }
    }

    #[test]
    fn products_are_those_of_channels() {
        let values: Vec<f32> = (0..12).map(|v| v as f32 * 0.1).collect();
        let found = floats(gram(features(&values, false)));
        let by_hand = |a: usize, b: usize| (0..4).map(|at| values[at * 3 + a] * values[at * 3 + b]).sum::<f32>() / 4.0;
        for (at, value) in found.iter().enumerate() {
            assert!((value - by_hand(at / 3, at % 3)).abs() < 1e-6);
        }
        let whole = floats(products(features(&values, false)));
        assert!((whole[4] - 4.0 * found[4]).abs() < 1e-5);
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let values: Vec<f32> = (0..12).map(|v| (v as f32 * 1.7).sin()).collect();
        let target: Tensor<2> = Tensor::zeros([3, 3], &Device::flex());
        let loss = |values: &[f32]| floats(mean_square(gram(features(values, false)), target.clone()))[0];
        let x = features(&values, true);
        let mut gradients = mean_square(gram(x.clone()), target.clone().autodiff()).backward();
        let found = floats(x.grad_remove(&mut gradients).unwrap());
        for at in 0..12 {
            let moved = |by: f32| {
                let mut values = values.clone();
                values[at] += by;
                loss(&values)
            };
            let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((found[at] - expected).abs() < 2e-3, "{at}: {} {expected}", found[at]);
        }
    }
}
