//! The namespace as OSCQuery shows it: nodes by address, and the JSON of any part of it.
//!
//! Published by `show`, read by the server. Attributes are those of the OSCQuery proposal (Vidvox, 2018).

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::out::outward;
use crate::control::hand::Value;

/// What a node holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers with fractions; `f` in OSC, as many as the value has.
    Float,
    /// A whole number; `i` in OSC.
    Int,
    /// On or off; `T` in OSC.
    Switch,
    /// A text; `s` in OSC.
    Text,
    /// Takes nothing, tells nothing.
    Trigger,
}

impl Kind {
    fn tag(self, count: usize) -> String {
        match self {
            Self::Float => "f".repeat(count.max(1)),
            Self::Int => "i".into(),
            Self::Switch => "T".into(),
            Self::Text => "s".into(),
            Self::Trigger => "N".into(),
        }
    }
}

/// How a knob or a trigger is shown: its place among the others, and what 0 and 1 are in the sketch's own unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slider {
    /// From 0, in the order in which the sketch names them.
    pub place: usize,
    /// What the ends of its range mean.
    pub unit: [f64; 2],
}

/// One address.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The full address, as `/flaneur/z/3`.
    pub path: String,
    /// What its values are.
    pub kind: Kind,
    /// Whether its value can be asked for.
    pub readable: bool,
    /// Whether messages can set it.
    pub writable: bool,
    /// The least and the greatest value that is taken.
    pub range: Option<[f64; 2]>,
    /// What a text can be.
    pub choices: Vec<String>,
    /// Where a knob stands when no hand has moved it, 0..1; nothing else has one.
    pub default: Option<f64>,
    /// How a knob or a trigger is shown; nothing else has it.
    pub slider: Option<Slider>,
    /// A sentence for people.
    pub says: String,
    /// What stands there now; empty if there is nothing to read.
    pub value: Vec<Value>,
}

impl Node {
    /// Whether it is the same door, whatever stands in it.
    pub fn same(&self, other: &Self) -> bool {
        let form = |node: &Self| (node.kind, node.range, node.default, node.slider);
        let words = |node: &Self| (node.path.clone(), node.choices.clone(), node.says.clone());
        form(self) == form(other) && words(self) == words(other)
    }

    fn access(&self) -> u8 {
        u8::from(self.readable) + 2 * u8::from(self.writable)
    }

    fn values(&self) -> Json {
        let one = |value: &Value| match (self.kind, value) {
            (Kind::Switch, Value::Number(v)) => json!(*v >= 0.5),
            (Kind::Int, Value::Number(v)) => json!(*v as i64),
            (_, Value::Number(v)) => json!(v),
            (_, Value::Text(text)) => json!(outward(text)),
            (_, Value::Other(())) => Json::Null,
        };
        Json::Array(self.value.iter().map(one).collect())
    }

    fn attributes(&self) -> Map<String, Json> {
        let count = self.value.len();
        let mut out = Map::new();
        out.insert("TYPE".into(), json!(self.kind.tag(count)));
        out.insert("ACCESS".into(), json!(self.access()));
        out.insert("DESCRIPTION".into(), json!(self.says));
        if self.readable && !self.value.is_empty() {
            out.insert("VALUE".into(), self.values());
        }
        if let Some([min, max]) = self.range {
            out.insert("RANGE".into(), Json::Array(vec![json!({"MIN": min, "MAX": max}); count.max(1)]));
            // Values outside are refused, with the reason on the monitor.
            out.insert("CLIPMODE".into(), Json::Array(vec![json!("none"); count.max(1)]));
        } else if !self.choices.is_empty() {
            out.insert("RANGE".into(), json!([{"VALS": self.choices}]));
        }
        if let Some(Slider { place, unit }) = self.slider {
            // Attributes of ours, for the page.
            out.insert("PLACE".into(), json!(place));
            out.insert("ENDS".into(), json!(unit));
        }
        if let Some(default) = self.default {
            out.insert("DEFAULT".into(), json!([default]));
        }
        out
    }
}

/// Attributes that a client may ask for one by one.
const ATTRIBUTES: [&str; 9] =
    ["FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "VALUE", "RANGE", "DESCRIPTION", "CLIPMODE", "DEFAULT"];

/// What a client asked for.
#[derive(Debug, PartialEq)]
pub enum Answer {
    Found(Json),
    /// It is there and does not have that.
    Nothing,
    Unknown,
    /// There is no such attribute at all.
    Wrong,
}

/// How the namespace changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Added(String),
    Removed(String),
    Changed(String),
}

/// All nodes, by address.
#[derive(Default)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

impl Tree {
    /// Other nodes in place of the ones before; says what is different.
    pub fn publish(&mut self, nodes: Vec<Node>) -> Vec<Change> {
        let fresh: BTreeMap<String, Node> = nodes.into_iter().map(|node| (node.path.clone(), node)).collect();
        let mut changes = Vec::new();
        for path in self.nodes.keys().filter(|path| !fresh.contains_key(*path)) {
            changes.push(Change::Removed(path.clone()));
        }
        for (path, node) in &fresh {
            match self.nodes.get(path) {
                None => changes.push(Change::Added(path.clone())),
                Some(old) if !old.same(node) => changes.push(Change::Changed(path.clone())),
                Some(_) => {}
            }
        }
        self.nodes = fresh;
        changes
    }

