//! The page in a browser: it loads, a slider that is moved moves the show, and the show moves it.
//!
//! Drives Chromium by its DevTools protocol; skipped, and said, where there is no Chromium.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flaneur::net::device::Wanted;
use flaneur::report::{Board, Stop};
use flaneur::show::addresses::Act;
use flaneur::show::{Options, Show};
use serde_json::{Value, json};
use tungstenite::WebSocket;

use crate::common::skip;

const PATIENCE: Duration = Duration::from_secs(60);

struct Browser {
    child: Child,
    page: WebSocket<TcpStream>,
    asked: u64,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(port: &str, path: &str) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    let (socket, _) = tungstenite::client(format!("ws://127.0.0.1:{port}{path}"), stream).unwrap();
    socket.get_ref().set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    socket
}

/// Frames until `read` gives something.
fn until<T>(show: &mut Show, what: &str, mut read: impl FnMut(&mut Show) -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        show.frame();
        if let Some(found) = read(show) {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: {:?}", show.desk().monitor);
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Browser {
    /// Opens the page at the width of a phone; none where there is no browser.
    fn open(show: &mut Show, folder: &Path, url: &str) -> Option<Self> {
        let profile = folder.join("profile");
        let child = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--remote-debugging-port=0", "--window-size=360,740"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            skip("chromium is not installed");
            return None;
        };
        let port = until(show, "the browser", |_| {
            let text = fs::read_to_string(profile.join("DevToolsActivePort")).ok()?;
            Some(text.lines().next()?.to_owned())
        });
        let list = |port: &str| -> Option<Value> {
            use std::io::{Read, Write};
            let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
            write!(stream, "GET /json HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").ok()?;
            // It keeps the connection open, so the answer ends where it says it does.
            let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
            loop {
                let count = stream.read(&mut piece).ok().filter(|n| *n > 0)?;
                answer.extend_from_slice(&piece[..count]);
                let text = String::from_utf8_lossy(&answer);
                let Some((_, body)) = text.split_once("\r\n\r\n") else { continue };
                if let Ok(tabs) = serde_json::from_str(body) {
                    return Some(tabs);
                }
            }
        };
        let path = until(show, "the tab", |_| {
            let tabs = list(&port)?;
            let tab = tabs.as_array()?.iter().find(|tab| tab["type"] == "page")?;
            let address = tab["webSocketDebuggerUrl"].as_str()?;
            Some(address[address.find("/devtools")?..].to_owned())
        });
        Some(Self { child, page: connect(&port, &path), asked: 0 })
    }

    /// What a command gives.
    fn ask(&mut self, show: &mut Show, method: &str, params: Value) -> Value {
        self.asked += 1;
        let asked = self.asked;
        self.page.send(json!({"id": asked, "method": method, "params": params}).to_string().into()).unwrap();
        until(show, method, |_| {
            let answer = self.page.read().ok()?.into_text().ok()?;
            let answer: Value = serde_json::from_str(&answer).ok()?;
            (answer["id"] == asked).then(|| answer["result"].clone())
        })
    }

    /// What an expression in the page gives.
    fn look(&mut self, show: &mut Show, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true});
        self.ask(show, "Runtime.evaluate", params)["result"]["value"].clone()
    }

    fn sees(&mut self, show: &mut Show, expression: &str, expected: &Value) {
        let start = Instant::now();
        loop {
            let found = self.look(show, expression);
            if found == *expected {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{expression} is {found}, and not {expected}");
        }
    }

    /// Presses the mouse at a place of an element, in shares of its size, and lets go at another.
    fn drag(&mut self, show: &mut Show, selector: &str, from: f64, to: f64) {
        let area = self.look(
            show,
            &format!(
                "(e => {{ e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect(); \
                 return [r.left, r.top, r.width, r.height]; }})(document.querySelector('{selector}'))"
            ),
        );
        let [left, top, width, height] = [0, 1, 2, 3].map(|i| area[i].as_f64().unwrap());
        for (kind, share) in [("mousePressed", from), ("mouseMoved", to), ("mouseReleased", to)] {
            let (x, y) = (left + width * share, top + height / 2.0);
            let params = json!({"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1});
            self.ask(show, "Input.dispatchMouseEvent", params);
        }
    }
}

#[test]
fn the_page_plays_the_show() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/three-lines");
    let sketch = here.join("a.rn");
    fs::write(&sketch, "pub fn walk(me, t, c) { seed(7).truncate(c.knob(\"first\", 0.2)) }").unwrap();
    let preset = here.join("p.toml");
    let doors =
        "[osc]\non = false\n[midi]\non = false\n[query]\nbind = \"127.0.0.1:0\"\nannounce = false\npage = true\n";
    fs::write(&preset, format!("sketch = {sketch:?}\nmodel = {model:?}\n{doors}")).unwrap();
    let target = Some(preset.to_string_lossy().into_owned());
    let options = Options { target, device: Wanted::Cpu, ..Options::default() };
    let mut show = Show::open(options, &Board::default(), &Stop::default()).unwrap();
    let url = show.desk().page.unwrap();
    let Some(mut browser) = Browser::open(&mut show, here, &url) else { return };
    browser.sees(&mut show, "document.body.dataset.link", &json!("on"));

    let slider = "[role=slider][data-path=\"/flaneur/knob/first\"]";
    browser.drag(&mut show, slider, 0.3, 0.9);
    let value = until(&mut show, "the slider", |show| {
        let value = show.desk().knobs.first()?.value;
        (value > 0.5).then_some(value)
    });
    assert!(value < 1.0);
    show.act(Act::Knob("first".into(), 0.25));
    browser.sees(&mut show, &format!("+document.querySelector('{slider}').ariaValueNow"), &json!(0.25));

    browser.drag(&mut show, "button[data-path=\"/flaneur/out/blackout\"]", 0.5, 0.5);
    until(&mut show, "blackout", |show| show.desk().black.then_some(()));
    let pressed = "document.querySelector('button[data-path=\"/flaneur/out/blackout\"]').ariaPressed";
    browser.sees(&mut show, pressed, &json!("true"));

    // Nothing reaches out of the width of a phone.
    let wide = "document.documentElement.scrollWidth <= window.innerWidth";
    browser.sees(&mut show, wide, &json!(true));
    browser.sees(&mut show, "[...document.images].some(i => i.naturalWidth > 100)", &json!(true));
    drop(browser);
    show.close();
}
