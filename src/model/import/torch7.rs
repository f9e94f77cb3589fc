//! Files of Torch7 (`.t7`, binary, little-endian): the objects of a program in Lua, read as data.
//!
//! Fed with a source by who recognises networks in them (`recognise::pyramid`); gives a tree of [`Node`]s. Tensors keep
//! their storage, which several share and some reach beyond. Absent: functions, text files (`ascii`), files of 32-bit
//! machines, and what the classes mean.

use std::collections::HashMap;
use std::rc::Rc;

use super::bag::ReadError;
use super::number::{Format, Kind};
use super::source::{Source, Tape, wrong};

/// Objects within objects at most.
const MOST_DEPTH: usize = 200;
/// Nodes of a file at most.
const MOST_NODES: usize = 1 << 20;

/// A value of Lua.
#[derive(Clone, Debug)]
pub enum Node {
    /// nil, and what an object that holds itself would be.
    Nil,
    /// A number.
    Number(f64),
    /// true or false.
    Bool(bool),
    /// A text.
    Text(Rc<str>),
    /// A table: keys and values in the file's order.
    Table(Rc<Vec<(Node, Node)>>),
    /// An object of a class with its fields.
    Object(Rc<Object>),
    /// A tensor.
    Tensor(Rc<Tensor>),
    /// The numbers of a storage.
    Storage(Rc<Vec<f32>>),
}

/// An object of a class.
#[derive(Debug)]
pub struct Object {
    /// As `nn.SpatialConvolution`.
    pub class: String,
    /// What it holds: a table, mostly.
    pub fields: Node,
}

/// A view of a storage.
#[derive(Debug)]
pub struct Tensor {
    /// Its sizes.
    pub shape: Vec<usize>,
    /// Where it begins in its storage, from 0.
    pub offset: usize,
    /// Whether its numbers lie one behind the other.
    pub dense: bool,
    /// All numbers of the storage; none of an empty tensor.
    pub storage: Rc<Vec<f32>>,
}

impl Node {
    /// The field of that name.
    pub fn get(&self, name: &str) -> Option<&Node> {
        let table = match self {
            Self::Table(table) => table,
            Self::Object(object) => return object.fields.get(name),
            _ => return None,
        };
        table.iter().find(|(key, _)| matches!(key, Self::Text(text) if **text == *name)).map(|(_, value)| value)
    }

    /// The entries 1, 2, 3 … of a table.
    pub fn list(&self) -> Vec<&Node> {
        let Self::Table(table) = self else { return Vec::new() };
        let mut all: Vec<(f64, &Node)> = table
            .iter()
            .filter_map(|(key, value)| match key {
                Self::Number(at) => Some((*at, value)),
                _ => None,
            })
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all.into_iter().map(|(_, value)| value).collect()
    }

    /// A number that stands in a field.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Self::Number(v) => Some(*v),
            _ => None,
        }
    }

    /// A tensor that stands in a field.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        match self.get(name)? {
            Self::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// The class of an object; empty for anything else.
    pub fn class(&self) -> &str {
        match self {
            Self::Object(object) => &object.class,
            _ => "",
        }
    }
}

impl Tensor {
    /// Its numbers, or so many from where it begins, also beyond its own end; none if the storage is too short.
    pub fn values(&self, count: Option<usize>) -> Option<Vec<f32>> {
        let own = self.shape.iter().try_fold(1usize, |len, side| len.checked_mul(*side))?;
        let end = self.offset.checked_add(count.unwrap_or(own))?;
        if !self.dense {
            return None;
        }
        self.storage.get(self.offset..end).map(<[f32]>::to_vec)
    }
}

