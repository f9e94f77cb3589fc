//! Mapping files: which control of which device moves what, in TOML that a performer reads and edits.
//!
//! One file a controller, in `presets/mappings`; read by `show`, written by [`super::learned`], which keeps comments.
//! Devices are named by a part of their port's name, never by number.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::grip::Takeover;
use super::hand::{Moved, Value, What};
use crate::files::{self, FileError};
use crate::hints::explained;

/// Where mapping files live.
pub const MAPPINGS: &str = "presets/mappings";
/// Most controls of one file.
const MOST: usize = 4096;

/// What a control sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A control change, 0..127.
    Cc,
    /// Two control changes as one value of 14 bits, 0..16383.
    Cc14,
    /// A non-registered parameter, 0..16383.
    Nrpn,
    /// Pressed or not.
    Note,
    /// How hard a note was pressed last.
    Velocity,
    /// The pitch wheel, 0..16383; the middle is 8192.
    PitchBend,
    /// With a number of that note, without of the channel.
    Aftertouch,
    /// An encoder without ends, on a control change.
    Relative,
    /// A program change.
    Program,
    /// A key of the keyboard, named by `key`.
    Key,
    /// The mouse over the picture: number 0 is x, 1 is y.
    Mouse,
}

/// How an endless encoder tells steps up from steps down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Two's complement: 1 is up, 127 down.
    #[default]
    Twos,
    /// Binary offset: 65 is up, 63 down.
    Offset,
    /// Sign and magnitude: 1 is up, 65 down.
    Sign,
}

impl Encoding {
    /// Steps that a value of 0..=127 stands for, up above 0.
    pub fn steps(self, value: u16) -> i32 {
        let value = i32::from(value.min(127));
        match self {
            Self::Twos if value >= 64 => value - 128,
            Self::Twos => value,
            Self::Offset => value - 64,
            Self::Sign if value >= 64 => 64 - value,
            Self::Sign => value,
        }
    }
}

/// The way from a control's position to its target's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Curve {
    /// Straight.
    #[default]
    Linear,
    /// Fine at the bottom.
    Exp,
    /// Fine at the top.
    Log,
    /// Fine at both ends.
    S,
}

/// How steep the exponential is.
const STEEP: f64 = 4.0;

impl Curve {
    /// A share 0..1 bent, 0 and 1 stay.
    pub fn bend(self, x: f64) -> f64 {
        match self {
            Self::Linear => x,
            Self::Exp => ((STEEP * x).exp() - 1.0) / (STEEP.exp() - 1.0),
            Self::Log => (1.0 + x * (STEEP.exp() - 1.0)).ln() / STEEP,
            Self::S => x * x * (3.0 - 2.0 * x),
        }
    }

    /// The share that [`Self::bend`] takes to `y`.
    pub fn unbend(self, y: f64) -> f64 {
        match self {
            Self::Linear => y,
            Self::Exp => Self::Log.bend(y),
            Self::Log => Self::Exp.bend(y),
            // The root of the cubic that lies in 0..1.
            Self::S => 0.5 - ((1.0 - 2.0 * y).clamp(-1.0, 1.0).asin() / 3.0).sin(),
        }
    }
}

/// What a press does to a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Button {
    /// A press turns it on, the next one off.
    Toggle,
    /// On while it is held.
    Hold,
}

/// One line of a file as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Of this control, where it is another than the file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What the control sends.
    pub kind: Kind,
    /// 1..16; none for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<u8>,
    /// Controller, note, parameter or program, from 0; none for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u16>,
    /// The character of a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// This and the following numbers, to this and the following targets.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u16,
    /// `knob[0]`, `z[3]`, `z[0..8]`, or an address.
    pub target: String,
    /// The target's value at the control's bottom, in the target's unit; none for the bottom of the target's range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The target's value at the control's top, in the target's unit; none for the top of the target's range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// How the way from `min` to `max` is bent.
    #[serde(default)]
    pub curve: Curve,
    /// Turned around: the control's bottom is the target's top.
    #[serde(default)]
    pub invert: bool,
    /// What happens when control and target stand apart; none for pickup, or jump where a control comes back by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takeover: Option<Takeover>,
    /// Milliseconds over which steps are smoothed; none for the usual time of the control's resolution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smooth_ms: Option<f64>,
    /// Send the target's value back to the control: to its lamp or motor.
    #[serde(default)]
    pub feedback: bool,
    /// How an encoder without ends tells up from down.
    #[serde(default)]
    pub encoding: Encoding,
    /// Share of the range for one step of an encoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// What a press does; none for toggle on a switch, hold on a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub button: Option<Button>,
    /// What a press sends to a target that takes a text or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

fn one() -> u16 {
    1
}

// Serde hands over a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_one(count: &u16) -> bool {
    *count == 1
}

/// What a control moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The running sketch's knob of that place in its list.
    Knob(usize),
    /// An address, as `/flaneur/z/3`.
    Address(String),
}

