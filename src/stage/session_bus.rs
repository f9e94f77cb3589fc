//! One call to the desktop's session bus (D-Bus): asks it not to blank the screen while the connection is open.
//!
//! Used by `inhibit` on its own thread. As much of the protocol as this one call takes; replies are read with a time-out
//! and a limit of size, and nothing else of the bus is listened to.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Longest silence of the bus.
const PATIENCE: Duration = Duration::from_secs(1);
/// Most bytes of an answer, and most messages before it.
const MOST_BYTES: usize = 64 << 10;
const MOST_MESSAGES: usize = 32;

/// What a message is.
const CALL: u8 = 1;
const RETURN: u8 = 2;
const ERROR: u8 = 3;

/// The screen stays on while this lives.
pub(super) struct AwakeScreen {
    _connection: UnixStream,
}

/// Why the bus did not do it.
#[derive(Debug, thiserror::Error)]
pub(super) enum BusError {
    #[error("there is no session bus")]
    NoBus,
    #[error("the session bus does not answer: {0}")]
    Silent(#[from] io::Error),
    #[error("the session bus refuses: {0}")]
    Refused(String),
}

/// Asks the screen saver of this session to wait.
///
/// # Errors
/// Where there is no bus, no screen saver on it, or it refuses.
pub(super) fn keep_awake(program: &str, why: &str) -> Result<AwakeScreen, BusError> {
    let mut connection = connect(&addresses())?;
    log_in(&mut connection)?;
    call(&mut connection, 1, ["/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus", "Hello"], &[])?;
    let saver = ["/org/freedesktop/ScreenSaver", "org.freedesktop.ScreenSaver", "org.freedesktop.ScreenSaver"];
    call(&mut connection, 2, [saver[0], saver[1], saver[2], "Inhibit"], &[program, why])?;
    Ok(AwakeScreen { _connection: connection })
}

/// Where the bus may listen.
fn addresses() -> String {
    let of_user = || std::env::var("XDG_RUNTIME_DIR").map(|folder| format!("unix:path={folder}/bus"));
    std::env::var("DBUS_SESSION_BUS_ADDRESS").or_else(|_| of_user()).unwrap_or_default()
}

/// Opens the first of the addresses that answers.
fn connect(addresses: &str) -> Result<UnixStream, BusError> {
    for address in addresses.split(';').filter_map(|address| address.strip_prefix("unix:")) {
        for (key, value) in address.split(',').filter_map(|pair| pair.split_once('=')) {
            let opened = match key {
                "path" => UnixStream::connect(PathBuf::from(unescaped(value))),
                "abstract" => hidden(&unescaped(value)),
                _ => continue,
            };
            if let Ok(connection) = opened {
                connection.set_read_timeout(Some(PATIENCE))?;
                connection.set_write_timeout(Some(PATIENCE))?;
                return Ok(connection);
            }
        }
    }
    Err(BusError::NoBus)
}

/// A socket in Linux's abstract namespace.
#[cfg(target_os = "linux")]
fn hidden(name: &str) -> io::Result<UnixStream> {
    use std::os::linux::net::SocketAddrExt;
    UnixStream::connect_addr(&std::os::unix::net::SocketAddr::from_abstract_name(name)?)
}

#[cfg(not(target_os = "linux"))]
fn hidden(_: &str) -> io::Result<UnixStream> {
    Err(io::ErrorKind::Unsupported.into())
}

/// `%2f` as `/`: addresses write all but a few characters so.
fn unescaped(value: &str) -> String {
    percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned()
}

/// Says who we are; the bus knows it from the socket.
fn log_in(connection: &mut UnixStream) -> Result<(), BusError> {
    let user: String = rustix::process::getuid().as_raw().to_string().bytes().map(|b| format!("{b:02x}")).collect();
    connection.write_all(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes())?;
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte)?;
        line.push(byte[0]);
        if line.len() > 1024 {
            return Err(BusError::Refused("its greeting has no end".into()));
        }
    }
    if !line.starts_with(b"OK ") {
        return Err(BusError::Refused(String::from_utf8_lossy(&line).trim().to_owned()));
    }
    Ok(connection.write_all(b"BEGIN\r\n")?)
}

