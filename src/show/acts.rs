//! What acts do to a show. Most are for one part; presets and snapshots are for several.

use std::path::PathBuf;
use std::time::Duration;

use super::addresses::{self, Act, Switch};
use super::hands::objection;
use super::lesson::Around;
use super::parts::{around, parts};
use super::takes::log::{Line, Script, Start, VERSION, Wanted, Weights, time};
use super::takes::snapshot::{self, Morph, Snapshot};
use super::{Parts, Show};
use crate::control::hand::{Hand, Value};
use crate::control::learned::Learned;
use crate::control::{Dial, classes, slug};
use crate::latent::pose::Pose;
use crate::latent::style;
use crate::preset::Preset;
use crate::recorder::names::{self, TAKE};
use crate::sketch::thread::Standing;

/// What a value at a plain address does; gives how many things it did.
///
/// # Errors
/// Why it does nothing.
pub fn steer(show: &mut Show, path: &str, values: &[Value], hand: &Hand) -> Result<usize, String> {
    let acts = addresses::acts(path, values, show.output.model().space.dim)?;
    for act in &acts {
        if let Some(why) = objection(act, &parts!(show), show.hands.leader()) {
            return Err(why);
        }
    }
    let count = acts.len();
    acts.into_iter().for_each(|act| act_by(show, act, hand));
    Ok(count)
}

/// What a hand does.
pub fn act_by(show: &mut Show, act: Act, hand: &Hand) {
    // A performance that is played again has its sketches, models and presets from its log, and leaves nothing behind
    // but the film.
    let elsewhere = matches!(
        act,
        Act::Sketch(_)
            | Act::Model(_)
            | Act::Preset(_)
            | Act::Reload
            | Act::Switch(Switch::Recording | Switch::Take, _)
            | Act::Still
            | Act::Learn
            | Act::LearnTo(_)
            | Act::Train(_)
            | Act::Quit
    );
    if elsewhere && show.film.again() {
        return;
    }
    if !elsewhere {
        let real = show.real;
        show.takes.line(|| Line::Act(act.clone(), hand.clone(), real));
    }
    if let Some(path) = addresses::path_of(&act) {
        show.hands.touch(path, &hand.who);
    }
    show.changed = true;
    do_it(show, act, hand);
}

fn do_it(show: &mut Show, act: Act, hand: &Hand) {
    let smooth = hand.smooth_secs;
    let controls = &mut show.controls;
    match act {
        Act::Knob(name, value) => {
            let name = controls.named(&name);
            controls.turn(&name, f64::from(value), smooth);
        }
        Act::Class(name, value) => {
            let names = &show.walk.space().classes;
            // A take that is played with another model keeps what that does not have.
            let name = classes::find(names, &name).map_or(name, |at| names[at].clone());
            controls.set_class(&name, f64::from(value), smooth);
        }
        Act::Direction(name, value) => {
            let known = show.walk.space().w.as_ref().and_then(|w| Some((w, w.direction(&name)?)));
            let name = known.map_or(name, |(w, at)| w.0.directions()[at].clone());
            controls.set_direction(&name, value, smooth);
        }
        Act::Layer(layer, value) => controls.set_layer(layer, value, smooth),
        Act::Z(i, value) => controls.set_offset(i, f64::from(value), smooth),
        Act::ZSet(i, value) => controls.set_over(i, f64::from(value), smooth),
        Act::ZFree(i) => controls.free(i, smooth),
        Act::ZClear => controls.clear_offsets(smooth),
        Act::Dial(dial, value) => controls.set_dial(dial, value, smooth),
        Act::Hit(name) => controls.trigger(&name),
        Act::Mouse(x, y) => {
            controls.turn("mouse_x", f64::from(x), smooth);
            controls.turn("mouse_y", f64::from(y), smooth);
        }
        Act::Note(n, velocity) => controls.set_note(n, velocity),
        Act::Switch(switch, on) => set(show, switch, on),
        Act::Sketch(name) => go_to_sketch(show, &name),
        Act::Model(name) => show.output.load(&show.library.listed(&name, |names| &names.models)),
        Act::Mix(share) => show.output.set_mix(share),
        Act::Preset(name) => {
            let name = show.library.listed(&name, |names| &names.presets);
            show.library.go_to_preset(name, show.takes.chores());
        }
        Act::Store(name) => store(show, &name),
        Act::Recall(name, secs) => recall(show, &name, secs, hand),
        Act::Still => show.takes.still(show.output.displayed(show.real), &show.preset.record),
        Act::Reload => show.library.again(),
        Act::Tempo(_) | Act::Tap | Act::Beat(_) if show.walk.clock().led() => {
            let leader = show.hands.leader().unwrap_or("another program");
            show.board.notice("clock", format!("the clock of {leader} leads"));
        }
        Act::Tempo(bpm) => show.walk.clock_mut().set_tempo(bpm),
        Act::Tap => show.walk.clock_mut().tap(),
        Act::Beat(beat) => show.walk.clock_mut().seek(beat),
        Act::Train(act) => show.lesson.act(act, &mut around!(show)),
        Act::Learn => show.hands.toggle_learning(),
        Act::LearnTo(target) => learn_to(show, &target),
        Act::Quit => show.stop.raise(),
    }
}

