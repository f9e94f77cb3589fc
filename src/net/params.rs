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
    /// N(0, 0.02²), as the original's kernels.
    Kernel,
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

/// Plans of a layer with a kernel and a bias.
pub fn plan_layer(name: &str, kernel: &[usize], bias: usize) -> [Plan; 2] {
    let plan =
        |part: &str, shape: Vec<usize>, start| Plan { name: format!("{name}.{part}"), shape, start, trained: true };
    [plan("kernel", kernel.to_vec(), Start::Kernel), plan("bias", vec![bias], Start::Zeros)]
}

/// Plans of a batch normalisation, in Keras' order.
pub fn plan_norm(name: &str, channels: usize) -> [Plan; 4] {
    [
        ("gamma", Start::Ones, true),
        ("beta", Start::Zeros, true),
        ("moving_mean", Start::Zeros, false),
        ("moving_variance", Start::Ones, false),
    ]
    .map(|(part, start, trained)| Plan { name: format!("{name}.{part}"), shape: vec![channels], start, trained })
}

impl Params {
    /// Fresh arrays for these plans.
    pub fn init(plans: &[Plan], random: &mut RandomState, device: &Device) -> Self {
        let list = plans
            .iter()
            .map(|plan| {
                let values: Vec<f32> = match plan.start {
                    Start::Kernel => (0..plan.len()).map(|_| (random.normal() * 0.02) as f32).collect(),
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

    /// The value of an array in its shape; the order of `list` is the caller's to know.
    pub fn at<const D: usize>(&self, index: usize) -> Tensor<D> {
        let param = &self.list[index];
        let shape: [usize; D] = std::array::from_fn(|i| param.shape.get(i).copied().unwrap_or(1));
        param.value.clone().reshape(shape)
    }

    /// Moves the running statistics towards those of a batch: `m · old + (1 − m) · batch`.
    pub fn follow(&mut self, statistics: Vec<(usize, Tensor<1>, Tensor<1>)>, momentum: f32) {
        for (at, mean, var) in statistics {
            for (at, new) in [(at, mean), (at + 1, var)] {
                let param = &mut self.list[at];
                param.value = param.value.clone() * momentum + new * (1.0 - momentum);
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
