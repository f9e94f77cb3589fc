//! What a script holds in its hands: latents, drawings, ways, the time and the hand; and arithmetic on latents.

use rune::runtime::{Protocol, VmError, VmResult};
use rune::{Any, ContextError, Module, Value};

use super::meter;
use crate::clock::Tick;
use crate::latent::Z;
use crate::latent::pose::Pose;

/// A latent vector.
#[derive(Any, Clone, Debug, PartialEq)]
#[rune(item = ::flaneur)]
pub struct Latent {
    pub z: Z,
}

/// A frame in the making.
#[derive(Any, Clone, Debug, PartialEq)]
#[rune(item = ::flaneur)]
pub struct Drawing {
    pub pose: Pose,
}

/// Points to be walked at an even visual speed.
#[derive(Any, Clone, Debug, PartialEq)]
#[rune(item = ::flaneur)]
pub struct Way {
    pub points: Vec<Z>,
}

/// The time of a frame.
#[derive(Any, Clone, Copy, Debug)]
#[rune(item = ::flaneur)]
pub struct Time {
    #[rune(get)]
    pub secs: f64,
    #[rune(get)]
    pub dt: f64,
    #[rune(get)]
    pub frame: i64,
    #[rune(get)]
    pub beat: f64,
    #[rune(get)]
    pub bar: f64,
    #[rune(get)]
    pub bpm: f64,
    pub tick: Tick,
}

impl From<Tick> for Time {
    fn from(tick: Tick) -> Self {
        let Tick { frame, secs, dt, beat, bpm, .. } = tick;
        Self { secs, dt, frame: frame as i64, beat, bar: tick.bar(), bpm, tick }
    }
}

/// The hand: knobs and triggers by name. What it knows stands in the environment of the verbs.
#[derive(Any, Clone, Copy, Debug)]
#[rune(item = ::flaneur)]
pub struct Hand {}

/// A number, whole or not.
pub fn number(value: &Value) -> Option<f64> {
    value
        .as_float()
        .ok()
        .or_else(|| value.as_signed().ok().map(|v| v as f64))
        .or_else(|| value.as_unsigned().ok().map(|v| v as f64))
}

/// An error with a sentence for the person who wrote the script.
pub fn wrong<T>(text: String) -> VmResult<T> {
    VmResult::Err(VmError::panic(text))
}

/// The right side of an operator: a latent, or a number for all dimensions.
enum Other {
    Each(Z),
    All(f64),
}

fn other(value: &Value, len: usize, op: &str) -> Result<Other, String> {
    if let Some(v) = number(value) {
        return Ok(Other::All(v));
    }
    let latent = value.borrow_ref::<Latent>().map_err(|_| {
        format!("a latent {op} something that is neither a latent nor a number ({})", value.type_info())
    })?;
    match latent.z.len() == len {
        true => Ok(Other::Each(latent.z.clone())),
        false => Err(format!("a latent of {len} dimensions {op} one of {}", latent.z.len())),
    }
}

fn apply(z: &[f64], value: &Value, op: &str, f: fn(f64, f64) -> f64) -> Result<Z, String> {
    meter::work(4 + z.len() / 16)?;
    Ok(match other(value, z.len(), op)? {
        Other::Each(b) => z.iter().zip(b).map(|(a, b)| f(*a, b)).collect(),
        Other::All(b) => z.iter().map(|a| f(*a, b)).collect(),
    })
}

fn index(value: &Value, len: usize) -> Result<usize, String> {
    let at = number(value).ok_or("a dimension is a whole number")?;
    match at >= 0.0 && at < len as f64 {
        true => Ok(at as usize),
        false => Err(format!("there is no dimension {at}; this latent has 0 to {}", len.saturating_sub(1))),
    }
}

/// An operator's protocols (plain, and the one that assigns), its sign, and what it does to two numbers.
type Operator = (&'static Protocol, &'static Protocol, &'static str, fn(f64, f64) -> f64);

/// Registers the types, their fields and operators.
///
/// # Errors
/// Only if the script engine refuses a name, which a test would see.
pub fn install(module: &mut Module) -> Result<(), ContextError> {
    module.ty::<Latent>()?;
    module.ty::<Drawing>()?;
    module.ty::<Way>()?;
    module.ty::<Time>()?;
    module.ty::<Hand>()?;
    let ops: [Operator; 4] = [
        (&Protocol::ADD, &Protocol::ADD_ASSIGN, "+", |a, b| a + b),
        (&Protocol::SUB, &Protocol::SUB_ASSIGN, "-", |a, b| a - b),
        (&Protocol::MUL, &Protocol::MUL_ASSIGN, "*", |a, b| a * b),
        (&Protocol::DIV, &Protocol::DIV_ASSIGN, "/", |a, b| a / b),
    ];
    for (plain, assign, op, f) in ops {
        module.associated_function(plain, move |a: &Latent, b: Value| match apply(&a.z, &b, op, f) {
            Ok(z) => VmResult::Ok(Latent { z }),
            Err(text) => wrong(text),
        })?;
        module.associated_function(assign, move |a: &mut Latent, b: Value| match apply(&a.z, &b, op, f) {
            Ok(z) => {
                a.z = z;
                VmResult::Ok(())
            }
            Err(text) => wrong(text),
        })?;
    }
    module.associated_function(&Protocol::INDEX_GET, |a: &Latent, i: Value| match index(&i, a.z.len()) {
        Ok(i) => VmResult::Ok(a.z[i]),
        Err(text) => wrong(text),
    })?;
    module.associated_function(&Protocol::INDEX_SET, |a: &mut Latent, i: Value, v: Value| {
        match (index(&i, a.z.len()), number(&v)) {
            (Ok(i), Some(v)) => {
                a.z[i] = v;
                VmResult::Ok(())
            }
            (Err(text), _) => wrong(text),
            (_, None) => wrong("a dimension takes a number".into()),
        }
    })?;
    module.associated_function(&Protocol::CLONE, |a: &Latent| a.clone())?;
    Ok(())
}
