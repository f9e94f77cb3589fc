//! HTTP connections: taken, counted, and let go.
//!
//! On the server's thread, one task each. This machine has places of its own, so that whoever comes over the network
//! cannot take them. Where all places are taken the newest connection gets in and another one gives way, first those
//! that have not asked anything; so silent connections lock nobody out, and file descriptors stay for the show.
//! WebSocket clients leave their place here and have one in `clients`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::{Limits, Shared, requests};
use crate::latest::lock;
use crate::osc::plain;
use crate::report::Board;

/// Largest head of a request in bytes, and most of its lines.
const LARGEST_HEAD: usize = 16 << 10;
const MOST_HEADERS: usize = 64;
/// Pause after a connection could not be taken.
const PAUSE: Duration = Duration::from_millis(200);

/// How long a connection is new, and how long after a request it is busy: the others give way before it.
const NEW: Duration = Duration::from_millis(500);
const BUSY: Duration = Duration::from_secs(2);

struct Connection {
    local: bool,
    /// When it came, or last asked.
    since: Instant,
    asked: bool,
    task: AbortHandle,
}

impl Connection {
    /// The order in which connections give way: silent ones, idle ones, new ones, busy ones, the oldest first.
    fn order(&self, now: Instant) -> (u8, Instant) {
        let age = now.saturating_duration_since(self.since);
        let class = match self.asked {
            false if age >= NEW => 0,
            true if age >= BUSY => 1,
            false => 2,
            true => 3,
        };
        (class, self.since)
    }
}

#[derive(Default)]
struct Open {
    number: u64,
    all: BTreeMap<u64, Connection>,
}

/// All open connections.
#[derive(Default)]
pub(super) struct Connections(Mutex<Open>);

impl Connections {
    /// Takes a connection in; one that is too many gives way.
    fn enter(&self, local: bool, limits: &Limits, now: Instant, start: impl FnOnce(u64) -> AbortHandle) {
        let most = if local { limits.here } else { limits.elsewhere };
        let mut open = lock(&self.0);
        let same = || open.all.iter().filter(|(_, other)| other.local == local);
        if same().count() >= most {
            let first = same().min_by_key(|(_, other)| other.order(now));
            if let Some(connection) = first.map(|(number, _)| *number).and_then(|number| open.all.remove(&number)) {
                connection.task.abort();
            }
        }
        open.number += 1;
        let number = open.number;
        let task = start(number);
        open.all.insert(number, Connection { local, since: now, asked: false, task });
    }

    /// A connection asks something.
    fn asks(&self, number: u64, now: Instant) {
        if let Some(connection) = lock(&self.0).all.get_mut(&number) {
            (connection.since, connection.asked) = (now, true);
        }
    }

    /// Connections that are open.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        lock(&self.0).all.len()
    }

    fn leave(&self, number: u64) {
        lock(&self.0).all.remove(&number);
    }

    /// Lets go of those that have asked nothing for too long, or do not read what they were told.
    pub fn sweep(&self, idle: Duration, now: Instant) {
        lock(&self.0).all.retain(|_, connection| {
            let stays = now.saturating_duration_since(connection.since) < idle;
            if !stays {
                connection.task.abort();
            }
            stays
        });
    }
}

/// Takes connections for as long as the server runs.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>, board: Board) {
    let mut failed = false;
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                if std::mem::take(&mut failed) {
                    board.clear("oscquery");
                }
                let from = plain(from);
                let local = from.ip().is_loopback();
                let theirs = shared.clone();
                shared.connections.enter(local, &shared.limits, Instant::now(), |number| {
                    tokio::spawn(serve(stream, from, number, theirs)).abort_handle()
                });
                // Whoever has asked already is answered before the next one comes.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                failed = true;
                board.fault("oscquery", format!("a connection could not be taken: {error}; it goes on"));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Takes a connection out of the list when its task ends, however it ends.
struct Leaving {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.shared.connections.leave(self.number);
    }
}

/// One connection, until it is closed or becomes a WebSocket.
async fn serve(stream: TcpStream, from: SocketAddr, number: u64, shared: Arc<Shared>) {
    let _leaving = Leaving { shared: shared.clone(), number };
    // Small messages, each of them awaited.
    let _ = stream.set_nodelay(true);
    let head = shared.limits.head;
    let service = service_fn(move |request| {
        shared.connections.asks(number, Instant::now());
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(requests::answer(shared, from, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // What goes wrong on a connection is its client's business.
    let _ = connection.await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_silent_give_way_and_this_machine_keeps_its_places() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _inside = runtime.enter();
        let (connections, start) = (Connections::default(), Instant::now());
        let limits = Limits { here: 4, elsewhere: 8, ..Limits::default() };
        let at = |ms: u64| start + Duration::from_millis(ms);
        let enter = |local: bool, ms: u64| {
            connections.enter(local, &limits, at(ms), |_| tokio::spawn(std::future::pending::<()>()).abort_handle());
            lock(&connections.0).number
        };
        let open = || lock(&connections.0).all.keys().copied().collect::<Vec<u64>>();
        let phone = enter(false, 0);
        connections.asks(phone, at(1));
        for i in 0..1000 {
            enter(false, 2 + i);
        }
        assert!(open().len() == 8 && open().contains(&phone));
        let here: Vec<u64> = (0..5).map(|i| enter(true, 2000 + i)).collect();
        assert_eq!(open()[8..], here[1..]);
        // Where all have asked, the one whose request is the oldest; and those that come together do not replace
        // each other as long as others are idle.
        (0..4).for_each(|i| connections.asks(here[4 - i], at(3000 + i as u64)));
        let newest = enter(true, 6000);
        assert!(!open().contains(&here[4]) && open().contains(&newest));
        let together = enter(true, 6001);
        assert_eq!(open()[open().len() - 4..], [here[1], here[2], newest, together]);
        connections.asks(together, at(6002));
        connections.asks(newest, at(6003));
        // Busy ones stay where silent ones come.
        for i in 0..100 {
            enter(true, 6010 + i);
        }
        assert!(open().contains(&newest) && open().contains(&together));
        connections.sweep(Duration::from_secs(2), at(8002));
        assert!(!open().contains(&together) && open().contains(&newest) && !open().contains(&phone));
        connections.sweep(Duration::from_secs(1), at(8000));
        connections.leave(newest);
        assert!(open().is_empty());
    }
}
