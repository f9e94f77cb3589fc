//! Paths in pixels: how much of each pixel a form covers, as runs of equal cover.
//!
//! Read by [`super::canvas`], by the flash limiter and by the windows, which lay each run over what is there: all of
//! them show the same pixels. Curves are cut into straight lines here and lengths are measured with nothing but
//! square roots, so that the bytes are the same on every machine.

use std::sync::Arc;

use tiny_skia::{FillRule, LineCap, LineJoin, Mask, PathBuilder, Stroke, StrokeDash, Transform};

use super::Picture;
use crate::latent::path::{Cap, Path, Step};

/// Neighbouring pixels of one row that are covered alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first pixel's column.
    pub x: usize,
    /// The row.
    pub y: usize,
    /// How many pixels.
    pub len: usize,
    /// How much of each is covered, 1 to 255.
    pub cover: u8,
}

/// Straight lines that a curve is cut into, at most.
const MOST_PARTS: usize = 200;

/// Turns paths into runs; keeps the clips that were drawn last.
#[derive(Default)]
pub struct Paths {
    clip: Option<Clip>,
}

/// The cover of some clips in a frame.
struct Clip {
    of: Vec<Arc<Vec<Step>>>,
    sharp: bool,
    size: [usize; 2],
    cover: Vec<u8>,
}

impl Paths {
    /// The runs of a path in a frame of that many pixels, row by row.
    pub fn runs(&mut self, path: &Path, size: [usize; 2]) -> Vec<Run> {
        let mut runs = Vec::new();
        let Some(form) = form(path, size) else { return runs };
        let Some((mask, [left, top])) = cover(&form, size, !path.style.sharp) else { return runs };
        let clip = match path.style.clips.is_empty() {
            true => None,
            false => Some(self.clip(&path.style.clips, path.style.sharp, size)),
        };
        let width = mask.width() as usize;
        for (row, covers) in mask.data().chunks_exact(width).enumerate() {
            let y = top + row;
            for (column, cover) in covers.iter().enumerate() {
                let x = left + column;
                let cover = match clip {
                    Some(clip) => ((u32::from(*cover) * u32::from(clip[y * size[0] + x]) + 127) / 255) as u8,
                    None => *cover,
                };
                if cover == 0 {
                    continue;
                }
                match runs.last_mut() {
                    Some(Run { x: from, y: of, len, cover: same })
                        if *of == y && *from + *len == x && *same == cover =>
                    {
                        *len += 1;
                    }
                    _ => runs.push(Run { x, y, len: 1, cover }),
                }
            }
        }
        runs
    }

    /// Lays a path over a picture.
    pub fn draw(&mut self, out: &mut Picture, path: &Path) {
        let [r, g, b, opacity] = path.colour;
        let ink = [r, g, b].map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as i32);
        // In 1/65025 of all of it.
        let opacity = (opacity.clamp(0.0, 1.0) * 255.0).round() as i32;
        for Run { x, y, len, cover } in self.runs(path, [out.width, out.height]) {
            let share = i32::from(cover) * opacity;
            let at = (y * out.width + x) * 3;
            for pixel in out.pixels[at..at + len * 3].chunks_exact_mut(3) {
                for (v, ink) in pixel.iter_mut().zip(ink) {
                    let below = i32::from(*v);
                    *v = ((below * (65_025 - share) + ink * share + 32_512) / 65_025) as u8;
                }
            }
        }
    }

    /// How much of each pixel lies within all of the clips.
    fn clip(&mut self, clips: &[Arc<Vec<Step>>], sharp: bool, size: [usize; 2]) -> &[u8] {
        let known = self.clip.take().filter(|clip| {
            let same = clip.of.len() == clips.len() && clip.of.iter().zip(clips).all(|(a, b)| Arc::ptr_eq(a, b));
            same && clip.sharp == sharp && clip.size == size
        });
        let clip = known.unwrap_or_else(|| {
            let mut all = vec![255_u8; size[0] * size[1]];
            for steps in clips {
                let mut one = vec![0_u8; all.len()];
                if let Some((mask, [left, top])) = flat(steps, size).and_then(|form| cover(&form, size, !sharp)) {
                    let width = mask.width() as usize;
                    for (row, covers) in mask.data().chunks_exact(width).enumerate() {
                        let at = (top + row) * size[0] + left;
                        one[at..at + width].copy_from_slice(covers);
                    }
                }
                for (all, one) in all.iter_mut().zip(one) {
                    *all = ((u32::from(*all) * u32::from(one) + 127) / 255) as u8;
                }
            }
            Clip { of: clips.to_vec(), sharp, size, cover: all }
        });
        &self.clip.insert(clip).cover
    }
}

