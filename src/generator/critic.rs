//! The critic's score of a picture, and its gradient in z.
//!
//! On the generator's thread, between two pictures, for whoever asks ([`super::Generator::ask_critic`]); a live show
//! pays a tenth of that thread's time for it at most. Nothing is trained here.

use burn::tensor::{Tensor, TensorData};

use crate::latent::space;
use crate::net::arch::Arch;
use crate::net::critic;
use crate::net::draw::Ready;
use crate::net::families::stylegan2::StyleGan2;
use crate::net::mapping::Mapping;
use crate::net::params::{Param, Params, floats};
use crate::net::styled::Styled;
use crate::net::styled::tensors::{Given, Made};

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
    if let Some(own) = arch.styled() {
        return judged(own, generator, critic_params, z, gradient);
    }
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

/// The same of a StyleGAN2: the gradient goes back to w by the graph, and on to z by hand.
fn judged(
    own: &StyleGan2,
    generator: &Params,
    judge_params: &Params,
    row: &[f32],
    gradient: bool,
) -> Option<CriticScore> {
    let judge = own.judge.as_ref()?;
    let device = judge_params.list.first()?.value.device();
    let mut z = row[..own.z_dim.min(row.len())].to_vec();
    space::adapt(&mut z, own.z_dim);
    let mut class = row.get(own.z_dim..own.z_dim + own.classes).unwrap_or_default().to_vec();
    if own.classes > 0 && class.len() < own.classes {
        class = (0..own.classes).map(|at| f32::from(u8::from(at == 0))).collect();
    }
    let mapping = Mapping::new(own, generator, Vec::new());
    let styled = Styled::new(own, generator, false);
    let blend = |graph: bool| {
        (own.classes > 0).then(|| {
            let blend: Tensor<2> = Tensor::from_data(TensorData::new(class.clone(), [1, own.classes]), &device);
            if graph { blend.autodiff() } else { blend }
        })
    };
    if !gradient {
        let picture = styled.raw(std::slice::from_ref(&row.to_vec()));
        let score = floats(judge.scores(judge_params, picture, blend(false))).first().copied()?;
        return score.is_finite().then_some(CriticScore { score, gradient: Vec::new() });
    }
    // What is added to the w of every layer, and is 0.
    let moved: Tensor<2> = Tensor::zeros([1, own.w_dim], &device);
    let moved = moved.autodiff().require_grad();
    let layer = |w: &[f32]| {
        let w: Tensor<2> = Tensor::from_data(TensorData::new(w.to_vec(), [1, own.w_dim]), &device);
        w.autodiff() + moved.clone()
    };
    let noise: Vec<_> = own.planes(generator).into_iter().map(|plane| Some(plane.autodiff())).collect();
    let made = Made::new(own, generator).tracked();
    let all: Vec<Tensor<2>> = styled.w(row).chunks_exact(own.w_dim).map(layer).collect();
    let picture = made.draw(own.channels.len(), &Given { w: &all, noise: &noise, bends: &[] });
    let score = judge.scores(&constants(judge_params), picture, blend(true));
    let gradients = score.clone().sum().backward();
    let back = moved.grad(&gradients).map(floats)?;
    let gradient = mapping.back(&z, &class, &back);
    let score = floats(score.inner()).first().copied()?;
    (score.is_finite() && gradient.iter().all(|v| v.is_finite())).then_some(CriticScore { score, gradient })
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
