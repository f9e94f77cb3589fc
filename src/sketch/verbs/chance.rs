//! Verbs on randomness: `r` in a drawing sketch, or `randomness(seed)` anywhere.

use rune::Value;
use rune::runtime::Vec as List;

use super::super::call::{Call, Kind, Wrong};
use super::super::chance::Random;
use super::super::colours::Palette;
use super::{Arg, Group, Verb, arg, give_number, list, receiver};

const R: Arg = receiver("r", Kind::Random);
const FAR: f64 = 1e12;

/// Two numbers in order.
fn bounds(c: &Call) -> Result<(f64, f64), Wrong> {
    let (a, b) = (c.exact(1)?, c.exact(2)?);
    match a <= b {
        true => Ok((a, b)),
        false => Err(format!("{}({a}, {b}): the first number is the smaller one", c.verb)),
    }
}

fn whole(c: &Call) -> Result<Value, Wrong> {
    let (a, b) = bounds(c)?;
    let (low, high) = (a.ceil(), b.floor());
    if low > high || low.abs() > FAR || high.abs() > FAR {
        return Err(format!("whole({a}, {b}): there is no whole number to pick between these"));
    }
    let count = (high - low) as usize + 1;
    Ok(Value::from(low as i64 + c.random(|r| Ok(r.below(count)))? as i64))
}

/// What `pick` and `shuffle` choose from: a list, the colours of a palette, or 0 and 1.
fn choices(c: &Call) -> Result<Vec<Value>, Wrong> {
    if !c.given(1) {
        return Ok(vec![Value::from(0_i64), Value::from(1_i64)]);
    }
    if let Some(palette) = c.values.get(1).and_then(|v| v.borrow_ref::<Palette>().ok()) {
        return palette.colours.iter().map(|colour| super::colours::value(*colour)).collect();
    }
    c.list(1)
}

pub const VERBS: &[Verb] = &[
    Verb {
        name: "randomness",
        group: Group::Randomness,
        args: &[arg("seed", 0.0, 4_294_967_295.0, 0.0)],
        says: "A stream of random numbers from a seed; a drawing sketch has one as r.",
        example: "seed(randomness(t.count(4)).whole(1, 6))",
        run: |c| Value::new(Random::new(c.seed(0)?)).map_err(|e| e.to_string()),
    },
    Verb {
        name: "uniform",
        group: Group::Randomness,
        args: &[R, arg("a", -FAR, FAR, 0.0), arg("b", -FAR, FAR, 1.0)],
        says: "A number from a up to b, all alike.",
        example: "randomness(7).uniform(-1, 1)",
        run: |c| {
            let (a, b) = bounds(c)?;
            give_number(a + c.random(|r| Ok(r.share()))? * (b - a))
        },
    },
    Verb {
        name: "whole",
        group: Group::Randomness,
        args: &[R, arg("a", -FAR, FAR, 0.0), arg("b", -FAR, FAR, 9.0)],
        says: "A whole number from a to b, both included, all alike.",
        example: "randomness(7).whole(1, 6)",
        run: whole,
    },
    Verb {
        name: "normal",
        group: Group::Randomness,
        args: &[R, arg("mean", -FAR, FAR, 0.0), arg("sd", 0.0, FAR, 1.0)],
        says: "A normal number with this mean and standard deviation.",
        example: "randomness(7).normal(0.5, 0.1)",
        run: |c| {
            let (mean, sd) = (c.exact(1)?, c.exact(2)?);
            if sd < 0.0 {
                return Err(format!("normal({mean}, {sd}): a standard deviation is 0 or more"));
            }
            give_number(sd * c.random(|r| Ok(r.normal()))? + mean)
        },
    },
    Verb {
        name: "chance",
        group: Group::Randomness,
        args: &[R, arg("p", 0.0, 1.0, 0.5)],
        says: "True with this probability.",
        example: "if randomness(t.count(1)).chance(0.3) { seed(1) } else { seed(2) }",
        run: |c| {
            let p = c.exact(1)?;
            if !(0.0..=1.0).contains(&p) {
                return Err(format!("chance({p}): a probability is 0 to 1"));
            }
            Ok(Value::from(c.random(|r| Ok(r.share()))? < p))
        },
    },
    Verb {
        name: "pick",
        group: Group::Randomness,
        args: &[R, list("list")],
        says: "One of a list or of a palette, all alike.",
        example: "seed(randomness(7).pick([3, 5, 8]))",
        run: |c| {
            let choices = choices(c)?;
            if choices.is_empty() {
                return Err("pick: the list is empty; give it at least one thing".into());
            }
            let at = c.random(|r| Ok(r.below(choices.len())))?;
            Ok(choices[at.min(choices.len() - 1)].clone())
        },
    },
    Verb {
        name: "shuffle",
        group: Group::Randomness,
        args: &[R, list("list")],
        says: "A list in random order; the one that was given stays as it is.",
        example: "seed(randomness(7).shuffle([3, 5, 8])[0])",
        run: |c| {
            let choices = choices(c)?;
            let order = c.random(|r| Ok(r.order(choices.len())))?;
            let mut out = List::new();
            for at in order {
                out.push(choices[at].clone()).map_err(|e| e.to_string())?;
            }
            Value::new(out).map_err(|e| e.to_string())
        },
    },
    Verb {
        name: "angle",
        group: Group::Randomness,
        args: &[R],
        says: "An angle of a whole turn, in radians.",
        example: "draw().rotate(randomness(7).angle(), 0.5, 0.5).rect(0.4, 0.4, 0.2, 0.2)",
        run: |c| give_number(std::f64::consts::TAU * c.random(|r| Ok(r.share()))?),
    },
];
