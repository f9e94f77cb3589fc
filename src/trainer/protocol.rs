//! What a training and its driver say to each other: commands come, events go, one JSON object a line.
//!
//! Pure words: collected by `trainer::waiting`, obeyed by `trainer::steer`, used from the other side by whoever
//! starts a training. Every line has `"v":1`; fields that are not known are ignored, so that either side may
//! be newer than the other. No threads, no files and no networks here.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hints::meant;

/// Version of this protocol.
pub const VERSION: u64 = 1;

/// What a driver may want, `{"v":1,"command":"…"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Goes on after a pause.
    Run,
    /// Waits between two epochs.
    Pause,
    /// Finishes the epoch, saves and exits.
    Stop,
    Set(Settings),
    /// Publishes the weights now.
    Publish,
    /// Writes a numbered sample grid now.
    Sample,
    /// Goes back to a state that was kept, or to the checkpoint.
    Rewind {
        step: u64,
    },
    /// Learns from other pictures.
    Data(Source),
    /// The second dataset, of which `mix` says the share.
    Data2(Source),
    /// Goes on from the weights of another model with the same networks.
    Fork {
        model: String,
    },
}

const NAMES: [&str; 10] = ["run", "pause", "stop", "set", "publish", "sample", "rewind", "data", "data2", "fork"];

/// What can be set while it trains; what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Learning rate of the generator, 0..1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator_rate: Option<f64>,
    /// Learning rate of the critic, 0..1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critic_rate: Option<f64>,
    /// Critic updates in an epoch, 1..1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critic_steps: Option<u32>,
    /// Pictures in a batch, 1..4096.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// Weight of the gradient penalty, 0..10000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_weight: Option<f64>,
    /// Decay of the generator's moving average, 0..0.99999; the first one begins the average.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// Epochs between two samples and checkpoints, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub print_every: Option<u64>,
    /// Epochs between two publications besides those; 0 is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_every: Option<u64>,
    /// Share of the time to rest, 0..0.95; applies from the next update on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<f64>,
    /// Share of the second dataset, 0..1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mix: Option<f64>,
}

/// Where pictures come from: the `path` of a folder or zip, or `lines` drawn in memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<Lines>,
}

/// Lines as `flaneur dataset lines` takes them; the size is that of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lines {
    /// Colours as `rrggbb`; none are the original's four.
    pub palette: Vec<String>,
    pub verticals: u16,
    pub horizontals: u16,
    /// `uniform` or `gaussian:MEAN:DEVIATION`, verticals first.
    pub laws: Vec<String>,
    /// Pictures, at most [`Lines::MOST`].
    pub count: u64,
    pub seed: u32,
}

impl Lines {
    /// Pictures that are drawn at most: at 128×128 they take a gigabyte.
    pub const MOST: u64 = 20_000;
}

impl Default for Lines {
    fn default() -> Self {
        Self { palette: Vec::new(), verticals: 1, horizontals: 2, laws: Vec::new(), count: 2000, seed: 1 }
    }
}

/// What happened, `{"v":1,"event":"…"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A training begins or goes on at `step`.
    Started {
        model: String,
        folder: String,
        arch: String,
        step: u64,
        /// Epochs in all.
        epochs: u64,
        data: String,
        pictures: usize,
        device: String,
    },
    Step(Step),
    /// A numbered grid was written.
    Sample {
        path: String,
        step: u64,
    },
    /// The weights of the model folder are those of `step`.
    Published {
        /// The weights' file.
        path: String,
        step: u64,
        /// The first eight bytes of the file's SHA-256 in hexadecimal.
        fingerprint: String,
        /// The copy that stays in the history, and its sheet, if one is kept.
        state: Option<String>,
        sheet: Option<String>,
    },
    /// A resumed training would go on from here.
    Checkpoint {
        path: String,
        step: u64,
    },
    /// The answer to what changes a setting.
    State {
        paused: bool,
        step: u64,
        /// All of them.
        settings: Settings,
        data: String,
        data2: Option<String>,
    },
    /// Something was not done, or is worth knowing.
    Warning {
        text: String,
    },
    /// The last event.
    Stopped {
        reason: Reason,
        text: String,
        step: u64,
    },
}

