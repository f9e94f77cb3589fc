//! The losses of every epoch: `history.csv`, to which each save adds its epochs, and their thinned course in memory.
//!
//! Filled by `trainer::run`, written by `trainer::saving` on the training's thread, drawn by `trainer::picture_writer`.
//! A line that a crash cut in the middle is taken out when a training goes on, and so are the epochs after its
//! checkpoint, which will be done again. The file is not held in memory.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::curve::LossCurve;
use super::losses::{DIVERSITY, Kind, Losses};
use crate::files::{self, FileError, at};
use crate::picture::PictureError;

/// What is wrong with a history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A line of the file is none.
    #[error("{path}, line {line}: {why}; repair the line or remove the file", path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The plot cannot be written.
    #[error(transparent)]
    Picture(#[from] PictureError),
}

const FILE: &str = "history.csv";
/// Epochs that are held in memory besides those that wait to be written.
const HELD: usize = 4096;
/// Epochs that wait to be written at most; where the disk takes none for long, every second one of them is left out.
const WAITING: usize = 65_536;

/// Losses and seconds of every epoch, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The newest epochs.
    rows: VecDeque<(Losses, f64)>,
    /// How many of them, from the end, are not in the file yet.
    waiting: usize,
    curve: LossCurve,
    /// Bytes of the file that hold; 0 where it begins anew.
    written: u64,
    /// The file may hold epochs from this one on that were done again.
    cut_from: Option<u64>,
    /// The columns of the file, once it has some.
    columns: Option<Columns>,
}

/// What the columns of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Columns {
    kind: Kind,
    /// Files of before there was a diversity have no column for it.
    diversity: bool,
}

impl Columns {
    /// Those of a new file.
    fn new(kind: Kind) -> Self {
        Self { kind, diversity: true }
    }

    /// The first line.
    fn header(self) -> String {
        let diversity = if self.diversity { format!("{DIVERSITY},") } else { String::new() };
        format!("epoch,critic_steps,{},{diversity}seconds\n", self.kind.names().join(","))
    }

    /// By the first line; one that is none of ours is taken for the oldest.
    fn of(header: &str) -> Self {
        let all = Kind::ALL.into_iter().flat_map(|kind| [true, false].map(|diversity| Self { kind, diversity }));
        let oldest = Self { kind: Kind::Wasserstein, diversity: false };
        all.into_iter().find(|columns| columns.header().trim_end() == header.trim_end()).unwrap_or(oldest)
    }

    /// An epoch as a line.
    fn line(self, losses: &Losses, seconds: f64) -> String {
        let mut line = format!("{},{}", losses.epoch, losses.critic_steps);
        losses.values.iter().for_each(|value| line += &format!(",{value}"));
        if self.diversity {
            line += ",";
            line += &losses.diversity.map(|diversity| diversity.to_string()).unwrap_or_default();
        }
        line + &format!(",{seconds:.4}\n")
    }

    /// A line as an epoch and its seconds.
    fn parse(self, line: &str) -> Result<(Losses, f64), String> {
        let cells: Vec<&str> = line.split(',').collect();
        let count = 8 + usize::from(self.diversity);
        if cells.len() != count {
            return Err(format!("{count} columns expected, {} found", cells.len()));
        }
        let number = |text: &str| text.parse::<f32>().map_err(|e| format!("\"{text}\": {e}"));
        let whole = |text: &str| text.parse::<u64>().map_err(|e| format!("\"{text}\": {e}"));
        let mut values = [0.0; 5];
        for (value, cell) in values.iter_mut().zip(&cells[2..7]) {
            *value = number(cell)?;
        }
        let diversity = match cells[7] {
            text if self.diversity && !text.is_empty() => Some(number(text)?),
            _ => None,
        };
        let (epoch, critic_steps) = (whole(cells[0])?, u32::try_from(whole(cells[1])?).map_err(|e| e.to_string())?);
        let last = cells[count - 1];
        let seconds = last.parse().map_err(|e| format!("\"{last}\": {e}"))?;
        Ok((Losses { epoch, critic_steps, kind: self.kind, values, diversity }, seconds))
    }
}

impl History {
    /// Adds an epoch and the seconds it took.
    pub fn push(&mut self, losses: Losses, seconds: f64) {
        self.curve.push(&losses, seconds);
        self.rows.push_back((losses, seconds));
        self.waiting += 1;
        if self.waiting > WAITING {
            let (from, mut at) = (self.rows.len() - self.waiting, 0);
            self.rows.retain(|_| {
                at += 1;
                at <= from || (at - from) % 2 == 0
            });
            self.waiting = self.rows.len() - from;
        }
        self.let_go();
    }

