//! The dictionaries of arrays that a file holds: a checkpoint often has several networks, and wrappers in their names.
//!
//! Made from a `Bag` for whoever recognises networks and chooses among them. Absent: the choice.

use std::borrow::Cow;

use super::super::bag::Bag;

/// Arrays whose names begin alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What their names begin with, without the last dot; empty for the whole file.
    pub prefix: String,
    /// The place of each array in the bag, and its name without the prefix and without `module.` and `_orig_mod.`.
    pub arrays: Vec<(usize, String)>,
}

/// Arrays that a prefix must hold to be a group, where the file does not say what its dictionaries are.
const LEAST: usize = 2;

/// The groups of a bag: the whole file first, then its dictionaries in the file's order, outer ones before inner ones.
///
/// Files that do not say where their dictionaries end (`.npz`, `.safetensors`) have a group for the whole and one for
/// each beginning, up to the first dot, that several names share.
pub fn groups(bag: &Bag) -> Vec<Group> {
    let listed = bag.config.get("groups").and_then(|groups| groups.as_array());
    let mut prefixes: Vec<Cow<'_, str>> = vec!["".into()];
    match listed {
        Some(listed) => prefixes.extend(listed.iter().filter_map(|group| group.as_str()).map(Cow::Borrowed)),
        None => {
            for array in &bag.arrays {
                if let Some((first, _)) = array.name.split_once('.')
                    && prefixes.len() < 1000
                    && !prefixes.iter().any(|prefix| prefix == first)
                {
                    prefixes.push(first.into());
                }
            }
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    for prefix in prefixes {
        let group = group(bag, &prefix);
        let enough = listed.is_some() || prefix.is_empty() || group.arrays.len() >= LEAST;
        if enough && !group.arrays.is_empty() && !groups.iter().any(|other| other.prefix == prefix) {
            groups.push(group);
        }
    }
    groups
}

fn group(bag: &Bag, prefix: &str) -> Group {
    let inside = |name: &str| match prefix {
        "" => Some(name.to_owned()),
        _ => name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')).map(str::to_owned),
    };
    let names = bag.arrays.iter().enumerate();
    let mut arrays: Vec<_> = names.filter_map(|(place, array)| Some((place, inside(&array.name)?))).collect();
    // `torch.compile` wraps any module, `DataParallel` the whole network.
    for (_, name) in &mut arrays {
        if name.contains("_orig_mod.") {
            *name = name.replace("_orig_mod.", "");
        }
    }
    while !arrays.is_empty() && arrays.iter().all(|(_, name)| name.starts_with("module.")) {
        for (_, name) in &mut arrays {
            name.drain(.."module.".len());
        }
    }
    Group { prefix: prefix.to_owned(), arrays }
}
