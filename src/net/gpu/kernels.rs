//! Kernels of ours for graphics cards, in CubeCL: the matrix product of a layer, and what stands around it.
//!
//! Sizes are constants of a kernel, of which there is one for each stage, so that dividing by them is cheap. Arrays
//! lie in rows without gaps. Launched by [`super::layer`], which says what the arrays are.

use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// Rows and columns of a tile, which a cube of [`UNITS`] threads computes: 8 × 8 of it each.
pub const TILE: usize = 64;
/// Threads of a cube of [`product_kernel`].
pub const UNITS: usize = 64;
/// Rows of weights that are multiplied before the next are fetched.
pub const CHUNK: usize = 16;

/// Where the pixel of that number lies in maps `[n, h, w]`: the first row of its map, counted through all, then row and
/// column.
#[cube]
fn place(pixel: usize, #[comptime] h: usize, #[comptime] w: usize) -> (usize, usize, usize) {
    let line = pixel / w;
    (line / h * h, line % h, pixel % w)
}

/// The pixel that a tap of the window of (`row`, `column`) sees, and whether it is inside of its map, which begins at
/// `map`.
#[cube]
fn seen(
    tap: usize,
    map: usize,
    row: usize,
    column: usize,
    #[comptime] h: usize,
    #[comptime] w: usize,
    #[comptime] t: usize,
) -> (usize, bool) {
    let pad = comptime!((t - 1) / 2);
    let (y, x) = (row + tap / t, column + tap % t);
    let inside = y >= pad && y < h + pad && x >= pad && x < w + pad;
    ((map + y - pad) * w + x - pad, inside)
}