/// Whether a file begins as these do: an object, the first one, of version 1.
pub fn is_one(head: &[u8]) -> bool {
    head.starts_with(b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1")
}

/// Reads a file.
///
/// # Errors
/// If it is damaged, cut, or holds functions.
pub fn read(source: &Source) -> Result<Node, ReadError> {
    let mut reader = Reader { tape: Tape::new(source, 0), memo: HashMap::new(), depth: 0, nodes: 0 };
    reader.node()
}

struct Reader {
    tape: Tape,
    memo: HashMap<i32, Node>,
    depth: usize,
    nodes: usize,
}

const DAMAGED: &str = "it begins as a file of Torch7 and is damaged: fetch it again";

impl Reader {
    fn int(&mut self) -> Result<i32, ReadError> {
        Ok(i32::from_le_bytes(self.tape.bytes()?))
    }

    fn long(&mut self) -> Result<usize, ReadError> {
        usize::try_from(i64::from_le_bytes(self.tape.bytes()?)).or_else(|_| wrong(DAMAGED))
    }

    fn text(&mut self) -> Result<String, ReadError> {
        let Ok(len) = u64::try_from(self.int()?) else { return wrong(DAMAGED) };
        Ok(self.tape.take(len)?.into_iter().map(char::from).collect())
    }

    fn node(&mut self) -> Result<Node, ReadError> {
        self.nodes += 1;
        if self.depth >= MOST_DEPTH || self.nodes > MOST_NODES {
            return wrong("its objects lie too deep in each other: save the network alone");
        }
        self.depth += 1;
        let node = self.inner();
        self.depth -= 1;
        node
    }

    fn inner(&mut self) -> Result<Node, ReadError> {
        Ok(match self.int()? {
            0 => Node::Nil,
            1 => Node::Number(f64::from_le_bytes(self.tape.bytes()?)),
            2 => Node::Text(self.text()?.into()),
            5 => Node::Bool(self.int()? != 0),
            tag @ (3 | 4) => {
                let index = self.int()?;
                if let Some(known) = self.memo.get(&index) {
                    return Ok(known.clone());
                }
                // One that holds itself finds nothing.
                self.memo.insert(index, Node::Nil);
                let node = if tag == 3 { self.table()? } else { self.object()? };
                self.memo.insert(index, node.clone());
                node
            }
            6..=8 => return wrong("it holds functions of Lua, which are not read: save the network without them"),
            _ => return wrong(DAMAGED),
        })
    }

    fn table(&mut self) -> Result<Node, ReadError> {
        let count = self.int()?;
        let mut all = Vec::new();
        for _ in 0..count {
            let key = self.node()?;
            all.push((key, self.node()?));
        }
        Ok(Node::Table(all.into()))
    }

    fn object(&mut self) -> Result<Node, ReadError> {
        let version = self.text()?;
        let class = if version.starts_with("V ") { self.text()? } else { version };
        if class.ends_with("Tensor") {
            return self.tensor();
        }
        if let Some(kind) = class.strip_suffix("Storage") {
            return self.storage(kind);
        }
        Ok(Node::Object(Object { class, fields: self.node()? }.into()))
    }

    fn tensor(&mut self) -> Result<Node, ReadError> {
        let Some(dims) = usize::try_from(self.int()?).ok().filter(|dims| *dims <= 16) else { return wrong(DAMAGED) };
        let shape = (0..dims).map(|_| self.long()).collect::<Result<Vec<_>, _>>()?;
        let strides = (0..dims).map(|_| self.long()).collect::<Result<Vec<_>, _>>()?;
        // Counted from 1.
        let offset = self.long()?.saturating_sub(1);
        let storage = match self.node()? {
            Node::Storage(values) => values,
            Node::Nil => Rc::default(),
            _ => return wrong(DAMAGED),
        };
        let mut expected = 1usize;
        let mut dense = true;
        for (side, stride) in shape.iter().zip(&strides).rev() {
            dense &= *side <= 1 || *stride == expected;
            expected = expected.saturating_mul(*side);
        }
        Ok(Node::Tensor(Tensor { shape, offset, dense, storage }.into()))
    }

    fn storage(&mut self, kind: &str) -> Result<Node, ReadError> {
        let kind = match kind.trim_start_matches("torch.") {
            "Float" | "Cuda" => Kind::F32,
            "Double" | "CudaDouble" => Kind::F64,
            "Long" | "CudaLong" => Kind::I64,
            "Int" | "CudaInt" => Kind::I32,
            "Byte" | "CudaByte" => Kind::U8,
            "Char" | "CudaChar" => Kind::I8,
            _ => return wrong(format!("it holds numbers of the type {kind}, which are not read: save them as Float")),
        };
        let count = self.long()? as u64;
        let Some(len) = count.checked_mul(kind.size()) else { return wrong(DAMAGED) };
        let bytes = self.tape.take(len)?;
        let mut values = Vec::new();
        Format { kind, big: false }.append(&bytes, &mut values);
        Ok(Node::Storage(values.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as i32).to_le_bytes()[..], text.as_bytes()].concat()
    }

    /// A tensor of floats with its storage, as object `index` and the one behind it.
    fn tensor(index: i32, shape: &[i64], offset: i64, values: &[f32]) -> Vec<u8> {
        let mut out = [4i32.to_le_bytes(), index.to_le_bytes()].concat();
        out.extend([text("V 1"), text("torch.FloatTensor")].concat());
        out.extend((shape.len() as i32).to_le_bytes());
        shape.iter().for_each(|side| out.extend(side.to_le_bytes()));
        let mut strides = vec![1i64; shape.len()];
        (1..shape.len()).rev().for_each(|at| strides[at - 1] = strides[at] * shape[at]);
        strides.iter().for_each(|stride| out.extend(stride.to_le_bytes()));
        out.extend((offset + 1).to_le_bytes());
        out.extend([4i32.to_le_bytes(), (index + 1).to_le_bytes()].concat());
        out.extend([text("V 1"), text("torch.FloatStorage")].concat());
        out.extend((values.len() as i64).to_le_bytes());
        values.iter().for_each(|v| out.extend(v.to_le_bytes()));
        out
    }

    /// An object with one field.
    fn object(class: &str, field: &str, value: &[u8]) -> Vec<u8> {
        let mut out = [4i32.to_le_bytes(), 1i32.to_le_bytes()].concat();
        out.extend([text("V 1"), text(class)].concat());
        out.extend([3i32.to_le_bytes(), 2i32.to_le_bytes(), 1i32.to_le_bytes(), 2i32.to_le_bytes()].concat());
        out.extend(text(field));
        out.extend(value);
        out
    }

    #[test]
    fn objects_tables_and_tensors_are_read() {
        let bytes = object("nn.Thing", "weight", &tensor(3, &[2, 2], 1, &[9.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
        assert!(is_one(&bytes));
        let node = read(&Source::from_bytes(bytes.clone())).unwrap();
        assert_eq!(node.class(), "nn.Thing");
        let weight = node.tensor("weight").unwrap();
        assert_eq!((weight.shape.as_slice(), weight.dense), (&[2, 2][..], true));
        assert_eq!(weight.values(None).unwrap(), [1.0, 2.0, 3.0, 4.0]);
        // Beyond its own end, as far as the storage goes.
        assert_eq!(weight.values(Some(5)).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(weight.values(Some(6)), None);
        for cut in 1..bytes.len() {
            assert!(read(&Source::from_bytes(bytes[..cut].to_vec())).is_err(), "{cut}");
        }
    }

    #[test]
    fn what_holds_itself_or_lies_too_deep_has_an_end() {
        // A field that is the object itself.
        let own = [4i32.to_le_bytes(), 1i32.to_le_bytes()].concat();
        let node = read(&Source::from_bytes(object("nn.Loop", "me", &own))).unwrap();
        assert!(matches!(node.get("me"), Some(Node::Nil)));
        let mut deep = Vec::new();
        for index in 0..1000i32 {
            deep.extend([3i32.to_le_bytes(), index.to_le_bytes(), 1i32.to_le_bytes()].concat());
            deep.extend([1i32.to_le_bytes().to_vec(), 1f64.to_le_bytes().to_vec()].concat());
        }
        assert!(read(&Source::from_bytes(deep)).unwrap_err().0.contains("too deep"));
        let function = 8i32.to_le_bytes().to_vec();
        assert!(read(&Source::from_bytes(function)).unwrap_err().0.contains("functions"));
    }
}
