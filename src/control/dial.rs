//! Dials: what can be turned in any show, whatever its sketch. Their ranges, and where they rest.
//!
//! Where each stands is part of [`super::Controls`]; addresses and the desk know them by these names.

use serde::{Deserialize, Serialize};

use super::glide::Glide;

/// What can be turned in any show, whatever its sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dial {
    /// psi: z times this, 0..2; 1 leaves it as it is.
    Truncation,
    /// Light of the output, 0..1.
    Fade,
    /// Walk speed, −8..8.
    Speed,
    /// Where the walk is pushed to in its time, 0..1 of sixteen beats.
    Phase,
    /// How much is seen of what a training has learnt, 0..1.
    Learnt,
    /// How fast a texture slides to the right, −400..400 pixels a second.
    DriftX,
    /// Down.
    DriftY,
    /// How strong structures of a texture are, the finest ones, 0..2; 1 is as they are.
    Size0,
    /// Those twice as large, and so on.
    Size1,
    /// Four times.
    Size2,
    /// Eight times.
    Size3,
    /// Sixteen times.
    Size4,
    /// The coarsest.
    Size5,
    /// How much is seen of the filters behind the generator, 0..1.
    Then,
}

/// Those of the sizes of a texture's structures, the finest first.
pub(super) const SIZES: [Dial; 6] = [Dial::Size0, Dial::Size1, Dial::Size2, Dial::Size3, Dial::Size4, Dial::Size5];

impl Dial {
    /// Lowest and highest value.
    pub const fn range(self) -> [f64; 2] {
        match self {
            Self::Truncation | Self::Size0 | Self::Size1 | Self::Size2 | Self::Size3 | Self::Size4 | Self::Size5 => {
                [0.0, 2.0]
            }
            Self::DriftX | Self::DriftY => [-400.0, 400.0],
            Self::Fade | Self::Phase | Self::Learnt | Self::Then => [0.0, 1.0],
            Self::Speed => [-8.0, 8.0],
        }
    }

    /// Where it stands untouched.
    pub const fn rest(self) -> f64 {
        match self {
            Self::Phase | Self::DriftX | Self::DriftY => 0.0,
            _ => 1.0,
        }
    }
}

/// In the order of their numbers.
pub(super) const DIALS: [Dial; 14] = [
    Dial::Truncation,
    Dial::Fade,
    Dial::Speed,
    Dial::Phase,
    Dial::Learnt,
    Dial::DriftX,
    Dial::DriftY,
    Dial::Size0,
    Dial::Size1,
    Dial::Size2,
    Dial::Size3,
    Dial::Size4,
    Dial::Size5,
    Dial::Then,
];

/// Dials as they were written down; those that a program did not know then are untouched.
pub(super) fn dials<'de, D: serde::Deserializer<'de>>(from: D) -> Result<[Glide; DIALS.len()], D::Error> {
    let known = Vec::<Glide>::deserialize(from)?;
    let mut dials = DIALS.map(|dial| Glide::at(dial.rest()));
    dials.iter_mut().zip(known).for_each(|(dial, known)| *dial = known);
    Ok(dials)
}
