//! Named arrays to and from safetensors files: the door through which weights come in and go out.
//!
//! Used by `model` for weights and by `trainer` for checkpoints. Loading cannot run code, and every
//! array is checked for its name, shape and finite values before anything is built from it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, TensorView};

use super::ModelError;
use crate::files::{self, FileError, Parts};
use crate::net::params::{Param, Params, Plan};

/// Arrays on their way to a file.
#[derive(Default)]
pub struct Outgoing {
    arrays: Vec<(String, Vec<usize>, Dtype, Vec<u8>)>,
    /// Texts by name, which stand in the file's header beside the arrays.
    pub notes: HashMap<String, String>,
}

impl Outgoing {
    /// Adds one array under its name; `half` stores it as f16.
    pub fn add(&mut self, name: String, shape: Vec<usize>, values: &[f32], half: bool) {
        let (dtype, bytes) = match half {
            true => (Dtype::F16, bytes_of(values, |v| f16::from_f32(v).to_le_bytes())),
            false => (Dtype::F32, bytes_of(values, f32::to_le_bytes)),
        };
        self.arrays.push((name, shape, dtype, bytes));
    }

    /// Adds all arrays of a network as `prefix.name`.
    pub fn add_params(&mut self, prefix: &str, params: &Params, half: bool) {
        for param in &params.list {
            self.add(format!("{prefix}.{}", param.name), param.shape.clone(), &param.values(), half);
        }
    }

    /// Writes the file whole.
    ///
    /// # Errors
    /// If the arrays cannot be put into the format, or the file cannot be written.
    pub fn write(self, path: &Path) -> Result<(), ModelError> {
        Ok(files::write(path, &self.bytes(path)?)?)
    }

    /// The file's bytes; `path` is only named in errors.
    ///
    /// # Errors
    /// If the arrays cannot be put into the format.
    pub fn bytes(self, path: &Path) -> Result<Vec<u8>, ModelError> {
        let views: Result<Vec<_>, _> = self
            .arrays
            .iter()
            .map(|(name, shape, dtype, bytes)| Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect();
        let notes = (!self.notes.is_empty()).then_some(self.notes);
        views
            .and_then(|views| safetensors::serialize(views, notes))
            .map_err(|e| ModelError::Weights { path: path.into(), why: e.to_string() })
    }
}

/// Values one after the other as their bytes; a training that saves waits for it.
fn bytes_of<const N: usize>(values: &[f32], of: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    let mut bytes = vec![0; values.len() * N];
    bytes.as_chunks_mut::<N>().0.iter_mut().zip(values).for_each(|(bytes, value)| *bytes = of(*value));
    bytes
}

/// Arrays of one file, named but not yet checked; each is read when it is asked for.
///
/// A file holds a generator and its moving average, of which a show draws one: the other stays on disk.
pub struct Incoming {
    path: PathBuf,
    header: Metadata,
    /// Where the arrays begin in the file.
    begins: u64,
    content: Content,
}

enum Content {
    File(Parts),
    Memory(Vec<u8>),
}

impl Content {
    fn size(&self) -> u64 {
        match self {
            Self::File(parts) => parts.size,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Hands `len` bytes from `begins` on to `take`, in pieces of whole values; they must be inside of the file.
    fn read(&self, begins: u64, len: usize, mut take: impl FnMut(&[u8])) -> Result<(), FileError> {
        match self {
            Self::File(parts) => parts.read(begins, len, take),
            Self::Memory(bytes) => {
                take(&bytes[begins as usize..][..len]);
                Ok(())
            }
        }
    }
}

/// Bytes of the header's length, which stands before it.
const LENGTH: u64 = size_of::<u64>() as u64;
/// Bytes of a header at most: the format's own limit.
const HEADER: u64 = 100_000_000;

impl Incoming {
    /// The arrays that pictures are made with: the moving average, where there is one.
    ///
    /// # Errors
    /// As [`Self::params`].
    pub fn shown(&self, plans: &[Plan], device: &Device) -> Result<Params, ModelError> {
        self.params(if self.has("average.") { "average" } else { "generator" }, plans, device)
    }

    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// If it is not there, cannot be read, or is not a whole safetensors file.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        if !path.is_file() {
            return Err(ModelError::NoWeights(path.into()));
        }
        Self::begin(path, Content::File(Parts::open(path)?))
    }

    /// A file that has been read whole.
    ///
    /// # Errors
    /// If it is not a whole safetensors file.
    pub fn of(path: &Path, bytes: Vec<u8>) -> Result<Self, ModelError> {
        Self::begin(path, Content::Memory(bytes))
    }

    fn begin(path: &Path, content: Content) -> Result<Self, ModelError> {
        let wrong = |why: &str| {
            let why = format!("not a whole safetensors file ({why})");
            ModelError::Weights { path: path.into(), why }
        };
        if content.size() < LENGTH {
            return Err(wrong("it has no header"));
        }
        let mut length = [0; LENGTH as usize];
        content.read(0, length.len(), |bytes| length.copy_from_slice(bytes))?;
        let length = u64::from_le_bytes(length);
        if length > HEADER.min(content.size() - LENGTH) {
            return Err(wrong("its header is longer than the file"));
        }
        let mut text = Vec::new();
        content.read(LENGTH, length as usize, |bytes| text.extend_from_slice(bytes))?;
        // That arrays follow each other without gaps and are as large as their shapes is checked with it.
        let header: Metadata = serde_json::from_slice(&text).map_err(|e| wrong(&e.to_string()))?;
        let begins = LENGTH + length;
        match begins.checked_add(header.data_len() as u64) == Some(content.size()) {
            true => Ok(Self { path: path.into(), header, begins, content }),
            false => Err(wrong("its arrays end elsewhere than the file")),
        }
    }

