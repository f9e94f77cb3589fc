//! The film of a learning: the states that a training left behind, one after the other, by glides between them.

use super::Lesson;
use crate::generator::Loaded;
use crate::generator::learnt::{Candidate, Checker};
use crate::model::Card;
use crate::report::Board;
use crate::show::output::Output;
use crate::trainer::published;

/// The way through a training.
pub struct Course {
    steps: Vec<u64>,
    /// The state that is glided to; none before the first.
    at: Option<usize>,
    secs: f64,
}

impl Course {
    /// States on the way.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Course {
    /// Through the training of a model, over `secs` seconds: states follow each other by their steps, so that equal
    /// times are equal numbers of epochs.
    ///
    /// # Errors
    /// If the model has no history of at least two states, with how one comes about.
    pub fn of(model: &Loaded, secs: f64) -> Result<Self, String> {
        let steps = published::steps(&model.folder);
        if steps.len() < 2 {
            return Err(format!(
                "{} holds {} states; a training with --publish-every, or one beside a show, keeps them in history/",
                model.folder.join("history").display(),
                steps.len()
            ));
        }
        Ok(Self { steps, at: None, secs: secs.max(1e-3) })
    }

    /// The weights of a moment of the course, into the output.
    pub fn follow(&mut self, real: f64, output: &mut Output, lesson: &mut Lesson, board: &Board) {
        lesson.follow_course();
        let (first, last) = (self.steps[0] as f64, self.steps[self.len() - 1] as f64);
        let step = first + (last - first) * (real / self.secs).clamp(0.0, 1.0);
        let to = self.steps.partition_point(|s| (*s as f64) < step).clamp(1, self.len() - 1);
        if self.at.is_none() {
            // The first frame is of the first state.
            self.at = Some(0);
            state_now(self.steps[0], true, output, board);
        }
        while let Some(at) = self.at.filter(|at| *at < to) {
            self.at = Some(at + 1);
            state_now(self.steps[at + 1], at + 1 < to, output, board);
        }
        let (from, until) = (self.steps[to - 1] as f64, self.steps[to] as f64);
        output.generator().set_share(((step - from) / (until - from).max(1.0)).clamp(0.0, 1.0));
    }
}

/// Reads a state and begins the glide to it; `whole` ends it at once.
fn state_now(step: u64, whole: bool, output: &mut Output, board: &Board) {
    let model = output.model();
    let [weights, critic, _] = published::state_files(&model.folder, step);
    // A history may be of other networks than the model is now.
    let arch = Card::read(&model.folder).map_or_else(|_| model.arch.clone(), |card| card.arch);
    let name = model.name.clone();
    let candidate = Candidate { model: name, weights, critic: Some(critic), step, fingerprint: None, known: true };
    match Checker::now(&arch, &candidate) {
        Ok(state) => {
            output.generator().glide(state);
            output.generator().set_share(if whole { 1.0 } else { 0.0 });
        }
        Err(refusal) => board.fault("learning", format!("step {step} is left out: {}", refusal.why)),
    }
}
