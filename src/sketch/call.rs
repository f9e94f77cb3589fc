//! One call of a verb: its arguments read by the verb's own table, with defaults, clamped to their ranges.

use rune::Value;
use rune::runtime::{Function, Vec as List, budget};

use super::chance::Random;
use super::colours::{Palette, named};
use super::env::Env;
use super::meter;
use super::values::{Drawing, Latent, Time, Way, number};
use crate::control::classes;
use crate::latent::pose::{Colour, INK, Pose};
use crate::latent::space;

/// What an argument takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A number within bounds.
    Number {
        min: f64,
        max: f64,
    },
    /// A latent; a number stands for the seed of that number.
    Latent,
    /// A list of latents (or seeds), or a way.
    Latents,
    /// A list of numbers.
    Numbers,
    /// A latent or a number.
    Any,
    Text,
    /// A class: its name, or its number.
    Class,
    Function,
    /// A name, "#rrggbb", a grey 0..1, or a list of three or four numbers 0..1.
    Colour,
    /// A list of points, each a list or a tuple of two numbers.
    Points,
    /// A list of anything, or a palette.
    List,
    /// A latent, or a drawing as the receiver of a method.
    LatentOrDrawing,
    /// The receiver of a method.
    Drawing,
    Time,
    Hand,
    Random,
    Palette,
}

/// What an argument is when it is left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bare {
    Number(f64),
    /// The latent of that seed.
    Seed(u32),
    /// Seeds 0 to n − 1.
    Seeds(u32),
    Zeros,
    Text(&'static str),
    /// White, or an empty list; a function that gives 0.
    Nothing,
}

/// One argument of a verb.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    pub name: &'static str,
    pub kind: Kind,
    pub bare: Bare,
}

/// Most points of one mark.
const MOST_POINTS: usize = 10_000;
/// Points where none are given: a triangle.
const TRIANGLE: [[f64; 2]; 3] = [[0.5, 0.1], [0.9, 0.9], [0.1, 0.9]];

/// Steps that calling a function of the script costs.
const CALL_BACK: usize = 10;

/// A call on its way.
pub struct Call<'a> {
    pub verb: &'static str,
    pub args: &'static [Arg],
    pub values: &'a [Value],
    pub env: &'a Env,
    /// Units of the drawing that the verb is called on: what is left out is a share of the frame in them, too.
    pub units: f64,
}

/// Arguments that are places and lengths in a drawing's units.
const LENGTHS: [&str; 11] = ["x", "y", "w", "h", "x1", "y1", "x2", "y2", "weight", "size", "radius"];

/// What a verb could not do, for the person who wrote the call.
pub type Wrong = String;

