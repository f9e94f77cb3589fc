//! Verbs that draw forms of lines and curves, and those that move and shape what is drawn next.

use rune::Value;

use super::super::call::{Bare, Call, Kind, Wrong};
use super::super::meter;
use super::super::pen::{along, corners, polyline, smooth};
use super::super::values::Drawing;
use super::drawing::{DRAW, FAR, H, LINE_WEIGHT, W, WEIGHT, X, Y, add_mark, place};
use super::{Arg, Group, Verb, arg, colour, numbers, points, text};
use crate::latent::path::{Affine, Cap, Path, Step, Style};
use crate::latent::pose::{Colour, Mark, Place};

const ANGLE: Arg = arg("angle", -1e6, 1e6, 0.0);
/// Most numbers of a dash.
const MOST_DASHES: usize = 16;

/// Adds a path.
fn form(c: &Call, d: &mut Drawing, steps: Vec<Step>, weight: f64, colour: Colour) -> Result<(), Wrong> {
    meter::work(steps.len())?;
    let path = Path { steps, weight: weight as f32, colour, style: Style::default() };
    add_mark(c, d, Mark::Path(Box::new(path)))
}

/// Adds a line through points: weight, then colour.
fn line(c: &Call, steps: impl Fn(&[[f64; 2]]) -> Result<Vec<Step>, Wrong>) -> Result<Value, Wrong> {
    let (points, weight, colour) = (c.points(1)?, c.number(2)?, c.colour(3)?);
    let steps = steps(&points)?;
    // As of a line: what has no weight would be filled.
    c.draw(|d| form(c, d, steps, weight.max(0.0005), colour))
}

/// Adds an area within points: colour, then weight.
fn area(c: &Call, steps: fn(&[[f64; 2]], bool) -> Vec<Step>) -> Result<Value, Wrong> {
    let (points, colour, weight) = (c.points(1)?, c.colour(2)?, c.number(3)?);
    c.draw(|d| form(c, d, steps(&points, true), weight, colour))
}

/// One curve with its control points: quadratic with three points, cubic with four, seven, ten and so on.
fn bezier(points: &[[f64; 2]]) -> Result<Vec<Step>, Wrong> {
    let narrow: Vec<[f32; 2]> = points.iter().map(|p| p.map(|v| v as f32)).collect();
    match narrow[..] {
        [a, b, c] => Ok(vec![Step::Move(a), Step::Quad(b, c)]),
        [a, ref rest @ ..] if !rest.is_empty() && rest.len() % 3 == 0 => {
            let curves = rest.chunks_exact(3).map(|p| Step::Cubic(p[0], p[1], p[2]));
            Ok(std::iter::once(Step::Move(a)).chain(curves).collect())
        }
        _ => Err(format!("bezier: {} points; it takes 3 (quadratic), or 4, 7, 10 and so on (cubic)", points.len())),
    }
}

fn transform(c: &Call, inner: Affine) -> Result<Value, Wrong> {
    c.draw(|d| {
        d.pen.transform(&inner);
        Ok(())
    })
}

/// What `scale` does to a drawing; none if it was called on something else.
pub(super) fn scaled(c: &Call) -> Result<Option<Value>, Wrong> {
    if c.values.first().is_none_or(|v| v.borrow_ref::<Drawing>().is_err()) {
        return Ok(None);
    }
    let x = c.exact(1)?;
    let y = if c.given(2) { c.exact(2)? } else { x };
    transform(c, Affine([[x, 0.0, 0.0], [0.0, y, 0.0]])).map(Some)
}

/// Turned around a place, which is in units of the frame's width and height.
fn turned(c: &Call) -> Result<Value, Wrong> {
    let (angle, x, y) = (c.exact(1)?, c.exact(2)?, c.exact(3)?);
    let (cos, sin) = (libm::cos(angle), libm::sin(angle));
    c.draw(|d| {
        let x = x * d.aspect();
        d.pen.transform(&Affine([[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y]]));
        Ok(())
    })
}

/// Only what lies within is seen from now on.
fn clip(c: &Call, steps: &[Step]) -> Result<Value, Wrong> {
    meter::work(steps.len() + 1000)?;
    c.draw(|d| {
        let (pen, aspect) = (&d.pen, d.aspect());
        let moved = |step: &Step| step.map(|[x, y]| pen.point([f64::from(x), f64::from(y)], aspect));
        let moved: Vec<Step> = steps.iter().map(moved).collect();
        d.pen.style.clips.push(moved.into());
        Ok(())
    })
}

fn style(c: &Call, change: impl FnOnce(&mut Style)) -> Result<Value, Wrong> {
    c.draw(|d| {
        change(&mut d.pen.style);
        Ok(())
    })
}

