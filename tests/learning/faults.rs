//! Whatever happens to a training, the picture goes on, and nothing bad is ever shown.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use burn::tensor::Device;
use flaneur::model::{self, Model};
use flaneur::net::families::Family;
use flaneur::net::families::wgan_gp::WganGp;
use flaneur::net::params::Params;
use flaneur::random::RandomState;
use flaneur::show::addresses::Training;
use flaneur::trainer::protocol::Settings;

use crate::common::succeed;
use crate::stage::{PATIENCE, Stage, folder, tiny, watching};

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

/// Whether a process is there and not a mere entry that waits to be collected.
fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_killed_trainer_comes_back_where_it_was() {
    let mut stage = Stage::open(|_, _| (), None);
    stage.until("a checkpoint", |s| s.live().join("training/state.safetensors").is_file() && s.lesson().step > 60);
    let pid = stage.show.trainer_pid().unwrap();
    kill(pid);
    stage.until("the report", |s| s.lesson().state == "crashed");
    assert!(stage.says("trainer", "signal: 9"), "{:?}", stage.board.lines());
    stage.until("another life", |s| s.lesson().state == "running" && s.show.trainer_pid() != Some(pid));
    let before = stage.show.learnt()[0];
    stage.until("new states", |s| s.show.learnt()[0] > before);
    assert!(stage.board.of("trainer").is_none() && stage.lesson().step > 50);
    // It ends with the show.
    let pid = stage.show.trainer_pid().unwrap();
    drop(stage.show);
    assert!(!lives(pid));
}

#[test]
fn stopped_and_started_again_there_is_one_trainer() {
    let mut stage = Stage::open(|_, train| train.data2 = "lines".into(), None);
    stage.until("a state", |s| s.show.learnt()[0] >= 2);
    let (pid, step) = (stage.show.trainer_pid().unwrap(), stage.lesson().step);
    stage.act(Training::Stop);
    stage.act(Training::Go(Some(true)));
    stage.until("another life", |s| s.lesson().state == "running" && s.show.trainer_pid().is_some_and(|p| p != pid));
    assert!(!lives(pid));
    // It goes on where the one before had saved itself.
    stage.until("more epochs", |s| s.lesson().step > step);
}

#[test]
fn a_killed_show_leaves_no_orphan() {
    let folder = folder();
    let here = folder.path();
    let preset = "sketch = \"still.rn\"\nmodel = \"t\"\n[osc]\non = false\n[query]\non = false\n[midi]\non = false\n\
                  [train]\nautostart = true\ndata = \"d\"\n";
    fs::write(here.join("p.toml"), preset).unwrap();
    let mut show = Command::new(env!("CARGO_BIN_EXE_flaneur"))
        .current_dir(here)
        .args(["play", "p.toml", "--headless", "--device", "cpu"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let child = || {
        fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let parent: u32 = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            (parent == show.id()).then_some(pid)
        })
    };
    let start = Instant::now();
    let trainer = loop {
        if let Some(pid) = child()
            && here.join("models/t-live/history").is_dir()
        {
            break pid;
        }
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(50));
    };
    show.kill().unwrap();
    show.wait().unwrap();
    let killed = Instant::now();
    while lives(trainer) {
        assert!(killed.elapsed() < Duration::from_secs(2), "the trainer outlives the show");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The process whose parent this is.
fn child_of(parent: u32) -> Option<u32> {
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let of: u32 = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
        (of == parent && !stat.contains(") Z ")).then_some(pid)
    })
}

/// A program that was replaced while it plays, as by an update, starts its trainer again: itself, not the new one.
#[test]
#[cfg(target_os = "linux")]
fn a_replaced_program_starts_its_trainer_again() {
    let folder = folder();
    let here = folder.path();
    let preset = "sketch = \"still.rn\"\nmodel = \"t\"\n[osc]\non = false\n[query]\non = false\n[midi]\non = false\n\
                  [train]\nautostart = true\ndata = \"d\"\n";
    fs::write(here.join("p.toml"), preset).unwrap();
    let program = here.join("flaneur");
    fs::copy(env!("CARGO_BIN_EXE_flaneur"), &program).unwrap();
    let mut show = Command::new(&program)
        .current_dir(here)
        .args(["play", "p.toml", "--headless", "--device", "cpu"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let trainer = |than: Option<u32>| loop {
        if let Some(pid) = child_of(show.id()).filter(|pid| Some(*pid) != than) {
            return pid;
        }
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(50));
    };
    let first = trainer(None);
    fs::remove_file(&program).unwrap();
    fs::write(&program, "another program").unwrap();
    kill(first);
    let second = trainer(Some(first));
    assert!(second != first && lives(second));
    show.kill().unwrap();
    show.wait().unwrap();
}

#[test]
fn a_trainer_beyond_its_memory_is_reported_and_the_show_goes_on() {
    let mut stage = Stage::open(|_, train| train.memory_mb = 24, None);
    stage.until("the report", |s| s.lesson().state == "crashed");
    assert!(stage.says("trainer", "limit of 24 MB"), "{:?}", stage.board.lines());
    stage.frames(30);
}

/// Puts a file in place of the watched weights.
fn put(folder: &Path, bytes: &[u8]) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("new"), bytes).unwrap();
    fs::rename(folder.join("new"), folder.join(model::WEIGHTS)).unwrap();
}

