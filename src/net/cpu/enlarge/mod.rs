//! Networks that make a picture larger on the CPU: [`crate::net::enlarge`]'s list of convolutions with weights packed once.
//!
//! All go through Winograd's `F(4, 3)`: a convolution reads the maps that it joins where they stand, doubles them while
//! it reads, and writes its result with the slope, the factor and the maps that are added, so that nothing is copied.
//! A map that several convolutions read is transformed once, where that stays in the cache. Maps are kept from picture to
//! picture. Absent: transposed convolutions, which burn's operations do.

mod join;

use std::sync::{Mutex, PoisonError};

use pulp::Simd;

use self::join::Joined;
use super::maps::winograd::{Kept, Winograd};
use super::maps::{Finish, From, Map, lengthened, padded};
use crate::net::enlarge::{Layout, Slope, Step, Up};

/// Maps that a convolution adds at most.
const MOST_ADDED: usize = 2;
/// Maps that a convolution reads at most.
const MOST_READ: usize = 8;
/// Bytes of transformed maps that stay in the cache.
const CACHED: usize = 96 << 20;
/// How much larger a map is when it is transformed.
const GROWTH: f64 = 2.25;

struct Packed {
    step: Step,
    winograd: Winograd,
    bias: Vec<f32>,
    slope: Vec<f32>,
    /// Whether another convolution reads one of its maps too.
    shares: bool,
}

/// A network, packed.
pub struct Enlarger {
    layout: Layout,
    steps: Vec<Packed>,
    /// Bytes of transformed maps for one pixel of the first.
    kept: f64,
    buffers: Mutex<Buffers>,
}

#[derive(Default)]
struct Buffers {
    maps: Vec<Map>,
    /// The maps' transformed tiles.
    kept: Vec<Kept>,
    room: Vec<f32>,
    more: Vec<f32>,
}

/// What follows the sums of one convolution.
struct After<'a> {
    bias: &'a [f32],
    slope: &'a [f32],
    gain: f32,
    plus: &'a [(&'a Map, f32)],
}

impl Finish for After<'_> {
    #[inline(always)]
    fn value<S: Simd>(&self, s: S, sum: S::f32s, pixel: usize, lane: usize) -> S::f32s {
        let at = |values: &[f32], from: usize| S::as_simd_f32s(&values[from..from + S::F32_LANES]).0[0];
        let v = s.add_f32s(sum, at(self.bias, lane));
        let gain = s.splat_f32s(self.gain);
        let mut v = match self.slope.is_empty() {
            true => s.mul_f32s(v, gain),
            false => {
                let lower = s.mul_f32s(v, at(self.slope, lane));
                s.mul_f32s(s.select_f32s(s.greater_than_f32s(v, s.splat_f32s(0.0)), v, lower), gain)
            }
        };
        for (map, factor) in self.plus {
            v = s.mul_add_f32s(at(&map.values, pixel * map.wide + lane), s.splat_f32s(*factor), v);
        }
        v
    }
}

impl Enlarger {
    /// Packs; `arrays` gives one by its name. `None` where a layer is none that is done here.
    pub fn new(layout: &Layout, arrays: impl Fn(&str) -> Vec<f32>) -> Option<Self> {
        let fits =
            |step: &Step| step.up != Up::Transposed && step.plus.len() <= MOST_ADDED && step.from.len() <= MOST_READ;
        if !layout.steps.iter().all(fits) {
            return None;
        }
        let shared = shared(&layout.steps);
        let pack = |(step, shares): (&Step, &bool)| {
            let inputs: Vec<usize> = step.from.iter().map(|(_, channels)| *channels).collect();
            let slope = match step.slope {
                Slope::Linear => Vec::new(),
                Slope::Leaky(slope) => lengthened(&vec![slope; step.outputs]),
                Slope::Learnt => lengthened(&arrays(&format!("{}.slope", step.name))),
            };
            Packed {
                winograd: Winograd::new(&arrays(&format!("{}.kernel", step.name)), &inputs, step.outputs),
                bias: lengthened(&arrays(&format!("{}.bias", step.name))),
                slope,
                step: step.clone(),
                shares: *shares,
            }
        };
        let steps: Vec<Packed> = layout.steps.iter().zip(&shared).map(pack).collect();
        let mut channels: Vec<usize> = Vec::new();
        for (map, count) in steps.iter().filter(|packed| packed.shares).flat_map(|packed| &packed.step.from) {
            channels.resize(channels.len().max(map + 1), 0);
            channels[*map] = channels[*map].max(padded(*count));
        }
        let kept = channels.iter().sum::<usize>() as f64 * 4.0 * GROWTH;
        Some(Self { layout: layout.clone(), steps, kept, buffers: Mutex::default() })
    }

