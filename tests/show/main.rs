//! Shows from outside: everything that can break while one plays, and the show goes on.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod films;
mod lasting;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::{fail, ffmpeg, succeed};

const GOOD: &str = "pub fn walk(me, t, c) { ring([1, 2, 3], t.phase(4)) }";
/// Longest wait for anything, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a copy of the shipped model and a sketch.
fn stage() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("models/three-lines");
    fs::create_dir_all(&model).unwrap();
    fs::create_dir_all(folder.path().join("sketches")).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/three-lines");
    for name in ["model.toml", "weights.safetensors"] {
        fs::copy(shipped.join(name), model.join(name)).unwrap();
    }
    fs::write(folder.path().join("sketches/a.rn"), GOOD).unwrap();
    folder
}

/// A show that plays without a window.
struct Playing {
    child: Child,
    lines: Receiver<String>,
    folder: PathBuf,
}

impl Playing {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flaneur"));
        command.args(["play", "a", "--headless", "--device", "cpu", "--fps", "60", "--stats", "0.2"]).args(arguments);
        Self::from(command, folder)
    }

    fn from(command: Command, folder: &Path) -> Self {
        Self::rehearsing(command, folder, "1")
    }

    /// The same with other faults to rehearse.
    fn rehearsing(mut command: Command, folder: &Path, faults: &str) -> Self {
        command.current_dir(folder).env("FLANEUR_REHEARSE", faults).env("RUST_BACKTRACE", "0");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let pipes: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for pipe in pipes {
            let sender = sender.clone();
            std::thread::spawn(move || {
                BufReader::new(pipe).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
            });
        }
        let playing = Self { child, lines, folder: folder.into() };
        playing.pictures();
        playing
    }

    /// The first line that holds `words`.
    fn hears(&self, words: &str) -> String {
        let start = Instant::now();
        let mut heard = Vec::new();
        while start.elapsed() < PATIENCE {
            match self.lines.recv_timeout(Duration::from_millis(100)) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => heard.push(line),
                Err(_) => {}
            }
        }
        panic!("\"{words}\" was not heard in\n{}", heard.join("\n"));
    }

    /// How many pictures there were at the next line of figures.
    fn pictures(&self) -> u64 {
        let line = self.hears(" pictures");
        line.split(" · ").find_map(|part| part.strip_suffix(" pictures")).unwrap().parse().unwrap()
    }

    /// New pictures keep coming.
    fn goes_on(&self) {
        let before = self.pictures();
        let start = Instant::now();
        while self.pictures() <= before + 3 {
            assert!(start.elapsed() < PATIENCE, "no new pictures");
        }
    }

    fn sketch(&self, text: &str) {
        fs::write(self.folder.join("sketches/a.rn"), text).unwrap();
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Ends it as Ctrl-C does.
    fn end(mut self) {
        self.signal("-INT");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn whatever_is_wrong_with_a_sketch_the_show_goes_on() {
    let folder = stage();
    let playing = Playing::start(folder.path(), &[]);
    let nested = format!("pub fn walk(me, t, c) {{ {}1{} }}", "(".repeat(5000), ")".repeat(5000));
    for (text, words) in [
        ("pub fn walk(me, t, c) {\n let z = ;\n}", "a.rn:2:"),
        ("pub fn walk(me, t, c) { sead(7) }", "a.rn:1:25: there is no sead"),
        ("pub fn walk(me, t, c) { lerp(seed(1), \"b\", 0.5) }", "argument 2 (b) is a text"),
        ("pub fn walk(me, t, c) { loop {} }", "steps in one frame"),
        ("pub fn walk(me, t, c) { let s = \"ab\"; loop { s = s + s; } }", "MB in one frame"),
        (nested.as_str(), "nested deeper than 256"),
        ("pub fn walk(me, t, c) { rehearse_panic(); seed(1) }", "a rehearsed panic"),
    ] {
        playing.sketch(text);
        playing.hears(words);
        playing.goes_on();
    }
    // Faults that come later than the trial frame.
    playing.sketch("pub fn walk(me, t, c) { ring([1, 2], t.phase(2)) * (0.0 / 0.0) }");
    playing.hears("are not numbers");
    playing.sketch(&format!("{GOOD}\n"));
    playing.goes_on();
    playing.sketch("pub fn setup() { #{ n: 0 } }\npub fn walk(me, t, c) { me.n += 1; if me.n % 20 == 10 { rehearse_panic(); } ring([1, 2], t.phase(2)) }");
    playing.hears("a rehearsed panic");
    playing.goes_on();
    // The generator itself fails, and is built again.
    playing.sketch("pub fn walk(me, t, c) { constant(99) }");
    playing.hears("a rehearsed fault; the last picture stays, attempt 1");
    playing.sketch(&format!("{GOOD}\n\n"));
    playing.goes_on();
    fs::remove_file(folder.path().join("sketches/a.rn")).unwrap();
    playing.hears("cannot be read");
    playing.goes_on();
    playing.sketch(GOOD);
    playing.goes_on();
    playing.end();
    let versions = succeed(folder.path(), &["history", "a"]);
    assert!(versions.lines().count() >= 3, "{versions}");
    // An edit that never ran is no less work than one that did.
    fs::write(folder.path().join("sketches/a.rn"), "an edit that never ran").unwrap();
    let said = succeed(folder.path(), &["history", "a", "--restore", "1"]);
    let kept = said.rsplit("is kept as version ").next().unwrap().trim();
    assert_eq!(succeed(folder.path(), &["history", "a", "--show", kept]), "an edit that never ran");
    fail(folder.path(), &["history", "a", "--restore", "99"], "there is no version 99");
}

#[test]
fn a_device_that_does_not_answer_is_opened_anew_and_then_given_up() {
    let folder = stage();
    let playing = Playing::start(folder.path(), &[]);
    playing.sketch("pub fn walk(me, t, c) { constant(-99) }");
    playing.hears("has not answered for 2 s: another thread begins, the device is opened anew");
    playing.hears("has not answered for 2 s: another thread begins, the second time within 10 minutes: the CPU draws");
    playing.sketch(&format!("{GOOD}\n"));
    playing.goes_on();
    // It ends at once while its device hangs.
    playing.end();
    let playing = Playing::start(folder.path(), &[]);
    playing.sketch("pub fn walk(me, t, c) { constant(-99) }");
    playing.hears("the device is opened anew");
    std::thread::sleep(Duration::from_millis(500));
    let end = Instant::now();
    playing.end();
    assert!(end.elapsed() < Duration::from_secs(3), "{:?}", end.elapsed());
}

#[test]
fn whatever_happens_to_a_model_the_loaded_one_goes_on() {
    let folder = stage();
    let playing = Playing::start(folder.path(), &[]);
    let weights = folder.path().join("models/three-lines/weights.safetensors");
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    playing.hears("is not shown: ");
    playing.goes_on();
    fs::write(&weights, &whole).unwrap();
    playing.goes_on();
    fs::remove_dir_all(folder.path().join("models/three-lines")).unwrap();
    playing.hears("is not taken");
    playing.goes_on();
    playing.end();
}

#[test]
fn a_preset_applies_live_and_a_wrong_one_does_not() {
    let folder = stage();
    fs::create_dir(folder.path().join("presets")).unwrap();
    let preset = folder.path().join("presets/p.toml");
    fs::write(&preset, "sketch = \"a\"").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flaneur"));
    command.args(["play", "p", "--headless", "--device", "cpu", "--stats", "0.2"]);
    let playing = Playing::from(command, folder.path());
    fs::write(&preset, "sketch = \"a\"\nbmp = 3").unwrap();
    playing.hears("did you mean bpm?");
    playing.goes_on();
    fs::write(folder.path().join("sketches/b.rn"), "pub fn walk(me, t, c) { nothing() }").unwrap();
    fs::write(&preset, "sketch = \"b\"").unwrap();
    playing.hears("b.rn:1:25: there is no nothing");
    playing.goes_on();
    playing.end();
}

/// Frames that ffmpeg can decode in a film.
fn frames_in(film: &Path) -> usize {
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-i", film.to_str().unwrap(), "-f", "framemd5", "-"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&out.stdout).lines().filter(|line| !line.starts_with('#')).count()
}

/// The encoder that a show has started.
fn encoder_of(show: u32) -> Option<u32> {
    let out = Command::new("ps").args(["-eo", "pid,ppid,comm"]).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.lines().find_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [pid, parent, "ffmpeg"] if parent == show.to_string() => pid.parse().ok(),
        _ => None,
    })
}

