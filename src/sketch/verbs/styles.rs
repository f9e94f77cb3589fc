//! Verbs for models with a mapping to w, as StyleGAN2 has: points of W, psi, styles of single layers, directions, noise,
//! and bends of maps.
//!
//! On other models they leave the latent as it is, and the show says so.

use rune::Value;

use super::super::call::{Bare, Call, Kind, Wrong};
use super::super::values::{Latent, number};
use super::{Arg, Group, Verb, arg, give_latent, latent, numbers, text};
use crate::latent::style::{Bend, LARGEST_SEED, MOST_DIRECTIONS, Style, Turn};

const Z: Arg = Arg { name: "z", kind: Kind::Latent, bare: Bare::Seed(0) };
/// Layers that can be named.
const LAYERS: f64 = 64.0;

/// The latent of the first argument, and how many layers and numbers of w the model has.
fn of_w(c: &Call) -> Result<(Latent, usize, usize), Wrong> {
    let latent = c.latent(0)?;
    let mut inside = c.env.lock();
    let w = inside.space.w.as_ref().map(|w| (w.0.layers(), w.dim()));
    inside.unmapped |= w.is_none();
    let (layers, dim) = w.unwrap_or_default();
    Ok((latent, layers, dim))
}

/// Changes the style of the first argument.
fn styled(c: &Call, f: impl FnOnce(&mut Style) -> Result<(), Wrong>) -> Result<Value, Wrong> {
    let (mut latent, layers, _) = of_w(c)?;
    if layers > 0 {
        f(&mut latent.manner.style)?;
    }
    give_latent(latent)
}

/// `z.noise(seed)` of a StyleGAN2.
pub fn noise(c: &Call) -> Result<Value, Wrong> {
    let seed = c.values.get(1).map_or(Some(0.0), number).filter(|v| v.is_finite());
    let seed = seed.ok_or("noise: z.noise(seed) takes a number")?;
    styled(c, |style| {
        style.noise = Some(seed.floor().rem_euclid(LARGEST_SEED + 1.0));
        Ok(())
    })
}

/// `z.noise_loop(phase, much, seed)` of a StyleGAN2.
pub fn noise_loop(c: &Call) -> Result<Value, Wrong> {
    let given = |i: usize, bare: f64| {
        let found = c.values.get(i).map_or(Some(bare), number).filter(|v| v.is_finite());
        found.ok_or_else(|| "noise_loop: z.noise_loop(phase, much, seed) takes numbers".to_owned())
    };
    let (mut latent, layers, _) = of_w(c)?;
    let turn = Turn {
        phase: given(1, 0.0)?.rem_euclid(1.0),
        radius: given(2, 1.0)?.clamp(0.0, 1.0),
        seed: given(3, 0.0)?.floor().rem_euclid(1e6),
    };
    if layers > 0 {
        latent.manner.style.turn = Some(turn);
    }
    give_latent(latent)
}

/// The layers of a with so much of those of b.
fn mixed(c: &Call, share: impl Fn(usize) -> f64) -> Result<Value, Wrong> {
    let (mut a, layers, dim) = of_w(c)?;
    let mut b = c.latent(1)?;
    if layers > 0 {
        a.map_to_w(c.env)?;
        b.map_to_w(c.env)?;
        c.charge(layers)?;
        let (own, other) = (&mut a.manner.style, &mut b.manner.style);
        own.spread(layers, dim);
        other.spread(layers, dim);
        let parts = own.w.chunks_exact_mut(dim).zip(other.w.chunks_exact(dim));
        for (layer, (own, other)) in parts.enumerate() {
            let share = share(layer);
            own.iter_mut().zip(other).for_each(|(v, other)| *v += (other - *v) * share);
        }
    }
    give_latent(a)
}

