//! The losses of a training as its `history.csv` has them, read by the names in its first line.
//!
//! Read once for `runs`, in a memory that does not grow with the number of epochs (`thinned`). `epoch`, `critic_steps` and
//! `seconds` have a meaning here; every other column is a loss.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::RunError;
use super::settings::Shown;
use super::thinned::{Mean, Thinned, add, mean};
use crate::files;
use crate::hints::plain;

/// What a curve runs along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum X {
    /// Epochs that are done.
    Epochs,
    /// Pictures of the data that the critic was shown.
    Pictures,
    /// Seconds spent in epochs.
    Seconds,
}

/// How runs are read.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// What the curves run along.
    pub x: X,
    /// Powers of ten at equal distances: the beginning is kept finer.
    pub log: bool,
    /// Epochs of the moving mean; `None`: as many as the length asks for.
    pub smooth: Option<u64>,
}

/// Runs of fewer epochs are drawn as they are.
const SHORT: u64 = 1000;
/// The moving mean of a longer one spans this part of it.
const PART: u64 = 200;
/// Epochs that a moving mean spans at most.
pub const WIDEST: u64 = 100_000;
/// Bytes of a line at most; a row of numbers is not longer.
const LINE: u64 = 1 << 14;
/// Broken lines that are named.
const NAMED: u64 = 3;

/// The losses of a training.
pub struct Course {
    /// Their names, in the file's order.
    pub losses: Vec<String>,
    /// Epochs that are done.
    pub epochs: u64,
    /// Seconds spent in them, where the file has them.
    pub seconds: Option<f64>,
    /// Mean of each loss over [`Self::last_rows`]; NaN where none of them is finite.
    pub last: Vec<f64>,
    /// How many of the last epochs that is.
    pub last_rows: u64,
    /// Epochs of the moving mean; 1 where there is none.
    pub window: u64,
    /// What is wrong with the file, in sentences.
    pub remarks: Vec<String>,
    raw: Thinned,
    mean: Option<Thinned>,
}

/// Where the columns of a file are.
struct Columns {
    count: usize,
    epoch: usize,
    steps: Option<usize>,
    seconds: Option<usize>,
    /// Column and name.
    losses: Vec<(usize, String)>,
}

impl Columns {
    fn new(header: &[u8]) -> Result<Self, String> {
        let header = String::from_utf8_lossy(header);
        let names: Vec<&str> = header.trim_start_matches('\u{feff}').split(',').map(str::trim).collect();
        let at = |wanted: &str| names.iter().position(|name| *name == wanted);
        let epoch = at("epoch").ok_or_else(|| format!("no column is named epoch in \"{}\"", plain(header.trim())))?;
        if let Some(twice) = names.iter().enumerate().find(|(i, name)| at(name) != Some(*i)) {
            return Err(format!("two columns are named \"{}\"", plain(twice.1)));
        }
        let (steps, seconds) = (at("critic_steps"), at("seconds"));
        let known = [Some(epoch), steps, seconds];
        let others = names.iter().enumerate().filter(|(i, name)| !known.contains(&Some(*i)) && !name.is_empty());
        let losses = others.map(|(i, name)| (i, plain(name))).collect();
        Ok(Self { count: names.len(), epoch, steps, seconds, losses })
    }
}

/// A row of the file.
#[derive(Default)]
struct Row {
    cells: Vec<f64>,
    /// Which cells hold nothing.
    empty: Vec<bool>,
    epoch: u64,
}

impl Row {
    fn read(&mut self, line: &[u8], columns: &Columns) -> Result<(), String> {
        let line = std::str::from_utf8(line).map_err(|e| e.to_string())?.trim_end();
        self.cells.clear();
        self.empty.clear();
        for (i, cell) in line.split(',').enumerate() {
            let cell = cell.trim();
            let wrong = || format!("\"{}\" is no number", plain(cell));
            if i == columns.epoch {
                self.epoch = cell.parse().map_err(|_| wrong())?;
            }
            // A cell that is left empty is no value.
            self.empty.push(cell.is_empty());
            self.cells.push(if cell.is_empty() { f64::NAN } else { cell.parse().map_err(|_| wrong())? });
        }
        match self.cells.len() == columns.count {
            true => Ok(()),
            false => Err(format!("{} columns expected, {} found", columns.count, self.cells.len())),
        }
    }
}

