//! The way back: the namespace for OSCQuery, feedback to senders, lamps and motors of controllers.
//!
//! The end of the step *listen*: compares what stands at each address with what was told last. Only what a hand
//! changed is sent back, not what a sketch modulates; to the hand that turns, only once it rests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::{CLASS, Hands, about};
use crate::control::hand::Value;
use crate::control::mapper::Changed;
use crate::control::{KnobState, classes, slug};
use crate::latent::space::Space;
use crate::osc::{Kind, Node, Slider, packet};
use crate::report::Board;
use crate::show::Parts;
use crate::show::addresses::{self, ADDRESSES, Address, Reading};

/// Least pause between two values of one address to somebody who does not turn it, in seconds.
const PAUSE_SECS: f64 = 0.03;
/// How long a hand rests before it is told where its target is.
const REST_SECS: f64 = 0.15;
/// Frames between two looks at knobs that no hand has moved: sketches may move them in every frame.
const SLOW: u64 = 12;

/// Where feedback goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Whoever sent something last, at the port it sends from or at another.
    Sender(Option<u16>),
    Address(SocketAddr),
}

/// Reads where feedback goes; what is none is reported.
pub(super) fn targets(texts: &[String], board: &Board) -> Vec<Goal> {
    let read = |text: &String| match text.strip_prefix("sender") {
        Some("") => Some(Goal::Sender(None)),
        Some(rest) => rest.strip_prefix(':').and_then(|port| port.parse().ok()).map(|port| Goal::Sender(Some(port))),
        // No names of hosts: asking for one would hold up the frame.
        None => text.replace("localhost", "127.0.0.1").parse().ok().map(Goal::Address),
    };
    let mut goals = Vec::new();
    for text in texts {
        match read(text) {
            Some(goal) => goals.push(goal),
            None => {
                board.notice("osc", format!("\"{text}\" is no place for feedback; write 192.168.1.5:9001, or sender"))
            }
        }
    }
    goals
}

/// One address and what was told of it.
struct Entry {
    path: String,
    address: &'static Address,
    part: String,
    last: Option<Value>,
}

/// A change that is on its way.
struct Pending {
    kind: Kind,
    value: Value,
    who: String,
    changed: f64,
    /// Others than the hand know it already.
    others: bool,
}

/// What was told.
#[derive(Default)]
pub(super) struct Told {
    entries: Vec<Entry>,
    /// What the list of entries was made for.
    made_for: Option<(u64, Space, u64)>,
    pending: BTreeMap<String, Pending>,
    sent: BTreeMap<String, f64>,
    pub targets: Vec<Goal>,
    /// Whoever sent something last.
    pub sender: Option<SocketAddr>,
}

impl Hands {
    /// Tells everybody what has changed in frame number `frame`.
    pub fn tell(&mut self, frame: u64, real: f64, parts: &Parts) {
        let (listed, space, lists) = (parts.controls.listed, parts.walk.space(), parts.lists());
        if self.told.made_for.as_ref().is_none_or(|(l, s, n)| (*l, s, *n) != (listed, space, lists)) {
            let before = self.told.made_for.replace((listed, space.clone(), lists));
            let mut changed = Vec::new();
            if let Some((knobs, before, _)) = before {
                changed.extend((knobs != listed).then_some(["/flaneur/knob", "/flaneur/hit"]).into_iter().flatten());
                changed.extend((before.classes != space.classes).then_some("/flaneur/class"));
                let styles = (before.w != space.w).then_some(["/flaneur/direction", "/flaneur/style"]);
                changed.extend(styles.into_iter().flatten());
            }
            self.list(&changed, parts);
        }
        let changed = self.changes(frame, parts);
        if let Some(server) = &self.server {
            for (path, value) in &changed {
                server.set(path, std::slice::from_ref(value));
            }
            if changed.iter().any(|(path, _)| path.starts_with("/flaneur/z/")) {
                server.set("/flaneur/z", &all_of_z(parts));
            }
        }
        self.feed_back(changed, real, parts);
        self.touched.clear();
    }

