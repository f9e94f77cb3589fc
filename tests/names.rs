//! Work that must not be lost: recordings, takes, films and pictures of one name, and what a killed program leaves.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{fail, ffmpeg, flaneur, names, succeed};
use flaneur::net::device::Wanted;
use flaneur::picture::Picture;
use flaneur::preset::{Preset, Record};
use flaneur::recorder::{Recorder, Settings};
use flaneur::report::{Board, Stop};
use flaneur::show::addresses::{Act, Switch};
use flaneur::show::{Options, Show};

/// A folder with the shipped model and a sketch.
fn stage() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/three-lines");
    for made in ["models/three-lines", "sketches"] {
        fs::create_dir_all(here.join(made)).unwrap();
    }
    for name in ["model.toml", "weights.safetensors"] {
        fs::copy(shipped.join(name), here.join("models/three-lines").join(name)).unwrap();
    }
    fs::write(here.join("sketches/a.rn"), "pub fn walk(me, t, c) { ring([1, 2, 3], t.phase(4)) }").unwrap();
    folder
}

/// Plays some frames without a window; gives what was said.
fn play(here: &Path, more: &[&str]) -> String {
    let play = ["play", "a", "--headless", "--frames", "20", "--device", "cpu"];
    let out = flaneur(here, &[&play[..], more].concat());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{said}");
    said
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_show_that_starts_again_writes_over_nothing() {
    if !ffmpeg() {
        return;
    }
    let folder = stage();
    let here = folder.path();
    for name in ["r.mkv", "t.jsonl", "s.png"] {
        fs::write(here.join(name), name).unwrap();
    }
    let all = ["--record", "r.mkv", "--take", "t.jsonl", "--screenshot", "s.png"];
    for again in ["2", "3"] {
        let said = play(here, &all);
        for name in [format!("r-{again}.mkv"), format!("t-{again}.jsonl"), format!("s-{again}.png")] {
            assert!(said.contains(&name) && fs::metadata(here.join(&name)).unwrap().len() > 100, "{name}: {said}");
        }
    }
    for name in ["r.mkv", "t.jsonl", "s.png"] {
        assert_eq!(read(&here.join(name)), name);
    }
    play(here, &[&all[..], &["--overwrite"]].concat());
    for name in ["r.mkv", "t.jsonl", "s.png"] {
        assert!(fs::metadata(here.join(name)).unwrap().len() > 100, "{name}");
    }
    assert!(!here.join("r-4.mkv").exists());
    assert!(read(&here.join("t.jsonl")).starts_with('{'));
}

#[test]
fn wrong_arguments_cost_no_recording() {
    let folder = stage();
    let here = folder.path();
    fs::write(here.join("r.mkv"), "an evening").unwrap();
    fs::write(here.join("file"), "no folder").unwrap();
    let refused = |more: &[&str], words: &str| {
        fail(here, &[&["play", "a", "--headless", "--record", "r.mkv", "--overwrite"], more].concat(), words);
        assert_eq!(read(&here.join("r.mkv")), "an evening");
    };
    refused(&["--take", "file/t.jsonl"], "the take cannot be written");
    refused(&["--frames", "0"], "--frames");
    refused(&["--fps", "nan"], "--fps");
    refused(&["--model", "nobody"], "known here");
    fail(here, &["play", "nosuch", "--headless", "--record", "r.mkv", "--overwrite"], "no sketch");
    // A name that no recording can have is told before anything begins.
    fail(here, &["play", "a", "--headless", "--record", "r.avi", "--take", "t.jsonl"], "use .mp4");
    fail(here, &["film", "nosuch", "-o", "r.avi"], "use .mp4");
    assert_eq!(names(here), ["file", "models", "r.mkv", "sketches"]);
}

#[test]
fn films_of_one_name_lie_beside_each_other() {
    let folder = stage();
    let here = folder.path();
    let film = |name: &str, more: &[&str]| {
        let film = ["film", "a", "-o", name, "--frames", "3", "--raw", "--device", "cpu"];
        succeed(here, &[&film[..], more].concat())
    };
    for expected in ["f", "f-2", "f-3"] {
        assert!(film("f", &[]).contains(&format!("wrote {expected} (3 frames")));
    }
    fs::write(here.join("f/000007.png"), "of a longer film").unwrap();
    assert!(film("f", &["--overwrite"]).contains("wrote f (3 frames"));
    assert_eq!(names(&here.join("f")), ["000000.png", "000001.png", "000002.png"]);
    if !ffmpeg() {
        return;
    }
    fs::write(here.join("f.mp4"), "a film").unwrap();
    assert!(film("f.mp4", &[]).contains("wrote f-2.mp4"));
    assert_eq!(read(&here.join("f.mp4")), "a film");
    assert!(film("f.mp4", &["--overwrite"]).contains("wrote f.mp4"));
    assert!(fs::metadata(here.join("f.mp4")).unwrap().len() > 100);
    // A link stays one, and the film is where it leads.
    fs::create_dir(here.join("disk")).unwrap();
    std::os::unix::fs::symlink("disk/g.mp4", here.join("g.mp4")).unwrap();
    film("g.mp4", &[]);
    assert!(here.join("g.mp4").is_symlink() && fs::metadata(here.join("disk/g.mp4")).unwrap().len() > 100);
}

#[test]
fn two_shows_that_record_at_once_have_files_of_their_own() {
    if !ffmpeg() {
        return;
    }
    let folder = stage();
    let here = folder.path();
    let record = Record { folder: here.join("recordings"), size: [64, 64], fps: 30.0, floor_mb: 1 };
    let mut preset = Preset {
        sketch: here.join("sketches/a.rn").display().to_string(),
        model: here.join("models/three-lines").display().to_string(),
        record,
        ..Preset::default()
    };
    (preset.osc.on, preset.query.on, preset.midi.on) = (false, false, false);
    let open = || {
        let options = Options { preset: Some(preset.clone()), device: Wanted::Cpu, ..Options::default() };
        Show::open(options, &Board::default(), &Stop::default()).unwrap()
    };
    let mut shows = [open(), open()];
    for show in &mut shows {
        show.act(Act::set(Switch::Recording, true));
        show.act(Act::set(Switch::Take, true));
    }
    let start = Instant::now();
    while shows.iter_mut().any(|show| show.desk().recording.is_none_or(|(_, secs, ..)| secs < 0.3)) {
        assert!(start.elapsed() < Duration::from_secs(60));
        shows.iter_mut().for_each(|show| drop(show.frame()));
        std::thread::sleep(Duration::from_millis(5));
    }
    for show in &mut shows {
        show.act(Act::Still);
    }
    shows.iter_mut().for_each(Show::close);
    drop(shows);
    let all = names(&here.join("recordings"));
    let of = |end: &str| all.iter().filter(|name| name.ends_with(end)).map(String::as_str).collect::<Vec<_>>();
    assert_eq!((of(".mkv").len(), of(".jsonl").len(), of(".png").len(), all.len()), (2, 2, 2, 6), "{all:?}");
    // A recording and its take share the moment: take-20261129-190412 and take-20261129-190412-2.
    let stems = |end: &str| of(end).iter().map(|name| name.trim_end_matches(end).to_owned()).collect::<Vec<_>>();
    assert_eq!(stems(".mkv"), stems(".jsonl"));
    for name in of(".mkv") {
        assert!(fs::metadata(here.join("recordings").join(name)).unwrap().len() > 100, "{name}");
    }
}

/// Settings of a small film.
fn settings(path: &Path, live: bool) -> Settings {
    Settings { path: path.into(), size: [64, 64], fps: 25.0, crf: None, codec: None, live }
}

fn grey(shade: u8) -> Box<dyn FnOnce() -> Picture + Send> {
    Box::new(move || Picture::filled(64, 64, [shade; 3]))
}

#[test]
fn two_films_that_end_at_once_are_both_kept() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.mp4");
    let films: Vec<Recorder> =
        (0..2).map(|_| Recorder::start(settings(&path, false), &Board::default()).unwrap()).collect();
    let named: Vec<_> = films
        .into_iter()
        .map(|film| {
            film.put(0, grey(80)).unwrap();
            film.finish_as().unwrap().1
        })
        .collect();
    assert_eq!(named, [path, folder.path().join("f-2.mp4")]);
    assert_eq!(names(folder.path()), ["f-2.mp4", "f.mp4"]);
}

