//! What must not stop a show, at random from the seed: broken sketches, floods, silent callers, stopped processes, lost
//! and broken files, a terminal that does not read.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::Stage;
use super::measure::descendants;
use super::place::MODELS;
use super::player::{Signal, signal};
use crate::control::hand::Value;
use crate::model;

/// Seconds from one fault to the next.
const EVERY_SECS: f64 = 12.0;
/// How long a fault stays before it is undone.
const STAY_SECS: f64 = 4.0;
/// Messages of a flood.
const FLOOD: u64 = 20_000;
/// Silent callers.
const CALLERS: usize = 300;

/// Sketches that never end, overflow, grow without end, fail, or are none.
const SKETCHES: [&str; 16] = [
    "pub fn walk(me, t, c) { loop {} }",
    "pub fn walk(me, t, c) { each(|i, share| { while true { } 0.0 }) }",
    "pub fn walk(me, t, c) { let l = [1, 2].iter().filter(|x| { loop { } true }).collect::<Vec>(); seed(l[0]) }",
    "fn all() { loop { yield seed(1); } }\npub fn walk(me, t, c) { for z in all() { } seed(1) }",
    "fn none() { loop { } yield 1; }\npub fn walk(me, t, c) { none().next(); seed(1) }",
    "pub fn walk(me, t, c) { let n = 0; for i in 0..900000000 { n += i; } seed(n) }",
    "fn deep(n) { deep(n + 1) + 1 }\npub fn walk(me, t, c) { seed(deep(0)) }",
    "fn f() { each(|i, s| f()).get(0) }\npub fn walk(me, t, c) { constant(f()) }",
    "pub fn walk(me, t, c) { let a = []; let b = []; for i in 0..15000 { a = [a]; b = [b]; } if a == b { } seed(1) }",
    "pub fn walk(me, t, c) { let s = \"flaneur\"; loop { s = s + s; } seed(1) }",
    "pub fn walk(me, t, c) { let l = []; loop { l.push([0; 1000]); } seed(1) }",
    "pub fn walk(me, t, c) { for k in 0..30000 { random(); } random() }",
    "pub fn walk(me, t, c) { panic!(\"it is {}\", t.secs) }",
    "pub fn walk(me, t, c) { [1.0 / 0.0, 0.0 / 0.0] }",
    "pub fn walk(me, t, c) { ((((((((((((((((((((",
    "\u{0}\u{1}\u{2} pub fn",
];

/// A fault, with what makes it and what undoes it.
struct Fault {
    make: fn(&mut Stage, &mut Held),
    undo: fn(&mut Stage, &mut Held),
}

/// What a fault keeps until it is undone.
#[derive(Default)]
struct Held {
    streams: Vec<TcpStream>,
    stopped: Vec<u32>,
}

/// Each kind; a broken sketch is as likely as all others.
const FAULTS: [Fault; 10] = [
    Fault { make: flood, undo: nothing },
    Fault { make: garbage, undo: nothing },
    Fault { make: callers, undo: nothing },
    Fault { make: |stage, held| stop(stage, held, "ffmpeg"), undo: go_on },
    Fault { make: |stage, held| stop(stage, held, "flaneur"), undo: go_on },
    Fault { make: |stage, _| kill(stage), undo: nothing },
    Fault { make: |stage, _| stage.player.set_deaf(true), undo: |stage, _| stage.player.set_deaf(false) },
    Fault { make: move_sketches, undo: nothing },
    Fault { make: break_files, undo: mend_files },
    Fault { make: break_model, undo: mend_model },
];

/// When faults are made, and which is at work.
pub struct Faults {
    on: bool,
    done: u64,
    /// The fault at work, and when it is undone.
    now: Option<(&'static Fault, f64)>,
    held: Held,
}

/// A broken sketch at work.
const SKETCH: Fault = Fault { make: break_sketch, undo: mend_sketch };

impl Faults {
    /// Makes faults, or none.
    pub fn new(on: bool) -> Self {
        Self { on, done: 0, now: None, held: Held::default() }
    }

    /// Faults made so far.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Makes or undoes what is due `now`, in seconds since the start.
    pub fn act(&mut self, stage: &mut Stage, now: f64) {
        if self.now.as_ref().is_some_and(|(_, until)| now >= *until) {
            self.undo_all(stage);
        }
        if !self.on || now < EVERY_SECS * (self.done + 1) as f64 {
            return;
        }
        self.done += 1;
        let which = stage.random.below(2 * FAULTS.len());
        let fault = FAULTS.get(which).unwrap_or(&SKETCH);
        (fault.make)(stage, &mut self.held);
        self.now = Some((fault, now + STAY_SECS));
    }

