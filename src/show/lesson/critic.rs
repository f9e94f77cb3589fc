//! The critic's view of what is shown: its score, smoothed, and the way in which it rises; for sketches, the desk, OSC.

use std::sync::Arc;

use super::{Around, Lesson};
use crate::generator::eye::Opinion;
use crate::show::takes::log::Line;
use crate::sketch::thread::Critic;

/// Seconds over which the score and the direction follow.
const FOLLOW_SECS: f64 = 0.3;

/// What the critic thinks.
#[derive(Default)]
pub struct View {
    /// Also where no sketch asks.
    pub always: bool,
    score: Option<f64>,
    at: f64,
    told: bool,
}

impl View {
    /// One that has seen nothing yet.
    pub fn anew(&self) -> Self {
        Self { always: self.always, ..Self::default() }
    }
}

impl Lesson {
    /// The critic's score, smoothed; none before it has looked.
    pub fn critic(&self) -> Option<f64> {
        self.critic.score
    }

    /// Lets the critic look at what is shown, if anybody wants to know.
    pub fn look_on(&mut self, around: &mut Around) {
        let [score, gradient] = around.walk.wants();
        let wanted = score || gradient || self.critic.always || self.on();
        if !wanted {
            return;
        }
        if !around.output.model().critic && self.target.as_ref().is_none_or(|state| !state.sees()) {
            if (score || gradient) && !std::mem::replace(&mut self.critic.told, true) {
                let name = &around.output.model().name;
                self.board.notice("critic", format!("{name} has no critic.safetensors; t.critic is 0"));
            }
            return;
        }
        if let Some(z) = around.walk.pose().latents.first() {
            around.output.generator().watch(z, gradient);
        }
        if let Some(opinion) = around.output.generator().opinion() {
            around.takes.line(|| Line::Opinion(opinion.score, opinion.gradient.clone()));
            self.take_opinion(&opinion, around);
        }
    }

    /// What the critic thought becomes what sketches know.
    pub fn take_opinion(&mut self, opinion: &Opinion, around: &mut Around) {
        let passed = (around.real - std::mem::replace(&mut self.critic.at, around.real)).max(0.0);
        let share = 1.0 - (-passed / FOLLOW_SECS).exp();
        let new = f64::from(opinion.score);
        let score = self.critic.score.map_or(new, |old| old + (new - old) * share);
        self.critic.score = Some(score);
        let length = opinion.gradient.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let before = around.walk.critic().direction.clone();
        let direction = if length > 0.0 {
            let unit = opinion.gradient.iter().map(|v| f64::from(*v) / length);
            match before.len() == opinion.gradient.len() {
                true => Arc::new(unit.zip(before.iter()).map(|(new, old)| old + (new - old) * share).collect()),
                false => Arc::new(unit.collect()),
            }
        } else {
            before
        };
        around.walk.set_critic(Critic { score, direction });
    }
}
