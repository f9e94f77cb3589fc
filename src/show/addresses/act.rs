//! What a person can do to a show, from keys, the desk or a message: the acts that the table of addresses gives.

use serde::{Deserialize, Serialize};

use crate::control::Dial;
pub use crate::show::lesson::Training;

/// Something that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// Black, fading.
    Blackout,
    /// The picture stays, fading.
    Freeze,
    /// The walk stands.
    Hold,
    /// Black and held at once; nothing killed.
    Hush,
    /// The picture never flashes more than three times in a second.
    Limit,
    /// A recording.
    Recording,
    /// The log of a take.
    Take,
}

/// What a person can do, from keys, the desk or a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// A knob by name, 0..1.
    Knob(String, f32),
    /// An offset on one dimension of z, on top of the sketch.
    Z(usize, f32),
    /// One dimension of z, over the sketch.
    ZSet(usize, f32),
    /// One dimension back to the sketch.
    ZFree(usize),
    /// All of z back to the sketch.
    ZClear,
    /// How much of a class, by its name, 0..1.
    Class(String, f32),
    /// How far along a direction of W, by its name or number.
    Direction(String, f64),
    /// How much of the other style a layer takes, 0..1.
    Layer(usize, f64),
    /// A dial, in its range.
    Dial(Dial, f64),
    /// A trigger by name (`c.hit(name)`), as a key press is.
    Hit(String),
    /// The mouse over the picture, 0..1 from the top left corner of the frame: the knobs `mouse_x`, `mouse_y`.
    Mouse(f32, f32),
    /// A note 0..127 and how hard it is held, 0..1.
    Note(usize, f32),
    /// Another sketch, by name or path, or by its place in the list.
    Sketch(String),
    /// Another model, likewise.
    Model(String),
    /// How much of the model at work is seen, 0..1, against the one before.
    Mix(f64),
    /// Another preset, likewise.
    Preset(String),
    /// Stores a snapshot under a name; 1 to 9 are the keys.
    Store(String),
    /// Recalls one, in the preset's time or in so many seconds.
    Recall(String, Option<f64>),
    /// On or off; without a state the other of both.
    Switch(Switch, Option<bool>),
    /// A still of this frame as a PNG.
    Still,
    /// Reads the sketch again though its file did not change.
    Reload,
    /// Beats per minute, or one tap.
    Tempo(f64),
    /// One tap of the tempo.
    Tap,
    /// Puts the walk to this beat.
    Beat(f64),
    /// Something about the training beside the show.
    Train(Training),
    /// Waits for a control to be touched, or no longer.
    Learn,
    /// The control that was touched is for this target from now on.
    LearnTo(String),
    /// Ends the show.
    Quit,
}

impl Act {
    /// A switch to the other of its states.
    pub const fn toggle(switch: Switch) -> Self {
        Self::Switch(switch, None)
    }

    /// A switch to a state.
    pub const fn set(switch: Switch, on: bool) -> Self {
        Self::Switch(switch, Some(on))
    }
}

/// A switch as logs of takes had it at first, one name for each of its two forms; to be read as it is written now.
pub fn modern(act: &serde_json::Value) -> Option<serde_json::Value> {
    const NAMES: [(&str, &str, Switch); 6] = [
        ("blackout", "set_black", Switch::Blackout),
        ("freeze", "set_frozen", Switch::Freeze),
        ("hold", "set_hold", Switch::Hold),
        ("hush", "set_hush", Switch::Hush),
        ("record", "set_recording", Switch::Recording),
        ("take", "set_take", Switch::Take),
    ];
    let found = NAMES.iter().find_map(|(toggle, set, switch)| match act.as_str() {
        Some(name) => (name == *toggle).then_some(Act::toggle(*switch)),
        None => Some(Act::set(*switch, act.get(*set)?.as_bool()?)),
    });
    serde_json::to_value(found?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_of_older_takes_are_read() {
        let read =
            |text: &str| modern(&serde_json::from_str(text).unwrap()).map(|v| serde_json::from_value(v).unwrap());
        assert_eq!(read("\"blackout\""), Some(Act::toggle(Switch::Blackout)));
        assert_eq!(read("{\"set_frozen\": true}"), Some(Act::set(Switch::Freeze, true)));
        assert_eq!(read("\"still\""), None::<Act>);
    }
}