    /// Makes the list of addresses anew, and the server's namespace with it, of which these parts changed.
    fn list(&mut self, changed: &[&str], parts: &Parts) {
        let knobs = parts.controls.asked();
        let mut entries = Vec::new();
        for address in ADDRESSES {
            let one = |part: String| Entry { path: address.with(&part), address, part, last: None };
            match address.path.split_once('<').map(|(before, _)| before) {
                None => entries.push(one(String::new())),
                Some("/flaneur/z/") => entries.extend((0..parts.output.model().space.dim).map(|i| one(i.to_string()))),
                Some("/flaneur/knob/") => entries.extend(knobs.iter().map(|knob| one(slug(&knob.name)))),
                Some("/flaneur/class/") => {
                    let mut parts: Vec<String> = parts.walk.space().classes.iter().map(|name| slug(name)).collect();
                    // Classes that have one address share one dial.
                    let mut seen = BTreeSet::new();
                    parts.retain(|part| seen.insert(part.clone()));
                    entries.extend(parts.into_iter().map(one));
                }
                Some("/flaneur/direction/") => {
                    let names = parts.walk.space().w.iter().flat_map(|w| w.0.directions());
                    entries.extend(names.map(|name| one(slug(name))));
                }
                Some("/flaneur/style/") => {
                    let count = parts.walk.space().w.as_ref().map_or(0, |w| w.0.layers());
                    entries.extend((0..count).map(|layer| one(layer.to_string())));
                }
                Some("/flaneur/hit/") => {
                    let mut parts: Vec<String> = parts.controls.triggers().iter().map(|name| slug(name)).collect();
                    let mut seen = BTreeSet::new();
                    parts.retain(|part| !part.is_empty() && seen.insert(part.clone()));
                    entries.extend(parts.into_iter().map(one));
                }
                // Notes are whatever a sketch asks for.
                Some(_) => {}
            }
        }
        // What has changed in this very frame is still to be told.
        let mut before: BTreeMap<String, Option<Value>> =
            self.told.entries.drain(..).map(|entry| (entry.path, entry.last)).collect();
        for entry in &mut entries {
            let told = before.remove(&entry.path);
            entry.last = told.unwrap_or_else(|| entry.address.read(&Reading { show: parts, part: &entry.part }));
        }
        if let Some(server) = &self.server {
            server.publish(entries.iter().map(|entry| node(entry, &knobs, parts)).collect());
            changed.iter().for_each(|path| server.changed(path));
        }
        self.told.entries = entries;
    }

    /// The addresses at which something else stands than was told.
    fn changes(&mut self, frame: u64, parts: &Parts) -> Vec<(String, Value)> {
        let mut changed = Vec::new();
        let slow = frame.is_multiple_of(SLOW);
        for entry in &mut self.told.entries {
            let knob = entry.address.path.starts_with("/flaneur/knob/");
            if knob && !slow && !self.touched.contains_key(&entry.path) {
                continue;
            }
            let now = entry.address.read(&Reading { show: parts, part: &entry.part });
            if now != entry.last
                && let Some(now) = now
            {
                changed.push((entry.path.clone(), now.clone()));
                entry.last = Some(now);
            }
        }
        changed
    }

    /// Sends back what hands have changed, to those who want it.
    fn feed_back(&mut self, changed: Vec<(String, Value)>, real: f64, parts: &Parts) {
        let show = String::from("show");
        let mut by: BTreeMap<String, String> = BTreeMap::new();
        for (path, value) in changed {
            let hand = self.touched.get(&path);
            // What a sketch does to its own knobs, the figures, and a tempo that is followed are no hand's.
            let own = path.starts_with("/flaneur/knob/") || path.starts_with("/flaneur/stat/");
            let led = path == "/flaneur/clock/bpm" && parts.walk.clock().led();
            if hand.is_none() && (own || led) {
                continue;
            }
            let who = hand.unwrap_or(&show).clone();
            by.insert(path.clone(), who.clone());
            let kind = addresses::find(&path).map_or(Kind::Float, |(address, _)| address.kind());
            self.told.pending.insert(path, Pending { kind, value, who, changed: real, others: false });
        }
        if !by.is_empty() {
            self.light(Some(&|path: &str| by.get(path).cloned()), parts);
        }
        self.send_feedback(real);
    }