/// Calls a method (path, destination, interface, name) with texts, and waits for its answer.
fn call(connection: &mut UnixStream, serial: u32, method: [&str; 4], texts: &[&str]) -> Result<(), BusError> {
    connection.write_all(&message(serial, method, texts))?;
    for _ in 0..MOST_MESSAGES {
        let answer = read(connection)?;
        if answer.to == Some(serial) {
            return match answer.kind {
                RETURN => Ok(()),
                _ => Err(BusError::Refused(answer.error.unwrap_or_else(|| "no reason was given".into()))),
            };
        }
    }
    Err(BusError::Refused("it says many things, but does not answer".into()))
}

/// A method call, little endian.
fn message(serial: u32, [path, destination, interface, member]: [&str; 4], texts: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    texts.iter().for_each(|text| put_text(&mut body, text));
    let mut fields = Vec::new();
    let types: String = "s".repeat(texts.len());
    for (code, kind, value) in
        [(1, b'o', path), (2, b's', interface), (3, b's', member), (6, b's', destination), (8, b'g', types.as_str())]
    {
        if value.is_empty() {
            continue;
        }
        align(&mut fields, 8);
        fields.extend([code, 1, kind, 0]);
        if kind == b'g' {
            fields.push(value.len() as u8);
            fields.extend(value.bytes().chain([0]));
        } else {
            put_text(&mut fields, value);
        }
    }
    let mut out = vec![b'l', CALL, 0, 1];
    for number in [body.len() as u32, serial, fields.len() as u32] {
        out.extend(number.to_le_bytes());
    }
    out.extend(fields);
    align(&mut out, 8);
    out.extend(body);
    out
}

fn align(out: &mut Vec<u8>, to: usize) {
    out.resize(out.len().next_multiple_of(to), 0);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    align(out, 4);
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.bytes().chain([0]));
}

/// What of a message matters here.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    kind: u8,
    /// The call that it answers.
    to: Option<u32>,
    /// The error's name.
    error: Option<String>,
}

fn read(connection: &mut UnixStream) -> Result<Answer, BusError> {
    let mut head = [0; 16];
    connection.read_exact(&mut head)?;
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
    let (body, fields) = (number(4), number(12));
    if head[0] != b'l' || body > MOST_BYTES || fields > MOST_BYTES {
        return Err(BusError::Refused("it answers in a form that is not known here".into()));
    }
    let mut rest = vec![0; fields.next_multiple_of(8) + body];
    connection.read_exact(&mut rest)?;
    rest.truncate(fields);
    Ok(answer(head[1], &rest))
}

