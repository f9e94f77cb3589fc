//! Networks in plain loops and f64, from the definitions of their layers: what gradients and forwards are compared with.
//!
//! Shares nothing with `net` but the description of layers. Slow, and for small networks only.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::collections::HashMap;

use burn::tensor::Device;
use flaneur::net::geometry::Padding;
use flaneur::net::layers::{Activation, Chain, Layer, Shape};
use flaneur::net::params::{Param, Params, Plan};
use flaneur::random::RandomState;

/// Arrays by name, in row-major order.
pub type Arrays = HashMap<String, Vec<f64>>;

/// By which numbers a batch norm norms.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Norms {
    /// Those of the batch, as in a training.
    Batch,
    /// The moving ones.
    Moving,
}

/// What comes out for `x` of `n` pictures; `masks` are those of the layers that drop, or none at all.
pub fn forward(chain: &Chain, arrays: &Arrays, x: &[f64], masks: &[Vec<f64>], norms: Norms) -> Vec<f64> {
    let n = x.len() / chain.input.len();
    let mut masks = masks.iter();
    let mut x = x.to_vec();
    for (name, layer, input) in chain.walk() {
        let get = |part: &str| arrays.get(&format!("{name}.{part}"));
        x = match *layer {
            Layer::Dense { units, .. } => dense(&x, n, units, get("kernel").unwrap(), get("bias")),
            Layer::Reshape { .. } | Layer::Flatten => x,
            Layer::Conv2d { filters, kernel, stride, padding, .. } => conv(
                &x,
                n,
                input.map(),
                Window { filters, kernel, stride, padding },
                get("kernel").unwrap(),
                get("bias"),
            ),
            Layer::ConvTranspose2d { filters, kernel, stride, padding, output_padding, .. } => {
                let window = Window { filters, kernel, stride, padding };
                transposed(&x, n, input.map(), window, output_padding, get("kernel").unwrap(), get("bias"))
            }
            Layer::Upsample2d => upsampled(&x, n, input.map()),
            Layer::ZeroPad2d { after } => padded(&x, input.map(), after),
            Layer::Pool2d { average } => pooled(&x, input.map(), average),
            Layer::BatchNorm { eps, .. } => {
                let c = input.channels();
                let moments = match norms {
                    Norms::Batch => moments(&x, c),
                    Norms::Moving => (get("moving_mean").unwrap().clone(), get("moving_variance").unwrap().clone()),
                };
                normed(&x, c, &moments, f64::from(eps), get("gamma"), get("beta"))
            }
            Layer::InstanceNorm { eps, .. } => {
                let c = input.channels();
                let one = |x: &[f64]| normed(x, c, &moments(x, c), f64::from(eps), get("gamma"), get("beta"));
                x.chunks(input.len()).flat_map(one).collect()
            }
            Layer::Activation { curve } => x.into_iter().map(|v| bent(curve, v)).collect(),
            Layer::Dropout { .. } => match masks.next() {
                Some(mask) => x.iter().zip(mask).map(|(v, kept)| v * kept).collect(),
                None => x,
            },
        };
    }
    x
}

/// 2 × 2 pixels as one: their mean, or the largest.
fn pooled(x: &[f64], [h, w, c]: [usize; 3], average: bool) -> Vec<f64> {
    let mut out = Vec::new();
    for map in x.chunks_exact(h * w * c) {
        for at in (0..h / 2).flat_map(|row| (0..w / 2).map(move |column| [2 * row, 2 * column])) {
            for channel in 0..c {
                let one = |i: usize, j: usize| map[((at[0] + i) * w + at[1] + j) * c + channel];
                let four = [one(0, 0), one(0, 1), one(1, 0), one(1, 1)];
                let largest = four.into_iter().fold(f64::MIN, f64::max);
                out.push(if average { four.iter().sum::<f64>() / 4.0 } else { largest });
            }
        }
    }
    out
}

struct Window {
    filters: usize,
    kernel: usize,
    stride: usize,
    padding: Padding,
}

fn dense(x: &[f64], n: usize, units: usize, kernel: &[f64], bias: Option<&Vec<f64>>) -> Vec<f64> {
    let features = x.len() / n;
    let mut out = vec![0.0; n * units];
    for (at, out) in out.iter_mut().enumerate() {
        let (row, unit) = (at / units, at % units);
        *out = bias.map_or(0.0, |bias| bias[unit]);
        for f in 0..features {
            *out += x[row * features + f] * kernel[f * units + unit];
        }
    }
    out
}

/// Zeros before the first pixel, and how long the narrow side is.
fn narrowed(wide: usize, k: usize, stride: usize, padding: Padding) -> (usize, usize) {
    match padding {
        Padding::Same => {
            let narrow = wide.div_ceil(stride);
            (((narrow - 1) * stride + k).saturating_sub(wide) / 2, narrow)
        }
        Padding::Pixels(pixels) => (pixels, (wide + 2 * pixels - k) / stride + 1),
    }
}

fn conv(
    x: &[f64],
    n: usize,
    [h, w, c]: [usize; 3],
    Window { filters, kernel: k, stride, padding }: Window,
    kernel: &[f64],
    bias: Option<&Vec<f64>>,
) -> Vec<f64> {
    let ((top, oh), (left, ow)) = (narrowed(h, k, stride, padding), narrowed(w, k, stride, padding));
    let mut out = Vec::with_capacity(n * oh * ow * filters);
    for at in 0..n * oh * ow * filters {
        let (picture, y, column, filter) =
            (at / (oh * ow * filters), at / (ow * filters) % oh, at / filters % ow, at % filters);
        let mut sum = bias.map_or(0.0, |bias| bias[filter]);
        for tap in 0..k * k * c {
            let (row, col, channel) = (y * stride + tap / (k * c), column * stride + tap / c % k, tap % c);
            if row >= top && row - top < h && col >= left && col - left < w {
                let from = ((picture * h + row - top) * w + col - left) * c + channel;
                sum += x[from] * kernel[tap * filters + filter];
            }
        }
        out.push(sum);
    }
    out
}

