//! The parts of a show as others see them, while one of them is being changed.

use super::desk;
use super::health::{Health, Told};
use super::lesson::Lesson;
use super::library::Library;
use super::output::Output;
use super::takes::Takes;
use super::walk::Walk;
use crate::control::Controls;

/// The parts of a show, to be read.
pub struct Parts<'a> {
    /// The preset's name; empty if a sketch was opened without one.
    pub preset_name: &'a str,
    /// Everything hands have done.
    pub controls: &'a Controls,
    /// The walk: the clock and the sketch.
    pub walk: &'a Walk,
    /// What the show knows of its training.
    pub lesson: &'a Lesson,
    /// The output: the generator, fades, the recording.
    pub output: &'a Output,
    /// Sketches, models and presets that there are.
    pub library: &'a Library,
    /// How the show is: times of frames, and what came late.
    pub health: &'a Health,
    /// What the show leaves on disk: snapshots, stills, the log of a take.
    pub takes: &'a Takes,
}

impl Parts<'_> {
    /// Counts up when a list of names changes.
    pub fn lists(&self) -> u64 {
        self.library.lists() + self.takes.lists()
    }

    /// The running sketch's name.
    pub fn sketch_name(&self) -> String {
        desk::sketch_name(self.walk.program())
    }
}

/// The parts of a show that hands read, while hands themselves are changed.
macro_rules! parts {
    ($show:ident) => {
        Parts {
            preset_name: &$show.preset_name,
            controls: &$show.controls,
            walk: &$show.walk,
            lesson: &$show.lesson,
            output: &$show.output,
            library: &$show.library,
            health: &$show.health,
            takes: &$show.takes,
        }
    };
}

/// What a lesson needs, while it is changed itself.
macro_rules! around {
    ($show:ident) => {
        Around {
            train: &$show.preset.train,
            output: &mut $show.output,
            takes: &mut $show.takes,
            walk: &mut $show.walk,
            controls: &$show.controls,
            real: $show.real,
        }
    };
}
pub(super) use {around, parts};

/// How the parts are, for whoever asks from elsewhere.
pub fn told(walk: &Walk, output: &Output, lesson: &Lesson, takes: &Takes, real: f64) -> Told {
    Told {
        secs: real,
        sketch: desk::sketch_name(walk.program()),
        complaint: walk.complaint().map(|complaint| complaint.what.clone()),
        silent: walk.silent(),
        model: output.model().name.clone(),
        device: output.device(),
        generator: output.generator_age(),
        trainer: lesson.word(),
        recording: output.recording().state(real),
        folder: takes.disk().place(),
        held: output.closed(),
    }
}
