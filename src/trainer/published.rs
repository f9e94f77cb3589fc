//! Published weights: the files of the model folder that others read, and the states that stay in `history/`.
//!
//! Written by `trainer::saving`, read back by `trainer::steer` for a rewind and a fork, and by whoever shows what a
//! training was. A state is `<step>.safetensors` with its critic and a small sheet; a state that is listed is whole.
//! Each array is written once: the model folder's own names are second names of the newest state's files.
//! A state that is only looked at has the same three files in memory (`trainer::memory`).
//! What optimisers know is in the checkpoint alone.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use sha2::{Digest, Sha256};

use super::disk::{self, Written};
use super::run::{Plan, TrainError};
use super::step::State;
use crate::files;
use crate::model::arrays::{Incoming, Outgoing};
use crate::model::{self, BURN_VERSION, Card, ModelError};
use crate::net::arch::Arch;
use crate::net::draw::Ready;
use crate::net::params::Params;
use crate::picture::Picture;
use crate::picture::sheet::sheet;
use crate::random::RandomState;

/// Rows and columns of a model's `sheet.png`.
pub(super) const SHEET_SIDE: usize = 5;
/// In a model's folder `training`: a sheet of the first pictures that it learns from.
pub const DATA_SHEET: &str = "data.png";
/// Rows and columns of a state's sheet.
pub(super) const SMALL_SIDE: usize = 3;

/// Files of one state in the history of a model folder: weights, critic, sheet.
pub fn state_files(folder: &Path, step: u64) -> [PathBuf; 3] {
    files_in(&folder.join("history"), step)
}

/// The same in any folder of states.
pub(super) fn files_in(folder: &Path, step: u64) -> [PathBuf; 3] {
    ["safetensors", "critic.safetensors", "png"].map(|ending| folder.join(format!("{step}.{ending}")))
}

/// The critic's file that belongs to a file of weights, and the sheet's: those of a state, or of a model folder.
pub fn beside(weights: &Path) -> [PathBuf; 2] {
    match weights.file_name() == Some(OsStr::new(model::WEIGHTS)) {
        true => [model::CRITIC, "sheet.png"].map(|name| weights.with_file_name(name)),
        false => ["critic.safetensors", "png"].map(|ending| weights.with_extension(ending)),
    }
}

/// Steps of the states that are kept, ascending.
pub fn steps(folder: &Path) -> Vec<u64> {
    numbers(&folder.join("history"), "", ".safetensors")
}

