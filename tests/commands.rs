//! The command line from outside: datasets, stills, score, and every wrong input once.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{fail, succeed};
use flaneur::net::arch::Arch;
use flaneur::net::families::wgan_gp::WganGp;

/// A tiny architecture, so that training takes moments.
const TINY: &str = r#"
input_dim = [32, 32, 3]
critic_conv_filters = [4, 8]
critic_conv_kernel_size = [3, 3]
critic_conv_strides = [2, 2]
critic_activation = "leaky_relu"
critic_learning_rate = 2e-4
generator_initial_dense_layer_size = [8, 8, 8]
generator_upsample = [1, 1]
generator_conv_filters = [8, 3]
generator_conv_kernel_size = [6, 6]
generator_conv_strides = [2, 2]
generator_batch_norm_momentum = 0.9
generator_activation = "leaky_relu"
generator_learning_rate = 2e-4
optimiser = "adam"
grad_weight = 10.0
z_dim = 100
batch_size = 4
"#;

/// A folder with a small dataset, the tiny architecture, and a model of three epochs named `t`.
fn ready(folder: &Path) {
    fs::write(folder.join("tiny.toml"), TINY).unwrap();
    succeed(folder, &["dataset", "lines", "--out", "d", "--count", "40", "--size", "32", "--seed", "3"]);
    succeed(folder, &["train", "d", "--model", "t", "--config", "tiny.toml", "--epochs", "3", "--print-every", "1"]);
}

/// Positions and colours of the lines that a decoded jpg shows.
fn lines_in(path: &Path) {
    let picture = image::open(path).unwrap().into_rgb8();
    let bytes = picture.as_raw();
    assert_eq!(picture.dimensions(), (128, 128));
    let seen = flaneur::dataset::score::look(bytes, 128);
    assert!(seen.verticals.iter().any(|x| (10.0..=117.0).contains(x)), "{path:?} {seen:?}");
    assert!(seen.horizontals.iter().any(|y| (10.0..=117.0).contains(y)), "{path:?} {seen:?}");
    assert!(seen.near as f64 > 0.6 * seen.lit as f64, "{path:?} {seen:?}");
}

#[test]
fn a_dataset_is_drawn_the_same_from_the_same_seed() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for (out, workers) in [("a", "1"), ("b", "2")] {
        succeed(here, &["dataset", "lines", "--out", out, "--count", "60", "--seed", "3", "--workers", workers]);
    }
    let printed = succeed(here, &["dataset", "check", "a"]);
    assert!(printed.contains("60 pictures in a") && printed.contains("60 of 128x128"), "{printed}");
    for i in 1..=60 {
        let name = format!("lines-{i:06}.jpg");
        assert_eq!(fs::read(here.join("a").join(&name)).unwrap(), fs::read(here.join("b").join(&name)).unwrap());
        lines_in(&here.join("a").join(&name));
    }
    succeed(here, &["dataset", "lines", "--out", "c", "--count", "1", "--seed", "4"]);
    assert_ne!(fs::read(here.join("a/lines-000001.jpg")).unwrap(), fs::read(here.join("c/lines-000001.jpg")).unwrap());
    for out in ["a.zip", "b.zip"] {
        succeed(here, &["dataset", "lines", "--out", out, "--count", "60", "--seed", "3"]);
    }
    assert_eq!(fs::read(here.join("a.zip")).unwrap(), fs::read(here.join("b.zip")).unwrap());
    assert!(succeed(here, &["dataset", "check", "a.zip"]).contains("60 of 128x128"));
    fail(here, &["dataset", "lines", "--out", "a"], "there already");
}

#[test]
fn variations_of_the_lines() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let four =
        ["--verticals", "2", "--horizontals", "2", "--palette", "00ff00,#ff00ff", "--law", "uniform,gaussian:20:1"];
    let base = ["dataset", "lines", "--out", "v", "--count", "3", "--format", "png", "--size", "64"];
    succeed(here, &[&base[..], &four[..]].concat());
    let picture = image::open(here.join("v/lines-000001.png")).unwrap().into_rgb8();
    let colours: std::collections::BTreeSet<[u8; 3]> = picture.pixels().map(|p| p.0).collect();
    let allowed = [[0, 0, 0], [0, 255, 0], [255, 0, 255]];
    assert!(colours.iter().all(|c| allowed.contains(c)), "{colours:?}");
    let none = ["dataset", "lines", "--out", "w", "--verticals", "0", "--horizontals", "0"];
    fail(here, &none, "at least one line");
    fail(here, &["dataset", "lines", "--out", "w", "--palette", "zzz"], "not a colour");
    fail(here, &["dataset", "lines", "--out", "w", "--law", "normal"], "gaussian:MEAN:DEVIATION");
    fail(here, &["dataset", "lines", "--out", "w", "--count", "0"], "--count");
}

