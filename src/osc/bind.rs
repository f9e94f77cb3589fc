//! Where a port listens, as a preset writes it: `localhost:9000`, `0.0.0.0:9000`, `192.168.1.5:9000`.
//!
//! Read by `preset`; used by the OSC port and the server of OSCQuery. "localhost" is 127.0.0.1 to some programs and
//! ::1 to others, so a port for this machine is opened at both. Absent: looking up names, which could take seconds.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Times that another free port is tried where any will do and the first is taken at the second address.
const TRIES: usize = 8;

/// An address and a port to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    /// This machine only, by both its loopback addresses.
    Loopback(u16),
    /// One address; `0.0.0.0` stands for all networks.
    Address(SocketAddr),
}

/// Why a text is no address to listen at, and what to write.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BindError(String);

/// Sockets that were opened, and what is to be said about one that was not.
pub(super) struct Opened<S> {
    pub sockets: Vec<S>,
    /// Of the first socket.
    pub address: SocketAddr,
    pub notice: Option<String>,
}

impl Bind {
    /// The addresses to open; the first one must be free.
    fn addresses(self) -> (SocketAddr, Option<IpAddr>) {
        let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
        match self {
            Self::Loopback(port) => (SocketAddr::new(v4, port), Some(v6)),
            // All of IPv4. Beyond this machine IPv6 stays closed unless `[::]` is written.
            Self::Address(at) if at.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED) => (at, Some(v6)),
            Self::Address(at) => (at, None),
        }
    }

    /// Opens a socket at each of the addresses, all with one port.
    ///
    /// # Errors
    /// If the first is taken or not allowed. A second one that cannot be opened is a notice.
    pub(super) fn open<S>(
        self,
        open: impl Fn(SocketAddr) -> std::io::Result<S>,
        address_of: impl Fn(&S) -> std::io::Result<SocketAddr>,
    ) -> std::io::Result<Opened<S>> {
        let (wanted, second) = self.addresses();
        let mut tries = 0;
        loop {
            tries += 1;
            let first = open(wanted)?;
            let address = address_of(&first)?;
            let Some(ip) = second else { return Ok(Opened { sockets: vec![first], address, notice: None }) };
            let beside = SocketAddr::new(ip, address.port());
            match open(beside) {
                Ok(second) => return Ok(Opened { sockets: vec![first, second], address, notice: None }),
                Err(_) if wanted.port() == 0 && tries < TRIES => {}
                Err(error) => {
                    // A system without IPv6 has no such address, which nobody needs to know.
                    let there = UdpSocket::bind((ip, 0)).is_ok();
                    let notice = there.then(|| format!("{beside} is not open, so localhost may not be heard: {error}"));
                    return Ok(Opened { sockets: vec![first], address, notice });
                }
            }
        }
    }
}

impl From<SocketAddr> for Bind {
    fn from(at: SocketAddr) -> Self {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        if loopback.contains(&at.ip()) { Self::Loopback(at.port()) } else { Self::Address(at) }
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(port) => write!(out, "localhost:{port}"),
            Self::Address(at) => write!(out, "{at}"),
        }
    }
}

impl FromStr for Bind {
    type Err = BindError;

    fn from_str(text: &str) -> Result<Self, BindError> {
        let trimmed = text.trim();
        if let Ok(at) = trimmed.parse::<SocketAddr>() {
            return Ok(at.into());
        }
        let wrong = |why: String| Err(BindError(format!("\"{trimmed}\" {why}")));
        if let Ok(IpAddr::V6(ip)) = trimmed.trim_matches(['[', ']']).parse::<IpAddr>() {
            return wrong(format!("has no port; an IPv6 address stands in brackets before it: \"[{ip}]:9000\""));
        }
        let Some((name, port)) = trimmed.rsplit_once(':') else {
            return match trimmed.parse::<u16>() {
                Ok(port) => wrong(format!("has no address; write \"localhost:{port}\" or \"0.0.0.0:{port}\"")),
                Err(_) => wrong(format!("has no port; write \"{trimmed}:9000\"")),
            };
        };
        let Ok(number) = port.parse::<u16>() else { return wrong(format!("has no port 0 to 65535 after \"{name}:\"")) };
        match name.to_ascii_lowercase().trim_end_matches('.') {
            "localhost" => Ok(Self::Loopback(number)),
            "" | "*" => wrong(format!("has no address; write \"localhost:{number}\" or \"0.0.0.0:{number}\"")),
            _ => wrong(format!(
                "has a name, and names are not looked up; write \"localhost:{number}\" for this machine, \
                 \"0.0.0.0:{number}\" for all networks, or numbers such as \"192.168.1.5:{number}\""
            )),
        }
    }
}

impl Serialize for Bind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Bind;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an address with a port in quotes, such as \"localhost:9000\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Bind, E> {
                text.parse().map_err(E::custom)
            }
        }
        from.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for text in ["localhost:9000", "LocalHost:9000", "127.0.0.1:9000", "[::1]:9000", " localhost.:9000 "] {
            assert_eq!(text.parse(), Ok(Bind::Loopback(9000)), "{text}");
        }
        for text in ["0.0.0.0:9000", "[::]:9000", "192.168.1.5:9000", "127.0.0.2:9000"] {
            let bind: Bind = text.parse().unwrap();
            assert_eq!((bind.to_string(), bind), (text.to_owned(), Bind::Address(text.parse().unwrap())));
        }
    }

    #[test]
    fn what_is_no_address_says_what_to_write() {
        for (text, hint) in [
            ("localhost", "write \"localhost:9000\""),
            ("127.0.0.1", "write \"127.0.0.1:9000\""),
            ("9000", "write \"localhost:9000\""),
            (":9000", "\"0.0.0.0:9000\""),
            ("*:9001", "\"0.0.0.0:9001\""),
            ("::1:9000", "\"[::1:9000]:9000\""),
            ("::1", "\"[::1]:9000\""),
            ("stage.lan:9000", "\"localhost:9000\" for this machine"),
            ("localhost:90000", "no port 0 to 65535"),
            ("localhost:x", "no port 0 to 65535"),
            ("http://127.0.0.1:9001", "names are not looked up"),
            ("", "has no port"),
        ] {
            let why = text.parse::<Bind>().unwrap_err().to_string();
            assert!(why.contains(hint), "{why}");
        }
    }

    #[test]
    fn this_machine_is_listened_to_at_both_addresses() {
        let opened = Bind::Loopback(0).open(UdpSocket::bind, UdpSocket::local_addr).unwrap();
        let ports: Vec<u16> = opened.sockets.iter().map(|s| s.local_addr().unwrap().port()).collect();
        assert!(ports.iter().all(|port| *port == opened.address.port()));
        if UdpSocket::bind("[::1]:0").is_ok() {
            assert_eq!((ports.len(), opened.notice), (2, None));
            // Somebody else has the second address: the first one is open all the same, and it is said.
            let theirs = UdpSocket::bind("[::1]:0").unwrap();
            let port = theirs.local_addr().unwrap().port();
            let opened = Bind::Loopback(port).open(UdpSocket::bind, UdpSocket::local_addr).unwrap();
            assert!(opened.sockets.len() == 1 && opened.notice.unwrap().contains("localhost may not be heard"));
        }
        let taken = Bind::Loopback(opened.address.port()).open(UdpSocket::bind, UdpSocket::local_addr);
        assert!(taken.is_err());
    }
}
