//! A training that stops and goes on is the training that never stopped.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use burn::tensor::Device;
use common::{config, fail, recipe, succeed};
use flaneur::dataset::store::Store;
use flaneur::model::Card;
use flaneur::net::arch::Arch;
use flaneur::net::families::wgan_gp::{Activation, WganGp};
use flaneur::net::recipe::{Optimiser, Recipe};
use flaneur::report::Stop;
use flaneur::trainer::history::History;
use flaneur::trainer::losses::Losses;
use flaneur::trainer::run::{self, Plan, TrainError};
use flaneur::trainer::step::State;

/// An architecture with every option, small enough to train in a moment.
fn tiny() -> WganGp {
    WganGp {
        input_dim: [16, 16, 3],
        critic_conv_filters: vec![4, 6],
        critic_conv_kernel_size: vec![3, 5],
        critic_conv_strides: vec![2, 2],
        critic_dropout_rate: Some(0.1),
        generator_initial_dense_layer_size: [4, 4, 6],
        generator_upsample: vec![2, 1],
        generator_conv_filters: vec![5, 3],
        generator_conv_kernel_size: vec![3, 6],
        generator_conv_strides: vec![1, 2],
        generator_dropout_rate: Some(0.2),
        z_dim: 8,
        ..WganGp::small()
    }
}

fn data() -> Store {
    let each = 16 * 16 * 3;
    Store::of_bytes((0..11 * each).map(|i| (i * 31 % 251) as u8).collect(), [16, 16, 3])
}

fn plan(folder: &Path, arch: &WganGp, recipe: &Recipe, epochs: u64) -> Plan {
    let card = Card {
        format: 2,
        name: "t".into(),
        arch_name: "custom".into(),
        z_dim: arch.z_dim,
        step: 0,
        seed: 1,
        data: String::new(),
        data_count: 11,
        data_fingerprint: String::new(),
        licence: String::new(),
        classes: Vec::new(),
        notes: Vec::new(),
        flaneur: String::new(),
        burn: String::new(),
        arch: Arch::WganGp(arch.clone()),
        recipe: recipe.clone(),
        score: None,
    };
    Plan { folder: folder.into(), epochs, critic_steps: 3, print_every: 50, rows: 1, columns: 1, half: false, card }
}

fn go_on(folder: &Path, arch: &WganGp, recipe: &Recipe, epochs: u64, resume: bool) -> (u64, Vec<Losses>) {
    let device = Device::flex();
    let training = folder.join("training");
    let (mut state, mut history) = if resume {
        let (state, record) = flaneur::trainer::checkpoint::read(&training, &device).unwrap();
        (state, History::read(&training, record.epoch).unwrap())
    } else {
        (State::new(&Arch::WganGp(arch.clone()), recipe, 1, Some(0.99), &device), History::default())
    };
    let mut losses = Vec::new();
    let plan = plan(folder, arch, recipe, epochs);
    let each = &mut |l: &Losses| losses.push(*l);
    let done = run::train(&plan, &mut state, &mut history, &data(), &device, &Stop::default(), each).unwrap();
    assert_eq!(history.losses().count() as u64, epochs);
    (done, losses)
}

#[test]
fn twenty_epochs_are_ten_and_ten() {
    for optimiser in [Optimiser::Adam, Optimiser::Rmsprop, Optimiser::AdamDefault] {
        let (arch, recipe) = (tiny(), Recipe { optimiser, ..recipe() });
        let folder = tempfile::tempdir().unwrap();
        let (once, twice) = (folder.path().join("once"), folder.path().join("twice"));
        let (done, all) = go_on(&once, &arch, &recipe, 20, false);
        assert_eq!((done, all.len()), (20, 20));
        assert_eq!(all.iter().map(|l| l.critic_steps).collect::<Vec<_>>()[..3], [5, 3, 3]);
        let (_, mut parts) = go_on(&twice, &arch, &recipe, 10, false);
        let (done, rest) = go_on(&twice, &arch, &recipe, 20, true);
        assert_eq!(done, 10);
        parts.extend(rest);
        assert_eq!(parts, all, "{optimiser:?}");
        for name in ["weights.safetensors", "training/state.safetensors", "sheet.png"] {
            let same = fs::read(once.join(name)).unwrap() == fs::read(twice.join(name)).unwrap();
            // The state's record holds the seconds spent, which differ; its arrays are the weights'.
            assert!(same || name.contains("state"), "{optimiser:?}: {name}");
        }
    }
}

#[test]
fn every_setting_trains() {
    let folder = tempfile::tempdir().unwrap();
    let arch = WganGp {
        critic_batch_norm_momentum: Some(0.8),
        critic_activation: Activation::Tanh,
        generator_activation: Activation::Elu,
        ..tiny()
    };
    go_on(&folder.path().join("smooth"), &arch, &recipe(), 2, false);
    let arch = WganGp { generator_batch_norm_momentum: None, critic_dropout_rate: None, ..tiny() };
    go_on(&folder.path().join("bare"), &arch, &recipe(), 2, false);
}

