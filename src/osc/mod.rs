//! OSC: a socket on a thread of its own, messages for the frame that comes next; the way back; OSCQuery.
//!
//! Fed by anyone who sends UDP to the port or speaks to the server in [`query`]; read by `show`, which knows what
//! addresses mean. Bounded in memory whatever arrives: datagrams over 8 KiB are refused before they are decoded,
//! the queue drops its oldest, and nothing with a time tag is held for more than ten seconds.

mod out;
mod pattern;
pub mod query;
mod tree;

use std::collections::VecDeque;
use std::fmt;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rosc::{OscPacket, OscTime, OscType, decoder};

use crate::control::hand::Value;
use crate::latest::lock;
use crate::report::Board;
use crate::worker::{Worker, caught};

pub use out::packet;
pub use pattern::matching;
pub use tree::{Kind, Node};

/// Largest datagram that is decoded: bundles nested deeper than that holds overflow the decoder's stack.
const LARGEST: usize = 8 << 10;
/// Deepest nesting of bundles.
const DEEPEST: usize = 16;
/// Messages that wait for a frame; the oldest goes first.
const MOST: usize = 1024;
/// Furthest time tag that is waited for.
const AHEAD: Duration = Duration::from_secs(10);
/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    Udp(SocketAddr),
    /// Over a WebSocket: the page, or an OSCQuery client.
    Web(SocketAddr),
}

impl fmt::Display for Sender {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(from) => write!(out, "osc {from}"),
            Self::Web(from) => write!(out, "web {from}"),
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// An address, or a pattern for several.
    pub address: String,
    pub values: Vec<Value>,
    pub from: Sender,
}

/// What came, and what was done to it on the way.
#[derive(Default)]
struct Waiting {
    queue: VecDeque<Message>,
    held: Vec<(Instant, Message)>,
    dropped: u64,
    refused: u64,
    why: String,
}

impl Waiting {
    fn push(&mut self, message: Message) {
        if self.queue.len() >= MOST {
            self.queue.pop_front();
            self.dropped += 1;
        }
        self.queue.push_back(message);
    }
}

/// Messages that wait for their frame, from every door; clones share it.
#[derive(Clone, Default)]
pub struct Inbox(Arc<Mutex<Waiting>>);

/// Counts of a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that found the queue full.
    pub dropped: u64,
    /// Datagrams that were not decoded.
    pub refused: u64,
    /// Why the last of them was refused.
    pub why: String,
}

impl Inbox {
    /// The messages for this frame.
    pub fn messages(&self) -> Vec<Message> {
        let now = Instant::now();
        let mut inbox = lock(&self.0);
        let held = std::mem::take(&mut inbox.held);
        for (due, message) in held {
            if due <= now {
                inbox.push(message);
            } else {
                inbox.held.push((due, message));
            }
        }
        inbox.queue.drain(..).collect()
    }

    /// How things stand.
    pub fn counts(&self) -> Counts {
        let inbox = lock(&self.0);
        Counts { dropped: inbox.dropped, refused: inbox.refused, why: inbox.why.clone() }
    }

    /// Refuses what came, with the reason.
    fn refuse(&self, from: Sender, why: &str) {
        let mut inbox = lock(&self.0);
        inbox.refused += 1;
        inbox.why = format!("{from}: {why}");
    }

    /// Takes a datagram, or refuses it.
    fn receive(&self, datagram: &[u8], from: Sender) {
        if datagram.len() > LARGEST {
            return self.refuse(from, &format!("a datagram of {} bytes; at most {LARGEST} are read", datagram.len()));
        }
        if datagram.windows(8).filter(|w| *w == b"#bundle\0").count() > DEEPEST {
            return self.refuse(from, &format!("more than {DEEPEST} bundles in one datagram"));
        }
        match caught(|| decoder::decode_udp(datagram)) {
            // Under one lock, so that a bundle falls into one frame.
            Ok(Ok((_, packet))) => take(packet, None, from, &mut lock(&self.0)),
            Ok(Err(error)) => self.refuse(from, &format!("not OSC: {error}")),
            Err(panic) => self.refuse(from, &format!("not OSC: {panic}")),
        }
    }
}

/// A port that is listened to.
pub struct Listener {
    pub address: SocketAddr,
    socket: UdpSocket,
    _worker: Worker,
}

impl Listener {
    /// Listens on `bind`, for example `127.0.0.1:9000`.
    ///
    /// # Errors
    /// If the port is taken or not allowed, or there is no thread.
    pub fn start(bind: SocketAddr, inbox: &Inbox, board: &Board) -> std::io::Result<Self> {
        let socket = UdpSocket::bind(bind)?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let (address, theirs) = (socket.local_addr()?, socket.try_clone()?);
        let (inbox, board) = (inbox.clone(), board.clone());
        let worker = Worker::start("osc", 2 << 20, move |ending| {
            let mut buffer = vec![0; 65_536];
            while !ending.wished() {
                match theirs.recv_from(&mut buffer) {
                    Ok((count, from)) => inbox.receive(&buffer[..count], Sender::Udp(from)),
                    Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
                    // An answer of another host to something that was sent; the socket goes on.
                    Err(e) => {
                        board.notice("osc", e.to_string());
                        std::thread::sleep(Duration::from_millis(100));
                    }
                }
            }
        })?;
        Ok(Self { address, socket, _worker: worker })
    }

