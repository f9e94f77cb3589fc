//! Any other stage, through the kernels that training uses: it leaves the planes and comes back.

use super::{Layer, Pixel, Stage};
use crate::net::cpu::conv::{self, Act};
use crate::net::cpu::layout::{Plane, Row, gather, scatter};
use crate::net::geometry::Geometry;

/// A stage without a window.
pub struct Plain {
    stage: Stage,
    kernel: Vec<f32>,
    bias: Vec<f32>,
    act: Option<Act>,
}

impl Plain {
    /// Waits for weights.
    pub fn new(stage: &Stage, act: Option<Act>) -> Self {
        Self { stage: *stage, kernel: Vec::new(), bias: Vec::new(), act }
    }

    /// Folds the norm into the weights and keeps them as they are.
    pub fn load(&mut self, layer: &Layer<&[f32]>) {
        let Geometry { c, o, .. } = self.stage.geometry;
        self.kernel.clear();
        self.kernel.extend_from_slice(layer.kernel);
        match self.stage.transposed {
            // Output channels stand last in a convolution's kernel, before last in a transposed one's.
            false => self.kernel.chunks_exact_mut(o).for_each(|line| scale(line, &layer.scale)),
            true => self.kernel.chunks_exact_mut(c * o).for_each(|tap| {
                tap.chunks_exact_mut(o).zip(&layer.scale).for_each(|(line, s)| line.iter_mut().for_each(|v| *v *= s));
            }),
        }
        self.bias.clone_from(&layer.shift);
    }

    /// `[n, h, w, filters]` from planes.
    fn values(&self, n: usize, input: &[Row], from: &Plane) -> Vec<f32> {
        let Stage { geometry: g, transposed, doubled, .. } = &self.stage;
        let channels = if *transposed { g.o } else { g.c };
        let mut x = gather(input, n, channels, from);
        if *doubled {
            x = double(&x, from.w, channels);
        }
        match transposed {
            false => conv::conv(&x, &self.kernel, &self.bias, g, self.act),
            true => conv::conv_t(&x, &self.kernel, &self.bias, g, self.act),
        }
    }

    /// Makes the next map.
    pub fn run(&self, n: usize, input: &[Row], from: &Plane, output: &mut [Row], to: &Plane) {
        scatter(&self.values(n, input, from), self.stage.output()[2], to, output);
    }

    /// Makes the pictures.
    pub fn finish<P: Pixel>(&self, n: usize, input: &[Row], from: &Plane, out: &mut [P]) {
        let values = self.values(n, input, from);
        out.iter_mut().zip(values).for_each(|(p, v)| *p = P::of(v));
    }
}

fn scale(values: &mut [f32], factors: &[f32]) {
    values.iter_mut().zip(factors).for_each(|(v, s)| *v *= s);
}

/// Nearest ×2 of lines of `w` pixels.
fn double(x: &[f32], w: usize, channels: usize) -> Vec<f32> {
    let line = |line: &[f32]| -> Vec<f32> { line.chunks_exact(channels).flat_map(|p| [p, p].concat()).collect() };
    x.chunks_exact(w * channels).map(line).flat_map(|line| [&line[..], &line[..]].concat()).collect()
}