/// The loop learns: a critic that plays against a generator of noise tells the two apart.
#[test]
fn the_critic_comes_to_prefer_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let (_, losses) = go_on(folder.path(), &tiny(), &Recipe { critic_learning_rate: 2e-3, ..recipe() }, 40, false);
    let gap = |l: &Losses| -(l.get("real").unwrap() + l.get("fake").unwrap());
    let (first, last) = (gap(&losses[0]), gap(&losses[39]));
    assert!(last > first + 0.1, "distance {first} at first, {last} at last");
}

#[test]
fn a_diverged_training_keeps_the_last_good_weights() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let (arch, recipe) = (tiny(), Recipe { critic_learning_rate: 1e30, ..recipe() });
    let mut state = State::new(&Arch::WganGp(arch.clone()), &recipe, 1, None, &device);
    let mut plan = plan(folder.path(), &arch, &recipe, 50);
    plan.print_every = 1;
    let (mut history, stop) = (History::default(), Stop::default());
    let ended = run::train(&plan, &mut state, &mut history, &data(), &device, &stop, &mut |_| ());
    match ended {
        Err(error @ TrainError::Diverged { .. }) => {
            assert!(error.to_string().contains("not a finite number"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    if folder.path().join("weights.safetensors").exists() {
        let (state, _) = flaneur::trainer::checkpoint::read(&folder.path().join("training"), &device).unwrap();
        assert!(state.generator.list.iter().all(|p| p.values().iter().all(|v| v.is_finite())));
    }
}

/// A training by hand, with its lines of epochs.
struct ByHand {
    child: std::process::Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    /// The last epoch that was read.
    last: u64,
}

impl ByHand {
    /// Pictures in `d`, and a training of the model `t` on them that has no end.
    fn start(here: &Path, arguments: &[&str]) -> Self {
        succeed(here, &["dataset", "lines", "--out", "d", "--count", "20", "--size", "16"]);
        fs::write(here.join("tiny.toml"), config(&tiny(), &recipe())).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_flaneur"))
            .current_dir(here)
            .args(["train", "d", "--model", "t", "--config", "tiny.toml", "--epochs", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, last: 0 }
    }

    /// The number of the next epoch.
    fn epoch(&mut self) -> u64 {
        let line = self.lines.next().unwrap().unwrap();
        self.last = line.split(' ').next().unwrap().parse().unwrap();
        self.last
    }

    fn signal(&self, signal: &str) {
        // The shell's own kill, which every machine has.
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for the end: exit code, the last epoch, what it said beside the epochs.
    fn end(mut self) -> (Option<i32>, u64, String) {
        // It may end without another epoch.
        let more = self.lines.by_ref().map(|l| l.unwrap()).last();
        let last = more.map_or(self.last, |line| line.split(' ').next().unwrap().parse().unwrap());
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), last, said)
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        // A test that failed leaves no training behind; one that did not has waited for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whatever the terminal sends: the epoch is finished, all is saved, and a resumed training goes on behind it.
#[test]
fn every_signal_to_end_saves() {
    for signal in ["TERM", "HUP"] {
        if signal == "HUP" && hangup_is_ignored() {
            common::skip("these tests run under nohup");
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut training = ByHand::start(folder.path(), &[]);
        while training.epoch() < 3 {}
        training.signal(signal);
        let (code, last, said) = training.end();
        assert_eq!(code, Some(0), "{signal}: {said}");
        let (_, record) =
            flaneur::trainer::checkpoint::read(&folder.path().join("models/t/training"), &Device::flex()).unwrap();
        assert_eq!(record.epoch, last + 1, "{signal}");
    }
}

/// Whether whoever started these tests has them, and what they start, ignore SIGHUP.
fn hangup_is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim).unwrap_or_default();
    u64::from_str_radix(mask, 16).is_ok_and(|mask| mask & 1 == 1)
}

/// Under nohup the end of the terminal is none of its concern.
#[test]
fn an_ignored_hangup_stays_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    succeed(here, &["dataset", "lines", "--out", "d", "--count", "20", "--size", "16"]);
    fs::write(here.join("tiny.toml"), config(&tiny(), &recipe())).unwrap();
    let train =
        format!("trap '' HUP; exec {} train d --model t --config tiny.toml --epochs 0", env!("CARGO_BIN_EXE_flaneur"));
    let mut child = Command::new("sh")
        .current_dir(here)
        .args(["-c", &train])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut training = ByHand { child, lines, last: 0 };
    while training.epoch() < 3 {}
    training.signal("HUP");
    let now = training.epoch();
    while training.epoch() < now + 50 {}
    training.signal("INT");
    let (code, _, said) = training.end();
    assert_eq!(code, Some(0), "{said}");
}

/// What the lines mean, a first picture early, and no end without being asked.
#[test]
fn a_training_by_hand_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut training = ByHand::start(folder.path(), &[]);
    while training.epoch() < 60 {}
    training.signal("INT");
    let (code, _, said) = training.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("G gradient penalty"), "{said}");
    for sample in ["000000", "000010", "000025", "000050"] {
        assert!(folder.path().join(format!("models/t/training/sample_{sample}.png")).is_file(), "{sample}");
    }
}

/// One training a model: the second says who has it. A crash leaves no lock.
#[test]
fn two_trainings_do_not_write_one_model() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut training = ByHand::start(here, &["--print-every", "1"]);
    while training.epoch() < 3 {}
    fail(here, &["train", "d", "--model", "t", "--resume", "--epochs", "9"], "trains into models/t already");
    fail(here, &["train", "d", "--model", "t", "--resume"], &format!("process {} ", training.child.id()));
    training.child.kill().unwrap();
    training.child.wait().unwrap();
    let part = here.join("models/t/training/.state.safetensors.1-1.part");
    fs::write(&part, "half").unwrap();
    succeed(here, &["train", "d", "--model", "t", "--resume", "--epochs", "1"]);
    assert!(!part.exists(), "what a dead training left half written is swept");
    assert!(!here.join("models/t/training/.lock").exists());
}

