//! Maps of one picture on the CPU, `[h, w, wide]` with channels rounded up to [`LANES`], and their 3 × 3 convolutions.
//!
//! Shared by [`super::synthesis`] and [`super::enlarge`]: what follows the sums of a layer is theirs ([`Finish`]).
//! No sum depends on the number of threads.

pub mod winograd;

use pulp::Simd;

/// Channels are rounded up to so many.
pub const LANES: usize = 16;

/// Channels, rounded up.
pub fn padded(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// With zeros behind, up to whole lanes.
pub fn lengthened(values: &[f32]) -> Vec<f32> {
    let mut out = values.to_vec();
    out.resize(padded(values.len()), 0.0);
    out
}

/// A map of some channels, `[h, w, wide]`.
#[derive(Default)]
pub struct Map {
    /// Height.
    pub h: usize,
    /// Width.
    pub w: usize,
    /// Channels, of which [`Self::wide`] is the padded number.
    pub channels: usize,
    /// Numbers of a pixel.
    pub wide: usize,
    /// The numbers.
    pub values: Vec<f32>,
}

impl Map {
    /// Makes room for another size.
    pub fn shape(&mut self, [h, w]: [usize; 2], channels: usize) {
        (self.h, self.w, self.channels, self.wide) = (h, w, channels, padded(channels));
        self.values.resize(h * w * self.wide, 0.0);
    }
}

/// What a convolution reads: maps of one size, one behind the other.
#[derive(Clone, Copy)]
pub struct From<'a> {
    /// The maps.
    pub maps: &'a [&'a Map],
    /// A factor for each channel of them, `[wide]` of all; none where it is empty.
    pub style: &'a [f32],
    /// Whether each pixel stands four times.
    pub doubled: bool,
}

impl From<'_> {
    /// Height and width as they are read.
    pub fn size(&self) -> [usize; 2] {
        let shift = usize::from(self.doubled);
        self.maps.first().map_or([0, 0], |map| [map.h << shift, map.w << shift])
    }
}

/// What follows the sums of a convolution.
pub trait Finish: Sync {
    /// The value of channels from `lane` on at a pixel (its number in the map).
    fn value<S: Simd>(&self, s: S, sum: S::f32s, pixel: usize, lane: usize) -> S::f32s;
}
