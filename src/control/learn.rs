//! Learning: from what a control sends while it is turned, what kind of control it is.
//!
//! Fed with everything that moves while somebody learns; says what was heard. Which target it gets is chosen by
//! the person, and written by [`super::learned`].

use super::hand::{Moved, What};
use super::mapping::{Encoding, Entry, Kind, without_number};

/// Most movements that are looked at.
const MOST: usize = 64;

/// One control, as far as it was heard.
#[derive(Clone, Debug, Default)]
pub struct Learning {
    device: String,
    moves: Vec<Moved>,
}

impl Learning {
    /// Another movement. Another control than before begins anew.
    pub fn hear(&mut self, device: &str, moved: &Moved) {
        let same = |old: &Moved| old.channel == moved.channel && kin(old, moved);
        if self.device != device || !self.moves.last().is_some_and(same) {
            // Letting go of what was pressed before is no touch.
            if moved.what == What::Note && moved.value == 0 {
                return;
            }
            self.moves.clear();
            device.clone_into(&mut self.device);
        }
        if self.moves.len() < MOST {
            self.moves.push(*moved);
        }
    }

    /// The entry for what was heard, with no target yet, and how to call it.
    pub fn heard(&self) -> Option<(Entry, String)> {
        let last = |what: What| self.moves.iter().rev().find(|m| m.what == what);
        // The finest form that was heard: the halves of a fine control are control changes, too.
        let (moved, kind) = if let Some(moved) = last(What::Nrpn) {
            (moved, Kind::Nrpn)
        } else if let Some(moved) = last(What::Cc14).filter(|_| self.fine()) {
            (moved, Kind::Cc14)
        } else {
            let moved = self.moves.last()?;
            let kind = match moved.what {
                What::Cc | What::Cc14 if self.encoding().is_some() => Kind::Relative,
                What::Cc | What::Cc14 => Kind::Cc,
                What::Nrpn => Kind::Nrpn,
                What::Note => Kind::Note,
                What::PitchBend => Kind::PitchBend,
                What::Pressure | What::PolyPressure => Kind::Aftertouch,
                What::Program => Kind::Program,
                What::Key => Kind::Key,
                What::Mouse => Kind::Mouse,
            };
            // A plain control change also counts as the coarse half of a fine one.
            let plain = if moved.what == What::Cc14 { last(What::Cc)? } else { moved };
            (plain, kind)
        };
        let device = without_number(&self.device);
        let mut entry = Entry::heard(device, kind, moved, "");
        entry.encoding = self.encoding().unwrap_or_default();
        let number = entry.number.map_or(String::new(), |n| format!(" {n}"));
        let key = entry.key.as_ref().map_or(String::new(), |k| format!(" {k}"));
        let channel = entry.channel.map_or(String::new(), |c| format!(" on channel {c}"));
        let kind = format!("{kind:?}").to_lowercase();
        Some((entry, format!("{device} {kind}{number}{key}{channel}")))
    }

    /// Whether low bytes came on their own controls, 32 above the high ones.
    fn fine(&self) -> bool {
        let cc: Vec<u16> = self.moves.iter().filter(|m| m.what == What::Cc).map(|m| m.number).collect();
        cc.iter().any(|n| *n < 32 && cc.contains(&(n + 32)))
    }

    /// How an endless encoder counts, if only small steps around its zero came.
    fn encoding(&self) -> Option<Encoding> {
        let values: Vec<u16> = self.moves.iter().filter(|m| m.what == What::Cc).map(|m| m.value).collect();
        // Steps come again and again; a control that is turned goes through its values.
        if values.len() < 3 || !values.windows(2).any(|w| w[0] == w[1]) {
            return None;
        }
        let all = |near: &dyn Fn(u16) -> bool| values.iter().all(|v| near(*v));
        let up = |v: u16| (1..=6).contains(&v);
        if all(&|v| v != 64 && (58..=70).contains(&v)) {
            Some(Encoding::Offset)
        } else if all(&|v| up(v) || v >= 122) {
            Some(Encoding::Twos)
        } else if all(&|v| up(v) || (65..=70).contains(&v)) {
            Some(Encoding::Sign)
        } else {
            None
        }
    }
}

/// Whether two movements can be those of one control: a fine one sends halves on several controllers.
fn kin(a: &Moved, b: &Moved) -> bool {
    /// The controllers that select and move a parameter.
    const PARAMETER: [u16; 6] = [6, 38, 96, 97, 98, 99];
    let apart = a.number.abs_diff(b.number);
    match (a.what, b.what) {
        (What::Nrpn, What::Nrpn) => apart == 0,
        (What::Cc | What::Nrpn | What::Cc14, What::Cc | What::Nrpn | What::Cc14) => {
            let parameter = |m: &Moved| m.what == What::Nrpn || PARAMETER.contains(&m.number);
            apart == 0 || (apart == 32 && a.number.min(b.number) < 32) || (parameter(a) && parameter(b))
        }
        _ => (a.what, a.number) == (b.what, b.number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(moves: &[(What, u16, u16)], kind: Kind, number: Option<u16>, encoding: Encoding) {
        let mut learning = Learning::default();
        learning.hear("box", &Moved { what: What::Note, channel: 2, number: 1, value: 0 });
        for (what, number, value) in moves {
            learning.hear("box", &Moved { what: *what, channel: 1, number: *number, value: *value });
        }
        let (entry, said) = learning.heard().unwrap();
        assert_eq!((entry.kind, entry.number, entry.encoding), (kind, number, encoding), "{said}");
    }

    #[test]
    fn controls_are_known_by_what_they_send() {
        use What::*;
        let none = Encoding::Twos;
        check(&[(Cc, 16, 3), (Cc14, 16, 387), (Cc, 16, 4), (Cc14, 16, 516)], Kind::Cc, Some(16), none);
        check(&[(Cc, 1, 3), (Cc, 33, 9), (Cc14, 1, 393)], Kind::Cc14, Some(1), none);
        check(&[(Cc, 99, 1), (Nrpn, 130, 5), (Cc, 6, 1), (Nrpn, 130, 128)], Kind::Nrpn, Some(130), none);
        check(&[(Note, 60, 90), (Note, 60, 0)], Kind::Note, Some(60), none);
        check(&[(Cc, 7, 1), (Cc, 7, 1), (Cc, 7, 127)], Kind::Relative, Some(7), Encoding::Twos);
        check(&[(Cc, 7, 63), (Cc, 7, 63), (Cc, 7, 65)], Kind::Relative, Some(7), Encoding::Offset);
        check(&[(Cc, 7, 1), (Cc, 7, 1), (Cc, 7, 65)], Kind::Relative, Some(7), Encoding::Sign);
        check(&[(PitchBend, 0, 9000)], Kind::PitchBend, None, none);
        check(&[(Cc, 1, 3), (Cc, 2, 3)], Kind::Cc, Some(2), none);
    }
}