fn weights(here: &Path, arch: &WganGp, spoil: impl Fn(&str, &mut Vec<f32>)) -> Vec<u8> {
    let device = Device::flex();
    let plans = arch.generator().plans();
    let fresh = Params::init(&plans, &mut RandomState::new(3), &device);
    let values: Vec<Vec<f32>> = fresh
        .list
        .iter()
        .map(|param| {
            let mut values = param.values();
            spoil(&param.name, &mut values);
            values
        })
        .collect();
    let path = here.join("made.safetensors");
    model::write_weights(&path, &Params::of(&plans, &values, &device), None, false).unwrap();
    fs::read(path).unwrap()
}

#[test]
fn bad_weights_are_never_shown() {
    let mut stage = Stage::open(watching, None);
    stage.until("a picture", |s| !s.frame().is_empty());
    let (before, here, live) = (stage.still(), stage.here().to_owned(), stage.live());
    let good = fs::read(here.join("models/t").join(model::WEIGHTS)).unwrap();
    let mut not_numbers = weights(&here, &tiny(), |_, _| ());
    let len = not_numbers.len();
    not_numbers[len - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    let other = WganGp { generator_conv_filters: vec![6, 3], ..tiny() };
    let cases: [(&str, Vec<u8>); 6] = [
        ("not finite", not_numbers),
        ("not a whole safetensors file", good[..good.len() / 2].to_vec()),
        ("other weights", weights(&here, &other, |_, _| ())),
        ("not a whole safetensors file", Vec::new()),
        (
            "negative",
            weights(&here, &tiny(), |name, v| {
                if name.ends_with("variance") {
                    v.fill(-1.0)
                }
            }),
        ),
        ("flat", weights(&here, &tiny(), |_, v| v.fill(0.0))),
    ];
    for (words, bytes) in cases {
        let refused = stage.show.learnt()[1];
        put(&live, &bytes);
        stage.until(words, |s| {
            assert_eq!(s.frame(), before, "{words}");
            s.show.learnt()[1] > refused
        });
        assert!(stage.says("learning", words), "{words}: {:?}", stage.board.lines());
    }
    assert_eq!(stage.show.learnt()[0], 0);
    // And what is good is shown afterwards.
    let own = Model::read(&here.join("models/t").display().to_string(), &Device::flex()).unwrap();
    let plans = tiny().generator().plans();
    let values: Vec<Vec<f32>> =
        own.generator.list.iter().map(|p| p.values().iter().map(|v| v * 1.02).collect()).collect();
    let path = here.join("better.safetensors");
    model::write_weights(&path, &Params::of(&plans, &values, &Device::flex()), None, false).unwrap();
    put(&live, &fs::read(path).unwrap());
    stage.until("good weights", |s| s.show.learnt()[0] == 1);
}

#[test]
fn a_full_disk_is_told_and_tried_again() {
    let mut stage = Stage::open(|_, _| (), None);
    stage.until("a state", |s| s.show.learnt()[0] >= 2);
    // A folder in the way of the file stands for a disk that takes nothing.
    let (live, moved) = (stage.live(), stage.here().join("moved"));
    fs::rename(live.join("history"), &moved).unwrap();
    fs::write(live.join("history"), "in the way").unwrap();
    stage.until("the warning", |s| !s.lesson().message.is_empty() && s.lesson().message.contains("history"));
    let (step, shown) = (stage.lesson().step, stage.show.learnt()[0]);
    stage.until("more epochs", |s| s.lesson().step > step + 20);
    fs::remove_file(live.join("history")).unwrap();
    fs::rename(&moved, live.join("history")).unwrap();
    stage.until("new states", |s| s.show.learnt()[0] > shown);
}

#[test]
fn an_emptied_data_folder_and_dropped_pictures() {
    let mut stage = Stage::open(|_, _| (), None);
    stage.until("a state", |s| s.show.learnt()[0] >= 2);
    let data = stage.here().join("d");
    succeed(stage.here(), &["dataset", "lines", "--out", "more", "--count", "30", "--size", "16", "--seed", "9"]);
    for file in fs::read_dir(&data).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    stage.until("the warning", |s| s.lesson().message.contains("readable pictures"));
    let step = stage.lesson().step;
    stage.until("more epochs", |s| s.lesson().step > step + 20);
    for file in fs::read_dir(stage.here().join("more")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), data.join(file.file_name())).unwrap();
    }
    let live = stage.live();
    let count = || model::Card::read(&live).is_ok_and(|card| card.data_count == 30);
    stage.until("the new pictures", |_| count());
}

