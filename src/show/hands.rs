//! All hands on the show: messages, controllers, mappings; what they do, and the list of what they did.
//!
//! The step *listen* of the loop: empties the inbox of OSC and the page and the queue of MIDI, turns them into acts
//! by `addresses` and the mapping files, and notes a line for each. The way back is in `told`.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::addresses::{self, ADDRESSES, Reading, Takes};
use super::pulse::Pulse;
use super::told::Told;
use super::{Show, reload};
use crate::control::hand::{Hand, Moved, Value, What};
use crate::control::learn::Learning;
use crate::control::learned::Learned;
use crate::control::mapper::{About, KEYBOARD, MOUSE, Mapper, Role};
use crate::control::mapping::{Mapping, Target};
use crate::control::slug;
use crate::midi::{Heard, Midi};
use crate::osc::query::Server;
use crate::osc::{Inbox, Listener, Message, Sender, matching};
use crate::show::addresses::Act;
use crate::show::view::LearnView;

/// Lines of the monitor that are kept.
const MOST_LINES: usize = 64;
/// Names of targets whose last hand is remembered.
const MOST_SOURCES: usize = 4096;

/// What belongs to hands.
#[derive(Default)]
pub(super) struct Hands {
    pub inbox: Inbox,
    pub osc: Option<Listener>,
    pub server: Option<Server>,
    pub midi: Option<Midi>,
    pub mapper: Mapper,
    /// Open ports, and the number of their list.
    pub ports: Vec<String>,
    listed: u64,
    pub pulse: Pulse,
    pub learning: Option<Learning>,
    pub monitor: VecDeque<String>,
    refused: u64,
    dropped: u64,
    /// When a rejection was last put on the board.
    complained: Option<f64>,
    /// Who moved each target last.
    pub sources: BTreeMap<String, String>,
    /// Targets that hands have moved in this frame.
    pub touched: BTreeMap<String, String>,
    pub told: Told,
}

impl Hands {
    /// Notes who moved a target.
    pub fn touch(&mut self, path: String, who: &str) {
        if self.sources.len() < MOST_SOURCES || self.sources.contains_key(&path) {
            self.sources.insert(path.clone(), who.to_owned());
        }
        if self.touched.len() < MOST_SOURCES {
            self.touched.insert(path, who.to_owned());
        }
    }
}

impl Show {
    /// Takes what hands have done since the last frame.
    pub(super) fn listen(&mut self) {
        self.hear_osc();
        self.hear_midi();
    }

    fn hear_osc(&mut self) {
        let counts = self.hands.inbox.counts();
        let messages = self.hands.inbox.messages();
        if counts.refused > self.hands.refused {
            self.hands.refused = counts.refused;
            self.note(format!("refused {}", counts.why));
        }
        if counts.dropped > self.hands.dropped {
            let more = counts.dropped - std::mem::replace(&mut self.hands.dropped, counts.dropped);
            self.note(format!("refused {more} messages: more came than a frame takes"));
        }
        // The newest value of an address wins; triggers follow each other.
        let mut newest: HashMap<&str, usize> = HashMap::new();
        for (i, message) in messages.iter().enumerate() {
            if addresses::acts(&message.address, &message.values).is_ok() {
                newest.insert(&message.address, i);
            }
        }
        let old = |i: usize, address: &str| newest.get(address).is_some_and(|last| *last > i) && !queues(address);
        let mut known: Option<Vec<String>> = None;
        let mut patterns: HashMap<&str, Result<Vec<String>, String>> = HashMap::new();
        for (i, message) in messages.iter().enumerate() {
            if let Sender::Udp(from) = message.from {
                self.hands.told.sender = Some(from);
            }
            if old(i, &message.address) {
                continue;
            }
            let patterned = message.address.contains(['*', '?', '[', '{']);
            let found = if patterned {
                let known = known.get_or_insert_with(|| self.plain_addresses());
                let found = patterns.entry(&message.address).or_insert_with(|| meant(&message.address, known));
                found.clone()
            } else {
                Ok(vec![message.address.clone()])
            };
            let done = found.and_then(|paths| self.take(&paths, message));
            let (said, from) = (shown(&message.address, &message.values), message.from);
            self.note(match done {
                Ok(did) => format!("{said} → {did} · {from}"),
                Err(why) => format!("{said} rejected: {why} · {from}"),
            });
        }
    }

