//! One line of letters: where each of them stands, and how much of each pixel it covers.
//!
//! Read by the canvas, and by the window for its letters on the graphics card, so that both set text alike.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, GlyphId, OutlineCurve, OutlinedGlyph, PxScale, ScaleFont};

use super::shapes::over;
use crate::latent::path::Step;
use crate::latent::pose::Colour;
use crate::picture::Picture;

static FACE: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| FontRef::try_from_slice(notosans::REGULAR_TTF).ok());

/// A letter of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Letter {
    glyph: GlyphId,
    /// Where it begins on the baseline, in pixels from the left.
    pub x: f32,
    /// The line that it stands on, in pixels from the top.
    pub baseline: f32,
}

/// A letter's cover of pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Raster {
    /// Left edge, in pixels from the letter's whole pixel.
    pub left: i32,
    /// Upper edge, in pixels from the letter's whole pixel.
    pub top: i32,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `[height, width]`, 0 to 255.
    pub cover: Vec<u8>,
}

impl Letter {
    /// What tells this letter's form from others: the number of its glyph.
    pub fn form(&self) -> u16 {
        self.glyph.0
    }
}

/// The letters of `text` with its middle at `at`; `size` is the em in pixels, as typographers count.
pub fn line(text: &str, at: [f32; 2], size: f32) -> Vec<Letter> {
    let Some(face) = FACE.as_ref() else { return Vec::new() };
    let face = face.as_scaled(scale(face, size));
    let width: f32 = text.chars().map(|c| face.h_advance(face.glyph_id(c))).sum();
    let (mut x, baseline) = (at[0] - width / 2.0, at[1] + (face.ascent() + face.descent()) / 2.0);
    let letter = |c| {
        let glyph = face.glyph_id(c);
        let letter = Letter { glyph, x, baseline };
        x += face.h_advance(glyph);
        letter
    };
    text.chars().map(letter).collect()
}

/// The cover of a glyph of `size`, `shift` (right, down; in shares of a pixel) from the whole pixel that it stands on;
/// none for a space.
pub fn raster(form: u16, size: f32, shift: [f32; 2]) -> Option<Raster> {
    let outlined = outline(Letter { glyph: GlyphId(form), x: shift[0], baseline: shift[1] }, size)?;
    let bounds = outlined.px_bounds();
    let (width, height) = (bounds.width().ceil() as usize, bounds.height().ceil() as usize);
    let mut cover = vec![0; width * height];
    outlined.draw(|x, y, share| {
        if let Some(v) = cover.get_mut(y as usize * width + x as usize) {
            *v = (share.clamp(0.0, 1.0) * 255.0).round() as u8;
        }
    });
    Some(Raster { left: bounds.min.x as i32, top: bounds.min.y as i32, width, height, cover })
}

/// How wide a line is, in pixels.
pub fn width(text: &str, size: f32) -> f32 {
    let Some(face) = FACE.as_ref() else { return 0.0 };
    let face = face.as_scaled(scale(face, size));
    text.chars().map(|c| face.h_advance(face.glyph_id(c))).sum()
}

/// The outlines of one line with its middle at (0, 0), in shares of its size: for letters that are turned or cut.
pub fn outlines(text: &str) -> Vec<Step> {
    let Some(face) = FACE.as_ref() else { return Vec::new() };
    let per_em = face.units_per_em().unwrap_or(1000.0);
    let mut steps = Vec::new();
    for letter in line(text, [0.0; 2], 1.0) {
        let Some(outline) = face.outline(letter.glyph) else { continue };
        let place = |p: ab_glyph::Point| [letter.x + p.x / per_em, letter.baseline - p.y / per_em];
        let mut last = None;
        for curve in outline.curves {
            let (from, step) = match curve {
                OutlineCurve::Line(a, b) => (place(a), Step::Line(place(b))),
                OutlineCurve::Quad(a, b, c) => (place(a), Step::Quad(place(b), place(c))),
                OutlineCurve::Cubic(a, b, c, d) => (place(a), Step::Cubic(place(b), place(c), place(d))),
            };
            if last != Some(from) {
                steps.push(Step::Move(from));
            }
            last = match step {
                Step::Line(p) | Step::Quad(_, p) | Step::Cubic(_, _, p) => Some(p),
                _ => None,
            };
            steps.push(step);
        }
    }
    steps
}

/// Writes one line with its middle at `at`.
pub(in crate::picture) fn write(out: &mut Picture, text: &str, at: [f32; 2], size: f32, colour: Colour) {
    for outlined in line(text, at, size).into_iter().filter_map(|letter| outline(letter, size)) {
        let bounds = outlined.px_bounds();
        outlined.draw(|gx, gy, cover| {
            let (px, py) = (bounds.min.x + gx as f32, bounds.min.y + gy as f32);
            if px >= 0.0 && py >= 0.0 && (px as usize) < out.width && (py as usize) < out.height {
                over(out, px as usize, py as usize, colour, cover);
            }
        });
    }
}

fn scale(face: &FontRef<'_>, size: f32) -> PxScale {
    PxScale::from(size * face.height_unscaled() / face.units_per_em().unwrap_or(1000.0))
}

fn outline(letter: Letter, size: f32) -> Option<OutlinedGlyph> {
    let face = FACE.as_ref()?;
    let position = ab_glyph::point(letter.x, letter.baseline);
    face.outline_glyph(letter.glyph.with_scale_and_position(scale(face, size), position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outlines_lie_around_the_middle() {
        let steps = outlines("Ag");
        let moves = steps.iter().filter(|step| matches!(step, Step::Move(_))).count();
        assert!((4..=6).contains(&moves), "two parts of A, two or three of g: {moves}");
        let points = steps.iter().filter_map(|step| if let Step::Line(p) = step { Some(*p) } else { None });
        assert!(points.clone().count() > 4 && points.clone().all(|[x, y]| x.abs() < 0.8 && y.abs() < 0.8));
        assert!(points.clone().any(|[x, _]| x < -0.3) && outlines(" ").is_empty());
    }

    #[test]
    fn a_line_stands_in_the_middle_and_its_letters_cover_what_the_canvas_draws() {
        let letters = line("AA", [50.0, 20.0], 16.0);
        assert!((letters[0].x + letters[1].x) / 2.0 < 50.0 && 50.0 < letters[1].x + 8.0, "{letters:?}");
        let mut out = Picture::filled(100, 40, [0; 3]);
        write(&mut out, "A A", [50.0, 20.0], 16.0, [1.0; 4]);
        for letter in line("A A", [50.0, 20.0], 16.0) {
            let whole = [letter.x.floor(), letter.baseline.floor()];
            let shift = [letter.x - whole[0], letter.baseline - whole[1]];
            let Some(Raster { left, top, width, cover, .. }) = raster(letter.form(), 16.0, shift) else { continue };
            let (left, top) = ((whole[0] as i32 + left) as usize, (whole[1] as i32 + top) as usize);
            let far = cover.iter().enumerate().map(|(i, v)| v.abs_diff(out.at(left + i % width, top + i / width)[0]));
            assert!(far.max() <= Some(1) && cover.iter().any(|v| *v > 200));
        }
        assert_eq!(
            (line("", [0.0; 2], 9.0).len(), raster(line(" ", [0.0; 2], 9.0)[0].form(), 9.0, [0.0; 2])),
            (0, None)
        );
    }
}
