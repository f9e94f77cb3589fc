//! The critic: picture → score, and the exact gradient of its score in the picture.
//!
//! [`input_gradient`] writes that gradient as a first-order expression of the *tracked* weights, so
//! that burn's autodiff, which has no second order, can differentiate a penalty on it. For
//! piecewise-linear activations without batch norm the expression is a walk back through the layers
//! with constant slopes; otherwise the forward pass itself is tracked and every derivative is
//! written with its tensors (see `src/ARCHITECTURE.md`).

use burn::tensor::Tensor;

use super::arch::{Activation, Arch};
use super::generator::{NORM_EPS, activate};
use super::kernels::Act;
use super::ops;
use super::params::{Params, Plan, plan_layer, plan_norm};

/// The arrays of the critic of `arch`, in the order of its layers.
pub fn plans(arch: &Arch) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (i, g) in arch.critic_layers().iter().enumerate() {
        plans.extend(plan_layer(&format!("conv_{i}"), &[g.k, g.k, g.c, g.o], g.o));
        if i > 0 && arch.critic_batch_norm_momentum.is_some() {
            plans.extend(plan_norm(&format!("conv_{i}_norm"), g.o));
        }
    }
    plans.extend(plan_layer("dense", &[arch.critic_features(), 1], 1));
    plans
}

/// What one layer leaves behind for the walk back.
struct Step {
    /// Output of the activation (before dropout), `[n, h, w, c]`.
    out: Tensor<4>,
    /// Normalised values, and 1/σ and mean per channel (`[1, 1, 1, c]`), if the layer normalises.
    norm: Option<(Tensor<4>, Tensor<4>, Tensor<4>)>,
    /// Where the layer's arrays begin in the list.
    at: usize,
}

/// Dropout masks, one a layer, already divided by the share kept; empty without dropout.
pub type Masks = Vec<Tensor<4>>;

/// Scores `[n]` of pictures `[n, h, w, c]` in −1..1, differentiable in both.
pub fn score(arch: &Arch, params: &Params, pictures: Tensor<4>, masks: &Masks) -> Tensor<1> {
    forward(arch, params, pictures, masks, &mut |_| ())
}

fn forward(arch: &Arch, params: &Params, x: Tensor<4>, masks: &Masks, keep: &mut dyn FnMut(Step)) -> Tensor<1> {
    let mut x = x;
    let mut at = 0;
    for (i, g) in arch.critic_layers().into_iter().enumerate() {
        let begin = at;
        let normed = i > 0 && arch.critic_batch_norm_momentum.is_some();
        let (kernel, bias) = (params.at::<4>(at), params.at::<1>(at + 1));
        at += 2;
        let negative_slope = arch.critic_activation.negative_slope();
        let mut norm = None;
        if normed {
            let z = ops::conv(x, kernel, bias, g, Act::Leaky(1.0));
            let (hat, rstd, mean) = standardise(z);
            let shape = [1, 1, 1, g.o];
            x = hat.clone() * params.at::<1>(at).reshape(shape) + params.at::<1>(at + 1).reshape(shape);
            x = activate(x, arch.critic_activation);
            norm = Some((hat, rstd, mean));
            at += 4;
        } else if let Some(negative_slope) = negative_slope {
            x = ops::conv(x, kernel, bias, g, Act::Leaky(negative_slope));
        } else {
            x = activate(ops::conv(x, kernel, bias, g, Act::Leaky(1.0)), arch.critic_activation);
        }
        keep(Step { out: x.clone(), norm, at: begin });
        if let Some(mask) = masks.get(i) {
            x = x * mask.clone();
        }
    }
    let n = x.dims()[0];
    let flat = x.reshape([n, arch.critic_features()]);
    let out = flat.matmul(params.at::<2>(at)) + params.at::<1>(at + 1).reshape([1, 1]);
    out.reshape([n])
}