impl Target {
    /// `knob[0]`, `z[3]`, `z[0..8]` or an address; `further` counts on to the following ones.
    ///
    /// # Errors
    /// A sentence if it is none of these, or has nothing to count.
    pub fn read(text: &str, further: usize) -> Result<Self, String> {
        let inside = |name: &str| text.trim().strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']');
        let wrong =
            || format!("\"{text}\" is no target; write knob[0], z[3], z[0..8], or an address of flaneur addresses");
        if let Some(at) = inside("knob") {
            return Ok(Self::Knob(at.trim().parse::<usize>().map_err(|_| wrong())? + further));
        }
        if let Some(at) = inside("z") {
            let number = |word: &str| word.trim().parse::<usize>().map_err(|_| wrong());
            return Ok(Self::Address(match at.split_once("..") {
                Some((from, to)) => {
                    let (from, to) = (number(from)?, number(to)?);
                    let shift = to.checked_sub(from).filter(|n| *n > 0).ok_or_else(wrong)? * further;
                    format!("/flaneur/z/{}..{}", from + shift, to + shift)
                }
                None => format!("/flaneur/z/{}", number(at)? + further),
            }));
        }
        if !text.starts_with('/') {
            return Err(wrong());
        }
        let counted = text.rsplit_once('/').and_then(|(head, last)| Some((head, last.parse::<usize>().ok()?)));
        Ok(Self::Address(match counted {
            Some((head, last)) => format!("{head}/{}", last + further),
            None => text.to_owned(),
        }))
    }
}

/// A port's name without the system's number at its end ("… 20:0"), which is another one after each plugging in.
pub fn without_number(port: &str) -> &str {
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let numbered = |end: &str| end.split_once(':').is_some_and(|(a, b)| digits(a) && digits(b));
    match port.trim_end().rsplit_once(' ') {
        Some((name, end)) if numbered(end) => name.trim_end(),
        _ => port,
    }
}

/// Part of a port's name, and which of several such devices it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// In lower case; "*" for those that nobody names.
    pub part: String,
    /// Counted from 0; none for all of them.
    pub nth: Option<usize>,
}

impl Device {
    /// Reads "name" or "name#2".
    pub fn read(text: &str) -> Self {
        let text = without_number(text);
        let counted = text.rsplit_once('#').and_then(|(part, n)| Some((part, n.trim().parse::<usize>().ok()?)));
        match counted {
            Some((part, n)) if n > 0 => Self { part: part.trim().to_lowercase(), nth: Some(n - 1) },
            _ => Self { part: text.trim().to_lowercase(), nth: None },
        }
    }

    /// Whether it means the port at `index` of `ports`.
    pub fn is(&self, ports: &[String], index: usize) -> bool {
        let named = |port: &String| port.to_lowercase().contains(&self.part);
        ports.get(index).is_some_and(named)
            && self.nth.is_none_or(|nth| ports.iter().take(index).filter(|port| named(port)).count() == nth)
    }
}

/// A whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Layout of this file; 1.
    pub version: u32,
    /// For people.
    #[serde(default)]
    pub name: String,
    /// Part of the port's name, in any case; "*" for devices that no other file names.
    #[serde(default)]
    pub device: String,
    /// The controls of the file, in its order.
    #[serde(default)]
    pub map: Vec<Entry>,
}

/// What is wrong with a mapping file.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// The file can be read, and what it says cannot be taken.
    #[error("{path}: {why}", path = path.display())]
    Wrong {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it, with the line.
        why: String,
    },
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Mapping {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// With the line of what is wrong, and what was probably meant.
    pub fn read(path: &Path) -> Result<Self, MappingError> {
        let text = files::read_text(path)?;
        Self::parse(&text).map_err(|why| MappingError::Wrong { path: path.into(), why })
    }

    /// Reads and checks a text.
    ///
    /// # Errors
    /// A sentence with the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mapping: Self = toml::from_str(text).map_err(|e| explained(text, &e))?;
        if mapping.version != 1 {
            return Err(format!("version {} is not known to this program; use a newer one, or 1", mapping.version));
        }
        let lines: Vec<usize> = text
            .lines()
            .enumerate()
            .filter(|(_, l)| l.trim_start().starts_with("[[map]]"))
            .map(|(i, _)| i + 1)
            .collect();
        for (i, entry) in mapping.map.iter().enumerate() {
            let line = lines.get(i).map_or(String::new(), |line| format!("line {line}: "));
            entry.check(&mapping.device).map_err(|why| format!("{line}{why}"))?;
        }
        if mapping.map.iter().map(|e| usize::from(e.count)).sum::<usize>() > MOST {
            return Err(format!("more than {MOST} controls"));
        }
        Ok(mapping)
    }
}

