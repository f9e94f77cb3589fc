//! Presets: what a show is made of, in TOML that a performer reads and edits.
//!
//! Read by `show` and `cli`. Keys that are not known are refused with their line and what was probably meant.

pub mod hours;
mod train;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::{self, FileError};
use crate::hints::{explained, line_of, meant};
use crate::home;
use crate::osc::{TimeTags, bind, query};
pub use crate::picture::scene::{Filter, Fit};
pub use train::{Train, Trainer};

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
    /// Filters behind the generator, one behind the other: names in `models`, or paths, of networks for styles.
    pub then: Vec<String>,
    /// Beats a minute, 20..400.
    pub bpm: f64,
    /// Walk speed, −8..8.
    pub speed: f64,
    /// When a new version of the sketch takes over.
    pub swap: Swap,
    /// Width and height of the output window in points.
    pub size: [u32; 2],
    /// The display of the output window: its name, a part of it, or its number from 0; empty for any.
    #[serde(deserialize_with = "name_or_number")]
    pub display: String,
    /// Most frames a second; 0 follows the screen.
    pub fps: f64,
    /// How the frame sits in a window of another shape.
    pub fit: Fit,
    /// How pictures become larger.
    pub filter: Filter,
    /// Blend the last two pictures where the generator is slower than the screen.
    pub cross_blend: bool,
    /// What becomes of pictures that flash.
    pub flash: Flash,
    /// Begin where the last show of this preset ended, as with `--resume`.
    pub resume: bool,
    /// Seconds of blackout, freeze and hush fades.
    pub fade_secs: f64,
    /// Seconds of the morph to a snapshot.
    pub morph_secs: f64,
    /// How live recordings are made.
    pub record: Record,
    /// Where OSC is listened to.
    pub osc: Osc,
    /// OSCQuery, and the page.
    pub query: Query,
    /// Controllers.
    pub midi: Midi,
    /// The training beside the show.
    pub train: Train,
    /// Opening hours of a show that plays unattended.
    pub hours: hours::Hours,
    /// Where knobs stand at the start, 0..1.
    pub knobs: BTreeMap<String, f64>,
    /// Where the dials of classes stand at the start, 0..1, by their names.
    pub classes: BTreeMap<String, f64>,
}

/// How live recordings are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Record {
    /// Where recordings, takes and stills go, in the first home folder that can be written.
    pub folder: PathBuf,
    /// Width and height of a recording in pixels.
    pub size: [u32; 2],
    /// Frames a second of a recording.
    pub fps: f64,
    /// Recordings, takes and samples stop when less than so many megabytes are free on the disk; 0 is no floor.
    pub floor_mb: u64,
}

impl Record {
    /// The folder as a path; it need not be there yet.
    pub fn place(&self) -> PathBuf {
        home::place(&self.folder)
    }
}

/// Where OSC is listened to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Osc {
    /// Whether OSC is listened to.
    pub on: bool,
    /// Address and port; only this machine is heard (`localhost:9000`) unless it says otherwise (`0.0.0.0:9000`).
    #[serde(deserialize_with = "bind::deserialize")]
    pub bind: SocketAddr,
    /// Who is told what hands change: `host:port`, `sender` (whoever sent last) or `sender:9001` (there).
    pub feedback: Vec<String>,
    /// Milliseconds over which what comes is smoothed; 0 is exact in the next frame.
    pub smooth_ms: f64,
    /// What time tags count by: the sender's clock, learnt where it is ahead (`learn`), this machine's (`exact`), or
    /// nothing, and all is for now (`ignore`).
    pub clock: TimeTags,
    /// Whether senders beyond this machine may name files by their paths, and not only by names.
    pub paths: bool,
}

/// OSCQuery, and the page for the phone on the same port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Query {
    /// Whether OSCQuery is served.
    pub on: bool,
    /// Address and port; only this machine is served (`localhost:9001`) unless it says otherwise (`0.0.0.0:9001`).
    #[serde(deserialize_with = "bind::deserialize")]
    pub bind: SocketAddr,
    /// Serve the page.
    pub page: bool,
    /// What steering from beyond this machine takes; a new one at each start if it is empty.
    pub token: String,
    /// Let it be found by mDNS.
    pub announce: bool,
    /// Origins whose pages may read, as `http://192.168.1.5:8080`; those of this machine always may. Steering takes
    /// the token.
    pub origins: Vec<String>,
}

