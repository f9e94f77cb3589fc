//! Who asks: by which name this server was called, and which site's page is behind a request.
//!
//! Used by every request but `/health`. Any page on the web may try to reach a port of this machine, also by a name of
//! its own that leads here (DNS rebinding). So the name must be an address, localhost or this server's own, unless the
//! request carries the token; a page of another origin reads only where that origin is on this machine or named by
//! the preset, and it steers only with the token. Absent: who may steer from beyond this machine (`requests`).

use std::net::IpAddr;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::announce;

/// A host's name and perhaps its port.
#[derive(Debug, PartialEq, Eq)]
struct Host {
    /// In small letters, without a dot at its end; addresses without brackets.
    name: String,
    port: Option<u16>,
}

impl Host {
    /// Reads `name`, `name:port`, `[address]:port`; nothing if it is none of these.
    fn read(text: &str) -> Option<Self> {
        let (name, rest) = match text.strip_prefix('[') {
            Some(inside) => {
                let (name, rest) = inside.split_once(']')?;
                name.parse::<std::net::Ipv6Addr>().ok()?;
                (name, rest)
            }
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(port.parse::<u16>().ok().filter(|_| port.bytes().all(|b| b.is_ascii_digit()))?),
            None if rest.is_empty() => None,
            None => return None,
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
        (!name.is_empty() && name.bytes().all(plain)).then_some(Self { name, port })
    }

    fn ip(&self) -> Option<IpAddr> {
        self.name.parse().ok()
    }

    fn loopback(&self) -> bool {
        self.name == "localhost" || self.ip().is_some_and(|ip| ip.to_canonical().is_loopback())
    }
}

/// Reads an origin as a browser sends it, `http://name:port`; gives its host and the port that is meant.
fn host_of(origin: &str) -> Option<(Host, u16)> {
    let (scheme, rest) = origin.split_once("://")?;
    let usual = usual_port(scheme)?;
    let host = Host::read(rest)?;
    let port = host.port.unwrap_or(usual);
    Some((host, port))
}

/// The port that an address of that scheme means without one.
fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// An origin that a preset names, as browsers send it.
///
/// # Errors
/// What to write, if it is none.
pub fn origin(text: &str) -> Result<String, String> {
    if text == "null" {
        return Ok(text.into());
    }
    let plain = text.trim().trim_end_matches('/').to_ascii_lowercase();
    // Apps and browser extensions have schemes of their own.
    let parts = plain.split_once("://").and_then(|(scheme, rest)| Some((scheme, Host::read(rest)?)));
    match parts {
        // Browsers leave the usual port out.
        Some((scheme, Host { port: Some(port), .. })) if usual_port(scheme) == Some(port) => {
            Ok(plain.trim_end_matches(&format!(":{port}")).to_owned())
        }
        Some(_) => Ok(plain),
        None => Err(format!("\"{text}\" is no origin; write \"http://192.168.1.5:8080\", without a path")),
    }
}

/// The names by which this server may be called, and the origins that may read.
pub(super) struct Names {
    port: u16,
    own: Vec<String>,
    origins: Vec<String>,
}

/// Whose page a request comes from.
#[derive(Debug, PartialEq, Eq)]
enum Page {
    /// No page, or this server's own.
    Own,
    /// Of an origin that may read.
    Reader(HeaderValue),
    Foreign(HeaderValue),
}

/// A request that may be answered.
#[derive(Debug)]
pub(super) struct Caller {
    /// Another origin that is told it may read the answer.
    reader: Option<HeaderValue>,
    /// Whether it carries the token.
    token: bool,
}

impl Names {
    /// The names of a server at that port, and the origins of its preset.
    pub fn of(port: u16, origins: &[String]) -> Self {
        let mut own = vec!["localhost".to_owned(), announce::host(port)];
        if let Some(machine) = announce::machine() {
            own.push(format!("{}.local", machine.split('.').next().unwrap_or(&machine)));
            own.push(machine);
        }
        Self { port, own, origins: origins.iter().filter_map(|text| origin(text).ok()).collect() }
    }

    fn is_own(&self, host: &Host) -> bool {
        host.ip().is_some() || self.own.contains(&host.name)
    }

