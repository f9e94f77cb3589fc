//! Draws a scene's marks with nannou's `Draw`, into one copy of the frame.
//!
//! Fed by `output`. Colours go in as they are: the camera composes in sRGB, so nannou's linear components carry
//! sRGB values here. nannou's points have their origin in the window's middle, y up.

use std::cell::Cell;

use bevy::render::render_resource::TextureView;
use nannou::prelude::{Color, Draw, Vec3};

use super::glass::Glass;
use super::layout::Panel;
use crate::latent::pose::{Colour, Mark, Place};
use crate::picture::scene::{Filter, Scene};

/// What a scene's pictures are on the GPU.
pub(super) struct Hung {
    pub(super) now: Vec<TextureView>,
    /// Empty where nothing is blended.
    pub(super) before: Vec<TextureView>,
    pub(super) blend: f32,
}

/// A copy of the frame to draw in: its middle is `draw`'s origin.
pub(super) struct Canvas<'a> {
    pub(super) draw: &'a Draw,
    pub(super) panel: Panel,
    /// Pixels of the window to one of nannou's points.
    pub(super) scale: f32,
    pub(super) scene: &'a Scene,
    pub(super) hung: &'a Hung,
    /// Vertices that heat maps have given to `Draw::mesh` in this frame: nannou takes each mesh's indices as
    /// counted from the first mesh of all.
    pub(super) meshed: &'a Cell<usize>,
}

/// An sRGB colour, in the components that nannou hands on unchanged.
pub(super) fn ink([r, g, b, a]: Colour) -> Color {
    Color::linear_rgba(r, g, b, a)
}

/// Letters of a heat map's numbers are this share of their cell.
const LETTERS: [f32; 2] = [0.30, 0.46];
/// Pixels below which numbers are specks.
const SMALLEST_LETTERS: f32 = 6.0;

