//! The machine by itself: opcodes of every protocol, sharing, calls that are not made, damage.

use super::writer::{Py, call, dict, pickle};
use super::*;
use crate::model::import::source::Source;

fn heap(bytes: &[u8]) -> Heap {
    read(&Source::from_bytes(bytes.to_vec()), 0).unwrap().0
}

fn sentence(bytes: &[u8]) -> String {
    read(&Source::from_bytes(bytes.to_vec()), 0).err().unwrap().0
}

#[test]
fn lines_of_the_oldest_protocols_are_read() {
    let heap = heap(b"(dp0\nVa\\u00e4\np1\nF1.5\nsS'b\\x00\\n\"'\nI01\nsL123456789012345678901234567890L\nI-7\ns.");
    let Value::Dict(pairs) = heap.get(heap.root) else { panic!() };
    assert_eq!(pairs.len(), 3);
    assert_eq!(heap.text(pairs[0].0).unwrap(), "aä");
    assert_eq!(heap.get(pairs[0].1), &Value::Float(1.5));
    assert_eq!(heap.text(pairs[1].0).unwrap(), "b\0\n\"");
    assert_eq!(heap.get(pairs[1].1), &Value::Bool(true));
    assert!(matches!(heap.get(pairs[2].0), Value::Big(_)));
    assert_eq!(heap.int(pairs[2].1), Some(-7));
}

#[test]
fn the_memo_shares_and_does_not_copy() {
    // A list that is put into a tuple three times, and changed after that.
    let heap = heap(b"\x80\x04\x95\0\0\0\0\0\0\0\0]\x94h\0h\0\x870h\0K\x05a0h\0h\0\x86.");
    let members = heap.members(heap.root).unwrap();
    assert_eq!(members[0], members[1]);
    assert_eq!(heap.int(heap.member(members[0], 0)), Some(5));
}

#[test]
fn integers_have_any_length_and_a_sign() {
    let cases: [(&[u8], i64); 5] = [
        (b"\x8a\x00.", 0),
        (b"\x8a\x01\xff.", -1),
        (b"\x8a\x02\x00\x80.", -32768),
        (b"J\xfe\xff\xff\xff.", -2),
        (b"\x8b\x03\0\0\0\x01\x02\x03.", 0x30201),
    ];
    for (bytes, wanted) in cases {
        let heap = heap(bytes);
        assert_eq!(heap.int(heap.root), Some(wanted), "{bytes:?}");
    }
}

#[test]
fn a_call_is_a_note_of_what_was_asked() {
    let heap = heap(&pickle(&call("os", "system", vec!["rm -rf /".into()])));
    let Meaning::Other(name) = heap.meaning(heap.root) else { panic!() };
    assert_eq!(name, "os.system");
}

#[test]
fn dictionaries_of_all_makes_are_dictionaries() {
    let pairs = || vec![("a".into(), Py::Int(1))];
    let ordered = || call("collections", "OrderedDict", vec![]);
    let python2 = call("collections", "OrderedDict", vec![Py::List(vec![Py::List(vec!["a".into(), Py::Int(1)])])]);
    let easy = Py::Raw(b"cdnnlib.util\nEasyDict\n)\x81X\x01\0\0\0aK\x01s".to_vec());
    for made in [Py::Dict(pairs()), Py::Filled(Box::new(ordered()), pairs()), python2, easy] {
        let heap = heap(&pickle(&made));
        let Meaning::Dict(found) = heap.meaning(heap.root) else { panic!() };
        assert_eq!((heap.text(found[0].0).as_deref(), heap.int(found[0].1)), (Some("a"), Some(1)));
    }
}

#[test]
fn long_texts_stay_in_the_file() {
    let long = "x".repeat(100_000);
    let bytes = pickle(&dict([("source", long.as_str().into()), ("n", Py::Int(3))]));
    let heap = heap(&bytes);
    assert_eq!(heap.text(heap.entry(heap.root, "source").unwrap()), None);
    assert_eq!(heap.length(heap.entry(heap.root, "source").unwrap()), 100_000);
    assert_eq!(heap.int(heap.entry(heap.root, "n").unwrap()), Some(3));
}

#[test]
fn damage_is_a_sentence() {
    let whole = pickle(&dict([("a", Py::List(vec![Py::Float(1.0), Py::Bytes(vec![0; 90])]))]));
    for end in 0..whole.len() {
        assert!(sentence(&whole[..end]).contains("ends too early"), "{end}");
    }
    for (bytes, part) in [
        (&b"0."[..], "damaged"),
        (b"h\x07.", "damaged"),
        (b"t.", "damaged"),
        (b"K\x01K\x01a.", "damaged"),
        (b"(.", "damaged"),
        (b"\xff.", "opcode 0xff"),
        (b"\x80\x09N.", "protocol 9"),
        (b"\x82\x01.", "extension"),
        (b"\x97.", "outside"),
        (b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f", "ends too early"),
        (b"\x8b\xff\xff\xff\xff.", "ends too early"),
    ] {
        assert!(sentence(bytes).contains(part), "{bytes:?}: {}", sentence(bytes));
    }
}

#[test]
fn millions_of_values_are_refused() {
    assert!(sentence(&b"]".repeat(2_000_000)).contains("million"));
    assert!(sentence(&b"N".repeat(9_000_000)).contains("million"));
}
