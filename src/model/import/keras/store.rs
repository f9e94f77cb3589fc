//! Weights as Keras 3 lays them out: `layers/<class>[_n]/vars/0`, models within models likewise.
//!
//! Fed by `read`; fills the bag. Groups are named after classes, layers are found by the attribute `name` of `vars`,
//! else by their number among layers of their class. Without a configuration the order is that in which groups were
//! made, and arrays are named by their class.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{Read, Seek};

use super::super::bag::ReadError;
use super::super::hdf5::{Kind, Node};
use super::Taker;
use super::config::{Model, Part};
use super::names::{Seen, dotted, numbered, short, snake};
use super::settings;

/// Groups that hold layers; the second name is that of Keras 2.13.
const LAYERS: [&str; 2] = ["layers", "_layer_checkpoint_dependencies"];

/// Whether a tree is laid out so: some group is called `vars`.
pub(super) fn is_one(node: &Node) -> bool {
    node.nodes().iter().any(|(name, node)| name == "vars" || is_one(node))
}

/// Reads all layers below the root.
pub(super) fn read<R: Read + Seek>(taker: &mut Taker<R>, root: &Node, model: &Option<Model>) -> Result<(), ReadError> {
    let mut walk = Walk { taker, seen: Seen::default(), seeds: false, optimizer: false };
    match model {
        Some(model) => walk.model(root, model)?,
        None => walk.free(root, "", "")?,
    }
    let optimizer = walk.optimizer || root.find("optimizer").is_some();
    for (found, what) in [(optimizer, "The state of the optimiser"), (walk.seeds, "The state of seed generators")] {
        if found {
            walk.taker.bag.remarks.push(format!("{what} was left out."));
        }
    }
    Ok(())
}

struct Walk<'a, R> {
    taker: &'a mut Taker<R>,
    seen: Seen,
    seeds: bool,
    optimizer: bool,
}

impl<R: Read + Seek> Walk<'_, R> {
    /// A model with its configuration: layers in that order.
    fn model(&mut self, node: &Node, model: &Model) -> Result<(), ReadError> {
        let groups: Vec<&(String, Node)> =
            LAYERS.iter().filter_map(|name| node.find(name)).flat_map(|node| node.nodes()).collect();
        let by_key: HashMap<&str, &Node> = groups.iter().map(|(key, node)| (key.as_str(), node)).collect();
        let by_name: HashMap<&str, &Node> = groups.iter().filter_map(|(_, node)| Some((called(node)?, node))).collect();
        for part in &model.parts {
            let found = match by_name.get(part.own.as_str()) {
                Some(node) => Some(*node),
                // A group that carries another layer's name is not this one.
                None => by_key.get(part.key.as_str()).copied().filter(|node| called(node).is_none()),
            };
            let Some(node) = found else { continue };
            match &part.inner {
                Some(inner) => self.model(node, inner)?,
                None => self.layer(node, part)?,
            }
        }
        Ok(())
    }

    fn layer(&mut self, node: &Node, part: &Part) -> Result<(), ReadError> {
        let class = settings::class(&part.class);
        let settings = settings::modern(class, &part.settings);
        if let Some(vars) = node.find("vars") {
            self.vars(vars, &part.name, &snake(class), Some(&settings))?;
        }
        self.children(node, &part.name)
    }

    /// The arrays `0`, `1`, … of a group.
    fn vars(
        &mut self,
        vars: &Node,
        name: &str,
        class: &str,
        settings: Option<&serde_json::Map<String, serde_json::Value>>,
    ) -> Result<(), ReadError> {
        let mut arrays: Vec<&(String, Node)> =
            vars.nodes().iter().filter(|(_, node)| matches!(node.kind, Kind::Array(_))).collect();
        arrays.sort_by_key(|(number, _)| number.parse::<usize>().unwrap_or(usize::MAX));
        let shapes: Vec<&[usize]> = arrays.iter().map(|(_, node)| node.shape()).collect();
        let names = numbered(class, settings, &shapes);
        let before = if name.is_empty() { String::new() } else { format!("{name}.") };
        for ((_, array), name) in arrays.into_iter().zip(names) {
            self.taker.take(format!("{before}{name}"), array, &mut self.seen)?;
        }
        Ok(())
    }

    /// A group without configuration, called `name`, of the class that `key` says.
    fn free(&mut self, node: &Node, name: &str, key: &str) -> Result<(), ReadError> {
        short(name)?;
        if let Some(vars) = node.find("vars") {
            let class = class_and_number(key).0;
            if class == "batch_normalization" && vars.nodes().len() == 3 {
                self.taker
                    .bag
                    .remarks
                    .push(format!("{name} has beta or gamma; without a configuration beta is assumed."));
            }
            self.vars(vars, name, class, None)?;
        }
        self.children(node, name)
    }

    /// The groups in a group, in the order in which they were made.
    fn children(&mut self, node: &Node, name: &str) -> Result<(), ReadError> {
        let join = |own: &str| if name.is_empty() { dotted(own) } else { format!("{name}.{}", dotted(own)) };
        for (key, child) in made(node) {
            match key {
                "vars" => {}
                "seed_generator" => self.seeds = true,
                "optimizer" => self.optimizer = true,
                key if LAYERS.contains(&key) => {
                    for (key, layer) in made(child) {
                        self.free(layer, &join(called(layer).unwrap_or(key)), key)?;
                    }
                }
                key => self.free(child, &join(key), key)?,
            }
        }
        Ok(())
    }
}

/// The nodes of a group in the order in which they were made: by their reach in the file, and among those of one
/// class by their numbers, which are certain.
fn made(node: &Node) -> Vec<(&str, &Node)> {
    let mut nodes: Vec<(&str, &Node)> = node.nodes().iter().map(|(key, node)| (key.as_str(), node)).collect();
    nodes.sort_by_key(|(_, node)| node.reach);
    let mut classes: HashMap<&str, BinaryHeap<Reverse<(usize, usize)>>> = HashMap::new();
    for (at, (key, _)) in nodes.iter().enumerate() {
        let (class, number) = class_and_number(key);
        classes.entry(class).or_default().push(Reverse((number, at)));
    }
    let next = |(key, _): &(&str, &Node)| classes.get_mut(class_and_number(key).0)?.pop();
    let order: Vec<_> = nodes.iter().filter_map(next).collect();
    order.into_iter().filter_map(|Reverse((_, at))| nodes.get(at).copied()).collect()
}

/// `conv2d_3` is the layer of class `conv2d` with number 3; the first of a class has none.
fn class_and_number(key: &str) -> (&str, usize) {
    let parts = key.rsplit_once('_').and_then(|(class, number)| Some((class, number.parse().ok()?)));
    parts.unwrap_or((key, 0))
}

/// The name of the layer that a group belongs to.
fn called(node: &Node) -> Option<&str> {
    node.find("vars")?.attribute("name")?.text()
}
