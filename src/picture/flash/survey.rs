//! A scene as a few thousand points of what a window shows, taken without drawing it.
//!
//! Fed by [`super::FlashLimiter`]. Each point is the colour of one spot, never a mean, so that fine patterns keep their
//! contrast and a large picture costs no more than a small one. The frame's marks are sampled here; bars, tiles and
//! light are the canvas's. Letters are every other point of the box they stand in.

use std::ops::Range;
use std::sync::Arc;

use crate::latent::pose::{Colour, Mark, Place, Pose};
use crate::picture::Picture;
use crate::picture::canvas::Canvas;
use crate::picture::paths::Paths;
use crate::picture::scene::{Filter, Fit, Scene};

/// Points along the longer side of the output.
const POINTS: usize = 128;
/// Places of pixels between two points that are told apart.
pub const QUARTERS: u16 = 4;
/// Width of a letter and height of a line, as shares of the em.
const LETTER: [f32; 2] = [0.55, 0.75];

/// Takes the points of scenes.
pub struct Survey {
    canvas: Canvas,
    grid: [usize; 2],
    /// Width over height of the output.
    aspect: f32,
}

impl Survey {
    /// For an output of that size.
    pub fn new([width, height]: [u32; 2]) -> Self {
        let aspect = width.max(1) as f32 / height.max(1) as f32;
        let [w, h] = sides(aspect, POINTS);
        Self { canvas: Canvas::default(), grid: [w.max(8), h.max(8)], aspect }
    }

    /// Width and height of what [`Self::take`] gives.
    pub fn grid(&self) -> [usize; 2] {
        self.grid
    }

    /// The points of a scene in the output.
    pub fn take(&mut self, scene: &Scene) -> Picture {
        let [wide, high] = self.frame_shares(scene);
        let side = |points: usize, share: f32| ((points as f32 * share).round() as usize).clamp(1, 2 * POINTS);
        let frame = frame(scene, [side(self.grid[0], wide), side(self.grid[1], high)]);
        let shown = whole(scene, Arc::new(vec![frame]), scene.aspect());
        self.canvas.draw(&Scene { light: scene.light, filter: Filter::Nearest, ..shown }, self.grid, true)
    }

    /// Width and height of a scene's frame (of the one in the middle) as shares of the output's.
    fn frame_shares(&self, scene: &Scene) -> [f32; 2] {
        let [wide, high] = [scene.aspect() / self.aspect, self.aspect / scene.aspect()];
        match scene.fit {
            Fit::Fill => [wide.max(1.0), high.max(1.0)],
            _ => [wide.min(1.0), high.min(1.0)],
        }
    }

    /// The points of a field of ten degrees: a third of the frame, or of the screen where that is smaller, each way.
    pub fn field(&self, scene: &Scene) -> [usize; 2] {
        let [wide, high] = self.frame_shares(scene);
        let third = |points: usize, share: f32| ((points as f32 * share.min(1.0) / 3.0) as usize).max(1);
        [third(self.grid[0], wide), third(self.grid[1], high)]
    }

    /// For each of `count` pixels along one side of a scene's frame the point before it, and how far it lies towards
    /// the next, 0..[`QUARTERS`].
    pub fn beside(&self, scene: &Scene, side: usize, count: usize) -> Vec<(usize, u16)> {
        let (share, points) = (self.frame_shares(scene)[side], self.grid[side]);
        let at = |pixel: usize| {
            let output = 0.5 + ((pixel as f32 + 0.5) / count as f32 - 0.5) * share;
            let point = (output * points as f32 - 0.5).clamp(0.0, (points - 1) as f32);
            (point as usize, (point.fract() * f32::from(QUARTERS)) as u16)
        };
        (0..count).map(at).collect()
    }
}

/// Sides in the proportion of `aspect`, the longer one `longest`.
pub fn sides(aspect: f32, longest: usize) -> [usize; 2] {
    let side = |share: f32| ((longest as f32 * share.min(1.0)).round() as usize).max(1);
    [side(aspect), side(1.0 / aspect)]
}

/// A scene with one picture, which is a whole frame of `scene` with its marks and its light; its width is `aspect` times
/// its height.
pub fn whole(scene: &Scene, picture: Arc<Vec<Picture>>, aspect: f32) -> Scene {
    let own = picture.first().map_or(1.0, |p| p.width.max(1) as f32 / p.height.max(1) as f32);
    let mark = Mark::Picture { latent: 0, place: Place::ALL, opacity: 1.0 };
    let pose = Pose { latents: scene.pose.latents.clone(), marks: vec![mark], ..Pose::default() };
    let pose = Arc::new(Pose { aspect: aspect / own, ..pose });
    Scene { pose, pictures: picture, before: None, light: 1.0, ..scene.clone() }
}