    fn page(&self, headers: &HeaderMap, asked: Option<&Host>) -> Page {
        let Some(header) = headers.get(header::ORIGIN) else { return Page::Own };
        let text = header.to_str().unwrap_or_default().to_ascii_lowercase();
        let from = host_of(&text);
        let same = |(host, port): &(Host, u16)| {
            let usual = text.split_once("://").and_then(|(scheme, _)| usual_port(scheme));
            let asked = asked.is_some_and(|a| a.name == host.name && a.port.or(usual) == Some(*port));
            // This server's own page under another name of this machine.
            asked || (host.loopback() && *port == self.port)
        };
        if from.as_ref().is_some_and(same) {
            Page::Own
        } else if self.origins.contains(&text) || from.is_some_and(|(host, _)| host.loopback()) {
            Page::Reader(header.clone())
        } else {
            Page::Foreign(header.clone())
        }
    }

    /// Whether a request may be answered, and with what rights.
    ///
    /// # Errors
    /// Why not, as its sender is told.
    pub fn admit(&self, request: &Parts, token: bool) -> Result<Caller, &'static str> {
        let headers = &request.headers;
        let several = |name: HeaderName| headers.get_all(name).iter().nth(1).is_some();
        if several(header::HOST) || several(header::ORIGIN) {
            return Err("a request names its host, and its origin, once");
        }
        let told = match headers.get(header::HOST) {
            Some(value) => Some(value.to_str().ok().and_then(Host::read).ok_or(NOT_OURS)?),
            // Programs may leave it out, a browser does not.
            None => None,
        };
        // A whole address in the first line counts as well.
        let line = match request.uri.authority() {
            Some(authority) => Some(Host::read(authority.as_str()).ok_or(NOT_OURS)?),
            None => None,
        };
        if !token && [&told, &line].into_iter().flatten().any(|host| !self.is_own(host)) {
            return Err(NOT_OURS);
        }
        match self.page(headers, line.as_ref().or(told.as_ref())) {
            Page::Own => Ok(Caller { reader: None, token }),
            Page::Reader(origin) => Ok(Caller { reader: Some(origin), token }),
            Page::Foreign(origin) if token => Ok(Caller { reader: Some(origin), token }),
            Page::Foreign(_) => Err("this request comes from a page of another site; [query] origins in the preset \
                                     lets pages of other origins read"),
        }
    }
}

/// Why a name is refused.
const NOT_OURS: &str = "this name is not one of this server's; ask by its address, by localhost or by the name that it \
                        announces, or with its token";

impl Caller {
    /// Whether nobody else's page is behind it, or it carries the token.
    pub fn trusted(&self) -> bool {
        self.reader.is_none() || self.token
    }

