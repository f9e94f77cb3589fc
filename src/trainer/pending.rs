//! What waits for a training to look: of each kind of command the newest, and why some lines were refused.
//!
//! Filled by `trainer::commands` line by line, emptied by `trainer::steer`. Its size is bounded whatever arrives.

use super::protocol::Command;
use super::settings::Settings;

/// Commands that wait for the end of an epoch: of each kind the newest, in the order in which those came.
#[derive(Debug, Default)]
pub struct PendingCommands {
    /// The newest of each kind, in the order in which they came.
    pub commands: Vec<Command>,
    /// Why lines were not taken, the first few of them, and how many more there were.
    pub errors: Vec<String>,
    /// Lines that were refused besides.
    pub more_errors: u64,
}

/// Refused lines that are told of between two epochs.
const MOST_ERRORS: usize = 8;

impl PendingCommands {
    /// Reads one line.
    pub fn parse_line(&mut self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        match Command::parse(line) {
            Ok(Command::Set(mut settings)) => {
                for text in settings.refuse() {
                    self.refuse(text);
                }
                self.push(Command::Set(settings));
            }
            Ok(command) => self.push(command),
            Err(text) => self.refuse(text),
        }
    }

    /// Notes why something was not taken.
    pub fn refuse(&mut self, text: String) {
        match self.errors.len() < MOST_ERRORS {
            true => self.errors.push(text),
            false => self.more_errors += 1,
        }
    }

    /// Takes in one command.
    pub(super) fn push(&mut self, mut command: Command) {
        if let Some(at) = self.commands.iter().position(|waiting| waiting.same_kind(&command))
            && let (Command::Set(new), Command::Set(old)) = (&mut command, self.commands.remove(at))
        {
            new.fill(&old);
        }
        self.commands.push(command);
    }

    /// What is about to be set.
    pub(super) fn settings(&self) -> Option<&Settings> {
        self.commands.iter().find_map(|command| match command {
            Command::Set(settings) => Some(settings),
            _ => None,
        })
    }

    /// The share of rest that is about to be set.
    pub fn rest(&self) -> Option<f64> {
        self.settings()?.rest
    }

    /// The learning rates that are about to be set, the generator's and the critic's.
    pub fn rates(&self) -> [Option<f64>; 2] {
        self.settings().map_or([None; 2], |settings| [settings.generator_rate, settings.critic_rate])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_a_kind_waits() {
        let mut pending = PendingCommands::default();
        for line in [
            r#"{"command":"set","generator_rate":0.1,"mix":0.5}"#,
            r#"{"command":"pause"}"#,
            r#"{"command":"rewind","step":1}"#,
            r#"{"command":"run"}"#,
            r#"{"command":"rewind","step":2}"#,
            r#"{"command":"set","generator_rate":0.2,"rest":0.5}"#,
        ] {
            pending.parse_line(line);
        }
        let set = Settings { generator_rate: Some(0.2), mix: Some(0.5), rest: Some(0.5), ..Settings::default() };
        assert_eq!(pending.commands, [Command::Run, Command::Rewind { step: 2 }, Command::Set(set)]);
        assert_eq!(pending.rest(), Some(0.5));
    }

    #[test]
    fn a_flood_stays_small() {
        let mut pending = PendingCommands::default();
        for i in 0..100_000 {
            pending.parse_line(&format!(r#"{{"v":1,"command":"set","critic_steps":{}}}"#, 1 + i % 1000));
            pending.parse_line("{");
        }
        assert_eq!(pending.commands, [Command::Set(Settings { critic_steps: Some(1000), ..Settings::default() })]);
        assert_eq!((pending.errors.len(), pending.more_errors), (MOST_ERRORS, 100_000 - MOST_ERRORS as u64));
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_itself() {
        let mut pending = PendingCommands::default();
        pending.parse_line(r#"{"command":"set","rest":0.99,"critic_steps":0,"mix":1.0}"#);
        assert_eq!(pending.commands, [Command::Set(Settings { mix: Some(1.0), ..Settings::default() })]);
        assert!(pending.errors[0].contains("critic_steps 0 is below minimum 1"), "{:?}", pending.errors);
        assert!(pending.errors[1].contains("rest 0.99 is above maximum 0.95"), "{:?}", pending.errors);
    }
}
