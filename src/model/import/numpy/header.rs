//! The header of a `.npy`: a dictionary in Python's own writing, of which three entries matter.
//!
//! Read by `numpy`. Absent: any other Python.

use super::super::bag::ReadError;
use super::super::number::{Format, Kind, View};
use super::super::source::{Source, Tape, wrong};

/// What lies in the file.
#[derive(Debug, PartialEq)]
pub enum Content {
    /// Numbers, how, and as which array.
    Numbers(Format, View),
    /// A pickle.
    Objects,
    /// Something else, by its code.
    Other(String),
}

/// Bytes that a header may have.
const MOST_BYTES: u64 = 1 << 16;

/// Reads the header; gives what follows it and where.
///
/// # Errors
/// If it is damaged.
pub fn read(source: &Source) -> Result<(Content, u64), ReadError> {
    let mut tape = Tape::new(source, 0);
    if tape.bytes::<6>()? != *b"\x93NUMPY" {
        return wrong("it is no array of numpy: save it with `numpy.save`");
    }
    let [major, _] = tape.bytes::<2>()?;
    let len = match major {
        1 => u16::from_le_bytes(tape.bytes()?).into(),
        2 | 3 => u32::from_le_bytes(tape.bytes()?).into(),
        _ => return wrong(format!("it is of version {major} of .npy; 1 to 3 are known")),
    };
    if len > MOST_BYTES {
        return wrong("the header of its array is larger than 64 KB: fetch the file again");
    }
    let header = tape.take(len)?;
    match content(&String::from_utf8_lossy(&header)) {
        Some(content) => Ok((content, tape.at())),
        None => wrong("the header of its array is damaged: fetch the file again"),
    }
}

fn content(header: &str) -> Option<Content> {
    let descr = entry(header, "descr")?;
    let Some(code) = descr.strip_prefix(['\'', '"']).and_then(|rest| rest.split(['\'', '"']).next()) else {
        return Some(Content::Other("several fields".into()));
    };
    let (order, code) = match code.as_bytes().first() {
        Some(b'<' | b'>' | b'|' | b'=') => code.split_at_checked(1)?,
        _ => ("<", code),
    };
    if code.starts_with('O') {
        return Some(Content::Objects);
    }
    let Some(kind) = Kind::of_numpy(code) else { return Some(Content::Other(code.to_owned())) };
    let fortran = entry(header, "fortran_order")?.starts_with("True");
    let shape = entry(header, "shape")?.strip_prefix('(')?.split(')').next()?;
    let axes = shape.split(',').map(str::trim).filter(|axis| !axis.is_empty());
    // Python 2 wrote an `L` behind long ones.
    let shape: Option<Vec<usize>> = axes.map(|axis| axis.trim_end_matches('L').parse().ok()).collect();
    Some(Content::Numbers(Format { kind, big: order == ">" }, View::dense(shape?, fortran)?))
}

/// What stands behind a key of the dictionary, to the end of the text.
fn entry<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let behind = header.split_once(&format!("'{key}'")).or_else(|| header.split_once(&format!("\"{key}\"")))?.1;
    Some(behind.trim_start().strip_prefix(':')?.trim_start())
}
