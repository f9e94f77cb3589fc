//! Hands on the show: knobs by name, triggers, notes, offsets on z; one snapshot of them per frame.
//!
//! Fed by keys, the mouse, the desk, automation files and (through `osc` and `midi`) controllers; read by
//! sketches through their `c`. Everything has a name; device numbers stay in mappings. Values hold when
//! nobody moves them.

pub mod automation;

use std::collections::BTreeMap;

/// Most knobs a show has room for; a sketch that asks for more gets defaults.
pub const MOST_KNOBS: usize = 512;
/// Most triggers of one name that wait for their frame.
const MOST_WAITING: u32 = 64;
/// Time constant of a knob's smoothing, in seconds: no step is seen, no lag is felt.
const SMOOTH_SECS: f64 = 0.03;

/// One knob, 0..1.
#[derive(Clone, Debug, PartialEq)]
pub struct Knob {
    /// Where it is going, and where it is.
    goal: f64,
    current: f64,
    default: f64,
    /// What 0 and 1 mean to the sketch.
    range: [f64; 2],
    /// Whether a hand ever moved it; until then it follows the sketch's default.
    touched: bool,
    /// Whether the running sketch asks for it.
    asked: bool,
}

impl Knob {
    fn at(value: f64) -> Self {
        Self { goal: value, current: value, default: value, range: [0.0, 1.0], touched: false, asked: false }
    }
}

/// A knob as shown to a person.
#[derive(Clone, Debug, PartialEq)]
pub struct KnobState {
    pub name: String,
    /// Where it is going, and its default, 0..1.
    pub goal: f64,
    pub default: f64,
    pub range: [f64; 2],
}

/// Everything hands have done, as of this frame.
#[derive(Clone)]
pub struct Controls {
    knobs: BTreeMap<String, Knob>,
    waiting: BTreeMap<String, u32>,
    hits: Vec<String>,
    notes: [f32; 128],
    offsets: Vec<f64>,
    smooth_secs: f64,
}

impl Default for Controls {
    fn default() -> Self {
        Self {
            knobs: BTreeMap::new(),
            waiting: BTreeMap::new(),
            hits: Vec::new(),
            notes: [0.0; 128],
            offsets: Vec::new(),
            smooth_secs: SMOOTH_SECS,
        }
    }
}

impl Controls {
    /// Time constant of the smoothing in seconds; 0 makes every move immediate, as a film needs it.
    pub fn set_smoothing(&mut self, secs: f64) {
        self.smooth_secs = secs;
    }

    /// The next frame, `dt` real seconds after the last: knobs move towards their goals, one waiting
    /// trigger of each name becomes a hit.
    pub fn frame(&mut self, dt: f64) {
        let share = if self.smooth_secs > 0.0 { 1.0 - (-dt.max(0.0) / self.smooth_secs).exp() } else { 1.0 };
        for knob in self.knobs.values_mut() {
            knob.current += (knob.goal - knob.current) * share;
            if (knob.goal - knob.current).abs() < 1e-6 {
                knob.current = knob.goal;
            }
        }
        self.hits.clear();
        for (name, count) in &mut self.waiting {
            *count -= 1;
            self.hits.push(name.clone());
        }
        self.waiting.retain(|_, count| *count > 0);
    }

    fn ask(&mut self, name: &str, default: f64, range: [f64; 2]) -> f64 {
        let default = if default.is_finite() { default.clamp(0.0, 1.0) } else { 0.0 };
        if let Some(knob) = self.knobs.get_mut(name) {
            (knob.default, knob.range, knob.asked) = (default, range, true);
            if !knob.touched {
                (knob.goal, knob.current) = (default, default);
            }
            return knob.current;
        }
        if self.knobs.len() < MOST_KNOBS {
            self.knobs.insert(name.into(), Knob { range, asked: true, ..Knob::at(default) });
        }
        default
    }

    /// What the sketch's `c.knob(name, default)` gives: 0..1, smoothed.
    pub fn knob(&mut self, name: &str, default: f64) -> f64 {
        self.ask(name, default, [0.0, 1.0])
    }

    /// What `c.value(name, min, max, default)` gives: the same knob in the sketch's own unit.
    pub fn value(&mut self, name: &str, min: f64, max: f64, default: f64) -> f64 {
        let share = if max > min { (default - min) / (max - min) } else { 0.0 };
        min + (max - min) * self.ask(name, share, [min, max])
    }

