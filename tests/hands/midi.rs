//! MIDI through a JACK server without hardware: a second client sends every kind, as a controller would.
//!
//! Built with the feature `jack`; skipped where there is no jackd.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flaneur::net::device::Wanted;
use flaneur::report::{Board, Stop};
use flaneur::show::addresses::{Act, Switch};
use flaneur::show::{Options, Show};
use midir::os::unix::{VirtualInput, VirtualOutput};
use midir::{MidiInput, MidiOutput, MidiOutputConnection};

use crate::common::skip;

const PATIENCE: Duration = Duration::from_secs(30);

/// A server, ended with the test.
struct Jack(Child);

impl Drop for Jack {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server with short periods; none, said, where there is no jackd.
fn jack() -> Option<Jack> {
    let server = Command::new("jackd")
        // In step with its clients: on a busy machine the server would drop what a late client has not sent yet.
        .args(["-r", "--no-mlock", "-S", "-d", "dummy", "-p", "256"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(server) = server else {
        skip("jackd is not installed");
        return None;
    };
    let server = Jack(server);
    let start = Instant::now();
    while MidiOutput::new("waiting").is_err() {
        assert!(start.elapsed() < PATIENCE, "jackd does not answer");
        std::thread::sleep(Duration::from_millis(100));
    }
    Some(server)
}

/// Three controllers in one mapping, on a show with a knob.
const MAPPING: &str = "version = 1\ndevice = \"box\"\n
[[map]]\nkind = \"cc\"\nnumber = 1\ntarget = \"knob[0]\"\nsmooth_ms = 0\nfeedback = true\n
[[map]]\nkind = \"cc14\"\nnumber = 2\ntarget = \"z[0]\"\nmin = 0\nmax = 1\ntakeover = \"jump\"\nsmooth_ms = 0\n
[[map]]\nkind = \"nrpn\"\nnumber = 300\ntarget = \"z[1]\"\nmin = 0\nmax = 1\ntakeover = \"jump\"\nsmooth_ms = 0\n
[[map]]\nkind = \"note\"\nnumber = 60\ntarget = \"/flaneur/out/freeze\"\nfeedback = true\n
[[map]]\nkind = \"velocity\"\nnumber = 61\ntarget = \"z[2]\"\nmin = 0\nmax = 1\nsmooth_ms = 0\n
[[map]]\nkind = \"pitchbend\"\ntarget = \"z[3]\"\nmin = -1\nmax = 1\nsmooth_ms = 0\n
[[map]]\nkind = \"aftertouch\"\ntarget = \"z[4]\"\nmin = 0\nmax = 1\nsmooth_ms = 0\n
[[map]]\nkind = \"aftertouch\"\nnumber = 60\ntarget = \"z[5]\"\nmin = 0\nmax = 1\nsmooth_ms = 0\n
[[map]]\nkind = \"relative\"\nnumber = 10\ntarget = \"z[6]\"\nstep = 0.1\nmin = 0\nmax = 1\nsmooth_ms = 0\n
[[map]]\nkind = \"relative\"\nnumber = 11\nencoding = \"offset\"\ntarget = \"z[7]\"\nstep = 0.1\nmin = 0\nmax = 1\nsmooth_ms = 0\n
[[map]]\nkind = \"relative\"\nnumber = 12\nencoding = \"sign\"\ntarget = \"z[8]\"\nstep = 0.1\nmin = 0\nmax = 1\nsmooth_ms = 0\n
[[map]]\nkind = \"program\"\nnumber = 5\ntarget = \"/flaneur/out/hush\"\n
[[map]]\ndevice = \"twin#2\"\nkind = \"cc\"\nnumber = 1\ntarget = \"z[9]\"\nmin = 0\nmax = 1\ntakeover = \"jump\"\nsmooth_ms = 0\n";

/// A folder with the mapping, which the process goes to: mapping files are found from there.
fn stage() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir_all(here.join("presets/mappings")).unwrap();
    fs::create_dir_all(here.join("sketches")).unwrap();
    fs::write(here.join("presets/mappings/box.toml"), MAPPING).unwrap();
    fs::write(here.join("sketches/a.rn"), "pub fn walk(me, t, c) { c.knob(\"first\", 0.5); zeros() }").unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/three-lines");
    let preset = format!("sketch = \"a\"\nmodel = {model:?}\n[osc]\non = false\n[query]\non = false\n");
    fs::write(here.join("presets/p.toml"), preset).unwrap();
    std::env::set_current_dir(here).unwrap();
    folder
}

struct Playing {
    show: Show,
    board: Board,
}

impl Playing {
    fn open() -> Self {
        let board = Board::default();
        // As fast as it goes: a frame that waits for its picture would hold up the controller in this thread.
        let options = Options { target: Some("p".into()), device: Wanted::Cpu, fps: Some(0.0), ..Options::default() };
        let show = Show::open(options, &board, &Stop::default()).unwrap();
        Self { show, board }
    }

    /// Frames until something is so.
    fn until(&mut self, what: &str, mut so: impl FnMut(&mut Show) -> bool) {
        let start = Instant::now();
        while !so(&mut self.show) {
            assert!(start.elapsed() < PATIENCE, "{what}: {:?} {:?}", self.show.desk().monitor, self.board.lines());
            self.show.frame();
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn z(&mut self, i: usize, expected: f32) {
        self.until(&format!("z[{i}] = {expected}"), |show| (show.desk().z[i] - expected).abs() < 1e-4);
    }

    fn knob(&mut self, expected: f32) {
        self.until(&format!("the knob = {expected}"), |show| {
            show.desk().knobs.first().is_some_and(|knob| (knob.value - expected).abs() < 1e-3)
        });
    }

    fn is_here(&mut self, name: &str, count: usize) {
        self.until(&format!("{count} {name}"), |show| {
            show.desk().ports.iter().filter(|port| port.contains(name)).count() == count
        });
    }
}

fn controller(client: &str) -> MidiOutputConnection {
    MidiOutput::new(client).unwrap().create_virtual("midi").unwrap()
}

#[test]
fn a_controller_plays_the_show() {
    let Some(_server) = jack() else { return };
    let _folder = stage();
    let mut playing = Playing::open();
    let lamps: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let seen = lamps.clone();
    // The box's own input: its lamps.
    let _lamps = MidiInput::new("box playback").unwrap().create_virtual(
        "midi",
        move |_, m, ()| seen.lock().unwrap().push(m.into()),
        (),
    );
    let _lamps = _lamps.unwrap();
    let mut out = controller("box capture");
    playing.is_here("box", 1);

    every_kind(&mut playing, &mut out);
    fourteen_bits(&mut playing, &mut out);
    take_over(&mut playing, &mut out);

    // Lamps follow, also what the desk does.
    lamps.lock().unwrap().clear();
    playing.show.act(Act::set(Switch::Freeze, true));
    playing.show.act(Act::Knob("first".into(), 1.0));
    for lamp in [vec![0x90, 60, 127], vec![0xb0, 1, 127]] {
        playing.until(&format!("lamp {lamp:?}"), |_| lamps.lock().unwrap().contains(&lamp));
    }
    playing.show.act(Act::set(Switch::Freeze, false));

    // Two identical ones are told apart by their order.
    let (mut one, mut two) = (controller("twin A"), controller("twin B"));
    playing.is_here("twin", 2);
    two.send(&[0xb0, 1, 127]).unwrap();
    playing.z(9, 1.0);
    one.send(&[0xb0, 1, 0]).unwrap();
    drop((one, two));
    playing.is_here("twin", 0);
    assert_eq!(playing.show.desk().z[9], 1.0);

    comes_back(&mut playing, out);
    playing.show.close();
}

fn every_kind(playing: &mut Playing, out: &mut MidiOutputConnection) {
    let mut send = |bytes: &[u8]| out.send(bytes).unwrap();
    send(&[0xb0, 1, 64]);
    playing.knob(64.0 / 127.0);
    [[0xb0, 2, 64], [0xb0, 34, 0]].iter().for_each(|m| send(m));
    playing.z(0, 8192.0 / 16_383.0);
    [[0xb0, 99, 2], [0xb0, 98, 44], [0xb0, 6, 127], [0xb0, 38, 127]].iter().for_each(|m| send(m));
    playing.z(1, 1.0);
    send(&[0x90, 61, 127]);
    playing.z(2, 1.0);
    send(&[0x80, 61, 0]);
    send(&[0xe0, 127, 127]);
    playing.z(3, 1.0);
    send(&[0xd0, 127]);
    playing.z(4, 1.0);
    send(&[0xa0, 60, 127]);
    playing.z(5, 1.0);
    for (number, up, down, i) in [(10, 2, 127, 6), (11, 66, 63, 7), (12, 2, 65, 8)] {
        send(&[0xb0, number, up]);
        playing.z(i, 0.2);
        send(&[0xb0, number, down]);
        playing.z(i, 0.1);
    }
    send(&[0x90, 60, 100]);
    playing.until("frozen", |s| s.desk().frozen);
    send(&[0x90, 60, 0]);
    send(&[0x90, 60, 100]);
    playing.until("not frozen", |s| !s.desk().frozen);
    send(&[0xc0, 5]);
    playing.until("hushed", |s| s.desk().black && s.desk().held);
    send(&[0xc0, 5]);
    playing.until("not hushed", |s| !s.desk().black);
}

fn fourteen_bits(playing: &mut Playing, out: &mut MidiOutputConnection) {
    let mut found = std::collections::BTreeSet::new();
    for value in 0..16_384_u32 {
        out.send(&[0xb0, 2, (value >> 7) as u8]).unwrap();
        out.send(&[0xb0, 34, (value & 127) as u8]).unwrap();
        if value % 64 == 63 {
            // Every value arrives in turn; which are seen depends on the frames.
            playing.z(0, value as f32 / 16_383.0);
        }
        playing.show.frame();
        found.insert((playing.show.desk().z[0] * 16_383.0).round() as u32);
    }
    assert!(found.len() > 300, "{} values", found.len());
}

fn take_over(playing: &mut Playing, out: &mut MidiOutputConnection) {
    playing.show.act(Act::Knob("first".into(), 0.9));
    playing.knob(0.9);
    out.send(&[0xb0, 1, 10]).unwrap();
    out.send(&[0xb0, 1, 20]).unwrap();
    playing.until("the message", |s| s.desk().monitor.iter().any(|l| l.contains("cc 1 on channel 1 = 20")));
    playing.knob(0.9);
    // A sweep past the value takes hold, and from there nothing jumps.
    let mut last = 0.9;
    for value in (20..=127).step_by(3) {
        out.send(&[0xb0, 1, value]).unwrap();
        let line = format!("cc 1 on channel 1 = {value} ");
        playing.until(&line, |s| s.desk().monitor.iter().any(|l| l.contains(&line)));
        let now = playing.show.desk().knobs[0].value;
        assert!((now - last).abs() < 0.05, "{last} to {now}");
        last = now;
    }
    assert!(last > 0.98, "{last}");
}

fn comes_back(playing: &mut Playing, out: MidiOutputConnection) {
    drop(out);
    playing.is_here("box", 0);
    assert!(playing.board.lines().iter().any(|line| line.text.contains("is gone")));
    let mut out = controller("box capture");
    playing.is_here("box", 1);
    playing.show.act(Act::Knob("first".into(), 0.0));
    out.send(&[0xb0, 1, 0]).unwrap();
    out.send(&[0xb0, 1, 32]).unwrap();
    playing.knob(32.0 / 127.0);
    clock(playing, &mut out);
}

/// 120 beats a minute with ±3 ms of jitter, against the beats that were meant.
fn clock(playing: &mut Playing, out: &mut MidiOutputConnection) {
    let start = Instant::now();
    let tick_secs = 0.5 / 24.0;
    let mut random = 1_u32;
    let mut jitter = move || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(random >> 8) / f64::from(1 << 24) - 0.5) * 0.006
    };
    out.send(&[0xfa]).unwrap();
    let (mut errors, mut next, mut due) = (Vec::new(), 0_u32, 0.01);
    while next < 24 * 16 {
        let now = start.elapsed().as_secs_f64();
        if now >= due {
            out.send(&[0xf8]).unwrap();
            next += 1;
            due = 0.01 + f64::from(next) * tick_secs + jitter();
        }
        // The beat of a frame is that of the moment when it begins.
        let meant = (start.elapsed().as_secs_f64() - 0.01) * 2.0;
        playing.show.frame();
        if next > 24 * 8 {
            errors.push((playing.show.desk().beat - meant) * 500.0);
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    let desk = playing.show.desk();
    assert!((desk.bpm - 120.0).abs() < 1.0 && desk.leader.is_some_and(|l| l.contains("box")), "{}", desk.bpm);
    // The way through the server is a constant; what is left is how steady the beats are.
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let rms = (errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / errors.len() as f64).sqrt();
    println!("beats: {rms:.3} ms rms, {mean:.1} ms behind");
    assert!(rms < 1.0 && mean.abs() < 30.0, "{rms} ms rms, {mean} ms");
    out.send(&[0xfc]).unwrap();
    playing.until("stale", |s| s.desk().leader.is_none());
}
