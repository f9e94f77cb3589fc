//! Which version of a sketch runs: offered, tried, taken over, given up.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::trials::Purpose;
use super::{Event, PATIENCE, SAFE, WELL_SECS, Walk};
use crate::clock::Tick;
use crate::control::Controls;
use crate::latent::pose::Pose;
use crate::preset::Swap;
use crate::sketch::host::Keeps;
use crate::sketch::thread::{Adopt, Attempt, News, Proven, SketchThread, Standing};
use crate::sketch::{Complaint, Program};

/// Versions.
impl Walk {
    fn attempt(&self, path: &Path, text: String, state: Standing, controls: &Controls) -> Attempt {
        Attempt {
            path: path.into(),
            text: Some(text),
            state,
            tick: self.clock.now(),
            lent: self.lent(controls),
            critic: self.critic.clone(),
            space: self.space.clone(),
            points: self.points.clone(),
        }
    }

    /// A text was saved, or another sketch chosen: it is tried, and takes over if it goes well.
    pub fn offer(&mut self, path: &Path, text: String, controls: &Controls) {
        self.due = None;
        let state = self.thread.as_ref().map_or(Standing::Nothing, SketchThread::standing);
        let attempt = self.attempt(path, text, state, controls);
        if let Err(complaint) = self.trials.begin(Purpose::Edit, attempt) {
            self.refuse(complaint);
        }
    }

    /// A text could not be read, say: the version before goes on.
    pub fn refuse(&mut self, complaint: Box<Complaint>) {
        self.refused = Some(complaint.clone());
        self.events.push(Event::Refused(complaint));
    }

    /// This text ended a process, or hung in one: it is not run again until it changes.
    pub fn distrust(&mut self, text: &str) {
        self.trials.remember(text);
    }

