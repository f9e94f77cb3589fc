//! The way back: the namespace for OSCQuery, feedback to senders, lamps and motors of controllers.
//!
//! The end of the step *listen*: compares what stands at each address with what was told last. Only what a hand
//! changed is sent back, not what a sketch modulates; to the hand that turns, only once it rests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::Show;
use super::addresses::{self, ADDRESSES, Address, Reading};
use crate::control::hand::Value;
use crate::control::mapper::Changed;
use crate::control::{KnobState, slug};
use crate::latest::lock;
use crate::osc::query::{Settings, Snap};
use crate::osc::{Kind, Node, packet};
use crate::picture::Picture;
use crate::picture::canvas::Canvas;
use crate::report::{Board, Weight};

/// Least pause between two values of one address to somebody who does not turn it, in seconds.
const PAUSE_SECS: f64 = 0.03;
/// How long a hand rests before it is told where its target is.
const REST_SECS: f64 = 0.15;
/// Frames between two looks at knobs that no hand has moved: sketches may move them in every frame.
const SLOW: u64 = 12;
/// Width of the page's picture in pixels, and its JPEG's quality.
const PAGE_WIDTH: usize = 480;
const PAGE_QUALITY: u8 = 82;

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
    made_for: Option<(u64, usize, u64)>,
    pending: BTreeMap<String, Pending>,
    sent: BTreeMap<String, f64>,
    pub targets: Vec<Goal>,
    /// Whoever sent something last.
    pub sender: Option<SocketAddr>,
}

/// Figures of the last second, for those who ask.
#[derive(Default)]
pub(super) struct Stat {
    pub p50: f64,
    pub p99: f64,
    pub fps: f64,
    pub board: String,
    at: f64,
    frames: u64,
}

impl Show {
    /// Tells everybody what has changed.
    pub(super) fn tell(&mut self) {
        self.measure();
        self.look_for_names();
        let listed = self.host.language.env.lock().controls.listed;
        let made_for = (listed, self.model.z_dim, self.lists);
        if self.hands.told.made_for != Some(made_for) {
            let knobs = self.hands.told.made_for.is_some_and(|(before, ..)| before != listed);
            self.hands.told.made_for = Some(made_for);
            self.list(knobs);
        }
        let changed = self.changes();
        if let Some(server) = &self.hands.server {
            for (path, value) in &changed {
                server.set(path, std::slice::from_ref(value));
            }
            if changed.iter().any(|(path, _)| path.starts_with("/flaneur/z/")) {
                let inside = self.host.language.env.lock();
                let all: Vec<Value> = (0..self.model.z_dim).map(|i| Value::Number(inside.controls.offset(i))).collect();
                drop(inside);
                server.set("/flaneur/z", &all);
            }
        }
        self.feed_back(changed);
        self.hands.touched.clear();
    }

    /// Looks at the figures once a second.
    fn measure(&mut self) {
        let passed = self.real - self.stat.at;
        if passed < 1.0 && self.stat.at > 0.0 {
            return;
        }
        let parts = self.timing.parts();
        let frame = parts.iter().find(|part| part.name == "frame");
        let round = |ms: f32| f64::from((ms * 100.0).round() / 100.0);
        let (p50, p99) = frame.map_or((0.0, 0.0), |part| (round(part.p50_ms), round(part.p99_ms)));
        let fps = ((self.frames - self.stat.frames) as f64 / passed.max(1e-3) * 10.0).round() / 10.0;
        let worst = self.board.lines().into_iter().find(|line| line.weight == Weight::Fault);
        let board = worst.map_or(String::new(), |line| format!("{}: {}", line.origin, line.text));
        self.stat = Stat { p50, p99, fps, board, at: self.real.max(1e-9), frames: self.frames };
    }

    /// Makes the list of addresses anew, and the server's namespace with it.
    fn list(&mut self, knobs_changed: bool) {
        let inside = self.host.language.env.lock();
        let knobs = inside.controls.asked();
        drop(inside);
        let mut entries = Vec::new();
        for address in ADDRESSES {
            let one = |part: String| Entry { path: address.with(&part), address, part, last: None };
            match address.path.split_once('<').map(|(before, _)| before) {
                None => entries.push(one(String::new())),
                Some("/flaneur/z/") => entries.extend((0..self.model.z_dim).map(|i| one(i.to_string()))),
                Some("/flaneur/knob/") => entries.extend(knobs.iter().map(|knob| one(slug(&knob.name)))),
                // Hits and notes are whatever a sketch asks for.
                Some(_) => {}
            }
        }
        // What has changed in this very frame is still to be told.
        let mut before: BTreeMap<String, Option<Value>> =
            self.hands.told.entries.drain(..).map(|entry| (entry.path, entry.last)).collect();
        for entry in &mut entries {
            let told = before.remove(&entry.path);
            entry.last = told.unwrap_or_else(|| self.read(entry.address, &entry.part));
        }
        if let Some(server) = &self.hands.server {
            let nodes = entries.iter().map(|entry| self.node(entry, &knobs)).collect();
            server.publish(nodes);
            if knobs_changed {
                server.changed("/flaneur/knob");
            }
        }
        self.hands.told.entries = entries;
    }

    fn read(&self, address: &Address, part: &str) -> Option<Value> {
        let inside = self.host.language.env.lock();
        address.read(&Reading { show: self, controls: &inside.controls, part })
    }

