//! What a show costs: memory, files, threads, bytes written, frames; by the minute, with slopes and bounds.
//!
//! Read from `/proc` (so on Linux alone; elsewhere these figures are 0) and from the show's own `/health`.

use std::fmt;
use std::fs;

use serde_json::Value as Json;

/// Share of the minutes that a show takes to warm up; slopes begin after it.
const WARM: f64 = 0.25;
/// Minutes of warming up at most.
const WARM_MINUTES: f64 = 10.0;
/// Minutes behind them that a slope needs.
const SLOPE_MINUTES: f64 = 10.0;
/// The head of the table, for Markdown.
pub const HEAD: &str = "| minute | memory MB | files | threads | written MB | frames/s | late | longest ms | ill s | faults |\n\
|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|";

/// A minute.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Minutes since the start.
    pub minute: f64,
    /// Memory of the show's own process, in megabytes, the mean.
    pub memory_mb: f64,
    /// Open files and threads, the least: what is not given back stays in it.
    pub files: f64,
    pub threads: f64,
    /// Bytes that it and its children have written to the disk since the start, in megabytes.
    pub written_mb: f64,
    /// Frames a second, frames that came late, and the longest, in milliseconds.
    pub rate: f64,
    pub late: u64,
    pub longest_ms: f64,
    /// Seconds in which it was not healthy, or did not answer.
    pub ill: u32,
    /// Faults since the start.
    pub faults: u64,
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let Self { minute, memory_mb, files, threads, written_mb, rate, late, longest_ms, ill, faults } = self;
        write!(
            out,
            "| {minute:.1} | {memory_mb:.1} | {files:.0} | {threads:.0} | {written_mb:.0} | {rate:.1} | {late} \
             | {longest_ms:.0} | {ill} | {faults} |"
        )
    }
}

/// Looks at a show every second.
pub struct Measure {
    process: u32,
    /// Bytes written by shows that have ended, and by this one with its children.
    written: [u64; 2],
    /// Of the minute that goes on.
    now: Row,
    looks: u32,
    /// Frames and late frames when the minute began, and when that was.
    began: (u64, u64, f64),
    /// The same at the last look.
    last: (u64, u64),
}

impl Measure {
    /// Of the show in a process.
    pub fn new(process: u32) -> Self {
        let (written, now) = ([0; 2], Row::default());
        Self { process, written, now, looks: 0, began: (0, 0, 0.0), last: (0, 0) }
    }

    /// The show goes on in another process.
    pub fn follow(&mut self, process: u32) {
        self.process = process;
        self.written = [self.written.iter().sum(), 0];
        (self.began.0, self.began.1, self.last) = (0, 0, (0, 0));
    }

    /// Looks at second `now`; `health` is what the show answered.
    pub fn look(&mut self, now: f64, health: Option<(u16, Json)>) {
        self.looks += 1;
        self.now.memory_mb += memory_mb(self.process);
        let count = |name: &str| fs::read_dir(format!("/proc/{}/{name}", self.process)).map_or(0, Iterator::count);
        let least = |before: f64, now: usize| if before == 0.0 { now as f64 } else { before.min(now as f64) };
        self.now.files = least(self.now.files, count("fd"));
        self.now.threads = least(self.now.threads, count("task"));
        let living = descendants(self.process).into_iter().map(|(process, _)| process).chain([self.process]);
        let sum = living.filter_map(written).sum();
        // A child that has just ended is in neither for a moment.
        self.written[1] = self.written[1].max(sum);
        let well = health.as_ref().is_some_and(|(status, _)| *status == 200);
        self.now.ill += u32::from(!well);
        if let Some((_, report)) = health {
            let frame = &report["frame"];
            let whole = |name: &str| frame[name].as_u64().unwrap_or(0);
            self.last = (whole("count"), whole("late"));
            // That of the last minute, so the first minute of a row may still hold one of the row before.
            if now - self.began.2 > 59.0 || self.began.2 == 0.0 {
                self.now.longest_ms = self.now.longest_ms.max(frame["longest_ms"].as_f64().unwrap_or(0.0));
            }
        }
    }

    /// The row of the minute that ends `now`; another one begins.
    pub fn row(&mut self, now: f64, faults: u64) -> Row {
        let mut row = std::mem::take(&mut self.now);
        row.minute = now / 60.0;
        row.memory_mb /= f64::from(self.looks.max(1));
        row.written_mb = self.written.iter().sum::<u64>() as f64 / 1e6;
        let (frames, late, since) = self.began;
        row.rate = self.last.0.saturating_sub(frames) as f64 / (now - since).max(1e-3);
        row.late = self.last.1.saturating_sub(late);
        row.faults = faults;
        (self.looks, self.began) = (0, (self.last.0, self.last.1, now));
        row
    }
}

