//! The registry of addresses: what a message from outside means, with type, range and a sentence each.
//!
//! One table. OSC goes by it and `flaneur addresses` prints it; what it does not know is refused with a reason.

use super::Show;
use super::scene::Act;
use crate::osc::{Message, Value, matching};

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
    /// Nothing that matters; 0 is no trigger.
    Trigger,
}

/// One address. `<…>` stands for a name or a number in it.
pub struct Address {
    pub path: &'static str,
    pub takes: Takes,
    pub says: &'static str,
    act: fn(&Given) -> Option<Act>,
}

/// What was given: the part that `<…>` stood for, and the values.
struct Given<'a> {
    part: &'a str,
    number: f64,
    text: &'a str,
}

impl Given<'_> {
    fn on(&self) -> bool {
        self.number >= 0.5
    }
}

const fn address(path: &'static str, takes: Takes, says: &'static str, act: fn(&Given) -> Option<Act>) -> Address {
    Address { path, takes, says, act }
}

const SHARE: Takes = Takes::Number { min: 0.0, max: 1.0 };
const OFFSET: Takes = Takes::Number { min: -10.0, max: 10.0 };

/// All addresses.
pub const ADDRESSES: &[Address] = &[
    address("/flaneur/z/<i>", OFFSET, "Offset of one dimension of z, on top of the sketch.", |g| {
        Some(Act::Z(g.part.parse().ok()?, g.number as f32))
    }),
    address("/flaneur/z", Takes::Numbers { min: -10.0, max: 10.0 }, "Offsets of many dimensions, from 0.", |_| None),
    address("/flaneur/z/clear", Takes::Trigger, "Takes all offsets away.", |_| Some(Act::ZClear)),
    address("/flaneur/knob/<name>", SHARE, "A knob that the sketch names.", |g| {
        Some(Act::Knob(g.part.into(), g.number as f32))
    }),
    address("/flaneur/hit/<name>", Takes::Trigger, "A trigger, for c.hit(name).", |g| Some(Act::Hit(g.part.into()))),
    address("/flaneur/note/<n>", SHARE, "How hard a note 0 to 127 is held.", |g| {
        Some(Act::Note(g.part.parse().ok()?, g.number as f32))
    }),
    address("/flaneur/walk/speed", Takes::Number { min: -8.0, max: 8.0 }, "Walk speed; 1 is normal.", |g| {
        Some(Act::Speed(g.number))
    }),
    address("/flaneur/walk/hold", Takes::Switch, "Holds the walk.", |g| Some(Act::SetHold(g.on()))),
    address("/flaneur/sketch/load", Takes::Text, "Another sketch, by name or path.", |g| {
        Some(Act::Sketch(g.text.into()))
    }),
    address("/flaneur/model/load", Takes::Text, "Another model, by name or path.", |g| Some(Act::Model(g.text.into()))),
    address("/flaneur/preset/load", Takes::Text, "Another preset, by name or path.", |g| {
        Some(Act::Preset(g.text.into()))
    }),
    address("/flaneur/snap/store", Takes::Number { min: 1.0, max: 9.0 }, "Stores snapshot 1 to 9.", |g| {
        Some(Act::Store(g.number as u8))
    }),
    address("/flaneur/snap/recall", Takes::Number { min: 1.0, max: 9.0 }, "Recalls snapshot 1 to 9.", |g| {
        Some(Act::Recall(g.number as u8))
    }),
    address("/flaneur/out/blackout", Takes::Switch, "Black, fading.", |g| Some(Act::SetBlack(g.on()))),
    address("/flaneur/out/freeze", Takes::Switch, "Keeps the picture, fading.", |g| Some(Act::SetFrozen(g.on()))),
    address("/flaneur/clock/bpm", Takes::Number { min: 20.0, max: 400.0 }, "Beats a minute.", |g| {
        Some(Act::Tempo(g.number))
    }),
    address("/flaneur/clock/tap", Takes::Trigger, "One tap of the tempo.", |_| Some(Act::Tap)),
    address("/flaneur/rec/start", Takes::Trigger, "Starts a recording.", |_| Some(Act::SetRecording(true))),
    address("/flaneur/rec/stop", Takes::Trigger, "Ends the recording.", |_| Some(Act::SetRecording(false))),
    address("/flaneur/still", Takes::Trigger, "Writes a still.", |_| Some(Act::Still)),
];

