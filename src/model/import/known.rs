//! Formats that are known by their first bytes but not read, each with what to do.
//!
//! Asked by `import::read` for files that no reader takes. Absent: guessing from names of files.

use super::source::Source;

/// A format by the bytes that it begins with, and the sentence about it.
const BEGINNINGS: [(&[u8], &str); 23] = [
    (b"GGUF", "it is a GGUF file, which holds language models: import weights of a generator instead"),
    (b"ggml", "it is a ggml file, which holds language models: import weights of a generator instead"),
    (b"\x04\x00\x00\x00\x01\x00\x00\x00\x03\x00\x00\x00V 1", T7),
    (b"\x04\x00\x00\x00\x01\x00\x00\x00", T7),
    (b"\x03\x00\x00\x00\x01\x00\x00\x00", T7),
    (b"4\n1\n3\nV 1\n", T7),
    (b"3\n1\n", T7),
    (b"7767517\n", NCNN),
    (b"7767517\r\n", NCNN),
    (b"\xdd\x85\x76\x00", NCNN),
    (b"\x47\x6b\x30\x01", NCNN),
    (
        b"\x08\x01\x12",
        "it is a SavedModel of TensorFlow: load it in Keras and save it with `model.save('model.keras')`",
    ),
    (b"version https://git-lfs", "it is only a pointer of Git LFS: fetch the file itself with `git lfs pull`"),
    (b"<!DOCTYPE", HTML),
    (b"<!doctype", HTML),
    (b"<html", HTML),
    (b"\x1f\x8b", "it is compressed with gzip: unpack it with `gunzip` first"),
    (b"\xfd7zXZ", "it is compressed with xz: unpack it with `unxz` first"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstd: unpack it with `unzstd` first"),
    (b"7z\xbc\xaf", "it is a 7z archive: unpack it first"),
    (b"Rar!", "it is a RAR archive: unpack it first"),
    (b"\x89PNG", "it is a picture, no file of weights"),
    (b"\xff\xd8\xff", "it is a picture, no file of weights"),
];

const T7: &str = "it is a file of Torch7 (.t7): `flaneur texture draw` draws with it if it is a texture network; convert any other one \
     to PyTorch, save a state dict and import that";
const NCNN: &str = "it is a file of ncnn: its .param (the list of layers, as text) and its .bin (their numbers) have to lie beside each \
     other under one name";
const HTML: &str = "it is a page of the web, not the file behind it: download the file itself";

/// The sentence about a file that no reader takes; `None` if its format is not known.
pub fn sentence(source: &Source, head: &[u8]) -> Option<String> {
    let named = BEGINNINGS.iter().find(|(beginning, _)| head.starts_with(beginning)).map(|(_, sentence)| *sentence);
    let sentence = match (named, head) {
        (Some(sentence), _) => sentence,
        (None, _) if head.get(257..262) == Some(b"ustar") => {
            "it is a tar archive: unpack it and import the file of weights in it \
             (files of PyTorch before 0.1.10 are such archives: save them again with a newer one)"
        }
        (None, _) if head.get(4..8) == Some(b"TFL3") => {
            "it is a TensorFlow Lite file, which is not read: import the Keras file that it was made from"
        }
        (None, [b'{', ..]) => json(head),
        (None, _) if is_caffe(head) => {
            "it is a file of Caffe, which is not read: convert it to PyTorch or numpy and import that"
        }
        (None, _) => return table_of_tensorflow(source),
    };
    Some(sentence.into())
}

fn json(head: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(head);
    match text.contains("modelTopology") || text.contains("weightsManifest") || text.contains("layers-model") {
        true => "it is a model of TensorFlow.js, which is not read: convert it to Keras with tensorflowjs_converter",
        false => "it is JSON, a description without weights: import the file of weights that lies beside it",
    }
}

/// A network's name as the first field, then layers; or the text form.
fn is_caffe(head: &[u8]) -> bool {
    let text = head.starts_with(b"name: \"") || head.starts_with(b"layer {") || head.starts_with(b"layers {");
    let behind = match head {
        [0x0a, len, rest @ ..] if *len < 100 => rest.get(usize::from(*len)..),
        _ => None,
    };
    text || behind.is_some_and(|behind| behind.starts_with(b"\xa2\x06") || behind.starts_with(b"\x12"))
}

/// Checkpoints of TensorFlow keep their index in a table that ends with a magic.
fn table_of_tensorflow(source: &Source) -> Option<String> {
    let at = source.len().checked_sub(8)?;
    let end = source.read(at, 8).ok()?;
    (end == [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]).then(|| {
        "it is a checkpoint of TensorFlow, which is not read: load it there and save the arrays with `numpy.savez`"
            .into()
    })
}
