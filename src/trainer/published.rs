//! Published weights: the files of the model folder that others read, and the states that stay in `history/`.
//!
//! Written by `trainer::run`, read back by `trainer::steer` for a rewind and a fork, and by whoever shows what
//! a training was. A state is `<step>.safetensors`, byte for byte the weights that were published, with its
//! critic and a small sheet; a state that is listed is whole. What optimisers know is in the checkpoint alone.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use sha2::{Digest, Sha256};

use super::run::{Plan, TrainError};
use super::step::State;
use crate::files;
use crate::model::arrays::Incoming;
use crate::model::{self, BURN_VERSION, Card, ModelError};
use crate::net::arch::Arch;
use crate::net::generator::{self, Ready};
use crate::net::{critic, params::Params};
use crate::picture::Picture;
use crate::picture::sheet::sheet;
use crate::random::RandomState;

/// Rows and columns of a model's `sheet.png`.
const SHEET_SIDE: usize = 5;
/// Rows and columns of a kept state's sheet.
const SMALL_SIDE: usize = 3;

/// Files of one state in the history of a model folder: weights, critic, sheet.
pub fn state_files(folder: &Path, step: u64) -> [PathBuf; 3] {
    ["safetensors", "critic.safetensors", "png"].map(|ending| folder.join(format!("history/{step}.{ending}")))
}

/// Steps of the states that are kept, ascending.
pub fn steps(folder: &Path) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(folder.join("history")) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut steps: Vec<u64> = names.filter_map(|name| name.strip_suffix(".safetensors")?.parse().ok()).collect();
    steps.sort_unstable();
    steps
}

/// Writes weights, critic, card and sheet; gives the fingerprint of the weights' file.
pub fn publish(plan: &Plan, state: &State) -> Result<String, TrainError> {
    let weights = plan.folder.join(model::WEIGHTS);
    model::write_weights(&weights, &state.generator, average(state), plan.half)?;
    model::write_critic(&plan.folder.join(model::CRITIC), &state.critic, plan.half)?;
    let card = Card { step: state.epoch, burn: BURN_VERSION.into(), arch: state.arch.clone(), ..plan.card.clone() };
    card.write(&plan.folder)?;
    let shown = Ready::new(&state.arch, state.shown(), false);
    samples(&shown, SHEET_SIDE * SHEET_SIDE, SHEET_SIDE).write_png(&plan.folder.join("sheet.png"))?;
    let bytes = files::read(&weights).map_err(ModelError::from)?;
    Ok(Sha256::digest(&bytes).iter().take(8).map(|b| format!("{b:02x}")).collect())
}

/// Keeps the state in the history, at most `most` of them; the first one always stays as it is.
pub fn keep(plan: &Plan, state: &State, most: usize) -> Result<(), TrainError> {
    let step = state.epoch;
    let [weights, critic, small] = state_files(&plan.folder, step);
    if steps(&plan.folder).first() == Some(&step) {
        return Ok(());
    }
    model::write_critic(&critic, &state.critic, plan.half)?;
    let shown = Ready::new(&state.arch, state.shown(), false);
    samples(&shown, SMALL_SIDE * SMALL_SIDE, SMALL_SIDE).write_png(&small)?;
    // Last, because it is what makes a state one that is listed.
    model::write_weights(&weights, &state.generator, average(state), plan.half)?;
    for old in thinned(&steps(&plan.folder), step, most) {
        // What cannot be removed costs room and nothing else.
        state_files(&plan.folder, old).iter().for_each(|path| drop(fs::remove_file(path)));
    }
    Ok(())
}

/// Which of the kept `steps` (ascending) to give up so that `most` are left, `new` having come last.
///
/// What goes is what is missed least: the state whose neighbours are nearest to each other in proportion to its
/// distance from the new one. So the gaps grow with the distance, about geometrically. The first and the new
/// one never go.
fn thinned(steps: &[u64], new: u64, most: usize) -> Vec<u64> {
    let (mut left, mut gone) = (steps.to_vec(), Vec::new());
    while left.len() > most {
        let missed = |at: usize| {
            let gap = match left.get(at + 1) {
                Some(next) => next - left[at - 1],
                None => 2 * (left[at] - left[at - 1]),
            };
            gap as f64 / left[at].abs_diff(new) as f64
        };
        let others = (1..left.len()).filter(|at| left[*at] != new);
        let Some(at) = others.min_by(|a, b| missed(*a).total_cmp(&missed(*b))) else { break };
        gone.push(left.remove(at));
    }
    gone
}

