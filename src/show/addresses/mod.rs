//! The registry of addresses: everything a show can be steered by, with type, range, key and a sentence each.
//!
//! One table. OSC, OSCQuery, the page, MIDI's targets, the keys and `flaneur addresses` all go by it; what it does
//! not know is refused with a reason. It knows what an address means ([`acts`]) and what stands there now
//! ([`Address::read`]); who sends what, and who is told, is in `hands`.

mod act;
mod table;

use super::Show;
use crate::control::hand::Value;
use crate::control::{Controls, Dial, slug};
use crate::osc::Kind;
pub use act::{Act, Training};
pub use table::{ADDRESSES, KEYS, Key};

/// What an address takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Takes {
    /// A number in a range.
    Number {
        min: f64,
        max: f64,
    },
    /// Several numbers, each in the range.
    Numbers {
        min: f64,
        max: f64,
    },
    /// Yes or no; nothing means yes.
    Switch,
    Text,
    /// A name or a number, and perhaps seconds.
    Name,
    /// Nothing that matters; 0 is no trigger.
    Trigger,
    /// It only tells: a number, a count, a switch, a text.
    Tells(Kind),
}

/// One address. `<…>` stands for a name or a number in it.
pub struct Address {
    pub path: &'static str,
    pub takes: Takes,
    pub says: &'static str,
    /// How far a control should reach, where the whole range is too far.
    pub reach: Option<[f64; 2]>,
    act: fn(&Given) -> Result<Vec<Act>, String>,
    read: Option<fn(&Reading) -> Option<Value>>,
}

/// What was given: the part that `<…>` stood for, and the values.
struct Given<'a> {
    part: &'a str,
    number: f64,
    numbers: &'a [f64],
    text: &'a str,
    secs: Option<f64>,
}

impl Given<'_> {
    fn on(&self) -> bool {
        self.number >= 0.5
    }

    fn one(act: Act) -> Result<Vec<Act>, String> {
        Ok(vec![act])
    }

    /// Dimensions that the part names: `12`, or `8..16` without its end.
    fn dimensions(&self) -> Result<std::ops::Range<usize>, String> {
        let number = |word: &str| word.parse::<usize>().map_err(|_| format!("\"{}\" is not a number", self.part));
        let range = match self.part.split_once("..") {
            Some((from, to)) => number(from)?..number(to)?,
            None => number(self.part)?..number(self.part)?.saturating_add(1),
        };
        if range.is_empty() || range.end > 65_536 {
            return Err(format!("\"{}\" names no dimensions", self.part));
        }
        Ok(range)
    }

    /// An act for each dimension, with its own number or the only one.
    fn each(&self, act: fn(usize, f32) -> Act) -> Result<Vec<Act>, String> {
        let dimensions = self.dimensions()?;
        if self.numbers.len() > 1 && self.numbers.len() != dimensions.len() {
            return Err(format!("{} numbers for {} dimensions", self.numbers.len(), dimensions.len()));
        }
        let of = |i: usize| *self.numbers.get(i).unwrap_or(&self.number) as f32;
        Ok(dimensions.clone().map(|i| act(i, of(i - dimensions.start))).collect())
    }
}

/// What is needed to tell what stands at an address.
pub(super) struct Reading<'a> {
    pub show: &'a Show,
    pub controls: &'a Controls,
    pub part: &'a str,
}

impl Reading<'_> {
    fn dial(&self, dial: Dial) -> Option<Value> {
        Some(Value::Number(self.controls.dial_goal(dial)))
    }
}

impl Address {
    /// The part of `path` that `<…>` stands for, if this address means it.
    fn part<'a>(&self, path: &'a str) -> Option<&'a str> {
        let Some((before, rest)) = self.path.split_once('<') else { return (self.path == path).then_some("") };
        let after = rest.split_once('>').map_or("", |(_, after)| after);
        let part = path.strip_prefix(before)?.strip_suffix(after)?;
        (!part.is_empty() && !part.contains('/')).then_some(part)
    }

    /// This address for one part.
    pub fn with(&self, part: &str) -> String {
        match (self.path.split_once('<'), self.path.split_once('>')) {
            (Some((before, _)), Some((_, after))) => format!("{before}{part}{after}"),
            _ => self.path.to_owned(),
        }
    }

    /// What stands there now.
    pub(super) fn read(&self, reading: &Reading) -> Option<Value> {
        self.read.and_then(|read| read(reading))
    }

    /// Whether it can be read.
    pub fn readable(&self) -> bool {
        self.read.is_some()
    }

    /// Whether it can be steered.
    pub fn writable(&self) -> bool {
        !matches!(self.takes, Takes::Tells(_))
    }

    /// Lowest and highest number.
    pub fn range(&self) -> Option<[f64; 2]> {
        match self.takes {
            Takes::Number { min, max } | Takes::Numbers { min, max } => Some([min, max]),
            _ => None,
        }
    }

    /// As OSCQuery has it.
    pub fn kind(&self) -> Kind {
        match self.takes {
            Takes::Number { .. } | Takes::Numbers { .. } => Kind::Float,
            Takes::Switch => Kind::Switch,
            Takes::Text | Takes::Name => Kind::Text,
            Takes::Trigger => Kind::Trigger,
            Takes::Tells(kind) => kind,
        }
    }
}