/// One epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Epochs done, this one included.
    pub step: u64,
    /// Its index in the history of losses: `step − 1`.
    pub epoch: u64,
    pub critic_steps: u32,
    /// The critic's loss: `real + fake + weight · penalty`.
    pub total: f32,
    pub real: f32,
    pub fake: f32,
    /// The gradient penalty without its weight.
    pub penalty: f32,
    /// The generator's loss.
    pub generator: f32,
    /// Milliseconds of work.
    pub ms: f64,
    /// Real pictures that the critic has seen, over all sittings.
    pub images: u64,
    /// Share of the epoch's time that was rest, 0..1.
    pub resting: f64,
}

/// Why a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// By a command or a signal.
    Asked,
    /// All epochs are done.
    Finished,
    /// The losses are none any more; the last good weights are on disk.
    Diverged,
    /// Nobody holds the other end of the commands.
    #[serde(rename = "owner gone")]
    OwnerGone,
    Error,
}

impl Reason {
    /// In a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Asked => "stopped as asked; all is saved",
            Self::Finished => "all epochs are done; all is saved",
            Self::Diverged => "the losses diverged",
            Self::OwnerGone => "nobody is at the other end of the commands any more; all is saved",
            Self::Error => "stopped by an error",
        }
    }
}

/// What both sides put around their words.
#[derive(Serialize)]
struct Said<'a, T> {
    v: u64,
    #[serde(flatten)]
    what: &'a T,
}

/// One line without its end. Names, numbers and texts cannot fail to be written.
fn line<T: Serialize>(what: &T) -> String {
    serde_json::to_string(&Said { v: VERSION, what }).unwrap_or_default()
}

/// Reads a line, checks its version, and that `key` has a name.
fn read(line: &str, key: &str) -> Result<(Value, String), String> {
    let short = || line.chars().take(60).collect::<String>();
    let value: Value = serde_json::from_str(line).map_err(|e| format!("not a line of JSON ({e}): {}", short()))?;
    // By hand the version may be left out.
    if value.get("v").is_some_and(|v| v.as_u64() != Some(VERSION)) {
        return Err(format!("only version {VERSION} of the protocol is known here: {}", short()));
    }
    match value.get(key).and_then(Value::as_str).map(str::to_owned) {
        Some(name) => Ok((value, name)),
        None => Err(format!("there is no \"{key}\" in: {}", short())),
    }
}

impl Command {
    /// As a line for a training's stdin, without its end.
    pub fn line(&self) -> String {
        line(self)
    }

    /// Reads a line.
    ///
    /// # Errors
    /// A sentence for the driver.
    pub fn parse(line: &str) -> Result<Self, String> {
        let (value, name) = read(line, "command")?;
        if !NAMES.contains(&name.as_str()) {
            let meant = meant(&name, NAMES, 2).map_or(String::new(), |m| format!(" (did you mean {m}?)"));
            let name: String = name.chars().take(40).collect();
            return Err(format!("there is no command \"{name}\"{meant}; known: {}", NAMES.join(", ")));
        }
        serde_json::from_value(value).map_err(|e| format!("{name}: {e}"))
    }

    /// Whether the newer of both makes the older one pointless.
    pub(super) fn same_kind(&self, other: &Self) -> bool {
        let goes = |command: &Self| matches!(command, Self::Run | Self::Pause);
        std::mem::discriminant(self) == std::mem::discriminant(other) || (goes(self) && goes(other))
    }
}

impl Event {
    /// As a line for stdout, without its end.
    pub fn line(&self) -> String {
        line(self)
    }

    /// Reads a line.
    ///
    /// # Errors
    /// A sentence; an event of a newer training is one of them.
    pub fn parse(line: &str) -> Result<Self, String> {
        let (value, name) = read(line, "event")?;
        serde_json::from_value(value).map_err(|e| format!("{name}: {e}"))
    }
}

impl Settings {
    /// Takes over from `older` what is not set here.
    pub fn fill(&mut self, older: Self) {
        *self = Self {
            generator_rate: self.generator_rate.or(older.generator_rate),
            critic_rate: self.critic_rate.or(older.critic_rate),
            critic_steps: self.critic_steps.or(older.critic_steps),
            batch: self.batch.or(older.batch),
            gradient_weight: self.gradient_weight.or(older.gradient_weight),
            ema: self.ema.or(older.ema),
            print_every: self.print_every.or(older.print_every),
            publish_every: self.publish_every.or(older.publish_every),
            rest: self.rest.or(older.rest),
            mix: self.mix.or(older.mix),
        };
    }