fn average(state: &State) -> Option<&Params> {
    state.average.as_ref().map(|(params, _)| params)
}

/// Weights read back from files.
pub struct Weights {
    pub generator: Params,
    pub average: Option<Params>,
    pub critic: Option<Params>,
}

impl Weights {
    /// Those of a model folder.
    pub fn of_model(folder: &Path, arch: &Arch, device: &Device) -> Result<Self, ModelError> {
        Self::read(&folder.join(model::WEIGHTS), &folder.join(model::CRITIC), arch, device)
    }

    /// Those of a state in the history; none if it is not kept.
    pub fn of_state(folder: &Path, step: u64, arch: &Arch, device: &Device) -> Result<Option<Self>, ModelError> {
        let [weights, critic, _] = state_files(folder, step);
        match weights.is_file() {
            true => Self::read(&weights, &critic, arch, device).map(Some),
            false => Ok(None),
        }
    }

    fn read(weights: &Path, critic_file: &Path, arch: &Arch, device: &Device) -> Result<Self, ModelError> {
        let file = Incoming::open(weights)?;
        let plans = generator::plans(arch);
        let average = match file.has("average.") {
            true => Some(file.params("average", &plans, device)?),
            false => None,
        };
        let generator = match (file.has("generator."), &average) {
            (false, Some(average)) => average.clone(),
            _ => file.params("generator", &plans, device)?,
        };
        let critic = match critic_file.is_file() {
            true => Some(Incoming::open(critic_file)?.params("critic", &critic::plans(arch), device)?),
            false => None,
        };
        Ok(Self { generator, average, critic })
    }

    /// Makes a training go on from these, which were learnt elsewhere.
    pub fn fork(self, state: &mut State, device: &Device) {
        state.settled = self.average.is_some();
        state.replace(self.generator, self.average, self.critic, device);
    }

    /// Whether these are the weights of that generator, as nearly as half precision can say.
    pub fn are_of(&self, generator: &Params) -> bool {
        let near = |a: f32, b: f32| (a - b).abs() <= 1e-3 * b.abs() + 1e-6;
        self.generator.list.iter().zip(&generator.list).all(|(a, b)| {
            let (a, b) = (a.values(), b.values());
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| near(*a, *b))
        })
    }
}

/// Pictures of seeds 0, 1, 2, …: the same z for the life of every model.
pub fn samples(ready: &Ready, count: usize, columns: usize) -> Picture {
    let arch = ready.arch();
    let z: Vec<Vec<f32>> = (0..count as u32)
        .map(|seed| RandomState::new(seed).normals(arch.z_dim).iter().map(|v| *v as f32).collect())
        .collect();
    let bytes: Vec<u8> = z.chunks(25).flat_map(|z| ready.bytes(z)).collect();
    sheet(&Picture::batch(bytes, arch.input_dim), columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps that are left after publishing every step up to `last`.
    fn left(last: u64, most: usize) -> Vec<u64> {
        let mut kept: Vec<u64> = Vec::new();
        for step in 0..=last {
            kept.push(step);
            let gone = thinned(&kept, step, most);
            kept.retain(|step| !gone.contains(step));
        }
        kept
    }

    #[test]
    fn old_states_become_sparse_and_the_first_stays() {
        assert_eq!(left(9, 64), (0..=9).collect::<Vec<_>>());
        for last in [100, 1000, 3001] {
            let kept = left(last, 16);
            assert_eq!((kept.len(), kept[0], kept[15]), (16, 0, last));
            assert_eq!(kept[14], last - 1, "{kept:?}");
            let gaps: Vec<u64> = kept.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let (early, late): (u64, u64) = (gaps[..7].iter().sum(), gaps[8..].iter().sum());
            assert!(early > 4 * late, "{kept:?}");
        }
    }

    #[test]
    fn after_a_rewind_what_is_new_stays() {
        let mut kept: Vec<u64> = (0..=64).map(|i| i * 10).collect();
        for step in 101..140 {
            kept.push(step);
            kept.sort_unstable();
            kept.dedup();
            let gone = thinned(&kept, step, 64);
            kept.retain(|step| !gone.contains(step));
            assert!(kept.len() <= 64 && kept.contains(&step) && kept.contains(&0));
        }
        assert!((135..140).all(|step| kept.contains(&step)), "{kept:?}");
        assert!(thinned(&[1, 2], 2, 0).is_empty());
    }
}
