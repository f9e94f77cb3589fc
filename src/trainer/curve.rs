//! The course of the losses, thinned: so many pieces at most, however long a training runs.
//!
//! Fed by `trainer::history` with every epoch, drawn by `trainer::picture_writer`. A piece knows the lowest and the highest
//! loss of its epochs; where there would be too many pieces, each two become one. Exact as long as a piece is one epoch.

use super::losses::{DIVERSITY, Kind, Losses};
use super::pieces::{self, Pieces};
use crate::picture::plot::{Curve, Plot};

/// What a curve is of: losses by name, and the diversity behind them.
const NUMBERS: usize = 6;

/// A plot of some of the numbers: its file, its label, and name and colour of each curve.
type Drawn = (&'static str, &'static str, &'static [(&'static str, [u8; 3])]);

const BLACK: [u8; 3] = [0, 0, 0];
const GREEN: [u8; 3] = [40, 160, 70];
const RED: [u8; 3] = [210, 40, 40];
const ORANGE: [u8; 3] = [240, 150, 20];
const BLUE: [u8; 3] = [40, 90, 200];
const GREY: [u8; 3] = [120, 120, 120];

/// The plots of a training: WGAN-GP's first is the original's.
fn drawn(kind: Kind) -> &'static [Drawn] {
    match kind {
        Kind::Wasserstein => &[
            ("converge", "loss", &[("real", GREEN), ("fake", RED), ("generator", ORANGE), ("total", BLACK)]),
            ("diversity", "diversity", &[(DIVERSITY, GREY)]),
        ],
        Kind::Texture => &[
            ("converge", "loss", &[("shallow", GREEN), ("middle", BLUE), ("deep", ORANGE), ("loss", BLACK)]),
            ("diversity", "diversity", &[(DIVERSITY, GREY)]),
        ],
        Kind::Enlarge => &[
            ("converge", "difference", &[("difference", BLACK)]),
            ("psnr", "dB", &[("psnr", BLUE)]),
            ("distance", "distance", &[("distance", ORANGE)]),
        ],
        Kind::CrossEntropy => &[
            ("converge", "loss", &[("g_loss", ORANGE), ("d_loss", BLACK)]),
            ("scores", "0..1", &[("d_real", GREEN), ("d_fake", RED), ("g_real", BLUE), (DIVERSITY, GREY)]),
        ],
    }
}

/// What the legend calls it.
fn called(name: &'static str) -> &'static str {
    if name == "total" { "critic total" } else { name }
}

/// Neighbouring epochs.
#[derive(Clone, Debug)]
struct Piece {
    /// Its first and last epoch, and how many it holds.
    first: u64,
    last: u64,
    epochs: u64,
    seconds: f64,
    /// Of each number; NaN where it was not measured.
    low: [f32; NUMBERS],
    high: [f32; NUMBERS],
}

impl Piece {
    fn of(losses: &Losses, seconds: f64) -> Self {
        let mut values = [f32::NAN; NUMBERS];
        values[..5].copy_from_slice(&losses.values);
        values[5] = losses.diversity.unwrap_or(f32::NAN);
        Self { first: losses.epoch, last: losses.epoch, epochs: 1, seconds, low: values, high: values }
    }

    /// Its points on a curve.
    fn points(&self, at: usize) -> impl Iterator<Item = (f64, f64)> {
        let middle = (self.first + self.last) as f64 / 2.0;
        let [low, high] = [self.low[at], self.high[at]].map(f64::from);
        let count = if low.is_nan() { 0 } else { 1 + usize::from(low != high) };
        [(middle, low), (middle, high)].into_iter().take(count)
    }
}

impl pieces::Piece for Piece {
    fn place(&self) -> i64 {
        self.first as i64
    }

    fn join(&mut self, next: Self) {
        self.last = next.last;
        self.epochs += next.epochs;
        self.seconds += next.seconds;
        for at in 0..NUMBERS {
            self.low[at] = self.low[at].min(next.low[at]);
            self.high[at] = self.high[at].max(next.high[at]);
        }
    }
}

/// Numbers that were not measured are the same.
impl PartialEq for Piece {
    fn eq(&self, other: &Self) -> bool {
        let bits = |values: &[f32; NUMBERS]| values.map(|v| if v.is_nan() { None } else { Some(v) });
        let span = |piece: &Self| (piece.first, piece.last, piece.epochs, piece.seconds);
        span(self) == span(other) && bits(&self.low) == bits(&other.low) && bits(&self.high) == bits(&other.high)
    }
}

/// All epochs of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct LossCurve {
    kind: Kind,
    pieces: Pieces<Piece>,
}

