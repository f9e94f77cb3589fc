//! Networks have the sizes the original has, and our kernels give what burn's own operations give.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

use burn::tensor::{Device, Tensor, TensorData};
use flaneur::net::arch::Arch;
use flaneur::net::chain::{self, Value};
use flaneur::net::cpu::conv::Act;
use flaneur::net::cpu::pointwise::AdamStep;
use flaneur::net::draw::Ready;
use flaneur::net::families::wgan_gp::WganGp;
use flaneur::net::geometry::{Geometry, Padding};
use flaneur::net::params::{Params, Statistics, floats};
use flaneur::net::{burn_ops, ops};
use flaneur::random::RandomState;

fn tensor<const D: usize>(random: &mut RandomState, shape: [usize; D], device: &Device) -> Tensor<D> {
    let values: Vec<f32> = random.normals(shape.iter().product()).iter().map(|v| *v as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn same(what: &str, a: &[f32], b: &[f32]) {
    same_at(what, a, b, 1e-3);
}

/// Of values that are at least of this scale.
fn same_at(what: &str, a: &[f32], b: &[f32], least: f32) {
    assert_eq!(a.len(), b.len(), "{what}");
    let scale = a.iter().fold(least, |m, v| m.max(v.abs()));
    let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-4 * scale, "{what}: differ by {worst} at a scale of {scale}");
}

#[test]
fn parameter_counts_are_the_originals() {
    let count = |plans: Vec<flaneur::net::params::Plan>| plans.iter().map(|p| p.len()).sum::<usize>();
    let check = |name: &str, generator: usize, critic_count: usize| {
        let arch = Arch::named(name).unwrap();
        assert_eq!(count(arch.generator_plans()), generator, "{name}");
        assert_eq!(count(arch.critic_plans()), critic_count, "{name}");
    };
    check("seed", 18_794_371, 6_264_065);
    check("seed-k10", 46_081_923, 17_280_257);
    // No original: what a file of each is long.
    check("smooth", 1_101_763, 1_747_441);
}

/// Runs `work` on leaves made of `inputs` and gives its value and the leaves' gradients.
fn with_gradients<const N: usize>(
    inputs: &[Tensor<1>; N],
    work: impl Fn([Tensor<1>; N]) -> Tensor<1>,
) -> Vec<Vec<f32>> {
    let leaves = inputs.clone().map(|t| t.autodiff().require_grad());
    let out = work(leaves.clone());
    let mut gradients = out.backward();
    let mut all = vec![floats(out.inner())];
    all.extend(leaves.iter().map(|l| l.grad_remove(&mut gradients).map(floats).unwrap_or_default()));
    all
}

#[test]
fn our_convolutions_and_their_gradients_are_burns() {
    let mut random = RandomState::new(1);
    for (h, w, c, o, k, stride) in [
        (8, 8, 3, 5, 3, 2),
        (8, 8, 3, 5, 5, 2),
        (12, 8, 4, 3, 6, 2),
        (20, 20, 2, 3, 10, 2),
        (8, 8, 3, 4, 4, 2),
        (6, 6, 2, 2, 3, 1),
        (7, 9, 2, 3, 3, 2),
        (9, 9, 2, 2, 2, 3),
        (16, 16, 128, 256, 3, 2),
    ] {
        let g = Geometry::same([h, w, c], o, k, stride);
        agree(&mut random, g);
        for pixels in [0, 1] {
            if k > pixels && k <= h.min(w) {
                agree(&mut random, Geometry { padding: Padding::Pixels(pixels), ..g });
            }
        }
    }
}

/// One convolution and the one it transposes, against burn's.
fn agree(random: &mut RandomState, g: Geometry) {
    let (device, n) = (Device::flex(), 3);
    let Geometry { h, w, c, o, k, .. } = g;
    // A sum of hundreds of products whose sum happens to be small has lost digits.
    let least = if g.padding == Padding::Same { 1e-3 } else { 1.0 };
    let near = |what: &str, ours: &[f32], theirs: &[f32]| match ours.len() {
        1 => same_at(what, ours, theirs, least),
        _ => same(what, ours, theirs),
    };
    let x = tensor(random, [n * h * w * c], &device);
    let y = tensor(random, [n * g.oh() * g.ow() * o], &device);
    let kernel = tensor(random, [k * k * c * o], &device);
    let (bias_o, bias_c) = (tensor(random, [o], &device), tensor(random, [c], &device));
    for act in [Some(Act::Leaky(0.2)), Some(Act::Tanh), None] {
        type Conv = fn(Tensor<4>, Tensor<4>, Tensor<1>, Geometry, Option<Act>) -> Tensor<4>;
        let run = |conv: Conv| {
            let weights = y.clone().autodiff().reshape([n, g.oh(), g.ow(), o]);
            with_gradients(&[x.clone(), kernel.clone(), bias_o.clone()], |[x, kernel, bias]| {
                (conv(x.reshape([n, h, w, c]), kernel.reshape([k, k, c, o]), bias, g, act) * weights.clone()).sum()
            })
        };
        for (ours, theirs) in run(ops::conv).iter().zip(run(burn_ops::conv)) {
            near(&format!("conv {g:?} {act:?}"), ours, &theirs);
        }
        let run = |conv_t: Conv| {
            let weights = x.clone().autodiff().reshape([n, h, w, c]);
            with_gradients(&[y.clone(), kernel.clone(), bias_c.clone()], |[y, kernel, bias]| {
                let y = y.reshape([n, g.oh(), g.ow(), o]);
                (conv_t(y, kernel.reshape([k, k, c, o]), bias, g, act) * weights.clone()).sum()
            })
        };
        for (ours, theirs) in run(ops::conv_t).iter().zip(run(burn_ops::conv_t)) {
            near(&format!("conv_t {g:?} {act:?}"), ours, &theirs);
        }
    }
}

#[test]
fn our_batch_norm_and_leaky_relu_gradient_are_burns() {
    let device = Device::flex();
    let mut random = RandomState::new(2);
    let x = tensor(&mut random, [4 * 6 * 6 * 5], &device);
    let weights = tensor(&mut random, [4, 6, 6, 5], &device).autodiff();
    let (gamma, beta) = (tensor(&mut random, [5], &device), tensor(&mut random, [5], &device));
    type Norm = fn(Tensor<4>, Tensor<1>, Tensor<1>, f32, f32) -> Tensor<4>;
    let run = |norm: Norm| {
        with_gradients(&[x.clone(), gamma.clone(), beta.clone()], |[x, gamma, beta]| {
            (norm(x.reshape([4, 6, 6, 5]), gamma, beta, 1e-3, 0.2) * weights.clone()).sum()
        })
    };
    for (ours, theirs) in run(ops::batch_norm::<4>).iter().zip(run(burn_ops::batch_norm::<4>)) {
        same("norm", ours, &theirs);
    }
    let y = tensor(&mut random, [4, 6, 6, 5], &device).autodiff();
    type LeakyReluGrad = fn(Tensor<4>, Tensor<4>, f32) -> Tensor<4>;
    let run = |grad: LeakyReluGrad| {
        with_gradients(std::slice::from_ref(&x).try_into().unwrap(), |[x]: [Tensor<1>; 1]| {
            (grad(y.clone(), x.reshape([4, 6, 6, 5]), 0.2) * weights.clone()).sum()
        })
    };
    for (ours, theirs) in run(ops::leaky_relu_grad).iter().zip(run(burn_ops::leaky_relu_grad)) {
        same("leaky ReLU gradient", ours, &theirs);
    }
}

#[test]
fn our_row_norms_and_steps_are_burns() {
    let device = Device::flex();
    let mut random = RandomState::new(7);
    // One row of zeros, whose norm has no gradient.
    let x = tensor(&mut random, [4 * 4 * 3 * 2], &device);
    let x = Tensor::cat(vec![x, Tensor::zeros([4 * 3 * 2], &device)], 0);
    let weights = tensor(&mut random, [5], &device).autodiff();
    let run = |row_norms: fn(Tensor<4>) -> Tensor<1>| {
        with_gradients(std::slice::from_ref(&x).try_into().unwrap(), |[x]: [Tensor<1>; 1]| {
            (row_norms(x.reshape([5, 4, 3, 2])) * weights.clone()).sum()
        })
    };
    for (ours, theirs) in run(ops::row_norms::<4>).iter().zip(run(burn_ops::row_norms::<4>)) {
        same("row norms", ours, &theirs);
    }
    for (beta1, decay) in [(Some(0.5), 0.0), (None, 0.0), (Some(0.9), 0.01), (None, 0.01)] {
        let step = AdamStep { beta1, beta2: 0.999, rate: 0.01, eps: 1e-7, decay };
        let [w, m] = [(); 2].map(|()| tensor(&mut random, [200_000], &device));
        let v = tensor(&mut random, [200_000], &device).abs();
        let (mut ours, mut theirs) = ([w.clone(), m.clone(), v.clone()], [w.clone(), m, v]);
        for _ in 0..3 {
            let g = tensor(&mut random, [200_000], &device);
            let with = |[w, m, v]: [Tensor<1>; 3]| [w, g.clone(), m, v];
            (ours, theirs) = (ops::adam_step(with(ours), step), burn_ops::adam_step(with(theirs), step));
        }
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            same(&format!("step {beta1:?}"), &floats(ours), &floats(theirs));
        }
        // What others still hold is not changed with it.
        let before = floats(w.clone());
        ops::adam_step([w.clone(), w.clone(), w.clone(), w.clone().abs()], step);
        assert_eq!(floats(w), before);
    }
}

