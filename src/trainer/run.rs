//! A whole training: model folder in, epochs, samples, checkpoints, model folder out.
//!
//! Called by `cli::train`. Stops cleanly between two epochs; what it wrote last is always whole.

use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::tensor::Device;

use super::checkpoint;
use super::history::{History, HistoryError};
use super::step::{Data, Losses, State};
use crate::model::{self, BURN_VERSION, Card, ModelError};
use crate::net::generator::Ready;
use crate::picture::sheet::sheet;
use crate::picture::{Picture, PictureError};
use crate::random::RandomState;
use crate::report::Stop;

/// How long and how often, and what the card says.
#[derive(Clone, Debug)]
pub struct Plan {
    pub folder: PathBuf,
    /// Epochs in all, those of earlier sittings included.
    pub epochs: u64,
    pub critic_steps: u32,
    pub print_every: u64,
    pub rows: usize,
    pub columns: usize,
    /// Weights on disk in half precision.
    pub half: bool,
    /// The card with everything but `step` filled in.
    pub card: Card,
}

/// Why a training ended before its last epoch by an error.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(
        "epoch {epoch}: a loss is not a finite number any more ({line}); {kept}; \
         lower the learning rates and go on with --resume"
    )]
    Diverged { epoch: u64, line: String, kept: String },
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// Trains until `plan.epochs` or the wish to stop, telling `each` of every epoch. Returns how many
/// epochs this call did.
pub fn train(
    plan: &Plan,
    state: &mut State,
    history: &mut History,
    data: &Data,
    device: &Device,
    stop: &Stop,
    each: &mut dyn FnMut(&Losses),
) -> Result<u64, TrainError> {
    let mut done = 0;
    let mut saved = None;
    while state.epoch < plan.epochs && !stop.raised() {
        let begin = Instant::now();
        let epoch = state.epoch;
        // Every hundredth epoch takes five critic updates, whatever was asked for.
        let steps = if epoch.is_multiple_of(100) { 5 } else { plan.critic_steps };
        let losses = state.epoch(data, steps, device);
        if !losses.finite() {
            let kept = match saved {
                Some(epoch) => format!("the weights after epoch {epoch} are on disk"),
                None if done == 0 && epoch > 0 => "the weights it was resumed from are on disk".into(),
                None => "nothing had been saved yet".into(),
            };
            return Err(TrainError::Diverged { epoch, line: losses.line(), kept });
        }
        history.push(losses, begin.elapsed().as_secs_f64());
        done += 1;
        each(&losses);
        if epoch.is_multiple_of(plan.print_every) {
            save(plan, state, history, Some(epoch))?;
            saved = Some(epoch);
        }
    }
    if saved.is_none_or(|epoch| epoch + 1 < state.epoch) && state.epoch > 0 {
        save(plan, state, history, None)?;
    }
    Ok(done)
}

/// Writes everything that belongs to the folder now, and a numbered sample grid if asked for.
fn save(plan: &Plan, state: &State, history: &History, numbered: Option<u64>) -> Result<(), TrainError> {
    let training = plan.folder.join("training");
    let shown = Ready::new(&state.arch, state.shown(), false);
    let grid = samples(&shown, plan.rows * plan.columns, plan.columns);
    if let Some(epoch) = numbered {
        grid.write_png(&training.join(format!("sample_{epoch:06}.png")))?;
    }
    checkpoint::write(&training, state, &plan.card.data_fingerprint, history.seconds())?;
    history.write(&training)?;
    let average = state.average.as_ref().map(|(params, _)| params);
    model::write_weights(&plan.folder, &state.generator, average, plan.half)?;
    model::write_critic(&plan.folder, &state.critic, plan.half)?;
    let card = Card { step: state.epoch, burn: BURN_VERSION.into(), ..plan.card.clone() };
    card.write(&plan.folder)?;
    samples(&shown, SHEET_SIDE * SHEET_SIDE, SHEET_SIDE).write_png(&plan.folder.join("sheet.png"))?;
    Ok(())
}

/// Rows and columns of `sheet.png`.
const SHEET_SIDE: usize = 5;

/// Pictures of seeds 0, 1, 2, …: the same z for the life of every model.
fn samples(ready: &Ready, count: usize, columns: usize) -> Picture {
    let arch = ready.arch();
    let z: Vec<Vec<f32>> = (0..count as u32)
        .map(|seed| RandomState::new(seed).normals(arch.z_dim).iter().map(|v| *v as f32).collect())
        .collect();
    let bytes: Vec<u8> = z.chunks(25).flat_map(|z| ready.bytes(z)).collect();
    sheet(&Picture::batch(&bytes, arch.input_dim), columns)
}

/// Whether the folder holds a model already.
pub fn exists(folder: &Path) -> bool {
    folder.join("model.toml").exists()
        || folder.join("training").exists()
        || folder.join("weights.safetensors").exists()
}
