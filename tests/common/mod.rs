//! Runs the program as a person would.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use burn::tensor::Device;
use flaneur::model::{self, Card};
use flaneur::net::arch::Arch;
use flaneur::net::device::{Chosen, Wanted, choose};
use flaneur::net::families::wgan_gp::WganGp;
use flaneur::net::params::{Param, Params};
use flaneur::net::recipe::Recipe;
use flaneur::random::RandomState;

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

/// Says that a test does nothing for want of something; fails where no test may (`FLANEUR_TEST_ALL`, as in CI).
pub fn skip(reason: impl std::fmt::Display) {
    assert!(std::env::var_os("FLANEUR_TEST_ALL").is_none(), "left out: {reason}");
    println!("skipped: {reason}");
}

/// Whether ffmpeg is here; a test without it says that it did nothing.
pub fn ffmpeg() -> bool {
    let found = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = found.is_ok_and(|status| status.success());
    if !there {
        skip("ffmpeg is not installed");
    }
    there
}

/// Names of what lies in a folder, hidden ones too, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The adapter to test on; none, said, where there is none.
pub fn adapter(wanted: Wanted) -> Option<Chosen> {
    let chosen = choose(wanted).map_err(skip).ok()?;
    println!("on {}", chosen.name);
    Some(chosen)
}

/// Small enough that an epoch takes milliseconds.
pub fn tiny() -> WganGp {
    WganGp {
        input_dim: [16, 16, 3],
        critic_conv_filters: vec![4, 6],
        critic_conv_kernel_size: vec![3, 3],
        critic_conv_strides: vec![2, 2],
        generator_initial_dense_layer_size: [4, 4, 6],
        generator_upsample: vec![1, 1],
        generator_conv_filters: vec![5, 3],
        generator_conv_kernel_size: vec![6, 6],
        generator_conv_strides: vec![2, 2],
        z_dim: 8,
        ..WganGp::small()
    }
}

/// Batches of four.
pub fn recipe() -> Recipe {
    Recipe { batch_size: 4, ..Recipe::default() }
}

/// A file for `--config`.
pub fn config(arch: &WganGp, recipe: &Recipe) -> String {
    let arch = toml::to_string(&Arch::WganGp(arch.clone())).unwrap();
    format!("[arch]\n{arch}\n[recipe]\n{}", toml::to_string(recipe).unwrap())
}

/// A model folder with random weights whose norms matter.
pub fn make_model(here: &Path, name: &str, arch: Arch, classes: Vec<String>) {
    let folder = here.join("models").join(name);
    fs::create_dir_all(&folder).unwrap();
    let (device, plans) = (Device::flex(), arch.generator_plans());
    let mut random = RandomState::new(5);
    let fresh = Params::init(&plans, &mut random, &device);
    let list = fresh.list.iter().zip(&plans).map(|(param, plan)| {
        let positive = plan.name.ends_with("variance");
        let stir = |v: f32| v * 6.0 + 0.2 * random.normal() as f32;
        let stirred = param.values().into_iter().map(stir);
        Param::new(plan, stirred.map(|v| if positive { v.abs() + 0.1 } else { v }).collect(), &device)
    });
    let params = Params { list: list.collect() };
    model::write_weights(&folder.join(model::WEIGHTS), &params, None, false).unwrap();
    let text = String::new;
    let card = Card {
        format: model::FORMAT,
        name: name.into(),
        arch_name: "custom".into(),
        z_dim: arch.z_dim(),
        step: 0,
        seed: 0,
        data: text(),
        data_count: 0,
        data_fingerprint: text(),
        licence: "CC0-1.0".into(),
        classes,
        notes: Vec::new(),
        flaneur: text(),
        burn: text(),
        arch,
        recipe: Recipe::default(),
        score: None,
    };
    card.write(&folder).unwrap();
}