    /// Only the newest epochs stay in memory.
    fn let_go(&mut self) {
        while self.rows.len() > HELD.max(self.waiting) {
            self.rows.pop_front();
        }
    }

    /// Forgets the epochs from `epoch` on; they will be done again.
    pub fn cut(&mut self, epoch: u64) {
        while self.rows.back().is_some_and(|(losses, _)| losses.epoch >= epoch) {
            self.rows.pop_back();
            if self.waiting > 0 {
                self.waiting -= 1;
            } else {
                self.cut_from = Some(self.cut_from.map_or(epoch, |from| from.min(epoch)));
            }
        }
        if self.rows.is_empty() && self.written > 0 {
            // What is in the file alone may be later, too.
            self.cut_from = Some(self.cut_from.map_or(epoch, |from| from.min(epoch)));
        }
        self.curve.cut(epoch);
    }

    /// The newest epochs, some thousands of them.
    pub fn losses(&self) -> impl Iterator<Item = &Losses> {
        self.rows.iter().map(|(losses, _)| losses)
    }

    /// Seconds spent in all epochs.
    pub fn seconds(&self) -> f64 {
        self.curve.seconds()
    }

    /// The course of all losses, to be drawn.
    pub fn curve(&self) -> &LossCurve {
        &self.curve
    }

    /// Adds the epochs that wait to `history.csv` in `folder`; gives the bytes written.
    ///
    /// # Errors
    /// If the file cannot be written: the epochs wait on, and the file is as it was.
    pub fn write(&mut self, folder: &Path) -> Result<u64, HistoryError> {
        files::make_folder(folder)?;
        let path = folder.join(FILE);
        let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let bytes = at(&path, opened.and_then(|mut file| self.add_to(&mut file)))?;
        (self.waiting, self.cut_from) = (0, None);
        self.let_go();
        Ok(bytes)
    }

    fn add_to(&mut self, file: &mut File) -> io::Result<u64> {
        if let Some(epoch) = self.cut_from {
            self.written = whole(&mut BufReader::new(&*file), epoch, &mut |_| ())?.0.bytes;
        }
        // A file that became shorter is gone on with where it ends.
        let begins = self.written.min(file.metadata()?.len());
        let of_file = self.columns.map_or(Kind::Wasserstein, |columns| columns.kind);
        let kind = self.rows.back().map_or(of_file, |(losses, _)| losses.kind);
        let columns = match self.columns.filter(|columns| begins > 0 && columns.kind == kind) {
            Some(columns) => columns,
            // A file of other losses begins anew.
            None => Columns::new(kind),
        };
        let begins = if self.columns.is_some_and(|before| before.kind == kind) { begins } else { 0 };
        let mut text = String::new();
        // Before the first epoch nobody knows which losses it will have.
        if begins == 0 && !self.rows.is_empty() {
            text += &columns.header();
        }
        for (losses, seconds) in self.rows.iter().skip(self.rows.len() - self.waiting) {
            text += &columns.line(losses, *seconds);
        }
        self.columns = (!self.rows.is_empty() || begins > 0).then_some(columns);
        file.set_len(begins)?;
        file.seek(SeekFrom::Start(begins))?;
        if let Err(error) = file.write_all(text.as_bytes()) {
            // Half a line must not stay; a disk that takes no bytes still takes this.
            let _ = file.set_len(begins);
            return Err(error);
        }
        self.written = begins + text.len() as u64;
        Ok(text.len() as u64)
    }

    /// Reads `history.csv`, keeping the epochs before `epoch`; later ones will be done again.
    ///
    /// # Errors
    /// If the file cannot be read, or a line of it is none; half a line at its end is taken out.
    pub fn read(folder: &Path, epoch: u64) -> Result<Self, HistoryError> {
        let path = folder.join(FILE);
        let mut history = Self::default();
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(history),
            opened => at(&path, opened)?,
        };
        let mut add = |(losses, seconds): (Losses, f64)| {
            history.curve.push(&losses, seconds);
            history.rows.push_back((losses, seconds));
            if history.rows.len() > HELD {
                history.rows.pop_front();
            }
        };
        let (part, wrong) = at(&path, whole(&mut BufReader::new(file), epoch, &mut add))?;
        if let Some((line, why)) = wrong {
            return Err(HistoryError::Line { path, line, why });
        }
        (history.written, history.columns) = (part.bytes, part.columns);
        Ok(history)
    }
}

