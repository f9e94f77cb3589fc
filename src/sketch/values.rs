//! What a script holds in its hands: latents, drawings, ways, the time and the hand; and arithmetic on latents.

use rune::runtime::{Protocol, VmError, VmResult};
use rune::{Any, ContextError, Module, Value};

use super::chance::Random;
use super::colours::Palette;
use super::env::Env;
use super::meter;
use super::pen::Pen;
use crate::clock::Tick;
use crate::latent::Z;
use crate::latent::pose::{Point, Pose};
use crate::latent::space;
use crate::latent::texture::{Manner, SCORES};

/// A latent: z, its blend of classes where it has one of its own, `[classes]`, and of a texture how it is drawn.
#[derive(Any, Clone, Debug, PartialEq)]
#[rune(item = ::flaneur)]
pub struct Latent {
    pub z: Z,
    /// Between operations its numbers need not add up to 1: they take part in sums and products as z does.
    pub class: Vec<f64>,
    /// How a texture is drawn; as usual for all other models.
    pub manner: Manner,
}

impl From<Z> for Latent {
    fn from(z: Z) -> Self {
        Self { z, class: Vec::new(), manner: Manner::default() }
    }
}

impl Latent {
    /// The latent for the model that is at work: one that was made for another comes over.
    pub fn here(&self, env: &Env) -> Self {
        let (dim, classes) = env.lens();
        let z = if self.z.len() == dim { self.z.clone() } else { space::adapted(&self.z, dim) };
        let class = if self.class.len() == classes { self.class.clone() } else { Vec::new() };
        Self { z, class, manner: self.manner.clone() }
    }

    /// z with the numbers of its classes behind it.
    pub fn joined(&self) -> Z {
        [self.z.as_slice(), &self.class].concat()
    }

    /// As a pose holds it.
    pub fn narrow(&self) -> Point {
        let narrow = |v: &[f64]| v.iter().map(|v| *v as f32).collect();
        let manner = self.manner.numbers(self.z.len() / SCORES);
        Point { z: narrow(&self.z), class: narrow(&space::whole(&self.class)), manner }
    }
}

/// A frame in the making.
#[derive(Any, Clone, Debug, PartialEq)]
#[rune(item = ::flaneur)]
pub struct Drawing {
    pub pose: Pose,
    /// Where the next marks go, and what they look like.
    pub pen: Pen,
}

/// Points to be walked at an even visual speed.
#[derive(Any, Clone, Debug, PartialEq)]
#[rune(item = ::flaneur)]
pub struct Way {
    pub points: Vec<Latent>,
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

/// What an operator does to two numbers, and to the blends of two latents that both have one.
#[derive(Clone, Copy)]
struct Operation {
    sign: &'static str,
    f: fn(f64, f64) -> f64,
    /// Sums are sums of the blends too: weighted ones come out as blends with these weights. A product of latents keeps
    /// the blend of the left one.
    sum: bool,
}

impl Operation {
    fn apply(self, a: &Latent, value: &Value, env: &Env) -> Result<Latent, String> {
        let Latent { z, class, manner } = a.here(env);
        meter::work(4 + z.len() / 16)?;
        let (f, sign) = (self.f, self.sign);
        if let Some(b) = number(value) {
            // z + 1 has the classes of z.
            let class = if self.sum { class } else { class.iter().map(|v| f(*v, b)).collect() };
            return Ok(Latent { z: z.iter().map(|a| f(*a, b)).collect(), class, manner });
        }
        let b = value.borrow_ref::<Latent>().map_err(|_| {
            format!("a latent {sign} something that is neither a latent nor a number ({})", value.type_info())
        })?;
        let b = b.here(env);
        let class = match (class.is_empty(), b.class.is_empty()) {
            (true, _) => b.class,
            (false, false) if self.sum => class.iter().zip(&b.class).map(|(a, b)| f(*a, *b)).collect(),
            (false, _) => class,
        };
        // How it is drawn is that of the left one, if it has said so.
        let manner = if manner.is_usual() { b.manner } else { manner };
        Ok(Latent { z: z.iter().zip(&b.z).map(|(a, b)| f(*a, *b)).collect(), class, manner })
    }
}

fn index(value: &Value, len: usize) -> Result<usize, String> {
    let at = number(value).ok_or("a dimension is a whole number")?;
    match at >= 0.0 && at < len as f64 {
        true => Ok(at as usize),
        false => Err(format!("there is no dimension {at}; this latent has 0 to {}", len.saturating_sub(1))),
    }
}

/// An operator's protocols (plain, and the one that assigns), and what it does.
type Operator = (&'static Protocol, &'static Protocol, Operation);

/// Registers the types, their fields and operators.
///
/// # Errors
/// Only if the script engine refuses a name, which a test would see.
pub fn install(module: &mut Module, env: &Env) -> Result<(), ContextError> {
    module.ty::<Latent>()?;
    module.ty::<Drawing>()?;
    module.ty::<Way>()?;
    module.ty::<Time>()?;
    module.ty::<Hand>()?;
    module.ty::<Random>()?;
    module.ty::<Palette>()?;
    let ops: [Operator; 4] = [
        (&Protocol::ADD, &Protocol::ADD_ASSIGN, Operation { sign: "+", f: |a, b| a + b, sum: true }),
        (&Protocol::SUB, &Protocol::SUB_ASSIGN, Operation { sign: "-", f: |a, b| a - b, sum: true }),
        (&Protocol::MUL, &Protocol::MUL_ASSIGN, Operation { sign: "*", f: |a, b| a * b, sum: false }),
        (&Protocol::DIV, &Protocol::DIV_ASSIGN, Operation { sign: "/", f: |a, b| a / b, sum: false }),
    ];
    for (plain, assign, operation) in ops {
        let (here, there) = (env.clone(), env.clone());
        module.associated_function(plain, move |a: &Latent, b: Value| match operation.apply(a, &b, &here) {
            Ok(latent) => VmResult::Ok(latent),
            Err(text) => wrong(text),
        })?;
        module.associated_function(assign, move |a: &mut Latent, b: Value| match operation.apply(a, &b, &there) {
            Ok(latent) => {
                *a = latent;
                VmResult::Ok(())
            }
            Err(text) => wrong(text),
        })?;
    }
    let (here, there) = (env.clone(), env.clone());
    module.associated_function(&Protocol::INDEX_GET, move |a: &Latent, i: Value| match index(&i, here.dim()) {
        Ok(i) if a.z.len() == here.dim() => VmResult::Ok(a.z[i]),
        Ok(i) => VmResult::Ok(a.here(&here).z[i]),
        Err(text) => wrong(text),
    })?;
    module.associated_function(&Protocol::INDEX_SET, move |a: &mut Latent, i: Value, v: Value| {
        match (index(&i, there.dim()), number(&v)) {
            (Ok(i), Some(v)) => {
                if a.z.len() != there.dim() {
                    // It is one of this model from now on: what is set next does not change how it goes on.
                    *a = a.here(&there);
                }
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
