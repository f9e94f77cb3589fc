//! numpy's own files: `.npy`, and `.npz`, which is a zip of them.
//!
//! float64, float32 and float16 of either byte order, in C or Fortran order. The shape says what is a row: its last
//! axes have to be a z.

use std::io::{Cursor, Read};

use half::f16;

use super::{TextError, Z, rows_of};
use crate::hints::plain;

/// How a `.npy` file begins.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// Bytes that an array in a `.npz` may unpack to.
const MOST_BYTES: u64 = 256 << 20;
/// Names that z goes by, the usual ones first: the projector of StyleGAN writes w, numpy.savez arr_0.
const NAMES: [&str; 4] = ["z", "w", "arr_0", "latents"];

fn wrong(why: impl Into<String>) -> TextError {
    TextError::Npy(why.into())
}

/// An array: its shape, and its values in C order.
struct Array {
    shape: Vec<usize>,
    values: Vec<f64>,
}

/// Reads rows of `dim` numbers from a `.npy` file.
///
/// # Errors
/// If it is damaged, of another kind of number, or its shape is not that of z.
pub(super) fn read(bytes: &[u8], dim: usize) -> Result<Vec<Z>, TextError> {
    array(bytes)?.rows(dim)
}

/// Reads rows of `dim` numbers from the array in a `.npz` file that is one of z.
///
/// # Errors
/// As [`read`], or if there is no such array, or several.
pub(super) fn read_zip(bytes: &[u8], dim: usize) -> Result<Vec<Z>, TextError> {
    let damaged = |e: zip::result::ZipError| wrong(format!("the zip around it is damaged ({e})"));
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let names: Vec<String> = (0..zip.len()).filter_map(|at| Some(zip.name_for_index(at)?.ok()?.into_owned())).collect();
    let arrays: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(".npy")).collect();
    let chosen = match arrays[..] {
        [] => return Err(TextError::Form(no_array(&names).into())),
        [only] => only,
        _ => NAMES.into_iter().find(|name| arrays.contains(name)).ok_or_else(|| {
            let names = plain(&arrays.join(", "));
            wrong(format!("it holds several arrays ({names}), and none is called z; save z alone"))
        })?,
    };
    let mut entry = zip.by_name(&format!("{chosen}.npy")).map_err(damaged)?;
    let mut inside = Vec::new();
    let read = entry.by_ref().take(MOST_BYTES + 1).read_to_end(&mut inside);
    read.map_err(|e| wrong(format!("its array {} cannot be unpacked ({e})", plain(chosen))))?;
    if inside.len() as u64 > MOST_BYTES {
        return Err(wrong(format!("its array {} is larger than {} MB", plain(chosen), MOST_BYTES >> 20)));
    }
    drop(entry);
    self::read(&inside, dim)
}

/// What a zip without arrays is.
fn no_array(names: &[String]) -> &'static str {
    let has = |end: &str| names.iter().any(|name| name.ends_with(end));
    if has("data.pkl") {
        "it is a file of torch.save, which could run code and is never loaded; save numpy.save(\"z.npy\", z.cpu().numpy())"
    } else if has("workbook.xml") || has("content.xml") {
        "it is a spreadsheet; save it as CSV"
    } else {
        "it is a zip without arrays (.npy) in it"
    }
}

fn array(bytes: &[u8]) -> Result<Array, TextError> {
    let short = || wrong("it is cut short");
    let version = *bytes.get(6).ok_or_else(short)?;
    let (from, length) = match version {
        1 => (10, bytes.get(8..10).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]])))),
        _ => (12, bytes.get(8..12).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)),
    };
    let end = length.and_then(|l| l.checked_add(from)).ok_or_else(short)?;
    let header = bytes.get(from..end).ok_or_else(short)?;
    let header: String = String::from_utf8_lossy(header).split_whitespace().collect();
    let descr = header.split("'descr':'").nth(1).and_then(|s| s.split('\'').next()).unwrap_or_default();
    let values = numbers(descr, &bytes[end..])?;
    let shape = header.split("'shape':(").nth(1).and_then(|s| s.split(')').next()).unwrap_or_default();
    let shape = shape.split(',').filter(|s| !s.is_empty()).map(|s| s.trim_end_matches('L').parse::<usize>().ok());
    let shape = shape.collect::<Option<Vec<_>>>().ok_or_else(|| wrong("its shape cannot be read"))?;
    let count = shape.iter().try_fold(1_usize, |all, side| all.checked_mul(*side));
    if count != Some(values.len()) {
        return Err(wrong("it holds fewer or more numbers than its header says"));
    }
    if !values.iter().all(|v| v.is_finite()) {
        return Err(wrong("it holds numbers that are not finite"));
    }
    let turned = header.contains("'fortran_order':True");
    let values = if turned { in_c_order(&values, &shape) } else { values };
    Ok(Array { shape, values })
}

fn numbers(descr: &str, data: &[u8]) -> Result<Vec<f64>, TextError> {
    let big = descr.starts_with('>');
    let ordered = |mut bytes: Vec<u8>| {
        if big {
            bytes.reverse();
        }
        bytes
    };
    let size = match descr.get(1..) {
        Some("f8") => 8,
        Some("f4") => 4,
        Some("f2") => 2,
        _ => {
            let kind = plain(descr);
            return Err(wrong(format!(
                "it is neither float64, float32 nor float16 (\"{kind}\"); save z.astype(float)"
            )));
        }
    };
    let value = |bytes: Vec<u8>| match bytes[..] {
        [a, b] => f16::from_le_bytes([a, b]).to_f64(),
        [a, b, c, d] => f64::from(f32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => f64::NAN,
    };
    Ok(data.chunks_exact(size).map(|bytes| value(ordered(bytes.to_vec()))).collect())
}

/// Values whose first axis runs fastest, with the last one running fastest.
fn in_c_order(values: &[f64], shape: &[usize]) -> Vec<f64> {
    let place = |index: usize| {
        // The place of an element of C order among those of Fortran order.
        let (mut rest, mut stride, mut place) = (index, values.len(), 0);
        for side in shape.iter().rev() {
            stride /= side;
            place += (rest % side) * stride;
            rest /= side;
        }
        place
    };
    (0..values.len()).map(|index| values[place(index)]).collect()
}

impl Array {
    /// Rows where the last axes are a z; a flat array may hold several.
    fn rows(&self, dim: usize) -> Result<Vec<Z>, TextError> {
        let ends = |at: usize| self.shape[at..].iter().product::<usize>() == dim;
        if self.shape.len() > 1 && !(0..self.shape.len()).any(ends) && self.values.len().is_multiple_of(dim.max(1)) {
            let shape = self.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
            return Err(wrong(format!("its shape is ({shape}), and a z of this model has {dim} numbers; save z.T")));
        }
        rows_of(&self.values, dim)
    }
}
