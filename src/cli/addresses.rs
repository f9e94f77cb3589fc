//! `flaneur addresses`: everything a show can be steered by.

use crate::osc::Kind;
use crate::report::say;
use crate::show::addresses::{ADDRESSES, KEYS, Takes};

/// Prints the registry.
pub fn print() {
    for address in ADDRESSES {
        let takes = match address.takes {
            Takes::Number { min, max } => format!("f {min}..{max}"),
            Takes::Numbers { min, max } => format!("f f f … {min}..{max}"),
            Takes::Switch => "0 or 1".into(),
            Takes::Text => "s".into(),
            Takes::Name => "s [secs]".into(),
            Takes::Trigger => String::new(),
            Takes::Tells(Kind::Int) => "tells i".into(),
            Takes::Tells(Kind::Text) => "tells s".into(),
            Takes::Tells(_) => "tells f".into(),
        };
        let key = KEYS.iter().find(|key| key.address == address.path).map_or("", |key| key.key);
        say(format_args!("{:<26} {takes:<18} {key:<7} {}", address.path, address.says));
    }
}
