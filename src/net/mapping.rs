//! The mapping of a StyleGAN2 in plain numbers: z and classes → w, on the CPU, for sketches and for the generator.
//!
//! A few matrices of 512 × 512, which take less than a millisecond each; what was mapped lately is remembered, since
//! sketches ask for the same seeds frame after frame. Read from the arrays of [`super::families::stylegan2`].

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;

use pulp::Arch;

use super::families::stylegan2::StyleGan2;
use super::params::{Params, floats};
use crate::latent::style;
use crate::latest::lock;

/// Slope below zero, what follows it, and what keeps a division finite.
const SLOPE: f32 = 0.2;
const GAIN: f32 = std::f32::consts::SQRT_2;
const EPS: f32 = 1e-8;
/// How many w are remembered.
const MOST_KEPT: usize = 512;

/// One dense layer: `[inputs, outputs]`, and what is added.
struct Dense {
    kernel: Vec<f32>,
    bias: Vec<f32>,
}

impl Dense {
    fn of(params: &Params, name: &str) -> Self {
        Self { kernel: floats(params.get::<2>(name, "kernel")), bias: floats(params.get::<1>(name, "bias")) }
    }

    fn of_x(&self, x: &[f32]) -> Vec<f32> {
        let mut out = self.bias.clone();
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (x, row) in x.iter().zip(self.kernel.chunks_exact(self.bias.len())) {
                    out.iter_mut().zip(row).for_each(|(out, v)| *out += x * v);
                }
            },
        );
        out
    }
}

/// The mapping with its weights.
pub struct Mapping {
    z_dim: usize,
    classes: usize,
    embed: Option<Dense>,
    layers: Vec<Dense>,
    mean: Vec<f64>,
    styles: usize,
    directions: Vec<String>,
    kept: Mutex<HashMap<u64, Vec<f64>>>,
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a mapping of {} to {} numbers", self.z_dim, self.mean.len())
    }
}

/// To length √features (the root of the mean square is 1).
fn normalised(x: &mut [f32]) {
    let mean = x.iter().map(|v| v * v).sum::<f32>() / x.len().max(1) as f32;
    let factor = 1.0 / (mean + EPS).sqrt();
    x.iter_mut().for_each(|v| *v *= factor);
}

fn curved(mut x: Vec<f32>) -> Vec<f32> {
    x.iter_mut().for_each(|v| *v = if *v > 0.0 { *v } else { *v * SLOPE } * GAIN);
    x
}

impl Mapping {
    /// Of these arrays; `directions` are the names of those that the model has.
    pub fn new(own: &StyleGan2, params: &Params, directions: Vec<String>) -> Self {
        let mean: Vec<f32> = floats(params.get::<1>("mapping", "average"));
        Self {
            z_dim: own.z_dim,
            classes: own.classes,
            embed: (own.classes > 0).then(|| Dense::of(params, "mapping.embed")),
            layers: (0..own.mapping).map(|at| Dense::of(params, &format!("mapping.fc{at}"))).collect(),
            mean: mean.iter().map(|v| f64::from(*v)).collect(),
            styles: own.styles(),
            directions,
            kept: Mutex::default(),
        }
    }

    /// The gradient in z of something whose gradient in w `[dim]` is this, at a z with a blend of classes.
    pub fn back(&self, z: &[f32], class: &[f32], gradient: &[f32]) -> Vec<f32> {
        let (input, classes) = self.input(z, class);
        let mut seen = vec![[input, classes].concat()];
        for layer in &self.layers {
            let next = curved(layer.of_x(seen.last().map_or(&[], Vec::as_slice)));
            seen.push(next);
        }
        let mut back = gradient.to_vec();
        for (layer, pair) in self.layers.iter().zip(seen.windows(2)).rev() {
            let slopes = pair[1].iter().map(|v| if *v > 0.0 { GAIN } else { GAIN * SLOPE });
            let through: Vec<f32> = back.iter().zip(slopes).map(|(g, slope)| g * slope).collect();
            let rows = layer.kernel.chunks_exact(layer.bias.len());
            back = rows.map(|row| row.iter().zip(&through).map(|(v, g)| v * g).sum()).collect();
        }
        back.truncate(self.z_dim);
        // Through the norm: x / √(mean x²).
        let count = self.z_dim.max(1) as f32;
        let size = (z.iter().take(self.z_dim).map(|v| v * v).sum::<f32>() / count + EPS).sqrt();
        let along: f32 = z.iter().zip(&back).map(|(z, g)| z * g).sum::<f32>() / (count * size * size);
        z.iter().zip(&back).map(|(z, g)| (g - z * along) / size).collect()
    }

