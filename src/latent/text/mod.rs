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
    #[error(
        "line {line}: \"{word}\" is not a finite number; z is read from what numpy, PyTorch and JAX print, columns, \
         CSV, JSON, .npy and .npz"
    )]
    Word { line: usize, word: String },
    #[error("line {line}: a number is missing between two separators")]
    Gap { line: usize },
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
    #[error(
        "it holds {rows} rows of {each} numbers, and a z of this model has {dim}; where z stands in columns turn it \
         (numpy: z.T), where rows are only wrapped write each z on one line"
    )]
    Turned { rows: usize, each: usize, dim: usize },
    #[error("not a .npy file that can be read: {0}")]
    Npy(String),
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

    /// The points of three dimensions that stand in the texts of the tests that follow.
    const A: [f64; 3] = [0.5, -1.25, 2.0];
    const B: [f64; 3] = [1.5, 0.125, -0.75];

    fn reads(text: &str, rows: &[[f64; 3]]) {
        let read = read(text.as_bytes(), 3).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(read, rows, "{text}");
    }

    fn refuses(text: &str, dim: usize, words: &str) {
        let why = read(text.as_bytes(), dim).err().unwrap_or_else(|| panic!("{text} was read")).to_string();
        assert!(why.contains(words), "{text}: {why}");
    }

    #[test]
    fn what_libraries_print_is_read() {
        reads("[np.float64(0.5), np.float64(-1.25), np.float64(2.0)]", &[A]);
        reads("[np.float32(0.5), np.float32(-1.25), np.float32(2.0)]", &[A]);
        reads("[array([0.5, -1.25, 2.], dtype=float32), array([1.5, 0.125, -0.75], dtype=float32)]", &[A, B]);
        reads("[array([0.5, -1.25, 2.],\n      dtype=float32), array([1.5,\n  0.125, -0.75], dtype=float32)]", &[A, B]);
        // A bracket too many, as where lists were put together by hand.
        reads("[array([0.5, -1.25, 2.]), array([1.5],\n  0.125, -0.75], dtype=float32)]", &[A, B]);
        reads("tensor([[ 0.5000, -1.2500,  2.0000]], device='cuda:0')", &[A]);
        reads("tensor([[0.5, -1.25, 2.]],\n       device='cuda:0', dtype=torch.float64, grad_fn=<AddBackward0>)", &[A]);
        reads("Parameter containing:\ntensor([0.5, -1.25, 2.], requires_grad=True)", &[A]);
        reads("[tensor([0.5, -1.25, 2.]), tensor([1.5, 0.125, -0.75])]", &[A, B]);
        reads("tensor([[[[0.5]], [[-1.25]], [[2.0]]]])", &[A]);
        reads("Array([ 0.5 , -1.25,  2.  ], dtype=float32)", &[A]);
        reads("DeviceArray([[0.5, -1.25, 2.], [1.5, 0.125, -0.75]], dtype=float32)", &[A, B]);
        reads("<tf.Tensor: shape=(1, 3), dtype=float32, numpy=\narray([[ 0.5 , -1.25,  2. ]], dtype=float32)>", &[A]);
        reads("tf.Tensor([[ 0.5 -1.25 2. ]], shape=(1, 3), dtype=float32)", &[A]);
    }

    #[test]
    fn what_people_write_is_read() {
        reads("z = [0.5, -1.25, 2.0]", &[A]);
        reads("z: [0.5, -1.25, 2.0]", &[A]);
        reads("z = [0.5 -1.25 2.0; 1.5 0.125 -0.75];", &[A, B]);
        reads("c(0.5, -1.25, 2.0)", &[A]);
        reads("\"0.5\",\"-1.25\",\"2.0\"\n", &[A]);
        reads("0.5f, \u{2212}1.25f, 2.0f", &[A]);
        reads("# seeds 0...99, mine\n0.5,-1.25,2.0 // and so on ...\n% of MATLAB\n", &[A]);
        reads(" [1]  0.500 -1.250\n [3]  2.000\n", &[A]);
        reads("0    0.5\n1   -1.25\n2    2.0\nName: z, dtype: float64", &[A]);
    }

    #[test]
    fn every_encoding_of_a_text_is_read() {
        let text = "array([[0.5, -1.25, 2.0]])\r\n";
        let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let (little, big) = (wide(u16::to_le_bytes), wide(u16::to_be_bytes));
        for bytes in [
            [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat(),
            [&[0xff, 0xfe], &little[..]].concat(),
            [&[0xfe, 0xff], &big[..]].concat(),
            little,
            big,
        ] {
            assert_eq!(read(&bytes, 3).unwrap(), [A], "{bytes:?}");
        }
        assert_eq!(read(b"\xef\xbb\xbf0.5,-1.25,2.0\r\n", 3).unwrap(), [A]);
    }

    #[test]
    fn what_spreadsheets_save_is_read() {
        // Decimal commas.
        reads("0,5;-1,25;2,0\r\n", &[A]);
        reads("0,5\t-1,25\t2\r\n1,5\t0,125\t-7,5E-01\r\n", &[A, B]);
        reads("0,5\n-1,25\n2,0\n", &[A]);
        reads("\"0,5\",\"-1,25\",\"2,0\"", &[A]);
        reads("x;y;z\r\n0,5;-1,25;2,0", &[A]);
        // Headings, in words and in numbers, and the numbers of rows.
        reads("x,y,z\n0.5,-1.25,2.0\n", &[A]);
        reads("0,1,2\n0.5,-1.25,2.0\n1.5,0.125,-0.75\n", &[A, B]);
        reads("1,2,3\n0.5,-1.25,2.0\n", &[A]);
        reads(",0,1,2\n0,0.5,-1.25,2.0\n1,1.5,0.125,-0.75\n", &[A, B]);
        reads("seed,0,1,2\n7,0.5,-1.25,2.0\n23,1.5,0.125,-0.75\n", &[A, B]);
        reads("0,0.5,-1.25,2.0\n1,1.5,0.125,-0.75\n", &[A, B]);
        reads("\"\",\"V1\",\"V2\",\"V3\"\n\"1\",0.5,-1.25,2.0\n", &[A]);
        reads("z\n0.5\n-1.25\n2.0\n", &[A]);
        // Whole numbers alone may be a z.
        reads("0,1,2\n3,4,5\n", &[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]);
    }

    #[test]
    fn what_could_be_other_points_is_refused() {
        // Columns of z instead of rows.
        refuses("0.5 1.5\n-1.25 0.125\n2.0 -0.75\n", 3, "3 rows of 2 numbers");
        refuses("[[0.5, 1.5], [-1.25, 0.125], [2.0, -0.75]]", 3, "z.T");
        refuses("0.5 1.5\n-1.25 0.125\n2.0 -0.75\n0.5 0.5\n", 4, "4 rows of 2 numbers");
        refuses("0.5,,2.0", 2, "line 1: a number is missing");
        refuses("nan,nan\n0.5,0.5", 2, "line 1: \"nan\"");
        refuses("7 [0.5, -1.25, 2.0]", 2, "beside the brackets");
        refuses("7 0.5 0.3", 2, "it holds 3 numbers");
        refuses("1e-04 *\n[0.5, 1.0]", 2, "\"*\" is not a finite number");
        refuses("{\"seed\": 7, \"z\": [0.5, 1.0]}", 3, "give the list of numbers alone");
        refuses("[0.5, 1.0, ..., 2.0]", 2, "abridged");
        refuses("0.5 1.0 ... 2.0", 2, "abridged");
        refuses("[0.5, nan]", 2, "\"nan\"");
    }

    #[test]
    fn a_form_that_is_not_read_is_named() {
        let check = |bytes: &[u8], words: &str| {
            let why = read(bytes, 2).unwrap_err().to_string();
            assert!(why.contains(words) && !why.contains(char::is_control), "{why:?}");
        };
        check(b"\x80\x04\x95\x00\x00", "pickle");
        check(b"\x89HDF\r\n\x1a\n", "HDF5");
        check(b"\x1f\x8b\x08\x00", "gunzip");
        check(b"MATLAB 5.0 MAT-file", "MATLAB");
        check(b"\x89PNG\r\n\x1a\n", "picture");
        check(b"\x10\0\0\0\0\0\0\0{\"z\":{}}         ", "safetensors");
        check(b"0.5 \0\x01\x02\x03 1", "it is no text");
        // What stands in a file cannot act on a terminal, nor fill it.
        check(b"1 \x1b[2J\x07", "\"\\u{1b}");
        check(format!("1 {}", "x".repeat(5000)).as_bytes(), "xxx…\" is not");
    }

    /// A `.npy` file.
    fn npy_of(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
        let fortran = if fortran { "True" } else { "False" };
        let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn npy_files_of_every_order_are_read_and_shapes_are_kept() {
        let both = [A, B].concat();
        let little: Vec<u8> = both.iter().flat_map(|v| v.to_le_bytes()).collect();
        let big: Vec<u8> = both.iter().flat_map(|v| (*v as f32).to_be_bytes()).collect();
        let half: Vec<u8> = both.iter().flat_map(|v| half::f16::from_f64(*v).to_le_bytes()).collect();
        let columns: Vec<u8> = (0..3).flat_map(|i| [A[i], B[i]]).flat_map(f64::to_le_bytes).collect();
        for npy in [
            npy_of("<f8", false, "(2, 3)", &little),
            npy_of("<f8", false, "(1, 2, 3)", &little),
            npy_of("<f8", false, "(2, 3, 1, 1)", &little),
            npy_of("<f8", false, "(6,)", &little),
            npy_of(">f4", false, "(2, 3)", &big),
            npy_of("<f2", false, "(2, 3)", &half),
            npy_of("<f8", true, "(2, 3)", &columns),
        ] {
            assert_eq!(read(&npy, 3).unwrap(), [A, B], "{}", String::from_utf8_lossy(&npy));
        }
        let why = read(&npy_of("<f8", false, "(3, 2)", &little), 3).unwrap_err().to_string();
        assert!(why.contains("its shape is (3, 2)") && why.contains("z.T"), "{why}");
    }

    /// A `.npz` file.
    fn npz(arrays: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        for (name, bytes) in arrays {
            zip.start_file(*name, options).unwrap();
            std::io::Write::write_all(&mut zip, bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn the_array_of_an_npz_file_is_found() {
        let data: Vec<u8> = A.iter().flat_map(|v| v.to_le_bytes()).collect();
        let z = npy_of("<f8", false, "(1, 3)", &data);
        let other = npy_of("<f8", false, "(1,)", &data[..8]);
        let (stored, packed) = (zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated);
        for npz in [
            npz(&[("projected.npy", &z)], stored),
            npz(&[("w.npy", &z)], packed),
            npz(&[("psi.npy", &other), ("z.npy", &z)], packed),
        ] {
            assert_eq!(read(&npz, 3).unwrap(), [A]);
        }
        let why = |npz: Vec<u8>| read(&npz, 3).unwrap_err().to_string();
        assert!(why(npz(&[("a.npy", &z), ("b.npy", &z)], stored)).contains("several arrays (a, b)"));
        assert!(why(npz(&[("archive/data.pkl", b"x")], stored)).contains("torch.save"));
        assert!(why(npz(&[("xl/workbook.xml", b"x")], stored)).contains("spreadsheet"));
        assert!(why(npz(&[("a.txt", b"x")], stored)).contains("without arrays"));
        let mut damaged = npz(&[("w.npy", &z)], packed);
        damaged[45] ^= 0xff;
        assert!(matches!(read(&damaged, 3), Err(TextError::Npy(_))));
        assert!(why(npz(&[("w.npy", &z)], stored)[..40].to_vec()).contains("damaged"));
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
