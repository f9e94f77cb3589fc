//! The hot paths stay fast: each is timed beside one plain GEMM of as many multiplications, in the same run
//! and on the same two threads, and may take a stated multiple of its time.
//!
//! No number of milliseconds stands here, so a slow or busy machine passes: path and reference are taken
//! in turn, both for tens of milliseconds, and the median of the ratios of such pairs hardly moves when others
//! take the cores. A median that is too high is measured longer before it is believed.
//! Measured on two cores with AVX-512: forward 0.81, critic step 1.88, generator step 1.77, and 0.33 of the time
//! of an unprepared forward; busy cores add up to a quarter. The bounds lie above that and below twice the usual
//! ratios, so that a path done twice fails.
//! Who makes a path faster measures again and lowers its bound.
//! Absolute numbers come from `cargo bench` and `benches/peers/run`.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use flaneur::dataset::lines::Rules;
use flaneur::net::arch::Arch;
use flaneur::net::generator::{self, Ready};
use flaneur::net::params::{Params, floats};
use flaneur::random::RandomState;
use flaneur::trainer::step::{Data, State};

/// Pairs before a ratio is believed to be low enough, and pairs within which it may become so.
const PAIRS: (usize, usize) = (21, 63);
/// Threads of both: on a machine with many, a GEMM would leave behind what has less to share out.
const THREADS: usize = 2;
/// Both sides of the square matrix that the reference multiplies with.
const SIDE: usize = 512;

/// One at a time, or they would take the cores from each other.
static ALONE: Mutex<()> = Mutex::new(());

/// A GEMM of about this many multiplications.
struct Reference {
    a: Mat<f32>,
    b: Mat<f32>,
    out: Mat<f32>,
}

impl Reference {
    fn new(multiplications: usize) -> Self {
        let rows = multiplications.div_ceil(SIDE * SIDE);
        let some = |rows, columns| Mat::from_fn(rows, columns, |i, j| ((i * 7 + j * 3) % 11) as f32 - 5.0);
        Self { a: some(rows, SIDE), b: some(SIDE, SIDE), out: Mat::zeros(rows, SIDE) }
    }

    fn run(&mut self) {
        matmul(self.out.as_mut(), Accum::Replace, black_box(self.a.as_ref()), self.b.as_ref(), 1.0, Par::rayon(0));
        black_box(&self.out);
    }
}

fn seconds(work: &mut (dyn FnMut() + Send)) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// Fails if `path` takes more than `most` times the time of a GEMM of so many multiplications.
fn check(what: &str, multiplications: usize, most: f64, path: &mut (dyn FnMut() + Send)) {
    let mut reference = Reference::new(multiplications);
    compare(what, most, path, &mut || reference.run());
}

