//! The other side of a server: watching what comes into a show, for `flaneur monitor`.
//!
//! Runs on the thread of its caller, in a process of its own.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message};

/// How long a show has to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often whoever watches is asked whether to go on.
const LOOK: Duration = Duration::from_millis(200);

/// What goes wrong for a watcher.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Nothing that answers is there.
    #[error("no show answers at {at}: {why}; is one playing here, with [query] on?")]
    Silent {
        /// Where it was looked for.
        at: SocketAddr,
        /// Why nothing came.
        why: String,
    },
    /// A show is there, and only who has its token may watch.
    #[error("the show at {0} lets only those watch who have its token: give the one that its board shows (--token)")]
    Token(SocketAddr),
}

/// Watches what comes into a show, line by line, until `line` gives false or the show ends. `line` also gets nothing
/// now and then.
///
/// # Errors
/// If no show answers there, or watching it takes the token.
pub fn watch(at: SocketAddr, token: &str, line: impl FnMut(Option<&str>) -> bool) -> Result<(), WatchError> {
    watch_one(&[at], token, line)
}

/// The same at the first of several addresses that can be reached.
///
/// # Errors
/// If no show answers at any of them, or watching it takes the token.
pub fn watch_one(
    all: &[SocketAddr],
    token: &str,
    mut line: impl FnMut(Option<&str>) -> bool,
) -> Result<(), WatchError> {
    let mut failed = WatchError::Silent { at: SocketAddr::from(([0, 0, 0, 0], 0)), why: "no address was given".into() };
    let mut reached = None;
    for at in all.iter().copied() {
        match TcpStream::connect_timeout(&at, PATIENCE) {
            Ok(stream) => {
                reached = Some((at, stream));
                break;
            }
            Err(error) => failed = WatchError::Silent { at, why: error.to_string() },
        }
    }
    let Some((at, stream)) = reached else { return Err(failed) };
    let wrong = |why: String| WatchError::Silent { at, why };
    stream.set_read_timeout(Some(PATIENCE)).map_err(|e| wrong(e.to_string()))?;
    let request = format!("ws://{at}/?token={token}");
    let (mut socket, _) = tungstenite::client(request, stream).map_err(|e| wrong(e.to_string()))?;
    // Not before: a handshake that is cut short is none.
    socket.get_ref().set_read_timeout(Some(LOOK)).map_err(|e| wrong(e.to_string()))?;
    socket.send(r#"{"COMMAND":"MONITOR"}"#.into()).map_err(|e| wrong(e.to_string()))?;
    loop {
        let goes_on = match socket.read() {
            // Other texts are about the namespace.
            Ok(Message::Text(text)) if !text.starts_with('{') => line(Some(&text)),
            Ok(Message::Close(Some(frame))) if frame.code == CloseCode::Policy => {
                return Err(WatchError::Token(at));
            }
            Ok(Message::Close(_)) => return Ok(()),
            Ok(_) => line(None),
            Err(Error::Io(e)) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => line(None),
            Err(_) => return Ok(()),
        };
        if !goes_on {
            return Ok(());
        }
    }
}
