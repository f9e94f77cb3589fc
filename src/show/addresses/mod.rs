//! The registry of addresses: everything a show can be steered by, with type, range, key and a sentence each.
//!
//! One table. OSC, OSCQuery, the page, MIDI's targets, the keys and `flaneur addresses` all go by it; what it does
//! not know is refused with a reason. It knows what an address means ([`acts`]), what stands there now
//! ([`Address::read`]) and which address an act works ([`path_of`]); who sends what, and who is told, is in `hands`.

mod act;
mod keys;
mod table;
mod values;

use super::Parts;
use crate::control::hand::Value;
use crate::control::{Controls, Dial, slug};
use crate::osc::Kind;
use crate::trainer::settings::Setting;
pub use act::{Act, Switch, Training, modern};
pub use keys::{KEYS, Key};
pub use table::ADDRESSES;
use values::Values;
pub use values::only_names;

/// What an address takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Takes {
    /// A number in a range.
    Number {
        /// The least value.
        min: f64,
        /// The greatest value.
        max: f64,
    },
    /// Several numbers, each in the range.
    Numbers {
        /// The least value.
        min: f64,
        /// The greatest value.
        max: f64,
    },
    /// Yes or no; nothing means yes.
    Switch,
    /// A text.
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
    /// The whole path, as `/flaneur/z/<i>`.
    pub path: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// A sentence for people.
    pub says: &'static str,
    /// How far a control should reach, where the whole range is too far.
    pub reach: Option<[f64; 2]>,
    works: Works,
    read: Option<fn(&Reading) -> Option<Value>>,
}

/// What a value at an address does.
#[derive(Clone, Copy)]
enum Works {
    /// A dial goes there.
    Dial(Dial),
    /// A switch is set.
    Switch(Switch),
    /// A part of the acts that `kind` knows by itself.
    Part(Kinds, fn(&Given) -> Result<Vec<Act>, String>),
    /// A setting of the training.
    Setting(&'static Setting),
    /// Whatever is given.
    Act(fn(&Given) -> Result<Vec<Act>, String>),
    /// It only tells.
    Nothing,
}

/// Acts that work one address each, beside dials and switches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kinds {
    Knob,
    Class,
    Direction,
    Layer,
    Z,
    ZSet,
    Mix,
    Tempo,
}

/// What was given: the part that `<…>` stood for, and the values.
struct Given<'a> {
    part: &'a str,
    /// Dimensions of the model.
    dims: usize,
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

    /// Dimensions that the part names: `12`, or `8..16` without its end; a range is cut at the model's dimensions.
    fn dimensions(&self) -> Result<std::ops::Range<usize>, String> {
        let number = |word: &str| word.parse::<usize>().map_err(|_| format!("\"{}\" is not a number", self.part));
        let range = match self.part.split_once("..") {
            Some((from, to)) => number(from)?..number(to)?,
            None => number(self.part)?..number(self.part)?.saturating_add(1),
        };
        if range.is_empty() {
            return Err(format!("\"{}\" names no dimensions", self.part));
        }
        if range.start >= self.dims {
            let last = self.dims.saturating_sub(1);
            return Err(format!("there is no dimension {}; the model has 0 to {last}", range.start));
        }
        Ok(range.start..range.end.min(self.dims))
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
    pub show: &'a Parts<'a>,
    pub part: &'a str,
}

