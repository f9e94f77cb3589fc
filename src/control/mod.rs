//! Hands on the show: knobs by name, dials, triggers, notes, z by dimension; one snapshot of them per frame.
//!
//! Fed by keys, the mouse, the desk, automation files and (through `osc` and `midi`) controllers; read by
//! sketches through their `c`, and by the show. Everything has a name; device numbers stay in mappings. Values
//! hold when nobody moves them; the newest hand wins.

pub mod automation;
pub mod classes;
pub mod dial;
pub mod glide;
pub mod grip;
pub mod hand;
pub mod learn;
pub mod learned;
pub mod mapper;
pub mod mapping;
pub mod styles;

use std::collections::BTreeMap;

use classes::ClassDials;
pub use dial::Dial;
use dial::{DIALS, SIZES, dials};
use glide::{Glide, SMOOTH_SECS};
use serde::{Deserialize, Serialize};
use styles::StyleDials;

/// Most knobs a show has room for; a sketch that asks for more gets defaults.
pub const MOST_KNOBS: usize = 512;
/// Most triggers that are listed of a sketch.
const MOST_TRIGGERS: usize = 64;
/// Most triggers of one name that wait for their frame.
const MOST_WAITING: u32 = 64;
/// After so many pixels a texture that slides comes back.
const CANVAS: f64 = 65_536.0;
/// How fast a texture slides back, in seconds.
const RETURN_SECS: f64 = 0.5;
/// Furthest that a hand may push one dimension of z.
pub const FARTHEST_Z: f64 = 10.0;

/// One knob, 0..1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Knob {
    glide: Glide,
    default: f64,
    /// What 0 and 1 mean to the sketch.
    range: [f64; 2],
    /// Whether a hand ever moved it; until then it follows the sketch's default.
    touched: bool,
    /// Whether the running sketch asks for it, and its place among those.
    asked: Option<u32>,
}

impl Knob {
    fn at(value: f64) -> Self {
        Self { glide: Glide::at(value), default: value, range: [0.0, 1.0], touched: false, asked: None }
    }
}

/// A knob as shown to a person.
#[derive(Clone, Debug, PartialEq)]
pub struct KnobState {
    /// Name, as sketches say it.
    pub name: String,
    /// Where it is going, 0..1.
    pub goal: f64,
    /// Where it stands when no hand has moved it, 0..1.
    pub default: f64,
    /// What 0 and 1 mean to the sketch.
    pub range: [f64; 2],
}

/// What a sketch is lent for one frame: values as they are then, and no way to change them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lent {
    /// Knobs that a hand has moved, and where they are, 0..1.
    knobs: Vec<(String, f64)>,
    hits: Vec<String>,
    /// `[128]`.
    notes: Vec<f32>,
    /// The show's blend of classes, `[classes]`.
    pub blend: Vec<f64>,
}

/// What hands do to one dimension of z.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Axis {
    /// On top of the sketch.
    add: Glide,
    /// Over the sketch, and how much of that: 1 leaves nothing of the sketch's own.
    over: Glide,
    share: Glide,
}

impl Axis {
    const REST: Self = Self { add: Glide::at(0.0), over: Glide::at(0.0), share: Glide::at(0.0) };
}

/// Everything hands have done, as of this frame.
#[derive(Clone, Serialize, Deserialize)]
pub struct Controls {
    knobs: BTreeMap<String, Knob>,
    /// Knobs the running sketch has asked for so far.
    count: u32,
    /// Counts up when the list of knobs or triggers changes.
    pub listed: u64,
    #[serde(deserialize_with = "dials")]
    dials: [Glide; DIALS.len()],
    waiting: BTreeMap<String, u32>,
    hits: Vec<String>,
    /// Triggers the running sketch has asked for, in the order it did.
    #[serde(default)]
    triggers: Vec<String>,
    /// `[128]`.
    notes: Vec<f32>,
    axes: Vec<Axis>,
    #[serde(default)]
    classes: ClassDials,
    #[serde(default)]
    styles: StyleDials,
    /// How far a texture has been slid by hands, in pixels.
    #[serde(default)]
    drift: [f64; 2],
    /// Whether it slides back.
    #[serde(default)]
    returns: bool,
    /// The usual time constant; 0 makes every move immediate.
    smooth_secs: f64,
}

