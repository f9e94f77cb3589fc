//! Files of Keras draw what Keras draws: files by a small writer against plain loops in f64, and, where they are asked
//! for, files that Keras itself wrote against what it drew.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

#[path = "common/plain.rs"]
mod plain;

use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use flaneur::model::import::bag::Array;
use flaneur::model::import::{self, keras};
use flaneur::model::recognise::{self, Hints, Network};
use flaneur::net::arch::Arch;
use flaneur::net::chain::{self, Value};
use flaneur::net::draw::Ready;
use flaneur::net::families::Family;
use flaneur::net::families::wgan_gp::WganGp;
use flaneur::net::geometry::Padding;
use flaneur::net::layers::{Activation, Chain, Layer};
use flaneur::net::params::{Params, floats};
use flaneur::random::RandomState;
use plain::{Norms, normals};
use serde_json::{Value as Json, json};

/// The class of Keras and the settings of a layer.
fn said(layer: &Layer) -> (&'static str, Json) {
    let padding = |padding: Padding| if padding == Padding::Same { "same" } else { "valid" };
    match *layer {
        Layer::Dense { units, bias } => ("Dense", json!({"units": units, "use_bias": bias, "activation": "linear"})),
        Layer::Reshape { shape } => ("Reshape", json!({"target_shape": shape})),
        Layer::Conv2d { filters, kernel, stride, padding: pad, bias } => (
            "Conv2D",
            json!({"filters": filters, "kernel_size": [kernel, kernel], "strides": [stride, stride],
                "padding": padding(pad), "data_format": "channels_last", "use_bias": bias, "activation": "linear"}),
        ),
        Layer::ConvTranspose2d { filters, kernel, stride, padding: pad, bias, .. } => (
            "Conv2DTranspose",
            json!({"filters": filters, "kernel_size": [kernel, kernel], "strides": [stride, stride],
                "padding": padding(pad), "data_format": "channels_last", "use_bias": bias, "activation": "linear"}),
        ),
        Layer::Upsample2d => ("UpSampling2D", json!({"size": [2, 2], "interpolation": "nearest"})),
        Layer::BatchNorm { eps, momentum, .. } => {
            ("BatchNormalization", json!({"axis": -1, "momentum": momentum, "epsilon": f64::from(eps)}))
        }
        Layer::Activation { curve: Activation::LeakyRelu(slope) } => {
            ("LeakyReLU", json!({"negative_slope": f64::from(slope)}))
        }
        Layer::Activation { curve: Activation::Relu } => ("Activation", json!({"activation": "relu"})),
        Layer::Activation { curve: Activation::Tanh } => ("Activation", json!({"activation": "tanh"})),
        Layer::Activation { curve: Activation::Sigmoid } => ("Activation", json!({"activation": "sigmoid"})),
        Layer::Activation { curve: Activation::Elu } => ("Activation", json!({"activation": "elu"})),
        Layer::Dropout { rate } => ("Dropout", json!({"rate": rate})),
        _ => panic!("{layer:?} is not written here"),
    }
}

/// A functional model of Keras 3 whose layers are those of the chain, as `model.save("generator.h5")` writes it.
fn h5(chain: &Chain, params: &Params) -> Vec<u8> {
    let mut layers = vec![json!({"class_name": "InputLayer", "name": "input",
        "config": {"name": "input", "batch_shape": [null, chain.input.len()]}, "inbound_nodes": []})];
    let mut written = vec![("input".to_owned(), Vec::new())];
    let mut before = "input".to_owned();
    for (at, (ours, layer)) in chain.layers.iter().enumerate() {
        let (class, mut settings) = said(layer);
        let name = format!("layer_{at}");
        settings["name"] = json!(name);
        let node = json!({"args": [{"class_name": "__keras_tensor__",
            "config": {"shape": [null, 1], "keras_history": [before, 0, 0]}}], "kwargs": {}});
        layers.push(json!({"class_name": class, "name": name, "config": settings, "inbound_nodes": [node]}));
        let parts = ["kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"];
        let array = |part: &&str| {
            let param = params.param(ours, part)?;
            Some(Array { name: (*part).into(), shape: param.shape.clone(), values: param.values(), whole: false })
        };
        written.push((name.clone(), parts.iter().filter_map(array).collect()));
        before = name;
    }
    let config = json!({"class_name": "Functional", "config": {"name": "generator", "layers": layers,
        "input_layers": ["input", 0, 0], "output_layers": [before, 0, 0]}});
    keras::write::h5("3.15.1", &config, &written)
}