/// A generator with every option, in its three forms: folded, folded and prepared, and by hand from
/// the layers' definitions.
#[test]
fn folding_and_preparing_change_nothing() {
    let device = Device::flex();
    let base = WganGp {
        input_dim: [32, 32, 3],
        generator_initial_dense_layer_size: [4, 4, 6],
        generator_upsample: vec![1, 2, 1],
        generator_conv_filters: vec![8, 5, 3],
        generator_conv_kernel_size: vec![6, 3, 10],
        generator_conv_strides: vec![2, 1, 2],
        z_dim: 7,
        ..WganGp::small()
    };
    for momentum in [Some(0.9), None] {
        let settings = WganGp { generator_batch_norm_momentum: momentum, ..base.clone() };
        let arch = Arch::WganGp(settings.clone());
        arch.check().unwrap();
        let mut random = RandomState::new(4);
        let mut params = Params::init(&arch.generator_plans(), &mut random, &device);
        for param in &mut params.list {
            let noise = tensor(&mut random, param.value.dims(), &device) * 0.3;
            param.value = (param.value.clone() + noise).abs();
        }
        let z = tensor(&mut random, [3, 7], &device);
        let by_hand = floats(by_hand(&settings, &params, z.clone()));
        for prepare in [false, true] {
            let pictures = Ready::new(&arch, &params, prepare).pictures(z.clone(), &Vec::new());
            same(&format!("momentum {momentum:?}, prepared {prepare}"), &floats(pictures), &by_hand);
        }
    }
}

