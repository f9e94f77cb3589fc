//! The GPU's path gives what the CPU's gives. Runs on whatever adapter there is, software ones too.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]
#![cfg(feature = "gpu")]

mod common;

use flaneur::latent;
use flaneur::net::arch::Arch;
use flaneur::net::device::{Wanted, choose};
use flaneur::net::generator::{self, Ready};
use flaneur::net::params::Params;
use flaneur::random::RandomState;
use flaneur::trainer::step::{Data, State};

#[test]
fn an_epoch_and_a_picture_are_the_same_on_both() {
    let gpu = match choose(Wanted::Gpu) {
        Ok(chosen) => chosen,
        Err(reason) => return println!("skipped: {reason}"),
    };
    println!("on {}", gpu.name);
    let cpu = choose(Wanted::Cpu).unwrap();
    // Every kind of layer: a doubling, a transposed convolution, an odd kernel.
    let arch = Arch {
        critic_conv_kernel_size: vec![3, 5],
        generator_upsample: vec![2, 1],
        generator_conv_kernel_size: vec![3, 6],
        generator_conv_strides: vec![1, 2],
        ..common::tiny()
    };
    let each = 16 * 16 * 3;
    let data = Data { bytes: (0..8 * each).map(|i| (i * 31 % 251) as u8).collect(), each };
    let z: Vec<Vec<f32>> = (0..2).map(|s| latent::seed(s, 8).iter().map(|v| *v as f32).collect()).collect();
    let run = |device| {
        let mut state = State::new(&arch, 1, Some(0.9), device);
        let losses: Vec<_> = (0..2).map(|_| state.epoch(&data, 2, device)).collect();
        (losses, Ready::new(&arch, state.shown(), true).bytes(&z))
    };
    let ((ours, drawn), (theirs, expected)) = (run(&gpu.device), run(&cpu.device));
    for (a, b) in ours.iter().zip(&theirs) {
        for (a, b) in [(a.total, b.total), (a.penalty, b.penalty), (a.generator, b.generator)] {
            assert!((a - b).abs() < 1e-3 * b.abs().max(1.0), "{ours:?} {theirs:?}");
        }
    }
    assert_eq!(drawn.len(), expected.len());
    assert!(drawn.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 1));
}

#[test]
fn pictures_that_are_begun_together_come_in_order() {
    let Ok(gpu) = choose(Wanted::Gpu) else { return println!("skipped: there is no adapter") };
    let arch = Arch::named("small").unwrap();
    let params = Params::init(&generator::plans(&arch), &mut RandomState::new(1), &gpu.device);
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