/// Controllers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Midi {
    /// Whether MIDI ports are opened.
    pub on: bool,
    /// Names of files in presets/mappings; none for all of them.
    pub mappings: Vec<String>,
    /// Presets that program changes recall, from program 0; none for all presets by name.
    pub programs: Vec<String>,
}

/// A name, or a number without its quotes.
fn name_or_number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    match toml::Value::deserialize(from)? {
        toml::Value::String(name) => Ok(name),
        toml::Value::Integer(number) if number >= 0 => Ok(number.to_string()),
        other => Err(serde::de::Error::custom(format!("{other} is no name and no number of a display"))),
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
        Self {
            on: true,
            bind: SocketAddr::from(([127, 0, 0, 1], 9000)),
            feedback: vec!["sender".into()],
            smooth_ms: 0.0,
            clock: TimeTags::Learn,
            paths: false,
        }
    }
}

impl Default for Query {
    fn default() -> Self {
        let bind = SocketAddr::from(([127, 0, 0, 1], 9001));
        Self { on: true, bind, page: false, token: String::new(), announce: true, origins: Vec::new() }
    }
}

impl Default for Midi {
    fn default() -> Self {
        Self { on: true, mappings: Vec::new(), programs: Vec::new() }
    }
}

impl Default for Record {
    fn default() -> Self {
        Self { folder: "recordings".into(), size: [1024, 1024], fps: 30.0, floor_mb: 500 }
    }
}

impl Default for Preset {
    fn default() -> Self {
        Self {
            version: 1,
            sketch: "ring".into(),
            model: "three-lines".into(),
            then: Vec::new(),
            bpm: 120.0,
            speed: 1.0,
            swap: Swap::Now,
            size: [1024, 1024],
            display: String::new(),
            fps: 0.0,
            fit: Fit::Fit,
            filter: Filter::Cubic,
            cross_blend: true,
            flash: Flash::Off,
            resume: false,
            fade_secs: 1.0,
            morph_secs: 2.0,
            record: Record::default(),
            osc: Osc::default(),
            query: Query::default(),
            midi: Midi::default(),
            train: Train::default(),
            hours: hours::Hours::default(),
            knobs: BTreeMap::new(),
            classes: BTreeMap::new(),
        }
    }
}

/// What is wrong with a preset.
#[derive(Debug, thiserror::Error)]
pub enum PresetError {
    /// The file can be read, and what it says cannot be taken.
    #[error("{path}: {why}", path = path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with the line.
        why: String,
    },
    /// The file cannot be read.
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
        for text in &self.query.origins {
            query::origin(text).map_err(|why| ("origins", why))?;
        }
        for [w, h] in [self.size, self.record.size] {
            within("size", f64::from(w), 16.0, 8192.0)?;
            within("size", f64::from(h), 16.0, 8192.0)?;
        }
        if self.then.len() > MOST_FILTERS {
            return Err((
                "then",
                format!("{} filters; at most {MOST_FILTERS} stand behind each other", self.then.len()),
            ));
        }
        self.train.check()?;
        self.hours.week()?;
        for (table, values) in [("knobs", &self.knobs), ("classes", &self.classes)] {
            for (name, value) in values {
                within(table, *value, 0.0, 1.0).map_err(|(key, why)| (key, format!("{name} {why}")))?;
            }
        }
        Ok(())
    }
}

/// Most filters behind a generator.
const MOST_FILTERS: usize = 4;
/// Where presets, snapshots and stored points live, in each of the home's folders.
pub const PRESETS: &str = "presets";
/// Where sketches live, likewise.
pub const SKETCHES: &str = "sketches";

/// What `play` and `film` were pointed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A preset's file.
    Preset(PathBuf),
    /// A sketch's file.
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
    let sketch = sketch_path(name);
    if let Some(preset) = home::find(PRESETS, format!("{name}.toml")).filter(|path| path.is_file()) {
        Ok(Target::Preset(preset))
    } else if sketch.is_file() {
        Ok(Target::Sketch(sketch))
    } else {
        let (presets, sketches) = (home::names(PRESETS, "toml"), home::names(SKETCHES, "rn"));
        if presets.is_empty() && sketches.is_empty() {
            return Err(format!("there is no preset and no sketch \"{name}\": {}", nothing_found()));
        }
        let near = meant(name, presets.iter().chain(&sketches).map(String::as_str), 2);
        let meant = near.map_or(String::from("."), |k| format!("; did you mean {k}?"));
        Err(format!(
            "there is no preset and no sketch \"{name}\"{meant} Presets: {}. Sketches: {}.",
            presets.join(", "),
            sketches.join(", ")
        ))
    }
}

