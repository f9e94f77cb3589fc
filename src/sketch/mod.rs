//! Sketches: scripts that say, frame by frame, where in the latent space the walk is, or that draw the pictures of a
//! data set.
//!
//! Fed by files (through [`watch`]) and by the loop's time and controls; gives a pose a frame, or a picture's number
//! ([`drawer`]). The script language is Rune and is known only here. A sketch never stops the show: what does not compile is not
//! taken, what fails or takes too long keeps the last good pose. Deliberately absent: files, the network and
//! time of day inside of scripts.

mod call;
mod chance;
mod colours;
pub mod complaint;
mod doubts;
pub mod drawer;
mod env;
mod guard;
mod held;
pub mod history;
pub mod host;
mod instrument;
mod lexer;
mod meter;
mod pen;
mod saved;
mod state;
pub mod thread;
mod values;
pub mod verbs;
pub mod watch;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rune::ast::Spanned;
use rune::compile::{self, FileSourceLoader, LinkerError, SourceLoader};
use rune::diagnostics::{Diagnostic, FatalDiagnosticKind};
use rune::runtime::RuntimeContext;
use rune::{Context, Diagnostics, Item, Module, Source, Sources, Unit};

pub use complaint::Complaint;
pub use doubts::doubt;
pub use env::{Env, MEASURED, Measure, arc_lengths};
use instrument::{Instrumented, OWN_DRAW};
use sha2::{Digest, Sha256};

use crate::latest::lock;
use crate::worker::caught;

/// The language with its verbs, for one environment. Made once; sketches are compiled against it.
#[derive(Clone)]
pub struct Language {
    context: Arc<Mutex<Context>>,
    runtime: Arc<RuntimeContext>,
    /// What its verbs know beside their arguments.
    pub env: Env,
}

/// The script engine refused the verbs: a mistake in the tables, which tests would see.
#[derive(Debug, thiserror::Error)]
#[error("the sketch language cannot be built: {0}")]
pub struct LanguageError(String);

/// A compiled sketch, ready to be tried.
#[derive(Clone)]
pub struct Program {
    unit: Arc<Unit>,
    /// The main source's file.
    pub path: PathBuf,
    /// Its sources, the main one first: for complaints, and for the history.
    pub sources: Vec<(PathBuf, String)>,
    /// The same as they were compiled.
    compiled: Vec<Instrumented>,
    /// Of all sources.
    pub fingerprint: String,
    /// What it is for.
    pub kind: SketchKind,
    /// Whether there is a `setup`, which makes the state.
    pub has_setup: bool,
    /// Whether there is an `on_load`, which is called with the state when the sketch takes over.
    pub has_on_load: bool,
}

/// What a sketch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SketchKind {
    /// It walks: `pub fn walk(me, t, c)`.
    Walk,
    /// It draws pictures of a data set: `pub fn draw(r, i)`.
    Drawing,
}

/// What the text of a sketch is for; one that has neither function counts as a walk.
pub fn kind(text: &str) -> SketchKind {
    let has = |name| instrument::function(text, name).is_some();
    if has("draw") && !has("walk") { SketchKind::Drawing } else { SketchKind::Walk }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.path.display(), self.fingerprint)
    }
}

impl Program {
    /// The main source.
    pub fn text(&self) -> &str {
        self.sources.first().map_or("", |(_, text)| text)
    }
}

impl Language {
    /// Builds the language around an environment.
    ///
    /// # Errors
    /// If a verb cannot be registered.
    pub fn new(env: Env) -> Result<Self, LanguageError> {
        let build = || -> Result<_, rune::ContextError> {
            // Without its own printing: a sketch has no terminal.
            let mut context = Context::with_config(false)?;
            let mut types = Module::with_crate("flaneur")?;
            values::install(&mut types, &env)?;
            context.install(&types)?;
            let mut words = Module::new();
            verbs::install(&mut words, &env)?;
            context.install(&words)?;
            let runtime = Arc::new(context.runtime()?);
            Ok((context, runtime))
        };
        let (context, runtime) = build().map_err(|e| LanguageError(e.to_string()))?;
        Ok(Self { context: Arc::new(Mutex::new(context)), runtime, env })
    }

