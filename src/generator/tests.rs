//! A generator on devices that fail, hang and answer too late.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use super::backend::Limits;
use super::engine::{Draws, Engine};
use super::*;
use crate::net::device::Chosen;
use crate::net::families::wgan_gp::WganGp;
use crate::net::params::{Params, floats};
use crate::net::pending::Pending;
use crate::worker::caught;
use burn::tensor::Device;

/// What a fake device does when it is asked for pictures.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Draws,
    /// The answer never comes.
    Hangs,
    /// The call itself does not return before the test ends.
    Blocks,
    Fails,
}

/// Devices by how they are opened, and what became of them.
struct Fakes {
    does: fn(Attempt) -> Does,
    /// The same, while models are tried.
    tries: fn(Attempt) -> Does,
    attempts: Mutex<Vec<Attempt>>,
    /// Threads that are blocked go on when this is raised.
    released: AtomicBool,
    /// Pictures that were drawn after all by threads that had been blocked.
    late: AtomicUsize,
}

/// A network whose pictures are one grey: its first weight, times a hundred.
struct Grey {
    fakes: Arc<Fakes>,
    does: Does,
    tries: Does,
    arch: Arch,
    level: u8,
    tried: AtomicBool,
}

impl Draws for Grey {
    fn begin(&self, latents: &[Vec<f32>]) -> Pending {
        let does = if self.tried.swap(true, Ordering::Relaxed) { self.does } else { self.tries };
        match does {
            Does::Hangs => return Pending::coming(std::future::pending()),
            Does::Fails => panic!("the device is lost"),
            Does::Blocks => {
                while !self.fakes.released.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(2));
                }
                self.fakes.late.fetch_add(1, Ordering::Relaxed);
            }
            Does::Draws => {}
        }
        Pending::there(vec![self.level; latents.len() * self.arch.picture().iter().product::<usize>()])
    }

    fn renew(&mut self, params: &Params) {
        let first = floats(params.list[0].value.clone())[0];
        self.level = (first * 100.0).round() as u8;
    }
}

/// A network with four latent dimensions.
fn arch() -> Arch {
    Arch::WganGp(WganGp {
        input_dim: [4, 4, 3],
        generator_initial_dense_layer_size: [1, 1, 2],
        generator_upsample: vec![1, 1],
        generator_conv_filters: vec![2, 3],
        generator_conv_kernel_size: vec![6, 6],
        generator_conv_strides: vec![2, 2],
        z_dim: 4,
        ..WganGp::small()
    })
}

/// Weights of which the first is `first`.
fn weights(first: f32) -> Vec<Vec<f32>> {
    let mut arrays: Vec<Vec<f32>> = arch().generator_plans().iter().map(|plan| vec![0.0; plan.len()]).collect();
    arrays[0][0] = first;
    arrays
}

fn backend(fakes: &Arc<Fakes>, limits: Limits) -> Backend {
    let (choosing, loading) = (fakes.clone(), fakes.clone());
    Backend {
        choose: Arc::new(move |attempt| {
            lock(&choosing.attempts).push(attempt);
            let card = attempt != Attempt::Cpu;
            Ok(Chosen { device: Device::flex(), name: format!("fake {attempt:?}"), half: false, card })
        }),
        load: Arc::new(move |name, chosen, _| {
            let attempt = *lock(&loading.attempts).last().unwrap();
            let own = Params::of(&arch().generator_plans(), &weights(0.1), &Device::flex());
            let (does, tries) = ((loading.does)(attempt), (loading.tries)(attempt));
            let (fakes, tried) = (loading.clone(), AtomicBool::new(false));
            let grey = Grey { fakes, does, tries, arch: arch(), level: 10, tried };
            let engine = Engine::new(name, arch(), Box::new(grey), own, None);
            caught(|| engine.draw(&[vec![0.0; 4]]))?;
            let (arch, fingerprint, folder) = (arch(), String::new(), PathBuf::new());
            assert!(chosen.name.starts_with("fake"));
            Ok((
                engine,
                Loaded {
                    name: name.into(),
                    folder,
                    space: 4.into(),
                    size: [4, 4],
                    fingerprint,
                    arch,
                    critic: false,
                    notes: vec![],
                },
            ))
        }),
        limits: Arc::new(move |_| limits),
    }
}

fn fakes(does: fn(Attempt) -> Does) -> Arc<Fakes> {
    let (attempts, released, late) = (Mutex::default(), AtomicBool::new(false), AtomicUsize::new(0));
    Arc::new(Fakes { does, tries: |_| Does::Draws, attempts, released, late })
}

fn start(fakes: &Arc<Fakes>, board: &Board) -> Generator {
    Generator::start_on(backend(fakes, Limits::CARD), "grey", true, board).unwrap().0
}

fn pose(z: f32) -> Arc<Pose> {
    Arc::new(Pose::of(vec![z; 4]))
}

/// Waits for the other thread, at most ten seconds.
fn until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "it does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Asks, and waits until the thread is at it.
fn ask_in_vain(generator: &mut Generator, z: f32) {
    generator.ask(&pose(z));
    until(|| matches!(generator.beat().task, Task::Drawing | Task::Measuring));
    assert!(!generator.look_for(Duration::from_millis(20)));
}

