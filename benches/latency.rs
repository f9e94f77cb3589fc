//! What a frame of a plain sketch takes with its hand-over to the sketch's thread and back; save to effect and control
//! to picture, up to the frame that shows it. `cargo bench --bench latency`.
//!
//! Frames are asked for 60 times a second, so that both threads have slept before each.
//! A show without a window, 60 frames a second, the shipped model on the CPU. A round saves a sketch with another
//! seed, or sends a datagram with another value, at a random moment of a frame, and stops the time when the
//! pictures of it are in the scene that a window would display next.

// A bench that cannot begin has nothing to report to but its reader.
#![allow(clippy::expect_used)]

use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use flaneur::clock::Clock;
use flaneur::control::Lent;
use flaneur::latent;
use flaneur::net::device::Wanted;
use flaneur::picture::scene::Scene;
use flaneur::random::RandomState;
use flaneur::report::{Board, Stop};
use flaneur::show::{Options, Show};
use flaneur::sketch::host::Keeps;
use flaneur::sketch::thread::{Adopt, Ask, Attempt, Critic, Points, Said, SketchThread, Standing};
use rosc::{OscMessage, OscPacket, OscType, encoder};

const FRAMES: u32 = 600;
const SAVES: u32 = 40;
const MESSAGES: u32 = 400;
const PATIENCE: Duration = Duration::from_secs(5);
const FRAME: Duration = Duration::from_micros(16_667);

fn main() {
    // `cargo test --benches` only asks whether it can be run.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    hand_over();
    let folder = tempfile::tempdir().expect("a folder for the sketch");
    let path = folder.path().join("sketch.rn");
    let save =
        |seed: u32| std::fs::write(&path, format!("pub fn walk(me, t, c) {{ seed({seed}) }}\n")).expect("a save");
    save(0);
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/three-lines");
    let options = Options {
        target: Some(path.to_string_lossy().into_owned()),
        model: Some(model.to_string_lossy().into_owned()),
        device: Wanted::Cpu,
        ..Options::default()
    };
    let mut show = Show::open(options, &Board::echoing(), &Stop::default()).expect("a show");
    let mut pace = Pace { due: Instant::now() };
    let mut times = Vec::new();
    for round in 1..=SAVES {
        // Quiet between two saves, as between two thoughts.
        (0..20).for_each(|_| drop(pace.frame(&mut show)));
        let wanted = latent::seed(round, 100)[0] as f32;
        save(round);
        times.push(pace.until(&mut show, Instant::now(), wanted));
    }
    tell("save to effect", &mut times);

    // What an OSC hand does to the first dimension, over whatever the sketch says.
    let to = show.osc_address().expect("an open port");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut random = RandomState::new(1);
    for round in 1..=MESSAGES {
        (0..3).for_each(|_| drop(pace.frame(&mut show)));
        let wanted = round as f32 / 1000.0;
        let args = vec![OscType::Float(wanted)];
        let message = OscPacket::Message(OscMessage { addr: "/flaneur/z/0/set".into(), args });
        let bytes = encoder::encode(&message).expect("a message");
        let (socket, pause) = (socket.try_clone().expect("a socket"), FRAME.mul_f64(random.below(1000) as f64 / 1e3));
        let sender = std::thread::spawn(move || {
            std::thread::sleep(pause);
            socket.send_to(&bytes, to).expect("a datagram");
            Instant::now()
        });
        let seen = pace.seen(&mut show, wanted);
        times.push((seen - sender.join().expect("the sender")).as_secs_f64() * 1e3);
    }
    tell("control to picture", &mut times);
    show.close();
}

/// Frames of shipped sketches, each asked for and waited for as a show does.
fn hand_over() {
    for name in ["two-seeds", "ring", "knobs"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("sketches/{name}.rn"));
        let mut clock = Clock::new(120.0);
        let mut thread = SketchThread::start(100).expect("a thread");
        let (state, tick, lent) = (Standing::Nothing, clock.frame(0.0, true), Lent::default());
        let critic = Critic::default();
        thread.attempt(Attempt {
            path,
            text: None,
            state,
            tick,
            lent,
            critic,
            space: 100.into(),
            points: Points::new(),
        });
        let Some(Said::Tried(Ok(proven))) = thread.wait(PATIENCE) else { panic!("{name} does not run") };
        let mut adopt = Some(Adopt { program: proven.program, keeps: Keeps::Nothing, state: None });
        let mut times = Vec::new();
        for number in 0..FRAMES {
            std::thread::sleep(FRAME);
            let (tick, adopt) = (clock.frame(f64::from(number) / 60.0, false), adopt.take());
            let (lent, critic, news) = (Lent::default(), Critic::default(), Vec::new());
            let start = Instant::now();
            thread.ask(Ask { number: number.into(), tick, lent, critic, news, adopt, gliding: true });
            assert!(matches!(thread.wait(PATIENCE), Some(Said::Answer(_))), "{name} gives no frame");
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        tell(&format!("a frame of {name}"), &mut times);
    }
}

/// Sixty frames a second.
struct Pace {
    due: Instant,
}

impl Pace {
    /// A frame and when it was handed out; then its pause.
    fn frame(&mut self, show: &mut Show) -> (Scene, Instant) {
        let scene = show.frame();
        let handed = Instant::now();
        self.due = (self.due + FRAME).max(handed);
        std::thread::sleep(self.due - handed);
        (scene, handed)
    }

    /// When the first frame was handed out that shows `wanted` in its first dimension.
    fn seen(&mut self, show: &mut Show, wanted: f32) -> Instant {
        let start = Instant::now();
        loop {
            let (scene, handed) = self.frame(show);
            if scene.pose.latents.first().is_some_and(|z| z[0] == wanted) {
                return handed;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "{wanted} was not seen");
        }
    }

    /// Milliseconds from `since` to that frame.
    fn until(&mut self, show: &mut Show, since: Instant, wanted: f32) -> f64 {
        (self.seen(show, wanted) - since).as_secs_f64() * 1e3
    }
}

/// Prints the figures and empties the list.
fn tell(what: &str, times: &mut Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    let [p50, p90, p99, most] = [0.5, 0.9, 0.99, 1.0].map(at);
    println!("{what} over {}: p50 {p50:.3} ms, p90 {p90:.3} ms, p99 {p99:.3} ms, most {most:.3} ms", times.len());
    times.clear();
}