impl Default for Controls {
    fn default() -> Self {
        Self {
            knobs: BTreeMap::new(),
            count: 0,
            listed: 0,
            dials: DIALS.map(|dial| Glide::at(dial.rest())),
            waiting: BTreeMap::new(),
            hits: Vec::new(),
            triggers: Vec::new(),
            notes: vec![0.0; 128],
            axes: Vec::new(),
            classes: ClassDials::default(),
            styles: StyleDials::default(),
            drift: [0.0; 2],
            returns: false,
            smooth_secs: SMOOTH_SECS,
        }
    }
}

impl Controls {
    /// Time constant of the smoothing in seconds where a hand names none; 0 makes such moves immediate, as an
    /// automation file needs it.
    pub fn set_smoothing(&mut self, secs: f64) {
        self.smooth_secs = secs;
    }

    /// The next frame, `dt` real seconds after the last: values move towards their goals, one waiting
    /// trigger of each name becomes a hit.
    pub fn frame(&mut self, dt: f64) {
        self.glide(dt);
        self.fall();
    }

    /// Values move towards their goals, `dt` real seconds further.
    pub fn glide(&mut self, dt: f64) {
        self.knobs.values_mut().for_each(|knob| knob.glide.frame(dt));
        self.dials.iter_mut().for_each(|dial| dial.frame(dt));
        self.classes.glide(dt);
        self.styles.glide(dt);
        let speeds = [self.dial(Dial::DriftX), self.dial(Dial::DriftY)];
        self.drift.iter_mut().zip(speeds).for_each(|(far, speed)| *far = (*far + speed * dt).rem_euclid(CANVAS));
        self.returns &= speeds == [0.0; 2] && self.drift != [0.0; 2];
        if self.returns {
            for far in &mut self.drift {
                // The short way around the canvas.
                let way = ((*far + CANVAS / 2.0).rem_euclid(CANVAS) - CANVAS / 2.0) * (-dt / RETURN_SECS).exp();
                *far = if way.abs() < 0.25 { 0.0 } else { way.rem_euclid(CANVAS) };
            }
        }
        for axis in &mut self.axes {
            [&mut axis.add, &mut axis.over, &mut axis.share].into_iter().for_each(|glide| glide.frame(dt));
        }
    }

    /// One waiting trigger of each name becomes a hit: for the next frame of the sketch, which may be later than the
    /// next one of the show.
    pub fn fall(&mut self) {
        self.hits.clear();
        for (name, count) in &mut self.waiting {
            *count -= 1;
            self.hits.push(name.clone());
        }
        self.waiting.retain(|_, count| *count > 0);
    }

    /// What the sketch is lent for a frame.
    pub fn lend(&self) -> Lent {
        let touched = self.knobs.iter().filter(|(_, knob)| knob.touched);
        Lent {
            knobs: touched.map(|(name, knob)| (name.clone(), knob.glide.current())).collect(),
            hits: self.hits.clone(),
            notes: self.notes.clone(),
            blend: Vec::new(),
        }
    }

    /// Takes what was lent, on the sketch's side: a knob that is not in it follows the sketch's default.
    pub fn receive(&mut self, lent: Lent) {
        self.knobs.values_mut().for_each(|knob| knob.touched = false);
        for (name, value) in lent.knobs {
            self.turn(&name, value, Some(0.0));
            if let Some(knob) = self.knobs.get_mut(&name) {
                knob.glide.jump(value);
            }
        }
        (self.hits, self.notes) = (lent.hits, lent.notes);
    }

    /// What the sketch asked for, on the show's side: a knob's default (0..1) and what 0 and 1 mean to it.
    pub fn asked_for(&mut self, name: &str, default: f64, range: [f64; 2]) {
        self.ask(name, default, range);
    }