impl Address {
    /// The part of `path` that `<…>` stands for, if this address means it.
    fn part<'a>(&self, path: &'a str) -> Option<&'a str> {
        match self.path.split_once('<') {
            None => (self.path == path).then_some(""),
            Some((before, _)) => path.strip_prefix(before).filter(|part| !part.is_empty() && !part.contains('/')),
        }
    }
}

/// What a message to one plain address does.
///
/// # Errors
/// Why it does nothing.
pub fn acts(path: &str, values: &[Value]) -> Result<Vec<Act>, String> {
    // Plain addresses before those with a part: /flaneur/z/clear is no dimension.
    let plain = ADDRESSES.iter().find_map(|a| (!a.path.contains('<')).then(|| a.part(path)).flatten().map(|p| (a, p)));
    let found = plain.or_else(|| ADDRESSES.iter().find_map(|a| a.part(path).map(|part| (a, part))));
    let Some((address, part)) = found else { return Err("no such address; flaneur addresses lists them".into()) };
    let number = |at: usize, min: f64, max: f64| match values.get(at) {
        Some(Value::Number(v)) if !v.is_finite() => Err("the value is not a number".into()),
        Some(Value::Number(v)) if *v < min => Err(format!("value {v} below minimum {min}")),
        Some(Value::Number(v)) if *v > max => Err(format!("value {v} above maximum {max}")),
        Some(Value::Number(v)) => Ok(*v),
        Some(_) => Err("it takes a number".to_owned()),
        None => Err("it takes a number, and there is none".into()),
    };
    let mut given = Given { part, number: 1.0, text: "" };
    match address.takes {
        Takes::Number { min, max } => given.number = number(0, min, max)?,
        Takes::Numbers { min, max } => {
            let all: Result<Vec<f64>, String> = (0..values.len()).map(|at| number(at, min, max)).collect();
            return Ok(all?.into_iter().enumerate().map(|(i, v)| Act::Z(i, v as f32)).collect());
        }
        Takes::Switch if !values.is_empty() => given.number = number(0, 0.0, 1.0)?,
        Takes::Trigger if matches!(values.first(), Some(Value::Number(v)) if *v == 0.0) => return Ok(Vec::new()),
        Takes::Switch | Takes::Trigger => {}
        Takes::Text => match values.first() {
            Some(Value::Text(text)) => given.text = text,
            _ => return Err("it takes a text".into()),
        },
    }
    let act = (address.act)(&given).ok_or_else(|| format!("\"{part}\" is not a number"))?;
    Ok(vec![act])
}

impl Show {
    /// Does what messages say; those that cannot be done go to the monitor with their reason.
    pub(super) fn listen(&mut self) {
        let Some(osc) = &self.osc else { return };
        let (messages, counts) = (osc.messages(), osc.counts());
        if counts.refused > self.refused_datagrams {
            self.refused_datagrams = counts.refused;
            self.note(format!("refused {}", counts.why));
        }
        if messages.is_empty() {
            return;
        }
        let mut known: Option<Vec<String>> = None;
        for message in messages {
            let patterned = message.address.contains(['*', '?', '[', '{']);
            let known: &[String] = if patterned { known.get_or_insert_with(|| self.plain_addresses()) } else { &[] };
            let done = matching(&message.address, known).and_then(|paths| self.apply(&paths, &message));
            let said = match done {
                Ok(count) => format!("{} {} → {count}", message.from, shown(&message)),
                Err(why) => format!("{} {} rejected: {why}", message.from, shown(&message)),
            };
            self.note(said);
        }
    }

