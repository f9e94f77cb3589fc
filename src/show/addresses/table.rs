//! The table itself: every address. A training's settings are rows of their own table (`trainer::settings`), each listed
//! after the address that it names.

use super::{Act, Address, Given, Kinds, Reading, Switch, Takes, Training, Works};
use crate::control::hand::Value;
use crate::control::styles::FARTHEST;
use crate::control::{Dial, FARTHEST_Z};
use crate::osc::Kind;
use crate::trainer::settings::{SETTINGS, Setting, Settings};

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
    Address { path, takes, says, reach: None, works: Works::Act(act), read }
}

/// One that a kind of act works.
const fn kind(kind: Kinds, address: Address) -> Address {
    let works = match address.works {
        Works::Act(act) => Works::Part(kind, act),
        works => works,
    };
    Address { works, ..address }
}

/// The same, for controls that should not reach the ends of the range.
const fn reaching(address: Address, reach: [f64; 2]) -> Address {
    Address { reach: Some(reach), ..address }
}

const fn dial(path: &'static str, dial: Dial, says: &'static str) -> Address {
    let [min, max] = dial.range();
    Address { path, takes: Takes::Number { min, max }, says, reach: None, works: Works::Dial(dial), read: None }
}

const fn switch(
    path: &'static str,
    switch: Switch,
    says: &'static str,
    read: fn(&Reading) -> Option<Value>,
) -> Address {
    Address { path, takes: Takes::Switch, says, reach: None, works: Works::Switch(switch), read: Some(read) }
}

const fn tells(path: &'static str, kind: Kind, says: &'static str, read: fn(&Reading) -> Option<Value>) -> Address {
    Address { path, takes: Takes::Tells(kind), says, reach: None, works: Works::Nothing, read: Some(read) }
}

/// The address of a setting.
const fn of_setting(setting: &'static Setting) -> Address {
    let [min, max] = setting.range;
    let (takes, works) = (Takes::Number { min, max }, Works::Setting(setting));
    Address { path: setting.path, takes, says: setting.says, reach: setting.reach, works, read: None }
}

/// The rows, and behind each those settings that are listed after it.
const fn with_settings() -> [Address; ROWS.len() + SETTINGS.len()] {
    let mut all = [ROWS[0]; ROWS.len() + SETTINGS.len()];
    let (mut count, mut row) = (0, 0);
    while row < ROWS.len() {
        all[count] = ROWS[row];
        (count, row) = (count + 1, row + 1);
        let mut at = 0;
        while at < SETTINGS.len() {
            match is_under_train(all[count - 1].path, SETTINGS[at].after) {
                // Others may be listed after this one.
                true => {
                    all[count] = of_setting(&SETTINGS[at]);
                    (count, at) = (count + 1, 0);
                }
                false => at += 1,
            }
        }
    }
    // A row that names no address would be missing here.
    assert!(count == all.len());
    all
}

/// Whether a path is this name under `/flaneur/train/`.
const fn is_under_train(path: &str, name: &str) -> bool {
    let (path, before, name) = (path.as_bytes(), b"/flaneur/train/", name.as_bytes());
    if path.len() != before.len() + name.len() {
        return false;
    }
    let mut at = 0;
    while at < path.len() {
        let is = if at < before.len() { before[at] } else { name[at - before.len()] };
        if path[at] != is {
            return false;
        }
        at += 1;
    }
    true
}

/// Sets something of the training.
fn set(settings: Settings) -> Result<Vec<Act>, String> {
    Given::one(Act::Train(Training::Set(settings)))
}

/// Layers that have an address.
const MOST_STYLES: usize = 32;
const SHARE: Takes = Takes::Number { min: 0.0, max: 1.0 };
const OFFSETS: Takes = Takes::Numbers { min: -FARTHEST_Z, max: FARTHEST_Z };
/// z as people move it.
const Z_REACH: [f64; 2] = [-3.0, 3.0];

/// All addresses.
pub const ADDRESSES: &[Address] = &with_settings();

