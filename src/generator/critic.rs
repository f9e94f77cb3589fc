//! The critic's score of a picture, and its gradient in z.
//!
//! On the generator's thread, between two pictures, for whoever asks ([`super::Generator::ask_critic`]); a live show
//! pays a tenth of that thread's time for it at most. Nothing is trained here.

use burn::tensor::{Tensor, TensorData};

use crate::net::arch::Arch;
use crate::net::critic;
use crate::net::draw::Ready;
use crate::net::params::{Param, Params, floats};

/// The critic's score of the picture of one z.
#[derive(Clone, Debug, PartialEq)]
pub struct CriticScore {
    /// Higher is more like the data. It has no unit and no bounds.
    pub score: f32,
    /// The gradient of the score in z `[z_dim]`; empty if nobody asked for it.
    pub gradient: Vec<f32>,
}

/// The same values as constants of a graph.
fn constants(params: &Params) -> Params {
    let list = params.list.iter().map(|p| Param { value: p.value.clone().autodiff(), ..p.clone() });
    Params { list: list.collect() }
}

/// Scores the picture of z `[z_dim]`, or with classes behind it `[z_dim + classes]`; none if the score is no number.
pub(super) fn score(
    arch: &Arch,
    generator: &Params,
    critic_params: &Params,
    z: &[f32],
    gradient: bool,
) -> Option<CriticScore> {
    let device = critic_params.list.first()?.value.device();
    let z: Tensor<2> = {
        let input = arch.input(z);
        let len = input.len();
        Tensor::from_data(TensorData::new(input, [1, len]), &device)
    };
    let judge = arch.critic()?;
    let none = Vec::new();
    let (score, mut gradient) = if gradient {
        let z = z.autodiff().require_grad();
        let pictures = Ready::new(arch, &constants(generator), false).pictures(z.clone(), &none);
        let seen = critic::seen(arch, pictures, &z);
        let score = critic::calm_score(&judge, &constants(critic_params), seen);
        let grads = score.clone().sum().backward();
        (score.inner(), z.grad(&grads).map(floats).unwrap_or_default())
    } else {
        let pictures = Ready::new(arch, generator, false).pictures(z.clone(), &none);
        (critic::calm_score(&judge, critic_params, critic::seen(arch, pictures, &z)), Vec::new())
    };
    // The way in z, whatever would be gained by other classes.
    gradient.truncate(arch.z_dim());
    let score = floats(score).first().copied()?;
    let sound = score.is_finite() && gradient.iter().all(|v| v.is_finite());
    sound.then_some(CriticScore { score, gradient })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent;
    use crate::random::RandomState;
    use burn::tensor::Device;

    /// The gradient agrees with what small steps along it do to the score.
    #[test]
    fn the_gradient_points_where_the_score_rises() {
        let arch = Arch::named("small").unwrap();
        let device = Device::flex();
        let mut random = RandomState::new(1);
        let net = Params::init(&arch.generator_plans(), &mut random, &device);
        let critic_params = Params::init(&arch.critic_plans(), &mut random, &device);
        let z: Vec<f32> = latent::seed(3, arch.z_dim()).iter().map(|v| *v as f32).collect();
        let first = super::score(&arch, &net, &critic_params, &z, true).unwrap();
        let length = first.gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        assert!(length > 0.0);
        let step = 0.05;
        let along = |sign: f32| -> Vec<f32> {
            z.iter().zip(&first.gradient).map(|(z, g)| z + sign * step * g / length).collect()
        };
        let [up, down] =
            [1.0, -1.0].map(|sign| super::score(&arch, &net, &critic_params, &along(sign), false).unwrap().score);
        let difference = (up - down) / (2.0 * step);
        assert!((difference - length).abs() < 0.05 * length, "{difference} {length}");
    }
}