/// A switch to a state, or to its other one.
fn set(show: &mut Show, switch: Switch, on: Option<bool>) {
    let other = |now: bool| on.unwrap_or(!now);
    let (fades, clock) = (show.output.fades_mut(), show.walk.clock());
    match switch {
        Switch::Blackout => {
            let on = other(fades.black());
            fades.set_black(on);
        }
        Switch::Hush => {
            let (was, on) = (fades.hushed(), other(fades.hushed()));
            if was != on {
                fades.set_hushed(on);
                show.walk.clock_mut().hold(on);
            }
        }
        Switch::Limit => {
            let on = other(fades.limits());
            fades.set_limits(on);
        }
        Switch::Hold => {
            let on = other(clock.held());
            show.walk.clock_mut().hold(on);
        }
        Switch::Freeze => {
            let (was, on) = (fades.state().1, other(fades.state().1));
            let drawn = show.film.again().then(|| show.walk.pose().clone());
            if was != on
                && let Err(error) = show.output.set_frozen(on, drawn.as_ref())
            {
                show.board.fault("generator", error.to_string());
            }
        }
        Switch::Recording => {
            let on = other(show.output.recording().on());
            if on && show.takes.disk().low() {
                return show.board.fault("recorder", low(show));
            }
            show.output.set_recording(on, &show.preset, show.takes.chores());
        }
        Switch::Take => match (show.takes.logging(), other(show.takes.logging())) {
            (true, false) => show.takes.end_log(),
            (false, true) if show.takes.disk().low() => show.board.fault("take", low(show)),
            (false, true) => {
                let path = names::stamped(&show.takes.disk().place(), TAKE, "jsonl");
                if let Err(why) = begin_log(show, Wanted::Named(path)) {
                    show.board.fault("take", why);
                }
            }
            _ => {}
        },
    }
}

/// Why nothing is recorded.
pub fn low(show: &Show) -> String {
    let disk = show.takes.disk();
    let (free, floor) = (disk.free_mb().unwrap_or(0), disk.floor_mb());
    format!("{free} MB are free on the disk, and below {floor} ([record] floor_mb) nothing is recorded; make room")
}

/// How everything stands, with a state of the sketch; none if no sketch runs.
pub fn standing(show: &Show, state: Option<serde_json::Value>) -> Option<Start> {
    let script = Script::of(show.walk.program()?);
    let model = show.output.model();
    let clock = show.walk.clock();
    Some(Start {
        take: VERSION,
        fps: show.health.frame_time().map_or(60.0, |frame| 1.0 / frame.as_secs_f64()),
        preset: Preset { model: model.name.clone(), ..show.preset.clone() },
        weights: Weights::of(model),
        before: show.output.model_before().map(Weights::of),
        mix: show.output.mix(),
        learnt: None,
        morph: show.walk.morph().cloned(),
        script,
        state,
        drawn: show.walk.drawn(),
        controls: show.controls.clone(),
        fades: show.output.fades().clone(),
        snapshots: Default::default(),
        tick: time(clock.now(), clock.real()),
        held: clock.held(),
    })
}

