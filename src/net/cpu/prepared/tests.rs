//! Every way against the kernels that follow the definition, and whole networks against themselves.

use super::direct::Direct;
use super::few::Few;
use super::winograd::Winograd;
use super::*;
use crate::net::cpu::conv::tests::noise;
use crate::net::cpu::conv::{self, Act};
use crate::net::cpu::layout::{gather, scatter};
use crate::net::geometry::Padding;

/// A stage with what it reads.
struct Case {
    n: usize,
    g: Geometry,
    y: Vec<f32>,
    layer: Layer,
}

impl Case {
    fn new(n: usize, oh: usize, ow: usize, c: usize, o: usize, k: usize) -> Self {
        let g = Geometry::same([2 * oh, 2 * ow, c], o, k, 2);
        let layer = Layer { kernel: noise(k * k * c * o, 2), scale: noise(c, 4), shift: noise(c, 3) };
        Self { n, g, y: noise(n * oh * ow * o, 1), layer }
    }

    /// What the kernels make of it.
    fn slow(&self, act: Option<Act>) -> Vec<f32> {
        let line = |(i, v): (usize, &f32)| v * self.layer.scale[i / self.g.o % self.g.c];
        let folded: Vec<f32> = self.layer.kernel.iter().enumerate().map(line).collect();
        conv::conv_t(&self.y, &folded, &self.layer.shift, &self.g, act)
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
        let slow = self.slow(Some(Act::Leaky(0.2)));
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
    for (n, oh, ow, c, o, k) in [
        (1, 8, 8, 32, 64, 6),
        (3, 5, 7, 33, 5, 6),
        (2, 4, 16, 8, 40, 10),
        (1, 3, 300, 5, 3, 6),
        (2, 3, 3, 4, 4, 14),
        (2, 5, 7, 33, 40, 4),
        (1, 9, 4, 8, 3, 5),
        (1, 4, 5, 3, 33, 3),
        (1, 4, 4, 3, 3, 2),
    ] {
        let case = Case::new(n, oh, ow, c, o, k);
        case.check(Way::Direct(Direct::new(&case.g, 0.2, false)), 1e-4);
        case.check(Way::Direct(Direct::new(&case.g, 0.2, true)), 2e-3);
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
        // Kernels that leave taps of the window out.
        for k in [3, 4, 5] {
            let case = Case::new(n, oh, ow, c, o, k);
            case.check(Way::Two3(Winograd::new(&case.g, 0.2)), 1e-4);
            case.check(Way::Four3(Winograd::new(&case.g, 0.2)), 5e-4);
        }
        let case = Case::new(n, oh, ow, c, o, 10);
        case.check(Way::Two5(Winograd::new(&case.g, 0.2)), 5e-4);
        case.check(Way::Four5(Winograd::new(&case.g, 0.2)), 1e-3);
    }
}

#[test]
fn few_channels_agree_with_the_kernels() {
    for (n, oh, ow, c, o, k) in
        [(1, 16, 16, 3, 32, 6), (2, 5, 27, 1, 40, 6), (3, 9, 1, 4, 3, 10), (2, 8, 9, 3, 64, 4), (1, 3, 4, 1, 33, 5)]
    {
        let case = Case::new(n, oh, ow, c, o, k);
        let g = &case.g;
        let mut way = Way::Few(Few::new(g));
        way.load(&case.layer.view(), g);
        let from = way.plane(oh, ow);
        let mut input = vec![Row::ZERO; blocks(o) * n * from.len()];
        scatter(&case.y, o, &from, &mut input);
        let slow = case.slow(Some(Act::Tanh));
        let mut out = vec![0.0f32; slow.len()];
        assert!(way.finish(n, &input, &from, &mut out));
        close(&out, &slow, 1e-5, &format!("{g:?}"));
    }
}

/// A network with its weights, which are random.
struct Net {
    outline: Outline,
    seed: u32,
}

impl Net {
    fn layers(&self) -> Vec<Layer> {
        let layer = |values: usize, out: usize, seed: u32| Layer {
            kernel: noise(values, seed).iter().map(|v| v * 0.3).collect(),
            scale: noise(out, seed + 1).iter().map(|v| v + 1.0).collect(),
            shift: noise(out, seed + 2),
        };
        let features: usize = self.outline.first.iter().product();
        let stages = self.outline.stages.iter().enumerate().map(|(i, stage)| {
            let g = stage.geometry;
            layer(g.k * g.k * g.c * g.o, stage.output()[2], self.seed + i as u32)
        });
        std::iter::once(layer(self.outline.z_dim * features, features, self.seed + 9)).chain(stages).collect()
    }