/// Largest difference between what a network draws from `z`, packed and layer by layer, and what is expected
/// `[n, h, w, c]`.
fn difference(found: &Network, z: &[f32], expected: &[f32]) -> f32 {
    let (arch, device) = (&found.arch, Device::flex());
    let plans = arch.generator_plans();
    let values = |name: &str| found.arrays.iter().find(|(array, _)| array == name).unwrap().1.clone();
    let values: Vec<Vec<f32>> = plans.iter().map(|plan| values(&plan.name)).collect();
    let params = Params::of(&plans, &values, &device);
    let n = z.len() / arch.input_len();
    let z = || Tensor::<2>::from_data(TensorData::new(z.to_vec(), [n, arch.input_len()]), &device);
    let drawn = [
        floats(Ready::new(arch, &params, true).pictures(z(), &Vec::new())),
        floats(chain::evaluate(&arch.generator(), &params, Value::Flat(z()), &Vec::new()).map()),
    ];
    let mut worst: f32 = 0.0;
    for drawn in drawn {
        assert_eq!(drawn.len(), expected.len());
        worst = drawn.iter().zip(expected).fold(worst, |worst, (a, b)| worst.max((a - b).abs()));
    }
    worst
}

#[test]
fn a_generator_of_keras_3_draws_what_its_layers_say() {
    let base = WganGp {
        input_dim: [32, 32, 3],
        generator_initial_dense_layer_size: [4, 4, 8],
        generator_upsample: vec![1, 1, 1],
        generator_conv_filters: vec![6, 5, 3],
        generator_conv_kernel_size: vec![6, 6, 6],
        generator_conv_strides: vec![2, 2, 2],
        generator_batch_norm_momentum: Some(0.9),
        z_dim: 10,
        ..WganGp::small()
    };
    let shapes = [
        base.clone(),
        WganGp { generator_conv_kernel_size: vec![10, 5, 3], ..base.clone() },
        WganGp { generator_upsample: vec![2, 1, 2], generator_conv_strides: vec![1, 2, 1], ..base.clone() },
        WganGp { generator_batch_norm_momentum: None, generator_dropout_rate: Some(0.3), ..base },
    ];
    for (at, settings) in shapes.into_iter().enumerate() {
        settings.check().unwrap();
        let chain = settings.generator();
        let mut random = RandomState::new(31 + at as u32);
        let params = plain::params(&chain.plans(), &mut random);
        let z = normals(&mut random, 3 * chain.input.len(), 1.0);
        let expected = plain::forward(&chain, &plain::arrays(&params), &plain::doubles(&z), &[], Norms::Moving);
        let expected: Vec<f32> = expected.iter().map(|v| *v as f32).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("generator.h5");
        fs::write(&path, h5(&chain, &params)).unwrap();
        let found = recognise::network(&import::read(&path).unwrap(), &Hints::default()).unwrap();
        let Arch::WganGp(read) = &found.arch else { panic!("{:?}", found.arch) };
        let same =
            |other: &WganGp| -> Vec<Layer> { other.generator().layers.iter().map(|(_, layer)| *layer).collect() };
        assert_eq!(same(read), same(&settings));
        let apart = difference(&found, &z, &expected);
        println!("{at}: {apart:.1e}");
        assert!(apart < 1e-5, "{at}: {apart}");
    }
}

/// Every `NAME.npz` with `z` and `y` in the folder that `FLANEUR_REFERENCES` names, against the files `NAME.…` beside
/// it: `y` is what another program drew of `z` by them, `[n, h, w, c]` or, where there are as many channels, `[n, c, h, w]`.
#[test]
#[ignore = "needs files of other programs and what they drew: FLANEUR_REFERENCES (see benches/peers/keras_reference.py)"]
fn files_draw_what_their_programs_drew() {
    let folder = std::env::var("FLANEUR_REFERENCES").unwrap();
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut count = 0;
    for reference in files.iter().filter(|path| name(path).ends_with(".npz")) {
        let bag = import::read(reference).unwrap();
        let (Some(z), Some(y)) = (bag.get("z"), bag.get("y").or_else(|| bag.get("img"))) else { continue };
        let stem = name(reference).trim_end_matches("npz").to_owned();
        for file in files.iter().filter(|path| *path != reference && name(path).starts_with(&stem)) {
            let found = recognise::network(&import::read(file).unwrap(), &Hints::default()).unwrap();
            let [h, w, c] = found.arch.picture();
            let expected = match y.shape[1..] {
                [first, ..] if first == c && c != h => recognise::turned(&y.values, &y.shape, &[0, 2, 3, 1]),
                _ => y.values.clone(),
            };
            let apart = difference(&found, &z.values, &expected);
            println!("{}: {w}x{h}, {apart:.1e} apart", name(file));
            assert!(apart < 1e-5, "{}: {apart}", name(file));
            count += 1;
        }
    }
    assert!(count > 0, "{folder} has no files beside their references");
}