/// Some time from now.
fn later(secs: u64) -> Instant {
    Instant::now() + Duration::from_secs(secs)
}

fn level(generator: &Generator) -> Option<u8> {
    generator.shown().and_then(|drawn| drawn.pictures.first()).map(|picture| picture.pixels[0])
}

fn said(board: &Board, origin: &str) -> String {
    board.of(origin).map(|line| line.text).unwrap_or_default()
}

#[test]
fn a_card_that_hangs_is_opened_anew_and_then_the_cpu_draws() {
    for hangs in [Does::Hangs, Does::Blocks] {
        let (fakes, board) = (
            match hangs {
                Does::Hangs => fakes(|attempt| if attempt == Attempt::Cpu { Does::Draws } else { Does::Hangs }),
                _ => fakes(|attempt| if attempt == Attempt::Cpu { Does::Draws } else { Does::Blocks }),
            },
            Board::default(),
        );
        let mut generator = start(&fakes, &board);
        assert_eq!(generator.device(), "fake First");
        ask_in_vain(&mut generator, 1.0);
        // Within its time it is left alone.
        generator.recover(later(10));
        assert_eq!((generator.abandoned(), said(&board, "generator").as_str()), (0, ""));
        generator.recover(later(16));
        assert_eq!(generator.abandoned(), 1);
        let text = said(&board, "generator");
        assert!(text.contains("fake First has not answered for 1") && text.contains("opened anew"), "{text}");
        ask_in_vain(&mut generator, 1.0);
        assert_eq!(generator.device(), "fake Fresh(1)");
        generator.recover(later(16));
        let text = said(&board, "generator");
        assert!(text.contains("the CPU draws from now on"), "{text}");
        generator.ask(&pose(1.0));
        assert!(generator.look_for(Duration::from_secs(10)));
        assert_eq!((generator.device().as_str(), generator.abandoned(), level(&generator)), ("fake Cpu", 2, Some(10)));
        // What the threads that were left give in the end reaches nobody.
        let version = generator.shown().unwrap().version;
        fakes.released.store(true, Ordering::Relaxed);
        if hangs == Does::Blocks {
            until(|| fakes.late.load(Ordering::Relaxed) == 2);
        }
        std::thread::sleep(Duration::from_millis(20));
        assert!(!generator.look() && generator.shown().unwrap().version == version);
        assert_eq!(*lock(&fakes.attempts), [Attempt::First, Attempt::Fresh(1), Attempt::Cpu]);
        assert_eq!(generator.device(), "fake Cpu");
    }
}

#[test]
fn no_more_than_three_threads_are_abandoned() {
    let (fakes, board) = (fakes(|_| Does::Blocks), Board::default());
    let mut generator = start(&fakes, &board);
    for abandoned in 1..=MOST_ABANDONED {
        ask_in_vain(&mut generator, abandoned as f32);
        generator.recover(later(1000));
        assert_eq!(generator.abandoned(), abandoned);
    }
    ask_in_vain(&mut generator, 9.0);
    generator.recover(later(1000));
    assert_eq!(generator.abandoned(), MOST_ABANDONED);
    assert!(said(&board, "generator").contains("start the program again"));
    fakes.released.store(true, Ordering::Relaxed);
}

