//! Settings of layers under the names of Keras 3, whichever version wrote them.
//!
//! Used by `layers`. Only what a network draws with is looked at: shapes, steps, biases, slopes, statistics. All else
//! is left as the file says it.

use serde_json::{Map, Value as Json, json};

/// Classes of Keras 1.
const CLASSES: [(&str, &str); 4] = [
    ("Convolution2D", "Conv2D"),
    ("Deconvolution2D", "Conv2DTranspose"),
    ("BatchNormalizationV1", "BatchNormalization"),
    ("BatchNormalizationV2", "BatchNormalization"),
];

/// The class of a layer as Keras 3 calls it.
pub(super) fn class(name: &str) -> &str {
    CLASSES.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new)
}

/// The settings of a layer of this class as Keras 3 calls them.
pub(super) fn modern(class: &str, settings: &Map<String, Json>) -> Map<String, Json> {
    let mut new: Map<String, Json> = settings.iter().map(|(name, value)| (name.clone(), plain(value))).collect();
    rename(&mut new, "batch_input_shape", "batch_shape");
    if let (false, Some(size)) = (new.contains_key("batch_shape"), new.get("input_dim").and_then(Json::as_u64)) {
        new.insert("batch_shape".into(), json!([null, size]));
    }
    match class {
        "LeakyReLU" => {
            rename(&mut new, "alpha", "negative_slope");
            new.entry("negative_slope").or_insert_with(|| json!(0.3));
        }
        "BatchNormalization" => {
            // Keras 2 writes a list of one axis.
            if let Some(axis) = new.get("axis").and_then(|axis| axis.get(0)).cloned() {
                new.insert("axis".into(), axis);
            }
            for (name, usual) in [
                ("axis", json!(-1)),
                ("scale", json!(true)),
                ("center", json!(true)),
                ("epsilon", json!(1e-3)),
                ("momentum", json!(0.99)),
            ] {
                new.entry(name).or_insert(usual);
            }
        }
        "Dense" => rename(&mut new, "output_dim", "units"),
        "Dropout" => rename(&mut new, "p", "rate"),
        _ => {}
    }
    if class == "Dense" || class.contains("Conv") {
        rename(&mut new, "bias", "use_bias");
        new.entry("use_bias").or_insert(json!(true));
    }
    if class.contains("Conv2D") {
        rename(&mut new, "nb_filter", "filters");
        rename(&mut new, "subsample", "strides");
        rename(&mut new, "border_mode", "padding");
        if let (Some(rows), Some(columns)) = (new.remove("nb_row"), new.remove("nb_col")) {
            new.insert("kernel_size".into(), json!([rows, columns]));
        }
    }
    if let Some(order) = new.remove("dim_ordering") {
        let name = if order == "th" { "channels_first" } else { "channels_last" };
        new.insert("data_format".into(), name.into());
    }
    new
}

fn rename(settings: &mut Map<String, Json>, old: &str, name: &str) {
    if let Some(value) = settings.remove(old) {
        settings.entry(name).or_insert(value);
    }
}

/// Values without the wrapping that some versions put around tuples and numpy's numbers.
fn plain(value: &Json) -> Json {
    match value {
        Json::Object(fields) => match (fields.get("class_name").and_then(Json::as_str), fields.get("type")) {
            (Some("__tuple__"), _) => fields.get("items").map(plain).unwrap_or_default(),
            (None, Some(_)) if fields.len() == 2 => fields.get("value").map_or_else(|| value.clone(), plain),
            _ => value.clone(),
        },
        Json::Array(items) => Json::Array(items.iter().map(plain).collect()),
        other => other.clone(),
    }
}
