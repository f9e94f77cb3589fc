//! Files of safetensors: by hand, by the crate, and damaged.

use safetensors::tensor::{Dtype, TensorView};

use super::*;

fn file(header: &str, bytes: &[u8]) -> Source {
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(header.as_bytes());
    out.extend(bytes);
    Source::from_bytes(out)
}

#[test]
fn arrays_come_in_the_order_of_their_bytes() {
    let header = r#"{"z":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"__metadata__":{"format":"pt"},
        "a":{"dtype":"I32","shape":[],"data_offsets":[4,8]}}"#;
    let bag = read(&file(header, &[0x80, 0x3f, 0xc0, 0x3f, 7, 0, 0, 0])).unwrap();
    let found: Vec<_> =
        bag.arrays.iter().map(|array| (array.name.as_str(), array.values.clone(), array.whole)).collect();
    assert_eq!(found, [("z", vec![1.0, 1.5], false), ("a", vec![7.0], true)]);
    assert_eq!(bag.config["__metadata__"]["format"], "pt");
}

#[test]
fn what_the_crate_writes_is_read() {
    let bytes: Vec<u8> = [1.0f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F64, vec![1, 2], &bytes).unwrap();
    let bytes = safetensors::serialize([("w", view)], None).unwrap();
    let bag = read(&Source::from_bytes(bytes.clone())).unwrap();
    assert_eq!((bag.arrays[0].shape.as_slice(), bag.arrays[0].values.as_slice()), (&[1, 2][..], &[1.0, -2.0][..]));
    for end in 0..bytes.len() {
        assert!(read(&Source::from_bytes(bytes[..end].to_vec())).is_err(), "{end}");
    }
}

#[test]
fn damage_is_a_sentence() {
    let float8 = r#"{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}"#;
    let claim = r#"{"a":{"dtype":"F32","shape":[1000000000],"data_offsets":[0,4000000000]}}"#;
    let huge = r#"{"a":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,4]}}"#;
    for (header, part) in [(float8, "F8_E4M3"), (claim, "ends too early"), (huge, "damaged"), ("{}", "no arrays")] {
        let sentence = read(&file(header, if header == "{}" { &[] } else { &[0] })).unwrap_err().0;
        assert!(sentence.contains(part), "{sentence}");
    }
    let mut long = (1u64 << 62).to_le_bytes().to_vec();
    long.extend(b"{}");
    assert!(!is_one(&Source::from_bytes(long)).unwrap());
}
