//! The layers of a network in the order of execution, each with its settings and arrays.
//!
//! Made from a bag that has a configuration; read by whoever recognises networks. Models within models are laid out
//! flat. The first layer is an `InputLayer` with `batch_shape` wherever the file tells the shape.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::super::bag::{Array, Bag, ReadError};
use super::config::{self, Model, Part};
use super::{graph, settings};

/// A layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its class as Keras 3 calls it: `Conv2DTranspose`.
    pub class_name: String,
    /// Its name, behind the names of the models around it: `generator.dense`.
    pub name: String,
    /// Its settings under the names of Keras 3: `batch_shape`, `negative_slope`, `use_bias`, …
    pub settings: Map<String, Json>,
    /// Its arrays: `kernel`, `bias`, `gamma`, `beta`, `moving_mean`, `moving_variance`, …
    pub arrays: Vec<Array>,
}

impl Layer {
    /// The array of that name.
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.arrays.iter().find(|array| array.name == name)
    }
}

/// The layers of a network that is a chain.
///
/// # Errors
/// The file has no configuration, the network has several inputs or branches, or a layer's kernel is missing.
pub fn layers(bag: &Bag) -> Result<Vec<Layer>, ReadError> {
    let Some(model) = config::parts(&bag.config)? else {
        return Err(ReadError(
            "the file holds weights without a configuration; say what the network is, or save it with model.save"
                .into(),
        ));
    };
    let mut owned: HashMap<&str, Vec<(&str, &Array)>> = HashMap::new();
    for array in &bag.arrays {
        if let Some((layer, name)) = array.name.rsplit_once('.') {
            owned.entry(layer).or_default().push((name, array));
        }
    }
    let mut found = Vec::new();
    let mut shape = None;
    flat(&model, &mut shape, &mut |part| {
        let class = settings::class(&part.class);
        let settings = settings::modern(class, &part.settings);
        let arrays = owned.remove(part.name.as_str()).unwrap_or_default();
        let arrays = arrays.into_iter().map(|(name, array)| Array { name: name.into(), ..array.clone() }).collect();
        let layer = Layer { class_name: class.into(), name: part.name.clone(), settings, arrays };
        check(&layer)?;
        // Models within a model have inputs of their own, which do nothing.
        if class != "InputLayer" || found.is_empty() {
            found.push(layer);
        }
        Ok(())
    })?;
    if let Some(first) = found.first().filter(|first| first.class_name != "InputLayer")
        && let Some(shape) = first.settings.get("batch_shape").cloned().or(shape)
    {
        let settings = Map::from_iter([("batch_shape".to_string(), shape)]);
        let (class_name, name) = ("InputLayer".to_string(), "input".to_string());
        found.insert(0, Layer { class_name, name, settings, arrays: Vec::new() });
    }
    Ok(found)
}

/// Walks the layers of a model and of those in it; notes the first shape that a model knows.
fn flat<'a>(
    model: &'a Model,
    shape: &mut Option<Json>,
    visit: &mut impl FnMut(&'a Part) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    if shape.is_none() {
        *shape = model.shape.clone();
    }
    for part in graph::order(model)? {
        match &part.inner {
            Some(inner) => flat(inner, shape, visit)?,
            None => visit(part)?,
        }
    }
    Ok(())
}

/// A layer of which every network needs the kernel must have it.
fn check(layer: &Layer) -> Result<(), ReadError> {
    let needs: &[&str] = match layer.class_name.as_str() {
        "Dense" | "Conv1D" | "Conv2D" | "Conv2DTranspose" => &["kernel"],
        "BatchNormalization" => &["moving_mean", "moving_variance"],
        _ => &[],
    };
    match needs.iter().find(|name| layer.get(name).is_none()) {
        Some(missing) => Err(ReadError(format!(
            "the layer {} has no {missing} in this file; save the model again after it was built",
            layer.name
        ))),
        None => Ok(()),
    }
}
