//! The training steered by OSC from outside, seen in the numbers that come back by OSCQuery.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use flaneur::preset::Preset;
use flaneur::report::{Board, Stop};
use flaneur::show::{Options, Show};
use rosc::{OscMessage, OscPacket, OscType, encoder};

use crate::stage::{PATIENCE, folder, train};

/// The value that stands at an address.
fn value(server: SocketAddr, path: &str) -> serde_json::Value {
    let mut stream = TcpStream::connect(server).unwrap();
    write!(stream, "GET {path}?VALUE HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    body["VALUE"][0].clone()
}

struct Outside {
    show: Show,
    socket: UdpSocket,
    server: SocketAddr,
}

impl Outside {
    fn send(&self, address: &str, arg: OscType) {
        let packet = OscPacket::Message(OscMessage { addr: format!("/flaneur/train/{address}"), args: vec![arg] });
        self.socket.send(&encoder::encode(&packet).unwrap()).unwrap();
    }

    fn until(&mut self, address: &str, is: impl Fn(&serde_json::Value) -> bool) {
        let (start, mut asked) = (Instant::now(), None::<Instant>);
        let path = format!("/flaneur/train/{address}");
        loop {
            self.show.frame();
            std::thread::sleep(Duration::from_millis(8));
            // Now and then, so that the frames go on.
            if asked.is_none_or(|at| at.elapsed() > Duration::from_millis(100)) {
                let now = value(self.server, &path);
                if is(&now) {
                    return;
                }
                assert!(start.elapsed() < PATIENCE, "{address} is {now}: {:?}", self.show.board().lines());
                asked = Some(Instant::now());
            }
        }
    }
}

#[test]
fn rate_pause_mix_rewind_and_data_work_by_osc() {
    let folder = folder();
    let here = folder.path();
    let mut preset = Preset {
        sketch: here.join("still.rn").display().to_string(),
        model: here.join("models/t").display().to_string(),
        train: train(here),
        ..Preset::default()
    };
    preset.train.autostart = false;
    preset.osc.bind = SocketAddr::from(([127, 0, 0, 1], 0));
    preset.query.bind = SocketAddr::from(([127, 0, 0, 1], 0));
    (preset.query.announce, preset.midi.on) = (false, false);
    let trainer = Some(PathBuf::from(env!("CARGO_BIN_EXE_flaneur")));
    let options = Options { preset: Some(preset), trainer, ..Options::default() };
    let show = Show::open(options, &Board::default(), &Stop::default()).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(show.osc_address().unwrap()).unwrap();
    let server = show.query_address().unwrap();
    let mut outside = Outside { show, socket, server };

    let near = |v: f64| move |is: &serde_json::Value| is.as_f64().is_some_and(|is| (is - v).abs() < 1e-6);
    let above = |v: f64| move |is: &serde_json::Value| is.as_f64().is_some_and(|is| is > v);
    let text = |v: &'static str| move |is: &serde_json::Value| is.as_str().is_some_and(|is| is.contains(v));
    outside.until("state", text("off"));
    outside.send("run", OscType::Bool(true));
    outside.until("state", text("running"));
    outside.until("step", above(5.0));
    outside.until("shown", above(10.0));
    outside.send("lr", OscType::Float(0.0003));
    outside.until("lr", near(0.0003));
    outside.until("critic_lr", near(0.0003));
    outside.send("critic_steps", OscType::Int(2));
    outside.until("critic_steps", near(2.0));
    outside.send("mix", OscType::Float(0.25));
    outside.until("mix", near(0.25));
    outside.send("pause", OscType::Bool(true));
    outside.until("state", text("paused"));
    let step = value(server, "/flaneur/train/step");
    outside.send("rewind", OscType::String("first".into()));
    outside.until("shown", near(0.0));
    outside.send("pause", OscType::Bool(false));
    outside.until("state", text("running"));
    outside.until("step", above(1.0));
    assert!(step.as_f64().unwrap() > 10.0);
    for (rule, to) in [("verticals", "0"), ("horizontals", "5"), ("count", "60"), ("palette", "ff0000 00ff00")] {
        outside.send(&format!("lines/{rule}"), OscType::String(to.into()));
        outside.show.frame();
    }
    outside.send("redraw", OscType::Bool(true));
    outside.until("data", text("60 lines pictures, 0 verticals, 5 horizontals"));
    outside.send("data2", OscType::String(here.join("d").display().to_string()));
    outside.until("data2", text("d"));
    outside.send("data_mix", OscType::Float(0.5));
    outside.until("data_mix", near(0.5));
    for _ in 0..16 {
        outside.send("feed", OscType::Bool(true));
        outside.show.frame();
        std::thread::sleep(Duration::from_millis(20));
    }
    outside.until("message", |_| here.join("models/t-live/fed/fed-0016.png").is_file());
    outside.send("data2", OscType::String("fed".into()));
    outside.until("data2", text("fed"));
    outside.send("stop", OscType::Bool(true));
    outside.until("state", text("watching"));
    outside.show.close();
}