impl Default for LossCurve {
    fn default() -> Self {
        Self { kind: Kind::Wasserstein, pieces: Pieces::default() }
    }
}

impl LossCurve {
    /// Adds an epoch and the seconds it took.
    pub fn push(&mut self, losses: &Losses, seconds: f64) {
        self.kind = losses.kind;
        self.pieces.push(Piece::of(losses, seconds));
    }

    /// Forgets the epochs from `epoch` on. A piece that reaches beyond it keeps its losses, and of its epochs and
    /// seconds the share before it.
    pub fn cut(&mut self, epoch: u64) {
        self.pieces.list.retain(|piece| piece.first < epoch);
        if let Some(last) = self.pieces.list.last_mut().filter(|last| last.last >= epoch) {
            let share = (epoch - last.first) as f64 / (last.last - last.first + 1) as f64;
            last.last = epoch - 1;
            last.epochs = (last.epochs as f64 * share).ceil() as u64;
            last.seconds *= share;
        }
    }

    /// Epochs that were done.
    pub fn epochs(&self) -> u64 {
        self.pieces.list.iter().map(|piece| piece.epochs).sum()
    }

    /// Seconds spent in them.
    pub fn seconds(&self) -> f64 {
        self.pieces.list.iter().map(|piece| piece.seconds).sum()
    }

    /// The plots and the names of their files. What is shown of the losses leaves out the first tenth, whose thousands
    /// would flatten the rest; what lies in 0..1 is shown whole.
    pub fn plots(&self) -> Vec<(&'static str, Plot)> {
        let measured = |at: usize| self.pieces.list.iter().any(|piece| !piece.low[at].is_nan());
        let plots = drawn(self.kind).iter().map(|(file, label, curves)| {
            let curves: Vec<(usize, &'static str, [u8; 3])> =
                curves.iter().filter_map(|(name, colour)| Some((self.place(name)?, *name, *colour))).collect();
            (*file, *label, curves)
        });
        let shown = plots.filter(|(file, _, curves)| *file == "converge" || curves.iter().any(|c| measured(c.0)));
        shown.map(|(file, label, curves)| (file, self.plot(label, curves))).collect()
    }

    /// Where a number stands.
    fn place(&self, name: &str) -> Option<usize> {
        match name == DIVERSITY {
            true => Some(NUMBERS - 1),
            false => self.kind.names().iter().position(|own| *own == name),
        }
    }

    fn plot(&self, y_label: &'static str, drawn: Vec<(usize, &'static str, [u8; 3])>) -> Plot {
        let curve = |(at, name, colour): &(usize, &'static str, [u8; 3])| Curve {
            name: called(name).into(),
            colour: *colour,
            points: self.pieces.list.iter().flat_map(|piece| piece.points(*at)).collect(),
        };
        let curves = drawn.iter().map(curve).collect();
        let title = format!("{} epochs, {:.1} hours", self.epochs(), self.seconds() / 3600.0);
        let title = if y_label == "loss" { format!("losses of {title}") } else { title };
        let y_range = if y_label == "loss" { self.range(&drawn) } else { (0.0, 1.0) };
        Plot { title, x_label: "epochs", y_label, curves, y_range, x_range: None }
    }

