//! The GPU's path gives what the CPU's gives. Runs on whatever adapter there is, software ones too.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]
#![cfg(feature = "gpu")]

mod common;

use burn::tensor::Device;
use flaneur::dataset::store::Store;
use flaneur::latent;
use flaneur::net::arch::Arch;
use flaneur::net::device::{Wanted, choose};
use flaneur::net::draw::Ready;
use flaneur::net::families::dcgan::Dcgan;
use flaneur::net::families::wgan_gp::{Activation, WganGp};
use flaneur::net::params::Params;
use flaneur::random::RandomState;
use flaneur::trainer::step::State;

#[test]
fn an_epoch_and_a_picture_are_the_same_on_both() {
    let Some(gpu) = common::adapter(Wanted::Gpu) else { return };
    let cpu = choose(Wanted::Cpu).unwrap();
    // Every kind of layer: a doubling, a transposed convolution, an odd kernel.
    let arch = Arch::WganGp(WganGp {
        critic_conv_kernel_size: vec![3, 5],
        generator_upsample: vec![2, 1],
        generator_conv_kernel_size: vec![3, 6],
        generator_conv_strides: vec![1, 2],
        ..common::tiny()
    });
    let each = 16 * 16 * 3;
    let data = Store::of_bytes((0..8 * each).map(|i| (i * 31 % 251) as u8).collect(), arch.picture());
    let z: Vec<Vec<f32>> = (0..2).map(|s| latent::seed(s, 8).iter().map(|v| *v as f32).collect()).collect();
    let run = |device| {
        let mut state = State::new(&arch, &common::recipe(), 1, Some(0.9), device);
        let losses: Vec<_> = (0..2).map(|_| state.epoch(&data, 2, device).unwrap()).collect();
        (losses, Ready::new(&arch, state.shown(), true).bytes(&z))
    };
    let ((ours, drawn), (theirs, expected)) = (run(&gpu.device), run(&cpu.device));
    for (a, b) in ours.iter().zip(&theirs) {
        for (a, b) in ["total", "penalty", "generator"].map(|name| (a.get(name).unwrap(), b.get(name).unwrap())) {
            assert!((a - b).abs() < 1e-3 * b.abs().max(1.0), "{ours:?} {theirs:?}");
        }
    }
    assert_eq!(drawn.len(), expected.len());
    assert!(drawn.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 1));
}

/// Random weights. Biases begin at 0 and kernels so small that pictures would be grey.
fn lively(arch: &Arch, device: &Device) -> Params {
    let mut params = Params::init(&arch.generator_plans(), &mut RandomState::new(3), device);
    for param in &mut params.list {
        param.value = param.value.clone() * 4.0 + if param.name.ends_with("bias") { 0.1 } else { 0.0 };
    }
    params
}

/// Widths that are and are not multiples of what is read at once, both forms of the product in the middle and at the
/// end, pictures that fit in a number and that do not, and activations that kernels know and do not.
#[test]
fn every_form_of_a_stage_is_drawn_as_on_the_cpu() {
    let Some(gpu) = common::adapter(Wanted::Gpu) else { return };
    let arch = |first: usize, filters: [usize; 2], kernels: [usize; 2], activation| {
        Arch::WganGp(WganGp {
            input_dim: [12, 20, filters[1]],
            generator_initial_dense_layer_size: [3, 5, first],
            generator_conv_filters: filters.to_vec(),
            generator_conv_kernel_size: kernels.to_vec(),
            generator_activation: activation,
            ..common::tiny()
        })
    };
    for arch in [
        arch(8, [4, 3], [6, 6], Activation::LeakyRelu),
        arch(5, [7, 3], [10, 6], Activation::Relu),
        arch(36, [8, 1], [6, 10], Activation::Elu),
        arch(9, [2, 2], [6, 2], Activation::Linear),
        arch(40, [24, 5], [10, 6], Activation::LeakyRelu),
        arch(16, [32, 4], [6, 6], Activation::Tanh),
        // Windows of which kernels leave taps out, and a first layer of one pixel.
        arch(12, [9, 3], [4, 5], Activation::Relu),
        Arch::Dcgan(Dcgan { size: 16, z_dim: 8, features: 6, ..Dcgan::default() }),
    ] {
        let z: Vec<Vec<f32>> = (0..3).map(|s| latent::seed(s, 8).iter().map(|v| *v as f32).collect()).collect();
        let ready = |device: &Device| {
            let params = lively(&arch, device);
            (Ready::new(&arch, &params, true), Ready::reference(&arch, &params))
        };
        let (_, reference) = ready(&Device::flex());
        let expected = reference.bytes(&z);
        let (drawn, plain) = ready(&gpu.device);
        assert!(drawn.way().contains("matrix product"), "{}", drawn.way());
        let spread = expected.iter().max().unwrap() - expected.iter().min().unwrap();
        assert!(spread > 60, "pictures that show nothing agree whatever is wrong: {spread}");
        for ready in [drawn, plain] {
            let bytes = ready.bytes(&z);
            assert_eq!(bytes.len(), expected.len());
            let apart = bytes.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(apart <= Some(1), "{apart:?} levels: {}", ready.way());
        }
    }
}

/// Whose maps take more than an adapter binds at once, so that they go through the network in parts.
#[test]
fn more_pictures_than_fit_in_an_array_are_drawn() {
    let Some(gpu) = common::adapter(Wanted::Gpu) else { return };
    let arch = Arch::WganGp(WganGp {
        input_dim: [256, 256, 3],
        generator_initial_dense_layer_size: [64, 64, 2],
        generator_conv_filters: vec![64, 3],
        generator_conv_kernel_size: vec![2, 2],
        ..common::tiny()
    });
    // Four MiB a picture between its two stages.
    let z: Vec<Vec<f32>> = (0..34).map(|s| latent::seed(s, 8).iter().map(|v| *v as f32).collect()).collect();
    let drawn = |device: &Device| Ready::new(&arch, &lively(&arch, device), true).bytes(&z);
    let (drawn, expected) = (drawn(&gpu.device), drawn(&Device::flex()));
    assert_eq!(drawn.len(), expected.len());
    assert!(drawn.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 1));
}

#[test]
fn pictures_that_are_begun_together_come_in_order() {
    let Some(gpu) = common::adapter(Wanted::Gpu) else { return };
    let arch = Arch::named("small").unwrap();
    let params = Params::init(&arch.generator_plans(), &mut RandomState::new(1), &gpu.device);
    let ready = Ready::new(&arch, &params, true);
    let z: Vec<Vec<f32>> = (0..8).map(|s| latent::seed(s, 100).iter().map(|v| *v as f32).collect()).collect();
    // The first compiles.
    let expected = ready.bytes(&z);
    // Whether they overlap is the driver's: a software one takes its time in the call that begins.
    let (first, mut second) = (ready.begin(&z), ready.begin(&z[4..]));
    assert_eq!(first.wait(), expected);
    second.look();
    assert_eq!(second.wait(), expected[expected.len() / 2..]);
}
