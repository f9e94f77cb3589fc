//! The verbs: one table that registers them with the script engine, answers `flaneur verbs`, fills the
//! docs/verbs.md, feeds "did you mean", and whose every example is run by a test.

mod chance;
mod colours;
mod drawing;
mod forms;
mod latents;
mod numbers;
mod styles;
mod textures;

use rune::runtime::{InstAddress, Memory, Output, Protocol, VmResult};
use rune::{ContextError, Module, Value};

use super::call::{Arg, Bare, Call, Kind, Wrong};
use super::chance::Random;
use super::colours::Palette;
use super::env::Env;
use super::instrument::STEP;
use super::meter;
use super::values::{Drawing, Hand, Latent, Time, wrong};
use crate::worker::rehearsing;

/// What a verb is about: its heading in lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Latents: from seeds, files, or made by hand.
    Points,
    /// Latents on the way between others.
    Walks,
    /// Other latents made from one.
    Changes,
    /// What is done to the noise of textures.
    Textures,
    /// W, layers, directions, noise and maps of StyleGAN2.
    Styles,
    /// Whole frames: one picture or several, placed and joined.
    Frames,
    /// What is drawn in a frame.
    Marks,
    /// Where the next marks go, and what they look like.
    Pen,
    /// Colours by numbers, and palettes.
    Colours,
    /// Random numbers from a seed.
    Randomness,
    /// Phases and counts from the time.
    Time,
    /// What hands do: knobs, values, hits, notes.
    Hand,
    /// Other ways from 0 to 1 than the straight one.
    Easing,
    /// Arithmetic.
    Numbers,
}

/// One verb.
pub struct Verb {
    /// Name, as sketches call it.
    pub name: &'static str,
    /// What it is about.
    pub group: Group,
    /// Its arguments in order, with what each is when it is left out.
    pub args: &'static [Arg],
    /// One sentence.
    pub says: &'static str,
    /// One line that runs.
    pub example: &'static str,
    run: fn(&Call) -> Result<Value, Wrong>,
}

/// All verbs, by group.
pub fn all() -> impl Iterator<Item = &'static Verb> {
    let drawing = drawing::VERBS.iter().chain(forms::VERBS).chain(colours::VERBS).chain(chance::VERBS);
    latents::VERBS.iter().chain(textures::VERBS).chain(styles::VERBS).chain(drawing).chain(numbers::VERBS)
}

/// Fields of the time, which are no calls.
pub const FIELDS: [(&str, &str); 7] = [
    ("t.secs", "Seconds of the walk."),
    ("t.dt", "Seconds since the last frame."),
    ("t.frame", "Frames since the start."),
    ("t.beat", "Beats since the start, with fractions."),
    ("t.bar", "Bars of four beats since the start, with fractions."),
    ("t.bpm", "Beats a minute."),
    ("t.critic", "The critic's score of what is shown, smoothed: higher is more like the data. It has no unit."),
];

const fn arg(name: &'static str, min: f64, max: f64, bare: f64) -> Arg {
    Arg { name, kind: Kind::Number { min, max }, bare: Bare::Number(bare) }
}

const fn latent(name: &'static str, seed: u32) -> Arg {
    Arg { name, kind: Kind::Latent, bare: Bare::Seed(seed) }
}

const fn latents(name: &'static str, count: u32) -> Arg {
    Arg { name, kind: Kind::Latents, bare: Bare::Seeds(count) }
}

const fn numbers(name: &'static str) -> Arg {
    Arg { name, kind: Kind::Numbers, bare: Bare::Nothing }
}

const fn text(name: &'static str, bare: &'static str) -> Arg {
    Arg { name, kind: Kind::Text, bare: Bare::Text(bare) }
}

const fn colour() -> Arg {
    Arg { name: "colour", kind: Kind::Colour, bare: Bare::Nothing }
}

const fn points() -> Arg {
    Arg { name: "points", kind: Kind::Points, bare: Bare::Nothing }
}

const fn list(name: &'static str) -> Arg {
    Arg { name, kind: Kind::List, bare: Bare::Nothing }
}

const fn function() -> Arg {
    Arg { name: "f", kind: Kind::Function, bare: Bare::Nothing }
}

const fn receiver(name: &'static str, kind: Kind) -> Arg {
    Arg { name, kind, bare: Bare::Nothing }
}

/// A phase: any number, of which the verb takes what it needs.
const fn phase() -> Arg {
    arg("phase", -1e12, 1e12, 0.0)
}

fn give_latent(latent: impl Into<Latent>) -> Result<Value, Wrong> {
    Value::new(latent.into()).map_err(|e| e.to_string())
}

fn give_number(v: f64) -> Result<Value, Wrong> {
    Ok(Value::from(v))
}

impl Verb {
    /// Whether it is called on something, and on what.
    fn on(&self) -> Option<Kind> {
        self.args
            .first()
            .map(|a| a.kind)
            .filter(|k| matches!(k, Kind::Drawing | Kind::Time | Kind::Hand | Kind::Random | Kind::Palette))
    }

    /// As it is written in a list: `lerp(a = seed(0), b = seed(1), t 0..1 = 0.5)`.
    pub fn signature(&self) -> String {
        let (before, args) = match self.on() {
            Some(_) => (format!("{}.", self.args[0].name), &self.args[1..]),
            None => (String::new(), self.args),
        };
        let args: Vec<String> = args.iter().map(Arg::described).collect();
        format!("{before}{}({})", self.name, args.join(", "))
    }

