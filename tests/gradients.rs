//! Gradients of every kind of layer against central differences of a forward in plain loops and f64: in every number
//! of every array and of what goes in, in the picture of a critic, and of the penalty on that.

// A test stops at the first thing that is not as it must be, helpers included.
#![allow(clippy::unwrap_used)]

#[path = "common/plain.rs"]
mod plain;

use burn::tensor::{Device, Tensor, TensorData};
use flaneur::net::chain::{self, Masks, Value};
use flaneur::net::critic;
use flaneur::net::geometry::Padding;
use flaneur::net::layers::{Activation, Chain, Layer, Shape};
use flaneur::net::ops;
use flaneur::net::params::{Params, floats};
use flaneur::random::RandomState;
use plain::{Arrays, Norms, chain, doubles, normals};

/// Pictures of a batch.
const N: usize = 3;
/// Largest difference of any number, as a share of the largest number of its array (or of 0.1): some times what f32 and
/// the differences lose.
const NEAR: f64 = 5e-5;
const CURVES: [Activation; 6] = [
    Activation::LeakyRelu(0.2),
    Activation::Relu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Elu,
    Activation::Selu,
];

fn conv(filters: usize, kernel: usize, stride: usize, padding: Padding, bias: bool) -> Layer {
    Layer::Conv2d { filters, kernel, stride, padding, bias }
}

fn transposed(filters: usize, kernel: usize, stride: usize, padding: Padding, output_padding: usize) -> Layer {
    Layer::ConvTranspose2d { filters, kernel, stride, padding, output_padding, bias: output_padding != 1 }
}

fn curve(curve: Activation) -> Layer {
    Layer::Activation { curve }
}

fn batch_norm(eps: f32, affine: bool) -> Layer {
    Layer::BatchNorm { eps, momentum: 0.9, unbiased: true, affine }
}

fn dense(units: usize, bias: bool) -> Layer {
    Layer::Dense { units, bias }
}

/// Layers of every kind with what goes into them.
fn kinds() -> Vec<(Shape, Vec<Layer>)> {
    let (map, flat) = (Shape::Map([5, 4, 2]), Shape::Flat(6));
    let mut kinds = vec![
        (flat, vec![dense(4, true)]),
        (flat, vec![dense(4, false)]),
        (flat, vec![dense(8, true), Layer::Reshape { shape: [2, 2, 2] }, conv(2, 3, 1, Padding::Same, true)]),
        (map, vec![conv(3, 2, 1, Padding::Same, true), Layer::Flatten, dense(2, true)]),
        (map, vec![Layer::Upsample2d, conv(2, 3, 2, Padding::Pixels(1), true)]),
        (map, vec![Layer::ZeroPad2d { after: [1, 2] }, conv(2, 3, 2, Padding::Pixels(1), true)]),
        (map, vec![Layer::Pool2d { average: true }, conv(2, 3, 1, Padding::Same, true)]),
        (map, vec![Layer::Upsample2d, conv(2, 3, 1, Padding::Same, true), Layer::Pool2d { average: false }]),
        (map, vec![conv(2, 3, 1, Padding::Same, true), Layer::ZeroPad2d { after: [0, 1] }, batch_norm(1e-3, true)]),
        (map, vec![Layer::Dropout { rate: 0.4 }, conv(2, 3, 1, Padding::Same, true), Layer::Dropout { rate: 0.4 }]),
        (flat, vec![dense(5, true), Layer::Dropout { rate: 0.4 }, dense(3, true)]),
    ];
    for kernel in 1..=5 {
        for stride in 1..=3 {
            kinds.push((map, vec![conv(3, kernel, stride, Padding::Same, kernel != 2)]));
            kinds.push((map, vec![transposed(3, kernel, stride, Padding::Same, 0)]));
            for pixels in (0..3).filter(|pixels| *pixels < kernel && 4 + 2 * pixels >= kernel) {
                kinds.push((map, vec![conv(3, kernel, stride, Padding::Pixels(pixels), kernel != 3)]));
                for output_padding in 0..stride {
                    kinds.push((map, vec![transposed(3, kernel, stride, Padding::Pixels(pixels), output_padding)]));
                }
            }
        }
    }
    // Those that are one operation with the doubling before them, and the nearest that are not.
    for padding in [Padding::Same, Padding::Pixels(1), Padding::Pixels(0)] {
        kinds.push((map, vec![Layer::Upsample2d, conv(3, 3, 1, padding, false)]));
        kinds.push((map, vec![Layer::Upsample2d, transposed(3, 3, 1, padding, 0), curve(Activation::Elu)]));
        kinds.push((
            map,
            vec![curve(Activation::Tanh), Layer::Upsample2d, conv(2, 3, 1, padding, true), curve(Activation::Tanh)],
        ));
    }
    kinds.push((
        map,
        vec![Layer::Upsample2d, conv(3, 3, 1, Padding::Same, true), batch_norm(1e-3, true), curve(Activation::Tanh)],
    ));
    kinds.push((map, vec![Layer::Upsample2d, Layer::Upsample2d, conv(2, 3, 1, Padding::Same, true)]));
    for (eps, affine) in [(1e-5, true), (0.3, true), (1e-3, false)] {
        let instance = Layer::InstanceNorm { eps, affine };
        for norm in [batch_norm(eps, affine), instance] {
            kinds.push((map, vec![norm]));
            kinds.push((map, vec![conv(3, 4, 2, Padding::Pixels(1), false), norm, curve(Activation::LeakyRelu(0.2))]));
        }
        kinds.push((flat, vec![dense(4, true), batch_norm(eps, affine), curve(Activation::Selu)]));
    }
    for bend in CURVES {
        kinds.push((map, vec![curve(bend)]));
        kinds.push((flat, vec![curve(bend), curve(bend)]));
        // Those that are one operation with the layer before.
        kinds.push((map, vec![conv(2, 3, 2, Padding::Same, true), curve(bend)]));
        kinds.push((map, vec![transposed(2, 4, 2, Padding::Pixels(1), 0), curve(bend)]));
        kinds.push((map, vec![batch_norm(1e-3, true), curve(bend)]));
        kinds.push((flat, vec![dense(4, true), batch_norm(1e-3, true), curve(bend)]));
    }
    kinds
}