#[test]
fn bad_data_is_named_and_skipped_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    ready(here);
    let deep = here.join("d/deep");
    fs::create_dir(&deep).unwrap();
    let whole = fs::read(here.join("d/lines-000001.jpg")).unwrap();
    fs::write(deep.join("cut.jpg"), &whole[..300]).unwrap();
    fs::write(deep.join("text.png"), "no picture").unwrap();
    fs::write(deep.join("empty.jpg"), "").unwrap();
    fs::write(deep.join("notes.txt"), "notes").unwrap();
    let printed = succeed(here, &["dataset", "check", "d"]);
    for name in ["cut.jpg", "text.png", "empty.jpg"] {
        assert!(printed.lines().any(|l| l.contains("unreadable") && l.contains(name)), "{name} in {printed}");
    }
    assert!(printed.contains("40 pictures") && printed.contains("1 other files"), "{printed}");
    succeed(here, &["train", "d", "--model", "u", "--config", "tiny.toml", "--epochs", "1"]);

    fs::create_dir(here.join("none")).unwrap();
    zip::ZipWriter::new(fs::File::create(here.join("empty.zip")).unwrap()).finish().unwrap();
    fs::write(here.join("cut.zip"), "PK").unwrap();
    let train = |data: &'static str| ["train", data, "--model", "x", "--config", "tiny.toml"];
    for data in ["none", "empty.zip"] {
        fail(here, &train(data), "at least 4 are needed");
        fail(here, &["dataset", "check", data], "no readable picture");
    }
    fail(here, &train("cut.zip"), "neither a folder nor a zip");
    fail(here, &train("missing"), "there is no missing");
    assert!(!here.join("models/x").exists(), "a refused training leaves nothing");
}

#[test]
fn a_training_prints_its_lines_and_writes_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    ready(here);
    for name in [
        "model.toml",
        "weights.safetensors",
        "sheet.png",
        "training/sample_000000.png",
        "training/sample_000002.png",
        "training/history.csv",
        "training/converge.svg",
        "training/converge.png",
        "training/state.safetensors",
        "training/state.toml",
    ] {
        assert!(here.join("models/t").join(name).is_file(), "{name}");
    }
    let printed = succeed(
        here,
        &["train", "d", "--model", "t", "--config", "tiny.toml", "--epochs", "5", "--resume", "--critic-steps", "2"],
    );
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 2, "{printed}");
    for (line, epoch) in lines.iter().zip(3..) {
        let numbers: Vec<f64> = line
            .split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'))
            .filter_map(|w| w.parse().ok())
            .collect();
        let [e, critic, one, total, real, fake, penalty, generator] = numbers[..] else { panic!("{line}") };
        assert_eq!((e, critic, one), (f64::from(epoch), 2.0, 1.0), "{line}");
        assert!((total - (real + fake + 10.0 * penalty)).abs() < 0.7, "{line}");
        let form = format!(
            "{epoch} (2, 1) [D loss: ({total:.1})(R {real:.1}, F {fake:.1}, G {penalty:.1})] [G loss: {generator:.1}]"
        );
        assert_eq!(*line, form);
    }
    let printed = succeed(here, &["train", "d", "--model", "t", "--epochs", "6", "--resume", "--report", "json"]);
    let event: serde_json::Value = serde_json::from_str(printed.trim()).unwrap();
    assert_eq!((event["event"].as_str(), event["epoch"].as_u64()), (Some("step"), Some(5)));

    fail(here, &["train", "d", "--model", "t", "--epochs", "9"], "--resume");
    fail(here, &["train", "d", "--model", "t", "--resume", "--arch", "small"], "another architecture");
    fail(here, &["train", "d", "--model", "t", "--resume", "--batch", "8"], "batches of 4");
    fail(here, &["train", "d", "--model", "t", "--resume", "--device", "gpu-half"], "single precision");
    fail(here, &["train", "d", "--model", "t", "--resume", "--ema", "0.9"], "another --ema");
    fail(here, &["train", "d", "--model", "new", "--resume"], "no training/state.safetensors");
    fail(here, &["train", "d", "--model", "x", "--arch", "big"], "small, quarter, seed, seed-k10");
    fail(here, &["train", "d", "--model", "x", "--rows", "0"], "--rows");
    fail(here, &["train", "d", "--model", "x", "--ema", "2"], "--ema");
    fs::write(here.join("odd.toml"), format!("{TINY}colour = 3\n")).unwrap();
    fail(here, &["train", "d", "--model", "x", "--config", "odd.toml"], "unknown field `colour`");
    fs::write(here.join("odd.toml"), TINY.replace("[32, 32, 3]", "[64, 64, 3]")).unwrap();
    fail(here, &["train", "d", "--model", "x", "--config", "odd.toml"], "32x32");
}

