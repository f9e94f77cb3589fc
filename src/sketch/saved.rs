//! A sketch's state as JSON and back, so that a performance can be played again from where its log begins.
//!
//! Numbers keep their kind and every digit. What has no text (a function, a generator) cannot be saved.

use rune::Value;
use rune::runtime::{Object, OwnedTuple, Vec as List};
use serde_json::{Map, Value as Json, json};

use super::values::{Latent, Way};
use crate::latent::manner::Manner;
use crate::latent::style::Style;
use crate::latent::texture::{self, SCORES};

/// Deepest state that is saved.
const DEEPEST: usize = 64;

/// The state as JSON; none where something in it has no text, or it holds more than `most` values.
pub fn save(value: &Value, most: usize) -> Option<Json> {
    saved(value, 0, &mut { most })
}

fn saved(value: &Value, depth: usize, left: &mut usize) -> Option<Json> {
    *left = left.checked_sub(1)?;
    if depth > DEEPEST {
        return None;
    }
    // Floats as their bits: a text of a float may come back as its neighbour.
    if let Ok(v) = value.as_float() {
        return Some(json!({"f": v.to_bits()}));
    }
    if let Ok(v) = value.as_signed() {
        return Some(json!({"i": v}));
    }
    if let Ok(v) = value.as_unsigned() {
        return Some(json!({"n": v}));
    }
    if let Ok(v) = value.as_bool() {
        return Some(json!(v));
    }
    if let Ok(v) = value.as_char() {
        return Some(json!({"c": v}));
    }
    if value.into_unit().is_ok() {
        return Some(Json::Null);
    }
    if let Ok(latent) = value.borrow_ref::<Latent>() {
        *left = left.checked_sub(latent.weight())?;
        return Some(json!({"z": point(&latent)}));
    }
    if let Ok(way) = value.borrow_ref::<Way>() {
        *left = left.checked_sub(way.points.iter().map(Latent::weight).sum())?;
        return Some(json!({"w": way.points.iter().map(point).collect::<Vec<_>>()}));
    }
    if let Ok(object) = value.borrow_ref::<Object>() {
        let mut out = Map::new();
        for (key, inner) in object.iter() {
            out.insert(key.as_str().to_owned(), saved(inner, depth + 1, left)?);
        }
        return Some(json!({"o": out}));
    }
    if let Ok(list) = value.borrow_ref::<List>() {
        return Some(json!({"v": each(&mut list.iter(), depth, left)?}));
    }
    if let Ok(tuple) = value.borrow_tuple_ref() {
        return Some(json!({"t": each(&mut tuple.iter(), depth, left)?}));
    }
    let text = value.borrow_string_ref().ok()?.to_owned();
    Some(json!(text))
}

fn each(values: &mut dyn Iterator<Item = &Value>, depth: usize, left: &mut usize) -> Option<Vec<Json>> {
    values.map(|inner| saved(inner, depth + 1, left)).collect()
}

/// A latent as the bits of its z; or of z, its classes and its manner, where it has some.
fn point(latent: &Latent) -> Json {
    let bits = |z: &[f64]| z.iter().map(|v| v.to_bits()).collect::<Vec<u64>>();
    match (latent.class.is_empty(), latent.manner.is_usual()) {
        (true, true) => json!(bits(&latent.z)),
        (_, true) => json!([bits(&latent.z), bits(&latent.class)]),
        (_, false) => {
            let Manner { texture, style } = &latent.manner;
            let texture = if texture.is_usual() { Vec::new() } else { texture.flat(latent.z.len() / SCORES) };
            let mut saved = vec![bits(&latent.z), bits(&latent.class), bits(&texture)];
            if !style.is_usual() {
                saved.push(bits(&style.flat()));
            }
            json!(saved)
        }
    }
}

fn latent(saved: &Json) -> Option<Latent> {
    match saved.as_array()?.first() {
        Some(Json::Array(_)) => {
            let (z, class) = (numbers(saved.get(0)?)?, numbers(saved.get(1)?)?);
            let part = |at: usize| saved.get(at).map_or(Some(Vec::new()), numbers);
            let texture = texture::Manner::of(&part(2)?, z.len() / SCORES);
            Some(Latent { manner: Manner { texture, style: Style::of(&part(3)?) }, z, class })
        }
        _ => Some(numbers(saved)?.into()),
    }
}

/// Floats from their bits.
fn numbers(bits: &Json) -> Option<Vec<f64>> {
    bits.as_array()?.iter().map(|v| v.as_u64().map(f64::from_bits)).collect()
}

/// The state that was saved; none for what [`save`] does not give.
pub fn load(saved: &Json, depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    match saved {
        Json::Null => Some(Value::from(())),
        Json::Bool(v) => Some(Value::from(*v)),
        Json::String(text) => rune::to_value(text.clone()).ok(),
        Json::Object(tagged) => {
            let (tag, inside) = tagged.iter().next()?;
            let list = || inside.as_array()?.iter().map(|v| load(v, depth + 1)).collect::<Option<Vec<Value>>>();
            match tag.as_str() {
                "f" => Some(Value::from(f64::from_bits(inside.as_u64()?))),
                "i" => Some(Value::from(inside.as_i64()?)),
                "n" => Some(Value::from(inside.as_u64()?)),
                "c" => rune::to_value(inside.as_str()?.chars().next()?).ok(),
                "z" => Value::new(latent(inside)?).ok(),
                "w" => {
                    let points: Option<Vec<_>> = inside.as_array()?.iter().map(latent).collect();
                    Value::new(Way { points: points? }).ok()
                }
                "o" => {
                    let mut out = Object::new();
                    for (key, inner) in inside.as_object()? {
                        let key = rune::alloc::String::try_from(key.as_str()).ok()?;
                        out.insert(key, load(inner, depth + 1)?).ok()?;
                    }
                    Value::new(out).ok()
                }
                "v" => {
                    let mut out = List::new();
                    for inner in list()? {
                        out.push(inner).ok()?;
                    }
                    Value::new(out).ok()
                }
                "t" => {
                    let mut out = rune::alloc::Vec::new();
                    for inner in list()? {
                        out.try_push(inner).ok()?;
                    }
                    Value::new(OwnedTuple::try_from(out).ok()?).ok()
                }
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_comes_back() {
        let saved = json!({"o": {
            "a": {"f": 0.1_f64.to_bits()}, "b": {"i": -3}, "c": true, "d": null, "e": "text",
            "f": {"v": [{"z": [1.5_f64.to_bits()]}, {"t": [{"i": 1}]}]}, "g": {"c": "x"}, "h": {"w": [[2.5_f64.to_bits()]]},
            "i": {"z": [[1.5_f64.to_bits()], [0.5_f64.to_bits(), 0]]}, "j": {"z": []},
        }});
        let value = load(&saved, 0).unwrap();
        assert_eq!((save(&value, 100), save(&value, 5)), (Some(saved), None));
        assert!(load(&json!({"x": 1}), 0).is_none() && load(&json!([1]), 0).is_none());
    }
}
