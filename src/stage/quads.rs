//! A scene as a list of quads for the graphics card: pictures and marks in their order.
//!
//! Fed by `output` once a displayed frame, on the main thread; read by `painter`. The lists are filled anew in place, so
//! a frame like the one before needs no new memory. Plain numbers: knows no windows.

use std::ops::Range;

use super::letters::{Atlas, Full};
use crate::latent::pose::{Colour, Mark, Place};
use crate::picture::canvas::letters;
use crate::picture::heat::{self, Cells};
use crate::picture::layout::Panel;
use crate::picture::paths::Paths;
use crate::picture::scene::{Filter, Scene};

/// A quad in the pixels of the frame: its edges (left, top, right, bottom), four parameters, its colour, and which
/// shape it is with half the width of its line. The parameters are the same edges (a rectangle), two points (a line),
/// a middle and half axes (an ellipse), edges in the atlas (a letter); of a picture its opacity, the share of the
/// picture before, and how many of its pixels lie on one of the window.
pub(super) type Quad = [f32; 16];

/// Shapes, as the shader counts them.
const FILLED: f32 = 0.0;
const FRAMED: f32 = 1.0;
const LINE: f32 = 2.0;
const ELLIPSE: f32 = 3.0;

/// Which shader a mark goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Ink {
    /// Whole pixels of one colour; nothing behind shows through.
    Solid,
    /// The same, and something does.
    Clear,
    Letters,
    /// Everything with a soft edge.
    Shapes,
}

/// How a picture becomes larger, or smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Resize {
    Nearest,
    Linear,
    Cubic,
    Lanczos,
    Shrink,
}

/// What is drawn at once.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Marks(Ink, Range<u32>),
    /// A picture by the number of its latent; whether the one before shows through, and what is behind does.
    Picture {
        quad: u32,
        latent: usize,
        resize: Resize,
        blend: bool,
        clear: bool,
    },
}

/// A frame, ready to be painted.
#[derive(Default)]
pub(super) struct Quads {
    pub(super) quads: Vec<Quad>,
    /// Drawn in each panel.
    pub(super) steps: Vec<Step>,
    /// Copies of the frame, each with its left, top, width and height in the window beyond which nothing is drawn.
    pub(super) panels: Vec<(Panel, [u32; 4])>,
    /// The quad over everything that dims the light, if it is not full; it lies in the window's pixels.
    pub(super) shade: Option<u32>,
    /// Width and height of the window.
    pub(super) window: [u32; 2],
    /// Makes pixels of paths.
    pub(super) paths: Paths,
}

impl Quads {
    /// Lays `scene` out in a window. `blend` is the share of the pictures before, 0 where there are none.
    pub(super) fn lay(&mut self, scene: &Scene, window: [u32; 2], blend: f32, atlas: &mut Atlas) {
        self.window = window.map(|side| side.max(1));
        self.panels.clear();
        let size = self.window.map(|side| side as f32);
        let cut = |panel: Panel| visible(&panel, self.window).map(|area| (panel, area));
        self.panels.extend(Panel::all(size, scene.aspect(), scene.fit).into_iter().filter_map(cut));
        let panel = Panel::middle(size, scene.aspect(), scene.fit);
        if self.fill(scene, panel, blend, atlas).is_err() {
            // Full of letters of frames that are over: begun again with none, which has to be enough but for a frame
            // that is all letters.
            atlas.empty(false);
            while self.fill(scene, panel, blend, atlas).is_err() && !atlas.largest() {
                atlas.empty(true);
            }
        }
        self.shade = (scene.light < 1.0).then(|| {
            let over = [0.0, 0.0, size[0], size[1]];
            self.quads.push(quad(over, over, [0.0, 0.0, 0.0, 1.0 - scene.light.max(0.0)], [FILLED, 0.0]));
            self.quads.len() as u32 - 1
        });
    }

    /// The quads of one copy of the frame.
    fn fill(&mut self, scene: &Scene, panel: Panel, blend: f32, atlas: &mut Atlas) -> Result<(), Full> {
        self.quads.clear();
        self.steps.clear();
        let [r, g, b] = scene.pose.background;
        if [r, g, b] != [0.0; 3] {
            self.area([0.0, 0.0, panel.w, panel.h], [r, g, b, 1.0]);
        }
        for mark in &scene.pose.marks {
            self.mark(scene, panel, mark, blend, atlas)?;
        }
        Ok(())
    }

