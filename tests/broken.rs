//! Broken, hostile and strange files through the program: one sentence, an exit code of 1, nothing written, no call of
//! what a file names, little memory and little time.

#![cfg(target_os = "linux")]
// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

#[path = "broken/files.rs"]
mod files;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use files::{Py, good};

/// What a run of the program was.
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
    /// The most memory that it had.
    peak_mb: u64,
    took: Duration,
}

/// Runs `flaneur import` in a folder and watches its memory, which grows by no more than some megabytes between two
/// looks.
fn import(here: &Path, arguments: &[&str], input: Stdio) -> Run {
    let begun = Instant::now();
    let [out, err] = ["out.txt", "err.txt"].map(|name| here.join(name));
    let file = |path: &Path| Stdio::from(fs::File::create(path).unwrap());
    let mut child = Command::new(env!("CARGO_BIN_EXE_flaneur"))
        .current_dir(here)
        .arg("import")
        .args(arguments)
        // What the program would start itself anew for.
        .envs([("MIMALLOC_PURGE_DELAY", "10000"), ("MIMALLOC_ALLOW_LARGE_OS_PAGES", "1")])
        .stdin(input)
        .stdout(file(&out))
        .stderr(file(&err))
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak_mb = 0;
    let code = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kb = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        peak_mb = peak_mb.max(kb.unwrap_or(0) >> 10);
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{arguments:?} does not end");
        std::thread::sleep(Duration::from_millis(1));
    };
    let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    Run { code, out: read(&out), err: read(&err), peak_mb, took: begun.elapsed() }
}

/// What is printed cannot act on a terminal.
fn check_text(what: &str, text: &str) {
    let bad = text.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(bad, None, "{what}: {text:?}");
}

/// The file is refused as it must be.
fn refused(here: &Path, what: &str, arguments: &[&str], words: &str, input: Stdio) {
    let run = import(here, arguments, input);
    let Run { code, err, peak_mb, took, .. } = &run;
    assert_eq!(*code, Some(1), "{what}: {err}");
    assert!((1..=2).contains(&err.lines().count()) && err.len() < 1200, "{what}: {err}");
    assert!(err.starts_with("flaneur: ") && err.contains(words) && !err.contains("panicked"), "{what}: {words}: {err}");
    assert!(err.contains(": ") && err.trim_end().len() > 30, "{what}: {err}");
    check_text(what, err);
    assert!(*peak_mb < 200, "{what}: {peak_mb} MB");
    assert!(*took < Duration::from_secs(5), "{what}: {took:?}");
    let left = fs::read_dir(here.join("models")).unwrap().count();
    assert_eq!(left, 0, "{what}: something was written");
    assert!(!here.join("called").exists(), "{what}: what it names was called");
}

fn broken(here: &Path, name: &str, bytes: &[u8], words: &str) {
    fs::write(here.join(name), bytes).unwrap();
    refused(here, name, &[name, "--name", "broken"], words, Stdio::null());
    fs::remove_file(here.join(name)).unwrap();
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("models")).unwrap();
    folder
}

#[test]
fn good_files_of_every_format_come_in() {
    let folder = folder();
    let here = folder.path();
    for (name, bytes) in good() {
        fs::write(here.join(name), bytes).unwrap();
        let run = import(here, &[name, "--name", &name.replace('.', "-")], Stdio::null());
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{name}: {}", run.out);
        println!("{name}: {} MB, {:?}", run.peak_mb, run.took);
    }
    assert_eq!(fs::read_dir(here.join("models")).unwrap().count(), good().len());
}

#[test]
fn files_that_were_cut_are_refused() {
    let folder = folder();
    for (name, bytes) in good() {
        for tenth in 0..10 {
            broken(folder.path(), name, &bytes[..bytes.len() * tenth / 10], name);
        }
        broken(folder.path(), name, &bytes[..bytes.len() - 1], name);
    }
}

