//! A scene as a picture, drawn by the processor: for films, recordings, stills and shows without a window.
//!
//! It draws what `stage` draws on the graphics card; positions, order and colours are the same. Needs no
//! adapter and gives the same bytes each time.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use tiny_skia::{Color, FillRule, LineCap, Paint, PathBuilder, Pixmap, Rect, Stroke, Transform};

use crate::latent::pose::{Colour, Mark, Place, Pose};
use crate::picture::Picture;
use crate::picture::scene::{Filter, Fit, Scene};

/// Largest side of anything drawn, in pixels.
pub const LARGEST: usize = 8192;

static FACE: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| FontRef::try_from_slice(notosans::REGULAR_TTF).ok());

/// Draws scenes; keeps what can be used again.
#[derive(Default)]
pub struct Canvas {
    resizer: Resizer,
}

impl Canvas {
    /// The scene in a picture of that size; `marks` off leaves only the generator's pictures.
    pub fn draw(&mut self, scene: &Scene, [width, height]: [usize; 2], marks: bool) -> Picture {
        let (fw, fh) = frame_size(scene.aspect(), scene.fit, width, height);
        let frame = self.frame(scene, fw, fh, marks);
        let mut out = match (fw, fh) == (width, height) {
            true => frame,
            false => laid_out(&frame, scene.fit, width, height),
        };
        if scene.light < 1.0 {
            let light = (scene.light.max(0.0) * 256.0) as u32;
            out.pixels.iter_mut().for_each(|v| *v = ((u32::from(*v) * light) >> 8) as u8);
        }
        out
    }

    /// The frame itself, without what is around it.
    fn frame(&mut self, scene: &Scene, width: usize, height: usize, marks: bool) -> Picture {
        let background = scene.pose.background.map(|v| (v * 255.0).round() as u8);
        let mut out = Picture::filled(width, height, background);
        let pictures: Vec<Picture> = match &scene.before {
            Some((before, share)) if *share > 0.0 && alike(before, &scene.pictures) => {
                before.iter().zip(scene.pictures.iter()).map(|(a, b)| blend(a, b, *share)).collect()
            }
            _ => Vec::new(),
        };
        let pictures: &[Picture] = if pictures.is_empty() { &scene.pictures } else { &pictures };
        for mark in &scene.pose.marks {
            match mark {
                Mark::Picture { latent, place, opacity } => {
                    if let Some(picture) = pictures.get(*latent) {
                        self.picture(&mut out, picture, *place, *opacity, scene.filter);
                    }
                }
                Mark::Heatmap { .. } if marks => heatmap(&mut out, mark, &scene.pose),
                Mark::Text { text, at, size, colour } if marks => {
                    let spot = [at[0] * width as f32, at[1] * height as f32];
                    write(&mut out, text, spot, size * height as f32, *colour);
                }
                Mark::Line { .. } | Mark::Rect { .. } | Mark::Ellipse { .. } if marks => shape(&mut out, mark),
                _ => {}
            }
        }
        out
    }

    fn picture(&mut self, out: &mut Picture, picture: &Picture, place: Place, opacity: f32, filter: Filter) {
        let (x0, y0, w, h) = pixels(place, out);
        if w == 0 || h == 0 || opacity <= 0.0 {
            return;
        }
        let scaled;
        let shown = if (w, h) == (picture.width, picture.height) {
            picture
        } else {
            scaled = self.scaled(picture, w, h, filter);
            &scaled
        };
        if (x0, y0, w, h) == (0, 0, out.width, out.height) && opacity >= 1.0 {
            out.pixels.copy_from_slice(&shown.pixels);
            return;
        }
        let share = (opacity * 256.0).round() as i32;
        for y in 0..h as i64 {
            let row = y0 as i64 + y;
            if row < 0 || row >= out.height as i64 {
                continue;
            }
            let (from, to) = ((-x0).max(0) as usize, (out.width as i64 - x0 as i64).clamp(0, w as i64) as usize);
            if from >= to {
                continue;
            }
            let target = (row as usize * out.width + (x0 as i64 + from as i64) as usize) * 3;
            let source = (y as usize * w + from) * 3;
            let count = (to - from) * 3;
            let (below, above) = (&mut out.pixels[target..target + count], &shown.pixels[source..source + count]);
            for (b, a) in below.iter_mut().zip(above) {
                *b = (i32::from(*b) + (((i32::from(*a) - i32::from(*b)) * share) >> 8)) as u8;
            }
        }
    }

