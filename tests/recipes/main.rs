//! GANs with cross-entropy: what their options do, and that a training which stops and goes on is the one that never
//! stopped, in the middle of a pass too.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

mod classes;
#[path = "../common/mod.rs"]
mod common;

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use common::{fail, flaneur, succeed};
use flaneur::dataset::store::Store;
use flaneur::net::arch::Arch;
use flaneur::net::families::dcgan::Dcgan;
use flaneur::net::recipe::named::RECIPES;
use flaneur::net::recipe::{CrossEntropy, Recipe};
use flaneur::random::RandomState;
use flaneur::trainer::batches::Between;
use flaneur::trainer::losses::{Kind, Losses};
use flaneur::trainer::step::State;

/// A DCGAN of 16 x 16 that trains in a moment.
fn tiny() -> Dcgan {
    Dcgan { size: 16, channels: 3, z_dim: 6, features: 4, ..Dcgan::default() }
}

fn bytes(count: usize, [h, w, c]: [usize; 3]) -> Vec<u8> {
    let (each, mut random) = (h * w * c, RandomState::new(5));
    // Pictures of one colour each, lighter to the right.
    let picture = |_| {
        let colour: Vec<f64> = (0..c).map(|_| 60.0 + 100.0 * random.uniform()).collect();
        (0..each).map(move |at| (colour[at % c] + (at / c % w) as f64 * 3.0) as u8).collect::<Vec<u8>>()
    };
    (0..count).flat_map(picture).collect()
}

fn data(count: usize, size: [usize; 3]) -> Store {
    Store::of_bytes(bytes(count, size), size)
}

fn state(arch: Arch, recipe: &Recipe) -> State {
    State::new(&arch, recipe, 1, None, &Device::flex())
}

fn of(recipe: &Recipe, change: impl FnOnce(&mut CrossEntropy)) -> Recipe {
    let mut own = recipe.cross_entropy.clone().unwrap();
    change(&mut own);
    Recipe { cross_entropy: Some(own), ..recipe.clone() }
}

fn get(losses: &Losses, name: &str) -> f32 {
    losses.get(name).unwrap()
}

/// So many steps, each with the losses of its epoch if it ended one.
fn steps(state: &mut State, data: &Store, count: usize) -> Vec<(Losses, Option<Losses>)> {
    let mut between = Between { updates: &mut |_| true, lost: &mut |_| false };
    let mut step = || state.turn(data.into(), 1, &Device::flex(), &mut between).unwrap();
    (0..count).map(|_| step()).map(|turn| (turn.losses, turn.ended)).collect()
}

/// Every named recipe takes a few steps on its own networks, or on small ones of their kind.
#[test]
fn every_named_recipe_trains() {
    let alone = |name: &str| name.starts_with("texture") || name == "enlarge";
    for named in RECIPES.iter().filter(|named| alone(named.name)) {
        let (side, kind) = if named.name == "enlarge" { (128, Kind::Enlarge) } else { (32, Kind::Texture) };
        let arch = Arch::named(named.arch).unwrap().sized([side; 2]).unwrap();
        let recipe = Recipe { batch_size: 2, ..Recipe::named(named.name).unwrap() };
        let data = data(1, arch.picture());
        let mut state = state(arch, &recipe);
        for (losses, ended) in steps(&mut state, &data, 2) {
            assert!(losses.finite() && losses.kind == kind, "{}: {}", named.name, losses.in_words());
            assert_eq!(ended.map(|ended| ended.in_words()), Some(losses.in_words()));
        }
        assert_eq!((state.step, state.epoch), (2, 2));
    }
    let others = |name: &str| name != "wgan-gp" && !alone(name);
    for named in RECIPES.iter().filter(|named| others(named.name)) {
        let arch = if named.name.starts_with("dcgan") { Arch::Dcgan(tiny()) } else { Arch::named(named.arch).unwrap() };
        let recipe = Recipe { batch_size: 4, ..Recipe::named(named.name).unwrap() };
        let recipe = of(&recipe, |own| own.generator_batch = own.generator_batch.min(8));
        let data = data(10, arch.picture());
        let mut state = state(arch, &recipe);
        for (losses, _) in steps(&mut state, &data, 2) {
            assert!(losses.finite() && losses.kind == Kind::CrossEntropy, "{}: {}", named.name, losses.in_words());
            let said = ["d_real", "d_fake", "g_real"].map(|name| get(&losses, name));
            assert!(said.iter().all(|said| (0.0..=1.0).contains(said)), "{}: {said:?}", named.name);
        }
        assert_eq!(state.step, 2);
    }
}

