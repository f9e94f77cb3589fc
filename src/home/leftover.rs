//! Names of what nobody made on purpose: editors' backups and locks, thumbnails, downloads, copies of a conflict.

/// Endings of what editors, downloads and merges leave beside a file.
const LEFT: [&str; 15] = [
    "~",
    ".swp",
    ".swo",
    ".swx",
    ".bak",
    ".backup",
    ".old",
    ".orig",
    ".rej",
    ".save",
    ".tmp",
    ".temp",
    ".part",
    ".partial",
    ".crdownload",
];
/// Names that systems give.
const SYSTEM: [&str; 11] = [
    "__macosx",
    "@eadir",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "system volume information",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
    "__pycache__",
];

/// Whether a name is that of something an editor, a file manager or a synchronisation left: hidden files, backups,
/// locks, thumbnails, the copies of a conflict.
pub fn leftover(name: &str) -> bool {
    let lower = name.to_lowercase();
    // vim tries whether it can write with a file of this name, and counts on where it is taken.
    let vims = name.parse::<u32>().is_ok_and(|n| (4913..=6143).contains(&n) && (n - 4913) % 123 == 0);
    let numbered = lower.rsplit_once(".bak").is_some_and(|(_, n)| n.chars().all(|c| c.is_ascii_digit()));
    name.starts_with('.')
        || (name.starts_with('#') && name.ends_with('#'))
        || name.starts_with("~$")
        || LEFT.iter().any(|end| lower.ends_with(end))
        || SYSTEM.contains(&lower.as_str())
        || lower.contains(".sync-conflict-")
        || lower.contains("conflicted copy")
        || lower.contains("___jb_")
        || vims
        || numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_editors_and_systems_leave_is_known() {
        for name in [
            "ring.rn~",
            ".#ring.rn",
            "#ring.rn#",
            "._default.toml",
            ".ring.rn.swp",
            "ring.rn.swp",
            "ring.rn.bak",
            "ring.rn.bak2",
            "4913",
            "5036",
            "ring.rn.tmp",
            "walk.sync-conflict-20261129-190412-ABCDEFG.rn",
            "ring (Ana's conflicted copy 2026-11-29).rn",
            "~$walk.csv",
            ".DS_Store",
            "Thumbs.db",
            "desktop.ini",
            "@eaDir",
            "__MACOSX",
            ".thumbnails",
            ".Trash-1000",
            ".ipynb_checkpoints",
            "ring.rn___jb_tmp___",
            "ring.rn.orig",
            "walk.txt.part",
            "ring.rn.un~",
        ] {
            assert!(leftover(name), "{name}");
        }
        for name in [
            "ring.rn",
            "walk.txt",
            "4914.txt",
            "4913.txt",
            "bak.rn",
            "two-seeds.rn",
            "1.toml",
            "old.rn",
            "été.rn",
            "in c#",
            "#1.rn",
        ] {
            assert!(!leftover(name), "{name}");
        }
    }
}
