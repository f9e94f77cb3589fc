//! Which key does what, on either window; the table that `?` shows.
//!
//! Letters go by what the keyboard prints, digits by where they are: on some keyboards they need Shift.

use bevy::input::keyboard::{Key, KeyCode, KeyboardInput};

use crate::show::scene::Act;

/// What a key asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Deed {
    Act(Act),
    Fullscreen,
    /// Open or close the desk.
    Desk,
    /// Hide or show the code.
    Code,
    /// The keys.
    Help,
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

/// What `?` shows.
pub(super) const KEYS: [(&str, &str); 16] = [
    ("Ctrl-S", "read the sketch again (saving it in an editor does the same)"),
    ("Ctrl-.", "hush: black and held, nothing killed; again brings it back"),
    ("B", "blackout"),
    ("F", "freeze the picture"),
    ("Space", "hold the walk"),
    ("R", "record"),
    ("S", "a still"),
    ("1 - 9", "recall a snapshot"),
    ("Shift 1 - 9", "store a snapshot"),
    ("other letters", "a hit for the sketch: c.hit(\"a\")"),
    ("mouse", "the knobs mouse_x and mouse_y"),
    ("F11", "full screen"),
    ("Tab", "open or close the desk"),
    ("Ctrl-Shift-H", "hide or show the code"),
    ("?", "these keys"),
    ("Esc", "nothing: the show goes on"),
];

/// The deed of a key that went down.
pub(super) fn deed(press: &KeyboardInput, held: Held) -> Option<Deed> {
    let letter = match &press.logical_key {
        Key::Character(text) => text.to_lowercase(),
        _ => String::new(),
    };
    named(&letter, press.key_code, held)
}

fn named(letter: &str, code: KeyCode, held: Held) -> Option<Deed> {
    if held.other {
        return None;
    }
    if held.ctrl {
        return match (letter, code) {
            ("s", _) => Some(Deed::Act(Act::Reload)),
            (".", _) | (_, KeyCode::Period) => Some(Deed::Act(Act::Hush)),
            ("h", _) if held.shift => Some(Deed::Code),
            _ => None,
        };
    }
    if let Some(digit) = digit(code) {
        return Some(Deed::Act(if held.shift { Act::Store(digit) } else { Act::Recall(digit) }));
    }
    Some(match (letter, code) {
        (_, KeyCode::F11) => Deed::Fullscreen,
        (_, KeyCode::Tab) => Deed::Desk,
        (_, KeyCode::Space) => Deed::Act(Act::Hold),
        ("?", _) => Deed::Help,
        ("b", _) => Deed::Act(Act::Blackout),
        ("f", _) => Deed::Act(Act::Freeze),
        ("r", _) => Deed::Act(Act::Record),
        ("s", _) => Deed::Act(Act::Still),
        (other, _) if other.chars().count() == 1 && other.chars().all(char::is_alphabetic) => {
            Deed::Act(Act::Hit(other.to_owned()))
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

    const CTRL: Held = Held { ctrl: true, shift: false, other: false };
    const SHIFT: Held = Held { ctrl: false, shift: true, other: false };
    const NONE: Held = Held { ctrl: false, shift: false, other: false };

    #[test]
    fn keys_do_what_the_table_says() {
        let act = |a| Some(Deed::Act(a));
        assert_eq!(named("s", KeyCode::KeyS, CTRL), act(Act::Reload));
        assert_eq!(named("s", KeyCode::KeyS, NONE), act(Act::Still));
        assert_eq!(named(".", KeyCode::Period, CTRL), act(Act::Hush));
        assert_eq!(named("!", KeyCode::Digit1, SHIFT), act(Act::Store(1)));
        assert_eq!(named("&", KeyCode::Digit1, NONE), act(Act::Recall(1)));
        assert_eq!(named("ü", KeyCode::BracketLeft, NONE), act(Act::Hit("ü".into())));
        assert_eq!(named("h", KeyCode::KeyH, Held { shift: true, ..CTRL }), Some(Deed::Code));
        assert_eq!(named("", KeyCode::Escape, NONE), None);
        assert_eq!(named("c", KeyCode::KeyC, CTRL), None);
        assert_eq!(named("", KeyCode::Tab, Held { other: true, ..NONE }), None);
    }
}