    /// Takes out what lies out of its range; gives a sentence for each.
    pub(super) fn refuse(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        within("generator_rate", &mut self.generator_rate, 0.0, 1.0, &mut out);
        within("critic_rate", &mut self.critic_rate, 0.0, 1.0, &mut out);
        within("critic_steps", &mut self.critic_steps, 1, 1000, &mut out);
        within("batch", &mut self.batch, 1, 4096, &mut out);
        within("gradient_weight", &mut self.gradient_weight, 0.0, 10_000.0, &mut out);
        within("ema", &mut self.ema, 0.0, 0.99999, &mut out);
        within("print_every", &mut self.print_every, 1, u64::MAX, &mut out);
        within("rest", &mut self.rest, 0.0, 0.95, &mut out);
        within("mix", &mut self.mix, 0.0, 1.0, &mut out);
        out
    }
}

fn within<T>(name: &str, value: &mut Option<T>, low: T, high: T, refused: &mut Vec<String>)
where
    T: PartialOrd + Copy + std::fmt::Display,
{
    if let Some(given) = value.take_if(|given| *given < low || *given > high) {
        let bound = if given < low { format!("below minimum {low}") } else { format!("above maximum {high}") };
        refused.push(format!("{name} {given} is {bound}; it stays as it was"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_event_comes_back_from_its_line() {
        let lines = Lines { palette: vec!["ff0000".into()], ..Lines::default() };
        let commands = [
            Command::Run,
            Command::Pause,
            Command::Stop,
            Command::Set(Settings { mix: Some(0.25), batch: Some(8), ..Settings::default() }),
            Command::Publish,
            Command::Sample,
            Command::Rewind { step: 7 },
            Command::Data(Source { path: Some("a".into()), lines: None }),
            Command::Data2(Source { path: None, lines: Some(lines) }),
            Command::Fork { model: "three-lines".into() },
        ];
        for (command, name) in commands.into_iter().zip(NAMES) {
            let line = command.line();
            assert!(line.starts_with(r#"{"v":1,"command":""#) && line.contains(name), "{line}");
            assert_eq!(Command::parse(&line), Ok(command));
        }
        let (path, step, text) = (String::from("p"), 3, String::from("x\ny"));
        let state = Event::State {
            paused: true,
            step,
            settings: Settings { rest: Some(0.5), ..Settings::default() },
            data: path.clone(),
            data2: None,
        };
        let events = [
            Event::Published { path: path.clone(), step, fingerprint: path.clone(), state: None, sheet: None },
            Event::Checkpoint { path, step },
            state,
            Event::Warning { text: text.clone() },
            Event::Stopped { reason: Reason::OwnerGone, text, step },
        ];
        for event in events {
            let line = event.line();
            assert!(line.starts_with(r#"{"v":1,"event":""#) && !line.contains('\n'), "{line}");
            assert_eq!(Event::parse(&line), Ok(event));
        }
    }

    #[test]
    fn what_is_not_known_is_ignored_or_explained() {
        assert_eq!(Command::parse(r#"{"command":"pause","why":"because"}"#), Ok(Command::Pause));
        assert_eq!(Command::parse(r#"{"v":1,"command":"rewind","step":3,"to":4}"#), Ok(Command::Rewind { step: 3 }));
        let refused = |line: &str, words: &str| {
            let text = Command::parse(line).unwrap_err();
            assert!(text.contains(words), "{text}");
        };
        refused("pause", "not a line of JSON");
        refused("[1, 2]", "there is no \"command\"");
        refused(r#"{"v":2,"command":"run"}"#, "version 1");
        refused(r#"{"v":1,"command":"pauze"}"#, "did you mean pause");
        refused(r#"{"v":1,"command":"rewind"}"#, "step");
        refused(r#"{"v":1,"command":"set","batch":"big"}"#, "set: invalid type");
        refused(&"[".repeat(10_000), "not a line of JSON");
    }
}
