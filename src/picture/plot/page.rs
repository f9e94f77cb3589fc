//! The pixels that plotters draws on: tiny-skia's lines, and letters in the typeface of the stage.
//!
//! Used by `plot` alone. Coordinates come in units, of which so many are a pixel.

use std::convert::Infallible;

use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind};
use tiny_skia::{Color, FillRule, Paint, PathBuilder, Pixmap, Rect, Stroke, Transform};

use crate::picture::Picture;
use crate::picture::canvas::letters;

/// A word that is written when all lines are drawn: text, middle, em in pixels, colour.
type Word = (String, [f32; 2], f32, [f32; 4]);

/// A page of pixels.
pub(super) struct Page {
    size: (u32, u32),
    /// Units in a pixel.
    units: f32,
    /// None where a picture of that size cannot be.
    map: Option<Pixmap>,
    words: Vec<Word>,
}

/// What a call gives.
type Done = Result<(), DrawingErrorKind<Infallible>>;

impl Page {
    /// A white page of so many pixels.
    pub(super) fn new(width: usize, height: usize, units: f32) -> Self {
        let mut map = Pixmap::new(width as u32, height as u32);
        if let Some(map) = &mut map {
            map.fill(Color::WHITE);
        }
        Self { size: (width as u32, height as u32), units, map, words: Vec::new() }
    }

    /// What was drawn.
    pub(super) fn done(self) -> Picture {
        let mut out = Picture::filled(self.size.0 as usize, self.size.1 as usize, [255; 3]);
        if let Some(map) = self.map {
            out.pixels = map.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect();
        }
        for (text, middle, em, colour) in self.words {
            letters::write(&mut out, &text, middle, em, colour);
        }
        out
    }

    fn at(&self, (x, y): BackendCoord) -> (f32, f32) {
        (x as f32 / self.units, y as f32 / self.units)
    }

    fn stroke(&mut self, path: PathBuilder, colour: BackendColor, width: u32) {
        let stroke = Stroke { width: width as f32 / self.units, ..Stroke::default() };
        if let (Some(map), Some(path)) = (&mut self.map, path.finish()) {
            map.stroke_path(&path, &paint(colour), &stroke, Transform::identity(), None);
        }
    }

    fn fill(&mut self, path: PathBuilder, colour: BackendColor) {
        if let (Some(map), Some(path)) = (&mut self.map, path.finish()) {
            map.fill_path(&path, &paint(colour), FillRule::Winding, Transform::identity(), None);
        }
    }

    fn path(&self, points: impl IntoIterator<Item = BackendCoord>) -> PathBuilder {
        let mut path = PathBuilder::new();
        for point in points {
            let (x, y) = self.at(point);
            match path.is_empty() {
                true => path.move_to(x, y),
                false => path.line_to(x, y),
            }
        }
        path
    }
}

fn paint(colour: BackendColor) -> Paint<'static> {
    let (r, g, b) = colour.rgb;
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(r, g, b, (colour.alpha.clamp(0.0, 1.0) * 255.0).round() as u8);
    paint
}

impl DrawingBackend for &mut Page {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.size.0 * self.units as u32, self.size.1 * self.units as u32)
    }

    fn ensure_prepared(&mut self) -> Done {
        Ok(())
    }

    fn present(&mut self) -> Done {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, colour: BackendColor) -> Done {
        let (x, y) = self.at(point);
        if let (Some(map), Some(area)) = (&mut self.map, Rect::from_xywh(x, y, 1.0 / self.units, 1.0 / self.units)) {
            map.fill_rect(area, &paint(colour), Transform::identity(), None);
        }
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Done {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S, fill: bool) -> Done {
        let corners = [from, (to.0, from.1), to, (from.0, to.1)];
        match fill {
            true => self.fill_polygon(corners, style),
            false => self.draw_path(corners.into_iter().chain([from]), style),
        }
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, points: I, style: &S) -> Done {
        let path = self.path(points);
        self.stroke(path, style.color(), style.stroke_width());
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, middle: BackendCoord, radius: u32, style: &S, fill: bool) -> Done {
        let ((x, y), radius) = (self.at(middle), radius as f32 / self.units);
        let mut path = PathBuilder::new();
        path.push_circle(x, y, radius);
        match fill {
            true => self.fill(path, style.color()),
            false => self.stroke(path, style.color(), style.stroke_width()),
        }
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, points: I, style: &S) -> Done {
        let path = self.path(points);
        self.fill(path, style.color());
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, place: BackendCoord) -> Done {
        let (x, y) = self.at(place);
        let em = style.size() as f32 / 1.24 / self.units;
        let half = letters::width(text, em) / 2.0;
        let x = match style.anchor().h_pos {
            HPos::Left => x + half,
            HPos::Center => x,
            HPos::Right => x - half,
        };
        // The baseline is where plotters' SVG has it.
        let y = match style.anchor().v_pos {
            VPos::Top => y + 0.37 * em,
            VPos::Center => y - 0.12 * em,
            VPos::Bottom => y - 0.66 * em,
        };
        let BackendColor { alpha, rgb: (r, g, b) } = style.color();
        let [r, g, b] = [r, g, b].map(|v| f32::from(v) / 255.0);
        self.words.push((text.to_owned(), [x, y], em, [r, g, b, alpha as f32]));
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let em = style.size() as f32 / 1.24;
        Ok((letters::width(text, em).ceil() as u32, em.ceil() as u32))
    }
}
