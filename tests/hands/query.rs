//! OSCQuery and the page from outside: a browser's and a program's requests, values that stream, other knobs.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use flaneur::net::device::Wanted;
use flaneur::report::{Board, Stop};
use flaneur::show::addresses::Act;
use flaneur::show::{Options, Show};
use rosc::{OscMessage, OscPacket, OscType, decoder, encoder};
use serde_json::Value;
use tungstenite::{Message, WebSocket};

const PATIENCE: Duration = Duration::from_secs(30);

/// A show with free ports; `more` is added to its preset.
fn open(folder: &Path, more: &str) -> Show {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/three-lines");
    let sketch = folder.join("a.rn");
    fs::write(&sketch, "pub fn walk(me, t, c) { constant(c.value(\"the size\", 0, 2, 0)) }").unwrap();
    let preset = folder.join("p.toml");
    let text = format!(
        "sketch = {sketch:?}\nmodel = {model:?}\n[osc]\nbind = \"127.0.0.1:0\"\n{}\n[midi]\non = false\n[query]\nannounce = false\n{}",
        if more.contains("feedback") { more } else { "" },
        if more.contains("feedback") { "bind = \"127.0.0.1:0\"" } else { more },
    );
    fs::write(&preset, text).unwrap();
    let target = Some(preset.to_string_lossy().into_owned());
    let options = Options { target, device: Wanted::Cpu, ..Options::default() };
    let mut show = Show::open(options, &Board::default(), &Stop::default()).unwrap();
    until(&mut show, |s| !s.desk().knobs.is_empty());
    show
}

/// Frames until something is so.
fn until(show: &mut Show, mut so: impl FnMut(&mut Show) -> bool) {
    let start = Instant::now();
    loop {
        show.frame();
        if so(show) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{:?}", show.desk().monitor);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Status and body of a GET.
fn get(at: SocketAddr, path: &str, more: &str) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, at.port())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let host = format!("127.0.0.1:{}", at.port());
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), answer[end + 4..].to_vec())
}

fn json(at: SocketAddr, path: &str) -> Value {
    let (status, body) = get(at, path, "");
    assert_eq!(status, 200, "{path}");
    serde_json::from_slice(&body).unwrap()
}

fn socket(at: SocketAddr, query: &str) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, at.port())).unwrap();
    let (socket, _) = tungstenite::client(format!("ws://127.0.0.1:{}/{query}", at.port()), stream).unwrap();
    socket.get_ref().set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    socket
}

/// Frames until the client hears something that is so.
fn hears(show: &mut Show, socket: &mut WebSocket<TcpStream>, so: impl Fn(&Message) -> bool) {
    until(show, |_| socket.read().is_ok_and(|message| so(&message)));
}

fn message(address: &str, args: Vec<OscType>) -> Vec<u8> {
    encoder::encode(&OscPacket::Message(OscMessage { addr: address.into(), args })).unwrap()
}

/// The address and the first number of an OSC message.
fn number(bytes: &[u8]) -> Option<(String, f32)> {
    match decoder::decode_udp(bytes).ok()?.1 {
        OscPacket::Message(m) => Some((m.addr, m.args.first()?.clone().float()?)),
        OscPacket::Bundle(_) => None,
    }
}

