//! Files of PyTorch as small writers make them: zips, streams, modules, NVIDIA's pickles, and hostile ones.

use std::io::{Cursor, Write};

use zip::CompressionMethod::{Deflated, Stored};
use zip::write::SimpleFileOptions;

use super::groups;
use crate::model::import::bag::{Array, Bag};
use crate::model::import::pickle::writer::{Py, call, dict, ints, pickle};
use crate::model::import::source::Source;
use crate::model::import::{Found, read_source};

fn read(bytes: &[u8]) -> Result<Bag, String> {
    match read_source(&Source::from_bytes(bytes.to_vec())) {
        Ok(Found::Bag(bag)) => Ok(bag),
        Ok(Found::Keras) => Err("Keras".into()),
        Err(e) => Err(e.0),
    }
}

fn sentence(bytes: &[u8]) -> String {
    read(bytes).unwrap_err()
}

/// A zip as PyTorch writes it, under a root of any name.
fn zipped(contents: &Py, storages: &[&[u8]], method: zip::CompressionMethod, more: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    let mut add = |name: String, bytes: &[u8]| {
        zip.start_file(format!("any name/{name}"), options).unwrap();
        zip.write_all(bytes).unwrap();
    };
    add("data.pkl".into(), &pickle(contents));
    more.iter().for_each(|(name, bytes)| add((*name).into(), bytes));
    storages.iter().enumerate().for_each(|(key, bytes)| add(format!("data/{key}"), bytes));
    zip.finish().unwrap().into_inner()
}

/// A stream as PyTorch wrote it before 1.6.
fn stream(contents: &Py, storages: &[(&str, u64, Vec<u8>)]) -> Vec<u8> {
    let mut out = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    out.extend(pickle(&Py::Int(1001)));
    out.extend(pickle(&dict([("protocol_version", Py::Int(1001)), ("little_endian", Py::Bool(true))])));
    out.extend(pickle(contents));
    out.extend(pickle(&Py::List(storages.iter().map(|(key, ..)| (*key).into()).collect())));
    for (_, count, bytes) in storages {
        out.extend(count.to_le_bytes());
        out.extend(bytes);
    }
    out
}

fn storage(class: &'static str, key: &str, count: i64) -> Py {
    let class = Py::Global("torch", class);
    let id = vec!["storage".into(), class, key.into(), "cuda:0".into(), Py::Int(count)];
    Py::Persistent(Box::new(Py::Tuple(id)))
}