    /// The weights with the norms folded in: kernels and biases.
    fn folded(&self) -> Vec<(Vec<f32>, Vec<f32>)> {
        let inner = |stage: &Stage| if stage.transposed { stage.geometry.o } else { 1 };
        let inner = std::iter::once(1).chain(self.outline.stages.iter().map(inner));
        let fold = |(layer, inner): (Layer, usize)| {
            let value = |(i, v): (usize, &f32)| v * layer.scale[i / inner % layer.scale.len()];
            (layer.kernel.iter().enumerate().map(value).collect(), layer.shift)
        };
        self.layers().into_iter().zip(inner).map(fold).collect()
    }

    fn prepared(&self) -> Prepared {
        Prepared::new(&self.outline, self.layers())
    }

    /// The forward by the kernels and by hand.
    fn slow(&self, z: &[f32]) -> Vec<f32> {
        let hidden = |then: Option<Activation>, v: f32| match then {
            None => v,
            Some(Activation::Tanh) => v.tanh(),
            Some(Activation::Sigmoid) => 1.0 / (1.0 + (-v).exp()),
            Some(Activation::Elu) => v.max(0.0) + v.min(0.0).exp_m1(),
            Some(Activation::Selu) => 1.050_701 * (v.max(0.0) + 1.673_263_2 * v.min(0.0).exp_m1()),
            Some(with_slope) => v.max(0.0) + with_slope.negative_slope().unwrap() * v.min(0.0),
        };
        let layers = self.folded();
        let (kernel, bias) = &layers[0];
        let mut x: Vec<f32> = z
            .chunks_exact(self.outline.z_dim)
            .flat_map(|z| {
                (0..bias.len())
                    .map(move |f| bias[f] + (0..z.len()).map(|i| z[i] * kernel[i * bias.len() + f]).sum::<f32>())
            })
            .map(|v| hidden(self.outline.then, v))
            .collect();
        let [mut h, mut w, mut c] = self.outline.first;
        for (stage, (kernel, bias)) in self.outline.stages.iter().zip(&layers[1..]) {
            let g = &stage.geometry;
            let input = if stage.doubled { doubled(&x, [h, w, c]) } else { x };
            x = match stage.transposed {
                false => conv::conv(&input, kernel, bias, g, None),
                true => conv::conv_t(&input, kernel, bias, g, None),
            };
            [h, w, c] = stage.output();
            x.iter_mut().for_each(|v| *v = hidden(stage.then, *v));
        }
        x
    }
}

/// Nearest ×2 of maps of this shape.
fn doubled(x: &[f32], [h, w, c]: [usize; 3]) -> Vec<f32> {
    let n = x.len() / (h * w * c);
    (0..n * 4 * h * w * c)
        .map(|i| {
            let (n, y, xx, c_at) = (i / (4 * h * w * c), i / (2 * w * c) % (2 * h), i / c % (2 * w), i % c);
            x[((n * h + y / 2) * w + xx / 2) * c + c_at]
        })
        .collect()
}

/// How a stage is made.
#[derive(Clone, Copy)]
enum Made {
    /// Transposed, with a stride, as TensorFlow pads.
    Grown(usize),
    /// The same, as PyTorch pads.
    Torch(usize, usize),
    /// Nearest ×2, then a convolution.
    Doubled,
    /// Nearest ×2, then a transposed convolution at stride 1.
    DoubledTransposed,
    /// A convolution at stride 1.
    Flat,
}

/// A network: filters, kernel and kind of each stage; the last goes through tanh.
fn outline(z_dim: usize, first: [usize; 3], then: Option<Activation>, stages: &[(usize, usize, Made)]) -> Outline {
    let mut map = first;
    let last = stages.len() - 1;
    let stage = |(i, (filters, k, made)): (usize, &(usize, usize, Made))| {
        let [h, w, c] = map;
        let wide = |by: usize| Geometry::same([by * h, by * w, *filters], c, *k, by);
        let (geometry, transposed, doubled) = match *made {
            Made::Grown(stride) => (wide(stride), true, false),
            Made::Torch(stride, pixels) => {
                let side = |side: usize| (side - 1) * stride + k - 2 * pixels;
                let padding = Padding::Pixels(pixels);
                let g = Geometry::same([side(h), side(w), *filters], c, *k, stride);
                (Geometry { padding, ..g }, true, false)
            }
            Made::Doubled => (Geometry::same([2 * h, 2 * w, c], *filters, *k, 1), false, true),
            Made::DoubledTransposed => (Geometry::same([2 * h, 2 * w, *filters], c, *k, 1), true, true),
            Made::Flat => (Geometry::same([h, w, c], *filters, *k, 1), false, false),
        };
        let then = if i == last { Some(Activation::Tanh) } else { then };
        let stage = Stage { geometry, transposed, doubled, then };
        map = stage.output();
        stage
    };
    let stages = stages.iter().enumerate().map(stage).collect();
    Outline { z_dim, first, then, stages }
}

/// A small network of every kind of stage that there is.
fn patchwork(then: Option<Activation>) -> Outline {
    let stages = [
        (36, 6, Made::Grown(2)),
        (12, 5, Made::Doubled),
        (8, 3, Made::Grown(1)),
        (34, 4, Made::Torch(2, 1)),
        (9, 3, Made::DoubledTransposed),
        (8, 3, Made::Flat),
        (7, 3, Made::Torch(2, 0)),
        (33, 10, Made::Grown(2)),
        (5, 6, Made::Grown(2)),
    ];
    outline(7, [1, 2, 40], then, &stages)
}

#[test]
fn networks_agree_whatever_their_stages_are() {
    let activations = [
        None,
        Some(Activation::LeakyRelu(0.2)),
        Some(Activation::Relu),
        Some(Activation::Tanh),
        Some(Activation::Sigmoid),
        Some(Activation::Elu),
        Some(Activation::Selu),
    ];
    for then in activations {
        let net = Net { outline: patchwork(then), seed: 1 };
        let z = noise(3 * net.outline.z_dim, 9);
        close(&net.prepared().draw::<f32>(&z), &net.slow(&z), 1e-3, &format!("{then:?}"));
    }
}

#[test]
fn last_stages_of_any_kind_finish() {
    for (filters, k, made) in [
        (3, 6, Made::Grown(2)),
        (1, 10, Made::Grown(2)),
        (6, 6, Made::Grown(2)),
        (3, 4, Made::Grown(2)),
        (3, 4, Made::Torch(2, 1)),
        (1, 5, Made::Grown(2)),
        (40, 3, Made::Grown(1)),
        (3, 3, Made::Torch(1, 1)),
    ] {
        let net = Net { outline: outline(3, [8, 8, 20], Some(Activation::Relu), &[(filters, k, made)]), seed: 2 };
        let z = noise(2 * 3, 8);
        close(&net.prepared().draw::<f32>(&z), &net.slow(&z), 1e-4, &format!("{filters} {k}"));
    }
}

/// As the shipped one.
fn small() -> Outline {
    let stages = [(128, 6), (64, 6), (32, 6), (3, 6)].map(|(filters, k)| (filters, k, Made::Grown(2)));
    outline(6, [8, 8, 128], Some(Activation::LeakyRelu(0.2)), &stages)
}

#[test]
fn buffers_that_were_used_before_change_nothing() {
    let net = Net { outline: small(), seed: 3 };
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
    let outline = patchwork(Some(Activation::LeakyRelu(0.2)));
    let (one, other) = (Net { outline: outline.clone(), seed: 4 }, Net { outline, seed: 40 });
    let z = noise(one.outline.z_dim, 6);
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
