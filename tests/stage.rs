//! The windows, on a virtual display with whatever adapter there is: what they show is what the canvas draws.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]
#![cfg(feature = "stage")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::{fail, succeed};

/// A folder with the shipped model, a sketch and a preset with these lines.
fn stage(sketch: &str, preset: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/three-lines");
    for made in ["models/three-lines", "sketches", "presets"] {
        fs::create_dir_all(here.join(made)).unwrap();
    }
    for name in ["model.toml", "weights.safetensors"] {
        fs::copy(shipped.join(name), here.join("models/three-lines").join(name)).unwrap();
    }
    fs::write(here.join("sketches/a.rn"), sketch).unwrap();
    // No doors: shows that run at the same time would take each other's ports.
    let doors = "[osc]\non = false\n[query]\non = false\n[midi]\non = false\n";
    fs::write(here.join("presets/p.toml"), format!("sketch = \"a\"\n{preset}\n{doors}")).unwrap();
    folder
}

/// Plays on a virtual display; `None` (said) where there is none, or no adapter.
fn play(folder: &Path, arguments: &[&str]) -> Option<Output> {
    rehearse(folder, arguments, None)
}

/// The same, with something rehearsed.
fn rehearse(folder: &Path, arguments: &[&str], what: Option<&str>) -> Option<Output> {
    let mut command = Command::new("xvfb-run");
    command.args(["-a", "-s", "-screen 0 1600x1000x24", env!("CARGO_BIN_EXE_flaneur"), "play"]).args(arguments);
    command.current_dir(folder).env("RUST_BACKTRACE", "0").envs(what.map(|what| ("FLANEUR_REHEARSE", what)));
    let Ok(out) = command.output() else {
        common::skip("xvfb-run is not installed");
        return None;
    };
    let said = String::from_utf8_lossy(&out.stderr);
    if said.contains("no graphics adapter") {
        common::skip(said);
        return None;
    }
    assert!(out.status.success(), "{said}");
    Some(out)
}

/// Largest and mean difference of two pictures.
fn difference(a: &Path, b: &Path) -> (u8, f64) {
    let (a, b) = (image::open(a).unwrap().into_rgb8(), image::open(b).unwrap().into_rgb8());
    assert_eq!(a.dimensions(), b.dimensions());
    let each: Vec<u8> = a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b)).collect();
    let sum: u64 = each.iter().map(|d| u64::from(*d)).sum();
    (each.iter().copied().max().unwrap(), sum as f64 / each.len() as f64)
}

/// Plays on a window and without one, and compares the two pictures.
fn check(sketch: &str, filter: &str, size: &str, most: u8, mean: f64) {
    check_preset(sketch, &format!("filter = \"{filter}\""), size, most, mean);
}

/// The same, with lines of a preset.
fn check_preset(sketch: &str, preset: &str, size: &str, most: u8, mean: f64) {
    let folder = stage(sketch, preset);
    let arguments = ["p", "--device", "cpu", "--frames", "20", "--size", size, "--no-desk"];
    let shot = |name: &'static str| [&arguments[..], &["--screenshot", name]].concat();
    if play(folder.path(), &shot("window.png")).is_none() {
        return;
    }
    succeed(folder.path(), &[&["play", "--headless"], &shot("canvas.png")[..]].concat());
    let found = difference(&folder.path().join("window.png"), &folder.path().join("canvas.png"));
    assert!(found.0 <= most && found.1 <= mean, "{preset} {size}: {found:?}");
}

#[test]
fn the_window_shows_the_generators_bytes() {
    check("pub fn walk(me, t, c) { seed(7) }", "nearest", "256x256", 1, 0.5);
}

#[test]
fn every_filter_and_mark_looks_as_on_the_canvas() {
    check("pub fn walk(me, t, c) { seed(7) }", "linear", "400x300", 8, 1.0);
    check("pub fn walk(me, t, c) { seed(7) }", "cubic", "400x300", 8, 1.0);
    let marks = "pub fn walk(me, t, c) { draw(2).background(\"paper\").picture(seed(7), 0.02, 0.04, 0.46, 0.92)\
        .heatmap(seed(7), 0.52, 0.04, 0.46, 0.92, 0).rect(0.1, 0.1, 0.2, 0.2, \"cyan\").line(0, 0, 1, 1, 0.02, \"red\") }";
    // Soft edges of lines are drawn by another hand.
    check(marks, "linear", "600x300", 255, 1.5);
}

