//! The few operations that networks here are made of, on NHWC tensors, on any device.
//!
//! On the CPU they run through [`super::cpu::conv`] and [`super::cpu::pointwise`], joined to burn by its extension mechanism with
//! handwritten derivatives; elsewhere, and in the tests as the reference, through burn's own
//! operations in [`super::burn_ops`]. Called by `net::generator` and `net::critic`; owns nothing.
//! Every derivative of a convolution is again one of the three convolutions, so the gradient of an
//! input gradient (WGAN-GP's penalty) needs nothing more.

use std::ops::Deref;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Device, Tensor, TensorData};

use super::burn_ops;
use super::cpu::conv::{self, Act};
use super::cpu::pointwise::{self, AdamStep};
use super::geometry::Geometry;
use super::params::floats;

type Array = FloatTensor<Flex>;
type Tracked<C> = Autodiff<Flex, C>;

/// Operations with kernels of our own on the CPU.
#[backend_extension(Flex, Autodiff)]
pub trait NetOps: Backend {
    /// See [`conv`].
    fn net_conv(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        g: Geometry,
        act: Option<Act>,
    ) -> FloatTensor<Self>;
    /// See [`conv_t`].
    fn net_conv_t(
        y: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        g: Geometry,
        act: Option<Act>,
    ) -> FloatTensor<Self>;
    /// See [`leaky_relu_grad`].
    fn net_leaky_relu_grad(y: FloatTensor<Self>, dy: FloatTensor<Self>, negative_slope: f32) -> FloatTensor<Self>;
    /// See [`batch_norm`].
    fn net_batch_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        moments: Moments,
        eps: f32,
        negative_slope: f32,
    ) -> FloatTensor<Self>;
    /// See [`row_norms`].
    fn net_row_norms(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// See [`adam_step`]; gives w, m and v.
    fn net_adam_step(
        w: FloatTensor<Self>,
        g: FloatTensor<Self>,
        m: FloatTensor<Self>,
        v: FloatTensor<Self>,
        d: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

fn array(values: Vec<f32>, shape: &[usize]) -> Array {
    Array::from_data(TensorData::new(values, shape.to_vec()))
}

/// The values of a tensor of the CPU, held without a copy. Who holds them has others copy before they change them.
pub struct Held(Array);

/// Holds the values of `tensor`; those of another device are read from there (waits for it).
pub fn held(tensor: &Tensor<1>) -> Held {
    match tensor.clone().try_into_primitive::<Flex>() {
        Ok(own) if own.as_slice::<f32>().is_some() => Held(own),
        _ => Held(array(floats(tensor.clone()), &tensor.dims())),
    }
}

impl Held {
    /// Values that no tensor holds.
    pub fn of(values: Vec<f32>) -> Self {
        let len = values.len();
        Self(array(values, &[len]))
    }
}

impl Deref for Held {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.0.as_slice().unwrap_or_default()
    }
}

/// Runs `work` on the tensor's values in row-major order.
fn with_values<R>(tensor: &Array, work: impl FnOnce(&[f32]) -> R) -> R {
    match tensor.as_slice::<f32>() {
        Some(values) => work(values),
        None => work(tensor.to_contiguous().as_slice::<f32>().unwrap_or_default()),
    }
}

fn flex_conv(x: &Array, w: &Array, b: &Array, g: &Geometry, act: Option<Act>) -> Array {
    let values = with_values(x, |x| with_values(w, |w| with_values(b, |b| conv::conv(x, w, b, g, act))));
    let n = values.len() / (g.oh() * g.ow() * g.o);
    array(values, &[n, g.oh(), g.ow(), g.o])
}

fn flex_conv_t(y: &Array, w: &Array, b: &Array, g: &Geometry, act: Option<Act>) -> Array {
    let values = with_values(y, |y| with_values(w, |w| with_values(b, |b| conv::conv_t(y, w, b, g, act))));
    let n = values.len() / (g.h * g.w * g.c);
    array(values, &[n, g.h, g.w, g.c])
}

fn flex_conv_w(x: &Array, dy: &Array, g: &Geometry) -> Array {
    let values = with_values(x, |x| with_values(dy, |dy| conv::conv_w(x, dy, g)));
    array(values, &[g.k, g.k, g.c, g.o])
}

fn flex_channel_sum(data: &Array, channels: usize) -> Array {
    array(with_values(data, |data| pointwise::channel_sum(data, channels)), &[channels])
}

fn shape(tensor: &Array) -> Vec<usize> {
    tensor.layout().shape().to_vec()
}

/// The tensor as one whole in row-major order, to be written to, which copies it if somebody else still reads it.
fn owned(tensor: Array) -> Array {
    let whole = tensor.as_slice::<f32>().is_some_and(|values| values.len() == tensor.storage::<f32>().len());
    if whole { tensor } else { tensor.to_contiguous() }
}

fn changed(tensor: Array, change: impl FnOnce(&mut [f32])) -> Array {
    let mut tensor = owned(tensor);
    change(tensor.storage_mut());
    tensor
}

fn flex_leaky_relu_grad(y: &Array, dy: Array, negative_slope: f32) -> Array {
    with_values(y, |y| changed(dy, |dy| pointwise::leaky_grad(y, dy, negative_slope)))
}

/// The gradient before the activation, from the activation's output y and the gradient after it.
fn before(act: Option<Act>, y: &Array, dy: Array) -> Array {
    match act {
        None | Some(Act::Leaky(1.0)) => dy,
        Some(Act::Leaky(negative_slope)) => flex_leaky_relu_grad(y, dy, negative_slope),
        Some(Act::Tanh) => with_values(y, |y| changed(dy, |dy| pointwise::tanh_grad(y, dy))),
    }
}

fn flex_row_norms(x: &Array) -> Array {
    let n = shape(x).first().copied().unwrap_or(1);
    let values = with_values(x, |x| pointwise::row_norms(x, (x.len() / n).max(1)));
    let len = values.len();
    array(values, &[len])
}

impl NetOps for Flex {
    fn net_conv(x: Array, w: Array, b: Array, g: Geometry, act: Option<Act>) -> Array {
        flex_conv(&x, &w, &b, &g, act)
    }

    fn net_conv_t(y: Array, w: Array, b: Array, g: Geometry, act: Option<Act>) -> Array {
        flex_conv_t(&y, &w, &b, &g, act)
    }

    fn net_leaky_relu_grad(y: Array, dy: Array, negative_slope: f32) -> Array {
        flex_leaky_relu_grad(&y, dy, negative_slope)
    }

    fn net_batch_norm(x: Array, gamma: Array, beta: Array, moments: Moments, eps: f32, negative_slope: f32) -> Array {
        batch_norm_forward(&x, &gamma, &beta, &moments, eps, negative_slope).0
    }

    fn net_row_norms(x: Array) -> Array {
        flex_row_norms(&x)
    }

    fn net_adam_step(w: Array, g: Array, m: Array, v: Array, d: AdamStep) -> (Array, Array, Array) {
        let [mut w, mut m, mut v] = [w, m, v].map(owned);
        with_values(&g, |g| pointwise::adam_step(w.storage_mut(), g, m.storage_mut(), v.storage_mut(), &d));
        (w, m, v)
    }
}

/// Mean and biased variance of each channel of a batch.
#[derive(Clone, Debug)]
pub struct Moments {
    mean: Vec<f32>,
    variance: Vec<f32>,
}

/// Output of batch normalisation and 1/σ per channel, which its derivative needs.
fn batch_norm_forward(
    x: &Array,
    gamma: &Array,
    beta: &Array,
    moments: &Moments,
    eps: f32,
    negative_slope: f32,
) -> (Array, Vec<f32>) {
    let Moments { mean, variance } = moments;
    let (out, rstd) = with_values(x, |x| {
        with_values(gamma, |gamma| {
            with_values(beta, |beta| pointwise::batch_norm(x, gamma, beta, [mean, variance], eps, negative_slope))
        })
    });
    (array(out, &shape(x)), rstd)
}

/// Of a convolution, or of a transposed one: each is the other's derivative in its input.
#[derive(Debug)]
struct ConvBackward {
    transposed: bool,
}

impl ConvBackward {
    fn forward(&self, x: &Array, w: &Array, b: &Array, g: &Geometry, act: Option<Act>) -> Array {
        if self.transposed { flex_conv_t(x, w, b, g, act) } else { flex_conv(x, w, b, g, act) }
    }

    fn track<C: CheckpointStrategy>(
        self,
        [x, w, b]: [FloatTensor<Tracked<C>>; 3],
        g: Geometry,
        act: Option<Act>,
    ) -> FloatTensor<Tracked<C>> {
        let y = self.forward(x.primitive(), w.primitive(), b.primitive(), &g, act);
        match self.prepare::<C>([x.node(), w.node(), b.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x.into_primitive(), w.into_primitive(), y.clone(), g, act), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

impl Backward<Flex, 3> for ConvBackward {
    type State = (Array, Array, Array, Geometry, Option<Act>);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, w_node, b_node] = ops.parents;
        let (x, w, y, g, act) = ops.state;
        let dz = before(act, &y, grads.consume::<Flex>(&ops.node));
        let (channels_in, channels_out) = if self.transposed { (g.o, g.c) } else { (g.c, g.o) };
        if let Some(node) = b_node {
            grads.register::<Flex>(node.id, flex_channel_sum(&dz, channels_out));
        }
        if let Some(node) = w_node {
            let (wide, narrow) = if self.transposed { (&dz, &x) } else { (&x, &dz) };
            grads.register::<Flex>(node.id, flex_conv_w(wide, narrow, &g));
        }
        if let Some(node) = x_node {
            let none = array(vec![0.0; channels_in], &[channels_in]);
            let back = Self { transposed: !self.transposed };
            grads.register::<Flex>(node.id, back.forward(&dz, &w, &none, &g, None));
        }
    }
}

#[derive(Debug)]
struct LeakyReluGradBackward;

impl Backward<Flex, 1> for LeakyReluGradBackward {
    type State = (Array, f32);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (y, negative_slope) = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |d| flex_leaky_relu_grad(&y, d, negative_slope));
    }
}

