//! Layers on a graphics card: burn's matrix product with kernels of ours around it ([`super::shaders`]).
//!
//! They run wherever burn's own do, and are joined to it by its extension mechanism. A layer is three launches at
//! most where burn's operations would be dozens, and launching is what takes the time at small pictures. Called
//! by [`super::generator`], and by [`super::windowed`], which knows the weights' order; owns nothing.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Cube, DType, Dispatch, Shape, backend_extension};
use burn::tensor::{Int, Tensor};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::ir::ElemType;
use cubecl::prelude::{CubeCount, CubeDim};

use super::shaders::{add_kernel, finish_kernel, lay_kernel, pixels_kernel};

/// What is multiplied, and how its outputs lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// x `[n, i]`, weights `[i, o]`: rows stay rows.
    Dense,
    /// x `[n, h, w, o]`, weights `[t · t · o, 4 · c]`: a window of t × t pixels is laid out in a row, which gives the
    /// 2 × 2 pixels of c channels that come of it.
    Laid { t: usize },
    /// x `[n, h, w, o]`, weights `[o, t · t · 4 · c]`: a pixel gives its part of the 2 × 2 outputs of all t × t pixels
    /// that see it, which are added up behind the product.
    Added { t: usize },
}

/// What follows the bias.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Then {
    /// This slope below zero; 1 for nothing. At most 1.
    Slope(f32),
    Tanh,
}

/// A layer on a graphics card.
#[backend_extension(Cube)]
pub trait CardOps: Backend {
    fn card_layer(
        x: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        product: Product,
        then: Then,
    ) -> FloatTensor<Self>;
    fn card_pixels(
        x: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        t: usize,
    ) -> IntTensor<Self>;
}

impl CardOps for Cube {
    fn card_layer(x: CubeTensor, weights: CubeTensor, bias: CubeTensor, product: Product, then: Then) -> CubeTensor {
        let precision = x.dtype;
        let products = multiplied(x, weights, product);
        let from = Sizes::of(&products, &bias, product);
        let out = empty(&products, from.output(product), precision);
        match product {
            Product::Added { t } => added(products, bias, &out, from, t, then),
            _ => finished(products, bias, &out, from, product, then),
        }
        out
    }

    fn card_pixels(x: CubeTensor, weights: CubeTensor, bias: CubeTensor, t: usize) -> CubeTensor {
        let product = Product::Added { t };
        let products = multiplied(x, weights, product);
        let from = Sizes::of(&products, &bias, product);
        let [n, h, w] = [from.n, 2 * from.h, 2 * from.w];
        let out = empty(&products, vec![n, h, w], DType::U32);
        let (dim, count) = units(&out, n * h * w);
        pixels_kernel::launch(
            &out.client,
            count,
            dim,
            products.into_tensor_arg(),
            bias.clone().into_tensor_arg(),
            out.clone().into_tensor_arg(),
            from.h,
            from.w,
            t,
            from.c,
            element(bias.dtype),
        );
        out
    }
}

/// Sizes of a product's rows before they are finished.
#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    /// Of the map that came in; 1 of a dense layer.
    h: usize,
    w: usize,
    /// Channels that go out.
    c: usize,
}

impl Sizes {
    /// `products` `[n, h, w, anything]`.
    fn of(products: &CubeTensor, bias: &CubeTensor, product: Product) -> Self {
        let shape = products.meta.shape();
        let (h, w) = if product == Product::Dense { (1, 1) } else { (shape[1], shape[2]) };
        Self { n: shape[0], h, w, c: bias.meta.shape()[0] }
    }

    fn output(self, product: Product) -> Vec<usize> {
        match product {
            Product::Dense => vec![self.n, self.c],
            _ => vec![self.n, 2 * self.h, 2 * self.w, self.c],
        }
    }
}

fn empty(like: &CubeTensor, shape: Vec<usize>, dtype: DType) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), Shape::from(shape), dtype)
}

/// As many threads as there is work.
fn units(out: &CubeTensor, work: usize) -> (CubeDim, CubeCount) {
    let dim = CubeDim::new(&out.client, work);
    (dim, calculate_cube_count_elemwise(&out.client, work, dim))
}

fn element(dtype: DType) -> ElemType {
    burn::backend::cubecl::dtype_to_storage_type(dtype)
}

/// How many of `channels` neighbours are read at once.
fn wide(channels: usize) -> usize {
    [4, 2].into_iter().find(|wide| channels.is_multiple_of(*wide)).unwrap_or(1)
}

