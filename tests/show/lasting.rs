//! Weeks, from outside: a show that is killed comes back where it was, one that hangs ends itself, and its log is kept.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::common::{fail, flaneur};
use super::{GOOD, PATIENCE, Playing, stage};

/// Writes a preset with doors of its own; gives the ports of OSC and of OSCQuery.
fn preset(folder: &Path, more: &str) -> [u16; 2] {
    let osc = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let query = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let text = format!(
        "sketch = \"a\"\n{more}\n[osc]\nbind = \"127.0.0.1:{osc}\"\n[query]\nbind = \"127.0.0.1:{query}\"\n\
         announce = false\n[midi]\non = false\n"
    );
    fs::create_dir_all(folder.join("presets")).unwrap();
    fs::write(folder.join("presets/wall.toml"), text).unwrap();
    [osc, query]
}

/// Status and JSON of a path of OSCQuery; none while nobody answers.
fn get(port: u16, path: &str) -> Option<(u16, Json)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, serde_json::from_str(body).ok()?))
}

/// Waits for an answer that is so.
fn until(port: u16, path: &str, so: impl Fn(u16, &Json) -> bool) -> Json {
    let start = Instant::now();
    loop {
        if let Some((status, json)) = get(port, path)
            && so(status, &json)
        {
            return json;
        }
        assert!(start.elapsed() < PATIENCE, "{path}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn play(folder: &Path, arguments: &[&str], rehearse: &str) -> Playing {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flaneur"));
    command.args(["play", "wall", "--headless", "--device", "cpu", "--fps", "60", "--stats", "0.2"]).args(arguments);
    Playing::rehearsing(command, folder, rehearse)
}

/// The show's own process, under the one that looks after it.
fn show_under(supervisor: u32) -> u32 {
    let found = Command::new("pgrep").args(["-P", &supervisor.to_string()]).output().unwrap();
    String::from_utf8_lossy(&found.stdout).trim().parse().unwrap()
}

#[test]
fn a_show_that_is_killed_comes_back_as_it_was() {
    let folder = stage();
    let knob = "pub fn walk(me, t, c) { ring([1, 2, 3], c.knob(\"way\", 0.2)) }";
    fs::write(folder.path().join("sketches/a.rn"), knob).unwrap();
    let [osc, query] = preset(folder.path(), "");
    let playing = play(folder.path(), &["--supervise"], "1");
    until(query, "/flaneur/knob/way?VALUE", |status, _| status == 200);
    // /flaneur/knob/way ,f 0.75
    let message = b"/flaneur/knob/way\0\0\0,f\0\0\x3f\x40\0\0";
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().send_to(message, (Ipv4Addr::LOCALHOST, osc)).unwrap();
    let turned = |_: u16, json: &Json| json["VALUE"][0].as_f64() == Some(0.75);
    until(query, "/flaneur/knob/way?VALUE", turned);
    // The state is kept every few seconds and after something was done.
    let state = folder.path().join(format!("presets/state/show-{}.json", playing.child.id()));
    let start = Instant::now();
    while !fs::read_to_string(&state).is_ok_and(|text| text.contains("0.75")) {
        assert!(start.elapsed() < PATIENCE, "the knob is not in the last state");
        std::thread::sleep(Duration::from_millis(20));
    }
    let before = show_under(playing.child.id());
    assert!(Command::new("kill").args(["-KILL", &before.to_string()]).status().unwrap().success());
    let killed = Instant::now();
    until(query, "/health", |status, health| status == 200 && health["frame"]["count"].as_u64() > Some(1));
    let back = killed.elapsed();
    let knob = until(query, "/flaneur/knob/way?VALUE", |status, _| status == 200);
    assert!(turned(200, &knob), "{knob}");
    assert!(back < Duration::from_secs(20), "{back:?}");
    assert_ne!(show_under(playing.child.id()), before);
    playing.end();
}

