//! Any other stage, through the kernels that training uses: it leaves the planes and comes back.

use super::{Layer, Pixel};
use crate::net::arch::Stage;
use crate::net::kernels::{self, Act, Geometry};
use crate::net::rows::{Plane, Row, gather, scatter};

/// A stage without a window.
pub struct Plain {
    stage: Stage,
    kernel: Vec<f32>,
    bias: Vec<f32>,
    act: Act,
}

impl Plain {
    /// Waits for weights.
    pub fn new(stage: &Stage, act: Act) -> Self {
        Self { stage: *stage, kernel: Vec::new(), bias: Vec::new(), act }
    }

    /// Folds the norm into the weights and keeps them as they are.
    pub fn load(&mut self, layer: &Layer<&[f32]>) {
        let Geometry { c, o, .. } = self.stage.geometry;
        self.kernel.clear();
        self.kernel.extend_from_slice(layer.kernel);
        match self.stage.doubled {
            // Output channels stand last in a convolution's kernel, before last in a transposed one's.
            true => self.kernel.chunks_exact_mut(o).for_each(|line| scale(line, &layer.scale)),
            false => self.kernel.chunks_exact_mut(c * o).for_each(|tap| {
                tap.chunks_exact_mut(o).zip(&layer.scale).for_each(|(line, s)| line.iter_mut().for_each(|v| *v *= s));
            }),
        }
        self.bias.clone_from(&layer.shift);
    }

    /// `[n, h, w, filters]` from planes.
    fn values(&self, n: usize, input: &[Row], from: &Plane) -> Vec<f32> {
        let g = &self.stage.geometry;
        let channels = if self.stage.doubled { g.c } else { g.o };
        let x = gather(input, n, channels, from);
        match self.stage.doubled {
            true => kernels::conv(&double(&x, from.w, channels), &self.kernel, &self.bias, g, self.act),
            false => kernels::conv_t(&x, &self.kernel, &self.bias, g, self.act),
        }
    }

    /// Makes the next map.
    pub fn run(&self, n: usize, input: &[Row], from: &Plane, output: &mut [Row], to: &Plane) {
        scatter(&self.values(n, input, from), self.stage.filters, to, output);
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