    fn take(&mut self, paths: &[String], message: &Message) -> Result<String, String> {
        if paths.is_empty() {
            return Err("the pattern matches nothing".into());
        }
        let smooth_secs = match message.from {
            Sender::Udp(_) => self.preset.osc.smooth_ms / 1e3,
            // A finger on a phone moves in steps.
            Sender::Web(_) => crate::control::glide::SMOOTH_SECS,
        };
        let hand = Hand::new(message.from.to_string(), Some(smooth_secs));
        let mut count = 0;
        for path in paths {
            count += self.steer(path, &message.values, &hand)?;
        }
        let inside = self.host.language.env.lock();
        let knob = message.address.strip_prefix("/flaneur/knob/").map(|name| inside.controls.named(name));
        if knob.is_some_and(|name| !inside.controls.asks(&name) && paths.len() == 1) {
            return Ok("kept; the running sketch has no such knob".into());
        }
        Ok(if count == 1 { "done".into() } else { format!("done, {count} values") })
    }

    /// What a value at a plain address does; gives how many things it did.
    ///
    /// # Errors
    /// Why it does nothing.
    pub fn steer(&mut self, path: &str, values: &[Value], hand: &Hand) -> Result<usize, String> {
        let acts = addresses::acts(path, values)?;
        let dims = self.model.z_dim;
        for act in &acts {
            match act {
                Act::Z(i, _) | Act::ZSet(i, _) | Act::ZFree(i) if *i >= dims => {
                    return Err(format!("there is no dimension {i}; the model has 0 to {}", dims - 1));
                }
                Act::Tempo(_) | Act::Tap | Act::Beat(_) if self.clock.led() => {
                    let leader = self.hands.pulse.leader().unwrap_or("another program");
                    return Err(format!("the clock of {leader} leads"));
                }
                Act::Store(name) => super::snapshot::check(name)?,
                Act::Recall(name, _) if !self.snapshots.contains_key(name) => {
                    return Err(format!("there is no snapshot \"{name}\""));
                }
                _ => {}
            }
        }
        let count = acts.len();
        acts.into_iter().for_each(|act| self.act_by(act, hand));
        Ok(count)
    }

    /// Every address that a pattern can mean just now.
    fn plain_addresses(&self) -> Vec<String> {
        let mut all: Vec<String> =
            ADDRESSES.iter().filter(|a| !a.path.contains('<')).map(|a| a.path.to_owned()).collect();
        all.extend(
            (0..self.model.z_dim).flat_map(|i| ["", "/set", "/free"].map(|what| format!("/flaneur/z/{i}{what}"))),
        );
        let knobs = self.host.language.env.lock().controls.asked();
        all.extend(knobs.into_iter().map(|k| format!("/flaneur/knob/{}", slug(&k.name))));
        all
    }

    fn hear_midi(&mut self) {
        let Some(midi) = &mut self.hands.midi else { return };
        let heard = midi.heard();
        let (ports, listed) = midi.ports();
        if listed != self.hands.listed {
            (self.hands.ports, self.hands.listed) = (ports, listed);
            self.hands.mapper.forget();
            self.light_all();
        }
        let mut lines = Vec::new();
        for one in heard {
            match one {
                Heard::Moved(index, moved) => lines.extend(self.moved(index, &moved)),
                Heard::Clock(index, transport, secs) => {
                    let Some(port) = self.hands.ports.get(index) else { continue };
                    let beat = self.clock.now().beat;
                    if let Some(beat) = self.hands.pulse.hear(port, transport, secs, beat) {
                        self.clock.seek(beat);
                    }
                }
            }
        }
        // The halves of a fine control that did something are of no interest by themselves.
        let fine = lines.iter().any(|(what, done, _)| *done && matches!(what, What::Cc14 | What::Nrpn));
        for (what, done, line) in lines {
            if done || !(fine && what == What::Cc || matches!(what, What::Cc14 | What::Nrpn)) {
                self.note(line);
            }
        }
    }

    /// A control of a port has moved; gives what kind it was, whether it did something, and a line about it.
    fn moved(&mut self, index: usize, moved: &Moved) -> Option<(What, bool, String)> {
        let ports = std::mem::take(&mut self.hands.ports);
        let device = ports.get(index).cloned().unwrap_or_default();
        if let Some(learning) = &mut self.hands.learning {
            learning.hear(&device, moved);
            self.hands.ports = ports;
            return None;
        }
        let hand = Hand::new(format!("midi {device}"), None);
        if moved.what == What::Note {
            self.act_by(Act::Note(usize::from(moved.number), f32::from(moved.value) / 127.0), &hand);
        }
        let (mut done, mapped) = self.turn(&ports, index, moved);
        if moved.what == What::Program && !mapped {
            done.extend(self.recall_program(usize::from(moved.number), &hand));
        }
        self.hands.ports = ports;
        let what = format!("{:?}", moved.what).to_lowercase();
        let did = match (mapped, done.is_empty()) {
            (_, false) => done.join(", "),
            (true, true) => "nothing: not at its target's value yet, or let go".into(),
            (false, true) => "not mapped".into(),
        };
        let Moved { number, channel, value, .. } = moved;
        let line = format!("{what} {number} on channel {channel} = {value} → {did} · midi {device}");
        Some((moved.what, mapped || !done.is_empty(), line))
    }