#[test]
fn stills_of_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    ready(here);
    let m = ["--model", "t"];
    let still = |arguments: &[&str]| succeed(here, &[&["still"], arguments, &m[..]].concat());
    still(&["sheet", "--rows", "2", "--cols", "3", "-o", "sheet.png"]);
    assert_eq!(image::open(here.join("sheet.png")).unwrap().width(), 3 * 34 + 2);

    still(&["pairs", "--count", "2", "--out", "p"]);
    still(&["from", "p/vec_1.txt", "--out", "q"]);
    for i in 0..2 {
        let (a, b) = (here.join(format!("p/image_1_0{i}.png")), here.join(format!("q/image_0{i}.png")));
        assert_eq!(fs::read(a).unwrap(), fs::read(b).unwrap());
        assert_eq!(image::open(here.join(format!("p/vec_1_0{i}.png"))).unwrap().width(), 220);
    }

    let walk = ["interpolate", "--from", "2", "--to", "p/vec_1.txt:1", "--frames", "5", "--out", "i"];
    still(&[&walk[..], &["--strip", "strip.png", "--gif", "walk.gif", "--zip", "walk.zip"]].concat());
    assert_eq!(fs::read(here.join("i/image_00.png")).unwrap(), fs::read(here.join("p/image_1_00.png")).unwrap());
    assert_eq!(fs::read(here.join("i/image_04.png")).unwrap(), fs::read(here.join("p/image_1_01.png")).unwrap());
    assert!(!here.join("i/image_05.png").exists());
    assert_eq!(zip::ZipArchive::new(fs::File::open(here.join("walk.zip")).unwrap()).unwrap().len(), 5);
    still(&["interpolate", "--from", "1", "--to", "2", "--mode", "slerp", "--frames", "101", "--out", "s"]);
    assert!(here.join("s/image_100.png").exists() && here.join("s/image_000.png").exists());

    for (study, frames) in [("rows", 10), ("quadrants", 12), ("constants", 7)] {
        still(&["study", study, "--out", study, "--gif", &format!("{study}.gif")]);
        assert_eq!(fs::read_dir(here.join(study)).unwrap().count(), frames);
    }
    let printed = succeed(here, &["score", "lines", "--model", "t", "--count", "20"]);
    assert!(printed.contains("with a full vertical and a full horizontal") && printed.contains("aim"), "{printed}");
}

#[test]
fn a_model_is_scored_against_any_data() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    ready(here);
    succeed(here, &["dataset", "lines", "--out", "my lines.zip", "--count", "120", "--size", "32", "--seed", "4"]);
    let score = |more: &[&str]| succeed(here, &[&["score", "my lines.zip", "--model", "t"], more].concat());
    let printed = score(&["--json", "a b.json", "--write"]);
    assert!(printed.contains("60 pictures of t (32x32") && printed.contains("By the model's own critic"), "{printed}");
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(here.join(name)).unwrap()).unwrap()
    };
    let (first, card) = (read("a b.json"), fs::read_to_string(here.join("models/t/model.toml")).unwrap());
    assert!(card.contains("[score.filters.floor]") && card.contains("data = \"my lines.zip\""), "{card}");
    let [own, floor] = ["model", "floor"].map(|side| first["filters"][side]["relative"].as_f64().unwrap());
    assert!(own > 1.5 * floor && floor > 0.0, "three epochs have learnt nothing: {own} {floor}");
    // The same again, beside the first file; and as Markdown.
    assert!(score(&["--json", "a b.json", "--markdown"]).contains("| precision"));
    assert_eq!(read("a b-2.json"), first);
    // A training that writes other weights takes the score out of the card.
    succeed(here, &["train", "d", "--model", "t", "--resume", "--epochs", "4"]);
    assert!(!fs::read_to_string(here.join("models/t/model.toml")).unwrap().contains("[score"));
    // Without a critic, of the data that one has drawn oneself.
    fs::remove_file(here.join("models/t/critic.safetensors")).unwrap();
    assert!(!score(&["--count", "50"]).contains("critic"));

    let refuse = |arguments: &[&str], words: &str| fail(here, &[&["score"], arguments].concat(), words);
    refuse(&["nowhere", "--model", "t"], "there is no nowhere");
    refuse(&["my lines.zip"], "--model");
    refuse(&["my lines.zip", "--model", "nobody"], "known here: t");
    refuse(&["d", "--model", "t"], "at least 100 are needed");
    refuse(&["my lines.zip", "--model", "t", "--count", "61"], "--count 60 or less");
    refuse(&["my lines.zip", "--model", "t", "--count", "49"], "--count");
    refuse(&["my lines.zip", "--model", "t", "--grey"], "draws in colour");
    refuse(&["my lines.zip", "--model", "t", "--count", "50", "--seed", "4294967295"], "beyond the last seed");
    succeed(here, &["dataset", "lines", "--out", "large", "--count", "100", "--size", "48"]);
    refuse(&["large", "--model", "t"], "another size (48x48)");
    succeed(here, &["score", "large", "--model", "t", "--fit", "stretch"]);
}