/// A layer's products: each row of `x`'s windows (t × t pixels of `channels` · 4, the map `[n, h, w]`; t is 1 where there
/// is no window) with every column of `weights` `[t · t · channels · 4, columns · 4]`.
///
/// A cube takes a tile and a part of the depth, `chunks` times [`CHUNK`] of it, because the few tiles of a small map
/// would leave most of a card idle: `parts` `[depth's parts, rows, columns · 4]` are added up by the kernel that
/// follows. What is fetched next is on its way while the last is multiplied.
#[cube(launch)]
pub fn product_kernel<E: Numeric>(
    x: &Tensor<Vector<E, Const<4>>>,
    weights: &Tensor<Vector<E, Const<4>>>,
    parts: &mut Tensor<Vector<f32, Const<4>>>,
    rows: usize,
    chunks: usize,
    #[comptime] h: usize,
    #[comptime] w: usize,
    #[comptime] t: usize,
    #[comptime] channels: usize,
    #[comptime] columns: usize,
    #[define(E)] _element: ElemType,
) {
    let depth = comptime!(t * t * channels);
    let unit = UNIT_POS as usize;
    let part = CUBE_POS_Z as usize;
    let (first_row, first_column) = (CUBE_POS_X as usize * TILE, CUBE_POS_Y as usize * comptime!(TILE / 4));
    let first = part * chunks;
    let last = clamp_max(first + chunks, comptime!((depth * 4).div_ceil(CHUNK)));

    // By four along the depth, a row of the tile after the other.
    let mut left = Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(CHUNK / 4 * TILE));
    // By four along the columns, a row of weights after the other.
    let mut right = Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(CHUNK * TILE / 4));
    let mut next_left = Array::<Vector<f32, Const<4>>>::new(4usize);
    let mut next_right = Array::<Vector<f32, Const<4>>>::new(4usize);
    let mut sums = Array::<Vector<f32, Const<4>>>::new(16usize);
    #[unroll]
    for i in 0..16usize {
        sums[i] = Vector::<f32, Const<4>>::new(0.0);
    }

    // The pixel whose window this thread fetches, and the columns it fetches.
    let pixel = first_row + unit;
    let (map, row, column) = place(pixel, h, w);
    let (fetched_row, fetched_column) = (unit / comptime!(TILE / 4), unit % comptime!(TILE / 4));
    let (across, down) = (unit % 8, unit / 8);

    for step in first..last + 1 {
        if step > first {
            #[unroll]
            for i in 0..4usize {
                left[i * TILE + unit] = next_left[i];
                right[(fetched_row + 4 * i) * comptime!(TILE / 4) + fetched_column] = next_right[i];
            }
        }
        sync_cube();
        if step < last {
            // Where channels fill whole chunks, all of one lies in the same pixel, which is looked for once.
            let whole = comptime!(channels.is_multiple_of(CHUNK / 4));
            let begins = step * comptime!(CHUNK / 4);
            let (from, inside) = seen(begins / channels, map, row, column, h, w, t);
            #[unroll]
            for i in 0..4usize {
                let at = begins + i;
                let mut value = Vector::<f32, Const<4>>::new(0.0);
                if comptime!(whole) {
                    if inside && pixel < rows {
                        value = Vector::<f32, Const<4>>::cast_from(x[from * channels + begins % channels + i]);
                    }
                } else {
                    let (from, inside) = seen(at / channels, map, row, column, h, w, t);
                    if inside && pixel < rows && at < depth {
                        value = Vector::<f32, Const<4>>::cast_from(x[from * channels + at % channels]);
                    }
                }
                next_left[i] = value;
                let (deep, wide) = (step * CHUNK + fetched_row + 4 * i, first_column + fetched_column);
                let mut value = Vector::<f32, Const<4>>::new(0.0);
                if deep < comptime!(depth * 4) && wide < columns {
                    value = Vector::<f32, Const<4>>::cast_from(weights[deep * columns + wide]);
                }
                next_right[i] = value;
            }
        }
        if step > first {
            #[unroll]
            for four in 0..4usize {
                let mut factors = Array::<Vector<f32, Const<4>>>::new(8usize);
                #[unroll]
                for i in 0..8usize {
                    factors[i] = left[four * TILE + down + 8 * i];
                }
                #[unroll]
                for one in 0..4usize {
                    let at = (four * 4 + one) * comptime!(TILE / 4) + across;
                    let (near, far) = (right[at], right[at + 8]);
                    #[unroll]
                    for i in 0..8usize {
                        let factor = Vector::<f32, Const<4>>::new(factors[i].extract(one));
                        sums[2 * i] += near * factor;
                        sums[2 * i + 1] += far * factor;
                    }
                }
            }
        }
        sync_cube();
    }

    #[unroll]
    for i in 0..8usize {
        let line = first_row + down + 8 * i;
        #[unroll]
        for j in 0..2usize {
            let wide = first_column + across + 8 * j;
            if line < rows && wide < columns {
                parts[(part * rows + line) * columns + wide] = sums[2 * i + j];
            }
        }
    }
}

/// Lays the window of every pixel in a row; what is outside of the map is 0.
#[cube(launch)]
pub fn lay_kernel<E: Numeric, N: Size>(
    x: &Tensor<Vector<E, N>>,
    out: &mut Tensor<Vector<E, N>>,
    #[comptime] h: usize,
    #[comptime] w: usize,
    #[comptime] t: usize,
    #[comptime] channels: usize,
    #[define(E)] _element: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let channel = ABSOLUTE_POS % channels;
    let tap = (ABSOLUTE_POS / channels) % (t * t);
    let (map, row, column) = place(ABSOLUTE_POS / (channels * t * t), h, w);
    let (from, inside) = seen(tap, map, row, column, h, w, t);
    let mut value = Vector::<E, N>::new(E::from_int(0));
    if inside {
        value = x[from * channels + channel];
    }
    out[ABSOLUTE_POS] = value;
}