    /// Undoes the fault at work.
    pub fn undo_all(&mut self, stage: &mut Stage) {
        if let Some((fault, _)) = self.now.take() {
            (fault.undo)(stage, &mut self.held);
            self.held.streams.clear();
        }
    }
}

fn nothing(_: &mut Stage, _: &mut Held) {}

fn break_sketch(stage: &mut Stage, _: &mut Held) {
    let at = stage.random.below(SKETCHES.len());
    stage.broken = true;
    stage.tell(stage.place.write_sketch(SKETCHES[at]));
}

fn mend_sketch(stage: &mut Stage, _: &mut Held) {
    stage.broken = false;
    stage.tell(stage.place.write_sketch(stage.place.sketch(stage.sketch)));
}

/// Many messages at once, and one that means all dimensions.
fn flood(stage: &mut Stage, _: &mut Held) {
    for at in 0..FLOOD {
        stage.player.send("/flaneur/knob/depth", &[Value::Number((at % 100) as f64 / 100.0)]);
    }
    for _ in 0..200 {
        stage.player.send("/flaneur/z/0..65535", &[Value::Number(0.01)]);
    }
    stage.player.send("/flaneur/z/clear", &[]);
}

/// Bytes that are no OSC, or only begin as such.
fn garbage(stage: &mut Stage, _: &mut Held) {
    for length in 0..2000 {
        let mut bytes: Vec<u8> = (0..length % 400).map(|_| stage.random.below(256) as u8).collect();
        if length % 3 == 0 {
            bytes.splice(0..0, *b"#bundle\0\0\0\0\0\0\0\0\x01\0\0\0\x40");
        }
        stage.player.send_bytes(&bytes);
    }
}

/// Callers that say nothing, half of a request, or nonsense.
fn callers(stage: &mut Stage, held: &mut Held) {
    for at in 0..CALLERS {
        let Ok(mut stream) = TcpStream::connect_timeout(&stage.player.query(), Duration::from_millis(200)) else {
            return;
        };
        let said: &[u8] = match at % 3 {
            0 => b"",
            1 => b"GET / HTTP/1.1\r\nHost: localhost\r\nX-",
            _ => b"\x16\x03\x01 what?\r\n\r\n",
        };
        // Whoever was hung up on cannot speak.
        let _ = stream.write_all(said);
        held.streams.push(stream);
    }
}

/// Stops the show's processes of a name: an encoder, a trainer.
fn stop(stage: &mut Stage, held: &mut Held, name: &str) {
    for (process, called) in descendants(stage.player.id()) {
        if called.starts_with(name) {
            signal(process, Signal::Stop);
            held.stopped.push(process);
        }
    }
}

fn go_on(_: &mut Stage, held: &mut Held) {
    held.stopped.drain(..).for_each(|process| signal(process, Signal::Continue));
}

/// Kills encoder and trainer.
fn kill(stage: &mut Stage) {
    descendants(stage.player.id()).iter().for_each(|(process, _)| signal(*process, Signal::Kill));
}

/// The folder is taken away and comes back as another one, as git and file synchronisers do.
fn move_sketches(stage: &mut Stage, _: &mut Held) {
    let [at, aside] = ["sketches", "sketches-aside"].map(|name| stage.place.folder().join(name));
    let moved = std::fs::rename(&at, &aside).and_then(|()| {
        std::fs::create_dir(&at)?;
        for entry in std::fs::read_dir(&aside)? {
            let entry = entry?;
            std::fs::rename(entry.path(), at.join(entry.file_name()))?;
        }
        std::fs::remove_dir_all(&aside)
    });
    stage.tell(moved.map_err(Into::into));
}

/// A broken preset and points that are none, loaded, too.
fn break_files(stage: &mut Stage, _: &mut Held) {
    stage.tell(stage.place.write("presets/broken.toml", "version = 1\nsketch = [[[\n"));
    let points: String = (0..200_000).map(|at| format!("{at}, what, \u{1b}[31m\n")).collect();
    stage.tell(stage.place.write("models/a/points/points.txt", &points).or_else(|_| {
        std::fs::create_dir_all(stage.place.folder().join("models/a/points"))?;
        stage.place.write("models/a/points/points.txt", &points)
    }));
    for name in ["broken", "nothing", "../../etc/passwd"] {
        stage.player.send("/flaneur/preset/load", &[Value::Text(name.into())]);
        stage.player.send("/flaneur/sketch/load", &[Value::Text(name.into())]);
        stage.player.send("/flaneur/model/load", &[Value::Text(name.into())]);
    }
}

fn mend_files(stage: &mut Stage, _: &mut Held) {
    for name in ["presets/broken.toml", "models/a/points/points.txt"] {
        let _ = std::fs::remove_file(stage.place.folder().join(name));
    }
}

/// Half of a model's weights.
fn break_model(stage: &mut Stage, _: &mut Held) {
    let path = stage.place.folder().join("models").join(MODELS[1]).join(model::WEIGHTS);
    let cut = std::fs::read(&path).and_then(|bytes| std::fs::write(&path, &bytes[..bytes.len() / 2]));
    stage.tell(cut.map_err(Into::into));
    stage.player.send("/flaneur/model/load", &[Value::Text(MODELS[1].into())]);
}

fn mend_model(stage: &mut Stage, _: &mut Held) {
    let [from, to] = MODELS.map(|name| stage.place.folder().join("models").join(name).join(model::WEIGHTS));
    stage.tell(std::fs::copy(from, to).map(drop).map_err(Into::into));
}
