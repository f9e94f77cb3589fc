//! Trainings with classes: what judges the pictures sees them, they come from the data, and how those are read is kept.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use flaneur::dataset::store::{self, Classes, Store};
use flaneur::net::arch::Arch;
use flaneur::net::draw::Ready;
use flaneur::net::families::dcgan::Dcgan;
use flaneur::net::families::wgan_gp::{Activation, WganGp};
use flaneur::net::layers::Shape;
use flaneur::net::recipe::Recipe;
use flaneur::random::RandomState;
use flaneur::trainer::batches::Between;
use flaneur::trainer::step::State;

use super::common::{self, fail, flaneur, succeed};
use super::{data, state, tiny, write_config, write_pictures};

/// Blue and red pictures of 16 x 16, in folders of their names.
fn write_classes(folder: &Path, each: usize) {
    let mut random = RandomState::new(9);
    for (name, at) in [("blue", 2), ("red", 0)] {
        fs::create_dir_all(folder.join(name)).unwrap();
        for number in 0..each {
            let (light, ground) = (150.0 + 100.0 * random.uniform(), 40.0 * random.uniform());
            let mut colour = [ground as u8; 3];
            colour[at] = light as u8;
            let picture = image::RgbImage::from_pixel(16, 16, image::Rgb(colour));
            picture.save(folder.join(name).join(format!("{number}.png"))).unwrap();
        }
    }
}

/// How much redder than blue the pictures of each class are, 0..255.
fn redness(state: &State) -> [f32; 2] {
    let ready = Ready::new(&state.arch, &state.generator, true);
    [[1.0, 0.0], [0.0, 1.0]].map(|class| {
        let inputs = (0..16).map(|seed| {
            let z = RandomState::new(seed).normals(state.arch.z_dim());
            z.iter().map(|v| *v as f32).chain(class).collect::<Vec<f32>>()
        });
        let bytes = ready.bytes(&inputs.collect::<Vec<_>>());
        let (red, blue) = (bytes.iter().step_by(3), bytes.iter().skip(2).step_by(3));
        (red.map(|v| f32::from(*v)).sum::<f32>() - blue.map(|v| f32::from(*v)).sum::<f32>()) / (bytes.len() / 3) as f32
    })
}

/// What judges sees which class a picture is of, so each class is drawn as its pictures are: by cross-entropy, and by
/// WGAN-GP with its loss written out and by autodiff.
#[test]
fn classes_are_learnt() {
    let folder = tempfile::tempdir().unwrap();
    write_classes(folder.path(), 24);
    let options = store::Options { classes: Classes::Needed, ..store::Options::new([16, 16, 3]) };
    let labelled = Store::open(folder.path(), &options).unwrap();
    assert_eq!(labelled.labels(), ["blue", "red"]);
    let dcgan = Arch::Dcgan(Dcgan { features: 8, ..tiny() }).with_classes(2);
    let judged = Recipe {
        batch_size: 16,
        critic_learning_rate: 2e-3,
        generator_learning_rate: 2e-3,
        ..Recipe::named("dcgan3").unwrap()
    };
    let wgan = |activation| WganGp { critic_activation: activation, ..common::tiny() };
    let clipped =
        Recipe { batch_size: 16, critic_learning_rate: 2e-3, generator_learning_rate: 2e-3, ..common::recipe() };
    for (name, arch, recipe, count) in [
        ("cross-entropy", dcgan, &judged, 60),
        ("written out", Arch::WganGp(wgan(Activation::LeakyRelu)).with_classes(2), &clipped, 60),
        ("by autodiff", Arch::WganGp(wgan(Activation::Elu)).with_classes(2), &clipped, 60),
    ] {
        arch.check().unwrap();
        assert_eq!((arch.planes(), arch.critic().unwrap().input), (2, Shape::Map([16, 16, 5])));
        let mut state = state(arch, recipe);
        let before = redness(&state);
        let mut between = Between { updates: &mut |_| true, lost: &mut |_| false };
        for _ in 0..count {
            let turn = state.turn((&labelled).into(), 3, &Device::flex(), &mut between).unwrap();
            assert!(turn.losses.finite());
        }
        let [blue, red] = redness(&state);
        println!("{name}: before {before:?}, after {blue} and {red}");
        assert!(blue < -20.0 && red > 20.0, "{name}: before {before:?}, after {blue} and {red}");
    }
    // Pictures without classes cannot come to a judge that sees them.
    let mut state = state(Arch::Dcgan(tiny()).with_classes(2), &judged);
    let mut between = Between { updates: &mut |_| true, lost: &mut |_| false };
    let none = data(20, [16, 16, 3]);
    let error = state.turn((&none).into(), 1, &Device::flex(), &mut between).err().unwrap();
    assert!(error.to_string().contains("a picture has no class"), "{error}");
}

fn card(here: &Path, name: &str) -> flaneur::model::Card {
    flaneur::model::Card::read(&here.join("models").join(name)).unwrap()
}