/// Resident memory of a process, in megabytes.
fn memory_mb(process: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).map_or(0.0, |kb| kb / 1e3)
}

/// Bytes that a process has had written to the disk; those of children that have ended, and were waited for, are in it.
fn written(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/io")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.parse().ok()
}

/// All processes that a process has begun, and those they have, with their names.
pub fn descendants(of: u32) -> Vec<(u32, String)> {
    let all: Vec<(u32, u32, String)> =
        fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(parent).collect();
    let mut found: Vec<(u32, String)> = Vec::new();
    let mut parents = vec![of];
    while let Some(of) = parents.pop() {
        for (process, _, name) in all.iter().filter(|(_, parent, _)| *parent == of) {
            found.push((*process, name.clone()));
            parents.push(*process);
        }
    }
    found
}

/// A process, its parent and its name.
fn parent(entry: fs::DirEntry) -> Option<(u32, u32, String)> {
    let process = entry.file_name().to_str()?.parse().ok()?;
    let text = fs::read_to_string(entry.path().join("stat")).ok()?;
    let (before, after) = text.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    Some((process, after.split_whitespace().nth(1)?.parse().ok()?, name.to_owned()))
}

/// The rows after the show has warmed up.
fn warm(rows: &[Row]) -> &[Row] {
    let minutes = rows.last().map_or(0.0, |row| row.minute);
    let warm = (minutes * WARM).min(WARM_MINUTES);
    let from = rows.iter().position(|row| row.minute > warm).unwrap_or(0);
    &rows[from..]
}

/// The slope of a figure in an hour, by least squares over whole minutes; none where there are too few.
fn slope(rows: &[Row], figure: fn(&Row) -> f64) -> Option<f64> {
    let rows = warm(rows);
    if rows.last()?.minute - rows.first()?.minute < SLOPE_MINUTES {
        return None;
    }
    let count = rows.len() as f64;
    let mean = |of: &dyn Fn(&Row) -> f64| rows.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(&|row| row.minute), mean(&|row| figure(row)));
    let above: f64 = rows.iter().map(|row| (row.minute - x) * (figure(row) - y)).sum();
    let below: f64 = rows.iter().map(|row| (row.minute - x).powi(2)).sum();
    (below > 0.0).then(|| above / below * 60.0)
}

/// A figure, its name, and its unit.
type Figure = (&'static str, &'static str, fn(&Row) -> f64);
const FIGURES: [Figure; 4] = [
    ("memory", "MB", |row| row.memory_mb),
    ("open files", "", |row| row.files),
    ("threads", "", |row| row.threads),
    ("written", "MB", |row| row.written_mb),
];

/// What is said at the end: slopes, and the worst.
pub fn summary(rows: &[Row]) -> Vec<String> {
    let mut lines = vec![String::new()];
    for (name, unit, figure) in FIGURES {
        let text =
            slope(rows, figure).map_or("too short to tell".into(), |slope| format!("{slope:+.2} {unit} an hour"));
        lines.push(format!("- slope of {name}: {text}"));
    }
    let late: u64 = rows.iter().map(|row| row.late).sum();
    let longest = rows.iter().map(|row| row.longest_ms).fold(0.0, f64::max);
    let ill: u32 = rows.iter().map(|row| row.ill).sum();
    let most = rows.iter().map(|row| row.memory_mb).fold(0.0, f64::max);
    lines.push(format!("- late frames: {late}; longest frame: {longest:.0} ms; not healthy: {ill} s"));
    lines.push(format!("- most memory: {most:.1} MB; gigabytes written in a day: {:.1}", gigabytes_a_day(rows)));
    lines
}

fn gigabytes_a_day(rows: &[Row]) -> f64 {
    rows.last().map_or(0.0, |row| row.written_mb / 1e3 / (row.minute / 1440.0).max(1e-9))
}

/// What a show must stay below.
pub struct Bounds {
    /// Growth of memory after warming up, in megabytes, besides what a slope of so many an hour makes.
    pub memory_mb: f64,
    pub memory_mb_an_hour: f64,
    /// Growth of open files and of threads.
    pub files: f64,
    pub threads: f64,
    /// Gigabytes written in a day.
    pub written_gb: f64,
    /// Late frames in a hundred.
    pub late_percent: f64,
    /// Milliseconds of the longest frame.
    pub longest_ms: f64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            memory_mb: 20.0,
            memory_mb_an_hour: 5.0,
            files: 8.0,
            threads: 4.0,
            written_gb: 30.0,
            late_percent: 2.0,
            longest_ms: 250.0,
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let Self { memory_mb, memory_mb_an_hour, files, threads, written_gb, late_percent, longest_ms } = self;
        write!(
            out,
            "memory grows by {memory_mb} MB and {memory_mb_an_hour} MB an hour at most, files by {files}, threads by \
             {threads}; {written_gb} GB a day; {late_percent} % of frames late; no frame longer than {longest_ms} ms; \
             always healthy; never ends by itself"
        )
    }
}

