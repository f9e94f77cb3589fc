//! OSCQuery and the page: HTTP and WebSocket on one port, on a thread of its own.
//!
//! Tells any client what a show can be steered by, streams the values that clients listen to, takes OSC over
//! the WebSocket, and serves the page for the phone. Fed by `show` with the namespace and its changes; gives
//! messages into the same inbox as the OSC port. It never waits for anybody: a client that does not read loses
//! its oldest values. From beyond this machine only those steer who have the token.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message as Frame, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo};
use serde_json::{Value as Json, json};
use tokio::sync::broadcast::{self, error::RecvError};

use super::tree::{Answer, Change, Node, Tree};
use super::{Inbox, Sender, packet};
use crate::control::hand::Value;
use crate::latest::lock;
use crate::report::Board;
use crate::worker::{Ending, Worker};

/// The page, whole.
const PAGE: &str = include_str!("page.html");
/// Clients at a time over WebSockets.
const MOST_CLIENTS: usize = 32;
/// Addresses that one client listens to.
const MOST_LISTENED: usize = 4096;
/// Largest message that a client sends.
const LARGEST: usize = 64 << 10;
/// Changes that a slow client may be behind.
const BEHIND: usize = 2048;
/// The type under which such servers are found.
const SERVICE: &str = "_oscjson._tcp.local.";

/// Makes the newest picture as a JPEG, if there is one.
pub type Snap = Arc<dyn Fn() -> Option<Vec<u8>> + Send + Sync>;

/// How a server is to be.
pub struct Settings {
    pub bind: SocketAddr,
    /// Where OSC is listened to.
    pub osc: Option<SocketAddr>,
    /// Whether the page is served.
    pub page: Option<Snap>,
    /// What steering from beyond this machine takes.
    pub token: String,
    /// Whether it is to be found by mDNS.
    pub announce: bool,
}

/// What clients are told.
enum News {
    Value(String, Bytes),
    Text(String),
    Line(String),
}

struct Shared {
    tree: Mutex<Tree>,
    news: broadcast::Sender<Arc<News>>,
    inbox: Inbox,
    settings: Settings,
    address: SocketAddr,
    clients: AtomicUsize,
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
        let listener = TcpListener::bind(settings.bind)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let announce = settings.announce;
        let (news, _) = broadcast::channel(BEHIND);
        let (tree, clients) = (Mutex::default(), AtomicUsize::new(0));
        let shared = Arc::new(Shared { tree, news, inbox: inbox.clone(), settings, address, clients });
        let theirs = shared.clone();
        let said = board.clone();
        let worker = Worker::start("oscquery", 4 << 20, move |ending| {
            if let Err(error) = run(listener, theirs, &ending) {
                said.fault("oscquery", format!("the server ended: {error}"));
            }
        })?;
        let announced = if announce { Announced::start(address, board) } else { None };
        Ok(Self { shared, _announced: announced, _worker: worker })
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// The page's address for a person, with its token where one is needed.
    pub fn page(&self) -> Option<String> {
        self.shared.settings.page.as_ref()?;
        let host = match self.shared.address.ip() {
            ip if ip.is_unspecified() => outward().map_or_else(|| ip.to_string(), |ip| ip.to_string()),
            ip => ip.to_string(),
        };
        let port = self.shared.address.port();
        let token = if self.shared.open() { String::new() } else { format!("?token={}", self.shared.settings.token) };
        Some(format!("http://{host}:{port}/page{token}"))
    }

    /// The namespace as it is now. Clients are told what is different.
    pub fn publish(&self, nodes: Vec<Node>) {
        for change in lock(&self.shared.tree).publish(nodes) {
            let (command, path) = match change {
                Change::Added(path) => ("PATH_ADDED", path),
                Change::Removed(path) => ("PATH_REMOVED", path),
                Change::Changed(path) => ("PATH_CHANGED", path),
            };
            self.shared.tell(News::Text(json!({"COMMAND": command, "DATA": path}).to_string()));
        }
    }

    /// Tells everybody that a part of the namespace is to be read again.
    pub fn changed(&self, path: &str) {
        self.shared.tell(News::Text(json!({"COMMAND": "PATH_CHANGED", "DATA": path}).to_string()));
    }

    /// Another value at an address.
    pub fn set(&self, path: &str, value: &[Value]) {
        let kind = lock(&self.shared.tree).set(path, value.to_vec());
        if self.shared.news.receiver_count() > 0
            && let Some(bytes) = kind.and_then(|kind| packet(path, kind, value))
        {
            self.shared.tell(News::Value(path.to_owned(), bytes.into()));
        }
    }

    /// A line for those who watch what comes in.
    pub fn line(&self, line: &str) {
        if self.shared.news.receiver_count() > 0 {
            self.shared.tell(News::Line(line.to_owned()));
        }
    }
}

impl Shared {
    fn tell(&self, news: News) {
        // Nobody may be listening, which is no fault.
        let _ = self.news.send(Arc::new(news));
    }

