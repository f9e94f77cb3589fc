//! The configuration as a tree: layers in the order that Keras keeps them in, models within models.
//!
//! Made from `model_config` or `config.json`; `legacy` and `store` name arrays by it, `graph` puts layers in the order
//! of execution.

use serde_json::{Map, Value as Json};

use super::super::bag::ReadError;
use super::names::{dotted, short, snake};

/// Layers that a configuration may list at most.
const MOST_LAYERS: usize = 10_000;

/// A layer, or a model that is used as one.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The class as the file says it.
    pub class: String,
    /// The name within its model.
    pub own: String,
    /// The name with those of the models around it, joined with dots.
    pub name: String,
    /// The group's name in the layout of Keras 3.
    pub key: String,
    pub settings: Map<String, Json>,
    /// What calls it: `inbound_nodes`.
    pub nodes: Json,
    /// The layers, if it is a model.
    pub inner: Option<Model>,
}

/// A model.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// Whether layers follow each other as they are listed; else by their nodes.
    pub listed: bool,
    pub parts: Vec<Part>,
    pub inputs: Json,
    pub outputs: Json,
    /// The shape that an input has, where only the model knows it.
    pub shape: Option<Json>,
}

/// The model that a configuration describes; `None` for null.
pub(super) fn parts(config: &Json) -> Result<Option<Model>, ReadError> {
    if config.is_null() {
        return Ok(None);
    }
    let settings = config.get("config").unwrap_or(&Json::Null);
    let class = config.get("class_name").and_then(Json::as_str).unwrap_or_default();
    let mut budget = MOST_LAYERS;
    match model(class, settings, config, "", &mut budget)? {
        Some(model) => Ok(Some(model)),
        None => Err(ReadError(format!(
            "the configuration of the model lists no layers (its class is {}); only Sequential and functional models say what they are made of: save the weights of the inner model",
            if class.is_empty() { "unknown" } else { class }
        ))),
    }
}

/// The model with these settings, or `None` if it is a plain layer. `around` is the entry that names the class.
fn model(
    class: &str,
    settings: &Json,
    around: &Json,
    before: &str,
    budget: &mut usize,
) -> Result<Option<Model>, ReadError> {
    // Keras 1 and early 2 wrote a Sequential as a bare list.
    let list = settings.as_array().or_else(|| settings.get("layers").and_then(Json::as_array));
    let Some(list) = list else { return Ok(None) };
    let mut used = std::collections::HashMap::new();
    let mut parts = Vec::with_capacity(list.len());
    for entry in list {
        *budget = budget
            .checked_sub(1)
            .ok_or_else(|| ReadError("the configuration lists too many layers; this is no network".into()))?;
        parts.push(part(entry, before, &mut used, budget)?);
    }
    let graph = settings.get("output_layers").is_some();
    let from = |name: &str| settings.get(name).cloned().unwrap_or_default();
    let built = around.get("build_config").and_then(|build| build.get("input_shape"));
    Ok(Some(Model {
        listed: class == "Sequential" || !graph,
        parts,
        inputs: from("input_layers"),
        outputs: from("output_layers"),
        shape: settings.get("build_input_shape").or(built).cloned(),
    }))
}

fn part(
    entry: &Json,
    before: &str,
    used: &mut std::collections::HashMap<String, usize>,
    budget: &mut usize,
) -> Result<Part, ReadError> {
    let settings = entry.get("config").unwrap_or(&Json::Null);
    let class = entry.get("class_name").and_then(Json::as_str);
    let class = class.ok_or_else(|| ReadError("a layer of the configuration has no class_name".into()))?;
    let own = settings.get("name").or_else(|| entry.get("name")).and_then(Json::as_str);
    let number = used.entry(snake(class)).or_insert(0);
    let key = if *number == 0 { snake(class) } else { format!("{}_{number}", snake(class)) };
    *number += 1;
    // A model in a bare list has no name of its own.
    let own = own.unwrap_or(&key);
    let name = if before.is_empty() { dotted(own) } else { format!("{before}.{}", dotted(own)) };
    short(&name)?;
    let inner = model(class, settings, entry, &name, budget)?;
    Ok(Part {
        class: class.into(),
        own: own.into(),
        name,
        key,
        settings: if inner.is_some() { Map::new() } else { settings.as_object().cloned().unwrap_or_default() },
        nodes: entry.get("inbound_nodes").cloned().unwrap_or_default(),
        inner,
    })
}

impl Model {
    /// All layers that are no models, in the order of the configuration.
    pub fn leaves(&self) -> Vec<&Part> {
        let mut found = Vec::new();
        for part in &self.parts {
            match &part.inner {
                Some(inner) => found.extend(inner.leaves()),
                None => found.push(part),
            }
        }
        found
    }
}
