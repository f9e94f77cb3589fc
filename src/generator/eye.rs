//! The critic as an eye: what it thinks of a picture, and which way z would please it more.
//!
//! On the generator's thread, between two pictures, for whoever asks ([`super::Generator::watch`]); a live show pays
//! a tenth of that thread's time for it at most.

use burn::tensor::{Tensor, TensorData};

use crate::net::arch::Arch;
use crate::net::critic;
use crate::net::generator::Ready;
use crate::net::params::{Param, Params, floats};

/// What the critic makes of one z.
#[derive(Clone, Debug, PartialEq)]
pub struct Opinion {
    /// Its score; higher is more like the data. It has no unit and no bounds.
    pub score: f32,
    /// The gradient of the score in z `[z_dim]`; empty if nobody asked for it.
    pub gradient: Vec<f32>,
}

/// The same values as constants of a graph.
fn constants(params: &Params) -> Params {
    let list = params.list.iter().map(|p| Param { value: p.value.clone().autodiff(), ..p.clone() });
    Params { list: list.collect() }
}

/// Asks the critic about the picture of z `[z_dim]`.
pub(super) fn opinion(arch: &Arch, generator: &Params, eye: &Params, z: &[f32], gradient: bool) -> Option<Opinion> {
    let device = eye.list.first()?.value.device();
    let z: Tensor<2> = Tensor::from_data(TensorData::new(z.to_vec(), [1, z.len()]), &device);
    let none = Vec::new();
    let (score, gradient) = if gradient {
        let z = z.autodiff().require_grad();
        let pictures = Ready::new(arch, &constants(generator), false).pictures(z.clone(), None);
        let score = critic::score(arch, &constants(eye), pictures, &none);
        let grads = score.clone().sum().backward();
        (score.inner(), z.grad(&grads).map(floats).unwrap_or_default())
    } else {
        let pictures = Ready::new(arch, generator, false).pictures(z, None);
        (critic::score(arch, eye, pictures, &none), Vec::new())
    };
    let score = floats(score).first().copied()?;
    let sound = score.is_finite() && gradient.iter().all(|v| v.is_finite());
    sound.then_some(Opinion { score, gradient })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent;
    use crate::net::generator;
    use crate::random::RandomState;
    use burn::tensor::Device;

    /// The gradient agrees with what small steps along it do to the score.
    #[test]
    fn the_gradient_points_where_the_score_rises() {
        let arch = Arch::named("small").unwrap();
        let device = Device::flex();
        let mut random = RandomState::new(1);
        let net = Params::init(&generator::plans(&arch), &mut random, &device);
        let eye = Params::init(&critic::plans(&arch), &mut random, &device);
        let z: Vec<f32> = latent::seed(3, arch.z_dim).iter().map(|v| *v as f32).collect();
        let first = opinion(&arch, &net, &eye, &z, true).unwrap();
        let length = first.gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        assert!(length > 0.0);
        let step = 0.05;
        let along = |sign: f32| -> Vec<f32> {
            z.iter().zip(&first.gradient).map(|(z, g)| z + sign * step * g / length).collect()
        };
        let [up, down] = [1.0, -1.0].map(|sign| opinion(&arch, &net, &eye, &along(sign), false).unwrap().score);
        let slope = (up - down) / (2.0 * step);
        assert!((slope - length).abs() < 0.05 * length, "{slope} {length}");
    }
}
