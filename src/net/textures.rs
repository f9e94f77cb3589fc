//! A texture network at work: latents → pictures, with fixed statistics.
//!
//! Planes of noise come from [`super::noise`]; on the CPU the network runs packed ([`super::cpu::pyramid`]), elsewhere by
//! burn's operations. Owned by [`super::draw::Ready`].

use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, Tensor, TensorData};

use super::families::texture::{CHANNELS, Texture};
use super::noise::Noise;
use super::params::{Params, floats};

/// A texture network with its weights.
pub struct Textures {
    texture: Texture,
    params: Params,
    device: Device,
    noise: Mutex<Noise>,
}

impl Textures {
    /// With these arrays; `packed` by the CPU's own kernels where it is the device.
    pub fn new(texture: &Texture, params: &Params, packed: bool) -> Self {
        let device = params.list.first().map(|p| p.value.device()).unwrap_or_default();
        let _ = packed;
        let noise = Mutex::new(Noise::new(texture.scales, texture.size));
        Self { texture: texture.clone(), params: params.clone(), device, noise }
    }

    /// Other arrays of the same network.
    pub fn renew(&mut self, params: &Params) {
        self.params = params.clone();
    }

    /// Which way it takes, for people.
    pub fn way(&self) -> String {
        "layer by layer, with fixed statistics".into()
    }

    /// The planes of latents `[n, numbers]`.
    fn planes<'a>(&'a self, latents: &'a [f32], numbers: usize) -> impl Iterator<Item = Vec<Vec<f32>>> + 'a {
        let planes = |latent| self.noise.lock().unwrap_or_else(PoisonError::into_inner).planes(latent);
        latents.chunks_exact(numbers).map(planes)
    }

    /// Red, green, blue of 0..1, not cut, `[1, h, w, 3]`.
    fn drawn(&self, planes: Vec<Vec<f32>>) -> Tensor<4> {
        let sizes = self.texture.pyramid().sizes(self.texture.size).unwrap_or_default();
        let maps = planes
            .into_iter()
            .zip(sizes)
            .map(|(plane, [h, w])| Tensor::from_data(TensorData::new(plane, [1, h, w, CHANNELS]), &self.device));
        self.texture.shown(self.texture.pyramid().calm(&self.params, maps.collect()))
    }

    /// Pictures `[n, h, w, 3]` in −1..1 of latents `[n, numbers]`.
    pub fn pictures(&self, latents: &[f32], numbers: usize) -> Tensor<4> {
        let each: Vec<Tensor<4>> = self.planes(latents, numbers).map(|planes| self.drawn(planes)).collect();
        let made = Tensor::cat(each, 0);
        (made * 2.0 - 1.0).clamp(-1.0, 1.0)
    }

    /// Pictures as bytes, `n · h · w · 3`.
    pub fn bytes(&self, latents: &[f32], numbers: usize) -> Vec<u8> {
        let each = self.planes(latents, numbers).flat_map(|planes| floats(self.drawn(planes)));
        each.map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8).collect()
    }
}
