//! A pose: everything one frame shows. The latents to generate, and the marks that place them.
//!
//! Made by `sketch`, drawn by `generator` (its latents) and by `stage` or `picture::canvas` (its marks).
//! Positions are shares of the frame: x to the right and y down, (0, 0) the top left corner, (1, 1) the
//! bottom right one. A pose that has been through [`Pose::settle`] is finite and within its bounds.

use super::path::Path;
use super::space::{self, Space};
use super::style;

/// A rectangle in shares of the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub w: f32,
    /// Height.
    pub h: f32,
}

impl Place {
    /// The whole frame.
    pub const ALL: Self = Self { x: 0.0, y: 0.0, w: 1.0, h: 1.0 };
}

/// Red, green, blue and opacity, 0..1.
pub type Colour = [f32; 4];

/// White, opaque: the ink of marks that name no colour.
pub const INK: Colour = [1.0; 4];

/// One thing in a frame. Sizes of lines and letters are shares of the frame's height.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// The picture of `latents[latent]`.
    Picture {
        /// Index of the latent in the pose.
        latent: usize,
        /// Where it lies.
        place: Place,
        /// 0 (not seen) to 1.
        opacity: f32,
    },
    /// `latents[latent]` as grey cells, with their numbers if asked.
    Heatmap {
        /// Index of the latent in the pose.
        latent: usize,
        /// Where it lies.
        place: Place,
        /// Cells in a row.
        columns: usize,
        /// Whether each cell has its number in it.
        numbers: bool,
        /// What black and white stand for.
        range: [f32; 2],
        /// 0 (not seen) to 1.
        opacity: f32,
    },
    /// A straight line with round ends.
    Line {
        /// Where it begins: x and y.
        from: [f32; 2],
        /// Where it ends: x and y.
        to: [f32; 2],
        /// Its width.
        weight: f32,
        /// Its colour.
        colour: Colour,
    },
    /// Filled, or with a line of `weight` where that is above 0.
    Rect {
        /// Where it lies.
        place: Place,
        /// Width of its outline; 0 fills it.
        weight: f32,
        /// Its colour.
        colour: Colour,
    },
    /// Within `place`; filled, or with a line of `weight`.
    Ellipse {
        /// The rectangle that it touches on all four sides.
        place: Place,
        /// Width of its outline; 0 fills it.
        weight: f32,
        /// Its colour.
        colour: Colour,
    },
    /// One line of text, its middle at `at`.
    Text {
        /// What is written, at most [`MOST_LETTERS`] characters.
        text: String,
        /// The middle of the line: x and y.
        at: [f32; 2],
        /// The letters' em.
        size: f32,
        /// The letters' colour.
        colour: Colour,
    },
    /// A form of lines and curves.
    Path(Box<Path>),
}

/// Everything one frame shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Pose {
    /// z vectors, each `[z_dim]`, about −3..3. They are one batch of the generator.
    pub latents: Vec<Vec<f32>>,
    /// The blend of classes of each latent that has one of its own, `[classes]`; empty for those that have none, and
    /// shorter than the list of latents where none follows.
    pub classes: Vec<Vec<f32>>,
    /// The manner of each latent that is not drawn as usual, `[manner]` (see [`super::manner`]); in the same way.
    pub manners: Vec<Vec<f32>>,
    /// Which of the models of a show it was made for, from 0.
    pub model: u64,
    /// Drawn in this order.
    pub marks: Vec<Mark>,
    /// Width over height of the frame, in pictures: 1 for one square picture, 2 for two side by side.
    pub aspect: f32,
    /// Red, green, blue, 0..1, behind everything.
    pub background: [f32; 3],
}

/// What one picture is drawn from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    /// `[z_dim]`.
    pub z: Vec<f32>,
    /// Its blend of classes, or empty.
    pub class: Vec<f32>,
    /// Its manner, or empty.
    pub manner: Vec<f32>,
}