/// Every pixel that comes in lays the kernel over what goes out.
fn transposed(
    x: &[f64],
    n: usize,
    [h, w, c]: [usize; 3],
    Window { filters, kernel: k, stride, padding }: Window,
    output_padding: usize,
    kernel: &[f64],
    bias: Option<&Vec<f64>>,
) -> Vec<f64> {
    let side = |narrow: usize| match padding {
        Padding::Same => (((narrow - 1) * stride + k).saturating_sub(narrow * stride) / 2, narrow * stride),
        Padding::Pixels(pixels) => (pixels, (narrow - 1) * stride + k + output_padding - 2 * pixels),
    };
    let ((top, oh), (left, ow)) = (side(h), side(w));
    let mut out: Vec<f64> = (0..n * oh * ow * filters).map(|at| bias.map_or(0.0, |bias| bias[at % filters])).collect();
    for (at, v) in x.iter().enumerate() {
        let (picture, y, column, channel) = (at / (h * w * c), at / (w * c) % h, at / c % w, at % c);
        for tap in 0..k * k * filters {
            let (row, col, filter) =
                (y * stride + tap / (k * filters), column * stride + tap / filters % k, tap % filters);
            if row >= top && row - top < oh && col >= left && col - left < ow {
                out[((picture * oh + row - top) * ow + col - left) * filters + filter] += v * kernel[tap * c + channel];
            }
        }
    }
    out
}

fn upsampled(x: &[f64], n: usize, [h, w, c]: [usize; 3]) -> Vec<f64> {
    let from = |at: usize| {
        let (picture, y, column, channel) =
            (at / (4 * h * w * c), at / (2 * w * c) % (2 * h), at / c % (2 * w), at % c);
        x[((picture * h + y / 2) * w + column / 2) * c + channel]
    };
    (0..n * 4 * h * w * c).map(from).collect()
}

/// So many rows and columns of zeros behind the last ones of each picture.
fn padded(x: &[f64], [h, w, c]: [usize; 3], [rows, columns]: [usize; 2]) -> Vec<f64> {
    let picture = |map: &[f64]| -> Vec<f64> {
        let lines = map.chunks(w * c).flat_map(|line| [line, &vec![0.0; columns * c][..]].concat());
        lines.chain(vec![0.0; rows * (w + columns) * c]).collect()
    };
    x.chunks(h * w * c).flat_map(picture).collect()
}

/// Mean and variance of each channel.
fn moments(x: &[f64], c: usize) -> (Vec<f64>, Vec<f64>) {
    let each = |channel: usize| {
        let values: Vec<f64> = x.iter().skip(channel).step_by(c).copied().collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        (mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count)
    };
    (0..c).map(each).unzip()
}

fn normed(
    x: &[f64],
    c: usize,
    (mean, variance): &(Vec<f64>, Vec<f64>),
    eps: f64,
    gamma: Option<&Vec<f64>>,
    beta: Option<&Vec<f64>>,
) -> Vec<f64> {
    let one = |(at, v): (usize, &f64)| {
        let channel = at % c;
        let hat = (v - mean[channel]) / (variance[channel] + eps).sqrt();
        hat * gamma.map_or(1.0, |gamma| gamma[channel]) + beta.map_or(0.0, |beta| beta[channel])
    };
    x.iter().enumerate().map(one).collect()
}

fn bent(curve: Activation, v: f64) -> f64 {
    match curve {
        Activation::LeakyRelu(slope) => v.max(0.0) + f64::from(slope) * v.min(0.0),
        Activation::Relu => v.max(0.0),
        Activation::Tanh => v.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-v).exp()),
        Activation::Elu => v.max(0.0) + v.min(0.0).exp_m1(),
        // Klambauer et al. 2017, section 2.
        Activation::Selu => 1.050_700_987_355_480_5 * (v.max(0.0) + 1.673_263_242_354_377_2 * v.min(0.0).exp_m1()),
    }
}

/// A chain of layers whose names are their kinds and places.
pub fn chain(input: Shape, layers: &[Layer]) -> Chain {
    let mut chain = Chain::new(input, flaneur::net::layers::Init::Normal);
    for (at, layer) in layers.iter().enumerate() {
        chain.push(format!("layer_{at}"), *layer);
    }
    chain.shapes().unwrap();
    chain
}

/// Numbers from a normal distribution.
pub fn normals(random: &mut RandomState, count: usize, scale: f64) -> Vec<f32> {
    random.normals(count).iter().map(|v| (v * scale) as f32).collect()
}

/// The same numbers in f64.
pub fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// Arrays under which what passes the layers is neither flat nor without end, and every one of them matters.
pub fn params(plans: &[Plan], random: &mut RandomState) -> Params {
    let param = |plan: &Plan| {
        let fan_in = plan.shape.iter().rev().skip(1).product::<usize>().max(1) as f64;
        let (scale, middle) = match plan.name.rsplit('.').next() {
            Some("kernel") => (1.5 / fan_in.sqrt(), 0.0),
            Some("gamma" | "moving_variance") => (0.2, 1.0),
            _ => (0.3, 0.0),
        };
        let values = normals(random, plan.len(), scale).iter().map(|v| v + middle).collect();
        Param::new(plan, values, &Device::flex())
    };
    Params { list: plans.iter().map(param).collect() }
}

/// The numbers of a network's arrays.
pub fn arrays(params: &Params) -> Arrays {
    params.list.iter().map(|param| (param.name.clone(), doubles(&param.values()))).collect()
}
