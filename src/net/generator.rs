//! The generator: z → picture, as the original lays it out.
//!
//! dense → batch norm → activation → stages of (transposed) convolution, the last through tanh.
//! [`train`] is the differentiable form of the generator's own step; [`Ready`] is what everyone else
//! uses: moving statistics folded into the weights, and, where it will draw many pictures, the weights packed
//! once for [`super::prepared`] on the CPU, or reordered for [`super::windowed`] elsewhere.

#[cfg(feature = "gpu")]
use burn::tensor::Int;
use burn::tensor::activation as act;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};

use super::arch::{Activation, Arch, Stage, fused};
#[cfg(feature = "gpu")]
use super::cards::{self, Product, Then};
use super::device;
use super::kernels::Act;
use super::ops::{self, Held};
use super::params::{Params, Plan, floats, plan_layer, plan_norm};
use super::pending::Pending;
use super::plain;
use super::prepared::{Layer, Prepared};
#[cfg(feature = "gpu")]
use super::windowed::{MOST, Windowed};

/// Added to a variance before its root, as Keras does.
pub const NORM_EPS: f32 = 1e-3;

/// The arrays of the generator of `arch`, in the order of its layers.
pub fn plans(arch: &Arch) -> Vec<Plan> {
    let normed = arch.generator_batch_norm_momentum.is_some();
    let features = arch.dense_features();
    let mut plans = plan_layer("dense", &[arch.z_dim, features], features).to_vec();
    if normed {
        plans.extend(plan_norm("dense_norm", features));
    }
    let stages = arch.stages();
    for (i, stage) in stages.iter().enumerate() {
        let g = stage.geometry;
        plans.extend(plan_layer(&format!("conv_{i}"), &[g.k, g.k, g.c, g.o], stage.filters));
        if normed && i + 1 < stages.len() {
            plans.extend(plan_norm(&format!("conv_{i}_norm"), stage.filters));
        }
    }
    plans
}

/// Applies an activation that the fused operations do not know, or nothing.
pub(super) fn activate<const D: usize>(x: Tensor<D>, activation: Activation) -> Tensor<D> {
    match activation {
        Activation::LeakyRelu => act::leaky_relu(x, 0.2),
        Activation::Relu => act::relu(x),
        Activation::Linear => x,
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => act::sigmoid(x),
        Activation::Elu => act::elu(x, 1.0),
    }
}

/// Nearest ×2: `[n, h, w, c]` → `[n, 2h, 2w, c]`.
fn double(x: Tensor<4>) -> Tensor<4> {
    let [n, h, w, c] = x.dims();
    x.reshape([n, h, 1, w, c]).repeat_dim(2, 2).reshape([n, 2 * h, w, 1, c]).repeat_dim(3, 2).reshape([
        n,
        2 * h,
        2 * w,
        c,
    ])
}

/// One stage; `plain` is by burn's own operations whatever the device.
fn stage_conv(x: Tensor<4>, w: Tensor<4>, b: Tensor<1>, stage: &Stage, act: Act, plain: bool) -> Tensor<4> {
    let g = stage.geometry;
    match (stage.doubled, plain) {
        (true, true) => plain::conv(double(x), w, b, g, act),
        (true, false) => ops::conv(double(x), w, b, g, act),
        (false, true) => plain::conv_t(x, w, b, g, act),
        (false, false) => ops::conv_t(x, w, b, g, act),
    }
}

/// A picture batch and what the step has to add to the moving statistics.
pub struct Trained {
    /// `[n, h, w, c]`, −1..1, differentiable in `params`.
    pub pictures: Tensor<4>,
    /// For each batch norm in order: where its moving mean stands in the list, and the batch's mean
    /// and biased variance.
    pub statistics: Vec<(usize, Tensor<1>, Tensor<1>)>,
}

