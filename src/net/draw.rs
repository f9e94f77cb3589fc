//! The generator at work: latent → picture, prepared once for many pictures.
//!
//! [`Ready`] is what everyone but a training step uses: moving statistics folded into the weights, and, where it will
//! draw many pictures, the weights packed once for [`super::cpu::prepared`] on the CPU, or reordered for
//! [`super::gpu::transposed`] elsewhere. Both may refuse a network; burn's own operations draw it then, and
//! [`Ready::way`] says so.

use std::sync::Arc;

#[cfg(feature = "gpu")]
use burn::tensor::Int;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};

use super::arch::Arch;
use super::burn_ops;
use super::chain::{self, Masks, Value, fused};
#[cfg(feature = "gpu")]
use super::cpu::conv::Act;
use super::cpu::prepared::{Layer, Outline, Prepared, Stage};
use super::device;
use super::doubled;
#[cfg(feature = "gpu")]
use super::gpu::layer::{self, Product, Then};
#[cfg(feature = "gpu")]
use super::gpu::transposed::{MOST, Windowed};
use super::layers::Activation;
use super::mapping::Mapping;
use super::ops::{self, Held};
use super::params::{Params, floats};
use super::pending::Pending;
use super::steps::{Kind, Step, steps};
use super::styled::{Direction, Styled};
use super::textures::Textures;

/// A generator ready to draw: moving statistics folded into the weights.
pub struct Ready {
    arch: Arch,
    steps: Vec<Step>,
    device: Device,
    form: Form,
    prepare: bool,
    /// In f16 on its device.
    half: bool,
    /// By burn's own operations, wherever it runs.
    plain: bool,
}

/// The arrays of each step, and how many pictures are drawn together.
struct Folded {
    weights: Vec<Weights>,
    together: usize,
}

/// What a step needs.
enum Weights {
    /// Nothing.
    None,
    /// A dense layer's `[features, units]` and `[units]`.
    Dense(Tensor<2>, Tensor<1>),
    /// The same with the kernels of graphics cards.
    #[cfg(feature = "gpu")]
    DenseOnCard(Tensor<2>, Tensor<1>),
    /// A convolution's kernel and bias.
    Conv(Tensor<4>, Tensor<1>),
    /// A transposed convolution, reordered for a graphics card.
    #[cfg(feature = "gpu")]
    Windowed(Windowed),
    /// A norm's factor and offset, `[c]`.
    Norm(Tensor<1>, Tensor<1>),
}

/// What the weights have become.
enum Form {
    /// Tensors of a device.
    Folded(Folded),
    /// Packed for the CPU's fast path; the arrays stay for the other one.
    Prepared { packed: Box<Prepared>, params: Params },
    /// A texture's, which is no chain of steps.
    Texture(Box<Textures>),
    /// A StyleGAN2's, likewise.
    Styled(Box<Styled>),
}

impl Ready {
    /// Folds `params` (without a graph). `prepare` also packs or reorders the kernels once for many
    /// forwards; leave it out where the weights change every step.
    pub fn new(arch: &Arch, params: &Params, prepare: bool) -> Self {
        let device = params.list.first().map(|p| p.value.device()).unwrap_or_default();
        // Without kernels of ours, burn's own operations are run as they stand.
        let join = prepare || ops::ours(&device);
        Self::of(arch, params, prepare, join)
    }

    /// Folds `params`, with doublings joined to the kernels behind them or not.
    fn of(arch: &Arch, params: &Params, prepare: bool, join: bool) -> Self {
        let device = params.list.first().map(|p| p.value.device()).unwrap_or_default();
        if let Some(texture) = arch.texture() {
            let form = Form::Texture(Box::new(Textures::new(texture, params, join)));
            let steps = Vec::new();
            return Self { arch: arch.clone(), steps, device, form, prepare, half: false, plain: false };
        }
        if let Some(own) = arch.styled() {
            let form = Form::Styled(Box::new(Styled::new(own, params, join)));
            let steps = Vec::new();
            return Self { arch: arch.clone(), steps, device, form, prepare, half: false, plain: false };
        }
        let steps = steps(&arch.generator());
        let steps = if join { doubled::join(steps) } else { steps };
        let outline = if prepare && ops::ours(&device) { outline(&steps) } else { None };
        let form = match outline {
            Some(outline) => {
                let packed = Box::new(Prepared::new(&outline, layers(&steps, params)));
                Form::Prepared { packed, params: params.clone() }
            }
            None => fold(&steps, params, prepare && !ops::ours(&device), false),
        };
        Self { arch: arch.clone(), steps, device, form, prepare, half: false, plain: false }
    }