pub const VERBS: &[Verb] = &[
    Verb {
        name: "w",
        group: Group::Styles,
        args: &[Z],
        says: "The latent as a point of W: walks between such points go straight there, and what is done to single numbers is done to w.",
        example: "lerp(w(seed(1)), w(seed(2)), pingpong(t.phase(16)))",
        run: |c| {
            let (mut latent, ..) = of_w(c)?;
            latent.map_to_w(c.env)?;
            give_latent(latent)
        },
    },
    Verb {
        name: "raw_w",
        group: Group::Styles,
        args: &[Z],
        says: "The numbers of the latent taken as w as they stand, without the mapping: for w from files that have as many numbers as z.",
        example: "raw_w(seed(7)).truncate(0.3)",
        run: |c| {
            let (mut latent, layers, dim) = of_w(c)?;
            if layers > 0 && !latent.in_w() {
                let mut w = latent.z.clone();
                w.resize(dim, 0.0);
                latent.manner.style.w = w;
            }
            give_latent(latent)
        },
    },
    Verb {
        name: "psi",
        group: Group::Styles,
        args: &[Z, arg("amount", -2.0, 2.0, 0.7), arg("cutoff", 0.0, LAYERS, 0.0)],
        says: "w towards the mean of all: typical and calm below 1, wild above. With a cutoff only so many layers, from the coarsest.",
        example: "seed(7).psi(0.7)",
        run: |c| {
            let (amount, cutoff) = (c.number(1)?, c.whole(2)? as usize);
            styled(c, |style| {
                (style.psi, style.cutoff) = (amount, cutoff);
                Ok(())
            })
        },
    },
    Verb {
        name: "style",
        group: Group::Styles,
        args: &[latent("a", 0), latent("b", 1), arg("from", 0.0, LAYERS, 0.0), arg("to", 0.0, LAYERS, LAYERS)],
        says: "a with the layers of b from one number to another (not with it): 0 is the coarsest, which makes forms, the last ones make colours.",
        example: "style(seed(1), seed(2), 4, 8)",
        run: |c| {
            let (from, to) = (c.number(2)?, c.number(3)?);
            // Between two numbers a layer takes a share.
            mixed(c, |layer| {
                let at = layer as f64;
                ((to - at).clamp(0.0, 1.0) - (from - at).clamp(0.0, 1.0)).max(0.0)
            })
        },
    },
    Verb {
        name: "layers",
        group: Group::Styles,
        args: &[latent("a", 0), latent("b", 1), numbers("shares")],
        says: "a with a share of b in each layer, from the coarsest; the last share is for all that follow.",
        example: "layers(seed(1), seed(2), [0, 0, 0.5, 1])",
        run: |c| {
            let shares = c.numbers(2)?;
            let last = shares.last().copied().unwrap_or(0.5);
            mixed(c, |layer| {
                let share = shares.get(layer).copied().unwrap_or(last);
                if share.is_finite() { share.clamp(-4.0, 4.0) } else { 0.0 }
            })
        },
    },
    Verb {
        name: "direction",
        group: Group::Styles,
        args: &[
            Z,
            Arg { name: "direction", kind: Kind::Any, bare: Bare::Number(0.0) },
            arg("amount", -100.0, 100.0, 1.0),
        ],
        says: "w moved along a direction of the model, by its name or number; flaneur directions MODEL finds them.",
        example: "seed(7).direction(0, pingpong(t.phase(8)) * 3.0)",
        run: |c| {
            let amount = c.number(2)?;
            let at = match c.values.get(1) {
                None => Some(0),
                Some(value) => match (number(value), value.borrow_string_ref()) {
                    (Some(at), _) if at.is_finite() => Some(at.max(0.0) as usize),
                    (_, Ok(name)) => {
                        let inside = c.env.lock();
                        match &inside.space.w {
                            None => None,
                            Some(w) => {
                                let why = || format!("direction: {}", w.no_direction(&name));
                                Some(w.direction(&name).ok_or_else(why)?)
                            }
                        }
                    }
                    _ => return Err("direction: argument 2 (direction) is a name in quotes, or a number".into()),
                },
            };
            styled(c, |style| {
                if let Some(at) = at {
                    style.directions[at.min(MOST_DIRECTIONS - 1)] += amount;
                }
                Ok(())
            })
        },
    },
    Verb {
        name: "noise_strength",
        group: Group::Styles,
        args: &[Z, arg("amount", 0.0, 100.0, 1.0)],
        says: "How strong the noise of a StyleGAN2 is: 1 as it was trained, 0 none. z.noise(seed) says which, z.noise_loop(phase) moves it.",
        example: "seed(7).noise_strength(0)",
        run: |c| {
            let amount = c.number(1)?;
            styled(c, |style| {
                style.strength = amount;
                Ok(())
            })
        },
    },
    Verb {
        name: "bend",
        group: Group::Styles,
        args: &[
            Z,
            arg("layer", 0.0, LAYERS, 4.0),
            text("what", "x"),
            arg("amount", -100.0, 100.0, 0.25),
            arg("share", 0.0, 1.0, 1.0),
            arg("rng_seed", 0.0, LARGEST_SEED, 0.0),
        ],
        says: "The maps of a layer while the picture is drawn: \"x\", \"y\" moved (in widths), \"turn\" (1 is all around), \"zoom\" (1 is as large), \"erode\" (pixels, below 0 dilate), \"threshold\" (0..1), \"multiply\" (1 leaves, 0 mutes); a share of them, chosen by a seed.",
        example: "seed(7).bend(3, \"turn\", t.phase(16))",
        run: |c| {
            let (layer, what, amount) = (c.whole(1)? as usize, c.text(2)?, c.number(3)?);
            let (share, seed) = (c.number(4)?, c.number(5)?.floor());
            let spared = 1.0 - share;
            styled(c, |style| {
                let same = |own: &&Bend| own.layer == layer && own.spared == spared && own.seed == seed;
                let mut bend = style.bends.iter().find(same).copied();
                let bend = bend.get_or_insert(Bend { layer, spared, seed, ..Bend::default() });
                match what.as_str() {
                    "x" => bend.x = amount,
                    "y" => bend.y = amount,
                    "turn" => bend.turn = amount,
                    "zoom" => bend.zoom = (amount - 1.0).max(-0.99),
                    "erode" => bend.erode = amount,
                    "threshold" => bend.threshold = amount.clamp(0.0, 1.0),
                    "multiply" | "mute" => bend.gain = if what == "mute" { -1.0 } else { amount - 1.0 },
                    other => {
                        let known = "x, y, turn, zoom, erode, threshold, multiply and mute";
                        return Err(format!("bend: maps cannot be bent by \"{other}\"; there are {known}"));
                    }
                }
                style.bend(*bend);
                Ok(())
            })
        },
    },
];
