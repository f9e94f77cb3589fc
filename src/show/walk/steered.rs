//! What hands do to the latents of a model with a mapping, put together of their dials.
//!
//! Asked by the walk for every frame. May touch: nothing.

use crate::control::{Controls, Dial};
use crate::latent::style::{Bend, Mapped, Style, Turn};

/// All of it; `hurried` are blocks that are left out where no hand says how many.
pub fn hands(controls: &Controls, mapped: &Mapped, hurried: usize) -> Style {
    let at = |dial| controls.dial(dial);
    let mut style = Style {
        psi: at(Dial::Truncation),
        cutoff: at(Dial::Cutoff).round() as usize,
        strength: at(Dial::Noise),
        noise: Some(at(Dial::NoiseSeed).round()).filter(|seed| *seed >= 1.0),
        fewer: if at(Dial::Fewer) < 0.0 { hurried } else { at(Dial::Fewer).round() as usize },
        ..Style::default()
    };
    let (radius, phase) = (at(Dial::NoiseTurn), at(Dial::NoisePhase));
    style.turn = (radius > 0.0).then_some(Turn { radius, phase, seed: 0.0 });
    for (name, amount) in controls.directions() {
        if let Some(own) = mapped.direction(name).and_then(|at| style.directions.get_mut(at)) {
            *own += amount;
        }
    }
    style.bend(Bend {
        layer: at(Dial::BendLayer).round() as usize,
        spared: at(Dial::BendSpared),
        seed: at(Dial::BendSeed).round(),
        x: at(Dial::BendX),
        y: at(Dial::BendY),
        turn: at(Dial::BendTurn),
        zoom: at(Dial::BendZoom),
        erode: at(Dial::BendErode),
        threshold: at(Dial::BendThreshold),
        gain: at(Dial::BendGain) - 1.0,
    });
    style.shares = std::array::from_fn(|layer| controls.layer(layer));
    style.other = at(Dial::OtherSeed).round();
    if style.shares.iter().all(|share| *share == 0.0) {
        style.other = 0.0;
    }
    style
}