/// Begins the log of a take.
///
/// # Errors
/// If no sketch runs, or there is no thread for it.
pub fn begin_log(show: &mut Show, wanted: Wanted) -> Result<(), String> {
    let state = match show.frames {
        0 => None,
        _ => match show.walk.standing_now(Duration::from_millis(50)) {
            Standing::Saved(state) => Some((*state).clone()),
            _ => None,
        },
    };
    if show.frames > 0 && state.is_none() {
        show.board.notice("take", "the sketch's state cannot be written down; the film begins with a fresh one");
    }
    if show.output.fades().state().1 {
        show.board.notice("take", "it begins in a freeze, whose picture the film will not have");
    }
    let learnt = show.lesson.standing(wanted.path(), show.real, &show.takes);
    let snapshots = show.takes.snapshots().clone();
    let start = standing(show, state).ok_or("no sketch runs")?;
    show.takes.begin_log(wanted, show.real, Start { learnt, snapshots, ..start })
}

/// Another preset.
pub fn take_preset(show: &mut Show, preset: Preset) {
    show.takes.line(|| Line::Preset(Box::new(preset.clone())));
    if preset.bpm != show.preset.bpm && !show.walk.clock().led() {
        show.walk.clock_mut().set_tempo(preset.bpm);
    }
    if preset.speed != show.preset.speed {
        show.controls.set_dial(Dial::Speed, preset.speed, None);
    }
    for (name, value) in &preset.knobs {
        if show.preset.knobs.get(name) != Some(value) {
            show.hands.touch(format!("/flaneur/knob/{}", slug(name)), "preset");
            show.controls.set(name, *value);
        }
    }
    for (name, value) in &preset.classes {
        if show.preset.classes.get(name) != Some(value) {
            show.hands.touch(format!("/flaneur/class/{}", slug(name)), "preset");
            show.controls.set_class(name, *value, None);
        }
    }
    if !show.film.again() {
        // Where that runs already, nothing comes of it.
        go_to_sketch(show, &preset.sketch);
        if preset.model != show.output.model().name {
            show.output.load(&preset.model);
        }
        if preset.midi.mappings != show.preset.midi.mappings {
            show.library.read_mappings(&preset.midi.mappings);
        }
    }
    show.output.take_preset(&preset);
    if preset.record != show.preset.record {
        show.takes.set_disk(&preset.record);
    }
    if preset.osc != show.preset.osc {
        show.hands.take_preset(&preset);
    }
    if preset.train != show.preset.train {
        show.lesson.take_train(&preset.train, &mut around!(show));
    }
    let doors = |p: &Preset| (p.osc.on, p.osc.bind, p.query.clone(), p.midi.on);
    let waits = match (doors(&preset) != doors(&show.preset), preset.size != show.preset.size) {
        (false, false) => "",
        (true, false) => "other ports, the page and MIDI on or off",
        (false, true) => "another size of the window",
        (true, true) => "other ports, the page, MIDI on or off and another size of the window",
    };
    if !waits.is_empty() {
        show.board.notice("preset", format!("{waits}: at the next start"));
    }
    show.preset = preset;
}

/// A program change that no mapping takes recalls a preset.
pub fn recall_program(show: &mut Show, program: usize, hand: &Hand) -> Option<String> {
    let programs = &show.preset.midi.programs;
    let names = if programs.is_empty() { &show.library.names().presets } else { programs };
    let name = names.get(program)?.clone();
    act_by(show, Act::Preset(name.clone()), hand);
    Some(format!("/flaneur/preset/load \"{name}\""))
}

fn go_to_sketch(show: &mut Show, name: &str) {
    let name = show.library.listed(name, |names| &names.sketches);
    show.library.go_to(name, show.takes.chores());
}