fn tensor(storage: Py, offset: i64, size: &[i64], stride: &[i64]) -> Py {
    let hooks = call("collections", "OrderedDict", vec![]);
    let args = vec![storage, Py::Int(offset), ints(size), ints(stride), Py::Bool(false), hooks];
    call("torch._utils", "_rebuild_tensor_v2", args)
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn six() -> Vec<u8> {
    floats(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
}

fn shown(bag: &Bag) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    bag.arrays.iter().map(|a| (a.name.clone(), a.shape.clone(), a.values.clone())).collect()
}

#[test]
fn zips_and_streams_give_the_same_arrays_in_their_order() {
    let contents = || {
        let part = |offset, size: &[i64], stride: &[i64]| tensor(storage("FloatStorage", "0", 6), offset, size, stride);
        let steps = tensor(storage("LongStorage", "1", 1), 0, &[], &[]);
        dict([
            ("epoch", Py::Int(7)),
            ("g", dict([("main.10.weight", part(0, &[2, 3], &[3, 1])), ("main.2.weight", part(0, &[3, 2], &[1, 3]))])),
            ("d", dict([("module.w", part(4, &[2], &[1])), ("module.n", steps)])),
            ("optimiser", dict([("state", Py::Dict(vec![])), ("param_groups", Py::List(vec![]))])),
        ])
    };
    let nine = 9i64.to_le_bytes();
    let files = [
        ("torch zip", zipped(&contents(), &[&six(), &nine], Stored, &[("byteorder", b"little")])),
        ("torch zip", zipped(&contents(), &[&six(), &nine], Deflated, &[])),
        ("torch legacy", stream(&contents(), &[("1", 1, nine.to_vec()), ("0", 6, six())])),
    ];
    for (format, file) in files {
        let bag = read(&file).unwrap();
        let wanted: Vec<(&str, &[usize], &[f32])> = vec![
            ("g.main.10.weight", &[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
            ("g.main.2.weight", &[3, 2], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
            ("d.module.w", &[2], &[4.0, 5.0]),
            ("d.module.n", &[], &[9.0]),
        ];
        let wanted: Vec<_> = wanted.into_iter().map(|(n, s, v)| (n.to_owned(), s.to_vec(), v.to_vec())).collect();
        assert_eq!(shown(&bag), wanted);
        assert!(bag.get("d.module.n").unwrap().whole && !bag.get("d.module.w").unwrap().whole);
        assert_eq!((bag.format.as_str(), bag.remarks.len()), (format, 1));
        assert_eq!(bag.config["values"][""], serde_json::json!({ "epoch": 7 }));
        let groups = groups(&bag);
        let prefixes: Vec<_> = groups.iter().map(|group| group.prefix.as_str()).collect();
        assert_eq!(prefixes, ["", "g", "d"]);
        assert_eq!(groups[2].arrays, [(2, "w".to_owned()), (3, "n".to_owned())]);
    }
}

#[test]
fn numbers_of_every_size_become_f32() {
    let cases: [(&str, &[u8], f32); 9] = [
        ("HalfStorage", &[0x00, 0x3e], 1.5),
        ("BFloat16Storage", &[0xc0, 0x3f], 1.5),
        ("DoubleStorage", &1.5f64.to_le_bytes(), 1.5),
        ("CharStorage", &[0xfe], -2.0),
        ("ShortStorage", &[0xfe, 0xff], -2.0),
        ("IntStorage", &[0xfe, 0xff, 0xff, 0xff], -2.0),
        ("ByteStorage", &[0xfe], 254.0),
        ("BoolStorage", &[1], 1.0),
        ("LongStorage", &3i64.to_le_bytes(), 3.0),
    ];
    for (class, bytes, wanted) in cases {
        let class: &'static str = class;
        let file = zipped(&tensor(storage(class, "0", 1), 0, &[1], &[1]), &[bytes], Stored, &[]);
        assert_eq!(shown(&read(&file).unwrap()), [("tensor".to_owned(), vec![1], vec![wanted])], "{class}");
    }
    let big = zipped(
        &tensor(storage("FloatStorage", "0", 1), 0, &[1], &[1]),
        &[&1.5f32.to_be_bytes()],
        Stored,
        &[("byteorder", b"big")],
    );
    assert_eq!(read(&big).unwrap().arrays[0].values, [1.5]);
    let args = |dtype| {
        let untyped = Py::Persistent(Box::new(Py::Tuple(vec![
            "storage".into(),
            Py::Global("torch.storage", "UntypedStorage"),
            "0".into(),
            "cpu".into(),
            Py::Int(4),
        ])));
        let hooks = call("collections", "OrderedDict", vec![]);
        vec![untyped, Py::Int(0), ints(&[2]), ints(&[1]), Py::Bool(false), hooks, Py::Global("torch", dtype)]
    };
    let typed = |dtype| dict([("w", call("torch._utils", "_rebuild_tensor_v3", args(dtype)))]);
    let bag = read(&zipped(&typed("uint16"), &[&[1, 0, 2, 0]], Stored, &[])).unwrap();
    assert_eq!(bag.arrays[0].values, [1.0, 2.0]);
    let eight = sentence(&zipped(&typed("float8_e5m2"), &[&[1, 0, 2, 0]], Stored, &[]));
    assert!(eight.contains("torch.float8_e5m2"), "{eight}");
}

/// A module with its tables, as `torch.save(net)` writes it.
fn module(class: Py, attributes: Vec<(Py, Py)>, tables: [Vec<(Py, Py)>; 3]) -> Py {
    let mut state = attributes;
    for (name, table) in ["_parameters", "_buffers", "_modules"].into_iter().zip(tables) {
        let ordered = Box::new(call("collections", "OrderedDict", vec![]));
        state.push((name.into(), Py::Filled(ordered, table)));
    }
    Py::Built(Box::new(Py::Call(Box::new(class), vec![])), Box::new(Py::Dict(state)))
}

#[test]
fn whole_modules_of_torch_0_3_give_their_tables_and_attributes() {
    let source = |name| {
        let class = Py::Global("torch.nn.modules.conv", name);
        Py::Persistent(Box::new(Py::Tuple(vec!["module".into(), class, "conv.py".into(), "class …".into()])))
    };
    let old = |key| {
        let args = vec![storage("FloatStorage", key, 2), Py::Int(0), ints(&[2]), ints(&[1])];
        call("torch._utils", "_rebuild_tensor", args)
    };
    let parameter = Py::Built(
        Box::new(call("torch.nn.parameter", "Parameter", vec![old("94")])),
        Box::new(Py::Tuple(vec![Py::Bool(true), Py::Bool(false), Py::None])),
    );
    let attributes = vec![
        ("kernel_size".into(), ints(&[4, 4])),
        ("eps".into(), Py::Float(1e-5)),
        ("_backward_hooks".into(), Py::Dict(vec![])),
    ];
    let inner = module(
        source("ConvTranspose2d"),
        attributes,
        [vec![("weight".into(), parameter), ("bias".into(), Py::None)], vec![("mean".into(), old("95"))], vec![]],
    );
    let main =
        module(Py::Global("models", "G"), vec![], [vec![], vec![], vec![("initial.32-256.convt".into(), inner)]]);
    let file = stream(&main, &[("94", 2, floats(&[1.0, 2.0])), ("95", 2, floats(&[3.0, f32::INFINITY]))]);
    let bag = read(&file).unwrap();
    let wanted = [
        ("initial.32-256.convt.weight".to_owned(), vec![2], vec![1.0, 2.0]),
        ("initial.32-256.convt.mean".to_owned(), vec![2], vec![3.0, f32::INFINITY]),
    ];
    assert_eq!(shown(&bag), wanted);
    let wanted = serde_json::json!({
        "class": "torch.nn.modules.conv.ConvTranspose2d", "kernel_size": [4, 4], "eps": 1e-5,
    });
    assert_eq!(bag.config["modules"]["initial.32-256.convt"], wanted);
    assert_eq!(bag.config["order"], serde_json::json!(["", "initial.32-256.convt"]));
}

#[test]
fn a_pickle_of_nvidia_holds_streams() {
    let one = stream(&storage("FloatStorage", "3", 6), &[("3", 6, six())]);
    let latin: String = one.iter().map(|byte| char::from(*byte)).collect();
    let encoded = call("_codecs", "encode", vec![Py::Text(latin), "latin1".into()]);
    for bytes in [Py::Bytes(one), encoded] {
        let weight = tensor(call("torch.storage", "_load_from_bytes", vec![bytes]), 0, &[2, 3], &[3, 1]);
        let weight = call("torch._utils", "_rebuild_parameter", vec![weight, Py::Bool(true), Py::None]);
        let dtype = Py::Built(
            Box::new(call("numpy", "dtype", vec!["f8".into(), Py::Bool(false), Py::Bool(true)])),
            Box::new(Py::Tuple(vec![Py::Int(3), "<".into(), Py::None])),
        );
        let gain = call("numpy.core.multiarray", "scalar", vec![dtype, Py::Bytes(0.25f64.to_le_bytes().to_vec())]);
        let state = dict([
            ("_parameters", dict([("weight", weight)])),
            ("_buffers", Py::Dict(vec![])),
            ("_modules", Py::Dict(vec![])),
            ("weight_gain", gain),
        ]);
        let about = dict([
            ("type", "class".into()),
            ("version", Py::Int(6)),
            ("module_src", "# text".into()),
            ("class_name", "Generator".into()),
            ("state", state),
        ]);
        let net = call("torch_utils.persistence", "_reconstruct_persistent_obj", vec![about]);
        let bag = read(&pickle(&dict([("training_set_kwargs", dict([("n", Py::Int(1))])), ("G_ema", net)]))).unwrap();
        assert_eq!(shown(&bag)[0].0, "G_ema.weight");
        assert_eq!(bag.arrays[0].values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let wanted = serde_json::json!({ "class": "Generator", "weight_gain": 0.25 });
        assert_eq!(bag.config["modules"]["G_ema"], wanted);
    }
}

#[test]
fn calls_are_named_and_never_made() {
    let evil = || call("posix", "system", vec!["echo no".into()]);
    let alone = sentence(&pickle(&evil()));
    assert!(alone.contains("`posix.system`") && alone.contains("not made"), "{alone}");
    let weight = tensor(storage("FloatStorage", "0", 6), 0, &[6], &[1]);
    let beside = read(&zipped(&dict([("w", weight), ("x", evil())]), &[&six()], Stored, &[])).unwrap();
    assert_eq!(beside.arrays.len(), 1);
    assert!(beside.remarks[0].contains("posix.system"), "{:?}", beside.remarks);
}

#[test]
fn views_beyond_their_bytes_are_refused() {
    let cases: [(i64, &[i64], &[i64]); 6] = [
        (0, &[7], &[1]),
        (1, &[6], &[1]),
        (0, &[2, 2], &[5, 1]),
        (0, &[i64::MAX], &[1]),
        (0, &[i64::MAX, i64::MAX], &[0, 0]),
        (0, &[-1], &[1]),
    ];
    for (offset, size, stride) in cases {
        let file = zipped(&tensor(storage("FloatStorage", "0", 6), offset, size, stride), &[&six()], Stored, &[]);
        assert!(sentence(&file).starts_with("\"the whole file\" cannot be read"), "{size:?}: {}", sentence(&file));
    }
    let many = zipped(&tensor(storage("FloatStorage", "0", 6), 0, &[1 << 30], &[0]), &[&six()], Stored, &[]);
    assert!(sentence(&many).contains("more numbers than the file holds"));
    let empty = zipped(&tensor(storage("FloatStorage", "0", 6), 0, &[0, 4], &[4, 1]), &[&six()], Stored, &[]);
    assert_eq!(read(&empty).unwrap().arrays[0].shape, [0, 4]);
}

#[test]
fn files_that_were_cut_are_refused() {
    let contents = || dict([("w", tensor(storage("FloatStorage", "0", 6), 0, &[6], &[1]))]);
    for whole in [zipped(&contents(), &[&six()], Stored, &[]), stream(&contents(), &[("0", 6, six())])] {
        assert!(read(&whole).is_ok());
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end}");
        }
    }
}

#[test]
fn nests_loops_and_bombs_end_soon() {
    let nested = sentence(&[&b"\x80\x02"[..], &b"]".repeat(10_000), &b"a".repeat(9_999), b"."].concat());
    assert!(nested.contains("deeper"), "{nested}");
    let itself = sentence(b"\x80\x02]q\0h\0a.");
    assert!(itself.contains("deeper"), "{itself}");
    // Each dictionary holds the one before it ten times.
    let mut laughs = b"\x80\x02}q\0".to_vec();
    for level in 1..30u8 {
        laughs.extend(b"}(");
        for key in 0..10u8 {
            laughs.extend([b'K', key, b'h', level - 1]);
        }
        laughs.extend([b'u', b'q', level]);
    }
    laughs.push(b'.');
    assert!(sentence(&laughs).contains("millions of times"));
    let bomb = zipped(&Py::None, &[&vec![0; 64 << 20]], Deflated, &[]);
    assert!(bomb.len() < 200_000 && sentence(&bomb).contains("unpacks to"));
}

#[test]
fn programs_are_refused_by_name() {
    let script = zipped(&Py::None, &[], Stored, &[("code/__torch__.py", b"")]);
    assert!(sentence(&script).contains("TorchScript"));
}

#[test]
fn wrappers_are_taken_off_the_names_of_a_group() {
    let names = |names: &[&str]| {
        let array = |name: &&str| Array { name: (*name).into(), shape: vec![0], values: vec![], whole: false };
        groups(&Bag { arrays: names.iter().map(array).collect(), ..Bag::default() })
    };
    let found = names(&["module._orig_mod.main.0.weight", "module._orig_mod.main.1._orig_mod.weight"]);
    let inner: Vec<_> = found[0].arrays.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(inner, ["main.0.weight", "main.1.weight"]);
    // Without dictionaries in the file, beginnings that several names share are offered.
    let found = names(&["generator.a", "generator.b", "latent", "critic.a"]);
    let prefixes: Vec<_> = found.iter().map(|group| (group.prefix.as_str(), group.arrays.len())).collect();
    assert_eq!(prefixes, [("", 4), ("generator", 2)]);
}

#[test]
fn a_network_of_tensorflow_without_variables_is_a_sentence() {
    let network = Py::Raw(b"cdnnlib.tflib.network\nNetwork\n)\x81}b".to_vec());
    assert!(sentence(&pickle(&Py::Tuple(vec![network]))).contains("it holds no arrays"));
}