    /// Prepared for drawing in half precision (f16 weights and maps): half the bytes to read. Norms are folded
    /// in f32 before. Where the device cannot (see [`device::halves`]), in single.
    pub fn halved(arch: &Arch, params: &Params) -> Self {
        let device = params.list.first().map(|p| p.value.device()).unwrap_or_default();
        if let Some(own) = arch.styled().filter(|_| device::halves(&device)) {
            let form = Form::Styled(Box::new(Styled::halved(own, params)));
            let steps = Vec::new();
            return Self { arch: arch.clone(), steps, device, form, prepare: true, half: true, plain: false };
        }
        match device::halves(&device) && arch.texture().is_none() {
            true => {
                let steps = doubled::join(steps(&arch.generator()));
                let form = fold(&steps, params, true, true);
                Self { arch: arch.clone(), steps, device, form, prepare: true, half: true, plain: false }
            }
            false => Self::new(arch, params, true),
        }
    }

    /// What everything else is tested against: folded weights through burn's own operations, on any device.
    pub fn reference(arch: &Arch, params: &Params) -> Self {
        Self { plain: true, ..Self::of(arch, params, false, false) }
    }

    /// Takes other weights of the same architecture and device. What was packed is packed anew in its
    /// place, which is several times cheaper than [`Self::new`].
    pub fn renew(&mut self, params: &Params) {
        match &mut self.form {
            Form::Prepared { packed, params: kept } => {
                packed.load(layers(&self.steps, params));
                *kept = params.clone();
            }
            Form::Texture(textures) => textures.renew(params),
            Form::Styled(styled) => styled.renew(params),
            Form::Folded(_) => {
                self.form = fold(&self.steps, params, self.prepare && !ops::ours(&self.device), self.half);
            }
        }
    }

    /// Gives a StyleGAN2 its directions; `params` are those that it was made of.
    pub fn set_directions(&mut self, directions: Vec<Direction>, params: &Params) {
        if let Form::Styled(styled) = &mut self.form {
            styled.set_directions(directions, params);
        }
    }

    /// The mapping of a StyleGAN2.
    pub fn mapping(&self) -> Option<Arc<Mapping>> {
        match &self.form {
            Form::Styled(styled) => Some(styled.mapping()),
            _ => None,
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
            Form::Texture(textures) => textures.way(),
            Form::Styled(styled) => styled.way(),
            Form::Folded(_) if ops::ours(&self.device) && !self.plain && self.prepare => {
                "layer by layer: this network has no packed form".into()
            }
            Form::Folded(_) if ops::ours(&self.device) && !self.plain => "unfolded, weights not packed".into(),
            Form::Folded(folded) => {
                let name = |weights: &Weights| match weights {
                    Weights::Conv(..) => Some("burn's own operation"),
                    #[cfg(feature = "gpu")]
                    Weights::Windowed(_) => Some("matrix product"),
                    _ => None,
                };
                let half = if self.half { ", in half precision" } else { "" };
                let names: Vec<&str> = folded.weights.iter().filter_map(name).collect();
                format!("norms folded: {}{half}", names.join(", "))
            }
        }
    }

    /// The device it runs on.
    pub fn device(&self) -> Device {
        self.device.clone()
    }

    /// Pictures `[n, h, w, c]` in −1..1 for inputs `[n, input_len]`; with `masks` values are left out as in a training.
    pub fn pictures(&self, z: Tensor<2>, masks: &Masks) -> Tensor<4> {
        match &self.form {
            Form::Folded(folded) if self.half => {
                let half = |x: Tensor<2>| x.cast(FloatDType::F16);
                let masks = masks.iter().map(|mask| half(mask.clone())).collect();
                self.forward(folded, half(z), &masks).cast(FloatDType::F32)
            }
            Form::Folded(folded) => self.forward(folded, z, masks),
            Form::Prepared { packed, .. } if masks.is_empty() => {
                let [n, _] = z.dims();
                let [h, w, c] = self.arch.picture();
                let values = packed.draw::<f32>(&floats(z));
                Tensor::from_data(TensorData::new(values, [n, h, w, c]), &self.device)
            }
            Form::Texture(textures) => textures.pictures(&floats(z), self.arch.input_len()),
            Form::Styled(styled) => {
                let [n, each] = z.dims();
                let rows: Vec<Vec<f32>> = floats(z).chunks_exact(each).take(n).map(<[f32]>::to_vec).collect();
                styled.pictures(&rows).clamp(-1.0, 1.0)
            }
            Form::Prepared { params, .. } => Self::new(&self.arch, params, false).pictures(z, masks),
        }
    }

