//! Every form in which people have z, read or refused.

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
    reads("0\n0.5\n-1.25\n2.0\n", &[A]);
    reads(",0\n0,0.5\n1,-1.25\n2,2.0\n", &[A]);
    reads("0,5;-1,25;2,0;;\r\n;;;;\r\n", &[A]);
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
        npy_of("<f8", false, "(2L, 3L)", &little),
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
    for cut in [npy("<f8", &eight[..9]), npy("<i8", &eight), npy("<f8", &[])[..20].to_vec(), b"\x93NUMPY".to_vec()] {
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