/// A chain, numbers for all of its arrays, a batch and masks.
struct Case {
    name: String,
    chain: Chain,
    params: Params,
    x: Vec<f32>,
    masks: Vec<Vec<f32>>,
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
}

impl Case {
    fn new(random: &mut RandomState, input: Shape, layers: &[Layer]) -> Self {
        let chain = chain(input, layers);
        let params = plain::params(&chain.plans(), random);
        let drops = |(_, layer, input): (&str, &Layer, Shape)| match layer {
            Layer::Dropout { rate } => Some((1.0 - rate, N * input.len())),
            _ => None,
        };
        let masks = chain.walk().filter_map(drops).collect::<Vec<_>>();
        let masks = masks.into_iter().map(|(kept, count)| {
            let drop = |_| if random.uniform() < f64::from(kept) { 1.0 / kept } else { 0.0 };
            (0..count).map(drop).collect()
        });
        let masks = masks.collect();
        let x = normals(random, N * input.len(), 1.0);
        Self { name: format!("{input:?} {layers:?}"), chain, params, x, masks }
    }

    /// What the forward in f64 takes.
    fn plain(&self) -> (Arrays, Vec<f64>, Vec<Vec<f64>>) {
        (plain::arrays(&self.params), doubles(&self.x), self.masks.iter().map(|mask| doubles(mask)).collect())
    }

    fn masks(&self) -> Masks {
        self.masks.iter().map(|mask| tensor(mask, [N, mask.len() / N])).collect()
    }

    fn value(&self) -> Tensor<2> {
        tensor(&self.x, [N, self.chain.input.len()])
    }
}

/// Arrays, and what goes in.
type Plain = (Arrays, Vec<f64>);

/// The numbers of an array, or what goes in.
fn numbers<'a>((arrays, x): &'a mut Plain, array: Option<&str>) -> &'a mut Vec<f64> {
    array.map_or(x, |name| arrays.get_mut(name).unwrap())
}

/// The slope of `of` in each of these numbers.
fn differences(plain: &mut Plain, array: Option<&str>, of: impl Fn(&Plain) -> f64) -> Vec<f64> {
    let step = 1e-5;
    let count = numbers(plain, array).len();
    let slope = |at: usize| {
        let here = numbers(plain, array)[at];
        let mut side = |way: f64| {
            numbers(plain, array)[at] = here + way * step;
            of(plain)
        };
        let slope = (side(1.0) - side(-1.0)) / (2.0 * step);
        numbers(plain, array)[at] = here;
        slope
    };
    (0..count).map(slope).collect()
}

