//! A performance with live OSC, logged and filmed again: the same frames each time, those that were walked.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::common::{fail, succeed, tiny};
use flaneur::net::device::Wanted;
use flaneur::report::{Board, Stop};
use flaneur::show::addresses::{Act, Switch};
use flaneur::show::{Options, Show};
use rosc::{OscMessage, OscPacket, OscType, encoder};

/// A sketch with a state that goes by every single frame, a trigger and a knob.
const SKETCH: &str = "pub fn setup() { #{ z: seed(1), n: 0 } }
pub fn walk(me, t, c) {
    me.n = me.n + 1;
    if c.hit(\"jump\") { me.z = random(); }
    me.z = me.z.add(me.n % 7, (c.value(\"push\", -1, 1, 0)) * t.dt);
    me.z
}";

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/three-lines")
}

/// A show of a sketch `a.rn` and a model, that writes its take from the first frame on if it is told where.
fn open(folder: &Path, text: &str, model: &Path, take: Option<PathBuf>) -> Show {
    let sketch = folder.join("a.rn");
    fs::write(&sketch, text).unwrap();
    let preset = folder.join("p.toml");
    let doors = "[osc]\nbind = \"127.0.0.1:0\"\n[query]\non = false\n[midi]\non = false\n";
    fs::write(&preset, format!("sketch = {sketch:?}\nmodel = {model:?}\nfade_secs = 0.2\n{doors}")).unwrap();
    let target = Some(preset.to_string_lossy().into_owned());
    let options = Options { target, device: Wanted::Cpu, take, ..Options::default() };
    Show::open(options, &Board::default(), &Stop::default()).unwrap()
}

/// Plays for about two seconds, the log beginning at once or in the middle; gives the last z.
fn play(folder: &Path, log: &Path, later: bool) -> Vec<f32> {
    let mut show = open(folder, SKETCH, &model(), (!later).then(|| log.to_owned()));
    let sketch = folder.join("a.rn");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(show.osc_address().unwrap()).unwrap();
    let send = |address: &str, value: f32| {
        let message = OscMessage { addr: address.into(), args: vec![OscType::Float(value)] };
        socket.send(&encoder::encode(&OscPacket::Message(message)).unwrap()).unwrap();
    };
    let start = Instant::now();
    for frame in 0..120_u32 {
        match frame {
            10 if later => show.log(log).unwrap(),
            20 => send("/flaneur/knob/push", 1.0),
            30 => send("/flaneur/z/3", 0.5),
            40 | 70 => send("/flaneur/hit/jump", 1.0),
            50 => send("/flaneur/z/8..12/set", -1.5),
            60 => show.act(Act::toggle(Switch::Blackout)),
            80 => show.act(Act::toggle(Switch::Blackout)),
            // Another version takes over while it plays.
            90 => fs::write(&sketch, SKETCH.replace("% 7", "% 5")).unwrap(),
            _ => {}
        }
        show.frame();
        let due = Duration::from_millis(16) * frame;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
    }
    let z = show.desk().z;
    show.close();
    z
}

/// The pictures of a film of the take.
fn film(folder: &Path, log: &Path, out: &str, size: &str) -> Vec<image::RgbImage> {
    let model = model().to_string_lossy().into_owned();
    film_with(folder, log, out, &["--size", size, "--model", &model])
}

pub fn film_with(folder: &Path, log: &Path, out: &str, more: &[&str]) -> Vec<image::RgbImage> {
    let log = log.to_string_lossy().into_owned();
    succeed(folder, &[&["film", "--take", &log, "-o", out, "--fps", "25", "--device", "cpu"], more].concat());
    let mut files: Vec<PathBuf> = fs::read_dir(folder.join(out)).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| image::open(path).unwrap().into_rgb8()).collect()
}

fn check(later: bool) {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let log = here.join("take.jsonl");
    let z = play(here, &log, later);
    // What lies on the disk may change; the take has it all.
    fs::remove_file(here.join("a.rn")).unwrap();
    let (one, two) = (film(here, &log, "one", "128x128"), film(here, &log, "two", "128x128"));
    assert!(one == two && one.len() > 40, "{} frames", one.len());
    let large = film(here, &log, "large", "256x256");
    assert!(large.len() == one.len() && large[5].dimensions() == (256, 256));
    // Blackout in the middle, light at both ends.
    let light = |picture: &image::RgbImage| picture.iter().map(|v| u64::from(*v)).sum::<u64>();
    let dark = one.iter().position(|picture| light(picture) == 0);
    assert!(dark.is_some() && light(&one[2]) > 0 && light(&one[one.len() - 1]) > 0);

    // Played again it walks to exactly where it was.
    let take = flaneur::show::takes::replay::Take::read(&log).unwrap();
    let secs = take.secs();
    let preset = Some(take.start.preset.clone());
    let options = Options { preset, device: Wanted::Cpu, safe: true, film: true, ..Options::default() };
    let mut show = Show::open(options, &Board::default(), &Stop::default()).unwrap();
    show.begin_take(take, false).unwrap();
    let path = here.join("last");
    let size = [128, 128];
    let frames = (secs * 25.0) as u64 + 2;
    let film = flaneur::show::film::Film { path, frames, fps: 25.0, size, raw: true, crf: None, codec: None };
    show.film(&film).unwrap();
    assert_eq!(show.walked_z(), z);
}

#[test]
fn a_performance_is_filmed_again() {
    check(false);
}

#[test]
fn a_log_can_begin_in_the_middle() {
    check(true);
}

/// Frames of a film are drawn several at a time; those before a change of model must not get the weights after it.
#[test]
fn a_model_changes_in_the_film_when_it_did_in_the_show() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("tiny.toml"), toml::to_string(&tiny()).unwrap()).unwrap();
    for (name, seed) in [("one", "1"), ("two", "2")] {
        let new = ["train", "lines", "--model", name, "--config", "tiny.toml", "--epochs", "60", "--seed", seed];
        succeed(here, &new);
    }
    let at = |name: &str| here.join("models").join(name);
    let log = here.join("take.jsonl");
    let mut show = open(here, "pub fn walk(me, t, c) { seed(1) }", &at("one"), Some(log.clone()));
    let start = Instant::now();
    for frame in 0..90_u32 {
        // Near frame 21 of the film, far from where eight or sixteen of its frames begin.
        if frame == 52 {
            show.act(Act::Model(at("two").to_string_lossy().into_owned()));
        }
        show.frame();
        let due = Duration::from_millis(16) * frame;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
    }
    show.close();

    // Seconds from the first frame to the one in which the other model was there.
    let lines: Vec<serde_json::Value> =
        fs::read_to_string(&log).unwrap().lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    let time = |line: &serde_json::Value| line["t"][0].as_f64();
    let change = lines.iter().position(|line| !line["weights"].is_null()).unwrap();
    let secs = lines[change..].iter().find_map(time).unwrap() - lines.iter().find_map(time).unwrap();

    let pictures = film_with(here, &log, "film", &[]);
    let (one, two) = (&pictures[0], &pictures[pictures.len() - 1]);
    assert!(one != two);
    let before = pictures.iter().take_while(|picture| *picture == one).count();
    let third = pictures[before..].iter().position(|picture| picture != two);
    assert!(third.is_none(), "frame {third:?} after {before} of {} is of neither", pictures.len());
    let due = secs * 25.0;
    assert!((before as f64 - due).abs() <= 1.5, "after {before} frames of the film; in the show after {due}");
}

#[test]
fn what_is_no_take_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fail(here, &["film", "--take", "none.jsonl", "-o", "f.mp4"], "none.jsonl");
    fs::write(here.join("t.jsonl"), "hello\n").unwrap();
    fail(here, &["film", "--take", "t.jsonl", "-o", "f.mp4"], "t.jsonl is not a take: line 1");
    fail(here, &["film", "ring", "--take", "t.jsonl", "-o", "f.mp4"], "cannot be used with");
}