    /// The picture at another size.
    pub fn scaled(&mut self, picture: &Picture, width: usize, height: usize, filter: Filter) -> Picture {
        let algorithm = match filter {
            Filter::Nearest => ResizeAlg::Nearest,
            Filter::Linear => ResizeAlg::Convolution(FilterType::Bilinear),
            Filter::Cubic => ResizeAlg::Convolution(FilterType::CatmullRom),
            Filter::Lanczos => ResizeAlg::Convolution(FilterType::Lanczos3),
        };
        let mut out = Picture::filled(width, height, [0; 3]);
        let source = ImageRef::new(picture.width as u32, picture.height as u32, &picture.pixels, PixelType::U8x3);
        let target = Image::from_slice_u8(width as u32, height as u32, &mut out.pixels, PixelType::U8x3);
        if let (Ok(source), Ok(mut target)) = (source, target) {
            // It refuses only sizes that do not fit their buffers, and these do.
            let _ = self.resizer.resize(&source, &mut target, &ResizeOptions::new().resize_alg(algorithm));
        }
        out
    }
}

/// Size in pixels of a frame of `aspect` in a window.
pub fn frame_size(aspect: f32, fit: Fit, width: usize, height: usize) -> (usize, usize) {
    let wide = height as f32 * aspect;
    let by_height = match fit {
        Fit::Fill => wide >= width as f32,
        _ => wide <= width as f32,
    };
    let (w, h) = if by_height { (wide, height as f32) } else { (width as f32, width as f32 / aspect) };
    let whole = |v: f32| (v.round() as usize).clamp(1, LARGEST);
    (whole(w), whole(h))
}

/// Puts a frame into a window: in the middle, or repeated from the middle.
fn laid_out(frame: &Picture, fit: Fit, width: usize, height: usize) -> Picture {
    let mut out = Picture::filled(width, height, [0; 3]);
    let (left, top) = ((width as i64 - frame.width as i64) / 2, (height as i64 - frame.height as i64) / 2);
    let repeat = matches!(fit, Fit::Tile | Fit::Mirror);
    // Which pixel of the frame lies at a place; none outside of a frame that is not repeated.
    let source = |at: i64, size: usize| -> Option<usize> {
        let (size, tile) = (size as i64, at.div_euclid(size as i64));
        let inside = at.rem_euclid(size);
        match fit {
            Fit::Mirror if tile % 2 != 0 => Some((size - 1 - inside) as usize),
            _ if repeat || tile == 0 => Some(inside as usize),
            _ => None,
        }
    };
    let columns: Vec<Option<usize>> = (0..width as i64).map(|x| source(x - left, frame.width)).collect();
    for y in 0..height {
        let Some(from) = source(y as i64 - top, frame.height) else { continue };
        for (x, column) in columns.iter().enumerate() {
            if let Some(column) = column {
                let (a, b) = ((y * width + x) * 3, (from * frame.width + column) * 3);
                out.pixels[a..a + 3].copy_from_slice(&frame.pixels[b..b + 3]);
            }
        }
    }
    out
}

fn alike(a: &[Picture], b: &[Picture]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a.width, a.height) == (b.width, b.height))
}

/// `share` of `a`, the rest of `b`.
fn blend(a: &Picture, b: &Picture, share: f32) -> Picture {
    let share = (share.clamp(0.0, 1.0) * 256.0) as i32;
    let mixed = |(a, b): (&u8, &u8)| (i32::from(*b) + (((i32::from(*a) - i32::from(*b)) * share) >> 8)) as u8;
    let pixels = a.pixels.iter().zip(&b.pixels).map(mixed).collect();
    Picture { width: b.width, height: b.height, pixels }
}

