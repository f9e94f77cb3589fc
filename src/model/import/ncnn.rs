//! Files of ncnn: `.param`, the layers as text, and `.bin`, their numbers one after the other.
//!
//! Source: the loaders of Tencent/ncnn (`net.cpp`, `modelbin.cpp`). A kernel begins with four bytes that say how it is
//! stored (f32, f16, or bytes that point into a table), biases and slopes do not. Read by [`super::read`]; the layers
//! stand in [`Bag::config`] as `{"ncnn": [{"type", "name", "values": {"0": …}}]}`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::bag::{Array, Bag, MOST_ARRAYS, ReadError};
use super::number::{Format, Kind};
use super::source::{Source, wrong};

/// First line of a `.param`.
const MAGIC: &str = "7767517";
/// Bytes of a `.param` at most.
const LARGEST: u64 = 16 << 20;
/// How a kernel is stored.
const F16: u32 = 0x0130_6b47;
const INT8: u32 = 0x000d_4b38;
const F32: [u32; 2] = [0, 0x0002_c056];
/// Numbers of a table that bytes point into.
const TABLE: usize = 256;

/// Layers without numbers of their own.
const PLAIN: [&str; 27] = [
    "Input",
    "Split",
    "Concat",
    "Eltwise",
    "BinaryOp",
    "UnaryOp",
    "Interp",
    "PixelShuffle",
    "Reorg",
    "ReLU",
    "Sigmoid",
    "TanH",
    "Clip",
    "Pooling",
    "Crop",
    "Padding",
    "Noop",
    "Dropout",
    "Softmax",
    "Reshape",
    "Permute",
    "Flatten",
    "Swish",
    "HardSwish",
    "HardSigmoid",
    "Slice",
    "ShuffleChannel",
];

/// The two files, if that path is one of them and the other lies beside it; of a `.param` alone the other is named all
/// the same.
pub fn pair(path: &Path) -> Option<[PathBuf; 2]> {
    let begins = |path: &Path| {
        let source = Source::open(path).ok()?;
        let head = source.peek(0, MAGIC.len() as u64 + 1).ok()?;
        let behind = head.strip_prefix(MAGIC.as_bytes())?;
        matches!(behind.first(), Some(b'\n' | b'\r' | b' ')).then_some(())
    };
    if begins(path).is_some() {
        return Some([path.to_owned(), path.with_extension("bin")]);
    }
    let param = path.with_extension("param");
    let is_bin = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("bin"));
    (is_bin && begins(&param).is_some()).then(|| [param, path.to_owned()])
}

/// One line.
struct Layer<'a> {
    kind: &'a str,
    name: &'a str,
    values: BTreeMap<i64, f64>,
}

impl Layer<'_> {
    fn count(&self, key: i64) -> Option<u64> {
        let value = *self.values.get(&key).unwrap_or(&0.0);
        ((0.0..1e12).contains(&value) && value.fract() == 0.0).then_some(value as u64)
    }
}

/// Reads both.
///
/// # Errors
/// If one is missing, cut or damaged, or has layers whose numbers are not known here.
pub fn read([param, bin]: &[PathBuf; 2]) -> Result<Bag, ReadError> {
    let text = Source::open(param)?;
    if text.len() > LARGEST {
        return wrong("its .param is too large for a list of layers");
    }
    let text = text.read(0, text.len())?;
    let text = String::from_utf8_lossy(&text);
    if !fs::metadata(bin).is_ok_and(|about| about.is_file()) {
        let name = bin.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        return wrong(format!("it is the list of layers of ncnn, whose numbers are in {name}: put that beside it"));
    }
    let layers = layers(&text)?;
    let mut numbers = Numbers { source: Source::open(bin)?, at: 0 };
    let mut bag = Bag { format: "ncnn".into(), ..Bag::default() };
    for layer in &layers {
        arrays(layer, &mut numbers, &mut bag)?;
    }
    let left = numbers.source.len() - numbers.at;
    if left > 0 {
        return wrong(format!(
            "its .bin has {left} bytes more than its layers have numbers: the two files are not of one network"
        ));
    }
    let list: Vec<Json> = layers
        .iter()
        .map(|layer| {
            let values: serde_json::Map<String, Json> =
                layer.values.iter().map(|(key, value)| (key.to_string(), json!(value))).collect();
            json!({"type": layer.kind, "name": layer.name, "values": values})
        })
        .collect();
    bag.config = json!({ "ncnn": list });
    Ok(bag)
}