#[test]
fn a_version_that_ends_the_process_is_not_begun_twice() {
    let folder = stage();
    let [_, query] = preset(folder.path(), "");
    let playing = play(folder.path(), &["--supervise"], "1");
    let first = show_under(playing.child.id());
    playing.sketch("pub fn walk(me, t, c) { if t.frame > 5 { rehearse_abort() } constant(0.5) }");
    playing.hears("it is started again");
    playing.hears("ended within a minute of a new version");
    until(query, "/health", |status, _| status == 200);
    assert_ne!(show_under(playing.child.id()), first);
    playing.goes_on();
    // Another version runs, and is taken at once.
    playing.sketch(&format!("{GOOD} // again"));
    until(query, "/health", |_, health| health["sketch"]["name"] == "a" && health["sketch"]["complaint"].is_null());
    playing.goes_on();
    playing.end();
}

#[test]
fn a_loop_that_hangs_is_told_of_and_ended() {
    let folder = stage();
    let [_, query] = preset(folder.path(), "");
    let mut playing = play(folder.path(), &["--log", "show.log"], "freeze:1");
    let report = until(query, "/health", |status, _| status == 503);
    let age = report["frame"]["age_secs"].as_f64().unwrap();
    assert!((2.0..6.0).contains(&age) && report["healthy"] == Json::Bool(false), "{report}");
    let ended = playing.child.wait().unwrap();
    assert!(!ended.success(), "{ended}");
    let log = fs::read_to_string(folder.path().join("show.log")).unwrap();
    assert!(log.contains("no frame came") && log.contains("generator"), "{log}");
    // One line an event, with its time and level.
    let levels = ["info", "error"];
    let lines = log.lines().filter(|line| line.starts_with("20"));
    assert!(lines.clone().count() > 1, "{log}");
    assert!(lines.clone().all(|line| levels.contains(&line.split_whitespace().nth(1).unwrap())), "{log}");
}

#[test]
fn a_preset_resumes_by_itself_and_outside_of_its_hours_it_is_healthy() {
    let folder = stage();
    let [_, query] = preset(folder.path(), "resume = true\n[hours]\ndaily = \"off\"\n");
    let playing = play(folder.path(), &[], "1");
    let health =
        until(query, "/health", |status, health| status == 200 && health["generator"]["held"] == Json::Bool(true));
    assert_eq!(health["sketch"]["name"], "a");
    let path = folder.path().join("presets/state");
    let start = Instant::now();
    while fs::read_dir(&path).map_or(0, Iterator::count) == 0 {
        assert!(start.elapsed() < PATIENCE, "no state is kept");
        std::thread::sleep(Duration::from_millis(50));
    }
    playing.end();
    // A show that ended in order has left its state for the next one of the same preset.
    let again = play(folder.path(), &["--log", "again.log"], "1");
    until(query, "/health", |status, _| status == 200);
    again.end();
    let log = fs::read_to_string(folder.path().join("again.log")).unwrap();
    assert!(log.contains("goes on where the show before it was"), "{log}");
    // What somebody has written into the preset since goes before that.
    fs::write(folder.path().join("sketches/b.rn"), GOOD).unwrap();
    let path = folder.path().join("presets/wall.toml");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("sketch = \"a\"", "sketch = \"b\"")).unwrap();
    let other = play(folder.path(), &[], "1");
    until(query, "/health", |_, health| health["sketch"]["name"] == "b");
    other.end();
}

#[test]
fn a_soak_tells_what_a_show_costs() {
    let folder = stage();
    let soak = ["soak", "--hours", "0.003", "--fps", "10", "--faults", "--longest", "60000", "--keep", "kept"];
    let output = flaneur(folder.path(), &soak);
    let [said, told] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(said.contains("| minute | memory MB |") && said.contains("\n| 0.2 | "), "{said}{told}");
    assert!(
        said.contains("The show ended 0.") || said.contains("The show ended 1.") || told.contains("SIGTERM"),
        "{said}"
    );
    // Late frames and memory are the machine's, but a show never ends by itself.
    assert!(!told.contains("ends by itself") && folder.path().join("kept/show.log").is_file(), "{told}");
    fail(folder.path(), &["soak", "--hours", "0"], "--hours takes more than 0");
}