#[test]
fn files_with_another_beginning_are_refused() {
    let folder = folder();
    for (name, bytes) in good() {
        for wrong in
            [&b"\0\0\0\0\0\0\0\0\0\0"[..], b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", b"GIF89a--", b"\x7fELF\x02\x01\x01\0"]
        {
            let mut bytes = bytes.clone();
            bytes[..wrong.len()].copy_from_slice(wrong);
            broken(folder.path(), name, &bytes, name);
        }
    }
}

#[test]
fn what_a_pickle_names_is_not_called() {
    let folder = folder();
    let here = folder.path();
    for (module, function) in [("os", "system"), ("posix", "system"), ("builtins", "eval"), ("subprocess", "Popen")] {
        let call = Py::call(module, function, vec![Py::text("touch called")]);
        for (name, bytes) in files::pickled(&call, false) {
            broken(here, name, &bytes, function);
        }
        // Beside arrays that are good.
        for (name, bytes) in files::pickled(&Py::dict(vec![("netG", files::state_dict()), ("more", call)]), true) {
            fs::write(here.join(name), bytes).unwrap();
            let run = import(here, &[name, "--name", "beside"], Stdio::null());
            assert!(run.code.is_some() && !here.join("called").exists(), "{name}: {}", run.err);
            let _ = fs::remove_dir_all(here.join("models/beside"));
            fs::remove_file(here.join(name)).unwrap();
        }
    }
}

#[test]
fn claims_of_gigabytes_take_no_memory() {
    let folder = folder();
    for (name, bytes) in files::claims() {
        assert!(bytes.len() < 1000, "{name}");
        broken(folder.path(), name, &bytes, name);
    }
}

#[test]
fn lists_within_lists_are_refused() {
    let folder = folder();
    for deep in [10_000, 1_000_000] {
        for (name, bytes) in files::nested(deep) {
            broken(folder.path(), name, &bytes, name);
        }
    }
}

#[test]
fn many_tiny_arrays_take_little() {
    let folder = folder();
    for (name, bytes) in files::many(100_000) {
        broken(folder.path(), name, &bytes, name);
    }
}

#[test]
fn names_cannot_act_on_a_terminal() {
    let folder = folder();
    let here = folder.path();
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}\nflaneur: all is well\r\u{9b}31m\u{0}\u{8}";
    for (name, bytes) in files::named(evil).into_iter().chain(files::own(evil)) {
        broken(here, name, &bytes, name);
    }
    // Where the generator is good, and something else has such a name.
    for (at, (name, bytes)) in files::beside(evil).into_iter().enumerate() {
        fs::write(here.join(name), bytes).unwrap();
        let run = import(here, &[name, "--name", &format!("m{at}")], Stdio::null());
        assert_eq!(run.code, Some(0), "{name}: {}", run.err);
        check_text(name, &run.out);
        check_text(name, &run.err);
        let card = fs::read_to_string(here.join(format!("models/m{at}/model.toml"))).unwrap();
        check_text(name, &card);
    }
    let long = "x".repeat(60_000);
    fs::remove_dir_all(here.join("models")).unwrap();
    fs::create_dir(here.join("models")).unwrap();
    for (name, bytes) in files::named(&long) {
        broken(here, name, &bytes, name);
    }
    let file = "a\u{1b}[2J\nb.npz";
    broken(here, file, b"no archive at all, but a text of some length", "not known");
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let folder = folder();
    for (name, bytes) in files::good_with(f32::NAN) {
        broken(folder.path(), name, &bytes, "not finite");
    }
    for (name, bytes) in files::good_with(f32::INFINITY) {
        broken(folder.path(), name, &bytes, "not finite");
    }
}

#[test]
fn what_is_no_file_is_refused_and_never_waited_for() {
    let folder = folder();
    let here = folder.path();
    let refuse = |file: &str, words: &str| refused(here, file, &[file, "--name", "broken"], words, Stdio::null());
    fs::create_dir(here.join("sub")).unwrap();
    refuse("sub", "folder");
    refuse(".", "folder");
    refuse("nowhere.pt", "nowhere.pt");
    broken(here, "empty.pt", b"", "empty");
    refuse("/dev/zero", "no file");
    refuse("/dev/null", "no file");
    let made = Command::new("mkfifo").arg(here.join("pipe")).status();
    if made.is_ok_and(|status| status.success()) {
        refuse("pipe", "no file");
    }
    refused(here, "a pipe", &["/dev/stdin", "--name", "broken"], "no file", Stdio::piped());
    std::os::unix::fs::symlink("loop", here.join("loop")).unwrap();
    refuse("loop", "loop");
    refuse(&format!("{}.pt", "x".repeat(300)), "cannot be opened");
}
