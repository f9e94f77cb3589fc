//! A writer of pickles for tests: values of Python as opcodes of protocol 3.

/// A value of Python.
pub enum Py {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Py>),
    Tuple(Vec<Py>),
    Dict(Vec<(Py, Py)>),
    Global(&'static str, &'static str),
    /// A function or a class called with arguments.
    Call(Box<Py>, Vec<Py>),
    /// An object with its state.
    Built(Box<Py>, Box<Py>),
    /// An object with entries set in it.
    Filled(Box<Py>, Vec<(Py, Py)>),
    Persistent(Box<Py>),
    /// Opcodes as they are.
    Raw(Vec<u8>),
}

impl From<&str> for Py {
    fn from(text: &str) -> Self {
        Py::Text(text.into())
    }
}

/// A call of a function of a module.
pub fn call(module: &'static str, name: &'static str, args: Vec<Py>) -> Py {
    Py::Call(Box::new(Py::Global(module, name)), args)
}

/// A dictionary with texts as keys.
pub fn dict<const N: usize>(pairs: [(&str, Py); N]) -> Py {
    Py::Dict(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

/// A tuple of integers.
pub fn ints(ints: &[i64]) -> Py {
    Py::Tuple(ints.iter().map(|int| Py::Int(*int)).collect())
}

/// A whole pickle.
pub fn pickle(value: &Py) -> Vec<u8> {
    let mut out = vec![0x80, 3];
    write(value, &mut out);
    out.push(b'.');
    out
}

fn write_all<'a>(values: impl IntoIterator<Item = &'a Py>, out: &mut Vec<u8>) {
    values.into_iter().for_each(|value| write(value, out));
}

fn write(value: &Py, out: &mut Vec<u8>) {
    match value {
        Py::None => out.push(b'N'),
        Py::Bool(truth) => out.push(if *truth { 0x88 } else { 0x89 }),
        Py::Int(int) => {
            out.extend([0x8a, 8]);
            out.extend(int.to_le_bytes());
        }
        Py::Float(float) => {
            out.push(b'G');
            out.extend(float.to_be_bytes());
        }
        Py::Text(text) => {
            out.push(b'X');
            out.extend((text.len() as u32).to_le_bytes());
            out.extend(text.as_bytes());
        }
        Py::Bytes(bytes) => {
            out.push(b'B');
            out.extend((bytes.len() as u32).to_le_bytes());
            out.extend(bytes);
        }
        Py::List(values) => {
            out.extend(b"](");
            write_all(values, out);
            out.push(b'e');
        }
        Py::Tuple(values) => {
            out.push(b'(');
            write_all(values, out);
            out.push(b't');
        }
        Py::Dict(pairs) => {
            out.push(b'}');
            write_pairs(pairs, out);
        }
        Py::Global(module, name) => out.extend(format!("c{module}\n{name}\n").bytes()),
        Py::Call(class, args) => {
            write(class, out);
            out.push(b'(');
            write_all(args, out);
            out.extend(b"tR");
        }
        Py::Built(object, state) => {
            write_all([&**object, &**state], out);
            out.push(b'b');
        }
        Py::Filled(object, pairs) => {
            write(object, out);
            write_pairs(pairs, out);
        }
        Py::Persistent(key) => {
            write(key, out);
            out.push(b'Q');
        }
        Py::Raw(bytes) => out.extend(bytes),
    }
}

fn write_pairs(pairs: &[(Py, Py)], out: &mut Vec<u8>) {
    out.push(b'(');
    pairs.iter().for_each(|(key, value)| write_all([key, value], out));
    out.push(b'u');
}
