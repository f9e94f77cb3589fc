//! z as text: written as numpy's `array(...)`, read from whatever people have.
//!
//! Every number is written with as many digits as its f64 needs, so that what is read back is the very same point.
//! Reads what numpy, PyTorch, JAX and TensorFlow print ([`brackets`]), columns, CSV and what spreadsheets save
//! ([`table`]), `.npy` and `.npz` ([`npy`]). A form that could be read as other points is refused with its name.

mod brackets;
mod npy;
mod table;

use super::Z;
use crate::hints::plain;

/// What is wrong with a text of z.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum TextError {
    /// A word that is not a finite number.
    #[error(
        "line {line}: \"{word}\" is not a finite number; z is read from what numpy, PyTorch and JAX print, columns, \
         CSV, JSON, .npy and .npz"
    )]
    Word {
        /// The line, from 1.
        line: usize,
        /// The word, cut after 40 characters.
        word: String,
    },
    /// Nothing between two separators.
    #[error("line {line}: a number is missing between two separators")]
    Gap {
        /// The line, from 1.
        line: usize,
    },
    /// numpy left numbers out when it printed them.
    #[error(
        "the numbers were abridged with \"...\" when they were printed; print them again after numpy.set_printoptions(threshold=10**9)"
    )]
    Abridged,
    /// The numbers are not whole rows.
    #[error("it holds {count} numbers, and a z of this model takes {dim}; give a multiple of {dim}")]
    Count {
        /// Numbers in the text.
        count: usize,
        /// Numbers of one z.
        dim: usize,
    },
    /// There is no number at all.
    #[error("it holds no numbers")]
    Empty,
    /// A row in brackets has another length than a z.
    #[error("row {row} has {count} numbers where a z of this model has {dim}")]
    Row {
        /// The row, from 1.
        row: usize,
        /// Its numbers.
        count: usize,
        /// Numbers of one z.
        dim: usize,
    },
    /// The rows are no z: they may stand in columns, or be wrapped.
    #[error(
        "it holds {rows} rows of {each} numbers, and a z of this model has {dim}; where z stands in columns turn it \
         (numpy: z.T), where rows are only wrapped write each z on one line"
    )]
    Turned {
        /// Rows as written.
        rows: usize,
        /// Numbers in each of them.
        each: usize,
        /// Numbers of one z.
        dim: usize,
    },
    /// A .npy or .npz file that cannot be read, and why.
    #[error("not a .npy file that can be read: {0}")]
    Npy(String),
    /// A form that is known and not read, with what to do instead.
    #[error("{0}")]
    Form(String),
}

impl TextError {
    fn word(line: usize, word: &str) -> Self {
        let cut: String = word.chars().take(MOST_SHOWN).collect();
        let more = if cut.len() < word.len() { "…" } else { "" };
        Self::Word { line, word: format!("{}{more}", plain(&cut)) }
    }
}

/// Characters of a wrong word that are shown.
const MOST_SHOWN: usize = 40;

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
/// With the line of what is no number, how many numbers there are where they do not make whole rows, or the name of
/// a form that is not read.
pub fn read(bytes: &[u8], dim: usize) -> Result<Vec<Z>, TextError> {
    if bytes.starts_with(npy::MAGIC) {
        return npy::read(bytes, dim);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return npy::read_zip(bytes, dim);
    }
    if let Some(form) = foreign(bytes) {
        return Err(TextError::Form(form.into()));
    }
    let text = without_comments(&decoded(bytes)?);
    if let Some(unnumbered) = table::without_r_numbers(&text) {
        return table::read(&unnumbered, dim, true);
    }
    match text.contains(['[', '(', '{']) {
        true => brackets::read(&text, dim),
        false => table::read(&text, dim, false),
    }
}

