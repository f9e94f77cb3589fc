//! Every way against the kernels that follow the definition, and whole networks against themselves.

use super::direct::Direct;
use super::few::Few;
use super::winograd::Winograd;
use super::*;
use crate::net::kernels::tests::noise;
use crate::net::kernels::{self, Act, Geometry};
use crate::net::rows::{gather, scatter};

/// A stage with what it reads.
struct Case {
    n: usize,
    g: Geometry,
    y: Vec<f32>,
    layer: Layer,
}

impl Case {
    fn new(n: usize, oh: usize, ow: usize, c: usize, o: usize, k: usize) -> Self {
        let g = Geometry { h: 2 * oh, w: 2 * ow, c, o, k, stride: 2 };
        let layer = Layer { kernel: noise(k * k * c * o, 2), scale: noise(c, 4), shift: noise(c, 3) };
        Self { n, g, y: noise(n * oh * ow * o, 1), layer }
    }

    /// What the kernels make of it.
    fn slow(&self, act: Act) -> Vec<f32> {
        let line = |(i, v): (usize, &f32)| v * self.layer.scale[i / self.g.o % self.g.c];
        let folded: Vec<f32> = self.layer.kernel.iter().enumerate().map(line).collect();
        kernels::conv_t(&self.y, &folded, &self.layer.shift, &self.g, act)
    }

    /// Runs a way between planes; checks its values, and that the border it got stays zero.
    fn check(&self, mut way: Way, worst: f32) {
        way.load(&self.layer.view(), &self.g);
        let (n, g) = (self.n, &self.g);
        let (from, to) = (way.plane(g.oh(), g.ow()), Plane::windowed(g.h, g.w, 3, 4));
        let mut input = vec![Row::ZERO; blocks(g.o) * n * from.len()];
        scatter(&self.y, g.o, &from, &mut input);
        let mut output = vec![Row::ZERO; blocks(g.c) * n * to.len()];
        way.run(n, &input, &from, &mut Vec::new(), &mut output, &to);
        let slow = self.slow(Act::Leaky(0.2));
        close(&gather(&output, n, g.c, &to), &slow, worst, &format!("{g:?}"));
        let mut clean = vec![Row::ZERO; output.len()];
        scatter(&slow, g.c, &to, &mut clean);
        for (row, clean) in output.iter().zip(&clean) {
            assert!(*clean != Row::ZERO || *row == Row::ZERO, "{g:?}: something stands in the border");
        }
    }
}

fn close(fast: &[f32], slow: &[f32], worst: f32, what: &str) {
    assert_eq!(fast.len(), slow.len(), "{what}");
    for (i, (a, b)) in fast.iter().zip(slow).enumerate() {
        assert!((a - b).abs() < worst, "{what}, value {i}: {a} {b}");
    }
}

#[test]
fn tap_by_tap_agrees_with_the_kernels() {
    for (n, oh, ow, c, o, k) in
        [(1, 8, 8, 32, 64, 6), (3, 5, 7, 33, 5, 6), (2, 4, 16, 8, 40, 10), (1, 3, 300, 5, 3, 6), (2, 3, 3, 4, 4, 14)]
    {
        let case = Case::new(n, oh, ow, c, o, k);
        case.check(Way::Direct(Direct::new(&case.g, 0.2)), 1e-4);
    }
}

#[test]
fn transforms_agree_with_the_kernels() {
    for (n, oh, ow, c, o) in
        [(1, 8, 8, 32, 64), (3, 5, 7, 33, 5), (2, 4, 6, 8, 40), (1, 1, 9, 3, 32), (1, 33, 70, 2, 2)]
    {
        let case = Case::new(n, oh, ow, c, o, 6);
        case.check(Way::Two3(Winograd::new(&case.g, 0.2)), 1e-4);
        case.check(Way::Four3(Winograd::new(&case.g, 0.2)), 5e-4);
        let case = Case::new(n, oh, ow, c, o, 10);
        case.check(Way::Two5(Winograd::new(&case.g, 0.2)), 5e-4);
        case.check(Way::Four5(Winograd::new(&case.g, 0.2)), 1e-3);
    }
}

