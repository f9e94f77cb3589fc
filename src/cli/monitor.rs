//! `flaneur monitor`: what comes into a show, from whom, and what it does, line by line.

use std::net::SocketAddr;

use clap::Args;

use crate::osc::query;
use crate::report::{Stop, print, tell};

#[derive(Args)]
pub struct Monitor {
    /// Where the show serves OSCQuery
    #[arg(default_value = "127.0.0.1:9001", value_name = "ADDRESS:PORT")]
    at: SocketAddr,
    /// The token of a show on another machine
    #[arg(long, default_value = "")]
    token: String,
    /// End after so many lines
    #[arg(long, value_name = "N")]
    lines: Option<u64>,
}

impl Monitor {
    pub fn run(self) -> anyhow::Result<()> {
        let stop = Stop::on_signals()?;
        tell(format_args!("watching the show at {}; Ctrl-C ends it", self.at));
        let mut count = 0;
        query::watch(self.at, &self.token, |line| {
            if let Some(line) = line {
                count += 1;
                // Whoever reads may have had enough.
                if !print(format_args!("{line}\n")) {
                    return false;
                }
            }
            !stop.raised() && self.lines.is_none_or(|most| count < most)
        })?;
        Ok(())
    }
}
