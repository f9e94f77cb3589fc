//! The critic's view of what is shown: its score, smoothed, and the way in which it rises; for sketches, the desk, OSC.

use std::sync::Arc;

use super::{Around, Lesson};
use crate::generator::critic::CriticScore;
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
        if !around.output.model().critic && self.target.as_ref().is_none_or(|state| !state.has_critic()) {
            if (score || gradient) && !std::mem::replace(&mut self.critic.told, true) {
                let name = &around.output.model().name;
                self.board.notice("critic", format!("{name} has no critic.safetensors; t.critic is 0"));
            }
            return;
        }
        let pose = around.walk.pose();
        // The picture that is seen: with its classes, and drawn as it is.
        if let Some(row) = pose.inputs().first() {
            around.output.generator().ask_critic(row, gradient);
        }
        if let Some(score) = around.output.generator().critic_score() {
            around.takes.line(|| Line::Critic(score.score, score.gradient.clone()));
            self.take_critic(&score, around);
        }
    }

    /// What the critic thought becomes what sketches know.
    pub fn take_critic(&mut self, score: &CriticScore, around: &mut Around) {
        let passed = (around.real - std::mem::replace(&mut self.critic.at, around.real)).max(0.0);
        let share = 1.0 - (-passed / FOLLOW_SECS).exp();
        let new = f64::from(score.score);
        let smooth = self.critic.score.map_or(new, |old| old + (new - old) * share);
        self.critic.score = Some(smooth);
        let length = score.gradient.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let before = around.walk.critic().direction.clone();
        let direction = if length > 0.0 {
            let unit = score.gradient.iter().map(|v| f64::from(*v) / length);
            match before.len() == score.gradient.len() {
                true => Arc::new(unit.zip(before.iter()).map(|(new, old)| old + (new - old) * share).collect()),
                false => Arc::new(unit.collect()),
            }
        } else {
            before
        };
        around.walk.set_critic(Critic { score: smooth, direction });
    }
}
