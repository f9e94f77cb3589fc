//! `flaneur addresses`: everything a show can be steered by.

use clap::Args;

use crate::osc::Kind;
use crate::report::{print, say};
use crate::show::addresses::{ADDRESSES, Address, KEYS, Takes};

/// What `flaneur addresses` takes.
#[derive(Args)]
pub struct Addresses {
    /// As the table of docs/addresses.md
    #[arg(long)]
    markdown: bool,
}

impl Addresses {
    /// Prints the registry.
    pub fn run(&self) {
        if self.markdown {
            print(markdown());
            return;
        }
        // Columns are as wide as what stands in them.
        let longest = |words: fn(&Address) -> String| {
            ADDRESSES.iter().map(|address| words(address).chars().count()).max().unwrap_or_default()
        };
        let (path, value) = (longest(|address| address.path.to_owned()), longest(takes));
        let keys = ADDRESSES.iter().map(|address| key(address).len()).max().unwrap_or_default();
        for address in ADDRESSES {
            let (takes, key) = (takes(address), key(address));
            say(format_args!("{:<path$}  {takes:<value$}  {key:<keys$}  {}", address.path, address.says));
        }
    }
}

/// The table as docs/addresses.md holds it, by the word behind `/flaneur/`.
pub fn markdown() -> String {
    let mut out = String::new();
    let mut group = "";
    for address in ADDRESSES {
        let part = address.path.split('/').nth(2).unwrap_or_default();
        if part != group {
            group = part;
            out += &format!("\n## {part}\n\n| address | takes | key | |\n|---|---|---|---|\n");
        }
        out += &format!("| `{}` | {} | {} | {} |\n", address.path, takes(address), key(address), address.says);
    }
    out
}

/// What an address takes or tells, in the words of OSC.
fn takes(address: &Address) -> String {
    match address.takes {
        Takes::Number { min, max } => format!("f {min}..{max}"),
        Takes::Numbers { min, max } => format!("f f f … {min}..{max}"),
        Takes::Switch => "0 or 1".into(),
        Takes::Text => "s".into(),
        Takes::Name => "s [secs]".into(),
        Takes::Trigger => String::new(),
        Takes::Tells(Kind::Int) => "tells i".into(),
        Takes::Tells(Kind::Text) => "tells s".into(),
        Takes::Tells(_) => "tells f".into(),
    }
}

/// The key that works an address.
fn key(address: &Address) -> &'static str {
    KEYS.iter().find(|key| key.address == address.path).map_or("", |key| key.key)
}
