//! Bags as the readers give them, and what is made of them.

use serde_json::{Value as Json, json};

use super::super::import::bag::{Array, Bag};
use super::*;
use crate::net::chain::{self, Value};
use crate::net::params::{Params, floats};
use burn::tensor::{Device, Tensor, TensorData};

fn array(name: &str, shape: &[usize]) -> Array {
    let values = (0..shape.iter().product()).map(|i: usize| ((i * 37 % 101) as f32 - 50.0) / 400.0).collect();
    Array { name: name.into(), shape: shape.to_vec(), values, whole: false }
}

/// A DCGAN for 16 x 16 as `torch.save` writes it, its names beginning with `prefix`.
fn dcgan(prefix: &str, inputs: usize, widths: &[usize]) -> Bag {
    let mut arrays = Vec::new();
    let mut before = inputs;
    for (i, filters) in widths.iter().enumerate() {
        let at = format!("{prefix}main.{}", 3 * i);
        arrays.push(array(&format!("{at}.weight"), &[before, *filters, 4, 4]));
        if i + 1 < widths.len() {
            let norm = format!("{prefix}main.{}", 3 * i + 1);
            for part in ["weight", "bias", "running_mean", "running_var"] {
                let mut array = array(&format!("{norm}.{part}"), &[*filters]);
                if part == "running_var" {
                    array.values.iter_mut().for_each(|v| *v = 1.0 + v.abs());
                }
                arrays.push(array);
            }
            let count = Array { whole: true, ..array(&format!("{norm}.num_batches_tracked"), &[]) };
            arrays.push(count);
        }
        before = *filters;
    }
    Bag { arrays, config: Json::Null, format: "torch zip".into(), remarks: Vec::new() }
}

fn refused(bag: &Bag, hints: &Hints, words: &str) {
    let text = network(bag, hints).unwrap_err().to_string();
    assert!(text.contains(words), "{text}");
}

/// The picture of one latent by a network's own layers.
fn picture(found: &Network, z: &[f32]) -> Vec<f32> {
    let device = Device::flex();
    let plans = found.arch.generator_plans();
    let values = |name: &str| found.arrays.iter().find(|(found, _)| found == name).unwrap().1.clone();
    let values: Vec<Vec<f32>> = plans.iter().map(|plan| values(&plan.name)).collect();
    let params = Params::of(&plans, &values, &device);
    let z = Tensor::from_data(TensorData::new(z.to_vec(), [1, z.len()]), &device);
    floats(chain::evaluate(&found.arch.generator(), &params, Value::Flat(z), &Vec::new()).map())
}

/// The same by the definition of a transposed convolution, as PyTorch has it: `[c, h, w]`.
fn by_hand(bag: &Bag, prefix: &str, z: &[f32], layers: usize) -> Vec<f32> {
    let (mut x, mut side) = (z.to_vec(), 1);
    for i in 0..layers {
        let weight = bag.get(&format!("{prefix}main.{}.weight", 3 * i)).unwrap();
        let [ins, outs] = [weight.shape[0], weight.shape[1]];
        let (stride, pad) = if i == 0 { (1, 0) } else { (2, 1) };
        let wide = (side - 1) * stride + 4 - 2 * pad;
        let mut out = vec![0.0; outs * wide * wide];
        for (at, v) in x.iter().enumerate() {
            let (c, y, xx) = (at / (side * side), at / side % side, at % side);
            for (o, ky, kx) in (0..outs * 16).map(|n| (n / 16, n / 4 % 4, n % 4)) {
                let (oy, ox) = ((y * stride + ky).wrapping_sub(pad), (xx * stride + kx).wrapping_sub(pad));
                if oy < wide && ox < wide {
                    out[(o * wide + oy) * wide + ox] += v * weight.values[((c * outs + o) * 4 + ky) * 4 + kx];
                }
            }
        }
        let part = |part: &str| bag.get(&format!("{prefix}main.{}.{part}", 3 * i + 1)).map(|a| &a.values);
        for (at, v) in out.iter_mut().enumerate() {
            let c = at / (wide * wide);
            *v = match (part("weight"), part("bias"), part("running_mean"), part("running_var")) {
                (Some(gamma), Some(beta), Some(mean), Some(variance)) => {
                    ((*v - mean[c]) / (variance[c] + 1e-5).sqrt() * gamma[c] + beta[c]).max(0.0)
                }
                _ => v.tanh(),
            };
        }
        assert!(ins > 0);
        (x, side) = (out, wide);
    }
    x
}

