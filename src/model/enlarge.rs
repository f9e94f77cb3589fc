//! A network that makes pictures larger, on a device: pictures in one piece, and large ones from tiles.
//!
//! Read from a model folder; asked by `filter` (a show) and by `cli` (stills, folders, films). Tiles reach into each
//! other: what lies beyond a tile's edge is zeros for the network, so its outermost pixels are left out, and over the next
//! ones a tile fades into its neighbour. Memory is bounded by a line of tiles. Absent: files.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use super::arrays::Incoming;
use super::{Card, ModelError, WEIGHTS, folder};
use crate::net::arch::Arch;
use crate::net::cpu::enlarge::Enlarger;
use crate::net::enlarge::{CHANNELS, Layout, Up};
use crate::net::ops;
use crate::net::params::{Param, Params, floats};
use crate::picture::Picture;

/// Bytes of maps that one piece may take.
const PIECE: usize = 512 << 20;
/// Shortest side of a tile.
const SHORTEST: usize = 16;
/// Numbers that are made bytes by one task.
const CHUNK: usize = 1 << 16;

/// The network.
pub struct Enlarge {
    layout: Layout,
    way: Way,
}

enum Way {
    Cpu(Box<Enlarger>),
    Burn(Params, Device),
}

/// How a large picture is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Pixels of a tile in each direction.
    pub side: usize,
    /// Pixels that it sees of its neighbours at each edge.
    pub overlap: usize,
}

/// Why a picture was not made larger.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to end.
    Stopped,
    /// Something failed, in a sentence.
    Failed(String),
}

/// Who takes lines of pictures that are made; an error ends the work.
pub type Take<'a> = &'a mut dyn FnMut(&[Vec<u8>]) -> Result<(), String>;

impl Enlarge {
    /// Reads the network of that name or path.
    ///
    /// # Errors
    /// If there is none, or it is a model of another kind.
    pub fn read(name: &str, device: &Device) -> Result<Self, ModelError> {
        let path = folder(name);
        let card = Card::read(&path)?;
        let params = Incoming::open(&path.join(WEIGHTS))?.shown(&card.arch.generator_plans(), device)?;
        match Self::of(&card.arch, params, device) {
            Some(found) => Ok(found),
            None => Err(other_kind(&path)),
        }
    }

    /// A network with its arrays; none if it makes nothing larger.
    pub fn of(arch: &Arch, params: Params, device: &Device) -> Option<Self> {
        let layout = arch.enlarger()?;
        let values =
            |name: &str| params.list.iter().find(|own| own.name == name).map(Param::values).unwrap_or_default();
        let packed = if ops::ours(device) { Enlarger::new(&layout, values) } else { None };
        let way = match packed {
            Some(packed) => Way::Cpu(Box::new(packed)),
            None => Way::Burn(params, device.clone()),
        };
        Some(Self { layout, way })
    }

    /// How many times larger pictures become in each direction.
    pub fn scale(&self) -> usize {
        self.layout.scale()
    }

    /// Which way it is done, for people.
    pub fn way(&self) -> String {
        match &self.way {
            Way::Cpu(packed) => packed.way(),
            Way::Burn(..) => "burn's operations".into(),
        }
    }

    /// Pixels of its neighbours that a tile has to see so that nothing changes, at most so many.
    pub fn overlap(&self, most: usize) -> usize {
        // The outer half of them is left out, and each convolution sees one pixel farther.
        (2 * self.layout.steps.len() * self.layout.unshuffled).min(most)
    }

    /// Tiles whose maps fit a fixed part of memory.
    pub fn usual_tiles(&self, overlap: usize) -> Tiles {
        let side = (((PIECE / self.bytes()) as f64).sqrt() as usize).saturating_sub(2 * overlap).max(SHORTEST);
        Tiles { side, overlap }
    }

    /// Whether a picture's maps fit that part of memory.
    pub fn fits(&self, [h, w]: [usize; 2]) -> bool {
        h * w <= PIECE / self.bytes()
    }

