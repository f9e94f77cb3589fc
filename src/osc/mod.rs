//! OSC in and out: sockets on threads of their own, messages for the frame that comes next; OSCQuery and the page.
//!
//! Fed by anyone who sends UDP to the port or speaks to the server in [`query`]; read by `show`, which knows what
//! addresses mean. Bounded in memory and in work whatever arrives ([`Inbox`]). Absent: what an address means, and
//! who may do what with it.

pub mod bind;
mod decode;
mod inbox;
mod listener;
mod out;
mod pattern;
pub mod query;
mod remarks;
mod tags;
mod tree;

use std::fmt;
use std::net::SocketAddr;

use crate::control::hand::Value;

pub use inbox::{BUDGET, Counts, Inbox};
pub use listener::Listener;
pub use out::packet;
pub use pattern::matching;
pub use tags::TimeTags;
pub use tree::{Kind, Node, Slider};

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A datagram.
    Udp(SocketAddr),
    /// Over a WebSocket: the page, or an OSCQuery client.
    Web(SocketAddr),
}

impl Sender {
    /// The address and port it sends from.
    pub fn address(self) -> SocketAddr {
        match self {
            Self::Udp(from) | Self::Web(from) => from,
        }
    }

    /// Whether it is a program on this machine. The system lets nobody else send from a loopback address.
    pub fn local(self) -> bool {
        self.address().ip().to_canonical().is_loopback()
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(from) => write!(out, "osc {from}"),
            Self::Web(from) => write!(out, "web {from}"),
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// An address, or a pattern for several.
    pub address: String,
    /// Its arguments.
    pub values: Vec<Value>,
    /// Who sent it.
    pub from: Sender,
}

/// An address as IPv4 has it, where a socket for both kinds gives it in the form of IPv6.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_both_its_loopback_addresses() {
        let udp = |text: &str| Sender::Udp(text.parse().unwrap());
        for here in ["127.0.0.1:5", "127.0.0.9:5", "[::1]:5", "[::ffff:127.0.0.1]:5"] {
            assert!(udp(here).local(), "{here}");
        }
        for there in ["10.0.0.1:5", "[fe80::1]:5", "[::ffff:10.0.0.1]:5", "0.0.0.0:5"] {
            assert!(!udp(there).local(), "{there}");
        }
        assert_eq!(plain("[::ffff:10.0.0.1]:5".parse().unwrap()), "10.0.0.1:5".parse().unwrap());
    }
}
