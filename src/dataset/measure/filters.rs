//! Features of pictures by a fixed network of random filters: no download, the same for every model and machine.
//!
//! A picture is brought to [`SIDE`] x [`SIDE`] in RGB and halved three times. At each of the four scales random kernels
//! of 3 to 7 pixels, of zero mean and unit length, run over it and through a ReLU; at the larger two a second layer runs
//! over what the first one gives. Of every map the mean and the deviation are taken in each of 4 x 4 cells, so that
//! place matters; the cells' mean colours come on top. The two thousand numbers become [`super::DIM`] by a projection.
//! Plain sums in a fixed order, so that features are the same bytes everywhere. Fed by `cli::score` with bytes of
//! pictures; rayon shares out the pictures.

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Rgb};
use rayon::prelude::*;

use super::projection::Projection;
use crate::random::RandomState;

/// Side that pictures are brought to, in pixels.
pub const SIDE: usize = 128;
/// The seed that is used unless something else is said.
pub const SEED: u32 = 1;
/// Cells along a side in which maps are summed up.
const CELLS: usize = 4;
/// Kernels that run beside each other.
const GROUP: usize = 4;
/// Pixels that are summed beside each other.
const RUN: usize = 8;
/// Sides of the kernels at each scale, [`GROUP`] kernels each; at the largest scale those of 7 would take half the time.
const SCALES: [&[usize]; 4] = [&[3, 3, 5], &[3, 5, 7], &[3, 5, 7], &[3, 5]];
/// Scales that have a second layer, and how many groups of kernels it has.
const DEEP: (usize, usize) = (2, 2);
/// Factor by which maps shrink before the second layer.
const SHRINK: usize = 4;

/// Square maps of one size, one after the other.
struct Maps {
    side: usize,
    values: Vec<f32>,
}

/// [`GROUP`] kernels of one size.
struct Kernels {
    side: usize,
    inputs: usize,
    /// `[inputs, side, side, GROUP]`.
    weights: Vec<f32>,
    bias: [f32; GROUP],
}

/// The network.
pub struct Filters {
    /// The first layer of each scale.
    first: Vec<Vec<Kernels>>,
    /// The second one of the first scales.
    second: Vec<Vec<Kernels>>,
    projection: Projection,
}

impl Filters {
    /// The network of a seed.
    pub fn new(seed: u32) -> Self {
        let mut random = RandomState::new(seed);
        let mut layer = |inputs: usize, sides: &[usize]| -> Vec<Kernels> {
            sides.iter().map(|side| Kernels::new(*side, inputs, &mut random)).collect()
        };
        let first: Vec<Vec<Kernels>> = SCALES.iter().map(|sides| layer(3, sides)).collect();
        let deep = |sides: &&[usize]| layer(sides.len() * GROUP, &[3; DEEP.1]);
        let second: Vec<Vec<Kernels>> = SCALES[..DEEP.0].iter().map(deep).collect();
        let maps = [&first, &second].into_iter().flatten().flatten().count() * GROUP;
        let numbers = CELLS * CELLS * (2 * maps + 3);
        Self { first, second, projection: Projection::new(numbers, seed) }
    }

    /// Numbers in a row of features.
    pub fn dim(&self) -> usize {
        self.projection.dim()
    }

    /// Features `[n, dim]` of pictures `[n, h, w, c]` of `size` (height, width, channels: 1, 3 or 4); what is no whole
    /// picture at the end is left out. Transparent parts lie on black.
    pub fn rows(&self, bytes: &[u8], size: [usize; 3]) -> Vec<f32> {
        let each = size.iter().product::<usize>().max(1);
        bytes.par_chunks_exact(each).flat_map_iter(|picture| self.row(picture, size)).collect()
    }

    fn row(&self, picture: &[u8], size: [usize; 3]) -> Vec<f32> {
        let (mut scale, mut row) = (brought(picture, size), Vec::new());
        for (at, first) in self.first.iter().enumerate() {
            if at > 0 {
                scale = scale.shrunk(2);
            }
            let maps = Maps::of(first, &scale);
            row.extend(maps.cells(true));
            if let Some(second) = self.second.get(at) {
                row.extend(Maps::of(second, &maps.shrunk(SHRINK)).cells(true));
            }
        }
        row.extend(scale.cells(false));
        self.projection.row(&row)
    }
}