/// `what` is no more than `near` of its scale apart; gives how far.
fn close(what: &str, found: &[f32], expected: &[f64], near: f64) -> f64 {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.1, |most: f64, v| most.max(v.abs()));
    let apart = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max) / scale;
    assert!(apart < near, "{what}: {apart:.1e} apart\n{found:?}\n{expected:?}");
    apart
}

#[test]
fn every_layer_is_differentiated_as_it_is_run() {
    let mut random = RandomState::new(11);
    let mut worst: f64 = 0.0;
    for (input, layers) in kinds() {
        let case = Case::new(&mut random, input, &layers);
        let (arrays, x, masks) = case.plain();
        let mut plain = (arrays, x);
        let run = |(arrays, x): &Plain| plain::forward(&case.chain, arrays, x, &masks, Norms::Batch);
        let params = case.params.tracked();
        let lifted = case.masks().into_iter().map(Tensor::autodiff).collect();
        let x = case.value().autodiff().require_grad();
        let output = chain::train(&case.chain, &params, Value::Flat(x.clone()), &lifted).output.flat();
        let expected = run(&plain);
        worst = worst.max(close(&format!("{}: forward", case.name), &floats(output.clone().inner()), &expected, 1e-5));
        let weights = normals(&mut random, expected.len(), 1.0);
        let loss = |plain: &Plain| run(plain).iter().zip(&weights).map(|(v, w)| v * f64::from(*w)).sum();
        let weighted = tensor(&weights, [N, weights.len() / N]).autodiff();
        let mut gradients = (output * weighted).sum().backward();
        let found = x.grad_remove(&mut gradients).map(floats).unwrap();
        let slopes = differences(&mut plain, None, loss);
        worst = worst.max(close(&format!("{}: input", case.name), &found, &slopes, NEAR));
        for param in params.list.iter().filter(|param| param.trained) {
            let found = param.value.grad_remove(&mut gradients).map(floats).unwrap();
            let slopes = differences(&mut plain, Some(&param.name), loss);
            worst = worst.max(close(&format!("{}: {}", case.name, param.name), &found, &slopes, NEAR));
        }
    }
    println!("at most {worst:.1e} apart");
}

/// Moving statistics are constants: nothing of the batch is in a norm.
#[test]
fn a_layer_that_draws_is_the_layer_of_its_definition() {
    let mut random = RandomState::new(12);
    for (input, layers) in kinds() {
        let case = Case::new(&mut random, input, &layers);
        let (arrays, x, masks) = case.plain();
        let expected = plain::forward(&case.chain, &arrays, &x, &masks, Norms::Moving);
        let found = chain::evaluate(&case.chain, &case.params, Value::Flat(case.value()), &case.masks()).flat();
        close(&case.name, &floats(found), &expected, 1e-5);
    }
}

/// Critics that end in one number and have each kind of layer in their middle.
fn critics() -> Vec<Vec<Layer>> {
    let end = |middle: &[Layer]| {
        let mut layers = middle.to_vec();
        layers.extend([Layer::Flatten, dense(1, true)]);
        layers
    };
    let first = conv(3, 3, 2, Padding::Same, true);
    let mut critics = vec![
        end(&[first, curve(Activation::Tanh), Layer::Dropout { rate: 0.4 }]),
        end(&[first, curve(Activation::LeakyRelu(0.2)), Layer::Dropout { rate: 0.4 }]),
        end(&[first, Layer::ZeroPad2d { after: [1, 0] }, batch_norm(1e-2, true), curve(Activation::Tanh)]),
        end(&[first, curve(Activation::Tanh), Layer::Upsample2d, conv(2, 4, 3, Padding::Pixels(2), false)]),
        end(&[Layer::ZeroPad2d { after: [1, 0] }, first, curve(Activation::Tanh), Layer::Pool2d { average: true }]),
        end(&[first, curve(Activation::Tanh), Layer::Pool2d { average: false }]),
        end(&[Layer::Flatten, dense(8, false), curve(Activation::Sigmoid), Layer::Reshape { shape: [2, 2, 2] }]),
        end(&[Layer::Flatten, dense(6, true), batch_norm(1e-2, true), curve(Activation::Elu)]),
    ];
    for bend in CURVES {
        critics.push(end(&[first, curve(bend)]));
        critics.push(end(&[conv(3, 4, 2, Padding::Pixels(1), false), batch_norm(1e-3, true), curve(bend)]));
    }
    for affine in [true, false] {
        let instance = Layer::InstanceNorm { eps: 1e-2, affine };
        for norm in [instance, batch_norm(1e-2, affine)] {
            critics.push(end(&[first, norm, curve(Activation::Tanh), conv(2, 2, 1, Padding::Same, true), norm]));
            critics.push(end(&[first, norm, curve(Activation::Relu)]));
        }
    }
    for (kernel, stride, output_padding) in [(3, 2, 1), (4, 2, 0), (2, 3, 2)] {
        let widened = transposed(2, kernel, stride, Padding::Pixels(1), output_padding);
        critics.push(end(&[widened, curve(Activation::Selu), first]));
        critics.push(end(&[transposed(2, kernel, stride, Padding::Same, 0), curve(Activation::Relu)]));
    }
    critics
}

