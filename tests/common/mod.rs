//! Runs the program as a person would.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::path::Path;
use std::process::{Command, Output};

/// Runs `flaneur` in `folder`.
pub fn flaneur(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flaneur")).current_dir(folder).args(arguments).output().unwrap()
}

/// Runs `flaneur`, which must succeed, and gives what it printed.
pub fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let out = flaneur(folder, arguments);
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{arguments:?}: {:?}\n{stdout}\n{stderr}", out.status);
    stdout.into_owned()
}

/// Runs `flaneur`, which must fail with a clear sentence that holds `words`, without a panic.
pub fn fail(folder: &Path, arguments: &[&str], words: &str) {
    let out = flaneur(folder, arguments);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(matches!(out.status.code(), Some(1 | 2)), "{arguments:?}: {:?}\n{stderr}", out.status);
    let told = stderr.matches("os error").count();
    assert!(told < 2, "{arguments:?}: told twice in\n{stderr}");
    assert!(stderr.contains(words) && !stderr.contains("panicked"), "{arguments:?}: \"{words}\" not in\n{stderr}");
}