#[test]
fn a_client_reads_the_tree() {
    let folder = tempfile::tempdir().unwrap();
    let mut show = open(folder.path(), "bind = \"127.0.0.1:0\"");
    let at = show.query_address().unwrap();
    let all = json(at, "/");
    let flaneur = &all["CONTENTS"]["flaneur"]["CONTENTS"];
    assert_eq!(flaneur["z"]["CONTENTS"].as_object().unwrap().keys().filter(|k| *k != "clear").count(), 100);
    let knob = &flaneur["knob"]["CONTENTS"]["the_size"];
    assert_eq!((&knob["TYPE"], &knob["ACCESS"], &knob["VALUE"][0]), (&"f".into(), &3.into(), &0.0.into()));
    assert_eq!(knob["FULL_PATH"], "/flaneur/knob/the_size");
    assert!(knob["DESCRIPTION"].as_str().unwrap().contains("the size, from 0 to 2"));
    assert_eq!(flaneur["out"]["CONTENTS"]["blackout"]["VALUE"], serde_json::json!([false]));
    assert_eq!(flaneur["walk"]["CONTENTS"]["speed"]["RANGE"][0]["MIN"], -8.0);
    let info = json(at, "/?HOST_INFO");
    assert_eq!((info["OSC_TRANSPORT"].as_str(), info["WS_PORT"].as_u64()), (Some("UDP"), Some(at.port().into())));
    assert_eq!(info["OSC_PORT"].as_u64(), show.osc_address().map(|a| a.port().into()));
    show.act(Act::Z(7, 1.5));
    show.frame();
    assert_eq!(json(at, "/flaneur/z/7?VALUE"), serde_json::json!({"VALUE": [1.5]}));
    assert_eq!(json(at, "/flaneur/z")["VALUE"][7], 1.5);
    assert_eq!(get(at, "/flaneur/nothing", "").0, 404);
    assert_eq!(get(at, "/flaneur/clock/tap?VALUE", "").0, 204);
    assert_eq!(get(at, "/flaneur/z/7?COLOUR", "").0, 400);
    assert_eq!(get(at, "/page", "").0, 404);
    assert_eq!(get(at, "/", "Origin: http://elsewhere.example\r\n").0, 403);
    show.close();
}