    /// Lets the page behind the request read the answer.
    pub fn tell(&self, headers: &mut HeaderMap) {
        // Caches must not give one origin's answer to another.
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = &self.reader {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
    }

    /// What a browser asks before a page of another origin may read.
    pub fn tell_beforehand(&self, headers: &mut HeaderMap) {
        if self.reader.is_some() {
            let tell = [
                (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
                (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
                (header::ACCESS_CONTROL_MAX_AGE, "600"),
                (HeaderName::from_static("access-control-allow-private-network"), "true"),
            ];
            headers.extend(tell.map(|(name, value)| (name, HeaderValue::from_static(value))));
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn names() -> Names {
        let own = ["localhost", "flaneur-9001.local", "stage", "stage.local"].map(String::from).to_vec();
        Names { port: 9001, own, origins: vec!["http://tools.example:8080".into(), "null".into()] }
    }

    fn ask(uri: &str, headers: &[(HeaderName, &str)], token: bool) -> Result<Caller, &'static str> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        names().admit(&request.body(()).unwrap().into_parts().0, token)
    }

    /// What a request may without the token: read and steer.
    fn check(host: &str, origin: Option<&str>, may: (bool, bool)) {
        let mut headers = vec![(header::HOST, host)];
        headers.extend(origin.map(|origin| (header::ORIGIN, origin)));
        let caller = ask("/", &headers, false);
        let found = (caller.is_ok(), caller.as_ref().is_ok_and(Caller::trusted));
        assert_eq!(found, may, "{host} {origin:?} {caller:?}");
        // With the token any name and any page does.
        if Host::read(host).is_some() {
            assert!(ask("/", &headers, true).unwrap().trusted(), "{host} {origin:?}");
        }
    }

    #[test]
    fn it_is_called_by_addresses_and_its_own_names() {
        for host in [
            "127.0.0.1:9001",
            "127.0.0.1",
            "192.168.1.5:9001",
            "localhost:9001",
            "LOCALHOST",
            "localhost.",
            "[::1]:9001",
            "[fe80::1]",
            "flaneur-9001.local",
            "flaneur-9001.local.",
            "FLANEUR-9001.Local:9001",
            "stage",
            "Stage.local:9001",
        ] {
            check(host, None, (true, true));
        }
        for host in [
            "evil.example:9001",
            "evil",
            "evil.local",
            "flaneur-9002.local",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil@127.0.0.1",
            "127.0.0.1:9001:1",
            "127.0.0.1:x",
            "127.0.0.1:",
            "[::1",
            "[evil]:9001",
            "[127.0.0.1]:9001",
            "::1",
            "localhost/",
            "local host",
            "localhost..",
            "",
            ".",
        ] {
            check(host, None, (false, false));
        }
    }

    #[test]
    fn pages_of_other_origins_read_where_they_may_and_do_not_steer() {
        for own in ["http://127.0.0.1:9001", "http://localhost:9001", "HTTP://LOCALHOST:9001", "http://[::1]:9001"] {
            check("127.0.0.1:9001", Some(own), (true, true));
        }
        check("stage.local:9001", Some("http://stage.local:9001"), (true, true));
        check("stage.local", Some("http://stage.local"), (true, true));
        check("192.168.1.5:9001", Some("https://192.168.1.5:9001"), (true, true));
        for reader in [
            "http://127.0.0.1:8123",
            "http://localhost:8123",
            "http://localhost",
            "https://localhost",
            "http://[::1]:3000",
            "http://tools.example:8080",
            "null",
        ] {
            check("127.0.0.1:9001", Some(reader), (true, false));
        }
        for foreign in [
            "http://evil.example",
            "http://evil.example:9001",
            "http://tools.example",
            "https://tools.example:8080",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example:9001",
            "http://192.168.1.6:9001",
            "file://",
            "",
            "http://",
        ] {
            check("127.0.0.1:9001", Some(foreign), (false, false));
        }
        // The same name, and yet another site's: its name leads here.
        check("evil.example:9001", Some("http://evil.example:9001"), (false, false));
    }

    #[test]
    fn a_host_is_named_once_and_a_program_may_leave_it_out() {
        assert!(ask("/", &[], false).unwrap().trusted());
        assert!(ask("/", &[(header::ORIGIN, "http://evil.example")], false).is_err());
        let host = |name| (header::HOST, name);
        assert!(ask("/", &[host("127.0.0.1"), host("evil.example")], true).is_err());
        assert!(ask("http://evil.example/", &[host("127.0.0.1:9001")], false).is_err());
        assert!(ask("http://127.0.0.1:9001/", &[host("evil.example")], false).is_err());
        assert!(ask("http://127.0.0.1:9001/", &[host("127.0.0.1:9001")], false).is_ok());
        assert!(ask("http://x@127.0.0.1:9001/", &[host("127.0.0.1:9001")], false).is_err());
    }

    #[test]
    fn a_reader_is_told_that_it_may() {
        let asked = [(header::HOST, "127.0.0.1:9001"), (header::ORIGIN, "http://127.0.0.1:8123")];
        let caller = ask("/", &asked, false).unwrap();
        let mut headers = HeaderMap::new();
        caller.tell(&mut headers);
        caller.tell_beforehand(&mut headers);
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "http://127.0.0.1:8123");
        assert!(headers[header::VARY] == "Origin" && headers.len() == 6);
        let caller = ask("/", &[(header::HOST, "127.0.0.1:9001")], false).unwrap();
        let mut headers = HeaderMap::new();
        caller.tell(&mut headers);
        caller.tell_beforehand(&mut headers);
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn a_preset_names_origins() {
        assert_eq!(origin("http://Tools.example:8080/"), Ok("http://tools.example:8080".into()));
        assert_eq!(origin("https://tools.example:443"), Ok("https://tools.example".into()));
        assert_eq!(origin("null"), Ok("null".into()));
        for wrong in ["*", "tools.example", "http://", "http://a/b", "http://a b", "http://a:x"] {
            assert!(origin(wrong).unwrap_err().contains("is no origin"), "{wrong}");
        }
    }
}
