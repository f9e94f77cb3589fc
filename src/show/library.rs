//! What lies on disk under a running show: sketches, presets, points, mappings, the model; and their names.
//!
//! Changed files are read and checked on the watch's thread and wait in slots for the frame; names are listed by a
//! chore. Nothing here reads a file on the frame path. Absent: compiling (the walk's trials).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::view::Names;
use crate::control::mapping::{MAPPINGS, Mapping};
use crate::files;
use crate::home;
use crate::latent::space::Space;
use crate::latent::stored;
use crate::latest::{Latest, lock};
use crate::preset::{PRESETS, Preset, Target, find, sketch_path};
use crate::report::Board;
use crate::sketch::thread::Points;
use crate::sketch::watch::{Changed, Watch, led_to};
use crate::sketch::{Complaint, source};
use crate::worker::Chores;

/// Where the texts of z are.
const POINTS: &str = "presets/points";
/// Models whose dimensions points are read with.
const MOST_DIMS: usize = 8;
/// Seconds between two looks for names.
const NAMES_SECS: f64 = 2.0;

/// A sketch's file as it was read, or why it could not be.
pub type Read = Result<(PathBuf, String), Box<Complaint>>;

/// What the watch's thread looks at and where it leaves its results.
#[derive(Clone, Default)]
struct Desk {
    sketch: Arc<Mutex<PathBuf>>,
    preset: Arc<Mutex<Option<PathBuf>>>,
    model: Arc<Mutex<PathBuf>>,
    /// Dimensions of the models that were at work, the newest first, for points.
    dims: Arc<Mutex<(Vec<usize>, Option<usize>)>>,
    sketches: Latest<Read>,
    presets: Latest<(String, Preset)>,
    points: Latest<Points>,
    /// Names of the mapping files that the preset wants.
    mapped: Arc<Mutex<Vec<String>>>,
    mappings: Latest<Vec<Mapping>>,
    model_changed: Arc<AtomicBool>,
}

/// The show's end of the watch.
#[derive(Default)]
pub struct Library {
    desk: Desk,
    /// None in a film.
    watch: Option<Arc<Watch>>,
    names: Names,
    names_at: Option<f64>,
    listed: Latest<Names>,
    /// Counts up when a list of names changes.
    lists: u64,
}

