//! A filter behind a generator: a network that paints the generator's pictures in a style.
//!
//! Read from a model folder by name, asked by `generator` with pictures. Its noise, where it has some, is the same for
//! every picture, so that a walk does not flicker.

use burn::tensor::{Device, Tensor, TensorData};

use super::texture::TextureModel;
use super::{Card, ModelError, WEIGHTS, arrays::Incoming, folder};
use crate::net::arch::Arch;
use crate::net::families::style::{Residual, Style};
use crate::net::params::{Params, floats};
use crate::picture::Picture;

/// Seed of a filter's noise.
const SEED: u32 = 1;

/// A filter on a device.
pub struct Filter {
    /// What it is called.
    pub name: String,
    step: usize,
    kind: Kind,
}

enum Kind {
    Residual(Residual, Params, Device),
    Pyramid(TextureModel),
}

impl Filter {
    /// Reads the filter of that name or path.
    ///
    /// # Errors
    /// If there is none, or it is a model that makes pictures by itself.
    pub fn read(name: &str, device: &Device) -> Result<Self, ModelError> {
        let path = folder(name);
        let card = Card::read(&path)?;
        let Arch::Style(style) = &card.arch else {
            let why = "it makes pictures by itself and is no filter; a filter is imported from a network for styles";
            return Err(ModelError::Card { path: path.join("model.toml"), why: why.into() });
        };
        let params = Incoming::open(&path.join(WEIGHTS))?.params("generator", &card.arch.generator_plans(), device)?;
        let kind = match style {
            Style::Residual(own) => Kind::Residual(own.clone(), params, device.clone()),
            Style::Pyramid(own) => Kind::Pyramid(TextureModel::painting(own, params, device)),
        };
        Ok(Self { name: name.to_owned(), step: style.step(), kind })
    }

    /// Whether it can paint pictures of this height and width.
    ///
    /// # Errors
    /// If it cannot, in a sentence.
    pub fn check(&self, [h, w]: [usize; 2]) -> Result<(), String> {
        let Self { name, step, .. } = self;
        match h >= 2 * step && w >= 2 * step && h % step == 0 && w % step == 0 {
            true => Ok(()),
            false => Err(format!("{name} paints pictures whose sides are multiples of {step}, and {w}x{h} is not")),
        }
    }

    /// The picture in its style, `share` of the way from the plain one (0) to it (1).
    ///
    /// # Errors
    /// If the size does not fit, or the device failed.
    pub fn paint(&self, picture: &Picture, share: f64) -> Result<Picture, String> {
        let size = [picture.height, picture.width];
        self.check(size)?;
        let painted: Vec<u8> = match &self.kind {
            Kind::Residual(own, params, device) => {
                let values: Vec<f32> = picture.pixels.iter().map(|v| f32::from(*v)).collect();
                let x = Tensor::from_data(TensorData::new(values, [1, size[0], size[1], 3]), device);
                floats(own.paint(params, x)).into_iter().map(|v| (v + 0.5).clamp(0.0, 255.0) as u8).collect()
            }
            Kind::Pyramid(own) => {
                let values: Vec<f32> = picture.pixels.iter().map(|v| f32::from(*v) / 255.0).collect();
                let planes = own.noise(size, SEED).map_err(|why| why.0)?;
                own.draw(size, &planes, Some(&values)).map_err(|why| why.0)?.pixels
            }
        };
        if painted.len() != picture.pixels.len() {
            return Err(format!("{}: the device failed", self.name));
        }
        let (all, plain) = ((share.clamp(0.0, 1.0) * 256.0) as i32, &picture.pixels);
        let blend = |(a, b): (&u8, &u8)| (i32::from(*a) + (((i32::from(*b) - i32::from(*a)) * all) >> 8)) as u8;
        let pixels = if all >= 256 { painted } else { plain.iter().zip(&painted).map(blend).collect() };
        Ok(Picture { pixels, ..picture.clone() })
    }
}
