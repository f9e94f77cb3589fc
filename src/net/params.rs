//! The named arrays of a network: built, initialised, read out and blended here; used by
//! `net::generator` and `net::critic`, moved to and from files by `model`.
//!
//! Every array is kept flat, so that optimisers and averages need not know its shape.

use burn::tensor::{Device, Gradients, Tensor, TensorData};

use crate::random::RandomState;

/// One array of a network.
#[derive(Clone, Debug)]
pub struct Param {
    /// Name in the network, as `conv_0.kernel`.
    pub name: String,
    /// The shape that layers give it.
    pub shape: Vec<usize>,
    /// The values in row-major order.
    pub value: Tensor<1>,
    /// Learnt by gradient; false for moving statistics.
    pub trained: bool,
}

/// The arrays of one network, in the order of its layers.
#[derive(Clone, Debug, Default)]
pub struct Params {
    /// The arrays: what layers count on is this order.
    pub list: Vec<Param>,
}

/// What an array holds before training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// Drawn from a normal distribution.
    Normal {
        /// Its mean.
        mean: f64,
        /// Its standard deviation.
        deviation: f64,
    },
    /// Drawn evenly between minus and plus this.
    Uniform(f64),
    /// 0, as biases.
    Zeros,
    /// 1, as the factors of a norm.
    Ones,
}

/// Name, shape, start and whether it is trained: the plan of one array.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name in the network, as `conv_0.kernel`.
    pub name: String,
    /// The shape that layers give it.
    pub shape: Vec<usize>,
    /// What it holds before training.
    pub start: Start,
    /// Learnt by gradient; false for moving statistics.
    pub trained: bool,
}

impl Plan {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the array is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a batch says about one layer's moving statistics.
pub struct Statistics {
    /// Name of the layer.
    pub layer: String,
    /// `[c]`.
    pub mean: Tensor<1>,
    /// `[c]`, as the moving one follows it.
    pub variance: Tensor<1>,
    /// Share of the moving ones that stays.
    pub momentum: f32,
}

impl Params {
    /// Fresh arrays for these plans.
    pub fn init(plans: &[Plan], random: &mut RandomState, device: &Device) -> Self {
        let list = plans
            .iter()
            .map(|plan| {
                let values: Vec<f32> = match plan.start {
                    Start::Normal { mean, deviation } => {
                        (0..plan.len()).map(|_| (random.normal() * deviation + mean) as f32).collect()
                    }
                    Start::Uniform(limit) => {
                        (0..plan.len()).map(|_| ((random.uniform() * 2.0 - 1.0) * limit) as f32).collect()
                    }
                    Start::Zeros => vec![0.0; plan.len()],
                    Start::Ones => vec![1.0; plan.len()],
                };
                Param::new(plan, values, device)
            })
            .collect();
        Self { list }
    }

    /// Arrays with these values, one for each plan.
    pub fn of(plans: &[Plan], values: &[Vec<f32>], device: &Device) -> Self {
        let list = plans.iter().zip(values).map(|(plan, values)| Param::new(plan, values.clone(), device));
        Self { list: list.collect() }
    }

    /// The same arrays with gradients asked for where `trained`.
    pub fn tracked(&self) -> Self {
        let list = self.list.iter().map(|p| {
            let value = p.value.clone().autodiff();
            let value = if p.trained { value.require_grad() } else { value };
            Param { value, ..p.clone() }
        });
        Self { list: list.collect() }
    }

    /// The gradients of tracked arrays, in the order of those that are trained, and an end to tracking. An array
    /// that the loss does not reach has none.
    pub fn gradients(self, gradients: &mut Gradients) -> Vec<Option<Tensor<1>>> {
        self.list.into_iter().filter(|p| p.trained).map(|p| p.value.grad_remove(gradients)).collect()
    }

    /// The same values without any graph.
    pub fn inner(&self) -> Self {
        let list = self.list.iter().map(|p| Param { value: p.value.clone().inner(), ..p.clone() });
        Self { list: list.collect() }
    }

    /// The array of a layer: `part` is "kernel", "bias", "gamma" and so on.
    pub fn param(&self, layer: &str, part: &str) -> Option<&Param> {
        let named = |p: &&Param| p.name.strip_prefix(layer).and_then(|rest| rest.strip_prefix('.')) == Some(part);
        self.list.iter().find(named)
    }

    /// Its value in its shape; none where the layer has no such array.
    pub fn find<const D: usize>(&self, layer: &str, part: &str) -> Option<Tensor<D>> {
        let param = self.param(layer, part)?;
        let shape: [usize; D] = std::array::from_fn(|i| param.shape.get(i).copied().unwrap_or(1));
        Some(param.value.clone().reshape(shape))
    }

    /// The value of an array that belongs to the network.
    ///
    /// Panics where it is missing: whoever makes `Params` makes all of a network's arrays.
    pub fn get<const D: usize>(&self, layer: &str, part: &str) -> Tensor<D> {
        let found = self.find(layer, part);
        found.unwrap_or_else(|| panic!("the network has no array {layer}.{part}"))
    }

    /// Moves the moving statistics towards those of a batch: `m · old + (1 − m) · batch`.
    pub fn follow(&mut self, statistics: Vec<Statistics>) {
        for Statistics { layer, mean, variance, momentum } in statistics {
            for (part, new) in [("moving_mean", mean), ("moving_variance", variance)] {
                let named = format!("{layer}.{part}");
                if let Some(param) = self.list.iter_mut().find(|p| p.name == named) {
                    param.value = param.value.clone() * momentum + new * (1.0 - momentum);
                }
            }
        }
    }

    /// `self + (other − self) · t` for every array, moving statistics too: a blend of two networks of
    /// one shape.
    pub fn blend(&self, other: &Self, t: f32) -> Self {
        let list = self
            .list
            .iter()
            .zip(&other.list)
            .map(|(a, b)| Param { value: a.value.clone() * (1.0 - t) + b.value.clone() * t, ..a.clone() });
        Self { list: list.collect() }
    }

    /// Number of values in all arrays.
    pub fn count(&self) -> usize {
        self.list.iter().map(|p| p.shape.iter().product::<usize>()).sum()
    }
}

impl Param {
    /// An array with these values.
    pub fn new(plan: &Plan, values: Vec<f32>, device: &Device) -> Self {
        let len = values.len();
        let value = Tensor::from_data(TensorData::new(values, [len]), device);
        Self { name: plan.name.clone(), shape: plan.shape.clone(), value, trained: plan.trained }
    }

    /// The values, read from the device (waits for it).
    pub fn values(&self) -> Vec<f32> {
        floats(self.value.clone())
    }
}

/// The values of any tensor in row-major order (waits for the device).
///
/// Training and generation use f32 throughout, so a failed conversion can only mean a fault of the
/// device; it gives an empty vector, which every caller's length check refuses.
pub fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_data().ok().and_then(|data| data.try_into_vec::<f32>().ok()).unwrap_or_default()
}