/// A pass is all pictures once, the last batch shorter; its numbers are means over pictures.
#[test]
fn an_epoch_is_a_pass_and_its_losses_are_means() {
    let recipe = Recipe { batch_size: 4, ..Recipe::named("dcgan2").unwrap() };
    let data = data(10, [16, 16, 3]);
    let mut state = state(Arch::Dcgan(tiny()), &recipe);
    let all = steps(&mut state, &data, 6);
    let ended: Vec<bool> = all.iter().map(|(_, ended)| ended.is_some()).collect();
    assert_eq!(ended, [false, false, true, false, false, true]);
    let mean = all[3..].iter().zip([4.0, 4.0, 2.0]).map(|((l, _), n)| get(l, "g_loss") * n).sum::<f32>() / 10.0;
    let second = all[5].1.unwrap();
    assert!((get(&second, "g_loss") - mean).abs() < 1e-5 && second.epoch == 1 && second.critic_steps == 3);
    assert_eq!((state.epoch, state.step, state.batches), (2, 6, 6));
}

/// Data that become fewer within a pass, and batches that become larger, end the pass and nothing else.
#[test]
fn a_pass_whose_data_become_fewer_ends() {
    for drop_last in [false, true] {
        let recipe = Recipe { batch_size: 4, ..Recipe::named("dcgan3").unwrap() };
        let mut state = state(Arch::Dcgan(tiny()), &of(&recipe, |own| own.drop_last = drop_last));
        steps(&mut state, &data(20, [16, 16, 3]), 3);
        assert_eq!((state.epoch, state.pass.place), (0, 12));
        let (losses, ended) = steps(&mut state, &data(6, [16, 16, 3]), 1)[0];
        assert!(losses.finite() && ended.is_some_and(|ended| ended.finite()));
        assert_eq!((state.epoch, state.pass.place), (1, 0));
        state.recipe.batch_size = 512;
        let (losses, ended) = steps(&mut state, &data(6, [16, 16, 3]), 1)[0];
        assert!(losses.finite() && ended.is_some());
    }
}

/// A network with classes learns, can be read again and goes on: its classes have names, if only numbers.
#[test]
fn a_network_with_classes_trains_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_pictures(&here.join("d"), 8);
    let recipe = Recipe { batch_size: 4, ..Recipe::named("dcgan3").unwrap() };
    write_config(&here.join("c.toml"), &Arch::Dcgan(Dcgan { classes: 3, ..tiny() }), &recipe);
    succeed(here, &["train", "d", "--config", "c.toml", "--epochs", "1", "--model", "a"]);
    let card = flaneur::model::Card::read(&here.join("models/a")).unwrap();
    assert_eq!((card.classes, card.step), (["0", "1", "2"].map(String::from).to_vec(), 2));
    succeed(here, &["train", "d", "--resume", "--epochs", "2", "--model", "a"]);
    succeed(here, &["train", "d", "--from", "a", "--epochs", "1", "--model", "b"]);
    assert_eq!(flaneur::model::Card::read(&here.join("models/b")).unwrap().classes.len(), 3);
    fail(
        here,
        &["train", "d", "--arch", "dcgan-64", "--model", "c", "--recipe", "dcgan3", "--batch", "9"],
        "at least 9",
    );
}

/// Losses of scores by the plain formula: labels, smoothing and halving.
#[test]
fn losses_are_those_of_what_the_discriminator_said() {
    // One picture, and a rate of 0: what is said in one step is said again in the next.
    let still = Recipe {
        batch_size: 1,
        critic_learning_rate: 0.0,
        generator_learning_rate: 0.0,
        ..Recipe::named("lesson-torch").unwrap()
    };
    let arch = || Arch::named("mlp-mnist").unwrap();
    let data = data(1, [28, 28, 1]);
    let loss = |said: f32, label: f32| -(label * said.ln() + (1.0 - label) * (1.0 - said).ln());
    for (real, fake, halved) in [(1.0, 0.0, true), (0.9, 0.3, false)] {
        let recipe = of(&still, |own| {
            (own.real_label, own.fake_label, own.halved) = (f64::from(real), f64::from(fake), halved);
        });
        let (losses, _) = steps(&mut state(arch(), &recipe), &data, 1)[0];
        let [d_real, d_fake, g_real] = ["d_real", "d_fake", "g_real"].map(|name| get(&losses, name));
        let expected = (loss(d_real, real) + loss(d_fake, fake)) * if halved { 0.5 } else { 1.0 };
        assert!((get(&losses, "d_loss") - expected).abs() < 1e-5, "{}", losses.in_words());
        assert!((get(&losses, "g_loss") - loss(g_real, real)).abs() < 1e-5, "{}", losses.in_words());
    }
}