/// `(x − mean) / sqrt(var + eps)` over all axes but the last, `1 / sqrt(var + eps)`, and the mean.
fn standardise(x: Tensor<4>) -> (Tensor<4>, Tensor<4>, Tensor<4>) {
    let mean = channel_mean(x.clone());
    let centred = x - mean.clone();
    let rstd = (channel_mean(centred.clone().powi_scalar(2)) + NORM_EPS).sqrt().recip();
    (centred * rstd.clone(), rstd, mean)
}

/// `[n, h, w, c]` → `[1, 1, 1, c]`.
fn channel_mean(x: Tensor<4>) -> Tensor<4> {
    x.mean_dim(0).mean_dim(1).mean_dim(2)
}

/// `∂ Σ score / ∂ pictures` `[n, h, w, c]`, differentiable in `params` (which must be tracked).
pub fn input_gradient(arch: &Arch, params: &Params, pictures: Tensor<4>, masks: &Masks) -> Tensor<4> {
    let n = pictures.dims()[0];
    let mut steps = Vec::new();
    if arch.critic_is_piecewise_linear() {
        let masks: Masks = masks.iter().map(|m| m.clone().inner()).collect();
        forward(arch, &params.inner(), pictures.inner(), &masks, &mut |step| steps.push(step));
    } else {
        forward(arch, params, pictures, masks, &mut |step| steps.push(step));
    }
    let layers = arch.critic_layers();
    let last = layers[layers.len() - 1];
    let dense = params.at::<2>(params.list.len() - 2);
    let mut d: Tensor<4> = dense.reshape([1, last.oh(), last.ow(), last.o]).repeat_dim(0, n);
    for (i, (g, step)) in layers.iter().zip(&steps).enumerate().rev() {
        if let Some(mask) = masks.get(i) {
            d = d * mask.clone();
        }
        d = match arch.critic_activation {
            // A constant slope, so the output can be brought in without its graph.
            a if a.negative_slope().is_some() => {
                ops::leaky_relu_grad(lift(step.out.clone().inner(), &d), d, a.negative_slope().unwrap_or(1.0))
            }
            Activation::Tanh => d * (step.out.clone().powi_scalar(2).neg() + 1.0),
            Activation::Sigmoid => d * (step.out.clone() * (step.out.clone().neg() + 1.0)),
            // elu with α = 1: its slope is 1 above zero and out + 1 below.
            _ => d * (step.out.clone().clamp_max(0.0) + 1.0),
        };
        if let Some((hat, rstd, _)) = &step.norm {
            let gamma = params.at::<1>(step.at + 2).reshape([1, 1, 1, g.o]);
            let d_hat = d * gamma;
            let along = channel_mean(d_hat.clone() * hat.clone());
            d = (d_hat.clone() - channel_mean(d_hat) - hat.clone() * along) * rstd.clone();
        }
        let none = Tensor::zeros([g.c], &d.device());
        d = ops::conv_t(d, params.at::<4>(step.at), none, *g, Act::Leaky(1.0));
    }
    d
}

/// `value` on the autodiff side if `like` is there.
fn lift(value: Tensor<4>, like: &Tensor<4>) -> Tensor<4> {
    if like.is_autodiff() { value.autodiff() } else { value }
}

/// What one batch says about the moving statistics: for each batch norm where its moving mean stands
/// in the list, and the batch's mean and biased variance `[c]`. Empty without batch norm.
pub fn statistics(
    arch: &Arch,
    params: &Params,
    pictures: Tensor<4>,
    masks: &Masks,
) -> Vec<(usize, Tensor<1>, Tensor<1>)> {
    let mut found = Vec::new();
    if arch.critic_batch_norm_momentum.is_none() {
        return found;
    }
    let params = params.inner();
    let masks: Masks = masks.iter().map(|m| m.clone().inner()).collect();
    forward(arch, &params, pictures.inner(), &masks, &mut |step| {
        if let Some((_, rstd, mean)) = step.norm {
            let channels = rstd.dims()[3];
            let var = rstd.powi_scalar(-2) - NORM_EPS;
            found.push((step.at + 4, mean.reshape([channels]), var.reshape([channels])));
        }
    });
    found
}