/// A line that is none, and why.
type Wrong = Option<(usize, String)>;

/// The part of a file that holds.
#[derive(Default)]
struct Part {
    /// Its length, header included.
    bytes: u64,
    columns: Option<Columns>,
}

/// Hands on the epochs before `epoch` from the beginning of a file; says which part of it they are, and what is wrong
/// with the line behind them. Half a line at the end, and what a power cut leaves, are nothing wrong.
fn whole(file: &mut impl BufRead, epoch: u64, add: &mut dyn FnMut((Losses, f64))) -> io::Result<(Part, Wrong)> {
    let (mut part, mut line) = (Part::default(), Vec::new());
    for number in 1.. {
        line.clear();
        // No line of numbers is longer.
        file.by_ref().take(4096).read_until(b'\n', &mut line)?;
        // A power cut leaves zeros.
        if line.last() != Some(&b'\n') || line.contains(&0) {
            return Ok((part, None));
        }
        let text = std::str::from_utf8(&line).map_err(|e| e.to_string());
        match part.columns {
            None => part.columns = Some(Columns::of(text.as_deref().unwrap_or_default())),
            Some(columns) => match text.and_then(|line| columns.parse(line.trim_end())) {
                Ok((losses, _)) if losses.epoch >= epoch => return Ok((part, None)),
                Ok(row) => add(row),
                Err(why) => return Ok((part, Some((number, why)))),
            },
        }
        part.bytes += line.len() as u64;
    }
    Ok((part, None))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use super::super::picture_writer;
    use super::*;

    fn row(epoch: u64) -> (Losses, f64) {
        let v = epoch as f32 * 0.1 - 0.123_456_7;
        let diversity = epoch.is_multiple_of(3).then_some(0.125);
        (Losses { epoch, critic_steps: 5, kind: Kind::Wasserstein, values: [v; 5], diversity }, 0.25)
    }

    fn history(epochs: std::ops::Range<u64>) -> History {
        let mut history = History::default();
        epochs.map(row).for_each(|(losses, seconds)| history.push(losses, seconds));
        history
    }

    fn epochs(history: &History) -> Vec<u64> {
        history.losses().map(|losses| losses.epoch).collect()
    }

    #[test]
    fn a_history_comes_back_and_is_cut_where_it_is_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = history(0..5);
        history.write(folder.path()).unwrap();
        assert_eq!(History::read(folder.path(), 9).unwrap(), history);
        assert_eq!(History::read(folder.path(), 3).unwrap().rows, history.rows.range(..3).cloned().collect::<Vec<_>>());
        let mut shorter = history.clone();
        shorter.cut(3);
        assert_eq!(shorter.rows, history.rows.range(..3).cloned().collect::<Vec<_>>());
        std::fs::write(folder.path().join("history.csv"), "head\n1,2,x\n").unwrap();
        assert!(History::read(folder.path(), 3).unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn a_save_adds_its_epochs_and_writes_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let text = || fs::read_to_string(folder.path().join(FILE)).unwrap();
        let mut whole = history(0..100);
        let first = whole.write(folder.path()).unwrap();
        for epoch in 100..103 {
            let (losses, seconds) = row(epoch);
            whole.push(losses, seconds);
        }
        let next = whole.write(folder.path()).unwrap();
        assert!(next < 200 && first + next == text().len() as u64, "{first} {next}");
        assert_eq!(whole.write(folder.path()).unwrap(), 0);
        assert_eq!(epochs(&History::read(folder.path(), u64::MAX).unwrap()), (0..103).collect::<Vec<_>>());
        // A rewind takes the epochs after it out of the file, however often.
        whole.cut(101);
        whole.cut(50);
        let (losses, seconds) = row(50);
        whole.push(losses, seconds);
        whole.write(folder.path()).unwrap();
        assert_eq!(text().lines().count(), 1 + 51);
        assert_eq!(History::read(folder.path(), u64::MAX).unwrap(), whole);
    }

    /// A file of before there was a diversity goes on with its own columns, and each kind of losses has its own.
    #[test]
    fn columns_are_those_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs::write(&path, "epoch,critic_steps,total,real,fake,penalty,generator,seconds\n0,5,1,2,3,4,5,0.5000\n")
            .unwrap();
        let mut read = History::read(folder.path(), 9).unwrap();
        read.push(Losses { epoch: 1, ..row(3).0 }, 0.25);
        read.write(folder.path()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().all(|line| line.split(',').count() == 8) && text.lines().count() == 3, "{text}");
        // A rewind further back than the epochs in memory takes none of the others away.
        let judged = |epoch| Losses { epoch, kind: Kind::CrossEntropy, ..row(3).0 };
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::default();
        history.push(judged(0), 1.5);
        history.write(folder.path()).unwrap();
        history.push(judged(1), 1.5);
        history.write(folder.path()).unwrap();
        let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert!(
            text.starts_with("epoch,critic_steps,d_loss,g_loss,d_real,d_fake,g_real,diversity,seconds\n"),
            "{text}"
        );
        assert_eq!(History::read(folder.path(), 9).unwrap(), history);
        (2..6000).for_each(|epoch| history.push(judged(epoch), 1.5));
        history.write(folder.path()).unwrap();
        history.cut(100);
        history.write(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap().lines().count(), 101);
    }

    #[test]
    fn half_a_line_is_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        history(0..5).write(folder.path()).unwrap();
        let good = fs::read(&path).unwrap();
        let tails: [&[u8]; 6] = [b"5,5,1.25,", b"5", b"5,5,1,1,1,1,1,0.25", &[0; 300], b"5,5,1\0\0\n", &[b'x'; 9000]];
        for tail in tails {
            fs::write(&path, [&good, tail].concat()).unwrap();
            let mut read = History::read(folder.path(), u64::MAX).unwrap();
            assert_eq!(epochs(&read), [0, 1, 2, 3, 4]);
            let (losses, seconds) = row(5);
            read.push(losses, seconds);
            read.write(folder.path()).unwrap();
            assert_eq!(epochs(&History::read(folder.path(), u64::MAX).unwrap()), [0, 1, 2, 3, 4, 5]);
        }
        // A file with half a header begins anew.
        fs::write(&path, &good[..9]).unwrap();
        let mut read = History::read(folder.path(), 0).unwrap();
        read.push(row(0).0, 0.25);
        read.write(folder.path()).unwrap();
        assert_eq!(epochs(&History::read(folder.path(), 9).unwrap()), [0]);
    }

    #[test]
    fn epochs_that_cannot_be_written_wait() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().join("away");
        fs::write(&here, "in the way").unwrap();
        let mut history = history(0..5);
        assert!(history.write(&here).is_err());
        fs::remove_file(&here).unwrap();
        history.push(row(5).0, 0.25);
        history.write(&here).unwrap();
        assert_eq!(epochs(&History::read(&here, 9).unwrap()), [0, 1, 2, 3, 4, 5]);
        // For weeks: memory stays bounded, and every part of the course is still there.
        (6..300_000).map(row).for_each(|(losses, seconds)| history.push(losses, seconds));
        assert!(history.rows.len() <= WAITING + HELD);
        history.write(&here).unwrap();
        assert_eq!(history.rows.len(), HELD);
        let read = History::read(&here, u64::MAX).unwrap();
        assert!(epochs(&read).ends_with(&[299_998, 299_999]) && read.curve().epochs() > 30_000);
    }

    /// A save beside a long history costs the training next to nothing, and the plot a moment elsewhere.
    #[test]
    fn a_save_after_two_hundred_thousand_epochs_is_quick() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let line = |epoch: u64| format!("{epoch},5,{}.5,-1.25,3.5,0.125,{}.75,0.2500\n", epoch % 97, epoch % 89);
        let header = Columns { kind: Kind::Wasserstein, diversity: false }.header();
        fs::write(&path, header + &(0..200_000).map(line).collect::<String>()).unwrap();
        let mut history = History::read(folder.path(), u64::MAX).unwrap();
        assert_eq!((history.curve().epochs(), history.seconds()), (200_000, 50_000.0));
        (200_000..200_050).map(row).for_each(|(losses, seconds)| history.push(losses, seconds));
        let start = Instant::now();
        assert!(history.write(folder.path()).unwrap() < 5000);
        let (written, start) = (start.elapsed(), Instant::now());
        picture_writer::draw(folder.path(), history.curve()).unwrap();
        let drawn = start.elapsed();
        assert!(written < Duration::from_millis(100) && drawn < Duration::from_millis(500), "{written:?} {drawn:?}");
        assert!(fs::metadata(folder.path().join("converge.svg")).unwrap().len() < 300_000);
    }
}