    /// Whether there is something at an address or below it; "" is all.
    pub fn holds(&self, path: &str) -> bool {
        let below = format!("{path}/");
        let next = self.nodes.range(below.clone()..).next();
        self.nodes.contains_key(path) || next.is_some_and(|(full, _)| full.starts_with(&below))
    }

    /// A node.
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Another value in a node.
    pub fn set(&mut self, path: &str, value: Vec<Value>) -> Option<Kind> {
        let node = self.nodes.get_mut(path)?;
        node.value = value;
        Some(node.kind)
    }

    /// Everything at and below an address, without a slash at its end; "" is all.
    fn json(&self, path: &str) -> Option<Json> {
        let node = self.nodes.get(path);
        let below = format!("{path}/");
        let mut names: Vec<&str> = self
            .nodes
            .range(below.clone()..)
            .map_while(|(full, _)| full.strip_prefix(&below))
            .filter_map(|rest| rest.split('/').next())
            .collect();
        names.dedup();
        if node.is_none() && names.is_empty() {
            return None;
        }
        let mut out = node.map(Node::attributes).unwrap_or_default();
        out.insert("FULL_PATH".into(), json!(if path.is_empty() { "/" } else { path }));
        if node.is_none() {
            out.insert("ACCESS".into(), json!(0));
        }
        if !names.is_empty() {
            let inside =
                names.iter().filter_map(|name| Some(((*name).to_owned(), self.json(&format!("{below}{name}"))?)));
            out.insert("CONTENTS".into(), Json::Object(inside.collect()));
        }
        Some(Json::Object(out))
    }

    /// What a client gets for a path and, perhaps, one attribute.
    pub fn answer(&self, path: &str, attribute: Option<&str>) -> Answer {
        let Some(found) = self.json(path.trim_end_matches('/')) else { return Answer::Unknown };
        match attribute {
            None => Answer::Found(found),
            Some(name) if !ATTRIBUTES.contains(&name) => Answer::Wrong,
            Some(name) => match found.get(name) {
                Some(value) => Answer::Found(json!({name: value})),
                None => Answer::Nothing,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(path: &str, value: Vec<Value>) -> Node {
        let (range, says) = (Some([0.0, 1.0]), "a knob".to_owned());
        let (readable, writable) = (!value.is_empty(), true);
        Node {
            path: path.into(),
            kind: Kind::Float,
            readable,
            writable,
            range,
            choices: vec![],
            default: None,
            slider: None,
            says,
            value,
        }
    }

    #[test]
    fn a_knob_has_its_place_and_its_unit() {
        let knob = Node { slider: Some(Slider { place: 3, unit: [-4.0, 4.0] }), ..node("/a", vec![]) };
        let found = Json::Object(knob.attributes());
        assert_eq!((&found["PLACE"], &found["ENDS"]), (&json!(3), &json!([-4.0, 4.0])));
        assert!(!knob.same(&node("/a", vec![])), "another order is another form");
        assert!(Json::Object(node("/a", vec![]).attributes()).get("PLACE").is_none());
    }

    #[test]
    fn clients_get_what_they_ask_for() {
        let mut tree = Tree::default();
        tree.publish(vec![node("/a/b", vec![Value::Number(0.5)]), node("/a/b/c", vec![]), node("/a/bc", vec![])]);
        let Answer::Found(all) = tree.answer("/", None) else { panic!() };
        assert_eq!(all["CONTENTS"]["a"]["CONTENTS"]["b"]["CONTENTS"]["c"]["FULL_PATH"], "/a/b/c");
        assert_eq!(all["CONTENTS"]["a"]["CONTENTS"]["b"]["VALUE"], json!([0.5]));
        assert_eq!(tree.answer("/a/b", Some("VALUE")), Answer::Found(json!({"VALUE": [0.5]})));
        assert_eq!(tree.answer("/a/b/c", Some("VALUE")), Answer::Nothing);
        assert_eq!(tree.answer("/a", Some("VALUE")), Answer::Nothing);
        assert_eq!((tree.answer("/x", None), tree.answer("/a", Some("COLOUR"))), (Answer::Unknown, Answer::Wrong));
    }

    #[test]
    fn texts_go_out_as_one_line() {
        let mut tree = Tree::default();
        let text = "preset: Cargo.toml: line 1: unknown field\n 1 | [package]".to_owned();
        tree.publish(vec![Node { kind: Kind::Text, ..node("/board", vec![Value::Text(text)]) }]);
        let expected = json!({"VALUE": ["preset: Cargo.toml: line 1: unknown field"]});
        assert_eq!(tree.answer("/board", Some("VALUE")), Answer::Found(expected));
        assert!(tree.holds("") && tree.holds("/board") && !tree.holds("/b") && !tree.holds("/board/x"));
    }

    #[test]
    fn differences_are_named() {
        let mut tree = Tree::default();
        tree.publish(vec![node("/a", vec![]), node("/b", vec![])]);
        let wider = Node { range: Some([0.0, 2.0]), ..node("/b", vec![]) };
        let changes = tree.publish(vec![wider, node("/c", vec![])]);
        let expected = [Change::Removed("/a".into()), Change::Changed("/b".into()), Change::Added("/c".into())];
        assert_eq!(changes, expected);
    }
}