    fn mark(&mut self, scene: &Scene, panel: Panel, mark: &Mark, blend: f32, atlas: &mut Atlas) -> Result<(), Full> {
        let [w, h] = [panel.w, panel.h];
        match mark {
            Mark::Picture { latent, place, opacity } => self.picture(scene, panel, *latent, place, *opacity, blend),
            Mark::Heatmap { latent, place, columns, numbers, range, opacity } => {
                if let Some(z) = scene.pose.latents.get(*latent) {
                    let cells = Cells::new(panel.pixels(place), z.len(), *columns, *range);
                    self.heatmap(z, &cells, *numbers, *opacity, atlas)?;
                }
            }
            Mark::Line { from, to, weight, colour } => {
                let [x0, y0, x1, y1] = [from[0] * w, from[1] * h, to[0] * w, to[1] * h];
                let (half, colour) = stroke(weight.max(0.0005) * h, *colour);
                // The shader lays the quad along the line.
                self.push(Ink::Shapes, quad([0.0; 4], [x0, y0, x1, y1], colour, [LINE, half]));
            }
            Mark::Rect { place, weight, colour } => {
                let edges = edges(place, panel);
                if *weight > 0.0 {
                    let (half, colour) = stroke(weight * h, *colour);
                    self.push(Ink::Shapes, quad(grown(edges, half), edges, colour, [FRAMED, half]));
                } else {
                    self.push(Ink::Shapes, quad(grown(edges, 0.0), edges, *colour, [FILLED, 0.0]));
                }
            }
            Mark::Ellipse { place, weight, colour } => {
                let [left, top, right, bottom] = edges(place, panel);
                let axes = [(right - left) / 2.0, (bottom - top) / 2.0].map(|axis| axis.max(1e-3));
                let middle = [(left + right) / 2.0, (top + bottom) / 2.0];
                let (half, colour) = if *weight > 0.0 { stroke(weight * h, *colour) } else { (0.0, *colour) };
                let around = grown([left, top, right, bottom], half);
                self.push(Ink::Shapes, quad(around, [middle[0], middle[1], axes[0], axes[1]], colour, [ELLIPSE, half]));
            }
            Mark::Text { text, at, size, colour } => {
                self.write(text, [at[0] * w, at[1] * h], size * h, *colour, atlas)?;
            }
            Mark::Path(path) => {
                let [r, g, b, a] = path.colour;
                for run in self.paths.runs(path, [w as usize, h as usize]) {
                    let (x, y) = (run.x as f32, run.y as f32);
                    let edges = [x, y, x + run.len as f32, y + 1.0];
                    self.area(edges, [r, g, b, a * f32::from(run.cover) / 255.0]);
                }
            }
        }
        Ok(())
    }

    /// Adds a quad that is no picture.
    fn push(&mut self, ink: Ink, quad: Quad) {
        let at = self.quads.len() as u32;
        self.quads.push(quad);
        match self.steps.last_mut() {
            Some(Step::Marks(last, range)) if *last == ink => range.end = at + 1,
            _ => self.steps.push(Step::Marks(ink, at..at + 1)),
        }
    }

    fn area(&mut self, edges: [f32; 4], colour: Colour) {
        let ink = if colour[3] < 1.0 { Ink::Clear } else { Ink::Solid };
        self.push(ink, quad(edges, edges, colour, [FILLED, 0.0]));
    }

    fn picture(&mut self, scene: &Scene, panel: Panel, latent: usize, place: &Place, opacity: f32, blend: f32) {
        let Some(picture) = scene.pictures.get(latent) else { return };
        let [left, top, wide, high] = panel.pixels(place);
        if opacity <= 0.0 || wide == 0.0 || high == 0.0 {
            return;
        }
        let ratio = [picture.width as f32 / wide, picture.height as f32 / high];
        let resize = resize(scene.filter, ratio);
        let params = [opacity, blend, ratio[0], ratio[1]];
        let at = self.quads.len() as u32;
        self.quads.push(quad([left, top, left + wide, top + high], params, [1.0; 4], [0.0; 2]));
        self.steps.push(Step::Picture { quad: at, latent, resize, blend: blend > 0.0, clear: opacity < 1.0 });
    }

    fn heatmap(
        &mut self,
        z: &[f32],
        cells: &Cells,
        numbers: bool,
        opacity: f32,
        atlas: &mut Atlas,
    ) -> Result<(), Full> {
        let all = || z.iter().enumerate().map(|(i, value)| (*value, cells.cell(i, *value)));
        for (_, cell) in all() {
            self.area(cell.edges, [cell.grey, cell.grey, cell.grey, opacity]);
        }
        // Cells do not overlap, so all numbers can come after all cells, and be drawn at once.
        let Some(size) = cells.letters.filter(|_| numbers) else { return Ok(()) };
        for (value, cell) in all() {
            let ink = [cell.ink, cell.ink, cell.ink, opacity];
            self.write(&heat::number(value), cell.middle(), size, ink, atlas)?;
        }
        Ok(())
    }