    /// Whether only this machine can reach it.
    fn open(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// Whether somebody may steer and see pictures.
    fn may(&self, query: Option<&str>) -> bool {
        let token = &self.settings.token;
        let given = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("token="));
        self.open() || (!token.is_empty() && given == Some(token))
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

fn run(listener: TcpListener, shared: Arc<Shared>, ending: &Ending) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let app = Router::new().fallback(serve).with_state(shared);
        let served = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>());
        let ended = async {
            while !ending.wished() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            result = served => result,
            () = ended => Ok(()),
        }
    })
}

/// Whether a browser's request comes from this server's own page, and by a name that cannot be somebody else's:
/// any page on the web may try to reach a port of this machine.
fn own(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let Some(host) = text(header::HOST) else { return text(header::ORIGIN).is_none() };
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    let ip = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let local = ip || !name.contains('.') || name.ends_with(".local");
    let origin = text(header::ORIGIN).map(|o| o.split_once("://").map_or(o, |(_, rest)| rest));
    local && origin.is_none_or(|origin| origin == host)
}

/// Every request.
async fn serve(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: HeaderMap,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Response {
    if !own(&headers) {
        return (StatusCode::FORBIDDEN, "this request comes from another site").into_response();
    }
    let may = shared.may(query.as_deref());
    if let Ok(upgrade) = upgrade {
        if shared.clients.load(Ordering::Relaxed) >= MOST_CLIENTS {
            return (StatusCode::SERVICE_UNAVAILABLE, "too many clients").into_response();
        }
        let upgrade = upgrade.max_message_size(LARGEST).max_frame_size(LARGEST);
        return upgrade.on_upgrade(move |socket| client(socket, shared, from, may));
    }
    let Ok(path) = percent_encoding::percent_decode_str(uri.path()).decode_utf8() else {
        return (StatusCode::BAD_REQUEST, "the path is not UTF-8").into_response();
    };
    let query = query.unwrap_or_default();
    let wants_html = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("text/html"));
    match path.as_ref() {
        "/" if wants_html && query.is_empty() && shared.settings.page.is_some() => {
            Redirect::to("/page").into_response()
        }
        "/page" | "/page/" | "/page/picture.jpg" => page(&shared, path.ends_with("jpg"), may),
        path => ask(&shared, path, &query),
    }
}

/// The page and its picture.
fn page(shared: &Shared, picture: bool, may: bool) -> Response {
    let Some(snap) = &shared.settings.page else {
        return (StatusCode::NOT_FOUND, "the page is off; [query] page = true in the preset turns it on")
            .into_response();
    };
    if !may {
        return (StatusCode::FORBIDDEN, "this page needs the token that the desk shows").into_response();
    }
    if !picture {
        let policy = "default-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; connect-src 'self' ws: wss:";
        let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, policy)];
        return (kind, PAGE).into_response();
    }
    match snap() {
        Some(jpeg) => {
            ([(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "no-store")], jpeg).into_response()
        }
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

/// The namespace, or one attribute of it.
fn ask(shared: &Shared, path: &str, query: &str) -> Response {
    let attribute = query.split('&').find(|word| !word.is_empty() && !word.starts_with("token="));
    if attribute == Some("HOST_INFO") {
        return told(&shared.host_info());
    }
    match lock(&shared.tree).answer(path, attribute) {
        Answer::Found(found) => told(&found),
        Answer::Nothing => StatusCode::NO_CONTENT.into_response(),
        Answer::Unknown => (StatusCode::NOT_FOUND, format!("there is no {path}")).into_response(),
        Answer::Wrong => (StatusCode::BAD_REQUEST, "no such attribute").into_response(),
    }
}

fn told(json: &Json) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json.to_string()).into_response()
}

/// One of the clients that are counted.
struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One client of the WebSocket, until it goes.
async fn client(mut socket: WebSocket, shared: Arc<Shared>, from: SocketAddr, may: bool) {
    shared.clients.fetch_add(1, Ordering::Relaxed);
    let _counted = Counted(shared.clone());
    let mut news = shared.news.subscribe();
    let mut listened = BTreeSet::new();
    let mut watching = false;
    loop {
        let answer = tokio::select! {
            frame = socket.recv() => match frame {
                Some(Ok(frame)) => heard(&shared, frame, from, may, &mut listened, &mut watching),
                _ => break,
            },
            told = news.recv() => match told {
                Ok(told) => match &*told {
                    News::Value(path, bytes) if listened.contains(path) => vec![Frame::Binary(bytes.clone())],
                    News::Text(text) => vec![Frame::Text(text.into())],
                    News::Line(line) if watching => vec![Frame::Text(line.into())],
                    _ => Vec::new(),
                },
                // Too slow: what it listens to as it is now.
                Err(RecvError::Lagged(_)) => listened.iter().filter_map(|path| value(&shared, path)).collect(),
                Err(RecvError::Closed) => break,
            },
        };
        for frame in answer {
            if socket.send(frame).await.is_err() {
                return;
            }
        }
    }
}

/// The value of an address as it is now.
fn value(shared: &Shared, path: &str) -> Option<Frame> {
    let tree = lock(&shared.tree);
    let node = tree.get(path).filter(|node| node.readable && !node.value.is_empty())?;
    Some(Frame::Binary(packet(path, node.kind, &node.value)?.into()))
}

