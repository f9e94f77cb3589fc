//! OSC from outside: a socket like any sender's, and what the next frame makes of it.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use flaneur::net::device::Wanted;
use flaneur::report::{Board, Stop};
use flaneur::show::{Options, Show};
use rosc::{OscBundle, OscMessage, OscPacket, OscTime, OscType, encoder};

/// A show that listens on a free port, and a socket that sends to it.
fn open(folder: &Path) -> (Show, UdpSocket) {
    open_at(folder, "bind = \"127.0.0.1:0\"")
}

/// The same with other lines about OSC in its preset.
fn open_at(folder: &Path, osc: &str) -> (Show, UdpSocket) {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/three-lines");
    let sketch = folder.join("a.rn");
    fs::write(&sketch, "pub fn walk(me, t, c) { constant(c.value(\"size\", 0, 2, 0)) }").unwrap();
    let preset = folder.join("p.toml");
    let text = format!(
        "sketch = {sketch:?}\nmodel = {model:?}\n[osc]\n{osc}\n[query]\nbind = \"127.0.0.1:0\"\nannounce = false\n[midi]\non = false\n"
    );
    fs::write(&preset, text).unwrap();
    let target = Some(preset.to_string_lossy().into_owned());
    let options = Options { target, device: Wanted::Cpu, ..Options::default() };
    let show = Show::open(options, &Board::default(), &Stop::default()).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", show.osc_address().unwrap().port())).unwrap();
    (show, socket)
}

fn message(address: &str, args: Vec<OscType>) -> OscPacket {
    OscPacket::Message(OscMessage { addr: address.into(), args })
}

fn send(socket: &UdpSocket, packet: &OscPacket) {
    socket.send(&encoder::encode(packet).unwrap()).unwrap();
}

