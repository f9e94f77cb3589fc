//! The OSC port: one socket and one thread for each address that is listened to.
//!
//! Fed by the network; leaves messages in the [`Inbox`]. Also sends, so that answers come from the port that was
//! spoken to. Absent: what a message means, and any waiting for whoever reads.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::{Inbox, Sender, bind, plain};
use crate::report::Board;
use crate::worker::{Ending, Worker};

/// How long a thread waits for a datagram before it looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);
/// More than any datagram holds.
const BUFFER: usize = 1 << 16;

/// A port that is listened to.
pub struct Listener {
    /// Where; of several addresses the first.
    pub address: SocketAddr,
    sockets: Vec<UdpSocket>,
    workers: Vec<Worker>,
}

impl Listener {
    /// Listens at an address, for example `127.0.0.1:9000`, and where that is loopback at ::1 as well.
    ///
    /// # Errors
    /// If the port is taken or not allowed, or there is no thread.
    pub fn start(at: SocketAddr, inbox: &Inbox, board: &Board) -> std::io::Result<Self> {
        let opened = bind::open(at, UdpSocket::bind, UdpSocket::local_addr)?;
        if let Some(notice) = opened.notice {
            board.notice("osc", notice);
        }
        let mut workers = Vec::new();
        for (name, socket) in ["osc", "osc6"].into_iter().zip(&opened.sockets) {
            socket.set_read_timeout(Some(LOOK))?;
            let (theirs, inbox, board) = (socket.try_clone()?, inbox.clone(), board.clone());
            workers.push(Worker::start(name, 1 << 20, move |ending| listen(&theirs, &inbox, &board, &ending))?);
        }
        Ok(Self { address: opened.address, sockets: opened.sockets, workers })
    }

    /// Sends a packet from this port, so that answers find back. What cannot be sent is lost, as on any network.
    pub fn send(&self, packet: &[u8], to: SocketAddr) {
        let to = plain(to);
        let same = |socket: &&UdpSocket| socket.local_addr().is_ok_and(|at| at.is_ipv4() == to.is_ipv4());
        if let Some(socket) = self.sockets.iter().find(same) {
            let _ = socket.send_to(packet, to);
        } else if let (Some(socket), SocketAddr::V4(v4)) = (self.sockets.first(), to) {
            // A socket at [::] speaks to IPv4 in this form.
            let _ = socket.send_to(packet, (v4.ip().to_ipv6_mapped(), v4.port()));
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // All at once; each is joined when it is dropped.
        self.workers.iter().for_each(Worker::end);
    }
}

fn listen(socket: &UdpSocket, inbox: &Inbox, board: &Board, ending: &Ending) {
    let mut buffer = vec![0; BUFFER];
    while !ending.requested() {
        match socket.recv_from(&mut buffer) {
            Ok((count, from)) => inbox.receive(&buffer[..count], Sender::Udp(plain(from))),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            // An answer of another host to something that was sent; the socket goes on.
            Err(e) => {
                board.notice("osc", e.to_string());
                std::thread::sleep(LOOK);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn both_loopback_addresses_are_heard_and_answered() {
        let (inbox, board) = (Inbox::default(), Board::default());
        let listener = Listener::start(SocketAddr::from(([127, 0, 0, 1], 0)), &inbox, &board).unwrap();
        let port = listener.address.port();
        let hosts = if UdpSocket::bind("[::1]:0").is_ok() { vec!["127.0.0.1", "::1"] } else { vec!["127.0.0.1"] };
        for host in hosts {
            let socket = UdpSocket::bind((host, 0)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            socket.send_to(b"/a\0\0,\0\0\0", (host, port)).unwrap();
            let start = Instant::now();
            let message = loop {
                if let Some(message) = inbox.messages().pop() {
                    break message;
                }
                assert!(start.elapsed() < Duration::from_secs(10), "{host}");
                std::thread::yield_now();
            };
            assert!(message.from.local() && message.address == "/a");
            listener.send(b"/b\0\0", message.from.address());
            let mut answer = [0; 16];
            assert_eq!(socket.recv_from(&mut answer).unwrap().0, 4, "{host}");
        }
    }
}