/// The generator in training mode: statistics of the batch. z `[n, z_dim]`; `drop` is the dropout
/// mask `[n, dense features]`, already divided by the share kept, if the architecture drops.
pub fn train(arch: &Arch, params: &Params, z: Tensor<2>, drop: Option<Tensor<2>>) -> Trained {
    let normed = arch.generator_batch_norm_momentum.is_some();
    let mut statistics = Vec::new();
    let mut at = 2;
    let x = z.matmul(params.at::<2>(0)) + params.at::<2>(1).reshape([1, arch.dense_features()]);
    let x = norm_or_act(x, arch, params, normed, &mut at, &mut statistics);
    let x = if let Some(mask) = drop { x * mask } else { x };
    let [n, _] = x.dims();
    let [h, w, c] = arch.generator_initial_dense_layer_size;
    let mut x = x.reshape([n, h, w, c]);
    let stages = arch.stages();
    for (i, stage) in stages.iter().enumerate() {
        let (kernel, bias) = (params.at::<4>(at), params.at::<1>(at + 1));
        at += 2;
        if i + 1 == stages.len() {
            x = stage_conv(x, kernel, bias, stage, Act::Tanh, false);
        } else {
            x = stage_conv(x, kernel, bias, stage, Act::Leaky(1.0), false);
            x = norm_or_act(x, arch, params, normed, &mut at, &mut statistics);
        }
    }
    Trained { pictures: x, statistics }
}

fn norm_or_act<const D: usize>(
    x: Tensor<D>,
    arch: &Arch,
    params: &Params,
    normed: bool,
    at: &mut usize,
    statistics: &mut Vec<(usize, Tensor<1>, Tensor<1>)>,
) -> Tensor<D> {
    if !normed {
        return activate(x, arch.generator_activation);
    }
    let (gamma, beta) = (params.at::<1>(*at), params.at::<1>(*at + 1));
    let (mean, var) = moments(x.clone().inner());
    statistics.push((*at + 2, mean, var));
    *at += 4;
    match arch.generator_activation.negative_slope() {
        Some(negative_slope) => ops::batch_norm(x, gamma, beta, NORM_EPS, negative_slope),
        None => activate(ops::batch_norm(x, gamma, beta, NORM_EPS, 1.0), arch.generator_activation),
    }
}

/// Mean and biased variance over all axes but the last.
fn moments<const D: usize>(x: Tensor<D>) -> (Tensor<1>, Tensor<1>) {
    let dims = x.dims();
    let channels = dims[D - 1];
    let flat: Tensor<2> = x.reshape([dims.iter().product::<usize>() / channels, channels]);
    let mean = flat.clone().mean_dim(0);
    let var = (flat - mean.clone()).powi_scalar(2).mean_dim(0);
    (mean.reshape([channels]), var.reshape([channels]))
}

/// A generator ready to draw: moving statistics folded into the weights.
pub struct Ready {
    arch: Arch,
    device: Device,
    form: Form,
    prepare: bool,
    /// In f16 on its device.
    half: bool,
    /// By burn's own operations, wherever it runs.
    plain: bool,
}

/// The dense layer, `[z, features]` and `[features]`, then a kernel and a bias for each stage.
struct Folded {
    dense: (Tensor<2>, Tensor<1>),
    convs: Vec<Conv>,
    /// With the kernels of graphics cards.
    on_card: bool,
    /// Pictures that are drawn together.
    together: usize,
}

/// A stage's weights.
enum Conv {
    Kernel(Tensor<4>, Tensor<1>),
    /// Reordered for a graphics card.
    #[cfg(feature = "gpu")]
    Windowed(Windowed),
}

/// What the weights have become.
enum Form {
    /// Tensors of a device.
    Folded(Box<Folded>),
    /// Packed for the CPU's fast path; the arrays stay for the other one.
    Prepared { packed: Box<Prepared>, params: Params },
}

impl Ready {
    /// Folds `params` (without a graph). `prepare` also packs or reorders the kernels once for many
    /// forwards; leave it out where the weights change every step.
    pub fn new(arch: &Arch, params: &Params, prepare: bool) -> Self {
        let device = params.list.first().map(|p| p.value.device()).unwrap_or_default();
        let form = match prepare && ops::ours(&device) {
            true => {
                let packed = Box::new(Prepared::new(arch, layers(arch, params)));
                Form::Prepared { packed, params: params.clone() }
            }
            false => fold(arch, params, prepare, false),
        };
        Self { arch: arch.clone(), device, form, prepare, half: false, plain: false }
    }

    /// Prepared for drawing in half precision (f16 weights and maps): half the bytes to read. Norms are folded
    /// in f32 before. Where the device cannot (see [`device::halves`]), in single.
    pub fn halved(arch: &Arch, params: &Params) -> Self {
        let device = params.list.first().map(|p| p.value.device()).unwrap_or_default();
        match device::halves(&device) {
            true => {
                let form = fold(arch, params, true, true);
                Self { arch: arch.clone(), device, form, prepare: true, half: true, plain: false }
            }
            false => Self::new(arch, params, true),
        }
    }

