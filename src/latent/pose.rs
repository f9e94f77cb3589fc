//! A pose: everything one frame shows. The latents to generate, and the marks that place them.
//!
//! Made by `sketch`, drawn by `generator` (its latents) and by `stage` or `picture::canvas` (its marks).
//! Positions are shares of the frame: x to the right and y down, (0, 0) the top left corner, (1, 1) the
//! bottom right one. A pose that has been through [`Pose::settle`] is finite and within its bounds.

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
}

/// Everything one frame shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Pose {
    /// z vectors, each `[z_dim]`, about −3..3. They are one batch of the generator.
    pub latents: Vec<Vec<f32>>,
    /// Drawn in this order.
    pub marks: Vec<Mark>,
    /// Width over height of the frame, in pictures: 1 for one square picture, 2 for two side by side.
    pub aspect: f32,
    /// Red, green, blue, 0..1, behind everything.
    pub background: [f32; 3],
}

/// Most latents of one frame.
pub const MOST_LATENTS: usize = 64;
/// Most marks of one frame.
pub const MOST_MARKS: usize = 2048;
/// Most characters of a text mark.
pub const MOST_LETTERS: usize = 200;
/// Values of z are clamped to ± this: far outside what a network has seen, and finite in f16.
pub const FARTHEST: f32 = 100.0;

impl Default for Pose {
    fn default() -> Self {
        Self { latents: Vec::new(), marks: Vec::new(), aspect: 1.0, background: [0.0; 3] }
    }
}

impl Pose {
    /// One picture over the whole frame.
    pub fn of(z: Vec<f32>) -> Self {
        let picture = Mark::Picture { latent: 0, place: Place::ALL, opacity: 1.0 };
        Self { latents: vec![z], marks: vec![picture], ..Self::default() }
    }

    /// Pictures of several latents in rows of `columns`, `gap` of each cell left free; equal ones are drawn
    /// once. At most [`MOST_LATENTS`].
    pub fn grid(latents: Vec<Vec<f32>>, columns: usize, gap: f32) -> Self {
        let columns = columns.clamp(1, latents.len().max(1));
        let rows = latents.len().div_ceil(columns).max(1);
        let mut pose = Self { aspect: columns as f32 / rows as f32, ..Self::default() };
        let (w, h) = (1.0 / columns as f32, 1.0 / rows as f32);
        for (i, z) in latents.into_iter().enumerate() {
            let (x, y) = ((i % columns) as f32 * w, (i / columns) as f32 * h);
            let place = Place { x: x + gap * w / 2.0, y: y + gap * h / 2.0, w: w * (1.0 - gap), h: h * (1.0 - gap) };
            let latent = pose.place_of(z);
            pose.marks.push(Mark::Picture { latent, place, opacity: 1.0 });
        }
        pose
    }

    /// Where a latent stands in the batch; it is added if it is not there.
    pub fn place_of(&mut self, z: Vec<f32>) -> usize {
        self.latents.iter().position(|known| *known == z).unwrap_or_else(|| {
            self.latents.push(z);
            self.latents.len() - 1
        })
    }

    /// Makes it fit to be shown by a generator of `dim` dimensions: numbers finite and clamped, latents of
    /// that length (cut, or filled up with 0), counts within their limits. Says what it had to change.
    pub fn settle(&mut self, dim: usize) -> Option<String> {
        let mut said = None;
        let mut say = |text: String| said = said.take().or(Some(text));
        if self.latents.len() > MOST_LATENTS {
            say(format!("{} latents in one frame; only the first {MOST_LATENTS} are drawn", self.latents.len()));
            self.latents.truncate(MOST_LATENTS);
        }
        for z in &mut self.latents {
            if z.len() != dim {
                say(format!("a latent has {} dimensions, the model {dim}: cut or filled up with 0", z.len()));
                z.resize(dim, 0.0);
            }
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
        if self.marks.len() > MOST_MARKS {
            say(format!("{} marks in one frame; only the first {MOST_MARKS} are drawn", self.marks.len()));
            self.marks.truncate(MOST_MARKS);
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
        assert!(pose.settle(4).is_some());
        assert_eq!(pose.latents[0], [0.0, FARTHEST, -2.0, 0.0]);
        assert_eq!((pose.marks.len(), pose.aspect), (1, 1.0));
        assert_eq!(pose.settle(4), None);
    }
}
