//! The synthesis of a StyleGAN2 on the CPU: styles and planes of noise → a picture, with weights packed once.
//!
//! A map is `[h, w, wide]`, its channels rounded up to [`LANES`]. A layer scales its input, convolves, and scales what
//! comes out, so that its kernel is the same for every picture; the scaling is done where numbers are read and written
//! anyway. Kernels of 3 × 3 go through Winograd's `F(4, 3)` where the map is large enough ([`super::maps`]), a doubling is a
//! matrix product and a filter ([`doubling`]). Maps are kept from picture to picture, so nothing is allocated in a loop.
//! No sum depends on the number of threads. Absent: where styles and noise come from (`net::styled`), residual blocks.

mod direct;
mod doubling;
mod picture;

use std::sync::{Mutex, PoisonError};

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use self::direct::Direct;
use self::doubling::Doubling;
pub use self::picture::twice as doubled;
pub use super::maps::Map;
use super::maps::winograd::Winograd;
use super::maps::{Finish, From, lengthened, padded};

/// Maps of at least so many lines and columns go through Winograd's transform.
const LARGE: usize = 16;

/// One layer in plain numbers.
pub struct Layer {
    /// `[3, 3, in, out]`; of one that doubles, as the transposed convolution has it.
    pub kernel: Vec<f32>,
    /// `[out]`.
    pub bias: Vec<f32>,
    /// Whether it doubles.
    pub up: bool,
}

/// One block in plain numbers.
pub struct Block {
    /// Its convolutions.
    pub layers: Vec<Layer>,
    /// What makes its picture: `[in, channels]` and `[channels]`.
    pub picture: Option<(Vec<f32>, Vec<f32>)>,
}

/// The network in plain numbers.
pub struct Plain {
    /// The first map, `[h, w, channels]`.
    pub first: Vec<f32>,
    /// Its height and width.
    pub size: [usize; 2],
    /// The coarsest first.
    pub blocks: Vec<Block>,
    /// Channels of a picture.
    pub channels: usize,
    /// Slope below zero, and the factor behind it.
    pub slope: f32,
    /// That factor.
    pub gain: f32,
    /// Values are kept within ± this.
    pub clamp: Option<f32>,
}

/// What one layer is given for one picture.
#[derive(Default)]
pub struct Styled<'a> {
    /// Factors of what goes in, `[in]`.
    pub style: Vec<f32>,
    /// Factors of what comes out, `[out]`; none for a picture.
    pub factor: Vec<f32>,
    /// Noise that is added, `[h · w]`, if there is some.
    pub noise: &'a [f32],
}

/// What follows the sums of a layer, for each channel and pixel.
struct After<'a> {
    factor: &'a [f32],
    bias: &'a [f32],
    noise: &'a [f32],
    slope: f32,
    gain: f32,
    clamp: f32,
}

enum Way {
    Direct(Direct),
    Winograd(Box<Winograd>),
    Doubling(Doubling),
}

struct PackedLayer {
    way: Way,
    inputs: usize,
    outputs: usize,
    bias: Vec<f32>,
    up: bool,
}

struct PackedBlock {
    layers: Vec<PackedLayer>,
    picture: Option<(Vec<f32>, Vec<f32>)>,
}

#[derive(Default)]
struct Buffers {
    maps: [Map; 2],
    room: Vec<f32>,
    more: Vec<f32>,
    scaled: Vec<f32>,
    pictures: [Vec<f32>; 2],
}

/// The synthesis, packed.
pub struct Synthesis {
    first: Vec<f32>,
    first_channels: usize,
    size: [usize; 2],
    blocks: Vec<PackedBlock>,
    channels: usize,
    slope: f32,
    gain: f32,
    clamp: Option<f32>,
    buffers: Mutex<Buffers>,
}

