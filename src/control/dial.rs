//! Dials: what can be turned in any show, whatever its sketch. Their ranges, and where they rest.
//!
//! Where each stands is part of [`super::Controls`]; addresses and the desk know them by these names.

use serde::{Deserialize, Serialize};

use super::glide::Glide;

/// Largest seed of noise and of a choice: whole numbers up to it are exact in single precision.
const LARGEST_SEED: f64 = 16_777_215.0;

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
    /// So many layers from the coarsest follow psi; 0 is all of them.
    Cutoff,
    /// How strong a model's noise is, 0..4; 1 as it was trained.
    Noise,
    /// Seed of the noise; 0 is the model's own.
    NoiseSeed,
    /// How much of the noise turns, 0..1.
    NoiseTurn,
    /// Where on its loop it is, 0..1.
    NoisePhase,
    /// So many blocks of the network are left out: a picture of half the size for each; -1 is as the machine needs it.
    Fewer,
    /// Seed of the style that layers take over.
    OtherSeed,
    /// Which layer's maps are bent, from 0.
    BendLayer,
    /// How many of them are left out, 0..1.
    BendSpared,
    /// Chooses those that are.
    BendSeed,
    /// How far they move to the right, in widths.
    BendX,
    /// Down, in heights.
    BendY,
    /// How far they turn: 1 is all around.
    BendTurn,
    /// How much larger they get: 1 is twice as large.
    BendZoom,
    /// Eroded (above 0) or dilated, in pixels.
    BendErode,
    /// What is less than this share of the largest becomes 0.
    BendThreshold,
    /// Factor; 0 mutes.
    BendGain,
}

/// Those of the sizes of a texture's structures, the finest first.
pub(super) const SIZES: [Dial; 6] = [Dial::Size0, Dial::Size1, Dial::Size2, Dial::Size3, Dial::Size4, Dial::Size5];

/// Those that only a model with a mapping to w knows.
pub(super) fn of_styles() -> impl Iterator<Item = Dial> {
    DIALS.into_iter().skip(Dial::Then as usize + 1)
}

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
            Self::Cutoff | Self::BendLayer => [0.0, 32.0],
            Self::Noise | Self::BendGain => [0.0, 4.0],
            Self::NoiseSeed | Self::OtherSeed | Self::BendSeed => [0.0, LARGEST_SEED],
            Self::NoiseTurn | Self::NoisePhase | Self::BendSpared | Self::BendThreshold => [0.0, 1.0],
            Self::Fewer => [-1.0, 8.0],
            Self::BendX | Self::BendY | Self::BendTurn => [-1.0, 1.0],
            Self::BendZoom => [-0.9, 4.0],
            Self::BendErode => [-8.0, 8.0],
        }
    }

    /// Whether it is a whole number that names something: on its way there it would name others.
    pub const fn names(self) -> bool {
        let seed = matches!(self, Self::NoiseSeed | Self::OtherSeed | Self::BendSeed);
        seed || matches!(self, Self::BendLayer | Self::Cutoff | Self::Fewer)
    }

    /// Where it stands untouched.
    pub const fn rest(self) -> f64 {
        match self {
            Self::Phase | Self::DriftX | Self::DriftY => 0.0,
            dial if (dial as usize) > Self::Then as usize => match dial {
                Self::Noise | Self::BendGain => 1.0,
                Self::Fewer => -1.0,
                _ => 0.0,
            },
            _ => 1.0,
        }
    }
}

/// In the order of their numbers.
pub(super) const DIALS: [Dial; 31] = [
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
    Dial::Cutoff,
    Dial::Noise,
    Dial::NoiseSeed,
    Dial::NoiseTurn,
    Dial::NoisePhase,
    Dial::Fewer,
    Dial::OtherSeed,
    Dial::BendLayer,
    Dial::BendSpared,
    Dial::BendSeed,
    Dial::BendX,
    Dial::BendY,
    Dial::BendTurn,
    Dial::BendZoom,
    Dial::BendErode,
    Dial::BendThreshold,
    Dial::BendGain,
];

/// Dials as they were written down; those that a program did not know then are untouched.
pub(super) fn dials<'de, D: serde::Deserializer<'de>>(from: D) -> Result<[Glide; DIALS.len()], D::Error> {
    let known = Vec::<Glide>::deserialize(from)?;
    let mut dials = DIALS.map(|dial| Glide::at(dial.rest()));
    dials.iter_mut().zip(known).for_each(|(dial, known)| *dial = known);
    Ok(dials)
}