/// A disk that takes nothing for a while, or a share that is away, ends no training and loses nothing of it.
#[test]
fn a_folder_that_was_away_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut training = ByHand::start(here, &["--print-every", "20"]);
    while training.epoch() < 25 {}
    let (model, away) = (here.join("models/t"), here.join("away"));
    fs::rename(&model, &away).unwrap();
    // What is mounted there may be an empty place.
    fs::create_dir(&model).unwrap();
    let gone = training.epoch();
    while training.epoch() < gone + 100 {}
    assert_eq!(fs::read_dir(&model).unwrap().count(), 0, "nothing is written where the share was");
    fs::remove_dir(&model).unwrap();
    fs::rename(&away, &model).unwrap();
    training.signal("INT");
    let (code, last, said) = training.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("models/t is not there any more") && said.contains("the training goes on"), "{said}");
    let text = fs::read_to_string(model.join("training/history.csv")).unwrap();
    let epochs: Vec<u64> = text.lines().skip(1).map(|l| l.split(',').next().unwrap().parse().unwrap()).collect();
    assert_eq!(epochs, (0..=last).collect::<Vec<_>>());
}

/// A history as long as that of a week: going on with it, saving and drawing take moments.
#[test]
fn a_long_history_holds_up_no_save() {
    let folder = tempfile::tempdir().unwrap();
    let arch = tiny();
    go_on(folder.path(), &arch, &recipe(), 2, false);
    let (device, training) = (Device::flex(), folder.path().join("training"));
    let (mut state, _) = flaneur::trainer::checkpoint::read(&training, &device).unwrap();
    let line = |epoch: u64| format!("{epoch},5,{}.5,-1.25,3.5,0.125,{}.75,,0.2500\n", epoch % 97, epoch % 89);
    let rows: String = (0..200_000).map(line).collect();
    let head = fs::read_to_string(training.join("history.csv")).unwrap().lines().next().unwrap().to_owned();
    fs::write(training.join("history.csv"), format!("{head}\n{rows}")).unwrap();
    (state.epoch, state.step) = (200_000, 200_000);
    let start = Instant::now();
    let mut history = History::read(&training, state.epoch).unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    let mut plan = plan(folder.path(), &arch, &recipe(), 200_010);
    plan.print_every = 1;
    let mut last = Instant::now();
    let mut slowest = Duration::ZERO;
    let each = &mut |_: &Losses| {
        slowest = slowest.max(last.elapsed());
        last = Instant::now();
    };
    run::train(&plan, &mut state, &mut history, &data(), &device, &Stop::default(), each).unwrap();
    // An epoch of these networks takes milliseconds; the rest of it is the save before it.
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    let text = fs::read_to_string(training.join("history.csv")).unwrap();
    assert_eq!(text.lines().count(), 1 + 200_010);
    assert!(fs::read_to_string(training.join("converge.svg")).unwrap().contains("losses of 200010 epochs"));
}

/// SIGINT finishes the epoch, saves, and exits with 0; resume goes on at the next number.
#[test]
fn an_interrupt_saves_and_resume_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    succeed(here, &["dataset", "lines", "--out", "d", "--count", "20", "--size", "16"]);
    fs::write(here.join("tiny.toml"), config(&tiny(), &recipe())).unwrap();
    let arguments = ["train", "d", "--model", "t", "--config", "tiny.toml", "--epochs", "1000000"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_flaneur"))
        .current_dir(here)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for expected in 0..5 {
        assert!(lines.next().unwrap().unwrap().starts_with(&format!("{expected} (5, 1)")));
    }
    // The shell's own kill, which every machine has.
    assert!(Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap().success());
    let last = lines.map(|l| l.unwrap()).last().unwrap_or_else(|| "4 (".into());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let last: u64 = last.split(' ').next().unwrap().parse().unwrap();
    let epochs = (last + 3).to_string();
    let printed = succeed(here, &["train", "d", "--model", "t", "--resume", "--epochs", &epochs]);
    assert!(printed.starts_with(&format!("{} (5, 1)", last + 1)), "{last}: {printed}");
}