    /// What is shown of these losses.
    fn range(&self, drawn: &[(usize, &'static str, [u8; 3])]) -> (f64, f64) {
        let settled = &self.pieces.list[self.pieces.list.len() / 10..];
        let of = |piece: &Piece| -> Vec<f32> {
            drawn.iter().flat_map(|(at, ..)| [piece.low[*at], piece.high[*at]]).collect()
        };
        let mut values: Vec<f32> = settled.iter().flat_map(of).collect();
        values.sort_by(f32::total_cmp);
        let at = |share: f64| values.get((values.len() as f64 * share) as usize).map(|v| f64::from(*v));
        let (low, high) = (at(0.005).unwrap_or(-1.0), at(0.995).unwrap_or(1.0));
        let room = ((high - low) * 0.1).max(if self.kind == Kind::Wasserstein { 1.0 } else { 0.1 });
        (low - room, high + room)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pieces::MOST;
    use super::*;

    fn losses(epoch: u64) -> Losses {
        let total = if epoch == 77_777 { 1000.0 } else { (epoch % 10) as f32 };
        let values = [total, -1.0, 1.0, 0.0, 2.0];
        Losses { epoch, critic_steps: 5, kind: Kind::Wasserstein, values, diversity: None }
    }

    fn curve(epochs: u64) -> LossCurve {
        let mut curve = LossCurve::default();
        (0..epochs).for_each(|epoch| curve.push(&losses(epoch), 0.5));
        curve
    }

    #[test]
    fn a_short_training_is_drawn_epoch_by_epoch() {
        let [(file, plot)] = &curve(100).plots()[..] else { panic!() };
        assert_eq!(*file, "converge");
        let total = &plot.curves[3];
        assert_eq!((total.name.as_str(), total.points.len(), total.points[13]), ("critic total", 100, (13.0, 3.0)));
        assert!(plot.title.contains("100 epochs"), "{}", plot.title);
    }

    #[test]
    fn what_a_discriminator_says_and_the_diversity_are_a_plot_of_their_own() {
        let mut curve = LossCurve::default();
        for epoch in 0..20 {
            let diversity = (epoch % 5 == 0).then_some(0.3);
            let values = [0.9, 2.5, 0.7, 0.2, 0.1];
            curve.push(&Losses { epoch, critic_steps: 9, kind: Kind::CrossEntropy, values, diversity }, 0.5);
        }
        let plots = curve.plots();
        let files: Vec<_> = plots.iter().map(|(file, plot)| (*file, plot.curves.len())).collect();
        assert_eq!(files, [("converge", 2), ("scores", 4)]);
        let points: Vec<_> = plots[1].1.curves.iter().map(|curve| (curve.name.as_str(), curve.points.len())).collect();
        assert_eq!(points, [("d_real", 20), ("d_fake", 20), ("g_real", 20), (DIVERSITY, 4)]);
        assert_eq!(plots[1].1.y_range, (0.0, 1.0));
    }

    #[test]
    fn a_long_one_is_thinned_and_loses_no_peak() {
        let mut long = curve(200_000);
        assert!((MOST / 2..=MOST).contains(&long.pieces.list.len()), "{}", long.pieces.list.len());
        assert_eq!((long.epochs(), long.seconds()), (200_000, 100_000.0));
        let plot = &long.plots()[0].1;
        assert!(plot.curves[3].points.iter().any(|p| p.1 == 1000.0 && (p.0 - 77_777.0).abs() < 64.0));
        assert!(plot.curves.iter().all(|curve| curve.points.len() <= 2 * MOST));
        long.cut(150_001);
        assert_eq!(long.pieces.list.last().map(|piece| piece.last), Some(150_000));
        assert!((150_001..150_064).contains(&long.epochs()) && (long.seconds() - 75_000.5).abs() < 1.0);
        long.push(&losses(150_001), 0.5);
        long.cut(0);
        assert_eq!((long.epochs(), long.pieces.list.len()), (0, 0));
    }
}
