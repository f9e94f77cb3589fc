//! Plain values of a pickle as JSON: what modules and dictionaries say of themselves beside their arrays.
//!
//! Read by the walk for `Bag::config`. Bounded in depth and number; what is no plain value is left out.

use serde_json::{Map, Number, Value as Json};

use super::super::pickle::{Dtype, Heap, Id, Meaning, Value};

/// How deep values are followed.
const MOST_DEPTH: usize = 8;
/// How long a text may be (a name, not the source of a class).
const MOST_LETTERS: usize = 500;

/// Attributes of every module that say nothing of the network.
const EMPTY_OF_MEANING: [&str; 8] = [
    "_parameters",
    "_buffers",
    "_modules",
    "_non_persistent_buffers_set",
    "_backend",
    "module_src",
    "_is_full_backward_hook",
    "call_super_init",
];

/// Turns values into JSON, up to a number of them.
pub struct Attributes {
    left: usize,
}

impl Attributes {
    /// Up to that many values.
    pub fn new(most: usize) -> Self {
        Self { left: most }
    }

    /// The attributes of a module, without its tables and hooks.
    pub fn of_module(&mut self, heap: &Heap, class: &str, state: Id) -> Json {
        let mut map = Map::new();
        map.insert("class".into(), class.chars().take(MOST_LETTERS).collect::<String>().into());
        if let Meaning::Dict(pairs) = heap.meaning(state) {
            for (key, value) in pairs.iter() {
                if self.left == 0 {
                    break;
                }
                let Some(key) = heap.text(*key) else { continue };
                if EMPTY_OF_MEANING.contains(&&*key) || key.ends_with("_hooks") || key.contains("_hooks_") {
                    continue;
                }
                if let Some(json) = self.of(heap, *value, 0) {
                    self.left = self.left.saturating_sub(key.len() / 32);
                    map.insert(key.into_owned(), json);
                }
            }
        }
        Json::Object(map)
    }

    /// A value; `None` if it is not plain, or there were too many.
    pub fn of(&mut self, heap: &Heap, id: Id, depth: usize) -> Option<Json> {
        if depth > MOST_DEPTH || self.left == 0 {
            return None;
        }
        self.left = self.left.saturating_sub(1 + heap.length(id).min(MOST_LETTERS as u64) as usize / 32);
        match heap.get(id) {
            Value::None => return Some(Json::Null),
            Value::Bool(truth) => return Some((*truth).into()),
            Value::Int(int) => return Some((*int).into()),
            Value::Float(float) => return Number::from_f64(*float).map(Json::Number),
            Value::Text(_) | Value::Bytes(_) => {
                return heap.text(id).filter(|text| text.len() <= MOST_LETTERS).map(|text| text.into_owned().into());
            }
            _ => {}
        }
        match heap.meaning(id) {
            Meaning::List(ids) => {
                let ids = ids.get(..ids.len().min(self.left)).unwrap_or_default();
                Some(ids.iter().filter_map(|id| self.of(heap, *id, depth + 1)).collect())
            }
            Meaning::Dict(pairs) => Some(self.of_pairs(heap, &pairs, depth)),
            Meaning::Record(state) => match heap.meaning(state) {
                Meaning::Dict(pairs) => Some(self.of_pairs(heap, &pairs, depth)),
                _ => None,
            },
            Meaning::Scalar(dtype, data) if heap.data_work(data) <= 64 => {
                let Dtype::Numbers(format) = heap.numpy_dtype(dtype) else { return None };
                let data = heap.data(data).ok()??;
                let value = format.double(&data.peek(0, 8).ok()?)?;
                match format.kind.whole() {
                    true => Some((value as i64).into()),
                    false => Number::from_f64(value).map(Json::Number),
                }
            }
            _ => None,
        }
    }

    fn of_pairs(&mut self, heap: &Heap, pairs: &[(Id, Id)], depth: usize) -> Json {
        let mut map = Map::new();
        for (key, value) in pairs {
            if self.left == 0 {
                break;
            }
            if let Some(key) = key_text(heap, *key)
                && let Some(json) = self.of(heap, *value, depth + 1)
            {
                self.left = self.left.saturating_sub(key.len() / 32);
                map.insert(key, json);
            }
        }
        Json::Object(map)
    }
}

/// The key of a dictionary as a part of a name: a text, or a whole number.
pub fn key_text(heap: &Heap, id: Id) -> Option<String> {
    match heap.get(id) {
        Value::Int(int) => Some(int.to_string()),
        _ => heap.text(id).filter(|text| text.len() <= MOST_LETTERS).map(|text| text.into_owned()),
    }
}
