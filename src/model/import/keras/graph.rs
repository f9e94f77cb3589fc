//! The order in which a functional model runs its layers, where that is a chain.
//!
//! Asked by `layers`. A layer names the layers before it in `inbound_nodes`, in one form since Keras 1 and in another
//! since Keras 3. A model that is no chain is refused with the names of the layers at which it branches.

use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;

use super::super::bag::ReadError;
use super::config::{Model, Part};

/// The parts of a model in the order of execution.
pub(super) fn order(model: &Model) -> Result<Vec<&Part>, ReadError> {
    if model.listed {
        return Ok(model.parts.iter().collect());
    }
    for (names, word) in [(references(&model.inputs), "inputs"), (references(&model.outputs), "outputs")] {
        if names.len() > 1 {
            return Err(refused(&format!("it has {} {word} ({})", names.len(), some(&names))));
        }
    }
    let mut next: HashMap<&str, &Part> = HashMap::new();
    let mut first = None;
    for part in &model.parts {
        let nodes = part.nodes.as_array().map_or(&[][..], Vec::as_slice);
        let [node] = nodes else {
            match (nodes.len(), first.replace(part)) {
                (0, None) => continue,
                (0, Some(other)) => {
                    return Err(refused(&format!("{} and {} both begin it", other.own, part.own)));
                }
                (times, _) => return Err(refused(&format!("{} is used {times} times", part.own))),
            }
        };
        let before = references(node);
        let [one] = before.as_slice() else {
            return Err(refused(&format!("{} takes {} layers ({})", part.own, before.len(), some(&before))));
        };
        if let Some(other) = next.insert(one, part) {
            return Err(refused(&format!("{one} goes to {} and to {}", other.own, part.own)));
        }
    }
    let mut chain = Vec::with_capacity(model.parts.len());
    let mut at = first;
    // A layer leaves the table when it is met, so a circle ends.
    while let Some(part) = at {
        chain.push(part);
        at = next.remove(part.own.as_str());
    }
    let met: HashSet<&str> = chain.iter().map(|part| part.own.as_str()).collect();
    if let Some(left) = model.parts.iter().find(|part| !met.contains(part.own.as_str())) {
        return Err(refused(&format!("{} does not follow from its input", left.own)));
    }
    Ok(chain)
}

fn refused(why: &str) -> ReadError {
    ReadError(format!("the model is no chain of layers with one input: {why}; save the part that is a chain"))
}

fn some(names: &[&str]) -> String {
    let mut text = names.iter().take(6).copied().collect::<Vec<_>>().join(", ");
    if names.len() > 6 {
        text.push_str(", …");
    }
    text
}

/// The layers that a value refers to: `["dense", 0, 0, {}]`, or `"keras_history": ["dense", 0, 0]`, at any depth.
fn references(value: &Json) -> Vec<&str> {
    match value {
        Json::Array(items) => match items.as_slice() {
            [Json::String(name), Json::Number(_), Json::Number(_), rest @ ..] => {
                let mut found = vec![name.as_str()];
                found.extend(rest.iter().flat_map(references));
                found
            }
            items => items.iter().flat_map(references).collect(),
        },
        Json::Object(fields) => fields.values().flat_map(references).collect(),
        _ => Vec::new(),
    }
}