impl Library {
    /// Watches the sketch's folder, the presets, and the model's folder.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn open(
        sketch: &Path,
        preset: Option<&Path>,
        model: (&Path, &Space),
        mapped: &[String],
        board: &Board,
    ) -> std::io::Result<Self> {
        let desk = Desk::default();
        *lock(&desk.mapped) = mapped.to_vec();
        *lock(&desk.sketch) = sketch.into();
        *lock(&desk.preset) = preset.map(Path::to_owned);
        *lock(&desk.model) = model.0.into();
        *lock(&desk.dims) = (vec![model.1.dim], model.1.layered());
        home::prepare();
        files::sweep(&home::place(MAPPINGS));
        let (theirs, said) = (desk.clone(), board.clone());
        let watch = Watch::start(board, move |changed| look(&theirs, changed, &said))?;
        watch.on("sketch", sketch);
        if let Some(preset) = preset {
            watch.on("preset", preset);
        }
        watch.on_all("presets", home::folders(PRESETS));
        watch.on_all("points", home::folders(POINTS));
        watch.on_all("mappings", home::folders(MAPPINGS));
        watch.on("model", model.0);
        Ok(Self { desk, watch: Some(Arc::new(watch)), ..Self::default() })
    }

    /// A sketch that was saved or chosen.
    pub fn sketch(&self) -> Option<Read> {
        self.desk.sketches.take()
    }

    /// A preset that was changed, and its name.
    pub fn preset(&self) -> Option<(String, Preset)> {
        self.desk.presets.take()
    }

    /// Points that were changed.
    pub fn points(&self) -> Option<Points> {
        self.desk.points.take()
    }

    /// Mapping files that were changed: all of them, as they are now.
    pub fn mappings(&self) -> Option<Vec<Mapping>> {
        self.desk.mappings.take()
    }

    /// Whether the model's files changed since the last look.
    pub fn model(&self) -> bool {
        self.desk.model_changed.swap(false, Ordering::Relaxed)
    }

    fn poke(&self, path: &Path) {
        if let Some(watch) = &self.watch {
            watch.poke(path);
        }
    }

    /// Other mapping files.
    pub fn read_mappings(&self, names: &[String]) {
        *lock(&self.desk.mapped) = names.to_vec();
        self.poke(Path::new(MAPPINGS));
    }

    /// Another sketch, by name or path: it is looked for elsewhere than here, read, and its folder is watched in place
    /// of the one before.
    pub fn go_to(&self, name: String, chores: &Chores) {
        self.find_and_watch(chores, move |desk| {
            let path = sketch_path(&name);
            lock(&desk.sketch).clone_from(&path);
            ("sketch", path)
        });
    }

    /// Another preset, by name or path, likewise.
    pub fn go_to_preset(&self, name: String, chores: &Chores) {
        self.find_and_watch(chores, move |desk| {
            let path = match find(&name) {
                Ok(Target::Preset(path)) => path,
                _ => home::place(PRESETS).join(format!("{name}.toml")),
            };
            *lock(&desk.preset) = Some(path.clone());
            ("preset", path)
        });
    }

    /// Has a file found that is then watched for its role, and read.
    fn find_and_watch(&self, chores: &Chores, found: impl FnOnce(&Desk) -> (&'static str, PathBuf) + Send + 'static) {
        let Some(watch) = self.watch.clone() else { return };
        let desk = self.desk.clone();
        chores.give(move || {
            let (role, path) = found(&desk);
            watch.on(role, &path);
            watch.poke(&path);
        });
    }

    /// Reads the sketch again.
    pub fn again(&self) {
        let path = lock(&self.desk.sketch).clone();
        self.poke(&path);
    }

    /// Another model is at work.
    pub fn watch_model(&self, folder: &Path, space: &Space) {
        let mut desk = lock(&self.desk.dims);
        let (dims, layered) = &mut *desk;
        let same = dims.first() == Some(&space.dim) && *layered == space.layered();
        dims.retain(|known| *known != space.dim);
        dims.insert(0, space.dim);
        dims.truncate(MOST_DIMS);
        *layered = space.layered();
        drop(desk);
        if !same {
            // What could not be read as z of the model before may be of this one.
            self.poke(Path::new(POINTS));
        }
        let before = std::mem::replace(&mut *lock(&self.desk.model), folder.into());
        if let Some(watch) = &self.watch
            && before != folder
        {
            watch.on("model", folder);
        }
    }

    /// Names of what there is to choose from.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// A name, or the one at a place in a list: buttons and programs have only numbers.
    pub fn listed(&self, name: &str, list: impl Fn(&Names) -> &Vec<String>) -> String {
        let names = list(&self.names);
        let at = name.parse::<usize>().ok().filter(|_| !names.iter().any(|n| n == name));
        at.and_then(|at| names.get(at)).map_or(name, String::as_str).to_owned()
    }

    /// Looks now and then for the names, elsewhere than here.
    pub fn look_for_names(&mut self, real: f64, chores: &Chores) {
        if let Some(names) = self.listed.take()
            && names != self.names
        {
            self.names = names;
            self.lists += 1;
        }
        if self.names_at.is_none_or(|at| real - at > NAMES_SECS) {
            self.names_at = Some(real);
            let listed = self.listed.clone();
            chores.give(move || drop(listed.put(Names::read())));
        }
    }

    /// Counts up when a list of names changes.
    pub fn lists(&self) -> u64 {
        self.lists
    }
}

