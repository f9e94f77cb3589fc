//! The flash limiter: never more than three flashes in a second, as WCAG 2.3.1 and ITU-R BT.1702 define them.
//!
//! Asked once a frame by `show`, on its thread, with the scene and its time; what it gives goes to windows and
//! recordings. A frame that does not flash goes through as it is. One that would be the fourth flash of a second
//! becomes a picture in which every pixel has gone only a part of its way ([`slew`]), as large a one as the definitions
//! allow, until there was no flash for a second; then the parts grow until the scene itself is reached.
//!
//! A flash is a pair of opposing changes: of luminance by a tenth of white or more where the darker is below 0.8 (above
//! that a Michelson contrast of 1/17), or to and from a saturated red. It counts where it covers more than a quarter of
//! a field of ten degrees, which is a third of the screen each way. The stricter of both texts holds: half a flash
//! counts, so a second has six changes. Absent: regular patterns that stand still, which both texts treat apart.

mod colour;
mod counter;
mod meter;
mod slew;
mod survey;

use std::sync::Arc;

use crate::latent::pose::{Mark, Pose};
use crate::picture::Picture;
use crate::picture::canvas::Canvas;
use crate::picture::scene::{Fit, Scene};
use meter::Meter;
use slew::{ALL, Slew};
use survey::{QUARTERS, Survey, sides, whole};

/// Differences count from this share of the definitions' on: a window rounds otherwise than the processor.
const COUNTED: f32 = 0.95;
/// The same for what the limiter itself lets through.
const ALLOWED: f32 = 0.8;
/// Longer side of a limited frame, at most.
const LARGEST: usize = 1024;
/// So long nothing may have flashed before the limiter lets go.
const CALM_SECS: f64 = 1.0;
/// Letting go, its steps double in so many seconds.
const DOUBLE_SECS: f64 = 0.12;
/// It looks so far ahead, so that it slows down before it has to stop.
const AHEAD_SECS: f64 = 0.25;
/// Steps of the search for the largest share that is allowed.
const SEARCHES: u32 = 5;
/// Versions of limited pictures begin here, far above those of a show and below that of a frozen one.
const VERSIONS: u64 = 1 << 62;

/// Lowers what flashes.
pub struct FlashLimiter {
    survey: Survey,
    /// What is shown.
    meter: Meter,
    /// The scene that was given last.
    last: Option<(Scene, f64)>,
    work: Option<Work>,
    canvas: Canvas,
    /// Pictures limited so far.
    limited: u64,
}

/// What the limiter knows while it works.
struct Work {
    /// What comes in.
    input: Meter,
    size: [usize; 2],
    /// Of the frame when it began. They stay, so that nothing flashes around it.
    aspect: f32,
    fit: Fit,
    /// What is shown: one picture, and its points.
    shown: Arc<Vec<Picture>>,
    points: Picture,
    /// When something flashed last.
    flashed: f64,
}

impl FlashLimiter {
    /// For an output of so many pixels.
    pub fn new(output: [u32; 2]) -> Self {
        let survey = Survey::new(output);
        let meter = Meter::new(survey.grid(), survey.grid());
        Self { survey, meter, last: None, work: None, canvas: Canvas::default(), limited: 0 }
    }

    /// Another size of the output. Where its shape is another, flashes are counted anew.
    pub fn set_output(&mut self, output: [u32; 2]) {
        let survey = Survey::new(output);
        if survey.grid() != self.survey.grid() {
            *self = Self { limited: self.limited, ..Self::new(output) };
        }
        self.survey = survey;
    }

    /// Whether it lowers what is shown right now.
    pub fn working(&self) -> bool {
        self.work.is_some()
    }