    /// Bytes of maps for one pixel of a picture.
    fn bytes(&self) -> usize {
        let mut maps: Vec<usize> = Vec::new();
        let mut larger = 1;
        for step in &self.layout.steps {
            if step.up != Up::No {
                larger *= 4;
            }
            if maps.len() <= step.to {
                maps.resize(step.to + 1, 0);
            }
            maps[step.to] = maps[step.to].max(larger * step.outputs.next_multiple_of(16));
        }
        let square = self.layout.unshuffled * self.layout.unshuffled;
        (4 * maps.iter().sum::<usize>() / square).max(1)
    }

    /// A picture in one piece.
    ///
    /// # Errors
    /// If the device fails, or `goes_on` says no.
    pub fn whole(&self, picture: &Picture, goes_on: &dyn Fn() -> bool) -> Result<Picture, Ended> {
        let (size, scale) = ([picture.height, picture.width], self.scale());
        let mut values = Vec::new();
        self.piece(&picture.pixels, size, &mut values, goes_on)?;
        let mut pixels = vec![0; values.len()];
        self.bytes_of(&values, &mut pixels);
        Ok(Picture { width: picture.width * scale, height: picture.height * scale, pixels })
    }

    /// A picture `[h, w, 3]` in one piece, about 0..255; sides that do not fit are continued and cut off again.
    fn piece(
        &self,
        pixels: &[u8],
        [h, w]: [usize; 2],
        out: &mut Vec<f32>,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<(), Ended> {
        let (step, scale) = (self.layout.unshuffled, self.scale());
        let [tall, long] = [h, w].map(|side| side.next_multiple_of(step));
        if [tall, long] != [h, w] {
            let pixel = |(y, x): (usize, usize)| {
                let at = (y.min(h - 1) * w + x.min(w - 1)) * CHANNELS;
                &pixels[at..at + CHANNELS]
            };
            let places = (0..tall).flat_map(|y| (0..long).map(move |x| (y, x)));
            let continued: Vec<u8> = places.flat_map(pixel).copied().collect();
            let mut whole = Vec::new();
            self.piece(&continued, [tall, long], &mut whole, goes_on)?;
            out.clear();
            for line in whole.chunks_exact(long * scale * CHANNELS).take(h * scale) {
                out.extend_from_slice(&line[..w * scale * CHANNELS]);
            }
            return Ok(());
        }
        match &self.way {
            Way::Cpu(packed) => {
                if !packed.run(pixels, [h, w], out, goes_on) {
                    return Err(Ended::Stopped);
                }
            }
            Way::Burn(params, device) => {
                let values: Vec<f32> = pixels.iter().map(|v| f32::from(*v) / 255.0).collect();
                let x = Tensor::from_data(TensorData::new(values, [1, h, w, CHANNELS]), device);
                *out = floats(self.layout.run(params, x) * 255.0);
                if !goes_on() {
                    return Err(Ended::Stopped);
                }
            }
        }
        match out.len() == h * w * scale * scale * CHANNELS {
            true => Ok(()),
            false => Err(Ended::Failed("the device failed".into())),
        }
    }

    /// Values about 0..255 as bytes: rounded; of a network of 0..255 cut, as its users do.
    fn bytes_of(&self, values: &[f32], bytes: &mut [u8]) {
        let half = if self.layout.brightest == 1.0 { 0.5 } else { 0.0 };
        bytes.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(|(to, from)| {
            to.iter_mut().zip(from).for_each(|(to, v)| *to = (v + half).clamp(0.0, 255.0) as u8);
        });
    }

    /// Pictures of one size from tiles; their lines are handed over from the top, some at a time and as many of each,
    /// `[lines, scale · w, 3]`. `goes_on` is asked all the time, and told how many tiles of how many are done.
    ///
    /// # Errors
    /// If the device or whoever takes the lines fails, or `goes_on` says no.
    pub fn lines(
        &self,
        pictures: &[&Picture],
        tiles: Tiles,
        goes_on: &dyn Fn([usize; 2]) -> bool,
        give: Take,
    ) -> Result<(), Ended> {
        let Some(first) = pictures.first() else { return Ok(()) };
        let ([h, w], scale) = ([first.height, first.width], self.scale());
        // Squares of pixels that become one lie in the same places in each tile.
        let square = self.layout.unshuffled;
        let overlap = tiles.overlap.next_multiple_of(square);
        // Lines of sums of a wide picture fit the same memory.
        let each = w * scale * CHANNELS * size_of::<f32>() * pictures.len();
        let tallest = (PIECE / each / scale).saturating_sub(overlap).max(SHORTEST);
        let down = cuts(h, tiles.side.min(tallest), square);
        let across = cuts(w, tiles.side, square);
        let (count, long) = (down.len() * across.len(), w * scale * CHANNELS);
        // Half of what a tile sees of its neighbour is left out, over the other half they fade.
        let fade = overlap / 2 * scale;
        let (mut all, mut values, mut bytes) = (vec![Vec::new(); pictures.len()], Vec::new(), Vec::new());
        // The first line of the picture that the sums hold.
        let mut top = 0;
        for (row, [y0, y1]) in down.iter().copied().enumerate() {
            let end = if y1 == h { h * scale } else { y1 * scale + fade };
            all.iter_mut().for_each(|sums| sums.resize((end.min(h * scale) - top) * long, 0.0_f32));
            for (column, [x0, x1]) in across.iter().copied().enumerate() {
                let done = row * across.len() + column;
                let [a, b] = [y0.saturating_sub(overlap), (y1 + overlap).min(h)];
                let [c, d] = [x0.saturating_sub(overlap), (x1 + overlap).min(w)];
                let place = Place {
                    rows: [y0 * scale, y1 * scale, a * scale, h * scale],
                    columns: [x0 * scale, x1 * scale, c * scale, w * scale],
                    seen: (d - c) * scale,
                    fade,
                };
                for (picture, sums) in pictures.iter().zip(&mut all) {
                    let mut seen = Vec::with_capacity((b - a) * (d - c) * CHANNELS);
                    for y in a..b {
                        seen.extend_from_slice(&picture.pixels[(y * w + c) * CHANNELS..(y * w + d) * CHANNELS]);
                    }
                    self.piece(&seen, [b - a, d - c], &mut values, &|| goes_on([done, count]))?;
                    place.add(&values, sums, top, long);
                }
            }
            let whole = if y1 == h { h * scale } else { (y1 * scale).saturating_sub(fade).max(top) };
            let ready = (whole - top) * long;
            bytes.resize(pictures.len(), Vec::new());
            for (sums, bytes) in all.iter_mut().zip(&mut bytes) {
                bytes.resize(ready, 0);
                self.bytes_of(&sums[..ready], bytes);
                sums.drain(..ready);
            }
            give(&bytes).map_err(Ended::Failed)?;
            top = whole;
        }
        goes_on([count, count]);
        Ok(())
    }

    /// A picture from tiles.
    ///
    /// # Errors
    /// As [`Self::lines`].
    pub fn tiled(
        &self,
        picture: &Picture,
        tiles: Tiles,
        goes_on: &dyn Fn([usize; 2]) -> bool,
    ) -> Result<Picture, Ended> {
        let mut pixels = Vec::new();
        self.lines(&[picture], tiles, goes_on, &mut |lines| {
            pixels.extend_from_slice(&lines[0]);
            Ok(())
        })?;
        let scale = self.scale();
        Ok(Picture { width: picture.width * scale, height: picture.height * scale, pixels })
    }
}

fn other_kind(path: &Path) -> ModelError {
    let why = "it makes no pictures larger; import a network that does, such as ESRGAN's".into();
    ModelError::Card { path: path.join("model.toml"), why }
}

/// Even parts of a length, none longer than about `most`, that begin at multiples of `step`: their beginnings and ends.
fn cuts(length: usize, most: usize, step: usize) -> Vec<[usize; 2]> {
    let count = length.div_ceil(most.max(step)).max(1);
    let place = |at: usize| if at == count { length } else { length * at / count / step * step };
    (0..count).map(|at| [place(at), place(at + 1)]).filter(|[begin, end]| begin < end).collect()
}

/// Where a tile lies in the large picture: `[own begin, own end, begin of what was seen, side of the picture]`.
struct Place {
    rows: [usize; 4],
    columns: [usize; 4],
    /// Pixels of a line of what was seen.
    seen: usize,
    fade: usize,
}

/// A tile's share at a place: it fades where a neighbour begins or ends, and both shares there are 1 together.
fn share(at: usize, [begin, end, _, side]: [usize; 4], fade: usize) -> f32 {
    let rises = |edge: usize| match fade {
        0 => f32::from(u8::from(at >= edge)),
        _ => ((at as f32 + 0.5 - edge as f32) / (2.0 * fade as f32) + 0.5).clamp(0.0, 1.0),
    };
    let from = if begin == 0 { 1.0 } else { rises(begin) };
    let until = if end == side { 0.0 } else { rises(end) };
    from - until
}

impl Place {
    /// Adds a tile to lines that begin with the picture's line `top`.
    fn add(&self, values: &[f32], sums: &mut [f32], top: usize, long: usize) {
        let reach = |[begin, end, seen, side]: [usize; 4]| {
            [begin.saturating_sub(self.fade).max(seen), (end + self.fade).min(side)]
        };
        let [first, last] = reach(self.columns);
        let shares: Vec<f32> = (first..last).map(|x| share(x, self.columns, self.fade)).collect();
        let [begin, end] = reach(self.rows);
        for y in begin..end {
            let down = share(y, self.rows, self.fade);
            let from = &values[((y - self.rows[2]) * self.seen + first - self.columns[2]) * CHANNELS..];
            let to = &mut sums[(y - top) * long + first * CHANNELS..(y - top) * long + last * CHANNELS];
            let pixels = to.chunks_exact_mut(CHANNELS).zip(from.chunks_exact(CHANNELS)).zip(&shares);
            for ((to, from), share) in pixels {
                to.iter_mut().zip(from).for_each(|(to, v)| *to += v * share * down);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::families::compact::Compact;
    use crate::net::families::rrdb::Rrdb;
    use crate::random::RandomState;

    fn made(arch: &Arch) -> Enlarge {
        let device = Device::flex();
        let params = Params::init(&arch.generator_plans(), &mut RandomState::new(4), &device);
        Enlarge::of(arch, params, &device).unwrap()
    }

    fn picture(width: usize, height: usize) -> Picture {
        let pixels = (0..width * height * 3).map(|v| (v * 97 % 255) as u8).collect();
        Picture { width, height, pixels }
    }

    #[test]
    fn tiles_are_the_whole_picture_where_they_see_enough() {
        // What it makes of a pixel depends on three pixels around it.
        let net = made(&Arch::Compact(Compact { width: 16, layers: 1, scale: 2, ..Compact::default() }));
        for (w, h) in [(50, 37), (1, 1), (100, 2), (3, 41)] {
            let picture = picture(w, h);
            let whole = net.whole(&picture, &|| true).unwrap();
            assert_eq!([whole.width, whole.height], [2 * w, 2 * h]);
            for (side, overlap) in [(16, 8), (20, 12), (7, 9)] {
                let tiled = net.tiled(&picture, Tiles { side, overlap }, &|_| true).unwrap();
                assert_eq!([tiled.width, tiled.height], [2 * w, 2 * h]);
                let worst = tiled.pixels.iter().zip(&whole.pixels).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(worst <= Some(1), "{w}x{h} from tiles of {side}: {worst:?}");
            }
        }
    }

    #[test]
    fn sides_that_do_not_fit_lose_nothing() {
        let arch = Arch::Rrdb(Rrdb { blocks: 1, width: 8, growth: 4, unshuffled: 2, ..Rrdb::default() });
        let made = made(&arch).whole(&picture(7, 5), &|| true).unwrap();
        assert_eq!([made.width, made.height], [14, 10]);
    }

    #[test]
    fn it_ends_when_it_is_asked_to() {
        let net = made(&Arch::Compact(Compact { width: 16, layers: 1, ..Compact::default() }));
        let ended = net.tiled(&picture(40, 40), Tiles { side: 16, overlap: 4 }, &|[done, _]| done < 2);
        assert_eq!(ended, Err(Ended::Stopped));
    }
}
