//! Weights as Keras 1 and 2 laid them out, and Keras 3 when it saves `.h5`: `layer_names`, and in each layer's group
//! `weight_names`.
//!
//! Fed by `read`; fills the bag. A model within a model is one group here, whose weights are told apart by the names
//! in their paths.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek};

use super::super::bag::ReadError;
use super::super::hdf5::Node;
use super::Taker;
use super::config::{Model, Part};
use super::names::{Seen, dotted, list, modern};

/// Reads all layers of a store.
pub(super) fn read<R: Read + Seek>(taker: &mut Taker<R>, store: &Node, model: &Option<Model>) -> Result<(), ReadError> {
    let mut seen = Seen::default();
    let planned: HashMap<&str, &Part> =
        model.iter().flat_map(|model| &model.parts).map(|part| (part.own.as_str(), part)).collect();
    let mut listed = HashSet::new();
    for layer in list(store, "layer_names").unwrap_or_default() {
        if !listed.insert(layer.clone()) {
            return Err(ReadError(format!("the layer {layer} is listed twice; save the model again")));
        }
        let Some(node) = store.find(&layer) else {
            return Err(ReadError(format!("the layer {layer} is listed and is not in the file; save the model again")));
        };
        let weights = list(node, "weight_names").unwrap_or_default();
        let inner = planned.get(layer.as_str()).and_then(|part| part.inner.as_ref());
        let leaves = inner.map(by_name);
        // Without a configuration: weights of several owners are those of a model.
        let mut owners: Vec<&str> = weights.iter().map(|weight| owner(weight)).collect();
        owners.dedup();
        for weight in &weights {
            let Some(array) = node.find(weight) else {
                return Err(ReadError(format!(
                    "the array {weight} of the layer {layer} is listed and is not in the file; save the model again"
                )));
            };
            let name = modern(weight);
            let before = match &leaves {
                Some(leaves) => place(leaves, &layer, weight, &name, &seen),
                None if model.is_none() && owners.len() > 1 => {
                    format!("{}.{}", dotted(&layer), dotted(inner_path(&layer, owner(weight))))
                }
                None => dotted(&layer),
            };
            taker.take(format!("{before}.{name}"), array, &mut seen)?;
        }
    }
    if let Some(model) = model {
        // The weights of a model within a model come sorted by whether they can be trained.
        let places: HashMap<&str, usize> =
            model.leaves().iter().enumerate().map(|(at, part)| (part.name.as_str(), at)).collect();
        let place = |name: &str| name.rsplit_once('.').and_then(|(layer, _)| places.get(layer)).copied();
        taker.bag.arrays.sort_by_key(|array| place(&array.name).unwrap_or(usize::MAX));
    }
    let top = store.find("top_level_model_weights").and_then(|node| list(node, "weight_names"));
    if let Some(names) = top.filter(|names| !names.is_empty()) {
        taker.bag.remarks.push(format!("Arrays of the model itself were left out: {}.", names.join(", ")));
    }
    Ok(())
}

/// The path of a weight without its last part; Keras 1 puts the owner into that part.
fn owner(weight: &str) -> &str {
    weight.rsplit_once('/').map_or("", |(owner, _)| owner)
}

/// An owner without the name of the layer around it, which some versions put first.
fn inner_path<'a>(layer: &str, owner: &'a str) -> &'a str {
    owner.strip_prefix(layer).and_then(|rest| rest.strip_prefix('/')).unwrap_or(owner)
}

/// Layers within a model by their own names; of those that share a name the first few.
fn by_name(model: &Model) -> HashMap<&str, Vec<&Part>> {
    let mut found: HashMap<&str, Vec<&Part>> = HashMap::new();
    for part in model.leaves() {
        let parts = found.entry(part.own.as_str()).or_default();
        if parts.len() < 64 {
            parts.push(part);
        }
    }
    found
}

/// The layer within a model that a weight belongs to: the one that its path names last.
fn place(leaves: &HashMap<&str, Vec<&Part>>, layer: &str, weight: &str, name: &str, seen: &Seen) -> String {
    let parts: Vec<&str> = owner(weight).split('/').filter(|part| !part.is_empty()).collect();
    for own in parts.iter().rev() {
        let Some(found) = leaves.get(own) else { continue };
        // Layers of one name in several models: the one whose models the path names, else the next that lacks it.
        let around = |part: &&&Part| part.name.split('.').all(|step| step == layer || parts.contains(&step));
        let lacks = |part: &&&Part| !seen.has(&format!("{}.{name}", part.name));
        let best = found.iter().find(|part| around(part) && lacks(part)).or_else(|| found.iter().find(lacks));
        if let Some(part) = best {
            return part.name.clone();
        }
    }
    let rest = inner_path(layer, owner(weight));
    if rest.is_empty() { dotted(layer) } else { format!("{}.{}", dotted(layer), dotted(rest)) }
}
