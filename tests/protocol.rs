//! A training that is driven from outside, as a show or a script drives it: the program as a child, commands on
//! its stdin, events on its stdout.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command as Program, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::{config, fail, recipe, succeed, tiny};
use flaneur::model::Card;
use flaneur::net::families::wgan_gp::WganGp;
use flaneur::net::recipe::Recipe;
use flaneur::trainer::checkpoint;
use flaneur::trainer::protocol::{Command, Event, Lines, Reason, Settings, Source, Step};
use flaneur::trainer::published;
use sha2::{Digest, Sha256};

/// Longest wait for an event on a machine that compiles meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with twenty pictures in `d` and the tiny architecture.
fn ready() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), &["dataset", "lines", "--out", "d", "--count", "20", "--size", "16"]);
    fs::write(folder.path().join("tiny.toml"), config(&tiny(), &recipe())).unwrap();
    folder
}

/// A training, its owner's end of the pipes, and what it told so far.
struct Driven {
    child: Child,
    stdin: Option<ChildStdin>,
    events: Receiver<Event>,
}

/// Starts the training of the model `t`.
fn drive(here: &Path, arguments: &[&str]) -> Driven {
    let mut child = Program::new(env!("CARGO_BIN_EXE_flaneur"))
        .current_dir(here)
        .args(["train", "d", "--model", "t", "--report", "json", "--commands", "--device", "cpu"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (sender, events) = channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let event = Event::parse(&line).unwrap();
            if sender.send(event).is_err() {
                return;
            }
        }
    });
    Driven { stdin: child.stdin.take(), child, events }
}

/// The usual beginning: it may go on for ever, and writes by itself only before and after the first epoch.
fn fresh(here: &Path) -> Driven {
    drive(here, &["--config", "tiny.toml", "--epochs", "1000000", "--print-every", "1000000"])
}

impl Driven {
    fn say(&mut self, command: &Command) {
        self.raw(&command.line());
    }

    fn raw(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn next(&self) -> Event {
        self.events.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("no event came: {e}"))
    }

    /// The first event from which `wanted` makes something.
    fn until<T>(&self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            let event = self.next();
            if let Some(found) = wanted(&event) {
                return found;
            }
            assert!(!matches!(event, Event::Stopped { .. }), "{event:?}");
        }
    }

    fn step(&self) -> Step {
        self.until(|e| if let Event::Step(step) = e { Some(step.clone()) } else { None })
    }

    fn warning(&self, words: &str) {
        self.until(|e| matches!(e, Event::Warning { text } if text.contains(words)).then_some(()));
    }

    /// Step, fingerprint and the state's file.
    fn published(&self) -> (u64, String, Option<String>) {
        self.until(|e| match e {
            Event::Published { step, fingerprint, state, .. } => Some((*step, fingerprint.clone(), state.clone())),
            _ => None,
        })
    }

    fn settings(&self) -> (bool, Settings) {
        self.until(|e| match e {
            Event::State { paused, settings, .. } => Some((*paused, settings.clone())),
            _ => None,
        })
    }

    /// Pauses; from here on nothing comes but answers.
    fn pause(&mut self) {
        self.say(&Command::Pause);
        while !self.settings().0 {}
    }

    /// Waits for the end: exit code, reason, step.
    fn end(mut self) -> (Option<i32>, Reason, u64) {
        let (reason, step) = loop {
            if let Event::Stopped { reason, step, .. } = self.next() {
                break (reason, step);
            }
        };
        (self.child.wait().unwrap().code(), reason, step)
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        // A test that failed leaves no training behind; one that did not has waited for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set(settings: Settings) -> Command {
    Command::Set(settings)
}

fn fingerprint(path: &Path) -> String {
    Sha256::digest(fs::read(path).unwrap()).iter().take(8).map(|b| format!("{b:02x}")).collect()
}