/// What is to be filled, in pixels: the path itself, or its line.
fn form(path: &Path, size: [usize; 2]) -> Option<tiny_skia::Path> {
    let form = flat(&path.steps, size)?;
    if path.weight <= 0.0 {
        return Some(form);
    }
    let height = size[1] as f32;
    let (line_cap, line_join) = match path.style.cap {
        Cap::Round => (LineCap::Round, LineJoin::Round),
        Cap::Butt => (LineCap::Butt, LineJoin::Miter),
        Cap::Square => (LineCap::Square, LineJoin::Miter),
    };
    let stroke = Stroke { width: path.weight * height, line_cap, line_join, ..Stroke::default() };
    let mut lengths: Vec<f32> = path.style.dash.iter().map(|length| length * height).collect();
    if lengths.len() % 2 == 1 {
        lengths.extend_from_within(..);
    }
    // Dashes that nobody could see would be more than anybody could count.
    let seen = lengths.iter().sum::<f32>() >= 0.5;
    let dashed = match StrokeDash::new(lengths, 0.0).filter(|_| seen) {
        Some(dash) => form.dash(&dash, 1.0)?,
        None => form,
    };
    dashed.stroke(&stroke, 1.0)
}

/// The cover of a form, and the column and row of its first pixel. None where it covers nothing.
fn cover(form: &tiny_skia::Path, size: [usize; 2], soft: bool) -> Option<(Mask, [usize; 2])> {
    let bounds = form.bounds();
    let within = |v: f32, side: usize| v.clamp(0.0, side as f32) as usize;
    let (left, top) = (within(bounds.left().floor(), size[0]), within(bounds.top().floor(), size[1]));
    let (right, bottom) = (within(bounds.right().ceil(), size[0]), within(bounds.bottom().ceil(), size[1]));
    if right <= left || bottom <= top {
        return None;
    }
    let mut mask = Mask::new((right - left) as u32, (bottom - top) as u32)?;
    let moved = Transform::from_translate(-(left as f32), -(top as f32));
    mask.fill_path(form, FillRule::Winding, soft, moved);
    Some((mask, [left, top]))
}

/// Steps in pixels, with straight lines alone.
fn flat(steps: &[Step], size: [usize; 2]) -> Option<tiny_skia::Path> {
    let pixel = |[x, y]: [f32; 2]| [x * size[0] as f32, y * size[1] as f32];
    let mut out = PathBuilder::new();
    let mut last = [0.0; 2];
    for step in steps {
        match step.map(pixel) {
            Step::Move(p) => {
                out.move_to(p[0], p[1]);
                last = p;
            }
            Step::Line(p) => {
                out.line_to(p[0], p[1]);
                last = p;
            }
            Step::Quad(a, p) => {
                let third = |from: [f32; 2]| [0, 1].map(|i| from[i] + (a[i] - from[i]) * (2.0 / 3.0));
                curve(&mut out, [last, third(last), third(p), p]);
                last = p;
            }
            Step::Cubic(a, b, p) => {
                curve(&mut out, [last, a, b, p]);
                last = p;
            }
            Step::Close => out.close(),
        }
    }
    out.finish()
}