/// The address that a plain path means, and the part in it.
pub fn find(path: &str) -> Option<(&'static Address, &str)> {
    // Plain addresses before those with a part: /flaneur/z/clear is no dimension.
    let plain = ADDRESSES.iter().filter(|a| !a.path.contains('<'));
    let parted = ADDRESSES.iter().filter(|a| a.path.contains('<'));
    plain.chain(parted).find_map(|a| a.part(path).map(|part| (a, part)))
}

/// What a message to one plain address does.
///
/// # Errors
/// Why it does nothing.
pub fn acts(path: &str, values: &[Value]) -> Result<Vec<Act>, String> {
    let Some((address, part)) = find(path) else { return Err("no such address; flaneur addresses lists them".into()) };
    let number = |at: usize, min: f64, max: f64| match values.get(at) {
        Some(Value::Number(v)) => within(*v, min, max),
        Some(Value::Text(_)) => Err("it takes a number".to_owned()),
        Some(Value::Other(())) => Err("it takes a number, and what came has no type tag of one".into()),
        None => Err("it takes a number, and there is none".into()),
    };
    let text = |what: &str| match values.first() {
        Some(Value::Text(text)) => Ok(text.clone()),
        Some(Value::Number(v)) if v.is_finite() => Ok(format!("{v}")),
        _ => Err(format!("it takes {what}")),
    };
    let (mut numbers, mut words) = (Vec::new(), String::new());
    let mut given = Given { part, number: 1.0, numbers: &[], text: "", secs: None };
    match address.takes {
        Takes::Number { min, max } => given.number = number(0, min, max)?,
        Takes::Numbers { min, max } => {
            given.number = number(0, min, max)?;
            numbers = (0..values.len()).map(|at| number(at, min, max)).collect::<Result<Vec<f64>, String>>()?;
        }
        Takes::Switch if values.is_empty() => {}
        Takes::Switch => given.number = number(0, f64::MIN, f64::MAX)?,
        Takes::Text => words = text("a text, a name")?,
        Takes::Name => {
            words = text("a name or a number")?;
            given.secs = if values.len() > 1 { Some(number(1, 0.0, 600.0)?) } else { None };
        }
        Takes::Trigger => {
            if let Some(Value::Number(v)) = values.first()
                && *v < 0.5
            {
                // A button that is let go.
                return Ok(Vec::new());
            }
        }
        Takes::Tells(_) => {}
    }
    (given.numbers, given.text) = (&numbers, &words);
    (address.act)(&given)
}

/// A number in a range; one that is outside by no more than rounding counts as the bound.
fn within(v: f64, min: f64, max: f64) -> Result<f64, String> {
    // Sums of many small steps in single precision are this far off.
    let rounding = |bound: f64| 1e-5 * bound.abs().max((max - min).min(1.0));
    if !v.is_finite() {
        Err("the value is not a number".into())
    } else if v < min - rounding(min) {
        Err(format!("value {} below minimum {min}", v as f32))
    } else if v > max + rounding(max) {
        Err(format!("value {} above maximum {max}", v as f32))
    } else {
        Ok(v.clamp(min, max))
    }
}

/// Longest name in characters.
const LONGEST_NAME: usize = 128;
/// What only a file of its own kind is called by; a name comes without.
const ENDINGS: [&str; 2] = [".rn", ".toml"];