#[test]
fn garbage_from_the_trainer_is_skipped() {
    let script = "printf 'garbage\\n{\"v\":1}\\n\\377\\376\\n'\n\
                  head -c 200000 /dev/zero | tr '\\0' 'x'; echo\n\
                  echo '{\"v\":1,\"event\":\"warning\",\"text\":\"still here\"}'\n\
                  cat > heard";
    let mut stage = Stage::open(|_, _| (), Some(script));
    stage.until("the words", |s| s.lesson().message == "still here");
    assert!(stage.board.of("trainer's words").is_some());
    // A flood of commands costs the show nothing, and the trainer hears the newest.
    let start = Instant::now();
    for i in 0..100_000_u32 {
        let rate = Some(f64::from(i % 1000) * 1e-6);
        stage.act(Training::Set(Settings { generator_rate: rate, ..Settings::default() }));
    }
    assert!(start.elapsed() < Duration::from_secs(5));
    let heard = stage.here().join("heard");
    stage.until("the newest", |_| fs::read_to_string(&heard).is_ok_and(|text| text.contains("0.000998999")));
    assert!(fs::metadata(&heard).unwrap().len() < 1 << 20);
}

#[test]
fn a_trainer_that_neither_reads_nor_ends_is_ended() {
    let mut stage = Stage::open(|_, _| (), Some("trap '' TERM INT HUP\nwhile true; do sleep 1; done"));
    stage.until("the process", |s| s.show.trainer_pid().is_some());
    for i in 0..200_000_u32 {
        stage.act(Training::Set(Settings { batch: Some(1 + i as usize % 64), ..Settings::default() }));
    }
    stage.frames(20);
    let (pid, start) = (stage.show.trainer_pid().unwrap(), Instant::now());
    drop(stage.show);
    assert!(!lives(pid) && start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

/// Megabytes of this process that are in memory.
fn resident_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Trainers that say too much, too little, or nothing that can be read: frames come on time, memory stays.
#[test]
fn a_trainer_that_floods_holds_up_no_frame() {
    let line = "{\"v\":1,\"event\":\"warning\",\"text\":\"again\"}";
    let step = "{\"v\":1,\"event\":\"step\",\"step\":1,\"epoch\":0,\"critic_steps\":5,\"total\":1.0,\"real\":1.0,\
                \"fake\":1.0,\"penalty\":1.0,\"generator\":1.0,\"ms\":1.0,\"images\":1,\"resting\":0.0}";
    let mut stage = Stage::open(|_, train| train.autostart = false, Some("exit 1"));
    let path = stage.here().join("trainer.sh");
    stage.frames(30);
    for (what, flood) in [
        ("a line without an end", "cat /dev/zero".to_owned()),
        ("lines of rubbish", "yes rubbish".to_owned()),
        ("warnings", format!("yes '{line}'")),
        ("epochs", format!("yes '{step}'")),
        ("its stderr", "yes words >&2".to_owned()),
        ("everything", format!("yes words >&2 & yes rubbish & yes '{line}'")),
    ] {
        // It hears that it is to stop, and leaves what floods to whoever ends it.
        let heard = "while read -r line; do case \"$line\" in *stop*) exit 0;; esac; done";
        fs::write(&path, format!("#!/bin/sh\n({flood}) &\n{heard}\n")).unwrap();
        stage.act(Training::Go(Some(true)));
        stage.until("the process", |s| s.show.trainer_pid().is_some());
        let (before, start, mut took) = (resident_mb(), Instant::now(), Vec::new());
        while start.elapsed() < Duration::from_secs(1) {
            let begun = Instant::now();
            stage.show.frame();
            took.push(begun.elapsed());
            std::thread::sleep(Duration::from_millis(8));
        }
        took.sort_unstable();
        let (usual, slowest) = (took[took.len() * 9 / 10], took[took.len() - 1]);
        let grown = resident_mb().saturating_sub(before);
        // What is slow on a machine that does other things is one frame; what waits for a trainer is all of them.
        assert!(
            usual < Duration::from_millis(50) && slowest < Duration::from_secs(1),
            "{what}: {usual:?}, {slowest:?}"
        );
        assert!(grown < 50, "{what}: {grown} MB");
        let pid = stage.show.trainer_pid().unwrap();
        stage.act(Training::Stop);
        let start = Instant::now();
        stage.until("its end", |_| !lives(pid));
        assert!(start.elapsed() < Duration::from_secs(5), "{what}: {:?}", start.elapsed());
    }
}

/// A trainer that somebody has stopped: the picture goes on, the board says what it is and what to do, and the show
/// ends with it soon.
#[test]
fn a_stopped_trainer_holds_up_nobody() {
    let mut stage = Stage::open(|_, _| (), None);
    stage.until("a state", |s| s.show.learnt()[0] >= 1);
    let pid = stage.show.trainer_pid().unwrap();
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
    };
    signal("-STOP");
    stage.until("the notice", |s| s.says("trainer", "kill -CONT"));
    for i in 0..50_000_u32 {
        stage.act(Training::Set(Settings { batch: Some(1 + i as usize % 64), ..Settings::default() }));
    }
    stage.frames(30);
    signal("-CONT");
    stage.until("its going on", |s| !s.says("trainer", "kill -CONT"));
    signal("-STOP");
    stage.until("the notice", |s| s.says("trainer", "kill -CONT"));
    let live = stage.live();
    let start = Instant::now();
    let _folder = stage.folder;
    drop(stage.show);
    assert!(!lives(pid) && start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert!(!live.join("training/.lock").exists(), "it has saved itself and let go of the model");
}

/// What a trainer started and left behind holds its pipes; nobody waits for that.
#[test]
fn a_trainer_that_leaves_children_behind_is_let_go() {
    let mut stage = Stage::open(|_, _| (), Some("sleep 300 &\necho $! > below\nexit 3"));
    stage.until("the report", |s| s.says("trainer", "exit status: 3"));
    let below: u32 = fs::read_to_string(stage.here().join("below")).unwrap().trim().parse().unwrap();
    let start = Instant::now();
    let _folder = stage.folder;
    drop(stage.show);
    assert!(!lives(below) && start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

/// Two shows that train into one folder: the second says which process has it, and takes over when that is gone.
#[test]
fn a_model_that_another_trains_is_said_and_taken_over_later() {
    let mut stage = Stage::open(|_, train| train.autostart = false, None);
    let (here, live) = (stage.here().to_owned(), stage.live());
    let mut other = Command::new(env!("CARGO_BIN_EXE_flaneur"))
        .current_dir(&here)
        .args(["train", "d", "--model", "t-live", "--config", "tiny.toml", "--epochs", "0", "--print-every", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    stage.until("the other training", |_| live.join("training/state.safetensors").is_file());
    stage.act(Training::Go(Some(true)));
    let who = format!("process {} trains into", other.id());
    stage.until("the report", |s| s.says("trainer", &who));
    assert_eq!(stage.lesson().state, "crashed");
    other.kill().unwrap();
    other.wait().unwrap();
    // A hand need not wait for the next attempt.
    stage.act(Training::Go(Some(true)));
    stage.until("the training", |s| s.lesson().state == "running" && s.lesson().step > 0);
}

/// The checkpoint is not there any more, as where a share is away: no other training is begun in its place.
#[test]
fn a_training_is_not_begun_anew_where_its_share_is_away() {
    let mut stage = Stage::open(|_, _| (), None);
    stage.until("a checkpoint", |s| s.live().join("training/state.safetensors").is_file() && s.lesson().step > 60);
    let (live, away) = (stage.live(), stage.here().join("away"));
    fs::rename(&live, &away).unwrap();
    kill(stage.show.trainer_pid().unwrap());
    stage.until("the report", |s| s.says("trainer", "no checkpoint any more"));
    stage.frames(30);
    assert!(!live.exists(), "nothing is begun there");
    fs::rename(&away, &live).unwrap();
    stage.act(Training::Go(Some(true)));
    stage.until("the training", |s| s.lesson().state == "running");
    let before = stage.show.learnt()[0];
    stage.until("new states", |s| s.show.learnt()[0] > before);
    assert!(stage.lesson().step > 50, "{}", stage.lesson().step);
}

#[test]
fn weights_that_a_trainer_published_and_lost_are_refused() {
    let script = "echo '{\"v\":1,\"event\":\"published\",\"path\":\"nowhere\",\"step\":5,\"fingerprint\":\"00\",\
                  \"state\":null,\"sheet\":null}'\ncat > heard";
    let mut stage = Stage::open(|_, _| (), Some(script));
    stage.until("the refusal", |s| s.show.learnt()[1] == 1);
    assert!(stage.says("learning", "step 5 is not shown"));
}
