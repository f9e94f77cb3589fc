//! A server from outside: sockets that behave well, and sockets that do not. Limits are made short.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Message, WebSocket};

use super::*;
use crate::osc::Kind;

const PATIENCE: Duration = Duration::from_secs(20);

fn node(path: &str, value: Value) -> Node {
    let (range, choices, default, says) = (None, Vec::new(), None, String::new());
    let kind = if matches!(value, Value::Text(_)) { Kind::Text } else { Kind::Float };
    Node {
        path: path.into(),
        kind,
        readable: true,
        writable: true,
        range,
        choices,
        default,
        slider: None,
        says,
        value: vec![value],
    }
}

fn limits() -> Limits {
    Limits { here: 8, head: Duration::from_millis(400), idle: Duration::from_millis(1500), ..Limits::default() }
}

fn settings() -> Settings {
    let health: Health = Arc::new(|| (true, r#"{"healthy":true}"#.into()));
    let snap: Snap = Arc::new(|| Some(vec![7; 100]));
    Settings {
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        osc: None,
        page: Some(snap),
        token: "abc".into(),
        announce: false,
        origins: vec!["http://tools.example:8080".into()],
        health: Some(health),
        live: Vec::new(),
    }
}

fn start(settings: Settings, limits: Limits) -> (Server, Inbox) {
    let inbox = Inbox::default();
    let server = Server::limited(settings, limits, &inbox, &Board::default()).unwrap();
    server.publish(vec![node("/a/number", Value::Number(0.5)), node("/a/text", Value::Text("x".into()))]);
    (server, inbox)
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.address().port())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// All that a server answers to the bytes of a request, until it closes.
fn exchange(server: &Server, request: &str) -> String {
    let mut stream = connect(server);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A connection may be cut when the answer is there.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn ask(server: &Server, line: &str, more: &str) -> String {
    exchange(server, &format!("{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{more}\r\n"))
}

/// A request and the status it gets.
fn check(server: &Server, line: &str, more: &str, status: u16) -> String {
    let answer = ask(server, line, more).to_lowercase();
    assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{line:.80} {more:.80}: {answer}");
    answer
}

/// Whether the other side has closed a connection; what it says before that is passed over.
fn closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn upgrade(server: &Server, query: &str, more: &str) -> (String, TcpStream) {
    let mut stream = connect(server);
    let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    let head = "Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    write!(stream, "GET /{query} HTTP/1.1\r\n{head}{key}{more}\r\n").unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        answer.push(byte[0]);
    }
    (String::from_utf8_lossy(&answer).into_owned(), stream)
}

fn socket(server: &Server) -> WebSocket<TcpStream> {
    let (socket, _) =
        tungstenite::client(format!("ws://127.0.0.1:{}/", server.address().port()), connect(server)).unwrap();
    socket
}

/// Reads until there is a message that is no ping.
fn next(socket: &mut WebSocket<TcpStream>) -> Message {
    loop {
        let message = socket.read().unwrap();
        if !message.is_ping() {
            return message;
        }
    }
}

fn clients(server: &Server) -> usize {
    server.shared.clients.count()
}

#[test]
fn silent_connections_lock_nobody_out_and_are_closed() {
    let (server, _) = start(settings(), limits());
    let mut silent: Vec<TcpStream> = (0..100).map(|_| connect(&server)).collect();
    check(&server, "GET /a/number?VALUE", "", 200);
    check(&server, "GET /health", "", 200);
    assert!(silent.iter_mut().map(closed).filter(|closed| !closed).count() <= 8);
    until("the head takes too long", || silent.iter_mut().all(closed));
    // One byte now and then does not help.
    let mut slow = connect(&server);
    let begun = Instant::now();
    let mut bytes = "GET / HTTP/1.1\r\nX-Slow: ".bytes().chain(std::iter::repeat(b'x'));
    until("a slow head", || {
        std::thread::sleep(Duration::from_millis(20));
        slow.write_all(&[bytes.next().unwrap()]).is_err() || closed(&mut slow)
    });
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn who_does_not_read_the_answers_is_let_go() {
    let (server, _) = start(settings(), limits());
    let many: Vec<Node> = (0..2000).map(|i| node(&format!("/many/{i}"), Value::Number(0.0))).collect();
    server.publish(many);
    let mut deaf = connect(&server);
    deaf.set_nonblocking(true).unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".repeat(500);
    let _ = deaf.write(&request);
    until("it is let go", || server.shared.connections.count() == 0);
    check(&server, "GET /many/7", "", 200);
}

#[test]
fn a_burst_of_clients_gets_the_places_there_are() {
    let limits = Limits {
        here: 64,
        clients: 4,
        silent: Duration::from_millis(300),
        gone: Duration::from_millis(900),
        ping: Duration::from_millis(200),
        ..limits()
    };
    let (server, _) = start(settings(), limits);
    let port = server.address().port();
    let burst: Vec<_> = (0..16)
        .map(|_| {
            std::thread::spawn(move || {
                let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                tungstenite::client(format!("ws://127.0.0.1:{port}/"), stream).ok()
            })
        })
        .collect();
    let silent: Vec<_> = burst.into_iter().filter_map(|one| one.join().unwrap()).collect();
    assert_eq!((silent.len(), clients(&server)), (4, 4));
    // They say nothing, so another one gets in, and stays where they do not.
    let mut phone = None;
    until("a place", || {
        let (answer, stream) = upgrade(&server, "?token=abc", "");
        phone = Some(stream).filter(|_| answer.starts_with("HTTP/1.1 101"));
        phone.is_some()
    });
    let mut phone = WebSocket::from_raw_socket(phone.unwrap(), tungstenite::protocol::Role::Client, None);
    phone.get_ref().set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    until("the silent ones are let go", || {
        let _ = phone.read();
        clients(&server) == 1
    });
    phone.send(r#"{"COMMAND":"LISTEN","DATA":"/a/number"}"#.into()).unwrap();
    until("it is still there", || phone.read().is_ok_and(|message| message.is_binary()));
    drop(silent);
}

#[test]
fn clients_listen_to_what_there_is() {
    let (server, inbox) = start(settings(), limits());
    let mut client = socket(&server);
    let listen = |client: &mut WebSocket<TcpStream>, path: &str| {
        client.send(format!("{{\"COMMAND\":\"LISTEN\",\"DATA\":\"{path}\"}}").into()).unwrap();
    };
    for i in 0..3000 {
        listen(&mut client, &format!("/nothing/{i}-{}", "x".repeat(2000)));
    }
    listen(&mut client, &"x".repeat(60_000));
    listen(&mut client, "/a");
    listen(&mut client, "/a/text/");
    assert!(next(&mut client).into_data().starts_with(b"/a/text\0,s\0\0x"));
    let said = inbox.remarks();
    assert!(said.iter().any(|line| line.contains("LISTEN to \"/nothing/0-xxx") && line.len() < 300), "{said:?}");
    assert_eq!(inbox.counts().refused, 3001);
    server.set("/a/number", &[Value::Number(0.25)]);
    server.set("/a/text", &[Value::Text("one\ntwo".into())]);
    assert!(next(&mut client).into_data().starts_with(b"/a/text\0,s\0\0one\0"));
}

#[test]
fn frames_come_in_pieces_and_rubbish_is_refused() {
    let (server, inbox) = start(settings(), limits());
    let mut client = socket(&server);
    let mut piece = |bytes: &[u8], code: Data, last: bool| {
        let mut frame = Frame::message(bytes.to_vec(), OpCode::Data(code), last);
        frame.header_mut().mask = Some([1, 2, 3, 4]);
        client.send(Message::Frame(frame)).unwrap();
    };
    piece(b"/a/num", Data::Binary, false);
    piece(b"ber\0\0\0,T", Data::Continue, false);
    piece(b"\0\0", Data::Continue, true);
    until("a message in pieces", || inbox.messages().iter().any(|m| m.address == "/a/number" && m.from.local()));
    for rubbish in [&[0xff; 100][..], b"", b"#bundle\0", &[b'/'; 5000]] {
        client.send(Message::Binary(rubbish.to_vec().into())).unwrap();
    }
    for text in ["", "{", "[]", "{\"COMMAND\":7}", "{\"COMMAND\":\"LISTEN\"}", "null"] {
        client.send(text.into()).unwrap();
    }
    client.send("[".repeat(4000).into()).unwrap();
    client.send(Message::Binary(b"/b\0\0,\0\0\0".to_vec().into())).unwrap();
    until("it goes on", || inbox.messages().iter().any(|m| m.address == "/b"));
    assert!(inbox.counts().refused >= 4);
    // Larger than anything that is read: this client goes, others stay.
    let mut other = socket(&server);
    client.send(Message::Binary(vec![0; 1 << 20].into())).ok();
    until("it is let go", || clients(&server) == 1);
    other.send(r#"{"COMMAND":"LISTEN","DATA":"/a/number"}"#.into()).unwrap();
    assert!(next(&mut other).is_binary());
}

#[test]
fn a_client_that_never_reads_is_let_go() {
    let limits = Limits { gone: Duration::from_millis(500), ping: Duration::from_millis(100), ..limits() };
    let (server, _) = start(settings(), limits);
    let mut deaf = socket(&server);
    deaf.send(r#"{"COMMAND":"LISTEN","DATA":"/a/text"}"#.into()).unwrap();
    until("it is here", || clients(&server) == 1);
    let start = Instant::now();
    let mut i = 0_u64;
    until("it is let go", || {
        for _ in 0..500 {
            i += 1;
            server.set("/a/text", &[Value::Text(format!("{i} {}", "x".repeat(200)))]);
        }
        clients(&server) == 0
    });
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn requests_that_are_none_of_ours_are_refused() {
    let (server, inbox) = start(settings(), limits());
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"] {
        let target = if method == "CONNECT" { "127.0.0.1:80" } else { "/a/number" };
        check(&server, &format!("{method} {target}"), "", 405);
    }
    check(&server, "POST /a/number", "Content-Length: 4000000000\r\n", 405);
    check(&server, "HEAD /a/number", "", 200);
    check(&server, "GET /a/number", "Content-Length: 0\r\n", 200);
    // Bodies are not read, whatever their size; two lengths, or a length and chunks, do not hide a second request.
    let smuggled = "5\r\nGET /\r\n0\r\n\r\nGET /a/text HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    for more in [
        format!("Content-Length: 4000000000\r\n\r\n{}", "x".repeat(1000)),
        format!("Transfer-Encoding: chunked\r\n\r\n{smuggled}"),
        format!("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}"),
        format!("Content-Length: 4\r\nContent-Length: 40\r\n\r\n{smuggled}"),
        "Content-Length: -1\r\n\r\n".into(),
        "Transfer-Encoding: chunked, identity\r\n\r\n".into(),
    ] {
        let answer = check(&server, "GET /a/number", &more, 400);
        assert_eq!(answer.matches("http/1.1").count(), 1, "{answer}");
    }
    check(&server, "GET /a/number", "Host: evil.example\r\n", 403);
    check(&server, &format!("GET /{}", "x".repeat(40_000)), "", 431);
    assert!(ask(&server, "GET /", &"X: y\r\n".repeat(1000)).starts_with("HTTP/1.1 431"));
    assert!(!exchange(&server, "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n").starts_with("HTTP/1.1 2"));
    let (answer, _) = upgrade(&server, "", "Origin: http://evil.example\r\n");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    check(&server, "GET /", "Upgrade: websocket\r\nConnection: upgrade\r\n", 400);
    assert!(inbox.messages().is_empty());
    check(&server, "GET /a/number", "", 200);
}

#[test]
fn pages_of_this_machine_read_and_do_not_steer() {
    let (server, inbox) = start(settings(), limits());
    let origin = "Origin: http://127.0.0.1:8123\r\n";
    let answer = check(&server, "GET /?HOST_INFO", origin, 200);
    assert!(answer.contains("access-control-allow-origin: http://127.0.0.1:8123\r\n"), "{answer}");
    let asked = format!("{origin}Access-Control-Request-Method: GET\r\n");
    assert!(check(&server, "OPTIONS /", &asked, 204).contains("access-control-allow-methods: get"));
    check(&server, "GET /", "Origin: http://evil.example\r\n", 403);
    check(&server, "OPTIONS /", "Origin: http://evil.example\r\n", 403);
    check(&server, "GET /page", origin, 403);
    check(&server, "GET /page/picture.jpg", origin, 403);
    let steers = |query: &str, more: &str| {
        let (answer, stream) = upgrade(&server, query, more);
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        let mut socket = WebSocket::from_raw_socket(stream, tungstenite::protocol::Role::Client, None);
        let before = inbox.counts().refused;
        socket.send(Message::Binary(b"/a\0\0,\0\0\0".to_vec().into())).unwrap();
        let mut heard = false;
        until("it is heard or refused", || {
            heard = !inbox.messages().is_empty();
            heard || inbox.counts().refused > before
        });
        heard
    };
    assert!(!steers("", origin) && !steers("?token=ab", origin) && !steers("?token=", origin));
    assert!(steers("?token=abc", origin) && steers("?token=abc", "Origin: http://evil.example\r\n"));
    assert!(steers("", "") && steers("", "Origin: http://127.0.0.1\r\n"));
    assert!(inbox.remarks().iter().any(|line| line.contains("takes the token")));
}

#[test]
fn nothing_is_embedded_or_kept() {
    let (server, _) = start(settings(), limits());
    for path in ["/page", "/page/picture.jpg", "/", "/nothing", "/health", "/page?token=x"] {
        let answer = ask(&server, &format!("GET {path}"), "").to_lowercase();
        for guard in [
            "frame-ancestors 'none'",
            "x-frame-options: deny",
            "cross-origin-resource-policy: same-origin",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(answer.contains(guard), "{path}: {guard}: {answer}");
        }
    }
}

#[test]
fn health_is_told_to_anybody_whatever_else_stands_still() {
    let ill = Arc::new(Mutex::new(false));
    let theirs = ill.clone();
    let health: Health = Arc::new(move || match *lock(&theirs) {
        true => (false, r#"{"healthy":false,"frame_age":4.5}"#.into()),
        false => (true, r#"{"healthy":true}"#.into()),
    });
    // A picture that is never drawn, as when the frame stands still.
    let (stuck, frame) = std::sync::mpsc::channel::<()>();
    let frame = Mutex::new(frame);
    let snap: Snap = Arc::new(move || lock(&frame).recv().ok().map(|()| Vec::new()));
    let limits = Limits { idle: PATIENCE, ..limits() };
    let (server, _) = start(Settings { health: Some(health), page: Some(snap), ..settings() }, limits);
    let mut waiting = connect(&server);
    waiting.write_all(b"GET /page/picture.jpg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let _silent: Vec<TcpStream> = (0..50).map(|_| connect(&server)).collect();
    let begun = Instant::now();
    let answer = exchange(&server, "GET /health HTTP/1.1\r\nHost: watch.example\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#"{"healthy":true}"#), "{answer}");
    assert!(answer.to_lowercase().contains("content-type: application/json"));
    *lock(&ill) = true;
    let answer = check(&server, "GET /health", "", 503);
    assert!(answer.ends_with(r#"{"healthy":false,"frame_age":4.5}"#) && begun.elapsed() < Duration::from_secs(1));
    check(&server, "GET /page/picture.jpg", "", 503);
    drop(stuck);
    let (server, _) = start(Settings { health: Some(Arc::new(|| panic!("ill"))), ..settings() }, limits);
    assert!(check(&server, "GET /health", "", 503).contains("ill"));
    let (server, _) = start(Settings { health: None, ..settings() }, limits);
    check(&server, "GET /health", "", 404);
}

#[test]
fn a_live_value_is_the_one_of_the_moment() {
    let count = AtomicUsize::new(0);
    let live: Live = Arc::new(move || Value::Number(count.fetch_add(1, Ordering::Relaxed) as f64));
    let nowhere: Live = Arc::new(|| Value::Number(9.0));
    let live = vec![("/a/number", live), ("/nowhere", nowhere)];
    let (server, _) = start(Settings { live, ..settings() }, limits());
    assert!(check(&server, "GET /a/number?VALUE", "", 200).ends_with(r#"{"value":[0.0]}"#));
    assert!(check(&server, "GET /a/number?VALUE", "", 200).ends_with(r#"{"value":[1.0]}"#));
    check(&server, "GET /nowhere", "", 404);
}

#[test]
fn this_machine_finds_it_at_both_addresses() {
    let (server, _) = start(settings(), limits());
    if let Ok(mut stream) = TcpStream::connect(("::1", server.address().port())) {
        write!(stream, "GET /a/number HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    } else {
        assert!(std::net::UdpSocket::bind("[::1]:0").is_err());
    }
}