/// The product in f32, `[n, h, w, columns]` or `[n, columns]`.
fn multiplied(x: CubeTensor, weights: CubeTensor, product: Product) -> CubeTensor {
    let x = into_contiguous(x);
    let (shape, columns) = (x.meta.shape().clone(), weights.meta.shape()[1]);
    let rows: usize = shape.iter().take(shape.len() - 1).product();
    let mut left = match product {
        Product::Laid { t } => laid(&x, t),
        _ => x,
    };
    let depth = weights.meta.shape()[0];
    left = CubeTensor::new_contiguous(left.client, left.device, Shape::new([rows, depth]), left.handle, left.dtype);
    let out = empty(&left, vec![rows, columns], DType::F32);
    let out = match matmul(left, weights, Some(out.clone()), MatmulStrategy::default(), DType::F32) {
        Ok(done) => done,
        // The kernel that always launches has nothing to refuse here; what is empty shows as a fault of the device.
        Err(_) => out,
    };
    let mut whole: Vec<usize> = shape.iter().copied().collect();
    if let Some(last) = whole.last_mut() {
        *last = columns;
    }
    CubeTensor::new_contiguous(out.client, out.device, Shape::from(whole), out.handle, out.dtype)
}

/// `[n, h, w, o]` → `[n, h, w, t · t, o]`.
fn laid(x: &CubeTensor, t: usize) -> CubeTensor {
    let [n, h, w, o] = x.meta.shape().dims();
    let out = empty(x, vec![n, h, w, t * t, o], x.dtype);
    let wide = wide(o);
    let (dim, count) = units(&out, n * h * w * t * t * o / wide);
    lay_kernel::launch(
        &out.client,
        count,
        dim,
        wide,
        x.clone().into_tensor_arg(),
        out.clone().into_tensor_arg(),
        h,
        w,
        t,
        o / wide,
        element(x.dtype),
    );
    out
}

fn finished(products: CubeTensor, bias: CubeTensor, out: &CubeTensor, from: Sizes, product: Product, then: Then) {
    let (wide, (slope, tanh)) = (wide(from.c), constants(then));
    let (dim, count) = units(out, out.meta.num_elements() / wide);
    finish_kernel::launch(
        &out.client,
        count,
        dim,
        wide,
        products.into_tensor_arg(),
        bias.clone().into_tensor_arg(),
        out.clone().into_tensor_arg(),
        slope,
        from.h,
        from.w,
        from.c / wide,
        product != Product::Dense,
        tanh,
        [element(bias.dtype), element(out.dtype)],
    );
}

fn added(products: CubeTensor, bias: CubeTensor, out: &CubeTensor, from: Sizes, t: usize, then: Then) {
    let (slope, tanh) = constants(then);
    let (dim, count) = units(out, out.meta.num_elements());
    add_kernel::launch(
        &out.client,
        count,
        dim,
        products.into_tensor_arg(),
        bias.clone().into_tensor_arg(),
        out.clone().into_tensor_arg(),
        slope,
        from.h,
        from.w,
        t,
        from.c,
        tanh,
        [element(bias.dtype), element(out.dtype)],
    );
}

fn constants(then: Then) -> (f32, bool) {
    match then {
        Then::Slope(slope) => (slope, false),
        Then::Tanh => (1.0, true),
    }
}

/// A layer: `x` and `weights` as [`Product`] says, `bias` `[c]`; gives `[n, o]` or `[n, 2 h, 2 w, c]` in the precision
/// of `x`; products are summed in f32.
pub fn layer<const D: usize>(
    x: Tensor<D>,
    weights: &Tensor<2>,
    bias: &Tensor<1>,
    product: Product,
    then: Then,
) -> Tensor<D> {
    let (weights, bias) = (weights.clone().into_dispatch(), bias.clone().into_dispatch());
    Tensor::from_dispatch(<Dispatch as CardOps>::card_layer(x.into_dispatch(), weights, bias, product, then))
}

/// The last layer of a picture with up to four channels, as [`Product::Added`]: tanh, then each pixel's bytes
/// `clip(127.5 · (x + 1))`, rounded down, in one number, the first channel lowest: `[n, 2 h, 2 w]`.
pub fn pixels(x: Tensor<4>, weights: &Tensor<2>, bias: &Tensor<1>, t: usize) -> Tensor<3, Int> {
    let (weights, bias) = (weights.clone().into_dispatch(), bias.clone().into_dispatch());
    Tensor::from_dispatch(<Dispatch as CardOps>::card_pixels(x.into_dispatch(), weights, bias, t))
}