/// Whether a message names what it loads or learns from by a name, and not by a path: more than that is for senders
/// on this machine. Any text is looked at, so that an address that comes later is covered.
///
/// # Errors
/// A sentence, if it has a path.
pub fn only_names(path: &str, values: &[Value]) -> Result<(), String> {
    if !find(path).is_some_and(|(address, _)| matches!(address.takes, Takes::Text | Takes::Name)) {
        return Ok(());
    }
    for value in values {
        let Value::Text(text) = value else { continue };
        let (name, shown) = (text.trim(), text.chars().take(40).collect::<String>());
        let ending = ENDINGS.iter().find(|end| name.to_ascii_lowercase().ends_with(*end));
        let drive = name.chars().nth(1) == Some(':') && name.starts_with(|c: char| c.is_ascii_alphabetic());
        if drive || name.contains(['/', '\\']) || name.starts_with(['.', '~']) {
            let how = "only names are taken from beyond this machine; [osc] paths = true in the preset allows paths";
            return Err(format!("\"{shown}\" is a path, and {how}"));
        }
        if let Some(end) = ending {
            return Err(format!("\"{shown}\" is a file; from beyond this machine give its name, without {end}"));
        }
        if name.chars().count() > LONGEST_NAME || name.contains(char::is_control) {
            return Err(format!("\"{shown}\" is no name"));
        }
    }
    Ok(())
}

