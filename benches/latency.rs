//! Save to effect: writes a sketch file and waits for the frame that shows it. `cargo bench --bench latency`.
//!
//! A show without a window, 60 frames a second, the shipped model on the CPU. Each round saves a sketch with
//! another seed, at a random moment of a frame, and stops the time when the pictures of that seed are in the
//! scene that a window would display next.

// A bench that cannot begin has nothing to report to but its reader.
#![allow(clippy::expect_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use flaneur::latent;
use flaneur::net::device::Wanted;
use flaneur::report::{Board, Stop};
use flaneur::show::{Options, Show};

const ROUNDS: u32 = 40;
const FRAME: Duration = Duration::from_micros(16_667);

fn main() {
    // `cargo test --benches` only asks whether it can be run.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
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
    let mut times = Vec::new();
    let mut due = Instant::now();
    let mut frame = |show: &mut Show| {
        let scene = show.frame();
        due = (due + FRAME).max(Instant::now());
        std::thread::sleep(due - Instant::now());
        scene
    };
    for round in 1..=ROUNDS {
        // Quiet between two saves, as between two thoughts.
        (0..20).for_each(|_| drop(frame(&mut show)));
        let wanted = latent::seed(round, 100)[0] as f32;
        save(round);
        let start = Instant::now();
        while frame(&mut show).pose.latents.first().is_none_or(|z| z[0] != wanted) {
            assert!(start.elapsed() < Duration::from_secs(10), "the save was not seen");
        }
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    println!(
        "save to effect over {ROUNDS} saves: median {:.1} ms, p90 {:.1} ms, most {:.1} ms",
        at(0.5),
        at(0.9),
        at(1.0)
    );
    show.close();
}
