//! Arrays under the names that Keras gives them, without a description of their network.
//!
//! Shapes say how layers follow: a dense layer to a map, then transposed convolutions `[k, k, out, in]`, with norms
//! between them. Strides and curves are not in the file; the three lines' are assumed, and said.

use std::collections::HashMap;

use super::super::import::bag::{Array, Bag, ReadError};
use super::keras::{chain_to_network, named};
use super::{Hints, Network, listed};
use crate::net::geometry::Padding;
use crate::net::layers::{Activation, Chain, Init, Layer, Shape};

/// Curves and strides that are assumed.
const ASSUMED: &str = "a leaky ReLU of 0.2 stands behind each norm, tanh behind the last layer, and every transposed \
                       convolution doubles, as in the three lines' network; save the whole model (model.save) if it is \
                       otherwise";

/// Whether arrays have Keras' names.
pub(super) fn are_keras(bag: &Bag) -> bool {
    bag.arrays.iter().any(|array| array.name.ends_with(".kernel"))
}

/// Recognises a generator by the shapes of its arrays.
///
/// # Errors
/// If they are no chain of that kind.
pub(super) fn network(bag: &Bag, hints: &Hints) -> Result<Network, ReadError> {
    let modules = modules(bag);
    let refused = |why: String| {
        ReadError(format!(
            "no generator that can be told from its arrays alone: {why}. It holds {}; save the whole model (model.save)",
            listed(bag)
        ))
    };
    let mut chain: Option<Chain> = None;
    let (mut arrays, mut map, mut count) = (Vec::new(), None::<[usize; 3]>, 0);
    let convs = modules.iter().filter(|(_, parts)| part(parts, "kernel").is_some_and(|k| k.shape.len() == 4)).count();
    for (at, (name, parts)) in modules.iter().enumerate() {
        let kernel = part(parts, "kernel");
        let bias = part(parts, "bias").is_some();
        let layer = named(name);
        match (kernel.map(|kernel| &kernel.shape[..]), chain.as_mut()) {
            (Some([inputs, units]), None) => {
                let mut begun = Chain::new(Shape::Flat(*inputs), Init::Keras);
                begun.push(&*layer, Layer::Dense { units: *units, bias });
                chain = Some(begun);
            }
            (Some([k, other, filters, channels]), Some(chain)) if k == other => {
                let [h, w, c] = match map {
                    Some(map) => map,
                    None => {
                        let side = ((chain.output().len() / channels) as f64).sqrt().round() as usize;
                        let shape = [side, side, *channels];
                        if shape.iter().product::<usize>() != chain.output().len() {
                            return Err(refused(format!(
                                "{name} takes {channels} channels, of which the dense layer \
                                                        makes no square map"
                            )));
                        }
                        chain.then(Layer::Reshape { shape });
                        shape
                    }
                };
                if c != *channels {
                    return Err(refused(format!("{name} does not follow a layer of {c} channels")));
                }
                let (padding, output_padding) = (Padding::Same, 0);
                let (filters, kernel, stride) = (*filters, *k, 2);
                chain.push(&*layer, Layer::ConvTranspose2d { filters, kernel, stride, padding, output_padding, bias });
                map = Some([2 * h, 2 * w, filters]);
                count += 1;
                if count == convs {
                    chain.then(Layer::Activation { curve: Activation::Tanh });
                }
            }
            (None, Some(chain)) if part(parts, "moving_variance").is_some() => {
                let affine = part(parts, "gamma").is_some() || part(parts, "beta").is_some();
                chain.push(&*layer, Layer::BatchNorm { eps: 1e-3, momentum: 0.9, unbiased: false, affine });
                chain.then(Layer::Activation { curve: Activation::LeakyRelu(0.2) });
            }
            _ => {
                let shape = kernel.map(|kernel| format!(" {:?}", kernel.shape)).unwrap_or_default();
                return Err(refused(format!("{name}{shape} is no layer that is expected at place {at}")));
            }
        }
        arrays.extend(parts.iter().map(|(part, array)| (format!("{layer}.{part}"), array.values.clone())));
    }
    let Some(chain) = chain.filter(|_| count > 0) else { return Err(refused("there are no layers".into())) };
    let recognised = vec![format!("{} layers by the shapes of their arrays", modules.len())];
    chain_to_network(chain, arrays, recognised, vec![ASSUMED.into()], hints)
}

/// The arrays of each layer, in the file's order.
fn modules(bag: &Bag) -> Vec<(String, Vec<(String, &Array)>)> {
    let mut modules: Vec<(String, Vec<(String, &Array)>)> = Vec::new();
    let mut places = HashMap::new();
    for array in &bag.arrays {
        let (module, part) = array.name.rsplit_once('.').unwrap_or(("", &array.name));
        let part = (part.to_owned(), array);
        match places.get(module).and_then(|place: &usize| modules.get_mut(*place)) {
            Some((_, parts)) => parts.push(part),
            None => {
                places.insert(module, modules.len());
                modules.push((module.to_owned(), vec![part]));
            }
        }
    }
    modules
}

fn part<'a>(parts: &[(String, &'a Array)], name: &str) -> Option<&'a Array> {
    parts.iter().find(|(part, _)| part == name).map(|(_, array)| *array)
}
