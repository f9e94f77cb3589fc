//! Named arrays to and from safetensors files: the door through which weights come in and go out.
//!
//! Used by `model` for weights and by `trainer` for checkpoints. Loading cannot run code, and every
//! array is checked for its name, shape and finite values before anything is built from it.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::Device;
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::ModelError;
use crate::files;
use crate::net::params::{Param, Params, Plan};

/// Arrays on their way to a file.
#[derive(Default)]
pub struct Outgoing {
    arrays: Vec<(String, Vec<usize>, Dtype, Vec<u8>)>,
    pub notes: HashMap<String, String>,
}

impl Outgoing {
    /// Adds one array under its name; `half` stores it as f16.
    pub fn add(&mut self, name: String, shape: Vec<usize>, values: &[f32], half: bool) {
        let (dtype, bytes) = match half {
            true => (Dtype::F16, values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect()),
            false => (Dtype::F32, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
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
    pub fn write(self, path: &Path) -> Result<(), ModelError> {
        let views: Result<Vec<_>, _> = self
            .arrays
            .iter()
            .map(|(name, shape, dtype, bytes)| Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect();
        let notes = (!self.notes.is_empty()).then_some(self.notes);
        let bytes = views
            .and_then(|views| safetensors::serialize(views, notes))
            .map_err(|e| ModelError::Weights { path: path.into(), why: e.to_string() })?;
        Ok(files::write(path, &bytes)?)
    }
}

/// Arrays of one file, read and named but not yet checked.
pub struct Incoming {
    path: std::path::PathBuf,
    bytes: Vec<u8>,
}

impl Incoming {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        if !path.is_file() {
            return Err(ModelError::NoWeights(path.into()));
        }
        let incoming = Self { path: path.into(), bytes: files::read(path)? };
        incoming.open()?;
        Ok(incoming)
    }

    /// The file as it lies on disk.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn wrong(&self, why: impl ToString) -> ModelError {
        ModelError::Weights { path: self.path.clone(), why: why.to_string() }
    }

    fn open(&self) -> Result<SafeTensors<'_>, ModelError> {
        SafeTensors::deserialize(&self.bytes).map_err(|e| self.wrong(format!("not a whole safetensors file ({e})")))
    }

    /// The note of that name in the file's header.
    pub fn note(&self, name: &str) -> Result<Option<String>, ModelError> {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).map_err(|e| self.wrong(e))?;
        Ok(header.metadata().as_ref().and_then(|notes| notes.get(name).cloned()))
    }

    /// Whether any array's name begins so.
    pub fn has(&self, prefix: &str) -> Result<bool, ModelError> {
        Ok(self.open()?.names().iter().any(|name| name.starts_with(prefix)))
    }

    /// The values of one array of this shape (f32, f16 or bf16 in the file).
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let file = self.open()?;
        let view = file.tensor(name).map_err(|_| self.wrong(format!("it has no array {name}")))?;
        if view.shape() != shape {
            return Err(self.wrong(format!("{name} has shape {:?}, the architecture asks for {shape:?}", view.shape())));
        }
        let data = view.data();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F16 => data.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::BF16 => data.as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
            other => return Err(self.wrong(format!("{name} is {other:?}; F32, F16 and BF16 are read"))),
        };
        match values.iter().all(|v| v.is_finite()) {
            true => Ok(values),
            false => Err(self.wrong(format!("{name} holds values that are not finite numbers"))),
        }
    }

    /// All arrays of a network, stored as `prefix.name`.
    pub fn params(&self, prefix: &str, plans: &[Plan], device: &Device) -> Result<Params, ModelError> {
        let list = plans.iter().map(|plan| {
            let values = self.values(&format!("{prefix}.{}", plan.name), &plan.shape)?;
            Ok(Param::new(plan, values, device))
        });
        Ok(Params { list: list.collect::<Result<_, ModelError>>()? })
    }
}