    /// What may be shown in place of `scene` at `real_secs`: the scene itself unless it flashes. Times only go forward;
    /// one that goes back begins anew.
    pub fn limit(&mut self, scene: &Scene, real_secs: f64) -> Scene {
        let passed = self.last.as_ref().map_or(0.0, |(_, last)| real_secs - last);
        if passed < 0.0 {
            self.meter = Meter::new(self.survey.grid(), self.survey.field(scene));
            (self.last, self.work) = (None, None);
        }
        let shown = match self.work.is_some() {
            true => self.lower(scene, real_secs, passed),
            false => self.watch(scene, real_secs, passed),
        };
        self.last = Some((shown.clone(), real_secs));
        shown
    }

    /// Nothing has to be lowered so far.
    fn watch(&mut self, scene: &Scene, secs: f64, passed: f64) -> Scene {
        if self.last.as_ref().is_some_and(|(last, _)| same(last, scene)) {
            return scene.clone();
        }
        let points = self.survey.take(scene);
        self.meter.set_field(self.survey.field(scene));
        let flashes = self.meter.judge(&points, secs, COUNTED);
        let Some((last, _)) = self.last.as_ref().filter(|_| flashes) else {
            self.meter.count(&points, secs);
            return scene.clone();
        };
        let (size, aspect, fit) = (size(last), last.aspect(), last.fit);
        let shown = Arc::new(vec![self.canvas.draw(last, size, true)]);
        let points = self.survey.take(&whole(last, shown.clone(), aspect));
        self.work = Some(Work { input: self.meter.clone(), size, aspect, fit, shown, points, flashed: secs });
        self.lower(scene, secs, passed)
    }

    /// Goes on from what is shown towards `scene`, as far as it may.
    fn lower(&mut self, scene: &Scene, secs: f64, passed: f64) -> Scene {
        let Some(mut work) = self.work.take() else { return scene.clone() };
        let input = self.survey.take(scene);
        work.input.set_field(self.survey.field(scene));
        if work.input.judge(&input, secs, COUNTED) {
            work.flashed = secs;
        }
        work.input.count(&input, secs);

        let goal = Arc::new(vec![self.canvas.draw(scene, work.size, true)]);
        let mut frame = Scene { fit: work.fit, ..whole(scene, goal, work.aspect) };
        let goal_points = self.survey.take(&frame);
        self.meter.set_field(self.survey.field(&frame));

        let eased = (secs - work.flashed - CALM_SECS).max(0.0);
        let pace = Pace {
            secs,
            dt: passed.clamp(1e-3, 0.25),
            speed: (eased / DOUBLE_SECS).min(16.0).exp2(),
            dither: (self.limited as f64 * 0.618_034).fract(),
        };
        let mut pictures = Arc::unwrap_or_clone(std::mem::take(&mut frame.pictures));
        let there = match (self.furthest(&work.points, &goal_points, pace), pictures.first_mut(), work.shown.first()) {
            (Some((slew, shares)), Some(goal), Some(from)) => self.go(&slew, &shares, &frame, from, goal),
            _ => {
                pictures.clone_from(&work.shown);
                false
            }
        };
        if there && eased > 0.0 && !self.meter.judge(&input, secs, COUNTED) {
            self.meter.count(&input, secs);
            return scene.clone();
        }
        frame.pictures = Arc::new(pictures);
        let mut points = self.survey.take(&frame);
        if self.meter.judge(&points, secs, ALLOWED) {
            // Between the points it came out otherwise; what is shown stays for one frame.
            frame.pictures = work.shown.clone();
            points.clone_from(&work.points);
            self.meter.judge(&points, secs, ALLOWED);
        }
        self.meter.count(&points, secs);
        if *frame.pictures == *work.shown {
            frame.pictures = work.shown.clone();
        }
        self.limited += 1;
        (work.shown, work.points) = (frame.pictures.clone(), points);
        frame.version = VERSIONS + self.limited;
        self.work = Some(work);
        frame
    }