    fn write(&mut self, text: &str, at: [f32; 2], size: f32, colour: Colour, atlas: &mut Atlas) -> Result<(), Full> {
        for letter in letters::line(text, at, size) {
            match atlas.place(letter, size) {
                Ok(Some((edges, texels))) => self.push(Ink::Letters, quad(edges, texels, colour, [FILLED, 0.0])),
                Ok(None) => {}
                // More letters in one frame than the largest atlas holds: the rest is left out.
                Err(Full) if atlas.largest() => {}
                Err(Full) => return Err(Full),
            }
        }
        Ok(())
    }
}

fn quad(edges: [f32; 4], params: [f32; 4], colour: Colour, [shape, half]: [f32; 2]) -> Quad {
    let mut all = [0.0; 16];
    all[..4].copy_from_slice(&edges);
    all[4..8].copy_from_slice(&params);
    all[8..12].copy_from_slice(&colour);
    all[12..14].copy_from_slice(&[shape, half]);
    all
}

/// Half the width of a line, and its colour: one thinner than a pixel is a pixel wide and fainter, or it would come
/// and go.
fn stroke(wide: f32, [r, g, b, a]: Colour) -> (f32, Colour) {
    (wide.max(1.0) / 2.0, [r, g, b, a * wide.min(1.0)])
}

/// Edges moved outwards by a line's half width, and a pixel for its soft edge.
fn grown([left, top, right, bottom]: [f32; 4], half: f32) -> [f32; 4] {
    let far = half + 1.0;
    [left - far, top - far, right + far, bottom + far]
}

/// The exact edges of a place, from small to large.
fn edges(place: &Place, panel: Panel) -> [f32; 4] {
    let (x0, x1) = (place.x * panel.w, (place.x + place.w) * panel.w);
    let (y0, y1) = (place.y * panel.h, (place.y + place.h) * panel.h);
    [x0.min(x1), y0.min(y1), x0.max(x1), y0.max(y1)]
}

/// At its own size every filter is the identity, and the nearest is the cheapest of them.
fn resize(filter: Filter, ratio: [f32; 2]) -> Resize {
    match filter {
        _ if ratio == [1.0; 2] => Resize::Nearest,
        Filter::Nearest => Resize::Nearest,
        _ if ratio.iter().any(|r| *r > 1.01) => Resize::Shrink,
        Filter::Linear => Resize::Linear,
        Filter::Cubic => Resize::Cubic,
        Filter::Lanczos => Resize::Lanczos,
    }
}

