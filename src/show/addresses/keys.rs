//! The keys that work an address, each with what a press does. Read by the stage, the desk and `flaneur addresses`.

use super::{Act, Switch, Training};

/// One key: which, the address it works, what it does to it, and a sentence.
pub struct Key {
    /// The letter, or the name of the key; "1" stands for 1 to 9.
    pub key: &'static str,
    /// The address that it works.
    pub address: &'static str,
    /// What a press does.
    pub act: Act,
    /// A few words for people.
    pub says: &'static str,
}

const fn key(key: &'static str, address: &'static str, act: Act, says: &'static str) -> Key {
    Key { key, address, act, says }
}

/// The keys that work an address. Digits, which name one of nine, are the stage's own.
pub const KEYS: &[Key] = &[
    key("Ctrl-S", "/flaneur/sketch/reload", Act::Reload, "read the sketch again (saving it does the same)"),
    key(
        "Ctrl-.",
        "/flaneur/out/hush",
        Act::toggle(Switch::Hush),
        "hush: black and held, nothing killed; again brings it back",
    ),
    key("B", "/flaneur/out/blackout", Act::toggle(Switch::Blackout), "blackout"),
    key("F", "/flaneur/out/freeze", Act::toggle(Switch::Freeze), "freeze the picture"),
    key("Space", "/flaneur/walk/hold", Act::toggle(Switch::Hold), "hold the walk"),
    key("R", "/flaneur/rec/recording", Act::toggle(Switch::Recording), "record"),
    key("Ctrl-R", "/flaneur/take/log", Act::toggle(Switch::Take), "log a take: every move of every hand"),
    key("S", "/flaneur/still", Act::Still, "a still"),
    key("T", "/flaneur/train/run", Act::Train(Training::Go(None)), "train beside the show, or pause that"),
    key("P", "/flaneur/train/publish", Act::Train(Training::Publish), "show what was learnt now"),
];