fn layers(text: &str) -> Result<Vec<Layer<'_>>, ReadError> {
    let mut lines = text.lines().skip(1).map(str::trim).filter(|line| !line.is_empty());
    let counts = lines.next().unwrap_or_default();
    let count: Option<usize> = counts.split_whitespace().next().and_then(|word| word.parse().ok());
    let Some(count) = count.filter(|count| *count <= MOST_ARRAYS) else {
        return wrong("its .param does not say how many layers there are: fetch it again");
    };
    let layers: Vec<Layer> = lines.map(layer).collect::<Result<_, _>>()?;
    if layers.len() != count {
        let has = layers.len();
        return wrong(format!("its .param has {has} layers where {count} are announced: fetch it again"));
    }
    Ok(layers)
}

/// `Type name inputs outputs names… key=value…`; a list is under a key of −23300 minus its own, and its length comes first.
fn layer(line: &str) -> Result<Layer<'_>, ReadError> {
    let mut words = line.split_whitespace();
    let damaged = || {
        let start: String = line.chars().take(60).collect();
        ReadError(format!("a line of its .param is no layer (\"{start}\"): fetch it again"))
    };
    let (Some(kind), Some(name)) = (words.next(), words.next()) else { return Err(damaged()) };
    let mut count = || words.next().and_then(|word| word.parse::<usize>().ok()).ok_or_else(damaged);
    let skipped = count()?.saturating_add(count()?);
    let mut values = BTreeMap::new();
    for word in words.skip(skipped) {
        let (key, value) = word.split_once('=').ok_or_else(damaged)?;
        let key: i64 = key.parse().map_err(|_| damaged())?;
        let value: f64 = match key {
            ..=-23300 => value.split(',').nth(1).unwrap_or("0").parse().map_err(|_| damaged())?,
            _ => value.parse().map_err(|_| damaged())?,
        };
        values.insert(if key <= -23300 { -23300 - key } else { key }, value);
    }
    Ok(Layer { kind, name, values })
}

/// The numbers of a layer.
fn arrays(layer: &Layer, numbers: &mut Numbers, bag: &mut Bag) -> Result<(), ReadError> {
    let Layer { kind, name, .. } = layer;
    let unclear = || ReadError(format!("its layer {name} ({kind}) has sizes that are none: fetch it again"));
    let count = |key: i64| layer.count(key).ok_or_else(unclear);
    let mut put = |part: &str, shape: Vec<u64>, values: Vec<f32>| {
        let shape = shape.into_iter().map(|side| side as usize).collect();
        bag.arrays.push(Array { name: format!("{name}.{part}"), shape, values, whole: false });
    };
    match *kind {
        "Convolution" | "ConvolutionDepthWise" | "Deconvolution" | "DeconvolutionDepthWise" => {
            let (outputs, width, all) = (count(0)?, count(1)?, count(6)?);
            let height = if layer.values.contains_key(&11) { count(11)? } else { width };
            let each = outputs.checked_mul(width).and_then(|v| v.checked_mul(height)).ok_or_else(unclear)?;
            if each == 0 || !all.is_multiple_of(each) {
                return Err(unclear());
            }
            let shape = vec![outputs, all / each, height, width];
            put("weight", shape, numbers.kernel(all)?);
            if count(5)? == 1 {
                put("bias", vec![outputs], numbers.plain(outputs)?);
            }
        }
        "InnerProduct" => {
            let (outputs, all) = (count(0)?, count(2)?);
            if outputs == 0 || !all.is_multiple_of(outputs) {
                return Err(unclear());
            }
            put("weight", vec![outputs, all / outputs], numbers.kernel(all)?);
            if count(1)? == 1 {
                put("bias", vec![outputs], numbers.plain(outputs)?);
            }
        }
        "PReLU" => {
            let slopes = count(0)?;
            put("weight", vec![slopes], numbers.plain(slopes)?);
        }
        "BatchNorm" => {
            let channels = count(0)?;
            for part in ["weight", "running_mean", "running_var", "bias"] {
                put(part, vec![channels], numbers.plain(channels)?);
            }
        }
        kind if PLAIN.contains(&kind) => {}
        kind => {
            let kind: String = kind.chars().take(40).collect();
            return wrong(format!("its layer {name} is a {kind}, whose numbers are not known here"));
        }
    }
    Ok(())
}

/// Where in a `.bin` the next numbers are.
struct Numbers {
    source: Source,
    at: u64,
}

impl Numbers {
    fn bytes(&mut self, count: u64) -> Result<Vec<u8>, ReadError> {
        let bytes = self.source.read(self.at, count)?;
        self.at += count;
        Ok(bytes)
    }

