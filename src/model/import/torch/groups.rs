//! The dictionaries of arrays that a file holds: a checkpoint often has several networks, and wrappers in their names.
//!
//! Made from a `Bag` for whoever recognises networks and chooses among them. Absent: the choice.

use std::collections::HashMap;

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
/// Groups at most where the file does not say what they are.
const MOST: usize = 1000;

/// The groups of a bag: the whole file first, then its dictionaries in the file's order, outer ones before inner ones.
///
/// Files that do not say where their dictionaries end (`.npz`, `.safetensors`) have a group for the whole and one for
/// each beginning, up to the first dot, that several names share.
pub fn groups(bag: &Bag) -> Vec<Group> {
    let listed = bag.config.get("groups").and_then(|groups| groups.as_array());
    let mut prefixes: Vec<&str> = vec![""];
    match listed {
        Some(listed) => prefixes.extend(listed.iter().filter_map(|group| group.as_str())),
        None => prefixes.extend(beginnings(bag)),
    }
    let mut groups: Vec<Group> = Vec::new();
    for prefix in prefixes {
        if groups.iter().any(|other| other.prefix == prefix) {
            continue;
        }
        let group = group(bag, prefix);
        if !group.arrays.is_empty() {
            groups.push(group);
        }
    }
    groups
}

/// What several names begin with, up to the first dot, in the file's order.
fn beginnings(bag: &Bag) -> Vec<&str> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut found = Vec::new();
    for (first, _) in bag.arrays.iter().filter_map(|array| array.name.split_once('.')) {
        let count = counts.entry(first).or_default();
        *count += 1;
        if *count == 1 {
            found.push(first);
        }
    }
    found.retain(|first| counts.get(first).is_some_and(|count| *count >= LEAST));
    found.truncate(MOST);
    found
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
