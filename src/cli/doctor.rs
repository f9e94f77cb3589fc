//! `flaneur doctor`: what this machine has, which path is taken and why, and what to install.

use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;

use super::DeviceChoice;
use crate::control::mapping::MAPPINGS;
use crate::home;
use crate::latent;
use crate::model::enlarge::Enlarge;
use crate::model::{self, Model};
use crate::net::device::{self, Wanted};
use crate::net::draw::Ready;
use crate::net::ops;
use crate::picture::Picture;
use crate::recorder::ffmpeg_version;
use crate::report::say;

/// What `flaneur doctor` takes.
#[derive(Args)]
pub struct Doctor {
    /// The model to time
    #[arg(long, default_value = MODEL)]
    model: String,
    /// Where to time it
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
}

/// The model that is timed if none is named.
const MODEL: &str = "three-lines";
/// Pictures that are timed, and that are drawn before them; fewer where they take long.
const TIMED: usize = 30;
const FIRST: usize = 5;
const PATIENCE: Duration = Duration::from_secs(3);

/// Sides of the pictures that a network makes larger.
const SIDES: [usize; 2] = [64, 128];

/// Milliseconds for a picture, the median of some.
fn larger_ms(net: &Enlarge, side: usize) -> f64 {
    let picture = Picture::filled(side, side, [90, 120, 150]);
    let mut times = Vec::new();
    let begun = Instant::now();
    while times.len() < TIMED && (times.len() < FIRST || begun.elapsed() < PATIENCE) {
        let start = Instant::now();
        let _ = net.whole(&picture, &|| true);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn line(name: &str, what: &str) {
    say(format_args!("{name:<12} {what}"));
}

impl Doctor {
    /// Prints what this machine has, draws with the model and times it.
    ///
    /// # Errors
    /// If the model cannot be drawn with.
    pub fn run(self) -> anyhow::Result<()> {
        line("flaneur", env!("CARGO_PKG_VERSION"));
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        line("processor", &format!("{threads} threads{}", vectors()));
        for adapter in device::adapters() {
            line("adapter", &adapter);
        }
        if device::adapters().is_empty() {
            line("adapter", &format!("{}: the generator runs on the CPU", none()));
        }
        window();
        let drawn = self.generator();
        match ffmpeg_version() {
            Some(version) => line("ffmpeg", &version),
            None => line("ffmpeg", "not installed: films become PNG sequences; install the package ffmpeg"),
        }
        for (port, what) in [(9000, "OSC (UDP)"), (9001, "OSCQuery (TCP)")] {
            let free = match what.ends_with("(UDP)") {
                true => UdpSocket::bind(("127.0.0.1", port)).is_ok(),
                false => TcpListener::bind(("127.0.0.1", port)).is_ok(),
            };
            line("port", &format!("{port} for {what}: {}", if free { "free" } else { "taken by another program" }));
        }
        match crate::midi::ports_now() {
            Ok(ports) if ports.is_empty() => line("midi", "no controller is here; one that comes is found by itself"),
            Ok(ports) => line("midi", &ports.join(", ")),
            Err(why) => line("midi", &why),
        }
        line("font", "Noto Sans, built in");
        places();
        for (name, folder, ending) in
            [("sketches", "sketches", "rn"), ("presets", "presets", "toml"), ("mappings", MAPPINGS, "toml")]
        {
            line(name, &format!("{}", home::names(folder, ending).len()));
        }
        let models = model::known_models();
        line("models", &if models.is_empty() { "0".into() } else { models.join(", ") });
        drawn
    }

    /// The path, and what a picture takes by it; an error where there is no such device or model.
    fn generator(&self) -> anyhow::Result<()> {
        let wanted = self.device.wanted();
        let chosen = device::choose(wanted)?;
        let why = match device::adapters().iter().any(|a| !a.contains("software")) {
            _ if wanted != Wanted::Auto => "as --device says",
            true => "a graphics card is there",
            false => none(),
        };
        line("path", &format!("{} ({why})", chosen.name));
        if let Some((kept, there)) = device::trials() {
            let state = match there {
                true => "what was tried is kept in",
                false => "the first start with a model tries them; what it finds is kept in",
            };
            line("kernels", &format!("the fastest of several on a card; {state} {}", kept.display()));
        }
        if model::known_models().is_empty() && self.model == MODEL {
            line("generator", "not timed: there is no model here; see home below, and go to the folder that has some");
            return Ok(());
        }
        if model::card(&self.model)?.arch.enlarger().is_some() {
            let net = Enlarge::read(&self.model, &chosen.device)?;
            line("stages", &net.way());
            for side in SIDES {
                let (large, ms) = (side * net.scale(), larger_ms(&net, side));
                let text = format!("{}: {side}x{side} to {large}x{large} in {ms:.1} ms (median)", self.model);
                line("enlarged", &text);
            }
            return Ok(());
        }
        let model = Model::read(&self.model, &chosen.device)?;
        let ready = model.ready(chosen.half);
        let z: Vec<f32> = latent::seed(1, model.card.z_dim).iter().map(|v| *v as f32).collect();
        let plain = Ready::new(&model.card.arch, &model.generator, false);
        let ((taken, count), (other, _)) = (median_ms(&ready, &z), median_ms(&plain, &z));
        line("stages", &ready.way());
        let beside = format!("{other:.1} by {}", plain.way());
        line("generator", &format!("{} {taken:.1} ms a picture (median of {count}; {beside})", self.model));
        if taken > 1000.0 / 60.0 {
            line("", "slower than 60 pictures a second: the last two are blended on stage");
        }
        if !chosen.half && device::halves(&chosen.device) {
            line("half", &half(&model, &ready, &z, taken));
        }
        if !ops::ours(&chosen.device) {
            line("cpu", &self.on_the_cpu(&z, taken)?);
        }
        Ok(())
    }

    /// What a picture takes beside the card, where it takes `on_card` milliseconds, in words: a small one may be slower.
    fn on_the_cpu(&self, z: &Vec<f32>, on_card: f64) -> anyhow::Result<String> {
        let chosen = device::choose(Wanted::Cpu)?;
        let (ms, _) = median_ms(&Model::read(&self.model, &chosen.device)?.ready(false), z);
        let advice = if ms < on_card { ": faster, take --device cpu" } else { "" };
        Ok(format!("{ms:.1} ms a picture on the {}{advice}", chosen.name))
    }
}

/// How fast half precision is, and how far from single, which takes `single_ms` a picture, in words.
fn half(model: &Model, single: &Ready, z: &Vec<f32>, single_ms: f64) -> String {
    let half = model.ready(true);
    let count = (PATIENCE.as_secs_f64() * 1e3 / single_ms).clamp(1.0, 9.0) as u32;
    let several: Vec<Vec<f32>> =
        (0..count).map(|seed| latent::seed(seed, model.card.z_dim).iter().map(|v| *v as f32).collect()).collect();
    let (expected, found) = (single.bytes(&several), half.bytes(&several));
    if expected.is_empty() || found.len() != expected.len() {
        return "half precision fails on this card; leave --device gpu-half alone".into();
    }
    let apart = expected.iter().zip(&found).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
    let (ms, _) = median_ms(&half, z);
    format!("{ms:.1} ms in half precision (--device gpu-half), at most {apart} of 255 apart over {count} seeds")
}

/// What one picture takes, the median, and of how many.
fn median_ms(ready: &Ready, z: &Vec<f32>) -> (f64, usize) {
    let several = |most: usize| {
        let begun = Instant::now();
        let one = |_| {
            let start = Instant::now();
            ready.bytes(std::slice::from_ref(z));
            start.elapsed().as_secs_f64() * 1e3
        };
        let enough = |i: &usize| *i == 0 || begun.elapsed() < PATIENCE;
        (0..most).take_while(enough).map(one).collect::<Vec<f64>>()
    };
    several(FIRST);
    let mut times = several(TIMED);
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times.len())
}

/// Why there is no graphics card, in words.
fn none() -> &'static str {
    match cfg!(feature = "gpu") {
        true => "no graphics card is there",
        false => "built without graphics cards (feature \"gpu\")",
    }
}

fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return ", AVX-512";
        }
        if is_x86_feature_detected!("avx2") {
            return ", AVX2";
        }
        ", neither AVX-512 nor AVX2: the generator will be slow"
    }
    #[cfg(not(target_arch = "x86_64"))]
    ""
}

/// Where things are looked for and written.
fn places() {
    let places = home::places();
    let shown = |folder: &Path| match folder.as_os_str().is_empty() {
        true => std::env::current_dir().unwrap_or_default().display().to_string(),
        false => folder.display().to_string(),
    };
    line("home", &format!("{} ({})", shown(&places.home), places.why.words()));
    for kind in ["sketches", "presets", "models", "recordings"] {
        let place = home::place(kind);
        if place != places.home.join(kind) {
            line("", &format!("{kind} are written to {}: the home's cannot be written", shown(&place)));
        }
    }
    for folder in places.shared.iter().filter(|folder| folder.is_dir()) {
        line("shared", &shown(folder));
    }
}

/// What windows need.
fn window() {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    match (set("WAYLAND_DISPLAY"), set("DISPLAY")) {
        (true, _) => line("display", "Wayland"),
        (_, true) => line("display", "X11"),
        _ => line("display", "none: use flaneur play --headless or flaneur film, or xvfb-run"),
    }
    let drivers = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].into_iter().find(|name| set(name));
    let count = drivers.iter().filter_map(|d| std::fs::read_dir(Path::new(d)).ok()).flatten().flatten().count();
    match (named, count) {
        (Some(name), _) => line("vulkan", &format!("only the drivers that {name} names")),
        (_, 0) => line("vulkan", "no driver: install mesa-vulkan-drivers for the windows"),
        (_, n) => line("vulkan", &format!("{n} drivers installed")),
    }
    if cfg!(not(feature = "stage")) {
        line("windows", "this program was built without them (feature \"stage\")");
    }
}