/// The frame at some points, without light.
fn frame(scene: &Scene, [width, height]: [usize; 2]) -> Picture {
    let background = scene.pose.background.map(|v| (v * 255.0).round() as u8);
    let mut points = Points { out: Picture::filled(width, height, background) };
    let mut paths = Paths::default();
    for mark in &scene.pose.marks {
        match mark {
            Mark::Picture { latent, place, opacity } => points.picture(scene, *latent, *place, *opacity),
            Mark::Heatmap { .. } => points.heatmap(mark, &scene.pose),
            Mark::Line { from, to, weight, colour } => points.line(*from, *to, *weight, *colour),
            Mark::Rect { place, weight, colour } => points.shape(*place, *weight, *colour, rectangle),
            Mark::Ellipse { place, weight, colour } => points.shape(*place, *weight, *colour, ellipse),
            Mark::Text { text, at, size, colour } => points.text(text, *at, *size, *colour),
            Mark::Path(path) => paths.draw(&mut points.out, path),
        }
    }
    points.out
}

/// How far a spot lies outside of a shape with sides of 2a and 2b around the origin; negative inside.
type Outside = fn(x: f32, y: f32, a: f32, b: f32) -> f32;

fn rectangle(x: f32, y: f32, a: f32, b: f32) -> f32 {
    (x.abs() - a).max(y.abs() - b)
}

fn ellipse(x: f32, y: f32, a: f32, b: f32) -> f32 {
    let (a, b) = (a.max(1e-6), b.max(1e-6));
    ((x / a).hypot(y / b) - 1.0) * a.min(b)
}

struct Points {
    out: Picture,
}

impl Points {
    /// The points whose spot lies in a rectangle: columns and rows.
    fn covered(&self, [x, y, w, h]: [f32; 4]) -> (Range<usize>, Range<usize>) {
        let first = |v: f32, size: usize| (v * size as f32 - 0.5).ceil().clamp(0.0, size as f32) as usize;
        let span = |v: f32, length: f32, size: usize| first(v, size)..first(v + length, size).max(first(v, size));
        (span(x, w, self.out.width), span(y, h, self.out.height))
    }

    /// Lays `colour` over each point of a rectangle for which it gives one; it is asked with shares of the frame.
    fn over(&mut self, around: [f32; 4], colour: impl Fn(usize, [f32; 2]) -> Option<Colour>) {
        let size = [self.out.width, self.out.height];
        let (columns, rows) = self.covered(around);
        for row in rows {
            let spot_y = (row as f32 + 0.5) / size[1] as f32;
            for column in columns.clone() {
                let spot = [(column as f32 + 0.5) / size[0] as f32, spot_y];
                let Some([r, g, b, share]) = colour(row + column, spot) else { continue };
                let share = share.clamp(0.0, 1.0);
                let at = (row * size[0] + column) * 3;
                for (v, c) in self.out.pixels[at..at + 3].iter_mut().zip([r, g, b]) {
                    *v = (f32::from(*v) + (c * 255.0 - f32::from(*v)) * share).round() as u8;
                }
            }
        }
    }

    fn picture(&mut self, scene: &Scene, latent: usize, place: Place, opacity: f32) {
        let Some(picture) = scene.pictures.get(latent) else { return };
        let size = |p: &Picture| (p.width, p.height);
        let before = scene.before.as_ref().filter(|(before, share)| {
            let alike = |(a, b): (&Picture, &Picture)| size(a) == size(b);
            *share > 0.0 && before.len() == scene.pictures.len() && before.iter().zip(&*scene.pictures).all(alike)
        });
        let before = before.and_then(|(before, share)| Some((before.get(latent)?, share.min(1.0))));
        if picture.width == 0 || picture.height == 0 || opacity <= 0.0 {
            return;
        }
        let pixel = |share: f32, size: usize| ((share * size as f32) as usize).min(size - 1);
        if before.is_none() && opacity >= 1.0 {
            // Nearly every frame is this.
            let (columns, rows) = self.covered([place.x, place.y, place.w, place.h]);
            let share = |at: usize, size: usize| (at as f32 + 0.5) / size as f32;
            let (width, height) = (self.out.width, self.out.height);
            let from: Vec<usize> =
                columns.clone().map(|x| pixel((share(x, width) - place.x) / place.w, picture.width)).collect();
            for y in rows {
                let row = pixel((share(y, height) - place.y) / place.h, picture.height) * picture.width;
                let out = &mut self.out.pixels[(y * width + columns.start) * 3..(y * width + columns.end) * 3];
                for (out, x) in out.as_chunks_mut::<3>().0.iter_mut().zip(&from) {
                    let at = (row + x) * 3;
                    out.copy_from_slice(&picture.pixels[at..at + 3]);
                }
            }
            return;
        }
        self.over([place.x, place.y, place.w, place.h], |_, [x, y]| {
            let at = [pixel((x - place.x) / place.w, picture.width), pixel((y - place.y) / place.h, picture.height)];
            let now = picture.at(at[0], at[1]).map(f32::from);
            let [r, g, b] = match before {
                Some((before, share)) => {
                    let old = before.at(at[0], at[1]);
                    std::array::from_fn(|c| now[c] + (f32::from(old[c]) - now[c]) * share)
                }
                None => now,
            };
            Some([r / 255.0, g / 255.0, b / 255.0, opacity])
        });
    }

