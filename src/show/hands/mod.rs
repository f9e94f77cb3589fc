//! Hands on the show: doors, one table of addresses, controllers; what they want, and the list of what they did.
//!
//! The step *listen* of the loop: hands over what has come to OSC, the page and MIDI, and the show carries it out
//! one by one. May take: so many acts a frame ([`MOST_ACTS`]); what is over it is counted and said.
//! May touch: its sockets and ports, never a file. The way back is in [`told`].

mod doors;
pub mod midi_clock;
pub mod told;

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::Parts;
use super::addresses::{self, ADDRESSES, Act, Reading, Takes};
use super::view::LearnView;
use crate::control::glide::SMOOTH_SECS;
use crate::control::hand::{Hand, Moved, Value, What};
use crate::control::learn::Learning;
use crate::control::mapper::{About, Mapper, Order, Role};
use crate::control::mapping::{Entry, Mapping, Target};
use crate::control::{classes, slug};
use crate::midi::{Heard, Midi, Transport};
use crate::osc::query::Server;
use crate::osc::{Inbox, Listener, Message, Sender, matching};
use crate::report::Board;
use midi_clock::MidiClock;
use told::Told;

/// Lines of the monitor that are kept.
const MOST_LINES: usize = 64;
/// Names of targets whose last hand is remembered.
const MOST_SOURCES: usize = 4096;
/// The address of a class.
const CLASS: &str = "/flaneur/class/<name>";
/// Acts of messages that a frame takes: half a millisecond of them.
pub const MOST_ACTS: usize = 4096;
/// Between two rejections on the board, in seconds.
const COMPLAIN_SECS: f64 = 1.0;

/// What came from a MIDI port.
pub enum FromPort {
    /// A control moved: what the mappings make of it, and whether they know it.
    Moved {
        /// Whose hand it is: the port's.
        hand: Hand,
        /// The movement.
        moved: Moved,
        /// Values for addresses that follow from it.
        orders: Vec<Order>,
        /// Whether a mapping knows the control, also where nothing follows.
        mapped: bool,
    },
    /// A step of a clock, at a real second.
    Clock {
        /// The port's name.
        port: String,
        /// The step.
        transport: Transport,
        /// Real seconds since the start.
        real: f64,
    },
    /// Nothing for the show: somebody learns.
    Heard,
}

/// What belongs to hands.
#[derive(Default)]
pub struct Hands {
    inbox: Inbox,
    osc: Option<Listener>,
    server: Option<Server>,
    midi: Option<Midi>,
    mapper: Mapper,
    /// Open ports, and the number of their list.
    ports: Vec<String>,
    listed: u64,
    clock: MidiClock,
    learning: Option<Learning>,
    monitor: VecDeque<String>,
    dropped: u64,
    /// Acts that this frame still takes, and those that were left out since it was said.
    left: usize,
    over: u64,
    /// When a rejection was last put on the board.
    complained: Option<f64>,
    /// Who moved each target last.
    sources: BTreeMap<String, String>,
    /// Targets that hands have moved in this frame.
    touched: BTreeMap<String, String>,
    told: Told,
    board: Board,
}

/// What is noted of the controls of one frame.
#[derive(Default)]
pub struct Notes(Vec<(What, bool, String)>);

impl Hands {
    /// Hands that tell this board.
    pub fn new(board: &Board) -> Self {
        Self { board: board.clone(), ..Self::default() }
    }

    /// Notes who moved a target.
    pub fn touch(&mut self, path: String, who: &str) {
        if self.sources.len() < MOST_SOURCES || self.sources.contains_key(&path) {
            self.sources.insert(path.clone(), who.to_owned());
        }
        if self.touched.len() < MOST_SOURCES {
            self.touched.insert(path, who.to_owned());
        }
    }

    /// Who moved each target last.
    pub fn sources(&self) -> &BTreeMap<String, String> {
        &self.sources
    }

    /// The last lines of the monitor.
    pub fn monitor(&self) -> &VecDeque<String> {
        &self.monitor
    }

    /// Open MIDI ports.
    pub fn ports(&self) -> &[String] {
        &self.ports
    }

    /// Where OSC is listened to.
    pub fn osc_address(&self) -> Option<std::net::SocketAddr> {
        self.osc.as_ref().map(|osc| osc.address)
    }

