//! A take that is played again: its log read, and its frames handed out one by one.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::log::{Line, Start, Time, VERSION};
use crate::control::Dial;
use crate::files::{self, FileError};
use crate::latent::manner;
use crate::latent::pose::Pose;
use crate::show::addresses::{Act, modern};
use crate::show::fades::Fades;

/// Farther apart than this share of their length two latents are a cut, which is not drawn out.
const CUT: f64 = 0.3;

/// What is wrong with a take.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// Its sketch does not compile or gives no pose, in words.
    #[error("the sketch of the take does not run here: {0}")]
    Sketch(String),
    /// Its file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line of the file is none of a log.
    #[error("{path} is not a take: {why}", path = path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        why: String,
    },
    /// The model's weights are others than then.
    #[error(
        "the take was played with other weights of {name} ({was}, here {is}); put them back, or give --model to take these"
    )]
    Weights {
        /// Name of the model.
        name: String,
        /// Fingerprint of the weights then.
        was: String,
        /// Fingerprint of the weights now.
        is: String,
    },
}

/// A take that is played again.
pub struct Take {
    /// How everything stood when it began.
    pub start: Start,
    frames: VecDeque<(Vec<Line>, Time)>,
    first: f64,
    learns: bool,
    /// Frames walked so far.
    walked: u64,
    before: Option<Moment>,
    now: Option<Moment>,
}

/// A frame that was walked: its pose, what lies over it, and its real second.
pub type Moment = (Arc<Pose>, Fades, f64);

impl Take {
    /// Reads a whole log. One whose end is cut off, as by a crash, is played as far as it goes.
    ///
    /// # Errors
    /// If it is no log of a take, with the line.
    pub fn read(path: &Path) -> Result<Self, TakeError> {
        let wrong =
            |line: usize, why: String| TakeError::Wrong { path: path.into(), why: format!("line {line}: {why}") };
        let mut lines = BufReader::new(files::at(path, File::open(path))?).lines();
        let head = files::at(path, lines.next().unwrap_or_else(|| Ok(String::new())))?;
        let start: Start = serde_json::from_str(&head).map_err(|e| wrong(1, e.to_string()))?;
        if !(1..=VERSION).contains(&start.take) {
            return Err(wrong(1, format!("version {} is not known to this program", start.take)));
        }
        let (mut frames, mut moves) = (VecDeque::<(Vec<Line>, Time)>::new(), Vec::new());
        let mut broken: Option<TakeError> = None;
        for (at, line) in lines.enumerate() {
            if let Some(error) = broken {
                return Err(error);
            }
            match read_line(&files::at(path, line)?) {
                Ok(Line::T(time)) if time.iter().all(|v| v.is_finite()) => {
                    frames.push_back((std::mem::take(&mut moves), time))
                }
                Ok(Line::T(_)) => broken = Some(wrong(at + 2, "a time that is no number".into())),
                Ok(other) => moves.push(other),
                // Only the last line may be cut off.
                Err(e) => broken = Some(wrong(at + 2, e.to_string())),
            }
        }
        let Some(first) = frames.front().map(|(_, time)| time[0]) else {
            return Err(wrong(2, "it holds no frame".into()));
        };
        let of_weights = |line: &Line| {
            matches!(line, Line::Weights(_) | Line::Learnt(_) | Line::Act(Act::Mix(_) | Act::Dial(Dial::Learnt, _), ..))
        };
        let learns = start.learnt.is_some() || frames.iter().any(|(moves, _)| moves.iter().any(of_weights));
        Ok(Self { start, frames, first, learns, walked: 0, before: None, now: None })
    }

    /// Its length in seconds.
    pub fn secs(&self) -> f64 {
        self.frames.back().map_or(0.0, |(_, time)| time[0] - self.first)
    }

    /// Whether weights change within it, so that no two frames are one batch.
    pub fn learns(&self) -> bool {
        self.learns
    }

    /// The real second of the performance, `secs` after its beginning.
    pub fn due(&self, secs: f64) -> f64 {
        self.first + secs
    }