pub const VERBS: &[Verb] = &[
    Verb {
        name: "disc",
        group: Group::Marks,
        args: &[
            DRAW,
            arg("x", -FAR, FAR, 0.5),
            arg("y", -FAR, FAR, 0.5),
            arg("radius", 0.0, FAR, 0.25),
            colour(),
            WEIGHT,
        ],
        says: "A circle around a place, filled, or with a line; its radius is a share of the frame's height.",
        example: "draw().disc(0.5, 0.5, 0.3, \"cyan\", 0.02)",
        run: |c| {
            let (x, y, radius) = (c.number(1)?, c.number(2)?, c.number(3)?);
            let (colour, weight) = (c.colour(4)?, c.number(5)? as f32);
            c.draw(|d| {
                let a = radius / d.aspect();
                let place =
                    Place { x: (x - a) as f32, y: (y - radius) as f32, w: (2.0 * a) as f32, h: (2.0 * radius) as f32 };
                add_mark(c, d, Mark::Ellipse { place, weight, colour })
            })
        },
    },
    Verb {
        name: "polygon",
        group: Group::Marks,
        args: &[DRAW, points(), colour(), WEIGHT],
        says: "Straight lines through points and back to the first, filled, or with a line of some weight.",
        example: "draw().polygon([[0.5, 0.1], [0.9, 0.8], [0.1, 0.8]], \"red\")",
        run: |c| area(c, polyline),
    },
    Verb {
        name: "polyline",
        group: Group::Marks,
        args: &[DRAW, points(), LINE_WEIGHT, colour()],
        says: "Straight lines from point to point.",
        example: "draw().polyline([[0.1, 0.2], [0.5, 0.8], [0.9, 0.2]], 0.02, \"yellow\")",
        run: |c| line(c, |points| Ok(polyline(points, false))),
    },
    Verb {
        name: "curve",
        group: Group::Marks,
        args: &[DRAW, points(), LINE_WEIGHT, colour()],
        says: "A smooth line through points.",
        example: "draw().curve([[0.1, 0.2], [0.5, 0.8], [0.9, 0.2]], 0.02)",
        run: |c| line(c, |points| Ok(smooth(points, false))),
    },
    Verb {
        name: "blob",
        group: Group::Marks,
        args: &[DRAW, points(), colour(), WEIGHT],
        says: "A smooth form through points and back to the first, filled, or with a line of some weight.",
        example: "draw().blob([[0.5, 0.1], [0.9, 0.8], [0.1, 0.8]], \"magenta\")",
        run: |c| area(c, smooth),
    },
    Verb {
        name: "bezier",
        group: Group::Marks,
        args: &[DRAW, points(), LINE_WEIGHT, colour()],
        says: "A curve with control points: quadratic with 3 points, cubic with 4, 7, 10.",
        example: "draw().bezier([[0.1, 0.5], [0.4, 0], [0.6, 1], [0.9, 0.5]], 0.02)",
        run: |c| line(c, bezier),
    },
    Verb {
        name: "arc",
        group: Group::Marks,
        args: &[DRAW, X, Y, W, H, ANGLE, arg("over", -7.0, 7.0, std::f64::consts::PI), LINE_WEIGHT, colour()],
        says: "Part of an ellipse in a rectangle: from an angle (0 is right, clockwise) over an angle; weight 0 is a filled slice.",
        example: "draw().arc(0.2, 0.2, 0.6, 0.6, 0, tau(0.75), 0.05, \"orange\")",
        run: |c| {
            let Place { x, y, w, h } = place(c, 1)?;
            let [x, y, w, h] = [x, y, w, h].map(f64::from);
            let (from, over, weight, colour) = (c.exact(5)?, c.number(6)?, c.number(7)?, c.colour(8)?);
            let mut steps = along([x, y, w, h], from, over);
            if weight <= 0.0 {
                steps.extend([Step::Line([(x + w / 2.0) as f32, (y + h / 2.0) as f32]), Step::Close]);
            }
            c.draw(|d| form(c, d, steps, weight, colour))
        },
    },
    Verb {
        name: "push",
        group: Group::Pen,
        args: &[DRAW],
        says: "Keeps the transform, dash, cap, edges and clips for the next pop.",
        example: "draw().push().rotate(0.3).rect(0.5, 0.1, 0.2, 0.2).pop().rect(0.5, 0.5, 0.2, 0.2)",
        run: |c| c.draw(|d| d.pen.push()),
    },
    Verb {
        name: "pop",
        group: Group::Pen,
        args: &[DRAW],
        says: "Back to what push has kept last; without one, to how the drawing began.",
        example: "draw().push().translate(0.2, 0).rect(0, 0, 0.1, 0.1).pop().rect(0, 0.5, 0.1, 0.1)",
        run: |c| {
            c.draw(|d| {
                d.pen.pop();
                Ok(())
            })
        },
    },
    Verb {
        name: "translate",
        group: Group::Pen,
        args: &[DRAW, arg("x", -FAR, FAR, 0.0), arg("y", -FAR, FAR, 0.0)],
        says: "Moves what is drawn from now on.",
        example: "draw().translate(0.5, 0.5).rect(0, 0, 0.2, 0.2)",
        run: |c| {
            let (x, y) = (c.exact(1)?, c.exact(2)?);
            c.draw(|d| {
                d.pen.transform(&Affine([[1.0, 0.0, x * d.aspect()], [0.0, 1.0, y]]));
                Ok(())
            })
        },
    },
    Verb {
        name: "rotate",
        group: Group::Pen,
        args: &[DRAW, ANGLE, arg("x", -FAR, FAR, 0.0), arg("y", -FAR, FAR, 0.0)],
        says: "Turns what is drawn from now on, clockwise by radians, around a place.",
        example: "draw().rotate(tau(0.125), 0.5, 0.5).rect(0.3, 0.3, 0.4, 0.4)",
        run: turned,
    },
    Verb {
        name: "dash",
        group: Group::Pen,
        args: &[DRAW, numbers("lengths")],
        says: "Lines from now on in dashes and gaps of these lengths; without any, whole.",
        example: "draw().dash([0.05, 0.02]).line(0, 0.5, 1, 0.5, 0.01)",
        run: |c| {
            let lengths = c.numbers(1)?;
            if lengths.len() > MOST_DASHES || lengths.iter().any(|v| !(0.0..=FAR).contains(v)) {
                return Err(format!("dash: it takes up to {MOST_DASHES} lengths of 0 or more, as in [0.05, 0.02]"));
            }
            c.draw(|d| {
                let growth = d.pen.growth();
                d.pen.style.dash = lengths.iter().map(|v| (v * growth) as f32).collect();
                Ok(())
            })
        },
    },
    Verb {
        name: "cap",
        group: Group::Pen,
        args: &[DRAW, text("cap", "round")],
        says: "Ends of lines from now on: round, butt or square; corners are round or pointed with them.",
        example: "draw().cap(\"butt\").line(0.2, 0.5, 0.8, 0.5, 0.1)",
        run: |c| {
            let cap = match c.text(1)?.as_str() {
                "round" => Cap::Round,
                "butt" => Cap::Butt,
                "square" => Cap::Square,
                other => return Err(format!("cap: \"{other}\" is none; it is \"round\", \"butt\" or \"square\"")),
            };
            style(c, |style| style.cap = cap)
        },
    },
    Verb {
        name: "sharp",
        group: Group::Pen,
        args: &[DRAW, arg("on", 0.0, 1.0, 1.0)],
        says: "Hard edges from now on: a pixel is covered or not; 0 for soft ones again.",
        example: "draw().sharp().disc(0.5, 0.5, 0.3)",
        run: |c| {
            let sharp = c.number(1)? >= 0.5;
            style(c, |style| style.sharp = sharp)
        },
    },
    Verb {
        name: "clip",
        group: Group::Pen,
        args: &[DRAW, X, Y, W, H],
        says: "From now on only what lies in a rectangle is seen, until pop.",
        example: "draw().push().clip(0.2, 0.2, 0.6, 0.6).disc(0.2, 0.2, 0.4).pop()",
        run: |c| {
            let Place { x, y, w, h } = place(c, 1)?;
            let [x, y, w, h] = [x, y, w, h].map(f64::from);
            clip(c, &polyline(&corners(x, y, w, h), true))
        },
    },
    Verb {
        name: "clip_polygon",
        group: Group::Pen,
        args: &[DRAW, points()],
        says: "From now on only what lies in a polygon is seen, until pop.",
        example: "draw().clip_polygon([[0.5, 0.1], [0.9, 0.9], [0.1, 0.9]]).rect(0, 0, 1, 1, \"red\")",
        run: |c| clip(c, &polyline(&c.points(1)?, true)),
    },
    Verb {
        name: "units",
        group: Group::Pen,
        args: &[DRAW, arg("n", 1e-3, FAR, 128.0)],
        says: "From now on the frame is n wide and high: places, weights and sizes count in it, also those that are left out.",
        example: "draw().units(128).line(8, 64, 120, 64, 3)",
        run: |c| {
            let n = c.number(1)?;
            c.draw(|d| {
                d.pen.set_units(n);
                Ok(())
            })
        },
    },
    Verb {
        name: "canvas",
        group: Group::Frames,
        args: &[Arg { name: "colour", kind: Kind::Colour, bare: Bare::Nothing }, arg("units", 1e-3, FAR, 1.0)],
        says: "An empty square drawing on a ground of a colour, and in units, if given.",
        example: "canvas(\"paper\", 128).disc(64, 64, 40, \"ink\", 3)",
        run: |c| {
            let ground = c.colour(0)?;
            let mut drawing = Drawing::of(crate::latent::pose::Pose::default());
            drawing.pose.background = [ground[0], ground[1], ground[2]];
            drawing.pen.set_units(c.number(1)?);
            Value::new(drawing).map_err(|e| e.to_string())
        },
    },
];
