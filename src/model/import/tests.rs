//! What a file is by its first bytes: formats that are named, claims that nothing backs, zips of other things.

use super::*;

fn sentence(bytes: &[u8]) -> String {
    match read_source(&Source::from_bytes(bytes.to_vec())) {
        Err(e) => e.0,
        Ok(_) => panic!("{bytes:?} was read"),
    }
}

#[test]
fn formats_that_are_not_read_are_named() {
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    let mut table = vec![0; 64];
    table[56..].copy_from_slice(&[0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]);
    let cases: [(&[u8], &str); 15] = [
        (b"\x08\x07\x12\x07pytorch\x1a\x041.13", "no weights"),
        (b"\x08\x01\x12\x07", "SavedModel"),
        (b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1\x10\0\0\0", "Torch7"),
        (b"4\n1\n3\nV 1\n13\nnn.Sequential\n", "Torch7"),
        (b"7767517\n75 83\nInput data 0 1 data", "ncnn"),
        (b"\x47\x6b\x30\x01\0\0\0\0", "ncnn"),
        (b"{\"format\": \"layers-model\", \"modelTopology\": {}}", "TensorFlow.js"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b"\x0a\x05VGG19\xa2\x06\x10", "Caffe"),
        (b"name: \"VGG_ILSVRC_19_layers\"\n", "Caffe"),
        (b"<!DOCTYPE html><html>", "page of the web"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (&tar, "tar"),
        (&table, "checkpoint of TensorFlow"),
        (b"\x1f\x8b\x08\0", "gunzip"),
    ];
    for (bytes, part) in cases {
        assert!(sentence(bytes).contains(part), "{bytes:?}: {}", sentence(bytes));
    }
    for bytes in [&b"class Net:\n  pass\n"[..], b"hello", b"\0\0\0\0\0\0\0\0\0\0"] {
        assert!(sentence(bytes).contains("not known"), "{}", sentence(bytes));
    }
    assert!(sentence(b"").contains("empty"));
}

#[test]
fn claims_of_gigabytes_in_a_hundred_bytes_are_sentences() {
    let cases: [&[u8]; 5] = [
        b"\x80\x04\x8e\0\0\0\0\x01\0\0\0abc.",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f}.",
        b"\x80\x02X\xff\xff\xff\xffabc.",
        b"\x93NUMPY\x02\0\xff\xff\xff\xff{'descr'",
        b"\0\0\0\x04\0\0\0\0{\"a\"",
    ];
    for bytes in cases {
        assert!(sentence(bytes).len() > 20);
    }
}

#[test]
fn zips_of_other_things_say_what_is_in_them() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("model/readme.txt", zip::write::SimpleFileOptions::default()).unwrap();
    let file = zip.finish().unwrap().into_inner();
    assert!(sentence(&file).contains("model/readme.txt"));
}

#[test]
fn files_of_keras_are_handed_over() {
    let source = Source::from_bytes(b"\x89HDF\r\n\x1a\n\0\0\0\0".to_vec());
    assert!(matches!(read_source(&source), Ok(Found::Keras)));
}

#[test]
fn folders_and_missing_files_are_sentences() {
    assert!(read(&std::env::temp_dir()).unwrap_err().0.contains("folder"));
    assert!(read(Path::new("/no/such/file")).unwrap_err().0.contains("cannot be opened"));
}
