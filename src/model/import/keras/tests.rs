//! Models as the versions of Keras save them, made by the small writer beside, and broken ones.

use std::io::{Cursor, Write};

use serde_json::{Value as Json, json};

use super::super::bag::{Array, Bag};
use super::super::hdf5::write::{Attribute, Group, file};
use super::names::{modern, numbered, snake};
use super::{Layer, layers, read_from, write};

type Written = Vec<(String, Vec<Array>)>;

fn read(bytes: Vec<u8>) -> Result<Bag, String> {
    read_from(Cursor::new(bytes)).map_err(|error| error.to_string())
}

/// An array whose values tell where they lie.
fn array(name: &str, shape: &[usize]) -> Array {
    let count: usize = shape.iter().product();
    let first = name.len() as f32;
    let values = (0..count).map(|number| first + number as f32 * 0.5).collect();
    Array { name: name.into(), shape: shape.to_vec(), values, whole: false }
}

fn normal(size: usize) -> Vec<Array> {
    ["gamma", "beta", "moving_mean", "moving_variance"].iter().map(|name| array(name, &[size])).collect()
}

/// Layers of the three lines' generator at small widths: classes, names, settings and arrays.
fn three_lines() -> Vec<(&'static str, String, Json, Vec<Array>)> {
    let mut found = vec![
        ("InputLayer", "generator_input".into(), json!({"batch_input_shape": [null, 5]}), vec![]),
        ("Dense", "dense_1".into(), json!({"units": 32}), vec![array("kernel", &[5, 32]), array("bias", &[32])]),
        ("BatchNormalization", "batch_normalization_3".into(), json!({"axis": [1], "momentum": 0.9}), normal(32)),
        ("LeakyReLU", "leaky_re_lu_5".into(), json!({"alpha": 0.200_000_002_980_232_24}), vec![]),
        ("Reshape", "reshape".into(), json!({"target_shape": [2, 2, 8]}), vec![]),
    ];
    let filters = [8, 6, 4, 2, 3];
    for stage in 0..4 {
        let (from, to) = (filters[stage], filters[stage + 1]);
        let arrays = vec![array("kernel", &[6, 6, to, from]), array("bias", &[to])];
        let settings = json!({"filters": to, "kernel_size": [6, 6], "strides": [2, 2], "padding": "same"});
        found.push(("Conv2DTranspose", format!("generator_conv_{stage}"), settings, arrays));
        if stage < 3 {
            let name = format!("batch_normalization_{}", 4 + stage);
            found.push(("BatchNormalization", name, json!({"axis": [3], "momentum": 0.9}), normal(to)));
            found.push(("LeakyReLU", format!("leaky_re_lu_{}", 6 + stage), json!({"alpha": 0.2}), vec![]));
        }
    }
    found.push(("Activation", "activation".into(), json!({"activation": "tanh"}), vec![]));
    found
}