/// A place in pixels: left, top, width, height. Edges are rounded, so that neighbours meet.
fn pixels(place: Place, out: &Picture) -> (i32, i32, usize, usize) {
    let edge = |v: f32, size: usize| (v * size as f32).round().clamp(-(LARGEST as f32), LARGEST as f32) as i32;
    let (x0, x1) = (edge(place.x, out.width), edge(place.x + place.w, out.width));
    let (y0, y1) = (edge(place.y, out.height), edge(place.y + place.h, out.height));
    (x0, y0, (x1 - x0).max(0) as usize, (y1 - y0).max(0) as usize)
}

fn heatmap(out: &mut Picture, mark: &Mark, pose: &Pose) {
    let Mark::Heatmap { latent, place, columns, numbers, range, opacity } = mark else { return };
    let Some(z) = pose.latents.get(*latent) else { return };
    let rows = z.len().div_ceil(*columns).max(1);
    let (w, h) = (place.w / *columns as f32, place.h / rows as f32);
    for (i, v) in z.iter().enumerate() {
        let cell = Place { x: place.x + (i % columns) as f32 * w, y: place.y + (i / columns) as f32 * h, w, h };
        let share = ((v - range[0]) / (range[1] - range[0]).max(1e-6)).clamp(0.0, 1.0);
        fill(out, cell, [share, share, share, *opacity]);
        let (x, y, wide, high) = pixels(cell, out);
        let size = (high as f32 * 0.31).min(wide as f32 * 0.27);
        if *numbers && size >= 4.5 {
            let ink = if share > 0.5 { 0.0 } else { 1.0 };
            let middle = [x as f32 + wide as f32 / 2.0, y as f32 + high as f32 / 2.0];
            write(out, &format!("{v:.1}"), middle, size, [ink, ink, ink, *opacity]);
        }
    }
}

/// Fills whole pixels, without soft edges.
fn fill(out: &mut Picture, place: Place, colour: Colour) {
    let (x0, y0, w, h) = pixels(place, out);
    for y in y0.max(0)..(y0 + h as i32).min(out.height as i32) {
        for x in x0.max(0)..(x0 + w as i32).min(out.width as i32) {
            over(out, x as usize, y as usize, colour, 1.0);
        }
    }
}

/// Lays a colour over a pixel, `cover` of it.
fn over(out: &mut Picture, x: usize, y: usize, colour: Colour, cover: f32) {
    let share = (colour[3] * cover).clamp(0.0, 1.0);
    let at = (y * out.width + x) * 3;
    for (v, c) in out.pixels[at..at + 3].iter_mut().zip(colour) {
        *v = (f32::from(*v) + (c * 255.0 - f32::from(*v)) * share).round() as u8;
    }
}

/// One line of text with its middle at `at`; `size` is the em in pixels, as typographers count.
fn write(out: &mut Picture, text: &str, at: [f32; 2], size: f32, colour: Colour) {
    let Some(face) = FACE.as_ref() else { return };
    let em = face.units_per_em().unwrap_or(1000.0);
    let face = face.as_scaled(PxScale::from(size * face.height_unscaled() / em));
    let width: f32 = text.chars().map(|c| face.h_advance(face.glyph_id(c))).sum();
    let (mut x, baseline) = (at[0] - width / 2.0, at[1] + (face.ascent() + face.descent()) / 2.0);
    for c in text.chars() {
        let id = face.glyph_id(c);
        let glyph = id.with_scale_and_position(face.scale(), ab_glyph::point(x, baseline));
        x += face.h_advance(id);
        if let Some(outline) = face.font.outline_glyph(glyph) {
            let bounds = outline.px_bounds();
            outline.draw(|gx, gy, cover| {
                let (px, py) = (bounds.min.x + gx as f32, bounds.min.y + gy as f32);
                if px >= 0.0 && py >= 0.0 && (px as usize) < out.width && (py as usize) < out.height {
                    over(out, px as usize, py as usize, colour, cover);
                }
            });
        }
    }
}