#[test]
fn what_a_killed_film_leaves_is_swept_by_the_next() {
    if !ffmpeg() {
        return;
    }
    let folder = stage();
    let here = folder.path();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flaneur"));
    command.current_dir(here).args(["film", "a", "-o", "long.mp4", "--frames", "100000", "--raw", "--device", "cpu"]);
    let mut child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let part = |name: &String| name.starts_with(".long.mp4.") && name.ends_with(".part.mp4");
    let start = Instant::now();
    while !names(here).iter().any(part) {
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", names(here));
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(names(here).iter().any(part));
    succeed(here, &["film", "a", "-o", "short.mp4", "--frames", "2", "--raw", "--device", "cpu"]);
    assert!(!names(here).iter().any(part), "{:?}", names(here));
    assert!(here.join("short.mp4").is_file() && !here.join("long.mp4").exists());
}

#[test]
fn a_recording_of_nothing_keeps_no_name() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = flaneur::recorder::names::reserve(&folder.path().join("r.mkv"), false).unwrap();
    assert!(path.is_file());
    Recorder::start(settings(&path, true), &Board::default()).unwrap().finish().unwrap();
    assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
}

/// The most memory that ffmpeg took so far, in megabytes, for the child of this process that writes that file.
fn encoder_mb(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let ours = status.lines().any(|line| line == format!("PPid:\t{}", std::process::id()));
        if ours && String::from_utf8_lossy(&words).contains(name) {
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            return Some(peak.split_whitespace().next()?.parse::<u64>().ok()? >> 10);
        }
    }
    None
}

#[test]
#[cfg(target_os = "linux")]
fn the_memory_of_a_gif_does_not_grow_with_its_length() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long-one.gif");
    let size = [384, 384];
    let film = Recorder::start(Settings { size, ..settings(&path, false) }, &Board::default()).unwrap();
    let mut peaks = Vec::new();
    for frame in 0..400_u64 {
        let picture = move || {
            let mut picture = Picture::filled(size[0], size[1], [30, 60, 90]);
            picture.fill(frame as usize % 300, 100, 60, 60, [250, (frame % 200) as u8, 0]);
            picture
        };
        film.put(frame, Box::new(picture)).unwrap();
        if frame == 150 || frame == 399 {
            peaks.push(encoder_mb(&path).unwrap());
        }
    }
    film.finish().unwrap();
    // All of them kept would be 225 MB; up to 73 wait here.
    assert!(peaks[1] < peaks[0] + 40, "{peaks:?} MB");
    assert!(fs::metadata(&path).unwrap().len() > 10_000);
}
