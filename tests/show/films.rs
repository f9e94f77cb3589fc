//! Films from outside: the same bytes each time, in their containers, with their colours.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use flaneur::recorder::{Recorder, Settings};
use flaneur::report::Board;

use super::common::{fail, ffmpeg, succeed};
use super::{frames_in, stage};

#[test]
fn a_film_is_repeatable_and_a_ring_closes() {
    let folder = stage();
    let ring = "pub fn walk(me, t, c) { ring(even([1, 2, 3]), t.phase(2)) }";
    fs::write(folder.path().join("sketches/a.rn"), ring).unwrap();
    // Two beats at 120 a minute are one second.
    let film = |out: &str, frames: &str| {
        let size = ["--raw", "--device", "cpu", "--fps", "12"];
        succeed(folder.path(), &[&["film", "a", "-o", out, "--frames", frames], &size[..]].concat());
    };
    film("one", "13");
    film("two", "13");
    let read = |out: &str, n: u32| image::open(folder.path().join(format!("{out}/{n:06}.png"))).unwrap().into_rgb8();
    for n in 0..13 {
        assert_eq!(read("one", n), read("two", n));
    }
    let (first, after, middle) = (read("one", 0), read("one", 12), read("one", 6));
    assert_eq!(first.dimensions(), (128, 128));
    assert!(first.iter().zip(after.iter()).all(|(a, b)| a.abs_diff(*b) <= 1));
    assert!(first.iter().zip(middle.iter()).any(|(a, b)| a.abs_diff(*b) > 50));
}

#[test]
fn films_come_in_their_containers_and_an_interrupted_one_plays() {
    if !ffmpeg() {
        return;
    }
    let folder = stage();
    let film = |name: &str, fps: &str| {
        let (name, size) = (format!("--output={name}"), ["--size", "96x64", "--device", "cpu", "--overwrite"]);
        succeed(folder.path(), &[&["film", "a", &name, "--frames", "12", "--fps", fps], &size[..]].concat());
    };
    for name in ["f.mp4", "f.mkv", "f.webm", "f.mov", "f.gif", "a:b.mp4", "-c.mp4"] {
        film(name, "30");
        assert_eq!(frames_in(&folder.path().join(name)), 12, "{name}");
    }
    // A GIF has no sixty frames a second: it is as long, and has fewer.
    film("f.gif", "60");
    assert_eq!(frames_in(&folder.path().join("f.gif")), 10);
    fs::create_dir(folder.path().join("folder.mp4")).unwrap();
    fail(folder.path(), &["film", "a", "-o", "folder.mp4", "--frames", "2"], "it is a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_flaneur"));
    command.current_dir(folder.path()).args(["film", "a", "-o", "long.mp4", "--frames", "100000", "--raw"]);
    let mut child = command.args(["--device", "cpu"]).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap().contains("100000 frames")));
    std::thread::sleep(Duration::from_secs(1));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success() && said.contains("interrupted; wrote long.mp4"), "{said}");
    assert!(frames_in(&folder.path().join("long.mp4")) > 5);
}

/// As when a film is interrupted before its first frame.
#[test]
fn a_film_of_nothing_replaces_none() {
    if !ffmpeg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.mp4");
    fs::write(&path, "a film").unwrap();
    let settings = Settings { path: path.clone(), size: [64, 64], fps: 30.0, crf: None, codec: None, live: false };
    Recorder::start(settings, &Board::default()).unwrap().finish().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "a film");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Four rectangles come out of every container in the colours they were drawn in, sides odd or even.
#[test]
fn films_keep_their_colours() {
    if !ffmpeg() {
        return;
    }
    let folder = stage();
    let here = folder.path();
    let drawn = [(0, 0, [224, 32, 16]), (1, 0, [16, 192, 48]), (0, 1, [32, 64, 208]), (1, 1, [240, 240, 240])];
    let rects = drawn.map(|(x, y, [r, g, b])| {
        format!(".rect({x} as f64 * 0.5, {y} as f64 * 0.5, 0.5, 0.5, \"#{r:02x}{g:02x}{b:02x}\")")
    });
    fs::write(here.join("sketches/a.rn"), format!("pub fn walk(me, t, c) {{ draw(){} }}", rects.concat())).unwrap();
    for (name, size) in [("f.mp4", "96x96"), ("f.mp4", "97x97"), ("f.webm", "96x96"), ("f.mov", "96x96")] {
        let film = ["film", "a", "-o", name, "--frames", "4", "--size", size, "--device", "cpu", "--overwrite"];
        succeed(here, &film);
        let out = ["-v", "error", "-y", "-i", name, "-frames:v", "1", "f.png"];
        assert!(Command::new("ffmpeg").current_dir(here).args(out).status().unwrap().success());
        let picture = image::open(here.join("f.png")).unwrap().into_rgb8();
        for (x, y, colour) in drawn {
            let seen = picture.get_pixel(24 + 48 * x, 24 + 48 * y).0;
            let near = seen.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 4);
            assert!(near, "{name} of {size}: {seen:?} instead of {colour:?}");
        }
    }
}

#[test]
fn knobs_are_moved_by_a_file() {
    let folder = stage();
    let text = "pub fn walk(me, t, c) { constant(c.value(\"x\", -2, 2, 0)) }";
    fs::write(folder.path().join("sketches/a.rn"), text).unwrap();
    fs::write(folder.path().join("k.txt"), "0 x 0\n1 x 1\n").unwrap();
    let film = ["film", "a", "-o", "moved", "--seconds", "1", "--fps", "4", "--raw", "--device", "cpu"];
    succeed(folder.path(), &[&film[..], &["--knobs", "k.txt"]].concat());
    let read = |n: u32| fs::read(folder.path().join(format!("moved/{n:06}.png"))).unwrap();
    assert!(read(0) != read(1) && read(1) != read(2));
    fs::write(folder.path().join("k.txt"), "0 x 0\nlater x 1\n").unwrap();
    fail(folder.path(), &[&film[..], &["--knobs", "k.txt"]].concat(), "line 2");
}
