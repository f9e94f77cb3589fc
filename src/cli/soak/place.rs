//! The folder in which a soak plays: copies of the sketches, a model twice, a preset.

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::files;
use crate::home;
use crate::model;

/// The sketch that is at work, and is written again and again.
const SKETCH: &str = "stage.rn";
/// Models, both the same at first.
pub const MODELS: [&str; 2] = ["a", "b"];
/// Files of a model that are copied.
const PARTS: [&str; 3] = ["model.toml", model::WEIGHTS, model::CRITIC];

/// The folder, and the ports of the show in it.
pub struct Place {
    folder: PathBuf,
    /// The folder stays when all went well, too.
    kept: bool,
    /// Texts of the sketches that are at work in turn.
    sketches: Vec<String>,
    osc: u16,
    query: u16,
}

impl Place {
    /// Makes it, where it is wanted or among temporary files.
    pub fn make(kept: Option<PathBuf>, model: &str, train: bool, fps: f64) -> anyhow::Result<Self> {
        let from = model::folder(model);
        // Before anything is made: the error says which models there are.
        model::Card::read(&from)?;
        let temporary = std::env::temp_dir().join(format!("flaneur-soak-{}", std::process::id()));
        let folder = std::path::absolute(kept.clone().unwrap_or(temporary))?;
        for inner in ["sketches", "presets", "models", "recordings"] {
            files::make_folder(&folder.join(inner))?;
        }
        let mut sketches = Vec::new();
        for path in home::folders("sketches").iter().flat_map(|folder| home::entries(folder)) {
            if path.extension().is_some_and(|ending| ending == "rn") {
                let text = files::read_text(&path)?;
                files::write(&folder.join("sketches").join(path.file_name().unwrap_or_default()), text.as_bytes())?;
                sketches.push(text);
            }
        }
        anyhow::ensure!(!sketches.is_empty(), "there are no sketches to play; start it where they are, or give --home");
        for name in MODELS {
            let to = folder.join("models").join(name);
            files::make_folder(&to)?;
            for part in PARTS {
                if from.join(part).is_file() {
                    std::fs::copy(from.join(part), to.join(part)).with_context(|| part.to_owned())?;
                }
            }
        }
        // Bound for a moment, to know ports that nobody has.
        let osc = UdpSocket::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let query = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let place = Self { folder, kept: kept.is_some(), sketches, osc, query };
        place.write_sketch(&place.sketches[0])?;
        place.write("presets/soak.toml", &place.preset(train, fps))?;
        Ok(place)
    }

    fn preset(&self, train: bool, fps: f64) -> String {
        let Self { osc, query, .. } = self;
        let a = MODELS[0];
        format!(
            "version = 1\nsketch = \"stage\"\nmodel = \"{a}\"\nfps = {fps}\nfade_secs = 0.5\n\n\
             [osc]\nbind = \"127.0.0.1:{osc}\"\n\n[query]\nbind = \"127.0.0.1:{query}\"\nannounce = false\n\n\
             [midi]\non = false\n\n[record]\nsize = [512, 512]\nfps = 30\n\n\
             [train]\nautostart = {train}\n"
        )
    }

    /// The home of the show.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where OSC is listened to, and OSCQuery served.
    pub fn ports(&self) -> [u16; 2] {
        [self.osc, self.query]
    }

    /// What the show said.
    pub fn log(&self) -> PathBuf {
        self.folder.join("show.log")
    }

    /// A sketch that plays.
    pub fn sketch(&self, number: usize) -> &str {
        &self.sketches[number % self.sketches.len()]
    }

    /// Writes the sketch that is at work.
    pub fn write_sketch(&self, text: &str) -> anyhow::Result<()> {
        self.write(&format!("sketches/{SKETCH}"), text)
    }

    /// Writes a file of it, as an editor does.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        Ok(files::write(&self.folder.join(name), text.as_bytes())?)
    }

    /// Removes what was recorded.
    pub fn clear_recordings(&self) {
        for path in home::entries(&self.folder.join("recordings")) {
            // One that is being written goes when it is done; a take's states are a folder.
            let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path));
        }
    }

    /// Removes the folder, unless it was to be kept.
    pub fn remove(&self) {
        if !self.kept {
            // It is a temporary folder; what cannot be removed is the system's to remove.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    /// Lets the folder stay for whoever wants to know what happened.
    pub fn leave(&self) {
        self.clear_recordings();
    }
}
