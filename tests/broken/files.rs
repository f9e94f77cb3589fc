//! Files of weights of every format, by small writers: good ones, and those that are made to harm.

use std::io::{Cursor, Write};

use flaneur::model::import::bag::Array;
use flaneur::model::import::{keras, write};
use flaneur::random::RandomState;
use serde_json::{Value as Json, json};

type Files = Vec<(&'static str, Vec<u8>)>;

/// A value of Python as opcodes of a pickle.
#[derive(Clone)]
pub struct Py(Vec<u8>);

impl Py {
    pub fn raw(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    pub fn text(text: &str) -> Self {
        Self([b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat())
    }

    fn int(int: i64) -> Self {
        Self([&[0x8a, 8][..], &int.to_le_bytes()].concat())
    }

    fn bytes(bytes: &[u8]) -> Self {
        Self([b"B", &(bytes.len() as u32).to_le_bytes()[..], bytes].concat())
    }

    fn tuple(items: &[Py]) -> Self {
        Self([b"(", &Self::joined(items)[..], b"t"].concat())
    }

    fn ints(ints: &[usize]) -> Self {
        Self::tuple(&ints.iter().map(|int| Py::int(*int as i64)).collect::<Vec<_>>())
    }

    pub fn dict(pairs: Vec<(&str, Py)>) -> Self {
        let pairs: Vec<Py> = pairs.into_iter().flat_map(|(key, value)| [Py::text(key), value]).collect();
        Self([b"}(", &Self::joined(&pairs)[..], b"u"].concat())
    }

    fn global(module: &str, name: &str) -> Self {
        Self(format!("c{module}\n{name}\n").into_bytes())
    }

    pub fn call(module: &str, name: &str, arguments: Vec<Py>) -> Self {
        Self([&Self::global(module, name).0[..], &Self::tuple(&arguments).0, b"R"].concat())
    }

    fn built(self, state: Py) -> Self {
        Self([&self.0[..], &state.0, b"b"].concat())
    }

    fn persistent(self) -> Self {
        Self([&self.0[..], b"Q"].concat())
    }

    fn joined(items: &[Py]) -> Vec<u8> {
        items.iter().flat_map(|item| item.0.iter().copied()).collect()
    }

    /// A whole pickle.
    fn pickle(&self) -> Vec<u8> {
        [b"\x80\x03", &self.0[..], b"."].concat()
    }
}

/// An array under the name and in the shape of PyTorch.
pub struct Weights {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// The generator of a DCGAN for 8x8 pictures.
fn dcgan() -> Vec<Weights> {
    let mut random = RandomState::new(3);
    let mut all = Vec::new();
    let mut add = |name: &str, shape: &[usize], middle: f32| {
        let values = random.normals(shape.iter().product()).iter().map(|v| middle + 0.1 * *v as f32).collect();
        all.push(Weights { name: name.into(), shape: shape.to_vec(), values });
    };
    add("main.0.weight", &[5, 4, 4, 4], 0.0);
    add("main.1.weight", &[4], 1.0);
    add("main.1.bias", &[4], 0.0);
    add("main.1.running_mean", &[4], 0.0);
    add("main.1.running_var", &[4], 1.0);
    add("main.3.weight", &[4, 3, 4, 4], 0.0);
    all
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A tensor of the storage of that number.
fn tensor(key: usize, shape: &[usize]) -> Py {
    let count: usize = shape.iter().product();
    let storage = Py::tuple(&[
        Py::text("storage"),
        Py::global("torch", "FloatStorage"),
        Py::text(&key.to_string()),
        Py::text("cpu"),
        Py::int(count as i64),
    ]);
    let strides: Vec<usize> = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect();
    let hooks = Py::call("collections", "OrderedDict", vec![]);
    let arguments =
        vec![storage.persistent(), Py::int(0), Py::ints(shape), Py::ints(&strides), Py::raw(b"\x89"), hooks];
    Py::call("torch._utils", "_rebuild_tensor_v2", arguments)
}

fn state_dict_of(weights: &[Weights]) -> Py {
    Py::dict(weights.iter().enumerate().map(|(key, w)| (w.name.as_str(), tensor(key, &w.shape))).collect())
}

/// The generator as PyTorch pickles it.
pub fn state_dict() -> Py {
    state_dict_of(&dcgan())
}

fn torch_zip(contents: &Py, weights: &[Weights]) -> Vec<u8> {
    let mut entries = vec![("archive/data.pkl".to_owned(), contents.pickle())];
    entries.extend(weights.iter().enumerate().map(|(key, w)| (format!("archive/data/{key}"), floats(&w.values))));
    zipped(&entries)
}

fn zipped(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in entries {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn torch_legacy(contents: &Py, weights: &[Weights]) -> Vec<u8> {
    let mut out = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    out.extend(Py::int(1001).pickle());
    out.extend(Py::dict(vec![("protocol_version", Py::int(1001)), ("little_endian", Py::raw(b"\x88"))]).pickle());
    out.extend(contents.pickle());
    let keys: Vec<Py> = (0..weights.len()).map(|key| Py::text(&key.to_string())).collect();
    out.extend(Py::raw(&[b"](", &Py::joined(&keys)[..], b"e"].concat()).pickle());
    for w in weights {
        out.extend((w.values.len() as u64).to_le_bytes());
        out.extend(floats(&w.values));
    }
    out
}

/// An array of numpy as it pickles one; `data` are its bytes, or a list of objects.
fn ndarray(shape: &[usize], kind: &str, data: Py) -> Py {
    let dtype = Py::call("numpy", "dtype", vec![Py::text(kind), Py::int(0), Py::int(1)]);
    let (order, none) = (Py::text(if kind == "O8" { "|" } else { "<" }), Py::raw(b"N"));
    let rest = [Py::int(-1), Py::int(-1), Py::int(if kind == "O8" { 63 } else { 0 })];
    let state = [vec![Py::int(3), order, none.clone(), none.clone(), none], rest.to_vec()].concat();
    let dtype = dtype.built(Py::tuple(&state));
    let empty = vec![Py::global("numpy", "ndarray"), Py::ints(&[0]), Py::bytes(b"b")];
    let made = Py::call("numpy.core.multiarray", "_reconstruct", empty);
    made.built(Py::tuple(&[Py::int(1), Py::ints(shape), dtype, Py::raw(b"\x89"), data]))
}

/// A dictionary of numpy's arrays.
fn dict_of(weights: &[Weights]) -> Py {
    let array = |w: &Weights| ndarray(&w.shape, "f4", Py::bytes(&floats(&w.values)));
    Py::dict(weights.iter().map(|w| (w.name.as_str(), array(w))).collect())
}

/// A `.npy` with one object in it.
fn npy(object: &Py) -> Vec<u8> {
    let mut out = npy_header("'|O'", "()");
    let list = Py::raw(&[b"](", &object.0[..], b"e"].concat());
    out.extend(ndarray(&[], "O8", list).pickle());
    out
}

fn npy_header(kind: &str, shape: &str) -> Vec<u8> {
    let mut text = format!("{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + text.len() + 1) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes()].concat()
}

fn outs(weights: &[Weights]) -> Vec<write::Out<'_>> {
    weights.iter().map(|w| (w.name.as_str(), w.shape.as_slice(), w.values.as_slice())).collect()
}

/// A generator of Keras: the layers' classes, names, settings and arrays.
fn keras_layers(value: f32) -> Vec<(&'static str, &'static str, Json, Vec<Array>)> {
    let mut random = RandomState::new(4);
    let mut array = |name: &str, shape: &[usize]| {
        let mut values: Vec<f32> =
            random.normals(shape.iter().product()).iter().map(|v| value + 0.1 * *v as f32).collect();
        values.iter_mut().for_each(|v| *v = if name == "moving_variance" { v.abs() } else { *v });
        Array { name: name.into(), shape: shape.to_vec(), values, whole: false }
    };
    let conv = json!({"filters": 3, "kernel_size": [4, 4], "strides": [2, 2], "padding": "same", "activation": "tanh"});
    vec![
        ("InputLayer", "z", json!({"batch_shape": [null, 5]}), vec![]),
        ("Dense", "dense", json!({"units": 32}), vec![array("kernel", &[5, 32]), array("bias", &[32])]),
        ("LeakyReLU", "leaky_re_lu", json!({"negative_slope": 0.2}), vec![]),
        ("Reshape", "reshape", json!({"target_shape": [4, 4, 2]}), vec![]),
        ("Conv2DTranspose", "conv", conv, vec![array("kernel", &[4, 4, 3, 2]), array("bias", &[3])]),
    ]
}

fn keras_config(layers: &[(&'static str, &'static str, Json, Vec<Array>)], deep: Option<&str>) -> String {
    let layer = |(class, name, settings, _): &(&str, &str, Json, Vec<Array>)| {
        let mut settings = settings.clone();
        settings["name"] = json!(name);
        json!({"class_name": class, "config": settings})
    };
    let layers: Vec<Json> = layers.iter().map(layer).collect();
    let config = json!({"class_name": "Sequential", "config": {"name": "g", "layers": layers}}).to_string();
    match deep {
        Some(deep) => config.replacen("\"tanh\"", deep, 1),
        None => config,
    }
}

/// `.h5`, `.weights.h5` and `.keras`.
fn keras_files(value: f32) -> Files {
    let layers = keras_layers(value);
    let config = keras_config(&layers, None);
    let named: Vec<(String, Vec<Array>)> =
        layers.iter().map(|(_, name, _, arrays)| ((*name).to_owned(), arrays.clone())).collect();
    let keyed: Vec<(String, String, Vec<Array>)> = layers
        .iter()
        .map(|(class, name, _, arrays)| {
            let key = match *class {
                "Dense" => "dense",
                "Conv2DTranspose" => "conv2d_transpose",
                _ => name,
            };
            (key.to_owned(), (*name).to_owned(), arrays.clone())
        })
        .collect();
    let weights = keras::write::weights(&keyed);
    let keras = zipped(&[
        ("metadata.json".into(), br#"{"keras_version": "3.15.1"}"#.to_vec()),
        ("config.json".into(), config.clone().into_bytes()),
        ("model.weights.h5".into(), weights.clone()),
    ]);
    vec![
        ("g.h5", keras::write::h5("3.15.1", &serde_json::from_str(&config).unwrap(), &named)),
        ("g.weights.h5", weights),
        ("g.keras", keras),
    ]
}

/// A generator in each format.
pub fn good() -> Files {
    let mut files = of(&dcgan());
    files.extend(keras_files(0.0));
    files
}

/// The same where one number, or in files of Keras each, is another one.
pub fn good_with(value: f32) -> Files {
    let mut weights = dcgan();
    weights[5].values[7] = value;
    let mut files = of(&weights);
    files.extend(keras_files(value));
    files
}

fn of(weights: &[Weights]) -> Files {
    vec![
        ("zip.pt", torch_zip(&state_dict_of(weights), weights)),
        ("legacy.pth", torch_legacy(&state_dict_of(weights), weights)),
        ("dict.pkl", dict_of(weights).pickle()),
        ("dict.npy", npy(&dict_of(weights))),
        ("g.npz", write::npz(&outs(weights), "").unwrap()),
        ("g.safetensors", write::safetensors(&outs(weights), Default::default()).unwrap()),
    ]
}

/// A value in every file that is a pickle or has one; with the numbers of tensors, or without.
pub fn pickled(value: &Py, with: bool) -> Files {
    let weights = if with { dcgan() } else { Vec::new() };
    vec![
        ("call.pt", torch_zip(value, &weights)),
        ("call.pth", torch_legacy(value, &weights)),
        ("call.pkl", value.pickle()),
        ("call.npy", npy(value)),
        ("call.npz", zipped(&[("a.npy".into(), npy(value))])),
    ]
}

/// Files of some bytes that say that there are 4 GB.
pub fn claims() -> Files {
    let weights = vec![Weights { name: "main.0.weight".into(), shape: vec![1 << 30], values: vec![1.0; 4] }];
    let mut legacy = torch_legacy(&state_dict_of(&[]), &[]);
    legacy.truncate(legacy.len() - 7);
    let header = br#"{"a":{"dtype":"F32","shape":[1073741824],"data_offsets":[0,4294967296]}}"#;
    let mut hdf5 = b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0\x04\0\x10\0\0\0\0\0".to_vec();
    for address in [0, u64::MAX, 4 << 30, u64::MAX, 0, 4_000_000_000] {
        hdf5.extend(address.to_le_bytes());
    }
    let mut zip = zipped(&[("a.npy".into(), npy_header("'<f4'", "(1073741824,)"))]);
    let at = zip.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    zip[at + 20..at + 28].copy_from_slice(&[0xf0, 0xff, 0xff, 0xff, 0xf0, 0xff, 0xff, 0xff]);
    vec![
        ("claim.pt", torch_zip(&state_dict_of(&weights), &weights)),
        ("claim.pth", torch_legacy(&state_dict_of(&weights), &weights)),
        ("keys.pth", [&legacy[..], b"(\x8e\0\0\0\0\x01\0\0\0"].concat()),
        ("bytes.pkl", b"\x80\x04\x8e\0\0\0\0\x01\0\0\0abc.".to_vec()),
        ("short.pkl", b"\x80\x03B\xff\xff\xff\xffabc.".to_vec()),
        ("number.pkl", b"\x80\x03\x8b\xff\xff\xff\x7fabc.".to_vec()),
        ("claim.npy", npy_header("'<f4'", "(1073741824,)")),
        ("axes.npy", npy_header("'<f4'", "(4294967296, 4294967296, 0, 4294967296)")),
        ("claim.npz", zipped(&[("a.npy".into(), npy_header("'<f4'", "(1073741824,)"))])),
        ("entry.npz", zip),
        ("claim.safetensors", [&(header.len() as u64).to_le_bytes()[..], header].concat()),
        ("header.safetensors", [&(4u64 << 30).to_le_bytes()[..], b"{\"a\":{}}"].concat()),
        ("claim.h5", hdf5),
    ]
}

/// Lists in lists in every format that has some.
pub fn nested(deep: usize) -> Files {
    let lists = Py::raw(&[b"](".repeat(deep), b"e".repeat(deep)].concat());
    let tuples = Py::raw(&[b")".to_vec(), b"\x85".repeat(deep)].concat());
    let json = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
    let layers = keras_layers(0.0);
    let config = keras_config(&layers, Some(&json));
    let header = format!("{{\"__metadata__\":{json}}}");
    let [python, dicts] = ["(", "{1:"].map(|open| open.repeat(deep));
    let mut files = vec![
        ("lists.pt", torch_zip(&lists, &[])),
        ("lists.pth", torch_legacy(&lists, &[])),
        ("lists.pkl", lists.pickle()),
        ("tuples.pkl", tuples.pickle()),
        ("lists.npy", npy(&lists)),
        ("lists.safetensors", [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()),
        ("lists.keras", zipped(&[("config.json".into(), config.into_bytes())])),
        ("lists.json", json.into_bytes()),
    ];
    // A header of that version has two bytes for its length.
    if deep < 60_000 {
        files.push(("header.npy", npy_header("'<f4'", &python)));
        files.push(("dicts.npy", npy_header(&dicts, "()")));
    }
    files
}

/// A file with so many arrays in each format that can hold them.
pub fn many(count: usize) -> Files {
    let weights: Vec<Weights> =
        (0..count).map(|i| Weights { name: format!("l{i}.weight"), shape: vec![1], values: vec![1.0] }).collect();
    let one = vec![Weights { name: String::new(), shape: vec![1], values: vec![1.0] }];
    let same = Py::dict(weights.iter().map(|w| (w.name.as_str(), tensor(0, &[1]))).collect());
    vec![
        ("many.pt", torch_zip(&same, &one)),
        ("many.pth", torch_legacy(&same, &one)),
        ("many.npz", write::npz(&outs(&weights), "").unwrap()),
        ("many.safetensors", write::safetensors(&outs(&weights), Default::default()).unwrap()),
    ]
}

/// Arrays, layers and entries of that name, which make no generator.
pub fn named(name: &str) -> Files {
    let weights = || vec![Weights { name: format!("{name}.weight"), shape: vec![2, 3], values: vec![0.5; 6] }];
    let array = Array { name: "kernel".into(), shape: vec![2], values: vec![1.0; 2], whole: false };
    let layer = json!({"class_name": name, "config": {"name": name, "batch_shape": [null, 3]}});
    let config = json!({"class_name": "Sequential", "config": {"name": name, "layers": [layer]}});
    let mut files: Files = of(&weights());
    let short: String = name.chars().filter(|c| *c != '\0' && *c != '/').collect();
    files.extend([
        ("named.h5", keras::write::h5("3.15.1", &config, &[(short.clone(), vec![array.clone()])])),
        ("bare.h5", keras::write::h5("2.4.0", &Json::Null, &[(short.clone(), vec![array.clone()])])),
        ("named.weights.h5", keras::write::weights(&[("dense".into(), short.clone(), vec![array])])),
        ("call.pkl", Py::call(&name.replace('\n', " "), "run", vec![]).pickle()),
        ("entry.zip", zipped(&[(short, b"x".to_vec())])),
    ]);
    files
}

/// A file of ours that says something of that name about itself.
pub fn own(name: &str) -> Files {
    let notes = |text: String| std::collections::HashMap::from([("flaneur".to_owned(), text)]);
    let arch = "[arch]\nfamily = \"dcgan\"\nsize = 8\nchannels = 3\nz_dim = 3\nfeatures = 4\nclasses = 2\n";
    let class = toml::Value::String(name.to_owned());
    let texts = [
        name.to_owned(),
        format!("classes = [{class}, \"b\"]\n{arch}"),
        format!("classes = [\"a\"]\n{arch}"),
        format!("{arch}{class} = 1\n"),
        arch.replace("dcgan", "dance"),
    ];
    let file = |text: String| ("own.safetensors", write::safetensors(&outs(&dcgan()), notes(text)).unwrap());
    texts.into_iter().map(file).collect()
}

/// A good generator, and beside it something of that name.
pub fn beside(name: &str) -> Files {
    let weights = dcgan();
    let other = Py::dict(vec![("lr", Py::int(1)), (name, Py::text(name)), ("netG", state_dict_of(&weights))]);
    let optimiser = Py::call("collections", "OrderedDict", vec![]);
    let own = Py::call(&name.replace('\n', " "), "run", vec![]);
    let both = Py::dict(vec![(name, state_dict_of(&weights)), ("optimizer", optimiser), ("own", own)]);
    vec![("beside.pt", torch_zip(&other, &weights)), ("inside.pt", torch_zip(&both, &weights))]
}