    fn ask(&mut self, name: &str, default: f64, range: [f64; 2]) -> f64 {
        let default = if default.is_finite() { default.clamp(0.0, 1.0) } else { 0.0 };
        if !self.knobs.contains_key(name) {
            if self.knobs.len() >= MOST_KNOBS {
                self.knobs.retain(|_, knob| knob.asked.is_some());
            }
            if self.knobs.len() >= MOST_KNOBS {
                return default;
            }
            self.knobs.insert(name.into(), Knob::at(default));
        }
        let Some(knob) = self.knobs.get_mut(name) else { return default };
        if knob.asked.is_none() {
            knob.asked = Some(self.count);
            self.count += 1;
            self.listed += 1;
        }
        (knob.default, knob.range) = (default, range);
        if !knob.touched {
            knob.glide.jump(default);
        }
        knob.glide.current()
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

    /// Moves a knob, 0..1, as smoothly as usual; what is no number is refused with false.
    pub fn set(&mut self, name: &str, value: f64) -> bool {
        self.turn(name, value, None)
    }

    /// Moves a knob, 0..1, in a time of its own; what is no number is refused with false.
    pub fn turn(&mut self, name: &str, value: f64, smooth_secs: Option<f64>) -> bool {
        if !self.knobs.contains_key(name) && self.knobs.len() >= MOST_KNOBS {
            // Names that no sketch asks for make room.
            self.knobs.retain(|_, knob| knob.asked.is_some());
        }
        if !value.is_finite() || (!self.knobs.contains_key(name) && self.knobs.len() >= MOST_KNOBS) {
            return false;
        }
        let value = value.clamp(0.0, 1.0);
        let smooth_secs = smooth_secs.unwrap_or(self.smooth_secs);
        let knob = self.knobs.entry(name.into()).or_insert_with(|| Knob::at(value));
        knob.glide.go(value, smooth_secs);
        knob.touched = true;
        true
    }

    /// The name of a knob that was called by its name in an address, where spaces and the like are `_`.
    pub fn named(&self, called: &str) -> String {
        if self.knobs.contains_key(called) {
            return called.to_owned();
        }
        let asked = self.knobs.iter().filter(|(_, knob)| knob.asked.is_some());
        asked.map(|(name, _)| name).find(|name| slug(name) == called).map_or(called, String::as_str).to_owned()
    }

    /// Whether the running sketch asks for a knob.
    pub fn asks(&self, name: &str) -> bool {
        self.knobs.get(name).is_some_and(|knob| knob.asked.is_some())
    }

    /// Where a dial is.
    pub fn dial(&self, dial: Dial) -> f64 {
        self.dials[dial as usize].current()
    }

    /// Where a dial goes.
    pub fn dial_goal(&self, dial: Dial) -> f64 {
        self.dials[dial as usize].goal()
    }

    /// Turns a dial; what is out of its range is clamped, what is no number ignored.
    pub fn set_dial(&mut self, dial: Dial, value: f64, smooth_secs: Option<f64>) {
        let [low, high] = dial.range();
        if value.is_finite() {
            let secs = if dial.names() { 0.0 } else { smooth_secs.unwrap_or(self.smooth_secs) };
            self.dials[dial as usize].go(value.clamp(low, high), secs);
        }
    }

    /// What the sketch's `c.hit(name)` gives: whether a trigger of that name falls into this frame.
    pub fn hit(&mut self, name: &str) -> bool {
        self.hit_asked_for(name);
        self.hits.iter().any(|hit| hit == name)
    }

    /// The sketch asks for a trigger: it is listed from now on.
    pub fn hit_asked_for(&mut self, name: &str) {
        if self.triggers.len() < MOST_TRIGGERS && !self.triggers.iter().any(|known| known == name) {
            self.triggers.push(name.into());
            self.listed += 1;
        }
    }

    /// The triggers the running sketch asks for, in the order it does.
    pub fn triggers(&self) -> &[String] {
        &self.triggers
    }

    /// A trigger, by its name or as an address has it; several before one frame follow each other, one a frame.
    pub fn trigger(&mut self, name: &str) {
        let called = |known: &&String| slug(known) == name;
        let known = match self.triggers.iter().any(|known| known == name) {
            true => None,
            false => self.triggers.iter().find(called),
        };
        let name = &known.map_or(name, String::as_str).to_owned();
        if self.waiting.len() < MOST_KNOBS || self.waiting.contains_key(name) {
            let count = self.waiting.entry(name.clone()).or_default();
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

    fn axis(&mut self, dimension: usize, value: f64) -> Option<&mut Axis> {
        if dimension >= 65_536 || !value.is_finite() {
            return None;
        }
        if self.axes.len() <= dimension {
            self.axes.resize(dimension + 1, Axis::REST);
        }
        self.axes.get_mut(dimension)
    }

    /// Sets what is added to one dimension of z, −10..10.
    pub fn set_offset(&mut self, dimension: usize, value: f64, smooth_secs: Option<f64>) {
        let secs = smooth_secs.unwrap_or(self.smooth_secs);
        if let Some(axis) = self.axis(dimension, value) {
            axis.add.go(value.clamp(-FARTHEST_Z, FARTHEST_Z), secs);
        }
    }

    /// Sets one dimension of z, −10..10, whatever the sketch says.
    pub fn set_over(&mut self, dimension: usize, value: f64, smooth_secs: Option<f64>) {
        let secs = smooth_secs.unwrap_or(self.smooth_secs);
        let Some(axis) = self.axis(dimension, value) else { return };
        let value = value.clamp(-FARTHEST_Z, FARTHEST_Z);
        if axis.share.current() == 0.0 {
            // Nothing of it was seen: only its share has to come in smoothly.
            axis.over.jump(value);
        } else {
            axis.over.go(value, secs);
        }
        axis.share.go(1.0, secs);
    }

    /// Gives one dimension back to the sketch.
    pub fn free(&mut self, dimension: usize, smooth_secs: Option<f64>) {
        let secs = smooth_secs.unwrap_or(self.smooth_secs);
        if let Some(axis) = self.axes.get_mut(dimension) {
            axis.share.go(0.0, secs);
        }
    }

    /// Takes everything away that hands do to z.
    pub fn clear_offsets(&mut self, smooth_secs: Option<f64>) {
        let secs = smooth_secs.unwrap_or(self.smooth_secs);
        [Dial::DriftX, Dial::DriftY].into_iter().for_each(|dial| self.set_dial(dial, 0.0, Some(0.0)));
        self.returns = true;
        for axis in &mut self.axes {
            axis.add.go(0.0, secs);
            axis.share.go(0.0, secs);
        }
    }

    /// What hands want added to a dimension.
    pub fn offset(&self, dimension: usize) -> f64 {
        self.axes.get(dimension).map_or(0.0, |axis| axis.add.goal())
    }

    /// What hands want a dimension to be, if they do.
    pub fn over(&self, dimension: usize) -> Option<f64> {
        self.axes.get(dimension).filter(|axis| axis.share.goal() > 0.0).map(|axis| axis.over.goal())
    }

    /// Dimensions that hands have reached so far.
    pub fn reached(&self) -> usize {
        self.axes.len()
    }

    /// Whether hands want z otherwise than a sketch gives it.
    pub fn bends(&self) -> bool {
        self.dial(Dial::Truncation) != 1.0
            || self.drift != [0.0; 2]
            || SIZES.iter().any(|dial| self.dial(*dial) != 1.0)
            || self.styles_move()
            || self.axes.iter().any(|axis| axis.add.current() != 0.0 || axis.share.current() != 0.0)
    }

    /// How far hands have slid a texture to the right and down, in pixels.
    pub fn drift(&self) -> [f64; 2] {
        self.drift
    }

    /// How strong structures of each size of a texture are, the finest first.
    pub fn amounts(&self) -> [f64; SIZES.len()] {
        SIZES.map(|dial| self.dial(dial))
    }

    /// Does to a sketch's z what hands want: truncation, then offsets, then what is set over it.
    pub fn bend(&self, z: &mut [f32]) {
        let psi = self.dial(Dial::Truncation);
        if psi != 1.0 {
            z.iter_mut().for_each(|z| *z = (f64::from(*z) * psi) as f32);
        }
        self.reach(z);
    }

    /// The same without truncation.
    pub fn reach(&self, z: &mut [f32]) {
        for (z, axis) in z.iter_mut().zip(&self.axes) {
            let own = f64::from(*z) + axis.add.current();
            *z = (own + (axis.over.current() - own) * axis.share.current()) as f32;
        }
    }

    /// A new sketch runs: the knobs and triggers it does not ask for are no longer listed (values stay).
    pub fn forget_asked(&mut self) {
        self.knobs.values_mut().for_each(|knob| knob.asked = None);
        self.triggers.clear();
        self.count = 0;
        self.listed += 1;
    }

    /// The knobs the running sketch asks for, in the order it does.
    pub fn asked(&self) -> Vec<KnobState> {
        let mut asked: Vec<(u32, KnobState)> =
            self.knobs.iter().filter_map(|(name, knob)| Some((knob.asked?, knob.state(name)))).collect();
        asked.sort_by_key(|(place, _)| *place);
        asked.into_iter().map(|(_, state)| state).collect()
    }

    /// The knobs a hand has moved, by name.
    pub fn touched(&self) -> Vec<KnobState> {
        self.knobs.iter().filter(|(_, knob)| knob.touched).map(|(name, knob)| knob.state(name)).collect()
    }

    /// One knob.
    pub fn state(&self, name: &str) -> Option<KnobState> {
        self.knobs.get(name).map(|knob| knob.state(name))
    }
}

impl Knob {
    fn state(&self, name: &str) -> KnobState {
        KnobState { name: name.to_owned(), goal: self.glide.goal(), default: self.default, range: self.range }
    }
}

/// The name of a knob or a class as a part of an address: letters, digits, `-`, `_` and `.` stay, all else is `_`.
pub fn slug(name: &str) -> String {
    name.chars().map(plain).collect()
}

fn plain(c: char) -> char {
    if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' }
}

#[cfg(test)]
mod tests;
