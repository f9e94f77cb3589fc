//! What a film leaves of the generator's rate. `cargo bench --bench film`, with folders of models behind `--`.
//!
//! Raw films on the CPU, h264 as `flaneur film` makes it, in turns with the generator alone, which draws eight
//! pictures at a time to bytes. The start and the end of the encoder count, and it has the same cores. Of the two
//! sketches `ring` measures its way first, which is 65 pictures more.

// A bench that cannot begin has nothing to report to but its reader.
#![allow(clippy::expect_used)]

use std::path::Path;
use std::time::Instant;

use flaneur::latent;
use flaneur::model::Model;
use flaneur::net::device::{Wanted, choose};
use flaneur::net::generator::Ready;
use flaneur::report::{Board, Stop};
use flaneur::show::film::Film;
use flaneur::show::{Options, Show};

const ROUNDS: usize = 6;
/// Of a film, which is as many frames as the generator draws in that time, and not fewer than `flaneur film` makes
/// unasked.
const SECONDS: f64 = 8.0;
const FEWEST: u64 = 600;
const BATCH: usize = 8;
const SKETCHES: [&str; 2] = ["two-seeds", "ring"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` only asks whether it can be run.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    flaneur::memory::keep();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let models: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    if models.is_empty() {
        return measure(here, &here.join("models/three-lines").to_string_lossy());
    }
    models.into_iter().for_each(|model| measure(here, model));
}

/// Prints both rates of a model, and their share, for each sketch.
fn measure(here: &Path, model: &str) {
    let device = choose(Wanted::Cpu).expect("a processor").device;
    let read = match Model::read(model, &device) {
        Ok(read) => read,
        Err(why) => return println!("{why}"),
    };
    let ready = read.ready(false);
    let z: Vec<Vec<f32>> =
        (0..BATCH).map(|i| latent::seed(i as u32, read.card.z_dim).iter().map(|v| *v as f32).collect()).collect();
    // The first ones find out how long it takes, in warm caches.
    (0..5).for_each(|_| drop(ready.bytes(&z)));
    let frames = ((alone(&ready, &z, 2.0) * SECONDS) as u64).max(FEWEST);
    let mut rounds: [Vec<[f64; 2]>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (sketch, rounds) in SKETCHES.iter().zip(&mut rounds) {
            // Half before and half behind, so that a drift of the machine is in both.
            let before = alone(&ready, &z, SECONDS / 2.0);
            let film = film(&here.join(format!("sketches/{sketch}.rn")), model, frames);
            rounds.push([film, (before + alone(&ready, &z, SECONDS / 2.0)) / 2.0]);
        }
    }
    for (sketch, rounds) in SKETCHES.iter().zip(&rounds) {
        let mut shares: Vec<f64> = rounds.iter().map(|[film, alone]| film / alone).collect();
        shares.sort_by(f64::total_cmp);
        let mean = |which: usize| rounds.iter().map(|round| round[which]).sum::<f64>() / ROUNDS as f64;
        println!(
            "{model}, {sketch}: {:.0} frames a second, the generator alone {:.0} pictures: {:.2} of it (median of \
             {ROUNDS} films of {frames} frames; {:.2} to {:.2})",
            mean(0),
            mean(1),
            shares[ROUNDS / 2],
            shares[0],
            shares[ROUNDS - 1],
        );
    }
}

/// Pictures a second, for so many seconds.
fn alone(ready: &Ready, z: &[Vec<f32>], secs: f64) -> f64 {
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed().as_secs_f64() < secs {
        ready.bytes(z);
        count += z.len();
    }
    count as f64 / start.elapsed().as_secs_f64()
}

/// Frames a second of a film.
fn film(sketch: &Path, model: &str, frames: u64) -> f64 {
    let folder = tempfile::tempdir().expect("a folder for the film");
    let options = Options {
        target: Some(sketch.to_string_lossy().into_owned()),
        model: Some(model.into()),
        device: Wanted::Cpu,
        film: true,
        ..Options::default()
    };
    let mut show = Show::open(options, &Board::default(), &Stop::default()).expect("a show");
    let size = show.picture_size();
    let path = folder.path().join("film.mp4");
    let film = Film { path, frames, fps: 60.0, size, raw: true, crf: None, codec: None };
    let start = Instant::now();
    let done = show.film(&film).expect("a film");
    assert!(done.frames == frames && done.path == film.path, "{done:?}; is ffmpeg installed?");
    let secs = start.elapsed().as_secs_f64();
    show.close();
    frames as f64 / secs
}