    /// Moves a knob, 0..1; what is no number is refused with false.
    pub fn set(&mut self, name: &str, value: f64) -> bool {
        if !value.is_finite() || (!self.knobs.contains_key(name) && self.knobs.len() >= MOST_KNOBS) {
            return false;
        }
        let value = value.clamp(0.0, 1.0);
        let knob = self.knobs.entry(name.into()).or_insert_with(|| Knob::at(value));
        (knob.goal, knob.touched) = (value, true);
        true
    }

    /// Whether a trigger of that name falls into this frame.
    pub fn hit(&self, name: &str) -> bool {
        self.hits.iter().any(|hit| hit == name)
    }

    /// A trigger; several before one frame follow each other, one a frame.
    pub fn trigger(&mut self, name: &str) {
        if self.waiting.len() < MOST_KNOBS || self.waiting.contains_key(name) {
            let count = self.waiting.entry(name.into()).or_default();
            *count = (*count + 1).min(MOST_WAITING);
        }
    }

    /// How hard note `n` (0..127) is held, 0 if it is not.
    pub fn note(&self, n: usize) -> f64 {
        self.notes.get(n).copied().map_or(0.0, f64::from)
    }

    /// A note pressed or, with 0, let go.
    pub fn set_note(&mut self, n: usize, velocity: f32) {
        if let Some(note) = self.notes.get_mut(n)
            && velocity.is_finite()
        {
            *note = velocity.clamp(0.0, 1.0);
        }
    }

    /// What a hand adds to z, from dimension 0; what is not there is 0.
    pub fn offsets(&self) -> &[f64] {
        &self.offsets
    }

    /// Sets the offset of one dimension, −10..10.
    pub fn set_offset(&mut self, dimension: usize, value: f64) {
        if dimension < 65_536 && value.is_finite() {
            if self.offsets.len() <= dimension {
                self.offsets.resize(dimension + 1, 0.0);
            }
            self.offsets[dimension] = value.clamp(-10.0, 10.0);
        }
    }

    /// Takes all offsets away.
    pub fn clear_offsets(&mut self) {
        self.offsets.clear();
    }

    /// A new sketch runs: the knobs it does not ask for are no longer listed (their values stay).
    pub fn forget_asked(&mut self) {
        self.knobs.values_mut().for_each(|knob| knob.asked = false);
    }

    /// The knobs the running sketch asks for, by name.
    pub fn asked(&self) -> Vec<KnobState> {
        self.states(|knob| knob.asked)
    }

    /// The knobs a hand has moved.
    pub fn touched(&self) -> Vec<KnobState> {
        self.states(|knob| knob.touched)
    }

    fn states(&self, which: impl Fn(&Knob) -> bool) -> Vec<KnobState> {
        let chosen = self.knobs.iter().filter(|(_, knob)| which(knob));
        chosen
            .map(|(name, knob)| KnobState {
                name: name.clone(),
                goal: knob.goal,
                default: knob.default,
                range: knob.range,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_knob_follows_its_default_until_a_hand_moves_it() {
        let mut controls = Controls::default();
        assert_eq!(controls.knob("a", 0.3), 0.3);
        assert_eq!(controls.knob("a", 0.6), 0.6);
        controls.set("a", 1.0);
        controls.frame(SMOOTH_SECS);
        let halfway = controls.knob("a", 0.6);
        assert!(halfway > 0.8 && halfway < 0.9, "{halfway}");
        controls.frame(10.0);
        assert_eq!(controls.knob("a", 0.6), 1.0);
        assert!(!controls.set("a", f64::NAN));
        assert_eq!(controls.value("a", -2.0, 2.0, 0.0), 2.0);
        assert_eq!(controls.asked()[0].range, [-2.0, 2.0]);
    }

    #[test]
    fn smoothing_does_not_depend_on_the_frame_rate() {
        let after = |frames: u32| {
            let mut controls = Controls::default();
            controls.knob("a", 0.0);
            controls.set("a", 1.0);
            (0..frames).for_each(|_| controls.frame(0.06 / f64::from(frames)));
            controls.knob("a", 0.0)
        };
        assert!((after(1) - after(30)).abs() < 1e-9);
    }

    #[test]
    fn triggers_queue_one_a_frame() {
        let mut controls = Controls::default();
        controls.trigger("kick");
        controls.trigger("kick");
        let seen: Vec<bool> = (0..3)
            .map(|_| {
                controls.frame(0.016);
                controls.hit("kick")
            })
            .collect();
        assert_eq!(seen, [true, true, false]);
    }
}
