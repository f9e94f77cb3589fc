//! Presets: what a show is made of, in TOML that a performer reads and edits.
//!
//! Read by `show` and `cli`. Keys that are not known are refused with their line and what was probably meant.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::{self, FileError};
use crate::hints::{explained, line_of, meant};
use crate::net::arch::{Arch, NAMES};
use crate::picture::scene::{Filter, Fit};
use crate::trainer::protocol::{Lines, Source};

/// When a new version of the sketch takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Swap {
    /// At once.
    #[default]
    Now,
    /// On the next beat.
    Beat,
    /// On the next bar.
    Bar,
}

/// What becomes of pictures that flash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flash {
    /// They are shown.
    #[default]
    Off,
    /// Never more than three flashes in a second (`picture::flash`).
    Limit,
}

/// One show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Preset {
    /// Layout of this file; 1.
    pub version: u32,
    /// A name in `sketches`, or a path.
    pub sketch: String,
    /// A name in `models`, or a path.
    pub model: String,
    /// Beats a minute, 20..400.
    pub bpm: f64,
    /// Walk speed, −8..8.
    pub speed: f64,
    pub swap: Swap,
    /// Width and height of the output window in points.
    pub size: [u32; 2],
    /// Most frames a second; 0 follows the screen.
    pub fps: f64,
    pub fit: Fit,
    pub filter: Filter,
    /// Blend the last two pictures where the generator is slower than the screen.
    pub cross_blend: bool,
    pub flash: Flash,
    /// Seconds of blackout, freeze and hush fades.
    pub fade_secs: f64,
    /// Seconds of the morph to a snapshot.
    pub morph_secs: f64,
    pub record: Record,
    pub osc: Osc,
    pub query: Query,
    pub midi: Midi,
    pub train: Train,
    /// Where knobs stand at the start, 0..1.
    pub knobs: BTreeMap<String, f64>,
}

/// How live recordings are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Record {
    pub folder: PathBuf,
    pub size: [u32; 2],
    pub fps: f64,
}

/// Where OSC is listened to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Osc {
    pub on: bool,
    /// Address and port; only this machine is heard unless it says otherwise (`0.0.0.0:9000`).
    pub bind: SocketAddr,
    /// Who is told what hands change: `host:port`, `sender` (whoever sent last) or `sender:9001` (there).
    pub feedback: Vec<String>,
    /// Milliseconds over which what comes is smoothed; 0 is exact in the next frame.
    pub smooth_ms: f64,
}

/// OSCQuery, and the page for the phone on the same port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Query {
    pub on: bool,
    /// Address and port; only this machine is served unless it says otherwise (`0.0.0.0:9001`).
    pub bind: SocketAddr,
    /// Serve the page.
    pub page: bool,
    /// What steering from beyond this machine takes; a new one at each start if it is empty.
    pub token: String,
    /// Let it be found by mDNS.
    pub announce: bool,
}

/// Controllers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Midi {
    pub on: bool,
    /// Names of files in presets/mappings; none for all of them.
    pub mappings: Vec<String>,
    /// Presets that program changes recall, from program 0; none for all presets by name.
    pub programs: Vec<String>,
}

/// Who trains beside the show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trainer {
    /// A process of the show's own.
    #[default]
    Child,
    /// Somebody else, here or on another machine that shares the folder: it is only watched.
    Watch,
    /// Nobody.
    Off,
}

/// The training beside the show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    pub trainer: Trainer,
    /// Start it with the show; otherwise a hand does.
    pub autostart: bool,
    /// The model it writes, by name or path; the shown model's with `-live` if it is empty.
    pub model: String,
    /// The model it begins with; the shown one if this and `arch` are empty.
    pub from: String,
    /// Begin from nothing, with this architecture.
    pub arch: String,
    /// Folder or zip of pictures, or "lines", drawn in memory.
    pub data: String,
    /// A second dataset, and its share at the start.
    pub data2: String,
    pub data_mix: f64,
    /// cpu, gpu, or auto.
    pub device: String,
    /// Epochs in all: its budget.
    pub epochs: u64,
    /// Learning rate of both networks; what the model was trained with if it is 0.
    pub rate: f64,
    pub critic_steps: u32,
    /// Pictures in a batch; what the model was trained with if it is 0.
    pub batch: usize,
    /// Epochs between two states that may be shown.
    pub publish_every: u64,
    /// States that stay on disk, older ones sparser.
    pub keep: u16,
    /// Bars of the glide to a new state.
    pub morph_bars: f64,
    /// Share of the time it rests at least, 0..0.95; it rests longer where the show is late.
    pub rest: f64,
    /// How far it stands back behind other programs, 0..19.
    pub nice: u8,
    /// Threads on the processor; 0 leaves one core free.
    pub threads: usize,
    /// Memory at which it is ended, in megabytes; 0 is no limit.
    pub memory_mb: u64,
    /// Go back to the last good state when it goes astray.
    pub rewind_on_divergence: bool,
    /// Have the critic look at what is shown, also where no sketch asks for it.
    pub critic: bool,
    /// How lines are drawn.
    #[serde(deserialize_with = "known_lines")]
    pub lines: Lines,
}