/// Bytes of the state that was kept last, its critic included, and the seconds since then.
pub fn newest(folder: &Path) -> Option<Written> {
    let of = |step: u64| {
        let [weights, critic, _] = state_files(folder, step).map(|path| disk::written(&path));
        let (bytes, age) = weights?;
        Some((bytes + critic.map_or(0, |(bytes, _)| bytes), age))
    };
    steps(folder).into_iter().filter_map(of).min_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// The numbers between two parts of the names in a folder, ascending.
pub(super) fn numbers(folder: &Path, before: &str, after: &str) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let number = |name: String| name.strip_prefix(before)?.strip_suffix(after)?.parse().ok();
    let mut numbers: Vec<u64> = names.filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// A state as the bytes of its files.
pub struct Encoded {
    step: u64,
    weights: Vec<u8>,
    critic: Vec<u8>,
    /// Its sheet; absent where it is not kept.
    sheet: Option<Vec<u8>>,
}

impl Encoded {
    /// A state with its sheet, if it is one that is looked at; `pictures` are those of its first seeds.
    ///
    /// # Errors
    /// If it cannot be put into the files' formats.
    pub fn new(plan: &Plan, state: &State, pictures: Option<&[Picture]>) -> Result<Self, TrainError> {
        let mut weights = Outgoing::default();
        weights.add_params("generator", &state.generator, plan.half);
        if let Some((average, _)) = &state.average {
            weights.add_params("average", average, plan.half);
        }
        if state.recipe.cross_entropy.is_some() {
            weights.notes.insert(PLACE.into(), format!("{} {}", state.epoch, state.pass.place));
        }
        let mut critic = Outgoing::default();
        critic.add_params("critic", &state.critic, plan.half);
        let (name, critics) = (plan.folder.join(model::WEIGHTS), plan.folder.join(model::CRITIC));
        let sheet = pictures.map(|pictures| sheet(&pictures[..SMALL_SIDE * SMALL_SIDE], SMALL_SIDE).png(&name));
        let (weights, critic) = (weights.bytes(&name)?, critic.bytes(&critics)?);
        Ok(Self { step: state.step, weights, critic, sheet: sheet.transpose()? })
    }

    /// The first eight bytes of the weights' SHA-256 in hexadecimal.
    pub fn fingerprint(&self) -> String {
        Sha256::digest(&self.weights).iter().take(8).map(|b| format!("{b:02x}")).collect()
    }

    /// Bytes of its weights and its critic.
    pub fn len(&self) -> u64 {
        (self.weights.len() + self.critic.len()) as u64
    }

    /// Whether it has no weights.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes its files into a folder that is in memory.
    ///
    /// # Errors
    /// If there is no room.
    pub(super) fn put(&self, folder: &Path) -> Result<[PathBuf; 3], files::FileError> {
        let [weights, critic, sheet] = files_in(folder, self.step);
        disk::put(&critic, &self.critic)?;
        if let Some(content) = &self.sheet {
            disk::put(&sheet, content)?;
        }
        disk::put(&weights, &self.weights)?;
        Ok([weights, critic, sheet])
    }

    /// Keeps it in the history, at most `most` states of them, and makes it the model folder's; gives the bytes that
    /// were written, and whether it is in the history. The first state always stays as it is.
    ///
    /// # Errors
    /// If a file cannot be written; what was there before is still whole.
    pub fn keep(&self, plan: &Plan, state: &State, most: usize) -> Result<(u64, bool), TrainError> {
        let [weights, critic, sheet] = state_files(&plan.folder, self.step);
        let there = disk::holds(&weights, &self.weights) && disk::holds(&critic, &self.critic);
        if !there && steps(&plan.folder).first() == Some(&self.step) {
            return Ok((self.publish(plan, state)?, false));
        }
        let mut bytes = 0;
        if !there {
            let listed = weights.is_file();
            let written = files::write(&critic, &self.critic)
                .and_then(|()| self.sheet.iter().try_for_each(|content| disk::put(&sheet, content)))
                // Last, because it is what makes a state one that is listed.
                .and_then(|()| files::write(&weights, &self.weights));
            if let Err(error) = written {
                if !listed {
                    // A disk that is full is not filled with parts of states.
                    [&critic, &sheet].into_iter().for_each(|path| drop(fs::remove_file(path)));
                }
                return Err(ModelError::from(error).into());
            }
            bytes = self.len() + self.sheet.as_ref().map_or(0, |content| content.len() as u64);
        }
        let second = |from: &Path, name: &str, content: &[u8]| disk::link(from, &plan.folder.join(name), content);
        bytes += second(&critic, model::CRITIC, &self.critic).map_err(ModelError::from)?;
        bytes += second(&weights, model::WEIGHTS, &self.weights).map_err(ModelError::from)?;
        self.write_card(plan, state)?;
        for old in thinned(&steps(&plan.folder), self.step, most) {
            // What cannot be removed costs room and nothing else.
            state_files(&plan.folder, old).iter().for_each(|path| drop(fs::remove_file(path)));
        }
        Ok((bytes, true))
    }

    /// Makes it the model folder's; gives the bytes that were written.
    ///
    /// # Errors
    /// If a file cannot be written; what was there before is still whole.
    pub fn publish(&self, plan: &Plan, state: &State) -> Result<u64, TrainError> {
        let write = |name: &str, content: &[u8]| files::write(&plan.folder.join(name), content);
        write(model::WEIGHTS, &self.weights).map_err(ModelError::from)?;
        write(model::CRITIC, &self.critic).map_err(ModelError::from)?;
        self.write_card(plan, state)?;
        Ok(self.len())
    }

    fn write_card(&self, plan: &Plan, state: &State) -> Result<(), ModelError> {
        let card = Card {
            step: self.step,
            burn: BURN_VERSION.into(),
            arch: state.arch.clone(),
            recipe: state.recipe.clone(),
            // Of the weights that were there before.
            score: None,
            ..plan.card.clone()
        };
        card.write(&plan.folder)
    }
}

/// Which of the kept `steps` (ascending) to give up so that `most` are left, `new` having come last.
///
/// What goes is what is missed least: the state whose neighbours are nearest to each other in proportion to its
/// distance from the new one. So the gaps grow with the distance, about geometrically. The first and the new
/// one never go.
pub(super) fn thinned(steps: &[u64], new: u64, most: usize) -> Vec<u64> {
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

/// Weights read back from files.
pub struct Weights {
    /// The generator.
    pub generator: Params,
    /// Its moving average, if there is one.
    pub average: Option<Params>,
    /// The critic, if its file is there.
    pub critic: Option<Params>,
    /// Epochs that were done, and how far the next one had come, where steps do not say so.
    pub place: Option<(u64, u64)>,
}

/// Name of the note that says where in its epochs a state is.
const PLACE: &str = "epochs";

impl Weights {
    /// Those of a model folder.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn of_model(folder: &Path, arch: &Arch, device: &Device) -> Result<Self, ModelError> {
        Self::read(&folder.join(model::WEIGHTS), &folder.join(model::CRITIC), arch, device)
    }

    /// Those of a state in the history; none if it is not kept.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn of_state(folder: &Path, step: u64, arch: &Arch, device: &Device) -> Result<Option<Self>, ModelError> {
        let [weights, critic, _] = state_files(folder, step);
        match weights.is_file() {
            true => Self::read(&weights, &critic, arch, device).map(Some),
            false => Ok(None),
        }
    }

    fn read(weights: &Path, critic_file: &Path, arch: &Arch, device: &Device) -> Result<Self, ModelError> {
        let file = Incoming::open(weights)?;
        let plans = arch.generator_plans();
        let average = match file.has("average.") {
            true => Some(file.params("average", &plans, device)?),
            false => None,
        };
        let generator = match (file.has("generator."), &average) {
            (false, Some(average)) => average.clone(),
            _ => file.params("generator", &plans, device)?,
        };
        let critic = match critic_file.is_file() {
            true => Some(Incoming::open(critic_file)?.params("critic", &arch.critic_plans(), device)?),
            false => None,
        };
        let place = file.note(PLACE).and_then(|text| text.split_once(' '));
        let place = place.and_then(|(epoch, place)| Some((epoch.parse().ok()?, place.parse().ok()?)));
        Ok(Self { generator, average, critic, place })
    }

    /// Makes a training go on from these, which were learnt elsewhere.
    pub fn fork(self, state: &mut State, device: &Device) {
        state.average_settled = self.average.is_some();
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

/// z of the first seeds, one after the other through the classes where there are some.
pub(super) fn seeds(arch: &Arch, count: usize) -> Vec<Vec<f32>> {
    let classes = arch.classes();
    let of = |seed: u32| {
        let mut z: Vec<f32> = RandomState::new(seed).normals(arch.z_dim()).iter().map(|v| *v as f32).collect();
        z.extend((0..classes).map(|at| if at == seed as usize % classes { 1.0 } else { 0.0 }));
        z
    };
    (0..count as u32).map(of).collect()
}

/// Pictures of seeds 0, 1, 2, …: the same z for the life of every model.
pub fn sample_pictures(ready: &Ready, count: usize) -> Vec<Picture> {
    let arch = ready.arch();
    let z = seeds(arch, count);
    let bytes: Vec<u8> = z.chunks(25).flat_map(|z| ready.bytes(z)).collect();
    Picture::batch(bytes, arch.picture())
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
    fn the_critic_and_the_sheet_lie_beside_the_weights() {
        let of = |weights: &str| beside(Path::new(weights)).map(|path| path.display().to_string());
        assert_eq!(of("models/a/weights.safetensors"), ["models/a/critic.safetensors", "models/a/sheet.png"]);
        assert_eq!(of("a/history/5.safetensors"), ["a/history/5.critic.safetensors", "a/history/5.png"]);
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