    /// Where OSCQuery is served.
    pub fn query_address(&self) -> Option<std::net::SocketAddr> {
        self.server.as_ref().map(Server::address)
    }

    /// The page's address, if it is served.
    pub fn page(&self) -> Option<String> {
        self.server.as_ref().and_then(Server::page)
    }

    /// The clock that leads from outside.
    pub fn clock(&mut self) -> &mut MidiClock {
        &mut self.clock
    }

    /// The port whose clock leads.
    pub fn leader(&self) -> Option<&str> {
        self.clock.leader()
    }

    /// The messages of this frame: of those that set a value only the newest of each address. Says what was refused
    /// at the door.
    pub fn messages(&mut self, real: f64) -> Vec<Message> {
        self.left = MOST_ACTS;
        let counts = self.inbox.counts();
        let messages = self.inbox.messages();
        self.inbox.remarks().into_iter().for_each(|line| self.note(line, real));
        if counts.dropped > self.dropped {
            let more = counts.dropped - std::mem::replace(&mut self.dropped, counts.dropped);
            self.note(format!("refused {more} messages: more came than a frame takes"), real);
        }
        if let Some(Message { from: Sender::Udp(from), .. }) = messages.last() {
            self.told.sender = Some(*from);
        }
        let mut newest: HashMap<String, usize> = HashMap::new();
        for (i, message) in messages.iter().enumerate() {
            if !queues(&message.address) && fits(message) {
                newest.insert(message.address.clone(), i);
            }
        }
        let current = |(i, message): (usize, Message)| {
            newest.get(&message.address).is_none_or(|last| *last == i || !fits(&message)).then_some(message)
        };
        messages.into_iter().enumerate().filter_map(current).collect()
    }

    /// The plain addresses that a message means, no more of them than this frame still takes.
    ///
    /// # Errors
    /// If it is a pattern that matches nothing, or the frame takes no more.
    pub fn meant(&mut self, message: &Message, known: impl FnOnce() -> Vec<String>) -> Result<Vec<String>, String> {
        let mut paths = match message.address.contains(['*', '?', '[', '{']) {
            true => meant(&message.address, &known())?,
            false => vec![message.address.clone()],
        };
        if paths.is_empty() {
            return Err("the pattern matches nothing".into());
        }
        if paths.len() > self.left {
            self.over += (paths.len() - self.left) as u64;
            paths.truncate(self.left);
        }
        self.left -= paths.len();
        match paths.is_empty() {
            true => Err(format!("a frame takes {MOST_ACTS} of them")),
            false => Ok(paths),
        }
    }

    /// So many more acts were done than messages mean.
    pub fn spend(&mut self, acts: usize) {
        self.left = self.left.saturating_sub(acts);
    }

    /// Acts that were left out since the last call, because frames had enough.
    pub fn left_out(&mut self) -> u64 {
        std::mem::take(&mut self.over)
    }

    /// Who sends a message, and how smoothly what it sets moves.
    pub fn hand_of(message: &Message, osc_secs: f64) -> Hand {
        let smooth_secs = match message.from {
            Sender::Udp(_) => osc_secs,
            // A finger on a phone moves in steps.
            Sender::Web(_) => SMOOTH_SECS,
        };
        Hand::new(message.from.to_string(), Some(smooth_secs))
    }

    /// A line for the monitor about a message.
    pub fn note_message(&mut self, message: &Message, done: Result<String, String>, real: f64) {
        let (said, from) = (shown(&message.address, &message.values), message.from);
        let line = match done {
            Ok(did) => format!("{said} → {did} · {from}"),
            Err(why) => format!("{said} rejected: {why} · {from}"),
        };
        self.note(line, real);
    }

    /// What came from MIDI, in order; ports that came or went are looked up first.
    pub fn from_ports(&mut self, parts: &Parts) -> Vec<FromPort> {
        let Some(midi) = &mut self.midi else { return Vec::new() };
        let heard = midi.heard();
        let (ports, listed) = midi.ports();
        if listed != self.listed {
            (self.ports, self.listed) = (ports, listed);
            self.mapper.forget();
            self.light(None, parts);
        }
        let each = |one| match one {
            Heard::Moved(index, moved) => self.moved(index, moved, parts),
            Heard::Clock(index, transport, real) => match self.ports.get(index) {
                Some(port) => FromPort::Clock { port: port.clone(), transport, real },
                None => FromPort::Heard,
            },
        };
        heard.into_iter().map(each).collect()
    }

