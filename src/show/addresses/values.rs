//! The values of a message as an address takes them: numbers within their range, texts, names; and who may give paths.

use super::{Takes, find};
use crate::control::hand::Value;

/// Values as an address takes them.
pub struct Values {
    pub number: f64,
    pub numbers: Vec<f64>,
    pub text: String,
    pub secs: Option<f64>,
    /// A button that is let go: nothing is to be done.
    pub nothing: bool,
}

impl Values {
    /// Reads what came for an address.
    ///
    /// # Errors
    /// Why it is not what the address takes.
    pub fn read(takes: Takes, values: &[Value]) -> Result<Self, String> {
        let number = |at: usize, min: f64, max: f64| match values.get(at) {
            Some(Value::Number(v)) => within(*v, min, max),
            Some(Value::Text(_)) => Err("it takes a number".to_owned()),
            Some(Value::Other(())) => Err("it takes a number, and what came has no type tag of one".into()),
            None => Err("it takes a number, and there is none".into()),
        };
        let text = |what: &str| match values.first() {
            Some(Value::Text(text)) => Ok(text.clone()),
            Some(Value::Number(v)) if v.is_finite() => Ok(format!("{v}")),
            _ => Err(format!("it takes {what}")),
        };
        let mut out = Self { number: 1.0, numbers: Vec::new(), text: String::new(), secs: None, nothing: false };
        match takes {
            Takes::Number { min, max } => out.number = number(0, min, max)?,
            Takes::Numbers { min, max } => {
                out.number = number(0, min, max)?;
                out.numbers = (0..values.len()).map(|at| number(at, min, max)).collect::<Result<_, String>>()?;
            }
            Takes::Switch if values.is_empty() => {}
            Takes::Switch => out.number = number(0, f64::MIN, f64::MAX)?,
            Takes::Text => out.text = text("a text, a name")?,
            Takes::Name => {
                out.text = text("a name or a number")?;
                out.secs = if values.len() > 1 { Some(number(1, 0.0, 600.0)?) } else { None };
            }
            Takes::Trigger => out.nothing = matches!(values.first(), Some(Value::Number(v)) if *v < 0.5),
            Takes::Tells(_) => {}
        }
        Ok(out)
    }
}

/// A number in a range; one that is outside by no more than rounding counts as the bound.
fn within(v: f64, min: f64, max: f64) -> Result<f64, String> {
    // Sums of many small steps in single precision are this far off.
    let rounding = |bound: f64| 1e-5 * bound.abs().max((max - min).min(1.0));
    if !v.is_finite() {
        Err("the value is not a number".into())
    } else if v < min - rounding(min) {
        Err(format!("value {} below minimum {min}", v as f32))
    } else if v > max + rounding(max) {
        Err(format!("value {} above maximum {max}", v as f32))
    } else {
        Ok(v.clamp(min, max))
    }
}

/// Longest name in characters.
const LONGEST_NAME: usize = 128;
/// What only a file of its own kind is called by; a name comes without.
const ENDINGS: [&str; 2] = [".rn", ".toml"];

