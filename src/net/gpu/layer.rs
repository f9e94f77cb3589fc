//! Layers on a graphics card: a matrix product and what stands around it, by kernels of ours ([`super::kernels`]).
//!
//! They run wherever burn's own do, and are joined to it by its extension mechanism. A layer is two launches where
//! burn's operations would be dozens, and its product fills a card with the few pixels of one picture, where
//! burn's own leaves most of it idle; for many pictures burn's may be the better one, and is taken. Called by [`crate::net::generator`], and by [`super::transposed`], which knows the weights' order; owns nothing.

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

use super::kernels::{CHUNK, TILE, UNITS, add_kernel, finish_kernel, lay_kernel, pixels_kernel, product_kernel};

/// What is multiplied, and how its outputs lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// x `[n, i]`, weights `[i, o]`: rows stay rows.
    Dense,
    /// x `[n, h, w, o]`, weights `[t · t · o, 4 · c]`: a window of t × t pixels is laid out in a row, which gives the
    /// 2 × 2 pixels of c channels that come of it.
    Laid { t: usize },
    /// x `[n, h, w, o]`, weights `[t · t · o, c]`: the same for one pixel of c channels, a convolution that keeps the size.
    Same { t: usize },
    /// x `[n, h, w, o]`, weights `[o, t · t · 4 · c]`: a pixel gives its part of the 2 × 2 outputs of all t × t pixels
    /// that see it, which are added up behind the product.
    Added { t: usize },
}

/// What follows the bias.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Then {
    /// This slope below zero; 1 for nothing. At most 1.
    LeakyRelu(f32),
    Tanh,
}

/// Whether burn may try kernels that use a card's matrix units.
const TRIED: bool = cfg!(all(feature = "vulkan", feature = "autotune"));

/// Whether windows of so many channels may be laid out in memory before the product.
pub fn lays(channels: usize, precision: DType) -> bool {
    !channels.is_multiple_of(4) || TRIED && precision == DType::F16
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
        let products = Products::of(x, weights, product);
        let c = bias.meta.shape()[0];
        let shape = match product {
            Product::Dense => vec![products.n, c],
            Product::Same { .. } => vec![products.n, products.h, products.w, c],
            _ => vec![products.n, 2 * products.h, 2 * products.w, c],
        };
        let out = empty(&products.values, shape, precision);
        match product {
            Product::Added { t } => products.added(bias, &out, t, then),
            _ => products.finished(bias, &out, matches!(product, Product::Laid { .. }), then),
        }
        out
    }

    fn card_pixels(x: CubeTensor, weights: CubeTensor, bias: CubeTensor, t: usize) -> CubeTensor {
        let products = Products::of(x, weights, Product::Added { t });
        let out = empty(&products.values, vec![products.n, 2 * products.h, 2 * products.w], DType::U32);
        products.pixels(bias, &out, t);
        out
    }
}

/// What a layer's weights gave, in f32, before bias and activation.
struct Products {
    /// `[parts, rows, columns]`; the parts are still to be added up.
    values: CubeTensor,
    parts: usize,
    /// Elements from one part to the next.
    apart: usize,
    /// Of the map that came in; h and w are 1 of a dense layer.
    n: usize,
    h: usize,
    w: usize,
}

impl Products {
    /// `x` and `weights` as [`Product`] says.
    fn of(x: CubeTensor, weights: CubeTensor, product: Product) -> Self {
        let x = into_contiguous(x);
        let shape = x.meta.shape();
        let (n, h, w) = if product == Product::Dense { (shape[0], 1, 1) } else { (shape[0], shape[1], shape[2]) };
        let t = if let Product::Laid { t } | Product::Same { t } = product { t } else { 1 };
        let (rows, columns) = (n * h * w, weights.meta.shape()[1]);
        let (values, parts) = match Tiles::of(&x, &weights, rows) {
            Some(tiles) => (tiles.multiplied(x, weights, [rows, h, w, t]), tiles.parts),
            None => (multiplied(x, weights, rows, t), 1),
        };
        Self { values, parts, apart: rows * columns, n, h, w }
    }

    /// Bias and activation, and with `shuffle` rows of 2 × 2 pixels to their places.
    fn finished(self, bias: CubeTensor, out: &CubeTensor, shuffle: bool, then: Then) {
        let c = bias.meta.shape()[0];
        let (wide, (negative_slope, tanh)) = (wide(c), constants(then));
        let (dim, count) = units(out, out.meta.num_elements() / wide);
        let elements = [element(bias.dtype), element(out.dtype)];
        finish_kernel::launch(
            &out.client,
            count,
            dim,
            wide,
            self.values.into_tensor_arg(),
            bias.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            negative_slope,
            self.apart / wide,
            self.parts,
            self.h,
            self.w,
            c / wide,
            shuffle,
            tanh,
            elements,
        );
    }

