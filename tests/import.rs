//! Weights go out and come in: models of every family as files for others, and files that are none.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use common::{fail, make_model, succeed};
use flaneur::latent;
use flaneur::model::{self, Card, Model};
use flaneur::net::arch::Arch;
use flaneur::net::families::dcgan::Dcgan;
use flaneur::net::families::mlp::Mlp;

/// A model folder with random weights whose norms matter.
fn make(here: &Path, name: &str, arch: Arch) {
    let classes = (0..arch.classes()).map(|i| format!("class {i}")).collect();
    make_model(here, name, arch, classes);
}

fn pictures(here: &Path, name: &str) -> Vec<u8> {
    let folder = here.join("models").join(name);
    let model = Model::read(&folder.to_string_lossy(), &Device::flex()).unwrap();
    let z = |seed| latent::seed(seed, model.card.z_dim).iter().map(|v| *v as f32).collect();
    model.ready(false).bytes(&(0..3).map(z).collect::<Vec<_>>())
}

#[test]
fn what_is_exported_comes_in_and_draws_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let dcgan = Dcgan { size: 16, z_dim: 6, features: 4, ..Dcgan::default() };
    make(here, "plain", Arch::Dcgan(dcgan.clone()));
    make(here, "classed", Arch::Dcgan(Dcgan { classes: 3, ..dcgan }));
    let mlp = Mlp { input_dim: [6, 6, 1], z_dim: 4, generator_units: vec![8, 12], ..Mlp::default() };
    make(here, "dense", Arch::Mlp(mlp));
    make(here, "lines", Arch::WganGp(common::tiny()));
    for name in ["plain", "classed", "dense", "lines"] {
        let expected = pictures(here, name);
        assert!(expected.iter().max().unwrap() - expected.iter().min().unwrap() > 20, "{name}: flat");
        for ending in ["safetensors", "npz"] {
            let (file, again) = (format!("{name}.{ending}"), format!("{name}-{ending}"));
            succeed(here, &["export", name, "-o", &file]);
            fail(here, &["export", name, "-o", &file], "--overwrite");
            succeed(here, &["import", &file, "--name", &again]);
            assert_eq!(pictures(here, &again), expected, "{file}");
            let card = |name: &str| Card::read(&here.join("models").join(name)).unwrap();
            let (before, after) = (card(name), card(&again));
            assert_eq!((before.arch, before.classes, before.recipe), (after.arch, after.classes, after.recipe));
            assert!(here.join("models").join(&again).join("sheet.png").is_file());
            fail(here, &["import", &file, "--name", &again], "already");
        }
    }
    fail(here, &["export", "plain", "-o", "plain.pth"], "neither");
}

/// Names of PyTorch, without what we say beside them.
#[test]
fn a_dcgan_goes_out_under_the_names_of_pytorch() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    make(here, "plain", Arch::Dcgan(Dcgan { size: 16, z_dim: 6, features: 4, ..Dcgan::default() }));
    succeed(here, &["export", "plain", "-o", "plain.safetensors"]);
    let bag = model::import::read(&here.join("plain.safetensors")).unwrap();
    let shape = |name: &str| bag.get(name).unwrap_or_else(|| panic!("{name}")).shape.clone();
    assert_eq!((shape("main.0.weight"), shape("main.6.weight")), (vec![6, 8, 4, 4], vec![4, 3, 4, 4]));
    assert_eq!((shape("main.1.running_var"), shape("main.4.bias")), (vec![8], vec![4]));
    // And as somebody else's: the note is gone, the shapes say what it is.
    let arrays: Vec<_> =
        bag.arrays.iter().map(|a| (a.name.as_str(), a.shape.as_slice(), a.values.as_slice())).collect();
    let mut ordered = arrays.clone();
    let place = |name: &str| name.split('.').nth(1).and_then(|n| n.parse::<usize>().ok());
    ordered.sort_by_key(|(name, _, _)| place(name));
    fs::write(here.join("theirs.npz"), model::import::write::npz(&ordered, "").unwrap()).unwrap();
    succeed(here, &["import", "theirs.npz"]);
    assert_eq!(pictures(here, "theirs"), pictures(here, "plain"));
}

#[test]
fn what_holds_no_generator_is_said_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir_all(here.join("models")).unwrap();
    let pickle = b"\x80\x02cposix\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03.".to_vec();
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("empty.pt", Vec::new(), "empty"),
        ("text.h5", b"what is this? a text of no format at all".to_vec(), "not known"),
        ("call.pth", pickle, "system"),
        ("cut.h5", b"\x89HDF\r\n\x1a\n\0\0\0".to_vec(), "cut.h5"),
        (
            "claim.npy",
            b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1073741824,), }   \n"
                .to_vec(),
            "claim.npy",
        ),
    ];
    for (name, bytes, words) in cases {
        fs::write(here.join(name), bytes).unwrap();
        fail(here, &["import", name, "--name", "broken"], words);
    }
    fail(here, &["import", "nowhere.pt"], "nowhere.pt");
    fail(here, &["import", "empty.pt", "--classes", "a,,b"], "class");
    assert_eq!(fs::read_dir(here.join("models")).unwrap().count(), 0);
}
