//! `flaneur learn`: touch a control, choose what it is for; it is written to a mapping file.
//!
//! Needs no show; one that plays takes the file as soon as it is written.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;

use crate::control::learn::Learning;
use crate::control::learned::Learned;
use crate::control::mapping::Target;
use crate::midi::{Heard, Midi};
use crate::report::{Board, Stop, print, say, tell};
use crate::show::addresses::ADDRESSES;

/// What `flaneur learn` takes.
#[derive(Args)]
pub struct Learn {
    /// What the control is for: knob[0], z[3], z[0..8], or an address; asked for if it is left out
    target: Option<String>,
    /// The mapping file to write to [default: presets/mappings/learned.toml of the home]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Seconds to wait for a control
    #[arg(long, default_value_t = 60.0)]
    wait: f64,
}

/// How long a control is listened to once it has moved.
const LISTEN: Duration = Duration::from_millis(800);

impl Learn {
    /// Waits for a control, asks what it is for, and writes that into the mapping file.
    ///
    /// # Errors
    /// If the target or the mapping file is wrong, nothing is touched in time, or the file cannot be written.
    pub fn run(self) -> anyhow::Result<()> {
        if let Some(target) = &self.target {
            Target::read(target, 0).map_err(anyhow::Error::msg)?;
        }
        // A file that is wrong is told before anybody looks for a control.
        Learned::open(self.file.as_deref())?;
        let stop = Stop::on_signals()?;
        let learning = self.listen(&stop)?;
        let Some((mut entry, said)) = learning.heard() else { bail!("nothing was touched; nothing is written") };
        say(format_args!("heard: {said}"));
        entry.target = match &self.target {
            Some(target) => target.clone(),
            None => ask()?,
        };
        Target::read(&entry.target, 0).map_err(anyhow::Error::msg)?;
        // Read again: it may have been edited while a control was waited for.
        let learned = Learned::open(self.file.as_deref())?;
        learned.add(&entry)?;
        say(format_args!("{said} → {}, in {}", entry.target, learned.path.display()));
        Ok(())
    }

    /// Waits for a control and hears it out.
    fn listen(&self, stop: &Stop) -> anyhow::Result<Learning> {
        let (board, start) = (Board::echoing(), Instant::now());
        let mut midi = Midi::start(start, &board)?;
        tell(format_args!("touch a control within {} s (Ctrl-C ends this)", self.wait));
        let (mut learning, mut since) = (Learning::default(), None);
        while !stop.raised() && since.is_none_or(|at: Instant| at.elapsed() < LISTEN) {
            let heard = midi.heard();
            let (ports, _) = midi.ports();
            for one in heard {
                if let Heard::Moved(index, moved) = one
                    && let Some(port) = ports.get(index)
                {
                    learning.hear(port, &moved);
                    if learning.heard().is_some() {
                        since.get_or_insert_with(Instant::now);
                    }
                }
            }
            if since.is_none() && start.elapsed().as_secs_f64() > self.wait {
                let here = if ports.is_empty() { "no controller is here".into() } else { ports.join(", ") };
                bail!("nothing was touched in {} s ({here})", self.wait);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(learning)
    }
}

/// Asks for a target, with the addresses to choose from.
fn ask() -> anyhow::Result<String> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        bail!("name the target: flaneur learn TARGET, such as knob[0], z[3] or /flaneur/out/fade");
    }
    say(format_args!(" 0  a knob of the sketch: knob[0], knob[1], …\n    a dimension of z: z[0], z[3], z[0..8]"));
    let choices: Vec<_> = ADDRESSES.iter().filter(|a| a.writable() && !a.path.contains('<')).collect();
    for (i, address) in choices.iter().enumerate() {
        say(format_args!("{:>2}  {:<26} {}", i + 1, address.path, address.says));
    }
    print("number or target: ");
    let mut line = String::new();
    input.lock().read_line(&mut line)?;
    let line = line.trim();
    match line.parse::<usize>() {
        Ok(0) => Ok("knob[0]".into()),
        Ok(n) => choices.get(n - 1).map(|address| address.path.to_owned()).context("there is no such number"),
        Err(_) => Ok(line.to_owned()),
    }
}