/// A functional model of these layers one after another, as Keras 2 or Keras 3 describes it.
fn functional(layers: &[(&'static str, String, Json, Vec<Array>)], new: bool) -> Json {
    let mut before: Option<&str> = None;
    let mut list = Vec::new();
    for (class, name, settings, _) in layers {
        let mut settings = settings.clone();
        settings["name"] = json!(name);
        let history = before.map(|before| match new {
            true => json!({"args": [{"class_name": "__keras_tensor__",
                "config": {"shape": [null, 5], "keras_history": [before, 0, 0]}}], "kwargs": {}}),
            false => json!([[before, 0, 0, {}]]),
        });
        let nodes: Vec<Json> = history.into_iter().collect();
        list.push(json!({"class_name": class, "name": name, "config": settings, "inbound_nodes": nodes}));
        before = Some(name);
    }
    let (first, last) = (&layers[0].1, before);
    let ends = |name: Json| if new { json!([name, 0, 0]) } else { json!([[name, 0, 0]]) };
    let (input, output) = (ends(json!(first)), ends(json!(last)));
    json!({"class_name": "Functional",
        "config": {"name": "m", "layers": list, "input_layers": input, "output_layers": output}})
}

fn written(layers: &[(&'static str, String, Json, Vec<Array>)]) -> Written {
    layers.iter().map(|(_, name, _, arrays)| (name.clone(), arrays.clone())).collect()
}

fn layer<'a>(layers: &'a [Layer], name: &str) -> &'a Layer {
    layers.iter().find(|layer| layer.name == name).expect("the layer is there")
}

#[test]
fn the_generator_of_the_three_lines_is_read_with_all_its_settings() {
    let lines = three_lines();
    for version in ["2.4.0", "3.15.1"] {
        let config = functional(&lines, version.starts_with('3'));
        let bag = read(write::h5(version, &config, &written(&lines))).expect("it is read");
        assert_eq!(bag.format, format!("Keras {version} .h5"));
        assert!(bag.remarks.is_empty(), "{:?}", bag.remarks);
        let found = layers(&bag).expect("it is a chain");
        assert_eq!(found.len(), lines.len());
        let mut names = Vec::new();
        for (layer, (class, name, _, arrays)) in found.iter().zip(&lines) {
            assert_eq!((layer.class_name.as_str(), &layer.name), (*class, name));
            assert_eq!(&layer.arrays, arrays);
            names.extend(arrays.iter().map(|array| format!("{name}.{}", array.name)));
        }
        assert_eq!(bag.arrays.iter().map(|array| array.name.clone()).collect::<Vec<_>>(), names);
        let of = |name: &str, setting: &str| layer(&found, name).settings[setting].clone();
        assert_eq!(of("generator_input", "batch_shape"), json!([null, 5]));
        assert_eq!(of("leaky_re_lu_5", "negative_slope"), json!(0.200_000_002_980_232_24));
        assert_eq!(of("batch_normalization_3", "axis"), json!(1));
        assert_eq!(of("batch_normalization_3", "momentum"), json!(0.9));
        assert_eq!(of("batch_normalization_3", "epsilon"), json!(1e-3));
        assert_eq!(of("generator_conv_0", "use_bias"), json!(true));
        assert_eq!(of("activation", "activation"), json!("tanh"));
        // The same weights without their configuration.
        let bag = read(write::h5(version, &Json::Null, &written(&lines))).expect("it is read");
        assert_eq!(bag.arrays.iter().map(|array| array.name.clone()).collect::<Vec<_>>(), names);
        assert!(layers(&bag).unwrap_err().to_string().contains("without a configuration"));
    }
}

/// A Sequential within a Sequential, and the arrays of its inner layers.
fn nested() -> (Json, Written) {
    let inner = json!([
        {"class_name": "BatchNormalization", "config": {"name": "norm", "scale": false}},
        {"class_name": "LeakyReLU", "config": {"name": "leaky"}}
    ]);
    let config = json!({"class_name": "Sequential", "config": {"name": "outer", "layers": [
        {"class_name": "Dense", "config": {"name": "dense", "units": 2, "batch_input_shape": [null, 3]}},
        {"class_name": "Sequential", "config": {"name": "inner", "layers": inner}}
    ]}});
    let arrays = vec![array("norm/beta", &[2]), array("norm/moving_mean", &[2]), array("norm/moving_variance", &[2])];
    let dense = vec![array("kernel", &[3, 2]), array("bias", &[2])];
    (config, vec![("dense".into(), dense), ("inner".into(), arrays)])
}

fn check_nested(bag: &Bag) {
    let names: Vec<&str> = bag.arrays.iter().map(|array| array.name.as_str()).collect();
    let inner = ["inner.norm.beta", "inner.norm.moving_mean", "inner.norm.moving_variance"];
    assert_eq!(names, [&["dense.kernel", "dense.bias"][..], &inner].concat());
    let found = layers(bag).expect("it is a chain");
    let names: Vec<&str> = found.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["input", "dense", "inner.norm", "inner.leaky"]);
    assert_eq!(found[0].settings["batch_shape"], json!([null, 3]));
    assert_eq!(found[2].settings["center"], json!(true));
    assert_eq!(found[3].settings["negative_slope"], json!(0.3));
    assert_eq!(found[2].get("beta").map(|array| array.values.len()), Some(2));
}

/// Weights as Keras 3 lays them out.
fn store() -> Vec<u8> {
    let mut root = Group::default();
    let mut put = |path: &str, name: &str, arrays: &[Array]| {
        let vars = root.group(&format!("{path}/vars"));
        vars.attribute("name", Attribute::Text(name.into()));
        for (number, array) in arrays.iter().enumerate() {
            vars.array(&number.to_string(), &array.shape, &array.values);
        }
    };
    put("layers/dense", "dense", &[array("kernel", &[3, 2]), array("bias", &[2])]);
    put("layers/sequential", "inner", &[]);
    put("layers/sequential/layers/batch_normalization", "norm", &normal(2)[1..]);
    put("layers/sequential/layers/dropout/seed_generator", "seed", &[array("seed", &[2])]);
    put("optimizer", "adam", &[array("iteration", &[1])]);
    file(&root)
}

/// A `.keras` file with these entries.
fn zip(entries: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        zip.start_file(*name, options).expect("memory");
        zip.write_all(bytes).expect("memory");
    }
    zip.finish().expect("memory").into_inner()
}