/// All addresses but a training's settings.
const ROWS: [Address; 94] = [
    reaching(
        kind(
            Kinds::Z,
            address(
                "/flaneur/z/<i>",
                OFFSETS,
                "Added to one dimension of z, or to a range such as 0..8; the sketch goes on.",
                |g| g.each(Act::Z),
                Some(|r| number(r.show.controls.offset(r.part.parse().ok()?))),
            ),
        ),
        Z_REACH,
    ),
    reaching(
        kind(
            Kinds::ZSet,
            address(
                "/flaneur/z/<i>/set",
                OFFSETS,
                "Sets one dimension of z, or a range, instead of what the sketch gives.",
                |g| g.each(Act::ZSet),
                Some(|r| number(r.show.controls.over(r.part.parse().ok()?).unwrap_or(0.0))),
            ),
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
        "Gives all of z back to the sketch; a texture that was slid goes back, too.",
        |_| Given::one(Act::ZClear),
        None,
    ),
    reaching(
        dial("/flaneur/texture/drift_x", Dial::DriftX, "How fast a texture slides to the right, pixels a second."),
        [-100.0, 100.0],
    ),
    reaching(
        dial("/flaneur/texture/drift_y", Dial::DriftY, "How fast a texture slides down, pixels a second."),
        [-100.0, 100.0],
    ),
    dial(
        "/flaneur/texture/0/amount",
        Dial::Size0,
        "How strong a texture's finest structures are; 0 leaves them alone.",
    ),
    dial("/flaneur/texture/1/amount", Dial::Size1, "The same of structures twice as large."),
    dial("/flaneur/texture/2/amount", Dial::Size2, "Four times as large."),
    dial("/flaneur/texture/3/amount", Dial::Size3, "Eight times as large."),
    dial("/flaneur/texture/4/amount", Dial::Size4, "Sixteen times as large."),
    dial("/flaneur/texture/5/amount", Dial::Size5, "The coarsest ones."),
    dial("/flaneur/then", Dial::Then, "How much is seen of the filters behind the generator; 0 is the plain picture."),
    dial(
        "/flaneur/truncation",
        Dial::Truncation,
        "psi: z times this, or w from the mean of all; below 1 typical and calm, above 1 wild.",
    ),
    dial(
        "/flaneur/truncation/cutoff",
        Dial::Cutoff,
        "So many layers of a StyleGAN2 follow psi, from the coarsest; 0 is all.",
    ),
    kind(
        Kinds::Direction,
        address(
            "/flaneur/direction/<n>",
            Takes::Number { min: -FARTHEST, max: FARTHEST },
            "How far along a direction of W, by its name or number.",
            |g| Given::one(Act::Direction(g.part.into(), g.number)),
            Some(|r| number(r.show.controls.direction_goal(r.part))),
        ),
    ),
    kind(
        Kinds::Layer,
        address(
            "/flaneur/style/<layer>/amount",
            SHARE,
            "How much of the other style a layer of a StyleGAN2 takes, from 0, the coarsest.",
            |g| match g.part.parse::<usize>() {
                Ok(layer) if layer < MOST_STYLES => Given::one(Act::Layer(layer, g.number)),
                _ => Err(format!("\"{}\" is no layer; they are numbers from 0", g.part)),
            },
            Some(|r| number(r.show.controls.layer_goal(r.part.parse().ok()?))),
        ),
    ),
    dial("/flaneur/style/seed", Dial::OtherSeed, "The seed of that other style."),
    dial("/flaneur/noise/strength", Dial::Noise, "How strong a StyleGAN2's noise is; 1 as it was trained, 0 none."),
    dial("/flaneur/noise/seed", Dial::NoiseSeed, "Seed of its noise; 0 is the model's own."),
    dial("/flaneur/noise/turn", Dial::NoiseTurn, "How much of its noise runs along a loop."),
    dial("/flaneur/noise/phase", Dial::NoisePhase, "Where on that loop it is."),
    dial(
        "/flaneur/fewer",
        Dial::Fewer,
        "Blocks of a StyleGAN2 that are left out: pictures of half the size for each, drawn faster; 0 is none, -1 as many as this machine needs.",
    ),
    dial("/flaneur/bend/layer", Dial::BendLayer, "Which layer of a StyleGAN2 is bent, from 0, the coarsest."),
    dial("/flaneur/bend/spared", Dial::BendSpared, "How many of its maps are left as they are, chosen by a seed."),
    dial("/flaneur/bend/seed", Dial::BendSeed, "That seed."),
    dial("/flaneur/bend/x", Dial::BendX, "Maps moved to the right, in widths; edges join."),
    dial("/flaneur/bend/y", Dial::BendY, "Down, in heights."),
    dial("/flaneur/bend/turn", Dial::BendTurn, "Maps turned; 1 is all around."),
    dial("/flaneur/bend/zoom", Dial::BendZoom, "Maps larger; 1 is twice as large, -0.5 half."),
    dial("/flaneur/bend/erode", Dial::BendErode, "Maps eroded, or below 0 dilated, by so many pixels."),
    dial("/flaneur/bend/threshold", Dial::BendThreshold, "What is below this share of a map's largest becomes 0."),
    dial("/flaneur/bend/gain", Dial::BendGain, "Maps times this; 0 mutes."),
    kind(
        Kinds::Knob,
        address(
            "/flaneur/knob/<name>",
            SHARE,
            "A knob that the sketch names.",
            |g| Given::one(Act::Knob(g.part.into(), g.number as f32)),
            Some(|r| number(r.show.controls.state(&r.show.controls.named(r.part))?.goal)),
        ),
    ),
    kind(
        Kinds::Class,
        address(
            "/flaneur/class/<name>",
            SHARE,
            "How much of a class of the model; all of them are divided by their sum.",
            |g| Given::one(Act::Class(g.part.into(), g.number as f32)),
            Some(|r| number(r.show.controls.class_goal(r.part))),
        ),
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
    reaching(dial("/flaneur/walk/speed", Dial::Speed, "Walk speed; 1 is normal."), [0.0, 4.0]),
    switch("/flaneur/walk/hold", Switch::Hold, "Holds the walk.", |r| flag(r.show.walk.clock().held())),
    dial("/flaneur/walk/phase", Dial::Phase, "Pushes the walk along its time: 1 is sixteen beats further."),
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
        Some(|r| Some(Value::Text(r.show.output.model().name.clone()))),
    ),
    kind(
        Kinds::Mix,
        address(
            "/flaneur/model/mix",
            SHARE,
            "How much of the model at work is seen: 0 is the one before, a blend of weights in between.",
            |g| Given::one(Act::Mix(g.number)),
            Some(|r| number(r.show.output.mix())),
        ),
    ),
    address(
        "/flaneur/train/run",
        Takes::Switch,
        "The training beside the show: starts it, lets it work; 0 pauses it.",
        |g| Given::one(Act::Train(Training::Go(Some(g.on())))),
        Some(|r| flag(matches!(r.show.lesson.word(), "running" | "starting"))),
    ),
    address(
        "/flaneur/train/pause",
        Takes::Switch,
        "Pauses the training; 0 lets it work.",
        |g| Given::one(Act::Train(Training::Go(Some(!g.on())))),
        Some(|r| flag(r.show.lesson.word() == "paused")),
    ),
    address(
        "/flaneur/train/stop",
        Takes::Trigger,
        "Ends the training, all saved.",
        |_| Given::one(Act::Train(Training::Stop)),
        None,
    ),
    dial(
        "/flaneur/train/mix",
        Dial::Learnt,
        "How much is seen of what was learnt: 0 is the model as the show began, 1 the newest.",
    ),
    reaching(
        address(
            "/flaneur/train/lr",
            Takes::Number { min: 0.0, max: 1.0 },
            "Learning rate of both networks.",
            |g| {
                let rate = Some(g.number);
                set(Settings { generator_rate: rate, critic_rate: rate, ..Settings::default() })
            },
            Some(|r| number(r.show.lesson.settings().generator_rate?)),
        ),
        [0.0, 0.001],
    ),
    reaching(
        address(
            "/flaneur/train/morph",
            Takes::Number { min: 0.0, max: 600.0 },
            "Seconds of the glide to a new state; a bar if nobody says.",
            |g| Given::one(Act::Train(Training::Morph(g.number))),
            Some(|r| number(r.show.lesson.morph_secs(r.show.walk.clock().bpm()))),
        ),
        [0.0, 30.0],
    ),
    address(
        "/flaneur/train/rewind",
        Takes::Name,
        "Glides back to a state and learns on from there: a step, first, last, or back for the one before.",
        |g| Given::one(Act::Train(Training::Rewind(g.text.into()))),
        None,
    ),
    address(
        "/flaneur/train/publish",
        Takes::Trigger,
        "Shows what was learnt now.",
        |_| Given::one(Act::Train(Training::Publish)),
        None,
    ),
    address(
        "/flaneur/train/sample",
        Takes::Trigger,
        "Writes a sample grid of the training.",
        |_| Given::one(Act::Train(Training::Sample)),
        None,
    ),
    address(
        "/flaneur/train/data",
        Takes::Text,
        "Learns from other pictures: a folder, a zip, lines (drawn), fed (what was fed back).",
        |g| Given::one(Act::Train(Training::Data(g.text.into()))),
        Some(|r| Some(Value::Text(r.show.lesson.data().to_owned()))),
    ),
    address(
        "/flaneur/train/data2",
        Takes::Text,
        "The second dataset, likewise.",
        |g| Given::one(Act::Train(Training::Second(g.text.into()))),
        Some(|r| Some(Value::Text(r.show.lesson.second().to_owned()))),
    ),
    address(
        "/flaneur/train/lines/<rule>",
        Takes::Name,
        "How lines are drawn: palette (ff0000 00ff00), laws, verticals, horizontals, count, seed.",
        |g| match ["palette", "laws", "verticals", "horizontals", "count", "seed"].contains(&g.part) {
            true => Given::one(Act::Train(Training::Line(g.part.into(), g.text.into()))),
            false => Err(format!("lines have no rule \"{}\"", g.part)),
        },
        None,
    ),
    address(
        "/flaneur/train/redraw",
        Takes::Trigger,
        "Draws the lines anew by the rules as they are, and learns from those.",
        |_| Given::one(Act::Train(Training::Redraw)),
        None,
    ),
    address(
        "/flaneur/train/feed",
        Takes::Trigger,
        "Keeps what is shown as a picture to learn from.",
        |_| Given::one(Act::Train(Training::Feed)),
        None,
    ),
    address(
        "/flaneur/train/fork",
        Takes::Text,
        "Learns on from the weights of another model of the same networks.",
        |g| Given::one(Act::Train(Training::Fork(g.text.into()))),
        None,
    ),
    tells("/flaneur/train/state", Kind::Text, "off, starting, running, paused, crashed, ended or watching.", |r| {
        Some(Value::Text(r.show.lesson.word().into()))
    }),
    tells("/flaneur/train/step", Kind::Int, "Generator updates done.", |r| number(r.show.lesson.step()?.step as f64)),
    tells("/flaneur/train/shown", Kind::Int, "Step of the state that is shown; -1 is the model's own.", |r| {
        number(r.show.lesson.at().map_or(-1.0, |step| step as f64))
    }),
    tells("/flaneur/train/states", Kind::Int, "States that have reached the picture.", |r| {
        number(r.show.lesson.shown() as f64)
    }),
    tells("/flaneur/train/loss", Kind::Float, "The critic's loss of the last epoch.", |r| {
        number(r.show.lesson.step()?.losses.critic().into())
    }),
    tells("/flaneur/train/generator_loss", Kind::Float, "The generator's.", |r| {
        number(r.show.lesson.step()?.losses.generator().into())
    }),
    tells("/flaneur/train/epoch_ms", Kind::Float, "Milliseconds of work of the last epoch.", |r| {
        number(r.show.lesson.step()?.ms)
    }),
    tells("/flaneur/train/cost_ms", Kind::Float, "Milliseconds that training adds to a picture of the show.", |r| {
        number((r.show.lesson.cost_ms() * 100.0).round() / 100.0)
    }),
    tells("/flaneur/train/message", Kind::Text, "The last thing worth knowing of the training.", |r| {
        Some(Value::Text(r.show.lesson.message().to_owned()))
    }),
    tells("/flaneur/critic", Kind::Float, "What the critic thinks of the picture, smoothed; it has no unit.", |r| {
        number((r.show.lesson.critic()? * 1e3).round() / 1e3)
    }),
    address(
        "/flaneur/preset/load",
        Takes::Text,
        "Another preset, by name or path, or by its place in the list.",
        |g| Given::one(Act::Preset(g.text.into())),
        Some(|r| Some(Value::Text(r.show.preset_name.to_owned()))),
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
        Some(|r| Some(Value::Text(r.show.takes.recalled().to_owned()))),
    ),
    switch("/flaneur/out/blackout", Switch::Blackout, "Black, fading.", |r| flag(r.show.output.fades().state().0)),
    switch("/flaneur/out/freeze", Switch::Freeze, "Keeps the picture, fading.", |r| {
        flag(r.show.output.fades().state().1)
    }),
    dial("/flaneur/out/fade", Dial::Fade, "Light of the output; 0 is black."),
    switch("/flaneur/out/hush", Switch::Hush, "Black and held at once, nothing killed.", |r| {
        flag(r.show.output.fades().hushed())
    }),
    switch("/flaneur/out/limit", Switch::Limit, "Lowers what would be more than three flashes in a second.", |r| {
        flag(r.show.output.fades().limits())
    }),
    tells("/flaneur/out/flash", Kind::Int, "1 while flashes are being lowered.", |r| flag(r.show.output.lowers())),
    reaching(
        kind(
            Kinds::Tempo,
            address(
                "/flaneur/clock/bpm",
                Takes::Number { min: 20.0, max: 400.0 },
                "Beats a minute; a MIDI clock has precedence.",
                |g| Given::one(Act::Tempo(g.number)),
                Some(|r| number(r.show.walk.clock().bpm())),
            ),
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
    address(
        "/flaneur/rec/start",
        Takes::Trigger,
        "Starts a recording.",
        |_| Given::one(Act::set(Switch::Recording, true)),
        None,
    ),
    address(
        "/flaneur/rec/stop",
        Takes::Trigger,
        "Ends the recording.",
        |_| Given::one(Act::set(Switch::Recording, false)),
        None,
    ),
    switch("/flaneur/rec/recording", Switch::Recording, "Whether a recording runs.", |r| {
        flag(r.show.output.recording().on())
    }),
    switch(
        "/flaneur/take/log",
        Switch::Take,
        "Logs every move of every hand, to be filmed again: flaneur film --take.",
        |r| flag(r.show.takes.logging()),
    ),
    address("/flaneur/still", Takes::Trigger, "Writes a still.", |_| Given::one(Act::Still), None),
    tells("/flaneur/stat/frame", Kind::Int, "Frames so far.", |r| number(r.show.health.frames() as f64)),
    tells(
        "/flaneur/stat/age",
        Kind::Float,
        "Seconds since the last frame; it grows while the show stands still.",
        |r| number(r.show.health.age_secs()),
    ),
    tells("/flaneur/stat/frame_ms", Kind::Float, "Milliseconds of a frame, the median.", |r| {
        number(r.show.health.stat().p50)
    }),
    tells("/flaneur/stat/frame_p99_ms", Kind::Float, "The same, of the slowest in a hundred.", |r| {
        number(r.show.health.stat().p99)
    }),
    tells("/flaneur/stat/fps", Kind::Float, "Frames a second.", |r| number(r.show.health.stat().fps)),
    tells("/flaneur/stat/late", Kind::Int, "Frames that came late.", |r| number(r.show.health.late() as f64)),
    tells("/flaneur/stat/board", Kind::Text, "The worst fault on the report board; empty if there is none.", |r| {
        Some(Value::Text(r.show.health.stat().board.clone()))
    }),
];