    /// Reads and compiles a sketch with everything it imports.
    ///
    /// # Errors
    /// With the place, the line and a suggestion, if it does not compile or must not be compiled.
    pub fn read(&self, path: &Path) -> Result<Program, Box<Complaint>> {
        self.compile(path, &source(path)?)
    }

    /// Compiles a sketch of either kind from its text.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn compile(&self, path: &Path, text: &str) -> Result<Program, Box<Complaint>> {
        self.compile_as(kind(text), path, text)
    }

    /// Compiles a sketch of one kind from its text.
    ///
    /// # Errors
    /// As [`Self::read`], and if it is of the other kind.
    pub fn compile_as(&self, kind: SketchKind, path: &Path, text: &str) -> Result<Program, Box<Complaint>> {
        guard::check(text)
            .map_err(|refused| Box::new(Complaint::at(path, text, refused.at..refused.at, refused.why, None)))?;
        // What is wrong is said of the sketch as it was written, without the steps that were put in.
        self.build(kind, path, text, Instrumented::of).or_else(|_| self.build(kind, path, text, Instrumented::plain))
    }

    fn build(
        &self,
        kind: SketchKind,
        path: &Path,
        text: &str,
        instrument: fn(&str, usize) -> Instrumented,
    ) -> Result<Program, Box<Complaint>> {
        let alone = |what: String| Box::new(Complaint::whole(path, what, None));
        let mut sources = Sources::new();
        let name = path.to_string_lossy();
        let main = instrument(text, 0);
        let source = Source::with_path(&name, &main.text, name.as_ref()).map_err(|e| alone(e.to_string()))?;
        sources.insert(source).map_err(|e| alone(e.to_string()))?;
        let mut diagnostics = Diagnostics::without_warnings();
        let (files, loaded) = (FileSourceLoader::new(), vec![(path.into(), text.to_owned())]);
        let mut loader = Guarded { files, loaded, compiled: vec![main], instrument };
        let built = caught(|| {
            let context = lock(&self.context);
            rune::prepare(&mut sources)
                .with_context(&context)
                .with_diagnostics(&mut diagnostics)
                .with_source_loader(&mut loader)
                .build()
        });
        match built {
            Err(panic) => Err(alone(format!("the compiler failed on it: {panic}"))),
            Ok(Err(error)) => Err(first_complaint(path, &diagnostics, &loader.loaded, &error.to_string())),
            Ok(Ok(unit)) => finish(kind, path, unit, loader),
        }
    }
}

/// The text of a sketch's file.
///
/// # Errors
/// If it cannot be read, or is no text.
pub fn source(path: &Path) -> Result<String, Box<Complaint>> {
    crate::files::read_text(path).map_err(|e| {
        let what = match e.cause.kind() {
            std::io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
            _ => format!("it cannot be read: {}", e.cause),
        };
        Box::new(Complaint::whole(path, what, None))
    })
}

/// Looks for the functions of a sketch in what was compiled.
fn finish(kind: SketchKind, path: &Path, unit: Unit, loader: Guarded) -> Result<Program, Box<Complaint>> {
    let Guarded { loaded: sources, compiled, .. } = loader;
    let text = sources.first().map_or("", |(_, text)| text.as_str());
    let expect = |name: &str, compiled: &str, expected: usize, how: &str| match arguments(&unit, compiled) {
        Some(found) if found != expected => {
            let at = text.find(&format!("fn {name}")).unwrap_or(0);
            let what = format!("{name} takes {found} arguments, and it is called with {expected}");
            let hint = Some(format!("write: {how}"));
            Err(Box::new(Complaint::at(path, text, at..at, what, hint)))
        }
        found => Ok(found.is_some()),
    };
    let whole = |what: &str, hint: &str| Err(Box::new(Complaint::whole(path, what.into(), Some(hint.into()))));
    match kind {
        SketchKind::Walk if !expect("walk", "walk", 3, "pub fn walk(me, t, c) { seed(7) }")? => {
            return match arguments(&unit, OWN_DRAW) {
                Some(_) => whole(
                    "there is no walk in it; it is a drawing sketch",
                    "flaneur dataset draw makes pictures with it, flaneur dataset sheet shows some",
                ),
                None => whole("there is no walk in it", "a sketch is complete with: pub fn walk(me, t, c) { seed(7) }"),
            };
        }
        SketchKind::Drawing if !expect("draw", OWN_DRAW, 2, "pub fn draw(r, i) { canvas(\"paper\") }")? => {
            return match arguments(&unit, "walk") {
                Some(_) => whole(
                    "it is a sketch that walks, and draws no pictures",
                    "a drawing sketch has pub fn draw(r, i) and no walk",
                ),
                None => whole(
                    "there is no draw in it",
                    "a drawing sketch is complete with: pub fn draw(r, i) { canvas(\"paper\") }",
                ),
            };
        }
        SketchKind::Walk | SketchKind::Drawing => {}
    }
    let has_setup = expect("setup", "setup", 0, "pub fn setup() { #{} }")?;
    let has_on_load = expect("on_load", "on_load", 1, "pub fn on_load(me) {}")?;
    let mut hash = Sha256::new();
    sources.iter().for_each(|(_, text)| hash.update(text.as_bytes()));
    let fingerprint = hash.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect();
    let (unit, path) = (Arc::new(unit), path.into());
    Ok(Program { unit, path, sources, compiled, fingerprint, kind, has_setup, has_on_load })
}