#[test]
fn models_within_models_are_laid_out_flat() {
    let (config, arrays) = nested();
    for version in ["2.13.1", "3.0.0"] {
        check_nested(&read(write::h5(version, &config, &arrays)).expect("it is read"));
    }
    let text = config.to_string();
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let entries: [(&str, &[u8]); 3] = [
            ("metadata.json", br#"{"keras_version": "3.1.0"}"#),
            ("config.json", text.as_bytes()),
            ("model.weights.h5", &store()),
        ];
        let bag = read(zip(&entries, method)).expect("it is read");
        assert_eq!(bag.format, "Keras 3.1.0 .keras");
        assert_eq!(bag.remarks[0], "The state of the optimiser was left out.");
        check_nested(&bag);
    }
}

#[test]
fn weights_of_keras_3_are_named_without_a_configuration() {
    let bag = read(store()).expect("it is read");
    let mut names: Vec<&str> = bag.arrays.iter().map(|array| array.name.as_str()).collect();
    names.sort_unstable();
    let inner = ["inner.norm.beta", "inner.norm.moving_mean", "inner.norm.moving_variance"];
    assert_eq!(names, [&["dense.bias", "dense.kernel"][..], &inner].concat());
    assert_eq!(bag.remarks.len(), 3, "{:?}", bag.remarks);
}