    /// What everything else is tested against: folded weights through burn's own operations, on any device.
    pub fn reference(arch: &Arch, params: &Params) -> Self {
        Self { plain: true, ..Self::new(arch, params, false) }
    }

    /// Takes other weights of the same architecture and device. What was packed is packed anew in its
    /// place, which is several times cheaper than [`Self::new`].
    pub fn renew(&mut self, params: &Params) {
        match &mut self.form {
            Form::Prepared { packed, params: kept } => {
                packed.load(layers(&self.arch, params));
                *kept = params.clone();
            }
            Form::Folded(_) => self.form = fold(&self.arch, params, self.prepare, self.half),
        }
    }

    /// The architecture.
    pub fn arch(&self) -> &Arch {
        &self.arch
    }

    /// Which way it takes, for people: packed weights with a way for each stage, or the device's own operations.
    pub fn way(&self) -> String {
        match &self.form {
            Form::Prepared { packed, .. } => format!("packed weights: {}", packed.ways().join(", ")),
            Form::Folded(_) if ops::ours(&self.device) && !self.plain => "unfolded, weights not packed".into(),
            Form::Folded(folded) => {
                let name = |conv: &Conv| match conv {
                    Conv::Kernel(..) => "burn's own operation",
                    #[cfg(feature = "gpu")]
                    Conv::Windowed(_) => "matrix product",
                };
                let half = if self.half { ", in half precision" } else { "" };
                format!("norms folded: {}{half}", folded.convs.iter().map(name).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// The device it runs on.
    pub fn device(&self) -> Device {
        self.device.clone()
    }

    /// Pictures `[n, h, w, c]` in −1..1 for z `[n, z_dim]`; `drop` as in [`train`].
    pub fn pictures(&self, z: Tensor<2>, drop: Option<Tensor<2>>) -> Tensor<4> {
        match (&self.form, drop) {
            (Form::Folded(folded), drop) if self.half => {
                let half = |x: Tensor<2>| x.cast(FloatDType::F16);
                forward(&self.arch, folded, half(z), drop.map(half), self.plain).cast(FloatDType::F32)
            }
            (Form::Folded(folded), drop) => forward(&self.arch, folded, z, drop, self.plain),
            (Form::Prepared { packed, .. }, None) => {
                let [n, _] = z.dims();
                let [h, w, c] = self.arch.input_dim;
                let values = packed.draw::<f32>(&floats(z));
                Tensor::from_data(TensorData::new(values, [n, h, w, c]), &self.device)
            }
            (Form::Prepared { params, .. }, drop) => Self::new(&self.arch, params, false).pictures(z, drop),
        }
    }

    /// Pictures of z given as plain rows, as bytes in RGB order: `n · h · w · c` bytes, each
    /// `clip(127.5 · (x + 1))` rounded down like matplotlib's. Empty if the device failed.
    pub fn bytes(&self, z: &[Vec<f32>]) -> Vec<u8> {
        self.begin(z).wait()
    }

    /// The same, begun: on the CPU they are there when this returns.
    pub fn begin(&self, z: &[Vec<f32>]) -> Pending {
        let flat: Vec<f32> = z.iter().flatten().copied().collect();
        match &self.form {
            Form::Prepared { packed, .. } => Pending::there(packed.draw(&flat)),
            Form::Folded(folded) => {
                let mut parts: Vec<Pending> = flat
                    .chunks(folded.together.saturating_mul(self.arch.z_dim))
                    .map(|part| {
                        let shape = [part.len() / self.arch.z_dim, self.arch.z_dim];
                        self.begin_together(Tensor::from_data(TensorData::new(part.to_vec(), shape), &self.device))
                    })
                    .collect();
                match parts.len() {
                    1 => parts.remove(0),
                    _ => Pending::all(parts),
                }
            }
        }
    }

    /// Pictures of z `[n, z_dim]` by tensors.
    fn begin_together(&self, z: Tensor<2>) -> Pending {
        #[cfg(feature = "gpu")]
        if let Some(pixels) = self.pixels(&z) {
            return Pending::coming(unpacked(pixels, self.arch.input_dim[2]));
        }
        Pending::coming(bytes(self.pictures(z, None)))
    }

    /// Pictures of z `[n, z_dim]` as numbers that hold a pixel each, where the last stage is one that makes them.
    #[cfg(feature = "gpu")]
    fn pixels(&self, z: &Tensor<2>) -> Option<Tensor<3, Int>> {
        let Form::Folded(folded) = &self.form else { return None };
        let Some(Conv::Windowed(last)) = folded.convs.last() else { return None };
        if self.plain || !last.packs() {
            return None;
        }
        let precision = if self.half { FloatDType::F16 } else { FloatDType::F32 };
        Some(last.pixels(hidden(&self.arch, folded, z.clone().cast(precision), None, self.plain)))
    }
}

/// The bytes of pictures `[n, h, w, c]`, rounded on their device.
fn bytes(pictures: Tensor<4>) -> impl Future<Output = Vec<u8>> {
    let levels = ((pictures + 1.0) * 127.5).clamp(0.0, 255.0).floor();
    async move {
        let data = levels.into_data_async().await.ok();
        let levels = data.and_then(|data| data.try_into_vec::<f32>().ok()).unwrap_or_default();
        levels.into_iter().map(|v| v as u8).collect()
    }
}

/// The bytes of pixels `[n, h, w]`, of which each holds those of `channels`, the first lowest.
#[cfg(feature = "gpu")]
async fn unpacked(pixels: Tensor<3, Int>, channels: usize) -> Vec<u8> {
    let data = pixels.into_data_async().await.ok();
    let words = data.and_then(|data| data.try_into_vec::<u32>().ok()).unwrap_or_default();
    let mut bytes = vec![0; words.len() * channels];
    match channels {
        // As a constant, twice as fast; this is on the way of every picture.
        3 => bytes.as_chunks_mut::<3>().0.iter_mut().zip(words).for_each(|(pixel, word)| {
            let [red, green, blue, _] = word.to_le_bytes();
            *pixel = [red, green, blue];
        }),
        _ => bytes
            .chunks_exact_mut(channels)
            .zip(words)
            .for_each(|(pixel, word)| pixel.copy_from_slice(&word.to_le_bytes()[..channels])),
    }
    bytes
}

/// Scale and shift of the norm that stands at `at`, which is left behind, for a layer with this bias.
fn scale_and_shift(params: &Params, at: &mut usize, bias: Tensor<1>) -> (Tensor<1>, Tensor<1>) {
    let [gamma, beta, mean, var] = [0, 1, 2, 3].map(|i| params.at::<1>(*at + i));
    *at += 4;
    let scale = gamma / (var + NORM_EPS).sqrt();
    let shift = (bias - mean) * scale.clone() + beta;
    (scale, shift)
}

/// The layers one by one as plain values, from the dense one on.
fn layers<'a>(arch: &Arch, params: &'a Params) -> impl Iterator<Item = Layer<Held>> + use<'a> {
    let normed = arch.generator_batch_norm_momentum.is_some();
    let count = 1 + arch.stages().len();
    let mut at = 0;
    (0..count).map(move |i| {
        let (kernel, bias) = (ops::held(&params.list[at].value), params.at::<1>(at + 1));
        at += 2;
        if normed && i + 1 < count {
            let (scale, shift) = scale_and_shift(params, &mut at, bias);
            return Layer { kernel, scale: floats(scale), shift: floats(shift) };
        }
        let shift = floats(bias);
        Layer { kernel, scale: vec![1.0; shift.len()], shift }
    })
}

/// Folds the norms into tensors, in f16 if `half`; for a graphics card's own kernels if `on_card`.
fn fold(arch: &Arch, params: &Params, on_card: bool, half: bool) -> Form {
    let precision = if half { FloatDType::F16 } else { FloatDType::F32 };
    let normed = arch.generator_batch_norm_momentum.is_some();
    let features = arch.dense_features();
    let mut at = 2;
    let (mut kernel, mut bias) = (params.at::<2>(0), params.at::<1>(1));
    if normed {
        let (scale, shift) = scale_and_shift(params, &mut at, bias);
        (kernel, bias) = (kernel * scale.reshape([1, features]), shift);
    }
    let dense = (kernel.cast(precision), bias.cast(precision));
    let stages = arch.stages();
    let mut convs = Vec::new();
    for (i, stage) in stages.iter().enumerate() {
        let (mut kernel, mut bias) = (params.at::<4>(at), params.at::<1>(at + 1));
        at += 2;
        if normed && i + 1 < stages.len() {
            let (scale, shift) = scale_and_shift(params, &mut at, bias);
            // Output channels stand last in a convolution's kernel, before last in a transposed one's.
            let scale = match stage.doubled {
                true => scale.reshape([1, 1, 1, stage.filters]),
                false => scale.reshape([1, 1, stage.filters, 1]),
            };
            (kernel, bias) = (kernel * scale, shift);
        }
        let (kernel, bias) = (kernel.cast(precision), bias.cast(precision));
        #[cfg(feature = "gpu")]
        if on_card
            && !stage.doubled
            && let Some(windowed) = Windowed::new(&kernel, &bias, stage.geometry)
        {
            convs.push(Conv::Windowed(windowed));
            continue;
        }
        convs.push(Conv::Kernel(kernel, bias));
    }
    let together = if on_card { together(&stages, &convs) } else { usize::MAX };
    Form::Folded(Box::new(Folded { dense, convs, on_card, together }))
}

/// As many pictures as leave every array on a card small enough for any adapter; at least one.
#[cfg(feature = "gpu")]
fn together(stages: &[Stage], convs: &[Conv]) -> usize {
    let of = |(stage, conv): (&Stage, &Conv)| match conv {
        Conv::Windowed(windowed) => windowed.together,
        Conv::Kernel(..) => {
            let g = stage.geometry;
            MOST / (size_of::<f32>() * (g.oh() * g.ow() * g.o).max(g.h * g.w * g.c))
        }
    };
    stages.iter().zip(convs).map(of).min().unwrap_or(1).max(1)
}

#[cfg(not(feature = "gpu"))]
fn together(_: &[Stage], _: &[Conv]) -> usize {
    usize::MAX
}

/// The forward in tensors.
fn forward(arch: &Arch, folded: &Folded, z: Tensor<2>, drop: Option<Tensor<2>>, plain: bool) -> Tensor<4> {
    let x = hidden(arch, folded, z, drop, plain);
    match (folded.convs.last(), arch.stages().last()) {
        #[cfg(feature = "gpu")]
        (Some(Conv::Windowed(windowed)), _) => windowed.run(x, Then::Tanh),
        (Some(Conv::Kernel(kernel, bias)), Some(stage)) => {
            stage_conv(x, kernel.clone(), bias.clone(), stage, Act::Tanh, plain)
        }
        _ => x,
    }
}

/// All of it but the last stage.
fn hidden(arch: &Arch, folded: &Folded, z: Tensor<2>, drop: Option<Tensor<2>>, plain: bool) -> Tensor<4> {
    let Folded { dense: (kernel, bias), convs, on_card, .. } = folded;
    let act = arch.generator_activation;
    #[cfg(feature = "gpu")]
    let then = Then::LeakyRelu(act.negative_slope().unwrap_or(1.0));
    let x = match on_card {
        #[cfg(feature = "gpu")]
        true => curved(cards::layer(z, kernel, bias, Product::Dense, then), act),
        _ => activate(z.matmul(kernel.clone()) + bias.clone().reshape([1, arch.dense_features()]), act),
    };
    let x = if let Some(mask) = drop { x * mask } else { x };
    let [n, _] = x.dims();
    let [h, w, c] = arch.generator_initial_dense_layer_size;
    let x = x.reshape([n, h, w, c]);
    let stages = arch.stages();
    stages.iter().zip(convs).take(stages.len() - 1).fold(x, |x, (stage, conv)| match conv {
        #[cfg(feature = "gpu")]
        Conv::Windowed(windowed) => curved(windowed.run(x, then), act),
        Conv::Kernel(kernel, bias) => {
            let fused = fused(act);
            let x = stage_conv(x, kernel.clone(), bias.clone(), stage, fused.unwrap_or(Act::Leaky(1.0)), plain);
            if fused.is_none() { activate(x, act) } else { x }
        }
    })
}

/// The activation behind a layer that could only do a piecewise-linear one.
#[cfg(feature = "gpu")]
fn curved<const D: usize>(x: Tensor<D>, activation: Activation) -> Tensor<D> {
    if activation.negative_slope().is_none() { activate(x, activation) } else { x }
}
