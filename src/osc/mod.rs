//! OSC in: a socket on a thread of its own, messages for the frame that comes next.
//!
//! Fed by anyone who sends UDP to the port; read by `show`, which knows what addresses mean. Bounded in memory
//! whatever arrives: datagrams over 8 KiB are refused before they are decoded, the queue drops its oldest, and
//! nothing with a time tag is held for more than ten seconds.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rosc::{OscPacket, OscTime, OscType, decoder};

use crate::report::Board;
use crate::worker::{Worker, caught};

/// Largest datagram that is decoded: bundles nested deeper than that holds overflow the decoder's stack.
const LARGEST: usize = 8 << 10;
/// Deepest nesting of bundles.
const DEEPEST: usize = 16;
/// Messages that wait for a frame; the oldest goes first.
const MOST: usize = 1024;
/// Furthest time tag that is waited for.
const AHEAD: Duration = Duration::from_secs(10);
/// Longest pattern, and most wildcards in one: matching tries all ways through them.
const LONGEST_PATTERN: usize = 256;
const MOST_STARS: usize = 8;

/// One argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Floats, integers, true and false: people's programs send what they have.
    Number(f64),
    Text(String),
    /// Blobs, colours, MIDI and the like.
    Other,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// An address, or a pattern for several.
    pub address: String,
    pub values: Vec<Value>,
    pub from: SocketAddr,
}

/// What came, and what was done to it on the way.
#[derive(Default)]
struct Inbox {
    queue: VecDeque<Message>,
    held: Vec<(Instant, Message)>,
    dropped: u64,
    refused: u64,
    why: String,
}

impl Inbox {
    fn push(&mut self, message: Message) {
        if self.queue.len() >= MOST {
            self.queue.pop_front();
            self.dropped += 1;
        }
        self.queue.push_back(message);
    }

    fn refuse(&mut self, why: String) {
        self.refused += 1;
        self.why = why;
    }
}

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

/// A port that is listened to.
pub struct Listener {
    inbox: Arc<Mutex<Inbox>>,
    pub address: SocketAddr,
    _worker: Worker,
}

impl Listener {
    /// Listens on `bind`, for example `127.0.0.1:9000`.
    ///
    /// # Errors
    /// If the port is taken or not allowed, or there is no thread.
    pub fn start(bind: SocketAddr, board: &Board) -> std::io::Result<Self> {
        let socket = UdpSocket::bind(bind)?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let address = socket.local_addr()?;
        let inbox: Arc<Mutex<Inbox>> = Arc::default();
        let (theirs, board) = (inbox.clone(), board.clone());
        let worker = Worker::start("osc", 2 << 20, move |ending| {
            let mut buffer = vec![0; 65_536];
            while !ending.wished() {
                match socket.recv_from(&mut buffer) {
                    Ok((count, from)) => receive(&buffer[..count], from, &theirs),
                    Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
                    // An answer of another host to something that was sent; the socket goes on.
                    Err(e) => {
                        board.notice("osc", e.to_string());
                        std::thread::sleep(Duration::from_millis(100));
                    }
                }
            }
        })?;
        Ok(Self { inbox, address, _worker: worker })
    }

    /// The messages for this frame.
    pub fn messages(&self) -> Vec<Message> {
        let now = Instant::now();
        let mut inbox = crate::latest::lock(&self.inbox);
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

    /// How the port stands.
    pub fn counts(&self) -> Counts {
        let inbox = crate::latest::lock(&self.inbox);
        Counts { dropped: inbox.dropped, refused: inbox.refused, why: inbox.why.clone() }
    }
}

fn receive(datagram: &[u8], from: SocketAddr, inbox: &Mutex<Inbox>) {
    let refuse = |why: String| crate::latest::lock(inbox).refuse(format!("{from}: {why}"));
    if datagram.len() > LARGEST {
        return refuse(format!("a datagram of {} bytes; at most {LARGEST} are read", datagram.len()));
    }
    if datagram.windows(8).filter(|w| *w == b"#bundle\0").count() > DEEPEST {
        return refuse(format!("more than {DEEPEST} bundles in one datagram"));
    }
    match caught(|| decoder::decode_udp(datagram)) {
        Ok(Ok((_, packet))) => {
            // Under one lock, so that a bundle falls into one frame.
            let mut inbox = crate::latest::lock(inbox);
            take(packet, None, from, &mut inbox);
        }
        Ok(Err(error)) => refuse(format!("not OSC: {error}")),
        Err(panic) => refuse(format!("not OSC: {panic}")),
    }
}

fn take(packet: OscPacket, due: Option<Instant>, from: SocketAddr, inbox: &mut Inbox) {
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
        _ => Value::Other,
    }
}