#[test]
fn an_owner_does_not_wait_for_a_thread_that_hangs() {
    for does in [Does::Hangs, Does::Blocks] {
        let fakes = match does {
            Does::Hangs => fakes(|_| Does::Hangs),
            _ => fakes(|_| Does::Blocks),
        };
        let mut generator = start(&fakes, &Board::default());
        ask_in_vain(&mut generator, 1.0);
        let end = Instant::now();
        drop(generator);
        assert!(end.elapsed() < Duration::from_secs(1), "{:?}", end.elapsed());
        fakes.released.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_card_that_hangs_at_the_start_leaves_the_cpu() {
    let begin = |any| {
        let tries = |attempt| if attempt == Attempt::Cpu { Does::Draws } else { Does::Blocks };
        let fakes = Fakes { tries, ..Arc::into_inner(fakes(|_| Does::Draws)).unwrap() };
        let (fakes, board) = (Arc::new(fakes), Board::default());
        let limits = Limits { load: Duration::from_millis(150), draw: Duration::from_secs(15) };
        let begun = Generator::start_on(backend(&fakes, limits), "grey", any, &board);
        fakes.released.store(true, Ordering::Relaxed);
        (begun.map(|(generator, _)| generator.device()), said(&board, "device"))
    };
    let (device, text) = begin(true);
    assert_eq!(device.unwrap(), "fake Cpu");
    assert!(text.contains("the CPU draws"), "{text}");
    let why = begin(false).0.unwrap_err().to_string();
    assert!(why.contains("fake First has not answered") && why.contains("--device cpu"), "{why}");
}

#[test]
fn a_film_ends_with_a_sentence() {
    for does in [Does::Hangs, Does::Blocks] {
        let fakes = match does {
            Does::Hangs => fakes(|_| Does::Hangs),
            _ => fakes(|_| Does::Blocks),
        };
        let limits = Limits { load: Duration::from_secs(10), draw: Duration::from_millis(120) };
        let begun = Generator::start_on(backend(&fakes, limits), "grey", true, &Board::default());
        let mut generator = begun.unwrap().0;
        generator.be_exact();
        generator.ask(&pose(1.0));
        let why = generator.wait().unwrap_err().to_string();
        assert!(why.contains("fake First has not answered for 0 s"), "{why}");
        generator.measure(1, vec![vec![0.0; 4]; 3], 0);
        assert!(generator.wait_measured().is_err());
        if does == Does::Blocks {
            generator.ask_critic(&[0.0; 4], false);
            assert!(generator.critic_score().is_none());
        }
        // A film's pictures come from one device.
        generator.recover(later(1000));
        assert_eq!(generator.abandoned(), 0);
        fakes.released.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_device_that_fails_is_opened_anew_and_then_given_up() {
    let (fakes, board) =
        (fakes(|attempt| if attempt == Attempt::Cpu { Does::Draws } else { Does::Fails }), Board::default());
    let mut generator = start(&fakes, &board);
    generator.ask(&pose(1.0));
    assert!(generator.look_for(Duration::from_secs(20)));
    assert_eq!((generator.device().as_str(), generator.abandoned()), ("fake Cpu", 0));
    assert_eq!(*lock(&fakes.attempts), [Attempt::First, Attempt::Fresh(1), Attempt::Cpu]);
    assert!(said(&board, "device").contains("draws on fake Cpu from now on"));
    until(|| board.of("generator").is_none());
}

/// A learnt state of the model "grey".
fn state(step: u64, first: f32) -> Arc<State> {
    let (weights, generator) = (PathBuf::new(), weights(first));
    let (model, fingerprint) = ("grey".to_owned(), format!("{step}"));
    Arc::new(State { model, step, weights, fingerprint, generator, critic: Vec::new(), stats: Default::default() })
}

#[test]
fn the_next_thread_shows_what_the_one_before_did() {
    let (fakes, board) =
        (fakes(|attempt| if attempt == Attempt::First { Does::Hangs } else { Does::Draws }), Board::default());
    let mut generator = start(&fakes, &board);
    for (step, first) in [(1, 0.3), (2, 0.5)] {
        generator.glide(state(step, first));
        generator.set_share(1.0);
    }
    generator.set_share(0.5);
    generator.measure(7, vec![vec![0.0; 4]; 3], 0);
    ask_in_vain(&mut generator, 1.0);
    generator.recover(later(16));
    generator.ask(&pose(1.0));
    assert!(generator.look_for(Duration::from_secs(10)));
    // Half of the way from the first learnt state to the second.
    assert_eq!(level(&generator), Some(40));
    let mut measured = Vec::new();
    until(|| {
        measured.extend(generator.measured());
        !measured.is_empty()
    });
    assert_eq!(measured, [(7, vec![0.0, 0.0])]);
    generator.set_share(1.0);
    generator.ask(&pose(1.0));
    assert!(generator.look_for(Duration::from_secs(10)) && level(&generator) == Some(50));
    // A glide goes on from there.
    generator.glide(state(3, 0.9));
    generator.set_share(0.5);
    let mut z = 1.0;
    // Live, a step of a glide waits until it is cheap.
    until(|| {
        z += 1.0;
        generator.ask(&pose(z));
        generator.look_for(Duration::from_secs(10)) && level(&generator) == Some(70)
    });
}

#[test]
fn a_model_that_was_asked_for_is_read_by_the_next_thread() {
    let (fakes, board) =
        (fakes(|attempt| if attempt == Attempt::First { Does::Blocks } else { Does::Draws }), Board::default());
    let mut generator = start(&fakes, &board);
    ask_in_vain(&mut generator, 1.0);
    generator.load("other");
    generator.recover(later(16));
    let mut loaded = None;
    until(|| {
        loaded = loaded.take().or(generator.loaded());
        loaded.is_some()
    });
    assert_eq!(loaded.unwrap().name, "other");
    generator.forget();
    generator.ask(&pose(1.0));
    assert!(generator.look_for(Duration::from_secs(10)));
    fakes.released.store(true, Ordering::Relaxed);
}

#[test]
fn the_heartbeat_tells_what_the_thread_is_at() {
    let fakes = fakes(|attempt| if attempt == Attempt::First { Does::Hangs } else { Does::Draws });
    let mut generator = start(&fakes, &Board::default());
    until(|| generator.beat().task == Task::Waiting);
    assert!(generator.beat().age < Duration::from_secs(5));
    ask_in_vain(&mut generator, 1.0);
    let first = generator.beat();
    std::thread::sleep(Duration::from_millis(30));
    // The thread comes round, and the picture is as late as before.
    assert!(generator.beat().task == Task::Drawing && generator.beat().age >= first.age + Duration::from_millis(30));
    generator.recover(later(16));
    generator.ask(&pose(1.0));
    assert!(generator.look_for(Duration::from_secs(10)));
    until(|| generator.beat().task == Task::Waiting);
}
