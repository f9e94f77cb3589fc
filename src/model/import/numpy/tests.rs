//! Files of numpy as small writers make them: orders, pickled dictionaries, zips, damage.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;

use crate::model::import::bag::Bag;
use crate::model::import::pickle::writer::{Py, call, ints, pickle};
use crate::model::import::source::Source;
use crate::model::import::{Found, read_source};

fn read(bytes: &[u8]) -> Result<Bag, String> {
    match read_source(&Source::from_bytes(bytes.to_vec())) {
        Ok(Found::Bag(bag)) => Ok(bag),
        Ok(Found::Keras) => Err("Keras".into()),
        Err(e) => Err(e.0),
    }
}

fn npy(version: u8, descr: &str, fortran: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}          \n");
    let mut out = vec![0x93, b'N', b'U', b'M', b'P', b'Y', version, 0];
    match version {
        1 => out.extend((header.len() as u16).to_le_bytes()),
        _ => out.extend((header.len() as u32).to_le_bytes()),
    }
    out.extend(header.as_bytes());
    out.extend(bytes);
    out
}

fn npz(entries: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn arrays_of_all_orders_are_read() {
    let big: Vec<u8> = [0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0].iter().flat_map(|v| v.to_be_bytes()).collect();
    let cases: [(Vec<u8>, &[usize], &[f32]); 6] = [
        (npy(1, ">f4", "False", "(2, 3)", &big), &[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
        (npy(2, ">f4", "True", "(2, 3)", &big), &[2, 3], &[0.0, 2.0, 4.0, 1.0, 3.0, 5.0]),
        (npy(3, "<i2", "False", "(1L,)", &[0xff, 0xff]), &[1], &[-1.0]),
        (npy(1, "|b1", "False", "()", &[1]), &[], &[1.0]),
        (npy(1, "<f2", "False", "(0, 3)", &[]), &[0, 3], &[]),
        (npy(1, "<f8", "False", "(1,1)", &2.5f64.to_le_bytes()), &[1, 1], &[2.5]),
    ];
    for (file, shape, values) in cases {
        let bag = read(&file).unwrap();
        let array = bag.get("arr_0").unwrap();
        assert_eq!((array.shape.as_slice(), array.values.as_slice()), (shape, values));
    }
}

/// An array as numpy pickles it.
fn ndarray(code: &str, shape: &[i64], data: Py) -> Py {
    let dtype = Py::Built(
        Box::new(call("numpy", "dtype", vec![code.into(), Py::Int(0), Py::Int(1)])),
        Box::new(Py::Tuple(vec![Py::Int(3), "<".into()])),
    );
    let class = vec![Py::Global("numpy", "ndarray"), ints(&[0]), Py::Bytes(b"b".to_vec())];
    let state = Py::Tuple(vec![Py::Int(1), ints(shape), dtype, Py::Bool(false), data]);
    Py::Built(Box::new(call("numpy.core.multiarray", "_reconstruct", class)), Box::new(state))
}

#[test]
fn a_pickled_dictionary_of_arrays_is_walked() {
    // As the weights of VGG-19 go around: a dictionary of lists, in an array of no axes.
    let bytes = |values: &[f32]| Py::Bytes(values.iter().flat_map(|v| v.to_le_bytes()).collect());
    let layer = Py::List(vec![ndarray("f4", &[1, 2], bytes(&[1.0, 2.0])), ndarray("f4", &[1], bytes(&[3.0]))]);
    // The second one as Python 2 wrote it, where texts are bytes.
    let old = ndarray("f4", &[1], Py::Raw([&b"T\x04\0\0\0"[..], &4.0f32.to_le_bytes()].concat()));
    let layers = Py::Dict(vec![("conv1_1".into(), layer), (Py::Raw(b"U\x03fc6".to_vec()), Py::Tuple(vec![old]))]);
    let object = ndarray("O8", &[], Py::List(vec![layers]));
    let bag = read(&npy(1, "|O", "False", "()", &pickle(&object))).unwrap();
    let names: Vec<_> = bag.arrays.iter().map(|array| (array.name.as_str(), array.values.clone())).collect();
    let wanted = [("conv1_1.0", vec![1.0, 2.0]), ("conv1_1.1", vec![3.0]), ("fc6.0", vec![4.0])];
    assert_eq!(names, wanted);
}

#[test]
fn a_zip_gives_its_arrays_in_order() {
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let number = |value: f32| npy(1, "<f4", "False", "(1,)", &value.to_le_bytes());
        let text = npy(1, "<U1", "False", "(1,)", &[65, 0, 0, 0]);
        let file = npz(&[("conv2/W.npy", number(2.0)), ("a.npy", number(1.0)), ("names.npy", text)], method);
        let bag = read(&file).unwrap();
        let names: Vec<_> = bag.arrays.iter().map(|array| (array.name.as_str(), array.values[0])).collect();
        assert_eq!(names, [("conv2.W", 2.0), ("a", 1.0)]);
        assert!(bag.remarks[0].contains("U1"));
    }
}

#[test]
fn damage_is_a_sentence() {
    let whole = npy(1, "<f4", "False", "(2,)", &[0; 8]);
    for end in 0..whole.len() {
        assert!(read(&whole[..end]).is_err());
    }
    for (file, part) in [
        (npy(1, "<f4", "False", "(4000000000,)", &[0; 8]), "beyond"),
        (npy(1, "<f4", "False", "(99999999999, 99999999999, 0)", &[]), "header"),
        (npy(1, "<c8", "False", "(1,)", &[0; 8]), "c8"),
        (npy(9, "<f4", "False", "(1,)", &[0; 8]), "version 9"),
        (npy(1, "<f4", "False", "4", &[0; 8]), "damaged"),
        (npy(1, "|O", "False", "()", b"\x80\x02cos\nsystem\nX\x01\0\0\0a\x85R."), "os.system"),
    ] {
        let sentence = read(&file).unwrap_err();
        assert!(sentence.contains(part), "{sentence}");
    }
}
