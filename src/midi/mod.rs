//! MIDI: every controller there is, by name, whenever it comes; what moves, the clock, lamps and motors.
//!
//! A thread of its own looks for ports every second, opens what is new and lets go of what is gone; the driver's
//! callbacks leave raw messages in a bounded queue, and the loop decodes them in its frame. A system without MIDI
//! is a line on the board, and is looked at again. Deliberately absent: what a control does (`control::mapping`).

mod decode;
mod pll;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use midir::{Ignore, MidiInput, MidiInputConnection, MidiOutput, MidiOutputConnection};

use crate::control::hand::Moved;
use crate::latest::lock;
use crate::report::Board;
use crate::worker::{Ending, Worker, caught};
pub use decode::Transport;
use decode::{Decoded, Decoder};
pub use pll::Pll;

/// This program's name among the ports.
const NAME: &str = "flaneur";
/// Messages that wait for a frame, in and out; the oldest goes first.
const MOST: usize = 1024;
/// Ports opened at a time.
const MOST_PORTS: usize = 64;
/// Pause between two looks for ports.
const LOOK: Duration = Duration::from_millis(1000);

/// A short message as it came; longer ones (system exclusive) are nothing that steers.
struct Raw {
    device: Arc<str>,
    at: Instant,
    bytes: [u8; 3],
    count: u8,
}

#[derive(Default)]
struct Desk {
    raw: VecDeque<Raw>,
    dropped: u64,
    /// Names of the open ports, in the system's order.
    ports: Vec<String>,
    /// Counts up when the ports change.
    changes: u64,
    out: VecDeque<(String, Vec<u8>)>,
}

#[derive(Default)]
struct Shared {
    desk: Mutex<Desk>,
    /// There is something to send, or to end.
    called: Condvar,
}

/// Something a frame has to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A control of the port at that place in the list of ports.
    Moved(usize, Moved),
    /// The clock of a port, so many seconds after the start.
    Clock(usize, Transport, f64),
}

/// The owner's end.
pub struct Midi {
    shared: Arc<Shared>,
    decoders: BTreeMap<Arc<str>, Decoder>,
    start: Instant,
    worker: Worker,
}

impl Midi {
    /// Starts looking for ports; times are counted from `start`.
    ///
    /// # Errors
    /// If the system gives no thread. That there is no MIDI is no error.
    pub fn start(start: Instant, board: &Board) -> std::io::Result<Self> {
        let shared: Arc<Shared> = Arc::default();
        let (theirs, board) = (shared.clone(), board.clone());
        let worker = Worker::start("midi", 2 << 20, move |ending| {
            let mut ports = Ports::default();
            while !ending.requested() {
                // A driver's library that fails must not end the looking.
                if let Err(panic) = caught(|| ports.look(&theirs, &board)) {
                    board.fault("midi", format!("the MIDI library failed: {panic}; it is tried again"));
                    ports = Ports::default();
                }
                ports.serve(&theirs, &ending);
            }
        })?;
        Ok(Self { shared, decoders: BTreeMap::new(), start, worker })
    }

    /// Names of the open ports, and a number that changes with them.
    pub fn ports(&self) -> (Vec<String>, u64) {
        let desk = lock(&self.shared.desk);
        (desk.ports.clone(), desk.changes)
    }

    /// Messages that found the queue full.
    pub fn dropped(&self) -> u64 {
        lock(&self.shared.desk).dropped
    }

    /// What came since the last frame.
    pub fn heard(&mut self) -> Vec<Heard> {
        let (raw, ports) = {
            let mut desk = lock(&self.shared.desk);
            if desk.raw.is_empty() && self.decoders.is_empty() {
                return Vec::new();
            }
            (std::mem::take(&mut desk.raw), desk.ports.clone())
        };
        let since = |at: Instant| at.saturating_duration_since(self.start);
        let (mut heard, mut decoded) = (Vec::new(), Vec::new());
        let index = |device: &str| ports.iter().position(|port| port == device);
        let mut give = |decoded: &mut Vec<Decoded>, device: &str, secs: f64| {
            let Some(index) = index(device) else { return decoded.clear() };
            heard.extend(decoded.drain(..).map(|one| match one {
                Decoded::Moved(moved) => Heard::Moved(index, moved),
                Decoded::Transport(transport) => Heard::Clock(index, transport, secs),
            }));
        };
        for Raw { device, at, bytes, count } in raw {
            let since = since(at);
            let decoder = self.decoders.entry(device.clone()).or_default();
            decoder.decode(&bytes[..usize::from(count)], since.as_micros() as u64, &mut decoded);
            give(&mut decoded, &device, since.as_secs_f64());
        }
        let now = since(Instant::now());
        for (device, decoder) in &mut self.decoders {
            decoder.flush(now.as_micros() as u64, &mut decoded);
            give(&mut decoded, device, now.as_secs_f64());
        }
        self.decoders.retain(|device, _| index(device).is_some());
        heard
    }

