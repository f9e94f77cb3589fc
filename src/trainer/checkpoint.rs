//! Checkpoints: all that training changes, in one safetensors file with its record in the header.
//!
//! `state.toml` beside it is the same record for people. A resumed run goes on exactly where the
//! saved one stood.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::optimiser::Moments;
use super::step::State;
use crate::files;
use crate::model::ModelError;
use crate::model::arrays::{Incoming, Outgoing};
use crate::net::arch::Arch;
use crate::net::objective::Buffers;
use crate::net::params::{Params, floats};
use crate::net::{critic, generator};

/// The record of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub format: u32,
    pub seed: u32,
    pub epoch: u64,
    pub batches: u64,
    pub generator_updates: u64,
    pub critic_updates: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// The average was learnt elsewhere ([`State::settled`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settled: bool,
    pub data_fingerprint: String,
    /// Seconds spent in epochs so far, over all sittings.
    pub seconds: f64,
    pub arch: Arch,
}

const FILE: &str = "state.safetensors";

/// Whether there is a checkpoint in `folder`.
pub fn exists(folder: &Path) -> bool {
    folder.join(FILE).is_file()
}

/// Writes `state.safetensors` and `state.toml` in `folder`; gives the path of the first.
pub fn write(folder: &Path, state: &State, fingerprint: &str, seconds: f64) -> Result<PathBuf, ModelError> {
    let record = Record {
        format: 1,
        seed: state.seed,
        epoch: state.epoch,
        batches: state.batches,
        generator_updates: state.generator_moments.count,
        critic_updates: state.critic_moments.count,
        ema: state.average.as_ref().map(|(_, decay)| *decay),
        settled: state.settled,
        data_fingerprint: fingerprint.into(),
        seconds,
        arch: state.arch.clone(),
    };
    let path = folder.join(FILE);
    let text = toml::to_string(&record).map_err(|e| ModelError::Card { path: path.clone(), why: e.to_string() })?;
    let mut out = Outgoing::default();
    out.notes.insert("record".into(), text.clone());
    out.add_params("generator", &state.generator, false);
    out.add_params("critic", &state.critic, false);
    if let Some((average, _)) = &state.average {
        out.add_params("average", average, false);
    }
    for (name, moments) in [("generator", &state.generator_moments), ("critic", &state.critic_moments)] {
        for (part, list) in [("first", &moments.first), ("second", &moments.second)] {
            for (i, tensor) in list.iter().enumerate() {
                let values = floats(tensor.clone());
                out.add(format!("{name}_{part}.{i}"), vec![values.len()], &values, false);
            }
        }
    }
    out.write(&path)?;
    files::write(&folder.join("state.toml"), text.as_bytes())?;
    Ok(path)
}

/// Reads the checkpoint in `folder`.
pub fn read(folder: &Path, device: &Device) -> Result<(State, Record), ModelError> {
    let path = folder.join(FILE);
    let file = Incoming::open(&path)?;
    let wrong = |why: String| ModelError::Weights { path: path.clone(), why };
    let text = file.note("record").ok_or_else(|| wrong("it holds no training record".into()))?;
    let record: Record = toml::from_str(text).map_err(|e| wrong(format!("its training record is unreadable ({e})")))?;
    let arch = record.arch.clone();
    arch.check().map_err(|cause| ModelError::Arch { path: path.clone(), cause })?;
    let generator = file.params("generator", &generator::plans(&arch), device)?;
    let critic = file.params("critic", &critic::plans(&arch), device)?;
    let average = match record.ema {
        Some(decay) => Some((file.params("average", &generator::plans(&arch), device)?, decay)),
        None => None,
    };
    let moments = |name: &str, params: &Params, rate: f64, count: u64| {
        let mut moments = Moments::new(arch.optimiser, rate, params, device);
        moments.count = count;
        for (part, list) in [("first", &mut moments.first), ("second", &mut moments.second)] {
            for (i, tensor) in list.iter_mut().enumerate() {
                let len = tensor.dims()[0];
                let values = file.values(&format!("{name}_{part}.{i}"), &[len])?;
                *tensor = Tensor::from_data(TensorData::new(values, [len]), device);
            }
        }
        Ok::<_, ModelError>(moments)
    };
    let state = State {
        generator_moments: moments("generator", &generator, arch.generator_learning_rate, record.generator_updates)?,
        critic_moments: moments("critic", &critic, arch.critic_learning_rate, record.critic_updates)?,
        seed: record.seed,
        epoch: record.epoch,
        batches: record.batches,
        generator,
        critic,
        average,
        settled: record.settled,
        arch,
        buffers: Buffers::default(),
    };
    Ok((state, record))
}
