//! How a latent is drawn beside its z: what a texture does with its noise, or a StyleGAN2 with its w.
//!
//! One value for all models, so that walks, states and blends need not know which is at work; what does not fit the model
//! is left alone by it. A network takes it as numbers behind z.

use super::style::{self, Style};
use super::texture::{self, SCORES};

/// Of both kinds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manner {
    /// Of a texture.
    pub texture: texture::Manner,
    /// Of a StyleGAN2.
    pub style: Style,
}

impl Manner {
    /// Whether all is as usual.
    pub fn is_usual(&self) -> bool {
        self.texture.is_usual() && self.style.is_usual()
    }

    /// At a share of the way from one to another.
    pub fn blended(a: &Self, b: &Self, share: f64) -> Self {
        if a.is_usual() && b.is_usual() {
            return Self::default();
        }
        Self {
            texture: texture::Manner::blended(&a.texture, &b.texture, share),
            style: Style::blended(&a.style, &b.style, share),
        }
    }

    /// A blend of several with weights, or of all alike without.
    pub fn mixed(list: &[Self], weights: &[f64]) -> Self {
        if list.iter().all(Self::is_usual) {
            return Self::default();
        }
        let textures: Vec<texture::Manner> = list.iter().map(|own| own.texture.clone()).collect();
        let styles: Vec<Style> = list.iter().map(|own| own.style.clone()).collect();
        Self { texture: texture::Manner::mixed(&textures, weights), style: Style::mixed(&styles, weights) }
    }

    /// As a network takes it behind a z of so many numbers; empty where all is as usual.
    pub fn numbers(&self, dim: usize) -> Vec<f32> {
        match self.texture.numbers(dim / SCORES) {
            none if none.is_empty() => self.style.numbers(),
            own => own,
        }
    }
}

/// Whether numbers behind a z of so many are a texture's.
fn is_texture(numbers: &[f32], dim: usize) -> bool {
    numbers.len() == texture::numbers(dim / SCORES)
}

/// Between the numbers of two manners behind a z of so many, at a share of the way.
pub fn between(a: &[f32], b: &[f32], dim: usize, share: f64) -> Vec<f32> {
    match is_texture(a, dim) || is_texture(b, dim) {
        true => texture::between(a, b, dim / SCORES, share),
        false => style::between(a, b, share),
    }
}