impl Canvas<'_> {
    /// Black is there already.
    pub(super) fn background(&self) {
        let [r, g, b] = self.scene.pose.background;
        if [r, g, b] == [0.0; 3] {
            return;
        }
        self.area([0.0, 0.0, self.panel.w, self.panel.h], [r, g, b, 1.0]);
    }

    pub(super) fn mark(&self, mark: &Mark) {
        match mark {
            Mark::Picture { latent, place, opacity } => self.picture(*latent, place, *opacity),
            Mark::Heatmap { latent, place, columns, numbers, range, opacity } => {
                if let Some(z) = self.scene.pose.latents.get(*latent) {
                    self.heatmap(z, place, *columns, *numbers, *range, *opacity);
                }
            }
            Mark::Line { from, to, weight, colour } => {
                let [from, to] = [from, to].map(|p| self.point(p[0] * self.panel.w, p[1] * self.panel.h));
                self.draw.line().start(from).end(to).weight(self.weight(*weight)).color(ink(*colour));
            }
            Mark::Rect { place, weight, colour } if *weight <= 0.0 => self.area(self.panel.pixels(place), *colour),
            Mark::Rect { place, weight, colour } => {
                let (at, [w, h]) = self.middle(self.panel.pixels(place));
                let outline = self.draw.rect().xy(at).w_h(w, h).no_fill();
                outline.stroke_weight(self.weight(*weight)).stroke_color(ink(*colour));
            }
            Mark::Ellipse { place, weight, colour } => {
                let exact =
                    [place.x * self.panel.w, place.y * self.panel.h, place.w * self.panel.w, place.h * self.panel.h];
                let (at, [w, h]) = self.middle(exact);
                let ellipse = self.draw.ellipse().xy(at).w_h(w.abs(), h.abs());
                if *weight > 0.0 {
                    ellipse.no_fill().stroke_weight(self.weight(*weight)).stroke_color(ink(*colour));
                } else {
                    ellipse.color(ink(*colour));
                }
            }
            Mark::Text { text, at, size, colour } => {
                let letters = (size * self.panel.h / self.scale).round().max(1.0) as u32;
                let at = self.point(at[0] * self.panel.w, at[1] * self.panel.h);
                let words = self.draw.text(text).xy(at).w_h(1.0, 1.0).font_size(letters);
                words.no_line_wrap().center_justify().align_text_middle_y().color(ink(*colour));
            }
        }
    }

    /// Pixels of this copy, from its top left, in points from its middle.
    fn point(&self, x: f32, y: f32) -> nannou::glam::Vec2 {
        nannou::glam::vec2(x - self.panel.w / 2.0, self.panel.h / 2.0 - y) / self.scale
    }

    /// A rectangle's middle and size in points.
    fn middle(&self, [x, y, w, h]: [f32; 4]) -> (nannou::glam::Vec2, [f32; 2]) {
        (self.point(x + w / 2.0, y + h / 2.0), [w / self.scale, h / self.scale])
    }

    /// A line's width in points: never thinner than a pixel, or it would come and go.
    fn weight(&self, share: f32) -> f32 {
        (share * self.panel.h).max(1.0) / self.scale
    }

    fn area(&self, pixels: [f32; 4], colour: Colour) {
        let (at, [w, h]) = self.middle(pixels);
        self.draw.rect().xy(at).w_h(w, h).color(ink(colour));
    }

    fn picture(&self, latent: usize, place: &Place, opacity: f32) {
        let (Some(now), Some(picture)) = (self.hung.now.get(latent), self.scene.pictures.get(latent)) else { return };
        let pixels = self.panel.pixels(place);
        if opacity <= 0.0 || pixels[2] == 0.0 || pixels[3] == 0.0 {
            return;
        }
        let ratio = [picture.width as f32 / pixels[2].abs(), picture.height as f32 / pixels[3].abs()];
        // At its own size every filter is the identity, and the nearest is the cheapest of them.
        let filter = if ratio == [1.0; 2] { Filter::Nearest } else { self.scene.filter };
        let before = self.hung.before.get(latent).cloned();
        let glass = Glass { now: Some(now.clone()), before, blend: self.hung.blend, opacity, ratio, filter };
        let (at, [w, h]) = self.middle(pixels);
        self.draw.shader_model(glass).rect().xy(at).w_h(w, h);
    }

    fn heatmap(&self, z: &[f32], place: &Place, columns: usize, numbers: bool, range: [f32; 2], opacity: f32) {
        let rows = z.len().div_ceil(columns).max(1);
        let [left, top, w, h] = self.panel.pixels(place);
        let across = |column: usize| (left + w * column as f32 / columns as f32).round();
        let down = |row: usize| (top + h * row as f32 / rows as f32).round();
        let span = range[1] - range[0];
        let share = |v: f32| if span.abs() > f32::EPSILON { ((v - range[0]) / span).clamp(0.0, 1.0) } else { 0.5 };
        let corners = z.iter().enumerate().flat_map(|(i, v)| {
            let (row, column) = (i / columns, i % columns);
            let corner = |x: f32, y: f32| -> Vec3 { self.point(x, y).extend(0.0) };
            let (x0, x1, y0, y1) = (across(column), across(column + 1), down(row), down(row + 1));
            let grey = share(*v);
            let colour = ink([grey, grey, grey, opacity]);
            [corner(x0, y0), corner(x1, y0), corner(x1, y1), corner(x0, y1)].map(|p| (p, colour))
        });
        let first = self.meshed.replace(self.meshed.get() + z.len() * 4);
        let sides = (0..z.len()).flat_map(|i| [0, 1, 2, 0, 2, 3].map(|corner| first + i * 4 + corner));
        self.draw.mesh().indexed_colored(corners, sides);
        if numbers {
            let cell = [w / columns as f32, h / rows as f32];
            let letters = (cell[0] * LETTERS[0]).min(cell[1] * LETTERS[1]);
            if letters >= SMALLEST_LETTERS {
                for column in 0..columns.min(z.len()) {
                    let values: Vec<f32> = z.iter().skip(column).step_by(columns).copied().collect();
                    let area =
                        [across(column), top, across(column + 1) - across(column), cell[1] * values.len() as f32];
                    self.column(&values, area, letters, &share, opacity);
                }
            }
        }
    }

    /// The numbers of one column as a single text of many lines: laying out each of them alone would take longer
    /// than the rest of the frame.
    fn column(&self, values: &[f32], area: [f32; 4], letters: f32, share: &impl Fn(f32) -> f32, opacity: f32) {
        let mut lines = String::new();
        let mut colours = Vec::new();
        for value in values {
            let number = format!("{value:.1}");
            // Dark on light cells and light on dark ones.
            let grey = if share(*value) > 0.5 { 0.08 } else { 0.86 };
            colours.extend(std::iter::repeat_n(ink([grey, grey, grey, opacity]), number.len()));
            if !lines.is_empty() {
                lines.push('\n');
            }
            lines.push_str(&number);
        }
        let size = (letters / self.scale).round().max(1.0);
        let line = area[3] / values.len() as f32 / self.scale;
        let (at, [w, h]) = self.middle(area);
        let text = self.draw.text(&lines).xy(at).w_h(w, h).font_size(size as u32).line_spacing(line - size);
        text.no_line_wrap().center_justify().align_text_top().glyph_colors(colours);
    }
}