impl Call<'_> {
    fn mistaken(&self, i: usize, expected: &str) -> Wrong {
        let found = self.values.get(i).map_or_else(|| "nothing".into(), plain_type);
        // Counted as they were typed: what stands before the point of a method is none of them.
        let method = matches!(self.args.first().map(|arg| arg.kind), Some(Kind::Drawing | Kind::Time | Kind::Hand));
        let at = if method { i.max(1) } else { i + 1 };
        format!("{}: argument {at} ({}) is {found}, and it takes {expected}", self.verb, self.args[i].name)
    }

    /// A number, clamped to its range; one that is not finite is the default.
    ///
    /// # Errors
    /// If it is no number.
    pub fn number(&self, i: usize) -> Result<f64, Wrong> {
        let Arg { name, kind, bare } = self.args[i];
        let units = if LENGTHS.contains(&name) { self.units } else { 1.0 };
        let default = if let Bare::Number(v) = bare { v * units } else { 0.0 };
        let value = match self.values.get(i) {
            None => return Ok(default),
            Some(value) => number(value).ok_or_else(|| self.mistaken(i, "a number"))?,
        };
        let Kind::Number { min, max } = kind else { return Ok(value) };
        Ok(if value.is_finite() { value.clamp(min, max) } else { default })
    }

    /// A whole number, rounded down.
    ///
    /// # Errors
    /// If it is no number.
    pub fn whole(&self, i: usize) -> Result<i64, Wrong> {
        Ok(self.number(i)?.floor() as i64)
    }

    /// A seed.
    ///
    /// # Errors
    /// If it is no number.
    pub fn seed(&self, i: usize) -> Result<u32, Wrong> {
        Ok(self.number(i)?.floor().rem_euclid(4_294_967_296.0) as u32)
    }

    /// Whether the argument was given.
    pub fn given(&self, i: usize) -> bool {
        i < self.values.len()
    }

    fn as_latent(&self, value: &Value) -> Option<Latent> {
        if let Ok(latent) = value.borrow_ref::<Latent>() {
            return Some(latent.here(self.env));
        }
        number(value).map(|n| self.env.seed(n.floor().rem_euclid(4_294_967_296.0) as u32).into())
    }

    /// A latent.
    ///
    /// # Errors
    /// If it is neither a latent nor a number.
    pub fn latent(&self, i: usize) -> Result<Latent, Wrong> {
        match (self.values.get(i), self.args[i].bare) {
            (None, Bare::Seed(seed)) => Ok(self.env.seed(seed).into()),
            (None, _) => Ok(vec![0.0; self.env.dim()].into()),
            (Some(value), _) => {
                let latent = self.as_latent(value).ok_or_else(|| self.mistaken(i, "a latent"))?;
                // A w for each layer is twenty times a z to be copied.
                meter::work(latent.weight())?;
                Ok(latent)
            }
        }
    }

    /// A blend of one class alone, or of two neighbours where its number lies between them; numbers count from 0, and
    /// begin anew behind the last class. None where the model has no classes.
    ///
    /// # Errors
    /// If it is no name and no number, or the model has classes and none of that name.
    pub fn class(&self, i: usize) -> Result<Option<Vec<f64>>, Wrong> {
        let mut inside = self.env.lock();
        let space = &inside.space;
        let count = space.classes.len();
        let value = self.values.get(i);
        let found = match value.map_or(Some(0.0), number) {
            Some(_) if count == 0 => None,
            Some(at) => {
                let at = if at.is_finite() { at.rem_euclid(count as f64) } else { 0.0 };
                let (low, share) = (at.floor() as usize, at - at.floor());
                let ends = [space.one(low % count), space.one((low + 1) % count)];
                Some(space::blended(&ends, &[1.0 - share, share]))
            }
            None => {
                let text = value.and_then(|v| v.borrow_string_ref().ok().map(|text| text.to_owned()));
                let name = text.ok_or_else(|| self.mistaken(i, "the name of a class in quotes, or its number"))?;
                match count {
                    0 => None,
                    _ => {
                        let at = classes::find(&space.classes, &name);
                        Some(space.one(at.map_err(|why| format!("{}: {why}", self.verb))?))
                    }
                }
            }
        };
        inside.classless |= found.is_none();
        Ok(found)
    }

    /// A list of latents, and whether they shall be walked evenly.
    ///
    /// # Errors
    /// If it is none of these, is empty, or is longer than 1024.
    pub fn latents(&self, i: usize) -> Result<(Vec<Latent>, bool), Wrong> {
        const LIST: &str = "a list of latents, as in [seed(1), seed(2)]";
        let Some(value) = self.values.get(i) else {
            let count = if let Bare::Seeds(count) = self.args[i].bare { count } else { 0 };
            return Ok(((0..count).map(|s| self.env.seed(s).into()).collect(), false));
        };
        if let Ok(way) = value.borrow_ref::<Way>() {
            meter::work(way.points.iter().map(Latent::weight).sum())?;
            return Ok((way.points.iter().map(|point| point.here(self.env)).collect(), true));
        }
        if let Some(z) = self.as_latent(value) {
            return Ok((vec![z], false));
        }
        let list = value.borrow_ref::<List>().map_err(|_| self.mistaken(i, LIST))?;
        if list.len() > 1024 {
            return Err(format!("{}: {} points; at most 1024", self.verb, list.len()));
        }
        self.charge(list.len())?;
        let points: Option<Vec<Latent>> = list.iter().map(|v| self.as_latent(v)).collect();
        let points = points.ok_or_else(|| self.mistaken(i, LIST))?;
        meter::work(points.iter().map(Latent::weight).sum())?;
        match points.is_empty() {
            true => Err(format!("{}: the list is empty; give it at least one latent", self.verb)),
            false => Ok((points, false)),
        }
    }

    /// A list of numbers.
    ///
    /// # Errors
    /// If it is no list, or something in it is no number.
    pub fn numbers(&self, i: usize) -> Result<Vec<f64>, Wrong> {
        let Some(value) = self.values.get(i) else { return Ok(Vec::new()) };
        let list = value.borrow_ref::<List>().map_err(|_| self.mistaken(i, "a list of numbers"))?;
        let numbers: Option<Vec<f64>> = list.iter().map(number).collect();
        numbers.ok_or_else(|| self.mistaken(i, "a list of numbers"))
    }

    /// A number as it was given.
    ///
    /// # Errors
    /// If it is no number, or none that is finite.
    pub fn exact(&self, i: usize) -> Result<f64, Wrong> {
        let Some(value) = self.values.get(i) else { return self.number(i) };
        let v = number(value).ok_or_else(|| self.mistaken(i, "a number"))?;
        match v.is_finite() {
            true => Ok(v),
            false => Err(format!(
                "{}: argument {} ({}) is {v}, and it takes a number that is finite",
                self.verb, i, self.args[i].name
            )),
        }
    }

    /// A list of points; a triangle where none is given.
    ///
    /// # Errors
    /// If it is no list of points, one of them is not finite, or there are too many.
    pub fn points(&self, i: usize) -> Result<Vec<[f64; 2]>, Wrong> {
        const POINTS: &str = "a list of points, as in [[0.5, 0.1], [0.9, 0.9], [0.1, 0.9]]";
        let Some(value) = self.values.get(i) else { return Ok(TRIANGLE.to_vec()) };
        let list = value.borrow_ref::<List>().map_err(|_| self.mistaken(i, POINTS))?;
        if list.len() > MOST_POINTS {
            return Err(format!("{}: {} points; at most {MOST_POINTS}", self.verb, list.len()));
        }
        meter::work(list.len() * 2)?;
        let mut points = Vec::with_capacity(list.len());
        for (at, value) in list.iter().enumerate() {
            let of = |numbers: &[Value]| match numbers {
                [x, y] => Some([number(x)?, number(y)?]),
                _ => None,
            };
            let point = match value.borrow_ref::<List>() {
                Ok(pair) => of(&pair),
                Err(_) => value.borrow_tuple_ref().ok().and_then(|pair| of(&pair)),
            };
            match point {
                Some(point) if point.iter().all(|v| v.is_finite()) => points.push(point),
                Some([x, y]) => return Err(format!("{}: point {at} of the list is ({x}, {y})", self.verb)),
                None => return Err(format!("{}: point {at} of the list is no pair of numbers: [x, y]", self.verb)),
            }
        }
        Ok(points)
    }

    /// The stream of random numbers a method was called on.
    ///
    /// # Errors
    /// If it was called on something else, or the work fails.
    pub fn random<T>(&self, work: impl FnOnce(&mut Random) -> Result<T, Wrong>) -> Result<T, Wrong> {
        const RANDOM: &str = "randomness: the r of draw(r, i), or randomness(7)";
        let Some(value) = self.values.first() else { return Err(self.mistaken(0, RANDOM)) };
        let mut random = value.borrow_mut::<Random>().map_err(|_| self.mistaken(0, RANDOM))?;
        work(&mut random)
    }

    /// The palette a method was called on.
    ///
    /// # Errors
    /// If it was called on something else.
    pub fn palette(&self) -> Result<Palette, Wrong> {
        let palette = self.values.first().and_then(|v| v.borrow_ref::<Palette>().ok().map(|p| p.clone()));
        palette.ok_or_else(|| self.mistaken(0, "a palette, as in palette([\"red\", \"blue\"])"))
    }

    /// What is in a list; nothing where none is given.
    ///
    /// # Errors
    /// If it is no list.
    pub fn list(&self, i: usize) -> Result<Vec<Value>, Wrong> {
        let Some(value) = self.values.get(i) else { return Ok(Vec::new()) };
        let list = value.borrow_ref::<List>().map_err(|_| self.mistaken(i, "a list, as in [1, 2, 3]"))?;
        meter::work(list.len())?;
        Ok(list.iter().cloned().collect())
    }

    /// A list of colours, or a palette.
    ///
    /// # Errors
    /// If something in it is no colour, or there is none.
    pub fn colours(&self, i: usize) -> Result<Vec<Colour>, Wrong> {
        if let Some(palette) = self.values.get(i).and_then(|v| v.borrow_ref::<Palette>().ok()) {
            return Ok(palette.colours.clone());
        }
        let list = self.list(i)?;
        if list.is_empty() {
            return Err(format!("{}: the list is empty; give it at least one colour", self.verb));
        }
        list.iter().map(|value| colour(value).ok_or_else(|| self.mistaken(i, "a list of colours"))).collect()
    }

    /// A text.
    ///
    /// # Errors
    /// If it is neither a text nor a number.
    pub fn text(&self, i: usize) -> Result<String, Wrong> {
        match (self.values.get(i), self.args[i].bare) {
            (None, Bare::Text(text)) => Ok(text.into()),
            (None, _) => Ok(String::new()),
            (Some(value), _) => match value.borrow_string_ref() {
                Ok(text) => Ok(text.to_owned()),
                // Numbers are written as people write them.
                Err(_) => match number(value) {
                    Some(v) => Ok(format!("{v}")),
                    None => Err(self.mistaken(i, "a text in quotes")),
                },
            },
        }
    }

    /// A function of the script, if one was given.
    ///
    /// # Errors
    /// If it is something else.
    pub fn function(&self, i: usize) -> Result<Option<Function>, Wrong> {
        let Some(value) = self.values.get(i) else { return Ok(None) };
        let function: Result<Function, _> = rune::from_value(value.clone());
        function.map(Some).map_err(|_| self.mistaken(i, "a function, as in |i| 0.5"))
    }

    /// A colour.
    ///
    /// # Errors
    /// If it is none.
    pub fn colour(&self, i: usize) -> Result<Colour, Wrong> {
        const COLOUR: &str = "a colour: a name, \"#ff8800\", a grey 0..1, or [r, g, b]";
        let Some(value) = self.values.get(i) else { return Ok(INK) };
        colour(value).ok_or_else(|| self.mistaken(i, COLOUR))
    }

    /// The time a method was called on.
    ///
    /// # Errors
    /// If it was called on something else.
    pub fn time(&self) -> Result<Time, Wrong> {
        let value = self.values.first().and_then(|v| v.borrow_ref::<Time>().ok().map(|t| *t));
        value.ok_or_else(|| self.mistaken(0, "the time t"))
    }

    /// Works on the drawing a method was called on.
    ///
    /// # Errors
    /// If it was called on something else, or the work fails.
    pub fn draw(&self, work: impl FnOnce(&mut Drawing) -> Result<(), Wrong>) -> Result<Value, Wrong> {
        let Some(value) = self.values.first() else { return Err(self.mistaken(0, "a drawing, from draw()")) };
        let mut drawing = value.borrow_mut::<Drawing>().map_err(|_| self.mistaken(0, "a drawing, from draw()"))?;
        work(&mut drawing)?;
        drop(drawing);
        Ok(value.clone())
    }

    /// A copy of a drawing given as an argument; a latent is its picture.
    ///
    /// # Errors
    /// If it is neither.
    pub fn drawing(&self, i: usize) -> Result<Drawing, Wrong> {
        let value = self.values.get(i).ok_or_else(|| self.mistaken(i, "a drawing or a latent"))?;
        if let Ok(drawing) = value.borrow_ref::<Drawing>() {
            return Ok(drawing.clone());
        }
        let latent = self.as_latent(value).ok_or_else(|| self.mistaken(i, "a drawing or a latent"))?;
        Ok(Drawing::of(Pose::grid(vec![latent.narrow()], 1, 0.0)))
    }

    /// Counts work against the frame's budget: a verb over many dimensions costs more than one instruction of the
    /// script, and the limit has to mean time.
    ///
    /// # Errors
    /// If the budget is used up.
    pub fn charge(&self, vectors: usize) -> Result<(), Wrong> {
        meter::work(vectors * (self.env.dim() / 16 + 4)).map_err(Wrong::from)
    }

    /// Calls a function of the script, within the limits of the frame.
    ///
    /// # Errors
    /// If the function fails, goes too deep, or uses up the budget.
    pub fn back<T: rune::FromValue>(&self, f: &Function, args: impl rune::runtime::GuardedArgs) -> Result<T, Wrong> {
        meter::deep()?;
        meter::work(CALL_BACK)?;
        budget::with(meter::budget(), || f.call(args).into_result()).call().map_err(|e| {
            meter::ended_inside();
            e.to_string()
        })
    }
}