    fn node(&self, entry: &Entry, knobs: &[KnobState]) -> Node {
        let Entry { path, address, part, last } = entry;
        let knob = knobs.iter().find(|knob| address.path.starts_with("/flaneur/knob/") && slug(&knob.name) == *part);
        let choices = match address.path {
            "/flaneur/sketch/load" => self.names.sketches.clone(),
            "/flaneur/model/load" => self.names.models.clone(),
            "/flaneur/preset/load" => self.names.presets.clone(),
            "/flaneur/snap/recall" => self.snapshots.keys().cloned().collect(),
            _ => Vec::new(),
        };
        let all = address.path == "/flaneur/z";
        let value = if all {
            let inside = self.host.language.env.lock();
            (0..self.model.z_dim).map(|i| Value::Number(inside.controls.offset(i))).collect()
        } else {
            last.iter().cloned().collect()
        };
        let says = match knob {
            Some(KnobState { name, range: [low, high], .. }) if (*low, *high) != (0.0, 1.0) => {
                format!("The sketch's knob {name}, from {low} to {high} in its own unit.")
            }
            Some(KnobState { name, .. }) => format!("The sketch's knob {name}."),
            None => address.says.to_owned(),
        };
        Node {
            path: path.clone(),
            kind: address.kind(),
            readable: address.readable() || all,
            writable: address.writable(),
            range: address.range(),
            choices,
            default: knob.map(|knob| knob.default),
            says,
            value,
        }
    }

    /// The addresses at which something else stands than was told.
    fn changes(&mut self) -> Vec<(String, Value)> {
        let mut told = std::mem::take(&mut self.hands.told);
        let mut changed = Vec::new();
        let inside = self.host.language.env.lock();
        let slow = self.frames.is_multiple_of(SLOW);
        for entry in &mut told.entries {
            let knob = entry.address.path.starts_with("/flaneur/knob/");
            if knob && !slow && !self.hands.touched.contains_key(&entry.path) {
                continue;
            }
            let now = entry.address.read(&Reading { show: self, controls: &inside.controls, part: &entry.part });
            if now != entry.last
                && let Some(now) = now
            {
                changed.push((entry.path.clone(), now.clone()));
                entry.last = Some(now);
            }
        }
        drop(inside);
        self.hands.told = told;
        changed
    }

    /// Sends back what hands have changed, to those who want it.
    fn feed_back(&mut self, changed: Vec<(String, Value)>) {
        let show = String::from("show");
        let mut by: BTreeMap<String, String> = BTreeMap::new();
        for (path, value) in changed {
            let hand = self.hands.touched.get(&path);
            // What a sketch does to its own knobs, the figures, and a tempo that is followed are no hand's.
            let own = path.starts_with("/flaneur/knob/") || path.starts_with("/flaneur/stat/");
            let led = path == "/flaneur/clock/bpm" && self.clock.led();
            if hand.is_none() && (own || led) {
                continue;
            }
            let who = hand.unwrap_or(&show).clone();
            by.insert(path.clone(), who.clone());
            let kind = addresses::find(&path).map_or(Kind::Float, |(address, _)| address.kind());
            let pending = Pending { kind, value, who, changed: self.real, others: false };
            self.hands.told.pending.insert(path, pending);
        }
        if !by.is_empty() {
            self.light(Some(&|path: &str| by.get(path).cloned()));
        }
        self.send_feedback();
    }

    fn send_feedback(&mut self) {
        let Some(osc) = &self.hands.osc else { return self.hands.told.pending.clear() };
        let Told { pending, sent, targets, sender, .. } = &mut self.hands.told;
        let real = self.real;
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

    /// Lamps and motors of all controllers as everything stands.
    pub(super) fn light_all(&mut self) {
        self.light(None);
    }

    fn light(&mut self, changed: Option<&Changed>) {
        let Some(midi) = self.hands.midi.take() else { return };
        let mut mapper = std::mem::take(&mut self.hands.mapper);
        let ports = &self.hands.ports;
        for (index, port) in ports.iter().enumerate() {
            for message in mapper.shown(ports, index, changed, &|target| self.about(target)) {
                midi.send(port, message);
            }
        }
        (self.hands.mapper, self.hands.midi) = (mapper, Some(midi));
    }

    /// How the preset wants the server.
    pub(super) fn query_settings(&self) -> Settings {
        let query = &self.preset.query;
        let mut token = query.token.clone();
        if token.is_empty() {
            let mut bytes = [0_u8; 9];
            // Without randomness there is no token that could be given, and so nobody who may.
            if getrandom::fill(&mut bytes).is_ok() {
                token = bytes.iter().map(|b| format!("{b:02x}")).collect();
            }
        }
        let shown = self.shown_scene.clone();
        let snap: Snap = Arc::new(move || {
            let scene = lock(&shown).clone()?;
            if scene.pictures.is_empty() {
                return None;
            }
            let height = (PAGE_WIDTH as f32 / scene.aspect()).round().clamp(16.0, 2048.0) as usize;
            let picture: Picture = Canvas::default().draw(&scene, [PAGE_WIDTH, height], true);
            picture.jpeg(PAGE_QUALITY)
        });
        Settings {
            bind: query.bind,
            osc: self.hands.osc.as_ref().map(|osc| osc.address),
            page: query.page.then_some(snap),
            token,
            announce: query.announce,
            origins: query.origins.clone(),
            health: None,
        }
    }
}
