//! Take-over: how a control that stands elsewhere than its target gets hold of it without a jump.
//!
//! One grip for each control on each target, so that two hands on one target never pull it from under each
//! other. Positions and values are shares, 0..1, of the mapped range.

use serde::{Deserialize, Serialize};

/// What happens when a control's position is not its target's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Takeover {
    /// The target goes to the control.
    Jump,
    /// The target waits until the control passes it.
    #[default]
    Pickup,
    /// The target moves by what is left of its way, and meets the control at the end.
    Scale,
}

/// Nearer than this the control has the target: a step of seven bits and a little.
const NEAR: f64 = 1.2 / 127.0;
/// More than this off its own last value, another hand has moved the target.
const OFF: f64 = 1e-3;

/// A control's hold on its target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Grip {
    held: bool,
    hand: Option<f64>,
    gave: f64,
}

impl Grip {
    /// The control is at `hand` now while the target is at `now`; gives where the target is to go, or nothing
    /// while the control has not got hold of it.
    pub fn turn(&mut self, how: Takeover, hand: f64, now: f64) -> Option<f64> {
        let before = self.hand.replace(hand);
        if self.held && (now - self.gave).abs() > OFF {
            self.held = false;
        }
        let near = (hand - now).abs() <= NEAR;
        let to = match how {
            Takeover::Jump => hand,
            Takeover::Pickup => {
                // A fast hand passes the value between two messages.
                let crossed = before.is_some_and(|before| (before - now) * (hand - now) <= 0.0);
                if !self.held && !near && !crossed {
                    return None;
                }
                hand
            }
            Takeover::Scale if self.held => hand,
            Takeover::Scale => {
                // The first message only tells where the control is.
                let Some(before) = before else {
                    (self.held, self.gave) = (hand == now, now);
                    return None;
                };
                let (room, left) = if hand > before { (1.0 - before, 1.0 - now) } else { (before, now) };
                if room > 0.0 { (now + (hand - before) * left / room).clamp(0.0, 1.0) } else { now }
            }
        };
        self.held = how != Takeover::Scale || (to - hand).abs() <= OFF;
        self.gave = to;
        Some(to)
    }

    /// Whether it has the target.
    pub fn held(&self) -> bool {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the target is after each position of the control.
    fn check(how: Takeover, start: f64, hand: &[f64]) -> Vec<f64> {
        let (mut grip, mut now) = (Grip::default(), start);
        hand.iter()
            .map(|hand| {
                now = grip.turn(how, *hand, now).unwrap_or(now);
                (now * 1e6).round() / 1e6
            })
            .collect()
    }

    #[test]
    fn pickup_waits_for_the_value_and_counts_a_sweep_past_it() {
        assert_eq!(check(Takeover::Pickup, 0.5, &[0.0, 0.2, 0.4, 0.5, 0.3]), [0.5, 0.5, 0.5, 0.5, 0.3]);
        assert_eq!(check(Takeover::Pickup, 0.5, &[0.0, 0.9, 0.8]), [0.5, 0.9, 0.8]);
        assert_eq!(check(Takeover::Jump, 0.5, &[0.0, 0.9]), [0.0, 0.9]);
    }

    #[test]
    fn another_hand_takes_it_away() {
        let mut grip = Grip::default();
        assert_eq!(grip.turn(Takeover::Pickup, 0.5, 0.5), Some(0.5));
        assert_eq!(grip.turn(Takeover::Pickup, 0.6, 0.5), Some(0.6));
        // Somebody else went to 0.1.
        assert_eq!(grip.turn(Takeover::Pickup, 0.61, 0.1), None);
        assert_eq!(grip.turn(Takeover::Pickup, 0.05, 0.1), Some(0.05));
    }

    #[test]
    fn scale_moves_at_once_and_never_jumps() {
        let steps: Vec<f64> = (0..=127).map(|i| f64::from(i) / 127.0).collect();
        let way = check(Takeover::Scale, 0.5, &steps);
        assert_eq!((way[0], way[127]), (0.5, 1.0));
        assert!(way.windows(2).all(|w| w[1] >= w[0] && w[1] - w[0] < 0.02));
        let down: Vec<f64> = steps.iter().rev().copied().collect();
        assert_eq!(check(Takeover::Scale, 0.3, &down)[127], 0.0);
    }
}