impl Bounds {
    /// What lies above a bound, in words.
    pub fn over(&self, rows: &[Row], restarts: u32) -> Vec<String> {
        let mut over = Vec::new();
        let mut check = |name: &str, value: f64, most: f64| {
            if value > most {
                over.push(format!("{name} {value:.1} (at most {most:.1})"));
            }
        };
        let rows_warm = warm(rows);
        let hours =
            rows_warm.last().zip(rows_warm.first()).map_or(0.0, |(last, first)| (last.minute - first.minute) / 60.0);
        let growth = |figure: fn(&Row) -> f64| slope(rows, figure).map_or(0.0, |slope| slope * hours);
        check("growth of memory", growth(|row| row.memory_mb), self.memory_mb + self.memory_mb_an_hour * hours);
        check("growth of open files", growth(|row| row.files), self.files);
        check("growth of threads", growth(|row| row.threads), self.threads);
        if rows.last().is_some_and(|row| row.minute >= 9.5) {
            check("gigabytes written in a day", gigabytes_a_day(rows), self.written_gb);
        }
        let frames: f64 = rows.iter().map(|row| row.rate * 60.0).sum();
        let late: u64 = rows.iter().map(|row| row.late).sum();
        check("late frames in a hundred", late as f64 / frames.max(1.0) * 100.0, self.late_percent);
        check("longest frame in ms", rows.iter().map(|row| row.longest_ms).fold(0.0, f64::max), self.longest_ms);
        check("seconds not healthy", rows.iter().map(|row| f64::from(row.ill)).sum(), 0.0);
        check("ends by itself", f64::from(restarts), 0.0);
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(memory: impl Fn(f64) -> f64) -> Vec<Row> {
        let row = |minute: u32| {
            let minute = f64::from(minute);
            Row { minute, memory_mb: memory(minute), files: 30.0, threads: 20.0, rate: 60.0, ..Row::default() }
        };
        (1..=60).map(row).collect()
    }

    #[test]
    fn growth_is_found_and_warming_up_is_not_growth() {
        let bounds = Bounds::default();
        assert!(bounds.over(&rows(|minute| 200.0 + 50.0 * (1.0 - (-minute).exp())), 0).is_empty());
        let grows = rows(|minute| 200.0 + minute);
        assert!((slope(&grows, |row| row.memory_mb).unwrap() - 60.0).abs() < 1e-6);
        assert!(bounds.over(&grows, 0)[0].contains("growth of memory 49.0"));
        assert!(slope(&grows[..2], |row| row.memory_mb).is_none());
    }

    /// What a child has written is counted once, while it lives and when it has ended.
    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_child_writes_is_counted_once() {
        use std::io::Write;
        use std::process::{Command, Stdio};
        use std::time::Duration;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("written");
        // The outer shell waits for the inner one, and both for a line.
        let script = format!("(head -c 20000000 /dev/zero > '{}'; read _; exit 0); read _", path.display());
        let mut show = Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
        let mut measure = Measure::new(show.id());
        while std::fs::metadata(&path).map_or(0, |about| about.len()) < 20_000_000 {
            std::thread::sleep(Duration::from_millis(5));
        }
        measure.look(1.0, None);
        let lives = measure.row(1.0, 0).written_mb;
        let mut stdin = show.stdin.take().unwrap();
        stdin.write_all(b"\n").unwrap();
        while !descendants(show.id()).is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        measure.look(2.0, None);
        let ended = measure.row(2.0, 0).written_mb;
        drop(stdin);
        show.wait().unwrap();
        // Nothing, where temporary files lie in memory.
        assert!(lives < 30.0 && (lives..30.0).contains(&ended), "{lives} while it lives, {ended} after it");
    }

    #[test]
    fn each_bound_is_looked_at() {
        let worst = |change: fn(&mut Row)| {
            let mut rows = rows(|_| 200.0);
            rows.iter_mut().for_each(change);
            Bounds::default().over(&rows, 0).join(" ")
        };
        assert!(worst(|row| row.files += row.minute).contains("open files"));
        assert!(worst(|row| row.threads += row.minute).contains("threads"));
        assert!(worst(|row| row.written_mb = row.minute * 50.0).contains("gigabytes"));
        assert!(worst(|row| row.late = 100).contains("late frames"));
        assert!(worst(|row| row.longest_ms = 300.0).contains("longest frame"));
        assert!(worst(|row| row.ill = 1).contains("not healthy"));
        assert!(Bounds::default().over(&rows(|_| 1.0), 1)[0].contains("ends by itself"));
        assert!(worst(|_| ()).is_empty());
    }
}
