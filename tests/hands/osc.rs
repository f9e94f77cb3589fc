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
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/three-lines");
    let sketch = folder.join("a.rn");
    fs::write(&sketch, "pub fn walk(me, t, c) { constant(c.value(\"size\", 0, 2, 0)) }").unwrap();
    let preset = folder.join("p.toml");
    let text = format!(
        "sketch = {sketch:?}\nmodel = {model:?}\n[osc]\nbind = \"127.0.0.1:0\"\n[query]\nbind = \"127.0.0.1:0\"\nannounce = false\n[midi]\non = false\n"
    );
    fs::write(&preset, text).unwrap();
    let target = Some(preset.to_string_lossy().into_owned());
    let options = Options { target, device: Wanted::Cpu, ..Options::default() };
    let show = Show::open(options, &Board::default(), &Stop::default()).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(show.osc_address().unwrap()).unwrap();
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