#[derive(Debug)]
struct RowNormsBackward;

impl Backward<Flex, 1> for RowNormsBackward {
    type State = (Array, Array);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (x, y) = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |dy| {
            let dx =
                with_values(&x, |x| with_values(&y, |y| with_values(&dy, |dy| pointwise::row_norms_grad(x, y, dy))));
            array(dx, &shape(&x))
        });
    }
}

#[derive(Debug)]
struct NormBackward;

impl Backward<Flex, 3> for NormBackward {
    type State = (Array, Array, Array, Vec<f32>, Vec<f32>, f32);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, gamma_node, beta_node] = ops.parents;
        let (x, gamma, y, mean, rstd, negative_slope) = ops.state;
        let dz = before(Some(Act::Leaky(negative_slope)), &y, grads.consume::<Flex>(&ops.node));
        let (dx, dgamma, dbeta) = with_values(&x, |x| {
            with_values(&dz, |dz| with_values(&gamma, |gamma| pointwise::batch_norm_grad(x, dz, gamma, &mean, &rstd)))
        });
        let channels = mean.len();
        let mut give = |node: Option<NodeId>, values: Vec<f32>, shape: &[usize]| {
            if let Some(id) = node {
                grads.register::<Flex>(id, array(values, shape));
            }
        };
        give(x_node.map(|n| n.id), dx, &shape(&x));
        give(gamma_node.map(|n| n.id), dgamma, &[channels]);
        give(beta_node.map(|n| n.id), dbeta, &[channels]);
    }
}

