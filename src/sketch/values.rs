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
use crate::latent::manner::Manner;
use crate::latent::pose::{Point, Pose};
use crate::latent::space;

/// Steps that mapping a z costs: it takes a millisecond at most.
const MAPPING: usize = 1000;

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
        let mut manner = self.manner.clone();
        env.bring(&mut manner);
        Self { z, class, manner }
    }

    /// Whether it is a point of W.
    pub fn in_w(&self) -> bool {
        !self.manner.style.w.is_empty()
    }

    /// Makes it a point of W: of one that is none yet, what the model maps its z to. Nothing where it has no mapping.
    ///
    /// # Errors
    /// If the frame has taken too many steps.
    pub fn map_to_w(&mut self, env: &Env) -> Result<(), String> {
        if !self.in_w() && env.w_dim() > 0 {
            meter::work(MAPPING)?;
            self.manner.style.w = env.mapped(&self.z, &self.class);
            self.manner.style.of = Some(env.lock().space.model);
        }
        Ok(())
    }

    /// Changes its numbers: those of w where it is a point of W, layer by layer, else those of z.
    ///
    /// # Errors
    /// Those of the change, or if the frame has taken too many steps.
    pub fn change(&mut self, env: &Env, mut f: impl FnMut(&mut Z) -> Result<(), String>) -> Result<(), String> {
        let dim = env.w_dim();
        if !self.in_w() || dim == 0 {
            return f(&mut self.z);
        }
        for part in self.manner.style.w.chunks_mut(dim) {
            meter::work(4 + part.len() / 16)?;
            let mut own = part.to_vec();
            f(&mut own)?;
            own.resize(part.len(), 0.0);
            part.copy_from_slice(&own);
        }
        Ok(())
    }

    /// The numbers that people see: those of w, of its first layer, or of z.
    pub fn numbers(&self, env: &Env) -> &[f64] {
        let w = &self.manner.style.w;
        if w.is_empty() { &self.z } else { &w[..env.w_dim().clamp(1, w.len())] }
    }

    /// How many values it counts for, beside z: a w for each layer is large.
    pub fn weight(&self) -> usize {
        self.manner.style.w.len() / 16
    }

    /// z with the numbers of its classes behind it; of a point of W all that its picture is drawn from, with the show's
    /// blend of classes where it has none.
    pub fn measured(&self, blend: &[f64]) -> Z {
        if !self.in_w() {
            return self.joined();
        }
        let class = if self.class.is_empty() { blend } else { &self.class };
        [&self.z, class, &self.manner.style.flat()].concat()
    }

    /// z with the numbers of its classes behind it.
    pub fn joined(&self) -> Z {
        [self.z.as_slice(), &self.class].concat()
    }

    /// As a pose holds it.
    pub fn narrow(&self) -> Point {
        let narrow = |v: &[f64]| v.iter().map(|v| *v as f32).collect();
        let manner = self.manner.numbers(self.z.len());
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
        let mut a = a.here(env);
        if let Ok(b) = value.borrow_ref::<Latent>()
            && b.in_w()
        {
            a.map_to_w(env)?;
        }
        let Latent { z, class, mut manner } = a;
        meter::work(4 + (z.len() + manner.style.w.len()) / 16)?;
        let (f, sign) = (self.f, self.sign);
        if let Some(b) = number(value) {
            // z + 1 has the classes of z.
            let class = if self.sum { class } else { class.iter().map(|v| f(*v, b)).collect() };
            manner.style.w.iter_mut().for_each(|w| *w = f(*w, b));
            return Ok(Latent { z: z.iter().map(|a| f(*a, b)).collect(), class, manner });
        }
        let b = value.borrow_ref::<Latent>().map_err(|_| {
            format!("a latent {sign} something that is neither a latent nor a number ({})", value.type_info())
        })?;
        let mut b = b.here(env);
        if !manner.style.w.is_empty() {
            b.map_to_w(env)?;
        }
        let w = joined(&manner.style.w, &b.manner.style.w, f);
        let class = match (class.is_empty(), b.class.is_empty()) {
            (true, _) => b.class,
            (false, false) if self.sum => class.iter().zip(&b.class).map(|(a, b)| f(*a, *b)).collect(),
            (false, _) => class,
        };
        // How it is drawn is that of the left one, if it has said so.
        manner.style.w.clear();
        let mut manner = if manner.is_usual() { b.manner } else { manner };
        manner.style.w = w;
        Ok(Latent { z: z.iter().zip(&b.z).map(|(a, b)| f(*a, *b)).collect(), class, manner })
    }
}

/// Two w, of which one may be for all layers.
fn joined(a: &[f64], b: &[f64], f: fn(f64, f64) -> f64) -> Vec<f64> {
    if a.is_empty() || b.is_empty() {
        return Vec::new();
    }
    (0..a.len().max(b.len())).map(|i| f(a[i % a.len()], b[i % b.len()])).collect()
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
    module.associated_function(&Protocol::INDEX_GET, move |a: &Latent, i: Value| {
        let a = a.here(&here);
        let numbers = a.numbers(&here);
        match index(&i, numbers.len()) {
            Ok(i) => VmResult::Ok(numbers[i]),
            Err(text) => wrong(text),
        }
    })?;
    module.associated_function(&Protocol::INDEX_SET, move |a: &mut Latent, i: Value, v: Value| {
        // It is one of this model from now on: what is set next does not change how it goes on.
        if a.z.len() != there.dim() || a.in_w() {
            *a = a.here(&there);
        }
        match (index(&i, a.numbers(&there).len()), number(&v)) {
            (Ok(i), Some(v)) => {
                let set = |numbers: &mut Z| {
                    numbers[i] = v;
                    Ok(())
                };
                match a.change(&there, set) {
                    Ok(()) => VmResult::Ok(()),
                    Err(text) => wrong(text),
                }
            }
            (Err(text), _) => wrong(text),
            (_, None) => wrong("a dimension takes a number".into()),
        }
    })?;
    module.associated_function(&Protocol::CLONE, |a: &Latent| a.clone())?;
    Ok(())
}