    fn call(&self, values: &[Value], env: &Env) -> VmResult<Value> {
        if values.len() > self.args.len() {
            let text = format!("{}: {} arguments, and it takes {}", self.signature(), values.len(), self.args.len());
            return wrong(text);
        }
        let marks = matches!(self.group, Group::Marks | Group::Pen);
        let drawing = values.first().filter(|_| marks).and_then(|value| value.borrow_ref::<Drawing>().ok());
        let units = drawing.map_or(1.0, |drawing| drawing.pen.units());
        let call = Call { verb: self.name, args: self.args, values, env, units };
        match call.charge(1).and_then(|()| (self.run)(&call)) {
            Ok(value) => VmResult::Ok(value),
            Err(text) => wrong(text),
        }
    }
}

impl Arg {
    fn described(&self) -> String {
        let bound = |v: f64| if v.abs() >= 1e6 { String::new() } else { format!("{v}") };
        let bare = match (self.bare, self.kind) {
            (Bare::Number(v), _) => format!(" = {v}"),
            (Bare::Seed(n), _) => format!(" = seed({n})"),
            (Bare::Seeds(n), _) => format!(" = seeds 0 to {}", n.saturating_sub(1)),
            (Bare::Zeros, _) => " = zeros()".into(),
            (Bare::Text(text), _) => format!(" = \"{text}\""),
            (Bare::Nothing, Kind::Colour) => " = white".into(),
            (Bare::Nothing, _) => String::new(),
        };
        match self.kind {
            Kind::Number { min, max } if min.abs() < 1e6 || max.abs() < 1e6 => {
                format!("{} {}..{}{bare}", self.name, bound(min), bound(max))
            }
            _ => format!("{}{bare}", self.name),
        }
    }
}

/// Registers every verb: those on latents and drawings as functions and as methods.
///
/// # Errors
/// Only if two verbs share a name, which a test would see.
pub fn install(module: &mut Module, env: &Env) -> Result<(), ContextError> {
    for verb in all() {
        let env = env.clone();
        let run = move |memory: &mut dyn Memory, addr: InstAddress, args: usize, out: Output| {
            let value = match memory.slice_at(addr, args) {
                Ok(values) => rune::vm_try!(verb.call(values, &env)),
                Err(error) => return VmResult::err(error),
            };
            rune::vm_try!(out.store(memory, value));
            VmResult::Ok(())
        };
        match verb.args.first().map(|a| a.kind) {
            Some(Kind::Time) => module.raw_function(verb.name, run).build_associated::<Time>()?,
            Some(Kind::Hand) => module.raw_function(verb.name, run).build_associated::<Hand>()?,
            Some(Kind::Drawing) => module.raw_function(verb.name, run).build_associated::<Drawing>()?,
            Some(Kind::Random) => module.raw_function(verb.name, run).build_associated::<Random>()?,
            Some(Kind::Palette) => module.raw_function(verb.name, run).build_associated::<Palette>()?,
            Some(Kind::LatentOrDrawing) => {
                module.raw_function(verb.name, run.clone()).build_associated::<Drawing>()?;
                module.raw_function(verb.name, run.clone()).build_associated::<Latent>()?;
                module.raw_function(verb.name, run).build()?
            }
            Some(Kind::Latent | Kind::Any) => {
                module.raw_function(verb.name, run.clone()).build_associated::<Latent>()?;
                module.raw_function(verb.name, run).build()?
            }
            _ => module.raw_function(verb.name, run).build()?,
        };
    }
    let env = env.clone();
    module.field_function(&Protocol::GET, "critic", move |_: &Time| {
        let mut inside = env.lock();
        inside.eye.wants_score = true;
        inside.eye.score
    })?;
    module.function(STEP, step).build()?;
    if rehearsing() {
        module.function("rehearse_panic", rehearse_panic).build()?;
        module.function("rehearse_abort", || -> f64 { std::process::abort() }).build()?;
    }
    Ok(())
}

/// What stands at the beginning of every body.
fn step(source: i64, offset: i64) -> VmResult<()> {
    match meter::step(source as usize, offset as usize) {
        Ok(()) => VmResult::Ok(()),
        Err(text) => wrong(text.to_owned()),
    }
}

fn rehearse_panic() -> f64 {
    panic!("a rehearsed panic")
}

/// The verb that was probably meant by a name that is none.
pub fn meant(name: &str) -> Option<&'static Verb> {
    let distance = |verb: &Verb| strsim::damerau_levenshtein(name, verb.name);
    let best = all().min_by_key(|verb| distance(verb))?;
    let near = distance(best) <= (name.chars().count() / 3).max(1);
    if near { Some(best) } else { all().find(|verb| name.len() > 3 && verb.name.starts_with(name)) }
}

/// The table as docs/verbs.md holds it.
pub fn markdown() -> String {
    let mut out = String::new();
    let mut verbs: Vec<&Verb> = all().collect();
    verbs.sort_by_key(|verb| verb.group);
    let mut group = None;
    for verb in verbs {
        if group != Some(verb.group) {
            group = Some(verb.group);
            out += &format!("\n| {:?} | |\n|---|---|\n", verb.group);
            if verb.group == Group::Time {
                FIELDS.iter().for_each(|(name, says)| out += &format!("| `{name}` | {says} |\n"));
            }
        }
        // A bar would end the table's cell.
        let example = verb.example.replace('|', "\\|");
        out += &format!("| `{}` | {} `{example}` |\n", verb.signature(), verb.says);
    }
    out
}