    /// What the t × t pixels around gave, bias and activation.
    fn added(self, bias: CubeTensor, out: &CubeTensor, t: usize, then: Then) {
        let (c, (negative_slope, tanh)) = (bias.meta.shape()[0], constants(then));
        let (dim, count) = units(out, out.meta.num_elements());
        let elements = [element(bias.dtype), element(out.dtype)];
        add_kernel::launch(
            &out.client,
            count,
            dim,
            self.values.into_tensor_arg(),
            bias.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            negative_slope,
            self.apart,
            self.parts,
            self.h,
            self.w,
            t,
            c,
            tanh,
            elements,
        );
    }

    /// The same as bytes.
    fn pixels(self, bias: CubeTensor, out: &CubeTensor, t: usize) {
        let (c, precision) = (bias.meta.shape()[0], element(bias.dtype));
        let (dim, count) = units(out, out.meta.num_elements());
        pixels_kernel::launch(
            &out.client,
            count,
            dim,
            self.values.into_tensor_arg(),
            bias.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            self.apart,
            self.parts,
            self.h,
            self.w,
            t,
            c,
            precision,
        );
    }
}

/// How a product is cut for [`product_kernel`].
struct Tiles {
    across: usize,
    down: usize,
    parts: usize,
    /// Of a part's depth.
    chunks: usize,
}

impl Tiles {
    /// Cubes that fill a large card several times over; more of them would only be more to add up.
    const CUBES: usize = 1024;
    /// Chunks of the depth below which a cube does little but begin.
    const FEWEST: usize = 4;
    /// Tiles from which on burn's own product, where it may try kernels that use a card's matrix units, is faster.
    const MANY: usize = 256;

    /// Nothing where widths are no multiples of four, or burn's own product is the better one.
    fn of(x: &CubeTensor, weights: &CubeTensor, rows: usize) -> Option<Self> {
        let [depth, columns] = weights.meta.shape().dims();
        let channels = x.meta.shape().last().copied().unwrap_or_default();
        let (across, down) = (columns.div_ceil(TILE), rows.div_ceil(TILE));
        let odd = !channels.is_multiple_of(4) || !columns.is_multiple_of(4);
        if odd || TRIED && x.dtype == DType::F16 && across * down >= Self::MANY {
            return None;
        }
        let all = depth.div_ceil(CHUNK);
        let parts = (Self::CUBES / (across * down)).clamp(1, all.div_ceil(Self::FEWEST));
        let chunks = all.div_ceil(parts);
        Some(Self { across, down, parts: all.div_ceil(chunks), chunks })
    }

    /// `[parts, rows, columns]`; sizes are rows, h, w and t.
    fn multiplied(&self, x: CubeTensor, weights: CubeTensor, [rows, h, w, t]: [usize; 4]) -> CubeTensor {
        let columns = weights.meta.shape()[1];
        let channels = x.meta.shape().last().copied().unwrap_or_default();
        let out = empty(&x, vec![self.parts, rows, columns], DType::F32);
        let precision = element(x.dtype);
        product_kernel::launch(
            &out.client,
            CubeCount::Static(self.down as u32, self.across as u32, self.parts as u32),
            CubeDim::new_1d(UNITS as u32),
            x.into_tensor_arg(),
            weights.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            rows,
            self.chunks,
            h,
            w,
            t,
            channels / 4,
            columns / 4,
            precision,
        );
        out
    }
}

/// The product by burn, `[rows, columns]`, of a map's t × t windows laid out.
fn multiplied(x: CubeTensor, weights: CubeTensor, rows: usize, t: usize) -> CubeTensor {
    let [depth, columns] = weights.meta.shape().dims();
    let left = if t > 1 { laid(&x, t) } else { x };
    let left = CubeTensor::new_contiguous(left.client, left.device, Shape::new([rows, depth]), left.handle, left.dtype);
    let out = empty(&left, vec![rows, columns], DType::F32);
    // The kernel that always launches has nothing to refuse here; what stayed empty shows as a fault of the device.
    matmul(left, weights, Some(out.clone()), MatmulStrategy::default(), DType::F32).unwrap_or(out)
}

/// `[n, h, w, o]` → `[n, h, w, t · t, o]`.
fn laid(x: &CubeTensor, t: usize) -> CubeTensor {
    let [n, h, w, o] = x.meta.shape().dims();
    let out = empty(x, vec![n, h, w, t * t, o], x.dtype);
    let wide = wide(o);
    let (dim, count) = units(&out, n * h * w * t * t * o / wide);
    let precision = element(x.dtype);
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
        precision,
    );
    out
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

fn constants(then: Then) -> (f32, bool) {
    match then {
        Then::LeakyRelu(negative_slope) => (negative_slope, false),
        Then::Tanh => (1.0, true),
    }
}

/// A layer: `x` and `weights` as [`Product`] says, `bias` `[c]`; gives `[n, o]`, `[n, h, w, c]` or `[n, 2 h, 2 w, c]` in the precision
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