    /// A picture `[h, w, 3]` of 0..255 as `[scale · h, scale · w, 3]` about 0..255, not cut, into `out`. Sides are
    /// multiples of [`Layout::unshuffled`]. `goes_on` is asked between layers; where it says no, `out` holds nothing of
    /// use and `false` is given.
    pub fn run(&self, picture: &[u8], size: [usize; 2], out: &mut Vec<f32>, goes_on: &dyn Fn() -> bool) -> bool {
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let Buffers { maps, kept, room, more } = &mut *buffers;
        let count = self.layout.steps.iter().map(|step| step.to + 1).max().unwrap_or(1);
        maps.resize_with(count, Map::default);
        kept.resize_with(count, Kept::default);
        kept.iter_mut().for_each(Kept::forget);
        join::taken(picture, size, &self.layout, &mut maps[0]);
        let cached = self.kept * (maps[0].h * maps[0].w) as f64 <= CACHED as f64;
        let mut last = 0;
        for packed in &self.steps {
            if !goes_on() {
                return false;
            }
            let step = &packed.step;
            let mut made = std::mem::take(&mut maps[step.to]);
            let maps_of = |list: &[(usize, usize)]| list.iter().map(|(map, _)| &maps[*map]).collect::<Vec<&Map>>();
            let read = maps_of(&step.from);
            let plus: Vec<(&Map, f32)> = step.plus.iter().map(|(map, factor)| (&maps[*map], *factor)).collect();
            let from = From { maps: &read, style: &[], doubled: step.up == Up::Nearest };
            made.shape(from.size(), step.outputs);
            let after = After { bias: &packed.bias, slope: &packed.slope, gain: step.gain, plus: &plus };
            if packed.shares && cached {
                let mut own: Vec<Kept> = step.from.iter().map(|(map, _)| std::mem::take(&mut kept[*map])).collect();
                packed.winograd.by_kept(&from, &mut own, &mut made, &after);
                step.from.iter().zip(own).for_each(|((map, _), own)| kept[*map] = own);
            } else {
                packed.winograd.run(&from, &mut made, &after, room, more);
            }
            maps[step.to] = made;
            kept[step.to].forget();
            last = step.to;
        }
        let added = self.layout.added.then_some(picture);
        join::given(&maps[last], &Joined { layout: &self.layout, added, size }, out);
        true
    }

    /// What it does, for people.
    pub fn way(&self) -> String {
        format!("{} winograd 4", self.steps.len())
    }
}

/// Which convolutions read a map that another one reads too, before it is made anew. One that doubles what it reads has
/// tiles of its own.
fn shared(steps: &[Step]) -> Vec<bool> {
    let mut shared = vec![false; steps.len()];
    for (at, step) in steps.iter().enumerate().filter(|(_, step)| step.up == Up::No) {
        for (map, _) in &step.from {
            let until = steps[at..].iter().position(|later| later.to == *map).map_or(steps.len(), |more| at + more);
            let other = (at + 1..=until.min(steps.len() - 1))
                .find(|other| steps[*other].up == Up::No && steps[*other].from.iter().any(|(read, _)| read == map));
            if let Some(other) = other {
                (shared[at], shared[other]) = (true, true);
            }
        }
    }
    shared
}

#[cfg(test)]
mod tests;