/// How many arguments a public function of the unit takes, if there is one.
fn arguments(unit: &Unit, name: &str) -> Option<usize> {
    let hash = rune::ToTypeHash::to_type_hash(&[name]);
    // Its type is not public, its text is: `walk(me, t, c)`.
    let signature = unit.debug_info()?.functions.get(&hash)?.to_string();
    let inside = signature.split_once('(')?.1.trim_end_matches(')').trim().to_owned();
    Some(if inside.is_empty() { 0 } else { inside.split(',').count() })
}

/// Loads imported files as the engine does, once the guard has seen them, and keeps their texts: the order
/// is that of the engine's numbers for sources.
struct Guarded {
    files: FileSourceLoader,
    loaded: Vec<(PathBuf, String)>,
    compiled: Vec<Instrumented>,
    instrument: fn(&str, usize) -> Instrumented,
}

impl SourceLoader for Guarded {
    fn load(&mut self, root: &rune::alloc::path::Path, item: &Item, span: &dyn Spanned) -> compile::Result<Source> {
        let found = self.files.load(root, item, span)?;
        let path = PathBuf::from(found.name());
        let refuse = |why: String| compile::Error::msg(span, why);
        // What is compiled is the very text that was checked.
        let text = crate::files::read_text(&path).map_err(|e| refuse(e.to_string()))?;
        guard::check(&text).map_err(|refused| refuse(format!("{}: {}", path.display(), refused.why)))?;
        let made = (self.instrument)(&text, self.loaded.len());
        let source = Source::with_path(found.name(), &made.text, found.name()).map_err(|e| refuse(e.to_string()))?;
        self.loaded.push((path, text));
        self.compiled.push(made);
        Ok(source)
    }
}

fn first_complaint(
    path: &Path,
    diagnostics: &Diagnostics,
    sources: &[(PathBuf, String)],
    otherwise: &str,
) -> Box<Complaint> {
    let fatal = diagnostics.diagnostics().iter().find_map(|d| match d {
        Diagnostic::Fatal(fatal) => Some(fatal),
        _ => None,
    });
    let Some(fatal) = fatal else { return Box::new(Complaint::whole(path, otherwise.into(), None)) };
    let place = match fatal.kind() {
        FatalDiagnosticKind::CompileError(error) => Some((fatal.source_id(), error.span())),
        FatalDiagnosticKind::LinkError(LinkerError::MissingFunction { spans, .. }) => {
            spans.first().map(|(span, id)| (*id, *span))
        }
        _ => None,
    };
    let what = fatal.to_string();
    let Some(((file, text), range)) = place.and_then(|(id, span)| Some((sources.get(id.into_index())?, span.range())))
    else {
        return Box::new(Complaint::whole(path, what, None));
    };
    let (what, hint) = reworded(what, text, &range);
    Box::new(Complaint::at(file, text, range, what, hint))
}