/// Which folders were looked through, where there is nothing in any of them.
fn nothing_found() -> String {
    let shown = |folder: PathBuf| match folder.as_os_str().is_empty() {
        true => "this folder".to_owned(),
        false => folder.components().collect::<PathBuf>().display().to_string(),
    };
    let looked: Vec<String> = home::folders("").into_iter().map(shown).collect();
    format!(
        "no sketches and presets are in {}; go to a folder that has some, or name it with --home",
        looked.join(", ")
    )
}

/// The file of a sketch given by name or path. One that is nowhere yet is where it would be written.
pub fn sketch_path(name: &str) -> PathBuf {
    let path = Path::new(name);
    if path.extension().is_some_and(|e| e == "rn") {
        return home::at(path);
    }
    let file = format!("{name}.rn");
    home::find(SKETCHES, &file).unwrap_or_else(|| home::place(SKETCHES).join(file))
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
            ("display = [1]", "line 1", "no name and no number"),
            ("flash = \"on\"", "line 1", "expected `off` or `limit`"),
            ("[record]\nfsp = 3", "line 2", "did you mean fps?"),
            ("[train]\nlines = { vertcals = 3 }", "line 2", "did you mean verticals?"),
            ("[train]\narch = \"smal\"", "line 2", "did you mean small?"),
            ("[train]\n\ncritic_steps = 0", "line 3", "0 is outside of 1..1000"),
            ("[train]\ndata_mix = 1.5", "line 2", "outside of 0..1"),
            ("[train]\ngenerator_lr = 2", "line 2", "outside of 0..1"),
            ("[train]\nbatch = \"big\"", "line 2", "invalid type"),
            ("[train]\npublish_evry = 3", "line 2", "did you mean publish_every?"),
            ("[knobs]\na = 3.0", "", "outside of 0..1"),
            ("[classes]\namber = -1", "", "amber -1 is outside of 0..1"),
            ("sketch = ", "line 1", ""),
            ("[osc]\nbind = \"localhost\"", "line 2", "write \"localhost:9000\""),
            ("[osc]\nbind = 9000", "line 2", "such as \"localhost:9000\""),
            ("[query]\nbind = \"stage.lan:9001\"", "line 2", "\"0.0.0.0:9001\" for all networks"),
            ("[osc]\nclock = \"mine\"", "line 2", "unknown variant"),
            ("[query]\norigins = [\"*\"]", "line 2", "is no origin"),
        ] {
            let why = Preset::parse(text).unwrap_err();
            assert!(why.contains(line) && why.contains(word), "{why}");
        }
    }

    #[test]
    fn a_display_is_a_name_or_a_number() {
        for (text, wanted) in [("display = \"HDMI\"", "HDMI"), ("display = 1", "1"), ("", "")] {
            assert_eq!(Preset::parse(text).unwrap().display, wanted);
        }
    }

    #[test]
    fn doors_are_read_as_people_write_them() {
        let text = "[osc]\nbind = \"LOCALHOST:9100\"\nclock = \"exact\"\npaths = true\n\
                    [query]\nbind = \"127.0.0.1:9101\"\norigins = [\"http://tools.example:8080\"]";
        let preset = Preset::parse(text).unwrap();
        assert_eq!([preset.osc.bind, preset.query.bind].map(|at| at.to_string()), ["127.0.0.1:9100", "127.0.0.1:9101"]);
        assert_eq!((preset.osc.clock, preset.osc.paths), (TimeTags::Exact, true));
        assert_eq!(Preset::parse(&toml::to_string(&preset).unwrap()).unwrap(), preset);
    }

    #[test]
    fn an_empty_preset_is_a_show_and_all_of_one_comes_back() {
        let preset = Preset::parse("").unwrap();
        assert_eq!(preset, Preset::default());
        assert_eq!(Preset::parse(&toml::to_string(&preset).unwrap()).unwrap(), preset);
    }
}