#[test]
fn a_killed_encoder_stops_the_file_and_not_the_show() {
    if !ffmpeg() {
        return;
    }
    let folder = stage();
    let playing = Playing::start(folder.path(), &["--record", "r.mkv"]);
    playing.goes_on();
    let encoder = encoder_of(playing.child.id()).unwrap();
    assert!(Command::new("kill").args(["-9", &encoder.to_string()]).status().unwrap().success());
    playing.hears("the recording of r.mkv ended");
    playing.goes_on();
    playing.end();
}

#[test]
fn a_recording_can_be_played_after_the_show_was_killed() {
    if !ffmpeg() {
        return;
    }
    for name in ["r.mkv", "r.mp4"] {
        let folder = stage();
        let mut playing = Playing::start(folder.path(), &["--record", name]);
        (0..4).for_each(|_| playing.goes_on());
        let encoder = encoder_of(playing.child.id()).unwrap().to_string();
        let both = [playing.child.id().to_string(), encoder];
        assert!(Command::new("kill").arg("-9").args(&both).status().unwrap().success());
        playing.child.wait().unwrap();
        assert!(frames_in(&folder.path().join(name)) > 5, "{name}");
    }
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_show() {
    if !ffmpeg() {
        return;
    }
    let folder = stage();
    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let script = "mount -t tmpfs -o size=96k tmpfs small && exec \"$0\" \"$@\"";
    let try_mount = Command::new("unshare").args(["-rm", "sh", "-c", "mount -t tmpfs -o size=96k tmpfs /mnt"]).status();
    if !try_mount.is_ok_and(|status| status.success()) {
        println!("skipped: a small file system cannot be mounted here");
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script, env!("CARGO_BIN_EXE_flaneur")]);
    command.args(["play", "a", "--headless", "--device", "cpu", "--stats", "0.2", "--record", "small/r.mkv"]);
    let playing = Playing::from(command, folder.path());
    let heard = playing.hears("the recording of small/r.mkv ended");
    assert!(heard.contains("No space left"), "{heard}");
    playing.goes_on();
    playing.end();
}

