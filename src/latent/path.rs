//! Paths: forms of straight lines and curves, filled or with a line of some weight, as a mark of a pose.
//!
//! Made by the sketch's verbs (polygons, curves, arcs, and everything that is turned, dashed or clipped), which have
//! applied their transforms already; drawn by `picture::paths`. Positions are shares of the frame, weights shares of
//! its height. Absent: pixels.

use std::sync::Arc;

use super::pose::Colour;

/// A point in shares of the frame: x and y.
pub type Point = [f32; 2];

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Begins a new part.
    Move(Point),
    /// Straight to a point.
    Line(Point),
    /// A quadratic curve: its control point, and where it ends.
    Quad(Point, Point),
    /// A cubic curve: its two control points, and where it ends.
    Cubic(Point, Point, Point),
    /// Straight back to where the part began.
    Close,
}

impl Step {
    /// The same with every point moved.
    pub fn map(self, to: impl Fn(Point) -> Point) -> Self {
        match self {
            Self::Move(p) => Self::Move(to(p)),
            Self::Line(p) => Self::Line(to(p)),
            Self::Quad(a, p) => Self::Quad(to(a), to(p)),
            Self::Cubic(a, b, p) => Self::Cubic(to(a), to(b), to(p)),
            Self::Close => Self::Close,
        }
    }

    /// Whether all of its numbers are within what a frame can mean.
    pub(super) fn sane(self) -> bool {
        let sane = |p: Point| p.iter().all(|v| v.is_finite() && v.abs() <= 1e4);
        match self {
            Self::Move(p) | Self::Line(p) => sane(p),
            Self::Quad(a, p) => sane(a) && sane(p),
            Self::Cubic(a, b, p) => sane(a) && sane(b) && sane(p),
            Self::Close => true,
        }
    }
}

/// How the ends of lines look. Corners are round with round ends, and pointed with the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cap {
    /// Half a disc behind the end.
    #[default]
    Round,
    /// Cut off at the end.
    Butt,
    /// Half a square behind the end.
    Square,
}

/// What a path looks like beside its form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Style {
    /// How lines end.
    pub cap: Cap,
    /// Lengths of dashes and gaps in turn, as shares of the frame's height; none for a whole line.
    pub dash: Vec<f32>,
    /// Hard edges: each pixel is covered as a whole or not at all.
    pub sharp: bool,
    /// Only what lies within all of these forms is seen.
    pub clips: Vec<Arc<Vec<Step>>>,
}

/// A form in a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// Its steps.
    pub steps: Vec<Step>,
    /// Width of its line; 0 fills it.
    pub weight: f32,
    /// Its colour.
    pub colour: Colour,
    /// What it looks like beside.
    pub style: Style,
}

impl Path {
    /// Moves all of it: points by `to`, lengths times `longer`.
    pub fn change(&mut self, to: impl Fn(Point) -> Point, longer: f32) {
        self.steps.iter_mut().for_each(|step| *step = step.map(&to));
        for clip in &mut self.style.clips {
            *clip = Arc::new(clip.iter().map(|step| step.map(&to)).collect());
        }
        self.weight *= longer;
        self.style.dash.iter_mut().for_each(|length| *length *= longer);
    }

    /// Whether it can be drawn.
    pub(super) fn sane(&self) -> bool {
        let whole = |steps: &[Step]| steps.iter().all(|step| step.sane());
        let length = |v: &f32| v.is_finite() && (0.0..=1e4).contains(v);
        whole(&self.steps)
            && self.style.clips.iter().all(|clip| whole(clip))
            && length(&self.weight)
            && self.style.dash.iter().all(length)
    }
}

/// Cubic curves around an ellipse in a rectangle, from an angle over an angle, in radians from the right, clockwise on
/// the screen. The first step is a move.
pub fn arc([x, y, w, h]: [f64; 4], from: f64, over: f64) -> Vec<[[f64; 2]; 3]> {
    let (a, b) = (w / 2.0, h / 2.0);
    let (mx, my) = (x + a, y + b);
    let parts = (libm::ceil(over.abs() / std::f64::consts::FRAC_PI_2 - 1e-9) as usize).clamp(1, 64);
    let step = over / parts as f64;
    // How long the handles are so that a cubic keeps to the circle.
    let reach = 4.0 / 3.0 * libm::tan(step / 4.0);
    let spot = |angle: f64| [libm::cos(angle), libm::sin(angle)];
    let place = |[u, v]: [f64; 2]| [mx + a * u, my + b * v];
    let begin = place(spot(from));
    let mut out = vec![[begin; 3]];
    for i in 0..parts {
        let (one, other) = (spot(from + step * i as f64), spot(from + step * (i + 1) as f64));
        let leave = [one[0] - reach * one[1], one[1] + reach * one[0]];
        let reach_in = [other[0] + reach * other[1], other[1] - reach * other[0]];
        out.push([place(leave), place(reach_in), place(other)]);
    }
    out
}

/// A plane map: turned, scaled and moved. Rows of a 2 by 3 matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine(pub [[f64; 3]; 2]);

impl Default for Affine {
    fn default() -> Self {
        Self([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    }
}

impl Affine {
    /// What `inner` does, and then what this one does.
    pub fn after(&self, inner: &Self) -> Self {
        let (a, b) = (&self.0, &inner.0);
        let row = |r: usize| {
            let at = |c: usize| a[r][0] * b[0][c] + a[r][1] * b[1][c];
            [at(0), at(1), at(2) + a[r][2]]
        };
        Self([row(0), row(1)])
    }

    /// A point through it.
    pub fn point(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let row = |r: &[f64; 3]| r[0] * x + r[1] * y + r[2];
        [row(&self.0[0]), row(&self.0[1])]
    }

    /// How much longer lengths become: the mean over all directions in which an area grows.
    pub fn growth(&self) -> f64 {
        let [a, b] = &self.0;
        (a[0] * b[1] - a[1] * b[0]).abs().sqrt()
    }

    /// Whether rectangles stay rectangles and circles keep their proportions: nothing is turned.
    pub fn upright(&self) -> bool {
        let [a, b] = &self.0;
        a[1] == 0.0 && b[0] == 0.0 && a[0] > 0.0 && b[1] > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_nest_from_the_outside_in() {
        let right = Affine([[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]]);
        let twice = Affine([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]);
        assert_eq!(right.after(&twice).point([1.0, 1.0]), [4.0, 2.0]);
        assert_eq!(twice.after(&right).point([1.0, 1.0]), [6.0, 2.0]);
        assert_eq!((twice.growth(), twice.upright()), (2.0, true));
        assert!(!Affine([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]).upright());
    }

    #[test]
    fn an_arc_keeps_to_its_circle() {
        let steps = arc([-1.0, -1.0, 2.0, 2.0], 0.0, std::f64::consts::TAU);
        assert_eq!(steps.len(), 5);
        for pair in steps.windows(2) {
            let ([.., p], [a, b, q]) = (pair[0], pair[1]);
            let middle = |i: usize| 0.125 * p[i] + 0.375 * (a[i] + b[i]) + 0.125 * q[i];
            assert!((middle(0).hypot(middle(1)) - 1.0).abs() < 1e-3);
        }
        assert_eq!(arc([0.0; 4], 0.0, 0.0).len(), 2);
    }
}
