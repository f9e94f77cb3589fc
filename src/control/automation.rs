//! Knobs moved by a file: time-stamped values for a film, straight lines between them.
//!
//! One move a line, `seconds name value`, with `#` for comments; `name!` and no value is a trigger.

use std::collections::BTreeMap;

use super::{Controls, slug};
use crate::hints::meant;

/// What is wrong with a line.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("line {line}: {why}; a line is \"seconds knob value\" (0..1), or \"seconds name!\" for a trigger")]
pub struct AutomationError {
    /// The line that is wrong, from 1.
    pub line: usize,
    /// What is wrong with it, in words.
    pub why: String,
}

/// The moves of a film.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Automation {
    /// By knob, in order of time: (seconds, value).
    curves: BTreeMap<String, Vec<(f64, f64)>>,
    /// In order of time.
    triggers: Vec<(f64, String)>,
    done: usize,
}

impl Automation {
    /// Reads the lines.
    ///
    /// # Errors
    /// At the first line that is none, with its number.
    pub fn read(text: &str) -> Result<Self, AutomationError> {
        let mut out = Self::default();
        for (at, line) in text.lines().enumerate() {
            let wrong = |why: String| AutomationError { line: at + 1, why };
            let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
            let [secs, name, rest @ ..] = &words[..] else {
                if words.is_empty() {
                    continue;
                }
                return Err(wrong(format!("\"{}\" is alone", words[0])));
            };
            let number = |word: &str| {
                let value = word.parse::<f64>().ok().filter(|v| v.is_finite());
                value.ok_or_else(|| wrong(format!("\"{word}\" is not a number")))
            };
            let secs = number(secs)?;
            match (name.strip_suffix('!'), rest) {
                (Some(name), []) => out.triggers.push((secs, name.to_owned())),
                (None, [value]) => {
                    let value = number(value)?;
                    if !(0.0..=1.0).contains(&value) {
                        return Err(wrong(format!("{value} is outside of 0..1")));
                    }
                    out.curves.entry((*name).to_owned()).or_default().push((secs, value));
                }
                _ => return Err(wrong(format!("{} words", words.len()))),
            }
        }
        out.curves.values_mut().for_each(|curve| curve.sort_by(|a, b| a.0.total_cmp(&b.0)));
        out.triggers.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok(out)
    }

    /// The first name that is neither of `asked` nor a trigger's, and the one of `asked` that was probably meant.
    pub fn stranger<'a>(&'a self, asked: &'a [String]) -> Option<(&'a str, Option<&'a str>)> {
        let name = self.curves.keys().find(|name| !asked.contains(name))?;
        Some((name, meant(name, asked.iter().map(String::as_str), 2)))
    }

    /// The first trigger that is none of `asked`, as a sketch or an address calls it, and the one that was probably meant.
    pub fn strange_trigger<'a>(&'a self, asked: &'a [String]) -> Option<(&'a str, Option<&'a str>)> {
        let known = |name: &str| asked.iter().any(|asked| asked == name || slug(asked) == name);
        let (_, name) = self.triggers.iter().find(|(_, name)| !known(name))?;
        Some((name, meant(name, asked.iter().map(String::as_str), 2)))
    }

    /// Moves the knobs to where they are at `secs`, and pulls the triggers up to there.
    pub fn apply(&mut self, secs: f64, controls: &mut Controls) {
        for (name, curve) in &self.curves {
            let next = curve.partition_point(|(at, _)| *at <= secs);
            let value = match (next.checked_sub(1).and_then(|i| curve.get(i)), curve.get(next)) {
                (Some((t0, a)), Some((t1, b))) => a + (b - a) * (secs - t0) / (t1 - t0),
                (Some((_, a)), None) => *a,
                // Before its first value a knob is the sketch's own.
                (None, _) => continue,
            };
            controls.set(name, value);
        }
        while let Some((_, name)) = self.triggers.get(self.done).filter(|(at, _)| *at <= secs) {
            controls.trigger(name);
            self.done += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_joined_by_lines() {
        let mut moves = Automation::read("# a film\n2 x 1\n1 x 0\n1.5 kick!\n").unwrap();
        let mut controls = Controls::default();
        controls.set_smoothing(0.0);
        let mut at = |secs: f64| {
            moves.apply(secs, &mut controls);
            controls.frame(0.1);
            (controls.knob("x", 0.7), controls.hit("kick"))
        };
        assert_eq!([at(0.0), at(1.25), at(1.5), at(9.0)], [(0.7, false), (0.25, false), (0.5, true), (1.0, false)]);
    }

    #[test]
    fn a_knob_that_is_not_there_is_named() {
        let moves = Automation::read("0 cuont 1\n1 seed 0\n2 kick!").unwrap();
        let asked = ["count".to_owned(), "seed".to_owned()];
        assert_eq!(moves.stranger(&asked), Some(("cuont", Some("count"))));
        assert_eq!(moves.stranger(&["cuont".into(), "seed".into()]), None);
        assert_eq!(moves.stranger(&[]), Some(("cuont", None)));
        let moves = Automation::read("1 leep!\n2 next_seed!\n").unwrap();
        let asked = ["leap".to_owned(), "next seed".to_owned()];
        assert_eq!(moves.strange_trigger(&asked), Some(("leep", Some("leap"))));
        assert_eq!(moves.strange_trigger(&["leep".into(), "next seed".into()]), None);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, line) in [("1 x", 1), ("\n1 x two", 2), ("1 x 3", 1), ("1", 1), ("1 x! 2", 1), ("nan x 1", 1)] {
            assert_eq!(Automation::read(text).unwrap_err().line, line, "{text}");
        }
    }
}