/// What is gathered while a file is read.
struct Reading {
    columns: Columns,
    course: Course,
    smooth: Option<Mean>,
    values: Vec<f32>,
    /// Of each loss how many values are no finite numbers, though there is something.
    gaps: Vec<u64>,
    /// The newest value of each that is one; none where something else stands in a row after it.
    known: Vec<f64>,
    /// Rows from this one on are the last ones.
    last_from: u64,
    /// Sums and counts over them, and the newest row.
    sums: Vec<(f64, u32)>,
    newest: Vec<f32>,
    shown: Option<Shown>,
    pictures: f64,
    /// The epoch before, if there was one.
    before: Option<u64>,
}

impl Reading {
    fn new(columns: Columns, how: &How, rows: u64, shown: Option<Shown>) -> Self {
        let auto = if rows < SHORT { 1 } else { rows / PART };
        let window = how.smooth.unwrap_or(auto).clamp(1, WIDEST);
        let losses = columns.losses.len();
        let course = Course {
            losses: columns.losses.iter().map(|(_, name)| name.clone()).collect(),
            epochs: 0,
            seconds: columns.seconds.map(|_| 0.0),
            last: vec![f64::NAN; losses],
            last_rows: 0,
            window,
            remarks: Vec::new(),
            raw: Thinned::new(how.log),
            mean: (window > 1).then(|| Thinned::new(how.log)),
        };
        Self {
            course,
            smooth: (window > 1).then(|| Mean::new(window, losses)),
            values: Vec::with_capacity(losses),
            gaps: vec![0; losses],
            known: vec![f64::NAN; losses],
            last_from: rows.saturating_sub((rows / 100).max(1)),
            sums: vec![(0.0, 0); losses],
            newest: Vec::new(),
            shown,
            pictures: 0.0,
            before: None,
            columns,
        }
    }

    /// Adds a row of that number, from 0.
    fn add(&mut self, number: u64, row: &Row, x: X) -> Result<(), String> {
        if let Some(before) = self.before.filter(|before| *before >= row.epoch) {
            return Err(format!("epoch {} stands behind epoch {before}", row.epoch));
        }
        self.before = Some(row.epoch);
        // Counted from 0.
        self.course.epochs = row.epoch.saturating_add(1);
        let cell = |column: Option<usize>| column.map(|i| row.cells[i]).filter(|v| v.is_finite()).unwrap_or(0.0);
        self.pictures += match self.shown {
            Some(Shown::Update(batch)) => cell(self.columns.steps) * batch,
            Some(Shown::Epoch(all)) => all,
            None => 0.0,
        };
        if let Some(seconds) = &mut self.course.seconds {
            *seconds += cell(self.columns.seconds).max(0.0);
        }
        self.values.clear();
        self.values.extend(self.columns.losses.iter().map(|(i, _)| row.cells[*i] as f32));
        let cells = self.columns.losses.iter().map(|(i, _)| *i);
        for (at, (i, value)) in cells.zip(&self.values).enumerate() {
            match value.is_finite() {
                true => self.known[at] = f64::from(*value),
                // What was not measured is left empty.
                false if row.empty[i] => {}
                false => {
                    self.gaps[at] += 1;
                    self.known[at] = f64::NAN;
                }
            }
        }
        if number >= self.last_from {
            add(&mut self.sums, &self.values);
            self.course.last_rows += 1;
        }
        self.newest.clone_from(&self.values);
        let x = match x {
            X::Epochs => Some(self.course.epochs as f64),
            X::Seconds => self.course.seconds,
            X::Pictures => self.columns.steps.and(self.shown).map(|_| self.pictures),
        };
        if let Some(x) = x {
            self.course.raw.push(x, self.values.iter().copied());
            if let (Some(smooth), Some(mean)) = (&mut self.smooth, &mut self.course.mean) {
                smooth.push(x, &self.values, mean);
            }
        }
        Ok(())
    }

