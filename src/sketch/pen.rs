//! The pen of a drawing: the transform, the style and the clips that the next marks have, and what `push` kept.
//!
//! Every mark of a sketch goes through [`Drawing::lay`]. A mark that is only moved or made larger stays what it is; one
//! that is turned, dashed, clipped or sharp becomes a path, and so does every mark of a drawing sketch, so that all
//! its pixels come from one piece of code.

use super::values::Drawing;
use crate::latent::path::{Affine, Path, Step, Style, arc};
use crate::latent::pose::{Colour, MOST_DRAWN, MOST_MARKS, Mark, Place, Pose};
use crate::picture::canvas::letters;

/// Most states that `push` keeps.
const MOST_KEPT: usize = 256;

/// What the next marks look like, and where they go. In units of the frame's height.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pen {
    at: Affine,
    /// Ends, dashes, edges and clips.
    pub style: Style,
    /// The frame's width and height in units, where they are not 1.
    units: Option<f64>,
    kept: Vec<(Affine, Style, Option<f64>)>,
}

impl Pen {
    /// Keeps transform and style.
    ///
    /// # Errors
    /// If too many are kept.
    pub fn push(&mut self) -> Result<(), String> {
        if self.kept.len() >= MOST_KEPT {
            return Err(format!("push: {MOST_KEPT} are kept already; is a pop() missing in a loop?"));
        }
        self.kept.push((self.at, self.style.clone(), self.units));
        Ok(())
    }

    /// Back to what was kept last, or to the beginning.
    pub fn pop(&mut self) {
        (self.at, self.style, self.units) = self.kept.pop().unwrap_or_default();
    }

    /// Another transform inside of this one.
    pub fn transform(&mut self, inner: &Affine) {
        self.at = self.at.after(inner);
    }

    /// The frame is n wide and high from now on.
    pub fn set_units(&mut self, n: f64) {
        self.transform(&Affine([[1.0 / n, 0.0, 0.0], [0.0, 1.0 / n, 0.0]]));
        self.units = Some(self.units() * n);
    }

    /// How wide and high the frame is, as far as units were set.
    pub fn units(&self) -> f64 {
        self.units.unwrap_or(1.0)
    }

    /// How much longer lengths become.
    pub fn growth(&self) -> f64 {
        self.at.growth()
    }

    /// A point in shares of the frame.
    pub fn point(&self, [x, y]: [f64; 2], aspect: f64) -> [f32; 2] {
        let [x, y] = self.at.point([x * aspect, y]);
        [(x / aspect) as f32, y as f32]
    }
}

impl Drawing {
    /// A drawing with what is in a pose.
    pub fn of(pose: Pose) -> Self {
        Self { pose, pen: Pen::default() }
    }

    /// Width over height, as transforms have it.
    pub fn aspect(&self) -> f64 {
        f64::from(self.pose.aspect)
    }

    /// Adds a mark where the pen has it. `drawn` is for a drawing sketch, whose marks are all paths.
    ///
    /// # Errors
    /// If there is no room for it, or it is a picture that shall be turned.
    pub fn lay(&mut self, mark: Mark, drawn: bool) -> Result<(), String> {
        let most = if drawn { MOST_DRAWN } else { MOST_MARKS };
        if self.pose.marks.len() >= most {
            return Err(format!("a frame has room for {most} marks"));
        }
        let plain = !drawn && self.pen.style == Style::default() && self.pen.at.upright();
        let mark = match mark {
            mark if plain && self.pen.at == Affine::default() => mark,
            Mark::Picture { .. } | Mark::Heatmap { .. } if !self.pen.at.upright() => {
                return Err("a picture of a latent can be moved and scaled, and cannot be turned or mirrored".into());
            }
            mark @ (Mark::Picture { .. } | Mark::Heatmap { .. }) => self.moved(mark),
            mark if plain && !matches!(mark, Mark::Path(_)) => self.moved(mark),
            mark => self.path(mark),
        };
        self.pose.marks.push(mark);
        Ok(())
    }

    /// A mark that stays what it is, under an upright transform.
    fn moved(&self, mut mark: Mark) -> Mark {
        let (pen, aspect) = (&self.pen, self.aspect());
        let from = pen.point([0.0, 0.0], aspect);
        let to = pen.point([1.0, 1.0], aspect);
        let place = Place { x: from[0], y: from[1], w: to[0] - from[0], h: to[1] - from[1] };
        move_mark(&mut mark, place, pen.growth() as f32);
        mark
    }

    /// A mark as a path through the transform, with the style of the pen.
    fn path(&self, mark: Mark) -> Mark {
        let aspect = self.aspect();
        let (wide, pen) = (|[x, y]: [f32; 2]| [f64::from(x), f64::from(y)], &self.pen);
        let Some(mut path) = as_path(mark.clone(), self.pose.aspect) else { return mark };
        path.change(|p| pen.point(wide(p), aspect), pen.growth() as f32);
        if !matches!(mark, Mark::Path(_)) || path.style == Style::default() {
            path.style = pen.style.clone();
        } else {
            path.style.clips.extend(pen.style.clips.iter().cloned());
        }
        Mark::Path(Box::new(path))
    }
}