/// Which of the addresses a pattern means; an address without wildcards is itself.
///
/// # Errors
/// If it is no pattern, or too long a one.
pub fn matching(pattern: &str, known: &[String]) -> Result<Vec<String>, String> {
    if !pattern.contains(['*', '?', '[', '{']) {
        return Ok(vec![pattern.to_owned()]);
    }
    if pattern.len() > LONGEST_PATTERN || pattern.matches(['*', '{']).count() > MOST_STARS {
        return Err("the pattern is too long".into());
    }
    let regex = regex::RegexBuilder::new(&translated(pattern)?).size_limit(1 << 20).build();
    let regex = regex.map_err(|_| "not a pattern: a bracket or a range is wrong".to_owned())?;
    Ok(known.iter().filter(|address| regex.is_match(address)).cloned().collect())
}

/// An OSC 1.0 pattern as a regular expression, which is matched in linear time. The library's own matcher
/// panics on some patterns and takes a class for several characters.
fn translated(pattern: &str) -> Result<String, String> {
    let mut out = String::from("^");
    let (mut class, mut choice) = (false, false);
    for c in pattern.chars() {
        match c {
            '*' if !class => out.push_str("[^/]*"),
            '?' if !class => out.push_str("[^/]"),
            '[' if !class => {
                class = true;
                out.push('[');
            }
            ']' if class => {
                class = false;
                out.push(']');
            }
            '!' if class && out.ends_with('[') => out.push('^'),
            '-' if class => out.push('-'),
            '{' if !class && !choice => {
                choice = true;
                out.push_str("(?:");
            }
            ',' if choice && !class => out.push('|'),
            '}' if choice && !class => {
                choice = false;
                out.push(')');
            }
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    if class || choice {
        return Err("not a pattern: a bracket is not closed".into());
    }
    out.push('$');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use rosc::{OscBundle, OscMessage, encoder};

    use super::*;

    fn from() -> SocketAddr {
        ([127, 0, 0, 1], 5).into()
    }

    fn bundle(content: Vec<OscPacket>, seconds: u32) -> OscPacket {
        OscPacket::Bundle(OscBundle { timetag: OscTime { seconds, fractional: 1 }, content })
    }

    fn message(address: &str, args: Vec<OscType>) -> OscPacket {
        OscPacket::Message(OscMessage { addr: address.into(), args })
    }

    #[test]
    fn types_are_taken_as_they_come() {
        let inbox = Mutex::default();
        let args =
            vec![OscType::Int(1), OscType::Bool(true), OscType::Double(0.5), OscType::String("x".into()), OscType::Nil];
        receive(&encoder::encode(&bundle(vec![message("/a", args)], 0)).unwrap(), from(), &inbox);
        let values = inbox.lock().unwrap().queue.pop_front().unwrap().values;
        let expected =
            [Value::Number(1.0), Value::Number(1.0), Value::Number(0.5), Value::Text("x".into()), Value::Other];
        assert_eq!(values, expected);
    }

    #[test]
    fn whatever_arrives_it_is_bounded() {
        let inbox = Mutex::default();
        let mut random = crate::random::RandomState::new(1);
        for length in 0..4000 {
            let bytes: Vec<u8> = (0..length % 300).map(|_| random.below(256) as u8).collect();
            receive(&bytes, from(), &inbox);
            receive(&encoder::encode(&message("/a", vec![])).unwrap(), from(), &inbox);
        }
        let nested = (0..40).fold(message("/deep", vec![]), |inner, _| bundle(vec![inner], u32::MAX));
        receive(&encoder::encode(&nested).unwrap(), from(), &inbox);
        receive(&[b'#'; 60_000], from(), &inbox);
        let inbox = inbox.into_inner().unwrap();
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

    #[test]
    fn patterns_find_addresses() {
        let known: Vec<String> = (0..12).map(|i| format!("/flaneur/z/{i}")).collect();
        assert_eq!(matching("/flaneur/z/*", &known).unwrap().len(), 12);
        assert_eq!(matching("/flaneur/z/[1-2]", &known).unwrap().len(), 2);
        assert_eq!(matching("/flaneur/x", &known).unwrap(), ["/flaneur/x"]);
        assert_eq!(matching("/flaneur/z/[!1-9]", &known).unwrap(), ["/flaneur/z/0"]);
        assert_eq!(matching("/flaneur/{z,knob}/1?", &known).unwrap().len(), 2);
        for wrong in ["*".repeat(20), "/[".into(), "/{a".into(), "/[z-a]".into(), "/[]".into()] {
            assert!(matching(&wrong, &known).is_err(), "{wrong}");
        }
    }
}
