//! The hot paths stay fast: each is timed beside one plain GEMM of as many multiplications, in the same run
//! and on one thread, and may take a stated multiple of its time; two threads share what one does.
//!
//! No number of milliseconds stands here, so a slow or busy machine passes: path and reference are taken in turn,
//! both for tens of milliseconds, and of each only the runs count into which others broke the least. On one thread
//! nobody waits for another, who would have to be woken while the cores are taken. A ratio that is too high is
//! measured longer before it is believed.
//! Measured on a core with AVX2, quiet and beside a program that took both cores: forward of one 0.59 to 0.74, of
//! eight 0.54 to 0.64, with kernels of ten 0.47 to 0.64, generator step 1.53 to 1.56, and 0.33 to 0.35 of the time of
//! an unprepared forward. With AVX-512, whose reference is twice as fast: forwards 0.53, 0.53 and 0.50, critic step
//! 1.75 (2.68 before Adam's loop had the machine's vectors), generator step 1.83 (1.97), 0.20 of an unprepared
//! forward. The bounds lie above all that and below twice the lowest ratio, so that a path done twice fails.
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
use flaneur::dataset::store::Store;
use flaneur::net::arch::Arch;
use flaneur::net::draw::Ready;
use flaneur::net::families::wgan_gp::WganGp;
use flaneur::net::layers::Chain;
use flaneur::net::params::{Params, floats};
use flaneur::net::recipe::Recipe;
use flaneur::net::steps::{Kind, steps};
use flaneur::random::RandomState;
use flaneur::trainer::step::State;

/// Pairs before a ratio is believed to be low enough, and pairs within which it may become so.
const PAIRS: (usize, usize) = (21, 63);
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
        matmul(self.out.as_mut(), Accum::Replace, black_box(self.a.as_ref()), self.b.as_ref(), 1.0, Par::Seq);
        black_box(&self.out);
    }
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

fn seconds(work: &mut (dyn FnMut() + Send)) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// The time that a tenth of the runs stay below: those into which nobody broke.
fn undisturbed(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 10]
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
    let ratio = pool(1).install(|| {
        // The first fills caches, pools and buffers.
        path();
        reference();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        loop {
            ours.push(seconds(path));
            theirs.push(seconds(reference));
            let (pairs, ratio) = (ours.len(), undisturbed(&mut ours) / undisturbed(&mut theirs));
            if pairs == PAIRS.1 || pairs >= PAIRS.0 && ratio <= most {
                eprintln!("{what}: {ratio:.2} times its reference over {pairs} pairs, at most {most}");
                return ratio;
            }
        }
    });
    assert!(ratio <= most, "{what} takes {ratio:.2} times as long as its reference, more than {most}: it got slower");
}

/// Multiplications of one picture in the layers of a network.
fn multiplications(chain: &Chain) -> usize {
    let each = |step: flaneur::net::steps::Step| match step.kind {
        Kind::Dense => step.input.len() * step.output.len(),
        Kind::Conv(g) | Kind::ConvTranspose(g) => g.oh() * g.ow() * g.patch() * g.o,
        _ => 0,
    };
    steps(chain).into_iter().map(each).sum()
}

/// Of the generator.
fn of_generator(arch: &Arch) -> usize {
    multiplications(&arch.generator())
}

/// Of the critic.
fn of_critic(arch: &Arch) -> usize {
    multiplications(&arch.critic().unwrap())
}

/// Forwards of `batch` pictures, `times` together: one alone may be so short that a single interruption would tell
/// more than its work.
fn forwards(arch: &Arch, batch: usize, times: usize) -> impl FnMut() + Send {
    let (device, z_dim) = (Device::flex(), arch.z_dim());
    let params = Params::init(&arch.generator_plans(), &mut RandomState::new(1), &device);
    let ready = Ready::new(arch, &params, true);
    let z: Vec<f32> = RandomState::new(2).normals(batch * z_dim).iter().map(|v| *v as f32).collect();
    move || {
        for _ in 0..times {
            let z = Tensor::from_data(TensorData::new(z.clone(), [batch, z_dim]), &device);
            black_box(floats(ready.pictures(z, &Vec::new())));
        }
    }
}

