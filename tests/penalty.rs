//! The gradient penalty is exact: against finite differences, for every kind of critic.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

use burn::tensor::{Device, Tensor, TensorData};
use flaneur::net::arch::{Activation, Arch};
use flaneur::net::critic::{self, Masks};
use flaneur::net::params::{Params, floats};
use flaneur::random::RandomState;

fn small(kernel: usize, activation: Activation, norm: Option<f32>) -> Arch {
    Arch {
        input_dim: [8, 8, 2],
        critic_conv_filters: vec![3, 4],
        critic_conv_kernel_size: vec![kernel; 2],
        critic_conv_strides: vec![2, 2],
        critic_activation: activation,
        critic_batch_norm_momentum: norm,
        ..Arch::named("small").unwrap()
    }
}

fn tensor(random: &mut RandomState, shape: [usize; 4]) -> Tensor<4> {
    let values: Vec<f32> = random.normals(shape.iter().product()).iter().map(|v| *v as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Weights large enough that the norm of the gradient is about 1, where the penalty bends.
fn params(arch: &Arch, random: &mut RandomState) -> Params {
    let mut params = Params::init(&critic::plans(arch), random, &Device::flex());
    for param in &mut params.list {
        if param.name.ends_with("kernel") {
            param.value = param.value.clone() * 15.0;
        }
    }
    params
}

fn penalty(arch: &Arch, params: &Params, pictures: &Tensor<4>, masks: &Masks) -> Tensor<1> {
    let gradient = critic::input_gradient(arch, params, pictures.clone(), masks);
    let norm = gradient.powi_scalar(2).sum_dim(1).sum_dim(2).sum_dim(3).sqrt();
    (norm.neg() + 1.0).powi_scalar(2).mean()
}

fn first(value: Tensor<1>) -> f64 {
    f64::from(floats(value.inner())[0])
}

fn check(kernel: usize, activation: Activation, norm: Option<f32>, dropped: bool) {
    let name = format!("kernel {kernel}, {activation:?}, batch norm {norm:?}, dropout {dropped}");
    let arch = small(kernel, activation, norm);
    let mut random = RandomState::new(3);
    let params = params(&arch, &mut random);
    let pictures = tensor(&mut random, [3, 8, 8, 2]);
    let masks: Masks = match dropped {
        true => arch
            .critic_layers()
            .iter()
            .map(|g| tensor(&mut random, [3, g.oh(), g.ow(), g.o]).greater_elem(-0.5).float() * 1.25)
            .collect(),
        false => Vec::new(),
    };
    let lifted: Masks = masks.iter().map(|m| m.clone().autodiff()).collect();
    let tracked = params.tracked();
    let mut gradients = penalty(&arch, &tracked, &pictures.clone().autodiff(), &lifted).backward();
    for (at, param) in tracked.list.iter().enumerate().filter(|(_, p)| p.trained) {
        // Biases do not move the gradient of a piecewise-linear network, so they may have none.
        let found = param.value.grad_remove(&mut gradients).map(floats);
        let direction = random.normals(param.shape.iter().product());
        let along = |step: f64| {
            let mut moved = params.clone();
            let step: Vec<f32> = direction.iter().map(|d| (d * step) as f32).collect();
            moved.list[at].value =
                moved.list[at].value.clone() + Tensor::<1>::from_data(TensorData::from(&step[..]), &Device::flex());
            first(penalty(&arch, &moved, &pictures, &masks))
        };
        // Long steps cross the kinks of activations, short ones lose f32's digits: the closest of three.
        let differences = [1e-3, 3e-4, 1e-4].map(|step| (along(step) - along(-step)) / (2.0 * step));
        let exact = found.map_or(0.0, |g| g.iter().zip(&direction).map(|(g, d)| f64::from(*g) * d).sum());
        let close = |d: &f64| (exact - d).abs() < 0.02 * d.abs().max(0.05);
        assert!(differences.iter().any(close), "{name}: {}: {exact} exact, {differences:?} by differences", param.name);
    }
}

#[test]
fn the_penalty_of_the_originals_critic() {
    for kernel in [3, 5] {
        check(kernel, Activation::LeakyRelu, None, false);
    }
}

#[test]
fn the_penalty_with_other_activations() {
    for activation in [Activation::Tanh, Activation::Sigmoid, Activation::Elu, Activation::Linear, Activation::Relu] {
        check(3, activation, None, false);
    }
}

#[test]
fn the_penalty_with_batch_norm_and_dropout() {
    for kernel in [3, 5] {
        check(kernel, Activation::LeakyRelu, None, true);
        check(kernel, Activation::Tanh, Some(0.9), false);
        check(kernel, Activation::LeakyRelu, Some(0.9), true);
    }
}

/// The input gradient itself, against differences of the score.
#[test]
fn the_input_gradient_is_the_gradient_of_the_score() {
    for (kernel, norm) in [(3, None), (5, None), (3, Some(0.9))] {
        let arch = small(kernel, Activation::Tanh, norm);
        let mut random = RandomState::new(5);
        let params = params(&arch, &mut random);
        let (pictures, direction) = (tensor(&mut random, [2, 8, 8, 2]), tensor(&mut random, [2, 8, 8, 2]));
        let score = |x: Tensor<4>| first(critic::score(&arch, &params, x, &Vec::new()).sum());
        let step = 1e-2;
        let expected = (score(pictures.clone() + direction.clone() * step)
            - score(pictures.clone() - direction.clone() * step))
            / (2.0 * step);
        let gradient = critic::input_gradient(&arch, &params, pictures, &Vec::new());
        let exact = first((gradient * direction).sum());
        assert!((exact - expected).abs() < 0.01 * expected.abs().max(0.1), "{exact} exact, {expected} by differences");
    }
}
