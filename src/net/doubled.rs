//! Nearest ×2 and a 3 × 3 kernel as one transposed convolution of kernel 4 and stride 2.
//!
//! Along one axis the doubled map reads `x[⌊p / 2⌋]`, so output 2i is `w₀ x[i−1] + (w₁ + w₂) x[i]` and output 2i + 1 is
//! `(w₀ + w₁) x[i] + w₂ x[i+1]`: what a transposed convolution makes of the kernel `[w₂, w₁ + w₂, w₀ + w₁, w₀]`, the
//! turned kernel convolved with a block of ones. That is 16 products for each value of the map instead of 36, and no
//! doubled map. What is learnt stays the kernel of 3 × 3.
//! Asked by [`super::draw`] for steps and by [`super::chain`] for layers; both go on with [`Behind::combined`]. Knows no
//! device.

use burn::tensor::Tensor;

use super::geometry::{Geometry, Padding};
use super::layers::{Layer, Shape};
use super::steps::{Kind, Step};

/// What stands behind the doubling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// A convolution, with a kernel `[3, 3, c, filters]`.
    Conv,
    /// A transposed convolution of stride 1, with a kernel `[3, 3, filters, c]`, which is a convolution by the turned one.
    ConvTranspose,
}

impl Behind {
    /// From the kernel of 3 × 3 to that of the transposed convolution, `[4, 4, filters, c]`; differentiable.
    pub fn combined(self, kernel: Tensor<4>) -> Tensor<4> {
        let kernel = match self {
            Self::Conv => kernel.flip([0, 1]).swap_dims(2, 3),
            Self::ConvTranspose => kernel,
        };
        spread(spread(kernel, 0), 1)
    }
}

/// Convolved with two ones along an axis of length 3.
fn spread(kernel: Tensor<4>, axis: usize) -> Tensor<4> {
    let part = |from, len| kernel.clone().narrow(axis, from, len);
    Tensor::cat(vec![part(0, 1), part(0, 2) + part(1, 2), part(2, 1)], axis)
}

/// The transposed convolution that a doubling and what follows it are, if they are one; `g` is of what follows.
fn joined(g: Geometry, behind: Behind) -> Option<(Geometry, Behind)> {
    let around = matches!(g.padding, Padding::Same | Padding::Pixels(1));
    let (filters, c) = match behind {
        Behind::Conv => (g.o, g.c),
        Behind::ConvTranspose => (g.c, g.o),
    };
    let even = g.h.is_multiple_of(2) && g.w.is_multiple_of(2);
    (g.k == 3 && g.stride == 1 && around && even).then(|| (Geometry::same([g.h, g.w, filters], c, 4, 2), behind))
}

/// What the first two of these layers are together, if they are a doubling and what follows it.
pub fn first(layers: &[(&str, &Layer, Shape)]) -> Option<(Geometry, Behind)> {
    let [(_, Layer::Upsample2d, _), (_, behind, input), ..] = layers else { return None };
    match Kind::of(behind, *input) {
        Some(Kind::Conv(g)) => joined(g, Behind::Conv),
        Some(Kind::ConvTranspose(g)) => joined(g, Behind::ConvTranspose),
        _ => None,
    }
}