    /// Sends a message to the port of that name, if it has an output.
    pub fn send(&self, port: &str, message: Vec<u8>) {
        let mut desk = lock(&self.shared.desk);
        if desk.out.len() >= MOST {
            desk.out.pop_front();
        }
        desk.out.push_back((port.to_owned(), message));
        drop(desk);
        self.shared.called.notify_one();
    }
}

impl Drop for Midi {
    fn drop(&mut self) {
        // Under the lock, or the thread could miss it between its look and its wait.
        let desk = lock(&self.shared.desk);
        self.worker.end();
        drop(desk);
        self.shared.called.notify_one();
    }
}

/// What the thread holds open.
#[derive(Default)]
struct Ports {
    lister: Option<(MidiInput, MidiOutput)>,
    inputs: BTreeMap<String, MidiInputConnection<()>>,
    outputs: BTreeMap<String, MidiOutputConnection>,
    /// Ports that could not be opened: they are not tried, nor told of, every second.
    closed: Vec<String>,
    looked: Option<Instant>,
    /// Times in a row that the system had no MIDI.
    without: u32,
}

/// Names of the controllers that are here just now.
///
/// # Errors
/// If this system has no MIDI.
pub fn ports_now() -> Result<Vec<String>, String> {
    let mut ports = Ports::default();
    ports.find_system()?;
    let Some((input, _)) = &ports.lister else { return Ok(Vec::new()) };
    let all = input.ports();
    let names = all.iter().filter_map(|p| input.port_name(p).ok()).filter(|name| !ours(name));
    Ok(names.take(MOST_PORTS).collect())
}

/// A port that is none of a controller: this program's own, and the system's loop.
fn ours(name: &str) -> bool {
    let name = name.to_lowercase();
    name.starts_with(NAME) || name.contains("midi through")
}

impl Ports {
    /// Opens what is new, lets go of what is gone.
    fn look(&mut self, shared: &Arc<Shared>, board: &Board) {
        // A library that finds no server prints lines on the terminal: it is asked less and less often.
        let pause = LOOK * (1 << self.without.min(4));
        if self.looked.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        self.looked = Some(Instant::now());
        if self.lister.is_none() {
            if let Err(why) = self.find_system() {
                self.without += 1;
                return board.notice("midi", why);
            }
            self.without = 0;
            board.clear("midi");
        }
        let Some((input, output)) = &self.lister else { return };
        let names = |names: Vec<String>| names.into_iter().filter(|n| !ours(n)).take(MOST_PORTS).collect::<Vec<_>>();
        let there = names(input.ports().iter().filter_map(|p| input.port_name(p).ok()).collect());
        let outs = names(output.ports().iter().filter_map(|p| output.port_name(p).ok()).collect());
        if there.is_empty() && !self.inputs.is_empty() {
            // All at once: the sound system itself may have gone. It is asked anew next time.
            self.lister = None;
        }
        let mut changed = false;
        let gone: Vec<String> = self.inputs.keys().filter(|name| !there.contains(name)).cloned().collect();
        for name in gone {
            drop(self.inputs.remove(&name));
            board.notice(&format!("midi {name}"), "is gone; its values stay, and it comes back by itself");
            changed = true;
        }
        self.outputs.retain(|name, _| partner(name, &outs).is_some());
        self.closed.retain(|name| there.contains(name));
        for name in &there {
            if !self.inputs.contains_key(name) && !self.closed.contains(name) {
                match open(name, shared) {
                    Ok(connection) => {
                        self.inputs.insert(name.clone(), connection);
                        board.notice(&format!("midi {name}"), "is here");
                        changed = true;
                    }
                    Err(why) => {
                        board.notice(&format!("midi {name}"), format!("cannot be opened: {why}"));
                        self.closed.push(name.clone());
                    }
                }
            }
            // Its lamps may come later than its keys.
            if !self.outputs.contains_key(name)
                && let Some(out) = partner(name, &outs)
                && let Some(connection) = open_output(&out)
            {
                self.outputs.insert(name.clone(), connection);
                changed = true;
            }
        }
        if changed {
            let mut desk = lock(&shared.desk);
            desk.ports = there.into_iter().filter(|name| self.inputs.contains_key(name)).collect();
            desk.changes += 1;
        }
    }

