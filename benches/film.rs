//! What a film leaves of the generator's rate. `cargo bench --bench film`; other models are named
//! behind it, `-- --model NAME`, as often as there are models.
//!
//! Raw films on the CPU, h264 as `flaneur film` makes it, in turns with the generator alone, which draws eight
//! pictures at a time to bytes. The start and the end of the encoder count, and it has the same cores. Of the two
//! sketches `ring` measures its way first, which is 65 pictures more.

use std::path::Path;
use std::time::Instant;

use flaneur::latent;
use flaneur::model::Model;
use flaneur::net::device::{Wanted, choose};
use flaneur::net::draw::Ready;
use flaneur::report::{Board, Stop};
use flaneur::show::film::Film;
use flaneur::show::{Options, Show};

/// An odd number, so that one of them is in the middle.
const ROUNDS: usize = 7;
/// Of a film, which is as many frames as the generator draws in that time, and not fewer than `flaneur film` makes
/// unasked.
const SECONDS: f64 = 8.0;
const FEWEST: u64 = 600;
const BATCH: usize = 8;
const SKETCHES: [&str; 2] = ["two-seeds", "ring"];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut models = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // `cargo test --benches` only asks whether it can be run.
            "--test" => return,
            "--model" => match arguments.next() {
                // Cargo puts a word of its own behind the last.
                Some(model) if !model.starts_with("--") => models.push(model),
                _ => end("--model takes the name or the folder of a model"),
            },
            // What `cargo bench WORD` hands to every bench: which are meant.
            word if !word.starts_with("--") && !"film".contains(word) => return,
            _ => (),
        }
    }
    flaneur::memory::configure();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    if models.is_empty() {
        models.push(here.join("models/three-lines").to_string_lossy().into_owned());
    }
    for model in models {
        if let Err(why) = measure(here, &model) {
            end(&why);
        }
    }
}

fn end(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(1);
}

/// Prints both rates of a model, and their share, for each sketch.
fn measure(here: &Path, model: &str) -> Result<(), String> {
    let device = choose(Wanted::Cpu).map_err(|e| e.to_string())?.device;
    let read = Model::read(model, &device).map_err(|e| e.to_string())?;
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
            let film = film(&here.join(format!("sketches/{sketch}.rn")), model, frames)?;
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
    Ok(())
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

/// Frames a second of a film; an error where it is not the film that was wanted.
fn film(sketch: &Path, model: &str, frames: u64) -> Result<f64, String> {
    let folder = tempfile::tempdir().map_err(|e| format!("no folder for the film: {e}"))?;
    let options = Options {
        target: Some(sketch.to_string_lossy().into_owned()),
        model: Some(model.into()),
        device: Wanted::Cpu,
        film: true,
        ..Options::default()
    };
    let mut show = Show::open(options, &Board::default(), &Stop::default()).map_err(|e| e.to_string())?;
    let size = show.picture_size();
    let path = folder.path().join("film.mp4");
    let film = Film { path, frames, fps: 60.0, size, raw: true, crf: None, codec: None };
    let start = Instant::now();
    let done = show.film(&film).map_err(|e| e.to_string())?;
    let secs = start.elapsed().as_secs_f64();
    show.close();
    match done.frames == frames && done.path == film.path {
        true => Ok(frames as f64 / secs),
        false => Err(format!("the film became {}, {} frames; install ffmpeg", done.path.display(), done.frames)),
    }
}
