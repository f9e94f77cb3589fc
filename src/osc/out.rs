//! OSC out: a value of a node as the bytes of a message.
//!
//! Used by `show` for feedback and by the server for its clients.

use rosc::{OscMessage, OscPacket, OscType, encoder};

use super::tree::Kind;
use crate::control::hand::Value;

/// Longest text that is told, in characters.
const LONGEST_TEXT: usize = 240;

/// The message that tells a node's value; nothing where it cannot be written down.
pub fn packet(address: &str, kind: Kind, values: &[Value]) -> Option<Vec<u8>> {
    let args = values.iter().map(|value| argument(kind, value)).collect();
    encoder::encode(&OscPacket::Message(OscMessage { addr: address.to_owned(), args })).ok()
}

fn argument(kind: Kind, value: &Value) -> OscType {
    match (kind, value) {
        (Kind::Switch, Value::Number(v)) => OscType::Bool(*v >= 0.5),
        (Kind::Int, Value::Number(v)) => OscType::Int(*v as i32),
        (_, Value::Number(v)) => OscType::Float(*v as f32),
        (_, Value::Text(text)) => OscType::String(outward(text)),
        (_, Value::Other(())) => OscType::Nil,
    }
}

/// A text as everybody may read it: its first line. Further lines of a complaint quote the file that it is about.
pub(super) fn outward(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(LONGEST_TEXT).collect()
}
