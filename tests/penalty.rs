//! The gradient penalty is exact: against finite differences, for every kind of critic.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

use burn::tensor::{Device, Tensor, TensorData};
use flaneur::net::chain::Masks;
use flaneur::net::cpu::critic_objective::{Batch, Buffers, Stack, objective};
use flaneur::net::critic;
use flaneur::net::families::Family;
use flaneur::net::families::wgan_gp::{Activation, WganGp};
use flaneur::net::layers::{Chain, Layer};
use flaneur::net::ops;
use flaneur::net::params::{Params, floats};
use flaneur::random::RandomState;

fn small(kernel: usize, activation: Activation, norm: Option<f32>, dropout: bool) -> Chain {
    let arch = WganGp {
        input_dim: [8, 8, 2],
        critic_conv_filters: vec![3, 4],
        critic_conv_kernel_size: vec![kernel; 2],
        critic_conv_strides: vec![2, 2],
        critic_activation: activation,
        critic_batch_norm_momentum: norm,
        critic_dropout_rate: dropout.then_some(0.2),
        ..WganGp::small()
    };
    arch.critic().unwrap()
}

fn tensor(random: &mut RandomState, shape: [usize; 4]) -> Tensor<4> {
    let values: Vec<f32> = random.normals(shape.iter().product()).iter().map(|v| *v as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Weights large enough that the norm of the gradient is about 1, where the penalty bends.
fn params(arch: &Chain, random: &mut RandomState) -> Params {
    let mut params = Params::init(&arch.plans(), random, &Device::flex());
    for param in &mut params.list {
        if param.name.ends_with("kernel") {
            param.value = param.value.clone() * 15.0;
        }
    }
    params
}

fn penalty(arch: &Chain, params: &Params, pictures: &Tensor<4>, masks: &Masks) -> Tensor<1> {
    let gradient = critic::input_gradient(arch, params, pictures.clone(), masks);
    let norm = gradient.powi_scalar(2).sum_dim(1).sum_dim(2).sum_dim(3).sqrt();
    (norm.neg() + 1.0).powi_scalar(2).mean()
}

fn first(value: Tensor<1>) -> f64 {
    f64::from(floats(value.inner())[0])
}

fn check(kernel: usize, activation: Activation, norm: Option<f32>, dropped: bool) {
    let name = format!("kernel {kernel}, {activation:?}, batch norm {norm:?}, dropout {dropped}");
    let arch = small(kernel, activation, norm, dropped);
    let mut random = RandomState::new(3);
    let params = params(&arch, &mut random);
    let pictures = tensor(&mut random, [3, 8, 8, 2]);
    let masks = if dropped { masks(&arch, &mut random, 3) } else { Masks::new() };
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

fn masks(arch: &Chain, random: &mut RandomState, n: usize) -> Masks {
    let mut mask = |values: usize| {
        let drawn = tensor(random, [n, 1, 1, values]).greater_elem(-0.5).float() * 1.25;
        drawn.reshape([n, values])
    };
    let drops = arch.walk().filter(|(_, layer, _)| matches!(layer, Layer::Dropout { .. }));
    drops.map(|(_, _, input)| mask(input.len())).collect()
}

/// The loss that is written out for the CPU, against burn's autodiff of the same loss.
fn check_written_out(arch: &Chain, planes: usize, params: &Params, random: &mut RandomState, dropped: bool) {
    let [h, w, c] = arch.input.map();
    let (n, weight) = (3, 10.0);
    let name = format!("{:?}, dropout {dropped}", arch.layers);
    let stack = Stack::of(arch).unwrap_or_else(|| panic!("{name}")).with_planes(planes);
    let [real, fake] = [(); 2].map(|()| tensor(random, [n, h, w, c]));
    let alpha: Vec<f32> = (0..n).map(|_| random.uniform() as f32).collect();
    let masks = [(); 3].map(|()| if dropped { masks(arch, random, n) } else { Masks::new() });
    let lists = [floats(real.clone()), floats(fake.clone())];
    let batch = Batch { real: &lists[0], fake: &lists[1], alpha: &alpha };
    let mut buffers = Buffers::default();
    // The second time in memory that holds no number any more.
    let none = vec![f32::NAN; lists[0].len()];
    objective(&stack, weight, params, &Batch { real: &none, fake: &none, alpha: &alpha }, &masks, &mut buffers);
    let found = objective(&stack, weight, params, &batch, &masks, &mut buffers);

    let tracked = params.tracked();
    let share = Tensor::<1>::from_data(&alpha[..], &Device::flex()).reshape([n, 1, 1, 1]);
    let between = real.clone() * share.clone() + fake.clone() * (share.neg() + 1.0);
    let [real_masks, fake_masks, masks] = masks.map(|m| m.into_iter().map(Tensor::autodiff).collect::<Masks>());
    let real = critic::score(arch, &tracked, real.autodiff(), &real_masks).mean().neg();
    let fake = critic::score(arch, &tracked, fake.autodiff(), &fake_masks).mean();
    let gradient = critic::input_gradient(arch, &tracked, between.autodiff(), &masks).narrow(3, 0, c - planes);
    let penalty = (ops::row_norms(gradient).neg() + 1.0).powi_scalar(2).mean();
    let mut gradients = (real.clone() + fake.clone() + penalty.clone() * weight as f32).backward();

    let near = |a: f64, b: f64, scale: f64| (a - b).abs() < 1e-4 * scale.max(0.1);
    for (what, found, expected) in
        [("real", found.real, real), ("fake", found.fake, fake), ("penalty", found.penalty, penalty)]
    {
        let expected = first(expected);
        assert!(near(f64::from(found), expected, expected.abs().max(0.1)), "{name}: {what} {found} {expected}");
    }
    assert_eq!(found.gradients.len(), params.list.len(), "{name}");
    assert_eq!(found.gradients.last().unwrap(), &[0.0], "{name}: real and drawn pictures cancel");
    for ((param, gradient), plain) in
        tracked.list.iter().zip(&found.gradients).zip(tracked.clone().gradients(&mut gradients))
    {
        let expected = floats(plain.unwrap());
        let largest = expected.iter().fold(0.0, |most: f32, v| most.max(v.abs()));
        assert_eq!(gradient.len(), expected.len(), "{name}: {}", param.name);
        for (a, b) in gradient.iter().zip(&expected) {
            assert!(near(f64::from(*a), f64::from(*b), f64::from(largest)), "{name}: {}: {a} {b}", param.name);
        }
    }
}

#[test]
fn the_loss_written_out_is_the_loss_of_autodiff() {
    let mut random = RandomState::new(7);
    for activation in [Activation::LeakyRelu, Activation::Relu, Activation::Linear] {
        for dropped in [false, true] {
            for kernel in [3, 5] {
                let arch = small(kernel, activation, None, dropped);
                let mut params = params(&arch, &mut random);
                // Fresh biases are 0 and would hide what they do.
                for param in params.list.iter_mut().filter(|p| p.name.ends_with("bias")) {
                    param.value = param.value.clone() + 0.1;
                }
                check_written_out(&arch, 0, &params, &mut random, dropped);
                // As if one of the two channels were the plane of a class.
                check_written_out(&arch, 1, &params, &mut random, dropped);
            }
        }
    }
    let arch = WganGp { input_dim: [32, 32, 3], ..WganGp::small() }.critic().unwrap();
    let params = params(&arch, &mut random);
    check_written_out(&arch, 0, &params, &mut random, false);
    let arch = WganGp { input_dim: [32, 32, 3], classes: 4, conditional: true, ..WganGp::small() }.critic().unwrap();
    let params = self::params(&arch, &mut random);
    check_written_out(&arch, 4, &params, &mut random, false);
    for arch in [small(3, Activation::Tanh, None, false), small(3, Activation::LeakyRelu, Some(0.9), false)] {
        assert!(Stack::of(&arch).is_none());
    }
}

/// The input gradient itself, against differences of the score.
#[test]
fn the_input_gradient_is_the_gradient_of_the_score() {
    for (kernel, norm) in [(3, None), (5, None), (3, Some(0.9))] {
        let arch = small(kernel, Activation::Tanh, norm, false);
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