    /// The largest steps that make no flash too many, soon or now, and each point's share of them; none if only
    /// standing still makes none.
    fn furthest(&mut self, from: &Picture, to: &Picture, pace: Pace) -> Option<(Slew, Vec<u16>)> {
        let Pace { secs, dt, speed, dither } = pace;
        let moved = |slew: &Slew, shares: &[u16]| {
            let mut points = to.clone();
            slew.go(&from.pixels, &mut points.pixels, shares);
            points
        };
        let mut try_share = |share: f64| {
            let slew = Slew::new(dt, speed, share, dither);
            let all = vec![ALL; from.width * from.height];
            let (next, ahead) = (moved(&slew, &all), moved(&slew.after((AHEAD_SECS / dt).max(1.0)), &all));
            let shares = self.meter.shares(&next, &ahead, secs, ALLOWED);
            let flashes = self.meter.judge(&moved(&slew, &shares), secs, ALLOWED);
            (!flashes).then_some((slew, shares))
        };
        if let Some(all) = try_share(1.0) {
            return Some(all);
        }
        let (mut low, mut high, mut best) = (0.0, 1.0, None);
        for _ in 0..SEARCHES {
            let share = (low + high) / 2.0;
            match try_share(share) {
                Some(found) => (low, best) = (share, Some(found)),
                None => high = share,
            }
        }
        best
    }

    /// Moves the pixels of a frame from what is shown towards its goal; gives whether all are there.
    fn go(&self, slew: &Slew, shares: &[u16], frame: &Scene, from: &Picture, goal: &mut Picture) -> bool {
        // Pixels between points have what lies between the points' shares.
        let (columns, rows) = (self.survey.beside(frame, 0, goal.width), self.survey.beside(frame, 1, goal.height));
        let [width, height] = self.survey.grid();
        let mix = |a: u16, b: u16, way: u16| (a * (QUARTERS - way) + b * way) / QUARTERS;
        let (mut line, mut lies) = (vec![ALL; goal.width], None);
        let stride = goal.width * 3;
        let lines = goal.pixels.chunks_exact_mut(stride).zip(from.pixels.chunks_exact(stride));
        let mut there = true;
        for ((goal, from), beside) in lines.zip(rows) {
            if lies.replace(beside) != Some(beside) {
                let (row, way) = beside;
                let (above, below) = (&shares[row * width..], &shares[(row + 1).min(height - 1) * width..]);
                let point = |x: usize| mix(above[x], below[x], way);
                for (share, (column, way)) in line.iter_mut().zip(&columns) {
                    *share = mix(point(*column), point((column + 1).min(width - 1)), *way);
                }
            }
            there &= slew.go(from, goal, &line);
        }
        there
    }
}

/// The time of a frame that is limited.
#[derive(Clone, Copy)]
struct Pace {
    secs: f64,
    /// Since the frame before.
    dt: f64,
    speed: f64,
    dither: f64,
}

/// Whether two scenes show the same.
fn same(a: &Scene, b: &Scene) -> bool {
    let before = |scene: &Scene| scene.before.as_ref().map(|(pictures, share)| (Arc::as_ptr(pictures), *share));
    let alike = Arc::ptr_eq(&a.pictures, &b.pictures) && before(a) == before(b);
    alike && a.light == b.light && a.fit == b.fit && a.filter == b.filter && a.pose == b.pose
}

/// Width and height of a limited frame: pictures keep their pixels, and where there is more to see than pictures it is
/// as large as such a frame may be.
fn size(scene: &Scene) -> [usize; 2] {
    let aspect = scene.aspect();
    let picture = |mark: &Mark| match mark {
        Mark::Picture { latent, place, .. } => scene.pictures.get(*latent).map(|picture| {
            let (w, h) = (picture.width as f32 / place.w.max(1e-3), picture.height as f32 / place.h.max(1e-3));
            w.max(h).min(LARGEST as f32) as usize
        }),
        _ => Some(LARGEST),
    };
    let Pose { marks, .. } = &*scene.pose;
    sides(aspect, marks.iter().filter_map(picture).max().unwrap_or(LARGEST))
}
