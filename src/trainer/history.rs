//! The losses of every epoch: `history.csv` for people and for resume, `converge.svg` and `.png` to
//! look at.

use std::path::Path;

use super::step::Losses;
use crate::files::{self, FileError};
use crate::picture::PictureError;
use crate::picture::plot::{Curve, Plot};

/// What is wrong with a history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("{path}, line {line}: {why}; repair the line or remove the file", path = path.display())]
    Line { path: std::path::PathBuf, line: usize, why: String },
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Picture(#[from] PictureError),
}

const HEADER: &str = "epoch,critic_steps,total,real,fake,penalty,generator,seconds";

/// Losses and seconds of every epoch, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    rows: Vec<(Losses, f64)>,
}

impl History {
    /// Adds an epoch and the seconds it took.
    pub fn push(&mut self, losses: Losses, seconds: f64) {
        self.rows.push((losses, seconds));
    }

    /// Forgets the epochs from `epoch` on; they will be done again.
    pub fn cut(&mut self, epoch: u64) {
        self.rows.retain(|(losses, _)| losses.epoch < epoch);
    }

    /// All epochs.
    pub fn losses(&self) -> impl Iterator<Item = &Losses> {
        self.rows.iter().map(|(losses, _)| losses)
    }

    /// Seconds spent in all epochs.
    pub fn seconds(&self) -> f64 {
        self.rows.iter().map(|(_, seconds)| seconds).sum()
    }

    /// Writes `history.csv`, `converge.svg` and `converge.png` in `folder`.
    pub fn write(&self, folder: &Path) -> Result<(), HistoryError> {
        let mut text = format!("{HEADER}\n");
        for (l, seconds) in &self.rows {
            text += &format!(
                "{},{},{},{},{},{},{},{seconds:.4}\n",
                l.epoch, l.critic_steps, l.total, l.real, l.fake, l.penalty, l.generator
            );
        }
        files::write(&folder.join("history.csv"), text.as_bytes())?;
        let plot = self.plot();
        files::write(&folder.join("converge.svg"), plot.svg().as_bytes())?;
        plot.picture().write_png(&folder.join("converge.png"))?;
        Ok(())
    }

    /// The original's plot: critic total black, real green, fake red, generator orange. What is shown
    /// of the losses leaves out the first tenth, whose thousands would flatten the rest.
    fn plot(&self) -> Plot {
        let curve = |name, colour, value: fn(&Losses) -> f32| Curve {
            name,
            colour,
            points: self.losses().map(|l| (l.epoch as f64, f64::from(value(l)))).collect(),
        };
        let curves = vec![
            curve("real", [40, 160, 70], |l| l.real),
            curve("fake", [210, 40, 40], |l| l.fake),
            curve("generator", [240, 150, 20], |l| l.generator),
            curve("critic total", [0, 0, 0], |l| l.total),
        ];
        let settled = self.rows.len() / 10;
        let mut values: Vec<f64> = curves.iter().flat_map(|c| &c.points[settled..]).map(|p| p.1).collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values.get((values.len() as f64 * share) as usize).copied();
        let (low, high) = (at(0.005).unwrap_or(-1.0), at(0.995).unwrap_or(1.0));
        let room = ((high - low) * 0.1).max(1.0);
        let title = format!("losses of {} epochs, {:.1} hours", self.rows.len(), self.seconds() / 3600.0);
        Plot { title, x_label: "epochs", y_label: "loss", curves, y_range: (low - room, high + room) }
    }

    /// Reads `history.csv`, keeping the epochs before `epoch`; later ones will be done again.
    pub fn read(folder: &Path, epoch: u64) -> Result<Self, HistoryError> {
        let path = folder.join("history.csv");
        let mut history = Self::default();
        if !path.exists() {
            return Ok(history);
        }
        for (i, line) in files::read_text(&path)?.lines().enumerate().skip(1) {
            let row = parse(line).map_err(|why| HistoryError::Line { path: path.clone(), line: i + 1, why })?;
            if row.0.epoch < epoch {
                history.rows.push(row);
            }
        }
        Ok(history)
    }
}

fn parse(line: &str) -> Result<(Losses, f64), String> {
    let cells: Vec<&str> = line.split(',').collect();
    let [epoch, critic_steps, total, real, fake, penalty, generator, seconds] = cells[..] else {
        return Err(format!("8 columns expected, {} found", cells.len()));
    };
    let number = |text: &str| text.parse::<f32>().map_err(|e| format!("\"{text}\": {e}"));
    let losses = Losses {
        epoch: epoch.parse().map_err(|e| format!("\"{epoch}\": {e}"))?,
        critic_steps: critic_steps.parse().map_err(|e| format!("\"{critic_steps}\": {e}"))?,
        total: number(total)?,
        real: number(real)?,
        fake: number(fake)?,
        penalty: number(penalty)?,
        generator: number(generator)?,
    };
    Ok((losses, seconds.parse().map_err(|e| format!("\"{seconds}\": {e}"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_comes_back_and_is_cut_where_it_is_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::default();
        for epoch in 0..5 {
            let v = epoch as f32 * 0.1 - 0.123_456_7;
            history.push(Losses { epoch, critic_steps: 5, total: v, real: v, fake: v, penalty: v, generator: v }, 0.25);
        }
        history.write(folder.path()).unwrap();
        assert_eq!(History::read(folder.path(), 9).unwrap(), history);
        assert_eq!(History::read(folder.path(), 3).unwrap().rows, history.rows[..3]);
        let mut shorter = history.clone();
        shorter.cut(3);
        assert_eq!(shorter.rows, history.rows[..3]);
        std::fs::write(folder.path().join("history.csv"), "head\n1,2,x\n").unwrap();
        assert!(History::read(folder.path(), 3).unwrap_err().to_string().contains("line 2"));
    }
}