#[test]
fn a_prepared_forward_of_one_picture() {
    let small = Arch::named("small").unwrap();
    check("forward of small", 10 * of_generator(&small), 1.1, &mut forwards(&small, 1, 10));
}

#[test]
fn a_prepared_forward_of_eight_pictures() {
    let small = Arch::named("small").unwrap();
    check("forward of small, eight", 16 * of_generator(&small), 1.0, &mut forwards(&small, 8, 2));
}

/// Whose stages go other ways than those of kernel 6.
#[test]
fn a_prepared_forward_with_kernels_of_ten() {
    let arch = Arch::WganGp(WganGp { generator_conv_kernel_size: vec![10; 4], ..WganGp::small() });
    let params = Params::init(&arch.generator_plans(), &mut RandomState::new(1), &Device::flex());
    let way = Ready::new(&arch, &params, true).way();
    assert!(way.contains("F(2×2, 5×5)") && way.contains("F(4×4, 5×5)"), "{way}");
    check("forward of small with kernels of ten", 5 * of_generator(&arch), 0.9, &mut forwards(&arch, 1, 5));
}

/// Nanoseconds that this thread has had a core, where the system says so.
fn on_a_core() -> Option<u64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
}

/// Told by the time that each thread has had a core, which does not depend on who else takes them.
#[test]
fn two_threads_share_the_work() {
    let small = Arch::named("small").unwrap();
    let mut forwards = forwards(&small, 8, 2);
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let two = pool(2);
    two.install(&mut forwards);
    let before: Option<Vec<u64>> = two.broadcast(|_| on_a_core()).into_iter().collect();
    let Some(before) = before else { return eprintln!("skipped: this system does not count threads' time") };
    two.install(|| (0..PAIRS.0).for_each(|_| forwards()));
    let after = two.broadcast(|_| on_a_core().unwrap());
    let worked: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    let share = worked[0].min(worked[1]) as f64 / (worked[0] + worked[1]) as f64;
    eprintln!("eight pictures: the thread that did less has done {share:.2} of the work");
    assert!(share > 0.3, "one thread has done nearly all of the work, the other {share:.2} of it");
}

#[test]
fn preparing_pays() {
    let arch = Arch::named("small").unwrap();
    let params = Params::init(&arch.generator_plans(), &mut RandomState::new(1), &Device::flex());
    let [prepared, plain] = [true, false].map(|prepare| Ready::new(&arch, &params, prepare));
    let z: Vec<Vec<f32>> = vec![RandomState::new(2).normals(arch.z_dim()).iter().map(|v| *v as f32).collect()];
    let [mut prepared, mut plain] = [prepared, plain].map(|ready| {
        let z = z.clone();
        move || (0..5).for_each(|_| drop(black_box(ready.bytes(&z))))
    });
    compare("prepared forward beside an unprepared one", 0.55, &mut prepared, &mut plain);
}

/// A fresh training of the small network on drawn lines, in batches of 4.
fn training() -> (State, Store, Device) {
    let (arch, recipe) = (Arch::named("small").unwrap(), Recipe { batch_size: 4, ..Recipe::default() });
    let device = Device::flex();
    let rules = Rules::default();
    let bytes = (0..32).flat_map(|i| rules.paint(&rules.draw(1, i))).collect();
    (State::new(&arch, &recipe, 1, None, &device), Store::of_bytes(bytes, arch.picture()), device)
}

#[test]
fn a_step_of_the_critic() {
    let (mut state, data, device) = training();
    // Three passes forward, one back to the picture, and two derivatives of each but the one of x̂; with the
    // fakes of the generator.
    let count = state.recipe.batch_size * (10 * of_critic(&state.arch) + of_generator(&state.arch));
    check("critic step of small", count, 2.3, &mut || {
        black_box(state.critic_step(&data, &device).unwrap());
    });
}

#[test]
fn a_step_of_the_generator() {
    let (mut state, _, device) = training();
    // Forward, and two derivatives; through the critic forward and back.
    let count = state.recipe.batch_size * (3 * of_generator(&state.arch) + 2 * of_critic(&state.arch));
    check("generator step of small", count, 2.4, &mut || {
        black_box(state.generator_update(&device));
    });
}
