//! The classes of a model as hands set them: a dial for each, 0..1, and the blend that they make together.
//!
//! By name, so that what two models have in common stays when one follows the other. Fed by acts and presets, read by
//! the walk, which gives the blend to every latent that has none of its own. Absent: the names a model has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::glide::Glide;
use super::{Controls, slug};
use crate::hints::meant;

/// Most classes that are not at 0.
const MOST: usize = 4096;
/// Where all dials together are below this the first class makes up for the rest, so that the last one does not end in
/// a jump.
const LEAST: f64 = 0.01;
/// Most names in a message.
const MOST_NAMED: usize = 12;

/// Dials by the part of an address that stands for their class; what is not there is at 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClassDials(BTreeMap<String, Glide>);

impl ClassDials {
    pub(super) fn glide(&mut self, dt: f64) {
        self.0.values_mut().for_each(|dial| dial.frame(dt));
        self.0.retain(|_, dial| dial.current() != 0.0 || dial.goal() != 0.0);
    }

    /// A number for each of the names, 0..1, together 1: the dials divided by their sum. The first class where all are
    /// at 0; none where there are no names.
    fn blend(&self, names: &[String]) -> Vec<f64> {
        let mut blend = vec![0.0; names.len()];
        for (slugged, dial) in &self.0 {
            if let Some(at) = names.iter().position(|name| slug_is(name, slugged)) {
                blend[at] += dial.current();
            }
        }
        let sum: f64 = blend.iter().sum();
        if let Some(first) = blend.first_mut().filter(|_| sum < LEAST) {
            *first += LEAST - sum;
        }
        blend.iter_mut().for_each(|v| *v /= sum.max(LEAST));
        blend
    }
}

impl Controls {
    /// Turns the dial of a class, 0..1; what is no number is ignored.
    pub fn set_class(&mut self, name: &str, value: f64, smooth_secs: Option<f64>) {
        let (name, dials) = (slug(name), &mut self.classes.0);
        let there = dials.contains_key(&name);
        if !value.is_finite() || (!there && (value <= 0.0 || dials.len() >= MOST)) {
            return;
        }
        let dial = dials.entry(name).or_insert_with(|| Glide::at(0.0));
        dial.go(value.clamp(0.0, 1.0), smooth_secs.unwrap_or(self.smooth_secs));
    }

    /// All dials of classes: those that are not named go to 0.
    pub fn set_classes(&mut self, values: &BTreeMap<String, f64>, smooth_secs: Option<f64>) {
        let named: Vec<String> = values.keys().map(|name| slug(name)).collect();
        let others: Vec<String> = self.classes.0.keys().filter(|name| !named.contains(name)).cloned().collect();
        others.iter().for_each(|name| self.set_class(name, 0.0, smooth_secs));
        values.iter().for_each(|(name, value)| self.set_class(name, *value, smooth_secs));
    }

    /// Where the dial of a class goes.
    pub fn class_goal(&self, name: &str) -> f64 {
        let goal = |name: &str| self.classes.0.get(name).map(Glide::goal);
        goal(name).or_else(|| goal(&slug(name))).unwrap_or(0.0)
    }

    /// Where the dials go that are not at 0, by the part of an address that stands for their class.
    pub fn class_goals(&self) -> BTreeMap<String, f64> {
        let goals = self.classes.0.iter().map(|(name, dial)| (name.clone(), dial.goal()));
        goals.filter(|(_, goal)| *goal > 0.0).collect()
    }

    /// The blend of the show for a model with these classes, `[classes]`: the dials divided by their sum, and the first
    /// class where all are at 0. Empty without classes.
    pub fn blend(&self, names: &[String]) -> Vec<f64> {
        self.classes.blend(names)
    }
}

/// Whether this is the part of an address that stands for the name.
pub fn slug_is(name: &str, slugged: &str) -> bool {
    name.chars().map(super::plain).eq(slugged.chars())
}

/// The number of the class that is called so: by its name, by that as it stands in an address, or by its number.
///
/// # Errors
/// Which was meant, and the names there are.
pub fn find(names: &[String], called: &str) -> Result<usize, String> {
    let by = |is: &dyn Fn(&String) -> bool| names.iter().position(is);
    let found = by(&|name| name == called)
        .or_else(|| by(&|name| slug_is(name, called)))
        .or_else(|| by(&|name| name.eq_ignore_ascii_case(called)))
        .or_else(|| called.parse::<usize>().ok().filter(|at| *at < names.len()));
    found.ok_or_else(|| {
        if names.is_empty() {
            return format!("there is no class \"{called}\"; the model has no classes");
        }
        let near = meant(called, names.iter().map(String::as_str), 2);
        let near = near.map_or(String::new(), |near| format!("did you mean {near}? "));
        let more = if names.len() > MOST_NAMED { ", …" } else { "" };
        let known: Vec<&str> = names.iter().map(String::as_str).take(MOST_NAMED).collect();
        format!("there is no class \"{called}\"; {near}The model has {}{more}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["amber", "dark brown", "blue"].map(str::to_owned).to_vec()
    }

    #[test]
    fn the_blend_is_the_dials_divided_by_their_sum() {
        let mut controls = Controls::default();
        assert_eq!(controls.blend(&names()), [1.0, 0.0, 0.0]);
        controls.set_class("dark_brown", 0.25, Some(0.0));
        controls.set_class("blue", 0.75, Some(0.0));
        controls.set_class("green", 0.5, Some(0.0));
        controls.set_class("blue", f64::NAN, Some(0.0));
        controls.frame(0.0);
        assert_eq!((controls.blend(&names()), controls.class_goal("dark brown")), (vec![0.0, 0.25, 0.75], 0.25));
        // What the next model has too stays, and what it has not comes back.
        assert_eq!(controls.blend(&["green".into(), "blue".into()]), [0.4, 0.6]);
        assert!(controls.blend(&[]).is_empty());
        controls.set_classes(&[("blue".to_owned(), 1.0)].into(), None);
        controls.frame(10.0);
        assert_eq!((controls.blend(&names()), controls.class_goals().len()), (vec![0.0, 0.0, 1.0], 1));
    }

    #[test]
    fn the_last_dial_goes_out_without_a_jump() {
        let mut controls = Controls::default();
        controls.set_class("blue", 1.0, Some(0.0));
        controls.frame(0.0);
        controls.set_class("blue", 0.0, Some(0.1));
        let mut before = controls.blend(&names());
        for _ in 0..400 {
            controls.frame(0.005);
            let now = controls.blend(&names());
            assert!((now.iter().sum::<f64>() - 1.0).abs() < 1e-9 && (now[0] - before[0]).abs() < 0.1, "{now:?}");
            before = now;
        }
        assert_eq!(before, [1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_class_is_found_by_name_address_or_number() {
        for (called, at) in [("dark brown", 1), ("dark_brown", 1), ("Blue", 2), ("0", 0)] {
            assert_eq!(find(&names(), called), Ok(at), "{called}");
        }
        let said = find(&names(), "ambre").unwrap_err();
        assert!(said.contains("did you mean amber?") && said.contains("amber, dark brown, blue"), "{said}");
        assert!(find(&names(), "3").is_err() && find(&[], "x").unwrap_err().contains("no classes"));
    }
}
