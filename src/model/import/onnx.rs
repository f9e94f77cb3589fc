//! Files of ONNX as a bag of weights: the initial values of its graph by name. What the graph computes is not read.
//!
//! Fed by `import::read`; gives a `Bag` in the order of the file. The file is a message of protocol buffers, of which
//! only a few fields are looked at (onnx.proto3 of onnx/onnx): graph 7 of the model, initial values 5 of the graph, and
//! of a tensor dims 1, type 2, floats 4, name 8, bytes 9, place 14. Absent: external data, and types that are no numbers.

use super::bag::{Array, Bag, MOST_ARRAYS, ReadError};
use super::number::{Budget, Format, Kind, View};
use super::source::{Source, Tape, wrong};

/// Dimensions of an array at most.
const MOST_DIMS: usize = 32;

/// Whether a file begins as these do: the version of the format, then the producer, the domain or the graph.
pub fn is_one(head: &[u8]) -> bool {
    matches!(head, [0x08, 1..=30, 0x12 | 0x1a | 0x22 | 0x3a | 0x42, ..]) && !head.starts_with(b"\x08\x01\x12")
}

/// Reads one.
///
/// # Errors
/// If it is damaged, keeps its numbers in other files, or holds none.
pub fn read(source: &Source) -> Result<Bag, ReadError> {
    let mut bag = Bag { format: "ONNX".into(), ..Bag::default() };
    let mut budget = Budget::new(source.len());
    each(source, |number, field| match (number, field) {
        (7, Field::Bytes(graph)) => each(&graph, |number, field| match (number, field) {
            (5, Field::Bytes(tensor)) => take(&tensor, &mut budget, &mut bag),
            _ => Ok(()),
        }),
        _ => Ok(()),
    })?;
    match bag.arrays.is_empty() {
        true => wrong("it begins as an ONNX file and has no weights in it: export the network with its weights"),
        false => Ok(bag),
    }
}

/// One field of a message.
enum Field {
    Number(u64),
    Bytes(Source),
    Other,
}

const DAMAGED: &str = "it begins as an ONNX file and is damaged: fetch it again";

/// Looks at all fields of a message.
fn each(source: &Source, mut take: impl FnMut(u64, Field) -> Result<(), ReadError>) -> Result<(), ReadError> {
    let mut tape = Tape::new(source, 0);
    while tape.left() > 0 {
        let key = varint(&mut tape)?;
        let field = match key & 7 {
            0 => Field::Number(varint(&mut tape)?),
            2 => {
                let len = varint(&mut tape)?;
                let part = source.part(tape.at(), len)?;
                tape.skip(len)?;
                Field::Bytes(part)
            }
            1 | 5 => {
                tape.skip(if key & 7 == 1 { 8 } else { 4 })?;
                Field::Other
            }
            _ => return wrong(DAMAGED),
        };
        take(key >> 3, field)?;
    }
    Ok(())
}

/// A number of seven bits a byte, the lowest first.
fn varint(tape: &mut Tape) -> Result<u64, ReadError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = tape.byte()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    wrong(DAMAGED)
}