#[test]
fn few_channels_agree_with_the_kernels() {
    for (n, oh, ow, c, o, k) in [(1, 16, 16, 3, 32, 6), (2, 5, 27, 1, 40, 6), (3, 9, 1, 4, 3, 10)] {
        let case = Case::new(n, oh, ow, c, o, k);
        let g = &case.g;
        let mut way = Way::Few(Few::new(g));
        way.load(&case.layer.view(), g);
        let from = way.plane(oh, ow);
        let mut input = vec![Row::ZERO; blocks(o) * n * from.len()];
        scatter(&case.y, o, &from, &mut input);
        let slow = case.slow(Act::Tanh);
        let mut out = vec![0.0f32; slow.len()];
        assert!(way.finish(n, &input, &from, &mut out));
        close(&out, &slow, 1e-5, &format!("{g:?}"));
    }
}

/// A network with its weights, which are random.
struct Net {
    arch: Arch,
    seed: u32,
}

impl Net {
    fn new(arch: Arch, seed: u32) -> Self {
        arch.check().unwrap();
        Self { arch, seed }
    }

    fn layers(&self) -> Vec<Layer> {
        let layer = |values: usize, out: usize, seed: u32| Layer {
            kernel: noise(values, seed).iter().map(|v| v * 0.3).collect(),
            scale: noise(out, seed + 1).iter().map(|v| v + 1.0).collect(),
            shift: noise(out, seed + 2),
        };
        let features = self.arch.dense_features();
        let stages = self.arch.stages().into_iter().enumerate().map(|(i, stage)| {
            let g = stage.geometry;
            layer(g.k * g.k * g.c * g.o, stage.filters, self.seed + i as u32)
        });
        std::iter::once(layer(self.arch.z_dim * features, features, self.seed + 9)).chain(stages).collect()
    }

    /// The weights with the norms folded in: kernels and biases.
    fn folded(&self) -> Vec<(Vec<f32>, Vec<f32>)> {
        let inner = std::iter::once(1).chain(self.arch.stages().into_iter().map(|stage| match stage.doubled {
            true => 1,
            false => stage.geometry.o,
        }));
        let fold = |(layer, inner): (Layer, usize)| {
            let value = |(i, v): (usize, &f32)| v * layer.scale[i / inner % layer.scale.len()];
            (layer.kernel.iter().enumerate().map(value).collect(), layer.shift)
        };
        self.layers().into_iter().zip(inner).map(fold).collect()
    }

    fn prepared(&self) -> Prepared {
        Prepared::new(&self.arch, self.layers())
    }

    /// The forward by the kernels and by hand.
    fn slow(&self, z: &[f32]) -> Vec<f32> {
        let hidden = |v: f32| match self.arch.generator_activation {
            Activation::Tanh => v.tanh(),
            Activation::Sigmoid => 1.0 / (1.0 + (-v).exp()),
            Activation::Elu => v.max(0.0) + v.min(0.0).exp_m1(),
            with_slope => v.max(0.0) + with_slope.negative_slope().unwrap() * v.min(0.0),
        };
        let layers = self.folded();
        let (kernel, bias) = &layers[0];
        let mut x: Vec<f32> = z
            .chunks_exact(self.arch.z_dim)
            .flat_map(|z| {
                (0..bias.len())
                    .map(move |f| bias[f] + (0..z.len()).map(|i| z[i] * kernel[i * bias.len() + f]).sum::<f32>())
            })
            .map(hidden)
            .collect();
        let stages = self.arch.stages();
        for (i, (stage, (kernel, bias))) in stages.iter().zip(&layers[1..]).enumerate() {
            let last = i + 1 == stages.len();
            let act = if last { Act::Tanh } else { Act::Leaky(1.0) };
            let g = &stage.geometry;
            x = match stage.doubled {
                true => kernels::conv(&doubled(&x, g), kernel, bias, g, act),
                false => kernels::conv_t(&x, kernel, bias, g, act),
            };
            if !last {
                x.iter_mut().for_each(|v| *v = hidden(*v));
            }
        }
        x
    }
}

