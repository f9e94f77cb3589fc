//! What draws on stage agrees with burn's plain operations: at most 1/255 apart in any value of −1..1, for
//! every named architecture, for 200 random z. Half precision may be 2/255 apart, a level of a byte.
//!
//! The reference are folded weights through burn's own operations on the CPU. Against it stand the CPU's packed
//! weights, and the form that a GPU gets, on whatever adapter there is, software ones too. All of it takes many
//! minutes without a graphics card, so that unless this is asked for the larger networks draw fewer:
//! `cargo test --release --test agreement -- --include-ignored --nocapture`.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData};
use flaneur::net::arch::{Arch, NAMES};
use flaneur::net::chain::{self, Value};
use flaneur::net::draw::Ready;
use flaneur::net::params::{Params, Statistics, floats};
use flaneur::random::RandomState;

const COUNT: usize = 200;
/// Pictures at a time.
const BATCH: usize = 8;
/// Half a level of a byte, on the scale −1..1 of a picture's values (which spans two).
const LEVEL: f32 = 1.0 / 255.0;

/// Random weights under which pictures are neither flat nor saturated, as after a training.
fn lively(arch: &Arch) -> Params {
    let device = Device::flex();
    let mut random = RandomState::new(5);
    let mut params = Params::init(&arch.generator_plans(), &mut random, &device);
    if let Some(texture) = arch.texture() {
        let plane = |[h, w]: [usize; 2]| {
            let values: Vec<f32> = (0..h * w * 3).map(|_| random.uniform() as f32).collect();
            Tensor::from_data(TensorData::new(values, [1, h, w, 3]), &device)
        };
        let sizes = texture.pyramid().sizes(texture.size).unwrap();
        let mut params = texture.pyramid().measured(&params, sizes.into_iter().map(plane).collect());
        // Its numbers are 0..255, which random weights are not.
        let last = params.list.iter_mut().find(|param| param.name == "last.kernel").unwrap();
        last.value = last.value.clone() * 60.0;
        return params;
    }
    let z = tensor(&latents(arch, 32, 6), arch, &device).autodiff();
    let statistics = chain::train(&arch.generator(), &params.tracked(), Value::Flat(z), &Vec::new()).statistics;
    params.follow(statistics.into_iter().map(|s| Statistics { momentum: 0.0, ..s }).collect());
    params
}

fn latents(arch: &Arch, count: usize, seed: u32) -> Vec<Vec<f32>> {
    let mut random = RandomState::new(seed);
    (0..count).map(|_| random.normals(arch.z_dim()).iter().map(|v| *v as f32).collect()).collect()
}

fn tensor(z: &[Vec<f32>], arch: &Arch, device: &Device) -> Tensor<2> {
    let rows: Vec<f32> = z.iter().flat_map(|z| arch.input(z)).collect();
    Tensor::from_data(TensorData::new(rows, [z.len(), arch.input_len()]), device)
}

fn on(params: &Params, device: &Device) -> Params {
    let mut params = params.clone();
    for param in &mut params.list {
        let values = param.values();
        let len = values.len();
        param.value = Tensor::from_data(TensorData::new(values, [len]), device);
    }
    params
}

/// Values and bytes of a form stay with the reference.
fn check(name: &str, count: usize, other: &Device) {
    let prepare = |arch: &Arch, params: &Params| Ready::new(arch, params, true);
    check_form(name, count, other, &prepare, LEVEL);
}

fn check_form(name: &str, count: usize, other: &Device, prepare: &dyn Fn(&Arch, &Params) -> Ready, most: f32) {
    let arch = Arch::named(name).unwrap();
    let params = lively(&arch);
    let reference = Ready::reference(&arch, &params);
    let ready = prepare(&arch, &on(&params, other));
    let (mut worst, mut spread, mut took) = (0.0f32, 0.0f32, Duration::ZERO);
    for (i, z) in latents(&arch, count, 7).chunks(BATCH).enumerate() {
        let expected = floats(reference.pictures(tensor(z, &arch, &Device::flex()), &Vec::new()));
        let start = Instant::now();
        let drawn = floats(ready.pictures(tensor(z, &arch, other), &Vec::new()));
        took += start.elapsed();
        assert_eq!(drawn.len(), expected.len(), "{name}");
        for (a, b) in drawn.iter().zip(&expected) {
            assert!(a.is_finite() && b.is_finite(), "{name}");
            worst = worst.max((a - b).abs());
            spread = spread.max(b.abs());
        }
        if i == 0 {
            let levels = expected.iter().map(|v| ((v + 1.0) * 127.5).clamp(0.0, 255.0) as u8);
            let bytes = ready.bytes(z);
            assert_eq!(bytes.len(), expected.len(), "{name}");
            let apart = bytes.iter().zip(levels).map(|(byte, level)| byte.abs_diff(level)).max();
            assert!(apart <= Some(1), "{name}: bytes differ by {apart:?} levels");
        }
    }
    let (way, ms) = (ready.way(), took.as_secs_f64() * 1e3 / count as f64);
    println!("{name}: {count} z by {way}: at most {worst:.1e} apart, values up to {spread:.2}, {ms:.1} ms each");
    // Pictures that show nothing would agree whatever is wrong.
    assert!(spread > 0.3, "{name}: the pictures are flat, {spread}");
    assert!(worst <= most, "{name}: differs by {worst}");
}

