//! Who moved something, and what moved: the events of controllers in one form, whatever they are.
//!
//! Given by `midi`, the keys and the mouse; read by [`super::mapper`]. Device numbers stay in here: what a
//! control does is said by mapping files.

use serde::{Deserialize, Serialize};

/// Who turns, and how smoothly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hand {
    /// "desk", "key", "osc 127.0.0.1:5000", "midi nanoKONTROL2": as monitors show it.
    pub who: String,
    /// Time constant of what it turns in seconds; none for the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smooth_secs: Option<f64>,
}

impl Hand {
    /// A hand of that name.
    pub fn new(who: impl Into<String>, smooth_secs: Option<f64>) -> Self {
        Self { who: who.into(), smooth_secs }
    }
}

/// An argument of a message or a mapping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Floats, integers, true and false: people's programs send what they have.
    Number(f64),
    /// A text: a name, a path, a choice.
    Text(String),
    /// Blobs, colours and the like, which nothing here takes.
    Other(()),
}

/// What kind of control moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// 0..=127.
    Cc,
    /// Two control changes as one, 0..=16383.
    Cc14,
    /// 0..=16383.
    Nrpn,
    /// The velocity, 0 is let go.
    Note,
    /// 0..=16383, the middle is 8192.
    PitchBend,
    /// Of a channel.
    Pressure,
    /// Of one note.
    PolyPressure,
    /// `number` is the program.
    Program,
    /// A key of the keyboard, as its character; 127 down, 0 up.
    Key,
    /// The mouse over the picture: number 0 is x, 1 is y, 0..=16383.
    Mouse,
}

impl What {
    /// The largest value.
    pub fn top(self) -> u16 {
        match self {
            Self::Cc14 | Self::Nrpn | Self::PitchBend | Self::Mouse => 16_383,
            _ => 127,
        }
    }
}

/// One movement of one control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Which kind of message it was.
    pub what: What,
    /// 1..=16; 0 for keys and the mouse.
    pub channel: u8,
    /// Controller, note, parameter or program; the character of a key; 0 is x and 1 is y of the mouse.
    pub number: u16,
    /// 0 to [`What::top`].
    pub value: u16,
}