#[test]
fn what_is_no_chain_is_refused_with_names() {
    let check = |change: &dyn Fn(&mut Json), expected: &str| {
        let mut config = functional(&three_lines(), false);
        change(&mut config["config"]);
        let bag = Bag { config, ..Bag::default() };
        let error = layers(&bag).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let two = |config: &mut Json| config["input_layers"] = json!([["noise", 0, 0], ["label", 0, 0]]);
    check(&two, "2 inputs (noise, label)");
    let merge =
        |config: &mut Json| config["layers"][4]["inbound_nodes"] = json!([[["dense_1", 0, 0, {}], ["x", 0, 0, {}]]]);
    check(&merge, "reshape takes 2 layers (dense_1, x)");
    // Without arrays the walk ends at the first layer that needs some.
    check(&|_| (), "dense_1 has no kernel");
    let circle = |config: &mut Json| config["layers"][1]["inbound_nodes"] = json!([[["activation", 0, 0, {}]]]);
    check(&circle, "dense_1 does not follow");
    let twice = |config: &mut Json| config["layers"][5]["inbound_nodes"] = json!([[["dense_1", 0, 0, {}]]]);
    check(&twice, "dense_1 goes to batch_normalization_3 and to generator_conv_0");
}

#[test]
fn keras_1_and_theano_kept_kernels_in_other_orders() {
    let config = |order: &str| {
        json!({"class_name": "Sequential", "config": [{"class_name": "Deconvolution2D", "config": {
            "name": "up", "nb_filter": 2, "nb_row": 1, "nb_col": 3, "subsample": [2, 2], "border_mode": "same",
            "dim_ordering": order, "bias": true, "batch_input_shape": [null, 4, 4, 1]}}]})
    };
    let kernel =
        Array { name: "up_W".into(), shape: vec![1, 3, 1, 2], values: vec![0., 1., 2., 3., 4., 5.], whole: false };
    let arrays = vec![("up".to_string(), vec![kernel, array("up_b", &[2])])];
    let bag = read(write::h5("1.2.2", &config("tf"), &arrays)).expect("it is read");
    let found = layers(&bag).expect("it is a chain");
    assert_eq!((found[1].class_name.as_str(), &found[1].settings["kernel_size"]), ("Conv2DTranspose", &json!([1, 3])));
    assert_eq!(found[1].settings["filters"], 2);
    assert_eq!(found[1].get("kernel").map(|kernel| kernel.shape.clone()), Some(vec![1, 3, 2, 1]));
    // Filters first: (2, 1, 1, 3) of Keras 1 is (1, 3, 2, 1) today.
    let kernel =
        Array { name: "up_W".into(), shape: vec![2, 1, 1, 3], values: vec![0., 1., 2., 3., 4., 5.], whole: false };
    let arrays = vec![("up".to_string(), vec![kernel])];
    let mut bag = read(write::h5("1.2.2", &config("th"), &arrays)).expect("it is read");
    assert_eq!(bag.arrays[0].shape, [1, 3, 2, 1]);
    assert_eq!(bag.arrays[0].values, [0., 3., 1., 4., 2., 5.]);
    let model = super::config::parts(&bag.config).expect("it is a model");
    super::kernels::modernise(&mut bag, "2.0.8", Some("theano"), &model);
    assert_eq!(bag.arrays[0].values, [2., 5., 1., 4., 0., 3.]);
}

#[test]
fn names_of_all_versions_become_those_of_today() {
    for (old, new) in [
        ("dense/kernel:0", "kernel"),
        ("conv1_W:0", "kernel"),
        ("fire2/squeeze1x1_b:0", "bias"),
        ("batchnormalization_1_running_std", "moving_variance"),
        ("a/kernel_1:0", "kernel"),
        ("own", "own"),
    ] {
        assert_eq!(modern(old), new);
    }
    for (class, group) in [
        ("Conv2DTranspose", "conv2d_transpose"),
        ("LeakyReLU", "leaky_re_lu"),
        ("UpSampling2D", "up_sampling2d"),
        ("BatchNormalization", "batch_normalization"),
        ("PReLU", "p_re_lu"),
    ] {
        assert_eq!(snake(class), group);
    }
    assert_eq!(numbered("batch_normalization", None, &[&[3], &[3]]), ["moving_mean", "moving_variance"]);
    assert_eq!(numbered("own", None, &[&[3, 4], &[4]]), ["kernel", "bias"]);
    assert_eq!(numbered("own", None, &[&[3]]), ["0"]);
}

#[test]
fn files_that_are_none_end_in_a_sentence() {
    let check = |bytes: &[u8], expected: &str| {
        let error = read(bytes.to_vec()).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    check(b"", "the file is empty");
    check(b"cos\nsystem\n(S'true'\ntR.", "neither HDF5 nor a zip");
    check(b"PK\x03\x04", "the zip is damaged or cut short");
    let stored = zip::CompressionMethod::Stored;
    check(&zip(&[("data.pkl", b"x")], stored), "no config.json");
    check(&zip(&[("config.json", b"{}")], stored), "no model.weights.h5");
    check(&zip(&[("config.json", b"{"), ("model.weights.h5", b"")], stored), "no JSON");
    let deep = "[".repeat(10_000);
    check(&zip(&[("config.json", deep.as_bytes())], stored), "no JSON");
    let bomb = vec![0; 32 << 20];
    let packed = zip(&[("config.json", b"null"), ("model.weights.h5", &bomb)], zip::CompressionMethod::Deflated);
    check(&packed, "many times its size");
    let mut root = Group::default();
    root.array("mine", &[2], &[0.0, 1.0]);
    check(&file(&root), "not written by Keras: no layer_names, no vars (it holds mine)");
    root.attribute("layer_names", Attribute::Fixed(vec!["dense".into()]));
    check(&file(&root), "the layer dense is listed and is not in the file");
    let (config, arrays) = nested();
    let sound = write::h5("3.0.0", &config, &arrays);
    for tenth in 0..10 {
        assert!(read(sound[..sound.len() * tenth / 10].to_vec()).is_err());
    }
}
