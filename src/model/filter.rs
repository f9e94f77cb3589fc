//! A filter behind a generator: a network that paints the generator's pictures in a style, or makes them larger.
//!
//! Read from a model folder by name, asked by `generator` with pictures. Its noise, where it has some, is the same for
//! every picture, so that a walk does not flicker.

use burn::tensor::{Device, Tensor, TensorData};

use super::enlarge::{Ended, Enlarge};
use super::texture::TextureModel;
use super::{Card, ModelError, WEIGHTS, arrays::Incoming, folder};
use crate::net::arch::Arch;
use crate::net::families::style::{Residual, Style};
use crate::net::params::{Params, floats};
use crate::picture::Picture;

/// Pixels of a side of a picture that a filter makes, at most.
const LARGEST: usize = 8192;
/// What is said of a picture that something else made way for.
pub const STOPPED: &str = "something else is wanted";
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
    Larger(Box<Enlarge>),
}

/// What a tile of a picture sees of its neighbours, where it is too large for one piece.
const OVERLAP: usize = 16;

impl Filter {
    /// Reads the filter of that name or path.
    ///
    /// # Errors
    /// If there is none, or it is a model that makes pictures by itself.
    pub fn read(name: &str, device: &Device) -> Result<Self, ModelError> {
        let path = folder(name);
        let card = Card::read(&path)?;
        if !card.arch.is_filter() {
            let why = "it makes pictures by itself and is no filter; a filter is imported from a network for styles, or \
                       from one that makes pictures larger";
            return Err(ModelError::Card { path: path.join("model.toml"), why: why.into() });
        }
        let params = Incoming::open(&path.join(WEIGHTS))?.shown(&card.arch.generator_plans(), device)?;
        let kind = match &card.arch {
            Arch::Style(Style::Residual(own)) => Kind::Residual(own.clone(), params, device.clone()),
            Arch::Style(Style::Pyramid(own)) => Kind::Pyramid(TextureModel::painting(own, params, device)),
            _ => match Enlarge::of(&card.arch, params, device) {
                Some(own) => Kind::Larger(Box::new(own)),
                None => return Err(ModelError::Card { path: path.join("model.toml"), why: "it is no filter".into() }),
            },
        };
        Ok(Self { name: name.to_owned(), step: card.arch.style().map_or(1, Style::step), kind })
    }

    /// How many times larger pictures become in each direction.
    pub fn scale(&self) -> usize {
        match &self.kind {
            Kind::Larger(own) => own.scale(),
            Kind::Residual(..) | Kind::Pyramid(_) => 1,
        }
    }

    /// Whether it can paint pictures of this height and width.
    ///
    /// # Errors
    /// If it cannot, in a sentence.
    pub fn check(&self, [h, w]: [usize; 2]) -> Result<(), String> {
        let Self { name, step, .. } = self;
        if self.scale() > 1 {
            return match h.max(w) * self.scale() <= LARGEST {
                true => Ok(()),
                false => Err(format!("{name} would make of {w}x{h} more than {LARGEST} pixels in a direction")),
            };
        }
        match h >= 2 * step && w >= 2 * step && h % step == 0 && w % step == 0 {
            true => Ok(()),
            false => Err(format!("{name} paints pictures whose sides are multiples of {step}, and {w}x{h} is not")),
        }
    }

    /// The picture in its style, or larger, `share` of the way from the plain one (0) to it (1).
    ///
    /// # Errors
    /// If the size does not fit, the device failed, or `goes_on` says no.
    pub fn paint(&self, picture: &Picture, share: f64, goes_on: &dyn Fn() -> bool) -> Result<Picture, String> {
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
            Kind::Larger(own) => return self.larger(own, picture, share, goes_on),
        };
        if painted.len() != picture.pixels.len() {
            return Err(format!("{}: the device failed", self.name));
        }
        Ok(blended(picture, Picture { pixels: painted, ..picture.clone() }, share))
    }

    fn larger(
        &self,
        own: &Enlarge,
        picture: &Picture,
        share: f64,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Picture, String> {
        let made = match own.fits([picture.height, picture.width]) {
            true => own.whole(picture, goes_on),
            false => own.tiled(picture, own.usual_tiles(own.overlap(OVERLAP)), &|_| goes_on()),
        };
        let made = made.map_err(|ended| match ended {
            Ended::Stopped => STOPPED.to_owned(),
            Ended::Failed(why) => format!("{}: {why}", self.name),
        })?;
        match share < 1.0 {
            true => Ok(blended(&picture.smoothly_enlarged(own.scale()), made, share)),
            false => Ok(made),
        }
    }
}

/// How many times larger pictures become behind filters of these names; those that cannot be read count for nothing.
pub fn scale_of(names: &[String]) -> usize {
    let scale = |name: &String| Card::read(&folder(name)).ok()?.arch.enlarger().map(|own| own.scale());
    names.iter().filter_map(scale).product()
}

/// Part of the way from one picture to another of its size.
fn blended(plain: &Picture, painted: Picture, share: f64) -> Picture {
    let all = (share.clamp(0.0, 1.0) * 256.0) as i32;
    if all >= 256 {
        return painted;
    }
    let blend = |(a, b): (&u8, &u8)| (i32::from(*a) + (((i32::from(*b) - i32::from(*a)) * all) >> 8)) as u8;
    Picture { pixels: plain.pixels.iter().zip(&painted.pixels).map(blend).collect(), ..painted }
}