const PICTURE: Shape = Shape::Map([4, 4, 2]);

/// `∂ Σ score / ∂ pictures` by differences.
fn input_slopes(case: &Case, plain: &mut Plain, masks: &[Vec<f64>]) -> Vec<f64> {
    let score = |(arrays, x): &Plain| plain::forward(&case.chain, arrays, x, masks, Norms::Batch).iter().sum();
    differences(plain, None, score)
}

#[test]
fn the_gradient_in_the_picture_is_that_of_the_score() {
    let mut random = RandomState::new(13);
    let mut worst: f64 = 0.0;
    for layers in critics() {
        let case = Case::new(&mut random, PICTURE, &layers);
        let (arrays, x, masks) = case.plain();
        let expected = input_slopes(&case, &mut (arrays, x), &masks);
        let pictures = case.value().reshape([N, 4, 4, 2]);
        let found = critic::input_gradient(&case.chain, &case.params, pictures, &case.masks());
        worst = worst.max(close(&case.name, &floats(found), &expected, NEAR));
    }
    println!("at most {worst:.1e} apart");
}

/// The mean over pictures of `(1 − |gradient|)²`.
fn penalty(slopes: &[f64]) -> f64 {
    let one = |slopes: &[f64]| (1.0 - slopes.iter().map(|v| v * v).sum::<f64>().sqrt()).powi(2);
    slopes.chunks(PICTURE.len()).map(one).sum::<f64>() / N as f64
}

/// Second order: differences of differences, along two directions in each array.
#[test]
fn the_penalty_is_differentiated_through_every_layer() {
    let mut random = RandomState::new(14);
    let mut worst: f64 = 0.0;
    for layers in critics() {
        let case = Case::new(&mut random, PICTURE, &layers);
        let (arrays, x, masks) = case.plain();
        let params = case.params.tracked();
        let pictures = case.value().reshape([N, 4, 4, 2]).autodiff();
        let lifted: Masks = case.masks().into_iter().map(Tensor::autodiff).collect();
        let gradient = critic::input_gradient(&case.chain, &params, pictures, &lifted);
        let mut gradients = (ops::row_norms(gradient).neg() + 1.0).powi_scalar(2).mean().backward();
        for param in params.list.iter().filter(|param| param.trained) {
            let found = param.value.grad_remove(&mut gradients).map(floats);
            let found = found.unwrap_or_else(|| vec![0.0; param.shape.iter().product()]);
            for _ in 0..2 {
                let direction = random.normals(found.len());
                let along = |step: f64| {
                    let mut moved = (arrays.clone(), x.clone());
                    numbers(&mut moved, Some(&param.name)).iter_mut().zip(&direction).for_each(|(v, d)| *v += d * step);
                    penalty(&input_slopes(&case, &mut moved, &masks))
                };
                let expected = (along(1e-5) - along(-1e-5)) / 2e-5;
                let exact = found.iter().zip(&direction).map(|(g, d)| f64::from(*g) * d).sum::<f64>();
                worst = worst.max(close(&format!("{}: {}", case.name, param.name), &[exact as f32], &[expected], 2e-4));
            }
        }
    }
    println!("at most {worst:.1e} apart");
}