    fn moved(&mut self, index: usize, moved: Moved, parts: &Parts) -> FromPort {
        let device = self.ports.get(index).cloned().unwrap_or_default();
        if let Some(learning) = &mut self.learning {
            learning.hear(&device, &moved);
            return FromPort::Heard;
        }
        let ports = self.ports.clone();
        let (orders, mapped) = self.turn(&ports, index, &moved, parts);
        FromPort::Moved { hand: Hand::new(format!("midi {device}"), None), moved, orders, mapped }
    }

    /// What the mappings make of a movement, and whether it is mapped at all.
    fn turn(&mut self, ports: &[String], index: usize, moved: &Moved, parts: &Parts) -> (Vec<Order>, bool) {
        self.mapper.moved(ports, index, moved, &|target| about(target, parts))
    }

    /// A key or the mouse as a control: what the mappings make of it; none if it is no control of theirs.
    pub fn own(&mut self, device: &str, moved: &Moved, parts: &Parts) -> Option<Vec<Order>> {
        if let Some(learning) = &mut self.learning {
            learning.hear(device, moved);
            return Some(Vec::new());
        }
        if self.mapper.is_empty() {
            return None;
        }
        let (orders, mapped) = self.turn(&[device.to_owned()], 0, moved, parts);
        mapped.then_some(orders)
    }

    /// Whether somebody learns.
    pub fn learns(&self) -> bool {
        self.learning.is_some()
    }

    /// One line for the monitor; the oldest go. A rejection also goes to the board, at most once a second.
    pub fn note(&mut self, line: String, real: f64) {
        let bad = line.contains(" rejected: ") || line.starts_with("refused ");
        if bad && self.complained.is_none_or(|at| real - at >= COMPLAIN_SECS) {
            self.complained = Some(real);
            self.board.notice("osc", line.clone());
        }
        if let Some(server) = &self.server {
            server.line(&line);
        }
        if self.monitor.len() >= MOST_LINES {
            self.monitor.pop_front();
        }
        self.monitor.push_back(line);
    }

    /// Begins or ends learning.
    pub fn toggle_learning(&mut self) {
        self.learning = match self.learning {
            Some(_) => None,
            None => Some(Learning::default()),
        };
    }

    /// What the desk shows of it.
    pub fn learn_view(&self) -> Option<LearnView> {
        let learning = self.learning.as_ref()?;
        Some(LearnView { heard: learning.heard().map(|(_, said)| said) })
    }

    /// The control that was heard, for a target; ends learning.
    pub fn learnt(&mut self, target: &str) -> Option<(Entry, String)> {
        let (mut entry, said) = self.learning.as_ref().and_then(Learning::heard)?;
        target.clone_into(&mut entry.target);
        self.learning = None;
        Some((entry, said))
    }

    /// Other mapping files.
    pub fn take_mappings(&mut self, mappings: &[Mapping], parts: &Parts) {
        self.mapper = Mapper::new(mappings);
        self.light(None, parts);
    }
}

impl Notes {
    /// Of a movement: what was done, or why nothing.
    pub fn add(&mut self, moved: &Moved, mapped: bool, done: &[String], hand: &Hand) {
        let did = match (mapped, done.is_empty()) {
            (_, false) => done.join(", "),
            (true, true) => "nothing: not at its target's value yet, or let go".into(),
            (false, true) => "not mapped".into(),
        };
        let what = format!("{:?}", moved.what).to_lowercase();
        let Moved { number, channel, value, .. } = moved;
        let line = format!("{what} {number} on channel {channel} = {value} → {did} · {}", hand.who);
        self.0.push((moved.what, mapped || !done.is_empty(), line));
    }

    /// The lines: halves of a fine control that did something are of no interest by themselves.
    pub fn lines(self) -> impl Iterator<Item = String> {
        let fine = self.0.iter().any(|(what, done, _)| *done && matches!(what, What::Cc14 | What::Nrpn));
        let interests = move |(what, done, _): &(What, bool, String)| {
            *done || !(fine && *what == What::Cc || matches!(what, What::Cc14 | What::Nrpn))
        };
        self.0.into_iter().filter(interests).map(|(.., line)| line)
    }
}