/// The sum of `parts` products that stand `apart`, bias and activation; with `shuffle` rows of 2 × 2 pixels go to
/// their places in a map twice as large.
#[cube(launch)]
pub fn finish_kernel<B: Numeric, E: Numeric, N: Size>(
    products: &Tensor<Vector<f32, N>>,
    bias: &Tensor<Vector<B, N>>,
    out: &mut Tensor<Vector<E, N>>,
    negative_slope: f32,
    apart: usize,
    parts: usize,
    #[comptime] h: usize,
    #[comptime] w: usize,
    #[comptime] channels: usize,
    #[comptime] shuffle: bool,
    #[comptime] tanh: bool,
    #[define(B, E)] _elements: [ElemType; 2],
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let channel = ABSOLUTE_POS % channels;
    let mut at = ABSOLUTE_POS;
    if comptime!(shuffle) {
        let (map, row, column) = place(ABSOLUTE_POS / channels, comptime!(2 * h), comptime!(2 * w));
        let from = ((map + row) / 2) * w + column / 2;
        at = (from * 4 + row % 2 * 2 + column % 2) * channels + channel;
    }
    let mut sum = Vector::<f32, N>::cast_from(bias[channel]);
    for part in 0..parts {
        sum += products[part * apart + at];
    }
    let mut value = max(sum, sum * Vector::<f32, N>::new(negative_slope));
    if comptime!(tanh) {
        value = sum.tanh();
    }
    out[ABSOLUTE_POS] = Vector::<E, N>::cast_from(value);
}

/// The sum of what the t × t pixels around give to one channel of an output pixel, in `parts` that stand `apart`.
#[cube]
fn gathered(
    products: &Tensor<f32>,
    apart: usize,
    pixel: usize,
    channel: usize,
    parts: usize,
    #[comptime] h: usize,
    #[comptime] w: usize,
    #[comptime] t: usize,
    #[comptime] channels: usize,
) -> f32 {
    let (map, row, column) = place(pixel, comptime!(2 * h), comptime!(2 * w));
    let phase = row % 2 * 2 + column % 2;
    let mut sum = f32::new(0.0);
    for tap in 0..comptime!(t * t) {
        let (from, inside) = seen(tap, map / 2, row / 2, column / 2, h, w, t);
        if inside {
            let at = ((from * (t * t) + tap) * 4 + phase) * channels + channel;
            for part in 0..parts {
                sum += products[part * apart + at];
            }
        }
    }
    sum
}

/// Adds up what pixels gave to each other; then bias and activation.
#[cube(launch)]
pub fn add_kernel<B: Numeric, E: Numeric>(
    products: &Tensor<f32>,
    bias: &Tensor<B>,
    out: &mut Tensor<E>,
    negative_slope: f32,
    apart: usize,
    parts: usize,
    #[comptime] h: usize,
    #[comptime] w: usize,
    #[comptime] t: usize,
    #[comptime] channels: usize,
    #[comptime] tanh: bool,
    #[define(B, E)] _elements: [ElemType; 2],
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let channel = ABSOLUTE_POS % channels;
    let pixel = ABSOLUTE_POS / channels;
    let sum = gathered(products, apart, pixel, channel, parts, h, w, t, channels) + f32::cast_from(bias[channel]);
    let mut value = max(sum, sum * negative_slope);
    if comptime!(tanh) {
        value = sum.tanh();
    }
    out[ABSOLUTE_POS] = E::cast_from(value);
}

/// The same for a last layer: tanh, levels of a byte, and all channels of a pixel in one number, the first lowest.
#[cube(launch)]
pub fn pixels_kernel<B: Numeric>(
    products: &Tensor<f32>,
    bias: &Tensor<B>,
    out: &mut Tensor<u32>,
    apart: usize,
    parts: usize,
    #[comptime] h: usize,
    #[comptime] w: usize,
    #[comptime] t: usize,
    #[comptime] channels: usize,
    #[define(B)] _element: ElemType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let mut word = 0u32.runtime();
    #[unroll]
    for channel in 0..channels {
        let sum =
            gathered(products, apart, ABSOLUTE_POS, channel, parts, h, w, t, channels) + f32::cast_from(bias[channel]);
        let level = (sum.tanh() + 1.0) * 127.5;
        word |= u32::cast_from(clamp(level, 0.0, 255.0)) << (8 * channel as u32);
    }
    out[ABSOLUTE_POS] = word;
}
