//! What hands do to a model with a mapping to w: its directions, layers that take another style, noise and bends.
//!
//! Directions and layers have a dial each, by name and number, so that what two models have in common stays; everything
//! else is one of the common dials. Read by the walk, which adds it to every latent (`show::walk::steered`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::dial::of_styles;
use super::glide::Glide;
use super::{Controls, slug};

/// Most dials that are not at 0.
const MOST: usize = 256;
/// How far a direction goes, in the unit that it was made with.
pub const FARTHEST: f64 = 10.0;

/// Dials of directions by the part of an address that stands for them, and of layers; what is not there is at 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StyleDials {
    directions: BTreeMap<String, Glide>,
    layers: BTreeMap<usize, Glide>,
}

impl StyleDials {
    pub(super) fn glide(&mut self, dt: f64) {
        self.directions.values_mut().chain(self.layers.values_mut()).for_each(|dial| dial.frame(dt));
        self.directions.retain(|_, dial| dial.current() != 0.0 || dial.goal() != 0.0);
        self.layers.retain(|_, dial| dial.current() != 0.0 || dial.goal() != 0.0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.directions.is_empty() && self.layers.is_empty()
    }
}

fn turn<K: Ord>(dials: &mut BTreeMap<K, Glide>, key: K, value: f64, secs: f64) {
    let there = dials.contains_key(&key);
    if value.is_finite() && (there || (value != 0.0 && dials.len() < MOST)) {
        dials.entry(key).or_insert_with(|| Glide::at(0.0)).go(value, secs);
    }
}

impl Controls {
    /// Turns the dial of a direction, −10..10; what is no number is ignored.
    pub fn set_direction(&mut self, name: &str, value: f64, smooth_secs: Option<f64>) {
        let secs = smooth_secs.unwrap_or(self.smooth_secs);
        turn(&mut self.styles.directions, slug(name), value.clamp(-FARTHEST, FARTHEST), secs);
    }

    /// How much of the other style a layer takes, 0..1.
    pub fn set_layer(&mut self, layer: usize, value: f64, smooth_secs: Option<f64>) {
        let secs = smooth_secs.unwrap_or(self.smooth_secs);
        turn(&mut self.styles.layers, layer, value.clamp(0.0, 1.0), secs);
    }

    /// Where the dial of a direction goes.
    pub fn direction_goal(&self, name: &str) -> f64 {
        self.styles.directions.get(&slug(name)).map_or(0.0, Glide::goal)
    }

    /// Where the dial of a layer goes.
    pub fn layer_goal(&self, layer: usize) -> f64 {
        self.styles.layers.get(&layer).map_or(0.0, Glide::goal)
    }

    /// Whether hands do anything that only a model with a mapping knows.
    pub(super) fn styles_move(&self) -> bool {
        !self.styles.is_empty() || of_styles().any(|dial| self.dial(dial) != dial.rest())
    }

    /// How far hands go along directions, by the part of an address that stands for each.
    pub fn directions(&self) -> impl Iterator<Item = (&str, f64)> {
        self.styles.directions.iter().map(|(name, dial)| (name.as_str(), dial.current()))
    }

    /// How much of the other style a layer takes now.
    pub fn layer(&self, layer: usize) -> f64 {
        self.styles.layers.get(&layer).map_or(0.0, Glide::current)
    }
}