/// Fails if `path` takes more than `most` times the time of `reference`.
fn compare(what: &str, most: f64, path: &mut (dyn FnMut() + Send), reference: &mut (dyn FnMut() + Send)) {
    if cfg!(debug_assertions) {
        eprintln!("{what}: skipped, its time says nothing without optimisation; use cargo test --release");
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let threads = rayon::ThreadPoolBuilder::new().num_threads(THREADS).build().unwrap();
    let ratio = threads.install(|| {
        // The first fills caches, pools and buffers.
        path();
        reference();
        let mut ratios = Vec::new();
        loop {
            ratios.push(seconds(path) / seconds(reference));
            ratios.sort_by(f64::total_cmp);
            let median = ratios[ratios.len() / 2];
            if ratios.len() == PAIRS.1 || ratios.len() >= PAIRS.0 && median <= most {
                eprintln!("{what}: {median:.2} times its reference over {} pairs, at most {most}", ratios.len());
                return median;
            }
        }
    });
    assert!(ratio <= most, "{what} takes {ratio:.2} times as long as its reference, more than {most}: it got slower");
}

/// Multiplications of one picture in the stages of the generator and its dense layer.
fn of_generator(arch: &Arch) -> usize {
    let stages =
        arch.stages().into_iter().map(|s| s.geometry.oh() * s.geometry.ow() * s.geometry.patch() * s.geometry.o);
    stages.sum::<usize>() + arch.z_dim * arch.dense_features()
}

/// Multiplications of one picture in the layers of the critic.
fn of_critic(arch: &Arch) -> usize {
    arch.critic_layers().iter().map(|g| g.oh() * g.ow() * g.patch() * g.o).sum::<usize>() + arch.critic_features()
}

/// Forwards of `batch` pictures, `times` together: one alone may be so short that a single interruption would tell
/// more than its work.
fn check_forward(what: &str, arch: &Arch, batch: usize, times: usize, most: f64) {
    let device = Device::flex();
    let params = Params::init(&generator::plans(arch), &mut RandomState::new(1), &device);
    let ready = Ready::new(arch, &params, true);
    let z: Vec<f32> = RandomState::new(2).normals(batch * arch.z_dim).iter().map(|v| *v as f32).collect();
    check(what, times * batch * of_generator(arch), most, &mut || {
        for _ in 0..times {
            let z = Tensor::from_data(TensorData::new(z.clone(), [batch, arch.z_dim]), &device);
            black_box(floats(ready.pictures(z, None)));
        }
    });
}

#[test]
fn a_prepared_forward_of_one_picture() {
    check_forward("forward of small", &Arch::named("small").unwrap(), 1, 10, 1.4);
}

#[test]
fn a_prepared_forward_of_eight_pictures() {
    check_forward("forward of small, eight", &Arch::named("small").unwrap(), 8, 2, 1.4);
}

/// Whose stages go other ways than those of kernel 6.
#[test]
fn a_prepared_forward_with_kernels_of_ten() {
    let arch = Arch { generator_conv_kernel_size: vec![10; 4], ..Arch::named("small").unwrap() };
    let params = Params::init(&generator::plans(&arch), &mut RandomState::new(1), &Device::flex());
    let way = Ready::new(&arch, &params, true).way();
    assert!(way.contains("F(2×2, 5×5)") && way.contains("F(4×4, 5×5)"), "{way}");
    check_forward("forward of small with kernels of ten", &arch, 1, 5, 1.4);
}

#[test]
fn preparing_pays() {
    let arch = Arch::named("small").unwrap();
    let params = Params::init(&generator::plans(&arch), &mut RandomState::new(1), &Device::flex());
    let [prepared, plain] = [true, false].map(|prepare| Ready::new(&arch, &params, prepare));
    let z: Vec<Vec<f32>> = vec![RandomState::new(2).normals(arch.z_dim).iter().map(|v| *v as f32).collect()];
    let [mut prepared, mut plain] = [prepared, plain].map(|ready| {
        let z = z.clone();
        move || (0..5).for_each(|_| drop(black_box(ready.bytes(&z))))
    });
    compare("prepared forward beside an unprepared one", 0.7, &mut prepared, &mut plain);
}

/// A fresh training of the small network on drawn lines, in batches of 4.
fn training() -> (State, Data, Device) {
    let arch = Arch { batch_size: 4, ..Arch::named("small").unwrap() };
    let device = Device::flex();
    let rules = Rules::default();
    let bytes = (0..32).flat_map(|i| rules.paint(&rules.draw(1, i))).collect();
    let each = arch.input_dim.iter().product();
    (State::new(&arch, 1, None, &device), Data { bytes, each }, device)
}

#[test]
fn a_step_of_the_critic() {
    let (mut state, data, device) = training();
    // Three passes forward, one back to the picture, and two derivatives of each but the one of x̂; with the
    // fakes of the generator.
    let count = state.arch.batch_size * (10 * of_critic(&state.arch) + of_generator(&state.arch));
    check("critic step of small", count, 2.6, &mut || {
        black_box(state.critic_step(&data, &device));
    });
}

#[test]
fn a_step_of_the_generator() {
    let (mut state, _, device) = training();
    // Forward, and two derivatives; through the critic forward and back.
    let count = state.arch.batch_size * (3 * of_generator(&state.arch) + 2 * of_critic(&state.arch));
    check("generator step of small", count, 2.7, &mut || {
        black_box(state.generator_update(&device));
    });
}
