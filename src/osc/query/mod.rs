//! OSCQuery and the page: HTTP and WebSocket on one port, on a thread of its own.
//!
//! Tells any client what a show can be steered by, streams the values that clients listen to, takes OSC over the
//! WebSocket, and serves the page for the phone. Fed by `show` with the namespace and its changes; gives messages into
//! the same inbox as the OSC port. It waits for nobody: connections and clients are limited, and whoever is silent or
//! does not read gives way. From beyond this machine only those steer who have the token; what pages of other sites
//! may do is in `callers`.

mod announce;
mod callers;
mod clients;
mod connections;
mod picture;
mod requests;
mod updates;
mod watch;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::broadcast;

use super::{Inbox, Node, bind, tree::Tree};
use crate::control::hand::Value;
use crate::latest::lock;
use crate::report::Board;
use crate::worker::{Ending, Worker};
use announce::Announced;
use callers::Names;
use clients::Clients;
use connections::Connections;
use picture::Pictures;
use updates::{News, Updates};

pub use callers::origin;
pub use watch::{WatchError, watch, watch_one};

/// Changes that a slow client may be behind.
const BEHIND: usize = 2048;

/// Makes the newest picture as a JPEG, if there is one.
pub type Snap = Arc<dyn Fn() -> Option<Vec<u8>> + Send + Sync>;

/// How the show is: whether it is healthy, and one JSON object as text. Called on the server's thread, so it must not
/// wait for the frame.
pub type Health = Arc<dyn Fn() -> (bool, String) + Send + Sync>;

/// A value that is asked for when somebody reads its address, not when the show tells it. Called as [`Health`] is.
pub type Live = Arc<dyn Fn() -> Value + Send + Sync>;

/// How a server is to be.
pub struct Settings {
    /// Where it serves.
    pub bind: SocketAddr,
    /// Where OSC is listened to.
    pub osc: Option<SocketAddr>,
    /// Whether the page is served.
    pub page: Option<Snap>,
    /// What steering from beyond this machine takes.
    pub token: String,
    /// Whether it is to be found by mDNS.
    pub announce: bool,
    /// Origins whose pages may read, beside this machine's own; see [`origin`].
    pub origins: Vec<String>,
    /// What `GET /health` answers; there is no such path without it.
    pub health: Option<Health>,
    /// Addresses whose values change while the show stands still.
    pub live: Vec<(&'static str, Live)>,
}

/// How many and how long.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// HTTP connections of this machine, and of all others.
    here: usize,
    elsewhere: usize,
    /// How long the head of a request may take, and a connection may say nothing between two.
    head: Duration,
    /// How long after its last request a connection stays, also one that does not read its answer.
    idle: Duration,
    /// WebSocket clients, and how many of them may be without the token and from elsewhere.
    clients: usize,
    strangers: usize,
    /// Pause between two pings.
    ping: Duration,
    /// How long a client that does not answer is only one that gives way to another, and how long it is kept at all.
    silent: Duration,
    gone: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            here: 64,
            elsewhere: 64,
            head: secs(10),
            idle: secs(30),
            clients: 32,
            strangers: 24,
            ping: secs(5),
            silent: Duration::from_millis(500),
            gone: secs(10),
        }
    }
}

/// What the server's tasks and its owner share.
struct Shared {
    /// The namespace; only the server's own thread looks at it.
    tree: Mutex<Tree>,
    updates: Updates,
    news: broadcast::Sender<Arc<News>>,
    inbox: Inbox,
    settings: Settings,
    limits: Limits,
    address: SocketAddr,
    names: Names,
    connections: Connections,
    clients: Clients,
    pictures: Pictures,
}

/// The server's owner's end.
pub struct Server {
    shared: Arc<Shared>,
    _announced: Option<Announced>,
    _worker: Worker,
}

impl Server {
    /// Serves at the address of the settings.
    ///
    /// # Errors
    /// If the port is taken or not allowed, or there is no thread.
    pub fn start(settings: Settings, inbox: &Inbox, board: &Board) -> std::io::Result<Self> {
        Self::limited(settings, Limits::default(), inbox, board)
    }

    fn limited(settings: Settings, limits: Limits, inbox: &Inbox, board: &Board) -> std::io::Result<Self> {
        let opened = bind::open(settings.bind, TcpListener::bind, TcpListener::local_addr)?;
        if let Some(notice) = opened.notice {
            board.notice("oscquery", notice);
        }
        let address = opened.address;
        opened.sockets.iter().try_for_each(|listener| listener.set_nonblocking(true))?;
        let announce = settings.announce;
        let shared = Arc::new(Shared {
            tree: Mutex::default(),
            updates: Updates::default(),
            news: broadcast::channel(BEHIND).0,
            inbox: inbox.clone(),
            names: Names::of(address.port(), &settings.origins),
            settings,
            limits,
            address,
            connections: Connections::default(),
            clients: Clients::default(),
            pictures: Pictures::default(),
        });
        let (theirs, said) = (shared.clone(), board.clone());
        let worker = Worker::start("oscquery", 4 << 20, move |ending| {
            if let Err(error) = run(opened.sockets, &theirs, &said, &ending) {
                said.fault("oscquery", format!("the server ended: {error}"));
            }
        })?;
        let announced = if announce { Announced::start(address, board) } else { None };
        Ok(Self { shared, _announced: announced, _worker: worker })
    }

