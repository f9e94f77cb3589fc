//! Arrays by name as files for others: safetensors and `.npz`.
//!
//! Fed by `flaneur export`; the bytes go to `files::write`. What is written here is read by `import::read` with the same
//! names, shapes and values. Absent: names of other programs, and anything but f32.

use std::collections::HashMap;
use std::io::{self, Write};

use ::safetensors::tensor::{Dtype, TensorView};
use zip::write::SimpleFileOptions;

/// The entry of a `.npz` that says what its network is, in TOML.
pub const NOTE: &str = "flaneur.toml";

/// An array to be written: its name, its shape and its values in row-major order.
pub type Out<'a> = (&'a str, &'a [usize], &'a [f32]);

/// A file of safetensors with those arrays, and texts by name in its header.
///
/// # Errors
/// If a shape does not fit its values.
pub fn safetensors(arrays: &[Out], notes: HashMap<String, String>) -> io::Result<Vec<u8>> {
    let bytes: Vec<Vec<u8>> = arrays.iter().map(|(_, _, values)| bytes_of(values)).collect();
    let views = arrays.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        TensorView::new(Dtype::F32, shape.to_vec(), bytes).map(|view| ((*name).to_owned(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    ::safetensors::serialize(views, (!notes.is_empty()).then_some(notes)).map_err(io::Error::other)
}

/// A `.npz` with those arrays in their order, as `numpy.savez` writes it, and a text beside them that numpy passes over.
///
/// # Errors
/// If a shape does not fit its values, or a name is no name in a zip.
pub fn npz(arrays: &[Out], note: &str) -> io::Result<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    for (name, shape, values) in arrays {
        if shape.iter().product::<usize>() != values.len() {
            return Err(io::Error::other(format!(
                "the shape {shape:?} of \"{name}\" has not {} numbers",
                values.len()
            )));
        }
        zip.start_file(format!("{name}.npy"), options).map_err(io::Error::other)?;
        zip.write_all(&header(shape))?;
        zip.write_all(&bytes_of(values))?;
    }
    if !note.is_empty() {
        zip.start_file(NOTE, options).map_err(io::Error::other)?;
        zip.write_all(note.as_bytes())?;
    }
    Ok(zip.finish().map_err(io::Error::other)?.into_inner())
}

/// The header of a `.npy`, filled up to a multiple of 64 bytes.
fn header(shape: &[usize]) -> Vec<u8> {
    let axes: String = shape.iter().map(|axis| format!("{axis}, ")).collect();
    let axes = if shape.len() == 1 { axes.trim_end() } else { axes.trim_end_matches(", ") };
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({axes}), }}");
    while (10 + text.len() + 1) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((text.len() as u16).to_le_bytes());
    out.extend(text.as_bytes());
    out
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::import::source::Source;
    use crate::model::import::{Found, read_source};

    #[test]
    fn what_is_written_is_read() {
        let arrays: [Out; 3] = [
            ("main.0.weight", &[2, 3], &[0.0, -1.0, 2.5, f32::INFINITY, 1e-30, 5.0]),
            ("gamma", &[1], &[1.5]),
            ("step", &[], &[7.0]),
        ];
        let notes = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        for file in [safetensors(&arrays, notes).unwrap(), npz(&arrays, "").unwrap()] {
            let Ok(Found::Bag(bag)) = read_source(&Source::from_bytes(file)) else { panic!() };
            assert_eq!(bag.arrays.len(), 3);
            for (name, shape, values) in arrays {
                let array = bag.get(name).unwrap();
                assert_eq!((array.shape.as_slice(), array.values.as_slice()), (shape, values));
            }
        }
        assert!(npz(&[("a", &[2], &[1.0])], "").is_err());
    }
}
