//! Verbs for latents of textures: how their noise slides, how strong each size of structure is, patches, other laws.
//!
//! On other models they leave the latent as it is, and the show says so.

use rune::Value;

use super::super::call::{Bare, Call, Kind, Wrong};
use super::super::values::{Latent, number};
use super::{Arg, Group, Verb, arg, give_latent, latent, styles, text};
use crate::latent;
use crate::latent::manner::Manner;
use crate::latent::noise_law::Law;
use crate::latent::texture::{Between, MOST_SCALES, Patch, SCORES};

const Z: Arg = Arg { name: "z", kind: Kind::Latent, bare: Bare::Seed(0) };
/// How far a picture slides: the canvas comes back after 65 536 pixels.
const FAR: f64 = 1e9;

/// The latent of the first argument and its scales, where the model is a texture.
fn of_texture(c: &Call) -> Result<(Latent, usize), Wrong> {
    let latent = c.latent(0)?;
    let mut inside = c.env.lock();
    let scales = inside.space.scales();
    inside.untextured |= scales.is_none();
    Ok((latent, scales.unwrap_or(0)))
}

/// One size by its number, or all of them where it is left out or below 0.
fn sizes(c: &Call, i: usize, scales: usize) -> Result<std::ops::Range<usize>, Wrong> {
    Ok(range(if c.given(i) { c.number(i)? } else { -1.0 }, scales))
}

fn range(k: f64, scales: usize) -> std::ops::Range<usize> {
    let at = (k.max(0.0) as usize).min(scales.saturating_sub(1));
    if k < 0.0 { 0..scales } else { at..(at + 1).min(scales) }
}

/// `z.scale(k, amount)` of a texture.
pub fn amount(c: &Call) -> Result<Value, Wrong> {
    let (mut latent, scales) = of_texture(c)?;
    let amount = c.number(2)?.clamp(0.0, 4.0);
    for scale in sizes(c, 1, scales)? {
        latent.manner.texture.slide(scale).amount = amount;
    }
    give_latent(latent)
}

/// `z.noise(seed, k)` of a texture, `z.noise(seed)` of a StyleGAN2.
pub fn noise(c: &Call) -> Result<Value, Wrong> {
    if c.env.w_dim() > 0 {
        return styles::noise(c);
    }
    let (mut latent, scales) = of_texture(c)?;
    c.charge(2)?;
    // The arguments' own ranges are those of a number's noise.
    let given = |i: usize, bare: f64| match c.values.get(i) {
        None => Ok(bare),
        Some(value) => number(value).filter(|v| v.is_finite()).ok_or("noise: z.noise(seed, k) takes two numbers"),
    };
    let seed = given(1, 0.0)?.floor().rem_euclid(4_294_967_296.0) as u32;
    let fresh = latent::seed(seed, latent.z.len());
    for scale in range(given(2, -1.0)?, scales) {
        let part = scale * SCORES..(scale + 1) * SCORES;
        latent.z[part.clone()].copy_from_slice(&fresh[part]);
    }
    give_latent(latent)
}

fn law(name: &str) -> Option<Law> {
    Some(match name {
        "scores" => Law::Scores,
        "redresse" => Law::Redresse,
        "rank" => Law::Rank,
        "plain" => Law::Plain,
        _ => return None,
    })
}

pub const VERBS: &[Verb] = &[
    Verb {
        name: "drift",
        group: Group::Textures,
        args: &[Z, arg("x", -FAR, FAR, 0.0), arg("y", -FAR, FAR, 0.0), arg("k", -1.0, MOST_SCALES as f64, -1.0)],
        says: "A texture slid by x pixels to the right and y down, without end: new noise comes in at the edges. With k only the structures of one size slide (0 is the finest).",
        example: "seed(7).drift(t.secs * 40.0, 0)",
        run: |c| {
            let (mut latent, scales) = of_texture(c)?;
            let (x, y) = (c.number(1)?, c.number(2)?);
            for scale in sizes(c, 3, scales)? {
                let slide = latent.manner.texture.slide(scale);
                (slide.x, slide.y) = (slide.x + x, slide.y + y);
            }
            give_latent(latent)
        },
    },
    Verb {
        name: "patch",
        group: Group::Textures,
        args: &[
            Z,
            arg("rng_seed", 0.0, 16_777_216.0, 1.0),
            arg("left", -1e6, 1e6, 0.3),
            arg("top", -1e6, 1e6, 0.3),
            arg("side", 0.0, 1.0, 0.4),
            arg("soft", 0.0, 1.0, 0.3),
            arg("amount", 0.0, 1.0, 1.0),
        ],
        says: "A texture with a square of other noise, its corner and side in shares of the picture. It is carried along where it moves, the ground beside it stays, and its edge is soft.",
        example: "seed(7).patch(3, pingpong(t.phase(8)) * 0.6, 0.3, 0.4)",
        run: |c| {
            let (mut latent, scales) = of_texture(c)?;
            let seed = c.number(1)?.floor();
            let [x, y, side, soft, share] = [c.number(2)?, c.number(3)?, c.number(4)?, c.number(5)?, c.number(6)?];
            if scales > 0 {
                // The picture's edges join.
                let (x, y) = (x.rem_euclid(1.0), y.rem_euclid(1.0));
                latent.manner.texture.patch = Some(Patch { share, seed, x, y, side, soft });
            }
            give_latent(latent)
        },
    },
    Verb {
        name: "between",
        group: Group::Textures,
        args: &[latent("a", 0), latent("b", 1), arg("t", 0.0, 1.0, 0.5), text("law", "redresse")],
        says: "A texture between two, whose noises are blended by a law: \"redresse\" (the lab's), \"rank\", \"scores\", or \"plain\", which fades in the middle. lerp and slerp keep the law by themselves.",
        example: "between(seed(1), seed(2), t.phase(8), \"plain\")",
        run: |c| {
            let (mut latent, scales) = of_texture(c)?;
            let (other, share, name) = (c.latent(1)?, c.number(2)?, c.text(3)?);
            let law = law(&name).ok_or_else(|| {
                format!("between: there is no law \"{name}\"; there are redresse, rank, scores and plain")
            })?;
            match scales {
                // Without noise it is the straight way.
                0 => latent.z = latent::lerp(&latent.z, &other.z, share),
                _ => {
                    // Of a blend within a blend the outer one stays.
                    latent.manner = Manner::blended(&latent.manner, &other.manner, share);
                    latent.manner.texture.between = Some(Between { law, share, z: other.z });
                }
            }
            give_latent(latent)
        },
    },
];
