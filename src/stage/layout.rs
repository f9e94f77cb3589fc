//! Where the frame lies in a window: once, cut off, or repeated. Plain geometry in pixels from the top left.
//!
//! Read by `output` and by the mouse; knows no windows.

use crate::latent::pose::Place;
use crate::picture::scene::Fit;

/// One copy of the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Panel {
    /// Left, top, width and height: whole pixels, so that a picture at its own size keeps its pixels.
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) w: f32,
    pub(super) h: f32,
    /// Mirrored from side to side, and upside down.
    pub(super) flip: [bool; 2],
}

/// Most copies to each side: a frame 20 times as high as wide in a very wide window must end somewhere.
const MOST: i32 = 16;

impl Panel {
    /// The middle copy: the one that the mouse is measured on.
    pub(super) fn middle(window: [f32; 2], aspect: f32, fit: Fit) -> Self {
        let [width, height] = window.map(|side| side.max(1.0));
        let wide = height * aspect > width;
        let (w, h) = if wide == (fit != Fit::Fill) { (width, width / aspect) } else { (height * aspect, height) };
        let (w, h) = (w.round().max(1.0), h.round().max(1.0));
        Self { x: ((width - w) / 2.0).round(), y: ((height - h) / 2.0).round(), w, h, flip: [false; 2] }
    }

    /// All copies that a window of that many pixels shows.
    pub(super) fn all(window: [f32; 2], aspect: f32, fit: Fit) -> Vec<Self> {
        let middle = Self::middle(window, aspect, fit);
        if matches!(fit, Fit::Fit | Fit::Fill) {
            return vec![middle];
        }
        let across = ((middle.x / middle.w).ceil() as i32).clamp(0, MOST);
        let down = ((middle.y / middle.h).ceil() as i32).clamp(0, MOST);
        let place = |column: i32, row: i32| Self {
            x: middle.x + column as f32 * middle.w,
            y: middle.y + row as f32 * middle.h,
            flip: if fit == Fit::Mirror { [column % 2 != 0, row % 2 != 0] } else { [false; 2] },
            ..middle
        };
        (-down..=down).flat_map(|row| (-across..=across).map(move |column| place(column, row))).collect()
    }

    /// A place of the frame in this copy's own pixels (before flipping), its edges on whole ones.
    pub(super) fn pixels(&self, place: &Place) -> [f32; 4] {
        let (left, right) = ((place.x * self.w).round(), ((place.x + place.w) * self.w).round());
        let (top, bottom) = ((place.y * self.h).round(), ((place.y + place.h) * self.h).round());
        [left, top, right - left, bottom - top]
    }

    /// A point of the window in shares of the frame, 0..1.
    pub(super) fn share(&self, point: [f32; 2]) -> [f32; 2] {
        [((point[0] - self.x) / self.w).clamp(0.0, 1.0), ((point[1] - self.y) / self.h).clamp(0.0, 1.0)]
    }
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
    }

    #[test]
    fn mirrored_copies_alternate_from_the_middle() {
        let all = Panel::all([300.0, 1000.0], 1.0, Fit::Mirror);
        let rows: Vec<bool> = all.iter().map(|p| p.flip[1]).collect();
        assert_eq!(rows, [false, true, false, true, false]);
    }
}
