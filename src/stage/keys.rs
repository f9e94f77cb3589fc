//! Which key does what, on either window; what `?` shows. Keys that work an address stand in the registry.
//!
//! Letters go by what the keyboard prints, digits by where they are: on some keyboards they need Shift.

use bevy::input::keyboard::{Key, KeyCode, KeyboardInput};

use crate::show::addresses::Act;
use crate::show::addresses::KEYS;

/// What a key asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum KeyAction {
    Act(Act),
    Fullscreen,
    /// Open or close the desk.
    Desk,
    /// Hide or show the code.
    Code,
    /// The keys.
    Help,
    /// Close what lies over the desk.
    Escape,
    /// End the show.
    Quit,
}

/// Keys held down with another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) ctrl: bool,
    pub(super) shift: bool,
    /// Alt, Super: the window system's.
    pub(super) other: bool,
}

impl Held {
    /// Follows a key that went down or came up. Keys are followed one by one, since a quick hand presses and
    /// lets go of Ctrl within one frame.
    pub(super) fn follow(&mut self, key: &KeyboardInput) {
        use KeyCode::*;
        let down = key.state.is_pressed();
        match key.key_code {
            ControlLeft | ControlRight => self.ctrl = down,
            ShiftLeft | ShiftRight => self.shift = down,
            AltLeft | SuperLeft | SuperRight => self.other = down,
            _ => {}
        }
    }
}

/// What `?` shows: the keys of the registry, and those that are the stage's own.
pub(super) fn help() -> Vec<(String, &'static str)> {
    let own = [
        ("L", "learn: touch a control, then click what it is for"),
        ("1 - 9", "recall a snapshot"),
        ("Shift 1 - 9", "store a snapshot"),
        ("other letters", "a hit for the sketch: c.hit(\"a\"), or what a mapping file says"),
        ("mouse", "the knobs mouse_x and mouse_y, or what a mapping file says"),
        ("F11", "full screen"),
        ("Tab", "open or close the desk"),
        ("Ctrl-Shift-H", "hide or show the code"),
        ("?", "these keys"),
        ("Esc", "close these keys, or end learning; never ends the show"),
        ("Ctrl-Q", "end the show, as closing the output window does"),
    ];
    let registered = KEYS.iter().map(|key| (key.key.to_owned(), key.says));
    registered.chain(own.map(|(key, says)| (key.to_owned(), says))).collect()
}

/// The act of a key of the registry, by its name there.
fn registered(name: &str) -> Option<KeyAction> {
    KEYS.iter().find(|key| key.key.eq_ignore_ascii_case(name)).map(|key| KeyAction::Act(key.act.clone()))
}

/// The character that a key prints; empty if it prints none.
pub(super) fn letter(press: &KeyboardInput) -> String {
    match &press.logical_key {
        Key::Character(text) => text.to_lowercase(),
        _ => String::new(),
    }
}

/// What a key that went down asks for.
pub(super) fn action(press: &KeyboardInput, held: Held) -> Option<KeyAction> {
    named(&letter(press), press.key_code, held)
}

fn named(letter: &str, code: KeyCode, held: Held) -> Option<KeyAction> {
    if held.other {
        return None;
    }
    if held.ctrl {
        return match (letter, code) {
            (_, KeyCode::Period) => registered("Ctrl-."),
            ("h", _) if held.shift => Some(KeyAction::Code),
            ("q", _) => Some(KeyAction::Quit),
            (letter, _) => registered(&format!("Ctrl-{letter}")),
        };
    }
    if let Some(digit) = digit(code) {
        let name = digit.to_string();
        return Some(KeyAction::Act(if held.shift { Act::Store(name) } else { Act::Recall(name, None) }));
    }
    let plain = if code == KeyCode::Space { "Space" } else { letter };
    if let Some(action) = registered(plain) {
        return Some(action);
    }
    Some(match (letter, code) {
        (_, KeyCode::F11) => KeyAction::Fullscreen,
        (_, KeyCode::Tab) => KeyAction::Desk,
        (_, KeyCode::Escape) => KeyAction::Escape,
        ("?", _) => KeyAction::Help,
        ("l", _) => KeyAction::Act(Act::Learn),
        (other, _) if other.chars().count() == 1 && other.chars().all(char::is_alphabetic) => {
            KeyAction::Act(Act::Hit(other.to_owned()))
        }
        _ => return None,
    })
}

fn digit(code: KeyCode) -> Option<u8> {
    use KeyCode::*;
    let row = [Digit1, Digit2, Digit3, Digit4, Digit5, Digit6, Digit7, Digit8, Digit9];
    let pad = [Numpad1, Numpad2, Numpad3, Numpad4, Numpad5, Numpad6, Numpad7, Numpad8, Numpad9];
    let at = row.iter().position(|c| *c == code).or_else(|| pad.iter().position(|c| *c == code))?;
    Some(at as u8 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::addresses::Switch;

    const CTRL: Held = Held { ctrl: true, shift: false, other: false };
    const SHIFT: Held = Held { ctrl: false, shift: true, other: false };
    const NONE: Held = Held { ctrl: false, shift: false, other: false };

    #[test]
    fn keys_do_what_the_table_says() {
        let act = |a| Some(KeyAction::Act(a));
        assert_eq!(named("s", KeyCode::KeyS, CTRL), act(Act::Reload));
        assert_eq!(named("s", KeyCode::KeyS, NONE), act(Act::Still));
        assert_eq!(named(".", KeyCode::Period, CTRL), act(Act::toggle(Switch::Hush)));
        assert_eq!(named("!", KeyCode::Digit1, SHIFT), act(Act::Store("1".into())));
        assert_eq!(named("&", KeyCode::Digit1, NONE), act(Act::Recall("1".into(), None)));
        assert_eq!(named("ü", KeyCode::BracketLeft, NONE), act(Act::Hit("ü".into())));
        assert_eq!(named("l", KeyCode::KeyL, NONE), act(Act::Learn));
        assert_eq!(named("r", KeyCode::KeyR, CTRL), act(Act::toggle(Switch::Take)));
        assert_eq!(named(" ", KeyCode::Space, NONE), act(Act::toggle(Switch::Hold)));
        assert_eq!(named("h", KeyCode::KeyH, Held { shift: true, ..CTRL }), Some(KeyAction::Code));
        assert_eq!(named("", KeyCode::Escape, NONE), Some(KeyAction::Escape));
        assert_eq!(named("q", KeyCode::KeyQ, CTRL), Some(KeyAction::Quit));
        assert_eq!(named("q", KeyCode::KeyQ, NONE), act(Act::Hit("q".into())));
        assert_eq!(named("c", KeyCode::KeyC, CTRL), None);
        assert_eq!(named("", KeyCode::Tab, Held { other: true, ..NONE }), None);
    }
}