    /// z of length √z_dim, and what is beside it of classes.
    fn input(&self, z: &[f32], class: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let mut x = z[..self.z_dim.min(z.len())].to_vec();
        x.resize(self.z_dim, 0.0);
        normalised(&mut x);
        let Some(embed) = &self.embed else { return (x, Vec::new()) };
        let mut blend = class.to_vec();
        blend.resize(self.classes, 0.0);
        if class.is_empty() {
            blend[0] = 1.0;
        }
        let mut embedded = embed.of_x(&blend);
        normalised(&mut embedded);
        (x, embedded)
    }

    /// w `[dim]` of z `[z_dim]` and a blend of classes; an empty one is the first class.
    fn map(&self, z: &[f32], class: &[f32]) -> Vec<f32> {
        let (x, classes) = self.input(z, class);
        let mut x = [x, classes].concat();
        for layer in &self.layers {
            x = curved(layer.of_x(&x));
        }
        x
    }
}

impl style::Mapping for Mapping {
    fn w(&self, z: &[f64], class: &[f64]) -> Vec<f64> {
        let narrow = |v: &[f64]| v.iter().map(|v| *v as f32).collect::<Vec<f32>>();
        let (z, class) = (narrow(z), narrow(class));
        // FNV-1a over what the network sees.
        let key = z
            .iter()
            .chain([&f32::NAN])
            .chain(&class)
            .fold(0xcbf2_9ce4_8422_2325, |h: u64, v| (h ^ u64::from(v.to_bits())).wrapping_mul(0x0100_0000_01b3));
        if let Some(known) = lock(&self.kept).get(&key) {
            return known.clone();
        }
        let w: Vec<f64> = self.map(&z, &class).iter().map(|v| f64::from(*v)).collect();
        let mut kept = lock(&self.kept);
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(key, w.clone());
        w
    }

    fn mean(&self) -> &[f64] {
        &self.mean
    }

    fn layers(&self) -> usize {
        self.styles
    }

    fn directions(&self) -> &[String] {
        &self.directions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::style::Mapping as _;
    use crate::random::RandomState;
    use burn::tensor::Device;

    #[test]
    fn the_gradient_in_z_is_that_of_small_steps() {
        let own = StyleGan2 { z_dim: 7, w_dim: 5, classes: 2, mapping: 3, channels: vec![3], ..StyleGan2::default() };
        let params = Params::init(&own.plans(), &mut RandomState::new(3), &Device::flex());
        let mapping = Mapping::new(&own, &params, Vec::new());
        let z: Vec<f32> = RandomState::new(4).normals(7).iter().map(|v| *v as f32).collect();
        let way = [0.5, -1.0, 0.25, 2.0, -0.75];
        let class = [0.25, 0.75];
        let value = |z: &[f32]| -> f32 { mapping.map(z, &class).iter().zip(&way).map(|(w, v)| w * v).sum() };
        let gradient = mapping.back(&z, &class, &way);
        for at in 0..7 {
            let moved = |by: f32| {
                let mut z = z.clone();
                z[at] += by;
                value(&z)
            };
            let slope = (moved(0.01) - moved(-0.01)) / 0.02;
            assert!((slope - gradient[at]).abs() < 0.01 * (1.0 + slope.abs()), "{at}: {slope} {}", gradient[at]);
        }
        // What is remembered is what is mapped.
        let wide: Vec<f64> = z.iter().map(|v| f64::from(*v)).collect();
        assert_eq!(mapping.w(&wide, &[0.25, 0.75]), mapping.w(&wide, &[0.25, 0.75]));
        assert_ne!(mapping.w(&wide, &[0.25, 0.75]), mapping.w(&wide, &[]));
    }
}
