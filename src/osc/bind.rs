//! Where a port listens, as a preset writes it: `localhost:9000`, `0.0.0.0:9000`, `192.168.1.5:9000`.
//!
//! Read by `preset`; used by the OSC port and the server of OSCQuery. "localhost" is 127.0.0.1 to some programs and
//! ::1 to others, so a port for this machine is opened at both. Absent: looking up names, which could take seconds.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Times that another free port is tried where any will do and the first is taken at the second address.
const TRIES: usize = 8;

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

/// The other address that is opened with one, so that every program on this machine finds the port.
fn beside(at: SocketAddr) -> Option<IpAddr> {
    let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
    match at.ip() {
        ip if ip == v6 => Some(v4),
        // All of IPv4: beyond this machine IPv6 stays closed unless `[::]` is written.
        ip if ip == v4 || ip == IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Some(v6),
        _ => None,
    }
}

/// Opens a socket at an address and, where that is loopback or all of IPv4, at the other loopback address too, with
/// the same port.
///
/// # Errors
/// If the first is taken or not allowed. A second one that cannot be opened is a notice.
pub(super) fn open<S>(
    at: SocketAddr,
    open: impl Fn(SocketAddr) -> std::io::Result<S>,
    address_of: impl Fn(&S) -> std::io::Result<SocketAddr>,
) -> std::io::Result<Opened<S>> {
    let mut tries = 0;
    loop {
        tries += 1;
        let first = open(at)?;
        let address = address_of(&first)?;
        let Some(ip) = beside(at) else { return Ok(Opened { sockets: vec![first], address, notice: None }) };
        let second = SocketAddr::new(ip, address.port());
        match open(second) {
            Ok(second) => return Ok(Opened { sockets: vec![first, second], address, notice: None }),
            Err(_) if at.port() == 0 && tries < TRIES => {}
            Err(error) => {
                // A system without IPv6 has no such address, which nobody needs to know.
                let there = UdpSocket::bind((ip, 0)).is_ok();
                let notice = there.then(|| format!("{second} is not open, so localhost may not be heard: {error}"));
                return Ok(Opened { sockets: vec![first], address, notice });
            }
        }
    }
}

/// Reads an address with a port; "localhost" is 127.0.0.1, which is opened with its other half.
///
/// # Errors
/// What to write, if it is none.
pub fn address(text: &str) -> Result<SocketAddr, BindError> {
    let trimmed = text.trim();
    if let Ok(at) = trimmed.parse::<SocketAddr>() {
        return Ok(at);
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
        "localhost" => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, number))),
        "" | "*" => wrong(format!("has no address; write \"localhost:{number}\" or \"0.0.0.0:{number}\"")),
        _ => wrong(format!(
            "has a name, and names are not looked up; write \"localhost:{number}\" for this machine, \
             \"0.0.0.0:{number}\" for all networks, or numbers such as \"192.168.1.5:{number}\""
        )),
    }
}

/// The same for a preset's key.
///
/// # Errors
/// What to write, if it is no address.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = SocketAddr;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("an address with a port in quotes, such as \"localhost:9000\"")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<SocketAddr, E> {
            address(text).map_err(E::custom)
        }
    }
    from.deserialize_str(Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for text in ["localhost:9000", "LocalHost:9000", "127.0.0.1:9000", " localhost.:9000 "] {
            assert_eq!(address(text), Ok(SocketAddr::from(([127, 0, 0, 1], 9000))), "{text}");
        }
        for text in ["0.0.0.0:9000", "[::]:9000", "[::1]:9000", "192.168.1.5:9000", "127.0.0.2:9000"] {
            assert_eq!(address(text).unwrap().to_string(), text);
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
            let why = address(text).unwrap_err().to_string();
            assert!(why.contains(hint), "{why}");
        }
    }

    #[test]
    fn this_machine_is_listened_to_at_both_addresses() {
        let udp = |at: &str| open(at.parse().unwrap(), UdpSocket::bind, UdpSocket::local_addr);
        let ports = |opened: &Opened<UdpSocket>| -> Vec<u16> {
            opened.sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect()
        };
        let opened = udp("127.0.0.1:0").unwrap();
        assert!(ports(&opened).iter().all(|port| *port == opened.address.port()));
        assert!(udp(&opened.address.to_string()).is_err());
        if UdpSocket::bind("[::1]:0").is_err() {
            return;
        }
        for at in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
            let opened = udp(at).unwrap();
            assert_eq!((ports(&opened).len(), opened.notice), (2, None), "{at}");
        }
        assert_eq!(ports(&udp("127.0.0.2:0").unwrap()).len(), 1);
        // Somebody else has the second address: the first one is open all the same, and it is said.
        let theirs = UdpSocket::bind("[::1]:0").unwrap();
        let opened = udp(&format!("127.0.0.1:{}", theirs.local_addr().unwrap().port())).unwrap();
        assert!(opened.sockets.len() == 1 && opened.notice.unwrap().contains("localhost may not be heard"));
    }
}