    /// The first sketch, or one of a performance that is played again: waits until it was tried.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn take_now(
        &mut self,
        path: &Path,
        text: String,
        controls: &Controls,
    ) -> Result<Option<String>, Box<Complaint>> {
        let state = self.standing_now(PATIENCE);
        let attempt = self.attempt(path, text, state, controls);
        self.trials.begin(Purpose::Edit, attempt)?;
        loop {
            let Some((_, result)) = self.trials.look(Duration::from_millis(5)) else { continue };
            let proven = result?;
            let note = proven.tried.note.clone();
            self.tried = proven.tried.pose.clone();
            self.take_over(proven, None, 0.0);
            if let Some((adopt, _)) = &self.adopt {
                // Nothing else runs that could go on if its setup failed now.
                self.running = Some(adopt.program.clone());
            }
            return Ok(note);
        }
    }

    /// Whether the version that was offered last is still on trial, or waits for its beat.
    pub fn undecided(&self) -> bool {
        self.trials.busy() || self.due.is_some() || self.adopt.is_some()
    }

    /// Looks at the trials, and has what went well take over when it is due.
    pub fn look(&mut self, tick: Tick, swap: Swap, controls: &Controls, real: f64) {
        while let Some((purpose, result)) = self.trials.look(Duration::ZERO) {
            match (purpose, result) {
                (Purpose::Edit, Ok(proven)) => {
                    let runs = self.running.as_ref();
                    let same =
                        |p: &Program| p.fingerprint == proven.program.fingerprint && p.path == proven.program.path;
                    if runs.is_some_and(same) {
                        // Back to what runs: what was refused in between is of no interest any more.
                        self.refused = None;
                    } else {
                        self.due = Some(proven);
                    }
                }
                (Purpose::Edit, Err(complaint)) => self.refuse(complaint),
                (Purpose::Return, Ok(proven)) => {
                    let state = self.left_state.take().filter(|_| proven.tried.keeps == Keeps::State);
                    self.take_over(proven, state, real);
                }
                (Purpose::Return, Err(_)) => {
                    self.go_back(Path::new("built-in.rn"), SAFE.into(), Standing::Nothing, controls)
                }
            }
        }
        let before = tick.beat - tick.dt * tick.bpm / 60.0;
        let crossed = |beats: f64| (tick.beat / beats).floor() != (before / beats).floor();
        let now = match swap {
            Swap::Now => true,
            Swap::Beat => crossed(1.0),
            Swap::Bar => crossed(crate::clock::BAR),
        };
        if now && let Some(proven) = self.due.take() {
            self.take_over(proven, None, real);
        }
    }

    /// A version that was tried runs from the next frame on.
    fn take_over(&mut self, proven: Box<Proven>, state: Option<Arc<serde_json::Value>>, real: f64) {
        let Proven { program, tried, wanted, .. } = *proven;
        if let Some(before) = &self.running
            && (self.good.is_none() || real - self.took >= WELL_SECS)
        {
            self.good = Some(before.clone());
        }
        self.want(wanted);
        self.adopt = Some((Adopt { program, keeps: tried.keeps, state }, tried.note));
    }

    /// The program that runs, or takes over with the next frame where none runs.
    pub fn program(&self) -> Option<&Program> {
        self.running.as_ref()
    }

    /// Seconds that it has run without a fault that is still there; 0 if it has one.
    pub fn well_secs(&self, real: f64) -> f64 {
        if self.complaint.is_some() || self.running.is_none() { 0.0 } else { real - self.took }
    }

    /// The last version that ran well: the one at work, once it has for a while, or the one before it.
    pub fn good(&self, real: f64) -> Option<&Program> {
        if self.well_secs(real) >= WELL_SECS { self.running.as_ref() } else { self.good.as_ref() }
    }

    /// What is wrong: with a version that is not taken, or with the one that runs.
    pub fn complaint(&self) -> Option<&Complaint> {
        self.refused.as_deref().or(self.complaint.as_ref().map(|(complaint, _)| &**complaint))
    }

    /// What has happened since the last call.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What the first frame of the version that was tried last showed.
    pub fn trial_pose(&self) -> &Pose {
        &self.tried
    }

    /// Whether sketches have stayed silent too often: only a new process helps.
    pub fn lost(&self) -> bool {
        self.lost
    }

    /// Threads that were given up and are still at work.
    pub fn silent(&self) -> usize {
        self.trials.silent()
    }

    /// How long the sketch's thread has been at work; none while it waits for a frame.
    pub fn working(&self) -> Option<Duration> {
        self.thread.as_ref().and_then(SketchThread::working)
    }

    /// Gives the sketch up: it is not run again until it changes, and the last one that ran well takes its place.
    pub(super) fn give_up(&mut self, complaint: Box<Complaint>, text: &str, controls: &Controls) {
        self.trials.remember(text);
        if !self.trials.room() {
            // It may still come back. Until then its last pose stays.
            if !std::mem::replace(&mut self.lost, true) {
                self.events.push(Event::Refused(complaint));
            }
            return;
        }
        let Some(thread) = self.thread.take() else { return };
        let state = thread.standing();
        self.trials.abandon(thread);
        self.thread = self.trials.thread().ok();
        (self.taking, self.adopt, self.due, self.held) = (None, None, None, None);
        self.complaint = None;
        self.refused = Some(complaint.clone());
        self.events.push(Event::Refused(complaint));
        // What the new thread has to know.
        self.news = vec![News::Space(self.space.clone()), News::Points(self.points.clone()), News::Drawn(self.drawn)];
        let known = self.measured.iter().map(|(key, lengths)| News::Measured(*key, lengths.clone()));
        self.news.extend(known);
        let before = self.good.take().filter(|good| good.text() != text);
        self.running = None;
        match before {
            Some(good) => self.go_back(&good.path.clone(), good.text().to_owned(), state, controls),
            None => self.go_back(Path::new("built-in.rn"), SAFE.into(), Standing::Nothing, controls),
        }
    }

    fn go_back(&mut self, path: &Path, text: String, state: Standing, controls: &Controls) {
        self.left_state = match &state {
            Standing::Saved(state) => Some(state.clone()),
            _ => None,
        };
        let attempt = self.attempt(path, text, state, controls);
        if let Err(complaint) = self.trials.begin(Purpose::Return, attempt) {
            self.refuse(complaint);
        }
    }
}
