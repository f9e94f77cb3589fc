//! What a model's own critic sees in pictures: the numbers that its last layer makes its score of.
//!
//! Read from a model folder that has a critic, fed and read by `cli::score`, on its thread. Long rows become shorter
//! ones by `dataset::measure::projection`. Nothing is trained here; the score itself is `generator::critic`'s.

use burn::tensor::{Device, Tensor, TensorData};

use super::arrays::Incoming;
use super::{CRITIC, ModelError};
use crate::dataset::measure::projection::Projection;
use crate::net::arch::Arch;
use crate::net::critic;
use crate::net::layers::Chain;
use crate::net::params::{Params, floats};

/// A critic without its last layer.
pub struct CriticFeatures {
    chain: Chain,
    params: Params,
    picture: [usize; 3],
    /// Classes that a conditional critic sees beside a picture.
    planes: usize,
    device: Device,
    projection: Projection,
}

impl CriticFeatures {
    /// Reads the critic beside a model; none if the family has none, there is no file, or it is one layer alone, which
    /// sees pixels. `seed` is that of the projection.
    ///
    /// # Errors
    /// If the file is there and is not this network's.
    pub fn read(name: &str, arch: &Arch, device: &Device, seed: u32) -> Result<Option<Self>, ModelError> {
        let path = super::folder(name).join(CRITIC);
        let Some(chain) = arch.critic().filter(|_| path.is_file()) else { return Ok(None) };
        let Some(chain) = critic::without_last(&chain) else { return Ok(None) };
        let params = Incoming::open(&path)?.params("critic", &arch.critic_plans(), device)?;
        let projection = Projection::new(chain.output().len(), seed);
        Ok(Some(Self {
            chain,
            params,
            picture: arch.picture(),
            planes: arch.planes(),
            device: device.clone(),
            projection,
        }))
    }

    /// Numbers of the layer before the last.
    pub fn of(&self) -> usize {
        self.chain.output().len()
    }

    /// Numbers in a row of features.
    pub fn dim(&self) -> usize {
        self.projection.dim()
    }

    /// Features `[n, dim]` of pictures `[n, h, w, c]` in the size that the model draws. Empty if the device failed.
    /// A critic that sees classes is shown all of them in equal parts, with every picture.
    pub fn rows(&self, bytes: &[u8]) -> Vec<f32> {
        let [h, w, c] = self.picture;
        let count = bytes.len() / (h * w * c).max(1);
        let values: Vec<f32> = bytes.iter().take(count * h * w * c).map(|v| f32::from(*v) / 127.5 - 1.0).collect();
        let pictures: Tensor<4> = Tensor::from_data(TensorData::new(values, [count, h, w, c]), &self.device);
        let pictures = match self.planes {
            0 => pictures,
            planes => {
                let equal = Tensor::full([count, planes], 1.0 / planes as f32, &self.device);
                critic::with_planes(pictures, equal)
            }
        };
        let all = floats(critic::features(&self.chain, &self.params, pictures));
        all.chunks_exact(self.of().max(1)).flat_map(|row| self.projection.row(row)).collect()
    }
}
