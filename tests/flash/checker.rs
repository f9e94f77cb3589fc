//! A second reading of the definitions of flashes, by other means than the limiter's: whole sequences, every pixel,
//! every second.

use std::collections::HashMap;

use flaneur::picture::Picture;

/// Frames of one size and their times.
pub struct Sequence {
    pub frames: Vec<Picture>,
    pub secs: Vec<f64>,
}

/// The most flashes in any second, of luminance and of saturated red, that more than a quarter of a field shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flashes {
    pub general: usize,
    pub red: usize,
}

impl Flashes {
    pub fn most(self) -> usize {
        self.general.max(self.red)
    }
}

fn linear(level: u8) -> f64 {
    let v = f64::from(level) / 255.0;
    if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

/// What the definitions ask of a colour: luminance, R / (R + G + B), u', v'.
#[derive(Clone, Copy)]
struct Colour {
    luminance: f64,
    share: f64,
    uv: [f64; 2],
}

impl Colour {
    fn of(levels: [u8; 3]) -> Self {
        let [r, g, b] = levels.map(linear);
        let (x, y) = (0.4124 * r + 0.3576 * g + 0.1805 * b, 0.2126 * r + 0.7152 * g + 0.0722 * b);
        let z = 0.0193 * r + 0.1192 * g + 0.9505 * b;
        let (sum, all) = (x + 15.0 * y + 3.0 * z, r + g + b);
        match all < 0.003 {
            // No light has no colour.
            true => Self { luminance: y, share: 0.0, uv: [0.1978, 0.4683] },
            false => Self { luminance: y, share: r / all, uv: [4.0 * x / sum, 9.0 * y / sum] },
        }
    }

    /// A change of luminance that half a general flash has: +1, -1, or none.
    fn general(self, to: Self) -> i8 {
        let (dark, change) = (self.luminance.min(to.luminance), to.luminance - self.luminance);
        let bright = self.luminance.max(to.luminance);
        // WCAG below 0.8; BT.1702's Michelson contrast above.
        let large = match dark < 0.8 {
            true => change.abs() >= 0.1,
            false => (bright - dark) / (bright + dark) >= 1.0 / 17.0,
        };
        if large { change.signum() as i8 } else { 0 }
    }

    /// A change to (+1) or from (-1) a saturated red.
    fn red(self, to: Self) -> i8 {
        let far = (self.uv[0] - to.uv[0]).hypot(self.uv[1] - to.uv[1]) > 0.2;
        match (self.share >= 0.8, to.share >= 0.8) {
            (false, true) if far => 1,
            (true, false) if far => -1,
            _ => 0,
        }
    }
}

type Change = fn(Colour, Colour) -> i8;

/// The frames at which a series has changed by as much as half a flash, each against any value since the change
/// before, in alternating ways. The first is at least `from`.
fn changes(series: &[Colour], from: usize, to: usize, change: Change) -> Vec<(usize, i8)> {
    let mut found: Vec<(usize, i8)> = Vec::new();
    // Values that the next one is held against: only extremes can give the largest change.
    let mut since: Vec<Colour> = Vec::new();
    for (at, now) in series.iter().enumerate().take(to).skip(from) {
        let ways = since.iter().map(|before| change(*before, *now)).filter(|way| *way != 0);
        let last = found.last().map_or(0, |(_, way)| *way);
        if let Some(way) = ways.into_iter().find(|way| *way != last) {
            found.push((at, way));
            since.clear();
        }
        since.push(*now);
        if since.len() > 4 {
            let key = |c: &Colour| [c.luminance, c.uv[0], c.share];
            let mut kept = Vec::new();
            for k in 0..3 {
                kept.extend(since.iter().copied().min_by(|a, b| key(a)[k].total_cmp(&key(b)[k])));
                kept.extend(since.iter().copied().max_by(|a, b| key(a)[k].total_cmp(&key(b)[k])));
            }
            since = kept;
        }
    }
    found
}

/// Rectangles of a third each way, a twelfth of the frame apart, and the frame.
fn fields(width: usize, height: usize) -> Vec<[usize; 4]> {
    let steps = |size: usize| (0..=8).map(move |i| (i * size) / 12);
    let thirds = steps(height).flat_map(|y| steps(width).map(move |x| [x, y, width / 3, height / 3]));
    thirds.chain([[0, 0, width, height]]).collect()
}

fn inside([x, y, w, h]: [usize; 4], width: usize) -> impl Iterator<Item = usize> {
    (y..y + h).flat_map(move |row| (x..x + w).map(move |column| row * width + column))
}

fn flashes_of(sequence: &Sequence, change: Change) -> usize {
    let (width, height) = (sequence.frames[0].width, sequence.frames[0].height);
    let count = sequence.frames.len();
    // Where a second that begins at each frame ends.
    let ends: Vec<usize> = (0..count)
        .map(|i| sequence.secs.iter().position(|secs| *secs >= sequence.secs[i] + 1.0 - 1e-6).unwrap_or(count))
        .collect();
    // Pixels with the same series are counted once: for each second the changes in it, and all changes.
    let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
    let kinds: Vec<usize> = (0..width * height)
        .map(|at| {
            let pixel = |f: &Picture| f.pixels[at * 3..at * 3 + 3].to_vec();
            let next = known.len();
            *known.entry(sequence.frames.iter().flat_map(pixel).collect()).or_insert(next)
        })
        .collect();
    // Where there are many, not every frame begins a second: that would take minutes.
    let stride = if known.len() > 64 { (count / 100).max(1) } else { 1 };
    let mut counted = vec![(Vec::new(), Vec::new()); known.len()];
    for (bytes, kind) in known {
        let series: Vec<Colour> = bytes.as_chunks::<3>().0.iter().map(|c| Colour::of(*c)).collect();
        let all = changes(&series, 0, count, change);
        let within = |i: usize| match i.is_multiple_of(stride) && all.len() > 6 {
            true => changes(&series, i, ends[i], change).len(),
            false => 0,
        };
        counted[kind] = ((0..count).map(within).collect::<Vec<usize>>(), all);
    }
    let mut most = 0;
    for field in fields(width, height) {
        let quarter = (field[2] * field[3]) as f64 / 4.0;
        let mut sizes = vec![0usize; counted.len()];
        inside(field, width).for_each(|at| sizes[kinds[at]] += 1);
        let here: Vec<usize> = (0..counted.len()).filter(|kind| sizes[*kind] > 0).collect();
        // Pixels that flash so often in the same second, wherever they are.
        for second in (0..count).step_by(stride) {
            let often = |times: usize| -> usize {
                here.iter().filter(|kind| counted[**kind].0[second] / 2 >= times).map(|k| sizes[*k]).sum()
            };
            while often(most + 1) as f64 > quarter {
                most += 1;
            }
        }
        // A quarter that changes in the same frame, each time another one.
        let mut area = vec![[0usize; 2]; count];
        for kind in here {
            for (at, way) in &counted[kind].1 {
                area[*at][usize::from(*way > 0)] += sizes[kind];
            }
        }
        let mut whole: Vec<(usize, bool)> = Vec::new();
        for (at, [down, up]) in area.iter().enumerate() {
            let way = up > down;
            if (*up.max(down)) as f64 > quarter && whole.last().is_none_or(|(_, last)| *last != way) {
                whole.push((at, way));
            }
        }
        for (i, (at, _)) in whole.iter().enumerate() {
            most = most.max(whole[i..].iter().take_while(|(later, _)| *later < ends[*at]).count() / 2);
        }
    }
    most
}

/// Counts the flashes of a sequence.
pub fn flashes(sequence: &Sequence) -> Flashes {
    Flashes { general: flashes_of(sequence, Colour::general), red: flashes_of(sequence, Colour::red) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(colours: &[[u8; 3]], fps: f64) -> Sequence {
        Sequence {
            frames: colours.iter().map(|c| Picture::filled(12, 12, *c)).collect(),
            secs: (0..colours.len()).map(|i| i as f64 / fps).collect(),
        }
    }

    #[test]
    fn the_checker_counts() {
        let check = |colours: &[[u8; 3]], general, red| {
            assert_eq!(flashes(&sequence(&colours.repeat(8), 10.0)), Flashes { general, red }, "{colours:?}");
        };
        check(&[[0; 3], [255; 3]], 5, 0);
        check(&[[0; 3]], 0, 0);
        check(&[[0; 3], [0; 3], [255; 3], [255; 3]], 2, 0);
        check(&[[120; 3], [130; 3]], 0, 0);
        check(&[[255, 0, 0], [0, 0, 255]], 5, 5);
        check(&[[255, 0, 0], [127; 3]], 0, 5);
        check(&[[80, 0, 0], [0; 3]], 0, 5);
    }
}