/// A picture at [`SIDE`] in three planes of −1..1.
fn brought(picture: &[u8], [h, w, c]: [usize; 3]) -> Maps {
    let rgb: Vec<u8> = match c {
        3 => picture.to_vec(),
        4 => {
            let lit = |p: &[u8], at: usize| ((u32::from(p[at]) * u32::from(p[3]) + 127) / 255) as u8;
            picture.chunks_exact(4).flat_map(|p| [0, 1, 2].map(|at| lit(p, at))).collect()
        }
        _ => picture.chunks_exact(c.max(1)).flat_map(|p| [p[0]; 3]).collect(),
    };
    let side = SIDE as u32;
    let rgb = match ImageBuffer::<Rgb<u8>, Vec<u8>>::from_raw(w as u32, h as u32, rgb) {
        Some(rgb) if (w, h) == (SIDE, SIDE) => rgb,
        Some(rgb) => imageops::resize(&rgb, side, side, FilterType::Triangle),
        None => ImageBuffer::new(side, side),
    };
    let plane = |at: usize| rgb.pixels().map(move |p| f32::from(p.0[at]) / 127.5 - 1.0);
    Maps { side: SIDE, values: (0..3).flat_map(plane).collect() }
}

impl Kernels {
    fn new(side: usize, inputs: usize, random: &mut RandomState) -> Self {
        let taps = inputs * side * side;
        let mut weights = vec![0.0; taps * GROUP];
        for at in 0..GROUP {
            let mut kernel = random.normals(taps);
            let mean = kernel.iter().sum::<f64>() / taps as f64;
            kernel.iter_mut().for_each(|v| *v -= mean);
            let length = kernel.iter().map(|v| v * v).sum::<f64>().sqrt();
            weights.iter_mut().skip(at).step_by(GROUP).zip(&kernel).for_each(|(w, v)| *w = (v / length) as f32);
        }
        let bias = std::array::from_fn(|_| (0.1 * random.normal()) as f32);
        Self { side, inputs, weights, bias }
    }

    /// Runs over maps and through the ReLU, where the kernels lie whole inside; adds [`GROUP`] maps to `out`.
    fn run(&self, maps: &Maps, side: usize, out: &mut Vec<f32>) {
        let (from, inside) = (out.len(), maps.side - self.side + 1);
        out.resize(from + GROUP * side * side, 0.0);
        for y in 0..side {
            for x in (0..side).step_by(RUN) {
                // The last run is moved back to where it fits.
                let x = x.min(inside - RUN);
                let sums = self.sums(maps, y, x);
                for (at, sums) in sums.iter().enumerate() {
                    let begin = from + (at * side + y) * side + x;
                    let count = RUN.min(side.saturating_sub(x));
                    out[begin..begin + count].iter_mut().zip(sums).for_each(|(out, sum)| *out = sum.max(0.0));
                }
            }
        }
    }

    /// The sums of a run of pixels, of each kernel.
    fn sums(&self, maps: &Maps, y: usize, x: usize) -> [[f32; RUN]; GROUP] {
        let mut sums = self.bias.map(|bias| [bias; RUN]);
        let mut taps = self.weights.as_chunks::<GROUP>().0.iter();
        for input in 0..self.inputs {
            for dy in 0..self.side {
                let begin = (input * maps.side + y + dy) * maps.side + x;
                let row = &maps.values[begin..begin + self.side + RUN - 1];
                for (window, weights) in row.windows(RUN).zip(taps.by_ref().take(self.side)) {
                    for (sums, weight) in sums.iter_mut().zip(weights) {
                        sums.iter_mut().zip(window).for_each(|(sum, v)| *sum += weight * v);
                    }
                }
            }
        }
        sums
    }
}

impl Maps {
    /// What a layer makes of maps; kernels of all sizes give maps of the same one, that of the largest.
    fn of(layer: &[Kernels], maps: &Self) -> Self {
        let largest = layer.iter().map(|kernels| kernels.side).max().unwrap_or(1);
        let side = maps.side - largest + 1;
        let mut values = Vec::new();
        layer.iter().for_each(|kernels| kernels.run(maps, side, &mut values));
        Self { side, values }
    }