#[test]
fn a_dcgan_is_recognised_and_draws_what_pytorch_draws() {
    for (prefix, widths) in [("", [8, 4, 3]), ("netG_state_dict.", [8, 4, 1]), ("", [8, 6, 3])] {
        let bag = dcgan(prefix, 5, &widths);
        let found = network(&bag, &Hints::default()).unwrap();
        let family = if widths[1] == 4 { "dcgan" } else { "chain" };
        assert_eq!((found.arch.family().name(), found.arch.picture()), (family, [16, 16, widths[2]]));
        let z = [0.5, -1.0, 2.0, 0.25, -0.75];
        let (drawn, expected) = (picture(&found, &z), by_hand(&bag, prefix, &z, 3));
        for (at, v) in drawn.iter().enumerate() {
            let (y, x, c) = (at / (16 * widths[2]), at / widths[2] % 16, at % widths[2]);
            let torch = expected[(c * 16 + y) * 16 + x];
            assert!((v - torch).abs() < 1e-5, "{prefix} {widths:?}: {v} {torch}");
        }
    }
}

#[test]
fn classes_stand_behind_z() {
    let hints = Hints { classes: vec!["a".into(), "b".into()], ..Hints::default() };
    let found = network(&dcgan("", 7, &[8, 4, 3]), &hints).unwrap();
    assert_eq!((found.arch.z_dim(), found.arch.classes(), found.arch.input_len()), (5, 2, 7));
    assert_eq!(found.arch.input(&[1.0; 5]), [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    assert!(network(&dcgan("", 7, &[8, 4, 3]), &Hints::default()).unwrap().assumed[0].contains("--classes"));
    refused(&dcgan("", 2, &[8, 4, 3]), &hints, "too few");
}

#[test]
fn what_is_no_generator_is_named() {
    let bag = |arrays: Vec<Array>| Bag { arrays, format: "torch legacy".into(), ..Bag::default() };
    let none = Hints::default();
    let judge = [array("main.0.weight", &[8, 3, 4, 4]), array("main.2.weight", &[1, 8, 4, 4])];
    refused(&bag(judge.to_vec()), &none, "discriminator");
    refused(
        &bag(vec![array("0.weight", &[16, 4]), array("0.bias", &[16]), array("2.weight", &[1, 16])]),
        &none,
        "discriminator",
    );
    let dense = [array("0.weight", &[5, 4]), array("0.bias", &[5]), array("2.weight", &[7, 5]), array("2.bias", &[7])];
    refused(&bag(dense.to_vec()), &none, "7 outputs");
    refused(&bag(dense[..2].to_vec()), &none, "a single layer");
    refused(&bag(vec![array("G_ema.synthesis.b4.const", &[4, 4, 4])]), &none, "StyleGAN2");
    refused(&bag(vec![array("x.lstm", &[4, 4, 4])]), &none, "x.lstm [4, 4, 4]");
    refused(&dcgan("", 5, &[8, 4, 10]), &none, "10 channels");
    refused(&bag(Vec::new()), &none, "no generator");
    refused(&dcgan("", 5, &[8, 4, 3]), &Hints { family: Some("mlp".into()), ..none.clone() }, "dcgan, not mlp");
    let mut broken = dcgan("", 5, &[8, 4, 3]);
    broken.arrays[0].values[3] = f32::NAN;
    refused(&broken, &none, "not finite");
}

#[test]
fn dense_layers_are_a_gan_for_small_pictures() {
    let arrays = vec![
        array("model.0.weight", &[12, 6]),
        array("model.0.bias", &[12]),
        array("model.2.weight", &[75, 12]),
        array("model.2.bias", &[75]),
    ];
    let bag = Bag { arrays, format: "torch legacy".into(), ..Bag::default() };
    let found = network(&bag, &Hints::default()).unwrap();
    assert_eq!((found.arch.family().name(), found.arch.picture()), ("mlp", [5, 5, 3]));
    let z = [1.0, -0.5, 0.25, 2.0, -1.0, 0.5];
    let [kernel, bias, last, end] = [0, 1, 2, 3].map(|i| &bag.arrays[i].values);
    let hidden: Vec<f32> =
        (0..12).map(|o| (bias[o] + (0..6).map(|i| kernel[o * 6 + i] * z[i]).sum::<f32>()).max(0.0)).collect();
    for (at, v) in picture(&found, &z).iter().enumerate() {
        let (y, x, c) = (at / 15, at / 3 % 5, at % 3);
        let o = (c * 5 + y) * 5 + x;
        let expected = (end[o] + (0..12).map(|i| last[o * 12 + i] * hidden[i]).sum::<f32>()).tanh();
        assert!((v - expected).abs() < 1e-5, "{v} {expected}");
    }
}

/// The generator of the three lines as Keras describes it, in small.
fn lines() -> Bag {
    let layer = |class: &str, name: &str, settings: Json| {
        let mut config = settings;
        config["name"] = name.into();
        json!({"class_name": class, "config": config})
    };
    let conv = |i: usize, filters: usize| {
        let settings = json!({"filters": filters, "kernel_size": [6, 6], "strides": [2, 2], "padding": "same",
                              "use_bias": true, "activation": "linear"});
        layer("Conv2DTranspose", &format!("generator_conv_{i}"), settings)
    };
    let norm = |name: &str| layer("BatchNormalization", name, json!({"epsilon": 0.001, "momentum": 0.9, "axis": [3]}));
    let leaky = |name: &str| layer("LeakyReLU", name, json!({"alpha": 0.200_000_002_980_232_24}));
    let layers = vec![
        layer("Dense", "dense_1", json!({"units": 24, "batch_input_shape": [null, 5], "activation": "linear"})),
        norm("batch_normalization_3"),
        leaky("leaky_re_lu"),
        layer("Reshape", "reshape", json!({"target_shape": [2, 2, 6]})),
        conv(0, 4),
        norm("batch_normalization_4"),
        leaky("leaky_re_lu_1"),
        conv(1, 3),
        layer("Activation", "activation", json!({"activation": "tanh"})),
    ];
    let norm = |name: &str, c: usize| {
        ["gamma", "beta", "moving_mean", "moving_variance"].map(|part| {
            let mut array = array(&format!("{name}.{part}"), &[c]);
            array.values.iter_mut().for_each(|v| *v = 1.0 + v.abs());
            array
        })
    };
    let mut arrays = vec![array("dense_1.kernel", &[5, 24]), array("dense_1.bias", &[24])];
    arrays.extend(norm("batch_normalization_3", 24));
    arrays.extend([array("generator_conv_0.kernel", &[6, 6, 4, 6]), array("generator_conv_0.bias", &[4])]);
    arrays.extend(norm("batch_normalization_4", 4));
    arrays.extend([array("generator_conv_1.kernel", &[6, 6, 3, 4]), array("generator_conv_1.bias", &[3])]);
    let config = json!({"class_name": "Sequential", "config": {"name": "generator", "layers": layers}});
    Bag { arrays, config, format: "Keras 2 .h5".into(), remarks: Vec::new() }
}

#[test]
fn the_generator_of_the_three_lines_comes_in_with_its_settings() {
    let found = network(&lines(), &Hints::default()).unwrap();
    let Arch::WganGp(settings) = &found.arch else { panic!("{:?}", found.arch) };
    assert_eq!(settings.generator_initial_dense_layer_size, [2, 2, 6]);
    assert_eq!((&settings.generator_conv_filters[..], settings.z_dim), (&[4, 3][..], 5));
    assert_eq!((settings.generator_batch_norm_momentum, settings.input_dim), (Some(0.9), [8, 8, 3]));
    // A sigmoid at the end gives the same pictures in another range.
    let z = [0.3, -1.0, 0.8, 1.5, -0.2];
    let before = picture(&found, &z);
    let mut other = lines();
    other.config["config"]["layers"][8]["config"]["activation"] = "sigmoid".into();
    let found = network(&other, &Hints::default()).unwrap();
    let after = picture(&found, &z);
    for (tanh, sigmoid) in before.iter().zip(&after) {
        // Both are told by the sum before the curve.
        let sum = tanh.atanh();
        let expected = 2.0 / (1.0 + (-sum).exp()) - 1.0;
        assert!((sigmoid - expected).abs() < 1e-4, "{sigmoid} {expected}");
    }
}

#[test]
fn the_same_arrays_without_a_configuration_draw_the_same() {
    let z = [0.3, -1.0, 0.8, 1.5, -0.2];
    let whole = picture(&network(&lines(), &Hints::default()).unwrap(), &z);
    let bare = Bag { config: json!({"keras_version": "3.1"}), format: "Keras 3 .weights.h5".into(), ..lines() };
    let found = network(&bare, &Hints::default()).unwrap();
    assert_eq!((found.arch.family().name(), found.assumed.len()), ("wgan_gp", 2));
    assert_eq!(picture(&found, &z), whole);
    let mut odd = bare;
    odd.arrays[6].shape = vec![6, 6, 4, 5];
    odd.arrays[6].values.truncate(720);
    refused(&odd, &Hints::default(), "no square map");
}

#[test]
fn what_keras_has_and_this_has_not_is_said() {
    let mut bag = lines();
    bag.config["config"]["layers"][2] = json!({"class_name": "Attention", "config": {"name": "look"}});
    refused(&bag, &Hints::default(), "look (Attention)");
    let mut bag = lines();
    bag.config["config"]["layers"][4]["config"]["data_format"] = "channels_first".into();
    refused(&bag, &Hints::default(), "channels_last");
    let mut bag = lines();
    bag.config["config"]["layers"][0]["config"]["batch_input_shape"] = json!([null, 8, 8, 3]);
    refused(&bag, &Hints::default(), "no generator");
}