/// While the discriminator is far ahead it rests, but never in the first batch of an epoch; and below a loss that is
/// named it rests always.
#[test]
fn a_discriminator_that_is_ahead_rests() {
    let recipe = Recipe { batch_size: 4, ..Recipe::named("dcgan4").unwrap() };
    let data = data(12, [16, 16, 3]);
    let updates = |recipe: &Recipe| -> Vec<u32> {
        let mut state = state(Arch::Dcgan(tiny()), recipe);
        steps(&mut state, &data, 6).iter().map(|(losses, _)| losses.critic_steps).collect()
    };
    let always = of(&recipe, |own| own.freeze_below = Some(1e9));
    assert_eq!(updates(&always), [1, 0, 0, 1, 0, 0]);
    assert_eq!(updates(&of(&recipe, |own| own.freeze_below = Some(0.0))), [1; 6]);
    assert_eq!(updates(&Recipe { skip_below: Some(1e9), ..recipe.clone() }), [0; 6]);
    assert_eq!(updates(&Recipe { skip_below: Some(-1.0), ..of(&recipe, |own| own.freeze_below = None) }), [1; 6]);
    let mut state = state(Arch::Dcgan(tiny()), &Recipe { skip_below: Some(1e9), ..recipe });
    let before = state.critic.list[0].values();
    steps(&mut state, &data, 1);
    assert_eq!(state.critic.list[0].values(), before);
}

/// The generator comes to draw the colours of the data.
#[test]
fn a_gan_learns_the_colours_of_its_data() {
    let recipe = Recipe { batch_size: 16, ..Recipe::named("dcgan3").unwrap() };
    let data = data(64, [16, 16, 3]);
    let mut state = state(Arch::Dcgan(Dcgan { features: 8, ..tiny() }), &recipe);
    let mean = |bytes: &[u8]| bytes.iter().map(|v| f64::from(*v)).sum::<f64>() / bytes.len() as f64;
    let drawn = |state: &State| {
        let ready = flaneur::net::draw::Ready::new(&state.arch, state.shown(), false);
        let of = |seed| RandomState::new(seed).normals(6).iter().map(|v| *v as f32).collect();
        let z: Vec<Vec<f32>> = (0..16).map(of).collect();
        mean(&ready.bytes(&z))
    };
    let gap = |state: &State| (drawn(state) - mean(&bytes(64, [16, 16, 3]))).abs();
    let before = gap(&state);
    steps(&mut state, &data, 150);
    let after = gap(&state);
    assert!(after < 12.0 && after < before.max(20.0), "{before} {after}");
}

fn write_pictures(folder: &Path, count: usize) {
    fs::create_dir_all(folder).unwrap();
    for (at, bytes) in bytes(count, [16, 16, 3]).chunks(16 * 16 * 3).enumerate() {
        image::RgbImage::from_raw(16, 16, bytes.to_vec()).unwrap().save(folder.join(format!("{at}.png"))).unwrap();
    }
}

/// A file for `--config`.
fn write_config(path: &Path, arch: &Arch, recipe: &Recipe) {
    let mut config = toml::Table::new();
    config.insert("arch".into(), toml::Value::try_from(arch).unwrap());
    config.insert("recipe".into(), toml::Value::try_from(recipe).unwrap());
    fs::write(path, toml::to_string(&config).unwrap()).unwrap();
}

/// By the command line: the line, the files, and a training that is stopped in the middle of a pass.
#[test]
fn a_training_that_stops_within_a_pass_goes_on_there() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_pictures(&here.join("d"), 30);
    let recipe = Recipe { batch_size: 4, ..Recipe::named("dcgan4-mod").unwrap() };
    write_config(&here.join("c.toml"), &Arch::Dcgan(tiny()), &recipe);
    let train = ["train", "d", "--config", "c.toml", "--epochs", "3"];
    let out = succeed(here, &[&train[..], &["--model", "once"]].concat());
    let lines: Vec<&str> = out.lines().filter(|line| line.starts_with("=> EPOCH ")).collect();
    assert_eq!(lines.len(), 3, "{out}");
    for part in ["=> EPOCH 2 | Time: ", "s | D_loss: ", " | G_loss: ", " | D_real: ", " | D_fake: ", " | G_real: "] {
        assert!(lines[2].contains(part), "{}", lines[2]);
    }
    let images = here.join("models/once/training/images");
    for name in ["real_sample", "fake_sample_epoch_00", "fake_sample_epoch_02", "calm_sample_epoch_02"] {
        let grid = image::open(images.join(format!("{name}.png"))).unwrap();
        // Eight pictures and nine gaps a row; of the data there are 30.
        assert_eq!(grid.width(), 8 * 18 + 2, "{name}");
    }
    for name in ["converge.svg", "converge.png", "scores.svg", "scores.png", "history.csv", "sample_000002.png"] {
        assert!(here.join("models/once/training").join(name).is_file(), "{name}");
    }
    // Stopped by a command in the middle of the second pass.
    let slowly = ["--model", "twice", "--rest", "0.95", "--commands", "--report", "json"];
    let commands = [&train[..], &slowly].concat();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_flaneur"))
        .args(&commands)
        .current_dir(here)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut stdin = child.stdin.take();
    for line in lines {
        if line.unwrap().contains(r#""step":11,"#)
            && let Some(mut pipe) = stdin.take()
        {
            std::io::Write::write_all(&mut pipe, b"{\"command\":\"stop\"}\n").unwrap();
        }
    }
    assert!(child.wait().unwrap().success());
    let record = fs::read_to_string(here.join("models/twice/training/state.toml")).unwrap();
    assert!(record.contains("[pass]") && record.contains("epoch = 1"), "{record}");
    succeed(here, &["train", "d", "--model", "twice", "--resume", "--epochs", "3"]);
    let history = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(here.join("models").join(name).join("training/history.csv")).unwrap();
        text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect()
    };
    assert_eq!(history("once"), history("twice"));
    for name in ["weights.safetensors", "critic.safetensors", "sheet.png"] {
        let read = |model: &str| fs::read(here.join("models").join(model).join(name)).unwrap();
        assert!(read("once") == read("twice"), "{name}");
    }
}