/// z that take seconds: by the reference on the CPU, and on a software adapter.
fn few(name: &str) -> (usize, usize) {
    match name {
        "small" | "mlp-mnist" | "dcgan-64" => (COUNT, BATCH),
        "quarter" | "dcgan-128" => (5 * BATCH, BATCH),
        "seed" => (2 * BATCH, 1),
        _ => (BATCH, 1),
    }
}

/// The names of networks that make pictures of z.
fn generators() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name).filter(|name| !Arch::named(name).unwrap().is_filter())
}

#[test]
fn packed_weights_on_the_cpu() {
    generators().for_each(|name| check(name, few(name).0, &Device::flex()));
}

#[test]
#[ignore = "takes minutes by burn's own operations"]
fn packed_weights_on_the_cpu_for_as_many_z() {
    generators().for_each(|name| check(name, COUNT, &Device::flex()));
}

#[cfg(feature = "gpu")]
mod gpu {
    use flaneur::latent;
    use flaneur::net::device::Wanted;
    use flaneur::net::families::stylegan2::StyleGan2;
    use flaneur::random::RandomState;

    use super::*;

    fn check_all(count: impl Fn(&str) -> usize) {
        let Some(gpu) = common::adapter(Wanted::Gpu) else { return };
        generators().for_each(|name| check(name, count(name), &gpu.device));
    }

    #[test]
    fn the_form_of_a_gpu() {
        check_all(|name| few(name).1);
    }

    fn check_halved(names: &[&str], count: impl Fn(&str) -> usize) {
        let Some(gpu) = common::adapter(Wanted::GpuHalf) else { return };
        for name in names {
            // A whole level: a value has eleven bits here.
            let halved = |arch: &Arch, params: &Params| {
                let ready = Ready::halved(arch, params);
                assert!(ready.way().contains("half precision"), "{}", ready.way());
                ready
            };
            check_form(name, count(name), &gpu.device, &halved, 2.0 * LEVEL);
        }
    }

    /// A small network with noise and strong styles, on fifty seeds.
    #[test]
    fn stylegan2_in_single_and_in_half_precision() {
        let Some(gpu) = common::adapter(Wanted::Gpu) else { return };
        let own = StyleGan2 { z_dim: 32, w_dim: 32, channels: vec![32, 32, 24, 16, 8], ..StyleGan2::default() };
        let arch = Arch::StyleGan2(own.clone());
        let plans = arch.generator_plans();
        let random = Params::init(&plans, &mut RandomState::new(7), &Device::flex());
        let values: Vec<Vec<f32>> = plans
            .iter()
            .zip(&random.list)
            .map(|(plan, own)| match plan.name.ends_with("strength") {
                true => vec![0.2],
                false => own.values().to_vec(),
            })
            .collect();
        let [here, there] = [&Device::flex(), &gpu.device].map(|device| Params::of(&plans, &values, device));
        let rows: Vec<Vec<f32>> =
            (0..50).map(|seed| latent::seed(seed, 32).iter().map(|v| *v as f32).collect()).collect();
        let expected = Ready::new(&arch, &here, true).bytes(&rows);
        let apart = |ready: &Ready| {
            let found = ready.bytes(&rows);
            assert_eq!(found.len(), expected.len());
            let worst = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            println!("stylegan2: 50 seeds, {}: at most {worst} of 255 apart", ready.way());
            worst
        };
        assert!(expected.iter().any(|v| v.abs_diff(expected[0]) > 60));
        assert!(apart(&Ready::new(&arch, &there, true)) <= 1);
        let half = Ready::halved(&arch, &there);
        if half.way().contains("half precision") {
            assert!(apart(&half) <= 2);
        }
    }

    /// Of the largest, half a minute a picture on a software adapter, only when all are asked for.
    #[test]
    fn half_precision() {
        check_halved(&["small", "seed"], |name| few(name).1);
    }

    #[test]
    #[ignore = "takes many minutes on a software adapter"]
    fn half_precision_for_as_many_z() {
        let names: Vec<&str> = generators().collect();
        check_halved(&names, |_| COUNT);
    }

    #[test]
    #[ignore = "takes many minutes on a software adapter"]
    fn the_form_of_a_gpu_for_as_many_z() {
        check_all(|_| COUNT);
    }
}