/// Whether two paths name one file, which need not be there: a folder may be watched by several paths, and tells of
/// changes by one of them.
fn is_same(a: &Path, b: &Path) -> bool {
    let folder = |path: &Path| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.canonicalize().ok(),
        _ => Path::new(".").canonicalize().ok(),
    };
    a.file_name() == b.file_name() && folder(a) == folder(b)
}

/// Where the links among the files of a kind lead.
fn links(kind: &str) -> impl Iterator<Item = PathBuf> {
    home::folders(kind).into_iter().flat_map(|folder| home::entries(&folder)).filter_map(|path| led_to(&path))
}

/// Texts of z in `presets/points`, by name, each with the first of these dimensions that it has; what cannot be read is
/// reported.
pub fn points(dims: &[usize], layered: Option<usize>, board: &Board) -> Points {
    let stored::Points { rows, wrong } = stored::read_all(Path::new(POINTS), dims, layered);
    match wrong.is_empty() {
        true => board.clear("points"),
        false => board.fault("points", wrong.join("\n ")),
    }
    rows.into_iter().map(|(name, rows)| (name, Arc::new(rows))).collect()
}

/// The mapping files of those names, or all there are; what cannot be read is reported and left out.
pub fn mappings(names: &[String], board: &Board) -> Vec<Mapping> {
    let all = home::names(MAPPINGS, "toml");
    let mut found = Vec::new();
    board.clear("mapping");
    let mut wanted = if names.is_empty() { all.clone() } else { names.to_vec() };
    // What was learnt is wanted whatever else is.
    if !wanted.iter().any(|name| name == "learned") && all.iter().any(|name| name == "learned") {
        wanted.push("learned".into());
    }
    for name in wanted {
        let file = format!("{name}.toml");
        let path = home::find(MAPPINGS, &file).unwrap_or_else(|| home::place(MAPPINGS).join(file));
        match Mapping::read(&path) {
            Ok(mapping) => found.push(mapping),
            Err(error) => board.fault("mapping", format!("left out: {error}")),
        }
    }
    found
}

/// What the watch's thread does with changed files.
fn look(desk: &Desk, changed: &Changed, board: &Board) {
    let ends = |path: &Path, ending: &str| path.extension().is_some_and(|e| e == ending);
    let hidden = |path: &Path| path.components().any(|c| c.as_os_str() == ".history");
    let sketch = lock(&desk.sketch).clone();
    let leads = |p: &Path, to: &Option<PathBuf>| to.as_ref().is_some_and(|to| is_same(p, to));
    let target = led_to(&sketch);
    if changed.iter().any(|p| (ends(p, "rn") && !hidden(p)) || leads(p, &target)) {
        desk.sketches.put(source(&sketch).map(|text| (sketch, text)));
    }
    let preset = lock(&desk.preset).clone();
    if let Some(path) = preset
        && changed.iter().any(|p| p.file_name() == path.file_name() || leads(p, &led_to(&path)))
    {
        match Preset::read(&path) {
            Ok(preset) => {
                board.clear("preset");
                let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
                desk.presets.put((name, preset));
            }
            Err(error) => board.fault("preset", format!("{error}\n the one before goes on")),
        }
    }
    let of_kind = |last: &str, kind: &str| {
        changed.iter().any(|p| p.components().any(|c| c.as_os_str() == last))
            || links(kind).any(|to| changed.iter().any(|p| is_same(p, &to)))
    };
    if of_kind("points", POINTS) {
        let (dims, layered) = lock(&desk.dims).clone();
        desk.points.put(points(&dims, layered, board));
    }
    if of_kind("mappings", MAPPINGS) {
        let names = lock(&desk.mapped).clone();
        desk.mappings.put(mappings(&names, board));
    }
    let model = lock(&desk.model).clone();
    let weights = ["weights.safetensors", "model.toml"];
    let of_model = |p: &PathBuf| weights.iter().any(|name| p.file_name().is_some_and(|n| n == *name)) || *p == model;
    if changed.iter().any(of_model) {
        desk.model_changed.store(true, Ordering::Relaxed);
    }
}