    /// Pictures of latents given as plain rows (see [`Arch::input`]), as bytes in RGB order: `n · h · w · c` bytes, each
    /// `clip(127.5 · (x + 1))` rounded down like matplotlib's. Empty if the device failed.
    pub fn bytes(&self, z: &[Vec<f32>]) -> Vec<u8> {
        self.begin(z).wait()
    }

    /// The same, begun: on the CPU they are there when this returns.
    pub fn begin(&self, z: &[Vec<f32>]) -> Pending {
        let flat: Vec<f32> = z.iter().flat_map(|z| self.arch.input(z)).collect();
        let inputs = self.arch.input_len();
        match &self.form {
            Form::Prepared { packed, .. } => Pending::there(packed.draw(&flat)),
            Form::Texture(textures) => Pending::there(textures.bytes(&flat, inputs)),
            Form::Styled(styled) => Pending::there(styled.bytes(z)),
            Form::Folded(folded) => {
                let mut parts: Vec<Pending> = flat
                    .chunks(folded.together.saturating_mul(inputs))
                    .map(|part| {
                        let shape = [part.len() / inputs, inputs];
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

    /// Pictures of latents `[n, z_dim]` by tensors.
    fn begin_together(&self, z: Tensor<2>) -> Pending {
        #[cfg(feature = "gpu")]
        if let Some(pixels) = self.pixels(&z) {
            return Pending::coming(unpacked(pixels, self.arch.picture()[2]));
        }
        Pending::coming(bytes(self.pictures(z, &Vec::new())))
    }

    /// Pictures of latents `[n, z_dim]` as numbers that hold a pixel each, where the last stage is one that makes them.
    #[cfg(feature = "gpu")]
    fn pixels(&self, z: &Tensor<2>) -> Option<Tensor<3, Int>> {
        let Form::Folded(folded) = &self.form else { return None };
        let Some(Weights::Windowed(last)) = folded.weights.last() else { return None };
        let tanh = self.steps.last()?.then == Some(Activation::Tanh);
        if self.plain || !tanh || !last.packs() {
            return None;
        }
        let precision = if self.half { FloatDType::F16 } else { FloatDType::F32 };
        let before = self.steps.len() - 1;
        let x = self.through(folded, Value::Flat(z.clone().cast(precision)), &Vec::new(), before);
        Some(last.pixels(x.map()))
    }

    /// The forward in tensors.
    fn forward(&self, folded: &Folded, z: Tensor<2>, masks: &Masks) -> Tensor<4> {
        self.through(folded, Value::Flat(z), masks, self.steps.len()).map()
    }

    /// The first `count` steps.
    fn through(&self, folded: &Folded, z: Value, masks: &Masks, count: usize) -> Value {
        let mut masks = masks.iter();
        let both = self.steps.iter().zip(&folded.weights).take(count);
        both.fold(z, |x, (step, weights)| match (&step.kind, masks.len()) {
            (Kind::Dropout, 1..) => match masks.next() {
                Some(mask) => x.masked(mask.clone()),
                None => x,
            },
            _ => self.step(step, weights, x),
        })
    }

    /// One step.
    fn step(&self, step: &Step, weights: &Weights, x: Value) -> Value {
        let (then, act) = (step.then, step.then.and_then(fused));
        // Behind an operation that could only do another activation, or none.
        let curved = |x: Value, done: bool| match then {
            Some(then) if !done => x.curved(then),
            _ => x,
        };
        match (&step.kind, weights) {
            (_, Weights::Dense(kernel, bias)) => {
                let units = bias.dims()[0];
                let made = x.flat().matmul(kernel.clone()) + bias.clone().reshape([1, units]);
                curved(Value::Flat(made), false)
            }
            #[cfg(feature = "gpu")]
            (_, Weights::DenseOnCard(kernel, bias)) => {
                let slope = then.and_then(Activation::negative_slope);
                let behind = Then::LeakyRelu(slope.unwrap_or(1.0));
                curved(Value::Flat(layer::layer(x.flat(), kernel, bias, Product::Dense, behind)), slope.is_some())
            }
            (Kind::Conv(g), Weights::Conv(kernel, bias)) => {
                let (x, kernel, bias) = (x.shaped([g.h, g.w, g.c]), kernel.clone(), bias.clone());
                let made = if self.plain {
                    burn_ops::conv(x, kernel, bias, *g, act)
                } else {
                    ops::conv(x, kernel, bias, *g, act)
                };
                curved(Value::Map(made), act.is_some())
            }
            (Kind::ConvTranspose(g), Weights::Conv(kernel, bias)) => {
                let (x, kernel, bias) = (x.shaped([g.oh(), g.ow(), g.o]), kernel.clone(), bias.clone());
                let made = if self.plain {
                    burn_ops::conv_t(x, kernel, bias, *g, act)
                } else {
                    ops::conv_t(x, kernel, bias, *g, act)
                };
                curved(Value::Map(made), act.is_some())
            }
            #[cfg(feature = "gpu")]
            (_, Weights::Windowed(windowed)) => {
                let behind = match act {
                    Some(Act::Tanh) => Some(Then::Tanh),
                    Some(Act::Leaky(slope)) if slope <= 1.0 => Some(Then::LeakyRelu(slope)),
                    _ => None,
                };
                let made = windowed.run(x.map(), behind.unwrap_or(Then::LeakyRelu(1.0)));
                curved(Value::Map(made), behind.is_some())
            }
            (Kind::InstanceNorm(eps), Weights::Norm(gamma, beta)) => {
                Value::Map(chain::instance_norm(x.map(), gamma.clone(), beta.clone(), *eps))
            }
            (_, Weights::Norm(scale, shift)) => {
                let c = scale.dims()[0];
                let made = match x {
                    Value::Flat(x) => Value::Flat(x * scale.clone().reshape([1, c]) + shift.clone().reshape([1, c])),
                    Value::Map(x) => {
                        let shape = [1, 1, 1, c];
                        Value::Map(x * scale.clone().reshape(shape) + shift.clone().reshape(shape))
                    }
                };
                curved(made, false)
            }
            (Kind::Shape, _) => x.as_shape(step.output),
            (Kind::Upsample, _) => Value::Map(chain::upsample(x.map())),
            (Kind::ZeroPad(after), _) => Value::Map(chain::zero_pad(x.map(), *after)),
            (Kind::Pool(average), _) => Value::Map(chain::pool(x.map(), *average)),
            (Kind::Curve, _) => curved(x, false),
            _ => x,
        }
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

/// Scale and shift behind the products of a step with a kernel, one number for each channel that goes out.
fn scale_and_shift(step: &Step, params: &Params, device: &Device) -> [Tensor<1>; 2] {
    let channels = step.output.channels();
    let bias = chain::bias(params, &step.name, channels, device);
    match &step.norm {
        Some((norm, eps)) => chain::scale_and_shift(params, norm, *eps, bias),
        None => [Tensor::ones([channels], device), bias],
    }
}

/// The form in which the CPU can prepare these steps: z to a map by a dense layer, or by a transposed convolution of
/// one pixel, then stages of convolutions, the last through tanh. None where anything else stands in between.
fn outline(steps: &[Step]) -> Option<Outline> {
    let mut rest = steps.iter().filter(|step| step.kind != Kind::Dropout).peekable();
    // Features as one pixel.
    rest.next_if(|step| step.kind == Kind::Shape);
    let first = rest.next()?;
    let map = match first.kind {
        Kind::Dense => rest.next_if(|step| step.kind == Kind::Shape)?.output.map(),
        Kind::ConvTranspose(g) if [g.oh(), g.ow()] == [1, 1] && g.pad(g.h).0 == 0 && g.h == g.k && g.w == g.k => {
            first.output.map()
        }
        _ => return None,
    };
    let mut stages = Vec::new();
    while let Some(step) = rest.next() {
        let (step, doubled) = if step.kind == Kind::Upsample { (rest.next()?, true) } else { (step, false) };
        let (geometry, transposed) = match step.kind {
            Kind::Conv(g) => (g, false),
            Kind::ConvTranspose(g) => (g, true),
            _ => return None,
        };
        stages.push(Stage { geometry, transposed, doubled, then: step.then });
    }
    let tanh = stages.last()?.then == Some(Activation::Tanh);
    tanh.then(|| Outline { z_dim: first.input.len(), first: map, then: first.then, stages })
}

/// The layers of an [`Outline`] one by one as plain values, from the dense one on.
fn layers<'a>(steps: &'a [Step], params: &'a Params) -> impl Iterator<Item = Layer<Held>> + use<'a> {
    let device = params.list.first().map(|p| p.value.device()).unwrap_or_default();
    let kernels = steps.iter().filter(|step| matches!(step.kind, Kind::Dense | Kind::Conv(_) | Kind::ConvTranspose(_)));
    kernels.enumerate().map(move |(at, step)| {
        let [scale, shift] = scale_and_shift(step, params, &device).map(floats);
        let held = || params.param(&step.name, "kernel").map(|param| ops::held(&param.value));
        let kernel = match step.doubled {
            Some(behind) => Held::of(floats(behind.combined(params.get(&step.name, "kernel")))),
            None => held().unwrap_or_else(|| Held::of(Vec::new())),
        };
        match step.kind {
            // A kernel `[k, k, filters, z]` of one pixel is one of a dense layer, `[z, k · k · filters]`.
            Kind::ConvTranspose(g) if at == 0 => {
                let features = g.k * g.k * g.c;
                let mut turned = vec![0.0; kernel.len()];
                for (feature, line) in kernel.chunks_exact(g.o).enumerate() {
                    line.iter().enumerate().for_each(|(z, v)| turned[z * features + feature] = *v);
                }
                let each = |values: Vec<f32>| values.repeat(g.k * g.k);
                Layer { kernel: Held::of(turned), scale: each(scale), shift: each(shift) }
            }
            _ => Layer { kernel, scale, shift },
        }
    })
}

/// Folds the norms into tensors, in f16 if `half`; for a graphics card's own kernels if `on_card`.
fn fold(steps: &[Step], params: &Params, on_card: bool, half: bool) -> Form {
    let device = params.list.first().map(|p| p.value.device()).unwrap_or_default();
    let precision = if half { FloatDType::F16 } else { FloatDType::F32 };
    let weights: Vec<Weights> = steps.iter().map(|step| folded(step, params, &device, on_card, precision)).collect();
    let together = if on_card { together(steps, &weights) } else { usize::MAX };
    Form::Folded(Folded { weights, together })
}

fn folded(step: &Step, params: &Params, device: &Device, on_card: bool, precision: FloatDType) -> Weights {
    #[cfg(not(feature = "gpu"))]
    let _ = on_card;
    let channels = step.output.channels();
    match step.kind {
        Kind::Dense => {
            let kernel = params.get::<2>(&step.name, "kernel");
            let [scale, shift] = scale_and_shift(step, params, device);
            let kernel = if step.norm.is_some() { kernel * scale.reshape([1, channels]) } else { kernel };
            let (kernel, bias) = (kernel.cast(precision), shift.cast(precision));
            #[cfg(feature = "gpu")]
            if on_card {
                return Weights::DenseOnCard(kernel, bias);
            }
            Weights::Dense(kernel, bias)
        }
        Kind::Conv(_) | Kind::ConvTranspose(_) => {
            let kernel = params.get::<4>(&step.name, "kernel");
            let kernel = step.doubled.map_or_else(|| kernel.clone(), |behind| behind.combined(kernel.clone()));
            let [scale, shift] = scale_and_shift(step, params, device);
            // Output channels stand last in a convolution's kernel, before last in a transposed one's.
            let shape = if matches!(step.kind, Kind::Conv(_)) { [1, 1, 1, channels] } else { [1, 1, channels, 1] };
            let kernel = if step.norm.is_some() { kernel * scale.reshape(shape) } else { kernel };
            let (kernel, bias) = (kernel.cast(precision), shift.cast(precision));
            #[cfg(feature = "gpu")]
            if let (true, Kind::ConvTranspose(g)) = (on_card, step.kind)
                && let Some(windowed) = Windowed::new(&kernel, &bias, g)
            {
                return Weights::Windowed(windowed);
            }
            Weights::Conv(kernel, bias)
        }
        Kind::Norm => {
            let zeros = Tensor::zeros([channels], device);
            let Some((norm, eps)) = &step.norm else { return Weights::None };
            let [scale, shift] = chain::scale_and_shift(params, norm, *eps, zeros);
            Weights::Norm(scale.cast(precision), shift.cast(precision))
        }
        Kind::InstanceNorm(_) => {
            let [gamma, beta] = chain::affine(params, &step.name, channels, device);
            Weights::Norm(gamma.cast(precision), beta.cast(precision))
        }
        Kind::Shape | Kind::Upsample | Kind::ZeroPad(_) | Kind::Pool(_) | Kind::Curve | Kind::Dropout => Weights::None,
    }
}

/// As many pictures as leave every array on a card small enough for any adapter; at least one.
#[cfg(feature = "gpu")]
fn together(steps: &[Step], weights: &[Weights]) -> usize {
    let of = |(step, weights): (&Step, &Weights)| match weights {
        Weights::Windowed(windowed) => windowed.together,
        _ => MOST / (size_of::<f32>() * step.input.len().max(step.output.len())).max(1),
    };
    steps.iter().zip(weights).map(of).min().unwrap_or(1).max(1)
}

#[cfg(not(feature = "gpu"))]
fn together(_: &[Step], _: &[Weights]) -> usize {
    usize::MAX
}
