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
use crate::trainer::settings::Setting;
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
#[derive(Clone, Copy)]
pub struct Address {
    pub path: &'static str,
    pub takes: Takes,
    pub says: &'static str,
    /// How far a control should reach, where the whole range is too far.
    pub reach: Option<[f64; 2]>,
    act: fn(&Given) -> Result<Vec<Act>, String>,
    read: Option<fn(&Reading) -> Option<Value>>,
    /// The setting of a training that it is.
    setting: Option<&'static Setting>,
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
        match self.setting {
            Some(setting) => setting.get(&reading.show.learning.settings).map(Value::Number),
            None => self.read.and_then(|read| read(reading)),
        }
    }

    /// Whether it can be read.
    pub fn readable(&self) -> bool {
        self.read.is_some() || self.setting.is_some()
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
        Some(Value::Number(v)) if !v.is_finite() => Err("the value is not a number".into()),
        Some(Value::Number(v)) if *v < min => Err(format!("value {} below minimum {min}", *v as f32)),
        Some(Value::Number(v)) if *v > max => Err(format!("value {} above maximum {max}", *v as f32)),
        Some(Value::Number(v)) => Ok(*v),
        Some(_) => Err("it takes a number".to_owned()),
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
    match address.setting {
        Some(setting) => Given::one(Act::Train(Training::Set(setting.alone(given.number)))),
        None => (address.act)(&given),
    }
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
            Self::Train(Training::Set(settings)) => settings.path()?.into(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trainer::settings::SETTINGS;

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
    fn every_setting_of_a_training_is_an_address() {
        for setting in SETTINGS {
            let (address, _) = find(setting.path).unwrap();
            assert!(address.readable() && address.writable() && address.says == setting.says, "{}", setting.path);
            assert_eq!((address.range(), address.reach), (Some(setting.range), setting.reach));
            let most = setting.range[1];
            assert_eq!(acts(setting.path, &n(most)), Ok(vec![Act::Train(Training::Set(setting.alone(most)))]));
            assert!(acts(setting.path, &n(most * 2.0)).unwrap_err().contains("above maximum"));
            let at = |path: &str| ADDRESSES.iter().position(|address| address.path == path).unwrap();
            assert_eq!(at(setting.path), at(&format!("/flaneur/train/{}", setting.after)) + 1, "{}", setting.path);
        }
    }

    #[test]
    fn every_key_works_an_address_of_the_table() {
        for key in KEYS {
            assert!(find(key.address).is_some(), "{}", key.address);
        }
    }
}
