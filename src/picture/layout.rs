//! Where a frame lies in a film or a window: once, cut off, or repeated. Plain geometry in pixels from the top left.
//!
//! Read by [`super::canvas`] and by `stage`, so that films and windows agree to the pixel, whatever the sizes are; the
//! mouse is measured with it too. Knows no windows.

use super::scene::Fit;
use crate::latent::pose::Place;

/// Largest side of a frame, in pixels.
pub const LARGEST: usize = 8192;

/// One copy of the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Panel {
    /// Left edge in whole pixels, so that a picture at its own size keeps its pixels.
    pub x: f32,
    /// Upper edge in whole pixels.
    pub y: f32,
    /// Width in whole pixels.
    pub w: f32,
    /// Height in whole pixels.
    pub h: f32,
    /// Mirrored from side to side, and upside down.
    pub flip: [bool; 2],
}

/// Most copies to each side: a frame one pixel wide in a very wide window must end somewhere.
const MOST: i32 = 2048;

impl Panel {
    /// The middle copy: the one that the mouse is measured on. `size` is the film's or the window's.
    pub fn middle(size: [f32; 2], aspect: f32, fit: Fit) -> Self {
        let [width, height] = size.map(|side| side.max(1.0));
        let wide = height * aspect > width;
        let (w, h) = if wide == (fit != Fit::Fill) { (width, width / aspect) } else { (height * aspect, height) };
        let [w, h] = [w, h].map(|side| side.round().clamp(1.0, LARGEST as f32));
        Self { x: ((width - w) / 2.0).trunc(), y: ((height - h) / 2.0).trunc(), w, h, flip: [false; 2] }
    }

    /// All copies that a film or a window of that many pixels shows.
    pub fn all(size: [f32; 2], aspect: f32, fit: Fit) -> Vec<Self> {
        let middle = Self::middle(size, aspect, fit);
        if matches!(fit, Fit::Fit | Fit::Fill) {
            return vec![middle];
        }
        let right = size[0] - middle.x - middle.w;
        let below = size[1] - middle.y - middle.h;
        let across = copies(middle.x.max(right), middle.w);
        let down = copies(middle.y.max(below), middle.h);
        let place = |column: i32, row: i32| Self {
            x: middle.x + column as f32 * middle.w,
            y: middle.y + row as f32 * middle.h,
            flip: if fit == Fit::Mirror { [column % 2 != 0, row % 2 != 0] } else { [false; 2] },
            ..middle
        };
        (-down..=down).flat_map(|row| (-across..=across).map(move |column| place(column, row))).collect()
    }

    /// A place of the frame in this copy's own pixels (before flipping): left, top, width and height. Its edges lie on
    /// whole pixels, so that neighbours meet; what is turned inside out has no size.
    pub fn pixels(&self, place: &Place) -> [f32; 4] {
        let edge = |share: f32, side: f32| (share * side).round().clamp(-(LARGEST as f32), LARGEST as f32);
        let (left, right) = (edge(place.x, self.w), edge(place.x + place.w, self.w));
        let (top, bottom) = (edge(place.y, self.h), edge(place.y + place.h, self.h));
        [left, top, (right - left).max(0.0), (bottom - top).max(0.0)]
    }

    /// A point of the window in shares of the frame, 0..1.
    pub fn share(&self, point: [f32; 2]) -> [f32; 2] {
        [((point[0] - self.x) / self.w).clamp(0.0, 1.0), ((point[1] - self.y) / self.h).clamp(0.0, 1.0)]
    }
}

/// Copies of `side` pixels that a margin needs.
fn copies(margin: f32, side: f32) -> i32 {
    ((margin / side).ceil() as i32).clamp(0, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(window: [f32; 2], aspect: f32, fit: Fit, middle: [f32; 4], copies: usize) {
        let all = Panel::all(window, aspect, fit);
        let p = Panel::middle(window, aspect, fit);
        assert_eq!([p.x, p.y, p.w, p.h], middle);
        assert_eq!(all.len(), copies);
        let covers = |v: f32, h: f32| all.iter().any(|p| p.x <= v && v <= p.x + p.w && p.y <= h && h <= p.y + p.h);
        if fit != Fit::Fit {
            assert!(covers(0.0, 0.0) && covers(window[0], window[1]));
        }
    }

    #[test]
    fn each_fit_lies_where_it_should() {
        check([1920.0, 1080.0], 1.0, Fit::Fit, [420.0, 0.0, 1080.0, 1080.0], 1);
        check([1080.0, 1920.0], 2.0, Fit::Fit, [0.0, 690.0, 1080.0, 540.0], 1);
        check([1920.0, 1080.0], 1.0, Fit::Fill, [0.0, -420.0, 1920.0, 1920.0], 1);
        check([1920.0, 1080.0], 1.0, Fit::Tile, [420.0, 0.0, 1080.0, 1080.0], 3);
        check([300.0, 1000.0], 1.0, Fit::Mirror, [0.0, 350.0, 300.0, 300.0], 5);
        check([128.0, 128.0], 1.0, Fit::Tile, [0.0, 0.0, 128.0, 128.0], 1);
        // Odd margins: the pixel that is left over lies on the right and below, and is covered.
        check([7.0, 4.0], 1.0, Fit::Tile, [1.0, 0.0, 4.0, 4.0], 3);
        check([5.0, 4.0], 1.0, Fit::Mirror, [0.0, 0.0, 4.0, 4.0], 3);
        check([4.0, 7.0], 1.0, Fit::Fill, [-1.0, 0.0, 7.0, 7.0], 1);
    }

    #[test]
    fn mirrored_copies_alternate_from_the_middle() {
        let all = Panel::all([300.0, 1000.0], 1.0, Fit::Mirror);
        let rows: Vec<bool> = all.iter().map(|p| p.flip[1]).collect();
        assert_eq!(rows, [false, true, false, true, false]);
    }

    #[test]
    fn places_end_on_whole_pixels_and_nothing_is_endless() {
        let panel = Panel::middle([10.0, 10.0], 1.0, Fit::Fit);
        let place = |x, w| Place { x, y: 0.0, w, h: 1.0 };
        assert_eq!(panel.pixels(&place(0.26, 0.5)), [3.0, 0.0, 5.0, 10.0]);
        assert_eq!(panel.pixels(&place(0.5, -0.2)), [5.0, 0.0, 0.0, 10.0]);
        assert_eq!(panel.pixels(&place(-1e6, 2e6))[..3], [-8192.0, 0.0, 16384.0]);
        let thin = Panel::middle([1920.0, 1080.0], 1e-6, Fit::Fit);
        assert_eq!((thin.w, thin.h), (1.0, 1080.0));
        assert_eq!(Panel::middle([100.0, 8000.0], 20.0, Fit::Fill).w, LARGEST as f32);
    }
}