    fn wrong(&self, why: impl ToString) -> ModelError {
        ModelError::Weights { path: self.path.clone(), why: why.to_string() }
    }

    /// The note of that name in the file's header.
    pub fn note(&self, name: &str) -> Option<&str> {
        self.header.metadata().as_ref()?.get(name).map(String::as_str)
    }

    /// Whether any array's name begins so.
    pub fn has(&self, prefix: &str) -> bool {
        self.header.offset_keys().iter().any(|name| name.starts_with(prefix))
    }

    /// The values of one array of this shape (f32, f16 or bf16 in the file).
    ///
    /// # Errors
    /// If there is no such array, or its shape, its type or a value of it is not as it must be.
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let info = self.header.info(name).ok_or_else(|| self.wrong(format!("it has no array {name}")))?;
        if info.shape != shape {
            return Err(self.wrong(format!("{name} has shape {:?}, the architecture asks for {shape:?}", info.shape)));
        }
        let (from, to) = info.data_offsets;
        let mut values: Vec<f32> = Vec::with_capacity(shape.iter().product());
        let read = |take: &mut dyn FnMut(&[u8])| self.content.read(self.begins + from as u64, to - from, take);
        match info.dtype {
            Dtype::F32 => read(&mut |b| values.extend(b.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)))),
            Dtype::F16 => read(&mut |b| values.extend(b.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()))),
            Dtype::BF16 => {
                read(&mut |b| values.extend(b.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32())))
            }
            other => return Err(self.wrong(format!("{name} is {other:?}; F32, F16 and BF16 are read"))),
        }?;
        match values.iter().all(|v| v.is_finite()) {
            true => Ok(values),
            false => Err(self.wrong(format!("{name} holds values that are not finite numbers"))),
        }
    }

    /// All arrays of a network, stored as `prefix.name`.
    ///
    /// # Errors
    /// As [`Self::values`], at the first array that is wrong.
    pub fn params(&self, prefix: &str, plans: &[Plan], device: &Device) -> Result<Params, ModelError> {
        let list = plans.iter().map(|plan| {
            let values = self.values(&format!("{prefix}.{}", plan.name), &plan.shape)?;
            Ok(Param::new(plan, values, device))
        });
        Ok(Params { list: list.collect::<Result<_, ModelError>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An array longer than what is read at a time, and one in half precision.
    fn file(folder: &Path) -> (PathBuf, Vec<f32>) {
        let path = folder.join("arrays.safetensors");
        let long: Vec<f32> = (0..300_000).map(|i| i as f32 / 7.0).collect();
        let mut out = Outgoing::default();
        out.add("a.long".into(), vec![3, 100_000], &long, false);
        out.add("b.half".into(), vec![3], &[0.5, -2.0, 1024.0], true);
        out.notes.insert("record".into(), "kept".into());
        out.write(&path).unwrap();
        (path, long)
    }

    #[test]
    fn arrays_are_the_same_from_a_file_and_from_memory() {
        let folder = tempfile::tempdir().unwrap();
        let (path, long) = file(folder.path());
        for file in [Incoming::open(&path).unwrap(), Incoming::of(&path, files::read(&path).unwrap()).unwrap()] {
            assert!(file.values("a.long", &[3, 100_000]).unwrap() == long);
            assert_eq!(file.values("b.half", &[3]).unwrap(), [0.5, -2.0, 1024.0]);
            assert_eq!(file.note("record"), Some("kept"));
            assert!(file.has("a.") && !file.has("c.") && file.note("none").is_none());
            assert!(file.values("b.half", &[4]).unwrap_err().to_string().contains("asks for [4]"));
        }
    }

    #[test]
    fn a_file_written_over_meanwhile_is_an_error_and_a_renamed_one_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (path, long) = file(folder.path());
        let replaced = Incoming::open(&path).unwrap();
        files::write(&path, b"another").unwrap();
        assert!(replaced.values("a.long", &[3, 100_000]).unwrap() == long);

        let (path, _) = file(folder.path());
        let cut = Incoming::open(&path).unwrap();
        std::fs::write(&path, b"another").unwrap();
        let why = cut.values("a.long", &[3, 100_000]).unwrap_err().to_string();
        assert!(why.contains("arrays.safetensors") && why.contains("shorter"), "{why}");
    }

    #[test]
    fn a_header_that_does_not_fit_its_file_is_refused() {
        let array = |offsets: &str| format!(r#"{{"a":{{"dtype":"F32","shape":[1],"data_offsets":{offsets}}}}}"#);
        let with = |length: u64, text: &str, data: &[u8]| [&length.to_le_bytes()[..], text.as_bytes(), data].concat();
        let whole = |text: &str, data: &[u8]| with(text.len() as u64, text, data);
        let good = array("[0,4]");
        assert!(Incoming::of(Path::new("x"), whole(&good, &[0; 4])).is_ok());
        let spoilt = [
            Vec::new(),
            vec![0; 7],
            with(u64::MAX, &good, &[0; 4]),
            with(good.len() as u64 + 5, &good, &[0; 4]),
            whole(&good, &[0; 3]),
            whole(&good, &[0; 5]),
            whole(&array("[4,8]"), &[0; 8]),
            whole(&array("[0,8]"), &[0; 8]),
            whole(&array("[0,18446744073709551615]"), &[0; 4]),
            whole("no header", &[0; 4]),
        ];
        for (i, bytes) in spoilt.into_iter().enumerate() {
            let why = Incoming::of(Path::new("x"), bytes).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(why.contains("not a whole safetensors file"), "{i}: {why}");
        }
    }
}