    /// Sends a packet from this port, so that answers find back. What cannot be sent is lost, as on any network.
    pub fn send(&self, packet: &[u8], to: SocketAddr) {
        let _ = self.socket.send_to(packet, to);
    }
}

fn take(packet: OscPacket, due: Option<Instant>, from: Sender, inbox: &mut Waiting) {
    match packet {
        OscPacket::Message(message) => {
            let values = message.args.into_iter().map(value).collect();
            let message = Message { address: message.addr, values, from };
            match due {
                Some(due) if inbox.held.len() < MOST => inbox.held.push((due, message)),
                _ => inbox.push(message),
            }
        }
        OscPacket::Bundle(bundle) => {
            let due = when(bundle.timetag);
            bundle.content.into_iter().for_each(|inner| take(inner, due, from, inbox));
        }
    }
}

/// When a time tag falls due; none for now, the past, and what is too far ahead.
fn when(tag: OscTime) -> Option<Instant> {
    // The library's own conversion panics before 1970, and tags count from 1900.
    let secs = u64::from(tag.seconds).checked_sub(2_208_988_800)?;
    let fraction = Duration::from_secs_f64(f64::from(tag.fractional) / 4_294_967_296.0);
    let time = UNIX_EPOCH + Duration::from_secs(secs) + fraction;
    let ahead = time.duration_since(SystemTime::now()).ok()?;
    (ahead <= AHEAD).then(|| Instant::now() + ahead)
}

fn value(argument: OscType) -> Value {
    match argument {
        OscType::Int(v) => Value::Number(f64::from(v)),
        OscType::Float(v) => Value::Number(f64::from(v)),
        OscType::Long(v) => Value::Number(v as f64),
        OscType::Double(v) => Value::Number(v),
        OscType::Bool(v) => Value::Number(f64::from(u8::from(v))),
        OscType::String(v) => Value::Text(v),
        OscType::Char(v) => Value::Text(v.into()),
        _ => Value::Other(()),
    }
}

#[cfg(test)]
mod tests {
    use rosc::{OscBundle, OscMessage, encoder};

    use super::*;

    fn from() -> Sender {
        Sender::Udp(([127, 0, 0, 1], 5).into())
    }

    fn bundle(content: Vec<OscPacket>, seconds: u32) -> OscPacket {
        OscPacket::Bundle(OscBundle { timetag: OscTime { seconds, fractional: 1 }, content })
    }

    fn message(address: &str, args: Vec<OscType>) -> OscPacket {
        OscPacket::Message(OscMessage { addr: address.into(), args })
    }

    #[test]
    fn types_are_taken_as_they_come() {
        let inbox = Inbox::default();
        let args =
            vec![OscType::Int(1), OscType::Bool(true), OscType::Double(0.5), OscType::String("x".into()), OscType::Nil];
        inbox.receive(&encoder::encode(&bundle(vec![message("/a", args)], 0)).unwrap(), from());
        let values = inbox.messages().remove(0).values;
        let expected =
            [Value::Number(1.0), Value::Number(1.0), Value::Number(0.5), Value::Text("x".into()), Value::Other(())];
        assert_eq!(values, expected);
    }

    #[test]
    fn whatever_arrives_it_is_bounded() {
        let inbox = Inbox::default();
        let mut random = crate::random::RandomState::new(1);
        for length in 0..4000 {
            let bytes: Vec<u8> = (0..length % 300).map(|_| random.below(256) as u8).collect();
            inbox.receive(&bytes, from());
            inbox.receive(&encoder::encode(&message("/a", vec![])).unwrap(), from());
        }
        let nested = (0..40).fold(message("/deep", vec![]), |inner, _| bundle(vec![inner], u32::MAX));
        inbox.receive(&encoder::encode(&nested).unwrap(), from());
        inbox.receive(&[b'#'; 60_000], from());
        let inbox = lock(&inbox.0);
        assert!(inbox.queue.len() == MOST && inbox.dropped > 0 && inbox.held.len() <= MOST);
        assert!(inbox.why.contains("60000 bytes"));
    }

    #[test]
    fn a_far_future_is_now() {
        assert!(when(OscTime { seconds: u32::MAX, fractional: 0 }).is_none());
        assert!(when(OscTime { seconds: 0, fractional: 1 }).is_none());
        let soon = OscTime::try_from(SystemTime::now() + Duration::from_secs(5)).unwrap();
        assert!(when(soon).is_some());
    }
}
