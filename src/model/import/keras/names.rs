//! Names of arrays: those of Keras 3, found from the names of Keras 1 and 2 and from the numbers in `vars`.
//!
//! Used by `legacy` and `store`, the two layouts of weights.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::super::bag::ReadError;
use super::super::hdf5::{Node, Value};

/// Names that arrays have since Keras 2.
const KNOWN: [&str; 9] = [
    "kernel",
    "bias",
    "gamma",
    "beta",
    "moving_mean",
    "moving_variance",
    "embeddings",
    "depthwise_kernel",
    "pointwise_kernel",
];

/// Ends of names in Keras 1, and what they are now. What it called a deviation was a variance.
const OLD: [(&str, &str); 6] = [
    ("_running_mean", "moving_mean"),
    ("_running_std", "moving_variance"),
    ("_gamma", "gamma"),
    ("_beta", "beta"),
    ("_W", "kernel"),
    ("_b", "bias"),
];

/// Names that were given.
#[derive(Default)]
pub(super) struct Seen(HashMap<String, usize>);

impl Seen {
    /// The name itself, or with a number if it was given before.
    pub fn once(&mut self, name: String) -> String {
        let mut number = self.0.get(&name).copied().unwrap_or(0) + 1;
        let mut free = name.clone();
        while self.0.contains_key(&free) {
            number += 1;
            free = format!("{name}_{number}");
        }
        self.0.insert(name, number);
        self.0.entry(free.clone()).or_insert(1);
        free
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// A list of texts in an attribute, also one that was split over `name0`, `name1`, … because it was long.
pub(super) fn list(node: &Node, name: &str) -> Option<Vec<String>> {
    let texts = |value: &Value| match value {
        Value::Texts(texts) => texts.clone(),
        _ => Vec::new(),
    };
    if let Some(value) = node.attribute(name) {
        return Some(texts(value));
    }
    node.attribute(&format!("{name}0"))?;
    let parts = (0..node.attributes.len().min(1000)).map_while(|number| node.attribute(&format!("{name}{number}")));
    Some(parts.flat_map(texts).collect())
}

/// What Keras 3 calls the array of this path: `dense/kernel:0`, `conv1_W:0`, `fire2/squeeze1x1_b`.
pub(super) fn modern(path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or(path);
    let last = match last.rsplit_once(':') {
        Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => last,
    };
    if KNOWN.contains(&last) {
        return last.into();
    }
    // `kernel_1`: a name that TensorFlow 1 had met before.
    if let Some((name, number)) = last.rsplit_once('_')
        && KNOWN.contains(&name)
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        return name.into();
    }
    OLD.iter().find(|(end, _)| last.ends_with(end)).map_or_else(|| last.into(), |(_, name)| (*name).into())
}

/// Letters in a name at most.
const LONGEST: usize = 1000;

/// Makes sure that a name is short enough to stand before many others.
pub(super) fn short(name: &str) -> Result<(), ReadError> {
    match name.len() {
        0..=LONGEST => Ok(()),
        _ => Err(ReadError(format!("a layer's name has more than {LONGEST} letters; give it a shorter one in Keras"))),
    }
}

/// A name of a layer as the beginning of an array's name.
pub(super) fn dotted(name: &str) -> String {
    name.replace('/', ".")
}

/// How Keras calls the group of a layer of this class: `Conv2DTranspose` is `conv2d_transpose`.
pub(super) fn snake(class: &str) -> String {
    let letters: Vec<char> = class.chars().filter(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    let mut name = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let behind = letters.get(at + 1);
        let begins = letter.is_ascii_uppercase()
            && (before.is_some_and(char::is_ascii_lowercase)
                || before.is_some() && behind.is_some_and(char::is_ascii_lowercase));
        if begins && !name.ends_with('_') {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// The arrays `0`, `1`, … of a layer, by their shapes: what can be trained comes first. Without settings, or in a class
/// that is not known, it is a guess.
pub(super) fn numbered(class: &str, settings: Option<&Map<String, Json>>, shapes: &[&[usize]]) -> Vec<String> {
    let count = shapes.len();
    let on = |name: &str| settings.and_then(|settings| settings.get(name)).and_then(Json::as_bool).unwrap_or(true);
    let normal = || {
        let mut names = Vec::new();
        // Three arrays without settings: most who leave one out leave out gamma.
        if on("scale") && (settings.is_some() || count != 3 && count != 1) {
            names.push("gamma");
        }
        if on("center") {
            names.push("beta");
        }
        names
    };
    let names = match class {
        "batch_normalization" | "sync_batch_normalization" => {
            let mut names = if settings.is_none() && count == 2 { Vec::new() } else { normal() };
            names.extend(["moving_mean", "moving_variance"]);
            names
        }
        "layer_normalization" | "group_normalization" => normal(),
        "embedding" => vec!["embeddings"],
        "p_re_lu" => vec!["alpha"],
        _ if class.starts_with("separable_conv") => vec!["depthwise_kernel", "pointwise_kernel", "bias"],
        _ if class == "dense" || class == "einsum_dense" || class.contains("conv") => vec!["kernel", "bias"],
        _ => match shapes {
            [kernel] if kernel.len() > 1 => vec!["kernel"],
            // The bias of a transposed convolution is as long as the last axis but one.
            [kernel, [length]] if kernel.len() > 1 && kernel.iter().rev().take(2).any(|axis| axis == length) => {
                vec!["kernel", "bias"]
            }
            [[one], [two], [three], [four]] if one == two && two == three && three == four => {
                vec!["gamma", "beta", "moving_mean", "moving_variance"]
            }
            _ => Vec::new(),
        },
    };
    (0..count).map(|at| names.get(at).map_or_else(|| at.to_string(), |name| (*name).to_string())).collect()
}
