//! Checkpoints: all that training changes, in one safetensors file with its record in the header.
//!
//! `state.toml` beside it is the same record for people. A resumed run goes on exactly where the saved one stood.
//! Written by `trainer::saving`, read by `cli::train` and for a rewind. Optimisers that have done nothing yet are left
//! out: their moments are zero.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::batches::Order;
use super::disk::{self, Written};
use super::optimiser::Moments;
use super::source::Kept;
use super::step::{Pass, State};
use crate::files;
use crate::model::ModelError;
use crate::model::arrays::{Incoming, Outgoing};
use crate::net::arch::{self, Arch};
use crate::net::cpu::critic_objective::Buffers;
use crate::net::params::{Params, floats};
use crate::net::recipe::Recipe;

/// The record of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Layout of the record: 2, or 1 where the recipe stood among the settings of the networks.
    pub format: u32,
    /// The seed of every random number.
    pub seed: u32,
    /// Epochs done.
    pub epoch: u64,
    /// Generator updates done; absent where that was the number of epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// What was done of an epoch that has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<Pass>,
    /// Batches taken from the data.
    pub batches: u64,
    /// Steps of the generator's optimiser.
    pub generator_updates: u64,
    /// Steps of the critic's optimiser.
    pub critic_updates: u64,
    /// Decay of the moving average, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// The average was learnt elsewhere ([`State::average_settled`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settled: bool,
    /// Fingerprint of the pictures it learnt from.
    pub data_fingerprint: String,
    /// How the pictures are read; absent where nothing is said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Kept>,
    /// Seconds spent in epochs so far, over all sittings.
    pub seconds: f64,
    /// The networks.
    pub arch: Arch,
    /// How they are trained.
    #[serde(default)]
    pub recipe: Recipe,
}

const FILE: &str = "state.safetensors";

/// Whether there is a checkpoint in `folder`.
pub fn exists(folder: &Path) -> bool {
    folder.join(FILE).is_file()
}

/// Bytes of the checkpoint in `folder`, and the seconds since it was written.
pub fn written(folder: &Path) -> Option<Written> {
    disk::written(&folder.join(FILE))
}

/// Writes `state.safetensors` and `state.toml` in `folder`; gives the path of the first, and its bytes.
///
/// # Errors
/// If they cannot be written.
pub fn write(
    folder: &Path,
    state: &State,
    fingerprint: &str,
    reading: Kept,
    seconds: f64,
) -> Result<(PathBuf, u64), ModelError> {
    let record = Record {
        format: 2,
        seed: state.seed,
        epoch: state.epoch,
        step: (state.step != state.epoch).then_some(state.step),
        pass: (state.pass != Pass::default()).then_some(state.pass),
        batches: state.batches,
        generator_updates: state.generator_moments.count,
        critic_updates: state.critic_moments.count,
        ema: state.average.as_ref().map(|(_, decay)| *decay),
        settled: state.average_settled,
        data_fingerprint: fingerprint.into(),
        reading: (reading != Kept::default()).then_some(reading),
        seconds,
        arch: state.arch.clone(),
        recipe: state.recipe.clone(),
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
    let moments = [("generator", &state.generator_moments), ("critic", &state.critic_moments)];
    for (name, moments) in moments.into_iter().filter(|(_, moments)| moments.count > 0) {
        for (part, list) in [("first", &moments.first), ("second", &moments.second)] {
            for (i, tensor) in list.iter().enumerate() {
                let values = floats(tensor.clone());
                out.add(format!("{name}_{part}.{i}"), vec![values.len()], &values, false);
            }
        }
    }
    let bytes = out.bytes(&path)?;
    files::write(&path, &bytes)?;
    disk::put(&folder.join("state.toml"), text.as_bytes())?;
    Ok((path, bytes.len() as u64))
}

/// How the pictures were read for the checkpoint in `folder`, as `state.toml` says; none if it says nothing.
pub fn reading(folder: &Path) -> Option<Kept> {
    let text = files::read_text(&folder.join("state.toml")).ok()?;
    toml::from_str::<toml::Table>(&text).ok()?.remove("reading")?.try_into().ok()
}

/// Reads the checkpoint in `folder`.
///
/// # Errors
/// If it is not there, or not whole.
pub fn read(folder: &Path, device: &Device) -> Result<(State, Record), ModelError> {
    let path = folder.join(FILE);
    let file = Incoming::open(&path)?;
    let wrong = |why: String| ModelError::Weights { path: path.clone(), why };
    let text = file.note("record").ok_or_else(|| wrong("it holds no training record".into()))?;
    let mut table: toml::Table =
        toml::from_str(text).map_err(|e| wrong(format!("its training record is unreadable ({e})")))?;
    arch::modernise(&mut table);
    let record: Record =
        table.try_into().map_err(|e: toml::de::Error| wrong(format!("its training record is unreadable ({e})")))?;
    let (arch, recipe) = (record.arch.clone(), record.recipe.clone());
    let checked = arch.check().and_then(|()| recipe.check());
    checked.map_err(|cause| ModelError::Arch { path: path.clone(), cause })?;
    let generator = file.params("generator", &arch.generator_plans(), device)?;
    let critic = file.params("critic", &arch.critic_plans(), device)?;
    let average = match record.ema {
        Some(decay) => Some((file.params("average", &arch.generator_plans(), device)?, decay)),
        None => None,
    };
    let moments = |name: &str, params: &Params, rate: f64, count: u64| {
        let mut moments = Moments::new(&recipe, rate, params, device);
        moments.count = count;
        if count == 0 {
            return Ok(moments);
        }
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
        generator_moments: moments("generator", &generator, recipe.generator_learning_rate, record.generator_updates)?,
        critic_moments: moments("critic", &critic, recipe.critic_learning_rate, record.critic_updates)?,
        seed: record.seed,
        epoch: record.epoch,
        step: record.step.unwrap_or(record.epoch),
        pass: record.pass.unwrap_or_default(),
        batches: record.batches,
        generator,
        critic,
        average,
        average_settled: record.settled,
        arch,
        recipe,
        buffers: Buffers::default(),
        order: Order::default(),
        sight: None,
        beside: None,
    };
    Ok((state, record))
}
