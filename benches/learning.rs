//! What a training beside the show costs it: the same show with and without, and how gently new weights come in.
//! `cargo bench --bench learning -- --minutes 20`; two minutes each if nobody says.
//!
//! A show without a window, 60 frames a second, a walk that moves in every frame, the shipped model on the CPU. First
//! alone, then with the trainer of the shipped model on drawn lines, which is what the key T starts.

// A bench that cannot begin has nothing to report to but its reader.
#![allow(clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flaneur::net::device::Wanted;
use flaneur::preset::{Preset, Train};
use flaneur::report::{Board, Stop};
use flaneur::show::{Options, Show};

const FRAME: Duration = Duration::from_micros(16_667);

fn main() {
    let words: Vec<String> = std::env::args().collect();
    // `cargo test --benches` only asks whether it can be run, and `cargo bench` has its own word.
    if words.iter().any(|word| word == "--test") {
        return;
    }
    let given = words.iter().position(|word| word == "--minutes").map(|at| words.get(at + 1)?.parse().ok());
    let Some(minutes) = given.unwrap_or(Some(2.0)).filter(|minutes: &f64| *minutes > 0.0) else {
        eprintln!("--minutes takes a number above 0");
        std::process::exit(2);
    };
    let stop = Stop::on_signals().expect("signals");
    let folder = tempfile::tempdir().expect("a folder for the training");
    println!("{minutes} minutes each, 60 frames a second asked for");
    let alone = run(minutes, None, &stop);
    let beside = run(minutes, Some(folder.path().join("live")), &stop);
    println!("\n{:30} {:>12} {:>12}", "", "alone", "training");
    let row =
        |what: &str, of: &dyn Fn(&Figures) -> String| println!("{what:30} {:>12} {:>12}", of(&alone), of(&beside));
    row("frames", &|f| f.frames.to_string());
    row("late frames", &|f| f.late.to_string());
    row("pictures a second", &|f| format!("{:.1}", f.pictures as f64 / f.secs));
    row("frame p50 ms", &|f| format!("{:.2}", quantile(&f.frame_ms, 0.5)));
    row("frame p99 ms", &|f| format!("{:.2}", quantile(&f.frame_ms, 0.99)));
    row("picture p50 ms", &|f| format!("{:.2}", f.took_ms[0]));
    row("picture p99 ms", &|f| format!("{:.2}", f.took_ms[1]));
    row("epochs", &|f| f.epochs.to_string());
    row("states that reached the picture", &|f| f.states.to_string());
    row("states refused", &|f| f.refused.to_string());
    row("change a frame, p50", &|f| format!("{:.2}", quantile(&f.change, 0.5)));
    row("change a frame, most", &|f| format!("{:.2}", quantile(&f.change, 1.0)));
    row("the same in glides, p50", &|f| format!("{:.2}", quantile(&f.change_gliding, 0.5)));
    row("the same in glides, most", &|f| format!("{:.2}", quantile(&f.change_gliding, 1.0)));
    row("cost that the desk shows, ms", &|f| f.cost_ms.map_or("-".into(), |ms| format!("{ms:.2}")));
    println!("\nA change is the root of the mean square between two frames' pictures, in levels of 255.");
    let ratio = beside.late as f64 / alone.late.max(1) as f64;
    println!("late frames with training: {ratio:.2} times those without");
}

/// What one run has shown.
#[derive(Default)]
struct Figures {
    secs: f64,
    frames: u64,
    late: u64,
    pictures: u64,
    epochs: u64,
    states: u64,
    refused: u64,
    frame_ms: Vec<f64>,
    /// Of the last ten seconds: median and 99th percentile.
    took_ms: [f32; 2],
    change: Vec<f64>,
    change_gliding: Vec<f64>,
    cost_ms: Option<f64>,
}

/// One show of so many minutes, with a training into `live` if that is given.
fn run(minutes: f64, live: Option<PathBuf>, stop: &Stop) -> Figures {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut preset = Preset {
        sketch: here.join("sketches/ring.rn").display().to_string(),
        model: here.join("models/three-lines").display().to_string(),
        ..Preset::default()
    };
    (preset.osc.on, preset.query.on, preset.midi.on) = (false, false, false);
    let trains = live.is_some();
    if let Some(live) = live {
        preset.train = Train { autostart: true, model: live.display().to_string(), ..Train::default() };
    }
    let trainer = Some(PathBuf::from(env!("CARGO_BIN_EXE_flaneur")));
    let options = Options { preset: Some(preset), trainer, device: Wanted::Cpu, ..Options::default() };
    let mut show = Show::open(options, &Board::echoing(), stop).expect("a show");
    let (start, mut due, mut figures) = (Instant::now(), Instant::now(), Figures::default());
    let (mut before, mut version, mut last, mut told) = (Vec::new(), 0, None::<Instant>, 0);
    while start.elapsed().as_secs_f64() < minutes * 60.0 && !stop.raised() {
        let now = Instant::now();
        if let Some(last) = last.replace(now) {
            figures.frame_ms.push((now - last).as_secs_f64() * 1e3);
        }
        let scene = show.frame();
        if scene.version != version
            && let Some(picture) = scene.pictures.first()
        {
            let gliding = show.learnt_share() < 1.0;
            let change = change(&before, &picture.pixels);
            if !before.is_empty() {
                if gliding { figures.change_gliding.push(change) } else { figures.change.push(change) }
            }
            before.clone_from(&picture.pixels);
            version = scene.version;
        }
        let minute = start.elapsed().as_secs() / 60;
        if minute > told {
            told = minute;
            let (_, late, cause) = show.figures();
            let lesson = show.desk().lesson;
            let [states, refused] = show.learnt();
            println!(
                "{} minute {minute}: {late} late {cause}, {} epochs, {states} states, {refused} refused, rests {:.2}",
                if trains { "training" } else { "alone" },
                lesson.step,
                lesson.rest
            );
        }
        due = (due + FRAME).max(Instant::now());
        std::thread::sleep(due - Instant::now());
    }
    let (_, late, _) = show.figures();
    let lesson = show.desk().lesson;
    [figures.states, figures.refused] = show.learnt();
    (figures.secs, figures.frames, figures.late) = (start.elapsed().as_secs_f64(), show.frames(), late);
    (figures.pictures, figures.epochs, figures.cost_ms) = (show.pictures(), lesson.step, lesson.cost_ms);
    if let Some(part) = show.figures().0.iter().find(|part| part.name == "generate") {
        figures.took_ms = [part.p50_ms, part.p99_ms];
    }
    show.close();
    figures
}

/// The root of the mean square between two pictures, 0..255.
fn change(a: &[u8], b: &[u8]) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    (sum / a.len().max(1) as f64).sqrt()
}

fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(((sorted.len().max(1) - 1) as f64 * share).round() as usize).copied().unwrap_or(0.0)
}
