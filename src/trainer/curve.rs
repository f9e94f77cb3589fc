//! The course of the losses, thinned: so many pieces at most, however long a training runs.
//!
//! Fed by `trainer::history` with every epoch, drawn by `trainer::picture_writer`. A piece knows the lowest and the highest
//! loss of its epochs; where there would be too many pieces, each two become one. Exact as long as a piece is one epoch.

use super::step::Losses;
use crate::picture::plot::{Curve, Plot};

/// Pieces at most; the plot is 860 pixels wide.
const MOST: usize = 4096;

/// One of the losses.
type Loss = fn(&Losses) -> f32;
/// Name, colour and value of each curve: the original's plot.
const CURVES: [(&str, [u8; 3], Loss); 4] = [
    ("real", [40, 160, 70], |l| l.real),
    ("fake", [210, 40, 40], |l| l.fake),
    ("generator", [240, 150, 20], |l| l.generator),
    ("critic total", [0, 0, 0], |l| l.total),
];

/// Neighbouring epochs.
#[derive(Clone, Debug, PartialEq)]
struct Piece {
    /// Its first and last epoch, and how many it holds.
    first: u64,
    last: u64,
    epochs: u64,
    seconds: f64,
    /// Of each of [`CURVES`].
    low: [f32; 4],
    high: [f32; 4],
}

impl Piece {
    fn of(losses: &Losses, seconds: f64) -> Self {
        let values = CURVES.map(|(_, _, value)| value(losses));
        Self { first: losses.epoch, last: losses.epoch, epochs: 1, seconds, low: values, high: values }
    }

    fn join(&mut self, next: &Self) {
        self.last = next.last;
        self.epochs += next.epochs;
        self.seconds += next.seconds;
        for at in 0..CURVES.len() {
            self.low[at] = self.low[at].min(next.low[at]);
            self.high[at] = self.high[at].max(next.high[at]);
        }
    }

    /// Its points on a curve.
    fn points(&self, at: usize) -> impl Iterator<Item = (f64, f64)> {
        let middle = (self.first + self.last) as f64 / 2.0;
        let [low, high] = [self.low[at], self.high[at]].map(f64::from);
        [(middle, low), (middle, high)].into_iter().take(if low == high { 1 } else { 2 })
    }
}

/// All epochs of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct LossCurve {
    pieces: Vec<Piece>,
    /// Epochs that a piece spans.
    width: u64,
}

impl Default for LossCurve {
    fn default() -> Self {
        Self { pieces: Vec::new(), width: 1 }
    }
}

impl LossCurve {
    /// Adds an epoch and the seconds it took.
    pub fn push(&mut self, losses: &Losses, seconds: f64) {
        let piece = Piece::of(losses, seconds);
        match self.pieces.last_mut() {
            Some(last) if last.first / self.width == piece.first / self.width => last.join(&piece),
            _ => self.pieces.push(piece),
        }
        if self.pieces.len() > MOST {
            self.width *= 2;
            let mut wider: Vec<Piece> = Vec::with_capacity(MOST);
            for piece in self.pieces.drain(..) {
                match wider.last_mut() {
                    Some(last) if last.first / self.width == piece.first / self.width => last.join(&piece),
                    _ => wider.push(piece),
                }
            }
            self.pieces = wider;
        }
    }

    /// Forgets the epochs from `epoch` on. A piece that reaches beyond it keeps its losses, and of its epochs and
    /// seconds the share before it.
    pub fn cut(&mut self, epoch: u64) {
        self.pieces.retain(|piece| piece.first < epoch);
        if let Some(last) = self.pieces.last_mut().filter(|last| last.last >= epoch) {
            let share = (epoch - last.first) as f64 / (last.last - last.first + 1) as f64;
            last.last = epoch - 1;
            last.epochs = (last.epochs as f64 * share).ceil() as u64;
            last.seconds *= share;
        }
    }

    /// Epochs that were done.
    pub fn epochs(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.epochs).sum()
    }

    /// Seconds spent in them.
    pub fn seconds(&self) -> f64 {
        self.pieces.iter().map(|piece| piece.seconds).sum()
    }

    /// The original's plot: critic total black, real green, fake red, generator orange. What is shown of the losses
    /// leaves out the first tenth, whose thousands would flatten the rest.
    pub fn plot(&self) -> Plot {
        let curve = |at: usize| {
            let (name, colour, _) = CURVES[at];
            Curve { name: name.into(), colour, points: self.pieces.iter().flat_map(|piece| piece.points(at)).collect() }
        };
        let settled = &self.pieces[self.pieces.len() / 10..];
        let mut values: Vec<f32> = settled.iter().flat_map(|piece| [piece.low, piece.high]).flatten().collect();
        values.sort_by(f32::total_cmp);
        let at = |share: f64| values.get((values.len() as f64 * share) as usize).map(|v| f64::from(*v));
        let (low, high) = (at(0.005).unwrap_or(-1.0), at(0.995).unwrap_or(1.0));
        let room = ((high - low) * 0.1).max(1.0);
        let title = format!("losses of {} epochs, {:.1} hours", self.epochs(), self.seconds() / 3600.0);
        let (curves, y_range) = ((0..CURVES.len()).map(curve).collect(), (low - room, high + room));
        Plot { title, x_label: "epochs", y_label: "loss", curves, y_range, x_range: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(epoch: u64) -> Losses {
        let total = if epoch == 77_777 { 1000.0 } else { (epoch % 10) as f32 };
        Losses { epoch, critic_steps: 5, total, real: -1.0, fake: 1.0, penalty: 0.0, generator: 2.0 }
    }

    fn curve(epochs: u64) -> LossCurve {
        let mut curve = LossCurve::default();
        (0..epochs).for_each(|epoch| curve.push(&losses(epoch), 0.5));
        curve
    }

    #[test]
    fn a_short_training_is_drawn_epoch_by_epoch() {
        let plot = curve(100).plot();
        let total = &plot.curves[3];
        assert_eq!((total.name.as_str(), total.points.len(), total.points[13]), ("critic total", 100, (13.0, 3.0)));
        assert!(plot.title.contains("100 epochs"), "{}", plot.title);
    }

    #[test]
    fn a_long_one_is_thinned_and_loses_no_peak() {
        let mut long = curve(200_000);
        assert!((MOST / 2..=MOST).contains(&long.pieces.len()), "{}", long.pieces.len());
        assert_eq!((long.epochs(), long.seconds()), (200_000, 100_000.0));
        let plot = long.plot();
        assert!(plot.curves[3].points.iter().any(|p| p.1 == 1000.0 && (p.0 - 77_777.0).abs() < 64.0));
        assert!(plot.curves.iter().all(|curve| curve.points.len() <= 2 * MOST));
        long.cut(150_001);
        assert_eq!(long.pieces.last().map(|piece| piece.last), Some(150_000));
        assert!((150_001..150_064).contains(&long.epochs()) && (long.seconds() - 75_000.5).abs() < 1.0);
        long.push(&losses(150_001), 0.5);
        long.cut(0);
        assert_eq!((long.epochs(), long.pieces.len()), (0, 0));
    }
}
