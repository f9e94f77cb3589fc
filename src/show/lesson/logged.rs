//! What learning did to the picture, as a take has it: states by the files of the history, opinions as they came.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Around, Lesson};
use crate::generator::learnt::{Candidate, Checker, State};
use crate::show::takes::Takes;
use crate::show::takes::log::Line;

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

impl Lesson {
    /// How the glide stands at `real` seconds, for the head of a log.
    pub fn standing(&self, log: &Path, real: f64, takes: &Takes) -> Option<Standing> {
        let to = self.target.as_ref()?;
        let (at, secs) = self.glide.unwrap_or((real, 0.0));
        let folder = states_of(log);
        let from = self.before.as_ref().map(|state| self.keep(state, 0.0, &folder, takes));
        Some(Standing { from, to: self.keep(to, secs, &folder, takes), at })
    }

    pub(super) fn log_learnt(&self, state: &Arc<State>, secs: f64, takes: &mut Takes) {
        if let Some(folder) = takes.log_path().map(states_of) {
            let learnt = self.keep(state, secs, &folder, takes);
            takes.line(|| Line::Learnt(learnt));
        }
    }

    /// Keeps a state beside the log: a history is thinned, and what is published is written over.
    fn keep(&self, state: &State, secs: f64, folder: &Path, takes: &Takes) -> Learnt {
        let kept = folder.join(format!("{}.safetensors", state.fingerprint));
        let (from, to, board) = (state.weights.clone(), kept.clone(), self.board.clone());
        let given = takes.chores().give(move || {
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

    /// Sets the weights up as they stood when a take began.
    pub fn stand(&mut self, standing: Standing, around: &mut Around) {
        if let Some(from) = standing.from {
            self.glide_again(from, around);
        }
        self.glide_again(standing.to, around);
        if let Some((at, _)) = &mut self.glide {
            *at = standing.at;
        }
    }

    /// A glide of a take begins.
    pub fn glide_again(&mut self, learnt: Learnt, around: &mut Around) {
        let Learnt { weights, fingerprint, step, secs } = learnt;
        let shown = around.output.model();
        let model = shown.name.clone();
        let candidate = Candidate { model, weights, critic: None, step, fingerprint: Some(fingerprint), known: true };
        let checked = Checker::now(&shown.arch, &candidate);
        // The share of the one before as of this very frame is where it begins.
        self.blend(around.output, around.controls, around.real);
        match checked {
            Ok(state) => self.glide_to(state, Some(secs), around),
            Err(refusal) => {
                let text =
                    format!("the state of step {step} is not there any more; the film may differ: {}", refusal.why);
                self.board.notice("take", text);
            }
        }
    }
}