#[test]
fn it_tells_obeys_and_stops() {
    let folder = ready();
    let here = folder.path();
    let mut it = fresh(here);
    let Event::Started { model, arch, step, data, pictures, .. } = it.next() else { panic!("not started first") };
    assert_eq!((model.as_str(), arch.as_str(), step, data.as_str(), pictures), ("t", "custom", 0, "d", 20));
    let (step, print, state) = it.published();
    assert_eq!((step, print), (0, fingerprint(&here.join(state.unwrap()))));
    assert!(here.join("models/t/history/0.png").is_file());
    let (paused, settings) = it.settings();
    assert_eq!((paused, settings.generator_rate, settings.batch), (false, Some(2e-4), Some(4)));
    let step = it.step();
    assert_eq!((step.step, step.losses.epoch, step.losses.critic_steps, step.images), (1, 0, 5, 20));
    assert!(step.losses.finite() && step.ms > 0.0 && step.resting == 0.0, "{step:?}");

    it.pause();
    it.say(&Command::Sample);
    let Event::Sample { path, .. } = it.next() else { panic!("a paused training answers only") };
    assert!(here.join(path).is_file());
    it.say(&set(Settings {
        generator_rate: Some(1e-3),
        critic_steps: Some(2),
        rest: Some(0.5),
        ..Settings::default()
    }));
    let Event::State { paused: true, settings, .. } = it.next() else { panic!("no answer") };
    assert_eq!((settings.generator_rate, settings.critic_rate), (Some(1e-3), Some(2e-4)));
    it.say(&Command::Publish);
    let Event::Published { step, .. } = it.next() else { panic!("not published") };
    let card = Card::read(&here.join("models/t")).unwrap();
    assert_eq!((card.step, card.recipe.generator_learning_rate), (step, 1e-3));
    it.say(&Command::Run);
    assert!(!it.settings().0);
    let step = it.until(|e| match e {
        Event::Step(step) if step.losses.critic_steps == 2 => Some(step.clone()),
        _ => None,
    });
    assert!(step.resting > 0.2, "{step:?}");

    for (line, words) in [
        ("garbage", "not a line of JSON"),
        (r#"{"v":1,"command":"dance"}"#, "there is no command \"dance\""),
        (r#"{"v":1,"command":"rewind","step":-1}"#, "rewind"),
        (r#"{"v":1,"command":"set","rest":2}"#, "rest 2 is above maximum 0.95"),
        ("x".repeat(70_000).as_str(), "more than 65536 bytes"),
        (r#"{"v":1,"command":"rewind","step":777777}"#, "no state of step 777777"),
    ] {
        it.raw(line);
        it.warning(words);
    }
    it.raw(r#"{"v":1,"command":"stop","because":"a newer driver says more"}"#);
    let (code, reason, step) = it.end();
    assert_eq!((code, reason), (Some(0), Reason::Asked));
    assert_eq!(Card::read(&here.join("models/t")).unwrap().step, step);
    fail(here, &["train", "d", "--model", "u", "--commands"], "--report json");
}

#[test]
fn it_goes_back() {
    let folder = ready();
    let here = folder.path();
    let mut it = fresh(here);
    let first = it.published();
    let saved = it.published();
    assert_eq!((first.0, saved.0), (0, 1));
    let second = it.step();
    assert_eq!(second.step, 2);

    // Step 1 is the checkpoint's: what follows is what followed.
    it.pause();
    it.say(&Command::Rewind { step: 1 });
    let Event::Published { step: 1, fingerprint: print, .. } = it.next() else { panic!("no exact rewind") };
    assert_eq!(print, saved.1);
    it.say(&Command::Run);
    let again = it.step();
    let losses = |s: &Step| (s.step, s.losses.values);
    assert_eq!(losses(&again), losses(&second));

    // The first state has no optimisers, but its weights to the byte.
    it.pause();
    it.say(&set(Settings { publish_every: Some(1), ..Settings::default() }));
    it.say(&Command::Rewind { step: 0 });
    it.warning("fresh optimisers");
    let (step, print, _) = it.published();
    assert_eq!((step, print), (0, first.1.clone()));
    assert_eq!(fingerprint(&here.join("models/t/weights.safetensors")), first.1);
    it.say(&Command::Run);
    assert_eq!(it.step().step, 1);
    it.until(|e| matches!(e, Event::Published { step: 9, .. }).then_some(()));
    it.say(&Command::Stop);
    assert_eq!(it.end().0, Some(0));
    assert!(published::steps(&here.join("models/t")).starts_with(&[0, 1, 2, 3]));
}

#[test]
fn the_history_is_thinned() {
    let folder = ready();
    let here = folder.path();
    let it = drive(here, &["--config", "tiny.toml", "--epochs", "60", "--publish-every", "1", "--keep", "8"]);
    assert_eq!(it.end(), (Some(0), Reason::Finished, 60));
    let kept = published::steps(&here.join("models/t"));
    assert_eq!((kept.len(), kept[0], kept[7]), (8, 0, 60), "{kept:?}");
    assert_eq!(fs::read_dir(here.join("models/t/history")).unwrap().count(), 3 * 8);
}

#[test]
fn other_data_is_learnt_from() {
    let folder = ready();
    let here = folder.path();
    let mut it = fresh(here);
    it.pause();
    let lines = Lines { palette: vec!["ff0000".into()], verticals: 3, count: 30, seed: 9, ..Lines::default() };
    it.say(&Command::Data(Source { path: None, lines: Some(lines) }));
    let Event::State { data, data2: None, .. } = it.next() else { panic!("no answer") };
    assert!(data.contains("30 lines") && data.contains("3 verticals"), "{data}");
    for (source, words) in [
        (Source { path: Some("nowhere".into()), lines: None }, "there is no nowhere"),
        (Source::default(), "a path or lines"),
        (Source { path: None, lines: Some(Lines { count: 1 << 40, ..Lines::default() }) }, "count takes"),
    ] {
        it.say(&Command::Data(source));
        it.warning(words);
        let Event::State { data: still, .. } = it.next() else { panic!("no answer") };
        assert_eq!(still, data);
    }
    it.say(&set(Settings { mix: Some(0.5), ..Settings::default() }));
    it.warning("no second dataset");
    it.say(&Command::Data2(Source { path: Some("d".into()), lines: None }));
    let second = it.until(|e| if let Event::State { data2, .. } = e { data2.clone() } else { None });
    assert_eq!(second, "d");
    it.say(&Command::Run);
    it.step();
    it.say(&Command::Stop);
    assert_eq!(it.end().0, Some(0));
    assert_eq!(Card::read(&here.join("models/t")).unwrap().data, data);
}

#[test]
fn a_drawing_sketch_is_learnt_from() {
    let folder = ready();
    let here = folder.path();
    let sketch = |colour: &str| {
        let text = format!("pub fn draw(r, i) {{\n  canvas(\"{colour}\").disc(0.5, 0.5, r.uniform(0.1, 0.4)) }}");
        fs::write(here.join("discs.rn"), text).unwrap();
    };
    sketch("red");
    let mut it = fresh(here);
    it.step();
    let data = |it: &Driven, words: &str| {
        it.until(|e| match e {
            Event::State { data, .. } if data.contains(words) => Some(data.clone()),
            _ => None,
        })
    };
    let source = Source { path: Some("discs.rn".into()), lines: None };
    it.say(&Command::Data(source.clone()));
    let red = data(&it, "2000 pictures of discs.rn, version ");
    let of_red = fs::read(here.join("models/t/training/data.png")).unwrap();
    // What is broken changes nothing; the training goes on.
    fs::write(here.join("discs.rn"), "pub fn draw(r, i) {\n  canvas(\"red\").dics() }").unwrap();
    it.say(&Command::Data(source.clone()));
    it.warning("discs.rn:2:");
    assert_eq!(data(&it, "discs.rn"), red);
    it.step();
    sketch("blue");
    it.say(&Command::Data(source));
    it.until(|e| matches!(e, Event::State { data, .. } if *data != red).then_some(()));
    assert_ne!(fs::read(here.join("models/t/training/data.png")).unwrap(), of_red);
    it.say(&Command::Stop);
    assert_eq!(it.end().0, Some(0));
}

#[test]
fn a_flood_is_bounded_and_the_newest_wins() {
    let folder = ready();
    let mut it = fresh(folder.path());
    it.pause();
    let mut pipe = it.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        for i in 0..100_000 {
            writeln!(pipe, r#"{{"v":1,"command":"set","critic_steps":{}}}"#, 1 + i % 900).unwrap();
            if i % 10 == 0 {
                writeln!(pipe, "{{{{{{").unwrap();
            }
        }
        writeln!(pipe, r#"{{"v":1,"command":"set","critic_steps":7,"mix":0.25}}"#).unwrap();
        pipe
    });
    let mut answers = 0;
    loop {
        match it.next() {
            Event::State { settings, .. } if settings.mix == Some(0.25) => {
                assert_eq!(settings.critic_steps, Some(7));
                break;
            }
            Event::State { .. } => answers += 1,
            Event::Warning { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(answers < 10_000, "{answers} answers");
    it.stdin = Some(writer.join().unwrap());
    it.say(&Command::Stop);
    assert_eq!(it.end().1, Reason::Asked);
}

#[test]
fn without_an_owner_it_saves_and_ends() {
    let folder = ready();
    let here = folder.path();
    let mut it = fresh(here);
    it.step();
    it.stdin = None;
    let (code, reason, step) = it.end();
    assert_eq!((code, reason), (Some(0), Reason::OwnerGone));
    assert!(checkpoint::exists(&here.join("models/t/training")));
    let printed = succeed(here, &["train", "d", "--model", "t", "--resume", "--epochs", &(step + 1).to_string()]);
    assert!(printed.starts_with(&format!("{step} (")), "{printed}");

    // A paused one ends as well.
    let mut it = drive(here, &["--resume", "--epochs", "1000000"]);
    it.pause();
    it.stdin = None;
    assert_eq!(it.end().1, Reason::OwnerGone);
}

#[test]
fn it_goes_on_from_another_model() {
    let folder = ready();
    let here = folder.path();
    let wide = WganGp { generator_conv_filters: vec![7, 3], ..tiny() };
    fs::write(here.join("wide.toml"), config(&wide, &recipe())).unwrap();
    for (model, config) in [("a", "tiny.toml"), ("b", "wide.toml")] {
        succeed(here, &["train", "d", "--model", model, "--config", config, "--epochs", "2", "--ema", "0.9"]);
    }
    let mut it = drive(here, &["--from", "a", "--epochs", "1000000", "--ema", "0.99", "--print-every", "1000000"]);
    let (step, print, _) = it.published();
    assert_eq!((step, print), (0, fingerprint(&here.join("models/a/weights.safetensors"))));
    it.step();
    it.pause();
    for (model, words) in [("b", "b has other networks"), ("nobody", "there is no model")] {
        it.say(&Command::Fork { model: model.into() });
        it.warning(words);
    }
    it.say(&Command::Fork { model: "a".into() });
    let (step, print, state) = it.published();
    assert_eq!((print, state), (fingerprint(&here.join("models/a/weights.safetensors")), None));
    it.say(&Command::Run);
    let (next, _, state) = it.published();
    assert!(next == step + 1 && state.is_some());
    it.say(&Command::Stop);
    assert_eq!(it.end().0, Some(0));
}

/// Rates like these leave nothing to learn from; it goes back a few times and gives up, and nothing bad is shown.
#[test]
fn what_diverges_is_not_published() {
    let folder = ready();
    let here = folder.path();
    let wild = Recipe { critic_learning_rate: 1e30, generator_learning_rate: 1e30, ..recipe() };
    fs::write(here.join("wild.toml"), config(&tiny(), &wild)).unwrap();
    let it = drive(here, &["--config", "wild.toml", "--epochs", "1000", "--rewind-on-divergence"]);
    it.warning("back to the last good state");
    let (code, reason, _) = it.end();
    assert_eq!((code, reason), (Some(1), Reason::Diverged));
    succeed(here, &["still", "sheet", "--model", "t", "-o", "sheet.png"]);
}

/// Each array is written once: the model's own names are second names of the newest state. Samples become sparser as
/// states do.
#[test]
#[cfg(unix)]
fn what_is_published_is_written_once() {
    use std::os::unix::fs::MetadataExt;

    let folder = ready();
    let here = folder.path();
    let words = ["--epochs", "40", "--publish-every", "1", "--print-every", "2", "--keep", "4"];
    let it = drive(here, &[&["--config", "tiny.toml"], &words[..]].concat());
    assert_eq!(it.end(), (Some(0), Reason::Finished, 40));
    let model = here.join("models/t");
    let file = |name: &str| fs::metadata(model.join(name)).map(|about| (about.ino(), about.nlink())).unwrap();
    for (name, state) in
        [("weights.safetensors", "history/40.safetensors"), ("critic.safetensors", "history/40.critic.safetensors")]
    {
        assert_eq!((file(name), file(name).1), (file(state), 2), "{name}");
    }
    let named = |name: String| Some(name.strip_prefix("sample_")?.strip_suffix(".png")?.parse().unwrap());
    let names = fs::read_dir(model.join("training")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut samples: Vec<u64> = names.filter_map(named).collect();
    samples.sort_unstable();
    assert_eq!((samples.len(), samples[0], samples[3]), (4, 0, 38), "{samples:?}");
}

/// Beside a show: states that are looked at go through memory, few of them to the disk, and memory is left as it was.
#[test]
#[cfg(target_os = "linux")]
fn states_that_are_looked_at_go_through_memory() {
    let folder = ready();
    let here = folder.path();
    let words = ["--epochs", "0", "--publish-every", "1", "--disk-gb-per-day", "1", "--publish-secs", "0.02"];
    let mut it = drive(here, &[&["--config", "tiny.toml", "--in-memory"], &words[..]].concat());
    it.warning("keeps at most 64 states");
    let (mut shown, mut place) = (0, None);
    for _ in 0..40 {
        let (step, print, sheet, path) = it.until(|e| match e {
            Event::Published { step, fingerprint, state: None, sheet, path } => {
                Some((*step, fingerprint.clone(), sheet.clone().unwrap(), path.clone()))
            }
            _ => None,
        });
        let path = Path::new(&path);
        if !path.starts_with("/dev/shm") {
            return common::skip("there is no folder in memory here");
        }
        // One that was overtaken is gone.
        if let Ok(bytes) = fs::read(path) {
            let is: String = Sha256::digest(bytes).iter().take(8).map(|b| format!("{b:02x}")).collect();
            assert_eq!((is, path.file_stem().unwrap().to_str()), (print, Some(step.to_string().as_str())));
            shown += 1;
        }
        assert!(Path::new(&sheet).starts_with(path.parent().unwrap()));
        place = Some(path.parent().unwrap().to_owned());
    }
    let kept = published::steps(&here.join("models/t"));
    assert!(shown > 10 && kept.len() < 20, "{shown} {kept:?}");
    it.say(&Command::Publish);
    let (step, print, state) = it.until(|e| match e {
        Event::Published { step, fingerprint, state: Some(state), .. } => {
            Some((*step, fingerprint.clone(), state.clone()))
        }
        _ => None,
    });
    assert_eq!((fingerprint(&here.join(state)), Card::read(&here.join("models/t")).unwrap().step), (print, step));
    it.say(&Command::Stop);
    assert_eq!(it.end().0, Some(0));
    assert!(place.is_some_and(|place| !place.exists()));
}

/// The script of the documentation trains, publishes and reads losses.
#[test]
fn the_script_drives() {
    let folder = ready();
    let here = folder.path();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/trainer/drive.py");
    let ran = Program::new("python3")
        .arg(script)
        .args(["d", "--model", "t", "--config", "tiny.toml", "--epochs", "1000000"])
        .env("FLANEUR", env!("CARGO_BIN_EXE_flaneur"))
        .current_dir(here)
        .output();
    let out = match ran {
        Ok(out) => out,
        Err(reason) => return common::skip(format_args!("python3 does not start ({reason})")),
    };
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("published step") && stdout.contains("stopped: asked"), "{stdout}");
}
