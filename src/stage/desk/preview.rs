//! The frame in small, painted by egui from the same scene: pictures and all marks.
//!
//! Its textures are its own: egui wants sRGB ones, the stage's are plain bytes.

use std::sync::Arc;

use nannou::prelude::egui::emath::GuiRounding;
use nannou::prelude::egui::epaint::EllipseShape;
use nannou::prelude::egui::{
    self, Align2, Color32, ColorImage, Context, FontId, Painter, Pos2, Rect, Stroke, StrokeKind, TextureHandle,
    TextureOptions, Vec2,
};

use crate::latent::pose::{Colour, Mark, Place};
use crate::picture::Picture;
use crate::picture::heat::Cells;
use crate::picture::paths::Paths;
use crate::picture::scene::Scene;

/// Most pixels of a side in the preview: larger pictures lose the rest.
const MOST: usize = 384;

/// The pictures as egui has them.
#[derive(Default)]
pub(in crate::stage) struct Preview {
    pictures: Option<Arc<Vec<Picture>>>,
    textures: Vec<TextureHandle>,
}

impl Preview {
    /// Uploads the scene's pictures if they are new.
    pub(super) fn upload(&mut self, context: &Context, scene: &Scene) {
        if self.pictures.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &scene.pictures)) {
            return;
        }
        self.textures.truncate(scene.pictures.len());
        for (i, picture) in scene.pictures.iter().enumerate() {
            let image = small(picture);
            match self.textures.get_mut(i) {
                Some(texture) => texture.set(image, TextureOptions::LINEAR),
                None => self.textures.push(context.load_texture(format!("preview {i}"), image, TextureOptions::LINEAR)),
            }
        }
        self.pictures = Some(scene.pictures.clone());
    }

    /// Paints the whole frame into `area`, as large as it fits.
    pub(super) fn paint(&self, painter: &Painter, area: Rect, scene: &Scene) {
        let aspect = scene.aspect();
        let size = if area.width() / area.height() > aspect {
            egui::vec2(area.height() * aspect, area.height())
        } else {
            egui::vec2(area.width(), area.width() / aspect)
        };
        let frame = Rect::from_center_size(area.center(), size).round_to_pixels(painter.pixels_per_point());
        let painter = painter.with_clip_rect(frame.intersect(painter.clip_rect()));
        let [r, g, b] = scene.pose.background;
        painter.rect_filled(frame, 0.0, colour([r, g, b, 1.0]));
        for mark in &scene.pose.marks {
            self.mark(&painter, frame, scene, mark);
        }
        painter.rect_filled(frame, 0.0, colour([0.0, 0.0, 0.0, 1.0 - scene.light]));
    }

    fn mark(&self, painter: &Painter, frame: Rect, scene: &Scene, mark: &Mark) {
        let line = |weight: f32, ink: &Colour| Stroke::new((weight * frame.height()).max(1.0), colour(*ink));
        match mark {
            Mark::Picture { latent, place, opacity } => {
                if let Some(texture) = self.textures.get(*latent) {
                    let whole = Rect::from_min_max(Pos2::ZERO, egui::pos2(1.0, 1.0));
                    let tint = Color32::from_white_alpha((opacity * 255.0) as u8);
                    painter.image(texture.id(), area(frame, place), whole, tint);
                }
            }
            Mark::Heatmap { latent, place, columns, range, opacity, .. } => {
                if let Some(z) = scene.pose.latents.get(*latent) {
                    heatmap(painter, area(frame, place), z, *columns, *range, *opacity);
                }
            }
            Mark::Line { from, to, weight, colour } => {
                painter.line_segment([point(frame, *from), point(frame, *to)], line(*weight, colour));
            }
            Mark::Rect { place, weight, colour: ink } if *weight <= 0.0 => {
                painter.rect_filled(area(frame, place), 0.0, colour(*ink));
            }
            Mark::Rect { place, weight, colour } => {
                painter.rect_stroke(area(frame, place), 0.0, line(*weight, colour), StrokeKind::Middle);
            }
            Mark::Ellipse { place, weight, colour: ink } => {
                let area = area(frame, place);
                let radius: Vec2 = area.size().abs() / 2.0;
                painter.add(if *weight > 0.0 {
                    EllipseShape::stroke(area.center(), radius, line(*weight, ink))
                } else {
                    EllipseShape::filled(area.center(), radius, colour(*ink))
                });
            }
            Mark::Text { text, at, size, colour: ink } => {
                let font = FontId::proportional((size * frame.height()).clamp(4.0, 200.0));
                painter.text(point(frame, *at), Align2::CENTER_CENTER, text, font, colour(*ink));
            }
            Mark::Path(path) => {
                let [r, g, b, a] = path.colour;
                let size = [frame.width().ceil().max(1.0) as usize, frame.height().ceil().max(1.0) as usize];
                for run in Paths::default().runs(path, size) {
                    let from = frame.min + egui::vec2(run.x as f32, run.y as f32);
                    let area = Rect::from_min_size(from, egui::vec2(run.len as f32, 1.0));
                    painter.rect_filled(area, 0.0, colour([r, g, b, a * f32::from(run.cover) / 255.0]));
                }
            }
        }
    }
}

/// Grey cells of `values`.
pub(super) fn heatmap(painter: &Painter, area: Rect, values: &[f32], columns: usize, range: [f32; 2], opacity: f32) {
    let cells = Cells::new([0.0, 0.0, area.width(), area.height()], values.len(), columns, range);
    for (i, value) in values.iter().enumerate() {
        let cell = cells.cell(i, *value);
        let [left, top, right, bottom] = cell.edges;
        let place = Rect::from_min_max(area.min + egui::vec2(left, top), area.min + egui::vec2(right, bottom));
        painter.rect_filled(place, 0.0, colour([cell.grey, cell.grey, cell.grey, opacity]));
    }
}

fn colour(ink: Colour) -> Color32 {
    let [r, g, b, a] = ink.map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8);
    Color32::from_rgba_unmultiplied(r, g, b, a)
}

fn point(frame: Rect, [x, y]: [f32; 2]) -> Pos2 {
    frame.min + egui::vec2(x * frame.width(), y * frame.height())
}

fn area(frame: Rect, place: &Place) -> Rect {
    Rect::from_two_pos(point(frame, [place.x, place.y]), point(frame, [place.x + place.w, place.y + place.h]))
}

/// The picture at no more than `MOST` pixels a side, by leaving out.
pub(super) fn small(picture: &Picture) -> ColorImage {
    let step = picture.width.max(picture.height).div_ceil(MOST).max(1);
    if step == 1 {
        return ColorImage::from_rgb([picture.width, picture.height], &picture.pixels);
    }
    let size = [picture.width.div_ceil(step), picture.height.div_ceil(step)];
    let rows = (0..picture.height).step_by(step);
    let pixels = rows.flat_map(|y| (0..picture.width).step_by(step).flat_map(move |x| picture.at(x, y)));
    ColorImage::from_rgb(size, &pixels.collect::<Vec<u8>>())
}