impl Synthesis {
    /// Packs.
    pub fn new(plain: &Plain) -> Self {
        let mut size = plain.size;
        let mut inputs = plain.first.len() / (size[0] * size[1]);
        let first_channels = inputs;
        let mut blocks = Vec::new();
        for block in &plain.blocks {
            let mut layers = Vec::new();
            for layer in &block.layers {
                let outputs = layer.bias.len();
                let way = match () {
                    () if layer.up => Way::Doubling(Doubling::new(&layer.kernel, inputs, outputs)),
                    () if size.iter().all(|side| *side >= LARGE) => {
                        Way::Winograd(Box::new(Winograd::new(&layer.kernel, &[inputs], outputs)))
                    }
                    () => Way::Direct(Direct::new(&layer.kernel, inputs, outputs)),
                };
                if layer.up {
                    size = size.map(|side| 2 * side);
                }
                let bias = lengthened(&layer.bias);
                layers.push(PackedLayer { way, inputs, outputs, bias, up: layer.up });
                inputs = outputs;
            }
            blocks.push(PackedBlock { layers, picture: block.picture.clone() });
        }
        Self {
            first: plain.first.clone(),
            first_channels,
            size: plain.size,
            blocks,
            channels: plain.channels,
            slope: plain.slope,
            gain: plain.gain,
            clamp: plain.clamp,
            buffers: Mutex::default(),
        }
    }

    /// Which way each layer takes, for people.
    pub fn ways(&self) -> String {
        let of = |layer: &PackedLayer| match layer.way {
            Way::Direct(_) => "direct",
            Way::Winograd(_) => "winograd 4",
            Way::Doubling(_) => "product and filter",
        };
        let mut list: Vec<(usize, &str)> = Vec::new();
        for name in self.blocks.iter().flat_map(|block| &block.layers).map(of) {
            match list.last_mut().filter(|(_, last)| *last == name) {
                Some((count, _)) => *count += 1,
                None => list.push((1, name)),
            }
        }
        let mut names: Vec<(usize, &str)> = Vec::new();
        for (count, name) in list {
            match names.iter_mut().find(|(_, known)| *known == name) {
                Some((all, _)) => *all += count,
                None => names.push((count, name)),
            }
        }
        names.iter().map(|(count, name)| format!("{count} {name}")).collect::<Vec<String>>().join(", ")
    }

    /// The picture `[h, w, channels]` about −1..1, not cut, of the first `blocks` blocks, handed to `work`. `styled` has
    /// one for each layer and, behind those of its block, for each picture; `bend` may change the map behind a layer,
    /// whose number it is given.
    pub fn draw<R>(
        &self,
        blocks: usize,
        styled: &[Styled<'_>],
        mut bend: impl FnMut(usize, &mut Map),
        work: impl FnOnce(&[f32]) -> R,
    ) -> R {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let Buffers { maps: [map, out], room, more, scaled, pictures: [picture, before] } = &mut *buffers;
        map.shape(self.size, self.first_channels);
        for (to, from) in map.values.chunks_exact_mut(map.wide).zip(self.first.chunks_exact(self.first_channels)) {
            to[..from.len()].copy_from_slice(from);
            to[from.len()..].fill(0.0);
        }
        let (mut styles, mut number, mut seen) = (styled.iter(), 0, false);
        for block in &self.blocks[..blocks.clamp(1, self.blocks.len())] {
            for layer in &block.layers {
                let Some(own) = styles.next() else { break };
                let style = lengthened(&own.style);
                let factor = lengthened(&own.factor);
                let after = After {
                    factor: &factor,
                    bias: &layer.bias,
                    noise: own.noise,
                    slope: self.slope,
                    gain: self.gain,
                    clamp: self.clamp.unwrap_or(f32::INFINITY),
                };
                let size = if layer.up { [2 * map.h, 2 * map.w] } else { [map.h, map.w] };
                debug_assert_eq!(map.channels, layer.inputs);
                out.shape(size, layer.outputs);
                match &layer.way {
                    Way::Direct(direct) => direct.run(map, &style, out, &after, room),
                    Way::Winograd(winograd) => {
                        let from = From { maps: &[map], style: &style, doubled: false };
                        winograd.run(&from, out, &after, room, more);
                    }
                    Way::Doubling(doubling) => doubling.run(map, &style, out, &after, scaled, room),
                }
                std::mem::swap(map, out);
                bend(number, map);
                number += 1;
            }
            let Some((kernel, bias)) = &block.picture else { continue };
            let Some(own) = styles.next() else { break };
            std::mem::swap(picture, before);
            let clamp = self.clamp.unwrap_or(f32::INFINITY);
            let under = seen.then_some(&before[..]);
            picture::made(map, &own.style, kernel, bias, clamp, under, picture);
            seen = true;
        }
        work(if seen { &picture[..map.h * map.w * self.channels] } else { &map.values })
    }
}

impl After<'_> {
    /// Pixels from number `from` on: sums `[pixel, wide]` become values in place.
    fn apply(&self, from: usize, wide: usize, pixels: &mut [f32]) {
        Arch::new().dispatch(Finished { after: self, from, wide, pixels });
    }