/// Everything that can be in a frame, as many kinds of it as there are; over a plain ground, since the filters are
/// compared elsewhere.
const ALL_MARKS: &str = "pub fn walk(me, t, c) { draw(2).background(\"paper\")\
    .heatmap(seed(7), 0.52, 0.04, 0.46, 0.92, 1).heatmap(seed(3), 0.05, 0.55, 0.2, 0.3, 0)\
    .rect(0.11, 0.13, 0.21, 0.17, \"cyan\").line(0, 0, 1, 1, 0.02, \"red\").line(0, 0.9, 1, 0.95, 0.001, \"blue\")\
    .ellipse(0.2, 0.3, 0.2, 0.5, \"violet\").ellipse(0.1, 0.1, 0.8, 0.5, \"green\", 0.02)\
    .rect(0.05, 0.7, 0.4, 0.2, \"orange\", 0.013).text(\"walking Ágf, 7\", 0.3, 0.5, 0.08, \"magenta\")\
    .text(\"cut off at the edge\", 0.0, 0.2, 0.1, \"black\") }";

#[test]
fn films_and_windows_agree_in_odd_sizes_and_every_fit() {
    for (fit, size) in [("fit", "403x301"), ("fill", "301x405"), ("tile", "701x183"), ("mirror", "703x187")] {
        check_preset(ALL_MARKS, &format!("fit = \"{fit}\""), size, 90, 1.0);
        // The pictures themselves: where a frame lies by a pixel wrong, this is far off.
        let grid = "pub fn walk(me, t, c) { grid([1, 2, 3, 4, 5, 6], 3, 0.1) }";
        check_preset(grid, &format!("fit = \"{fit}\"\nfilter = \"linear\""), size, 60, 1.0);
    }
}

#[test]
fn the_desk_opens_and_is_closed_in_order() {
    let folder = stage("pub fn walk(me, t, c) { seed(1).truncate(c.knob(\"psi\", 0.5)) }", "");
    let arguments = ["p", "--device", "cpu", "--frames", "20", "--size", "200x200", "--desk-screenshot", "desk.png"];
    if play(folder.path(), &arguments).is_none() {
        return;
    }
    let desk = image::open(folder.path().join("desk.png")).unwrap().into_rgb8();
    let colours: std::collections::HashSet<_> = desk.pixels().map(|p| p.0).collect();
    assert!(desk.width() >= 1000 && colours.len() > 100, "{} colours", colours.len());
}

#[test]
fn a_display_that_is_missing_is_said_and_the_show_goes_on() {
    let folder = stage("pub fn walk(me, t, c) { seed(1) }", "display = \"beamer\"");
    let arguments = ["p", "--device", "cpu", "--frames", "20", "--size", "200x200", "--no-desk"];
    let said = |out: Output| String::from_utf8_lossy(&out.stderr).into_owned();
    let Some(out) = play(folder.path(), &arguments).map(said) else { return };
    assert!(out.contains("there is no display \"beamer\"") && out.contains("0 \"screen\" 1600x1000"), "{out}");
    let kiosk = [&arguments[..5], &["--kiosk", "--display", "1", "--screenshot", "kiosk.png"]].concat();
    let out = play(folder.path(), &kiosk).map(said).unwrap();
    assert!(out.contains("there is no display 1"), "{out}");
    let out = play(folder.path(), &[&arguments[..], &["--display", "SCREEN"]].concat()).map(said).unwrap();
    assert!(!out.contains("no display"), "{out}");
    // Without a window manager it has the size of the preset.
    assert!(image::open(folder.path().join("kiosk.png")).is_ok());
}

#[test]
fn a_window_that_shows_nothing_is_mended_while_the_show_goes_on() {
    let folder = stage("pub fn walk(me, t, c) { seed(7) }", "");
    let arguments = ["p", "--device", "cpu", "--fps", "30", "--frames", "80", "--size", "256x256", "--no-desk"];
    let shot = |name: &'static str| [&arguments[..], &["--screenshot", name]].concat();
    let Some(out) = rehearse(folder.path(), &shot("mended.png"), Some("dark")) else { return };
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("its surface is made anew") && said.contains("it is opened again"), "{said}");
    play(folder.path(), &shot("whole.png"));
    let found = difference(&folder.path().join("mended.png"), &folder.path().join("whole.png"));
    assert_eq!(found, (0, 0.0));
}

#[test]
fn without_a_display_it_says_what_to_do() {
    let folder = stage("pub fn walk(me, t, c) { seed(1) }", "");
    let out = Command::new(env!("CARGO_BIN_EXE_flaneur"))
        .args(["play", "p"])
        .current_dir(folder.path())
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(1) && said.contains("--headless"), "{said}");
    fail(folder.path(), &["play", "p", "--headless", "--fps", "-1"], "");
}
