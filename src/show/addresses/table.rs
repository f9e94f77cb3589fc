//! The table itself: every address, and the keys that work one.

use super::{Address, Given, Reading, Takes};
use crate::control::hand::Value;
use crate::control::{Dial, FARTHEST_Z};
use crate::osc::Kind;
use crate::show::scene::Act;

fn flag(on: bool) -> Option<Value> {
    Some(Value::Number(f64::from(u8::from(on))))
}

fn number(value: f64) -> Option<Value> {
    Some(Value::Number(value))
}

const fn address(
    path: &'static str,
    takes: Takes,
    says: &'static str,
    act: fn(&Given) -> Result<Vec<Act>, String>,
    read: Option<fn(&Reading) -> Option<Value>>,
) -> Address {
    Address { path, takes, says, reach: None, act, read }
}

/// The same, for controls that should not reach the ends of the range.
const fn reaching(address: Address, reach: [f64; 2]) -> Address {
    Address { reach: Some(reach), ..address }
}

const fn dial(
    path: &'static str,
    dial: Dial,
    says: &'static str,
    act: fn(&Given) -> Result<Vec<Act>, String>,
    read: fn(&Reading) -> Option<Value>,
) -> Address {
    let [min, max] = dial.range();
    address(path, Takes::Number { min, max }, says, act, Some(read))
}

const fn tells(path: &'static str, kind: Kind, says: &'static str, read: fn(&Reading) -> Option<Value>) -> Address {
    address(path, Takes::Tells(kind), says, |_| Err("it only tells".into()), Some(read))
}

const SHARE: Takes = Takes::Number { min: 0.0, max: 1.0 };
const OFFSETS: Takes = Takes::Numbers { min: -FARTHEST_Z, max: FARTHEST_Z };
/// z as people move it.
const Z_REACH: [f64; 2] = [-3.0, 3.0];

