//! The house's floors: a module imports only from below, and foreign words stay in their modules.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Modules by floor, as in `src/ARCHITECTURE.md`.
const FLOORS: [&[&str]; 10] = [
    &["latest", "clock", "report", "worker", "files", "random", "hints", "memory", "home"],
    &["latent", "control"],
    &["picture"],
    &["osc", "midi", "sketch", "net", "dataset"],
    &["model", "drawn"],
    &["generator", "trainer", "recorder", "synthesis"],
    &["preset"],
    &["show"],
    &["stage"],
    &["cli"],
];

/// Words that only some modules may say.
const WORDS: [(&str, &[&str]); 21] = [
    ("burn", &["net", "model", "generator", "trainer", "synthesis"]),
    ("burn_cubecl", &["net"]),
    ("cubecl", &["net"]),
    ("faer", &["net"]),
    ("pulp", &["net"]),
    ("rune", &["sketch"]),
    ("notify", &["sketch"]),
    ("rosc", &["osc"]),
    ("axum", &["osc"]),
    ("hyper", &["osc"]),
    ("hyper_util", &["osc"]),
    ("tungstenite", &["osc"]),
    ("mdns_sd", &["osc"]),
    ("midir", &["midi"]),
    ("midly", &["midi"]),
    ("bevy", &["stage"]),
    ("bevy_egui", &["stage"]),
    ("nannou", &["stage"]),
    ("plotters", &["picture"]),
    ("plotters_backend", &["picture"]),
    ("x11rb", &["stage"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn module_of(path: &Path, src: &Path) -> String {
    let inside = path.strip_prefix(src).unwrap();
    inside.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// What is wrong with one source, given its module: breaches of floors and of words.
fn breaches(module: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let Some(floor) = floor_of(module) else { return vec![format!("module {module} stands on no floor")] };
    for (at, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for other in code.match_indices("crate::").map(|(i, word)| &code[i + word.len()..]) {
            let other: String = other.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if other != module && floor_of(&other).is_some_and(|below| below >= floor) {
                found.push(format!("line {}: {module} imports {other}", at + 1));
            }
        }
        if code.contains("crate::{") {
            found.push(format!("line {}: {module} imports a group, where floors are not seen", at + 1));
        }
        for (word, allowed) in WORDS {
            let whole = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let path = code.match_indices(&format!("{word}::")).any(|(at, _)| whole(at));
            let says = path || code.contains(&format!("use {word};"));
            if says && !allowed.contains(&module) {
                found.push(format!("line {}: {module} says {word}", at + 1));
            }
        }
        // It panics where nobody reads any longer.
        if ["print!(", "println!("].iter().any(|word| code.contains(word)) {
            found.push(format!("line {}: {module} prints by itself, not by report::say or tell", at + 1));
        }
    }
    found
}

#[test]
fn nobody_looks_up() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&src, &mut found);
    assert!(found.len() > 20);
    let mut wrong = Vec::new();
    for path in found {
        let module = module_of(&path, &src);
        let text = fs::read_to_string(&path).unwrap();
        let front_page = module == "lib" && text.starts_with("#![doc = include_str!");
        if !text.starts_with("//!") && !front_page {
            wrong.push(format!("{}: does not open by saying what it is", path.display()));
        }
        if module != "lib" && module != "main" {
            wrong.extend(breaches(&module, &text).iter().map(|w| format!("{}: {w}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_breach_is_seen() {
    assert_eq!(breaches("picture", "use crate::model::Model;").len(), 1);
    assert_eq!(breaches("picture", "use crate::dataset;").len(), 1);
    assert_eq!(breaches("picture", "use crate::{cli, latent};").len(), 1);
    assert_eq!(breaches("dataset", "use burn::tensor::Tensor;").len(), 1);
    assert!(breaches("show", "sd_notify::notify(&[]);").is_empty());
    assert_eq!(breaches("nowhere", "").len(), 1);
    assert_eq!(breaches("cli", "println!(\"1\");").len(), 1);
    assert!(breaches("model", "use crate::net::arch::Arch; // crate::cli\nuse burn::tensor::Device;").is_empty());
}
