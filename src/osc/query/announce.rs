//! The announcement by mDNS, and the names under which this machine is found.
//!
//! Used by the server when it starts and ends. The library's daemon has a thread of its own.

use std::net::{IpAddr, SocketAddr};

use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo};

use crate::report::Board;

/// The type under which such servers are found.
const SERVICE: &str = "_oscjson._tcp.local.";

/// The name of this server's host as it is announced, without a dot at its end.
pub(super) fn host(port: u16) -> String {
    format!("flaneur-{port}.local")
}

/// The name of this machine, where the system tells it in a file or in the environment.
pub(super) fn machine() -> Option<String> {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let read = files.iter().find_map(|path| std::fs::read_to_string(path).ok());
    let name = read.or_else(|| std::env::var("HOSTNAME").ok()).or_else(|| std::env::var("COMPUTERNAME").ok())?;
    let name = name.trim().to_ascii_lowercase();
    (!name.is_empty()).then_some(name)
}

/// The address of this machine that others see. Nothing is sent for it.
pub(super) fn outward() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // The address of documentation: only the system's choice of a way is asked for.
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}

/// The announcement; it is taken back when this is dropped.
pub(super) struct Announced(ServiceDaemon);

impl Announced {
    /// Announces, or says on the board why not.
    pub fn start(address: SocketAddr, board: &Board) -> Option<Self> {
        let announce = || -> Result<Self, mdns_sd::Error> {
            let announced = Self(ServiceDaemon::new()?);
            let (ip, port) = (address.ip(), address.port());
            let host = format!("{}.", host(port));
            let info = if ip.is_unspecified() {
                ServiceInfo::new(SERVICE, "Flâneur", &host, "", port, None)?.enable_addr_auto()
            } else {
                // Only where somebody who hears of it can reach it.
                announced.0.disable_interface(IfKind::All)?;
                announced.0.enable_interface(if ip.is_loopback() { IfKind::LoopbackV4 } else { IfKind::Addr(ip) })?;
                ServiceInfo::new(SERVICE, "Flâneur", &host, ip, port, None)?
            };
            announced.0.register(info)?;
            Ok(announced)
        };
        announce().map_err(|e| board.notice("mdns", format!("it is not announced on the network: {e}"))).ok()
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        // It says goodbye in its own time; a show that ends does not wait for it.
        let _ = self.0.shutdown();
    }
}