    /// Numbers of f32.
    fn plain(&mut self, count: u64) -> Result<Vec<f32>, ReadError> {
        let bytes = self.bytes(count.saturating_mul(4))?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// A kernel, with what says how it is stored.
    fn kernel(&mut self, count: u64) -> Result<Vec<f32>, ReadError> {
        let tag = self.bytes(4)?;
        let tag = tag.as_chunks::<4>().0.first().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let padded = |bytes: u64| bytes.next_multiple_of(4);
        match tag {
            F16 => {
                let bytes = self.bytes(padded(count.saturating_mul(2)))?;
                let mut values = Vec::with_capacity(count as usize);
                Format { kind: Kind::F16, big: false }.append(&bytes[..2 * count as usize], &mut values);
                Ok(values)
            }
            INT8 => {
                wrong("its kernels are stored as whole numbers (int8), which is not read: take the f16 or f32 file")
            }
            tag if F32.contains(&tag) => self.plain(count),
            _ => {
                let table = self.plain(TABLE as u64)?;
                let bytes = self.bytes(padded(count))?;
                Ok(bytes.iter().take(count as usize).map(|byte| table[usize::from(*byte)]).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `.param` and a `.bin` in a folder of their own.
    fn written(param: &str, bin: &[u8]) -> (tempfile::TempDir, [PathBuf; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["net.param", "net.bin"].map(|name| folder.path().join(name));
        fs::write(&paths[0], param).unwrap();
        fs::write(&paths[1], bin).unwrap();
        (folder, paths)
    }

    const PARAM: &str = "7767517\n3 3\nInput in 0 1 data\nConvolution c 1 1 data a 0=2 1=1 5=1 6=4 -23310=1,2.0e-01\n\
                         PReLU p 1 1 a b 0=2\n";

    fn floats(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    #[test]
    fn each_kind_of_kernel_is_read() {
        let rest = floats(&[5.0, 6.0, 0.1, 0.2]);
        let whole = [vec![0; 4], floats(&[1.0, 2.0, 3.0, 4.0])].concat();
        let half = [F16.to_le_bytes().to_vec(), [0x3c00_u16, 0x4000, 0x4200, 0x4400].map(u16::to_le_bytes).concat()];
        let mut table = vec![0.0; TABLE];
        table[7..11].copy_from_slice(&[1.0, 2.0, 3.0, 4.0]);
        let table = [vec![1, 2, 3, 4], floats(&table), vec![7, 8, 9, 10]].concat();
        for kernel in [whole, half.concat(), table] {
            let (_folder, paths) = written(PARAM, &[kernel, rest.clone()].concat());
            for path in &paths {
                let bag = read(&pair(path).unwrap()).unwrap();
                let found: Vec<(&str, &[usize])> = bag.arrays.iter().map(|a| (&*a.name, &*a.shape)).collect();
                assert_eq!(found, [("c.weight", &[2, 2, 1, 1][..]), ("c.bias", &[2]), ("p.weight", &[2])]);
                assert_eq!(bag.arrays[0].values, [1.0, 2.0, 3.0, 4.0]);
                assert_eq!(bag.config["ncnn"][1]["values"]["10"], 0.2);
            }
        }
    }

    #[test]
    fn what_is_wrong_is_a_sentence() {
        let bin = [vec![0; 4], floats(&[0.0; 8])].concat();
        let said = |param: &str, bin: &[u8]| {
            let (_folder, paths) = written(param, bin);
            read(&paths).unwrap_err().0
        };
        for cut in 0..bin.len() {
            assert!(said(PARAM, &bin[..cut]).contains("too early"), "{cut}");
        }
        assert!(said(PARAM, &[bin.clone(), vec![0]].concat()).contains("not of one network"));
        assert!(said(&PARAM.replace("3 3", "4 4"), &bin).contains("3 layers where 4"));
        assert!(said(&PARAM.replace("PReLU", "Wonder"), &bin).contains("Wonder"));
        assert!(said(&PARAM.replace("6=4", "6=-1"), &bin).contains("sizes"));
        assert!(said(&PARAM.replace("6=4", "6=400000000000"), &bin).contains("too early"));
        assert!(said("7767517\n", &bin).contains("how many"));
        let (folder, paths) = written(PARAM, &bin);
        fs::remove_file(folder.path().join("net.bin")).unwrap();
        assert!(read(&paths).unwrap_err().0.contains("net.bin"));
    }
}