/// A colour of any of its forms.
fn colour(value: &Value) -> Option<Colour> {
    if let Some(v) = number(value) {
        return Some([v as f32, v as f32, v as f32, 1.0]);
    }
    if let Ok(text) = value.borrow_string_ref() {
        return named(&text);
    }
    let list = value.borrow_ref::<List>().ok()?;
    let numbers: Option<Vec<f64>> = list.iter().map(number).collect();
    match numbers?[..] {
        [r, g, b] => Some([r as f32, g as f32, b as f32, 1.0]),
        [r, g, b, a] => Some([r as f32, g as f32, b as f32, a as f32]),
        _ => None,
    }
}

/// A value's type in the words of the verbs.
fn plain_type(value: &Value) -> String {
    let text = value.type_info().to_string();
    match text.as_str() {
        "::flaneur::Latent" => "a latent".into(),
        "::flaneur::Drawing" => "a drawing".into(),
        "::flaneur::Way" => "a way".into(),
        "::flaneur::Time" => "the time".into(),
        "::flaneur::Hand" => "the hand".into(),
        "::flaneur::Random" => "randomness".into(),
        "::flaneur::Palette" => "a palette".into(),
        "::std::string::String" => "a text".into(),
        "::std::vec::Vec" => "a list".into(),
        "::std::f64" | "::std::i64" | "::std::u64" => "a number".into(),
        "::std::tuple::Tuple" | "()" => "nothing, ()".into(),
        other => other.trim_start_matches("::std::").to_owned(),
    }
}