    /// Where it serves; of several addresses the first.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// The page's address for a person, with its token where one is needed.
    pub fn page(&self) -> Option<String> {
        self.shared.settings.page.as_ref()?;
        let host = match self.shared.address.ip() {
            ip if ip.is_unspecified() => announce::outward().unwrap_or(ip),
            ip => ip,
        };
        let at = SocketAddr::new(host, self.shared.address.port());
        let token = if self.shared.open() { String::new() } else { format!("?token={}", self.shared.settings.token) };
        Some(format!("http://{at}/page{token}"))
    }

    /// The namespace as it is now. Clients are told what is different.
    pub fn publish(&self, nodes: Vec<Node>) {
        self.shared.updates.publish(nodes);
    }

    /// Tells everybody that a part of the namespace is to be read again.
    pub fn changed(&self, path: &str) {
        self.shared.updates.changed(path);
    }

    /// Another value at an address.
    pub fn set(&self, path: &str, value: &[Value]) {
        self.shared.updates.set(path, value);
    }

    /// A line for those who watch what comes in.
    pub fn line(&self, line: &str) {
        if self.shared.clients.watched() {
            self.shared.updates.line(line);
        }
    }
}

impl Shared {
    /// Takes over what the show has told since the last time, and tells the clients.
    fn apply(&self) {
        for news in self.updates.apply(&mut lock(&self.tree), self.news.receiver_count() > 0) {
            // Nobody may be listening, which is no fault.
            let _ = self.news.send(Arc::new(news));
        }
    }

    /// Whether only this machine can reach it.
    fn open(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// Whether a request carries the token.
    fn token(&self, query: Option<&str>) -> bool {
        let token = self.settings.token.as_bytes();
        let given = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("token="));
        let given = given.unwrap_or_default().as_bytes();
        // In a time that does not depend on where they differ.
        !token.is_empty() && token.len() == given.len() && token.iter().zip(given).fold(0, |d, (a, b)| d | (a ^ b)) == 0
    }

    fn host_info(&self) -> Json {
        let told = |address: SocketAddr| (!address.ip().is_unspecified()).then(|| address.ip().to_string());
        let mut info = json!({
            "NAME": "Flâneur",
            "EXTENSIONS": {
                "ACCESS": true, "VALUE": true, "RANGE": true, "DESCRIPTION": true, "CLIPMODE": true,
                "LISTEN": true, "PATH_CHANGED": true, "PATH_ADDED": true, "PATH_REMOVED": true,
            },
            "OSC_TRANSPORT": "UDP",
            "WS_PORT": self.address.port(),
        });
        if let Some(osc) = self.settings.osc {
            info["OSC_PORT"] = json!(osc.port());
            if let Some(ip) = told(osc) {
                info["OSC_IP"] = json!(ip);
            }
        }
        // Where every address will do, clients take the one they asked.
        if let Some(ip) = told(self.address) {
            info["WS_IP"] = json!(ip);
        }
        info
    }
}

/// How often the thread looks whether it is to end, and for connections that have been idle too long.
const LOOK: Duration = Duration::from_millis(50);
const SWEEP: Duration = Duration::from_secs(1);
/// How long an unfinished picture may hold up the end.
const PATIENCE: Duration = Duration::from_millis(500);

fn run(listeners: Vec<TcpListener>, shared: &Arc<Shared>, board: &Board, ending: &Ending) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("oscquery-jpeg")
        .max_blocking_threads(1)
        .build()?;
    let served = runtime.block_on(async {
        let mut accepting = Vec::new();
        for listener in listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            accepting.push(tokio::spawn(connections::accept(listener, shared.clone(), board.clone())));
        }
        let (mut look, mut sweep) = (tokio::time::interval(LOOK), tokio::time::interval(SWEEP));
        loop {
            tokio::select! {
                () = shared.updates.told() => shared.apply(),
                now = sweep.tick() => shared.connections.sweep(shared.limits.idle, now.into()),
                _ = look.tick() => {
                    if ending.requested() {
                        return Ok(());
                    }
                    if accepting.iter().any(tokio::task::JoinHandle::is_finished) {
                        return Err(std::io::Error::other("connections are not taken any more"));
                    }
                }
            }
        }
    });
    runtime.shutdown_timeout(PATIENCE);
    served
}

#[cfg(test)]
mod tests;
