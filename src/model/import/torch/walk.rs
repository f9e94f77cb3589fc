//! From a pickle's values to arrays by name: dictionaries, lists and modules are walked in the file's order.
//!
//! Fed by `torch::read` and by `numpy` for objects in arrays; gives a `Bag`. What is beside the arrays goes to its
//! `config`: `groups` (the dictionaries that hold arrays), `modules` (attributes by module path), `order` (those paths in
//! the file's order) and `values` (plain values by path). Absent: what the arrays mean, and which dictionary is wanted.

use std::collections::HashSet;

use serde_json::{Map, Value as Json, json};

use super::super::bag::{Array, Bag, MOST_ARRAYS, ReadError};
use super::super::number::{Budget, View};
use super::super::pickle::{Dtype, Heap, Id, Meaning, Ndarray, TENSORFLOW, Value};
use super::super::source::wrong;
use super::attributes::{Attributes, key_text};
use super::stores::{self, Storages};

/// How deep dictionaries and modules may lie in each other.
const MOST_DEPTH: usize = 64;
/// How many values may be visited: they share, so there may be far more than the file has.
const MOST_VISITS: usize = 2_000_000;
/// How long a name may be.
const MOST_LETTERS: usize = 512;
/// Groups that are listed.
const MOST_GROUPS: usize = 1000;
/// Plain values that are kept beside the arrays.
const MOST_ATTRIBUTES: usize = 100_000;
/// Modules and dictionaries whose attributes are kept.
const MOST_MODULES: usize = 20_000;
/// Sentences on what was left out.
const MOST_REMARKS: usize = 20;

/// A walk through one pickle.
struct Walk<'a> {
    heap: &'a Heap,
    storages: &'a mut Storages,
    budget: &'a mut Budget,
    bag: Bag,
    attributes: Attributes,
    groups: Vec<String>,
    modules: Map<String, Json>,
    order: Vec<String>,
    values: Map<String, Json>,
    visits: usize,
    /// The first thing that was met and is in no table.
    stranger: Option<String>,
}

/// Collects the arrays of a pickle under their names, with that before each (nothing, or a name and a dot).
///
/// # Errors
/// If an array is damaged, or there is none.
pub fn collect(heap: &Heap, storages: &mut Storages, budget: &mut Budget, prefix: &str) -> Result<Bag, ReadError> {
    let mut walk = Walk {
        heap,
        storages,
        budget,
        bag: Bag::default(),
        attributes: Attributes::new(MOST_ATTRIBUTES),
        groups: Vec::new(),
        modules: Map::new(),
        order: Vec::new(),
        values: Map::new(),
        visits: 0,
        stranger: None,
    };
    let mut path = prefix.to_owned();
    if !walk.value(heap.root, &mut path, 0, true)? {
        return Err(walk.nothing());
    }
    if let Some(call) = heap.all().iter().find_map(|value| dangerous(heap, value)) {
        walk.remark(format!(
            "The file would have called `{call}` where it is loaded by Python; it was not called here."
        ));
    }
    let Walk { mut bag, groups, modules, order, values, .. } = walk;
    bag.config = json!({ "groups": groups, "modules": modules, "order": order, "values": values });
    Ok(bag)
}

/// Modules of Python that no file of weights needs.
const DANGEROUS: [&str; 10] =
    ["os", "posix", "nt", "subprocess", "sys", "runpy", "shutil", "socket", "pty", "importlib"];

/// The name of a global that no file of weights needs.
fn dangerous(heap: &Heap, value: &Value) -> Option<String> {
    let Value::Global(module, name) = value else { return None };
    let (module, name) = (heap.text(*module)?, heap.text(*name)?);
    let builtin = matches!(&*module, "builtins" | "__builtin__")
        && matches!(&*name, "eval" | "exec" | "open" | "compile" | "__import__");
    (builtin || DANGEROUS.contains(&&*module)).then(|| format!("{module}.{name}"))
}