/// Lines without keys that are not known: the protocol lets those pass, a preset must not.
fn known_lines<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Lines, D::Error> {
    let table = toml::Table::deserialize(from)?;
    let known = toml::Table::try_from(Lines::default()).map_err(serde::de::Error::custom)?;
    if let Some(key) = table.keys().find(|key| !known.contains_key(*key)) {
        let known: Vec<String> = known.keys().map(|key| format!("`{key}`")).collect();
        let text = format!("unknown field `{key}`, expected one of {}", known.join(", "));
        return Err(serde::de::Error::custom(text));
    }
    Lines::deserialize(table).map_err(serde::de::Error::custom)
}

impl Default for Train {
    fn default() -> Self {
        Self {
            trainer: Trainer::Child,
            autostart: false,
            model: String::new(),
            from: String::new(),
            arch: String::new(),
            data: "lines".into(),
            data2: String::new(),
            data_mix: 0.0,
            device: "cpu".into(),
            epochs: 1_000_000,
            rate: 0.0,
            critic_steps: 5,
            batch: 0,
            publish_every: 5,
            keep: 64,
            morph_bars: 1.0,
            rest: 0.0,
            nice: 15,
            threads: 0,
            memory_mb: 4096,
            rewind_on_divergence: true,
            critic: false,
            lines: Lines::default(),
        }
    }
}

impl Train {
    /// The source that a word names: "lines", or the path of a folder or zip.
    pub fn source(&self, word: &str) -> Source {
        match word {
            "lines" => Source { path: None, lines: Some(self.lines.clone()) },
            path => Source { path: Some(path.to_owned()), lines: None },
        }
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        within("data_mix", self.data_mix, 0.0, 1.0)?;
        within("rate", self.rate, 0.0, 1.0)?;
        within("critic_steps", f64::from(self.critic_steps), 1.0, 1000.0)?;
        within("batch", self.batch as f64, 0.0, 4096.0)?;
        within("publish_every", self.publish_every as f64, 1.0, 1e9)?;
        within("keep", f64::from(self.keep), 2.0, 10_000.0)?;
        within("epochs", self.epochs as f64, 1.0, 1e12)?;
        within("morph_bars", self.morph_bars, 0.0, 1000.0)?;
        within("rest", self.rest, 0.0, 0.95)?;
        within("nice", f64::from(self.nice), 0.0, 19.0)?;
        if !self.arch.is_empty() && Arch::named(&self.arch).is_none() {
            let known = NAMES.map(|(name, _)| name);
            let near = meant(&self.arch, known, 2).map_or(String::new(), |m| format!("; did you mean {m}?"));
            return Err(("arch", format!("there is no architecture \"{}\"{near}", self.arch)));
        }
        if !self.arch.is_empty() && !self.from.is_empty() {
            return Err(("from", "a training begins with an arch or from a model, not with both".into()));
        }
        let devices = ["auto", "cpu", "gpu"];
        if !devices.contains(&self.device.as_str()) {
            return Err(("device", format!("\"{}\" is none of {}", self.device, devices.join(", "))));
        }
        Ok(())
    }
}

fn within(key: &'static str, v: f64, low: f64, high: f64) -> Result<(), (&'static str, String)> {
    match v.is_finite() && (low..=high).contains(&v) {
        true => Ok(()),
        false => Err((key, format!("{v} is outside of {low}..{high}"))),
    }
}

impl Default for Osc {
    fn default() -> Self {
        let bind = SocketAddr::from(([127, 0, 0, 1], 9000));
        Self { on: true, bind, feedback: vec!["sender".into()], smooth_ms: 0.0 }
    }
}

impl Default for Query {
    fn default() -> Self {
        let bind = SocketAddr::from(([127, 0, 0, 1], 9001));
        Self { on: true, bind, page: false, token: String::new(), announce: true }
    }
}

impl Default for Midi {
    fn default() -> Self {
        Self { on: true, mappings: Vec::new(), programs: Vec::new() }
    }
}

impl Default for Record {
    fn default() -> Self {
        Self { folder: "recordings".into(), size: [1024, 1024], fps: 30.0 }
    }
}

impl Default for Preset {
    fn default() -> Self {
        Self {
            version: 1,
            sketch: "ring".into(),
            model: "three-lines".into(),
            bpm: 120.0,
            speed: 1.0,
            swap: Swap::Now,
            size: [1024, 1024],
            fps: 0.0,
            fit: Fit::Fit,
            filter: Filter::Cubic,
            cross_blend: true,
            flash: Flash::Off,
            fade_secs: 1.0,
            morph_secs: 2.0,
            record: Record::default(),
            osc: Osc::default(),
            query: Query::default(),
            midi: Midi::default(),
            train: Train::default(),
            knobs: BTreeMap::new(),
        }
    }
}