/// Frames until something is so.
fn until(show: &mut Show, so: impl Fn(&mut Show) -> bool) {
    let start = Instant::now();
    loop {
        show.frame();
        if so(show) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", show.desk().monitor);
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn last(show: &mut Show) -> String {
    show.desk().monitor.last().cloned().unwrap_or_default()
}

#[test]
fn messages_steer_the_show() {
    let folder = tempfile::tempdir().unwrap();
    let (mut show, socket) = open(folder.path());
    until(&mut show, |s| !s.desk().knobs.is_empty());
    send(&socket, &message("/flaneur/knob/size", vec![OscType::Int(1)]));
    until(&mut show, |s| (s.desk().z[5] - 2.0).abs() < 1e-3);
    send(&socket, &message("/flaneur/z/5", vec![OscType::Float(0.5)]));
    until(&mut show, |s| s.desk().z[5] == 2.5 && s.desk().z[6] == 2.0);
    let list = (0..100).map(|i| OscType::Float(i as f32 / 100.0)).collect();
    let many = vec![message("/flaneur/z", list), message("/flaneur/out/blackout", vec![OscType::Bool(true)])];
    let timetag = OscTime { seconds: u32::MAX, fractional: 0 };
    send(&socket, &OscPacket::Bundle(OscBundle { timetag, content: many }));
    until(&mut show, |s| s.desk().z[50] == 2.5 && s.desk().black);
    send(&socket, &message("/flaneur/z/*", vec![OscType::Float(-1.0)]));
    until(&mut show, |s| s.desk().z.iter().all(|v| *v == 1.0));
    show.close();
}

#[test]
fn what_is_wrong_is_listed_and_the_show_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (mut show, socket) = open(folder.path());
    for (address, args, why) in [
        ("/flaneur/knob/size", vec![OscType::Float(f32::NAN)], "rejected: the value is not a number"),
        ("/flaneur/knob/size", vec![OscType::Float(2.5)], "value 2.5 above maximum 1"),
        ("/flaneur/z/100", vec![OscType::Float(0.0)], "there is no dimension 100"),
        ("/elsewhere", vec![], "no such address"),
    ] {
        send(&socket, &message(address, args));
        until(&mut show, |s| last(s).contains(why));
    }
    socket.send(&vec![b'#'; 60_000]).unwrap();
    until(&mut show, |s| last(s).contains("60000 bytes"));
    for i in 0..20_000u32 {
        socket.send(&i.to_le_bytes().repeat((i % 40) as usize)).ok();
    }
    send(&socket, &message("/flaneur/clock/bpm", vec![OscType::Float(99.0)]));
    // The socket's buffer may have been full; a hand would move again, too.
    until(&mut show, |s| {
        send(&socket, &message("/flaneur/clock/bpm", vec![OscType::Float(99.0)]));
        s.desk().bpm == 99.0
    });
    assert!(show.desk().monitor.len() <= 64);
    show.close();
}

/// A bundle by hand, from elements that may be anything.
fn bundle(elements: &[Vec<u8>], tag: u64) -> Vec<u8> {
    let mut bytes = [&b"#bundle\0"[..], &tag.to_be_bytes()].concat();
    for element in elements {
        bytes.extend((element.len() as u32).to_be_bytes());
        bytes.extend(element);
    }
    bytes
}

fn encoded(address: &str, args: Vec<OscType>) -> Vec<u8> {
    encoder::encode(&message(address, args)).unwrap()
}

fn said(show: &mut Show, text: &str) -> bool {
    show.desk().monitor.iter().any(|line| line.contains(text))
}

#[test]
fn odd_bundles_act_where_they_can() {
    let folder = tempfile::tempdir().unwrap();
    let (mut show, socket) = open(folder.path());
    let z = |i: usize, v: f32| encoded(&format!("/flaneur/z/{i}"), vec![OscType::Float(v)]);
    let black = |on: i32| encoded("/flaneur/out/blackout", vec![OscType::Int(on)]);
    let odd = b"/flaneur/z/1\0\0\0\0,Q\0\0????".to_vec();
    for (elements, why) in [
        (vec![z(0, 1.0), odd.clone(), z(2, 1.0), black(1)], "/flaneur/z/1 rejected: type tag 'Q' is not known"),
        (vec![odd, black(1)], "element 1 of a bundle"),
        (vec![z(5, 0.5), vec![], z(6, 0.5), black(1)], "an empty element (element 2"),
        (vec![b"/caf\xe9\0\0\0".to_vec(), black(1)], "not UTF-8"),
        (vec![encoded(&"/x".repeat(20_000), vec![]), black(1)], "an address of 40000 bytes"),
    ] {
        send(&socket, &message("/flaneur/out/blackout", vec![OscType::Int(0)]));
        until(&mut show, |s| !s.desk().black);
        socket.send(&bundle(&elements, 1)).unwrap();
        until(&mut show, |s| s.desk().black && said(s, why));
    }
    assert!(show.desk().z[0] == 1.0 && show.desk().z[2] == 1.0 && show.desk().z[6] == 0.5);
    // Wide, and over what one packet of a network holds; many side by side.
    let wide: Vec<Vec<u8>> =
        (0..2000).map(|i| encoded(&format!("/flaneur/z/{}/set", i % 100), vec![OscType::Float(0.25)])).collect();
    assert!(bundle(&wide, 1).len() > 60_000);
    socket.send(&bundle(&wide, 1)).unwrap();
    until(&mut show, |s| s.desk().z.iter().skip(7).all(|v| *v == 0.25));
    let set = |i: usize| encoded(&format!("/flaneur/z/{i}/set"), vec![OscType::Float(0.75)]);
    let nested: Vec<Vec<u8>> = (0..100).map(|i| bundle(&[set(i)], 1)).collect();
    socket.send(&bundle(&nested, 1)).unwrap();
    until(&mut show, |s| s.desk().z.iter().all(|v| *v == 0.75));
    let deep = (0..300).fold(z(0, 2.0), |inside, _| bundle(&[inside], 1));
    socket.send(&deep).unwrap();
    until(&mut show, |s| said(s, "nested deeper than 16"));
    // Without type tags.
    socket.send(b"/flaneur/z/clear\0\0\0\0").unwrap();
    until(&mut show, |s| s.desk().z.iter().all(|v| *v == 0.0));
    // A little over the range by rounding, and by more than that.
    send(&socket, &message("/flaneur/knob/size", vec![OscType::Double(1.000_000_000_1)]));
    until(&mut show, |s| s.desk().knobs.first().is_some_and(|knob| knob.value == 1.0));
    send(&socket, &message("/flaneur/knob/size", vec![OscType::Float(-1e-9)]));
    until(&mut show, |s| s.desk().knobs.first().is_some_and(|knob| knob.value == 0.0));
    send(&socket, &message("/flaneur/knob/size", vec![OscType::Float(1.01)]));
    until(&mut show, |s| last(s).contains("value 1.01 above maximum 1"));
    show.close();
}

#[test]
fn a_clock_that_is_ahead_is_said_and_learnt() {
    let folder = tempfile::tempdir().unwrap();
    let (mut show, socket) = open(folder.path());
    let cue = |on: bool| {
        let ahead = std::time::SystemTime::now() + Duration::from_secs(3);
        let tag = OscTime::try_from(ahead).unwrap();
        let content = vec![message("/flaneur/out/blackout", vec![OscType::Bool(on)])];
        encoder::encode(&OscPacket::Bundle(OscBundle { timetag: tag, content })).unwrap()
    };
    socket.send(&cue(false)).unwrap();
    until(&mut show, |s| said(s, "/flaneur/out/blackout held for 3 s by the time tag"));
    socket.send(&cue(false)).unwrap();
    socket.send(&cue(false)).unwrap();
    let start = Instant::now();
    socket.send(&cue(true)).unwrap();
    until(&mut show, |s| s.desk().black);
    assert!(start.elapsed() < Duration::from_millis(2500), "{:?}", start.elapsed());
    assert!(said(&mut show, "the clock of 127.0.0.1 is 3.0 s ahead"));
    show.close();
    let (mut show, socket) = open_at(folder.path(), "bind = \"localhost:0\"\nclock = \"ignore\"");
    let start = Instant::now();
    socket.send(&cue(true)).unwrap();
    until(&mut show, |s| s.desk().black);
    assert!(start.elapsed() < Duration::from_millis(2500) && !said(&mut show, "held"));
    show.close();
}

#[test]
fn both_loopback_addresses_are_listened_to() {
    let folder = tempfile::tempdir().unwrap();
    for bind in ["localhost:0", "0.0.0.0:0", "[::1]:0"] {
        let (mut show, socket) = open_at(folder.path(), &format!("bind = \"{bind}\""));
        send(&socket, &message("/flaneur/clock/bpm", vec![OscType::Float(99.0)]));
        until(&mut show, |s| s.desk().bpm == 99.0);
        if let Ok(socket) = UdpSocket::bind("[::1]:0") {
            socket.connect(("::1", show.osc_address().unwrap().port())).unwrap();
            send(&socket, &message("/flaneur/clock/bpm", vec![OscType::Float(98.0)]));
            until(&mut show, |s| s.desk().bpm == 98.0);
            // The answer comes from where it was sent to.
            socket.set_nonblocking(true).unwrap();
            until(&mut show, |_| socket.recv(&mut [0; 256]).is_ok());
        }
        show.close();
    }
}

#[test]
fn from_beyond_this_machine_only_names_are_taken() {
    // This machine's own address on its network stands for another machine.
    let outward = UdpSocket::bind("0.0.0.0:0").and_then(|s| s.connect("192.0.2.1:9").and_then(|()| s.local_addr()));
    let Ok(ip) = outward.map(|address| address.ip()) else {
        return crate::common::skip("this machine has no network");
    };
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.toml");
    fs::write(&foreign, "password = \"secret\"\n").unwrap();
    let foreign = foreign.to_string_lossy().into_owned();
    for (allowed, more) in [(false, ""), (true, "\npaths = true")] {
        let (mut show, _) = open_at(folder.path(), &format!("bind = \"0.0.0.0:0\"{more}"));
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket.connect((ip, show.osc_address().unwrap().port())).unwrap();
        let (path, values) = ("/flaneur/preset/load", vec![OscType::String(foreign.clone())]);
        send(&socket, &message(path, values));
        until(&mut show, |s| last(s).contains(path));
        assert_eq!(last(&mut show).contains("is a path, and only names are taken"), !allowed, "{}", last(&mut show));
        if !allowed {
            for path in ["sketch/load", "model/load", "train/data", "train/data2", "train/fork", "snap/recall"] {
                let path = format!("/flaneur/{path}");
                send(&socket, &message(&path, vec![OscType::String("../x".into())]));
                until(&mut show, |s| last(s).contains(&path) && last(s).contains("only names"));
            }
            send(&socket, &message("/flaneur/preset/load", vec![OscType::String("Cargo.toml".into())]));
            until(&mut show, |s| last(s).contains("give its name, without .toml"));
            // Patterns are looked at address by address.
            send(&socket, &message("/flaneur/{sketch,preset}/load", vec![OscType::String("/x".into())]));
            until(&mut show, |s| last(s).contains("{sketch,preset}") && last(s).contains("only names"));
        }
        show.close();
    }
}

#[test]
fn a_flood_costs_another_sender_no_message() {
    let folder = tempfile::tempdir().unwrap();
    let (mut show, socket) = open(folder.path());
    let at = show.osc_address().unwrap();
    let flood = std::thread::spawn(move || {
        let noise = UdpSocket::bind("127.0.0.1:0").unwrap();
        let rubbish = [encoded("/flaneur/nothing", vec![OscType::Float(0.5)]), vec![0xff; 40], bundle(&[vec![]], 1)];
        (0..60_000).for_each(|i| drop(noise.send_to(&rubbish[i % 3], at)));
    });
    // What the system itself drops from a full socket is sent again, as a hand would.
    for bpm in [61.0_f32, 62.0, 63.0] {
        until(&mut show, |s| {
            send(&socket, &message("/flaneur/clock/bpm", vec![OscType::Float(bpm)]));
            s.desk().bpm == f64::from(bpm)
        });
    }
    flood.join().unwrap();
    assert!(show.desk().monitor.len() <= 64);
    show.close();
}