    /// A program change that no mapping takes recalls a preset.
    fn recall_program(&mut self, program: usize, hand: &Hand) -> Option<String> {
        let programs = &self.preset.midi.programs;
        let names = if programs.is_empty() { &self.names.presets } else { programs };
        let name = names.get(program)?.clone();
        self.act_by(Act::Preset(name.clone()), hand);
        Some(format!("/flaneur/preset/load \"{name}\""))
    }

    /// A key or the mouse as a control; gives whether a mapping took it.
    fn own(&mut self, device: &str, moved: &Moved) -> bool {
        if let Some(learning) = &mut self.hands.learning {
            learning.hear(device, moved);
            return true;
        }
        self.turn(&[device.to_owned()], 0, moved).1
    }

    /// A letter went down or came up; gives whether a mapping, or learning, took it.
    pub fn key(&mut self, letter: &str, down: bool) -> bool {
        let mut chars = letter.chars();
        let (Some(letter), None) = (chars.next(), chars.next()) else { return false };
        let Ok(number) = u16::try_from(u32::from(letter)) else { return false };
        let mapped = self.hands.learning.is_some() || !self.hands.mapper.is_empty();
        mapped && self.own(KEYBOARD, &Moved { what: What::Key, channel: 0, number, value: if down { 127 } else { 0 } })
    }

    /// The mouse over the picture, 0..1 from its top left corner: two knobs, and whatever mappings make of it.
    pub fn mouse(&mut self, x: f32, y: f32) {
        self.act_by(Act::Mouse(x, y), &Hand::new(MOUSE, None));
        if self.hands.learning.is_none() && !self.hands.mapper.is_empty() {
            for (number, share) in [(0, x), (1, 1.0 - y)] {
                let value = (share.clamp(0.0, 1.0) * 16_383.0) as u16;
                self.own(MOUSE, &Moved { what: What::Mouse, channel: 0, number, value });
            }
        }
    }

    /// What the mappings make of a movement: words for each thing done, and whether it is mapped at all.
    fn turn(&mut self, ports: &[String], index: usize, moved: &Moved) -> (Vec<String>, bool) {
        let mut mapper = std::mem::take(&mut self.hands.mapper);
        let (orders, mapped) = mapper.moved(ports, index, moved, &|target| self.about(target));
        self.hands.mapper = mapper;
        let mut done = Vec::new();
        for order in orders {
            let said = shown(&order.address, &order.values);
            done.push(match self.steer(&order.address, &order.values, &order.hand) {
                Ok(_) => said,
                Err(why) => format!("{said} rejected: {why}"),
            });
        }
        (done, mapped)
    }

    /// What a mapping's target is just now; nothing if there is none such.
    pub(super) fn about(&self, target: &Target) -> Option<About> {
        let inside = self.host.language.env.lock();
        let path = match target {
            Target::Address(path) => path.clone(),
            Target::Knob(i) => {
                let knobs = inside.controls.asked();
                format!("/flaneur/knob/{}", slug(&knobs.get(*i)?.name))
            }
        };
        let (address, part) = addresses::find(&path)?;
        let part = part.split_once("..").map_or(part, |(first, _)| first);
        if address.path.starts_with("/flaneur/z/<i>") && part.parse::<usize>().ok()? >= self.model.z_dim {
            return None;
        }
        let role = match address.takes {
            Takes::Number { .. } | Takes::Numbers { .. } => Role::Number,
            Takes::Switch => Role::Switch,
            Takes::Trigger => Role::Trigger,
            Takes::Text | Takes::Name => Role::Text,
            Takes::Tells(_) => return None,
        };
        let now = match address.read(&Reading { show: self, controls: &inside.controls, part }) {
            Some(Value::Number(v)) => v,
            _ => 0.0,
        };
        let range = address.reach.or(address.range()).unwrap_or([0.0, 1.0]);
        Some(About { address: path, role, range, now })
    }

    /// One line for the monitor; the oldest go. A rejection also goes to the board, at most once a second.
    pub(super) fn note(&mut self, line: String) {
        let bad = line.contains(" rejected: ") || line.starts_with("refused ");
        if bad && self.hands.complained.is_none_or(|at| self.real - at >= 1.0) {
            self.hands.complained = Some(self.real);
            self.board.notice("osc", line.clone());
        }
        if let Some(server) = &self.hands.server {
            server.line(&line);
        }
        if self.hands.monitor.len() >= MOST_LINES {
            self.hands.monitor.pop_front();
        }
        self.hands.monitor.push_back(line);
    }

