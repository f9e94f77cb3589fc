//! `flaneur new`: a first sketch or preset to change.

use std::path::PathBuf;

use anyhow::bail;
use clap::Subcommand;

use crate::preset::{self, PRESETS};
use crate::report::say;

#[derive(Subcommand)]
pub enum New {
    /// A sketch in the folder sketches
    Sketch { name: String },
    /// A preset in the folder presets
    Preset { name: String },
}

const SKETCH: &str = "\
// What one sees: a walk around a ring of four seeds, wobbling with a knob.
//
// Save this file while `flaneur play NAME` runs: the walk follows. `flaneur verbs` lists what there is.

pub fn walk(me, t, c) {
    let z = ring([1, 2, 3, 4], t.phase(16));
    z.wobble(c.value(\"wobble\", 0, 1, 0.2), t.secs)
}
";

const PRESET: &str = "\
version = 1
sketch = \"ring\"        # a name in sketches, or a path
model = \"three-lines\"  # a name in models, or a path
bpm = 120
swap = \"now\"           # a changed sketch takes over: now, beat or bar
size = [1024, 1024]    # of the output window
fit = \"fit\"            # fit, fill, tile, mirror
filter = \"cubic\"       # nearest, linear, cubic, lanczos
flash = \"off\"          # limit: never more than three flashes in a second
fade_secs = 1.0        # blackout, freeze
morph_secs = 2.0       # to a snapshot

[osc]
bind = \"127.0.0.1:9000\"  # 0.0.0.0:9000 also hears other machines
feedback = [\"sender\"]    # who is told what hands change: 192.168.1.5:9001, sender, sender:9001

[query]
page = false             # a page for the phone on this port
bind = \"127.0.0.1:9001\"  # 0.0.0.0:9001 also serves other machines

[midi]
mappings = []            # names in presets/mappings; none for all
programs = []            # presets that program changes recall; none for all by name

[knobs]
# wobble = 0.5
";

impl New {
    pub fn run(self) -> anyhow::Result<()> {
        let (name, ending, text, folder) = match &self {
            Self::Sketch { name } => (name, "rn", SKETCH.replace("NAME", name), preset::SKETCHES),
            Self::Preset { name } => (name, "toml", PRESET.to_owned(), PRESETS),
        };
        let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            bail!("\"{name}\" is not a name; use letters, digits, - and _");
        }
        let path = PathBuf::from(folder).join(format!("{name}.{ending}"));
        if path.exists() {
            bail!("{} is there already; choose another name", path.display());
        }
        crate::files::write(&path, text.as_bytes())?;
        say(format_args!("wrote {}; now: flaneur play {name}", path.display()));
        Ok(())
    }
}
