//! How values lie in memory for the CPU's fast paths: rows of 32 channels, planes of pixels.
//!
//! [`super::prepared`] keeps its maps like this, [`super::kernel_gradient`] brings them here for one call.
//! A map of c channels is ⌈c / 32⌉ blocks; of each block there is one plane a picture, and a plane
//! is a picture's pixels with a border of zeros, each pixel one [`Row`]. Channels past c are zero.
//! Neither a convolution nor a transform has to look at an edge that way: the border is written
//! once, when the buffer is made, and never again.

use std::cell::RefCell;

use rayon::prelude::*;

/// Channels in a row: two registers of AVX-512, and two lines of the cache.
pub const WIDE: usize = 32;

/// The values of 32 channels, where a vector load never straddles two lines of the cache.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Row(pub [f32; WIDE]);

impl Row {
    /// All zeros.
    pub const ZERO: Self = Self([0.0; WIDE]);
}

/// `len` rows of zeros. Memory that is touched for the first time is slow, so both cores do it.
pub fn zeros(len: usize) -> Vec<Row> {
    (0..len).into_par_iter().with_min_len(1 << 13).map(|_| Row::ZERO).collect()
}

/// Values of channels, one each, in blocks.
pub fn channels(values: &[f32]) -> Vec<Row> {
    let row = |part: &[f32]| {
        let mut row = Row::ZERO;
        row.0[..part.len()].copy_from_slice(part);
        row
    };
    values.chunks(WIDE).map(row).collect()
}

/// Blocks that `channels` take.
pub const fn blocks(channels: usize) -> usize {
    channels.div_ceil(WIDE)
}

/// Where the pixels of a picture stand in a plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plane {
    /// Height and width of the picture.
    pub h: usize,
    pub w: usize,
    /// Lines of zeros above the picture, and columns before it.
    pub top: usize,
    pub left: usize,
    /// Height and width of the plane.
    pub tall: usize,
    pub wide: usize,
}

impl Plane {
    /// A plane without a border.
    pub fn bare(h: usize, w: usize) -> Self {
        Self { h, w, top: 0, left: 0, tall: h, wide: w }
    }

    /// A plane through which a window of `t` × `t` taps moves in steps of `m` until the picture is
    /// covered.
    pub fn windowed(h: usize, w: usize, t: usize, m: usize) -> Self {
        let side = |s: usize| s.next_multiple_of(m) + t - 1;
        let pad = (t - 1) / 2;
        Self { h, w, top: pad, left: pad, tall: side(h), wide: side(w) }
    }

    /// Rows in a plane.
    pub fn len(&self) -> usize {
        self.tall * self.wide
    }

    /// Where pixel (y, x) stands.
    pub fn at(&self, y: usize, x: usize) -> usize {
        (y + self.top) * self.wide + x + self.left
    }

    /// The lines of the plane that hold pixels.
    pub fn inside(&self) -> std::ops::Range<usize> {
        self.top * self.wide..(self.top + self.h) * self.wide
    }
}

/// Copies `[n, h, w, c]` into planes.
pub fn scatter(values: &[f32], channels: usize, plane: &Plane, rows: &mut [Row]) {
    let each = plane.h * plane.w * channels;
    let n = values.len() / each;
    rows[..blocks(channels) * n * plane.len()].par_chunks_mut(plane.len()).enumerate().for_each(|(i, rows)| {
        let (block, picture) = (i / n * WIDE, i % n);
        let part = block..channels.min(block + WIDE);
        let lines = values[picture * each..(picture + 1) * each].chunks_exact(plane.w * channels);
        for (y, line) in lines.enumerate() {
            let rows = &mut rows[plane.at(y, 0)..][..plane.w];
            for (row, pixel) in rows.iter_mut().zip(line.chunks_exact(channels)) {
                row.0[..part.len()].copy_from_slice(&pixel[part.clone()]);
            }
        }
    });
}

/// The reverse of [`scatter`]: `[n, h, w, c]`.
pub fn gather(rows: &[Row], pictures: usize, channels: usize, plane: &Plane) -> Vec<f32> {
    let mut values = vec![0.0; pictures * plane.h * plane.w * channels];
    for (at, pixel) in values.chunks_exact_mut(channels).enumerate() {
        let (n, y, x) = (at / (plane.h * plane.w), at / plane.w % plane.h, at % plane.w);
        for (block, part) in pixel.chunks_mut(WIDE).enumerate() {
            let row = &rows[(block * pictures + n) * plane.len() + plane.at(y, x)];
            part.copy_from_slice(&row.0[..part.len()]);
        }
    }
    values
}

thread_local! {
    static SCRATCH: RefCell<Vec<Row>> = const { RefCell::new(Vec::new()) };
}

/// Lends `len` rows with arbitrary contents, kept by the thread for the next call.
pub fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [Row]) -> R) -> R {
    let mut buffer = SCRATCH.with(RefCell::take);
    if buffer.len() < len {
        buffer.resize(len, Row::ZERO);
    }
    let result = work(&mut buffer[..len]);
    SCRATCH.with(|kept| kept.replace(buffer));
    result
}
