//! Kernels of convolutions as Keras 1 and Theano kept them, turned into the order of today.
//!
//! Called once a file of that kind is read; the rules are those by which Keras 2 loaded such files. Only with a
//! configuration, since the arrays do not say which layers they are of.

use std::collections::HashMap;

use super::super::bag::{Array, Bag};
use super::config::{Model, Part};
use super::settings;

/// Turns the kernels of a bag that was written by `version` with `backend`.
pub(super) fn modernise(bag: &mut Bag, version: &str, backend: Option<&str>, model: &Option<Model>) {
    let (old, flipped) = (version.starts_with('1'), backend == Some("theano"));
    if !old && !flipped {
        return;
    }
    let Some(model) = model else {
        let who = if flipped { "Theano" } else { "Keras 1" };
        bag.remarks.push(format!("Kernels of convolutions are as {who} kept them, which may be another order."));
        return;
    };
    let parts: HashMap<&str, &Part> = model.leaves().into_iter().map(|part| (part.name.as_str(), part)).collect();
    for array in bag.arrays.iter_mut().filter(|array| !array.values.is_empty()) {
        let layer = array.name.strip_suffix(".kernel");
        let Some(part) = layer.and_then(|layer| parts.get(layer)) else { continue };
        if old && let Some(axes) = axes(part) {
            permute(array, axes);
        }
        if flipped && part.class.contains("onv") {
            flip(array);
        }
    }
}

/// Where Keras 1 kept the axes that now are rows, columns and the two kinds of channels.
fn axes(part: &Part) -> Option<[usize; 4]> {
    let class = settings::class(&part.class);
    let first = settings::modern(class, &part.settings).get("data_format").is_some_and(|it| it == "channels_first");
    match (class, first) {
        ("Conv2D", true) => Some([2, 3, 1, 0]),
        ("Conv2DTranspose", false) => Some([0, 1, 3, 2]),
        ("Conv2DTranspose", true) => Some([2, 3, 0, 1]),
        _ => None,
    }
}

/// Turns an array of four axes as numpy's `transpose` does.
fn permute(array: &mut Array, axes: [usize; 4]) {
    let Ok(old) = <[usize; 4]>::try_from(array.shape.as_slice()) else { return };
    let steps = [old[1] * old[2] * old[3], old[2] * old[3], old[3], 1];
    let (shape, steps) = (axes.map(|axis| old[axis]), axes.map(|axis| steps[axis]));
    let mut values = Vec::with_capacity(array.values.len());
    for a in 0..shape[0] {
        for b in 0..shape[1] {
            for c in 0..shape[2] {
                let at = a * steps[0] + b * steps[1] + c * steps[2];
                values.extend((0..shape[3]).filter_map(|d| array.values.get(at + d * steps[3])));
            }
        }
    }
    array.values = values;
    array.shape = shape.to_vec();
}

/// Turns the spatial axes round; the last two are channels.
fn flip(array: &mut Array) {
    let block: usize = array.shape.iter().rev().take(2).product();
    if array.shape.len() < 3 || block == 0 {
        return;
    }
    let turned = array.values.chunks(block).rev().flatten().copied().collect();
    array.values = turned;
}
