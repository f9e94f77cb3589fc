//! What the desk shows: plain data, gathered from the parts of a show once a frame.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::picture::Picture;
use crate::report::Line;

/// What is heard while somebody learns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LearnView {
    /// The control that was touched, in words.
    pub heard: Option<String>,
}

/// A knob as the desk shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct KnobView {
    pub name: String,
    /// Now and when untouched, 0..1.
    pub value: f32,
    pub default: f32,
    /// What 0 and 1 mean to the sketch.
    pub range: [f64; 2],
    /// Who moved it last; empty if nobody did.
    pub by: String,
}

/// Milliseconds of one part of the frame over the last seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// "walk", "generate", "upload", "draw", "present", "frame".
    pub name: &'static str,
    pub p50_ms: f32,
    pub p99_ms: f32,
}

/// A sketch that does not run, for the code view.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub path: PathBuf,
    pub text: String,
    /// The line with the error (from 1), and what to say there.
    pub wrong: Option<(usize, String)>,
}

/// A training as the desk shows it.
#[derive(Clone, Debug, Default)]
pub struct Lesson {
    /// off, starting, running, paused, crashed, ended, watching.
    pub state: &'static str,
    /// Epochs done; the step of the state that is shown, none before the first; how far its glide is, 0..1.
    pub step: u64,
    pub shown: Option<u64>,
    pub share: f64,
    /// How much of it is seen, 0..1.
    pub mix: f64,
    /// Learning rate of the generator; share of the second dataset.
    pub rate: f64,
    pub data_mix: f64,
    pub data: String,
    pub second: String,
    /// Milliseconds of an epoch, the share that it rests, and what it adds to a picture of the show.
    pub ms: f64,
    pub rest: f64,
    pub cost_ms: Option<f64>,
    /// Losses of the critic and the generator, the newest last.
    pub losses: Vec<[f32; 2]>,
    /// Steps that are kept, and the sheet of the one that is shown.
    pub steps: Vec<u64>,
    pub sheet: Option<(u64, Arc<Picture>)>,
    /// What the critic thinks of the picture.
    pub critic: Option<f64>,
    /// The last thing worth knowing.
    pub message: String,
    /// Seconds of a glide.
    pub morph_secs: f64,
    /// Who moved a control of it last, by the control's address.
    pub by: BTreeMap<String, String>,
}

/// Everything the desk shows.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    pub sketch: String,
    pub model: String,
    pub device: String,
    pub knobs: Vec<KnobView>,
    /// z of the first latent of this frame, and the offsets a hand has put on it.
    pub z: Vec<f32>,
    pub offsets: Vec<f32>,
    /// Names to choose from.
    pub sketches: Vec<String>,
    pub models: Vec<String>,
    pub presets: Vec<String>,
    /// Which of 1-9 hold a snapshot.
    pub snapshots: [bool; 9],
    /// The report board, worst first.
    pub board: Vec<Line>,
    pub source: Option<Source>,
    pub parts: Vec<Part>,
    /// Frames that came late, and the part that was slowest in most of them.
    pub late: u64,
    pub late_cause: &'static str,
    pub frames: u64,
    pub secs: f64,
    pub bpm: f64,
    pub beat: f64,
    pub speed: f64,
    pub held: bool,
    pub frozen: bool,
    pub black: bool,
    /// What came from controllers lately, from where, and what it did; the newest last.
    pub monitor: Vec<String>,
    /// Dials: truncation, and the light of the output.
    pub truncation: f64,
    pub fade: f64,
    /// Controllers that are here.
    pub ports: Vec<String>,
    /// What leads the tempo, if it is not this program.
    pub leader: Option<String>,
    /// Somebody learns.
    pub learning: Option<LearnView>,
    /// The page's address, if it is served.
    pub page: Option<String>,
    /// The log of a take and its seconds.
    pub take: Option<(PathBuf, f64)>,
    /// The training beside the show.
    pub lesson: Lesson,
    /// File, seconds, frames dropped and repeated.
    pub recording: Option<(PathBuf, f64, u64, u64)>,
}

/// Sketches, models and presets that there are, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub sketches: Vec<String>,
    pub models: Vec<String>,
    pub presets: Vec<String>,
}