    fn heatmap(&mut self, mark: &Mark, pose: &Pose) {
        let Mark::Heatmap { latent, place, columns, range, opacity, .. } = mark else { return };
        let Some(z) = pose.latents.get(*latent) else { return };
        let rows = z.len().div_ceil((*columns).max(1)).max(1);
        self.over([place.x, place.y, place.w, place.h], |_, [x, y]| {
            let cell = |share: f32, cells: usize| (share * cells as f32) as usize;
            let (column, row) = (cell((x - place.x) / place.w, *columns), cell((y - place.y) / place.h, rows));
            let v = z.get(row * columns + column).filter(|_| column < *columns)?;
            let share = ((v - range[0]) / (range[1] - range[0]).max(1e-6)).clamp(0.0, 1.0);
            Some([share, share, share, *opacity])
        });
    }

    /// Filled, or with a line of `weight`. Lengths are shares of the frame's height, as the weight is.
    fn shape(&mut self, place: Place, weight: f32, colour: Colour, outside: Outside) {
        let aspect = self.out.width as f32 / self.out.height as f32;
        let Place { x, y, w, h } = place;
        let (middle, half) = ([x + w / 2.0, y + h / 2.0], weight.max(0.0) / 2.0);
        let around = [x - half / aspect, y - half, w + weight.max(0.0) / aspect, h + weight.max(0.0)];
        self.over(around, |_, spot| {
            let (dx, dy) = ((spot[0] - middle[0]) * aspect, spot[1] - middle[1]);
            let outside = outside(dx, dy, w * aspect / 2.0, h / 2.0);
            let hit = if weight > 0.0 { outside.abs() <= half } else { outside <= 0.0 };
            hit.then_some(colour)
        });
    }

    fn line(&mut self, from: [f32; 2], to: [f32; 2], weight: f32, colour: Colour) {
        let aspect = self.out.width as f32 / self.out.height as f32;
        let half = weight.max(0.0) / 2.0;
        let (low, high) = ([from[0].min(to[0]), from[1].min(to[1])], [from[0].max(to[0]), from[1].max(to[1])]);
        let around = [
            low[0] - half / aspect,
            low[1] - half,
            high[0] - low[0] + weight.max(0.0) / aspect,
            high[1] - low[1] + weight.max(0.0),
        ];
        let way = [(to[0] - from[0]) * aspect, to[1] - from[1]];
        let square = way[0] * way[0] + way[1] * way[1];
        self.over(around, |_, spot| {
            let (dx, dy) = ((spot[0] - from[0]) * aspect, spot[1] - from[1]);
            let along = if square > 0.0 { ((dx * way[0] + dy * way[1]) / square).clamp(0.0, 1.0) } else { 0.0 };
            ((dx - along * way[0]).hypot(dy - along * way[1]) <= half).then_some(colour)
        });
    }