/// Whether a message names what it loads or learns from by a name, and not by a path: more than that is for senders
/// on this machine. Any text is looked at, so that an address that comes later is covered.
///
/// # Errors
/// A sentence, if it has a path.
pub fn only_names(path: &str, values: &[Value]) -> Result<(), String> {
    if !find(path).is_some_and(|(address, _)| matches!(address.takes, Takes::Text | Takes::Name)) {
        return Ok(());
    }
    for value in values {
        let Value::Text(text) = value else { continue };
        let (name, shown) = (text.trim(), text.chars().take(40).collect::<String>());
        let ending = ENDINGS.iter().find(|end| name.to_ascii_lowercase().ends_with(*end));
        let drive = name.chars().nth(1) == Some(':') && name.starts_with(|c: char| c.is_ascii_alphabetic());
        if drive || name.contains(['/', '\\']) || name.starts_with(['.', '~']) {
            let how = "only names are taken from beyond this machine; [osc] paths = true in the preset allows paths";
            return Err(format!("\"{shown}\" is a path, and {how}"));
        }
        if let Some(end) = ending {
            return Err(format!("\"{shown}\" is a file; from beyond this machine give its name, without {end}"));
        }
        if name.chars().count() > LONGEST_NAME || name.contains(char::is_control) {
            return Err(format!("\"{shown}\" is no name"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Dial;
    use crate::show::addresses::{ADDRESSES, Act, acts};

    fn n(v: f64) -> Vec<Value> {
        vec![Value::Number(v)]
    }

    #[test]
    fn within_rounding_counts_as_the_bound() {
        let float = |v: f32| n(f64::from(v));
        for over in [n(1.000_000_000_1), float(1.000_000_1), float((0..100).fold(0.0, |sum, _| sum + 0.01_f32))] {
            let found = acts("/flaneur/knob/a", &over, 100);
            let Ok([Act::Knob(_, value)]) = found.as_deref() else { panic!("{over:?}: {found:?}") };
            assert!((0.999..=1.0).contains(value), "{value}");
        }
        for under in [n(-1e-9), float(-1.2e-7), n(-0.0)] {
            assert_eq!(acts("/flaneur/knob/a", &under, 100), Ok(vec![Act::Knob("a".into(), 0.0)]));
        }
        assert_eq!(acts("/flaneur/walk/speed", &n(-8.000_001), 100), Ok(vec![Act::Dial(Dial::Speed, -8.0)]));
        assert_eq!(acts("/flaneur/clock/bpm", &n(400.000_01), 100), Ok(vec![Act::Tempo(400.0)]));
        assert_eq!(acts("/flaneur/z", &float(10.000_001), 100), Ok(vec![Act::Z(0, 10.0)]));
        for (path, v) in [("/flaneur/knob/a", 1.001), ("/flaneur/knob/a", -0.001), ("/flaneur/clock/bpm", 19.9)] {
            assert!(acts(path, &n(v), 100).is_err(), "{path} {v}");
        }
        // A wide range does not make its lower end wide.
        assert!(acts("/flaneur/train/publish_every", &n(-1.0), 100).is_err());
        for none in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(acts("/flaneur/knob/a", &n(none), 100).unwrap_err().contains("not a number"));
        }
    }

    #[test]
    fn values_without_type_tags_are_enough_for_triggers() {
        let untyped = [Value::Other(())];
        assert_eq!(acts("/flaneur/clock/tap", &untyped, 100), Ok(vec![Act::Tap]));
        assert!(acts("/flaneur/knob/a", &untyped, 100).unwrap_err().contains("type tag"));
    }

    #[test]
    fn from_elsewhere_only_names() {
        let text = |text: &str| vec![Value::Text(text.into())];
        let loads = ADDRESSES.iter().filter(|a| matches!(a.takes, Takes::Text | Takes::Name));
        let mut count = 0;
        for address in loads {
            let path = address.with("palette");
            count += 1;
            for wrong in [
                "/home/me/x.rn",
                "../x",
                "a/b",
                "a\\b",
                "C:x",
                ".hidden",
                "..",
                "~",
                "~/x",
                " /x",
                "Cargo.toml",
                "x.RN",
            ] {
                assert!(only_names(&path, &text(wrong)).is_err(), "{path} {wrong}");
            }
            let second = [Value::Number(1.0), Value::Text("/x".into())];
            assert!(only_names(&path, &second).is_err() && only_names(&path, &text(&"x".repeat(999))).is_err());
            for name in [
                "ring",
                "seed-k10",
                "lines",
                "fed",
                "pictures.zip",
                "3",
                "ff0000 00ff00",
                "gaussian:48:1.2",
                "Flâneur 2",
            ] {
                assert_eq!(only_names(&path, &text(name)), Ok(()), "{path} {name}");
            }
            assert_eq!(only_names(&path, &n(3.0)), Ok(()));
        }
        assert!(count >= 9);
        assert_eq!(only_names("/flaneur/knob/a", &text("/x")), Ok(()));
    }
}
