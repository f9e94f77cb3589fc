//! Verbs on colours: by numbers, with an opacity, and palettes.

use rune::Value;
use rune::runtime::Vec as List;

use super::super::call::{Kind, Wrong};
use super::super::colours::{Palette, hsv, oklch};
use super::{Arg, Group, Verb, arg, colour, list, receiver};
use crate::latent::pose::Colour;

const P: Arg = receiver("p", Kind::Palette);
const TURNS: Arg = arg("hue", -1e9, 1e9, 0.0);

/// A colour as the script holds it: `[r, g, b, opacity]`.
pub(super) fn value(colour: Colour) -> Result<Value, Wrong> {
    let mut out = List::new();
    for v in colour {
        out.push(Value::from(f64::from(v))).map_err(|e| e.to_string())?;
    }
    Value::new(out).map_err(|e| e.to_string())
}

/// The colours of the three lines.
fn of_the_lines() -> Vec<Colour> {
    [[255, 255, 255], [224, 184, 7], [185, 33, 19], [54, 79, 179]]
        .map(|[r, g, b]: [u8; 3]| [f32::from(r) / 255.0, f32::from(g) / 255.0, f32::from(b) / 255.0, 1.0])
        .to_vec()
}

pub const VERBS: &[Verb] = &[
    Verb {
        name: "palette",
        group: Group::Colours,
        args: &[list("colours")],
        says: "Colours in an order, for at, blend and r.pick; without a list those of the three lines.",
        example: "draw().rect(0, 0, 1, 1, palette([\"red\", \"#224488\", 0.5]).blend(0.3))",
        run: |c| {
            let colours = if c.given(0) { c.colours(0)? } else { of_the_lines() };
            Value::new(Palette { colours }).map_err(|e| e.to_string())
        },
    },
    Verb {
        name: "at",
        group: Group::Colours,
        args: &[P, arg("i", -1e9, 1e9, 0.0)],
        says: "The colour of a number from 0; behind the last one it begins anew.",
        example: "draw().rect(0, 0, 1, 1, palette([\"red\", \"blue\"]).at(3))",
        run: |c| value(c.palette()?.at(c.whole(1)?)),
    },
    Verb {
        name: "blend",
        group: Group::Colours,
        args: &[P, arg("t", 0.0, 1.0, 0.5)],
        says: "The colour at 0 (the first) to 1 (the last), blended from its neighbours.",
        example: "draw().rect(0, 0, 1, 1, palette([\"red\", \"blue\"]).blend(t.phase(4)))",
        run: |c| value(c.palette()?.blend(c.number(1)?)),
    },
    Verb {
        name: "tint",
        group: Group::Colours,
        args: &[colour(), arg("opacity", 0.0, 1.0, 0.5)],
        says: "A colour with an opacity.",
        example: "draw().disc(0.5, 0.5, 0.3, tint(\"red\", 0.4))",
        run: |c| {
            let [r, g, b, _] = c.colour(0)?;
            value([r, g, b, c.number(1)? as f32])
        },
    },
    Verb {
        name: "hsv",
        group: Group::Colours,
        args: &[TURNS, arg("saturation", 0.0, 1.0, 1.0), arg("value", 0.0, 1.0, 1.0)],
        says: "A colour from its hue in turns (0 red, 1/3 green, 2/3 blue), saturation and value.",
        example: "draw().rect(0, 0, 1, 1, hsv(t.phase(16), 0.8, 0.9))",
        run: |c| value(hsv(c.number(0)?.rem_euclid(1.0), c.number(1)?, c.number(2)?)),
    },
    Verb {
        name: "oklch",
        group: Group::Colours,
        args: &[arg("lightness", 0.0, 1.0, 0.7), arg("chroma", 0.0, 0.4, 0.1), TURNS],
        says: "A colour from lightness, chroma and hue in turns, in steps that look equal (OKLCH).",
        example: "draw().rect(0, 0, 1, 1, oklch(0.7, 0.12, t.phase(16)))",
        run: |c| value(oklch(c.number(0)?, c.number(1)?, c.number(2)?.rem_euclid(1.0))),
    },
];