/// Most latents of one frame.
pub const MOST_LATENTS: usize = 64;
/// Most marks of one frame.
pub const MOST_MARKS: usize = 2048;
/// Most marks of a picture that a drawing sketch draws.
pub const MOST_DRAWN: usize = 20_000;
/// Most characters of a text mark.
pub const MOST_LETTERS: usize = 200;
/// Values of z are clamped to ± this: far outside what a network has seen, and finite in f16.
pub const FARTHEST: f32 = 100.0;

impl Default for Pose {
    fn default() -> Self {
        let (latents, classes, manners, marks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { latents, classes, manners, model: 0, marks, aspect: 1.0, background: [0.0; 3] }
    }
}

impl Pose {
    /// One picture over the whole frame.
    pub fn of(z: Vec<f32>) -> Self {
        let picture = Mark::Picture { latent: 0, place: Place::ALL, opacity: 1.0 };
        Self { latents: vec![z], marks: vec![picture], ..Self::default() }
    }

    /// Pictures of several latents in rows of `columns`, `gap` of each cell left free; equal ones are drawn once. At most
    /// [`MOST_LATENTS`].
    pub fn grid(latents: Vec<Point>, columns: usize, gap: f32) -> Self {
        let columns = columns.clamp(1, latents.len().max(1));
        let rows = latents.len().div_ceil(columns).max(1);
        let mut pose = Self { aspect: columns as f32 / rows as f32, ..Self::default() };
        let (w, h) = (1.0 / columns as f32, 1.0 / rows as f32);
        for (i, point) in latents.into_iter().enumerate() {
            let (x, y) = ((i % columns) as f32 * w, (i / columns) as f32 * h);
            let place = Place { x: x + gap * w / 2.0, y: y + gap * h / 2.0, w: w * (1.0 - gap), h: h * (1.0 - gap) };
            let latent = pose.place_of(point);
            pose.marks.push(Mark::Picture { latent, place, opacity: 1.0 });
        }
        pose
    }

    /// The blend of classes of a latent; empty if it has none of its own.
    pub fn class(&self, at: usize) -> &[f32] {
        self.classes.get(at).map_or(&[], Vec::as_slice)
    }

    /// The manner of a latent; empty if it is drawn as usual.
    pub fn manner(&self, at: usize) -> &[f32] {
        self.manners.get(at).map_or(&[], Vec::as_slice)
    }

    /// All that a latent's picture is drawn from.
    pub fn point(&self, at: usize) -> Point {
        let z = self.latents.get(at).cloned().unwrap_or_default();
        Point { z, class: self.class(at).to_vec(), manner: self.manner(at).to_vec() }
    }

    /// Where a latent stands in the batch; it is added if it is not there.
    pub fn place_of(&mut self, Point { z, class, manner }: Point) -> usize {
        let known = |at: &usize| self.latents[*at] == z && *self.class(*at) == class && *self.manner(*at) == manner;
        let found = (0..self.latents.len()).find(known);
        found.unwrap_or_else(|| {
            let at = self.latents.len();
            for (list, own) in [(&mut self.classes, class), (&mut self.manners, manner)] {
                if !own.is_empty() {
                    list.resize(at, Vec::new());
                    list.push(own);
                }
            }
            self.latents.push(z);
            at
        })
    }

    /// What a generator takes for each latent: z, and its classes and its manner behind it where it has some.
    pub fn inputs(&self) -> Vec<Vec<f32>> {
        (0..self.latents.len()).map(|at| [&self.latents[at], self.class(at), self.manner(at)].concat()).collect()
    }

    /// Gives a blend of classes to the latents that have none of their own; nothing with an empty one.
    pub fn fill_classes(&mut self, blend: &[f32]) {
        if blend.is_empty() {
            return;
        }
        self.classes.resize(self.latents.len(), Vec::new());
        self.classes.iter_mut().filter(|class| class.is_empty()).for_each(|class| class.extend(blend));
    }