/// A cubic curve as straight lines that keep within a tenth of a pixel of it.
fn curve(out: &mut PathBuilder, [a, b, c, d]: [[f32; 2]; 4]) {
    // How far it bends away from its chord: second differences bound the distance (Wang 1984).
    let bend = |i: usize| (a[i] - 2.0 * b[i] + c[i]).abs().max((b[i] - 2.0 * c[i] + d[i]).abs());
    let bend = (bend(0) * bend(0) + bend(1) * bend(1)).sqrt();
    let parts = ((bend * 6.0 / 8.0 / 0.1).sqrt().ceil() as usize).clamp(1, MOST_PARTS);
    for part in 1..=parts {
        let (t, s) = (part as f32 / parts as f32, (parts - part) as f32 / parts as f32);
        let at = |i: usize| s * s * s * a[i] + 3.0 * s * s * t * b[i] + 3.0 * s * t * t * c[i] + t * t * t * d[i];
        out.line_to(at(0), at(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latent::path::Style;

    fn square(from: f32, to: f32) -> Vec<Step> {
        vec![
            Step::Move([from, from]),
            Step::Line([to, from]),
            Step::Line([to, to]),
            Step::Line([from, to]),
            Step::Close,
        ]
    }

    fn path(steps: Vec<Step>, weight: f32) -> Path {
        Path { steps, weight, colour: [1.0, 1.0, 1.0, 1.0], style: Style::default() }
    }

    fn lit(path: &Path) -> Vec<u8> {
        let mut out = Picture::filled(8, 8, [0; 3]);
        Paths::default().draw(&mut out, path);
        out.pixels.chunks_exact(3).map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn a_square_on_whole_pixels_covers_them_and_no_others() {
        let runs = Paths::default().runs(&path(square(0.25, 0.75), 0.0), [8, 8]);
        assert_eq!(runs, [2, 3, 4, 5].map(|y| Run { x: 2, y, len: 4, cover: 255 }));
        let shifted = lit(&path(square(0.3125, 0.75), 0.0));
        assert!((126..=129).contains(&shifted[3 * 8 + 2]) && shifted[3 * 8 + 3] == 255, "{shifted:?}");
    }

    #[test]
    fn sharp_edges_know_no_half_pixels() {
        let mut disc = path(vec![Step::Move([0.5, 0.1]), Step::Quad([1.1, 0.5], [0.5, 0.9]), Step::Close], 0.0);
        assert!(lit(&disc).iter().any(|v| !matches!(v, 0 | 255)));
        disc.style.sharp = true;
        assert!(lit(&disc).iter().all(|v| matches!(v, 0 | 255)) && lit(&disc).contains(&255));
    }

    #[test]
    fn opacity_clips_and_dashes_leave_what_they_should() {
        let mut form = path(square(0.0, 1.0), 0.0);
        form.colour[3] = 0.5;
        form.style.clips = vec![Arc::new(square(0.0, 0.5)), Arc::new(square(0.25, 1.0))];
        let seen = lit(&form);
        assert_eq!((seen.iter().filter(|v| **v > 0).count(), seen[2 * 8 + 2]), (4, 128));
        let mut line = path(vec![Step::Move([0.0, 0.5625]), Step::Line([1.0, 0.5625])], 0.125);
        (line.style.cap, line.style.dash) = (Cap::Butt, vec![0.25]);
        assert_eq!(lit(&line)[32..40], [255, 255, 0, 0, 255, 255, 0, 0]);
        // Nothing to be seen, and nothing that takes for ever.
        line.style.dash = vec![1e-9, 0.0];
        assert_eq!(lit(&line)[32..40], [255; 8]);
        assert!(lit(&path(vec![Step::Line([f32::NAN, 0.0])], 0.1)).iter().all(|v| *v == 0));
        assert!(lit(&path(square(20.0, 30.0), 0.0)).iter().all(|v| *v == 0));
    }
}
