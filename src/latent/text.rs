//! z as text: written as numpy's `array(...)`, read from whatever people have.
//!
//! Every number is written with as many digits as its f64 needs, so that what is read back is the
//! very same point. Reads numpy's repr (fixed or scientific), plain columns, CSV, JSON and `.npy`.

use super::Z;

/// What is wrong with a text of z.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum TextError {
    #[error(
        "line {line}: \"{word}\" is not a finite number; z is read from numpy's array(...), columns, CSV, JSON or .npy"
    )]
    Word { line: usize, word: String },
    #[error(
        "the numbers were abridged with \"...\" when they were printed; print them again after numpy.set_printoptions(threshold=10**9)"
    )]
    Abridged,
    #[error("it holds {count} numbers, and a z of this model takes {dim}; give a multiple of {dim}")]
    Count { count: usize, dim: usize },
    #[error("it holds no numbers")]
    Empty,
    #[error("row {row} has {count} numbers where a z of this model has {dim}")]
    Row { row: usize, count: usize, dim: usize },
    #[error("not a .npy file that can be read: {0}")]
    Npy(String),
}

/// Numbers on a line, as numpy prints vectors of normals.
const PER_LINE: usize = 3;

/// Rows as `array([[…], […]])`, three numbers a line, nothing lost.
pub fn write(rows: &[Z]) -> String {
    let cell = |v: f64| {
        let text = format!("{v:e}");
        // 1.5e0 → 1.5e+00, as numpy writes exponents.
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let point = if digits.contains('.') { "" } else { "." };
        format!("{digits}{point}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
    };
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|v| cell(*v)).collect()).collect();
    let width = cells.iter().flatten().map(String::len).max().unwrap_or(0);
    let rows: Vec<String> = cells
        .iter()
        .map(|row| {
            let lines: Vec<String> = row
                .chunks(PER_LINE)
                .map(|line| line.iter().map(|c| format!("{c:>width$}")).collect::<Vec<_>>().join(", "))
                .collect();
            format!("[{}]", lines.join(",\n        "))
        })
        .collect();
    format!("array([{}])\n", rows.join(",\n       "))
}

/// Reads rows of `dim` numbers from the bytes of any of the formats.
///
/// # Errors
/// With the line of what is no number, or how many numbers there are where they do not make whole
/// rows.
pub fn read(bytes: &[u8], dim: usize) -> Result<Vec<Z>, TextError> {
    if bytes.starts_with(b"\x93NUMPY") {
        return rows_of(read_npy(bytes)?, dim);
    }
    let text = String::from_utf8_lossy(bytes);
    if text.contains("...") {
        return Err(TextError::Abridged);
    }
    let mut rows: Vec<Z> = Vec::new();
    let mut row: Z = Vec::new();
    for (at, line) in text.lines().enumerate() {
        // Comments of numpy.savetxt and of people; words that wrap the numbers.
        let line = line.split('#').next().unwrap_or_default();
        let line = line.replace("np.", " ").replace("numpy.", " ").replace("array", " ");
        let line = strip_dtype(&line);
        let mut word = String::new();
        for c in line.chars().chain([' ']) {
            if !matches!(c, '[' | ']' | '(' | ')' | ',' | ';') && !c.is_whitespace() {
                word.push(c);
                continue;
            }
            if !word.is_empty() {
                let value = word.parse::<f64>().ok().filter(|v| v.is_finite());
                row.push(value.ok_or_else(|| TextError::Word { line: at + 1, word: word.clone() })?);
                word.clear();
            }
            if c == ']' && !row.is_empty() {
                rows.push(std::mem::take(&mut row));
            }
        }
    }
    if !rows.is_empty() && row.is_empty() {
        // Brackets said where rows end; a lone flat list may still hold several.
        if rows.len() == 1 || rows.iter().all(|r| r.len() == rows[0].len() && r.len() < dim) {
            return rows_of(rows.concat(), dim);
        }
        for (at, row) in rows.iter().enumerate() {
            if row.len() != dim {
                return Err(TextError::Row { row: at + 1, count: row.len(), dim });
            }
        }
        return Ok(rows);
    }
    rows.push(row);
    rows_of(rows.concat(), dim)
}

/// Cuts off `, dtype=float32` and the like, which newer numpy prints behind the numbers.
fn strip_dtype(line: &str) -> String {
    match line.split_once("dtype") {
        Some((before, _)) => before.to_owned(),
        None => line.to_owned(),
    }
}

fn rows_of(values: Vec<f64>, dim: usize) -> Result<Vec<Z>, TextError> {
    if values.is_empty() {
        return Err(TextError::Empty);
    }
    if dim == 0 || !values.len().is_multiple_of(dim) {
        return Err(TextError::Count { count: values.len(), dim });
    }
    Ok(values.chunks(dim).map(<[f64]>::to_vec).collect())
}

