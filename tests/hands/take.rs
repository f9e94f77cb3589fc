//! A performance with live OSC, logged and filmed again: the same frames each time, those that were walked.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::common::{fail, succeed};
use flaneur::net::device::Wanted;
use flaneur::report::{Board, Stop};
use flaneur::show::scene::Act;
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

/// Plays for about two seconds, the log beginning at once or in the middle; gives the last z.
fn play(folder: &Path, log: &Path, later: bool) -> Vec<f32> {
    let sketch = folder.join("a.rn");
    fs::write(&sketch, SKETCH).unwrap();
    let preset = folder.join("p.toml");
    let doors = "[osc]\nbind = \"127.0.0.1:0\"\n[query]\non = false\n[midi]\non = false\n";
    fs::write(&preset, format!("sketch = {sketch:?}\nmodel = {:?}\nfade_secs = 0.2\n{doors}", model())).unwrap();
    let target = Some(preset.to_string_lossy().into_owned());
    let take = (!later).then(|| log.to_owned());
    let options = Options { target, device: Wanted::Cpu, take, ..Options::default() };
    let mut show = Show::open(options, &Board::default(), &Stop::default()).unwrap();
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
            60 => show.act(Act::Blackout),
            80 => show.act(Act::Blackout),
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
    let log = log.to_string_lossy().into_owned();
    let model = model().to_string_lossy().into_owned();
    let more = ["--fps", "25", "--size", size, "--device", "cpu", "--model", &model];
    succeed(folder, &[&["film", "--take", &log, "-o", out], &more[..]].concat());
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
    let take = flaneur::show::take::Take::read(&log).unwrap();
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

#[test]
fn what_is_no_take_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fail(here, &["film", "--take", "none.jsonl", "-o", "f.mp4"], "none.jsonl");
    fs::write(here.join("t.jsonl"), "hello\n").unwrap();
    fail(here, &["film", "--take", "t.jsonl", "-o", "f.mp4"], "t.jsonl is not a take: line 1");
    fail(here, &["film", "ring", "--take", "t.jsonl", "-o", "f.mp4"], "cannot be used with");
}
