//! What changes on disk under a running show: compiled and checked on the watch's thread, taken by the loop.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::control::mapping::{MAPPINGS, Mapping};
use crate::files;
use crate::home;
use crate::latent::{Z, stored};
use crate::latest::{Latest, lock};
use crate::preset::{PRESETS, Preset, Target, find};
use crate::report::Board;
use crate::sketch::watch::{Changed, Watch};
use crate::sketch::{Complaint, Language, Program, history};
use crate::worker::Chores;

/// Where the texts of z are.
const POINTS: &str = "presets/points";

/// What the watch's thread looks at and where it leaves its results.
#[derive(Clone, Default)]
struct Desk {
    sketch: Arc<Mutex<PathBuf>>,
    preset: Arc<Mutex<Option<PathBuf>>>,
    model: Arc<Mutex<PathBuf>>,
    programs: Latest<Result<Program, Box<Complaint>>>,
    presets: Latest<(String, Preset)>,
    /// Names of the mapping files that the preset wants.
    mapped: Arc<Mutex<Vec<String>>>,
    mappings: Latest<Vec<Mapping>>,
    model_changed: Arc<AtomicBool>,
}

/// The loop's end of the watch.
pub struct Reload {
    desk: Desk,
    watch: Watch,
}

impl Reload {
    /// Watches the sketch's folder, the presets, and the model's folder.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        sketch: &Path,
        preset: Option<&Path>,
        model: &Path,
        mapped: &[String],
        language: &Language,
        board: &Board,
    ) -> std::io::Result<Self> {
        let desk = Desk::default();
        *lock(&desk.mapped) = mapped.to_vec();
        *lock(&desk.sketch) = sketch.into();
        *lock(&desk.preset) = preset.map(Path::to_owned);
        *lock(&desk.model) = model.into();
        home::prepare();
        files::sweep(&home::place(MAPPINGS));
        let of = |path: &Path| path.parent().map(Path::to_owned);
        let named = [of(sketch), preset.and_then(of), Some(model.to_owned())].into_iter().flatten();
        let led_to =
            linked(sketch).into_iter().chain(preset.and_then(linked)).chain(links(MAPPINGS)).chain(links(POINTS));
        let led_to = led_to.filter_map(|path| of(&path));
        let mut folders: Vec<PathBuf> = named
            .chain(led_to)
            .chain(home::folders(PRESETS))
            .filter(|folder| folder.as_os_str().is_empty() || folder.is_dir())
            .collect();
        folders.sort();
        folders.dedup();
        let (theirs, language, said) = (desk.clone(), language.clone(), board.clone());
        let watch = Watch::start(&folders, board, move |changed| look(&theirs, changed, &language, &said))?;
        Ok(Self { desk, watch })
    }

    /// A sketch that was compiled, or why it was not.
    pub fn sketch(&mut self) -> Option<Result<Program, Box<Complaint>>> {
        self.desk.programs.take()
    }

    /// A preset that was changed, and its name.
    pub fn preset(&mut self) -> Option<(String, Preset)> {
        self.desk.presets.take()
    }

    /// Mapping files that were changed: all of them, as they are now.
    pub fn mappings(&self) -> Option<Vec<Mapping>> {
        self.desk.mappings.take()
    }

    /// Other mapping files.
    pub fn read_mappings(&self, names: &[String]) {
        *lock(&self.desk.mapped) = names.to_vec();
        self.watch.poke(Path::new(MAPPINGS));
    }

    /// Whether the model's files changed since the last look.
    pub fn model(&mut self) -> bool {
        self.desk.model_changed.swap(false, Ordering::Relaxed)
    }

    /// Another sketch.
    pub fn go_to(&mut self, path: PathBuf) {
        for path in [Some(path.clone()), linked(&path)].into_iter().flatten() {
            path.parent().into_iter().for_each(|folder| self.watch.also(folder));
        }
        lock(&self.desk.sketch).clone_from(&path);
        self.watch.poke(&path);
    }

    /// Another preset, by name or path.
    pub fn go_to_preset(&mut self, name: &str) {
        let path = match find(name) {
            Ok(Target::Preset(path)) => path,
            _ => home::place(PRESETS).join(format!("{name}.toml")),
        };
        *lock(&self.desk.preset) = Some(path.clone());
        self.watch.poke(&path);
    }

    /// Reads the sketch again.
    pub fn again(&self) {
        let path = lock(&self.desk.sketch).clone();
        self.watch.poke(&path);
    }

    /// Another model is at work.
    pub fn watch_model(&mut self, folder: &Path) {
        let mut watched = lock(&self.desk.model);
        if *watched != folder {
            *watched = folder.into();
            self.watch.also(folder);
        }
    }

    /// A version runs: it is kept in the history, and marked as the one that runs.
    pub fn ran(&self, program: Program, chores: &Chores, board: &Board) {
        let board = board.clone();
        chores.give(move || {
            if let Err(error) = history::keep(&program) {
                board.fault("history", format!("this version is not kept: {error}"));
            }
            // Only for a later --safe; a show that cannot leave the mark is no worse.
            let _ = history::set_mark(&program.path);
        });
    }

    /// The show ends in order: takes the mark away.
    pub fn close(self, chores: &Chores) {
        let path = lock(&self.desk.sketch).clone();
        chores.give(move || history::clear_mark(&path));
    }
}

/// Where a link leads; none for what is no link.
fn linked(path: &Path) -> Option<PathBuf> {
    files::resolved(path).ok().filter(|target| target != path)
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
    home::folders(kind).into_iter().flat_map(|folder| home::entries(&folder)).filter_map(|path| linked(&path))
}

/// Texts of z in `presets/points`, by name; what cannot be read is reported.
pub fn points(dim: usize, board: &Board) -> BTreeMap<String, Vec<Z>> {
    let stored::Points { rows, wrong } = stored::read_all(Path::new(POINTS), dim);
    match wrong.is_empty() {
        true => board.clear("points"),
        false => board.fault("points", wrong.join("\n ")),
    }
    rows
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
fn look(desk: &Desk, changed: &Changed, language: &Language, board: &Board) {
    let ends = |path: &Path, ending: &str| path.extension().is_some_and(|e| e == ending);
    let hidden = |path: &Path| path.components().any(|c| c.as_os_str() == ".history");
    let sketch = lock(&desk.sketch).clone();
    let led_to = linked(&sketch);
    let leads = |p: &Path, to: &Option<PathBuf>| to.as_ref().is_some_and(|to| is_same(p, to));
    if changed.iter().any(|p| (ends(p, "rn") && !hidden(p)) || leads(p, &led_to)) {
        desk.programs.put(language.read(&sketch));
    }
    let preset = lock(&desk.preset).clone();
    if let Some(path) = preset
        && changed.iter().any(|p| p.file_name() == path.file_name() || leads(p, &linked(&path)))
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
        let dim = language.env.dim();
        let found = points(dim, board);
        language.env.lock().points.extend(found);
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
