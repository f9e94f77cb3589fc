//! Clients over WebSockets: their places, and what is said on both sides.
//!
//! On the server's thread, one task each. A place is reserved before a connection becomes a WebSocket. Clients are
//! pinged; one that does not answer gives way to whoever has the token or is on this machine, and is let go after a
//! while in any case. What a client may listen to is bounded by the namespace. It is never waited for: whoever is too
//! slow is told the values as they are now, and whoever does not read at all is let go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::ws::{CloseCode, CloseFrame, Message as Frame, WebSocket, close_code};
use serde_json::Value as Json;
use tokio::sync::{Notify, broadcast::error::RecvError};
use tokio::time::{MissedTickBehavior, timeout};

use super::updates::News;
use super::{Limits, Shared};
use crate::latest::lock;
use crate::osc::{Sender, packet};

/// Addresses that one client listens to, and the longest of them.
const MOST_LISTENED: usize = 4096;
const LONGEST_PATH: usize = 256;
/// Largest message that a client sends, and the largest command among them.
pub(super) const LARGEST: usize = 64 << 10;
const LARGEST_COMMAND: usize = 4 << 10;
/// Messages of one client in a row before others have their turn.
const IN_A_ROW: u32 = 32;

struct Known {
    /// Whether it has the token or is on this machine.
    trusted: bool,
    /// Since when a ping waits for its answer.
    unanswered: Option<Instant>,
    leave: Arc<Notify>,
}

#[derive(Default)]
struct Places {
    number: u64,
    all: BTreeMap<u64, Known>,
}

/// All clients.
#[derive(Default)]
pub(super) struct Clients {
    places: Mutex<Places>,
    /// Clients that watch what comes in.
    watching: AtomicUsize,
}

/// A client's place, for as long as this lives.
pub(super) struct Place {
    shared: Arc<Shared>,
    number: u64,
    leave: Arc<Notify>,
    watching: bool,
}

impl Clients {
    /// Whether anybody watches what comes in.
    pub fn watched(&self) -> bool {
        self.watching.load(Ordering::Relaxed) > 0
    }

    /// Clients that have a place.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        lock(&self.places).all.len()
    }

    /// Reserves a place; gives its number.
    fn reserve(&self, trusted: bool, limits: &Limits, now: Instant) -> Option<(u64, Arc<Notify>)> {
        let mut places = lock(&self.places);
        let strangers = places.all.values().filter(|known| !known.trusted).count();
        if places.all.len() >= limits.clients || (!trusted && strangers >= limits.strangers) {
            let silent = |known: &Known| {
                known.unanswered.is_some_and(|since| now.saturating_duration_since(since) >= limits.silent)
            };
            // A stranger takes the place of a silent stranger only; others that of any stranger or any silent one.
            let gives_way =
                |known: &Known| if trusted { !known.trusted || silent(known) } else { !known.trusted && silent(known) };
            let candidates = places.all.iter().filter(|(_, known)| gives_way(known));
            let order = |known: &Known| (known.trusted, !silent(known), known.unanswered);
            let number =
                candidates.min_by_key(|(number, known)| (order(known), **number)).map(|(number, _)| *number)?;
            places.all.remove(&number)?.leave.notify_one();
        }
        places.number += 1;
        let (number, leave) = (places.number, Arc::new(Notify::new()));
        // From now on it is to show that it is there.
        places.all.insert(number, Known { trusted, unanswered: Some(now), leave: leave.clone() });
        Some((number, leave))
    }

    /// A ping goes out; false if one has waited too long for its answer.
    fn pings(&self, number: u64, limits: &Limits, now: Instant) -> bool {
        let mut places = lock(&self.places);
        let Some(known) = places.all.get_mut(&number) else { return false };
        let since = *known.unanswered.get_or_insert(now);
        now.saturating_duration_since(since) < limits.gone
    }

    /// Something came from it.
    fn answers(&self, number: u64) {
        if let Some(known) = lock(&self.places).all.get_mut(&number) {
            known.unanswered = None;
        }
    }
}