    /// The next frame to be walked so that `due` lies before it: what was done, when, and its number.
    pub fn next(&mut self, due: f64) -> Option<(Vec<Line>, Time, u64)> {
        if self.now.as_ref().is_some_and(|(.., at)| *at >= due) {
            return None;
        }
        let (moves, time) = self.frames.pop_front()?;
        self.walked += 1;
        Some((moves, time, self.walked - 1))
    }

    /// A frame was walked.
    pub fn walked(&mut self, moment: Moment) {
        self.before = self.now.replace(moment);
    }

    /// The frame that was walked last.
    pub fn last(&self) -> Option<&Moment> {
        self.now.as_ref()
    }

    /// The pose and what lies over it at a real second: as it was walked, or between two frames one between theirs.
    pub fn at(&self, due: f64) -> Option<(Arc<Pose>, Fades)> {
        let (pose, fades, at) = self.now.as_ref()?;
        let now = (pose.clone(), fades.clone());
        let Some((before, before_fades, since)) = self.before.as_ref().filter(|_| due < *at) else { return Some(now) };
        let share = ((due - since) / (at - since)).clamp(0.0, 1.0);
        Some(match between(before, pose, share) {
            Some(pose) => (Arc::new(pose), if share < 0.5 { before_fades.clone() } else { now.1 }),
            None if share < 1.0 => (before.clone(), before_fades.clone()),
            None => now,
        })
    }
}

/// A line of a log; switches may stand in it as they did at first.
fn read_line(text: &str) -> serde_json::Result<Line> {
    serde_json::from_str(text).or_else(|error| {
        let mut value: serde_json::Value = serde_json::from_str(text)?;
        match value.get_mut("act").and_then(|act| act.get_mut(0)).and_then(|act| Some((modern(act)?, act))) {
            Some((now, act)) => *act = now,
            None => return Err(error),
        }
        serde_json::from_value(value)
    })
}

/// A pose between two of the same make; none across a cut.
fn between(a: &Pose, b: &Pose, share: f64) -> Option<Pose> {
    let alike = a.latents.len() == b.latents.len()
        && a.marks.len() == b.marks.len()
        && a.aspect == b.aspect
        && a.model == b.model
        && a.classes.len() == b.classes.len()
        && a.manners.len() == b.manners.len();
    let near = |a: &Vec<f32>, b: &Vec<f32>| {
        let (mut apart, mut long) = (0.0, 0.0);
        for (a, b) in a.iter().zip(b) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            apart += (a - b).powi(2);
            long += a.powi(2).max(b.powi(2));
        }
        a.len() == b.len() && apart <= long * CUT * CUT
    };
    if !alike || !a.latents.iter().zip(&b.latents).all(|(a, b)| near(a, b)) {
        return None;
    }
    let mut pose = if share < 0.5 { a.clone() } else { b.clone() };
    let blend = |list: &mut [Vec<f32>], a: &[Vec<f32>], b: &[Vec<f32>]| {
        for ((z, a), b) in list.iter_mut().zip(a).zip(b) {
            for ((z, a), b) in z.iter_mut().zip(a).zip(b) {
                *z = (f64::from(*a) + (f64::from(*b) - f64::from(*a)) * share) as f32;
            }
        }
    };
    blend(&mut pose.latents, &a.latents, &b.latents);
    blend(&mut pose.classes, &a.classes, &b.classes);
    for (at, manner) in pose.manners.iter_mut().enumerate() {
        *manner = manner::between(&a.manners[at], &b.manners[at], a.latents[at].len(), share);
    }
    Some(pose)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_of_an_older_log_is_read() {
        let line = "{\"act\":[{\"set_black\":true},{\"who\":\"desk\"},1.5]}";
        assert!(matches!(read_line(line), Ok(Line::Act(Act::Switch(..), _, at)) if at == 1.5));
        assert!(read_line("{\"act\":[{\"set_blackish\":true},{\"who\":\"desk\"},1.5]}").is_err());
    }

    #[test]
    fn between_two_frames_and_not_across_a_cut() {
        let (a, b, c) = (Pose::of(vec![1.0, 0.0]), Pose::of(vec![1.0, 0.2]), Pose::of(vec![-1.0, 0.0]));
        assert_eq!(between(&a, &b, 0.5).unwrap().latents[0], [1.0, 0.1]);
        assert!(between(&a, &c, 0.5).is_none());
    }
}
