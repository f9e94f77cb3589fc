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
    /// Name, as sketches say it.
    pub name: String,
    /// Where it is going, 0..1.
    pub value: f32,
    /// Where it stands when no hand has moved it, 0..1.
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
    /// The median.
    pub p50_ms: f32,
    /// The slowest of a hundred.
    pub p99_ms: f32,
}

/// A sketch that does not run, for the code view.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// The line with the error (from 1), and what to say there.
    pub wrong: Option<(usize, String)>,
}

/// A training as the desk shows it.
#[derive(Clone, Debug, Default)]
pub struct Lesson {
    /// off, starting, running, paused, crashed, ended, watching.
    pub state: &'static str,
    /// Epochs done.
    pub step: u64,
    /// Step of the state that is shown; none before the first.
    pub shown: Option<u64>,
    /// How far the glide to it is, 0..1.
    pub share: f64,
    /// How much of it is seen, 0..1.
    pub mix: f64,
    /// Learning rate of the generator.
    pub rate: f64,
    /// Share of the second dataset, 0..1.
    pub data_mix: f64,
    /// What is learnt from.
    pub data: String,
    /// The second dataset; empty if there is none.
    pub second: String,
    /// Milliseconds of an epoch.
    pub ms: f64,
    /// Share of the time that it rests, 0..1.
    pub rest: f64,
    /// Why it rests longer than it has to; empty if it does not.
    pub rest_why: String,
    /// Milliseconds that it adds to a picture of the show; none before that was measured.
    pub cost_ms: Option<f64>,
    /// Losses of the critic and the generator, the newest last.
    pub losses: Vec<[f32; 2]>,
    /// Steps that are kept.
    pub steps: Vec<u64>,
    /// Step and sheet of the state that somebody looks at, or else of the one that is shown.
    pub sheet: Option<(u64, Arc<Picture>)>,
    /// Some of the pictures that are learnt from.
    pub real: Option<Arc<Picture>>,
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
    /// The running sketch.
    pub sketch: String,
    /// The model at work.
    pub model: String,
    /// The device that draws.
    pub device: String,
    /// The knobs that the sketch asks for, in its order.
    pub knobs: Vec<KnobView>,
    /// The triggers that it asks for, in its order.
    pub triggers: Vec<String>,
    /// The model's classes as dials, the first ones of many.
    pub classes: Vec<KnobView>,
    /// Classes that the model has.
    pub class_count: usize,
    /// z of the first latent of this frame.
    pub z: Vec<f32>,
    /// What a hand has added to each dimension of z, as far as any was moved.
    pub offsets: Vec<f32>,
    /// Sketches to choose from.
    pub sketches: Vec<String>,
    /// Models to choose from.
    pub models: Vec<String>,
    /// Presets to choose from.
    pub presets: Vec<String>,
    /// Which of 1-9 hold a snapshot.
    pub snapshots: [bool; 9],
    /// The report board, worst first.
    pub board: Vec<Line>,
    /// The text of the sketch that is wrong, or else of the one that runs.
    pub source: Option<Source>,
    /// Where a frame's time goes.
    pub parts: Vec<Part>,
    /// Frames that came late.
    pub late: u64,
    /// The part that was slowest in most of them.
    pub late_cause: &'static str,
    /// Frames so far.
    pub frames: u64,
    /// Real seconds since the start.
    pub secs: f64,
    /// Beats a minute.
    pub bpm: f64,
    /// Beats of the walk.
    pub beat: f64,
    /// Speed of the walk; 1 is normal.
    pub speed: f64,
    /// Whether the walk is held.
    pub held: bool,
    /// Whether the picture is frozen, or going to be.
    pub frozen: bool,
    /// Whether the output is black, or going to be.
    pub black: bool,
    /// What came from controllers lately, from where, and what it did; the newest last.
    pub monitor: Vec<String>,
    /// The dial of truncation: z times this.
    pub truncation: f64,
    /// The dial of the output's light, 0..1.
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
    /// Sketches in the folders `sketches`, without their ending.
    pub sketches: Vec<String>,
    /// Models in the folders `models` that have a card.
    pub models: Vec<String>,
    /// Presets in the folders `presets`, without their ending.
    pub presets: Vec<String>,
}