fn doubled(x: &[f32], g: &Geometry) -> Vec<f32> {
    let n = 4 * x.len() / (g.h * g.w * g.c);
    (0..n * g.h * g.w * g.c)
        .map(|i| {
            let (n, y, xx, c) = (i / (g.h * g.w * g.c), i / (g.w * g.c) % g.h, i / g.c % g.w, i % g.c);
            x[((n * g.h / 2 + y / 2) * g.w / 2 + xx / 2) * g.c + c]
        })
        .collect()
}

/// A small network of every kind of stage that there is.
fn patchwork(activation: Activation) -> Arch {
    Arch {
        input_dim: [48, 80, 5],
        generator_initial_dense_layer_size: [3, 5, 40],
        generator_upsample: vec![1, 2, 1, 1, 1],
        generator_conv_filters: vec![36, 12, 8, 33, 5],
        generator_conv_kernel_size: vec![6, 5, 3, 10, 6],
        generator_conv_strides: vec![2, 1, 1, 2, 2],
        generator_activation: activation,
        z_dim: 7,
        ..Arch::named("small").unwrap()
    }
}

#[test]
fn networks_agree_whatever_their_stages_are() {
    let activations = [
        Activation::LeakyRelu,
        Activation::Relu,
        Activation::Linear,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Elu,
    ];
    for activation in activations {
        let net = Net::new(patchwork(activation), 1);
        let z = noise(3 * net.arch.z_dim, 9);
        close(&net.prepared().draw::<f32>(&z), &net.slow(&z), 1e-3, &format!("{activation:?}"));
    }
}

#[test]
fn last_stages_of_any_kind_finish() {
    for (filters, k, stride) in [(3, 6, 2), (1, 10, 2), (6, 6, 2), (3, 4, 2), (40, 3, 1)] {
        let arch = Arch {
            input_dim: [8 * stride, 8 * stride, filters],
            generator_initial_dense_layer_size: [8, 8, 20],
            generator_upsample: vec![1],
            generator_conv_filters: vec![filters],
            generator_conv_kernel_size: vec![k],
            generator_conv_strides: vec![stride],
            z_dim: 3,
            ..Arch::named("small").unwrap()
        };
        let net = Net::new(arch, 2);
        let z = noise(2 * 3, 8);
        close(&net.prepared().draw::<f32>(&z), &net.slow(&z), 1e-4, &format!("{filters} {k} {stride}"));
    }
}

#[test]
fn buffers_that_were_used_before_change_nothing() {
    let net = Net::new(Arch { z_dim: 6, ..Arch::named("small").unwrap() }, 3);
    let prepared = net.prepared();
    let z = noise(11 * 6, 5);
    let all: Vec<u8> = prepared.draw(&z);
    assert_eq!(all.len(), 11 * prepared.picture_len());
    for (i, z) in z.chunks_exact(6).enumerate() {
        let one: Vec<u8> = prepared.draw(z);
        assert_eq!(one[..], all[i * one.len()..][..one.len()], "picture {i}");
    }
    assert_eq!(prepared.draw::<u8>(&z), all);
    assert!(prepared.draw::<u8>(&[]).is_empty());
}

#[test]
fn other_weights_take_the_place_of_these() {
    let arch = patchwork(Activation::LeakyRelu);
    let (one, other) = (Net::new(arch.clone(), 4), Net::new(arch, 40));
    let z = noise(one.arch.z_dim, 6);
    let mut prepared = one.prepared();
    prepared.load(other.layers());
    assert_eq!(prepared.draw::<f32>(&z), other.prepared().draw::<f32>(&z));
    assert_ne!(prepared.draw::<f32>(&z), one.prepared().draw::<f32>(&z));
}

#[test]
fn a_byte_is_rounded_down_and_clipped() {
    let bytes: Vec<u8> = [-2.0, -1.0, -0.999, 0.0, 0.999, 1.0, 7.0].map(<u8 as Pixel>::of).to_vec();
    assert_eq!(bytes, [0, 0, 0, 127, 254, 255, 255]);
}
