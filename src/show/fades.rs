//! Blackout, freeze and hush: what lies over the walk, each fading in its time; and whether flashes are limited.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::latent::pose::Pose;
use crate::picture::Picture;
use crate::picture::scene::Scene;

/// The pose and pictures of a frozen moment.
pub(super) type Moment = (Arc<Pose>, Arc<Vec<Picture>>);

/// What lies over the walk.
#[derive(Clone, Serialize, Deserialize)]
pub struct Fades {
    secs: f64,
    black: bool,
    hushed: bool,
    light: f64,
    /// The hand on the master fader, 0..1.
    fade: f64,
    frozen: bool,
    /// How much of the frozen moment shows, 0..1.
    freeze: f64,
    /// Whether the picture is kept from flashing.
    #[serde(default)]
    limits: bool,
    #[serde(skip)]
    moment: Option<Moment>,
}

impl Fades {
    /// All off; fades take `secs`.
    pub fn new(secs: f64) -> Self {
        let (light, fade, freeze) = (1.0, 1.0, 0.0);
        Self { secs, black: false, hushed: false, light, fade, frozen: false, freeze, limits: false, moment: None }
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

    /// Black, or not.
    pub fn set_black(&mut self, black: bool) {
        self.black = black;
    }

    /// Black at once and held, or back.
    pub fn set_hushed(&mut self, hushed: bool) {
        self.hushed = hushed;
        if hushed {
            self.light = 0.0;
        }
    }

    /// Whether the picture is kept from flashing.
    pub fn limits(&self) -> bool {
        self.limits
    }

    /// Sets that.
    pub fn set_limits(&mut self, on: bool) {
        self.limits = on;
    }

    /// Freezes what is shown, or lets go of it.
    pub fn set_frozen(&mut self, frozen: bool, shown: Option<Moment>) {
        if frozen && !self.frozen && self.moment.is_none() {
            self.moment = shown;
        }
        self.frozen = frozen;
    }

    /// Whether it is black by a hand, hush aside.
    pub fn black(&self) -> bool {
        self.black
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
        let mut fades = Fades::new(2.0);
        let mut light = |act: fn(&mut Fades), dt: f64| {
            act(&mut fades);
            fades.frame(dt);
            let picture = Arc::new(Vec::new());
            let (fit, filter) = (Fit::Fit, Filter::Linear);
            let mut scene =
                Scene { pose: Arc::default(), pictures: picture, before: None, version: 0, light: 1.0, fit, filter };
            fades.shine(&mut scene);
            scene.light
        };
        assert_eq!(light(|l| l.set_black(true), 1.0), 0.5);
        assert_eq!(light(|_| (), 5.0), 0.0);
        assert_eq!(light(|l| l.set_black(false), 2.0), 1.0);
        assert_eq!(light(|l| l.set_hushed(true), 0.001), 0.0);
    }

    #[test]
    fn a_frozen_moment_stays() {
        let mut fades = Fades::new(0.0);
        let moment = (Arc::new(Pose::of(vec![1.0])), Arc::new(vec![Picture::filled(1, 1, [9; 3])]));
        fades.set_frozen(true, Some(moment));
        fades.frame(0.1);
        let (fit, filter) = (Fit::Fit, Filter::Linear);
        let mut scene =
            Scene { pose: Arc::default(), pictures: Arc::default(), before: None, version: 3, light: 1.0, fit, filter };
        fades.shine(&mut scene);
        assert_eq!((scene.pictures.len(), scene.version), (1, u64::MAX));
    }
}