impl Act {
    /// The address that the act works, to say who did it; none for those that work none.
    pub(super) fn path(&self) -> Option<String> {
        Some(match self {
            Self::Knob(name, _) => format!("/flaneur/knob/{}", slug(name)),
            Self::Z(i, _) => format!("/flaneur/z/{i}"),
            Self::ZSet(i, _) => format!("/flaneur/z/{i}/set"),
            Self::Dial(Dial::Truncation, _) => "/flaneur/truncation".into(),
            Self::Dial(Dial::Fade, _) => "/flaneur/out/fade".into(),
            Self::Dial(Dial::Speed, _) => "/flaneur/walk/speed".into(),
            Self::Dial(Dial::Phase, _) => "/flaneur/walk/phase".into(),
            Self::Hold | Self::SetHold(_) => "/flaneur/walk/hold".into(),
            Self::Blackout | Self::SetBlack(_) => "/flaneur/out/blackout".into(),
            Self::Freeze | Self::SetFrozen(_) => "/flaneur/out/freeze".into(),
            Self::Hush | Self::SetHush(_) => "/flaneur/out/hush".into(),
            Self::Tempo(_) | Self::Tap => "/flaneur/clock/bpm".into(),
            Self::Mix(_) => "/flaneur/model/mix".into(),
            Self::Dial(Dial::Learnt, _) => "/flaneur/train/mix".into(),
            Self::Train(Training::Go(_)) => "/flaneur/train/run".into(),
            Self::Train(Training::Data(_)) => "/flaneur/train/data".into(),
            Self::Train(Training::Second(_)) => "/flaneur/train/data2".into(),
            Self::Train(Training::Rest(_)) => "/flaneur/train/rest".into(),
            Self::Train(Training::Morph(_)) => "/flaneur/train/morph".into(),
            Self::Train(Training::Set(settings)) if settings.mix.is_some() => "/flaneur/train/data_mix".into(),
            Self::Train(Training::Set(settings)) if settings.generator_rate.is_some() => "/flaneur/train/lr".into(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(v: f64) -> Vec<Value> {
        vec![Value::Number(v)]
    }

    #[test]
    fn messages_mean_what_the_table_says() {
        let two = [Value::Number(1.0), Value::Number(-1.0)];
        assert_eq!(acts("/flaneur/z/12", &n(0.5)), Ok(vec![Act::Z(12, 0.5)]));
        assert_eq!(acts("/flaneur/z/clear", &[]), Ok(vec![Act::ZClear]));
        assert_eq!(acts("/flaneur/z", &two), Ok(vec![Act::Z(0, 1.0), Act::Z(1, -1.0)]));
        assert_eq!(acts("/flaneur/z/3..5", &n(2.0)), Ok(vec![Act::Z(3, 2.0), Act::Z(4, 2.0)]));
        assert_eq!(acts("/flaneur/z/3..5/set", &two), Ok(vec![Act::ZSet(3, 1.0), Act::ZSet(4, -1.0)]));
        assert_eq!(acts("/flaneur/z/3/free", &[]), Ok(vec![Act::ZFree(3)]));
        assert_eq!(acts("/flaneur/knob/first seed", &n(1.0)), Ok(vec![Act::Knob("first seed".into(), 1.0)]));
        assert_eq!(acts("/flaneur/out/blackout", &[]), Ok(vec![Act::SetBlack(true)]));
        assert_eq!(acts("/flaneur/clock/tap", &n(0.0)), Ok(vec![]));
        assert_eq!(acts("/flaneur/snap/recall", &n(3.0)), Ok(vec![Act::Recall("3".into(), None)]));
        let slowly = [Value::Text("dawn".into()), Value::Number(4.0)];
        assert_eq!(acts("/flaneur/snap/recall", &slowly), Ok(vec![Act::Recall("dawn".into(), Some(4.0))]));
    }

    #[test]
    fn what_cannot_be_done_has_a_reason() {
        let check = |path: &str, values: &[Value], why: &str| {
            let said = acts(path, values).unwrap_err();
            assert!(said.contains(why), "{path}: {said}");
        };
        check("/flaneur/knob/a", &n(2.3), "value 2.3 above maximum 1");
        check("/flaneur/knob/a", &n(f64::NAN), "not a number");
        check("/flaneur/knob/a", &[Value::Text("x".into())], "takes a number");
        check("/flaneur/knob/a", &[], "there is none");
        check("/flaneur/z/x", &n(0.0), "\"x\" is not a number");
        check("/flaneur/z/5..5", &n(0.0), "names no dimensions");
        check("/flaneur/z/0..3", &[Value::Number(1.0), Value::Number(1.0)], "2 numbers for 3 dimensions");
        check("/flaneur/nothing", &[], "no such address");
        check("/flaneur/sketch/load", &[], "takes a text");
        check("/flaneur/stat/fps", &n(1.0), "only tells");
    }

    #[test]
    fn within_rounding_counts_as_the_bound() {
        let float = |v: f32| n(f64::from(v));
        for over in [n(1.000_000_000_1), float(1.000_000_1), float((0..100).fold(0.0, |sum, _| sum + 0.01_f32))] {
            let found = acts("/flaneur/knob/a", &over);
            let Ok([Act::Knob(_, value)]) = found.as_deref() else { panic!("{over:?}: {found:?}") };
            assert!((0.999..=1.0).contains(value), "{value}");
        }
        for under in [n(-1e-9), float(-1.2e-7), n(-0.0)] {
            assert_eq!(acts("/flaneur/knob/a", &under), Ok(vec![Act::Knob("a".into(), 0.0)]));
        }
        assert_eq!(acts("/flaneur/walk/speed", &n(-8.000_001)), Ok(vec![Act::Dial(Dial::Speed, -8.0)]));
        assert_eq!(acts("/flaneur/clock/bpm", &n(400.000_01)), Ok(vec![Act::Tempo(400.0)]));
        assert_eq!(acts("/flaneur/z", &float(10.000_001)), Ok(vec![Act::Z(0, 10.0)]));
        for (path, v) in [("/flaneur/knob/a", 1.001), ("/flaneur/knob/a", -0.001), ("/flaneur/clock/bpm", 19.9)] {
            assert!(acts(path, &n(v)).is_err(), "{path} {v}");
        }
        // A wide range does not make its lower end wide.
        assert!(acts("/flaneur/train/publish_every", &n(-1.0)).is_err());
        for none in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(acts("/flaneur/knob/a", &n(none)).unwrap_err().contains("not a number"));
        }
    }

    #[test]
    fn values_without_type_tags_are_enough_for_triggers() {
        let untyped = [Value::Other(())];
        assert_eq!(acts("/flaneur/clock/tap", &untyped), Ok(vec![Act::Tap]));
        assert!(acts("/flaneur/knob/a", &untyped).unwrap_err().contains("type tag"));
    }

    #[test]
    fn from_elsewhere_only_names() {
        let text = |text: &str| vec![Value::Text(text.into())];
        let loads = ADDRESSES.iter().filter(|a| matches!(a.takes, Takes::Text | Takes::Name));
        let mut count = 0;
        for address in loads {
            let path = address.with("palette");
            count += 1;
            for wrong in [
                "/home/me/x.rn",
                "../x",
                "a/b",
                "a\\b",
                "C:x",
                ".hidden",
                "..",
                "~",
                "~/x",
                " /x",
                "Cargo.toml",
                "x.RN",
            ] {
                assert!(only_names(&path, &text(wrong)).is_err(), "{path} {wrong}");
            }
            let second = [Value::Number(1.0), Value::Text("/x".into())];
            assert!(only_names(&path, &second).is_err() && only_names(&path, &text(&"x".repeat(999))).is_err());
            for name in [
                "ring",
                "seed-k10",
                "lines",
                "fed",
                "pictures.zip",
                "3",
                "ff0000 00ff00",
                "gaussian:48:1.2",
                "Flâneur 2",
            ] {
                assert_eq!(only_names(&path, &text(name)), Ok(()), "{path} {name}");
            }
            assert_eq!(only_names(&path, &n(3.0)), Ok(()));
        }
        assert!(count >= 9);
        assert_eq!(only_names("/flaneur/knob/a", &text("/x")), Ok(()));
    }

    #[test]
    fn every_key_works_an_address_of_the_table() {
        for key in KEYS {
            assert!(find(key.address).is_some(), "{}", key.address);
        }
    }
}
