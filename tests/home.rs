//! Where the program looks for things and where it writes them: from anywhere, from installs that cannot be written.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::names;

const RING: &str = "pub fn walk(me, t, c) { ring([1, 2, 3], t.phase(4)) }";

/// Sketches, a preset and the shipped model in a folder.
fn install(at: &Path) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/three-lines");
    for made in ["models/three-lines", "sketches", "presets/mappings", "presets/points"] {
        fs::create_dir_all(at.join(made)).unwrap();
    }
    for name in ["model.toml", "weights.safetensors"] {
        fs::copy(shipped.join(name), at.join("models/three-lines").join(name)).unwrap();
    }
    fs::write(at.join("sketches/round.rn"), RING).unwrap();
    fs::write(at.join("presets/evening.toml"), "sketch = \"round\"\n[osc]\non = false\n[query]\non = false\n").unwrap();
}

/// Takes every right to write in a folder away, or gives it back.
fn read_only(folder: &Path, is: bool) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_only(&path, is);
        }
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(if is { 0o555 } else { 0o755 })).unwrap();
}

/// A machine: a user's folder, a shared folder, and where the program is started.
struct Machine {
    folder: tempfile::TempDir,
    working: PathBuf,
    home: Option<PathBuf>,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let working = folder.path().join("working");
        fs::create_dir(&working).unwrap();
        Self { folder, working, home: None }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The user's data folder of the program.
    fn user(&self) -> PathBuf {
        self.at("data/flaneur")
    }

    fn run(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flaneur"));
        command.current_dir(&self.working).args(arguments);
        command
            .env("HOME", self.at("user"))
            .env("XDG_DATA_HOME", self.at("data"))
            .env("XDG_DATA_DIRS", self.at("share"));
        match &self.home {
            Some(home) => command.env("FLANEUR_HOME", home),
            None => command.env_remove("FLANEUR_HOME"),
        };
        command.output().unwrap()
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        let out = self.run(arguments);
        let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{arguments:?}: {said}");
        said
    }

    /// A short show and a short film of what is there; gives what the show said.
    fn plays(&self) -> String {
        let said = self.succeed(&["play", "evening", "--headless", "--frames", "3", "--device", "cpu"]);
        let film = self.at("film").display().to_string();
        self.succeed(&["film", "round", "-o", &film, "--frames", "2", "--raw", "--device", "cpu"]);
        assert!(self.at("film/000001.png").is_file());
        fs::remove_dir_all(self.at("film")).unwrap();
        said
    }
}

