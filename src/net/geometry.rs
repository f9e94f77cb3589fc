//! Sizes of a convolution and of the one it transposes: strides, padding, and the window of a transposed one.
//!
//! Asked by every way to make a convolution; knows no values.

use serde::{Deserialize, Serialize};

/// Pixels beyond the edge that count as zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Padding {
    /// As TensorFlow pads: the narrow side is `ceil(wide / stride)`, and the odd pixel goes after.
    #[default]
    Same,
    /// As PyTorch pads: so many on every side.
    Pixels(usize),
}

/// How padding stands in a file: "same", or a number.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Word {
    Pixels(usize),
    Name(String),
}

impl Serialize for Padding {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Same => Word::Name("same".into()).serialize(to),
            Self::Pixels(pixels) => Word::Pixels(*pixels).serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Padding {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Word::deserialize(from)? {
            Word::Pixels(pixels) => Ok(Self::Pixels(pixels)),
            Word::Name(name) if name == "same" => Ok(Self::Same),
            Word::Name(name) => Err(serde::de::Error::custom(format!("padding \"{name}\"; \"same\" or a number"))),
        }
    }
}

/// Sizes of one convolution; all weights are `[k, k, c, o]`.
///
/// The wide side is `[n, h, w, c]`, the narrow side `[n, oh, ow, o]`. A transposed convolution has the narrow side as
/// its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Height of the wide side.
    pub h: usize,
    /// Width of the wide side.
    pub w: usize,
    /// Channels of the wide side.
    pub c: usize,
    /// Channels of the narrow side.
    pub o: usize,
    /// Side of the square kernel.
    pub k: usize,
    /// Pixels of the wide side from one window to the next, in both directions.
    pub stride: usize,
    /// Pixels beyond the edges of the wide side.
    pub padding: Padding,
}

impl Geometry {
    /// A convolution with TensorFlow's SAME padding.
    pub fn same([h, w, c]: [usize; 3], o: usize, k: usize, stride: usize) -> Self {
        Self { h, w, c, o, k, stride, padding: Padding::Same }
    }

    fn narrow(&self, wide: usize) -> usize {
        match self.padding {
            Padding::Same => wide.div_ceil(self.stride),
            Padding::Pixels(pixels) => (wide + 2 * pixels).saturating_sub(self.k) / self.stride + 1,
        }
    }

    /// Height of the narrow side.
    pub fn oh(&self) -> usize {
        self.narrow(self.h)
    }

    /// Width of the narrow side.
    pub fn ow(&self) -> usize {
        self.narrow(self.w)
    }

    /// Padding before the first row and after the last. Rows that no window reaches have none after them.
    pub fn pad(&self, wide: usize) -> (usize, usize) {
        let reach = (self.narrow(wide) - 1) * self.stride + self.k;
        match self.padding {
            Padding::Same => {
                let total = reach.saturating_sub(wide);
                (total / 2, total - total / 2)
            }
            Padding::Pixels(pixels) => (pixels, reach.saturating_sub(wide + pixels)),
        }
    }

    /// Length of one unfolded row: k · k · c.
    pub fn patch(&self) -> usize {
        self.k * self.k * self.c
    }

    /// Taps of the window through which all four phases of the output look, if the transposed convolution is one at
    /// stride 1 with four times the channels and a pixel shuffle; the window is odd and has its pixel in the middle.
    ///
    /// Kernels of 4, 5 and 6 look through 3 × 3 (each phase of a kernel of 4 through 2 × 2 of them), one of 10 through
    /// 5 × 5.
    pub fn window(&self) -> Option<usize> {
        let (top, left) = (self.pad(self.h).0, self.pad(self.w).0);
        let doubled = self.h == 2 * self.oh() && self.w == 2 * self.ow();
        if self.stride != 2 || !doubled || top != left || self.k < 2 {
            return None;
        }
        // Output pixel 2i + r takes input pixel i + d with kernel row r + top − 2d.
        let (before, after) = ((self.k as isize - 1 - top as isize).max(0) as usize / 2, top.div_ceil(2));
        Some(2 * before.max(after) + 1)
    }

    /// Whether every tap of the window has a weight in each phase.
    pub fn fills_window(&self) -> bool {
        self.window().is_some_and(|t| 2 * t == self.k)
    }

    /// The row of the kernel (or its column) that phase 0 or 1 has at row `tap` of a window of `t`; none where that
    /// phase looks through fewer taps.
    pub fn kernel_row(&self, phase: usize, tap: usize, t: usize) -> Option<usize> {
        let row = (phase + self.pad(self.h).0 + t - 1).checked_sub(2 * tap)?;
        (row < self.k).then_some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(wide: usize, k: usize, stride: usize) -> Geometry {
        Geometry::same([wide, wide, 1], 1, k, stride)
    }

    fn torch(wide: usize, k: usize, stride: usize, pixels: usize) -> Geometry {
        Geometry { padding: Padding::Pixels(pixels), ..same(wide, k, stride) }
    }

    #[test]
    fn same_padding_puts_the_odd_one_after() {
        let pad = |k, wide| same(wide, k, 2).pad(wide);
        assert_eq!((pad(3, 128), pad(5, 128), pad(6, 16), pad(10, 16)), ((0, 1), (1, 2), (2, 2), (4, 4)));
    }

    #[test]
    fn pixels_are_those_of_pytorch() {
        // Of the lesson's discriminator: 28, 14, 7, 3, 1.
        assert_eq!([28, 14, 7].map(|wide| torch(wide, 4, 2, 1).oh()), [14, 7, 3]);
        assert_eq!((torch(3, 4, 2, 1).oh(), torch(4, 4, 1, 0).oh()), (1, 1));
        assert_eq!((torch(64, 4, 2, 1).pad(64), torch(7, 4, 2, 1).pad(7)), ((1, 1), (1, 0)));
    }

    #[test]
    fn every_tap_of_a_kernel_is_in_one_phase() {
        for (g, t) in [
            (same(16, 6, 2), 3),
            (same(16, 10, 2), 5),
            (same(16, 4, 2), 3),
            (torch(16, 4, 2, 1), 3),
            (same(16, 5, 2), 3),
            (same(16, 3, 2), 3),
            (same(16, 2, 2), 1),
        ] {
            assert_eq!(g.window(), Some(t), "{g:?}");
            let mut rows: Vec<usize> =
                (0..2).flat_map(|phase| (0..t).filter_map(move |tap| g.kernel_row(phase, tap, t))).collect();
            rows.sort_unstable();
            assert_eq!(rows, (0..g.k).collect::<Vec<_>>(), "{g:?}");
            assert_eq!(g.fills_window(), g.k == 2 * t, "{g:?}");
        }
        for g in [same(15, 6, 2), same(16, 6, 1), torch(15, 3, 2, 0), same(16, 1, 2)] {
            assert_eq!(g.window(), None, "{g:?}");
        }
    }
}
