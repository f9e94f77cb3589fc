//! `flaneur new`: a first sketch, drawing sketch or preset to change.

use anyhow::bail;
use clap::Subcommand;

use crate::drawn;
use crate::home;
use crate::preset::{self, PRESETS};
use crate::report::say;

/// What `flaneur new` can make.
#[derive(Subcommand)]
pub enum New {
    /// A sketch in the folder sketches of the home
    Sketch {
        /// Its name without an ending: letters, digits, - and _
        name: String,
    },
    /// A drawing sketch, for a dataset of your own, in the folder sketches/data of the home
    Data {
        /// Its name without an ending: letters, digits, - and _
        name: String,
    },
    /// A preset in the folder presets of the home
    Preset {
        /// Its name without an ending: letters, digits, - and _
        name: String,
    },
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

const DATA: &str = "\
// What one sees: translucent discs on a row that rises and falls.
//
// draw(r, i) gives picture number i; r is its randomness: r.uniform(a, b), r.whole(a, b), r.normal(mean, sd),
// r.pick([..]), r.chance(p). `flaneur dataset sheet NAME -o NAME.png` shows 64 of them, `flaneur dataset draw NAME -o
// FOLDER` writes 10000. A network learns best what a few smooth numbers decide. `flaneur verbs` lists what there is.

pub fn draw(r, i) {
    let d = canvas(\"paper\", 128);
    let (height, turn, hue) = (r.uniform(5, 35), r.angle(), r.uniform(0, 1));
    for n in 0..6 {
        let x = 14.0 + n as f64 * 20.0;
        let y = 64.0 + height * sin(n as f64 * 0.9 + turn);
        d.disc(x, y, 16.0 + r.normal(0, 1), tint(oklch(0.6, 0.18, hue + n as f64 * 0.05), 0.7));
    }
    d
}
";

const PRESET: &str = "\
version = 1
sketch = \"ring\"        # a name in sketches, or a path
model = \"three-lines\"  # a name in models, or a path
bpm = 120
swap = \"now\"           # a changed sketch takes over: now, beat or bar
size = [1024, 1024]    # of the output window
display = \"\"           # its display: a name, a part of it, or a number from the left; empty for any
fit = \"fit\"            # fit, fill, tile, mirror
filter = \"cubic\"       # nearest, linear, cubic, lanczos
flash = \"off\"          # limit: never more than three flashes in a second
resume = false         # true: begins where the last show of this preset ended
fade_secs = 1.0        # blackout, freeze
morph_secs = 2.0       # to a snapshot

[osc]
bind = \"localhost:9000\"  # 0.0.0.0:9000 also hears other machines
feedback = [\"sender\"]    # who is told what hands change: 192.168.1.5:9001, sender, sender:9001
clock = \"learn\"          # time tags: learn corrects a sender's clock, exact takes them as they are, ignore is now
paths = false            # true: other machines may also load by path, not only by name

[query]
page = false             # a page for the phone on this port
bind = \"localhost:9001\"  # 0.0.0.0:9001 also serves other machines
origins = []             # whose pages may read: http://192.168.1.5:8080; this machine's always may

[midi]
mappings = []            # names in presets/mappings; none for all
programs = []            # presets that program changes recall; none for all by name

[knobs]
# wobble = 0.5
";

impl New {
    /// Writes the file.
    ///
    /// # Errors
    /// If the name is none, is taken, or the file cannot be written.
    pub fn run(self) -> anyhow::Result<()> {
        home::begin_here();
        let (name, ending, text, folder) = match &self {
            Self::Sketch { name } => (name, "rn", SKETCH.replace("NAME", name), preset::SKETCHES),
            Self::Data { name } => (name, "rn", DATA.replace("NAME", name), drawn::FOLDER),
            Self::Preset { name } => (name, "toml", PRESET.to_owned(), PRESETS),
        };
        let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            bail!("\"{name}\" is not a name; use letters, digits, - and _");
        }
        let file = format!("{name}.{ending}");
        if let Some(path) = home::find(folder, &file) {
            bail!("{} is there already; choose another name", path.display());
        }
        let path = home::place(folder).join(file);
        crate::files::write(&path, text.as_bytes())?;
        let next = match &self {
            Self::Data { .. } => format!("flaneur dataset sheet {name} -o {name}.png"),
            Self::Sketch { .. } | Self::Preset { .. } => format!("flaneur play {name}"),
        };
        say(format_args!("wrote {}; now: {next}", path.display()));
        Ok(())
    }
}
