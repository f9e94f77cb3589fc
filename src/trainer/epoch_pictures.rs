//! The report's samples: 64 pictures of fresh z, drawn as the generator is trained, by the statistics of their batch,
//! and the same z drawn calmly, by the moving ones, beside them.
//!
//! Called by `trainer::saving` where a sample is due and the recipe wants them; writes `images/` in the training's
//! folder: `real_sample.png`, `fake_sample_epoch_NN.png` and `calm_sample_epoch_NN.png`. As in torchvision's
//! `save_image(normalize=True)` the lowest and the highest value of a grid become black and white.

use std::path::{Path, PathBuf};

use burn::tensor::Tensor;

use super::disk;
use super::published;
use super::run::{TrainError, Training};
use super::step::Stream;
use crate::files;
use crate::model::ModelError;
use crate::net::params::floats;
use crate::picture::Picture;
use crate::picture::sheet::sheet;

/// Pictures of a grid, and of a row of it.
const COUNT: usize = 64;
const COLUMNS: usize = 8;

impl Training<'_> {
    /// Writes the grids of an epoch, where the recipe wants them; gives their bytes.
    pub(super) fn write_epoch_pictures(&mut self, epoch: u64) -> Result<u64, TrainError> {
        if !self.state.recipe.cross_entropy.as_ref().is_some_and(|own| own.restless_samples) {
            return Ok(0);
        }
        let folder = self.plan.folder.join("training").join("images");
        files::make_folder(&folder).map_err(ModelError::from)?;
        let mut bytes = 0;
        let real = folder.join("real_sample.png");
        if !real.exists() {
            let (some, mut pixels) = ((0..self.data.len().min(COUNT)).collect::<Vec<_>>(), Vec::new());
            self.data.read(&some, &mut pixels)?;
            bytes += self.write_grid(&real, &pixels.iter().map(|v| f32::from(*v)).collect::<Vec<_>>())?;
        }
        let mut random = self.state.random(Stream::Sample, 0);
        let z = self.state.noise(COUNT, &mut random, self.device);
        for (name, calm) in [("fake", false), ("calm", true)] {
            let pictures: Tensor<4> = self.state.pictures(z.clone(), calm);
            bytes += self.write_grid(&grid_path(&folder, name, epoch), &floats(pictures))?;
            if self.options.keep > 0 {
                // Where states are kept, old samples become sparser as they do.
                let there = published::numbers(&folder, &format!("{name}_sample_epoch_"), ".png");
                for old in published::thinned(&there, epoch, self.options.keep) {
                    let _ = std::fs::remove_file(grid_path(&folder, name, old));
                }
            }
        }
        Ok(bytes)
    }

    fn write_grid(&self, path: &Path, values: &[f32]) -> Result<u64, TrainError> {
        let pictures = Picture::batch(stretched(values), self.state.arch.picture());
        let content = sheet(&pictures, COLUMNS).png(path)?;
        disk::put(path, &content).map_err(ModelError::from)?;
        Ok(content.len() as u64)
    }
}

fn grid_path(folder: &Path, name: &str, epoch: u64) -> PathBuf {
    folder.join(format!("{name}_sample_epoch_{epoch:02}.png"))
}

/// The lowest value becomes 0 and the highest 255.
fn stretched(values: &[f32]) -> Vec<u8> {
    let (low, high) = values.iter().fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
    let scale = 255.0 / (high - low).max(1e-5);
    values.iter().map(|v| ((v - low) * scale).round().clamp(0.0, 255.0) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_uses_the_whole_range_of_bytes() {
        assert_eq!(stretched(&[-0.5, 0.0, 0.5]), [0, 128, 255]);
        assert_eq!(stretched(&[0.3; 3]), [0; 3]);
        assert_eq!(grid_path(Path::new("a"), "fake", 7), Path::new("a/fake_sample_epoch_07.png"));
    }
}