impl<C: CheckpointStrategy> NetOps for Autodiff<Flex, C> {
    fn net_conv(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        g: Geometry,
        act: Option<Act>,
    ) -> FloatTensor<Self> {
        ConvBackward { transposed: false }.track::<C>([x, w, b], g, act)
    }

    fn net_conv_t(
        y: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        g: Geometry,
        act: Option<Act>,
    ) -> FloatTensor<Self> {
        ConvBackward { transposed: true }.track::<C>([y, w, b], g, act)
    }

    fn net_leaky_relu_grad(y: FloatTensor<Self>, dy: FloatTensor<Self>, negative_slope: f32) -> FloatTensor<Self> {
        let out = flex_leaky_relu_grad(y.primitive(), dy.primitive().clone(), negative_slope);
        match LeakyReluGradBackward.prepare::<C>([dy.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((y.into_primitive(), negative_slope), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn net_batch_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        moments: Moments,
        eps: f32,
        negative_slope: f32,
    ) -> FloatTensor<Self> {
        let (y, rstd) =
            batch_norm_forward(x.primitive(), gamma.primitive(), beta.primitive(), &moments, eps, negative_slope);
        let mean = moments.mean;
        match NormBackward.prepare::<C>([x.node(), gamma.node(), beta.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish((x.into_primitive(), gamma.into_primitive(), y.clone(), mean, rstd, negative_slope), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn net_row_norms(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let y = flex_row_norms(x.primitive());
        match RowNormsBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x.into_primitive(), y.clone()), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    /// Weights that were moved are the beginning of other graphs: nothing is differentiated through a step.
    fn net_adam_step(
        w: FloatTensor<Self>,
        g: FloatTensor<Self>,
        m: FloatTensor<Self>,
        v: FloatTensor<Self>,
        d: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let [w, g, m, v] = [w, g, m, v].map(FloatTensor::<Self>::into_primitive);
        let (w, m, v) = Flex::net_adam_step(w, g, m, v, d);
        (FloatTensor::<Self>::new(w), FloatTensor::<Self>::new(m), FloatTensor::<Self>::new(v))
    }
}

/// Whether our own kernels serve this device.
pub fn ours(device: &Device) -> bool {
    device.clone().inner() == Device::flex()
}

/// `act(conv(x, w) + b)`: x `[n, h, w, c]`, w `[k, k, c, o]`, b `[o]` → `[n, oh, ow, o]`.
pub fn conv(x: Tensor<4>, w: Tensor<4>, b: Tensor<1>, g: Geometry, act: Option<Act>) -> Tensor<4> {
    match ours(&x.device()) {
        true => {
            Tensor::from_dispatch(Dispatch::net_conv(x.into_dispatch(), w.into_dispatch(), b.into_dispatch(), g, act))
        }
        false => burn_ops::conv(x, w, b, g, act),
    }
}

/// `act(conv_t(y, w) + b)`: y `[n, oh, ow, o]`, w `[k, k, c, o]`, b `[c]` → `[n, h, w, c]`.
pub fn conv_t(y: Tensor<4>, w: Tensor<4>, b: Tensor<1>, g: Geometry, act: Option<Act>) -> Tensor<4> {
    match ours(&y.device()) {
        true => {
            Tensor::from_dispatch(Dispatch::net_conv_t(y.into_dispatch(), w.into_dispatch(), b.into_dispatch(), g, act))
        }
        false => burn_ops::conv_t(y, w, b, g, act),
    }
}

/// `dy` times the slope that a leaky activation had where its output was `y`; y counts as constant.
pub fn leaky_relu_grad(y: Tensor<4>, dy: Tensor<4>, negative_slope: f32) -> Tensor<4> {
    match ours(&dy.device()) {
        true => {
            Tensor::from_dispatch(Dispatch::net_leaky_relu_grad(y.into_dispatch(), dy.into_dispatch(), negative_slope))
        }
        false => burn_ops::leaky_relu_grad(y, dy, negative_slope),
    }
}

/// Batch normalisation over all axes but the last with the statistics of this batch (biased
/// variance), then a leaky activation: x `[.., c]`, gamma and beta `[c]`.
pub fn batch_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    eps: f32,
    negative_slope: f32,
) -> Tensor<D> {
    batch_norm_and_moments(x, gamma, beta, eps, negative_slope).0
}

/// The same, and mean and biased variance `[c]` of the batch, without a graph.
pub fn batch_norm_and_moments<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    eps: f32,
    negative_slope: f32,
) -> (Tensor<D>, [Tensor<1>; 2]) {
    let (device, channels) = (x.device(), x.dims()[D - 1]);
    if !ours(&device) {
        let moments = burn_ops::moments(x.clone().inner());
        return (burn_ops::batch_norm(x, gamma, beta, eps, negative_slope), moments);
    }
    let values = held(&x.clone().inner().reshape([x.dims().iter().product::<usize>()]));
    let (mean, variance) = pointwise::moments(&values, channels);
    drop(values);
    let tensor = |values: &[f32]| Tensor::from_data(TensorData::new(values.to_vec(), [channels]), &x.device().inner());
    let both = [tensor(&mean), tensor(&variance)];
    let made = Dispatch::net_batch_norm(
        x.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        Moments { mean, variance },
        eps,
        negative_slope,
    );
    (Tensor::from_dispatch(made), both)
}

/// The length of each of the n pieces of x `[n, ..]`, the root of its sum of squares: `[n]`.
pub fn row_norms<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    match ours(&x.device()) {
        true => Tensor::from_dispatch(Dispatch::net_row_norms(x.into_dispatch())),
        false => burn_ops::row_norms(x),
    }
}

/// Moves weights by a gradient, and first and second moments with them; all flat and without a graph.
/// See [`pointwise::adam_step`].
pub fn adam_step([w, g, m, v]: [Tensor<1>; 4], d: AdamStep) -> [Tensor<1>; 3] {
    match ours(&w.device()) {
        true => {
            let [w, g, m, v] = [w, g, m, v].map(Tensor::into_dispatch);
            let (w, m, v) = Dispatch::net_adam_step(w, g, m, v, d);
            [w, m, v].map(Tensor::from_dispatch)
        }
        false => burn_ops::adam_step([w, g, m, v], d),
    }
}
