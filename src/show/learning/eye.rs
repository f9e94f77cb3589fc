//! The critic's eye: its opinion of what is shown, smoothed, for sketches, the desk and OSC.

use super::super::Show;

/// Seconds over which the score and the direction follow.
const FOLLOW_SECS: f64 = 0.3;

/// What the critic thinks.
#[derive(Default)]
pub struct Eye {
    /// Also where no sketch asks.
    pub always: bool,
    score: Option<f64>,
    at: f64,
    told: bool,
}

impl Eye {
    /// One that has seen nothing yet.
    pub fn anew(&self) -> Self {
        Self { always: self.always, ..Self::default() }
    }

    /// The smoothed score; none before it has looked.
    pub fn score(&self) -> Option<f64> {
        self.score
    }
}

impl Show {
    /// Lets the critic look at what is shown, if anybody wants to know.
    pub(in crate::show) fn gaze(&mut self) {
        let mut inside = self.host.language.env.lock();
        let (score, gradient) = (inside.eye.wants_score, inside.eye.wants_direction);
        (inside.eye.wants_score, inside.eye.wants_direction) = (false, false);
        drop(inside);
        let wanted = score || gradient || self.learning.eye.always || self.learning.on();
        if !wanted {
            return;
        }
        if !self.model.critic && self.learning.target.as_ref().is_none_or(|state| !state.has_critic()) {
            if (score || gradient) && !std::mem::replace(&mut self.learning.eye.told, true) {
                let name = &self.model.name;
                self.board.notice("critic", format!("{name} has no critic.safetensors; t.critic is 0"));
            }
            return;
        }
        if let Some(z) = self.pose.latents.first() {
            self.generator.ask_critic(z, gradient);
        }
        if let Some(opinion) = self.generator.critic_score() {
            self.log_opinion(&opinion);
            self.take_opinion(&opinion);
        }
    }

    /// What the critic thought becomes what sketches know.
    pub(in crate::show) fn take_opinion(&mut self, opinion: &crate::generator::critic::CriticScore) {
        let passed = (self.real - std::mem::replace(&mut self.learning.eye.at, self.real)).max(0.0);
        let share = 1.0 - (-passed / FOLLOW_SECS).exp();
        let new = f64::from(opinion.score);
        let score = self.learning.eye.score.map_or(new, |old| old + (new - old) * share);
        self.learning.eye.score = Some(score);
        let mut inside = self.host.language.env.lock();
        inside.eye.score = score;
        let length = opinion.gradient.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        if length > 0.0 {
            let unit = opinion.gradient.iter().map(|v| f64::from(*v) / length);
            let before = std::mem::take(&mut inside.eye.direction);
            inside.eye.direction = match before.len() == opinion.gradient.len() {
                true => unit.zip(before).map(|(new, old)| old + (new - old) * share).collect(),
                false => unit.collect(),
            };
        }
    }
}