    /// Begins or ends learning.
    pub(super) fn toggle_learning(&mut self) {
        self.hands.learning = match self.hands.learning {
            Some(_) => None,
            None => Some(Learning::default()),
        };
    }

    /// What the desk shows of it.
    pub(super) fn learn_view(&self) -> Option<LearnView> {
        let learning = self.hands.learning.as_ref()?;
        Some(LearnView { heard: learning.heard().map(|(_, said)| said) })
    }

    /// The control that was heard moves that target from now on.
    pub(super) fn learn_to(&mut self, target: &str) {
        let Some((mut entry, said)) = self.hands.learning.as_ref().and_then(Learning::heard) else {
            return self.board.notice("learn", "touch a control first, then choose what it is for");
        };
        target.clone_into(&mut entry.target);
        self.hands.learning = None;
        let (board, target) = (self.board.clone(), target.to_owned());
        let given = self.chores.give(move || {
            let written = Learned::open(None).and_then(|learned| learned.add(&entry).map(|()| learned.path));
            match written {
                Ok(path) => {
                    board.notice("learn", format!("{said} is for {target} from now on, in {}", path.display()));
                }
                Err(why) => board.fault("learn", format!("what was learnt is not written: {why}")),
            }
        });
        if !given {
            self.board.fault("learn", "the disk is busy; try again");
        }
    }

    /// Other mapping files.
    pub(super) fn take_mappings(&mut self, mappings: &[Mapping]) {
        self.hands.mapper = Mapper::new(mappings);
        self.light_all();
    }

    /// Opens the doors that the preset names; one that cannot be opened is a line on the board.
    pub(super) fn open_doors(&mut self) {
        let preset = &self.preset;
        let elsewhere = |name: &str| format!("another port goes under [{name}] in the preset");
        if preset.osc.on {
            let bind = preset.osc.bind;
            match Listener::start(bind, &self.hands.inbox, &self.board) {
                Ok(listener) => self.hands.osc = Some(listener),
                Err(e) => self.board.notice("osc", format!("{bind} is not listened to: {e}; {}", elsewhere("osc"))),
            }
        }
        self.hands.told.targets = super::told::targets(&preset.osc.feedback, &self.board);
        if preset.query.on {
            let bind = preset.query.bind;
            let settings = self.query_settings();
            match Server::start(settings, &self.hands.inbox, &self.board) {
                Ok(server) => {
                    if let Some(page) = server.page() {
                        self.board.notice("page", format!("for the phone: {page}"));
                    }
                    self.hands.server = Some(server);
                }
                Err(e) => self.board.notice("oscquery", format!("{bind} is not served: {e}; {}", elsewhere("query"))),
            }
        }
        if preset.midi.on {
            match Midi::start(self.start, &self.board) {
                Ok(midi) => self.hands.midi = Some(midi),
                Err(e) => self.board.notice("midi", format!("no thread for MIDI: {e}")),
            }
        }
        let mappings = reload::mappings(&preset.midi.mappings, &self.board);
        self.take_mappings(&mappings);
    }
}

/// The addresses that a pattern means. One that means values means no triggers beside them: a value for all of z
/// is none for `clear`.
fn meant(pattern: &str, known: &[String]) -> Result<Vec<String>, String> {
    let mut paths = matching(pattern, known)?;
    let trigger = |path: &String| addresses::find(path).is_some_and(|(address, _)| address.takes == Takes::Trigger);
    if !paths.iter().all(trigger) {
        paths.retain(|path| !trigger(path));
    }
    Ok(paths)
}

/// Whether every message to an address counts, and not only the newest of a frame.
fn queues(address: &str) -> bool {
    let takes = addresses::find(address).map(|(address, _)| address.takes);
    !matches!(takes, Some(Takes::Number { .. } | Takes::Numbers { .. } | Takes::Switch)) && takes.is_some()
}

/// A message as a line, cut to what a line holds.
fn shown(address: &str, values: &[Value]) -> String {
    let values_shown: Vec<String> = values
        .iter()
        .take(8)
        .map(|v| match v {
            Value::Number(v) => format!("{}", (v * 1e4).round() / 1e4),
            Value::Text(text) => format!("\"{}\"", text.chars().take(40).collect::<String>()),
            Value::Other(()) => "?".into(),
        })
        .collect();
    let more = if values.len() > 8 { " …" } else { "" };
    let address: String = address.chars().take(80).collect();
    format!("{address} {}{more}", values_shown.join(" ")).trim_end().to_owned()
}