    /// Reaches the system's MIDI.
    fn find_system(&mut self) -> Result<(), String> {
        // Asking a system that has none makes its library print lines on the terminal, every second.
        if cfg!(all(target_os = "linux", not(feature = "jack"))) && !std::path::Path::new("/dev/snd/seq").exists() {
            return Err("there is no MIDI on this system (no /dev/snd/seq); it is looked for again".into());
        }
        let without = |e: midir::InitError| format!("there is no MIDI on this system ({e}); it is looked for again");
        let input = MidiInput::new(&format!("{NAME}-look")).map_err(without)?;
        let output = MidiOutput::new(&format!("{NAME}-look-out")).map_err(without)?;
        self.lister = Some((input, output));
        Ok(())
    }

    /// Sends what is to be sent, until it is time to look again.
    fn serve(&mut self, shared: &Shared, ending: &Ending) {
        loop {
            let mut desk = lock(&shared.desk);
            if desk.out.is_empty() && !ending.requested() {
                let left = self.looked.map_or(Duration::ZERO, |at| LOOK.saturating_sub(at.elapsed()));
                let left = if left.is_zero() { LOOK } else { left };
                let (waited, _) = shared.called.wait_timeout(desk, left).unwrap_or_else(PoisonError::into_inner);
                desk = waited;
            }
            let out = std::mem::take(&mut desk.out);
            drop(desk);
            let idle = out.is_empty();
            for (port, message) in out {
                if let Some(connection) = self.outputs.get_mut(&port) {
                    // A device that was pulled out is noticed at the next look.
                    let _ = connection.send(&message);
                }
            }
            if idle || ending.requested() || self.looked.is_none_or(|at| at.elapsed() >= LOOK) {
                return;
            }
        }
    }
}

/// The output that belongs to an input: the one of the same name, or of the same client with the directions
/// called by their names.
fn partner(input: &str, outputs: &[String]) -> Option<String> {
    let plain = |name: &str| {
        let name = name.to_lowercase().replace("capture", "").replace("playback", "");
        name.replace("input", "").replace("output", "").replace("_in", "").replace("_out", "")
    };
    let same = outputs.iter().find(|out| *out == input);
    same.or_else(|| outputs.iter().find(|out| plain(out) == plain(input))).cloned()
}

fn open(name: &str, shared: &Arc<Shared>) -> Result<MidiInputConnection<()>, String> {
    let mut input = MidiInput::new(&format!("{NAME}-in")).map_err(|e| e.to_string())?;
    // The library leaves out clock and exclusive messages unless told otherwise.
    input.ignore(Ignore::None);
    let ports = input.ports();
    let port = ports.iter().find(|p| input.port_name(p).is_ok_and(|n| n == name)).ok_or("it is gone again")?;
    let (device, shared): (Arc<str>, _) = (name.into(), shared.clone());
    let take = move |_: u64, message: &[u8], (): &mut ()| {
        let Some(count) = u8::try_from(message.len()).ok().filter(|n| (1..=3).contains(n)) else { return };
        let mut bytes = [0; 3];
        bytes[..usize::from(count)].copy_from_slice(message);
        let mut desk = lock(&shared.desk);
        if desk.raw.len() >= MOST {
            desk.raw.pop_front();
            desk.dropped += 1;
        }
        desk.raw.push_back(Raw { device: device.clone(), at: Instant::now(), bytes, count });
    };
    input.connect(port, "in", take, ()).map_err(|e| e.to_string())
}

fn open_output(name: &str) -> Option<MidiOutputConnection> {
    let output = MidiOutput::new(&format!("{NAME}-out")).ok()?;
    let ports = output.ports();
    let port = ports.iter().find(|p| output.port_name(p).is_ok_and(|n| n == name))?;
    output.connect(port, "out").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_belongs_to_its_input() {
        let outs = ["system:midi_playback_1", "box:out", "nano MIDI 1"].map(String::from);
        assert_eq!(partner("nano MIDI 1", &outs).as_deref(), Some("nano MIDI 1"));
        assert_eq!(partner("system:midi_capture_1", &outs).as_deref(), Some("system:midi_playback_1"));
        assert_eq!(partner("other", &outs), None);
        assert!(ours("Flaneur-in:in") && ours("Midi Through:Midi Through Port-0 14:0") && !ours("nanoKONTROL2"));
    }
}
