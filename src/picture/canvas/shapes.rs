//! Lines, rectangles, ellipses and heat maps on a picture.

use tiny_skia::{Color, FillRule, LineCap, Paint, PathBuilder, Pixmap, Rect, Stroke, Transform};

use super::letters;
use crate::latent::pose::{Colour, Mark, Place, Pose};
use crate::picture::Picture;
use crate::picture::heat::{self, Cells};
use crate::picture::layout::Panel;

/// z as grey cells, with its numbers where they can be read.
pub(super) fn heatmap(out: &mut Picture, panel: Panel, mark: &Mark, pose: &Pose) {
    let Mark::Heatmap { latent, place, columns, numbers, range, opacity } = mark else { return };
    let Some(z) = pose.latents.get(*latent) else { return };
    let cells = Cells::new(panel.pixels(place), z.len(), *columns, *range);
    for (i, value) in z.iter().enumerate() {
        let cell = cells.cell(i, *value);
        fill(out, cell.edges, [cell.grey, cell.grey, cell.grey, *opacity]);
        if let Some(size) = cells.letters.filter(|_| *numbers) {
            let ink = [cell.ink, cell.ink, cell.ink, *opacity];
            letters::write(out, &heat::number(*value), cell.middle(), size, ink);
        }
    }
}

/// Fills whole pixels, without soft edges.
fn fill(out: &mut Picture, [left, top, right, bottom]: [f32; 4], colour: Colour) {
    let within = |edge: f32, side: usize| (edge.max(0.0) as usize).min(side);
    for y in within(top, out.height)..within(bottom, out.height) {
        for x in within(left, out.width)..within(right, out.width) {
            over(out, x, y, colour, 1.0);
        }
    }
}

/// Lays a colour over a pixel, `cover` of it.
pub(super) fn over(out: &mut Picture, x: usize, y: usize, colour: Colour, cover: f32) {
    let share = (colour[3] * cover).clamp(0.0, 1.0);
    let at = (y * out.width + x) * 3;
    for (v, c) in out.pixels[at..at + 3].iter_mut().zip(colour) {
        *v = (f32::from(*v) + (c * 255.0 - f32::from(*v)) * share).round() as u8;
    }
}

/// A line, a rectangle or an ellipse with soft edges.
pub(super) fn shape(out: &mut Picture, mark: &Mark) {
    let (width, height) = (out.width as f32, out.height as f32);
    let area = |p: &Place| Rect::from_xywh(p.x * width, p.y * height, p.w * width, p.h * height);
    let (path, weight, colour) = match mark {
        Mark::Line { from, to, weight, colour } => {
            let mut path = PathBuilder::new();
            path.move_to(from[0] * width, from[1] * height);
            path.line_to(to[0] * width, to[1] * height);
            (path.finish(), weight.max(0.0005), colour)
        }
        Mark::Rect { place, weight, colour } => (area(place).map(PathBuilder::from_rect), *weight, colour),
        Mark::Ellipse { place, weight, colour } => (area(place).and_then(PathBuilder::from_oval), *weight, colour),
        _ => return,
    };
    let (Some(path), Some(mut layer)) = (path, Pixmap::new(out.width as u32, out.height as u32)) else { return };
    let [r, g, b, a] = *colour;
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(Color::from_rgba(r, g, b, a).unwrap_or(Color::WHITE));
    if weight > 0.0 {
        let stroke = Stroke { width: weight * height, line_cap: LineCap::Round, ..Stroke::default() };
        layer.stroke_path(&path, &paint, &stroke, Transform::identity(), None);
    } else {
        layer.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
    }
    for (below, above) in out.pixels.chunks_exact_mut(3).zip(layer.pixels()) {
        let rest = 255 - u32::from(above.alpha());
        if rest < 255 {
            // The layer's colours are multiplied with their opacity already.
            for (v, c) in below.iter_mut().zip([above.red(), above.green(), above.blue()]) {
                *v = (u32::from(c) + (u32::from(*v) * rest + 127) / 255).min(255) as u8;
            }
        }
    }
}