#[test]
fn values_stream_and_other_knobs_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut show = open(folder.path(), "bind = \"127.0.0.1:0\"");
    let at = show.query_address().unwrap();
    let mut client = socket(at, "");
    client.send(r#"{"COMMAND":"LISTEN","DATA":"/flaneur/knob/the_size"}"#.into()).unwrap();
    let is = |value: f32| {
        move |m: &Message| {
            let found = (m.is_binary()).then(|| number(&m.clone().into_data())).flatten();
            found == Some(("/flaneur/knob/the_size".into(), value))
        }
    };
    hears(&mut show, &mut client, is(0.0));
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.send_to(&message("/flaneur/knob/the_size", vec![OscType::Float(0.25)]), show.osc_address().unwrap()).unwrap();
    hears(&mut show, &mut client, is(0.25));
    // A client steers over the same socket.
    client.send(message("/flaneur/knob/the_size", vec![OscType::Float(0.75)]).into()).unwrap();
    hears(&mut show, &mut client, is(0.75));
    until(&mut show, |s| (s.desk().z[0] - 1.5).abs() < 1e-3);
    client.send(r#"{"COMMAND":"IGNORE","DATA":"/flaneur/knob/the_size"}"#.into()).unwrap();
    client.send("no json".into()).unwrap();
    fs::write(folder.path().join("a.rn"), "pub fn walk(me, t, c) { constant(c.knob(\"other\", 0.5)) }").unwrap();
    hears(&mut show, &mut client, |m| {
        m.to_text().is_ok_and(|t| t.contains("PATH_CHANGED") && t.contains("\"/flaneur/knob\""))
    });
    assert_eq!(json(at, "/flaneur/knob/other")["VALUE"][0], 0.5);
    assert_eq!(get(at, "/flaneur/knob/the_size", "").0, 404);
    show.close();
}

#[test]
fn the_page_is_served_to_those_who_may() {
    let folder = tempfile::tempdir().unwrap();
    let mut show = open(folder.path(), "bind = \"0.0.0.0:0\"\npage = true\ntoken = \"abc\"");
    let at = show.query_address().unwrap();
    assert!(show.desk().page.unwrap().ends_with("/page?token=abc"));
    assert_eq!((get(at, "/page", "").0, get(at, "/page?token=no", "").0), (403, 403));
    let (status, page) = get(at, "/page?token=abc", "");
    assert!(status == 200 && String::from_utf8_lossy(&page).contains("<!doctype html>"));
    until(&mut show, |s| s.pictures() > 0);
    let (status, picture) = get(at, "/page/picture.jpg?token=abc&v=1", "");
    let picture = image::load_from_memory(&picture).unwrap().into_rgb8();
    assert!(status == 200 && picture.dimensions() == (480, 480));
    let mut stranger = socket(at, "");
    stranger.send(message("/flaneur/out/blackout", vec![]).into()).unwrap();
    until(&mut show, |s| s.desk().monitor.iter().any(|line| line.contains("takes the token")));
    assert!(!show.desk().black);
    let mut friend = socket(at, "?token=abc");
    friend.send(message("/flaneur/out/blackout", vec![]).into()).unwrap();
    until(&mut show, |s| s.desk().black);
    show.close();
}

#[test]
fn what_hands_change_is_fed_back() {
    let folder = tempfile::tempdir().unwrap();
    let target = UdpSocket::bind("127.0.0.1:0").unwrap();
    target.set_nonblocking(true).unwrap();
    let more = format!("feedback = [\"{}\", \"sender\"]", target.local_addr().unwrap());
    let mut show = open(folder.path(), &more);
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.set_nonblocking(true).unwrap();
    let told = |socket: &UdpSocket| {
        let mut buffer = [0; 512];
        socket.recv(&mut buffer).ok().and_then(|n| number(&buffer[..n]))
    };
    let value = message("/flaneur/out/fade", vec![OscType::Float(0.5)]);
    sender.send_to(&value, show.osc_address().unwrap()).unwrap();
    until(&mut show, |_| told(&target) == Some(("/flaneur/out/fade".into(), 0.5)));
    // The hand itself is told once it rests.
    until(&mut show, |_| told(&sender) == Some(("/flaneur/out/fade".into(), 0.5)));
    show.act(Act::Z(3, 2.0));
    until(&mut show, |_| told(&sender) == Some(("/flaneur/z/3".into(), 2.0)));
    show.close();
}

#[test]
fn a_watcher_sees_what_comes_in() {
    let folder = tempfile::tempdir().unwrap();
    let mut show = open(folder.path(), "bind = \"127.0.0.1:0\"");
    let (at, osc) = (show.query_address().unwrap(), show.osc_address().unwrap());
    let watcher = std::thread::spawn(move || {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut seen = String::new();
        flaneur::osc::query::watch(at, "", |line| {
            udp.send_to(&message("/flaneur/nothing", vec![OscType::Int(3)]), osc).unwrap();
            seen.push_str(line.unwrap_or_default());
            seen.is_empty()
        })
        .unwrap();
        seen
    });
    until(&mut show, |_| watcher.is_finished());
    let seen = watcher.join().unwrap();
    assert!(seen.contains("/flaneur/nothing 3 rejected: no such address"), "{seen}");
    show.close();
}

#[test]
fn the_public_board_quotes_no_lines_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut show = open(folder.path(), "bind = \"127.0.0.1:0\"");
    let (at, osc) = (show.query_address().unwrap(), show.osc_address().unwrap());
    let foreign = folder.path().join("foreign.toml");
    fs::write(&foreign, "password = \"hunter2\"\n").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let path = OscType::String(foreign.to_string_lossy().into_owned());
    udp.send_to(&message("/flaneur/preset/load", vec![path]), osc).unwrap();
    let mut told = String::new();
    until(&mut show, |_| {
        told = json(at, "/flaneur/stat/board")["VALUE"][0].as_str().unwrap_or_default().to_owned();
        told.contains("foreign.toml")
    });
    assert!(!told.contains("hunter2") && told.contains("line 1"), "{told}");
    show.close();
}

#[test]
fn it_is_found_by_the_name_that_it_announces() {
    let folder = tempfile::tempdir().unwrap();
    let mut show = open(folder.path(), "bind = \"localhost:0\"\ntoken = \"abc\"");
    let at = show.query_address().unwrap();
    let named = |host: &str, path: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", at.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let own = format!("flaneur-{}.local", at.port());
    for host in
        [own.clone(), format!("{own}."), own.to_uppercase(), format!("{own}.:{}", at.port()), "LocalHost".into()]
    {
        assert_eq!(named(&host, "/flaneur/out/blackout"), 200, "{host}");
    }
    for host in ["evil", "evil.local", "flaneur-1.local", "evil.example"] {
        assert_eq!((named(host, "/?HOST_INFO"), named(host, "/?HOST_INFO&token=abc")), (403, 200), "{host}");
    }
    show.close();
}
