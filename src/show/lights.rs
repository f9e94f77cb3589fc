//! Blackout, freeze and hush: what lies over the walk, each fading in its time.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::latent::pose::Pose;
use crate::picture::Picture;
use crate::picture::scene::Scene;

/// The pose and pictures of a frozen moment.
pub(super) type Moment = (Arc<Pose>, Arc<Vec<Picture>>);

/// What lies over the walk.
#[derive(Clone, Serialize, Deserialize)]
pub struct Lights {
    secs: f64,
    black: bool,
    hushed: bool,
    light: f64,
    /// The hand on the master fader, 0..1.
    fade: f64,
    frozen: bool,
    /// How much of the frozen moment shows, 0..1.
    freeze: f64,
    #[serde(skip)]
    moment: Option<Moment>,
}

impl Lights {
    /// All off; fades take `secs`.
    pub fn new(secs: f64) -> Self {
        Self { secs, black: false, hushed: false, light: 1.0, fade: 1.0, frozen: false, freeze: 0.0, moment: None }
    }

    /// Other fade times.
    pub fn set_secs(&mut self, secs: f64) {
        self.secs = secs;
    }

    /// The next frame, `dt` real seconds after the last.
    pub fn frame(&mut self, dt: f64) {
        let step = if self.secs > 0.0 { dt / self.secs } else { 1.0 };
        let towards = |now: f64, goal: f64| now + (goal - now).clamp(-step, step);
        self.light = towards(self.light, if self.black || self.hushed { 0.0 } else { 1.0 });
        self.freeze = towards(self.freeze, if self.frozen { 1.0 } else { 0.0 });
        if self.freeze <= 0.0 && !self.frozen {
            self.moment = None;
        }
    }

    /// The master fader, 0..1.
    pub fn set_fade(&mut self, fade: f64) {
        self.fade = fade;
    }

    /// Whether it is hushed.
    pub fn hushed(&self) -> bool {
        self.hushed
    }

    pub fn toggle_black(&mut self) {
        self.black = !self.black;
    }

    /// Black, or not, whatever it was.
    pub fn set_black(&mut self, black: bool) {
        self.black = black;
    }

    /// Black at once and held, or back; gives whether it is hushed now.
    pub fn toggle_hush(&mut self) -> bool {
        self.hushed = !self.hushed;
        if self.hushed {
            self.light = 0.0;
        }
        self.hushed
    }

    /// Freezes what is shown, or lets go of it.
    pub fn toggle_frozen(&mut self, shown: Option<Moment>) {
        self.frozen = !self.frozen;
        if self.frozen && self.moment.is_none() {
            self.moment = shown;
        }
    }

    /// Whether it is going to be black, and frozen.
    pub fn state(&self) -> (bool, bool) {
        (self.black || self.hushed, self.frozen)
    }

    /// Lays itself over a scene.
    pub fn shine(&self, scene: &mut Scene) {
        scene.light = (self.light * self.fade) as f32;
        let Some((pose, pictures)) = &self.moment else { return };
        if self.freeze >= 1.0 {
            (scene.pose, scene.pictures, scene.before) = (pose.clone(), pictures.clone(), None);
            // One version for the whole freeze: it is uploaded once.
            scene.version = u64::MAX;
        } else if self.freeze > 0.0 {
            scene.before = Some((pictures.clone(), self.freeze as f32));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::scene::{Filter, Fit};

    #[test]
    fn fades_take_their_time_and_hush_does_not() {
        let mut lights = Lights::new(2.0);
        let mut light = |act: fn(&mut Lights), dt: f64| {
            act(&mut lights);
            lights.frame(dt);
            let picture = Arc::new(Vec::new());
            let (fit, filter) = (Fit::Fit, Filter::Linear);
            let mut scene =
                Scene { pose: Arc::default(), pictures: picture, before: None, version: 0, light: 1.0, fit, filter };
            lights.shine(&mut scene);
            scene.light
        };
        assert_eq!(light(Lights::toggle_black, 1.0), 0.5);
        assert_eq!(light(|_| (), 5.0), 0.0);
        assert_eq!(light(Lights::toggle_black, 2.0), 1.0);
        assert_eq!(light(|l| assert!(l.toggle_hush()), 0.001), 0.0);
    }

    #[test]
    fn a_frozen_moment_stays() {
        let mut lights = Lights::new(0.0);
        let moment = (Arc::new(Pose::of(vec![1.0])), Arc::new(vec![Picture::filled(1, 1, [9; 3])]));
        lights.toggle_frozen(Some(moment));
        lights.frame(0.1);
        let (fit, filter) = (Fit::Fit, Filter::Linear);
        let mut scene =
            Scene { pose: Arc::default(), pictures: Arc::default(), before: None, version: 3, light: 1.0, fit, filter };
        lights.shine(&mut scene);
        assert_eq!((scene.pictures.len(), scene.version), (1, u64::MAX));
    }
}
