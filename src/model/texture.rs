//! A texture network that draws: read from a file of others, fed with planes of noise.
//!
//! Fed by `cli`; gives pictures. Planes are lists of even numbers of 0..1, the coarsest first, `[h / 2^k, w / 2^k, 3]`
//! each; a network for styles also takes a picture. Absent: model folders, training, shows.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use super::arrays::Incoming;
use super::import::bag::ReadError;
use super::recognise::pyramid;
use super::{Card, Model, WEIGHTS, import};
use crate::net::arch::Arch;
use crate::net::families::style::{Painting, Style};
use crate::net::families::texture::{MEANS, Pyramid};
use crate::net::params::{Params, floats};
use crate::picture::Picture;
use crate::random::RandomState;

/// Channels of noise at each scale.
const CHANNELS: usize = 3;

/// A texture network on a device.
pub struct TextureModel {
    pyramid: Pyramid,
    params: Params,
    divisor: f32,
    device: Device,
    /// What it is, in a sentence.
    pub says: String,
}

/// Noise of every scale, the coarsest first.
pub type Planes = Vec<Vec<f32>>;

impl TextureModel {
    /// Reads a file of Torch7 or PyTorch.
    ///
    /// # Errors
    /// If it cannot be read, or is another network.
    pub fn read(path: &Path, device: &Device) -> Result<Self, ReadError> {
        let found = match pyramid::of_torch7(path)? {
            Some(found) => found,
            None => pyramid::torch(&import::read(path)?)?,
        };
        let values: Vec<Vec<f32>> = found.arrays.into_iter().map(|(_, values)| values).collect();
        let params = Params::of(&found.pyramid.plans(), &values, device);
        let (pyramid, divisor, device) = (found.pyramid, found.divisor, device.clone());
        Ok(Self { pyramid, params, divisor, device, says: found.recognised })
    }

    /// A network for styles with its arrays.
    pub fn painting(own: &Painting, params: Params, device: &Device) -> Self {
        let says = "a network for a style".to_owned();
        Self { pyramid: own.pyramid(), params, divisor: own.divisor, device: device.clone(), says }
    }

    /// Reads a model folder by its name, or as [`Self::read`]; with the size of its pictures, if it has one.
    ///
    /// # Errors
    /// If it is neither, or the model is no texture.
    pub fn named(name: &str, device: &Device) -> Result<(Self, Option<[usize; 2]>), ReadError> {
        if !super::folder(name).join("model.toml").is_file() {
            return Ok((Self::read(Path::new(name), device)?, None));
        }
        let folder = super::folder(name);
        let card = Card::read(&folder).map_err(|why| ReadError(why.to_string()))?;
        if let Arch::Style(Style::Pyramid(own)) = &card.arch {
            let file = Incoming::open(&folder.join(WEIGHTS)).map_err(|why| ReadError(why.to_string()))?;
            let params = file.params("generator", &card.arch.generator_plans(), device);
            return Ok((Self::painting(own, params.map_err(|why| ReadError(why.to_string()))?, device), None));
        }
        let Model { card, generator, .. } = Model::read(name, device).map_err(|why| ReadError(why.to_string()))?;
        let Some(texture) = card.arch.texture() else {
            return Err(ReadError("it is a model and no texture: flaneur still and flaneur film draw it".into()));
        };
        let says = format!("a texture with {} scales", texture.scales);
        let (pyramid, size) = (texture.pyramid(), texture.size);
        let made = Self { pyramid, params: generator, divisor: texture.divisor, device: device.clone(), says };
        Ok((made, Some(size)))
    }

    /// Whether it paints a picture in its style, which it has to be given.
    pub fn paints(&self) -> bool {
        self.pyramid.inputs == 2 * CHANNELS
    }

    /// What height and width have to be multiples of.
    pub fn step(&self) -> usize {
        1 << (self.pyramid.scales - 1)
    }

    /// Checks a height and a width.
    ///
    /// # Errors
    /// If the network cannot draw that size.
    pub fn check(&self, size: [usize; 2]) -> Result<(), ReadError> {
        self.pyramid.sizes(size).map(drop).map_err(|e| ReadError(e.0))
    }

    /// Even noise of a seed for pictures of this height and width: numpy's `RandomState(seed)`, the coarsest scale
    /// first, each as rows of pixels of three numbers.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn noise(&self, size: [usize; 2], seed: u32) -> Result<Planes, ReadError> {
        let mut random = RandomState::new(seed);
        let sizes = self.pyramid.sizes(size).map_err(|e| ReadError(e.0))?;
        Ok(sizes.iter().map(|[h, w]| (0..h * w * CHANNELS).map(|_| random.uniform() as f32).collect()).collect())
    }

    /// The picture of these planes; of a network for styles with the picture `[h, w, 3]` of 0..1 that it paints.
    ///
    /// # Errors
    /// If sizes do not fit, or the device failed.
    pub fn draw(&self, size: [usize; 2], planes: &Planes, picture: Option<&[f32]>) -> Result<Picture, ReadError> {
        let sizes = self.pyramid.sizes(size).map_err(|e| ReadError(e.0))?;
        let fits = planes.len() == sizes.len()
            && planes.iter().zip(&sizes).all(|(plane, [h, w])| plane.len() == h * w * CHANNELS);
        if !fits || picture.is_some_and(|p| p.len() != size[0] * size[1] * 3) || self.paints() != picture.is_some() {
            return Err(ReadError("the noise, or the picture, is of another size".into()));
        }
        let inputs = planes.iter().zip(&sizes).map(|(plane, [h, w])| {
            let values = match picture {
                None => plane.clone(),
                Some(picture) => beside(&pooled(picture, size, size[0] / h), plane),
            };
            Tensor::from_data(TensorData::new(values, [1, *h, *w, self.pyramid.inputs]), &self.device)
        });
        let made = floats(self.pyramid.draw(&self.params, inputs.collect()));
        let [height, width] = size;
        if made.len() != height * width * 3 {
            return Err(ReadError("the device failed".into()));
        }
        let [b, g, r] = MEANS;
        let byte = |v: f32| (v / self.divisor * 255.0).round().clamp(0.0, 255.0) as u8;
        let pixels = made.chunks_exact(3).flat_map(|p| [byte(p[2] + r), byte(p[1] + g), byte(p[0] + b)]).collect();
        Ok(Picture { width, height, pixels })
    }
}

/// Means of `by` × `by` pixels.
fn pooled(picture: &[f32], [h, w]: [usize; 2], by: usize) -> Vec<f32> {
    let (rows, columns) = (h / by, w / by);
    let mut out = vec![0.0; rows * columns * 3];
    for (at, pixel) in picture.chunks_exact(3).enumerate() {
        let place = (at / w / by * columns + at % w / by) * 3;
        (0..3).for_each(|c| out[place + c] += pixel[c] / (by * by) as f32);
    }
    out
}

/// The channels of both, pixel by pixel.
fn beside(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.chunks_exact(3).zip(b.chunks_exact(3)).flat_map(|(a, b)| a.iter().chain(b).copied()).collect()
}