/// Every address that a pattern can mean just now.
pub fn plain_addresses(parts: &Parts) -> Vec<String> {
    let mut all: Vec<String> = ADDRESSES.iter().filter(|a| !a.path.contains('<')).map(|a| a.path.to_owned()).collect();
    let dims = parts.output.model().space.dim;
    all.extend((0..dims).flat_map(|i| ["", "/set", "/free"].map(|what| format!("/flaneur/z/{i}{what}"))));
    all.extend(parts.walk.space().classes.iter().map(|name| format!("/flaneur/class/{}", slug(name))));
    if let Some(w) = &parts.walk.space().w {
        all.extend(w.0.directions().iter().map(|name| format!("/flaneur/direction/{}", slug(name))));
        all.extend((0..w.0.layers()).map(|layer| format!("/flaneur/style/{layer}/amount")));
    }
    all.extend(parts.controls.asked().into_iter().map(|k| format!("/flaneur/knob/{}", slug(&k.name))));
    all.extend(parts.controls.triggers().iter().map(|name| format!("/flaneur/hit/{}", slug(name))));
    all
}

/// What a mapping's target is just now; nothing if there is none such.
pub fn about(target: &Target, parts: &Parts) -> Option<About> {
    let path = match target {
        Target::Address(path) => path.clone(),
        Target::Knob(i) => format!("/flaneur/knob/{}", slug(&parts.controls.asked().get(*i)?.name)),
    };
    let (address, part) = addresses::find(&path)?;
    let part = part.split_once("..").map_or(part, |(first, _)| first);
    if address.path.starts_with("/flaneur/z/<i>") && part.parse::<usize>().ok()? >= parts.output.model().space.dim {
        return None;
    }
    if address.path == CLASS && classes::find(&parts.walk.space().classes, part).is_err() {
        return None;
    }
    let role = match address.takes {
        Takes::Number { .. } | Takes::Numbers { .. } => Role::Number,
        Takes::Switch => Role::Switch,
        Takes::Trigger => Role::Trigger,
        Takes::Text | Takes::Name => Role::Text,
        Takes::Tells(_) => return None,
    };
    let now = match address.read(&Reading { show: parts, part }) {
        Some(Value::Number(v)) => v,
        _ => 0.0,
    };
    let range = address.reach.or(address.range()).unwrap_or([0.0, 1.0]);
    Some(About { address: path, role, range, now })
}

/// Why an act cannot be done now, beyond what its address knows.
pub fn objection(act: &Act, parts: &Parts, leader: Option<&str>) -> Option<String> {
    match act {
        Act::Z(i, _) | Act::ZSet(i, _) | Act::ZFree(i) if *i >= parts.output.model().space.dim => {
            let last = parts.output.model().space.dim.saturating_sub(1);
            Some(format!("there is no dimension {i}; the model has 0 to {last}"))
        }
        Act::Class(name, _) => classes::find(&parts.walk.space().classes, name).err(),
        Act::Direction(name, _) => match &parts.walk.space().w {
            None => Some("the model has no directions: it has no mapping to w".into()),
            Some(w) => w.direction(name).is_none().then(|| w.no_direction(name)),
        },
        Act::Layer(layer, _) => match parts.walk.space().w.as_ref().map_or(0, |w| w.0.layers()) {
            0 => Some("the model has no layers with styles: it has no mapping to w".into()),
            count => (*layer >= count).then(|| format!("there is no layer {layer}; the model has 0 to {}", count - 1)),
        },
        Act::Tempo(_) | Act::Tap | Act::Beat(_) if parts.walk.clock().led() => {
            Some(format!("the clock of {} leads", leader.unwrap_or("another program")))
        }
        Act::Store(name) => super::takes::snapshot::check(name).err(),
        Act::Recall(name, _) if !parts.takes.has_snapshot(name) => Some(format!("there is no snapshot \"{name}\"")),
        _ => None,
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
    !matches!(takes, Some(Takes::Number { .. } | Takes::Numbers { .. } | Takes::Switch))
}

/// Whether a message's values are what its address takes: one that cannot act leaves the one before it standing.
fn fits(message: &Message) -> bool {
    addresses::takes(&message.address, &message.values)
}

/// A message as a line, cut to what a line holds.
pub fn shown(address: &str, values: &[Value]) -> String {
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