#[test]
fn after_a_crash_the_show_says_so_and_starts_safely() {
    let folder = stage();
    let mut playing = Playing::start(folder.path(), &[]);
    playing.goes_on();
    playing.child.kill().unwrap();
    playing.child.wait().unwrap();
    let again = Playing::start(folder.path(), &["--safe"]);
    again.goes_on();
    again.end();
    let out = common::flaneur(folder.path(), &["play", "a", "--headless", "--frames", "3", "--device", "cpu"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn only_a_show_that_ended_without_closing_is_told_of() {
    let folder = stage();
    let short = ["play", "a", "--headless", "--frames", "3", "--device", "cpu"];
    let said = || {
        let out = common::flaneur(folder.path(), &short);
        assert!(out.status.success());
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    let mut playing = Playing::start(folder.path(), &[]);
    playing.goes_on();
    // Another show beside it is none that crashed, and takes no mark away.
    for _ in 0..2 {
        let said = said();
        assert!(!said.contains("ended without closing"), "{said}");
    }
    playing.child.kill().unwrap();
    playing.child.wait().unwrap();
    assert!(said().contains("ended without closing while sketches/a.rn ran"));
    assert!(!said().contains("ended without closing"));
}

#[test]
#[cfg(unix)]
fn linked_files_are_followed() {
    let folder = stage();
    let here = folder.path();
    let elsewhere = here.join("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    fs::create_dir_all(here.join("presets")).unwrap();
    fs::rename(here.join("sketches/a.rn"), elsewhere.join("mine.txt")).unwrap();
    std::os::unix::fs::symlink("../elsewhere/mine.txt", here.join("sketches/a.rn")).unwrap();
    let playing = Playing::start(here, &[]);
    // Written in place, and replaced as editors do.
    fs::write(elsewhere.join("mine.txt"), "pub fn walk(me, t, c) { sead(7) }").unwrap();
    playing.hears("there is no sead");
    fs::write(elsewhere.join("new"), "pub fn walk(me, t, c) { zeroes() }").unwrap();
    fs::rename(elsewhere.join("new"), elsewhere.join("mine.txt")).unwrap();
    playing.hears("there is no zeroes");
    playing.goes_on();
    playing.end();
    succeed(here, &["history", "a", "--restore", "1"]);
    assert!(here.join("sketches/a.rn").is_symlink());
    assert_eq!(fs::read_to_string(elsewhere.join("mine.txt")).unwrap(), GOOD);
    // The preset is a link, too.
    fs::write(elsewhere.join("show.toml"), "sketch = \"a\"").unwrap();
    std::os::unix::fs::symlink(elsewhere.join("show.toml"), here.join("presets/p.toml")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flaneur"));
    command.args(["play", "p", "--headless", "--device", "cpu", "--stats", "0.2"]);
    let playing = Playing::from(command, here);
    fs::write(elsewhere.join("show.toml"), "sketch = \"a\"\nbmp = 3").unwrap();
    playing.hears("did you mean bpm?");
    playing.end();
}

#[test]
fn what_cannot_be_played_is_named() {
    let folder = stage();
    let here = folder.path();
    fail(here, &["play", "aa", "--headless"], "did you mean a?");
    fail(here, &["film", "a", "-o", "f.mp3"], "use .mp4");
    fail(here, &["film", "a", "-o", "f.mp4", "--frames", "0"], "no frames");
    fail(here, &["film", "a", "-o", "f.mp4", "--size", "12"], "give WxH");
    fail(here, &["film", "a", "-o", "f.mp4", "--model", "nope"], "known here: three-lines");
    fs::write(here.join("sketches/bad.rn"), "pub fn walk(me, t, c) { sead(1) }").unwrap();
    fail(here, &["film", "bad", "-o", "f.mp4", "--frames", "3"], "did you mean seed");
    fail(here, &["check"], "1 of");
    succeed(here, &["new", "sketch", "mine"]);
    fail(here, &["new", "sketch", "mine"], "there already");
    fail(here, &["new", "sketch", "../mine"], "not a name");
    succeed(here, &["new", "preset", "mine"]);
    fs::write(here.join("sketches/ring.rn"), GOOD).unwrap();
    succeed(here, &["check", "sketches/mine.rn", "presets/mine.toml", "models/three-lines"]);
    assert!(succeed(here, &["verbs", "slerp"]).contains("great circle"));
    assert!(succeed(here, &["verbs"]).lines().count() > 150);
    fail(here, &["verbs", "slurp"], "did you mean slerp?");
    let said = succeed(here, &["doctor", "--device", "cpu"]);
    for words in ["path         cpu (", "(as --device says)", "packed weights: ", " ms a picture (", " by unfolded"] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
    fail(here, &["doctor", "--model", "nope"], "known here: three-lines");
}

#[test]
fn everything_shipped_is_right() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let said = succeed(here, &["check"]);
    assert!(said.lines().filter(|line| line.contains("sketches/")).count() >= 14, "{said}");
    assert!(said.lines().filter(|line| line.contains("presets/mappings/")).count() >= 6, "{said}");
    for entry in fs::read_dir(here.join("sketches")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "rn") {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("// ") && (5..=60).contains(&text.lines().count()), "{path:?}");
        }
    }
}

#[test]
fn the_first_frame_has_a_picture() {
    let folder = stage();
    let play = ["play", "a", "--headless", "--frames", "1", "--screenshot", "first.png", "--device", "cpu"];
    succeed(folder.path(), &play);
    let picture = image::open(folder.path().join("first.png")).unwrap().into_rgb8();
    assert!(picture.pixels().any(|p| p.0.iter().any(|v| *v > 100)));
}

#[test]
fn a_still_of_a_show_without_a_window() {
    let folder = stage();
    let play =
        ["play", "a", "--headless", "--frames", "60", "--screenshot", "s.png", "--size", "200x100", "--device", "cpu"];
    succeed(folder.path(), &play);
    let picture = image::open(folder.path().join("s.png")).unwrap().into_rgb8();
    assert_eq!(picture.dimensions(), (200, 100));
    assert!(picture.pixels().any(|p| p.0.iter().any(|v| *v > 100)));
}