/// Little-endian f4 or f8 in C order, format versions 1 to 3.
fn read_npy(bytes: &[u8]) -> Result<Vec<f64>, TextError> {
    let wrong = |why: &str| TextError::Npy(why.into());
    let version = *bytes.get(6).ok_or_else(|| wrong("it is cut short"))?;
    let (from, length) = match version {
        1 => (10, bytes.get(8..10).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]])))),
        _ => (12, bytes.get(8..12).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)),
    };
    let end = length.and_then(|l| l.checked_add(from)).ok_or_else(|| wrong("it is cut short"))?;
    let header = bytes.get(from..end).ok_or_else(|| wrong("it is cut short"))?;
    let header: String = String::from_utf8_lossy(header).split_whitespace().collect();
    if header.contains("'fortran_order':True") {
        return Err(wrong("it is in Fortran order; save numpy.ascontiguousarray(z)"));
    }
    let data = &bytes[end..];
    let values: Vec<f64> = if header.contains("'<f8'") {
        data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect()
    } else if header.contains("'<f4'") {
        data.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect()
    } else {
        return Err(wrong("it is neither float64 nor float32; save z.astype(float)"));
    };
    let shape = header.split("'shape':(").nth(1).and_then(|s| s.split(')').next()).unwrap_or_default();
    let count = shape.split(',').filter(|s| !s.is_empty()).map(|s| s.parse::<usize>().unwrap_or(0)).product::<usize>();
    if count != values.len() {
        return Err(wrong("it holds fewer or more numbers than its header says"));
    }
    match values.iter().all(|v| v.is_finite()) {
        true => Ok(values),
        false => Err(wrong("it holds numbers that are not finite")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::seed;

    #[test]
    fn what_is_written_comes_back_to_the_bit() {
        let rows = vec![seed(1, 100), seed(2, 100), vec![1e-300; 100], vec![0.0; 100], vec![-3.0; 100]];
        assert_eq!(read(write(&rows).as_bytes(), 100).unwrap(), rows);
    }

    #[test]
    fn the_text_looks_like_numpys() {
        let text = write(&[vec![1.5, -2.0, 0.25, 1e-7]]);
        assert_eq!(text, "array([[1.5e+00, -2.e+00, 2.5e-01,\n         1.e-07]])\n");
    }

    #[test]
    fn every_format_is_read() {
        let check = |text: &str, rows: usize| {
            let read = read(text.as_bytes(), 2).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(read.concat(), (1..=2 * rows).map(|v| v as f64 / 2.0).collect::<Vec<_>>(), "{text}");
        };
        check("array([[ 5.00000000e-01,  1.00000000e+00],\n       [ 1.5, 2. ]])", 2);
        check("np.array([[0.5, 1.], [1.5, 2.]], dtype=float32)", 2);
        check("0.5 1.0\n1.5 2.0\n", 2);
        check("# saved by numpy\n0.5,1.0\n1.5,2.0", 2);
        check("[[0.5, 1], [1.5, 2]]", 2);
        check("[0.5, 1, 1.5, 2]", 2);
        check("0.5;1", 1);
        check("0.5\n1\n1.5\n2\n", 2);
        check("[[0.5], [1]]", 1);
    }

    #[test]
    fn an_npy_file_is_read_or_refused() {
        let npy = |descr: &str, data: &[u8]| {
            let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (1, 2), }}");
            header.push_str(&" ".repeat(118 - 1 - header.len() % 64));
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((header.len() as u16).to_le_bytes());
            bytes.extend(header.as_bytes());
            bytes.extend(data);
            bytes
        };
        let eight: Vec<u8> = [0.5f64, 1.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let four: Vec<u8> = [0.5f32, 1.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(read(&npy("<f8", &eight), 2).unwrap(), [[0.5, 1.0]]);
        assert_eq!(read(&npy("<f4", &four), 2).unwrap(), [[0.5, 1.0]]);
        for cut in [npy("<f8", &eight[..9]), npy("<i8", &eight), npy("<f8", &[])[..20].to_vec(), b"\x93NUMPY".to_vec()]
        {
            assert!(matches!(read(&cut, 2), Err(TextError::Npy(_))));
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert_eq!(read(b"1 2\n3 four", 2), Err(TextError::Word { line: 2, word: "four".into() }));
        assert_eq!(read(b"1 nan", 2), Err(TextError::Word { line: 1, word: "nan".into() }));
        assert_eq!(read(b"1 2 3", 2), Err(TextError::Count { count: 3, dim: 2 }));
        assert_eq!(read(b"[[1, 2], [3]]", 2), Err(TextError::Row { row: 2, count: 1, dim: 2 }));
        assert_eq!(read(b"array([1, ..., 2])", 2), Err(TextError::Abridged));
        assert_eq!(read(b"", 2), Err(TextError::Empty));
    }
}