/// Moves a mark into a rectangle of the frame; lengths become so much longer.
pub fn move_mark(mark: &mut Mark, to: Place, longer: f32) {
    let spot = |p: [f32; 2]| [to.x + p[0] * to.w, to.y + p[1] * to.h];
    let area = |p: Place| Place { x: to.x + p.x * to.w, y: to.y + p.y * to.h, w: p.w * to.w, h: p.h * to.h };
    match mark {
        Mark::Picture { place, .. } | Mark::Heatmap { place, .. } => *place = area(*place),
        Mark::Rect { place, weight, .. } | Mark::Ellipse { place, weight, .. } => {
            (*place, *weight) = (area(*place), *weight * longer);
        }
        Mark::Line { from, to: end, weight, .. } => {
            (*from, *end, *weight) = (spot(*from), spot(*end), *weight * longer);
        }
        Mark::Text { at, size, .. } => (*at, *size) = (spot(*at), *size * longer),
        Mark::Path(path) => path.change(spot, longer),
    }
}

/// Straight lines from one point to the next.
pub fn polyline(points: &[[f64; 2]], closed: bool) -> Vec<Step> {
    let narrow = |p: &[f64; 2]| p.map(|v| v as f32);
    let mut steps: Vec<Step> = points.iter().map(|p| Step::Line(narrow(p))).collect();
    if let Some(first) = steps.first_mut() {
        *first = Step::Move(narrow(&points[0]));
    }
    if closed {
        steps.push(Step::Close);
    }
    steps
}

/// A smooth curve through points (Catmull-Rom as cubic curves).
pub fn smooth(points: &[[f64; 2]], closed: bool) -> Vec<Step> {
    let count = points.len();
    if count < 3 {
        return polyline(points, closed);
    }
    let at = |i: isize| match closed {
        true => points[i.rem_euclid(count as isize) as usize],
        false => points[i.clamp(0, count as isize - 1) as usize],
    };
    let narrow = |p: [f64; 2]| p.map(|v| v as f32);
    let mut steps = vec![Step::Move(narrow(points[0]))];
    for i in 0..if closed { count } else { count - 1 } as isize {
        let (before, from, to, behind) = (at(i - 1), at(i), at(i + 1), at(i + 2));
        let leave = [0, 1].map(|k| from[k] + (to[k] - before[k]) / 6.0);
        let arrive = [0, 1].map(|k| to[k] - (behind[k] - from[k]) / 6.0);
        steps.push(Step::Cubic(narrow(leave), narrow(arrive), narrow(to)));
    }
    if closed {
        steps.push(Step::Close);
    }
    steps
}

/// Steps along an arc of an ellipse in a rectangle.
pub fn along(area: [f64; 4], from: f64, over: f64) -> Vec<Step> {
    let narrow = |p: [f64; 2]| p.map(|v| v as f32);
    let mut steps: Vec<Step> =
        arc(area, from, over).into_iter().map(|[a, b, p]| Step::Cubic(narrow(a), narrow(b), narrow(p))).collect();
    if let Some(Step::Cubic(.., p)) = steps.first().copied() {
        steps[0] = Step::Move(p);
    }
    steps
}

/// The corners of a rectangle.
pub fn corners(x: f64, y: f64, w: f64, h: f64) -> [[f64; 2]; 4] {
    [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]
}

/// A mark as a path; none for pictures and heat maps.
fn as_path(mark: Mark, aspect: f32) -> Option<Path> {
    let wide = |p: Place| [p.x, p.y, p.w, p.h].map(f64::from);
    let made = |steps, weight: f32, colour: Colour| Path { steps, weight, colour, style: Style::default() };
    Some(match mark {
        Mark::Picture { .. } | Mark::Heatmap { .. } => return None,
        Mark::Path(path) => *path,
        Mark::Line { from, to, weight, colour } => {
            made(vec![Step::Move(from), Step::Line(to)], weight.max(0.0005), colour)
        }
        Mark::Rect { place, weight, colour } => {
            let [x, y, w, h] = wide(place);
            made(polyline(&corners(x, y, w, h), true), weight, colour)
        }
        Mark::Ellipse { place, weight, colour } => {
            let mut steps = along(wide(place), 0.0, std::f64::consts::TAU);
            steps.push(Step::Close);
            made(steps, weight, colour)
        }
        Mark::Text { text, at, size, colour } => {
            let place = |p: [f32; 2]| [at[0] + p[0] * size / aspect, at[1] + p[1] * size];
            made(letters::outlines(&text).into_iter().map(|step| step.map(place)).collect(), 0.0, colour)
        }
    })
}