/// What a client said; gives the answer.
fn heard(
    shared: &Shared,
    frame: Frame,
    from: SocketAddr,
    may: bool,
    listened: &mut BTreeSet<String>,
    watching: &mut bool,
) -> Vec<Frame> {
    match frame {
        Frame::Binary(bytes) if may => shared.inbox.receive(&bytes, Sender::Web(from)),
        Frame::Binary(_) => shared.inbox.refuse(Sender::Web(from), "steering from beyond this machine takes the token"),
        Frame::Text(text) => {
            let Ok(said) = serde_json::from_str::<Json>(&text) else { return Vec::new() };
            let path = said["DATA"].as_str().unwrap_or_default().trim_end_matches('/').to_owned();
            match said["COMMAND"].as_str() {
                Some("LISTEN") if listened.len() < MOST_LISTENED => {
                    let now = value(shared, &path);
                    listened.insert(path);
                    return now.into_iter().collect();
                }
                Some("IGNORE") => drop(listened.remove(&path)),
                // Not of the proposal: what `flaneur monitor` asks for.
                Some("MONITOR") if may => *watching = true,
                Some("MONITOR") => return vec![Frame::Close(None)],
                _ => {}
            }
        }
        _ => {}
    }
    Vec::new()
}

/// The address of this machine that others see. Nothing is sent for it.
fn outward() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // The address of documentation: only the system's choice of a way is asked for.
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}

/// The announcement by mDNS; it is taken back when this is dropped.
struct Announced(ServiceDaemon);

impl Announced {
    /// Announces, or says on the board why not.
    fn start(address: SocketAddr, board: &Board) -> Option<Self> {
        let announce = || -> Result<Self, mdns_sd::Error> {
            let daemon = ServiceDaemon::new()?;
            let announced = Self(daemon);
            let (ip, port) = (address.ip(), address.port());
            let host = format!("flaneur-{port}.local.");
            let info = if ip.is_unspecified() {
                ServiceInfo::new(SERVICE, "Flâneur", &host, "", port, None)?.enable_addr_auto()
            } else {
                // Only where somebody who hears of it can reach it.
                announced.0.disable_interface(IfKind::All)?;
                announced.0.enable_interface(if ip.is_loopback() { IfKind::LoopbackV4 } else { IfKind::Addr(ip) })?;
                ServiceInfo::new(SERVICE, "Flâneur", &host, ip, port, None)?
            };
            announced.0.register(info)?;
            Ok(announced)
        };
        announce().map_err(|e| board.notice("mdns", format!("it is not announced on the network: {e}"))).ok()
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        // It says goodbye in its own time; a show that ends does not wait for it.
        let _ = self.0.shutdown();
    }
}

/// What goes wrong for a watcher.
#[derive(Debug, thiserror::Error)]
#[error("no show answers at {at}: {why}; is one playing here, with [query] on?")]
pub struct WatchError {
    at: SocketAddr,
    why: String,
}

/// Watches what comes into a show that plays on this machine, line by line, until `line` gives false or the
/// show ends. `line` also gets nothing now and then.
///
/// # Errors
/// If no show answers there.
pub fn watch(at: SocketAddr, token: &str, mut line: impl FnMut(Option<&str>) -> bool) -> Result<(), WatchError> {
    let wrong = |why: String| WatchError { at, why };
    let stream = std::net::TcpStream::connect_timeout(&at, Duration::from_secs(3)).map_err(|e| wrong(e.to_string()))?;
    let request = format!("ws://{at}/?token={token}");
    let (mut socket, _) = tungstenite::client(request, stream).map_err(|e| wrong(e.to_string()))?;
    // Not before: a handshake that is cut short is none.
    let timeout = socket.get_ref().set_read_timeout(Some(Duration::from_millis(200)));
    timeout.map_err(|e| wrong(e.to_string()))?;
    socket.send(r#"{"COMMAND":"MONITOR"}"#.into()).map_err(|e| wrong(e.to_string()))?;
    loop {
        let goes_on = match socket.read() {
            // Other texts are about the namespace.
            Ok(tungstenite::Message::Text(text)) if !text.starts_with('{') => line(Some(&text)),
            Ok(tungstenite::Message::Close(_)) => {
                return Err(wrong("watching takes the token that its board shows (--token)".into()));
            }
            Ok(_) => line(None),
            Err(tungstenite::Error::Io(e))
                if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                line(None)
            }
            Err(_) => return Ok(()),
        };
        if !goes_on {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_sites_are_kept_out() {
        let check = |host: &str, origin: Option<&str>, may: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(own(&headers), may, "{host} {origin:?}");
        };
        check("127.0.0.1:9001", None, true);
        check("127.0.0.1:9001", Some("http://127.0.0.1:9001"), true);
        check("localhost:9001", Some("http://localhost:9001"), true);
        check("[::1]:9001", Some("http://[::1]:9001"), true);
        check("stage.local:9001", None, true);
        check("127.0.0.1:9001", Some("http://evil.example"), false);
        check("evil.example:9001", Some("http://evil.example:9001"), false);
        check("evil.example:9001", None, false);
    }
}