/// From the command line: classes come from the folders and land in the card, and what does not fit is said.
#[test]
fn a_training_with_classes_goes_on_and_refuses_others() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_classes(&here.join("d"), 6);
    write_pictures(&here.join("plain"), 8);
    let recipe = Recipe { batch_size: 4, ..Recipe::named("dcgan3").unwrap() };
    write_config(&here.join("c.toml"), &Arch::Dcgan(tiny()), &recipe);
    let train = ["train", "d", "--config", "c.toml", "--model"];
    let more = |more: &[&'static str]| [&train[..], more].concat();
    let said = flaneur(here, &more(&["none", "--epochs", "1"]));
    assert!(String::from_utf8_lossy(&said.stderr).contains("2 classes; --classes learns them"));
    assert_eq!((card(here, "none").classes.len(), card(here, "none").arch.planes()), (0, 0));
    succeed(here, &more(&["once", "--epochs", "4", "--classes"]));
    succeed(here, &more(&["twice", "--epochs", "2", "--classes"]));
    succeed(here, &["train", "d", "--model", "twice", "--resume", "--epochs", "4"]);
    let read = |model: &str, name: &str| fs::read(here.join("models").join(model).join(name)).unwrap();
    for name in ["weights.safetensors", "critic.safetensors", "sheet.png"] {
        assert!(read("once", name) == read("twice", name), "{name}");
    }
    let learnt = card(here, "twice");
    assert_eq!((learnt.classes, learnt.arch.planes()), (["blue", "red"].map(String::from).to_vec(), 2));
    succeed(here, &["compare", "once", "twice", "-o", "curves.svg"]);
    // Other pictures.
    let resume = |data: &'static str| ["train", data, "--model", "twice", "--resume", "--epochs", "5"];
    fail(here, &resume("plain"), "the pictures have no classes");
    fail(here, &resume("lines"), "have no classes");
    fs::rename(here.join("d/red"), here.join("d/rot")).unwrap();
    fail(here, &resume("d"), "its classes are blue, rot, and those of the network are blue, red");
    fs::rename(here.join("d/rot"), here.join("d/red")).unwrap();
    fail(here, &["train", "d", "--model", "none", "--resume", "--classes"], "leave out --classes");
    fail(here, &["train", "d", "--from", "none", "--model", "x", "--classes"], "none has no classes");
    fail(here, &["train", "plain", "--config", "c.toml", "--model", "x", "--classes"], "the pictures have no classes");
    // An imported network has classes, and nothing has judged it yet.
    common::make_model(here, "eyes", Arch::Dcgan(Dcgan { classes: 2, ..tiny() }), vec!["red".into(), "blue".into()]);
    let said = flaneur(here, &["train", "d", "--from", "eyes", "--model", "seen", "--epochs", "1", "--batch", "4"]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let seen = card(here, "seen");
    assert_eq!((seen.classes, seen.arch.planes()), (["red", "blue"].map(String::from).to_vec(), 2));
    fs::rename(here.join("d/red"), here.join("d/rot")).unwrap();
    fail(here, &["train", "d", "--from", "eyes", "--model", "y", "--batch", "4"], "name the folders as the network's");
}

/// How pictures are read goes with the training, and the cache is not part of what they are.
#[test]
fn pictures_are_read_as_before_unless_somebody_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write_pictures(&here.join("d"), 30);
    let recipe = Recipe { batch_size: 4, ..Recipe::named("dcgan3").unwrap() };
    write_config(&here.join("c.toml"), &Arch::Dcgan(tiny()), &recipe);
    let own = ["--fit", "pad:white", "--mirror", "--subset", "10"];
    succeed(here, &[&["train", "d", "--config", "c.toml", "--model", "a", "--epochs", "1"][..], &own].concat());
    let record = || fs::read_to_string(here.join("models/a/training/state.toml")).unwrap();
    assert!(record().contains("[reading]") && record().contains("fit = \"pad:white\""), "{}", record());
    let resume = |more: &[&str]| {
        let out = flaneur(here, &[&["train", "d", "--model", "a", "--resume"][..], more].concat());
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{text}");
        text
    };
    let said = resume(&["--epochs", "2", "--cache", "0"]);
    assert!(said.contains("found 10 pictures in d, each also mirrored") && !said.contains("note:"), "{said}");
    let said = resume(&["--epochs", "3", "--mirror=false", "--subset", "all", "--fit", "crop"]);
    for words in [
        "found 30 pictures in d",
        "by crop from now on, by pad:white before",
        "no mirrored ones from now on",
        "all pictures from now on, 10 pictures before",
        "these are not the pictures",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = resume(&["--epochs", "4"]);
    assert!(said.contains("found 30 pictures") && !said.contains("note:"), "{said}");
    for (option, words) in [("--fit=round", "pad:white"), ("--subset=0", "or all"), ("--mirror=no", "true")] {
        fail(here, &["train", "d", "--model", "a", "--resume", option], words);
    }
}