/// What is wrong with a preset.
#[derive(Debug, thiserror::Error)]
pub enum PresetError {
    #[error("{path}: {why}", path = path.display())]
    Wrong { path: PathBuf, why: String },
    #[error(transparent)]
    File(#[from] FileError),
}

impl Preset {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// With the line of what is wrong, and what was probably meant.
    pub fn read(path: &Path) -> Result<Self, PresetError> {
        let text = files::read_text(path)?;
        Self::parse(&text).map_err(|why| PresetError::Wrong { path: path.into(), why })
    }

    /// Reads and checks a text.
    ///
    /// # Errors
    /// A sentence with the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let preset: Self = toml::from_str(text).map_err(|e| explained(text, &e))?;
        preset.check().map_err(|(key, why)| format!("{}{key}: {why}", line_of(text, key)))?;
        Ok(preset)
    }

    /// The first value that is out of its range.
    fn check(&self) -> Result<(), (&'static str, String)> {
        if self.version != 1 {
            return Err(("version", format!("{} is not known to this program; use a newer one, or 1", self.version)));
        }
        within("bpm", self.bpm, 20.0, 400.0)?;
        within("speed", self.speed, -8.0, 8.0)?;
        within("fps", self.fps, 0.0, 1000.0)?;
        within("fade_secs", self.fade_secs, 0.0, 600.0)?;
        within("morph_secs", self.morph_secs, 0.0, 600.0)?;
        within("fps", self.record.fps, 1.0, 240.0)?;
        within("smooth_ms", self.osc.smooth_ms, 0.0, 60_000.0)?;
        let token = &self.query.token;
        if !token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            return Err(("token", "letters and digits only, since it stands in an address".into()));
        }
        for [w, h] in [self.size, self.record.size] {
            within("size", f64::from(w), 16.0, 8192.0)?;
            within("size", f64::from(h), 16.0, 8192.0)?;
        }
        self.train.check()?;
        for (name, value) in &self.knobs {
            within("knobs", *value, 0.0, 1.0).map_err(|(key, why)| (key, format!("{name} {why}")))?;
        }
        Ok(())
    }
}

/// Where presets, sketches and stored points live.
pub const PRESETS: &str = "presets";
/// Where sketches live.
pub const SKETCHES: &str = "sketches";

/// What `play` and `film` were pointed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Preset(PathBuf),
    Sketch(PathBuf),
}

/// Finds a preset or a sketch by name or path; a preset comes first where both have the name.
///
/// # Errors
/// With the names there are.
pub fn find(name: &str) -> Result<Target, String> {
    let path = Path::new(name);
    let ending = path.extension().and_then(|e| e.to_str());
    match ending {
        Some("toml") if path.is_file() => return Ok(Target::Preset(path.into())),
        Some("rn") if path.is_file() => return Ok(Target::Sketch(path.into())),
        _ => {}
    }
    let preset = Path::new(PRESETS).join(format!("{name}.toml"));
    let sketch = sketch_path(name);
    if preset.is_file() {
        Ok(Target::Preset(preset))
    } else if sketch.is_file() {
        Ok(Target::Sketch(sketch))
    } else {
        let (presets, sketches) = (names(PRESETS, "toml"), names(SKETCHES, "rn"));
        let near = meant(name, presets.iter().chain(&sketches).map(String::as_str), 2);
        let meant = near.map_or(String::from("."), |k| format!("; did you mean {k}?"));
        Err(format!(
            "there is no preset and no sketch \"{name}\"{meant} Presets: {}. Sketches: {}.",
            presets.join(", "),
            sketches.join(", ")
        ))
    }
}

/// The file of a sketch given by name or path.
pub fn sketch_path(name: &str) -> PathBuf {
    let path = Path::new(name);
    if path.extension().is_some_and(|e| e == "rn") {
        path.into()
    } else {
        Path::new(SKETCHES).join(format!("{name}.rn"))
    }
}

/// Names of the files with an ending in a folder, sorted.
pub fn names(folder: &str, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == ending))
        .filter_map(|p| Some(p.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, line, word) in [
            ("version = 1\nskech = \"a\"", "line 2", "did you mean sketch?"),
            ("version = 1\n\nbpm = \"fast\"", "line 3", "invalid type"),
            ("bpm = 9000", "line 1", "20..400"),
            ("version = 7", "line 1", "newer"),
            ("swap = \"soon\"", "line 1", "unknown variant"),
            ("flash = \"on\"", "line 1", "expected `off` or `limit`"),
            ("[record]\nfsp = 3", "line 2", "did you mean fps?"),
            ("[train]\nlines = { vertcals = 3 }", "line 2", "did you mean verticals?"),
            ("[train]\narch = \"smal\"", "line 2", "did you mean small?"),
            ("[knobs]\na = 3.0", "", "outside of 0..1"),
            ("sketch = ", "line 1", ""),
        ] {
            let why = Preset::parse(text).unwrap_err();
            assert!(why.contains(line) && why.contains(word), "{why}");
        }
    }

    #[test]
    fn an_empty_preset_is_a_show_and_all_of_one_comes_back() {
        let preset = Preset::parse("").unwrap();
        assert_eq!(preset, Preset::default());
        assert_eq!(Preset::parse(&toml::to_string(&preset).unwrap()).unwrap(), preset);
    }
}