    fn text(&mut self, text: &str, at: [f32; 2], size: f32, colour: Colour) {
        let aspect = self.out.width as f32 / self.out.height as f32;
        let (w, h) = (text.chars().count() as f32 * LETTER[0] * size / aspect, LETTER[1] * size);
        self.over([at[0] - w / 2.0, at[1] - h / 2.0, w, h], |nth, _| (nth % 2 == 0).then_some(colour));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(marks: Vec<Mark>) -> Scene {
        let mut picture = Picture::filled(2, 2, [10, 20, 30]);
        picture.set(1, 0, [200, 100, 50]);
        let pose = Pose { latents: vec![vec![-3.0, 3.0, 3.0, -3.0]], marks, ..Pose::default() };
        Scene {
            pose: Arc::new(pose),
            pictures: Arc::new(vec![picture]),
            before: None,
            version: 1,
            light: 1.0,
            fit: Fit::Fit,
            filter: Filter::Nearest,
        }
    }

    /// The canvas draws the same scene with soft edges; inside of shapes both agree.
    #[test]
    fn points_are_what_the_canvas_draws() {
        let place = |x, y, w, h| Place { x, y, w, h };
        let colour = [0.0, 1.0, 0.0, 0.5];
        let scene = scene(vec![
            Mark::Picture { latent: 0, place: Place::ALL, opacity: 1.0 },
            Mark::Rect { place: place(0.1, 0.1, 0.3, 0.2), weight: 0.0, colour },
            Mark::Rect { place: place(0.5, 0.1, 0.3, 0.2), weight: 0.06, colour },
            Mark::Ellipse { place: place(0.1, 0.5, 0.3, 0.4), weight: 0.0, colour: [1.0, 0.0, 0.0, 1.0] },
            Mark::Ellipse { place: place(0.6, 0.6, 0.25, 0.25), weight: 0.08, colour },
            Mark::Line { from: [0.1, 0.45], to: [0.9, 0.35], weight: 0.06, colour },
            Mark::Heatmap {
                latent: 0,
                place: place(0.45, 0.5, 0.2, 0.2),
                columns: 2,
                numbers: false,
                range: [-3.0, 3.0],
                opacity: 1.0,
            },
        ]);
        for (fit, output, light) in
            [(Fit::Fit, [640, 640], 1.0), (Fit::Mirror, [640, 320], 0.5), (Fit::Fill, [320, 640], 1.0)]
        {
            let scene = Scene { fit, light, ..scene.clone() };
            let mut survey = Survey::new(output);
            let [width, height] = survey.grid();
            let points = survey.take(&scene);
            let drawn = Canvas::default().draw(&scene, [width * 8, height * 8], true);
            let apart = (0..width * height).filter(|at| {
                let (x, y) = (at % width, at / width);
                let (a, b) = (points.at(x, y), drawn.at(x * 8 + 4, y * 8 + 4));
                a.iter().zip(b).any(|(a, b)| a.abs_diff(b) > 2)
            });
            // What differs lies within one point of an edge.
            let share = apart.count() as f32 / (width * height) as f32;
            assert!(share < 0.03, "{fit:?}: {share} of the points differ");
        }
    }

    #[test]
    fn a_cross_blend_and_half_a_mark_are_mixed() {
        let mark = Mark::Picture { latent: 0, place: Place::ALL, opacity: 0.5 };
        let mut scene = scene(vec![mark]);
        scene.before = Some((Arc::new(vec![Picture::filled(2, 2, [110, 120, 130])]), 0.5));
        let points = Survey::new([64, 64]).take(&scene);
        assert_eq!(points.at(0, 127), [30, 35, 40]);
    }

    #[test]
    fn letters_are_half_of_their_box() {
        let text = Mark::Text { text: "flash".into(), at: [0.5, 0.5], size: 0.2, colour: [1.0; 4] };
        let points = Survey::new([64, 64]).take(&scene(vec![text]));
        let lit = points.pixels.iter().filter(|v| **v == 255).count() as f32 / points.pixels.len() as f32;
        assert!((lit - 5.0 * 0.55 * 0.2 * 0.75 * 0.2 / 2.0).abs() < 0.01, "{lit}");
    }

    #[test]
    fn a_field_is_a_third_of_the_smaller_one() {
        let field = |fit, output: [u32; 2]| Survey::new(output).field(&Scene { fit, ..scene(Vec::new()) });
        assert_eq!(field(Fit::Fit, [600, 600]), [42, 42]);
        assert_eq!(field(Fit::Mirror, [1200, 600]), [21, 21]);
        assert_eq!(field(Fit::Fill, [1200, 600]), [42, 21]);
        let beside = |fit, count| Survey::new([1200, 600]).beside(&Scene { fit, ..scene(Vec::new()) }, 0, count);
        // A square frame in the middle of two: its first pixel lies at a quarter.
        assert_eq!(beside(Fit::Fit, 64)[..2], [(32, 0), (33, 0)]);
        assert_eq!(beside(Fit::Fill, 128)[126..], [(126, 0), (127, 0)]);
        assert_eq!(beside(Fit::Fill, 256)[..3], [(0, 0), (0, 1), (0, 3)]);
    }
}