#[test]
fn a_show_plays_from_anywhere_with_what_is_shared() {
    let mut machine = Machine::new();
    install(&machine.at("share/flaneur"));
    read_only(&machine.at("share"), true);
    for working in [machine.working.clone(), "/".into()] {
        if ["sketches", "presets", "models"].iter().any(|name| working.join(name).exists()) {
            common::skip(format!("{} has folders of such names", working.display()));
            continue;
        }
        machine.working = working;
        machine.plays();
        // The version that ran is kept, and the mark of the running sketch is gone.
        let kept = names(&machine.user().join("sketches/.history"));
        assert!(kept.len() == 1 && kept[0].contains("-round-"), "{kept:?}");
        assert!(machine.succeed(&["history", "round"]).contains("pub fn walk"));
        let said = machine.succeed(&["check"]);
        for words in ["share/flaneur/sketches/round.rn", "presets/evening.toml", "models/three-lines"] {
            assert!(said.contains(words), "{words} is not in {said}");
        }
        let said = machine.succeed(&["doctor", "--device", "cpu"]);
        let user = machine.user().display().to_string();
        assert!(said.contains(&format!("{user} (the user's data folder)")) && said.contains("share/flaneur"), "{said}");
    }
    // What is written lies before what is shared, and is found first.
    machine.working = "/".into();
    machine.succeed(&["new", "sketch", "mine"]);
    assert!(machine.user().join("sketches/mine.rn").is_file());
    let refused = machine.run(&["new", "sketch", "round"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there already"));
    fs::write(machine.user().join("sketches/round.rn"), "pub fn walk(me, t, c) { sead(1) }").unwrap();
    let said = machine.run(&["film", "round", "-o", "/nowhere/f", "--frames", "1"]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("there is no sead"), "{said:?}");
    read_only(&machine.at("share"), false);
}

#[test]
fn a_home_that_cannot_be_written_has_its_writings_in_the_users_folder() {
    let machine = Machine::new();
    install(&machine.working);
    read_only(&machine.working, true);
    machine.plays();
    machine.succeed(&["new", "preset", "mine"]);
    let tiny = common::config(&common::tiny(), &common::recipe());
    fs::write(machine.at("tiny.toml"), tiny).unwrap();
    let config = machine.at("tiny.toml").display().to_string();
    machine.succeed(&["train", "lines", "--model", "t", "--config", &config, "--epochs", "1", "--device", "cpu"]);
    let user = machine.user();
    assert!(user.join("presets/mine.toml").is_file() && user.join("models/t/model.toml").is_file());
    assert_eq!(names(&user.join("sketches/.history")).len(), 1);
    // Both are found by name beside what cannot be written.
    machine.succeed(&["play", "mine", "--headless", "--frames", "2", "--device", "cpu"]);
    let film = machine.at("film").display().to_string();
    machine.succeed(&["film", "round", "--model", "t", "-o", &film, "--frames", "1", "--raw", "--device", "cpu"]);
    // A version comes back as a sketch of the user's own.
    let said = machine.succeed(&["history", "round", "--restore", "1"]);
    assert!(said.contains("data/flaneur/sketches/round.rn is version 1 again"), "{said}");
    let said = machine.succeed(&["doctor", "--device", "cpu"]);
    assert!(said.contains("(the working folder)") && said.contains("recordings are written to"), "{said}");
    read_only(&machine.working, false);
    assert_eq!(names(&machine.working), ["models", "presets", "sketches"]);
    assert!(!machine.working.join("sketches/.history").exists());
}

#[test]
fn the_flag_comes_before_the_variable_and_both_before_the_folder() {
    let mut machine = Machine::new();
    let (flag, variable) = (machine.at("flag"), machine.at("variable"));
    for (at, sketch) in [(&machine.working, "here"), (&flag, "flag"), (&variable, "variable")] {
        fs::create_dir_all(at.join("sketches")).unwrap();
        fs::write(at.join("sketches").join(format!("{sketch}.rn")), RING).unwrap();
    }
    let found = |machine: &Machine, more: &[&str]| {
        let out = machine.run(&[&["play", "nosuch", "--headless"], more].concat());
        String::from_utf8_lossy(&out.stderr).rsplit("Sketches: ").next().unwrap().trim().to_owned()
    };
    assert_eq!(found(&machine, &[]), "here.");
    machine.home = Some(variable);
    assert_eq!(found(&machine, &[]), "variable.");
    let flag = flag.display().to_string();
    assert_eq!(found(&machine, &["--home", &flag]), "flag.");
    assert!(machine.succeed(&["--home", &flag, "check"]).contains("flag/sketches/flag.rn"));
    machine.succeed(&["new", "sketch", "more", "--home", &flag]);
    assert_eq!(names(&machine.at("flag/sketches")), ["flag.rn", "more.rn"]);
    // A home that is not there yet is made by what is written first; a file is none.
    let fresh = machine.at("deep/fresh").display().to_string();
    machine.succeed(&["--home", &fresh, "new", "sketch", "first"]);
    assert!(machine.at("deep/fresh/sketches/first.rn").is_file());
    let out = machine.run(&["--home", &format!("{flag}/sketches/flag.rn"), "check"]);
    assert!(String::from_utf8_lossy(&out.stderr).contains("--home takes a folder"), "{out:?}");
}

#[test]
fn without_anything_it_says_where_it_looked() {
    let machine = Machine::new();
    let out = machine.run(&["play", "ring", "--headless"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("no sketches and presets are in") && said.contains("data/flaneur"), "{said}");
    // What is made makes the working folder the home.
    machine.succeed(&["new", "sketch", "mine"]);
    assert!(machine.working.join("sketches/mine.rn").is_file() && !machine.user().exists());
}

#[test]
fn paths_that_a_person_gives_stay_where_they_are() {
    let mut machine = Machine::new();
    install(&machine.at("home"));
    machine.home = Some(machine.at("home"));
    fs::write(machine.working.join("own.rn"), RING).unwrap();
    machine.succeed(&["film", "own.rn", "-o", "out", "--frames", "1", "--raw", "--device", "cpu"]);
    assert!(machine.working.join("out/000000.png").is_file());
    let take = ["play", "own.rn", "--headless", "--frames", "2", "--device", "cpu", "--take", "deep/a.jsonl"];
    machine.succeed(&take);
    assert!(machine.working.join("deep/a.jsonl").is_file());
    // A path in a preset is looked for in the home, too.
    fs::write(machine.at("home/presets/p.toml"), "sketch = \"sketches/round.rn\"\nmodel = \"models/three-lines\"")
        .unwrap();
    machine.succeed(&["play", "p", "--headless", "--frames", "2", "--device", "cpu"]);
}
