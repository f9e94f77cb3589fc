//! What a person can do to a show, from keys, the desk or a message: the acts that the table of addresses gives.

use serde::{Deserialize, Serialize};

use crate::control::Dial;
pub use crate::show::learning::Training;

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
    /// Toggles.
    Blackout,
    Freeze,
    Hold,
    Record,
    /// Black and held; nothing killed. Again brings it back.
    Hush,
    /// The log of a take.
    Take,
    /// The same, to a state.
    SetBlack(bool),
    SetFrozen(bool),
    SetHold(bool),
    SetRecording(bool),
    SetHush(bool),
    SetTake(bool),
    /// A still of this frame as a PNG.
    Still,
    /// Reads the sketch again though its file did not change.
    Reload,
    /// Beats per minute, or one tap.
    Tempo(f64),
    Tap,
    /// Puts the walk to this beat.
    Beat(f64),
    /// Something about the training beside the show.
    Train(Training),
    /// Waits for a control to be touched, or no longer.
    Learn,
    /// The control that was touched is for this target from now on.
    LearnTo(String),
    Quit,
}
