//! The show of a soak: its process, its OSC, its health, and the terminal that reads what it says.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value as Json;

use super::place::Place;
use crate::cli::supervise::program;
use crate::control::hand::Value;
use crate::osc::{Kind, packet};
use crate::report::Stop;
use crate::worker::Worker;

/// How long a show may take until it answers.
const OPENING: Duration = Duration::from_secs(90);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);

/// A show that plays.
pub struct Player {
    child: Child,
    socket: UdpSocket,
    osc: SocketAddr,
    query: SocketAddr,
    /// The terminal does not read.
    deaf: Arc<AtomicBool>,
    /// Ends when the show's end of the pipe is closed.
    _terminal: Worker,
}

impl Player {
    /// Starts it and waits until it answers.
    pub fn start(place: &Place, windows: bool, stop: &Stop) -> anyhow::Result<Self> {
        let mut command = Command::new(program());
        command.args(["play", "soak", "--stats", "60"]).arg("--home").arg(place.folder()).current_dir(place.folder());
        if !windows {
            command.arg("--headless");
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let said = child.stderr.take().context("no pipe for what it says")?;
        let log = File::options().create(true).append(true).open(place.log())?;
        let deaf = Arc::new(AtomicBool::new(false));
        let theirs = deaf.clone();
        let terminal = Worker::start("terminal", 256 << 10, move |_| listen(said, log, &theirs))?;
        let [osc, query] = place.ports().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut player = Self { child, socket, osc, query, deaf, _terminal: terminal };
        let start = Instant::now();
        while player.health().is_none() {
            if !player.runs() {
                // What it says comes by way of the terminal's thread.
                std::thread::sleep(Duration::from_millis(200));
                let said = std::fs::read_to_string(place.log()).unwrap_or_default();
                bail!("it ended at once: {}", said.lines().last().unwrap_or("it said nothing"));
            }
            if stop.raised() || start.elapsed() > OPENING {
                bail!("it did not answer within {} s", OPENING.as_secs());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(player)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a message.
    pub fn send(&self, address: &str, values: &[Value]) {
        if let Some(bytes) = packet(address, Kind::Float, values) {
            self.send_bytes(&bytes);
        }
    }

    /// Sends whatever it is.
    pub fn send_bytes(&self, bytes: &[u8]) {
        // A message that the system does not take is lost, as on any network.
        let _ = self.socket.send_to(bytes, self.osc);
    }

    /// Where OSCQuery is served.
    pub fn query(&self) -> SocketAddr {
        self.query
    }

    /// The status and the report of `GET /health`; none if there was no answer.
    pub fn health(&self) -> Option<(u16, Json)> {
        let mut stream = TcpStream::connect_timeout(&self.query, ANSWER).ok()?;
        stream.set_read_timeout(Some(ANSWER)).ok()?;
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split_whitespace().nth(1)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((status, serde_json::from_str(body).ok()?))
    }

    /// Whether the terminal reads.
    pub fn set_deaf(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::Relaxed);
    }

    /// Asks it to end; gives how long that took, or none if it had to be killed.
    pub fn end(&mut self, patience: Duration) -> Option<Duration> {
        self.set_deaf(false);
        let start = Instant::now();
        signal(self.id(), Signal::Term);
        while self.runs() {
            if start.elapsed() > patience {
                // It does not end otherwise.
                let _ = self.child.kill().and_then(|()| self.child.wait());
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(start.elapsed())
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.set_deaf(false);
        // Also where an error ends the soak.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// What can be sent to a process.
#[derive(Clone, Copy)]
pub enum Signal {
    Term,
    Kill,
    Stop,
    Continue,
}

/// Sends a signal; a process that has ended gets none.
pub fn signal(process: u32, signal: Signal) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal as Named, kill_process};
        let named = match signal {
            Signal::Term => Named::TERM,
            Signal::Kill => Named::KILL,
            Signal::Stop => Named::STOP,
            Signal::Continue => Named::CONT,
        };
        if let Some(number) = i32::try_from(process).ok().and_then(Pid::from_raw) {
            let _ = kill_process(number, named);
        }
    }
    #[cfg(not(unix))]
    let _ = (process, signal);
}

/// Reads what the show says into its log, unless the terminal is deaf.
fn listen(mut said: impl Read, mut log: File, deaf: &AtomicBool) {
    let mut bytes = [0; 4096];
    loop {
        while deaf.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        match said.read(&mut bytes) {
            Ok(0) | Err(_) => return,
            // A log that cannot be written is no reason to let the show wait.
            Ok(count) => drop(log.write_all(&bytes[..count])),
        }
    }
}