    fn apply(&mut self, paths: &[String], message: &Message) -> Result<String, String> {
        if paths.is_empty() {
            return Err("the pattern matches nothing".into());
        }
        let mut count = 0;
        for path in paths {
            for act in acts(path, &message.values)? {
                if let Act::Z(i, _) = act
                    && i >= self.model.z_dim
                {
                    return Err(format!("there is no dimension {i}; the model has 0 to {}", self.model.z_dim - 1));
                }
                self.act(act);
                count += 1;
            }
        }
        Ok(if count == 1 { "done".into() } else { format!("done, {count} values") })
    }

    /// Every address that a pattern can mean just now.
    fn plain_addresses(&self) -> Vec<String> {
        let mut all: Vec<String> =
            ADDRESSES.iter().filter(|a| !a.path.contains('<')).map(|a| a.path.to_owned()).collect();
        all.extend((0..self.model.z_dim).map(|i| format!("/flaneur/z/{i}")));
        let knobs = self.host.language.env.lock().controls.asked();
        all.extend(knobs.into_iter().map(|k| format!("/flaneur/knob/{}", k.name)));
        all
    }

    /// One line for the monitor; the oldest go. A rejection also goes to the board, at most once a second.
    fn note(&mut self, line: String) {
        let bad = line.contains(" rejected: ") || line.starts_with("refused ");
        if bad && self.real - self.told >= 1.0 {
            self.told = self.real;
            self.board.notice("osc", line.clone());
        }
        if self.monitor.len() >= 64 {
            self.monitor.pop_front();
        }
        self.monitor.push_back(line);
    }
}

/// A message as a line, cut to what a line holds.
fn shown(message: &Message) -> String {
    let values: Vec<String> = message
        .values
        .iter()
        .take(8)
        .map(|v| match v {
            Value::Number(v) => format!("{v}"),
            Value::Text(text) => format!("\"{}\"", text.chars().take(40).collect::<String>()),
            Value::Other => "?".into(),
        })
        .collect();
    let more = if message.values.len() > 8 { " …" } else { "" };
    let address: String = message.address.chars().take(80).collect();
    format!("{address} {}{more}", values.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_mean_what_the_table_says() {
        let n = |v: f64| vec![Value::Number(v)];
        assert_eq!(acts("/flaneur/z/12", &n(0.5)), Ok(vec![Act::Z(12, 0.5)]));
        assert_eq!(acts("/flaneur/z/clear", &[]), Ok(vec![Act::ZClear]));
        assert_eq!(
            acts("/flaneur/z", &[Value::Number(1.0), Value::Number(-1.0)]),
            Ok(vec![Act::Z(0, 1.0), Act::Z(1, -1.0)])
        );
        assert_eq!(acts("/flaneur/knob/first seed", &n(1.0)), Ok(vec![Act::Knob("first seed".into(), 1.0)]));
        assert_eq!(acts("/flaneur/out/blackout", &[]), Ok(vec![Act::SetBlack(true)]));
        assert_eq!(acts("/flaneur/clock/tap", &n(0.0)), Ok(vec![]));
    }

    #[test]
    fn what_cannot_be_done_has_a_reason() {
        let check = |path: &str, values: &[Value], why: &str| {
            let said = acts(path, values).unwrap_err();
            assert!(said.contains(why), "{path}: {said}");
        };
        check("/flaneur/knob/a", &[Value::Number(2.3)], "value 2.3 above maximum 1");
        check("/flaneur/knob/a", &[Value::Number(f64::NAN)], "not a number");
        check("/flaneur/knob/a", &[Value::Text("x".into())], "takes a number");
        check("/flaneur/knob/a", &[], "there is none");
        check("/flaneur/z/x", &[Value::Number(0.0)], "\"x\" is not a number");
        check("/flaneur/nothing", &[], "no such address");
        check("/flaneur/sketch/load", &[Value::Number(1.0)], "takes a text");
    }
}