impl Reading<'_> {
    fn controls(&self) -> &Controls {
        self.show.controls
    }

    fn dial(&self, dial: Dial) -> Option<Value> {
        Some(Value::Number(self.controls().dial_goal(dial)))
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
        match (self.works, self.read) {
            (_, Some(read)) => read(reading),
            (Works::Dial(dial), None) => reading.dial(dial),
            (Works::Setting(setting), None) => setting.get(reading.show.lesson.settings()).map(Value::Number),
            _ => None,
        }
    }

    /// Whether it can be read.
    pub fn readable(&self) -> bool {
        self.read.is_some() || matches!(self.works, Works::Dial(_) | Works::Setting(_))
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

/// Whether the values are of the kind that a plain address takes.
pub fn takes(path: &str, values: &[Value]) -> bool {
    find(path).is_some_and(|(address, _)| Values::read(address.takes, values).is_ok())
}

/// What a message to one plain address does, with a model of `dims` dimensions.
///
/// # Errors
/// Why it does nothing.
pub fn acts(path: &str, values: &[Value], dims: usize) -> Result<Vec<Act>, String> {
    let Some((address, part)) = find(path) else { return Err("no such address; flaneur addresses lists them".into()) };
    let read = Values::read(address.takes, values)?;
    if read.nothing {
        return Ok(Vec::new());
    }
    let Values { number, numbers, text, secs, .. } = &read;
    let given = Given { part, dims, number: *number, numbers, text, secs: *secs };
    match address.works {
        Works::Dial(dial) => Given::one(Act::Dial(dial, given.number)),
        Works::Switch(switch) => Given::one(Act::set(switch, given.on())),
        Works::Part(_, act) | Works::Act(act) => act(&given),
        Works::Setting(setting) => Given::one(Act::Train(Training::Set(setting.alone(given.number)))),
        Works::Nothing => Err("it only tells".into()),
    }
}

/// The address that an act works, to say who did it; none for those that work none.
pub fn path_of(act: &Act) -> Option<String> {
    let dial = |wanted: Dial| move |works: Works| matches!(works, Works::Dial(dial) if dial == wanted);
    let switch = |wanted: Switch| move |works: Works| matches!(works, Works::Switch(switch) if switch == wanted);
    let kind = |wanted: Kinds| move |works: Works| matches!(works, Works::Part(kind, _) if kind == wanted);
    let row = |works: &dyn Fn(Works) -> bool| ADDRESSES.iter().find(|address| works(address.works));
    let (address, part) = match act {
        Act::Knob(name, _) => (row(&kind(Kinds::Knob))?, slug(name)),
        Act::Class(name, _) => (row(&kind(Kinds::Class))?, slug(name)),
        Act::Direction(name, _) => (row(&kind(Kinds::Direction))?, slug(name)),
        Act::Layer(at, _) => (row(&kind(Kinds::Layer))?, at.to_string()),
        Act::Z(i, _) => (row(&kind(Kinds::Z))?, i.to_string()),
        Act::ZSet(i, _) => (row(&kind(Kinds::ZSet))?, i.to_string()),
        Act::Mix(_) => (row(&kind(Kinds::Mix))?, String::new()),
        Act::Tempo(_) | Act::Tap => (row(&kind(Kinds::Tempo))?, String::new()),
        Act::Dial(wanted, _) => (row(&dial(*wanted))?, String::new()),
        Act::Switch(wanted, _) => (row(&switch(*wanted))?, String::new()),
        Act::Train(training) => (find(&format!("/flaneur/train/{}", training.word()?))?.0, String::new()),
        _ => return None,
    };
    Some(address.with(&part))
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
        assert_eq!(acts("/flaneur/z/12", &n(0.5), 100), Ok(vec![Act::Z(12, 0.5)]));
        assert_eq!(acts("/flaneur/z/clear", &[], 100), Ok(vec![Act::ZClear]));
        assert_eq!(acts("/flaneur/z", &two, 100), Ok(vec![Act::Z(0, 1.0), Act::Z(1, -1.0)]));
        assert_eq!(acts("/flaneur/z/3..5", &n(2.0), 100), Ok(vec![Act::Z(3, 2.0), Act::Z(4, 2.0)]));
        assert_eq!(acts("/flaneur/z/3..5/set", &two, 100), Ok(vec![Act::ZSet(3, 1.0), Act::ZSet(4, -1.0)]));
        assert_eq!(acts("/flaneur/z/3/free", &[], 100), Ok(vec![Act::ZFree(3)]));
        assert_eq!(acts("/flaneur/knob/first seed", &n(1.0), 100), Ok(vec![Act::Knob("first seed".into(), 1.0)]));
        assert_eq!(acts("/flaneur/class/amber", &n(0.5), 100), Ok(vec![Act::Class("amber".into(), 0.5)]));
        assert_eq!(acts("/flaneur/out/blackout", &[], 100), Ok(vec![Act::set(Switch::Blackout, true)]));
        assert_eq!(acts("/flaneur/clock/tap", &n(0.0), 100), Ok(vec![]));
        assert_eq!(acts("/flaneur/snap/recall", &n(3.0), 100), Ok(vec![Act::Recall("3".into(), None)]));
        let slowly = [Value::Text("dawn".into()), Value::Number(4.0)];
        assert_eq!(acts("/flaneur/snap/recall", &slowly, 100), Ok(vec![Act::Recall("dawn".into(), Some(4.0))]));
    }

    #[test]
    fn what_cannot_be_done_has_a_reason() {
        let check = |path: &str, values: &[Value], why: &str| {
            let said = acts(path, values, 100).unwrap_err();
            assert!(said.contains(why), "{path}: {said}");
        };
        check("/flaneur/knob/a", &n(2.3), "value 2.3 above maximum 1");
        check("/flaneur/knob/a", &n(f64::NAN), "not a number");
        check("/flaneur/knob/a", &[Value::Text("x".into())], "takes a number");
        check("/flaneur/knob/a", &[], "there is none");
        check("/flaneur/z/x", &n(0.0), "\"x\" is not a number");
        check("/flaneur/z/5..5", &n(0.0), "names no dimensions");
        check("/flaneur/z/0..3", &[Value::Number(1.0), Value::Number(1.0)], "2 numbers for 3 dimensions");
        check("/flaneur/z/100", &n(0.0), "the model has 0 to 99");
        check("/flaneur/nothing", &[], "no such address");
        check("/flaneur/sketch/load", &[], "takes a text");
        check("/flaneur/stat/fps", &n(1.0), "only tells");
    }

    #[test]
    fn a_range_ends_with_the_model() {
        assert_eq!(acts("/flaneur/z/98..65000", &n(1.0), 100), Ok(vec![Act::Z(98, 1.0), Act::Z(99, 1.0)]));
        assert_eq!(acts("/flaneur/z/0..65536/free", &[], 4).map(|acts| acts.len()), Ok(4));
    }

    #[test]
    fn an_act_knows_its_address() {
        let check = |act: Act, path: &str| assert_eq!(path_of(&act).as_deref(), Some(path));
        check(Act::Knob("first seed".into(), 1.0), "/flaneur/knob/first_seed");
        check(Act::Class("dark brown".into(), 1.0), "/flaneur/class/dark_brown");
        check(Act::ZSet(3, 1.0), "/flaneur/z/3/set");
        check(Act::Dial(Dial::Learnt, 1.0), "/flaneur/train/mix");
        check(Act::toggle(Switch::Take), "/flaneur/take/log");
        check(Act::Tap, "/flaneur/clock/bpm");
        check(Act::Train(Training::Go(None)), "/flaneur/train/run");
        assert_eq!(path_of(&Act::Still), None);
    }

    #[test]
    fn every_setting_of_a_training_is_an_address() {
        for setting in SETTINGS {
            let (address, _) = find(setting.path).unwrap();
            assert!(address.readable() && address.writable() && address.says == setting.says, "{}", setting.path);
            assert_eq!((address.range(), address.reach), (Some(setting.range), setting.reach));
            let most = setting.range[1];
            assert_eq!(acts(setting.path, &n(most), 100), Ok(vec![Act::Train(Training::Set(setting.alone(most)))]));
            assert!(acts(setting.path, &n(most * 2.0), 100).unwrap_err().contains("above maximum"));
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