#[test]
fn a_model_in_grey_is_scored_in_grey() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let arch = WganGp { generator_conv_filters: vec![5, 1], input_dim: [16, 16, 1], ..common::tiny() };
    common::make_model(here, "g", Arch::WganGp(arch), Vec::new());
    succeed(here, &["dataset", "lines", "--out", "d", "--count", "100", "--size", "16"]);
    fail(here, &["score", "d", "--model", "g"], "give --grey");
    assert!(succeed(here, &["score", "d", "--model", "g", "--grey"]).contains("50 pictures of g"));
}

#[test]
fn wrong_stills_are_refused_and_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    ready(here);
    let refuse = |arguments: &[&str], words: &str| fail(here, &[&["still"], arguments].concat(), words);
    refuse(&["sheet", "--model", "nobody", "-o", "x.png"], "known here: t");
    refuse(&["sheet", "--model", "t", "--rows", "0", "-o", "x.png"], "--rows");
    refuse(&["interpolate", "--model", "t", "--from", "1", "--to", "nowhere", "--out", "x"], "neither a seed");
    refuse(&["interpolate", "--model", "t", "--from", "1", "--to", "-1", "--out", "x"], "--to");
    fs::write(here.join("three.txt"), "1 2 3").unwrap();
    refuse(&["from", "three.txt", "--model", "t", "--out", "x"], "multiple of 100");
    refuse(&["from", "none.txt", "--model", "t", "--out", "x"], "none.txt");
    fs::write(here.join("taken.png"), "mine").unwrap();
    refuse(&["sheet", "--model", "t", "-o", "taken.png"], "--overwrite");
    assert_eq!(fs::read_to_string(here.join("taken.png")).unwrap(), "mine");

    let weights = here.join("models/t/weights.safetensors");
    let whole = fs::read(&weights).unwrap();
    let spoil = |bytes: &[u8], words: &str| {
        fs::write(&weights, bytes).unwrap();
        refuse(&["sheet", "--model", "t", "-o", "x.png"], words);
    };
    spoil(&whole[..whole.len() / 2], "not a whole safetensors file");
    spoil(&whole[..4], "not a whole safetensors file");
    spoil(b"", "not a whole safetensors file");
    let mut nan = whole.clone();
    let end = nan.len();
    nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    spoil(&nan, "not finite numbers");
    fs::remove_file(&weights).unwrap();
    refuse(&["sheet", "--model", "t", "-o", "x.png"], "weights.safetensors is missing");
    fs::write(&weights, &whole).unwrap();
    let card = fs::read_to_string(here.join("models/t/model.toml")).unwrap();
    fs::write(here.join("models/t/model.toml"), card.replace("[arch]", "[arch]\nstyle = 2")).unwrap();
    refuse(&["sheet", "--model", "t", "-o", "x.png"], "unknown field `style`");
    fs::write(here.join("models/t/model.toml"), card.replacen("z_dim = 100", "z_dim = 50", 1)).unwrap();
    refuse(&["sheet", "--model", "t", "-o", "x.png"], "z_dim is 50, and 100 under [arch]");
    assert!(!here.join("x.png").exists() && !here.join("x").exists());
}

