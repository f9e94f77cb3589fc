//! The desk's data, gathered from the parts of a show once a frame.

use std::path::Path;

use super::Parts;
use super::hands::Hands;
use super::view::{Desk, KnobView, Names, Source};
use crate::control::{Dial, KnobState, slug};
use crate::home;
use crate::model;
use crate::preset;
use crate::report::Board;
use crate::sketch::{Complaint, Program};

/// Everything the desk shows, in frame number `frames` at `real` seconds.
pub fn desk(parts: &Parts, hands: &Hands, board: &Board, frames: u64, real: f64) -> Desk {
    let Parts { walk, controls, output, lesson, takes, health, library, .. } = parts;
    let tick = walk.clock().now();
    let (black, frozen) = output.fades().state();
    let names = library.names().clone();
    Desk {
        sketch: sketch_name(walk.program()),
        model: output.model().name.clone(),
        device: output.device(),
        knobs: controls.asked().into_iter().map(|knob| knob_view(knob, hands)).collect(),
        triggers: controls.triggers().to_vec(),
        classes: class_views(parts, hands),
        class_count: output.model().space.classes.len(),
        z: walk.pose().latents.first().cloned().unwrap_or_default(),
        offsets: (0..controls.reached()).map(|i| controls.offset(i) as f32).collect(),
        sketches: names.sketches,
        models: names.models,
        presets: names.presets,
        snapshots: std::array::from_fn(|i| takes.has_snapshot(&(i + 1).to_string())),
        board: board.lines(),
        source: source(walk.complaint(), walk.program()),
        parts: health.parts(),
        late: health.late(),
        late_cause: health.cause(),
        frames,
        secs: real,
        bpm: tick.bpm,
        beat: tick.beat,
        speed: walk.clock().speed(),
        held: walk.clock().held(),
        frozen,
        black,
        monitor: hands.monitor().iter().cloned().collect(),
        truncation: controls.dial_goal(Dial::Truncation),
        fade: controls.dial_goal(Dial::Fade),
        ports: hands.ports().to_vec(),
        leader: hands.leader().map(str::to_owned),
        learning: hands.learn_view(),
        page: hands.page(),
        take: takes.log_state(real),
        lesson: lesson.view(real, tick.bpm, controls.dial_goal(Dial::Learnt), hands.sources()),
        recording: output.recording().state(real),
    }
}

/// The text that is wrong, which is not the one that runs; else the one that runs.
fn source(wrong: Option<&Complaint>, program: Option<&Program>) -> Option<Source> {
    match wrong.filter(|complaint| !complaint.text.is_empty()) {
        Some(c) => Some(Source { path: c.path.clone(), text: c.text.clone(), wrong: Some((c.line, c.to_string())) }),
        None => program.map(|p| Source { path: p.path.clone(), text: p.text().to_owned(), wrong: None }),
    }
}

fn knob_view(knob: KnobState, hands: &Hands) -> KnobView {
    let KnobState { name, goal, default, range } = knob;
    let by = hands.sources().get(&format!("/flaneur/knob/{}", slug(&name))).cloned().unwrap_or_default();
    KnobView { name, value: goal as f32, default: default as f32, range, by }
}

/// Classes that the desk shows at most: it is painted many times a second.
const MOST_CLASSES: usize = 64;

fn class_views(parts: &Parts, hands: &Hands) -> Vec<KnobView> {
    let view = |name: &String| KnobView {
        name: name.clone(),
        value: parts.controls.class_goal(name) as f32,
        default: 0.0,
        range: [0.0, 1.0],
        by: hands.sources().get(&format!("/flaneur/class/{}", slug(name))).cloned().unwrap_or_default(),
    };
    parts.output.model().space.classes.iter().take(MOST_CLASSES).map(view).collect()
}

/// The running sketch's name among the others, or its path if it is from elsewhere.
pub fn sketch_name(program: Option<&Program>) -> String {
    program.map(|program| short(&program.path)).unwrap_or_default()
}

fn short(path: &Path) -> String {
    home::short(preset::SKETCHES, path).unwrap_or_else(|| path.display().to_string())
}

impl Names {
    /// What there is on disk.
    pub fn read() -> Self {
        Self {
            sketches: home::names(preset::SKETCHES, "rn"),
            models: model::played_models(),
            presets: home::names(preset::PRESETS, "toml"),
        }
    }
}
