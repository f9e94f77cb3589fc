//! How fast the engine is: forwards, training steps, drawing. `cargo bench`.
//!
//! Runs on the CPU, but for the group `adapter`; the machine and its threads are for the reader to note beside the numbers.

// A bench that cannot begin has nothing to report to but its reader.
#![allow(clippy::expect_used)]

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use criterion::{Criterion, criterion_group, criterion_main};
use flaneur::clock::Clock;
use flaneur::dataset::lines::Rules;
use flaneur::dataset::store::Store;
use flaneur::dataset::write::{Drawing, Format};
use flaneur::latent::{self, pose::Pose};
use flaneur::net::arch::Arch;
use flaneur::net::device::{Wanted, choose};
use flaneur::net::draw::Ready;
use flaneur::net::params::Params;
use flaneur::net::recipe::Recipe;
use flaneur::picture::Picture;
use flaneur::picture::flash::FlashLimiter;
use flaneur::picture::scene::{Filter, Fit, Scene};
use flaneur::random::RandomState;
use flaneur::sketch::host::Host;
use flaneur::sketch::{Env, Language};
use flaneur::trainer::step::State;

fn forward(c: &mut Criterion) {
    let mut group = c.benchmark_group("forward");
    group.sample_size(20);
    for name in ["small", "smooth", "seed", "seed-k10"] {
        let arch = Arch::named(name).expect("a named architecture");
        let params = Params::init(&arch.generator_plans(), &mut RandomState::new(1), &Device::flex());
        let ready = Ready::new(&arch, &params, true);
        for batch in [1, 8] {
            let z = latents(&arch, batch);
            group.bench_function(format!("{name}/batch {batch}"), |b| b.iter(|| ready.bytes(&z)));
        }
    }
}

/// A graphics adapter's forward, in every form that it could have; a software adapter only gets the smallest network.
fn adapter(c: &mut Criterion) {
    let Ok(chosen) = choose(Wanted::Gpu) else { return println!("adapter: there is none") };
    println!("adapter: {}", chosen.name);
    let real = !chosen.name.contains("software");
    let mut group = c.benchmark_group("adapter");
    group.sample_size(if real { 60 } else { 10 });
    for name in if real { &["small", "seed", "seed-k10"][..] } else { &["small"] } {
        let arch = Arch::named(name).expect("a named architecture");
        let params = Params::init(&arch.generator_plans(), &mut RandomState::new(1), &chosen.device);
        let forms = [
            ("matrix products", Ready::new(&arch, &params, true)),
            ("in half precision", Ready::halved(&arch, &params)),
            ("burn's own", Ready::new(&arch, &params, false)),
        ];
        for (form, ready) in &forms {
            for batch in [1, 8] {
                let z = latents(&arch, batch);
                group.bench_function(format!("{name}/batch {batch}, {form}"), |b| b.iter(|| ready.bytes(&z)));
            }
        }
    }
}

fn latents(arch: &Arch, count: u32) -> Vec<Vec<f32>> {
    (0..count).map(|seed| latent::seed(seed, arch.z_dim()).iter().map(|v| *v as f32).collect()).collect()
}

fn training(c: &mut Criterion) {
    let mut group = c.benchmark_group("training");
    group.sample_size(10);
    for name in ["small", "smooth", "quarter", "seed"] {
        let arch = Arch::named(name).expect("a named architecture");
        let device = Device::flex();
        let mut state = State::new(&arch, &Recipe::default(), 1, None, &device);
        let rules = Rules::default();
        let data =
            Store::of_bytes((0..64).flat_map(|i| rules.paint(&rules.draw(1, i))).collect(), state.arch.picture());
        group.bench_function(format!("{name}/critic step"), |b| b.iter(|| state.critic_step(&data, &device)));
        group.bench_function(format!("{name}/generator step"), |b| b.iter(|| state.generator_update(&device)));
        group.bench_function(format!("{name}/epoch of 5 and 1"), |b| b.iter(|| state.epoch(&data, 5, &device)));
    }
}

fn drawing(c: &mut Criterion) {
    let drawing = Drawing { rules: Rules::default(), count: 1, seed: 1, format: Format::Jpg };
    let mut index = 0;
    c.bench_function("draw a jpg", |b| {
        b.iter(|| {
            index += 1;
            drawing.encode(index)
        });
    });
}

/// A frame of a sketch: the budget is 1 ms, a plain one should take under 50 µs.
fn sketches(c: &mut Criterion) {
    let mut group = c.benchmark_group("sketch");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sketches");
    for name in ["two-seeds", "ring", "noise-loop", "grid-of-walks", "closure", "knobs"] {
        let mut host = Host::new(Language::new(Env::new(100)).expect("the language"));
        let mut clock = Clock::new(120.0);
        let program = host.language.read(&folder.join(format!("{name}.rn"))).expect("a shipped sketch");
        host.take(program, clock.frame(0.0, true)).expect("a shipped sketch");
        let mut frame = 0.0;
        group.bench_function(name, |b| {
            b.iter(|| {
                frame += 1.0;
                host.walk(clock.frame(frame / 60.0, false)).pose
            });
        });
    }
}

/// The flash limiter on a frame of 1024 x 1024, while it lets everything pass and while it lowers a strobe.
fn flashes(c: &mut Criterion) {
    let mut group = c.benchmark_group("flash limiter");
    let level = |x: usize, y: usize, t: usize| (128 + (x / 9 + y / 5 + 2 * t) % 64) as u8;
    let picture = |t: usize| {
        let pixels = (0..1024 * 1024 * 3).map(|i| level(i / 3 % 1024, i / 3072, t)).collect();
        Arc::new(vec![Picture { width: 1024, height: 1024, pixels }])
    };
    let pictures: Vec<_> = (0..32).map(picture).collect();
    for (name, dark) in [("passing", 1.0), ("lowering", 0.0)] {
        let (mut limiter, mut frame) = (FlashLimiter::new([1024, 1024]), 0usize);
        group.bench_function(name, |b| {
            b.iter(|| {
                frame += 1;
                let light = if frame / 4 % 2 == 0 { 1.0 } else { dark };
                let (pose, pictures) = (Arc::new(Pose::of(vec![0.0; 100])), pictures[frame % 32].clone());
                let (version, fit, filter) = (frame as u64, Fit::Fit, Filter::Cubic);
                let scene = Scene { pose, pictures, before: None, version, light, fit, filter };
                limiter.limit(&scene, frame as f64 / 60.0)
            });
        });
    }
}

criterion_group!(benches, sketches, forward, adapter, training, drawing, flashes);
criterion_main!(benches);