    fn send_feedback(&mut self, real: f64) {
        let Some(osc) = &self.osc else { return self.told.pending.clear() };
        let Told { pending, sent, targets, sender, .. } = &mut self.told;
        // Each with whether it is the last sender, whatever port it is told at.
        let goals: Vec<(SocketAddr, bool)> = targets
            .iter()
            .filter_map(|goal| match goal {
                Goal::Address(address) => Some((*address, false)),
                Goal::Sender(port) => {
                    sender.map(|from| (SocketAddr::new(from.ip(), port.unwrap_or(from.port())), true))
                }
            })
            .collect();
        pending.retain(|path, change| {
            let Some(bytes) = packet(path, change.kind, std::slice::from_ref(&change.value)) else { return false };
            let own = |goal: &&(SocketAddr, bool)| {
                let from = if goal.1 { sender.unwrap_or(goal.0) } else { goal.0 };
                change.who == format!("osc {from}")
            };
            if !change.others && sent.get(path).is_none_or(|at| real - at >= PAUSE_SECS) {
                goals.iter().filter(|goal| !own(goal)).for_each(|goal| osc.send(&bytes, goal.0));
                change.others = true;
                sent.insert(path.clone(), real);
            }
            let rests = real - change.changed >= REST_SECS;
            if rests {
                goals.iter().filter(own).for_each(|goal| osc.send(&bytes, goal.0));
            }
            !(rests && change.others)
        });
        sent.retain(|_, at| real - *at < 1.0);
    }

    /// Lamps and motors of controllers: of what has changed, or all as everything stands.
    pub(super) fn light(&mut self, changed: Option<&Changed>, parts: &Parts) {
        let Some(midi) = &self.midi else { return };
        for (index, port) in self.ports.iter().enumerate() {
            for message in self.mapper.shown(&self.ports, index, changed, &|target| about(target, parts)) {
                midi.send(port, message);
            }
        }
    }
}

fn all_of_z(parts: &Parts) -> Vec<Value> {
    (0..parts.output.model().space.dim).map(|i| Value::Number(parts.controls.offset(i))).collect()
}

/// An address as OSCQuery has it.
fn node(entry: &Entry, knobs: &[KnobState], parts: &Parts) -> Node {
    let Entry { path, address, part, last } = entry;
    let named = |knob: &KnobState| address.path.starts_with("/flaneur/knob/") && slug(&knob.name) == *part;
    let knob = knobs.iter().find(|knob| named(knob));
    let hit = |name: &String| address.path.starts_with("/flaneur/hit/") && slug(name) == *part;
    let place = knobs.iter().position(named).or_else(|| parts.controls.triggers().iter().position(hit));
    let names = parts.library.names();
    let choices = match address.path {
        "/flaneur/sketch/load" => names.sketches.clone(),
        "/flaneur/model/load" => names.models.clone(),
        "/flaneur/preset/load" => names.presets.clone(),
        "/flaneur/snap/recall" => parts.takes.snapshot_names(),
        _ => Vec::new(),
    };
    let all = address.path == "/flaneur/z";
    let says = match knob {
        Some(KnobState { name, range: [low, high], .. }) if (*low, *high) != (0.0, 1.0) => {
            format!("The sketch's knob {name}, from {low} to {high} in its own unit.")
        }
        Some(KnobState { name, .. }) => format!("The sketch's knob {name}."),
        None if address.path == CLASS => {
            let name = parts.walk.space().classes.iter().find(|name| classes::slug_is(name, part));
            format!("How much of the class {}; all are divided by their sum.", name.unwrap_or(part))
        }
        None => address.says.to_owned(),
    };
    Node {
        path: path.clone(),
        kind: address.kind(),
        readable: address.readable() || all,
        writable: address.writable(),
        range: address.range(),
        choices,
        default: knob.map(|knob| knob.default).or((address.path == CLASS).then_some(0.0)),
        slider: place.map(|place| Slider { place, unit: knob.map_or([0.0, 1.0], |knob| knob.range) }),
        says,
        value: if all { all_of_z(parts) } else { last.iter().cloned().collect() },
    }
}
