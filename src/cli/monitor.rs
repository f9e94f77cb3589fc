//! `flaneur monitor`: what comes into a show, from whom, and what it does, line by line.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::Context;
use clap::Args;

use crate::osc::query;
use crate::report::{Stop, print, tell};

/// What `flaneur monitor` takes.
#[derive(Args)]
pub struct Monitor {
    /// Where the show serves OSCQuery
    #[arg(default_value = "localhost:9001", value_name = "ADDRESS:PORT")]
    at: String,
    /// The token of a show on another machine
    #[arg(long, default_value = "")]
    token: String,
    /// End after so many lines
    #[arg(long, value_name = "N")]
    lines: Option<u64>,
}

impl Monitor {
    /// Prints what comes into a show until Ctrl-C, the wanted number of lines, or the end of the show.
    ///
    /// # Errors
    /// If the address is none, or no show answers there.
    pub fn run(self) -> anyhow::Result<()> {
        let stop = Stop::on_signals()?;
        let addresses = addresses(&self.at)?;
        tell(format_args!("watching the show at {}; Ctrl-C ends it", self.at));
        let mut count = 0;
        let line = |line: Option<&str>| {
            if let Some(line) = line {
                count += 1;
                // Whoever reads may have had enough.
                if !print(format_args!("{line}\n")) {
                    return false;
                }
            }
            !stop.raised() && self.lines.is_none_or(|most| count < most)
        };
        query::watch_one(&addresses, &self.token, line)?;
        Ok(())
    }
}

/// The addresses that a text means: numbers, or a name that is looked up, with a port.
fn addresses(at: &str) -> anyhow::Result<Vec<SocketAddr>> {
    let found = at.to_socket_addrs();
    let how = || format!("\"{at}\" is no address with a port; write localhost:9001 or 192.168.1.5:9001");
    let found: Vec<SocketAddr> = found.with_context(how)?.collect();
    anyhow::ensure!(!found.is_empty(), "{}", how());
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_names_or_numbers() {
        assert!(addresses("localhost:9001").unwrap().iter().all(|at| at.ip().is_loopback() && at.port() == 9001));
        assert_eq!(addresses("[::1]:9001").unwrap(), ["[::1]:9001".parse().unwrap()]);
        for wrong in ["localhost", "9001", "", "127.0.0.1:90000"] {
            assert!(addresses(wrong).unwrap_err().to_string().contains("write localhost:9001"), "{wrong}");
        }
    }
}