impl Entry {
    fn check(&self, device: &str) -> Result<(), String> {
        let plain = matches!(self.kind, Kind::Key | Kind::Mouse);
        if self.device.as_deref().unwrap_or(device).is_empty() && !plain {
            return Err("no device: write device = \"a part of the port's name\", at the top or here".into());
        }
        if self.channel.is_some_and(|c| !(1..=16).contains(&c)) {
            return Err("a channel is 1 to 16; without it any will do".into());
        }
        let most: u16 = match self.kind {
            Kind::Cc14 => 31,
            Kind::Nrpn => 16_383,
            Kind::Mouse => 1,
            _ => 127,
        };
        let free = matches!(self.kind, Kind::PitchBend | Kind::Aftertouch | Kind::Program | Kind::Key);
        match self.number {
            None if !free => return Err(format!("it needs a number, 0 to {most}")),
            Some(n) if usize::from(n) + usize::from(self.count.max(1)) - 1 > usize::from(most) => {
                return Err(format!("number {n} with a count of {} goes beyond {most}", self.count));
            }
            _ => {}
        }
        if self.kind == Kind::Key && self.character().is_none() {
            return Err("a key needs its character: key = \"q\"".into());
        }
        if self.count == 0 {
            return Err("a count is at least 1".into());
        }
        let finite = [self.min, self.max, self.smooth_ms, self.step].into_iter().flatten().all(f64::is_finite);
        if !finite || self.smooth_ms.is_some_and(|ms| !(0.0..=60_000.0).contains(&ms)) {
            return Err("min, max and step are plain numbers, smooth_ms is 0 to 60000".into());
        }
        Target::read(&self.target, usize::from(self.count) - 1).map(drop)
    }

    /// The number of a key.
    pub fn character(&self) -> Option<u16> {
        let mut chars = self.key.as_deref()?.chars();
        let c = chars.next().filter(|_| chars.next().is_none())?;
        u16::try_from(u32::from(c)).ok()
    }

    /// The usual entry for a control that was touched.
    pub fn heard(device: &str, kind: Kind, moved: &Moved, target: &str) -> Self {
        let numbered = !matches!(moved.what, What::PitchBend | What::Pressure | What::Key);
        let key = (moved.what == What::Key).then(|| char::from_u32(moved.number.into()).map(String::from)).flatten();
        Self {
            device: (!device.is_empty()).then(|| device.to_owned()),
            kind,
            channel: (moved.channel > 0).then_some(moved.channel),
            number: numbered.then_some(moved.number),
            key,
            count: 1,
            target: target.to_owned(),
            min: None,
            max: None,
            curve: Curve::Linear,
            invert: false,
            takeover: None,
            smooth_ms: None,
            feedback: !matches!(kind, Kind::Key | Kind::Mouse),
            encoding: Encoding::Twos,
            step: None,
            button: None,
            value: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let head = "version = 1\ndevice = \"x\"\n[[map]]\n";
        for (text, word) in [
            ("version = 2", "newer"),
            (&format!("{head}kind = \"cc\"\nnumber = 1\ntarget = \"z[0]\"\nmni = 3"), "did you mean min?"),
            (&format!("{head}kind = \"cc\"\ntarget = \"z[0]\""), "line 3: it needs a number"),
            (&format!("{head}kind = \"cc14\"\nnumber = 40\ntarget = \"z[0]\""), "beyond 31"),
            (&format!("{head}kind = \"cc\"\nnumber = 1\ntarget = \"w[0]\""), "is no target"),
            (&format!("{head}kind = \"key\"\nkey = \"qq\"\ntarget = \"z[0]\""), "a key needs its character"),
            ("version = 1\n[[map]]\nkind = \"cc\"\nnumber = 1\ntarget = \"z[0]\"", "line 2: no device"),
        ] {
            let why = Mapping::parse(text).unwrap_err();
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn targets_count_on() {
        let check = |text: &str, further, address: &str| {
            assert_eq!(Target::read(text, further), Ok(Target::Address(address.into())));
        };
        check("z[3]", 2, "/flaneur/z/5");
        check("z[0..8]", 1, "/flaneur/z/8..16");
        check("/flaneur/note/36", 1, "/flaneur/note/37");
        check("/flaneur/out/fade", 1, "/flaneur/out/fade");
        assert_eq!(Target::read("knob[2]", 1), Ok(Target::Knob(3)));
        assert!(Target::read("z[8..3]", 0).is_err());
    }

    #[test]
    fn identical_devices_are_told_apart_by_order() {
        let ports = ["Through", "nanoKONTROL2 20:0", "NANOKONTROL2 24:0"].map(String::from);
        let is = |text: &str| (0..3).filter(|i| Device::read(text).is(&ports, *i)).collect::<Vec<_>>();
        assert_eq!(is("nanoKONTROL2 28:0"), [1, 2]);
        assert_eq!((is("nanokontrol2"), is("nanoKONTROL2#2"), is("nano#1")), (vec![1, 2], vec![2], vec![1]));
    }

    #[test]
    fn curves_have_their_inverses() {
        for curve in [Curve::Linear, Curve::Exp, Curve::Log, Curve::S] {
            for i in 0..=20 {
                let x = f64::from(i) / 20.0;
                assert!((curve.unbend(curve.bend(x)) - x).abs() < 1e-6, "{curve:?} {x}");
            }
        }
        assert_eq!([1, 127, 64].map(|v| Encoding::Twos.steps(v)), [1, -1, -64]);
        assert_eq!([65, 63, 64].map(|v| Encoding::Offset.steps(v)), [1, -1, 0]);
        assert_eq!([1, 65, 64].map(|v| Encoding::Sign.steps(v)), [1, -1, 0]);
    }
}
