//! `flaneur addresses`: what OSC messages a show understands.

use crate::show::addresses::{ADDRESSES, Takes};

/// Prints the registry.
pub fn print() {
    for address in ADDRESSES {
        let takes = match address.takes {
            Takes::Number { min, max } => format!("f {min}..{max}"),
            Takes::Numbers { min, max } => format!("f f f … {min}..{max}"),
            Takes::Switch => "0 or 1".into(),
            Takes::Text => "s".into(),
            Takes::Trigger => String::new(),
        };
        println!("{:<26} {takes:<18} {}", address.path, address.says);
    }
}
