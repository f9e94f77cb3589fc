//! What learning did to the picture, as a take has it: states by the files of the history, opinions as they came.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::Show;
use super::super::take::Line;
use crate::generator::critic::CriticScore;
use crate::generator::learnt::{Candidate, Checker, State};

/// The beginning of a glide to a state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Learnt {
    weights: PathBuf,
    fingerprint: String,
    step: u64,
    /// Seconds of the glide.
    secs: f64,
}

/// How a glide stood when the log began.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Standing {
    /// The state it came from, if it is a learnt one, and the one it goes to.
    from: Option<Learnt>,
    to: Learnt,
    /// When it began, in real seconds.
    at: f64,
}

/// The folder of a take's states.
fn states_of(log: &Path) -> PathBuf {
    log.with_extension("states")
}

impl Learnt {
    fn of(state: &State, secs: f64) -> Self {
        Self { weights: state.weights.clone(), fingerprint: state.fingerprint.clone(), step: state.step, secs }
    }
}

impl Show {
    /// How the glide stands, for the head of a log.
    pub(in crate::show) fn standing(&self, log: &Path) -> Option<Standing> {
        let to = self.learning.target.as_ref()?;
        let (at, secs) = self.learning.glide.unwrap_or((self.real, 0.0));
        let folder = states_of(log);
        let from = self.learning.before.as_ref().map(|state| self.keep(state, 0.0, &folder));
        Some(Standing { from, to: self.keep(to, secs, &folder), at })
    }

    pub(super) fn log_learnt(&mut self, state: &Arc<State>, secs: f64) {
        if let Some(folder) = self.take.as_ref().map(|log| states_of(&log.path)) {
            let learnt = self.keep(state, secs, &folder);
            self.line(&Line::Learnt(learnt));
        }
    }

    /// Keeps a state beside the log: a history is thinned, and what is published is written over.
    fn keep(&self, state: &State, secs: f64, folder: &Path) -> Learnt {
        let kept = folder.join(format!("{}.safetensors", state.fingerprint));
        let (from, to, board) = (state.weights.clone(), kept.clone(), self.board.clone());
        let given = self.chores.give(move || {
            if to.is_file() {
                return;
            }
            let made = to.parent().map_or(Ok(()), std::fs::create_dir_all);
            // A second name costs no room; on another disk it is a copy.
            let link = || std::fs::hard_link(&from, &to).or_else(|_| std::fs::copy(&from, &to).map(drop));
            if let Err(error) = made.and_then(|()| link()) {
                board.fault("take", format!("{} is not kept, so the film may differ: {error}", from.display()));
            }
        });
        if !given {
            self.board.fault("take", "the disk is busy: a learnt state is not kept, so the film may differ");
        }
        Learnt { weights: kept, ..Learnt::of(state, secs) }
    }

    pub(super) fn log_opinion(&mut self, opinion: &CriticScore) {
        if self.take.is_some() {
            self.line(&Line::Opinion(opinion.score, opinion.gradient.clone()));
        }
    }

    /// Sets the weights up as they stood when a take began.
    pub(in crate::show) fn stand(&mut self, standing: Standing) {
        if let Some(from) = standing.from {
            self.glide_again(from);
        }
        self.glide_again(standing.to);
        if let Some((at, _)) = &mut self.learning.glide {
            *at = standing.at;
        }
    }

    /// A glide of a take begins.
    pub(in crate::show) fn glide_again(&mut self, learnt: Learnt) {
        let Learnt { weights, fingerprint, step, secs } = learnt;
        let model = self.model.name.clone();
        let claim = Candidate { model, weights, critic: None, step, fingerprint: Some(fingerprint), known: true };
        // The share of the one before as of this very frame is where it begins.
        self.blend_learnt();
        match Checker::now(&self.model.arch, &claim) {
            Ok(state) => self.glide_to(state, Some(secs)),
            Err(refusal) => {
                let text =
                    format!("the state of step {step} is not there any more; the film may differ: {}", refusal.why);
                self.board.notice("take", text);
            }
        }
    }
}
