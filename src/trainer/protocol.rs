//! What a training and its driver say to each other: commands come, events go, one JSON object a line.
//!
//! Pure words: collected by `trainer::pending`, run by `trainer::steer`, used from the other side by whoever
//! starts a training. Every line has `"v":1`; fields that are not known are ignored, so that either side may
//! be newer than the other. No threads, no files and no networks here.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::losses::Losses;
pub use super::settings::Settings;
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
    /// Changes settings.
    Set(Settings),
    /// Publishes the weights now.
    Publish,
    /// Writes a numbered sample grid now.
    Sample,
    /// Goes back to a state that was kept, or to the checkpoint.
    Rewind {
        /// Its epochs.
        step: u64,
    },
    /// Learns from other pictures.
    Data(Source),
    /// The second dataset, of which `mix` says the share.
    Data2(Source),
    /// Goes on from the weights of another model with the same networks.
    Fork {
        /// Its name, or the path of its folder.
        model: String,
    },
}

const NAMES: [&str; 10] = ["run", "pause", "stop", "set", "publish", "sample", "rewind", "data", "data2", "fork"];

/// Where pictures come from: the `path` of a folder or zip, or `lines` drawn in memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    /// A folder or zip of pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Rules by which lines are drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<Lines>,
}

/// Lines as `flaneur dataset lines` takes them; the size is that of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lines {
    /// Colours as `rrggbb`; none are the original's four.
    pub palette: Vec<String>,
    /// Vertical lines in a picture.
    pub verticals: u16,
    /// Horizontal lines in a picture.
    pub horizontals: u16,
    /// `uniform` or `gaussian:MEAN:DEVIATION`, verticals first.
    pub laws: Vec<String>,
    /// Pictures, at most [`Lines::MOST`].
    pub count: u64,
    /// Seed of the drawing.
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
        /// The model's name.
        model: String,
        /// The folder that is written.
        folder: String,
        /// The architecture's name.
        arch: String,
        /// Epochs done before.
        step: u64,
        /// Epochs in all; 0 is no end.
        epochs: u64,
        /// What it learns from.
        data: String,
        /// How many pictures.
        pictures: usize,
        /// What computes.
        device: String,
    },
    /// An epoch is done.
    Step(Step),
    /// A numbered grid was written.
    Sample {
        /// The file.
        path: String,
        /// Epochs done.
        step: u64,
    },
    /// The weights of the model folder are those of `step`.
    Published {
        /// The weights' file.
        path: String,
        /// Its epochs.
        step: u64,
        /// The first eight bytes of the file's SHA-256 in hexadecimal.
        fingerprint: String,
        /// The file that stays in the history, if it is kept.
        state: Option<String>,
        /// A sheet of its pictures, if there is one.
        sheet: Option<String>,
    },
    /// A resumed training would go on from here.
    Checkpoint {
        /// The file.
        path: String,
        /// Epochs done.
        step: u64,
    },
    /// The answer to what changes a setting.
    State {
        /// Whether it waits.
        paused: bool,
        /// Epochs done.
        step: u64,
        /// All of them.
        settings: Settings,
        /// What it learns from.
        data: String,
        /// The second dataset, if there is one.
        data2: Option<String>,
    },
    /// Something was not done, or is worth knowing.
    Warning {
        /// In a sentence.
        text: String,
    },
    /// The last event.
    Stopped {
        /// Why.
        reason: Reason,
        /// The same in a sentence.
        text: String,
        /// Epochs done.
        step: u64,
    },
}

/// One epoch; to who drives, also one update of an epoch that is a pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Generator updates done, this one included.
    pub step: u64,
    /// The epoch, the critic's updates in it and the losses, each under its name.
    #[serde(flatten)]
    pub losses: Losses,
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
    /// The disk, a share, the data or the model's folder is not to be had just now; another start may do.
    Unavailable,
    /// By an error that was explained.
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
            Self::Unavailable => "stopped by a disk, a share or data that are not to be had just now",
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