#[test]
fn every_subcommand_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    for command in [
        &["--help"][..],
        &["dataset", "lines", "--help"],
        &["dataset", "check", "--help"],
        &["train", "--help"],
        &["still", "sheet", "--help"],
        &["still", "interpolate", "--help"],
        &["still", "pairs", "--help"],
        &["still", "from", "--help"],
        &["still", "study", "--help"],
        &["score", "lines", "--help"],
        &["score", "--help"],
    ] {
        assert!(succeed(folder.path(), command).contains("Usage"));
    }
    fail(folder.path(), &["danse"], "unrecognized subcommand");
}

#[test]
fn a_reader_may_leave_and_a_full_disk_is_told() {
    let start = |words: &[&str], stdout: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flaneur"));
        command.args(words).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap()
    };
    for words in [&["verbs"][..], &["addresses"], &["verbs", "--markdown"]] {
        let mut child = start(words, Stdio::piped());
        // Before it has said anything, or meanwhile.
        drop(child.stdout.take());
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    if let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") {
        let out = start(&["verbs"], full.into()).wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(1) && said.contains("not all of it could be printed"), "{said}");
    }
}

#[test]
fn the_gallery_s_unit_is_all_that_is_on_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir(here.join("presets")).unwrap();
    fs::write(here.join("presets/wall.toml"), "version = 1\n").unwrap();
    let unit = succeed(here, &["gallery", "wall", "--user", "artist", "--compositor", "none", "--for", "system"]);
    for line in ["[Unit]", "Type=notify", "WatchdogSec=30", "Restart=always", "User=artist", "[Install]"] {
        assert!(unit.lines().any(|l| l == line), "{line} is not in\n{unit}");
    }
    // Each line is a comment, a section or a setting; the rest went to stderr.
    let known = |line: &str| line.is_empty() || line.starts_with(['#', '[']) || line.split_once('=').is_some();
    assert!(unit.lines().all(known) && !unit.contains("sudo"), "{unit}");
    let home = format!("FLANEUR_HOME={}", here.canonicalize().unwrap().display());
    assert!(unit.contains(&home) && unit.contains(" play wall --kiosk --resume"), "{unit}");
    let silent = succeed(here, &["gallery", "wall", "--user", "artist", "--headless"]);
    assert!(silent.contains(" play wall --headless --resume"), "{silent}");
    let recipe = succeed(here, &["gallery", "wall", "--user", "artist", "--compositor", "cage", "--recipe"]);
    assert!(recipe.contains("seatd") && recipe.contains("journalctl -u flaneur.service"), "{recipe}");
    fail(here, &["gallery", "wal", "--user", "artist"], "did you mean wall?");
    fail(here, &["gallery", "wall", "--user", "two words"], "is no user's name");
    fail(here, &["gallery", "wall", "--headless", "--compositor", "cage"], "cannot be used with");
}

#[test]
fn trainings_are_laid_over_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    ready(here);
    let two = ["train", "d", "--model", "two b", "--config", "tiny.toml", "--epochs", "2", "--seed", "9"];
    succeed(here, &two);
    let printed = succeed(here, &["compare", "t", "models/two b"]);
    let row = |begin: &str| -> Vec<&str> {
        let line = printed.lines().find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("{begin}: {printed}"));
        line[begin.len()..].split_whitespace().collect()
    };
    assert_eq!((row("t ")[0], row("two b")[0]), ("3", "2"), "{printed}");
    assert_eq!(row("seed")[1], "9", "{printed}");
    assert!(!printed.contains("recipe.") && printed.contains("wrote compare.svg and compare.png"), "{printed}");
    let svg = fs::read_to_string(here.join("compare.svg")).unwrap();
    assert!(svg.contains("two b") && svg.trim_end().ends_with("</svg>"));
    assert_eq!(image::open(here.join("compare.png")).unwrap().width(), 960);
    // What is there stays; the next names are taken.
    fs::write(here.join("compare.svg"), "mine").unwrap();
    succeed(here, &["compare", "t"]);
    assert!(fs::read_to_string(here.join("compare.svg")).unwrap() == "mine" && here.join("compare-2.png").is_file());
    let json = succeed(here, &["compare", "t", "two b", "--json", "--x", "pictures", "-o", "p.svg", "--overwrite"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["runs"][1]["epochs"], &json["plots"][0]), (&2.into(), &"p.svg".into()), "{json}");
    assert!(json["runs"][0]["remarks"].as_array().unwrap().is_empty() && here.join("p.svg").is_file(), "{json}");
    fail(here, &["compare", "t", "nowhere"], "known here: t");
    fail(here, &["compare", "t", "-o", "t.pdf"], "neither .svg nor .png");
    fail(here, &["compare", "t", "--smooth", "0"], "--smooth");
    fail(here, &["compare"], "RUN");
}
