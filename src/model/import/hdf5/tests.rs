//! Files as h5py and Keras write them, made by the small writer beside, and broken ones.

use std::io::{Cursor, Write};

use super::chunks::unshuffle;
use super::datatype::Element;
use super::source::Sizes;
use super::write::{Attribute, Group, file};
use super::{Hdf5, Kind, Value};

const SIZES: Sizes = Sizes { offset: 8, length: 8 };

fn open(bytes: &[u8]) -> Result<Hdf5<Cursor<&[u8]>>, String> {
    Hdf5::open(Cursor::new(bytes), 0, bytes.len() as u64).map_err(|error| error.to_string())
}

/// The values of one array of a file, or the sentence that says why not.
fn values(bytes: &[u8], path: &str) -> Result<Vec<f32>, String> {
    let mut file = open(bytes)?;
    let root = file.take_root();
    match &root.find(path).expect("it is there").kind {
        Kind::Array(Ok(dataset)) => file.values(dataset).map_err(|error| error.to_string()),
        Kind::Array(Err(error)) => Err(error.to_string()),
        Kind::Group(_) => panic!("a group"),
    }
}

/// A file with one array of 2 by 3 numbers.
fn small() -> Vec<u8> {
    let mut root = Group::default();
    root.array("a/b", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    file(&root)
}

/// Where a message of this kind and length begins in the header of the array, behind its own eight bytes.
fn message(bytes: &[u8], kind: u8, length: u8) -> usize {
    let head = [kind, 0, length, 0, 0, 0, 0, 0];
    bytes.windows(8).position(|window| window == head).expect("the message is there") + 8
}

#[test]
fn what_was_written_is_read() {
    let mut root = Group::default();
    let long = "x".repeat(70_000);
    let names: Vec<String> = (0..300).map(|number| format!("layer_{number}")).collect();
    root.attribute("long", Attribute::Text(long.clone()));
    root.attribute("names", Attribute::Texts(names.clone()));
    root.attribute("fixed", Attribute::Fixed(names.clone()));
    root.attribute("none", Attribute::Fixed(Vec::new()));
    for (number, name) in names.iter().enumerate() {
        root.array(&format!("{name}/vars/0"), &[2], &[number as f32, -1.5]);
    }
    root.array("scalar", &[], &[0.25]);
    let bytes = file(&root);
    let read = open(&bytes).expect("it opens").take_root();
    assert_eq!(read.attribute("long").and_then(Value::text), Some(long.as_str()));
    assert_eq!(read.attribute("names"), Some(&Value::Texts(names.clone())));
    assert_eq!(read.attribute("fixed"), Some(&Value::Texts(names)));
    assert_eq!(read.attribute("none"), Some(&Value::Numbers(Vec::new())));
    assert_eq!(read.nodes().len(), 301);
    assert_eq!(values(&bytes, "layer_299/vars/0"), Ok(vec![299.0, -1.5]));
    assert_eq!(values(&bytes, "scalar"), Ok(vec![0.25]));
}

#[test]
fn numbers_of_every_width_become_f32() {
    let float = |size: u8, exponent: u8, mantissa: u8, order: u8| {
        vec![0x11, 0x20 | order, 0, 0, size, 0, 0, 0, 0, 0, size * 8, 0, mantissa, exponent, 0, mantissa, 0, 0, 0, 0]
    };
    let int = |size: u8, bits: u8| vec![0x10, bits, 0, 0, size, 0, 0, 0, 0, 0, size * 8, 0];
    let check = |datatype: Vec<u8>, bytes: &[u8], expected: f32| {
        let element = Element::read(&datatype, SIZES).expect("it is a type");
        let mut values = Vec::new();
        assert!(element.numbers(bytes, &mut values), "{element:?}");
        assert_eq!(values, [expected], "{element:?}");
    };
    check(float(2, 5, 10, 0), &half::f16::from_f32(-1.5).to_le_bytes(), -1.5);
    check(float(2, 8, 7, 0), &half::bf16::from_f32(-1.5).to_le_bytes(), -1.5);
    check(float(4, 8, 23, 1), &2.5_f32.to_be_bytes(), 2.5);
    check(float(8, 11, 52, 0), &0.1_f64.to_le_bytes(), 0.1);
    check(int(1, 8), &[0xfe], -2.0);
    check(int(1, 0), &[0xfe], 254.0);
    check(int(8, 8), &(-7_i64).to_le_bytes(), -7.0);
    check(int(2, 9), &(-300_i16).to_be_bytes(), -300.0);
    check(vec![0x15, 0, 0, 0, 2, 0, 0, 0], &half::bf16::from_f32(3.0).to_le_bytes(), 3.0);
}

#[test]
fn shuffled_bytes_come_back() {
    assert_eq!(unshuffle(&[1, 5, 2, 6, 3, 7, 4, 8, 9], 4), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(unshuffle(&[1, 2], 1), [1, 2]);
}

/// The array of `small` in two compressed chunks of 2 by 2, the second of which hangs over the edge.
fn chunked() -> Vec<u8> {
    let mut bytes = small();
    let packed = |values: &[f32]| {
        let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>()).expect("memory");
        out.finish().expect("memory")
    };
    let mut tree = b"TREE\x01\0\x02\0".to_vec();
    tree.extend([0xff; 16]);
    for (corner, values) in [(0_u64, [1.0, 2.0, 4.0, 5.0]), (2, [3.0, 99.0, 6.0, 99.0])] {
        let chunk = packed(&values);
        tree.extend((chunk.len() as u32).to_le_bytes());
        tree.extend([0; 12]);
        tree.extend(corner.to_le_bytes());
        tree.extend([0; 8]);
        tree.extend((bytes.len() as u64).to_le_bytes());
        bytes.extend(chunk);
    }
    let mut layout = vec![3, 2, 3];
    layout.extend((bytes.len() as u64).to_le_bytes());
    layout.extend([2, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0]);
    bytes.extend(tree);
    let at = message(&bytes, 8, 24);
    bytes.splice(at..at + layout.len(), layout);
    // The message of fill values becomes that of filters: deflate alone.
    let at = message(&bytes, 5, 8);
    bytes[at - 8] = 0x0b;
    bytes.splice(at..at + 8, [2, 1, 1, 0, 0, 0, 0, 0]);
    let end = bytes.len() as u64;
    bytes.splice(40..48, end.to_le_bytes());
    bytes
}

#[test]
fn compressed_chunks_are_unpacked() {
    assert_eq!(values(&chunked(), "a/b"), Ok(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    let mut other = chunked();
    let at = message(&other, 0x0b, 8);
    other[at + 2] = 4;
    assert!(values(&other, "a/b").unwrap_err().contains("filter that is not read (number 4)"));
}

#[test]
fn broken_files_end_in_a_sentence() {
    let sound = small();
    assert!(open(b"not HDF5 at all").is_err_and(|error| error.contains("does not begin as HDF5")));
    for tenth in 0..10 {
        let cut = &sound[..sound.len() * tenth / 10];
        let error = open(cut).map(|_| ()).unwrap_err();
        assert!(error.contains("cut short") || error.contains("does not begin"), "{error}");
    }
    // The first entry of the root's leaf names the root.
    let mut circle = sound.clone();
    let root = circle[64..72].to_vec();
    let leaf = circle.windows(4).rposition(|window| window == b"SNOD").expect("a leaf");
    circle.splice(leaf + 16..leaf + 24, root);
    assert!(open(&circle).is_err_and(|error| error.contains("contains itself")));
    // A shape that the file cannot back.
    let mut claim = sound.clone();
    let at = message(&claim, 1, 24);
    claim.splice(at + 8..at + 16, (1_u64 << 30).to_le_bytes());
    assert!(values(&claim, "a/b").unwrap_err().contains("many times more"));
    claim.splice(at + 8..at + 16, u64::MAX.to_le_bytes());
    assert!(values(&claim, "a/b").unwrap_err().contains("more numbers than any machine"));
}

#[test]
fn no_changed_byte_makes_the_reader_fail_otherwise() {
    for sound in [small(), chunked()] {
        for at in (0..sound.len()).filter(|at| sound[*at] != 0 || at % 16 == 0) {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = sound.clone();
                bytes[at] = value;
                let Ok(mut file) = open(&bytes) else { continue };
                let root = file.take_root();
                for (_, group) in root.nodes() {
                    for (_, node) in group.nodes() {
                        if let Kind::Array(Ok(dataset)) = &node.kind {
                            let _ = file.values(dataset);
                        }
                    }
                }
            }
        }
    }
}