/// Takes one tensor, if its values are numbers.
fn take(tensor: &Source, budget: &mut Budget, bag: &mut Bag) -> Result<(), ReadError> {
    if bag.arrays.len() >= MOST_ARRAYS {
        return wrong(format!("it holds more than {MOST_ARRAYS} arrays: export the network alone"));
    }
    let (mut shape, mut kind, mut name, mut bytes, mut elsewhere) = (Vec::new(), 0, String::new(), None, false);
    each(tensor, |number, field| {
        match (number, field) {
            (1, Field::Number(side)) => shape.push(side),
            (1, Field::Bytes(packed)) => {
                let mut tape = Tape::new(&packed, 0);
                while tape.left() > 0 && shape.len() <= MOST_DIMS {
                    shape.push(varint(&mut tape)?);
                }
            }
            (2, Field::Number(number)) => kind = number,
            (4 | 9, Field::Bytes(values)) => bytes = Some(values),
            (8, Field::Bytes(text)) => {
                name = String::from_utf8_lossy(&text.peek(0, 512)?).replace('/', ".");
            }
            (14, Field::Number(place)) => elsewhere = place == 1,
            _ => {}
        }
        if shape.len() > MOST_DIMS { wrong(DAMAGED) } else { Ok(()) }
    })?;
    if elsewhere {
        return wrong("it keeps its weights in another file beside it: export it as one file");
    }
    let (Some(kind), Some(bytes)) = (kind_of(kind), bytes) else {
        if bag.remarks.len() < 20 {
            bag.remarks.push(format!("\"{name}\" holds no plain numbers and is left out."));
        }
        return Ok(());
    };
    let shape: Option<Vec<usize>> = shape.into_iter().map(|side| usize::try_from(side).ok()).collect();
    let Some(view) = shape.and_then(|shape| View::dense(shape, false)) else { return wrong(DAMAGED) };
    let values = view
        .read(&bytes, Format { kind, big: false }, budget)
        .map_err(|e| ReadError(format!("\"{name}\" cannot be read: {}", e.0)))?;
    bag.arrays.push(Array { name, shape: view.shape, values, whole: kind.whole() });
    Ok(())
}

/// What the types of a tensor's elements are (`TensorProto.DataType`).
fn kind_of(number: u64) -> Option<Kind> {
    Some(match number {
        1 => Kind::F32,
        2 => Kind::U8,
        3 => Kind::I8,
        4 => Kind::U16,
        5 => Kind::I16,
        6 => Kind::I32,
        7 => Kind::I64,
        9 => Kind::Bool,
        10 => Kind::F16,
        11 => Kind::F64,
        12 => Kind::U32,
        13 => Kind::U64,
        16 => Kind::Bf16,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        let mut len = bytes.len();
        while len >= 128 {
            out.push(len as u8 | 0x80);
            len >>= 7;
        }
        out.push(len as u8);
        out.extend(bytes);
        out
    }

    /// A model of one array `[2, 3]`, its dims packed or not.
    fn model(packed: bool, more: &[u8]) -> Vec<u8> {
        let dims = if packed { field(1, &[2, 3]) } else { vec![0x08, 2, 0x08, 3] };
        let values: Vec<u8> = (0..6u8).flat_map(|v| f32::from(v).to_le_bytes()).collect();
        let tensor = [dims, vec![0x10, 1], field(8, b"a/kernel"), field(9, &values), more.to_vec()].concat();
        [vec![0x08, 8], field(2, b"maker"), field(7, &field(5, &tensor))].concat()
    }

    #[test]
    fn initial_values_are_read_by_name() {
        for packed in [true, false] {
            let bytes = model(packed, &[]);
            assert!(is_one(&bytes));
            let bag = read(&Source::from_bytes(bytes)).unwrap();
            let array = bag.get("a.kernel").unwrap();
            assert_eq!(
                (array.shape.as_slice(), array.values.as_slice()),
                (&[2, 3][..], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0][..])
            );
        }
    }

    #[test]
    fn what_is_damaged_or_elsewhere_is_a_sentence() {
        let bytes = model(true, &[]);
        for cut in 1..bytes.len() {
            let _ = read(&Source::from_bytes(bytes[..cut].to_vec())).map_err(|e| assert!(!e.0.is_empty()));
        }
        let outside = read(&Source::from_bytes(model(true, &[0x70, 1]))).unwrap_err();
        assert!(outside.0.contains("another file"), "{outside}");
        let empty = read(&Source::from_bytes([vec![0x08, 8], field(2, b"maker")].concat())).unwrap_err();
        assert!(empty.0.contains("no weights"), "{empty}");
        assert!(read(&Source::from_bytes(vec![0x08, 8, 0x3b])).is_err());
    }
}