fn store(show: &mut Show, name: &str) {
    let (tick, pose) = (show.walk.clock().now(), show.walk.pose().clone());
    let names = &show.walk.space().classes;
    let snapshot = Snapshot {
        version: 1,
        sketch: show.walk.program().map(|p| p.path.to_string_lossy().into_owned()).unwrap_or_default(),
        model: show.output.model().name.clone(),
        secs: tick.secs,
        beat: tick.beat,
        z: pose.latents.first().cloned().unwrap_or_default(),
        blend: snapshot::named(pose.class(0), names),
        manner: stored_manner(show, &pose),
        classes: (!names.is_empty()).then(|| show.controls.class_goals()),
        knobs: show.controls.touched().into_iter().map(|k| (k.name, k.goal)).collect(),
    };
    match show.takes.store(name, snapshot) {
        Ok(()) => show.walk.add_points(show.takes.points_of(name)),
        Err(why) => show.board.notice("snapshots", why),
    }
}

/// How the first latent is drawn, but for what the governor leaves out on a slow machine.
fn stored_manner(show: &Show, pose: &Pose) -> Vec<f32> {
    let manner = pose.manner(0).to_vec();
    if show.walk.space().w.is_some() { style::whole(manner) } else { manner }
}

fn recall(show: &mut Show, name: &str, secs: Option<f64>, hand: &Hand) {
    let Some(snapshot) = show.takes.recall(name) else {
        let how = format!("there is no snapshot {name}; Shift+{name} stores one");
        show.board.notice("snapshots", if name.len() == 1 { how } else { format!("there is no snapshot {name}") });
        return;
    };
    let secs = secs.filter(|v| v.is_finite()).map_or(show.preset.morph_secs, |v| v.clamp(0.0, 600.0));
    let pose = show.walk.pose().clone();
    if let Some(now) = pose.latents.first().cloned() {
        let from = snapshot::named(pose.class(0), &show.walk.space().classes);
        let morph = Morph::new(now, snapshot.z.clone(), show.real, secs)
            .with_classes(from, snapshot.blend.clone())
            .with_manners(stored_manner(show, &pose), snapshot.manner.clone());
        show.walk.set_morph(Some(morph));
    }
    // The walk arrives at the stored moment when the morph does.
    let clock = show.walk.clock_mut();
    let pace = if clock.held() { 0.0 } else { clock.speed() };
    let ahead = secs * pace;
    clock.set_time(snapshot.secs - ahead, snapshot.beat - ahead * clock.now().bpm / 60.0);
    for (name, value) in &snapshot.knobs {
        show.hands.touch(format!("/flaneur/knob/{}", slug(name)), &hand.who);
        show.controls.set(name, *value);
    }
    if let Some(stored) = &snapshot.classes {
        let moved: Vec<String> = show.controls.class_goals().into_keys().chain(stored.keys().cloned()).collect();
        moved.iter().for_each(|name| show.hands.touch(format!("/flaneur/class/{}", slug(name)), &hand.who));
        show.controls.set_classes(stored, None);
    }
    if show.film.again() {
        return;
    }
    if show.walk.program().map(|p| &p.path) != Some(&PathBuf::from(&snapshot.sketch)) && !snapshot.sketch.is_empty() {
        go_to_sketch(show, &snapshot.sketch);
    }
    if snapshot.model != show.output.model().name {
        show.output.load(&snapshot.model);
    }
    show.board.notice("snapshots", format!("recalled {name}"));
}

/// The control that was heard moves that target from now on.
fn learn_to(show: &mut Show, target: &str) {
    let Some((entry, said)) = show.hands.learnt(target) else {
        return show.board.notice("learn", "touch a control first, then choose what it is for");
    };
    let (board, target) = (show.board.clone(), target.to_owned());
    let given = show.takes.chores().give(move || {
        match Learned::open(None).and_then(|learned| learned.add(&entry).map(|()| learned.path)) {
            Ok(path) => board.notice("learn", format!("{said} is for {target} from now on, in {}", path.display())),
            Err(why) => board.fault("learn", format!("what was learnt is not written: {why}")),
        }
    });
    if !given {
        show.board.fault("learn", "the disk is busy; try again");
    }
}