    /// Makes it one of a space. A z of another length becomes one of this length ([`space::adapted`]), a blend of another
    /// number of classes goes.
    pub fn bring_to(&mut self, to: &Space) {
        if self.model != to.model && to.w.is_some() {
            // A w of another mapping means nothing here: z is mapped anew.
            self.manners.iter_mut().for_each(|manner| manner.truncate(to.manner));
        }
        self.model = to.model;
        self.latents.iter_mut().for_each(|z| space::adapt(z, to.dim));
        self.classes.truncate(self.latents.len());
        self.classes.iter_mut().filter(|class| class.len() != to.classes.len()).for_each(Vec::clear);
        self.manners.truncate(self.latents.len());
        self.manners.iter_mut().filter(|manner| !to.takes(manner.len())).for_each(Vec::clear);
    }

    /// Makes it fit to be shown by a generator of a space: brings it there, numbers finite and clamped, counts within
    /// their limits. Says what it had to change; that it was made for another model is no fault.
    pub fn settle(&mut self, to: &Space) -> Option<String> {
        self.settle_within(to, MOST_MARKS)
    }

    /// The same with another limit of marks.
    pub fn settle_within(&mut self, to: &Space, most: usize) -> Option<String> {
        let dim = to.dim;
        let mut said = None;
        let mut say = |text: String| said = said.take().or(Some(text));
        if self.latents.len() > MOST_LATENTS {
            say(format!("{} latents in one frame; only the first {MOST_LATENTS} are drawn", self.latents.len()));
            self.latents.truncate(MOST_LATENTS);
        }
        self.bring_to(to);
        for class in self.classes.iter_mut().filter(|class| !class.is_empty()) {
            let wide: Vec<f64> = class.iter().map(|v| f64::from(*v)).collect();
            *class = space::whole(&wide).iter().map(|v| *v as f32).collect();
        }
        for z in &mut self.latents {
            let mut broken = 0;
            for v in z.iter_mut() {
                if !v.is_finite() {
                    *v = 0.0;
                    broken += 1;
                }
                *v = v.clamp(-FARTHEST, FARTHEST);
            }
            if broken > 0 {
                say(format!("{broken} of {dim} values of z are not numbers (NaN or infinite): taken as 0"));
            }
        }
        for manner in &mut self.manners {
            if manner.iter().any(|v| !v.is_finite()) {
                manner.clear();
                say("how a latent is drawn (an amount, a psi, a patch) is not a number: it is drawn as usual".into());
            }
        }
        let settled = |beyond, manner: &mut Vec<f32>| style::settle(manner) || beyond;
        if to.w.is_some() && self.manners.iter_mut().fold(false, settled) {
            say("numbers of w are far beyond what the model knows; they are cut at ±1000".into());
        }
        if self.marks.len() > most {
            say(format!("{} marks in one frame; only the first {most} are drawn", self.marks.len()));
            self.marks.truncate(most);
        }
        let count = self.latents.len();
        let marks = self.marks.len();
        self.marks.retain_mut(|mark| mark.settle(count));
        if self.marks.len() < marks {
            say("a mark has a place or colour that is not a number, or names a latent that is not there".into());
        }
        self.aspect = if self.aspect.is_finite() { self.aspect.clamp(0.05, 20.0) } else { 1.0 };
        self.background = self.background.map(share);
        said
    }
}

/// 0..1; what is no number is 0.
fn share(v: f32) -> f32 {
    if v.is_finite() { v.clamp(0.0, 1.0) } else { 0.0 }
}

/// Whether all are numbers within what a frame can mean.
fn sane(values: &[f32]) -> bool {
    values.iter().all(|v| v.is_finite() && v.abs() <= 1e4)
}

impl Mark {
    /// Clamps what can be clamped; false if the mark cannot be drawn.
    fn settle(&mut self, latents: usize) -> bool {
        let flat = |p: &Place| [p.x, p.y, p.w, p.h];
        match self {
            Self::Picture { latent, place, opacity } => {
                *opacity = share(*opacity);
                *latent < latents && sane(&flat(place))
            }
            Self::Heatmap { latent, place, columns, range, opacity, .. } => {
                *opacity = share(*opacity);
                *columns = (*columns).clamp(1, 4096);
                *latent < latents && sane(&flat(place)) && sane(range)
            }
            Self::Line { from, to, weight, colour } => {
                *colour = colour.map(share);
                sane(from) && sane(to) && sane(&[*weight])
            }
            Self::Rect { place, weight, colour } | Self::Ellipse { place, weight, colour } => {
                *colour = colour.map(share);
                sane(&flat(place)) && sane(&[*weight])
            }
            Self::Text { text, at, size, colour } => {
                *colour = colour.map(share);
                if text.chars().count() > MOST_LETTERS {
                    *text = text.chars().take(MOST_LETTERS).collect();
                }
                *size = if size.is_finite() { size.clamp(0.001, 1.0) } else { 0.05 };
                sane(at)
            }
            Self::Path(path) => {
                path.colour = path.colour.map(share);
                path.sane()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_is_finite_and_fits_the_model() {
        let mut pose = Pose::of(vec![f32::NAN, 1e9, -2.0]);
        pose.marks.push(Mark::Picture { latent: 7, place: Place::ALL, opacity: 1.0 });
        pose.marks.push(Mark::Line { from: [f32::NAN, 0.0], to: [1.0, 1.0], weight: 0.1, colour: INK });
        pose.aspect = f32::INFINITY;
        assert!(pose.settle(&Space::from(4)).is_some());
        assert_eq!((&pose.latents[0][..3], pose.latents[0].len()), (&[0.0, FARTHEST, -2.0][..], 4));
        assert!(pose.latents[0][3] != 0.0 && pose.latents[0][3].abs() < 6.0);
        assert_eq!((pose.marks.len(), pose.aspect), (1, 1.0));
        assert_eq!(pose.settle(&Space::from(4)), None);
    }

    #[test]
    fn classes_stay_with_their_latents() {
        let classes = std::sync::Arc::new(vec!["a".to_owned(), "b".to_owned()]);
        let space = Space { dim: 2, classes, model: 3, ..Space::default() };
        let point = |class: &[f32]| Point { z: vec![1.0, 2.0], class: class.to_vec(), manner: vec![] };
        let mut pose = Pose::grid(vec![point(&[]), point(&[3.0, 1.0]), point(&[])], 3, 0.0);
        assert_eq!((pose.latents.len(), pose.marks.len()), (2, 3));
        assert_eq!((pose.settle(&space), pose.model), (None, 3));
        assert_eq!((pose.class(0), pose.class(1)), (&[][..], &[0.75, 0.25][..]));
        assert_eq!(pose.inputs(), [vec![1.0, 2.0], vec![1.0, 2.0, 0.75, 0.25]]);
        pose.fill_classes(&[0.0, 1.0]);
        assert_eq!(pose.inputs(), [vec![1.0, 2.0, 0.0, 1.0], vec![1.0, 2.0, 0.75, 0.25]]);
        // To a model without classes and back: the show's blend.
        pose.bring_to(&Space::from(1));
        assert_eq!(pose.inputs(), [[1.0], [1.0]]);
    }

    #[test]
    fn manners_go_with_their_latents_and_stay_with_textures() {
        let point = |manner: &[f32]| Point { z: vec![1.0], class: vec![], manner: manner.to_vec() };
        let mut pose = Pose::grid(vec![point(&[]), point(&[0.5, 2.0]), point(&[f32::NAN, 0.0])], 3, 0.0);
        let texture = Space { manner: 2, ..Space::from(1) };
        assert_eq!(pose.latents.len(), 3);
        assert!(pose.settle(&texture).unwrap().contains("not a number"));
        assert_eq!(pose.inputs(), [vec![1.0], vec![1.0, 0.5, 2.0], vec![1.0]]);
        pose.bring_to(&Space::from(1));
        assert_eq!(pose.inputs(), [[1.0], [1.0], [1.0]]);
    }
}