/// Forms that are known by their first bytes, and what to do instead.
const FOREIGN: [(&[u8], &str); 12] = [
    (b"\x80\x02", PICKLE),
    (b"\x80\x03", PICKLE),
    (b"\x80\x04", PICKLE),
    (b"\x80\x05", PICKLE),
    (b"\x89HDF", "it is an HDF5 file, which is not read; save z with numpy.save(\"z.npy\", z)"),
    (b"\x1f\x8b", "it is compressed with gzip; unpack it first (gunzip)"),
    (b"MATLAB ", "it is a MATLAB file, which is not read; write save('z.txt', 'z', '-ascii', '-double')"),
    (b"%PDF", "it is a PDF, not a text of numbers"),
    (b"{\\rtf", "it is a rich text; save it as plain text"),
    (b"\x89PNG", "it is a picture, not a text of numbers"),
    (b"\xff\xd8\xff", "it is a picture, not a text of numbers"),
    (b"GIF8", "it is a picture, not a text of numbers"),
];
const PICKLE: &str =
    "it is a Python pickle, which could run code and is never loaded; save z with numpy.save(\"z.npy\", z)";

fn foreign(bytes: &[u8]) -> Option<&'static str> {
    if let Some((_, says)) = FOREIGN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(says);
    }
    // Eight bytes of length, then a header in JSON.
    let header = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
    let safetensors = bytes.get(8) == Some(&b'{') && header.is_some_and(|len| len < bytes.len() as u64);
    safetensors.then_some("it is a safetensors file, not a text of numbers; save z with numpy.save(\"z.npy\", z)")
}

/// The text of UTF-8 or UTF-16, with or without a byte order mark.
fn decoded(bytes: &[u8]) -> Result<String, TextError> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>()
    };
    // Numbers in UTF-16 have a zero in every other byte.
    let zeros = |from: usize| bytes.len() >= 4 && bytes.iter().take(64).skip(from).step_by(2).all(|b| *b == 0);
    let text = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ if zeros(1) => wide(bytes, u16::from_le_bytes),
        _ if zeros(0) => wide(bytes, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    match text.contains('\0') {
        true => Err(TextError::Form("it is no text; z is read from texts of numbers, .npy and .npz".into())),
        false => Ok(text),
    }
}

/// Comments of numpy.savetxt, of MATLAB and of people taken out; the lines stay.
fn without_comments(text: &str) -> String {
    let code = |line: &str| {
        let end = [line.find('#'), line.find("//")].into_iter().flatten().min().unwrap_or(line.len());
        let line = line[..end].trim_end();
        if line.trim_start().starts_with('%') { String::new() } else { line.to_owned() }
    };
    text.lines().map(code).collect::<Vec<_>>().join("\n")
}

/// A finite number as programs print it; none for any other word.
fn number(word: &str) -> Option<f64> {
    let word = word.replace('\u{2212}', "-");
    let plain = word.strip_suffix(['f', 'F']).unwrap_or(&word);
    let digits = plain.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    plain.parse::<f64>().ok().filter(|value| digits && value.is_finite())
}

/// Rows where only the numbers count and not how they were laid out.
fn rows_of(values: &[f64], dim: usize) -> Result<Vec<Z>, TextError> {
    if values.is_empty() {
        return Err(TextError::Empty);
    }
    if dim == 0 || !values.len().is_multiple_of(dim) {
        return Err(TextError::Count { count: values.len(), dim });
    }
    Ok(values.chunks(dim).map(<[f64]>::to_vec).collect())
}

/// Refuses `rows` rows of `each` numbers that would be cut across: z that stands in columns, above all.
fn check_layout(rows: usize, each: usize, dim: usize) -> Result<(), TextError> {
    let whole = each == 1 || (dim > 0 && (dim.is_multiple_of(each) || each.is_multiple_of(dim)));
    let in_columns = rows == dim && each > 1 && each != dim;
    match rows > 1 && (!whole || in_columns) {
        true => Err(TextError::Turned { rows, each, dim }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
