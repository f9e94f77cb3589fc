//! Writes files of weights as Keras does: `.h5` as `model.save` of Keras 2 and 3, and the layout of `.weights.h5`.
//!
//! For tests and for the seeds of fuzzing. Absent: optimisers, models within models.

use serde_json::Value as Json;

use super::super::bag::Array;
use super::super::hdf5::write::{Attribute, Group, file};

/// The bytes of a file: `layers` are names and arrays (`kernel`, `bias`, …); `version` is that of Keras. A null
/// configuration gives a file of weights alone.
pub fn h5(version: &str, config: &Json, layers: &[(String, Vec<Array>)]) -> Vec<u8> {
    let mut root = Group::default();
    let place = if config.is_null() { "" } else { "model_weights" };
    let old = !version.starts_with('3');
    let names = |names: Vec<String>| match old || names.is_empty() {
        true => Attribute::Fixed(names),
        false => Attribute::Texts(names),
    };
    let text = |text: &str| Attribute::Text(text.into());
    let backend = if old { "tensorflow" } else { "jax" };
    if !config.is_null() {
        root.attribute("backend", text(backend));
        root.attribute("keras_version", text(version));
        root.attribute("model_config", Attribute::Text(config.to_string()));
    }
    let store = root.group(place);
    store.attribute("backend", text(backend));
    store.attribute("keras_version", text(version));
    store.attribute("layer_names", names(layers.iter().map(|(name, _)| name.clone()).collect()));
    for (layer, arrays) in layers {
        let group = store.group(layer);
        let end = if old { ":0" } else { "" };
        let paths: Vec<String> = arrays.iter().map(|array| format!("{layer}/{}{end}", array.name)).collect();
        for (path, array) in paths.iter().zip(arrays) {
            group.array(path, &array.shape, &array.values);
        }
        group.attribute("weight_names", names(paths));
    }
    file(&root)
}

/// The bytes of a `.weights.h5` of Keras 3, which a `.keras` holds too: `layers` are the keys of their classes
/// (`dense`, `dense_1`), their names, and their arrays in their order.
pub fn weights(layers: &[(String, String, Vec<Array>)]) -> Vec<u8> {
    let mut root = Group::default();
    for (key, name, arrays) in layers {
        let vars = root.group(&format!("layers/{key}/vars"));
        vars.attribute("name", Attribute::Text(name.clone()));
        for (number, array) in arrays.iter().enumerate() {
            vars.array(&number.to_string(), &array.shape, &array.values);
        }
    }
    file(&root)
}
