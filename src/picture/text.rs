//! Words on pictures, in a fixed-width bitmap font that needs no files.

use embedded_graphics::Drawable;
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, ascii};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};

use super::Picture;

/// Sizes of the font.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// 5×8 pixels a character.
    Small,
    /// 7×13 pixels a character.
    Medium,
    /// 10×20 pixels a character.
    Large,
}

impl Face {
    fn font(self) -> &'static MonoFont<'static> {
        match self {
            Self::Small => &ascii::FONT_5X8,
            Self::Medium => &ascii::FONT_7X13,
            Self::Large => &ascii::FONT_10X20,
        }
    }
}

/// Which point of the words lies at the place given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Their left end.
    Left,
    /// Their middle.
    Middle,
    /// Their right end.
    Right,
}

impl OriginDimensions for Picture {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Picture {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(point, colour) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(point.x), usize::try_from(point.y)) {
                self.set(x, y, [colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

impl Picture {
    /// Writes words with their vertical middle at y; characters beyond ASCII come out as `?`.
    pub fn write(&mut self, words: &str, x: i32, y: i32, face: Face, anchor: Anchor, [r, g, b]: [u8; 3]) {
        let style = MonoTextStyle::new(face.font(), Rgb888::new(r, g, b));
        let alignment = match anchor {
            Anchor::Left => Alignment::Left,
            Anchor::Middle => Alignment::Center,
            Anchor::Right => Alignment::Right,
        };
        let place = TextStyleBuilder::new().baseline(Baseline::Middle).alignment(alignment).build();
        // Drawing on a picture cannot fail: pixels outside are left out.
        let Ok(_) = Text::with_text_style(words, Point::new(x, y), style, place).draw(self);
    }
}