/// The generator layer by layer in burn's operations, moving statistics as Keras applies them.
fn by_hand(arch: &WganGp, params: &Params, z: Tensor<2>) -> Tensor<4> {
    let named = |name: &str| params.list.iter().find(|p| p.name == name).map(|p| p.value.clone());
    let leaky = |x: Tensor<4>| burn::tensor::activation::leaky_relu(x, 0.2);
    let norm = |x: Tensor<4>, name: &str| {
        let part = |part: &str| named(&format!("{name}.{part}")).map(|v| v.clone().reshape([1, 1, 1, v.dims()[0]]));
        let [Some(gamma), Some(beta), Some(mean), Some(var)] =
            ["gamma", "beta", "moving_mean", "moving_variance"].map(part)
        else {
            return x;
        };
        (x - mean) / (var + 1e-3).sqrt() * gamma + beta
    };
    let [h, w, c] = arch.generator_initial_dense_layer_size;
    let n = z.dims()[0];
    let features = h * w * c;
    let kernel = named("dense.kernel").unwrap().reshape([arch.z_dim, features]);
    let x = z.matmul(kernel) + named("dense.bias").unwrap().reshape([1, features]);
    let mut x = leaky(norm(x.reshape([n, 1, 1, features]), "dense_norm")).reshape([n, h, w, c]);
    let count = arch.generator_conv_filters.len();
    for i in 0..count {
        let (filters, k) = (arch.generator_conv_filters[i], arch.generator_conv_kernel_size[i]);
        let [_, h, w, c] = x.dims();
        let doubled = arch.generator_upsample[i] == 2;
        let g = match doubled {
            true => Geometry::same([2 * h, 2 * w, c], filters, k, 1),
            false => Geometry::same([2 * h, 2 * w, filters], c, k, 2),
        };
        let kernel = named(&format!("conv_{i}.kernel")).unwrap().reshape([g.k, g.k, g.c, g.o]);
        let bias = named(&format!("conv_{i}.bias")).unwrap();
        x = if doubled {
            let [n, h, w, c] = x.dims();
            let wide = x.reshape([n * h, w, 1, c]).repeat_dim(2, 2).reshape([n, h, 1, 2 * w * c]).repeat_dim(2, 2);
            burn_ops::conv(wide.reshape([n, 2 * h, 2 * w, c]), kernel, bias, g, None)
        } else {
            burn_ops::conv_t(x, kernel, bias, g, None)
        };
        x = if i + 1 == count { x.tanh() } else { leaky(norm(x, &format!("conv_{i}_norm"))) };
    }
    x
}

/// Training mode normalises with the batch and reports its statistics.
#[test]
fn training_mode_gives_the_moving_statistics_of_its_batch() {
    let device = Device::flex();
    let arch = Arch::named("small").unwrap();
    let mut random = RandomState::new(6);
    let params = Params::init(&arch.generator_plans(), &mut random, &device);
    let z = tensor(&mut random, [4, 100], &device);
    let trained = chain::train(&arch.generator(), &params, Value::Flat(z.clone()), &Vec::new());
    let pictures = trained.output.map();
    assert_eq!(pictures.dims(), [4, 128, 128, 3]);
    let mut follow = params.clone();
    follow.follow(trained.statistics.into_iter().map(|s| Statistics { momentum: 0.0, ..s }).collect());
    // With momentum 0 the moving statistics are the batch's, so inference on it agrees.
    let inference = Ready::new(&arch, &follow, false).pictures(z, &Vec::new());
    same("batch and moving statistics", &floats(pictures), &floats(inference));
}