/// The part of the window that a panel covers: left, top, width, height; none if it is outside.
fn visible(panel: &Panel, window: [u32; 2]) -> Option<[u32; 4]> {
    let side = |from: f32, wide: f32, most: u32| {
        let (from, to) = (from.max(0.0) as u32, (from + wide).clamp(0.0, most as f32) as u32);
        (to > from).then(|| [from, to - from])
    };
    let ([x, w], [y, h]) = (side(panel.x, panel.w, window[0])?, side(panel.y, panel.h, window[1])?);
    Some([x, y, w, h])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::latent::pose::Pose;
    use crate::picture::Picture;
    use crate::picture::scene::Fit;

    fn scene(marks: Vec<Mark>, fit: Fit) -> Scene {
        let pose = Pose { latents: vec![vec![0.5; 4]], marks, ..Pose::default() };
        let pictures = Arc::new(vec![Picture::filled(4, 4, [9; 3])]);
        Scene { pose: Arc::new(pose), pictures, before: None, version: 1, light: 1.0, fit, filter: Filter::Cubic }
    }

    fn whole(opacity: f32) -> Mark {
        Mark::Picture { latent: 0, place: Place::ALL, opacity }
    }

    #[test]
    fn marks_of_a_kind_are_drawn_at_once_and_in_order() {
        let rect = |x| Mark::Rect { place: Place { x, y: 0.0, w: 0.1, h: 0.1 }, weight: 0.0, colour: [1.0; 4] };
        let text = Mark::Text { text: "ab".into(), at: [0.5; 2], size: 0.2, colour: [1.0; 4] };
        let scene = scene(vec![whole(1.0), rect(0.0), rect(0.2), text, whole(0.5), rect(0.5)], Fit::Fit);
        let (mut quads, mut atlas) = (Quads::default(), Atlas::default());
        quads.lay(&scene, [100, 100], 0.0, &mut atlas);
        let picture = |quad, clear| Step::Picture { quad, latent: 0, resize: Resize::Cubic, blend: false, clear };
        let marks = [Step::Marks(Ink::Shapes, 1..3), Step::Marks(Ink::Letters, 3..5)];
        let expected = [&[picture(0, false)][..], &marks, &[picture(5, true), Step::Marks(Ink::Shapes, 6..7)]].concat();
        assert_eq!((quads.steps, quads.quads.len(), quads.shade), (expected, 7, None));
    }

    #[test]
    fn a_heat_map_is_its_cells_and_then_its_numbers() {
        let mark = |opacity| Mark::Heatmap {
            latent: 0,
            place: Place::ALL,
            columns: 2,
            numbers: true,
            range: [-1.0, 1.0],
            opacity,
        };
        let (mut quads, mut atlas) = (Quads::default(), Atlas::default());
        quads.lay(&scene(vec![mark(1.0), mark(0.5)], Fit::Fit), [100, 100], 0.0, &mut atlas);
        let inks: Vec<_> = quads.steps.iter().map(|step| matches!(step, Step::Marks(Ink::Letters, _))).collect();
        assert_eq!(inks, [false, true, false, true]);
        // Four cells with the three letters of "0.5" each.
        assert_eq!(quads.steps[..2], [Step::Marks(Ink::Solid, 0..4), Step::Marks(Ink::Letters, 4..16)]);
        assert_eq!(quads.steps[2], Step::Marks(Ink::Clear, 16..20));
    }

    #[test]
    fn a_frame_is_cut_off_at_its_edges_and_repeated_where_it_is_to_be() {
        let (mut quads, mut atlas) = (Quads::default(), Atlas::default());
        quads.lay(&scene(vec![whole(1.0)], Fit::Fit), [200, 101], 0.0, &mut atlas);
        assert_eq!(quads.panels.iter().map(|p| p.1).collect::<Vec<_>>(), [[49, 0, 101, 101]]);
        quads.lay(&scene(vec![whole(1.0)], Fit::Fill), [200, 101], 0.0, &mut atlas);
        assert_eq!(quads.panels[0].1, [0, 0, 200, 101]);
        quads.lay(&scene(vec![whole(1.0)], Fit::Mirror), [200, 100], 0.0, &mut atlas);
        let flips: Vec<bool> = quads.panels.iter().map(|(panel, _)| panel.flip[0]).collect();
        assert_eq!((flips, quads.panels[2].1), (vec![true, false, true], [150, 0, 50, 100]));
    }

    #[test]
    fn light_is_a_shade_over_the_whole_window() {
        let mut dim = scene(vec![whole(1.0)], Fit::Fit);
        dim.light = 0.25;
        let (mut quads, mut atlas) = (Quads::default(), Atlas::default());
        quads.lay(&dim, [30, 20], 0.0, &mut atlas);
        let shade = quads.quads[quads.shade.unwrap() as usize];
        assert_eq!((&shade[..4], shade[11]), (&[0.0, 0.0, 30.0, 20.0][..], 0.75));
    }

    #[test]
    fn pictures_are_filtered_as_their_size_asks_for() {
        for (filter, ratio, wanted) in [
            (Filter::Cubic, [1.0, 1.0], Resize::Nearest),
            (Filter::Cubic, [0.5, 0.5], Resize::Cubic),
            (Filter::Lanczos, [2.0, 0.5], Resize::Shrink),
            (Filter::Nearest, [2.0, 2.0], Resize::Nearest),
        ] {
            assert_eq!(resize(filter, ratio), wanted);
        }
    }

    #[test]
    fn an_atlas_that_is_too_small_for_a_frame_grows_and_a_full_one_is_emptied() {
        let text = |text: &str, size| Mark::Text { text: text.into(), at: [0.5; 2], size, colour: [1.0; 4] };
        let all: String = (33_u8..127).map(char::from).collect();
        let (mut quads, mut atlas) = (Quads::default(), Atlas::default());
        quads.lay(&scene(vec![text(&all, 0.2)], Fit::Fit), [1000, 1000], 0.0, &mut atlas);
        assert_eq!(quads.quads.len(), 94);
        assert!(atlas.side() > 1024, "{}", atlas.side());
        let side = atlas.side();
        for step in 0..200 {
            quads.lay(&scene(vec![text("walk", 0.1 + step as f32 * 1e-3)], Fit::Fit), [1000, 1000], 0.0, &mut atlas);
            assert_eq!((quads.quads.len(), atlas.side()), (4, side));
        }
    }
}