/// A line, a rectangle or an ellipse with soft edges.
fn shape(out: &mut Picture, mark: &Mark) {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn scene(pose: Pose, fit: Fit) -> Scene {
        let mut left = Picture::filled(2, 2, [10, 20, 30]);
        left.set(0, 0, [200, 0, 0]);
        let pictures = Arc::new(vec![left]);
        Scene { pose: Arc::new(pose), pictures, before: None, version: 1, light: 1.0, fit, filter: Filter::Nearest }
    }

    #[test]
    fn every_fit_fills_its_window_as_it_says() {
        let check = |fit, at: [usize; 2], expected: [u8; 3]| {
            let drawn = Canvas::default().draw(&scene(Pose::of(vec![0.0]), fit), [8, 4], true);
            assert_eq!((drawn.width, drawn.height), (8, 4));
            assert_eq!(drawn.at(at[0], at[1]), expected, "{fit:?} {at:?}");
        };
        check(Fit::Fit, [0, 0], [0; 3]);
        check(Fit::Fit, [2, 0], [200, 0, 0]);
        check(Fit::Fit, [5, 0], [10, 20, 30]);
        check(Fit::Fill, [0, 0], [200, 0, 0]);
        check(Fit::Fill, [7, 0], [10, 20, 30]);
        check(Fit::Tile, [6, 0], [200, 0, 0]);
        check(Fit::Tile, [0, 0], [10, 20, 30]);
        check(Fit::Mirror, [0, 0], [200, 0, 0]);
    }

    #[test]
    fn a_frame_has_the_shape_of_its_picture() {
        let mut scene = scene(Pose::of(vec![0.0]), Fit::Fit);
        let mut wide = Picture::filled(6, 2, [10, 20, 30]);
        wide.set(5, 1, [200, 0, 0]);
        scene.pictures = Arc::new(vec![wide.clone()]);
        assert_eq!(Canvas::default().draw(&scene, [6, 2], true).pixels, wide.pixels);
    }

    #[test]
    fn marks_are_drawn_in_order_and_left_out_on_request() {
        let mut pose = Pose::of(vec![-3.0, 3.0, 0.0, 0.0]);
        pose.marks.push(Mark::Rect {
            place: Place { x: 0.5, y: 0.0, w: 0.5, h: 0.5 },
            weight: 0.0,
            colour: [0.0, 1.0, 0.0, 1.0],
        });
        pose.marks.push(Mark::Heatmap {
            latent: 0,
            place: Place { x: 0.0, y: 0.5, w: 0.5, h: 0.5 },
            columns: 2,
            numbers: false,
            range: [-3.0, 3.0],
            opacity: 1.0,
        });
        pose.marks.push(Mark::Ellipse {
            place: Place { x: 0.6, y: 0.6, w: 0.3, h: 0.3 },
            weight: 0.0,
            colour: [0.0, 0.0, 1.0, 0.5],
        });
        pose.marks.push(Mark::Text { text: "z".into(), at: [0.25, 0.25], size: 0.4, colour: [1.0; 4] });
        let scene = scene(pose, Fit::Fit);
        let drawn = Canvas::default().draw(&scene, [64, 64], true);
        assert_eq!([drawn.at(48, 16), drawn.at(4, 36), drawn.at(28, 36)], [[0, 255, 0], [0; 3], [255; 3]]);
        assert_eq!(drawn.at(48, 48), [5, 10, 143]);
        assert!((0..32).any(|y| (0..32).any(|x| drawn.at(x, y) == [255; 3])));
        assert_eq!(Canvas::default().draw(&scene, [64, 64], false).at(48, 16), [10, 20, 30]);
    }

    #[test]
    fn pictures_cross_blend_and_light_dims() {
        let mut scene = scene(Pose::of(vec![0.0]), Fit::Fit);
        scene.before = Some((Arc::new(vec![Picture::filled(2, 2, [110, 120, 130])]), 0.5));
        assert_eq!(Canvas::default().draw(&scene, [2, 2], true).at(1, 1), [60, 70, 80]);
        scene.light = 0.0;
        assert_eq!(Canvas::default().draw(&scene, [2, 2], true).at(1, 1), [0; 3]);
    }
}