impl Walk<'_> {
    /// Why there are no arrays.
    fn nothing(&self) -> ReadError {
        let advice = "save a state dict, `torch.save(net.state_dict(), FILE)`";
        ReadError(match (&self.stranger, self.bag.remarks.first()) {
            (_, Some(remark)) => format!("it holds no arrays that are read: {remark}"),
            (Some(name), None) if name.starts_with("dnnlib.tflib.") => {
                "it is a StyleGAN of TensorFlow: convert it with `legacy.py` of stylegan2-ada-pytorch first".into()
            }
            (Some(name), None) => {
                format!("it holds no dictionary of arrays but a call of `{name}`, which was not made: {advice}")
            }
            (None, None) => format!("it holds no arrays: {advice}"),
        })
    }

    /// Takes what a value holds; whether there are arrays in it. `outer`: only dictionaries lie around it.
    fn value(&mut self, id: Id, path: &mut String, depth: usize, outer: bool) -> Result<bool, ReadError> {
        self.visits += 1 + self.heap.weight(id);
        if self.visits > MOST_VISITS {
            return wrong("its dictionaries name each other millions of times: save the state dict alone");
        }
        if depth > MOST_DEPTH {
            return wrong(format!(
                "its dictionaries or lists are nested deeper than {MOST_DEPTH}: save the state dict"
            ));
        }
        let heap = self.heap;
        let place = self.groups.len();
        let (found, group) = match heap.meaning(id) {
            Meaning::Plain | Meaning::Scalar(..) | Meaning::Record(_) => (false, false),
            Meaning::Tensor(tensor) if stores::strange(heap, &tensor).is_some() => {
                let kind = stores::strange(heap, &tensor).unwrap_or_default();
                self.remark(format!("\"{}\" is of {kind}, which is not read, and is left out.", shown(path)));
                (false, false)
            }
            Meaning::Tensor(tensor) => {
                let read = self.storages.read(heap, &tensor, self.budget);
                let (shape, values, kind) = read.map_err(|e| about(path, e))?;
                (self.add(path, shape, values, kind.whole())?, false)
            }
            Meaning::Ndarray(array) => (self.ndarray(&array, path, depth, outer)?, false),
            Meaning::Dict(pairs) if self.is_optimiser(id, &pairs) => {
                self.remark(format!("\"{}\" is the state of an optimiser and is left out.", shown(path)));
                (false, false)
            }
            Meaning::Dict(pairs) => (self.dict(&pairs, path, depth, outer)?, true),
            Meaning::List(ids) => {
                let mut found = false;
                for (index, id) in ids.iter().enumerate() {
                    found |= self.below(&index.to_string(), *id, path, depth, outer)?;
                }
                (found, false)
            }
            Meaning::Module(class, state) => (self.module(&class, state, path, depth)?, true),
            Meaning::Other(name) => {
                if name.starts_with("torch._utils._rebuild_") {
                    let path = shown(path);
                    self.remark(format!("\"{path}\" is a sparse, quantised or empty tensor and is left out ({name})."));
                }
                self.stranger.get_or_insert(name);
                (false, false)
            }
        };
        if found && group && outer && self.groups.len() < MOST_GROUPS {
            self.groups.insert(place, path.clone());
        }
        Ok(found)
    }

    /// The same for a part of it, under its name.
    fn below(&mut self, key: &str, id: Id, path: &mut String, depth: usize, outer: bool) -> Result<bool, ReadError> {
        let len = path.len();
        if len > 0 && !path.ends_with('.') {
            path.push('.');
        }
        path.push_str(key);
        if path.len() > MOST_LETTERS {
            return wrong(format!("a name in it has more than {MOST_LETTERS} letters: save the state dict"));
        }
        let found = self.value(id, path, depth + 1, outer);
        path.truncate(len);
        found
    }

    fn dict(&mut self, pairs: &[(Id, Id)], path: &mut String, depth: usize, outer: bool) -> Result<bool, ReadError> {
        let mut found = false;
        let mut plain = Map::new();
        for (key, id) in pairs {
            let Some(key) = key_text(self.heap, *key) else { continue };
            let remarks = self.bag.remarks.len();
            if self.below(&key, *id, path, depth, outer)? {
                found = true;
            } else if remarks == self.bag.remarks.len()
                && let Some(json) = self.attributes.of(self.heap, *id, 0)
            {
                plain.insert(key, json);
            }
        }
        if found && !plain.is_empty() && self.values.len() < MOST_MODULES {
            self.values.insert(path.clone(), Json::Object(plain));
        }
        Ok(found)
    }

    /// A module: its parameters, its buffers, then the modules in it, as PyTorch's own state dict has them.
    fn module(&mut self, class: &str, state: Id, path: &mut String, depth: usize) -> Result<bool, ReadError> {
        let heap = self.heap;
        self.visits += heap.weight(state);
        if class == TENSORFLOW {
            let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
            return self.tensorflow(state, &prefix, depth);
        }
        if self.modules.len() < MOST_MODULES {
            let attributes = self.attributes.of_module(heap, class, state);
            self.modules.insert(path.clone(), attributes);
            self.order.push(path.clone());
        }
        let passing = heap.entry(state, "_non_persistent_buffers_set").map(|set| heap.meaning(set));
        let passing: HashSet<_> = match passing {
            Some(Meaning::List(ids)) => {
                self.visits += ids.len();
                ids.iter().filter_map(|id| heap.text(*id)).collect()
            }
            _ => HashSet::new(),
        };
        let mut found = false;
        for table in ["_parameters", "_buffers", "_modules"] {
            let Some(table_id) = heap.entry(state, table) else { continue };
            let Meaning::Dict(pairs) = heap.meaning(table_id) else { continue };
            for (key, id) in pairs.iter() {
                let Some(key) = key_text(heap, *key) else { continue };
                if table == "_buffers" && passing.contains(key.as_str()) {
                    continue;
                }
                found |= self.below(&key, *id, path, depth, false)?;
            }
        }
        Ok(found)
    }

    /// A network of TensorFlow: its own variables, and those of its parts behind their names.
    fn tensorflow(&mut self, state: Id, prefix: &str, depth: usize) -> Result<bool, ReadError> {
        let heap = self.heap;
        self.visits += 1 + heap.weight(state);
        if depth > MOST_DEPTH || prefix.len() > MOST_LETTERS || self.visits > MOST_VISITS {
            return wrong("its networks lie in each other without end: fetch the file again");
        }
        let mut found = false;
        if let Some(variables) = heap.entry(state, "variables")
            && let Meaning::List(list) = heap.meaning(variables)
        {
            self.visits += list.len();
            if self.visits > MOST_VISITS {
                return wrong("its networks name each other's variables millions of times: fetch the file again");
            }
            for pair in list {
                let Some(name) = heap.text(heap.member(*pair, 0)) else { continue };
                let mut path = format!("{prefix}{name}");
                if path.len() > MOST_LETTERS {
                    return wrong(format!("a name in it has more than {MOST_LETTERS} letters: fetch it again"));
                }
                found |= match heap.meaning(heap.member(*pair, 1)) {
                    Meaning::Ndarray(array) => self.ndarray(&array, &mut path, depth, false)?,
                    _ => false,
                };
            }
        }
        if let Some(parts) = heap.entry(state, "components")
            && let Meaning::Dict(pairs) = heap.meaning(parts)
        {
            for (key, part) in pairs.iter() {
                let (Some(key), Meaning::Module(class, inner)) = (key_text(heap, *key), heap.meaning(*part)) else {
                    continue;
                };
                if class == TENSORFLOW {
                    found |= self.tensorflow(inner, &format!("{prefix}{key}/"), depth + 1)?;
                }
            }
        }
        Ok(found)
    }

    fn ndarray(&mut self, array: &Ndarray, path: &mut String, depth: usize, outer: bool) -> Result<bool, ReadError> {
        let heap = self.heap;
        let format = match heap.numpy_dtype(array.dtype) {
            Dtype::Numbers(format) => format,
            Dtype::Objects => {
                let Meaning::List(ids) = heap.meaning(array.data) else { return Ok(false) };
                return match ids {
                    // A dictionary that numpy wrapped into an array of no axes.
                    [only] => self.value(*only, path, depth + 1, outer),
                    _ => self.value(array.data, path, depth + 1, outer),
                };
            }
            Dtype::Other(code) => {
                self.remark(format!("\"{}\" holds no numbers (type {code}) and is left out.", shown(path)));
                return Ok(false);
            }
        };
        let axes = heap.members(array.shape).unwrap_or_default().iter();
        let shape: Option<Vec<usize>> =
            axes.map(|axis| heap.count(*axis).and_then(|axis| axis.try_into().ok())).collect();
        let Some(view) = shape.and_then(|shape| View::dense(shape, array.fortran)) else {
            return wrong(format!("\"{}\" has an impossible shape: fetch the file again", shown(path)));
        };
        self.budget.work(heap.data_work(array.data))?;
        let Some(bytes) = heap.data(array.data)? else {
            return wrong(format!("\"{}\" has no bytes: fetch the file again", shown(path)));
        };
        let values = view.read(&bytes, format, self.budget).map_err(|e| about(path, e))?;
        self.add(path, view.shape, values, format.kind.whole())
    }

    fn add(&mut self, path: &str, shape: Vec<usize>, values: Vec<f32>, whole: bool) -> Result<bool, ReadError> {
        if self.bag.arrays.len() >= MOST_ARRAYS {
            return wrong(format!("it holds more than {MOST_ARRAYS} arrays: save the state dict of the network alone"));
        }
        let name = if path.is_empty() { "tensor" } else { path.trim_end_matches('.') };
        self.bag.arrays.push(Array { name: name.to_owned(), shape, values, whole });
        Ok(true)
    }

    /// Optimisers keep two moments of every weight; they are known by their two entries.
    fn is_optimiser(&self, id: Id, pairs: &[(Id, Id)]) -> bool {
        let has = |name| match self.heap.entry(id, name) {
            Some(_) => true,
            None => pairs.len() < 8 && pairs.iter().any(|(key, _)| self.heap.text(*key).as_deref() == Some(name)),
        };
        has("param_groups") && has("state")
    }

    fn remark(&mut self, sentence: String) {
        if self.bag.remarks.len() < MOST_REMARKS {
            self.bag.remarks.push(sentence);
        }
    }
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "the whole file" } else { path }
}

fn about(path: &str, error: ReadError) -> ReadError {
    ReadError(format!("\"{}\" cannot be read: {}", shown(path), error.0))
}