    fn each(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.side * self.side)
    }

    /// The means of squares of `by` x `by` pixels; what is left over at the end is left out.
    fn shrunk(&self, by: usize) -> Self {
        let side = self.side / by;
        let mut values = Vec::with_capacity(self.values.len() / (by * by));
        for map in self.each() {
            for y in 0..side {
                let rows = &map[y * by * self.side..(y + 1) * by * self.side];
                values.extend((0..side).map(|x| {
                    let sum = rows.chunks_exact(self.side).flat_map(|row| &row[x * by..(x + 1) * by]).sum::<f32>();
                    sum / (by * by) as f32
                }));
            }
        }
        Self { side, values }
    }

    /// The mean of each map in each cell, and its deviation too if asked for.
    fn cells(&self, deviation: bool) -> Vec<f32> {
        let edge = |cell: usize| cell * self.side / CELLS;
        let mut out = Vec::new();
        for map in self.each() {
            for cell in 0..CELLS * CELLS {
                let (y, x) = (cell / CELLS, cell % CELLS);
                let (mut sum, mut squares) = (0.0f32, 0.0f32);
                for row in edge(y)..edge(y + 1) {
                    for v in &map[row * self.side + edge(x)..row * self.side + edge(x + 1)] {
                        sum += v;
                        squares += v * v;
                    }
                }
                let count = ((edge(y + 1) - edge(y)) * (edge(x + 1) - edge(x))) as f32;
                let mean = sum / count;
                out.push(mean);
                if deviation {
                    out.push((squares / count - mean * mean).max(0.0).sqrt());
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A convolution as it is written down.
    #[test]
    fn kernels_run_over_all_of_a_map() {
        let mut random = RandomState::new(4);
        for (map, side) in [(13, 3), (12, 5), (21, 7)] {
            let kernels = Kernels::new(side, 2, &mut random);
            let values: Vec<f32> = random.normals(2 * map * map).iter().map(|v| *v as f32).collect();
            let maps = Maps { side: map, values };
            let made = Maps::of(std::slice::from_ref(&kernels), &maps);
            assert_eq!((made.side, made.values.len()), (map - side + 1, GROUP * (map - side + 1).pow(2)));
            for (at, value) in made.values.iter().enumerate() {
                let (x, y, k) = (at % made.side, at / made.side % made.side, at / made.side / made.side);
                let mut sum = kernels.bias[k];
                for tap in 0..2 * side * side {
                    let (dx, dy, input) = (tap % side, tap / side % side, tap / side / side);
                    sum += kernels.weights[tap * GROUP + k] * maps.values[(input * map + y + dy) * map + x + dx];
                }
                assert!((value - sum.max(0.0)).abs() < 1e-5, "{at}: {value} {sum}");
            }
        }
    }

    #[test]
    fn what_is_summed_up_is_known() {
        let maps = Maps { side: 8, values: (0..64).map(|v| (v % 2) as f32).collect() };
        assert_eq!(maps.cells(true), [0.5; 32]);
        assert_eq!(maps.shrunk(4).values, [0.5; 4]);
        let filters = Filters::new(SEED);
        assert_eq!(filters.dim(), super::super::DIM);
        let grey = filters.rows(&[90; 20 * 30], [20, 30, 1]);
        assert_eq!(grey, filters.rows(&[90; 20 * 30 * 3], [20, 30, 3]), "grey is three equal channels");
        let clear: Vec<u8> = [[200, 100, 50, 0]; 600].concat();
        assert_eq!(filters.rows(&clear, [20, 30, 4]), filters.rows(&[0; 1800], [20, 30, 3]), "clear is black");
        assert!(filters.rows(&[], [20, 30, 3]).is_empty());
        assert_ne!(filters.rows(&[90; 1800], [20, 30, 3]), Filters::new(2).rows(&[90; 1800], [20, 30, 3]));
    }

    /// Each of these is another picture to the features, by far more than rounding.
    #[test]
    fn place_colour_and_texture_matter() {
        let filters = Filters::new(SEED);
        let picture = |at: &dyn Fn(usize, usize) -> [u8; 3]| {
            let bytes: Vec<u8> = (0..128 * 128).flat_map(|p| at(p % 128, p / 128)).collect();
            filters.rows(&bytes, [128, 128, 3])
        };
        let line = |x: usize, from: usize| if (from..from + 4).contains(&x) { [255, 0, 0] } else { [0; 3] };
        let own = picture(&|x, _| line(x, 40));
        for (what, other) in [
            ("place", picture(&|x, _| line(x, 60))),
            ("direction", picture(&|_, y| line(y, 40))),
            ("colour", picture(&|x, _| line(x, 40).map(|v| v / 2))),
            ("hue", picture(&|x, _| [0, line(x, 40)[0], 0])),
            ("checkerboard", picture(&|x, y| line(x, 40).map(|v| if (x + y) % 2 == 0 { v } else { 12 }))),
        ] {
            let far: f32 = own.iter().zip(&other).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
            assert!(far > 0.1, "{what}: {far}");
        }
    }
}