    fn done(mut self, path: &Path, how: &How) -> Course {
        if let (Some(smooth), Some(mean)) = (&mut self.smooth, &mut self.course.mean) {
            smooth.end(mean);
        }
        if self.course.last_rows == 0 && self.before.is_some() {
            add(&mut self.sums, &self.newest);
            self.course.last_rows = 1;
        }
        // Of what is measured now and then the newest stands for the last epochs.
        let last = self.sums.iter().map(mean).zip(&self.known);
        self.course.last = last.map(|(mean, known)| if mean.is_nan() { *known } else { mean }).collect();
        let path = files::shown(path);
        for ((_, name), gaps) in self.columns.losses.iter().zip(&self.gaps).filter(|(_, gaps)| **gaps > 0) {
            let epochs = if *gaps == 1 { "1 epoch".to_owned() } else { format!("{gaps} epochs") };
            self.course.remarks.push(format!("{path}: {name} is no finite number in {epochs}"));
        }
        let lacks = match how.x {
            X::Seconds if self.columns.seconds.is_none() => Some("no column is named seconds"),
            X::Pictures if self.columns.steps.is_none() => Some("no column is named critic_steps"),
            X::Pictures if self.shown.is_none() => Some("no file beside it says the batch size"),
            _ => None,
        };
        if let Some(lacks) = lacks.filter(|_| self.before.is_some()) {
            self.course.remarks.push(format!("{path}: {lacks}, so that it is left out of the plots; take --x epochs"));
        }
        if self.before.is_none() {
            self.course.remarks.push(format!("{path}: no epoch is in it yet"));
        }
        self.course
    }
}

/// Reads a line with its end; one that is too long is cut. Gives its bytes; 0 at the end of the file.
fn line(file: &mut impl BufRead, out: &mut Vec<u8>) -> std::io::Result<u64> {
    out.clear();
    let mut bytes = file.by_ref().take(LINE).read_until(b'\n', out)? as u64;
    let mut rest = Vec::new();
    while bytes > 0 && bytes.is_multiple_of(LINE) && out.last() != Some(&b'\n') {
        rest.clear();
        let further = file.by_ref().take(LINE).read_until(b'\n', &mut rest)? as u64;
        bytes += further;
        if further == 0 || rest.last() == Some(&b'\n') {
            // Not a row in any case; its end says that the line is whole.
            out.truncate(64);
            out.extend(rest.last());
            break;
        }
    }
    Ok(bytes)
}

impl Course {
    /// Reads the file as it is now; a training may add to it meanwhile. Half a line at its end is left out, and so is a
    /// line that is broken, with a remark. `shown`: pictures of an update or an epoch, where that is known.
    ///
    /// # Errors
    /// If it cannot be read, or its first line names no columns.
    pub fn read(path: &Path, how: &How, shown: Option<Shown>) -> Result<Self, RunError> {
        let (mut ends, mut size) = (0, 0);
        files::read_pieces(path, |piece| {
            ends += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
            size += piece.len() as u64;
        })?;
        let mut file = BufReader::with_capacity(1 << 16, files::at(path, File::open(path))?.take(size));
        let mut text = Vec::new();
        files::at(path, line(&mut file, &mut text))?;
        let header = |why: String| RunError::Header { path: path.to_owned(), why };
        let columns = match text.is_empty() {
            true => Columns { count: 1, epoch: 0, steps: None, seconds: None, losses: Vec::new() },
            false => Columns::new(&text).map_err(header)?,
        };
        let mut reading = Reading::new(columns, how, ends.saturating_sub(1), shown);
        let (mut row, mut broken) = (Row::default(), 0);
        for number in 0.. {
            files::at(path, line(&mut file, &mut text))?;
            if text.last() != Some(&b'\n') {
                break;
            }
            if text.trim_ascii().is_empty() {
                continue;
            }
            let read = row.read(&text, &reading.columns).and_then(|()| reading.add(number, &row, how.x));
            if let Err(why) = read {
                broken += 1;
                if broken <= NAMED {
                    let at = format!("{}, line {}", files::shown(path), number + 2);
                    reading.course.remarks.push(format!("{at}: {why}; the line is left out"));
                }
            }
        }
        if broken > NAMED {
            let more = format!("{}: {} more lines are left out", files::shown(path), broken - NAMED);
            reading.course.remarks.push(more);
        }
        Ok(reading.done(path, how))
    }

    /// The points of a loss, in order of x: lowest and highest of neighbouring epochs.
    pub fn points(&self, loss: usize) -> Vec<(f64, f64)> {
        self.raw.points(loss)
    }

    /// The same of its moving mean, if there is one.
    pub fn smoothed(&self, loss: usize) -> Option<Vec<(f64, f64)>> {
        self.mean.as_ref().map(|mean| mean.points(loss))
    }

    /// The first x, if there is one.
    pub fn begins(&self) -> Option<f64> {
        self.raw.range().map(|(begin, _)| begin)
    }

    /// The last x, if there is one.
    pub fn ends(&self) -> Option<f64> {
        self.raw.range().map(|(_, end)| end)
    }
}

#[cfg(test)]
mod tests;
