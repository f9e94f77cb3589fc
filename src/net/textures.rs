//! A texture network at work: latents → pictures, with fixed statistics.
//!
//! Planes of noise come from [`super::noise`]; on the CPU the network runs packed ([`super::cpu::pyramid`]), elsewhere by
//! burn's operations. Owned by [`super::draw::Ready`].

use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, Tensor, TensorData};

use super::cpu::pyramid::Pyramid;
use super::families::Family;
use super::families::texture::{CHANNELS, MEANS, Texture};
use super::noise::{Noise, covered};
use super::ops;
use super::params::{Params, floats};
use crate::latent::texture::{Numbers, Patch};

/// A texture network with its weights.
pub struct Textures {
    texture: Texture,
    params: Params,
    device: Device,
    noise: Mutex<Noise>,
    packed: Option<Pyramid>,
}

impl Textures {
    /// With these arrays; `packed` by the CPU's own kernels where it is the device.
    pub fn new(texture: &Texture, params: &Params, packed: bool) -> Self {
        let device = params.list.first().map(|p| p.value.device()).unwrap_or_default();
        let packed = (packed && ops::ours(&device)).then(|| Pyramid::new(&texture.pyramid().plain(params)));
        let noise = Mutex::new(Noise::new(texture.scales, texture.size));
        Self { texture: texture.clone(), params: params.clone(), device, noise, packed }
    }

    /// Other arrays of the same network.
    pub fn renew(&mut self, params: &Params) {
        self.params = params.clone();
        if let Some(packed) = &mut self.packed {
            *packed = Pyramid::new(&self.texture.pyramid().plain(params));
        }
    }

    /// Which way it takes, for people.
    pub fn way(&self) -> String {
        match self.packed {
            Some(_) => "packed weights with fixed statistics: winograd 4".into(),
            None => "layer by layer, with fixed statistics".into(),
        }
    }

    /// Red, green, blue of 0..1, not cut, by tensors: `[1, h, w, 3]`.
    fn drawn(&self, planes: &[Vec<f32>]) -> Tensor<4> {
        let sizes = self.texture.pyramid().sizes(self.texture.size).unwrap_or_default();
        let maps = planes.iter().zip(sizes).map(|(plane, [h, w])| {
            Tensor::from_data(TensorData::new(plane.clone(), [1, h, w, CHANNELS]), &self.device)
        });
        self.texture.shown(self.texture.pyramid().calm(&self.params, maps.collect()))
    }

    /// Numbers of pictures of latents `[n, numbers]`, made of each channel in 0..1.
    fn numbers<T: Copy + Default + Send>(
        &self,
        latents: &[f32],
        numbers: usize,
        number: impl Fn(f32) -> T + Sync,
    ) -> Vec<T> {
        let mut noise = self.noise.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Vec::new();
        for latent in latents.chunks_exact(numbers) {
            let made = match self.patch(latent) {
                None => self.one(noise.planes(latent), &number),
                // What it changes around itself stays unseen: the ground is that of a picture without it.
                Some((patch, bare)) => {
                    let ground = self.one(noise.planes(&bare), |v| v);
                    let changed = self.one(noise.planes(latent), |v| v);
                    let pixels = ground.chunks_exact(CHANNELS).zip(changed.chunks_exact(CHANNELS));
                    let shares = covered(&patch, self.texture.size);
                    let blend = |((a, b), share): ((&[f32], &[f32]), f32)| -> [f32; CHANNELS] {
                        std::array::from_fn(|c| if share > 0.0 { a[c] + (b[c] - a[c]) * share } else { a[c] })
                    };
                    pixels.zip(shares).flat_map(blend).map(&number).collect()
                }
            };
            if all.is_empty() { all = made } else { all.extend(made) }
        }
        all
    }

    /// The patch of a latent, and the latent without it.
    fn patch(&self, latent: &[f32]) -> Option<(Patch, Vec<f32>)> {
        let (scales, z) = (self.texture.scales, self.texture.z_dim());
        let patch = Numbers::of(latent.get(z..)?, scales)?.patch;
        let mut bare = latent.to_vec();
        bare[z + 3 * scales] = 0.0;
        (patch.share > 0.0 && patch.side > 0.0).then_some((patch, bare))
    }

    /// One picture of planes.
    fn one<T: Copy + Default + Send>(&self, planes: &[Vec<f32>], number: impl Fn(f32) -> T + Sync) -> Vec<T> {
        let ([b, g, r], factor) = (MEANS, 1.0 / self.texture.divisor);
        match &self.packed {
            Some(packed) => packed.draw(self.texture.size, planes, |[blue, green, red]| {
                [(red + r) * factor, (green + g) * factor, (blue + b) * factor].map(&number)
            }),
            None => floats(self.drawn(planes)).into_iter().map(number).collect(),
        }
    }

    /// Pictures `[n, h, w, 3]` in −1..1 of latents `[n, numbers]`.
    pub fn pictures(&self, latents: &[f32], numbers: usize) -> Tensor<4> {
        let values = self.numbers(latents, numbers, |v| (v * 2.0 - 1.0).clamp(-1.0, 1.0));
        let [h, w] = self.texture.size;
        let count = values.len() / (h * w * CHANNELS);
        Tensor::from_data(TensorData::new(values, [count, h, w, CHANNELS]), &self.device)
    }

    /// Pictures as bytes, `n · h · w · 3`.
    pub fn bytes(&self, latents: &[f32], numbers: usize) -> Vec<u8> {
        self.numbers(latents, numbers, |v| (v * 255.0 + 0.5).clamp(0.0, 255.0) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::RandomState;

    #[test]
    fn packed_pictures_are_those_of_tensors() {
        let device = Device::flex();
        for (size, third, sides) in [([64, 96], true, false), ([32, 32], true, true), ([160, 32], false, true)] {
            let texture = Texture { size, third, sides, ..Texture::default() };
            let mut random = RandomState::new(3);
            let params = Params::init(&texture.plans(), &mut random, &device);
            let maps = |count: usize| {
                let plane = |[h, w]: [usize; 2]| {
                    let values = (0..count * h * w * CHANNELS).map(|at| (at as f32 * 0.71).sin().abs()).collect();
                    Tensor::from_data(TensorData::new(values, [count, h, w, CHANNELS]), &device)
                };
                texture.pyramid().sizes([64, 64]).unwrap().into_iter().map(plane).collect()
            };
            let params = texture.pyramid().measured(&params, maps(2));
            let latents: Vec<f32> = random.normals(2 * 218).iter().map(|v| *v as f32).collect();
            let latents: Vec<f32> = latents.chunks(218).flat_map(|z| [&z[..96], &[0.0; 122][..]].concat()).collect();
            let [packed, plain] = [true, false].map(|packed| Textures::new(&texture, &params, packed));
            let [a, b] = [&packed, &plain].map(|way| floats(way.pictures(&latents, 218)));
            assert_eq!((a.len(), b.len()), (2 * size[0] * size[1] * 3, a.len()));
            let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-3, "{size:?}: {worst}");
            assert!(a.iter().any(|v| (v - a[0]).abs() > 1e-3));
            assert_eq!(packed.bytes(&latents, 218).len(), a.len());
        }
    }
}