/// Joins every doubling with the step that follows it, where that can be done.
pub fn join(steps: Vec<Step>) -> Vec<Step> {
    let mut made: Vec<Step> = Vec::with_capacity(steps.len());
    for step in steps {
        let found = match step.kind {
            Kind::Conv(g) => joined(g, Behind::Conv),
            Kind::ConvTranspose(g) => joined(g, Behind::ConvTranspose),
            _ => None,
        };
        match (found, made.last()) {
            (Some((g, behind)), Some(Step { kind: Kind::Upsample, input, .. })) => {
                let input = *input;
                made.pop();
                made.push(Step { kind: Kind::ConvTranspose(g), doubled: Some(behind), input, ..step });
            }
            _ => made.push(step),
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::net::layers::{Activation, Chain, Init};
    use crate::net::params::floats;
    use crate::net::{burn_ops, chain, ops};
    use crate::random::RandomState;

    fn tensor<const D: usize>(shape: [usize; D], seed: u32) -> Tensor<D> {
        let numbers = RandomState::new(seed).normals(shape.iter().product());
        let values: Vec<f32> = numbers.iter().map(|v| *v as f32).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff())
    }

    fn close(what: &str, fast: Vec<f32>, slow: Vec<f32>) {
        assert_eq!(fast.len(), slow.len(), "{what}");
        for (i, (fast, slow)) in fast.iter().zip(&slow).enumerate() {
            assert!((fast - slow).abs() < 1e-4 * (1.0 + slow.abs()), "{what}, value {i}: {fast} {slow}");
        }
    }

    /// Values and all three gradients against burn's own operations on the doubled map.
    #[test]
    fn a_joined_kernel_makes_and_learns_the_same() {
        for (behind, n, [h, w, c], filters) in [
            (Behind::Conv, 2, [4, 6, 5], 3),
            (Behind::Conv, 1, [1, 1, 3], 4),
            (Behind::Conv, 2, [8, 8, 48], 3),
            (Behind::ConvTranspose, 2, [5, 3, 4], 6),
            (Behind::ConvTranspose, 1, [2, 1, 33], 1),
        ] {
            let x = tensor([n, h, w, c], 1).require_grad();
            let shape = if behind == Behind::Conv { [3, 3, c, filters] } else { [3, 3, filters, c] };
            let kernel = tensor(shape, 2).require_grad();
            let bias = tensor([filters], 3).require_grad();
            let doubled = chain::upsample(x.clone());
            let (slow, g) = match behind {
                Behind::Conv => {
                    let g = Geometry::same([2 * h, 2 * w, c], filters, 3, 1);
                    (burn_ops::conv(doubled, kernel.clone(), bias.clone(), g, None), g)
                }
                Behind::ConvTranspose => {
                    let g = Geometry::same([2 * h, 2 * w, filters], c, 3, 1);
                    (burn_ops::conv_t(doubled, kernel.clone(), bias.clone(), g, None), g)
                }
            };
            let (g, _) = joined(g, behind).unwrap();
            let fast = ops::conv_t(x.clone(), behind.combined(kernel.clone()), bias.clone(), g, None);
            let weight = tensor([n, 2 * h, 2 * w, filters], 4);
            let gradients = |made: Tensor<4>| {
                let all = (made * weight.clone()).sum().backward();
                let flat = |grad: Option<Tensor<4>>| floats(grad.unwrap());
                [flat(x.grad(&all)), flat(kernel.grad(&all)), floats(bias.grad(&all).unwrap())]
            };
            close("values", floats(fast.clone()), floats(slow.clone()));
            let names = ["input", "kernel", "bias"];
            for ((name, fast), slow) in names.iter().zip(gradients(fast)).zip(gradients(slow)) {
                close(&format!("{behind:?}, gradient of the {name}"), fast, slow);
            }
        }
    }

    /// An even area stays even inside, whatever the weights are.
    #[test]
    fn an_even_area_has_no_checkerboard() {
        let kernel = Behind::Conv.combined(tensor([3, 3, 2, 1], 7));
        let g = Geometry::same([12, 12, 1], 2, 4, 2);
        let device = kernel.device();
        let made = ops::conv_t(Tensor::ones([1, 6, 6, 2], &device), kernel, Tensor::zeros([1], &device), g, None);
        let inside = floats(made.slice([0..1, 2..10, 2..10, 0..1]));
        close("inside", inside.clone(), vec![inside[0]; 64]);
        assert!(inside[0].abs() > 1e-3);
    }

    #[test]
    fn only_what_is_one_is_joined() {
        let conv = |kernel, stride, padding| Layer::Conv2d { filters: 4, kernel, stride, padding, bias: true };
        let count = |before: Layer, behind: Layer| {
            let mut chain = Chain::new(Shape::Map([4, 4, 3]), Init::Normal);
            chain.then(before);
            chain.push("conv", behind);
            chain.then(Layer::Activation { curve: Activation::Relu });
            let layers: Vec<_> = chain.walk().collect();
            let steps = join(super::super::steps::steps(&chain));
            assert_eq!(first(&layers).is_some(), steps.len() == 1, "{behind:?}");
            if let [step] = &steps[..] {
                assert_eq!((step.input, step.output), (Shape::Map([4, 4, 3]), Shape::Map([8, 8, 4])));
                assert_eq!(step.then, Some(Activation::Relu));
            }
            steps.len()
        };
        assert_eq!(count(Layer::Upsample2d, conv(3, 1, Padding::Same)), 1);
        assert_eq!(count(Layer::Upsample2d, conv(3, 1, Padding::Pixels(1))), 1);
        for other in [conv(5, 1, Padding::Same), conv(3, 2, Padding::Same), conv(3, 1, Padding::Pixels(0))] {
            assert_eq!(count(Layer::Upsample2d, other), 2);
        }
        assert_eq!(count(Layer::ZeroPad2d { after: [4, 4] }, conv(3, 1, Padding::Same)), 2);
    }
}