/// All addresses.
pub const ADDRESSES: &[Address] = &[
    reaching(
        address(
            "/flaneur/z/<i>",
            OFFSETS,
            "Added to one dimension of z, or to a range such as 0..8, on top of the sketch.",
            |g| g.each(Act::Z),
            Some(|r| number(r.controls.offset(r.part.parse().ok()?))),
        ),
        Z_REACH,
    ),
    reaching(
        address(
            "/flaneur/z/<i>/set",
            OFFSETS,
            "Sets one dimension of z, or a range, over the sketch.",
            |g| g.each(Act::ZSet),
            Some(|r| number(r.controls.over(r.part.parse().ok()?).unwrap_or(0.0))),
        ),
        Z_REACH,
    ),
    address(
        "/flaneur/z/<i>/free",
        Takes::Trigger,
        "Gives one dimension, or a range, back to the sketch.",
        |g| g.each(|i, _| Act::ZFree(i)),
        None,
    ),
    address(
        "/flaneur/z",
        OFFSETS,
        "Added to many dimensions, from 0.",
        |g| Ok(g.numbers.iter().enumerate().map(|(i, v)| Act::Z(i, *v as f32)).collect()),
        None,
    ),
    address(
        "/flaneur/z/clear",
        Takes::Trigger,
        "Gives all of z back to the sketch.",
        |_| Given::one(Act::ZClear),
        None,
    ),
    dial(
        "/flaneur/truncation",
        Dial::Truncation,
        "psi: z times this; below 1 typical and calm, above 1 wild.",
        |g| Given::one(Act::Dial(Dial::Truncation, g.number)),
        |r| r.dial(Dial::Truncation),
    ),
    address(
        "/flaneur/knob/<name>",
        SHARE,
        "A knob that the sketch names.",
        |g| Given::one(Act::Knob(g.part.into(), g.number as f32)),
        Some(|r| number(r.controls.state(&r.controls.named(r.part))?.goal)),
    ),
    address(
        "/flaneur/hit/<name>",
        Takes::Trigger,
        "A trigger, for c.hit(name).",
        |g| Given::one(Act::Hit(g.part.into())),
        None,
    ),
    address(
        "/flaneur/note/<n>",
        SHARE,
        "How hard a note 0 to 127 is held, for c.note(n).",
        |g| match g.part.parse::<usize>() {
            Ok(n) if n < 128 => Given::one(Act::Note(n, g.number as f32)),
            _ => Err(format!("\"{}\" is no note 0 to 127", g.part)),
        },
        None,
    ),
    reaching(
        dial(
            "/flaneur/walk/speed",
            Dial::Speed,
            "Walk speed; 1 is normal.",
            |g| Given::one(Act::Dial(Dial::Speed, g.number)),
            |r| r.dial(Dial::Speed),
        ),
        [0.0, 4.0],
    ),
    address(
        "/flaneur/walk/hold",
        Takes::Switch,
        "Holds the walk.",
        |g| Given::one(Act::SetHold(g.on())),
        Some(|r| flag(r.show.clock.held())),
    ),
    dial(
        "/flaneur/walk/phase",
        Dial::Phase,
        "Pushes the walk along its time: 1 is sixteen beats further.",
        |g| Given::one(Act::Dial(Dial::Phase, g.number)),
        |r| r.dial(Dial::Phase),
    ),
    address(
        "/flaneur/sketch/load",
        Takes::Text,
        "Another sketch, by name or path, or by its place in the list.",
        |g| Given::one(Act::Sketch(g.text.into())),
        Some(|r| Some(Value::Text(r.show.sketch_name()))),
    ),
    address("/flaneur/sketch/reload", Takes::Trigger, "Reads the sketch again.", |_| Given::one(Act::Reload), None),
    address(
        "/flaneur/model/load",
        Takes::Text,
        "Another model, by name or path, or by its place in the list.",
        |g| Given::one(Act::Model(g.text.into())),
        Some(|r| Some(Value::Text(r.show.model.name.clone()))),
    ),
    address(
        "/flaneur/model/mix",
        SHARE,
        "How much of the model at work is seen: 0 is the one before, a blend of weights in between.",
        |g| Given::one(Act::Mix(g.number)),
        Some(|r| number(r.show.mix)),
    ),
    address(
        "/flaneur/preset/load",
        Takes::Text,
        "Another preset, by name or path, or by its place in the list.",
        |g| Given::one(Act::Preset(g.text.into())),
        Some(|r| Some(Value::Text(r.show.preset_name.clone()))),
    ),
    address(
        "/flaneur/snap/store",
        Takes::Name,
        "Stores a snapshot under a name; 1 to 9 are also on the keys.",
        |g| Given::one(Act::Store(g.text.into())),
        None,
    ),
    address(
        "/flaneur/snap/recall",
        Takes::Name,
        "Recalls a snapshot, in so many seconds.",
        |g| Given::one(Act::Recall(g.text.into(), g.secs)),
        Some(|r| Some(Value::Text(r.show.recalled.clone()))),
    ),
    address(
        "/flaneur/out/blackout",
        Takes::Switch,
        "Black, fading.",
        |g| Given::one(Act::SetBlack(g.on())),
        Some(|r| flag(r.show.lights.state().0)),
    ),
    address(
        "/flaneur/out/freeze",
        Takes::Switch,
        "Keeps the picture, fading.",
        |g| Given::one(Act::SetFrozen(g.on())),
        Some(|r| flag(r.show.lights.state().1)),
    ),
    dial(
        "/flaneur/out/fade",
        Dial::Fade,
        "Light of the output; 0 is black.",
        |g| Given::one(Act::Dial(Dial::Fade, g.number)),
        |r| r.dial(Dial::Fade),
    ),
    address(
        "/flaneur/out/hush",
        Takes::Switch,
        "Black and held at once, nothing killed.",
        |g| Given::one(Act::SetHush(g.on())),
        Some(|r| flag(r.show.lights.hushed())),
    ),
    reaching(
        address(
            "/flaneur/clock/bpm",
            Takes::Number { min: 20.0, max: 400.0 },
            "Beats a minute; a MIDI clock has precedence.",
            |g| Given::one(Act::Tempo(g.number)),
            Some(|r| number(r.show.clock.bpm())),
        ),
        [60.0, 180.0],
    ),
    address("/flaneur/clock/tap", Takes::Trigger, "One tap of the tempo.", |_| Given::one(Act::Tap), None),
    address(
        "/flaneur/clock/beat",
        Takes::Number { min: 0.0, max: 1e9 },
        "Puts the walk to this beat.",
        |g| Given::one(Act::Beat(g.number)),
        None,
    ),
    address("/flaneur/rec/start", Takes::Trigger, "Starts a recording.", |_| Given::one(Act::SetRecording(true)), None),
    address("/flaneur/rec/stop", Takes::Trigger, "Ends the recording.", |_| Given::one(Act::SetRecording(false)), None),
    address(
        "/flaneur/rec/recording",
        Takes::Switch,
        "Whether a recording runs.",
        |g| Given::one(Act::SetRecording(g.on())),
        Some(|r| flag(r.show.recording.state(r.show.real).is_some())),
    ),
    address(
        "/flaneur/take/log",
        Takes::Switch,
        "Logs every move of every hand, to be filmed again: flaneur film --take.",
        |g| Given::one(Act::SetTake(g.on())),
        Some(|r| flag(r.show.take.is_some())),
    ),
    address("/flaneur/still", Takes::Trigger, "Writes a still.", |_| Given::one(Act::Still), None),
    tells("/flaneur/stat/frame_ms", Kind::Float, "Milliseconds of a frame, the median.", |r| number(r.show.stat.p50)),
    tells("/flaneur/stat/frame_p99_ms", Kind::Float, "The same, of the slowest in a hundred.", |r| {
        number(r.show.stat.p99)
    }),
    tells("/flaneur/stat/fps", Kind::Float, "Frames a second.", |r| number(r.show.stat.fps)),
    tells("/flaneur/stat/late", Kind::Int, "Frames that came late.", |r| number(r.show.timing.late as f64)),
    tells("/flaneur/stat/board", Kind::Text, "The worst fault on the report board; empty if there is none.", |r| {
        Some(Value::Text(r.show.stat.board.clone()))
    }),
];

/// One key: which, the address it works, what it does to it, and a sentence.
pub struct Key {
    /// The letter, or the name of the key; "1" stands for 1 to 9.
    pub key: &'static str,
    pub address: &'static str,
    pub act: Act,
    pub says: &'static str,
}

const fn key(key: &'static str, address: &'static str, act: Act, says: &'static str) -> Key {
    Key { key, address, act, says }
}

/// The keys that work an address. Digits, which name one of nine, are the stage's own.
pub const KEYS: &[Key] = &[
    key("Ctrl-S", "/flaneur/sketch/reload", Act::Reload, "read the sketch again (saving it does the same)"),
    key("Ctrl-.", "/flaneur/out/hush", Act::Hush, "hush: black and held, nothing killed; again brings it back"),
    key("B", "/flaneur/out/blackout", Act::Blackout, "blackout"),
    key("F", "/flaneur/out/freeze", Act::Freeze, "freeze the picture"),
    key("Space", "/flaneur/walk/hold", Act::Hold, "hold the walk"),
    key("R", "/flaneur/rec/recording", Act::Record, "record"),
    key("Ctrl-R", "/flaneur/take/log", Act::Take, "log a take: every move of every hand"),
    key("S", "/flaneur/still", Act::Still, "a still"),
];