#[test]
fn recipes_are_named_or_read_and_else_explained() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_pictures(&here.join("d"), 8);
    fail(here, &["train", "d", "--model", "a", "--recipe", "dcgan5"], "dcgan4-mod");
    fail(here, &["train", "d", "--model", "a", "--arch", "dcgan-65"], "dcgan-64");
    fs::write(here.join("r.toml"), "batch_size = 4\n[cross_entropy]\nreal_label = 1.5\n").unwrap();
    fail(here, &["train", "d", "--model", "a", "--recipe", "r.toml"], "real_label must lie in 0..=1");
    fs::write(here.join("r.toml"), "batch_size = 4\nbatches = 3\n").unwrap();
    fail(here, &["train", "d", "--model", "a", "--recipe", "r.toml"], "batches");
    fs::write(here.join("r.toml"), "batch_size = 4\n[cross_entropy]\nepochs = 1\nline = \"lesson_torch\"\n").unwrap();
    let out = flaneur(here, &["train", "d", "--model", "a", "--arch", "mlp-mnist", "--recipe", "r.toml"]);
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(said.contains("epoch 0 | generator loss: "), "{said}");
    fail(here, &["train", "d", "--model", "a", "--resume", "--recipe", "dcgan3"], "another recipe");
    // Losses of a Wasserstein critic lie below zero.
    let lower = ["train", "d", "--model", "b", "--arch", "mlp-mnist", "--recipe", "r.toml", "--skip-below", "-50"];
    succeed(here, &lower);
    fail(here, &["train", "d", "--model", "c", "--arch", "mlp-mnist", "--cache", "-1"], "--cache takes gigabytes");
}

/// A folder that is larger than the cache trains as one that fits, and one that goes away for a while ends nothing.
#[test]
fn data_that_does_not_fit_is_read_as_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_pictures(&here.join("d"), 30);
    let recipe = Recipe { batch_size: 4, ..Recipe::named("dcgan3").unwrap() };
    write_config(&here.join("c.toml"), &Arch::Dcgan(tiny()), &recipe);
    let train = |more: &[&str]| succeed(here, &[&["train", "d", "--config", "c.toml", "--epochs", "2"], more].concat());
    train(&["--model", "fits"]);
    train(&["--model", "not", "--cache", "0"]);
    let weights = |name: &str| fs::read(here.join("models").join(name).join("weights.safetensors")).unwrap();
    assert!(weights("fits") == weights("not"));
    train(&["--model", "mirrored", "--mirror"]);
    train(&["--model", "few", "--subset", "8"]);
    let count = |name: &str| flaneur::model::Card::read(&here.join("models").join(name)).unwrap().data_count;
    assert_eq!(["fits", "not", "mirrored", "few"].map(count), [30, 30, 60, 8]);
    fail(
        here,
        &["train", "d", "--config", "c.toml", "--model", "none", "--subset", "3"],
        "a subset of 3 pictures is too small",
    );
    // The folder goes away in the middle, and comes back.
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_flaneur"))
        .args(["train", "d", "--config", "c.toml", "--epochs", "60", "--model", "away", "--cache", "0"])
        .args(["--print-every", "1000"])
        .current_dir(here)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let said = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let (mut waited, mut renamed) = (false, false);
    for line in said.map(|line| line.unwrap()) {
        if line.contains("1 of 60 epochs") || line.contains("losses are means") && !renamed {
            fs::rename(here.join("d"), here.join("e")).unwrap();
            renamed = true;
        }
        if line.contains("the training waits") && !waited {
            fs::rename(here.join("e"), here.join("d")).unwrap();
            waited = true;
        }
    }
    assert!(child.wait().unwrap().success() && renamed && waited, "{renamed} {waited}");
}