impl Place {
    /// Reserves a place, if there is one for such a client.
    pub fn reserve(shared: &Arc<Shared>, trusted: bool) -> Option<Self> {
        let (number, leave) = shared.clients.reserve(trusted, &shared.limits, Instant::now())?;
        Some(Self { shared: shared.clone(), number, leave, watching: false })
    }

    fn watch(&mut self) {
        if !std::mem::replace(&mut self.watching, true) {
            self.shared.clients.watching.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.shared.clients.places).all.remove(&self.number);
        if self.watching {
            self.shared.clients.watching.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// One client, until it goes or has to.
pub(super) struct Client {
    /// Its place, which also leads to the server.
    pub place: Place,
    pub from: Sender,
    /// Whether it may steer.
    pub may: bool,
    listened: BTreeSet<String>,
}

impl Client {
    /// A client on its place.
    pub fn new(place: Place, from: Sender, may: bool) -> Self {
        Self { place, from, may, listened: BTreeSet::new() }
    }

    /// Talks with it.
    pub async fn serve(mut self, mut socket: WebSocket) {
        let shared = self.place.shared.clone();
        let (leave, limits) = (self.place.leave.clone(), shared.limits);
        let mut news = shared.news.subscribe();
        let mut ping = tokio::time::interval(limits.ping);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut row = 0;
        loop {
            let frames = tokio::select! {
                () = leave.notified() => return close(socket, close_code::AGAIN, "another client took this place").await,
                _ = ping.tick() => match shared.clients.pings(self.place.number, &limits, Instant::now()) {
                    true => vec![Frame::Ping(Bytes::new())],
                    false => return,
                },
                frame = socket.recv() => match frame {
                    Some(Ok(frame)) => {
                        row += 1;
                        shared.clients.answers(self.place.number);
                        self.heard(&frame)
                    }
                    _ => return,
                },
                told = news.recv() => {
                    row = 0;
                    match told {
                        Ok(told) => self.told(&told),
                        // Too slow: what it listens to as it is now.
                        Err(RecvError::Lagged(_)) => self.listened.iter().filter_map(|path| self.value(path)).collect(),
                        Err(RecvError::Closed) => return,
                    }
                }
            };
            for frame in frames {
                let last = matches!(frame, Frame::Close(_));
                let sent = tokio::select! {
                    sent = timeout(limits.gone, socket.send(frame)) => matches!(sent, Ok(Ok(()))),
                    () = leave.notified() => false,
                };
                if !sent || last {
                    return;
                }
            }
            if row >= IN_A_ROW {
                row = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    fn told(&self, told: &News) -> Vec<Frame> {
        match told {
            News::Value(path, bytes) if self.listened.contains(path) => vec![Frame::Binary(bytes.clone())],
            News::Command(text) => vec![Frame::Text(text.into())],
            News::Line(line) if self.place.watching => vec![Frame::Text(line.into())],
            News::Value(..) | News::Line(_) => Vec::new(),
        }
    }

    /// The value of an address as it is now.
    fn value(&self, path: &str) -> Option<Frame> {
        let tree = lock(&self.place.shared.tree);
        let node = tree.get(path).filter(|node| node.readable && !node.value.is_empty())?;
        Some(Frame::Binary(packet(path, node.kind, &node.value)?.into()))
    }

    /// What it said; gives the answer.
    fn heard(&mut self, frame: &Frame) -> Vec<Frame> {
        let inbox = &self.place.shared.inbox;
        match frame {
            Frame::Binary(bytes) if self.may => inbox.receive(bytes, self.from),
            Frame::Binary(_) => inbox.refuse(
                self.from,
                "steering from beyond this machine, or from a page of another site, takes the token",
            ),
            Frame::Text(text) => return self.command(text),
            _ => {}
        }
        Vec::new()
    }

    fn command(&mut self, text: &str) -> Vec<Frame> {
        let shared = self.place.shared.clone();
        let refuse = |why: &str| {
            shared.inbox.refuse(self.from, why);
            Vec::new()
        };
        if text.len() > LARGEST_COMMAND {
            return refuse(&format!("a command of {} bytes; at most {LARGEST_COMMAND} are read", text.len()));
        }
        let said: Json = serde_json::from_str(text).unwrap_or_default();
        let path = said["DATA"].as_str().unwrap_or_default().trim_end_matches('/');
        match said["COMMAND"].as_str() {
            Some("LISTEN") => {
                shared.apply();
                if path.len() > LONGEST_PATH || !lock(&shared.tree).holds(path) {
                    let path: String = path.chars().take(60).filter(|c| !c.is_control()).collect();
                    return refuse(&format!("LISTEN to \"{path}\", which is no address of this show"));
                }
                if self.listened.len() >= MOST_LISTENED {
                    return refuse(&format!("LISTEN to more than {MOST_LISTENED} addresses"));
                }
                // What only holds others has no values of its own.
                if lock(&shared.tree).get(path).is_some() {
                    self.listened.insert(path.to_owned());
                }
                return self.value(path).into_iter().collect();
            }
            Some("IGNORE") => drop(self.listened.remove(path)),
            // Not of the proposal: what `flaneur monitor` asks for.
            Some("MONITOR") if self.may => self.place.watch(),
            Some("MONITOR") => return vec![closing(close_code::POLICY, "watching takes the token")],
            _ => {}
        }
        Vec::new()
    }
}

fn closing(code: CloseCode, reason: &'static str) -> Frame {
    Frame::Close(Some(CloseFrame { code, reason: reason.into() }))
}

/// Says why a client has to go, if it still reads.
async fn close(mut socket: WebSocket, code: CloseCode, reason: &'static str) {
    let _ = timeout(std::time::Duration::from_millis(200), socket.send(closing(code, reason))).await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn places_go_to_those_who_are_there_and_to_the_trusted_first() {
        let (clients, start) = (Clients::default(), Instant::now());
        let limits = Limits { clients: 6, strangers: 4, ..Limits::default() };
        let at = |ms: u64| start + Duration::from_millis(ms);
        let enter = |trusted: bool, ms: u64| clients.reserve(trusted, &limits, at(ms)).map(|(number, _)| number);
        let there = || lock(&clients.places).all.keys().copied().collect::<Vec<u64>>();
        // Strangers get some of the places, even in one burst.
        let strangers: Vec<u64> = (0..87).filter_map(|_| enter(false, 0)).collect();
        assert_eq!(strangers.len(), 4);
        strangers.iter().for_each(|number| clients.answers(*number));
        assert_eq!(enter(false, 10_000), None);
        // The others are free for those who have the token; then strangers give way, the first that came.
        let trusted: Vec<u64> = (0..2).map(|_| enter(true, 10_000).unwrap()).collect();
        trusted.iter().for_each(|number| clients.answers(*number));
        assert_eq!(there().len(), 6);
        let third = enter(true, 10_001).unwrap();
        assert!(!there().contains(&strangers[0]) && there().len() == 6);
        clients.answers(third);
        // A silent stranger goes before one that answers.
        assert!(clients.pings(strangers[2], &limits, at(11_000)));
        enter(true, 11_600).unwrap();
        assert!(!there().contains(&strangers[2]) && there().contains(&strangers[1]));
    }

    #[test]
    fn silent_clients_lock_nobody_out() {
        let (clients, start) = (Clients::default(), Instant::now());
        let limits = Limits { clients: 32, ..Limits::default() };
        let at = |ms: u64| start + Duration::from_millis(ms);
        let enter = |ms: u64| clients.reserve(true, &limits, at(ms)).map(|(number, _)| number);
        let silent: Vec<u64> = (0..33).filter_map(|_| enter(0)).collect();
        assert_eq!(silent.len(), 32);
        assert_eq!(enter(400), None);
        let phone = enter(600).unwrap();
        clients.answers(phone);
        assert!(!lock(&clients.places).all.contains_key(&silent[0]));
        // Whoever answers stays; whoever does not is let go.
        assert!(clients.pings(phone, &limits, at(9000)) && clients.pings(silent[5], &limits, at(9000)));
        clients.answers(phone);
        assert!(clients.pings(phone, &limits, at(14_000)) && !clients.pings(silent[5], &limits, at(14_000)));
        assert!(!clients.pings(silent[0], &limits, at(600)));
    }
}