    #[inline(always)]
    fn finished<S: Simd>(&self, s: S, sum: S::f32s, factor: S::f32s, bias: S::f32s, noise: S::f32s) -> S::f32s {
        let v = s.mul_add_e_f32s(sum, factor, s.add_f32s(bias, noise));
        let v = s.select_f32s(
            s.greater_than_f32s(v, s.splat_f32s(0.0)),
            s.mul_f32s(v, s.splat_f32s(self.gain)),
            s.mul_f32s(v, s.splat_f32s(self.gain * self.slope)),
        );
        match self.clamp.is_finite() {
            true => s.max_f32s(s.min_f32s(v, s.splat_f32s(self.clamp)), s.splat_f32s(-self.clamp)),
            false => v,
        }
    }

    fn noise(&self, pixel: usize) -> f32 {
        self.noise.get(pixel).copied().unwrap_or(0.0)
    }
}

impl Finish for After<'_> {
    #[inline(always)]
    fn value<S: Simd>(&self, s: S, sum: S::f32s, pixel: usize, lane: usize) -> S::f32s {
        let factor = S::as_simd_f32s(&self.factor[lane..lane + S::F32_LANES]).0[0];
        let bias = S::as_simd_f32s(&self.bias[lane..lane + S::F32_LANES]).0[0];
        self.finished(s, sum, factor, bias, s.splat_f32s(self.noise(pixel)))
    }
}

struct Finished<'a> {
    after: &'a After<'a>,
    from: usize,
    wide: usize,
    pixels: &'a mut [f32],
}

impl WithSimd for Finished<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { after, from, wide, pixels } = self;
        let factor = S::as_simd_f32s(&after.factor[..wide]).0;
        let bias = S::as_simd_f32s(&after.bias[..wide]).0;
        for (at, pixel) in pixels.chunks_exact_mut(wide).enumerate() {
            let noise = s.splat_f32s(after.noise(from + at));
            let lanes = S::as_mut_simd_f32s(pixel).0.iter_mut().zip(factor).zip(bias);
            for ((v, factor), bias) in lanes {
                *v = after.finished(s, *v, *factor, *bias, noise);
            }
        }
    }
}

/// `to = from · style`, pixel by pixel.
fn scale(from: &[f32], style: &[f32], to: &mut Vec<f32>) {
    to.resize(from.len(), 0.0);
    let line = style.len() * 256;
    to.par_chunks_mut(line).zip(from.par_chunks(line)).for_each(|(to, from)| {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (to, from) in to.chunks_exact_mut(style.len()).zip(from.chunks_exact(style.len())) {
                    for ((to, from), style) in to.iter_mut().zip(from).zip(style) {
                        *to = from * style;
                    }
                }
            },
        );
    });
}

#[cfg(test)]
mod tests;
