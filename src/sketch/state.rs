//! A sketch's state: copied deeply for a trial, brought up to date after a reload, measured.

use rune::Value;
use rune::runtime::{Object, OwnedTuple, Vec as List};

use super::values::{Drawing, Latent, Time, Way};

/// Deepest state that is looked into.
const DEEPEST: usize = 64;
/// Most values a state may hold: a sketch that collects for weeks would fill the memory.
pub const MOST_VALUES: usize = 200_000;

fn text(value: &Value) -> Option<Value> {
    let text = value.borrow_string_ref().ok()?.to_owned();
    rune::to_value(text).ok()
}

/// A copy that shares nothing; `None` where something in it cannot be copied (a generator, a function), or where it
/// would hold more than [`MOST_VALUES`]: lists that hold each other double with every level.
pub fn copy(value: &Value) -> Option<Value> {
    copied(value, 0, &mut { MOST_VALUES })
}

fn copied(value: &Value, depth: usize, left: &mut usize) -> Option<Value> {
    *left = left.checked_sub(1)?;
    if depth > DEEPEST {
        return None;
    }
    if let Some(plain) = plain(value) {
        return Some(plain);
    }
    if let Ok(latent) = value.borrow_ref::<Latent>() {
        *left = left.checked_sub(latent.weight())?;
        return Value::new(latent.clone()).ok();
    }
    if let Ok(object) = value.borrow_ref::<Object>() {
        let mut out = Object::new();
        for (key, inner) in object.iter() {
            out.insert(rune::alloc::String::try_from(key.as_str()).ok()?, copied(inner, depth + 1, left)?).ok()?;
        }
        return Value::new(out).ok();
    }
    if let Ok(list) = value.borrow_ref::<List>() {
        let mut out = List::with_capacity(list.len()).ok()?;
        for inner in list.iter() {
            out.push(copied(inner, depth + 1, left)?).ok()?;
        }
        return Value::new(out).ok();
    }
    if let Ok(tuple) = value.borrow_tuple_ref() {
        let mut out = rune::alloc::Vec::new();
        for inner in tuple.iter() {
            out.try_push(copied(inner, depth + 1, left)?).ok()?;
        }
        return Value::new(OwnedTuple::try_from(out).ok()?).ok();
    }
    if let Ok(way) = value.borrow_ref::<Way>() {
        return Value::new(way.clone()).ok();
    }
    if let Ok(drawing) = value.borrow_ref::<Drawing>() {
        return Value::new(drawing.clone()).ok();
    }
    if let Ok(time) = value.borrow_ref::<Time>() {
        return Value::new(*time).ok();
    }
    text(value)
}

/// Numbers, truth values, characters and () are copied by being cloned.
fn plain(value: &Value) -> Option<Value> {
    let inline = value.as_float().is_ok()
        || value.as_signed().is_ok()
        || value.as_unsigned().is_ok()
        || value.as_bool().is_ok()
        || value.as_char().is_ok()
        || value.into_unit().is_ok();
    inline.then(|| value.clone())
}

/// Adds to an object what a fresh one has and it lacks: a field that a sketch's `setup` gained.
pub fn fill_up(old: &Value, fresh: &Value) {
    let (Ok(mut old), Ok(fresh)) = (old.borrow_mut::<Object>(), fresh.borrow_ref::<Object>()) else { return };
    for (key, value) in fresh.iter() {
        if !old.contains_key(key.as_str())
            && let Ok(key) = rune::alloc::String::try_from(key.as_str())
        {
            // Out of memory here leaves the field out, and the trial frame will say so.
            let _ = old.insert(key, value.clone());
        }
    }
}

/// How many values it holds, counted no further than [`MOST_VALUES`] and [`DEEPEST`].
pub fn size(value: &Value) -> usize {
    fn count(value: &Value, depth: usize, sum: &mut usize) {
        *sum += 1;
        if depth > DEEPEST {
            // Deeper states are dropped by recursion, which has an end.
            *sum = MOST_VALUES + 1;
        }
        if *sum > MOST_VALUES {
            return;
        }
        if let Ok(object) = value.borrow_ref::<Object>() {
            object.values().for_each(|inner| count(inner, depth + 1, sum));
        } else if let Ok(list) = value.borrow_ref::<List>() {
            list.iter().take(MOST_VALUES).for_each(|inner| {
                if *sum <= MOST_VALUES {
                    count(inner, depth + 1, sum);
                }
            });
        } else if let Ok(latent) = value.borrow_ref::<Latent>() {
            *sum += latent.z.len() / 8 + latent.weight();
        } else if let Ok(text) = value.borrow_string_ref() {
            *sum += text.len() / 64;
        }
    }
    let mut sum = 0;
    count(value, 0, &mut sum);
    sum
}