/// Reads header fields as far as they can be read.
fn answer(kind: u8, fields: &[u8]) -> Answer {
    let mut found = Answer { kind, ..Answer::default() };
    let number = |at: usize| Some(u32::from_le_bytes(fields.get(at..at + 4)?.try_into().ok()?));
    let mut at = 0_usize;
    while let (Some(code), Some(form)) = (fields.get(at), fields.get(at + 2)) {
        let value = at + 4;
        let Some(length) = (match form {
            b'u' => Some(4),
            b's' | b'o' => number(value).map(|length| length as usize + 5),
            b'g' => fields.get(value).map(|length| usize::from(*length) + 2),
            _ => None,
        }) else {
            break;
        };
        match (code, form) {
            (5, b'u') => found.to = number(value),
            (4, b's') if kind == ERROR => {
                let text = fields.get(value + 4..(value + length).saturating_sub(1)).unwrap_or_default();
                found.error = Some(String::from_utf8_lossy(text).into_owned());
            }
            _ => {}
        }
        at = (value + length).next_multiple_of(8);
    }
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A bus that greets, and answers each call as it is told: `None` returns, a text is an error of that name.
    fn bus(answers: Vec<Option<&'static str>>) -> (String, std::thread::JoinHandle<Vec<Vec<u8>>>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a bus");
        let listener = UnixListener::bind(&path).unwrap();
        let address = format!("tcp:host=nowhere;unix:path={}", path.display().to_string().replace(' ', "%20"));
        let serve = move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut greeting = [0; 1 + 14 + 2];
            connection.read_exact(&mut greeting[..1]).unwrap();
            let mut line = Vec::new();
            let mut byte = [0];
            while !line.ends_with(b"\r\n") {
                connection.read_exact(&mut byte).unwrap();
                line.push(byte[0]);
            }
            assert!(line.starts_with(b"AUTH EXTERNAL 3"), "{line:?}");
            connection.write_all(b"OK 1234\r\n").unwrap();
            let mut begin = [0; 7];
            connection.read_exact(&mut begin).unwrap();
            let mut calls = Vec::new();
            for told in answers {
                let mut head = [0; 16];
                connection.read_exact(&mut head).unwrap();
                let number = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
                let mut rest = vec![0; (number(12) as usize).next_multiple_of(8) + number(4) as usize];
                connection.read_exact(&mut rest).unwrap();
                // Something that is no answer comes first, as NameAcquired does.
                connection.write_all(&reply(4, 77, None)).unwrap();
                connection.write_all(&reply(if told.is_some() { ERROR } else { RETURN }, number(8), told)).unwrap();
                calls.push(rest);
            }
            calls
        };
        (address, std::thread::spawn(serve), folder)
    }

    fn reply(kind: u8, to: u32, error: Option<&str>) -> Vec<u8> {
        let mut fields = vec![5, 1, b'u', 0];
        fields.extend(to.to_le_bytes());
        if let Some(name) = error {
            fields.extend([4, 1, b's', 0]);
            put_text(&mut fields, name);
        }
        let mut out = vec![b'l', kind, 1, 1];
        [0, 9, fields.len() as u32].iter().for_each(|n: &u32| out.extend(n.to_le_bytes()));
        out.extend(fields);
        align(&mut out, 8);
        out
    }

    fn ask(address: &str) -> Result<UnixStream, BusError> {
        let mut connection = connect(address)?;
        log_in(&mut connection)?;
        call(&mut connection, 1, ["/a", "b.c", "b.c", "Hello"], &[])?;
        call(&mut connection, 2, ["/a", "b.c", "b.c", "Inhibit"], &["Flâneur", "a show plays"])?;
        Ok(connection)
    }

    #[test]
    fn a_call_says_what_it_wants_and_hears_the_answer() {
        let (address, served, _folder) = bus(vec![None, None]);
        assert!(ask(&address).is_ok());
        let calls = served.join().unwrap();
        let said = String::from_utf8_lossy(&calls[1]);
        assert!(said.contains("Inhibit") && said.contains("Flâneur") && said.contains("a show plays"), "{said}");
        assert!(calls[1].windows(5).any(|w| w == [1, b'g', 0, 2, b's']));
    }

    #[test]
    fn what_is_refused_says_why_and_silence_ends() {
        let (address, served, _folder) = bus(vec![None, Some("org.freedesktop.DBus.Error.ServiceUnknown")]);
        let why = ask(&address).map(|_| ()).unwrap_err().to_string();
        assert!(why.contains("ServiceUnknown"), "{why}");
        served.join().unwrap();
        // It greets and then ends.
        let (address, served, _folder) = bus(vec![]);
        assert!(matches!(ask(&address), Err(BusError::Silent(_))));
        served.join().unwrap();
        assert!(matches!(ask("unix:path=/nowhere/at/all"), Err(BusError::NoBus)));
        assert!(matches!(ask(""), Err(BusError::NoBus)));
    }

    #[test]
    fn odd_answers_are_read_as_far_as_they_go() {
        for bytes in
            [&[][..], &[5], &[5, 1, b'u', 0, 1], &[4, 1, b's', 0, 255, 255, 255, 255, 9], &[9, 1, b'v', 0, 0, 0]]
        {
            assert_eq!(answer(ERROR, bytes).to, None, "{bytes:?}");
        }
        let reply = reply(ERROR, 300, Some("a.b"));
        let expected = Answer { kind: ERROR, to: Some(300), error: Some("a.b".into()) };
        assert_eq!(answer(ERROR, &reply[16..]), expected);
    }
}
