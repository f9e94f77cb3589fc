//! What the values of a pickle stand for: the closed table of calls that arrays, dictionaries and modules are made of.
//!
//! Read by the walk that collects arrays. Everything that is not in the table is `Other`, by its name, and is an error
//! only where an array is needed. Absent: the bytes of storages (`torch::stores`).

use std::borrow::Cow;

use super::super::bag::ReadError;
use super::super::number::{Format, Kind};
use super::super::source::Source;
use super::value::{Blob, Heap, Id, NONE, Object, Value};

/// What a value stands for.
#[derive(Debug)]
pub enum Meaning<'a> {
    /// Nothing, a truth, a number, a text or bytes.
    Plain,
    /// One number of numpy: its type and its bytes.
    Scalar(Id, Id),
    /// An array of PyTorch.
    Tensor(Tensor),
    /// An array of numpy.
    Ndarray(Ndarray),
    /// A dictionary in its order.
    Dict(Cow<'a, [(Id, Id)]>),
    /// A list, a tuple or a set.
    List(&'a [Id]),
    /// A module of PyTorch: the name of its class, and the dictionary of its attributes.
    Module(String, Id),
    /// An object with attributes that only hold values.
    Record(Id),
    /// Something else, by its name in Python.
    Other(String),
}

/// An array of PyTorch, by the places of its parts.
#[derive(Clone, Copy, Debug)]
pub struct Tensor {
    /// A storage.
    pub storage: Id,
    /// Where in it, counted in numbers.
    pub offset: Id,
    /// A tuple.
    pub size: Id,
    /// A tuple.
    pub stride: Id,
    /// A `torch.dtype`, where the storage has none; else `NONE`.
    pub dtype: Id,
}

/// An array of numpy, by the places of its parts.
#[derive(Clone, Copy, Debug)]
pub struct Ndarray {
    /// A tuple.
    pub shape: Id,
    /// A `numpy.dtype`.
    pub dtype: Id,
    /// Whether the first axis is the fastest.
    pub fortran: bool,
    /// Its bytes, or a list of objects.
    pub data: Id,
}

/// What a `numpy.dtype` says.
#[derive(Clone, Debug, PartialEq)]
pub enum Dtype {
    /// Numbers.
    Numbers(Format),
    /// Any objects of Python.
    Objects,
    /// Something else, by its code.
    Other(String),
}

/// A network of NVIDIA's TensorFlow era.
pub const TENSORFLOW: &str = "dnnlib.tflib.network.Network";
/// Calls around calls that are looked through.
const MOST_WRAPPERS: usize = 16;

impl Heap {
    /// The name of a class or a function, its module before it.
    pub fn class_name(&self, id: Id) -> Option<String> {
        match self.get(id) {
            Value::Global(module, name) => {
                let module = self.text(*module)?;
                let module = if module == "__builtin__" { "builtins".into() } else { module };
                Some(format!("{module}.{}", self.text(*name)?))
            }
            // Modules that were saved whole before PyTorch 1.6: the class with its source text.
            Value::Persistent(key) if self.text(self.member(*key, 0)).as_deref() == Some("module") => {
                match self.get(self.member(*key, 1)) {
                    Value::Global(..) => self.class_name(self.member(*key, 1)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// What a value stands for.
    pub fn meaning(&self, id: Id) -> Meaning<'_> {
        let mut id = id;
        for _ in 0..MOST_WRAPPERS {
            let object = match self.get(id) {
                Value::Dict(pairs) => return Meaning::Dict(Cow::Borrowed(pairs)),
                Value::List(ids) => return Meaning::List(ids),
                Value::Tuple(ids) => return Meaning::List(ids),
                Value::Global(..) => return Meaning::Plain,
                Value::Persistent(_) => return Meaning::Other("a storage without a tensor".into()),
                Value::Object(object) => *object,
                _ => return Meaning::Plain,
            };
            let (mut class, mut args) = (object.class, object.args);
            if self.class_name(class).is_some_and(|name| is_rebuild_from_type(&name)) {
                let behind = if self.members(args).is_some_and(|args| args.len() == 3) { 1 } else { 2 };
                (class, args) = (self.member(args, 0), self.member(args, behind));
            }
            let Some(name) = self.class_name(class) else { return Meaning::Other("a call of no function".into()) };
            match name.as_str() {
                "torch._utils._rebuild_parameter"
                | "torch._utils._rebuild_parameter_with_state"
                | "torch.nn.parameter.Parameter"
                | "torch.nn.parameter.Buffer"
                | "torch.autograd.variable.Variable" => id = self.member(args, 0),
                _ => return self.called(&name, args, object),
            }
        }
        Meaning::Other("a parameter of parameters".into())
    }

    fn called(&self, name: &str, args: Id, object: Object) -> Meaning<'_> {
        match name {
            "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor_v3" => {
                let part = |at| self.member(args, at);
                let dtype = if name.ends_with("_v3") { part(6) } else { NONE };
                Meaning::Tensor(Tensor { storage: part(0), offset: part(1), size: part(2), stride: part(3), dtype })
            }
            "collections.OrderedDict" | "collections.defaultdict" | "collections.Counter" | "builtins.dict" => {
                match self.get(object.entries) {
                    Value::Dict(pairs) => Meaning::Dict(Cow::Borrowed(pairs)),
                    _ => Meaning::Dict(self.listed_pairs(self.member(args, 0))),
                }
            }
            "builtins.set" | "builtins.frozenset" | "builtins.list" | "builtins.tuple" | "torch.Size"
            | "collections.deque" => match self.members(object.items).or_else(|| self.members(self.member(args, 0))) {
                Some(ids) => Meaning::List(ids),
                None => Meaning::List(&[]),
            },
            "torch_utils.persistence._reconstruct_persistent_obj" => {
                let about = self.member(args, 0);
                let class = self.entry(about, "class_name").and_then(|name| self.text(name));
                match self.entry(about, "state") {
                    Some(state) => Meaning::Module(class.unwrap_or_default().into_owned(), state),
                    None => Meaning::Other(name.into()),
                }
            }
            _ => match (name.strip_prefix("numpy."), self.get(object.entries), self.get(object.state)) {
                (Some(name), _, _) => self.of_numpy(name.trim_start_matches('_'), args, object),
                (_, Value::Dict(pairs), _) => Meaning::Dict(Cow::Borrowed(pairs)),
                _ => self.built(name, args, object),
            },
        }
    }

    /// An object of a class with its attributes.
    fn built(&self, name: &str, args: Id, object: Object) -> Meaning<'_> {
        // With slots the state is a tuple: the attributes, and the slots.
        let state = match self.get(object.state) {
            Value::Tuple(_) => self.member(object.state, 0),
            _ => object.state,
        };
        let name = match name {
            "copy_reg._reconstructor" | "copyreg._reconstructor" | "copyreg.__newobj__" => {
                self.class_name(self.member(args, 0)).unwrap_or_else(|| name.into())
            }
            _ => name.into(),
        };
        let has = |table| self.entry(state, table).is_some();
        match name.as_str() {
            _ if has("_modules") && (has("_parameters") || has("_buffers")) => Meaning::Module(name, state),
            TENSORFLOW => Meaning::Module(name, state),
            "argparse.Namespace" | "types.SimpleNamespace" => Meaning::Record(state),
            _ => Meaning::Other(name),
        }
    }

    fn of_numpy(&self, name: &str, args: Id, object: Object) -> Meaning<'_> {
        match name {
            "core.multiarray.scalar" => Meaning::Scalar(self.member(args, 0), self.member(args, 1)),
            "core.multiarray._reconstruct" => {
                // Before version 1 the state had no number of its own.
                let first = usize::from(self.members(object.state).is_some_and(|state| state.len() > 4));
                let part = |at| self.member(object.state, first + at);
                let fortran = self.int(part(2)).is_some_and(|flag| flag != 0);
                Meaning::Ndarray(Ndarray { shape: part(0), dtype: part(1), fortran, data: part(3) })
            }
            "core.numeric._frombuffer" => {
                let part = |at| self.member(args, at);
                let fortran = self.text(part(3)).as_deref() == Some("F");
                Meaning::Ndarray(Ndarray { shape: part(2), dtype: part(1), fortran, data: part(0) })
            }
            _ => Meaning::Other(format!("numpy.{name}")),
        }
    }

    /// `OrderedDict([[key, value], …])`, as Python 2 wrote it.
    fn listed_pairs(&self, list: Id) -> Cow<'_, [(Id, Id)]> {
        let Some(list) = self.members(list) else { return Cow::Borrowed(&[]) };
        Cow::Owned(list.iter().map(|pair| (self.member(*pair, 0), self.member(*pair, 1))).collect())
    }

    /// What a `numpy.dtype` says.
    pub fn numpy_dtype(&self, id: Id) -> Dtype {
        let Value::Object(object) = self.get(id) else { return Dtype::Other("none".into()) };
        let code = self.text(self.member(object.args, 0)).unwrap_or_default();
        let big = self.text(self.member(object.state, 1)).as_deref() == Some(">");
        match Kind::of_numpy(&code) {
            Some(kind) => Dtype::Numbers(Format { kind, big }),
            None if code.starts_with('O') => Dtype::Objects,
            None => Dtype::Other(code.into_owned()),
        }
    }

    /// Bytes, in whichever of Python's ways they are kept; `None` if they are no bytes.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn data(&self, id: Id) -> Result<Option<Source>, ReadError> {
        let Value::Object(object) = self.get(id) else { return self.bytes(id) };
        let (name, inner) = (self.class_name(object.class).unwrap_or_default(), self.member(object.args, 0));
        match name.as_str() {
            "_codecs.encode" => self.latin1(inner),
            "builtins.bytes" | "builtins.bytearray" if inner == NONE => Ok(Some(Source::from_bytes(Vec::new()))),
            "builtins.bytes" | "builtins.bytearray" => match self.bytes(inner)? {
                Some(bytes) => Ok(Some(bytes)),
                None => self.latin1(inner),
            },
            _ => Ok(None),
        }
    }

    /// How many bytes [`Heap::data`] would read into memory.
    pub fn data_work(&self, id: Id) -> u64 {
        match self.get(id) {
            Value::Object(object) => self.length(self.member(object.args, 0)),
            Value::Bytes(Blob::Range(..)) => 0,
            _ => self.length(id),
        }
    }
}

fn is_rebuild_from_type(name: &str) -> bool {
    matches!(
        name,
        "torch._tensor._rebuild_from_type_v2" | "torch._tensor._rebuild_from_type" | "torch.tensor._rebuild_from_type"
    )
}
