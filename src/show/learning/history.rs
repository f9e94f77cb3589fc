//! The film of a learning: the states that a training left behind, one after the other, by glides between them.

use super::super::Show;
use crate::generator::learnt::{Candidate, Checker};
use crate::model::Card;
use crate::trainer::published;

/// The way through a training.
pub struct Course {
    steps: Vec<u64>,
    /// The state that is glided to; 0 before the first.
    at: usize,
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

impl Show {
    /// Makes the film one of the model's training, over `secs` seconds: states follow each other by their steps, so
    /// that equal times are equal numbers of epochs.
    ///
    /// # Errors
    /// If the model has no history of at least two states, with how one comes about.
    pub fn show_history(&mut self, secs: f64) -> Result<usize, String> {
        let folder = self.model.folder.clone();
        let steps = published::steps(&folder);
        if steps.len() < 2 {
            return Err(format!(
                "{} holds {} states; a training with --publish-every, or one beside a show, keeps them in history/",
                folder.join("history").display(),
                steps.len()
            ));
        }
        let count = steps.len();
        self.course = Some(Course { steps, at: 0, secs: secs.max(1e-3) });
        Ok(count)
    }

    /// The weights of a moment of the course.
    pub(in crate::show) fn follow_course(&mut self, real: f64) {
        let Some(mut course) = self.course.take() else { return };
        let (first, last) = (course.steps[0] as f64, course.steps[course.len() - 1] as f64);
        let step = first + (last - first) * (real / course.secs).clamp(0.0, 1.0);
        let to = course.steps.partition_point(|s| (*s as f64) < step).clamp(1, course.len() - 1);
        while course.at < to {
            if course.at == 0 {
                self.state_now(course.steps[0], true);
            }
            course.at += 1;
            self.state_now(course.steps[course.at], course.at < to);
        }
        let (from, until) = (course.steps[to - 1] as f64, course.steps[to] as f64);
        self.learning.glide = None;
        self.generator.set_share(((step - from) / (until - from).max(1.0)).clamp(0.0, 1.0));
        self.course = Some(course);
    }

    /// Reads a state and begins the glide to it; `whole` ends it at once.
    fn state_now(&mut self, step: u64, whole: bool) {
        let [weights, critic, _] = published::state_files(&self.model.folder, step);
        // A history may be of other networks than the model is now.
        let arch = Card::read(&self.model.folder).map_or_else(|_| self.model.arch.clone(), |card| card.arch);
        let model = self.model.name.clone();
        let claim = Candidate { model, weights, critic: Some(critic), step, fingerprint: None, known: true };
        match Checker::now(&arch, &claim) {
            Ok(state) => {
                self.generator.glide(state);
                self.generator.set_share(if whole { 1.0 } else { 0.0 });
            }
            Err(refusal) => self.board.fault("learning", format!("step {step} is left out: {}", refusal.why)),
        }
    }
}