/// The engine's sentence in the author's words, and what was probably meant.
fn reworded(what: String, text: &str, range: &std::ops::Range<usize>) -> (String, Option<String>) {
    let there = text.get(range.clone()).unwrap_or_default();
    let missing = what.strip_prefix("Missing item ").map(str::to_owned);
    let name = missing.or_else(|| {
        let word = there.split(['(', '.']).next().unwrap_or_default();
        what.contains("issing function").then(|| word.trim().to_owned())
    });
    if let Some(name) = name {
        return (format!("there is no {name}"), Some(suggestion(&name)));
    }
    if what.contains("issing instance function") || what.contains("Missing associated") {
        let name = method_name(there);
        let hint = match verbs::all().find(|verb| verb.name == name) {
            Some(verb) => format!("{name} is a function: {}", verb.signature()),
            None => suggestion(&name),
        };
        return (format!("there is no method {name} on this"), Some(hint));
    }
    if what.starts_with("Missing index by static string") || what.starts_with("Missing field") {
        let hint = "a field of me is made in setup: pub fn setup() { #{ name: 0.0 } }";
        return (format!("there is no {there}"), Some(hint.into()));
    }
    if what.starts_with("Field ") && what.contains("::flaneur::Time") {
        return (format!("there is no {there}"), Some("t has secs, dt, frame, beat, bar, bpm and critic".into()));
    }
    let hint = hint_for(&what, text, range.start);
    (what, hint.map(str::to_owned))
}

/// What to do about a sentence of the engine, by its beginning and by the line that it is about.
fn hint_for(what: &str, text: &str, at: usize) -> Option<&'static str> {
    let line = text.get(..at).and_then(|before| text.lines().nth(before.matches('\n').count())).unwrap_or_default();
    let begins = |words: &[&str]| words.iter().any(|word| what.starts_with(word));
    let numbers = ["Unsupported binary operation", "Bad type; expected number", "Expected number type"];
    Some(match () {
        () if what.contains("and it takes a colour") => COLOURS,
        () if begins(&numbers) => {
            "numbers with and without a point do not mix in + - * / < > and ..: write 2.0, or n as f64, or 0..n as i64; \
             and z * 2.0, not 2.0 * z"
        }
        () if begins(&["Unsupported unary operation"]) => "write z * -1.0",
        () if what.starts_with("Expected type") && what.contains("::String") => {
            "a number in a text stands in back-ticks: `seed ${n}`"
        }
        () if what.contains("Expected `!` but got `(`") => {
            "what is to be shown stands in a function: pub fn walk(me, t, c) { seed(7) }"
        }
        () if what.starts_with("Expected `;`") && line.contains(" ? ") => {
            "there is no a ? b : c; write if a { b } else { c }"
        }
        () => return None,
    })
}

/// The forms of a colour.
const COLOURS: &str = "names: black, white, grey, red, green, blue, yellow, cyan, magenta, orange, pink, violet, paper, \
ink; or \"#ff8800\", \"#f80\", with opacity \"#ff880080\"; a grey 0..1; [r, g, b] or [r, g, b, opacity], 0..1 each";

fn suggestion(name: &str) -> String {
    let last = name.rsplit("::").next().unwrap_or(name);
    if ["print", "println", "dbg"].contains(&last) {
        return "to see a value, draw it: draw().text(x, 0.5, 0.9)".into();
    }
    if name == "Math" {
        return "sin, cos, floor and the others are functions of their own: sin(x)".into();
    }
    match verbs::meant(name) {
        Some(verb) => format!("did you mean {}? {}", verb.signature(), verb.says),
        None => "flaneur verbs lists what there is".into(),
    }
}

/// The method that a call's text names last: `z.trunkate(0.5)` → `trunkate`.
fn method_name(there: &str) -> String {
    let before = there.rfind('(').map_or(there, |_| {
        // The bracket that the last one closes begins the arguments.
        let mut depth = 0;
        let open = there.char_indices().rev().find(|(_, c)| {
            depth += match c {
                ')' => 1,
                '(' => -1,
                _ => 0,
            };
            depth == 0 && *c == '('
        });
        open.map_or(there, |(i, _)| &there[..i])
    });
    before.rsplit('.').next().unwrap_or_default().trim().to_owned()
}
